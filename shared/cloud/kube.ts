import type { Action } from './action.ts'
import type { CloudReader, CloudWriter, SendOptions } from './cloud.ts'
import { ForwardRequest, type ForwardRequestResponse } from './generated/tke/forward-request.ts'
import { isPlain, JsonError, membersOf, parseJson, stringifyJson } from './json.ts'
import { KubeError, kubeErrorOf, refusedHere } from './kube-error.ts'
import { kubePath, kubeVersionPath, parseKubePath } from './kube-path.ts'
import { quote } from './quote.ts'

export { KubeError, type KubeErrorKind } from './kube-error.ts'
export { type KubeSubresource, type KubeTarget, kubePath } from './kube-path.ts'

/** An object of a Kubernetes API as it came, checked as far as this says. Numbers beyond 2^53 are bigints. */
export interface KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: KubeMetadata
  readonly [field: string]: unknown
}

export interface KubeMetadata {
  readonly name: string
  readonly namespace?: string
  readonly uid?: string
  readonly resourceVersion?: string
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly [field: string]: unknown
}

export interface KubeList {
  readonly items: readonly KubeObject[]
  /** Of the list: the state of the cluster it shows. */
  readonly resourceVersion: string
}

export interface KubeListOptions {
  readonly labelSelector?: string | undefined
  readonly fieldSelector?: string | undefined
  /** Objects per answer; 500 when absent. All are read in any case. */
  readonly limit?: number | undefined
}

/** An API group; the core group's name is empty. */
export interface KubeGroup {
  readonly group: string
  /** The server's preferred version first. */
  readonly versions: readonly string[]
}

export interface KubeResource {
  readonly version: string
  /** As in a path: `deployments`. */
  readonly resource: string
  readonly kind: string
  readonly namespaced: boolean
  readonly verbs: readonly string[]
  readonly subresources: readonly { readonly name: string; readonly group: string; readonly version: string; readonly kind: string }[]
}

export interface KubeGroupResources extends KubeGroup {
  readonly resources: readonly KubeResource[]
}

/** Reads one cluster's Kubernetes API. Throws KubeError, and CloudError where the call itself failed. */
export interface KubeReader {
  readonly clusterId: string
  /** One object. `kube.not-found` when there is none. */
  get(path: string): Promise<KubeObject>
  /** All objects, over as many answers as it takes. `items` get the apiVersion and kind that lists leave out. */
  list(path: string, options?: KubeListOptions): Promise<KubeList>
  /** The groups this server has and in which versions, the core group included. */
  discover(): Promise<readonly KubeGroup[]>
  /** What one group offers, in all its versions; undefined when this server does not have the group. `''` is the core group. */
  discover(group: string): Promise<KubeGroupResources | undefined>
}

export type KubePatchType = 'merge' | 'json' | 'strategic'

export interface KubeDeleteOptions {
  /** Deletes only this state of the object; else `kube.conflict`. Servers before 1.14 ignore it: give the uid as well. */
  readonly resourceVersion?: string | undefined
  /** Deletes only this object and not a later one of the same name; else `kube.conflict`. */
  readonly uid?: string | undefined
  readonly propagation?: 'Foreground' | 'Background' | 'Orphan' | undefined
}

/** Reads and changes one cluster. Every method sends exactly one writing call; none is repeated here. */
export interface KubeWriter extends KubeReader {
  create(path: string, object: object): Promise<KubeObject>
  /** `merge` and `strategic` take an object, `json` a list of operations. */
  patch(path: string, type: KubePatchType, body: object): Promise<KubeObject>
  replace(path: string, object: object): Promise<KubeObject>
  delete(path: string, options?: KubeDeleteOptions): Promise<void>
  /** Asks a pod to go, with its disruption budget respected: `kube.too-many-requests` means the budget says not now. */
  evict(namespace: string, pod: string, options?: { readonly uid?: string | undefined }): Promise<void>
  /** Sets the replicas of a workload through its scale subresource. With a resourceVersion that is no longer current: `kube.conflict`. */
  scale(path: string, replicas: number, resourceVersion?: string): Promise<KubeObject>
}

export interface ForwardReadRequest {
  /** Nothing but GET, so that a reader can only read. */
  readonly Method: 'GET'
  readonly Path: string
  readonly Accept?: string
  readonly ClusterName?: string
  readonly ClusterId?: string
}

/** ForwardRequest as far as it only reads. Shares the name, and with it the rate, of the action that can do anything. */
export const ForwardRead: Action<'ForwardRequest', 'read', ForwardReadRequest, ForwardRequestResponse> = {
  service: ForwardRequest.service,
  version: ForwardRequest.version,
  name: ForwardRequest.name,
  effect: 'read',
  ratePerSecond: ForwardRequest.ratePerSecond,
  regional: ForwardRequest.regional,
  input: {
    Method: { type: 'string', required: true },
    Path: { type: 'string', required: true },
    Accept: { type: 'string' },
    ClusterName: { type: 'string' },
    ClusterId: { type: 'string' },
  },
}

const patchContentTypes: Readonly<Record<KubePatchType, string>> = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
}

const defaultListLimit = 500
/** A list of more answers than this (at 500 objects each) is taken for a server that never comes to its end. */
const mostListAnswers = 2000

/** A reader of one cluster's Kubernetes API through the platform's ForwardRequest. `options` hold for every call. */
export function kubeReader(cloud: CloudReader, clusterId: string, options: SendOptions = {}): KubeReader {
  checkClusterId(clusterId)
  return readerOf(async (path) => {
    const response = await cloud.send(
      ForwardRead,
      { Method: 'GET', Path: path, Accept: 'application/json', ClusterName: clusterId, ClusterId: clusterId },
      options,
    )
    return response.ResponseBody
  }, clusterId)
}

/** A reader and writer of one cluster's Kubernetes API through the platform's ForwardRequest. `options` hold for every call. */
export function kubeWriter(cloud: CloudWriter, clusterId: string, options: SendOptions = {}): KubeWriter {
  const reader = kubeReader(cloud, clusterId, options)

  const write = async (
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    contentType: string,
    body: unknown,
  ): Promise<KubeAnswer> => {
    const where = { method, path, clusterId }
    const request = {
      Method: method,
      Path: path,
      Accept: 'application/json',
      ContentType: contentType,
      ClusterName: clusterId,
      ClusterId: clusterId,
    }
    const response = await cloud.send(ForwardRequest, { ...request, RequestBody: textOf(body, where) }, options)
    return answerOf(response.ResponseBody, where)
  }

  let evictionVersion: Promise<string> | undefined
  const evictionVersionOnce = (): Promise<string> => {
    evictionVersion ??= findEvictionVersion(reader).catch((error: unknown) => {
      evictionVersion = undefined
      throw error
    })
    return evictionVersion
  }

  return {
    ...reader,
    create: async (path, object) => {
      if (parseKubePath(path, clusterId).name !== undefined)
        throw refusedHere(clusterId, path, 'objects are created in a collection; leave the name out of the path')
      return objectOf(await write('POST', path, 'application/json', object))
    },
    patch: async (path, type, body) => {
      named(path, clusterId)
      if (Array.isArray(body) !== (type === 'json')) {
        throw refusedHere(clusterId, path, type === 'json' ? 'a json patch is a list of operations' : `a ${type} patch is an object`)
      }
      return objectOf(await write('PATCH', path, patchContentTypes[type], body))
    },
    replace: async (path, object) => {
      named(path, clusterId)
      return objectOf(await write('PUT', path, 'application/json', object))
    },
    delete: async (path, { resourceVersion, uid, propagation } = {}) => {
      named(path, clusterId)
      const preconditions = { ...(uid === undefined ? {} : { uid }), ...(resourceVersion === undefined ? {} : { resourceVersion }) }
      await write('DELETE', path, 'application/json', {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        ...(propagation === undefined ? {} : { propagationPolicy: propagation }),
        ...(uid === undefined && resourceVersion === undefined ? {} : { preconditions }),
      })
    },
    evict: async (namespace, pod, { uid } = {}) => {
      const path = kubePath({ version: 'v1', resource: 'pods', namespace, name: pod, subresource: 'eviction' }, clusterId)
      const version = await evictionVersionOnce()
      await write('POST', path, 'application/json', {
        apiVersion: `policy/${version}`,
        kind: 'Eviction',
        metadata: { name: pod, namespace },
        ...(uid === undefined ? {} : { deleteOptions: { preconditions: { uid } } }),
      })
    },
    scale: async (path, replicas, resourceVersion) => {
      const target = named(path, clusterId)
      if (target.subresource !== undefined && target.subresource !== 'scale')
        throw refusedHere(clusterId, path, 'only the object itself can be scaled')
      if (!Number.isSafeInteger(replicas) || replicas < 0 || replicas > 2_147_483_647)
        throw refusedHere(clusterId, path, `${replicas} is no number of replicas`)
      const body = { ...(resourceVersion === undefined ? {} : { metadata: { resourceVersion } }), spec: { replicas } }
      return objectOf(await write('PATCH', kubePath({ ...target, subresource: 'scale' }, clusterId), patchContentTypes.merge, body))
    },
  }
}

/** Sends a GET and gives the body. */
type Read = (path: string) => Promise<string>

function readerOf(read: Read, clusterId: string): KubeReader {
  const readAnswer = async (path: string): Promise<KubeAnswer> =>
    answerOf(await read(path), { method: 'GET', path: path.split('?')[0] ?? '', clusterId })

  function discover(): Promise<readonly KubeGroup[]>
  function discover(group: string): Promise<KubeGroupResources | undefined>
  async function discover(group?: string): Promise<readonly KubeGroup[] | KubeGroupResources | undefined> {
    if (group === '') return { ...coreGroup, resources: resourcesOf(await readAnswer('/api/v1'), 'v1', '') }
    const groups = groupsOf(await readAnswer('/apis'))
    if (group === undefined) return [coreGroup, ...groups]
    const found = groups.find((candidate) => candidate.group === group)
    if (found === undefined) return undefined
    const resources: KubeResource[] = []
    for (const version of found.versions)
      resources.push(...resourcesOf(await readAnswer(kubeVersionPath(found.group, version, clusterId)), version, found.group))
    return { ...found, resources }
  }

  return {
    clusterId,
    get: async (path) => {
      named(path, clusterId)
      return objectOf(await readAnswer(path))
    },
    list: async (path, options = {}) => {
      if (parseKubePath(path, clusterId).name !== undefined)
        throw refusedHere(clusterId, path, 'this is one object and no list; leave the name out of the path')
      const limit = options.limit ?? defaultListLimit
      if (!Number.isSafeInteger(limit) || limit < 1)
        throw refusedHere(clusterId, path, `${limit} is no number of objects per answer; use a whole number from 1`)
      const query = queryOf({ ...options, limit })
      try {
        return await listOnce(readAnswer, { method: 'GET', path, clusterId }, query)
      } catch (error) {
        // The list's state was given up while it was read (410): the next one begins with a fresh state.
        if (!(error instanceof KubeError) || error.status !== 410) throw error
        return await listOnce(readAnswer, { method: 'GET', path, clusterId }, query)
      }
    },
    discover,
  }
}

async function listOnce(readAnswer: (path: string) => Promise<KubeAnswer>, where: Where, query: string): Promise<KubeList> {
  const items: KubeObject[] = []
  let resourceVersion: string | undefined
  let token = ''
  for (let answers = 0; answers < mostListAnswers; answers += 1) {
    const answer = await readAnswer(`${where.path}?${query}${token === '' ? '' : `&continue=${encodeURIComponent(token)}`}`)
    const page = listOf(answer)
    for (const item of page.items) items.push(item)
    resourceVersion ??= page.resourceVersion
    if (page.continue === '') return { items, resourceVersion }
    if (page.continue === token) throw badAnswer(where, 'the list says twice to continue at the same place')
    token = page.continue
  }
  throw badAnswer(where, `the list does not end within ${mostListAnswers} answers`)
}

function queryOf(options: KubeListOptions & { readonly limit: number }): string {
  const parts = [`limit=${options.limit}`]
  for (const name of ['labelSelector', 'fieldSelector'] as const) {
    const value = options[name]
    if (value !== undefined && value !== '') parts.push(`${name}=${encodeURIComponent(value.toWellFormed())}`)
  }
  return parts.join('&')
}

interface Where {
  readonly method: string
  readonly path: string
  readonly clusterId: string
}

interface KubeAnswer {
  readonly where: Where
  readonly kind: string
  readonly body: object
}

/**
 * Parses a forwarded answer. It comes without HTTP status, so a failure is known by its kind `Status`. An answer that is
 * empty, no JSON or no object with a kind is `kube.bad-answer`: it says nothing, least of all that a list is empty.
 */
function answerOf(text: string, where: Where): KubeAnswer {
  if (typeof text !== 'string' || text.trim() === '') throw badAnswer(where, 'the answer is empty')
  if (text.trim() === unservedPath) throw unserved(where)
  let body: unknown
  try {
    body = parseJson(text)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw badAnswer(where, error.message)
  }
  if (!isPlain(body)) throw badAnswer(where, 'the answer is no object')
  const kind = field(body, 'kind')
  if (typeof kind !== 'string' || kind === '') throw badAnswer(where, 'the answer has no kind')
  if (kind === 'Status' && field(body, 'status') !== 'Success') throw kubeErrorOf(body, where)
  return { where, kind, body }
}

function objectOf(answer: KubeAnswer): KubeObject {
  if (!isKubeObject(answer.body))
    throw badAnswer(answer.where, `the answer of kind ${answer.kind} is no object with apiVersion and metadata.name`)
  return answer.body
}

function listOf(answer: KubeAnswer): {
  readonly items: readonly KubeObject[]
  readonly resourceVersion: string
  readonly continue: string
} {
  const { body, kind, where } = answer
  const apiVersion = field(body, 'apiVersion')
  const metadata = field(body, 'metadata')
  const items = field(body, 'items')
  if (!kind.endsWith('List') || typeof apiVersion !== 'string' || !isPlain(metadata))
    throw badAnswer(where, `the answer of kind ${kind} is no list`)
  // A list written from an empty slice says null; one without the field says nothing.
  if (items !== null && !Array.isArray(items)) throw badAnswer(where, 'the list has no items')
  const itemKind = kind.slice(0, -'List'.length)
  const filled = (items ?? []).map((item: unknown, index: number): KubeObject => {
    const object: unknown = isPlain(item) ? { apiVersion, ...(itemKind === '' ? {} : { kind: itemKind }), ...item } : item
    if (!isKubeObject(object)) throw badAnswer(where, `item ${index} of the list is no object with kind and metadata.name`)
    return object
  })
  const resourceVersion = field(metadata, 'resourceVersion')
  const token = field(metadata, 'continue')
  return {
    items: filled,
    resourceVersion: typeof resourceVersion === 'string' ? resourceVersion : '',
    continue: typeof token === 'string' ? token : '',
  }
}

const coreGroup: KubeGroup = { group: '', versions: ['v1'] }

function groupsOf(answer: KubeAnswer): readonly KubeGroup[] {
  const groups = field(answer.body, 'groups')
  if (answer.kind !== 'APIGroupList' || !Array.isArray(groups))
    throw badAnswer(answer.where, `the answer of kind ${answer.kind} is no list of API groups`)
  return groups.map((entry: unknown): KubeGroup => {
    const group = isPlain(entry) ? field(entry, 'name') : undefined
    const versions = isPlain(entry) ? field(entry, 'versions') : undefined
    const preferred = isPlain(entry) ? field(entry, 'preferredVersion') : undefined
    if (typeof group !== 'string' || group === '' || !Array.isArray(versions))
      throw badAnswer(answer.where, 'an API group has no name or no versions')
    const names = versions.map((version: unknown) => versionOf(version)).filter((version) => version !== '')
    const first = versionOf(preferred)
    return { group, versions: names.includes(first) ? [first, ...names.filter((name) => name !== first)] : names }
  })
}

function versionOf(entry: unknown): string {
  const version = isPlain(entry) ? field(entry, 'version') : undefined
  return typeof version === 'string' ? version : ''
}

function resourcesOf(answer: KubeAnswer, version: string, group: string): readonly KubeResource[] {
  const list = field(answer.body, 'resources')
  if (answer.kind !== 'APIResourceList' || (list !== null && !Array.isArray(list))) {
    throw badAnswer(answer.where, `the answer of kind ${answer.kind} is no list of resources`)
  }
  const entries = (list ?? []).filter((entry: unknown) => isPlain(entry)).map((entry: object) => resourceEntry(entry))
  return entries
    .filter((entry) => !entry.name.includes('/'))
    .map((entry) => ({
      version,
      resource: entry.name,
      kind: entry.kind,
      namespaced: entry.namespaced,
      verbs: entry.verbs,
      subresources: entries
        .filter((other) => other.name.startsWith(`${entry.name}/`))
        // A subresource of another group's kind (scale, eviction) says so; else it is of this group.
        .map((other) => ({
          name: other.name.slice(entry.name.length + 1),
          group: other.version === '' ? group : other.group,
          version: other.version === '' ? version : other.version,
          kind: other.kind,
        })),
    }))
}

function resourceEntry(entry: object): {
  name: string
  kind: string
  group: string
  version: string
  namespaced: boolean
  verbs: readonly string[]
} {
  const text = (name: string): string => {
    const value = field(entry, name)
    return typeof value === 'string' ? value : ''
  }
  const verbs = field(entry, 'verbs')
  return {
    name: text('name'),
    kind: text('kind'),
    group: text('group'),
    version: text('version'),
    namespaced: field(entry, 'namespaced') === true,
    verbs: Array.isArray(verbs) ? verbs.filter((verb: unknown) => typeof verb === 'string') : [],
  }
}

/**
 * The version of policy's Eviction that this server takes: it says so beside `pods/eviction`. Servers before 1.22 know
 * v1beta1 only, those from 1.25 on have given that group version up.
 */
async function findEvictionVersion(reader: KubeReader): Promise<string> {
  const core = await reader.discover('')
  const eviction = core?.resources.find(({ resource }) => resource === 'pods')?.subresources.find(({ name }) => name === 'eviction')
  if (eviction?.group === 'policy') return eviction.version
  const groups = await reader.discover()
  const versions = groups.find(({ group }) => group === 'policy')?.versions ?? []
  return versions.length > 0 && !versions.includes('v1beta1') ? 'v1' : 'v1beta1'
}

function textOf(body: unknown, where: Where): string {
  try {
    return stringifyJson(body)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw refusedHere(where.clusterId, where.path, `the body cannot be written as JSON: ${error.message}`)
  }
}

/** The target of a path that must name one object. */
function named(path: string, clusterId: string): ReturnType<typeof parseKubePath> {
  const target = parseKubePath(path, clusterId)
  if (target.name === undefined) throw refusedHere(clusterId, path, 'this is a collection; the path must name one object')
  return target
}

function checkClusterId(clusterId: string): void {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(clusterId)) throw refusedHere('', '', `${quote(JSON.stringify(clusterId))} is no cluster id`)
}

/** What an API server answers to a path of a group or version that it does not serve: plain text, no Status. */
const unservedPath = '404 page not found'

function unserved(where: Where): KubeError {
  const text = `${where.clusterId}: ${where.method} ${where.path}: the cluster does not serve this API group and version. Check what it serves, and whether the definition is installed.`
  return new KubeError(text, { kind: 'kube.not-found', status: 404, reason: 'NotFound', path: where.path, clusterId: where.clusterId })
}

function badAnswer(where: Where, what: string): KubeError {
  return new KubeError(`${where.clusterId}: ${where.method} ${where.path}: ${what}. It says nothing about the cluster; read again.`, {
    kind: 'kube.bad-answer',
    status: 0,
    reason: 'BadAnswer',
    path: where.path,
    clusterId: where.clusterId,
  })
}

function field(object: object, name: string): unknown {
  return Object.hasOwn(object, name) ? Reflect.get(object, name) : undefined
}

function isKubeObject(value: unknown): value is KubeObject {
  if (!isPlain(value)) return false
  const metadata = field(value, 'metadata')
  return (
    isText(field(value, 'apiVersion')) &&
    isText(field(value, 'kind')) &&
    isPlain(metadata) &&
    isText(field(metadata, 'name')) &&
    optionalTexts.every((name) => field(metadata, name) === undefined || typeof field(metadata, name) === 'string') &&
    isTextMap(field(metadata, 'labels')) &&
    isTextMap(field(metadata, 'annotations'))
  )
}

const optionalTexts = ['namespace', 'uid', 'resourceVersion', 'creationTimestamp', 'deletionTimestamp'] as const

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function isTextMap(value: unknown): boolean {
  return value === undefined || (isPlain(value) && membersOf(value).every(([, member]) => typeof member === 'string'))
}

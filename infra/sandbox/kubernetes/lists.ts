import type { JsonObject } from './json.ts'
import { at, byText, stringAt } from './json.ts'
import type { KindFacts } from './kinds.ts'
import { resourceKey } from './kinds.ts'
import { badRequest, KubeFault } from './kube-fault.ts'
import type { FieldRequirement } from './selectors.ts'
import { parseFieldSelector, parseLabelSelector, SelectorFault } from './selectors.ts'
import type { KubeObject } from './shapes.ts'
import type { KubernetesState } from './state.ts'
import { sortedEntries } from './store.ts'

/** What a list is asked for. */
export interface ListQuery {
  readonly labelSelector?: string
  readonly fieldSelector?: string
  readonly limit?: number
  readonly continue?: string
}

/** One page of a list. */
export interface ListPage {
  readonly objects: readonly KubeObject[]
  readonly revision: number
  /** Empty on the last page. */
  readonly continue: string
  readonly remaining: number | undefined
}

/** How long the server remembers how a list was, and so how long a `continue` token lasts. */
const snapshotLifeMs = 5 * 60_000
const mostSnapshots = 16

const expiredText =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.'

/**
 * Lists a kind in the order of keys, in pages when there is a limit. All pages show the list as it was when the first was
 * read; when that is forgotten the token is answered with 410 and one that continues without that promise. Throws
 * KubeFault on selectors or tokens that cannot be read.
 */
export function listPage(state: KubernetesState, facts: KindFacts, namespace: string | undefined, query: ListQuery, now: number): ListPage {
  const fits = filterOf(facts, namespace, query)
  const limit = query.limit ?? 0
  const token = query.continue ?? ''
  state.snapshots = state.snapshots.filter((snapshot) => now - snapshot.takenAt < snapshotLifeMs)
  if (token === '') return pageOf(state, facts, sortedEntries(state, facts, namespace), '', state.revision, limit, fits, query, now)
  const start = readToken(token)
  if (start.revision === -1)
    return pageOf(state, facts, sortedEntries(state, facts, namespace), start.key, state.revision, limit, fits, query, now)
  const resource = resourceKey(facts.group, facts.plural)
  const snapshot = state.snapshots.find((each) => each.resource === resource && each.revision === start.revision)
  if (snapshot === undefined) throw new KubeFault(410, 'Expired', expiredText, undefined, writeToken(-1, start.key))
  const prefix = namespace === undefined || !facts.namespaced ? '' : `${namespace}/`
  const entries = snapshot.entries.filter(([key]) => key.startsWith(prefix))
  return pageOf(state, facts, entries, start.key, start.revision, limit, fits, query, now)
}

function pageOf(
  state: KubernetesState,
  facts: KindFacts,
  entries: readonly (readonly [string, KubeObject])[],
  startKey: string,
  revision: number,
  limit: number,
  fits: (object: KubeObject) => boolean,
  query: ListQuery,
  now: number,
): ListPage {
  const begin = entries.findIndex(([key]) => byText(key, startKey) >= 0)
  const rest = begin < 0 ? [] : entries.slice(begin)
  const objects: KubeObject[] = []
  let index = 0
  for (; index < rest.length && (limit === 0 || objects.length < limit); index += 1) {
    const entry = rest[index]
    if (entry !== undefined && fits(entry[1])) objects.push(entry[1])
  }
  const next = rest[index]
  if (next === undefined) return { objects, revision, continue: '', remaining: undefined }
  const resource = resourceKey(facts.group, facts.plural)
  if (!state.snapshots.some((each) => each.resource === resource && each.revision === revision)) {
    const all = sortedEntries(state, facts, undefined)
    state.snapshots = [...state.snapshots.slice(1 - mostSnapshots), { resource, revision, takenAt: now, entries: all }]
  }
  const isFiltered = (query.labelSelector ?? '') !== '' || (query.fieldSelector ?? '') !== ''
  return { objects, revision, continue: writeToken(revision, next[0]), remaining: isFiltered ? undefined : rest.length - index }
}

function writeToken(revision: number, key: string): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: revision, start: key }), 'utf8').toString('base64url')
}

function readToken(token: string): { readonly revision: number; readonly key: string } {
  const refused = badRequest('invalid continue token: continue key is not valid: it is no token of this server')
  if (!/^[A-Za-z0-9_-]+=*$/.test(token)) throw refused
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'))
  } catch (error) {
    if (error instanceof SyntaxError) throw refused
    throw error
  }
  if (typeof parsed !== 'object' || parsed === null || !('rv' in parsed) || !('start' in parsed)) throw refused
  const { rv, start } = parsed
  if (typeof rv !== 'number' || typeof start !== 'string') throw refused
  return { revision: rv, key: start }
}

/** The fields of each kind by which it can be selected, besides name and namespace. */
const selectable: Readonly<Record<string, readonly string[]>> = {
  '/pods': [
    'spec.nodeName',
    'spec.restartPolicy',
    'spec.schedulerName',
    'spec.serviceAccountName',
    'status.phase',
    'status.podIP',
    'status.nominatedNodeName',
  ],
  '/nodes': ['spec.unschedulable'],
  '/namespaces': ['status.phase'],
  '/secrets': ['type'],
  '/events': [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
  'apps/replicasets': ['status.replicas'],
  'batch/jobs': ['status.successful'],
}

/** Makes the test of an object that selectors ask for. Throws KubeFault when they cannot be read. */
function filterOf(facts: KindFacts, namespace: string | undefined, query: ListQuery): (object: KubeObject) => boolean {
  const labels = query.labelSelector ?? ''
  const fields = query.fieldSelector ?? ''
  const matcher = labels === '' ? undefined : parsed(() => parseLabelSelector(labels))
  const requirements = fields === '' ? [] : parsed(() => parseFieldSelector(fields))
  for (const { field } of requirements) checkField(facts, field)
  return (object) =>
    (matcher === undefined || matcher(object.metadata.labels)) &&
    requirements.every((requirement) => fieldFits(facts, requirement, object)) &&
    (namespace === undefined || !facts.namespaced || object.metadata.namespace === namespace)
}

function parsed<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof SelectorFault) throw badRequest(error.message)
    throw error
  }
}

function checkField(facts: KindFacts, field: string): void {
  if (field === 'metadata.name' || (field === 'metadata.namespace' && facts.namespaced)) return
  const own = selectable[resourceKey(facts.group, facts.plural)]
  if (own?.includes(field) === true) return
  if (own === undefined && facts.structure !== undefined) {
    throw badRequest(`"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`)
  }
  throw badRequest(`field label not supported: ${field}`)
}

function fieldFits(facts: KindFacts, { field, value, equal }: FieldRequirement, object: KubeObject): boolean {
  return (fieldText(facts, field, object) === value) === equal
}

function fieldText(facts: KindFacts, field: string, object: JsonObject): string {
  if (facts.kind === 'Job' && field === 'status.successful') return String(at(object, 'status', 'succeeded') ?? 0)
  if (facts.kind === 'Event' && field === 'source') return stringAt(object, 'source', 'component') ?? ''
  const found = at(object, ...field.split('.'))
  if (found === undefined || found === null) return field === 'spec.unschedulable' ? 'false' : field === 'status.replicas' ? '0' : ''
  return typeof found === 'object' ? JSON.stringify(found) : String(found)
}

/** The items of a list as the server prints them: those of typed kinds without `kind` and `apiVersion`. */
export function listItems(facts: KindFacts, objects: readonly JsonObject[]): JsonObject[] {
  if (facts.structure === undefined) return [...objects]
  return objects.map(({ kind: _kind, apiVersion: _apiVersion, ...rest }) => rest)
}

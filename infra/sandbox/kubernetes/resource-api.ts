import type { Answer, KubernetesContext } from './api.ts'
import type { ApiRequest } from './api-request.ts'
import { bodyObject } from './api-request.ts'
import { toVersion } from './convert.ts'
import { isCustomKind, servedCustomVersion } from './custom-kinds.ts'
import { cleanUpDefinitions, establishDefinitions } from './definitions.ts'
import { evictPod } from './eviction.ts'
import type { JsonObject } from './json.ts'
import { isJsonObject, listAt, objectAt, parseJson, stringAt } from './json.ts'
import type { KindFacts } from './kinds.ts'
import { apiVersionOf, builtInKinds, groupOf } from './kinds.ts'
import { badRequest, invalid, KubeFault, notFound, notModelled, unknownPath, wrongMethod } from './kube-fault.ts'
import { listItems, listPage } from './lists.ts'
import { patchedObject } from './patch.ts'
import type { DeleteOptions, UpdatePart, WriteContext } from './registry.ts'
import { anotherUid, createObject, decodeObject, decodePatched, deleteObject, deleteOptionsOf, updateObject } from './registry.ts'
import type { ResourcePath } from './request-path.ts'
import { hasScale, scaleOf, writeScale } from './scale.ts'
import type { KubeObject } from './shapes.ts'
import { isPod } from './shapes.ts'
import type { KubernetesState } from './state.ts'
import { readObject } from './store.ts'

/** Everything a handler of one request needs. */
interface Call {
  readonly state: KubernetesState
  readonly facts: KindFacts
  readonly path: ResourcePath
  readonly request: ApiRequest
  readonly context: WriteContext
}

/** Answers a request for objects of a kind the server serves. Throws KubeFault for every refusal. */
export function handleResource(
  state: KubernetesState,
  facts: KindFacts,
  path: ResourcePath,
  request: ApiRequest,
  context: KubernetesContext,
): Answer {
  const call: Call = {
    state,
    facts,
    path,
    request,
    context: { now: context.now, random: context.random, dryRun: isDryRun(request) },
  }
  if (path.name === '') return onCollection(call)
  if (facts.namespaced && path.namespace === undefined) throw unknownPath()
  switch (path.part) {
    case '':
      return onObject(call)
    case 'status':
      return onStatus(call)
    case 'scale':
      return onScale(call)
    case 'eviction':
      return onEviction(call)
    case 'log':
    case 'exec':
    case 'attach':
    case 'portforward':
    case 'proxy':
    case 'binding':
      if (facts.kind !== 'Pod' && path.part !== 'proxy') throw missingPart(call)
      throw notModelled(405, `${facts.plural}/${path.part}`, 'the sandbox has no containers')
    default:
      throw missingPart(call)
  }
}

function isDryRun(request: ApiRequest): boolean {
  const values = request.query.getAll('dryRun')
  if (values.length === 0) return false
  if (values.every((value) => value === 'All')) return true
  const kind = { GET: 'Get', POST: 'Create', PUT: 'Update', PATCH: 'Patch', DELETE: 'Delete' }[request.method] ?? 'Get'
  const shown = `[]string{${values.map((value) => JSON.stringify(value)).join(', ')}}`
  throw invalid({ group: 'meta.k8s.io', kind: `${kind}Options` }, '', [
    { kind: 'NotSupported', field: 'dryRun', value: { verbatim: shown }, detail: 'supported values: "All"' },
  ])
}

function missingPart({ facts, path }: Call): KubeFault {
  return isCustomKind(facts) ? notFound(facts, path.name) : unknownPath()
}

function onCollection(call: Call): Answer {
  const { facts, path } = call
  switch (call.request.method) {
    case 'GET':
      return list(call)
    case 'POST':
      if (facts.namespaced && path.namespace === undefined) throw wrongMethod()
      return create(call)
    case 'DELETE':
      if (!facts.deleteCollection || (facts.namespaced && path.namespace === undefined)) throw wrongMethod()
      return deleteCollection(call)
    default:
      throw wrongMethod()
  }
}

function list(call: Call): Answer {
  const { state, facts, path, request, context } = call
  const text = (name: string): string => request.query.get(name) ?? ''
  const limit = text('limit')
  const page = listPage(
    state,
    facts,
    path.namespace,
    {
      labelSelector: text('labelSelector'),
      fieldSelector: text('fieldSelector'),
      limit: limit === '' ? 0 : Math.max(0, wholeNumber(limit)),
      continue: text('continue'),
    },
    context.now,
  )
  const metadata: JsonObject = { resourceVersion: String(page.revision) }
  if (page.continue !== '' || isCustomKind(facts)) metadata.continue = page.continue
  if (page.remaining !== undefined) metadata.remainingItemCount = page.remaining
  const listKind = isCustomKind(facts) ? (facts.definition.spec.names.listKind ?? `${facts.kind}List`) : `${facts.kind}List`
  return {
    status: 200,
    facts,
    object: {
      kind: listKind,
      apiVersion: apiVersionOf(facts.group, path.version),
      metadata,
      items: listItems(
        facts,
        page.objects.map((object) => toVersion(facts, path.version, object)),
      ),
    },
  }
}

function create(call: Call): Answer {
  const { state, facts, path, request, context } = call
  const body = bodyObject(request, facts.kind)
  const draft = decodeObject(facts, checkedVersion(call, body), body)
  const created = createObject(state, facts, draft, path.namespace, context)
  if (facts.kind === 'CustomResourceDefinition' && context.dryRun !== true) establishDefinitions(state, context.now)
  return { status: 201, facts, object: shown(call, created) }
}

/** The version of an object in a body. Throws KubeFault when it is of another kind than the path. */
function checkedVersion({ facts, path }: Call, body: JsonObject): string {
  const apiVersion = stringAt(body, 'apiVersion') ?? ''
  const kind = stringAt(body, 'kind') ?? ''
  const expected = apiVersionOf(facts.group, path.version)
  if (isCustomKind(facts)) {
    if (kind === '')
      throw badRequest(
        `${facts.kind} in version "${path.version}" cannot be handled as a ${facts.kind}: unmarshalerDecoder: Object 'Kind' is missing in '${JSON.stringify(body)}'`,
      )
    if (apiVersion !== expected) {
      throw badRequest(`the API version in the data (${apiVersion}) does not match the expected API version (${expected})`)
    }
    if (kind !== facts.kind)
      throw badRequest(`${kind} in version "${path.version}" cannot be handled as a ${facts.kind}: the kind does not match`)
    return path.version
  }
  const given = apiVersion === '' ? { group: facts.group, version: path.version } : groupOf(apiVersion)
  const actual = kind === '' ? facts.kind : kind
  const single = actual.endsWith('List') ? actual.slice(0, -4) : actual
  const isList = actual === 'List' && given.group === '' && given.version === 'v1'
  const isKnown =
    isList ||
    builtInKinds.some(
      (known) => known.group === given.group && known.kind === single && known.versions.some(({ version }) => version === given.version),
    )
  if (!isKnown) {
    throw badRequest(
      `${actual} in version "${given.version}" cannot be handled as a ${facts.kind}: no kind "${actual}" is registered for version "${apiVersion === '' ? expected : apiVersion}" in scheme "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"`,
    )
  }
  if (actual !== facts.kind || given.group !== facts.group) {
    throw badRequest(
      `${actual} in version "${given.version}" cannot be handled as a ${facts.kind}: converting (${given.version}.${actual}) to (${facts.group === '' ? 'core' : facts.group}.${facts.kind}): unknown conversion`,
    )
  }
  if (given.version !== path.version) {
    throw badRequest(`the API version in the data (${apiVersion}) does not match the expected API version (${expected})`)
  }
  return given.version
}

function shown({ facts, path }: Call, object: KubeObject): JsonObject {
  const version = toVersion(facts, path.version, object)
  if (object.metadata.resourceVersion !== '') return version
  const { resourceVersion: _, ...metadata } = objectAt(version, 'metadata') ?? {}
  return { ...version, metadata }
}

function existing({ state, facts, path }: Call): KubeObject {
  const object = readObject(state, facts, path.namespace, path.name)
  if (object === undefined) throw notFound(facts, path.name)
  return object
}

function onObject(call: Call): Answer {
  const { facts, request } = call
  switch (request.method) {
    case 'GET':
      return { status: 200, facts, object: shown(call, existing(call)) }
    case 'PUT':
      return replace(call, 'object')
    case 'PATCH':
      return patch(call, 'object')
    case 'DELETE':
      return remove(call)
    default:
      throw wrongMethod()
  }
}

function onStatus(call: Call): Answer {
  const { facts, path, request } = call
  const isServed = isCustomKind(facts) ? servedCustomVersion(facts, path.version)?.subresources?.status !== undefined : facts.status
  if (!isServed) throw missingPart(call)
  switch (request.method) {
    case 'GET':
      return { status: 200, facts, object: shown(call, existing(call)) }
    case 'PUT':
      return replace(call, 'status')
    case 'PATCH':
      return patch(call, 'status')
    default:
      throw wrongMethod()
  }
}

function replace(call: Call, part: UpdatePart): Answer {
  const { state, facts, path, request, context } = call
  const body = bodyObject(request, facts.kind)
  const draft = decodeObject(facts, checkedVersion(call, body), body)
  checkAddress(call, draft)
  const before = readObject(state, facts, path.namespace, path.name)
  if (before === undefined) {
    if (!facts.createOnUpdate || part === 'status') throw notFound(facts, path.name)
    const metadata = objectAt(draft, 'metadata')
    if (metadata !== undefined) delete metadata.resourceVersion
    return { status: 201, facts, object: shown(call, createObject(state, facts, draft, path.namespace, context)) }
  }
  const uid = stringAt(draft, 'metadata', 'uid') ?? ''
  if (uid !== '' && uid !== before.metadata.uid) throw anotherUid(facts, before, uid)
  return { status: 200, facts, object: shown(call, updateObject(state, facts, draft, before, part, context)) }
}

/** Refuses an object that names itself otherwise than its path does. */
function checkAddress({ facts, path }: Call, draft: JsonObject): void {
  const name = stringAt(draft, 'metadata', 'name') ?? ''
  if (name === '') throw badRequest(`the name of the object (${path.name} based on URL) was undeterminable: name must be provided`)
  if (name !== path.name) throw badRequest(`the name of the object (${name}) does not match the name on the URL (${path.name})`)
  const namespace = stringAt(draft, 'metadata', 'namespace') ?? ''
  if (facts.namespaced && namespace !== '' && namespace !== path.namespace) {
    throw badRequest(`the namespace of the object (${namespace}) does not match the namespace on the request (${path.namespace ?? ''})`)
  }
}

function patch(call: Call, part: UpdatePart): Answer {
  const { state, facts, path, request, context } = call
  const before = existingForPatch(call)
  const current = toVersion(facts, path.version, before)
  const changed = patchedObject(facts, path.version, current, request)
  const draft = decodePatched(facts, path.version, changed)
  checkAddress(call, draft)
  return { status: 200, facts, object: shown(call, updateObject(state, facts, draft, before, part, context)) }
}

function existingForPatch(call: Call): KubeObject {
  // The content type is looked at before the object, as the server does.
  patchedObject(call.facts, call.path.version, undefined, call.request)
  return existing(call)
}

function remove(call: Call): Answer {
  const { state, facts, path } = call
  const { options, context: writing } = deletion(call)
  const object = existing(call)
  const deleted = deleteObject(state, facts, object, path.version, options, writing)
  if (facts.kind === 'CustomResourceDefinition' && writing.dryRun !== true) cleanUpDefinitions(state)
  const status = !deleted.gone && options.orphanDependents === false ? 202 : 200
  if (!deleted.gone || facts.returnsDeleted) return { status, facts, object: shown(call, deleted.object) }
  return { status, object: deletedStatus(facts, object) }
}

function deletedStatus(facts: KindFacts, object: KubeObject): JsonObject {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: {
      name: object.metadata.name,
      ...(facts.group === '' ? {} : { group: facts.group }),
      kind: facts.plural,
      uid: object.metadata.uid,
    },
  }
}

/** A number in a query, as the server's own parser takes it. */
function wholeNumber(text: string): number {
  if (!/^[+-]?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
  return Number.parseInt(text, 10)
}

/** What a deletion is told: its options, and whether it is a dry run, which its body may say as well. */
function deletion(call: Call): { readonly options: DeleteOptions; readonly context: WriteContext } {
  const body = deleteBody(call)
  const isDry = listAt(body, 'dryRun').includes('All')
  return { options: deleteOptionsOf(body), context: isDry ? { ...call.context, dryRun: true } : call.context }
}

/** The options of a deletion, from the body or else from the query. */
function deleteBody({ request }: Call): JsonObject {
  if (request.body.trim() !== '') {
    const body = parseJson(request.body)
    if (request.contentType === '' || request.contentType === 'application/json') {
      if (!isJsonObject(body)) throw new KubeFault(500, '', "couldn't get version/kind; json parse error: it is no object")
      return body
    }
    return bodyObject(request, 'DeleteOptions')
  }
  const options: JsonObject = {}
  const propagation = request.query.get('propagationPolicy')
  const grace = request.query.get('gracePeriodSeconds')
  const orphan = request.query.get('orphanDependents')
  if (propagation !== null) options.propagationPolicy = propagation
  if (grace !== null) options.gracePeriodSeconds = wholeNumber(grace)
  if (orphan !== null) options.orphanDependents = orphan === 'true'
  return options
}

function deleteCollection(call: Call): Answer {
  const { state, facts, path, request } = call
  const { options, context } = deletion(call)
  const text = (name: string): string => request.query.get(name) ?? ''
  const page = listPage(
    state,
    facts,
    path.namespace,
    { labelSelector: text('labelSelector'), fieldSelector: text('fieldSelector') },
    context.now,
  )
  const listKind = isCustomKind(facts) ? (facts.definition.spec.names.listKind ?? `${facts.kind}List`) : `${facts.kind}List`
  for (const object of page.objects) deleteObject(state, facts, object, path.version, options, context)
  if (facts.kind === 'CustomResourceDefinition' && context.dryRun !== true) cleanUpDefinitions(state)
  const metadata: JsonObject = { resourceVersion: String(page.revision) }
  if (isCustomKind(facts)) metadata.continue = ''
  return {
    status: 200,
    object: {
      kind: listKind,
      apiVersion: apiVersionOf(facts.group, path.version),
      metadata,
      items: listItems(
        facts,
        page.objects.map((object) => toVersion(facts, path.version, object)),
      ),
    },
  }
}

/** As `existing`; the refusal names the subresource for built-in kinds. */
function existingForScale({ state, facts, path }: Call): KubeObject {
  const object = readObject(state, facts, path.namespace, path.name)
  if (object === undefined) throw notFound(isCustomKind(facts) ? facts : { group: facts.group, plural: `${facts.plural}/scale` }, path.name)
  return object
}

function onScale(call: Call): Answer {
  const { state, facts, path, request, context } = call
  if (!hasScale(facts, path.version)) throw missingPart(call)
  switch (request.method) {
    case 'GET':
      return { status: 200, object: scaleOf(facts, path.version, existingForScale(call)) }
    case 'PUT': {
      const body = bodyObject(request, 'Scale')
      return { status: 200, object: writeScale(state, facts, path.version, existing(call), body, context) }
    }
    case 'PATCH': {
      patchedObject(facts, path.version, undefined, request, 'autoscaling/v1.Scale')
      const before = existing(call)
      const changed = patchedObject(facts, path.version, scaleOf(facts, path.version, before, true), request, 'autoscaling/v1.Scale')
      return { status: 200, object: writeScale(state, facts, path.version, before, changed, context, true) }
    }
    default:
      throw wrongMethod()
  }
}

function onEviction(call: Call): Answer {
  const { state, facts, path, request, context } = call
  if (facts.kind !== 'Pod') throw missingPart(call)
  if (request.method !== 'POST') throw wrongMethod()
  const body = bodyObject(request, 'Eviction')
  const name = stringAt(body, 'metadata', 'name') ?? ''
  if (name !== '' && name !== path.name) throw badRequest('name in URL does not match name in Eviction object')
  const pod = existing(call)
  if (!isPod(pod)) throw notFound(facts, path.name)
  const refused = evictPod(state, pod, deleteOptionsOf(objectAt(body, 'deleteOptions') ?? {}), context)
  if (refused !== undefined) throw refused
  return { status: 201, object: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } }
}

import type { ApiRequest } from './api-request.ts'
import { readApiRequest } from './api-request.ts'
import { coreVersions, groupList, groupOfName, isBuiltInGroup, resourceList, versionInfo } from './discovery.ts'
import type { JsonObject } from './json.ts'
import type { KindFacts } from './kinds.ts'
import { servedVersions } from './kinds.ts'
import { badRequest, KubeFault, notModelled, statusOf, unknownPath, wrongMethod } from './kube-fault.ts'
import { resourceOf } from './objects.ts'
import { checkAccess } from './rbac.ts'
import type { ResourcePath } from './request-path.ts'
import { parseRequestPath } from './request-path.ts'
import { handleResource } from './resource-api.ts'
import type { KubernetesState } from './state.ts'
import { tableOf, wantsTable } from './table-view.ts'

/** One request to a cluster's API, as it arrives. */
export interface KubernetesRequest {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly contentType?: string
  readonly accept?: string
  readonly body?: string
}

export interface KubernetesContext {
  readonly now: number
  /** Uniform in [0, 1). Seeded. */
  readonly random: () => number
  /** Who asks; the administrator when absent. Rules in `state.rbac` refuse by it. */
  readonly user?: string
}

export interface KubernetesAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

/** What a handler answers before it is written out. */
export interface Answer {
  readonly status: number
  readonly object: JsonObject
  /** The kind whose objects these are, for tables. */
  readonly facts?: KindFacts
}

/** Who asks when nobody is named. */
export const administrator = 'kubernetes-admin'

/**
 * Answers one request to a cluster's Kubernetes API as the real server would, and changes the state accordingly. A refused
 * request changes nothing. Controllers do not run here: `advanceKubernetes` lets time pass. Never throws for what a client
 * sent: every refusal is a `Status`.
 */
export function handleKubernetes(state: KubernetesState, request: KubernetesRequest, context: KubernetesContext): KubernetesAnswer {
  try {
    const read = readApiRequest(request)
    const path = parseRequestPath(read.path)
    if (path.to === 'health') return { status: 200, contentType: 'text/plain; charset=utf-8', body: 'ok' }
    const user = context.user ?? administrator
    const answer = path.to === 'resource' ? answerResource(state, path, read, context, user) : answerDiscovery(state, path, read)
    const object =
      answer.facts !== undefined && answer.status < 300 && wantsTable(request.accept)
        ? tableOf(answer.facts, answer.object, context.now)
        : answer.object
    return written(answer.status, object)
  } catch (error) {
    if (error instanceof NoSuchPage) return { status: 404, contentType: 'text/plain; charset=utf-8', body: '404 page not found\n' }
    if (error instanceof RangeError) return written(400, statusOf(badRequest('the body of the request is nested too deeply')))
    if (!(error instanceof KubeFault)) throw error
    return written(error.code, statusOf(error))
  }
}

/** Outside of the groups the server itself has, what is missing is answered by a page of plain text. */
class NoSuchPage extends Error {
  override readonly name = 'NoSuchPage'
}

function nothingIn(group: string | undefined): Error {
  return group !== undefined && isBuiltInGroup(group) ? unknownPath() : new NoSuchPage('404 page not found')
}

function written(status: number, object: JsonObject): KubernetesAnswer {
  return { status, contentType: 'application/json', body: `${JSON.stringify(object)}\n` }
}

function answerDiscovery(
  state: KubernetesState,
  path: Exclude<ReturnType<typeof parseRequestPath>, ResourcePath>,
  request: ApiRequest,
): Answer {
  const found = discovered(state, path)
  if (found === undefined) throw nothingIn('group' in path ? path.group : undefined)
  if (request.method !== 'GET') throw wrongMethod()
  return { status: 200, object: found }
}

function discovered(state: KubernetesState, path: Exclude<ReturnType<typeof parseRequestPath>, ResourcePath>): JsonObject | undefined {
  switch (path.to) {
    case 'version':
      return versionInfo(state)
    case 'core':
      return coreVersions()
    case 'groups':
      return groupList(state)
    case 'group':
      return groupOfName(state, path.group)
    case 'resources':
      return resourceList(state, path.group, path.version)
    case 'health':
    case 'nowhere':
      return undefined
  }
}

function answerResource(state: KubernetesState, path: ResourcePath, request: ApiRequest, context: KubernetesContext, user: string): Answer {
  checkAccess(state, user, path, request)
  const facts = resourceOf(state, path.group, path.plural)
  if (facts === undefined || !servedVersions(facts, state.version).includes(path.version)) throw nothingIn(path.group)
  if (path.namespace !== undefined && !facts.namespaced) throw unknownPath()
  if (path.watch || request.query.get('watch') === 'true' || request.query.get('watch') === '1') {
    throw notModelled(405, 'watching', 'list again, or run the functions against a real API server (npm run e2e:kube)')
  }
  return handleResource(state, facts, path, request, context)
}

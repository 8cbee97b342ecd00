import { forbiddenStatus } from './answer-call.ts'
import { exchangeAttached } from './attach.ts'
import type { Reply, SandboxCore } from './core.ts'
import type { Fault } from './faults.ts'
import { handleKubernetes } from './kubernetes/api.ts'
import { PlatformFault } from './reducer.ts'
import { lookUp } from './tcr/state.ts'
import { sandboxKubeToken } from './test-credentials.ts'

/** A request to a cluster that does not come through ForwardRequest: kubectl's, or a person's. */
export interface DirectRequest {
  readonly clusterId: string
  readonly method: string
  /** Path with query, below the cluster. */
  readonly path: string
  readonly accept: string | undefined
  readonly contentType: string | undefined
  readonly token: string | undefined
  readonly body: string
}

/**
 * The cluster and the rest of `/_kubernetes/<clusterId>/…`. The token may also stand in the path, after a colon
 * (`/_kubernetes/cls-1a2b3c4d:sandbox-token/…`), because kubectl sends no credentials over plain HTTP. Undefined when it
 * is no such path.
 */
export function parseDirectPath(
  target: string,
): { readonly clusterId: string; readonly token?: string; readonly path: string } | undefined {
  const [, clusterId, token, path] = /^\/_kubernetes\/([A-Za-z0-9-]+)(?::([^/?]+))?(\/[^?]*(?:\?.*)?)?$/.exec(target) ?? []
  if (clusterId === undefined) {
    return undefined
  }
  return { clusterId, path: path ?? '/', ...(token === undefined ? {} : { token }) }
}

/** Answers as the cluster's API server does: 401 without the token, 404 for a cluster that is not there, else its own answer. */
export async function answerDirect(core: SandboxCore, request: DirectRequest, ending: Fault | undefined): Promise<Reply> {
  if (request.token !== sandboxKubeToken) {
    return statusReply(401, 'Unauthorized', `Unauthorized: send "Authorization: Bearer ${sandboxKubeToken}".`)
  }
  if (ending?.kind === 'rbac-403') {
    return { status: 403, contentType: 'application/json', body: forbiddenStatus(request.method, request.path) }
  }
  const target = core.attach.get(request.clusterId)
  const forwarded = {
    method: request.method,
    path: request.path,
    ...(request.accept === undefined ? {} : { accept: request.accept }),
    ...(request.contentType === undefined ? {} : { contentType: request.contentType }),
    ...(request.body === '' ? {} : { body: request.body }),
  }
  if (target !== undefined) {
    try {
      return await exchangeAttached(target, forwarded)
    } catch (error) {
      if (error instanceof PlatformFault) {
        return statusReply(503, 'ServiceUnavailable', error.message)
      }
      throw error
    }
  }
  const cluster = lookUp(core.world.kubernetes, request.clusterId)
  if (cluster === undefined) {
    const known = Object.keys(core.world.kubernetes).join(', ') || 'none'
    return statusReply(404, 'NotFound', `The sandbox has no cluster "${request.clusterId}". It has: ${known}.`)
  }
  core.advance()
  return handleKubernetes(cluster, forwarded, { now: core.clock.now(), random: core.random, user: 'kubernetes-admin' })
}

function statusReply(code: number, reason: string, message: string): Reply {
  const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code }
  return { status: code, contentType: 'application/json', body: JSON.stringify(status) }
}

import { quote } from './quote.ts'

/**
 * What a Kubernetes API said no with.
 *
 * - `kube.forbidden` the platform's identity may not do this in the cluster (401, 403)
 * - `kube.not-found` there is no such object, or no such kind of object (404)
 * - `kube.conflict` it exists already, or has changed since it was read (409)
 * - `kube.invalid` the request does not fit (400, 405, 406, 413, 415, 422), or was refused here and not sent (status 0)
 * - `kube.too-many-requests` later: the server is busy, or a disruption budget forbids an eviction (429)
 * - `kube.unavailable` the server or what is behind it failed, or has forgotten the state asked for (410, 5xx)
 * - `kube.bad-answer` the answer says nothing that can be understood
 */
export type KubeErrorKind =
  | 'kube.forbidden'
  | 'kube.not-found'
  | 'kube.conflict'
  | 'kube.invalid'
  | 'kube.too-many-requests'
  | 'kube.unavailable'
  | 'kube.bad-answer'

export interface KubeErrorFacts {
  readonly kind: KubeErrorKind
  /** The HTTP status that the cluster's server said; 0 when there was none. */
  readonly status: number
  /** The server's word for it: `NotFound`, `AlreadyExists`. */
  readonly reason: string
  /** Path of the request, without query. Empty when it never became one. */
  readonly path: string
  readonly clusterId: string
}

/** The error of a call that reached the platform but failed in the cluster. The message names cluster, call and reason. */
export class KubeError extends Error {
  override readonly name = 'KubeError'
  readonly kind: KubeErrorKind
  readonly status: number
  readonly reason: string
  readonly path: string
  readonly clusterId: string

  constructor(message: string, facts: KubeErrorFacts) {
    super(message)
    this.kind = facts.kind
    this.status = facts.status
    this.reason = facts.reason
    this.path = facts.path
    this.clusterId = facts.clusterId
  }
}

/** A request that is refused before anything is sent. */
export function refusedHere(clusterId: string, path: string, what: string): KubeError {
  const place = [clusterId, quote(path)].filter((part) => part !== '').join(' ')
  return new KubeError(`${place === '' ? 'kubernetes' : place}: ${what}; nothing was sent.`, {
    kind: 'kube.invalid',
    status: 0,
    reason: 'RefusedHere',
    path,
    clusterId,
  })
}

/** The error that a `Status` of a Kubernetes API stands for. */
export function kubeErrorOf(
  status: object,
  where: { readonly method: string; readonly path: string; readonly clusterId: string },
): KubeError {
  const code: unknown = Reflect.get(status, 'code')
  const reasonGiven: unknown = Reflect.get(status, 'reason')
  const message: unknown = Reflect.get(status, 'message')
  const reason = typeof reasonGiven === 'string' && reasonGiven !== '' ? reasonGiven : 'Unknown'
  const known = typeof code === 'number' && Number.isInteger(code) ? code : (statusOfReason[reason] ?? 0)
  const kind = kindOfStatus(known)
  const text = typeof message === 'string' && message !== '' ? quote(message) : 'no message'
  const path = where.path.split('?')[0] ?? ''
  return new KubeError(
    `${where.clusterId}: ${where.method} ${path}: ${known === 0 ? '' : `${known} `}${quote(reason)}: ${text}${adviceFor(kind)}`,
    {
      kind,
      status: known,
      reason,
      path,
      clusterId: where.clusterId,
    },
  )
}

/** For a Status that gives its reason but no code. */
const statusOfReason: Readonly<Record<string, number>> = {
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  Invalid: 422,
  BadRequest: 400,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
  ServerTimeout: 500,
}

function kindOfStatus(status: number): KubeErrorKind {
  if (status === 401 || status === 403) return 'kube.forbidden'
  if (status === 404) return 'kube.not-found'
  if (status === 409) return 'kube.conflict'
  if (status === 410) return 'kube.unavailable'
  if (status === 429) return 'kube.too-many-requests'
  if (status >= 400 && status < 500) return 'kube.invalid'
  if (status >= 500) return 'kube.unavailable'
  return 'kube.bad-answer'
}

function adviceFor(kind: KubeErrorKind): string {
  return kind === 'kube.forbidden' ? '. Give the identity of these credentials a role in this cluster.' : ''
}

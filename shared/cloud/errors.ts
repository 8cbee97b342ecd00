/**
 * What went wrong with a call, in words a program can act on. A closed union: a `switch` over it is checked.
 *
 * - `cloud.invalid-request` the request does not fit the action's shape or the manual's size limits; nothing was sent
 * - `cloud.not-allowed` the client's own rules forbid it (host not listed, plain HTTP, a write through a reader); nothing was sent
 * - `cloud.aborted` the caller's signal ended it before it was sent, or while a read was under way
 * - `cloud.deadline` no time was left for another try
 * - `cloud.retry-quota` the retry quota is used up
 * - `cloud.not-sent` no connection could be made (refused, unknown host)
 * - `cloud.untrusted` the server's certificate is not trusted
 * - `cloud.network` the connection died while a read was under way
 * - `cloud.timeout` a read got no answer in time
 * - `cloud.bad-answer` the answer is no envelope: not JSON, truncated, too large, a redirect
 * - `cloud.unknown-outcome` a write was sent and its answer was lost: it may have happened
 * - `cloud.rate-limited` the platform throttled the call
 * - `cloud.clock-skew` the signature's time is refused, and correcting the clock did not help
 * - `cloud.credentials` the secret id, the secret key or the token is refused, or there is none
 * - `cloud.forbidden` the identity may not do this
 * - `cloud.not-found` the thing does not exist
 * - `cloud.conflict` the thing exists already, or is busy
 * - `cloud.limit-exceeded` a quota of the account is used up
 * - `cloud.rejected` the platform refuses the parameters or the operation
 * - `cloud.unavailable` the platform failed inside (5xx, InternalError)
 */
export type CloudErrorKind =
  | 'cloud.invalid-request'
  | 'cloud.not-allowed'
  | 'cloud.aborted'
  | 'cloud.deadline'
  | 'cloud.retry-quota'
  | 'cloud.not-sent'
  | 'cloud.untrusted'
  | 'cloud.network'
  | 'cloud.timeout'
  | 'cloud.bad-answer'
  | 'cloud.unknown-outcome'
  | 'cloud.rate-limited'
  | 'cloud.clock-skew'
  | 'cloud.credentials'
  | 'cloud.forbidden'
  | 'cloud.not-found'
  | 'cloud.conflict'
  | 'cloud.limit-exceeded'
  | 'cloud.rejected'
  | 'cloud.unavailable'

export interface CloudErrorFacts {
  readonly kind: CloudErrorKind
  /** The platform's code (`ResourceNotFound.ErrNoRepo`), or the transport's (`ECONNREFUSED`), or the kind again where there is neither. */
  readonly code: string
  /** `service.Action`, as in `tke.DescribeClusters`. */
  readonly action: string
  /** Present when the platform answered with one. */
  readonly requestId?: string
  /** HTTP status, when there was an answer. */
  readonly httpStatus?: number
  /** Whether sending the same call again later can help. Never true for `cloud.unknown-outcome`. */
  readonly retryable: boolean
}

/** The one error a call throws. The message names the call, what happened and what to do; it never holds a secret. */
export class CloudError extends Error {
  override readonly name = 'CloudError'
  readonly kind: CloudErrorKind
  readonly code: string
  readonly action: string
  readonly requestId: string | undefined
  readonly httpStatus: number | undefined
  readonly retryable: boolean

  constructor(message: string, facts: CloudErrorFacts, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.kind = facts.kind
    this.code = facts.code
    this.action = facts.action
    this.requestId = facts.requestId
    this.httpStatus = facts.httpStatus
    this.retryable = facts.retryable
  }
}

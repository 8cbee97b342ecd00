import { CloudError } from './errors.ts'

/** How a request is signed. `TC3-HMAC-SHA256` is signature v3 of the manual, the other two are v1. */
export type SignMethod = 'TC3-HMAC-SHA256' | 'HmacSHA1' | 'HmacSHA256'

export type HttpMethod = 'POST' | 'GET'

const kibibyte = 1024

/** The manual's limits ("request structure", section 3): 32 KB for GET, 1 MB for POST signed by v1, 10 MB for POST signed by v3. */
const getLimitBytes = 32 * kibibyte
const postV1LimitBytes = 1024 * kibibyte
const postTc3LimitBytes = 10 * 1024 * kibibyte

/** The most that one request may carry, in bytes; exactly this much is still allowed. The manual's KB is read as 1024 bytes. */
export function requestSizeLimitBytes(signMethod: SignMethod, httpMethod: HttpMethod): number {
  if (httpMethod === 'GET') return getLimitBytes
  return signMethod === 'TC3-HMAC-SHA256' ? postTc3LimitBytes : postV1LimitBytes
}

/**
 * What counts towards the limit, in bytes: of a POST its body, of a GET its path with the query as sent, encoded. Headers
 * do not count: the manual speaks of the request's package, and headers are the same few hundred bytes in every request.
 */
export function requestSizeBytes(httpMethod: HttpMethod, path: string, body: string): number {
  return Buffer.byteLength(httpMethod === 'GET' ? path : body)
}

/** Refuses a request that the platform would refuse for its size, before anything is sent. Throws `cloud.invalid-request`. */
export function checkRequestSize(request: {
  /** `service.Action`, for the message. */
  readonly action: string
  readonly signMethod: SignMethod
  readonly httpMethod: HttpMethod
  readonly path: string
  readonly body: string
}): void {
  const limitBytes = requestSizeLimitBytes(request.signMethod, request.httpMethod)
  const counted = request.httpMethod === 'GET' ? request.path : request.body
  // A UTF-16 unit is at most three bytes of UTF-8: short requests need no counting.
  if (counted.length * 3 <= limitBytes) return
  const sizeBytes = requestSizeBytes(request.httpMethod, request.path, request.body)
  if (sizeBytes <= limitBytes) return
  const advice =
    request.httpMethod === 'GET'
      ? 'Send it by POST, which carries 10 MB with TC3-HMAC-SHA256.'
      : request.signMethod === 'TC3-HMAC-SHA256'
        ? 'Split it into several calls.'
        : 'Sign it with TC3-HMAC-SHA256, which carries 10 MB.'
  throw new CloudError(
    `${request.action}: the ${request.httpMethod} request is ${sizeBytes} bytes, the platform takes at most ${limitBytes} with ${request.signMethod}; nothing was sent. ${advice}`,
    { kind: 'cloud.invalid-request', code: 'cloud.invalid-request', action: request.action, retryable: false },
  )
}

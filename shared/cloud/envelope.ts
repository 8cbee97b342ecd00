import type { Action, ResponseOf } from './action.ts'
import { codeFamily, kindOfCode, leavesOpen } from './code-kind.ts'
import { CloudError, type CloudErrorKind } from './errors.ts'
import { JsonError, parseJson } from './json.ts'
import { quote } from './quote.ts'
import type { RetryClass } from './retry.ts'
import type { TransportError } from './transport-error.ts'
import { headerOf, type WireAnswer } from './wire.ts'

/** A try that did not end with a response: the error for the caller, and what the client may do before it comes to that. */
export class Failure {
  readonly error: CloudError
  readonly retry: RetryClass

  constructor(error: CloudError, retry: RetryClass) {
    this.error = error
    this.retry = retry
  }
}

/**
 * Unwraps `{"Response": {…, "RequestId"}}`, the platform's answer to everything, into the response or a failure. The one
 * place that knows the envelope.
 *
 * An answer that is none (no JSON, cut off, no `Response`, no `RequestId`, HTTP 5xx) is a failure that names the call; on a
 * write, which may have happened, it is `cloud.unknown-outcome`, and so is `InternalError` of any kind. Platform codes
 * become kinds by code-kind.ts. `secrets` are blanked out of texts that come from the platform.
 */
export function readAnswer<A extends Action>(action: A, answer: WireAnswer, secrets: readonly string[] = []): ResponseOf<A> | Failure {
  let value: unknown
  try {
    value = parseJson(answer.body.toString('utf8'))
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    return badAnswer(action, answer, whatInstead(answer), looksLikeJson(answer), error)
  }
  const response = memberOf(value, 'Response')
  if (response === undefined) return badAnswer(action, answer, 'JSON without a "Response" object', false)
  const refusal = memberOf(response, 'Error')
  if (refusal !== undefined) return refused(action, answer, response, refusal, secrets)
  if (answer.status >= 400) return badAnswer(action, answer, `HTTP status ${answer.status}`, false)
  if (!isResponse(action, response)) return badAnswer(action, answer, 'a response without "RequestId"', false)
  return response
}

/** What a failure on the wire means for this call. */
export function transportFailure(action: Action, error: TransportError): Failure {
  const name = nameOf(action)
  const facts = { code: error.code, action: name, ...(error.status === undefined ? {} : { httpStatus: error.status }) }
  const fail = (kind: CloudErrorKind, retryable: boolean, retry: RetryClass): Failure =>
    new Failure(new CloudError(`${name}: ${error.message}`, { ...facts, kind, retryable }, { cause: error }), retry)
  if (error.sent && action.effect === 'write') return unknownOutcome(action, error.message, facts.code, facts.httpStatus, undefined, error)
  switch (error.kind) {
    case 'not-allowed':
      return fail('cloud.not-allowed', false, 'never')
    case 'untrusted':
      return fail('cloud.untrusted', false, 'never')
    case 'aborted':
      return fail('cloud.aborted', false, 'never')
    case 'redirect':
    case 'too-large':
      return fail('cloud.bad-answer', false, 'never')
    case 'not-sent':
      return fail('cloud.not-sent', true, 'transient')
    case 'timeout':
      return fail(error.sent ? 'cloud.timeout' : 'cloud.not-sent', true, 'transient')
    case 'network':
      return fail('cloud.network', true, 'transient')
  }
}

/** `tke.DescribeClusters`: how errors, events and logs name an action. */
export function nameOf(action: Pick<Action, 'service' | 'name'>): string {
  return `${action.service}.${action.name}`
}

/** The boundary: that the platform's response has the fields of its manual is believed, that it is a response is checked. */
function isResponse<A extends Action>(_action: A, response: object): response is ResponseOf<A> & object {
  return 'RequestId' in response && typeof response.RequestId === 'string' && response.RequestId !== ''
}

function memberOf(value: unknown, name: string): object | undefined {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  const member: unknown = Reflect.get(value, name)
  return typeof member === 'object' && member !== null && !Array.isArray(member) ? member : undefined
}

function textOf(value: object, name: string): string | undefined {
  const member: unknown = Reflect.get(value, name)
  return typeof member === 'string' && member !== '' ? member : undefined
}

function refused(action: Action, answer: WireAnswer, response: object, refusal: object, secrets: readonly string[]): Failure {
  const code = textOf(refusal, 'Code')
  const requestId = textOf(response, 'RequestId')
  if (code === undefined) return badAnswer(action, answer, 'an error without "Code"', false)
  const said = quote(textOf(refusal, 'Message') ?? '', secrets)
  const what = `the platform answered ${code}${said === '' ? '' : ` (${said})`}${requestId === undefined ? '' : `, request id ${requestId}`}`
  const internal = codeFamily(code) === 'InternalError'
  if (leavesOpen(code) && action.effect === 'write') return unknownOutcome(action, what, code, answer.status, requestId, undefined)

  const name = nameOf(action)
  const kind = kindOfCode(code)
  const advice = adviceFor(kind, code, action)
  const error = new CloudError(`${name}: ${what}.${advice === '' ? '' : ` ${advice}`}`, {
    kind,
    code,
    action: name,
    httpStatus: answer.status,
    ...(requestId === undefined ? {} : { requestId }),
    retryable: isPassing(kind, code),
  })
  return new Failure(error, internal && action.effect === 'read' ? 'transient' : retryClassOf(code, kind))
}

function retryClassOf(code: string, kind: CloudErrorKind): RetryClass {
  if (kind === 'cloud.rate-limited') return 'throttling'
  switch (code) {
    case 'AuthFailure.SignatureExpire':
      return 'clock'
    case 'AuthFailure.SignatureFailure':
      return 'clock-maybe'
    case 'AuthFailure.TokenFailure':
      return 'token'
    default:
      return 'never'
  }
}

/** Whether the reason goes away by itself, so that the same call may succeed later. */
function isPassing(kind: CloudErrorKind, code: string): boolean {
  const family = codeFamily(code)
  return (
    kind === 'cloud.rate-limited' ||
    kind === 'cloud.unavailable' ||
    family === 'ResourceInUse' ||
    family === 'ResourceBusy' ||
    family === 'ResourceUnavailable' ||
    family === 'ResourceInsufficient'
  )
}

function adviceFor(kind: CloudErrorKind, code: string, action: Action): string {
  switch (kind) {
    case 'cloud.credentials':
      return credentialsAdvice(code)
    case 'cloud.clock-skew':
      return "The signature's time is more than five minutes off: set this machine's clock (NTP)."
    case 'cloud.forbidden':
      return `Grant the identity the CAM action ${action.service}:${action.name} on what it is used for.`
    case 'cloud.rate-limited':
      return `The account may call it ${action.ratePerSecond} times a second over all its programs: lower this client's share, or the others'.`
    case 'cloud.limit-exceeded':
      return 'Free what is not needed, or have the quota of the account raised.'
    case 'cloud.not-found':
      return action.regional ? 'Check the id and the region of the request.' : 'Check the name in the request.'
    case 'cloud.rejected':
      return rejectedAdvice(code, action)
    default:
      return ''
  }
}

function credentialsAdvice(code: string): string {
  switch (code) {
    case 'AuthFailure.SignatureFailure':
      return "The secret key does not belong to the secret id: check platform.credentials, or TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY. If they are right, check this machine's clock and that platform.endpoint is no gateway that changes the Host header."
    case 'AuthFailure.TokenFailure':
      return 'The token has expired or belongs to another key: renew it together with id and key (platform.credentials.token, or TENCENTCLOUD_TOKEN); a permanent key takes none.'
    case 'AuthFailure.MFAFailure':
      return 'The identity needs a second factor: use the key of one that does not.'
    default:
      return 'The platform does not know the secret id: check platform.credentials.secretId, or TENCENTCLOUD_SECRET_ID, and that it belongs to this installation.'
  }
}

function rejectedAdvice(code: string, action: Action): string {
  switch (codeFamily(code)) {
    case 'UnsupportedRegion':
      return 'Check platform.region, or the region of the cluster.'
    case 'InvalidAction':
    case 'NoSuchVersion':
      return `This installation does not offer ${action.name} in version ${action.version}.`
    case 'UnsupportedProtocol':
      return 'Check platform.protocol and platform.endpoint.'
    default:
      return ''
  }
}

function badAnswer(action: Action, answer: WireAnswer, what: string, cutOff: boolean, cause?: unknown): Failure {
  const { status } = answer
  const name = nameOf(action)
  const broken = `the answer (HTTP ${status}) is ${what}`
  const options = cause === undefined ? undefined : { cause }
  if (status === 429) {
    const text = `${name}: ${broken}. A gateway in front of the platform limits the rate: send less.`
    return new Failure(
      new CloudError(text, { kind: 'cloud.rate-limited', code: 'http-429', action: name, httpStatus: status, retryable: true }),
      'throttling',
    )
  }
  const code = status === 200 ? 'cloud.bad-answer' : `http-${status}`
  if (action.effect === 'write') return unknownOutcome(action, broken, code, status, undefined, cause)
  if (status >= 500) {
    const text = `${name}: ${broken}. The platform, or a gateway in front of it, is failing.`
    return new Failure(
      new CloudError(text, { kind: 'cloud.unavailable', code, action: name, httpStatus: status, retryable: true }, options),
      'transient',
    )
  }
  const advice = cutOff
    ? 'It was cut off on the way.'
    : 'Check that platform.domain or platform.endpoint is the address of the API itself, and no portal or proxy in front of it.'
  return new Failure(
    new CloudError(
      `${name}: ${broken}. ${advice}`,
      { kind: 'cloud.bad-answer', code, action: name, httpStatus: status, retryable: cutOff },
      options,
    ),
    cutOff ? 'transient' : 'never',
  )
}

function unknownOutcome(
  action: Action,
  what: string,
  code: string,
  httpStatus: number | undefined,
  requestId: string | undefined,
  cause: unknown,
): Failure {
  const name = nameOf(action)
  const text = `${name}: ${what.replace(/\.$/, '')}. The request was sent and may have been carried out; it is not repeated. Read the target to see what happened.`
  const facts = {
    kind: 'cloud.unknown-outcome',
    code,
    action: name,
    retryable: false,
    ...(requestId === undefined ? {} : { requestId }),
    ...(httpStatus === undefined ? {} : { httpStatus }),
  } as const
  return new Failure(new CloudError(text, facts, cause === undefined ? undefined : { cause }), 'never')
}

/** The body is not quoted: it may be anything, and hold anything. */
function whatInstead(answer: WireAnswer): string {
  const type = headerOf(answer.headers, 'content-type')
  const encoding = headerOf(answer.headers, 'content-encoding')
  const size = answer.body.length === 0 ? 'empty' : `no JSON: ${answer.body.length} bytes`
  return `${size}${type === undefined ? '' : ` of ${quote(type)}`}${encoding === undefined ? '' : `, compressed with ${quote(encoding)} though not asked for`}`
}

/** Begins like the platform's JSON, so it was cut off rather than written by somebody else. */
function looksLikeJson(answer: WireAnswer): boolean {
  return answer.body.length === 0 || answer.body[0] === 0x7b
}

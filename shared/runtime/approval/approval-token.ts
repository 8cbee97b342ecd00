import { createHmac } from 'node:crypto'
import * as z from 'zod/mini'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { isOneOf } from '../constant-time.ts'

/** What every request for an agreement says, whatever it is about. */
export interface AnyRequest {
  /** Until when it can be agreed to; epoch milliseconds. */
  readonly expiresAt: number
}

/** One kind of thing that people agree to by a link. */
export interface ApprovalKind<Request extends AnyRequest> {
  /** What is agreed to. Strict, and bound to what somebody sees when they agree: nothing else is approved by it. */
  readonly request: z.ZodMiniType<Request>
  /** Keeps what is signed for this apart from whatever else the same secret may sign. */
  readonly purpose: string
  /** Below it stand tokens: `/hooks/redeploy-hook/approve`. */
  readonly path: string
  /** Where the secret stands in the settings, for messages. */
  readonly setting: string
}

/** The tokens of one kind. */
export interface ApprovalTokens<Request extends AnyRequest> {
  readonly path: string
  /**
   * Makes the token of a link: the request and its seal, both in letters, digits, `-`, `_` and one dot between them. Throws
   * ApprovalSecretError when the secret has fewer than 24 characters.
   */
  sign(request: Request, secret: string): string
  /**
   * Reads a token that was signed with one of the secrets. Compares in constant time and looks at nothing of it before. Whether it has
   * expired is for `isExpired`: that is told to whoever holds a genuine one only. Throws ApprovalSecretError.
   */
  verify(token: string, secrets: readonly string[]): Result<Request, 'not-genuine'>
  /**
   * What a token says that `verify` has found to be genuine. For whoever is handed it after that: nothing is checked here but its form.
   * Throws TypeError for what was never signed, or was by a version that asked for something else.
   */
  readVerified(token: string): Request
  /** Where a person opens a token; `baseUrl` is what the functions' webhooks are reached at from outside. */
  link(baseUrl: string, token: string): string
}

/** A secret that is too short to sign with. The message does not show it. */
export class ApprovalSecretError extends Error {
  override readonly name = 'ApprovalSecretError'
  readonly kind = 'approval.bad-secret'
}

const leastSecretLength = 24
/** No more of a token than this is looked at; one that is longer fits no seal. */
const longestToken = 4096
const hourMs = 3_600_000

/** Makes what signs and reads the tokens of one kind. */
export function approvalTokens<Request extends AnyRequest>(kind: ApprovalKind<Request>): ApprovalTokens<Request> {
  const { request: schema, purpose, path, setting } = kind
  const sealOf = (payload: string, secret: string): string => {
    if (secret.length < leastSecretLength) {
      throw new ApprovalSecretError(
        `The secret of approvals has fewer than ${leastSecretLength} characters (${setting}). Make a longer one: openssl rand -base64 32.`,
      )
    }
    return createHmac('sha256', secret).update(`${purpose}\n${payload}`).digest('base64url')
  }
  const readVerified = (token: string): Request => {
    const [payload = ''] = token.split('.')
    let value: unknown
    try {
      value = JSON.parse(Buffer.from(payload, 'base64url').toString())
    } catch (error) {
      throw new TypeError('a token of an approval was read that was never signed', { cause: error })
    }
    const parsed = z.safeParse(schema, value)
    if (!parsed.success) throw new TypeError('a token of an approval asks for something that this version does not know')
    return parsed.data
  }
  return {
    path,
    sign: (request, secret) => {
      const payload = Buffer.from(JSON.stringify(z.parse(schema, request))).toString('base64url')
      return `${payload}.${sealOf(payload, secret)}`
    },
    verify: (token, secrets) => {
      const dot = token.indexOf('.')
      const payload = token.slice(0, Math.max(0, dot)).slice(0, longestToken)
      const seals = secrets.map((secret) => sealOf(payload, secret))
      // The seal covers the text as it came, so that no second spelling of the same bytes is another token.
      if (!isOneOf(token.slice(dot + 1), seals)) return failure('not-genuine')
      return success(readVerified(token))
    },
    readVerified,
    link: (baseUrl, token) => `${baseUrl.replace(/\/+$/, '')}${path}/${token}`,
  }
}

/** Whether a request is over. At its very last millisecond it is not. */
export function isExpired(request: AnyRequest, now: number): boolean {
  return now > request.expiresAt
}

/**
 * When a link of now ends: good for at least `lifeMs`, and up to an hour longer, so that within one hour the same wish gives the same
 * link and whoever is told twice is not asked twice.
 */
export function linkEnd(now: number, lifeMs: number): number {
  return Math.ceil((now + lifeMs) / hourMs) * hourMs
}

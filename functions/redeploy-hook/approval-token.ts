import { createHmac } from 'node:crypto'
import * as z from 'zod/mini'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { isOneOf } from '#shared/runtime/constant-time.ts'
import { RepositoryName, TagName } from './push-hint.ts'

const Text = z.string().check(z.minLength(1), z.maxLength(300))

/** What somebody is asked to agree to: this content, in this container of this very workload, until then. */
export const ApprovalRequest = z.strictObject({
  uid: Text,
  cluster: Text,
  namespace: Text,
  kind: z.enum(['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob', 'Job']),
  name: Text,
  container: Text,
  repository: RepositoryName,
  tag: TagName,
  /** What the tag stood for when it was asked; a push of something else under it is not approved by this. */
  contentId: Text,
  /** Epoch milliseconds. */
  expiresAt: z.int().check(z.positive()),
  /** Tells apart two links to the same; the same nonce and time give the same link. */
  nonce: z.string().check(z.regex(/^[A-Za-z0-9_-]{1,64}$/)),
})

export type ApprovalRequest = z.infer<typeof ApprovalRequest>

/** A secret that is too short to sign with. The message does not show it. */
export class ApprovalSecretError extends Error {
  override readonly name = 'ApprovalSecretError'
  readonly kind = 'approval.bad-secret'
}

const leastSecretLength = 24
/** Keeps what is signed here apart from whatever else the same secret may sign. */
const purpose = 'longshore approval 1'
/** No more of a token than this is looked at; one that is longer fits no seal. */
const longestToken = 4096

/**
 * Makes the token of a link: the request and its seal, both in letters, digits, `-`, `_` and one dot between them. Throws
 * ApprovalSecretError when the secret has fewer than 24 characters.
 */
export function signApproval(request: ApprovalRequest, secret: string): string {
  const payload = Buffer.from(JSON.stringify(z.parse(ApprovalRequest, request))).toString('base64url')
  return `${payload}.${sealOf(payload, secret)}`
}

/**
 * Reads a token that was signed with one of the secrets. Compares in constant time and looks at nothing of it before. Whether it has
 * expired is for `isExpired`: that is told to whoever holds a genuine one only. Throws ApprovalSecretError.
 */
export function verifyApproval(token: string, secrets: readonly string[]): Result<ApprovalRequest, 'not-genuine'> {
  const dot = token.indexOf('.')
  const payload = token.slice(0, Math.max(0, dot)).slice(0, longestToken)
  const seals = secrets.map((secret) => sealOf(payload, secret))
  // The seal covers the text as it came, so that no second spelling of the same bytes is another token.
  if (!isOneOf(token.slice(dot + 1), seals)) return failure('not-genuine')
  return success(readVerified(token))
}

/**
 * What a token says that `verifyApproval` has found to be genuine. For whoever is handed it after that: nothing is checked here but
 * its form. Throws TypeError for what was never signed, or was by a version that asked for something else.
 */
export function readVerified(token: string): ApprovalRequest {
  const [payload = ''] = token.split('.')
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(payload, 'base64url').toString())
  } catch (error) {
    throw new TypeError('a token of an approval was read that was never signed', { cause: error })
  }
  const parsed = z.safeParse(ApprovalRequest, value)
  if (!parsed.success) throw new TypeError(`a token of an approval asks for something that this version does not know`)
  return parsed.data
}

/** Whether a request is over. At its very last millisecond it is not. */
export function isExpired(request: Pick<ApprovalRequest, 'expiresAt'>, now: number): boolean {
  return now > request.expiresAt
}

/** Where a person opens a token; `baseUrl` is what the functions' webhooks are reached at from outside. */
export function approvalLink(baseUrl: string, token: string): string {
  return `${baseUrl.replace(/\/+$/, '')}${approvalPath}/${token}`
}

/** Below it stand tokens. */
export const approvalPath = '/hooks/redeploy-hook/approve'

function sealOf(payload: string, secret: string): string {
  if (secret.length < leastSecretLength) {
    throw new ApprovalSecretError(
      `The secret of approvals has fewer than ${leastSecretLength} characters (functions.redeploy-hook.approval.secret). Make a longer one: openssl rand -base64 32.`,
    )
  }
  return createHmac('sha256', secret).update(`${purpose}\n${payload}`).digest('base64url')
}

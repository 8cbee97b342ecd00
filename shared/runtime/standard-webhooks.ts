import { createHmac } from 'node:crypto'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { isOneOf } from './constant-time.ts'

export interface StandardWebhook {
  /** The exact bytes that came. */
  readonly body: Uint8Array
  /** By names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
}

export interface VerifyOptions {
  /** As the sender's settings show them: `whsec_` and base64. Several while one takes the place of another. */
  readonly secrets: readonly string[]
  /** Epoch milliseconds. */
  readonly now: number
  /** How far the sender's clock and the way here may be off, both ways; 5 minutes when absent. */
  readonly toleranceMs?: number | undefined
}

/** Why a request is not taken for genuine. For a log; the sender is told none of it. */
export type WebhookDoubt =
  | 'missing-headers'
  | 'strange-id'
  | 'strange-timestamp'
  | 'too-old'
  | 'too-new'
  | 'no-v1-signature'
  | 'wrong-signature'

/** What a genuine request says about itself. */
export interface VerifiedWebhook {
  /** The same for every delivery of one event. */
  readonly id: string
  /** When it was sent; a later delivery of the same event has a later one. Epoch milliseconds. */
  readonly sentAt: number
}

const defaultToleranceMs = 5 * 60_000
const minSecretBytes = 24
const maxSecretBytes = 64
/** A sender has a few secrets at most; a header with more signatures is a way to keep us busy. */
const maxSignatures = 20
const maxIdLength = 256

/**
 * Checks a request that is signed as Standard Webhooks say (standardwebhooks.com, version 1.0.0): headers `webhook-id`,
 * `webhook-timestamp` and `webhook-signature`, HMAC-SHA256 over id, timestamp and the raw body. Any of its `v1` signatures may
 * fit any of the secrets; other versions are passed over. An id with a dot is refused: it could be moved into the timestamp.
 *
 * Throws WebhookSecretError when a secret is none, for that is our mistake and not the sender's.
 */
export function verifyStandardWebhook(webhook: StandardWebhook, options: VerifyOptions): Result<VerifiedWebhook, WebhookDoubt> {
  const keys = options.secrets.map(keyOf)
  const id = webhook.headers['webhook-id']
  const timestamp = webhook.headers['webhook-timestamp']
  const signatures = webhook.headers['webhook-signature']
  if (!id || !timestamp || !signatures) return failure('missing-headers')
  if (!/^[!-~]+$/.test(id) || id.includes('.') || id.length > maxIdLength) return failure('strange-id')
  if (!/^[1-9][0-9]{0,11}$/.test(timestamp)) return failure('strange-timestamp')
  const sentAt = Number(timestamp) * 1000
  const toleranceMs = options.toleranceMs ?? defaultToleranceMs
  if (sentAt < options.now - toleranceMs) return failure('too-old')
  if (sentAt > options.now + toleranceMs) return failure('too-new')
  const given = signatures.split(' ').flatMap((part) => (part.startsWith('v1,') ? [part.slice('v1,'.length)] : []))
  if (given.length === 0 || given.length > maxSignatures) return failure('no-v1-signature')
  const expected = keys.map((key) => createHmac('sha256', key).update(`${id}.${timestamp}.`).update(webhook.body).digest('base64'))
  let isGenuine = false
  for (const signature of given) isGenuine = isOneOf(signature, expected) || isGenuine
  return isGenuine ? success({ id, sentAt }) : failure('wrong-signature')
}

/** A secret that cannot be one. The message does not show it. */
export class WebhookSecretError extends Error {
  override readonly name = 'WebhookSecretError'
  readonly kind = 'webhook.bad-secret'
}

/** The key that a secret stands for. Throws WebhookSecretError. */
export function keyOf(secret: string): Buffer {
  const text = secret.startsWith('whsec_') ? secret.slice('whsec_'.length) : secret
  const isBase64 = /^[A-Za-z0-9+/]+={0,2}$/.test(text)
  const key = Buffer.from(isBase64 ? text : '', 'base64')
  if (key.length >= minSecretBytes && key.length <= maxSecretBytes) return key
  throw new WebhookSecretError(
    `A secret of a signed webhook is no base64 of ${minSecretBytes} to ${maxSecretBytes} bytes (${isBase64 ? `it has ${key.length}` : 'it is no base64'}). Give it as the sender shows it, "whsec_…".`,
  )
}

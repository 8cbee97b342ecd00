import { createHmac } from 'node:crypto'
import { keyOf } from '../standard-webhooks.ts'

/** The header `webhook-signature` of Standard Webhooks, version 1. Throws WebhookSecretError when the secret cannot be one. */
export function signStandardWebhook(webhook: {
  readonly id: string
  readonly timestampSeconds: number
  readonly body: string
  readonly secret: string
}): string {
  const { id, timestampSeconds, body, secret } = webhook
  return `v1,${createHmac('sha256', keyOf(secret)).update(`${id}.${timestampSeconds}.${body}`).digest('base64')}`
}

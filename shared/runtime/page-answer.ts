import { createHash } from 'node:crypto'
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import type { WebhookPage } from './webhook-definition.ts'

/**
 * Answers with a page. Its address may hold a secret, so that it is kept in no cache, told to no other site, shown in no frame and
 * entered in no index; and nothing runs or is fetched on it, whatever stands in it: only its own form may be sent, and only here.
 */
export function pageAnswer(statusCode: number, { html, styles }: WebhookPage): APIGatewayProxyStructuredResultV2 {
  const hashes = styles.map((style) => `'sha256-${createHash('sha256').update(style).digest('base64')}'`)
  const policy = [
    "default-src 'none'",
    `style-src ${hashes.length === 0 ? "'none'" : hashes.join(' ')}`,
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ]
  return {
    statusCode,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy.join('; '),
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-robots-tag': 'noindex, nofollow',
    },
    body: html,
  }
}

import { createHash } from 'node:crypto'
import { failure, type Result, success } from '#shared/pure/result.ts'
import type { WebhookContent, WebhookRequest, WebhookSource } from '#shared/runtime/webhook-definition.ts'
import { approvedPage, askPage, refusedPage } from './approval-page.ts'
import { type ApprovalRequest, approvalPath, isExpired, readVerified, verifyApproval } from './approval-token.ts'
import type { HookEvent } from './hook-event.ts'
import { utf8Of } from './source-reading.ts'
import { approvalSource } from './source-settings.ts'

const longestName = 100
const expired = 'this link has expired; ask for a new one'

/**
 * The address at which people approve: a GET shows what would be deployed where, and only the page's button, a POST, approves. Previews
 * and crawlers open links, and press no buttons. A token approves once: the event's id is made of it, so that a second time is
 * answered as the first one was.
 */
export function approvalSourceOf(secret: string): WebhookSource {
  return {
    name: approvalSource,
    path: `${approvalPath}/{token}`,
    secrets: [secret],
    authenticate: (request, { secrets }) => (verifyApproval(tokenIn(request), secrets).ok ? 'ok' : 'denied'),
    parse: (request, { now }) => {
      const asked = readVerified(tokenIn(request))
      if (isExpired(asked, now)) return { ok: false, why: expired, isGone: true }
      const by = nameIn(request.body)
      return by.ok ? approvalOf(tokenIn(request), asked, by.value) : { ok: false, why: by.error }
    },
    pages: {
      show: (request, { now }) => {
        const asked = readVerified(tokenIn(request))
        return isExpired(asked, now) ? { page: refusedPage(expired), isGone: true } : { page: askPage(asked) }
      },
      taken: (request, entries) => approvedPage(readVerified(tokenIn(request)), entries[0]?.receivedAt ?? ''),
      refused: refusedPage,
    },
  }
}

function approvalOf(token: string, request: ApprovalRequest, by: string): WebhookContent {
  const payload: HookEvent = { kind: 'approval', request, ...(by === '' ? {} : { by }) }
  const id = createHash('sha256').update(token).digest('hex')
  return { ok: true, events: [{ id, group: request.repository, payload }] }
}

function tokenIn({ params }: WebhookRequest): string {
  return params.token ?? ''
}

/** What somebody wrote into the page's one field; empty when there is nothing. Control characters and the rest of a long text go. */
function nameIn(body: Uint8Array): Result<string, string> {
  const text = utf8Of(body)
  if (!text.ok) return failure(text.error)
  const name = new URLSearchParams(text.value).get('by') ?? ''
  return success(
    name
      .replace(/\p{Cc}/gu, ' ')
      .trim()
      .slice(0, longestName)
      .toWellFormed(),
  )
}

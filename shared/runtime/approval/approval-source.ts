import { createHash } from 'node:crypto'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { utf8Of } from '../read-body.ts'
import type { WebhookEvent, WebhookRequest, WebhookSource } from '../webhook-definition.ts'
import { type ApprovalTexts, approvedPage, askPage, refusedPage } from './approval-page.ts'
import { type AnyRequest, type ApprovalTokens, isExpired } from './approval-token.ts'

/** What makes the address at which people approve one kind of thing. */
export interface ApprovalSourceOptions<Request extends AnyRequest> {
  /** The name that it has among the sources. */
  readonly name: string
  /** Reference to the secret that tokens are signed with. */
  readonly secret: string
  readonly tokens: ApprovalTokens<Request>
  readonly texts: ApprovalTexts<Request>
  /** The event that an agreement is; `by` is what somebody wrote as their name, empty when nothing. */
  readonly event: (request: Request, by: string) => Omit<WebhookEvent, 'id'>
}

const longestName = 100
const expired = 'this link has expired; ask for a new one'

/**
 * The address at which people approve: a GET shows what would be done, and only the page's button, a POST, approves. Previews
 * and crawlers open links, and press no buttons. A token approves once: the event's id is made of it, so that a second time is
 * answered as the first one was.
 */
export function approvalSourceOf<Request extends AnyRequest>(options: ApprovalSourceOptions<Request>): WebhookSource {
  const { name, secret, tokens, texts, event } = options
  const askedIn = (request: WebhookRequest): Request => tokens.readVerified(tokenIn(request))
  return {
    name,
    path: `${tokens.path}/{token}`,
    secrets: [secret],
    authenticate: (request, { secrets }) => (tokens.verify(tokenIn(request), secrets).ok ? 'ok' : 'denied'),
    parse: (request, { now }) => {
      const asked = askedIn(request)
      if (isExpired(asked, now)) return { ok: false, why: expired, isGone: true }
      const by = nameIn(request.body)
      if (!by.ok) return { ok: false, why: by.error }
      const id = createHash('sha256').update(tokenIn(request)).digest('hex')
      return { ok: true, events: [{ id, ...event(asked, by.value) }] }
    },
    pages: {
      show: (request, { now }) => {
        const asked = askedIn(request)
        return isExpired(asked, now) ? { page: refusedPage(expired), isGone: true } : { page: askPage(asked, texts) }
      },
      taken: (request, entries) => approvedPage(askedIn(request), entries[0]?.receivedAt ?? '', texts),
      refused: refusedPage,
    },
  }
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

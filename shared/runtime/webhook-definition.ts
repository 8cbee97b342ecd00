import type * as z from 'zod/mini'
import type { FunctionConfig, FunctionName } from './definition.ts'

/** A request as a source sees it: nothing of it is parsed yet. */
export interface WebhookRequest {
  /** The exact bytes of the body. */
  readonly body: Buffer
  /** By names in lower case; repeated ones are joined by commas. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** What stands in the source's path in place of `{…}`, decoded. */
  readonly params: Readonly<Record<string, string>>
  /** The query as it was sent, without the question mark. */
  readonly query: string
}

/** What the secrets of a source were found to be, and when. */
export interface AuthenticateContext {
  /** At least one. Several while one takes the place of another. */
  readonly secrets: readonly string[]
  /** Epoch milliseconds. */
  readonly now: number
}

/** An event that a request brings. */
export interface WebhookEvent {
  /** The same for every delivery of it. */
  readonly id: string
  /** Events of one group are worked on in their order: name what they are about. */
  readonly group: string
  /** JSON: all that is needed to work on it later. */
  readonly payload: unknown
}

/** Something in a request that comes to no event. For the log: nobody else is told. */
export interface PassedOver {
  /** Kebab-case, the same for all of its kind; they are counted by it. */
  readonly code: string
  readonly text: string
  /** It should have come to one: the sender's mistake, or ours. */
  readonly isFault?: boolean | undefined
}

/** What a request comes to. `why` is told to the sender: say what is expected, never what was sent. */
export type WebhookContent =
  | { readonly ok: true; readonly events: readonly WebhookEvent[]; readonly passedOver?: readonly PassedOver[] | undefined }
  /** `isGone` says that it was right once and never will be again: 410 in place of 400. */
  | { readonly ok: false; readonly why: string; readonly isGone?: boolean | undefined }

/** A page for a person. It stands alone: no script, and nothing is fetched for it. */
export interface WebhookPage {
  /** The whole document. Escape what stands in it. */
  readonly html: string
  /** What stands in each of its `style` elements, to the letter: no other style applies. */
  readonly styles: readonly string[]
}

/** An event of a request that is durable now. */
export interface TakenIn {
  readonly id: string
  /** When it first came, also for one that came again; ISO 8601 in UTC. */
  readonly receivedAt: string
}

/** For a source whose address people open in a browser. */
export interface WebhookPages {
  /** What a GET shows once it is authenticated. It changes nothing and makes no event: previews and crawlers open links, too. */
  readonly show: (request: WebhookRequest, context: { readonly now: number }) => { readonly page: WebhookPage; readonly isGone?: boolean }
  /** What a POST is answered with. Make it of these alone, so that a repeated one gets the answer of the first. */
  readonly taken: (request: WebhookRequest, entries: readonly TakenIn[]) => WebhookPage
  /** What a POST is answered with that `parse` refused. */
  readonly refused: (why: string) => WebhookPage
}

/** An answer in the form that a sender asks for. */
export interface SenderAnswer {
  /** As the sender wants it; it is a success in any case. */
  readonly statusCode: 200 | 202
  readonly contentType: string
  readonly body: string
}

/** For a sender that reads the answers it gets. */
export interface SenderAnswers {
  /** What a request is answered with once its events are durable. Make it of the request alone: a repeated one gets the answer of the first. */
  readonly taken: (request: WebhookRequest, context: AuthenticateContext) => SenderAnswer
  /** What a GET is answered with once it is authenticated, by which a sender checks the address; undefined is 404. It makes no event. */
  readonly check: (request: WebhookRequest, context: AuthenticateContext) => SenderAnswer | undefined
}

/** One sender of webhooks. */
export interface WebhookSource {
  /** Lower-case letters, digits and dashes; the same in paths, logs and entries. */
  readonly name: string
  /**
   * Below the function's own path: `/hooks/redeploy-hook/harbor`. Its last part may be `{name}`: any one part, to be read as
   * `params.name`. A secret in its place is best made of letters, digits and `-._~`, which no server on the way encodes.
   */
  readonly path: string
  /** References to its secrets (`env:NAME`, …). A source without any has no route. */
  readonly secrets: readonly string[]
  /**
   * Says whether the request is the sender's. It sees the raw bytes; nothing has been parsed, and nothing will be when it is
   * denied. Compare with `isOneOf` or `verifyStandardWebhook`.
   */
  readonly authenticate: (request: WebhookRequest, context: AuthenticateContext) => 'ok' | 'denied'
  /** Reads a request that is genuine. No event at all is fine: a test message, something that does not concern us. */
  readonly parse: (request: WebhookRequest, context: { readonly now: number }) => WebhookContent
  /** Makes the address one for people: it takes GET, too, and answers with pages. */
  readonly pages?: WebhookPages | undefined
  /** For a sender that wants answers of its own form; it takes GET, too. Not together with `pages`. */
  readonly answers?: SenderAnswers | undefined
}

/** A function that strangers send webhooks to. What is to be done about them is the matter of its queue. */
export interface WebhookDefinition<Settings> {
  readonly name: FunctionName
  /** zod schema of `functions.<name>` in the configuration. */
  readonly settings: z.ZodMiniType<Settings>
  /** The sources that are configured. Called once per process. */
  readonly sources: (config: FunctionConfig<Settings>) => readonly WebhookSource[]
}

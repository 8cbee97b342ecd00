import type { WireHeaders } from '#cloud/wire.ts'
import type { Message } from './message.ts'

/** Keys of AWS, for a topic of SNS. */
export interface AwsKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

/** Where a message goes, with every secret of it. Lives in memory only. */
export interface Destination {
  /** Its path and query hold the key of a bot. */
  readonly url: URL
  /** What requests are signed with. */
  readonly secret?: string | undefined
  /** Of SNS. */
  readonly topic?: string | undefined
  readonly keys?: AwsKeys | undefined
}

export interface ChannelRequest {
  /** With the query. */
  readonly path: string
  /** Without `host`. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface ChannelAnswer {
  readonly status: number
  readonly headers: WireHeaders
  /** The beginning of the body. */
  readonly text: string
}

/**
 * What an answer means.
 *
 * - `delivered` the message is there
 * - `throttled` too many messages; nothing more before `waitMs` is over
 * - `refused` this very message is not wanted, another one may be: trying the same again does not help for long
 * - `failed` the channel does not work now: out of order, or set up wrongly
 */
export type Verdict =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'throttled'; readonly waitMs: number; readonly code: string; readonly text: string }
  | { readonly kind: 'refused' | 'failed'; readonly code: string; readonly text: string }

/** A kind of notifier. Pure: it makes a request of a message and reads the answer to it. */
export interface Channel {
  readonly request: (message: Message, destination: Destination, now: number) => ChannelRequest
  readonly read: (answer: ChannelAnswer) => Verdict
}

export const delivered: Verdict = { kind: 'delivered' }

export const jsonHeaders = { 'content-type': 'application/json; charset=utf-8', accept: 'application/json' } as const

import * as z from 'zod/mini'
import { JsonError, stringifyJson } from '#cloud/json.ts'
import { digestOf } from '#shared/pure/digest.ts'
import { contentDigest } from './canonical-json.ts'
import type { StoreItem } from './store.ts'

/**
 * How far an event has come.
 *
 * - `RECEIVED` it is durable, nobody has begun with it
 * - `TAKEN` somebody works on it, until a deadline; afterwards it comes back
 * - `RETRY` a try failed, or it is to be continued later; it comes back at `dueAt`
 * - `DONE` it is finished, and kept for a while so that a replay gets the first answer
 * - `DEAD` nobody tries any more; a person looks at it
 */
export type InboxState = 'RECEIVED' | 'TAKEN' | 'RETRY' | 'DONE' | 'DEAD'

/** What an inbox knows about one event. Times are epoch milliseconds. */
export interface InboxEntry {
  /** 40 hexadecimal digits, the same for every delivery of one event: a digest of function, source and the sender's id. */
  readonly id: string
  readonly function: string
  readonly state: InboxState
  /** The store's version of the entry. Every write of it carries the one it knows, so whoever was overtaken changes nothing. */
  readonly fence: number
  readonly source: string
  /** The sender's own id of the event: what recognises a repeated delivery. */
  readonly key: string
  /** Events of one group are worked on one after the other, in the order in which they came. */
  readonly group: string
  /** What is to be worked on: JSON. Let go of once the event is done. */
  readonly payload?: unknown
  /** Digest of the payload as it was received. */
  readonly payloadDigest: string
  readonly receivedAt: number
  /** When the entry was last written. */
  readonly changedAt: number
  /** Tries that were begun since it was received, continued or revived. */
  readonly attempt: number
  /** Where it stands in line: orders by time, unique to one life of the entry. */
  readonly place: string
  /** While `TAKEN`: who works on it, and until when. */
  readonly holder?: { readonly id: string; readonly deadline: number } | undefined
  /** While `RETRY`: from then on it may be taken. */
  readonly dueAt?: number | undefined
  /** What last went wrong with it, or why it is put off. */
  readonly error?: InboxProblem | undefined
}

export interface InboxProblem {
  readonly at: number
  readonly code: string
  readonly text: string
}

export type InboxErrorKind = 'inbox.invalid' | 'inbox.too-large' | 'inbox.corrupt' | 'inbox.contended' | 'inbox.unknown' | 'inbox.not-dead'

/**
 * The inbox refuses. Nothing was written.
 *
 * - `inbox.invalid` an argument is not allowed: an id, a group, a payload that JSON cannot carry, a time
 * - `inbox.too-large` the payload is larger than 256 KiB
 * - `inbox.corrupt` what the store holds is no entry, or lies under another id
 * - `inbox.contended` others changed the entry every time it was about to be written
 * - `inbox.unknown` there is no such entry (any more)
 * - `inbox.not-dead` the entry is no dead letter
 */
export class InboxError extends Error {
  override readonly name = 'InboxError'
  readonly kind: InboxErrorKind

  constructor(kind: InboxErrorKind, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.kind = kind
  }
}

/** The largest payload, as JSON in UTF-8. */
export const maxPayloadBytes = 256 * 1024
const maxKeyLength = 1024
const maxGroupLength = 512
const maxProblemLength = 1000

/** What is to be accepted. */
export interface NewEvent {
  /** Which of the function's sources it came from: lower case, digits and dashes. */
  readonly source: string
  /** The sender's id: the same for every delivery of one event. Anything a stranger may choose, at most 1,024 characters. */
  readonly id: string
  /** Events of one group are worked on one after the other. At most 512 characters. */
  readonly group: string
  /** JSON, at most 256 KiB of it. */
  readonly payload: unknown
  readonly receivedAt: number
  readonly now: number
}

/** The id of an event's entry: whatever characters strangers choose, 40 hexadecimal digits. */
export function entryIdOf(functionName: string, source: string, key: string): string {
  return digestOf([functionName, source, key])
}

/** Checks an event and measures its payload; answers the payload's digest. Throws InboxError. */
export function checkEvent({ source, id, group, payload, receivedAt, now }: NewEvent): string {
  if (!/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/.test(source)) {
    throw invalid('the source of an event is no name of lower-case letters, digits and dashes. Correct it.')
  }
  checkLength(id, 'id', maxKeyLength)
  checkLength(group, 'group', maxGroupLength)
  checkedTime(receivedAt, 'receivedAt')
  checkedTime(now, 'now')
  try {
    const sizeBytes = Buffer.byteLength(stringifyJson(payload))
    if (sizeBytes > maxPayloadBytes) {
      throw new InboxError(
        'inbox.too-large',
        `Inbox: the payload of an event takes ${sizeBytes} bytes as JSON; ${maxPayloadBytes} are allowed. Nothing was written. Send less, or send where it can be read.`,
      )
    }
    return contentDigest(payload)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw invalid(`the payload of an event is not JSON: ${error.message}.`, error)
  }
}

function checkLength(text: unknown, name: string, maxLength: number): void {
  if (typeof text !== 'string' || text === '') throw invalid(`the ${name} of an event is missing or empty. Give one.`)
  if (text.length > maxLength) {
    throw invalid(`the ${name} of an event is ${text.length} characters long; ${maxLength} are allowed. Use a digest of it.`)
  }
}

const latestMs = 8_640_000_000_000_000

/** The time, in whole milliseconds. Throws InboxError when it is none. */
export function checkedTime(ms: number, name: string): number {
  const whole = Math.ceil(ms)
  if (typeof ms === 'number' && whole >= 0 && whole <= latestMs) return whole
  throw invalid(`${name} is ${ms}, which is no time. Give milliseconds since 1970.`)
}

export function invalid(what: string, cause?: unknown): InboxError {
  return new InboxError('inbox.invalid', `Inbox: ${what}`, cause === undefined ? undefined : { cause })
}

/** A problem as an entry keeps it: the text cut to 1,000 characters. */
export function problemOf({ at, code, text }: InboxProblem): InboxProblem {
  return {
    at,
    code: code.slice(0, 100),
    text: text.length <= maxProblemLength ? text : `${text.slice(0, maxProblemLength).toWellFormed()}…`,
  }
}

const timeDigits = 16
const seqDigits = 4
const placePattern = /^([0-9]{16})\.[0-9]{4}\.([0-9a-f]{40})$/

/** A place in line. Places sort by time, then by `seq`, which tells apart what comes in the same millisecond. */
export function placeOf(timeMs: number, seq: number, id: string): string {
  return `${String(timeMs).padStart(timeDigits, '0')}.${String(Math.min(seq, 9999)).padStart(seqDigits, '0')}.${id}`
}

/** What a place says; undefined when it is none. */
export function readPlace(place: string): { readonly timeMs: number; readonly id: string } | undefined {
  const [, digits, id] = placePattern.exec(place) ?? []
  return digits === undefined || id === undefined ? undefined : { timeMs: Number(digits), id }
}

const ProblemData = z.strictObject({ at: z.number(), code: z.string(), text: z.string() })

/** The entry as the store keeps it. */
export const EntryData = z.strictObject({
  format: z.literal(1),
  state: z.enum(['RECEIVED', 'TAKEN', 'RETRY', 'DONE', 'DEAD']),
  source: z.string(),
  key: z.string(),
  group: z.string(),
  payload: z.optional(z.unknown()),
  payloadDigest: z.string(),
  receivedAt: z.number(),
  changedAt: z.number(),
  attempt: z.int().check(z.gte(0)),
  place: z.string(),
  holder: z.optional(z.strictObject({ id: z.string(), deadline: z.number() })),
  dueAt: z.optional(z.number()),
  error: z.optional(ProblemData),
  /** Claim that last wrote it: tells what one wrote oneself from what others did when the store's answer was lost. */
  writer: z.optional(z.string()),
})
export type EntryData = z.infer<typeof EntryData>

/** The entry that an item holds. Throws InboxError of kind `inbox.corrupt` when it is none, or lies under another id. */
export function entryOf(functionName: string, item: StoreItem): InboxEntry {
  const parsed = z.safeParse(EntryData, item.data)
  const problem = parsed.success ? faultOf(functionName, parsed.data, item) : parsed.error.issues[0]?.path.join('.') || 'as a whole'
  if (!parsed.success || problem !== undefined) {
    throw new InboxError(
      'inbox.corrupt',
      `Inbox: the entry ${item.sort.slice(0, 100)} of ${functionName} is damaged (${problem}). It is left as it is. Look at it in the store, then discard it with \`longshore dead-letters discard\`.`,
    )
  }
  const { format: _, writer: __, ...facts } = parsed.data
  return { ...facts, id: item.sort, function: functionName, fence: item.version }
}

function faultOf(functionName: string, data: EntryData, item: StoreItem): string | undefined {
  if (entryIdOf(functionName, data.source, data.key) !== item.sort) return 'it is about another event'
  if (readPlace(data.place)?.id !== item.sort) return 'it has no place in line'
  if (data.state === 'TAKEN' && data.holder === undefined) return 'it is taken by nobody'
  if (data.state === 'RETRY' && data.dueAt === undefined) return 'nobody knows when it is due'
  if (data.state !== 'DONE' && data.payload === undefined) return 'its payload is gone'
  return undefined
}

import * as z from 'zod/mini'
import { JsonError } from '#cloud/json.ts'
import type { Reason } from '#shared/pure/step.ts'
import { canonicalJson, plainCopy, sealMethod, sealOf } from './canonical-json.ts'
import type { StoreItem } from './store.ts'

/**
 * - `intent` what is about to be done; written before the first write of a step
 * - `outcome` what became of an intent; also written by whoever settles one whose owner is gone
 * - `note` anything else that must not be forgotten: an override, the kill switch, an undo
 */
export type JournalKind = 'intent' | 'outcome' | 'note'

/** What is written down. Texts and the step go through the journal's redaction first. */
export interface NewJournalEntry {
  readonly kind: JournalKind
  /** Epoch milliseconds. */
  readonly at: number
  readonly runId: string
  readonly function: string
  /** Key of the step, which is its action key in the ledger; for a note that belongs to none, any name of its matter. */
  readonly stepKey: string
  readonly target: string
  /** What was there, for people. */
  readonly before: string
  readonly after: string
  readonly reason: Reason
  /** `service.Action` of the write. */
  readonly action?: string | undefined
  readonly requestId?: string | undefined
  /** `Applied`, `Failed`, …: what was reported. */
  readonly outcome?: string | undefined
  /** The ledger's state that follows from an outcome: `UNKNOWN` is not its last. */
  readonly state?: 'SUCCEEDED' | 'FAILED_SAFE' | 'UNKNOWN' | undefined
  /** Which try of the key it belongs to: an intent and its outcomes share key and attempt. */
  readonly attempt?: number | undefined
  /** Claim of whoever writes it. */
  readonly owner?: string | undefined
  /** The whole step as plain JSON: what undo needs. */
  readonly step?: unknown
}

/** An entry of the chain. Each one's hash covers everything in it, the hash of the one before included. */
export interface JournalEntry extends NewJournalEntry {
  /** Counts from 1 without a gap. */
  readonly seq: number
  readonly prev: string
  readonly hash: string
  /** Why there is no `step`: it held a secret, or was too large. Such an entry cannot be undone from the journal. */
  readonly stepLeftOut?: 'secret' | 'too-large' | undefined
}

export type JournalErrorKind = 'journal.corrupt' | 'journal.contended' | 'journal.invalid'

/**
 * The journal cannot be written to, or cannot be relied on. Nothing was written.
 *
 * - `journal.corrupt` its end is damaged, or does not follow from what this process has seen of it
 * - `journal.contended` others were faster every time
 * - `journal.invalid` an entry or a number is not allowed; a mistake of the caller
 */
export class JournalError extends Error {
  override readonly name = 'JournalError'
  readonly kind: JournalErrorKind

  constructor(kind: JournalErrorKind, message: string) {
    super(message)
    this.kind = kind
  }
}

const JournalData = z.strictObject({
  format: z.literal(1),
  seq: z.int(),
  prev: z.string(),
  hash: z.string(),
  kind: z.enum(['intent', 'outcome', 'note']),
  at: z.int(),
  runId: z.string(),
  function: z.string(),
  stepKey: z.string(),
  target: z.string(),
  before: z.string(),
  after: z.string(),
  reason: z.strictObject({ code: z.string(), text: z.string() }),
  action: z.optional(z.string()),
  requestId: z.optional(z.string()),
  outcome: z.optional(z.string()),
  state: z.optional(z.enum(['SUCCEEDED', 'FAILED_SAFE', 'UNKNOWN'])),
  attempt: z.optional(z.int()),
  owner: z.optional(z.string()),
  step: z.optional(z.unknown()),
  stepLeftOut: z.optional(z.enum(['secret', 'too-large'])),
})
export type JournalData = z.infer<typeof JournalData>

/** Where an entry stands in the chain: after this one. */
export interface JournalEnd {
  readonly seq: number
  readonly hash: string
}

/** What the first entry follows: it binds the chain to its name, so that another chain does not pass for it. */
export function beginningOf(chain: string): JournalEnd {
  return { seq: 0, hash: sealOf({ journal: chain, format: 1 }, undefined) }
}

const maxTextLength = 4096
const maxStepLength = 128 * 1024

/** What an entry says, with secrets out and nothing too long. Throws JournalError of kind `journal.invalid`. */
export function preparedEntry(entry: NewJournalEntry, redact: (text: string) => string): Omit<JournalData, 'seq' | 'prev' | 'hash'> {
  const clean = (text: string): string => {
    const redacted = redact(text)
    return redacted.length > maxTextLength ? `${redacted.slice(0, maxTextLength - 1).toWellFormed()}…` : redacted
  }
  const optional = (text: string | undefined): string | undefined => (text === undefined ? undefined : clean(text))
  try {
    return {
      format: 1,
      kind: entry.kind,
      at: entry.at,
      runId: clean(entry.runId),
      function: entry.function,
      stepKey: clean(entry.stepKey),
      target: clean(entry.target),
      before: clean(entry.before),
      after: clean(entry.after),
      reason: { code: entry.reason.code, text: clean(entry.reason.text) },
      action: entry.action,
      requestId: optional(entry.requestId),
      outcome: entry.outcome,
      state: entry.state,
      attempt: entry.attempt,
      owner: optional(entry.owner),
      ...keptStep(entry.step, redact),
    }
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw new JournalError(
      'journal.invalid',
      `Journal: an entry about ${entry.target} cannot be written: in its step ${error.message}. Nothing was written.`,
    )
  }
}

/** The step, unless it holds a secret: a step with parts blacked out would be undone wrongly. */
function keptStep(step: unknown, redact: (text: string) => string): Pick<JournalData, 'step' | 'stepLeftOut'> {
  if (step === undefined) return {}
  const copy = plainCopy(step)
  const text = canonicalJson(copy)
  if (redact(text) !== text) return { stepLeftOut: 'secret' }
  return text.length > maxStepLength ? { stepLeftOut: 'too-large' } : { step: copy }
}

/** The entry at its place in the chain. */
export function sealedEntry(content: Omit<JournalData, 'seq' | 'prev' | 'hash'>, end: JournalEnd, secret: string | undefined): JournalData {
  const unsealed = { ...content, seq: end.seq + 1, prev: end.hash }
  return { ...unsealed, hash: sealOf(unsealed, secret) }
}

/** What is wrong with an entry by itself: with its own seal. `method`: it is sealed in another way than it should be. */
export function sealProblem(data: JournalData, secret: string | undefined): 'changed' | 'method' | undefined {
  const { hash, ...content } = data
  const method = sealMethod(hash)
  if (method === undefined) return 'changed'
  if ((method === 'hmac-sha256') !== (secret !== undefined)) return 'method'
  return sealOf(content, secret) === hash ? undefined : 'changed'
}

/** Whether the chain may go on after an entry: it is whole, and sealed with the secret or from before there was one. */
export function isSound(data: JournalData, secret: string | undefined): boolean {
  return sealProblem(data, secret) === undefined || sealProblem(data, undefined) === undefined
}

/** Digits of a sort key: enough for a write every millisecond for thirty years. */
const seqDigits = 12

export function sortOfSeq(seq: number): string {
  return String(seq).padStart(seqDigits, '0')
}

export function seqOfSort(sort: string): number | undefined {
  return /^[0-9]{12}$/.test(sort) ? Number(sort) : undefined
}

/** The data of an item; undefined when it is no entry. */
export function journalDataOf(item: StoreItem): JournalData | undefined {
  const parsed = z.safeParse(JournalData, item.data)
  return parsed.success ? parsed.data : undefined
}

export function journalEntryOf({ format: _, ...entry }: JournalData): JournalEntry {
  return entry
}

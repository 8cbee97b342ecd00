import * as z from 'zod/mini'
import { clip } from '#shared/pure/clip.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { mostCorrections } from './event.ts'
import { isOverride } from './override.ts'
import type { ScaleChange } from './scale-change.ts'
import { type Size, sizesEqual } from './target.ts'

/**
 * The annotation that carries the record. It is written in the same patch as the size, so that there is never a size without
 * its record or a record without its size.
 */
export const recordAnnotation = 'longshore.dev/cron-scaler'

/** What the last transition of a target was: kept on the target itself. */
export interface ScaleRecord {
  /** Counts the transitions of this target. */
  readonly epoch: number
  /** The rule that owns the present size. */
  readonly owner: string
  /** The key of the step that wrote it: tells after a lost answer whether the write arrived. */
  readonly key: string
  /** The key of the record that was there before; absent where there was none, and in records of old. */
  readonly replaced?: string | undefined
  /** The instant the rule fired for. */
  readonly nominalMs: number
  /** The run's `now`: an older run never overwrites a younger one's decision. */
  readonly decidedMs: number
  /** What the transition found. Written once: correcting drift for the same firing leaves it alone. */
  readonly before: Size
  readonly after: Size
  /**
   * What was there before the first of the transitions that followed each other undisturbed, and the epoch of that first one.
   * A size that somebody else set starts a new chain.
   */
  readonly original: { readonly size: Size; readonly epoch: number }
  /** Run-once rules that have run, with the instant they fired for. */
  readonly once: Readonly<Record<string, number>>
  /** Of a size that an override set, or whose override was taken back: when that override ends. */
  readonly untilMs?: number | undefined
  /** When the size was put back for the same firing, the latest ones, oldest first; absent when it never was. */
  readonly corrections?: readonly number[] | undefined
}

/** What a step adds to a record. */
export interface Transition {
  readonly key: string
  readonly rule: string
  readonly nominalMs: number
  readonly decidedMs: number
  readonly size: Size
  readonly onceKey?: string | undefined
  readonly untilMs?: number | undefined
  /** Whether it puts back what somebody has changed since. */
  readonly drift?: boolean | undefined
}

/** What a change adds to the record of its target, at a run's `now`. */
export function transitionOf(key: string, change: ScaleChange, now: number): Transition {
  const { rule, nominalMs, to: size, onceKey, untilMs, drift } = change
  return { key, rule, nominalMs, decidedMs: now, size, onceKey, untilMs, drift }
}

/** Corrections longer ago than this are no part of a quarrel. */
export const correctionWindowMs = 3_600_000

/** More marks of run-once rules than this on one target are thrown away, oldest first. */
const mostMarks = 64

/** Exactly as written here: `Date.parse` takes "5" for a month of 2001 and the 31st of February for a day of March. */
const Instant = z.pipe(
  z.string().check(z.regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/)),
  z.transform((text, context) => {
    const ms = Date.parse(text)
    if (Number.isFinite(ms) && instantText(ms) === text) return ms
    context.issues.push({ code: 'custom', message: 'is no instant', input: text })
    return z.NEVER
  }),
)

const WrittenSize = z.union([
  z.pipe(
    z.strictObject({ replicas: z.int() }),
    z.transform(({ replicas }): Size => ({ kind: 'replicas', replicas })),
  ),
  z.pipe(
    z.strictObject({ min: z.int(), max: z.int() }),
    z.transform(({ min, max }): Size => ({ kind: 'bounds', min, max })),
  ),
])

const WrittenRecord = z.object({
  format: z.literal(1),
  epoch: z.int(),
  // Longer ones are never written, and reports quote them.
  owner: z.string().check(z.maxLength(1000)),
  key: z.string().check(z.maxLength(256)),
  replaced: z.optional(z.string().check(z.maxLength(256))),
  nominal: Instant,
  decided: Instant,
  before: WrittenSize,
  after: WrittenSize,
  original: z.object({ size: WrittenSize, epoch: z.int() }),
  once: z.optional(z.record(z.string(), Instant)),
  until: z.optional(Instant),
  corrections: z.optional(z.array(Instant).check(z.maxLength(mostCorrections))),
})

/** Reads the annotation's text. Never guesses: a record that somebody garbled is an error, because acting could repeat a firing. */
export function parseRecord(text: string): Result<ScaleRecord, string> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return failure('it is not JSON')
    throw error
  }
  const parsed = z.safeParse(WrittenRecord, value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return failure(`${clip(issue?.path.join('.') ?? '') || 'it'} is not as written`)
  }
  const { epoch, owner, key, replaced, nominal, decided, before, after, original, once, until, corrections } = parsed.data
  return success({
    epoch,
    owner,
    key,
    ...(replaced === undefined ? {} : { replaced }),
    nominalMs: nominal,
    decidedMs: decided,
    before,
    after,
    original,
    once: once ?? {},
    ...(until === undefined ? {} : { untilMs: until }),
    ...(corrections === undefined ? {} : { corrections }),
  })
}

/**
 * Whether what is on record stands for a firing: it was applied for that firing or a later one. A hold or an override that has
 * ended since is the exception: a person kept the target from the size it should have, so the firing counts as if it had just
 * come. `hold` is what the target says, undefined or a text when it is no instant.
 */
export function isOnRecord(record: ScaleRecord | undefined, nominalMs: number, hold: number | string | undefined, now: number): boolean {
  if (record === undefined || isOverride(record.owner) || record.nominalMs < nominalMs) return false
  const isHoldOver = typeof hold === 'number' && hold <= now && record.decidedMs < hold
  return record.nominalMs > nominalMs || !isHoldOver
}

/** Writes the annotation's text, in one line that a person can read. */
export function formatRecord(record: ScaleRecord): string {
  const once = Object.entries(record.once).map(([key, ms]) => [key, instantText(ms)])
  return JSON.stringify({
    format: 1,
    epoch: record.epoch,
    owner: record.owner,
    nominal: instantText(record.nominalMs),
    decided: instantText(record.decidedMs),
    before: written(record.before),
    after: written(record.after),
    original: { size: written(record.original.size), epoch: record.original.epoch },
    key: record.key,
    ...(record.replaced === undefined ? {} : { replaced: record.replaced }),
    ...(once.length === 0 ? {} : { once: Object.fromEntries(once) }),
    ...(record.untilMs === undefined ? {} : { until: instantText(record.untilMs) }),
    ...(record.corrections === undefined ? {} : { corrections: record.corrections.map(instantText) }),
  })
}

/**
 * The record after a transition. `found` is the size right before the write. For the firing that is already on record (its
 * drift is corrected) the size before it, the epoch and the original stay what they are. One override upon another keeps the
 * size that was there before the first of them.
 */
export function nextRecord(previous: ScaleRecord | undefined, found: Size, transition: Transition): ScaleRecord {
  const { key, rule, nominalMs, decidedMs, size, onceKey, untilMs } = transition
  const once = marksWith(previous?.once ?? {}, onceKey, nominalMs)
  const corrections = correctionsWith(previous, transition)
  const written = {
    owner: rule,
    key,
    ...(previous === undefined ? {} : { replaced: previous.key }),
    nominalMs,
    decidedMs,
    after: size,
    once,
    ...(untilMs === undefined ? {} : { untilMs }),
    ...(corrections.length === 0 ? {} : { corrections }),
  }
  if (previous !== undefined && previous.nominalMs === nominalMs && previous.owner === rule) {
    return { ...written, epoch: previous.epoch, before: previous.before, original: previous.original }
  }
  const epoch = (previous?.epoch ?? 0) + 1
  if (previous === undefined || !sizesEqual(previous.after, found))
    return { ...written, epoch, before: found, original: { size: found, epoch } }
  const before = isOverride(rule) && isOverride(previous.owner) ? previous.before : found
  return { ...written, epoch, before, original: previous.original }
}

/** The corrections for one firing within the last hour, this one included. Another firing begins without any. */
function correctionsWith(previous: ScaleRecord | undefined, { rule, nominalMs, decidedMs, drift }: Transition): readonly number[] {
  if (drift !== true || previous === undefined || previous.nominalMs !== nominalMs || previous.owner !== rule) return []
  return [...correctionsWithin(previous, decidedMs), decidedMs].slice(-mostCorrections)
}

/** When the size was put back within the hour before an instant. */
export function correctionsWithin(record: ScaleRecord, now: number): readonly number[] {
  return (record.corrections ?? []).filter((ms) => ms > now - correctionWindowMs)
}

function marksWith(marks: Readonly<Record<string, number>>, key: string | undefined, ms: number): Readonly<Record<string, number>> {
  if (key === undefined) return marks
  const all = Object.entries({ ...marks, [key]: ms })
  return Object.fromEntries(all.toSorted(([, left], [, right]) => right - left).slice(0, mostMarks))
}

function written(size: Size): { readonly replicas: number } | { readonly min: number; readonly max: number } {
  return size.kind === 'replicas' ? { replicas: size.replicas } : { min: size.min, max: size.max }
}

function instantText(ms: number): string {
  return new Date(ms).toISOString()
}

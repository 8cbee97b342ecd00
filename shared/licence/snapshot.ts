import { createHash, type Hash, sign } from 'node:crypto'
import * as z from 'zod/mini'
import { parseGlob } from '#shared/pure/glob.ts'
import { isTimeZone } from '#shared/pure/zone.ts'
import { canonicalJson, plainCopy } from '#shared/safety/canonical-json.ts'
import { Anchor, anchorOf, type ChainBreak, Entry, linkProblem } from './record.ts'
import { hourNumber } from './sample.ts'
import type { SigningKey } from './snapshot-key.ts'
import { type RegionSummary, RegionTotals } from './snapshot-summary.ts'

/**
 * A snapshot is a text of rows, each the canonical JSON of an object with one member that says what the row is, each ended by a line
 * break: `snapshot` (what it is of, and under which conditions), the entries of the record in order of region and hour, `summary` (what
 * they come to) and `signature`. It is written and read row by row, so that its length does not matter.
 */
export const snapshotFormat = 'longshore-licence-snapshot/1'

/** A snapshot of more hours than this is a mistake: sixty years. */
const mostHours = 60 * 8784

const Hour = z.string().check(
  z.regex(/^\d{4}-\d{2}-\d{2}T\d{2}:00:00Z$/, { error: 'must be a full hour of UTC' }),
  z.refine((text) => !Number.isNaN(Date.parse(text)), { error: 'is no hour of the calendar' }),
)

/** Why hours in a row have no sample, as it was noted then; not every gap has one. */
const GapNote = z.strictObject({ from: Hour, until: Hour, code: z.string(), text: z.string() })

export type GapNote = z.infer<typeof GapNote>

const SnapshotRegion = z.strictObject({
  region: z.string().check(z.minLength(1)),
  /** The entry that the first one here follows. */
  after: Anchor,
  /** Globs over products of which the sum counts as well. */
  sums: z.array(z.string().check(z.refine((text) => parseGlob(text).ok, { error: 'is no glob' }))),
  notes: z.array(GapNote),
})

/** What a snapshot is of. */
export const SnapshotFacts = z
  .strictObject({
    format: z.literal(snapshotFormat),
    /** When it was made, ISO 8601, and with what. */
    madeAt: z.string(),
    madeBy: z.string(),
    /** IANA name; months are civil months in it. */
    zone: z.string().check(z.refine(isTimeZone, { error: 'is no time zone that this machine knows' })),
    /** The first hour of the period, and the first hour after it. */
    from: Hour,
    until: Hour,
    regions: z.array(SnapshotRegion),
    /** Under which settings the figures are to be read: entitlements, tolerance, what `Pass` means. */
    conditions: z.record(z.string(), z.unknown()),
  })
  .check(
    z.refine(({ from, until }) => hourNumber(from) <= hourNumber(until), { error: 'ends before it begins', path: ['until'] }),
    z.refine(({ from, until }) => hourNumber(until) - hourNumber(from) <= mostHours, {
      error: 'is more than sixty years long',
      path: ['until'],
    }),
    z.refine(({ regions }) => new Set(regions.map(({ region }) => region)).size === regions.length, {
      error: 'names a region twice',
      path: ['regions'],
    }),
  )

export type SnapshotFacts = z.infer<typeof SnapshotFacts>

/** What all rows before the last two come to; worked out again by whoever verifies it. */
export interface SnapshotSummary {
  /** Digest of the first row. */
  readonly facts: string
  readonly entries: number
  readonly regions: readonly RegionSummary[]
}

export const SnapshotSignature = z.strictObject({
  algorithm: z.literal('ed25519'),
  /** Of the public key that it can be verified with. */
  key: z.string(),
  /** Base64, of `signedText`. */
  value: z.string(),
})

export type SnapshotSignature = z.infer<typeof SnapshotSignature>

export const SnapshotRow = z.union([
  z.strictObject({ snapshot: SnapshotFacts, digest: z.string() }),
  z.strictObject({ entry: Entry }),
  z.strictObject({ summary: z.unknown() }),
  z.strictObject({ signature: SnapshotSignature }),
])

export type SnapshotRow = z.infer<typeof SnapshotRow>

/** The record is not in order, so nothing was signed: a signature would say that it is. */
export class BrokenRecordError extends Error {
  override readonly name = 'BrokenRecordError'
  readonly kind = 'licence.record-broken'
  readonly region: string
  readonly at: ChainBreak

  constructor(region: string, at: ChainBreak) {
    super(`the record of ${region} is broken at ${at.text}. Nothing was signed; a period that begins after that hour can be`)
    this.region = region
    this.at = at
  }
}

/**
 * The rows of a snapshot, each with its line break; the last one is the signature. Every entry is checked on its way. The entries of a
 * region have to be those of the period, in order. Throws BrokenRecordError at the first one that does not belong where it stands, and a
 * ZodError for facts that are none.
 */
export async function* snapshotRows(
  given: Omit<SnapshotFacts, 'format'>,
  entriesOf: (region: string) => AsyncIterable<Entry> | Iterable<Entry>,
  signer: SigningKey,
): AsyncGenerator<string> {
  const facts = z.parse(SnapshotFacts, plainCopy({ ...given, format: snapshotFormat }))
  const hash = createHash('sha256')
  const row = (content: object): string => {
    const text = `${canonicalJson(content)}\n`
    hash.update(text)
    return text
  }
  yield row({ snapshot: facts, digest: factsDigest(facts) })
  const summary = new SummaryOf(facts)
  for (const { region, after } of facts.regions) {
    let end = after
    const totals = summary.of(region)
    for await (const entry of entriesOf(region)) {
      const broken = entryProblem(facts, end, entry, region)
      if (broken !== undefined) throw new BrokenRecordError(region, broken)
      end = anchorOf(entry)
      totals.add(entry)
      yield row({ entry })
    }
  }
  yield row({ summary: summary.done() })
  const value = sign(null, Buffer.from(signedText(hash)), signer.key).toString('base64')
  const signature: SnapshotSignature = { algorithm: 'ed25519', key: signer.id, value }
  yield `${canonicalJson({ signature })}\n`
}

/** By it a mistake in the first row is found there, and not where its consequences show. SHA-256 of its canonical JSON, base64url. */
export function factsDigest(facts: SnapshotFacts): string {
  return createHash('sha256').update(canonicalJson(facts)).digest('base64url')
}

/** What is signed: one line with the SHA-256 of all rows before the signature, each with its line break. */
export function signedText(hash: Hash): string {
  return `${snapshotFormat} ${hash.digest('hex')}\n`
}

/** Why an entry is not the next one of a region in a snapshot of this period; undefined when it is. */
export function entryProblem(
  facts: Pick<SnapshotFacts, 'from' | 'until'>,
  before: Anchor,
  entry: Entry,
  region: string,
): ChainBreak | undefined {
  const broken = linkProblem(before, entry, region)
  if (broken !== undefined) return broken
  const { hour } = entry.sample
  const number = hourNumber(hour)
  if (number >= hourNumber(facts.from) && number < hourNumber(facts.until)) return undefined
  const text = `entry ${entry.seq} (${hour}): its hour is not in the period from ${facts.from} until ${facts.until}`
  return { seq: entry.seq, hour, code: 'hours-disordered', text }
}

/** Works out the summary while the entries go by. */
export class SummaryOf {
  readonly #facts: SnapshotFacts
  readonly #regions: ReadonlyMap<string, RegionTotals>

  constructor(facts: SnapshotFacts) {
    this.#facts = facts
    const { zone, from, until } = facts
    this.#regions = new Map(facts.regions.map((region) => [region.region, new RegionTotals({ ...region, zone, from, until })]))
  }

  /** Throws RangeError for a region that the snapshot is not of. */
  of(region: string): RegionTotals {
    const totals = this.#regions.get(region)
    if (totals === undefined) throw new RangeError(`the snapshot is not of ${region}`)
    return totals
  }

  done(): SnapshotSummary {
    const regions = [...this.#regions.values()].map((totals) => totals.done())
    return { facts: factsDigest(this.#facts), entries: regions.reduce((sum, { entries }) => sum + entries, 0), regions }
  }
}

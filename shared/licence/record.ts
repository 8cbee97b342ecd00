import { createHash } from 'node:crypto'
import * as z from 'zod/mini'
import { canonicalJson } from '#shared/safety/canonical-json.ts'
import { hourNumber, Sample } from './sample.ts'

/** SHA-256 in base64url: 43 characters. (Long runs of digits, as hexadecimal has them, would be parsed slowly as large integers.) */
const Digest = z.string().check(z.regex(/^[A-Za-z0-9_-]{43}$/))

/**
 * One link of a region's record: a sample, its place, and the digest of the link before. Whoever changes, removes or puts in a link has
 * to change all after it.
 */
export const Entry = z.strictObject({
  /** 1, 2, 3 … without holes, in the order of the hours. */
  seq: z.int().check(z.minimum(1)),
  /** Digest of the entry before; `genesis` of the first. */
  prev: z.union([Digest, z.literal('genesis')]),
  /** SHA-256 over the canonical JSON of `{ seq, prev, sample }`, base64url. */
  digest: Digest,
  sample: Sample,
})

export type Entry = z.infer<typeof Entry>

/** The place in a chain after which something begins: what is left of the entries before. */
export const Anchor = z.strictObject({
  seq: z.int().check(z.minimum(0)),
  digest: z.union([Digest, z.literal('genesis')]),
  /** Hour of the entry that it stands for; empty before the first. */
  hour: z.string(),
})

export type Anchor = z.infer<typeof Anchor>

/** Before the first entry. */
export const genesis: Anchor = { seq: 0, digest: 'genesis', hour: '' }

/** The digest that an entry with this content has. Throws JsonError for a sample that JSON cannot carry. */
export function entryDigest({ seq, prev, sample }: Pick<Entry, 'seq' | 'prev' | 'sample'>): string {
  return createHash('sha256').update(canonicalJson({ seq, prev, sample })).digest('base64url')
}

/** The entry that puts a sample after a place of the chain. */
export function entryAfter(before: Anchor, sample: Sample): Entry {
  const content = { seq: before.seq + 1, prev: before.digest, sample }
  return { ...content, digest: entryDigest(content) }
}

export function anchorOf({ seq, digest, sample }: Entry): Anchor {
  return { seq, digest, hour: sample.hour }
}

/** Where a chain is broken first, and how. */
export interface ChainBreak {
  /** Number that the entry should have. */
  readonly seq: number
  /** Hour of the entry there. */
  readonly hour: string
  readonly code: 'changed' | 'missing' | 'not-linked' | 'hours-disordered' | 'other-region'
  /** A sentence for people. */
  readonly text: string
}

/** What is wrong with an entry as the one after a place; undefined when nothing is. Each call checks one link, so chains of any length can be streamed. */
export function linkProblem(before: Anchor, entry: Entry, region: string): ChainBreak | undefined {
  const { hour } = entry.sample
  const seq = before.seq + 1
  const broken = (code: ChainBreak['code'], text: string): ChainBreak => ({ seq, hour, code, text: `entry ${seq} (${hour}): ${text}` })
  if (entry.seq !== seq)
    return broken('missing', `entry ${entry.seq} stands where entry ${seq} belongs: entries are missing or in another order`)
  if (entryDigest(entry) !== entry.digest) return broken('changed', 'its content is not what its digest was made from: it was changed')
  if (entry.prev !== before.digest) return broken('not-linked', 'it does not follow the entry before it: one of the two was replaced')
  if (entry.sample.region !== region) return broken('other-region', `it is of ${entry.sample.region}, not of ${region}`)
  if (before.hour !== '' && hourNumber(hour) <= hourNumber(before.hour))
    return broken('hours-disordered', `its hour is not after ${before.hour}`)
  return undefined
}

export interface ChainReport {
  /** Entries that are in order, from the first on. */
  readonly entries: number
  /** The last of them. */
  readonly end: Anchor
  readonly broken?: ChainBreak
}

/** Checks a region's chain from a place on, and stops at the first thing that is wrong. */
export async function verifyChain(
  entries: AsyncIterable<Entry> | Iterable<Entry>,
  region: string,
  from: Anchor = genesis,
): Promise<ChainReport> {
  let end = from
  let count = 0
  for await (const entry of entries) {
    const broken = linkProblem(end, entry, region)
    if (broken !== undefined) return { entries: count, end, broken }
    end = anchorOf(entry)
    count += 1
  }
  return { entries: count, end }
}

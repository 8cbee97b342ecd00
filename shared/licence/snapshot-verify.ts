import { createHash, verify } from 'node:crypto'
import * as z from 'zod/mini'
import { JsonError, parseJson } from '#cloud/json.ts'
import { canonicalJson } from '#shared/safety/canonical-json.ts'
import { type Anchor, anchorOf, type Entry } from './record.ts'
import {
  entryProblem,
  factsDigest,
  type SnapshotFacts,
  SnapshotRow,
  type SnapshotSignature,
  type SnapshotSummary,
  SummaryOf,
  signedText,
} from './snapshot.ts'
import type { SigningKey } from './snapshot-key.ts'

/** A row is one hour of one region; no platform says so much in an answer. */
const longestRowBytes = 8 * 1024 * 1024

/** What is wrong with a snapshot. */
export interface SnapshotProblem {
  /**
   * - `no-snapshot` it is something else, or cut off before it says what it is
   * - `row` the row is not what was written: it is no canonical JSON, or its content is not what its digest or the rows before it say
   * - `order` the row does not belong there: rows are missing, put in or in another order
   * - `cut-off` the end is missing
   * - `other-key` it is signed with another key than the one given
   * - `signature` all rows fit together, and yet it is not what was signed: somebody without the key has made it again
   */
  readonly code: 'no-snapshot' | 'row' | 'order' | 'cut-off' | 'other-key' | 'signature'
  /** Number of the first wrong row, counted from 1; absent when the rows fit together. */
  readonly row?: number
  /** A sentence for people. */
  readonly text: string
}

export type SnapshotVerdict =
  | { readonly ok: true; readonly facts: SnapshotFacts; readonly summary: SnapshotSummary; readonly rows: number; readonly key: string }
  | { readonly ok: false; readonly problem: SnapshotProblem }

/**
 * Checks a whole snapshot with nothing but its bytes and a public key: every row, every link between entries, every figure of the summary
 * (each is worked out again), and the signature over all of it. One changed byte anywhere is found. Stops at the first row that is wrong.
 * Reads in one pass and holds one row at a time, whatever the length.
 */
export async function verifySnapshot(
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  publicKey: SigningKey,
): Promise<SnapshotVerdict> {
  const reader = new SnapshotReader(publicKey)
  try {
    for await (const line of linesOf(bytes)) reader.read(line)
    return reader.end()
  } catch (error) {
    if (error instanceof WrongRow) return { ok: false, problem: error.problem }
    throw error
  }
}

class WrongRow extends Error {
  override readonly name = 'WrongRow'
  readonly problem: SnapshotProblem

  constructor(problem: SnapshotProblem) {
    super(problem.text)
    this.problem = problem
  }
}

interface Line {
  readonly bytes: Uint8Array
  /** Whether a line break ends it, as it has to. */
  readonly isEnded: boolean
}

/** Lines as bytes, without their line breaks. One that is too long is given as far as it was read, and nothing after it. */
async function* linesOf(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Line> {
  let parts: Uint8Array[] = []
  let length = 0
  const taken = (last: Uint8Array): Uint8Array => {
    const bytes = parts.length === 0 ? last : Buffer.concat([...parts, last])
    parts = []
    length = 0
    return bytes
  }
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      yield { bytes: taken(chunk.subarray(start, end)), isEnded: true }
      start = end + 1
    }
    parts.push(chunk.subarray(start))
    length += chunk.length - start
    if (length > longestRowBytes) break
  }
  if (length > 0) yield { bytes: taken(new Uint8Array()), isEnded: false }
}

/** Takes the rows one after the other. Throws WrongRow. */
class SnapshotReader {
  readonly #key: SigningKey
  readonly #hash = createHash('sha256')
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  #row = 0
  #facts: SnapshotFacts | undefined
  #summaryOf: SummaryOf | undefined
  /** Index of the region whose entries come now, and the last of them. */
  #region = 0
  #before: Anchor | undefined
  #summary: SnapshotSummary | undefined
  #signature: SnapshotSignature | undefined

  constructor(key: SigningKey) {
    this.#key = key
  }

  read(line: Line): void {
    this.#row += 1
    if (this.#signature !== undefined) throw this.#wrong('order', 'something stands after the signature')
    const row = this.#parse(line)
    if ('signature' in row) this.#readSignature(row.signature)
    else {
      if ('snapshot' in row) this.#readFacts(row.snapshot, row.digest)
      else if ('entry' in row) this.#readEntry(row.entry)
      else this.#readSummary(row.summary)
      this.#hash.update(line.bytes)
      this.#hash.update('\n')
    }
  }

  end(): SnapshotVerdict {
    const [facts, summary, signature] = [this.#facts, this.#summary, this.#signature]
    if (facts === undefined || summary === undefined || signature === undefined) {
      this.#row += 1
      if (facts === undefined) throw this.#wrong('no-snapshot', 'the file is empty')
      throw this.#wrong(
        'cut-off',
        `the file ends after ${this.#row - 1} rows, before ${summary === undefined ? 'its summary' : 'its signature'}`,
      )
    }
    const failed = (code: 'other-key' | 'signature', text: string): SnapshotVerdict => ({ ok: false, problem: { code, text } })
    if (signature.key !== this.#key.id)
      return failed(
        'other-key',
        `it says that the key ${signature.key} signed it, and the key given is ${this.#key.id}: ask for the public key that belongs to it`,
      )
    if (!verify(null, Buffer.from(signedText(this.#hash)), this.#key.key, Buffer.from(signature.value, 'base64')))
      return failed(
        'signature',
        'its rows fit together, but the signature is not of them: it was changed and put together again by somebody without the key',
      )
    return { ok: true, facts, summary, rows: this.#row, key: this.#key.id }
  }

  #wrong(code: SnapshotProblem['code'], text: string): WrongRow {
    return new WrongRow({ code, row: this.#row, text: `row ${this.#row}: ${text}` })
  }

  #parse({ bytes, isEnded }: Line): SnapshotRow {
    const isFirst = this.#row === 1
    const refused = (why: string): WrongRow =>
      isFirst
        ? this.#wrong('no-snapshot', `${why}; the file is no snapshot, or its first row was changed`)
        : this.#wrong('row', `${why}: it was changed`)
    if (!isEnded && bytes.length > longestRowBytes) throw refused('it is longer than any row can be')
    let value: unknown
    try {
      const text = this.#decoder.decode(bytes)
      value = parseJson(text)
      if (canonicalJson(value) !== text) throw refused('it is not written as a snapshot writes its rows')
    } catch (error) {
      if (error instanceof JsonError || error instanceof TypeError)
        throw isEnded || isFirst ? refused('it cannot be read as JSON') : this.#wrong('cut-off', 'the file ends in the middle of it')
      throw error
    }
    const row = z.safeParse(SnapshotRow, value)
    if (!row.success) throw refused('it is not one of the rows that a snapshot has')
    // Every row ends with a line break, the last one too.
    if (!isEnded) throw this.#wrong('cut-off', 'the line break at its end is missing')
    if (isFirst !== 'snapshot' in row.data)
      throw isFirst ? refused('it does not say what the snapshot is of') : this.#wrong('order', 'a second beginning')
    return row.data
  }

  #readFacts(facts: SnapshotFacts, digest: string): void {
    if (digest !== factsDigest(facts)) throw this.#wrong('row', 'its content is not what its digest was made from: it was changed')
    this.#facts = facts
    this.#summaryOf = new SummaryOf(facts)
    this.#before = facts.regions[0]?.after
  }

  #readEntry(entry: Entry): void {
    const { regions = [], from, until } = this.#facts ?? { from: '', until: '' }
    if (this.#summary !== undefined) throw this.#wrong('order', 'an entry stands after the summary')
    // The entries of one region come after all of the one before.
    const next = regions.findIndex(({ region }, index) => index > this.#region && region === entry.sample.region)
    const isOther = regions[this.#region]?.region !== entry.sample.region
    if (isOther && next !== -1) {
      this.#region = next
      this.#before = regions[next]?.after
    }
    const region = regions[this.#region]?.region
    if (region === undefined || this.#before === undefined || this.#summaryOf === undefined)
      throw this.#wrong('order', 'the snapshot is of no region')
    const broken = entryProblem({ from, until }, this.#before, entry, region)
    if (broken !== undefined) throw this.#wrong(broken.code === 'changed' ? 'row' : 'order', `${region}, ${broken.text}`)
    this.#before = anchorOf(entry)
    this.#summaryOf.of(region).add(entry)
  }

  #readSummary(given: unknown): void {
    if (this.#summary !== undefined || this.#summaryOf === undefined) throw this.#wrong('order', 'a second summary')
    const summary = this.#summaryOf.done()
    if (canonicalJson(given) !== canonicalJson(summary))
      throw this.#wrong('row', `its ${differing(given, summary)} is not what the rows before it come to`)
    this.#summary = summary
  }

  #readSignature(signature: SnapshotSignature): void {
    if (this.#summary === undefined) throw this.#wrong('order', 'the signature stands before the summary')
    // Base64 can be written in more than one way; only one is what was written.
    const bytes = Buffer.from(signature.value, 'base64')
    if (bytes.length !== 64 || bytes.toString('base64') !== signature.value)
      throw this.#wrong('row', 'the value of the signature was changed')
    this.#signature = signature
  }
}

/** Where two values part first: `regions[0].measured`. */
function differing(given: unknown, expected: unknown): string {
  if (typeof given !== 'object' || given === null || typeof expected !== 'object' || expected === null) return 'value'
  const own = new Map<string, unknown>(Object.entries(given))
  for (const [name, value] of Object.entries(expected)) {
    const found = own.get(name)
    if (canonicalJson([found ?? null]) === canonicalJson([value])) continue
    if (typeof found !== 'object' || typeof value !== 'object') return name
    const deeper = differing(found, value)
    return deeper === 'value' ? name : `${name}.${deeper}`
  }
  return 'value'
}

import { beginningOf, type JournalData, journalDataOf, sealProblem, seqOfSort } from './journal-entry.ts'
import type { JournalMark } from './ledger-entry.ts'
import { allItems, type Store } from './store.ts'

export interface VerifyOptions {
  readonly now: number
  /** Places of the chain that something else remembers, such as `ledger.journalMarks`: they show a tail that was cut off. */
  readonly marks?: AsyncIterable<JournalMark & { readonly key: string }> | Iterable<JournalMark & { readonly key: string }> | undefined
  /** Entries before this one may be sealed without the secret: they were written before there was one. */
  readonly unsealedBefore?: number | undefined
}

/**
 * - `changed` the entry does not fit its own seal
 * - `replaced` the entry after it says that another one stood here
 * - `missing` there is no such entry
 * - `moved` the entry lies at another's place
 * - `foreign` something lies among the entries that is none
 * - `not-sealed` it is sealed without the secret, although there is one
 * - `no-key` it is sealed with a secret, which was not given: it cannot be checked
 * - `cut-off` something remembers an entry beyond the end
 */
export type JournalProblemCode = 'changed' | 'replaced' | 'missing' | 'moved' | 'foreign' | 'not-sealed' | 'no-key' | 'cut-off'

export interface JournalProblem {
  readonly code: JournalProblemCode
  /** The entry; 0 when it is about something that is none. */
  readonly seq: number
  readonly text: string
}

export interface JournalCheck {
  readonly ok: boolean
  /** Entries read. */
  readonly entries: number
  /** The last one. Keep it elsewhere, and a tail cut off later shows. */
  readonly end: JournalMark | undefined
  /** In the order of the chain, the first hundred. */
  readonly problems: readonly JournalProblem[]
}

const maxProblems = 100

/** Reads a chain from its beginning and says everything that is wrong with it. Throws StoreError only. */
export async function verifyChain(
  store: Store,
  journal: { readonly chain: string; readonly partition: string; readonly secret: string | undefined },
  options: VerifyOptions,
): Promise<JournalCheck> {
  // Marks first: what is written meanwhile may only make the chain longer than they know.
  const marks = new Map<number, JournalMark & { readonly key: string }>()
  for await (const mark of options.marks ?? []) marks.set(mark.seq, mark)

  const problems: JournalProblem[] = []
  const report = (code: JournalProblemCode, seq: number, text: string): void => {
    if (problems.length < maxProblems) problems.push({ code, seq, text })
  }
  let entries = 0
  let end: { readonly seq: number; readonly hash: string } = beginningOf(journal.chain)
  for await (const item of allItems(store, { partition: journal.partition, now: options.now, limit: 1000 })) {
    const place = seqOfSort(item.sort)
    const data = journalDataOf(item)
    if (place === undefined || place < 1) {
      report('foreign', 0, `something that is no entry lies at "${item.sort.slice(0, 60)}"`)
      continue
    }
    if (place > end.seq + 1) {
      report(
        'missing',
        end.seq + 1,
        place === end.seq + 2 ? `entry ${end.seq + 1} is missing` : `entries ${end.seq + 1} to ${place - 1} are missing`,
      )
    }
    entries += 1
    if (data === undefined) {
      report('changed', place, `entry ${place} is damaged: it cannot be read as one`)
      end = { seq: place, hash: '' }
      continue
    }
    if (data.seq !== place) report('moved', place, `at the place of entry ${place} lies what says it is entry ${data.seq}`)
    const seal = sealText(data, journal.secret, options.unsealedBefore ?? 0, place)
    if (seal !== undefined) report(seal.code, place, seal.text)
    else if (place === end.seq + 1 && end.hash !== '' && data.prev !== end.hash) {
      report(
        'replaced',
        end.seq,
        end.seq === 0
          ? 'the chain does not begin with this entry, or it is another chain'
          : `entry ${place} followed another entry ${end.seq} than the one that is there`,
      )
    }
    const mark = marks.get(place)
    if (mark !== undefined && mark.hash !== data.hash) {
      report('replaced', place, `"${mark.key}" in the ledger remembers another entry ${place}`)
    }
    end = { seq: place, hash: data.hash }
  }
  for (const [seq, mark] of [...marks].sort(([one], [other]) => one - other)) {
    if (seq > end.seq) report('cut-off', seq, `"${mark.key}" in the ledger remembers entry ${seq}, but the chain ends at ${end.seq}`)
  }
  return { ok: problems.length === 0, entries, end: entries === 0 ? undefined : end, problems }
}

function sealText(
  data: JournalData,
  secret: string | undefined,
  unsealedBefore: number,
  place: number,
): { readonly code: JournalProblemCode; readonly text: string } | undefined {
  const problem = sealProblem(data, secret)
  if (problem === 'method') {
    if (secret === undefined) return { code: 'no-key', text: `entry ${place} is sealed with a key; give the key to check it` }
    if (place >= unsealedBefore) return { code: 'not-sealed', text: `entry ${place} is sealed without the key` }
    return sealProblem(data, undefined) === undefined ? undefined : { code: 'changed', text: `entry ${place} was changed` }
  }
  return problem === undefined ? undefined : { code: 'changed', text: `entry ${place} was changed after it was written` }
}

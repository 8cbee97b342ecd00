import { type FunctionName, functionNames } from '#shared/runtime/definition.ts'
import type { Kernel } from '#shared/runtime/kernel.ts'
import type { JournalEntry } from '#shared/safety/journal-entry.ts'
import { createGlance, type Glance } from './glance.ts'
import { problemText } from './problem-text.ts'

/** Whether a chain is whole. */
export interface Verification {
  readonly state: 'intact' | 'broken' | 'unknown'
  readonly atMs: number
  readonly entries: number
  readonly text: string
}

/** Reads the journals of all functions, and checks their chains from time to time. */
export interface JournalReading {
  /** The last `limit` entries before that one, newest first; `next` is the `before` of the page after this one. */
  page(name: FunctionName, query: { readonly limit: number; readonly before?: number | undefined }): Promise<JournalPage>
  /** What checking the whole chain came to; a check is good for a while. */
  verification(name: FunctionName): Promise<Verification>
}

export interface JournalPage {
  readonly entries: readonly JournalEntry[]
  readonly next?: number
}

const owner = 'npm start, status'

/**
 * Makes the reading. Without a kernel there are no journals, and nothing is known of them. A check reads the whole chain, so it is good for
 * `keepMs`, and for longer where it takes long.
 */
export function createJournalReading(
  kernel: Kernel | undefined,
  { now, wallNow, keepMs }: { readonly now: () => number; readonly wallNow: () => number; readonly keepMs: number },
): JournalReading {
  const checks = new Map<FunctionName, Glance<Verification>>(
    functionNames.map((name) => [name, createGlance(async () => await verify(kernel, name, now()), { keepMs, wallNow })]),
  )
  return {
    page: async (name, { limit, before }) => {
      if (kernel === undefined) return { entries: [] }
      const { journal } = kernel.of(name, owner)
      const nowMs = now()
      const last = Math.min((await journal.end({ now: nowMs })).seq, (before ?? Number.POSITIVE_INFINITY) - 1)
      const first = Math.max(1, last - limit + 1)
      const places = Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => last - index)
      const entries = await Promise.all(places.map(async (seq) => await journal.show(seq, { now: nowMs })))
      return { entries: entries.filter((entry) => entry !== undefined), ...(first > 1 && places.length > 0 ? { next: first } : {}) }
    },
    verification: async (name) => (await checks.get(name)?.look()) ?? unknown('there is no such journal', now()),
  }
}

async function verify(kernel: Kernel | undefined, name: FunctionName, now: number): Promise<Verification> {
  if (kernel === undefined) return unknown('nothing is written in this mode, so there is no journal', now)
  const { journal, ledger } = kernel.of(name, owner)
  try {
    const { ok, entries, problems } = await journal.verify({ now, marks: ledger.journalMarks(now) })
    const [first] = problems
    if (ok && entries === 0) return { state: 'intact', atMs: now, entries, text: 'there is no entry yet, and nothing remembers one' }
    const text = ok
      ? 'every entry follows from the one before, and all that the ledger remembers are there'
      : `${problems.length === 1 ? '1 problem' : `${problems.length} problems`}; the first: ${first?.text ?? ''}`
    return { state: ok ? 'intact' : 'broken', atMs: now, entries, text }
  } catch (error) {
    return unknown(problemText(error), now)
  }
}

function unknown(text: string, atMs: number): Verification {
  return { state: 'unknown', atMs, entries: 0, text }
}

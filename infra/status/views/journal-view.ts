import type { FunctionName } from '#shared/runtime/definition.ts'
import { type JournalEntry, JournalError } from '#shared/safety/journal-entry.ts'
import type { JournalView } from '../api-schemas.ts'
import { problemText } from '../problem-text.ts'
import type { StatusSources } from '../status-sources.ts'

export interface JournalQuery {
  readonly function: FunctionName
  readonly limit: number
  readonly before?: number | undefined
}

/** What was done and why, newest first, and whether somebody has changed it since. */
export async function journalView({ journal }: Pick<StatusSources, 'journal'>, query: JournalQuery): Promise<JournalView> {
  const { state, atMs, entries: count, text } = await journal.verification(query.function)
  const verification = { state, at: new Date(atMs).toISOString(), entries: count, text }
  try {
    const { entries, next } = await journal.page(query.function, query)
    return { entries: entries.map(shown), ...(next === undefined ? {} : { next }), verification }
  } catch (error) {
    // A store that does not answer says nothing against the journal.
    const isCorrupt = error instanceof JournalError && error.kind === 'journal.corrupt'
    return { entries: [], verification: { ...verification, state: isCorrupt ? 'broken' : 'unknown', text: problemText(error) } }
  }
}

function shown({ seq, at, kind, target, before, after, reason, outcome, requestId, owner }: JournalEntry): JournalView['entries'][number] {
  return {
    sequence: seq,
    at: new Date(at).toISOString(),
    kind,
    target,
    text: reason.text,
    ...(before === '' ? {} : { before }),
    ...(after === '' ? {} : { after }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(owner === undefined ? {} : { by: owner }),
  }
}

import { compareTexts } from '#shared/pure/compare-texts.ts'
import type { FunctionName } from '#shared/runtime/definition.ts'
import { createDeadLetters, type DeadLetter } from '#shared/safety/dead-letters.ts'
import type { DeadLettersView } from '../api-schemas.ts'
import { problemText } from '../problem-text.ts'
import type { StatusSources } from '../status-sources.ts'

/** So many of each function are shown. */
const most = 100

/** Events that nobody tries any more. What was received is not shown: it may hold anything. */
export async function deadLettersView({ platform, facts }: Pick<StatusSources, 'platform' | 'facts'>): Promise<DeadLettersView> {
  const { store, now } = platform
  if (store === undefined) return { letters: [], problem: 'There is no store, so no events are kept.' }
  const nowMs = now()
  const letters: DeadLettersView['letters'] = []
  const problems: string[] = []
  for (const name of facts.functions) {
    try {
      const page = await createDeadLetters(store, { function: name }).list({ now: nowMs, limit: most })
      letters.push(...page.letters.map((letter) => shown(letter, name, nowMs)))
      if (page.next !== undefined) problems.push(`${name} has more of them; longshore dead-letters list shows all.`)
    } catch (error) {
      problems.push(`${name}: ${problemText(error)}`)
    }
  }
  const latest = letters.toSorted((one, other) => compareTexts(other.givenUpAt ?? '', one.givenUpAt ?? ''))
  return { letters: latest, ...(problems.length === 0 ? {} : { problem: problems.join(' ') }) }
}

function shown({ id, diedAt, entry, damage }: DeadLetter, name: FunctionName, nowMs: number): DeadLettersView['letters'][number] {
  const receivedAt = entry?.receivedAt ?? diedAt ?? nowMs
  return {
    id,
    function: name,
    source: entry?.source ?? '',
    receivedAt: new Date(receivedAt).toISOString(),
    ...(diedAt === undefined ? {} : { givenUpAt: new Date(diedAt).toISOString() }),
    tries: entry?.attempt ?? 0,
    reason: damage ?? (entry?.error === undefined ? '' : `${entry.error.code}: ${entry.error.text}`),
  }
}

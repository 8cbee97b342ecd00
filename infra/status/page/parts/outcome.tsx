import type { JSX } from 'preact'
import { words } from '../page-state.ts'
import type { OutcomeId } from '../view-shapes.ts'

/** How much an outcome asks for: a word and a colour, so that neither has to do alone. */
const tones: Readonly<Record<OutcomeId, 'good' | 'plan' | 'quiet' | 'warn' | 'bad'>> = {
  Applied: 'good',
  Planned: 'plan',
  NoChange: 'quiet',
  Skipped: 'quiet',
  Missed: 'warn',
  Held: 'warn',
  Invalid: 'bad',
  Failed: 'bad',
}

export function Outcome({ of, count }: { readonly of: OutcomeId; readonly count?: number }): JSX.Element {
  return (
    <span class={`tag ${tones[of]}`} title={words.value.outcomeMeanings[of]}>
      {words.value.outcomes[of]}
      {count === undefined ? null : <b>{count}</b>}
    </span>
  )
}

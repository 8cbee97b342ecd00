import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { announcement, formats, route, useView, words } from '../page-state.ts'
import { Empty, Loaded } from '../parts/loaded.tsx'
import { Outcome } from '../parts/outcome.tsx'
import { hashOf, queryText } from '../routes.ts'
import { type OutcomeId, outcomeIds } from '../view-shapes.ts'
import { chosenOutcomes, newerThan, withOutcome } from './decision-filter.ts'
import { DecisionList } from './decision-list.tsx'

const perPage = 50

/** What is typed is asked for when somebody pauses, and not for each letter. */
const typingMs = 300

export function Decisions(): JSX.Element {
  const { value: text } = words
  const { query } = route.value
  const outcomes = chosenOutcomes(query.outcome)
  const asked = useView(
    'decisions',
    queryText({
      function: query.function,
      target: query.target,
      outcome: outcomes.join(','),
      limit: String(perPage),
      before: query.before,
    }),
  )
  useNews(asked.data?.decisions[0]?.id, JSON.stringify(query))
  const isFiltered = Boolean(query.function) || Boolean(query.target) || outcomes.length > 0
  return (
    <>
      <Filter query={query} outcomes={outcomes} isFiltered={isFiltered} />
      <Loaded of={asked}>
        {({ decisions, next, total }) => (
          <>
            <p class="count faint">{text.matching(total, formats.value.number(total))}</p>
            {decisions.length === 0 ? (
              <Empty title={isFiltered ? text.noMatch : text.noDecisions} help={isFiltered ? text.noMatchHelp : text.noDecisionsHelp} />
            ) : (
              <div class="sheet">
                <DecisionList caption={text.views.decisions} decisions={decisions} />
              </div>
            )}
            <Pages query={query} next={next} />
          </>
        )}
      </Loaded>
    </>
  )
}

/** Goes where the filter is this; the first page of it. */
function filterBy(query: Readonly<Record<string, string | undefined>>): void {
  location.hash = hashOf('decisions', { ...query, before: undefined })
}

function Filter(props: {
  readonly query: Readonly<Record<string, string>>
  readonly outcomes: readonly OutcomeId[]
  readonly isFiltered: boolean
}): JSX.Element {
  const { value: text } = words
  const { query, outcomes } = props
  const functions = useView('functions').data?.functions ?? []
  const [typed, setTyped] = useState(query.target ?? '')
  const sent = useRef(query.target ?? '')
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  useEffect(() => {
    // Somebody went to another filter by a link or a button. What was sent from here is in the field, and perhaps more by now.
    const { target = '' } = query
    if (target === sent.current) return
    clearTimeout(timer.current)
    sent.current = target
    setTyped(target)
  }, [query.target])
  const clear = (): void => {
    clearTimeout(timer.current)
    sent.current = ''
    setTyped('')
    filterBy({})
  }
  return (
    <form class="filter" aria-label={text.filter} onSubmit={(event) => event.preventDefault()}>
      <label>
        {text.function}
        <select value={query.function ?? ''} onChange={(event) => filterBy({ ...query, function: event.currentTarget.value })}>
          <option value="">{text.anyFunction}</option>
          {functions.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        {text.targetContains}
        <input
          type="search"
          value={typed}
          placeholder={text.targetExample}
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => {
            const { value } = event.currentTarget
            setTyped(value)
            clearTimeout(timer.current)
            timer.current = setTimeout(() => {
              sent.current = value.trim()
              filterBy({ ...route.value.query, target: sent.current })
            }, typingMs)
          }}
        />
      </label>
      <fieldset class="outcomes">
        <legend>{text.onlyOutcomes}</legend>
        {outcomeIds.map((outcome) => (
          <label key={outcome}>
            <input
              type="checkbox"
              checked={outcomes.includes(outcome)}
              onChange={(event) => filterBy({ ...query, outcome: withOutcome(outcomes, outcome, event.currentTarget.checked) })}
            />
            <Outcome of={outcome} />
          </label>
        ))}
      </fieldset>
      <button type="button" class="plain small" disabled={!props.isFiltered && typed === ''} onClick={clear}>
        {text.clearFilter}
      </button>
    </form>
  )
}

function Pages({
  query,
  next,
}: {
  readonly query: Readonly<Record<string, string>>
  readonly next: number | undefined
}): JSX.Element | null {
  const { value: text } = words
  const isFirst = query.before === undefined
  if (isFirst && next === undefined) return null
  return (
    <nav class="pages" aria-label={text.pages}>
      {isFirst ? null : <a href={hashOf('decisions', { ...query, before: undefined })}>{text.newest}</a>}
      {next === undefined ? null : <a href={hashOf('decisions', { ...query, before: String(next) })}>{text.older}</a>}
    </nav>
  )
}

/** Tells a screen reader that decisions came, where the first page of the same filter has new ones; not more often than now and then. */
function useNews(newest: number | undefined, filter: string): void {
  const { value: text } = words
  const seen = useRef<{ readonly filter: string; readonly id: number; readonly toldMs: number } | undefined>(undefined)
  useEffect(() => {
    if (newest === undefined) return
    const told = newerThan(seen.current, { filter, newest, nowMs: Date.now() })
    seen.current = told.seen
    if (told.count > 0) announcement.value = text.newDecisions(told.count)
  }, [newest, filter, text])
}

import type { JSX } from 'preact'
import { formats, route, useView, words } from '../page-state.ts'
import { Empty, Loaded } from '../parts/loaded.tsx'
import { Name } from '../parts/name.tsx'
import { Outcome } from '../parts/outcome.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { When } from '../parts/when.tsx'
import { hashOf, queryText } from '../routes.ts'
import { type FunctionId, type JournalEntry, outcomeIds, type ViewShapes } from '../view-shapes.ts'
import { Change } from './decision-list.tsx'

const perPage = 50
const marks = { intact: '✓', broken: '✗', unknown: '?' } as const
const tones = { intact: 'good', broken: 'bad', unknown: 'warn' } as const

export function Journal(): JSX.Element {
  const { value: text } = words
  const functions = useView('functions')
  return (
    <Loaded of={functions}>
      {(data) => {
        const names = data.functions.map(({ name }) => name)
        const chosen = names.find((name) => name === route.value.query.function) ?? names[0]
        if (chosen === undefined) return <Empty title={text.noFunctions} help={text.noFunctionsHelp} />
        return (
          <>
            <nav class="tabs" aria-label={text.journalOf}>
              <ul>
                {names.map((name) => (
                  <li key={name}>
                    <a href={hashOf('journal', { function: name })} {...(name === chosen ? { 'aria-current': 'true' as const } : {})}>
                      {name}
                    </a>
                  </li>
                ))}
              </ul>
            </nav>
            <Chain of={chosen} before={route.value.query.before} />
          </>
        )
      }}
    </Loaded>
  )
}

function Chain({ of, before }: { readonly of: FunctionId; readonly before: string | undefined }): JSX.Element {
  const { value: text } = words
  const asked = useView('journal', queryText({ function: of, limit: String(perPage), before }))
  return (
    <Loaded of={asked}>
      {({ entries, next, verification }) => (
        <>
          <Verification of={verification} />
          {entries.length === 0 ? (
            <Empty title={text.noJournal} help={text.noJournalHelp} />
          ) : (
            <div class="sheet">
              <Entries entries={entries} />
            </div>
          )}
          {before === undefined && next === undefined ? null : (
            <nav class="pages" aria-label={text.pages}>
              {before === undefined ? null : <a href={hashOf('journal', { function: of })}>{text.newest}</a>}
              {next === undefined ? null : <a href={hashOf('journal', { function: of, before: String(next) })}>{text.older}</a>}
            </nav>
          )}
        </>
      )}
    </Loaded>
  )
}

function Verification({ of }: { readonly of: ViewShapes['journal']['verification'] }): JSX.Element {
  const { value: text } = words
  return (
    <div class={`verification ${tones[of.state]}`}>
      <span class="mark" aria-hidden="true">
        {marks[of.state]}
      </span>
      <p>
        <strong>{text.verifications[of.state]}</strong>
        <span class="note">
          {text.checkedEntries(of.entries, formats.value.number(of.entries))} · <When at={of.at} relative />
          {of.text === '' ? null : <> · {of.text}</>}
        </span>
      </p>
    </div>
  )
}

function Entries({ entries }: { readonly entries: readonly JournalEntry[] }): JSX.Element {
  const { value: text } = words
  const columns: Column<JournalEntry>[] = [
    { key: 'sequence', head: '#', kind: 'number', cell: ({ sequence }) => sequence },
    { key: 'at', head: text.time, kind: 'moment', cell: ({ at }) => <When at={at} /> },
    {
      key: 'kind',
      head: text.kind,
      cell: ({ kind, outcome }) => (
        <>
          {kind}
          {outcome === undefined ? null : <JournalOutcome of={outcome} />}
        </>
      ),
    },
    { key: 'target', head: text.target, kind: 'name', cell: ({ target }) => <Name of={target} /> },
    { key: 'change', head: text.change, cell: ({ before, after }) => <Change before={before ?? ''} after={after ?? ''} /> },
    {
      key: 'text',
      head: text.details,
      kind: 'prose',
      cell: (entry) => (
        <>
          {entry.text}
          {entry.by === undefined && entry.requestId === undefined ? null : (
            <span class="note">
              {entry.by === undefined ? null : `${text.by} ${entry.by} `}
              {entry.requestId === undefined ? null : (
                <span class="request">
                  {text.request} <code>{entry.requestId}</code>
                </span>
              )}
            </span>
          )}
        </>
      ),
    },
  ]
  return <Table caption={text.views.journal} columns={columns} rows={entries} rowKey={({ sequence }) => sequence} />
}

/** An outcome that is known by its word, any other as it was written down. */
function JournalOutcome({ of }: { readonly of: string }): JSX.Element {
  const known = outcomeIds.find((one) => one === of)
  return <span class="line">{known === undefined ? <span class="tag quiet">{of}</span> : <Outcome of={known} />}</span>
}

import type { JSX } from 'preact'
import { formats, usePlatformNow, words } from '../page-state.ts'
import { Name } from '../parts/name.tsx'
import { Outcome } from '../parts/outcome.tsx'
import { Prose } from '../parts/prose.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { When } from '../parts/when.tsx'
import type { DecisionLine } from '../view-shapes.ts'

/** Decisions as lines: when, by whom, what it came to, for what, from what to what, and why. */
export function DecisionList(props: {
  readonly caption: string
  readonly decisions: readonly DecisionLine[]
  /** Without what only a search is for: codes and requests. */
  readonly isShort?: boolean
}): JSX.Element {
  const { value: text } = words
  const { value: format } = formats
  const now = usePlatformNow()
  const columns: Column<DecisionLine>[] = [
    {
      key: 'at',
      head: text.time,
      kind: 'moment',
      cell: ({ at, times, since }) => (
        <>
          <When at={at} />
          {times === 1 ? null : <span class="note">{text.times(format.number(times), format.instant(since, now))}</span>}
        </>
      ),
    },
    { key: 'outcome', head: text.outcome, cell: ({ outcome }) => <Outcome of={outcome} /> },
    {
      key: 'target',
      head: text.target,
      kind: 'name',
      cell: ({ target, function: name }) => (
        <>
          <Name of={target} />
          <span class="note">
            <code>{name}</code>
          </span>
        </>
      ),
    },
    { key: 'change', head: text.change, cell: ({ before, after }) => <Change before={before} after={after} /> },
    {
      key: 'reason',
      head: text.reason,
      kind: 'prose',
      cell: ({ reason, requestId }) => (
        <>
          <Prose text={reason.text} />
          {props.isShort === true ? null : (
            <span class="note">
              <code>{reason.code}</code>{' '}
              {requestId === undefined ? null : (
                <span class="request">
                  {text.request} <code>{requestId}</code>
                </span>
              )}
            </span>
          )}
        </>
      ),
    },
  ]
  return <Table caption={props.caption} columns={columns} rows={props.decisions} rowKey={({ id }) => id} />
}

/** From what to what; what was and stays is said once. */
export function Change({ before, after }: { readonly before: string; readonly after: string }): JSX.Element | null {
  const { value: text } = words
  if (before === '' && after === '') return null
  if (before === after || after === '') return <Name of={before} />
  return (
    <span class="change">
      <span class="faint">{before === '' ? text.nothing : <Name of={before} />}</span>{' '}
      <span>
        <span aria-hidden="true">→</span> <Name of={after} />
      </span>
    </span>
  )
}

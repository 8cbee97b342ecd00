import type { JSX } from 'preact'
import { useView, words } from '../page-state.ts'
import { Empty, Loaded } from '../parts/loaded.tsx'
import { Name } from '../parts/name.tsx'
import { Prose } from '../parts/prose.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { When } from '../parts/when.tsx'
import type { ApprovalLine } from '../view-shapes.ts'

const tones = { waiting: 'warn', agreed: 'good', refused: 'bad', expired: 'quiet' } as const

export function Approvals(): JSX.Element {
  const { value: text } = words
  const columns: Column<ApprovalLine>[] = [
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
    { key: 'state', head: text.state, cell: ({ state }) => <span class={`tag ${tones[state]}`}>{text.approvalStates[state]}</span> },
    { key: 'text', head: text.waitsFor, kind: 'prose', cell: (approval) => <Prose text={approval.text} /> },
    {
      key: 'since',
      head: text.since,
      kind: 'moment',
      cell: ({ since, until }) => (
        <>
          {since === undefined ? <span class="faint">{text.unknown}</span> : <When at={since} relative />}
          {until === undefined ? null : (
            <span class="note">
              {text.until} <When at={until} relative />
            </span>
          )}
        </>
      ),
    },
  ]
  return (
    <Loaded of={useView('approvals')}>
      {({ approvals, problem }) =>
        approvals.length === 0 ? (
          problem === undefined ? (
            <Empty title={text.noApprovals} help={text.noApprovalsHelp} />
          ) : null
        ) : (
          <div class="sheet">
            <Table caption={text.views.approvals} columns={columns} rows={approvals} rowKey={({ id }) => id} />
          </div>
        )
      }
    </Loaded>
  )
}

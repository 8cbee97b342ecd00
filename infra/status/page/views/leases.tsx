import type { JSX } from 'preact'
import { useView, words } from '../page-state.ts'
import { Empty, Loaded } from '../parts/loaded.tsx'
import { Name } from '../parts/name.tsx'
import { asking } from '../parts/order-dialog.tsx'
import { Prose } from '../parts/prose.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { When } from '../parts/when.tsx'
import type { LeaseLine } from '../view-shapes.ts'

/** The state of a lease that is over: its nodes are gone, or were kept. */
const closed = 'closed'

export function Leases(): JSX.Element {
  const { value: text } = words
  const isWritable = useView('platform').data?.writable === true
  const columns: Column<LeaseLine>[] = [
    {
      key: 'alarm',
      head: text.alarm,
      kind: 'name',
      cell: ({ alarm, id }) => (
        <>
          <Name of={alarm} />
          <span class="note">
            {text.lease} <code>{id}</code>
          </span>
        </>
      ),
    },
    {
      key: 'pool',
      head: text.pool,
      cell: ({ pool, cluster }) => (
        <>
          <span class="whole">{pool}</span>
          <span class="note whole">{cluster}</span>
        </>
      ),
    },
    { key: 'state', head: text.state, cell: ({ state }) => <span class={`tag ${toneOf(state)}`}>{state}</span> },
    {
      key: 'nodes',
      head: text.nodes,
      cell: ({ nodes, asked, state }) => (
        <>
          {nodes.length === 0 ? (
            <span class="faint">{state === closed ? '–' : text.nothingYet}</span>
          ) : (
            nodes.map((node) => (
              <span key={node} class="line">
                {node}
              </span>
            ))
          )}
          {nodes.length === asked || state === closed ? null : <span class="note">{text.nodesAsked(asked)}</span>}
        </>
      ),
    },
    {
      key: 'since',
      head: text.since,
      kind: 'moment',
      cell: ({ since, until, state }) => (
        <>
          <When at={since} relative />
          {state === closed ? null : (
            <span class="note">
              {text.until} {until === undefined ? text.unknown : <When at={until} relative />}
            </span>
          )}
        </>
      ),
    },
    { key: 'text', head: text.details, kind: 'prose', cell: (lease) => <Prose text={lease.text} /> },
    ...(isWritable
      ? [
          {
            key: 'orders',
            head: text.actions,
            kind: 'order' as const,
            cell: (lease: LeaseLine) => (lease.state === closed ? null : <Release lease={lease} />),
          },
        ]
      : []),
  ]
  return (
    <Loaded of={useView('leases')}>
      {({ leases, problem }) =>
        leases.length === 0 ? (
          problem === undefined ? (
            <Empty title={text.noLeases} help={text.noLeasesHelp} />
          ) : null
        ) : (
          <div class="sheet">
            <Table caption={text.views.leases} columns={columns} rows={leases} rowKey={({ id }) => id} />
          </div>
        )
      }
    </Loaded>
  )
}

function toneOf(state: string): string {
  if (state === 'held') return 'good'
  if (state === closed) return 'quiet'
  return state === 'recovering' ? 'warn' : 'plan'
}

function Release({ lease }: { readonly lease: LeaseLine }): JSX.Element {
  const { value: text } = words
  return (
    <button
      type="button"
      class="plain small danger"
      onClick={() => {
        asking.value = {
          order: { path: '/api/leases/release', body: { id: lease.id } },
          title: text.releaseTitle,
          help: text.releaseHelp,
          doIt: text.releaseDo,
          target: `${lease.cluster}/${lease.pool} · ${lease.alarm}`,
          isDangerous: true,
        }
      }}
    >
      {text.release}
    </button>
  )
}

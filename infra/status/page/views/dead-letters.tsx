import type { JSX } from 'preact'
import { formats, useView, words } from '../page-state.ts'
import { Empty, Loaded } from '../parts/loaded.tsx'
import { asking } from '../parts/order-dialog.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { When } from '../parts/when.tsx'
import type { DeadLetter } from '../view-shapes.ts'

export function DeadLetters(): JSX.Element {
  const { value: text } = words
  const isWritable = useView('platform').data?.writable === true
  const columns: Column<DeadLetter>[] = [
    {
      key: 'event',
      head: text.event,
      kind: 'name',
      cell: ({ id, function: name }) => (
        <>
          <code class="breaks">{id}</code>
          <span class="note">
            <code>{name}</code>
          </span>
        </>
      ),
    },
    { key: 'source', head: text.source, cell: ({ source }) => source },
    { key: 'received', head: text.received, kind: 'moment', cell: ({ receivedAt }) => <When at={receivedAt} /> },
    {
      key: 'givenUp',
      head: text.givenUp,
      kind: 'moment',
      cell: ({ givenUpAt, tries }) => (
        <>
          {givenUpAt === undefined ? <span class="faint">{text.unknown}</span> : <When at={givenUpAt} relative />}
          <span class="note">
            {text.tries} {formats.value.number(tries)}
          </span>
        </>
      ),
    },
    { key: 'reason', head: text.whyFailed, kind: 'prose', cell: ({ reason }) => reason },
    ...(isWritable
      ? [{ key: 'orders', head: text.actions, kind: 'order' as const, cell: (letter: DeadLetter) => <LetterOrders letter={letter} /> }]
      : []),
  ]
  return (
    <Loaded of={useView('dead-letters')}>
      {({ letters, problem }) =>
        letters.length === 0 ? (
          problem === undefined ? (
            <Empty title={text.noDeadLetters} help={text.noDeadLettersHelp} />
          ) : null
        ) : (
          <div class="sheet">
            <Table caption={text.views['dead-letters']} columns={columns} rows={letters} rowKey={({ id }) => id} />
          </div>
        )
      }
    </Loaded>
  )
}

function LetterOrders({ letter }: { readonly letter: DeadLetter }): JSX.Element {
  const { value: text } = words
  const path = '/api/dead-letters/order'
  const target = `${letter.function} · ${letter.id}`
  return (
    <span class="orders">
      <button
        type="button"
        class="plain small"
        onClick={() => {
          asking.value = {
            order: { path, body: { id: letter.id, do: 'retry' } },
            title: text.retryTitle,
            help: text.retryHelp,
            doIt: text.retryDo,
            target,
          }
        }}
      >
        {text.retry}
      </button>
      <button
        type="button"
        class="plain small danger"
        onClick={() => {
          asking.value = {
            order: { path, body: { id: letter.id, do: 'discard' } },
            title: text.discardTitle,
            help: text.discardHelp,
            doIt: text.discardDo,
            target,
            isDangerous: true,
          }
        }}
      >
        {text.discard}
      </button>
    </span>
  )
}

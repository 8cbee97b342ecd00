import type { JSX } from 'preact'
import { formats, usePlatformNow, useView, words } from '../page-state.ts'
import { Facts } from '../parts/facts.tsx'
import { Empty, Loaded } from '../parts/loaded.tsx'
import { Prose } from '../parts/prose.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { hashOf } from '../routes.ts'
import type { ViewShapes } from '../view-shapes.ts'

type Repository = ViewShapes['registry']['repositories'][number]

export function Registry(): JSX.Element {
  return <Loaded of={useView('registry')}>{(data) => <Shown registry={data} />}</Loaded>
}

function Shown({ registry }: { readonly registry: ViewShapes['registry'] }): JSX.Element {
  const { value: text } = words
  const { value: format } = formats
  const now = usePlatformNow()
  if (registry.at === undefined && registry.repositories.length === 0) return <Empty title={text.noRegistry} help={text.noRegistryHelp} />
  const largest = Math.max(1, ...registry.repositories.map(({ keptBytes, freedBytes }) => keptBytes + freedBytes))
  const quarantined = registry.repositories.reduce((sum, one) => sum + one.quarantinedTags, 0)
  const tags = (count: number): string => text.tags(count, format.number(count))
  const columns: Column<Repository>[] = [
    {
      key: 'repository',
      head: text.repository,
      kind: 'name',
      cell: ({ repository }) => (
        <a class="breaks" href={hashOf('decisions', { function: 'image-cleaner', target: repository })}>
          {repository}
        </a>
      ),
    },
    { key: 'bar', head: text.space, kind: 'prose', cell: (one) => <Bar of={one} largest={largest} /> },
    {
      key: 'kept',
      head: text.kept,
      kind: 'number',
      cell: ({ keptBytes, keptTags }) => <Amount main={format.bytes(keptBytes)} note={tags(keptTags)} />,
    },
    {
      key: 'freed',
      head: text.freed,
      kind: 'number',
      cell: ({ freedBytes, freedTags }) =>
        freedTags === 0 ? <span class="faint">–</span> : <Amount main={format.bytes(freedBytes)} note={tags(freedTags)} />,
    },
    {
      key: 'quarantine',
      head: text.quarantined,
      kind: 'number',
      cell: ({ quarantinedTags }) => (quarantinedTags === 0 ? <span class="faint">–</span> : tags(quarantinedTags)),
    },
  ]
  return (
    <>
      <Facts
        facts={[
          { key: 'kept', name: text.kept, value: format.bytes(registry.keptBytes), note: tags(registry.keptTags) },
          {
            key: 'freed',
            name: text.freed,
            value: format.bytes(registry.freedBytes),
            note: `${tags(registry.freedTags)} · ${text.sinceStart}`,
          },
          { key: 'quarantined', name: text.quarantined, value: tags(quarantined), note: <Prose text={text.canBeRestored} /> },
        ]}
      />
      {registry.repositories.length === 0 ? (
        <Empty title={text.noRepositories} help={text.noRepositoriesHelp} />
      ) : (
        <div class="sheet">
          <Table
            caption={text.views.registry}
            columns={columns}
            rows={[...registry.repositories].sort((a, b) => b.keptBytes + b.freedBytes - (a.keptBytes + a.freedBytes))}
            rowKey={({ repository }) => repository}
          />
        </div>
      )}
      <ul class="keys" aria-hidden="true">
        <li class="key kept">{text.kept}</li>
        <li class="key freed">{text.freed}</li>
      </ul>
      {registry.at === undefined ? null : <p class="faint">{text.lookedAt(format.relative(registry.at, now))}</p>}
    </>
  )
}

function Amount({ main, note }: { readonly main: string; readonly note: string }): JSX.Element {
  return (
    <>
      {main}
      <span class="note">{note}</span>
    </>
  )
}

/** Kept and given back against the largest repository; the figures are in the columns beside it. */
function Bar({ of, largest }: { readonly of: Repository; readonly largest: number }): JSX.Element {
  const width = (bytes: number): string => `${(bytes / largest) * 100}%`
  return (
    <span class="bar" aria-hidden="true">
      <span class="kept" style={{ inlineSize: width(of.keptBytes) }} />
      <span class="freed" style={{ inlineSize: width(of.freedBytes) }} />
    </span>
  )
}

import type { JSX } from 'preact'
import type { PlatformView } from '../../api-schemas.ts'
import { formats, usePlatformNow, useView, words } from '../page-state.ts'
import { Facts } from '../parts/facts.tsx'
import { Empty, Loaded } from '../parts/loaded.tsx'
import { asking } from '../parts/order-dialog.tsx'
import { Outcome } from '../parts/outcome.tsx'
import { Prose } from '../parts/prose.tsx'
import { type Column, Table } from '../parts/table.tsx'
import { When } from '../parts/when.tsx'
import { hashOf, queryText } from '../routes.ts'
import { type FunctionLine, outcomeIds } from '../view-shapes.ts'
import { DecisionList } from './decision-list.tsx'

const changesShown = 8

export function Overview(): JSX.Element {
  const { value: text } = words
  const platform = useView('platform')
  const functions = useView('functions')
  const changes = useView('decisions', queryText({ outcome: 'Applied', limit: String(changesShown) }))
  const troubles = useView('decisions', queryText({ outcome: 'Failed,Invalid,Missed', limit: '4' }))
  return (
    <>
      <Loaded of={platform}>{(data) => <Surroundings platform={data} />}</Loaded>
      <section aria-labelledby="functions">
        <h2 id="functions">{text.functions}</h2>
        <Loaded of={functions}>
          {(data) =>
            data.functions.length === 0 ? (
              <Empty title={text.noFunctions} help={text.noFunctionsHelp} />
            ) : (
              <div class="sheet">
                <FunctionTable functions={data.functions} />
              </div>
            )
          }
        </Loaded>
      </section>
      {troubles.data === undefined || troubles.data.decisions.length === 0 ? null : (
        <section aria-labelledby="attention">
          <h2 id="attention">{text.needsAttention}</h2>
          <div class="sheet">
            <DecisionList caption={text.needsAttention} decisions={troubles.data.decisions} isShort />
          </div>
        </section>
      )}
      <section aria-labelledby="latest">
        <h2 id="latest">{text.latestChanges}</h2>
        <Loaded of={changes}>
          {(data) =>
            data.decisions.length === 0 ? (
              <Empty title={text.nothingChanged} help={text.nothingChangedHelp} />
            ) : (
              <>
                <div class="sheet">
                  <DecisionList caption={text.latestChanges} decisions={data.decisions} isShort />
                </div>
                <p class="after">
                  <a href={hashOf('decisions', { outcome: 'Applied' })}>{text.allChanges}</a>
                </p>
              </>
            )
          }
        </Loaded>
      </section>
    </>
  )
}

function Surroundings({ platform }: { readonly platform: PlatformView }): JSX.Element {
  const { value: text } = words
  return (
    <Facts
      facts={[
        { key: 'mode', name: text.mode, value: text.modes[platform.mode], note: text.modeMeanings[platform.mode] },
        {
          key: 'kill',
          name: text.killSwitch,
          value: <KillState of={platform.killSwitch} />,
          note: <KillNote platform={platform} />,
        },
        {
          key: 'platform',
          name: text.platform,
          value: platform.region,
          note: <span class="breaks">{platform.endpoint}</span>,
        },
        {
          key: 'clusters',
          name: text.clusters,
          value: formats.value.number(platform.clusters.length),
          note: platform.clusters.map(({ id, name }) => name || id).join(', '),
        },
        {
          key: 'version',
          name: text.version,
          value: platform.version,
          note: platform.writable ? undefined : <span title={text.readOnlyHelp}>{text.readOnly}</span>,
        },
      ]}
    />
  )
}

function KillState({ of }: { readonly of: PlatformView['killSwitch'] }): JSX.Element {
  const { value: text } = words
  if (of === undefined) return <>{text.none}</>
  if (of.state === 'run') return <span class="tone good">{text.killRuns}</span>
  return <span class="tone bad">{of.state === 'stop' ? text.killStopped : text.killUnreadable}</span>
}

function KillNote({ platform }: { readonly platform: PlatformView }): JSX.Element | null {
  const { value: text } = words
  const { killSwitch } = platform
  const now = usePlatformNow()
  if (killSwitch === undefined) return <Prose text={text.killAbsent} />
  const isStopped = killSwitch.state !== 'run'
  return (
    <>
      {killSwitch.by === undefined ? null : (
        <span>
          {text.killBy(killSwitch.by, killSwitch.since === undefined ? text.unknown : formats.value.relative(killSwitch.since, now))}
        </span>
      )}
      {killSwitch.reason === undefined ? null : <span class="breaks"> — {killSwitch.reason}</span>}
      {platform.writable ? (
        <button
          type="button"
          class={isStopped ? 'plain small' : 'plain small danger'}
          onClick={() => {
            asking.value = isStopped
              ? { order: { path: '/api/switch', body: { state: 'run' } }, title: text.runTitle, help: text.runHelp, doIt: text.runDo }
              : {
                  order: { path: '/api/switch', body: { state: 'stop' } },
                  title: text.stopTitle,
                  help: text.stopHelp,
                  doIt: text.stopDo,
                  isDangerous: true,
                }
          }}
        >
          {isStopped ? text.letRun : text.stopAll}
        </button>
      ) : null}
    </>
  )
}

function FunctionTable({ functions }: { readonly functions: readonly FunctionLine[] }): JSX.Element {
  const { value: text } = words
  const { value: format } = formats
  const columns: Column<FunctionLine>[] = [
    {
      key: 'name',
      head: text.function,
      kind: 'name',
      cell: ({ name, summary }) => (
        <>
          <a href={hashOf('decisions', { function: name })} title={text.allDecisionsOf(name)}>
            <code>{name}</code>
          </a>
          <span class="note">{summary}</span>
        </>
      ),
    },
    {
      key: 'state',
      head: text.state,
      cell: ({ ok, problem }) => (
        <>
          <span class={`tag ${ok ? 'good' : 'bad'}`}>{ok ? text.ok : text.notOk}</span>
          {problem === undefined ? null : <span class="note bad">{problem}</span>}
        </>
      ),
    },
    {
      key: 'last',
      head: text.lastRun,
      kind: 'moment',
      cell: ({ lastRun, runs }) => (
        <>
          {lastRun === undefined ? <span class="faint">{text.nothingYet}</span> : <When at={lastRun} relative />}
          <span class="note whole">{text.runs(runs, format.number(runs))}</span>
        </>
      ),
    },
    {
      key: 'next',
      head: text.nextRun,
      kind: 'moment',
      cell: ({ nextRun }) => (nextRun === undefined ? <span class="faint">{text.unknown}</span> : <When at={nextRun} relative />),
    },
    {
      key: 'counts',
      head: text.lastOutcome,
      cell: ({ name, counts }) => <Counts of={counts} name={name} />,
    },
    { key: 'applied', head: text.changes, kind: 'number', cell: ({ applied }) => format.number(applied) },
    {
      key: 'events',
      head: text.events,
      cell: ({ events }) =>
        events === undefined ? (
          <span class="faint">–</span>
        ) : (
          <>
            <span class="whole">{text.eventsWaiting(events.waiting)}</span>{' '}
            {events.deadLetters === 0 ? null : (
              <a class="tag bad" href={hashOf('dead-letters')}>
                {text.eventsDead(events.deadLetters)}
              </a>
            )}
          </>
        ),
    },
  ]
  return <Table caption={text.functions} columns={columns} rows={functions} rowKey={({ name }) => name} />
}

function Counts({ of, name }: { readonly of: FunctionLine['counts']; readonly name: string }): JSX.Element {
  const { value: text } = words
  const some = outcomeIds.flatMap((outcome) => {
    const count = of?.[outcome] ?? 0
    return count === 0 ? [] : [{ outcome, count }]
  })
  if (some.length === 0) return <span class="faint">{of === undefined ? text.nothingYet : text.none}</span>
  return (
    <span class="tags">
      {some.map(({ outcome, count }) => (
        <a key={outcome} href={hashOf('decisions', { function: name, outcome })}>
          <Outcome of={outcome} count={count} />
        </a>
      ))}
    </span>
  )
}

import { describe, expect, it } from 'vitest'
import { keepAlarm, recallAlarms } from '#functions/alarm-scaler/alarm-history.ts'
import type { Alert } from '#functions/alarm-scaler/alert.ts'
import { fold } from '#functions/alarm-scaler/episode.ts'
import { foldAlerts, type HeardAlert } from '#functions/alarm-scaler/episode-memory.ts'
import type { Lease } from '#functions/alarm-scaler/lease.ts'
import { lastLook, pendingPools } from '#functions/alarm-scaler/look-memory.ts'
import { nextLook } from '#functions/alarm-scaler/next-look.ts'
import type { Seen } from '#functions/alarm-scaler/observe.ts'
import { remember, rememberSteps } from '#functions/alarm-scaler/remember.ts'
import { poolsWorthALook } from '#functions/alarm-scaler/worth-a-look.ts'
import type { Decision } from '#shared/pure/step.ts'
import { createMemory, type MemoryWriter } from '#shared/runtime/memory.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { config, episode, noon, policyDoc, view } from './small-pool.ts'

const second = 1000
const minute = 60 * second
const day = 86_400_000

function memoryAt(now: number, disk = new MemoryDisk()): MemoryWriter {
  return createMemory(openMemoryStore(disk), { function: 'alarm-scaler', now: () => now })
}

const alert = (more: Partial<Alert> = {}): Alert =>
  ({
    source: 'am',
    kind: 'alertmanager',
    key: 'series-1',
    name: 'HighCpu',
    labels: {},
    state: 'firing',
    startedAtMs: noon,
    value: 85,
    threshold: 80,
    ...more,
  }) as Alert

async function hear(memory: MemoryWriter, ...values: readonly (number | 'over' | undefined)[]): Promise<HeardAlert> {
  let heard: readonly HeardAlert[] = []
  for (const value of values) {
    const said = value === 'over' ? alert({ state: 'resolved', endedAtMs: noon + 1 } as Partial<Alert>) : alert({ value } as Partial<Alert>)
    heard = await foldAlerts(memory, [said], noon)
  }
  const [last] = heard
  if (last === undefined) throw new Error('nothing was heard')
  return last
}

const lease = (more: Partial<Lease>): Lease =>
  ({
    id: 'ls-0000000000000001',
    ordinal: 1,
    key: 'k',
    policy: 'busy',
    episode: { id: 'e', source: 'am', key: 'series-1', name: 'HighCpu', startedAtMs: noon },
    step: 0,
    level: 1,
    wanted: 1,
    mechanism: { name: 'asg-1', kind: 'scaling-group', group: 'asg-1' },
    before: { instanceIds: [] },
    nodes: [],
    askedAtMs: noon,
    provisionUntilMs: noon + 15 * minute,
    expiresAtMs: noon + 120 * minute,
    state: 'held',
    ...more,
  }) as Lease

const withLease = (more: Partial<Lease>) =>
  view({
    record: {
      resourceVersion: '1',
      value: { version: 1, cluster: 'cls-1', pool: 'workers', ordinal: 1, bases: [], leases: [lease(more)] },
    },
  })

describe('which alarms are worth a look', () => {
  it('one that begins is, and what says the same again, or a little more within a step, is not', async () => {
    const looksAfter = async (...values: readonly (number | 'over' | undefined)[]) =>
      poolsWorthALook([await hear(memoryAt(noon), ...values)], config())
    expect(await looksAfter(85)).toEqual(['workers'])
    expect(await looksAfter(85, 85)).toEqual([])
    expect(await looksAfter(85, 86, 89.9)).toEqual([])
    expect(await looksAfter(85, 90)).toEqual(['workers'])
    expect(await looksAfter(85, 90, 99)).toEqual([])
    expect(await looksAfter(85, 90, 100)).toEqual(['workers'])
    // It was as bad before: that step has had its look.
    expect(await looksAfter(100, 85, 95)).toEqual([])
    expect(await looksAfter(85, 'over')).toEqual([])
    expect(await looksAfter(70, 79)).toEqual([])
    expect(await looksAfter(70, 81)).toEqual(['workers'])
    // Without a figure it is at the first step, which one with a figure below it is not.
    expect(await looksAfter(undefined)).toEqual(['workers'])
    expect(await looksAfter(undefined, 85)).toEqual([])
  })

  it('none that no policy is for, and a policy that goes by a reading of its own waits for the tick', async () => {
    const heard = await hear(memoryAt(noon), 85, 100)
    expect(poolsWorthALook([heard], config({ policies: [policyDoc({ match: { alert: 'Other' } })] }))).toEqual([])
    const prometheus = { name: 'load', url: 'http://p.example', query: 'load', above: 5 }
    const own = policyDoc({ confirm: [{ prometheus }], breach: { of: 'load' } })
    expect(poolsWorthALook([heard], config({ policies: [own] }))).toEqual([])
  })
})

describe('when it is looked again', () => {
  const at = (more: Partial<Lease>, state: 'firing' | 'resolved' = 'firing') =>
    nextLook({ pools: [withLease(more)], episodes: [episode({ state, key: 'series-1' })] }, noon)

  it('soon where nodes come or go, at the end of what is leased, and never for what has ended', () => {
    expect(at({ state: 'provisioning' })).toBe(noon + 15 * second)
    expect(at({ state: 'asking', provisionUntilMs: noon + 3 * second })).toBe(noon + 3 * second)
    expect(at({ state: 'provisioning', provisionUntilMs: noon - 1 })).toBe(noon + 15 * second)
    expect(at({ state: 'recovering' })).toBe(noon + 10 * second)
    expect(at({ state: 'held', expiresAtMs: noon + 40 * second })).toBe(noon + 40 * second)
    expect(at({ state: 'held', expiresAtMs: noon })).toBeUndefined()
    expect(at({ state: 'held' }, 'resolved')).toBe(noon + 15 * second)
    expect(at({ state: 'closed' })).toBeUndefined()
    expect(nextLook({ pools: [view({})], episodes: [] }, noon)).toBeUndefined()
  })
})

describe('what is remembered of a look', () => {
  const seen = (more: Partial<Seen> = {}): Seen => ({ episodes: [], pools: [view({})], approvals: [], due: [], ...more })
  const kept = async (
    observed: Seen,
    steps: Parameters<typeof remember>[0]['steps'] = [],
    outcomes: readonly Decision['outcome'][] = [],
  ) => {
    const memory = memoryAt(noon)
    await pendingPools.keep(memory, 'workers', noon - 1, noon - minute)
    const decisions = steps.map((step, index) => ({ ...step, function: 'alarm-scaler', outcome: outcomes[index] ?? 'Applied' }) as Decision)
    const { settings } = config()
    await remember(
      { observed, steps, decisions, config: { mode: 'enforce', region: 'ap-guangzhou', clusters: [], settings }, now: noon },
      memory,
    )
    return { pending: await pendingPools.recall(memory), look: await lastLook.recall(memory) }
  }
  const step = {
    key: 'k',
    target: 'cls-1/workers',
    before: '',
    after: '',
    reason: { code: 'release', text: '' },
    verdict: 'change',
    change: { kind: 'release', cluster: 'cls-1', region: '', pool: 'workers', leaseId: 'ls-0000000000000001', keep: false, by: 'x' },
  } as const

  it('a pool with an open lease, or where something was done, is looked at by the next tick; a quiet one is struck off', async () => {
    expect(await kept(seen())).toMatchObject({ pending: new Map() })
    expect((await kept(seen({ pools: [withLease({ state: 'held' })] }))).pending.get('workers')).toBe(noon + second)
    expect((await kept(seen({ pools: [withLease({ state: 'closed' })] }))).pending.size).toBe(0)
    expect((await kept(seen(), [step])).pending.get('workers')).toBe(noon + second)
    expect((await kept(seen(), [step], ['Failed'])).pending.get('workers')).toBe(noon + second)
    expect((await kept(seen(), [step], ['Planned'])).pending.size).toBe(0)
    const unread = view({ problem: { code: 'cluster-unreadable', text: 'it did not answer' } })
    expect((await kept(seen({ pools: [unread] }))).pending.get('workers')).toBe(noon + 30 * second)
  })

  it('a look at everything is remembered, and asked for again after something that somebody did himself', async () => {
    const memory = memoryAt(noon)
    const look = await lastLook.recall(memory)
    const { settings } = config()
    const around = { config: { mode: 'enforce', region: '', clusters: [], settings } as const, now: noon }
    await remember(
      { observed: seen({ look: { ...look, state: { format: 1, fullMs: noon } } }), steps: [], decisions: [], ...around },
      memory,
    )
    expect((await lastLook.recall(memory)).state.fullMs).toBe(noon)
    const decision = { ...step, function: 'alarm-scaler', outcome: 'Held' } as Decision
    await rememberSteps({ steps: [step], decisions: [decision], ...around }, memory)
    expect((await lastLook.recall(memory)).state.fullMs).toBe(noon)
    await rememberSteps({ steps: [step], decisions: [{ ...decision, outcome: 'Applied' }], ...around }, memory)
    expect((await lastLook.recall(memory)).state.fullMs).toBeUndefined()
  })
})

describe('what was heard', () => {
  it('is kept once for each thing that it says, and is found by its time', async () => {
    const disk = new MemoryDisk()
    const memory = memoryAt(noon, disk)
    const known = fold(undefined, alert(), noon).episode
    const id = known?.id ?? ''
    await keepAlarm(memory, { atMs: noon, alert: alert() }, id, 'opened')
    await keepAlarm(memory, { atMs: noon, alert: alert() }, id, 'opened')
    await keepAlarm(memory, { atMs: noon + minute, alert: alert() }, id, 'repeated')
    await keepAlarm(memory, { atMs: noon + day, alert: alert({ value: 95 } as Partial<Alert>) }, id, 'raised')
    const all = await recallAlarms(memory, { fromMs: noon - day, untilMs: noon + 2 * day })
    expect(all.map(({ atMs, alert: { value } }) => [atMs - noon, value])).toEqual([
      [0, 85],
      [day, 95],
    ])
    expect(await recallAlarms(memory, { fromMs: noon + 1, untilMs: noon + day })).toEqual([])
    expect(await recallAlarms(memoryAt(noon + 93 * day, disk), { fromMs: noon - day, untilMs: noon + day })).toEqual([])
  })
})

import { describe, expect, it } from 'vitest'
import { openIntents, type SettleOpenPorts, settleOpen } from '#shared/safety/settle-open.ts'
import { openMemoryStore } from '#shared/safety/store-memory.ts'
import { countNodes, graceMs, historyProblems, type NodeChange, processIn, runIn, stepOf, World } from './carry-out-stage.ts'
import { unsteadyStore } from './unsteady-store.ts'

const givenUpMs = 90_000 + graceMs + 1

function portsIn(world: World, more: Partial<SettleOpenPorts<NodeChange>> = {}): SettleOpenPorts<NodeChange> {
  return {
    ...processIn(world, { owner: 'sweeper' }),
    settle: countNodes,
    readStep: (step) => {
      const { key } = step as { key: string }
      return stepOf(key)
    },
    ...more,
  }
}

/** Carries a step out with a store that fails from one of its calls on. */
async function breakAt(world: World, call: number, key = 'web-1'): Promise<void> {
  const store = unsteadyStore(openMemoryStore(world.disk), (index) => (index < call ? 'pass' : 'refuse'))
  await runIn(world, { owner: `broken-${key}`, store }, stepOf(key))
}

describe('steps that no plan names again', () => {
  it('are settled by what the target shows, and not done', async () => {
    const world = new World()
    await breakAt(world, 6, 'there')
    world.fates = ['lose-before']
    await runIn(world, { owner: 'b' }, stepOf('not there'))
    await runIn(world, { owner: 'c' }, stepOf('fine'))
    world.elapse(givenUpMs)
    const settled = await settleOpen(portsIn(world))
    expect(settled.map(({ key, target, result }) => [key, target, result.outcome, result.reason?.code])).toEqual([
      ['there', 'cls-1/nodes/there', 'NoChange', 'settled-applied'],
      ['not there', 'cls-1/nodes/not there', 'Skipped', 'settled-not-applied'],
    ])
    expect(world.calls.filter((call) => call === 'AddNode')).toHaveLength(3)
    const ledger = world.ledger()
    expect((await ledger.list({ now: world.now })).map(({ key, state }) => `${key} ${state}`)).toEqual([
      'fine SUCCEEDED',
      'not there FAILED_SAFE',
      'there SUCCEEDED',
    ])
    expect(await ledger.unsettled(world.now)).toEqual([])
    for (const key of ['there', 'not there', 'fine']) expect(await historyProblems(world, stepOf(key))).toEqual([])
    // Nothing is left.
    expect(await settleOpen(portsIn(world))).toEqual([])
  })

  it('cost one read when nothing is open', async () => {
    const world = new World()
    await runIn(world, { owner: 'a' })
    const store = unsteadyStore(openMemoryStore(world.disk), () => 'pass')
    const { ledger, journal } = processIn(world, { owner: 'b', store })
    expect(await settleOpen(portsIn(world, { ledger, journal }))).toEqual([])
    expect(store.calls).toEqual(['query'])
  })

  it('are left alone while somebody may be at them', async () => {
    const world = new World()
    await breakAt(world, 6)
    world.elapse(givenUpMs - 1)
    expect(await settleOpen(portsIn(world))).toEqual([])
    world.elapse(1)
    expect(await settleOpen(portsIn(world))).toHaveLength(1)
  })

  it('stay open when reading does not tell, or the step is not understood, and are asked about again', async () => {
    const world = new World()
    await breakAt(world, 6)
    world.elapse(givenUpMs)
    for (const more of [{ readStep: () => undefined }, { settle: async () => 'unknown' as const }, { settle: undefined }]) {
      const [settled] = await settleOpen(portsIn(world, more))
      expect(settled?.result).toMatchObject({ outcome: 'Held', reason: { code: 'unknown-outcome' } })
      if ('settle' in more && more.settle === undefined)
        expect(settled?.result.reason?.text).toContain('this function cannot find it out by reading')
      world.elapse(givenUpMs)
    }
    expect((await settleOpen(portsIn(world))).map(({ result }) => result.outcome)).toEqual(['NoChange'])
  })

  it('are not asked about when the step is not understood or was not kept', async () => {
    const world = new World()
    await breakAt(world, 6)
    const { ledger, journal } = processIn(world, { owner: 'a' })
    await ledger.acquire({ key: 'b', owner: 'a', now: world.now, deadline: world.now, journalBefore: 1 })
    const { target, before, after, reason } = stepOf('b')
    await journal.append({
      kind: 'intent',
      at: world.now,
      runId: 'r',
      function: 'alarm-scaler',
      stepKey: 'b',
      target,
      before,
      after,
      reason,
      attempt: 1,
    })
    world.elapse(givenUpMs)
    const asked: string[] = []
    const settle = async ({ key }: { key: string }): Promise<'applied'> => {
      asked.push(key)
      return 'applied'
    }
    const read: unknown[] = []
    const readStep = (step: unknown): undefined => void read.push(step)
    const settled = await settleOpen(portsIn(world, { settle, readStep }))
    expect(settled.map(({ key, result }) => [key, result.outcome])).toEqual([
      ['web-1', 'Held'],
      ['b', 'Held'],
    ])
    for (const { result } of settled) expect(result.reason?.text).toContain('this function cannot find it out by reading')
    expect({ asked, read }).toEqual({ asked: [], read: [stepOf()] })
  })

  it('are held for no longer than a claim lasts or time is left', async () => {
    for (const [leftMs, expected] of [
      [900_000, 120_000],
      [5_000, 5_000],
      [-1, 0],
    ] as const) {
      const world = new World()
      await breakAt(world, 6)
      world.elapse(givenUpMs)
      let lastsMs: number | undefined
      const settle = async (): Promise<'applied'> => {
        const entry = await world.ledger().get('web-1', { now: world.now })
        lastsMs = (entry?.holder?.deadline ?? 0) - world.now
        return 'applied'
      }
      await settleOpen(portsIn(world, { settle, remainingMs: () => leftMs }))
      expect(lastsMs).toBe(expected)
    }
  })

  it('are settled a few at a time, and only when they are recent', async () => {
    const world = new World()
    for (const key of ['a', 'b', 'c']) await breakAt(world, 6, key)
    world.elapse(givenUpMs)
    expect((await settleOpen(portsIn(world, { limit: 2 }))).map(({ key }) => key)).toEqual(['a', 'b'])
    expect(await settleOpen(portsIn(world, { lookBackMs: 1000 }))).toEqual([])
    expect((await settleOpen(portsIn(world))).map(({ key }) => key)).toEqual(['c'])
  })

  it('are held when the store fails', async () => {
    const world = new World()
    await breakAt(world, 6)
    world.elapse(givenUpMs)
    const store = unsteadyStore(openMemoryStore(world.disk), (index) => (index === 2 ? 'refuse' : 'pass'))
    const { ledger, journal } = processIn(world, { owner: 'b', store })
    expect((await settleOpen(portsIn(world, { ledger, journal }))).map(({ result }) => result.reason?.code)).toEqual(['store.unavailable'])
  })

  it('18: an intent that arrived after everybody had given its try up is closed', async () => {
    for (const later of ['done', 'failed'] as const) {
      const world = new World()
      // The answer to the intent is lost, and it is not there when the key is settled: the try has not begun.
      const store = unsteadyStore(openMemoryStore(world.disk), (index) => (index < 4 ? 'pass' : index === 4 ? 'lose-before' : 'refuse'))
      await runIn(world, { owner: 'a', store })
      world.elapse(givenUpMs)
      if (later === 'failed') world.fates = ['reject']
      await runIn(world, { owner: 'b' })
      expect((await world.ledger().get('web-1', { now: world.now }))?.attempt).toBe(2)
      const journal = world.journal()
      await journal.append({
        kind: 'intent',
        at: world.now,
        runId: 'late',
        function: 'alarm-scaler',
        stepKey: 'web-1',
        target: 'cls-1/nodes/web-1',
        before: '',
        after: '',
        reason: { code: 'breach', text: '' },
        attempt: 1,
        owner: 'a#1',
        step: stepOf(),
      })
      expect((await settleOpen(portsIn(world))).map(({ result }) => result.reason?.code)).toEqual(['settled-not-applied'])
      expect(openIntents(await journal.list({ now: world.now }))).toEqual([])
      expect(await settleOpen(portsIn(world))).toEqual([])
      expect((await world.ledger().get('web-1', { now: world.now }))?.state).toBe(later === 'done' ? 'SUCCEEDED' : 'FAILED_SAFE')
    }
  })

  it('are those whose last outcome is missing or unknown', async () => {
    const entry = {
      at: 1,
      runId: 'r',
      function: 'f',
      target: 't',
      before: '',
      after: '',
      reason: { code: '', text: '' },
      prev: '',
      hash: '',
    }
    const intent = { ...entry, kind: 'intent' } as const
    const outcome = { ...entry, kind: 'outcome' } as const
    const open = openIntents([
      { ...intent, seq: 1, stepKey: 'a', attempt: 1 },
      { ...intent, seq: 2, stepKey: 'b', attempt: 1 },
      { ...outcome, seq: 3, stepKey: 'a', attempt: 1, state: 'SUCCEEDED' },
      { ...outcome, seq: 4, stepKey: 'b', attempt: 1, state: 'UNKNOWN' },
      { ...intent, seq: 5, stepKey: 'a', attempt: 2 },
      { ...outcome, seq: 6, stepKey: 'c', attempt: 1, state: 'FAILED_SAFE' },
      { ...entry, kind: 'note', seq: 7, stepKey: 'b', attempt: 1 },
      { ...intent, seq: 8, stepKey: 'd', attempt: 1 },
      { ...outcome, seq: 9, stepKey: 'd', attempt: 1, state: 'FAILED_SAFE' },
    ])
    expect(open.map(({ seq }) => seq)).toEqual([2, 5])
  })
})

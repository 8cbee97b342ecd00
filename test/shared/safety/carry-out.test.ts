import { describe, expect, it } from 'vitest'
import { CloudError } from '#cloud/errors.ts'
import { KubeError, type KubeErrorKind } from '#cloud/kube-error.ts'
import { parseCron } from '#shared/pure/cron.ts'
import { parseGlob } from '#shared/pure/glob.ts'
import type { StepResult } from '#shared/pure/step.ts'
import { type CarryOutPorts, carryOut } from '#shared/safety/carry-out.ts'
import { sortOfSeq } from '#shared/safety/journal-entry.ts'
import { openMemoryStore } from '#shared/safety/store-memory.ts'
import {
  AddNode,
  addNode,
  CountNodes,
  functionName,
  graceMs,
  historyProblems,
  type NodeChange,
  processIn,
  runIn,
  start,
  stepOf,
  World,
} from './carry-out-stage.ts'
import { type Fate, unsteadyStore } from './unsteady-store.ts'

type Apply = CarryOutPorts<NodeChange>['apply']

async function journalOf(world: World): Promise<string[]> {
  const entries = await world.journal().list({ now: world.now, limit: 1000 })
  return entries.map(({ kind, outcome, state, attempt, reason }) =>
    [kind, outcome, state, attempt, reason.code].filter((part) => part !== undefined).join(' '),
  )
}

async function stateOf(world: World): Promise<string | undefined> {
  return (await world.ledger().get('web-1', { now: world.now }))?.state
}

/** A failing store: its calls from a number on are refused. */
function storeThatFails(world: World, fates: (index: number, operation: string) => Fate) {
  return unsteadyStore(openMemoryStore(world.disk), fates)
}

describe('carrying out a step', () => {
  it('18: writes its intent before, its outcome with RequestId after, and says so to the ledger', async () => {
    const world = new World()
    expect(await runIn(world, { owner: 'a' })).toEqual({ outcome: 'Applied', requestId: 'request-1' })
    expect(world.effects).toEqual([{ key: 'web-1', at: start, intended: true }])
    const [intent, outcome, ...rest] = await world.journal().list({ now: start })
    expect(rest).toEqual([])
    const facts = {
      at: start,
      runId: `${functionName}@2026-09-21T14:13:20.000Z`,
      function: functionName,
      stepKey: 'web-1',
      target: 'cls-1/nodes/web-1',
      attempt: 1,
      owner: 'a#1',
    }
    expect(intent).toMatchObject({
      kind: 'intent',
      ...facts,
      before: '0 nodes',
      after: '1 node',
      reason: { code: 'breach' },
      step: stepOf(),
    })
    expect(outcome).toMatchObject({
      kind: 'outcome',
      ...facts,
      outcome: 'Applied',
      state: 'SUCCEEDED',
      requestId: 'request-1',
      action: 'test.AddNode',
    })
    expect(await world.ledger().get('web-1', { now: start })).toMatchObject({
      state: 'SUCCEEDED',
      attempt: 1,
      journalBefore: 0,
      journal: { seq: 2, hash: outcome?.hash },
      result: { outcome: 'Applied', requestId: 'request-1', runId: facts.runId },
    })
    expect(await historyProblems(world)).toEqual([])
  })

  it('takes two calls for the ledger, two for the journal and one for the kill switch before and at the write', async () => {
    const world = new World()
    const store = storeThatFails(world, () => 'pass')
    const ports = processIn(world, { owner: 'a', store })
    await carryOut(stepOf(), ports)
    // Kill switch, end of the journal, acquire, intent, kill switch, outcome, finish.
    expect(store.calls).toEqual(['get', 'query', 'put', 'put', 'get', 'put', 'put'])
  })

  it('3: is not done again, and says when it was', async () => {
    const world = new World()
    await runIn(world, { owner: 'a' })
    world.elapse(1000)
    expect(await runIn(world, { owner: 'b' })).toEqual({
      outcome: 'NoChange',
      reason: { code: 'already-done', text: 'it was done at 2026-09-21T14:13:20.000Z already; nothing is done twice' },
    })
    expect(world.effects).toHaveLength(1)
    expect(await journalOf(world)).toHaveLength(2)
  })

  it('is done by one of two runs at the same time; the other one is held', async () => {
    const world = new World()
    const results = await Promise.all([runIn(world, { owner: 'a' }), runIn(world, { owner: 'b' })])
    expect(results.map(({ outcome }) => outcome).sort()).toEqual(['Applied', 'Held'])
    expect(results.find(({ outcome }) => outcome === 'Held')?.reason).toEqual({
      code: 'busy',
      text: 'another run is at it until 2026-09-21T14:14:50.000Z at the latest; the next run looks again',
    })
    expect(await historyProblems(world)).toEqual([])
  })

  it('keeps what the function found before, and its own reason', async () => {
    const world = new World()
    const apply: Apply = async () => ({ outcome: 'Skipped', reason: { code: 'world-changed', text: 'another size' }, before: '3 nodes' })
    expect(await runIn(world, { owner: 'a', apply })).toEqual({
      outcome: 'Skipped',
      reason: { code: 'world-changed', text: 'another size' },
      before: '3 nodes',
    })
    expect(await journalOf(world)).toEqual(['intent 1 breach', 'outcome Skipped FAILED_SAFE 1 world-changed'])
    expect((await world.journal().show(2, { now: start }))?.before).toBe('3 nodes')
    expect(await stateOf(world)).toBe('FAILED_SAFE')
  })

  it('ends in the ledger as what the function reports, when every answer came', async () => {
    const results: [StepResult['outcome'], string, string][] = [
      ['Applied', 'SUCCEEDED', 'NoChange'],
      ['NoChange', 'SUCCEEDED', 'NoChange'],
      ['Skipped', 'FAILED_SAFE', 'Applied'],
      ['Held', 'FAILED_SAFE', 'Applied'],
      ['Failed', 'FAILED_SAFE', 'Applied'],
    ]
    for (const [outcome, state, next] of results) {
      const world = new World()
      const reason = { code: 'own', text: 'own' }
      expect(await runIn(world, { owner: 'a', apply: async () => ({ outcome, reason }) })).toEqual({ outcome, reason })
      expect(await stateOf(world)).toBe(state)
      expect((await runIn(world, { owner: 'b' })).outcome).toBe(next)
      expect(world.effects).toHaveLength(next === 'Applied' ? 1 : 0)
    }
  })

  it('is failed, and free to be tried again, when the write was refused for certain', async () => {
    const world = new World()
    world.fates = ['reject']
    expect(await runIn(world, { owner: 'a' })).toMatchObject({
      outcome: 'Failed',
      reason: { code: 'cloud.rejected' },
      requestId: 'request-1',
    })
    expect(await journalOf(world)).toEqual(['intent 1 breach', 'outcome Failed FAILED_SAFE 1 cloud.rejected'])
    expect(await runIn(world, { owner: 'b' })).toMatchObject({ outcome: 'Applied' })
    expect(await journalOf(world)).toEqual([
      'intent 1 breach',
      'outcome Failed FAILED_SAFE 1 cloud.rejected',
      'intent 2 breach',
      'outcome Applied SUCCEEDED 2 breach',
    ])
    expect(await historyProblems(world)).toEqual([])
  })

  it('is failed with what was thrown, whatever that is, as long as nothing was written', async () => {
    for (const [thrown, reason] of [
      [new TypeError('no such thing'), { code: 'apply-failed', text: 'no such thing' }],
      ['a text', { code: 'apply-failed', text: 'something that is no error was thrown: a text' }],
      [
        new KubeError('cls-1: no', { kind: 'kube.forbidden', status: 403, reason: 'Forbidden', path: '/x', clusterId: 'cls-1' }),
        { code: 'kube.forbidden', text: 'cls-1: no' },
      ],
    ] as const) {
      const world = new World()
      const apply: Apply = () => {
        throw thrown
      }
      expect(await runIn(world, { owner: 'a', apply })).toEqual({ outcome: 'Failed', reason })
      expect(await stateOf(world)).toBe('FAILED_SAFE')
      expect(world.calls).toEqual([])
    }
  })

  it('is held when a call had no time left or was stopped, as long as nothing was written', async () => {
    for (const kind of ['cloud.deadline', 'cloud.aborted'] as const) {
      const world = new World()
      const apply: Apply = async () => {
        throw new CloudError('test.AddNode: too late.', { kind, code: kind, action: 'test.AddNode', retryable: false })
      }
      expect(await runIn(world, { owner: 'a', apply })).toEqual({
        outcome: 'Held',
        reason: { code: 'guard.no-time-left', text: 'test.AddNode: too late. The next run takes it up.' },
      })
      expect(await stateOf(world)).toBe('FAILED_SAFE')
    }
  })

  it('refuses a key that was used for another end state', async () => {
    const world = new World()
    await runIn(world, { owner: 'a' })
    const result = await runIn(world, { owner: 'b' }, { ...stepOf(), after: '2 nodes' })
    expect(result).toMatchObject({ outcome: 'Held', reason: { code: 'ledger.other-content' } })
    // What is there before does not matter, nor why.
    const other = { ...stepOf(), before: '7 nodes', reason: { code: 'other', text: 'other' } }
    expect(await runIn(world, { owner: 'c' }, other)).toMatchObject({ outcome: 'NoChange' })
    expect(world.effects).toHaveLength(1)
  })

  it('without a key is held, and nothing is written', async () => {
    const world = new World()
    expect(await runIn(world, { owner: 'a' }, { ...stepOf(), key: '' })).toMatchObject({
      outcome: 'Held',
      reason: { code: 'ledger.no-key' },
    })
    expect(world.calls).toEqual([])
  })
})

describe('the guard around a step', () => {
  it('1: nothing is even asked for in another mode than enforce', async () => {
    for (const mode of ['observe', 'plan'] as const) {
      const world = new World()
      expect(await runIn(world, { owner: 'a', more: { mode } })).toMatchObject({ outcome: 'Held', reason: { code: 'guard.mode' } })
      expect(world.calls).toEqual([])
      expect(world.disk.contents()).toBe('')
    }
  })

  it('7: takes room under a cap, gives it back when nothing was written, and keeps it when something may have been', async () => {
    const settings = { caps: [{ amount: 1, window: { kind: 'rolling' as const, durationMs: 3_600_000 } }] }
    for (const [fates, apply, isFree] of [
      [[], undefined, false],
      [['reject'], undefined, true],
      [['lose-before'], undefined, false],
      [['lose-after'], undefined, false],
      [[], (async () => ({ outcome: 'NoChange' })) satisfies Apply, true],
      [[], (async () => ({ outcome: 'Skipped' })) satisfies Apply, true],
    ] as const) {
      const world = new World()
      world.fates = [...fates]
      await runIn(world, { owner: 'a', settings, apply })
      world.fates = []
      const other = await runIn(world, { owner: 'b', settings }, stepOf('web-2'))
      expect(other, JSON.stringify(fates)).toMatchObject(
        isFree ? { outcome: 'Applied' } : { outcome: 'Held', reason: { code: 'guard.cap' } },
      )
    }
  })

  it('7: a repeated delivery uses up no room', async () => {
    const settings = { caps: [{ amount: 2, window: { kind: 'rolling' as const, durationMs: 3_600_000 } }] }
    const world = new World()
    for (const owner of ['a', 'b', 'c', 'd']) await runIn(world, { owner, settings })
    expect(await runIn(world, { owner: 'e', settings }, stepOf('web-2'))).toMatchObject({ outcome: 'Applied' })
    expect(await runIn(world, { owner: 'f', settings }, stepOf('web-3'))).toMatchObject({ outcome: 'Held' })
  })

  it('counts the units of a step', async () => {
    const settings = { caps: [{ amount: 3, window: { kind: 'run' as const } }] }
    const world = new World()
    const more = { units: () => 2 }
    expect(await runIn(world, { owner: 'a', settings, more })).toMatchObject({ outcome: 'Applied' })
    expect(await runIn(world, { owner: 'b', settings, more }, stepOf('web-2'))).toMatchObject({
      outcome: 'Held',
      reason: { code: 'guard.cap' },
    })
  })

  it('holds a protected target', async () => {
    const glob = parseGlob('cls-1/**')
    if (!glob.ok) throw new Error(glob.error)
    const world = new World()
    expect(await runIn(world, { owner: 'a', settings: { protect: [glob.value] } })).toMatchObject({
      outcome: 'Held',
      reason: { code: 'guard.protected' },
    })
    expect(world.disk.contents()).toBe('')
  })

  it('17: an override that lets a step through is named in the journal before the intent', async () => {
    const schedule = parseCron('0 * * * * *')
    if (!schedule.ok) throw new Error(schedule.error.message)
    const freeze = [
      { name: 'holidays', kind: 'deny' as const, schedule: schedule.value, durationMs: 60_000, timeZone: 'UTC', functions: undefined },
    ]
    const overrides = [{ window: 'holidays', until: start + 60_000, by: 'on-call', reason: 'incident 42' }]
    const frozen = new World()
    expect(await runIn(frozen, { owner: 'a', settings: { freeze } })).toMatchObject({
      outcome: 'Held',
      reason: { code: 'guard.freeze-window' },
    })
    const world = new World()
    expect(await runIn(world, { owner: 'a', settings: { freeze, overrides } })).toMatchObject({ outcome: 'Applied' })
    expect(await journalOf(world)).toEqual(['note 1 override', 'intent 1 breach', 'outcome Applied SUCCEEDED 1 breach'])
    expect((await world.journal().show(1, { now: start }))?.reason.text).toBe(
      'the window holidays is set aside by on-call until 2026-09-21T14:14:20.000Z: incident 42',
    )
    // The override cannot be written down: nothing is done.
    const full = new World()
    const store = storeThatFails(full, (index) => (index === 4 ? 'refuse' : 'pass'))
    expect(await runIn(full, { owner: 'a', store, settings: { freeze, overrides } })).toMatchObject({
      outcome: 'Held',
      reason: { code: 'store.unavailable' },
    })
    expect(full.calls).toEqual([])
    expect(await stateOf(full)).toBe('FAILED_SAFE')
  })
})

describe('16: the kill switch', () => {
  const switched = (reads: readonly ('run' | 'stop' | 'broken')[]) => {
    let index = 0
    return {
      name: 'the switch of this test',
      read: async () => {
        const answer = reads[index] ?? 'run'
        index += 1
        if (answer === 'broken') throw new Error('no answer')
        return answer
      },
    }
  }

  it('is read again right before the write, after everything that takes time', async () => {
    for (const [second, code] of [
      ['stop', 'guard.kill-switch'],
      ['broken', 'guard.kill-switch-unreachable'],
    ] as const) {
      const world = new World()
      const result = await runIn(world, { owner: 'a', killSwitch: switched(['run', second]) })
      expect(result).toMatchObject({ outcome: 'Held', reason: { code } })
      expect(world.calls).toEqual([])
      expect(await journalOf(world)).toEqual(['intent 1 breach', `outcome Held FAILED_SAFE 1 ${code}`])
      // Off again, it is done.
      expect(await runIn(world, { owner: 'b' })).toMatchObject({ outcome: 'Applied' })
      expect(await historyProblems(world)).toEqual([])
    }
  })

  it('stops before anything is written down when it is on', async () => {
    const world = new World()
    expect(await runIn(world, { owner: 'a', killSwitch: switched(['stop']) })).toMatchObject({
      outcome: 'Held',
      reason: { code: 'guard.kill-switch' },
    })
    expect(world.disk.contents()).toBe('')
  })

  it('holds a step whatever its function makes of the refusal', async () => {
    for (const outcome of ['Applied', 'NoChange', 'Failed'] as const) {
      const world = new World()
      const apply: Apply = async (step, cloud) => {
        await cloud.send(AddNode, { Key: step.key }).catch(() => undefined)
        return { outcome }
      }
      expect(await runIn(world, { owner: 'a', apply, killSwitch: switched(['run', 'stop']) })).toMatchObject({
        outcome: 'Held',
        reason: { code: 'guard.kill-switch' },
      })
      expect(await stateOf(world)).toBe('FAILED_SAFE')
    }
  })

  it('does not let a second write pass after it refused the first one, though it is off again', async () => {
    const world = new World()
    const apply: Apply = async (step, cloud) => {
      await cloud.send(AddNode, { Key: step.key }).catch(() => undefined)
      return await addNode(step, cloud)
    }
    expect(await runIn(world, { owner: 'a', apply, killSwitch: switched(['run', 'stop', 'run']) })).toMatchObject({ outcome: 'Held' })
    expect(world.calls).toEqual([])
  })

  it('between two writes of a step: what was written is looked at, and the step is not taken for undone', async () => {
    const twice: Apply = async (step, cloud) => {
      await cloud.send(AddNode, { Key: step.key })
      return await addNode(step, cloud)
    }
    const world = new World()
    const result = await runIn(world, { owner: 'a', apply: twice, killSwitch: switched(['run', 'run', 'stop']) })
    expect(result).toMatchObject({ outcome: 'Applied', reason: { code: 'settled-applied' }, requestId: 'request-1' })
    expect(world.calls).toEqual(['AddNode', 'CountNodes'])
    expect(await stateOf(world)).toBe('SUCCEEDED')
    // A function that can tell that only a part is there says so.
    const partly = new World()
    expect(
      await runIn(partly, { owner: 'a', apply: twice, settle: async () => 'unknown', killSwitch: switched(['run', 'run', 'stop']) }),
    ).toMatchObject({
      outcome: 'Held',
      reason: { code: 'unknown-outcome' },
    })
    expect(await stateOf(partly)).toBe('UNKNOWN')
    // And one whose first write is none that counts is held by the switch.
    const none = new World()
    expect(
      await runIn(none, { owner: 'a', apply: twice, settle: async () => 'not-applied', killSwitch: switched(['run', 'run', 'stop']) }),
    ).toMatchObject({
      outcome: 'Held',
      reason: { code: 'guard.kill-switch' },
    })
    expect(await stateOf(none)).toBe('FAILED_SAFE')
  })
})

describe('12: time', () => {
  it('does not begin with less than a call and the margin left', async () => {
    for (const [lifeMs, outcome] of [
      [11_999, 'Held'],
      [12_000, 'Applied'],
    ] as const) {
      const world = new World()
      expect(await runIn(world, { owner: 'a', lifeMs })).toMatchObject({ outcome })
      expect(world.effects).toHaveLength(outcome === 'Applied' ? 1 : 0)
    }
  })

  it('is looked at again right before each write, and what could not start is taken up by the next run', async () => {
    for (const [takesMs, outcome] of [
      [78_000, 'Applied'],
      [78_001, 'Held'],
      [500_000, 'Held'],
    ] as const) {
      const world = new World()
      const apply: Apply = async (step, cloud) => {
        await cloud.send(CountNodes, { Key: step.key })
        world.elapse(takesMs)
        return await addNode(step, cloud)
      }
      const result = await runIn(world, { owner: 'a', apply })
      expect(result).toMatchObject(outcome === 'Held' ? { outcome, reason: { code: 'guard.no-time-left' } } : { outcome })
      expect(world.effects).toHaveLength(outcome === 'Applied' ? 1 : 0)
      if (outcome === 'Held') expect(await runIn(world, { owner: 'b' })).toMatchObject({ outcome: 'Applied' })
      expect(await historyProblems(world)).toEqual([])
    }
  })

  it('a claim that is too short for the write is renewed', async () => {
    const world = new World()
    const apply: Apply = async (step, cloud) => {
      world.elapse(100_000)
      return await addNode(step, cloud)
    }
    const more = { claimMs: 20_000 }
    // Longer than the claim and the grace, but nobody has taken over: the renewal says so.
    expect(await runIn(world, { owner: 'a', apply, lifeMs: 900_000, more })).toMatchObject({ outcome: 'Applied' })
    expect(await stateOf(world)).toBe('SUCCEEDED')
    expect(await historyProblems(world)).toEqual([])
  })

  it('5: a run that was taken over meanwhile writes nothing, and does not disturb its successor', async () => {
    const world = new World()
    const apply: Apply = async (step, cloud) => {
      world.elapse(20_000 + graceMs + 1)
      expect(await runIn(world, { owner: 'b' })).toMatchObject({ outcome: 'Applied' })
      return await addNode(step, cloud)
    }
    const result = await runIn(world, { owner: 'a', apply, lifeMs: 900_000, more: { claimMs: 20_000 } })
    expect(result).toMatchObject({ outcome: 'Held', reason: { code: 'claim-lost' } })
    expect(world.effects).toHaveLength(1)
    expect(await world.ledger().get('web-1', { now: world.now })).toMatchObject({ state: 'SUCCEEDED', attempt: 2 })
    expect(await historyProblems(world)).toEqual([])
  })

  it('5: a run that wrote and then was frozen says that another one has taken over', async () => {
    const world = new World()
    const apply: Apply = async (step, cloud) => {
      const result = await addNode(step, cloud)
      world.elapse(200_000)
      expect(await runIn(world, { owner: 'b' })).toMatchObject({ outcome: 'NoChange', reason: { code: 'settled-applied' } })
      return result
    }
    expect(await runIn(world, { owner: 'a', apply })).toMatchObject({
      outcome: 'Applied',
      requestId: 'request-1',
      reason: { code: 'outcome-not-saved' },
    })
    expect(world.effects).toHaveLength(1)
    expect(await stateOf(world)).toBe('SUCCEEDED')
    expect(await historyProblems(world)).toEqual([])
  })

  it('a claim that cannot be renewed lets nothing through', async () => {
    const world = new World()
    const store = storeThatFails(world, (index) => (index === 5 ? 'refuse' : 'pass'))
    const apply: Apply = async (step, cloud) => {
      world.elapse(15_000)
      return await addNode(step, cloud)
    }
    const result = await runIn(world, { owner: 'a', apply, store, lifeMs: 900_000, more: { claimMs: 20_000 } })
    expect(result).toMatchObject({ outcome: 'Held', reason: { code: 'claim-not-renewed' } })
    expect(world.calls).toEqual([])
    expect(await stateOf(world)).toBe('FAILED_SAFE')
  })

  it('two writes at once renew a claim once', async () => {
    const world = new World()
    const apply: Apply = async (_, cloud) => {
      world.elapse(15_000)
      await Promise.all([cloud.send(AddNode, { Key: 'x' }), cloud.send(AddNode, { Key: 'y' })])
      return { outcome: 'Applied' }
    }
    expect(await runIn(world, { owner: 'a', apply, lifeMs: 900_000, more: { claimMs: 20_000 } })).toMatchObject({ outcome: 'Applied' })
    expect(world.calls).toEqual(['AddNode', 'AddNode'])
    expect(await stateOf(world)).toBe('SUCCEEDED')
  })
})

describe('4: a write whose answer was lost', () => {
  it('that is seen to be there is applied', async () => {
    const world = new World()
    world.fates = ['lose-after']
    expect(await runIn(world, { owner: 'a' })).toEqual({
      outcome: 'Applied',
      requestId: 'request-1',
      reason: {
        code: 'settled-applied',
        text: 'whether the write arrived was not known (test.AddNode: cloud.unknown-outcome.); the target shows it',
      },
    })
    expect(await stateOf(world)).toBe('SUCCEEDED')
    expect(await journalOf(world)).toEqual(['intent 1 breach', 'outcome Applied SUCCEEDED 1 settled-applied'])
  })

  it('that is not seen is not repeated before it cannot be under way any more, and done then', async () => {
    for (const fate of ['lose-before', 'late'] as const) {
      const world = new World()
      world.fates = [fate]
      expect(await runIn(world, { owner: 'a' })).toMatchObject({
        outcome: 'Held',
        reason: { code: 'unknown-outcome' },
        requestId: 'request-1',
      })
      expect(await world.ledger().get('web-1', { now: start })).toMatchObject({ state: 'UNKNOWN', inFlightUntil: start + graceMs })
      world.elapse(graceMs - 1)
      const second = await runIn(world, { owner: 'b' })
      const third = world.elapse(1) ?? (await runIn(world, { owner: 'c' }))
      expect([second, third].map(({ outcome, reason }) => `${outcome} ${reason?.code}`)).toEqual(
        fate === 'late' ? ['NoChange settled-applied', 'NoChange already-done'] : ['Held unknown-outcome', 'Applied undefined'],
      )
      expect(world.effects).toHaveLength(1)
      expect(await journalOf(world)).toEqual([
        'intent 1 breach',
        'outcome Held UNKNOWN 1 unknown-outcome',
        ...(fate === 'late'
          ? ['outcome NoChange SUCCEEDED 1 settled-applied']
          : ['outcome Held FAILED_SAFE 1 settled-not-applied', 'intent 2 breach', 'outcome Applied SUCCEEDED 2 breach']),
      ])
      expect(await historyProblems(world)).toEqual([])
    }
  })

  it('that cannot be told is never repeated, however long that lasts, and the journal says so once', async () => {
    for (const settle of [null, async () => 'unknown' as const, undefined]) {
      const world = new World()
      world.fates = ['lose-before']
      world.readable = false
      for (const owner of ['a', 'b', 'c', 'd']) {
        expect(await runIn(world, { owner, settle })).toMatchObject({ outcome: 'Held', reason: { code: 'unknown-outcome' } })
        expect(await stateOf(world)).toBe('UNKNOWN')
        world.elapse(400_000)
      }
      expect(world.calls.filter((call) => call === 'AddNode')).toHaveLength(1)
      expect(await journalOf(world)).toEqual(['intent 1 breach', 'outcome Held UNKNOWN 1 unknown-outcome'])
      expect(await historyProblems(world)).toEqual([])
      // Somebody who knows settles it.
      const ledger = world.ledger()
      const acquired = await ledger.acquire({ key: 'web-1', owner: 'a person', now: world.now, deadline: world.now })
      if (acquired.kind !== 'settle') throw new Error(acquired.kind)
      await ledger.finish(acquired.claim, { now: world.now, state: 'FAILED_SAFE' })
      expect(await runIn(world, { owner: 'e', settle })).toMatchObject({ outcome: 'Applied' })
    }
  })

  it('is told apart from one that a cluster refused, whose answer came', async () => {
    const kubeError = (kind: KubeErrorKind): KubeError =>
      new KubeError(`cls-1: ${kind}`, { kind, status: 409, reason: 'R', path: '/x', clusterId: 'cls-1' })
    const cases: [KubeErrorKind, string, string][] = [
      ['kube.conflict', 'Failed kube.conflict', 'FAILED_SAFE'],
      ['kube.invalid', 'Failed kube.invalid', 'FAILED_SAFE'],
      ['kube.forbidden', 'Failed kube.forbidden', 'FAILED_SAFE'],
      ['kube.not-found', 'Failed kube.not-found', 'FAILED_SAFE'],
      ['kube.too-many-requests', 'Failed kube.too-many-requests', 'FAILED_SAFE'],
      ['kube.unavailable', 'Held unknown-outcome', 'UNKNOWN'],
      ['kube.bad-answer', 'Held unknown-outcome', 'UNKNOWN'],
    ]
    for (const [kind, expected, state] of cases) {
      const world = new World()
      const apply: Apply = async (_, cloud) => {
        await cloud.send(CountNodes, { Key: 'x' })
        await cloud.send(AddNode, { Key: 'forwarded' })
        throw kubeError(kind)
      }
      const { outcome, reason } = await runIn(world, { owner: 'a', apply })
      expect(`${outcome} ${reason?.code}`).toBe(expected)
      expect(await stateOf(world)).toBe(state)
    }
    // An error of reading after a write, or of one of two writes, says nothing about the write.
    const orders: Apply[] = [
      async (_, cloud) => {
        await cloud.send(AddNode, { Key: 'web-1' })
        await cloud.send(CountNodes, { Key: 'x' })
        throw kubeError('kube.forbidden')
      },
      async (_, cloud) => {
        // Begun before the write, answered after it.
        const reading = cloud.send(CountNodes, { Key: 'x' })
        await cloud.send(AddNode, { Key: 'web-1' })
        await reading
        throw kubeError('kube.forbidden')
      },
      async (_, cloud) => {
        await cloud.send(AddNode, { Key: 'web-1' })
        await cloud.send(AddNode, { Key: 'web-1b' })
        throw kubeError('kube.conflict')
      },
      async (_, cloud) => {
        await cloud.send(AddNode, { Key: 'web-1' })
        throw new TypeError('a bug after the write')
      },
    ]
    for (const apply of orders) {
      const world = new World()
      const slowToRead: typeof world.cloud = {
        send: async (action, request, options) => {
          const answer = await world.cloud.send(action, request, options)
          if (action.effect === 'read') await new Promise((resolve) => setTimeout(resolve, 2))
          return answer
        },
      }
      const result = await runIn(world, { owner: 'a', apply, cloud: slowToRead })
      expect(result).toMatchObject({ outcome: 'Applied', reason: { code: 'settled-applied' } })
      expect(await stateOf(world)).toBe('SUCCEEDED')
    }
    // The same with a target that shows nothing: every answer came, so that is proof.
    const world = new World()
    const apply: Apply = async (_, cloud) => {
      await cloud.send(AddNode, { Key: 'somewhere else' })
      throw new TypeError('a bug after the write')
    }
    expect(await runIn(world, { owner: 'a', apply })).toMatchObject({ outcome: 'Failed', reason: { code: 'apply-failed' } })
    expect(await stateOf(world)).toBe('FAILED_SAFE')
  })

  it('that the function has settled itself is what the function says, and what it leaves open stays open', async () => {
    for (const [outcome, code, expected, state] of [
      ['Applied', 'own', 'Applied own', 'SUCCEEDED'],
      ['NoChange', 'own', 'NoChange own', 'SUCCEEDED'],
      ['Failed', 'unknown-outcome', 'Held unknown-outcome', 'UNKNOWN'],
      ['Skipped', 'own', 'Held unknown-outcome', 'UNKNOWN'],
    ] as const) {
      const world = new World()
      world.fates = ['lose-before']
      const apply: Apply = async (_, cloud) => {
        await cloud.send(AddNode, { Key: 'x' }).catch(() => undefined)
        return { outcome, reason: { code, text: 'as the function says' } }
      }
      const result = await runIn(world, { owner: 'a', apply })
      expect(`${result.outcome} ${result.reason?.code}`).toBe(expected)
      expect(await stateOf(world)).toBe(state)
    }
    // Its word that it does not know counts although every answer of the platform came: the cluster behind it may have failed.
    const world = new World()
    const apply: Apply = async (_, cloud) => {
      await cloud.send(AddNode, { Key: 'x' })
      return { outcome: 'Failed', reason: { code: 'unknown-outcome', text: 'the cluster broke' } }
    }
    expect(await runIn(world, { owner: 'a', apply })).toMatchObject({ outcome: 'Held', reason: { code: 'unknown-outcome' } })
  })

  it('is not followed by another write of the same step', async () => {
    const world = new World()
    world.fates = ['lose-before', 'pass']
    const apply: Apply = async (step, cloud) => {
      try {
        return await addNode(step, cloud)
      } catch {
        return await addNode(step, cloud)
      }
    }
    expect(await runIn(world, { owner: 'a', apply })).toMatchObject({ outcome: 'Held', reason: { code: 'unknown-outcome' } })
    expect(world.calls).toEqual(['AddNode', 'CountNodes'])
    expect(await stateOf(world)).toBe('UNKNOWN')
  })

  it('that is still under way when the function comes back is in doubt', async () => {
    const world = new World()
    const never = {
      send: (action: { effect: string }, ...rest: unknown[]) =>
        action.effect === 'read' ? Reflect.apply(world.cloud.send, undefined, [action, ...rest]) : new Promise(() => undefined),
    } as typeof world.cloud
    const apply: Apply = async (step, cloud) => {
      void cloud.send(AddNode, { Key: step.key })
      await new Promise((resolve) => setTimeout(resolve, 2))
      return { outcome: 'Failed', reason: { code: 'own', text: 'gave up waiting' } }
    }
    expect(await runIn(world, { owner: 'a', apply, cloud: never })).toMatchObject({ outcome: 'Held', reason: { code: 'unknown-outcome' } })
    expect(await stateOf(world)).toBe('UNKNOWN')
  })

  it('is settled with what is known about the try, through a reader that writes nothing', async () => {
    const world = new World()
    world.fates = ['lose-before']
    const doubts: unknown[] = []
    const settle: NonNullable<CarryOutPorts<NodeChange>['settle']> = async (_, cloud, doubt) => {
      doubts.push(doubt)
      await cloud.send(AddNode as unknown as typeof CountNodes, { Key: 'planted' })
      return 'applied'
    }
    const result = await runIn(world, { owner: 'a', settle })
    expect(result).toMatchObject({ outcome: 'Held', reason: { code: 'unknown-outcome' } })
    expect(result.reason?.text).toContain('this client only reads')
    world.elapse(500_000)
    await runIn(world, { owner: 'b', settle })
    expect(doubts).toEqual([
      { attempt: 1, startedAt: start },
      { attempt: 1, startedAt: start },
    ])
    expect(world.effects).toEqual([])
  })
})

describe('a store that fails', () => {
  it('before the write: nothing is written, the next run does it', async () => {
    // Calls 1 to 5: kill switch, end of the journal, acquire, intent, kill switch.
    for (const index of [1, 2, 3, 4, 5]) {
      for (const fate of ['refuse', 'lose-before', 'lose-after'] as const) {
        for (const forGood of [false, true]) {
          const world = new World()
          const store = storeThatFails(world, (call, operation) =>
            call === index ? (operation === 'put' ? fate : 'refuse') : call > index && forGood ? 'refuse' : 'pass',
          )
          const result = await runIn(world, { owner: 'a', store })
          // A lost answer that can be made up for is no failure.
          const isMadeUp = !forGood && fate !== 'refuse' && (index === 3 || index === 4)
          expect(result.outcome, `call ${index} ${fate} ${forGood}`).toBe(isMadeUp ? 'Applied' : 'Held')
          expect(world.effects).toHaveLength(isMadeUp ? 1 : 0)
          world.elapse(90_000 + graceMs + 1)
          await runIn(world, { owner: 'b' })
          expect(world.effects).toHaveLength(1)
          expect(await stateOf(world)).toBe('SUCCEEDED')
          expect(await historyProblems(world)).toEqual([])
        }
      }
    }
  })

  it('before the write, and only for a moment, leaves the key free for the very next run', async () => {
    for (const index of [1, 2, 3, 4, 5]) {
      const world = new World()
      await runIn(world, { owner: 'a', store: storeThatFails(world, (call) => (call === index ? 'refuse' : 'pass')) })
      expect(world.effects).toEqual([])
      expect(await runIn(world, { owner: 'b' })).toMatchObject({ outcome: 'Applied' })
      expect(await historyProblems(world)).toEqual([])
    }
  })

  it('S2: after the write: it is applied with a warning, stays started, and is settled, not done again', async () => {
    for (const index of [6, 7]) {
      for (const fate of ['refuse', 'lose-before', 'lose-after'] as const) {
        const world = new World()
        const store = storeThatFails(world, (call, operation) =>
          call < index ? 'pass' : call === index && operation === 'put' ? fate : 'refuse',
        )
        const result = await runIn(world, { owner: 'a', store })
        expect(result).toMatchObject({ outcome: 'Applied', requestId: 'request-1', reason: { code: 'outcome-not-saved' } })
        expect(result.reason?.text).toContain('a later run settles it')
        const isSaved = index === 7 && fate === 'lose-after'
        expect(await stateOf(world)).toBe(isSaved ? 'SUCCEEDED' : 'STARTED')
        expect(await runIn(world, { owner: 'b' })).toMatchObject(
          isSaved ? { outcome: 'NoChange' } : { outcome: 'Held', reason: { code: 'busy' } },
        )
        world.elapse(90_000 + graceMs + 1)
        // When the journal has the outcome it is not even read: the world may have moved on.
        if (index === 7) world.readable = false
        expect(await runIn(world, { owner: 'c' })).toMatchObject({
          outcome: 'NoChange',
          reason: { code: isSaved ? 'already-done' : 'settled-applied' },
        })
        expect(world.effects).toHaveLength(1)
        expect(await stateOf(world)).toBe('SUCCEEDED')
        expect(await historyProblems(world)).toEqual([])
      }
    }
  })

  it('after a refused write: the step failed all the same, and is settled later', async () => {
    const world = new World()
    world.fates = ['reject']
    const store = storeThatFails(world, (call) => (call < 7 ? 'pass' : 'refuse'))
    expect(await runIn(world, { owner: 'a', store })).toMatchObject({ outcome: 'Failed', reason: { code: 'cloud.rejected' } })
    expect(await stateOf(world)).toBe('STARTED')
    world.elapse(90_000 + graceMs + 1)
    expect(await runIn(world, { owner: 'b' })).toMatchObject({ outcome: 'Applied' })
    expect(await historyProblems(world)).toEqual([])
  })

  it('while settling: it is held, and settled later', async () => {
    // Kill switch, end of the journal, two puts to take over, trace, outcome, finish.
    for (const index of [3, 4, 5, 6, 7]) {
      for (const forGood of [true, false]) {
        const world = new World()
        await runIn(world, { owner: 'a', store: storeThatFails(world, (call) => (call < 6 ? 'pass' : 'refuse')) })
        expect(world.effects).toHaveLength(1)
        world.elapse(90_000 + graceMs + 1)
        const store = storeThatFails(world, (call) => (call === index || (forGood && call > index) ? 'refuse' : 'pass'))
        const result = await runIn(world, { owner: 'b', store })
        expect(result.outcome, `call ${index}`).toBe(index === 7 ? 'NoChange' : 'Held')
        world.elapse(90_000 + graceMs + 1)
        expect(await runIn(world, { owner: 'c' })).toMatchObject({ outcome: 'NoChange' })
        expect(world.effects).toHaveLength(1)
        expect(await stateOf(world)).toBe('SUCCEEDED')
        expect(await historyProblems(world)).toEqual([])
      }
    }
  })
})

describe('a journal that was tampered with', () => {
  it('at its end: nothing is written', async () => {
    const world = new World()
    await runIn(world, { owner: 'a' })
    const store = openMemoryStore(world.disk)
    const key = { partition: `journal/${functionName}`, sort: sortOfSeq(2) }
    const whole = (await store.get(key, { now: start }))?.data as object
    await store.put(key, { ...whole, before: 'other' }, { when: 'any', now: start })
    expect(await runIn(world, { owner: 'b' }, stepOf('web-2'))).toMatchObject({ outcome: 'Held', reason: { code: 'journal.corrupt' } })
    expect(world.effects).toHaveLength(1)
    expect(await world.ledger().get('web-2', { now: start })).toBeUndefined()
  })

  it('in what would decide about a step left open: it is not done, and not taken for done', async () => {
    const world = new World()
    await runIn(world, { owner: 'a', store: storeThatFails(world, (call) => (call < 6 ? 'pass' : 'refuse')) })
    const store = openMemoryStore(world.disk)
    await world.journal().append({
      kind: 'note',
      at: start,
      runId: 'r',
      function: functionName,
      stepKey: 'x',
      target: 'x',
      before: '',
      after: '',
      reason: { code: 'x', text: '' },
    })
    // Without its intent it would look as if it had never begun.
    await store.delete({ partition: `journal/${functionName}`, sort: sortOfSeq(1) }, { when: 'any', now: start })
    world.elapse(90_000 + graceMs + 1)
    expect(await runIn(world, { owner: 'b' })).toMatchObject({ outcome: 'Held', reason: { code: 'journal.corrupt' } })
    expect(world.effects).toHaveLength(1)
    expect(await stateOf(world)).toBe('UNKNOWN')
  })
})

import { describe, expect, it } from 'vitest'
import type { SendOptions } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { KubeError } from '#cloud/kube-error.ts'
import type { StepResult } from '#shared/pure/step.ts'
import type { CarryOutPorts } from '#shared/safety/carry-out.ts'
import { openMemoryStore } from '#shared/safety/store-memory.ts'
import { AddNode, addNode, CountNodes, graceMs, type NodeChange, processIn, runIn, start, stepOf, World } from './carry-out-stage.ts'
import { type Fate, unsteadyStore } from './unsteady-store.ts'

type Apply = CarryOutPorts<NodeChange>['apply']

const givenUpMs = 90_000 + graceMs + 1

async function stateOf(world: World, key = 'web-1'): Promise<string | undefined> {
  return (await world.ledger().get(key, { now: world.now }))?.state
}

/** A switch that does something when it is read for the nth time, and says what is listed. */
function switchThat(says: readonly ('run' | 'stop')[], onRead: (index: number) => void = () => undefined) {
  let index = 0
  return {
    name: 'the switch of this test',
    read: async () => {
      index += 1
      onRead(index)
      return says[index - 1] ?? 'run'
    },
  }
}

function storeOf(world: World, ...fates: Fate[]) {
  return unsteadyStore(openMemoryStore(world.disk), (index) => fates[index - 1] ?? 'pass')
}

describe('the gate before a write', () => {
  it('lets reads pass, whatever the switch says', async () => {
    const world = new World()
    const apply: Apply = async (step, cloud) => {
      const { Count: count } = await cloud.send(CountNodes, { Key: step.key })
      return { outcome: 'NoChange', reason: { code: 'own', text: `${count} nodes` } }
    }
    expect(await runIn(world, { owner: 'a', apply, killSwitch: switchThat(['run', 'stop']) })).toEqual({
      outcome: 'NoChange',
      reason: { code: 'own', text: '0 nodes' },
    })
  })

  it('12: looks at the time again after the switch was read', async () => {
    const world = new World()
    const killSwitch = switchThat([], (index) => (index === 2 ? world.elapse(78_001) : undefined))
    expect(await runIn(world, { owner: 'a', killSwitch })).toEqual({
      outcome: 'Held',
      reason: { code: 'guard.no-time-left', text: '11999 ms are left and a write may need 12000; the next run takes it up' },
    })
    expect(world.calls).toEqual([])
    // Just enough.
    const lucky = new World()
    expect(
      await runIn(lucky, { owner: 'a', killSwitch: switchThat([], (index) => (index === 2 ? lucky.elapse(78_000) : undefined)) }),
    ).toMatchObject({ outcome: 'Applied' })
    // More time than the process has left.
    const late = new World()
    const result = await runIn(late, {
      owner: 'a',
      killSwitch: switchThat([], (index) => (index === 2 ? late.elapse(200_000) : undefined)),
    })
    expect(result.reason?.text).toBe('0 ms are left and a write may need 12000; the next run takes it up')
  })

  it('12: looks at the claim as well, which may be over sooner', async () => {
    const world = new World()
    const killSwitch = switchThat([], (index) => (index === 2 ? world.elapse(8_001) : undefined))
    const result = await runIn(world, { owner: 'a', killSwitch, lifeMs: 900_000, more: { claimMs: 20_000 } })
    expect(result).toMatchObject({
      outcome: 'Held',
      reason: { code: 'guard.no-time-left', text: '11999 ms are left and a write may need 12000; the next run takes it up' },
    })
    // A claim that is always too short lets nothing through.
    const short = new World()
    expect(await runIn(short, { owner: 'a', lifeMs: 900_000, more: { claimMs: 11_999 } })).toMatchObject({
      outcome: 'Held',
      reason: { code: 'guard.no-time-left' },
    })
    const enough = new World()
    expect(await runIn(enough, { owner: 'a', lifeMs: 900_000, more: { claimMs: 12_000 } })).toMatchObject({ outcome: 'Applied' })
  })

  it('needs as much time as one call and the margin take', async () => {
    const more = { callTimeoutMs: 30_000, marginMs: 5_000 }
    for (const [lifeMs, outcome] of [
      [34_999, 'Held'],
      [35_000, 'Applied'],
    ] as const) {
      const world = new World()
      expect(await runIn(world, { owner: 'a', lifeMs, more })).toMatchObject({ outcome })
    }
  })

  it('renews the claim to what is left, or as long as a claim lasts, and not when it is no use', async () => {
    for (const [lifeMs, takesMs, expected] of [
      [900_000, 8_000, start + 20_000],
      [900_000, 8_001, start + 8_001 + 20_000],
      [25_000, 9_000, start + 25_000],
      [25_000, 13_001, undefined],
    ] as const) {
      const world = new World()
      const store = storeOf(world)
      let deadline: number | undefined
      const cloud: typeof world.cloud = {
        send: async (action, request, options) => {
          deadline = (await world.ledger().get('web-1', { now: world.now }))?.holder?.deadline
          return await world.cloud.send(action, request, options)
        },
      }
      const apply: Apply = async (step, gate) => {
        world.elapse(takesMs)
        return await addNode(step, gate)
      }
      await runIn(world, { owner: 'a', apply, cloud, store, lifeMs, more: { claimMs: 20_000 } })
      expect(deadline).toBe(expected)
      // Switch, end, acquire, intent, [renew], [switch], outcome, finish.
      const calls = expected === undefined ? 6 : deadline === start + 20_000 ? 7 : 8
      expect(store.calls).toHaveLength(calls)
    }
  })

  it('passes a bug of the store on', async () => {
    const world = new World()
    const plain = openMemoryStore(world.disk)
    let puts = 0
    const store = {
      ...storeOf(world),
      put: (...given: Parameters<typeof plain.put>) => {
        puts += 1
        if (puts === 3) throw new TypeError('a bug while renewing')
        return plain.put(...given)
      },
    }
    const apply: Apply = async (step, cloud) => {
      world.elapse(15_000)
      return await addNode(step, cloud)
    }
    expect(await runIn(world, { owner: 'a', apply, store, lifeMs: 900_000, more: { claimMs: 20_000 } })).toMatchObject({
      outcome: 'Failed',
      reason: { text: 'a bug while renewing' },
    })
    expect(world.calls).toEqual([])
  })

  it('cuts a write at the end of the claim, and passes the rest of its options on', async () => {
    const world = new World()
    const seen: unknown[] = []
    const cloud: typeof world.cloud = {
      send: async (action, request, options) => {
        seen.push(options)
        return await world.cloud.send(action, request, options)
      },
    }
    const send =
      (options?: SendOptions): Apply =>
      async (step, gate) => {
        await gate.send(CountNodes, { Key: step.key }, options)
        await gate.send(AddNode, { Key: step.key }, options)
        return { outcome: 'Applied' }
      }
    await runIn(world, { owner: 'a', cloud, apply: send() }, stepOf('x'))
    await runIn(world, { owner: 'b', cloud, apply: send({ region: 'r', deadline: start + 5 }) }, stepOf('y'))
    await runIn(world, { owner: 'c', cloud, apply: send({ deadline: start + 999_999 }) }, stepOf('z'))
    expect(seen).toEqual([
      undefined,
      { deadline: start + 90_000 },
      { region: 'r', deadline: start + 5 },
      { region: 'r', deadline: start + 5 },
      { deadline: start + 999_999 },
      { deadline: start + 90_000 },
    ])
  })

  it('refuses with an error that says why, and that nothing was sent', async () => {
    const world = new World()
    let seen: unknown
    const apply: Apply = async (step, cloud) => {
      seen = await cloud.send(AddNode, { Key: step.key }).catch((error: unknown) => error)
      return { outcome: 'Failed' }
    }
    await runIn(world, { owner: 'a', apply, killSwitch: switchThat(['run', 'stop']) })
    expect(seen).toBeInstanceOf(CloudError)
    expect(seen).toMatchObject({ kind: 'cloud.not-allowed', code: 'guard.kill-switch', action: 'test.AddNode', retryable: false })
    expect((seen as Error).message).toMatch(/^test\.AddNode was not sent: the switch of this test says stop/)
    world.fates = ['lose-before']
    const twice: Apply = async (step, cloud) => {
      await cloud.send(AddNode, { Key: step.key }).catch(() => undefined)
      seen = await cloud.send(AddNode, { Key: step.key }).catch((error: unknown) => error)
      return { outcome: 'Failed' }
    }
    await runIn(world, { owner: 'b', apply: twice })
    expect(seen).toMatchObject({
      code: 'unknown-outcome',
      message: 'test.AddNode was not sent: the answer to test.AddNode was lost; nothing more is written before it is settled.',
    })
  })

  it('does not let a write pass that was asked for while another one was being lost', async () => {
    const world = new World()
    world.fates = ['lose-before']
    let isFirst = true
    const cloud: typeof world.cloud = world.cloud
    const killSwitch = {
      name: 'slow',
      read: async () => {
        // The second write waits here until the first one's answer is lost.
        if (!isFirst) await new Promise((resolve) => setTimeout(resolve, 5))
        return 'run' as const
      },
    }
    const apply: Apply = async (step, gate) => {
      const first = gate.send(AddNode, { Key: step.key })
      await Promise.resolve()
      isFirst = false
      const second = gate.send(AddNode, { Key: step.key })
      await Promise.allSettled([first, second])
      return { outcome: 'Failed', reason: { code: 'own', text: 'own' } }
    }
    expect(await runIn(world, { owner: 'a', apply, cloud, killSwitch })).toMatchObject({
      outcome: 'Held',
      reason: { code: 'unknown-outcome' },
    })
    expect(world.calls.filter((call) => call === 'AddNode')).toHaveLength(1)
  })
})

describe('a write that its function did not wait for', () => {
  it('does not go out once the step is over', async () => {
    const world = new World()
    let stray: Promise<unknown> = Promise.resolve()
    const apply: Apply = async (step, cloud) => {
      stray = new Promise((resolve) => setTimeout(resolve, 2)).then(() => cloud.send(AddNode, { Key: step.key }))
      return { outcome: 'Failed', reason: { code: 'own', text: 'own' } }
    }
    expect(await runIn(world, { owner: 'a', apply })).toMatchObject({ outcome: 'Failed' })
    await expect(stray).rejects.toMatchObject({ kind: 'cloud.not-allowed', code: 'step-over' })
    expect(world.calls).toEqual([])
    expect(await stateOf(world)).toBe('FAILED_SAFE')
  })

  it('does not go out when it was asked for before, and the step was over by the time it might', async () => {
    const world = new World()
    let stray: Promise<unknown> = Promise.resolve()
    const apply: Apply = async (step, cloud) => {
      stray = cloud.send(AddNode, { Key: step.key })
      stray.catch(() => undefined)
      return { outcome: 'NoChange' }
    }
    expect(await runIn(world, { owner: 'a', apply })).toMatchObject({ outcome: 'NoChange' })
    await expect(stray).rejects.toMatchObject({ code: 'step-over' })
    expect(world.calls).toEqual([])
  })
})

describe('what a try came to', () => {
  const conflict = (): KubeError =>
    new KubeError('cls-1: conflict', { kind: 'kube.conflict', status: 409, reason: 'Conflict', path: '/x', clusterId: 'cls-1' })

  it('is certain when the cluster refused the only write that was taken, without asking the target', async () => {
    const orders: Apply[] = [
      async (step, cloud) => {
        await cloud.send(CountNodes, { Key: step.key })
        await cloud.send(AddNode, { Key: 'forwarded' })
        throw conflict()
      },
      async (_, cloud) => {
        await cloud.send(AddNode, { Key: 'refused' }).catch(() => undefined)
        await cloud.send(AddNode, { Key: 'forwarded' })
        throw conflict()
      },
    ]
    for (const [index, apply] of orders.entries()) {
      const world = new World()
      world.fates = index === 1 ? ['reject'] : []
      expect(await runIn(world, { owner: 'a', apply, settle: null })).toMatchObject({
        outcome: 'Failed',
        reason: { code: 'kube.conflict' },
      })
      expect(await stateOf(world)).toBe('FAILED_SAFE')
    }
    // Not so when it was read meanwhile, or several were taken, or it is another kind of error.
    const others: Apply[] = [
      async (step, cloud) => {
        await cloud.send(AddNode, { Key: 'forwarded' })
        await cloud.send(CountNodes, { Key: step.key })
        throw conflict()
      },
      async (_, cloud) => {
        await cloud.send(AddNode, { Key: 'one' })
        await cloud.send(AddNode, { Key: 'two' })
        throw conflict()
      },
      async (_, cloud) => {
        await cloud.send(AddNode, { Key: 'one' })
        throw new TypeError('a bug')
      },
    ]
    for (const apply of others) {
      const world = new World()
      const result = await runIn(world, { owner: 'a', apply, settle: null })
      expect(result).toMatchObject({ outcome: 'Held', reason: { code: 'unknown-outcome' } })
      expect(result.reason?.text).toContain(
        'that cannot be told: this function cannot find it out by reading; it is not repeated before it is settled',
      )
      expect(await stateOf(world)).toBe('UNKNOWN')
    }
  })

  it('is what the function reports when all its writes were answered, and asked about when one was not', async () => {
    for (const [fates, state] of [
      [['pass', 'pass'], 'FAILED_SAFE'],
      [['pass', 'reject'], 'FAILED_SAFE'],
      [['pass', 'lose-before'], 'UNKNOWN'],
      [['reject', 'lose-before'], 'UNKNOWN'],
    ] as const) {
      const world = new World()
      world.fates = [...fates]
      const apply: Apply = async (_, cloud) => {
        await Promise.allSettled([cloud.send(AddNode, { Key: 'one' }), cloud.send(AddNode, { Key: 'two' })])
        return { outcome: 'Failed' }
      }
      await runIn(world, { owner: 'a', apply, settle: null })
      expect(await stateOf(world), fates.join()).toBe(state)
    }
  })

  it('is asked about when the function itself throws that it does not know', async () => {
    const world = new World()
    const apply: Apply = async (_, cloud) => {
      await cloud.send(AddNode, { Key: 'one' })
      throw new CloudError('test.AddNode: lost.', { kind: 'cloud.unknown-outcome', code: 'x', action: 'test.AddNode', retryable: false })
    }
    const result = await runIn(world, { owner: 'a', apply })
    expect(result).toMatchObject({ outcome: 'Held', reason: { code: 'unknown-outcome' } })
    expect(result.reason?.text).toBe(
      'whether the write arrived was not known (test.AddNode: lost.); it is not to be seen, but may still be under way; the next run looks again before it does anything',
    )
    // A read that found no answer after a write that was answered is another thing: nothing is under way.
    const other = new World()
    const reading: Apply = async (_, cloud) => {
      await cloud.send(AddNode, { Key: 'one' })
      throw new CloudError('test.CountNodes: lost.', { kind: 'cloud.timeout', code: 'x', action: 'test.CountNodes', retryable: true })
    }
    expect(await runIn(other, { owner: 'a', apply: reading })).toMatchObject({ outcome: 'Failed', reason: { code: 'cloud.timeout' } })
    expect(await stateOf(other)).toBe('FAILED_SAFE')
  })

  it('is asked about when the switch stopped it in the middle, whatever the function makes of that', async () => {
    for (const outcome of ['Applied', 'NoChange', 'Skipped', 'Failed'] as const) {
      const world = new World()
      const apply: Apply = async (_, cloud) => {
        await cloud.send(AddNode, { Key: 'one' })
        await cloud.send(AddNode, { Key: 'two' }).catch(() => undefined)
        return { outcome }
      }
      const result = await runIn(world, { owner: 'a', apply, settle: null, killSwitch: switchThat(['run', 'run', 'stop']) })
      expect(result).toMatchObject({ outcome: 'Held', reason: { code: 'unknown-outcome' } })
      expect(await stateOf(world)).toBe('UNKNOWN')
      expect(world.calls).toEqual(['AddNode'])
    }
  })

  it("has the function's own RequestId, else that of the last write that has one, else none", async () => {
    const results: [Apply, string[]][] = [
      [async (step, cloud) => ({ ...(await addNode(step, cloud)), requestId: 'own' }), ['requestId own']],
      [
        async (_, cloud) => {
          await cloud.send(AddNode, { Key: 'one' })
          await cloud.send(AddNode, { Key: 'two' })
          return { outcome: 'Applied' }
        },
        ['requestId request-2'],
      ],
      [async () => ({ outcome: 'NoChange' }), []],
      [
        async () => {
          throw new CloudError('test.CountNodes: no.', {
            kind: 'cloud.forbidden',
            code: 'x',
            action: 'test.CountNodes',
            requestId: 'of the read',
            retryable: false,
          })
        },
        ['requestId of the read'],
      ],
      [
        async (step, cloud) => {
          await addNode(step, cloud)
          throw new CloudError('test.CountNodes: no.', {
            kind: 'cloud.forbidden',
            code: 'x',
            action: 'test.CountNodes',
            requestId: 'of the read after it',
            retryable: false,
          })
        },
        ['requestId request-1'],
      ],
      [
        async () => {
          throw Object.assign(new Error('odd'), { requestId: 7, kind: 8 })
        },
        [],
      ],
    ]
    for (const [apply, expected] of results) {
      const world = new World()
      const result = await runIn(world, { owner: 'a', apply })
      expect(Object.entries(result).flatMap(([name, value]) => (name === 'requestId' ? [`${name} ${String(value)}`] : []))).toEqual(
        expected,
      )
    }
    const world = new World()
    const odd: Apply = async () => {
      throw Object.assign(new Error('odd'), { kind: 8 })
    }
    expect((await runIn(world, { owner: 'a', apply: odd })).reason).toEqual({ code: 'apply-failed', text: 'odd' })
  })

  it('has no RequestId where the platform gave none', async () => {
    for (const answer of [undefined, null, 'text', {}, { RequestId: '' }, { RequestId: 7 }]) {
      const world = new World()
      const cloud = { send: async () => answer } as unknown as typeof world.cloud
      const apply: Apply = async (step, gate) => {
        await gate.send(AddNode, { Key: step.key })
        return { outcome: 'Applied' }
      }
      expect(Object.keys(await runIn(world, { owner: 'a', apply, cloud }))).toEqual(['outcome'])
    }
    const world = new World()
    const cloud = {
      send: () => Promise.reject('a text'),
    } as unknown as typeof world.cloud
    const result: StepResult = await runIn(world, { owner: 'a', cloud, settle: async () => 'applied' })
    expect(result).toEqual({
      outcome: 'Applied',
      reason: {
        code: 'settled-applied',
        text: 'whether the write arrived was not known (something that is no error was thrown: a text); the target shows it',
      },
    })
    const silent: Apply = async (step, gate) => {
      await gate.send(AddNode, { Key: step.key }).catch(() => undefined)
      return { outcome: 'Failed' }
    }
    const unsaid = await runIn(new World(), { owner: 'a', cloud, apply: silent, settle: async () => 'unknown' })
    expect(unsaid.reason?.text).toBe(
      'whether the write arrived was not known; that cannot be told: the target does not tell; it is not repeated before it is settled',
    )
  })

  it('is saved with the reason why it could not be', async () => {
    const world = new World()
    const result = await runIn(world, { owner: 'a', store: storeOf(world, 'pass', 'pass', 'pass', 'pass', 'pass', 'pass', 'refuse') })
    expect(result.reason?.text).toBe(
      'it was done, but that could not be saved (Store: the store of this test cannot be reached.); a later run settles it and does not do it again',
    )
    const frozen = new World()
    const apply: Apply = async (step, cloud) => {
      const applied = await addNode(step, cloud)
      frozen.elapse(givenUpMs)
      await runIn(frozen, { owner: 'b' })
      return applied
    }
    expect((await runIn(frozen, { owner: 'a', apply })).reason?.text).toContain(
      '(this run took so long that another one has taken the step over)',
    )
  })
})

describe('a step that was left open', () => {
  it('before its intent is done again at once, without asking the target', async () => {
    const world = new World()
    world.readable = false
    const ports = processIn(world, { owner: 'a' })
    // A process that died right after it acquired.
    await ports.ledger.acquire({ key: 'web-1', owner: 'a', now: start, deadline: start + 1000, journalBefore: 0 })
    world.elapse(1000 + graceMs + 1)
    expect(await runIn(world, { owner: 'b' })).toMatchObject({ outcome: 'Applied' })
    expect(world.calls).toEqual(['AddNode'])
    expect((await world.journal().list({ now: world.now })).map(({ kind, attempt }) => `${kind} ${attempt}`)).toEqual([
      'intent 2',
      'outcome 2',
    ])
  })

  it('with nothing but a note of it in the journal never began either', async () => {
    const world = new World()
    world.readable = false
    const { ledger, journal } = processIn(world, { owner: 'a' })
    await ledger.acquire({ key: 'web-1', owner: 'a', now: start, deadline: start + 1000 })
    const { reason, target, before, after } = stepOf()
    await journal.append({
      kind: 'note',
      at: start,
      runId: 'r',
      function: 'alarm-scaler',
      stepKey: 'web-1',
      target,
      before,
      after,
      reason,
      attempt: 1,
    })
    world.elapse(1000 + graceMs + 1)
    expect(await runIn(world, { owner: 'b' })).toMatchObject({ outcome: 'Applied' })
    expect(world.calls).toEqual(['AddNode'])
  })

  it('is what the journal says, for better or worse, without asking the target', async () => {
    for (const [fate, outcome, calls] of [
      ['pass', 'NoChange', ['AddNode']],
      ['reject', 'Applied', ['AddNode', 'AddNode']],
    ] as const) {
      const world = new World()
      world.fates = [fate]
      await runIn(world, { owner: 'a', store: storeOf(world, 'pass', 'pass', 'pass', 'pass', 'pass', 'pass', 'refuse') })
      // Something else about it after its outcome changes nothing.
      const { reason, target, before, after } = stepOf()
      await world.journal().append({
        kind: 'note',
        at: start,
        runId: 'r',
        function: 'alarm-scaler',
        stepKey: 'web-1',
        target,
        before,
        after,
        reason,
        attempt: 1,
      })
      world.elapse(givenUpMs)
      world.readable = false
      const result = await runIn(world, { owner: 'b' })
      expect(result.outcome).toBe(outcome)
      expect(world.calls).toEqual(calls)
      if (fate === 'pass')
        expect(result.reason?.text).toBe('an earlier run has done it and could not say so: its journal says: the load is too high')
    }
  })

  it('whose answer to the intent was lost for good is left to be settled, for the intent may be there', async () => {
    for (const fate of ['lose-before', 'lose-after'] as const) {
      const world = new World()
      expect(await runIn(world, { owner: 'a', store: storeOf(world, 'pass', 'pass', 'pass', fate, 'refuse') })).toMatchObject({
        outcome: 'Held',
        reason: { code: 'store.unknown-outcome' },
      })
      expect(await stateOf(world)).toBe('STARTED')
      world.elapse(givenUpMs)
      expect(await runIn(world, { owner: 'b' })).toMatchObject({ outcome: 'Applied' })
      expect(world.effects).toHaveLength(1)
    }
  })

  it('and cannot be told is said so in the journal, once', async () => {
    const world = new World()
    await runIn(world, { owner: 'a', store: storeOf(world, 'pass', 'pass', 'pass', 'pass', 'pass', 'refuse', 'refuse') })
    world.readable = false
    for (const owner of ['b', 'c', 'd']) {
      world.elapse(givenUpMs)
      const result = await runIn(world, { owner })
      expect(result.reason?.text).toBe(
        'an earlier run began it at 2026-09-21T14:13:20.000Z, and whether it has happened cannot be told: its target cannot be read: test.CountNodes: cloud.timeout.; it is not done before somebody settles that',
      )
    }
    expect((await world.journal().list({ now: world.now })).map(({ kind, state }) => [kind, state].join(' ').trim())).toEqual([
      'intent',
      'outcome UNKNOWN',
    ])
    expect((await world.ledger().get('web-1', { now: world.now }))?.journal?.seq).toBe(2)
  })

  it('and is not to be seen yet says that it may still come', async () => {
    const world = new World()
    world.fates = ['lose-before']
    await runIn(world, { owner: 'a' })
    const { reason } = await runIn(world, { owner: 'b' })
    expect(reason?.text).toBe(
      'an earlier run began it at 2026-09-21T14:13:20.000Z, and it is not to be seen, but may still be under way; the next run looks again',
    )
  })

  it('is not done again in a pass that cannot write down that it has not happened', async () => {
    const world = new World()
    world.fates = ['lose-before']
    await runIn(world, { owner: 'a' })
    world.elapse(givenUpMs)
    // Switch, end, two puts to take over, trace, outcome, and the finish that fails.
    const store = storeOf(world, 'pass', 'pass', 'pass', 'pass', 'pass', 'pass', 'refuse')
    expect(await runIn(world, { owner: 'b', store })).toEqual({
      outcome: 'Held',
      reason: { code: 'store.unavailable', text: 'Store: the store of this test cannot be reached.' },
    })
    expect(world.effects).toEqual([])
    world.elapse(givenUpMs)
    expect(await runIn(world, { owner: 'c' })).toMatchObject({ outcome: 'Applied' })
  })

  it('and found undone, but taken by another run at once, is left to that one', async () => {
    const world = new World()
    world.fates = ['lose-before']
    await runIn(world, { owner: 'a' })
    world.elapse(givenUpMs)
    const plain = openMemoryStore(world.disk)
    let puts = 0
    const store = {
      ...storeOf(world),
      put: async (...given: Parameters<typeof plain.put>) => {
        puts += 1
        // Two to take over, outcome, finish; then somebody else comes first.
        if (puts === 5) await world.ledger().acquire({ key: 'web-1', owner: 'c', now: world.now, deadline: world.now + 1000 })
        return await plain.put(...given)
      },
    }
    expect(await runIn(world, { owner: 'b', store })).toMatchObject({ outcome: 'Held', reason: { code: 'busy' } })
    expect(world.effects).toEqual([])
  })
})

describe('7: room under a cap', () => {
  const settings = { caps: [{ amount: 1, window: { kind: 'rolling' as const, durationMs: 36_000_000 } }] }
  // With a cap the first calls are: switch, the cap's item and its taking, end of the journal, acquire, intent.

  it('goes back when the step was not begun', async () => {
    const cases: [string, (world: World) => Promise<StepResult>][] = [
      [
        'busy',
        async (world) => {
          await world.ledger().acquire({ key: 'web-1', owner: 'other', now: start, deadline: start + 1000 })
          return await runIn(world, { owner: 'a', settings })
        },
      ],
      [
        'ledger.other-content',
        async (world) => {
          await world.ledger().acquire({ key: 'web-1', owner: 'other', now: start, deadline: start + 1000, digest: 'x' })
          return await runIn(world, { owner: 'a', settings })
        },
      ],
      [
        'unknown-outcome',
        async (world) => {
          world.fates = ['lose-before']
          await runIn(world, { owner: 'other' })
          return await runIn(world, { owner: 'a', settings, settle: null })
        },
      ],
      [
        'store.unavailable',
        async (world) => {
          // The intent fails: the first put to the journal.
          const plain = storeOf(world)
          let hasFailed = false
          const store = {
            ...plain,
            put: async (...given: Parameters<typeof plain.put>) => {
              const fails = given[0].partition.startsWith('journal/') && !hasFailed
              hasFailed ||= fails
              return await (fails ? storeOf(world, 'refuse') : plain).put(...given)
            },
          }
          return await runIn(world, { owner: 'a', settings, store })
        },
      ],
    ]
    for (const [code, run] of cases) {
      const world = new World()
      expect(await run(world)).toMatchObject({ outcome: 'Held', reason: { code } })
      expect(await runIn(world, { owner: 'z', settings }, stepOf('web-9')), code).toMatchObject({ outcome: 'Applied' })
    }
  })

  it('is counted from when the change happened', async () => {
    const world = new World()
    const apply: Apply = async (step, cloud) => {
      const result = await addNode(step, cloud)
      world.elapse(50_000)
      return result
    }
    await runIn(world, { owner: 'a', settings, apply })
    world.elapse(36_000_000 - 1)
    expect(await runIn(world, { owner: 'b', settings }, stepOf('web-2'))).toMatchObject({ outcome: 'Held', reason: { code: 'guard.cap' } })
    world.elapse(50_001)
    expect(await runIn(world, { owner: 'c', settings }, stepOf('web-2'))).toMatchObject({ outcome: 'Applied' })
  })
})

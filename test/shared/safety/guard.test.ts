import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { createGuard, type Guard, type GuardAnswer, type GuardOptions, type GuardRun } from '#shared/safety/guard.ts'
import { defaultGuardSettings, type GuardSettings, guardSchema } from '#shared/safety/guard-settings.ts'
import { type KillSwitch, KillSwitchError } from '#shared/safety/kill-switch.ts'
import { setSwitch, storeKillSwitch } from '#shared/safety/kill-switch-store.ts'
import { type Store, StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore, type StoreCall } from '#shared/safety/store-memory.ts'

const now = Date.parse('2026-10-02T12:00:00+08:00')
const hourMs = 3_600_000
const schema = guardSchema(['image-cleaner', 'cron-scaler'])

const settingsOf = (section: z.input<typeof schema>): GuardSettings => z.parse(schema, section)

const running: KillSwitch = { name: 'the test switch', read: async () => 'run' }

function guardOf(section: z.input<typeof schema> = {}, options: Partial<GuardOptions> = {}): Guard {
  return createGuard({
    settings: settingsOf(section),
    store: openMemoryStore(new MemoryDisk()),
    killSwitch: running,
    function: 'image-cleaner',
    owner: 'process-1',
    ...options,
  })
}

const targets = Array.from({ length: 30 }, (_, index) => `shop/web:v${index}`)
const run: GuardRun = { mode: 'enforce', runId: 'run-1', targetsInPlan: targets }
const change = { target: 'shop/web:v0' }

const check = async (guard: Guard, more: Partial<GuardRun & { now: number; remainingMs: number; target: string; units: number }> = {}) =>
  await guard.check({ target: more.target ?? change.target, units: more.units }, { ...run, now, ...more })

function reasonOf(answer: GuardAnswer): string {
  return answer.allow ? 'allowed' : `${answer.outcome} ${answer.reason.code}: ${answer.reason.text}`
}

describe('the guard lets a change through', () => {
  it('when nothing speaks against it, without a reservation where no cap is about it', async () => {
    expect(await check(guardOf())).toEqual({ allow: true, overrides: [] })
    expect(await check(guardOf({ caps: [{ function: 'cron-scaler', amount: 0, window: 'run' }] }))).toEqual({ allow: true, overrides: [] })
  })

  it('without asking the store when there are no caps', async () => {
    const calls: StoreCall[] = []
    const store = openMemoryStore(new MemoryDisk(), { before: (call) => void calls.push(call) })
    await check(guardOf({}, { store }))
    expect(calls).toEqual([])
  })

  it('with room under every cap that is about it', async () => {
    const answer = await check(
      guardOf({
        caps: [
          { amount: 5, window: '1h' },
          { amount: 5, window: 'run', target: 'shop/**' },
          { amount: 0, window: 'run', target: 'other/**' },
        ],
      }),
    )
    expect(answer.allow && answer.reservation?.takings.map(({ window }) => window.kind)).toEqual(['rolling', 'run'])
  })
})

describe('1: without mode enforce', () => {
  it.each(['plan', 'observe', 'Enforce', '', undefined])('nothing is changed, whatever else is set: %j', async (mode) => {
    const calls: StoreCall[] = []
    const store = openMemoryStore(new MemoryDisk(), { before: (call) => void calls.push(call) })
    const killSwitch: KillSwitch = { name: 'x', read: () => Promise.reject(new Error('not to be read')) }
    const guard = guardOf({ caps: [{ amount: 5, window: '1h' }] }, { store, killSwitch })
    expect(reasonOf(await check(guard, { mode: mode as 'plan' }))).toBe(
      `Held guard.mode: the mode is ${mode}; only enforce changes anything`,
    )
    expect(calls).toEqual([])
  })
})

describe('16: the kill switch', () => {
  const saying = (read: KillSwitch['read'], why?: KillSwitch['why']): Guard =>
    guardOf(
      { caps: [{ amount: 5, window: '1h' }] },
      { killSwitch: { name: 'the test switch', read, ...(why === undefined ? {} : { why }) } },
    )

  it('holds everything when it says stop', async () => {
    expect(reasonOf(await check(saying(async () => 'stop')))).toBe('Held guard.kill-switch: the test switch says stop')
  })

  it('holds everything when it says something else, whatever its type promises', async () => {
    const guard = saying(async () => 'Run' as 'run')
    expect(reasonOf(await check(guard))).toBe('Held guard.kill-switch: the test switch says stop')
  })

  it('says who stopped it, when that is known', async () => {
    const why = saying(
      async () => 'stop',
      async () => 'stopped by ann: incident 7',
    )
    expect(reasonOf(await check(why))).toBe('Held guard.kill-switch: the test switch says stop: stopped by ann: incident 7')
    const unknown = saying(
      async () => 'stop',
      () => Promise.reject(new KillSwitchError('kill-switch.unreachable', 'gone')),
    )
    expect(reasonOf(await check(unknown))).toBe('Held guard.kill-switch: the test switch says stop')
  })

  it('holds everything when nobody knows what it says', async () => {
    for (const error of [
      new KillSwitchError('kill-switch.unreachable', 'the switch is away'),
      new TypeError('the switch is away'),
      'the switch is away',
    ]) {
      expect(reasonOf(await check(saying(() => Promise.reject(error))))).toBe(
        'Held guard.kill-switch-unreachable: nobody knows whether all is to stop, so nothing is changed: the switch is away',
      )
    }
  })

  it('counts an unknown value as stop', async () => {
    const guard = saying(() => Promise.reject(new KillSwitchError('kill-switch.unknown-value', 'it says neither')))
    expect(reasonOf(await check(guard))).toBe('Held guard.kill-switch: it says neither')
  })

  it('is asked with the time at that moment, and again before each write', async () => {
    const asked: number[] = []
    const guard = saying(async (at) => {
      asked.push(at)
      return asked.length === 1 ? 'run' : 'stop'
    })
    expect((await check(guard)).allow).toBe(true)
    expect(await guard.whyNotNow({ now: now + 1 })).toEqual({ code: 'guard.kill-switch', text: 'the test switch says stop' })
    expect(asked).toEqual([now, now + 1])
  })

  it('stops before the next write, flipped at any moment among the calls of two processes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.nat(30), async (scheduler, flipAfter) => {
        const disk = new MemoryDisk()
        const hooks = {
          before: async () => {
            await scheduler.schedule(Promise.resolve())
          },
        }
        let isStopped = false
        const written: boolean[] = []
        const process = async (owner: string): Promise<void> => {
          const store = openMemoryStore(disk, hooks)
          const own = guardOf({ caps: [{ amount: 50, window: '1h' }] }, { store, killSwitch: storeKillSwitch(store), owner })
          for (let index = 0; index < 4; index += 1) {
            const answer = await check(own)
            const wasStopped = isStopped
            if (!answer.allow || (await own.whyNotNow({ now })) !== undefined) continue
            // Whatever was read after the flip was complete must have said stop.
            written.push(wasStopped)
          }
        }
        const flip = async (): Promise<void> => {
          for (let turn = 0; turn < flipAfter; turn += 1) await scheduler.schedule(Promise.resolve())
          await setSwitch(openMemoryStore(disk), { state: 'stop', by: 'ann', reason: 'x', now })
          isStopped = true
        }
        await scheduler.waitFor(Promise.all([process('one'), process('two'), flip()]))
        expect(written).not.toContain(true)
        const after = openMemoryStore(disk)
        expect((await check(guardOf({}, { store: after, killSwitch: storeKillSwitch(after) }))).allow).toBe(false)
      }),
      { seed: 16, numRuns: 150 },
    )
  })
})

describe('17: freeze windows', () => {
  const golden = { name: 'golden-week', kind: 'deny', schedule: '0 0 0 1 10 *', duration: '7d', timeZone: 'Asia/Shanghai' } as const
  const nights = { name: 'nights', kind: 'allow', schedule: '0 0 22 * * *', duration: '8h', timeZone: 'Asia/Shanghai' } as const

  it('hold while a deny window is active', async () => {
    expect(reasonOf(await check(guardOf({ freeze: [golden] })))).toBe(
      'Held guard.freeze-window: freeze window "golden-week" forbids changes until Thu 2026-10-08 00:00:00 Asia/Shanghai',
    )
    expect((await check(guardOf({ freeze: [golden] }), { now: now + 6 * 24 * hourMs })).allow).toBe(true)
    expect((await check(guardOf({ freeze: [{ ...golden, functions: ['cron-scaler'] }] }))).allow).toBe(true)
  })

  it('hold outside of all allow windows', async () => {
    expect(reasonOf(await check(guardOf({ freeze: [nights] })))).toBe(
      'Held guard.outside-windows: changes are allowed within "nights" only, and "nights" opens at Fri 2026-10-02 22:00:00 Asia/Shanghai',
    )
    expect((await check(guardOf({ freeze: [nights] }), { now: now + 10 * hourMs })).allow).toBe(true)
  })

  it('give way to an override, which is reported to be journaled', async () => {
    const override = { window: 'golden-week', until: '2026-10-02T13:00+08:00', by: 'ann', reason: 'incident 7' }
    const guard = guardOf({ freeze: [golden], overrides: [override], caps: [{ amount: 1, window: 'run' }] })
    const answer = await check(guard)
    expect(answer).toMatchObject({
      allow: true,
      overrides: [{ window: 'golden-week', until: now + hourMs, by: 'ann', reason: 'incident 7' }],
    })
    expect(await guard.whyNotNow({ now: now + hourMs - 1 })).toBeUndefined()
    expect(await guard.whyNotNow({ now: now + hourMs })).toMatchObject({ code: 'guard.freeze-window' })
    expect(reasonOf(await check(guard, { now: now + hourMs }))).toMatch(/^Held guard\.freeze-window: /)
  })

  it('are closed right before a write where only an override opens them that is not in the journal', async () => {
    const overrides = ['golden-week', 'nights'].map((name) => ({ window: name, until: '2026-10-02T13:00+08:00', by: 'ann', reason: 'r' }))
    const guard = guardOf({ freeze: [golden, nights], overrides })
    const answer = await check(guard)
    if (!answer.allow) throw new Error('it was not allowed')
    expect(answer.overrides.map(({ window }) => window)).toEqual(['golden-week', 'nights'])
    for (const journaled of [undefined, answer.overrides, [...answer.overrides].reverse()]) {
      expect(guard.whyFrozen(now, journaled)).toBeUndefined()
      expect(await guard.whyNotNow({ now }, journaled)).toBeUndefined()
    }
    for (const [journaled, missing] of [
      [[], 'golden-week'],
      [answer.overrides.slice(0, 1), 'nights'],
      [answer.overrides.slice(1), 'golden-week'],
    ] as const) {
      const why = {
        code: 'guard.freeze-window',
        text: `the state of the window "${missing}" has changed meanwhile; ann has set it aside, which must be written down before anything is changed, so the next run takes it up`,
      }
      expect(guard.whyFrozen(now, journaled)).toEqual(why)
      expect(await guard.whyNotNow({ now }, journaled)).toEqual(why)
    }
  })
})

describe('the protect list', () => {
  it('holds a protected target and names the glob', async () => {
    const guard = guardOf({ protect: ['prod/**', 'shop/web:*'] })
    expect(reasonOf(await check(guard))).toBe('Held guard.protected: shop/web:v0 is protected by "shop/web:*"')
    expect((await check(guard, { target: 'shop/api:v0' })).allow).toBe(true)
  })
})

describe('7: caps', () => {
  it('say their figures when they hold', async () => {
    const guard = guardOf({ caps: [{ amount: 20, window: '1h' }] })
    for (let index = 0; index < 20; index += 1) {
      const answer = await check(guard)
      if (answer.allow && answer.reservation !== undefined) await guard.confirm(answer.reservation, { now })
    }
    expect(reasonOf(await check(guard, { now: now + 60_000 }))).toBe(
      'Held guard.cap: cap 20 per 1h: 20 used, oldest leaves at Fri 2026-10-02 05:00:00 UTC',
    )
    expect(reasonOf(await check(guard, { now: now + hourMs - 1, units: 3 }))).toBe(
      'Held guard.cap: cap 20 per 1h: 20 used, this change counts 3, oldest leaves at Fri 2026-10-02 05:00:00 UTC',
    )
    expect((await check(guard, { now: now + hourMs })).allow).toBe(true)
  })

  it('say from when on there is room, where that is later than the oldest leaves', async () => {
    const guard = guardOf({
      caps: [
        { amount: 3, window: 'day', timeZone: 'Asia/Shanghai' },
        { amount: 2, window: '1h' },
      ],
    })
    for (const at of [now, now + 60_000]) {
      const answer = await check(guard, { now: at })
      if (answer.allow && answer.reservation !== undefined) await guard.confirm(answer.reservation, { now: at })
    }
    expect(reasonOf(await check(guard, { now: now + 60_000, units: 2 }))).toBe(
      'Held guard.cap: cap 3 per day in Asia/Shanghai: 2 used, this change counts 2, oldest leaves at Sat 2026-10-03 00:00:00 Asia/Shanghai',
    )
    expect(reasonOf(await check(guard, { now: now + hourMs - 1, units: 1 }))).toMatch(
      /^Held guard\.cap: cap 2 per 1h: 2 used, oldest leaves/,
    )
    const hourly = guardOf({ caps: [{ amount: 2, window: '1h' }] })
    for (const at of [now, now + 60_000]) {
      const answer = await check(hourly, { now: at })
      if (answer.allow && answer.reservation !== undefined) await hourly.confirm(answer.reservation, { now: at })
    }
    expect(reasonOf(await check(hourly, { now: now + 60_000, units: 2 }))).toBe(
      'Held guard.cap: cap 2 per 1h: 2 used, this change counts 2, oldest leaves at Fri 2026-10-02 05:00:00 UTC, room from Fri 2026-10-02 05:01:00 UTC',
    )
  })

  it('of 0 mean nothing, in amount and in percent', async () => {
    expect(reasonOf(await check(guardOf({ caps: [{ amount: 0, window: '1h' }] })))).toBe(
      'Held guard.cap: cap 0 per 1h: nothing may be changed',
    )
    expect(reasonOf(await check(guardOf({ caps: [{ function: 'image-cleaner', percent: 0, window: 'run' }] })))).toBe(
      'Held guard.cap: cap 0 % of 30 targets (0) per run of image-cleaner: nothing may be changed',
    )
  })

  it('in percent are of the distinct targets of the plan that the cap is about, rounded down', async () => {
    const percent = (value: number, target?: string) =>
      guardOf({ caps: [{ function: 'image-cleaner', percent: value, window: 'run', ...(target === undefined ? {} : { target }) }] })
    const allowed = async (guard: Guard, targetsInPlan: readonly string[], target = 'shop/web:v0'): Promise<number> => {
      let count = 0
      while (count < 100 && (await check(guard, { targetsInPlan, target })).allow) count += 1
      return count
    }
    expect(await allowed(percent(10), targets)).toBe(3)
    expect(await allowed(percent(10), targets.slice(0, 29))).toBe(2)
    expect(await allowed(percent(10), [...targets.slice(0, 29), ...targets.slice(0, 29)])).toBe(2)
    expect(await allowed(percent(10), targets.slice(0, 9))).toBe(0)
    expect(await allowed(percent(100), targets)).toBe(30)
    expect(await allowed(percent(100), [])).toBe(0)
    // v1, v10 to v19
    expect(await allowed(percent(20, 'shop/web:v1*'), targets, 'shop/web:v1')).toBe(2)
    expect(await allowed(percent(20, 'shop/web:v1*'), targets)).toBe(100)
    const own = percent(20, 'shop/web:v0')
    expect(await allowed(own, ['shop/web:v0', ...targets])).toBe(0)
  })

  it('refuse a change that counts more than the whole cap', async () => {
    expect(reasonOf(await check(guardOf({ caps: [{ amount: 3, window: 'run' }] }), { units: 4 }))).toBe(
      'Held guard.cap: cap 3 per run: this change counts 4, more than the whole cap',
    )
  })

  it('per run say nothing of a time at which there is room', async () => {
    const guard = guardOf({ caps: [{ amount: 1, window: 'run' }] })
    await check(guard)
    expect(reasonOf(await check(guard))).toBe('Held guard.cap: cap 1 per run: 1 used')
    expect((await check(guard, { runId: 'run-2' })).allow).toBe(true)
  })

  it('of a function count its changes only, those of none the changes of all together', async () => {
    const store = openMemoryStore(new MemoryDisk())
    const caps = [
      { function: 'image-cleaner', amount: 2, window: '1h' },
      { amount: 3, window: '1h' },
    ] as const
    const cleaner = guardOf({ caps: [...caps] }, { store })
    const scaler = guardOf({ caps: [...caps] }, { store, function: 'cron-scaler', owner: 'process-2' })
    const answers: string[] = []
    for (const guard of [cleaner, cleaner, cleaner, scaler, scaler]) answers.push(reasonOf(await check(guard)).replace(/, oldest.*/, ''))
    expect(answers).toEqual([
      'allowed',
      'allowed',
      'Held guard.cap: cap 2 per 1h of image-cleaner: 2 used',
      'allowed',
      'Held guard.cap: cap 3 per 1h: 3 used',
    ])
  })

  it('keep what is used when their size is changed', async () => {
    const store = openMemoryStore(new MemoryDisk())
    const of = (amount: number) => guardOf({ caps: [{ amount, window: '1h' }] }, { store, owner: `process-${amount}` })
    for (let index = 0; index < 3; index += 1) expect((await check(of(3))).allow).toBe(true)
    expect(reasonOf(await check(of(2)))).toBe('Held guard.cap: cap 2 per 1h: 3 used, oldest leaves by Fri 2026-10-02 05:00:12 UTC')
    expect((await check(of(4))).allow).toBe(true)
  })

  it('leave out what counts nothing, such as a record that is kept: also where nothing may be changed, and where the store is away', async () => {
    const guard = guardOf({ caps: [{ amount: 1, window: '1h' }] }, { store: openMemoryStore(new MemoryDisk()) })
    for (let index = 0; index < 3; index += 1) expect(await check(guard, { units: 0 })).toEqual({ allow: true, overrides: [] })
    expect((await check(guard)).allow).toBe(true)
    expect((await check(guard, { units: 0 })).allow).toBe(true)
    expect((await check(guardOf({ caps: [{ amount: 0, window: '1h' }] }), { units: 0 })).allow).toBe(true)
    const store = openMemoryStore(new MemoryDisk(), {
      before: () => {
        throw new StoreError('store.unavailable', 'the store is away')
      },
    })
    expect((await check(guardOf({ caps: [{ amount: 5, window: '1h' }] }, { store }), { units: 0 })).allow).toBe(true)
  })

  it('hold everything when the store does not say how much is used', async () => {
    const store = openMemoryStore(new MemoryDisk(), {
      before: () => {
        throw new StoreError('store.unavailable', 'the store is away')
      },
    })
    const guard = guardOf({ caps: [{ amount: 5, window: '1h' }] }, { store })
    expect(reasonOf(await check(guard))).toBe('Held guard.cap-unknown: how much of the caps is used cannot be told: the store is away')
    expect(reasonOf(await check(guard, { remainingMs: 0 }))).toMatch(/^Held guard\.cap-unknown/)
  })

  it('let no bug pass for an answer', async () => {
    const store: Store = { ...openMemoryStore(new MemoryDisk()), get: () => Promise.reject(new TypeError('a bug')) }
    await expect(check(guardOf({ caps: [{ amount: 5, window: '1h' }] }, { store }))).rejects.toThrow('a bug')
    for (const units of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      await expect(check(guardOf(), { units })).rejects.toThrow(
        new RangeError(`guard: shop/web:v0 counts ${units} units; count whole ones, from 0 on`),
      )
    }
    const why = () => Promise.reject(new TypeError('another bug'))
    await expect(check(guardOf({}, { killSwitch: { name: 'x', read: async () => 'stop', why } }))).rejects.toThrow('another bug')
  })

  it('count the targets of a plan once per cap, however many changes it has', async () => {
    let counts = 0
    const plan: string[] = Object.assign([...targets], {
      *[Symbol.iterator](): Generator<string> {
        counts += 1
        yield* targets
      },
    })
    const percent = (value: number, target: string) => ({ function: 'image-cleaner', percent: value, window: 'run', target }) as const
    const guard = guardOf({ caps: [percent(100, '**'), percent(50, 'shop/**')] })
    for (let index = 0; index < 10; index += 1) expect((await check(guard, { targetsInPlan: plan })).allow).toBe(true)
    expect(counts).toBe(2)
    // Another plan is counted anew.
    expect(reasonOf(await check(guard, { runId: 'run-2', targetsInPlan: ['shop/web:v0'] }))).toBe(
      'Held guard.cap: cap 50 % of 1 target (0) per run of image-cleaner on shop/**: nothing may be changed',
    )
  })

  it('are given back by a release, through the run’s own view as well', async () => {
    const guard = guardOf({ caps: [{ amount: 1, window: '1h' }] }).forRun(run)
    const answer = await guard.check(change, { now, remainingMs: 60_000 })
    if (!answer.allow || answer.reservation === undefined) throw new Error('it was not allowed')
    expect(reasonOf(await guard.check(change, { now }))).toMatch(/^Held guard\.cap/)
    await guard.release(answer.reservation, { now })
    const again = await guard.check(change, { now })
    if (!again.allow || again.reservation === undefined) throw new Error('it was not allowed')
    await guard.confirm(again.reservation, { now })
    await guard.release(again.reservation, { now })
    expect(reasonOf(await guard.check(change, { now }))).toMatch(/^Held guard\.cap/)
  })
})

describe('12: remaining time', () => {
  const guard = guardOf({ caps: [{ amount: 1, window: '1h' }] }, { callTimeoutMs: 5_000, marginMs: 500 })

  it.each([
    [5_499, 'Held guard.no-time-left: 5499 ms are left and a call with its margin may need 5500 ms; the next run takes it up'],
    [0, 'Held guard.no-time-left: 0 ms are left and a call with its margin may need 5500 ms; the next run takes it up'],
    [-3, 'Held guard.no-time-left: 0 ms are left and a call with its margin may need 5500 ms; the next run takes it up'],
    [Number.NaN, 'Held guard.no-time-left: an unknown time is left and a call with its margin may need 5500 ms; the next run takes it up'],
  ])('of %d ms is too little, and no room is taken for it', async (remainingMs, text) => {
    expect(reasonOf(await check(guard, { remainingMs }))).toBe(text)
    expect(await guard.whyNotNow({ now, remainingMs })).toMatchObject({ code: 'guard.no-time-left' })
  })

  it('of exactly what is needed is enough, and so is no limit', async () => {
    expect(await guard.whyNotNow({ now, remainingMs: 5_500 })).toBeUndefined()
    expect(await guard.whyNotNow({ now })).toBeUndefined()
    expect(await guard.whyNotNow({ now, remainingMs: Number.POSITIVE_INFINITY })).toBeUndefined()
    expect((await check(guard, { remainingMs: 5_500 })).allow).toBe(true)
  })

  it('needs 12 s where nothing else is said', async () => {
    const plain = guardOf()
    expect(await plain.whyNotNow({ now, remainingMs: 11_999 })).toMatchObject({ code: 'guard.no-time-left' })
    expect(await plain.whyNotNow({ now, remainingMs: 12_000 })).toBeUndefined()
  })
})

describe('the guard asks in its order', () => {
  it('mode, kill switch, freeze windows, protect list, caps, remaining time', async () => {
    let isStopped = true
    const everything = {
      freeze: [{ name: 'w', kind: 'deny', schedule: '0 0 12 * * *', duration: '1m', timeZone: 'Asia/Shanghai' }],
      protect: ['shop/web:v0'],
      caps: [{ amount: 0, window: 'run' }],
    } as const
    const guard = guardOf(everything as unknown as z.input<typeof schema>, {
      killSwitch: { name: 'x', read: async () => (isStopped ? 'stop' : 'run') },
    })
    const codes: string[] = []
    const note = async (more: Parameters<typeof check>[1]): Promise<void> => {
      const answer = await check(guard, { remainingMs: 0, ...more })
      codes.push(answer.allow ? 'allowed' : answer.reason.code)
    }
    await note({ mode: 'plan' })
    await note({})
    isStopped = false
    await note({})
    await note({ now: now + 60_000 })
    await note({ now: now + 60_000, target: 'shop/web:v1' })
    const last = guardOf({ caps: [{ amount: 1, window: 'run' }] })
    codes.push(reasonOf(await check(last, { remainingMs: 0 })).split(/[ :]/)[1] ?? '')
    expect(codes).toEqual(['guard.mode', 'guard.kill-switch', 'guard.freeze-window', 'guard.protected', 'guard.cap', 'guard.no-time-left'])
  })
})

describe('7: whatever is configured', () => {
  it('two guards on one store never let more through than any cap, and every refusal has its reason', async () => {
    const cap = fc.record({
      function: fc.constant('image-cleaner'),
      target: fc.constantFrom(undefined, 'shop/**', 'shop/web:v?'),
      amount: fc.option(fc.nat(6), { nil: undefined }),
      percent: fc.constantFrom(0, 5, 33.33, 100),
      window: fc.constantFrom('run', 'day', '1m', '1h'),
    })
    const steps = fc.array(
      fc.record({
        guard: fc.nat(1),
        target: fc.constantFrom(...targets, 'other/1'),
        run: fc.nat(1),
        moveMs: fc.oneof(fc.constant(0), fc.nat(60_000), fc.nat(2 * hourMs), fc.integer({ min: -hourMs, max: 0 })),
        mode: fc.constantFrom<'enforce' | 'enforce' | 'enforce' | 'plan'>('enforce', 'enforce', 'enforce', 'plan'),
        releases: fc.boolean(),
      }),
      { maxLength: 40 },
    )
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(cap, { maxLength: 3, selector: ({ target, window }) => `${target} ${window}` }),
        fc.integer({ min: 0, max: 31 }),
        steps,
        async (caps, planSize, sequence) => {
          const section = {
            caps: caps.map(({ target, amount, window, ...rest }) => ({
              ...rest,
              window,
              ...(target === undefined ? {} : { target }),
              ...(amount === undefined ? {} : { amount }),
              ...(window === 'day' ? { timeZone: 'Asia/Shanghai' } : {}),
            })),
          } as z.input<typeof schema>
          const disk = new MemoryDisk()
          const guards = [1, 2].map((index) => guardOf(section, { store: openMemoryStore(disk), owner: `process-${index}` }))
          const plan = targets.slice(0, planSize)
          const effects: { at: number; target: string; runId: string }[] = []
          let clock = now
          for (const { guard: index, target, run: runNumber, moveMs, mode, releases } of sequence) {
            clock = Math.max(clock + moveMs, now - hourMs)
            const guard = guards[index] as Guard
            const runId = `run-${runNumber}`
            const answer = await guard.check({ target }, { mode, runId, targetsInPlan: plan, now: clock })
            if (!answer.allow) {
              expect(answer.reason.code).toBe(mode === 'plan' ? 'guard.mode' : 'guard.cap')
              expect(answer.reason.text).not.toBe('')
              continue
            }
            expect(mode).toBe('enforce')
            if (answer.reservation !== undefined && releases) await guard.release(answer.reservation, { now: clock })
            else {
              effects.push({ at: clock, target, runId })
              if (answer.reservation !== undefined) await guard.confirm(answer.reservation, { now: clock })
            }
          }
          const matches = (pattern: string | undefined, target: string): boolean =>
            pattern === undefined || (pattern === 'shop/**' ? target.startsWith('shop/') : /^shop\/web:v.$/.test(target))
          const dayOf = (at: number): number => Math.floor((at + 8 * hourMs) / (24 * hourMs))
          for (const { target: pattern, amount, percent, window } of caps) {
            const about = plan.filter((target) => matches(pattern, target)).length
            const limit = Math.min(amount ?? Number.POSITIVE_INFINITY, Math.floor((Math.round(percent * 100) * about) / 10_000))
            const counted = effects.filter(({ target }) => matches(pattern, target))
            for (const last of counted) {
              const within = counted.filter(({ at, runId }) => {
                if (window === 'run') return runId === last.runId
                if (window === 'day') return dayOf(at) === dayOf(last.at)
                return at <= last.at && at > last.at - (window === '1m' ? 60_000 : hourMs)
              })
              expect(within.length).toBeLessThanOrEqual(limit)
            }
          }
        },
      ),
      { seed: 77, numRuns: 300 },
    )
  })

  it('the default settings hold nothing back but by the kill switch', async () => {
    expect(settingsOf({})).toEqual(defaultGuardSettings)
    const guard = createGuard({
      settings: defaultGuardSettings,
      store: openMemoryStore(new MemoryDisk()),
      killSwitch: running,
      function: 'cron-scaler',
      owner: 'x',
    })
    expect((await check(guard)).allow).toBe(true)
  })
})

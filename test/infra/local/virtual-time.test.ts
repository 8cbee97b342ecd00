import { describe, expect, it } from 'vitest'
import { createVirtualTime, type Wall } from '#infra/local/virtual-time.ts'

const start = Date.UTC(2026, 10, 24, 8)
const minuteMs = 60_000

/** A wall whose time passes only when it is told to. */
function stillWall() {
  let nowMs = 0
  const timers = new Set<{ readonly at: number; readonly run: () => void }>()
  const wall: Wall = {
    now: () => nowMs,
    monotonic: () => nowMs,
    after: (ms, run) => {
      const timer = { at: nowMs + ms, run }
      timers.add(timer)
      return () => timers.delete(timer)
    },
  }
  return {
    wall,
    timers,
    pass: async (ms: number) => {
      const until = nowMs + ms
      for (;;) {
        await atRest()
        const next = [...timers].sort((one, other) => one.at - other.at).find(({ at }) => at <= until)
        if (next === undefined) break
        nowMs = Math.max(nowMs, next.at)
        timers.delete(next)
        next.run()
      }
      nowMs = until
      await atRest()
    },
  }
}

async function atRest(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

describe('virtual time', () => {
  it('goes straight to what is waited for, in order, without a limit', async () => {
    const time = createVirtualTime({ startMs: start, speed: Number.POSITIVE_INFINITY, wall: stillWall().wall })
    const seen: string[] = []
    const actor = (name: string, everyMs: number, count: number) =>
      time.work(async () => {
        for (let turn = 0; turn < count; turn += 1) {
          await time.sleep(everyMs)
          seen.push(`${name} ${time.now() - start}`)
        }
      })
    await Promise.all([actor('slow', 10 * minuteMs, 2), actor('fast', 6 * minuteMs, 3)])
    expect(seen).toEqual(['fast 360000', 'slow 600000', 'fast 720000', 'fast 1080000', 'slow 1200000'])
  })

  it('does not go on while anybody works, also in the middle of the wait of another', async () => {
    const time = createVirtualTime({ startMs: start, speed: Number.POSITIVE_INFINITY, wall: stillWall().wall })
    const call = Promise.withResolvers<void>()
    const worker = time.work(async () => await call.promise)
    const waiter = time.work(async () => await time.sleep(minuteMs))
    await atRest()
    expect(time.now()).toBe(start)
    call.resolve()
    await Promise.all([worker, waiter])
    expect(time.now()).toBe(start + minuteMs)
  })

  it('a wait of somebody who is not at work holds nothing, and does not count for an end of work either', async () => {
    const time = createVirtualTime({ startMs: start, speed: Number.POSITIVE_INFINITY, wall: stillWall().wall })
    const call = Promise.withResolvers<void>()
    const worker = time.work(async () => await call.promise)
    const onlooker = time.sleep(minuteMs)
    await atRest()
    expect(time.now()).toBe(start)
    call.resolve()
    await worker
    await onlooker
    expect(time.now()).toBe(start + minuteMs)
  })

  it('keeps the speed: a minute at 600 takes a tenth of a second', async () => {
    const { wall, pass } = stillWall()
    const time = createVirtualTime({ startMs: start, speed: 600, wall })
    let ticks = 0
    void time.work(async () => {
      for (;;) {
        await time.sleep(minuteMs - ((time.now() - start) % minuteMs))
        ticks += 1
      }
    })
    await pass(99)
    expect(ticks).toBe(0)
    await pass(1)
    expect(ticks).toBe(1)
    await pass(900)
    expect(ticks).toBe(10)
    expect(time.now()).toBe(start + 10 * minuteMs)
    expect(time.pace()).toEqual({ virtualMs: 10 * minuteMs, wallMs: 1000 })
    time.close()
  })

  it('catches up after work, leaves out nothing, and says once that it is behind', async () => {
    const { wall, pass } = stillWall()
    const told: number[] = []
    const time = createVirtualTime({ startMs: start, speed: 600, wall, onBehind: (reached) => told.push(Math.round(reached)) })
    const ticks: number[] = []
    const call = Promise.withResolvers<void>()
    void time.work(async () => {
      for (let turn = 0; turn < 200; turn += 1) {
        await time.sleep(minuteMs)
        ticks.push(Math.round((time.now() - start) / minuteMs))
        if (turn === 9) await call.promise
      }
    })
    await pass(1000)
    expect(ticks).toHaveLength(10)
    await pass(9000)
    expect(ticks).toHaveLength(10)
    expect(time.now()).toBe(start + 10 * minuteMs + 9000)
    call.resolve()
    for (let turn = 0; turn < 100; turn += 1) await atRest()
    expect(ticks).toHaveLength(99)
    expect(told).toEqual([61])
    time.close()
  })

  it('does not run after what the machine has slept through', async () => {
    const { wall, pass } = stillWall()
    const time = createVirtualTime({ startMs: start, speed: 600, wall })
    const call = Promise.withResolvers<void>()
    let ticks = 0
    void time.work(async () => {
      for (;;) {
        await time.sleep(minuteMs)
        ticks += 1
        if (ticks === 1) await call.promise
      }
    })
    await pass(100)
    await pass(3_600_000)
    call.resolve()
    for (let turn = 0; turn < 20; turn += 1) await atRest()
    expect(ticks).toBeLessThan(4)
    time.close()
  })

  it('at speed 1 it is the time of the wall', async () => {
    const { wall, pass } = stillWall()
    const time = createVirtualTime({ startMs: start, speed: 1, wall })
    let isOver = false
    void time.sleep(minuteMs).then(() => {
      isOver = true
    })
    await pass(minuteMs - 1)
    expect(isOver).toBe(false)
    await pass(1)
    expect(isOver).toBe(true)
    expect(time.now()).toBe(start + minuteMs)
  })

  it('whoever sleeps is woken when the clock is moved by hand, and nothing moves while it is frozen', async () => {
    const { wall, pass, timers } = stillWall()
    const time = createVirtualTime({ startMs: start, speed: Number.POSITIVE_INFINITY, wall })
    time.clock.freeze()
    const woken: number[] = []
    void time.work(async () => {
      for (;;) {
        await time.sleep(10 * minuteMs)
        woken.push(time.now() - start)
      }
    })
    await pass(minuteMs)
    expect(woken).toEqual([])
    expect(timers.size).toBe(0)
    time.clock.move(minuteMs)
    await atRest()
    expect(woken).toEqual([minuteMs])
    time.clock.set(start - minuteMs)
    await atRest()
    expect(woken).toEqual([minuteMs, -minuteMs])
    time.close()
  })

  it('ends a wait early when told to, and waits for nothing when it was told before; once closed it wakes nobody else', async () => {
    const { wall, pass, timers } = stillWall()
    const time = createVirtualTime({ startMs: start, speed: 1, wall })
    const stop = new AbortController()
    let isWoken = false
    void time.sleep(minuteMs).then(() => {
      isWoken = true
    })
    const waiting = time.work(async () => await time.sleep(minuteMs, stop.signal))
    await atRest()
    time.close()
    stop.abort()
    await waiting
    await time.sleep(minuteMs, stop.signal)
    await pass(2 * minuteMs)
    expect({ isWoken, timers: timers.size }).toEqual({ isWoken: false, timers: 0 })
  })

  it('waits of one actor side by side count once', async () => {
    const time = createVirtualTime({ startMs: start, speed: Number.POSITIVE_INFINITY, wall: stillWall().wall })
    const call = Promise.withResolvers<void>()
    const worker = time.work(async () => await call.promise)
    const twice = time.work(async () => await Promise.all([time.sleep(minuteMs), time.sleep(2 * minuteMs)]))
    await atRest()
    expect(time.now()).toBe(start)
    call.resolve()
    await Promise.all([worker, twice])
    expect(time.now()).toBe(start + 2 * minuteMs)
  })

  it('has a time that never goes back, over all that was gone over and whatever is done to the clock', async () => {
    const { wall, pass } = stillWall()
    const time = createVirtualTime({ startMs: start, speed: Number.POSITIVE_INFINITY, wall })
    await time.sleep(10 * minuteMs)
    expect(time.monotonic()).toBe(10 * minuteMs)
    time.clock.move(-60 * minuteMs)
    await pass(500)
    expect(time.monotonic()).toBe(10 * minuteMs + 500)
    await time.sleep(minuteMs)
    expect(time.monotonic()).toBe(11 * minuteMs + 500)
  })

  it('refuses a speed that is none', () => {
    expect(() => createVirtualTime({ speed: 0 })).toThrow('a speed of 0 is slower')
    expect(() => createVirtualTime({ speed: Number.NaN })).toThrow(RangeError)
  })
})

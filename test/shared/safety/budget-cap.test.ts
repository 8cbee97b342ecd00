import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseGlob } from '#shared/pure/glob.ts'
import {
  type Cap,
  type CapWindow,
  capId,
  capText,
  countTargets,
  forgottenAt,
  isAbout,
  limitOf,
  roomAhead,
  stampOf,
  type Usage,
  usedUnits,
  withoutTaking,
  withTaking,
} from '#shared/safety/cap.ts'

const minuteMs = 60_000
const hourMs = 3_600_000
const dayMs = 86_400_000
const now = Date.UTC(2026, 2, 1, 8)
const run: CapWindow = { kind: 'run' }
const hour: CapWindow = { kind: 'rolling', durationMs: hourMs }
const day: CapWindow = { kind: 'day', timeZone: 'Asia/Shanghai' }

function glob(pattern: string) {
  const parsed = parseGlob(pattern)
  if (!parsed.ok) throw new Error(parsed.error)
  return parsed.value
}

describe('7: what a cap comes to', () => {
  it.each<[Partial<Cap>, number, number]>([
    [{ amount: 0 }, 100, 0],
    [{ amount: 1 }, 0, 1],
    [{ amount: 1_000_000 }, 3, 1_000_000],
    [{ percent: 0 }, 1_000, 0],
    [{ percent: 100 }, 7, 7],
    [{ percent: 100 }, 0, 0],
    [{ percent: 10 }, 9, 0],
    [{ percent: 10 }, 10, 1],
    [{ percent: 10 }, 19, 1],
    [{ percent: 99.99 }, 10_000, 9_999],
    [{ percent: 99.99 }, 9_999, 9_998],
    [{ percent: 0.01 }, 9_999, 0],
    [{ percent: 0.01 }, 10_000, 1],
    [{ percent: 0.57 }, 10_000, 57],
    [{ percent: 1.1 }, 1_000, 11],
    [{ percent: 33.33 }, 3, 0],
    [{ amount: 3, percent: 50 }, 10, 3],
    [{ amount: 5, percent: 50 }, 10, 5],
    [{ amount: 6, percent: 50 }, 10, 5],
    [{ amount: 0, percent: 100 }, 10, 0],
    [{ amount: 10, percent: 0 }, 10, 0],
    [{}, 10, 0],
  ])('%j of %d targets is %d', (size, targets, limit) => {
    expect(limitOf({ ...size, window: run }, targets)).toBe(limit)
  })

  it('is the floor of the exact share, for any percentage and any number of targets', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000 }), fc.nat(5_000_000), (hundredths, targets) => {
        const limit = limitOf({ percent: hundredths / 100, window: run }, targets)
        expect(limit).toBe(Number((BigInt(hundredths) * BigInt(targets)) / 10_000n))
      }),
      { seed: 7, numRuns: 2_000 },
    )
  })

  it('counts the distinct targets that the glob fits', () => {
    const targets = new Set(['a/1', 'a/2', 'b/1'])
    expect(countTargets({ window: run }, targets)).toBe(3)
    expect(countTargets({ window: run, target: glob('a/*') }, targets)).toBe(2)
    expect(countTargets({ window: run, target: glob('c/*') }, targets)).toBe(0)
  })

  it('is about the changes of its function and its targets', () => {
    const cap: Cap = { function: 'f', target: glob('a/*'), amount: 1, window: run }
    expect(isAbout(cap, 'f', 'a/1')).toBe(true)
    expect(isAbout(cap, 'g', 'a/1')).toBe(false)
    expect(isAbout(cap, 'f', 'b/1')).toBe(false)
    expect(isAbout({ amount: 1, window: run }, 'g', 'b/1')).toBe(true)
  })

  it.each<[Cap, string]>([
    [{ amount: 20, window: hour }, 'cap 20 per 1h'],
    [{ amount: 0, window: run }, 'cap 0 per run'],
    [{ amount: 5, window: day, function: 'f' }, 'cap 5 per day in Asia/Shanghai of f'],
    [{ percent: 10, window: run, function: 'f', target: glob('a/**') }, 'cap 10 % of 30 targets (3) per run of f on a/**'],
    [{ amount: 20, percent: 12.5, window: hour }, 'cap 3, the lesser of 20 and 12.5 % of 30 targets, per 1h'],
  ])('%j reads %j', (cap, text) => {
    expect(capText(cap, 30)).toBe(text)
  })

  it('speaks of one target in the singular', () => {
    expect(capText({ percent: 10, window: run }, 1)).toBe('cap 10 % of 1 target (0) per run')
  })

  it('is named by what it counts, not by how much', () => {
    const caps: Cap[] = [
      { amount: 1, window: hour },
      { amount: 1, window: { kind: 'rolling', durationMs: 2 * hourMs } },
      { amount: 1, window: run },
      { amount: 1, window: day },
      { amount: 1, window: { kind: 'day', timeZone: 'UTC' } },
      { amount: 1, window: hour, function: 'f' },
      { amount: 1, window: hour, target: glob('f') },
      { amount: 1, window: hour, target: glob('*') },
    ]
    expect(new Set(caps.map(capId)).size).toBe(caps.length)
    for (const cap of caps) expect(capId({ ...cap, amount: 7, percent: 3 })).toBe(capId(cap))
  })
})

const usageOf = (window: CapWindow, ...instants: number[]): Usage =>
  instants.reduce<Usage>((usage, at) => withTaking(usage, window, { at: stampOf(window, at), units: 1 }, at), [])

describe('7: what is used', () => {
  it('of a rolling window leaves it after exactly its length', () => {
    const usage = usageOf(hour, now)
    expect([now, now + hourMs - 1, now + hourMs].map((at) => usedUnits(usage, hour, at))).toEqual([1, 1, 0])
  })

  it('of a day leaves at midnight of its zone, also where clocks change', () => {
    const berlin: CapWindow = { kind: 'day', timeZone: 'Europe/Berlin' }
    // 29 March 2026 has 23 hours there.
    const start = Date.parse('2026-03-29T00:00:00+01:00')
    const end = Date.parse('2026-03-30T00:00:00+02:00')
    const usage = usageOf(berlin, end - 1, start)
    expect(usage).toEqual([{ at: start, units: 2 }])
    expect([start, end - 1, end].map((at) => usedUnits(usage, berlin, at))).toEqual([2, 2, 0])
    expect(roomAhead(usage, berlin, { now: start, units: 1, limit: 2 })).toEqual({ oldestLeavesAt: end, roomAt: end })
  })

  it('of a run never leaves it', () => {
    const usage = usageOf(run, now, now + 1)
    expect(usage).toEqual([{ at: 0, units: 2 }])
    expect(usedUnits(usage, run, now + 1_000 * dayMs)).toBe(2)
    expect(roomAhead(usage, run, { now, units: 1, limit: 2 })).toEqual({ oldestLeavesAt: undefined, roomAt: undefined })
    expect(withTaking(usage, run, { at: 0, units: 1 }, now + 1_000 * dayMs)).toEqual([{ at: 0, units: 3 }])
  })

  it('counts what lies ahead of a clock that was set back', () => {
    const usage = usageOf(hour, now + 10 * dayMs)
    expect(usedUnits(usage, hour, now)).toBe(1)
    expect(usedUnits(usageOf(day, now + 10 * dayMs), day, now)).toBe(1)
  })

  it('says when the oldest leaves and when there is room', () => {
    const usage = usageOf(hour, now - hourMs, now - 30 * minuteMs, now - 20 * minuteMs, now)
    const from = (minutes: number) => now + minutes * minuteMs
    expect(roomAhead(usage, hour, { now, units: 1, limit: 3 })).toEqual({ oldestLeavesAt: from(30), roomAt: from(30) })
    expect(roomAhead(usage, hour, { now, units: 2, limit: 3 })).toEqual({ oldestLeavesAt: from(30), roomAt: from(40) })
    expect(roomAhead(usage, hour, { now, units: 1, limit: 1 })).toEqual({ oldestLeavesAt: from(30), roomAt: from(60) })
    expect(roomAhead(usage, hour, { now, units: 2, limit: 1 })).toEqual({ oldestLeavesAt: from(30), roomAt: undefined })
    expect(roomAhead([], hour, { now, units: 2, limit: 1 })).toEqual({ oldestLeavesAt: undefined, roomAt: undefined })
  })

  it('is given back from the first takings that it may have moved to', () => {
    const usage: Usage = [
      { at: 10, units: 1 },
      { at: 20, units: 2 },
      { at: 30, units: 3 },
    ]
    expect(withoutTaking(usage, { at: 20, units: 1 })).toEqual([
      { at: 10, units: 1 },
      { at: 20, units: 1 },
      { at: 30, units: 3 },
    ])
    expect(withoutTaking(usage, { at: 15, units: 4 })).toEqual([
      { at: 10, units: 1 },
      { at: 30, units: 1 },
    ])
    expect(withoutTaking(usage, { at: 31, units: 4 })).toEqual(usage)
    expect(withoutTaking(usage, { at: 30, units: 9 })).toEqual(usage.slice(0, 2))
  })

  it('is forgotten a day after it left, and not before', () => {
    const usage = usageOf(hour, now)
    const gone = now + hourMs + dayMs
    expect(forgottenAt(usage, hour, now)).toBe(gone)
    expect(withTaking(usage, hour, { at: gone - 1, units: 1 }, gone - 1)).toHaveLength(2)
    expect(withTaking(usage, hour, { at: gone, units: 1 }, gone)).toEqual([{ at: gone, units: 1 }])
    expect(forgottenAt([], hour, now)).toBe(gone)
    expect(forgottenAt(usageOf(hour, now, now + 1, now + 2), hour, now)).toBe(gone + 2)
    expect(forgottenAt(usageOf(hour, now - 2, now - 1), hour, now)).toBe(gone)
    expect(forgottenAt(usageOf(run, now), run, now)).toBe(now + 30 * dayMs)
    const today = usageOf(day, now)
    expect(forgottenAt(today, day, now)).toBe(now + 3 * dayMs)
    expect(withTaking(today, day, { at: stampOf(day, now + 2 * dayMs), units: 1 }, now + 2 * dayMs)).toHaveLength(2)
    expect(withTaking(today, day, { at: stampOf(day, now + 3 * dayMs), units: 1 }, now + 3 * dayMs)).toHaveLength(1)
  })
})

describe('7: much use', () => {
  it('keeps its size bounded, counts no less than it should, and leaves at most a 128th of the window late', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(minuteMs, 7 * minuteMs, hourMs, dayMs, 30 * dayMs),
        fc.array(
          fc.record({
            // In millionths of the window. (A double would nearly always be next to nothing: its digits are drawn, not its size.)
            pause: fc.oneof(
              { weight: 20, arbitrary: fc.integer({ min: 0, max: 5_000 }) },
              { weight: 1, arbitrary: fc.integer({ min: 0, max: 500_000 }) },
            ),
            units: fc.integer({ min: 1, max: 3 }),
          }),
          {
            minLength: 300,
            maxLength: 900,
          },
        ),
        (durationMs, takings) => {
          const window: CapWindow = { kind: 'rolling', durationMs }
          const exact: { at: number; units: number }[] = []
          let usage: Usage = []
          let at = now
          let longest = 0
          for (const { pause, units } of takings) {
            at += Math.round((pause * durationMs) / 1_000_000)
            exact.push({ at, units })
            usage = withTaking(usage, window, { at, units }, at)
            longest = Math.max(longest, usage.length)
            const used = usedUnits(usage, window, at)
            const between = (from: number) => exact.reduce((sum, one) => (one.at > from ? sum + one.units : sum), 0)
            if (used < between(at - durationMs)) throw new Error(`${used} counted, ${between(at - durationMs)} used`)
            if (used > between(at - durationMs - Math.ceil(durationMs / 128)))
              throw new Error(`${used} counted, ${between(at - durationMs - Math.ceil(durationMs / 128))} used`)
          }
          expect(longest).toBeLessThanOrEqual(256)
        },
      ),
      { seed: 70, numRuns: 100 },
    )
  })

  it('stays exact up to 256 instants, and is drawn together from the next one on, without bringing back what has left', () => {
    // In the middle of the steps that takings move to, so that they would move back into the window.
    const middle = now + 12_345
    const old: Usage = Array.from({ length: 200 }, (_, index) => ({ at: middle - hourMs - 199 + index, units: 1 }))
    const live: Usage = Array.from({ length: 55 }, (_, index) => ({ at: middle - hourMs + 1 + index, units: 1 }))
    const exact = withTaking([...old, ...live], hour, { at: middle, units: 1 }, middle)
    expect(exact).toEqual([...old, ...live, { at: middle, units: 1 }])
    const drawn = withTaking(exact, hour, { at: middle - 1, units: 1 }, middle)
    expect(drawn.length).toBeLessThan(10)
    expect(usedUnits(drawn, hour, middle)).toBe(57)
    expect(drawn.reduce((sum, { units }) => sum + units, 0)).toBe(257)
  })

  it('counts again what had left, to within a 64th of a day, for a clock that is set back', () => {
    const minute: CapWindow = { kind: 'rolling', durationMs: minuteMs }
    const instants = Array.from({ length: 700 }, (_, index) => now + index * 2 * minuteMs)
    let usage: Usage = []
    for (const at of instants) usage = withTaking(usage, minute, { at, units: 1 }, at)
    expect(usage.length).toBeLessThanOrEqual(256)
    const last = instants.at(-1) ?? now
    for (let back = 0; back < 23; back += 1) {
      const at = last - back * hourMs
      const used = usedUnits(usage, minute, at)
      expect(used).toBeGreaterThanOrEqual(instants.filter((instant) => instant > at - minuteMs).length)
      expect(used).toBeLessThanOrEqual(instants.filter((instant) => instant > at - minuteMs - dayMs / 64).length)
    }
  })

  it('moves takings no further than it must: to the steps, and every second one only when that does not do', () => {
    const stepMs = hourMs / 128
    const ahead = (count: number): Usage => Array.from({ length: count }, (_, index) => ({ at: now + index * stepMs, units: 1 }))
    const one = withTaking(ahead(256), hour, { at: now + 5 * stepMs - 1, units: 1 }, now)
    expect(one).toEqual(ahead(256).map((taking, index) => (index === 5 ? { ...taking, units: 2 } : taking)))
    const many = withTaking(ahead(256), hour, { at: now + 256 * stepMs, units: 1 }, now)
    expect(many).toEqual(
      Array.from({ length: 129 }, (_, index) => ({ at: now + Math.min(2 * index + 1, 256) * stepMs, units: index === 128 ? 1 : 2 })),
    )
    // What counts per day is not moved to steps: a day's beginning is no multiple of any.
    const days = Array.from({ length: 257 }, (_, index) => ({ at: stampOf(day, now + index * dayMs), units: 1 }))
    expect(withTaking(days.slice(1), day, { at: stampOf(day, now), units: 1 }, now).map(({ at }) => at)).toEqual(
      days.map(({ at }) => at).filter((_, index) => index % 2 === 1 || index === 256),
    )
  })

  it('keeps its size bounded whatever the clock does', () => {
    const random = fc.sample(fc.integer({ min: 0, max: 400 * dayMs }), { seed: 71, numRuns: 2_000 })
    for (const window of [hour, day, run]) {
      let usage: Usage = []
      for (const [index, offset] of random.entries()) {
        usage = withTaking(usage, window, { at: stampOf(window, now + offset), units: 1 }, now)
        expect(usage.length).toBeLessThanOrEqual(256)
        expect(usedUnits(usage, window, now)).toBe(index + 1)
      }
      const instants = usage.map(({ at }) => at)
      expect(instants).toEqual([...new Set(instants)].sort((one, other) => one - other))
    }
  })

  it('gives back as much as was taken, also after takings were drawn together', () => {
    const instants = Array.from({ length: 600 }, (_, index) => now + index * 5_001)
    let usage: Usage = []
    for (const at of instants) usage = withTaking(usage, hour, { at, units: 1 }, at)
    const last = instants.at(-1) ?? now
    const used = usedUnits(usage, hour, last)
    for (const [index, at] of instants.slice(-50).entries()) {
      usage = withoutTaking(usage, { at, units: 1 })
      expect(usedUnits(usage, hour, last)).toBe(used - index - 1)
    }
  })
})

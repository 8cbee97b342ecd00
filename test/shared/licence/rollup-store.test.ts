import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { civilDay } from '#shared/licence/civil-day.ts'
import type { Metric } from '#shared/licence/metric.ts'
import { appendSample, readEntries } from '#shared/licence/record-store.ts'
import { type DayRow, rollDay } from '#shared/licence/rollup.ts'
import { lastCompleteDay, type RollRules, readDayRows, readRolled, rollUpDays } from '#shared/licence/rollup-store.ts'
import { hourMs, hourNumber } from '#shared/licence/sample.ts'
import { dayNumber } from '#shared/pure/civil.ts'
import { parseGlob } from '#shared/pure/glob.ts'
import type { MemoryReader, MemoryWriter } from '#shared/runtime/memory.ts'
import { gather, region, sampleAt, testMemory } from './licence-samples.ts'

const zone = 'Asia/Shanghai'
const plain: RollRules = { zone, sums: [] }
const first = hourNumber('2026-10-25T20:00:00Z')
const firstDay = dayNumber(2026, 10, 26)

function sum(pattern: string): Metric {
  const glob = parseGlob(pattern)
  if (!glob.ok) throw new Error(glob.error)
  return { id: pattern, glob: glob.value }
}

function usageOf(hour: number): Record<string, string> {
  return { x86: String((hour * 7919) % 500), arm: hour % 5 === 0 ? 'N/A' : `${hour % 90}.5` }
}

async function plant(memory: MemoryWriter, days: number, isMissed: (hour: number) => boolean = (hour) => hour % 11 === 3): Promise<void> {
  for (let hour = first; hour < first + days * 24; hour += 1) if (!isMissed(hour)) await appendSample(memory, sampleAt(hour, usageOf(hour)))
}

/** By metric, so that the order in which they were first seen does not matter. */
function sorted(rows: readonly DayRow[]): DayRow[] {
  return rows.map((row) => ({ ...row, marks: [...row.marks].sort((one, other) => (one.metric < other.metric ? -1 : 1)) }))
}

async function fromSamples(memory: MemoryReader, fromDay: number, untilDay: number, { zone: own, sums }: RollRules): Promise<DayRow[]> {
  const samples = (await gather(readEntries(memory, region, 0, Number.MAX_SAFE_INTEGER))).map(({ sample }) => sample)
  return sorted(Array.from({ length: untilDay - fromDay + 1 }, (_, index) => rollDay(fromDay + index, own, samples, sums)))
}

async function rows(memory: MemoryReader, fromDay: number, untilDay: number, rules: RollRules): Promise<DayRow[]> {
  return sorted(await gather(readDayRows(memory, region, fromDay, untilDay, rules)))
}

/** A memory whose samples cannot be read: what is answered comes from rollups. */
function withoutSamples(memory: MemoryReader): MemoryReader {
  return {
    get: (key) => memory.get(key),
    list: (prefix) => (prefix.startsWith('record/') ? Promise.reject(new Error('samples')) : memory.list(prefix)),
  }
}

describe('rolling days up', () => {
  it('takes the days that are over, some at a time, and gives what the samples give', async () => {
    const { memory } = testMemory()
    await plant(memory, 40)
    const now = (first + 39 * 24) * hourMs
    const until = lastCompleteDay(zone, now)
    const rolled: number[] = []
    for (let tick = 0; tick < 6; tick += 1) rolled.push(await rollUpDays(memory, region, plain, now, { mostDays: 16 }))
    expect(rolled).toEqual([16, 16, until - firstDay + 1 - 32, 0, 0, 0])
    expect(await rows(withoutSamples(memory), firstDay, until, plain)).toEqual(await fromSamples(memory, firstDay, until, plain))
    expect((await readRolled(memory, region))?.value.until).toBe(until)
  })

  it('reads the day that is not over from its samples, and the days before and after the record as empty', async () => {
    const { memory } = testMemory()
    await plant(memory, 10)
    const now = (first + 10 * 24 - 1) * hourMs
    await rollUpDays(memory, region, plain, now)
    const today = civilDay(now, zone).day
    expect(await rows(memory, firstDay - 3, today + 2, plain)).toEqual(await fromSamples(memory, firstDay - 3, today + 2, plain))
  })

  it('waits an hour after midnight, as long as a sample may be under way', () => {
    const midnight = Date.parse('2026-11-23T16:00:00Z')
    expect(lastCompleteDay(zone, midnight + 59 * 60_000)).toBe(dayNumber(2026, 11, 22))
    expect(lastCompleteDay(zone, midnight + hourMs)).toBe(dayNumber(2026, 11, 23))
  })

  it('does nothing without a record', async () => {
    const { memory, disk } = testMemory()
    expect(await rollUpDays(memory, region, plain, first * hourMs)).toBe(0)
    expect(disk.contents()).toBe('')
    expect(await rows(memory, firstDay, firstDay, plain)).toEqual([rollDay(firstDay, zone, [], [])])
  })

  it('reads as much without any rollups', async () => {
    const { memory } = testMemory()
    await plant(memory, 12)
    expect(await rows(memory, firstDay - 1, firstDay + 13, plain)).toEqual(await fromSamples(memory, firstDay - 1, firstDay + 13, plain))
  })

  it('splits a month of many products over values that a store can keep', async () => {
    const { memory } = testMemory()
    const many = Object.fromEntries(Array.from({ length: 1500 }, (_, index) => [`product-with-a-long-name-${index}`, `${index}.125`]))
    for (let day = 0; day < 14; day += 1) await appendSample(memory, sampleAt(first + day * 24, many))
    await rollUpDays(memory, region, plain, (first + 14 * 24) * hourMs)
    const parts = await memory.list(`day/${region}/`)
    expect(parts.length).toBeGreaterThan(2)
    for (const { value } of parts) expect(JSON.stringify(value).length).toBeLessThanOrEqual(200_000)
    expect(await rows(withoutSamples(memory), firstDay, firstDay + 12, plain)).toEqual(
      await fromSamples(memory, firstDay, firstDay + 12, plain),
    )
  })
})

describe('other settings', () => {
  const now = (first + 39 * 24) * hourMs
  const until = lastCompleteDay(zone, now)

  it.each([
    ['another zone', { zone: 'America/New_York', sums: [] }],
    ['a sum', { zone, sums: [sum('*')] }],
  ])('%s: read from the samples at once, and rolled up again bit by bit', async (_, rules: RollRules) => {
    const { memory } = testMemory()
    await plant(memory, 40)
    await rollUpDays(memory, region, plain, now)
    const wanted = await fromSamples(memory, firstDay, until - 1, rules)
    expect(await rows(memory, firstDay, until - 1, rules)).toEqual(wanted)
    for (let tick = 0; tick < 8; tick += 1) {
      await rollUpDays(memory, region, rules, now, { mostDays: 7 })
      expect(await rows(memory, firstDay, until - 1, rules)).toEqual(wanted)
    }
    expect(await rows(withoutSamples(memory), firstDay, until - 1, rules)).toEqual(wanted)
    expect((await readRolled(memory, region))?.value).toMatchObject({ zone: rules.zone, sums: rules.sums.map(({ id }) => id) })
  })

  it('with a sum less need nothing new', async () => {
    const { memory } = testMemory()
    await plant(memory, 40)
    await rollUpDays(memory, region, { zone, sums: [sum('*'), sum('tke-*')] }, now)
    expect(await rollUpDays(memory, region, { zone, sums: [sum('*')] }, now)).toBe(0)
  })
})

describe('a roller that dies, or is not alone', () => {
  it('leaves at no call anything that another one does not put right, also where a month is split', async () => {
    const many = (day: number) =>
      Object.fromEntries(Array.from({ length: 1500 }, (_, index) => [`product-${index}`, `${(day * index) % 977}.25`]))
    const planted = testMemory()
    const from = hourNumber('2026-11-01T20:00:00Z')
    for (let day = 0; day < 22; day += 1) await appendSample(planted.memory, sampleAt(from + day * 24, many(day)))
    const end = (from + 21 * 24) * hourMs
    const [firstOf, lastOf] = [dayNumber(2026, 11, 2), lastCompleteDay(zone, end)]
    const wanted = await fromSamples(planted.memory, firstOf, lastOf, plain)
    await rollUpDays(planted.memory, region, plain, (from + 6 * 24) * hourMs)
    expect((await planted.memory.list(`day/${region}/`)).length).toBe(1)
    const writes: number[] = []
    const whole = testMemory({ before: ({ index, operation }) => void (operation === 'put' && writes.push(index)) }, planted)
    await rollUpDays(whole.memory, region, plain, end)
    expect((await whole.memory.list(`day/${region}/`)).length).toBe(4)
    expect(writes.length).toBe(4)
    // Reading changes nothing: only cuts around writes leave something behind.
    for (const cut of writes) {
      const { memory, another } = testMemory(undefined, planted)
      const dead = another({
        after: ({ index }) => {
          if (index === cut) throw new Error('cut')
        },
      })
      await rollUpDays(dead, region, plain, end).catch(() => 0)
      expect(await rows(memory, firstOf, lastOf, plain)).toEqual(wanted)
      await rollUpDays(memory, region, plain, end)
      expect(await rows(withoutSamples(memory), firstOf, lastOf, plain)).toEqual(wanted)
    }
  })

  it('two at the same time come to the same', async () => {
    const { memory, another } = testMemory()
    await plant(memory, 40)
    const now = (first + 39 * 24) * hourMs
    const until = lastCompleteDay(zone, now)
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 40 }), async (mostDays) => {
        const pause = { before: () => new Promise<void>((resolve) => setImmediate(resolve)) }
        await Promise.all([
          rollUpDays(another(pause), region, plain, now, { mostDays }),
          rollUpDays(another(pause), region, plain, now, { mostDays }),
        ])
        expect(await rows(memory, firstDay, until, plain)).toEqual(await fromSamples(memory, firstDay, until, plain))
      }),
      { seed: 8, numRuns: 8 },
    )
    await rollUpDays(memory, region, plain, now)
    expect(await rows(withoutSamples(memory), firstDay, until, plain)).toEqual(await fromSamples(memory, firstDay, until, plain))
  })
})

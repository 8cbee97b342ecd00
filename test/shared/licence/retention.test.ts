import { describe, expect, it } from 'vitest'
import { firstDayKept, formatUnits, parseUnits } from '#shared/licence/complete-units.ts'
import { noteGap } from '#shared/licence/gap-store.ts'
import { verifyChain } from '#shared/licence/record.ts'
import { appendSample, readEntries, readSpan } from '#shared/licence/record-store.ts'
import { type Retention, throwAwayOld } from '#shared/licence/retention.ts'
import { periodName, rollUp } from '#shared/licence/rollup.ts'
import { readDayRows, rollUpDays } from '#shared/licence/rollup-store.ts'
import { hourMs, hourNumber } from '#shared/licence/sample.ts'
import { dayNumber } from '#shared/pure/civil.ts'
import type { MemoryWriter } from '#shared/runtime/memory.ts'
import { gather, region, sampleAt, testMemory } from './licence-samples.ts'

const zone = 'Asia/Shanghai'
const rules = { zone, sums: [] }
const first = hourNumber('2026-07-20T03:00:00Z')
const november24 = Date.parse('2026-11-24T06:00:00Z')
const keep: Retention = { hours: { count: 2, unit: 'month' }, days: { count: 10, unit: 'year' } }

/** A sample every six hours up to an instant. */
async function plant(memory: MemoryWriter, untilMs: number): Promise<void> {
  for (let hour = first; hour * hourMs <= untilMs; hour += 6) await appendSample(memory, sampleAt(hour, { x86: String(hour % 1000) }))
}

async function all(memory: MemoryWriter) {
  return await gather(readEntries(memory, region, 0, Number.MAX_SAFE_INTEGER))
}

async function clear(memory: MemoryWriter, now: number, retention = keep): Promise<number> {
  let days = 0
  for (let tick = 0; tick < 20; tick += 1) {
    const more = await throwAwayOld(memory, region, zone, retention, now)
    if (more === 0) return days
    days += more
  }
  throw new Error('it never ends')
}

describe('retention in complete units', () => {
  it.each([
    ['13 months', dayNumber(2026, 11, 24), dayNumber(2025, 10, 1)],
    ['1 month', dayNumber(2026, 11, 30), dayNumber(2026, 10, 1)],
    ['2 months', dayNumber(2026, 1, 1), dayNumber(2025, 11, 1)],
    ['12 months', dayNumber(2026, 12, 31), dayNumber(2025, 12, 1)],
    ['1200 months', dayNumber(2026, 11, 24), dayNumber(1926, 11, 1)],
    ['100 years', dayNumber(2026, 11, 24), dayNumber(1926, 1, 1)],
    ['101 months', dayNumber(2026, 11, 24), dayNumber(2018, 6, 1)],
    ['10 years', dayNumber(2026, 11, 24), dayNumber(2016, 1, 1)],
    ['1 year', dayNumber(2026, 1, 1), dayNumber(2025, 1, 1)],
  ])('%s on day %i keep what is from day %i on', (text, today, day) => {
    const units = parseUnits(text)
    expect(units.ok && firstDayKept(units.value, today)).toBe(day)
    expect(units.ok && formatUnits(units.value)).toBe(text)
  })

  it.each(['13', '0 months', '13 month ', '1.5 years', '101 years', '1201 months', 'months', '13  months', '2 weeks', ''])(
    '%j is none',
    (text) => {
      expect(parseUnits(text)).toEqual({
        ok: false,
        error: `${JSON.stringify(text)} is no number of complete months or years, such as "13 months" or "10 years"`,
      })
    },
  )

  it('throws whole days of whole months away, and the chain goes on from its anchor', async () => {
    const { memory, another } = testMemory()
    await plant(memory, november24)
    const before = await all(memory)
    for (let tick = 0; tick < 5; tick += 1) await rollUpDays(memory, region, rules, november24)
    const rowsBefore = await gather(readDayRows(memory, region, dayNumber(2026, 7, 20), dayNumber(2026, 11, 24), rules))
    // The first of September in Shanghai begins on 31 August in UTC; that day is kept whole.
    expect(await clear(memory, november24)).toBe(dayNumber(2026, 8, 31) - dayNumber(2026, 7, 20))
    const after = await all(memory)
    expect(after[0]?.sample.hour).toBe('2026-08-31T03:00:00Z')
    expect(after).toEqual(before.slice(before.length - after.length))
    const span = await readSpan(memory, region)
    expect(span?.anchor).toMatchObject({ seq: before.length - after.length, hour: '2026-08-30T21:00:00Z' })
    expect(await verifyChain(after, region, span?.anchor)).toMatchObject({ entries: after.length })
    expect((await memory.list(`record/${region}/2026-08-30/`)).length).toBe(0)
    expect((await memory.list(`record/${region}/2026-08-31/`)).length).toBe(1)
    // Days that are gone are not looked for.
    let queries = 0
    const counted = another({
      before: ({ operation }) => {
        if (operation === 'query') queries += 1
      },
    })
    expect((await all(counted)).length).toBe(after.length)
    expect(queries).toBe(dayNumber(2026, 11, 24) - dayNumber(2026, 8, 30) + 1)
    // What was rolled up outlives the samples.
    expect(await gather(readDayRows(memory, region, dayNumber(2026, 7, 20), dayNumber(2026, 11, 24), rules))).toEqual(rowsBefore)
    expect(rollUp(rowsBefore, 'month', Number.POSITIVE_INFINITY).map(({ name }) => name)).toEqual([
      '2026-07',
      '2026-08',
      '2026-09',
      '2026-10',
      '2026-11',
    ])
  })

  it('throws nothing away within a month, and the next one at its turn', async () => {
    const { memory } = testMemory()
    await plant(memory, november24)
    for (let tick = 0; tick < 5; tick += 1) await rollUpDays(memory, region, rules, november24)
    await clear(memory, november24)
    expect(await clear(memory, Date.parse('2026-11-30T15:00:00Z'))).toBe(0)
    // In Shanghai it is December.
    expect(await clear(memory, Date.parse('2026-11-30T17:00:00Z'))).toBe(30)
    expect((await all(memory))[0]?.sample.hour).toBe('2026-09-30T03:00:00Z')
  })

  it('throws nothing away that is not rolled up', async () => {
    const { memory } = testMemory()
    await plant(memory, november24)
    expect(await clear(memory, november24)).toBe(0)
    await rollUpDays(memory, region, rules, november24, { mostDays: 5 })
    await clear(memory, november24)
    // Five days are rolled up: up to 24 July in Shanghai, which ends within 24 July of UTC.
    expect((await all(memory))[0]?.sample.hour).toBe('2026-07-24T03:00:00Z')
    for (let tick = 0; tick < 5; tick += 1) await rollUpDays(memory, region, rules, november24)
    await clear(memory, november24)
    expect((await all(memory))[0]?.sample.hour).toBe('2026-08-31T03:00:00Z')
  })

  it('goes on where it was cut off, at any call', async () => {
    const planted = testMemory()
    await plant(planted.memory, november24)
    for (let tick = 0; tick < 5; tick += 1) await rollUpDays(planted.memory, region, rules, november24)
    let most = 0
    const counting = ({ index }: { readonly index: number }) => {
      most = index
    }
    const wanted = testMemory({ before: counting }, planted)
    await clear(wanted.memory, november24)
    expect(most).toBeGreaterThan(40)
    const steps = most
    const left = await all(wanted.memory)
    for (let cut = 1; cut <= steps; cut += 5) {
      const { memory, another } = testMemory(undefined, planted)
      const dead = another({
        after: ({ index }) => {
          if (index === cut) throw new Error('cut')
        },
      })
      await clear(dead, november24).catch(() => 0)
      const span = await readSpan(memory, region)
      const between = await all(memory)
      expect((await verifyChain(between, region, span?.anchor)).broken).toBeUndefined()
      expect(between.length).toBeGreaterThanOrEqual(left.length)
      await clear(memory, november24)
      expect(await all(memory)).toEqual(left)
      expect((await memory.list(`record/${region}/2026-08-`)).length).toBe(1)
    }
  })

  it('keeps a record that is old as a whole, and adds to it', async () => {
    const { memory } = testMemory()
    await plant(memory, Date.parse('2026-08-10T00:00:00Z'))
    await rollUpDays(memory, region, rules, november24)
    await rollUpDays(memory, region, rules, november24, { mostDays: 400 })
    await clear(memory, november24)
    expect(await all(memory)).toEqual([])
    const appended = await appendSample(memory, sampleAt(hourNumber('2026-11-24T06:00:00Z'), { x86: '5' }))
    expect(appended.kind).toBe('appended')
    const span = await readSpan(memory, region)
    expect(await verifyChain(await all(memory), region, span?.anchor)).toMatchObject({ entries: 1 })
  })

  it('throws days of old months and the notes on their gaps away, once', async () => {
    const { memory, another } = testMemory()
    await plant(memory, november24)
    await noteGap(memory, region, '2026-07-20T04:00:00Z', { code: 'x', text: 'x' })
    await noteGap(memory, region, '2026-10-20T04:00:00Z', { code: 'x', text: 'x' })
    for (let tick = 0; tick < 5; tick += 1) await rollUpDays(memory, region, rules, november24)
    const short: Retention = { hours: { count: 1, unit: 'month' }, days: { count: 2, unit: 'month' } }
    await clear(memory, november24, short)
    expect((await memory.list('day/')).map(({ key }) => key.slice(-11, -4))).toEqual(['2026-09', '2026-10', '2026-11'])
    expect((await memory.list('gap/')).map(({ key }) => key)).toEqual([`gap/${region}/2026-10/2`])
    let calls = 0
    const counting = ({ index }: { readonly index: number }) => {
      calls = index
    }
    await throwAwayOld(another({ before: counting }), region, zone, short, november24)
    expect(calls).toBeLessThan(6)
    const july = await gather(readDayRows(memory, region, dayNumber(2026, 7, 20), dayNumber(2026, 8, 31), rules))
    expect(july.every(({ measured }) => measured === 0)).toBe(true)
    expect(periodName(dayNumber(2026, 7, 20), 'month')).toBe('2026-07')
  })

  it('does nothing without a record', async () => {
    const { memory, disk } = testMemory()
    expect(await throwAwayOld(memory, region, zone, keep, november24)).toBe(0)
    expect(disk.contents()).toBe('')
  })
})

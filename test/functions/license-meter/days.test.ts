import { afterEach, beforeEach, expect, it } from 'vitest'
import { formatDecimal } from '#shared/licence/decimal.ts'
import { verifyChain } from '#shared/licence/record.ts'
import { readSpan } from '#shared/licence/record-store.ts'
import { type DayRow, rollUp } from '#shared/licence/rollup.ts'
import { readDayRows, readRolled } from '#shared/licence/rollup-store.ts'
import { hourNumber } from '#shared/licence/sample.ts'
import { dayNumber } from '#shared/pure/civil.ts'
import { clusterA, home, hourMs, openStage, type SettingsInput, type Stage } from './stage.ts'

const clusters = [{ id: clusterA }]
const settings: SettingsInput = { crossCheck: { every: 'never' }, timeZone: 'Asia/Shanghai' }

let stage: Stage
beforeEach(async () => {
  stage = await openStage('2026-11-30T13:03:00Z')
})
afterEach(async () => {
  await stage.close()
})

async function months(zone: string, from = dayNumber(2026, 11, 30)) {
  const rows: DayRow[] = []
  for await (const row of readDayRows(stage.memory, home, from, dayNumber(2026, 12, 2), { zone, sums: [] })) rows.push(row)
  return rollUp(rows, 'month', hourNumber('2026-12-02T00:00:00Z')).map(({ name, measured, marks }) => {
    const mark = marks.find(({ metric }) => metric === 'tke-managed-x86')
    return [name, measured, mark === undefined ? '' : formatDecimal(mark.max), mark?.at]
  })
}

it('a month boundary in the configured zone: what is used at midnight there counts for the new month', async () => {
  // 13:00 to 18:00 UTC; it is December in Shanghai from 16:00 on.
  for (const count of [1, 0, 2, 1, 0, 0]) {
    stage.grow(clusterA, count)
    await stage.run(settings, { clusters })
    stage.pass(hourMs)
  }
  expect(await months('Asia/Shanghai')).toEqual([
    ['2026-11', 3, '24', '2026-11-30T15:00:00Z'],
    ['2026-12', 3, '32', '2026-11-30T16:00:00Z'],
  ])
  expect((await months('UTC')).slice(0, 1)).toEqual([['2026-11', 6, '32', '2026-11-30T16:00:00Z']])
})

it('days that are over are rolled up by the next collection, and say the same as their samples', async () => {
  stage.grow(clusterA, 1)
  for (let hour = 0; hour < 30; hour += 1) {
    if (hour === 10) stage.grow(clusterA, 2)
    // Three hours are missed.
    if (hour < 20 || hour > 22) await stage.run(settings, { clusters })
    stage.pass(hourMs)
  }
  expect((await readRolled(stage.memory, home))?.value).toMatchObject({ zone: 'Asia/Shanghai', until: dayNumber(2026, 12, 1) })
  expect(await months('Asia/Shanghai')).toEqual([
    ['2026-11', 3, '8', '2026-11-30T13:00:00Z'],
    ['2026-12', 24, '24', '2026-11-30T23:00:00Z'],
  ])
})

it('samples are thrown away by whole months when their time is over, and the chain goes on', async () => {
  stage.grow(clusterA, 1)
  const keep: SettingsInput = { ...settings, keep: { hours: '1 month' } }
  // Samples go by whole days of UTC: the last one of a month in Shanghai goes with the next month.
  stage.set(Date.parse('2026-11-29T13:03:00Z'))
  await stage.run(keep, { clusters })
  stage.pass(hourMs)
  await stage.run(keep, { clusters })
  // In December November is kept; in January it goes.
  for (const [at, left] of [
    ['2026-12-31T12:03:00Z', 3],
    ['2027-01-02T12:03:00Z', 2],
  ] as const) {
    stage.pass(Date.parse(at) - stage.now())
    await stage.run(keep, { clusters })
    const entries = await stage.entries()
    expect(entries).toHaveLength(left)
    const span = await readSpan(stage.memory, home)
    expect(await verifyChain(entries, home, span?.anchor)).toMatchObject({ entries: left })
  }
  // The high-water mark of the day outlives its samples.
  expect((await months('Asia/Shanghai', dayNumber(2026, 11, 29)))[0]).toEqual(['2026-11', 2, '8', '2026-11-29T13:00:00Z'])
})

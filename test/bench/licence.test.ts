import { expect, test } from 'vitest'
import { licence, measureLicence } from '#infra/bench/licence.ts'
import { writeRecord } from '#infra/bench/licence-record.ts'
import { anchorOf, verifyChain } from '#shared/licence/record.ts'
import { appendSample, readEntries, readSpan } from '#shared/licence/record-store.ts'
import { readDayRows } from '#shared/licence/rollup-store.ts'
import { hourNumber, hourText } from '#shared/licence/sample.ts'
import { emptyMemory } from '../infra/cli/license-platform.ts'

const region = 'ap-guangzhou'
const rules = { zone: 'Asia/Shanghai', sums: [] }

test.each(['2026-11-24T09:10:00Z', '2026-11-24T21:10:00Z'])(
  'the record that the bench writes at once, here at %s, is one that appendSample goes on with',
  async (now) => {
    const memory = await emptyMemory()
    const count = await writeRecord(memory, { region, days: 90, products: 3, nowMs: Date.parse(now), rules })
    const span = await readSpan(memory, region)
    if (span === undefined) throw new Error('there is no record')
    const { sample } = span.last
    const next = await appendSample(memory, { ...sample, hour: hourText(hourNumber(sample.hour) + 1) })
    expect(next.kind).toBe('appended')
    const report = await verifyChain(readEntries(memory, region, 0, hourNumber(sample.hour) + 2), region)
    expect(report).toEqual({ entries: count + 1, end: anchorOf(next.kind === 'late' ? span.last : next.entry) })
    // Two hours of it are not measured.
    expect(count).toBe(hourNumber(sample.hour) - hourNumber(span.firstHour) + 1 - 2)
    const days = []
    for await (const row of readDayRows(memory, region, 20_700, 20_710, rules)) days.push(row)
    expect(days.every(({ marks }) => marks.length === 3)).toBe(true)
  },
)

test('the bench of the licence runs the command line on a store in a file', async () => {
  const { rows } = await measureLicence({ years: 0.01, products: 2, rounds: 1, commands: ['verify'] })
  expect(rows).toMatchObject([{ command: 'verify', products: 2 }])
  expect(rows[0]?.samples).toBeGreaterThan(72)
  expect(rows[0]?.peakMib).toBeGreaterThan(10)
  expect(licence.name).toBe('licence')
}, 15_000)

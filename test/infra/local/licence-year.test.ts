import { expect, test } from 'vitest'
import { plantLicenceYear } from '#infra/local/licence-year.ts'
import { readGapNotes } from '#shared/licence/gap-store.ts'
import { verifyChain } from '#shared/licence/record.ts'
import { readEntries, readSpan } from '#shared/licence/record-store.ts'
import { rollUp } from '#shared/licence/rollup.ts'
import { readDayRows } from '#shared/licence/rollup-store.ts'
import { hourNumber } from '#shared/licence/sample.ts'
import { emptyMemory } from '../cli/license-platform.ts'

const region = 'ap-guangzhou'
const rules = { zone: 'Asia/Shanghai', sums: [] }
const nowMs = Date.parse('2026-11-24T09:20:00Z')
const lastHour = hourNumber('2026-11-24T09:00:00Z')

async function planted(seed: number) {
  const memory = await emptyMemory()
  const count = await plantLicenceYear(memory, { region, rules, nowMs, days: 70, peakCores: 80, seed })
  const span = await readSpan(memory, region)
  if (span === undefined) throw new Error('nothing was planted')
  return { memory, count, span }
}

test('a planted record is one that grows, up to now, with gaps that are known, and its chain is whole', async () => {
  const { memory, count, span } = await planted(1)
  expect(span.last.sample.hour).toBe('2026-11-24T09:00:00Z')
  expect(Date.parse(span.last.sample.at)).toBeLessThanOrEqual(nowMs)
  expect(await verifyChain(readEntries(memory, region, 0, lastHour + 1), region)).toMatchObject({
    entries: count,
    end: { digest: span.last.digest },
  })
  const rows = []
  for await (const row of readDayRows(memory, region, 20_712, 20_781, rules)) rows.push(row)
  const months = rollUp(rows, 'month', lastHour + 1)
  const highs = months.map(({ marks }) => Number(marks.find(({ metric }) => metric === 'tke-managed-x86')?.max.units))
  expect(highs[0]).toBeLessThan(highs.at(-1) ?? 0)
  const gaps = months.flatMap((month) => month.gaps)
  const outage = gaps.find(({ hours }) => hours === 4)
  if (outage === undefined) throw new Error('there was no outage')
  const notes = await readGapNotes(memory, region, hourNumber(outage.from), hourNumber(outage.until))
  expect([...notes.values()].map(({ code }) => code)).toEqual(Array(4).fill('cloud.server-error'))
  // The last day is whole.
  expect(gaps.every(({ until }) => lastHour - hourNumber(until) >= 23)).toBe(true)
})

test('the same options plant the same record, another seed another one', async () => {
  const [one, same, other] = [await planted(1), await planted(1), await planted(2)]
  expect(same.span.last.digest).toBe(one.span.last.digest)
  expect(other.span.last.digest).not.toBe(one.span.last.digest)
})

import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { formatDecimal } from '#shared/licence/decimal.ts'
import { hourNumber, hourOf, hourText, passState, readSample, Sample, sampleOf } from '#shared/licence/sample.ts'
import { canonicalJson, plainCopy } from '#shared/safety/canonical-json.ts'
import { answers, region, sampleAt } from './licence-samples.ts'

describe('`Pass` "true", "false", "TRUE", "", null', () => {
  it.each([
    ['true', 'true'],
    ['false', 'false'],
    ['TRUE', 'true'],
    ['False', 'false'],
    [' true ', 'true'],
    [true, 'true'],
    [false, 'false'],
    ['', 'unreadable'],
    [null, 'unreadable'],
    [undefined, 'unreadable'],
    ['yes', 'unreadable'],
    ['1', 'unreadable'],
    [1, 'unreadable'],
    [{}, 'unreadable'],
  ])('%j is %s, and kept as it came', (raw, state) => {
    expect(passState(raw)).toBe(state)
    const { pass } = readSample(sampleAt('2026-11-24T15:00:00Z', {}, { pass: raw === undefined ? 'x' : raw }))
    expect(pass.raw).toEqual(raw === undefined ? 'x' : raw)
  })
})

describe('a sample', () => {
  it('keeps both answers whole, in the hour of UTC in which it was read', () => {
    const atMs = Date.parse('2026-11-24T15:59:59.999Z')
    const both = answers({ 'tke-managed-x86': '1,024', odd: 'N/A' })
    const sample = sampleOf({ region, atMs, ...both })
    expect(sample).toEqual({
      ok: true,
      value: { region, hour: '2026-11-24T15:00:00Z', at: '2026-11-24T15:59:59.999Z', raw: both },
    })
  })

  it('means the same after it was stored', () => {
    const sample = sampleAt('2026-11-24T15:00:00Z', { big: 9007199254740993n, text: '12.5' })
    const copy = plainCopy(sample)
    expect(canonicalJson(copy)).toBe(canonicalJson(sample))
    expect(readSample(copy as typeof sample)).toEqual(readSample(sample))
    expect(readSample(sample).products.map(({ usage }) => usage && formatDecimal(usage))).toEqual(['9007199254740993', '12.5'])
  })

  it('says of each product what it uses, in which unit, and of what it cannot read why', () => {
    const reading = readSample(sampleAt('2026-11-24T15:00:00Z', { x86: '1,024', arm: 'N/A' }))
    expect(reading.products).toEqual([
      { productId: 'x86', description: 'what x86 is', unit: 'core', raw: '1,024', usage: { units: 1024n, scale: 0 } },
      { productId: 'arm', description: 'what arm is', unit: 'core', raw: 'N/A', usage: undefined, why: 'the value "N/A" is no number' },
    ])
    expect(reading.reportVersion).toBe('3.1')
    expect(reading.requestIds).toEqual(['req-collect', 'req-query'])
  })

  it('does not choose between two rows of one product', () => {
    const row = (UsageValue: string) => ({ ProductId: 'x86', ProductIdDescribe: '', UsageUnit: 'core', UsageValue })
    const [product, ...more] = readSample({ raw: { collectAllCore: { Data: [row('1'), row('2'), row('3')] }, queryOverage: {} } }).products
    expect(more).toEqual([])
    expect(product).toMatchObject({ usage: undefined, why: 'the answer has 3 rows of it', raw: ['1', '2', '3'] })
  })

  it('is never thrown off by rows that are none', () => {
    const reading = readSample({
      raw: { collectAllCore: { Data: [null, 5, 'x', [], { UsageValue: '3' }, { ProductId: 7, UsageValue: 3 }] }, queryOverage: null },
    })
    expect(reading.products.map(({ productId, usage, why }) => [productId, usage?.units, why])).toEqual([
      ['', undefined, 'the answer has 5 rows of it'],
      ['7', 3n, undefined],
    ])
    expect(reading.pass).toEqual({ raw: undefined, state: 'unreadable' })
    expect(reading.requestIds).toEqual([])
  })

  it('does not take what every object has for an answer', () => {
    expect(readSample({ raw: { collectAllCore: {}, queryOverage: Object.create({ Pass: 'true' }) } }).pass.state).toBe('unreadable')
  })

  it.each([
    [undefined, {}, 'CollectAllCore answered without `Data`: that is no report'],
    [{}, {}, 'CollectAllCore answered without `Data`: that is no report'],
    [{ Data: null }, {}, 'CollectAllCore answered with a `Data` that is no list: that is no report'],
    [{ Data: [] }, null, 'QueryOverage answered with no object'],
    [{ Data: [] }, 'true', 'QueryOverage answered with no object'],
  ])('is none when the answers are %j and %j', (collectAllCore, queryOverage, error) => {
    expect(sampleOf({ region, atMs: 0, collectAllCore, queryOverage })).toEqual({ ok: false, error })
  })

  it('of a region without products is one: that nothing was listed is what was measured', () => {
    expect(sampleOf({ region, atMs: 0, collectAllCore: { Data: [] }, queryOverage: { Pass: 'true' } }).ok).toBe(true)
  })

  it('has hours that count', () => {
    const hour = hourOf(Date.parse('2026-11-24T15:59:59.999Z'))
    expect(hourText(hourNumber(hour))).toBe(hour)
    expect(hourNumber('1970-01-02T00:00:00Z')).toBe(24)
  })

  it('that was kept is read back whole, and something else is none', () => {
    const sample = sampleAt('2026-11-24T15:00:00Z', { x86: '1' })
    expect(z.safeParse(Sample, sample).data).toEqual(sample)
    const hours = ['x2026-11-24T15:00:00Z', '2026-11-24T15:00:00Zx', '2026-11-24T15:30:00Z', '6-11-24T15:00:00Z', 'aaaa-11-24T15:00:00Z']
    const more = ['2026-1-24T15:00:00Z', '2026-aa-24T15:00:00Z', '2026-11-4T15:00:00Z', '2026-11-aaT15:00:00Z', '2026-11-24T5:00:00Z']
    for (const hour of [...hours, ...more, '2026-11-24Taa:00:00Z', '2026-13-24T15:00:00Z', '2026-11-24T99:00:00Z', '']) {
      expect(z.safeParse(Sample, { ...sample, hour }).success, hour).toBe(false)
    }
    expect(z.safeParse(Sample, { ...sample, hour: '2026-11-24T15:01:00Z' }).error?.issues[0]?.message).toBe('must be a full hour of UTC')
    expect(z.safeParse(Sample, { ...sample, hour: '2026-11-24T99:00:00Z' }).error?.issues[0]?.message).toBe('is no hour of the calendar')
    for (const bad of [{}, { ...sample, more: 1 }, { ...sample, raw: { ...sample.raw, more: 1 } }, { ...sample, at: 5 }]) {
      expect(z.safeParse(Sample, bad).success).toBe(false)
    }
  })

  it('has no product without a name, and one whose name is a number', () => {
    const read = (row: object) => readSample({ raw: { collectAllCore: { Data: [row] }, queryOverage: {} } }).products
    expect(read({ ProductId: '', UsageValue: '5' })).toMatchObject([{ productId: '', usage: undefined, why: 'the row names no product' }])
    expect(read({ ProductId: 9007199254740993n, UsageValue: '5' })).toMatchObject([{ productId: '9007199254740993', usage: { units: 5n } }])
    expect(readSample({ raw: { collectAllCore: { Data: { UsageValue: '5' } }, queryOverage: {} } }).products).toEqual([])
  })
})

import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { formatDecimal } from '#shared/licence/decimal.ts'
import { type Entitled, Entitlement, entitledOn } from '#shared/licence/entitlement.ts'
import { countsUnder, metricsOf, sumsOf, usageOf } from '#shared/licence/metric.ts'
import { readSample } from '#shared/licence/sample.ts'
import { dayNumber } from '#shared/pure/civil.ts'
import { region, sampleAt } from './licence-samples.ts'

function entitlements(...settings: readonly object[]): Entitlement[] {
  return settings.map((one) => z.parse(Entitlement, one))
}

function shown(entitled: Entitled): string {
  return entitled.kind === 'cores' ? `${formatDecimal(entitled.cores)}${entitled.ended === true ? ' (ended)' : ''}` : entitled.kind
}

const day = (text: string): number => dayNumber(Number(text.slice(0, 4)), Number(text.slice(5, 7)), Number(text.slice(8, 10)))

function on(all: readonly Entitlement[], metric: string, date: string, of = region): string {
  return shown(entitledOn(all, of, metric, day(date)))
}

describe('an entitlement', () => {
  it('is read from settings exactly', () => {
    const [one] = entitlements({
      product: 'tke-*',
      region: 'ap-*',
      cores: '12.5',
      from: '2026-01-01',
      until: '2026-12-31',
      note: 'contract 7',
    })
    expect(one).toMatchObject({ cores: { units: 125n, scale: 1 }, from: dayNumber(2026, 1, 1), until: dayNumber(2026, 12, 31) })
    expect(entitlements({ product: 'x', cores: 0.1 })[0]?.cores).toEqual({ units: 1n, scale: 1 })
    expect(entitlements({ product: 'x', cores: 'unlimited' })[0]?.cores).toBe('unlimited')
  })

  it.each([
    [{ product: 'x', cores: 'much' }, '"much" is no amount: write digits, perhaps with a fraction, as in 128 or 12.5, or "unlimited"'],
    [{ product: 'x', cores: -5 }, '"-5" is no amount'],
    [{ product: 'x', cores: '1,024' }, '"1,024" is no amount'],
    [{ product: 'x[', cores: 5 }, 'is not supported'],
    [{ product: 'x', cores: 5, from: '2026-02-30' }, '2026-02-30 is not in the calendar'],
    [{ product: 'x', cores: 5, from: '2026-02-02', until: '2026-02-01' }, 'ends before it begins'],
    [{ product: 'x', cores: 5, regoin: 'x' }, 'Unrecognized key'],
    [{ product: 'x' }, 'Invalid input'],
  ])('%j is refused', (setting, error) => {
    const parsed = z.safeParse(Entitlement, setting)
    expect(parsed.error?.issues.map(({ message, ...issue }) => ('keys' in issue ? 'Unrecognized key' : message)).join()).toContain(error)
  })

  it('holds on one day, when that is its first and its last', () => {
    const all = entitlements({ product: 'x', cores: 5, from: '2026-03-01', until: '2026-03-01' })
    expect(on(all, 'x', '2026-03-01')).toBe('5')
    const parsed = z.safeParse(Entitlement, { product: 'x', cores: 5, from: '2026-03-02', until: '2026-03-01' })
    expect(parsed.error?.issues.map(({ path }) => path)).toEqual([['until']])
  })

  it('holds from its first to its last day, both included', () => {
    const all = entitlements({ product: 'x', cores: 5, from: '2026-03-01', until: '2026-03-31' })
    expect(on(all, 'x', '2026-02-28')).toBe('unknown')
    expect(on(all, 'x', '2026-03-01')).toBe('5')
    expect(on(all, 'x', '2026-03-31')).toBe('5')
    // Nobody has said that it goes on: that is nothing, and not “as much as you like”.
    expect(on(all, 'x', '2026-04-01')).toBe('0 (ended)')
  })

  it('adds up with others of the same product, and is replaced by the one that follows', () => {
    const all = entitlements(
      { product: 'x', cores: 100, until: '2026-06-30' },
      { product: 'x', cores: '28.5' },
      { product: 'x', cores: 200, from: '2026-07-01' },
    )
    expect(on(all, 'x', '2026-06-30')).toBe('128.5')
    expect(on(all, 'x', '2026-07-01')).toBe('228.5')
  })

  it('that is unlimited makes all of the product so, while it holds', () => {
    const all = entitlements({ product: 'x', cores: 100 }, { product: 'x', cores: 'unlimited', until: '2026-06-30' })
    expect(on(all, 'x', '2026-06-30')).toBe('unlimited')
    expect(on(all, 'x', '2026-07-01')).toBe('100')
  })

  it('is for the regions that its glob matches, each with all of it', () => {
    const all = entitlements({ product: 'x', region: 'ap-*', cores: 5 }, { product: 'x', region: 'ap-beijing', cores: 2 })
    expect(on(all, 'x', '2026-01-01', 'ap-guangzhou')).toBe('5')
    expect(on(all, 'x', '2026-01-01', 'ap-beijing')).toBe('7')
    expect(on(all, 'x', '2026-01-01', 'eu-frankfurt')).toBe('unknown')
  })

  it('of a product and of a glob that matches it are two limits', () => {
    const all = entitlements({ product: 'tke-arm', cores: 5 }, { product: 'tke-*', cores: 100 })
    expect(on(all, 'tke-arm', '2026-01-01')).toBe('5')
    expect(on(all, 'tke-*', '2026-01-01')).toBe('100')
    expect(on(all, 'tke-x86', '2026-01-01')).toBe('unknown')
  })
})

describe('what is compared', () => {
  const all = entitlements(
    { product: 'tke-*', cores: 100 },
    { product: 'tke-arm', cores: 5 },
    { product: 'tke-*', cores: 10, region },
    { product: 'elsewhere-*', cores: 10, region: 'eu-*' },
  )

  it('is what has an entitlement, and each product that none is about', () => {
    expect(metricsOf(all, region, ['tke-x86', 'tke-arm', 'gpu', 'gpu']).map(({ id }) => id)).toEqual(['tke-*', 'tke-arm', 'gpu'])
    expect(sumsOf(all, region).map(({ id }) => id)).toEqual(['tke-*'])
    expect(sumsOf(all, 'eu-frankfurt').map(({ id }) => id)).toEqual(['tke-*', 'elsewhere-*'])
  })

  it('counts a product under its own name and under the globs that match it', () => {
    const [sum, arm] = metricsOf(all, region, [])
    expect([sum, arm].map((metric) => metric !== undefined && countsUnder(metric, 'tke-arm'))).toEqual([true, true])
    expect([sum, arm].map((metric) => metric !== undefined && countsUnder(metric, 'tke-x86'))).toEqual([true, false])
  })

  const reading = (usage: Record<string, unknown>, unit = 'core') => readSample(sampleAt(0, usage, { unit }))

  it('as a sum is the sum, and as a product the product', () => {
    const [sum, arm] = metricsOf(all, region, [])
    const hour = reading({ 'tke-x86': '1,024', 'tke-arm': '0.5', gpu: '9' })
    expect(sum && usageOf(sum, hour)).toEqual({ usage: { units: 10245n, scale: 1 }, unit: 'core' })
    expect(arm && usageOf(arm, hour)).toEqual({ usage: { units: 5n, scale: 1 }, unit: 'core' })
  })

  it('is not known when one part is not, when it is not listed, and when units differ', () => {
    const [sum, arm] = metricsOf(all, region, [])
    expect(sum && usageOf(sum, reading({ 'tke-x86': '1', 'tke-arm': 'N/A' }))).toEqual({
      unit: 'core',
      why: 'tke-arm: the value "N/A" is no number',
    })
    expect(arm && usageOf(arm, reading({ 'tke-x86': '1', 'tke-arm': 'N/A' }))).toEqual({
      unit: 'core',
      why: 'the value "N/A" is no number',
    })
    expect(arm && usageOf(arm, reading({ 'tke-x86': '1' }))).toEqual({ unit: '', why: 'the platform lists no such product' })
    const rows = [
      { ProductId: 'tke-a', UsageUnit: 'core', UsageValue: '1' },
      { ProductId: 'tke-b', UsageUnit: '', UsageValue: '1' },
    ]
    const mixed = readSample({ raw: { collectAllCore: { Data: rows }, queryOverage: {} } })
    expect(sum && usageOf(sum, mixed)).toEqual({ unit: 'core', why: 'tke-a is in “core” and tke-b in no unit: they have no sum' })
  })
})

import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { decimalOf } from '#shared/licence/decimal.ts'
import { Entitlement } from '#shared/licence/entitlement.ts'
import { freeCores, readHeadroom } from '#shared/licence/headroom.ts'
import {
  firstDayWanted,
  headroomOf,
  type LicenceRules,
  limitOf,
  outlookOf,
  type RegionFigures,
  standingOf,
} from '#shared/licence/outlook.ts'
import {
  type Agreement,
  agreementOf,
  fittingMeaning,
  type Overage,
  overageOf,
  type PassMeans,
  type UsageVerdict,
} from '#shared/licence/polarity.ts'
import { rollDay } from '#shared/licence/rollup.ts'
import type { PassState } from '#shared/licence/sample.ts'
import { dayNumber } from '#shared/pure/civil.ts'
import { plainCopy } from '#shared/safety/canonical-json.ts'
import { region, sampleAt } from './licence-samples.ts'

const now = Date.parse('2026-11-24T12:20:00Z')
const today = dayNumber(2026, 11, 24)
const zone = 'Asia/Shanghai'

function rules(entitlements: readonly object[], more: Partial<LicenceRules> = {}): LicenceRules {
  return {
    timeZone: zone,
    entitlements: entitlements.map((one) => z.parse(Entitlement, one)),
    passMeans: 'over',
    tolerancePercent: decimalOf(5),
    forecast: { weeks: 8, horizonDays: 365 },
    ...more,
  }
}

/** A region that has had so much on each of the last days, and has so much now. */
function figures(
  usage: Record<string, unknown>,
  { pass = 'false', days = 56, daily = usage, hour = '2026-11-24T12:00:00Z' } = {},
): RegionFigures {
  const rows = Array.from({ length: days }, (_, index) => {
    const day = today - days + index
    const samples = Array.from({ length: 24 }, (_, offset) => sampleAt(day * 24 - 8 + offset, daily))
    return rollDay(day, zone, samples, [])
  })
  return { region, latest: sampleAt(hour, usage, { pass }), days: rows }
}

describe('how a metric stands', () => {
  const cores = { kind: 'cores', cores: decimalOf(100) } as const
  const used = (value: number) => ({ usage: decimalOf(value) })

  it.each([
    [0, 'within'],
    [99.999, 'within'],
    [100, 'within'],
    [100.001, 'above'],
    [105, 'above'],
    [105.001, 'over-use'],
  ])('%d of 100 with 5 %% tolerance is %s', (value, standing) => {
    expect(standingOf(used(value), cores, decimalOf(5))).toBe(standing)
  })

  it('is decided exactly, also where floats are not exact', () => {
    // As a float, 1.1 * 3 is 3.3000000000000003.
    expect(standingOf(used(3.3), { kind: 'cores', cores: decimalOf(3) }, decimalOf(10))).toBe('above')
    expect(standingOf({ usage: decimalOf(0.30000001) }, { kind: 'cores', cores: decimalOf(0.3) }, decimalOf(0))).toBe('over-use')
    expect(limitOf(decimalOf(128), decimalOf(5))).toEqual({ units: 1344n, scale: 1 })
  })

  it('is not known without data, and needs none where it is unlimited or nobody has said', () => {
    expect(standingOf({ usage: undefined }, cores, decimalOf(5))).toBe('no-data')
    expect(standingOf({ usage: undefined }, { kind: 'unlimited' }, decimalOf(5))).toBe('unlimited')
    expect(standingOf(used(5), { kind: 'unknown' }, decimalOf(5))).toBe('no-entitlement')
  })
})

describe('what Pass says, compared with the figures', () => {
  it.each<[PassState, PassMeans | undefined, Overage]>([
    ['true', 'over', 'over'],
    ['false', 'over', 'ok'],
    ['true', 'ok', 'ok'],
    ['false', 'ok', 'over'],
    ['unreadable', 'over', 'unknown'],
    ['true', undefined, 'unknown'],
  ])('%s, which means %s when true, is %s', (state, means, overage) => {
    expect(overageOf(state, means)).toBe(overage)
  })

  it.each<[Overage, UsageVerdict, Agreement]>([
    ['over', 'over', 'agree'],
    ['ok', 'within', 'agree'],
    ['over', 'within', 'contradict'],
    ['ok', 'over', 'contradict'],
    ['unknown', 'over', 'cannot-tell'],
    ['over', 'cannot-tell', 'cannot-tell'],
  ])('%s beside %s: %s', (overage, usage, agreement) => {
    expect(agreementOf(overage, usage)).toBe(agreement)
  })

  it('fits one meaning, when both can be read', () => {
    for (const state of ['true', 'false'] as const) {
      for (const usage of ['over', 'within'] as const) {
        const means = fittingMeaning(state, usage)
        expect(agreementOf(overageOf(state, means), usage)).toBe('agree')
      }
    }
    expect(fittingMeaning('unreadable', 'over')).toBeUndefined()
    expect(fittingMeaning('true', 'cannot-tell')).toBeUndefined()
  })

  it.each([
    [{ x86: '100' }, [{ product: 'x86', cores: 128 }], 'within'],
    [{ x86: '140' }, [{ product: 'x86', cores: 128 }], 'over'],
    // Between the entitlement and its tolerance both sides may be right.
    [{ x86: '130' }, [{ product: 'x86', cores: 128 }], 'cannot-tell'],
    [{ x86: '100', arm: '5' }, [{ product: 'x86', cores: 128 }], 'cannot-tell'],
    [{ x86: '140', arm: '5' }, [{ product: 'x86', cores: 128 }], 'over'],
    [{ x86: '100', arm: 'N/A' }, [{ product: '*', cores: 128 }], 'cannot-tell'],
    [{ x86: '100', arm: '5' }, [{ product: '*', cores: 'unlimited' }], 'within'],
    [{ x86: '100' }, [], 'cannot-tell'],
  ])('%j under %j: the figures are %s', (usage, entitlements, verdict) => {
    expect(outlookOf(figures(usage as Record<string, unknown>, { days: 0 }), rules(entitlements), now).verdict).toBe(verdict)
  })
})

describe('an outlook', () => {
  it('says what is used, what is free, and when it is blocked', () => {
    const outlook = outlookOf(figures({ x86: '100', arm: '7' }), rules([{ product: 'x86', cores: '128.5' }]), now)
    expect(outlook).toMatchObject({ region, hour: '2026-11-24T12:00:00Z', isCurrent: true, overage: 'ok', verdict: 'cannot-tell' })
    expect(outlook.metrics.map(({ metric, standing, free, forecast }) => [metric.id, standing, free, forecast.kind])).toEqual([
      ['x86', 'within', { units: 285n, scale: 1 }, 'not-in-sight'],
      ['arm', 'no-entitlement', undefined, 'no-entitlement'],
    ])
    // The whole of November up to now, in Shanghai; the row of today has one hour so far.
    expect(outlook.coverage).toEqual({ measured: 23 * 24 + 1, hours: 23 * 24 + 21 })
  })

  it('of a sample that is in the rows already is no other one', () => {
    const with1 = figures({ x86: '100' })
    const row = rollDay(
      today,
      zone,
      [with1.latest].flatMap((one) => one ?? []),
      [],
    )
    const own = rules([{ product: 'x86', cores: 128 }])
    expect(outlookOf({ ...with1, days: [...with1.days, row] }, own, now)).toEqual(outlookOf(with1, own, now))
  })

  it('adds the sample of now to a day that has others', () => {
    const base = figures({ x86: '100' })
    const row = rollDay(today, zone, [sampleAt('2026-11-24T11:00:00Z', { x86: '300', arm: '2' })], [])
    const outlook = outlookOf({ ...base, days: [...base.days, row] }, rules([{ product: 'x86', cores: 128 }]), now)
    expect(outlook.coverage.measured).toBe(23 * 24 + 2)
  })

  it('is over since the first of the days in a row that were', () => {
    const base = figures({ x86: '140' }, { days: 20, daily: { x86: '100' } })
    const days = base.days.map((row) =>
      row.day < today - 6 ? row : rollDay(row.day, zone, [sampleAt(row.firstHour, row.day === today - 3 ? {} : { x86: '139' })], []),
    )
    const [metric] = outlookOf({ ...base, days }, rules([{ product: 'x86', cores: 128 }]), now).metrics
    expect(metric?.standing).toBe('over-use')
    // The day without any figure is passed over, it does not end the row.
    expect(metric?.forecast).toEqual({ kind: 'over-now', since: '2026-11-18' })
  })

  it('is over since yesterday, though this morning was not: the sample of now is one of today', () => {
    const base = figures({ x86: '140' }, { days: 20, daily: { x86: '100' } })
    const yesterday = rollDay(today - 1, zone, [sampleAt(today * 24 - 12, { x86: '139' })], [])
    const morning = rollDay(today, zone, [sampleAt('2026-11-24T01:00:00Z', { x86: '100', arm: '3' })], [])
    const own = rules([{ product: 'x86', cores: 128 }])
    const since = (days: RegionFigures['days']) => outlookOf({ ...base, days }, own, now).metrics[0]?.forecast
    expect(since([...base.days.slice(0, -1), yesterday, morning])).toEqual({ kind: 'over-now', since: '2026-11-23' })
    // A higher one of this morning stays the mark of the day, and what was not listed then is added.
    const higher = rollDay(today, zone, [sampleAt('2026-11-24T01:00:00Z', { x86: '150' })], [])
    expect(since([...base.days.slice(0, -1), yesterday, higher])).toEqual({ kind: 'over-now', since: '2026-11-23' })
    expect(since([...base.days.slice(0, -1), yesterday, rollDay(today, zone, [sampleAt('2026-11-24T01:00:00Z', {})], [])])).toEqual({
      kind: 'over-now',
      since: '2026-11-23',
    })
    const notNow = outlookOf(
      { ...figures({ x86: '129' }), days: [...base.days.slice(0, -1), yesterday, higher] },
      rules([{ product: 'x86', cores: 128 }]),
      now,
    )
    expect(notNow.metrics[0]?.forecast).toEqual({ kind: 'over-now', since: '2026-11-23' })
  })

  it('of figures that are days old is over since their day, not since today', () => {
    const old = figures({ x86: '140' }, { days: 0, hour: '2026-11-20T12:00:00Z' })
    const own = rules([{ product: 'x86', cores: 128 }])
    expect(outlookOf(old, own, now).metrics[0]?.forecast).toEqual({ kind: 'over-now', since: '2026-11-20' })
    // Older than all rows that were read, it is none of their days.
    const rows = Array.from({ length: 10 }, (_, index) => rollDay(today - 9 + index, zone, [], []))
    const older = { ...figures({ x86: '140' }, { hour: '2026-09-01T12:00:00Z' }), days: rows }
    expect(outlookOf(older, own, now)).toMatchObject({ coverage: { measured: 0, hours: 9 * 24 + 21 } })
    expect(outlookOf(older, own, now).metrics[0]?.forecast).toEqual({ kind: 'over-now', since: '2026-09-01' })
  })

  it('counts this month only, and nothing of the next one', () => {
    const october = Array.from({ length: 5 }, (_, index) => rollDay(dayNumber(2026, 10, 20) + index, zone, [], []))
    const early = Date.parse('2026-11-01T00:10:00Z')
    expect(outlookOf({ region, days: october }, rules([]), early).coverage).toEqual({ measured: 0, hours: 0 })
    // The clock of whoever measured was ahead: here it is still November.
    const ahead = figures({ x86: '1' }, { days: 0, hour: '2026-11-30T16:00:00Z' })
    const last = rollDay(dayNumber(2026, 11, 30), zone, [sampleAt('2026-11-30T14:00:00Z', { x86: '1' })], [])
    expect(outlookOf({ ...ahead, days: [last] }, rules([]), Date.parse('2026-11-30T15:55:00Z')).coverage).toEqual({
      measured: 1,
      hours: 24,
    })
  })

  it('names the products of the last day that had any, when the platform lists none', () => {
    const before = figures({ gpu: '3', x86: '5' }, { days: 3 })
    const empty = rollDay(today, zone, [], [])
    const own = rules([{ product: 'x86', cores: 128 }])
    const names = (of: RegionFigures) => outlookOf(of, own, now).metrics.map(({ metric, standing }) => `${metric.id} ${standing}`)
    expect(names({ ...before, latest: sampleAt('2026-11-24T12:00:00Z', {}), days: [...before.days, empty] })).toEqual([
      'x86 no-data',
      'gpu no-entitlement',
    ])
    expect(names({ region, days: before.days })).toEqual(['x86 no-data', 'gpu no-entitlement'])
    // What it lists counts as soon as it lists something, and a row without a name is no product.
    expect(names({ ...before, latest: sampleAt('2026-11-24T12:00:00Z', { x86: '5', '': '7' }) })).toEqual(['x86 within'])
  })

  it('takes no day for a low one that was hardly measured', () => {
    const base = figures({ x86: '100' })
    const days = base.days.map((row, index) =>
      index % 2 === 0 ? row : rollDay(row.day, zone, [sampleAt(row.firstHour, { x86: '1' })], []),
    )
    const [metric] = outlookOf({ ...base, days }, rules([{ product: 'x86', cores: 101 }]), now).metrics
    expect(metric?.forecast).toMatchObject({ kind: 'not-in-sight' })
    const few = base.days.map((row, index) => (index < 13 ? row : rollDay(row.day, zone, [sampleAt(row.firstHour, { x86: '1' })], [])))
    expect(outlookOf({ ...base, days: few }, rules([{ product: 'x86', cores: 101 }]), now).metrics[0]?.forecast).toEqual({
      kind: 'too-little-data',
      have: 13,
      need: 14,
    })
  })

  it('knows of an entitlement that ends, also where it is unlimited', () => {
    const ending = rules([{ product: 'x86', cores: 'unlimited', until: '2026-12-31' }])
    expect(outlookOf(figures({ x86: '100' }), ending, now).metrics[0]).toMatchObject({
      standing: 'unlimited',
      forecast: { kind: 'blocked-on', likely: '2027-01-01' },
    })
    expect(outlookOf(figures({ x86: '100' }), rules([{ product: 'x86', cores: 'unlimited' }]), now).metrics[0]?.forecast).toEqual({
      kind: 'unlimited',
    })
  })

  it('of figures of another hour is not one of now', () => {
    const stale = figures({ x86: '100' }, { hour: '2026-11-24T11:00:00Z' })
    expect(outlookOf(stale, rules([{ product: 'x86', cores: 128 }]), now)).toMatchObject({ isCurrent: false, hour: '2026-11-24T11:00:00Z' })
    // A clock that was ahead measured it.
    expect(outlookOf(figures({ x86: '1' }, { hour: '2026-11-24T13:00:00Z' }), rules([]), now).isCurrent).toBe(true)
  })

  it('without any sample knows the entitlements and nothing else', () => {
    const outlook = outlookOf({ region, days: [] }, rules([{ product: 'x86', cores: 128 }]), now)
    expect(outlook).toMatchObject({ isCurrent: false, overage: 'unknown', agreement: 'cannot-tell', coverage: { measured: 0, hours: 0 } })
    expect(outlook.metrics.map(({ standing, usage }) => [standing, usage.why])).toEqual([['no-data', 'there is no sample yet']])
  })

  it('wants the days of the forecast and of the month', () => {
    expect(firstDayWanted(rules([]), now)).toBe(today - 56)
    expect(firstDayWanted({ timeZone: zone, forecast: { weeks: 3, horizonDays: 7 } }, now)).toBe(dayNumber(2026, 11, 1))
  })
})

describe('the headroom', () => {
  const of = (usage: Record<string, unknown>, entitlements: readonly object[], pass = 'false') => {
    const own = rules(entitlements)
    return readHeadroom(plainCopy(headroomOf([outlookOf(figures(usage, { pass }), own, now)], now)))
  }

  it('is small, and comes back from the memory as it was', () => {
    const headroom = of({ x86: '100.5', arm: 'N/A', gpu: '3' }, [
      { product: 'x86', cores: 128 },
      { product: 'arm', cores: 4 },
      { product: 'gpu', cores: 'unlimited' },
    ])
    expect(headroom).toEqual({
      format: 1,
      at: '2026-11-24T12:20:00.000Z',
      regions: {
        [region]: {
          hour: '2026-11-24T12:00:00Z',
          at: '2026-11-24T12:03:00.000Z',
          overage: 'ok',
          products: {
            x86: { used: '100.5', entitled: '128', free: '27.5', unit: 'core', forecast: { kind: 'not-in-sight', withinDays: 365 } },
            arm: { entitled: '4', unit: 'core', forecast: { kind: 'too-little-data', have: 0, need: 14 } },
            gpu: { used: '3', entitled: 'unlimited', unit: 'core', forecast: { kind: 'unlimited' } },
          },
          coverage: { measured: 553, hours: 573 },
        },
      },
    })
    expect(JSON.stringify(headroom).length).toBeLessThan(1000)
  })

  it('tells how many cores are free: the least that any limit leaves', () => {
    const headroom = of({ 'tke-x86': '100', 'tke-arm': '10', gpu: '3' }, [
      { product: 'tke-*', cores: 128 },
      { product: 'tke-arm', cores: '12.5' },
      { product: 'gpu', cores: 'unlimited' },
    ])
    expect(freeCores(headroom, region)).toBe(2.5)
    expect(freeCores(headroom, region, 'tke-x86')).toBe(18)
    expect(freeCores(headroom, region, 'tke-arm')).toBe(2.5)
    expect(freeCores(headroom, region, 'gpu')).toBe('unlimited')
    expect(freeCores(headroom, region, 'other')).toBe('unknown')
    expect(freeCores(headroom, 'ap-beijing')).toBe('unknown')
    expect(freeCores(undefined, region)).toBe('unknown')
  })

  it('is nothing when it is used up, never negative', () => {
    expect(freeCores(of({ x86: '140' }, [{ product: 'x86', cores: 128 }], 'true'), region)).toBe(0)
    expect(freeCores(of({ x86: '128' }, [{ product: 'x86', cores: 128 }]), region)).toBe(0)
  })

  it('is not known as soon as one limit that counts is not', () => {
    const headroom = of({ x86: '100', arm: 'N/A' }, [
      { product: 'x86', cores: 128 },
      { product: 'arm', cores: 4 },
    ])
    expect(freeCores(headroom, region)).toBe('unknown')
    expect(freeCores(headroom, region, 'x86')).toBe(28)
    expect(freeCores(of({ x86: '100', gpu: '5' }, [{ product: 'x86', cores: 128 }]), region)).toBe('unknown')
  })

  it('does not take sides while Pass contradicts the figures', () => {
    expect(of({ x86: '100' }, [{ product: 'x86', cores: 128 }], 'true')?.regions[region]?.overage).toBe('unknown')
    expect(of({ x86: '140' }, [{ product: 'x86', cores: 128 }], 'true')?.regions[region]?.overage).toBe('over')
  })

  it.each(['', 'N/A', '-5', '1e3', '1,024', 'Infinity'])(
    'with %o for what is free was damaged, and nobody grows on the strength of it',
    (free) => {
      const line = { used: '100', entitled: '128', free: '28', unit: 'core', forecast: { kind: 'unlimited' } }
      const kept = (own: object) => ({
        format: 1,
        at: '2026-11-24T15:03:00Z',
        regions: { 'ap-guangzhou': { overage: 'ok', products: { x86: { ...line, ...own } }, coverage: { measured: 1, hours: 1 } } },
      })
      expect(freeCores(readHeadroom(kept({})), 'ap-guangzhou')).toBe(28)
      expect(readHeadroom(kept({ free }))).toBeUndefined()
      expect(readHeadroom(kept({ used: free }))).toBeUndefined()
      expect(freeCores(readHeadroom(kept({ free })), 'ap-guangzhou')).toBe('unknown')
    },
  )

  it('of another version is none, and one with more members is one', () => {
    const headroom = of({ x86: '100' }, [{ product: 'x86', cores: 128 }])
    expect(readHeadroom({ ...headroom, format: 2 })).toBeUndefined()
    expect(readHeadroom(undefined)).toBeUndefined()
    expect(readHeadroom({ ...headroom, more: true })).toEqual(headroom)
  })
})

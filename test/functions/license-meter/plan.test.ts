import { describe, expect, it } from 'vitest'
import { alertsOf } from '#functions/license-meter/alerts.ts'
import type { Settings } from '#functions/license-meter/event.ts'
import { type Observed, plan } from '#functions/license-meter/plan.ts'
import { now, observed, region, type SeenOptions, seen, settings } from './small-figures.ts'

function lines(seenNow: Observed, own: Settings = settings(), at = now): Record<string, string> {
  return Object.fromEntries(
    plan(seenNow, { settings: own }, at).map(({ target, verdict, reason }) => [target, `${verdict} ${reason.code}: ${reason.text}`]),
  )
}

function alerts(seenNow: Observed, own: Settings = settings(), at = now): string[] {
  return alertsOf(seenNow, own, at).map(({ kind, metric }) => (metric === '' ? kind : `${kind} ${metric}`))
}

/** The keys by which people are told once. */
function keys(usage: string, own: object, at = now, options: SeenOptions = {}): string[] {
  return alertsOf(observed(seen({ x86: usage }, { at, pass: 'true', ...options })), settings(own), at).map(({ key }) => key)
}

describe('over-use', () => {
  it('exactly at the threshold no alert', () => {
    // 128 and 5 % of it are 134.4.
    expect(alerts(observed(seen({ x86: '134.4' }, { pass: 'false' })))).toEqual([])
    expect(alerts(observed(seen({ x86: '128' })))).toEqual([])
    expect(alerts(observed(seen({ x86: '134.4001' }, { pass: 'true' })))).toEqual(['over-use x86'])
  })

  it('above entitlement within tolerance none', () => {
    const here = observed(seen({ x86: '130' }, { pass: 'false' }))
    expect(alerts(here)).toEqual([])
    expect(lines(here)[`${region}/x86`]).toBe(
      'no-change above-within-tolerance: 130 of 128 core (101.6 %); above the entitlement since 2026-11-24; within the tolerance of 5 %',
    )
  })

  it('above it alerts, with its figures', () => {
    const here = observed(seen({ x86: '140' }))
    expect(alerts(here)).toEqual(['over-use x86'])
    expect(lines(here)).toEqual({
      [region]: 'no-change measured-now: 2026-11-24T12:00:00Z is measured; 1 of 21 hours of this month are measured',
      [`${region}/x86`]: 'held over-use: 140 of 128 core (109.4 %): more than 134.4, the entitlement and 5 % tolerance',
      [`${region}/Pass`]:
        'held platform-over: Pass is "true", which is set to mean over-use; the figures agree. The platform may refuse new nodes',
    })
  })

  it('entitlement raised but not enough still alerts', () => {
    const raised = {
      entitlements: [
        { product: 'x86', cores: 128 },
        { product: 'x86', cores: 2, from: '2026-11-20' },
      ],
    }
    expect(keys('140', raised).length).toBe(1)
    // It is another alert than before: what it is judged by has changed.
    expect(keys('140', raised)).not.toEqual(keys('140', {}))
    expect(keys('140', { entitlements: [{ product: 'x86', cores: 134 }] }, now, { pass: 'false' })).toEqual([])
  })

  it('entitlement lowered alerts', () => {
    const lowered = {
      entitlements: [
        { product: 'x86', cores: 100, from: '2026-11-24' },
        { product: 'x86', cores: 128, until: '2026-11-23' },
      ],
    }
    const yesterday = now - 86_400_000
    expect(keys('120', lowered, yesterday, { pass: 'false' })).toEqual([])
    expect(keys('120', lowered, now)).toHaveLength(1)
  })

  it('an entitlement that has ended is none', () => {
    const ended = settings({ entitlements: [{ product: 'x86', cores: 128, until: '2026-11-23' }] })
    const here = observed(seen({ x86: '1' }, { pass: 'true' }))
    expect(alerts(here, ended)).toEqual(['over-use x86'])
    expect(lines(here, ended)[`${region}/x86`]).toBe(
      'held over-use: 1 of 0 core (–): more than 0, the entitlement and 5 % tolerance; the last entitlement has ended',
    )
  })

  it('unlimited is skipped', () => {
    const own = settings({ entitlements: [{ product: 'x86', cores: 'unlimited' }] })
    const here = observed(seen({ x86: '99999' }, { pass: 'false' }))
    expect(alerts(here, own)).toEqual([])
    expect(lines(here, own)[`${region}/x86`]).toBe('skipped unlimited: 99999 core: unlimited')
  })

  it('of what nobody has an entitlement for is not known', () => {
    const here = observed(seen({ x86: '5', gpu: '9' }))
    expect(alerts(here)).toEqual([])
    expect(lines(here)[`${region}/gpu`]).toBe(
      'skipped no-entitlement: 9 core; nobody has said how much it may be: add it under entitlements',
    )
  })

  it('of a sum is that of all it matches', () => {
    const own = settings({ entitlements: [{ product: '*', cores: 128 }] })
    const here = observed(seen({ x86: '100', arm: '34.5' }, { pass: 'true' }))
    expect(alerts(here, own)).toEqual(['over-use *'])
    expect(lines(here, own)[`${region}/*`]).toContain('134.5 of 128 core (105.1 %)')
  })
})

describe('no data is a gap', () => {
  it('an amount that cannot be read raises nothing, and is not zero', () => {
    const here = observed(seen({ x86: 'N/A' }, { pass: 'false' }))
    expect(alerts(here)).toEqual([])
    expect(lines(here)[`${region}/x86`]).toBe(
      'held usage-unreadable: nobody knows what is used: the value "N/A" is no number. It is a gap, not zero',
    )
  })

  it('of a region that could not be read in this hour, however high it was before', () => {
    const before = seen({ x86: '999' }, { at: now - 3_600_000, isNew: false })
    const here = observed({ ...before, problem: { code: 'cloud.timeout', text: 'it did not answer' } })
    expect(alerts(here)).toEqual([])
    expect(lines(here)).toEqual({
      [region]:
        'held region-unreadable: 2026-11-24T12:00:00Z has no sample: it did not answer (cloud.timeout); the last sample is of 2026-11-24T11:00:00Z, and 1 of 21 hours of this month are measured',
      [`${region}/x86`]:
        'skipped no-figures-now: there are no figures of this hour; at 2026-11-24T11:00:00Z it was 999 of 128 core (780.5 %)',
    })
  })

  it('of a region that was never read', () => {
    const here = observed({ region, isNew: false, days: [], problem: { code: 'cloud.timeout', text: 'it did not answer' } })
    expect(alerts(here)).toEqual([])
    expect(lines(here)[region]).toContain('it was never measured, and 0 of 0 hours')
    expect(lines(here)[`${region}/x86`]).toBe('skipped no-figures-now: there are no figures yet')
  })
})

describe('a region that fails does not hide the others', () => {
  it('whatever its problem is', () => {
    const own = settings()
    const bad = { region: 'ap-beijing', isNew: false, days: [], problem: { code: 'cloud.refused', text: 'no such region' } }
    const good = seen({ x86: '140' })
    const alone = plan(observed(good), { settings: own }, now)
    for (const both of [observed(bad, good), observed(good, bad)]) {
      expect(plan(both, { settings: own }, now).filter(({ target }) => target.startsWith(region))).toEqual(alone)
      expect(alerts(both, own)).toEqual(['over-use x86'])
    }
    expect(lines(observed(bad, good))['ap-beijing']).toContain('held region-unreadable')
  })

  it('and each region has its own figures', () => {
    const other = seen({ x86: '5' }, { of: 'ap-beijing' })
    expect(lines(observed(seen({ x86: '140' }), other))['ap-beijing/x86']).toContain('no-change within-entitlement: 5 of 128 core')
  })
})

describe('people are told once', () => {
  it('per civil month and metric, in the configured zone', () => {
    const [first] = keys('140', {})
    expect(keys('150', {}, now + 3 * 86_400_000)).toEqual([first])
    // 30 November, 23:50 and 1 December, 0:10 in Shanghai.
    expect(keys('140', {}, Date.parse('2026-11-30T15:50:00Z'))).toEqual([first])
    const december = keys('140', {}, Date.parse('2026-11-30T16:10:00Z'))
    expect(december).toHaveLength(1)
    expect(december).not.toEqual([first])
    expect(keys('140', { timeZone: 'UTC' }, Date.parse('2026-11-30T16:10:00Z'))).toEqual(keys('140', { timeZone: 'UTC' }))
  })

  it('and again when the entitlement or the tolerance changes, not when something else does', () => {
    const [first] = keys('200', {})
    expect(keys('200', { entitlements: [{ product: 'x86', cores: 129 }] })).not.toEqual([first])
    expect(keys('200', { alerts: { tolerancePercent: 6, warnAtPercent: 'never', warnDays: 0 } })).not.toEqual([first])
    expect(keys('200', { entitlements: [{ product: 'x86', cores: '128.0', note: 'renamed' }] })).toEqual([first])
    expect(keys('200', { alerts: { warnAtPercent: 50, warnDays: 7 }, keep: { hours: '2 years' } })).toEqual([first])
  })

  it('of each metric and region', () => {
    const own = settings({
      entitlements: [
        { product: 'x86', cores: 128 },
        { product: 'arm', cores: 1 },
      ],
    })
    const all = alertsOf(observed(seen({ x86: '140', arm: '5' }), seen({ x86: '140', arm: '1' }, { of: 'ap-beijing' })), own, now)
    expect(all.map(({ kind, region, metric }) => [kind, region, metric])).toEqual([
      ['over-use', region, 'x86'],
      ['over-use', region, 'arm'],
      ['over-use', 'ap-beijing', 'x86'],
    ])
    expect(new Set(all.map(({ key }) => key)).size).toBe(3)
  })

  it('at whichever trigger, measured or not: the second tick of an hour says the same', () => {
    const fresh = observed(seen({ x86: '140' }))
    const again = observed(seen({ x86: '140' }, { isNew: false }))
    expect(alertsOf(again, settings(), now + 600_000)).toEqual(alertsOf(fresh, settings(), now))
    expect(lines(again)[region]).toContain('no-change already-measured')
  })
})

describe('an early warning', () => {
  const own = settings({ alerts: { warnAtPercent: 75, warnDays: 0 } })

  it('is given strictly above its percentage', () => {
    expect(alerts(observed(seen({ x86: '96' })), own)).toEqual([])
    expect(alerts(observed(seen({ x86: '96.1' })), own)).toEqual(['near-entitlement x86'])
    expect(lines(observed(seen({ x86: '96.1' })), own)[`${region}/x86`]).toBe(
      'held near-entitlement: 96.1 of 128 core (75.1 %); no forecast yet: 0 of 14 days are measured; more than 75 % of the entitlement',
    )
  })

  it('gives way to over-use, and not to what is tolerated', () => {
    expect(alerts(observed(seen({ x86: '140' })), own)).toEqual(['over-use x86'])
    expect(alerts(observed(seen({ x86: '130' }, { pass: 'false' })), own)).toEqual(['near-entitlement x86'])
  })

  it('is re-armed by its own percentage', () => {
    const [first] = keys('110', { alerts: { warnAtPercent: 75, warnDays: 0 } }, now, { pass: 'false' })
    expect(first).toBeDefined()
    expect(keys('110', { alerts: { warnAtPercent: 80, warnDays: 0 } }, now, { pass: 'false' })).not.toEqual([first])
  })

  it('is also given when a block is in sight', () => {
    const warned = settings({ alerts: { warnAtPercent: 'never', warnDays: 30 } })
    const growing: SeenOptions = { days: 56, daily: (index) => String(50 + index), pass: 'false' }
    const here = observed(seen({ x86: '106' }, growing))
    expect(alerts(here, warned)).toEqual(['block-in-sight x86'])
    expect(lines(here, warned)[`${region}/x86`]).toBe(
      'held block-in-sight: 106 of 128 core (82.8 %); blocked about 2026-12-17 (between 2026-12-17 and 2026-12-17); that is within 30 days',
    )
    const warning = (warnDays: number) => alertsOf(here, settings({ alerts: { warnAtPercent: 'never', warnDays } }), now)
    // The 23rd day from today is its day.
    expect(warning(22)).toEqual([])
    expect(warning(23).map(({ kind }) => kind)).toEqual(['block-in-sight'])
    expect(warning(0)).toEqual([])
    // It is re-armed by its own number of days, and by nothing else.
    expect(warning(24)[0]?.key).not.toBe(warning(23)[0]?.key)
    const warned75 = settings({ alerts: { warnAtPercent: 99, warnDays: 30, tolerancePercent: 7 } })
    expect(alertsOf(here, warned75, now)[0]?.key).toBe(alertsOf(here, warned, now)[0]?.key)
  })

  it('of a block that is due today is given, unless nobody wants one', () => {
    const falling: SeenOptions = { days: 56, daily: () => '129', pass: 'false' }
    const here = observed(seen({ x86: '100' }, falling))
    expect(alerts(here, settings({ alerts: { warnAtPercent: 'never', warnDays: 1 } }))).toEqual(['block-in-sight x86'])
    expect(alerts(here, settings({ alerts: { warnAtPercent: 'never', warnDays: 0 } }))).toEqual([])
  })
})

describe('Pass', () => {
  it('that contradicts the figures stops all alerts of its region, and asks a person', () => {
    const own = settings({ alerts: { warnAtPercent: 50, warnDays: 0 } })
    const here = observed(seen({ x86: '140' }, { pass: 'false' }), seen({ x86: '140' }, { of: 'ap-beijing' }))
    expect(alertsOf(here, own, now).map(({ kind, region }) => [kind, region])).toEqual([
      ['pass-contradicts', region],
      ['over-use', 'ap-beijing'],
    ])
    expect(lines(here, own)[`${region}/x86`]).toContain('held alerts-stopped: 140 of 128 core (109.4 %)')
    expect(lines(here, own)[`${region}/Pass`]).toBe(
      'held pass-contradicts: Pass is "false", which is set to mean no over-use, but a figure is above its entitlement and tolerance. Either passMeans or an entitlement is wrong; no alert is raised for the region until somebody puts it right',
    )
    const within = observed(seen({ x86: '100' }, { pass: 'true' }))
    expect(alerts(within, own)).toEqual(['pass-contradicts'])
    expect(lines(within, own)[`${region}/x86`]).toContain('held alerts-stopped')
  })

  it('asks again when somebody has changed what it is compared with', () => {
    const of = (own: object) => keys('10', own, now, { pass: 'true' })
    expect(of({})).toHaveLength(1)
    expect(of({ entitlements: [{ product: 'x86', cores: 64 }] })).not.toEqual(of({}))
    expect(of({ alerts: { warnAtPercent: 'never', warnDays: 0, tolerancePercent: 6 } })).not.toEqual(of({}))
    expect(keys('10', { passMeans: 'ok' }, now, { pass: 'false' })).toHaveLength(1)
    expect(keys('10', { passMeans: 'ok' }, now, { pass: 'false' })).not.toEqual(of({}))
  })

  it('means the other thing where the platform says so', () => {
    const own = settings({ passMeans: 'ok' })
    expect(alerts(observed(seen({ x86: '140' }, { pass: 'FALSE' })), own)).toEqual(['over-use x86'])
    expect(alerts(observed(seen({ x86: '100' }, { pass: 'True' })), own)).toEqual([])
    expect(alerts(observed(seen({ x86: '100' }, { pass: 'false' })), own)).toEqual(['pass-contradicts'])
  })

  it('whose meaning nobody has set decides nothing, and one is told how to find out', () => {
    const own = settings({ passMeans: undefined })
    const over = observed(seen({ x86: '140' }, { pass: 'false' }))
    expect(alerts(over, own)).toEqual(['over-use x86'])
    expect(lines(over, own)[`${region}/Pass`]).toBe(
      'no-change pass-recorded: Pass is "false"; what that means is not set, so it decides nothing: the figures are over, so it fits “passMeans: ok”: ask whoever runs the platform, and set that',
    )
    expect(lines(observed(seen({ x86: '100', gpu: '1' })), own)[`${region}/Pass`]).toContain(
      'compare it at a time when the figures are clearly over',
    )
  })

  it.each(['', null, 'yes'])('%j is neither, and decides nothing', (pass) => {
    const here = observed(seen({ x86: '140' }, { pass }))
    expect(alerts(here)).toEqual(['over-use x86'])
    expect(lines(here)[`${region}/Pass`]).toContain('held pass-unreadable')
  })

  it('that says over where the figures cannot tell is an alert of its own, and beside over-use it is none', () => {
    expect(alerts(observed(seen({ x86: '130' }, { pass: 'true' })))).toEqual(['platform-over'])
    expect(alerts(observed(seen({ gpu: '130' }, { pass: 'true' })))).toEqual(['platform-over'])
    expect(alerts(observed(seen({ x86: '140' }, { pass: 'true' })))).toEqual(['over-use x86'])
    const warned = settings({ alerts: { warnAtPercent: 75, warnDays: 0 } })
    expect(alerts(observed(seen({ x86: '130' }, { pass: 'true' })), warned)).toEqual(['near-entitlement x86', 'platform-over'])
  })

  it('in the tolerance contradicts nothing, whatever it says', () => {
    expect(alerts(observed(seen({ x86: '130' }, { pass: 'false' })))).toEqual([])
  })
})

describe('the report', () => {
  it('has nothing to change, ever, and a line for everything', () => {
    const own = settings({
      entitlements: [
        { product: '*', cores: 10 },
        { product: 'x86', cores: 128 },
        { product: 'missing', cores: 3 },
      ],
    })
    const steps = plan(observed(seen({ x86: '140', arm: 'N/A', gpu: '3' })), { settings: own }, now)
    expect(steps.map(({ target }) => target.slice(region.length))).toEqual(['', '/*', '/x86', '/missing', '/Pass'])
    expect(new Set(steps.map(({ key }) => key)).size).toBe(steps.length)
    for (const step of steps) expect(step.verdict).not.toBe('change')
  })

  it('is the same for the same facts, and of another hour another one', () => {
    const of = (at: number) => plan(observed(seen({ x86: '140' }, { at })), { settings: settings() }, at)
    expect(of(now)).toEqual(of(now))
    const earlier = new Set(of(now).map(({ key }) => key))
    for (const { key } of of(now + 3_600_000)) expect(earlier.has(key)).toBe(false)
  })

  it('of no regions is empty', () => {
    expect(plan(observed(), { settings: settings() }, now)).toEqual([])
    expect(alertsOf(observed(), settings(), now)).toEqual([])
  })

  it('says of what the hour is, and how far the month is measured', () => {
    const here = observed(seen({ x86: '100' }, { days: 40, isNew: false, daily: () => '90' }))
    expect(lines(here)[region]).toBe(
      'no-change already-measured: 2026-11-24T12:00:00Z is measured already; 553 of 573 hours of this month are measured',
    )
    expect(lines(here)[`${region}/x86`]).toBe('no-change within-entitlement: 100 of 128 core (78.1 %); no block in sight within 365 days')
  })
})

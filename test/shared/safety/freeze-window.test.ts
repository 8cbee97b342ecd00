import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseCron } from '#shared/pure/cron.ts'
import { type FreezeOverride, type FreezeWindow, isActive, judgeFreeze, nextChange } from '#shared/safety/freeze-window.ts'
import { matchesWall, wallOf } from '../pure/cron-oracle.ts'

const minuteMs = 60_000
const hourMs = 3_600_000

function window(spec: string, durationMs: number, timeZone = 'UTC', more: Partial<FreezeWindow> = {}): FreezeWindow {
  const schedule = parseCron(spec)
  if (!schedule.ok) throw new Error(schedule.error.message)
  return { name: 'w', kind: 'deny', schedule: schedule.value, durationMs, timeZone, ...more }
}

const at = (text: string): number => Date.parse(text)

describe('17: a window', () => {
  const night = window('0 0 22 * * *', 8 * hourMs, 'Asia/Shanghai')

  it('is active from its firing, included, to its end, not included, to the millisecond', () => {
    const start = at('2026-03-01T22:00:00+08:00')
    expect([start - 1, start, start + 8 * hourMs - 1, start + 8 * hourMs].map((now) => isActive(night, now))).toEqual([
      false,
      true,
      true,
      false,
    ])
  })

  it('tells when it opens and when it closes', () => {
    const start = at('2026-03-01T22:00:00+08:00')
    expect(nextChange(night, start - 1)).toBe(start)
    expect(nextChange(night, start)).toBe(start + 8 * hourMs)
    expect(nextChange(night, start + 8 * hourMs)).toBe(start + 24 * hourMs)
  })

  it('is prolonged by a firing while it is active, and by one at the very instant of its end', () => {
    const touching = window('0 0 0-3 * * *', hourMs)
    const midnight = at('2026-03-01T00:00:00Z')
    expect(nextChange(touching, midnight)).toBe(midnight + 4 * hourMs)
    expect(isActive(touching, midnight + hourMs)).toBe(true)
    const overlapping = window('0 0 0-3 * * *', 90 * minuteMs)
    expect(nextChange(overlapping, midnight + 1)).toBe(midnight + 4 * hourMs + 30 * minuteMs)
  })

  it('that never ends has no next change, and is found out fast', () => {
    const always = window('* * * * * *', minuteMs)
    const started = performance.now()
    expect(nextChange(always, at('2026-03-01T00:00:00Z'))).toBeUndefined()
    expect(performance.now() - started).toBeLessThan(500)
  })

  it('counts as one that never ends after a thousand firings in a row', () => {
    // Every minute from midnight on; the last firing is that of 16:59.
    const minutes = window('0 * 0-16 * * *', minuteMs)
    const midnight = at('2026-03-01T00:00:00Z')
    expect(nextChange(minutes, midnight + 20 * minuteMs)).toBe(midnight + 17 * hourMs)
    expect(nextChange(minutes, midnight + 19 * minuteMs)).toBeUndefined()
  })

  it('ends after its length even where clocks change meanwhile', () => {
    // New York sets its clocks forward at 2:00 on 8 March and back at 2:00 on 1 November 2026.
    const early = window('0 30 1 * * *', 2 * hourMs, 'America/New_York')
    const spring = at('2026-03-08T01:30:00-05:00')
    expect([spring, spring + 2 * hourMs - 1, spring + 2 * hourMs].map((now) => isActive(early, now))).toEqual([true, true, false])
    expect(nextChange(early, spring)).toBe(at('2026-03-08T04:30:00-04:00'))
    const autumn = at('2026-11-01T01:30:00-04:00')
    expect(nextChange(early, autumn)).toBe(at('2026-11-01T02:30:00-05:00'))
    // 1:30 comes twice that night and begins the window once: 25 hours lie between the two firings.
    expect(nextChange(early, autumn + 2 * hourMs)).toBe(autumn + 25 * hourMs)
  })

  it('whose beginning is skipped by the clocks begins at the first valid instant', () => {
    const skipped = window('0 30 2 * * *', hourMs, 'Europe/Berlin')
    const gap = at('2026-03-29T03:00:00+02:00')
    expect([gap - 1, gap, gap + hourMs - 1, gap + hourMs].map((now) => isActive(skipped, now))).toEqual([false, true, true, false])
  })
})

// The oracle: walks minute by minute with Intl's own clock and shares no code with shared/pure.

/** Every minute of a stretch at which a zone's wall clock first reaches a minute that fits. */
function firingsByMinute(spec: string, zone: string, fromMs: number, toMs: number): number[] {
  let reached = Number.NEGATIVE_INFINITY
  const firings: number[] = []
  for (let now = fromMs - 26 * hourMs; now <= toMs; now += minuteMs) {
    const wall = wallOf(now, zone)
    if (now >= fromMs) {
      for (let passed = reached + minuteMs; passed <= wall; passed += minuteMs) {
        if (!matchesWall(spec, passed)) continue
        firings.push(now)
        break
      }
    }
    reached = Math.max(reached, wall)
  }
  return firings
}

const isActiveByOracle = (firings: readonly number[], durationMs: number, now: number): boolean =>
  firings.some((firing) => firing <= now && now < firing + durationMs)

/** Days on which clocks change, or a date is left out, and one on which nothing happens. */
const places = fc.constantFrom(
  ['America/New_York', '2026-03-08T06:00:00Z'],
  ['America/New_York', '2026-11-01T05:00:00Z'],
  ['Europe/Berlin', '2026-03-29T00:00:00Z'],
  ['Europe/Berlin', '2026-10-25T00:00:00Z'],
  ['Australia/Lord_Howe', '2026-04-04T14:00:00Z'],
  ['Australia/Lord_Howe', '2026-10-03T15:00:00Z'],
  ['America/Sao_Paulo', '2018-11-04T02:00:00Z'],
  ['America/Sao_Paulo', '2018-02-18T01:00:00Z'],
  ['Pacific/Apia', '2011-12-30T09:00:00Z'],
  ['Asia/Shanghai', '2026-10-01T00:00:00Z'],
  ['Asia/Kathmandu', '2026-02-28T00:00:00Z'],
) as fc.Arbitrary<readonly [string, string]>

const field = (values: readonly string[]) => fc.constantFrom(...values)
const specs = fc
  .tuple(
    field(['0', '30', '*/20', '59', '0,15']),
    field(['*', '0', '1', '2', '2-3', '23', '*/6', '0,12']),
    field(['*', '*', '1', '29-31', '8']),
    field(['*', '*', '1-6', '12']),
    field(['*', '*', '0', '1-5', 'SUN,SAT']),
  )
  .map((fields) => `0 ${fields.join(' ')}`)
const durations = fc.constantFrom(1, 20, 45, 60, 90, 240, 719, 1440, 2880).map((minutes) => minutes * minuteMs)

describe('17: windows agree with an oracle that looks at every minute', () => {
  it('in being active, minute by minute, over days on which clocks change', () => {
    fc.assert(
      fc.property(places, specs, durations, ([zone, around], spec, durationMs) => {
        const middle = at(around)
        const firings = firingsByMinute(spec, zone, middle - 12 * hourMs - durationMs, middle + 24 * hourMs)
        const tested = window(spec, durationMs, zone)
        for (let now = middle - 12 * hourMs; now <= middle + 24 * hourMs; now += minuteMs) {
          for (const instant of [now - 1, now]) {
            if (isActive(tested, instant) !== isActiveByOracle(firings, durationMs, instant))
              throw new Error(`${zone} "${spec}" ${durationMs / minuteMs} min at ${new Date(instant).toISOString()}`)
          }
        }
      }),
      { seed: 17, numRuns: 100 },
    )
  })

  it('in the instant of the next change', () => {
    fc.assert(
      fc.property(
        places,
        specs,
        durations,
        fc.integer({ min: 0, max: 24 * 60 * 60 * 1000 }),
        ([zone, around], spec, durationMs, offsetMs) => {
          const now = at(around) - 12 * hourMs + offsetMs
          const horizon = Math.floor(now / minuteMs) * minuteMs + 2 * 24 * hourMs
          const firings = firingsByMinute(spec, zone, Math.floor(now / minuteMs) * minuteMs - durationMs, horizon)
          const state = isActiveByOracle(firings, durationMs, now)
          let expected: number | undefined
          for (let later = Math.floor(now / minuteMs + 1) * minuteMs; later <= horizon && expected === undefined; later += minuteMs) {
            if (isActiveByOracle(firings, durationMs, later) !== state) expected = later
          }
          const change = nextChange(window(spec, durationMs, zone), now)
          if (expected === undefined) expect(change ?? Number.POSITIVE_INFINITY).toBeGreaterThan(horizon)
          else expect(change).toBe(expected)
        },
      ),
      { seed: 18, numRuns: 100 },
    )
  })

  it('in the verdict, with any mix of windows, functions and overrides', () => {
    const windows = fc.array(
      fc.record({
        spec: specs,
        durationMs: durations,
        kind: fc.constantFrom<'allow' | 'deny'>('allow', 'deny'),
        functions: fc.constantFrom(undefined, ['a'], ['a', 'b'], ['b']),
      }),
      { maxLength: 4 },
    )
    const overrides = fc.array(fc.record({ window: fc.nat(4), untilMs: fc.integer({ min: -2, max: 2 }) }), { maxLength: 3 })
    fc.assert(
      fc.property(places, windows, overrides, fc.integer({ min: 0, max: 1440 }), ([zone, around], drafts, overrideDrafts, minute) => {
        const now = at(around) - 12 * hourMs + minute * minuteMs
        const freeze = drafts.map(({ spec, durationMs, kind, functions }, index) =>
          window(spec, durationMs, zone, { name: `w${index}`, kind, functions }),
        )
        const settings = {
          freeze,
          overrides: overrideDrafts.map(({ window: index, untilMs }) => ({
            window: `w${index}`,
            until: now + untilMs,
            by: 'ann',
            reason: 'r',
          })),
        }
        const states = drafts.map(({ spec, durationMs, kind, functions }, index) => ({
          kind,
          applies: functions === undefined || (functions as readonly string[]).includes('a'),
          active: isActiveByOracle(firingsByMinute(spec, zone, now - durationMs, now), durationMs, now),
          overridden: settings.overrides.some((override) => override.window === `w${index}` && override.until > now),
        }))
        const own = states.filter(({ applies }) => applies)
        const denied = own.some(({ kind, active, overridden }) => kind === 'deny' && active && !overridden)
        const allows = own.filter(({ kind }) => kind === 'allow')
        const outside = allows.length > 0 && !allows.some(({ active, overridden }) => active || overridden)

        const verdict = judgeFreeze(settings, 'a', now)
        expect(verdict.open).toBe(!denied && !outside)
        if (!verdict.open) expect(verdict.by).toBe(denied ? 'deny' : 'allow')
        else {
          // Whatever was overridden and mattered is named, and nothing else.
          const mattered = judgeFreeze({ freeze, overrides: [] }, 'a', now)
          expect(verdict.overrides.length > 0).toBe(!mattered.open)
          for (const { until } of verdict.overrides) expect(until).toBeGreaterThan(now)
        }
      }),
      { seed: 19, numRuns: 100 },
    )
  })
})

describe('17: the verdict over windows', () => {
  const now = at('2026-10-02T12:00:00+08:00')
  const deny = window('0 0 0 1 10 *', 7 * 24 * hourMs, 'Asia/Shanghai', { name: 'golden-week' })
  const allow = window('0 0 9 * * 1-5', 8 * hourMs, 'Asia/Shanghai', { name: 'office-hours', kind: 'allow' })
  const closedAllow = window('0 0 3 * * *', hourMs, 'Asia/Shanghai', { name: 'night', kind: 'allow' })
  const override = (name: string, untilMs = 1): FreezeOverride => ({ window: name, until: now + untilMs, by: 'ann', reason: 'incident 7' })

  it('is open without windows', () => {
    expect(judgeFreeze({ freeze: [], overrides: [] }, 'a', now)).toEqual({ open: true, overrides: [] })
  })

  it('says of a deny window its name and its end in its zone', () => {
    expect(judgeFreeze({ freeze: [deny, allow], overrides: [] }, 'a', now)).toEqual({
      open: false,
      by: 'deny',
      text: 'freeze window "golden-week" forbids changes until Thu 2026-10-08 00:00:00 Asia/Shanghai',
    })
  })

  it('names all windows that deny, the one that ends last first', () => {
    const short = window('0 0 12 * * *', hourMs, 'UTC', { name: 'noon' })
    const always = window('0 * * * * *', hourMs, 'UTC', { name: 'always' })
    const verdict = judgeFreeze({ freeze: [short, deny, always], overrides: [] }, 'a', at('2026-10-02T12:30:00Z'))
    expect(verdict).toMatchObject({
      text: 'freeze window "always" forbids changes with no end in sight; freeze window "golden-week" forbids changes until Thu 2026-10-08 00:00:00 Asia/Shanghai; freeze window "noon" forbids changes until Fri 2026-10-02 13:00:00 UTC',
    })
  })

  it('says outside of all allow windows which one opens next', () => {
    const evening = at('2026-10-09T20:00:00+08:00')
    expect(judgeFreeze({ freeze: [deny, allow, closedAllow], overrides: [] }, 'a', evening)).toEqual({
      open: false,
      by: 'allow',
      text: 'changes are allowed within "office-hours", "night" only, and "night" opens at Sat 2026-10-10 03:00:00 Asia/Shanghai',
    })
    expect(judgeFreeze({ freeze: [closedAllow, allow], overrides: [] }, 'a', evening)).toMatchObject({
      text: 'changes are allowed within "night", "office-hours" only, and "night" opens at Sat 2026-10-10 03:00:00 Asia/Shanghai',
    })
    const never = window('0 0 0 30 2 *', hourMs, 'UTC', { name: 'never', kind: 'allow' })
    expect(judgeFreeze({ freeze: [never, closedAllow], overrides: [] }, 'a', evening)).toMatchObject({
      text: 'changes are allowed within "never", "night" only, and "night" opens at Sat 2026-10-10 03:00:00 Asia/Shanghai',
    })
    expect(judgeFreeze({ freeze: [never], overrides: [] }, 'a', evening)).toMatchObject({
      text: 'changes are allowed within "never" only, and none opens within five years',
    })
  })

  it('lets an override set a deny window aside until its instant, not included, and reports it', () => {
    const settings = { freeze: [deny, allow], overrides: [override('golden-week', 0), override('golden-week')] }
    expect(judgeFreeze(settings, 'a', now)).toEqual({ open: true, overrides: [override('golden-week')] })
    expect(judgeFreeze(settings, 'a', now + 1)).toMatchObject({ open: false, by: 'deny' })
  })

  it('reports of two overrides of one window the one that lasts longer', () => {
    const settings = { freeze: [deny], overrides: [override('golden-week', 5), override('golden-week', 9), override('golden-week', 7)] }
    expect(judgeFreeze(settings, 'a', now)).toEqual({ open: true, overrides: [override('golden-week', 9)] })
    // And of two that last equally long the first one.
    const twice = { freeze: [deny], overrides: [override('golden-week', 9), { ...override('golden-week', 9), by: 'bob' }] }
    expect(judgeFreeze(twice, 'a', now)).toEqual({ open: true, overrides: [override('golden-week', 9)] })
  })

  it('takes an overridden allow window for active, but not against a deny window', () => {
    expect(judgeFreeze({ freeze: [closedAllow], overrides: [override('night')] }, 'a', now)).toEqual({
      open: true,
      overrides: [override('night')],
    })
    expect(judgeFreeze({ freeze: [closedAllow, deny], overrides: [override('night')] }, 'a', now)).toMatchObject({
      open: false,
      by: 'deny',
    })
    // Not needed, so not reported.
    expect(judgeFreeze({ freeze: [allow], overrides: [override('office-hours')] }, 'a', now)).toEqual({ open: true, overrides: [] })
  })

  it('is about the functions that a window names', () => {
    const own = { ...deny, functions: ['image-cleaner'] }
    expect(judgeFreeze({ freeze: [own], overrides: [] }, 'image-cleaner', now).open).toBe(false)
    expect(judgeFreeze({ freeze: [own], overrides: [] }, 'cron-scaler', now).open).toBe(true)
    const ownAllow = { ...closedAllow, functions: ['image-cleaner'] }
    expect(judgeFreeze({ freeze: [ownAllow], overrides: [] }, 'image-cleaner', now).open).toBe(false)
    expect(judgeFreeze({ freeze: [ownAllow], overrides: [] }, 'cron-scaler', now).open).toBe(true)
  })
})

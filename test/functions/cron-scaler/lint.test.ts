import { readFile } from 'node:fs/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { configuredRules, ruleContext } from '#functions/cron-scaler/configured-rules.ts'
import { type LintCode, type LintFinding, type LintOptions, lint, lintCodes } from '#functions/cron-scaler/lint.ts'
import type { ObservedCluster } from '#functions/cron-scaler/plan.ts'
import { compileRule } from '#functions/cron-scaler/rules.ts'
import { type CivilTime, civilOf, wallSeconds } from '#shared/pure/civil.ts'
import { at, bounds, clusterWith, configOf, hpcRules, iso, replicas, ruleOf, targetWith } from './fixtures.ts'

const now = at('2026-11-24T12:00:00Z')

type Rules = ReturnType<typeof ruleOf>[]

function lintOf(rules: Rules, more: Parameters<typeof configOf>[0] = {}, options: Partial<LintOptions> = {}): LintFinding[] {
  return lint({ config: configOf({ rules, ...more }), now, ...options })
}

function lintSeen(rules: Rules, cluster: ObservedCluster, more: Parameters<typeof configOf>[0] = {}): LintFinding[] {
  return lint({ config: configOf({ rules, ...more }), now, observed: { clusters: [cluster] } })
}

function codes(findings: readonly LintFinding[]): LintCode[] {
  return findings.map(({ code }) => code)
}

const web = targetWith(replicas(2))

describe('lint', () => {
  test('has nothing to say about ordinary rules', () => {
    expect(lintOf([ruleOf('day', '0 0 8 * * 1-5', 5), ruleOf('night', '0 0 20 * * *', 2)])).toEqual([])
    expect(lintOf([])).toEqual([])
  })

  test('says of what, where, since when and what to do, errors first', () => {
    const findings = lintOf([ruleOf('high', '0 0 8 * * 1', 7), ruleOf('low', '30 0 8 * * *', 3), ruleOf('mid', '0 0 8 * * *', 4)])
    expect(codes(findings)).toEqual(['contradiction', 'seconds'])
    expect(findings[0]).toEqual({
      severity: 'error',
      code: 'contradiction',
      target: 'cls-1/default/Deployment/web',
      rules: ['config/mid', 'config/high'],
      atMs: at('2026-11-30T08:00:00Z'),
      text: 'config/mid and config/high both fire at Mon 2026-11-30 08:00:00 UTC and ask for different sizes, replicas 4 and replicas 7; the higher one wins',
      fix: 'let one of them fire at another time, or exclude that day from one',
    })
  })
})

describe('a rule that never fires', () => {
  test('31 February', () => {
    const [finding] = lintOf([ruleOf('leap', '0 0 8 31 2 *', 5)])
    expect(finding).toMatchObject({ code: 'never-fires', severity: 'error', rules: ['config/leap'] })
  })

  test('29 February fires', () => {
    expect(lintOf([ruleOf('leap', '0 0 8 29 2 *', 5)])).toEqual([])
  })

  test('every firing is excluded, with the first one as example', () => {
    const [finding] = lintOf([ruleOf('sunday', '0 0 8 * * 0', 5, { excludeDates: ['* * * * * 0,6'] })])
    expect(finding).toMatchObject({ code: 'never-fires', rules: ['config/sunday'] })
    expect(finding?.text).toContain('every one of its firings until Sun 2031-11-23')
    expect(finding?.text).toContain('is excluded, the first at Sun 2026-11-29 08:00:00 UTC')
  })

  test('one that is excluded for four years and then is not fires', () => {
    const rule = ruleOf('later', '0 0 8 * * *', 5, { excludeDates: ['2026-01-01..2030-12-31'] })
    expect(lintOf([rule])).toEqual([])
  })

  test('its validity leaves no firing', () => {
    const [finding] = lintOf([ruleOf('christmas', '0 0 8 25 12 *', 5, { validUntil: '2026-12-24' })])
    expect(finding).toMatchObject({ code: 'never-fires' })
    expect(finding?.text).toBe('config/christmas does not fire before its validity is over at Fri 2026-12-25 00:00:00 UTC')
  })
})

describe('rules beside each other', () => {
  test('a rule that is overtaken at each of its firings never decides', () => {
    const findings = lintOf([ruleOf('always', '0 0 8 * * *', 5), ruleOf('monday', '0 0 8 * * 1', 3)])
    expect(codes(findings)).toEqual(['contradiction', 'never-decides'])
    expect(findings[1]).toMatchObject({ rules: ['config/monday', 'config/always'], atMs: at('2026-11-30T08:00:00Z') })
  })

  test('of two rules for the same size that fire together one never decides, which contradicts nothing', () => {
    const findings = lintOf([ruleOf('always', '0 0 8 * * *', 5), ruleOf('monday', '0 0 8 * * 1', 5)])
    expect(codes(findings)).toEqual(['never-decides'])
    expect(findings[0]?.fix).toBe('take it away')
  })

  test('overtaken by one on Mondays and by another on Tuesdays is overtaken as well', () => {
    const rules = [ruleOf('both', '0 0 8 * * 1,2', 3), ruleOf('monday', '0 0 8 * * 1', 5), ruleOf('tuesday', '0 0 8 * * 2', 6)]
    expect(codes(lintOf(rules))).toEqual(['contradiction', 'never-decides', 'contradiction'])
  })

  test('rules of different targets do not meet', () => {
    const other = { target: { kind: 'Deployment', name: 'api' } }
    expect(lintOf([ruleOf('one', '0 0 8 * * *', 5), ruleOf('other', '0 0 8 * * *', 3, other)])).toEqual([])
  })

  test('different zones meet where their clocks say so', () => {
    const rules = [ruleOf('berlin', '0 0 8 * * *', 5, { timeZone: 'Europe/Berlin' }), ruleOf('utc', '0 0 6 * * *', 3)]
    const [finding] = lintOf(rules)
    // In summer only.
    expect(finding).toMatchObject({ code: 'contradiction', atMs: at('2027-03-28T06:00:00Z') })
  })

  test('two times that are skipped when clocks go forward do not contradict each other: the later one wins', () => {
    const zone = { timeZone: 'Europe/Berlin' }
    expect(lintOf([ruleOf('one', '0 10 2 * * *', 5, zone), ruleOf('other', '0 50 2 * * *', 3, zone)])).toEqual([])
    const [finding] = lintOf([ruleOf('one', '0 10 2 28 3 *', 5, zone), ruleOf('other', '0 10 2 * * *', 3, zone)])
    expect(finding).toMatchObject({ code: 'contradiction', atMs: at('2027-03-28T01:00:00Z') })
  })

  test('excluded days are no meeting', () => {
    const rules = [ruleOf('all', '0 0 8 * * *', 5, { excludeDates: ['* * * * * 1'] }), ruleOf('monday', '0 0 8 * * 1', 3)]
    expect(lintOf(rules)).toEqual([])
  })

  test('paused rules are not compared', () => {
    expect(lintOf([ruleOf('one', '0 0 8 * * *', 5), ruleOf('other', '0 0 8 * * *', 3, { paused: true })])).toEqual([])
  })

  test('a rule of every second beside a daily one costs two leaps a day', () => {
    const findings = lintOf([ruleOf('always', '* * * * * *', 5), ruleOf('daily', '0 0 8 * * *', 3)])
    expect(codes(findings)).toEqual(['contradiction', 'never-decides', 'seconds'])
  })

  test('rules that fire all the time and never meet are followed as far as patience goes, and that is said', () => {
    const findings = lintOf([ruleOf('even', '*/2 * * * * *', 5), ruleOf('odd', '1-59/2 * * * * *', 3)])
    expect(codes(findings)).toEqual(['seconds', 'looked-not-far', 'seconds'])
    expect(findings[1]?.atMs).toBe(now + 300_001_000)
  })

  test('duplicates are the same in other words as well, also where excluded dates differ', () => {
    const rules = [ruleOf('one', '0 0 8 * * 1-5', 5), ruleOf('other', '0 0 8 ? * MON-FRI', 5, { excludeDates: ['2026-12-25'] })]
    const findings = lintOf(rules)
    expect(codes(findings)).toEqual(['duplicate'])
    expect(findings[0]?.text).toContain('their excluded dates differ')
    const [finding] = lintOf([ruleOf('one', '0 0 8 * * *', 5), ruleOf('other', '0 0 8 * * *', 5)])
    expect(finding).toMatchObject({ code: 'duplicate', rules: ['config/one', 'config/other'], severity: 'warning' })
  })
})

describe('a spread', () => {
  const spread = { spread: '20m', startingDeadline: '1h' }

  test('that reaches the next firing loses firings, or would for a target of another name', () => {
    const found = new Set<string>()
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
      const target = { target: { kind: 'Deployment', name } }
      const rules = [ruleOf('up', '0 0 8 * * *', 5, { ...spread, ...target }), ruleOf('down', '0 10 8 * * *', 2, target)]
      const [finding] = lintOf(rules)
      expect(finding?.rules).toEqual(['config/up', 'config/down'])
      expect(finding?.text).toContain('config/down fires 10m later')
      found.add(finding?.code ?? '')
    }
    expect(found).toEqual(new Set(['spread-loses-firings', 'spread-reaches-next']))
  })

  test('that a rule reaches itself with', () => {
    const [finding] = lintOf([ruleOf('often', '0 */5 * * * *', 5, spread)])
    expect(finding?.rules).toEqual(['config/often'])
    expect(finding?.text).toContain('and it fires again 5m later')
  })

  test('that is shorter than the gap is fine', () => {
    expect(lintOf([ruleOf('up', '0 0 8 * * *', 5, spread), ruleOf('down', '0 21 8 * * *', 2)])).toEqual([])
  })
})

describe('what is legal and surprising', () => {
  test('day of month and weekday', () => {
    const [finding] = lintOf([ruleOf('both', '0 0 8 13 * 5', 5)])
    expect(finding).toMatchObject({ code: 'day-or-weekday', severity: 'warning' })
    expect(finding?.text).toContain('fit either one, not only both')
  })

  test('times of day in excluded dates', () => {
    const [finding] = lintOf([ruleOf('day', '0 0 8 * * *', 5, { excludeDates: ['0 0 8 * * 5'] })])
    expect(finding).toMatchObject({ code: 'exclude-time-fields', severity: 'warning' })
  })

  test.each([
    ['30 0 8 * * *', 'at second 30'],
    ['0,30 0 8 * * *', 'at 2 seconds of its minutes'],
    ['* 0 8 * * *', 'at every second'],
  ])('seconds: %s', (schedule, words) => {
    const [finding] = lintOf([ruleOf('day', schedule, 5)])
    expect(finding).toMatchObject({ code: 'seconds', severity: 'warning' })
    expect(finding?.text).toContain(words)
  })

  test('a validity that is over', () => {
    const [finding] = lintOf([ruleOf('old', '0 0 8 * * *', 5, { validUntil: '2026-10-01' })])
    expect(finding).toMatchObject({ code: 'validity-over', atMs: at('2026-10-02T00:00:00Z') })
  })

  test('a run-once rule of which the time is over', () => {
    const [finding] = lintOf([ruleOf('opening', '0 0 8 1 10 *', 5, { runOnce: true })])
    expect(finding).toMatchObject({ code: 'run-once-over', atMs: at('2026-10-01T08:00:00Z') })
    expect(finding?.text).toContain('it runs at Fri 2027-10-01 08:00:00 UTC')
  })

  test('a run-once rule of which the time is to come', () => {
    expect(lintOf([ruleOf('opening', '0 0 8 1 12 *', 5, { runOnce: true })])).toEqual([])
    expect(lintOf([ruleOf('daily', '0 0 8 * * *', 5, { runOnce: true })])).toEqual([])
  })

  test('a run-once rule that was made after the time that is over', () => {
    const rules = hpcRules([{ name: 'opening', schedule: '0 0 8 1 10 *', targetSize: 5, runOnce: true }], configOf(), {
      metadata: { creationTimestamp: '2026-10-02T00:00:00Z' },
    })
    expect(lintSeen([], clusterWith([web], { rules }), { timeZone: 'UTC' })).toEqual([])
  })

  test('a run-once rule that has run, and contradicts nobody any more', () => {
    const rules = [ruleOf('opening', '0 0 8 25 11 *', 5, { runOnce: true }), ruleOf('day', '0 0 8 * * *', 3)]
    const before = lintSeen(rules, clusterWith([web]))
    expect(codes(before)).toEqual(['contradiction'])
    const config = configOf({ rules })
    const nominalMs = at('2026-11-24T08:00:00Z')
    const marked = lint({
      config,
      now,
      observed: {
        clusters: [
          clusterWith([
            targetWith(replicas(5), {
              record: {
                epoch: 1,
                owner: 'config/opening',
                key: 'k',
                nominalMs,
                decidedMs: nominalMs,
                before: replicas(2),
                after: replicas(5),
                original: { size: replicas(2), epoch: 1 },
                once: { [onceKeyOf('opening')]: nominalMs },
              },
            }),
          ]),
        ],
      },
    })
    expect(codes(marked)).toEqual(['run-once-over'])

    function onceKeyOf(name: string): string {
      const context = ruleContext(config.settings, now)
      const draft = configuredRules(config).find(({ id }) => id === `config/${name}`)
      if (draft === undefined) throw new Error(`there is no rule ${name}`)
      const compiled = compileRule(draft, context)
      return compiled.ok ? (compiled.value.onceKey ?? '') : ''
    }
  })

  test('overrides that are over, in the configuration and on a target', () => {
    const override = {
      name: 'sale',
      cluster: 'cls-1',
      target: { kind: 'Deployment', name: 'web' },
      targetSize: 9,
      until: iso(now - 1000),
      reason: 'r',
    }
    const onTarget = targetWith(replicas(2), { override: { id: 'override/annotation/x', size: replicas(8), untilMs: now } })
    const findings = lintSeen([ruleOf('day', '0 0 8 * * *', 5)], clusterWith([onTarget]), { overrides: [override] })
    expect(findings.map(({ code, rules, fix }) => [code, ...rules, fix])).toEqual([
      ['override-expired', 'override/annotation/x', 'take the annotation longshore.dev/override away'],
      ['override-expired', 'override/config/sale', 'take it out of `overrides`'],
    ])
    const running = { ...override, until: iso(now + 1000) }
    expect(lintOf([], { overrides: [running] })).toEqual([])
  })
})

describe('what cannot be', () => {
  test('a rule that is invalid, for no cluster, or for no target', () => {
    const findings = lintOf([
      ruleOf('five', '0 8 * * *', 5),
      ruleOf('nowhere', '0 0 8 * * *', 5, { cluster: 'cls-9' }),
      ruleOf('nothing', '0 0 8 * * *', 5, { target: { kind: 'DaemonSet', name: 'web' } }),
    ])
    expect(findings.map(({ code, rules }) => [code, ...rules])).toEqual([
      ['rule-invalid', 'config/nothing'],
      ['rule-invalid', 'config/nowhere'],
      ['rule-invalid', 'config/five'],
    ])
    expect(findings.map(({ fix }) => fix)).toEqual([
      'correct target.kind; until then the rule is held',
      'correct cluster; until then the rule is held',
      'correct schedule; until then the rule is held',
    ])
  })

  test('all that is wrong with a rule or an override, and with settings that do not go together', () => {
    const rules = [
      ruleOf('five', '0 8 * * *', 5, { timeZone: 'UTC', excludeDates: ['2026-02-30'] }),
      ruleOf('lost', '0 0 8 * * 1-5', 5, { cluster: 'cls-9', minSize: 2 }),
      ruleOf('slow', '0 0 9 * * *', 5, { startingDeadline: '9d' }),
    ]
    const override = { name: 'o', cluster: 'cls-9', target: { kind: 'Deployment', name: 'web' }, minSize: 1, reason: 'r' }
    const overrides = [{ ...override, from: '2026-11-30T00:00:00Z', until: '2026-11-29T00:00:00Z' }]
    const found = lint({ config: configOf({ spread: '40m', rules, overrides }), now: at('2026-11-24T08:00:00Z') })
    const texts = (code: LintCode) => found.filter((one) => one.code === code).map(({ text }) => text)
    expect(texts('settings-invalid')).toEqual([expect.stringMatching(/^spread: a spread of 40m is not shorter than/)])
    expect(texts('rule-invalid').filter((text) => text.startsWith('config/five'))).toHaveLength(2)
    expect(texts('rule-invalid').filter((text) => text.startsWith('config/lost'))).toHaveLength(2)
    expect(texts('rule-invalid').filter((text) => text.startsWith('config/slow'))).toEqual([])
    expect(texts('look-back-too-short')).toEqual([expect.stringContaining('config/slow: a look back of 8d does not reach over')])
    expect(texts('override-invalid')).toHaveLength(3)
  })

  test('a deadline of an HPC object that what is looked back does not reach over', () => {
    const config = configOf({ timeZone: 'UTC' })
    const rules = hpcRules([{ name: 'up', schedule: '0 0 8 * * *', targetSize: 3 }], config, {
      metadata: { annotations: { 'longshore.dev/starting-deadline': '9d' } },
    })
    const observed = { clusters: [clusterWith([targetWith(replicas(1))], { rules })] }
    const found = lint({ config, observed, now: at('2026-11-24T08:00:00Z') })
    expect(found.map(({ code }) => code)).toContain('look-back-too-short')
  })

  test('an override that is invalid, in the configuration and on a target', () => {
    const override = {
      name: 'sale',
      cluster: 'cls-1',
      target: { kind: 'Deployment', name: 'web' },
      minSize: 9,
      maxSize: 9,
      until: iso(now + 1000),
      reason: 'r',
    }
    const onTarget = targetWith(replicas(2), { override: { problem: 'it does not say until when' } })
    const findings = lintSeen([ruleOf('day', '0 0 8 * * *', 5)], clusterWith([onTarget]), { overrides: [override] })
    expect(codes(findings)).toEqual(['override-invalid', 'override-invalid'])
  })

  test('a field of an HPC object that is ignored', () => {
    const rules = hpcRules([{ name: 'day', schedule: '0 0 8 * * *', targetSize: 5, colour: 'red' }], configOf())
    const [finding] = lintSeen([], clusterWith([web], { rules }))
    expect(finding).toMatchObject({ code: 'field-ignored', rules: ['hpc/default/hpc/day'] })
  })

  test('a calendar that could not be read; offline nobody tried', () => {
    const calendars = { cn: { url: 'https://calendars.example.com/cn.ics' } }
    const rules = [ruleOf('day', '0 0 8 * * *', 5, { excludeDates: ['@calendar/cn'] })]
    const seen = lint({
      config: configOf({ rules, calendars }),
      now,
      observed: { clusters: [clusterWith([web])], calendars: { cn: { problem: 'it answered 404' } } },
    })
    expect(codes(seen)).toEqual(['calendar-unreadable'])
    expect(seen[0]?.text).toContain('it answered 404')
    expect(lintOf(rules, { calendars })).toEqual([])
  })

  test('a workload with an autoscaler, unless that is allowed or nobody looked', () => {
    const autoscalers = [{ namespace: 'default', name: 'web', workload: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } }]
    const rules = [ruleOf('day', '0 0 8 * * *', 5)]
    const [finding] = lintSeen(rules, clusterWith([web], { autoscalers }))
    expect(finding).toMatchObject({ code: 'hpa-conflict', severity: 'error', rules: ['config/day'] })
    expect(lintSeen(rules, clusterWith([web], { autoscalers }), { allowHpaConflict: true })).toEqual([])
    expect(lintOf(rules)).toEqual([])
    const bound = ruleOf('bounds', '0 0 8 * * *', [2, 5])
    expect(lintSeen([bound], clusterWith([targetWith(bounds(1, 2))], { autoscalers }))).toEqual([])
  })

  test('a target that is missing, and one that cannot be read', () => {
    const rules = [ruleOf('day', '0 0 8 * * *', 5)]
    expect(codes(lintSeen(rules, clusterWith([])))).toEqual(['target-missing'])
    expect(codes(lintSeen(rules, clusterWith([], { problems: [{ part: 'Deployment', text: 'forbidden' }] })))).toEqual([
      'target-unreadable',
    ])
    expect(codes(lintSeen(rules, clusterWith([web], { problems: [{ part: 'HorizontalPodAutoscaler', text: 'forbidden' }] })))).toEqual([
      'target-unreadable',
    ])
  })

  test('a cluster that cannot be read is passed over', () => {
    expect(lintSeen([ruleOf('day', '0 0 8 * * *', 5)], clusterWith([], { problems: [{ part: 'cluster', text: 'away' }] }))).toEqual([])
  })
})

/** What of a six-field schedule fires at a wall time, field by field. */
interface Fields {
  readonly minutes: ReadonlySet<number> | undefined
  readonly hours: ReadonlySet<number> | undefined
  readonly days: ReadonlySet<number> | undefined
  readonly weekdays: ReadonlySet<number> | undefined
}

const fieldOf = (least: number, most: number, chance: number) =>
  fc.oneof(
    { weight: chance, arbitrary: fc.constant(undefined) },
    {
      weight: 4,
      arbitrary: fc.uniqueArray(fc.integer({ min: least, max: most }), { minLength: 1, maxLength: 3 }).map((values) => new Set(values)),
    },
  )

const drawnRule = fc.record({
  minutes: fieldOf(0, 3, 1),
  hours: fieldOf(0, 4, 2),
  days: fieldOf(1, 31, 8),
  weekdays: fieldOf(0, 6, 4),
  size: fc.integer({ min: 1, max: 3 }),
  zone: fc.constantFrom('UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'Australia/Lord_Howe'),
  excludedWeekday: fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined }),
})

function fieldText(values: ReadonlySet<number> | undefined): string {
  return values === undefined ? '*' : [...values].join(',')
}

const minuteMs = 60_000

/** The minutes of a period at which a rule fires, by looking at every minute of the clock on the wall. */
function everyFiring(
  { minutes, hours, days, weekdays }: Fields,
  zone: string,
  excludedWeekday: number | undefined,
  fromMs: number,
  untilMs: number,
): Set<number> {
  const fits = (wall: number): boolean => {
    const { hour, minute, day, weekday } = civilOf(wall * 1000, 'UTC')
    if (minutes?.has(minute) === false || hours?.has(hour) === false) return false
    if (days === undefined || weekdays === undefined) return days?.has(day) !== false && weekdays?.has(weekday) !== false
    return days.has(day) || weekdays.has(weekday)
  }
  const wallAt = (ms: number): number => {
    const civil: CivilTime = civilOf(ms, zone)
    return wallSeconds(civil)
  }
  const firings = new Set<number>()
  let reached = wallAt(fromMs)
  for (let ms = fromMs + minuteMs; ms < untilMs; ms += minuteMs) {
    const wall = wallAt(ms)
    // What is skipped fires now; what is repeated has fired already.
    for (let skipped = reached + 60; skipped <= wall; skipped += 60) {
      if (fits(skipped) && civilOf(ms, zone).weekday !== excludedWeekday) firings.add(ms)
    }
    reached = Math.max(reached, wall)
  }
  return firings
}

describe('contradictions', () => {
  test('are found exactly where looking at every minute of 60 days finds one, with the first of them', () => {
    let contradictions = 0
    fc.assert(
      fc.property(
        fc.array(drawnRule, { minLength: 2, maxLength: 4 }),
        fc.constantFrom('2026-03-10T12:00:00Z', '2026-09-20T12:00:00Z'),
        (drawn, start) => {
          const fromMs = at(start)
          const aheadMs = 60 * 86_400_000
          const rules = drawn.map(({ minutes, hours, days, weekdays, size, zone, excludedWeekday }, index) =>
            ruleOf(`rule-${index}`, `0 ${fieldText(minutes)} ${fieldText(hours)} ${fieldText(days)} * ${fieldText(weekdays)}`, size, {
              timeZone: zone,
              excludeDates: excludedWeekday === undefined ? [] : [`* * * * * ${excludedWeekday}`],
            }),
          )
          const firings = drawn.map((one) => everyFiring(one, one.zone, one.excludedWeekday, fromMs, fromMs + aheadMs))
          const expected = new Map<string, number>()
          for (let ms = fromMs + minuteMs; ms < fromMs + aheadMs; ms += minuteMs) {
            const firing = drawn.flatMap(({ size }, index) =>
              firings[index]?.has(ms) === true ? [{ size, id: `config/rule-${index}` }] : [],
            )
            const [winner, ...losers] = firing.toSorted((left, right) => right.size - left.size || (left.id < right.id ? -1 : 1))
            for (const { id, size } of losers) {
              if (winner === undefined || size === winner.size) continue
              const key = `${id} ${winner.id}`
              if (!expected.has(key)) expected.set(key, ms)
            }
          }
          const found = lintOf(rules, {}, { now: fromMs, aheadMs }).filter(({ code }) => code === 'contradiction')
          expect(new Map(found.map(({ rules, atMs }) => [rules.join(' '), atMs]))).toEqual(expected)
          contradictions += expected.size
        },
      ),
      { seed: 41, numRuns: 30 },
    )
    expect(contradictions).toBeGreaterThan(10)
  })
})

test('every code has a test here', async () => {
  const source = await readFile(new URL(import.meta.url), 'utf8')
  for (const code of lintCodes) expect(source, code).toContain(`'${code}'`)
})

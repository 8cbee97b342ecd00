import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CronScalerConfig } from '#functions/cron-scaler/event.ts'
import { type Observed, plan } from '#functions/cron-scaler/plan.ts'
import { ahead } from '#functions/cron-scaler/plan-seen.ts'
import { sizesEqual, sizeText, targetName } from '#functions/cron-scaler/target.ts'
import { type TargetTimeline, TooManyFirings, timelines, unseenWorld } from '#functions/cron-scaler/timeline.ts'
import { conflictsOf, outsidersOf } from '#functions/cron-scaler/timeline-conflicts.ts'
import { applied, at, bounds, changesOf, clusterWith, configOf, iso, replicas, ruleOf, targetWith } from './fixtures.ts'

const minuteMs = 60_000

interface Change {
  readonly atMs: number
  readonly target: string
  readonly from: unknown
  readonly to: unknown
  readonly rule: string
  readonly code: string
  readonly text: string
}

/**
 * What the runtime does in mode enforce with its triggers on time: a run every minute, and within it one more at each instant that
 * it looks ahead to. Everything at once: all rules, all targets, the whole plan.
 */
function runEveryMinute(observed: Observed, config: CronScalerConfig, fromMs: number, untilMs: number): Change[] {
  const changes: Change[] = []
  let clusters = observed.clusters
  for (let triggerMs = fromMs; triggerMs < untilMs; triggerMs += minuteMs) {
    for (let now: number | undefined = triggerMs; now !== undefined && now < untilMs; ) {
      const steps = new Map(changesOf(plan({ clusters }, config, now)).map((step) => [step.target, step]))
      for (const { change, target, reason } of steps.values()) {
        const { from, to, rule } = change
        if (!sizesEqual(from, to)) changes.push({ atMs: now, target, from, to, rule, code: reason.code, text: reason.text })
      }
      const nowMs = now
      clusters = clusters.map((cluster) => ({
        ...cluster,
        targets: cluster.targets.map((target) => {
          const step = steps.get(`${cluster.id}/${targetName(target)}`)
          return step === undefined ? target : applied(target, step, nowMs)
        }),
      }))
      now = ahead({ clusters }, config, now, triggerMs + minuteMs - 1).toSorted((left, right) => left - right)[0]
    }
  }
  return changes
}

function changesIn(all: Iterable<TargetTimeline>): Change[] {
  return [...all].flatMap(({ name, entries }) =>
    entries.flatMap(({ verdict, atMs, before, after, rule, code, text }) =>
      verdict === 'change' ? [{ atMs, target: name, from: before, to: after, rule, code, text }] : [],
    ),
  )
}

function inOrder(changes: readonly Change[]): Change[] {
  return changes.toSorted((left, right) => left.atMs - right.atMs || (left.target < right.target ? -1 : 1))
}

const field = (least: number, most: number) =>
  fc.oneof(
    { weight: 2, arbitrary: fc.constant('*') },
    { weight: 4, arbitrary: fc.integer({ min: least, max: most }).map(String) },
    { weight: 1, arbitrary: fc.integer({ min: 2, max: 9 }).map((step) => `*/${step}`) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.integer({ min: least, max: most }), fc.integer({ min: least, max: most }))
        .map(([one, other]) => `${Math.min(one, other)}-${Math.max(one, other)}`),
    },
  )

const rarely = <T>(arbitrary: fc.Arbitrary<T>) => fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })

const schedule = fc
  .tuple(
    fc.oneof({ weight: 6, arbitrary: fc.constant('0') }, { weight: 1, arbitrary: fc.constantFrom('30', '10,40') }),
    field(0, 59),
    field(0, 23),
    fc.oneof({ weight: 5, arbitrary: fc.constant('*') }, { weight: 1, arbitrary: field(1, 31) }),
    fc.oneof({ weight: 4, arbitrary: fc.constant('*') }, { weight: 1, arbitrary: field(0, 6) }),
  )
  .map(([second, minute, hour, day, weekday]) => `${second} ${minute} ${hour} ${day} * ${weekday}`)

/** Three days around a change of clocks in Berlin, so that gaps are in them; the repeated hours are in October. */
const starts = { spring: at('2026-03-27T22:00:00Z'), autumn: at('2026-10-23T22:00:00Z') }

const minutesOff = fc.integer({ min: -300, max: 4400 })

const rule = fc.record({
  schedule,
  size: fc.integer({ min: 0, max: 4 }),
  target: fc.constantFrom('web', 'api'),
  timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'Australia/Lord_Howe'),
  excludeDates: fc.array(fc.constantFrom('* * * * * 0', '2026-03-28', '2026-10-25..2026-10-31', '* * * 29-31 * *'), { maxLength: 1 }),
  runOnce: fc.integer({ min: 0, max: 4 }).map((chance) => chance === 0),
  enforce: fc.boolean(),
  paused: fc.integer({ min: 0, max: 9 }).map((chance) => chance === 0),
  startingDeadline: fc.constantFrom('1m', '11m', '2h'),
  validFrom: rarely(fc.constantFrom('2026-03-28', '2026-10-25')),
  validUntil: rarely(fc.constantFrom('2026-03-28', '2026-10-25')),
  allowHpaConflict: fc.boolean(),
})

const person = fc.record({
  size: fc.integer({ min: 0, max: 4 }),
  hold: rarely(minutesOff),
  override: rarely(fc.record({ size: fc.integer({ min: 0, max: 4 }), from: rarely(minutesOff), until: minutesOff })),
  optOut: fc.integer({ min: 0, max: 9 }).map((chance) => chance === 0),
  /** Changes the size after the last run before the period. */
  meddles: fc.boolean(),
})

const world = fc.record({
  season: fc.constantFrom<keyof typeof starts>('spring', 'autumn'),
  rules: fc.array(rule, { minLength: 1, maxLength: 6 }),
  web: person,
  api: person,
  /** Runs before the period, in minutes before it. */
  earlier: fc.array(fc.integer({ min: 1, max: 2000 }), { maxLength: 3 }),
  lookBack: fc.constantFrom('30m', '6h', '8d'),
  spread: fc.constantFrom('0s', '0s', '10m', '50s'),
  override: rarely(fc.record({ size: fc.integer({ min: 0, max: 4 }), from: rarely(minutesOff), until: minutesOff })),
  hasAutoscaler: fc.integer({ min: 0, max: 4 }).map((chance) => chance === 0),
})

type World = typeof world extends fc.Arbitrary<infer T> ? T : never

function span(
  startMs: number,
  { size, from, until }: { readonly size: number; readonly from: number | undefined; readonly until: number },
) {
  const [first, last] = from === undefined ? [undefined, until] : [Math.min(from, until), Math.max(from, until) + 1]
  const fromMs = first === undefined ? undefined : startMs + first * minuteMs
  return { size: replicas(size), ...(fromMs === undefined ? {} : { fromMs }), untilMs: startMs + last * minuteMs }
}

function build({ season, rules, web, api, earlier, lookBack, spread, override, hasAutoscaler }: World) {
  const startMs = starts[season]
  const own = override === undefined ? undefined : span(startMs, override)
  const config = configOf({
    lookBack,
    spread,
    overrides:
      own === undefined
        ? []
        : [
            {
              name: 'sale',
              cluster: 'cls-1',
              target: { kind: 'Deployment', name: 'web' },
              targetSize: override?.size,
              ...(own.fromMs === undefined ? {} : { from: iso(own.fromMs) }),
              until: iso(own.untilMs),
              reason: 'a sale',
            },
          ],
    rules: rules.map(({ schedule, size, target, ...more }, index) =>
      ruleOf(`rule-${index}`, schedule, size, { ...more, target: { kind: 'Deployment', name: target } }),
    ),
  })
  const targets = Object.entries({ web, api }).map(([name, { size, hold, override, optOut }]) =>
    targetWith(replicas(size), {
      name,
      uid: name,
      optOut,
      ...(hold === undefined ? {} : { hold: startMs + hold * minuteMs }),
      ...(override === undefined ? {} : { override: { id: `override/annotation/${name}`, ...span(startMs, override) } }),
    }),
  )
  const autoscalers = hasAutoscaler
    ? [{ namespace: 'default', name: 'hpa', workload: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } }]
    : []
  let cluster = clusterWith(targets, { autoscalers })
  for (const minutes of earlier.toSorted((left, right) => right - left)) {
    const now = startMs - minutes * minuteMs
    const steps = new Map(changesOf(plan({ clusters: [cluster] }, config, now)).map((step) => [step.target, step]))
    cluster = {
      ...cluster,
      targets: cluster.targets.map((target) => {
        const step = steps.get(`cls-1/${targetName(target)}`)
        return step === undefined ? target : applied(target, step, now)
      }),
    }
  }
  const meddled = cluster.targets.map((target) => ((target.name === 'web' ? web : api).meddles ? { ...target, size: replicas(3) } : target))
  return { config, observed: { clusters: [{ ...cluster, targets: meddled }] }, startMs }
}

describe('a timeline', () => {
  test('is what running the plan every minute, and at what it looks ahead to, does: the same changes at the same instants for the same reasons', () => {
    let changes = 0
    fc.assert(
      fc.property(world, (drawn) => {
        const { config, observed, startMs } = build(drawn)
        const untilMs = startMs + 3 * 86_400_000
        const expected = runEveryMinute(observed, config, startMs, untilMs)
        const found = changesIn(timelines(observed, config, { observedMs: startMs, fromMs: startMs, untilMs }))
        expect(inOrder(found)).toEqual(inOrder(expected))
        changes += expected.length
      }),
      { seed: 4, numRuns: 15 },
    )
    // It was about something.
    expect(changes).toBeGreaterThan(30)
  })
})

/** Three days, or more, from the beginning of an ordinary Tuesday. */
function go(observed: Observed, config: CronScalerConfig, more: { readonly observedMs?: number; readonly days?: number } = {}) {
  const fromMs = at('2026-11-24T00:00:00Z')
  return [
    ...timelines(observed, config, { observedMs: more.observedMs ?? fromMs, fromMs, untilMs: fromMs + (more.days ?? 3) * 86_400_000 }),
  ]
}

function told({ entries }: TargetTimeline): string[] {
  return entries.map(({ atMs, verdict, code, rule, before, after }) =>
    [
      iso(atMs),
      verdict,
      code,
      rule,
      `${before === undefined ? '?' : sizeText(before)} -> ${after === undefined ? '?' : sizeText(after)}`,
    ].join(' '),
  )
}

const office = [ruleOf('morning', '0 0 8 * * *', 5), ruleOf('evening', '0 0 20 * * *', 2)]
const web = targetWith(replicas(2))

describe('what a timeline tells', () => {
  test('each change, the sizes at both ends, and replica-hours', () => {
    const [timeline] = go({ clusters: [clusterWith([web])] }, configOf({ rules: office }), { days: 1 })
    expect(timeline).toMatchObject({
      name: 'cls-1/default/Deployment/web',
      start: replicas(2),
      end: replicas(2),
      hours: { min: 8 * 2 + 12 * 5 + 4 * 2, max: 8 * 2 + 12 * 5 + 4 * 2, unknown: 0 },
      ties: [],
    })
    expect(told(timeline!)).toEqual([
      '2026-11-24T08:00:00Z change due config/morning replicas 2 -> replicas 5',
      '2026-11-24T20:00:00Z change due config/evening replicas 5 -> replicas 2',
    ])
    expect(timeline?.rules.map(({ id, firings, decided }) => [id, firings, decided])).toEqual([
      ['config/evening', 1, 1],
      ['config/morning', 1, 1],
    ])
  })

  test('hours of an autoscaler at the least and at the most', () => {
    const rules = [ruleOf('open', '0 0 12 * * *', [4, 10])]
    const [timeline] = go({ clusters: [clusterWith([targetWith(bounds(1, 2))])] }, configOf({ rules }), { days: 1 })
    expect(timeline?.hours).toEqual({ min: 12 + 48, max: 24 + 120, unknown: 0 })
  })

  test('unknown sizes until the first firing when nobody looked, and that nobody was late', () => {
    const config = configOf({ rules: office })
    const [timeline] = go(unseenWorld(config), config, { days: 1 })
    expect(told(timeline!)).toEqual([
      '2026-11-24T08:00:00Z change due config/morning ? -> replicas 5',
      '2026-11-24T20:00:00Z change due config/evening replicas 5 -> replicas 2',
    ])
    expect(timeline).toMatchObject({ start: undefined, hours: { min: 12 * 5 + 4 * 2, unknown: 8 } })
  })

  test('an override in an unseen world, and that nobody knows what comes after it', () => {
    const config = configOf({
      overrides: [
        {
          name: 'sale',
          cluster: 'cls-1',
          target: { kind: 'Deployment', name: 'web' },
          targetSize: 9,
          from: '2026-11-24T06:00:00Z',
          until: '2026-11-24T12:00:00Z',
          reason: 'a sale',
        },
      ],
    })
    const [timeline] = go(unseenWorld(config), config, { days: 1 })
    expect(told(timeline!)).toEqual([
      '2026-11-24T06:00:00Z change override-begins override/config/sale ? -> replicas 9',
      '2026-11-24T12:00:00Z change override-over undo of override/config/sale replicas 9 -> ?',
    ])
    expect(timeline?.entries[1]?.text).toContain('a size that nobody knows was there before it')
    expect(timeline?.hours).toEqual({ min: 54, max: 54, unknown: 18 })
  })

  test('the time between the look and the beginning is gone through without a word', () => {
    const observedMs = at('2026-11-22T12:00:00Z')
    const [timeline] = go({ clusters: [clusterWith([web])] }, configOf({ rules: [ruleOf('up', '0 0 8 23 * *', 7)] }), {
      observedMs,
      days: 1,
    })
    expect(timeline).toMatchObject({ start: replicas(7), entries: [], hours: { min: 168, max: 168, unknown: 0 } })
  })

  test('what is on record from after the look is put aside, so that the past can be gone through', () => {
    const config = configOf({ rules: office })
    const later = at('2026-11-29T08:00:00Z')
    const record = {
      epoch: 1,
      owner: 'config/morning',
      key: 'k',
      nominalMs: later,
      decidedMs: later,
      before: replicas(2),
      after: replicas(5),
      original: { size: replicas(2), epoch: 1 },
      once: {},
    }
    const [timeline] = go({ clusters: [clusterWith([targetWith(replicas(5), { record })])] }, config, { days: 1 })
    expect(told(timeline!)).toContain('2026-11-24T20:00:00Z change due config/evening replicas 5 -> replicas 2')
  })

  test('a hold, told once, and its end', () => {
    const hold = at('2026-11-25T12:00:00Z')
    const [timeline] = go({ clusters: [clusterWith([targetWith(replicas(2), { hold })])] }, configOf({ rules: office }), { days: 2 })
    expect(told(timeline!)).toEqual([
      '2026-11-24T00:00:00Z held override config/evening replicas 2 -> replicas 2',
      '2026-11-24T08:00:00Z held override config/morning replicas 2 -> replicas 5',
      '2026-11-25T12:00:00Z change late config/morning replicas 2 -> replicas 5',
      '2026-11-25T20:00:00Z change due config/evening replicas 5 -> replicas 2',
    ])
  })

  test('a firing after a hold that ended beyond the look-back is not taken for a repetition of what was held', () => {
    const config = configOf({ lookBack: '30m', rules: [ruleOf('weekdays', '0 * * * * 1-5', 0, { startingDeadline: '0s' })] })
    const fromMs = at('2026-11-27T22:00:00Z')
    const target = targetWith(replicas(1), { hold: at('2026-11-28T00:30:00Z') })
    const all = [
      ...timelines({ clusters: [clusterWith([target])] }, config, { observedMs: fromMs, fromMs, untilMs: at('2026-12-01T00:00:00Z') }),
    ]
    expect(told(all[0]!).slice(1)).toEqual(['2026-11-30T00:00:00Z change due config/weekdays replicas 1 -> replicas 0'])
  })

  test('what holds a target after the look-back is over is no firing any more', () => {
    const config = configOf({ lookBack: '30m', rules: [ruleOf('up', '0 0 8 * * *', 5)] })
    const target = targetWith(replicas(2), { hold: at('2026-11-24T10:00:00Z'), override: { problem: 'it does not say until when' } })
    const [timeline] = go({ clusters: [clusterWith([target])] }, config, { days: 1 })
    expect(timeline?.entries.map(({ atMs, code, rule }) => [iso(atMs), code, rule])).toEqual([
      ['2026-11-24T00:00:00Z', 'override', 'override/annotation'],
      ['2026-11-24T08:00:00Z', 'override', 'config/up'],
      ['2026-11-24T10:00:00Z', 'override-invalid', 'override/annotation'],
    ])
  })

  test('a rule that runs once fires once', () => {
    const rules = [ruleOf('once', '0 0 8 * * *', 5, { runOnce: true }), ruleOf('night', '0 0 20 * * *', 1)]
    const [timeline] = go({ clusters: [clusterWith([web])] }, configOf({ rules }))
    expect(timeline?.rules.map(({ id, firings, decided }) => [id, firings, decided])).toEqual([
      ['config/night', 3, 3],
      ['config/once', 1, 1],
    ])
  })

  test('an override is kept up for the sake of a rule that neither decides nor comes next', () => {
    const rules = [
      ruleOf('latest', '0 0 20 * * *', 2),
      ruleOf('next', '0 0 4 * * *', 3),
      ruleOf('enforcing', '0 0 12 * * *', 4, { enforce: true }),
    ]
    const beginMs = at('2026-11-23T21:00:00Z')
    const untilMs = at('2026-11-24T03:00:00Z')
    const override = { id: 'override/annotation/x', size: replicas(9), untilMs }
    const record = {
      epoch: 1,
      owner: override.id,
      key: 'k',
      nominalMs: beginMs,
      decidedMs: beginMs,
      before: replicas(2),
      after: replicas(9),
      original: { size: replicas(2), epoch: 1 },
      once: {},
      untilMs,
    }
    const [timeline] = go({ clusters: [clusterWith([targetWith(replicas(7), { override, record })])] }, configOf({ rules }), { days: 1 })
    expect(told(timeline!).slice(0, 2)).toEqual([
      '2026-11-24T00:00:00Z change drift override/annotation/x replicas 7 -> replicas 9',
      '2026-11-24T03:00:00Z change late config/latest replicas 9 -> replicas 2',
    ])
  })

  test('a target that takes its turn, seconds after the firing', () => {
    const rules = [ruleOf('up', '0 0 8 * * *', 5, { spread: '10m' })]
    const targets = ['a', 'b', 'd'].map((name) => ({
      ...ruleOf(name, '0 0 8 * * *', 5, { spread: '10m' }),
      target: { kind: 'Deployment', name },
    }))
    const all = go(
      { clusters: [clusterWith(['a', 'b', 'd'].map((name) => targetWith(replicas(2), { name })))] },
      configOf({ rules: [...rules, ...targets] }),
      { days: 1 },
    )
    const moments = all.flatMap(({ entries }) =>
      entries.filter(({ verdict }) => verdict === 'change').map(({ atMs }) => atMs - at('2026-11-24T08:00:00Z')),
    )
    expect(moments).toHaveLength(3)
    expect(new Set(moments).size).toBeGreaterThan(1)
    for (const moment of moments) expect(moment).toBeLessThan(600_000)
  })

  test('ties, counted, with the first of them; and rules that never decide', () => {
    const rules = [...office, ruleOf('low', '0 0 8 * * *', 1)]
    const [timeline] = go({ clusters: [clusterWith([web])] }, configOf({ rules }))
    expect(timeline?.ties).toEqual([{ winner: 'config/morning', loser: 'config/low', firstMs: at('2026-11-24T08:00:00Z'), count: 3 }])
    expect(timeline?.rules.find(({ id }) => id === 'config/low')).toMatchObject({ firings: 3, decided: 0 })
  })

  test('what fires at the very beginning counts', () => {
    const rules = [ruleOf('midnight', '0 0 0 * * *', 5), ruleOf('low', '0 0 0 * * *', 1)]
    const [timeline] = go({ clusters: [clusterWith([web])] }, configOf({ rules }), { days: 1 })
    expect(timeline).toMatchObject({ start: replicas(2), ties: [{ winner: 'config/midnight', loser: 'config/low', count: 1 }] })
    expect(timeline?.rules.map(({ firings, decided }) => [firings, decided])).toEqual([
      [1, 0],
      [1, 1],
    ])
  })

  test('rules of which every firing is excluded, and rules that do not fire', () => {
    const rules = [ruleOf('none', '0 0 8 * * *', 5, { excludeDates: ['* * * * * *'] }), ruleOf('later', '0 0 8 1 1 *', 5)]
    const [timeline] = go({ clusters: [clusterWith([web])] }, configOf({ rules }))
    expect(timeline?.rules.map(({ id, firings, firesWithoutExcludes }) => [id, firings, firesWithoutExcludes])).toEqual([
      ['config/later', 0, false],
      ['config/none', 0, true],
    ])
  })

  test('a rule of every second costs no more entries than what it changes', () => {
    const rules = [ruleOf('always', '* * * * * *', 5)]
    const [timeline] = go({ clusters: [clusterWith([web])] }, configOf({ rules }), { days: 1 })
    expect(told(timeline!)).toEqual(['2026-11-24T00:00:00Z change due config/always replicas 2 -> replicas 5'])
    expect(timeline?.rules[0]).toMatchObject({ firings: 86_400, decided: 86_400 })
  })

  test('rules that fire more often than anybody waits for are refused at once, and the worst of them is named', () => {
    const rules = [...office, ruleOf('always', '* * * * * *', 5)]
    expect(() => go({ clusters: [clusterWith([web])] }, configOf({ rules }), { days: 365 })).toThrow(
      new TooManyFirings(
        'the rules fire about 31,536,730 times until then, config/always alone 31,536,000 times; at most 20,000,000 are gone through: choose fewer days, or let it fire less often',
      ),
    )
  })

  test('leaves out what cannot be read, and keeps to the targets that rules name', () => {
    const clusters = [
      clusterWith([web, targetWith(replicas(1), { name: 'other' })]),
      clusterWith([], { id: 'cls-2', problems: [{ part: 'cluster', text: 'away' }] }),
    ]
    const rules = [...office, ruleOf('two', '0 0 8 * * *', 5, { cluster: 'cls-2' })]
    expect(go({ clusters }, configOf({ rules })).map(({ name }) => name)).toEqual(['cls-1/default/Deployment/web'])
  })
})

describe('conflicts and outsiders', () => {
  test('are told with what shows them', () => {
    const rules = [
      ...office,
      ruleOf('low', '0 0 8 * * *', 1),
      ruleOf('none', '0 0 9 * * *', 5, { excludeDates: ['* * * * * *'] }),
      ruleOf('later', '0 0 8 1 1 *', 5),
    ]
    const autoscalers = [{ namespace: 'default', name: 'hpa', workload: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } }]
    const [timeline] = go({ clusters: [clusterWith([web], { autoscalers })] }, configOf({ rules }))
    const conflicts = conflictsOf(timeline!, 'UTC')
    expect(conflicts.map(({ code, rules }) => [code, ...rules])).toEqual([
      ['tie', 'config/morning', 'config/low'],
      ['does-not-fire', 'config/later'],
      ['never-decides', 'config/low'],
      ['always-excluded', 'config/none'],
      ['hpa-conflict', 'config/evening'],
    ])
    expect(conflicts[0]?.text).toBe(
      'config/morning (replicas 5) and config/low (replicas 1) fire at the same instant 3 times, first at Tue 2026-11-24 08:00:00 UTC; config/morning decides',
    )
  })

  test('of a target that is missing, and of a firing that comes too late', () => {
    const [missing] = go({ clusters: [clusterWith([])] }, configOf({ rules: office }))
    expect(conflictsOf(missing!, 'UTC').map(({ code, text }) => [code, text.slice(0, 14)])).toEqual([['held', 'target-missing']])
    const [late] = go({ clusters: [clusterWith([targetWith(replicas(9))])] }, configOf({ rules: office }))
    expect(conflictsOf(late!, 'UTC').map(({ code }) => code)).toEqual(['missed'])
  })

  test('rules that are invalid or paused, and clusters that cannot be read, have no part in it and are named', () => {
    const rules = [ruleOf('paused', '0 0 8 * * *', 5, { paused: true }), ruleOf('five', '0 8 * * *', 5)]
    const clusters = [clusterWith([web]), clusterWith([], { id: 'cls-2', problems: [{ part: 'rules', text: 'forbidden' }] })]
    const now = at('2026-11-24T00:00:00Z')
    expect(outsidersOf({ clusters }, configOf({ rules }), now).map(({ code, cluster }) => [code, cluster])).toEqual([
      ['rule-invalid', 'cls-1'],
      ['rule-paused', 'cls-1'],
      ['cluster-unreadable', 'cls-2'],
    ])
  })
})

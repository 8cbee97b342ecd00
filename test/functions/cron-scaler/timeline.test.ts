import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CronScalerConfig } from '#functions/cron-scaler/event.ts'
import { type Observed, plan } from '#functions/cron-scaler/plan.ts'
import { ahead } from '#functions/cron-scaler/plan-seen.ts'
import { sizesEqual, targetName } from '#functions/cron-scaler/target.ts'
import { type TargetTimeline, timelines } from '#functions/cron-scaler/timeline.ts'
import { applied, at, changesOf, clusterWith, configOf, iso, replicas, ruleOf, targetWith } from './fixtures.ts'

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
    expect(changes).toBeGreaterThan(60)
  })
})

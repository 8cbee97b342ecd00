import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { rulesOfHpc } from '#functions/cron-scaler/hpc.ts'
import { type ObservedAutoscaler, type ObservedCluster, type ObservedProblem, plan } from '#functions/cron-scaler/plan.ts'
import type { RuleDraft } from '#functions/cron-scaler/rules.ts'
import { autoscalerV1, deployment, scalerDefinition, statefulSet } from '#infra/sandbox/seeds/kube-objects.ts'
import { bounds, changesOf, configOf, everyMinute, hpcObject, planOf, playThrough, replicas, ruleOf, targetWith } from './fixtures.ts'
import { InProcessWorld } from './in-process.ts'

/**
 * Laws that hold for any rules. Where it says "the product", every tick is a whole run of it on clusters in this process: observing,
 * planning, ledger, guard, journal, applying, remembering. Seeds are fixed, so that a failure can be run again.
 */

const minuteMs = 60_000
const hourMs = 3_600_000
const group = 'autoscaling.cloud.tencent.com'

/** The targets of both clusters, as a rule names them. */
const targets = [
  { cluster: 'cls-1', kind: 'Deployment', namespace: 'default', name: 'web' },
  { cluster: 'cls-1', kind: 'StatefulSet', namespace: 'data', name: 'db' },
  { cluster: 'cls-1', kind: 'HorizontalPodAutoscaler', namespace: 'shop', name: 'api' },
  { cluster: 'cls-2', kind: 'Deployment', namespace: 'default', name: 'web' },
] as const

/** A world of two clusters with these targets, and HPC objects that each hold one cron. */
function worldOf(rules: readonly DrawnRule[], startMs: number): InProcessWorld {
  const world = new InProcessWorld(['cls-1', 'cls-2'], startMs - 10 * 24 * hourMs)
  const image = 'registry.example/app:1'
  world.put('cls-1', deployment({ namespace: 'default', name: 'web', image, replicas: 3 }))
  world.put('cls-2', deployment({ namespace: 'default', name: 'web', image, replicas: 3 }))
  world.put('cls-1', statefulSet({ namespace: 'data', name: 'db', image, replicas: 3 }))
  world.put('cls-1', deployment({ namespace: 'shop', name: 'api', image, replicas: 3 }))
  world.put('cls-1', autoscalerV1({ namespace: 'shop', name: 'api', target: 'api', minReplicas: 3, maxReplicas: 6, cpuPercent: 60 }))
  for (const cluster of ['cls-1', 'cls-2']) world.put(cluster, scalerDefinition(group))
  for (const [index, rule] of rules.entries()) if (rule.source === 'hpc') world.put(rule.target.cluster, objectOf(rule, index))
  return world
}

interface DrawnRule {
  readonly source: 'config' | 'hpc'
  readonly target: (typeof targets)[number]
  readonly schedule: string
  readonly size: number
  readonly timeZone: string
  readonly excludeDates: readonly string[]
  readonly startingDeadline: string
  readonly spread: string
  readonly enforce: boolean
  readonly runOnce: boolean
}

const sizesOf = ({ target, size }: DrawnRule) =>
  target.kind === 'HorizontalPodAutoscaler' ? { minSize: size + 1, maxSize: size + 3 } : { targetSize: size }

function objectOf(rule: DrawnRule, index: number) {
  const { target, schedule, timeZone, excludeDates, startingDeadline, spread, enforce, runOnce } = rule
  const { kind, namespace, name } = target
  const annotations = {
    'longshore.dev/time-zone': timeZone,
    'longshore.dev/starting-deadline': startingDeadline,
    'longshore.dev/spread': spread,
    'longshore.dev/enforce': String(enforce),
  }
  const apiVersion = kind === 'HorizontalPodAutoscaler' ? 'autoscaling/v1' : 'apps/v1'
  return {
    apiVersion: `${group}/v1`,
    kind: 'HorizontalPodCronscaler',
    metadata: { name: `rule-${index}`, namespace, annotations },
    spec: {
      scaleTarget: { apiVersion, kind, name, namespace },
      crons: [{ name: 'cron', schedule, excludeDates: [...excludeDates], runOnce, ...sizesOf(rule) }],
    },
  }
}

function configuredRule(rule: DrawnRule, index: number) {
  const { target, schedule, timeZone, excludeDates, startingDeadline, spread, enforce, runOnce } = rule
  const { cluster, ...named } = target
  const more = { timeZone, excludeDates: [...excludeDates], startingDeadline, spread, enforce, runOnce, ...sizesOf(rule) }
  return { name: `rule-${index}`, cluster, target: named, schedule, ...more }
}

const configured = (rules: readonly DrawnRule[]) =>
  rules.flatMap((rule, index) => (rule.source === 'config' ? [configuredRule(rule, index)] : []))

/** Hours in which something happens to clocks somewhere, and one in which nothing does. */
const windows = [
  { from: '2026-11-24T07:00:00Z', date: '2026-11-24' },
  // Europe/Berlin: 02:00 to 03:00, and 03:00 back to 02:00.
  { from: '2026-03-29T00:20:00Z', date: '2026-03-29' },
  { from: '2026-10-25T00:20:00Z', date: '2026-10-25' },
  // Australia/Lord_Howe: 02:00 back to 01:30.
  { from: '2026-04-04T14:20:00Z', date: '2026-04-05' },
  // The day ends in Asia/Kathmandu.
  { from: '2026-09-30T17:40:00Z', date: '2026-10-01' },
] as const

const drawnRule = (date: string): fc.Arbitrary<DrawnRule> => {
  const [, month = '', day = ''] = date.split('-')
  const time = fc
    .tuple(
      fc.constantFrom('0', '0', '0', '30', '59'),
      fc.oneof(fc.integer({ min: 0, max: 59 }).map(String), fc.constantFrom('*/7', '*/20', '5,35', '10-13', '45/5')),
    )
    .map(([second, minute]) => `${second} ${minute} *`)
  const days = fc.constantFrom('* * *', '* * 1-6', `${Number(day)} ${Number(month)} *`)
  return fc.record({
    source: fc.constantFrom('config', 'hpc'),
    target: fc.constantFrom(targets[0], targets[0], ...targets),
    schedule: fc.tuple(time, days).map((parts) => parts.join(' ')),
    size: fc.integer({ min: 0, max: 6 }),
    timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'Australia/Lord_Howe', 'Asia/Kathmandu'),
    excludeDates: fc.constantFrom<readonly string[]>([], [], [`* * * ${Number(day)} ${Number(month)} *`], [`${date}..${date}`]),
    startingDeadline: fc.constantFrom('20m', '45m', '3h'),
    spread: fc.constantFrom('0s', '0s', '4m'),
    enforce: fc.boolean(),
    runOnce: fc.constant(false),
  })
}

const drawnRules = fc
  .constantFrom(...windows)
  .chain(({ from, date }) =>
    fc.record({ from: fc.constant(Date.parse(from)), rules: fc.array(drawnRule(date), { minLength: 1, maxLength: 6 }) }),
  )

/** Minutes between ticks that come late: with a spread, no firing waits longer than the shortest deadline. */
const lateGaps = fc.array(fc.record({ minutes: fc.integer({ min: 1, max: 14 }), second: fc.integer({ min: 0, max: 59 }) }), {
  minLength: 3,
  maxLength: 7,
})

/** Late ticks from the first on, the last one after all gaps. */
function lateTicks(from: number, gaps: readonly { readonly minutes: number; readonly second: number }[]): number[] {
  const ticks = [from]
  let minute = 0
  for (const gap of gaps) {
    minute += gap.minutes
    ticks.push(from + minute * minuteMs + gap.second * 1000)
  }
  return ticks
}

/** From the first on every minute, and the last one of the late ticks. */
function punctualTicks(from: number, last: number): number[] {
  const ticks = Array.from({ length: Math.floor((last - from) / minuteMs) + 1 }, (_, minute) => from + minute * minuteMs)
  return ticks.at(-1) === last ? ticks : [...ticks, last]
}

describe('running every minute equals running late, within the deadlines, for the final state', () => {
  test('of the product: with a memory, without one, waiting for seconds, and by two runners', async () => {
    await fc.assert(
      fc.asyncProperty(drawnRules, lateGaps, async ({ from, rules }, gaps) => {
        const settings = { timeZone: 'UTC', rules: configured(rules) }
        const late = lateTicks(from, gaps)
        const last = late.at(-1) ?? from
        const final = async (ticks: readonly number[], { forgetful = false, lookAhead = false, runners = 1 } = {}) => {
          const world = worldOf(rules, from)
          for (const now of ticks) {
            // What looks ahead past the end would see more than the others.
            const options = { forgetful, lookAhead: lookAhead && now + minuteMs <= last }
            await Promise.all(Array.from({ length: runners }, () => world.tick(now, settings, options)))
          }
          return world.sizes()
        }
        const punctual = await final(punctualTicks(from, last))
        expect(await final(late), 'late').toEqual(punctual)
        expect(await final(late, { forgetful: true }), 'late, without a memory').toEqual(punctual)
        expect(await final(punctualTicks(from, last), { lookAhead: true }), 'looking ahead').toEqual(punctual)
        expect(await final(late, { runners: 2 }), 'late, two at once').toEqual(punctual)
      }),
      { seed: 41, numRuns: 12 },
    )
  }, 60_000)

  test('of the plan alone, a day long, lost, doubled and reordered ticks included', () => {
    const rule = fc.record({
      schedule: fc.constantFrom('0 0 8 * * *', '0 0 20 * * *', '0 */10 * * * *', '0 5 8,20 * * 1-5', '30 15 9 24-26 11 *', '0 0 8 * * 2'),
      targetSize: fc.integer({ min: 0, max: 6 }),
      excludeDates: fc.constantFrom<string[]>([], ['* * * 24 11 *'], ['* * * * * 3']),
      enforce: fc.boolean(),
    })
    const stray = fc.array(fc.tuple(fc.integer({ min: 0, max: 719 }), fc.integer({ min: 0, max: 3 })), { maxLength: 12 })
    fc.assert(
      fc.property(fc.array(rule, { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 720 }), stray, (rules, length, strays) => {
        const config = configOf({
          startingDeadline: '3d',
          rules: rules.map(({ schedule, targetSize, ...more }, index) => ruleOf(`rule-${index}`, schedule, targetSize, more)),
        })
        const from = Date.parse('2026-11-24T07:30:00Z')
        const punctual = Array.from({ length }, (_, minute) => from + minute * minuteMs)
        const last = punctual.at(-1) ?? from
        const strayTicks = strays.flatMap(([minute, times]) =>
          Array.from({ length: times }, () => from + Math.min(minute, length - 1) * minuteMs),
        )
        const final = (ticks: readonly number[]) => playThrough(targetWith(replicas(3)), config, ticks).target
        const expected = final(punctual)
        expect(final([last]).size).toEqual(expected.size)
        // Ticks in any order, as long as one comes at the end.
        expect(final([...strayTicks, last]).size).toEqual(expected.size)
        // And a straggler after the end changes nothing.
        expect(playThrough(expected, config, strayTicks).target.size).toEqual(expected.size)
      }),
      { seed: 42, numRuns: 60 },
    )
  })

  test('what the plan says of a target, applied in memory, is what the product makes of it in a cluster', async () => {
    await fc.assert(
      fc.asyncProperty(drawnRules, lateGaps, async ({ from, rules: drawn }, gaps) => {
        const rules = drawn.map((rule): DrawnRule => ({ ...rule, source: 'config', target: targets[0] }))
        const settings = { timeZone: 'UTC', rules: configured(rules) }
        const world = worldOf(rules, from)
        const { metadata } = world.person('cls-1', 'GET', '/apis/apps/v1/namespaces/default/deployments/web') as {
          metadata: { uid: string }
        }
        const ticks = lateTicks(from, gaps)
        for (const now of ticks) await world.tick(now, settings)
        const { target } = playThrough(targetWith(replicas(3), { uid: metadata.uid }), configOf(settings), ticks)
        const [shown] = world.targets()
        expect(shown).toMatchObject({
          name: 'cls-1/default/deployments/web',
          size: `replicas ${'replicas' in target.size ? target.size.replicas : ''}`,
        })
        expect(shown?.record).toEqual(target.record)
      }),
      { seed: 43, numRuns: 60 },
    )
  })
})

test('a target of which something fires again before its turn has come still gets all its turns, each as late as the one before', () => {
  const spread = { spread: '10m' }
  const rules = [ruleOf('up', '0 0/10 8 * * *', 5, spread), ruleOf('down', '0 5/10 8 * * *', 2, spread)]
  // Half of the names have their turn after the next firing. The latest firing whose turn has come decides, or they would wait for ever.
  for (const name of ['web', 'api', 'db', 'shop', 'cache', 'queue']) {
    const own = rules.map((rule) => ({ ...rule, target: { kind: 'Deployment', name } }))
    const ticks = everyMinute('2026-11-24T08:00:00Z', '2026-11-24T09:10:00Z')
    const { changes } = playThrough(targetWith(replicas(2), { name }), configOf({ rules: own }), ticks)
    expect(changes, name).toHaveLength(12)
    expect(new Set(changes.map(({ now, nominal }) => Date.parse(now) - Date.parse(nominal))).size, name).toBe(1)
  }
})

test('what fires at the same instant and need not wait does not take the place of what asks for more and waits', () => {
  const rules = [ruleOf('less', '0 0 8 * * *', 3), ruleOf('more', '0 0 8 * * *', 5, { spread: '10m' })]
  const ticks = everyMinute('2026-11-24T08:00:00Z', '2026-11-24T08:20:00Z')
  const { changes } = playThrough(targetWith(replicas(2)), configOf({ rules }), ticks)
  expect(changes.map(({ rule, to }) => [rule, to])).toEqual([['config/more', replicas(5)]])
})

describe('a duplicate tick is a no-op', () => {
  test('of the product: no write, no other record, whatever had been done', async () => {
    await fc.assert(
      fc.asyncProperty(
        drawnRules,
        lateGaps,
        fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
        async ({ from, rules }, gaps, forgets) => {
          const settings = { timeZone: 'UTC', rules: configured(rules) }
          const world = worldOf(rules, from)
          for (const [index, now] of lateTicks(from, gaps).entries()) {
            await world.tick(now, settings)
            const before = world.targets()
            const writes = world.writes().length
            // With what runs remember, and without: neither may be needed for it.
            const again = await world.tick(now, settings, { forgetful: forgets[index] === true })
            expect(again.decisions.filter(({ outcome }) => outcome === 'Applied' || outcome === 'Failed')).toEqual([])
            expect(world.writes().length).toBe(writes)
            expect(world.targets()).toEqual(before)
          }
        },
      ),
      { seed: 44, numRuns: 40 },
    )
  }, 60_000)

  test('of a tick that comes again hours later, when nothing has fired since', async () => {
    const rule = ruleOf('up', '0 0 8 * * *', 5)
    const world = worldOf([], Date.parse('2026-11-24T08:00:05Z'))
    const at = (text: string) => world.tick(Date.parse(text), { timeZone: 'UTC', rules: [rule] })
    await at('2026-11-24T08:00:05Z')
    expect(world.writes()).toHaveLength(1)
    for (const text of ['2026-11-24T08:00:05Z', '2026-11-24T15:00:00Z', '2026-11-24T08:00:05Z', '2026-11-25T07:59:59Z']) await at(text)
    expect(world.writes()).toHaveLength(1)
  })
})

describe('what runs remember', () => {
  /** What a person does to Deployment default/web of cls-1. */
  const act = fc.record({
    // So far apart that each is seen: what was there for a moment only may have been overlooked.
    minute: fc.constantFrom(0, 7, 14, 21),
    replicas: fc.option(fc.integer({ min: 0, max: 6 })),
    annotation: fc.constantFrom(
      undefined,
      ['longshore.dev/opt-out', 'true'] as const,
      ['longshore.dev/opt-out', null] as const,
      ['longshore.dev/hold-until', 9] as const,
      ['longshore.dev/hold-until', 30] as const,
      ['longshore.dev/hold-until', null] as const,
      ['longshore.dev/override', 9] as const,
      ['longshore.dev/override', null] as const,
    ),
  })

  test('changes no size once there was time to look again, whatever a person has done meanwhile', async () => {
    await fc.assert(
      fc.asyncProperty(
        drawnRules,
        fc.uniqueArray(act, { maxLength: 4, selector: ({ minute }) => minute }),
        async ({ from, rules: drawn }, acts) => {
          // They have all fired when the person begins: what he does right before a firing may be seen before it, or after it.
          const rules = drawn.map((rule, index): DrawnRule => {
            const fired = new Date(from - (index % 3) * 5 * minuteMs)
            return { ...rule, timeZone: 'UTC', spread: '0s', schedule: `0 ${fired.getUTCMinutes()} ${fired.getUTCHours()} * * *` }
          })
          const settings = { timeZone: 'UTC', rules: configured(rules) }
          const final = async (forgetful: boolean) => {
            const world = worldOf(rules, from)
            for (let minute = 0; minute <= 60; minute += 1) {
              const now = from + minute * minuteMs
              await world.tick(now, settings, { forgetful })
              for (const { annotation, replicas: count } of acts.filter((one) => one.minute === minute)) {
                const [name, value] = annotation ?? []
                const until = (minutes: number) => new Date(now + minutes * minuteMs).toISOString()
                const text =
                  typeof value !== 'number' ? value : name === 'longshore.dev/override' ? `replicas=9 until=${until(value)}` : until(value)
                world.person('cls-1', 'PATCH', '/apis/apps/v1/namespaces/default/deployments/web', {
                  ...(name === undefined ? {} : { metadata: { annotations: { [name]: text } } }),
                  ...(count === null ? {} : { spec: { replicas: count } }),
                })
              }
            }
            return world.sizes()
          }
          expect(await final(false)).toEqual(await final(true))
        },
      ),
      { seed: 45, numRuns: 12 },
    )
  }, 60_000)
})

describe('permuting rules, objects and clusters changes nothing', () => {
  const at = Date.parse('2026-11-24T08:00:00Z')
  const cron = fc.record({
    schedule: fc.constantFrom(
      '0 0 8 * * *',
      '0 0 8 * * 2',
      '0 50 7 * * *',
      '0 */10 * * * *',
      '0 0 8 30 2 *',
      '0 8 * * *',
      '30 59 7 24 11 *',
    ),
    size: fc.integer({ min: 0, max: 4 }),
    excludeDates: fc.constantFrom<string[]>([], [], ['* * * 24 11 *'], ['@calendar/cn'], ['soon']),
    runOnce: fc.boolean(),
  })
  const target = fc.constantFrom(targets[0], targets[0], targets[2], targets[3])
  const sizes = (kind: string, size: number) =>
    kind === 'HorizontalPodAutoscaler' ? { minSize: size, maxSize: size + 2 } : { targetSize: size }
  const anything = fc.record({
    configured: fc.array(fc.record({ cron, target, paused: fc.boolean(), enforce: fc.boolean(), deadline: fc.constantFrom('5m', '30m') }), {
      maxLength: 5,
    }),
    objects: fc.array(fc.record({ crons: fc.array(cron, { maxLength: 3 }), target }), { maxLength: 4 }),
    overrides: fc.array(fc.record({ target, size: fc.integer({ min: 1, max: 4 }), hours: fc.integer({ min: -2, max: 2 }) }), {
      maxLength: 3,
    }),
    autoscalers: fc.subarray<ObservedAutoscaler>([
      { namespace: 'default', name: 'a', workload: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } },
      { namespace: 'default', name: 'b', workload: { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web' } },
      { namespace: 'other', name: 'c', workload: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } },
    ]),
    problems: fc.subarray<ObservedProblem>(
      [
        { part: 'rules', text: 'the rules: no answer' },
        { part: 'cluster', text: 'the cluster: no answer' },
        { part: 'controller', text: 'the controller: no answer' },
        { part: 'HorizontalPodAutoscaler', object: { namespace: 'default', name: 'odd' }, text: 'odd does not look like one' },
        { part: 'Deployment', object: { namespace: 'default', name: 'other' }, text: 'other does not look like one' },
        { part: 'Deployment', text: 'deployments: no answer' },
      ],
      { maxLength: 2 },
    ),
    controller: fc.constantFrom('running', 'absent', 'unknown'),
    isSame: fc.boolean(),
  })
  type Anything = typeof anything extends fc.Arbitrary<infer T> ? T : never

  /** The plan of all this, every list in an order of its own. Crons and objects carry the names that they have in the first order. */
  function planIn(order: <T>(list: readonly T[]) => T[], drawn: Anything) {
    const settings = {
      timeZone: 'UTC',
      calendars: { cn: { holidays: ['2026-11-24'], workdays: [] } },
      rules: order(
        drawn.configured.map(({ cron: { size, ...rest }, target: { cluster, ...named }, paused, enforce, deadline }, index) => ({
          name: `rule-${index}`,
          cluster,
          target: named,
          paused,
          enforce,
          startingDeadline: deadline,
          ...rest,
          ...sizes(named.kind, size),
        })),
      ),
      overrides: order(
        drawn.overrides.map(({ target: { cluster, ...named }, size, hours }, index) => ({
          name: `override-${index}`,
          cluster,
          target: named,
          from: new Date(at + (hours - 1) * hourMs).toISOString(),
          until: new Date(at + (hours + 1) * hourMs).toISOString(),
          reason: 'a drill',
          ...sizes(named.kind, size),
        })),
      ),
    }
    const config = configOf(settings)
    const rulesIn = (cluster: string): RuleDraft[] =>
      order(
        drawn.objects.flatMap((object, index) => {
          if (object.target.cluster !== cluster) return []
          const { kind, namespace, name } = object.target
          const crons = object.crons.map(({ size, ...rest }, place) => ({ name: `cron-${place}`, ...rest, ...sizes(kind, size) }))
          const metadata = { name: `hpc-${index}`, namespace, uid: `uid-${index}` }
          return [hpcObject(order(crons), { metadata, spec: { scaleTarget: { kind, namespace, name } } })]
        }),
      ).flatMap((object) => rulesOfHpc(object, cluster, config.settings))
    const clusters: ObservedCluster[] = ['cls-1', 'cls-2'].map((id) => ({
      id,
      rules: rulesIn(id),
      targets: order([
        targetWith(replicas(3)),
        targetWith(replicas(3), { kind: 'StatefulSet', namespace: 'data', name: 'db', uid: 'uid-db' }),
        targetWith(bounds(1, 4), { namespace: 'shop', name: 'api', uid: 'uid-api' }),
      ]),
      autoscalers: order(id === 'cls-1' || drawn.isSame ? drawn.autoscalers : []),
      problems: order(id === 'cls-1' || drawn.isSame ? drawn.problems : []),
      controller: drawn.controller,
    }))
    return plan({ clusters: order(clusters) }, { ...config, clusters: order(config.clusters) }, at)
  }

  test('rules, overrides, HPC objects, their crons, clusters, targets, autoscalers and problems in any order', () => {
    const verdicts = new Set<string>()
    fc.assert(
      fc.property(anything, fc.integer(), (drawn, seed) => {
        const straight = planIn((list) => [...list], drawn)
        for (const { verdict } of straight) verdicts.add(verdict)
        expect(planIn((list) => list.toReversed(), drawn)).toEqual(straight)
        let drawnLists = 0
        const shuffled = <T>(list: readonly T[]): T[] => {
          drawnLists += 1
          const [drawnList = [...list]] = fc.sample(fc.shuffledSubarray([...list], { minLength: list.length }), {
            seed: seed + drawnLists,
            numRuns: 1,
          })
          return drawnList
        }
        expect(planIn(shuffled, drawn)).toEqual(straight)
      }),
      { seed: 46, numRuns: 400 },
    )
    // Or the property would be about nothing.
    expect([...verdicts].toSorted()).toEqual(['change', 'held', 'invalid', 'missed', 'no-change', 'skipped'])
  })
})

describe('excluded dates', () => {
  const zones = ['UTC', 'Asia/Shanghai', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'Europe/Berlin', 'Pacific/Apia']
  const formatters = new Map(
    zones.map((zone) => [
      zone,
      new Intl.DateTimeFormat('en-CA', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit', weekday: 'short' }),
    ]),
  )

  /** Date and weekday that a zone's calendar shows, by Intl and nothing of ours. */
  function civil(ms: number, zone: string) {
    const parts = new Map((formatters.get(zone) ?? new Intl.DateTimeFormat()).formatToParts(ms).map(({ type, value }) => [type, value]))
    const [year = '', month = '', day = '', weekday = ''] = ['year', 'month', 'day', 'weekday'].map((type) => parts.get(type as 'year'))
    return {
      date: `${year}-${month}-${day}`,
      month: Number(month),
      day: Number(day),
      weekday: ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'].indexOf(weekday),
    }
  }

  /** Whether a field of a cron expression holds a value, by trying all that it lists. */
  function fits(text: string, value: number, min: number, max: number): boolean {
    return text.split(',').some((part) => {
      const [range = '', step = '1'] = part.split('/')
      const [low = min, high = low] = range === '*' ? [min, max] : range.split('-').map(Number)
      for (let one = low; one <= high; one += Number(step)) if (one === value) return true
      return false
    })
  }

  const fields = fc.tuple(
    fc.constantFrom('*', '1', '15', '31', '1-7', '*/10', '24,28-30'),
    fc.constantFrom('*', '2', '11', '10-12'),
    fc.constantFrom('*', '0', '5', '1-5', '0,6'),
  )
  const date = fc.integer({ min: 0, max: 364 }).map((day) => new Date(Date.UTC(2026, 0, 1 + day)).toISOString().slice(0, 10))
  const exclude = fc.oneof(
    fields.map((drawn) => ({ kind: 'cron', text: `* * * ${drawn.join(' ')}`, fields: drawn }) as const),
    fc.tuple(date, date).map((drawn) => {
      const [first = '', last = ''] = drawn.toSorted()
      return { kind: 'dates', text: first === last ? first : `${first}..${last}`, first, last } as const
    }),
    fc.constant({ kind: 'calendar', text: '@calendar/cn' } as const),
  )
  const holidays = { first: '2026-10-01', last: '2026-10-07' }
  const workdays = ['2026-09-27', '2026-10-05', '2026-10-10']
  const calendars = { cn: { holidays: [`${holidays.first}..${holidays.last}`], workdays } }
  type Exclude = typeof exclude extends fc.Arbitrary<infer T> ? T : never

  function isExcluded(excludes: readonly Exclude[], ms: number, zone: string): boolean {
    const day = civil(ms, zone)
    const isWorkday = workdays.includes(day.date) && excludes.some(({ kind }) => kind === 'calendar')
    return excludes.some((one) => {
      if (one.kind === 'dates') return day.date >= one.first && day.date <= one.last
      if (one.kind === 'calendar') return day.date >= holidays.first && day.date <= holidays.last && !isWorkday
      const [dom, month, dow] = one.fields
      // What closes weekends is open on a workday of the calendar.
      if (isWorkday && dom === '*' && month === '*' && dow !== '*') return false
      const byDom = fits(dom, day.day, 1, 31)
      const byDow = fits(dow, day.weekday, 0, 6)
      return fits(month, day.month, 1, 12) && (dom === '*' || dow === '*' ? byDom && byDow : byDom || byDow)
    })
  }

  test('agree with going through all civil dates by hand, at every hour of every zone', () => {
    const seen = { run: 0, excluded: 0 }
    fc.assert(
      fc.property(
        fc.array(exclude, { maxLength: 3 }),
        fc.integer({ min: 0, max: 365 * 24 - 1 }),
        fc.constantFrom(...zones),
        (excludes, hour, zone) => {
          const now = Date.UTC(2026, 0, 1) + hour * hourMs
          const rule = ruleOf('often', '0 */15 * * * *', 5, { timeZone: zone, excludeDates: excludes.map(({ text }) => text) })
          const steps = planOf([targetWith(replicas(2))], configOf({ calendars, rules: [rule], startingDeadline: '10m' }), now)
          const isOut = isExcluded(excludes, now, zone)
          // In an hour that clocks show twice nothing fires the second time.
          const isRepeated = steps.every(({ verdict }) => verdict === 'missed')
          if (isRepeated && !isOut)
            expect([
              ['America/New_York', '2026-11-01T06:00:00.000Z'],
              ['Europe/Berlin', '2026-10-25T01:00:00.000Z'],
              ['Australia/Lord_Howe', '2026-04-04T15:00:00.000Z'],
            ]).toContainEqual([zone, new Date(now).toISOString()])
          else expect(changesOf(steps).length).toBe(isOut ? 0 : 1)
          seen[isOut ? 'excluded' : 'run'] += 1
        },
      ),
      { seed: 47, numRuns: 3000 },
    )
    expect(Math.min(seen.run, seen.excluded)).toBeGreaterThan(500)
  })

  test('and so does a whole year of one rule, day by day', () => {
    fc.assert(
      fc.property(fc.array(exclude, { minLength: 1, maxLength: 3 }), fc.constantFrom(...zones), (excludes, zone) => {
        const rule = ruleOf('noon', '0 0 12 * * *', 5, { timeZone: zone, excludeDates: excludes.map(({ text }) => text) })
        const config = configOf({ calendars, rules: [rule], lookBack: '20h' })
        const wrong: string[] = []
        for (let day = 0; day < 365; day += 1) {
          // A minute after noon there, on every date of the year.
          const noonUtc = Date.UTC(2026, 0, 1 + day, 12)
          const local = noonUtc - offsetMs(noonUtc, zone)
          const isOut = isExcluded(excludes, local, zone)
          if ((changesOf(planOf([targetWith(replicas(2))], config, local + 60_000)).length === 0) !== isOut)
            wrong.push(civil(local, zone).date)
        }
        expect(wrong).toEqual([])
      }),
      { seed: 48, numRuns: 15 },
    )
  })

  /** Local time minus UTC around an instant, to the quarter of an hour, by Intl. */
  function offsetMs(ms: number, zone: string): number {
    const parts = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
    }).formatToParts(ms)
    const value = (type: string) => Number(parts.find((part) => part.type === type)?.value)
    return Date.UTC(value('year'), value('month') - 1, value('day'), value('hour'), value('minute')) - ms
  }
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { type CronScalerConfig, Settings } from '#functions/cron-scaler/event.ts'
import { rulesOfHpc } from '#functions/cron-scaler/hpc.ts'
import { type ObservedCluster, type ObservedTarget, plan } from '#functions/cron-scaler/plan.ts'
import { targetOf } from '#functions/cron-scaler/scaled-object.ts'
import {
  applied,
  at,
  bounds,
  changesOf,
  clusterWith,
  configOf,
  hpcObject,
  hpcRules,
  replicas,
  ruleOf,
  summary,
  targetWith,
} from './fixtures.ts'

function planOne(target: ObservedTarget | undefined, config: CronScalerConfig, now: number, more: Partial<ObservedCluster> = {}) {
  return plan({ clusters: [clusterWith(target === undefined ? [] : [target], more)] }, config, now)
}

/** Runs the plan and applies it, once per instant, as the runtime does in mode enforce. */
function runThrough(
  start: ObservedTarget,
  config: CronScalerConfig,
  ticks: readonly number[],
  more: Partial<ObservedCluster> = {},
): ObservedTarget {
  let target = start
  for (const now of ticks) {
    for (const step of changesOf(planOne(target, config, now, more))) target = applied(target, step, now)
  }
  return target
}

const morning = ruleOf('morning', '0 0 8 * * *', 5)
const evening = ruleOf('evening', '0 0 20 * * *', 2)
const office = configOf({ rules: [morning, evening] })

describe('the level', () => {
  test('the latest firing decides, and says so', () => {
    const [step] = planOne(targetWith(replicas(2)), office, at('2026-11-24T08:00:05Z'))
    expect(step).toMatchObject({
      verdict: 'change',
      target: 'cls-1/default/Deployment/web',
      before: 'replicas 2',
      after: 'replicas 5',
      reason: { code: 'due' },
      change: { cluster: 'cls-1', uid: 'uid-web', rule: 'config/morning', nominalMs: at('2026-11-24T08:00:00Z'), to: replicas(5) },
    })
    expect(step?.reason.text).toBe(
      'config/morning fired at Tue 2026-11-24 08:00:00 UTC; next: replicas 2 at Tue 2026-11-24 20:00:00 UTC by config/evening',
    )
  })

  test('a change after a late start says how late', () => {
    const [step] = planOne(targetWith(replicas(2)), office, at('2026-11-24T08:12:00Z'))
    expect(step).toMatchObject({ verdict: 'change', reason: { code: 'late' } })
    expect(step?.reason.text).toContain('12m ago')
  })

  test('at the same instant the higher size wins, and both are told', () => {
    const low = ruleOf('low', '0 0 8 * * *', 3)
    const high = ruleOf('high', '0 0 8 * * 2', 7)
    for (const rules of [
      [low, high],
      [high, low],
    ]) {
      const steps = planOne(targetWith(replicas(2)), configOf({ rules }), at('2026-11-24T08:00:00Z'))
      expect(changesOf(steps).map(({ change }) => change.rule)).toEqual(['config/high'])
      expect(changesOf(steps)[0]?.reason.text).toContain('the higher size wins')
      expect(steps.find(({ reason }) => reason.code === 'tie-lost')?.reason.text).toContain('config/low')
    }
  })

  test('of two bounds at the same instant the higher min wins, then the higher max', () => {
    const rules = [ruleOf('a', '0 0 8 * * *', [2, 20]), ruleOf('b', '0 0 8 * * *', [3, 5]), ruleOf('c', '0 0 8 * * *', [3, 6])]
    const steps = planOne(targetWith(bounds(1, 1)), configOf({ rules }), at('2026-11-24T08:00:00Z'))
    expect(changesOf(steps).map(({ change }) => change.rule)).toEqual(['config/c'])
  })

  test('of equal sizes at the same instant the rule that enforces wins, so that drift is corrected', () => {
    const rules = [ruleOf('a', '0 0 8 * * *', 5), ruleOf('b', '0 0 8 * * *', 5, { enforce: true })]
    for (const order of [rules, rules.toReversed()]) {
      const config = configOf({ rules: order })
      const done = runThrough(targetWith(replicas(2)), config, [at('2026-11-24T08:00:05Z')])
      expect(done.record?.owner).toBe('config/b')
      const steps = planOne({ ...done, size: replicas(1) }, config, at('2026-11-24T09:00:00Z'))
      expect(changesOf(steps).map(({ reason, change }) => [reason.code, change.rule])).toEqual([['drift', 'config/b']])
    }
  })

  test('of equal sizes at the same instant the rule with the longer deadline wins, so that a late run does what one of them allows', () => {
    const rules = [ruleOf('a', '0 0 8 * * *', 5, { startingDeadline: '5m' }), ruleOf('b', '0 0 8 * * *', 5, { startingDeadline: '2h' })]
    const steps = planOne(targetWith(replicas(2)), configOf({ rules }), at('2026-11-24T09:00:00Z'))
    expect(changesOf(steps).map(({ change }) => change.rule)).toEqual(['config/b'])
  })

  test('nothing within the look-back is nothing due, with what comes next', () => {
    const steps = planOne(targetWith(replicas(2)), configOf({ rules: [ruleOf('yearly', '0 0 8 1 1 *', 5)] }), at('2026-11-24T08:00:00Z'))
    expect(summary(steps)).toEqual(['skipped not-due'])
    expect(steps[0]?.reason.text).toContain('replicas 5 at Fri 2027-01-01 08:00:00 UTC')
  })

  test('without rules there are no steps', () => {
    expect(planOne(targetWith(replicas(2)), configOf(), at('2026-11-24T08:00:00Z'))).toEqual([])
  })

  test('each rule fires in its own zone', () => {
    const config = configOf({ timeZone: 'Asia/Shanghai', rules: [{ ...ruleOf('east', '0 0 8 * * *', 5), timeZone: undefined }] })
    expect(summary(planOne(targetWith(replicas(2)), config, at('2026-11-24T00:00:00Z')))).toEqual(['change due'])
    expect(summary(planOne(targetWith(replicas(2)), config, at('2026-11-23T23:59:59Z')))).toEqual(['missed deadline-passed'])
  })
})

describe('once per firing', () => {
  const now = at('2026-11-24T08:00:05Z')

  test('a duplicate tick is a no-op', () => {
    const done = runThrough(targetWith(replicas(2)), office, [now])
    expect(done.size).toEqual(replicas(5))
    expect(summary(planOne(done, office, now))).toEqual(['no-change already-applied'])
    expect(summary(planOne(done, office, now + 1))).toEqual(['no-change already-applied'])
  })

  test("a person's later change stays until the next firing", () => {
    const done = runThrough(targetWith(replicas(2)), office, [now])
    const [step] = planOne({ ...done, size: replicas(8) }, office, now + 60_000)
    expect(step).toMatchObject({ verdict: 'no-change', reason: { code: 'already-applied' } })
    expect(step?.reason.text).toContain('somebody changed the size since, which stays')
    const next = planOne({ ...done, size: replicas(8) }, office, at('2026-11-24T20:00:00Z'))
    expect(changesOf(next).map(({ change }) => [change.from, change.to])).toEqual([[replicas(8), replicas(2)]])
  })

  test("a size that was there already is put on record, so that a person's later change is not undone by the same firing", () => {
    const steps = planOne(targetWith(replicas(5)), office, now)
    expect(summary(steps)).toEqual(['change record'])
    const done = runThrough(targetWith(replicas(5)), office, [now])
    expect(summary(planOne({ ...done, size: replicas(3) }, office, now + 60_000))).toEqual(['no-change already-applied'])
  })

  test('with enforce what was changed is put back, each time with a key of its own, and nothing needs to be on record', () => {
    const config = configOf({ enforce: true, rules: [morning, evening] })
    expect(summary(planOne(targetWith(replicas(5)), config, now))).toEqual(['no-change in-place'])
    const done = runThrough(targetWith(replicas(2)), config, [now])
    const drift = planOne({ ...done, size: replicas(8) }, config, now + 60_000)
    expect(summary(drift)).toEqual(['change drift'])
    const again = applied({ ...done, size: replicas(8) }, changesOf(drift)[0]!, now + 60_000)
    const second = planOne({ ...again, size: replicas(8) }, config, now + 120_000)
    expect(summary(second)).toEqual(['change drift'])
    expect(second[0]?.key).not.toBe(drift[0]?.key)
  })

  test('with enforce the level holds at any age within the look-back', () => {
    const config = configOf({ enforce: true, rules: [morning] })
    expect(summary(planOne(targetWith(replicas(2)), config, at('2026-11-24T17:00:00Z')))).toEqual(['change late'])
  })

  test('an older run does not correct what a newer one decided', () => {
    const config = configOf({ enforce: true, rules: [morning] })
    const done = runThrough(targetWith(replicas(2)), config, [now + 120_000])
    expect(summary(planOne({ ...done, size: replicas(3) }, config, now + 60_000))).toEqual(['no-change newer-applied'])
  })

  test('a rule edited after its firing counts from its next firing, and the report says so', () => {
    const done = runThrough(targetWith(replicas(2)), office, [now])
    const edited = configOf({ rules: [{ ...morning, targetSize: 7 }, evening] })
    const [step] = planOne(done, edited, now + 60_000)
    expect(step).toMatchObject({ verdict: 'no-change', reason: { code: 'already-applied' } })
    expect(step?.reason.text).toContain('was applied as replicas 5; what the rule says now counts from its next firing')
  })

  test('taking a rule away does not run an older firing again', () => {
    const done = runThrough(targetWith(replicas(2)), office, [at('2026-11-24T08:00:00Z'), at('2026-11-24T20:00:00Z')])
    expect(summary(planOne(done, configOf({ rules: [morning] }), at('2026-11-24T20:05:00Z')))).toEqual(['no-change already-applied'])
  })

  test('a target made anew is another one: what was done to the old one does not stand for it', () => {
    const key = (uid: string) => planOne(targetWith(replicas(2), { uid }), office, now).find(({ verdict }) => verdict === 'change')?.key
    expect(key('uid-a')).toBe(key('uid-a'))
    expect(key('uid-b')).not.toBe(key('uid-a'))
  })

  test('a firing that has to be applied on top of another record is another step', () => {
    const yesterday = runThrough(targetWith(replicas(2)), office, [at('2026-11-23T20:00:05Z')])
    const fresh = planOne(targetWith(replicas(2)), office, now)[0]
    const onRecord = planOne(yesterday, office, now)[0]
    expect(changesOf([fresh!, onRecord!])).toHaveLength(2)
    expect(onRecord?.key).not.toBe(fresh?.key)
  })

  test('keys depend on cluster, target, rule, firing, end state and what is on record, and on nothing else', () => {
    const key = (config: CronScalerConfig, target: ObservedTarget, when: number, id = 'cls-1') =>
      plan({ clusters: [clusterWith([target], { id })] }, config, when).find(({ verdict }) => verdict === 'change')?.key
    const base = key(office, targetWith(replicas(2)), now)
    expect(base).toMatch(/^cron-scaler:[0-9a-f]{40}$/)
    expect(key(office, targetWith(replicas(3)), now + 30_000)).toBe(base)
    const elsewhere = {
      ...office,
      settings: { ...office.settings, rules: office.settings.rules.map((rule) => ({ ...rule, cluster: 'cls-2' })) },
    }
    const others = [
      key(elsewhere, targetWith(replicas(2)), now, 'cls-2'),
      key(office, targetWith(replicas(2)), now + 86_400_000),
      key(configOf({ rules: [{ ...morning, targetSize: 6 }] }), targetWith(replicas(2)), now),
      key(configOf({ rules: [{ ...morning, name: 'other' }] }), targetWith(replicas(2)), now),
    ]
    expect(others).not.toContain(undefined)
    expect(new Set([base, ...others]).size).toBe(5)
  })
})

describe('too late', () => {
  test('beyond the starting deadline it is missed and not run; exactly at it, it runs', () => {
    expect(summary(planOne(targetWith(replicas(2)), office, at('2026-11-24T08:30:00Z')))).toEqual(['change late'])
    const [step] = planOne(targetWith(replicas(2)), office, at('2026-11-24T08:30:01Z'))
    expect(step).toMatchObject({ verdict: 'missed', reason: { code: 'deadline-passed' } })
    expect(step?.reason.text).toContain('30m1s ago, which is past its starting deadline of 30m')
  })

  test('a missed firing whose size is there anyway needs nothing', () => {
    expect(summary(planOne(targetWith(replicas(5)), office, at('2026-11-24T10:00:00Z')))).toEqual(['no-change in-place'])
  })

  test('a rule has its own deadline', () => {
    const config = configOf({ rules: [{ ...morning, startingDeadline: '3h' }] })
    expect(summary(planOne(targetWith(replicas(2)), config, at('2026-11-24T10:00:00Z')))).toEqual(['change late'])
  })

  test('a rule that did not exist yet has missed nothing', () => {
    const config = configOf()
    const rules = hpcRules([{ name: 'up', schedule: '0 0 8 * * *', targetSize: 5 }], config, {
      metadata: { creationTimestamp: '2026-11-24T00:30:00Z' },
    })
    expect(summary(planOne(targetWith(replicas(2)), config, at('2026-11-24T01:00:00Z'), { rules }))).toEqual(['skipped not-due'])
    expect(summary(planOne(targetWith(replicas(2)), config, at('2026-11-25T00:00:00Z'), { rules }))).toEqual(['change due'])
  })
})

describe('excluded dates', () => {
  test('the date is the one in the rule’s zone', () => {
    const config = configOf({
      rules: [ruleOf('east', '0 0 1 * * *', 5, { timeZone: 'Asia/Shanghai', excludeDates: ['2026-10-01..2026-10-07'] })],
    })
    // 01:00 on 1 October in Shanghai is still 30 September in UTC, and 01:00 on the 8th still the 7th.
    expect(summary(planOne(targetWith(replicas(2)), config, at('2026-09-30T17:00:00Z')))[0]).toBe('skipped excluded-date')
    expect(changesOf(planOne(targetWith(replicas(2)), config, at('2026-10-07T17:00:00Z')))).toHaveLength(1)
  })

  test('an excluded firing leaves the level where the firing before it put it', () => {
    const config = configOf({
      rules: [ruleOf('morning', '0 0 8 * * *', 5, { excludeDates: ['2026-11-24'] }), evening],
    })
    const night = runThrough(targetWith(replicas(9)), config, [at('2026-11-23T20:00:00Z')])
    const steps = planOne(night, config, at('2026-11-24T08:00:00Z'))
    expect(summary(steps).toSorted()).toEqual(['no-change already-applied', 'skipped excluded-date'])
    expect(steps.find(({ reason }) => reason.code === 'excluded-date')?.reason.text).toBe(
      'config/morning does not run: Tue 2026-11-24 08:00:00 UTC is excluded by "2026-11-24"',
    )
    expect(summary(planOne(night, config, at('2026-11-24T08:31:00Z')))).toEqual(['no-change already-applied'])
  })

  test('time fields are ignored with a warning', () => {
    const config = configOf({ rules: [ruleOf('morning', '0 0 8 * * *', 5, { excludeDates: ['0 30 12 25 12 *'] })] })
    const [step] = planOne(targetWith(replicas(2)), config, at('2026-11-24T08:00:00Z'))
    expect(step?.reason.text).toContain('warning: "0 30 12 25 12 *" excludes whole days: its time fields are ignored')
    expect(changesOf(planOne(targetWith(replicas(2)), config, at('2026-12-25T08:00:00Z')))).toEqual([])
  })

  test.each([['* * 15 11 *'], ['2026-02-30'], ['2026-10-07..2026-10-01'], ['@calendar/none'], ['@holidays'], ['* * * 15 13 *'], ['']])(
    'an exclude that cannot be read (%j) makes the rule invalid and holds it: it never runs',
    (text) => {
      const config = configOf({ rules: [ruleOf('morning', '0 0 8 * * *', 5, { excludeDates: [text] }), evening] })
      const steps = planOne(targetWith(replicas(2)), config, at('2026-11-24T08:00:00Z'))
      expect(changesOf(steps)).toEqual([])
      expect(steps.find(({ verdict }) => verdict === 'invalid')?.reason.code).toBe('exclude-invalid')
    },
  )
})

describe('calendars', () => {
  const calendars = { cn: { holidays: ['2026-10-01..2026-10-07'], workdays: ['2026-09-27', '2026-10-10'] } }
  const runs = (excludeDates: readonly string[], date: string) =>
    changesOf(
      planOne(
        targetWith(replicas(2)),
        configOf({ calendars, rules: [ruleOf('daily', '0 0 8 * * *', 5, { excludeDates: [...excludeDates] })] }),
        at(`${date}T08:00:00Z`),
      ),
    ).length === 1

  test('holidays are days off, and weekend days worked for them are open to what closes weekends', () => {
    const excludes = ['* * * * * 0,6', '@calendar/cn']
    expect(runs(excludes, '2026-10-01')).toBe(false)
    expect(runs(excludes, '2026-10-08')).toBe(true)
    expect(runs(excludes, '2026-09-26')).toBe(false)
    expect(runs(excludes, '2026-09-27')).toBe(true)
    expect(runs(['* * * * * 0,6'], '2026-09-27')).toBe(false)
  })

  test.each([['* * * * * *'], ['* * * * * ?'], ['* * * * * 0-6'], ['* * * * * */1'], ['* * * * 11,10 *']])(
    'an exclude that names no weekday (%j) is not opened again on a day that a calendar calls a workday',
    (exclude) => {
      expect(runs([exclude, '@calendar/cn'], '2026-10-10')).toBe(false)
    },
  )

  test.each([['* * * * * 6'], ['* * * * 1-12 sat'], ['* * * ? * 0,6']])('an exclude of weekdays (%j) is', (exclude) => {
    expect(runs([exclude, '@calendar/cn'], '2026-10-10')).toBe(true)
  })

  test('a date that a person named stays closed', () => {
    expect(runs(['2026-09-27', '@calendar/cn'], '2026-09-27')).toBe(false)
    expect(runs(['* * * 27 9 *', '@calendar/cn'], '2026-09-27')).toBe(false)
  })

  test('an unknown calendar names the nearest one', () => {
    const config = configOf({ calendars, rules: [ruleOf('daily', '0 0 8 * * *', 5, { excludeDates: ['@calendar/cm'] })] })
    const [step] = planOne(targetWith(replicas(2)), config, at('2026-11-24T08:00:00Z'))
    expect(step).toMatchObject({ verdict: 'invalid', reason: { code: 'exclude-invalid' } })
    expect(step?.reason.text).toContain('did you mean "@calendar/cn"?')
  })
})

describe('rules that cannot run', () => {
  const now = at('2026-11-24T08:00:00Z')

  test.each([
    ['schedule-never-fires', ruleOf('bad', '0 0 0 30 2 *', 5)],
    ['size-missing', ruleOf('bad', '0 0 8 * * *', 5, { targetSize: undefined })],
    ['bounds-on-workload', ruleOf('bad', '0 0 8 * * *', 5, { minSize: 1, maxSize: 2 })],
    ['size-on-hpa', ruleOf('bad', '0 0 8 * * *', [1, 2], { targetSize: 5 })],
    ['size-missing', ruleOf('bad', '0 0 8 * * *', [1, 2], { maxSize: undefined })],
    ['min-above-max', ruleOf('bad', '0 0 8 * * *', [3, 2])],
    ['min-zero', ruleOf('bad', '0 0 8 * * *', [0, 2])],
    ['size-invalid', ruleOf('bad', '0 0 8 * * *', [0, 0])],
    ['target-invalid', ruleOf('bad', '0 0 8 * * *', 5, { target: { kind: 'DaemonSet', name: 'web' } })],
    [
      'target-invalid',
      ruleOf('bad', '0 0 8 * * *', 5, { target: { apiVersion: 'apps.kruise.io/v1alpha1', kind: 'StatefulSet', name: 'web' } }),
    ],
    ['target-invalid', ruleOf('bad', '0 0 8 * * *', 5, { target: { kind: 'Deployment', name: '../secrets' } })],
    ['target-invalid', ruleOf('bad', '0 0 8 * * *', 5, { target: { kind: 'Deployment', name: 'web', namespace: 'a/b' } })],
    ['cluster-unknown', ruleOf('bad', '0 0 8 * * *', 5, { cluster: 'cls-9' })],
  ] as const)('%s, and the rule beside it runs', (code, bad) => {
    const good = ruleOf('good', '0 0 8 * * *', 7)
    const steps = planOne(targetWith(replicas(2)), configOf({ rules: [bad, good] }), now)
    expect(steps.filter(({ verdict }) => verdict === 'invalid').map(({ reason }) => reason.code)).toEqual([code])
    expect(changesOf(steps).map(({ change }) => change.to)).toEqual([replicas(7)])
  })

  test('targetSize on an autoscaler is answered with what to write', () => {
    const [step] = planOne(
      undefined,
      configOf({ rules: [ruleOf('bad', '0 0 8 * * *', [1, 2], { targetSize: 4, minSize: undefined, maxSize: undefined })] }),
      now,
    )
    expect(step?.reason.text).toContain('write minSize and maxSize (both 4 to hold it at 4)')
  })

  test('minSize 0 is allowed where the clusters allow it', () => {
    const config = configOf({ allowZeroMin: true, rules: [ruleOf('night', '0 0 8 * * *', [0, 2])] })
    expect(changesOf(planOne(targetWith(bounds(1, 5)), config, now)).map(({ change }) => change.to)).toEqual([bounds(0, 2)])
  })

  test('a rule that names an id acts on that cluster and on no other that is called so', () => {
    const rules = [ruleOf('up', '0 0 8 * * *', 5, { cluster: 'cls-2' })]
    const both = { clusters: [clusterWith([targetWith(replicas(2))]), clusterWith([targetWith(replicas(2))], { id: 'cls-2' })] }
    const steps = plan(both, { ...configOf({ rules }), clusters: [{ id: 'cls-2', name: 'cls-2' }, { id: 'cls-1' }] }, now)
    expect(changesOf(steps).map(({ change }) => change.cluster)).toEqual(['cls-2'])
  })

  test('a rule whose cluster is the id of one and the name of another is invalid: it could scale the wrong one', () => {
    const rules = [ruleOf('up', '0 0 8 * * *', 5, { cluster: 'cls-2' })]
    const both = { clusters: [clusterWith([targetWith(replicas(2))]), clusterWith([targetWith(replicas(2))], { id: 'cls-2' })] }
    for (const clusters of [
      [{ id: 'cls-1', name: 'cls-2' }, { id: 'cls-2' }],
      [{ id: 'cls-2' }, { id: 'cls-1', name: 'cls-2' }],
    ]) {
      const steps = plan(both, { ...configOf({ rules }), clusters }, now)
      expect(summary(steps)).toEqual(['invalid cluster-ambiguous'])
      expect(steps[0]?.reason.text).toContain('is the id of cls-2 and the name of cls-1')
    }
  })

  test('an unknown cluster names the nearest one', () => {
    const [step] = planOne(targetWith(replicas(2)), configOf({ rules: [ruleOf('up', '0 0 8 * * *', 5, { cluster: 'ofice' })] }), now)
    expect(step).toMatchObject({ verdict: 'invalid', reason: { code: 'cluster-unknown' } })
    expect(step?.reason.text).toContain('did you mean "office"?')
  })

  test('clusters are named by id or by name', () => {
    const config = configOf({ rules: [{ ...morning, cluster: 'office' }] })
    expect(changesOf(planOne(targetWith(replicas(2)), config, now))).toHaveLength(1)
  })
})

describe('HPC objects', () => {
  const now = at('2026-11-24T00:00:00Z')
  const config = configOf()
  const up = { name: 'up', schedule: '0 0 8 * * *', targetSize: 5 }

  test('run in the configured zone, under a name of their own', () => {
    const steps = planOne(targetWith(replicas(2)), config, now, { rules: hpcRules([up], config) })
    expect(changesOf(steps).map(({ change }) => change.rule)).toEqual(['hpc/default/hpc/up'])
  })

  test('one bad entry spoils no other', () => {
    const rules = hpcRules([{ name: 'bad', schedule: 7 }, null, { name: 'worse', schedule: '0 8 * * *', targetSize: 3 }, up], config)
    const steps = planOne(targetWith(replicas(2)), config, now, { rules })
    expect(changesOf(steps)).toHaveLength(1)
    expect(
      steps
        .filter(({ verdict }) => verdict === 'invalid')
        .map(({ reason }) => reason.code)
        .toSorted(),
    ).toEqual(['rule-unreadable', 'rule-unreadable', 'schedule-invalid'])
  })

  test('an object that cannot be read at all is one invalid rule', () => {
    const rules = hpcRules([up], config, { spec: { scaleTarget: 'web' } })
    const steps = planOne(targetWith(replicas(2)), config, now, { rules })
    expect(summary(steps)).toEqual(['invalid rule-unreadable'])
    expect(steps[0]?.reason.text).toContain('spec.scaleTarget is no object, or is missing')
  })

  test('a misspelt field makes the rule invalid, an unknown one is ignored with a warning', () => {
    const misspelt = planOne(targetWith(replicas(2)), config, now, { rules: hpcRules([{ ...up, excludeDate: ['* * * * * 2'] }], config) })
    expect(summary(misspelt)).toEqual(['invalid rule-unreadable'])
    expect(misspelt[0]?.reason.text).toContain('did you mean "excludeDates"?')
    const unknown = planOne(targetWith(replicas(2)), config, now, { rules: hpcRules([{ ...up, colour: 'red' }], config) })
    expect(summary(unknown)).toEqual(['change due'])
    expect(unknown[0]?.reason.text).toContain('warning: the field "colour" is unknown and ignored')
  })

  test.each([
    [{ spec: { excludeDate: ['* * * * * 2'] } }, 'spec.excludeDate', 'did you mean "excludeDates"?'],
    [{ spec: { ExcludeDates: ['* * * * * 2'] } }, 'spec.ExcludeDates', 'did you mean "excludeDates"?'],
    [{ spec: { timeZone: 'UTC' } }, 'spec.timeZone', 'known are scaleTarget, crons, excludeDates'],
    [
      { spec: { scaleTarget: { kind: 'Deployment', name: 'web', nameSpace: 'shop' } } },
      'spec.scaleTarget.nameSpace',
      'did you mean "namespace"?',
    ],
  ])('a field that no HPC object has (%j) makes its rules invalid: what it should do would be lost', (more, field, advice) => {
    const steps = planOne(targetWith(replicas(2)), config, now, { rules: hpcRules([up, { ...up, name: 'more' }], config, more) })
    expect(summary(steps)).toEqual(['invalid rule-unreadable', 'invalid rule-unreadable'])
    expect(steps[0]?.reason.text).toContain(`"${field}"`)
    expect(steps[0]?.reason.text).toContain(advice)
  })

  test('misspelt crons are told, although no rule is left to tell them of', () => {
    const object = hpcObject([])
    const rules = rulesOfHpc(
      { ...object, spec: { scaleTarget: { kind: 'Deployment', name: 'web' }, cron: [up] } },
      'cls-1',
      config.settings,
    )
    const steps = planOne(targetWith(replicas(2)), config, now, { rules })
    expect(summary(steps)).toEqual(['invalid rule-unreadable'])
    expect(steps[0]?.reason.text).toContain('did you mean "crons"?')
  })

  test('excludeDates of the whole object count as well', () => {
    const rules = hpcRules([up], config, { spec: { excludeDates: ['* * * * * 2'] } })
    expect(changesOf(planOne(targetWith(replicas(2)), config, now, { rules }))).toEqual([])
  })

  test('annotations on the object: zone, deadline, enforce, pause', () => {
    const annotated = (annotations: Record<string, string>) => hpcRules([up], config, { metadata: { annotations } })
    const steps = (annotations: Record<string, string>, when: number, target = targetWith(replicas(2))) =>
      summary(planOne(target, config, when, { rules: annotated(annotations) }))
    expect(steps({ 'longshore.dev/time-zone': 'UTC' }, at('2026-11-24T08:00:00Z'))).toEqual(['change due'])
    expect(steps({ 'longshore.dev/time-zone': 'Mars/Base' }, now)).toEqual(['invalid time-zone-unknown'])
    expect(steps({ 'longshore.dev/starting-deadline': '3h' }, at('2026-11-24T02:00:00Z'))).toEqual(['change late'])
    expect(steps({ 'longshore.dev/starting-deadline': '3 hours' }, now)).toEqual(['invalid rule-unreadable'])
    expect(steps({ 'longshore.dev/starting-deadline': '401d' }, now)).toEqual(['invalid rule-unreadable'])
    expect(steps({ 'longshore.dev/enforce': 'true' }, at('2026-11-24T09:00:00Z'))).toEqual(['change late'])
    expect(steps({ 'longshore.dev/enforce': 'yes' }, now)).toEqual(['invalid rule-unreadable'])
    expect(steps({ 'longshore.dev/paused': 'true' }, now)).toEqual(['held paused'])
  })

  describe('long texts of a tenant do not swell reports', () => {
    const long = 'x\\'.repeat(20_000)
    const lengthOf = (crons: readonly unknown[], more?: Parameters<typeof hpcRules>[2], target = targetWith(replicas(2))) => {
      const steps = planOne(target, config, now, { rules: hpcRules(crons, config, more) })
      expect(steps.length).toBeGreaterThan(0)
      return Math.max(...steps.map((step) => JSON.stringify(step).length))
    }

    test.each([
      ['schedule', [{ ...up, schedule: long }], undefined],
      ['schedule of five fields', [{ ...up, schedule: `${long} 8 * * 1-5` }], undefined],
      ['field of a schedule', [{ ...up, schedule: `0 0 8 * * ${long}` }], undefined],
      ['valid schedule', [{ ...up, schedule: `0 0 8 * * ${'1,'.repeat(20_000)}` }], undefined],
      ['name', [{ ...up, name: long }], undefined],
      ['exclude', [{ ...up, excludeDates: [long] }], undefined],
      ['calendar', [{ ...up, excludeDates: [`@calendar/${long}`] }], undefined],
      ['excluded date', [{ ...up, excludeDates: [`2026-10-01..${long}`] }], undefined],
      ['exclude that applies', [{ ...up, excludeDates: [`* * * * * ${'2,'.repeat(20_000)}`] }], undefined],
      ['unknown field', [{ ...up, [long]: 1 }], undefined],
      ['unknown field of the object', [up], { spec: { [long]: 1 } }],
      ['target name', [up], { spec: { scaleTarget: { kind: 'Deployment', name: long } } }],
      ['target kind', [up], { spec: { scaleTarget: { kind: long, name: 'web' } } }],
      ['target namespace', [up], { spec: { scaleTarget: { kind: 'Deployment', name: 'web', namespace: long } } }],
      ['target version', [up], { spec: { scaleTarget: { kind: 'Deployment', name: 'web', apiVersion: long } } }],
      ['zone', [up], { metadata: { annotations: { 'longshore.dev/time-zone': long } } }],
      ['deadline', [up], { metadata: { annotations: { 'longshore.dev/starting-deadline': long } } }],
      ['flag', [up], { metadata: { annotations: { 'longshore.dev/enforce': long } } }],
    ])('%s', (_, crons, more) => {
      expect(lengthOf(crons, more)).toBeLessThan(2500)
    })

    test('hold and record of a target', () => {
      expect(lengthOf([up], undefined, targetWith(replicas(2), { hold: long }))).toBeLessThan(2500)
      const done = applied(
        targetWith(replicas(2)),
        changesOf(planOne(targetWith(replicas(2)), config, now, { rules: hpcRules([up], config) }))[0]!,
        now,
      )
      const owned: ObservedTarget = { ...done, record: { ...done.record!, owner: 'x'.repeat(900) } }
      expect(lengthOf([up], undefined, owned)).toBeLessThan(2500)
    })
  })

  test('an object that is being deleted has no rules', () => {
    expect(hpcRules([up], config, { metadata: { deletionTimestamp: '2026-11-24T00:00:00Z' } })).toEqual([])
  })

  test('beside a running controller it only compares', () => {
    const rules = hpcRules([up], config)
    const later = now + 90_000
    const differs = planOne(targetWith(replicas(2)), config, later, { rules, controller: 'running' })
    expect(summary(differs)).toEqual(['held shadow-differs'])
    expect(differs[0]?.reason.text).toContain(
      'tke-hpc-controller runs in this cluster, so this only compares: here it would be replicas 5 (hpc/default/hpc/up fired at Tue 2026-11-24 08:00:00 Asia/Shanghai), there is replicas 2',
    )
    expect(differs[0]?.reason.text).toContain('alone it would be decided change (due)')
    const agrees = planOne(targetWith(replicas(5)), config, later, { rules, controller: 'running' })
    expect(summary(agrees)).toEqual(['held shadow-agrees'])
    expect(agrees[0]?.reason.text).toContain('both say replicas 5')
    const waiting = planOne(targetWith(replicas(2)), config, later - 1, { rules, controller: 'running' })
    expect(summary(waiting)).toEqual(['held shadow-waiting'])
    const ignoring = configOf({ hpc: { besideController: 'ignore' } })
    expect(summary(planOne(targetWith(replicas(2)), ignoring, now, { rules, controller: 'running' }))).toEqual(['change due'])
  })

  test('rules of the configuration run beside the controller', () => {
    expect(summary(planOne(targetWith(replicas(2)), office, at('2026-11-24T08:00:00Z'), { controller: 'running' }))).toEqual(['change due'])
  })

  test('where the controller cannot be seen nothing is done for HPC objects', () => {
    const problems = [{ part: 'controller' as const, text: 'cls-1: 403 Forbidden' }]
    const steps = planOne(targetWith(replicas(2)), config, now, { rules: hpcRules([up], config), controller: 'unknown', problems })
    expect(summary(steps)).toEqual(['held controller-unknown'])
    expect(steps[0]?.reason.text).toContain('403 Forbidden')
  })
})

describe('run once', () => {
  const now = at('2026-11-24T08:00:00Z')
  const once = ruleOf('once', '0 0 8 * * *', 5, { runOnce: true })

  test('runs once, and not again the next day', () => {
    const config = configOf({ rules: [once] })
    const done = runThrough(targetWith(replicas(2)), config, [now])
    expect(done.size).toEqual(replicas(5))
    const nextDay = planOne({ ...done, size: replicas(2) }, config, now + 86_400_000)
    expect(summary(nextDay)).toEqual(['no-change already-applied'])
    expect(nextDay[0]?.reason.text).toContain('no rule fires again')
  })

  test('what ran longer ago than the look-back decides nothing any more', () => {
    const config = configOf({ rules: [once] })
    const done = runThrough(targetWith(replicas(2)), config, [now])
    expect(summary(planOne(done, config, now + 8 * 86_400_000))).toEqual(['no-change already-applied'])
    expect(summary(planOne(done, config, now + 8 * 86_400_000 + 1))).toEqual(['skipped not-due'])
  })

  test('is marked as run even where enforce would leave no record', () => {
    const config = configOf({ enforce: true, rules: [once] })
    expect(summary(planOne(targetWith(replicas(5)), config, now))).toEqual(['change record'])
  })

  test('an unnamed one is invalid, with advice: an entry put before it would arm it again', () => {
    const config = configOf()
    const unnamed = { schedule: '0 0 8 * * *', targetSize: 5, runOnce: true }
    for (const [crons, place] of [
      [[unnamed], '#0'],
      [[{ name: '', ...unnamed }], '#0'],
      [[{ schedule: '0 0 20 * * *', targetSize: 1 }, unnamed], '#1'],
    ] as const) {
      const steps = planOne(targetWith(replicas(2)), config, at('2026-11-24T00:00:05Z'), { rules: hpcRules(crons, config) })
      const [step] = steps.filter(({ verdict }) => verdict === 'invalid')
      expect(step?.reason.code).toBe('run-once-unnamed')
      expect(step?.reason.text).toContain(`${place}: a cron that runs once needs a name`)
      expect(changesOf(steps)).toEqual([])
    }
  })

  test('one that has run is not announced as what comes next', () => {
    const config = configOf({ rules: [once] })
    const done = runThrough(targetWith(replicas(2)), config, [at('2026-11-10T08:00:05Z')])
    const steps = planOne(done, config, at('2026-11-24T08:00:05Z'))
    expect(summary(steps)).toEqual(['skipped not-due'])
    expect(steps[0]?.reason.text).toContain('no rule fires again')
  })

  test('an HPC object made anew has rules that have not run', () => {
    const config = configOf({ timeZone: 'UTC' })
    const cron = { name: 'once', schedule: '0 0 8 * * *', targetSize: 5, runOnce: true }
    const rules = hpcRules([cron], config)
    const done = runThrough(targetWith(replicas(2)), config, [now], { rules })
    expect(changesOf(planOne({ ...done, size: replicas(2) }, config, now + 86_400_000, { rules }))).toEqual([])
    const anew = hpcRules([cron], config, { metadata: { uid: 'uid-anew' } })
    expect(changesOf(planOne({ ...done, size: replicas(2) }, config, now + 86_400_000, { rules: anew }))).toHaveLength(1)
  })
})

describe('what holds a target', () => {
  const now = at('2026-11-24T08:00:00Z')
  const hold = (target: ObservedTarget | undefined, more: Partial<ObservedCluster> = {}, config = office, when = now) => {
    const steps = planOne(target, config, when, more)
    expect(changesOf(steps)).toEqual([])
    return steps
  }

  test('a missing target', () => {
    const [step] = hold(undefined)
    expect(step).toMatchObject({ verdict: 'held', reason: { code: 'target-missing' }, before: '' })
    expect(step?.reason.text).toContain('there is no Deployment web in namespace default')
  })

  test('the opt-out annotation', () => {
    expect(summary(hold(targetWith(replicas(2), { optOut: true })))).toEqual(['held opt-out'])
  })

  test('pause in the settings, which still says what would be done', () => {
    const [step] = hold(targetWith(replicas(2)), {}, configOf({ paused: true, rules: [morning] }))
    expect(step).toMatchObject({ verdict: 'held', reason: { code: 'paused' } })
    expect(step?.reason.text).toContain('else it would be decided change (due)')
  })

  test('pause of one rule, which leaves the others alone', () => {
    const steps = planOne(
      targetWith(replicas(2)),
      configOf({ rules: [{ ...morning, paused: true }, ruleOf('other', '0 59 7 * * *', 3)] }),
      now,
    )
    expect(summary(steps).toSorted()).toEqual(['change due', 'held paused'])
  })

  test('a hold with an end; after it the firing that came meanwhile is applied, however late', () => {
    const kept = targetWith(replicas(9), { hold: at('2026-11-24T12:00:00Z') })
    expect(summary(hold(kept))).toEqual(['held override'])
    expect(summary(planOne(kept, office, at('2026-11-24T12:00:00Z')))).toEqual(['change late'])
    expect(summary(planOne(kept, office, at('2026-11-24T12:31:00Z')))).toEqual(['missed deadline-passed'])
    expect(summary(hold(targetWith(replicas(9), { hold: 'tomorrow' })))).toEqual(['held override'])
  })

  test('after a hold ends the size comes back, also when the firing had been applied before the hold', () => {
    const done = runThrough(targetWith(replicas(2)), office, [at('2026-11-24T08:00:05Z')])
    const kept: ObservedTarget = { ...done, size: replicas(9), hold: at('2026-11-24T10:00:00Z') }
    expect(summary(hold(kept, {}, office, at('2026-11-24T09:00:00Z')))).toEqual(['held override'])
    const steps = planOne(kept, office, at('2026-11-24T10:00:00Z'))
    expect(changesOf(steps).map(({ change }) => [change.from, change.to])).toEqual([[replicas(9), replicas(5)]])
    expect(steps[0]?.reason.text).toContain('somebody kept the target until Tue 2026-11-24 10:00:00 UTC')
    // Once: what a person changes after that stays.
    const back = applied(kept, changesOf(steps)[0]!, at('2026-11-24T10:00:00Z'))
    expect(summary(planOne(back, office, at('2026-11-24T10:01:00Z')))).toEqual(['no-change already-applied'])
    expect(summary(planOne({ ...back, size: replicas(7) }, office, at('2026-11-24T10:01:00Z')))).toEqual(['no-change already-applied'])
    // Another hold is another reason to bring it back, under a key of its own.
    const again = planOne({ ...back, size: replicas(9), hold: at('2026-11-24T11:00:00Z') }, office, at('2026-11-24T11:00:30Z'))
    expect(changesOf(again)).toHaveLength(1)
    expect(again[0]?.key).not.toBe(steps[0]?.key)
  })

  test('the key of what is done after a hold names the end of that hold', () => {
    const done = runThrough(targetWith(replicas(2)), office, [at('2026-11-24T08:00:05Z')])
    const keys = ['2026-11-24T10:00:00Z', '2026-11-24T10:05:00Z'].map(
      (end) => planOne({ ...done, size: replicas(9), hold: at(end) }, office, at('2026-11-24T10:10:00Z'))[0]?.key,
    )
    expect(new Set(keys).size).toBe(2)
  })

  test('a size that is there when a hold ends is put on record, so that a later change stays', () => {
    const done = runThrough(targetWith(replicas(2)), office, [at('2026-11-24T08:00:05Z')])
    const kept: ObservedTarget = { ...done, hold: at('2026-11-24T10:00:00Z') }
    expect(summary(planOne(kept, office, at('2026-11-24T10:00:30Z')))).toEqual(['change record'])
  })

  test('a hold that ended longer ago than the starting deadline brings nothing back', () => {
    const done = runThrough(targetWith(replicas(2)), office, [at('2026-11-24T08:00:05Z')])
    const kept: ObservedTarget = { ...done, size: replicas(9), hold: at('2026-11-24T10:00:00Z') }
    expect(summary(planOne(kept, office, at('2026-11-24T10:30:01Z')))).toEqual(['missed deadline-passed'])
  })

  test('a workload that an autoscaler sizes, with a pointer to the autoscaler', () => {
    const autoscalers = [{ namespace: 'default', name: 'web-hpa', workload: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } }]
    const [step] = hold(targetWith(replicas(2)), { autoscalers })
    expect(step).toMatchObject({ verdict: 'held', reason: { code: 'hpa-conflict' } })
    expect(step?.reason.text).toContain('HorizontalPodAutoscaler default/web-hpa sizes this workload')
    const allowed = configOf({ allowHpaConflict: true, rules: [morning] })
    expect(summary(planOne(targetWith(replicas(2)), allowed, now, { autoscalers }))).toEqual(['change due'])
    const elsewhere = [
      { namespace: 'other', name: 'a', workload: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } },
      { namespace: 'default', name: 'b', workload: { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web' } },
      { namespace: 'default', name: 'c', workload: { apiVersion: 'apps.kruise.io/v1alpha1', kind: 'Deployment', name: 'web' } },
    ]
    expect(summary(planOne(targetWith(replicas(2)), office, now, { autoscalers: elsewhere }))).toEqual(['change due'])
  })

  test('a record that cannot be read', () => {
    const [step] = hold(targetWith(replicas(2), { recordProblem: 'it is not JSON' }))
    expect(step).toMatchObject({ verdict: 'held', reason: { code: 'record-unreadable' } })
  })

  test('a target that is being deleted', () => {
    expect(summary(hold(targetWith(replicas(2), { deleting: true })))).toEqual(['held target-deleting'])
  })

  test('one object that does not look like its kind holds what it is about and nothing else', () => {
    const about = (part: 'Deployment' | 'HorizontalPodAutoscaler', namespace: string, name: string, target: ObservedTarget | undefined) =>
      summary(planOne(target, office, now, { problems: [{ part, object: { namespace, name }, text: 'does not look like one' }] }))
    expect(about('Deployment', 'default', 'web', undefined)).toEqual(['held target-unreadable'])
    expect(about('Deployment', 'default', 'other', targetWith(replicas(2)))).toEqual(['change due'])
    expect(about('Deployment', 'other', 'web', targetWith(replicas(2)))).toEqual(['change due'])
    // Which workload such an autoscaler sizes is not known; it is one of its namespace.
    expect(about('HorizontalPodAutoscaler', 'default', 'any', targetWith(replicas(2)))).toEqual(['held target-unreadable'])
    expect(about('HorizontalPodAutoscaler', 'other', 'any', targetWith(replicas(2)))).toEqual(['change due'])
  })

  test('kinds and autoscalers that could not be read', () => {
    const unreadable = (part: 'Deployment' | 'HorizontalPodAutoscaler') =>
      hold(targetWith(replicas(2)), { problems: [{ part, text: 'no answer' }] })
    expect(summary(unreadable('Deployment'))).toEqual(['held target-unreadable'])
    expect(summary(unreadable('HorizontalPodAutoscaler'))).toEqual(['held target-unreadable'])
  })

  test('of a cluster that cannot be read every step says so, whatever is due, paused or excluded', () => {
    const rules = [
      ruleOf('due', '0 0 8 * * *', 5),
      ruleOf('also', '0 0 8 * * *', 4),
      ruleOf('paused', '0 0 8 * * *', 5, { paused: true }),
      ruleOf('yearly', '0 0 8 1 1 *', 5, { target: { kind: 'Deployment', name: 'yearly' } }),
      ruleOf('excluded', '0 0 8 * * *', 5, { excludeDates: ['* * * * * *'], target: { kind: 'Deployment', name: 'excluded' } }),
    ]
    for (const part of ['cluster', 'rules'] as const) {
      const steps = planOne(undefined, configOf({ rules }), now, { problems: [{ part, text: 'cls-1: no answer' }] })
      expect(steps.map(({ target, verdict, reason }) => `${target} ${verdict} ${reason.code}`)).toEqual([
        'cls-1 held cluster-unreadable',
        'cls-1/default/Deployment/excluded held cluster-unreadable',
        'cls-1/default/Deployment/web held cluster-unreadable',
        'cls-1/default/Deployment/yearly held cluster-unreadable',
      ])
      for (const { reason } of steps) expect(reason.text).toContain('no answer')
    }
  })

  test('a cluster whose rules cannot be read is held as a whole, and the other cluster goes on', () => {
    const broken = clusterWith([targetWith(replicas(2))], { problems: [{ part: 'rules', text: 'cls-1: 403 Forbidden' }] })
    const sound = clusterWith([targetWith(replicas(2))], { id: 'cls-2' })
    const config = configOf({ rules: [morning, { ...morning, name: 'morning-2', cluster: 'cls-2' }] })
    const steps = plan({ clusters: [broken, sound] }, config, now)
    expect(steps.map(({ target, verdict, reason }) => `${target} ${verdict} ${reason.code}`)).toEqual([
      'cls-1 held cluster-unreadable',
      'cls-1/default/Deployment/web held cluster-unreadable',
      'cls-2/default/Deployment/web change due',
    ])
    expect(steps[0]?.reason.text).toContain('403 Forbidden')
  })
})

describe('whatever settings are accepted, there is a plan', () => {
  const durations = fc.oneof(
    fc.integer({ min: 0, max: 400 }).map((days) => `${days}d`),
    fc.integer({ min: 0, max: 1_000_000 }).map((minutes) => `${minutes}m`),
    fc.nat().map((ms) => `${ms}ms`),
    fc.constantFrom('0s', '400d', '104249991d', '4000000d'),
  )
  const settings = fc.record({
    timeZone: fc.constantFrom('UTC', 'Asia/Shanghai', 'Pacific/Apia', 'America/St_Johns', '+08:00'),
    lookBack: durations,
    startingDeadline: durations,
    enforce: fc.boolean(),
    calendars: fc.constantFrom({}, { cn: { holidays: ['0000-01-01..9999-12-31'], workdays: ['9999-12-31'] } }),
    excludeDates: fc.constantFrom([], ['* * * * * *'], ['0000-01-01..9999-12-31'], ['@calendar/cn']),
  })

  test('at any time, with any hold and any record that can be read', () => {
    let accepted = 0
    fc.assert(
      fc.property(
        settings,
        fc.integer({ min: 0, max: at('2399-12-31T00:00:00Z') }),
        fc.option(
          fc.constantFrom(
            '0000-01-01T00:00:00.000Z',
            '1970-01-01T00:00:00.000Z',
            '9999-12-31T23:59:59.999Z',
            '+275760-09-13T00:00:00.000Z',
          ),
        ),
        fc.option(fc.constantFrom('0000-01-01T00:00:00+23:59', '9999-12-31T23:59:59-23:59', '2026-11-24T00:00:00Z', 'soon')),
        ({ excludeDates, ...more }, now, nominal, hold) => {
          const input = {
            ...more,
            rules: [ruleOf('a', '0 0 8 * * *', 5, { excludeDates: [...excludeDates], timeZone: undefined, runOnce: true })],
          }
          const parsed = z.safeParse(Settings, input)
          if (!parsed.success) return
          accepted += 1
          const annotations = {
            ...(hold === null ? {} : { 'longshore.dev/hold-until': hold }),
            ...(nominal === null
              ? {}
              : {
                  'longshore.dev/cron-scaler': JSON.stringify({
                    format: 1,
                    epoch: 1,
                    owner: 'o',
                    key: 'k',
                    nominal,
                    decided: nominal,
                    before: { replicas: 1 },
                    after: { replicas: 2 },
                    original: { size: { replicas: 1 }, epoch: 1 },
                    once: { x: nominal },
                  }),
                }),
          }
          const metadata = { name: 'web', namespace: 'default', uid: 'u', resourceVersion: '1', annotations }
          const target = targetOf({ apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { replicas: 1 } }, 'Deployment')
          expect(planOne(target, { clusters: [{ id: 'cls-1' }], settings: parsed.data }, now).length).toBeGreaterThan(0)
        },
      ),
      { seed: 31, numRuns: 300 },
    )
    expect(accepted).toBeGreaterThan(50)
  })
})

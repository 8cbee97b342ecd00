import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type * as z from 'zod/mini'
import type { Settings } from '#functions/cron-scaler/event.ts'
import { configuredOverrides, type Override, overrideInForce, parseOverride } from '#functions/cron-scaler/override.ts'
import { type ObservedCluster, type ObservedTarget, plan } from '#functions/cron-scaler/plan.ts'
import { targetOf } from '#functions/cron-scaler/scaled-object.ts'
import { applied, at, bounds, changesOf, clusterWith, configOf, hpcRules, replicas, ruleOf, summary, targetWith } from './fixtures.ts'

const morning = ruleOf('morning', '0 0 8 * * *', 5)
const evening = ruleOf('evening', '0 0 20 * * *', 2)
const day = '2026-11-24'

type OverrideInput = NonNullable<z.input<typeof Settings>['overrides']>[number]

function overrideOf(name: string, size: number, until: string, more: Partial<OverrideInput> = {}): OverrideInput {
  return { name, cluster: 'cls-1', target: { kind: 'Deployment', name: 'web' }, targetSize: size, until, reason: 'sale', ...more }
}

const sale = overrideOf('sale', 12, `${day}T12:00:00Z`, { from: `${day}T09:00:00Z` })
const withSale = configOf({ timeZone: 'UTC', rules: [morning, evening], overrides: [sale] })

function planOne(target: ObservedTarget | undefined, now: number, config = withSale, more: Partial<ObservedCluster> = {}) {
  return plan({ clusters: [clusterWith(target === undefined ? [] : [target], more)] }, config, now)
}

/** Plans at each time of 24 November and applies what is to be changed. Answers the target and what was said. */
function through(start: ObservedTarget, times: readonly string[], config = withSale, more: Partial<ObservedCluster> = {}) {
  let target = start
  const said: string[] = []
  for (const time of times) {
    const now = at(`${day}T${time}Z`)
    const steps = planOne(target, now, config, more)
    const own = steps.filter(({ verdict, reason }) => verdict !== 'skipped' || reason.code === 'wave')
    for (const step of changesOf(steps)) target = applied(target, step, now)
    said.push(...own.map(({ verdict, reason }) => `${time} ${verdict} ${reason.code}`))
  }
  return { target, said }
}

function annotated(text: string, more: Partial<ObservedTarget> = {}, kind: 'Deployment' | 'HorizontalPodAutoscaler' = 'Deployment') {
  const override = parseOverride(text, kind)
  return {
    ...targetWith(kind === 'Deployment' ? replicas(2) : bounds(1, 3), more),
    override: override.ok ? override.value : { problem: override.error },
  }
}

describe('the annotation', () => {
  test.each([
    ['replicas=8 until=2026-11-27T20:00:00+08:00', { size: replicas(8), untilMs: at('2026-11-27T12:00:00Z') }],
    ['  until=2026-11-27T12:00Z\n replicas=0 ', { size: replicas(0), untilMs: at('2026-11-27T12:00:00Z') }],
    [
      'replicas=8 from=2026-11-27T00:00:00Z until=2026-11-27T12:00:00Z reason=sale of the year, until=noon',
      {
        size: replicas(8),
        fromMs: at('2026-11-27T00:00:00Z'),
        untilMs: at('2026-11-27T12:00:00Z'),
        reason: 'sale of the year, until=noon',
      },
    ],
    ['replicas=8 until=2026-11-27T12:00:00Z reason=', { size: replicas(8), untilMs: at('2026-11-27T12:00:00Z') }],
  ])('%j is read', (text, expected) => {
    expect(parseOverride(text, 'Deployment')).toEqual({
      ok: true,
      value: { id: expect.stringMatching(/^override\/annotation\/[0-9a-f]{12}$/), ...expected },
    })
  })

  test('of an autoscaler has bounds', () => {
    expect(parseOverride('min=2 max=8 until=2026-11-27T12:00:00Z', 'HorizontalPodAutoscaler')).toMatchObject({
      ok: true,
      value: { size: bounds(2, 8) },
    })
  })

  test.each([
    ['', 'Deployment', 'it does not say replicas'],
    ['replicas=8', 'Deployment', 'it does not say until when'],
    ['until=2026-11-27T12:00:00Z', 'Deployment', 'it does not say replicas'],
    ['replicas=8 until=tomorrow', 'Deployment', 'until: "tomorrow" is no instant'],
    ['replicas=8 until=2026-11-27T12:00:00', 'Deployment', 'is no instant'],
    ['replicas=8 until=2026-02-30T12:00:00Z', 'Deployment', 'is not in the calendar'],
    ['replicas=8 from=2026-11-28T00:00:00Z until=2026-11-27T12:00:00Z', 'Deployment', 'it ends before it begins'],
    ['replicas=8 replicas=9 until=2026-11-27T12:00:00Z', 'Deployment', 'replicas is there twice'],
    ['replicas=-1 until=2026-11-27T12:00:00Z', 'Deployment', '"-1" is no number of replicas'],
    ['replicas=8.5 until=2026-11-27T12:00:00Z', 'Deployment', '"8.5" is no number of replicas'],
    ['replicas=9999999999 until=2026-11-27T12:00:00Z', 'Deployment', 'is no number of replicas'],
    ['replicas=0x8 until=2026-11-27T12:00:00Z', 'Deployment', 'is no number of replicas'],
    ['replica=8 until=2026-11-27T12:00:00Z', 'Deployment', 'did you mean "replicas"?'],
    ['replicas 8 until=2026-11-27T12:00:00Z', 'Deployment', '"replicas" is no word of the form name=value'],
    ['{"replicas":8}', 'Deployment', 'is no word of the form name=value'],
    ['min=2 max=8 until=2026-11-27T12:00:00Z', 'Deployment', '"min" is unknown'],
    ['replicas=8 until=2026-11-27T12:00:00Z', 'HorizontalPodAutoscaler', '"replicas" is unknown'],
    ['min=2 until=2026-11-27T12:00:00Z', 'HorizontalPodAutoscaler', 'it does not say max'],
    ['min=9 max=8 until=2026-11-27T12:00:00Z', 'HorizontalPodAutoscaler', 'min 9 is above max 8'],
    ['min=0 max=0 until=2026-11-27T12:00:00Z', 'HorizontalPodAutoscaler', 'max 0 is not allowed'],
    ['x'.repeat(501), 'Deployment', 'it has 501 characters'],
  ] as const)('%j of a %s is not guessed at', (text, kind, problem) => {
    const parsed = parseOverride(text, kind)
    expect(parsed).toEqual({ ok: false, error: expect.stringContaining(problem) })
    expect(parsed.ok ? '' : parsed.error).toContain(
      kind === 'Deployment' ? 'write it as "replicas=8 until=' : 'write it as "min=4 max=8 until=',
    )
  })

  test('whatever stands there: it is read, or there is a message of bearable length', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (text) => {
        const parsed = parseOverride(text, 'Deployment')
        expect(parsed.ok ? 0 : parsed.error.length).toBeLessThan(700)
      }),
      { seed: 53, numRuns: 500 },
    )
  })

  test('that has been edited is another one', () => {
    const ids = [
      'replicas=8 until=2026-11-27T12:00:00Z',
      'replicas=9 until=2026-11-27T12:00:00Z',
      'replicas=8 until=2026-11-27T13:00:00Z',
    ].map((text) => {
      const parsed = parseOverride(text, 'Deployment')
      return parsed.ok ? parsed.value.id : ''
    })
    expect(new Set(ids).size).toBe(3)
  })

  test('is read from an object', () => {
    const metadata = { name: 'web', namespace: 'default', uid: 'u', resourceVersion: '1' }
    const object = (text: string) => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { ...metadata, annotations: { 'longshore.dev/override': text } },
      spec: { replicas: 2 },
    })
    expect(targetOf(object('replicas=8 until=2026-11-27T12:00:00Z'), 'Deployment')?.override).toMatchObject({ size: replicas(8) })
    expect(targetOf(object('8'), 'Deployment')?.override).toEqual({ problem: expect.stringContaining('"8" is no word') })
  })
})

describe('an override of the configuration', () => {
  test('is applied when it begins, kept against the schedule, and gives way at its end', () => {
    const long = configOf({
      timeZone: 'UTC',
      rules: [morning, evening],
      overrides: [overrideOf('sale', 12, `${day}T20:30:00Z`, { from: `${day}T09:00:00Z` })],
    })
    const { target, said } = through(
      targetWith(replicas(2)),
      ['08:00:05', '08:59:59', '09:00:00', '09:01:00', '20:00:05', '20:29:59', '20:30:00', '20:31:00'],
      long,
    )
    expect(said).toEqual([
      '08:00:05 change due',
      '08:59:59 no-change already-applied',
      '09:00:00 change override-begins',
      '09:01:00 no-change override-in-force',
      '20:00:05 no-change override-in-force',
      '20:29:59 no-change override-in-force',
      '20:30:00 change late',
      '20:31:00 no-change already-applied',
    ])
    expect(target).toMatchObject({ size: replicas(2), record: { owner: 'config/evening' } })
  })

  test('brings back the size of a firing that had been applied before it', () => {
    const { target, said } = through(targetWith(replicas(2)), ['08:00:05', '09:00:00', '12:00:00', '12:01:00'])
    expect(said.slice(1)).toEqual(['09:00:00 change override-begins', '12:00:00 change late', '12:01:00 no-change already-applied'])
    expect(target).toMatchObject({ size: replicas(5), record: { owner: 'config/morning', before: replicas(12) } })
  })

  test('says what it does, until when and why', () => {
    const before = through(targetWith(replicas(2)), ['08:00:05']).target
    const [step] = changesOf(planOne(before, at(`${day}T09:00:00Z`)))
    expect(step).toMatchObject({
      before: 'replicas 5',
      after: 'replicas 12',
      change: { rule: 'override/config/sale', untilMs: at(`${day}T12:00:00Z`), nominalMs: at(`${day}T09:00:00Z`), drift: false },
      undo: { from: replicas(12), to: replicas(5), rule: 'undo of override/config/sale' },
    })
    expect(step?.reason.text).toBe(
      'override/config/sale gives it replicas 12 until Tue 2026-11-24 12:00:00 UTC ("sale"); without it config/morning would decide (replicas 5)',
    )
    const during = through(targetWith(replicas(2)), ['08:00:05', '09:00:00']).target
    const [end] = changesOf(planOne(during, at(`${day}T12:00:30Z`)))
    expect(end?.reason.text).toContain(
      'config/morning fired at Tue 2026-11-24 08:00:00 UTC; override/config/sale ended at Tue 2026-11-24 12:00:00 UTC, and it counts from then, 30s ago',
    )
  })

  test('is on record with its owner and its end', () => {
    const { target } = through(targetWith(replicas(2)), ['08:00:05', '09:00:00'])
    expect(target.record).toMatchObject({
      owner: 'override/config/sale',
      before: replicas(5),
      after: replicas(12),
      untilMs: at(`${day}T12:00:00Z`),
      original: { size: replicas(2), epoch: 1 },
    })
  })

  test('whose size is there already is put on record, so that its end counts', () => {
    const { target, said } = through(targetWith(replicas(12)), ['09:00:00', '12:00:00'])
    expect(said).toEqual(['09:00:00 change record', '12:00:00 change late'])
    expect(target.size).toEqual(replicas(5))
  })

  test('that somebody changes while it is in force stays changed, unless a rule enforces', () => {
    const { target } = through(targetWith(replicas(2)), ['08:00:05', '09:00:00'])
    const changed = { ...target, size: replicas(7) }
    const [step] = planOne(changed, at(`${day}T10:00:00Z`))
    expect(step).toMatchObject({ verdict: 'no-change', reason: { code: 'override-in-force' } })
    expect(step?.reason.text).toContain('somebody changed the size since, which stays until then')
    const enforced = {
      ...withSale,
      settings: { ...withSale.settings, enforce: true, rules: withSale.settings.rules.map((rule) => ({ ...rule, enforce: true })) },
    }
    const drift = changesOf(planOne(changed, at(`${day}T10:00:00Z`), enforced))
    expect(drift.map(({ reason, change }) => [reason.code, change.to, change.drift])).toEqual([['drift', replicas(12), true]])
    const back = applied(changed, drift[0]!, at(`${day}T10:00:00Z`))
    expect(back.record).toMatchObject({ owner: 'override/config/sale', before: replicas(5), corrections: [at(`${day}T10:00:00Z`)] })
  })

  test('taken away before its end counts as over at once', () => {
    const { target } = through(targetWith(replicas(2)), ['08:00:05', '09:00:00'])
    const without = configOf({ timeZone: 'UTC', rules: [morning, evening] })
    const [step] = changesOf(planOne(target, at(`${day}T11:00:00Z`), without))
    expect(step).toMatchObject({ change: { to: replicas(5), rule: 'config/morning' } })
    expect(step?.reason.text).toContain('override/config/sale was taken away, and it counts from then')
  })

  test('whose end was noticed later than the starting deadline brings nothing back, and that is reported as missed', () => {
    const { target } = through(targetWith(replicas(2)), ['08:00:05', '09:00:00'])
    expect(summary(planOne(target, at(`${day}T12:30:00Z`))).filter((one) => !one.startsWith('skipped'))).toEqual(['change late'])
    expect(summary(planOne(target, at(`${day}T12:30:01Z`))).filter((one) => !one.startsWith('skipped'))).toEqual(['missed deadline-passed'])
    // A new firing is one as always.
    expect(changesOf(planOne(target, at(`${day}T20:00:00Z`))).map(({ change }) => change.to)).toEqual([replicas(2)])
  })

  test('with another size is another size to be applied, and the size before the first is kept', () => {
    const { target } = through(targetWith(replicas(2)), ['08:00:05', '09:00:00'])
    const more = configOf({ timeZone: 'UTC', rules: [morning, evening], overrides: [{ ...sale, targetSize: 20 }] })
    const [step] = changesOf(planOne(target, at(`${day}T10:00:00Z`), more))
    expect(step).toMatchObject({ change: { from: replicas(12), to: replicas(20) } })
    expect(applied(target, step!, at(`${day}T10:00:00Z`)).record).toMatchObject({ before: replicas(5), after: replicas(20) })
  })

  test('whose end is moved counts from its new end', () => {
    const { target } = through(targetWith(replicas(2)), ['08:00:05', '09:00:00'])
    const moved = configOf({ timeZone: 'UTC', rules: [morning, evening], overrides: [{ ...sale, until: `${day}T14:00:00Z` }] })
    const { target: kept, said } = through(target, ['11:00:00', '12:00:00', '13:59:00', '14:00:00', '14:01:00'], moved)
    expect(said).toEqual([
      '11:00:00 change record',
      '12:00:00 no-change override-in-force',
      '13:59:00 no-change override-in-force',
      '14:00:00 change late',
      '14:01:00 no-change already-applied',
    ])
    expect(kept.size).toEqual(replicas(5))
    // To an end that is over already: it counts as taken away.
    const cut = configOf({ timeZone: 'UTC', rules: [morning, evening], overrides: [{ ...sale, until: `${day}T10:00:00Z` }] })
    expect(changesOf(planOne(target, at(`${day}T11:00:00Z`), cut)).map(({ change }) => change.to)).toEqual([replicas(5)])
  })

  test('is announced before it begins, and called removable when it is over', () => {
    const steps = planOne(targetWith(replicas(2)), at(`${day}T08:00:05Z`))
    expect(summary(steps)).toContain('skipped override-pending')
    expect(steps.find(({ reason }) => reason.code === 'override-pending')?.reason.text).toBe(
      'override/config/sale begins at Tue 2026-11-24 09:00:00 UTC ("sale")',
    )
    const after = planOne(targetWith(replicas(2)), at(`${day}T13:00:00Z`))
    expect(after.find(({ reason }) => reason.code === 'override-expired')?.reason.text).toBe(
      'override/config/sale is over since Tue 2026-11-24 12:00:00 UTC: take it out of `overrides`',
    )
  })

  test('that was taken back is not applied again, and the schedule waits with it', () => {
    const { target } = through(targetWith(replicas(2)), ['08:00:05', '09:00:00'])
    const before = through(targetWith(replicas(2)), ['08:00:05']).target
    const [begin] = changesOf(planOne(before, at(`${day}T09:00:00Z`)))
    const undone = applied(target, { ...begin!, key: 'undo/1', change: begin!.undo! }, at(`${day}T09:30:00Z`))
    expect(undone).toMatchObject({ size: replicas(5), record: { owner: 'undo of override/config/sale', untilMs: at(`${day}T12:00:00Z`) } })
    const [held] = planOne(undone, at(`${day}T10:00:00Z`))
    expect(held).toMatchObject({ verdict: 'held', reason: { code: 'override-undone' } })
    expect(held?.reason.text).toContain('take the override away, or write another one')
    // Its end changes nothing: the size before it is there already.
    expect(summary(planOne(undone, at(`${day}T12:00:00Z`)))).toContain('no-change already-applied')
  })

  test('is a step of its own: another key than any other override, rule or end', () => {
    const keys = new Set<string>()
    for (const [size, until] of [
      [12, `${day}T12:00:00Z`],
      [13, `${day}T12:00:00Z`],
      [12, `${day}T13:00:00Z`],
    ] as const) {
      for (const name of ['sale', 'other']) {
        const config = configOf({ rules: [morning], overrides: [overrideOf(name, size, until)] })
        for (const uid of ['uid-a', 'uid-b'])
          keys.add(changesOf(planOne(targetWith(replicas(2), { uid }), at(`${day}T08:30:00Z`), config))[0]?.key ?? '')
      }
    }
    expect(keys.size).toBe(12)
    // The same one at another time of its life is the same step.
    const config = configOf({ rules: [morning], overrides: [overrideOf('sale', 12, `${day}T12:00:00Z`)] })
    const keyAt = (time: string) => changesOf(planOne(targetWith(replicas(2)), at(`${day}T${time}Z`), config))[0]?.key
    expect(keyAt('07:00:00')).toBe(keyAt('09:00:00'))
  })

  test('that is malformed is invalid and stops nothing else', () => {
    const config = configOf({
      rules: [morning],
      overrides: [
        overrideOf('bad', 12, `${day}T12:00:00Z`, { cluster: 'nowhere' }),
        overrideOf('worse', 1, `${day}T12:00:00Z`, { minSize: 1 }),
      ],
    })
    const steps = planOne(targetWith(replicas(2)), at(`${day}T08:00:05Z`), config)
    expect(summary(steps).toSorted()).toEqual(['change due', 'invalid bounds-on-workload', 'invalid cluster-unknown'])
    expect(steps.find(({ reason }) => reason.code === 'cluster-unknown')?.reason.text).toContain(
      'override/config/bad: "nowhere" is none of the configured clusters',
    )
  })

  test('works for a target that no rule names, and puts back what was there before', () => {
    const config = configOf({ timeZone: 'UTC', overrides: [sale] })
    const { target, said } = through(targetWith(replicas(3)), ['08:59:00', '09:00:00', '10:00:00', '12:00:00', '12:01:00'], config)
    expect(said).toEqual(['09:00:00 change override-begins', '10:00:00 no-change override-in-force', '12:00:00 change override-over'])
    expect(target).toMatchObject({ size: replicas(3), record: { owner: 'undo of override/config/sale' } })
  })

  test('two upon each other put back what was there before the first', () => {
    const config = configOf({
      timeZone: 'UTC',
      overrides: [sale, overrideOf('more', 20, `${day}T13:00:00Z`, { from: `${day}T10:00:00Z` })],
    })
    const { target, said } = through(targetWith(replicas(3)), ['09:00:00', '10:00:00', '12:30:00', '13:00:00'], config)
    expect(said).toEqual([
      '09:00:00 change override-begins',
      '10:00:00 change override-begins',
      '12:30:00 no-change override-in-force',
      '13:00:00 change override-over',
    ])
    expect(target.size).toEqual(replicas(3))
  })

  test('what somebody set after it began is not put back when it ends without a rule', () => {
    const config = configOf({ timeZone: 'UTC', overrides: [sale] })
    const { target } = through(targetWith(replicas(3)), ['09:00:00'], config)
    const [step] = planOne({ ...target, size: replicas(7) }, at(`${day}T12:00:00Z`), config).filter(
      ({ reason }) => reason.code === 'override-over',
    )
    expect(step).toMatchObject({ verdict: 'no-change' })
    expect(step?.reason.text).toContain('somebody changed the size since, which stays')
  })

  test('of a target that is missing says what to do', () => {
    const [step] = planOne(undefined, at(`${day}T09:30:00Z`), configOf({ overrides: [sale] }))
    expect(step).toMatchObject({ verdict: 'held', reason: { code: 'target-missing' } })
    expect(step?.reason.text).toContain('take the override override/config/sale away')
  })
})

describe('which override is in force', () => {
  const override = (id: string, fromMs: number | undefined, size = 1): Override => ({
    id,
    size: replicas(size),
    untilMs: 100,
    ...(fromMs === undefined ? {} : { fromMs }),
  })

  test('the one that began last, then the higher size, then by name', () => {
    const list = [
      override('a', undefined, 9),
      override('b', 10, 2),
      override('c', 20, 2),
      override('d', 20, 3),
      override('e', 20, 3),
      override('f', 60, 9),
    ]
    for (const order of [list, list.toReversed()]) {
      expect(overrideInForce(undefined, order, 50)?.id).toBe('d')
      expect(overrideInForce(undefined, order, 5)?.id).toBe('a')
      expect(overrideInForce(undefined, order, 99)?.id).toBe('f')
      expect(overrideInForce(undefined, order, 100)).toBeUndefined()
    }
  })

  test('the one on the target before those of the configuration', () => {
    expect(overrideInForce(override('own', undefined), [override('b', 10, 9)], 50)?.id).toBe('own')
    expect(overrideInForce(override('own', 60), [override('b', 10, 9)], 50)?.id).toBe('b')
  })

  test('and the other one is told that it gives way', () => {
    const target = annotated(`replicas=3 until=${day}T12:00:00Z`)
    const steps = planOne(target, at(`${day}T09:30:00Z`))
    expect(changesOf(steps).map(({ change }) => change.to)).toEqual([replicas(3)])
    expect(steps.find(({ reason }) => reason.code === 'override-lost')?.reason.text).toMatch(
      /^override\/config\/sale gives way to override\/annotation\/[0-9a-f]{12}: the annotation of the target comes first$/,
    )
  })

  test('none, in another cluster', () => {
    const config = configOf({ rules: [morning], overrides: [{ ...sale, cluster: 'cls-2', from: undefined }] })
    expect(changesOf(planOne(targetWith(replicas(2)), at(`${day}T08:00:05Z`), config)).map(({ change }) => change.rule)).toEqual([
      'config/morning',
    ])
    expect(configuredOverrides(config).map(({ cluster, id }) => [cluster, id])).toEqual([['cls-2', 'override/config/sale']])
  })
})

describe('an override on the target', () => {
  const config = configOf({ timeZone: 'UTC', rules: [morning, evening] })

  test('is applied once, kept against the schedule, and gives way at its end', () => {
    const start = annotated(`replicas=8 until=${day}T20:10:00Z`)
    const { target, said } = through(start, ['08:00:05', '08:01:00', '20:00:05', '20:10:00', '20:11:00'], config)
    expect(said).toEqual([
      '08:00:05 change override-begins',
      '08:01:00 no-change override-in-force',
      '20:00:05 no-change override-in-force',
      '20:10:00 change late',
      '20:11:00 no-change already-applied',
    ])
    expect(target.size).toEqual(replicas(2))
    const removable = planOne(target, at(`${day}T20:11:00Z`), config).find(({ reason }) => reason.code === 'override-expired')
    expect(removable?.reason.text).toMatch(/is over since .* UTC: take the annotation longshore.dev\/override away$/)
  })

  test.each(['8 until tomorrow', 'replicas=8', 'min=1 max=2 until=2026-11-27T12:00:00Z'])(
    'that cannot be read (%j) holds the target and says what to write',
    (text) => {
      const steps = planOne(annotated(text), at(`${day}T08:00:05Z`), config)
      expect(summary(steps)).toEqual(['held override-invalid'])
      expect(steps[0]?.reason.text).toContain('write it as "replicas=8 until=2026-11-27T20:00:00+08:00 reason=…"; or take it away')
    },
  )

  test('that cannot be read holds also what no rule has fired for', () => {
    const yearly = configOf({ rules: [ruleOf('yearly', '0 0 8 1 1 *', 5)] })
    expect(summary(planOne(annotated('soon'), at(`${day}T08:00:05Z`), yearly))).toEqual(['held override-invalid'])
  })

  test('with min 0 needs clusters that allow it', () => {
    const bounded = (allowZeroMin: boolean) => configOf({ allowZeroMin, rules: [ruleOf('up', '0 0 8 * * *', [2, 4])] })
    const target = annotated(`min=0 max=8 until=${day}T12:00:00Z`, {}, 'HorizontalPodAutoscaler')
    expect(summary(planOne(target, at(`${day}T08:00:05Z`), bounded(false)))).toEqual(['held override-invalid'])
    expect(changesOf(planOne(target, at(`${day}T08:00:05Z`), bounded(true))).map(({ change }) => change.to)).toEqual([bounds(0, 8)])
    // Once it is over it is in nobody's way.
    expect(summary(planOne(target, at(`${day}T12:00:00Z`), bounded(false)))).not.toContain('held override-invalid')
  })

  test('gives way to a hold, an opt-out and an autoscaler, as a rule does', () => {
    const target = annotated(`replicas=8 until=${day}T12:00:00Z`)
    const said = (more: Partial<ObservedTarget>, cluster: Partial<ObservedCluster> = {}) =>
      summary(planOne({ ...target, ...more }, at(`${day}T08:00:05Z`), config, cluster))
    expect(said({ hold: at(`${day}T09:00:00Z`) })).toEqual(['held override'])
    expect(said({ optOut: true })).toEqual(['held opt-out'])
    const autoscalers = [{ namespace: 'default', name: 'hpa', workload: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } }]
    expect(said({}, { autoscalers })).toEqual(['held hpa-conflict'])
  })

  test('writes nothing beside a running controller, nor while paused', () => {
    const target = annotated(`replicas=8 until=${day}T12:00:00Z`)
    const hpc = configOf({ timeZone: 'UTC' })
    const rules = hpcRules([{ name: 'up', schedule: '0 0 8 * * *', targetSize: 5 }], hpc)
    const now = at(`${day}T08:10:00Z`)
    expect(summary(planOne(target, now, hpc, { rules, controller: 'running' }))).toEqual(['held shadow-differs'])
    expect(summary(planOne(target, now, hpc, { rules, controller: 'unknown' }))).toEqual(['held controller-unknown'])
    expect(summary(planOne(target, now, hpc, { rules, controller: 'absent' }))).toEqual(['change override-begins'])
    // A pause of ours the controller knows nothing of; nor does it let an end be carried out.
    const paused = hpcRules([{ name: 'up', schedule: '0 0 8 * * *', targetSize: 5 }], hpc, {
      metadata: { annotations: { 'longshore.dev/paused': 'true' } },
    })
    expect(summary(planOne(target, now, hpc, { rules: paused, controller: 'running' })).toSorted()).toEqual([
      'held paused',
      'held shadow-waiting',
    ])
    const begun = applied(target, changesOf(planOne(target, now, hpc, { rules, controller: 'absent' }))[0]!, now)
    const over = at(`${day}T12:00:00Z`)
    expect(changesOf(planOne(begun, over, hpc, { rules: paused, controller: 'running' }))).toEqual([])
    expect(changesOf(planOne(begun, over, hpc, { rules: paused, controller: 'absent' })).map(({ reason }) => reason.code)).toEqual([
      'override-over',
    ])
    expect(summary(planOne(target, now, configOf({ paused: true, rules: [morning] })))).toEqual(['held paused'])
  })

  test('works on a target whose rules are all paused', () => {
    const paused = configOf({ timeZone: 'UTC', rules: [{ ...morning, paused: true }] })
    const { target, said } = through(annotated(`replicas=8 until=${day}T12:00:00Z`), ['09:00:00', '12:00:00'], paused)
    expect(said).toEqual([
      '09:00:00 held paused',
      '09:00:00 change override-begins',
      '12:00:00 held paused',
      '12:00:00 change override-over',
    ])
    expect(target.size).toEqual(replicas(2))
  })
})

test('a run whose clock is behind does not undo what a later one decided', () => {
  const { target } = through(targetWith(replicas(2)), ['08:00:05', '09:00:00', '12:00:00'])
  // By its own clock the override is still in force.
  expect(summary(planOne(target, at(`${day}T11:59:00Z`)))).toEqual(['no-change newer-applied'])
  const during = through(targetWith(replicas(2)), ['08:00:05', '09:00:00']).target
  // Or has not begun.
  expect(summary(planOne(during, at(`${day}T08:59:00Z`)))).toContain('no-change newer-applied')
  expect(changesOf(planOne(during, at(`${day}T08:59:00Z`)))).toEqual([])
})

test('ticks every minute end where late, lost and doubled ticks end', () => {
  const start = at(`${day}T07:30:00Z`)
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          from: fc.integer({ min: 0, max: 600 }),
          minutes: fc.integer({ min: 1, max: 400 }),
          size: fc.integer({ min: 0, max: 9 }),
        }),
        { maxLength: 3 },
      ),
      fc.boolean(),
      fc.array(fc.integer({ min: 0, max: 799 }), { maxLength: 12 }),
      fc.integer({ min: 1, max: 800 }),
      (list, hasRules, stray, length) => {
        const instant = (minute: number) => new Date(start + minute * 60_000).toISOString()
        const config = configOf({
          timeZone: 'UTC',
          startingDeadline: '3d',
          rules: hasRules ? [morning, evening] : [],
          overrides: list.map(({ from, minutes, size }, index) =>
            overrideOf(`o${index}`, size, instant(from + minutes), { from: instant(from) }),
          ),
        })
        const run = (minutes: readonly number[]) => {
          let target = targetWith(replicas(3))
          for (const minute of minutes) {
            const now = start + minute * 60_000
            for (const step of changesOf(planOne(target, now, config))) target = applied(target, step, now)
          }
          return target.size
        }
        const all = Array.from({ length }, (_, minute) => minute)
        const some = stray.filter((minute) => minute < length).toSorted((left, right) => left - right)
        // An override that came and went between two ticks leaves nothing behind, and neither does one that was seen.
        expect(run([...some, length - 1])).toEqual(run(all))
      },
    ),
    { seed: 59, numRuns: 60 },
  )
}, 20_000)

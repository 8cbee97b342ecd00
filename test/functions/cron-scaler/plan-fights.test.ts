import { describe, expect, test } from 'vitest'
import type { FieldManager } from '#functions/cron-scaler/field-manager.ts'
import { type ObservedTarget, plan } from '#functions/cron-scaler/plan.ts'
import { formatRecord, parseRecord } from '#functions/cron-scaler/record.ts'
import { applied, at, bounds, changesOf, clusterWith, configOf, replicas, ruleOf, summary, targetWith } from './fixtures.ts'

const start = at('2026-11-24T08:00:05Z')
const minuteMs = 60_000
const rules = [ruleOf('morning', '0 0 8 * * *', 5), ruleOf('noon', '0 0 12 * * *', 7)]
const enforced = configOf({ enforce: true, rules })
const argo: FieldManager = { name: 'argocd-controller', changedMs: start + 30_000 }

function planOne(target: ObservedTarget, now: number, config = enforced) {
  return plan({ clusters: [clusterWith([target])] }, config, now)
}

/** Somebody sets the size to 2 before each run; the runs put it back as far as the plan says so. */
function fight(minutes: readonly number[], config = enforced, manager: FieldManager | undefined = argo) {
  let target = { ...targetWith(replicas(2)), ...(manager === undefined ? {} : { manager }) }
  const said: string[] = []
  for (const minute of minutes) {
    const now = start + minute * minuteMs
    const steps = planOne(target, now, config)
    said.push(...summary(steps).map((line) => `${minute} ${line}`))
    for (const step of changesOf(steps)) target = { ...applied(target, step, now), ...(manager === undefined ? {} : { manager }) }
    if (minute !== minutes.at(-1)) target = { ...target, size: replicas(2) }
  }
  return { target, said }
}

describe('with enforce, whoever sets it back again and again', () => {
  test('is corrected three times within an hour, and then the target is held', () => {
    const { said } = fight([0, 1, 2, 3, 4, 5])
    expect(said).toEqual(['0 change due', '1 change drift', '2 change drift', '3 change drift', '4 held fought-over', '5 held fought-over'])
  })

  test('is named, with what to do and until when', () => {
    const { target } = fight([0, 1, 2, 3])
    const [step] = planOne({ ...target, size: replicas(2) }, start + 4 * minuteMs)
    expect(step?.reason.text).toContain(
      '"argocd-controller" sets replicas 2 again and again: it was put back 3 times within the last hour, and now stays as it is until Tue 2026-11-24 09:01:05 UTC or the next firing: leave spec.replicas out of the manifest in Git, or list /spec/replicas under ignoreDifferences',
    )
    const { manager: _, ...unnamed } = { ...target, size: replicas(2) }
    expect(planOne(unnamed, start + 4 * minuteMs)[0]?.reason.text).toContain('somebody sets replicas 2 again and again')
  })

  test('each correction says who it was, and how often it was', () => {
    const { target } = fight([0, 1])
    const [step] = planOne({ ...target, size: replicas(2) }, start + 2 * minuteMs)
    expect(step?.reason.text).toContain(
      '"argocd-controller" changed the size since, and enforce puts it back, as it did once within the last hour',
    )
  })

  test('may be corrected again when the hour has passed, and no more often than before', () => {
    const { said } = fight([0, 1, 2, 3, 4, 60, 61, 62, 63, 64, 65])
    expect(said.slice(5)).toEqual([
      '60 held fought-over',
      '61 change drift',
      '62 change drift',
      '63 change drift',
      '64 held fought-over',
      '65 held fought-over',
    ])
  })

  test('a new firing is carried out, and its corrections count from nought', () => {
    const { said, target } = fight([0, 1, 2, 3, 4, 240, 241])
    expect(said.slice(4)).toEqual(['4 held fought-over', '240 change due', '241 change drift'])
    expect(target.record?.corrections).toEqual([start + 241 * minuteMs])
  })

  test('does not keep the size from being right: what is in place needs nothing', () => {
    const { target } = fight([0, 1, 2, 3])
    expect(target.size).toEqual(replicas(5))
    expect(summary(planOne(target, start + 4 * minuteMs))).toEqual(['no-change already-applied'])
  })

  test.each([
    [0, ['0 change due', '1 held fought-over']],
    [1, ['0 change due', '1 change drift', '2 held fought-over']],
    [
      20,
      Array.from(
        { length: 22 },
        (_, minute) => `${minute} ${minute === 0 ? 'change due' : minute === 21 ? 'held fought-over' : 'change drift'}`,
      ),
    ],
  ])('maxCorrections %i', (maxCorrections, expected) => {
    expect(
      fight(
        expected.map((_, minute) => minute),
        configOf({ enforce: true, maxCorrections, rules }),
      ).said,
    ).toEqual(expected)
  })

  test('maxCorrections 0 is said so', () => {
    const config = configOf({ enforce: true, maxCorrections: 0, rules })
    const { target } = fight([0], config)
    expect(planOne({ ...target, size: replicas(2) }, start + minuteMs, config)[0]?.reason.text).toContain(
      'changed the size since, and maxCorrections is 0',
    )
  })

  test('over the bounds of an autoscaler is told with its own fields', () => {
    const config = configOf({ enforce: true, maxCorrections: 0, rules: [ruleOf('up', '0 0 8 * * *', [4, 8])] })
    const [step] = changesOf(planOne(targetWith(bounds(1, 2)), start, config))
    const done = { ...applied(targetWith(bounds(1, 2)), step!, start), size: bounds(4, 9), manager: { name: 'helm' } }
    expect(planOne(done, start + minuteMs, config)[0]?.reason.text).toContain(
      "leave spec.minReplicas and spec.maxReplicas out of the chart's templates",
    )
  })

  test('every correction is a step of its own', () => {
    let target = targetWith(replicas(2))
    const keys: string[] = []
    for (let minute = 0; minute < 4; minute += 1) {
      const [step] = changesOf(planOne(target, start + minute * minuteMs))
      keys.push(step?.key ?? '')
      target = { ...applied(target, step!, start + minute * minuteMs), size: replicas(2) }
    }
    expect(new Set(keys).size).toBe(4)
  })
})

describe('without enforce', () => {
  const left = configOf({ rules })
  const seenAfter = (seconds: number, manager: FieldManager | undefined, size = 2) => {
    const [step] = changesOf(planOne(targetWith(replicas(2)), start, left))
    const done: ObservedTarget = {
      ...applied(targetWith(replicas(2)), step!, start),
      size: replicas(size),
      ...(manager === undefined ? {} : { manager }),
    }
    return planOne(done, start + seconds * 1000, left)[0]
  }
  const manager = (seconds: number): FieldManager => ({ name: 'argocd-controller', changedMs: start + seconds * 1000 })

  test('whoever sets it back within two minutes is named in a warning, once', () => {
    const step = seenAfter(60, manager(40))
    expect(step).toMatchObject({ verdict: 'no-change', reason: { code: 'already-applied' } })
    expect(step?.reason.text).toContain(
      'somebody changed the size since, which stays until the next firing; warning: "argocd-controller" set replicas 2 40s after it was applied and may do so every time: leave spec.replicas out of the manifest in Git',
    )
    expect(step?.reason.text.split('warning:')).toHaveLength(2)
    expect(seenAfter(600, manager(120))?.reason.text).toContain('warning:')
  })

  test.each([
    ['later than that', seenAfter(600, manager(121))],
    ['before it', seenAfter(60, manager(-60))],
    ['nobody knows when', seenAfter(60, { name: 'argocd-controller' })],
    ['nobody knows who', seenAfter(60, undefined)],
    ['to no effect', seenAfter(60, manager(40), 5)],
  ])('changed %s there is no warning', (_, step) => {
    expect(step?.reason.code).toBe('already-applied')
    expect(step?.reason.text).not.toContain('warning:')
  })
})

test('a record of before corrections were counted is read, and counts none', () => {
  const [step] = changesOf(planOne(targetWith(replicas(2)), start))
  const { record } = applied(targetWith(replicas(2)), step!, start)
  const text = formatRecord(record!)
  expect(JSON.parse(text)).not.toHaveProperty('corrections')
  const read = parseRecord(text)
  expect(read).toEqual({ ok: true, value: record })
  const target = { ...targetWith(replicas(2)), ...(read.ok ? { record: read.value } : {}) }
  expect(summary(planOne(target, start + minuteMs))).toEqual(['change drift'])
})

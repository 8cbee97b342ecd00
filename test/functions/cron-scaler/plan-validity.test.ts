import { describe, expect, test } from 'vitest'
import { type ObservedTarget, plan } from '#functions/cron-scaler/plan.ts'
import { applied, at, changesOf, clusterWith, configOf, hpcRules, replicas, ruleOf, summary, targetWith } from './fixtures.ts'

const summer = ruleOf('summer', '0 0 8 * * *', 9, { timeZone: 'Asia/Shanghai', validFrom: '2026-06-01', validUntil: '2026-08-31' })
const config = configOf({ rules: [summer] })

function planOne(target: ObservedTarget, now: number, settings = config) {
  return plan({ clusters: [clusterWith([target])] }, settings, now)
}

describe('a rule with a validity', () => {
  test.each([
    ['2026-05-31T00:00:00Z', 0],
    ['2026-06-01T00:00:00Z', 1],
    ['2026-08-31T00:00:00Z', 1],
    ['2026-09-01T00:00:00Z', 0],
  ])('at %s, which is 08:00 in its zone, fires %i times', (time, count) => {
    expect(changesOf(planOne(targetWith(replicas(2)), at(time)))).toHaveLength(count)
  })

  test('begins and ends with the days of its own zone', () => {
    const midnight = configOf({ rules: [{ ...summer, schedule: '0 30 23 * * *' }] })
    expect(changesOf(planOne(targetWith(replicas(2)), at('2026-08-31T15:30:00Z'), midnight))).toHaveLength(1)
    const early = configOf({ rules: [{ ...summer, schedule: '0 0 0 * * *' }] })
    expect(changesOf(planOne(targetWith(replicas(2)), at('2026-05-31T16:00:00Z'), early))).toHaveLength(1)
    expect(changesOf(planOne(targetWith(replicas(2)), at('2026-08-31T16:00:00Z'), early))).toEqual([])
  })

  test('that is over says so, and can be taken away', () => {
    const steps = planOne(targetWith(replicas(2)), at('2026-10-01T00:00:00Z'))
    expect(summary(steps)).toEqual(['skipped validity-over'])
    expect(steps[0]?.reason.text).toBe('config/summer is not valid any more since Tue 2026-09-01 00:00:00 Asia/Shanghai: take it away')
  })

  test('that has not begun says when it fires first', () => {
    const steps = planOne(targetWith(replicas(2)), at('2026-05-01T00:00:00Z'))
    expect(summary(steps)).toEqual(['skipped not-due'])
    expect(steps[0]?.reason.text).toContain('next: replicas 9 at Mon 2026-06-01 08:00:00 Asia/Shanghai by config/summer')
  })

  test('keeps its last firing, but enforces it no more', () => {
    const enforced = configOf({ enforce: true, rules: [summer] })
    const [step] = changesOf(planOne(targetWith(replicas(2)), at('2026-08-31T00:00:05Z'), enforced))
    const drifted = { ...applied(targetWith(replicas(2)), step!, at('2026-08-31T00:00:05Z')), size: replicas(3) }
    expect(summary(planOne(drifted, at('2026-08-31T15:00:00Z'), enforced))).toEqual(['change drift'])
    expect(summary(planOne(drifted, at('2026-08-31T16:00:00Z'), enforced)).toSorted()).toEqual([
      'no-change already-applied',
      'skipped validity-over',
    ])
  })

  test.each([
    [{ validFrom: '2026-06-01' }, [0, 1, 1]],
    [{ validUntil: '2026-08-31' }, [1, 1, 0]],
    [{ validFrom: '2026-07-01', validUntil: '2026-07-01' }, [0, 1, 0]],
  ])('%j', (validity, counts) => {
    const settings = configOf({ rules: [ruleOf('r', '0 0 8 * * *', 9, validity)] })
    const days = ['2026-05-31', '2026-07-01', '2026-09-01']
    expect(days.map((date) => changesOf(planOne(targetWith(replicas(2)), at(`${date}T08:00:00Z`), settings)).length)).toEqual(counts)
  })

  test('of an HPC object is written as annotations', () => {
    const plain = configOf({ timeZone: 'UTC' })
    const of = (annotations: Record<string, string>, time: string) => {
      const rules = hpcRules([{ name: 'up', schedule: '0 0 8 * * *', targetSize: 5 }], plain, { metadata: { annotations } })
      return summary(plan({ clusters: [clusterWith([targetWith(replicas(2))], { rules })] }, plain, at(time)))
    }
    const until = { 'longshore.dev/valid-until': '2026-11-24' }
    expect(of(until, '2026-11-24T08:00:00Z')).toEqual(['change due'])
    expect(of(until, '2026-11-25T08:00:00Z')).toContain('skipped validity-over')
    expect(of({ 'longshore.dev/valid-from': '2026-11-25' }, '2026-11-24T08:00:00Z')).toEqual(['skipped not-due'])
    expect(of({ 'longshore.dev/valid-from': 'soon' }, '2026-11-24T08:00:00Z')).toEqual(['invalid validity-invalid'])
    expect(of({ 'longshore.dev/valid-from': '2026-11-25', ...until }, '2026-11-24T08:00:00Z')).toEqual(['invalid validity-invalid'])
  })
})

import { describe, expect, test } from 'vitest'
import type { ObservedTarget } from '#functions/cron-scaler/plan.ts'
import { plan } from '#functions/cron-scaler/plan.ts'
import { type DivergenceCode, shadowComparisons } from '#functions/cron-scaler/shadow.ts'
import type { Size } from '#functions/cron-scaler/target.ts'
import { at, bounds, changesOf, clusterWith, configOf, hpcRules, replicas, ruleOf, summary, targetWith } from './fixtures.ts'

const config = configOf({ timeZone: 'Asia/Shanghai' })
const hpa = { spec: { scaleTarget: { kind: 'HorizontalPodAutoscaler', name: 'web' } } }
// 08:00 and 20:00 in Shanghai are 00:00 and 12:00 UTC.
const day = { name: 'day', schedule: '0 0 8 * * *', targetSize: 5 }
const night = { name: 'night', schedule: '0 0 20 * * *', targetSize: 2 }

function compare(
  crons: readonly unknown[],
  size: Size,
  time: string,
  more: Partial<ObservedTarget> = {},
  object: Parameters<typeof hpcRules>[2] = size.kind === 'bounds' ? hpa : {},
) {
  const rules = hpcRules(crons, config, object)
  const clusters = [clusterWith([targetWith(size, more)], { rules, controller: 'running' })]
  return { comparisons: shadowComparisons({ clusters }, config, at(time)), steps: plan({ clusters }, config, at(time)) }
}

function codesOf(...words: Parameters<typeof compare>): DivergenceCode[] {
  const { comparisons, steps } = compare(...words)
  const [comparison] = comparisons
  expect(comparisons).toHaveLength(1)
  // The plan says the same and writes nothing.
  expect(changesOf(steps)).toEqual([])
  expect(summary(steps)).toContain(`held ${comparison?.code}`)
  return comparison?.why.map(({ code }) => code) ?? []
}

describe('beside the controller', () => {
  test('the two agree', () => {
    const { comparisons } = compare([day, night], replicas(5), '2026-11-24T06:00:00Z')
    expect(comparisons).toEqual([
      {
        target: 'cls-1/default/Deployment/web',
        code: 'shadow-agrees',
        text: 'both say replicas 5; hpc/default/hpc/day fired at Tue 2026-11-24 08:00:00 Asia/Shanghai',
        firing: { rule: 'hpc/default/hpc/day', atMs: at('2026-11-24T00:00:00Z'), zone: 'Asia/Shanghai' },
        ours: replicas(5),
        theirs: replicas(5),
        why: [],
      },
    ])
  })

  test('it has 90 seconds', () => {
    const codeAt = (time: string) => compare([day, night], replicas(2), time).comparisons[0]?.code
    expect(codeAt('2026-11-24T00:00:00Z')).toBe('shadow-waiting')
    expect(codeAt('2026-11-24T00:01:29Z')).toBe('shadow-waiting')
    expect(codeAt('2026-11-24T00:01:30Z')).toBe('shadow-differs')
  })

  test('also after a firing that is excluded by our reading: it may not be by the other', () => {
    const crons = [{ ...day, excludeDates: ['2026-11-24'] }, night]
    expect(compare(crons, replicas(2), '2026-11-24T00:01:00Z').comparisons[0]?.code).toBe('shadow-waiting')
    expect(compare(crons, replicas(2), '2026-11-24T00:02:00Z').comparisons[0]?.code).toBe('shadow-agrees')
  })

  test('a rule that fires all the time and asks for the same is nothing to wait for', () => {
    const often = { name: 'often', schedule: '0 * * * * *', targetSize: 5 }
    expect(compare([often], replicas(5), '2026-11-24T00:00:10Z').comparisons[0]?.code).toBe('shadow-agrees')
    expect(compare([often], replicas(6), '2026-11-24T00:00:10Z').comparisons[0]?.code).toBe('shadow-differs')
  })

  test('there is nothing to compare before anything has fired', () => {
    const { comparisons } = compare([{ ...day, schedule: '0 0 8 1 1 *' }], replicas(5), '2026-11-24T06:00:00Z')
    expect(comparisons).toMatchObject([{ code: 'shadow-waiting', why: [] }])
    expect(comparisons[0]).not.toHaveProperty('ours')
  })

  test('only the rules of HPC objects are compared; one of the configuration is carried out', () => {
    const settings = configOf({ timeZone: 'Asia/Shanghai', rules: [ruleOf('own', '0 0 4 * * *', 7)] })
    const clusters = [clusterWith([targetWith(replicas(5))], { rules: hpcRules([day, night], settings), controller: 'running' })]
    expect(shadowComparisons({ clusters }, settings, at('2026-11-24T04:00:30Z'))).toMatchObject([
      { code: 'shadow-agrees', ours: replicas(5) },
    ])
    expect(changesOf(plan({ clusters }, settings, at('2026-11-24T04:00:30Z'))).map(({ change }) => change.rule)).toEqual(['config/own'])
  })

  test('where it does not run, or nothing can be read, nothing is compared', () => {
    const rules = hpcRules([day], config)
    const now = at('2026-11-24T06:00:00Z')
    const of = (more: Parameters<typeof clusterWith>[1]) =>
      shadowComparisons({ clusters: [clusterWith([targetWith(replicas(5))], { rules, ...more })] }, config, now)
    expect(of({ controller: 'running' })).toHaveLength(1)
    expect(of({ controller: 'absent' })).toEqual([])
    expect(of({ controller: 'unknown' })).toEqual([])
    expect(of({ controller: 'running', problems: [{ part: 'rules', text: '403' }] })).toEqual([])
    expect(of({ controller: 'running', targets: [] })).toEqual([])
  })
})

describe('why they differ', () => {
  test('it reads the schedule in another zone', () => {
    // By UTC it is the evening before.
    expect(codesOf([day, night], replicas(2), '2026-11-24T06:00:00Z')).toContain('other-zone')
    const { comparisons } = compare([day, night], replicas(2), '2026-11-24T06:00:00Z')
    expect(comparisons[0]?.why.find(({ code }) => code === 'other-zone')?.text).toBe(
      'it reads the schedule in UTC; by that reading hpc/default/hpc/night fired at Mon 2026-11-23 20:00:00 UTC',
    )
  })

  test('a zone in which it would agree with us is no reason', () => {
    // By UTC 08:00 is over as well.
    expect(codesOf([day, night], replicas(9), '2026-11-24T09:00:00Z')).toEqual(['unexplained'])
  })

  describe('it reads excluded dates like its ancestor', () => {
    // A midnight job with Fridays excluded is skipped on Thursdays too: the next excluded second is Friday's midnight.
    const midnight = { name: 'midnight', schedule: '0 0 0 * * *', targetSize: 7, excludeDates: ['* * * * * 5'] }
    const noon = { name: 'noon', schedule: '0 0 12 * * *', targetSize: 3 }

    test.each([
      ['Wednesday', '2026-11-24T16:00:00Z'],
      ['Saturday', '2026-11-20T16:00:00Z'],
    ])('a midnight job of a %s, when Fridays are excluded', (_, midnightUtc) => {
      const now = new Date(at(midnightUtc) + 3_600_000).toISOString()
      const { comparisons } = compare([midnight, noon], replicas(3), now)
      expect(comparisons).toMatchObject([{ code: 'shadow-differs', ours: replicas(7), theirs: replicas(3) }])
      expect(comparisons[0]?.why[0]).toEqual({
        code: 'ancestor-excludes',
        text: expect.stringContaining(
          'it compares month and hour of an excluded date instead of the day, as its ancestor does; by that reading hpc/default/hpc/noon fired at',
        ),
      })
    })

    test('a job at another hour is not skipped by it, so that is no reason', () => {
      const morning = { ...midnight, schedule: '0 0 8 * * *' }
      expect(codesOf([morning, noon], replicas(3), '2026-11-25T01:00:00Z')).not.toContain('ancestor-excludes')
    })
  })

  test('it ignores excluded dates', () => {
    const crons = [{ ...day, excludeDates: ['2026-11-24'] }, night]
    const { comparisons } = compare(crons, replicas(5), '2026-11-24T06:00:00Z')
    expect(comparisons).toMatchObject([{ code: 'shadow-differs', ours: replicas(2), theirs: replicas(5) }])
    // Its ancestor cannot read such a date, and passes over it.
    expect(comparisons[0]?.why.map(({ code }) => code)).toEqual(['ancestor-excludes', 'excludes-ignored', 'firing-lost'])
    expect(comparisons[0]?.why[1]?.text).toContain('it ignores excluded dates; by that reading hpc/default/hpc/day fired at')
  })

  test('at the same instant the order of the list wins', () => {
    const crons = [day, { name: 'also', schedule: '0 0 8 * * 2', targetSize: 3 }, night]
    expect(codesOf(crons, replicas(3), '2026-11-24T06:00:00Z')[0]).toBe('list-order')
  })

  test('it lost a firing, and the size is still that of the one before', () => {
    const { comparisons } = compare([day, night], replicas(2), '2026-11-24T06:00:00Z')
    expect(comparisons[0]?.why.map(({ code }) => code)).toEqual(['other-zone', 'firing-lost'])
    expect(comparisons[0]?.why[1]?.text).toContain('still that of hpc/default/hpc/night of Mon 2026-11-23 20:00:00 Asia/Shanghai')
  })

  test('of two missed ones it carried out the earlier', () => {
    const first = { name: 'first', schedule: '0 0 8 * * *', targetSize: 5 }
    const second = { name: 'second', schedule: '0 10 8 * * *', targetSize: 9 }
    const manager = { name: 'tke-hpc-controller', changedMs: at('2026-11-24T00:30:00Z') }
    expect(codesOf([second, first], replicas(5), '2026-11-24T01:00:00Z', { manager })).toEqual(['earlier-of-missed'])
    // Had it done so in time, the later one would be what got lost.
    const inTime = { manager: { ...manager, changedMs: at('2026-11-24T00:00:03Z') } }
    expect(codesOf([second, first], replicas(5), '2026-11-24T01:00:00Z', inTime)).toEqual(['firing-lost'])
  })

  test('it ran again what is to run once', () => {
    const once = { name: 'once', schedule: '0 0 8 * * *', targetSize: 9, runOnce: true }
    const object = { metadata: { creationTimestamp: '2026-11-22T00:00:00Z' } }
    // It has run on the 22nd, the size of the evening before is there by our reading.
    expect(compare([once, night], replicas(2), '2026-11-24T06:00:00Z', {}, object).comparisons).toMatchObject([{ code: 'shadow-agrees' }])
    const again = compare([once, night], replicas(9), '2026-11-24T06:00:00Z', {}, object).comparisons
    expect(again[0]?.why[0]).toEqual({
      code: 'run-once-again',
      text: 'it ran hpc/default/hpc/once again at Tue 2026-11-24 08:00:00 Asia/Shanghai, which is to run once',
    })
  })

  test('somebody changed the size later', () => {
    const manager = { name: 'kubectl', changedMs: at('2026-11-24T03:00:00Z') }
    const { comparisons } = compare([day, night], replicas(8), '2026-11-24T06:00:00Z', { manager })
    expect(comparisons[0]?.why).toEqual([
      { code: 'changed-later', text: '"kubectl" changed it later, at Tue 2026-11-24 11:00:00 Asia/Shanghai' },
    ])
    const before = { manager: { ...manager, changedMs: at('2026-11-23T23:00:00Z') } }
    expect(codesOf([day, night], replicas(8), '2026-11-24T06:00:00Z', before)).toEqual(['unexplained'])
    const controller = { manager: { ...manager, name: 'hpc-controller' } }
    expect(codesOf([day, night], replicas(8), '2026-11-24T06:00:00Z', controller)).toEqual(['unexplained'])
  })

  test('the maximum of an autoscaler is never lowered', () => {
    const crons = [
      { name: 'day', schedule: '0 0 8 * * *', minSize: 4, maxSize: 20 },
      { name: 'night', schedule: '0 0 20 * * *', minSize: 2, maxSize: 6 },
    ]
    const { comparisons } = compare(crons, bounds(2, 20), '2026-11-24T16:00:00Z')
    expect(comparisons[0]?.why).toEqual([
      { code: 'max-never-lowered', text: 'it never lowers a maximum again: hpc/default/hpc/day had raised it to 20' },
    ])
    expect(codesOf(crons, bounds(2, 30), '2026-11-24T16:00:00Z')).toEqual(['unexplained'])
  })

  test('a reading must explain when the controller acted, where the cluster notes it', () => {
    const acted = (time: string) => ({ manager: { name: 'hpc-controller', changedMs: at(time) } })
    // 20:00 UTC of the day before: the zone.
    expect(codesOf([day, night], replicas(2), '2026-11-24T06:00:00Z', acted('2026-11-23T20:00:02Z'))).toEqual(['other-zone'])
    // 20:00 in Shanghai: a firing that got lost since.
    expect(codesOf([day, night], replicas(2), '2026-11-24T06:00:00Z', acted('2026-11-23T12:00:02Z'))).toEqual(['firing-lost'])
    // Any other time: neither.
    expect(codesOf([day, night], replicas(2), '2026-11-24T06:00:00Z', acted('2026-11-23T15:00:00Z'))).toEqual(['unexplained'])
  })

  test('another zone and another reading of excluded dates together', () => {
    const crons = [{ ...day, excludeDates: ['* * * * * 2'] }, night]
    // Tuesday: by UTC 08:00 has come, were it not excluded.
    const { comparisons } = compare(crons, replicas(5), '2026-11-24T12:30:00Z')
    expect(comparisons).toMatchObject([{ ours: replicas(2) }])
    expect(comparisons[0]?.why[0]).toEqual({
      code: 'other-zone',
      text: 'it reads the schedule in UTC and ignores excluded dates; by that reading hpc/default/hpc/day fired at Tue 2026-11-24 08:00:00 UTC',
    })
  })

  test('or nobody knows', () => {
    const { comparisons } = compare([day, night], replicas(77), '2026-11-24T06:00:00Z')
    expect(comparisons[0]?.why).toEqual([{ code: 'unexplained', text: 'unexplained: no known way to read these rules leads there' }])
    expect(comparisons[0]?.text).toContain(
      'here it would be replicas 5 (hpc/default/hpc/day fired at Tue 2026-11-24 08:00:00 Asia/Shanghai), there is replicas 77: unexplained',
    )
  })

  test('a rule that fires every second and is excluded all day is not followed for ever', () => {
    const crons = [{ name: 'often', schedule: '* * * * * *', targetSize: 4, excludeDates: ['* * * * * *'] }, day]
    const started = performance.now()
    expect(codesOf(crons, replicas(9), '2026-11-24T06:00:00Z').length).toBeGreaterThan(0)
    expect(performance.now() - started).toBeLessThan(5000)
  })
})

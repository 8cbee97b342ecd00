import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ObservedTarget, plan } from '#functions/cron-scaler/plan.ts'
import { targetName } from '#functions/cron-scaler/target.ts'
import { turnOf } from '#functions/cron-scaler/waves.ts'
import { applied, at, changesOf, clusterWith, configOf, hpcRules, replicas, ruleOf, summary, targetWith } from './fixtures.ts'

const nominal = at('2026-11-24T08:00:00Z')
const spreadMs = 300_000

function turnOfWeb(kind = 'Deployment', name = 'web'): number {
  return turnOf(`cls-1/default/${kind}/${name}`, nominal, spreadMs)
}

const morning = ruleOf('morning', '0 0 8 * * *', 5)
const config = configOf({ spread: '5m', rules: [morning] })
const planOne = (target: ObservedTarget, now: number, settings = config) => plan({ clusters: [clusterWith([target])] }, settings, now)

describe('a wave', () => {
  test('holds a target until its turn, and says when that is', () => {
    const turn = turnOfWeb()
    expect(turn).toBeGreaterThan(nominal)
    const [step] = planOne(targetWith(replicas(2)), turn - 1)
    expect(step).toMatchObject({ verdict: 'skipped', reason: { code: 'wave' }, before: 'replicas 2', after: 'replicas 5' })
    expect(step?.reason.text).toContain(
      `config/morning fired at Tue 2026-11-24 08:00:00 UTC; it is this target's turn at Tue ${new Date(turn).toISOString().slice(0, 19).replace('T', ' ')} UTC`,
    )
    expect(summary(planOne(targetWith(replicas(2)), turn))).toEqual(['change due'])
  })

  test('counts what is late from the turn, and what is missed from the firing', () => {
    const turn = turnOfWeb()
    expect(summary(planOne(targetWith(replicas(2)), turn + 90_000))).toEqual(['change due'])
    expect(summary(planOne(targetWith(replicas(2)), turn + 90_001))).toEqual(['change late'])
    expect(summary(planOne(targetWith(replicas(2)), nominal + 1_800_000))).toEqual(['change late'])
    expect(summary(planOne(targetWith(replicas(2)), nominal + 1_800_001))).toEqual(['missed deadline-passed'])
  })

  test('spreads putting on record as well: that is a write like any other', () => {
    expect(summary(planOne(targetWith(replicas(5)), turnOfWeb() - 1))).toEqual(['skipped wave'])
    expect(summary(planOne(targetWith(replicas(5)), turnOfWeb()))).toEqual(['change record'])
  })

  test('does not hold back a correction of drift', () => {
    const enforced = configOf({ spread: '5m', enforce: true, rules: [morning] })
    const [step] = changesOf(planOne(targetWith(replicas(2)), turnOfWeb(), enforced))
    // Right after the firing, though the target's own turn within the window is not yet: the clocks of runners differ.
    const done = { ...applied(targetWith(replicas(2)), step!, nominal + 1000), size: replicas(3) }
    expect(turnOfWeb()).toBeGreaterThan(nominal + 2000)
    expect(summary(planOne(done, nominal + 2000, enforced))).toEqual(['change drift'])
  })

  test('is a rule’s own, or the setting’s', () => {
    const own = configOf({ spread: '5m', rules: [{ ...morning, spread: '0s' }] })
    expect(summary(planOne(targetWith(replicas(2)), nominal, own))).toEqual(['change due'])
    const only = configOf({ rules: [{ ...morning, spread: '5m' }] })
    expect(summary(planOne(targetWith(replicas(2)), nominal, only))).toEqual(['skipped wave'])
  })

  test('of an HPC object is written as an annotation', () => {
    const plain = configOf({ timeZone: 'UTC' })
    const rules = (spread: string) =>
      hpcRules([{ name: 'up', schedule: '0 0 8 * * *', targetSize: 5 }], plain, {
        metadata: { annotations: { 'longshore.dev/spread': spread } },
      })
    const of = (spread: string) =>
      summary(plan({ clusters: [clusterWith([targetWith(replicas(2))], { rules: rules(spread) })] }, plain, nominal))
    expect(of('5m')).toEqual(['skipped wave'])
    expect(of('0s')).toEqual(['change due'])
    expect(of('soon')).toEqual(['invalid rule-unreadable'])
    expect(of('30m')).toEqual(['invalid spread-too-long'])
  })

  test('that would come too late makes the rule invalid', () => {
    const [step] = planOne(targetWith(replicas(2)), nominal, configOf({ rules: [{ ...morning, spread: '30m' }] }))
    expect(step).toMatchObject({ verdict: 'invalid', reason: { code: 'spread-too-long' } })
  })
})

test('many targets of one instant come one after the other, each once, and all within the window', () => {
  const count = 200
  const rules = Array.from({ length: count }, (_, index) =>
    ruleOf(`r${index}`, '0 0 8 * * *', 5, { target: { kind: 'Deployment', name: `web-${index}` } }),
  )
  const many = configOf({ spread: '1m', rules })
  let targets = Array.from({ length: count }, (_, index) => targetWith(replicas(2), { name: `web-${index}`, uid: `uid-${index}` }))
  const perTick: number[] = []
  for (let now = nominal; now < nominal + 61_000; now += 1000) {
    const changes = changesOf(plan({ clusters: [clusterWith(targets)] }, many, now))
    perTick.push(changes.length)
    const byName = new Map(changes.map((step) => [step.target, step]))
    targets = targets.map((target) => {
      const step = byName.get(`cls-1/${targetName(target)}`)
      return step === undefined ? target : applied(target, step, now)
    })
  }
  expect(perTick.reduce((sum, changes) => sum + changes, 0)).toBe(count)
  expect(perTick.at(-1)).toBe(0)
  expect(Math.max(...perTick)).toBeLessThan(count / 8)
})

test('running every second, every minute or late ends in the same sizes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('0 0 8 * * *', '0 7 8 * * *', '30 11 8 * * *'), fc.integer({ min: 0, max: 9 })), {
        minLength: 1,
        maxLength: 4,
      }),
      fc.constantFrom('0s', '45s', '4m', '20m'),
      fc.array(fc.integer({ min: 0, max: 2400 }), { maxLength: 10 }),
      (list, spread, stray) => {
        const settings = configOf({
          spread,
          startingDeadline: '2h',
          rules: list.map(([schedule, size], index) => ruleOf(`r${index}`, schedule, size)),
        })
        const run = (seconds: readonly number[]) => {
          let target = targetWith(replicas(3))
          for (const second of seconds) {
            const now = nominal + second * 1000
            for (const step of changesOf(planOne(target, now, settings))) target = applied(target, step, now)
          }
          return target.size
        }
        const end = 2400
        const everyMinute = Array.from({ length: end / 60 + 1 }, (_, minute) => minute * 60)
        const expected = run(everyMinute)
        expect(run([end])).toEqual(expected)
        expect(run([...stray.toSorted((left, right) => left - right), end])).toEqual(expected)
      },
    ),
    { seed: 47, numRuns: 100 },
  )
})

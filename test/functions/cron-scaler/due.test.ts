import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type * as z from 'zod/mini'
import { configuredRules, ruleContext } from '#functions/cron-scaler/configured-rules.ts'
import { everyMs } from '#functions/cron-scaler/cursor.ts'
import { glanceAt } from '#functions/cron-scaler/due.ts'
import type { Settings } from '#functions/cron-scaler/event.ts'
import { latestFiring } from '#functions/cron-scaler/firings.ts'
import { type ObservedCluster, type ObservedTarget, plan } from '#functions/cron-scaler/plan.ts'
import { openRuleBook } from '#functions/cron-scaler/rule-book.ts'
import { turnOf } from '#functions/cron-scaler/waves.ts'
import { schedulesOf } from '#infra/local/local-function.ts'
import { applied, at, bounds, changesOf, clusterWith, configOf, hpcRules, replicas, ruleOf, targetWith } from './fixtures.ts'

const minute = at('2026-11-24T08:00:00Z')
const web = 'cls-1/default/Deployment/web'

function glance(settings: z.input<typeof Settings>, now: number, more: Partial<ObservedCluster> = {}, untilMs = now + everyMs) {
  const [one] = glanceAt(
    { clusters: [clusterWith([targetWith(replicas(1))], more)] },
    configOf({ timeZone: 'UTC', ...settings }),
    now,
    untilMs,
  )
  if (one === undefined) throw new Error('no cluster was looked at')
  return one
}

/** Seconds after the minute at which something becomes due in the rest of it. */
function secondsDue(settings: z.input<typeof Settings>, more: Partial<ObservedCluster> = {}, from = 0): number[] {
  const { due } = glance(settings, minute + from * 1000, more, minute + everyMs - 1)
  return due.map((ms) => (ms - minute) / 1000).toSorted((left, right) => left - right)
}

test('the triggers are as far apart as function.yml says', async () => {
  expect(await schedulesOf('cron-scaler')).toEqual([{ kind: 'rate', everyMs }])
})

describe('what becomes due before the next trigger', () => {
  test('is every firing within the minute, of every rule, once', () => {
    expect(
      secondsDue({ rules: [ruleOf('a', '15,45 0 8 * * *', 5), ruleOf('b', '*/30 * * * * *', 3), ruleOf('c', '45 * * * * *', 2)] }),
    ).toEqual([15, 30, 45])
  })

  test('is what comes after now', () => {
    expect(secondsDue({ rules: [ruleOf('a', '0,20,40 * * * * *', 5)] }, {}, 20)).toEqual([40])
    expect(secondsDue({ rules: [ruleOf('a', '0 0 8 * * *', 5)] })).toEqual([])
  })

  test('is no firing that is excluded, of a rule that is paused, not valid, or invalid', () => {
    const rule = (more: Parameters<typeof ruleOf>[3]) => [ruleOf('a', '30 * * * * *', 5, more)]
    expect(secondsDue({ rules: rule({}) })).toEqual([30])
    expect(secondsDue({ rules: rule({ excludeDates: ['2026-11-24'] }) })).toEqual([])
    expect(secondsDue({ rules: rule({ paused: true }) })).toEqual([])
    expect(secondsDue({ rules: rule({ validFrom: '2026-11-25' }) })).toEqual([])
    expect(secondsDue({ rules: rule({ validUntil: '2026-11-23' }) })).toEqual([])
    expect(secondsDue({ rules: rule({ validUntil: '2026-11-24' }) })).toEqual([30])
    expect(secondsDue({ rules: rule({ targetSize: undefined }) })).toEqual([])
  })

  test('comes from HPC objects as well', () => {
    const config = configOf({ timeZone: 'UTC' })
    const rules = hpcRules([{ name: 'up', schedule: '20 * * * * *', targetSize: 3 }], config)
    expect(secondsDue({}, { rules })).toEqual([20])
  })

  test('is a target’s turn, and not the firing, where turns are taken', () => {
    const rules = [ruleOf('a', '0 0 8 * * *', 5, { spread: '40s' })]
    const turn = (turnOf(web, minute, 40_000) - minute) / 1000
    expect(turn).toBeGreaterThan(0)
    expect(secondsDue({ rules })).toEqual([turn])
    expect(secondsDue({ rules }, {}, turn)).toEqual([])
    const ahead = secondsDue({ rules: [ruleOf('a', '10 0 8 * * *', 5, { spread: '40s' })] })
    expect(ahead).toEqual([10 + turn])
  })

  test('is the beginning and the end of an override, and the end of a hold', () => {
    const override = { name: 'sale', cluster: 'cls-1', target: { kind: 'Deployment', name: 'web' }, targetSize: 9, reason: 'sale' }
    const overrides = [{ ...override, from: '2026-11-24T08:00:05Z', until: '2026-11-24T08:00:55Z' }]
    expect(secondsDue({ overrides })).toEqual([5, 55])
    const held = targetWith(replicas(1), { hold: minute + 25_000 })
    const given = targetWith(replicas(1), { override: { id: 'override/annotation/x', size: replicas(4), untilMs: minute + 35_000 } })
    const rules = [ruleOf('a', '0 0 7 * * *', 5)]
    expect(secondsDue({ rules }, { targets: [held] })).toEqual([25])
    expect(secondsDue({ rules }, { targets: [given] })).toEqual([35])
    expect(secondsDue({ rules }, { targets: [targetWith(replicas(1), { hold: 'soon', override: { problem: 'no' } })] })).toEqual([])
  })

  test('is what a look at every second finds', () => {
    const field = fc.constantFrom('*', '0', '7', '*/5', '3,33', '50-59', '*/13')
    const settings = fc.record({
      schedules: fc.array(fc.tuple(field, fc.constantFrom('*', '0', '*/2', '59')), { minLength: 1, maxLength: 4 }),
      zone: fc.constantFrom('UTC', 'Asia/Kathmandu', 'Australia/Lord_Howe'),
      spread: fc.constantFrom('0s', '3s', '25s', '90s'),
      excluded: fc.boolean(),
      from: fc.integer({ min: 0, max: 59 }),
    })
    fc.assert(
      fc.property(settings, ({ schedules, zone, spread, excluded, from }) => {
        const now = minute + from * 1000
        const rules = schedules.map(([second, minutes], index) =>
          ruleOf(`rule-${index}`, `${second} ${minutes} * * * *`, 5, {
            timeZone: zone,
            spread,
            ...(excluded && index === 0 ? { excludeDates: ['2026-11-24'] } : {}),
          }),
        )
        const found = new Set(glance({ rules }, now, {}, minute + everyMs - 1).due)
        const config = configOf({ timeZone: 'UTC', rules })
        const book = openRuleBook(configuredRules(config), ruleContext(config.settings, now))
        const turns = new Set<number>()
        for (const { rules: compiled } of book.byTarget.values()) {
          for (const rule of compiled) {
            for (let ms = now - 100_000; ms < minute + everyMs; ms += 1000) {
              const turnMs = turnOf(web, ms, rule.spreadMs)
              const isInTime = turnMs > now && turnMs < minute + everyMs
              if (isInTime && latestFiring(rule, undefined, ms, ms).atMs === ms) turns.add(turnMs)
            }
          }
        }
        expect([...found].toSorted()).toEqual([...turns].toSorted())
      }),
      { seed: 4, numRuns: 300 },
    )
  })
})

describe('the next look at a cluster in which all is done', () => {
  const next = (settings: z.input<typeof Settings>, from: number, more: Partial<ObservedCluster> = {}) => {
    const { lookMs, dueMs, firing } = glance(settings, from, more)
    return { lookMs, dueMs, firing }
  }

  test('is when the next rule comes up', () => {
    const rules = [ruleOf('day', '0 0 8 * * *', 5), ruleOf('night', '30 0 20 * * *', 2)]
    expect(next({ rules }, at('2026-11-24T09:00:00Z'))).toEqual({
      lookMs: at('2026-11-24T20:00:30Z'),
      dueMs: at('2026-11-24T20:00:30Z'),
      firing: { rule: 'config/night', atMs: at('2026-11-24T20:00:30Z'), zone: 'UTC' },
    })
  })

  test('is twice before a starting deadline is over, since a person may make the firing count again', () => {
    const rules = [ruleOf('day', '0 0 8 * * *', 5, { startingDeadline: '30m' })]
    expect(next({ rules }, at('2026-11-24T08:01:00Z')).lookMs).toBe(at('2026-11-24T08:28:00Z'))
    expect(next({ rules }, at('2026-11-24T08:28:30Z')).lookMs).toBe(at('2026-11-24T08:29:00Z'))
    expect(next({ rules }, at('2026-11-24T08:29:00Z')).lookMs).toBe(at('2026-11-25T08:00:00Z'))
    const held = { targets: [targetWith(replicas(5), { hold: at('2026-11-24T09:00:00Z') })] }
    expect(next({ rules }, at('2026-11-24T09:01:00Z'), held).lookMs).toBe(at('2026-11-24T09:28:00Z'))
  })

  test('is at a firing that is excluded, which is reported, but that one is not due', () => {
    const rules = [ruleOf('day', '0 0 8 * * *', 5, { excludeDates: ['2026-11-25'] })]
    expect(next({ rules }, at('2026-11-24T09:00:00Z'))).toMatchObject({
      lookMs: at('2026-11-25T08:00:00Z'),
      dueMs: at('2026-11-26T08:00:00Z'),
      firing: { atMs: at('2026-11-26T08:00:00Z') },
    })
  })

  test('is when an override begins or ends, a hold ends, or a rule is not valid any more', () => {
    const rules = [ruleOf('day', '0 0 8 * * *', 5, { validUntil: '2026-11-24' })]
    const later = at('2026-11-24T09:00:00Z')
    expect(next({ rules }, later)).toEqual({ lookMs: at('2026-11-25T00:00:00Z') })
    const override = { name: 'sale', cluster: 'cls-1', target: { kind: 'Deployment', name: 'web' }, targetSize: 9, reason: 'sale' }
    expect(next({ rules, overrides: [{ ...override, from: '2026-11-24T10:00:00Z', until: '2026-11-24T11:00:00Z' }] }, later)).toEqual({
      lookMs: at('2026-11-24T10:00:00Z'),
      dueMs: at('2026-11-24T10:00:00Z'),
    })
    const held = { targets: [targetWith(replicas(5), { hold: at('2026-11-24T09:30:00Z') })] }
    expect(next({ rules }, later, held)).toEqual({ lookMs: at('2026-11-24T09:30:00Z'), dueMs: at('2026-11-24T09:30:00Z') })
  })

  test('has news of rules that come up excluded or end, for which nobody needs to look', () => {
    const rules = [
      ruleOf('day', '0 0 8 * * *', 5, { excludeDates: ['2026-11-25'], validUntil: '2026-11-28' }),
      ruleOf('night', '0 0 20 * * *', 2),
    ]
    expect(glance({ rules }, at('2026-11-24T09:00:00Z')).newsMs).toBe(at('2026-11-25T08:00:00Z'))
    expect(glance({ rules }, at('2026-11-25T08:00:00Z')).newsMs).toBe(at('2026-11-29T00:00:00Z'))
    expect(glance({ rules }, at('2026-11-29T00:00:00Z')).newsMs).toBeUndefined()
    const once = [ruleOf('once', '0 0 8 * * *', 5, { excludeDates: ['2026-11-25'], runOnce: true })]
    expect(glance({ rules: once }, at('2026-11-24T09:00:00Z')).newsMs).toBeUndefined()
  })

  test('is at once where a person keeps one of the targets that are named', () => {
    const rules = [ruleOf('day', '0 0 8 * * *', 5)]
    const marked = (more: Partial<ObservedTarget>, name = 'web') =>
      glance({ rules }, minute, { targets: [targetWith(replicas(5), { name, ...more })] }).isMarked
    expect(marked({})).toBe(false)
    expect(marked({ hold: minute })).toBe(false)
    expect(marked({ hold: minute + 1 })).toBe(true)
    expect(marked({ hold: minute + 1 }, 'other')).toBe(false)
    expect(marked({ hold: 'soon' })).toBe(true)
    expect(marked({ override: { problem: 'no' } })).toBe(true)
    expect(marked({ override: { id: 'override/annotation/x', size: replicas(4), untilMs: minute } })).toBe(false)
    expect(marked({ override: { id: 'override/annotation/x', size: replicas(4), fromMs: minute + 5, untilMs: minute + 9 } })).toBe(true)
    expect(marked({ optOut: true })).toBe(false)
  })

  test('counts a firing until its starting deadline, and an override until it ends', () => {
    const rules = [ruleOf('day', '0 0 8 * * *', 5, { startingDeadline: '10m' }), ruleOf('early', '0 0 7 * * *', 5)]
    const until = (now: number, settings: z.input<typeof Settings>) => Object.fromEntries(glance(settings, now).countsUntil)
    expect(until(minute, { rules })).toEqual({ [web]: minute + 600_000 })
    expect(until(minute + 600_000, { rules })).toEqual({ [web]: minute + 600_000 })
    expect(until(minute + 600_001, { rules })).toEqual({})
    const override = { name: 'sale', cluster: 'cls-1', target: { kind: 'Deployment', name: 'web' }, targetSize: 9, reason: 'sale' }
    expect(until(minute, { overrides: [{ ...override, until: '2026-11-24T11:00:00Z' }] })).toEqual({ [web]: at('2026-11-24T11:00:00Z') })
    const later = { ...override, from: '2026-11-24T10:00:00Z', until: '2026-11-24T11:00:00Z' }
    expect(until(minute, { overrides: [later] })).toEqual({})
  })

  test('never comes when nothing does', () => {
    expect(next({}, minute)).toEqual({})
    const once = { rules: [ruleOf('once', '0 0 8 1 * *', 5, { validUntil: '2026-10-01' })] }
    expect(next(once, minute)).toEqual({})
  })

  test('a cluster is watched where a size is enforced', () => {
    const enforcing = (more: object, settings: z.input<typeof Settings> = {}) =>
      glance({ rules: [ruleOf('day', '0 0 8 * * *', 5, more)], ...settings }, minute).isWatched
    expect(enforcing({})).toBe(false)
    expect(enforcing({ enforce: true })).toBe(true)
    expect(enforcing({ enforce: true, paused: true })).toBe(false)
    expect(enforcing({ enforce: true, validUntil: '2026-11-23' })).toBe(false)
    expect(enforcing({}, { enforce: true })).toBe(true)
    const override = {
      name: 's',
      cluster: 'cls-1',
      target: { kind: 'Deployment', name: 'x' },
      targetSize: 1,
      until: '2026-12-01T00:00:00Z',
      reason: 'r',
    }
    expect(enforcing({ enforce: false }, { enforce: true, overrides: [override] })).toBe(true)
  })

  test('the shortest starting deadline of its rules counts', () => {
    const rules = [ruleOf('a', '0 0 8 * * *', 5, { startingDeadline: '10m' }), ruleOf('b', '0 0 8 * * *', 5)]
    expect(glance({ rules }, minute).shortestDeadlineMs).toBe(600_000)
    expect(glance({}, minute).shortestDeadlineMs).toBe(Number.POSITIVE_INFINITY)
  })

  test('no decision changes by itself before it, and none before something is due', () => {
    const second = fc.constantFrom('0', '20', '*/30', '59')
    const rule = fc.record({
      schedule: fc.tuple(second, fc.constantFrom('*/3', '0', '1,4', '59', '*/20'), fc.constantFrom('8', '*', '7-9')),
      size: fc.integer({ min: 0, max: 6 }),
      zone: fc.constantFrom('UTC', 'Asia/Kathmandu'),
      spread: fc.constantFrom('0s', '0s', '45s', '4m'),
      deadline: fc.constantFrom('5m', '30m'),
      isExcluded: fc.boolean(),
      runOnce: fc.boolean(),
      isOfHpa: fc.boolean(),
    })
    const world = fc.record({
      rules: fc.array(rule, { minLength: 1, maxLength: 5 }),
      override: fc.option(fc.tuple(fc.integer({ min: -300, max: 300 }), fc.integer({ min: 1, max: 600 }), fc.integer({ min: 0, max: 9 })), {
        nil: undefined,
      }),
      hold: fc.option(fc.integer({ min: -600, max: 600 }), { nil: undefined }),
      from: fc.integer({ min: 0, max: 600 }),
    })
    let looks = 0
    fc.assert(
      fc.property(world, ({ rules, override, hold, from }) => {
        const now = minute + from * 1000
        const iso = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z')
        const config = configOf({
          timeZone: 'UTC',
          lookBack: '2h',
          rules: rules.map(({ schedule, size, zone, spread, deadline, isExcluded, runOnce, isOfHpa }, index) =>
            ruleOf(`rule-${index}`, `${schedule.join(' ')} * * *`, isOfHpa ? [size + 1, size + 2] : size, {
              timeZone: zone,
              spread,
              startingDeadline: deadline,
              runOnce,
              ...(isExcluded ? { excludeDates: ['2026-11-24'] } : {}),
            }),
          ),
          ...(override === undefined
            ? {}
            : {
                overrides: [
                  {
                    name: 'o',
                    cluster: 'cls-1',
                    target: { kind: 'Deployment', name: 'web' },
                    targetSize: override[2],
                    from: iso(now + override[0] * 1000),
                    until: iso(now + (override[0] + override[1]) * 1000),
                    reason: 'r',
                  },
                ],
              }),
        })
        const held = hold === undefined ? {} : { hold: now + hold * 1000 }
        let targets: ObservedTarget[] = [targetWith(replicas(1), held), targetWith(bounds(1, 1), { uid: 'uid-hpa' })]
        const planned = (ms: number) => changesOf(plan({ clusters: [clusterWith(targets)] }, config, ms))
        for (let rounds = 0; planned(now).length > 0; rounds += 1) {
          if (rounds === 5) throw new Error('it does not settle')
          for (const step of planned(now)) {
            targets = targets.map((target) => (target.kind === step.change.target.kind ? applied(target, step, now) : target))
          }
        }
        const [one] = glanceAt({ clusters: [clusterWith(targets)] }, config, now, now + everyMs)
        const { lookMs = Number.POSITIVE_INFINITY, dueMs = Number.POSITIVE_INFINITY } = one ?? {}
        expect(lookMs).toBeLessThanOrEqual(dueMs)
        for (let ms = now; ms < Math.min(lookMs, now + 600_000); ms += 1000) {
          expect(planned(ms), `${iso(ms)} before ${iso(Math.min(lookMs, 8e15))}`).toEqual([])
          looks += 1
        }
        // And before anything is due nobody needs to wait for it.
        for (let ms = now; ms < Math.min(dueMs, now + 300_000); ms += 5000) expect(planned(ms)).toEqual([])
      }),
      { seed: 4, numRuns: 150 },
    )
    expect(looks).toBeGreaterThan(3_000)
  })
})

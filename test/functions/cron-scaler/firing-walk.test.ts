import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { configuredRules, ruleContext } from '#functions/cron-scaler/configured-rules.ts'
import { countFirings, firingAfter, walkFirings } from '#functions/cron-scaler/firing-walk.ts'
import { compileRule, type Rule } from '#functions/cron-scaler/rules.ts'
import { at, configOf, ruleOf } from './fixtures.ts'

const fromMs = at('2026-11-24T00:00:00Z')
const dayMs = 86_400_000

function compiled(rules: readonly ReturnType<typeof ruleOf>[]): Rule[] {
  const config = configOf({ rules: [...rules] })
  return configuredRules(config).map((draft) => {
    const rule = compileRule(draft, ruleContext(config.settings, fromMs))
    if (!rule.ok) throw new Error(rule.error.text)
    return rule.value
  })
}

function allFirings(rule: Rule, untilMs: number): number[] {
  const firings: number[] = []
  for (
    let next = firingAfter(rule, undefined, fromMs - 1, untilMs);
    next !== undefined;
    next = firingAfter(rule, undefined, next, untilMs)
  ) {
    firings.push(next)
  }
  return firings
}

const schedule = fc
  .tuple(
    fc.constantFrom('0', '*/20'),
    fc.constantFrom('0', '*/7', '5-9'),
    fc.constantFrom('*', '8', '*/6'),
    fc.constantFrom('*', '1-5', '28'),
    fc.constantFrom('*', '1-5'),
  )
  .map(([second, minute, hour, day, weekday]) => `${second} ${minute} ${hour} ${day} * ${weekday}`)

describe('the next firing that counts', () => {
  test('is found beyond years of excluded days', () => {
    const [rule] = compiled([ruleOf('late', '0 0 8 * * *', 5, { excludeDates: ['2026-01-01..2029-06-30'] })])
    expect(firingAfter(rule!, undefined, fromMs, fromMs + 1826 * dayMs)).toBe(at('2029-07-01T08:00:00Z'))
    expect(firingAfter(rule!, undefined, fromMs, fromMs + 365 * dayMs)).toBeUndefined()
  })

  test('is none at the end itself', () => {
    const [rule] = compiled([ruleOf('daily', '0 0 8 * * *', 5)])
    expect(firingAfter(rule!, undefined, fromMs, at('2026-11-24T08:00:00Z'))).toBeUndefined()
    expect(firingAfter(rule!, undefined, fromMs, at('2026-11-24T08:00:00.001Z'))).toBe(at('2026-11-24T08:00:00Z'))
  })
})

describe('counting firings', () => {
  test('is exact over whole days without a change of clocks', () => {
    fc.assert(
      fc.property(schedule, fc.boolean(), fc.integer({ min: 1, max: 40 }), (text, isExcluded, days) => {
        const [rule] = compiled([ruleOf('r', text, 5, { excludeDates: isExcluded ? ['* * * * * 0', '2026-12-01..2026-12-03'] : [] })])
        const untilMs = fromMs + days * dayMs
        expect(countFirings(rule!, fromMs, untilMs)).toBe(allFirings(rule!, untilMs).length)
      }),
      { seed: 6, numRuns: 60 },
    )
  })

  test('knows validity, and that once is once', () => {
    const [short, over, once] = compiled([
      ruleOf('short', '0 0 * * * *', 5, { validFrom: '2026-11-25', validUntil: '2026-11-26' }),
      ruleOf('over', '0 0 * * * *', 5, { validUntil: '2026-11-20' }),
      ruleOf('once', '0 0 * * * *', 5, { runOnce: true }),
    ])
    expect([short, over, once].map((rule) => countFirings(rule!, fromMs, fromMs + 30 * dayMs))).toEqual([48, 0, 1])
  })
})

describe('walking through firings', () => {
  test('finds what going through all of them one by one finds, whatever the order of the rules', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(schedule, fc.integer({ min: 1, max: 3 })), { minLength: 1, maxLength: 5 }), (drawn) => {
        const rules = compiled(drawn.map(([text, size], index) => ruleOf(`rule-${index}`, text, size)))
        const untilMs = fromMs + 5 * dayMs
        const firings = rules.map((rule) => new Set(allFirings(rule, untilMs)))
        const deciding = new Set<string>()
        const firing = new Set<string>()
        const pairs = new Map<string, number>()
        for (const atMs of [...new Set(firings.flatMap((own) => [...own]))].toSorted((left, right) => left - right)) {
          if (atMs === fromMs) continue
          const together = rules
            .filter((_, index) => firings[index]?.has(atMs))
            .toSorted((left, right) => sizeOf(right) - sizeOf(left) || (left.id < right.id ? -1 : 1))
          const [winner, ...losers] = together
          deciding.add(winner?.id ?? '')
          for (const { id } of together) firing.add(id)
          for (const loser of losers) {
            const key = `${winner?.id} ${loser.id}`
            if (winner !== undefined && sizeOf(winner) !== sizeOf(loser) && !pairs.has(key)) pairs.set(key, atMs)
          }
        }
        for (const order of [rules, rules.toReversed()]) {
          const walk = walkFirings(order, { record: undefined, now: fromMs, untilMs, mostSteps: 1_000_000 })
          expect(new Map(walk.contradictions.map(({ winner, loser, firstMs }) => [`${winner.id} ${loser.id}`, firstMs]))).toEqual(pairs)
          expect(walk.overtaken.map(({ rule }) => rule.id).toSorted()).toEqual([...firing].filter((id) => !deciding.has(id)).toSorted())
          expect(walk.untilMs).toBe(untilMs)
        }
      }),
      { seed: 8, numRuns: 40 },
    )
  })
})

function sizeOf({ size }: Rule): number {
  return size.kind === 'replicas' ? size.replicas : size.min
}

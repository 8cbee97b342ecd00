import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { violationText } from '#infra/sim/seed-run.ts'
import { drawWeek, prefixOf, weekFunctions } from '#infra/sim/week/draw-week.ts'
import { runWeekSeed } from '#infra/sim/week/run-week-seed.ts'
import { daysText, noDays, sumOfDays } from '#infra/sim/week/week-days.ts'
import { readWords, UsageError } from '#infra/sim/words.ts'

/** A week that was worth keeping, cut short: in a third of its first day things go wrong. */
const seed = 6

describe('a week of all functions in one world', () => {
  it('is the same again, and every promise holds', async () => {
    const [one, other] = [await runWeekSeed(seed, { days: 2 }), await runWeekSeed(seed, { days: 2 })]
    expect(one.violations.map((violation) => violationText(one, violation))).toEqual([])
    const digest = (text: string): string => createHash('sha256').update(text).digest('hex')
    expect(digest(other.history.text())).toBe(digest(one.history.text()))
    const owners = one.history.of('run-ended').map(({ doer }) => doer.process.slice(0, 1))
    for (const name of weekFunctions) expect(owners, `runs of ${name}`).toContain(prefixOf[name])
    const total = one.days?.reduce((sum, day) => sumOfDays([sum], [day])[0] ?? sum, noDays)
    expect(total?.scaled).toBeGreaterThan(0)
    expect(total?.deployed).toBeGreaterThan(0)
    expect(total?.deleted).toBeGreaterThan(0)
    expect(total?.bought).toBeGreaterThan(0)
    expect(total?.returned).toBeGreaterThan(0)
    expect(total?.measured).toBeGreaterThan(20)
    expect(total?.faults).toBeGreaterThan(0)
  })

  it('has the same clusters, guard and time for all of them', () => {
    const { of, endMs, startMs } = drawWeek(11)
    const views = weekFunctions.map((name) => of[name])
    expect(endMs - startMs).toBe(7 * 86_400_000)
    for (const view of views) {
      expect([view.clusterIds, view.guard, view.startMs, view.quietMs]).toEqual([
        of['cron-scaler'].clusterIds,
        of['cron-scaler'].guard,
        startMs,
        of['cron-scaler'].quietMs,
      ])
    }
    expect(drawWeek(11)).toEqual(drawWeek(11))
    expect(drawWeek(12)).not.toEqual(drawWeek(11))
  })
})

describe('the days of a week', () => {
  it('are a table with a row for each and one for all', () => {
    const text = daysText(
      sumOfDays(
        [{ ...noDays, scaled: 3 }],
        [
          { ...noDays, scaled: 4 },
          { ...noDays, deleted: 12 },
        ],
      ),
    )
    const cells = text.split('\n').map((line) => line.trim().split(/ {2,}/))
    expect(cells[0]?.slice(0, 5)).toEqual(['day', 'runs', 'decisions', 'scaled', 'deleted'])
    expect(cells.slice(1).map((row) => [row[0], row[3], row[4]])).toEqual([
      ['1', '7', '0'],
      ['2', '0', '12'],
      ['all', '7', '12'],
    ])
  })
})

describe('the words for a week', () => {
  it('say which world', () => {
    expect(readWords(['--world', 'week', '--seeds', '200'])).toEqual({ kind: 'many', of: 'week', first: 1, count: 200, threads: undefined })
    expect(readWords(['--world', 'week', '--seed', '7', '--trace'])).toEqual({ kind: 'replay', of: 'week', seed: 7, withTrace: true })
  })

  it.for([
    [['--world', 'month', '--seed', '1'], '--world takes week, or the name of a function, not "month".'],
    [['--world', 'week', '--function', 'cron-scaler', '--seed', '1'], 'Give --function or --world, not both.'],
    [['--planted', '--world', 'week'], '--planted takes no other option but --write'],
  ] as const)('are refused: %j', ([words, text]) => {
    const read = (): unknown => readWords(words)
    expect(read).toThrow(UsageError)
    expect(read).toThrow(text)
  })
})

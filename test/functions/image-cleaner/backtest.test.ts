import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type BackTest, backTest, safeTogether } from '#functions/image-cleaner/backtest.ts'
import { dayOf } from '#functions/image-cleaner/canary.ts'
import type { Keep, Settings } from '#functions/image-cleaner/event.ts'
import type { RepositoryHistory, SeenTag } from '#functions/image-cleaner/history.ts'
import { compilePatterns } from '#functions/image-cleaner/patterns.ts'
import { dateOfDay, startOfDate } from '#shared/pure/civil.ts'
import { settingsOf } from './fixtures.ts'

const zone = 'Asia/Shanghai'
const first = dayOf(Date.parse('2026-08-01T12:00:00+08:00'), zone)
const dayMs = 86_400_000

/** Noon of a day, counted from the first of the history. */
const noon = (day: number): number => startOfDate(dateOfDay(first + day), zone) + dayMs / 2

/** A tag that was pushed and seen first on a day. */
function seen(
  name: string,
  day: number,
  more: { uses?: [number, number][]; gone?: number; removed?: number; content?: string; group?: string; pushed?: number } = {},
): SeenTag {
  const { uses = [], gone, removed, content = name, group, pushed = day } = more
  return {
    name,
    content,
    ...(group === undefined ? {} : { group }),
    pushedMs: noon(pushed),
    seenDay: first + Math.max(0, day),
    uses: uses.map(([from, to]) => [first + from, first + to]),
    by: uses.length === 0 ? '' : 'Deployment prod/web, container app',
    ...(gone === undefined ? {} : { goneDay: first + gone }),
    ...(removed === undefined ? {} : { goneDay: first + removed, removedDay: first + removed }),
  }
}

function historyOf(lastDay: number, tags: readonly SeenTag[]): RepositoryHistory {
  return { repository: 'shop/web', firstDay: first, lastDay: first + lastDay, tags }
}

/** Nothing is protected for having been in use lately, unless a test says so. */
function withPolicy(keep: object, more: object = {}): Settings {
  return settingsOf({ referenceMemory: '1s', policies: [{ name: 'services', repositories: ['shop/*'], keep }], ...more })
}

function tested(history: RepositoryHistory, settings: Settings, days?: number): BackTest {
  const [policy] = settings.policies
  if (policy === undefined) throw new Error('there is a policy')
  const result = backTest({ history, policy, patterns: new Map(), settings, ...(days === undefined ? {} : { days }) })
  if (result === undefined) throw new Error('the policy is for it')
  return result
}

const regretsOf = ({ regrets }: BackTest) =>
  regrets.map(({ tags, removedDay, usedDay }) => [tags.join('='), removedDay - first, usedDay - first])

/** A tag a day, of which v0 is gone back to on day 20. */
const rollback = historyOf(30, [
  seen('v0', 0, {
    uses: [
      [1, 3],
      [20, 22],
    ],
  }),
  ...Array.from({ length: 30 }, (_, day) => seen(`v${day + 1}`, day + 1)),
])

describe('a policy over what was seen', () => {
  it('would have removed what was gone back to later, and the smallest safe values are those that keep it', () => {
    const { regrets, safe, removedAtEnd, presentAtEnd, seen: count } = tested(rollback, withPolicy({ last: 5 }))
    expect(regrets).toEqual([
      { repository: 'shop/web', tags: ['v0'], removedDay: first + 5, usedDay: first + 20, by: 'Deployment prod/web, container app' },
    ])
    // On day 19, the last one without use, v0 is the twentieth, and was pushed 19 and a half days before the end of the day.
    expect(safe).toEqual({ last: 20, days: 20 })
    expect([removedAtEnd, presentAtEnd, count]).toEqual([26, 31, 31])
  })

  it('does nothing wrong with the safe values, and does with less', () => {
    expect(regretsOf(tested(rollback, withPolicy({ last: 20 })))).toEqual([])
    expect(regretsOf(tested(rollback, withPolicy({ last: 19 })))).toEqual([['v0', 19, 20]])
    expect(regretsOf(tested(rollback, withPolicy({ days: 20 })))).toEqual([])
    expect(regretsOf(tested(rollback, withPolicy({ days: 19 })))).toEqual([['v0', 19, 20]])
  })

  it('needs no more than one where nothing was used again', () => {
    const history = historyOf(9, [seen('a', 0), seen('b', 1, { uses: [[2, 9]] }), seen('c', 2)])
    expect(tested(history, withPolicy({ last: 1 }))).toMatchObject({ regrets: [], safe: { last: 1, days: 1 } })
    expect(tested(historyOf(9, [seen('a', 0), seen('b', 1)]), withPolicy({ last: 1 }))).toMatchObject({ safe: { last: 1, days: 1 } })
  })

  it('counts the memory of what was in use lately', () => {
    expect(regretsOf(tested(rollback, withPolicy({ last: 5 }, { referenceMemory: '7d' })))).toEqual([['v0', 11, 20]])
    expect(regretsOf(tested(rollback, withPolicy({ last: 5 }, { referenceMemory: '30d' })))).toEqual([])
  })

  it('counts its other rules and the list of protected images', () => {
    expect(tested(rollback, withPolicy({ last: 5, protected: ['v0'] }))).toMatchObject({ regrets: [], safe: { last: 1, days: 1 } })
    expect(tested(rollback, withPolicy({ last: 5 }, { protect: ['shop/web:v0'] }))).toMatchObject({
      regrets: [],
      safe: { last: 1, days: 1 },
    })
  })

  it('takes tags of one content as one', () => {
    const history = historyOf(30, [
      ...rollback.tags.map((row) => (row.name === 'v0' ? { ...row, uses: [] } : row)),
      seen('stable', 0, { content: 'v0', uses: [[20, 22]] }),
    ])
    expect(regretsOf(tested(history, withPolicy({ last: 5 })))).toEqual([['stable=v0', 5, 20]])
  })

  it('takes an index and the tags of its platforms as one, as a run does', () => {
    const history = historyOf(30, [
      ...rollback.tags.map((row) => (row.name === 'v0' ? { ...row, uses: [] } : row)),
      seen('v0-arm64', 0, { content: 'arm', group: 'v0', uses: [[20, 22]] }),
    ])
    expect(regretsOf(tested(history, withPolicy({ last: 5 })))).toEqual([['v0=v0-arm64', 5, 20]])
    expect(tested(history, withPolicy({ last: 5, protected: ['v0'] })).regrets).toEqual([])
  })

  it('looks at what this function removed as if it were still there: another policy might have kept it', () => {
    const removed = historyOf(
      30,
      rollback.tags.map((row) => (row.name === 'v0' ? seen('v0', 0, { uses: [[20, 20]], removed: 6 }) : row)),
    )
    expect(regretsOf(tested(removed, withPolicy({ last: 5 })))).toEqual([['v0', 5, 20]])
    const gone = historyOf(
      30,
      rollback.tags.map((row) => (row.name === 'v0' ? seen('v0', 0, { gone: 6 }) : row)),
    )
    expect(regretsOf(tested(gone, withPolicy({ last: 5 })))).toEqual([])
  })

  it('looks at the last days only, where somebody says so', () => {
    const { fromDay, regrets } = tested(rollback, withPolicy({ last: 5 }), 12)
    expect([fromDay - first, regrets.map(({ removedDay }) => removedDay - first)]).toEqual([19, [19]])
    expect(regretsOf(tested(rollback, withPolicy({ last: 5 }), 11))).toEqual([])
  })

  it('judges by patterns, and a paused policy as if it were none', async () => {
    const settings = withPolicy({ pattern: 'v[0-9]' })
    const [policy] = settings.policies
    if (policy === undefined) throw new Error('there is a policy')
    const patterns = await compilePatterns(['v[0-9]'])
    const result = backTest({ history: rollback, policy: { ...policy, paused: true }, patterns, settings })
    expect(result).toMatchObject({ regrets: [], removedAtEnd: 21 })
  })

  it('has nothing to say about a repository that is none of its own', () => {
    const settings = withPolicy({ last: 5 })
    const [policy] = settings.policies
    if (policy === undefined) throw new Error('there is a policy')
    expect(backTest({ history: { ...rollback, repository: 'pay/web' }, policy, patterns: new Map(), settings })).toBeUndefined()
  })

  it('needs for several repositories what the one that needs most does', () => {
    expect(safeTogether([{ safe: { last: 3, days: 9 } }, { safe: { last: 7, days: 2 } }])).toEqual({ last: 7, days: 9 })
    expect(safeTogether([])).toEqual({ last: 1, days: 1 })
  })
})

describe('the smallest safe values, over random histories and policies', () => {
  const lastDay = 25
  const use = fc.tuple(fc.integer({ min: 0, max: lastDay }), fc.integer({ min: 0, max: 4 }))
  const tag = fc
    .record({
      day: fc.integer({ min: -20, max: lastDay }),
      uses: fc.array(use, { maxLength: 3 }),
      content: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
      goneAfter: fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined }),
      isRemoved: fc.boolean(),
      semver: fc.boolean(),
    })
    .map(({ day, uses, content, goneAfter, isRemoved, semver }) => (index: number): SeenTag => {
      const start = Math.max(0, day)
      const end = goneAfter === undefined ? undefined : start + goneAfter
      const sorted = uses
        .map(([from, length]): [number, number] => [Math.max(from, start), Math.min(Math.max(from, start) + length, lastDay)])
        .toSorted(([left], [right]) => left - right)
      const merged: [number, number][] = []
      for (const [from, to] of sorted) {
        const previous = merged.at(-1)
        if (previous !== undefined && from <= previous[1] + 1) previous[1] = Math.max(previous[1], to)
        else merged.push([from, to])
      }
      const kept = end === undefined || isRemoved ? merged : merged.filter(([, to]) => to < end)
      const name = semver ? `v1.${index % 3}.${index}` : `build-${index}`
      return seen(name, start, {
        pushed: day,
        uses: kept,
        ...(content === undefined ? {} : { content: `content-${content}` }),
        ...(end === undefined || end > lastDay ? {} : isRemoved ? { removed: end } : { gone: end }),
      })
    })
  const history = fc.array(tag, { minLength: 1, maxLength: 14 }).map((tags) =>
    historyOf(
      lastDay,
      tags.map((make, index) => make(index)),
    ),
  )
  const keep = fc.record(
    {
      last: fc.integer({ min: 1, max: 8 }),
      days: fc.integer({ min: 1, max: 20 }),
      tags: fc.constantFrom(['build-1*'], ['*-3']),
      semver: fc.constantFrom({ newest: 1, per: 'minor' as const }, { newest: 2, per: 'all' as const }),
      protected: fc.constantFrom(['build-2'], ['v1.0.0']),
    },
    { requiredKeys: [] },
  )
  const memory = fc.constantFrom('1s', '3d')

  it.for(['last', 'days'] as const)(
    'with the recommended keep.%s nothing used later is removed, and with one less something is',
    (rule) => {
      let recommended = 0
      fc.assert(
        fc.property(history, keep, memory, (past, rules, referenceMemory) => {
          fc.pre(Object.keys(rules).length > 0)
          const policyWith = (more: Partial<Pick<Keep, 'last' | 'days'>>) => withPolicy({ ...rules, ...more }, { referenceMemory })
          const value = tested(past, policyWith({})).safe[rule]
          expect(regretsOf(tested(past, policyWith({ [rule]: value })))).toEqual([])
          expect(regretsOf(tested(past, policyWith({ [rule]: value + 1 })))).toEqual([])
          if (value > 1) {
            recommended += 1
            expect(regretsOf(tested(past, policyWith({ [rule]: value - 1 })))).not.toEqual([])
          }
        }),
        { numRuns: 400, seed: 11 },
      )
      expect(recommended).toBeGreaterThan(100)
    },
  )

  it('every regret is of something that was there unused on the day, and in use later', () => {
    fc.assert(
      fc.property(history, keep, (past, rules) => {
        fc.pre(Object.keys(rules).length > 0)
        for (const { tags, removedDay, usedDay } of tested(past, withPolicy(rules)).regrets) {
          expect(usedDay).toBeGreaterThan(removedDay)
          const rows = past.tags.filter(({ name }) => tags.includes(name))
          expect(rows.some(({ uses }) => uses.some(([from]) => from === usedDay))).toBe(true)
          expect(rows.some(({ uses }) => uses.some(([from, to]) => from <= removedDay && removedDay <= to))).toBe(false)
        }
      }),
      { numRuns: 300, seed: 12 },
    )
  })
})

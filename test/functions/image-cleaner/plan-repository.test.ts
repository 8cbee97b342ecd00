import { describe, expect, it } from 'vitest'
import { canaryAfter, canaryAllowance, canaryCounted, canaryUndone, dayOf } from '#functions/image-cleaner/canary.ts'
import type { Settings } from '#functions/image-cleaner/event.ts'
import type { ObservedTag } from '#functions/image-cleaner/image.ts'
import type { RemoveChange } from '#functions/image-cleaner/image-change.ts'
import { type ObservedImages, planRepository } from '#functions/image-cleaner/plan-repository.ts'
import { dayMs, keeping, now, settingsOf, tagOf, useOf } from './fixtures.ts'

const nothingYet = { inRun: 0, today: 0, ofRepositoryToday: 0, byPolicy: {} }

function planned(tags: readonly ObservedTag[], settings: Settings, more: Partial<ObservedImages> = {}) {
  const observed: ObservedImages = {
    kind: 'repository',
    repository: { name: 'shop/web', tags },
    references: [],
    canaries: {},
    removed: nothingYet,
    ...more,
  }
  const steps = planRepository(observed, { clusters: [{ id: 'cls-1' }], settings }, now)
  const changes = steps.flatMap((step) => (step.verdict === 'change' ? [step.change as RemoveChange] : []))
  return { steps, changes, names: changes.map(({ tags: own }) => own.map(({ name }) => name)) }
}

const many = (count: number): ObservedTag[] => Array.from({ length: count }, (_, index) => tagOf(`v${index}`, count - index))

describe('batches', () => {
  it('removes the oldest first, in batches of the configured size', () => {
    const { names } = planned(many(10), keeping({ last: 3 }, { batch: 3, caps: { perRepository: { percent: 100 } } }))
    expect(names).toEqual([['v0', 'v1', 'v2'], ['v3', 'v4', 'v5'], ['v6']])
  })

  it('never splits a content over two batches', () => {
    const contentId = 'sha256:one'
    const tags = [tagOf('new', 1), tagOf('x', 40), ...['a', 'b', 'c', 'd'].map((name) => tagOf(name, 50, { contentId })), tagOf('y', 60)]
    const { names } = planned(tags, keeping({ last: 1 }, { batch: 2, caps: { perRepository: { percent: 100 } } }))
    expect(names).toEqual([['y'], ['a', 'b', 'c', 'd'], ['x']])
  })

  it('names a tag that stays, and the same plan has the same keys', () => {
    const tags = many(4)
    const settings = keeping({ last: 1 }, { caps: { perRepository: { percent: 100 } } })
    const [one, other] = [planned(tags, settings), planned(tags.toReversed(), settings)]
    expect(one.changes[0]?.stays.name).toBe('v3')
    expect(other.steps.map(({ key }) => key)).toEqual(one.steps.map(({ key }) => key))
    const pushed = planned([...tags.slice(1), { ...tagOf('v0', 90), contentId: tags[0]?.contentId ?? '' }], settings)
    expect(pushed.steps[1]?.key).not.toBe(one.steps[1]?.key)
  })

  it('copies to the quarantine first, where there is one', () => {
    const { changes } = planned(many(2), keeping({ last: 1 }, { quarantine: { repository: 'shop/bin', days: 3 } }))
    expect(changes[0]?.quarantine).toEqual({ repository: 'shop/bin', days: 3 })
  })

  it('says in one line what is kept and why', () => {
    const { steps } = planned(many(4), keeping({ last: 1 }, { caps: { perRepository: { percent: 100 } } }), {
      references: [useOf('shop/web', { tag: 'v0' })],
    })
    expect(steps[0]?.reason.text).toBe('2 of 4 tags are kept (1 newest, 1 in use); 2 go, 2.0 KiB')
  })
})

describe('caps hold, and 0 means 0', () => {
  const caps = (own: object) => keeping({ last: 1 }, { caps: { perRepository: { amount: 1000, percent: 100 }, ...own } })
  const count = (settings: Settings, more: Partial<ObservedImages> = {}) => planned(many(11), settings, more).names.flat().length

  it.for([
    ['amount of a repository', { perRepository: { amount: 4, percent: 100 } }, 4],
    ['percentage of a repository, rounded down', { perRepository: { amount: 1000, percent: 50 } }, 5],
    ['of a run', { perRun: 3 }, 3],
    ['of a day', { perDay: 2 }, 2],
    ['none in a run', { perRun: 0 }, 0],
    ['none on a day', { perDay: 0 }, 0],
    ['no percentage', { perRepository: { amount: 1000, percent: 0 } }, 0],
    ['no amount', { perRepository: { amount: 0, percent: 100 } }, 0],
  ] as const)('%s', ([, own, most]) => {
    expect(count(caps(own))).toBe(most)
  })

  it('counts what went before in the run and on the day', () => {
    expect(count(caps({ perRun: 5 }), { removed: { ...nothingYet, inRun: 3 } })).toBe(2)
    expect(count(caps({ perDay: 5 }), { removed: { ...nothingYet, today: 9 } })).toBe(0)
    expect(count(caps({ perRepository: { amount: 6, percent: 100 } }), { removed: { ...nothingYet, ofRepositoryToday: 5 } })).toBe(1)
  })

  it('does not creep up over the day: half of a repository stays half of what it was', () => {
    const settings = caps({ perRepository: { amount: 1000, percent: 50 } })
    expect(count(settings)).toBe(5)
    // Eleven tags, five gone: of the six that are left none may go today.
    expect(planned(many(6), settings, { removed: { ...nothingYet, ofRepositoryToday: 5 } }).names.flat()).toEqual([])
  })

  it('passes over a content that does not fit whole, takes younger ones that do, and says why it waits', () => {
    const contentId = 'sha256:big'
    const tags = [tagOf('new', 1), tagOf('small', 40), ...['a', 'b', 'c'].map((name) => tagOf(name, 50, { contentId }))]
    const { names, steps } = planned(tags, caps({ perRun: 2 }))
    expect(names).toEqual([['small']])
    expect(steps[0]).toMatchObject({ verdict: 'held', reason: { code: 'over-cap' } })
    expect(steps[0]?.reason.text).toContain('3 wait: at most 2 tags go in one run')
  })
})

describe('a new policy starts small', () => {
  const settings = settingsOf({
    canary: { enabled: true, amount: 2, percent: 1 },
    caps: { perRepository: { amount: 1000, percent: 100 } },
    policies: [{ name: 'all', repositories: ['**'], keep: { last: 1 } }],
  })
  const [policy] = settings.policies
  if (policy === undefined) throw new Error('there is a policy')

  it('removes a few tags on the first day and doubles daily while nothing is restored', () => {
    const state = canaryCounted(canaryAfter(policy, undefined, settings, { now, removed: 2, isCertain: true }), 1000)
    expect(canaryAllowance(policy, undefined, settings, now)).toBe(2)
    expect(canaryAllowance(policy, state, settings, now)).toBe(8)
    const later = (days: number) => canaryAllowance(policy, state, settings, now + days * dayMs)
    expect([1, 2, 3, 6, 7].map(later)).toEqual([20, 40, 80, 640, Number.POSITIVE_INFINITY])
    expect(canaryAllowance(policy, canaryUndone(policy, state, settings, now + 6 * dayMs), settings, now + 7 * dayMs)).toBe(20)
  })

  it('starts again when it is edited, and not when it is paused', () => {
    const state = canaryCounted(canaryAfter(policy, undefined, settings, { now: now - 30 * dayMs, removed: 1, isCertain: true }), 10)
    expect(canaryAllowance(policy, state, settings, now)).toBe(Number.POSITIVE_INFINITY)
    expect(canaryAllowance({ ...policy, paused: true }, state, settings, now)).toBe(Number.POSITIVE_INFINITY)
    expect(canaryAllowance({ ...policy, keep: { ...policy.keep, last: 2 } }, state, settings, now)).toBe(2)
  })

  it('counts over all repositories of the run, and over the day', () => {
    expect(planned(many(9), settings).names.flat()).toEqual(['v0', 'v1'])
    expect(planned(many(9), settings, { removed: { ...nothingYet, byPolicy: { all: 1 } } }).names.flat()).toEqual(['v0'])
    const spent = canaryAfter(policy, undefined, settings, { now, removed: 2, isCertain: true })
    const { names, steps } = planned(many(9), settings, { canaries: { all: spent } })
    expect(names).toEqual([])
    expect(steps[0]?.reason.code).toBe('canary')
  })

  it('knows days by the zone of the settings', () => {
    expect(dayOf(Date.parse('2026-11-24T15:59:59Z'), 'Asia/Shanghai') + 1).toBe(dayOf(Date.parse('2026-11-24T16:00:00Z'), 'Asia/Shanghai'))
  })
})

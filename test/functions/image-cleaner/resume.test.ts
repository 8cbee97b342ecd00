import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { recallCanaries } from '#functions/image-cleaner/run-memory.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { openMemoryStore } from '#shared/safety/store-memory.ts'
import { interfering } from './interfering.ts'
import { freely, hourMs, openStage, type SettingsInput, type Stage, saying } from './stage.ts'

const repositories = ['shop/a', 'shop/b', 'shop/c', 'shop/d'] as const

let stage: Stage

beforeEach(async () => {
  stage = await openStage()
  for (const repo of repositories) for (let index = 1; index <= 11; index += 1) stage.push(repo, `v${index}`, 100 - index)
})

afterEach(async () => {
  await stage.close()
})

const left = (): number[] => repositories.map((repo) => stage.tags(repo).length)

/** Time for so many repositories: each asks how much is left before the next one begins. */
function timeFor(count: number): () => number {
  return () => (left().filter((tags) => tags < 11).length >= count ? 5_000 : 600_000)
}

/** Every other part of a whole run may be its last. */
function capped(caps: SettingsInput['caps']): SettingsInput {
  return { ...freely({ last: 1 }), caps: { perRepository: { amount: 100, percent: 100 }, ...caps } }
}

describe('what a policy is for is counted once a run', () => {
  const settings = { ...capped({}), canary: { enabled: true, amount: 1, percent: 10 } }

  const counted = async (): Promise<number | undefined> => {
    const memory = createMemory(openMemoryStore(stage.disk), { function: 'image-cleaner', now: () => stage.now() })
    return (await recallCanaries(memory)).all?.tags
  }

  /** A run that is stopped after two repositories. */
  const stopped = async (mode: 'plan' | 'enforce', fresh: boolean): Promise<void> => {
    const stop = new AbortController()
    const cloud = interfering(stage.cloud, {
      before: ({ action, request }) => {
        if (action === 'DescribeImageLifecyclePersonal' && request.RepoName === 'shop/d') stop.abort()
      },
    })
    await stage.run(settings, { mode, fresh, cloud, signal: stop.signal })
  }

  it.for(['plan', 'enforce'] as const)('when a run in mode %s was cut off before a whole one of the same day', async (mode) => {
    await stopped(mode, true)
    await stage.run(settings, { fresh: true })
    // One went on its first day; it was there when it was counted.
    expect(await counted()).toBe(44)
    stage.pass(24 * hourMs)
    const before = left().reduce((sum, tags) => sum + tags)
    await stage.run(settings)
    expect(before - left().reduce((sum, tags) => sum + tags)).toBe(10)
  })

  it('when plans of the same day went before and between', async () => {
    await stage.run(settings, { mode: 'plan', fresh: true })
    await stage.run(settings, { remainingMs: timeFor(1) })
    await stage.run(settings, { mode: 'plan', fresh: true })
    await stage.run(settings)
    expect(await counted()).toBe(44)
  })

  it('when the turn of a repository was cut short and came again', async () => {
    let isShort = false
    const cloud = interfering(stage.cloud, {
      answer: ({ action }, answer) => {
        if (action === 'BatchDeleteImagePersonal') isShort = true
        return answer
      },
    })
    const more = { ...settings, canary: { enabled: true, amount: 8, percent: 10 }, batch: 2 }
    await stage.run(more, { cloud, remainingMs: () => (isShort ? 5_000 : 600_000) })
    await stage.run(more)
    // Two were gone before the turn came again.
    expect(await counted()).toBe(42)
  })
})

describe('a run that is cut between two repositories', () => {
  it('goes on there with the next trigger, and the day is then done', async () => {
    await stage.run(freely({ last: 1 }), { remainingMs: timeFor(2) })
    expect(left()).toEqual([1, 1, 11, 11])
    stage.pass(hourMs / 4)
    const before = stage.journal.length
    await stage.run(freely({ last: 1 }))
    expect(left()).toEqual([1, 1, 1, 1])
    const read = stage.journal.slice(before).map(({ request }) => request?.RepoName)
    expect(read).not.toContain('shop/a')
    expect(read).toContain('shop/c')
    stage.pass(hourMs / 4)
    expect(saying(await stage.run(freely({ last: 1 })), 'Skipped')).toEqual(['Skipped done-today'])
  })

  it('goes on with the repository whose turn was cut short, when its time did not reach for its removals', async () => {
    let isShort = false
    const cloud = interfering(stage.cloud, {
      answer: ({ action, request }, answer) => {
        if (action === 'BatchDeleteImagePersonal' && request.RepoName === 'shop/b') isShort = true
        return answer
      },
    })
    const settings = freely({ last: 1 }, { batch: 5 })
    const report = await stage.run(settings, { cloud, remainingMs: () => (isShort ? 5_000 : 600_000) })
    expect(left()).toEqual([1, 6, 11, 11])
    expect(saying(report, 'Held')).toEqual(['Held guard.no-time-left'])
    stage.pass(hourMs / 4)
    await stage.run(settings)
    expect(left()).toEqual([1, 1, 1, 1])
  })

  it('never exceeds the caps of its day, however often it is cut', async () => {
    const settings = capped({ perDay: 17, perRun: 100 })
    for (const count of [1, 2, 3, 4, 4]) {
      await stage.run(settings, { remainingMs: timeFor(count) })
      stage.pass(hourMs / 4)
    }
    expect(44 - left().reduce((sum, tags) => sum + tags)).toBe(17)
    stage.pass(24 * hourMs)
    await stage.run(settings)
    expect(44 - left().reduce((sum, tags) => sum + tags)).toBe(34)
  })

  it('keeps the cap of a repository over the runs of a day, those that somebody asks for among them', async () => {
    const settings = capped({ perRepository: { amount: 3, percent: 100 } })
    for (let run = 0; run < 3; run += 1) {
      await stage.run(settings, { fresh: true })
      stage.pass(hourMs / 4)
    }
    expect(left()).toEqual([8, 8, 8, 8])
  })

  it('keeps the canary of a policy over the runs of a day', async () => {
    const settings: SettingsInput = { ...freely({ last: 1 }), canary: { enabled: true, amount: 6, percent: 0 } }
    for (const count of [1, 4, 4]) {
      await stage.run(settings, { remainingMs: timeFor(count) })
      stage.pass(hourMs / 4)
    }
    expect(44 - left().reduce((sum, tags) => sum + tags)).toBe(6)
  })
})

describe('a run that is stopped inside a repository, after something was removed and before that was said', () => {
  /** Stops at the first removal of all, which the platform still carries out. */
  async function stopped(settings: SettingsInput): Promise<void> {
    const stop = new AbortController()
    const cloud = interfering(stage.cloud, {
      answer: ({ action }, answer) => {
        if (action === 'BatchDeleteImagePersonal') stop.abort()
        return answer
      },
    })
    await stage.run(settings, { cloud, signal: stop.signal })
    expect(left()).not.toEqual([11, 11, 11, 11])
    stage.pass(hourMs / 4)
  }

  it('does not exceed the caps of the day with the next trigger', async () => {
    const settings = capped({ perDay: 5 })
    await stopped(settings)
    await stage.run(settings)
    expect(left()).toEqual([6, 11, 11, 11])
  })

  it('does not take half of a repository twice', async () => {
    const settings = capped({ perRepository: { amount: 100, percent: 50 } })
    await stopped(settings)
    await stage.run(settings)
    expect(left()).toEqual([6, 6, 6, 6])
  })

  it('does not exceed the canary of its policy', async () => {
    const settings: SettingsInput = { ...freely({ last: 1 }), canary: { enabled: true, amount: 5, percent: 0 } }
    await stopped(settings)
    await stage.run(settings)
    await stage.run(settings, { fresh: true })
    expect(left()).toEqual([6, 11, 11, 11])
    stage.pass(24 * hourMs)
    await stage.run(settings)
    // Of the first day nobody knows whether anything went on it: the second one is the first that counts, and costs a day, not tags.
    expect(44 - left().reduce((sum, tags) => sum + tags)).toBe(10)
    stage.pass(24 * hourMs)
    await stage.run(settings)
    expect(44 - left().reduce((sum, tags) => sum + tags)).toBe(20)
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keepFirstSeen, timedTags } from '#functions/image-cleaner/first-seen.ts'
import { planCopies } from '#functions/image-cleaner/plan-copies.ts'
import { judgeRepository } from '#functions/image-cleaner/policy.ts'
import type { ListedTag } from '#functions/image-cleaner/registry.ts'
import { createMemory, type MemoryWriter } from '#shared/runtime/memory.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { dayMs, keeping, now, settingsOf, tagOf } from './fixtures.ts'

function newMemory(): MemoryWriter {
  return createMemory(openMemoryStore(new MemoryDisk()), { function: 'image-cleaner', now: () => now })
}

const listed = (name: string, content: string): ListedTag => ({ name, contentId: `sha256:${content}`, sizeBytes: 1 })

describe('the time of a tag of a registry that tells none', () => {
  it('is when its content was first seen under it, and now when it never was', async () => {
    const memory = newMemory()
    const first = await timedTags('team/web', [listed('v1', 'a'), listed('v2', 'b')], memory, now)
    expect(first.map(({ pushedMs }) => pushedMs)).toEqual([now, now])
    await keepFirstSeen('team/web', first, memory)
    const second = await timedTags('team/web', [listed('v1', 'a'), listed('v2', 'c'), listed('v3', 'a')], memory, now + dayMs)
    // Unchanged; pushed with other content; new.
    expect(second.map(({ pushedMs }) => pushedMs)).toEqual([now, now + dayMs, now + dayMs])
    await keepFirstSeen('team/web', second, memory)
    // What was gone in between is new again, whatever its content was before.
    const third = await timedTags('team/web', [listed('v2', 'b')], memory, now + 2 * dayMs)
    expect(third.map(({ pushedMs }) => pushedMs)).toEqual([now + 2 * dayMs])
  })

  it('is that of the registry where it tells, and nothing is asked', async () => {
    const refusing: MemoryWriter = {
      get: () => Promise.reject(new Error('asked')),
      list: () => Promise.reject(new Error('asked')),
      put: () => Promise.reject(new Error('asked')),
      delete: () => Promise.reject(new Error('asked')),
    }
    const tags = await timedTags('team/web', [{ ...listed('v1', 'a'), pushedMs: 5 }], refusing, now)
    expect(tags.map(({ pushedMs }) => pushedMs)).toEqual([5])
  })

  it('is kept apart for repositories whose names begin alike, is now where nothing can be understood, and never in the future', async () => {
    const memory = newMemory()
    await keepFirstSeen('team/web', [{ ...listed('v1', 'a'), pushedMs: now + dayMs }], memory)
    await keepFirstSeen('team/web/admin', [{ ...listed('v1', 'a'), pushedMs: 7 }], memory)
    expect((await timedTags('team/web', [listed('v1', 'a')], memory, now))[0]?.pushedMs).toBe(now)
    expect((await timedTags('team/web/admin', [listed('v1', 'a')], memory, now))[0]?.pushedMs).toBe(7)
    for (const { key } of await memory.list('')) await memory.put(key, { format: 2 })
    expect((await timedTags('team/web/admin', [listed('v1', 'a')], memory, now))[0]?.pushedMs).toBe(now)
  })

  it('is remembered for any number of tags, and written only where something changed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 3000 }), fc.integer({ min: 0, max: 3000 }), async (before, after) => {
        const memory = newMemory()
        const tags = (count: number) => Array.from({ length: count }, (_, index) => listed(`v${index}`, `c${index}`))
        await keepFirstSeen('team/web', await timedTags('team/web', tags(before), memory, now), memory)
        const later = await timedTags('team/web', tags(after), memory, now + dayMs)
        expect(later.map(({ pushedMs }) => pushedMs)).toEqual(tags(after).map((_, index) => (index < before ? now : now + dayMs)))
        await keepFirstSeen('team/web', later, memory)
        const versions = (await memory.list('')).map(({ version }) => version)
        await keepFirstSeen('team/web', later, memory)
        expect((await memory.list('')).map(({ version }) => version)).toEqual(versions)
        const again = await timedTags('team/web', tags(after), memory, now + 2 * dayMs)
        expect(again).toEqual(later)
      }),
      { seed: 5, numRuns: 15 },
    )
  })
})

describe('keeping the newest of a registry that tells no times', () => {
  const docker = { registry: { kind: 'docker', url: 'https://registry.example' } }
  const kept = (tags: readonly ReturnType<typeof tagOf>[], more: object): readonly string[] => {
    const { contents } = judgeRepository({
      repository: { name: 'team/web', tags },
      references: [],
      frozen: undefined,
      settings: keeping({ last: 2 }, more),
      now,
    })
    return contents.flatMap(({ content, keeps }) => (keeps.length > 0 ? content.tags.map(({ name }) => name) : [])).toSorted()
  }

  it('equal times never decide by name: all that were first seen together stay, until enough newer ones are there', () => {
    const commits = ['a1f', 'b2e', 'c3d', 'd4c'].map((name) => tagOf(name, 3))
    expect(kept(commits, docker)).toEqual(['a1f', 'b2e', 'c3d', 'd4c'])
    expect(kept([...commits, tagOf('e5b', 1)], docker)).toEqual(['a1f', 'b2e', 'c3d', 'd4c', 'e5b'])
    expect(kept([...commits, tagOf('e5b', 1), tagOf('f6a', 0)], docker)).toEqual(['e5b', 'f6a'])
    expect(kept(commits, {})).toEqual(['a1f', 'b2e'])
  })

  it('but versions do: one that is lower is older', () => {
    const tags = ['1.0.0', '1.1.0', '1.2.0', '1.10.0', 'nightly'].map((name) => tagOf(name, 3))
    expect(kept(tags, docker)).toEqual(['1.10.0', '1.2.0', 'nightly'])
  })
})

describe('copies of one content', () => {
  it('are purged together, when the time of all of them is over, and never in two calls', () => {
    const copy = (name: string, contentId: string, untilDays: number) => ({
      repository: 'team/web',
      name,
      contentId,
      copy: `copy-${name}`,
      untilMs: now + untilDays * dayMs,
      policies: [],
    })
    const many = Array.from({ length: 30 }, (_, index) => copy(`v${index}`, `sha256:${index % 10}`, -1))
    const steps = planCopies(
      { kind: 'copies', quarantine: 'ops/kept', copies: [copy('x', 'x', -1), copy('x-again', 'x', 1), ...many], unknown: [], missing: [] },
      { clusters: [], settings: settingsOf({}) },
      now,
    )
    const purged = steps.flatMap((step) => (step.verdict === 'change' && step.change.kind === 'purge' ? [step.change.tags] : []))
    expect(
      purged
        .flat()
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(many.map((one) => one.copy).toSorted())
    for (const batch of purged) {
      expect(batch.length).toBeLessThanOrEqual(20)
      for (const { contentId } of batch) expect(batch.filter((one) => one.contentId === contentId)).toHaveLength(3)
    }
    expect(steps.find(({ reason }) => reason.code === 'copies-kept')?.reason.text).toContain('2 removed tags')
  })
})

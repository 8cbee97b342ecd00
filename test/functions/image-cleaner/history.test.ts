import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  changeHistory,
  historyAfter,
  historyRestored,
  historyWithout,
  type RepositoryHistory,
  recallHistories,
  recallHistory,
} from '#functions/image-cleaner/history.ts'
import type { ObservedTag } from '#functions/image-cleaner/image.ts'
import type { ImageReference } from '#functions/image-cleaner/references.ts'
import { createMemory, type MemoryWriter } from '#shared/runtime/memory.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { dayMs, now, tagOf, useOf } from './fixtures.ts'

const repository = 'shop/web'

/** Looks at a repository on a day, counted from the first one. */
function look(
  before: RepositoryHistory | undefined,
  day: number,
  tags: readonly ObservedTag[],
  references: readonly ImageReference[] = [],
): RepositoryHistory {
  return historyAfter(before, { repository, tags, references, now, day: 100 + day })
}

function rowsOf({ tags }: RepositoryHistory): Record<string, unknown> {
  return Object.fromEntries(
    tags.map(({ name, seenDay, uses, goneDay, removedDay, restoredDay }) => [
      name,
      {
        seen: seenDay - 100,
        uses: uses.map(([from, to]) => [from - 100, to - 100]),
        gone: shifted(goneDay),
        removed: shifted(removedDay),
        restored: shifted(restoredDay),
      },
    ]),
  )
}

const shifted = (day: number | undefined): number | undefined => (day === undefined ? undefined : day - 100)

function newMemory(): MemoryWriter {
  return createMemory(openMemoryStore(new MemoryDisk()), { function: 'image-cleaner', now: () => now })
}

describe('what is remembered of a repository', () => {
  const [a, b] = [tagOf('a', 50), tagOf('b', 40)]

  it('is when tags came and went, and from when to when they were in use', () => {
    let history = look(undefined, 0, [a])
    history = look(history, 1, [a, b], [useOf(repository, { tag: 'a' })])
    history = look(history, 2, [a, b], [useOf(repository, { tag: 'a' })])
    history = look(history, 3, [a, b])
    history = look(history, 5, [a], [useOf(repository, { digest: a.contentId })])
    expect(rowsOf(history)).toEqual({
      a: {
        seen: 0,
        uses: [
          [1, 2],
          [5, 5],
        ],
      },
      b: { seen: 1, uses: [], gone: 5 },
    })
  })

  it('takes a time without a run for no time without use', () => {
    const used = [useOf(repository, { tag: 'a' })]
    const history = look(look(undefined, 0, [a], used), 9, [a], used)
    expect(rowsOf(history)).toEqual({ a: { seen: 0, uses: [[0, 9]] } })
  })

  it('is the same after a second look on the same day, and passes over a day before the last', () => {
    const history = look(look(undefined, 0, [a]), 4, [a, b], [useOf(repository, { tag: 'b' })])
    expect(look(history, 4, [a, b], [useOf(repository, { tag: 'b' })])).toEqual(history)
    expect(look(history, 3, [])).toBe(history)
  })

  it('does not count what is only remembered to be in use', () => {
    const history = look(undefined, 0, [a], [useOf(repository, { tag: 'a' }, { seenMs: now - dayMs })])
    expect(rowsOf(history)).toEqual({ a: { seen: 0, uses: [] } })
  })

  it('knows a tag that was pushed again as another one', () => {
    const again = { ...a, pushedMs: a.pushedMs + dayMs }
    const { tags } = look(look(undefined, 0, [a]), 1, [again])
    expect(tags.map(({ pushedMs, goneDay }) => [pushedMs, goneDay])).toEqual([
      [a.pushedMs, 101],
      [again.pushedMs, undefined],
    ])
  })

  it('knows what it removed, and that somebody asked for it then', () => {
    let history = historyWithout(look(undefined, 0, [a, b]), new Set(['a']), 100)
    history = look(history, 3, [b], [useOf(repository, { tag: 'a' })])
    expect(rowsOf(history)).toMatchObject({ a: { uses: [[3, 3]], gone: 0, removed: 0 } })
    history = historyRestored(history, new Set(['a']), 'a Pod asks for it', 104)
    expect(rowsOf(history)).toMatchObject({
      a: {
        uses: [
          [3, 3],
          [4, 4],
        ],
        restored: 4,
      },
    })
  })

  it('takes a removal back that did not happen', () => {
    const history = look(historyWithout(look(undefined, 0, [a, b]), new Set(['a']), 100), 1, [a, b])
    expect(rowsOf(history)).toMatchObject({ a: { seen: 0, gone: undefined, removed: undefined } })
  })

  it('forgets what is gone after a year, and nothing that is there', () => {
    const history = look(look(look(undefined, 0, [a, b]), 1, [a]), 370, [a])
    expect(Object.keys(rowsOf(history))).toEqual(['a'])
  })

  it('is as large as what was there within a year, whatever happens every day', () => {
    let history: RepositoryHistory | undefined
    for (let day = 0; day < 1000; day += 1) history = look(history, day, [tagOf(`build-${day}`, 0), a])
    expect(history?.tags.length).toBe(367)
  })
})

it('knows what goes or stays as one though the contents differ, for as long as that is so, and so does its memory', async () => {
  const arm = tagOf('v1-arm64', 41)
  const index = tagOf('v1', 40, { parts: [arm.contentId] })
  const other = tagOf('v2', 39)
  const together = look(undefined, 0, [arm, index, other])
  const [group] = together.tags.filter(({ name }) => name === 'v1').map(({ content }) => content)
  expect(together.tags.map(({ name, group: own }) => [name, own])).toEqual([
    ['v1', undefined],
    ['v1-arm64', group],
    ['v2', undefined],
  ])
  const memory = newMemory()
  await changeHistory(memory, repository, now, () => together)
  expect(await recallHistory(memory, repository)).toEqual(together)
  expect(look(together, 1, [arm, other]).tags.map(({ group: own }) => own)).toEqual([undefined, undefined, undefined])
})

describe('the memory of it', () => {
  const name = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,60}$/)
  const row = fc.record({ name, daysAgo: fc.integer({ min: 0, max: 300 }), isUsed: fc.boolean() })

  it('comes back as it was kept', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(row, { selector: (one) => one.name, maxLength: 30 }), async (rows) => {
        const memory = newMemory()
        const tags = rows.map((one) => tagOf(one.name, one.daysAgo))
        const references = rows.filter((one) => one.isUsed).map((one) => useOf(repository, { tag: one.name }))
        const history = historyWithout(look(look(undefined, 0, tags, references), 2, tags.slice(1)), new Set([rows[1]?.name ?? '']), 102)
        await changeHistory(memory, repository, now, () => history)
        expect(await recallHistory(memory, repository)).toEqual(history)
      }),
      { numRuns: 50, seed: 7 },
    )
  })

  it('holds 20,000 tags in entries that the memory takes, and gives back room', async () => {
    const memory = newMemory()
    const tags = Array.from({ length: 20_000 }, (_, index) => tagOf(`${'long-name-'.repeat(8)}${index}`, 3))
    await changeHistory(memory, repository, now, () => look(undefined, 0, tags))
    expect((await recallHistory(memory, repository))?.tags.length).toBe(20_000)
    expect((await memory.list('history/')).length).toBeGreaterThan(5)
    await changeHistory(memory, repository, now, () => look(undefined, 1, tags.slice(0, 10)))
    expect((await memory.list('history/')).length).toBe(1)
    expect((await recallHistory(memory, repository))?.tags.length).toBe(10)
  })

  it('keeps repositories apart, also those whose names begin alike', async () => {
    const memory = newMemory()
    for (const one of ['shop/web', 'shop/web/api', 'shop/web-2'])
      await changeHistory(memory, one, now, () => ({ ...look(undefined, 0, [tagOf('a', 1)]), repository: one }))
    expect(await recallHistories(memory)).toEqual(['shop/web', 'shop/web-2', 'shop/web/api'])
    for (const one of ['shop/web', 'shop/web/api', 'shop/web-2']) expect((await recallHistory(memory, one))?.tags.length).toBe(1)
  })

  it('begins anew where it cannot be understood', async () => {
    const memory = newMemory()
    await memory.put('history/shop/web:0', { format: 9 })
    expect(await recallHistory(memory, repository)).toBeUndefined()
    await changeHistory(memory, repository, now, (before) => (before === undefined ? look(undefined, 0, [tagOf('a', 1)]) : undefined))
    expect((await recallHistory(memory, repository))?.tags.length).toBe(1)
  })
})

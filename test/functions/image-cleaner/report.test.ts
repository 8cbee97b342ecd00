import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Settings } from '#functions/image-cleaner/event.ts'
import type { ObservedTag } from '#functions/image-cleaner/image.ts'
import { type ObservedImages, planRepository } from '#functions/image-cleaner/plan-repository.ts'
import { ByteCount, type Fate, repositoryReport } from '#functions/image-cleaner/report.ts'
import { dayMs, keeping, now, settingsOf, tagOf, useOf } from './fixtures.ts'

function observed(name: string, tags: readonly ObservedTag[], more: Partial<ObservedImages> = {}): ObservedImages {
  return {
    kind: 'repository',
    repository: { name, tags },
    references: [],
    canaries: {},
    removed: { inRun: 0, today: 0, ofRepositoryToday: 0, byPolicy: {} },
    ...more,
  }
}

function reported(tags: readonly ObservedTag[], settings: Settings, more: Partial<ObservedImages> = {}) {
  return repositoryReport(observed('shop/web', tags, more), { clusters: [{ id: 'cls-1' }], settings }, now)
}

const free = { caps: { perRepository: { amount: 1000, percent: 100 } } }

describe('the report of a repository', () => {
  it('says of each content what becomes of it, with all reasons', () => {
    const contentId = 'sha256:shared'
    const tags = [tagOf('new', 1), tagOf('a', 20, { contentId }), tagOf('b', 21, { contentId }), tagOf('c', 30), tagOf('d', 40)]
    const { contents, counts, policies } = reported(
      tags,
      keeping({ last: 1 }, { ...free, caps: { ...free.caps, perRun: 1 }, protect: ['shop/web:a'] }),
      {
        references: [
          useOf('shop/web', { tag: 'b' }),
          useOf('shop/web', { digest: contentId }, { seenMs: now - dayMs, object: 'Job prod/old' }),
        ],
      },
    )
    expect(counts).toEqual({ kept: 3, going: 1, waiting: 1 })
    expect(policies).toEqual(['all'])
    expect(
      contents.map(({ tags: own, fate, reasons, place }) => [
        own.map(({ name }) => name).join('='),
        fate,
        place,
        reasons.map(({ code }) => code),
      ]),
    ).toEqual([
      ['new', 'kept', 1, ['kept-last']],
      ['a=b', 'kept', 2, ['protected', 'referenced']],
      ['c', 'waiting', 3, ['expired', 'over-cap']],
      ['d', 'going', 4, ['expired']],
    ])
    expect(contents[1]?.uses.map(({ object }) => object)).toEqual(['Deployment prod/web, container app', 'Job prod/old'])
  })

  it('leaves out what was in use too long ago to keep anything', () => {
    const { contents } = reported([tagOf('new', 1), tagOf('old', 90)], keeping({ last: 1 }, { ...free, referenceMemory: '10d' }), {
      references: [useOf('shop/web', { tag: 'old' }, { seenMs: now - 11 * dayMs })],
    })
    expect(contents.map(({ fate, uses }) => [fate, uses.length])).toEqual([
      ['kept', 0],
      ['going', 0],
    ])
  })

  it('says why nothing of it is removed', () => {
    expect(reported([tagOf('a', 1)], settingsOf({})).whole).toMatchObject({ code: 'no-policy' })
    const frozen = { code: 'cluster-unreadable', text: 'cls-1 cannot be read' } as const
    const { counts, whole } = reported([tagOf('a', 1), tagOf('b', 90)], keeping({ last: 1 }, free), { frozen })
    expect([counts, whole?.code]).toEqual([{ kept: 2, going: 0, waiting: 0 }, 'cluster-unreadable'])
  })

  it('lets go exactly what a plan removes', () => {
    const tag = fc.record({ daysAgo: fc.integer({ min: 0, max: 60 }), content: fc.integer({ min: 0, max: 8 }), isUsed: fc.boolean() })
    fc.assert(
      fc.property(
        fc.array(tag, { maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 0, max: 6 }),
        (rows, last, perRun) => {
          const tags = rows.map(({ daysAgo, content }, index) => tagOf(`t${index}`, daysAgo, { contentId: `content-${content}` }))
          const references = rows.flatMap(({ isUsed }, index) =>
            isUsed && index % 3 === 0 ? [useOf('shop/web', { tag: `t${index}` })] : [],
          )
          const settings = keeping({ last }, { caps: { perRepository: { amount: 1000, percent: 100 }, perRun } })
          const { contents } = reported(tags, settings, { references })
          const going = contents.filter(({ fate }) => fate === 'going').flatMap((content) => content.tags.map(({ name }) => name))
          const steps = planRepository(observed('shop/web', tags, { references }), { clusters: [{ id: 'cls-1' }], settings }, now)
          const planned = steps.flatMap((step) =>
            step.verdict === 'change' && step.change.kind === 'remove' ? step.change.tags.map(({ name }) => name) : [],
          )
          expect(planned.toSorted()).toEqual(going.toSorted())
        },
      ),
      { numRuns: 200, seed: 3 },
    )
  })
})

describe('bytes of a registry', () => {
  type Row = readonly [content: string, sizeBytes: number, fate: Fate]
  const count = (...repositories: readonly (readonly Row[])[]) => {
    const bytes = new ByteCount()
    for (const rows of repositories) {
      const contents = rows.map(([contentId, sizeBytes, fate]) => ({
        tags: [tagOf('any', 1, { contentId, sizeBytes })],
        fate,
        reasons: [],
        place: 1,
        pushedMs: 0,
        sizeBytes,
        uses: [],
      }))
      bytes.add({ contents })
    }
    return bytes.total()
  }

  it('count once for each content, and only where it goes everywhere', () => {
    expect(count([['x', 5, 'going']], [['x', 5, 'going']])).toEqual({ kept: 0, waiting: 0, going: 5 })
    expect(count([['x', 5, 'going']], [['x', 5, 'kept']], [['x', 5, 'waiting']])).toEqual({ kept: 5, waiting: 0, going: 0 })
    expect(count([['x', 5, 'waiting']], [['x', 5, 'going']], [['y', 2 ** 50, 'going']])).toEqual({ kept: 0, waiting: 5, going: 2 ** 50 })
    expect(count()).toEqual({ kept: 0, waiting: 0, going: 0 })
  })

  it('are the same in whatever order, and never more than there is', () => {
    const row = fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.constant(1000), fc.constantFrom('kept', 'going', 'waiting'))
    fc.assert(
      fc.property(fc.array(fc.array(row as fc.Arbitrary<Row>, { maxLength: 5 }), { maxLength: 5 }), (repositories) => {
        const total = count(...repositories)
        expect(count(...repositories.toReversed())).toEqual(total)
        expect(total.kept + total.going + total.waiting).toBe(1000 * new Set(repositories.flat().map(([content]) => content)).size)
      }),
      { numRuns: 200, seed: 4 },
    )
  })
})

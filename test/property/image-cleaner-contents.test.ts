import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ObservedTag } from '#functions/image-cleaner/image.ts'
import { planRepository } from '#functions/image-cleaner/plan-repository.ts'
import { dayMs, keeping, now, useOf } from '../functions/image-cleaner/fixtures.ts'

const repository = 'shop/web'

/** Digests are few, so that indexes share parts, parts have tags of their own, and configurations are shared. */
const digest = fc.integer({ min: 0, max: 14 }).map((number) => `sha256:${number.toString(16).padStart(64, '0')}`)

const tags: fc.Arbitrary<readonly ObservedTag[]> = fc
  .uniqueArray(
    fc.record({
      number: fc.nat(60),
      contentId: digest,
      imageId: fc.option(digest, { nil: undefined }),
      parts: fc.oneof(
        { weight: 2, arbitrary: fc.constant([]) },
        { weight: 1, arbitrary: fc.array(digest, { minLength: 1, maxLength: 2 }) },
      ),
      daysAgo: fc.integer({ min: 0, max: 12 }),
    }),
    { minLength: 1, maxLength: 10, size: 'max', selector: ({ number }) => number },
  )
  .map((drawn) =>
    drawn.map(({ number, contentId, imageId, parts, daysAgo }) => ({
      name: `t${number}`,
      contentId,
      ...(imageId === undefined ? {} : { imageId }),
      ...(parts.length === 0 ? {} : { parts }),
      sizeBytes: 1,
      pushedMs: now - daysAgo * dayMs,
      patterns: [],
    })),
  )

const idsOf = ({ contentId, imageId, parts = [] }: ObservedTag): readonly string[] => [
  contentId,
  ...(imageId === undefined ? [] : [imageId]),
  ...parts,
]

/** Everything that can be reached from some tags over ids that two tags have in common, by looking again and again. */
function reachable(all: readonly ObservedTag[], from: readonly ObservedTag[]): ReadonlySet<string> {
  const names = new Set(from.map(({ name }) => name))
  for (let before = -1; before < names.size; ) {
    before = names.size
    const ids = new Set(all.filter(({ name }) => names.has(name)).flatMap(idsOf))
    for (const tag of all) if (idsOf(tag).some((id) => ids.has(id))) names.add(tag.name)
  }
  return names
}

describe('8: multi-platform images, their parts and what shares a configuration go or stay as one', () => {
  it('whatever is in use by tag or by digest', () => {
    let [removals, shared] = [0, 0]
    const uses = fc.array(fc.record({ index: fc.nat(9), by: fc.constantFrom('tag', 'digest', 'part') }), { maxLength: 2 })
    fc.assert(
      fc.property(tags, uses, fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 4 }), (all, drawn, last, batch) => {
        const used = drawn.flatMap(({ index, by }) => {
          const tag = all[index]
          return tag === undefined ? [] : [{ tag, by }]
        })
        const references = used.map(({ tag, by }) =>
          by === 'tag'
            ? useOf(repository, { tag: tag.name })
            : useOf(repository, { digest: by === 'part' ? (tag.parts?.[0] ?? tag.contentId) : tag.contentId }),
        )
        const settings = keeping({ last }, { batch, caps: { perRepository: { amount: 1000, percent: 100 } } })
        const nothing = { inRun: 0, today: 0, ofRepositoryToday: 0, byPolicy: {} }
        const observed = {
          kind: 'repository',
          repository: { name: repository, tags: all },
          references,
          canaries: {},
          removed: nothing,
        } as const
        const changes = planRepository(observed, { clusters: [{ id: 'cls-1' }], settings }, now).flatMap((step) =>
          step.verdict === 'change' && step.change.kind === 'remove' ? [step.change] : [],
        )
        const removed = changes.flatMap((change) => change.tags.map(({ name }) => name))
        const kept = all.filter(({ name }) => !removed.includes(name))
        expect(kept.length).toBeGreaterThan(0)
        // Neither what is in use nor what shares anything with it, over however many others.
        const must = reachable(
          all,
          used.map(({ tag }) => tag),
        )
        expect(removed.filter((name) => must.has(name))).toEqual([])
        // Nothing that goes shares anything with what stays, and nothing is split over two calls.
        const staying = reachable(all, kept)
        expect(removed.filter((name) => staying.has(name))).toEqual([])
        for (const change of changes) {
          const own = all.filter(({ name }) => change.tags.some((tag) => tag.name === name))
          expect([...reachable(all, own)].toSorted()).toEqual(own.map(({ name }) => name).toSorted())
        }
        removals += removed.length
        shared += must.size - new Set(used.map(({ tag }) => tag.name)).size
      }),
      { seed: 88, numRuns: 2000 },
    )
    expect(removals).toBeGreaterThan(500)
    expect(shared).toBeGreaterThan(500)
  })
})

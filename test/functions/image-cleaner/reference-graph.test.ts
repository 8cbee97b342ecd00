import { describe, expect, it } from 'vitest'
import { clusterMemory, frozenIn, type GraphFacts, referenceGraph, referencesTo } from '#functions/image-cleaner/reference-graph.ts'
import { dayMs, now, settingsOf, useOf } from './fixtures.ts'

const settings = settingsOf({})
const images = (count: number) => Array.from({ length: count }, (_, index) => useOf(`shop/app-${index}`, { tag: 'v1' }))

function graphOf(facts: Partial<GraphFacts>) {
  return referenceGraph({
    clusters: [{ id: 'cls-1', references: [], pods: 1 }],
    memories: [],
    remembered: [],
    settings,
    now,
    ...facts,
  })
}

const before = { id: 'cls-1', readMs: now - dayMs, images: 20, pods: 50, repositories: ['shop/web', 'shop/old'] }

describe('a cluster that cannot be read', () => {
  it('freezes every repository that it was ever seen to use, and no other', () => {
    const graph = graphOf({ clusters: [{ id: 'cls-1', problem: 'pods is forbidden' }], memories: [before] })
    expect(frozenIn(graph, 'shop/old')?.text).toContain('pods is forbidden')
    expect(frozenIn(graph, 'shop/new')).toBeUndefined()
  })

  it('freezes everything when it never was read', () => {
    expect(frozenIn(graphOf({ clusters: [{ id: 'cls-1', problem: 'timeout' }] }), 'any/thing')?.code).toBe('cluster-unreadable')
  })

  it('does not make another cluster forget what it uses', () => {
    const graph = graphOf({
      clusters: [
        { id: 'cls-1', problem: 'timeout' },
        { id: 'cls-2', references: images(2), pods: 2 },
      ],
      memories: [before],
    })
    expect(referencesTo(graph, 'shop/app-1')).toHaveLength(1)
  })
})

describe('the data-quality breaker', () => {
  it.for([
    ['uses far fewer images', { references: images(13), pods: 40 }, 'uses 13 images and used 20'],
    ['shows no pod at all', { references: images(20), pods: 0 }, 'no pod at all'],
  ] as const)('stops everything when a cluster %s', ([, cluster, text]) => {
    const graph = graphOf({ clusters: [{ id: 'cls-1', ...cluster }], memories: [before] })
    expect(frozenIn(graph, 'any/thing')).toMatchObject({ code: 'breaker' })
    expect(frozenIn(graph, 'any/thing')?.text).toContain(text)
  })

  it('lets pass a share that is not above the limit, and the second sight of a small one', () => {
    expect(frozenIn(graphOf({ clusters: [{ id: 'cls-1', references: images(14), pods: 40 }], memories: [before] }), 'a/b')).toBeUndefined()
    const small = { id: 'cls-1', references: images(5), pods: 9 } as const
    const memory = clusterMemory(small, before, now)
    expect(memory?.repositories).toContain('shop/old')
    expect(frozenIn(graphOf({ clusters: [small], memories: memory === undefined ? [] : [memory] }), 'a/b')).toBeUndefined()
  })

  it('stops everything while there are pods and nothing uses an image of the registry, unless that is said to be so', () => {
    const none = [{ id: 'cls-1', references: [], pods: 7 }]
    expect(frozenIn(graphOf({ clusters: none }), 'a/b')).toMatchObject({ code: 'breaker', text: expect.stringContaining('`hosts`') })
    expect(frozenIn(graphOf({ clusters: [...none, { id: 'cls-2', references: images(1), pods: 1 }] }), 'a/b')).toBeUndefined()
    expect(frozenIn(graphOf({ clusters: [{ id: 'cls-1', references: [], pods: 0 }] }), 'a/b')).toBeUndefined()
    const allowed = settingsOf({ breaker: { allowUnused: true } })
    expect(frozenIn(graphOf({ clusters: none, settings: allowed }), 'a/b')).toBeUndefined()
  })

  it('stops everything when the clock was set back', () => {
    const graph = graphOf({
      clusters: [{ id: 'cls-1', references: images(20), pods: 9 }],
      memories: [{ ...before, readMs: now + 11 * 60_000 }],
    })
    expect(frozenIn(graph, 'a/b')?.text).toContain('11m')
  })

  it('stops everything when nobody has looked for longer than uses are remembered, which is also what a clock set forward looks like', () => {
    const seen = [{ id: 'cls-1', references: images(20), pods: 9 }]
    const lookedAgo = (days: number) => frozenIn(graphOf({ clusters: seen, memories: [{ ...before, readMs: now - days * dayMs }] }), 'a/b')
    expect(lookedAgo(31)).toMatchObject({
      code: 'breaker',
      text: expect.stringMatching(/cls-1 was last read .* ago, so that nobody knows.*or the clock is wrong/),
    })
    expect([lookedAgo(30), lookedAgo(1)]).toEqual([undefined, undefined])
    // A week between two runs is usual, however short the memory is.
    const settings = settingsOf({ referenceMemory: '1h' })
    const weekly = [{ ...before, readMs: now - 7 * dayMs }]
    expect(frozenIn(graphOf({ clusters: seen, memories: weekly, settings }), 'a/b')).toBeUndefined()
  })

  it('stops everything without any cluster', () => {
    expect(frozenIn(graphOf({ clusters: [] }), 'a/b')?.code).toBe('references-incomplete')
  })
})

it('remembers for as long as it is told to, also of clusters that are gone', () => {
  const remembered = [
    useOf('shop/web', { tag: 'v1' }, { cluster: 'cls-gone', seenMs: now - 29 * dayMs }),
    useOf('shop/web', { tag: 'v0' }, { seenMs: now - 31 * dayMs }),
  ]
  expect(referencesTo(graphOf({ remembered }), 'shop/web').map(({ tag }) => tag)).toEqual(['v1'])
})

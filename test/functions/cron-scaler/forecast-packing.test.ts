import { describe, expect, test } from 'vitest'
import { type NodeShape, type PodsToPlace, packPods, type Room, sumOf } from '#functions/cron-scaler/forecast-packing.ts'
import { admits, type PodShape } from '#functions/cron-scaler/forecast-places.ts'
import { createRandom } from '#infra/sandbox/random.ts'

const gib = 1024 ** 3

function shapeOf(cores: number, memoryGib: number, more: Partial<PodShape> = {}): PodShape {
  return { requests: { cpuMilli: cores * 1000, memoryBytes: memoryGib * gib }, nodeSelector: {}, tolerations: [], isApart: false, ...more }
}

function podsOf(kind: string, count: number, cores: number, memoryGib: number, more: Partial<PodShape> = {}): PodsToPlace {
  return { kind, count, shape: shapeOf(cores, memoryGib, more) }
}

function roomOf(cores: number, memoryGib: number, more: Partial<Room> = {}): Room {
  return { labels: {}, taints: [], free: { cpuMilli: cores * 1000, memoryBytes: memoryGib * gib, pods: 30 }, holds: [], ...more }
}

function nodeOf(name: string, cores: number, memoryGib: number, most: number, more: Partial<NodeShape> = {}): NodeShape {
  return {
    name,
    labels: {},
    taints: [],
    free: { cpuMilli: cores * 1000, memoryBytes: memoryGib * gib, pods: 30 },
    cores,
    most,
    ...more,
  }
}

describe('places for pods', () => {
  test('what fits on the nodes that are there needs none', () => {
    const packing = packPods([podsOf('web', 6, 1, 1)], [roomOf(4, 8), roomOf(2, 8)], [nodeOf('group', 8, 16, 3)])
    expect(packing).toEqual({ added: {}, missing: {}, waiting: 0, homeless: [], cores: 0 })
  })

  test('nodes that come by themselves are taken before any is missing, and no more than come', () => {
    const packing = packPods([podsOf('web', 20, 1, 1)], [roomOf(1, 8)], [nodeOf('group', 8, 16, 2), nodeOf('fixed', 8, 16, 0)])
    expect(packing).toEqual({ added: { group: 2 }, missing: { fixed: 1 }, waiting: 3, homeless: [], cores: 24 })
  })

  test('memory and the number of pods count as well as cores', () => {
    expect(packPods([podsOf('cache', 4, 0.1, 6)], [], [nodeOf('group', 8, 16, 9)]).added).toEqual({ group: 2 })
    const narrow = nodeOf('group', 8, 16, 9, { free: { cpuMilli: 8000, memoryBytes: 16 * gib, pods: 3 } })
    expect(packPods([podsOf('tiny', 7, 0, 0)], [], [narrow]).added).toEqual({ group: 3 })
  })

  test('selectors, affinity and taints keep pods from nodes', () => {
    const gpu = { labels: { pool: 'gpu' }, taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] }
    const plain = podsOf('web', 1, 1, 1)
    const chosen = podsOf('train', 1, 1, 1, {
      nodeSelector: { pool: 'gpu' },
      tolerations: [{ key: 'gpu', operator: 'Exists', value: '', effect: '' }],
    })
    expect(packPods([plain], [roomOf(8, 8, gpu)], []).homeless).toEqual([{ kind: 'web', count: 1 }])
    expect(packPods([chosen], [roomOf(8, 8, gpu)], []).homeless).toEqual([])
    expect(packPods([chosen], [roomOf(8, 8)], [nodeOf('plain', 8, 8, 5)]).homeless).toEqual([{ kind: 'train', count: 1 }])
    const zoned = shapeOf(1, 1, {
      terms: [[{ key: 'zone', operator: 'In', values: ['a'] }], [{ key: 'pool', operator: 'Exists', values: [] }]],
    })
    expect(admits({ labels: { zone: 'b' }, taints: [] }, zoned)).toBe(false)
    expect(admits({ labels: { zone: 'b', pool: 'x' }, taints: [] }, zoned)).toBe(true)
  })

  test('pods that keep apart have a node each, and none where one of them is already', () => {
    const apart = podsOf('web', 3, 0.1, 0.1, { isApart: true })
    const packing = packPods([apart], [roomOf(8, 8, { holds: ['web'] }), roomOf(8, 8, { holds: ['other'] })], [nodeOf('group', 8, 8, 9)])
    expect(packing.added).toEqual({ group: 2 })
  })

  test('a pod larger than any node has no home, and says so for all of its kind', () => {
    expect(packPods([podsOf('huge', 3, 64, 1)], [roomOf(8, 8)], [nodeOf('group', 8, 8, 9)])).toEqual({
      added: {},
      missing: {},
      waiting: 0,
      homeless: [{ kind: 'huge', count: 3 }],
      cores: 0,
    })
  })

  test('a number that nobody means is counted at once', () => {
    const packing = packPods([podsOf('web', 2_000_000_000, 1, 1)], [roomOf(8, 8)], [nodeOf('group', 8, 8, 0)])
    expect([packing.missing, packing.waiting, packing.cores]).toEqual([{ group: 249_999_999 }, 1_999_999_992, 1_999_999_992])
  })

  test('against trying everything: never fewer nodes than are needed, rarely more, at most one', () => {
    const random = createRandom(11)
    const draw = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1))
    let exact = 0
    const cases = 250
    for (let at = 0; at < cases; at += 1) {
      const pods = Array.from({ length: draw(1, 4) }, (_, index) => podsOf(`p${index}`, 1, draw(1, 6), draw(1, 6)))
      const rooms = Array.from({ length: draw(0, 2) }, () => roomOf(draw(1, 8), draw(1, 8)))
      const group = nodeOf('group', 8, 8, draw(0, 2))
      const packing = packPods(pods, rooms, [group])
      const best = fewestNodes(pods, rooms, group)
      const found = sumOf(packing.added) + sumOf(packing.missing)
      expect(packing.homeless).toEqual([])
      expect(found, JSON.stringify({ pods, rooms, group })).toBeGreaterThanOrEqual(best)
      expect(found).toBeLessThanOrEqual(best + 1)
      expect(sumOf(packing.missing)).toBe(Math.max(0, found - group.most))
      if (found === best) exact += 1
    }
    expect(exact).toBeGreaterThan(cases * 0.95)
  })
})

/** How few nodes are enough, by trying every way to put the pods. */
function fewestNodes(pods: readonly PodsToPlace[], rooms: readonly Room[], group: NodeShape): number {
  const free = [...rooms.map((room) => ({ ...room.free })), ...pods.map(() => ({ ...group.free }))]
  const used = free.map(() => 0)
  let best = Number.POSITIVE_INFINITY
  const put = (index: number, opened: number): void => {
    if (opened >= best) return
    const pod = pods[index]
    if (pod === undefined) {
      best = opened
      return
    }
    const { cpuMilli, memoryBytes } = pod.shape.requests
    for (const [place, left] of free.entries()) {
      if (left.cpuMilli < cpuMilli || left.memoryBytes < memoryBytes) continue
      const isNew = place >= rooms.length && used[place] === 0
      left.cpuMilli -= cpuMilli
      left.memoryBytes -= memoryBytes
      used[place] = (used[place] ?? 0) + 1
      put(index + 1, opened + (isNew ? 1 : 0))
      used[place] -= 1
      left.cpuMilli += cpuMilli
      left.memoryBytes += memoryBytes
      // All empty new ones are alike.
      if (isNew) break
    }
  }
  put(0, 0)
  return best
}

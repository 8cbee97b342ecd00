import { type Amounts, admits, type Place, type PodShape } from './forecast-places.ts'

/** What is free on a node. */
export interface Free extends Amounts {
  readonly pods: number
}

/** A node that is there, with what its pods leave. */
export interface Room extends Place {
  readonly free: Free
  /** Which kinds of pods are on it, of those that keep apart. */
  readonly holds: readonly string[]
}

/** A kind of node that could be added. */
export interface NodeShape extends Place {
  readonly name: string
  /** Of an empty one: less what runs on every node of its kind. */
  readonly free: Free
  readonly cores: number
  /** How many of them come by themselves when pods wait; 0 of a kind that somebody would have to add. */
  readonly most: number
}

/** Pods that look for a place. */
export interface PodsToPlace {
  /** Of which kind they are: a workload. */
  readonly kind: string
  readonly shape: PodShape
  readonly count: number
}

export interface Packing {
  /** Nodes that come by themselves, by the names of their shapes. */
  readonly added: Readonly<Record<string, number>>
  /** Nodes that somebody would have to add. */
  readonly missing: Readonly<Record<string, number>>
  /** Pods on nodes that are missing. */
  readonly waiting: number
  /** Pods that no kind of node takes, not even an empty one. */
  readonly homeless: readonly { readonly kind: string; readonly count: number }[]
  /** Cores of all nodes that are added or missing. */
  readonly cores: number
}

/**
 * Looks for places for pods: on the nodes that are there first, then on nodes that come by themselves, then on nodes that somebody
 * would have to add. Pods of one kind are put where the least is left; a few orders of kinds are tried, and the one that leaves the
 * fewest pods without a place and takes the fewest nodes counts. So it never says fewer nodes than are needed, and now and then one
 * more than the best packing there is. Nothing that runs is moved.
 */
export function packPods(pods: readonly PodsToPlace[], rooms: readonly Room[], shapes: readonly NodeShape[]): Packing {
  const some = pods.filter(({ count }) => count > 0)
  if (some.length === 0) return { added: {}, missing: {}, waiting: 0, homeless: [], cores: 0 }
  // What is no place for any of them only takes time.
  const open = rooms.filter((room) => some.some(({ shape }) => admits(room, shape)))
  const share = sharesOf(open, shapes)
  const choices = new Map(some.map((one) => [one, open.filter((room) => admits(room, one.shape)).length]))
  const choiceOf = (one: PodsToPlace): number => choices.get(one) ?? 0
  const orders: readonly ((one: PodsToPlace) => readonly number[])[] = [
    (one) => [-share(one.shape.requests)],
    (one) => [choiceOf(one), -share(one.shape.requests)],
    (one) => [-one.shape.requests.cpuMilli, -one.shape.requests.memoryBytes],
    (one) => [-one.shape.requests.memoryBytes, -one.shape.requests.cpuMilli],
  ]
  let best: Packing | undefined
  const tried = new Set<string>()
  // In a large cluster one order is as good as another, and takes its time.
  const isLarge = some.length * open.length > mostPairs
  for (const order of isLarge ? orders.slice(1, 2) : orders) {
    const sorted = some
      .map((one) => ({ one, by: order(one) }))
      .toSorted((left, right) => compare(left.by, right.by) || (left.one.kind < right.one.kind ? -1 : 1))
    const name = sorted.map(({ one }) => some.indexOf(one)).join()
    if (tried.has(name)) continue
    tried.add(name)
    const packing = packInOrder(
      sorted.map(({ one }) => one),
      open,
      shapes,
    )
    if (best === undefined || compare(worth(packing), worth(best)) < 0) best = packing
    // Nothing is better than no new node at all.
    if (worth(best).every((part) => part === 0)) break
  }
  return best ?? { added: {}, missing: {}, waiting: 0, homeless: [], cores: 0 }
}

/** Kinds of pods times nodes, up to which several orders are tried. */
const mostPairs = 50_000

function worth({ homeless, missing, waiting, added, cores }: Packing): readonly number[] {
  return [homeless.reduce((sum, { count }) => sum + count, 0), sumOf(missing), waiting, sumOf(added), cores]
}

export function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

function compare(left: readonly number[], right: readonly number[]): number {
  for (const [index, value] of left.entries()) {
    const difference = value - (right[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

/** The larger of the two shares of a large node that a pod takes. */
function sharesOf(rooms: readonly Room[], shapes: readonly NodeShape[]): (requests: Amounts) => number {
  let cpu = 1
  let memory = 1
  for (const { free } of [...rooms, ...shapes]) {
    cpu = Math.max(cpu, free.cpuMilli)
    memory = Math.max(memory, free.memoryBytes)
  }
  return ({ cpuMilli, memoryBytes }) => Math.max(cpuMilli / cpu, memoryBytes / memory)
}

/** A room while it is being filled. */
interface Filling extends Place {
  cpuMilli: number
  memoryBytes: number
  pods: number
  readonly holds: Set<string>
  /** The room would have to be added first. */
  readonly isMissing: boolean
}

/** More full nodes of one kind than this are counted, not filled: somebody has asked for a number that nobody means. */
const mostFilled = 2_000

function packInOrder(pods: readonly PodsToPlace[], rooms: readonly Room[], shapes: readonly NodeShape[]): Packing {
  const filling: Filling[] = rooms.map(({ labels, taints, free, holds }) => ({
    labels,
    taints,
    ...free,
    holds: new Set(holds),
    isMissing: false,
  }))
  const added: Record<string, number> = {}
  const missing: Record<string, number> = {}
  const homeless: { kind: string; count: number }[] = []
  let waiting = 0
  let cores = 0
  const put = (room: Filling, { kind, shape }: PodsToPlace, most: number): number => {
    const count = Math.min(most, capacityFor(room, shape, room.holds.has(kind)))
    if (count <= 0) return 0
    room.cpuMilli -= shape.requests.cpuMilli * count
    room.memoryBytes -= shape.requests.memoryBytes * count
    room.pods -= count
    if (shape.isApart) room.holds.add(kind)
    if (room.isMissing) waiting += count
    return count
  }
  for (const one of pods) {
    let left = one.count
    const open = filling.filter((room) => admits(room, one.shape) && capacityFor(room, one.shape, room.holds.has(one.kind)) > 0)
    // Where somebody would have to add a node first only what fits nowhere else is put.
    for (const room of open.toSorted(
      (a, b) => Number(a.isMissing) - Number(b.isMissing) || a.cpuMilli - b.cpuMilli || a.memoryBytes - b.memoryBytes,
    )) {
      if (left === 0) break
      // A node that comes by itself is better than one that is missing already.
      if (room.isMissing && growing(shapes, added, one.shape).length > 0) break
      left -= put(room, one, left)
    }
    let isScanned = false
    while (left > 0) {
      const grown = growing(shapes, added, one.shape)
      const fitting =
        grown.length > 0 ? grown : shapes.filter((shape) => admits(shape, one.shape) && capacityFor(shape.free, one.shape, false) > 0)
      const shape = cheapest(fitting, one.shape, left)
      if (shape === undefined) {
        homeless.push({ kind: one.kind, count: left })
        break
      }
      const isMissing = grown.length === 0
      // Those that are opened for pods of this kind are full of them.
      if (isMissing && !isScanned) {
        isScanned = true
        for (const room of filling) if (left > 0 && room.isMissing && admits(room, one.shape)) left -= put(room, one, left)
        if (left === 0) break
      }
      const tally = isMissing ? missing : added
      const each = capacityFor(shape.free, one.shape, false)
      const full = Math.floor(left / each)
      if (isMissing && full > mostFilled) {
        tally[shape.name] = (tally[shape.name] ?? 0) + full
        cores += shape.cores * full
        waiting += full * each
        left -= full * each
        continue
      }
      tally[shape.name] = (tally[shape.name] ?? 0) + 1
      cores += shape.cores
      const room: Filling = { labels: shape.labels, taints: shape.taints, ...shape.free, holds: new Set(), isMissing }
      filling.push(room)
      left -= put(room, one, left)
    }
  }
  return { added, missing, waiting, homeless, cores }
}

/** Kinds of nodes of which one more comes by itself and takes a pod like this. */
function growing(shapes: readonly NodeShape[], added: Readonly<Record<string, number>>, pod: PodShape): readonly NodeShape[] {
  return shapes.filter((shape) => (added[shape.name] ?? 0) < shape.most && admits(shape, pod) && capacityFor(shape.free, pod, false) > 0)
}

/** How many pods like this fit into what is free. */
function capacityFor({ cpuMilli, memoryBytes, pods }: Free, { requests, isApart }: PodShape, isThere: boolean): number {
  const most = Math.min(
    pods,
    requests.cpuMilli > 0 ? Math.floor(cpuMilli / requests.cpuMilli) : Number.POSITIVE_INFINITY,
    requests.memoryBytes > 0 ? Math.floor(memoryBytes / requests.memoryBytes) : Number.POSITIVE_INFINITY,
  )
  return isApart ? Math.min(most, isThere ? 0 : 1) : most
}

/** The kind that takes the fewest cores for what is left. */
function cheapest(shapes: readonly NodeShape[], pod: PodShape, left: number): NodeShape | undefined {
  let best: { readonly shape: NodeShape; readonly cost: number } | undefined
  for (const shape of shapes) {
    const cost = shape.cores / Math.min(left, capacityFor(shape.free, pod, false))
    if (best === undefined || cost < best.cost || (cost === best.cost && shape.name < best.shape.name)) best = { shape, cost }
  }
  return best?.shape
}

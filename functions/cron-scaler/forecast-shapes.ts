import type { Free, NodeShape } from './forecast-packing.ts'
import type { PodShape, Taint } from './forecast-places.ts'
import type { ForecastCluster, SeenNode } from './forecast-view.ts'

/** Labels that each node has of its own: a new one would not have them. */
const ownLabels: ReadonlySet<string> = new Set(['kubernetes.io/hostname', 'cloud.tencent.com/node-instance-id'])

/**
 * The kinds of nodes that a cluster could get more of: those of its scaling groups, which come by themselves as far as the group may
 * grow, and those like nodes that it has, which somebody would have to add. A group without a node is left out, and that is said:
 * the platform does not tell what its machines are like.
 */
export function nodeShapes({ nodes, pods, groups }: Pick<ForecastCluster, 'nodes' | 'pods' | 'groups'>): {
  readonly shapes: readonly NodeShape[]
  readonly notes: readonly string[]
} {
  const machines = nodes.filter(({ isVirtual, allocatable }) => !isVirtual && allocatable.cpuMilli > 0)
  const daemons = new Map<string, PodShape[]>()
  for (const { isOfNode, node, shape } of pods) {
    if (!isOfNode || node === undefined) continue
    const own = daemons.get(node)
    if (own === undefined) daemons.set(node, [shape])
    else own.push(shape)
  }
  const freeOf = ({ name, allocatable }: SeenNode): Free => {
    const own = daemons.get(name) ?? []
    return {
      cpuMilli: allocatable.cpuMilli - own.reduce((sum, { requests }) => sum + requests.cpuMilli, 0),
      memoryBytes: allocatable.memoryBytes - own.reduce((sum, { requests }) => sum + requests.memoryBytes, 0),
      pods: allocatable.pods - own.length,
    }
  }
  const shapes: NodeShape[] = []
  const notes: string[] = []
  const known = new Map(groups.map((group) => [group.id, group]))
  for (const { id, growsTo = 0 } of groups) {
    const own = machines.filter(({ groupId }) => groupId === id)
    const most = Math.max(0, growsTo - own.length)
    const [first] = own
    if (first === undefined) {
      if (most > 0)
        notes.push(
          `The scaling group ${id} may grow to ${growsTo} nodes and has none, so nobody knows what they are like: it does not count.`,
        )
      continue
    }
    shapes.push({
      name: id,
      labels: Object.fromEntries(
        Object.entries(first.labels).filter(([key, value]) => !ownLabels.has(key) && own.every(({ labels }) => labels[key] === value)),
      ),
      // One that only some of them have was put there since.
      taints: lasting(first.taints).filter((taint) => own.every(({ taints }) => taints.some((one) => isSame(one, taint)))),
      free: leastOf(own.map(freeOf)),
      cores: Math.max(...own.map(({ cores }) => cores)),
      most,
    })
  }
  const likes = Map.groupBy(
    machines.filter(({ groupId }) => groupId === undefined || !known.has(groupId)),
    (node) => JSON.stringify([lastingLabels(node.labels), lasting(node.taints), node.allocatable]),
  )
  for (const own of likes.values()) {
    const [first] = own
    if (first === undefined) continue
    const { name, labels, taints, cores } = first
    shapes.push({
      name: `like ${name}`,
      labels: lastingLabels(labels),
      taints: lasting(taints),
      free: leastOf(own.map(freeOf)),
      cores,
      most: 0,
    })
  }
  return { shapes, notes }
}

function lastingLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !ownLabels.has(key)))
}

/** What a node says of itself now, an empty new one would not. */
function lasting(taints: readonly Taint[]): readonly Taint[] {
  return taints.filter(({ key }) => !key.startsWith('node.kubernetes.io/'))
}

function isSame(one: Taint, other: Taint): boolean {
  return one.key === other.key && one.value === other.value && one.effect === other.effect
}

function leastOf(all: readonly Free[]): Free {
  const least = (of: keyof Free): number => Math.min(...all.map((one) => one[of]))
  return { cpuMilli: least('cpuMilli'), memoryBytes: least('memoryBytes'), pods: least('pods') }
}

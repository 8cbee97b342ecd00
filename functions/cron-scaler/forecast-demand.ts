import type { Free, PodsToPlace, Room } from './forecast-packing.ts'
import { type LabelRequirement, meets, type PodShape } from './forecast-places.ts'
import { type ForecastCluster, type SeenPod, type SeenWorkload, workloadName } from './forecast-view.ts'

/** How many pods a workload has at least, and at most where an autoscaler sizes it. */
export interface WorkloadSize {
  readonly name: string
  readonly least: number
  readonly most: number
}

export interface SizedWorkload {
  readonly name: string
  readonly pods: number
}

/** What is asked of a cluster when its workloads have certain sizes. */
export interface Asked {
  /** Nodes that take pods, with what those that stay leave. */
  readonly rooms: readonly Room[]
  /** Pods that look for a place. */
  readonly pods: readonly PodsToPlace[]
  /** Of all pods together, those that are placed already included. */
  readonly total: { readonly pods: number; readonly cpuMilli: number; readonly memoryBytes: number }
}

/** The pods of a cluster, and what becomes of them when workloads have other sizes. */
export interface Demand {
  readonly at: (sized: readonly SizedWorkload[]) => Asked
  /** How many pods a workload has now, those without a place included. */
  readonly present: (name: string) => number
  /** Pods of the whole cluster when workloads have these sizes. */
  readonly podsOf: (sized: readonly WorkloadSize[], which: 'least' | 'most') => number
  /** A figure by which sizes can be put in order: the more is asked for, the larger. */
  readonly asked: (sized: readonly WorkloadSize[]) => number
}

/** Pods of the workloads that change are told apart; all others stay as they are. */
export function createDemand({ nodes, pods }: Pick<ForecastCluster, 'nodes' | 'pods'>, changing: readonly SeenWorkload[]): Demand {
  const usable = new Map(nodes.filter(({ isUsable }) => isUsable).map((node) => [node.name, node]))
  const workloads = new Map(changing.map((one) => [workloadName(one), one]))
  const byNamespace = Map.groupBy(changing, ({ namespace }) => namespace)
  const own = new Map<string, SeenPod[]>(changing.map((one) => [workloadName(one), []]))
  const taken = new Map<string, Taken>()
  const waiting = new Map<string, { readonly shape: PodShape; readonly kind: string; count: number }>()
  const total = { pods: 0, cpuMilli: 0, memoryBytes: 0 }
  for (const pod of pods) {
    const workload = pod.isOfNode ? undefined : byNamespace.get(pod.namespace)?.find(({ selector }) => selects(selector, pod.labels))
    if (workload !== undefined) {
      own.get(workloadName(workload))?.push(pod)
      continue
    }
    // A DaemonSet's pod without a place waits for its own node and no other.
    if (pod.node === undefined && pod.isOfNode) continue
    total.pods += 1
    total.cpuMilli += pod.shape.requests.cpuMilli
    total.memoryBytes += pod.shape.requests.memoryBytes
    if (pod.node !== undefined) take(taken, pod.node, pod.shape)
    else {
      const name = JSON.stringify(pod.shape)
      const known = waiting.get(name) ?? { shape: pod.shape, kind: `${pod.namespace}/${pod.name}`, count: 0 }
      known.count += 1
      waiting.set(name, known)
    }
  }
  const kept = new Map([...own].map(([name, list]) => [name, inOrderOfStaying(list, workloads.get(name)?.kind === 'StatefulSet')]))
  return {
    present: (name) => own.get(name)?.length ?? 0,
    podsOf: (sized, which) => sized.reduce((sum, one) => sum + one[which], total.pods),
    asked: (sized) => {
      let sum = 0
      for (const { name, least, most } of sized) {
        const shape = workloads.get(name)?.shape
        if (shape === undefined) continue
        const { cpuMilli, memoryBytes } = shape.requests
        // A core goes with four GiB on most machines.
        sum += (least + most / 1e6) * (1 + cpuMilli + memoryBytes / 4_194_304)
      }
      return sum
    },
    at: (sized) => {
      const sum = { ...total }
      const room = new Map<string, Taken>()
      const looking: PodsToPlace[] = [...waiting.values()]
      const holds = new Map<string, Set<string>>()
      for (const { name, pods: count } of sized) {
        const workload = workloads.get(name)
        if (workload === undefined) continue
        const { shape } = workload
        const staying = (kept.get(name) ?? []).slice(0, count)
        sum.pods += count
        sum.cpuMilli += shape.requests.cpuMilli * count
        sum.memoryBytes += shape.requests.memoryBytes * count
        let placed = 0
        for (const { node, shape: present } of staying) {
          if (node === undefined) continue
          placed += 1
          take(room, node, present)
          if (!shape.isApart) continue
          const held = holds.get(node) ?? new Set()
          holds.set(node, held.add(name))
        }
        looking.push({ kind: name, shape, count: count - placed })
      }
      const rooms = [...usable.values()].map(({ name, labels, taints, allocatable }): Room => {
        const [fixed = nothing, changed = nothing] = [taken.get(name), room.get(name)]
        const free: Free = {
          cpuMilli: allocatable.cpuMilli - fixed.cpuMilli - changed.cpuMilli,
          memoryBytes: allocatable.memoryBytes - fixed.memoryBytes - changed.memoryBytes,
          pods: allocatable.pods - fixed.pods - changed.pods,
        }
        return { labels, taints, free, holds: [...(holds.get(name) ?? [])] }
      })
      return { rooms, pods: looking, total: sum }
    },
  }
}

interface Taken {
  cpuMilli: number
  memoryBytes: number
  pods: number
}

const nothing: Readonly<Taken> = { cpuMilli: 0, memoryBytes: 0, pods: 0 }

function take(taken: Map<string, Taken>, node: string, { requests }: PodShape): void {
  const known = taken.get(node) ?? { ...nothing }
  known.cpuMilli += requests.cpuMilli
  known.memoryBytes += requests.memoryBytes
  known.pods += 1
  taken.set(node, known)
}

function selects(selector: readonly LabelRequirement[], labels: Readonly<Record<string, string>>): boolean {
  return selector.length > 0 && selector.every((one) => meets(one, labels))
}

/**
 * Those that go last first, as controllers choose when a workload shrinks: of a StatefulSet the highest number goes first; of a
 * Deployment those without a place, then where several are on one node, then the youngest.
 */
function inOrderOfStaying(pods: readonly SeenPod[], isNumbered: boolean): readonly SeenPod[] {
  if (isNumbered) return pods.toSorted((one, other) => ordinalOf(one) - ordinalOf(other))
  const seen = new Map<string, number>()
  const rank = new Map<SeenPod, number>()
  for (const pod of pods.toSorted((one, other) => one.createdMs - other.createdMs || (one.name < other.name ? -1 : 1))) {
    const { node } = pod
    if (node === undefined) {
      rank.set(pod, Number.POSITIVE_INFINITY)
      continue
    }
    const before = seen.get(node) ?? 0
    seen.set(node, before + 1)
    rank.set(pod, before)
  }
  const rankOf = (pod: SeenPod): number => rank.get(pod) ?? 0
  return [...rank.keys()].toSorted((one, other) => (rankOf(one) === rankOf(other) ? 0 : rankOf(one) - rankOf(other)))
}

function ordinalOf({ name }: SeenPod): number {
  return Number(/-(\d+)$/.exec(name)?.[1] ?? 0)
}

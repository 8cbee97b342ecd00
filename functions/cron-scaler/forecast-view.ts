import type { Headroom } from '#shared/licence/headroom.ts'
import type { Free } from './forecast-packing.ts'
import type { Amounts, LabelRequirement, Place, PodShape } from './forecast-places.ts'

/** What a forecast is made from, beside rules and targets: plain JSON. */
export interface ForecastView {
  readonly clusters: readonly ForecastCluster[]
  /** What license-meter last measured; absent where it has left nothing that can be understood. */
  readonly headroom?: Headroom | undefined
}

/** One cluster as a scheduler sees it, and what limits its growth. */
export interface ForecastCluster {
  readonly id: string
  readonly region: string
  /** Why nothing can be said of it; then everything else is empty. */
  readonly problem?: string | undefined
  readonly nodes: readonly SeenNode[]
  /** Those that have not ended and do not go: they take room, or look for it. */
  readonly pods: readonly SeenPod[]
  /** Those that a rule is about, be it by their autoscaler. */
  readonly workloads: readonly SeenWorkload[]
  /** Scaling groups. */
  readonly groups: readonly SeenGroup[]
  readonly network: Known<Network>
  /** How many nodes the platform says that it has, those that are still being made included. */
  readonly counted: Known<{ readonly workers: number; readonly masters: number }>
  /** How many workers it may have. */
  readonly maxNodes: Known<number>
}

/** A figure, or why nobody knows it. */
export type Known<T> = { readonly value: T } | { readonly unknown: string }

export interface SeenNode extends Place {
  readonly name: string
  /** Ready, and not closed to new pods. */
  readonly isUsable: boolean
  /** Of a pool of virtual nodes: no machine. */
  readonly isVirtual: boolean
  readonly groupId?: string | undefined
  readonly cores: number
  readonly allocatable: Free
}

export interface SeenPod {
  readonly namespace: string
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** Absent while it has no place. */
  readonly node?: string | undefined
  /** It stays with its node: of a DaemonSet, or of the kubelet itself. */
  readonly isOfNode: boolean
  readonly createdMs: number
  readonly shape: PodShape
}

export interface SeenWorkload {
  readonly kind: 'Deployment' | 'StatefulSet'
  readonly namespace: string
  readonly name: string
  readonly replicas: number
  /** All requirements have to be met. */
  readonly selector: readonly LabelRequirement[]
  readonly shape: PodShape
}

export interface SeenGroup {
  readonly id: string
  /** The cluster autoscaler enlarges it when pods wait. */
  readonly growsTo?: number | undefined
}

/** Where pods get their addresses. */
export type Network =
  /** Each node takes a slice of so many addresses out of the cluster's block, of which services have a part. */
  | {
      readonly kind: 'slices'
      readonly block: string
      readonly addresses: number
      readonly perNode: number
      readonly forServices: number
    }
  /** Each pod takes an address of a subnet, and no call says how many are left there. */
  | { readonly kind: 'subnets' }

export const nothingAsked: Amounts = { cpuMilli: 0, memoryBytes: 0 }

/** `shop/Deployment/web`. */
export function workloadName({ kind, namespace, name }: Pick<SeenWorkload, 'kind' | 'namespace' | 'name'>): string {
  return [namespace, kind, name].join('/')
}

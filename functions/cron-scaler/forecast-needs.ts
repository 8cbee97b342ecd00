import type { Asked } from './forecast-demand.ts'
import { type NodeShape, type Packing, packPods, sumOf } from './forecast-packing.ts'
import type { Amounts } from './forecast-places.ts'
import { type ForecastCluster, nothingAsked } from './forecast-view.ts'

/** What a cluster may run short of; of `cores` and `memory` only together with places for pods. */
export const whats = ['pods', 'cores', 'memory', 'nodes', 'addresses', 'quota'] as const

export type What = (typeof whats)[number]

/** How much of something is needed. */
export interface Need {
  readonly need: number
  /** How much there is, or comes by itself; undefined where nobody knows. */
  readonly have: number | 'unlimited' | undefined
  /** How much is missing; 0 where nobody knows. */
  readonly short: number
  readonly unit: string
  readonly text: string
}

/** What a cluster needs when its workloads have certain sizes. */
export interface Figures {
  readonly packing: Packing
  readonly pods: number
  readonly cpuMilli: number
  readonly memoryBytes: number
  /** Machines, those that are there and those that are needed beside. */
  readonly nodes: number
  readonly newCores: number
  /** How many more come by themselves when they are needed. */
  readonly mayCome: number
  /** What those have that do come. */
  readonly coming: Amounts
}

/** Puts the pods, and counts. */
export function figuresOf(
  { rooms, pods, total }: Asked,
  shapes: readonly NodeShape[],
  view: Pick<ForecastCluster, 'nodes' | 'counted'>,
): Figures {
  const packing = packPods(pods, rooms, shapes)
  return {
    packing,
    pods: total.pods,
    cpuMilli: total.cpuMilli,
    memoryBytes: total.memoryBytes,
    nodes: machinesOf(view) + sumOf(packing.added) + sumOf(packing.missing),
    newCores: packing.cores,
    mayCome: shapes.reduce((sum, { most }) => sum + most, 0),
    coming: shapes.reduce((sum, { name, free }): Amounts => {
      const count = packing.added[name] ?? 0
      return { cpuMilli: sum.cpuMilli + free.cpuMilli * count, memoryBytes: sum.memoryBytes + free.memoryBytes * count }
    }, nothingAsked),
  }
}

/** Those that are still being made are not nodes yet, and are paid for and counted all the same. */
export function machinesOf({ nodes, counted }: Pick<ForecastCluster, 'nodes' | 'counted'>): number {
  const seen = nodes.filter(({ isVirtual }) => !isVirtual).length
  return 'value' in counted ? Math.max(seen, counted.value.workers + counted.value.masters) : seen
}

/** What each thing comes to, in the order of `whats`. */
export function needsOf(figures: Figures, view: ForecastCluster): readonly (Need & { readonly what: What })[] {
  return [
    { what: 'pods', ...podsNeed(figures) },
    { what: 'cores', ...coresNeed(figures, view) },
    { what: 'memory', ...memoryNeed(figures, view) },
    { what: 'nodes', ...nodesNeed(figures, view) },
    { what: 'addresses', ...addressesNeed(figures, view) },
    { what: 'quota', ...quotaNeed(figures, view) },
  ]
}

function stuckIn({ packing }: Figures): number {
  return packing.waiting + packing.homeless.reduce((sum, { count }) => sum + count, 0)
}

function podsNeed(figures: Figures): Need {
  const { pods, packing } = figures
  const short = stuckIn(figures)
  const homeless = packing.homeless.map(({ kind, count }) => `${count} of ${kind}`)
  const text =
    short === 0
      ? 'all find a place'
      : [
          `${short} of ${pods} find no place on the nodes that are there or come by themselves`,
          ...(homeless.length === 0
            ? []
            : [
                `${homeless.join(', ')} fit on no kind of node here, not even an empty one: look at their requests, selectors and tolerations`,
              ]),
        ].join('; ')
  return { need: pods, have: pods - short, short, unit: 'pods', text }
}

/** Nodes that take pods; virtual ones have no size that means anything. */
function usableOf({ nodes }: Pick<ForecastCluster, 'nodes'>) {
  return nodes.filter(({ isUsable, isVirtual }) => isUsable && !isVirtual)
}

function coresNeed(figures: Figures, view: ForecastCluster): Need {
  const ready = usableOf(view).reduce((sum, { allocatable }) => sum + allocatable.cpuMilli, 0)
  return amountNeed(figures, figures.cpuMilli / 1000, (ready + figures.coming.cpuMilli) / 1000, 'cores')
}

function memoryNeed(figures: Figures, view: ForecastCluster): Need {
  const gib = 1024 ** 3
  const ready = usableOf(view).reduce((sum, { allocatable }) => sum + allocatable.memoryBytes, 0)
  return amountNeed(figures, figures.memoryBytes / gib, (ready + figures.coming.memoryBytes) / gib, 'GiB')
}

/** Short only where pods find no place: what is requested on virtual nodes and on closed ones takes nothing of the ready ones. */
function amountNeed(figures: Figures, needed: number, there: number, unit: string): Need {
  const [need, have] = [round(needed), round(there)]
  const short = stuckIn(figures) === 0 ? 0 : round(Math.max(0, need - have))
  const come = sumOf(figures.packing.added)
  return {
    need,
    have,
    short,
    unit,
    text: `requested by all pods, of what ready nodes have${come === 0 ? '' : ` and the ${come} that will be added`}`,
  }
}

function nodesNeed(figures: Figures, view: ForecastCluster): Need {
  const { packing, nodes: need, mayCome } = figures
  const short = sumOf(packing.missing)
  const come = sumOf(packing.added)
  const present = need - short - come
  const unusable = view.nodes.filter(({ isUsable, isVirtual }) => !isUsable && !isVirtual).length
  const text = [
    `${present} there${unusable === 0 ? '' : `, ${unusable} of them not ready or closed to new pods`}`,
    come === 0 ? '' : `${come} will be added by scaling groups: ${countsText(packing.added)}`,
    short === 0 ? '' : `${short} nobody adds: ${countsText(packing.missing)}; add them before, or let a scaling group grow further`,
  ]
    .filter((part) => part !== '')
    .join('; ')
  return { need, have: short > 0 ? need - short : present + mayCome, short, unit: 'nodes', text }
}

function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${count} ${name.startsWith('like ') ? '' : 'of '}${name}`)
    .join(', ')
}

function addressesNeed({ nodes, pods }: Figures, { network }: ForecastCluster): Need {
  if ('unknown' in network)
    return { need: nodes, have: undefined, short: 0, unit: 'addresses', text: `nobody knows how many there are: ${network.unknown}` }
  const { value } = network
  if (value.kind === 'subnets') {
    return {
      need: pods,
      have: undefined,
      short: 0,
      unit: 'addresses',
      text: 'each pod takes one of a subnet, and no call of the platform tells how many are left there',
    }
  }
  const { block, perNode, forServices } = value
  const slices = Math.max(0, Math.floor((value.addresses - forServices) / perNode))
  const [need, have] = [nodes * perNode, slices * perNode]
  const text = `each node takes a slice of ${perNode} for its pods; ${block}, less ${forServices} for services, has ${slices} slices`
  return { need, have, short: Math.max(0, need - have), unit: 'addresses', text }
}

function quotaNeed({ nodes }: Figures, { maxNodes, counted }: ForecastCluster): Need {
  const masters = 'value' in counted ? counted.value.masters : 0
  const need = nodes - masters
  if ('unknown' in maxNodes) return { need, have: undefined, short: 0, unit: 'nodes', text: `nobody knows the quota: ${maxNodes.unknown}` }
  const have = maxNodes.value
  return { need, have, short: Math.max(0, need - have), unit: 'nodes', text: 'the most that the account may have in one cluster' }
}

/** With at most two digits after the point. */
function round(value: number): number {
  return Math.round(value * 100) / 100
}

import * as z from 'zod/mini'
import type { CloudReader, SendOptions } from '#cloud/cloud.ts'
import { type KubeObject, kubePath, kubeReader } from '#cloud/kube.ts'
import type { ClusterCores } from '#shared/licence/cross-check.ts'
import { decimalOf, formatDecimal } from '#shared/licence/decimal.ts'
import { compareTexts } from '#shared/pure/compare-texts.ts'
import { parseMilli } from '#shared/pure/quantity.ts'

/** What the platform puts on a node to say where it comes from. */
const instanceLabel = 'cloud.tencent.com/node-instance-id'
const groupLabel = 'cloud.tencent.com/auto-scaling-group-id'
const virtualPoolLabel = 'cloud.tencent.com/virtual-node-pool-id'
const instanceTypeLabel = 'node.kubernetes.io/instance-type'

const otherPool = 'other'

const Amounts = z.optional(z.nullable(z.record(z.string(), z.string())))

const Node = z.object({
  spec: z.optional(z.nullable(z.object({ providerID: z.optional(z.nullable(z.string())) }))),
  status: z.object({
    capacity: z.record(z.string(), z.string()),
    conditions: z.optional(z.nullable(z.array(z.object({ type: z.string(), status: z.string() })))),
  }),
})

const Container = z.object({ resources: z.optional(z.nullable(z.object({ requests: Amounts }))) })

const Pod = z.object({
  spec: z.object({
    containers: z.array(Container),
    initContainers: z.optional(z.nullable(z.array(Container))),
    overhead: Amounts,
  }),
  status: z.optional(z.nullable(z.object({ phase: z.optional(z.nullable(z.string())) }))),
})
type Pod = z.infer<typeof Pod>

/** An object of a cluster that does not say what it has to: then the cluster's cores are not known. */
export class UnreadableNodeError extends Error {
  override readonly name = 'UnreadableNodeError'
  readonly kind = 'node-unreadable'
}

/** What is added up, in thousandths of a core. */
interface Sum {
  count: number
  milli: number
}

/**
 * Reads what the nodes of a cluster have and what its pods ask for, by node pool and by namespace. Throws CloudError, KubeError and
 * UnreadableNodeError: a part of a cluster is no sum.
 */
export async function readCores(
  cloud: CloudReader,
  { id, region }: { readonly id: string; readonly region: string },
  now: number,
  options: SendOptions = {},
): Promise<ClusterCores> {
  const kube = kubeReader(cloud, id, { ...options, region })
  const { items: nodes } = await kube.list(kubePath({ version: 'v1', resource: 'nodes' }))
  // Those that have ended ask for nothing; a server that does not know the selector is asked to look at them, too.
  const { items: pods } = await kube.list(kubePath({ version: 'v1', resource: 'pods' }), {
    fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed',
  })
  return { cluster: id, region, at: new Date(now).toISOString(), ...capacityOf(nodes, id), namespaces: requestsOf(pods) }
}

function capacityOf(nodes: readonly KubeObject[], cluster: string): Omit<ClusterCores, 'cluster' | 'region' | 'at' | 'namespaces'> {
  const [all, notReady, virtual] = [emptySum(), emptySum(), emptySum()]
  const pools = new Map<string, Sum>()
  const machines = new Map<string, number>()
  for (const object of nodes) {
    const { data: node } = z.safeParse(Node, object)
    const milli = parseMilli(node?.status.capacity.cpu ?? '')
    const { name, labels = {} } = object.metadata
    if (node === undefined || milli === undefined || milli < 0) {
      throw new UnreadableNodeError(`The node ${name} of ${cluster} does not say how many cores it has. What the cluster has is not known.`)
    }
    const virtualPool = labels[virtualPoolLabel]
    const isVirtual = virtualPool !== undefined || labels[instanceTypeLabel] === 'eklet'
    add(sumIn(pools, virtualPool ?? labels[groupLabel] ?? otherPool), milli)
    if (isVirtual) {
      add(virtual, milli)
      continue
    }
    add(all, milli)
    if (node.status.conditions?.find(({ type }) => type === 'Ready')?.status !== 'True') add(notReady, milli)
    machines.set(labels[instanceLabel] ?? machineOf(node.spec?.providerID) ?? `${cluster}/${name}`, milli)
  }
  return {
    cores: coresText(all.milli),
    nodes: all.count,
    ...(notReady.count === 0 ? {} : { notReady: { nodes: notReady.count, cores: coresText(notReady.milli) } }),
    ...(virtual.count === 0 ? {} : { virtual: { nodes: virtual.count, cores: coresText(virtual.milli) } }),
    pools: inOrder(pools, ({ count, milli }) => ({ nodes: count, cores: coresText(milli) })),
    machines: inOrder(machines, coresText),
  }
}

/** `qcloud:///<zone>/ins-…` */
function machineOf(providerId: string | null | undefined): string | undefined {
  return /^qcloud:\/\/\/.*\/(ins-[a-z0-9]+)$/.exec(providerId ?? '')?.[1]
}

function requestsOf(pods: readonly KubeObject[]): ClusterCores['namespaces'] {
  const namespaces = new Map<string, Sum>()
  for (const object of pods) {
    const { data: pod } = z.safeParse(Pod, object)
    if (pod === undefined || pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') continue
    add(sumIn(namespaces, object.metadata.namespace ?? ''), milliOf(pod.spec))
  }
  return inOrder(namespaces, ({ count, milli }) => ({ pods: count, cores: coresText(milli) }))
}

/** What the scheduler counts: all containers, or the largest that runs before them, and what the runtime takes. */
function milliOf({ containers, initContainers, overhead }: Pod['spec']): number {
  const own = containers.reduce((sum, one) => sum + cpuOf(one.resources?.requests), 0)
  const before = (initContainers ?? []).map((one) => cpuOf(one.resources?.requests))
  return Math.max(own, ...before) + cpuOf(overhead)
}

function cpuOf(amounts: Readonly<Record<string, string>> | null | undefined): number {
  return Math.max(0, parseMilli(amounts?.cpu ?? '0') ?? 0)
}

function emptySum(): Sum {
  return { count: 0, milli: 0 }
}

function sumIn(sums: Map<string, Sum>, name: string): Sum {
  const sum = sums.get(name) ?? emptySum()
  sums.set(name, sum)
  return sum
}

function add(sum: Sum, milli: number): void {
  sum.count += 1
  sum.milli += milli
}

function coresText(milli: number): string {
  return formatDecimal(decimalOf(milli / 1000))
}

function inOrder<Value, Shown>(values: ReadonlyMap<string, Value>, show: (value: Value) => Shown): Record<string, Shown> {
  return Object.fromEntries([...values].toSorted(([one], [other]) => compareTexts(one, other)).map(([name, value]) => [name, show(value)]))
}

import { isDaemonSet, isDeployment, isStatefulSet } from '#infra/sandbox/kubernetes/shapes.ts'
import type { KubernetesState } from '#infra/sandbox/kubernetes/state.ts'
import { usedCores } from '#infra/sandbox/tke/licence.ts'
import type { World } from '#infra/sandbox/world.ts'

/** A value from an instant on, until the next one. */
export interface Change {
  readonly atMs: number
  readonly value: number
}

/** A machine that came into a cluster, or left it. */
export interface NodeMove {
  readonly atMs: number
  readonly cluster: string
  readonly machine: string
  readonly kind: 'added' | 'removed'
  readonly cores: number
}

/** A tag that is not in the registry any more. */
export interface RemovedTag {
  readonly atMs: number
  readonly repository: string
  readonly tag: string
  /** Of the image; other tags may still hold it. */
  readonly bytes: number
  /** What the registry holds less since: nothing while another tag has the same content. */
  readonly freedBytes: number
}

/** A container of a workload that got another image. */
export interface SetImage {
  readonly atMs: number
  readonly cluster: string
  /** `shop/Deployment/web`. */
  readonly workload: string
  readonly container: string
  readonly from: string
  readonly to: string
}

/** The curves of one cluster. */
export interface ClusterCurves {
  readonly cluster: string
  readonly nodes: Change[]
  readonly replicas: Change[]
}

interface HeldTag {
  readonly repository: string
  readonly tag: string
  readonly digest: string
  readonly bytes: number
}

const resources = ['apps/deployments', 'apps/statefulsets', 'apps/daemonsets'] as const

/** Looks at the world itself from time to time, and notes what is another way than at the last look: what really became of all decisions. */
export class WorldWatch {
  readonly curves: readonly ClusterCurves[]
  readonly cores: ReadonlyMap<string, Change[]>
  readonly registryBytes: Change[] = []
  readonly nodes: NodeMove[] = []
  readonly removed: RemovedTag[] = []
  readonly images: SetImage[] = []
  readonly #world: World
  readonly #machines = new Map<string, { readonly cluster: string; readonly cores: number }>()
  readonly #containers = new Map<string, string>()
  readonly #revisions = new Map<string, string>()
  #registry = ''
  #tags = new Map<string, HeldTag>()

  constructor(world: World, clusters: readonly string[], regions: readonly string[], now: number) {
    this.#world = world
    this.curves = clusters.map((cluster) => ({ cluster, nodes: [], replicas: [] }))
    this.cores = new Map(regions.map((region) => [region, []]))
    this.look(now)
    // What was there at the beginning has not come or changed.
    this.nodes.length = 0
    this.images.length = 0
  }

  look(now: number): void {
    this.#lookAtMachines(now)
    for (const { cluster, replicas } of this.curves) this.#lookAtWorkloads(cluster, replicas, now)
    this.#lookAtRegistry(now)
  }

  #lookAtMachines(now: number): void {
    const counts = new Map<string, number>()
    const present = new Set<string>()
    for (const { instanceId, node, cpuCores } of Object.values(this.#world.tke.machines)) {
      if (node === null || node.state === 'failed') continue
      present.add(instanceId)
      counts.set(node.clusterId, (counts.get(node.clusterId) ?? 0) + 1)
      if (this.#machines.has(instanceId)) continue
      this.#machines.set(instanceId, { cluster: node.clusterId, cores: cpuCores })
      this.nodes.push({ atMs: now, cluster: node.clusterId, machine: instanceId, kind: 'added', cores: cpuCores })
    }
    for (const [machine, { cluster, cores }] of this.#machines) {
      if (present.has(machine)) continue
      this.#machines.delete(machine)
      this.nodes.push({ atMs: now, cluster, machine, kind: 'removed', cores })
    }
    for (const { cluster, nodes } of this.curves) note(nodes, now, counts.get(cluster) ?? 0)
    for (const [region, changes] of this.cores) {
      const used = usedCores(this.#world, region).reduce((sum, { cores }) => sum + cores, 0)
      note(changes, now, used)
    }
  }

  #lookAtWorkloads(cluster: string, replicas: Change[], now: number): void {
    const state = this.#world.kubernetes[cluster]
    if (state === undefined) return
    const revisions = resources.map((resource) => state.changed[resource] ?? 0).join()
    if (this.#revisions.get(cluster) === revisions) return
    this.#revisions.set(cluster, revisions)
    let sum = 0
    for (const object of objectsOf(state)) {
      if (isDeployment(object) || isStatefulSet(object)) sum += object.spec.replicas
      else if (!isDaemonSet(object)) continue
      const workload = `${object.metadata.namespace ?? ''}/${object.kind}/${object.metadata.name}`
      const { containers, initContainers = [] } = object.spec.template.spec
      for (const { name, image = '' } of [...containers, ...initContainers]) {
        const key = `${cluster}/${workload}/${name}`
        const before = this.#containers.get(key)
        this.#containers.set(key, image)
        if (before !== undefined && before !== image)
          this.images.push({ atMs: now, cluster, workload, container: name, from: before, to: image })
      }
    }
    note(replicas, now, sum)
  }

  #lookAtRegistry(now: number): void {
    const { repositories, nextTagRow } = this.#world.tcr
    const mark = `${nextTagRow}/${Object.values(repositories).reduce((sum, { updatedAt, tags }) => sum + updatedAt + Object.keys(tags).length, 0)}`
    if (mark === this.#registry) return
    this.#registry = mark
    const tags = new Map<string, HeldTag>()
    const contents = new Map<string, number>()
    for (const [repository, { tags: own }] of Object.entries(repositories)) {
      for (const [tag, { content }] of Object.entries(own)) {
        const { digest, sizeBytes: bytes } = content
        tags.set(`${repository}:${tag}`, { repository, tag, digest, bytes })
        contents.set(digest, bytes)
      }
    }
    const freed = new Set<string>()
    for (const [name, { repository, tag, digest, bytes }] of this.#tags) {
      if (tags.has(name)) continue
      const isFreed = !contents.has(digest) && !freed.has(digest)
      if (isFreed) freed.add(digest)
      this.removed.push({ atMs: now, repository, tag, bytes, freedBytes: isFreed ? bytes : 0 })
    }
    this.#tags = tags
    note(
      this.registryBytes,
      now,
      [...contents.values()].reduce((sum, bytes) => sum + bytes, 0),
    )
  }
}

function* objectsOf(state: KubernetesState) {
  for (const resource of resources) yield* Object.values(state.objects[resource] ?? {})
}

function note(changes: Change[], atMs: number, value: number): void {
  if (changes.at(-1)?.value !== value) changes.push({ atMs, value })
}

import { byText } from '../json.ts'
import type { DaemonSet, KubeObject, Node, Pod, Toleration } from '../shapes.ts'
import { isControllerRevision, isDaemonSet, isNode } from '../shapes.ts'
import { allObjects } from '../store.ts'
import type { Cluster, Controller } from './cluster.ts'
import { byController, controllerReference, earlier, kinds, podsOf, readySinceMs, remove, save, share } from './cluster.ts'
import { createPod } from './pod-template.ts'
import { currentRevision, forgetRevisions } from './revisions.ts'
import { fitsNode, tolerates } from './scheduler.ts'

const revisionLabel = 'controller-revision-hash'
const generationAnnotation = 'deprecated.daemonset.template.generation'

/** What daemons put up with everywhere. */
const daemonTolerations: readonly Toleration[] = [
  ...['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'].map((key) => ({ key, operator: 'Exists', effect: 'NoExecute' })),
  ...[
    'node.kubernetes.io/disk-pressure',
    'node.kubernetes.io/memory-pressure',
    'node.kubernetes.io/pid-pressure',
    'node.kubernetes.io/unschedulable',
  ].map((key) => ({ key, operator: 'Exists', effect: 'NoSchedule' })),
]

/** Keeps one pod of each daemon set on every node that takes it, and updates them as many at a time as may be missing. */
export const daemonSetController: Controller = {
  name: 'daemon-set',
  watches: ['apps/daemonsets', '/pods', '/nodes', 'apps/controllerrevisions'],
  run: (cluster) => {
    const sets = allObjects(cluster.state, 'apps', 'daemonsets').filter(isDaemonSet)
    if (sets.length === 0) return undefined
    const nodes = allObjects(cluster.state, '', 'nodes')
      .filter(isNode)
      .sort((left, right) => byText(left.metadata.name, right.metadata.name))
    const owned = byController(podsOf(cluster))
    let wakeAt: number | undefined
    for (const set of sets.sort((left, right) => byText(keyOf(left), keyOf(right)))) {
      if (set.metadata.deletionTimestamp !== undefined) continue
      wakeAt = earlier(wakeAt, reconcile(cluster, set, nodes, owned.get(set.metadata.uid) ?? []))
    }
    return wakeAt
  },
}

function keyOf(set: KubeObject): string {
  return `${set.metadata.namespace}/${set.metadata.name}`
}

/** The node a daemon's pod is on, or is meant for. */
function nodeNameOf(pod: Pod): string {
  if ((pod.spec.nodeName ?? '') !== '') return pod.spec.nodeName ?? ''
  const text = JSON.stringify(pod.spec.affinity ?? null)
  return /"key":"metadata\.name","operator":"In","values":\["([^"]+)"\]/.exec(text)?.[1] ?? ''
}

function takes(node: Node, set: DaemonSet): { readonly run: boolean; readonly stay: boolean } {
  const tolerations = [...(set.spec.template.spec.tolerations ?? []), ...daemonTolerations]
  if (!fitsNode(set.spec.template.spec, node)) return { run: false, stay: false }
  const refused = (node.spec.taints ?? []).filter((taint) => taint.effect !== 'PreferNoSchedule' && !tolerates(tolerations, taint))
  return { run: refused.length === 0, stay: !refused.some(({ effect }) => effect === 'NoExecute') }
}

function reconcile(cluster: Cluster, set: DaemonSet, nodes: readonly Node[], pods: readonly Pod[]): number | undefined {
  const revisions =
    byController(allObjects(cluster.state, 'apps', 'controllerrevisions').filter(isControllerRevision)).get(set.metadata.uid) ?? []
  const revision = currentRevision(cluster, set, set.spec.template, revisions)
  const hash = revision.metadata.labels?.['controller.kubernetes.io/hash'] ?? ''
  const byNode = new Map<string, Pod[]>()
  for (const pod of pods) {
    const name = nodeNameOf(pod)
    byNode.set(name, [...(byNode.get(name) ?? []), pod])
  }
  const wanted: Node[] = []
  for (const node of nodes) {
    const { run, stay } = takes(node, set)
    const here = byNode.get(node.metadata.name) ?? []
    if (run) wanted.push(node)
    for (const pod of here)
      if (pod.status.phase === 'Failed' && pod.metadata.deletionTimestamp === undefined) remove(cluster, kinds.pod, pod)
    const alive = here.filter((pod) => pod.status.phase !== 'Failed')
    if (run && here.length === 0) makePod(cluster, set, node, hash)
    if (!stay) for (const pod of alive) if (pod.metadata.deletionTimestamp === undefined) remove(cluster, kinds.pod, pod)
    for (const extra of alive.filter((pod) => pod.metadata.deletionTimestamp === undefined).slice(1)) remove(cluster, kinds.pod, extra)
  }
  if (set.spec.updateStrategy.type === 'RollingUpdate') rollOn(cluster, set, wanted, byNode, hash)
  forgetRevisions(
    cluster,
    revisions,
    new Set([revision.metadata.name, ...pods.map((pod) => `${set.metadata.name}-${pod.metadata.labels?.[revisionLabel] ?? ''}`)]),
    set.spec.revisionHistoryLimit,
  )
  return saveStatus(cluster, set, nodes, wanted, byNode, hash)
}

function makePod(cluster: Cluster, set: DaemonSet, node: Node, hash: string): void {
  createPod(cluster, {
    namespace: set.metadata.namespace ?? '',
    generateName: `${set.metadata.name}-`,
    template: set.spec.template,
    owner: controllerReference(set),
    labels: { [revisionLabel]: hash, 'pod-template-generation': set.metadata.annotations?.[generationAnnotation] ?? '1' },
    spec: (spec) => ({
      ...spec,
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [node.metadata.name] }] }],
          },
        },
      },
      tolerations: [
        ...(spec.tolerations ?? []).filter(({ tolerationSeconds }) => tolerationSeconds === undefined),
        ...daemonTolerations.map((toleration) => ({ ...toleration })),
      ],
    }),
  })
}

/** Deletes pods of older templates, as many as may be unavailable; those that are not available anyway come first. */
function rollOn(
  cluster: Cluster,
  set: DaemonSet,
  wanted: readonly Node[],
  byNode: ReadonlyMap<string, readonly Pod[]>,
  hash: string,
): void {
  const most = share(set.spec.updateStrategy.rollingUpdate?.maxUnavailable ?? 1, wanted.length, 'up')
  let unavailable = 0
  const old: Pod[] = []
  for (const node of wanted) {
    const here = (byNode.get(node.metadata.name) ?? []).filter((pod) => pod.metadata.deletionTimestamp === undefined)
    if (!here.some((pod) => isAvailable(cluster, set, pod))) unavailable += 1
    old.push(...here.filter((pod) => pod.metadata.labels?.[revisionLabel] !== hash))
  }
  for (const pod of old.filter((each) => !isAvailable(cluster, set, each))) remove(cluster, kinds.pod, pod)
  for (const pod of old.filter((each) => isAvailable(cluster, set, each)).slice(0, Math.max(0, most - unavailable)))
    remove(cluster, kinds.pod, pod)
}

function isAvailable(cluster: Cluster, set: DaemonSet, pod: Pod): boolean {
  const since = readySinceMs(pod)
  return (
    since !== undefined && pod.metadata.deletionTimestamp === undefined && cluster.now - since >= (set.spec.minReadySeconds ?? 0) * 1000
  )
}

function saveStatus(
  cluster: Cluster,
  set: DaemonSet,
  nodes: readonly Node[],
  wanted: readonly Node[],
  byNode: ReadonlyMap<string, readonly Pod[]>,
  hash: string,
): number | undefined {
  const isWanted = new Set(wanted.map((node) => node.metadata.name))
  const counts = { current: 0, stray: 0, ready: 0, available: 0, updated: 0 }
  let wakeAt: number | undefined
  for (const node of nodes) {
    const here = byNode.get(node.metadata.name) ?? []
    const [pod] = here
    if (!isWanted.has(node.metadata.name)) {
      if (here.length > 0) counts.stray += 1
      continue
    }
    if (pod === undefined) continue
    counts.current += 1
    if (pod.metadata.labels?.[revisionLabel] === hash) counts.updated += 1
    const since = readySinceMs(pod)
    if (since === undefined) continue
    counts.ready += 1
    if (isAvailable(cluster, set, pod)) counts.available += 1
    else wakeAt = earlier(wakeAt, since + (set.spec.minReadySeconds ?? 0) * 1000)
  }
  const unavailable = wanted.length - counts.available
  save(cluster, kinds.daemonSet, {
    ...set,
    status: {
      currentNumberScheduled: counts.current,
      numberMisscheduled: counts.stray,
      desiredNumberScheduled: wanted.length,
      numberReady: counts.ready,
      observedGeneration: set.metadata.generation ?? 0,
      ...(counts.updated === 0 ? {} : { updatedNumberScheduled: counts.updated }),
      ...(counts.available === 0 ? {} : { numberAvailable: counts.available }),
      ...(unavailable <= 0 ? {} : { numberUnavailable: unavailable }),
    },
  })
  return wakeAt
}

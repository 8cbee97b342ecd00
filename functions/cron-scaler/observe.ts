import * as z from 'zod/mini'
import type { CloudReader } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { KubeError, type KubeObject, type KubeReader, kubePath, kubeReader } from '#cloud/kube.ts'
import { configuredRules, rulesFor } from './configured-rules.ts'
import type { CronScalerConfig, Settings } from './event.ts'
import { rulesOfHpc } from './hpc.ts'
import type { Observed, ObservedAutoscaler, ObservedCluster, ObservedProblem, ObservedTarget } from './plan.ts'
import type { RuleDraft } from './rules.ts'
import { autoscalerOf, targetOf, Workload } from './scaled-object.ts'
import { readTarget, resourceOf, type Target, type TargetKind, targetKinds } from './target.ts'

/** Clusters that are read at the same time; each asks for a handful of lists. */
const clustersAtOnce = 8

/** Up to this many namespaces of targets are listed one by one; beyond, the whole cluster at once. */
const namespacesApart = 3

/** Tells HPC's group among a cluster's, in whatever edition of the platform: `autoscaling.<domain>`. */
const hpcGroupPattern = /^autoscaling\.([a-z0-9-]+\.)*cloud\.tencent\.com$/

/**
 * Reads all configured clusters: the HPC objects, whether the platform's own controller runs, and of the targets that rules
 * name their sizes, annotations and autoscalers. What a cluster refuses becomes a problem of that cluster and of nothing
 * else. Reads only what rules need: a cluster without rules costs a call or two.
 */
export async function observe(cloud: CloudReader, config: CronScalerConfig): Promise<Observed> {
  const configured = configuredRules(config)
  const clusters: ObservedCluster[] = []
  const waiting = [...config.clusters.entries()]
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, cluster] = next
      const own = rulesFor(configured, cluster.id)
      clusters[index] = await observeCluster(cloud, cluster, own, config.settings)
    }
  }
  await Promise.all(Array.from({ length: Math.min(clustersAtOnce, waiting.length) }, work))
  return { clusters }
}

async function observeCluster(
  cloud: CloudReader,
  { id, region }: CronScalerConfig['clusters'][number],
  configured: readonly RuleDraft[],
  settings: Settings,
): Promise<ObservedCluster> {
  const problems: ObservedProblem[] = []
  let isReadable = false
  const attempt = async <T>(part: ObservedProblem['part'], read: () => Promise<T>): Promise<T | undefined> => {
    try {
      const found = await read()
      isReadable = true
      return found
    } catch (error) {
      if (!(error instanceof CloudError || error instanceof KubeError)) throw error
      problems.push({ part, text: error.message })
      return undefined
    }
  }

  const reader = kubeReader(cloud, id, region === undefined ? {} : { region })
  const found = settings.hpc.enabled ? await attempt('rules', () => readRules(reader, settings)) : undefined
  const { rules = [], missingGroup } = found ?? {}
  if (missingGroup !== undefined) problems.push({ part: 'hpc-group', text: missingGroup })
  const wanted = targetsOf([...rules, ...configured])
  const controller = rules.length === 0 ? 'absent' : ((await attempt('controller', () => readController(reader))) ?? 'unknown')
  if (controller === 'strange')
    problems.push({ part: 'controller', text: `${id}: kube-system/tke-hpc-controller does not look like a Deployment` })
  const targets: ObservedTarget[] = []
  const autoscalers: ObservedAutoscaler[] = []
  await Promise.all(
    kindsToRead(wanted).map(async (kind) => {
      const namespaces = namespacesOf(wanted, kind)
      for (const object of (await attempt(kind, () => listKind(reader, kind, namespaces))) ?? []) {
        const target = targetOf(object, kind)
        const autoscaler = kind === 'HorizontalPodAutoscaler' ? autoscalerOf(object) : undefined
        if (target !== undefined) targets.push(target)
        if (autoscaler !== undefined) autoscalers.push(autoscaler)
        const isStrange = target === undefined || (kind === 'HorizontalPodAutoscaler' && autoscaler === undefined)
        if (isStrange) problems.push(strangeObject(object, kind, id))
      }
    }),
  )
  const [first] = problems
  if (first !== undefined && !isReadable) problems.unshift({ part: 'cluster', text: first.text })
  return { id, rules, targets, autoscalers, controller: controller === 'strange' ? 'unknown' : controller, problems }
}

/**
 * All rules of a cluster's HPC objects, of every API group that serves such a kind: a cluster that has had two editions of it has
 * two. A cluster without has none; that is worth a word only where the settings name the group.
 */
async function readRules(
  reader: KubeReader,
  settings: Settings,
): Promise<{ readonly rules: RuleDraft[]; readonly missingGroup?: string | undefined }> {
  const named = settings.hpc.group
  const groups =
    named === undefined ? (await reader.discover()).map(({ group }) => group).filter((name) => hpcGroupPattern.test(name)) : [named]
  const served = await Promise.all(groups.map((group) => hpcPaths(reader, group)))
  const paths = served.flat()
  if (paths.length === 0 && named !== undefined) {
    const text = `${reader.clusterId} serves no HPC objects in the API group ${named}: install HPC there, or correct hpc.group, or leave it out to have it found`
    return { rules: [], missingGroup: text }
  }
  const lists = await Promise.all(paths.map((path) => reader.list(path)))
  return { rules: lists.flatMap(({ items }) => items.flatMap((object) => rulesOfHpc(object, reader.clusterId, settings))) }
}

/** Where a group serves HPC objects. The plural differs between editions (`…cronscalers`, `…cronscales`), the beginning does not. */
async function hpcPaths(reader: KubeReader, group: string): Promise<string[]> {
  const found = await reader.discover(group)
  // The group's preferred version comes first; all versions are views of the same objects.
  const versions = new Map<string, string>()
  for (const { resource, version, verbs } of found?.resources ?? []) {
    if (resource.startsWith('horizontalpodcron') && verbs.includes('list') && !versions.has(resource)) versions.set(resource, version)
  }
  return [...versions].map(([resource, version]) => kubePath({ group, version, resource }))
}

/** `strange` when what is there does not look like a Deployment: that is no reason to think that nothing runs. */
async function readController(reader: KubeReader): Promise<'running' | 'absent' | 'strange'> {
  const path = kubePath({ group: 'apps', version: 'v1', resource: 'deployments', namespace: 'kube-system', name: 'tke-hpc-controller' })
  try {
    const parsed = z.safeParse(Workload, await reader.get(path))
    if (!parsed.success) return 'strange'
    return (parsed.data.spec.replicas ?? 1) > 0 ? 'running' : 'absent'
  } catch (error) {
    if (error instanceof KubeError && error.kind === 'kube.not-found') return 'absent'
    throw error
  }
}

function strangeObject({ metadata }: KubeObject, kind: TargetKind, cluster: string): ObservedProblem {
  const { namespace = '', name } = metadata
  return { part: kind, object: { namespace, name }, text: `${cluster}: ${kind} ${namespace}/${name} does not look like one` }
}

/** The targets that can be read; what cannot is for the plan to report. */
function targetsOf(drafts: readonly RuleDraft[]): Target[] {
  return drafts.flatMap((draft) => {
    const target = readTarget(draft.target, draft.namespace)
    return target.ok ? [target.value] : []
  })
}

/** Workloads are never sized without a look at the autoscalers. */
function kindsToRead(targets: readonly Target[]): TargetKind[] {
  return targetKinds.filter((kind) => targets.some((target) => target.kind === kind || kind === 'HorizontalPodAutoscaler'))
}

/** The namespaces to list of a kind; undefined is all. */
function namespacesOf(targets: readonly Target[], kind: TargetKind): readonly (string | undefined)[] {
  const own = targets.filter((target) => target.kind === kind || kind === 'HorizontalPodAutoscaler')
  const namespaces = [...new Set(own.map(({ namespace }) => namespace))].toSorted()
  return namespaces.length > namespacesApart ? [undefined] : namespaces
}

async function listKind(reader: KubeReader, kind: TargetKind, namespaces: readonly (string | undefined)[]): Promise<KubeObject[]> {
  const lists = await Promise.all(namespaces.map((namespace) => reader.list(kubePath({ ...resourceOf(kind), namespace }))))
  return lists.flatMap(({ items }) => items)
}

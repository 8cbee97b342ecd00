import * as z from 'zod/mini'
import type { CloudReader } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { KubeError, type KubeObject, type KubeReader, kubePath, kubeReader } from '#cloud/kube.ts'
import type { CronScalerConfig, Settings } from './event.ts'
import { rulesOfHpc } from './hpc.ts'
import {
  configuredRules,
  type Observed,
  type ObservedAutoscaler,
  type ObservedCluster,
  type ObservedProblem,
  type ObservedTarget,
} from './plan.ts'
import type { RuleDraft } from './rules.ts'
import { Autoscaler, targetOf, Workload } from './scaled-object.ts'
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
      const own = configured.filter((draft) => draft.cluster === cluster.id)
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
  const attempt = async <T>(part: ObservedProblem['part'], read: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof CloudError || error instanceof KubeError)) throw error
      problems.push({ part, text: error.message })
      return undefined
    }
  }

  const reader = kubeReader(cloud, id, region === undefined ? {} : { region })
  const rules = settings.hpc.enabled ? ((await attempt('rules', () => readRules(reader, settings))) ?? []) : []
  const wanted = targetsOf([...rules, ...configured])
  const kinds = kindsToRead(wanted)
  const controller = rules.length === 0 ? 'absent' : ((await attempt('controller', () => readController(reader))) ?? 'unknown')
  const targets: ObservedTarget[] = []
  const autoscalers: ObservedAutoscaler[] = []
  await Promise.all(
    kinds.map(async (kind) => {
      const namespaces = namespacesOf(wanted, kind)
      const objects = await attempt(kind, () => listKind(reader, kind, namespaces))
      for (const object of objects ?? []) {
        const target = targetOf(object, kind)
        if (target !== undefined) targets.push(target)
        const autoscaler = kind === 'HorizontalPodAutoscaler' ? autoscalerOf(object) : undefined
        if (autoscaler !== undefined) autoscalers.push(autoscaler)
      }
    }),
  )
  return { id, rules, targets, autoscalers, controller, problems }
}

/** All rules of a cluster's HPC objects. A cluster without such a kind has none. */
async function readRules(reader: KubeReader, settings: Settings): Promise<RuleDraft[]> {
  const group = settings.hpc.group ?? (await reader.discover()).map((entry) => entry.group).find((name) => hpcGroupPattern.test(name))
  if (group === undefined) return []
  const found = await reader.discover(group)
  // The plural differs between editions (`horizontalpodcronscalers`, `horizontalpodcronscales`), the beginning does not.
  const resource = found?.resources.find(({ resource: name, verbs }) => name.startsWith('horizontalpodcron') && verbs.includes('list'))
  if (resource === undefined) return []
  const { items } = await reader.list(kubePath({ group, version: resource.version, resource: resource.resource }))
  return items.flatMap((object) => rulesOfHpc(object, reader.clusterId, settings))
}

async function readController(reader: KubeReader): Promise<'running' | 'absent'> {
  const path = kubePath({ group: 'apps', version: 'v1', resource: 'deployments', namespace: 'kube-system', name: 'tke-hpc-controller' })
  try {
    const parsed = z.safeParse(Workload, await reader.get(path))
    return parsed.success && (parsed.data.spec.replicas ?? 1) > 0 ? 'running' : 'absent'
  } catch (error) {
    if (error instanceof KubeError && error.kind === 'kube.not-found') return 'absent'
    throw error
  }
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

function autoscalerOf(object: KubeObject): ObservedAutoscaler | undefined {
  const parsed = z.safeParse(Autoscaler, object)
  if (!parsed.success) return undefined
  const { metadata, spec } = parsed.data
  const { apiVersion = '', kind, name } = spec.scaleTargetRef
  return { namespace: metadata.namespace, name: metadata.name, workload: { apiVersion, kind, name } }
}

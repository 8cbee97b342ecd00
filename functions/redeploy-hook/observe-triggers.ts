import type { CloudReader } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { DescribeApplicationTriggerLogPersonal } from '#cloud/generated/tcr/describe-application-trigger-log-personal.ts'
import { KubeError, type KubeReader, kubeReader } from '#cloud/kube.ts'
import { parsePlatformTime } from '#shared/pure/platform-time.ts'
import type { TriggerFacts } from './change.ts'
import type { RedeployConfig } from './event.ts'
import type { TriggerLogLine } from './poll-diff.ts'
import { readTriggers } from './registry-triggers.ts'
import type { ObservedTriggers, SeenTrigger } from './triggers.ts'
import { type WorkloadKind, workloadKinds } from './workload.ts'
import { pathOf, regionOf } from './workload-path.ts'

/** Lines of the log that are read of one repository. It is only asked what was last. */
const logLines = 100

/**
 * Reads the triggers of the registry for the repositories that rules or configured triggers are for, what became of them last, and
 * which kinds of workload there are of the name that each one gives: the registry hides which one is meant.
 */
export async function observeTriggers(
  cloud: CloudReader,
  repositories: readonly string[],
  config: RedeployConfig,
): Promise<ObservedTriggers | undefined> {
  const { settings } = config
  if (settings.registry.kind !== 'tcr-personal') return undefined
  const names = [...new Set([...repositories, ...(settings.triggers?.items ?? []).map(({ repository }) => repository)])].toSorted()
  try {
    const clusters = new Map(config.clusters.map(({ id }) => [id, kubeReader(cloud, id, regionOf(id, config))]))
    const triggers: SeenTrigger[] = []
    const log: TriggerLogLine[] = []
    for (const name of names) {
      const found = await readTriggers(cloud, name)
      for (const facts of found) {
        const kinds = await kindsOf(clusters.get(facts.cluster), facts)
        triggers.push(kinds === undefined ? { facts } : { facts, kinds })
      }
      if (found.length > 0) log.push(...(await readLog(cloud, name, settings.timeZone)))
    }
    return { triggers, log }
  } catch (error) {
    if (!(error instanceof CloudError)) throw error
    return { triggers: [], log: [], problem: error.message }
  }
}

/** Undefined where the cluster is none of ours or cannot be read. */
async function kindsOf(kube: KubeReader | undefined, facts: TriggerFacts): Promise<readonly WorkloadKind[] | undefined> {
  if (kube === undefined) return undefined
  const kinds: WorkloadKind[] = []
  for (const kind of workloadKinds) {
    try {
      await kube.get(await pathOf({ ...facts, kind, name: facts.workload }, kube))
      kinds.push(kind)
    } catch (error) {
      if (error instanceof KubeError && (error.kind === 'kube.not-found' || error.kind === 'kube.invalid')) continue
      if (error instanceof KubeError || error instanceof CloudError) return undefined
      throw error
    }
  }
  return kinds
}

async function readLog(cloud: CloudReader, repository: string, timeZone: string): Promise<readonly TriggerLogLine[]> {
  const { Data } = await cloud.send(DescribeApplicationTriggerLogPersonal, {
    RepoName: repository,
    Offset: 0,
    Limit: logLines,
    OrderBy: 'invoke_time',
    Order: 'desc',
  })
  return (Data.LogInfo ?? []).flatMap(({ TagName, TriggerName, InvokeTime, InvokeResult }): TriggerLogLine[] => {
    const atMs = parsePlatformTime(InvokeTime ?? '', timeZone)
    if (atMs === undefined || TagName === null || TriggerName === null) return []
    const code = InvokeResult?.ReturnCode
    const message = InvokeResult?.ReturnMsg
    return [
      {
        repository,
        tag: TagName,
        trigger: TriggerName,
        atMs,
        ...(code === null || code === undefined ? {} : { returnCode: Number(code) }),
        ...(message === null || message === undefined ? {} : { message }),
      },
    ]
  })
}

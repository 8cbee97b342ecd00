import { CloudError } from '#cloud/errors.ts'
import { KubeError, type KubeObject, kubePath, kubeReader } from '#cloud/kube.ts'
import { calendarsOf, readCalendars } from '#functions/cron-scaler/calendar-reading.ts'
import { clusterOf, ruleContext } from '#functions/cron-scaler/configured-rules.ts'
import { definition } from '#functions/cron-scaler/definition.ts'
import type { Settings } from '#functions/cron-scaler/event.ts'
import { upcomingFiring } from '#functions/cron-scaler/firings.ts'
import { rulesOfHpc } from '#functions/cron-scaler/hpc.ts'
import { findHpcGroups, findHpcKinds } from '#functions/cron-scaler/hpc-object.ts'
import { compileRule, type RuleContext, type RuleDraft, ruleProblems } from '#functions/cron-scaler/rules.ts'
import { readTarget, sizeText, targetName } from '#functions/cron-scaler/target.ts'
import { formatInstant } from '#shared/pure/civil.ts'
import { clip } from '#shared/pure/clip.ts'
import { functionConfig } from '#shared/runtime/config.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { columns } from './columns.ts'
import type { CommandIo } from './command.ts'
import { UsageError } from './command.ts'
import type { Opened } from './with-platform.ts'
import { counted } from './words.ts'

/** One HPC object as a list shows it. */
interface ListedObject {
  readonly cluster: string
  readonly apiVersion: string
  readonly namespace: string
  readonly name: string
  readonly isBeingDeleted: boolean
  readonly crons: readonly ListedCron[]
}

interface ListedCron {
  readonly id: string
  /** `default/Deployment/web`; as somebody wrote it where that is no target. */
  readonly target: string
  readonly schedule: string
  readonly size: string
  readonly timeZone: string
  readonly excludeDates: readonly string[]
  readonly runOnce: boolean
  readonly isPaused: boolean
  /** When it fires next, ISO 8601; absent when it does not, or nobody can tell. */
  readonly next?: string
  /** Why it never runs, all that is wrong. */
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

/**
 * Prints the HPC objects of the clusters. A cluster that cannot be read, or does not have the group that was named, is told, and
 * makes the exit code 1.
 */
export async function listObjects(
  opened: Opened,
  io: CommandIo,
  options: { readonly cluster: string | undefined; readonly group: string | undefined; readonly json: boolean },
): Promise<number> {
  const { platform, kernel, print } = opened
  const config = await functionConfig(platform.config, definition)
  const now = platform.now()
  let { clusters } = config
  if (options.cluster !== undefined) {
    const found = clusterOf(options.cluster, clusters)
    if (!found.ok) throw new UsageError(found.error.text)
    clusters = clusters.filter(({ id }) => id === found.value)
  }
  const memory = createMemory(kernel.store, { function: definition.name, now: () => platform.now() })
  const calendars = await readCalendars(config.settings, { memory, fetchText: platform.cloud.fetchText, signal: io.signal }, now)
  const context = ruleContext(config.settings, now, calendarsOf(calendars))
  const objects: ListedObject[] = []
  let failures = 0
  for (const { id, region } of clusters) {
    try {
      const reader = kubeReader(platform.cloud, id, region === undefined ? {} : { region })
      const named = options.group ?? config.settings.hpc.group
      const kinds = await findHpcKinds(reader, named)
      if (kinds.length === 0 && named !== undefined) {
        failures += 1
        const groups = await findHpcGroups(reader)
        const known = groups.length === 0 ? 'it serves none of any group' : `it serves them in ${groups.join(', ')}`
        io.err(`${id} has no definition of HPC objects in the API group ${named}: ${known}`)
      }
      for (const { group, version, resource } of kinds) {
        const { items } = await reader.list(kubePath({ group, version, resource }))
        objects.push(...items.map((object) => listedObject(object, id, config.settings, context, now)))
      }
    } catch (error) {
      if (!(error instanceof KubeError || error instanceof CloudError)) throw error
      failures += 1
      io.err(`${id} cannot be read: ${kernel.redact(error.message)}`)
    }
  }
  if (options.json) print(JSON.stringify(objects, null, 2))
  else {
    const rows = objects.flatMap((object) => rowsOf(object))
    if (rows.length > 0) for (const line of columns(['cluster', 'cron', 'target', 'schedule', 'size', 'next', 'state'], rows)) print(line)
    else if (failures < clusters.length || failures === 0) print(`${counted(clusters.length - failures, 'cluster')}, no HPC objects.`)
  }
  return failures > 0 ? 1 : 0
}

function listedObject(object: KubeObject, cluster: string, settings: Settings, context: RuleContext, now: number): ListedObject {
  const { namespace = '', name, deletionTimestamp, ...metadata } = object.metadata
  // One that is being deleted has no rules any more; they are shown all the same.
  const drafts = rulesOfHpc({ ...object, metadata: { ...metadata, namespace, name } }, cluster, settings)
  return {
    cluster,
    apiVersion: object.apiVersion,
    namespace,
    name,
    isBeingDeleted: deletionTimestamp !== undefined,
    crons: drafts.map((draft) => listedCron(draft, context, now)),
  }
}

function listedCron(draft: RuleDraft, context: RuleContext, now: number): ListedCron {
  const compiled = compileRule(draft, context)
  const target = readTarget(draft.target, draft.namespace)
  const next = compiled.ok && compiled.value.excludes.unread === undefined ? upcomingFiring(compiled.value, undefined, now) : undefined
  const unread = compiled.ok ? compiled.value.excludes.unread : undefined
  return {
    id: draft.id,
    target: target.ok ? targetName(target.value) : clip(`${draft.target.kind ?? '?'}/${draft.target.name ?? '?'}`, 80),
    schedule: draft.schedule,
    size: compiled.ok ? sizeText(compiled.value.size) : '',
    timeZone: draft.timeZone,
    excludeDates: draft.excludeDates,
    runOnce: draft.runOnce,
    isPaused: draft.paused,
    ...(next === undefined ? {} : { next: new Date(next).toISOString() }),
    problems: ruleProblems(draft, context).map(({ text }) => text),
    warnings: [
      ...(compiled.ok ? compiled.value.warnings : draft.warnings),
      ...(unread === undefined ? [] : [`its calendar cannot be read: ${unread}`]),
    ],
  }
}

function rowsOf({ cluster, namespace, name, crons, isBeingDeleted }: ListedObject): readonly (readonly string[])[] {
  if (crons.length === 0) return [[cluster, `hpc/${namespace}/${name}`, '', '', '', '', isBeingDeleted ? 'being deleted' : 'has no crons']]
  return crons.map(({ id, target, schedule, size, next, timeZone, ...cron }) => [
    cluster,
    id,
    target,
    clip(schedule, 40),
    size,
    next === undefined ? '-' : formatInstant(Date.parse(next), timeZone),
    stateOf(cron, isBeingDeleted),
  ])
}

function stateOf(
  { problems, warnings, isPaused, runOnce }: Pick<ListedCron, 'problems' | 'warnings' | 'isPaused' | 'runOnce'>,
  isBeingDeleted: boolean,
): string {
  const [problem, ...more] = problems
  if (problem !== undefined) return `invalid: ${problem}${more.length === 0 ? '' : ` (and ${counted(more.length, 'more problem')})`}`
  const words = [
    ...(isBeingDeleted ? ['being deleted'] : []),
    ...(isPaused ? ['paused'] : []),
    ...(runOnce ? ['runs once'] : []),
    ...warnings.map((warning) => `warning: ${warning}`),
  ]
  return words.length === 0 ? 'ok' : words.join('; ')
}

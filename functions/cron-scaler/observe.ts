import * as z from 'zod/mini'
import type { CloudReader } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { KubeError, type KubeObject, type KubeReader, kubePath, kubeReader } from '#cloud/kube.ts'
import type { FunctionConfig, ObserveAround } from '#shared/runtime/definition.ts'
import { noFetch } from '#shared/runtime/fetch-text.ts'
import { noMemory } from '#shared/runtime/memory.ts'
import { type ConfiguredFor, configuredByCluster } from './configured-for.ts'
import {
  type ClusterNote,
  type Cursor,
  clusterDigest,
  commonDigest,
  configDigestOf,
  isInTime,
  kindsAgainMs,
  type QuietCluster,
  quietKindsAgainMs,
  recallClusters,
  type Seen,
  type ServedKinds,
} from './cursor.ts'
import { type CronScalerConfig, calendarSource, type Settings } from './event.ts'
import { rulesOfHpc } from './hpc.ts'
import type { ObservedAutoscaler, ObservedCluster, ObservedProblem, ObservedTarget } from './plan.ts'
import type { RuleDraft } from './rules.ts'
import { autoscalerOf, targetOf, Workload } from './scaled-object.ts'
import { readTarget, resourceOf, type Target, type TargetKind, targetKinds } from './target.ts'

const nothingAround: ObserveAround = { memory: noMemory, fetchText: noFetch }

/** Clusters that are read at the same time; each asks for a handful of lists. */
const clustersAtOnce = 8

/** Up to this many namespaces of targets are listed one by one; beyond, the whole cluster at once. */
const namespacesApart = 3

/**
 * Reads all configured clusters: the HPC objects, whether the platform's own controller runs, and of the targets that rules
 * and overrides name their sizes, annotations and autoscalers. What a cluster refuses becomes a problem of that cluster and of
 * nothing else. Reads only what rules need: a cluster without rules costs a call or two.
 *
 * Where an earlier run has left that all is done in a cluster and nothing is due there since, the targets are not read: what is
 * left is one list for each kind of HPC objects, and nothing at all where rules come from the configuration only. Calendars with an
 * address are fetched when there is none at hand that is young enough.
 */
export async function observe(
  cloud: CloudReader,
  config: Pick<FunctionConfig<Settings>, 'mode' | 'clusters' | 'settings'>,
  now: number,
  around: ObserveAround = nothingAround,
): Promise<Seen> {
  const { mode, settings } = config
  const [addresses, recalled] = await Promise.all([readAddresses(settings, around, now), recallClusters(around.memory)])
  const { calendars, warnings, keep } = addresses
  const common = commonDigest(mode, settings, calendars)
  const configured = configuredByCluster(config)
  const isFresh = around.fresh === true
  const found: Found[] = []
  const waiting = [...config.clusters.entries()]
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, cluster] = next
      const before = recalled === undefined ? undefined : (recalled.get(cluster.id) ?? { known: {}, version: 'absent' as const })
      found[index] = await observeCluster(cloud, cluster, { configured: configured(cluster.id), before, isFresh, common, settings, now })
    }
  }
  await Promise.all(Array.from({ length: Math.min(clustersAtOnce, waiting.length) }, work))
  return {
    clusters: found.flatMap(({ cluster }) => cluster ?? []),
    quiet: found.flatMap(({ quiet }) => quiet ?? []),
    notes: found.map(({ note }) => note),
    calendars,
    warnings,
    keep,
  }
}

/** What was read at the addresses of calendars. */
interface ReadAddresses extends Required<Pick<Seen, 'calendars' | 'warnings' | 'keep'>> {}

/** Most configurations have no such calendar: then what reads them is not even loaded. */
async function readAddresses(settings: Settings, around: ObserveAround, now: number): Promise<ReadAddresses> {
  const isNeeded = Object.values(settings.calendars).some((calendar) => calendarSource(calendar) !== undefined)
  if (!isNeeded) return { calendars: {}, warnings: [], keep: {} }
  const { calendarsOf, calendarWarnings, readCalendars } = await import('./calendar-reading.ts')
  const readings = await readCalendars(settings, around, now)
  return { calendars: calendarsOf(readings), warnings: calendarWarnings(readings), keep: readings }
}

/** One cluster: read, or quiet. */
interface Found {
  readonly cluster?: ObservedCluster
  readonly quiet?: QuietCluster
  readonly note: ClusterNote
}

interface ClusterCase {
  readonly configured: ConfiguredFor
  readonly before: ClusterNote['before']
  readonly isFresh: boolean
  readonly common: string
  readonly settings: Settings
  readonly now: number
}

async function observeCluster(
  cloud: CloudReader,
  { id, region }: CronScalerConfig['clusters'][number],
  { configured, before, isFresh, common, settings, now }: ClusterCase,
): Promise<Found> {
  const configDigest = configDigestOf(common, configured)
  const { kinds: servedBefore, cursor: leftBefore, overridden = [] } = before?.known ?? {}
  const known = isFresh ? undefined : servedBefore
  const mayStand = !isFresh && leftBefore !== undefined && leftBefore.configDigest === configDigest && isInTime(leftBefore, now)
  const cursor = mayStand ? leftBefore : undefined
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
  const noteOf = (digest: string, kinds: ServedKinds | undefined): ClusterNote => ({
    id,
    digest,
    configDigest,
    ...(kinds === undefined ? {} : { kinds }),
    ...(before === undefined ? {} : { before }),
  })
  const isEmpty = ({ ruleCount }: Cursor): boolean => ruleCount === 0 && configured.overrides.length === 0
  let kindsBefore = known
  if (settings.hpc.enabled && cursor !== undefined && known !== undefined && isTimeForKinds(known, cursor, settings, now)) {
    const { groupsNow } = await import('./served-kinds.ts')
    const groups = await groupsNow(reader)
    if (groups?.join() === known.groups.join()) {
      return { quiet: { id, cursor, isEmpty: isEmpty(cursor) }, note: noteOf(cursor.digest, { ...known, at: now }) }
    }
    if (groups !== undefined) kindsBefore = undefined
  }
  let found = settings.hpc.enabled ? await attempt('rules', () => readRules(reader, settings, kindsBefore, now)) : undefined
  let digest = clusterDigest(configDigest, found?.rules ?? [])
  if (problems.length === 0 && found?.missingGroup === undefined && cursor?.digest === digest) {
    const drafts = cursor.newsMs !== undefined && cursor.newsMs <= now ? [...(found?.rules ?? []), ...configured.drafts] : undefined
    return {
      quiet: { id, cursor, isEmpty: isEmpty(cursor), ...(drafts === undefined ? {} : { drafts }) },
      note: noteOf(digest, found?.kinds),
    }
  }
  if (found !== undefined && now - found.kinds.at >= kindsAgainMs) {
    const { kinds: listed, rules: listedRules } = found
    found = await attempt('rules', () => renewRules(reader, settings, listed, listedRules, now))
    digest = clusterDigest(configDigest, found?.rules ?? [])
  }
  const { rules = [], kinds, missingGroup } = found ?? {}
  if (missingGroup !== undefined) problems.push({ part: 'hpc-group', text: missingGroup })
  const note = noteOf(digest, kinds)

  const wanted = [...targetsOf([...rules, ...configured.drafts]), ...configured.overrides.map(({ target }) => target), ...overridden]
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
  const state = controller === 'strange' ? 'unknown' : controller
  return { cluster: { id, rules, targets, autoscalers, controller: state, problems }, note }
}

interface ReadRules {
  readonly rules: RuleDraft[]
  readonly kinds: ServedKinds
  readonly missingGroup?: string | undefined
}

/**
 * All rules of a cluster's HPC objects, of every API group that serves such a kind: a cluster that has had two editions of it has
 * two. A cluster without has none; that is worth a word only where the settings name the group. Where they are served is looked
 * for when nobody knows, when it is not there any more, and in a cluster that served none every few minutes.
 */
async function readRules(reader: KubeReader, settings: Settings, known: ServedKinds | undefined, now: number): Promise<ReadRules> {
  if (known !== undefined && known.named === settings.hpc.group && now >= known.at) {
    if (known.paths.length > 0 || now - known.at < kindsAgainMs) {
      try {
        return await listRules(reader, settings, known)
      } catch (error) {
        if (!(error instanceof KubeError && error.kind === 'kube.not-found')) throw error
      }
    }
  }
  return await listRules(reader, settings, await findKinds(reader, settings, now))
}

/** Looks again which kinds are served, and lists their objects where these are others than those that were listed. */
async function renewRules(
  reader: KubeReader,
  settings: Settings,
  listed: ServedKinds,
  rules: readonly RuleDraft[],
  now: number,
): Promise<ReadRules> {
  const kinds = await findKinds(reader, settings, now)
  if (listed.paths.join() === kinds.paths.join()) return { rules: [...rules], kinds }
  return await listRules(reader, settings, kinds)
}

/** What finds them out is loaded when somebody has to: most ticks know. */
async function findKinds(reader: KubeReader, settings: Settings, now: number): Promise<ServedKinds> {
  const { findServed } = await import('./served-kinds.ts')
  return await findServed(reader, settings, now)
}

/**
 * In a cluster in which nothing is due it is time once in a while to see whether the groups of HPC objects are still the same. That
 * is one call, and for once it takes the place of listing the objects.
 */
function isTimeForKinds(known: ServedKinds, { newsMs }: Cursor, { hpc }: Settings, now: number): boolean {
  if (hpc.group !== undefined || known.named !== undefined || known.paths.length === 0) return false
  return now - known.at >= quietKindsAgainMs && (newsMs === undefined || now < newsMs)
}

async function listRules(reader: KubeReader, settings: Settings, kinds: ServedKinds): Promise<ReadRules> {
  const { named, paths } = kinds
  if (paths.length === 0 && named !== undefined) {
    const missingGroup = `${reader.clusterId} serves no HPC objects in the API group ${named}: install HPC there, or correct hpc.group, or leave it out to have it found`
    return { rules: [], kinds, missingGroup }
  }
  const lists = await Promise.all(paths.map((path) => reader.list(path)))
  return { rules: lists.flatMap(({ items }) => items.flatMap((object) => rulesOfHpc(object, reader.clusterId, settings))), kinds }
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

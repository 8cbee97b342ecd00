import type { CloudReader } from '#cloud/cloud.ts'
import { parseImageName } from '#shared/pure/image-name.ts'
import type { FunctionConfig, ObserveAround } from '#shared/runtime/definition.ts'
import type { RecalledLook } from '#shared/runtime/look-memory.ts'
import type { Settings } from './event.ts'
import type { ReadRepository } from './image.ts'
import { type LookState, lastLook, pendingRepositories, recallHolds } from './look-memory.ts'
import { observeTriggers } from './observe-triggers.ts'
import { type Observed, unknownContents } from './plan.ts'
import { logHints, pollDiff } from './poll-diff.ts'
import type { PushHint } from './push-hint.ts'
import { type ClusterFacts, readWorkloads, type WorkloadsReading, withRunning } from './read-workloads.ts'
import { recordFor } from './record.ts'
import { patternsOf, readRepository, type SeenTags, withTags } from './registry-reading.ts'
import { recallSeen } from './seen-memory.ts'
import { isForRepository, refsOf } from './targets.ts'
import { isRead, type SeenWorkload } from './workload.ts'

export type RedeployConfig = FunctionConfig<Settings>

/** What was seen, and what of it is to be remembered. */
export interface Seen extends Observed {
  /** Tags by repository, of those that could be read: as they are, and as they were remembered. */
  readonly tags: readonly { readonly repository: string; readonly before: SeenTags | undefined; readonly seen: SeenTags }[]
  readonly facts: readonly { readonly cluster: string; readonly facts: ClusterFacts }[]
  /** Absent when it was no tick that looked. */
  readonly look?: RecalledLook<LookState> | undefined
  /** Repositories whose turn to be looked at again this was. */
  readonly due: readonly string[]
}

/** Repositories that are read at the same time. */
const readAtOnce = 4
/** Everything is looked at again after this when not all of it could be seen, even where `reconcileEvery` is longer. */
const unseenAgainMs = 5 * 60_000

/**
 * Looks at what is due at a tick: everything from time to time and when somebody asks; else the repositories where something goes on
 * (a rollout, a soak time, something that was put off), and those that the poll finds something pushed to.
 */
export async function observe(cloud: CloudReader, config: RedeployConfig, now: number, around: ObserveAround): Promise<Seen> {
  const { settings } = config
  const look = await lastLook.recall(around.memory)
  const { state } = look
  const pending = await pendingRepositories.recall(around.memory)
  const due = [...pending].filter(([, atMs]) => atMs <= now).map(([repository]) => repository)
  if (around.fresh === true || isDue(state.fullMs, settings.reconcileEvery, now))
    return await observeAll(cloud, config, now, around, { look, due })
  const isPoll = settings.poll !== false && isDue(state.polledMs, settings.poll.every, now)
  const polled = isPoll ? [...namedBy(config), ...(state.repositories ?? [])] : []
  const { reading, hints } = await readAndCompare(cloud, [...due, ...polled], config, now, around)
  const scope = [...new Set([...due, ...hints.map(({ repository }) => repository)])]
  const repositories = reading.repositories.filter(({ name }) => scope.includes(name))
  const workloads = await readWorkloads(cloud, refsOf(config, scope), config, { memory: around.memory, now })
  const seen = await complete(cloud, config, now, around, { scope, hints, repositories, workloads })
  return { ...seen, tags: reading.tags, due, look: isPoll ? { ...look, state: { ...state, polledMs: now } } : undefined }
}

/** Looks at all workloads that rules are for, at the repositories of these rules, and at the triggers of the registry. */
async function observeAll(
  cloud: CloudReader,
  config: RedeployConfig,
  now: number,
  around: ObserveAround,
  { look, due }: { readonly look: RecalledLook<LookState>; readonly due: readonly string[] },
): Promise<Seen> {
  const workloads = await readWorkloads(cloud, refsOf(config, 'all'), config, { memory: around.memory, now })
  const isUnseen = workloads.workloads.some((one) => !isRead(one) && one.problem.code === 'cluster-unreadable')
  const patterned = runBy(workloads.workloads, config)
  // What a cluster ran that cannot be read now is in nobody else's memory.
  const own = [...new Set([...patterned, ...(isUnseen ? (look.state.repositories ?? []) : [])])].toSorted()
  const names = [...namedBy(config), ...own]
  const { reading, hints: found } = await readAndCompare(cloud, names, config, now, around)
  const triggers = await observeTriggers(cloud, names, config)
  // The log also names what was pushed and replaced again since the last look.
  const logged = logHints(triggers?.log ?? [], look.state.fullMs ?? now)
  const hints = [
    ...found,
    ...logged.filter(({ repository, tag }) => found.every((one) => one.repository !== repository || one.tag !== tag)),
  ]
  const seen = await complete(cloud, config, now, around, { scope: 'all', hints, repositories: reading.repositories, workloads })
  const soonerMs = Math.max(0, config.settings.reconcileEvery - unseenAgainMs)
  return {
    ...seen,
    ...(triggers === undefined ? {} : { triggers }),
    tags: reading.tags,
    due,
    look: {
      ...look,
      state: { format: 1, fullMs: isUnseen ? now - soonerMs : now, polledMs: now, ...(own.length === 0 ? {} : { repositories: own }) },
    },
  }
}

/** Looks at the repositories that somebody said something was pushed to, and at nothing else. */
export async function observeHints(
  cloud: CloudReader,
  config: RedeployConfig,
  now: number,
  around: ObserveAround,
  hints: readonly PushHint[],
): Promise<Seen> {
  const scope = [...new Set(hints.map(({ repository }) => repository))].filter((name) =>
    config.settings.rules.some((rule) => isForRepository(rule, name)),
  )
  const before = await recallAll(scope, around)
  const reading = await readRepositories(cloud, scope, config, { before, hints, now })
  const workloads = await readWorkloads(cloud, refsOf(config, scope), config, { memory: around.memory, now })
  const seen = await complete(cloud, config, now, around, { scope, hints, repositories: reading.repositories, workloads })
  return { ...seen, tags: reading.tags, due: scope }
}

/** Repositories as they are now, and what was pushed to them since they were looked at last. */
async function readAndCompare(cloud: CloudReader, names: readonly string[], config: RedeployConfig, now: number, around: ObserveAround) {
  const different = [...new Set(names)].toSorted()
  const before = await recallAll(different, around)
  const reading = await readRepositories(cloud, different, config, { before, hints: [], now })
  return { reading, hints: reading.repositories.flatMap((repository) => pollDiff(before.get(repository.name), repository)) }
}

async function recallAll(names: readonly string[], { memory }: ObserveAround): Promise<ReadonlyMap<string, SeenTags | undefined>> {
  return new Map(await Promise.all(names.map(async (name) => [name, await recallSeen(memory, name)] as const)))
}

/** What the workloads run is asked for where nothing of the registry tells it. */
async function complete(
  cloud: CloudReader,
  config: RedeployConfig,
  now: number,
  { memory }: ObserveAround,
  of: Pick<Observed, 'scope' | 'hints' | 'repositories'> & { readonly workloads: WorkloadsReading },
): Promise<Pick<Seen, 'scope' | 'hints' | 'repositories' | 'workloads' | 'holds' | 'facts'>> {
  const { scope, hints, workloads: reading } = of
  const repositories = await Promise.all(
    of.repositories.map(async (one) => await withTags(cloud, one, runningTags(reading.workloads, one.name), config)),
  )
  const sight = { scope, hints, repositories, workloads: reading.workloads, holds: await recallHolds(memory, reading.workloads) }
  const workloads = await withRunning(cloud, sight.workloads, unknownContents(sight, config), config, now)
  return { ...sight, workloads, facts: [...reading.facts].map(([cluster, facts]) => ({ cluster, facts })) }
}

function isDue(lastMs: number | undefined, everyMs: number, now: number): boolean {
  // A clock that was set back must not keep anybody from looking.
  return lastMs === undefined || lastMs > now || now - lastMs >= everyMs
}

/** The repositories that rules name. */
function namedBy({ settings }: RedeployConfig): readonly string[] {
  return settings.rules.flatMap(({ repository }) => repository ?? [])
}

/**
 * The repositories that rules are for by a pattern: of those that fit only the ones that a workload runs can become anything, so the
 * registry is not asked for a list, which it may not give.
 */
function runBy(workloads: readonly SeenWorkload[], { settings }: RedeployConfig): readonly string[] {
  const patterns = settings.rules.filter(({ repositories }) => repositories !== undefined)
  if (patterns.length === 0) return []
  const names = workloads
    .filter(isRead)
    .flatMap(({ containers }) => containers.flatMap(({ image }) => parseImageName(image)?.repository ?? []))
  return [...new Set(names)].filter((name) => patterns.some((rule) => isForRepository(rule, name)))
}

async function readRepositories(
  cloud: CloudReader,
  names: readonly string[],
  config: RedeployConfig,
  around: {
    readonly before: ReadonlyMap<string, SeenTags | undefined>
    readonly hints: readonly PushHint[]
    readonly now: number
  },
): Promise<Pick<Seen, 'repositories' | 'tags'>> {
  const patterns = await patternsOf(config.settings)
  const repositories: ReadRepository[] = []
  const tags: Seen['tags'][number][] = []
  const waiting = names.values()
  const read = async (): Promise<void> => {
    for (const name of waiting) {
      const claims = around.hints.filter(({ repository }) => repository === name)
      const { repository, seen } = await readRepository(cloud, name, config, {
        patterns,
        before: around.before.get(name),
        claims,
        now: around.now,
      })
      repositories.push(repository)
      if (seen !== undefined) tags.push({ repository: name, before: around.before.get(name), seen })
    }
  }
  await Promise.all(Array.from({ length: Math.min(readAtOnce, names.length) }, read))
  return {
    repositories: repositories.toSorted((left, right) => (left.name < right.name ? -1 : 1)),
    tags: tags.toSorted((left, right) => (left.repository < right.repository ? -1 : 1)),
  }
}

/** Tags of a repository that clusters run, or that a rollback would lead to, by what their workloads say. */
function runningTags(workloads: readonly SeenWorkload[], repository: string): readonly string[] {
  const images = workloads.filter(isRead).flatMap(({ containers, record }) =>
    containers.flatMap(({ name, image }) => {
      const { set } = recordFor(record, name)
      return set?.previous === undefined ? [image] : [image, set.previous.image]
    }),
  )
  const names = images.flatMap((image) => {
    const name = parseImageName(image)
    return name?.repository === repository && name.tag !== undefined ? [name.tag] : []
  })
  return [...new Set(names)]
}

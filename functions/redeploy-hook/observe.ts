import type { CloudReader } from '#cloud/cloud.ts'
import { dockerRegistry } from '#cloud/docker-registry.ts'
import { CloudError } from '#cloud/errors.ts'
import { DescribeRepositoryOwnerPersonal } from '#cloud/generated/tcr/describe-repository-owner-personal.ts'
import { pages } from '#cloud/pages.ts'
import { RegistryError } from '#cloud/registry-error.ts'
import { parseImageName } from '#shared/pure/image-name.ts'
import type { FunctionConfig, ObserveAround } from '#shared/runtime/definition.ts'
import type { Settings } from './event.ts'
import type { ReadRepository } from './image.ts'
import { type LookState, recallHolds, recallLook, recallPending, recallSeen } from './look-memory.ts'
import { observeTriggers } from './observe-triggers.ts'
import { type Observed, unknownContents } from './plan.ts'
import { pollDiff } from './poll-diff.ts'
import type { PushHint } from './push-hint.ts'
import { type ClusterFacts, readWorkloads, withRunning } from './read-workloads.ts'
import { patternsOf, readRepository, type SeenTags, withTags } from './registry-reading.ts'
import { isForRepository, refsOf } from './targets.ts'
import { isRead, type SeenWorkload } from './workload.ts'

export type RedeployConfig = FunctionConfig<Settings>

/** What was seen, and what of it is to be remembered. */
export interface Seen extends Observed {
  /** Tags by repository, of those that could be read. */
  readonly tags: readonly { readonly repository: string; readonly seen: SeenTags }[]
  readonly facts: readonly { readonly cluster: string; readonly facts: ClusterFacts }[]
  readonly look: LookState
  /** Repositories whose turn to be looked at again this was. */
  readonly due: readonly string[]
}

/** Repositories that are read at the same time. */
const readAtOnce = 4

/**
 * Looks at what is due at a tick: everything from time to time and when somebody asks; else the repositories where something goes on
 * (a rollout, a soak time, something that was put off), and those that the poll finds something pushed to.
 */
export async function observe(cloud: CloudReader, config: RedeployConfig, now: number, around: ObserveAround): Promise<Seen> {
  const { settings } = config
  const { memory } = around
  const look = await recallLook(memory)
  const isFull = around.fresh === true || settings.rules.length === 0 || isDue(look.fullMs, settings.reconcileEvery, now)
  const isPoll = isFull || (settings.poll !== false && isDue(look.polledMs, settings.poll.every, now))
  const pending = await recallPending(memory)
  const due = [...pending].filter(([, atMs]) => atMs <= now).map(([repository]) => repository)
  const known = await repositoriesOf(cloud, config, look, isFull)
  const names = isPoll ? known.names : due
  const before = new Map(await Promise.all(names.map(async (name) => [name, await recallSeen(memory, name)] as const)))
  const reading = await readRepositories(cloud, names, config, { before, hints: [], now })
  const hints = reading.repositories.flatMap((repository) => pollDiff(before.get(repository.name), repository))
  const changed = hints.map(({ repository }) => repository)
  const scope = isFull
    ? ('all' as const)
    : [...new Set([...due, ...changed])].filter((name) => known.names.includes(name) || due.includes(name))
  const seen = await complete(cloud, config, now, around, {
    scope,
    hints,
    repositories: isFull ? reading.repositories : reading.repositories.filter(({ name }) => scope !== 'all' && scope.includes(name)),
  })
  const triggers = isFull ? await observeTriggers(cloud, known.names, config) : undefined
  return {
    ...seen,
    ...(triggers === undefined ? {} : { triggers }),
    tags: reading.tags,
    due,
    look: {
      ...look,
      ...(isFull ? { fullMs: now } : {}),
      ...(isPoll ? { polledMs: now } : {}),
      ...(known.isNews ? { repositories: [...known.names] } : {}),
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
  const names = [...new Set(hints.map(({ repository }) => repository))].filter((name) =>
    config.settings.rules.some((rule) => isForRepository(rule, name)),
  )
  const [look, before] = await Promise.all([
    recallLook(around.memory),
    Promise.all(names.map(async (name) => [name, await recallSeen(around.memory, name)] as const)),
  ])
  const reading = await readRepositories(cloud, names, config, { before: new Map(before), hints, now })
  const seen = await complete(cloud, config, now, around, { scope: names, hints, repositories: reading.repositories })
  return { ...seen, tags: reading.tags, due: names, look }
}

/** The workloads that belong to what was read of the registry. */
async function complete(
  cloud: CloudReader,
  config: RedeployConfig,
  now: number,
  { memory }: ObserveAround,
  of: { readonly scope: Observed['scope']; readonly hints: readonly PushHint[]; readonly repositories: readonly ReadRepository[] },
): Promise<Pick<Seen, 'scope' | 'hints' | 'repositories' | 'workloads' | 'holds' | 'facts'>> {
  const refs = refsOf(config, of.scope)
  const [reading, holds] = await Promise.all([readWorkloads(cloud, refs, config, { memory, now }), recallHolds(memory)])
  const repositories = await Promise.all(
    of.repositories.map(async (one) => await withTags(cloud, one, runningTags(reading.workloads, one.name), config)),
  )
  const sight = { ...of, repositories, workloads: reading.workloads, holds }
  const workloads = await withRunning(cloud, sight.workloads, unknownContents(sight, config), config, now)
  return { ...sight, workloads, facts: [...reading.facts].map(([cluster, facts]) => ({ cluster, facts })) }
}

function isDue(lastMs: number | undefined, everyMs: number, now: number): boolean {
  // A clock that was set back must not keep anybody from looking.
  return lastMs === undefined || lastMs > now || now - lastMs >= everyMs
}

interface KnownRepositories {
  readonly names: readonly string[]
  readonly isNews: boolean
}

/** The repositories that rules are for. Only rules that go by patterns need the list of all. */
async function repositoriesOf(cloud: CloudReader, config: RedeployConfig, look: LookState, isFull: boolean): Promise<KnownRepositories> {
  const { rules } = config.settings
  const named = rules.flatMap(({ repository }) => repository ?? [])
  if (rules.every(({ repositories }) => repositories === undefined)) return { names: [...new Set(named)].toSorted(), isNews: false }
  const listed = isFull || look.repositories === undefined ? await listRepositories(cloud, config) : undefined
  const all = listed ?? look.repositories ?? []
  const own = all.filter((name) => rules.some((rule) => isForRepository(rule, name)))
  return { names: [...new Set([...named, ...own])].toSorted(), isNews: listed !== undefined }
}

/** Undefined when the registry does not tell. */
async function listRepositories(cloud: CloudReader, { settings }: RedeployConfig): Promise<readonly string[] | undefined> {
  try {
    if (settings.registry.kind === 'docker') return await dockerRegistry(cloud, settings.registry).repositories()
    const rows = await pages(cloud, DescribeRepositoryOwnerPersonal, {})
    return rows.flatMap(({ RepoName }) => (typeof RepoName === 'string' && RepoName !== '' ? [RepoName] : []))
  } catch (error) {
    if (error instanceof CloudError || error instanceof RegistryError) return undefined
    throw error
  }
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
  const tags: { repository: string; seen: SeenTags }[] = []
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
      if (seen !== undefined) tags.push({ repository: name, seen })
    }
  }
  await Promise.all(Array.from({ length: Math.min(readAtOnce, names.length) }, read))
  return {
    repositories: repositories.toSorted((left, right) => (left.name < right.name ? -1 : 1)),
    tags: tags.toSorted((left, right) => (left.repository < right.repository ? -1 : 1)),
  }
}

/** Tags of a repository that clusters run, by what their workloads say. */
function runningTags(workloads: readonly SeenWorkload[], repository: string): readonly string[] {
  const names = workloads.filter(isRead).flatMap(({ containers }) =>
    containers.flatMap(({ image }) => {
      const name = parseImageName(image)
      return name?.repository === repository && name.tag !== undefined ? [name.tag] : []
    }),
  )
  return [...new Set(names)]
}

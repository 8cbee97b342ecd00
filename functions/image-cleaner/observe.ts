import type { CloudReader } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { RegistryError } from '#cloud/registry-error.ts'
import { civilOf } from '#shared/pure/civil.ts'
import type { Decision } from '#shared/pure/step.ts'
import type { ObserveAround, PartOutcome } from '#shared/runtime/definition.ts'
import { type DeployingImage, recallDeploying } from '#shared/runtime/image-claims.ts'
import { type CanaryState, dayOf } from './canary.ts'
import type { Settings } from './event.ts'
import { type TimedTag, timedTags } from './first-seen.ts'
import type { ObservedRepository } from './image.ts'
import type { ImageChange, RemoveChange } from './image-change.ts'
import {
  addHarms,
  type Harm,
  harmOf,
  harmOfQuarantine,
  isUnderGlobal,
  noHarm,
  type ObservedServerPolicy,
  ownPolicy,
  wantedPolicy,
} from './lifecycle.ts'
import { type ObservedUses, type ObserveUsesConfig, observeUses } from './observe-references.ts'
import { compilePatterns, type TagPattern } from './patterns.ts'
import type { ObservedIdle, ObservedPart, ObservedProblem } from './plan.ts'
import type { Copy } from './plan-copies.ts'
import { type ImageStep, type ObservedImages, planRepository } from './plan-repository.ts'
import { isFor, judgeRepository } from './policy.ts'
import { frozenIn, type ReferenceGraph, type ReferenceMemory, referenceGraph, referencesTo } from './reference-graph.ts'
import { recallReferences } from './reference-memory.ts'
import type { ImageReference } from './references.ts'
import type { ListedRepository, RegistryReader, ServerPolicy } from './registry.ts'
import { type RegistryForReading, readerOf } from './registry-of.ts'
import {
  type DayState,
  newDay,
  pendingCounted,
  type Restored,
  recallCanaries,
  recallCopies,
  recallDay,
  recallRestored,
} from './run-memory.ts'

/** After so long the clusters are asked again what they use, before anything more is removed. */
const usesAgeMs = 5 * 60_000

/**
 * Repositories that are read at the same time, the one that is decided about among them, so that waiting for answers costs no time:
 * many where they are small, and together no more tags than this unless one alone has more. What is in memory is bounded by it.
 */
const readAtOnce = { repositories: 16, tags: 20_000 }
/** What a repository counts for when its registry does not tell how many tags it has. */
const unknownTags = 6000

/**
 * Reads what a run needs, part by part: first all clusters, then the copies of removed tags, then one repository after another, at
 * last the policies that the registry itself carries out. After each part it is told what became of it, so that caps count
 * over the whole run; and when applying has taken long, the clusters are asked again before the next repository.
 *
 * A run belongs to a day. One that was stopped goes on with the next repository; when all are done, and outside the configured hours,
 * only the copies of removed tags are looked at, unless somebody wants to see everything now. Throws PatternError, ReferenceMemoryError, StoreError.
 *
 * @param only the repositories that are looked at, for somebody who asks about some: nothing is said about the registry's own policies then
 */
export async function* observe(
  cloud: CloudReader,
  config: ObserveUsesConfig,
  now: number,
  around: ObserveAround,
  only?: (repository: string) => boolean,
): AsyncGenerator<ObservedPart, void, PartOutcome<ImageChange>> {
  const { settings } = config
  const { memory, fresh = false } = around
  const day = dayOf(now, settings.timeZone)
  const { mode } = config
  const known = await recallDay(memory, day, mode)
  // However a run is meant: what went today went by runs that enforce.
  const real = mode === 'enforce' ? known : await recallDay(memory, day, 'enforce')
  const idle = fresh ? undefined : whyIdle(known, settings, now)
  if (idle !== undefined) {
    const copies = settings.quarantine === undefined ? [] : await recallCopies(memory)
    // What was removed and is needed after all does not wait for the next night.
    if (settings.quarantine !== undefined && copies.length > 0)
      yield await observeCopies(readerOf(cloud, settings).registry, settings.quarantine.repository, copies, {
        uses: await observeUses(cloud, config, now),
        isGlance: true,
      })
    yield idle
    return
  }
  const { removed, byRepository } = pendingCounted(real)
  const state = { ...(fresh ? newDay(day) : known), removed, byRepository, pending: real.pending }
  const patterns = await compilePatterns(settings.policies.flatMap(({ keep }) => (keep.pattern === undefined ? [] : [keep.pattern])))
  const ports = readerOf(cloud, settings)
  const { registry } = ports
  const seen = await look(cloud, config, now, around, ports)
  if (seen.problem !== undefined) {
    yield { kind: 'problem', target: registry.title, code: 'registry-unreadable', text: seen.problem }
    return
  }
  let latest = yield {
    kind: 'clusters',
    clusters: seen.uses.map(clusterFacts),
    ...(seen.graph.all === undefined ? {} : { all: seen.graph.all }),
    uses: seen.uses,
    before: seen.before,
  }

  if (settings.quarantine !== undefined) {
    latest = yield await observeCopies(registry, settings.quarantine.repository, await recallCopies(memory), seen)
  }
  const restored = await recallRestored(memory)
  yield* observeRepositories({ cloud, config, now, latestMs: latest.now, around, ports, patterns, seen, restored, state, only })
}

function whyIdle({ finished }: DayState, { hours, timeZone }: Settings, now: number): ObservedIdle | undefined {
  if (finished) return { kind: 'idle', code: 'done-today', text: 'the run of today is finished; the next one is tomorrow' }
  if (hours === undefined) return undefined
  const { from, until } = hours
  const { hour } = civilOf(now, timeZone)
  const isWithin = from < until ? hour >= from && hour < until : hour >= from || hour < until
  if (isWithin) return undefined
  return { kind: 'idle', code: 'outside-hours', text: `images are removed from ${from}:00 to ${until}:00 only (${timeZone}, \`hours\`)` }
}

/** What clusters, triggers and memory say about what is in use. */
interface Seen {
  readonly uses: readonly ObservedUses[]
  readonly before: ReferenceMemory
  readonly graph: ReferenceGraph
  /** Whether a trigger of the registry names any tag. */
  readonly hasTriggers: boolean
  readonly problem?: undefined
}

async function look(
  cloud: CloudReader,
  config: ObserveUsesConfig,
  now: number,
  { memory, memoryOf }: ObserveAround,
  { triggers }: RegistryForReading,
): Promise<Seen | { readonly problem: string }> {
  const before = await recallReferences(memory)
  const deploying = await recallDeploying(memoryOf?.('redeploy-hook'))
  const uses = await observeUses(cloud, config, now)
  let hasTriggers: boolean
  try {
    hasTriggers = (await triggers?.nameTags()) ?? false
  } catch (error) {
    if (!(error instanceof CloudError)) throw error
    return { problem: `what its triggers deploy cannot be read, so nothing is removed: ${error.message}` }
  }
  const clusters = uses.map((one) => (one.problem === undefined ? one : { id: one.id, problem: one.problem, seen: one.seen }))
  const graph = referenceGraph({
    clusters,
    memories: before.clusters,
    remembered: [...before.references, ...deploying.map((image) => deploymentOf(image, now))],
    settings: config.settings,
    now,
  })
  return { uses, before, graph, hasTriggers }
}

/** Something that another function is about to deploy, or waits with. */
function deploymentOf({ repository, tag, content, by }: DeployingImage, now: number): ImageReference {
  const names = { ...(tag === undefined ? {} : { tag }), ...(content === undefined ? {} : { content }) }
  return { repository, ...names, via: 'deployment', cluster: '', object: `redeploy-hook, which is about to give it to ${by}`, seenMs: now }
}

function clusterFacts(uses: ObservedUses) {
  if (uses.problem !== undefined) return { id: uses.id, images: 0, pods: 0, problem: uses.problem }
  const images = new Set(uses.references.map(({ repository, tag, digest }) => JSON.stringify([repository, tag, digest]))).size
  return { id: uses.id, images, pods: uses.pods, elsewhere: uses.elsewhere }
}

async function observeCopies(
  registry: RegistryReader,
  quarantine: string,
  copies: readonly Copy[],
  { uses, graph, isGlance }: Pick<Seen, 'uses'> & { readonly graph?: ReferenceGraph; readonly isGlance?: boolean },
): Promise<ObservedPart> {
  const unread = uses.find(({ problem }) => problem !== undefined)
  const frozen = graph?.all?.text ?? (unread === undefined ? undefined : `the cluster ${unread.id} cannot be read`)
  try {
    const present = new Set(await tagNames(registry, quarantine))
    const known = new Set(copies.map(({ copy }) => copy))
    return {
      kind: 'copies',
      quarantine,
      copies: copies.filter(({ copy }) => present.has(copy)),
      unknown: [...present].filter((name) => !known.has(name)),
      missing: uses.flatMap((one) => (one.problem === undefined ? one.missing : [])),
      ...(frozen === undefined ? {} : { frozen }),
      ...(isGlance === undefined ? {} : { isGlance }),
    }
  } catch (error) {
    const text = readProblem(error)
    return { kind: 'problem', target: quarantine, code: 'quarantine-unreadable', text: `what is in the quarantine cannot be read: ${text}` }
  }
}

/** The names of all tags; none where there is no such repository yet: the first copy makes it. */
async function tagNames(registry: RegistryReader, repository: string): Promise<readonly string[]> {
  try {
    return (await registry.tags(repository)).map(({ name }) => name)
  } catch (error) {
    if (error instanceof CloudError && error.code.startsWith('ResourceNotFound')) return []
    throw error
  }
}

interface RepositoriesCase {
  readonly cloud: CloudReader
  readonly config: ObserveUsesConfig
  readonly now: number
  /** The time when what came before the repositories was done. */
  readonly latestMs: number
  readonly around: ObserveAround
  readonly ports: RegistryForReading
  readonly patterns: ReadonlyMap<string, TagPattern>
  readonly seen: Seen
  readonly restored: readonly Restored[]
  readonly state: DayState
  readonly only: ((repository: string) => boolean) | undefined
}

async function* observeRepositories(facts: RepositoriesCase): AsyncGenerator<ObservedPart, void, PartOutcome<ImageChange>> {
  const { cloud, config, now, around, ports, state, only } = facts
  const { registry } = ports
  const { settings } = config
  let { seen, latestMs } = facts
  let lookedAt = now
  /** Asks the clusters again when they have not been asked for long, which looking itself can take. Answers why not, if so. */
  const keepFresh = async (): Promise<ObservedProblem | undefined> => {
    if (latestMs - lookedAt <= usesAgeMs) return undefined
    const again = await look(cloud, config, latestMs, around, ports)
    if (again.problem !== undefined) return { kind: 'problem', target: registry.title, code: 'registry-unreadable', text: again.problem }
    // A doubt is of the whole run: what was remembered meanwhile makes the same answers look like the usual ones.
    seen = seen.graph.all?.code === 'breaker' ? { ...again, graph: { ...again.graph, all: seen.graph.all } } : again
    lookedAt = latestMs
    return undefined
  }
  const canaries = await recallCanaries(around.memory)
  const { pending } = state
  const removed = { inRun: 0, today: state.removed, byPolicy: new Map((pending?.policies ?? []).map((name) => [name, pending?.tags ?? 0])) }
  const counted = new Map(Object.entries(state.counted ?? {}))
  const policies: ObservedServerPolicy[] = []
  let globalHarm = { present: noHarm, wanted: noHarm, problem: undefined as string | undefined }
  let listed: readonly ListedRepository[]
  let global: ServerPolicy | undefined
  try {
    listed = await registry.repositories()
    global = await ports.policies?.serverPolicy()
  } catch (error) {
    yield {
      kind: 'problem',
      target: registry.title,
      code: 'registry-unreadable',
      text: `its repositories cannot be listed: ${readProblem(error)}`,
    }
    return
  }
  const names = listed.map(({ name }) => name)
  const wantedGlobal = wantedPolicy(settings)
  if (only === undefined && state.through === '') yield* problemsWith(settings, names)
  const waiting = listed.filter(({ name }) => name > state.through && name !== settings.quarantine?.repository && only?.(name) !== false)
  for await (const { repository, own, triggers } of readAhead(waiting, (one) => readRepository({ ...facts, seen }, one))) {
    const { name } = repository
    const stale = await keepFresh()
    if (stale !== undefined) {
      yield stale
      return
    }
    const usesNow = (deployed: readonly ImageReference[] = []) => {
      const frozen = frozenIn(seen.graph, name)
      return { references: [...referencesTo(seen.graph, name), ...triggers, ...deployed], ...(frozen === undefined ? {} : { frozen }) }
    }
    const { references, frozen } = usesNow()
    const verdict = judgeRepository({ repository, references, frozen, settings, now })
    if (own.problem === undefined) {
      const wanted = wantedPolicy(settings, name)
      const harmsOf = (policy: ServerPolicy | undefined): Harm => harmOf(policy, verdict, now)
      const facts = { repository: name, present: own.policy, wanted, global: { present: global, wanted: wantedGlobal }, harmsOf }
      policies.push(ownPolicy(facts))
      globalHarm = { ...globalHarm, ...harmsAdded(globalHarm, facts) }
    } else {
      globalHarm = { ...globalHarm, problem: `${name}: ${own.problem}` }
    }
    let part: ObservedImages = {
      kind: 'repository',
      repository,
      ...usesNow(),
      canaries: canariesOf(canaries, settings),
      removed: {
        inRun: removed.inRun,
        today: removed.today,
        ofRepositoryToday: state.byRepository[name] ?? 0,
        byPolicy: Object.fromEntries(removed.byPolicy),
      },
      counted: Object.fromEntries(counted),
    }
    for (const policy of settings.policies.filter((one) => isFor(one, name)))
      counted.set(policy.name, (counted.get(policy.name) ?? 0) + repository.tags.length)
    const changes = config.mode === 'enforce' ? removalsOf(planRepository(part, config, now)) : []
    if (changes.length > 0) {
      const announced = yield { kind: 'announcement', atMs: latestMs, repository: name, changes }
      if (announced.isForgotten === true) {
        const text =
          'what is about to be removed could not be written down first, and would not count against the caps if the run were cut off: nothing is removed, the next run goes on here'
        yield { kind: 'problem', target: name, code: 'not-counted', text }
        return
      }
      latestMs = announced.now
      const tooLate = await keepFresh()
      if (tooLate !== undefined) {
        yield tooLate
        return
      }
      // Only now, when everybody can read what goes: who deploys from now on sees that, and who did before is seen here.
      const deploying = await recallDeploying(around.memoryOf?.('redeploy-hook'), name)
      const deployed = deploying.map((image) => deploymentOf(image, now))
      const { frozen: _, ...whole } = part
      part = { ...whole, ...usesNow(deployed) }
    }
    const outcome: PartOutcome<ImageChange> = yield part
    const count = removedIn(outcome)
    removed.inRun += count.tags
    removed.today += count.tags
    for (const policy of count.policies) removed.byPolicy.set(policy, (removed.byPolicy.get(policy) ?? 0) + count.tags)
    latestMs = outcome.now
  }
  if (only !== undefined) return
  if (ports.policies === undefined) {
    yield { kind: 'server-policies', policies: [] }
    return
  }
  const { quarantine } = settings
  if (quarantine !== undefined && names.includes(quarantine.repository)) {
    const { repository } = quarantine
    const wanted = wantedPolicy(settings, repository)
    const harmsOf = (policy: ServerPolicy | undefined): Harm => harmOfQuarantine(policy, quarantine)
    try {
      const present = await ports.policies.serverPolicy(repository)
      const facts = { repository, present, wanted, global: { present: global, wanted: wantedGlobal }, harmsOf }
      policies.push(ownPolicy(facts))
      globalHarm = { ...globalHarm, ...harmsAdded(globalHarm, facts) }
    } catch (error) {
      globalHarm = { ...globalHarm, problem: `${repository}: ${readProblem(error)}` }
    }
  }
  const all: ObservedServerPolicy = {
    present: global,
    wanted: wantedGlobal,
    presentHarms: globalHarm.present,
    wantedHarms: globalHarm.wanted,
    // What a resumed run has not looked at, it does not know.
    ...(globalHarm.problem === undefined ? {} : { problem: globalHarm.problem }),
    ...(state.through === '' ? {} : { problem: 'this run went on in the middle of the registry; the next whole one knows' }),
  }
  yield { kind: 'server-policies', policies: [all, ...policies] }
}

/** What the policy of all repositories would take, with one repository more. */
function harmsAdded(
  before: { readonly present: Harm; readonly wanted: Harm },
  { present, wanted, global, harmsOf }: Parameters<typeof ownPolicy>[0],
): { readonly present: Harm; readonly wanted: Harm } {
  if (!isUnderGlobal(present, wanted)) return { present: before.present, wanted: before.wanted }
  return {
    // What it will do once the repository has none of its own, it does not do yet.
    present: present === undefined ? addHarms(before.present, harmsOf(global.present)) : before.present,
    wanted: addHarms(before.wanted, harmsOf(global.wanted === 'none' ? undefined : global.wanted)),
  }
}

function canariesOf(canaries: Readonly<Record<string, CanaryState>>, { policies }: Settings): Record<string, CanaryState> {
  return Object.fromEntries(
    policies.flatMap(({ name }) => {
      const state = canaries[name]
      return state === undefined ? [] : [[name, state] as const]
    }),
  )
}

function removalsOf(steps: readonly ImageStep[]): readonly RemoveChange[] {
  return steps.flatMap((step) => (step.verdict === 'change' && step.change.kind === 'remove' ? [step.change] : []))
}

/** What the configuration says about repositories that there are not. A misspelt name would protect or clean nothing, for ever. */
function problemsWith({ policies, lifecycle }: Settings, names: readonly string[]): readonly ObservedProblem[] {
  if (names.length === 0) return []
  const idle = policies.filter((policy) => !policy.paused && !names.some((name) => isFor(policy, name)))
  const unknown = (lifecycle?.repositories ?? []).filter(({ name }) => !names.includes(name))
  return [
    ...idle.map(({ name, repositories }): ObservedProblem => {
      const globs = repositories.map(({ pattern }) => pattern).join(', ')
      const text = `none of the registry's ${names.length} repositories is one of ${globs}; correct the policy or pause it`
      return { kind: 'problem', target: name, code: 'policy-for-nothing', text }
    }),
    ...unknown.map(({ name }): ObservedProblem => {
      const text = `the registry has no such repository, so its clean-up is not set: correct the name under lifecycle.repositories`
      return { kind: 'problem', target: name, code: 'repository-unknown', text }
    }),
  ]
}

/** Whether a step has taken something away, or may have. */
export function mayHaveRemoved({ outcome, reason }: Pick<Decision, 'outcome' | 'reason'>): boolean {
  return outcome === 'Applied' || outcome === 'Failed' || (outcome === 'Held' && reason.code === 'unknown-outcome')
}

/** Tags that were removed, or would have been: a plan that is only printed keeps to the caps as well. */
export function removedIn({ steps, decisions }: Pick<PartOutcome<ImageChange>, 'steps' | 'decisions'>): {
  readonly tags: number
  readonly policies: ReadonlySet<string>
} {
  const done = new Set(decisions.filter((decision) => decision.outcome === 'Planned' || mayHaveRemoved(decision)).map(({ key }) => key))
  let tags = 0
  const policies = new Set<string>()
  for (const step of steps) {
    if (step.verdict !== 'change' || step.change.kind !== 'remove' || !done.has(step.key)) continue
    tags += step.change.tags.length
    for (const policy of step.change.policies) policies.add(policy)
  }
  return { tags, policies }
}

interface ReadRepository {
  readonly repository: ObservedRepository
  /** What triggers of the registry deploy of it. */
  readonly triggers: readonly ImageReference[]
  readonly own: { readonly policy?: ServerPolicy | undefined; readonly problem?: string | undefined }
}

async function readRepository(facts: RepositoriesCase, { name, tags: expected }: ListedRepository): Promise<ReadRepository> {
  const { now, around, ports, patterns, seen } = facts
  const { memory } = around
  const { registry, policies, triggers: triggerReader } = ports
  let repository: ObservedRepository
  let triggers: readonly ImageReference[] = []
  try {
    const tags = await timedTags(name, await registry.tags(name, expected), memory, now)
    repository = { name, tags: tags.map((tag) => ({ ...withPatterns(tag, patterns), ...restoredFact(name, tag, facts) })) }
    if (seen.hasTriggers) triggers = (await triggerReader?.of(name, now)) ?? []
  } catch (error) {
    return { repository: { name, tags: [], problem: readProblem(error) }, triggers, own: { problem: 'its tags cannot be read' } }
  }
  try {
    const policy = await policies?.serverPolicy(name)
    return { repository, triggers, own: policy === undefined ? {} : { policy } }
  } catch (error) {
    return { repository, triggers, own: { problem: readProblem(error) } }
  }
}

/** The longest time from the beginning of a run to its last copy. */
const longestRunMs = 15 * 60_000
const clockErrorMs = 10 * 60_000

/** Whether a tag was brought back and not pushed by anybody since. */
function restoredFact(
  repository: string,
  { name, contentId, pushedMs }: TimedTag,
  { restored, config }: Pick<RepositoriesCase, 'restored' | 'config'>,
): { readonly isRestored?: true } {
  const tellsTimes = config.settings.registry.kind !== 'docker'
  const is = restored.some(
    (one) =>
      one.repository === repository &&
      one.name === name &&
      one.contentId === contentId &&
      // By two clocks, one of which may be wrong.
      pushedMs >= one.restoredMs - clockErrorMs &&
      // Where a registry tells no times it is known only when the tag was seen again, which may be a day later or more.
      (!tellsTimes || pushedMs <= one.restoredMs + longestRunMs),
  )
  return is ? { isRestored: true } : {}
}

function withPatterns(tag: TimedTag, patterns: ReadonlyMap<string, TagPattern>) {
  return { ...tag, patterns: [...patterns].flatMap(([text, matches]) => (matches(tag.name) ? [text] : [])) }
}

/** The sentence of a failed read. Anything else than one is thrown on. */
function readProblem(error: unknown): string {
  if (error instanceof CloudError || error instanceof RegistryError) return error.message
  throw error
}

/** Answers what `read` gives for each repository, in order, and has begun with the next few by then. */
async function* readAhead<T>(
  repositories: readonly ListedRepository[],
  read: (repository: ListedRepository) => Promise<T>,
): AsyncGenerator<T, void, void> {
  const begun: { readonly reading: Promise<T>; readonly tags: number }[] = []
  let held = 0
  let next = 0
  while (next < repositories.length || begun.length > 0) {
    for (let repository = repositories[next]; repository !== undefined; repository = repositories[next]) {
      const { tags = unknownTags } = repository
      if (begun.length > 0 && (begun.length >= readAtOnce.repositories || held + tags > readAtOnce.tags)) break
      const reading = read(repository)
      // Its failure is told when its turn comes.
      reading.catch(() => undefined)
      begun.push({ reading, tags })
      held += tags
      next += 1
    }
    const first = begun[0]
    if (first === undefined) return
    yield await first.reading
    // Only now it is decided about, and nobody needs it any more.
    begun.shift()
    held -= first.tags
  }
}

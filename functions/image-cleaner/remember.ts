import type { FunctionConfig, Mode, RunFacts } from '#shared/runtime/definition.ts'
import { keepRemoving, removingForMs } from '#shared/runtime/image-claims.ts'
import type { MemoryWriter } from '#shared/runtime/memory.ts'
import { canaryAfter, canaryCounted, canaryUndone, dayOf } from './canary.ts'
import type { Settings } from './event.ts'
import { keepFirstSeen } from './first-seen.ts'
import { changeHistory, historyAfter, historyRestored, historyWithout } from './history.ts'
import type { ObservedRepository } from './image.ts'
import type { ImageChange } from './image-change.ts'
import { mayHaveRemoved } from './observe.ts'
import type { ObservedAnnouncement, ObservedPart } from './plan.ts'
import type { ObservedImages } from './plan-repository.ts'
import { isFor } from './policy.ts'
import { copyTag } from './quarantine.ts'
import { keepReferences } from './reference-memory.ts'
import {
  changeCanary,
  changeDay,
  copyKey,
  type DayState,
  pendingCounted,
  type Restored,
  recallCanaries,
  recallCopies,
  recallDay,
  restoredKey,
} from './run-memory.ts'

const dayMs = 86_400_000
/** After so long it does not matter any more how something came to where it is. */
const restoredForMs = 365 * dayMs
/** So long a copy is known after its time, so that the run which purges it still knows it. */
const copiesKnownMs = 90 * dayMs

/**
 * Keeps what later runs should know of one part: what clusters use, how far the day's run has come and what it removed, what each
 * policy removed, and where the copies are. What is kept of removed tags is written before the run is said to have passed them.
 */
export async function remember(
  { observed, steps, decisions, config, now }: RunFacts<Settings, ObservedPart, ImageChange>,
  memory: MemoryWriter,
): Promise<void> {
  const { settings } = config
  if (observed.kind === 'clusters') {
    await keepReferences(memory, { clusters: observed.uses, before: observed.before, keepMs: settings.referenceMemory, now })
    return
  }
  if (observed.kind === 'announcement') {
    await keepAnnounced(observed, config, memory, now)
    return
  }
  const done = await rememberSteps({ steps, decisions, config, now }, memory)
  if (observed.kind === 'repository') {
    await keepHistory(observed, done, settings, memory, now)
    if (settings.registry.kind === 'docker') await keepTimes(observed.repository, done, memory)
    await keepProgress(observed, { steps, decisions, config, now }, memory)
  }
  if (observed.kind === 'server-policies') await keepEnd(config, memory, now)
}

/**
 * Keeps what steps have come to, those of a part or those that somebody asked for: where copies are, and which policies had
 * something removed that was needed. Answers the changes that were made.
 */
export async function rememberSteps(
  { steps, decisions, config, now }: Omit<RunFacts<Settings, ObservedPart, ImageChange>, 'observed'>,
  memory: MemoryWriter,
): Promise<readonly ImageChange[]> {
  const outcomes = new Map(decisions.map(({ key, outcome }) => [key, outcome]))
  const changes = steps.flatMap((step) =>
    step.verdict === 'change' ? [{ change: step.change, why: step.reason.text, outcome: outcomes.get(step.key) }] : [],
  )
  // What failed or is in doubt may have left copies, too. Whether one is there is looked at before it is used.
  const tried = changes.filter(({ outcome }) => outcome === 'Applied' || outcome === 'Failed' || outcome === 'Held')
  for (const { change } of tried) await keepCopies(change, memory, now)
  const done = changes.filter(({ outcome }) => outcome === 'Applied')
  for (const { change, why } of done) await keepUndone(change, why, config.settings, memory, now)
  return done.map(({ change }) => change)
}

/** What was seen of a repository, for judging policies by it later. What is in use is only known when nothing is frozen. */
async function keepHistory(
  { repository, references, frozen }: ObservedImages,
  done: readonly ImageChange[],
  settings: Settings,
  memory: MemoryWriter,
  now: number,
): Promise<void> {
  if (repository.problem !== undefined || frozen !== undefined) return
  const { name, tags } = repository
  const removed = new Set(done.flatMap((change) => (change.kind === 'remove' ? change.tags.map((tag) => tag.name) : [])))
  const day = dayOf(now, settings.timeZone)
  await changeHistory(memory, name, now, (before) => {
    if (before === undefined && tags.length === 0) return undefined
    const after = historyAfter(before, { repository: name, tags, references, now, day })
    return removed.size === 0 ? after : historyWithout(after, removed, day)
  })
}

/** When tags were first seen, for a registry that does not tell when they were pushed. What was removed and comes back is new. */
async function keepTimes({ name, tags, problem }: ObservedRepository, done: readonly ImageChange[], memory: MemoryWriter): Promise<void> {
  if (problem !== undefined) return
  const removed = new Set(done.flatMap((change) => (change.kind === 'remove' ? change.tags.map((tag) => tag.name) : [])))
  await keepFirstSeen(
    name,
    tags.filter((tag) => !removed.has(tag.name)),
    memory,
  )
}

/** Where the copies of removed tags are. */
async function keepCopies(change: ImageChange, memory: MemoryWriter, now: number): Promise<void> {
  if (change.kind !== 'remove' || change.quarantine === undefined) return
  const { repository, tags, policies, quarantine } = change
  const untilMs = now + quarantine.days * dayMs
  for (const { name, contentId } of tags) {
    const copy = copyTag(repository, name)
    await memory.put(copyKey(copy), { repository, name, contentId, copy, untilMs, policies }, { expiresAt: untilMs + copiesKnownMs })
  }
}

/** What came back had been removed too early; what was purged cannot come back any more. */
async function keepUndone(change: ImageChange, why: string, settings: Settings, memory: MemoryWriter, now: number): Promise<void> {
  if (change.kind === 'purge') for (const { name } of change.tags) await memory.delete(copyKey(name))
  if (change.kind !== 'restore') return
  for (const { name, contentId, copy } of change.tags) {
    const entry: Restored = { repository: change.repository, name, contentId, restoredMs: now }
    await memory.put(restoredKey(copy), entry, { expiresAt: now + restoredForMs })
  }
  const back = new Set(change.tags.map(({ copy }) => copy))
  for (const copy of (await recallCopies(memory)).filter((one) => back.has(one.copy)))
    await memory.put(copyKey(copy.copy), { ...copy, backMs: now }, { expiresAt: copy.untilMs + copiesKnownMs })
  const restored = new Set(change.tags.map(({ name }) => name))
  await changeHistory(memory, change.repository, now, (before) =>
    before === undefined ? undefined : historyRestored(before, restored, why, dayOf(now, settings.timeZone)),
  )
  for (const policy of settings.policies.filter(({ name }) => change.policies.includes(name))) {
    await changeCanary(memory, policy.name, (state) => canaryUndone(policy, state, settings, now))
  }
}

/** What a run is about to remove. A run that is cut off before it says what came of it is counted with this. */
async function keepAnnounced(
  { atMs, repository, changes }: ObservedAnnouncement,
  { settings }: Pick<FunctionConfig<Settings>, 'settings'>,
  memory: MemoryWriter,
  now: number,
): Promise<void> {
  const contents = changes.flatMap((change) => change.tags.map(({ contentId }) => contentId))
  await keepRemoving(memory, { repository, contents, run: String(now) }, atMs + removingForMs)
  await keepPending(settings, memory, now)
  const tags = changes.reduce((sum, change) => sum + change.tags.length, 0)
  const policies = [...new Set(changes.flatMap((change) => change.policies))]
  await keepDay({ pending: { repository, tags, policies } }, settings, memory, now, 'enforce')
  const known = new Map((await recallCopies(memory)).map((copy) => [copy.copy, copy]))
  for (const change of changes) {
    const tagsWithout = change.tags.filter(({ name, contentId }) => {
      const copy = known.get(copyTag(repository, name))
      // One that came back, or of other content, is of an earlier time.
      return copy?.contentId !== contentId || copy.backMs !== undefined
    })
    if (tagsWithout.length > 0) await keepCopies({ ...change, tags: tagsWithout }, memory, now)
  }
}

/** Counts for good what a run that was cut off had announced. */
async function keepPending(settings: Settings, memory: MemoryWriter, now: number): Promise<void> {
  const before = await recallDay(memory, dayOf(now, settings.timeZone), 'enforce')
  const { pending } = before
  if (pending === undefined) return
  for (const policy of settings.policies.filter(({ name }) => pending.policies.includes(name))) {
    const facts = { now, removed: pending.tags, isCertain: false }
    await changeCanary(memory, policy.name, (state) => canaryAfter(policy, state, settings, facts))
  }
  await changeDay(memory, before.day, 'enforce', pendingCounted)
}

/** Reasons for which a change waits for the next trigger rather than for the next day. */
const cutShort = new Set(['guard.no-time-left', 'aborted'])

/** What a repository's turn has come to: its policies have removed so many tags, and it is done for the day. */
async function keepProgress(
  { repository: { name: repository, tags }, counted = {} }: ObservedImages,
  { steps, decisions, config, now }: Pick<RunFacts<Settings, ObservedPart, ImageChange>, 'steps' | 'decisions' | 'config' | 'now'>,
  memory: MemoryWriter,
): Promise<void> {
  const { settings, mode } = config
  const outcomes = new Map(decisions.map((decision) => [decision.key, decision]))
  const changes = steps.flatMap((step) => (step.verdict === 'change' ? [{ change: step.change, decision: outcomes.get(step.key) }] : []))
  const gone = changes.filter(({ decision }) => decision !== undefined && mayHaveRemoved(decision))
  const removed = gone.reduce((sum, { change }) => sum + (change.kind === 'remove' ? change.tags.length : 0), 0)
  // What was announced for this repository has come to what is counted here; without an announcement it is an earlier run's.
  const isAnnounced = mode === 'enforce' && changes.length > 0
  if (!isAnnounced && mode === 'enforce') await keepPending(settings, memory, now)
  const policies = settings.policies.filter((one) => isFor(one, repository))
  const isCertain = gone.some(({ decision }) => decision?.outcome === 'Applied')
  for (const policy of policies) {
    await changeCanary(memory, policy.name, (state) => canaryAfter(policy, state, settings, { now, removed, isCertain }))
  }
  const isCut = decisions.some(({ outcome, reason }) => outcome === 'Held' && cutShort.has(reason.code))
  await changeDay(memory, dayOf(now, settings.timeZone), mode, ({ pending: _, ...before }) => {
    const ofRepository = (before.byRepository[repository] ?? 0) + removed
    return {
      ...before,
      ...(isCut ? {} : { through: repository }),
      removed: before.removed + removed,
      byRepository: ofRepository === 0 ? before.byRepository : { ...before.byRepository, [repository]: ofRepository },
      // Not added to what is kept: that may be another run's, which looked at the same repositories.
      counted: isCut
        ? counted
        : { ...counted, ...Object.fromEntries(policies.map(({ name }) => [name, (counted[name] ?? 0) + tags.length])) },
    }
  })
}

/** The run of the day is finished. */
async function keepEnd({ settings, mode }: FunctionConfig<Settings>, memory: MemoryWriter, now: number): Promise<void> {
  const { counted = {} } = await recallDay(memory, dayOf(now, settings.timeZone), mode)
  for (const [name, state] of Object.entries(await recallCanaries(memory))) {
    const tags = counted[name]
    if (tags !== undefined) await changeCanary(memory, name, (before) => canaryCounted(before ?? state, tags))
  }
  await keepDay({ finished: true }, settings, memory, now, mode)
}

async function keepDay(change: Partial<DayState>, settings: Settings, memory: MemoryWriter, now: number, mode: Mode): Promise<void> {
  await changeDay(memory, dayOf(now, settings.timeZone), mode, (before) => ({ ...before, ...change }))
}

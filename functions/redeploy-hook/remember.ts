import { parseImageName } from '#shared/pure/image-name.ts'
import type { RunFacts } from '#shared/runtime/definition.ts'
import { deployingForMs, keepDeploying } from '#shared/runtime/image-claims.ts'
import type { MemoryWriter } from '#shared/runtime/memory.ts'
import type { RedeployChange } from './change.ts'
import { rollingLookMs } from './decide-workload.ts'
import type { Settings } from './event.ts'
import { forgetHolds, keepHolds, lastLook, pendingRepositories } from './look-memory.ts'
import type { Seen } from './observe.ts'
import { factsKey } from './read-workloads.ts'
import { keepSeen } from './seen-memory.ts'
import { type Claim, survey } from './survey.ts'
import { isForRepository } from './targets.ts'
import { soakEnds } from './waves.ts'
import { refName } from './workload.ts'

type Facts = RunFacts<Settings, Seen, RedeployChange>

/** What was put off by something else than the plan (a freeze window, a cap, somebody else at it) is looked at again after this. */
const againMs = 60_000
/** A hold outlives the workload that it comes from by this. */
const holdForMs = 90 * 86_400_000

/**
 * Keeps what later looks should know: which contents failed, where something goes on and when to look there again, the tags as they
 * were seen, and facts of clusters that are dear to ask for. Other runs keep things at the same time: nothing that they have seen
 * begin is struck off, and times that they have seen stay.
 */
export async function remember(facts: Facts, memory: MemoryWriter): Promise<void> {
  const { observed, steps, decisions, now } = facts
  await keepHolds(memory, observed.workloads, now + holdForMs)
  await forgetReleased(steps, decisions, memory)
  await keepWanted(facts, memory)
  const looks = nextLooks(facts)
  const pending = await pendingRepositories.recall(memory)
  const looked = new Set([...observed.repositories.map(({ name }) => name), ...observed.due])
  for (const name of new Set([...looks.keys(), ...looked])) {
    const atMs = looks.get(name)
    if (atMs !== undefined || pending.has(name)) await pendingRepositories.keep(memory, name, atMs, now)
  }
  for (const { repository, before, seen } of observed.tags) await keepSeen(memory, repository, before, seen)
  for (const { cluster, facts: own } of observed.facts) await memory.put(factsKey(cluster), own)
  if (observed.look !== undefined) await lastLook.keep(memory, observed.look)
}

/**
 * Says to whoever removes images what is wanted and not set yet, because others come first, somebody has to agree or something holds it.
 * It is said again with each look at everything, and is forgotten when it is wanted no longer.
 */
async function keepWanted({ observed, config, now }: Facts, memory: MemoryWriter): Promise<void> {
  if (config.mode !== 'enforce') return
  const wanted = survey(observed, config).claims.flatMap(({ decision, workload }) => {
    if (decision?.kind !== 'want') return []
    const { repository, tag, content } = decision.image
    return [{ repository, tag, content, by: refName(workload.ref) }]
  })
  await keepDeploying(memory, wanted, now + Math.max(2 * deployingForMs, 2 * config.settings.reconcileEvery))
}

/** After somebody's own steps (an agreement, a release, an undo): the next tick looks at everything, because something is to go on. */
export async function rememberSteps({ steps, decisions }: Omit<Facts, 'observed'>, memory: MemoryWriter): Promise<void> {
  await forgetReleased(steps, decisions, memory)
  if (decisions.some(({ outcome }) => outcome === 'Applied')) await lastLook.forget(memory)
}

/** By repository, when it is to be looked at again because something goes on there, or was put off, or could not be seen. */
function nextLooks({ observed, steps, decisions, config, now }: Facts): ReadonlyMap<string, number> {
  const looks = new Map<string, number>()
  const at = (repository: string | undefined, ms: number): void => {
    if (repository !== undefined) looks.set(repository, Math.min(ms, looks.get(repository) ?? ms))
  }
  const all = survey(observed, config)
  for (const claim of all.claims) {
    const { ours, target } = claim
    if (ours?.state === 'rolling') {
      const endMs = ours.atMs + target.rule.rollout.deadline
      at(repositoryOf(claim), endMs > now ? Math.min(now + rollingLookMs, endMs) : now + rollingLookMs)
    }
    for (const endMs of soakEnds({ ...all, claims: [claim] }, now)) at(repositoryOf(claim), endMs)
  }
  const claimed = Map.groupBy(all.claims, ({ workload }) => refName(workload.ref))
  for (const [index, { verdict, target }] of steps.entries()) {
    const outcome = decisions[index]?.outcome
    if (verdict !== 'change' || outcome === 'Planned' || outcome === 'NoChange') continue
    // What was just written begins to roll; that was not there to be seen yet.
    for (const claim of claimed.get(target) ?? []) at(repositoryOf(claim), now + (outcome === 'Applied' ? rollingLookMs : againMs))
  }
  for (const { name, problem } of observed.repositories) if (problem !== undefined) at(name, now + againMs)
  for (const { target, code } of all.idle) {
    if (code !== 'cluster-unreadable') continue
    for (const { name } of observed.repositories) if (isForRepository(target.rule, name)) at(name, now + againMs)
  }
  return looks
}

function repositoryOf({ decision, ours, container }: Claim): string | undefined {
  return decision?.of.repository.name ?? parseImageName(ours?.image ?? container.image)?.repository
}

async function forgetReleased(steps: Facts['steps'], decisions: Facts['decisions'], memory: MemoryWriter): Promise<void> {
  for (const [index, step] of steps.entries()) {
    if (step.verdict !== 'change' || step.change.kind !== 'release' || decisions[index]?.outcome !== 'Applied') continue
    for (const { content } of step.change.containers) await forgetHolds(memory, content)
  }
}

import type { RunFacts } from '#shared/runtime/definition.ts'
import type { MemoryWriter } from '#shared/runtime/memory.ts'
import type { RedeployChange } from './change.ts'
import type { Settings } from './event.ts'
import { holdKey, lookKey, pendingKey, recallPending, seenKey } from './look-memory.ts'
import type { Seen } from './observe.ts'
import { nextLook } from './plan.ts'
import { factsKey } from './read-workloads.ts'
import { holdsOf } from './survey.ts'

type Facts = RunFacts<Settings, Seen, RedeployChange>

/** What was put off by something else than the plan (a freeze window, a cap, somebody else at it) is looked at again after this. */
const againMs = 60_000
/** A hold outlives the workload that it comes from by this. */
const holdForMs = 90 * 86_400_000

/**
 * Keeps what later looks should know: the tags as they were seen, where something goes on and when to look there again, which contents
 * failed, and facts of clusters that are dear to ask for. Where to look again is written before a look that is due is struck off.
 */
export async function remember({ observed, steps, decisions, config, now }: Facts, memory: MemoryWriter): Promise<void> {
  const { tags, facts, look, due, workloads, repositories } = observed
  for (const { repository, content, why } of holdsOf(workloads)) {
    await memory.put(holdKey({ repository, content }), { format: 1, repository, content, why }, { expiresAt: now + holdForMs })
  }
  await keepReleased(steps, decisions, memory)
  const changed = steps.some(({ verdict }, index) => verdict === 'change' && decisions[index]?.outcome === 'Applied')
  const isOpen = steps.some(({ verdict }, index) => verdict === 'change' && isPutOff(decisions[index]?.outcome))
  const unread =
    repositories.some(({ problem }) => problem !== undefined) ||
    workloads.some((one) => 'problem' in one && one.problem.code === 'cluster-unreadable')
  const plannedMs = nextLook(observed, config, now)
  // What was just written begins to roll; that was not there to be seen yet.
  const instants = [
    ...(plannedMs === undefined ? [] : [plannedMs]),
    ...(changed ? [now + rollingMs] : []),
    ...(isOpen || unread ? [now + againMs] : []),
  ]
  const atMs = instants.length === 0 ? undefined : Math.min(...instants)
  const pending = await recallPending(memory)
  for (const { name } of repositories) {
    if (atMs !== undefined) await memory.put(pendingKey(name), { format: 1, repository: name, atMs })
    else if (pending.has(name) || due.includes(name)) await memory.delete(pendingKey(name))
  }
  for (const { repository, seen } of tags) await memory.put(seenKey(repository), seen)
  for (const { cluster, facts: own } of facts) await memory.put(factsKey(cluster), own)
  await memory.put(lookKey, look)
}

const rollingMs = 10_000

function isPutOff(outcome: string | undefined): boolean {
  return outcome === 'Held' || outcome === 'Failed' || outcome === 'Skipped'
}

/** A content that somebody released is not held by what is remembered of it, either. */
async function keepReleased(steps: Facts['steps'], decisions: Facts['decisions'], memory: MemoryWriter): Promise<void> {
  for (const [index, step] of steps.entries()) {
    if (step.verdict !== 'change' || step.change.kind !== 'release' || decisions[index]?.outcome !== 'Applied') continue
    for (const { content } of step.change.containers) {
      for (const { key, value } of await memory.list('hold/')) {
        const held: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'content') : undefined
        if (held === content) await memory.delete(key)
      }
    }
  }
}

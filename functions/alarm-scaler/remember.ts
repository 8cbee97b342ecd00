import type { RunFacts } from '#shared/runtime/definition.ts'
import type { MemoryWriter } from '#shared/runtime/memory.ts'
import type { AlarmChange } from './change.ts'
import type { Settings } from './event.ts'
import { isOpen } from './lease.ts'
import { keepLeased } from './leased-clusters.ts'
import { lastLook, pendingPools } from './look-memory.ts'
import type { Seen } from './observe.ts'

type Facts = RunFacts<Settings, Seen, AlarmChange>

/** The next tick comes at the latest a minute from now: what is due by then is looked at. */
const soonMs = 1_000
/** What could not be read is looked at again after this. */
const againMs = 30_000

/**
 * Keeps which pools the next ticks are to look at: those with an open lease, those where something was just done, and those that could
 * not be read. Pools that an alarm is about are looked at anyway, as long as it fires. Other runs keep things at the same time: nothing
 * that they have seen begin is struck off.
 */
export async function remember(facts: Facts, memory: MemoryWriter): Promise<void> {
  const { observed, now } = facts
  const looks = nextLooks(facts)
  for (const name of new Set([...looks.keys(), ...observed.pools.map(({ pool }) => pool), ...observed.due])) {
    await pendingPools.keep(memory, name, looks.get(name), now)
  }
  if (observed.leased !== undefined) {
    await keepLeased(memory, observed.leased, { views: observed.pools, isWhole: observed.look !== undefined }, now)
  }
  if (observed.look !== undefined) await lastLook.keep(memory, observed.look)
}

/** After somebody's own steps (a release, an undo): the next tick looks at everything, because something is to go on. */
export async function rememberSteps({ decisions }: Omit<Facts, 'observed'>, memory: MemoryWriter): Promise<void> {
  if (decisions.some(({ outcome }) => outcome === 'Applied')) await lastLook.forget(memory)
}

function nextLooks({ observed, steps, decisions, now }: Facts): ReadonlyMap<string, number> {
  const looks = new Map<string, number>()
  const at = (pool: string, ms: number): void => {
    looks.set(pool, Math.min(ms, looks.get(pool) ?? ms))
  }
  for (const { pool, record, problem } of observed.pools) {
    if (problem !== undefined) at(pool, now + againMs)
    if (record?.value.leases.some(isOpen) === true) at(pool, now + soonMs)
  }
  for (const [index, step] of steps.entries()) {
    const outcome = decisions[index]?.outcome
    // Also what is not known to have been done: a lease may be there that was not to be seen yet.
    if (step.verdict === 'change' && outcome !== 'Planned' && outcome !== 'NoChange') at(step.change.pool, now + soonMs)
  }
  return looks
}

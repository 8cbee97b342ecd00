import { CloudError } from '#cloud/errors.ts'
import type { StepResult } from '#shared/pure/step.ts'
import type { RestoreBoundsChange } from './change.ts'
import { ClusterReading, readMachines } from './cluster-reading.ts'
import { type Bounds, type GroupBase, isOpen, type Lease, type PoolRecord } from './lease.ts'
import { setBounds } from './mechanisms/scaling-group.ts'
import { held, isResult, type PoolDesk, skipped, unreadable } from './pool-desk.ts'
import type { StoredPool } from './pool-store.ts'
import { type RecordReading, recordAfter, recordAimed } from './record-after.ts'
import { statusLagMs } from './sizing.ts'

/**
 * Sets the bounds of a group on the way back, and writes down what they are now. Bounds that the cluster autoscaler has seen differ from
 * what we had set are somebody else's by now, and stay. Set twice, they are the same.
 */
export async function applyRestoreBounds(change: RestoreBoundsChange, key: string, desk: PoolDesk, now: number): Promise<StepResult> {
  const { group, from, to } = change
  const stored = await desk.read()
  if (stored?.problem !== undefined) return unreadable(stored.problem)
  const after = recordAfter(change, stored?.record, key, now)
  if ('misfit' in after) return skipped('world-changed', after.misfit.text)
  const base = stored?.record?.bases.find((one) => one.group === group)
  if (base === undefined) return skipped('world-changed', `the record knows nothing of scaling group ${group} any more`)
  if (!isSame(base.set, from)) return skipped('world-changed', `the bounds of scaling group ${group} were set to ${shown(base.set)} since`)
  const foreign = await foreignBounds(base, to, desk, now)
  if (foreign !== undefined) {
    return held(
      'bounds-changed',
      `scaling group ${group} is at ${shown(foreign)} by now, and was set to ${shown(from)} here: somebody else has changed it`,
    )
  }
  const told = await setOnRecord({ group, from, to }, stored, desk, 'it is set later')
  if (isResult(told)) return told
  const lost = await desk.keep((record) => recordAfter(change, record, key, now), { stored: told })
  if (lost === undefined) return { outcome: 'Applied' }
  // Set again they are the same: the next look does that, and writes it down.
  const text = `scaling group ${group} was set to ${shown(to)}, and that could not be written down: ${lost.text}`
  return { outcome: lost.outcome, reason: { code: lost.code, text } }
}

/**
 * Puts the bounds of a group back when somebody keeps the nodes of the last lease that holds it up: they stay in the group, and it is free to
 * shrink again. Bounds that somebody else has set since stay. Answers the record as it is then, or why it could not be done.
 */
export async function restoreForKept(lease: Lease, stored: StoredPool, desk: PoolDesk, now: number): Promise<StepResult | StoredPool> {
  const { record } = stored
  const { group } = lease.mechanism
  const base = record?.bases.find((one) => one.group === group)
  const isHeldUp = record?.leases.some((one) => one.id !== lease.id && isOpen(one) && one.mechanism.group === group) === true
  if (group === undefined || base === undefined || isHeldUp) return stored
  const size = (await readMachines(desk, desk.cluster, group)).length
  const missing = lease.heldSinceMs === undefined && lease.isTrimmed !== true ? Math.max(0, lease.wanted - lease.nodes.length) : 0
  const to = { min: base.before.min, max: Math.max(base.before.max, size + missing) }
  if (isSame(base.set, to) || (await foreignBounds(base, to, desk, now)) !== undefined) return stored
  return await setOnRecord({ group, from: base.set, to }, stored, desk, 'nothing is kept yet; try again in a moment')
}

/** What the cluster autoscaler says of a group's bounds where that is neither what we have set or were about to set, nor what we would. */
async function foreignBounds({ group, set, aimed }: GroupBase, to: Range, desk: PoolDesk, now: number): Promise<Range | undefined> {
  const status = await new ClusterReading(desk.cluster).autoscalerStatus({ ...desk, now })
  const said = (status?.lastSeenMs ?? 0) > set.atMs + statusLagMs ? status?.groups.find(({ name }) => name === group) : undefined
  const own = [set, to, ...(aimed === undefined ? [] : [aimed])]
  return said === undefined || own.some((one) => isSame(said, one)) ? undefined : said
}

interface Move {
  readonly group: string
  readonly from: Range
  readonly to: Range
}

/** Says in the record what is about to be set, and sets it. */
async function setOnRecord(move: Move, stored: StoredPool | undefined, desk: PoolDesk, then: string): Promise<StepResult | StoredPool> {
  const told = await desk.change((record) => aimedIn(record, move), { stored })
  if (isResult(told)) return told
  try {
    await setBounds(desk, move.group, move.to)
  } catch (error) {
    if (!(error instanceof CloudError) || error.kind !== 'cloud.conflict') throw error
    return held('group-busy', `scaling group ${move.group} is busy (${error.message}): ${then}`)
  }
  return told
}

/** The record before bounds are set, so that nobody takes them for somebody else's when that could not be written down afterwards. */
function aimedIn(record: PoolRecord | undefined, { group, from, to }: Move): RecordReading {
  const set = record?.bases.find((base) => base.group === group)?.set
  if (record === undefined || set === undefined) return { misfit: { text: `the record knows nothing of scaling group ${group} any more` } }
  if (!isSame(set, from)) return { misfit: { text: `the bounds of scaling group ${group} were set to ${shown(set)} since` } }
  return { record: recordAimed(record, group, to) }
}

type Range = Pick<Bounds, 'min' | 'max'>

function isSame(one: Range, other: Range): boolean {
  return one.min === other.min && one.max === other.max
}

function shown({ min, max }: Range): string {
  return `${min} to ${max}`
}

import type { RestoreBoundsChange } from './change.ts'
import { type Bounds, type GroupBase, isOpen, type Lease } from './lease.ts'
import { leaseStay, leaseStep, place } from './lease-step.ts'
import type { AlarmStep } from './plan-step.ts'
import type { PoolContext } from './pool-context.ts'
import { freshWanted, owedIn, statusLagMs } from './sizing.ts'
import type { GroupView } from './view.ts'
import { count } from './words.ts'

/** What has to be done to the bounds of a lease's group before it goes on: a step, or to wait; `done` where there is nothing to do. */
export type BoundsMove = { readonly step: AlarmStep } | { readonly wait: AlarmStep } | 'done'

/** A group whose bounds leases have changed, and who else has a lease of it. */
interface Held {
  readonly group: GroupView
  readonly base: GroupBase
  readonly others: readonly Lease[]
}

function heldGroup(lease: Lease, { view, leases }: PoolContext): Held | undefined {
  const id = lease.mechanism.group
  const group = view.groups.find((one) => one.id === id)
  const base = view.record?.value.bases.find((one) => one.group === id)
  if (group === undefined || base === undefined) return undefined
  return { group, base, others: leases.filter((one) => one.id !== lease.id && isOpen(one) && one.mechanism.group === id) }
}

/** The bounds that somebody else has set since we did; the autoscaler says so. */
function foreignBounds({ bounds }: GroupView, { set, aimed }: GroupBase): Bounds | undefined {
  if (bounds?.source !== 'autoscaler' || bounds.atMs === undefined || bounds.atMs <= set.atMs + statusLagMs) return undefined
  const isOurs = [set, aimed].some((own) => own?.min === bounds.min && own.max === bounds.max)
  return isOurs ? undefined : bounds
}

/**
 * Lowers the floor of a group so that it does not replace the machines of a lease that are given back; `keep` of them stay. It goes back to
 * where it was before the first lease when this is the last one. Bounds that somebody else has set stay as they are: where they let
 * `leaving` machines go nothing is to be done, and else somebody has to decide.
 */
export function floorMove(lease: Lease, context: PoolContext, keep: number, leaving: number): BoundsMove {
  const held = heldGroup(lease, context)
  const floor = lease.floor ?? 0
  if (held === undefined) return 'done'
  const { group, base, others } = held
  const foreign = foreignBounds(group, base)
  if (foreign !== undefined && leaving > 0) {
    if (foreign.min <= group.size - leaving) return 'done'
    const text = `somebody has set the bounds of scaling group ${group.id} to ${boundsText(foreign)}, and we had set ${boundsText(base.set)}: with ${count(group.size, 'machine')} it would replace each one that is given back; lower its floor, or keep the lease`
    return { wait: leaseStay(context, lease, 'held', { code: 'bounds-changed', text }) }
  }
  const isLast = others.length === 0 && keep === 0
  const isLow = isLast ? base.set.min <= base.before.min : floor <= keep
  if (foreign !== undefined || isLow) return 'done'
  const wait = whileItSettles(lease, context, held)
  if (wait !== undefined) return { wait }
  const min = isLast ? base.before.min : Math.max(base.before.min, base.set.min - (floor - keep))
  const text = `scaling group ${group.id} may have ${min} machines at least, not ${base.set.min}, so that it replaces none that is given back`
  const move = { phase: 'floor', floor: keep, to: { min, max: Math.max(min, base.set.max) } } as const
  return { step: boundsStep(context, lease, group.id, base, move, { code: 'floor-lowered', text }) }
}

/**
 * Puts the ceiling of a group back when the machines of a lease are gone, and stops it before that from trying to buy what never came.
 * Never below what it has, for then the group would choose which machines go.
 */
export function ceilingMove(lease: Lease, context: PoolContext, keep: number): BoundsMove {
  const held = heldGroup(lease, context)
  if (held === undefined) return 'done'
  const { group, base, others } = held
  if (foreignBounds(group, base) !== undefined) return 'done'
  const { before, set } = base
  const owed = owedIn(group.id, context.view, context.arrivals, lease.id)
  const there = group.size + owed
  const never = lease.wanted - lease.nodes.length
  const ceiling = Math.max(there, set.min)
  const wanted = freshWanted(group, context.view, context.now)
  const isTrying = never > 0 && lease.isTrimmed !== true && set.max > ceiling && (wanted === undefined || wanted > ceiling)
  const rest = others.length > 0 || keep > 0
  const goal = { min: rest ? set.min : before.min, max: Math.max(before.max, rest ? set.min : before.min, there) }
  const isThere = goal.min === set.min && goal.max === set.max
  if (!isTrying && isThere) return 'done'
  const wait = whileItSettles(lease, context, held)
  if (wait !== undefined) return { wait }
  if (isTrying) {
    const text = `scaling group ${group.id} has not got ${count(never, 'machine')} and goes on trying; it may have ${ceiling} at most for now`
    const move = { phase: 'trim', floor: keep, to: { min: set.min, max: ceiling } } as const
    return { step: boundsStep(context, lease, group.id, base, move, { code: 'ceiling-trimmed', text }) }
  }
  const more = goal.max > before.max && !rest ? `; its ceiling was ${before.max}, and it has ${there} machines` : ''
  const text = `scaling group ${group.id} goes back to ${boundsText(goal)} machines from ${boundsText(set)}${more}`
  const move = { phase: 'ceiling', floor: keep, to: goal } as const
  return { step: boundsStep(context, lease, group.id, base, move, { code: 'bounds-restored', text }) }
}

/**
 * How many machines a lease's group has beyond those that it will keep in any case, when the floor is where it belongs without the lease.
 * None is left where somebody, such as the cluster autoscaler, has taken others away meanwhile: then those of the lease stay in their
 * place, for the group would buy a new one for each that is given back. Undefined where there is no group to ask.
 */
export function roomToShrink(lease: Lease, context: PoolContext): { readonly room: number; readonly text: string } | undefined {
  const held = heldGroup(lease, context)
  if (held === undefined) return undefined
  const { group, base, others } = held
  // Where somebody else has set the floor, somebody has to decide: see `floorMove`.
  if (foreignBounds(group, base) !== undefined) return undefined
  const floor = others.length === 0 ? base.before.min : Math.max(base.before.min, base.set.min - (lease.floor ?? 0))
  // Those that others wait for are part of the floor, and not there yet.
  const owed = owedIn(group.id, context.view, context.arrivals, lease.id)
  const coming = owed === 0 ? '' : `, ${owed} on their way,`
  const text = `scaling group ${group.id} has ${count(group.size, 'machine')}${coming} and keeps ${floor} at least`
  return { room: group.size + owed - floor, text }
}

/** The floor of a lease's group where somebody else has set it since we did. */
export function foreignFloor(lease: Lease, context: PoolContext): number | undefined {
  const held = heldGroup(lease, context)
  return held === undefined ? undefined : foreignBounds(held.group, held.base)?.min
}

/** What is said of the bounds that stay as somebody has set them. */
export function leftBounds(lease: Lease, context: PoolContext): string {
  const held = heldGroup(lease, context)
  const foreign = held === undefined ? undefined : foreignBounds(held.group, held.base)
  if (held === undefined || foreign === undefined) return ''
  const { group, base } = held
  return `; scaling group ${group.id} keeps ${boundsText(foreign)}, which somebody else has set: before the leases it had ${boundsText(base.before)}`
}

function whileItSettles(lease: Lease, context: PoolContext, { group: { id, status }, others }: Held): AlarmStep | undefined {
  const asking = others.find(({ state }) => state === 'asking')
  if (asking !== undefined) {
    // It may be asked for again, with the bounds that it was written down with: they would undo these.
    const text = `whether the lease ${asking.id} has set the bounds of scaling group ${id} is not known yet; they are set after that`
    return leaseStay(context, lease, 'no-change', { code: 'group-settles', text })
  }
  if (status === 'enabled' || status === 'disabled') return undefined
  const text = `scaling group ${id} is ${status}; its bounds are set when that is done`
  return leaseStay(context, lease, 'no-change', { code: 'group-settles', text })
}

function boundsStep(
  context: PoolContext,
  lease: Lease,
  group: string,
  { set }: GroupBase,
  { phase, floor, to }: Pick<RestoreBoundsChange, 'phase' | 'floor' | 'to'>,
  why: Parameters<typeof leaseStep>[4],
): AlarmStep {
  const from = { min: set.min, max: set.max }
  const change: RestoreBoundsChange = { kind: 'restore-bounds', ...place(context, lease), group, from, to, phase, floor }
  return leaseStep(context, lease, change, [group, phase, floor, to.min, to.max, set.atMs], why, {
    after: `scaling group ${group} ${boundsText(to)}`,
  })
}

function boundsText({ min, max }: Bounds): string {
  return `${min} to ${max}`
}

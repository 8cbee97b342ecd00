import { compareTexts } from '#shared/pure/compare-texts.ts'
import { formatDuration } from '#shared/pure/duration.ts'
import { matchesGlob } from '#shared/pure/glob.ts'
import { largestGroup, type MechanismSettings, type Policy } from './event.ts'
import { type Bounds, isOpen, type Lease, type LeaseMechanism } from './lease.ts'
import { mechanismName } from './policy.ts'
import type { PoolContext } from './pool-context.ts'
import type { ReasonCode } from './reason.ts'
import { runInstancePara } from './run-order.ts'
import { freshWanted, isAutoscaled, owedIn, statusLagMs } from './sizing.ts'
import type { GroupView, PoolView } from './view.ts'
import { count, instant } from './words.ts'

/** By what nodes can be had now, and how many. */
export interface Offer {
  readonly name: string
  readonly settings: MechanismSettings
  /** How many it can give at most. */
  readonly room: number
  /** What limits it, for people; empty when nothing does but the policy. */
  readonly limit: string
  /** Cores of one node; undefined where nobody knows. */
  readonly cores?: number | undefined
  /** How a lease names it, when it gives so many. The token is in an order only. */
  readonly forLease: (nodes: number, token: string) => LeaseMechanism
  /** The machines that its group or pool has already. */
  readonly before: readonly string[]
  /** Of a group: as they are, and as they would be. */
  readonly bounds?: { readonly from: Bounds; readonly to: (nodes: number) => Bounds } | undefined
}

/** Why a mechanism gives nothing. `wait`: nor does any after it, for it will soon, or somebody else is at it. */
export interface Refusal {
  readonly name: string
  readonly code: ReasonCode
  readonly text: string
  readonly wait: boolean
}

export type Choice = { readonly offer: Offer; readonly passed: readonly Refusal[] } | { readonly refusals: readonly Refusal[] }

/**
 * The first mechanism of a policy's chain that has something to give. One that gave nothing lately waits, longer each time, and the next
 * one is asked meanwhile; so it is with one that is full. What passes by itself, or what somebody has to decide, is waited for instead:
 * the next mechanism may cost more. `taken` are machines that another pool of the same plan takes.
 */
export function choose(policy: Policy, context: PoolContext, taken: ReadonlySet<string>): Choice {
  const passed: Refusal[] = []
  for (const settings of policy.mechanisms) {
    const name = mechanismName(settings)
    const offer = backOff(name, context) ?? offerOf(settings, name, policy, context, taken)
    if ('room' in offer) return { offer, passed }
    passed.push(offer)
    if (offer.wait) break
  }
  return { refusals: passed }
}

const firstBackOffMs = 5 * 60_000
const longestBackOffMs = 30 * 60_000
/** What lies longer back says nothing about today's stock. */
const forgottenAfterMs = 3 * 3_600_000

/** Code of a lease that was closed before anything was asked for, because the world had changed: it says nothing about stock. */
const movedCode = 'moved'

/** Why a mechanism is not asked again yet: it gave nothing the last time, or the last times in a row. */
function backOff(name: string, { leases, now }: PoolContext): Refusal | undefined {
  const own = leases
    .filter(({ mechanism, outcome }) => mechanism.name === name && !(outcome?.kind === 'failed' && outcome.code === movedCode))
    .toSorted((one, other) => other.ordinal - one.ordinal)
  const refuse = (text: string): Refusal => ({ name, code: 'mechanism-backing-off', text, wait: false })
  const undone = own.find((lease) => lease.state === 'recovering' && lease.recovery?.why === 'compensate')
  if (undone !== undefined) return refuse(`nodes of the lease ${undone.id} did not become ready and are being given back`)
  const firstGood = own.findIndex((lease) => !hasFailed(lease))
  const failures = own.slice(0, firstGood === -1 ? own.length : firstGood)
  const [last] = failures
  const failedAtMs = last?.outcome?.atMs
  if (last?.outcome === undefined || failedAtMs === undefined || now - failedAtMs > forgottenAfterMs) return undefined
  const waitMs = Math.min(longestBackOffMs, firstBackOffMs * 2 ** (failures.length - 1))
  if (now >= failedAtMs + waitMs) return undefined
  const times = failures.length === 1 ? 'it gave nothing' : `it gave nothing ${failures.length} times in a row, last`
  return refuse(
    `${times} at ${instant(failedAtMs)} (${last.outcome.code}: ${last.outcome.text}), and is asked again after ${formatDuration(waitMs)}, at ${instant(failedAtMs + waitMs)}`,
  )
}

function hasFailed({ outcome }: Lease): boolean {
  return outcome?.kind === 'failed' || outcome?.kind === 'compensated'
}

function offerOf(
  settings: MechanismSettings,
  name: string,
  policy: Policy,
  context: PoolContext,
  taken: ReadonlySet<string>,
): Offer | Refusal {
  switch (settings.kind) {
    case 'scaling-group':
      return groupOffer(settings, name, policy, context)
    case 'new-instances':
      return orderOffer(settings, name, context)
    case 'virtual-nodes':
      return virtualOffer(settings, name, context)
    case 'existing-instances':
      return spareOffer(settings, name, context, taken)
  }
}

type SettingsOf<Kind extends MechanismSettings['kind']> = Extract<MechanismSettings, { readonly kind: Kind }>

/** What a group that stands still is called. */
const enabled = 'enabled'
const disabled = 'disabled'

function groupOffer(settings: SettingsOf<'scaling-group'>, name: string, policy: Policy, context: PoolContext): Offer | Refusal {
  const { view, arrivals, now } = context
  const { group: id } = settings
  const no = (code: ReasonCode, text: string, wait: boolean): Refusal => ({ name, code, text, wait })
  const group = view.groups.find((one) => one.id === id)
  if (group === undefined) return no('group-missing', `cluster ${view.cluster} has no scaling group ${id}`, false)
  if (group.status === disabled) return no('group-disabled', `scaling group ${id} is disabled and buys nothing`, false)
  if (group.status !== enabled) return no('group-busy', `scaling group ${id} is ${group.status}; wait until that is done`, true)
  if (policy.clusterAutoscaler === 'refuse' && isAutoscaled(id, view, now)) {
    const seen = view.autoscaler?.lastSeenMs
    const when = seen === undefined ? '' : `, seen last at ${instant(seen)}`
    const text = `the cluster autoscaler of ${view.cluster} looks after scaling group ${id}${when}; never both: take the group from it, or say clusterAutoscaler: share`
    return no('cluster-autoscaler-active', text, true)
  }
  const from = boundsNow(group, view)
  if (from === undefined) {
    const text = `nobody knows the bounds of scaling group ${id}, so they could not be put back: give them in the settings of the mechanism`
    return no('bounds-unknown', text, true)
  }
  const asked = group.size + owedIn(id, view, arrivals)
  if (from.min > asked) {
    const text = `scaling group ${id} has ${count(group.size, 'machine')} and wants ${from.min} at least: it does not get what it wants already`
    return no('group-below-floor', text, false)
  }
  const all = Math.max(asked, freshWanted(group, view, now) ?? 0)
  if (all >= largestGroup)
    return no('group-full', `scaling group ${id} has ${all} machines, and no group has more than ${largestGroup}`, false)
  const cores = settings.cores ?? group.cores
  return {
    name,
    settings,
    room: largestGroup - all,
    limit: `scaling group ${id} has ${all} machines, and no group has more than ${largestGroup}`,
    ...(cores === undefined ? {} : { cores }),
    forLease: () => ({ name, kind: 'scaling-group', group: id }),
    before: view.nodes.flatMap(({ instanceId, groupId }) => (groupId === id ? [instanceId] : [])),
    bounds: { from, to: (nodes) => ({ min: all + nodes, max: Math.max(from.max, all + nodes) }) },
  }
}

/** A group's bounds: what was said of them last, by us or by the autoscaler. */
export function boundsNow({ id, bounds }: GroupView, { record }: PoolView): Bounds | undefined {
  const set = record?.value.bases.find(({ group }) => group === id)?.set
  if (set === undefined) return bounds === undefined ? undefined : { min: bounds.min, max: bounds.max }
  const isNewer = bounds?.source === 'autoscaler' && bounds.atMs !== undefined && bounds.atMs > set.atMs + statusLagMs
  return isNewer ? { min: bounds.min, max: bounds.max } : { min: set.min, max: set.max }
}

/** The most machines that one call buys or takes. */
const largestCall = 100

function orderOffer(settings: SettingsOf<'new-instances'>, name: string, { view }: PoolContext): Offer | Refusal {
  const subnet = settings.order.VirtualPrivateCloud.SubnetId
  const free = view.subnets.find(({ id }) => id === subnet)?.free
  if (free !== undefined && free <= 0) return { name, code: 'subnet-full', text: `subnet ${subnet} has no address left`, wait: false }
  return {
    name,
    settings,
    room: Math.min(largestCall, free ?? largestCall),
    limit:
      free === undefined || free > largestCall ? `one call buys at most ${largestCall}` : `subnet ${subnet} has ${free} addresses left`,
    cores: settings.cores,
    forLease: (nodes, token) => ({ name, kind: 'new-instances', order: runInstancePara(settings.order, nodes, token) }),
    before: [],
  }
}

function virtualOffer(settings: SettingsOf<'virtual-nodes'>, name: string, { view, leases }: PoolContext): Offer | Refusal {
  const { nodePool } = settings
  const pool = view.virtualPools.find(({ id }) => id === nodePool)
  if (pool === undefined) {
    return { name, code: 'virtual-pool-missing', text: `cluster ${view.cluster} has no pool of virtual nodes ${nodePool}`, wait: false }
  }
  if (pool.state !== 'normal') {
    return {
      name,
      code: 'virtual-pool-busy',
      text: `the pool of virtual nodes ${nodePool} is ${pool.state}; wait until it is normal`,
      wait: true,
    }
  }
  const full = new Set(view.subnets.flatMap(({ id, free }) => (free !== undefined && free <= 0 ? [id] : [])))
  const open = settings.subnets.filter((id) => !full.has(id))
  if (open.length === 0) {
    return { name, code: 'subnet-full', text: `no subnet of ${settings.subnets.join(', ')} has an address left`, wait: false }
  }
  // Those that have fewest of ours first, so that they fill evenly.
  const used = (id: string): number => leases.filter((lease) => isOpen(lease) && lease.mechanism.subnets?.includes(id) === true).length
  const inOrder = open.toSorted((one, other) => used(one) - used(other) || settings.subnets.indexOf(one) - settings.subnets.indexOf(other))
  return {
    name,
    settings,
    room: inOrder.length,
    limit: `one call adds one node for each of ${count(inOrder.length, 'subnet')}`,
    cores: settings.cores ?? 0,
    forLease: (nodes) => ({ name, kind: 'virtual-nodes', nodePool, subnets: inOrder.slice(0, nodes) }),
    before: view.nodes.flatMap(({ instanceId, virtualPoolId }) => (virtualPoolId === nodePool ? [instanceId] : [])),
  }
}

function spareOffer(
  settings: SettingsOf<'existing-instances'>,
  name: string,
  { view, leases }: PoolContext,
  taken: ReadonlySet<string>,
): Offer | Refusal {
  const asked = new Set(leases.flatMap((lease) => (isOpen(lease) ? (lease.mechanism.instanceIds ?? []) : [])))
  const named = view.spares.filter((spare) => settings.names.some((glob) => matchesGlob(glob, spare.name)))
  const usable = named
    .filter(({ instanceId, obstacle }) => obstacle === '' && !asked.has(instanceId) && !taken.has(instanceId))
    .toSorted((one, other) => compareTexts(one.name, other.name) || compareTexts(one.instanceId, other.instanceId))
  if (usable.length === 0) {
    const obstacle = named.find((spare) => spare.obstacle !== '')
    const example = obstacle === undefined ? '' : `, such as ${obstacle.name}: ${obstacle.obstacle}`
    return { name, code: 'no-spare', text: `none of ${count(named.length, 'machine')} of these names can join${example}`, wait: false }
  }
  return {
    name,
    settings,
    room: Math.min(largestCall, usable.length),
    limit: `${count(usable.length, 'machine')} of these names can join`,
    cores: Math.max(...usable.map((spare) => spare.cores)),
    forLease: (nodes) => ({ name, kind: 'existing-instances', instanceIds: usable.slice(0, nodes).map(({ instanceId }) => instanceId) }),
    before: [],
  }
}

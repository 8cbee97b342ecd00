import { formatDuration } from '#shared/pure/duration.ts'
import type { Want } from './demand.ts'
import { keptClosedMs, type Lease, mostLeases } from './lease.ts'
import type { Offer } from './mechanisms.ts'
import type { PoolContext } from './pool-context.ts'
import type { ReasonCode } from './reason.ts'
import { countsForCaps, isAnswer, levelGiven, stockOf } from './sizing.ts'
import { count, figure, instant } from './words.ts'

/** How many nodes a limit leaves room for, and the figures. */
export interface Room {
  readonly code: ReasonCode
  /** As many as anybody wants, where it is no limit now. */
  readonly nodes: number
  readonly text: string
}

/** What earlier pools of the same plan have taken of what they share. */
export interface Taken {
  /** Nodes, by cluster. */
  readonly nodes: Map<string, number>
  /** Licensed cores, by region. */
  readonly cores: Map<string, number>
  /** Machines of the account. */
  readonly spares: Set<string>
}

const unlimited = Number.POSITIVE_INFINITY

/** Limits in time: whether now is a moment to grow. */
export function momentRooms(want: Want, context: PoolContext): readonly Room[] {
  return [recordRoom(context), cooldownRoom(want, context)]
}

/** Limits of the settings, whatever the nodes come from, in the order in which they are told. */
export function settingRooms(want: Want, context: PoolContext): readonly Room[] {
  return [...capRooms(want, context), absoluteRoom(context)]
}

/** Limits of the platform on what a mechanism offers, in the order in which they are told. */
export function platformRooms(want: Want, offer: Offer, context: PoolContext, taken: Taken): readonly Room[] {
  return [quotaRoom(want, offer, context, taken), ...licenceRooms(want, offer, context, taken)]
}

function recordRoom({ leases, now }: PoolContext): Room {
  const kept = leases.filter((lease) => lease.state !== 'closed' || (lease.outcome?.atMs ?? now) > now - keptClosedMs).length
  return {
    code: 'record-full',
    nodes: kept < mostLeases ? unlimited : 0,
    text: `its record holds ${kept} leases of the last ${formatDuration(keptClosedMs)} and takes no more than ${mostLeases}`,
  }
}

/** After a growth only the difference to a higher step is added. */
function cooldownRoom({ policy, reached }: Want, { leases, now }: PoolContext): Room {
  const recent = leases.filter((lease) => isAnswer(lease) && now - lease.askedAtMs < policy.cooldown.out)
  const lastMs = Math.max(...recent.map(({ askedAtMs }) => askedAtMs))
  const level = Math.max(...recent.map(levelGiven))
  return {
    code: 'cooldown',
    nodes: recent.length === 0 ? unlimited : Math.max(0, reached.level - level),
    text:
      recent.length === 0
        ? 'it has not grown lately'
        : `the pool has grown at ${instant(lastMs)} to ${level} more and grows again from ${instant(lastMs + policy.cooldown.out)} on`,
  }
}

const hourMs = 3_600_000

function capRooms({ episode, policy }: Want, { leases, now }: PoolContext): readonly Room[] {
  const counted = leases.filter(countsForCaps)
  const sum = (list: readonly Lease[]): number => list.reduce((total, { wanted }) => total + wanted, 0)
  const own = sum(counted.filter((lease) => lease.episode.id === episode.id))
  const hour = sum(counted.filter(({ askedAtMs }) => askedAtMs > now - hourMs))
  const day = sum(counted.filter(({ askedAtMs }) => askedAtMs > now - 24 * hourMs))
  const { caps } = policy
  return [
    { code: 'cap-event', nodes: caps.event - own, text: `${own} of ${count(caps.event, 'node')} for one alarm are used` },
    { code: 'cap-hour', nodes: caps.hour - hour, text: `${hour} of ${count(caps.hour, 'node')} within an hour are used` },
    { code: 'cap-day', nodes: caps.day - day, text: `${day} of ${count(caps.day, 'node')} within 24 hours are used` },
  ]
}

function absoluteRoom({ view, arrivals, settings, now }: PoolContext): Room {
  const { present, owed, surplus } = stockOf(view, arrivals, now)
  const max = settings?.max ?? 0
  return {
    code: 'absolute-max',
    nodes: max - present - owed - surplus,
    text: `the pool has ${count(present, 'node')} and ${owed + surplus} on their way, and never more than ${max}`,
  }
}

function quotaRoom({ policy }: Want, { settings }: Offer, { view, arrivals, now }: PoolContext, taken: Taken): Room {
  // The platform counts machines.
  if (settings.kind === 'virtual-nodes') return { code: 'quota', nodes: unlimited, text: 'virtual nodes are not counted' }
  const { quota, clusterNodes, comingElsewhere, cluster } = view
  if (quota === undefined) return { code: 'quota-unknown', nodes: 0, text: `the quota of nodes in cluster ${cluster} could not be read` }
  const { owed, surplus } = stockOf(view, arrivals, now)
  const coming = owed + surplus + comingElsewhere + (taken.nodes.get(cluster) ?? 0)
  const reserve = policy.quotaReserve === 0 ? '' : `, ${policy.quotaReserve} of them left for others`
  return {
    code: 'quota',
    nodes: quota.maxNodes - policy.quotaReserve - clusterNodes - coming,
    text: `cluster ${cluster} has ${count(clusterNodes, 'node')} and ${coming} on their way, and may have ${quota.maxNodes}${reserve}`,
  }
}

function licenceRooms({ policy }: Want, offer: Offer, { view, leases, arrivals, now }: PoolContext, taken: Taken): readonly Room[] {
  const { guard, reserveCores, horizon } = policy.licence
  if (!guard) return []
  const { licence, region } = view
  const none = (code: ReasonCode, text: string): readonly Room[] => [{ code, nodes: 0, text }]
  const why = licence?.text === undefined ? '' : `: ${licence.text}`
  if (licence === undefined) return none('licence-unreadable', `nobody knows what the licence leaves in ${region}`)
  const { overage, freeCores, atMs, takenElsewhere, blockedAtMs } = licence
  if (overage === 'over') return none('licence-over', `more cores are used in ${region} than are licensed${why}`)
  if (blockedAtMs !== undefined && horizon > 0 && blockedAtMs <= now + horizon) {
    const text = `by the forecast use is blocked in ${region} from ${instant(blockedAtMs)} on, which is within ${formatDuration(horizon)}`
    return none('licence-forecast', text)
  }
  if (freeCores === 'unlimited') return []
  if (freeCores === 'unknown') {
    return overage === 'ok' ? [] : none('licence-unreadable', `whether ${region} is within its licence is not known${why}`)
  }
  const { cores } = offer
  if (cores === undefined) {
    return none('licence-cores-unknown', `nobody knows how many cores a node of ${offer.name} has: give them in its settings`)
  }
  if (cores === 0) return []
  const own = leases.reduce((sum, lease) => sum + coresSince(lease, arrivals.of(lease).length, atMs), 0)
  const used = own + takenElsewhere + (taken.cores.get(region) ?? 0)
  const reserve = reserveCores === 0 ? '' : `, ${figure(reserveCores)} of them left for others`
  return [
    {
      code: 'licence-headroom',
      nodes: Math.floor((freeCores - reserveCores - used) / cores),
      text: `${figure(freeCores)} licensed cores were free in ${region}${reserve}, ${figure(used)} are asked for since, and a node has ${figure(cores)}`,
    },
  ]
}

/** Cores of a lease that the licence's figures do not contain yet: all that was asked for since, and what had not come by then. */
function coresSince(lease: Lease, arrived: number, atMs: number | undefined): number {
  if (!countsForCaps(lease)) return 0
  const isSince = atMs === undefined || lease.askedAtMs > atMs
  const missing = lease.state === 'closed' ? 0 : Math.max(0, lease.wanted - Math.max(arrived, lease.nodes.length))
  return (isSince ? lease.wanted : missing) * (lease.cores ?? 0)
}

import * as z from 'zod/mini'

const Text = z.string().check(z.minLength(1), z.maxLength(1000))
const Instant = z.int().check(z.nonnegative())
const Count = z.int().check(z.nonnegative())

/** The ways by which a pool can get nodes. */
export const mechanismKinds = ['scaling-group', 'new-instances', 'virtual-nodes', 'existing-instances'] as const

export type MechanismKind = (typeof mechanismKinds)[number]

/** How many machines a scaling group has at least and at most. */
export const Bounds = z.looseObject({ min: Count, max: Count })

export type Bounds = z.infer<typeof Bounds>

/** The alarm that asked for nodes, as it was then. */
export const LeaseEpisode = z.looseObject({ id: Text, source: Text, key: Text, name: Text, startedAtMs: Instant })

export type LeaseEpisode = z.infer<typeof LeaseEpisode>

/** By what the nodes were asked for; the platform's own names of it, so that it can be given back whatever the settings say by then. */
export const LeaseMechanism = z.looseObject({
  /** Its name in the chain of the policy. */
  name: Text,
  kind: z.enum(mechanismKinds),
  /** Of `scaling-group`. */
  group: z.optional(Text),
  /** Of `virtual-nodes`. */
  nodePool: z.optional(Text),
  /** Of `virtual-nodes`: one node for each. */
  subnets: z.optional(z.array(Text)),
  /** Of `existing-instances`: the machines that were chosen. */
  instanceIds: z.optional(z.array(Text)),
  /**
   * Of `new-instances`, as long as nobody knows whether it was bought: RunInstancePara with number and token, so that a second try is the
   * same request.
   */
  order: z.optional(z.string().check(z.maxLength(16_000))),
})

export type LeaseMechanism = z.infer<typeof LeaseMechanism>

/** How a node that is to go is emptied. */
export const NodeDrain = z.looseObject({
  sinceMs: Instant,
  /** It was open before, so it is opened again when the drain comes to nothing. */
  cordonedByUs: z.boolean(),
  /** How often its pods were asked to go. */
  attempts: Count,
  /** What kept pods from going at the last attempt, such as a PodDisruptionBudget. */
  blockedBy: z.optional(z.string().check(z.maxLength(1000))),
})

export type NodeDrain = z.infer<typeof NodeDrain>

/** A node that was added under a lease. Of a virtual node the id is its name. */
export const LeaseNode = z.looseObject({
  instanceId: Text,
  nodeName: z.optional(Text),
  /** When it was first seen ready. */
  readyAtMs: z.optional(Instant),
  drain: z.optional(NodeDrain),
  /** It is gone: given back by us, or not there any more. */
  removedAtMs: z.optional(Instant),
})

export type LeaseNode = z.infer<typeof LeaseNode>

/** Why nodes are given back. */
export const recoveryReasons = ['resolved', 'expired', 'released', 'compensate'] as const

export type RecoveryReason = (typeof recoveryReasons)[number]

/** How giving back goes. */
export const Recovery = z.looseObject({ sinceMs: Instant, why: z.enum(recoveryReasons) })

/** Why giving back did not come to its end. */
export const Setback = z.looseObject({
  atMs: Instant,
  code: Text,
  text: z.string().check(z.maxLength(2000)),
  /** How often in a row. */
  count: Count,
  /** Not tried again before that. */
  notBeforeMs: Instant,
})

/** How a lease ended. */
export const leaseEndings = ['removed', 'compensated', 'failed', 'kept'] as const

export type LeaseEnding = (typeof leaseEndings)[number]

export const LeaseOutcome = z.looseObject({
  /**
   * `removed`: its nodes were given back. `compensated`: they never became ready and were given back. `failed`: the mechanism gave none.
   * `kept`: somebody keeps them for good.
   */
  kind: z.enum(leaseEndings),
  code: Text,
  text: z.string().check(z.maxLength(2000)),
  atMs: Instant,
})

export type LeaseOutcome = z.infer<typeof LeaseOutcome>

/** How far a lease has come. */
export const leaseStates = ['asking', 'provisioning', 'held', 'recovering', 'closed'] as const

export type LeaseState = (typeof leaseStates)[number]

/**
 * Nodes that were added to a pool for a time, and all that is needed to give them back: it stays readable when settings, memory and
 * alarms are gone. Fields of a newer version are kept as they are.
 *
 * - `asking` it is written before anything is asked for; its nodes count as on their way from then on
 * - `provisioning` the mechanism has said yes; nodes come and become ready, at the latest until `provisionUntilMs`
 * - `held` its nodes are there
 * - `recovering` they are emptied and given back, one after the other
 * - `closed` it has ended, see `outcome`
 */
export const Lease = z.looseObject({
  /** `ls-` and 16 hexadecimal digits: fit for a label's value. The same decision gives the same id. */
  id: z.string().check(z.regex(/^ls-[0-9a-f]{16}$/)),
  /** Counts the leases of the pool from 1. */
  ordinal: z.int().check(z.positive()),
  /** Of the step that asked. */
  key: Text,
  policy: Text,
  episode: LeaseEpisode,
  /** Index of the policy's step that the alarm had reached. */
  step: Count,
  /** How many nodes that step wants beyond those in service. */
  level: Count,
  /** Nodes asked for: the difference to what was on its way, within all limits. */
  wanted: z.int().check(z.positive()),
  /** Of each node; absent where nobody knows. */
  cores: z.optional(z.number().check(z.nonnegative())),
  mechanism: LeaseMechanism,
  before: z.looseObject({
    /** Machines that the group, or the pool of virtual nodes, had before: none of them is ever given back. */
    instanceIds: z.array(Text),
    /** Of the group, as they were when nodes were asked for. */
    bounds: z.optional(Bounds),
    /** Of other leases of the group, by their ids: what each held up of its floor before this one raised it above all that is there. */
    floors: z.optional(z.record(z.string(), Count)),
  }),
  /** Of the group, as they were asked for. */
  bounds: z.optional(Bounds),
  /** By how many machines the lease holds up the group's floor: as many as it asked for, none once the floor was lowered for it. */
  floor: z.optional(Count),
  /** The group was stopped from trying to buy machines that never came. */
  isTrimmed: z.optional(z.boolean()),
  /** Makes a purchase repeatable where the platform supports it. */
  token: z.optional(z.string().check(z.regex(/^[\x21-\x7e]{1,64}$/))),
  state: z.enum(leaseStates),
  outcome: z.optional(LeaseOutcome),
  nodes: z.array(LeaseNode),
  askedAtMs: Instant,
  /** While `asking`: when it was asked for again. */
  triedAtMs: z.optional(Instant),
  provisionUntilMs: Instant,
  /** Since when all its nodes are there. */
  heldSinceMs: z.optional(Instant),
  /** From then on the metric is read again, whether or not the alarm was said to be over. */
  expiresAtMs: Instant,
  /** While `recovering`. */
  recovery: z.optional(Recovery),
  /** The last time that giving back had to be broken off. */
  setback: z.optional(Setback),
  /** The last steps that have written it, see `markOf`: who cannot know whether his write arrived finds it here. */
  written: z.optional(z.array(Text)),
})

export type Lease = z.infer<typeof Lease>

/** What is known of a scaling group that leases have changed. */
export const GroupBase = z.looseObject({
  group: Text,
  /** Bounds before the first of its leases that are open: what is restored in the end. */
  before: Bounds,
  /** Bounds as we have set them last, and when: others than these are somebody else's. */
  set: z.looseObject({ min: Count, max: Count, atMs: Instant }),
  /** Bounds that we were about to set after that: whether it came to it nobody has written down, and they are nobody else's. */
  aimed: z.optional(z.looseObject({ min: Count, max: Count })),
})

export type GroupBase = z.infer<typeof GroupBase>

/** How long closed leases stay in the record: caps count them for a day. */
export const keptClosedMs = 48 * 3_600_000

/** The most leases that a record holds. One that is full grows no further, for caps could not be counted any more. */
export const mostLeases = 200

/**
 * All leases of one pool: one ConfigMap of its cluster. Whoever changes it does so on the version that he has read, so that two who decide
 * about a pool exclude each other.
 */
export const PoolRecord = z.looseObject({
  version: z.literal(1),
  /** The platform's id. */
  cluster: Text,
  pool: Text,
  /** Of the newest lease; rises with every lease, and is never used twice. */
  ordinal: Count,
  bases: z.array(GroupBase),
  /** Open ones and those that were closed within 48 hours, newest last. */
  leases: z.array(Lease).check(z.maxLength(mostLeases)),
})

export type PoolRecord = z.infer<typeof PoolRecord>

/** How many steps a lease remembers: more than can be in doubt at the same time. */
const mostWritten = 16

/** What a lease remembers of a step that has written it: the beginning of its key. */
function markOf(key: string): string {
  return key.slice(key.lastIndexOf(':') + 1).slice(0, 16)
}

/** A lease that a step has written. */
export function writtenBy(lease: Lease, key: string): Lease {
  return { ...lease, written: [...(lease.written ?? []), markOf(key)].slice(-mostWritten) }
}

/** Whether a step has written a lease, as far as it remembers. */
export function wasWrittenBy({ written = [] }: Lease, key: string): boolean {
  return written.includes(markOf(key))
}

export function isOpen(lease: Lease): boolean {
  return lease.state !== 'closed'
}

/** Whether nodes of a lease are still to come. */
export function isComing(lease: Lease): boolean {
  return lease.state === 'asking' || lease.state === 'provisioning'
}

/** The nodes of a lease that are not known to be gone. */
export function nodesLeft(lease: Lease): readonly LeaseNode[] {
  return lease.nodes.filter(({ removedAtMs }) => removedAtMs === undefined)
}

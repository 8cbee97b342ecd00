import * as z from 'zod/mini'
import { leaseEndings, mechanismKinds, recoveryReasons } from './lease.ts'

const Text = z.string().check(z.minLength(1), z.maxLength(1000))
const Sentence = z.string().check(z.maxLength(2000))
const Instant = z.int().check(z.nonnegative())
const Count = z.int().check(z.nonnegative())
const Bounds = z.strictObject({ min: Count, max: Count })
const LeaseId = z.string().check(z.regex(/^ls-[0-9a-f]{16}$/))

/** Which pool: its ConfigMap is what every change writes to, on the version that is there right before. */
const pool = { cluster: Text, region: z.string(), pool: Text }

const Node = z.strictObject({ instanceId: Text, nodeName: z.optional(Text) })

/** A lease as it is asked for; the times come from the moment of writing. See `Lease` for what the fields mean. */
const NewLease = z.strictObject({
  id: LeaseId,
  policy: Text,
  episode: z.strictObject({ id: Text, source: Text, key: Text, name: Text, startedAtMs: Instant }),
  step: Count,
  level: Count,
  wanted: z.int().check(z.positive()),
  cores: z.optional(z.number()),
  mechanism: z.strictObject({
    name: Text,
    kind: z.enum(mechanismKinds),
    group: z.optional(Text),
    nodePool: z.optional(Text),
    subnets: z.optional(z.array(Text)),
    instanceIds: z.optional(z.array(Text)),
    order: z.optional(z.string()),
  }),
  before: z.strictObject({ instanceIds: z.array(Text), bounds: z.optional(Bounds) }),
  bounds: z.optional(Bounds),
  token: z.optional(Text),
})

/**
 * Adds nodes: writes the lease in the state `asking`, asks the mechanism, and writes what it answered. Where the record has the lease
 * already, nobody knows whether the mechanism was asked: it goes on there, with the same lease and the same token. Holds only as long as
 * the record's ordinal is `ordinal`, or the lease itself is there and still asking.
 */
const Grow = z.strictObject({
  kind: z.literal('grow'),
  ...pool,
  /** Of the record that was decided by; 0 where there was none. */
  ordinal: Count,
  lease: NewLease,
  /** How long it may take until its nodes are ready. */
  provisionMs: Count,
  /** How long it lasts. */
  leaseMs: Count,
})

/** Writes down which nodes have come, are ready or are gone, and marks them as leased. Changes no machine. */
const Track = z.strictObject({
  kind: z.literal('track'),
  ...pool,
  leaseId: LeaseId,
  from: z.enum(['asking', 'provisioning', 'held', 'recovering']),
  to: z.enum(['provisioning', 'held', 'recovering']),
  /** All that are known by now, in the order in which they came. */
  nodes: z.array(
    z.strictObject({
      instanceId: Text,
      nodeName: z.optional(Text),
      readyAtMs: z.optional(Instant),
      /** It is not there any more. */
      isGone: z.boolean(),
    }),
  ),
  /** Nodes that do not carry the lease's label and the mark that keeps the cluster autoscaler off them yet. */
  mark: z.array(Text),
})

/** Begins to give nodes back. Changes nothing but the record. */
const Recover = z.strictObject({
  kind: z.literal('recover'),
  ...pool,
  leaseId: LeaseId,
  from: z.enum(['asking', 'provisioning', 'held']),
  why: z.enum(recoveryReasons),
})

/** Nodes of a lease that has ended have come after all: they go again. Changes nothing but the record. */
const Reclaim = z.strictObject({ kind: z.literal('reclaim'), ...pool, leaseId: LeaseId, nodes: z.array(Node).check(z.minLength(1)) })

/**
 * Cordons a node and asks its pods to go, as far as their budgets let them. Repeated with the next `attempt` until the node is empty or
 * the deadline has passed. Holds only while the record has the lease as recovering and `attempt` - 1 attempts before it.
 */
const Drain = z.strictObject({
  kind: z.literal('drain'),
  ...pool,
  leaseId: LeaseId,
  instanceId: Text,
  nodeName: Text,
  /** Counts from 1. */
  attempt: z.int().check(z.positive()),
  /** Whether it was open before, so that it would be opened again; only with the first attempt. */
  wasOpen: z.boolean(),
  by: z.enum(['evict', 'platform']),
  /** Of a virtual node. */
  nodePool: z.optional(Text),
  /** It goes in any case: it is closed again when somebody has opened it meanwhile. */
  isOrdered: z.optional(z.boolean()),
})

/** Gives one leased node back. Holds only while no pod is on it that has to go elsewhere, unless it never was ready (`force`). */
const Remove = z.strictObject({
  kind: z.literal('remove'),
  ...pool,
  leaseId: LeaseId,
  instanceId: Text,
  nodeName: z.optional(Text),
  /** `terminate` gives the machine back to the platform, `retain` takes it out of the cluster only. */
  mode: z.enum(['terminate', 'retain']),
  force: z.boolean(),
  /** Of a virtual node. */
  nodePool: z.optional(Text),
  /** Of a machine of a scaling group: its floor has to be below its size, or the group would buy another one. */
  group: z.optional(Text),
  /** The group's floor where somebody else has set it since we did; as the record says when absent. */
  floor: z.optional(Count),
})

/** Breaks giving back off: opens the nodes that we have closed, and holds the lease as before. */
const StopRecovery = z.strictObject({
  kind: z.literal('stop-recovery'),
  ...pool,
  leaseId: LeaseId,
  /** Nodes that we have cordoned and that are still there. */
  nodes: z.array(z.strictObject({ instanceId: Text, nodeName: Text })),
  code: Text,
  text: Sentence,
  /** How often in a row it could not be done; 0 when somebody needs the nodes again. */
  count: Count,
  /** How long it is not tried again. */
  retryMs: Count,
})

/** Sets the bounds of a scaling group on the way back. */
const RestoreBounds = z.strictObject({
  kind: z.literal('restore-bounds'),
  ...pool,
  leaseId: LeaseId,
  group: Text,
  /** As we have set them last. */
  from: Bounds,
  to: Bounds,
  /**
   * `floor`: lowered so that a machine that is given back is not replaced. `trim`: the ceiling is at what is there, so that the group stops
   * trying to buy what never came. `ceiling`: as it was before, the end of it.
   */
  phase: z.enum(['floor', 'trim', 'ceiling']),
  /** By how many machines the lease still holds up the floor afterwards. */
  floor: Count,
})

/** The metric was read again and is still on its bad side: the lease goes on. Changes nothing but the record. */
const Extend = z.strictObject({ kind: z.literal('extend'), ...pool, leaseId: LeaseId, expiresAtMs: Instant, leaseMs: Count })

/** Somebody gives the nodes of a lease back now, or keeps them for good. Changes the record, marks on nodes and the group's bounds. */
const Release = z.strictObject({
  kind: z.literal('release'),
  ...pool,
  leaseId: LeaseId,
  /** They stay, and nobody takes them away any more. */
  keep: z.boolean(),
  by: Text,
  /** The bounds of its scaling group go back first, where no other lease holds them up: who keeps nodes keeps no floor under them. */
  bounds: z.optional(z.boolean()),
})

/** Ends a lease. Changes nothing but the record. */
const Close = z.strictObject({
  kind: z.literal('close'),
  ...pool,
  leaseId: LeaseId,
  from: z.enum(['asking', 'provisioning', 'held', 'recovering']),
  outcome: z.enum(leaseEndings),
  code: Text,
  text: Sentence,
})

/**
 * What a step of the alarm scaler brings about. Plain JSON; nothing in it depends on when it was planned, so that a plan that is made
 * again is the same. How the record looks after each is `recordAfter`.
 */
export const AlarmChange = z.discriminatedUnion('kind', [
  Grow,
  Track,
  Recover,
  Reclaim,
  Drain,
  Remove,
  StopRecovery,
  RestoreBounds,
  Extend,
  Release,
  Close,
])

export type AlarmChange = z.infer<typeof AlarmChange>
export type GrowChange = z.infer<typeof Grow>
export type TrackChange = z.infer<typeof Track>
export type RecoverChange = z.infer<typeof Recover>
export type ReclaimChange = z.infer<typeof Reclaim>
export type DrainChange = z.infer<typeof Drain>
export type RemoveChange = z.infer<typeof Remove>
export type StopRecoveryChange = z.infer<typeof StopRecovery>
export type RestoreBoundsChange = z.infer<typeof RestoreBounds>
export type ExtendChange = z.infer<typeof Extend>
export type ReleaseChange = z.infer<typeof Release>
export type CloseChange = z.infer<typeof Close>
export type NewLease = z.infer<typeof NewLease>

/** The lease that a change is about. */
export function leaseIdOf(change: AlarmChange): string {
  return change.kind === 'grow' ? change.lease.id : change.leaseId
}

/** How much a change counts against caps: nodes that come or go. */
export function unitsOf(change: AlarmChange): number {
  switch (change.kind) {
    case 'grow':
      return change.lease.wanted
    case 'remove':
      return 1
    default:
      return 0
  }
}

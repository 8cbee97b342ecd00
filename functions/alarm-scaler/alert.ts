import * as z from 'zod/mini'
import { sourceKinds } from './source-settings.ts'

/** Epoch milliseconds, by the sender's clock. */
const Instant = z.int().check(z.nonnegative())
const Text = z.string().check(z.maxLength(500))

const facts = {
  /** Name of the source in the settings. */
  source: z.string(),
  kind: z.enum(sourceKinds),
  /**
   * Tells one series from the next within a source: a fingerprint, a policy and its object, the ARN of an alarm. The same for everything
   * that is ever said of it, whatever its state.
   */
  key: z.string().check(z.minLength(1), z.maxLength(500)),
  /** What the policy or rule is called there. */
  name: Text,
  /**
   * When the sender said it, if it says so: what comes late is known by this. A message that is sent again has the time of the first.
   */
  saidAtMs: z.optional(Instant),
  value: z.optional(z.number()),
  threshold: z.optional(z.number()),
  /** It is wrong when the value is below the threshold, such as free memory. */
  isBelow: z.optional(z.boolean()),
  unit: z.optional(Text),
  /**
   * What else the sender says, by its own names; `cluster`, `region`, `namespace`, `node`, `severity` and `policyId` are there under
   * these names wherever it says them.
   */
  labels: z.record(z.string(), z.string()),
  /** A sentence for people. */
  summary: z.optional(Text),
}

/** Something is wrong, since then. */
const Firing = z.strictObject({
  ...facts,
  state: z.literal('firing'),
  startedAtMs: Instant,
  /** The sender says when it sent this, and not since when: as long as it fires it is the same episode. */
  isStartUnsure: z.optional(z.boolean()),
})

/** It is over. Who does not say when it began, or ended, leaves it out. */
const Resolved = z.strictObject({
  ...facts,
  state: z.literal('resolved'),
  startedAtMs: z.optional(Instant),
  endedAtMs: z.optional(Instant),
})

/** Nobody knows: neither is anything wrong, nor is it over. `startedAtMs` is since when nobody does. */
const NoData = z.strictObject({ ...facts, state: z.literal('no-data'), startedAtMs: z.optional(Instant) })

/**
 * What a sender says about one series, in our terms. It is a hint: it may come twice, late, out of order, or not at all, and all of
 * its times are by the sender's clock.
 */
export const Alert = z.discriminatedUnion('state', [Firing, Resolved, NoData])

export type Alert = z.infer<typeof Alert>
export type AlertState = Alert['state']

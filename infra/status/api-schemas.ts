import * as z from 'zod/mini'
import { functionNames } from '#shared/runtime/definition.ts'

/**
 * What `/api/...` answers. The page and every script read the same; `openapi.json` is written from here. Instants are ISO 8601 in
 * UTC; what is absent is not known, never zero. Texts for people are in English as the functions wrote them; codes are what a reader
 * in another language goes by.
 */

const Instant = z.iso.datetime()
const Mode = z.enum(['observe', 'plan', 'enforce'])
export const FunctionId = z.enum(functionNames)
export const OutcomeName = z.enum(['Applied', 'Planned', 'NoChange', 'Skipped', 'Missed', 'Held', 'Invalid', 'Failed'])
const Reason = z.strictObject({ code: z.string(), text: z.string() })
const Counts = z.record(OutcomeName, z.int().check(z.nonnegative()))

/** `GET /api/platform`: what this process works on, and what holds it. */
export const PlatformView = z.strictObject({
  /** The platform's time (the sandbox's where there is one). */
  now: Instant,
  mode: Mode,
  kind: z.enum(['sandbox', 'platform']),
  /** Whom calls go to: a host, or the address of the sandbox. */
  endpoint: z.string(),
  region: z.string(),
  /** How many times faster than the clock on the wall time passes; 1 on a real platform. */
  speed: z.number().check(z.positive()),
  version: z.string(),
  clusters: z.array(z.strictObject({ id: z.string(), name: z.string() })),
  /** Absent when there is no store to ask. */
  killSwitch: z.optional(
    z.strictObject({
      state: z.enum(['run', 'stop', 'unreadable']),
      by: z.optional(z.string()),
      reason: z.optional(z.string()),
      since: z.optional(Instant),
    }),
  ),
  /** Whether requests that change something are accepted from whoever has the token. */
  writable: z.boolean(),
})
export type PlatformView = z.infer<typeof PlatformView>

/** `GET /api/functions` */
export const FunctionView = z.strictObject({
  name: FunctionId,
  summary: z.string(),
  ok: z.boolean(),
  problem: z.optional(z.string()),
  lastRun: z.optional(Instant),
  nextRun: z.optional(Instant),
  /** What the last run's decisions came to. */
  counts: z.optional(Counts),
  runs: z.int(),
  /** Changes made since this process has started. */
  applied: z.int(),
  /** Events of webhooks that wait or are worked on; absent for a function without webhooks. */
  events: z.optional(z.strictObject({ waiting: z.int(), deadLetters: z.int() })),
})
export const FunctionsView = z.strictObject({ functions: z.array(FunctionView) })
export type FunctionsView = z.infer<typeof FunctionsView>

/** One line of a run, and when it was. `id` is larger the later it came. */
export const DecisionView = z.strictObject({
  id: z.int(),
  at: Instant,
  function: FunctionId,
  runId: z.string(),
  target: z.string(),
  outcome: OutcomeName,
  before: z.string(),
  after: z.string(),
  reason: Reason,
  requestId: z.optional(z.string()),
  /** How often the same was decided in a row, and since when; 1 and `at` when it was once. */
  times: z.int(),
  since: Instant,
})
/**
 * `GET /api/decisions?function=&target=&outcome=&limit=&before=`: newest first. `target` is any part of it; `outcome` may be given several
 * times or as a list with commas; `before` is the `id` that the page ends before; `next` is the `before` of the page after this one.
 */
export const DecisionsView = z.strictObject({ decisions: z.array(DecisionView), next: z.optional(z.int()), total: z.int() })
export type DecisionsView = z.infer<typeof DecisionsView>

/** `GET /api/timeline?hours=`: sizes over time, each series with its own instants; a value holds until the next one. */
export const TimelineView = z.strictObject({
  from: Instant,
  to: Instant,
  /** Replicas of the workloads that a function has looked after, and their bounds where an HPA has them. */
  replicas: z.array(
    z.strictObject({
      target: z.string(),
      points: z.array(z.strictObject({ at: Instant, value: z.number(), min: z.optional(z.number()), max: z.optional(z.number()) })),
    }),
  ),
  /** Nodes of each cluster: all, and those that are ready. `leased` are those that the alarm-scaler has added. */
  nodes: z.array(
    z.strictObject({
      cluster: z.string(),
      points: z.array(z.strictObject({ at: Instant, value: z.number(), ready: z.number(), leased: z.number() })),
    }),
  ),
  /** What was done, to be marked in the charts. */
  events: z.array(z.strictObject({ at: Instant, function: FunctionId, target: z.string(), text: z.string() })),
})
export type TimelineView = z.infer<typeof TimelineView>

/** `GET /api/registry`: how much is kept and how much was given back. */
export const RegistryView = z.strictObject({
  /** When the registry was looked at; absent before the first time. */
  at: z.optional(Instant),
  keptBytes: z.number(),
  keptTags: z.int(),
  /** Of tags that this process has removed: those whose content the registry had nowhere any more when it was looked at. */
  freedBytes: z.number(),
  freedTags: z.int(),
  repositories: z.array(
    z.strictObject({
      repository: z.string(),
      keptTags: z.int(),
      keptBytes: z.number(),
      freedTags: z.int(),
      freedBytes: z.number(),
      /** Tags in quarantine that can be brought back. */
      quarantinedTags: z.int(),
    }),
  ),
  /** Why it is not known, where it is not. */
  problem: z.optional(z.string()),
})
export type RegistryView = z.infer<typeof RegistryView>

/** `GET /api/licence` */
export const LicenceView = z.strictObject({
  products: z.array(
    z.strictObject({
      product: z.string(),
      region: z.string(),
      metric: z.string(),
      unit: z.string(),
      /** Hourly high-water marks, oldest first; a gap is an hour that is not there. */
      points: z.array(z.strictObject({ at: Instant, value: z.number() })),
      used: z.optional(z.number()),
      entitled: z.optional(z.number()),
      forecast: z.optional(
        z.strictObject({
          /** Day of blocking, with the interval it is expected in; absent when it is not in sight. */
          day: z.optional(z.iso.date()),
          earliest: z.optional(z.iso.date()),
          latest: z.optional(z.iso.date()),
          text: z.string(),
        }),
      ),
      gaps: z.int(),
    }),
  ),
  problem: z.optional(z.string()),
})
export type LicenceView = z.infer<typeof LicenceView>

/** `GET /api/leases` */
export const LeasesView = z.strictObject({
  leases: z.array(
    z.strictObject({
      id: z.string(),
      cluster: z.string(),
      pool: z.string(),
      state: z.string(),
      alarm: z.string(),
      nodes: z.array(z.string()),
      asked: z.int(),
      since: Instant,
      until: z.optional(Instant),
      text: z.string(),
    }),
  ),
  problem: z.optional(z.string()),
})
export type LeasesView = z.infer<typeof LeasesView>

/** `GET /api/approvals`: what waits for somebody's word, and what was agreed to and is not yet done. */
export const ApprovalsView = z.strictObject({
  approvals: z.array(
    z.strictObject({
      id: z.string(),
      function: FunctionId,
      target: z.string(),
      text: z.string(),
      state: z.enum(['waiting', 'agreed', 'refused', 'expired']),
      since: z.optional(Instant),
      until: z.optional(Instant),
    }),
  ),
  problem: z.optional(z.string()),
})
export type ApprovalsView = z.infer<typeof ApprovalsView>

/** `GET /api/dead-letters` */
export const DeadLettersView = z.strictObject({
  letters: z.array(
    z.strictObject({
      id: z.string(),
      function: FunctionId,
      source: z.string(),
      receivedAt: Instant,
      givenUpAt: z.optional(Instant),
      tries: z.int(),
      reason: z.string(),
    }),
  ),
  problem: z.optional(z.string()),
})
export type DeadLettersView = z.infer<typeof DeadLettersView>

/** `GET /api/journal?function=&limit=&before=`: newest first; `function` is needed, because each has a chain of its own. */
export const JournalView = z.strictObject({
  entries: z.array(
    z.strictObject({
      sequence: z.int(),
      at: Instant,
      kind: z.string(),
      target: z.string(),
      text: z.string(),
      before: z.optional(z.string()),
      after: z.optional(z.string()),
      outcome: z.optional(z.string()),
      requestId: z.optional(z.string()),
      by: z.optional(z.string()),
    }),
  ),
  next: z.optional(z.int()),
  /** Whether the chain was read whole and nobody has changed it; `unknown` says why in `text`. */
  verification: z.strictObject({ state: z.enum(['intact', 'broken', 'unknown']), at: Instant, entries: z.int(), text: z.string() }),
})
export type JournalView = z.infer<typeof JournalView>

/** What every refusal and failure answers, with its status. */
export const Problem = z.strictObject({ error: Reason })
export type Problem = z.infer<typeof Problem>

/** What somebody writes with an order. It is in journals and in terminals ever after, so that it may not look like more than one line. */
function line(most: number): z.ZodMiniString {
  const isLine = /^(?!\s*$)[^\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+$/u
  return z.string().check(z.maxLength(most), z.regex(isLine, 'expected one line of text that is not blank'))
}
const By = line(200)
const Id = z.string().check(z.minLength(1), z.maxLength(200))

/** `POST /api/switch` */
export const SwitchOrder = z.strictObject({ state: z.enum(['run', 'stop']), by: By, reason: line(1000) })
/** `POST /api/dead-letters/order` */
export const DeadLetterOrder = z.strictObject({ id: Id, do: z.enum(['retry', 'discard']), by: By })
/** `POST /api/leases/release` */
export const LeaseOrder = z.strictObject({ id: Id, by: By })
/** What an order came to. */
export const OrderResult = z.strictObject({ done: z.boolean(), text: z.string() })
export type OrderResult = z.infer<typeof OrderResult>

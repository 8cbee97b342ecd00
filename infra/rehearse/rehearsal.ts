import type { Outcome } from '#shared/pure/step.ts'
import type { FunctionName } from '#shared/runtime/definition.ts'
import type { Change, ClusterCurves, NodeMove, RemovedTag, SetImage } from './world-watch.ts'

/** Decisions of one kind about one target, folded: the first and the last of them, and how many there were. */
export interface FoldedDecision {
  readonly function: FunctionName
  readonly target: string
  readonly outcome: Outcome
  readonly before: string
  readonly after: string
  readonly code: string
  /** Of the last one. */
  readonly text: string
  readonly times: number
  readonly firstMs: number
  readonly lastMs: number
}

/** What one function did on one day. */
export interface FunctionDay {
  readonly function: FunctionName
  readonly runs: number
  /** Triggers of which nothing could have come, which were not run. */
  readonly leftOut: number
  readonly failures: number
  readonly counts: Readonly<Record<Outcome, number>>
}

/** One civil day, or the part of it that was gone through. */
export interface RehearsalDay {
  readonly fromMs: number
  readonly untilMs: number
  readonly functions: readonly FunctionDay[]
  /** Sizes that cron-scaler set. */
  readonly scaled: number
  readonly nodesAdded: number
  readonly nodesRemoved: number
  readonly tagsRemoved: number
  readonly freedBytes: number
  readonly imagesSet: number
  readonly held: number
  readonly failed: number
}

/** An event from outside, and what stood in its way. */
export interface HappenedEvent {
  readonly atMs: number
  readonly text: string
  readonly trouble?: string | undefined
}

/** What came of a rehearsal. Times are epoch milliseconds of the rehearsal's own time. */
export interface Rehearsal {
  readonly fromMs: number
  readonly untilMs: number
  /** False when it was stopped before its end. */
  readonly isDone: boolean
  readonly zone: string
  readonly source: 'platform' | 'sandbox'
  readonly takenAt: string
  readonly clusters: readonly { readonly id: string; readonly name: string; readonly isKnown: boolean }[]
  /** What is not as on the platform, in sentences. */
  readonly notes: readonly string[]
  readonly days: readonly RehearsalDay[]
  /** What was carried out, and what was decided against or could not be done. */
  readonly decisions: readonly FoldedDecision[]
  readonly failures: readonly { readonly function: FunctionName; readonly text: string; readonly times: number; readonly lastMs: number }[]
  readonly events: readonly HappenedEvent[]
  /** Events of after the end, which did not happen. */
  readonly eventsAfter: number
  /** Events that nobody tries any more. */
  readonly deadEvents: number
  readonly entitledCores: Readonly<Record<string, number>>
  readonly curves: readonly ClusterCurves[]
  readonly cores: readonly { readonly region: string; readonly changes: readonly Change[] }[]
  readonly registryBytes: readonly Change[]
  readonly nodes: readonly NodeMove[]
  readonly removed: readonly RemovedTag[]
  readonly images: readonly SetImage[]
}

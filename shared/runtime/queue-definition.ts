import type * as z from 'zod/mini'
import type { Store } from '#shared/safety/store.ts'
import type { FunctionConfig, FunctionName } from './definition.ts'
import type { Log } from './log.ts'
import type { NotifyPort } from './notify/notify-port.ts'

/** An event to work on. It comes at least once: what is done about it must bear being done again. */
export interface QueuedEvent {
  /** The same for every try: a name for action keys and checkpoints. */
  readonly id: string
  readonly source: string
  readonly group: string
  /** As the webhook's source made it, as JSON gives it back. Parse it. */
  readonly payload: unknown
  /** Epoch milliseconds. */
  readonly receivedAt: number
  /** Number of this try, from 1. */
  readonly attempt: number
}

/**
 * What became of a try.
 *
 * - `done` finished for good
 * - `failed` to be tried again after a while; throwing comes to the same
 * - `later` to be continued at a given time, which is no failure
 * - `dead` no further try would help: a person has to look at it
 */
export type Processed =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed' | 'dead'; readonly code: string; readonly text: string }
  | { readonly kind: 'later'; readonly at: number; readonly code: string; readonly text: string }

/** What a try may use and how long it may take. */
export interface Try {
  /** Epoch milliseconds when the try began. */
  readonly now: number
  /** Until it must have ended; from then on somebody else may be at it. No write starts that could last longer. */
  readonly remainingMs: () => number
  /** Aborted when it is to stop early; then answer `later`, or throw. */
  readonly signal: AbortSignal
  readonly log: Log
}

/** Works on one event. */
export type Process = (event: QueuedEvent, attempt: Try) => Promise<Processed>

/** What is made once per process and used for every event. */
export interface Opened<Settings> {
  readonly config: FunctionConfig<Settings>
  readonly store: Store
  readonly log: Log
  /** Tells people, before an event is done: a notice that was given to it outlives the process. Absent where nobody is to be told. */
  readonly notify?: NotifyPort | undefined
}

/** A function that works on the events that its webhooks took in. `Tools` is what it works with: a client, the kernel. */
export interface QueueDefinition<Settings, Tools> {
  readonly name: FunctionName
  /** zod schema of `functions.<name>` in the configuration. */
  readonly settings: z.ZodMiniType<Settings>
  readonly process: (event: QueuedEvent, tools: Tools, attempt: Try, opened: Opened<Settings>) => Promise<Processed>
}

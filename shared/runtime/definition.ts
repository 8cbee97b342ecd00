import type * as z from 'zod/mini'
import type { CloudReader, CloudWriter } from '#cloud/cloud.ts'
import type { Decision, Reason, Step, StepResult } from '#shared/pure/step.ts'
import type { Doubt, Settlement } from '#shared/safety/settle-claim.ts'
import type { FetchText } from './fetch-text.ts'
import type { MemoryReader, MemoryWriter } from './memory.ts'
import type { Notice } from './notify/notice.ts'
import type { RunReport } from './report.ts'

/** The functions of the product. One string everywhere: folder, serverless.yml key, events/, test/, log field. */
export const functionNames = ['cron-scaler', 'image-cleaner', 'license-meter', 'alarm-scaler', 'redeploy-hook'] as const

export type FunctionName = (typeof functionNames)[number]

/** `observe` reports what it sees and what it would do; `plan` prints what would be done; only `enforce` writes. */
export type Mode = 'observe' | 'plan' | 'enforce'

export interface ClusterConfig {
  /** The platform's id, `cls-…`. */
  readonly id: string
  /** What people call it; the id when absent. */
  readonly name?: string | undefined
  /** Region of this cluster; the platform's default when absent. */
  readonly region?: string | undefined
}

/** What every function gets of the configuration: the common part, and its own part under `settings`. */
export interface FunctionConfig<Settings> {
  readonly mode: Mode
  readonly region: string
  readonly clusters: readonly ClusterConfig[]
  readonly settings: Settings
}

/** What observing may use beside the cloud. Nothing of it can change anything. */
export interface ObserveAround {
  /** What earlier runs remembered; empty where there is no store. */
  readonly memory: MemoryReader
  /** What another function remembers, to be read only; empty where there is no store. Absent is as empty. */
  readonly memoryOf?: ((name: FunctionName) => MemoryReader) | undefined
  /** Reads a text from a host that the configuration lists. */
  readonly fetchText: FetchText
  /**
   * Somebody wants to see everything as it is now: nothing that an earlier run has seen may stand for looking. Absent or false
   * for the runs of a schedule.
   */
  readonly fresh?: boolean | undefined
  /** Aborted when the run is to stop. */
  readonly signal?: AbortSignal | undefined
}

/** What a run was and what came of it, for remembering. */
export interface RunFacts<Settings, Observed, Change> {
  readonly observed: Observed
  readonly steps: readonly Step<Change>[]
  /** One for each step in its order, and after them one for each that earlier runs had left open. */
  readonly decisions: readonly Decision[]
  readonly config: FunctionConfig<Settings>
  readonly now: number
}

/** What is about to be carried out. */
export interface AnnounceFacts<Settings, Change> {
  readonly steps: readonly (Step<Change> & { readonly verdict: 'change' })[]
  readonly config: FunctionConfig<Settings>
  readonly memoryOf: (name: FunctionName) => MemoryReader
  /** At this moment, epoch milliseconds. */
  readonly now: number
}

/** What a run came to, for telling people. */
export interface NoticeFacts<Settings, Observed> {
  /** Secrets in its texts are taken out later. */
  readonly report: RunReport
  readonly config: FunctionConfig<Settings>
  /** What was seen; of a function that looks at its world part by part the last one. Absent when nothing was. */
  readonly observed?: Observed | undefined
  readonly now: number
  /** Reads a secret of the settings that a notice is made with (`env:NAME`, …); it is shown nowhere. Throws SecretUnavailableError. */
  readonly secret: (reference: string) => Promise<string>
}

/** Faults of settings, each with its path below `functions.<name>`. */
export type ConfigProblems = readonly { readonly path: string; readonly text: string }[]

/**
 * A function that a schedule starts. `observe` reads, `plan` decides without reading or writing, `apply` carries out one
 * step. The runtime calls `apply` in mode `enforce` only, one step at a time per target, and reports every step.
 */
export interface DefinitionFacts<Settings, Observed, Change> {
  readonly name: FunctionName
  /** zod schema of `functions.<name>` in the configuration. Must accept `{}` or fail with what is missing. */
  readonly settings: z.ZodMiniType<Settings>
  /** Pure. `now` is epoch milliseconds, read once per event. */
  readonly plan: (observed: Observed, config: FunctionConfig<Settings>, now: number) => readonly Step<Change>[]
  /**
   * Why a run with this plan has come to nothing, although there is one: nothing of what it is for could be looked at. Then its trigger
   * fails, so that somebody hears of it. A run that could read no cluster needs no word of this.
   */
  readonly failureOf?: (steps: readonly Step<Change>[]) => Reason | undefined
  /** zod schema of a change, for reading back what plans and journals keep. Strict: what it does not know, nobody approved. */
  readonly change: z.ZodMiniType<Change>
  /** What is wrong with settings that only make sense together with the rest of the configuration; paths are below `functions.<name>`. */
  readonly problems?: (config: FunctionConfig<Settings>) => ConfigProblems | Promise<ConfigProblems>
  /**
   * Called in mode `enforce` right before the changes of a plan, or of one part, are carried out, with all of them. Writes down what other
   * functions have to know before it happens, then looks at what they are about to do, and answers by the keys of steps why some have to
   * wait: these are held. Writes to nothing but the memory. When it throws, all of them are held, with the code `announce-failed`.
   */
  readonly announce?: (facts: AnnounceFacts<Settings, Change>, memory: MemoryWriter) => Promise<ReadonlyMap<string, Reason>>
  /** How much a change counts against caps (nodes, tags); 1 when absent. */
  readonly units?: (change: Change) => number
  /** Says by reading whether a write of the step has arrived, when its answer was lost. Without it only a person can. */
  readonly settle?: (
    step: Step<Change> & { readonly verdict: 'change' },
    cloud: CloudReader,
    config: FunctionConfig<Settings>,
    doubt: Doubt,
  ) => Promise<Settlement>
  /**
   * How far back a run looks for steps that earlier ones have left open: over several of its triggers, and a night is no trigger.
   * 24 hours when absent.
   */
  readonly openForMs?: number
  /** Carries out one step after reading its target again. Throws CloudError or KubeError; the runtime reports it as Failed. */
  readonly apply: (
    step: Step<Change> & { readonly verdict: 'change' },
    cloud: CloudWriter,
    config: FunctionConfig<Settings>,
    now: number,
  ) => Promise<StepResult>
  /**
   * Keeps what later runs should know; after every scheduled run, whatever its mode, when all is decided. Writes to nothing but
   * the memory. When it throws, that is logged and changes no outcome, unless `memoryIsRecord`. Not called for a plan that is only
   * printed.
   */
  readonly remember?: (facts: RunFacts<Settings, Observed, Change>, memory: MemoryWriter) => Promise<void>
  /**
   * What it remembers is what it is for: a record that nobody else has. A run that cannot keep it, or has no place for it, has failed
   * with the code `memory-unwritten`, so that its trigger fails and somebody hears of it. False when absent.
   */
  readonly memoryIsRecord?: boolean | undefined
  /** The same after steps that come from no plan of now, such as the undoing of an earlier one: nothing was observed then. */
  readonly rememberSteps?: (facts: Omit<RunFacts<Settings, Observed, Change>, 'observed'>, memory: MemoryWriter) => Promise<void>
  /**
   * What people should hear of a run; called after it where a notifier is configured. Writes nothing. When absent: what `noticesOfReport`
   * says, which a function may also use as a part of its own. When it throws, that is logged and changes no outcome.
   */
  readonly notices?: (facts: NoticeFacts<Settings, Observed>) => readonly Notice[] | Promise<readonly Notice[]>
}

/** A function whose world is looked at in one go. */
export interface ScheduleDefinition<Settings, Observed, Change> extends DefinitionFacts<Settings, Observed, Change> {
  /** Reads the cloud into plain types. One failing cluster or object becomes part of the result, it does not throw. */
  readonly observe: (cloud: CloudReader, config: FunctionConfig<Settings>, now: number, around: ObserveAround) => Promise<Observed>
  /** How far apart its triggers are: how far a run looks ahead. A minute when absent. */
  readonly everyMs?: number
  /**
   * The instants after `now` and up to `untilMs` at which something becomes due that cannot wait for the next trigger. Pure.
   * The runtime waits for each within the same invocation and runs again, with that instant as the one it stands for.
   */
  readonly ahead?: (observed: Observed, config: FunctionConfig<Settings>, now: number, untilMs: number) => readonly number[]
}

/** What became of one part of a run. */
export interface PartOutcome<Change> {
  readonly steps: readonly Step<Change>[]
  readonly decisions: readonly Decision[]
  /** The time when all of it was done, epoch milliseconds. */
  readonly now: number
  /** What was to be remembered of it could not be kept, or may not have been: later runs may know nothing of it. */
  readonly isForgotten?: boolean | undefined
}

/**
 * A function whose world is too large to be looked at in one go: it is read, planned, carried out and remembered part by part.
 * `plan` and `remember` are called for each.
 */
export interface PartedDefinition<Settings, Observed, Change> extends DefinitionFacts<Settings, Observed, Change> {
  /**
   * Reads the cloud, one part after another. The next one is asked for when the last one has been carried out, and is told what
   * became of it. Where a run stops between two parts, the next run has to find out by what was remembered where to go on.
   */
  readonly observeParts: (
    cloud: CloudReader,
    config: FunctionConfig<Settings>,
    now: number,
    around: ObserveAround,
  ) => AsyncGenerator<Observed, void, PartOutcome<Change>>
}

/** A function that a schedule starts, however it looks at its world. */
export type AnyScheduled<Settings, Observed, Change> =
  | ScheduleDefinition<Settings, Observed, Change>
  | PartedDefinition<Settings, Observed, Change>

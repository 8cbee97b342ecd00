import type { Clock } from '#cloud/clock.ts'
import type { CloudWriter } from '#cloud/cloud.ts'
import type { definition as alarmDefinition, queue as alarmQueue } from '#functions/alarm-scaler/definition.ts'
import type { Settings } from '#functions/image-cleaner/event.ts'
import type { ImageChange } from '#functions/image-cleaner/image-change.ts'
import type { ObservedPart } from '#functions/image-cleaner/plan.ts'
import type { definition as meterDefinition } from '#functions/license-meter/definition.ts'
import type { definition as hookDefinition, queue as hookQueue } from '#functions/redeploy-hook/definition.ts'
import type { Config } from '#shared/runtime/config.ts'
import type { PartedDefinition, ScheduleDefinition } from '#shared/runtime/definition.ts'
import type { Kernel } from '#shared/runtime/kernel.ts'
import type { Journal } from '#shared/safety/journal.ts'
import type { StepLike } from '#shared/safety/plan-document.ts'
import type { Store } from '#shared/safety/store.ts'
import type { MemoryDisk } from '#shared/safety/store-memory.ts'

/** Says which steps of a plan somebody has approved. */
export type Review = (steps: readonly StepLike[]) => ReadonlySet<StepLike>

/** The image-cleaner as the runtime takes it. */
export type Cleaner = PartedDefinition<Settings, ObservedPart, ImageChange>

/** The redeploy-hook as the runtime takes it. */
export type HookDefinition = typeof hookDefinition
export type HookProcess = typeof hookQueue.process

/** The alarm-scaler as the runtime takes it. */
export type AlarmDefinition = typeof alarmDefinition
export type AlarmProcess = typeof alarmQueue.process

/** The license-meter as the runtime takes it. */
export type MeterDefinition = typeof meterDefinition

/** Puts something else in the place of parts of the product, to see whether the checks notice. */
export interface Sabotage {
  /** The functions of a week that have it; all when absent. */
  readonly only?: readonly string[]
  readonly config?: (config: Config) => Config
  /** What a process thinks the store is. */
  readonly store?: (store: Store) => Store
  /** The disk that the store itself works on, for a partition. */
  readonly disk?: (disk: MemoryDisk, partition: string) => MemoryDisk
  /** What the kernel and the function send through. */
  readonly cloud?: (cloud: CloudWriter) => CloudWriter
  /** The client itself: what happens in it is one call for everybody else. */
  readonly client?: (client: CloudWriter, clock: Clock) => CloudWriter
  readonly kernel?: (kernel: Kernel) => Kernel
  readonly definition?: <Settings, Observed, Change>(
    definition: ScheduleDefinition<Settings, Observed, Change>,
  ) => ScheduleDefinition<Settings, Observed, Change>
  readonly cleaner?: (cleaner: Cleaner) => Cleaner
  /** The redeploy-hook as its ticks run it, and as its events do. */
  readonly hook?: (definition: HookDefinition) => HookDefinition
  /** What works on its events. */
  readonly process?: (process: HookProcess) => HookProcess
  /** The alarm-scaler as its ticks and its events run it, and what works on its events. */
  readonly alarm?: (definition: AlarmDefinition) => AlarmDefinition
  readonly alarmProcess?: (process: AlarmProcess) => AlarmProcess
  readonly meter?: (definition: MeterDefinition) => MeterDefinition
  readonly review?: (review: Review) => Review
  readonly verify?: (verify: Journal['verify']) => Journal['verify']
}

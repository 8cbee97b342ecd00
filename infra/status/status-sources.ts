import type { EventsStatus } from '#infra/local/hook-runner.ts'
import type { Platform } from '#infra/local/platform.ts'
import type { RunnerStatus } from '#infra/local/runner.ts'
import type { FunctionName } from '#shared/runtime/definition.ts'
import type { SwitchState } from '#shared/safety/kill-switch-store.ts'
import type { Glance } from './glance.ts'
import type { JournalReading } from './journal-reading.ts'
import type { LeaseSearch } from './lease-search.ts'
import type { LicenceReading } from './licence-reading.ts'
import type { RegistryReading } from './registry-reading.ts'
import type { SizeSampler } from './size-sampler.ts'
import type { StatusFeed } from './status-feed.ts'

/** What the kill switch says; `by`, `reason` and `at` where the switch tells them. */
export type SwitchReading = Partial<Omit<SwitchState, 'state'>> & { readonly state: 'run' | 'stop' | 'unreadable' }

/** What is known of this process about its own standing. */
export interface ProcessFacts {
  readonly version: string
  /** How many times faster than the clock on the wall time passes. */
  readonly speed: number
  /** Platform time at which this process has started. */
  readonly startedMs: number
  /** What each function does, in a sentence. */
  readonly summaries: ReadonlyMap<FunctionName, string>
  /** The functions that run here, in the order in which they are shown. */
  readonly functions: readonly FunctionName[]
  /** Whether orders are taken from whoever has the token. */
  readonly isWritable: boolean
}

/** All that views are made of. Everything is read only; a glance keeps what it read for a while, whoever asks. */
export interface StatusSources {
  readonly platform: Platform
  readonly facts: ProcessFacts
  readonly feed: StatusFeed
  readonly sampler: SizeSampler
  readonly status: () => readonly RunnerStatus[]
  readonly events: Glance<readonly EventsStatus[]>
  readonly killSwitch: Glance<SwitchReading | undefined>
  readonly leases: Glance<LeaseSearch>
  readonly licence: Glance<LicenceReading>
  readonly registry: RegistryReading
  readonly journal: JournalReading
}

import type { AttachTable } from './attach.ts'
import type { CallJournal } from './call-journal.ts'
import type { SandboxClock } from './clock.ts'
import type { FaultSwitches } from './faults.ts'
import type { RateLimits } from './rates.ts'
import type { SandboxCredential } from './test-credentials.ts'
import type { World } from './world.ts'

/** What all parts of one running sandbox share. */
export interface SandboxCore {
  readonly world: World
  readonly clock: SandboxClock
  readonly faults: FaultSwitches
  readonly rates: RateLimits
  readonly journal: CallJournal
  readonly credentials: ReadonlyMap<string, SandboxCredential>
  readonly attach: AttachTable
  readonly seed: number
  /** The world's own chance. */
  readonly random: () => number
  /** Ids of requests have a sequence of their own, so that what happens does not depend on how often somebody looked. */
  readonly requestId: () => string
  /** Lets everything happen that is due now. */
  advance(): void
}

/** What is sent back, before faults of the wire. */
export interface Reply {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

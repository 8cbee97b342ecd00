import type { SandboxCore } from '#infra/sandbox/core.ts'
import type { Exchange } from '#infra/sandbox/server.ts'
import type { ReceivedCall } from '#infra/sandbox/verify-signature.ts'
import type { OpenTools } from '#shared/runtime/define-queue.ts'
import type { ScheduleDefinition } from '#shared/runtime/definition.ts'
import type { QueueDefinition } from '#shared/runtime/queue-definition.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import type { WebhookDefinition } from '#shared/runtime/webhook-definition.ts'
import type { Storm } from '../scenario.ts'
import type { Forwarded, Sender } from '../sim-platform.ts'

/** A function of the product that webhooks, a queue and a schedule start, as its own files export it. */
export interface EventFunction<Settings, Observed, Change, Tools> {
  readonly name: 'redeploy-hook' | 'alarm-scaler'
  readonly definition: ScheduleDefinition<Settings, Observed, Change>
  readonly queue: QueueDefinition<Settings, Tools>
  readonly webhook: WebhookDefinition<Settings>
  readonly openTools: OpenTools<Settings, Tools>
  /** What stands in its environment. */
  readonly secrets: Readonly<Record<string, string>>
  /** Tools with which every run that they make is watched. */
  readonly watchTools: (tools: Tools, watch: WatchRun<Settings, Observed, Change>) => Tools
}

/** Lets a run of a look be made with a look that is watched, under the name that the run goes by. */
export type WatchRun<Settings, Observed, Change> = (
  look: ScheduleDefinition<Settings, Observed, Change>,
  run: { readonly owner: string; readonly scheduledAt: number },
  make: (watched: ScheduleDefinition<Settings, Observed, Change>) => Promise<RunReport>,
) => Promise<RunReport>

/** The platform as such a function meets it, with somebody who looks at what each write really changes. */
export interface EventWorld {
  readonly core: SandboxCore
  /** Carries a call out and says what it changed. */
  receive(call: ReceivedCall, forwarded: Forwarded | undefined, sender: Sender): Promise<Exchange>
  /** What the kill switch in a cluster says now. */
  switchSays(): string
  setSwitch(to: 'run' | 'stop' | 'gone'): void
  /** Begins a storm on the platform. Answers how to end it. */
  storm(storm: Storm, seed: number): () => void
}

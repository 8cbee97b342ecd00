import type { CloudWriter } from '#cloud/cloud.ts'
import type { FunctionConfig } from '#shared/runtime/definition.ts'
import type { Kernel } from '#shared/runtime/kernel.ts'
import type { WebhookDesk } from '#shared/runtime/webhook-desk.ts'
import type { Inbox } from '#shared/safety/inbox.ts'
import type { InboxNudge } from '#shared/safety/nudge.ts'
import type { Store } from '#shared/safety/store.ts'
import type { SimProcess } from '../sim-process.ts'

/** What a process is started for. */
export type Work =
  | { readonly kind: 'tick'; readonly scheduledAt: number }
  | { readonly kind: 'sweep' }
  | { readonly kind: 'message'; readonly nudge: InboxNudge; readonly times: number }
  | { readonly kind: 'webhook'; readonly request: HookRequest; readonly times: number }

/** What somebody sends to a webhook. */
export interface HookRequest {
  /** For people. */
  readonly what: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Told once it was taken in. */
  readonly onTaken?: (() => void) | undefined
}

/** A machine that processes run on, one at a time. */
export interface Machine<Settings, Tools> {
  readonly index: number
  readonly name: string
  skewMs: number
  lives: number
  runtime: Runtime<Settings, Tools> | undefined
  isBooting: boolean
  isBusy: boolean
  readonly waiting: Work[]
}

/** A process with what it made for itself when it started. */
export interface Runtime<Settings, Tools> {
  readonly process: SimProcess
  readonly cloud: CloudWriter
  readonly kernel: Kernel
  readonly store: Store
  readonly inbox: Inbox
  readonly desk: WebhookDesk
  readonly tools: Tools
  readonly own: FunctionConfig<Settings>
}

import type { Clock } from '#cloud/clock.ts'
import type { CloudWriter } from '#cloud/cloud.ts'
import { type Config, type Environment, functionConfig } from '#shared/runtime/config.ts'
import type { OpenTools } from '#shared/runtime/define-queue.ts'
import type { Kernel } from '#shared/runtime/kernel.ts'
import type { Log } from '#shared/runtime/log.ts'
import type { NotifyPort } from '#shared/runtime/notify/notify-port.ts'
import type { PlatformTools } from '#shared/runtime/open-platform.ts'
import type { Process, QueueDefinition } from '#shared/runtime/queue-definition.ts'
import type { Redactor } from '#shared/runtime/redact.ts'
import type { ResolveReference } from '#shared/runtime/reference.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import type { WebhookDefinition } from '#shared/runtime/webhook-definition.ts'
import { createWebhookDesk, type WebhookDesk } from '#shared/runtime/webhook-desk.ts'
import { createDeadLetters, type DeadLetters } from '#shared/safety/dead-letters.ts'
import { createInbox, type Inbox } from '#shared/safety/inbox.ts'
import type { Nudge } from '#shared/safety/nudge.ts'

/** The webhooks of a function and what works on their events, as the local runner sees them. The types of its settings stay inside. */
export interface LocalHooks {
  /** Makes what works on events, without beginning. Throws ConfigError when the settings do not fit, and whatever the tools throw. */
  open(ports: HookPorts): Promise<OpenedHooks>
}

export interface HookPorts {
  readonly config: Config
  readonly cloud: CloudWriter & Pick<PlatformTools, 'fetchText'>
  readonly kernel: Kernel
  readonly env: Environment
  readonly redactor: Redactor
  readonly resolve: ResolveReference
  /** Its `now` is the sandbox's where there is one. */
  readonly clock: Clock
  readonly log: Log
  /** Tells people; absent where nobody is to be told. */
  readonly notify?: NotifyPort | undefined
  /** Told of each run that an event makes. */
  readonly onReport?: ((report: RunReport) => void) | undefined
}

export interface OpenedHooks {
  readonly inbox: Inbox
  readonly deadLetters: DeadLetters
  readonly process: Process
  /** The desk that takes requests; whoever works on events is woken by `nudge`. */
  desk(nudge: Nudge): WebhookDesk
}

/** What a queue's handler is made of, of which the local runner makes its own. */
export interface QueueParts<Settings, Tools> {
  readonly definition: QueueDefinition<Settings, Tools>
  readonly openTools: OpenTools<Settings, Tools>
}

/** Wraps webhooks and queue of a function for the local runner: what `defineWebhook` and `defineQueue` were given. */
export function localHooks<Settings, Tools>(webhook: WebhookDefinition<Settings>, queue: QueueParts<Settings, Tools>): LocalHooks {
  const { definition, openTools } = queue
  if (webhook.name !== definition.name) throw new TypeError(`${webhook.name} takes in events for ${definition.name}; they are one function`)
  return {
    open: async ({ config: wholeConfig, cloud, kernel, env, redactor, resolve, clock, log: mainLog, notify, onReport }) => {
      const { name } = webhook
      const { store } = kernel
      const log = mainLog.with({ function: name })
      const config = await functionConfig(wholeConfig, definition)
      const sources = webhook.sources(await functionConfig(wholeConfig, webhook))
      const opened = { config, store, log, notify }
      const tools = await openTools({
        ...opened,
        wholeConfig,
        onReport,
        env,
        redactor,
        platform: () => Promise.resolve({ cloud, kernel, fetchText: cloud.fetchText }),
      })
      const inbox = createInbox(store, { function: name })
      return {
        inbox,
        deadLetters: createDeadLetters(store, { function: name }),
        process: async (event, attempt) => await definition.process(event, tools, attempt, opened),
        desk: (nudge) => createWebhookDesk({ function: name, sources, inbox, resolve, redactor, nudge, clock, log }),
      }
    },
  }
}

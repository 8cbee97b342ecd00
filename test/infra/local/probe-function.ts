import * as z from 'zod/mini'
import { localHookFunction } from '#infra/local/local-function.ts'
import { localHooks } from '#infra/local/local-hooks.ts'
import type { OpenTools } from '#shared/runtime/define-queue.ts'
import type { Processed, QueueDefinition, QueuedEvent, Try } from '#shared/runtime/queue-definition.ts'
import { type HookSettings, hookDefinition } from '../../shared/runtime/hook-definition.ts'

export interface Probe {
  readonly function: ReturnType<typeof localHookFunction>
  /** Requests that were read, which only those of the right sender are. */
  readonly seen: { parsed: number }
}

/** What the probe works with: as a real function it takes the platform's client and the kernel from the runtime. */
export interface ProbeTools {
  readonly mode: string
}

export const openProbeTools: OpenTools<HookSettings, ProbeTools> = async ({ platform, config }) => {
  const { kernel } = await platform()
  // Proof that it is the kernel on the store of the events.
  await kernel.of('redeploy-hook', 'probe').journal.end({ now: kernel.now() })
  return { mode: config.mode }
}

export function probeQueue(
  work: (event: QueuedEvent, attempt: Try, tools: ProbeTools) => Processed | Promise<Processed>,
): QueueDefinition<HookSettings, ProbeTools> {
  const { settings } = hookDefinition()
  return { name: 'redeploy-hook', settings, process: async (event, tools, attempt) => await work(event, attempt, tools) }
}

/**
 * A function with the webhooks of `hookDefinition`, whose events say themselves what becomes of them: `{ "do": "done" }` and so on.
 * None of the product's functions is used, so what they become makes no difference here.
 */
export function probeFunction(work: (event: QueuedEvent, attempt: Try, tools: ProbeTools) => Processed | Promise<Processed>): Probe {
  const seen = { parsed: 0 }
  const webhook = hookDefinition(seen)
  return { function: localHookFunction(webhook, localHooks(webhook, { definition: probeQueue(work), openTools: openProbeTools })), seen }
}

export const ProbePayload = z.looseObject({ do: z.string() })

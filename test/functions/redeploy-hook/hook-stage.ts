import type { Clock } from '#cloud/clock.ts'
import { HookEvent } from '#functions/redeploy-hook/hook-event.ts'
import { webhook } from '#functions/redeploy-hook/webhook.ts'
import { sandboxHookSecrets } from '#infra/sandbox/test-credentials.ts'
import type { Config } from '#shared/runtime/config.ts'
import type { Store } from '#shared/safety/store.ts'
import { configOf, type DeskStage, eventsOf, openDeskStage } from '../desk-stage.ts'

export { type Reply, replyOf, type Sent, start } from '../desk-stage.ts'

export const { eventOf, requestIn } = eventsOf('redeploy-hook')

/** Every secret of the test configuration: those of the sample events, and one that another takes the place of. */
export const secrets = {
  REGISTRY_TOKEN: sandboxHookSecrets.SANDBOX_REGISTRY_TOKEN,
  HARBOR_TOKEN: sandboxHookSecrets.SANDBOX_HARBOR_TOKEN,
  TCR_TOKEN: sandboxHookSecrets.SANDBOX_TCR_TOKEN,
  HUB_SECRET: sandboxHookSecrets.SANDBOX_HUB_SECRET,
  CI_KEY: sandboxHookSecrets.SANDBOX_CI_KEY,
  CI_OLD_KEY: `whsec_${Buffer.alloc(32, 8).toString('base64')}`,
  APPROVAL_SECRET: sandboxHookSecrets.SANDBOX_APPROVAL_SECRET,
}

/** One of each kind of source, and the page for approvals. */
export const senders = {
  sources: {
    registry: { kind: 'distribution', secrets: ['env:REGISTRY_TOKEN'] },
    harbor: { kind: 'harbor', secrets: ['env:HARBOR_TOKEN'] },
    tcr: { kind: 'tcr-enterprise', secrets: ['env:TCR_TOKEN'], header: 'X-TCR-Token' },
    hub: { kind: 'docker-hub', secrets: ['env:HUB_SECRET'] },
    ci: { kind: 'signed', secrets: ['env:CI_KEY', 'env:CI_OLD_KEY'] },
  },
  approval: { secret: 'env:APPROVAL_SECRET', baseUrl: 'https://hooks.example.com' },
}

export type HookStage = DeskStage<HookEvent>

/** A configuration with these settings of the function. */
export const configWith = (settings: object, more: Partial<Config> = {}): Config => configOf('redeploy-hook', settings, more)

/** The webhooks of the function behind a real socket; see `openDeskStage`. */
export async function openHookStage(
  options: { readonly settings?: object; readonly store?: Store; readonly clock?: Clock; readonly env?: Record<string, string> } = {},
): Promise<HookStage> {
  const { settings = senders, env = secrets, store, clock } = options
  return await openDeskStage({ webhook, payload: HookEvent, settings, env, store, clock })
}

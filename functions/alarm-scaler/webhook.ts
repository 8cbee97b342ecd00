import type { WebhookDefinition } from '#shared/runtime/webhook-definition.ts'
import { Settings } from './event.ts'
import { sourcesOf } from './webhook-sources.ts'

/** The webhooks of the alarm scaler, as the runtime and the local runner open them. */
export const webhook: WebhookDefinition<Settings> = {
  name: 'alarm-scaler',
  settings: Settings,
  sources: ({ settings }) => sourcesOf(settings),
}

import type { Clock } from '#cloud/clock.ts'
import { HookEvent } from '#functions/alarm-scaler/hook-event.ts'
import { webhook } from '#functions/alarm-scaler/webhook.ts'
import { sandboxHookSecrets } from '#infra/sandbox/test-credentials.ts'
import type { Config } from '#shared/runtime/config.ts'
import type { Store } from '#shared/safety/store.ts'
import { configOf, type DeskStage, eventsOf, openDeskStage } from '../desk-stage.ts'

export { type Reply, replyOf, type Sent, start } from '../desk-stage.ts'

export const { eventOf, requestIn } = eventsOf('alarm-scaler')

/** Every secret of the test configuration: those of the sample events, and some that others take the place of. */
export const secrets = {
  ALERTS_TOKEN: sandboxHookSecrets.SANDBOX_ALERTS_TOKEN,
  ALERTS_OLD_TOKEN: 'an-older-token',
  MONITOR_SECRET: sandboxHookSecrets.SANDBOX_MONITOR_SECRET,
  MONITOR_BASIC: 'monitor:pass:word',
  MONITOR_CODE: sandboxHookSecrets.SANDBOX_MONITOR_CODE,
  GRAFANA_TOKEN: sandboxHookSecrets.SANDBOX_GRAFANA_TOKEN,
  GRAFANA_KEY: sandboxHookSecrets.SANDBOX_GRAFANA_KEY,
  CLOUDWATCH_TOKEN: sandboxHookSecrets.SANDBOX_CLOUDWATCH_TOKEN,
  OPS_KEY: sandboxHookSecrets.SANDBOX_OPS_KEY,
  APPROVAL_SECRET: sandboxHookSecrets.SANDBOX_APPROVAL_SECRET,
}

/** One of each kind of source, and the page for approvals. */
export const senders = {
  sources: {
    alerts: { kind: 'alertmanager', secrets: ['env:ALERTS_TOKEN', 'env:ALERTS_OLD_TOKEN'] },
    monitor: { kind: 'tencent-monitor', secrets: ['env:MONITOR_SECRET'], verification: 'env:MONITOR_CODE' },
    grafana: {
      kind: 'grafana',
      secrets: ['env:GRAFANA_TOKEN'],
      hmac: { secrets: ['env:GRAFANA_KEY'], timestampHeader: 'X-Grafana-Alerting-Timestamp' },
      refId: 'B',
    },
    cloudwatch: { kind: 'cloudwatch', secrets: ['env:CLOUDWATCH_TOKEN'] },
    ops: { kind: 'signed', secrets: ['env:OPS_KEY'] },
  },
  approval: { secret: 'env:APPROVAL_SECRET', baseUrl: 'https://hooks.example.com' },
}

export type AlarmHookStage = DeskStage<HookEvent>

/** A configuration with these settings of the function. */
export const configWith = (settings: object, more: Partial<Config> = {}): Config => configOf('alarm-scaler', settings, more)

/** The webhooks of the function behind a real socket; see `openDeskStage`. */
export async function openAlarmHookStage(
  options: { readonly settings?: object; readonly store?: Store; readonly clock?: Clock; readonly env?: Record<string, string> } = {},
): Promise<AlarmHookStage> {
  const { settings = senders, env = secrets, store, clock } = options
  return await openDeskStage({ webhook, payload: HookEvent, settings, env, store, clock })
}

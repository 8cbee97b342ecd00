import { onTestFinished } from 'vitest'
import { type Clock, systemClock } from '#cloud/clock.ts'
import { type SandboxBot, type SandboxBots, sandboxNotifiers, startBots } from '#infra/sandbox/bots.ts'
import { loadTransport } from '#shared/runtime/event-surroundings.ts'
import { createLog } from '#shared/runtime/log.ts'
import type { Notice } from '#shared/runtime/notify/notice.ts'
import type { NotifierKind, NotifierSetting } from '#shared/runtime/notify/notifier-settings.ts'
import { createNotify } from '#shared/runtime/notify/notify.ts'
import type { NotifyPort } from '#shared/runtime/notify/notify-port.ts'
import { createRedactor, type Redactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import type { Store } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore, type StoreHooks } from '#shared/safety/store-memory.ts'

export const kinds: readonly NotifierKind[] = ['wecom', 'dingtalk', 'feishu', 'slack', 'webhook', 'sns']

/** The plainest setting of a kind; its references are replaced by the sandbox's. */
export function settingOf(kind: NotifierKind, more: Partial<NotifierSetting> = {}): NotifierSetting {
  const url = { url: 'env:U', host: 'h' }
  const own =
    kind === 'sns'
      ? { topic: 'arn:aws:sns:eu-central-1:000000000000:t' }
      : kind === 'wecom' || kind === 'slack'
        ? url
        : { ...url, secret: 'env:S' }
  return { name: `${kind}-1`, kind, ...own, ...more } as NotifierSetting
}

export interface NotifyStage {
  readonly bots: SandboxBots
  readonly notifiers: readonly NotifierSetting[]
  readonly env: Readonly<Record<string, string>>
  readonly disk: MemoryDisk
  readonly store: Store
  readonly redactor: Redactor
  readonly port: NotifyPort
  readonly logged: Record<string, unknown>[]
  /** The first bot. */
  readonly bot: SandboxBot
  now(): number
  move(byMs: number): void
  /** Another process on the same store. */
  another(hooks?: StoreHooks): NotifyPort
}

/** Notifiers with the sandbox's bots behind them, and a clock that the test moves: its waits take no time at all, but real ones do. */
export async function notifyStage(
  settings: readonly NotifierSetting[],
  options: { readonly hooks?: StoreHooks; readonly clock?: Partial<Clock>; readonly env?: Record<string, string> } = {},
): Promise<NotifyStage> {
  let offsetMs = Date.UTC(2026, 10, 24, 8) - systemClock.now()
  const now = (): number => systemClock.now() + offsetMs
  // Pauses between messages are short; waiting for a budget to end is real.
  const clock: Clock = { ...systemClock, now, sleep: (ms, signal) => systemClock.sleep(ms === 250 ? 1 : ms, signal), ...options.clock }
  const all: SandboxBot[] = []
  const started = await startBots({ now })
  const bots: SandboxBots = {
    ...started,
    add: (kind, name) => {
      const bot = started.add(kind, name)
      all.push(bot)
      return bot
    },
  }
  const { notifiers, env: own } = sandboxNotifiers(settings, bots)
  const env = { ...own, ...options.env }
  const disk = new MemoryDisk()
  const store = openMemoryStore(disk, options.hooks)
  const redactor = createRedactor()
  const logged: Record<string, unknown>[] = []
  const log = createLog({ write: (line) => logged.push(JSON.parse(line) as Record<string, unknown>), redactor, level: 'debug' })
  const ports: NotifyPort[] = []
  const another = (hooks?: StoreHooks): NotifyPort => {
    const config = { notifiers, platform: {} }
    const port = createNotify(notifiers, {
      config,
      store: hooks === undefined ? store : openMemoryStore(disk, hooks),
      env,
      resolve: createResolver({ env }),
      redactor,
      clock,
      random: Math.random,
      loadTransport,
      log,
      sendTimeoutMs: 500,
    })
    ports.push(port)
    return port
  }
  const port = another()
  onTestFinished(async () => {
    for (const one of ports) await one.close()
    await started.close()
  })
  const [bot] = all
  if (bot === undefined) throw new Error('a stage needs a notifier')
  const move = (byMs: number): void => {
    offsetMs += byMs
  }
  return { bots, notifiers, env, disk, store, redactor, port, logged, bot, now, move, another }
}

/** A notice with everything in it. */
export function noticeOf(key: string, more: Partial<Notice> = {}): Notice {
  return {
    key,
    severity: 'warning',
    function: 'cron-scaler',
    title: `title of ${key}`,
    lines: [`what happened to ${key}`],
    at: Date.UTC(2026, 10, 24, 8),
    ...more,
  }
}

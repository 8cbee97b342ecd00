import { systemClock } from '#cloud/clock.ts'
import { loadTransport } from '#shared/runtime/event-surroundings.ts'
import type { Log } from '#shared/runtime/log.ts'
import { type NotifyPort, openNotify } from '#shared/runtime/notify/notify-port.ts'
import type { Redactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import type { Platform } from './platform.ts'

/** Makes what tells people, where notifiers are configured and there is a store for what they are to hear. */
export function openNotices(
  { config, store, env, now }: Pick<Platform, 'config' | 'store' | 'env' | 'now'>,
  ports: { readonly redactor: Redactor; readonly log: Log; readonly warn: (line: string) => void },
): NotifyPort | undefined {
  if (store === undefined) return undefined
  const clock = { ...systemClock, now }
  const port = openNotify({ ...ports, config, store, env, resolve: createResolver({ env }), clock, random: Math.random, loadTransport })
  if (port === undefined) return undefined
  return {
    ...port,
    notify: async (notices, options) => {
      const notified = await port.notify(notices, options)
      // Whoever stopped it knows why; what was under way is written down and sent the next time.
      if (notified.failed > 0 && options?.signal?.aborted !== true) {
        const what = notified.failed === 1 ? '1 notice' : `${notified.failed} notices`
        ports.warn(`${what} could not be sent; \`longshore notify status\` says why, and they are tried again.`)
      }
      return notified
    },
  }
}

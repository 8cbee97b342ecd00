import * as z from 'zod/mini'
import { systemClock } from '#cloud/clock.ts'
import { Settings as AlarmSettings } from '#functions/alarm-scaler/event.ts'
import { HookEvent as AlarmEvent } from '#functions/alarm-scaler/hook-event.ts'
import { sourcesOf as alarmSources } from '#functions/alarm-scaler/webhook-sources.ts'
import { Settings } from '#functions/redeploy-hook/event.ts'
import { HookEvent } from '#functions/redeploy-hook/hook-event.ts'
import { sourcesOf } from '#functions/redeploy-hook/webhook-sources.ts'
import { createHookRunner } from '#infra/local/hook-runner.ts'
import type { OpenedHooks } from '#infra/local/local-hooks.ts'
import { startWebhookServer } from '#infra/local/webhook-server.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import { createWebhookDesk } from '#shared/runtime/webhook-desk.ts'
import { createDeadLetters } from '#shared/safety/dead-letters.ts'
import { createInbox } from '#shared/safety/inbox.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'
import { benchSources, openRedeployWorld, type RedeployWorld } from './redeploy-world.ts'

/**
 * The local webhook server of a function in a process of its own, on an embedded store in the file that it is told, with a worker beside
 * it: one that only counts events, or, of the redeploy hook with a number of workloads, the whole function on a sandbox.
 * Tells its parent the port; answers each message with what it has worked on, what it deployed wrongly and what it holds in memory, after
 * a push to every repository when the message names one; ends with its parent.
 */
const [path = '', token = '', key = '', apps = '0', of = ''] = process.argv.slice(2)
const name = of === 'alarm-scaler' ? of : 'redeploy-hook'
const env = { TOKEN: token, KEY: key }
const store = await openSqliteStore({ path })
const redactor = createRedactor()

const world: RedeployWorld | undefined = apps === '0' ? undefined : await openRedeployWorld(store, env, Number(apps))
const hooks: OpenedHooks = world?.hooks ?? countingHooks()
const told = { worked: 0, failed: 0 }

const runner = createHookRunner({
  functions: [
    {
      name,
      hooks: {
        ...hooks,
        process: async (event, attempt) => {
          const processed = await hooks.process(event, attempt)
          told[processed.kind === 'done' ? 'worked' : 'failed'] += 1
          return processed
        },
      },
    },
  ],
  owner: `bench ${process.pid}`,
  now: () => systemClock.now(),
  sleep: async (ms, signal) => await systemClock.sleep(ms, signal).catch(() => undefined),
  signal: new AbortController().signal,
  log: silentLog,
  redact: (text) => redactor.text(text),
  print: () => undefined,
})
const server = await startWebhookServer({
  routes: runner.routes,
  port: 0,
  now: () => systemClock.now(),
  health: () => ({ ok: true }),
  onError: (route, error) => process.stderr.write(`${route}: ${error instanceof Error ? error.stack : String(error)}\n`),
})
process.on('disconnect', () => process.exit())
process.on('message', (message) => {
  const { push } = z.parse(z.object({ push: z.optional(z.number()) }), message)
  if (push !== undefined) world?.push(push)
  globalThis.gc?.()
  process.send?.({ ...told, wrongDeploys: world?.wrongDeploys() ?? 0, heapMib: process.memoryUsage().heapUsed / 2 ** 20 })
})
process.send?.({ url: server.url })
await runner.keepWorking()

/** Webhooks whose events are read and finished with. */
function countingHooks(): OpenedHooks {
  const inbox = createInbox(store, { function: name })
  const isAlarm = name === 'alarm-scaler'
  const alarms = { sources: { alerts: { kind: 'alertmanager', secrets: ['env:TOKEN'] } } }
  const sources = isAlarm ? alarmSources(z.parse(AlarmSettings, alarms)) : sourcesOf(z.parse(Settings, { sources: benchSources }))
  return {
    inbox,
    deadLetters: createDeadLetters(store, { function: name }),
    process: async ({ payload }) => {
      z.parse(isAlarm ? AlarmEvent : HookEvent, payload)
      return { kind: 'done' }
    },
    desk: (nudge) =>
      createWebhookDesk({
        function: name,
        sources,
        inbox,
        nudge,
        resolve: createResolver({ env }),
        redactor,
        clock: systemClock,
        log: silentLog,
      }),
  }
}

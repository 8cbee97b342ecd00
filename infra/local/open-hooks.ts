import { randomUUID } from 'node:crypto'
import { systemClock } from '#cloud/clock.ts'
import type { Log } from '#shared/runtime/log.ts'
import type { NotifyPort } from '#shared/runtime/notify/notify-port.ts'
import type { Redactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import { createHookRunner, type HookRunner, type HookRunnerOptions } from './hook-runner.ts'
import type { LocalFunction } from './local-function.ts'
import type { HookPorts } from './local-hooks.ts'
import type { Platform } from './platform.ts'

export type OpenHooksPorts = Pick<HookPorts, 'onReport'> &
  Pick<HookRunnerOptions, 'print' | 'signal' | 'sleep' | 'work' | 'lookMs'> & {
    readonly redactor: Redactor
    readonly log: Log
    readonly notify: NotifyPort | undefined
  }

/** Makes what takes in the webhooks of functions and works on their events; undefined when none has any. */
export async function openHooks(
  functions: readonly LocalFunction[],
  { config, cloud, kernel, env, now }: Pick<Platform, 'config' | 'cloud' | 'kernel' | 'env' | 'now'>,
  ports: OpenHooksPorts,
): Promise<HookRunner | undefined> {
  const { redactor, log, notify, onReport } = ports
  const opened: { name: LocalFunction['name']; hooks: HookRunnerOptions['functions'][number]['hooks'] }[] = []
  for (const { name, hooks } of functions) {
    if (hooks === undefined || kernel === undefined) continue
    const clock = { ...systemClock, now }
    opened.push({
      name,
      hooks: await hooks.open({ config, cloud, kernel, env, redactor, resolve: createResolver({ env }), clock, log, notify, onReport }),
    })
  }
  if (opened.length === 0) return undefined
  const redact = (text: string): string => redactor.text(text)
  const owner = `npm start ${randomUUID()}`
  return createHookRunner({ ...ports, functions: opened, owner, now, redact, storeStays: config.store.kind !== 'memory' })
}

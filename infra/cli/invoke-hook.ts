import { randomUUID } from 'node:crypto'
import * as z from 'zod/mini'
import { systemClock } from '#cloud/clock.ts'
import { decisionList } from '#infra/local/decision-list.ts'
import { createHookRunner } from '#infra/local/hook-runner.ts'
import type { LocalFunction } from '#infra/local/local-function.ts'
import type { Platform } from '#infra/local/platform.ts'
import type { Log } from '#shared/runtime/log.ts'
import type { Redactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { EventError, parseScheduleEvent } from '#shared/runtime/schedule-event.ts'
import { parseHttpEvent } from '#shared/runtime/webhook-event.ts'
import type { CommandIo } from './command.ts'

/** An event that is for the webhooks of a function, or that has it look at what waits. */
export type HookTrigger =
  | { readonly kind: 'request'; readonly atMs: number; readonly event: unknown }
  | { readonly kind: 'sweep'; readonly atMs: number }

const HttpEvent = z.looseObject({ requestContext: z.looseObject({ http: z.unknown(), timeEpoch: z.optional(z.number()) }) })
const Sweep = z.looseObject({ task: z.literal('sweep') })

/** What kind of event for webhooks this is; undefined for a tick of a schedule. Throws EventError for a sweep that is no tick. */
export function hookTriggerOf(event: unknown): HookTrigger | undefined {
  const http = z.safeParse(HttpEvent, event)
  if (http.success) return { kind: 'request', atMs: http.data.requestContext.timeEpoch ?? systemClock.now(), event }
  const sweep = z.safeParse(Sweep, event)
  if (!sweep.success) return undefined
  const { task: _, ...tick } = sweep.data
  return { kind: 'sweep', atMs: parseScheduleEvent(tick).scheduledAt }
}

/**
 * Hands a request to the function's webhooks as API Gateway would, prints what it is answered, and works on the events that it brings.
 * Answers the exit code: 1 when the request was turned away or an event failed.
 */
export async function invokeHook(
  fn: LocalFunction,
  trigger: HookTrigger,
  { config, cloud, kernel, env, now }: Platform,
  ports: { readonly redactor: Redactor; readonly log: Log; readonly io: CommandIo },
): Promise<number> {
  const { redactor, log, io } = ports
  const { name, hooks } = fn
  if (hooks === undefined || kernel === undefined) throw new EventError(`${name} takes no webhooks. Nothing was done; check the trigger.`)
  const clock = { ...systemClock, now }
  const onReport = ({ decisions }: RunReport): void => {
    for (const line of decisionList(decisions).lines) io.out(redactor.text(line))
  }
  const opened = await hooks.open({ config, cloud, kernel, env, redactor, resolve: createResolver({ env }), clock, log, onReport })
  let turnedAway = false
  if (trigger.kind === 'request') {
    const desk = opened.desk({ send: () => Promise.resolve() })
    const { statusCode = 0, body = '' } = await desk.answer(parseHttpEvent(trigger.event))
    turnedAway = statusCode >= 400
    const text = redactor.text(`${name} answers ${statusCode}: ${pageTitle(body) ?? body.trim()}`)
    if (turnedAway) io.err(`${text} Nothing was done.`)
    else io.out(text)
  }
  const runner = createHookRunner({
    functions: [{ name, hooks: opened }],
    owner: `invoke ${randomUUID()}`,
    now,
    sleep: async () => undefined,
    signal: io.signal,
    log,
    redact: (text) => redactor.text(text),
    print: (line) => io.out(redactor.text(line)),
    storeStays: config.store.kind !== 'memory',
  })
  const { tries, failed } = await runner.workOff()
  if (tries === 0 && !turnedAway) io.out('No event waits.')
  return turnedAway || failed > 0 ? 1 : 0
}

/** What a page is called, for whoever has no browser at hand; undefined when it is none. */
function pageTitle(body: string): string | undefined {
  const title = /<title>(.+?)<\/title>/.exec(body)?.[1]
  return title === undefined ? undefined : `a page, "${title}"`
}

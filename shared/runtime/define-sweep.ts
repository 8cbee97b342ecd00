import * as z from 'zod/mini'
import { createInbox } from '#shared/safety/inbox.ts'
import { sweepInbox } from '#shared/safety/sweep-inbox.ts'
import { type EventSurroundings, loadTransport, realSurroundings } from './event-surroundings.ts'
import { createLog } from './log.ts'
import { type Notified, openNotify } from './notify/notify-port.ts'
import { loadOwnConfig } from './own-config.ts'
import type { PlatformContext } from './platform-context.ts'
import { createRedactor } from './redact.ts'
import { reportedFailure } from './report-failure.ts'
import { EventError, parseScheduleEvent } from './schedule-event.ts'
import { once } from './surroundings.ts'
import type { WebhookDefinition } from './webhook-definition.ts'

/** What a sweep came to. */
export interface SweepReport {
  readonly function: string
  /** Events for which the queue was woken. */
  readonly nudged: number
  /** Events for which it could not be woken; the next sweep tries again. */
  readonly failed: number
  /** What became of notices that waited; absent where nobody is notified. */
  readonly notified?: Notified | undefined
}

/** A handler for the schedule that sweeps, with the definition whose inbox it sweeps. */
export interface SweepHandler<Settings> {
  (event: unknown, context?: PlatformContext): Promise<SweepReport>
  readonly definition: Pick<WebhookDefinition<Settings>, 'name' | 'settings'>
}

/** A sweep that came to nothing. */
export class SweepError extends Error {
  override readonly name = 'SweepError'
  readonly kind: 'sweep.no-queue' | 'sweep.failed'

  constructor(kind: SweepError['kind'], message: string) {
    super(message)
    this.kind = kind
  }
}

/** What the schedule's input says beside a tick. */
const Task = z.looseObject({ task: z.literal('sweep') })

/** No nudge is begun with less time left. */
const leastMs = 5_000
/** Nudges of one sweep: so many take seconds. */
const limit = 1000

/**
 * Makes a handler that finds the events nobody was woken for: those whose nudge was lost or failed, or whose process died between
 * writing them down and nudging, and those that were put off until now. It wakes the queue for the first one of each group, which
 * does no harm where the queue is at it already. Its event is a tick of EventBridge Scheduler with `task: sweep`.
 *
 * Notices that could not be sent before are tried again. Nothing is worked on here. Rejects when the queue could not be woken for a single one of them, so that the platform counts an error.
 */
export function defineSweep<Settings>(
  definition: Pick<WebhookDefinition<Settings>, 'name' | 'settings'>,
  surroundings: Partial<EventSurroundings> = {},
): SweepHandler<Settings> {
  const around: EventSurroundings = { ...realSurroundings, ...surroundings }
  const redactor = createRedactor()
  const log = createLog({ write: around.writeLine, redactor }).with({ function: definition.name })
  const start = once(async () => {
    const env = around.environment()
    const { whole: config } = await loadOwnConfig(definition, { env, beside: around.compiledConfig })
    const nudge = around.createNudge(env)
    if (nudge === undefined) {
      throw new SweepError(
        'sweep.no-queue',
        `${definition.name} has no queue to wake: LONGSHORE_QUEUE_URL is not set. Set it in function.yml; what waits stays in the store.`,
      )
    }
    const store = await around.openStore(config)
    const { clock, random } = around
    const notify = openNotify({
      function: definition.name,
      config,
      store,
      env,
      resolve: around.resolver(env),
      redactor,
      clock,
      random,
      loadTransport,
      log,
    })
    return { nudge, inbox: createInbox(store, { function: definition.name }), notify }
  })
  const sweep = async (event: unknown, context: PlatformContext): Promise<SweepReport> => {
    checkTick(event)
    const { nudge, inbox, notify } = await start()
    const mayGoOn = (): boolean => (context.getRemainingTimeInMillis?.() ?? Number.POSITIVE_INFINITY) >= leastMs
    const { nudged, failed } = await sweepInbox(inbox, nudge, { now: around.clock.now(), limit, mayGoOn })
    const notified = await notify?.notify([], { remainingMs: () => context.getRemainingTimeInMillis?.() ?? Number.POSITIVE_INFINITY })
    const [first] = failed
    if (nudged + failed.length > 0) {
      log.write(first === undefined ? 'info' : 'warn', 'swept', {
        counts: `nudged ${nudged}, failed ${failed.length}`,
        ...(first === undefined ? {} : { code: 'sweep.nudge-failed', error: textOf(first.error) }),
      })
    }
    if (first !== undefined && nudged === 0) {
      throw new SweepError(
        'sweep.failed',
        `The queue of ${definition.name} could not be woken for any of ${failed.length} events; the next sweep tries again. First: ${textOf(first.error)}`,
      )
    }
    return { function: definition.name, nudged, failed: failed.length, ...(notified === undefined ? {} : { notified }) }
  }
  return Object.assign(
    async (event: unknown, context: PlatformContext = {}) => {
      try {
        return await sweep(event, context)
      } catch (error) {
        throw reportedFailure(error, { log, redactor, code: 'sweep.error' })
      }
    },
    { definition },
  )
}

/** Throws EventError when the event is no tick that asks for a sweep. */
function checkTick(event: unknown): void {
  const parsed = z.safeParse(Task, event)
  if (!parsed.success)
    throw new EventError('The event does not ask for a sweep: it has no `task: sweep`. Nothing was done; check the trigger.')
  const { task: _, ...tick } = parsed.data
  parseScheduleEvent(tick)
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

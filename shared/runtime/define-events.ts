import type { PlatformContext } from './platform-context.ts'
import { EventError } from './schedule-event.ts'

/** A handler of one kind of event. */
export type EventHandler = (event: unknown, context?: PlatformContext) => Promise<unknown>

/** What a function with webhooks is made of. One deployed function takes all its kinds of events. */
export interface EventHandlers {
  /** HTTP requests: `defineWebhook`. */
  readonly webhook?: EventHandler
  /** Batches of SQS: `defineQueue`. */
  readonly queue?: EventHandler
  /** Ticks with `task: sweep`: `defineSweep`. */
  readonly sweep?: EventHandler
  /** All other ticks: `defineSchedule`. */
  readonly schedule?: EventHandler
}

/** One handler that hands each event to the one for its kind, and what it is made of. */
export interface EventsHandler<Handlers extends EventHandlers> {
  (event: unknown, context?: PlatformContext): Promise<unknown>
  readonly handlers: Handlers
}

/**
 * Makes one handler of several, by what an event is. Rejects with EventError what none of them takes: a trigger that was connected to
 * the wrong function.
 */
export function defineEvents<const Handlers extends EventHandlers>(handlers: Handlers): EventsHandler<Handlers> {
  const handle = async (event: unknown, context?: PlatformContext): Promise<unknown> => {
    const kind = kindOf(event)
    const handler: EventHandler | undefined = handlers[kind]
    if (handler === undefined) {
      const known = Object.keys(handlers).map((name) => names[kindNamed(name)])
      throw new EventError(
        `This function takes no ${names[kind]}, only ${known.join(', ') || 'nothing'}. Nothing was done; check what its triggers are connected to.`,
      )
    }
    return await handler(event, context)
  }
  return Object.assign(handle, { handlers })
}

type Kind = keyof EventHandlers

const names: Readonly<Record<Kind, string>> = {
  webhook: 'HTTP requests',
  queue: 'batches of a queue',
  sweep: 'ticks that sweep',
  schedule: 'ticks of a schedule',
}

function kindNamed(name: string): Kind {
  return name === 'webhook' || name === 'queue' || name === 'sweep' ? name : 'schedule'
}

/** By what only that kind has. What is none of them is left to whoever takes ticks, which says what is wrong with it. */
function kindOf(event: unknown): Kind {
  if (Array.isArray(at(event, 'Records'))) return 'queue'
  if (at(at(event, 'requestContext'), 'http') !== undefined) return 'webhook'
  return at(event, 'task') === undefined ? 'schedule' : 'sweep'
}

function at(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined
}

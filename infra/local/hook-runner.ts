import type { LogFields } from '#shared/runtime/log.ts'
import { parseHttpEvent } from '#shared/runtime/webhook-event.ts'
import type { OpenedHooks } from './local-hooks.ts'
import { createLocalQueue, type LocalQueueOptions } from './local-queue.ts'
import type { WebhookRoute } from './webhook-server.ts'

export interface HookRunnerOptions extends Omit<LocalQueueOptions, 'queues' | 'onEnding'> {
  readonly functions: readonly { readonly name: NonNullable<LogFields['function']>; readonly hooks: OpenedHooks }[]
}

/** How it stands with the events of one function. */
export interface EventsStatus {
  readonly function: string
  /** False when `problem` says why: the store does not tell, or nobody works on what waits. */
  readonly ok: boolean
  readonly problem?: string
  /** Groups of events that are due or being worked on; 100 stands for that many or more. */
  readonly groupsDue: number
  /** ISO 8601 in UTC: since when the first of them waits. */
  readonly dueSince?: string
  /** Events that nobody tries any more; 100 stands for that many or more. */
  readonly dead: number
}

/** What was worked on in one go. */
export interface WorkedOff {
  readonly tries: number
  /** Tries after which the event is not done: it is tried again, or is dead. */
  readonly failed: number
}

/** Takes in the webhooks of all functions on this machine, and works on their events. */
export interface HookRunner {
  /** Routes for the server. Each answers 202 only when its events are durable. */
  readonly routes: readonly WebhookRoute[]
  /** What somebody who starts it should know: sources that are closed or cannot be opened, and dead letters. One sentence each. */
  warnings(): Promise<readonly string[]>
  /** Works on what is due until nothing is. */
  workOff(): Promise<WorkedOff>
  /**
   * Works on events as they come, until the signal is aborted. A webhook wakes it; and several times a second it looks by itself for
   * what nobody woke it for: what another process left behind, what was put off until now, what somebody revived.
   *
   * @param untilMs ends at this instant; goes on for ever when absent
   */
  keepWorking(untilMs?: number): Promise<void>
  status(): Promise<readonly EventsStatus[]>
}

/** So many are counted. */
const mostCounted = 100
/** An event may be worked on for so long and longer than this nobody leaves one alone. */
const longestWaitMs = 20 * 60_000

/** Makes the runner. Nothing happens until it is told to work, or a route is asked. */
export function createHookRunner(options: HookRunnerOptions): HookRunner {
  const { functions, now } = options
  let tally = { tries: 0, failed: 0 }
  const queue = createLocalQueue({
    ...options,
    queues: functions.map(({ hooks: { inbox, process } }) => ({ inbox, process })),
    onEnding: (ending) => {
      const isFailure = ending !== 'done' && ending !== 'later'
      tally = { tries: tally.tries + 1, failed: tally.failed + (isFailure ? 1 : 0) }
    },
  })
  const desks = functions.map(({ name, hooks }) => ({ name, hooks, desk: hooks.desk(queue.nudge) }))

  const statusOf = async ({ name, hooks }: (typeof desks)[number]): Promise<EventsStatus> => {
    const nowMs = now()
    try {
      const due = await hooks.inbox.due({ now: nowMs, limit: mostCounted })
      const { letters } = await hooks.deadLetters.list({ now: nowMs, limit: mostCounted })
      const [first] = due
      const dueSince = first === undefined ? undefined : new Date(first.since).toISOString()
      const isStuck = first !== undefined && nowMs - first.since > longestWaitMs
      return {
        function: name,
        ok: !isStuck,
        ...(isStuck ? { problem: `an event waits since ${dueSince}, and nobody works on it` } : {}),
        groupsDue: due.length,
        ...(dueSince === undefined ? {} : { dueSince }),
        dead: letters.length,
      }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      return { function: name, ok: false, problem: `its events cannot be looked at: ${options.redact(why)}`, groupsDue: 0, dead: 0 }
    }
  }

  return {
    routes: desks.flatMap(({ desk }) =>
      desk.routes.flatMap(({ path, methods }) =>
        methods.map((method) => ({ method, path, answer: async (event) => await desk.answer(parseHttpEvent(event)) })),
      ),
    ),
    warnings: async () => {
      const warnings: string[] = []
      for (const { name, hooks, desk } of desks) {
        const nowMs = now()
        for (const source of desk.closed) warnings.push(`${name}: the source ${source} has no secret, so it has no route.`)
        for (const { source, why } of await desk.unreadable(nowMs)) {
          warnings.push(`${name}: a secret of the source ${source} cannot be read, so its sender is turned away: ${why}`)
        }
        const { letters, next } = await hooks.deadLetters.list({ now: nowMs, limit: mostCounted })
        const count = `${letters.length}${next === undefined ? '' : ' or more'}`
        if (letters.length > 0) {
          warnings.push(
            `${name}: ${count} ${letters.length === 1 ? 'event is' : 'events are'} dead; \`longshore dead-letters list\` shows ${letters.length === 1 ? 'it' : 'them'}.`,
          )
        }
      }
      return warnings
    },
    workOff: async () => {
      tally = { tries: 0, failed: 0 }
      await queue.workOff()
      return tally
    },
    keepWorking: async (untilMs) => await queue.keepWorking(untilMs),
    status: async () => await Promise.all(desks.map(statusOf)),
  }
}

import type { OpenTools } from './define-queue.ts'
import type { AnyScheduled } from './definition.ts'
import type { NotifyPort } from './notify/notify-port.ts'
import type { QueuedEvent, Try } from './queue-definition.ts'
import type { RunReport } from './report.ts'
import { runSchedule } from './run.ts'

/**
 * Runs one look of a function for an event, as the runtime runs a tick: through the kernel, with memory and notices. `part` tells the runs
 * of one try apart: they are different owners of what they hold.
 */
export type RunForEvent = <Settings, Observed, Change>(
  look: AnyScheduled<Settings, Observed, Change>,
  event: QueuedEvent,
  attempt: Try,
  part: string | number,
) => Promise<RunReport>

/** Makes it, once per process, of what a queue's tools are made of. */
export async function openRunForEvent<Settings>({
  wholeConfig,
  platform,
  store,
  log,
  notify,
  onReport,
}: Parameters<OpenTools<Settings, unknown>>[0]): Promise<RunForEvent> {
  const { cloud, kernel, fetchText } = await platform()
  const port = notify === undefined ? undefined : withoutWaiting(notify)
  return async (look, { id, source, attempt: number }, attempt, part) =>
    await runSchedule(look, {
      config: wholeConfig,
      cloud,
      kernel,
      owner: `${id}/${number}/${attempt.now}/${part}`,
      now: attempt.now,
      scheduledAt: attempt.now,
      trigger: { kind: 'webhook', name: source },
      log,
      store,
      fetchText,
      notify: port,
      onReport,
      signal: attempt.signal,
      remainingMs: attempt.remainingMs,
    })
}

/**
 * Tells people while the next event is worked on already: a notifier that hangs must not hold up the next one. Whoever ends the batch
 * waits for it, since calls of one process follow one another.
 */
function withoutWaiting(notify: NotifyPort): NotifyPort {
  return {
    ...notify,
    notify: async (notices, options) => {
      void notify.notify(notices, options)
      return await Promise.resolve({ sent: 0, digested: 0, failed: 0, waiting: notices.length })
    },
  }
}

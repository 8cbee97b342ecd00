import type { Log } from '#shared/runtime/log.ts'
import { type Ending, processEntry } from '#shared/runtime/process-entry.ts'
import type { Process } from '#shared/runtime/queue-definition.ts'
import type { Inbox, InboxClaim } from '#shared/safety/inbox.ts'
import { InboxError } from '#shared/safety/inbox-entry.ts'
import type { Nudge } from '#shared/safety/nudge.ts'
import { StoreError } from '#shared/safety/store.ts'

export interface LocalQueueOptions {
  /** The inboxes of the functions, and what works on their events. */
  readonly queues: readonly { readonly inbox: Inbox; readonly process: Process }[]
  /** Unique to this process. */
  readonly owner: string
  /** Epoch milliseconds: the sandbox's time, or the machine's. */
  readonly now: () => number
  /** Waits; ends early when the signal is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** Does what is work until it sleeps, for a time that passes faster meanwhile; just does it when absent. */
  readonly work?: (<T>(run: () => Promise<T>) => Promise<T>) | undefined
  /** How often it is looked for events while nobody nudges: a sandbox's clock may be moved, and other processes may accept; 500 ms when absent. */
  readonly lookMs?: number | undefined
  readonly signal: AbortSignal
  readonly log: Log
  readonly redact: (text: string) => string
  /** Takes one line per event that was worked on, and how that ended; without an end one about all that wait. */
  readonly print: (line: string, ending?: Ending) => void
  /** Events of one function that are worked on at the same time; 4 when absent. */
  readonly concurrency?: number | undefined
  /** How long one try may take; 15 min when absent. After a crash an event comes back that late. */
  readonly holdMs?: number | undefined
  /** Told how each try ended. */
  readonly onEnding?: ((ending: Ending) => void) | undefined
  /** False where the store is gone with this process, and no command could show a dead letter. True when absent. */
  readonly storeStays?: boolean | undefined
}

/** Works on the events that the webhooks took in. The store is the queue: it also finds what another process left behind. */
export interface LocalQueue {
  /** Wakes the loop. */
  readonly nudge: Nudge
  /** Works on what is due until nothing is; answers how many tries that took. */
  workOff(): Promise<number>
  /**
   * Works on events as they become due, until the signal is aborted. A store that cannot be reached is asked again.
   *
   * @param untilMs ends at this instant; goes on for ever when absent
   */
  keepWorking(untilMs?: number): Promise<void>
}

const defaultLookMs = 500
const defaultConcurrency = 4
const defaultHoldMs = 15 * 60_000

/** Makes the queue of this process. Nothing happens until it is told to work. */
export function createLocalQueue(options: LocalQueueOptions): LocalQueue {
  const { queues, owner, now, signal, log, print, concurrency = defaultConcurrency, holdMs = defaultHoldMs } = options
  const { work = (run) => run(), lookMs = defaultLookMs } = options
  let wake = new AbortController()
  const textOf = (ending: Ending): string =>
    ending === 'dead' && options.storeStays === false ? 'dead: nobody tries it any more' : texts[ending]

  const workOn = async (inbox: Inbox, claim: InboxClaim, process: Process): Promise<void> => {
    const { entry } = claim
    const ending = await processEntry(inbox, claim, process, { ...options, log: log.with({ function: inbox.function }) })
    options.onEnding?.(ending)
    print(`${inbox.function}  event ${entry.id.slice(0, 12)} of ${entry.source}, try ${entry.attempt}  ${textOf(ending)}`, ending)
  }

  /** One round over one inbox. */
  const workOnSome = async ({ inbox, process }: LocalQueueOptions['queues'][number]): Promise<number> => {
    const startsAt = now()
    const { claims, died } = await inbox.take({ owner, now: startsAt, deadline: startsAt + holdMs, limit: concurrency })
    for (const id of died) {
      options.onEnding?.('dead')
      print(`${inbox.function}  event ${id.slice(0, 12)}  ${textOf('dead')}`, 'dead')
    }
    await Promise.all(claims.map((claim) => workOn(inbox, claim, process)))
    return claims.length
  }

  const workOff = async (): Promise<number> => {
    let tries = 0
    for (const queue of queues) {
      for (let some = 1; some > 0 && !signal.aborted; ) {
        some = await workOnSome(queue)
        tries += some
      }
    }
    return tries
  }

  return {
    nudge: {
      send: async () => {
        // Of a thousand nudges one wakes it; each of the others would make an error that nobody sees.
        if (!wake.signal.aborted) wake.abort()
      },
    },
    workOff,
    keepWorking: async (untilMs = Number.POSITIVE_INFINITY) =>
      await work(async () => {
        while (!signal.aborted) {
          // Before looking: a nudge during the look is not missed.
          wake = new AbortController()
          try {
            await workOff()
          } catch (error) {
            if (!(error instanceof StoreError || error instanceof InboxError)) throw error
            log.write('error', 'queue-failed', { code: error.kind, error: error.message })
            print(`The events that wait cannot be looked at: ${error.message}`)
            // Not at once, whoever nudges.
            await options.sleep(lookMs, signal)
          }
          const leftMs = untilMs - now()
          if (leftMs <= 0) return
          if (!signal.aborted) await options.sleep(Math.min(lookMs, leftMs), AbortSignal.any([signal, wake.signal]))
        }
      }),
  }
}

const texts: Readonly<Record<Ending, string>> = {
  done: 'done',
  failed: 'failed; it is tried again later',
  later: 'goes on later',
  dead: 'dead: see `longshore dead-letters list`',
  lost: 'was taken over by somebody else',
  open: 'could not be written down; it is tried again',
}

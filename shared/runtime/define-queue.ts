import middy from '@middy/core'
import { createInbox, type Inbox } from '#shared/safety/inbox.ts'
import { InboxError } from '#shared/safety/inbox-entry.ts'
import { StoreError } from '#shared/safety/store.ts'
import type { Config, Environment } from './config.ts'
import { type EventSurroundings, loadTransport, realSurroundings, uniqueOwner } from './event-surroundings.ts'
import { createLog, type Log } from './log.ts'
import { type NotifyPort, openNotify } from './notify/notify-port.ts'
import type { PlatformTools } from './open-platform.ts'
import { loadOwnConfig } from './own-config.ts'
import { lambdaContext, type PlatformContext } from './platform-context.ts'
import { processEntry } from './process-entry.ts'
import type { Opened, Process, QueueDefinition } from './queue-definition.ts'
import { createRedactor, type Redactor } from './redact.ts'
import { reportedFailure } from './report-failure.ts'
import { type NudgeMessage, parseSqsEvent } from './sqs-event.ts'
import { once } from './surroundings.ts'

/** The messages that go back to the queue; all others are finished with. */
export interface BatchAnswer {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[]
}

/** A handler for an SQS trigger with `ReportBatchItemFailures`, with the definition it was made from. */
export interface QueueHandler<Settings, Tools> {
  (event: unknown, context?: PlatformContext): Promise<BatchAnswer>
  readonly definition: QueueDefinition<Settings, Tools>
  /** For whoever works on the events another way. */
  readonly openTools: OpenTools<Settings, Tools>
}

/** What tools are made of. */
export interface ToolSources<Settings> extends Opened<Settings> {
  readonly wholeConfig: Config
  readonly env: Environment
  readonly redactor: Redactor
  /** The platform's client and the kernel on this store, made at the first call: the same here as on Lambda. */
  readonly platform: () => Promise<PlatformTools>
}

export type OpenTools<Settings, Tools> = (sources: ToolSources<Settings>) => Promise<Tools>

/** Groups that are worked on at the same time. */
const concurrency = 4
/** No event is begun with less time left. */
const leastMs = 15_000
/** Nobody keeps an event for longer than this, where the platform sets no limit. */
const longestMs = 15 * 60_000
/** Time that is kept for writing down how the last event ended, and for the answer. */
const marginMs = 2_000

/**
 * Makes a handler that works on events. A message only says which event waits; what is to be done, and whether it still is, says
 * the inbox. Each event is worked on under the inbox's fence, within the time that is left.
 *
 * Only what is not finished goes back to the queue: an event whose try failed, that somebody else works on or that is put off, what
 * follows it in its group, and what there is no time for. An event that is dead is finished with as far as the queue goes; it
 * is to be seen with `longshore dead-letters`. A message that cannot be read goes back until the queue itself gives it up.
 *
 * When an earlier event of the same group was never nudged for, it is worked on first. Configuration, store and tools are made
 * at the first batch and kept; when that fails the whole batch goes back.
 */
export function defineQueue<Settings, Tools>(
  definition: QueueDefinition<Settings, Tools>,
  openTools: OpenTools<Settings, Tools>,
  surroundings: Partial<EventSurroundings> = {},
): QueueHandler<Settings, Tools> {
  const around: EventSurroundings = { ...realSurroundings, ...surroundings }
  const redactor = createRedactor()
  const log = createLog({ write: around.writeLine, redactor }).with({ function: definition.name })
  const start = once(async (): Promise<{ readonly inbox: Inbox; readonly process: Process; readonly notify: NotifyPort | undefined }> => {
    const env = around.environment()
    const { whole: wholeConfig, own: config } = await loadOwnConfig(definition, { env, beside: around.compiledConfig })
    const store = await around.openStore(wholeConfig)
    const { clock, random } = around
    const resolve = around.resolver(env)
    const notify = openNotify({
      function: definition.name,
      config: wholeConfig,
      store,
      env,
      resolve,
      redactor,
      clock,
      random,
      loadTransport,
      log,
    })
    const opened: Opened<Settings> = { config, store, log, notify }
    const platform = once(async () => await around.openPlatform(wholeConfig, { env, store, redactor, clock, random, resolve, log }))
    const tools = await openTools({ ...opened, wholeConfig, env, redactor, platform })
    return {
      inbox: createInbox(store, { function: definition.name }),
      process: async (event, attempt) => await definition.process(event, tools, attempt, opened),
      notify,
    }
  })
  const chain = middy<unknown, BatchAnswer>({ timeoutEarlyInMillis: 0 })
    .use(reportFailure(log, redactor))
    .handler(async (event, context, { signal }) => {
      const messages = parseSqsEvent(event)
      const startedAt = around.clock.now()
      const { inbox, process, notify } = await start()
      const answer = await processBatch(messages, {
        inbox,
        process,
        owner: uniqueOwner(definition.name, startedAt, around.random),
        now: () => around.clock.now(),
        remainingMs: () => context.getRemainingTimeInMillis() - marginMs,
        signal,
        log,
        redact: (text) => redactor.text(text),
      })
      // What could not be sent before.
      await notify?.notify([], { remainingMs: () => context.getRemainingTimeInMillis(), signal })
      return answer
    })
  return Object.assign(
    async (event: unknown, context: PlatformContext = {}) => await chain(event, lambdaContext(definition.name, context)),
    { definition, openTools },
  )
}

export interface BatchPorts {
  readonly inbox: Inbox
  readonly process: Process
  /** Unique to this run of this process. */
  readonly owner: string
  /** The time at this moment, epoch milliseconds. */
  readonly now: () => number
  /** Until everything must have ended. */
  readonly remainingMs: () => number
  readonly signal: AbortSignal
  readonly log: Log
  readonly redact: (text: string) => string
}

/** Works on a batch: groups side by side, each in its order and no further than its first message that is not finished. */
export async function processBatch(messages: readonly NudgeMessage[], ports: BatchPorts): Promise<BatchAnswer> {
  const groups = new Map<string, NudgeMessage[]>()
  for (const message of messages) {
    const group = groups.get(message.group)
    if (group === undefined) groups.set(message.group, [message])
    else group.push(message)
  }
  const back = new Set<string>()
  const waiting = [...groups.values()]
  const work = async (): Promise<void> => {
    for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
      let isStopped = false
      for (const message of group) {
        isStopped ||= !(await isFinished(message, ports))
        if (isStopped) back.add(message.messageId)
      }
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  return { batchItemFailures: messages.flatMap(({ messageId }) => (back.delete(messageId) ? [{ itemIdentifier: messageId }] : [])) }
}

/** Works on the event of a message, after those that come before it. Whether the message is done with. */
async function isFinished({ messageId, entry }: NudgeMessage, ports: BatchPorts): Promise<boolean> {
  const { inbox, owner, now, remainingMs, signal, log } = ports
  if (entry === undefined) {
    log.write('error', 'message-unreadable', {
      target: messageId,
      code: 'queue.unreadable-message',
      reason: 'the message names no event; the queue gives it up after its limit of tries',
    })
    return false
  }
  try {
    for (;;) {
      if (signal.aborted || remainingMs() < leastMs) {
        log.write('info', 'event-put-back', {
          target: entry,
          code: 'queue.no-time-left',
          reason: 'too little time is left to begin with it',
        })
        return false
      }
      const startsAt = now()
      const taken = await inbox.takeFor(entry, { owner, now: startsAt, deadline: startsAt + Math.min(remainingMs(), longestMs) })
      switch (taken.kind) {
        case 'finished':
          return true
        case 'dead':
          log.write('warn', 'event-dead', {
            target: entry,
            code: 'queue.dead',
            reason: 'nobody tries it any more; see `longshore dead-letters`',
          })
          return true
        case 'busy':
        case 'waiting':
          log.write('debug', 'event-put-back', { target: entry, code: `queue.${taken.kind}` })
          return false
        case 'taken': {
          const ending = await processEntry(inbox, taken.claim, ports.process, ports)
          const isOwn = taken.claim.entry.id === entry
          if (ending === 'later' && isOwn) return true
          if (ending !== 'done' && ending !== 'dead') return false
          if (isOwn) return true
        }
      }
    }
  } catch (error) {
    if (!(error instanceof StoreError || error instanceof InboxError)) throw error
    log.write('error', 'event-put-back', { target: entry, code: error.kind, reason: error.message })
    return false
  }
}

/** Puts a copy without secrets in the place of what a batch failed with. */
function reportFailure(log: Log, redactor: Redactor): middy.MiddlewareObj<unknown, BatchAnswer> {
  return {
    onError: (request) => {
      request.error = reportedFailure(request.error, { log, redactor, code: 'queue.error' })
    },
  }
}

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
import type { RunReport } from './report.ts'
import { reportedFailure } from './report-failure.ts'
import { type NudgeMessage, parseSqsEvent } from './sqs-event.ts'
import type { Postpone } from './sqs-postpone.ts'
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
  /** Told of each run that an event makes, for whoever shows it to a person; on Lambda the log does. */
  readonly onReport?: ((report: RunReport) => void) | undefined
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
 * The queue is told when to show what goes back again: when the inbox has it due. Otherwise one failed try would hold up its group for
 * as long as the queue keeps a message unseen. An event that is put off (`later`) has no message until a sweep wakes the queue for it, up
 * to a minute late.
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
  const start = once(
    async (): Promise<Pick<BatchPorts, 'inbox' | 'process' | 'postpone'> & { readonly notify: NotifyPort | undefined }> => {
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
      // Loaded with the first batch: what starts has to be small.
      const { createRunMetrics } = await import('./emf.ts')
      const { onAttempt, onReport } = createRunMetrics({ env, writeLine: around.writeLine })
      const platform = once(
        async () => await around.openPlatform(wholeConfig, { env, store, redactor, clock, random, resolve, log, onAttempt }),
      )
      const tools = await openTools({ ...opened, wholeConfig, env, redactor, platform, onReport })
      return {
        inbox: createInbox(store, { function: definition.name }),
        process: async (event, attempt) => await definition.process(event, tools, attempt, opened),
        postpone: around.createPostpone(env),
        notify,
      }
    },
  )
  const chain = middy<unknown, BatchAnswer>({ timeoutEarlyInMillis: 0 })
    .use(reportFailure(log, redactor))
    .handler(async (event, context, { signal }) => {
      const messages = parseSqsEvent(event)
      const startedAt = around.clock.now()
      const { inbox, process, postpone, notify } = await start()
      const answer = await processBatch(messages, {
        inbox,
        process,
        postpone,
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
  /** Tells the queue when to show again what goes back; without it the queue decides. */
  readonly postpone?: Postpone | undefined
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
  const back = new Map<string, Back>()
  const waiting = [...groups.values()]
  const work = async (): Promise<void> => {
    for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
      let stopped: Back | undefined
      for (const message of group) {
        stopped ??= await workOn(message, ports)
        if (stopped !== undefined) back.set(message.messageId, stopped)
      }
    }
  }
  await Promise.all(Array.from({ length: concurrency }, work))
  const goingBack = messages.filter(({ messageId }) => back.has(messageId))
  await postponeAll(goingBack, back, ports)
  return { batchItemFailures: goingBack.map(({ messageId }) => ({ itemIdentifier: messageId })) }
}

/** That a message goes back to the queue, and when it makes sense to see it again, where that is known. */
interface Back {
  readonly dueAt?: number | undefined
}

/** Tells the queue when the messages that go back are due. That may fail: then they come when the queue thinks fit. */
async function postponeAll(
  messages: readonly NudgeMessage[],
  back: ReadonlyMap<string, Back>,
  { postpone, now, log }: BatchPorts,
): Promise<void> {
  const nowMs = now()
  const postponed = messages.flatMap(({ messageId, receipt }) => {
    const dueAt = back.get(messageId)?.dueAt
    return receipt === undefined || dueAt === undefined ? [] : [{ receipt, seconds: Math.max(1, Math.ceil((dueAt - nowMs) / 1000)) }]
  })
  if (postpone === undefined || postponed.length === 0) return
  try {
    await postpone(postponed)
  } catch (error) {
    log.write('warn', 'messages-not-postponed', {
      code: 'queue.not-postponed',
      error: error instanceof Error ? error.message : String(error),
      counts: `${postponed.length}`,
    })
  }
}

/** Works on the event of a message, after those that come before it. Undefined when the message is done with. */
async function workOn({ messageId, entry }: NudgeMessage, ports: BatchPorts): Promise<Back | undefined> {
  const { inbox, owner, now, remainingMs, signal, log } = ports
  if (entry === undefined) {
    log.write('error', 'message-unreadable', {
      target: messageId,
      code: 'queue.unreadable-message',
      reason: 'the message names no event; the queue gives it up after its limit of tries',
    })
    return {}
  }
  try {
    for (;;) {
      if (signal.aborted || remainingMs() < leastMs) {
        log.write('info', 'event-put-back', {
          target: entry,
          code: 'queue.no-time-left',
          reason: 'too little time is left to begin with it',
        })
        return { dueAt: now() }
      }
      const startsAt = now()
      const taken = await inbox.takeFor(entry, { owner, now: startsAt, deadline: startsAt + Math.min(remainingMs(), longestMs) })
      switch (taken.kind) {
        case 'finished':
          return undefined
        case 'dead':
          log.write('warn', 'event-dead', {
            target: entry,
            code: 'queue.dead',
            reason: 'nobody tries it any more; see `longshore dead-letters`',
          })
          return undefined
        case 'busy':
        case 'waiting':
          log.write('debug', 'event-put-back', { target: entry, code: `queue.${taken.kind}` })
          return { dueAt: taken.until }
        case 'taken': {
          const ending = await processEntry(inbox, taken.claim, ports.process, ports)
          const isOwn = taken.claim.entry.id === entry
          if (ending === 'later' && isOwn) return undefined
          if (ending !== 'done' && ending !== 'dead') return { dueAt: (await inbox.get(taken.claim.entry.id, { now: now() }))?.dueAt }
          if (isOwn) return undefined
        }
      }
    }
  } catch (error) {
    if (!(error instanceof StoreError || error instanceof InboxError)) throw error
    log.write('error', 'event-put-back', { target: entry, code: error.kind, reason: error.message })
    return {}
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

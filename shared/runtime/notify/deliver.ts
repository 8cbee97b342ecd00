import { digestOf as shortName } from '#shared/pure/digest.ts'
import type { Log } from '../log.ts'
import { batchesOf } from './batches.ts'
import { budgetAt, laneAfter, laneReleased, laneSending } from './lane.ts'
import { digestOf, type Message, messageOf } from './message.ts'
import type { NotifierSetting } from './notifier-settings.ts'
import type { Tally } from './notify-port.ts'
import { mostAtOnce, type Outbox, type WaitingNotice } from './outbox.ts'
import type { SendVerdict } from './send.ts'

const defaultPerMinute = 20
const defaultDigestAfter = 5
const hourMs = 3_600_000
/** A notice that could not be delivered for so long is not news any more. */
const giveUpAfterMs = 24 * hourMs
/** A notice whose message was refused so often is not tried again. */
const mostRefusals = 3
/** Beside the time that one message may take: for writing down what became of it. */
const holdMarginMs = 10_000

export interface DeliverPorts {
  readonly outbox: Outbox
  readonly send: (message: Message) => Promise<SendVerdict>
  /** The longest that `send` takes. */
  readonly sendTimeoutMs: number
  /** Unique to this process. */
  readonly owner: string
  readonly now: () => number
  /** Waits between two messages: bots take a few a second. */
  readonly pause: () => Promise<void>
  /** Whether another message may be begun. */
  readonly mayGoOn: () => boolean
  readonly log: Log
  /** Counts what becomes of everything as it happens, so that it is right whenever somebody stops waiting. */
  readonly tally: Tally
}

/**
 * Sends what waits for one notifier, as much as may be sent now: only one process at a time, at most so many messages a minute, and
 * nothing while it keeps still after a failure. Whatever cannot be sent waits for the next time; what could not be sent for a day,
 * or was refused three times, is put aside.
 *
 * A message goes out at least once: a process that dies between sending and writing that down, or an answer that is lost, lets it go
 * out again. Two processes do not send the same one otherwise. Throws StoreError.
 */
export async function deliver(setting: NotifierSetting, ports: DeliverPorts): Promise<void> {
  const { outbox, owner, now, tally, log } = ports
  const count = await outbox.count(now())
  if (count === 0) return
  tally.waiting += count
  let held = await outbox.lane(now())
  const budget = budgetAt(held.data, owner, now(), setting.perMinute ?? defaultPerMinute)
  if (budget.why !== undefined) {
    log.write('debug', 'notices-wait', { target: setting.name, code: `notify.${budget.why}`, counts: `waiting ${count}` })
    return
  }
  const waiting = await outbox.waiting(now())
  tally.waiting += waiting.length - count
  const pending = new Set(waiting)
  const batches = batchesOf(waiting, { messages: budget.messages, digestAfter: setting.digestAfter ?? defaultDigestAfter })
  for (const [index, batch] of batches.entries()) {
    if (index > 0) await ports.pause()
    const unsent = await withoutSent(batch, ports)
    for (const item of batch) if (!unsent.includes(item)) pending.delete(item)
    if (unsent.length === 0) continue
    if (!ports.mayGoOn()) break
    const taken = await outbox.putLane(held, laneSending(held.data, owner, now(), ports.sendTimeoutMs + holdMarginMs), now())
    // Somebody else has begun meanwhile.
    if (taken === undefined) return
    held = taken
    const verdict = await ports.send(messageFor(unsent))
    // The lane stays taken for a while: nobody knows whether it arrived.
    if (verdict.kind === 'stopped') return
    if (verdict.kind === 'delivered') {
      tally.sent += 1
      if (unsent.length > 1) tally.digested += unsent.length
      tally.waiting -= unsent.length
      for (const item of batch) pending.delete(item)
      log.write('info', 'notice-sent', { target: setting.name, counts: `notices ${unsent.length}` })
      await inTurn(unsent, (item) => outbox.markSent(item, now()))
    } else {
      tally.failed += 1
      log.write('warn', 'notice-not-sent', { target: setting.name, code: verdict.code, reason: verdict.text })
      if (verdict.kind === 'refused') await inTurn(unsent, (item) => refuse(item, verdict, ports))
      else await inTurn([...pending], (item) => giveUp(item, verdict, ports))
    }
    held = { ...held, data: laneAfter(held.data, verdict, now()) }
    if (verdict.kind !== 'delivered' && verdict.kind !== 'refused') break
  }
  if (held.data.owner === owner) await outbox.putLane(held, laneReleased(held.data), now())
  if (waiting.length >= mostAtOnce)
    log.write('warn', 'notices-wait', { target: setting.name, code: 'notify.many-waiting', counts: `at least ${mostAtOnce}` })
}

/** Takes out those that another process had sent before it died. */
async function withoutSent(batch: readonly WaitingNotice[], { outbox, now, tally }: DeliverPorts): Promise<readonly WaitingNotice[]> {
  const sent = await inTurn(batch, (item) => outbox.wasSent(item, now()))
  await inTurn(
    batch.filter((_, index) => sent[index] === true),
    async (item) => {
      await outbox.markSent(item, now())
      tally.waiting -= 1
    },
  )
  return batch.filter((_, index) => sent[index] !== true)
}

function messageFor(items: readonly WaitingNotice[]): Message {
  const id = `msg_${shortName(items.flatMap(({ id: name, recordedAt }) => [name, recordedAt]).toSorted())}`
  const [first] = items
  return items.length === 1 && first !== undefined
    ? messageOf(first.notice, id)
    : digestOf(
        items.map(({ notice }) => notice),
        id,
      )
}

async function refuse(item: WaitingNotice, why: { readonly code: string; readonly text: string }, ports: DeliverPorts): Promise<void> {
  const { outbox, now } = ports
  if (item.refusals + 1 < mostRefusals) await outbox.markRefused(item, now())
  else await bury(item, { code: why.code, text: `its message was refused ${mostRefusals} times: ${why.text}` }, ports)
}

async function giveUp(item: WaitingNotice, why: { readonly code: string; readonly text: string }, ports: DeliverPorts): Promise<void> {
  if (ports.now() - item.recordedAt < giveUpAfterMs) return
  await bury(item, { code: why.code, text: `it could not be sent for ${giveUpAfterMs / hourMs} hours: ${why.text}` }, ports)
}

async function bury(item: WaitingNotice, why: { readonly code: string; readonly text: string }, ports: DeliverPorts): Promise<void> {
  await ports.outbox.bury(item, why, ports.now())
  ports.tally.waiting -= 1
  ports.log.write('error', 'notice-dead', { target: item.notice.title, code: why.code, reason: why.text })
}

const concurrency = 8

/** Does it for each, some at the same time. */
async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = []
  const entries = items.entries()
  const workOff = async (): Promise<void> => {
    for (const [index, item] of entries) results[index] = await work(item)
  }
  await Promise.all(Array.from({ length: concurrency }, workOff))
  return results
}

import * as z from 'zod/mini'
import { parseCivilDate } from '#shared/pure/civil.ts'
import { pathText } from './config-path.ts'
import type { Trigger } from './report.ts'

/** A tick: what started a run, and the instant it stands for. */
export interface Tick {
  readonly trigger: Trigger
  /** Epoch milliseconds. The nominal instant, not the one of delivery: the same for every delivery of one tick. */
  readonly scheduledAt: number
}

/** An event that is no tick. The message says what does not fit and shows nothing of the event. */
export class EventError extends Error {
  override readonly name = 'EventError'
  readonly kind = 'event.invalid'
}

const instantPattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/

/** `Date` alone would take 30 February for 2 March. */
function isInstant(text: string): boolean {
  return instantPattern.test(text) && parseCivilDate(text.slice(0, 10)).ok && !Number.isNaN(Date.parse(text))
}

const Instant = z.string().check(z.refine(isInstant, { error: 'must be an instant such as "2026-01-31T08:00:00Z"' }))

const Name = z.string().check(z.maxLength(2048))

/**
 * The `input` that serverless.yml gives a schedule of EventBridge Scheduler, which fills in the `<aws.scheduler.…>` words. The
 * execution id differs between attempts, so it is no key of anything.
 */
const SchedulerInput = z.strictObject({
  trigger: z.literal('eventbridge-scheduler'),
  scheduledAt: Instant,
  schedule: z.optional(Name),
  executionId: z.optional(Name),
  attempt: z.optional(Name),
})

/** A scheduled event as EventBridge makes it itself: by a rule, or by Scheduler without an input. Its envelope is the sender's. */
const EventBridgeEvent = z.looseObject({
  source: z.enum(['aws.events', 'aws.scheduler']),
  'detail-type': z.literal('Scheduled Event'),
  time: Instant,
  resources: z.optional(z.array(Name)),
})

/** A timer of the platform's own serverless functions. */
const ScfTimerEvent = z.looseObject({
  Type: z.literal('Timer'),
  TriggerName: Name,
  Time: Instant,
})

/** A tick of the local runner, or one that a person makes. */
const LocalEvent = z.strictObject({
  trigger: z.literal('local'),
  scheduledAt: z.union([Instant, z.int().check(z.nonnegative(), z.lte(8.64e15))]),
  name: z.optional(Name),
})

/** Reads a tick from any of the triggers. Throws EventError; nothing is guessed, since a wrong instant would be a second run. */
export function parseScheduleEvent(event: unknown): Tick {
  if (typeof event !== 'object' || event === null || Array.isArray(event)) throw invalid('an event must be a mapping')
  if ('Type' in event) {
    const { TriggerName, Time } = read(ScfTimerEvent, event, 'SCF timer')
    return { trigger: { kind: 'scf-timer', name: TriggerName }, scheduledAt: Date.parse(Time) }
  }
  if ('detail-type' in event) {
    const { source, time, resources } = read(EventBridgeEvent, event, 'EventBridge')
    return {
      trigger: { kind: source === 'aws.scheduler' ? 'eventbridge-scheduler' : 'eventbridge-rule', name: resources?.[0] },
      scheduledAt: Date.parse(time),
    }
  }
  if ('trigger' in event && event.trigger === 'eventbridge-scheduler') {
    const { scheduledAt, schedule } = read(SchedulerInput, event, 'EventBridge Scheduler')
    return { trigger: { kind: 'eventbridge-scheduler', name: schedule }, scheduledAt: Date.parse(scheduledAt) }
  }
  if ('trigger' in event && event.trigger === 'local') {
    const { scheduledAt, name } = read(LocalEvent, event, 'local')
    return { trigger: { kind: 'local', name }, scheduledAt: typeof scheduledAt === 'number' ? scheduledAt : Date.parse(scheduledAt) }
  }
  throw invalid(
    'it comes from no trigger known here: EventBridge Scheduler, an EventBridge rule, an SCF timer, or {"trigger": "local", "scheduledAt": …}',
  )
}

function read<T>(schema: z.ZodMiniType<T>, event: object, sender: string): T {
  const parsed = z.safeParse(schema, event)
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.map((issue) => {
    const keys = issue.code === 'unrecognized_keys' ? ` (unknown: ${issue.keys.join(', ')})` : ''
    return `${issue.path.length === 0 ? 'the event' : pathText(issue.path)} ${issue.code === 'custom' ? issue.message : `does not fit${keys}`}`
  })
  throw invalid(`as an event of ${sender} it is not valid: ${faults.join('; ')}`)
}

function invalid(what: string): EventError {
  return new EventError(`The event is no tick of a schedule: ${what}. Nothing was done; check the trigger's input.`)
}

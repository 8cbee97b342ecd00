import type { CronSchedule } from '#shared/pure/cron.ts'
import { nextFiring, parseCron, previousFiring } from '#shared/pure/cron.ts'

/** When a function's trigger fires, as EventBridge Scheduler understands it. */
export type ScheduleExpression =
  | { readonly kind: 'rate'; readonly everyMs: number }
  | { readonly kind: 'cron'; readonly schedule: CronSchedule; readonly zone: string }

const unitMs = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }

/**
 * Reads `rate(5 minutes)` and `cron(15 3 * * ? *)`, the two recurring forms of EventBridge Scheduler (its cron has minute,
 * hour, day of month, month, day of week 1-7 from Sunday, and a year that must be `*` here). Throws with the expression and
 * what is wrong with it.
 */
export function parseScheduleExpression(text: string, zone = 'UTC'): ScheduleExpression {
  const rate = /^rate\(([1-9][0-9]*) (minute|hour|day)s?\)$/.exec(text)
  if (rate !== null) {
    const everyMs = rate[2] === 'minute' ? unitMs.minute : rate[2] === 'hour' ? unitMs.hour : unitMs.day
    return { kind: 'rate', everyMs: Number(rate[1]) * everyMs }
  }
  const cron = /^cron\((.*)\)$/.exec(text)?.[1]
  if (cron === undefined) throw new Error(`the schedule "${text}" is neither rate(…) nor cron(…)`)
  const [minute, hour, dayOfMonth, month, dayOfWeek, year, ...more] = cron.trim().split(/\s+/)
  if (dayOfWeek === undefined || year === undefined || more.length > 0) throw new Error(`the schedule "${text}" has not six fields`)
  if (year !== '*') throw new Error(`the schedule "${text}" names a year: only * is run locally`)
  // Scheduler counts the days of the week from 1 (Sunday), everybody else from 0; names need no translation.
  const fromZero = dayOfWeek.replace(/(^|[,-])([1-7])/g, (_, before: string, digit: string) => `${before}${Number(digit) - 1}`)
  const schedule = parseCron(`0 ${minute} ${hour} ${dayOfMonth} ${month} ${fromZero}`)
  if (!schedule.ok) throw new Error(`the schedule "${text}" cannot be read: ${schedule.error.message}`)
  return { kind: 'cron', schedule: schedule.value, zone }
}

/** The first instant after `afterMs` at which the trigger fires; a rate fires at whole multiples of its period. Undefined when it never does. */
export function nextTrigger(expression: ScheduleExpression, afterMs: number): number | undefined {
  if (expression.kind === 'rate') return (Math.floor(afterMs / expression.everyMs) + 1) * expression.everyMs
  return nextFiring(expression.schedule, expression.zone, afterMs)
}

/** The instant the trigger last fired at or before `nowMs`: what a run "now" is scheduled for. `nowMs` itself when there is none within 40 days. */
export function lastTrigger(expression: ScheduleExpression, nowMs: number): number {
  if (expression.kind === 'rate') return Math.floor(nowMs / expression.everyMs) * expression.everyMs
  return previousFiring(expression.schedule, expression.zone, nowMs, nowMs - 40 * unitMs.day) ?? nowMs
}

import * as z from 'zod/mini'
import { type Result, success } from '#shared/pure/result.ts'
import { shaped } from '#shared/runtime/read-body.ts'
import { type AlarmReading, instantOf, labelsOf, plainText, seriesKey } from '../source-reading.ts'

const shape = "an event of Tencent Cloud's event bus"

const BusEvent = z.looseObject({
  type: z.string(),
  subject: z.string(),
  region: z.optional(z.string()),
  time: z.union([z.number(), z.string()]),
  status: z.union([z.string(), z.number()]),
  data: z.optional(z.nullable(z.looseObject({ dimensions: z.optional(z.nullable(z.record(z.string(), z.unknown()))) }))),
})

/**
 * Events of the platform's products as its event bus sends them on, `cvm:ErrorEvent:ping_unreachable`. The only time is that of the
 * message, so that one that fires again without being over goes on. An event that has neither beginning nor end is none to act on.
 */
export function readCloudEvent(value: unknown, source: string): Result<AlarmReading, string> {
  const read = shaped(BusEvent, value, shape)
  if (!read.ok) return read
  const { type, subject, region, time, status, data } = read.value
  const key = seriesKey([type, subject])
  const nothing = (code: string, text: string, isFault: boolean): Result<AlarmReading, string> =>
    success({ alerts: [], passedOver: [{ code, text, isFault }], about: key })
  const atMs = typeof time === 'number' ? (Number.isInteger(time) && time > 0 ? time : undefined) : instantOf(time)
  if (atMs === undefined) return nothing('unreadable-alert', 'an event has no time, or one that is none', true)
  const { dimensions, ...rest } = data ?? {}
  const facts = {
    source,
    kind: 'tencent-monitor',
    key,
    name: plainText(type) ?? '',
    saidAtMs: atMs,
    labels: labelsOf(rest, dimensions ?? {}, { region, subject, alarmType: 'event' }),
    summary: plainText(`${subject}: ${type}`) ?? '',
  } as const
  switch (String(status)) {
    case '1':
      return success({ alerts: [{ ...facts, state: 'firing', startedAtMs: atMs, isStartUnsure: true }], passedOver: [], about: key })
    case '0':
      return success({ alerts: [{ ...facts, state: 'resolved', endedAtMs: atMs }], passedOver: [], about: key })
    case '-':
      return nothing('stateless-event', 'an event that neither begins nor ends asks for no nodes', false)
    default:
      return nothing('unknown-state', 'an event is in a state that is neither 1 (it fires) nor 0 (it is over)', true)
  }
}

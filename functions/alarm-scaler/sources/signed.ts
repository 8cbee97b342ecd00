import * as z from 'zod/mini'
import { parseInstant } from '#shared/pure/civil.ts'
import { compareTexts } from '#shared/pure/compare-texts.ts'
import { failure, success } from '#shared/pure/result.ts'
import { readShape } from '#shared/runtime/read-body.ts'
import { labelsOf, type ReadAlarms, seriesKey } from '../source-reading.ts'

const shape =
  '{"name": "cpu-high", "state": "firing", "resolved" or "no-data"} with "key", "startedAt", "endedAt" (RFC 3339), "value", "threshold", "isBelow", "unit", "labels" and "summary" if you know them'

const Text = z.string().check(z.maxLength(500))

/** A format of our own, so that a key that is not known is a mistake. */
const Message = z.strictObject({
  name: Text.check(z.minLength(1)),
  key: z.optional(z.string().check(z.minLength(1), z.maxLength(300))),
  state: z.enum(['firing', 'resolved', 'no-data']),
  startedAt: z.optional(z.string()),
  endedAt: z.optional(z.string()),
  value: z.optional(z.number()),
  threshold: z.optional(z.number()),
  isBelow: z.optional(z.boolean()),
  unit: z.optional(Text),
  labels: z.optional(z.record(z.string().check(z.maxLength(200)), Text)),
  summary: z.optional(Text),
})

/**
 * What anything else sends, signed as Standard Webhooks say: one alarm, one state. It is the same series as long as `key` is, or else name
 * and labels are. Without `startedAt` it begins when it is first said to fire, and goes on until it is said to be over.
 */
export const readSigned: ReadAlarms<'signed'> = ({ body, headers }, { name: source }) => {
  const message = readShape(Message, body, shape)
  if (!message.ok) return message
  const { key: own, state, startedAt, endedAt, labels = {}, ...rest } = message.value
  const { 'webhook-id': id = '', 'webhook-timestamp': timestamp = '' } = headers
  const saidAtMs = Number(timestamp) * 1000
  const began = startedAt === undefined ? undefined : parseInstant(startedAt)
  const ended = endedAt === undefined ? undefined : parseInstant(endedAt)
  if (began?.ok === false || (began?.value ?? 0) < 0) return failure(`the body must be ${shape}; startedAt does not fit`)
  if (ended?.ok === false || (ended?.value ?? 0) < 0) return failure(`the body must be ${shape}; endedAt does not fit`)
  const sorted = Object.entries(labels).toSorted(([one], [other]) => compareTexts(one, other))
  const key = seriesKey(own === undefined ? [rest.name, ...sorted.flat()] : [own])
  const facts = { source, kind: 'signed', key, saidAtMs, labels: labelsOf(labels), ...rest } as const
  const alert = (() => {
    switch (state) {
      case 'firing':
        return began === undefined
          ? ({ ...facts, state, startedAtMs: saidAtMs, isStartUnsure: true } as const)
          : { ...facts, state, startedAtMs: began.value }
      case 'resolved':
        return { ...facts, state, endedAtMs: ended?.value ?? saidAtMs, ...(began === undefined ? {} : { startedAtMs: began.value }) }
      case 'no-data':
        return { ...facts, state, startedAtMs: began?.value ?? saidAtMs }
    }
  })()
  // The signature covers both: only a copy of the same message has the same.
  return success({ alerts: [alert], passedOver: [], about: key, identity: `${id} ${timestamp}` })
}

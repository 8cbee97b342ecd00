import * as z from 'zod/mini'
import { parsePlatformTime } from '#shared/pure/platform-time.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { readJsonBody, shaped } from '#shared/runtime/read-body.ts'
import type { SenderAnswer, WebhookRequest } from '#shared/runtime/webhook-definition.ts'
import type { Alert } from '../alert.ts'
import { type AlarmReading, figureOf, instantOf, labelsOf, plainText, type ReadAlarms, seriesKey } from '../source-reading.ts'
import { readCloudEvent } from './tencent-event.ts'

const shape = 'an alarm callback of Tencent Cloud Monitor'

/** It writes most figures as text, but not everywhere and not in every version. */
const TextOrNumber = z.union([z.string(), z.number()])
const MaybeText = z.optional(z.nullable(TextOrNumber))

const Callback = z.looseObject({
  alarmStatus: TextOrNumber,
  alarmType: MaybeText,
  alarmObjInfo: z.looseObject({
    region: MaybeText,
    namespace: MaybeText,
    dimensions: z.optional(z.nullable(z.record(z.string(), z.unknown()))),
    content: MaybeText,
    summary: MaybeText,
  }),
  alarmPolicyInfo: z.looseObject({
    policyId: MaybeText,
    policyName: MaybeText,
    policyType: MaybeText,
    conditions: z.optional(
      z.nullable(
        z.looseObject({
          metricName: MaybeText,
          metricShowName: MaybeText,
          calcType: MaybeText,
          calcValue: MaybeText,
          calcUnit: MaybeText,
          currentValue: MaybeText,
          unit: MaybeText,
          eventName: MaybeText,
          eventShowName: MaybeText,
          productName: MaybeText,
        }),
      ),
    ),
  }),
  firstOccurTime: z.string(),
  recoverTime: MaybeText,
})

type Callback = z.infer<typeof Callback>

/**
 * Alarm callbacks of Tencent Cloud Monitor, and the events that its event bus sends on. An alarm of a metric and one of an event differ
 * in what they leave out: an event has no policy id, no figures and no duration. Times are without a zone. It says the same alarm again
 * as its policy wants, each time with the time at which it first occurred; `sessionId` is another one then, and is no name for anything.
 */
export const readTencentMonitor: ReadAlarms<'tencent-monitor'> = ({ body }, { name, timeZone }) => {
  if (body.length === 0) return success({ alerts: [], passedOver: [{ code: 'address-check', text: 'an address was checked' }], about: '' })
  const json = readJsonBody(body)
  if (!json.ok) return json
  if (typeof json.value === 'object' && json.value !== null && 'specversion' in json.value) return readCloudEvent(json.value, name)
  const callback = shaped(Callback, json.value, shape)
  return callback.ok ? readCallback(callback.value, name, timeZone) : callback
}

function readCallback(callback: Callback, source: string, timeZone: string): Result<AlarmReading, string> {
  const { alarmStatus, firstOccurTime, recoverTime } = callback
  const startedAtMs = timeOf(firstOccurTime, timeZone)
  if (startedAtMs === undefined) return failure(`the body must be ${shape}; firstOccurTime does not fit`)
  const facts = factsOf(callback, source)
  const reading = (alert: Alert): Result<AlarmReading, string> => success({ alerts: [alert], passedOver: [], about: facts.key })
  switch (String(alarmStatus)) {
    case '1':
      return reading({ ...facts, state: 'firing', startedAtMs })
    case '0': {
      // It is documented as seconds and comes as a time; what is neither says nothing.
      const endedAtMs = timeOf(String(recoverTime ?? ''), timeZone)
      return reading({ ...facts, state: 'resolved', startedAtMs, ...(endedAtMs === undefined ? {} : { endedAtMs }) })
    }
    default: {
      const text = 'an alarm is in a state that is neither 1 (it fires) nor 0 (it is over)'
      return success({ alerts: [], passedOver: [{ code: 'unknown-state', text, isFault: true }], about: facts.key })
    }
  }
}

function factsOf({ alarmType, alarmObjInfo: object, alarmPolicyInfo: policy }: Callback, source: string) {
  const conditions = policy.conditions ?? {}
  const dimensions = object.dimensions ?? {}
  const { objId, objName, tke_cluster_instance_id: cluster, ...others } = dimensions
  const what = plainText(conditions.metricName) ?? plainText(conditions.eventName) ?? ''
  const about = plainText(objId) ?? JSON.stringify(labelsOf(sorted(dimensions)))
  const value = figureOf(conditions.currentValue)
  const threshold = figureOf(conditions.calcValue)
  const unit = plainText(conditions.calcUnit ?? conditions.unit) ?? value?.unit
  const comparison = plainText(conditions.calcType) ?? ''
  const name = plainText(policy.policyName) ?? what
  const shown = plainText(conditions.metricShowName ?? conditions.eventShowName) ?? what
  return {
    source,
    kind: 'tencent-monitor',
    key: seriesKey([plainText(policy.policyId) ?? name, what, about]),
    name,
    labels: labelsOf(
      { region: object.region, productNamespace: object.namespace, alarmType, metricName: conditions.metricName },
      { eventName: conditions.eventName, productName: conditions.productName, policyType: policy.policyType, policyId: policy.policyId },
      others,
      { objId, objName, cluster, tke_cluster_instance_id: cluster },
    ),
    ...(value === undefined ? {} : { value: value.value }),
    ...(threshold === undefined ? {} : { threshold: threshold.value }),
    ...(/^<|below/i.test(comparison) ? { isBelow: true } : {}),
    ...(unit === undefined || unit === '' ? {} : { unit }),
    summary: plainText(object.content ?? object.summary) ?? `${plainText(objName) ?? about}: ${shown}`.slice(0, 500),
  } as const
}

function sorted(dimensions: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(dimensions).toSorted(([left], [right]) => (left < right ? -1 : 1)))
}

/** A time as it writes one: without a zone, with one, or in seconds since 1970. A zero stands for "not yet". */
function timeOf(text: string, timeZone: string): number | undefined {
  if (/^[1-9]\d{9}$/.test(text)) return Number(text) * 1000
  const ms = parsePlatformTime(text, timeZone) ?? instantOf(text)
  return ms !== undefined && ms > 0 ? ms : undefined
}

/** The private cloud's monitor takes an alarm for told only when it is answered with its session; the public one reads no answer. */
export function answerTo({ body }: Pick<WebhookRequest, 'body'>, code: string | undefined): SenderAnswer {
  if (body.length === 0 && code !== undefined) return codeAnswer(code)
  const json = readJsonBody(body)
  const session = z.safeParse(z.looseObject({ sessionId: TextOrNumber }), json.ok ? json.value : undefined).data?.sessionId
  return {
    statusCode: 200,
    contentType: 'application/json',
    body: `${JSON.stringify({ ...(session === undefined ? {} : { sessionId: session }), retCode: 0 })}\n`,
  }
}

/** What an address is checked by: the code that the console shows, and nothing else. */
export function codeAnswer(code: string): SenderAnswer {
  return { statusCode: 200, contentType: 'text/plain; charset=utf-8', body: code }
}

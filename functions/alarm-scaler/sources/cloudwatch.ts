import * as z from 'zod/mini'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { readJsonBody, shaped } from '#shared/runtime/read-body.ts'
import type { Alert } from '../alert.ts'
import { type AlarmReading, figureOf, instantOf, labelsOf, plainText, type ReadAlarms, seriesKey } from '../source-reading.ts'

const shape = 'an alarm of CloudWatch: an event of EventBridge, what it hands to a Lambda function, or a notification of SNS'

const State = z.looseObject({
  value: z.enum(['OK', 'ALARM', 'INSUFFICIENT_DATA']),
  timestamp: z.string(),
  reason: z.optional(z.string()),
  /** JSON in a text. */
  reasonData: z.optional(z.string()),
  /** Another alarm that keeps this one from doing anything. */
  actionsSuppressedBy: z.optional(z.string()),
})

const Metric = z.looseObject({
  metricStat: z.optional(
    z.looseObject({
      metric: z.looseObject({
        name: z.optional(z.string()),
        namespace: z.optional(z.string()),
        dimensions: z.optional(z.record(z.string(), z.string())),
      }),
    }),
  ),
})

const AlarmData = z.looseObject({
  alarmName: z.string(),
  state: State,
  previousState: z.optional(z.looseObject({ value: z.string(), timestamp: z.optional(z.string()) })),
  configuration: z.optional(z.looseObject({ description: z.optional(z.string()), metrics: z.optional(z.array(Metric)) })),
})

const BusEvent = z.looseObject({
  'detail-type': z.string(),
  account: z.optional(z.string()),
  region: z.optional(z.string()),
  resources: z.optional(z.array(z.string())),
})

const DirectEvent = z.looseObject({
  alarmArn: z.optional(z.string()),
  accountId: z.optional(z.string()),
  region: z.optional(z.string()),
  alarmData: AlarmData,
})

const Envelope = z.looseObject({ Type: z.string(), Message: z.optional(z.string()) })

const ClassicAlarm = z.looseObject({
  AlarmName: z.string(),
  AlarmArn: z.optional(z.string()),
  AlarmDescription: z.optional(z.nullable(z.string())),
  AWSAccountId: z.optional(z.string()),
  NewStateValue: State.shape.value,
  NewStateReason: z.optional(z.string()),
  StateChangeTime: z.string(),
  Trigger: z.optional(
    z.looseObject({
      MetricName: z.optional(z.string()),
      Namespace: z.optional(z.nullable(z.string())),
      Dimensions: z.optional(z.array(z.looseObject({ name: z.string(), value: z.string() }))),
      ComparisonOperator: z.optional(z.string()),
      Threshold: z.optional(z.number()),
    }),
  ),
})

/** What all of its forms come to. */
interface Change {
  readonly arn?: string | undefined
  readonly account?: string | undefined
  readonly region?: string | undefined
  readonly name: string
  readonly state: z.infer<typeof State>
  /** When the state before began, if that was ALARM. */
  readonly alarmSince?: string | undefined
  readonly metric?: { readonly name?: string | undefined; readonly namespace?: string | null | undefined } | undefined
  readonly dimensions?: Readonly<Record<string, string>> | undefined
  readonly description?: string | null | undefined
  readonly threshold?: number | undefined
  readonly isBelow?: boolean | undefined
}

/**
 * Alarms of CloudWatch, in the three forms that reach a web address: an event of EventBridge (an API destination), the event that a
 * Lambda function is called with, and a notification of SNS, wrapped or raw. It tells of changes only, never again of a state that lasts.
 * INSUFFICIENT_DATA says that nobody knows; it ends nothing. An alarm whose actions another alarm suppresses does nothing here, either.
 */
export const readCloudWatch: ReadAlarms<'cloudwatch'> = ({ body }, { name }) => {
  const json = readJsonBody(body)
  return json.ok ? readAny(json.value, name) : json
}

function readAny(value: unknown, source: string): Result<AlarmReading, string> {
  if (typeof value !== 'object' || value === null) return failure(`the body must be ${shape}`)
  if ('Type' in value) return readEnvelope(value, source)
  if ('AlarmName' in value) return readClassic(value, source)
  if ('alarmData' in value) {
    const direct = shaped(DirectEvent, value, shape)
    if (!direct.ok) return direct
    const { alarmArn: arn, accountId: account, region, alarmData } = direct.value
    return reading({ ...changeOf(alarmData), arn, account, region }, source)
  }
  const event = shaped(BusEvent, value, shape)
  if (!event.ok) return event
  const { 'detail-type': type, account, region, resources = [] } = event.value
  if (type !== 'CloudWatch Alarm State Change') return nothing('other-event', 'an alarm was made, changed or removed; that is no alarm')
  const alarm = shaped(z.looseObject({ detail: AlarmData }), value, shape)
  return alarm.ok ? reading({ ...changeOf(alarm.value.detail), arn: resources[0], account, region }, source) : alarm
}

function readEnvelope(value: unknown, source: string): Result<AlarmReading, string> {
  const envelope = shaped(Envelope, value, shape)
  if (!envelope.ok) return envelope
  const { Type: type, Message: message = '' } = envelope.value
  if (type !== 'Notification') {
    const text =
      'SNS asks whether messages may come here; open the address in its request yourself, for none that a stranger names is called'
    return nothing('subscription', text, type === 'SubscriptionConfirmation')
  }
  const json = readJsonBody(Buffer.from(message))
  return json.ok ? readClassic(json.value, source) : failure(`the body must be ${shape}; Message does not fit`)
}

function readClassic(value: unknown, source: string): Result<AlarmReading, string> {
  const alarm = shaped(ClassicAlarm, value, shape)
  if (!alarm.ok) return alarm
  const { AlarmName: name, AlarmArn: arn, AWSAccountId: account, AlarmDescription: description, Trigger: trigger } = alarm.value
  const { NewStateValue, NewStateReason: reason, StateChangeTime: timestamp } = alarm.value
  const comparison = trigger?.ComparisonOperator
  const change: Change = {
    name,
    arn,
    account,
    // Its own `Region` is a name for people.
    region: arn?.split(':')[3],
    state: { value: NewStateValue, timestamp, ...(reason === undefined ? {} : { reason }) },
    metric: { name: trigger?.MetricName, namespace: trigger?.Namespace },
    dimensions: Object.fromEntries((trigger?.Dimensions ?? []).map(({ name: key, value: text }) => [key, text])),
    description,
    threshold: trigger?.Threshold,
    isBelow: comparison === undefined ? undefined : comparison.startsWith('LessThan'),
  }
  return reading(change, source)
}

function changeOf({ alarmName: name, state, previousState, configuration }: z.infer<typeof AlarmData>): Change {
  const metric = configuration?.metrics?.find(({ metricStat }) => metricStat !== undefined)?.metricStat?.metric
  return {
    name,
    state,
    alarmSince: previousState?.value === 'ALARM' ? previousState.timestamp : undefined,
    metric,
    dimensions: metric?.dimensions,
    description: configuration?.description,
  }
}

function reading(change: Change, source: string): Result<AlarmReading, string> {
  const { state, arn, account = '', region = '', name } = change
  const atMs = instantOf(state.timestamp)
  if (atMs === undefined) return failure(`the body must be ${shape}; its time does not fit`)
  const key = seriesKey(arn === undefined || arn === '' ? [account, region, name] : [arn])
  if (state.value === 'ALARM' && state.actionsSuppressedBy !== undefined && state.actionsSuppressedBy !== '')
    return nothing('suppressed', 'another alarm suppresses what this one does', false, key)
  const facts = factsOf(change, source, key, atMs)
  return success({ alerts: [inState(facts, state.value, atMs, instantOf(change.alarmSince))], passedOver: [], about: key })
}

function inState(
  facts: ReturnType<typeof factsOf>,
  state: z.infer<typeof State>['value'],
  atMs: number,
  alarmSinceMs: number | undefined,
): Alert {
  switch (state) {
    case 'ALARM':
      return { ...facts, state: 'firing', startedAtMs: atMs }
    case 'OK':
      return { ...facts, state: 'resolved', endedAtMs: atMs, ...(alarmSinceMs === undefined ? {} : { startedAtMs: alarmSinceMs }) }
    case 'INSUFFICIENT_DATA':
      return { ...facts, state: 'no-data', startedAtMs: atMs }
  }
}

function factsOf(change: Change, source: string, key: string, atMs: number) {
  const { name, state, account, region, metric, dimensions = {}, description } = change
  const { value, threshold = change.threshold } = figuresIn(state.reasonData)
  // The event of a state does not say on which side of the threshold it is wrong; the value of an alarm does.
  const isBelow = change.isBelow ?? (state.value === 'ALARM' && value !== undefined && threshold !== undefined && value < threshold)
  const summary = plainText(description === '' ? undefined : description) ?? plainText(state.reason)
  const { ClusterName: cluster, NodeName: node, Namespace: namespace } = dimensions
  return {
    source,
    kind: 'cloudwatch',
    key,
    name: plainText(name) ?? '',
    saidAtMs: atMs,
    labels: labelsOf({ account, region, metricName: metric?.name, metricNamespace: metric?.namespace }, dimensions, {
      cluster,
      node,
      namespace,
    }),
    ...(value === undefined ? {} : { value }),
    ...(threshold === undefined ? {} : { threshold }),
    ...(isBelow ? { isBelow } : {}),
    ...(summary === undefined ? {} : { summary }),
  } as const
}

const ReasonData = z.looseObject({
  threshold: z.optional(z.unknown()),
  recentDatapoints: z.optional(z.array(z.unknown())),
  evaluatedDatapoints: z.optional(z.array(z.looseObject({ timestamp: z.string(), value: z.optional(z.unknown()) }))),
})

/** Figures of the evaluation that a state comes from: the newest that it says, and the threshold. Texts for people are not read. */
function figuresIn(text: string | undefined): { readonly value?: number | undefined; readonly threshold?: number | undefined } {
  const json = readJsonBody(Buffer.from(text ?? ''))
  const { data } = z.safeParse(ReasonData, json.ok ? json.value : undefined)
  if (data === undefined) return {}
  const dated = (data.evaluatedDatapoints ?? []).filter(({ value }) => value !== undefined)
  const newest = dated.toSorted((one, other) => (instantOf(one.timestamp) ?? 0) - (instantOf(other.timestamp) ?? 0)).at(-1)
  return { value: figureOf(newest?.value ?? data.recentDatapoints?.at(-1))?.value, threshold: figureOf(data.threshold)?.value }
}

function nothing(code: string, text: string, isFault = false, about = ''): Result<AlarmReading, string> {
  return success({ alerts: [], passedOver: [{ code, text, isFault }], about })
}

import * as z from 'zod/mini'
import { type Result, success } from '#shared/pure/result.ts'
import { readShape } from '#shared/runtime/read-body.ts'
import type { PassedOver } from '#shared/runtime/webhook-definition.ts'
import type { Alert } from '../alert.ts'
import { type AlarmReading, figureOf, instantOf, labelsOf, plainText, seriesKey, unreadable } from '../source-reading.ts'
import type { SourceKind } from '../source-settings.ts'

const Texts = z.record(z.string(), z.string())

/** One alert that cannot be read does not spoil the others of its group. */
const Group = z.looseObject({
  version: z.string(),
  groupKey: z.optional(z.string()),
  truncatedAlerts: z.optional(z.number()),
  alerts: z.array(z.unknown()).check(z.maxLength(5000)),
})

const GroupAlert = z.looseObject({
  status: z.enum(['firing', 'resolved']),
  labels: Texts,
  annotations: z.optional(z.nullable(Texts)),
  startsAt: z.string(),
  /** Of a firing one the year 1, or a time to come: nothing that is read. */
  endsAt: z.optional(z.string()),
  fingerprint: z.optional(z.string()),
  /** Grafana's, by the names of a rule's queries. */
  values: z.optional(z.nullable(z.record(z.string(), z.unknown()))),
})

export type GroupAlert = z.infer<typeof GroupAlert>

/** What tells Alertmanager's messages from those of its descendants. */
export interface GroupDialect {
  readonly kind: SourceKind
  /** What `version` has to be. */
  readonly version: string
  /** What the body has to be, for a message. */
  readonly shape: string
  /** Names of the annotations or labels that hold figures. */
  readonly figures: { readonly value: string; readonly threshold: string }
  /** The value, where no annotation has it. */
  readonly ownValue?: ((alert: GroupAlert) => number | undefined) | undefined
  /** Says why an alert is nothing to go by. */
  readonly passOver?: ((alert: GroupAlert) => PassedOver | undefined) | undefined
  /** Whether it only says that nobody knows. */
  readonly isNoData?: ((alert: GroupAlert) => boolean) | undefined
}

/**
 * Reads a group of alerts. The group's own status is passed over: it is firing as long as any of its alerts is, and among them may be
 * others that are over.
 */
export function readGroup(body: Uint8Array, source: string, dialect: GroupDialect): Result<AlarmReading, string> {
  const group = readShape(Group.check(z.refine(({ version }) => version === dialect.version, { path: ['version'] })), body, dialect.shape)
  if (!group.ok) return group
  const { alerts: given, groupKey, truncatedAlerts = 0 } = group.value
  const alerts: Alert[] = []
  const passedOver: PassedOver[] = []
  for (const one of given) {
    const read = readAlert(one, source, dialect)
    if ('key' in read) alerts.push(read)
    else passedOver.push(read)
  }
  if (truncatedAlerts > 0) {
    const text = `the sender left out ${truncatedAlerts} alerts of a group, and with them perhaps that something is over; raise max_alerts there`
    passedOver.push({ code: 'truncated-alerts', text, isFault: true })
  }
  return success({ alerts, passedOver, about: groupKey ?? alerts[0]?.key ?? '' })
}

function readAlert(given: unknown, source: string, dialect: GroupDialect): Alert | PassedOver {
  const parsed = z.safeParse(GroupAlert, given)
  if (!parsed.success) return unreadable(`an alert is not as the sender's documentation has it (${parsed.error.issues[0]?.path.join('.')})`)
  const alert = parsed.data
  const { status, startsAt, endsAt } = alert
  const startedAtMs = instantOf(startsAt)
  if (startedAtMs === undefined) return unreadable('an alert has no beginning, or one that is no RFC 3339')
  const passed = dialect.passOver?.(alert)
  if (passed !== undefined) return passed
  const facts = factsOf(alert, source, dialect)
  const endedAtMs = instantOf(endsAt)
  const end = status === 'resolved' && endedAtMs !== undefined ? { endedAtMs } : {}
  if (dialect.isNoData?.(alert) === true)
    return { ...facts, state: 'no-data', ...(end.endedAtMs === undefined ? {} : { startedAtMs: end.endedAtMs }) }
  if (status === 'firing') return { ...facts, state: 'firing', startedAtMs }
  // Who ends one by hand says no beginning, and the end is put in its place.
  const began = startedAtMs >= (endedAtMs ?? Number.POSITIVE_INFINITY) ? {} : { startedAtMs }
  return { ...facts, state: 'resolved', ...began, ...end }
}

function factsOf(alert: GroupAlert, source: string, { kind, figures, ownValue }: GroupDialect) {
  const { labels, fingerprint = '' } = alert
  const notes = alert.annotations ?? {}
  const own = ownValue?.(alert)
  const value = figureOf(notes[figures.value] ?? labels[figures.value]) ?? (own === undefined ? undefined : { value: own })
  const threshold = figureOf(notes[figures.threshold] ?? labels[figures.threshold])
  const summary = plainText(notes.summary ?? notes.description ?? notes.message)
  const sorted = Object.entries(labels).toSorted(([left], [right]) => (left < right ? -1 : 1))
  return {
    source,
    kind,
    key: seriesKey(fingerprint === '' ? sorted.flat() : [fingerprint]),
    name: plainText(labels.alertname) ?? '',
    labels: labelsOf(labels),
    ...value,
    ...(threshold === undefined ? {} : { threshold: threshold.value }),
    ...(summary === undefined ? {} : { summary }),
  }
}

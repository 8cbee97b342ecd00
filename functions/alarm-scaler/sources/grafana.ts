import { createHmac } from 'node:crypto'
import { isOneOf } from '#shared/runtime/constant-time.ts'
import type { WebhookRequest } from '#shared/runtime/webhook-definition.ts'
import { figureOf, type ReadAlarms } from '../source-reading.ts'
import type { SourceSettings } from '../source-settings.ts'
import { type GroupAlert, readGroup } from './alertmanager-shape.ts'

/** Alerts that Grafana makes of a rule that has nothing to say, or cannot be evaluated; they are not the rule's own. */
const noDataNames: ReadonlySet<string | undefined> = new Set(['DatasourceNoData', 'DatasourceError'])

/**
 * Webhooks of Grafana Alerting: Alertmanager's payload, in a version of its own. An alert that is in its state for another reason than
 * its value says so (`grafana_state_reason`): its series is gone, there is no data, the rule was paused, changed or removed. Then nobody
 * knows, whether it is called firing or resolved. Rules that cannot be evaluated come as alerts of other names, and are the same.
 */
export const readGrafana: ReadAlarms<'grafana'> = ({ body }, { name, settings }) =>
  readGroup(body, name, {
    kind: 'grafana',
    version: '1',
    shape: 'a webhook of Grafana Alerting in its own payload, version 1',
    figures: settings,
    ownValue: (alert) => valueIn(alert, settings.refId),
    passOver: ({ labels }) =>
      labels.alertname === 'TestAlert' && labels.instance === 'Grafana'
        ? { code: 'test-message', text: 'somebody tried the contact point; that is no alarm' }
        : undefined,
    isNoData: ({ labels, annotations }) => noDataNames.has(labels.alertname) || (annotations?.grafana_state_reason ?? '') !== '',
  })

/** What one of the queries says, or the only one. */
function valueIn({ values }: GroupAlert, refId: string | undefined): number | undefined {
  const all = Object.entries(values ?? {})
  if (refId === undefined) return all.length === 1 ? figureOf(all[0]?.[1])?.value : undefined
  return figureOf(all.find(([name]) => name === refId)?.[1])?.value
}

type HmacSettings = NonNullable<Extract<SourceSettings, { kind: 'grafana' }>['hmac']>

/**
 * Whether a request is signed as a contact point with HMAC signs: SHA-256 in hexadecimal over the body, or over a time, a colon and the
 * body where a header for the time is configured. Without one, an old message can be sent again by whoever has seen it.
 */
export function isSigned(
  { body, headers }: Pick<WebhookRequest, 'body' | 'headers'>,
  { header, timestampHeader, tolerance }: HmacSettings,
  secrets: readonly string[],
  now: number,
): boolean {
  const time = timestampHeader === undefined ? undefined : (headers[timestampHeader.toLowerCase()] ?? '')
  if (time !== undefined && !isNear(time, tolerance, now)) return false
  const given = (headers[header.toLowerCase()] ?? '').toLowerCase()
  const expected = secrets.map((secret) => {
    const hmac = createHmac('sha256', secret)
    if (time !== undefined) hmac.update(`${time}:`)
    return hmac.update(body).digest('hex')
  })
  return isOneOf(given, expected)
}

/** A time in seconds; what is too large for that is in milliseconds. */
function isNear(time: string, toleranceMs: number, now: number): boolean {
  if (!/^[1-9][0-9]{0,15}$/.test(time)) return false
  const given = Number(time)
  return Math.abs((given > 1e11 ? given : given * 1000) - now) <= toleranceMs
}

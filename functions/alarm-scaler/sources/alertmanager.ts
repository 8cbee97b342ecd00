import type { ReadAlarms } from '../source-reading.ts'
import { readGroup } from './alertmanager-shape.ts'

/**
 * Webhooks of Prometheus Alertmanager, in version 4 of its payload. Each alert of a group is a series of its own, known by its
 * fingerprint. It sends a group again when anything of it changes, after its repeat interval, and when it does not know whether it has
 * been sent: none of that begins anything.
 */
export const readAlertmanager: ReadAlarms<'alertmanager'> = ({ body }, { name, settings }) =>
  readGroup(body, name, {
    kind: 'alertmanager',
    version: '4',
    shape: 'a webhook of Alertmanager in its own payload, version 4',
    figures: settings,
  })

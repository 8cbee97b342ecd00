/** Turns alarms into nodes, within limits, and takes the nodes away again when the alarms are over. Trigger: webhooks, and a schedule every minute. Writes: nodes and scaling groups of clusters, drains, and a record of each pool in its cluster. */
import { defineEvents } from '#shared/runtime/define-events.ts'
import { defineQueue } from '#shared/runtime/define-queue.ts'
import { defineSchedule } from '#shared/runtime/define-schedule.ts'
import { defineSweep } from '#shared/runtime/define-sweep.ts'
import { defineWebhook } from '#shared/runtime/define-webhook.ts'
import { definition, openTools, queue } from './definition.ts'
import { webhook } from './webhook.ts'

export const handler = defineEvents({
  webhook: defineWebhook(webhook),
  queue: defineQueue(queue, openTools),
  sweep: defineSweep(webhook),
  schedule: defineSchedule(definition),
})

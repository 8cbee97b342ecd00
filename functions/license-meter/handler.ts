/** Measures the licence usage of every region, hour by hour, and says when it will be used up. Trigger: schedule, every 15 minutes. Writes: nothing on the platform; its usage record. */
import { defineSchedule } from '#shared/runtime/define-schedule.ts'
import { definition } from './definition.ts'

export { definition } from './definition.ts'

export const handler = defineSchedule(definition)

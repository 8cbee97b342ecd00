/** Sets replicas and HPA bounds to what schedules say. Trigger: schedule, every minute. Writes: workloads and HPAs through ForwardRequest. */
import { defineSchedule } from '#shared/runtime/define-schedule.ts'
import { definition } from './definition.ts'

export { definition } from './definition.ts'

export const handler = defineSchedule(definition)

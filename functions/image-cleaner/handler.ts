/** Removes image tags that no policy keeps and nothing uses. Trigger: schedule, every 15 minutes. Writes: tags, copies in quarantine, clean-up policies of the registry. */
import { defineSchedule } from '#shared/runtime/define-schedule.ts'
import { definition } from './definition.ts'

export { definition } from './definition.ts'

export const handler = defineSchedule(definition)

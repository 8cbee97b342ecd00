import type { ScheduleDefinition } from '#shared/runtime/definition.ts'
import { apply } from './apply.ts'
import { Settings } from './event.ts'
import { observe } from './observe.ts'
import { type Observed, plan, type ScaleChange } from './plan.ts'

/** The cron scaler as the runtime, the local runner and the command line start it. */
export const definition: ScheduleDefinition<Settings, Observed, ScaleChange> = {
  name: 'cron-scaler',
  settings: Settings,
  observe,
  plan,
  apply,
}

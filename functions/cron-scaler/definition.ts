import type { ScheduleDefinition } from '#shared/runtime/definition.ts'
import { apply } from './apply.ts'
import { configProblems } from './config-problems.ts'
import { Settings } from './event.ts'
import { observe } from './observe.ts'
import { type Observed, plan } from './plan.ts'
import { ScaleChange } from './scale-change.ts'
import { settle } from './settle.ts'

/** The cron scaler as the runtime, the local runner and the command line start it. */
export const definition: ScheduleDefinition<Settings, Observed, ScaleChange> = {
  name: 'cron-scaler',
  settings: Settings,
  problems: configProblems,
  observe,
  plan,
  change: ScaleChange,
  settle,
  apply,
}

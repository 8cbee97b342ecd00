import type { PartedDefinition } from '#shared/runtime/definition.ts'
import { apply } from './apply.ts'
import { configProblems } from './config-problems.ts'
import { Settings } from './event.ts'
import { ImageChange, unitsOf } from './image-change.ts'
import { observeRun } from './observe-run.ts'
import { type ObservedPart, plan } from './plan.ts'
import { remember, rememberSteps } from './remember.ts'
import { settle } from './settle.ts'

/** The image cleaner as the runtime, the local runner and the command line start it. */
export const definition: PartedDefinition<Settings, ObservedPart, ImageChange> = {
  name: 'image-cleaner',
  settings: Settings,
  problems: configProblems,
  observeParts: observeRun,
  plan,
  change: ImageChange,
  units: unitsOf,
  settle,
  // What a night leaves open the next one settles, and where that does not get through either the one after it.
  openForMs: 8 * 86_400_000,
  apply,
  remember,
  rememberSteps: async (facts, memory) => {
    await rememberSteps(facts, memory)
  },
}

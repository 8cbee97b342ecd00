import * as z from 'zod/mini'
import type { ScheduleDefinition } from '#shared/runtime/definition.ts'
import { blindness } from './blindness.ts'
import { configProblems } from './config-problems.ts'
import { Settings } from './event.ts'
import { notices } from './notices.ts'
import { observe } from './observe.ts'
import { type Observed, plan } from './plan.ts'
import { remember } from './remember.ts'

/** The license meter as the runtime, the local runner and the command line start it. It reads, and writes its own record; it changes nothing. */
export const definition: ScheduleDefinition<Settings, Observed, never> = {
  name: 'license-meter',
  settings: Settings,
  problems: configProblems,
  observe,
  plan,
  change: z.never(),
  apply: () => Promise.reject(new TypeError('license-meter plans no changes: there is nothing that could be carried out')),
  remember,
  memoryIsRecord: true,
  failureOf: blindness,
  notices,
}

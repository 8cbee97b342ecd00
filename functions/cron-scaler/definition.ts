import type { ScheduleDefinition } from '#shared/runtime/definition.ts'
import { AnyChange, applyAny, settleAny } from './any-change.ts'
import { dropCursors, everyMs, type Seen } from './cursor.ts'
import { Settings } from './event.ts'
import { observe } from './observe.ts'
import type { planSeen } from './plan-seen.ts'

/** The cron scaler as the runtime, the local runner and the command line start it. Its plans ask for sizes and nothing else. */
export const definition: Omit<ScheduleDefinition<Settings, Seen, AnyChange>, 'observe' | 'plan'> & {
  readonly observe: typeof observe
  readonly plan: typeof planSeen
} = {
  name: 'cron-scaler',
  settings: Settings,
  problems: async (config) => {
    // It shares most of its code with what decides, which is loaded a moment later.
    const { configProblems } = await import('./config-problems.ts')
    return configProblems(config)
  },
  observe: async (...words) => {
    const [seen] = await Promise.all([observe(...words), load()])
    return seen
  },
  plan: (...words) => loaded().planSeen(...words),
  change: AnyChange,
  settle: settleAny,
  apply: applyAny,
  remember: async (...words) => await loaded().remember(...words),
  rememberSteps: async ({ steps, now }, memory) => {
    await dropCursors(new Set(steps.map(({ target }) => target.split('/', 1)[0] ?? '')), now, memory)
  },
  everyMs,
  ahead: (...words) => loaded().ahead(...words),
}

type Decider = typeof import('./plan-seen.ts')

let decider: Decider | undefined

/** What decides is loaded while the platform's first answers are on their way, so that the first call of a new process is not kept waiting. */
async function load(): Promise<void> {
  decider ??= await import('./plan-seen.ts')
}

function loaded(): Decider {
  if (decider === undefined) throw new TypeError('cron-scaler: nothing can be decided before anything was observed')
  return decider
}

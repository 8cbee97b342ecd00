import type { CloudReader } from '#cloud/cloud.ts'
import type { FunctionConfig, ObserveAround, ScheduleDefinition } from '#shared/runtime/definition.ts'
import { AnyChange, applyAny, settleAny } from './any-change.ts'
import { dropCursors, everyMs, type Seen } from './cursor.ts'
import { Settings } from './event.ts'
import { observe } from './observe.ts'
import type { planSeen } from './plan-seen.ts'

/** The cron scaler as the runtime, the local runner and the command line start it. Its plans ask for sizes and nothing else. */
export const definition: Omit<ScheduleDefinition<Settings, Seen, AnyChange>, 'observe' | 'plan'> & {
  readonly observe: (cloud: CloudReader, config: FunctionConfig<Settings>, now: number, around?: ObserveAround) => Promise<Seen>
  readonly plan: typeof planSeen
} = {
  name: 'cron-scaler',
  settings: Settings,
  problems: async (config) => {
    // It shares most of its code with what decides, which is loaded a moment later.
    const { configProblems } = await import('./config-problems.ts')
    return configProblems(config)
  },
  observe: async (cloud, config, now, around) => {
    // Nearly all configurations and runs are without one: then what makes it is not even loaded.
    if (config.settings.forecast !== undefined && around !== undefined) {
      const { observeWithForecast } = await loadForecaster()
      const [seen] = await Promise.all([observeWithForecast(cloud, config, now, around), load()])
      return seen
    }
    const [seen] = await Promise.all([observe(cloud, config, now, around), load()])
    return seen
  },
  plan: (observed, config, now) => {
    const steps = loaded().planSeen(observed, config, now)
    if (observed.forecast === undefined) return steps
    if (forecaster === undefined) throw new TypeError('cron-scaler: nothing can be forecast before anything was observed')
    return forecaster.withForecast(steps, observed, config, now)
  },
  change: AnyChange,
  settle: settleAny,
  apply: applyAny,
  remember: async (facts, memory) => {
    await loaded().remember(facts, memory)
    const { observed, now } = facts
    if (observed.forecast !== undefined) await (await loadForecaster()).rememberForecast(observed.forecast.dueMs, now, memory)
  },
  rememberSteps: async ({ steps, now }, memory) => {
    await dropCursors(new Set(steps.map(({ target }) => target.split('/', 1)[0] ?? '')), now, memory)
  },
  notices: async (facts) => {
    const { noticesOf } = await import('./forecast-notices.ts')
    return noticesOf(facts)
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

type Forecaster = typeof import('./forecast-run.ts')

let forecaster: Forecaster | undefined

async function loadForecaster(): Promise<Forecaster> {
  forecaster ??= await import('./forecast-run.ts')
  return forecaster
}

function loaded(): Decider {
  if (decider === undefined) throw new TypeError('cron-scaler: nothing can be decided before anything was observed')
  return decider
}

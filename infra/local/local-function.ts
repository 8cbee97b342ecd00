import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type * as z from 'zod/mini'
import { type Config, type ConfigFault, functionConfig } from '#shared/runtime/config.ts'
import type { FunctionName, ScheduleDefinition } from '#shared/runtime/definition.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { type RunOptions, runSchedule } from '#shared/runtime/run.ts'
import { parseScheduleExpression, type ScheduleExpression } from './schedule-expression.ts'

/** A function as the local runner sees it: its settings, and a way to run it. The types of its plan stay inside. */
export interface LocalFunction {
  readonly name: FunctionName
  readonly settings: z.ZodMiniType
  /** What is wrong with its settings together with the rest of the configuration. Throws ConfigError when they do not fit at all. */
  problems(config: Config): Promise<readonly ConfigFault[]>
  run(options: RunOptions): Promise<RunReport>
}

/** Wraps a definition for the local runner. */
export function localFunction<Settings, Observed, Change>(definition: ScheduleDefinition<Settings, Observed, Change>): LocalFunction {
  return {
    name: definition.name,
    settings: definition.settings,
    problems: async (config) => {
      const found = definition.problems?.(await functionConfig(config, definition)) ?? []
      return found.map(({ path, text }) => ({ path: `functions.${definition.name}${path === '' ? '' : `.${path}`}`, text }))
    },
    run: (options) => runSchedule(definition, options),
  }
}

/** The root of the project: where functions/ and events/ are. */
export const projectRoot = join(import.meta.dirname, '../..')

/**
 * The schedules of a function, from the same function.yml that is deployed. Empty for a function without one. Throws when
 * the file cannot be read or a schedule cannot be understood, naming the file.
 */
export async function schedulesOf(name: FunctionName): Promise<readonly ScheduleExpression[]> {
  const { parse } = await import('yaml')
  const path = `functions/${name}/function.yml`
  const file: unknown = parse(await readFile(join(projectRoot, path), 'utf8'))
  const events = at(at(file, 'function'), 'events')
  if (!Array.isArray(events)) return []
  const schedules: ScheduleExpression[] = []
  for (const event of events) {
    const schedule = at(event, 'schedule')
    if (schedule === undefined) continue
    const rates = typeof schedule === 'string' ? schedule : at(schedule, 'rate')
    const zone = at(schedule, 'timezone')
    for (const rate of Array.isArray(rates) ? rates : [rates]) {
      if (typeof rate !== 'string') throw new Error(`${path}: a schedule has no rate(…) or cron(…)`)
      try {
        schedules.push(parseScheduleExpression(rate, typeof zone === 'string' ? zone : 'UTC'))
      } catch (error) {
        throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
      }
    }
  }
  return schedules
}

function at(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined
}

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type * as z from 'zod/mini'
import type { Step } from '#shared/pure/step.ts'
import type { Config, ConfigFault } from '#shared/runtime/config.ts'
import type { AnyScheduled, FunctionName } from '#shared/runtime/definition.ts'
import type { Kernel } from '#shared/runtime/kernel.ts'
import { type JudgedSettings, settingsFaults } from '#shared/runtime/own-faults.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { makePlan, type RunOptions, readStep, runSchedule, runSteps } from '#shared/runtime/run.ts'
import { contentDigest, plainCopy } from '#shared/safety/canonical-json.ts'
import type { JournalEntry } from '#shared/safety/journal-entry.ts'
import { createPlanDocument, type PlanDocument } from '#shared/safety/plan-document.ts'
import type { LocalHooks } from './local-hooks.ts'
import { parseScheduleExpression, type ScheduleExpression } from './schedule-expression.ts'

/** A function as the local runner sees it: its settings, and a way to run it. The types of its plan stay inside. */
export interface LocalFunction {
  readonly name: FunctionName
  readonly settings: z.ZodMiniType
  /** What is wrong with its settings together with the rest of the configuration. Throws ConfigError when they do not fit at all. */
  problems(config: Config): Promise<readonly ConfigFault[]>
  run(options: RunOptions): Promise<RunReport>
  /** Observes and plans, and makes a document of it. Throws what observing throws. */
  plan(options: PlanOptions): Promise<PlanDocument>
  /** Takes back what a journal entry did. Throws UndoError when that entry does not allow it. */
  undo(entry: JournalEntry, options: RunOptions): Promise<RunReport>
  /** What strangers may send to it, and what works on that; absent for a function without webhooks. */
  readonly hooks?: LocalHooks
}

export type PlanOptions = Pick<RunOptions, 'config' | 'cloud' | 'store' | 'fetchText' | 'now' | 'signal'> & Pick<Kernel, 'key' | 'redact'>

/** An entry of the journal that cannot be undone. The message says why. */
export class UndoError extends Error {
  override readonly name = 'UndoError'
}

/** Wraps a definition for the local runner, and its webhooks where it has some. */
export function localFunction<Settings, Observed, Change>(
  definition: AnyScheduled<Settings, Observed, Change>,
  hooks?: LocalHooks,
): LocalFunction {
  return {
    ...(hooks === undefined ? {} : { hooks }),
    name: definition.name,
    settings: definition.settings,
    problems: async (config) => await settingsFaults(definition, config),
    run: (options) => runSchedule(definition, options),
    plan: async (options) => {
      const { config, observed, steps } = await makePlan(definition, options)
      return createPlanDocument(
        {
          function: definition.name,
          createdAt: options.now,
          configHash: contentDigest(plainCopy(config)),
          observedHash: contentDigest(plainCopy(observed)),
          steps,
        },
        { redact: options.redact, key: options.key },
      )
    },
    undo: async (entry, options) => await runSteps(definition, [undoOf(definition, entry)], options),
  }
}

/** Wraps a function that has webhooks and no schedule. There is nothing to run, to plan or to take back by itself. */
export function localHookFunction<Settings>(definition: JudgedSettings<Settings>, hooks: LocalHooks): LocalFunction {
  const { name, settings } = definition
  const refuse = (): Promise<never> =>
    Promise.reject(
      new Error(`${name} acts on what is sent to it and has no schedule: there is nothing to run, to plan or to undo by itself`),
    )
  return {
    name,
    settings,
    hooks,
    problems: async (config) => await settingsFaults(definition, config),
    run: refuse,
    plan: refuse,
    undo: refuse,
  }
}

/** The step that takes back what an entry of the journal did. */
function undoOf<Settings, Observed, Change>(definition: AnyScheduled<Settings, Observed, Change>, entry: JournalEntry): Step<Change> {
  const name = `entry ${entry.seq} of the journal of ${definition.name}`
  if (entry.kind !== 'intent')
    throw new UndoError(`${name} is no intent; name the entry that began the change (\`longshore journal list\` shows them)`)
  const step = readStep(definition, entry.step)
  if (step === undefined) throw new UndoError(`${name} holds no change that this version of ${definition.name} knows`)
  if (step.undo === undefined)
    throw new UndoError(
      `${name} cannot be taken back: ${step.target} was ${step.before || 'not there'} before, and nothing leads back to that`,
    )
  const at = new Date(entry.at).toISOString()
  return {
    key: `undo/${entry.seq}/${step.key}`.slice(0, 256),
    target: step.target,
    before: step.after,
    after: step.before,
    reason: { code: 'undo', text: `takes back what was done at ${at}: ${step.reason.text}` },
    verdict: 'change',
    change: step.undo,
    undo: step.change,
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
  return schedulesIn(parse(await readFile(join(projectRoot, path), 'utf8')), path)
}

/** The schedules in a function.yml that was read. Sweeps of the inbox are none: the local queue looks by itself. */
export function schedulesIn(file: unknown, path: string): readonly ScheduleExpression[] {
  const events = at(at(file, 'function'), 'events')
  if (!Array.isArray(events)) return []
  const schedules: ScheduleExpression[] = []
  for (const event of events) {
    const schedule = at(event, 'schedule')
    if (schedule === undefined || at(at(schedule, 'input'), 'task') === 'sweep') continue
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

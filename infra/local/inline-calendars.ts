import { readFile, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { mostCalendarBytes } from '#functions/cron-scaler/calendar-days.ts'
import { CalendarFileError, inlineCalendarFiles } from '#functions/cron-scaler/calendar-files.ts'
import { type Config, ConfigError } from '#shared/runtime/config.ts'

const name = 'cron-scaler'

/**
 * A configuration with what the files of its calendars say in the place of their names, which are relative to the file of the
 * configuration. Throws ConfigError with every file that cannot be read and what is wrong with it.
 */
export async function inlineCalendars(config: Config, now: number): Promise<Config> {
  const section = await inlinedSection(config.functions[name], config.path, now)
  return section === undefined ? config : { ...config, functions: { ...config.functions, [name]: section } }
}

/** The same for the function's section alone; undefined when there is none. `path` is the file that it stands in. */
export async function inlinedSection(section: unknown, path: string | undefined, now: number): Promise<unknown> {
  if (section === undefined) return undefined
  const base = path === undefined ? '.' : dirname(path)
  const inlined = await inlineCalendarFiles(section, { now, readText: (file) => readCalendarFile(resolve(base, file)) })
  if (inlined.problems.length === 0) return inlined.section
  const faults = inlined.problems.map((problem) => ({ path: `functions.${name}.${problem.path}`, text: problem.text }))
  const source = path ?? 'the environment'
  const lines = faults.map((fault) => `${fault.path}: ${fault.text}`)
  const count = faults.length === 1 ? `${source}: ` : `${source} has ${faults.length} problems:\n  `
  throw new ConfigError('config.invalid', `${count}${lines.join('\n  ')}`, faults)
}

async function readCalendarFile(path: string): Promise<string> {
  try {
    const { size } = await stat(path)
    if (size > mostCalendarBytes) throw new CalendarFileError(`${path} has ${size} bytes; a calendar has at most ${mostCalendarBytes}`)
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof CalendarFileError || !(error instanceof Error && 'code' in error)) throw error
    throw new CalendarFileError(`${path} cannot be read (${String(error.code)}); paths are relative to the configuration`, { cause: error })
  }
}

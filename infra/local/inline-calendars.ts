import { readFile, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { mostCalendarBytes } from '#functions/cron-scaler/calendar-days.ts'
import { CalendarFileError, inlineCalendarFiles } from '#functions/cron-scaler/calendar-files.ts'
import type { Config } from '#shared/runtime/config.ts'
import { refuseFaults } from '#shared/runtime/own-faults.ts'

const name = 'cron-scaler'

/**
 * A configuration with what the files of its calendars say in the place of their names, which are relative to the file of the
 * configuration. Throws ConfigError with every file that cannot be read and what is wrong with it.
 */
export async function inlineCalendars(config: Config, now: number): Promise<Config> {
  const section = config.functions[name]
  if (section === undefined) return config
  const base = config.path === undefined ? '.' : dirname(config.path)
  const inlined = await inlineCalendarFiles(section, { now, readText: (file) => readCalendarFile(resolve(base, file)) })
  const faults = inlined.problems.map((problem) => ({ path: `functions.${name}.${problem.path}`, text: problem.text }))
  await refuseFaults(config, faults)
  return { ...config, functions: { ...config.functions, [name]: inlined.section } }
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

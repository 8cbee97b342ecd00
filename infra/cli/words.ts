import { isAbsolute, resolve } from 'node:path'
import { parseCivilDate } from '#shared/pure/civil.ts'
import type { CommandIo } from './command.ts'
import { UsageError } from './command.ts'

/** A whole number in a range, from a word of the command line. */
export function parseWhole(word: string, option: string, least: number, most: number): number {
  const value = /^[0-9]+$/.test(word) ? Number(word) : Number.NaN
  if (!(value >= least && value <= most)) throw new UsageError(`${option} takes a whole number from ${least} to ${most}, not "${word}"`)
  return value
}

const instantPattern = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/

/** An instant in epoch milliseconds from ISO 8601 with a zone; a date alone is midnight UTC. Refuses a time without a zone, which would mean another instant on another machine, and a date that the calendar does not have. */
export function parseInstant(word: string, option: string): number {
  // `Date` takes 30 February for 2 March.
  const value = instantPattern.test(word) && parseCivilDate(word.slice(0, 10)).ok ? Date.parse(word) : Number.NaN
  if (Number.isNaN(value))
    throw new UsageError(`${option} takes an instant such as 2026-11-24T08:00:00Z or 2026-11-24T16:00:00+08:00, not "${word}"`)
  return value
}

/**
 * The folder that relative paths of the command line are taken from. `npm start` changes to the project's root before it runs
 * anything, and says in INIT_CWD where the person was.
 */
export function startFolder(options: {
  readonly cwd: string
  readonly npmFolder: string | undefined
  readonly projectRoot: string
}): string {
  const { cwd, npmFolder, projectRoot } = options
  return npmFolder !== undefined && isAbsolute(npmFolder) && resolve(cwd) === resolve(projectRoot) ? npmFolder : cwd
}

/** `1 cluster`, `3 clusters`. */
export function counted(count: number, one: string, more = `${one}s`): string {
  return `${count} ${count === 1 ? one : more}`
}

/** Whether this machine knows the time zone. */
export function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

/** JSON from a word of the command line. */
export function parseJson(word: string, option: string): unknown {
  try {
    return JSON.parse(word)
  } catch (error) {
    if (error instanceof SyntaxError) throw new UsageError(`${option} takes JSON: ${error.message}`)
    throw error
  }
}

/** The configuration file that a command is about: the one it was given, else LONGSHORE_CONFIG where that says something, else longshore.yaml. */
export function configPathOf(given: string | undefined, env: CommandIo['env']): string {
  const { LONGSHORE_CONFIG: named } = env
  return given ?? (named === undefined || named === '' ? 'longshore.yaml' : named)
}

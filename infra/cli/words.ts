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

/** Years that are reckoned with: what is looked for may lie some years away from what is asked for. */
const [firstYear, lastYear] = [1970, 9900]

/**
 * An instant in epoch milliseconds from ISO 8601 with a zone; a date alone is midnight UTC. Refuses a time without a zone, which would
 * mean another instant on another machine, a date that the calendar does not have, and a year that nobody means.
 */
export function parseInstant(word: string, option: string): number {
  const takes = `${option} takes a date such as 2026-11-24, or an instant such as 2026-11-24T08:00:00Z or 2026-11-24T16:00:00+08:00`
  if (!instantPattern.test(word)) throw new UsageError(`${takes}, not "${word}"`)
  // `Date` takes 30 February for 2 March.
  const date = parseCivilDate(word.slice(0, 10))
  if (!date.ok) throw new UsageError(`${option}: the calendar has no ${word.slice(0, 10)}`)
  const { year } = date.value
  if (year < firstYear || year > lastYear)
    throw new UsageError(`${option} takes a year from ${firstYear} to ${lastYear}, not that of "${word}"`)
  const value = Date.parse(word)
  if (Number.isNaN(value)) throw new UsageError(`${takes}; no clock shows the time of "${word}"`)
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

/** Why a file cannot be read or written, for people; the system's own word where there is no better one. */
export function fileTrouble(error: Error & { readonly code: unknown }): string {
  const code = String(error.code)
  return fileTroubles[code] ?? code
}

const fileTroubles: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  ENOTDIR: 'what it names as a folder is none',
  EISDIR: 'it is a folder',
  EACCES: 'it may not be read or written by this user',
  EPERM: 'it may not be read or written by this user',
  EROFS: 'nothing can be written there',
  ENOSPC: 'the disk is full',
  ENAMETOOLONG: 'its name is too long',
}

/** The configuration file that a command is about: the one it was given, else LONGSHORE_CONFIG where that says something, else longshore.yaml. */
export function configPathOf(given: string | undefined, env: CommandIo['env']): string {
  const { LONGSHORE_CONFIG: named } = env
  return given ?? (named === undefined || named === '' ? 'longshore.yaml' : named)
}

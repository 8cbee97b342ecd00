import { UsageError } from './command.ts'

/** A whole number in a range, from a word of the command line. */
export function parseWhole(word: string, option: string, least: number, most: number): number {
  const value = /^[0-9]+$/.test(word) ? Number(word) : Number.NaN
  if (!(value >= least && value <= most)) throw new UsageError(`${option} takes a whole number from ${least} to ${most}, not "${word}"`)
  return value
}

const instantPattern = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/

/** An instant in epoch milliseconds from ISO 8601 with a zone; a date alone is midnight UTC. Refuses a time without a zone: it would mean another instant on another machine. */
export function parseInstant(word: string, option: string): number {
  const value = instantPattern.test(word) ? Date.parse(word) : Number.NaN
  if (Number.isNaN(value))
    throw new UsageError(`${option} takes an instant such as 2026-11-24T08:00:00Z or 2026-11-24T16:00:00+08:00, not "${word}"`)
  return value
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

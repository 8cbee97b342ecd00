import { firstInstantAt, instantsOf, parseCivilDate, wallSeconds } from './civil.ts'

/**
 * A time as the platform gives it, without a zone: `2026-10-01 08:00:00`. Undefined when it is none. Of the two instants that one time
 * has when clocks are set back it is the later one.
 */
export function parsePlatformTime(text: string, timeZone: string): number | undefined {
  const match = /^(\d{4}-\d{2}-\d{2}) (\d{2}):(\d{2}):(\d{2})$/.exec(text)
  if (match === null) return undefined
  const date = parseCivilDate(match[1] ?? '')
  const [hour, minute, second] = [Number(match[2]), Number(match[3]), Number(match[4])]
  if (!date.ok || hour > 23 || minute > 59 || second > 59) return undefined
  const civil = { ...date.value, hour, minute, second }
  return instantsOf(civil, timeZone).at(-1) ?? firstInstantAt(wallSeconds(civil), timeZone)
}

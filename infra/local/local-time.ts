import { civilOf, wallSeconds } from '#shared/pure/civil.ts'

/** The zone of this machine. */
export function machineZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone
}

/**
 * An instant as a clock on the wall shows it, with what it is off UTC.
 *
 * @example localTime(Date.parse('2026-11-24T00:00:00Z'), 'Asia/Shanghai') // '2026-11-24 08:00:00 +08:00'
 */
export function localTime(ms: number, zone: string): string {
  const civil = civilOf(ms, zone)
  const two = (value: number): string => String(value).padStart(2, '0')
  const date = `${String(civil.year).padStart(4, '0')}-${two(civil.month)}-${two(civil.day)}`
  const offsetMinutes = Math.round((wallSeconds(civil) - Math.floor(ms / 1000)) / 60)
  const ahead = Math.abs(offsetMinutes)
  const offset = offsetMinutes === 0 ? 'UTC' : `${offsetMinutes < 0 ? '-' : '+'}${two(Math.floor(ahead / 60))}:${two(ahead % 60)}`
  return `${date} ${two(civil.hour)}:${two(civil.minute)}:${two(civil.second)} ${offset}`
}

import { parsePlatformTime } from '#shared/pure/platform-time.ts'

/** The order of names in a snapshot: by code unit, the same on every machine. */
export function byName(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

/** Zone of the times that the platform gives without one. */
const platformZone = 'Asia/Shanghai'

/** A time as the platform writes it, with a zone or without, the same on every machine; undefined when it is none. */
export function seenTime(text: string | null | undefined): number | undefined {
  const written = text ?? ''
  const civil = parsePlatformTime(written, platformZone)
  if (civil !== undefined) return civil
  const ms = /(?:Z|[+-]\d{2}:?\d{2})$/.test(written) ? Date.parse(written) : Number.NaN
  return Number.isNaN(ms) ? undefined : ms
}

/** An instant as a snapshot writes it. */
export function instantOf(ms: number): string {
  return new Date(ms).toISOString()
}

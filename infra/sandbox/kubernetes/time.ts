/** An instant as the API writes it: RFC 3339, UTC, whole seconds. */
export function timeText(epochMs: number): string {
  return `${new Date(Math.floor(epochMs / 1000) * 1000).toISOString().slice(0, 19)}Z`
}

/** An instant as leases and events write it: with microseconds. */
export function microTimeText(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 23)}000Z`
}

/** Reads RFC 3339 text into epoch milliseconds; undefined when it is none. */
export function epochMsOf(text: string | null | undefined): number | undefined {
  if (text === undefined || text === null) return undefined
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/.test(text)) return undefined
  const value = Date.parse(text)
  return Number.isNaN(value) ? undefined : value
}

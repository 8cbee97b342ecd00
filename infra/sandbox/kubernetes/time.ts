/** An instant as the API writes it: RFC 3339, UTC, whole seconds. */
export function timeText(epochMs: number): string {
  const second = Math.floor(epochMs / 1000)
  if (second !== lastText.second) lastText = { second, text: `${new Date(second * 1000).toISOString().slice(0, 19)}Z` }
  return lastText.text
}

/** The text written last: within one pass of the controllers it is mostly the same. */
let lastText = { second: Number.NaN, text: '' }

/** An instant as leases and events write it: with microseconds. */
export function microTimeText(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 23)}000Z`
}

/** Instants read before: the same few times stand in thousands of objects. */
const instants = new Map<string, number>()

/** Reads RFC 3339 text into epoch milliseconds; undefined when it is none. */
export function epochMsOf(text: string | null | undefined): number | undefined {
  const known = typeof text === 'string' ? instants.get(text) : undefined
  if (known !== undefined) return known
  if (text === undefined || text === null) return undefined
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/.test(text)) return undefined
  const value = Date.parse(text)
  if (Number.isNaN(value)) return undefined
  if (instants.size > 10_000) instants.clear()
  instants.set(text, value)
  return value
}

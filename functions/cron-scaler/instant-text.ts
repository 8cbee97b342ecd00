import { formatInstant } from '#shared/pure/civil.ts'

/** More than this at once, and all are forgotten. */
const mostTexts = 4000

const texts = new Map<string, Map<number, string>>()
let count = 0

/** The same as `formatInstant`; many steps of a plan name the same few instants. */
export function instantText(ms: number, zone: string): string {
  let known = texts.get(zone)
  if (known === undefined) {
    known = new Map()
    texts.set(zone, known)
  }
  const found = known.get(ms)
  if (found !== undefined) return found
  if (count >= mostTexts) {
    texts.clear()
    count = 0
    known = new Map()
    texts.set(zone, known)
  }
  const text = formatInstant(ms, zone)
  known.set(ms, text)
  count += 1
  return text
}

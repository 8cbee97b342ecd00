import { formatInstant } from '#shared/pure/civil.ts'

/** More than this at once, and all are forgotten. */
const mostTexts = 4000

/** What is said of one instant in one zone, over and over: many steps of a plan name the same few instants, and keep one text. */
interface Said {
  readonly instant: string
  readonly fired: string
  /** By the size that comes then. */
  readonly next: Map<string, string>
}

const saidIn = new Map<string, Map<number, Said>>()
let count = 0

/** The same as `formatInstant`. */
export function instantText(ms: number, zone: string): string {
  return saidOf(ms, zone).instant
}

/** What follows the id of a rule: ` fired at Fri 2026-10-02 08:00:00 Asia/Shanghai`. */
export function firedText(ms: number, zone: string): string {
  return saidOf(ms, zone).fired
}

/** What comes before the id of a rule: `; next: replicas 5 at Fri 2026-10-02 08:00:00 Asia/Shanghai by `. */
export function nextText(size: string, ms: number, zone: string): string {
  const { instant, next } = saidOf(ms, zone)
  const known = next.get(size)
  if (known !== undefined) return known
  forgetTooMany()
  const text = ['; next: ', size, ' at ', instant, ' by '].join('')
  next.set(size, text)
  count += 1
  return text
}

function saidOf(ms: number, zone: string): Said {
  const found = saidIn.get(zone)?.get(ms)
  if (found !== undefined) return found
  forgetTooMany()
  let known = saidIn.get(zone)
  if (known === undefined) {
    known = new Map()
    saidIn.set(zone, known)
  }
  const instant = formatInstant(ms, zone)
  const said: Said = { instant, fired: [' fired at ', instant].join(''), next: new Map() }
  known.set(ms, said)
  count += 1
  return said
}

function forgetTooMany(): void {
  if (count < mostTexts) return
  saidIn.clear()
  count = 0
}

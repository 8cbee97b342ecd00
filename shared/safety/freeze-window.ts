import { formatInstant } from '#shared/pure/civil.ts'
import { type CronSchedule, nextFiring, previousFiring } from '#shared/pure/cron.ts'

/**
 * A stretch of time that comes again and again: it begins at each firing of its schedule in its zone, and is over when its
 * length has passed, whatever clocks do meanwhile. While a `deny` window is active nothing is changed; where there are `allow`
 * windows nothing is changed outside all of them.
 */
export interface FreezeWindow {
  readonly name: string
  readonly kind: 'allow' | 'deny'
  readonly schedule: CronSchedule
  readonly durationMs: number
  readonly timeZone: string
  /** Whom it is about; all functions when absent. */
  readonly functions?: readonly string[] | undefined
}

/** Sets a window aside until an instant: an overridden `deny` window forbids nothing, an overridden `allow` window counts as active. */
export interface FreezeOverride {
  /** Name of the window. */
  readonly window: string
  /** Epoch milliseconds; over from this instant on. */
  readonly until: number
  readonly by: string
  readonly reason: string
}

export interface FreezeSettings {
  readonly freeze: readonly FreezeWindow[]
  readonly overrides: readonly FreezeOverride[]
}

export type FreezeVerdict =
  /** With the overrides without which it would not be open: they are to be written down. */
  | { readonly open: true; readonly overrides: readonly FreezeOverride[] }
  | {
      readonly open: false
      /** `deny`: a window forbids it; `allow`: no window allows it now. */
      readonly by: 'deny' | 'allow'
      readonly text: string
    }

/** After so many lengths in a row without an end a window counts as one that does not end. */
const maxLengths = 1_000

/** Whether a firing lies less than the window's length back: `(now - duration, now]`. */
export function isActive(window: FreezeWindow, now: number): boolean {
  return lastFiring(window, now) !== undefined
}

/**
 * When the window's state changes next: the end of its activity, which firings in between prolong, or its next firing.
 * Undefined when it does not change in sight: it fires so often that it never ends, or not again within five years.
 */
export function nextChange(window: FreezeWindow, now: number): number | undefined {
  const { schedule, timeZone, durationMs } = window
  let firing = lastFiring(window, now)
  if (firing === undefined) return nextFiring(schedule, timeZone, now)
  for (let lengths = 0; lengths < maxLengths; lengths += 1) {
    const end = firing + durationMs
    const later = previousFiring(schedule, timeZone, end, firing + 1)
    if (later === undefined) return end
    firing = later
  }
  return undefined
}

/** Whether a function may change anything at `now`, as far as windows go. Deny wins over allow. */
export function judgeFreeze({ freeze, overrides }: FreezeSettings, functionName: string, now: number): FreezeVerdict {
  const windows = freeze.filter(({ functions }) => functions === undefined || functions.includes(functionName))
  const used: FreezeOverride[] = []

  const denying: FreezeWindow[] = []
  for (const window of windows) {
    if (window.kind !== 'deny' || !isActive(window, now)) continue
    const override = overrideOf(overrides, window, now)
    if (override === undefined) denying.push(window)
    else used.push(override)
  }
  if (denying.length > 0) return { open: false, by: 'deny', text: denyText(denying, now) }

  const allowing = windows.filter(({ kind }) => kind === 'allow')
  if (allowing.length === 0 || allowing.some((window) => isActive(window, now))) return { open: true, overrides: used }
  const override = allowing.map((window) => overrideOf(overrides, window, now)).find((found) => found !== undefined)
  if (override === undefined) return { open: false, by: 'allow', text: outsideText(allowing, now) }
  return { open: true, overrides: [...used, override] }
}

function lastFiring({ schedule, timeZone, durationMs }: FreezeWindow, now: number): number | undefined {
  return previousFiring(schedule, timeZone, now, now - durationMs + 1)
}

/** The override in force that lasts longest. */
function overrideOf(overrides: readonly FreezeOverride[], window: FreezeWindow, now: number): FreezeOverride | undefined {
  return overrides
    .filter(({ window: name, until }) => name === window.name && now < until)
    .reduce<FreezeOverride | undefined>((best, one) => (best === undefined || one.until > best.until ? one : best), undefined)
}

/** Speaks of the window that ends last. */
function denyText(windows: readonly FreezeWindow[], now: number): string {
  const ends = windows
    .map((window) => ({ window, end: nextChange(window, now) }))
    .sort((one, other) => (other.end ?? Number.POSITIVE_INFINITY) - (one.end ?? Number.POSITIVE_INFINITY))
  const texts = ends.map(({ window, end }) => {
    const until = end === undefined ? 'with no end in sight' : `until ${formatInstant(end, window.timeZone)}`
    return `freeze window "${window.name}" forbids changes ${until}`
  })
  return texts.join('; ')
}

/** Speaks of the window that opens first. */
function outsideText(windows: readonly FreezeWindow[], now: number): string {
  const [next] = windows
    .map((window) => ({ window, start: nextChange(window, now) }))
    .sort((one, other) => (one.start ?? Number.POSITIVE_INFINITY) - (other.start ?? Number.POSITIVE_INFINITY))
  const names = windows.map(({ name }) => `"${name}"`).join(', ')
  const opens =
    next?.start === undefined
      ? 'none opens within five years'
      : `"${next.window.name}" opens at ${formatInstant(next.start, next.window.timeZone)}`
  return `changes are allowed within ${names} only, and ${opens}`
}

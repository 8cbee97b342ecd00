import { civilOf, dateOfDay, dayNumber, formatInstant, startOfDate } from '#shared/pure/civil.ts'
import { digestOf } from '#shared/pure/digest.ts'
import { formatDuration } from '#shared/pure/duration.ts'
import { type Glob, matchesGlob } from '#shared/pure/glob.ts'

/**
 * How long a cap looks back: over one run, over the current civil day of a zone, or over the time before each change, whenever it
 * comes. Of a rolling window the instant that lies exactly its length back is no longer in it.
 */
export type CapWindow =
  | { readonly kind: 'run' }
  | { readonly kind: 'day'; readonly timeZone: string }
  | { readonly kind: 'rolling'; readonly durationMs: number }

/**
 * How much may be changed within a window. With an amount and a percentage the lesser one holds; 0 means nothing at all.
 * Changing the amount or the percentage keeps what is used; another function, target or window is another cap, which begins anew.
 */
export interface Cap {
  /** Whose changes count. When absent, those of all functions together. */
  readonly function?: string | undefined
  /** Changes of these targets count. When absent, all do. */
  readonly target?: Glob | undefined
  readonly amount?: number | undefined
  /**
   * Of the distinct targets of the function's plan, changed or not, that the cap is about; rounded down, so 10 % of 9 is nothing.
   * Two decimals at most.
   */
  readonly percent?: number | undefined
  readonly window: CapWindow
}

/** Names the cap by what it counts, and only by that. */
export function capId({ function: functionName, target, window }: Cap): string {
  return digestOf([functionName ?? null, target?.pattern ?? null, windowText(window)])
}

/** Whether a change counts under the cap. */
export function isAbout(cap: Cap, functionName: string, target: string): boolean {
  return (cap.function === undefined || cap.function === functionName) && (cap.target === undefined || matchesGlob(cap.target, target))
}

/** How many of these distinct targets the cap is about. */
export function countTargets(cap: Cap, targets: Iterable<string>): number {
  let count = 0
  for (const target of targets) if (cap.target === undefined || matchesGlob(cap.target, target)) count += 1
  return count
}

/** What the cap comes to for so many targets, in whole numbers. */
export function limitOf({ amount, percent }: Cap, targetCount: number): number {
  if (percent === undefined) return amount ?? 0
  // In hundredths of a percent all numbers are whole, and the rounding is exact.
  const share = Math.round(percent * 100) * targetCount
  return Math.min(amount ?? Number.POSITIVE_INFINITY, (share - (share % 10_000)) / 10_000)
}

/** `cap 20 per 1h of image-cleaner on shop/**`, with what a percentage comes to: `cap 10 % of 30 targets (3) per run`. */
export function capText(cap: Cap, targetCount: number): string {
  const { amount, percent, window } = cap
  const share = `${percent} % of ${targetCount} ${targetCount === 1 ? 'target' : 'targets'}`
  let size = `${amount ?? 0}`
  if (percent !== undefined) {
    size =
      amount === undefined
        ? `${share} (${limitOf(cap, targetCount)})`
        : `${limitOf(cap, targetCount)}, the lesser of ${amount} and ${share},`
  }
  const whose = cap.function === undefined ? '' : ` of ${cap.function}`
  const where = cap.target === undefined ? '' : ` on ${cap.target.pattern}`
  return `cap ${size} per ${windowText(window)}${whose}${where}`
}

/** `run`, `day in Asia/Shanghai`, `1h`. */
export function windowText(window: CapWindow): string {
  switch (window.kind) {
    case 'run':
      return 'run'
    case 'day':
      return `day in ${window.timeZone}`
    case 'rolling':
      return formatDuration(window.durationMs)
  }
}

/** An instant in a time zone that fits the window. */
export function instantText(window: CapWindow, ms: number): string {
  return formatInstant(ms, window.kind === 'day' ? window.timeZone : 'UTC')
}

/** Units that were taken under a cap, and the instant they count for: epoch milliseconds, the start of the day, or 0 for a run. */
export interface Taking {
  readonly at: number
  readonly units: number
}

/** What is used of a cap: ascending, one taking per instant. */
export type Usage = readonly Taking[]

const dayMs = 86_400_000
/**
 * How long a taking is remembered after it has left its window. A clock that ran ahead and is set back by no more than this
 * finds everything again that counts at the right time.
 */
const keptMs = dayMs
/** How long a run is remembered after its last change: a run that is taken up again later begins anew. */
const runKeptMs = 30 * dayMs
/** More takings than this are drawn together: 256 of them are about 6 KB. */
const maxTakings = 256
/** Into how many steps a window is divided then: its takings leave up to a 128th of it later than they could. */
const liveSteps = 128
const keptSteps = 64

/** The instant that a change at this instant counts for. */
export function stampOf(window: CapWindow, at: number): number {
  switch (window.kind) {
    case 'run':
      return 0
    case 'day':
      return startOfDate(civilOf(at, window.timeZone), window.timeZone)
    case 'rolling':
      return at
  }
}

/** The first instant that still counts at `now`. Everything from there on does, what lies ahead of the clock as well. */
function countsFrom(window: CapWindow, now: number): number {
  return window.kind === 'rolling' ? now - window.durationMs + 1 : stampOf(window, now)
}

/** Whether what was taken at an instant still counts at `now`. */
export function stillCounts(window: CapWindow, at: number, now: number): boolean {
  return at >= countsFrom(window, now)
}

/** How many units are used at `now`. */
export function usedUnits(usage: Usage, window: CapWindow, now: number): number {
  const from = countsFrom(window, now)
  return usage.reduce((sum, { at, units }) => (at >= from ? sum + units : sum), 0)
}

/**
 * When the oldest taking that counts leaves the window, and when there will be room for so many more units if nothing else is
 * taken. Undefined where that never happens.
 */
export function roomAhead(
  usage: Usage,
  window: CapWindow,
  order: { readonly now: number; readonly units: number; readonly limit: number },
): { readonly oldestLeavesAt: number | undefined; readonly roomAt: number | undefined } {
  const from = countsFrom(window, order.now)
  let left = usedUnits(usage, window, order.now)
  let oldestLeavesAt: number | undefined
  for (const { at, units } of usage) {
    if (at < from) continue
    const leavesAt = leaveTime(window, at)
    oldestLeavesAt ??= leavesAt
    left -= units
    if (left + order.units <= order.limit) return { oldestLeavesAt, roomAt: leavesAt }
  }
  return { oldestLeavesAt, roomAt: undefined }
}

function leaveTime(window: CapWindow, at: number): number | undefined {
  switch (window.kind) {
    case 'run':
      return undefined
    case 'day': {
      const { year, month, day } = civilOf(at, window.timeZone)
      return startOfDate(dateOfDay(dayNumber(year, month, day) + 1), window.timeZone)
    }
    case 'rolling':
      return at + window.durationMs
  }
}

/** With these units on top, what nobody can need any more left out, and drawn together when it is much. */
export function withTaking(usage: Usage, window: CapWindow, taking: Taking, now: number): Usage {
  const all = [...usage, taking].sort((one, other) => one.at - other.at)
  return drawnTogether(merged(withoutForgotten(all, window, now)), window, now)
}

/**
 * Without so many units from an instant on. Takings that were drawn together have moved later, never earlier, so the first
 * ones from there on are these, or others' that may take their place. What is not there any more is passed over.
 */
export function withoutTaking(usage: Usage, { at: from, units: wanted }: Taking): Usage {
  let left = wanted
  const rest: Taking[] = []
  for (const { at, units } of usage) {
    const taken = at >= from ? Math.min(units, left) : 0
    left -= taken
    if (units > taken) rest.push({ at, units: units - taken })
  }
  return rest
}

/** From when on the whole usage may be forgotten. */
export function forgottenAt(usage: Usage, window: CapWindow, now: number): number {
  return forgetTime(window, Math.max(now, usage.at(-1)?.at ?? now)) ?? now + runKeptMs
}

function withoutForgotten(usage: Usage, window: CapWindow, now: number): Usage {
  return usage.filter(({ at }) => (forgetTime(window, at) ?? Number.POSITIVE_INFINITY) > now)
}

/** From when on a taking may be forgotten; undefined for a run, whose takings never leave it. */
function forgetTime(window: CapWindow, at: number): number | undefined {
  switch (window.kind) {
    case 'run':
      return undefined
    case 'day':
      return at + 2 * dayMs + keptMs
    case 'rolling':
      return at + window.durationMs + keptMs
  }
}

function merged(usage: Usage): Usage {
  const result: Taking[] = []
  for (const { at, units } of usage) {
    const last = result.at(-1)
    if (last?.at === at) result[result.length - 1] = { at, units: last.units + units }
    else result.push({ at, units })
  }
  return result
}

/** Moves takings later until few enough instants are left: they count for longer, never for less long. */
function drawnTogether(usage: Usage, window: CapWindow, now: number): Usage {
  if (usage.length <= maxTakings) return usage
  let result = usage
  if (window.kind === 'rolling') {
    const from = countsFrom(window, now)
    const liveMs = Math.ceil(window.durationMs / liveSteps)
    const restMs = Math.ceil(keptMs / keptSteps)
    // What has left the window stays out of it.
    result = merged(
      usage.map(({ at, units }) => ({ at: at >= from ? roundUp(at, liveMs) : Math.min(roundUp(at, restMs), from - 1), units })),
    )
  }
  // Only a clock that jumped about leaves more than this: every second instant goes.
  while (result.length > maxTakings) {
    const later = result
    result = merged(later.map(({ at, units }, index) => ({ at: later[index | 1]?.at ?? at, units })))
  }
  return result
}

function roundUp(ms: number, stepMs: number): number {
  return Math.ceil(ms / stepMs) * stepMs
}

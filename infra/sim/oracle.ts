import type { Scenario, SimExclude, SimOverride, SimRule, SimSize } from './scenario.ts'
import { civilAt, clockChanges, dateText, offsetAt, type WallTime, wallOf } from './sim-time.ts'
import { sizeTextOfSize } from './stage-world.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
/** Objects in a cluster are this old when everything begins, and do not fire for what was before. */
const objectAgeMs = hourMs

/** What a target should be, going by rules and overrides alone. */
export interface Wanted {
  readonly size: string
  /** The firing that decides, or when the override began. */
  readonly nominalMs: number
  /** Undefined while an override is in force. */
  readonly rule?: SimRule
  /** Whether another rule fires at the very same instant. */
  readonly isTied?: boolean
  /** Until when an override is in force. */
  readonly untilMs?: number
}

/** An override that somebody has written on a target. */
export interface WrittenOverride {
  readonly size: SimSize
  readonly fromMs: number
  readonly untilMs: number
}

/** What has happened to a target so far, as far as it counts for what it should be. */
export interface Circumstances {
  readonly written?: WrittenOverride | undefined
  /** The firing for which a rule has run that runs once; undefined when it has not. */
  readonly ranFor?: ((rule: SimRule) => number | undefined) | undefined
}

/**
 * What a target should be at an instant, had every tick come on time and nobody resized it: worked out by trying every minute,
 * without the product's schedules, plans, calendars or zones. Undefined when no rule has fired yet.
 */
export function wantedAt(scenario: Scenario, target: number, now: number, circumstances: Circumstances = {}): Wanted | undefined {
  const override = overrideAt(scenario, target, now, circumstances.written)
  if (override !== undefined) {
    return { size: sizeTextOfSize(override.size), nominalMs: override.fromMs ?? Number.NEGATIVE_INFINITY, untilMs: override.untilMs }
  }
  return firingAt(scenario, target, now, circumstances)
}

/**
 * What a target may be given at an instant where firings are spread: what it should be, and, as long as that may still wait for its
 * turn, what was due before it. Where in a spread a turn comes nobody says here.
 */
export function mayBecomeAt(scenario: Scenario, target: number, now: number, circumstances: Circumstances = {}): readonly Wanted[] {
  const latest = wantedAt(scenario, target, now, circumstances)
  const found: Wanted[] = []
  for (let next = latest; next !== undefined; next = firingAt(scenario, target, next.nominalMs - 1, circumstances, now)) {
    found.push(next)
    if (next.rule === undefined || now - next.nominalMs >= next.rule.spreadMs) break
  }
  return found
}

/** The override in force: the one on the target itself, else the one that began last, the larger one, the first by name. */
function overrideAt(
  scenario: Scenario,
  target: number,
  now: number,
  written: WrittenOverride | undefined,
): Pick<SimOverride, 'size' | 'fromMs' | 'untilMs'> | undefined {
  if (written !== undefined && now < written.untilMs) return written
  let best: SimOverride | undefined
  for (const override of scenario.overrides) {
    const beganMs = override.fromMs ?? Number.NEGATIVE_INFINITY
    if (override.target !== target || beganMs > now || now >= override.untilMs) continue
    const bestMs = best?.fromMs ?? Number.NEGATIVE_INFINITY
    const isLater = best === undefined || beganMs > bestMs
    const isSame = best !== undefined && beganMs === bestMs
    if (isLater || (isSame && best !== undefined && isLarger(override.size, best.size))) best = override
  }
  return best
}

/** The latest firing that counts up to an instant, of any rule of a target; of several at once the larger size. */
function firingAt(scenario: Scenario, target: number, untilMs: number, { ranFor }: Circumstances, now = untilMs): Wanted | undefined {
  let best: { readonly rule: SimRule; readonly nominalMs: number; readonly civilMs: number; readonly isTied: boolean } | undefined
  for (const rule of scenario.rules) {
    if (rule.target !== target) continue
    const beganMs = rule.source === 'hpc' ? scenario.startMs - objectAgeMs : Number.NEGATIVE_INFINITY
    const earliestMs = Math.max(now - scenario.lookBackMs, beganMs)
    const ran = rule.runOnce ? ranFor?.(rule) : undefined
    const nominalMs = ran ?? lastFiring(scenario, rule, untilMs, earliestMs)
    if (nominalMs === undefined || nominalMs > untilMs || nominalMs < now - scenario.lookBackMs) continue
    const civilMs = nominalMs - putOffMs(rule, nominalMs)
    const isTied = nominalMs === best?.nominalMs && civilMs === best.civilMs
    const isLater = best === undefined || nominalMs > best.nominalMs || (nominalMs === best.nominalMs && civilMs > best.civilMs)
    if (isLater) best = { rule, nominalMs, civilMs, isTied: false }
    else if (isTied && best !== undefined) best = { ...best, rule: isLarger(rule.size, best.rule.size) ? rule : best.rule, isTied }
  }
  return best === undefined ? undefined : { ...best, size: sizeTextOfSize(best.rule.size) }
}

function lastFiring(scenario: Scenario, rule: SimRule, now: number, earliestMs: number): number | undefined {
  const afterGap = clockChanges(rule.zone).find(({ atMs, byMs }) => atMs <= now && firesInGap(scenario, rule, atMs, byMs))?.atMs
  const leastMs = Math.max(earliestMs, afterGap ?? Number.NEGATIVE_INFINITY)
  for (let minute = Math.floor(now / minuteMs); minute * minuteMs + minuteMs > leastMs; minute -= 1) {
    // Every zone here is whole hours away from UTC.
    if (!rule.minutes.includes(((minute % 60) + 60) % 60)) continue
    for (const second of rule.seconds.toReversed()) {
      const at = minute * minuteMs + second * 1000
      if (at <= now && at >= leastMs && fires(scenario, rule, at)) return at
    }
  }
  return afterGap !== undefined && afterGap >= earliestMs ? afterGap : undefined
}

function fires(scenario: Scenario, rule: SimRule, at: number): boolean {
  // What the clocks show for the second time has fired already.
  const isRepeated = clockChanges(rule.zone).some(({ atMs, byMs }) => byMs < 0 && at >= atMs && at < atMs - byMs)
  return !isRepeated && fits(rule, civilAt(at, rule.zone)) && isOpen(scenario, rule, at)
}

/** Whether something that the clocks pass over when they are put forward fires at once after it. */
function firesInGap(scenario: Scenario, rule: SimRule, atMs: number, byMs: number): boolean {
  if (byMs <= 0) return false
  const offsetMs = offsetAt(atMs - 1, rule.zone)
  for (let passedMs = 0; passedMs < byMs; passedMs += 1000) {
    if (fits(rule, wallOf(atMs + passedMs, offsetMs))) return isOpen(scenario, rule, atMs)
  }
  return false
}

/** How long after the time that the clocks passed over a rule fires; of several such times it is the latest that counts. */
function putOffMs(rule: SimRule, nominalMs: number): number {
  const change = clockChanges(rule.zone).find(({ atMs, byMs }) => atMs === nominalMs && byMs > 0)
  if (change === undefined || fits(rule, civilAt(nominalMs, rule.zone))) return 0
  const offsetMs = offsetAt(nominalMs - 1, rule.zone)
  for (let backMs = 1000; backMs <= change.byMs; backMs += 1000) {
    if (fits(rule, wallOf(nominalMs + change.byMs - backMs, offsetMs))) return backMs
  }
  return 0
}

function fits({ seconds, minutes, hours }: SimRule, { hour, minute, second }: WallTime): boolean {
  return seconds.includes(second) && minutes.includes(minute) && (hours === undefined || hours.includes(hour))
}

/** Whether a rule may fire on the date of an instant. */
function isOpen(scenario: Scenario, { zone, excludes, validFrom, validUntil }: SimRule, at: number): boolean {
  const date = dateText(civilAt(at, zone))
  if (validFrom !== undefined && date < validFrom) return false
  if (validUntil !== undefined && date > validUntil) return false
  const isWorked = excludes.some((exclude) => exclude.kind === 'calendar' && isIn(calendarOf(scenario, exclude.name).workdays, date))
  return !excludes.some((exclude) => closes(scenario, exclude, date, isWorked))
}

function closes(scenario: Scenario, exclude: SimExclude, date: string, isWorked: boolean): boolean {
  switch (exclude.kind) {
    case 'dates':
      return isIn([exclude], date)
    case 'day':
      return date.slice(4) === dateText({ ...exclude, year: 0 }).slice(1)
    case 'weekday':
      return !isWorked && new Date(date).getUTCDay() === exclude.weekday
    case 'calendar': {
      const { holidays, workdays } = calendarOf(scenario, exclude.name)
      return isIn(holidays, date) && !isIn(workdays, date)
    }
  }
}

function isIn(dates: readonly { readonly first: string; readonly last: string }[], date: string): boolean {
  return dates.some(({ first, last }) => date >= first && date <= last)
}

function calendarOf({ calendars }: Scenario, name: string): Scenario['calendars'][number] {
  const found = calendars.find((calendar) => calendar.name === name)
  if (found === undefined) throw new TypeError(`The scenario has no calendar ${name}.`)
  return found
}

function isLarger(one: SimSize, other: SimSize): boolean {
  const bounds = (size: SimSize): readonly [number, number] => ('replicas' in size ? [size.replicas, size.replicas] : [size.min, size.max])
  const [low, high] = bounds(one)
  const [otherLow, otherHigh] = bounds(other)
  return low > otherLow || (low === otherLow && high > otherHigh)
}

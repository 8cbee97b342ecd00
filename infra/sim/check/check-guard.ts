import type { SimCap } from '../scenario.ts'
import { targetNameOf } from '../stage-world.ts'
import type { CheckName } from './checks.ts'
import type { CallFacts, EffectFacts, Facts, Violation } from './facts.ts'

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
/** What one call may take, and what is left beyond that. */
const neededMs = 12_000

/** Promises 7, 12, 16 and 17: caps, remaining time, kill switch, windows, and targets that are never changed. */
export function checkGuard(facts: Facts): Violation[] {
  return [...caps(facts), ...switches(facts), ...longAfterStop(facts), ...times(facts), ...windows(facts), ...protectedTargets(facts)]
}

/** Counts what was begun, at the instant it was begun, in true time. */
function caps(facts: Facts): Violation[] {
  const { guard, clocksApartMs } = facts.simulated.scenario
  const begun = facts.effects.map((effect) => ({ effect, at: effect.from?.at ?? effect.at })).toSorted((left, right) => left.at - right.at)
  const found: Violation[] = []
  for (const cap of guard.caps) {
    const own = begun.filter(({ effect }) => isAbout(cap, effect))
    for (const [index, { effect, at }] of own.entries()) {
      const limit = limitOf(facts, cap, effect)
      const before = own.slice(0, index + 1).filter((other) => isInWindow(facts, cap, other, { effect, at }, clocksApartMs))
      const count = before.reduce((sum, { effect: other }) => sum + unitsOf(other), 0)
      if (count <= limit) continue
      const name = `${cap.amount ?? `${cap.percent} %`} per ${typeof cap.window === 'number' ? `${cap.window / minuteMs}m` : cap.window}${cap.kind === undefined ? '' : ` of ${cap.kind}`}`
      const which = before.map(({ effect: { effect: one } }) => `@${one.wireId}`).join(', ')
      found.push({
        check: 'cap',
        text: `cap ${name}: ${count} changes where ${limit} are allowed: ${which}`,
        about: [' EFFECT ', 'guard/budgets', ...before.map(({ effect: { effect: one } }) => `@${one.wireId} `)],
      })
    }
  }
  return found
}

/** How much a change counts: of images its tags, of pools the nodes that come or go. */
function unitsOf({ effect: { images, alarm } }: EffectFacts): number {
  if (alarm !== undefined) return alarm.kind === 'grow' ? alarm.wanted : alarm.kind === 'remove' ? 1 : 0
  return images?.removed.length ?? 1
}

function isAbout({ kind }: SimCap, { effect }: EffectFacts): boolean {
  return kind === undefined || effect.target.split('/')[2] === kind
}

function limitOf(facts: Facts, { amount, percent, kind }: SimCap, { effect }: EffectFacts): number {
  const plan = facts.runs.get(effect.owner)?.plan ?? []
  const targets = new Set(plan.map(({ target }) => target).filter((target) => kind === undefined || target.split('/')[2] === kind))
  const share = percent === undefined ? Number.POSITIVE_INFINITY : Math.floor((percent * targets.size) / 100)
  return Math.min(amount ?? Number.POSITIVE_INFINITY, share)
}

interface Begun {
  readonly effect: EffectFacts
  readonly at: number
}

/** Whether an earlier change counts beside a later one. Where clocks are off nobody knows to the second. */
function isInWindow(facts: Facts, { window }: SimCap, earlier: Begun, later: Begun, clocksApartMs: number): boolean {
  if (window === 'run') {
    const runId = ({ effect }: Begun): string | undefined => facts.runs.get(effect.effect.owner)?.runId
    return runId(earlier) === runId(later)
  }
  if (window === 'day') {
    const day = (ms: number): number => Math.floor(ms / dayMs)
    const near = (ms: number): boolean => day(ms - clocksApartMs) !== day(ms + clocksApartMs)
    return earlier === later || (day(earlier.at) === day(later.at) && !near(earlier.at) && !near(later.at))
  }
  return earlier.at > later.at - window + clocksApartMs || earlier.effect === later.effect
}

/** Each write has a reading of the switch of its own right before it, which said run, and nothing had been set before that reading. */
function switches(facts: Facts): Violation[] {
  const { killSwitch } = facts.simulated.scenario.guard
  const set = facts.of('switch-set')
  const stateAt = (place: number): string => {
    const said = set.findLast(([at]) => at < place)?.[1].to ?? 'run'
    return said === 'gone' && killSwitch === 'store' ? 'stop' : said
  }
  const found: Violation[] = []
  const used = new Map<number, number>()
  const reads = Map.groupBy(facts.of('switch-read'), ([, { at, doer }]) => `${at} ${doer.owner}`)
  for (const { call, place, at } of facts.calls) {
    const problem = (check: CheckName, text: string): void => {
      found.push({
        check,
        text: `write #${call.id} of ${call.owner} ${text}`,
        about: ['SWITCH', ' switch ', `#${call.id} `, call.owner],
      })
    }
    const own = (reads.get(`${at} ${call.owner}`) ?? []).filter(([readPlace]) => readPlace < place)
    const free = own.find(([readPlace]) => !used.has(readPlace))
    if (free === undefined) {
      problem('switch-unread', 'went out without a look at the kill switch right before it')
      continue
    }
    const [readPlace, read] = free
    used.set(readPlace, call.id)
    if (read.says !== 'run') problem('switch-ignored', `went out though the switch had said ${read.says}`)
    // What was set before it was read must have been seen.
    const readFrom = firstAt(facts, read.saidAt)
    const before = stateAt(readFrom)
    if (before !== 'run' && !set.some(([, { at: setAt }]) => setAt === read.saidAt))
      problem('switch-stale', `went out though the switch said ${before} since before it was read`)
  }
  return found
}

/** The place of the first thing that happened at an instant or later. Histories are in the order of time. */
function firstAt({ all }: Facts, ms: number): number {
  let [from, until] = [0, all.length]
  while (from < until) {
    const middle = (from + until) >> 1
    if ((all[middle]?.at ?? ms) < ms) from = middle + 1
    else until = middle
  }
  return from
}

/** Nothing leaves a process for a write when the switch has said stop for longer than one call may take: also not what is sent again. */
function longAfterStop(facts: Facts): Violation[] {
  const set = facts.of('switch-set')
  return facts.calls.flatMap(({ call, sends }) =>
    sends.flatMap(({ wireId, place, at }) => {
      const last = set.findLast(([setPlace]) => setPlace < place)?.[1]
      if (last === undefined || last.to === 'run' || at - last.at <= neededMs) return []
      const text = `write #${call.id} of ${call.owner} was sent as @${wireId} ${at - last.at} ms after the switch was set to ${last.to}`
      return [{ check: 'sent-after-stop', text, about: ['SWITCH', ' switch ', `#${call.id} `, `@${wireId} `, call.owner] }]
    }),
  )
}

function times(facts: Facts): Violation[] {
  return facts.calls.flatMap(({ call }) => {
    if (call.remainingMs >= neededMs) return []
    const text = `write #${call.id} of ${call.owner} began with ${call.remainingMs} ms left; ${neededMs} are needed`
    return [{ check: 'time-short', text, about: [`#${call.id} `, call.owner] }]
  })
}

function windows(facts: Facts): Violation[] {
  const { freeze, overrides } = facts.simulated.scenario.guard
  return facts.calls.flatMap((facts) => {
    const now = facts.call.processNow
    const isActive = ({ minuteOfDay, minutes }: (typeof freeze)[number]): boolean =>
      (((now - minuteOfDay * minuteMs) % dayMs) + dayMs) % dayMs < minutes * minuteMs
    const isSetAside = ({ name }: (typeof freeze)[number]): boolean =>
      overrides.some(({ window, untilMs }) => window === name && now < untilMs)
    const denying = freeze.find((window) => window.kind === 'deny' && isActive(window) && !isSetAside(window))
    const allowing = freeze.filter(({ kind }) => kind === 'allow')
    const isOutside = allowing.length > 0 && !allowing.some((window) => isActive(window) || isSetAside(window))
    if (denying === undefined && !isOutside) return []
    const why = denying === undefined ? 'outside of all windows that allow it' : `in the window ${denying.name}, which forbids it`
    return [windowViolation(facts, why)]
  })
}

function windowViolation({ call }: CallFacts, why: string): Violation {
  const when = new Date(call.processNow).toISOString()
  return {
    check: 'window',
    text: `write #${call.id} of ${call.owner} began at ${when} by its own clock, ${why}`,
    about: [`#${call.id} `, call.owner],
  }
}

function protectedTargets(facts: Facts): Violation[] {
  const { guard, targets, images } = facts.simulated.scenario
  const names = new Set(images?.guarded ?? guard.protect.flatMap((index) => targets.slice(index, index + 1).map(targetNameOf)))
  return facts.effects.flatMap(({ effect }) =>
    names.has(effect.target)
      ? [{ check: 'protected', text: `${effect.target} is protected and was changed by ${effect.owner}`, about: [effect.target] }]
      : [],
  )
}

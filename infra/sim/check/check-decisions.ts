import { type PlannedStep, short } from '../history.ts'
import { mayBecomeAt, type Wanted } from '../oracle.ts'
import type { SimRule } from '../scenario.ts'
import { targetNameOf } from '../stage-world.ts'
import { type EffectFacts, type Facts, isBy, type RunFacts, type Violation } from './facts.ts'

const hourMs = 3_600_000

/**
 * Promise 14 for every single change of the cron-scaler: that it is what rules and overrides say, worked out without the
 * product's code, and not only at the end; once where a rule runs once, in turn where firings are spread, and not for ever where
 * somebody fights for another size.
 */
export function checkDecisions(facts: Facts): Violation[] {
  if (facts.simulated.scenario.function !== 'cron-scaler') return []
  return [...unwanted(facts), ...strays(facts), ...onceAgain(facts), ...turns(facts), ...corrections(facts)]
}

function unwanted(facts: Facts): Violation[] {
  const { scenario } = facts.simulated
  return facts.effects.flatMap((one) => {
    const { effect, place } = one
    const run = facts.runs.get(effect.owner)
    const index = scenario.targets.findIndex((target) => targetNameOf(target) === effect.target)
    if (run === undefined || index < 0 || Number.isNaN(run.planNow)) return []
    const wanted = possible(facts, index, run, place).flatMap((each): readonly (Wanted | undefined)[] =>
      each.length === 0 ? [undefined] : each,
    )
    if (effect.by.startsWith('undo of override/')) {
      const original = sizeBeforeOverride(facts, one)
      if (wanted.some((size) => size === undefined) && (original === undefined || original.effect.before === effect.after)) return []
    }
    if (wanted.some((size) => size?.size === effect.after)) return []
    const said = wanted.map((size) => (size === undefined ? 'nothing' : size.size)).join(' or ')
    const when = new Date(run.planNow).toISOString()
    const text = `effect @${effect.wireId} [${short(effect.key)}] set ${effect.target} to ${effect.after} for ${effect.by}; at ${when} it should be ${said}`
    return [{ check: 'effect-unwanted', text, about: [effect.target] }]
  })
}

/** Whoever else looks after the rest of a target does not find it changed. */
function strays(facts: Facts): Violation[] {
  return facts.effects.flatMap(({ effect }) => {
    const { strays: paths = [] } = effect
    if (paths.length === 0) return []
    const text = `effect @${effect.wireId} [${short(effect.key)}] on ${effect.target} also changed ${paths.join(', ')}`
    return [{ check: 'scale-stray', text, about: [effect.target, short(effect.key)] }]
  })
}

/**
 * What a target may be given at the instant of a run's plan: for everything that stood on it at any time from when the run began to
 * a place in the history.
 */
function possible(facts: Facts, index: number, run: RunFacts, untilPlace: number): readonly (readonly Wanted[])[] {
  const { scenario } = facts.simulated
  const target = scenario.targets[index]
  if (target === undefined) return []
  const name = targetNameOf(target)
  const places = facts
    .of('person')
    .flatMap(([place, deed]) => (deed.target === name && place > run.place && place < untilPlace ? [place + 1] : []))
  return [run.place, ...places].map((place) =>
    mayBecomeAt(scenario, index, run.planNow, {
      written: facts.writtenAt(name, place),
      ranFor: (rule) => facts.ranFor(name, rule, run.planPlace),
    }),
  )
}

/** The first of the overrides that have followed each other on a target up to now. */
function sizeBeforeOverride(facts: Facts, { effect, place }: EffectFacts): EffectFacts | undefined {
  let first: EffectFacts | undefined
  for (const one of facts.effects) {
    if (one.place >= place) break
    if (one.effect.target !== effect.target || one.effect.uid !== effect.uid) continue
    if (!one.effect.by.startsWith('override/')) first = undefined
    else first ??= one
  }
  return first
}

function onceAgain(facts: Facts): Violation[] {
  const { scenario } = facts.simulated
  return scenario.rules.flatMap((rule) => {
    const target = scenario.targets[rule.target]
    if (!rule.runOnce || target === undefined) return []
    const name = targetNameOf(target)
    // Who takes the record away arms the rule again.
    if (facts.hasDeed(name, 'forget')) return []
    const own = facts.effects.filter(({ effect }) => effect.target === name && isBy(effect, rule))
    return [...Map.groupBy(own, ({ effect }) => effect.uid)].flatMap(([, effects]) => {
      const firings = new Set(effects.map(({ effect }) => effect.nominalMs))
      if (firings.size < 2) return []
      const text = `${rule.name} of ${name} runs once, and ran for ${[...firings].map((ms) => new Date(ms).toISOString()).join(', ')}`
      return [{ check: 'once-again', text, about: [name] }]
    })
  })
}

/** The turn of a target comes later after a firing than the one, and no later than the other, as far as runs show it. */
interface Turn {
  afterMs: number
  byMs: number
}

/** Where a target's turn is within a spread nobody says here; but it is somewhere in it, and the same in every window. */
function turns(facts: Facts): Violation[] {
  const { scenario } = facts.simulated
  const found: Violation[] = []
  for (const [index, target] of scenario.targets.entries()) {
    const name = targetNameOf(target)
    const known = new Map<number, Turn>()
    const learn = (rule: SimRule, turn: Partial<Turn>): void => {
      const { afterMs = -1, byMs = Number.POSITIVE_INFINITY } = turn
      const { spreadMs } = rule
      const before = known.get(spreadMs) ?? { afterMs: -1, byMs: Math.max(0, spreadMs - 1) }
      const now = { afterMs: Math.max(before.afterMs, afterMs), byMs: Math.min(before.byMs, byMs) }
      known.set(spreadMs, now)
      if (now.afterMs < now.byMs || before.afterMs >= before.byMs) return
      const text = `${name} waits for its turn ${now.afterMs} ms after a firing, though it comes by ${now.byMs} ms of a spread of ${spreadMs} ms`
      found.push({ check: 'turn', text, about: [name] })
    }
    for (const run of facts.runs.values()) {
      for (const step of run.plan) {
        const isWaiting = step.code === 'wave'
        if (step.target !== name || (!isWaiting && (step.verdict !== 'change' || !turnCodes.has(step.code)))) continue
        const [wanted = [], ...others] = possible(facts, index, run, run.planPlace)
        const firing = onlyOne(wanted, step)
        if (firing?.rule === undefined || others.length > 0) continue
        const passedMs = run.planNow - firing.nominalMs
        learn(firing.rule, isWaiting ? { afterMs: passedMs } : { byMs: passedMs })
      }
    }
  }
  return found
}

/** The firing that a step is about; undefined when that is not certain. */
function onlyOne(wanted: readonly Wanted[], step: PlannedStep): Wanted | undefined {
  const [firing, ...others] = wanted.filter(({ size }) => size === step.after)
  if (firing === undefined || firing.isTied === true || others.length > 0) return undefined
  return firing
}

/** What a change is called that came for its firing. */
const turnCodes: ReadonlySet<string> = new Set(['due', 'late', 'record'])

function corrections(facts: Facts): Violation[] {
  const { maxCorrections } = facts.simulated.scenario
  const drifts = facts.effects.filter(({ effect }) => facts.stepOf(effect.owner, effect.key)?.code === 'drift')
  const byFiring = Map.groupBy(drifts, ({ effect }) => `${effect.target} ${effect.uid} ${effect.by} ${effect.nominalMs}`)
  return [...byFiring].flatMap(([, effects]) => {
    const name = effects[0]?.effect.target ?? ''
    if (facts.hasDeed(name, 'forget')) return []
    const most = Math.max(
      ...effects.map(
        ({ at }) => effects.filter((other) => other.at > at - hourMs + facts.simulated.scenario.clocksApartMs && other.at <= at).length,
      ),
    )
    if (most <= maxCorrections) return []
    const text = `${name} was put back ${most} times within an hour for one firing; ${maxCorrections} is the most`
    return [{ check: 'corrected-too-often', text, about: [name] }]
  })
}

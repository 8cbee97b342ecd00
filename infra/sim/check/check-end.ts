import type { Decision } from '#shared/pure/step.ts'
import { type PersonDeed, short } from '../history.ts'
import { type Wanted, wantedAt } from '../oracle.ts'
import type { SimTarget } from '../scenario.ts'
import { objectOfTarget, probePeriodMs, sizeTextOf, targetNameOf } from '../stage-world.ts'
import { checkImageEnd } from './check-image-end.ts'
import { type Facts, isFollowUp, ownerOf, type Violation } from './facts.ts'

/**
 * Promise 14, and that nothing stays stuck: when it has been quiet for a while everything is as if every tick had come on time,
 * nothing is open in the ledger any more, and no run ever threw.
 */
export function checkEnd(facts: Facts): Violation[] {
  return [...thrown(facts), ...(facts.simulated.scenario.mode === 'enforce' ? [...open(facts), ...differing(facts)] : unchanged(facts))]
}

function thrown(facts: Facts): Violation[] {
  return facts
    .of('run-threw')
    .map(([, { doer, text }]) => ({ check: 'run-threw', text: `${doer.owner} threw: ${text}`, about: [doer.owner] }))
}

/**
 * Entries that are open although somebody could have found out. Where the target is gone, where somebody forgot what was on record
 * or a later change took its place, nobody can. What the journal has closed is known: its entry in the ledger waits until a plan
 * names the key again.
 */
function open(facts: Facts): Violation[] {
  return [...facts.ledger].flatMap(([key, writes]) => {
    const last = writes.at(-1)
    if (last === undefined || last.state === 'SUCCEEDED' || last.state === 'FAILED_SAFE') return []
    const own = facts.journal.filter(({ stepKey, attempt }) => stepKey === key && attempt === last.attempt)
    const target = own.find(({ kind }) => kind === 'intent')?.target
    if (target === undefined || own.some(({ state }) => state === 'SUCCEEDED' || state === 'FAILED_SAFE')) return []
    if (isLost(facts, target) || isReplaced(facts, key, target)) return []
    return [{ check: 'left-open', text: `[${short(key)}] on ${target} is still ${last.state} at the end`, about: [short(key), key] }]
  })
}

/** Whether a target was changed by somebody else since a step was planned, so that it cannot show the step any more. */
export function isReplaced(facts: Facts, key: string, target: string): boolean {
  const intent = facts.journal.find(({ stepKey, kind }) => stepKey === key && kind === 'intent')
  const began = Math.min(intent?.place ?? 0, facts.runs.get(ownerOf(intent?.owner ?? ''))?.planPlace ?? Number.POSITIVE_INFINITY)
  return facts.effects.some(({ effect, place }) => effect.target === target && effect.key !== key && place > began)
}

/** Whether reading a target may not tell what became of a write. */
export function isLost(facts: Facts, target: string): boolean {
  if (isForgotten(facts, target)) return true
  // Of tags that people have removed or pushed anew nobody can tell who did it.
  if (facts.of('image-deed').some(([, { repository }]) => repository === target)) return true
  return facts.hasDeed(target, 'delete', 'recreate', 'forget')
}

function differing(facts: Facts): Violation[] {
  const { scenario, platform, lastTickMs } = facts.simulated
  const last = facts.of('run-ended').at(-1)?.[1]
  if (last === undefined || last.at < lastTickMs) {
    return [{ check: 'run-stuck', text: 'the last run has not ended', about: [last?.doer.owner ?? ' begins '] }]
  }
  if (last.failure !== undefined) return [{ check: 'run-failed', text: `the last run failed: ${last.failure}`, about: [last.doer.owner] }]
  const now = facts.of('planned').findLast(([, { doer }]) => doer.owner === last.doer.owner)?.[1].now ?? lastTickMs
  if (scenario.function === 'image-cleaner') return checkImageEnd(facts)
  if (scenario.function === 'relative-probe') return missing(facts, now, last.decisions)
  return scenario.targets.flatMap((target, index) => {
    const name = targetNameOf(target)
    const decisions = last.decisions.filter((decision) => decision.target === name)
    const written = facts.writtenAt(name, facts.all.length)
    const wanted = wantedAt(scenario, index, now, { written, ranFor: (rule) => facts.ranFor(name, rule, facts.all.length) })
    const found = sizeTextOf(objectOfTarget(platform.core.world, target))
    if (wanted === undefined || found === wanted.size) return []
    if (decisions.some((decision) => isRightlyHeld(facts, decision, now, wanted.nominalMs, isFollowUp(last.doer.owner)))) return []
    if (isToldMissed(facts, target, last.decisions, wanted.nominalMs)) return []
    if (wasInterfered(facts, index, wanted)) return []
    const why = decisions.map(({ outcome, reason }) => `${outcome} (${reason.code})`).join(', ')
    const text = `${name} is ${found || 'not there'} at the end; ${wanted.size} was due since ${new Date(wanted.nominalMs).toISOString()}. The last run says ${why || 'nothing'}`
    return [{ check: 'end-differs', text, about: [name, 'plans'] }]
  })
}

/** Whether a change was held for a reason that lasts. */
function isRightlyHeld(facts: Facts, { outcome, reason, target }: Decision, now: number, nominalMs: number, isLate = false): boolean {
  const { scenario } = facts.simulated
  if (outcome === 'Missed') return now - nominalMs > scenario.startingDeadlineMs
  if (outcome !== 'Held' && reason.code !== 'wave') return false
  switch (reason.code) {
    case 'guard.cap':
      return scenario.guard.caps.length > 0
    case 'guard.freeze-window':
    case 'guard.outside-windows':
      return scenario.guard.freeze.length > 0
    case 'wave':
      return now - nominalMs < 10 * 60_000
    case 'fought-over':
      return facts.deeds.filter((deed) => deed.target === target && deed.what === 'scale').length >= scenario.maxCorrections
    case 'guard.no-time-left':
      // The next trigger would do it, and after the last one there is none.
      return isLate
    case 'guard.protected':
      return scenario.guard.protect.length > 0
    default:
      return false
  }
}

/**
 * Whether nothing is due in a target's cluster by the last run, so that nobody looked, and whoever looked last told that the firing was
 * missed: that is told by those who look.
 */
function isToldMissed(facts: Facts, target: SimTarget, decisions: readonly Decision[], nominalMs: number): boolean {
  const isQuiet = (made: readonly Decision[]): boolean =>
    made.some(({ target: of, reason }) => of === target.cluster && reason.code === 'nothing-due')
  if (!isQuiet(decisions)) return false
  const look = facts.of('run-ended').findLast(([, { failure, decisions: made }]) => failure === undefined && !isQuiet(made))?.[1]
  const lookedMs = facts.runs.get(look?.doer.owner ?? '')?.planNow ?? Number.NaN
  const told = look?.decisions.filter(({ target: of, outcome }) => of === targetNameOf(target) && outcome === 'Missed') ?? []
  return told.some((decision) => isRightlyHeld(facts, decision, lookedMs, nominalMs))
}

/** Whether people did something that keeps a target from being what rules and overrides say. */
function wasInterfered(facts: Facts, index: number, { nominalMs, rule }: Wanted): boolean {
  const { scenario } = facts.simulated
  const target = scenario.targets[index]
  if (target === undefined) return false
  const name = targetNameOf(target)
  // A clock that is fast applies a firing before its time, and what a person does then comes after it.
  const sinceMs = nominalMs - scenario.clocksApartMs
  const after = facts.deeds.filter((deed) => deed.target === name && deed.at >= sinceMs)
  const enforces = rule === undefined ? scenario.rules.some((one) => one.target === index && one.enforce) : rule.enforce
  const overrides: readonly PersonDeed[] = ['override', 'override-off']
  if (after.some(({ what }) => !overrides.includes(what) && (what !== 'scale' || !enforces))) return true
  return facts.hasDeed(name, 'opt-out', 'hold', 'doom', 'delete', 'recreate', 'forget')
}

/** Without `enforce` only people change anything. */
function unchanged(facts: Facts): Violation[] {
  const { scenario, platform } = facts.simulated
  return scenario.targets.flatMap((target) => {
    const name = targetNameOf(target)
    const found = sizeTextOf(objectOfTarget(platform.core.world, target))
    const began = 'replicas' in target.size ? `replicas ${target.size.replicas}` : `min ${target.size.min}, max ${target.size.max}`
    if (target.kind === 'Ledger' || found === began || facts.deeds.some((deed) => deed.target === name)) return []
    return [
      { check: 'changed-without-enforce', text: `${name} is ${found} at the end of a run without enforce; it was ${began}`, about: [name] },
    ]
  })
}

/** What the probe should have added by now. */
function missing(facts: Facts, now: number, decisions: readonly Decision[]): Violation[] {
  const nominalMs = Math.floor(now / probePeriodMs) * probePeriodMs
  return facts.simulated.scenario.targets.flatMap((target) => {
    const name = targetNameOf(target)
    const own = decisions.filter((decision) => decision.target === name)
    if (facts.effects.some(({ effect }) => effect.target === name && effect.nominalMs === nominalMs)) return []
    if (own.some((decision) => isRightlyHeld(facts, decision, now, nominalMs))) return []
    const why = own.map(({ outcome, reason }) => `${outcome} (${reason.code})`).join(', ')
    return [
      {
        check: 'end-differs',
        text: `${name} has nothing for ${new Date(nominalMs).toISOString()}. The last run says ${why}`,
        about: [name, 'plans'],
      },
    ]
  })
}

/** Whether somebody took away the record of the pool that a target of the alarm-scaler belongs to: it alone tells what was done. */
export function isForgotten(facts: Facts, target: string): boolean {
  const [, pool] = target.split('/')
  return facts.of('alarm-deed').some(([, deed]) => deed.pool === pool && deed.deed === 'forget-record')
}

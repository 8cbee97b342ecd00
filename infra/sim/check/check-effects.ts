import type { Decision } from '#shared/pure/step.ts'
import { short } from '../history.ts'
import { isForgotten, isLost } from './check-end.ts'
import type { CheckName } from './checks.ts'
import { type CallFacts, type EffectFacts, type Facts, graceMs, type Violation } from './facts.ts'

/**
 * Promises 1 to 4 and 14, as far as single effects go: nothing without `enforce`, nothing that was not planned, nothing twice,
 * nothing repeated blindly, one change for one instant.
 */
export function checkEffects(facts: Facts): Violation[] {
  return [
    ...withoutLeave(facts),
    ...notPlanned(facts),
    ...twice(facts),
    ...blindRepeats(facts),
    ...instants(facts),
    ...untrueReports(facts),
  ]
}

/** Reports that say `Applied` of what did not happen, or anything else of what certainly did. */
function untrueReports(facts: Facts): Violation[] {
  const found: Violation[] = []
  const { scenario } = facts.simulated
  const byKey = Map.groupBy(facts.effects, ({ effect }) => effect.key)
  for (const [, { doer, decisions }] of facts.of('run-ended')) {
    for (const { key, outcome, reason, target } of decisions) {
      // Of tags that people remove and push at the same time nobody can tell who did what.
      if (scenario.images !== undefined && isLost(facts, target)) continue
      const own = byKey.get(key)?.find(({ effect, from }) => effect.owner === doer.owner && from?.isAmbiguous === false)
      // A registry does not say what it has removed: what could not be read afterwards is in doubt, and said to be.
      const isInDoubt = scenario.images !== undefined && outcome === 'Held' && reason.code === 'unknown-outcome'
      // Nor does a group say by whom its bounds were set: until its machines come, a step that was stopped after that can only say so.
      const isUnseen = own?.effect.alarm?.mechanism === 'scaling-group' && outcome === 'Held' && reason.code === 'unknown-outcome'
      // Bounds are done when that is on record, too: a step that was stopped before that says so, and is done again.
      const isStopped = own?.effect.alarm?.kind === 'bounds' && outcome === 'Held' && reason.code.startsWith('guard.')
      const isSaid =
        outcome === 'Applied' ||
        outcome === 'NoChange' ||
        isInDoubt ||
        isUnseen ||
        isStopped ||
        isUnfinished(facts, doer.owner, { key, reason })
      // Of a key that comes twice the second one is skipped.
      if (own !== undefined && !isSaid && reason.code !== 'duplicate-step' && decisions.filter((other) => other.key === key).length === 1) {
        const text = `${doer.owner} has changed ${target} [${short(key)}], was told so, and reports ${outcome} (${reason.code})`
        found.push({ check: 'report-denies', text, about: [short(key), key] })
      }
      if (outcome === 'Applied' && !byKey.has(key) && !facts.besides.has(key)) {
        found.push({
          check: 'report-made-up',
          text: `${doer.owner} reports that ${target} [${short(key)}] was changed; it was not`,
          about: [short(key), key],
        })
      }
    }
  }
  return found
}

/** Whether a step takes several writes, of which one came to nothing, and it says so. */
function isUnfinished(facts: Facts, owner: string, { key, reason }: Pick<Decision, 'key' | 'reason'>): boolean {
  if (facts.simulated.scenario.alarm === undefined) return false
  if (reason.text.includes('could not be written down')) return true
  return facts.calls.some(
    ({ call, ended, isAmbiguous }) => call.owner === owner && call.key === key && (isAmbiguous || ended?.outcome !== 'ok'),
  )
}

function withoutLeave(facts: Facts): Violation[] {
  const { scenario, platform } = facts.simulated
  if (scenario.mode === 'enforce') return []
  const calls = platform.core.journal.records.filter(({ effect }) => effect === 'write')
  const writes = facts.of('stored').filter(([, { partition }]) => /^(?:ledger|journal)\//.test(partition))
  if (calls.length === 0 && facts.calls.length === 0 && writes.length === 0) return []
  const text = `in mode ${scenario.mode} there were ${calls.length} writing calls, and ${writes.length} writings to ledger and journal`
  return [{ check: 'write-without-enforce', text, about: [' writes #', ' EFFECT '] }]
}

function notPlanned(facts: Facts): Violation[] {
  const found: Violation[] = []
  for (const one of facts.effects) {
    const { effect, from } = one
    const problem = (check: CheckName, text: string): void => {
      found.push({
        check,
        text: `effect @${effect.wireId} on ${effect.target} (${nameOf(one)}) ${text}`,
        about: [effect.target, effect.owner],
      })
    }
    const step = facts.stepOf(effect.owner, effect.key)
    const run = facts.runs.get(effect.owner)
    if (step === undefined || run === undefined) problem('effect-unplanned', 'is in no plan of its run')
    else if (step.target !== effect.target || step.after !== effect.after)
      problem('effect-differs', `brought about ${effect.after}, but the plan said ${step.target} ${step.after}`)
    if (run?.approved?.includes(`${effect.key} ${effect.target} ${effect.after}`) === false)
      problem('effect-unapproved', 'is not in the plan that was approved')
    if (effect.wasOptedOut) problem('effect-opted-out', 'changed a target that somebody had opted out')
    if (effect.wasDeleting) problem('effect-deleting', 'changed a target that was being deleted')
    if (from === undefined) problem('effect-uncalled', 'came from no call that the kernel let through and that was still open')
    else if (facts.simulated.scenario.function === 'cron-scaler' && run !== undefined && !wasReadAgain(facts, from, run.planPlace))
      problem('written-unread', 'was written without reading the target again')
  }
  return found
}

/** Whether the run has read the object between its plan and the write. */
function wasReadAgain(facts: Facts, { call, place }: CallFacts, planPlace: number): boolean {
  for (let index = place - 1; index > planPlace; index -= 1) {
    const happening = facts.all[index]
    if (happening?.kind === 'read' && happening.doer.owner === call.owner && happening.path === call.path) return true
  }
  return false
}

function twice(facts: Facts): Violation[] {
  const byKey = Map.groupBy(facts.effects, ({ effect }) => effect.key)
  return [...byKey].flatMap(([key, effects]) => {
    // Who takes the record off a target wants to start afresh, and takes away what tells of a write whose answer was lost.
    if (isForgotten(facts, effects[0]?.effect.target ?? '')) return []
    // Bounds that are set twice to the same have been set to something else meanwhile, by somebody else.
    if (effects.every(({ effect }) => effect.alarm?.kind === 'bounds')) return []
    const apart = effects.filter((one, index) => index === 0 || !wasForgotten(facts, one.effect.target, effects[index - 1], one))
    if (apart.length < 2) return []
    const who = effects.map(({ effect }) => `${effect.owner} @${effect.wireId}`).join(', ')
    return [{ check: 'effect-twice', text: `the key [${short(key)}] had ${effects.length} effects: ${who}`, about: [short(key), key] }]
  })
}

/** Whether somebody took the record off a target between two effects on it. */
function wasForgotten(facts: Facts, target: string, before: EffectFacts | undefined, after: EffectFacts): boolean {
  return facts
    .of('person')
    .some(([place, deed]) => deed.target === target && deed.what === 'forget' && place > (before?.place ?? 0) && place < after.place)
}

function blindRepeats(facts: Facts): Violation[] {
  const found: Violation[] = []
  for (const { call, sends } of facts.calls) {
    const first = sends.findIndex(({ outcome }) => outcome === 'ambiguous' || outcome === undefined)
    const again = first < 0 ? undefined : sends[first + 1]
    if (again !== undefined) {
      const text = `write #${call.id} [${short(call.key)}] was sent again as @${again.wireId}, though nobody knew what had become of @${sends[first]?.wireId}`
      found.push({ check: 'sent-again', text, about: [short(call.key), `#${call.id} `, call.path] })
    }
  }
  // Where clocks are further apart than a claim lasts, a claim may be taken for given up while its owner is at it.
  const byKey =
    facts.simulated.scenario.clocksApartMs < graceMs
      ? Map.groupBy(facts.calls, ({ call }) => nameOfWrite(facts, call))
      : new Map<string, CallFacts[]>()
  for (const calls of byKey.values()) {
    for (const [index, next] of calls.entries()) {
      const before = calls.slice(0, index).findLast(({ isAmbiguous }) => isAmbiguous)
      const problem = before === undefined ? undefined : whyBlind(facts, before, next)
      if (before === undefined || problem === undefined) continue
      const text = `write #${next.call.id} [${short(next.call.key)}] repeats #${before.call.id}, of which nobody knew what had become: ${problem.text}`
      found.push({ check: problem.check, text, about: [short(next.call.key), next.call.key, next.call.path] })
    }
  }
  return found
}

/** What a write is for. A step of the alarm-scaler makes several: each is a repetition of its own only. */
function nameOfWrite({ simulated }: Facts, { key, method, path }: CallFacts['call']): string {
  return simulated.scenario.alarm === undefined ? key : `${key} ${method} ${path}`
}

/** Why a write that follows one in doubt is blind; undefined when it is not. */
function whyBlind(
  facts: Facts,
  before: CallFacts,
  next: CallFacts,
): { readonly check: 'repeated-unsettled' | 'repeated-unread'; readonly text: string } | undefined {
  const attempt = (place: number): number => facts.ledgerAt(next.call.key, place)?.attempt ?? 0
  if (attempt(next.place) <= attempt(before.place)) return { check: 'repeated-unsettled', text: 'the ledger has not settled it' }
  const verdicts = facts.ledger.get(next.call.key)?.filter(({ place }) => place > before.place && place < next.place) ?? []
  if (!verdicts.some(({ state }) => state === 'FAILED_SAFE'))
    return { check: 'repeated-unsettled', text: 'nobody has found out that it did not happen' }
  // Whoever settled it has read the target: by itself, or in a list.
  const collection = next.call.path.slice(0, next.call.path.lastIndexOf('/'))
  // A step of images writes in two repositories, of which one is its target.
  const target = facts.journal.find(({ stepKey, kind }) => stepKey === next.call.key && kind === 'intent')?.target
  // What is made is read under the name that it was to have.
  const made = next.call.method === 'POST' ? `${next.call.path}/` : undefined
  const from = before.ended?.place ?? before.place
  const hasRead = facts.all
    .slice(from, next.place)
    .some(
      (happening) =>
        happening.kind === 'read' &&
        (happening.path === next.call.path ||
          (facts.simulated.scenario.alarm !== undefined && happening.path.includes('/configmaps')) ||
          happening.path === collection ||
          happening.path === target ||
          (made !== undefined && happening.path.startsWith(made))),
    )
  return hasRead ? undefined : { check: 'repeated-unread', text: 'nobody has read the target meanwhile' }
}

function instants(facts: Facts): Violation[] {
  const { clocksApartMs } = facts.simulated.scenario
  const found: Violation[] = []
  const byTarget = Map.groupBy(facts.effects, ({ effect }) => (effect.uid === '' ? effect.key : `${effect.target} ${effect.uid}`))
  for (const [target, effects] of facts.simulated.scenario.function === 'cron-scaler' ? byTarget : []) {
    const name = effects[0]?.effect.target ?? ''
    const stretches = stretchesOf(facts, effects)
    for (const stretch of stretches) {
      for (const [nominalMs, same] of Map.groupBy(stretch, ({ effect }) => effect.nominalMs)) {
        if (same.length < 2) continue
        const text = `${target} was changed ${same.length} times for ${new Date(nominalMs).toISOString()}`
        found.push({ check: 'instant-twice', text, about: [name] })
      }
    }
    // Where somebody took the record away, a clock that is slow knows no better.
    if (clocksApartMs > 0 && facts.hasDeed(name, 'forget')) continue
    const byRules = stretches.flat()
    for (const [index, { effect }] of byRules.entries()) {
      const before = byRules[index - 1]?.effect
      if (before === undefined || before.nominalMs <= effect.nominalMs) continue
      const text = `${target} was set for ${new Date(effect.nominalMs).toISOString()} after it had been set for ${new Date(before.nominalMs).toISOString()}`
      found.push({ check: 'instant-backwards', text, about: [effect.target] })
    }
  }
  return found
}

/**
 * The changes that rules have made of one target, with nothing in between after which the latest firing counts as if it had just
 * come: an override, a hold, somebody who takes the record away.
 */
function stretchesOf(facts: Facts, effects: readonly EffectFacts[]): EffectFacts[][] {
  const name = effects[0]?.effect.target
  const resets = facts.of('person').filter(([, { target, what }]) => target === name && (what === 'hold' || what === 'forget'))
  const stretches: EffectFacts[][] = [[]]
  let before = 0
  for (const one of effects) {
    if (resets.some(([place]) => place > before && place < one.place)) stretches.push([])
    before = one.place
    if (!isOfRule(one)) stretches.push([])
    else if (one.effect.before !== one.effect.after && codeOf(facts, one) !== 'drift') stretches.at(-1)?.push(one)
  }
  return stretches
}

function isOfRule({ effect: { by } }: EffectFacts): boolean {
  return by.startsWith('config/') || by.startsWith('hpc/')
}

/** The reason that the plan gave for an effect. */
function codeOf(facts: Facts, { effect }: EffectFacts): string | undefined {
  return facts.stepOf(effect.owner, effect.key)?.code
}

function nameOf({ effect }: EffectFacts): string {
  return `[${short(effect.key)}] by ${effect.owner}`
}

import { checkEffects } from '../check/check-effects.ts'
import { checkGuard } from '../check/check-guard.ts'
import { checkJournal } from '../check/check-journal.ts'
import { checkLedger } from '../check/check-ledger.ts'
import type { EffectFacts, Violation } from '../check/facts.ts'
import { eventsOf, unfinishedEvents } from '../events/unfinished-events.ts'
import { short } from '../history.ts'
import { checkHookEnd } from './check-hook-end.ts'
import { HookFacts, type HookStep, problem, ringOf } from './hook-facts.ts'
import { comparePushes } from './hook-scene.ts'
import type { SimulatedHook } from './hook-simulation.ts'
import type { TagSpan } from './hook-world.ts'
import { nameOfWorkload, placeOfKind } from './stage-hook.ts'

/** Checks what happened in a world of the redeploy-hook. Answers every violation. */
export async function checkHook(simulated: SimulatedHook): Promise<readonly Violation[]> {
  const facts = new HookFacts(simulated)
  return [
    ...checkEffects(facts),
    ...checkLedger(facts),
    ...checkGuard(facts),
    ...(await checkJournal(facts)),
    ...facts.of('run-threw').map(([, { doer, text }]) => problem('run-threw', `${doer.owner} throws ${text}`, [doer.owner])),
    ...facts.steps.flatMap((step) => [
      ...unwanted(facts, step),
      ...held(facts, step),
      ...unagreed(facts, step),
      ...careless(step),
      ...rolledBack(facts, step),
      ...outOfTurn(facts, step),
      ...settled(facts, step),
    ]),
    ...older(facts),
    ...events(facts),
    ...checkHookEnd(facts),
  ]
}

function about({ effect }: EffectFacts): readonly string[] {
  return [effect.target, short(effect.key), 'PUSH ']
}

function nameOf({ effect, hook }: HookStep): string {
  return `effect @${effect.wireId} [${short(effect.key)}] of ${effect.owner} on ${effect.target} (${hook.kind} ${effect.before} -> ${effect.after})`
}

/** The push that an image was set for; undefined when the registry never had it while the run looked. */
function pushOf(facts: HookFacts, { rule, hook, beganMs, plannedMs }: HookStep): TagSpan | undefined {
  return facts.newestBetween(rule, beganMs, plannedMs).find(({ digest }) => digest === hook.content)
}

function unwanted(facts: HookFacts, step: HookStep): Violation[] {
  const { hook, rule, beganMs, plannedMs } = step
  if (hook.kind !== 'set') return []
  const wanted = facts.newestBetween(rule, beganMs, plannedMs)
  const isWanted = wanted.some(({ repository, tag, digest }) => {
    const image = rule.pin === 'digest' ? `/${repository}@${digest}` : `/${repository}:${tag}`
    return hook.imageAfter.endsWith(image) && (hook.content === undefined || hook.content === digest)
  })
  if (isWanted) return []
  const said = wanted.map(({ tag, digest }) => `${tag} (${digest.slice(7, 15)})`).join(' or ') || 'nothing'
  return [problem('hook-unwanted', `${nameOf(step)} sets ${hook.content?.slice(7, 15)}; the newest was ${said}`, about(step))]
}

/** What was acted on, in its order, on each object: nothing older comes after it. */
function older(facts: HookFacts): Violation[] {
  const found: Violation[] = []
  const sets = facts.steps.filter(({ hook }) => hook.kind === 'set' || hook.kind === 'rollback')
  for (const own of Map.groupBy(sets, ({ effect }) => `${effect.target} ${effect.uid}`).values()) {
    let acted: { readonly push: TagSpan; readonly place: number }[] = []
    for (const step of own) {
      const { place, rule, hook, effect } = step
      const last = acted.at(-1)
      // Who takes the record away wants to start afresh.
      if (
        last !== undefined &&
        facts.hookDeeds.some(([at, deed]) => deed.target === effect.target && isForgotten(deed.deed) && at > last.place && at < place)
      )
        acted = []
      if (hook.kind === 'rollback') {
        // It leads back past what was still on its way when something newer was set.
        acted = acted.slice(0, acted.findLastIndex(({ push }) => push.digest === hook.content) + 1)
        continue
      }
      const push = pushOf(facts, step)
      const before = acted.at(-1)
      if (push === undefined) continue
      if (before !== undefined && (push.digest === before.push.digest || comparePushes(rule.tags, push, before.push) <= 0)) {
        const isPersons = facts.hookDeeds.some(
          ([at, deed]) => deed.target === effect.target && deed.deed === 'set-image' && at > before.place && at < place,
        )
        const text = `${nameOf(step)} sets ${push.tag} (${push.digest.slice(7, 15)}), which is not newer than ${before.push.tag} (${before.push.digest.slice(7, 15)})${isPersons ? ', and somebody had gone back since' : ''}`
        found.push(problem(isPersons ? 'hook-person' : 'hook-downgrade', text, about(step)))
      }
      acted = [...acted, { push, place }]
    }
  }
  return found
}

function isForgotten(deed: string): boolean {
  return deed === 'forget' || deed === 'garble'
}

/** A content that failed before the run looked at the workload whose record says so. */
function held(facts: HookFacts, step: HookStep): Violation[] {
  const { hook, run, rule } = step
  if (hook.kind !== 'set' || run === undefined || hook.content === undefined) return []
  for (const failed of facts.steps) {
    if (failed.place > run.planPlace || failed.rule !== rule || !failed.hook.bad.includes(hook.content)) continue
    const { target } = failed.effect
    const isSeen = facts.all.some(
      (happening, place) =>
        place > failed.place &&
        place < run.planPlace &&
        happening.kind === 'read' &&
        happening.doer.owner === run.owner &&
        happening.cluster === failed.workload.cluster &&
        happening.path.endsWith(`/${placeOfKind[failed.workload.kind].resource}/${failed.workload.name}`),
    )
    if (
      !isSeen ||
      facts.hookDeeds.some(
        ([place, deed]) => deed.target === target && isRecordless(deed.deed) && place > failed.place && place < run.planPlace,
      )
    )
      continue
    return [problem('hook-held', `${nameOf(step)} sets a content that had failed on ${target}`, [...about(step), target])]
  }
  return []
}

/** After which a record may say nothing of what failed, or is not asked. */
function isRecordless(deed: string): boolean {
  return isForgotten(deed) || deed === 'recreate' || deed === 'delete'
}

function unagreed(facts: HookFacts, step: HookStep): Violation[] {
  const { hook, rule, effect, place } = step
  if (hook.kind !== 'set' || !rule.approval) return []
  const isAgreed = facts.agreed.some(
    ([at, { target, uid, content }]) => at < place && target === effect.target && uid === effect.uid && content === hook.content,
  )
  return isAgreed ? [] : [problem('hook-unagreed', `${nameOf(step)}: nobody had agreed to this content there`, [...about(step), 'agree'])]
}

function careless(step: HookStep): Violation[] {
  const { hook, effect } = step
  const found: Violation[] = []
  if (hook.strays.length > 0) found.push(problem('hook-stray', `${nameOf(step)} also changed ${hook.strays.join(', ')}`, about(step)))
  const isWritten = hook.recordKey === effect.key && hook.recordImage === hook.imageAfter && hook.isRecorded
  if ((hook.kind === 'set' || hook.kind === 'rollback') && !isWritten) {
    const text = `${nameOf(step)}: its record says ${hook.recordImage ?? 'nothing'} by [${short(hook.recordKey ?? '')}]`
    found.push(problem('hook-record', text, about(step)))
  }
  return found
}

function rolledBack(facts: HookFacts, step: HookStep): Violation[] {
  const { hook, rule, beganMs, workload } = step
  if (hook.kind !== 'rollback') return []
  if (hook.setBefore !== hook.imageBefore && workload.kind !== 'Job')
    return [problem('hook-rollback', `${nameOf(step)} takes back ${hook.imageBefore}, which somebody else had set`, about(step))]
  const isLate = beganMs - hook.atBeforeMs + facts.simulated.scenario.clocksApartMs >= rule.deadlineMs
  const isBad = hook.contentBefore !== undefined && facts.world.isBad(hook.contentBefore)
  // What was taken out of the registry cannot be had any more, either.
  const isGone = facts.world.spans.some(
    ({ repository, digest, untilMs }) => repository === rule.repository && digest === hook.contentBefore && untilMs < step.at,
  )
  if (isBad || isLate || isGone) return []
  return [problem('hook-rollback', `${nameOf(step)} takes back what runs well`, about(step))]
}

function outOfTurn(facts: HookFacts, step: HookStep): Violation[] {
  const { hook, rule, run, workload } = step
  if (hook.kind !== 'set' || rule.rings.length === 0 || run === undefined) return []
  const ring = ringOf(rule, workload)
  const earlier = facts.scene.workloads.filter(
    (one) => facts.scene.rules[one.rule] === rule && ringOf(rule, one) < ring && (one.kind !== 'Job' || rule.clonesJobs),
  )
  return earlier.flatMap((member) => {
    const target = nameOfWorkload(member)
    // What people did to it makes it somebody else's matter.
    if (facts.isTouched(target, -1, step.place)) return []
    const before = facts.steps.filter(
      ({ effect, place, hook: own }) => effect.target === target && own.kind !== 'approve' && place < run.planPlace,
    )
    // It was read at some time between the beginning of the run and its plan, and others went on meanwhile.
    const seen = [before.findLast(({ place }) => place < run.place), ...before.filter(({ place }) => place >= run.place)]
    const isRun = (one: HookStep | undefined): boolean =>
      one !== undefined && one.hook.content === hook.content && one.hook.state === 'done'
    const last = seen.findLast(isRun) ?? before.at(-1)
    if (seen.includes(undefined)) {
      const initial = facts.world.spans.find(
        ({ repository, tag, atMs, untilMs }) =>
          repository === rule.repository &&
          tag === member.tag &&
          atMs <= facts.simulated.scenario.startMs &&
          untilMs > facts.simulated.scenario.startMs,
      )
      if (initial?.digest === hook.content) return []
    }
    if (last === undefined || last.hook.content !== hook.content || last.hook.state !== 'done') {
      return [problem('hook-ring', `${nameOf(step)} is out of turn: ${target} does not run it`, [...about(step), target])]
    }
    const sinceMs = run.planNow - (last.run?.planNow ?? 0) + facts.simulated.scenario.clocksApartMs
    if (sinceMs >= rule.soakMs) return []
    return [problem('hook-soak', `${nameOf(step)}: ${target} has run it for ${sinceMs} ms only`, [...about(step), target])]
  })
}

function settled(facts: HookFacts, step: HookStep): Violation[] {
  const { hook, run, effect, place } = step
  if (hook.kind !== 'settle' || hook.state !== 'done' || hook.isComplete || run === undefined) return []
  if (facts.isTouched(effect.target, run.place, place)) return []
  return [problem('hook-settled', `${nameOf(step)}: not all of its pods run it`, about(step))]
}

/** Events that were finished though nobody had looked, and those that never were. */
function events(facts: HookFacts): Violation[] {
  const looked = new Map<string, number>()
  for (const [place, { doer, failure }] of facts.of('run-ended')) {
    const [id = ''] = doer.owner.split('/')
    if (failure === undefined && !looked.has(id)) looked.set(id, place)
  }
  const all = eventsOf(facts, 'redeploy-hook')
  const early = all.filter(({ id, places }) =>
    places.some(({ place, state }) => state === 'DONE' && (looked.get(id) ?? Number.POSITIVE_INFINITY) > place),
  )
  return [
    ...early.map(({ id }) => problem('hook-event', `the event ${id} was finished, and nobody had looked`, [id])),
    ...unfinishedEvents(facts, all).map(({ id, state }) => problem('hook-event', `the event ${id} is ${state} at the end`, [id])),
  ]
}

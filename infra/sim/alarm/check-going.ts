import type { Violation } from '../check/facts.ts'
import { problem } from '../redeploy/hook-facts.ts'
import type { AlarmFacts, AlarmStep } from './alarm-facts.ts'
import { about, nameOf } from './check-growth.ts'

/** Whether what went was ours, empty, and no longer needed, as far as its run could know. */
export function checkGoing(facts: AlarmFacts): Violation[] {
  return [
    ...facts.steps.flatMap((step) => [...foreign(step), ...full(step), ...tooEarly(facts, step)]),
    ...foreignWrites(facts),
    ...closedEarly(facts),
    ...unread(facts),
  ]
}

/** Only nodes that were added under a lease are given back. */
function foreign(step: AlarmStep): Violation[] {
  const { alarm } = step
  if (alarm.kind !== 'remove' || alarm.foreign.length === 0) return []
  return [
    problem('alarm-foreign', `${nameOf(step)} takes ${alarm.foreign.join(', ')} away, which nobody had added under a lease`, about(step)),
  ]
}

/** And only such are closed, emptied or marked. */
function foreignWrites(facts: AlarmFacts): Violation[] {
  return facts.of('alarm-write').flatMap(([, { write, doer, wireId }]) => {
    if (!write.isForeign) return []
    const text = `@${wireId} of ${doer.owner} does ${write.what} to ${write.node} for ${write.lease}, which nobody had added under a lease`
    return [problem('alarm-foreign', text, [write.node, write.lease])]
  })
}

/** Nothing goes with pods on it that have to go elsewhere. */
function full(step: AlarmStep): Violation[] {
  const { alarm } = step
  if (alarm.kind !== 'remove' || alarm.pods === 0) return []
  return [problem('alarm-full', `${nameOf(step)} takes ${alarm.pods} pods with it`, [...about(step), ...alarm.ids])]
}

/** Nothing that is ready goes, or begins to be emptied, while an alarm fires or pods wait, as far as its run could know. */
function tooEarly(facts: AlarmFacts, step: AlarmStep): Violation[] {
  const { alarm, beganMs, run } = step
  // What was emptied before goes; pods that wait since then have their say at the next lease.
  if (alarm.change !== 'recover' || facts.isCompensation(step)) return []
  // A lease of which nothing is left has nothing to give back.
  if (!alarm.members.some(({ lease }) => lease === alarm.lease)) return []
  const since = alarm.pendingSinceMs
  if (since !== undefined && since < beganMs - 6_000) {
    return [
      problem('alarm-early', `${nameOf(step)} while pods wait for a place since ${beganMs - since} ms before its run`, [
        ...about(step),
        'LOAD ',
      ]),
    ]
  }
  const firing = facts.firingAt(alarm.pool, run?.place ?? step.place, beganMs)
  if (firing === undefined) return []
  const text = `${nameOf(step)} while the alarm of series ${firing.content.series} fires: that was known`
  return [problem('alarm-early', text, [...about(step), `content ${firing.content.series}/${firing.content.episode}/`])]
}

/** Nor is a node closed for it. */
function closedEarly(facts: AlarmFacts): Violation[] {
  return facts.of('alarm-write').flatMap(([place, { write, doer, wireId }]) => {
    const run = facts.runs.get(doer.owner)
    if (write.what !== 'cordon' || run === undefined || facts.goesAnyway(write.lease, place)) return []
    const firing = facts.firingAt(write.pool, run.place, facts.all[run.place]?.at ?? 0)
    if (firing === undefined) return []
    const text = `@${wireId} of ${doer.owner} closes ${write.node} for ${write.lease} while the alarm of series ${firing.content.series} fires: that was known`
    return [problem('alarm-early', text, [write.lease, `content ${firing.content.series}/${firing.content.episode}/`])]
  })
}

/** The record is read again between the plan and what is done about nodes. */
function unread(facts: AlarmFacts): Violation[] {
  return facts.steps.flatMap((step) => {
    const { alarm, effect, run, place } = step
    if (alarm.kind === 'record' || run === undefined) return []
    const name = facts.scene.pools[alarm.pool]?.name
    const hasRead = facts.all
      .slice(run.placeOfStep.get(effect.key) ?? run.planPlace, place)
      .some(
        (happening) =>
          happening.kind === 'read' &&
          happening.doer.owner === effect.owner &&
          happening.path.includes(`/configmaps/longshore-pool-${name}-`),
      )
    return hasRead ? [] : [problem('alarm-unread', `${nameOf(step)} without reading the record again`, about(step))]
  })
}

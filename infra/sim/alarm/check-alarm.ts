import { checkEffects } from '../check/check-effects.ts'
import { checkGuard } from '../check/check-guard.ts'
import { checkJournal } from '../check/check-journal.ts'
import { checkLedger } from '../check/check-ledger.ts'
import type { Violation } from '../check/facts.ts'
import { eventsOf, unfinishedEvents } from '../events/unfinished-events.ts'
import { problem } from '../redeploy/hook-facts.ts'
import type { AlarmFacts } from './alarm-facts.ts'
import { markOfContent } from './alarm-messages.ts'
import { checkAlarmEnd } from './check-alarm-end.ts'
import { checkGoing } from './check-going.ts'
import { checkGrowth } from './check-growth.ts'

/** Checks what happened in a world of the alarm-scaler. Answers every violation. */
export async function checkAlarm(facts: AlarmFacts): Promise<readonly Violation[]> {
  return [
    ...checkEffects(facts),
    ...checkLedger(facts),
    ...checkGuard(facts),
    ...(await checkJournal(facts)),
    ...facts.of('run-threw').map(([, { doer, text }]) => problem('run-threw', `${doer.owner} throws ${text}`, [doer.owner])),
    ...checkGrowth(facts),
    ...checkGoing(facts),
    ...checkAlarmEnd(facts),
    ...events(facts),
  ]
}

/** Events that were finished though nobody knew what they told of, and those that never were. */
function events(facts: AlarmFacts): Violation[] {
  const all = eventsOf(facts, 'alarm-scaler')
  const known = facts
    .of('stored')
    .flatMap(([place, { partition, sort, data }]) =>
      partition === 'memory/alarm-scaler' && sort.startsWith('episode') ? [{ place, data }] : [],
    )
  const early = all.flatMap(({ id, places }) => {
    const done = places.find(({ state }) => state === 'DONE')?.place ?? Number.NEGATIVE_INFINITY
    const marks = new Set(places.flatMap(({ data }) => data.match(/content \d+\/\d+\/firing\/\d+;/g) ?? []))
    return [...marks].flatMap((mark) => {
      const content = facts.heard.find((one) => markOfContent(one.content) === mark)?.content
      if (content === undefined) return []
      const { name } = facts.scene.series[content.series] ?? {}
      const isKnown = known.some(
        ({ place, data }) => place < done && data.includes(`"name":"${name}"`) && startIn(data) >= content.startedMs - 60_000,
      )
      return isKnown || done < 0 ? [] : [problem('alarm-event', `the event ${id} was finished, and nobody knew of ${mark}`, [id, mark])]
    })
  })
  return [
    ...early,
    ...unfinishedEvents(facts, all).map(({ id, state }) => problem('alarm-event', `the event ${id} is ${state} at the end`, [id])),
  ]
}

/** The latest beginning in what is remembered of a series. */
function startIn(data: string): number {
  return Math.max(...[...data.matchAll(/"(?:startedAtMs|latestStartMs|endedAtMs|noDataSinceMs)":(\d+)/g)].map(([, ms]) => Number(ms)))
}

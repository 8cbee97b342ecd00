import { createJournal, type Journal } from '#shared/safety/journal.ts'
import { createLedger } from '#shared/safety/ledger.ts'
import { StoreError } from '#shared/safety/store.ts'
import { type MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { Chance } from '../chance.ts'
import { short } from '../history.ts'
import { functionNameOf } from '../stage-world.ts'
import { isLost, isReplaced } from './check-end.ts'
import type { CheckName } from './checks.ts'
import { type EffectFacts, type Facts, graceMs, ownerOf, type Violation } from './facts.ts'

/**
 * Promise 18: every effect has its intent in the journal before it began, and its outcome after; what the journal calls done is
 * done; the chain is sound; and whatever is changed in it afterwards shows.
 */
export async function checkJournal(facts: Facts): Promise<Violation[]> {
  return [...overwritten(facts), ...facts.effects.flatMap((one) => unwritten(facts, one)), ...madeUp(facts), ...(await chain(facts))]
}

/** Entries are written once. */
function overwritten(facts: Facts): Violation[] {
  const found: Violation[] = []
  const seen = new Map<string, number>()
  for (const { sort, version } of facts.journal) {
    const before = seen.get(sort)
    if (before !== undefined)
      found.push({
        check: 'journal-overwritten',
        text: `the journal's entry ${sort} was written over (v${before}, v${version})`,
        about: [sort],
      })
    seen.set(sort, version)
  }
  return found
}

function unwritten(facts: Facts, { effect, place, from }: EffectFacts): Violation[] {
  const about = [short(effect.key), effect.key]
  const problem = (check: CheckName, text: string): Violation[] => [
    { check, text: `effect @${effect.wireId} [${short(effect.key)}] on ${effect.target} by ${effect.owner}: ${text}`, about },
  ]
  const began = from?.place ?? place
  const intent = facts.journal.findLast(
    (entry) =>
      entry.kind === 'intent' && entry.stepKey === effect.key && entry.place < began && ownerOf(entry.owner ?? '') === effect.owner,
  )
  if (intent === undefined) return problem('intent-missing', 'no intent of its run was in the journal when it began')
  if (intent.target !== effect.target || intent.after !== effect.after)
    return problem('intent-differs', `its intent is about ${intent.target} ${intent.after}`)
  const outcomes = facts.journal.filter(
    (entry) => entry.kind === 'outcome' && entry.stepKey === effect.key && entry.attempt === intent.attempt && entry.place > intent.place,
  )
  const last = outcomes.at(-1)
  if (last === undefined) return problem('outcome-missing', 'it has no outcome')
  if (isLost(facts, effect.target) || (last.state === 'UNKNOWN' && isReplaced(facts, effect.key, effect.target))) return []
  // Where clocks are further apart than a claim lasts, somebody may have looked before the write came.
  if (last.state !== 'SUCCEEDED' && facts.simulated.scenario.clocksApartMs >= graceMs) return []
  // A group's bounds are an end state, and done when that is on record: a later try of the same step may be the one that says so, or, where
  // the record's answer was lost, the lease's end.
  const tries = facts.journal.filter(({ kind, stepKey, place: at }) => kind === 'outcome' && stepKey === effect.key && at > intent.place)
  // Whether a group was asked for more cannot be read before its machines come.
  if (effect.alarm?.mechanism === 'scaling-group' && hasDoubt(facts, effect)) return []
  if (
    effect.alarm?.kind === 'bounds' &&
    (hasDoubt(facts, effect) || isCutOff(facts, effect, place) || tries.some(({ state }) => state === 'SUCCEEDED'))
  )
    return []
  if (last.state !== 'SUCCEEDED') return problem('outcome-differs', `its outcome is ${last.state}`)
  const ids = outcomes.map(({ requestId }) => requestId).filter((id) => id !== undefined)
  // Where a record is what a step comes to, what it asked of the platform before that has the RequestId.
  const isBeside =
    effect.alarm !== undefined && (hasDoubt(facts, effect) || (effect.alarm.kind === 'record' && facts.besides.has(effect.key)))
  if (
    !isBeside &&
    from?.isAmbiguous === false &&
    from.ended?.outcome === 'ok' &&
    outcomes[0]?.owner === intent.owner &&
    !ids.includes(effect.requestId)
  )
    return problem('request-missing', `its RequestId ${effect.requestId} is nowhere; there is ${ids.join(', ') || 'none'}`)
  // Whoever settles a write of another process knows only what was planned.
  if (effect.images !== undefined || effect.alarm !== undefined) return []
  const isOwn = outcomes.some(({ owner }) => owner === intent.owner)
  if (isOwn && intent.before !== effect.before && !outcomes.some(({ before }) => before === effect.before))
    return problem('before-differs', `the value before was ${effect.before}, but the journal says ${intent.before}`)
  return []
}

/** Whether any of the writes of a step was in doubt: then it was settled by reading, which knows no RequestId. */
function hasDoubt(facts: Facts, { key, owner }: EffectFacts['effect']): boolean {
  return facts.calls.some(({ call, isAmbiguous }) => call.key === key && call.owner === owner && isAmbiguous)
}

/**
 * Whether the process that had an effect came to its end before it could write down in a record what it had done. No call of the platform
 * tells the bounds of a group, so nobody else can know.
 */
function isCutOff(facts: Facts, { key, owner, process }: EffectFacts['effect'], place: number): boolean {
  const end =
    facts.of('process').find(([at, one]) => at > place && one.process === process && /^is (?:cut|ended)/.test(one.text))?.[0] ?? -1
  const isBefore = (at: number): boolean => at > place && at < end
  if (facts.of('run-ended').some(([at, { doer }]) => isBefore(at) && doer.owner === owner)) return false
  return (
    end >= 0 &&
    !facts
      .of('alarm-write')
      .some(([at, { write, key: of, doer }]) => isBefore(at) && of === key && doer.owner === owner && write.what === 'record')
  )
}

/** Outcomes that say `Applied` where nothing was. */
function madeUp(facts: Facts): Violation[] {
  const done = new Set(facts.effects.map(({ effect }) => effect.key))
  return facts.journal.flatMap(({ kind, outcome, stepKey, seq, target }) => {
    if (kind !== 'outcome' || outcome !== 'Applied' || done.has(stepKey) || facts.besides.has(stepKey)) return []
    if (facts.simulated.scenario.images !== undefined && isLost(facts, target)) return []
    return [
      {
        check: 'outcome-made-up',
        text: `the journal's entry ${seq} says that ${target} [${short(stepKey)}] was changed; it was not`,
        about: [short(stepKey), stepKey],
      },
    ]
  })
}

async function chain(facts: Facts): Promise<Violation[]> {
  const { scenario, disk, journalKey, sabotage } = facts.simulated
  const now = facts.simulated.lastTickMs
  const name = functionNameOf(scenario)
  const check = async () => {
    const store = openMemoryStore(disk)
    const journal = createJournal(store, { chain: name, key: journalKey })
    const verify: Journal['verify'] = (options) => journal.verify(options)
    return await (sabotage.verify?.(verify) ?? verify)({ now, marks: createLedger(store, { function: name }).journalMarks(now) })
  }
  const verdict = await check()
  const about = [`journal/${name}`]
  if (!verdict.ok) {
    const text = `the chain is not sound: ${verdict.problems.map((one) => one.text).join('; ')}`
    return [{ check: 'chain-broken', text, about }]
  }
  if (verdict.entries !== new Set(facts.journal.map(({ sort }) => sort)).size) {
    return [{ check: 'chain-broken', text: `the journal has ${verdict.entries} entries; other ones were written`, about }]
  }
  const tampering = tamper(facts, disk)
  if (tampering === undefined) return []
  const isUnnoticed = await check().then(
    ({ ok }) => ok,
    (error: unknown) => {
      // What is no JSON any more is noticed by the store itself.
      if (error instanceof StoreError && error.kind === 'store.corrupt') return false
      throw error
    },
  )
  tampering.undo()
  return isUnnoticed ? [{ check: 'tampering-unnoticed', text: `${tampering.what}, and the check did not notice`, about }] : []
}

/** Changes the journal behind everybody's back. Undefined when there is nothing to change. */
function tamper(facts: Facts, disk: MemoryDisk): { readonly what: string; readonly undo: () => void } | undefined {
  const { scenario } = facts.simulated
  const chance = new Chance(scenario.seed, 'tampering')
  const name = functionNameOf(scenario)
  const partition = `journal/${name}`
  const sorts = disk.sortKeys(partition)
  if (sorts.length < 2) return undefined
  const index = chance.whole(0, sorts.length - 2)
  const [one, other] = [sorts[index] ?? '', sorts[index + 1] ?? '']
  const [row, next] = [disk.row({ partition, sort: one }), disk.row({ partition, sort: other })]
  if (row === undefined || next === undefined) return undefined
  const put = (sort: string, text: string, expiresAt?: number): void => {
    disk.keep({ partition, sort }, { ...row, text, expiresAt })
  }
  const undo = (): void => {
    put(one, row.text)
    put(other, next.text)
  }
  switch (chance.whole(0, 3)) {
    case 0: {
      // A digit or a letter of a value becomes another one.
      const places = [...row.text.matchAll(/[0-9a-f]/g)].map(({ index: place }) => place)
      const place = chance.one(places)
      const letter = row.text[place] === '1' ? '2' : '1'
      put(one, `${row.text.slice(0, place)}${letter}${row.text.slice(place + 1)}`)
      return { what: `one letter of the journal's entry ${one} was changed`, undo }
    }
    case 1:
      put(one, row.text, 1)
      return { what: `the journal's entry ${one} was taken out`, undo }
    case 2:
      put(one, next.text)
      put(other, row.text)
      return { what: `the journal's entries ${one} and ${other} changed places`, undo }
    default:
      put(other, row.text)
      return { what: `the journal's entry ${other} was replaced by a copy of ${one}`, undo }
  }
}

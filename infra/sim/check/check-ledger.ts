import { short } from '../history.ts'
import { type Facts, graceMs, type LedgerWrite, ownerOf, type Violation } from './facts.ts'

/**
 * Promise 5: nobody but whoever holds a key writes its entry, no state comes out of another one that it may not come out of, and
 * no write goes out under a key that the writer does not hold.
 */
export function checkLedger(facts: Facts): Violation[] {
  const found: Violation[] = []
  for (const [key, writes] of facts.ledger) {
    for (const [index, write] of writes.entries()) {
      const wrong = whyWrong(writes[index - 1], write)
      if (wrong !== undefined) {
        const [check, problem] = wrong
        const text = `the ledger entry [${short(key)}] v${write.version} (${write.state}), by ${write.owner}: ${problem}`
        found.push({ check, text, about: [short(key), key] })
      }
    }
  }
  return [...found, ...withoutClaim(facts)]
}

/** What is wrong with an entry that follows another; undefined when nothing is. */
function whyWrong(before: LedgerWrite | undefined, after: LedgerWrite): readonly ['ledger-state' | 'ledger-owner', string] | undefined {
  const state = (text: string) => ['ledger-state', text] as const
  const owner = (text: string) => ['ledger-owner', text] as const
  const heldBy = (holder: LedgerWrite['holder']): boolean => holder !== undefined && ownerOf(holder.id) === after.owner
  const isGivenUp = before?.holder === undefined || after.changedAt > before.holder.deadline + graceMs
  if (before !== undefined && after.version !== before.version + 1) return state(`it does not follow v${before.version}`)
  const isNewTry = before === undefined || before.state === 'FAILED_SAFE'
  if (isNewTry) {
    if (after.state !== 'STARTED') return state(`it follows ${before?.state ?? 'nothing'}`)
    if (!heldBy(after.holder)) return owner('it was started for somebody else')
    return after.attempt === (before?.attempt ?? 0) + 1 ? undefined : state(`it is try ${after.attempt} after try ${before?.attempt ?? 0}`)
  }
  if (before.state === 'SUCCEEDED') return state('it was done')
  if (after.attempt !== before.attempt) return state(`it is try ${after.attempt}, but try ${before.attempt} has not ended`)
  if (after.state === 'STARTED') {
    if (before.state !== 'STARTED') return state('it was in doubt')
    return after.holder?.id === before.holder?.id && heldBy(before.holder) ? undefined : owner(`${before.holder?.id} was at it`)
  }
  // Taken over by somebody who wants to find out.
  if (after.state === 'UNKNOWN' && after.holder !== undefined) {
    if (!heldBy(after.holder)) return owner('it was taken over for somebody else')
    return isGivenUp || heldBy(before.holder) ? undefined : owner(`${before.holder?.id} was at it until ${before.holder?.deadline}`)
  }
  return heldBy(before.holder) ? undefined : owner(`${before.holder?.id ?? 'nobody'} was at it`)
}

/** Writes that went out although somebody else held the key. Where clocks are off by more than the grace, that can be. */
function withoutClaim(facts: Facts): Violation[] {
  const { clocksApartMs, mode } = facts.simulated.scenario
  if (clocksApartMs >= graceMs || mode !== 'enforce') return []
  return facts.calls.flatMap(({ call, sends }) =>
    sends.flatMap(({ wireId, place }) => {
      const entry = facts.ledgerAt(call.key, place)
      if (entry?.state === 'STARTED' && entry.holder !== undefined && ownerOf(entry.holder.id) === call.owner) return []
      const state = entry === undefined ? 'nothing' : `${entry.state}${entry.holder === undefined ? '' : ` of ${entry.holder.id}`}`
      const text = `write #${call.id} [${short(call.key)}] of ${call.owner} went out as @${wireId} when the ledger said ${state}`
      return [{ check: 'write-unclaimed', text, about: [short(call.key), call.key, `@${wireId}`] }]
    }),
  )
}

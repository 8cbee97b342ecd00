import { checkDecisions } from './check-decisions.ts'
import { checkEffects } from './check-effects.ts'
import { checkEnd } from './check-end.ts'
import { checkGuard } from './check-guard.ts'
import { checkImages } from './check-images.ts'
import { checkJournal } from './check-journal.ts'
import { checkLedger } from './check-ledger.ts'
import type { Facts, Violation } from './facts.ts'

/** Checks a history against the promises. Answers every violation. */
export async function check(facts: Facts): Promise<Violation[]> {
  return [
    ...checkEffects(facts),
    ...checkDecisions(facts),
    ...checkLedger(facts),
    ...checkGuard(facts),
    ...(await checkJournal(facts)),
    ...checkEnd(facts),
    ...checkImages(facts),
  ]
}

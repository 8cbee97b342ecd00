import type { Facts } from './check/facts.ts'

/** What befell a world, counted: a simulation in which nothing goes wrong shows nothing. */
export interface Coverage {
  readonly runs: number
  readonly effects: number
  /** Processes cut at a place where they waited, or ended because their time was over. */
  readonly cuts: number
  readonly freezes: number
  /** Writes of which their process could not know what had become. */
  readonly doubts: number
  /** Effects that came when nobody waited for them any more. */
  readonly lateEffects: number
  /** Keys at which more than one process has been. */
  readonly contended: number
  /** Keys that were found not to be done by reading, and were tried again. */
  readonly settled: number
  readonly storeFaults: number
  readonly cloudFaults: number
  readonly heldByCap: number
  readonly heldBySwitch: number
  readonly heldByWindow: number
}

export const noCoverage: Coverage = {
  runs: 0,
  effects: 0,
  cuts: 0,
  freezes: 0,
  doubts: 0,
  lateEffects: 0,
  contended: 0,
  settled: 0,
  storeFaults: 0,
  cloudFaults: 0,
  heldByCap: 0,
  heldBySwitch: 0,
  heldByWindow: 0,
}

export function coverageOf(facts: Facts): Coverage {
  const { platform } = facts.simulated
  const lives = facts.of('process').map(([, { text }]) => text)
  const histories = [...facts.ledger.values()]
  const decisions = facts.of('run-ended').flatMap(([, { decisions: made }]) => made)
  const held = (pattern: RegExp): number =>
    decisions.filter(({ outcome, reason }) => outcome === 'Held' && pattern.test(reason.code)).length
  return {
    runs: facts.runs.size,
    effects: facts.effects.length,
    cuts: lives.filter((text) => text === 'is cut' || text.startsWith('is ended')).length,
    freezes: lives.filter((text) => text.startsWith('stands still')).length,
    doubts: facts.calls.filter(({ isAmbiguous }) => isAmbiguous).length,
    lateEffects: facts.effects.filter(({ from, place }) => from?.ended === undefined || from.ended.place < place).length,
    contended: histories.filter((writes) => new Set(writes.map(({ process }) => process)).size > 1).length,
    settled: histories.filter((writes) =>
      writes.some(({ state }, index) => state === 'FAILED_SAFE' && writes[index - 1]?.state === 'UNKNOWN'),
    ).length,
    storeFaults: facts.of('store-failed').length,
    cloudFaults: platform.core.faults.fired.length,
    heldByCap: held(/^guard\.cap$/),
    heldBySwitch: held(/^guard\.kill-switch/),
    heldByWindow: held(/^guard\.(?:freeze-window|outside-windows)$/),
  }
}

export function sumOf(one: Coverage, other: Coverage): Coverage {
  return {
    runs: one.runs + other.runs,
    effects: one.effects + other.effects,
    cuts: one.cuts + other.cuts,
    freezes: one.freezes + other.freezes,
    doubts: one.doubts + other.doubts,
    lateEffects: one.lateEffects + other.lateEffects,
    contended: one.contended + other.contended,
    settled: one.settled + other.settled,
    storeFaults: one.storeFaults + other.storeFaults,
    cloudFaults: one.cloudFaults + other.cloudFaults,
    heldByCap: one.heldByCap + other.heldByCap,
    heldBySwitch: one.heldBySwitch + other.heldBySwitch,
    heldByWindow: one.heldByWindow + other.heldByWindow,
  }
}

export function coverageText(coverage: Coverage): string {
  return [
    `${coverage.runs} runs, ${coverage.effects} effects (${coverage.lateEffects} of them after their process had stopped waiting)`,
    `${coverage.cuts} processes cut, ${coverage.freezes} standing still, ${coverage.cloudFaults} faults of the platform, ${coverage.storeFaults} of the store`,
    `${coverage.doubts} writes in doubt, ${coverage.settled} settled and done again, ${coverage.contended} keys at which several processes were`,
    `held by caps ${coverage.heldByCap}, by the kill switch ${coverage.heldBySwitch}, by windows ${coverage.heldByWindow}`,
  ].join('\n')
}

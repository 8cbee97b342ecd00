import { beforeAll, describe, expect, it } from 'vitest'
import { checkEnd } from '#infra/sim/check/check-end.ts'
import { Facts } from '#infra/sim/check/facts.ts'
import { type Happening, History } from '#infra/sim/history.ts'
import type { Scenario } from '#infra/sim/scenario.ts'
import { type Simulated, simulate } from '#infra/sim/simulation.ts'
import type { Decision } from '#shared/pure/step.ts'
import { calmScenario } from './calm-scenario.ts'

const minuteMs = 60_000

/** The rule of the only target is excluded on the day of the world: its last firing was nine hours before it. */
function missedScenario(startingDeadlineMs: number): Scenario {
  const calm = calmScenario('cron-scaler')
  const rules = calm.rules
    .slice(0, 1)
    .map((rule) => ({ ...rule, excludes: [{ kind: 'dates', first: '2026-03-02', last: '2026-03-02' }] as const }))
  return { ...calm, targets: calm.targets.slice(0, 1), rules, startingDeadlineMs }
}

describe('14: a firing that was missed before a world began, in a cluster in which nothing is due in it', () => {
  let simulated: Simulated
  beforeAll(async () => {
    simulated = await simulate(missedScenario(30 * minuteMs), { fatesOfRun: () => [] })
  })

  /** What is wrong at the end of the same world if its runs had ended with other decisions. */
  function wrongIf(change: (decisions: readonly Decision[], place: number) => readonly Decision[]): string[] {
    const history = new History(simulated.scenario.startMs)
    for (const [place, happening] of simulated.history.all.entries()) {
      const isEnd = happening.kind === 'run-ended'
      const other: Happening = isEnd ? { ...happening, decisions: change(happening.decisions, place) } : happening
      history.add(other)
    }
    return checkEnd(new Facts({ ...simulated, history })).map(({ check, text }) => `${check}: ${text}`)
  }

  it('may be told when somebody looked, and not by a last run for which nothing was due', () => {
    const ends = simulated.history.of('run-ended').map(({ decisions }) => decisions.map(({ outcome }) => outcome))
    expect(ends.flat()).toContain('Missed')
    expect(ends.at(-1)).toEqual(['Skipped'])
    expect(wrongIf((decisions) => decisions)).toEqual([])
  })

  it('is forgotten if nobody tells it', () => {
    expect(wrongIf((decisions) => decisions.filter(({ outcome }) => outcome !== 'Missed'))).toEqual([
      expect.stringMatching(/^end-differs: .* replicas 3 was due since 2026-03-01T23:00:00\.000Z\. .* says nothing$/),
    ])
  })

  it('is forgotten if the last look at its cluster does not tell it any more', () => {
    const lastToldAt = simulated.history.all.findLastIndex(
      (happening) => happening.kind === 'run-ended' && happening.decisions.some(({ outcome }) => outcome === 'Missed'),
    )
    const wrong = wrongIf((decisions, place) =>
      place === lastToldAt ? decisions.filter(({ outcome }) => outcome !== 'Missed') : decisions,
    )
    expect(wrong).toEqual([expect.stringContaining('end-differs: ')])
  })

  it('is forgotten if the last run neither looks nor says that nothing is due', () => {
    expect(wrongIf((decisions) => decisions.filter(({ reason }) => reason.code !== 'nothing-due'))).toEqual([
      expect.stringContaining('end-differs: '),
    ])
  })
})

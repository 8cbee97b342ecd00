import { describe, expect, it } from 'vitest'
import { check as checkAll } from '#infra/sim/check/check.ts'
import { Facts } from '#infra/sim/check/facts.ts'
import { withGuard } from '#infra/sim/planted/other-parts.ts'
import type { Sabotage } from '#infra/sim/sabotage.ts'
import type { Scenario } from '#infra/sim/scenario.ts'
import type { Fate } from '#infra/sim/sim-process.ts'
import { simulate } from '#infra/sim/simulation.ts'
import { calmNight, calmScenario } from './calm-scenario.ts'

/**
 * Lives through a scenario once for each place at which its first run waits, or for every so many, and answers what is wrong in any of
 * these worlds.
 */
async function everywhere(
  scenario: Scenario,
  fatesAt: (place: number) => readonly Fate[],
  { sabotage = {}, every = 1 }: { readonly sabotage?: Sabotage; readonly every?: number } = {},
): Promise<{ readonly worlds: number; readonly problems: readonly string[] }> {
  const plain = await simulate(scenario, { fatesOfRun: () => [] })
  const places = plain.placesOfRuns[0] ?? 0
  const problems: string[] = []
  for (let place = 1; place <= places; place += every) {
    const simulated = await simulate(scenario, { sabotage, fatesOfRun: (run) => (run === 1 ? fatesAt(place) : []) })
    for (const { check, text } of await checkAll(new Facts(simulated))) problems.push(`at ${place}: ${check}: ${text}`)
  }
  return { worlds: places, problems }
}

const functions = ['cron-scaler', 'relative-probe'] as const
const minuteMs = 60_000

describe.each(functions)('a run of %s', (of) => {
  it('3, 4, 5, 14, 18: is cut at any place where it waits, and everything comes right', async () => {
    const { worlds, problems } = await everywhere(calmScenario(of), (place) => [{ place }])
    expect(problems).toEqual([])
    expect(worlds).toBeGreaterThan(20)
  })

  it('5: stands still at any place for longer than its claims last, and changes nothing of what others did meanwhile', async () => {
    const calm = calmScenario(of)
    const rival = { atMs: calm.startMs + 4 * minuteMs, scheduledAt: calm.startMs + 4 * minuteMs, machine: 1 }
    const scenario = { ...calm, deliveries: [...calm.deliveries, rival].toSorted((one, other) => one.atMs - other.atMs) }
    const { problems } = await everywhere(scenario, (place) => [{ place, freezeMs: 5 * minuteMs }])
    expect(problems).toEqual([])
  })
})

describe('a night of the image-cleaner', () => {
  it('3, 7, 8, 12, 18: is cut at every fourth place where it waits, and the next run goes on there: nothing twice, no cap doubled', async () => {
    const { worlds, problems } = await everywhere(calmNight(), (place) => [{ place }], { every: 4 })
    expect(problems).toEqual([])
    expect(worlds).toBeGreaterThan(100)
  })
})

describe('a run whose writes happen twice when they are repeated', () => {
  it('16: stands still at any place while the kill switch is set, and writes nothing more', async () => {
    const calm = calmScenario('relative-probe')
    const switchings = [
      { atMs: calm.startMs + 20_000, to: 'stop' },
      { atMs: calm.startMs + 15 * minuteMs, to: 'run' },
    ] as const
    const { problems } = await everywhere({ ...calm, switchings }, (place) => [{ place, freezeMs: 2 * minuteMs }])
    expect(problems).toEqual([])
  })

  it('17: stands still at any place until a freeze window has begun, and writes nothing in it', async () => {
    const calm = calmScenario('relative-probe')
    const minuteOfDay = (Math.floor(calm.startMs / minuteMs) + 1) % (24 * 60)
    const guard = { ...calm.guard, freeze: [{ name: 'w', kind: 'deny', minuteOfDay, minutes: 10 }] } as const
    const { problems } = await everywhere({ ...calm, guard }, (place) => [{ place, freezeMs: 2 * minuteMs }])
    expect(problems).toEqual([])
  })
})

describe('room under a cap', () => {
  const calm = calmScenario('relative-probe')
  const others = Array.from({ length: 20 }, (_, index) => calm.startMs + (index + 1) * 20_000)
  const scenario: Scenario = {
    ...calm,
    guard: { ...calm.guard, caps: [{ amount: 1, window: 5 * minuteMs }] },
    deliveries: [...calm.deliveries, ...others.map((atMs) => ({ atMs, scheduledAt: atMs, machine: 1 }))].toSorted(
      (one, other) => one.atMs - other.atMs,
    ),
  }
  /** Stands still for a minute, and is cut so many places later. */
  const fates = (place: number, after: number): Fate[] => [{ place, freezeMs: minuteMs }, { place: place + after }]

  it('7: is not used by a change that stood still after it had taken it, and was cut before it could say when it began', async () => {
    for (const after of [4, 10]) {
      const { problems } = await everywhere(scenario, (place) => fates(place, after))
      expect(problems).toEqual([])
    }
  })

  it('would be used so if nobody kept to the time for which it was taken', async () => {
    const late = withGuard((guard) => ({
      check: async (change, context) => {
        const answer = await guard.check(change, context)
        if (!answer.allow || answer.reservation === undefined) return answer
        return { ...answer, reservation: { ...answer.reservation, beginsBy: Number.POSITIVE_INFINITY } }
      },
    }))
    const { problems } = await everywhere(scenario, (place) => fates(place, 4), { sabotage: late })
    expect(problems).toContainEqual(expect.stringMatching(/^at \d+: cap: cap 1 per 5m: 2 changes/))
  })
})

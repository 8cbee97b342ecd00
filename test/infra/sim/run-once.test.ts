import { expect, it } from 'vitest'
import { check } from '#infra/sim/check/check.ts'
import { Facts } from '#infra/sim/check/facts.ts'
import type { Scenario } from '#infra/sim/scenario.ts'
import { simulate } from '#infra/sim/simulation.ts'
import { calmScenario } from './calm-scenario.ts'

it('14: a rule that runs once does so for one firing, also when two runs whose clocks differ plan it for two', async () => {
  const calm = calmScenario('cron-scaler')
  const minuteMs = 60_000
  const [first] = calm.rules
  if (first === undefined) throw new TypeError('The calm world has no rule.')
  let bothWereAt = 0
  for (let laterMs = 0; laterMs <= 200; laterMs += 10) {
    const scenario: Scenario = {
      ...calm,
      rules: [{ ...first, minutes: [0, 50], runOnce: true }],
      machines: [
        { name: 'p1', skewMs: -2 * minuteMs },
        { name: 'p2', skewMs: 0 },
      ],
      clocksApartMs: 2 * minuteMs,
      deliveries: [0, laterMs]
        .map((ms, machine) => ({ atMs: calm.startMs + ms, scheduledAt: calm.startMs, machine }))
        .concat(calm.deliveries.slice(1)),
    }
    const facts = new Facts(await simulate(scenario, { fatesOfRun: () => [] }))
    expect(await check(facts), `the second run begins ${laterMs} ms later`).toEqual([])
    const [one, other] = [...facts.runs.values()]
    const wrote = facts.effects[0]?.place ?? 0
    if (one !== undefined && other !== undefined && one.planPlace < wrote && other.planPlace < wrote) bothWereAt += 1
  }
  expect(bothWereAt).toBeGreaterThan(3)
})

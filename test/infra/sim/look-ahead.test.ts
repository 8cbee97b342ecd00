import { describe, expect, it } from 'vitest'
import { check } from '#infra/sim/check/check.ts'
import { Facts } from '#infra/sim/check/facts.ts'
import type { Scenario, SimRule } from '#infra/sim/scenario.ts'
import { simulate } from '#infra/sim/simulation.ts'
import { calmScenario } from './calm-scenario.ts'

const minuteMs = 60_000
const calm = calmScenario('cron-scaler')

/** Lives through a calm world with a tick each minute; answers when each change came, and for what. */
async function changesUnder(rules: readonly Partial<SimRule>[], more: Partial<Scenario> = {}): Promise<readonly string[]> {
  const [base] = calm.rules
  if (base === undefined) throw new TypeError('The calm world has no rule.')
  const ticks = Array.from({ length: 8 }, (_, minute) => calm.startMs + minute * minuteMs)
  const scenario: Scenario = {
    ...calm,
    rules: rules.map((rule, index) => ({ ...base, name: `r${index}`, ...rule })),
    deliveries: [
      ...ticks.map((atMs) => ({ atMs, scheduledAt: atMs, machine: 0 })),
      ...calm.deliveries.filter(({ atMs }) => atMs >= calm.quietMs),
    ],
    ...more,
  }
  const facts = new Facts(await simulate(scenario, { fatesOfRun: () => [] }))
  expect(await check(facts)).toEqual([])
  return facts.effects
    .filter(({ at }) => at < calm.quietMs)
    .map(({ effect, at }) => `${new Date(Math.floor(at / 1000) * 1000).toISOString().slice(11, 19)} ${effect.after} for ${effect.by}`)
}

describe('a trigger of every minute', () => {
  it('14: applies what fires between two minutes at its very second', async () => {
    const changes = await changesUnder([
      { minutes: [2], seconds: [7, 44], size: { replicas: 4 } },
      { minutes: [2], seconds: [21], size: { replicas: 6 } },
    ])
    expect(changes.slice(-3)).toEqual([
      '08:02:07 replicas 4 for config/t0-r0',
      '08:02:21 replicas 6 for config/t0-r1',
      '08:02:44 replicas 4 for config/t0-r0',
    ])
  })

  it('14: begins and ends an override at its very second', async () => {
    const override = { name: 'o', target: 0, size: { replicas: 9 }, fromMs: calm.startMs + 130_000, untilMs: calm.startMs + 275_000 }
    const changes = await changesUnder([{ minutes: [0], size: { replicas: 4 } }], { overrides: [override] })
    expect(changes).toEqual([
      '08:00:00 replicas 4 for config/t0-r0',
      '08:02:10 replicas 9 for override/config/o',
      '08:04:35 replicas 4 for config/t0-r0',
    ])
  })

  it('14: lets the targets of one instant take turns within the spread, each at the same place in every window', async () => {
    const targets = Array.from({ length: 12 }, (_, index) => {
      return { cluster: calm.clusterIds[0] ?? '', kind: 'Deployment', name: `t${index}`, size: { replicas: 1 } } as const
    })
    const changes = await changesUnder(
      targets.flatMap((_, target) => [
        { target, minutes: [1], size: { replicas: 4 }, spreadMs: 50_000, name: 'up' },
        { target, minutes: [4], size: { replicas: 2 }, spreadMs: 50_000, name: 'down' },
      ]),
      { targets },
    )
    const turns = (of: string, fromMs: number): readonly (readonly [string, number])[] =>
      changes
        .filter((change) => change.endsWith(of) && change >= new Date(fromMs).toISOString().slice(11, 19))
        .map((change): readonly [string, number] => {
          const name = /config\/(t\d+)-/.exec(change)?.[1] ?? ''
          return [name, Date.parse(`2026-03-02T${change.slice(0, 8)}Z`) - fromMs]
        })
        .toSorted()
    const up = turns('-up', calm.startMs + minuteMs)
    expect(up.map(([name]) => name)).toHaveLength(targets.length)
    for (const [, turnMs] of up) {
      expect(turnMs).toBeGreaterThanOrEqual(0)
      expect(turnMs).toBeLessThanOrEqual(50_000)
    }
    expect(new Set(up.map(([, turnMs]) => turnMs)).size).toBeGreaterThan(6)
    expect(turns('-down', calm.startMs + 4 * minuteMs)).toEqual(up)
  })
})

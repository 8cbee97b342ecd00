import { afterEach, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { recallAlarms } from '#functions/alarm-scaler/alarm-history.ts'
import { AlarmChange } from '#functions/alarm-scaler/change.ts'
import { recallEpisodes } from '#functions/alarm-scaler/episode-memory.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { placeAsGroup, placeNodes } from '#infra/sandbox/seeds/place.ts'
import { clusterId, type SettingsInput } from './cluster-stage.ts'
import { alertmanagerBody, memoryOf, openWholeStage, type WholeStage } from './whole-stage.ts'

const deliveries = 10_000
const episodes = 200
const pools = 20
/** Values by the step that they reach. */
const levels = [85, 95, 105] as const

let stage: WholeStage
afterEach(async () => {
  await stage.close()
})

const groupOf = (pool: number): string => `asg-storm${String(pool).padStart(3, '0')}`

/** A pool with a policy for each: ten alarms are about each of them. */
function settings(): SettingsInput {
  const names = Array.from({ length: pools }, (_, index) => index)
  return {
    pools: names.map((index) => ({ name: `pool-${index}`, cluster: clusterId, group: groupOf(index), max: 50 })),
    policies: names.map((index) => ({
      name: `policy-${index}`,
      match: { alert: 'Busy', labels: { pool: `pool-${index}` as never } },
      pool: `pool-${index}`,
      mode: 'enforce',
      confirm: [{ requests: { cpuPercentAbove: 0.1 } }],
      steps: [
        { from: 0, add: 1 },
        { from: 10, add: 2 },
        { from: 20, add: 4 },
      ],
      mechanisms: [{ kind: 'scaling-group', group: groupOf(index), bounds: { min: 1, max: 20 } }],
      licence: { guard: false },
    })),
  } as SettingsInput
}

function placeGroups(): void {
  const random = createRandom(3)
  const createdMs = stage.now() - 86_400_000
  const { subnetId } = emptyCluster
  for (let index = 0; index < pools; index += 1) {
    const labels = [{ name: 'pool', value: `pool-${index}` }]
    const spec = { instanceType: 'S5.LARGE8', labels, createdMs }
    const bounds = { minSize: 1, maxSize: 20, desiredSize: 1 }
    const group = { autoScalingGroupId: groupOf(index), name: groupOf(index), enabled: true, subnetIds: [subnetId], ...bounds, ...spec }
    placeAsGroup(stage.world, stage.cluster, group, random)
    placeNodes(stage.world, stage.cluster, { count: 1, subnetId, asGroupId: groupOf(index), ...spec }, random)
    stage.deploy(`load-${index}`, 1, { nodeSelector: { pool: `pool-${index}` } })
  }
  stage.wait(60_000)
}

/** Every alarm begins low, repeats, and rises; what one says now and then comes twice, and some of it late. */
function storm(startsAt: string): readonly string[] {
  const random = createRandom(7)
  const bodies = Array.from({ length: deliveries }, (_, index) => {
    const series = index % episodes
    const round = Math.floor(index / episodes)
    const level = levels[Math.min(levels.length - 1, Math.floor((round * levels.length) / (deliveries / episodes)))] ?? 0
    // Never quite the same figure, and never another step: what is said is new, and says nothing new.
    const value = level + Math.floor(random() * 40) / 10
    const labels = { pool: `pool-${series % pools}` }
    return alertmanagerBody([{ fingerprint: `series-${series}`, startsAt, value, labels }])
  })
  return bodies.map((body, index) => (random() < 0.2 ? (bodies[Math.max(0, index - episodes)] ?? body) : body))
}

const Change = z.object({ change: AlarmChange })

it('a storm of 10,000 deliveries over 200 alarms makes at most one decision per alarm and step, and few calls', async () => {
  stage = await openWholeStage(settings())
  stage.world.tke.behaviour.autoscalerScanMs = 0
  Object.assign(stage.world.tke.quotas, { '*': { maxClusters: 5, maxNodesPerCluster: 500 } })
  placeGroups()
  const since = stage.calls().length
  const startsAt = new Date(stage.now() - 30_000).toISOString()
  const answers = new Map<number, number>()
  const bodies = storm(startsAt)
  // A hundred a second, and worked on as they come.
  for (let sent = 0; sent < bodies.length; sent += 1000) {
    for (const body of bodies.slice(sent, sent + 1000)) {
      const status = await stage.deliver(body)
      answers.set(status, (answers.get(status) ?? 0) + 1)
    }
    expect((await stage.runner.workOff()).failed).toBe(0)
    stage.pass(10_000)
  }
  expect([...answers]).toEqual([[202, deliveries]])

  const known = await recallEpisodes(memoryOf(stage))
  expect(known).toHaveLength(episodes)
  expect(known.every(({ state }) => state === 'firing')).toBe(true)
  // Looks, by what the runtime says of each; an alarm that reaches no higher step causes none.
  const looks = stage.logged.filter(({ event }) => event === 'run-finished').length
  expect(looks).toBeGreaterThan(0)
  expect(looks).toBeLessThanOrEqual(episodes * levels.length)

  const entries = await stage.entries()
  const asked = entries.flatMap(({ kind, step }) => (kind === 'intent' ? [z.parse(Change, step).change] : []))
  const grown = asked.filter((change) => change.kind === 'grow')
  // The largest alarm of a pool counts, never the sum: one growth for each step that a pool has reached.
  expect(grown.length).toBeGreaterThan(pools)
  expect(grown.length).toBeLessThanOrEqual(pools * levels.length)
  const perStep = Map.groupBy(grown, ({ lease }) => `${lease.episode.id}/${lease.step}`)
  expect([...perStep.values()].filter((list) => list.length > 1)).toEqual([])
  for (let index = 0; index < pools; index += 1) {
    const nodes = grown.filter(({ pool }) => pool === `pool-${index}`).reduce((sum, { lease }) => sum + lease.wanted, 0)
    expect([1, 2, 4]).toContain(nodes)
  }

  // What was read of the cluster is shared by the looks of five seconds. Beside it a growth costs one read of its pool's record and the
  // three calls of its mechanism: reserve, ask, write the answer down; any other change of a lease one read and one write.
  const calls = stage.calls(since)
  const records = calls.filter((call) => /configmaps\/longshore-pool-/.test(call) || call.startsWith('POST '))
  expect(calls.filter((call) => call === 'ModifyClusterAsGroupAttribute')).toHaveLength(grown.length)
  expect(records).toHaveLength(3 * grown.length + 2 * (asked.length - grown.length))
  const seconds = (deliveries / 1000) * 10
  const pieces = 7 + pools
  expect(calls.length - records.length - grown.length).toBeLessThanOrEqual((seconds / 5) * pieces)
  expect(calls.length).toBeLessThanOrEqual(looks + 4 * asked.length)
  // What one would have to page through later is what was new, and not what was repeated.
  const day = Date.parse(startsAt.slice(0, 10))
  const heard = await recallAlarms(memoryOf(stage), { fromMs: day, untilMs: day + 2 * 86_400_000 })
  expect(heard.length).toBeLessThan(deliveries)
}, 60_000)

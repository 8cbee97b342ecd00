import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { asReader } from '#cloud/client.ts'
import { Settings } from '#functions/image-cleaner/event.ts'
import { observe } from '#functions/image-cleaner/observe.ts'
import { networks } from '#infra/bench/registry-rate.ts'
import { registryWorld, repositoryName } from '#infra/bench/registry-world.ts'
import { startVirtualPlatform } from '#infra/bench/virtual-platform.ts'
import { emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { noFetch } from '#shared/runtime/fetch-text.ts'
import { noMemory } from '#shared/runtime/memory.ts'

const startMs = Date.parse('2026-11-24T01:00:00Z')

/** Observes a registry in virtual time: what was asked for of each repository, and when its turn came. */
async function observed(sizes: readonly number[]) {
  const platform = startVirtualPlatform({
    world: registryWorld({ sizes }, startMs),
    network: networks.usual,
    startMs,
    seed: 5,
    rateShares: { tcr: 1 },
  })
  const settings = z.parse(Settings, { policies: [{ name: 'all', repositories: ['**'], keep: { last: 5 } }] })
  const turns: { readonly name: string; readonly tags: number; readonly at: number }[] = []
  await platform.run(
    (async () => {
      const config = { clusters: [{ id: emptyCluster.clusterId }], settings, mode: 'plan' as const }
      const around = { memory: noMemory, fetchText: noFetch, fresh: true, signal: undefined }
      const parts = observe(asReader(platform.client), config, startMs, around)
      for (let part = await parts.next(); part.done !== true; part = await parts.next({ steps: [], decisions: [], now: platform.now() })) {
        const { value } = part
        if (value.kind === 'repository') turns.push({ name: value.repository.name, tags: value.repository.tags.length, at: platform.now() })
      }
    })(),
  )
  const calls = platform.arrivals.filter(({ action }) => action === 'DescribeImagePersonal')
  const callsFor = (index: number) => calls.filter(({ request }) => request.RepoName === repositoryName(index)).map(({ at }) => at)
  return { turns, callsFor, refused: platform.arrivals.filter(({ isRefused }) => isRefused).length }
}

describe('repositories that are read ahead', () => {
  it('are as many as have 20,000 tags together, and one alone that has more: memory does not grow with the registry', async () => {
    const { turns, callsFor, refused } = await observed([15_000, 4000, 3000, 2000, 30])
    expect(turns.map(({ tags }) => tags)).toEqual([15_000, 4000, 3000, 2000, 30])
    expect(refused).toBe(0)
    const [first, second, third, fourth, fifth] = [0, 1, 2, 3, 4].map((index) => Math.min(...callsFor(index)))
    const [done = 0, doneNext = 0] = turns.map(({ at }) => at)
    // 19,000 at first; with 3,000 more they would be too many, until the first one was decided about.
    expect(second).toBeLessThan((first ?? 0) + 1000)
    for (const begun of [third, fourth, fifth]) {
      expect(begun).toBeGreaterThanOrEqual(done)
      expect(begun).toBeLessThan(doneNext + 1000)
    }
  })

  it('are sixteen at the most where they are small, so that a thousand of them are read at the published rate', async () => {
    const { turns, callsFor } = await observed(Array.from({ length: 60 }, () => 10))
    expect(turns.map(({ name }) => name)).toEqual(Array.from({ length: 60 }, (_, index) => repositoryName(index)))
    const begins = Array.from({ length: 60 }, (_, index) => Math.min(...callsFor(index)))
    const [done = 0] = turns.map(({ at }) => at)
    expect(begins.filter((at) => at < done).length).toBeLessThanOrEqual(16)
    // Sixty calls at 20 a second, the rate's windows and a few answers.
    expect((turns.at(-1)?.at ?? 0) - (begins[0] ?? 0)).toBeLessThan(3 * 1040 + 800)
  })
})

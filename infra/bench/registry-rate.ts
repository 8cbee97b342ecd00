import * as z from 'zod/mini'
import { asReader } from '#cloud/client.ts'
import { definition } from '#functions/image-cleaner/definition.ts'
import { Settings } from '#functions/image-cleaner/event.ts'
import { observe } from '#functions/image-cleaner/observe.ts'
import { tcrReader } from '#functions/image-cleaner/registry-tcr.ts'
import { emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { noFetch } from '#shared/runtime/fetch-text.ts'
import { noMemory } from '#shared/runtime/memory.ts'
import { registryWorld, repositoryName } from './registry-world.ts'
import { goal, type Measured, type Section } from './section.ts'
import { type Network, startVirtualPlatform, type VirtualPlatform } from './virtual-platform.ts'

export interface RegistryRateRow {
  readonly reading: string
  readonly answers: string
  readonly tags: number
  /** Of DescribeImagePersonal. */
  readonly calls: number
  /** In virtual time. */
  readonly seconds: number
  /** Of pages of 100 tags at the published 20 a second. */
  readonly boundSeconds: number
  readonly timesBound: number
  /** Calls that the platform refused for their rate. */
  readonly refused: number
  /** Most calls that arrived in any second. */
  readonly busiest: number
  /** Of processor time, the sandbox's included. */
  readonly cpuSeconds: number
}

export interface FairnessRow {
  readonly tags: number
  readonly pages: number
  readonly seconds: number
  /** When it would be done if all that are not done yet had the same part of 20 a second. */
  readonly fairSeconds: number
  readonly later: number
}

export const networks = {
  even: { name: '100 ms', there: [10, 10], back: [90, 90] },
  usual: { name: '50 to 200 ms, ways there 5 to 40', there: [5, 40], back: [45, 160] },
  rough: { name: '50 to 200 ms, ways there 40 to 190', there: [40, 190], back: [10, 10] },
} as const satisfies Record<string, Network>

const ratePerSecond = 20
const perPage = 100
const startMs = Date.parse('2026-11-24T01:00:00Z')
const timeZone = 'Asia/Shanghai'

/** How close reading a registry comes to the published rate, and that it never exceeds it. */
export const registryRate: Section = {
  name: 'registryRate',
  title: 'Listing tags at the published 20 calls a second, in virtual time, the service tcr at a rate share of 1:',
  measure: ({ quick }) => measureRegistryRate({ scale: quick ? 10 : 1 }),
}

export async function measureRegistryRate({ scale }: { readonly scale: number }): Promise<Measured<RegistryRateRow>> {
  const large = 100_000 / scale
  const one = [large]
  // Three of four have one page.
  const many = Array.from({ length: 400 / scale }, (_, index) => (index % 4 === 3 ? 450 : 20 + ((index * 37) % 80)))
  const middle = Array.from({ length: 10 }, () => large / 10)
  const even = await list('one repository', one, networks.even)
  const usual = await list('one repository', one, networks.usual)
  const rough = await list('one repository', one, networks.rough)
  const ten = await wholeRun('a run over ten repositories', middle, networks.usual)
  const hundreds = await wholeRun(`a run over ${many.length} repositories`, many, networks.usual)
  const careful = await list('one repository, rate share 0.8', one, networks.usual, 0.8)
  const rows = [even, usual, rough, ten, hundreds, careful]
  const tags = large.toLocaleString('en-US')
  const times = (text: string, { timesBound }: RegistryRateRow, most: number) => goal(text, timesBound, { most }, 'times the bound')
  return {
    rows,
    goals: [
      times(`${tags} tags, answers of 100 ms`, even, 1.05),
      times(`${tags} tags, answers of 50 to 200 ms`, usual, 1.05),
      times('a run over ten repositories', ten, 1.06),
      times(`a run over ${many.length} repositories`, hundreds, 1.06),
      goal('calls refused for their rate where ways differ by at most 35 ms', refusedOf(rows.filter((row) => row !== rough)), { most: 0 }),
      goal('the same where they differ by 150 ms, until the limit has learned it', rough.refused, { most: 3 }),
    ],
  }
}

function refusedOf(rows: readonly RegistryRateRow[]): number {
  return rows.reduce((sum, { refused }) => sum + refused, 0)
}

function platformOf(sizes: readonly number[], network: Network, seed: number, share = 1): VirtualPlatform {
  const world = registryWorld({ sizes }, startMs)
  return startVirtualPlatform({ world, network, startMs, seed, rateShares: { tcr: share } })
}

async function list(reading: string, sizes: readonly number[], network: Network, share = 1): Promise<RegistryRateRow> {
  const read = async ({ client }: VirtualPlatform): Promise<number> => {
    const registry = tcrReader(asReader(client), { timeZone })
    return (await Promise.all(sizes.map((_, index) => registry.tags(repositoryName(index))))).flat().length
  }
  return await measure(reading, sizes, network, read, share)
}

async function wholeRun(reading: string, sizes: readonly number[], network: Network): Promise<RegistryRateRow> {
  const settings = z.parse(Settings, { policies: [{ name: 'all', repositories: ['bench/*'], keep: { last: 10, days: 14 } }] })
  const config = { clusters: [{ id: emptyCluster.clusterId }], region: emptyCluster.region, settings, mode: 'plan' as const }
  return await measure(reading, sizes, network, async ({ client, now }) => {
    const around = { memory: noMemory, fetchText: noFetch, fresh: true, signal: undefined }
    const parts = observe(asReader(client), config, startMs, around)
    let tags = 0
    for (let part = await parts.next(); part.done !== true; ) {
      const steps = definition.plan(part.value, config, startMs)
      if (part.value.kind === 'repository') tags += part.value.repository.tags.length
      part = await parts.next({ steps, decisions: [], now: now() })
    }
    return tags
  })
}

async function measure(
  reading: string,
  sizes: readonly number[],
  network: Network,
  read: (platform: VirtualPlatform) => Promise<number>,
  share = 1,
): Promise<RegistryRateRow> {
  const platform = platformOf(sizes, network, 7, share)
  const tags = sizes.reduce((sum, size) => sum + size, 0)
  const cpu = process.cpuUsage()
  let endMs = startMs
  const count = await platform.run(
    read(platform).then((found) => {
      endMs = platform.now()
      return found
    }),
  )
  if (count !== tags) throw new Error(`${reading}: ${count} tags were read, and there are ${tags}`)
  const { user, system } = process.cpuUsage(cpu)
  const calls = platform.arrivals.filter(({ action }) => action === 'DescribeImagePersonal')
  const refused = platform.arrivals.filter(({ isRefused }) => isRefused).length
  // A run reads clusters and the list of repositories first.
  const seconds = (endMs - Math.max(startMs, (calls[0]?.at ?? startMs) - network.there[0])) / 1000
  const boundSeconds = pagesOf(sizes) / ratePerSecond
  return {
    reading,
    answers: network.name,
    tags,
    calls: calls.length,
    seconds: rounded(seconds),
    boundSeconds: rounded(boundSeconds),
    timesBound: rounded(seconds / boundSeconds, 1000),
    refused,
    busiest: busiestSecond(calls.map(({ at }) => at)),
    cpuSeconds: rounded((user + system) / 1e6),
  }
}

/** That repositories which are read at the same time share the rate: each is done about when its equal part says. */
export const registryFairness: Section = {
  name: 'registryFairness',
  title: 'Ten repositories read side by side, seconds of virtual time:',
  measure: ({ quick }) => measureFairness({ scale: quick ? 10 : 1 }),
}

export async function measureFairness({ scale }: { readonly scale: number }): Promise<Measured<FairnessRow>> {
  const sizes = [100_000, 40_000, 20_000, 10_000, 5000, 5000, 2000, 1000, 500, 50].map((size) => Math.max(50, size / scale))
  const network = networks.usual
  const platform = platformOf(sizes, network, 11)
  const registry = tcrReader(asReader(platform.client), { timeZone })
  const ends = await platform.run(
    Promise.all(
      sizes.map(async (_, index) => {
        await registry.tags(repositoryName(index))
        return (platform.now() - startMs) / 1000
      }),
    ),
  )
  const fair = fairEnds(sizes.map((size) => Math.ceil(size / perPage)))
  const rows = sizes.map((tags, index): FairnessRow => {
    const [seconds, fairSeconds] = [ends[index] ?? Number.NaN, fair[index] ?? Number.NaN]
    return {
      tags,
      pages: Math.ceil(tags / perPage),
      seconds: rounded(seconds),
      fairSeconds: rounded(fairSeconds),
      later: rounded(seconds - fairSeconds),
    }
  })
  const refused = platform.arrivals.filter(({ isRefused }) => isRefused).length
  const beyond = Math.max(...rows.map(({ seconds, fairSeconds }) => seconds - 1.05 * fairSeconds))
  return {
    rows,
    goals: [
      // One window of the rate limit, two answers.
      goal('the last after 1.05 times its fair share', rounded(beyond), { most: 1.4 }, 's'),
      goal('calls refused', refused, { most: 0 }),
    ],
  }
}

/** When each is done if all that are not done yet share the rate equally, seconds. */
export function fairEnds(pages: readonly number[]): readonly number[] {
  const order = [...pages.entries()].toSorted(([, left], [, right]) => left - right)
  const ends: number[] = []
  let now = 0
  let done = 0
  for (const [place, [index, count]] of order.entries()) {
    now += ((count - done) * (order.length - place)) / ratePerSecond
    done = count
    ends[index] = now
  }
  return ends
}

function pagesOf(sizes: readonly number[]): number {
  return sizes.reduce((sum, size) => sum + Math.max(1, Math.ceil(size / perPage)), 0)
}

/** The most in any second without its end. */
function busiestSecond(times: readonly number[]): number {
  let most = 0
  let first = 0
  for (const [index, time] of times.entries()) {
    while ((times[first] ?? time) <= time - 1000) first += 1
    most = Math.max(most, index - first + 1)
  }
  return most
}

function rounded(value: number, parts = 100): number {
  return Math.round(value * parts) / parts
}

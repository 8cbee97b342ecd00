import * as z from 'zod/mini'
import { Settings } from '#functions/image-cleaner/event.ts'
import type { ObservedRepository, ObservedTag } from '#functions/image-cleaner/image.ts'
import { plan } from '#functions/image-cleaner/plan.ts'
import type { ImageStep } from '#functions/image-cleaner/plan-repository.ts'
import { frozenIn, referenceGraph, referencesTo } from '#functions/image-cleaner/reference-graph.ts'
import type { ImageReference } from '#functions/image-cleaner/references.ts'

/**
 * A process that plans a whole registry against all that asks for its images, as a run does: one repository after the other, each as
 * it was listed. Tells its parent how long that took in processor time of all its threads, and how much memory it had at the
 * most. What making up a repository takes is measured before and subtracted; what the decision leaves for the collector is its own.
 * Words: so many parts of a million tags; `capped`, or `all` for a run without caps.
 */
const [partsText = '1', caps = 'capped'] = process.argv.slice(2)
const share = 1 / Number(partsText)
const now = Date.parse('2026-11-24T01:00:00Z')
const dayMs = 86_400_000

const settings = z.parse(Settings, {
  policies: [
    { name: 'builds', repositories: ['team-*/*'], keep: { last: 20, days: 14, semver: { newest: 3, per: 'minor' } } },
    { name: 'releases', repositories: ['team-1*/*'], keep: { days: 90, tags: ['v*.0', 'stable'], protected: ['latest'] } },
  ],
  protect: ['team-0/app-0:build-1*'],
  ...(caps === 'all'
    ? { caps: { perRepository: { amount: 1_000_000, percent: 100 }, perRun: 1_000_000, perDay: 1_000_000 }, canary: { enabled: false } }
    : {}),
})

/** One of 100,000 tags, 9 of 20,000, 72 of 5,000, 360 of 1,000: a million. */
const sizes: readonly number[] = [
  [1, 100_000],
  [9, 20_000],
  [72, 5000],
  [360, 1000],
].flatMap(([count = 0, size = 0]) => Array.from({ length: count }, () => Math.ceil(size * share)))

function repositoryOf(index: number): ObservedRepository {
  const size = sizes[index] ?? 0
  const name = `team-${index % 40}/app-${index}`
  return { name, tags: Array.from({ length: size }, (_, number) => tagOf(index, number, size)) }
}

function tagOf(repository: number, number: number, size: number): ObservedTag {
  // Every fifth is a second name of the build before it.
  const build = number - (number % 5 === 4 ? 1 : 0)
  const hex = `${repository.toString(16).padStart(8, '0')}${build.toString(16).padStart(8, '0')}`.repeat(4)
  const name = build === number ? `build-${100_000 + number}` : `v1.${Math.floor(number / 250)}.${Math.floor(number / 5) % 50}`
  return {
    name: Buffer.from(name).toString(),
    contentId: Buffer.from(`sha256:${hex}`).toString(),
    imageId: Buffer.from(`sha256:f${hex.slice(1)}`).toString(),
    sizeBytes: 20_000_000 + ((number * 7919) % 300_000_000),
    pushedMs: now - Math.floor(((size - build) / size) * 700 * dayMs),
    patterns: [],
  }
}

/** A tenth of the tags is asked for, half of them now: by name, a few by digest. */
function usesOf(repository: string, tags: readonly ObservedTag[], index: number): readonly ImageReference[] {
  return tags.flatMap(({ name, contentId }, number): readonly ImageReference[] => {
    if (number % 10 !== index % 10) return []
    const isNow = number % 20 < 10
    return [
      {
        repository,
        ...(number % 7 === 0 ? { digest: contentId } : { tag: name }),
        via: isNow ? 'workload' : 'pod-status',
        cluster: `cls-${String(number % 20).padStart(8, '0')}`,
        object: `Deployment team-${index % 40}/app-${index}-${number}, container app`,
        seenMs: isNow ? now : now - (number % 29) * dayMs,
      },
    ]
  })
}

/** Makes up all repositories one after the other, and plans what becomes of each. */
function run(planOf: (repository: ObservedRepository) => readonly ImageStep[]): { readonly going: number; readonly steps: number } {
  let going = 0
  let count = 0
  for (const index of sizes.keys()) {
    const steps = planOf(repositoryOf(index))
    count += steps.length
    for (const step of steps) if (step.verdict === 'change' && step.change.kind === 'remove') going += step.change.tags.length
  }
  return { going, steps: count }
}

/** Plans as `observe` does, with what all clusters use and what is remembered of them. */
function planner(references: readonly ImageReference[]): (repository: ObservedRepository) => readonly ImageStep[] {
  const clusters = [...Map.groupBy(references, ({ cluster }) => cluster)].map(([id, own]) => ({
    id,
    pods: own.length,
    references: own.filter(({ seenMs }) => seenMs === now),
  }))
  const remembered = references.filter(({ seenMs }) => seenMs < now)
  const graph = referenceGraph({ clusters, memories: [], remembered, settings, now })
  const config = { clusters: clusters.map(({ id }) => ({ id })), settings }
  let gone = 0
  return (repository) => {
    const frozen = frozenIn(graph, repository.name)
    const observed = {
      kind: 'repository' as const,
      repository,
      references: referencesTo(graph, repository.name),
      ...(frozen === undefined ? {} : { frozen }),
      canaries: {},
      removed: { inRun: gone, today: gone, ofRepositoryToday: 0, byPolicy: {} },
    }
    const steps = plan(observed, config, now)
    for (const step of steps) if (step.verdict === 'change' && step.change.kind === 'remove') gone += step.change.tags.length
    return steps
  }
}

function cpuMs(work: () => void): number {
  // What was there before is not to be collected at its cost.
  globalThis.gc?.()
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

const references = sizes.flatMap((_, index) => {
  const { name, tags } = repositoryOf(index)
  return usesOf(name, tags, index)
})
const makingMs = cpuMs(() => run(() => []))
let made = { going: 0, steps: 0 }
const allMs = cpuMs(() => {
  made = run(planner(references))
})
process.send?.({
  tags: sizes.reduce((sum, size) => sum + size, 0),
  repositories: sizes.length,
  references: references.length,
  ...made,
  makingMs,
  cpuMs: allMs - makingMs,
  peakMib: process.resourceUsage().maxRSS / 1024,
})

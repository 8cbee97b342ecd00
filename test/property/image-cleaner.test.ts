import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Fault, FaultRule } from '#infra/sandbox/faults.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { interfering } from '../functions/image-cleaner/interfering.ts'
import {
  allTags,
  type DrawnWorld,
  gone,
  keeps,
  settings as someSettings,
  stageOfWorld,
  usedTag,
  worlds,
} from '../functions/image-cleaner/random-world.ts'
import { clusterA, clusterB, hourMs, type SettingsInput, type Stage } from '../functions/image-cleaner/stage.ts'

/** Hundreds of whole runs each; on a busy machine that takes a while. */
const longMs = 300_000

/** Tags that must stay for what uses or protects them, by the drawing and without the product's own code. */
function untouchable(world: DrawnWorld, { protect = [], policies = [] }: SettingsInput): ReadonlySet<string> {
  const keys = new Set<string>()
  for (const use of world.uses) {
    const found = usedTag(world, use)
    if (found !== undefined) keys.add(`${found.repository} ${found.content}`)
  }
  const protectedNames: Record<string, (repository: string, tag: string) => boolean> = {
    'shop/*:stable': (repository, tag) => repository.startsWith('shop/') && tag === 'stable',
    'tools/**:latest': (repository, tag) => repository.startsWith('tools/') && tag === 'latest',
    '**:v2.*': (_, tag) => tag.startsWith('v2.'),
  }
  for (const { name, tags } of world.repositories) {
    for (const tag of tags) {
      const isListed = protect.some((glob) => protectedNames[glob]?.(name, tag.name) === true)
      const isNamed = policies.some(
        ({ keep, repositories }) =>
          keep.protected?.includes(tag.name) === true &&
          (repositories[0] === '**' || repositories[0] === name || (repositories[0] === 'shop/*' && name.startsWith('shop/'))),
      )
      if (isListed || isNamed) keys.add(`${name} ${tag.content}`)
    }
  }
  return new Set(
    world.repositories.flatMap(({ name, tags }) =>
      tags.filter(({ content }) => keys.has(`${name} ${content}`)).map((tag) => `${name}:${tag.name}`),
    ),
  )
}

/** Repositories of which a run says that nothing is removed, for one of these reasons. */
function leftAlone({ decisions }: RunReport, ...codes: readonly string[]): ReadonlySet<string> {
  return new Set(decisions.filter(({ reason }) => codes.includes(reason.code)).map(({ target }) => target))
}

const repositoryOf = (name: string): string => name.split(':')[0] ?? ''

async function removedBy(stage: Stage, settings: SettingsInput, options: Parameters<Stage['run']>[1] = {}): Promise<readonly string[]> {
  const before = allTags(stage)
  await stage.run(settings, options)
  return gone(before, allTags(stage))
}

/** A day on which everything is seen and nothing is touched, so that clusters are known. */
async function knownStage(world: DrawnWorld, settings: SettingsInput): Promise<Stage> {
  const stage = stageOfWorld(world)
  await stage.run(settings, { mode: 'observe' })
  stage.pass(24 * hourMs)
  return stage
}

describe('8: no image that is running, referenced, protected, the last of its repository, or of equal content with such a one, is removed', () => {
  it(
    'by a whole run over random registries, clusters and policies; and a second run finds nothing more to do',
    async () => {
      let removals = 0
      await fc.assert(
        fc.asyncProperty(worlds, someSettings, async (world, settings) => {
          const stage = stageOfWorld(world)
          const removed = await removedBy(stage, settings)
          removals += removed.length
          const kept = untouchable(world, settings)
          expect(removed.filter((name) => kept.has(name))).toEqual([])
          for (const { name } of world.repositories) expect(stage.tags(name).length).toBeGreaterThan(0)
          // Of one content all tags stay or all go.
          for (const { name, tags } of world.repositories) {
            for (const own of Map.groupBy(tags, ({ content }) => content).values()) {
              expect(new Set(own.map((tag) => removed.includes(`${name}:${tag.name}`))).size).toBe(1)
            }
          }
          const again = await stage.run(settings, { fresh: true })
          expect(again.decisions.filter(({ reason }) => reason.code === 'expired')).toEqual([])
        }),
        { seed: 8, numRuns: 300 },
      )
      expect(removals).toBeGreaterThan(300)
    },
    longMs,
  )

  it(
    'a keep rule more never removes more, where the rules before it were for the repository at all',
    async () => {
      let fewer = 0
      await fc.assert(
        fc.asyncProperty(worlds, someSettings, keeps, async (world, settings, more) => {
          const [first, ...others] = settings.policies ?? []
          if (first === undefined) throw new Error('there is always a policy')
          // What is there already stays as it is; rules that it does not have come in addition.
          const stricter = { ...settings, policies: [{ ...first, keep: { ...more, ...first.keep } }, ...others] }
          const stage = stageOfWorld(world)
          const before = allTags(stage)
          const untouched = leftAlone(await stage.run(settings), 'policy-empty', 'policy-matches-nothing')
          const without = gone(before, allTags(stage))
          const withMore = (await removedBy(stageOfWorld(world), stricter)).filter((name) => !untouched.has(repositoryOf(name)))
          expect(withMore.filter((name) => !without.includes(name))).toEqual([])
          fewer += without.length - withMore.length
        }),
        { seed: 81, numRuns: 100 },
      )
      expect(fewer).toBeGreaterThan(50)
    },
    longMs,
  )
})

const wireFaults: readonly Fault[] = [
  { kind: 'drop-before' },
  { kind: 'drop-after' },
  { kind: 'truncated-body' },
  { kind: '5xx', status: 502, when: 'before' },
  { kind: '5xx', status: 504, when: 'after' },
  { kind: 'internal-error', when: 'before' },
  { kind: 'internal-error', when: 'after' },
  { kind: 'throttle' },
  { kind: 'lying-page', lie: 'repeat-row' },
  { kind: 'lying-page', lie: 'skip-row' },
  { kind: 'lying-page', lie: 'wrong-total', by: 1 },
  { kind: 'lying-page', lie: 'wrong-total', by: -1 },
]

const clusterFaults: readonly Fault[] = [
  { kind: 'rbac-403' },
  { kind: 'forward-body', body: '' },
  { kind: 'forward-body', body: 'null' },
  { kind: 'forward-body', body: '{}' },
  { kind: 'forward-body', body: '{"kind":"PodList","apiVersion":"v1","items":[{"metadata":{"name":"o' },
  { kind: 'drop-before' },
  { kind: 'truncated-body' },
  { kind: '5xx', status: 503, when: 'before' },
  { kind: 'internal-error', when: 'before' },
]

const registryActions = [
  'DescribeRepositoryOwnerPersonal',
  'DescribeImagePersonal',
  'DescribeImageFilterPersonal',
  'DescribeApplicationTriggerPersonal',
  'DescribeImageLifecycleGlobalPersonal',
  'BatchDeleteImagePersonal',
  'DuplicateImagePersonal',
] as const

/** One failure: of a kind of call, after some of them went well, once or from then on. */
const registryFailures: fc.Arbitrary<FaultRule> = fc
  .record({
    fault: fc.constantFrom(...wireFaults),
    action: fc.constantFrom(...registryActions),
    after: fc.constantFrom(0, 0, 1, 2),
    once: fc.boolean(),
  })
  .map(({ fault, action, after, once }) => ({ fault, match: { action }, after, ...(once ? { count: 1 } : {}) }))

const clusterFailures: fc.Arbitrary<FaultRule & { readonly clusterId: string }> = fc
  .record({
    fault: fc.constantFrom(...clusterFaults),
    clusterId: fc.constantFrom(clusterA, clusterB),
    pathIncludes: fc.constantFrom(
      '/pods',
      '/deployments',
      '/statefulsets',
      '/replicasets',
      '/cronjobs',
      '/jobs',
      '/controllerrevisions',
      '/api',
    ),
  })
  .map(({ fault, clusterId, pathIncludes }) => ({ fault, match: { service: 'tke', clusterId, pathIncludes }, clusterId }))

describe('8: with one failure injected, what is removed is a subset of what is removed without it', () => {
  it(
    'whatever fails of the registry, once or for good',
    async () => {
      let [fired, spared] = [0, 0]
      await fc.assert(
        fc.asyncProperty(worlds, someSettings, registryFailures, async (world, settings, failure) => {
          const without = await removedBy(await knownStage(world, settings), settings)
          const stage = await knownStage(world, settings)
          stage.faults.add(failure)
          const removed = await removedBy(stage, settings)
          expect(removed.filter((name) => !without.includes(name))).toEqual([])
          fired += stage.faults.fired.length > 0 ? 1 : 0
          spared += without.length - removed.length
        }),
        { seed: 82, numRuns: 300 },
      )
      expect(fired).toBeGreaterThan(80)
      expect(spared).toBeGreaterThan(50)
    },
    longMs,
  )

  it(
    'a failure to read the used set removes nothing in the repositories concerned',
    async () => {
      let [concernedTags, otherTags] = [0, 0]
      await fc.assert(
        fc.asyncProperty(worlds, someSettings, clusterFailures, async (world, settings, { clusterId, ...failure }) => {
          const without = await removedBy(await knownStage(world, settings), settings)
          const stage = await knownStage(world, settings)
          stage.faults.add(failure)
          const removed = await removedBy(stage, settings)
          expect(stage.faults.fired.length).toBeGreaterThan(0)
          expect(removed.filter((name) => !without.includes(name))).toEqual([])
          const concerned = new Set(
            world.uses.filter(({ cluster }) => cluster === clusterId).flatMap((use) => usedTag(world, use)?.repository ?? []),
          )
          const ofConcerned = (names: readonly string[]) => names.filter((name) => concerned.has(repositoryOf(name)))
          expect(ofConcerned(removed)).toEqual([])
          concernedTags += ofConcerned(without).length
          otherTags += removed.length
        }),
        { seed: 83, numRuns: 300 },
      )
      expect(concernedTags).toBeGreaterThan(50)
      expect(otherTags).toBeGreaterThan(50)
    },
    longMs,
  )

  it(
    'a failure to read the used set of a cluster that nobody knows removes nothing at all',
    async () => {
      await fc.assert(
        fc.asyncProperty(worlds, someSettings, clusterFailures, async (world, settings, { clusterId: _, ...failure }) => {
          const stage = stageOfWorld(world)
          stage.faults.add(failure)
          expect(await removedBy(stage, settings)).toEqual([])
          expect(stage.writes()).toEqual([])
        }),
        { seed: 84, numRuns: 60 },
      )
    },
    longMs,
  )

  it(
    'a list of tags that is older than what was pushed since',
    async () => {
      const pushes = fc.array(
        fc.record({
          repository: fc.nat(2),
          tag: fc.constantFrom('v1.0.0', 'v1.1.0', 'latest', 'stable', 'build-1', 'new'),
          content: fc.nat(8),
        }),
        { minLength: 1, maxLength: 3 },
      )
      let [removals, staleLists] = [0, 0]
      await fc.assert(
        fc.asyncProperty(worlds, someSettings, pushes, async (world, settings, pushed) => {
          const open = async () => {
            const stage = await knownStage(world, settings)
            const old = structuredClone(stage.world.tcr.repositories)
            for (const { repository, tag, content } of pushed) {
              const name = world.repositories[repository]?.name
              if (name !== undefined) stage.push(name, tag, 0, { content: `content ${content}` })
            }
            return { stage, old }
          }
          const fresh = await open()
          const all = allTags(fresh.stage)
          // A digest that no tag has any more holds the repository up, but no tag that is removed can take it away either.
          const unresolved = leftAlone(await fresh.stage.run(settings), 'digest-unresolved')
          const without = gone(all, allTags(fresh.stage))
          const { stage, old } = await open()
          const present = structuredClone(stage.world.tcr.repositories)
          const listed = new Set<string>()
          // The first list of each repository shows it as it was; everything after that is true.
          const cloud = interfering(stage.cloud, {
            before: ({ action, request }) => {
              const name = String(request.RepoName)
              if (action !== 'DescribeImagePersonal' || request.Tag !== undefined) return
              const isFirst = !listed.has(name)
              listed.add(name)
              const shown = (isFirst ? old : present)[name]
              if (isFirst && shown !== undefined) {
                staleLists += 1
                stage.world.tcr.repositories[name] = shown
              }
            },
            answer: ({ action, request }, answer) => {
              const name = String(request.RepoName)
              const shown = present[name]
              if (action === 'DescribeImagePersonal' && shown !== undefined && stage.world.tcr.repositories[name] === old[name]) {
                stage.world.tcr.repositories[name] = shown
              }
              return answer
            },
          })
          const before = new Set(Object.entries(present).flatMap(([name, { tags }]) => Object.keys(tags).map((tag) => `${name}:${tag}`)))
          await stage.run(settings, { cloud })
          const removed = gone(before, allTags(stage)).filter(
            (name) => !name.startsWith('quarantine/') && !unresolved.has(repositoryOf(name)),
          )
          expect(removed.filter((name) => !without.includes(name))).toEqual([])
          removals += removed.length
        }),
        { seed: 85, numRuns: 150 },
      )
      expect(staleLists).toBeGreaterThan(150)
      expect(removals).toBeGreaterThan(50)
    },
    longMs,
  )
})

import fc from 'fast-check'
import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { cronJob, daemonSet, deployment, statefulSet } from '#infra/sandbox/seeds/kube-objects.ts'
import { clusterA, clusterB, image, openInProcessStage, type SettingsInput, type Stage } from './stage.ts'

/** A tag of a random registry. Few names, contents and times, so that they often meet. */
export interface DrawnTag {
  readonly name: string
  readonly content: number
  readonly daysAgo: number
}

/** Something in a cluster that asks for a tag of a repository. */
export interface DrawnUse {
  readonly cluster: string
  readonly kind: 'deployment' | 'scaled-to-zero' | 'stateful-set' | 'daemon-set' | 'cron-job' | 'init' | 'pod'
  readonly repository: number
  readonly tag: number
  readonly byDigest: boolean
}

export interface DrawnWorld {
  readonly repositories: readonly { readonly name: string; readonly tags: readonly DrawnTag[] }[]
  readonly uses: readonly DrawnUse[]
}

const tagNames = ['v1.0.0', 'v1.0.1', 'v1.1.0', 'v2.0.0', 'v2.0.0-rc.1', 'latest', 'stable', 'build-1', 'build-2', 'build-11', 'x'] as const

const tags = fc.uniqueArray(
  fc.record({ name: fc.constantFrom(...tagNames), content: fc.nat(7), daysAgo: fc.constantFrom(0, 5, 5, 40, 40, 41, 90) }),
  { minLength: 1, maxLength: 9, size: 'max', selector: ({ name }) => name },
)

export const worlds: fc.Arbitrary<DrawnWorld> = fc.record({
  repositories: fc
    .array(tags, { minLength: 1, maxLength: 3 })
    .map((all) => all.map((own, index) => ({ name: ['shop/api', 'shop/web', 'tools/builder'][index] ?? '', tags: own }))),
  uses: fc.array(
    fc.record({
      cluster: fc.constantFrom(clusterA, clusterB),
      kind: fc.constantFrom('deployment', 'scaled-to-zero', 'stateful-set', 'daemon-set', 'cron-job', 'init', 'pod'),
      repository: fc.nat(2),
      tag: fc.nat(8),
      byDigest: fc.boolean(),
    }),
    { maxLength: 4 },
  ),
})

type KeepInput = NonNullable<SettingsInput['policies']>[number]['keep']

const rules: readonly fc.Arbitrary<KeepInput>[] = [
  fc.record({ last: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ days: fc.constantFrom(1, 5, 7, 30) }),
  fc.record({ tags: fc.subarray(['v1.*', 'build-*', 'latest'], { minLength: 1, maxLength: 2 }) }),
  fc.record({ pattern: fc.constantFrom('build-\\d', 'v\\d+\\.0\\.\\d+', '.*-rc\\..*') }),
  fc.record({ semver: fc.record({ newest: fc.integer({ min: 1, max: 2 }), per: fc.constantFrom('all', 'major', 'minor') }) }),
  fc.record({ protected: fc.subarray(['stable', 'x'], { minLength: 1 }) }),
]

/** One rule of a policy, seldom two, more seldom none: so that much may go. */
export const keeps: fc.Arbitrary<KeepInput> = fc.oneof(
  { weight: 12, arbitrary: fc.oneof(...rules) },
  { weight: 4, arbitrary: fc.tuple(fc.oneof(...rules), fc.oneof(...rules)).map(([one, other]) => ({ ...one, ...other })) },
  { weight: 1, arbitrary: fc.constant<KeepInput>({}) },
)

/** Settings whose caps are never reached: what one repository is spared must not be another one's room. */
export const settings: fc.Arbitrary<SettingsInput> = fc
  .record({
    keeps: fc.array(fc.record({ keep: keeps, repositories: fc.constantFrom('**', '**', 'shop/*', 'shop/web') }), {
      minLength: 1,
      maxLength: 2,
      size: '-1',
    }),
    protect: fc.subarray(['shop/*:stable', 'tools/**:latest', '**:v2.*'], { maxLength: 1 }),
    batch: fc.integer({ min: 1, max: 4 }),
    quarantine: fc.boolean(),
  })
  .map(({ keeps: drawn, protect, batch, quarantine }) => ({
    policies: drawn.map(({ keep, repositories }, index) => ({
      name: `policy-${index}`,
      repositories: [repositories],
      except: ['quarantine/**'],
      keep,
    })),
    protect,
    batch,
    canary: { enabled: false },
    caps: { perRepository: { amount: 10_000, percent: 100 }, perRun: 10_000, perDay: 10_000 },
    ...(quarantine ? { quarantine: { repository: 'quarantine/bin', days: 7 } } : {}),
  }))

/** Makes a drawn world real, on a stage of its own. */
export function stageOfWorld({ repositories, uses }: DrawnWorld): Stage {
  const stage = openInProcessStage()
  for (const { name, tags: own } of repositories) {
    // Older pushes first, as they came.
    for (const { name: tag, content, daysAgo } of own.toSorted((left, right) => right.daysAgo - left.daysAgo)) {
      stage.push(name, tag, daysAgo, { content: `content ${content}` })
    }
  }
  for (const [index, use] of uses.entries()) {
    const found = usedTag({ repositories, uses }, use)
    if (found === undefined) continue
    const digest = stage.repository(found.repository).tags[found.tag]?.content.digest ?? ''
    stage.put(objectOf(use, `app-${index}`, image(found.repository, use.byDigest ? digest : found.tag)), use.cluster)
  }
  return stage
}

/** What a use is of; undefined when it points past the end, which is a use of nothing of this registry. */
export function usedTag({ repositories }: DrawnWorld, { repository, tag }: DrawnUse) {
  const found = repositories[repository]
  const named = found?.tags[tag]
  return found === undefined || named === undefined ? undefined : { repository: found.name, tag: named.name, content: named.content }
}

function objectOf({ kind }: DrawnUse, name: string, text: string): JsonObject {
  const spec = { namespace: 'prod', name, image: text }
  switch (kind) {
    case 'deployment':
      return deployment(spec)
    case 'scaled-to-zero':
      return deployment({ ...spec, replicas: 0 })
    case 'stateful-set':
      return statefulSet(spec)
    case 'daemon-set':
      return daemonSet(spec)
    case 'cron-job':
      return cronJob('batch/v1beta1', { ...spec, schedule: '0 3 1 1 *', suspend: true })
    case 'init':
      return deployment({ ...spec, image: 'registry.example/app:1', initImage: text })
    case 'pod':
      return { apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'prod', name }, spec: { containers: [{ name: 'app', image: text }] } }
  }
}

/** `repository:tag` of everything in the registry but the quarantine. */
export function allTags(stage: Stage): ReadonlySet<string> {
  const repositories = Object.entries(stage.world.tcr.repositories).filter(([name]) => !name.startsWith('quarantine/'))
  return new Set(repositories.flatMap(([name, { tags: own }]) => Object.keys(own).map((tag) => `${name}:${tag}`)))
}

/** What is not there any more. */
export function gone(before: ReadonlySet<string>, after: ReadonlySet<string>): readonly string[] {
  return [...before].filter((name) => !after.has(name))
}

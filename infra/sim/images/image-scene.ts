import type { Chance } from '../chance.ts'

/** What is in a world beside machines and faults when the image-cleaner lives in it: plain JSON. */
export interface ImageScene {
  /** When the nights begin: those in which things go wrong, and after them the quiet ones. */
  readonly nights: readonly number[]
  readonly repositories: readonly SimRepository[]
  readonly workloads: readonly SimWorkload[]
  /** Tags that triggers of the registry deploy. */
  readonly triggers: readonly { readonly repository: string; readonly tag: string }[]
  /** The settings as they are at first, and after each time that somebody edits them. */
  readonly versions: readonly CleanerSettings[]
  readonly edits: readonly { readonly atMs: number; readonly version: number }[]
  readonly deeds: readonly ImageDeed[]
  /** Whether the registry takes with a tag all others of the same content: a registry does so or not, and does not say which. */
  readonly takesSiblings: boolean
  /** Targets on the kernel's own protect list. */
  readonly guarded: readonly string[]
}

export interface SimRepository {
  /** `namespace/name` */
  readonly name: string
  readonly tags: readonly SimTag[]
}

export interface SimTag {
  readonly name: string
  /** Of the repository: tags with the same number are one image. */
  readonly content: number
  readonly pushedMs: number
  /** When the image was built, which says nothing. */
  readonly builtMs: number
}

export const workloadKinds = ['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob', 'Job', 'Pod'] as const

export interface SimWorkload {
  readonly cluster: string
  readonly kind: (typeof workloadKinds)[number]
  readonly name: string
  /** 0 for one that is scaled down or suspended: it uses its images all the same. */
  readonly replicas: number
  readonly image: SimImage
  /** Of a container that runs before the others. */
  readonly initImage?: SimImage
}

export interface SimImage {
  readonly repository: string
  readonly tag: string
  /** Named by what the tag points at when it is written. */
  readonly isPinned: boolean
}

/** Settings of the function, in a form from which anybody can work out what has to stay. */
export interface CleanerSettings {
  readonly policies: readonly SimPolicy[]
  /** `ns/name:tag`, one tag each. */
  readonly protect: readonly string[]
  readonly caps: { readonly ofRepository: number; readonly percent: number; readonly ofRun: number; readonly ofDay: number }
  /** Undefined: a new policy may remove everything at once. */
  readonly canary: { readonly amount: number; readonly percent: number } | undefined
  readonly referenceMemoryMs: number
  readonly quarantineDays: number | undefined
  readonly batch: number
}

export interface SimPolicy {
  readonly name: string
  readonly repositories: readonly string[]
  readonly keep: SimKeep
  readonly isPaused: boolean
}

export interface SimKeep {
  readonly last?: number
  readonly days?: number
  /** Names that begin like this, as a glob. */
  readonly prefix?: string
  /** The same as a pattern. */
  readonly patternPrefix?: string
  /** So many of the highest releases `v1.2.3` of each `v1.2`. */
  readonly newestOfLine?: number
  readonly protected?: readonly string[]
}

/** What people do to images and to what uses them. */
export type ImageDeed = { readonly atMs: number } & (
  | { readonly deed: 'push'; readonly repository: string; readonly tag: string }
  /** The same image again, under its name. */
  | { readonly deed: 'push-again'; readonly repository: string; readonly tag: string }
  /** One more name for an image, or another image under a name. */
  | { readonly deed: 'retag'; readonly repository: string; readonly tag: string; readonly from: string }
  | { readonly deed: 'untag'; readonly repository: string; readonly tag: string }
  | { readonly deed: 'deploy'; readonly workload: number; readonly image: SimImage; readonly isInit: boolean }
  | { readonly deed: 'scale'; readonly workload: number; readonly replicas: number }
  | { readonly deed: 'remove-workload'; readonly workload: number }
  /** Machines pull again what they run. */
  | { readonly deed: 'pull-again'; readonly cluster: string }
  /** Nobody may list something of a cluster for a while. */
  | { readonly deed: 'deny'; readonly cluster: string; readonly resource: string; readonly forMs: number }
)

export type ImageDeedName = ImageDeed['deed']

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

export const quarantineRepository = 'keep/quarantine'
/** Triggers of the product in a night come this far apart. */
export const nightTickMs = 10 * minuteMs

const repositoryNames = ['pay/api', 'shop/api', 'shop/web', 'tools/builder'] as const
/** Names that can be in use, protected, moved; of each kind some. */
const tagNames = [
  'v1.0.0',
  'v1.0.1',
  'v1.1.0',
  'v1.1.1',
  'v2.0.0',
  'v2.1.0',
  'build-1',
  'build-2',
  'build-3',
  'build-4',
  'build-11',
  'release-1',
  'release-2',
  'latest',
  'stable',
  'golden',
] as const

/** The nights of a world: two or three in which things go wrong, and two or three quiet ones. */
export function drawNights(chance: Chance, firstMs: number): { readonly troubled: readonly number[]; readonly quiet: readonly number[] } {
  const troubled = chance.whole(2, 3)
  const nights = Array.from({ length: troubled + chance.whole(2, 3) }, (_, index) => firstMs + index * dayMs)
  return { troubled: nights.slice(0, troubled), quiet: nights.slice(troubled) }
}

interface SceneFacts {
  readonly clusters: readonly string[]
  readonly nights: readonly number[]
  readonly troubled: readonly number[]
  readonly startMs: number
  readonly quietMs: number
}

export function drawImages(chance: Chance, { clusters, nights, troubled, startMs, quietMs }: SceneFacts): ImageScene {
  const repositories = drawRepositories(chance.of('repositories'), startMs)
  const first = drawSettings(chance.of('settings'), repositories)
  const workloads = drawWorkloads(chance.of('workloads'), clusters, repositories)
  const edits = drawEdits(chance.of('edits'), troubled)
  return {
    nights,
    repositories,
    workloads,
    triggers: chance.of('triggers').isTrue(0.2) ? [drawTrigger(chance.of('triggers'), repositories)] : [],
    versions: [first, ...edits.map((_, index) => edited(chance.of(`edit ${index}`), first, repositories))],
    edits,
    deeds: drawDeeds(chance.of('deeds'), { clusters, repositories, workloads, troubled, startMs, quietMs }),
    takesSiblings: chance.of('siblings').isTrue(0.3),
    guarded: chance.of('guarded').isTrue(0.06) ? [chance.of('guarded').one(repositories).name] : [],
  }
}

function drawRepositories(chance: Chance, startMs: number): readonly SimRepository[] {
  const count = chance.whole(2, 3)
  const from = chance.whole(0, repositoryNames.length - count)
  return repositoryNames.slice(from, from + count).map((name): SimRepository => {
    const wanted = chance.whole(5, 13)
    const names = shuffled(chance, tagNames).slice(0, wanted)
    let content = 0
    const tags = names.map((tag): SimTag => {
      // About every third tag is one more name of an image that is there.
      const isNew = content === 0 || !chance.isTrue(0.3)
      if (isNew) content += 1
      const own = isNew ? content : chance.whole(1, content)
      const pushedMs = startMs - chance.magnitude(20 * minuteMs, 200 * dayMs)
      const builtMs = chance.isTrue(0.2) ? 0 : pushedMs - chance.magnitude(minuteMs, 300 * dayMs)
      return { name: tag, content: own, pushedMs: Math.floor(pushedMs / 1000) * 1000, builtMs }
    })
    return { name, tags: chance.isTrue(0.15) ? sameTime(tags) : tags }
  })
}

/** Some of the tags were pushed at the very same second. */
function sameTime(tags: readonly SimTag[]): readonly SimTag[] {
  const pushedMs = tags[0]?.pushedMs ?? 0
  return tags.map((tag, index) => (index % 2 === 0 ? { ...tag, pushedMs } : tag))
}

function shuffled<Value>(chance: Chance, values: readonly Value[]): readonly Value[] {
  return values
    .map((value) => [chance.next(), value] as const)
    .toSorted(([left], [right]) => left - right)
    .map(([, value]) => value)
}

function drawImage(chance: Chance, repositories: readonly SimRepository[]): SimImage {
  const { name, tags } = chance.one(repositories)
  return { repository: name, tag: chance.one(tags).name, isPinned: chance.isTrue(0.25) }
}

function drawTrigger(chance: Chance, repositories: readonly SimRepository[]): { readonly repository: string; readonly tag: string } {
  const { repository, tag } = drawImage(chance, repositories)
  return { repository, tag }
}

function drawWorkloads(chance: Chance, clusters: readonly string[], repositories: readonly SimRepository[]): readonly SimWorkload[] {
  return Array.from({ length: chance.whole(2, 5) }, (_, index): SimWorkload => {
    const kind = chance.weighed([
      [5, 'Deployment'],
      [2, 'StatefulSet'],
      [1, 'DaemonSet'],
      [2, 'CronJob'],
      [1, 'Job'],
      [1, 'Pod'],
    ] as const)
    return {
      cluster: chance.one(clusters),
      kind,
      name: `w${index}`,
      replicas: chance.one([0, 1, 1, 2]),
      image: drawImage(chance, repositories),
      ...(chance.isTrue(0.25) ? { initImage: drawImage(chance, repositories) } : {}),
    }
  })
}

function drawKeep(chance: Chance): SimKeep {
  const one = (): SimKeep =>
    chance.weighed<SimKeep>([
      [6, { last: chance.whole(1, 4) }],
      [3, { days: chance.one([1, 7, 30, 90]) }],
      [2, { prefix: chance.one(['build-', 'release-', 'v1.', 'v1.0']) }],
      [2, { patternPrefix: chance.one(['build-', 'v2', 'v1.1']) }],
      [2, { newestOfLine: chance.whole(1, 2) }],
      [1, { protected: [chance.one(['stable', 'latest', 'golden'])] }],
    ])
  return chance.isTrue(0.3) ? { ...one(), ...one() } : one()
}

function drawSettings(chance: Chance, repositories: readonly SimRepository[]): CleanerSettings {
  const names = repositories.map(({ name }) => name)
  const single = chance.isTrue(0.5)
  const policies: readonly SimPolicy[] = single
    ? [{ name: 'all', repositories: names, keep: drawKeep(chance), isPaused: false }]
    : [
        { name: 'first', repositories: names.slice(0, 1), keep: drawKeep(chance), isPaused: chance.isTrue(0.1) },
        { name: 'others', repositories: chance.isTrue(0.3) ? names : names.slice(1), keep: drawKeep(chance), isPaused: false },
      ]
  const { name, tags } = chance.one(repositories)
  return {
    policies,
    protect: chance.isTrue(0.3) ? [`${name}:${chance.one(tags).name}`] : [],
    caps: {
      ofRepository: chance.one([2, 3, 4, 100]),
      percent: chance.one([30, 50, 100, 100]),
      ofRun: chance.one([3, 5, 1000]),
      ofDay: chance.one([4, 6, 2000]),
    },
    canary: chance.isTrue(0.4) ? { amount: chance.whole(1, 3), percent: chance.one([1, 10, 25]) } : undefined,
    referenceMemoryMs: chance.one([12 * hourMs, 36 * hourMs, 30 * dayMs]),
    quarantineDays: chance.isTrue(0.75) ? chance.one([1, 2, 7]) : undefined,
    batch: chance.one([1, 2, 3, 20]),
  }
}

function drawEdits(chance: Chance, troubled: readonly number[]): ImageScene['edits'] {
  if (!chance.isTrue(0.3)) return []
  const night = chance.one(troubled)
  return [{ atMs: night + chance.whole(-3 * hourMs, 50 * minuteMs), version: 1 }]
}

/** The settings after somebody has changed what one policy says. */
function edited(chance: Chance, settings: CleanerSettings, repositories: readonly SimRepository[]): CleanerSettings {
  const other = drawSettings(chance, repositories)
  const [first, ...others] = settings.policies
  return {
    ...settings,
    policies: first === undefined ? [] : [{ ...first, keep: drawKeep(chance), isPaused: false }, ...others],
    protect: chance.isTrue(0.3) ? other.protect : settings.protect,
    caps: chance.isTrue(0.3) ? other.caps : settings.caps,
  }
}

interface DeedFacts extends Pick<SceneFacts, 'clusters' | 'troubled' | 'startMs' | 'quietMs'> {
  readonly repositories: readonly SimRepository[]
  readonly workloads: readonly SimWorkload[]
}

/** Most of what people do they do in the hour in which the product works, or it would never meet it. */
function drawDeeds(chance: Chance, facts: DeedFacts): readonly ImageDeed[] {
  const { clusters, troubled, startMs, quietMs } = facts
  const count = chance.weighed([
    [2, chance.whole(0, 2)],
    [4, chance.whole(3, 8)],
    [2, chance.whole(8, 16)],
  ])
  const deeds = Array.from({ length: count }, (): ImageDeed => {
    const atMs = chance.isTrue(0.65)
      ? chance.one(troubled) + chance.whole(-10 * minuteMs, 60 * minuteMs)
      : chance.whole(startMs, quietMs - 1)
    if (chance.isTrue(0.12)) return drawDenial(chance, atMs, clusters)
    if (chance.isTrue(0.12)) return { atMs, deed: 'pull-again', cluster: chance.one(clusters) }
    return { atMs, ...drawImageDeed(chance, facts) }
  })
  // In the evening before a night somebody goes back to what may have been removed in the last one.
  for (const night of troubled.slice(1)) {
    if (!chance.isTrue(0.6)) continue
    const image = drawImage(chance, facts.repositories)
    const workload = chance.whole(0, facts.workloads.length - 1)
    deeds.push({ atMs: night - chance.whole(minuteMs, 3 * hourMs), deed: 'deploy', workload, image, isInit: chance.isTrue(0.1) })
  }
  return deeds.toSorted((left, right) => left.atMs - right.atMs)
}

function drawDenial(chance: Chance, atMs: number, clusters: readonly string[]): ImageDeed {
  const resource = chance.one(['pods', 'deployments', 'replicasets', 'cronjobs', 'statefulsets', 'daemonsets', 'jobs'])
  return { atMs, deed: 'deny', cluster: chance.one(clusters), resource, forMs: chance.magnitude(10 * minuteMs, 30 * hourMs) }
}

type DeedOfImage = ImageDeed extends infer Deed ? (Deed extends ImageDeed ? Omit<Deed, 'atMs'> : never) : never

/** What somebody does, perhaps right between a reading and its write. */
export function drawImageDeed(
  chance: Chance,
  { repositories, workloads }: Pick<DeedFacts, 'repositories' | 'workloads'>,
  within?: string,
): DeedOfImage {
  const repository = repositories.find(({ name }) => name === within) ?? chance.one(repositories)
  const tag = chance.one(repository.tags).name
  const own = { repository: repository.name, tag }
  const workload = chance.whole(0, Math.max(0, workloads.length - 1))
  return chance.weighed<DeedOfImage>([
    [3, { deed: 'push', repository: repository.name, tag: chance.isTrue(0.5) ? tag : `build-${chance.whole(20, 29)}` }],
    [3, { deed: 'push-again', ...own }],
    [2, { deed: 'retag', ...own, from: chance.one(repository.tags).name }],
    [2, { deed: 'untag', ...own }],
    [
      5,
      { deed: 'deploy', workload, image: { repository: repository.name, tag, isPinned: chance.isTrue(0.25) }, isInit: chance.isTrue(0.2) },
    ],
    [1, { deed: 'scale', workload, replicas: chance.whole(0, 2) }],
    [1, { deed: 'remove-workload', workload }],
  ])
}

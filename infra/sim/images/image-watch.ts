import * as z from 'zod/mini'
import type { CallRecord } from '#infra/sandbox/call-journal.ts'
import { listAt, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import { removeObject } from '#infra/sandbox/kubernetes/objects.ts'
import type { KubeObject } from '#infra/sandbox/kubernetes/shapes.ts'
import { dropTags, pushImage, putTag } from '#infra/sandbox/tcr/images.ts'
import { registryServer } from '#infra/sandbox/tcr/state.ts'
import type { World } from '#infra/sandbox/world.ts'
import type { EventLoop } from '../event-loop.ts'
import type { History, ImageEffect, ImageTag } from '../history.ts'
import { clusterOf } from '../stage-world.ts'
import { type ImageDeed, type ImageScene, quarantineRepository, type SimImage, type SimWorkload } from './image-scene.ts'
import { imageText, putWorkload, removeWorkload, repositoryOf } from './stage-images.ts'

export type Tags = ReadonlyMap<string, ImageTag>

/** Something in a cluster that names an image of the registry, from when to when. */
export interface Use {
  readonly cluster: string
  /** `apps/deployments`, `/pods` */
  readonly resource: string
  readonly object: string
  readonly repository: string
  readonly tag: string | undefined
  readonly digest: string | undefined
  readonly fromMs: number
  untilMs: number
}

/** What a write of the product did to the registry. */
export interface ImageDone {
  readonly target: string
  readonly after: string
  readonly images: ImageEffect
}

/** Keeps the truth about images and what uses them, at every instant, and lets people do to both what they do. Reads nothing of the product. */
export class ImageWatch {
  /** Everything that ever named an image, in the order in which it was seen first. */
  readonly uses: Use[] = []
  readonly #world: World
  readonly #scene: ImageScene
  readonly #loop: EventLoop
  readonly #history: History
  readonly #tagLog = new Map<string, { readonly at: number; readonly tags: Tags }[]>()
  readonly #openUses = new Map<string, Map<string, Use>>()
  readonly #revisions = new Map<string, number>()
  readonly #workloads: SimWorkload[]
  readonly #denials = new Map<string, number>()
  #pushes = 0
  /** The names of images that an object uses: all that stand in it, unless somebody knows better. */
  namesIn: (cluster: string, resource: string, object: KubeObject) => Iterable<string> = (_, __, object) => imagesIn(object)

  constructor(world: World, scene: ImageScene, loop: EventLoop, history: History) {
    this.#world = world
    this.#scene = scene
    this.#loop = loop
    this.#history = history
    this.#workloads = [...scene.workloads]
    for (const name of this.#repositories()) this.#logTags(name)
  }

  /** The tags of a repository at an instant. */
  tagsAt(repository: string, atMs: number): Tags {
    return this.#tagLog.get(repository)?.findLast(({ at }) => at <= atMs)?.tags ?? noTags
  }

  /** The most tags that a repository had at any time between two instants. */
  mostTags(repository: string, fromMs: number, untilMs: number): number {
    const during = (this.#tagLog.get(repository) ?? []).filter(({ at }) => at > fromMs && at <= untilMs).map(({ tags }) => tags.size)
    return Math.max(this.tagsAt(repository, fromMs).size, ...during)
  }

  /** Looks at what uses images now. */
  look(): void {
    for (const [clusterId, state] of Object.entries(this.#world.kubernetes)) {
      if (this.#revisions.get(clusterId) === state.revision) continue
      this.#revisions.set(clusterId, state.revision)
      const before = this.#openUses.get(clusterId) ?? new Map<string, Use>()
      const now = new Map<string, Use>()
      for (const [resource, objects] of Object.entries(state.objects)) {
        if (resource === '/events' || resource === '/nodes') continue
        for (const [name, object] of Object.entries(objects)) {
          for (const text of this.namesIn(clusterId, resource, object)) {
            const id = `${resource} ${name} ${text}`
            const known = before.get(id) ?? this.#newUse(clusterId, resource, name, text)
            if (known !== undefined) now.set(id, known)
          }
        }
      }
      for (const [id, use] of before) if (!now.has(id)) use.untilMs = this.#loop.now
      this.#openUses.set(clusterId, now)
    }
  }

  /** Looks at the tags, which others may have changed. */
  lookAtTags(): void {
    for (const name of this.#repositories()) {
      const known = this.#tagLog.get(name)?.at(-1)?.tags ?? noTags
      const tags = Object.entries(repositoryOf(this.#world, name)?.tags ?? {})
      const isSame = ([tag, { content, pushedAt }]: (typeof tags)[number]): boolean =>
        known.get(tag)?.digest === content.digest && known.get(tag)?.pushedMs === pushedAt
      if (tags.length !== known.size || !tags.every(isSame)) this.#logTags(name)
    }
  }

  #newUse(cluster: string, resource: string, object: string, text: string): Use | undefined {
    const found = namePattern.exec(text)
    if (found === null) return undefined
    const [, repository = '', tag, digest] = found
    const isLatest = tag === undefined && digest === undefined
    const use: Use = {
      cluster,
      resource,
      object,
      repository,
      tag: digest === undefined ? (isLatest ? 'latest' : tag) : undefined,
      digest,
      fromMs: this.#loop.now,
      untilMs: Number.POSITIVE_INFINITY,
    }
    this.uses.push(use)
    return use
  }

  /** Whether a list of tags tells the whole truth; of other answers nothing is known to the contrary. */
  isTrueAnswer({ code, action, request = {} }: CallRecord, body: string): boolean {
    if (code !== undefined) return false
    if (action !== 'DescribeImagePersonal' || String(request.Tag ?? '') !== '') return true
    const parsed = z.safeParse(TagList, JSON.parse(body))
    if (!parsed.success) return false
    const { TagCount, TagInfo } = parsed.data.Response.Data
    const names = new Set(TagInfo.map(({ TagName }) => TagName))
    const tags = this.tagsAt(String(request.RepoName), this.#loop.now)
    return TagCount === tags.size && TagInfo.length === tags.size && [...tags.keys()].every((name) => names.has(name))
  }

  /** What a write that was carried out has changed; undefined when nothing. */
  carriedOut({ action, request = {} }: CallRecord): ImageDone | undefined {
    const now = this.#loop.now
    if (action === 'BatchDeleteImagePersonal') {
      const repository = String(request.RepoName)
      const before = this.tagsAt(repository, now)
      this.#takeSiblings(repository, before)
      const after = this.#logTags(repository)
      const removed = [...before.values()].filter(({ name }) => !after.has(name))
      if (removed.length === 0) return undefined
      const kept = this.tagsAt(quarantineRepository, now)
      const copied = new Set([...kept.values()].map(({ digest }) => digest))
      const images: ImageEffect = {
        kind: repository === quarantineRepository ? 'purge' : 'remove',
        repository,
        removed,
        before: [...before.values()],
        uncopied: removed.filter(({ digest }) => !copied.has(digest)).map(({ name }) => name),
      }
      return { target: repository, after: 'removed', images }
    }
    if (action !== 'DuplicateImagePersonal') return undefined
    const [repository = '', tag = ''] = String(request.DestImage).split(':')
    const before = this.tagsAt(repository, now)
    const made = this.#logTags(repository).get(tag)
    if (made === undefined) return undefined
    if (repository === quarantineRepository) {
      this.#history.add({ at: now, kind: 'note', text: `COPIED ${String(request.SrcImage)} to ${String(request.DestImage)}` })
      return undefined
    }
    const images: ImageEffect = { kind: 'restore', repository, removed: [made], before: [...before.values()], uncopied: [] }
    return { target: repository, after: `tag ${tag}`, images }
  }

  /** Some registries take with a tag all others of the same content. */
  #takeSiblings(repository: string, before: Tags): void {
    const found = repositoryOf(this.#world, repository)
    if (!this.#scene.takesSiblings || found === undefined || repository === quarantineRepository) return
    const gone = new Set([...before.values()].filter(({ name }) => !Object.hasOwn(found.tags, name)).map(({ digest }) => digest))
    const siblings = Object.entries(found.tags).filter(([, { content }]) => gone.has(content.digest))
    dropTags(
      found,
      siblings.map(([name]) => name),
      this.#loop.now,
    )
  }

  /** Does what people do. The world has to be up to date. */
  act(deed: ImageDeed): void {
    const text = this.#do(deed)
    this.#history.add({
      at: this.#loop.now,
      kind: 'image-deed',
      deed: deed.deed,
      repository: 'repository' in deed ? deed.repository : undefined,
      tag: 'tag' in deed ? deed.tag : undefined,
      text,
    })
    this.look()
  }

  #do(deed: ImageDeed): string {
    const world = this.#world
    const now = this.#loop.now
    switch (deed.deed) {
      case 'push': {
        this.#pushes += 1
        const { repository: repo, tag } = deed
        pushImage(world, { repo, tag, content: `${repo} anew ${this.#pushes}`, builtAt: 0, sizeBytes: 1000 }, now)
        this.#logTags(repo)
        return `pushes ${repo}:${tag}`
      }
      case 'push-again':
      case 'retag': {
        const { repository: repo, tag } = deed
        const from = deed.deed === 'retag' ? deed.from : tag
        const content = repositoryOf(world, repo)?.tags[from]?.content
        if (content === undefined) return `finds no ${repo}:${from}`
        putTag(world, repo, tag, content, now)
        this.#logTags(repo)
        return deed.deed === 'retag' ? `makes ${repo}:${tag} what ${from} is` : `pushes ${repo}:${tag} once more`
      }
      case 'untag': {
        const { repository: repo, tag } = deed
        const found = repositoryOf(world, repo)
        if (found === undefined || !Object.hasOwn(found.tags, tag)) return `finds no ${repo}:${tag}`
        dropTags(found, [tag], now)
        this.#logTags(repo)
        return `deletes ${repo}:${tag}`
      }
      case 'deploy':
        return this.#change(deed.workload, (workload) => {
          // Who deploys something wants to see it run.
          const running = { ...workload, replicas: Math.max(1, workload.replicas) }
          return deed.isInit ? { ...running, initImage: deed.image } : { ...running, image: deed.image }
        })
      case 'scale':
        return this.#change(deed.workload, (workload) => ({ ...workload, replicas: deed.replicas }))
      case 'remove-workload': {
        const workload = this.#workloads[deed.workload]
        if (workload === undefined) return 'finds no workload'
        removeWorkload(world, workload)
        return `removes ${workload.kind} ${workload.name} in ${workload.cluster}`
      }
      case 'pull-again': {
        const state = clusterOf(world, deed.cluster)
        const pods = Object.keys(state.objects['/pods'] ?? {})
        for (const name of pods) removePod(world, deed.cluster, name)
        return `lets ${deed.cluster} make its ${pods.length} pods anew`
      }
      case 'deny':
        return this.#deny(deed.cluster, deed.resource, deed.forMs)
    }
  }

  #change(index: number, change: (workload: SimWorkload) => SimWorkload): string {
    const workload = this.#workloads[index]
    if (workload === undefined) return 'finds no workload'
    const after = change(workload)
    this.#workloads[index] = after
    putWorkload(this.#world, after, this.#loop.now)
    const names = [after.image, after.initImage].filter((image): image is SimImage => image !== undefined)
    const images = names.map((image) => imageText(this.#world, image).slice(registryServer.length + 1)).join(' after ')
    return `sets ${after.kind} ${after.name} in ${after.cluster} to ${after.replicas} of ${images}`
  }

  #deny(cluster: string, resource: string, forMs: number): string {
    const { rbac } = clusterOf(this.#world, cluster)
    const id = `${cluster} ${resource}`
    const untilMs = Math.max(this.#denials.get(id) ?? 0, this.#loop.now + forMs)
    this.#denials.set(id, untilMs)
    if (!rbac.deny.some((rule) => rule.resource === resource)) rbac.deny.push({ verb: 'list', resource })
    return `forbids to list ${resource} of ${cluster}`
  }

  /** Everything is allowed again that was forbidden until now; what lasts longer stays forbidden, unless all of it is over. */
  allow(everything: boolean): void {
    for (const [id, untilMs] of this.#denials) {
      if (!everything && untilMs > this.#loop.now) continue
      const [cluster = '', resource] = id.split(' ')
      const { rbac } = clusterOf(this.#world, cluster)
      rbac.deny = rbac.deny.filter((rule) => rule.resource !== resource)
      this.#denials.delete(id)
      this.#history.add({ at: this.#loop.now, kind: 'note', text: `${resource} of ${cluster} may be listed again` })
    }
  }

  /** Pods that wait for an image which they cannot get, each with the name of what it waits for. */
  missing(): readonly {
    readonly repository: string
    readonly tag: string | undefined
    readonly digest: string | undefined
    readonly pod: string
  }[] {
    return Object.values(this.#world.kubernetes).flatMap((state) =>
      Object.entries(state.objects['/pods'] ?? {}).flatMap(([pod, { status }]) => {
        const statuses = [...listAt(status, 'initContainerStatuses'), ...listAt(status, 'containerStatuses')]
        const waiting = statuses.filter((one) => (stringAt(one, 'state', 'waiting', 'reason') ?? '').includes('ImagePull'))
        return waiting.flatMap((one) => {
          const found = namePattern.exec(stringAt(one, 'image') ?? '')
          return found === null ? [] : [{ repository: found[1] ?? '', tag: found[2], digest: found[3], pod }]
        })
      }),
    )
  }

  #repositories(): readonly string[] {
    return [...this.#scene.repositories.map(({ name }) => name), quarantineRepository]
  }

  #logTags(name: string): Tags {
    const tags = new Map(
      Object.entries(repositoryOf(this.#world, name)?.tags ?? {}).map(([tag, { content, pushedAt }]): [string, ImageTag] => [
        tag,
        { name: tag, digest: content.digest, pushedMs: pushedAt },
      ]),
    )
    const log = this.#tagLog.get(name) ?? []
    log.push({ at: this.#loop.now, tags })
    this.#tagLog.set(name, log)
    return tags
  }
}

const noTags: Tags = new Map()

function removePod(world: World, cluster: string, key: string): void {
  const [namespace, name = ''] = key.split('/')
  removeObject(clusterOf(world, cluster), '', 'pods', name, namespace)
}

const TagList = z.looseObject({
  Response: z.looseObject({
    Data: z.looseObject({ TagCount: z.number(), TagInfo: z.array(z.looseObject({ TagName: z.string() })) }),
  }),
})

const namePattern = new RegExp(
  `^(?:[a-z-]+://)?${registryServer.replaceAll('.', '\\.')}/([a-z0-9/._-]+)(?::([\\w.-]+))?(?:@(sha256:[0-9a-f]{64}))?$`,
)

const known = new WeakMap<object, ReadonlySet<string>>()

/** Every text anywhere in an object that looks like the name of an image of the registry. Objects are never changed in place. */
export function imagesIn(object: object): ReadonlySet<string> {
  const found = known.get(object)
  if (found !== undefined) return found
  const texts = new Set<string>()
  collect(object, texts)
  known.set(object, texts)
  return texts
}

function collect(value: unknown, texts: Set<string>): void {
  if (typeof value === 'string') {
    if (value.includes(registryServer) && namePattern.test(value)) texts.add(value)
  } else if (typeof value === 'object' && value !== null) {
    for (const member of Object.values(value)) collect(member, texts)
  }
}

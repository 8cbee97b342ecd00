import { createHash } from 'node:crypto'
import { PlatformFault } from '../reducer.ts'
import type { World } from '../world.ts'
import { isTagName, parseImageName, parseRepoName } from './names.ts'
import { addNamespace } from './namespaces.ts'
import { addRepository, ownerOf } from './repositories.ts'
import { lookUp, registryServer, type TcrContent, type TcrRepository, type TcrTag } from './state.ts'
import { forgetTagOrder } from './tag-order.ts'
import { fireTriggers } from './triggers.ts'
import { registerUser } from './users.ts'

/** An image as it is pushed. */
export interface PushedImage {
  /** `namespace/name`. */
  readonly repo: string
  readonly tag: string
  /** Stands for what is in the image: the same text is the same image wherever it is pushed. A new build when absent. */
  readonly content?: string
  readonly sizeBytes?: number
  /** Epoch milliseconds; when absent, the instant of the first push of this content into the repository. */
  readonly builtAt?: number
  readonly author?: string
  readonly architecture?: string
  readonly os?: string
  readonly dockerVersion?: string
  /** No node can pull it, as when a layer is missing. */
  readonly broken?: true
}

/**
 * Pushes an image as `docker push` does: the tag moves to the content, and the application triggers of the repository
 * fire. A repository that is missing is made, as the platform does; so are, for the comfort of seeds, the account's user
 * and the namespace. Pushing the same again moves the tag's push time only.
 *
 * Throws PlatformFault when a name is none, the namespace belongs to another account, or a quota is used up
 * (`world.tcr.limits` raises them).
 */
export function pushImage(world: World, image: PushedImage, now: number): TcrTag {
  if (!isTagName(image.tag)) {
    throw new PlatformFault('InvalidParameter', `"${image.tag}" is no name for a tag.`)
  }
  const namespace = parseRepoName(image.repo)?.namespace
  if (namespace !== undefined && lookUp(world.tcr.namespaces, namespace) === undefined) {
    registerUser(world, now)
    addNamespace(world, namespace, now)
  }
  const content = contentOf(image, now)
  const known = image.content === undefined || image.builtAt !== undefined ? undefined : knownContent(world, image.repo, content.digest)
  return putTag(world, image.repo, image.tag, known ?? content, now)
}

/** Points a tag of one of the account's repositories at a content and fires what waits for it. Throws as `pushImage`. */
export function putTag(world: World, repoName: string, tag: string, content: TcrContent, now: number): TcrTag {
  const repository = pushableRepository(world, repoName, now)
  const before = lookUp(repository.tags, tag)
  if (before === undefined && isFull(world, repository)) {
    throw new PlatformFault('LimitExceeded', `The repository "${repoName}" has ${world.tcr.limits.tag} tags, as many as it may have.`)
  }
  const pushed: TcrTag = { row: before?.row ?? world.tcr.nextTagRow, content, pushedAt: now, updatedAt: now }
  if (before === undefined) {
    world.tcr.nextTagRow += 1
  }
  repository.tags[tag] = pushed
  forgetTagOrder(repository)
  repository.updatedAt = now
  fireTriggers(world, repoName, tag, now)
  return pushed
}

/** Counts only when there can be as many: counting the tags at each push would make pushing many slow. */
function isFull({ tcr }: World, repository: TcrRepository): boolean {
  return tcr.nextTagRow > tcr.limits.tag && Object.keys(repository.tags).length >= tcr.limits.tag
}

function knownContent(world: World, repoName: string, digest: string): TcrContent | undefined {
  const tags = lookUp(world.tcr.repositories, repoName)?.tags ?? {}
  return Object.values(tags).find(({ content }) => content.digest === digest)?.content
}

function pushableRepository(world: World, repoName: string, now: number): TcrRepository {
  const repository = lookUp(world.tcr.repositories, repoName)
  if (repository === undefined) {
    return addRepository(world, repoName, now)
  }
  if (ownerOf(world, repoName) !== world.account.uin) {
    throw new PlatformFault(
      'InvalidParameter.ErrNSMismatch',
      `The namespace of "${repoName}" does not belong to the account ${world.account.uin}.`,
    )
  }
  return repository
}

function contentOf(image: PushedImage, now: number): TcrContent {
  const key = image.content ?? `${image.repo}:${image.tag} built ${image.builtAt ?? now}`
  const digest = `sha256:${createHash('sha256').update(`manifest of ${key}`).digest('hex')}`
  return {
    digest,
    imageId: `sha256:${createHash('sha256').update(`configuration of ${key}`).digest('hex')}`,
    sizeBytes: image.sizeBytes ?? 20_000_000 + (Number.parseInt(digest.slice(7, 14), 16) % 300_000_000),
    builtAt: image.builtAt ?? now,
    author: image.author ?? '',
    architecture: image.architecture ?? 'amd64',
    os: image.os ?? 'linux',
    dockerVersion: image.dockerVersion ?? '20.10.7',
    ...(image.broken === true ? { broken: true } : {}),
  }
}

/**
 * What a pull of the reference gets: `ccr.ccs.tencentyun.com/ns/repo:tag` or `…@sha256:…`. Undefined when the registry
 * has no such tag or no tag of such a digest, and for images of other registries.
 */
export function resolveImage(world: World, reference: string): TcrContent | undefined {
  if (!reference.startsWith(`${registryServer}/`)) {
    return undefined
  }
  const image = parseImageName(reference.slice(registryServer.length + 1))
  const repository = image === undefined ? undefined : lookUp(world.tcr.repositories, image.repoName)
  if (image === undefined || repository === undefined) {
    return undefined
  }
  return image.digest === undefined
    ? lookUp(repository.tags, image.tag)?.content
    : Object.values(repository.tags).find(({ content }) => content.digest === image.digest)?.content
}

/** Whether a node could pull the reference. Images of other registries always can be: the sandbox does not model those. */
export function imageExists(world: World, reference: string): boolean {
  if (!reference.startsWith(`${registryServer}/`)) return true
  const content = resolveImage(world, reference)
  return content !== undefined && content.broken !== true
}

/** Takes tags away, each only itself: others with equal content stay. Names that are not there are passed over. */
export function dropTags(repository: TcrRepository, tags: readonly string[], now: number): void {
  for (const tag of tags) {
    if (lookUp(repository.tags, tag) !== undefined) {
      delete repository.tags[tag]
      forgetTagOrder(repository)
      repository.updatedAt = now
    }
  }
}

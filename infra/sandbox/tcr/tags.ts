import type { BatchDeleteImagePersonal } from '#cloud/generated/tcr/batch-delete-image-personal.ts'
import type { DeleteImagePersonal } from '#cloud/generated/tcr/delete-image-personal.ts'
import type { DescribeImageFilterPersonal } from '#cloud/generated/tcr/describe-image-filter-personal.ts'
import type { DescribeImagePersonal } from '#cloud/generated/tcr/describe-image-personal.ts'
import type { DuplicateImagePersonal } from '#cloud/generated/tcr/duplicate-image-personal.ts'
import type { TagInfo } from '#cloud/generated/tcr/structures.ts'
import { PlatformFault, type Reducer } from '../reducer.ts'
import { dropTags, putTag } from './images.ts'
import { parseImageName } from './names.ts'
import { pageOf } from './page.ts'
import { platformTime, wholeDays } from './platform-time.ts'
import { ownerOf, ownRepository, readableRepository } from './repositories.ts'
import { lookUp, registryServer, type TcrTag } from './state.ts'
import { tagsInOrder } from './tag-order.ts'

/**
 * Lists the tags whose name contains the text, the latest push first; among equal times the one that came first last.
 * TagCount counts what was found, not what the page holds.
 */
export const describeImagePersonal: Reducer<typeof DescribeImagePersonal> = (request, { world, now }) => {
  const repository = readableRepository(world, request.RepoName, 'InternalError.ErrUnauthorized')
  const part = request.Tag ?? ''
  const all = tagsInOrder(repository)
  const found = part === '' ? all : all.filter(([name]) => name.includes(part))
  return {
    Data: {
      TagCount: found.length,
      TagInfo: pageOf(found, request).map(([name, tag]) => tagInfoOf(name, tag, now)),
      Server: registryServer,
      RepoName: request.RepoName,
    },
  }
}

function tagInfoOf(name: string, tag: TcrTag, now: number): TagInfo {
  const { content } = tag
  return {
    TagName: name,
    TagId: content.digest,
    ImageId: content.imageId,
    Size: `${(content.sizeBytes / 1_000_000).toFixed(1)} MB`,
    CreationTime: platformTime(content.builtAt),
    DurationDays: `${wholeDays(content.builtAt, now)}`,
    Author: content.author,
    Architecture: content.architecture,
    DockerVersion: content.dockerVersion,
    OS: content.os,
    SizeByte: content.sizeBytes,
    Id: tag.row,
    UpdateTime: platformTime(tag.updatedAt),
    PushTime: platformTime(tag.pushedAt),
  }
}

/** The tags of the repository with the content of the given one, itself among them; null when there is no such tag. */
export const describeImageFilterPersonal: Reducer<typeof DescribeImageFilterPersonal> = (request, { world }) => {
  const repository = readableRepository(world, request.RepoName, 'InternalError.ErrUnauthorized')
  const digest = lookUp(repository.tags, request.Tag)?.content.digest
  const same = Object.entries(repository.tags).filter(([, { content }]) => content.digest === digest)
  return { Data: { SameImages: digest === undefined ? null : same.map(([name]) => name) } }
}

/** Deletes the tag alone, not others of equal content. A tag that is not there is deleted already. */
export const deleteImagePersonal: Reducer<typeof DeleteImagePersonal> = (request, { world, now }) => {
  dropTags(ownRepository(world, request.RepoName, 'InternalServerError.ErrUnauthorized'), [request.Tag], now)
  return {}
}

/** As DeleteImagePersonal for each tag. The answer does not say which of them there were. */
export const batchDeleteImagePersonal: Reducer<typeof BatchDeleteImagePersonal> = (request, { world, now }) => {
  dropTags(ownRepository(world, request.RepoName, 'ResourceNotFound.ErrNoRepo'), request.Tags, now)
  return {}
}

/** Copies a tag, which is a push of the destination: its push time is now and its triggers fire. */
export const duplicateImagePersonal: Reducer<typeof DuplicateImagePersonal> = (request, { world, now }) => {
  const source = parseImageName(request.SrcImage)
  const destination = parseImageName(request.DestImage)
  if (source === undefined || destination === undefined || source.digest !== undefined || destination.digest !== undefined) {
    throw new PlatformFault('InvalidParameter', `"${request.SrcImage}" to "${request.DestImage}": both have to be namespace/name:tag.`)
  }
  const repository = lookUp(world.tcr.repositories, source.repoName)
  const readable = repository?.public === true || ownerOf(world, source.repoName) === world.account.uin
  const tag = repository === undefined || !readable ? undefined : lookUp(repository.tags, source.tag)
  if (tag === undefined) {
    throw new PlatformFault('ResourceNotFound.ErrNoTag', `There is no image "${request.SrcImage}" that the account may read.`)
  }
  putTag(world, destination.repoName, destination.tag, tag.content, now)
  return { Data: { Digest: tag.content.digest } }
}

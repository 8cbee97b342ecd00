import type { CloudReader } from '#cloud/cloud.ts'
import { dockerRegistry } from '#cloud/docker-registry.ts'
import { CloudError } from '#cloud/errors.ts'
import { DescribeImagePersonal } from '#cloud/generated/tcr/describe-image-personal.ts'
import { pages } from '#cloud/pages.ts'
import { RegistryError } from '#cloud/registry-error.ts'
import type { NewImage } from './change.ts'
import { shortContent } from './decide-container.ts'
import type { RedeployConfig } from './event.ts'

/** Why an image is not set after all. */
export interface NotThere {
  readonly code: 'image-gone' | 'world-changed' | 'registry-unreadable'
  readonly text: string
}

/**
 * Reads the tag of an image once more, right before it is set: it may have been removed since it was decided about, or stand for something
 * that nobody has decided about. Undefined when it is there as it was.
 */
export async function whyNotThere(
  cloud: CloudReader,
  { repository, tag, content }: Pick<NewImage, 'repository' | 'tag' | 'content'>,
  config: Pick<RedeployConfig, 'settings'>,
): Promise<NotThere | undefined> {
  let found: string | undefined
  try {
    found = await contentNow(cloud, repository, tag, config)
  } catch (error) {
    if (!(error instanceof CloudError || error instanceof RegistryError)) throw error
    return { code: 'registry-unreadable', text: `whether ${repository}:${tag} is still there cannot be read: ${error.message}` }
  }
  if (found === content) return undefined
  if (found === undefined) return { code: 'image-gone', text: `${repository}:${tag} was removed from the registry since the plan` }
  const text = `${repository}:${tag} stands for ${shortContent(found)} now, not ${shortContent(content)} as planned with; the next look decides`
  return { code: 'world-changed', text }
}

async function contentNow(
  cloud: CloudReader,
  repository: string,
  tag: string,
  { settings }: Pick<RedeployConfig, 'settings'>,
): Promise<string | undefined> {
  if (settings.registry.kind === 'docker') {
    const registry = dockerRegistry(cloud, settings.registry, 'it is not deployed')
    return (await registry.manifest(repository, tag))?.digest
  }
  try {
    // The filter matches anywhere in a name.
    const rows = await pages(cloud, DescribeImagePersonal, { RepoName: repository, Tag: tag })
    return rows.find(({ TagName }) => TagName === tag)?.TagId
  } catch (error) {
    if (error instanceof CloudError && (error.code === 'ResourceNotFound' || error.code === 'ResourceNotFound.ErrNoRepo')) return undefined
    throw error
  }
}

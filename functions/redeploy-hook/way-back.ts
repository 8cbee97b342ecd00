import { parseImageName } from '#shared/pure/image-name.ts'
import type { RedeployConfig } from './event.ts'
import { isDigest, type ReadRepository } from './image.ts'
import type { PlacedImage } from './record.ts'

/**
 * What has to be written to run again what ran before: the image as it was written, or by its digest where nobody knows that its name
 * still stands for it. Undefined when there is no way back: the name stands for something else, and the content has no digest or
 * nobody knew it.
 *
 * `instead` is what runs in its place, as it is written and its content. Of a name that the registry does not show, or while it cannot
 * be read, the digest is certain; where there is none, the name is tried if it is another one.
 */
export function wayBack(
  previous: PlacedImage | undefined,
  instead: PlacedImage,
  repository: ReadRepository | undefined,
  { settings }: Pick<RedeployConfig, 'settings'>,
): PlacedImage | undefined {
  if (previous === undefined) return undefined
  const { image, content } = previous
  const name = parseImageName(image)
  if (name?.digest !== undefined) return previous
  const isSeen = repository?.problem === undefined && name?.repository === repository?.name
  const now = isSeen ? repository?.tags.find((tag) => tag.name === name?.tag)?.contentId : undefined
  if (now !== undefined && now === (content ?? now) && now !== instead.content) return previous
  if (content !== undefined && content !== instead.content && name !== undefined && isDigest(content, settings.contentIds)) {
    return { image: `${name.host}/${name.repository}@${content}`, content }
  }
  return now === undefined && image !== instead.image ? previous : undefined
}

import { parseImageName } from '#shared/pure/image-name.ts'
import type { Reason } from '#shared/pure/step.ts'
import type { AnnounceFacts } from '#shared/runtime/definition.ts'
import { type DeployingImage, deployingForMs, keepDeploying, recallRemoving } from '#shared/runtime/image-claims.ts'
import type { MemoryWriter } from '#shared/runtime/memory.ts'
import type { RedeployChange } from './change.ts'
import { shortContent } from './decide-container.ts'
import type { Settings } from './event.ts'
import type { ReasonCode } from './reason.ts'
import { refName } from './workload.ts'

/**
 * Says to whoever removes images which ones are about to be set, and where the ways back from them lead; then looks whether one of those
 * that are to be set is about to be removed: that is held, and looked at again. Without such changes nothing is asked. Throws StoreError.
 */
export async function announce(
  { steps, memoryOf, now }: AnnounceFacts<Settings, RedeployChange>,
  memory: MemoryWriter,
): Promise<ReadonlyMap<string, Reason>> {
  const all = steps.map((step) => ({ key: step.key, ...imagesOf(step.change) }))
  const images = all.flatMap(({ set, ways }) => [...set, ...ways])
  if (images.length === 0) return new Map()
  await keepDeploying(memory, images, now + deployingForMs)
  const cleaner = memoryOf('image-cleaner')
  const repositories = [...new Set(all.flatMap(({ set }) => set.map(({ repository }) => repository)))]
  const removing = new Map(await Promise.all(repositories.map(async (name) => [name, await recallRemoving(cleaner, name)] as const)))
  const held = new Map<string, Reason>()
  for (const { key, set } of all) {
    const going = set.find(({ repository, content }) => content !== undefined && removing.get(repository)?.(content) === true)
    if (going === undefined) continue
    const { repository, tag, content = '' } = going
    const name = `${repository}${tag === undefined ? '' : `:${tag}`} (${shortContent(content)})`
    const text = `${name} is about to be removed from the registry by image-cleaner, or just was; it is looked at again in a minute`
    held.set(key, { code: 'being-removed' satisfies ReasonCode, text })
  }
  return held
}

/** What a change sets, and where the way back from it leads. */
function imagesOf(change: RedeployChange): { readonly set: readonly DeployingImage[]; readonly ways: readonly DeployingImage[] } {
  switch (change.kind) {
    case 'set-images':
    case 'clone-job': {
      const by = refName(change.ref)
      const set = change.containers.map(({ repository, tag, content }): DeployingImage => ({ repository, tag, content, by }))
      const ways = change.containers.flatMap(({ previous }) =>
        previous === undefined ? [] : placedImage(previous.image, previous.content, by),
      )
      return { set, ways }
    }
    case 'rollback': {
      const by = refName(change.ref)
      return { set: change.containers.flatMap(({ to, content }) => placedImage(to, content, by)), ways: [] }
    }
    default:
      return { set: [], ways: [] }
  }
}

function placedImage(image: string, content: string | undefined, by: string): readonly DeployingImage[] {
  const name = parseImageName(image)
  if (name === undefined) return []
  const { repository, tag, digest } = name
  const known = content ?? digest
  return [{ repository, ...(tag === undefined ? {} : { tag }), ...(known === undefined ? {} : { content: known }), by }]
}

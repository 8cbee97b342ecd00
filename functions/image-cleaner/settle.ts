import type { CloudReader } from '#cloud/cloud.ts'
import type { Step } from '#shared/pure/step.ts'
import type { Settlement } from '#shared/safety/settle-claim.ts'
import { same } from './apply-lifecycle.ts'
import type { ImageCleanerConfig } from './event.ts'
import type { ImageChange } from './image-change.ts'
import { readTags } from './read-tags.ts'
import { readerOf } from './registry-of.ts'

/**
 * Says by reading whether a change has arrived. Of several tags that is known when all of them are as the change would have them,
 * or none is; in between nobody can tell, because tags are removed by people, too. Throws RegistryError and CloudError.
 */
export async function settle(
  { change }: Step<ImageChange> & { readonly verdict: 'change' },
  cloud: CloudReader,
  { settings }: ImageCleanerConfig,
): Promise<Settlement> {
  const { registry, policies } = readerOf(cloud, settings)
  if (change.kind === 'lifecycle') {
    if (policies === undefined) return 'unknown'
    const present = await policies.serverPolicy(change.repository)
    if (same(present, change.to)) return 'applied'
    return same(present, change.from) ? 'not-applied' : 'unknown'
  }
  const names = change.tags.map(({ name }) => name)
  const { byName } = await readTags(registry, change.repository, names, Number.POSITIVE_INFINITY)
  const there = change.tags.filter(({ name, contentId }) => byName.get(name)?.contentId === contentId)
  const isWanted = change.kind === 'restore'
  if (there.length === names.length) return isWanted ? 'applied' : 'not-applied'
  if (there.length === 0) return isWanted ? 'not-applied' : 'applied'
  return 'unknown'
}

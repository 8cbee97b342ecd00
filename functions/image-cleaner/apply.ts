import type { CloudWriter } from '#cloud/cloud.ts'
import { RegistryError } from '#cloud/registry-error.ts'
import type { Step, StepResult } from '#shared/pure/step.ts'
import { applyPurge, applyRestore } from './apply-copies.ts'
import { applyLifecycle } from './apply-lifecycle.ts'
import { applyRemove } from './apply-remove.ts'
import type { ImageCleanerConfig } from './event.ts'
import type { ImageChange } from './image-change.ts'
import { writerOf } from './registry-of.ts'

/** Carries out one step after reading again what it is about. Throws RegistryError and CloudError. */
export async function apply(
  { change }: Step<ImageChange> & { readonly verdict: 'change' },
  cloud: CloudWriter,
  { settings }: ImageCleanerConfig,
): Promise<StepResult> {
  const { registry, policies } = writerOf(cloud, settings)
  switch (change.kind) {
    case 'remove':
      return await applyRemove(change, registry)
    case 'restore':
      return await applyRestore(change, registry, settings.quarantine?.repository)
    case 'purge':
      return await applyPurge(change, registry)
    case 'lifecycle':
      if (policies === undefined) throw new RegistryError('registry.refused', noPolicies(registry.title))
      return await applyLifecycle(change, policies)
  }
}

function noPolicies(title: string): string {
  return `${title} has no clean-up policies of its own; take \`lifecycle\` out of the settings.`
}

import type { CloudReader, CloudWriter } from '#cloud/cloud.ts'
import type { Settings } from './event.ts'
import { observeTriggers, triggersNameTags } from './observe-triggers.ts'
import type { RegistryReader, RegistryWriter, ServerPolicyReader, ServerPolicyWriter, TriggerReader } from './registry.ts'
import { dockerReader, dockerWriter } from './registry-docker.ts'
import { tcrReader, tcrWriter } from './registry-tcr.ts'

/** A configured registry, and what only some can do. */
export interface RegistryForReading {
  readonly registry: RegistryReader
  readonly policies?: ServerPolicyReader | undefined
  readonly triggers?: TriggerReader | undefined
}

export interface RegistryForWriting {
  readonly registry: RegistryWriter
  readonly policies?: ServerPolicyWriter | undefined
}

type RegistrySettings = Pick<Settings, 'registry' | 'timeZone'>

/** The registry that is configured, for reading. */
export function readerOf(cloud: CloudReader, settings: RegistrySettings): RegistryForReading {
  if (settings.registry.kind === 'docker') return { registry: dockerReader(cloud, settings.registry) }
  const registry = tcrReader(cloud, settings)
  return {
    registry,
    policies: registry,
    triggers: { nameTags: () => triggersNameTags(cloud), of: (repository, now) => observeTriggers(cloud, repository, now) },
  }
}

/** The registry that is configured, for reading and writing. */
export function writerOf(cloud: CloudWriter, settings: RegistrySettings): RegistryForWriting {
  if (settings.registry.kind === 'docker') return { registry: dockerWriter(cloud, settings.registry) }
  const registry = tcrWriter(cloud, settings)
  return { registry, policies: registry }
}

import { CloudError } from '#cloud/errors.ts'
import { KubeError, type KubeReader, kubePath } from '#cloud/kube.ts'
import type { ServedKinds } from './cursor.ts'
import type { Settings } from './event.ts'
import { findHpcGroups, kindsOfGroups } from './hpc-object.ts'

/** Finds out where a cluster serves HPC objects: a call for its groups, where the settings name none, and one for each that may have them. */
export async function findServed(reader: KubeReader, { hpc: { group: named } }: Settings, now: number): Promise<ServedKinds> {
  const groups = named === undefined ? await findHpcGroups(reader) : [named]
  const kinds = await kindsOfGroups(reader, groups)
  const paths = kinds.map(({ group, version, resource }) => kubePath({ group, version, resource }))
  return { at: now, ...(named === undefined ? {} : { named }), groups, paths }
}

/** The groups that look like HPC's now, in one call. Undefined when the cluster does not say: then the objects are listed as ever. */
export async function groupsNow(reader: KubeReader): Promise<readonly string[] | undefined> {
  try {
    return await findHpcGroups(reader)
  } catch (error) {
    if (error instanceof KubeError || error instanceof CloudError) return undefined
    throw error
  }
}

import type { SendOptions } from '#cloud/cloud.ts'
import { KubeError, type KubeReader, kubePath } from '#cloud/kube.ts'
import type { CronScalerConfig } from './event.ts'
import type { ScaleChange } from './scale-change.ts'
import { targetOf, type VersionedTarget } from './scaled-object.ts'
import { resourceOf } from './target.ts'

/** A target at this moment: `gone` when there is no such object, `strange` when it does not look like its kind. */
export type LiveTarget = VersionedTarget | 'gone' | 'strange'

/** Where the API serves the target of a change. */
export function pathOf({ target }: ScaleChange): string {
  return kubePath({ ...resourceOf(target.kind), namespace: target.namespace, name: target.name })
}

/** Options for calls to the cluster of a change. */
export function regionOf({ cluster }: ScaleChange, config: CronScalerConfig): SendOptions {
  const region = config.clusters.find(({ id }) => id === cluster)?.region
  return region === undefined ? {} : { region }
}

/** Reads the target of a change. Throws KubeError and CloudError when it cannot be read. */
export async function readLive(kube: KubeReader, change: ScaleChange): Promise<LiveTarget> {
  try {
    return targetOf(await kube.get(pathOf(change)), change.target.kind) ?? 'strange'
  } catch (error) {
    if (error instanceof KubeError && error.kind === 'kube.not-found') return 'gone'
    throw error
  }
}

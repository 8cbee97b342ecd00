import type { Config } from '#shared/runtime/config.ts'

/** The key of a ConfigMap that says whether all is to stop. */
export interface SwitchPlace {
  readonly namespace: string
  readonly name: string
  readonly key: string
}

/** Where the kill switch of a configuration is, if it is a ConfigMap of this cluster. */
export function switchIn(config: Pick<Config, 'guard' | 'clusters'>, clusterId: string): SwitchPlace | undefined {
  const killSwitch = config.guard?.killSwitch
  if (killSwitch?.kind !== 'configMap') return undefined
  const cluster = config.clusters.find(({ id, name }) => id === killSwitch.cluster || name === killSwitch.cluster)
  return cluster?.id === clusterId ? { namespace: killSwitch.namespace, name: killSwitch.name, key: killSwitch.key } : undefined
}

export function isSwitchMap(place: SwitchPlace, namespace: string, name: string): boolean {
  return place.namespace === namespace && place.name === name
}

import { type KubeReader, kubePath } from '#cloud/kube.ts'
import { type KillSwitch, killSwitchValue, unreachable } from './kill-switch.ts'

/** Where in a cluster the switch is. */
export interface SwitchConfigMap {
  readonly namespace: string
  readonly name: string
  /** Of `data`. */
  readonly key: string
}

/**
 * The switch as a key of a Kubernetes ConfigMap, so that whoever may edit it can stop everything with kubectl. A ConfigMap or
 * key that is not there cannot be read, so it stops.
 */
export function configMapKillSwitch(
  { namespace, name: object, key }: SwitchConfigMap,
  kube: Pick<KubeReader, 'clusterId' | 'get'>,
): KillSwitch {
  const name = `the kill switch in key ${key} of ConfigMap ${namespace}/${object} of ${kube.clusterId}`
  return {
    name,
    read: async () => {
      let data: unknown
      try {
        const path = kubePath({ version: 'v1', resource: 'configmaps', namespace, name: object }, kube.clusterId)
        data = (await kube.get(path)).data
      } catch (error) {
        // Whatever goes wrong with reading, nobody knows what the switch says.
        throw unreachable(name, error instanceof Error ? error.message : String(error), error)
      }
      if (typeof data !== 'object' || data === null || !Object.hasOwn(data, key)) throw unreachable(name, 'the ConfigMap has no such key.')
      return killSwitchValue(Reflect.get(data, key), name)
    },
  }
}

import type { KubeReader } from '#cloud/kube.ts'
import type { KillSwitch } from './kill-switch.ts'
import { configMapKillSwitch, type SwitchConfigMap } from './kill-switch-config-map.ts'
import { parameterKillSwitch, type ReadSwitchParameter } from './kill-switch-parameter.ts'
import { storeKillSwitch } from './kill-switch-store.ts'
import type { Store } from './store.ts'

/** Where the switch is, as configured. */
export type KillSwitchSettings =
  | { readonly kind: 'store' }
  | { readonly kind: 'ssm'; readonly parameter: string }
  /** `cluster` is the id or the name of a configured cluster. */
  | ({ readonly kind: 'configMap'; readonly cluster: string } & SwitchConfigMap)

/** What the kinds of switches need. Only the one that is configured is used. */
export interface KillSwitchPorts {
  readonly store: Store
  readonly readParameter: ReadSwitchParameter
  /** Answers a reader of the cluster with this id or name. */
  readonly kubeReader: (cluster: string) => Pick<KubeReader, 'clusterId' | 'get'>
}

/** Makes the switch that the settings ask for. Reads nothing yet. */
export function killSwitchOf(settings: KillSwitchSettings, ports: KillSwitchPorts): KillSwitch {
  switch (settings.kind) {
    case 'store':
      return storeKillSwitch(ports.store)
    case 'ssm':
      return parameterKillSwitch(settings.parameter, ports.readParameter)
    case 'configMap':
      return configMapKillSwitch(settings, ports.kubeReader(settings.cluster))
  }
}

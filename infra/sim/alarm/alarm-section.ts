import { machineType, networkOf, spareName } from './alarm-network.ts'
import { requestsAbove, type SimConfirm, type SimMechanism, type SimPolicy } from './alarm-policies.ts'
import { type AlarmScene, nodeCores, type SimPool, threshold } from './alarm-scene.ts'

/** Where the figures of worlds are asked for. */
export const figuresHost = 'figures.invalid'

const secrets = ['env:SIM_ALARM_TOKEN']

/** `functions.alarm-scaler` of a world. */
export function alarmSection({ pools, policies, platform }: AlarmScene): object {
  return {
    sources: {
      alertmanager: { kind: 'alertmanager', secrets },
      'tencent-monitor': { kind: 'tencent-monitor', secrets },
      cloudwatch: { kind: 'cloudwatch', secrets },
    },
    approval: { secret: 'env:SIM_APPROVAL_SECRET', baseUrl: 'https://hooks.invalid' },
    reconcileEvery: '10m',
    pools: pools.map(({ name, cluster, max }) => ({ name, cluster, labels: { pool: name }, max })),
    policies: policies.map((policy) => ({
      name: policy.name,
      match: { alert: policy.alert },
      pool: pools[policy.pool]?.name,
      mode: policy.mode,
      confirm: [confirmSetting(policy.confirm, policy.name)],
      steps: policy.steps,
      mechanisms: policy.mechanisms.map((mechanism) => mechanismSetting(mechanism, pools[policy.pool], platform.hasAutoscaler)),
      warmUp: seconds(policy.warmUpMs),
      cooldown: { out: seconds(policy.outMs), in: seconds(policy.inMs) },
      caps: policy.caps,
      freshFor: seconds(policy.freshForMs),
      quotaReserve: policy.quotaReserve,
      licence: { guard: policy.guardsLicence },
      clusterAutoscaler: policy.sharesGroup ? 'share' : 'refuse',
      provision: seconds(policy.provisionMs),
      lease: seconds(policy.leaseMs),
      recovery: {
        enabled: policy.recovers,
        after: seconds(policy.afterMs),
        drainDeadline: seconds(policy.drainDeadlineMs),
        atATime: policy.atATime,
        drain: policy.drain,
      },
    })),
  }
}

function seconds(ms: number): string {
  return `${ms / 1000}s`
}

function confirmSetting(confirm: SimConfirm, policy: SimPolicy['name']): object {
  switch (confirm) {
    case 'pendingPods':
      return { pendingPods: { atLeast: 1 } }
    case 'requests':
      return { requests: { cpuPercentAbove: requestsAbove } }
    case 'prometheus':
      return { prometheus: { url: `https://${figuresHost}`, query: `figure_of_${policy.replaceAll('-', '_')}`, above: threshold } }
  }
}

function mechanismSetting(mechanism: SimMechanism, pool: SimPool | undefined, hasAutoscaler: boolean): object {
  const { vpcId, subnetId, zone } = networkOf(pool?.cluster ?? '')
  switch (mechanism) {
    case 'scaling-group':
      return { kind: mechanism, group: pool?.group, cores: nodeCores, ...(hasAutoscaler ? {} : { bounds: pool?.bounds }) }
    case 'new-instances':
      return {
        kind: mechanism,
        cores: nodeCores,
        order: {
          Placement: { Zone: zone },
          VirtualPrivateCloud: { VpcId: vpcId, SubnetId: subnetId },
          InstanceType: machineType,
        },
      }
    case 'virtual-nodes':
      return { kind: mechanism, nodePool: pool?.nodePool, subnets: pool?.subnets }
    case 'existing-instances':
      return { kind: mechanism, names: [spareName(pool?.name ?? '', '*')] }
  }
}

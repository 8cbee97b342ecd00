import { actionText, type PlatformAction } from './permissions.ts'

/** A policy of the platform's access management (CAM), for the sub-account or role that a function signs as. */
export interface CamPolicy {
  readonly version: '2.0'
  readonly statement: readonly {
    readonly effect: 'allow'
    readonly action: readonly string[]
    readonly resource: readonly string[]
  }[]
}

/**
 * Which actions can be limited to clusters, and what else they touch. From the manual's chapter on access management, its
 * table of TKE actions with resource-level permission; an action that the table does not list can only be granted on `*`.
 */
const clusterActions: Readonly<Record<string, readonly string[]>> = {
  'tke:AddClusterInstances': ['qcs::cvm:::instance/*'],
  'tke:DeleteCluster': [],
  'tke:DeleteClusterInstances': ['qcs::cvm:::instance/*'],
  'tke:DescribeClusterInstances': [],
}

/**
 * Names under which access management knows a service's actions. The manual's policies call TKE by its older name, `ccs`, and
 * so do its resources; the API itself says `tke`. Both name the same action.
 */
const policyNames: Readonly<Record<string, readonly string[]>> = { tke: ['tke', 'ccs'] }

/**
 * The least policy for these actions: those that can be limited to clusters on exactly the configured ones (on every cluster
 * when none is configured), the rest on everything, as the platform demands. An empty region and account in a resource mean all
 * regions and the policy's own account; a cluster's id is unique.
 */
export function camPolicy(actions: readonly PlatformAction[], clusterIds: readonly string[]): CamPolicy {
  const clusters = clusterIds.length === 0 ? ['qcs::ccs:::cluster/*'] : clusterIds.toSorted().map((id) => `qcs::ccs:::cluster/${id}`)
  const byResource = new Map<string, { readonly resource: readonly string[]; readonly action: string[] }>()
  for (const action of actions) {
    const besides = clusterActions[actionText(action)]
    const resource = besides === undefined ? ['*'] : [...clusters, ...besides]
    const key = resource.join(' ')
    const statement = byResource.get(key) ?? { resource, action: [] }
    byResource.set(key, statement)
    for (const service of policyNames[action.service] ?? [action.service]) statement.action.push(`${service}:${action.name}`)
  }
  return {
    version: '2.0',
    statement: [...byResource.values()].map(({ resource, action }) => ({ effect: 'allow', action: action.sort(), resource })),
  }
}

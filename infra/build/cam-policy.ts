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
 * What the registry's own chapter on permissions calls the same thing, and what it is done to: a repository, or the tags of one. Its
 * actions go by the registry's older name, `ccr`, and are the only ones that can be limited to repositories.
 */
const repositoryActions: Readonly<Record<string, { readonly name: string; readonly on: 'repository' | 'tags' }>> = {
  'tcr:BatchDeleteImagePersonal': { name: 'ccr:DeleteTag', on: 'tags' },
  'tcr:DeleteImagePersonal': { name: 'ccr:DeleteTag', on: 'tags' },
  'tcr:DescribeRepositoryOwnerPersonal': { name: 'ccr:GetUserRepositoryList', on: 'repository' },
}

/**
 * Names under which access management knows a service's actions. The manual's policies call TKE by its older name, `ccs`, and
 * so do its resources; the API itself says `tke`. Both name the same action.
 */
const policyNames: Readonly<Record<string, readonly string[]>> = { tke: ['tke', 'ccs'] }

/** What a policy may be limited to. */
export interface CamLimits {
  /** Clusters by id; every one when there are none. */
  readonly clusterIds: readonly string[]
  /** Globs over `namespace/name` of repositories; every one when there are none. */
  readonly repositories?: readonly string[] | undefined
}

/**
 * The least policy for these actions: those that can be limited to clusters or repositories on exactly the configured ones (on every
 * one when none is configured), the rest on everything, as the platform demands. An empty region and account in a resource mean all
 * regions and the policy's own account; a cluster's id is unique.
 */
export function camPolicy(
  actions: readonly Pick<PlatformAction, 'service' | 'name'>[],
  { clusterIds, repositories = [] }: CamLimits,
): CamPolicy {
  const clusters = clusterIds.length === 0 ? ['qcs::ccs:::cluster/*'] : clusterIds.toSorted().map((id) => `qcs::ccs:::cluster/${id}`)
  const byResource = new Map<string, { readonly resource: readonly string[]; readonly action: Set<string> }>()
  const grant = (resource: readonly string[], name: string): void => {
    const key = resource.join(' ')
    const statement = byResource.get(key) ?? { resource, action: new Set() }
    byResource.set(key, statement)
    statement.action.add(name)
  }
  for (const action of actions) {
    const besides = clusterActions[actionText(action)]
    const resource = besides === undefined ? ['*'] : [...clusters, ...besides]
    for (const service of policyNames[action.service] ?? [action.service]) grant(resource, `${service}:${action.name}`)
    const own = repositoryActions[actionText(action)]
    if (own !== undefined) grant(repositoriesOf(repositories, own.on), own.name)
  }
  return {
    version: '2.0',
    statement: [...byResource.values()].map(({ resource, action }) => ({ effect: 'allow', action: [...action].sort(), resource })),
  }
}

/** Resources of the registry. Its patterns know one star, which stops at nothing, and no question mark. */
function repositoriesOf(globs: readonly string[], on: 'repository' | 'tags'): string[] {
  const patterns = globs.length === 0 ? ['*'] : globs.map((glob) => glob.replace(/\*+|\?/g, '*'))
  return [...new Set(patterns)].sort().map((pattern) => `qcs::ccr:::repo/${pattern}${on === 'tags' && pattern !== '*' ? ':*' : ''}`)
}

/**
 * What the catalog leaves open and a person had to decide, each with its reason. The generator reads this file; the
 * catalog itself stays as extracted.
 */

/** Actions that only read. Everything that is not named by these prefixes or in `readActions` counts as a write. */
export const readPrefixes = ['Describe', 'Get', 'List', 'Check', 'Validate', 'Query'] as const

/** Reads whose name does not say so. */
export const readActions: ReadonlySet<string> = new Set([
  'CollectAllCore', // collects figures for the caller; the platform's state stays as it is
])

/**
 * How a write behaves when it is sent twice, for writes whose name does not settle it.
 * `absolute`: names an end state, so the second call changes nothing (or answers "not found" after a delete).
 * `named`: creates something under a name the caller chose, so the second call is refused, not doubled.
 * `relative`: adds to what is there, so the second call costs a second time.
 */
export const repeatByPrefix: readonly (readonly [prefix: string, repeat: Repeat])[] = [
  ['Modify', 'absolute'],
  ['Update', 'absolute'],
  ['Manage', 'absolute'],
  ['Enable', 'absolute'],
  ['Disable', 'absolute'],
  ['Delete', 'absolute'],
  ['BatchDelete', 'absolute'],
  ['Drain', 'absolute'],
]

export type Repeat = 'absolute' | 'named' | 'relative'

export const repeatByAction: Readonly<Record<string, Repeat>> = {
  AddClusterInstances: 'relative', // buys machines at each call
  AddExistedInstances: 'absolute', // names the machines by id
  AddVpcCniSubnets: 'absolute', // names the subnets by id
  CreateApplicationTriggerPersonal: 'named',
  CreateCluster: 'relative', // the same name may exist twice
  CreateClusterAsGroup: 'relative',
  CreateClusterEndpoint: 'named', // one per cluster and network
  CreateClusterInstances: 'relative', // buys machines at each call, unless RunInstancePara carries a ClientToken
  CreateClusterVirtualNode: 'relative',
  CreateClusterVirtualNodePool: 'relative',
  CreateImageLifecyclePersonal: 'absolute', // one policy per repository, replaced
  CreateInstance: 'named',
  CreateInstanceToken: 'relative', // a further token each time
  CreateLogCollector: 'named',
  CreateNamespacePersonal: 'named',
  CreateRepositoryPersonal: 'named',
  CreateUserPersonal: 'named',
  DuplicateImagePersonal: 'absolute', // names the destination tag
  ForwardRequest: 'relative', // whatever the forwarded request is; unknown counts as the worst
  UploadHelmChart: 'absolute', // name and version come from the chart
}

/**
 * Output fields that are arrays although the manual's tables drop "Array of" and the field's name does not give it away
 * by a plural or `…Set`/`…Ids`/`…List` ending.
 */
export const arrayOutputs: ReadonlySet<string> = new Set([
  'CollectAllCore.Data', // one MachineCore per product
])

/** Output fields with a plural-looking name that hold one value. */
export const singleOutputs: ReadonlySet<string> = new Set(['DescribeClusterEndpointStatus.Status', 'QueryOverage.Pass'])

/** Structures that the manual defines under one spelling and uses under another: use -> definition. */
export const structureAliases: Readonly<Record<string, string>> = {
  SearchUserRepositoryResp: 'SearchUserRepositoryRsp',
  FileEntry: 'fileEntry',
  PayLoad: 'Payload',
}

/** Where the rows of a paged answer stand, for answers that wrap them in `Data`. */
export const pagedRows: Readonly<Record<string, { readonly items: readonly string[]; readonly total: readonly string[] }>> = {
  DescribeApplicationTriggerLogPersonal: { items: ['Data', 'LogInfo'], total: ['Data', 'TotalCount'] },
  DescribeApplicationTriggerPersonal: { items: ['Data', 'TriggerInfo'], total: ['Data', 'TotalCount'] },
  DescribeFavorRepositoryPersonal: { items: ['Data', 'RepoInfo'], total: ['Data', 'TotalCount'] },
  DescribeImagePersonal: { items: ['Data', 'TagInfo'], total: ['Data', 'TagCount'] },
  DescribeNamespacePersonal: { items: ['Data', 'NamespaceInfo'], total: ['Data', 'NamespaceCount'] },
  DescribeRepositoryFilterPersonal: { items: ['Data', 'RepoInfo'], total: ['Data', 'TotalCount'] },
  DescribeRepositoryOwnerPersonal: { items: ['Data', 'RepoInfo'], total: ['Data', 'TotalCount'] },
}

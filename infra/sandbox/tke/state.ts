/**
 * What the sandbox knows about TKE: plain JSON, times as epoch milliseconds, sizes with their unit in the name. A field
 * that is named after the API (`status`, `role`) holds the API's own spelling. What takes time on the platform carries
 * the instant at which it ends; `advanceTke` lets it end.
 */
export interface TkeState {
  /** The clusters of the account in all regions, by id. */
  readonly clusters: { [clusterId: string]: ClusterState }
  /** Every cloud machine of the account by instance id, in a cluster or not. */
  readonly machines: { [instanceId: string]: MachineState }
  /** The private networks, by id. A cluster, a machine and a subnet name one. */
  readonly vpcs: { [vpcId: string]: VpcState }
  /** Limits by region; the region `*` holds those of every region that is not listed. */
  readonly quotas: { [region: string]: QuotaState }
  readonly licence: LicenceState
  /** Helm charts by name. */
  readonly charts: { [chartName: string]: ChartState }
  /** Chart archives that lie in object storage and wait for UploadHelmChart, by path. */
  readonly archives: { [cosPath: string]: ChartArchive }
  /** The ClientToken values seen in RunInstancePara, with what they bought. */
  readonly runTokens: { [clientToken: string]: RunToken }
  /** How this copy of the platform behaves where behaviour varies: delays, stock, failures, token support. */
  readonly behaviour: BehaviourState
}

export interface ClusterState {
  readonly clusterId: string
  readonly region: string
  clusterName: string
  description: string
  /** The Kubernetes version without a leading `v`: `1.20.6`. */
  readonly version: string
  readonly os: string
  readonly imageId: string
  readonly osCustomizeType: string
  readonly type: 'MANAGED_CLUSTER' | 'INDEPENDENT_CLUSTER'
  readonly arch: 'x86' | 'arm'
  status: 'Creating' | 'Running' | 'Abnormal'
  readonly createdMs: number
  /** When creation ends; in the past for a cluster that is done. */
  readonly readyAtMs: number
  readonly network: ClusterNetworkState
  readonly projectId: number
  readonly tags: { key: string; value: string }[]
  containerRuntime: string
  readonly nodeNameType: 'lan-ip' | 'hostname'
  /** What its API server is entered with, and its certificate authority. */
  readonly access: ClusterAccessState
  readonly endpoints: { intranet: EndpointState | null; extranet: EndpointState | null }
  readonly asOption: AsOptionState
  readonly autoscaler: AutoscalerState
  readonly asGroups: { [autoScalingGroupId: string]: AsGroupState }
  readonly virtualNodePools: { [nodePoolId: string]: VirtualNodePoolState }
  readonly log: { enabled: boolean; readonly collectors: { [name: string]: LogCollectorState } }
  audit: AuditState | null
}

export interface ClusterNetworkState {
  readonly vpcId: string
  /** `GR` routes pods over the VPC's global route, `VPC-CNI` gives them addresses of subnets. */
  readonly networkType: 'GR' | 'VPC-CNI'
  /** Empty for VPC-CNI. */
  readonly clusterCidr: string
  readonly serviceCidr: string
  readonly ignoreClusterCidrConflict: boolean
  readonly maxNodePodNum: number
  readonly maxClusterServiceNum: number
  readonly ipvs: boolean
  readonly dualStack: boolean
  /** The subnets that VPC-CNI takes pod addresses from. */
  readonly eniSubnetIds: string[]
  readonly claimExpiredSeconds: number
}

export interface ClusterAccessState {
  readonly userName: string
  readonly password: string
  /** PEM. Of the right shape, of no cryptographic worth. */
  readonly certificationAuthority: string
  readonly token: string
}

export interface EndpointState {
  status: 'Creating' | 'Created'
  readonly readyAtMs: number
  readonly address: string
  readonly port: number
  readonly subnetId: string
  readonly domain: string
  readonly securityGroup: string
}

/** The cluster autoscaler's settings, with the API's defaults filled in. */
export interface AsOptionState {
  isScaleDownEnabled: boolean
  expander: 'random' | 'most-pods' | 'least-waste'
  maxEmptyBulkDelete: number
  scaleDownDelayMinutes: number
  scaleDownUnneededMinutes: number
  scaleDownUtilizationPercent: number
  skipNodesWithLocalStorage: boolean
  skipNodesWithSystemPods: boolean
  ignoreDaemonSetsUtilization: boolean
  maxTotalUnreadyPercentage: number
  okTotalUnreadyCount: number
  scaleDownUnreadyMinutes: number
  unregisteredNodeRemovalMinutes: number
}

/** What the cluster autoscaler remembers between two looks. */
export interface AutoscalerState {
  lastScanMs: number
  /** When it last enlarged a group; scale-down waits from here. */
  lastScaleOutMs: number
  /** Since when a node of a scaling group has been idle, by instance id. */
  readonly idleSinceMs: { [instanceId: string]: number }
}

export type AsGroupStatus =
  | 'enabled'
  | 'enabling'
  | 'disabled'
  | 'disabling'
  | 'updating'
  | 'deleting'
  | 'scaleDownEnabling'
  | 'scaleDownDisabling'

export interface AsGroupState {
  readonly autoScalingGroupId: string
  readonly launchConfigurationId: string
  readonly name: string
  status: AsGroupStatus
  /** A passing status (enabling, updating, …) becomes `status` at `atMs`, or the group is gone; null when settled. */
  settles: { readonly atMs: number; readonly status: 'enabled' | 'disabled' | 'gone' } | null
  /** Only while deleting: whether its machines stay in the cluster. */
  keepInstances: boolean
  minSize: number
  maxSize: number
  /** How many machines the group wants now; always within its bounds once it is enabled. */
  desiredSize: number
  /** What a new machine of the group looks like. */
  readonly launch: LaunchState
  readonly unschedulable: boolean
  readonly labels: LabelState[]
  readonly createdMs: number
  /** No scaling activity starts before this instant. */
  nextActivityMs: number
  /** Scale-outs that failed in a row; each doubles the wait for the next. */
  failuresInARow: number
  /** What the group did, oldest first; the last fifty are kept. */
  readonly activities: AsActivityState[]
}

export interface AsActivityState {
  readonly activityId: string
  readonly kind: 'scale-out' | 'scale-in'
  readonly atMs: number
  readonly status: 'SUCCESSFUL' | 'FAILED'
  readonly message: string
  readonly instanceIds: string[]
}

export interface LaunchState {
  readonly launchConfigurationName: string
  readonly instanceType: string
  readonly vpcId: string
  /** New machines go to these in turn. */
  readonly subnetIds: string[]
  readonly chargeType: ChargeType
  readonly securityGroupIds: string[]
  readonly publicIp: boolean
  readonly settings: NodeSettingsState
}

export type ChargeType = 'PREPAID' | 'POSTPAID_BY_HOUR' | 'CDHPAID'

export interface MachineState {
  readonly instanceId: string
  instanceName: string
  readonly region: string
  readonly zone: string
  readonly vpcId: string
  readonly subnetId: string
  readonly instanceType: string
  readonly arch: 'x86' | 'arm'
  readonly cpuCores: number
  readonly memoryGib: number
  readonly privateIp: string
  readonly publicIp: string | null
  readonly chargeType: ChargeType
  osName: string
  /** Whether the machine itself is up; a stopped one cannot join a cluster. */
  power: 'RUNNING' | 'STOPPED'
  securityGroupIds: string[]
  readonly createdMs: number
  /** Its place in a cluster; null for a machine that stands alone. */
  node: NodeState | null
}

export type NodeRole = 'WORKER' | 'MASTER_ETCD'

export interface NodeState {
  readonly clusterId: string
  readonly role: NodeRole
  state: 'initializing' | 'running' | 'failed'
  /** Why it failed or what it is doing while it initialises; empty when it runs. */
  reason: string
  readonly addedMs: number
  /** When initialisation ends, one way or the other. */
  readonly readyAtMs: number
  /** How initialisation ends: null for running, else the reason of the failure. Settled when the machine is bought. */
  readonly failure: string | null
  /** The name of its Kubernetes Node: the private address, or the host name where the cluster says so. */
  readonly nodeName: string
  /** The scaling group that owns it; null for a machine that was added by hand. */
  asGroupId: string | null
  readonly settings: NodeSettingsState
}

/** InstanceAdvancedSettings, as far as they mean something later. */
export interface NodeSettingsState {
  readonly mountTarget: string
  readonly dockerGraphPath: string
  readonly userScript: string
  readonly preStartUserScript: string
  readonly unschedulable: boolean
  readonly labels: LabelState[]
  readonly dataDisks: DataDiskState[]
  readonly kubeletArgs: string[]
}

export interface DataDiskState {
  readonly diskType: string
  readonly fileSystem: string
  readonly diskSizeGib: number
  readonly autoFormatAndMount: boolean
  readonly mountTarget: string
}

export interface LabelState {
  readonly name: string
  readonly value: string
}

export interface TaintState {
  readonly key: string
  readonly value: string
  readonly effect: string
}

export interface VirtualNodePoolState {
  readonly nodePoolId: string
  name: string
  lifeState: 'creating' | 'normal'
  readonly readyAtMs: number
  readonly subnetIds: string[]
  readonly securityGroupIds: string[]
  labels: LabelState[]
  taints: TaintState[]
  unschedulable: boolean
  readonly createdMs: number
  /** By node name. */
  readonly nodes: { [nodeName: string]: VirtualNodeState }
}

export interface VirtualNodeState {
  readonly name: string
  readonly subnetId: string
  /** `Drained` is a running node that was emptied and takes no pods. */
  phase: 'Pending' | 'Running' | 'Drained' | 'Failed'
  readonly privateIp: string
  readonly createdMs: number
  readonly readyAtMs: number
  readonly failure: string | null
}

export interface LogCollectorState {
  readonly name: string
  description: string
  readonly createdMs: number
  inputType: string
  outputType: string
  /** As sent, in the API's own spelling and checked against its shape; null when not sent. */
  input: LogInputState | null
  output: LogOutputState | null
}

export interface LogInputState {
  readonly path: string | null
  readonly label: LabelState | null
  readonly allNamespaces: boolean | null
  readonly namespace: { readonly namespace: string; readonly allContainers: boolean | null; readonly services: string[] | null } | null
}

export interface LogOutputState {
  readonly instanceId: string | null
  readonly topicId: string | null
  readonly host: string | null
  readonly port: string | null
  readonly topic: string | null
  readonly logsetId: string | null
}

export interface AuditState {
  readonly logsetId: string
  readonly topicId: string
  readonly regionId: string
  readonly enabledMs: number
}

export interface VpcState {
  readonly vpcId: string
  readonly region: string
  readonly cidr: string
  readonly subnets: { [subnetId: string]: SubnetState }
  /** Destinations of the VPC's global route table that belong to no cluster (peering, direct connect). */
  readonly globalRoutes: string[]
}

export interface SubnetState {
  readonly subnetId: string
  readonly zone: string
  readonly cidr: string
  /** How many addresses were handed out; the next machine gets the address after them. Addresses are not reused. */
  used: number
}

export interface QuotaState {
  maxClusters: number
  maxNodesPerCluster: number
}

export interface LicenceState {
  /** Version of the licence report that CollectAllCore answers. */
  readonly version: string
  readonly unit: string
  /** CPU cores paid for, by region; a region that is not listed is unlimited. */
  readonly entitledCores: { [region: string]: number }
  /**
   * What QueryOverage means by `Pass: "true"`. The manual describes it as "is over-used" and names it the opposite, so
   * both kinds of platform exist here.
   */
  passMeans: 'within' | 'over'
}

export interface ChartState {
  readonly name: string
  readonly namespace: string
  readonly registryId: string
  /** By version. */
  readonly versions: { [version: string]: ChartVersionState }
}

export interface ChartVersionState extends ChartArchive {
  readonly uploadedMs: number
  /** `sha256:` of the content. */
  readonly digest: string
}

/** One packaged chart. */
export interface ChartArchive {
  readonly name: string
  readonly version: string
  readonly apiVersion: string
  readonly appVersion: string
  readonly description: string
  /** The text of values.yaml. */
  readonly values: string
  /** Path inside the chart -> text. */
  readonly templates: { [path: string]: string }
  readonly files: { [path: string]: string }
}

export interface RunToken {
  /** What the token was first sent with, so that another request under the same token is refused. */
  readonly request: string
  readonly instanceIds: string[]
  readonly atMs: number
}

export interface BehaviourState {
  /** Whether a ClientToken inside RunInstancePara is honoured; if not, it is ignored and each call buys again. */
  clientTokens: boolean
  clusterCreateMs: number
  /** A node takes between these two to become running, drawn when it is bought. */
  nodeBootMinMs: number
  nodeBootMaxMs: number
  /** Share (0 to 1) of new nodes, real and virtual, that end as failed, and with which reason. */
  nodeFailureShare: number
  nodeFailureReason: string
  /** Sold out: instance types (`S5.LARGE8`), zones (`ap-guangzhou-3`) or both (`ap-guangzhou-3/S5.LARGE8`). */
  soldOut: string[]
  /** Share (0 to 1) of existing machines whose addition is reported in TimeoutInstanceIds (it happens all the same). */
  addTimeoutShare: number
  endpointCreateMs: number
  /** How long a scaling group stays enabling, updating, … */
  asGroupSettleMs: number
  /** Least time between two scaling activities of one group, and the most machines one activity adds. */
  asGroupIntervalMs: number
  asGroupBatch: number
  /** How often the cluster autoscaler looks for pods without a place; 0 switches it off. */
  autoscalerScanMs: number
  virtualNodePoolCreateMs: number
  virtualNodeCreateMs: number
}

/** A platform with nothing in it, and with the delays of an ordinary day. */
export function createTkeState(): TkeState {
  return {
    clusters: {},
    machines: {},
    vpcs: {},
    quotas: { '*': { maxClusters: 5, maxNodesPerCluster: 40 } },
    licence: { version: '3.0', unit: 'core', entitledCores: {}, passMeans: 'over' },
    charts: {},
    archives: {},
    runTokens: {},
    behaviour: {
      clientTokens: true,
      clusterCreateMs: 300_000,
      nodeBootMinMs: 90_000,
      nodeBootMaxMs: 180_000,
      nodeFailureShare: 0,
      nodeFailureReason: 'The node did not register with the cluster in time.',
      soldOut: [],
      addTimeoutShare: 0,
      endpointCreateMs: 20_000,
      asGroupSettleMs: 5_000,
      asGroupIntervalMs: 30_000,
      asGroupBatch: 10,
      autoscalerScanMs: 10_000,
      virtualNodePoolCreateMs: 15_000,
      virtualNodeCreateMs: 20_000,
    },
  }
}

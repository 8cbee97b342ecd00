import * as z from 'zod/mini'
import type { ClusterAsGroup, ClusterAsGroupOption } from '#cloud/generated/tke/structures.ts'
import { PlatformFault } from '../reducer.ts'
import { findCluster, findRunningCluster, findSubnet } from './find-cluster.ts'
import { instanceType } from './instance-types.ts'
import { isoTime } from './iso-time.ts'
import { lookUp } from './look-up.ts'
import { labelsAnswer, labelsOf, settingsOf } from './node-settings.ts'
import { pageOf } from './page-of.ts'
import { orderFault, parseJson } from './run-order.ts'
import type { AsGroupState, AsOptionState, ClusterState } from './state.ts'
import type { TkeReducer } from './tke-reducer.ts'

/** The most machines a group may have (the manual's scaling questions). */
const largestGroup = 200

const anything = z.optional(z.unknown())
const size = z.int('it is a whole number').check(z.minimum(0, 'at least 0'), z.maximum(largestGroup, `at most ${largestGroup}`))

/** The keys of AS CreateAutoScalingGroup; LaunchConfigurationId is not among them, the platform makes it. */
const AutoScalingGroup = z.strictObject({
  AutoScalingGroupName: z.string().check(z.minLength(1), z.maxLength(55)),
  MinSize: size,
  MaxSize: size,
  DesiredCapacity: z.optional(size),
  VpcId: z.string(),
  SubnetIds: z.array(z.string()).check(z.minLength(1)),
  Zones: anything,
  DefaultCooldown: z.optional(z.int()),
  LoadBalancerIds: anything,
  ForwardLoadBalancers: anything,
  ProjectId: anything,
  TerminationPolicies: anything,
  RetryPolicy: z.optional(z.enum(['IMMEDIATE_RETRY', 'INCREMENTAL_INTERVALS', 'NO_RETRY'])),
  ZonesCheckPolicy: anything,
  Tags: anything,
  ServiceSettings: anything,
  Ipv6AddressCount: anything,
  MultiZoneSubnetPolicy: anything,
  HealthCheckType: anything,
  LoadBalancerHealthCheckGracePeriod: anything,
  InstanceAllocationPolicy: anything,
  CapacityRebalance: anything,
})

/** The keys of AS CreateLaunchConfiguration. ImageId and UserData are taken from the cluster and are not looked into. */
const LaunchConfiguration = z.strictObject({
  LaunchConfigurationName: z.string().check(z.minLength(1)),
  InstanceType: z.string(),
  InstanceTypes: anything,
  InstanceTypesCheckPolicy: anything,
  InstanceChargeType: z.optional(z.enum(['POSTPAID_BY_HOUR', 'SPOTPAID'])),
  InstanceMarketOptions: anything,
  SecurityGroupIds: z.optional(z.array(z.string())),
  InternetAccessible: z.optional(z.looseObject({ PublicIpAssigned: z.optional(z.boolean()) })),
  ImageId: anything,
  UserData: anything,
  SystemDisk: anything,
  DataDisks: anything,
  LoginSettings: anything,
  EnhancedService: anything,
  CamRoleName: anything,
  ProjectId: anything,
  InstanceTags: anything,
  Tags: anything,
  HostNameSettings: anything,
  InstanceNameSettings: anything,
  DiskTypePolicy: anything,
})

const paraCodes = { invalid: 'InvalidParameter.AsCommonError', unknownKey: 'InvalidParameter.AsCommonError', missing: 'MissingParameter' }

/** Creates a scaling group with its launch configuration. It is enabled after a moment, and then grows to its minimum. */
export const createClusterAsGroup: TkeReducer<'CreateClusterAsGroup'> = (request, context) => {
  const cluster = findRunningCluster(context, request.ClusterId, { unknown: 'InvalidParameter', notRunning: 'UnsupportedOperation' })
  const group = read(AutoScalingGroup, request.AutoScalingGroupPara, 'AutoScalingGroupPara')
  const launch = read(LaunchConfiguration, request.LaunchConfigurePara, 'LaunchConfigurePara')
  const type = instanceType(launch.InstanceType)
  if (type === undefined) throw new PlatformFault('InvalidParameter.AsCommonError', `InstanceType ${launch.InstanceType} is not on offer.`)
  if (type.arch !== cluster.arch) {
    throw new PlatformFault(
      'InvalidParameter.AsCommonError',
      `${type.name} is ${type.arch}; cluster ${cluster.clusterId} is ${cluster.arch}.`,
    )
  }
  if (group.VpcId !== cluster.network.vpcId) {
    throw new PlatformFault(
      'InvalidParameter.AsCommonError',
      `VpcId is ${group.VpcId}; cluster ${cluster.clusterId} is in ${cluster.network.vpcId}.`,
    )
  }
  const stranger = group.SubnetIds.find((subnetId) => findSubnet(context.world, group.VpcId, subnetId) === undefined)
  if (stranger !== undefined) throw new PlatformFault('InvalidParameter.AsCommonError', `Subnet ${stranger} is not in ${group.VpcId}.`)
  const desired = group.DesiredCapacity ?? group.MinSize
  checkBounds(group.MinSize, group.MaxSize)
  if (desired < group.MinSize || desired > group.MaxSize) {
    throw new PlatformFault(
      'InvalidParameter.AsCommonError',
      `DesiredCapacity ${desired} is not within ${group.MinSize} to ${group.MaxSize}.`,
    )
  }
  const autoScalingGroupId = context.id('asg')
  const launchConfigurationId = context.id('asc')
  const settings = settingsOf(request.InstanceAdvancedSettings, request.Labels)
  cluster.asGroups[autoScalingGroupId] = {
    autoScalingGroupId,
    launchConfigurationId,
    name: group.AutoScalingGroupName,
    status: 'enabling',
    settles: { atMs: context.now + context.world.tke.behaviour.asGroupSettleMs, status: 'enabled' },
    keepInstances: false,
    minSize: group.MinSize,
    maxSize: group.MaxSize,
    desiredSize: desired,
    launch: {
      launchConfigurationName: launch.LaunchConfigurationName,
      instanceType: type.name,
      vpcId: group.VpcId,
      subnetIds: [...group.SubnetIds],
      chargeType: 'POSTPAID_BY_HOUR',
      securityGroupIds: [...(launch.SecurityGroupIds ?? [])],
      publicIp: launch.InternetAccessible?.PublicIpAssigned ?? false,
      settings,
    },
    unschedulable: settings.unschedulable,
    labels: labelsOf([...(request.InstanceAdvancedSettings?.Labels ?? []), ...(request.Labels ?? [])]),
    createdMs: context.now,
    nextActivityMs: context.now,
    failuresInARow: 0,
    activities: [],
  }
  return { LaunchConfigurationId: launchConfigurationId, AutoScalingGroupId: autoScalingGroupId }
}

function read<Shape extends z.ZodMiniType>(schema: Shape, text: string, field: string): z.output<Shape> {
  const value = parseJson(text, paraCodes.invalid, field)
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw orderFault(value, parsed.error.issues, paraCodes)
}

function checkBounds(minSize: number, maxSize: number): void {
  if (minSize < 0 || maxSize > largestGroup || minSize > maxSize) {
    throw new PlatformFault(
      'InvalidParameter.AsCommonError',
      `MinSize ${minSize} and MaxSize ${maxSize} do not fit: 0 <= MinSize <= MaxSize <= ${largestGroup}.`,
    )
  }
}

function findGroup(cluster: ClusterState, groupId: string): AsGroupState {
  const group = lookUp(cluster.asGroups, groupId)
  if (group === undefined) throw new PlatformFault('ResourceNotFound', `Cluster ${cluster.clusterId} has no scaling group ${groupId}.`)
  return group
}

/**
 * Deletes groups: they are deleting for a moment, then gone. Their machines are given back unless KeepInstance, which
 * leaves them in the cluster. All groups are checked before any is touched.
 */
export const deleteClusterAsGroups: TkeReducer<'DeleteClusterAsGroups'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'ResourceNotFound')
  if (request.AutoScalingGroupIds.length === 0) throw new PlatformFault('InvalidParameter', 'AutoScalingGroupIds names no group.')
  const groups = [...new Set(request.AutoScalingGroupIds)].map((groupId) => findGroup(cluster, groupId))
  const busy = groups.find((group) => group.status === 'deleting')
  if (busy !== undefined) throw new PlatformFault('ResourceInUse', `Scaling group ${busy.autoScalingGroupId} is being deleted already.`)
  for (const group of groups) {
    group.status = 'deleting'
    group.keepInstances = request.KeepInstance ?? false
    group.settles = { atMs: context.now + context.world.tke.behaviour.asGroupSettleMs, status: 'gone' }
  }
  return {}
}

/** The groups of a cluster, oldest first. Ids that do not exist are not among the rows. Bounds are not answered. */
export const describeClusterAsGroups: TkeReducer<'DescribeClusterAsGroups'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'InternalError.Param')
  const ids = request.AutoScalingGroupIds ?? []
  const rows = Object.values(cluster.asGroups)
    .filter((group) => ids.length === 0 || ids.includes(group.autoScalingGroupId))
    .sort((one, other) => one.createdMs - other.createdMs || (one.autoScalingGroupId < other.autoScalingGroupId ? -1 : 1))
  return {
    TotalCount: rows.length,
    ClusterAsGroupSet: pageOf(rows, request, 'InternalError.Param').map(
      (group): ClusterAsGroup => ({
        AutoScalingGroupId: group.autoScalingGroupId,
        Status: group.status,
        IsUnschedulable: group.unschedulable,
        Labels: labelsAnswer(group.labels),
        CreatedTime: isoTime(group.createdMs),
      }),
    ),
  }
}

/**
 * Changes a group's bounds, switches it on or off, or both. What the group wants is moved into the new bounds; machines
 * come and go afterwards, step by step. A group in a passing status is busy, and refuses.
 */
export const modifyClusterAsGroupAttribute: TkeReducer<'ModifyClusterAsGroupAttribute'> = (request, context) => {
  const cluster = findRunningCluster(context, request.ClusterId, { unknown: 'ResourceNotFound', notRunning: 'ResourceUnavailable' })
  const attribute = request.ClusterAsGroupAttribute
  if (attribute === undefined) throw new PlatformFault('MissingParameter', 'ClusterAsGroupAttribute is missing; it says what to change.')
  const group = findGroup(cluster, attribute.AutoScalingGroupId)
  if (group.settles !== null) {
    throw new PlatformFault('ResourceInUse', `Scaling group ${group.autoScalingGroupId} is ${group.status}; wait until that is done.`)
  }
  const minSize = Number(attribute.AutoScalingGroupRange?.MinSize ?? group.minSize)
  const maxSize = Number(attribute.AutoScalingGroupRange?.MaxSize ?? group.maxSize)
  checkBounds(minSize, maxSize)
  const wasEnabled = group.status === 'enabled'
  const enabled = attribute.AutoScalingGroupEnabled ?? wasEnabled
  const moved = minSize !== group.minSize || maxSize !== group.maxSize
  if (enabled === wasEnabled && !moved) return {}
  group.minSize = minSize
  group.maxSize = maxSize
  group.desiredSize = Math.min(maxSize, Math.max(minSize, group.desiredSize))
  group.status = enabled === wasEnabled ? 'updating' : enabled ? 'enabling' : 'disabling'
  group.settles = { atMs: context.now + context.world.tke.behaviour.asGroupSettleMs, status: enabled ? 'enabled' : 'disabled' }
  group.nextActivityMs = context.now
  group.failuresInARow = 0
  return {}
}

/** The settings of the cluster's autoscaler. */
export const describeClusterAsGroupOption: TkeReducer<'DescribeClusterAsGroupOption'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'InternalError.Param')
  const option = cluster.asOption
  return {
    ClusterAsGroupOption: {
      IsScaleDownEnabled: option.isScaleDownEnabled,
      Expander: option.expander,
      MaxEmptyBulkDelete: option.maxEmptyBulkDelete,
      ScaleDownDelay: option.scaleDownDelayMinutes,
      ScaleDownUnneededTime: option.scaleDownUnneededMinutes,
      ScaleDownUtilizationThreshold: option.scaleDownUtilizationPercent,
      SkipNodesWithLocalStorage: option.skipNodesWithLocalStorage,
      SkipNodesWithSystemPods: option.skipNodesWithSystemPods,
      IgnoreDaemonSetsUtilization: option.ignoreDaemonSetsUtilization,
      MaxTotalUnreadyPercentage: option.maxTotalUnreadyPercentage,
      OkTotalUnreadyCount: option.okTotalUnreadyCount,
      ScaleDownUnreadyTime: option.scaleDownUnreadyMinutes,
      UnregisteredNodeRemovalTime: option.unregisteredNodeRemovalMinutes,
    },
  }
}

/** Changes the autoscaler's settings; what is not sent stays. Switching scale-down passes through a status of its own. */
export const modifyClusterAsGroupOptionAttribute: TkeReducer<'ModifyClusterAsGroupOptionAttribute'> = (request, context) => {
  const cluster = findRunningCluster(context, request.ClusterId, {
    unknown: 'InternalError.ClusterNotFound',
    notRunning: 'ResourceUnavailable',
  })
  const groups = Object.values(cluster.asGroups)
  const busy = groups.find((group) => group.settles !== null)
  if (busy !== undefined)
    throw new PlatformFault('ResourceInUse', `Scaling group ${busy.autoScalingGroupId} is ${busy.status}; wait until that is done.`)
  const next = optionOf(request.ClusterAsGroupOption, cluster.asOption)
  const switched = next.isScaleDownEnabled !== cluster.asOption.isScaleDownEnabled
  Object.assign(cluster.asOption, next)
  for (const group of switched ? groups.filter((each) => each.status === 'enabled') : []) {
    group.status = next.isScaleDownEnabled ? 'scaleDownEnabling' : 'scaleDownDisabling'
    group.settles = { atMs: context.now + context.world.tke.behaviour.asGroupSettleMs, status: 'enabled' }
  }
  return {}
}

function optionOf(sent: ClusterAsGroupOption, old: AsOptionState): AsOptionState {
  const expander = (['random', 'most-pods', 'least-waste'] as const).find((name) => name === sent.Expander)
  if (expander === undefined) {
    throw new PlatformFault('UnsupportedOperation', `Expander is ${sent.Expander}; it is random, most-pods or least-waste.`)
  }
  const next: AsOptionState = {
    isScaleDownEnabled: sent.IsScaleDownEnabled,
    expander,
    maxEmptyBulkDelete: Number(sent.MaxEmptyBulkDelete ?? old.maxEmptyBulkDelete),
    scaleDownDelayMinutes: Number(sent.ScaleDownDelay ?? old.scaleDownDelayMinutes),
    scaleDownUnneededMinutes: Number(sent.ScaleDownUnneededTime ?? old.scaleDownUnneededMinutes),
    scaleDownUtilizationPercent: Number(sent.ScaleDownUtilizationThreshold ?? old.scaleDownUtilizationPercent),
    skipNodesWithLocalStorage: sent.SkipNodesWithLocalStorage ?? old.skipNodesWithLocalStorage,
    skipNodesWithSystemPods: sent.SkipNodesWithSystemPods ?? old.skipNodesWithSystemPods,
    ignoreDaemonSetsUtilization: sent.IgnoreDaemonSetsUtilization ?? old.ignoreDaemonSetsUtilization,
    maxTotalUnreadyPercentage: Number(sent.MaxTotalUnreadyPercentage ?? old.maxTotalUnreadyPercentage),
    okTotalUnreadyCount: Number(sent.OkTotalUnreadyCount ?? old.okTotalUnreadyCount),
    scaleDownUnreadyMinutes: Number(sent.ScaleDownUnreadyTime ?? old.scaleDownUnreadyMinutes),
    unregisteredNodeRemovalMinutes: Number(sent.UnregisteredNodeRemovalTime ?? old.unregisteredNodeRemovalMinutes),
  }
  // The console lets 0 to 80 percent through (the manual, on adjusting scaling groups).
  if (next.scaleDownUtilizationPercent < 0 || next.scaleDownUtilizationPercent > 80) {
    throw new PlatformFault(
      'UnsupportedOperation',
      `ScaleDownUtilizationThreshold is ${next.scaleDownUtilizationPercent}; it goes from 0 to 80.`,
    )
  }
  const negative = Object.entries(next).find(([, value]) => typeof value === 'number' && value < 0)
  if (negative !== undefined) throw new PlatformFault('UnsupportedOperation', `${negative[0]} is ${negative[1]}; it cannot be negative.`)
  return next
}

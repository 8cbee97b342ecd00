import type { Actions } from '#cloud/generated/actions.ts'
import type { NotModelled, Reducer } from '../reducer.ts'
import {
  createClusterAsGroup,
  deleteClusterAsGroups,
  describeClusterAsGroupOption,
  describeClusterAsGroups,
  modifyClusterAsGroupAttribute,
  modifyClusterAsGroupOptionAttribute,
} from './as-groups.ts'
import { disableClusterAudit, enableClusterAudit, getDashboardId } from './audit.ts'
import {
  deleteHelmChart,
  deleteHelmChartVersion,
  describeChartDownloadInfo,
  describeCosInfo,
  describeHelmChart,
  describeHelmChartDetail,
  describeHelmChartVersion,
  uploadHelmChart,
} from './charts.ts'
import { describeClusterKubeconfig, describeClusterSecurity } from './cluster-access.ts'
import { addVpcCniSubnets, checkClusterCidr } from './cluster-cidr.ts'
import { describeClusterServices } from './cluster-services.ts'
import { createCluster, deleteCluster, describeClusters, modifyClusterAttribute } from './clusters.ts'
import { drainClusterNode } from './drain-node.ts'
import { createClusterEndpoint, describeClusterEndpoint, describeClusterEndpointStatus } from './endpoints.ts'
import { addExistedInstances, describeExistedInstances } from './existed-instances.ts'
import { forwardRequest } from './forward-request.ts'
import {
  addClusterInstances,
  createClusterInstances,
  deleteClusterInstances,
  describeClusterInstanceIds,
  describeClusterInstances,
} from './instances.ts'
import { collectAllCore, queryOverage } from './licence.ts'
import {
  checkIfLogCollectorExists,
  createLogCollector,
  deleteLogCollector,
  enableLogCollector,
  getLogCollector,
  getLogCollectorStatus,
  listLogCollector,
  updateLogCollector,
} from './log-collectors.ts'
import { describeImages, describeQuota, describeRegions, describeVersions } from './platform.ts'
import {
  createClusterVirtualNode,
  createClusterVirtualNodePool,
  deleteClusterVirtualNode,
  deleteClusterVirtualNodePool,
  describeClusterVirtualNode,
  describeClusterVirtualNodePools,
  drainClusterVirtualNode,
  modifyClusterVirtualNodePool,
} from './virtual-nodes.ts'

/** Every TKE action. A new one in the catalog fails the type check here until it is modelled, or left out with a reason. */
export const tkeTable = {
  AddClusterInstances: addClusterInstances,
  AddExistedInstances: addExistedInstances,
  AddVpcCniSubnets: addVpcCniSubnets,
  CheckClusterCIDR: checkClusterCidr,
  CheckIfLogCollectorExists: checkIfLogCollectorExists,
  CollectAllCore: collectAllCore,
  CreateCluster: createCluster,
  CreateClusterAsGroup: createClusterAsGroup,
  CreateClusterEndpoint: createClusterEndpoint,
  CreateClusterInstances: createClusterInstances,
  CreateClusterVirtualNode: createClusterVirtualNode,
  CreateClusterVirtualNodePool: createClusterVirtualNodePool,
  CreateLogCollector: createLogCollector,
  DeleteCluster: deleteCluster,
  DeleteClusterAsGroups: deleteClusterAsGroups,
  DeleteClusterInstances: deleteClusterInstances,
  DeleteClusterVirtualNode: deleteClusterVirtualNode,
  DeleteClusterVirtualNodePool: deleteClusterVirtualNodePool,
  DeleteHelmChart: deleteHelmChart,
  DeleteHelmChartVersion: deleteHelmChartVersion,
  DeleteLogCollector: deleteLogCollector,
  DescribeChartDownloadInfo: describeChartDownloadInfo,
  DescribeClusterAsGroupOption: describeClusterAsGroupOption,
  DescribeClusterAsGroups: describeClusterAsGroups,
  DescribeClusterEndpoint: describeClusterEndpoint,
  DescribeClusterEndpointStatus: describeClusterEndpointStatus,
  DescribeClusterInstanceIds: describeClusterInstanceIds,
  DescribeClusterInstances: describeClusterInstances,
  DescribeClusterKubeconfig: describeClusterKubeconfig,
  DescribeClusterSecurity: describeClusterSecurity,
  DescribeClusterServices: describeClusterServices,
  DescribeClusterVirtualNode: describeClusterVirtualNode,
  DescribeClusterVirtualNodePools: describeClusterVirtualNodePools,
  DescribeClusters: describeClusters,
  DescribeCosInfo: describeCosInfo,
  DescribeExistedInstances: describeExistedInstances,
  DescribeHelmChart: describeHelmChart,
  DescribeHelmChartDetail: describeHelmChartDetail,
  DescribeHelmChartVersion: describeHelmChartVersion,
  DescribeImages: describeImages,
  DescribeQuota: describeQuota,
  DescribeRegions: describeRegions,
  DescribeVersions: describeVersions,
  DisableClusterAudit: disableClusterAudit,
  DrainClusterNode: drainClusterNode,
  DrainClusterVirtualNode: drainClusterVirtualNode,
  EnableClusterAudit: enableClusterAudit,
  EnableLogCollector: enableLogCollector,
  ForwardRequest: forwardRequest,
  GetDashboardID: getDashboardId,
  GetLogCollector: getLogCollector,
  GetLogCollectorStatus: getLogCollectorStatus,
  ListLogCollector: listLogCollector,
  ModifyClusterAsGroupAttribute: modifyClusterAsGroupAttribute,
  ModifyClusterAsGroupOptionAttribute: modifyClusterAsGroupOptionAttribute,
  ModifyClusterAttribute: modifyClusterAttribute,
  ModifyClusterVirtualNodePool: modifyClusterVirtualNodePool,
  QueryOverage: queryOverage,
  UpdateLogCollector: updateLogCollector,
  UploadHelmChart: uploadHelmChart,
} satisfies { [Name in keyof Actions['tke']]: Reducer<Actions['tke'][Name]> | NotModelled }

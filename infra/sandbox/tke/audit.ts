import { createHash } from 'node:crypto'
import { randomUuid } from '../random.ts'
import { PlatformFault } from '../reducer.ts'
import { findRunningCluster } from './find-cluster.ts'
import { regionExists, regionId } from './platform.ts'
import type { TkeReducer } from './tke-reducer.ts'

/**
 * Sends a cluster's audit log to a topic: the given one, or one of its own when neither set nor topic is named. Repeating
 * the call with the same target changes nothing; another target takes its place.
 */
export const enableClusterAudit: TkeReducer<'EnableClusterAudit'> = (request, context) => {
  const cluster = findRunningCluster(context, request.ClusterId, { unknown: 'InvalidParameter', notRunning: 'InternalError' })
  const logsetId = request.LogsetId ?? ''
  const topicId = request.TopicId ?? ''
  if ((logsetId === '') !== (topicId === '')) {
    throw new PlatformFault('InvalidParameter', 'LogsetId and TopicId go together: name both, or neither for the default ones.')
  }
  if (!regionExists(request.RegionId) && request.RegionId !== String(regionId(cluster.region))) {
    throw new PlatformFault('InvalidParameter', `RegionId is ${request.RegionId}; cluster ${cluster.clusterId} is in ${cluster.region}.`)
  }
  const keeps = cluster.audit !== null && logsetId === ''
  cluster.audit = {
    logsetId: keeps ? (cluster.audit?.logsetId ?? '') : logsetId || randomUuid(context.random),
    topicId: keeps ? (cluster.audit?.topicId ?? '') : topicId || randomUuid(context.random),
    regionId: request.RegionId,
    enabledMs: cluster.audit?.enabledMs ?? context.now,
  }
  return {}
}

/** Stops the audit log. Where none is, nothing changes. */
export const disableClusterAudit: TkeReducer<'DisableClusterAudit'> = (request, context) => {
  const cluster = findRunningCluster(context, request.ClusterId, { unknown: 'InvalidParameter', notRunning: 'InternalError' })
  cluster.audit = null
  return {}
}

const dashboards = ['audit-overview', 'audit-search', 'audit-node-overview', 'audit-k8s-resource-overview']

/** The dashboard of one kind over a cluster's audit log; the same id at every call, until the audit has another topic. */
export const getDashboardId: TkeReducer<'GetDashboardID'> = (request, context) => {
  const cluster = findRunningCluster(context, request.ClusterId, { unknown: 'InvalidParameter', notRunning: 'InternalError' })
  if (!dashboards.includes(request.DashboardType)) {
    throw new PlatformFault('InvalidParameter', `DashboardType is ${request.DashboardType}; it is one of ${dashboards.join(', ')}.`)
  }
  if (cluster.audit === null)
    throw new PlatformFault('InternalError', `The audit of cluster ${cluster.clusterId} is off; see EnableClusterAudit.`)
  const digest = createHash('sha256').update(`${cluster.clusterId}/${cluster.audit.topicId}/${request.DashboardType}`).digest('hex')
  return { DashboardID: `dashboard-${digest.slice(0, 8)}-${digest.slice(8, 12)}-${digest.slice(12, 16)}-${digest.slice(16, 20)}` }
}

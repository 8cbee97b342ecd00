import { PlatformFault } from '../reducer.ts'
import { clusterDomain, openAddress } from './endpoints.ts'
import { findRunningCluster } from './find-cluster.ts'
import type { ClusterState } from './state.ts'
import type { TkeReducer } from './tke-reducer.ts'

/** A kubeconfig for one of the ways into a cluster: its domain, or an entrance that has to be open. */
export const describeClusterKubeconfig: TkeReducer<'DescribeClusterKubeconfig'> = (request, context) => {
  const cluster = findRunningCluster(context, request.ClusterId, { unknown: 'ResourceNotFound', notRunning: 'ResourceUnavailable' })
  const way = request.Type ?? 'MASTER'
  const server = serverOf(cluster, way)
  if (server === '')
    throw new PlatformFault(
      'ResourceUnavailable',
      `${cluster.clusterId} has no open endpoint of the kind ${way}; see CreateClusterEndpoint.`,
    )
  return { Kubeconfig: kubeconfig(cluster, server) }
}

function serverOf(cluster: ClusterState, way: string): string {
  switch (way) {
    case 'MASTER':
      return `https://${clusterDomain(cluster)}`
    case 'INNERLB':
      return openAddress(cluster, 'intranet')
    case 'INTERNETLB':
      return openAddress(cluster, 'extranet')
    default:
      throw new PlatformFault('InvalidParameter', `Type is ${way}; it is MASTER, INNERLB or INTERNETLB.`)
  }
}

function kubeconfig(cluster: ClusterState, server: string): string {
  const name = cluster.clusterId
  return [
    'apiVersion: v1',
    'kind: Config',
    'clusters:',
    `- name: ${name}`,
    '  cluster:',
    `    certificate-authority-data: ${Buffer.from(cluster.access.certificationAuthority).toString('base64')}`,
    `    server: ${server}`,
    'users:',
    `- name: ${cluster.access.userName}`,
    '  user:',
    `    token: ${cluster.access.token}`,
    'contexts:',
    `- name: ${name}-context-default`,
    '  context:',
    `    cluster: ${name}`,
    `    user: ${cluster.access.userName}`,
    `current-context: ${name}-context-default`,
    '',
  ].join('\n')
}

/** Account, password and addresses of a cluster's API server. */
export const describeClusterSecurity: TkeReducer<'DescribeClusterSecurity'> = (request, context) => {
  const cluster = findRunningCluster(context, request.ClusterId, { unknown: 'ResourceNotFound', notRunning: 'ResourceUnavailable' })
  const intranet = openAddress(cluster, 'intranet')
  return {
    UserName: cluster.access.userName,
    Password: cluster.access.password,
    CertificationAuthority: cluster.access.certificationAuthority,
    ClusterExternalEndpoint: openAddress(cluster, 'extranet'),
    Domain: clusterDomain(cluster),
    PgwEndpoint: intranet,
    SecurityPolicy: cluster.endpoints.extranet?.securityGroup ?? '',
    Kubeconfig: kubeconfig(cluster, `https://${clusterDomain(cluster)}`),
    JnsGwEndpoint: request.JnsGwEndpointEnable === true ? intranet : '',
  }
}

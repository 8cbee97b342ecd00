import { forwardAttached } from '../attach.ts'
import { handleKubernetes } from '../kubernetes/api.ts'
import { PlatformFault, type ReducerContext } from '../reducer.ts'
import { findRunningCluster, kubernetesOf } from './find-cluster.ts'
import type { TkeReducer } from './tke-reducer.ts'

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/**
 * Passes a request on to a cluster's Kubernetes API and answers its body, and nothing else: a 403 or 404 of the cluster is
 * a successful call here. The cluster is ClusterName (a header of the API behind) or ClusterId (for the permission); sent
 * both, they have to agree. EncodedBody says that RequestBody is base64. A cluster that is attached is asked for real.
 */
export const forwardRequest: TkeReducer<'ForwardRequest'> = async (request, context) => {
  const clusterId = clusterIdOf(request.ClusterName ?? '', request.ClusterId ?? '')
  const cluster = findRunningCluster(context, clusterId, { unknown: 'ResourceNotFound', notRunning: 'ResourceUnavailable' })
  const method = request.Method.toUpperCase()
  if (!methods.includes(method))
    throw new PlatformFault('InvalidParameter', `Method is ${request.Method}; it is one of ${methods.join(', ')}.`)
  if (!request.Path.startsWith('/') || request.Path.startsWith('//')) {
    throw new PlatformFault('InvalidParameter', `Path ${request.Path} does not start with one slash.`)
  }
  const body = bodyOf(request.RequestBody, request.EncodedBody === true)
  const forwarded = {
    method,
    path: request.Path,
    ...(request.Accept === undefined ? {} : { accept: request.Accept }),
    ...(request.ContentType === undefined ? {} : { contentType: request.ContentType }),
    ...(body === undefined ? {} : { body }),
  }
  const target = context.attached?.(cluster.clusterId)
  if (target !== undefined) return { ResponseBody: await forwardAttached(target, forwarded) }
  return { ResponseBody: answerOf(context, cluster.clusterId, forwarded) }
}

function clusterIdOf(clusterName: string, clusterId: string): string {
  if (clusterName !== '' && clusterId !== '' && clusterName !== clusterId) {
    throw new PlatformFault(
      'InvalidParameter',
      `ClusterName is ${clusterName}, ClusterId ${clusterId}; they have to name the same cluster.`,
    )
  }
  const named = clusterName || clusterId
  if (named === '')
    throw new PlatformFault('MissingParameter', 'ClusterName and ClusterId are missing; one of them says which cluster is meant.')
  return named
}

function bodyOf(text: string | undefined, encoded: boolean): string | undefined {
  if (text === undefined || !encoded) return text
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) {
    throw new PlatformFault('InvalidParameter', 'RequestBody is not base64, which EncodedBody says it is.')
  }
  return Buffer.from(text, 'base64').toString('utf8')
}

function answerOf(context: ReducerContext, clusterId: string, forwarded: Parameters<typeof handleKubernetes>[1]): string {
  const kubernetes = kubernetesOf(context.world, clusterId)
  if (kubernetes === undefined) throw new PlatformFault('ResourceUnavailable', `The Kubernetes API of ${clusterId} is not there.`)
  return handleKubernetes(kubernetes, forwarded, { now: context.now, random: context.random }).body
}

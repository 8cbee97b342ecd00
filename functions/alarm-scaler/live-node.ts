import { KubeError, type KubeObject, type KubeReader, type KubeWriter, kubePath } from '#cloud/kube.ts'
import { drainAnnotation, instanceLabel } from './node-marks.ts'
import { type ReadNode, readNode } from './node-reading.ts'
import { type ReadPod, readPod } from './pod-reading.ts'

/** A node at this moment, with the object that it was read from. */
export interface LiveNode {
  readonly node: ReadNode
  readonly object: KubeObject
}

/**
 * Reads a node of a machine. Undefined when there is none, or when the name belongs to another machine by now: nodes are named by their
 * address, and addresses come back. Throws KubeError and CloudError.
 */
export async function liveNode(
  kube: KubeReader,
  { instanceId, nodeName }: { readonly instanceId: string; readonly nodeName: string },
): Promise<LiveNode | undefined> {
  try {
    const object = await kube.get(nodePath(kube, nodeName))
    const node = readNode(object)
    return node?.instanceId === instanceId ? { node, object } : undefined
  } catch (error) {
    if (error instanceof KubeError && error.kind === 'kube.not-found') return undefined
    throw error
  }
}

/** The node that a machine has become by now; undefined when it has not. Throws KubeError and CloudError. */
export async function nodeOfMachine(kube: KubeReader, instanceId: string): Promise<LiveNode | undefined> {
  const path = kubePath({ version: 'v1', resource: 'nodes' }, kube.clusterId)
  const [object] = (await kube.list(path, { labelSelector: `${instanceLabel}=${instanceId}` })).items
  const node = object === undefined ? undefined : readNode(object)
  return object === undefined || node === undefined ? undefined : { node, object }
}

/** Pods on a node that have not ended. */
export async function podsOn(kube: KubeReader, nodeName: string): Promise<readonly ReadPod[]> {
  const path = kubePath({ version: 'v1', resource: 'pods' }, kube.clusterId)
  const { items } = await kube.list(path, { fieldSelector: `spec.nodeName=${nodeName}` })
  return items.flatMap((item) => readPod(item) ?? [])
}

/** Changes a node, and no other one of its name. */
export async function patchNode(
  kube: KubeWriter,
  { node, object }: LiveNode,
  patch: { readonly metadata?: object; readonly spec?: object },
): Promise<void> {
  const { uid } = object.metadata
  const metadata = { ...(uid === undefined ? {} : { uid }), ...patch.metadata }
  await kube.patch(nodePath(kube, node.name), 'merge', { ...patch, metadata })
}

/** Closes a node for new pods, and says for which lease: what we have closed, we may open again. */
export async function cordon(kube: KubeWriter, live: LiveNode, leaseId: string): Promise<void> {
  await patchNode(kube, live, { metadata: { annotations: { [drainAnnotation]: leaseId } }, spec: { unschedulable: true } })
}

/** Opens a node again that we have closed for this lease. One that somebody else has closed, or closed again, stays as it is. */
export async function uncordon(kube: KubeWriter, live: LiveNode, leaseId: string): Promise<void> {
  const { annotations = {} } = live.object.metadata
  if (annotations[drainAnnotation] !== leaseId) return
  await patchNode(kube, live, { metadata: { annotations: { [drainAnnotation]: null } }, spec: { unschedulable: null } })
}

function nodePath(kube: KubeReader, name: string): string {
  return kubePath({ version: 'v1', resource: 'nodes', name }, kube.clusterId)
}

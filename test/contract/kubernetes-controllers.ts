import type { Json, JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { listAt, numberAt, objectAt, stringAt, withAt } from '#infra/sandbox/kubernetes/json.ts'
import {
  autoscalerV1,
  budget,
  configMap,
  daemonSet,
  deployment,
  job,
  pod,
  replicaSet,
  statefulSet,
  template,
} from './kubernetes-objects.ts'
import type { KubernetesCheck } from './kubernetes-suite.ts'
import { json, merge, strategic } from './kubernetes-suite.ts'
import type { Transcript } from './kubernetes-transcript.ts'

function check(name: string, run: (calls: Transcript) => Promise<void>): KubernetesCheck {
  return { name, run }
}

const core = (calls: Transcript, resource: string): string => `/api/v1/namespaces/${calls.namespace}/${resource}`
const apps = (calls: Transcript, resource: string): string => `/apis/apps/v1/namespaces/${calls.namespace}/${resource}`
const batch = (calls: Transcript, resource: string): string => `/apis/batch/v1/namespaces/${calls.namespace}/${resource}`
const scaling = (calls: Transcript, rest = ''): string =>
  `/apis/autoscaling/v1/namespaces/${calls.namespace}/horizontalpodautoscalers${rest}`
const budgets = (calls: Transcript, rest = ''): string => `/apis/policy/v1beta1/namespaces/${calls.namespace}/poddisruptionbudgets${rest}`

const image = (version: number): string => `ccr.ccs.tencentyun.com/shop/web:v${version}`

/** Replica sets by revision: what they are for and how many they have. */
function sets(body: Json): Json {
  return listAt(body, 'items')
    .map((set) => ({
      revision: stringAt(set, 'metadata', 'annotations', 'deployment.kubernetes.io/revision') ?? '',
      history: stringAt(set, 'metadata', 'annotations', 'deployment.kubernetes.io/revision-history') ?? '',
      desired: stringAt(set, 'metadata', 'annotations', 'deployment.kubernetes.io/desired-replicas') ?? '',
      most: stringAt(set, 'metadata', 'annotations', 'deployment.kubernetes.io/max-replicas') ?? '',
      image: stringAt(listAt(set, 'spec', 'template', 'spec', 'containers')[0], 'image') ?? '',
      wanted: numberAt(set, 'spec', 'replicas') ?? 0,
      status: withAt(objectAt(set, 'status') ?? {}, ['observedGeneration'], undefined),
    }))
    .sort((left, right) => Number(left.revision) - Number(right.revision))
}

/** The wanted sizes, once the sets have as many pods. */
function sizes(kept: Json): string {
  const list = listAt({ kept }, 'kept')
  const isCounted = list.every((set) => numberAt(set, 'wanted') === numberAt(set, 'status', 'replicas'))
  return isCounted ? list.map((set) => numberAt(set, 'wanted') ?? 0).join(',') : 'not yet'
}
const ready = (kept: Json): string =>
  listAt({ kept }, 'kept')
    .map((set) => numberAt(set, 'status', 'readyReplicas') ?? 0)
    .join(',')

/** A deployment's status with its conditions in the order of their names. */
function status(body: Json): Json {
  const conditions = listAt(body, 'status', 'conditions')
    .map((condition) => ({
      type: stringAt(condition, 'type') ?? '',
      status: stringAt(condition, 'status') ?? '',
      reason: stringAt(condition, 'reason') ?? '',
      message: stringAt(condition, 'message') ?? '',
    }))
    .sort((left, right) => (left.type < right.type ? -1 : 1))
  return {
    ...objectAt(body, 'status'),
    conditions,
    revision: stringAt(body, 'metadata', 'annotations', 'deployment.kubernetes.io/revision') ?? '',
  }
}

/** The pods of a namespace, without what a scheduler or a kubelet would add. */
function pods(body: Json): Json {
  return listAt(body, 'items').map((each) => ({
    ...withAt(objectAt(each) ?? {}, ['status'], { phase: stringAt(each, 'status', 'phase') ?? '' }),
  }))
}

const names = (body: Json): Json => listAt(body, 'items').map((item) => stringAt(item, 'metadata', 'name') ?? '')

async function podsWhere(calls: Transcript, wanted: (pod: Json) => boolean): Promise<string[]> {
  const list = await calls.prepare('GET', core(calls, 'pods'))
  return listAt(list, 'items')
    .filter(wanted)
    .map((item) => stringAt(item, 'metadata', 'name') ?? '')
}

const imageOf = (each: Json): string => stringAt(listAt(each, 'spec', 'containers')[0], 'image') ?? ''
const isReady = (each: Json): boolean =>
  listAt(each, 'status', 'conditions').some(
    (condition) => stringAt(condition, 'type') === 'Ready' && stringAt(condition, 'status') === 'True',
  )

/** Says of a pod what a kubelet would say. */
async function report(calls: Transcript, name: string, phase: string, isUp: boolean): Promise<void> {
  const conditions = [{ type: 'Ready', status: isUp ? 'True' : 'False', lastTransitionTime: '2020-01-01T00:00:00Z' }]
  await calls.prepare('PATCH', core(calls, `pods/${name}/status`), { status: { phase, conditions } }, { type: merge })
}

async function reportAll(calls: Transcript, wanted: (pod: Json) => boolean = () => true): Promise<void> {
  for (const name of await podsWhere(calls, (each) => wanted(each) && !isReady(each))) await report(calls, name, 'Running', true)
}

async function setImage(calls: Transcript, version: number): Promise<void> {
  const containers = [{ name: 'web', image: image(version) }]
  await calls.prepare('PATCH', apps(calls, 'deployments/web'), { spec: { template: { spec: { containers } } } }, { type: strategic })
}

const isSettled = (kept: Json): boolean =>
  listAt(kept, 'conditions').some((condition) => stringAt(condition, 'reason') === 'NewReplicaSetAvailable')

/** Brings up a deployment of four and says that its pods are ready. */
async function bringUp(calls: Transcript, spec: JsonObject = {}): Promise<void> {
  await calls.prepare('POST', apps(calls, 'deployments'), deployment('web', { replicas: 4, ...spec }))
  const replicas = numberAt({ spec }, 'spec', 'replicas') ?? 4
  await calls.stable(
    apps(calls, 'replicasets'),
    sets,
    (kept) => sizes(kept) === String(replicas) && numberAt(listAt({ kept }, 'kept')[0], 'status', 'replicas') === replicas,
  )
  await reportAll(calls)
  await calls.stable(apps(calls, 'deployments/web'), status, isSettled)
}

/** A node that reports but has no room, so that nothing is scheduled on it by anybody. */
async function joinNode(calls: Transcript, name: string, of: string): Promise<void> {
  await calls.prepare('POST', '/api/v1/nodes', {
    metadata: { name, labels: { of } },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  })
  await calls.prepare('PATCH', `/api/v1/nodes/${name}`, { spec: { taints: null } }, { type: merge })
}

export const controllerChecks: readonly KubernetesCheck[] = [
  check('a deployment gets its first replica set', async (calls) => {
    await calls.prepare('POST', apps(calls, 'deployments'), deployment('web', { replicas: 2 }))
    await calls.stable(apps(calls, 'deployments/web'), status, (kept) => numberAt(kept, 'replicas') === 2)
    await calls.stable(
      apps(calls, 'replicasets'),
      (body) => listAt(body, 'items').map((item) => item),
      (kept) =>
        numberAt(listAt({ kept }, 'kept')[0], 'status', 'observedGeneration') === 1 &&
        numberAt(listAt({ kept }, 'kept')[0], 'status', 'replicas') === 2,
    )
    await calls.stable(core(calls, 'pods'), pods, (kept) => listAt({ kept }, 'kept').length === 2)
  }),
  check('a rollout goes as far as availability allows', async (calls) => {
    await bringUp(calls)
    await setImage(calls, 2)
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '3,2')
    await calls.stable(apps(calls, 'deployments/web'), status, (kept) => numberAt(kept, 'updatedReplicas') === 2)
    await reportAll(calls, (each) => imageOf(each) === image(2))
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '1,4' && ready(kept) === '1,2')
    await reportAll(calls)
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '0,4')
    await calls.stable(apps(calls, 'deployments/web'), status, isSettled)
  }),
  check('a rollout without surge', async (calls) => {
    await bringUp(calls, { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } } })
    await setImage(calls, 2)
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '3,1')
    await reportAll(calls)
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '2,2')
  }),
  check('a rollout without anything unavailable', async (calls) => {
    await bringUp(calls, { replicas: 3, strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } })
    await setImage(calls, 2)
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '3,1')
    await reportAll(calls)
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '2,2')
  }),
  check('a third template while the second rolls out', async (calls) => {
    await bringUp(calls)
    await setImage(calls, 2)
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '3,2')
    await setImage(calls, 3)
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '3,0,2')
  }),
  check('back to an earlier template', async (calls) => {
    await bringUp(calls, { replicas: 1 })
    await setImage(calls, 2)
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '1,1')
    await setImage(calls, 1)
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '0,1')
    await calls.stable(apps(calls, 'deployments/web'), status, (kept) => stringAt(kept, 'revision') === '3')
    await setImage(calls, 2)
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '1,1')
  }),
  check('the size changes', async (calls) => {
    await bringUp(calls)
    await calls.prepare('PATCH', apps(calls, 'deployments/web/scale'), { spec: { replicas: 6 } }, { type: merge })
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '6')
    await calls.stable(apps(calls, 'deployments/web'), status, (kept) => numberAt(kept, 'replicas') === 6)
    await calls.prepare('PATCH', apps(calls, 'deployments/web/scale'), { spec: { replicas: 0 } }, { type: merge })
    await calls.stable(apps(calls, 'deployments/web'), status, (kept) => numberAt(kept, 'replicas') === undefined)
    await calls.stable(core(calls, 'pods'), names, (kept) => listAt({ kept }, 'kept').length === 0)
  }),
  check('the size changes during a rollout', async (calls) => {
    await bringUp(calls, { replicas: 10 })
    await setImage(calls, 2)
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '8,5')
    await calls.prepare('PATCH', apps(calls, 'deployments/web/scale'), { spec: { replicas: 20 } }, { type: merge })
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '15,10')
    await calls.prepare('PATCH', apps(calls, 'deployments/web/scale'), { spec: { replicas: 6 } }, { type: merge })
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '5,3')
  }),
  check('recreating', async (calls) => {
    await bringUp(calls, { strategy: { type: 'Recreate' }, replicas: 2 })
    await setImage(calls, 2)
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '0,2')
    await reportAll(calls)
    await calls.stable(apps(calls, 'deployments/web'), status, isSettled)
  }),
  check('a pause', async (calls) => {
    await bringUp(calls)
    await calls.prepare('PATCH', apps(calls, 'deployments/web'), { spec: { paused: true } }, { type: merge })
    await setImage(calls, 2)
    await calls.stable(
      apps(calls, 'deployments/web'),
      status,
      (kept) =>
        listAt(kept, 'conditions').some((each) => stringAt(each, 'reason') === 'DeploymentPaused') &&
        numberAt(kept, 'observedGeneration') === 3,
    )
    await calls.prepare('PATCH', apps(calls, 'deployments/web/scale'), { spec: { replicas: 5 } }, { type: merge })
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '5')
    await calls.prepare('PATCH', apps(calls, 'deployments/web'), { spec: { paused: false } }, { type: merge })
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '4,3')
  }),
  check('the history is kept short', async (calls) => {
    await bringUp(calls, { replicas: 1, revisionHistoryLimit: 1, strategy: { type: 'Recreate' } })
    for (const version of [2, 3, 4]) {
      await setImage(calls, version)
      await calls.stable(
        apps(calls, 'deployments/web'),
        status,
        (kept) => stringAt(kept, 'revision') === String(version) && numberAt(kept, 'updatedReplicas') === 1,
      )
      await reportAll(calls)
      await calls.stable(apps(calls, 'deployments/web'), status, (kept) => isSettled(kept) && numberAt(kept, 'availableReplicas') === 1)
    }
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '0,1')
  }),
  check('a rollout that takes too long', async (calls) => {
    await calls.prepare('POST', apps(calls, 'deployments'), deployment('web', { replicas: 1, progressDeadlineSeconds: 2 }))
    await calls.stable(apps(calls, 'deployments/web'), status, (kept) =>
      listAt(kept, 'conditions').some((each) => stringAt(each, 'reason') === 'ProgressDeadlineExceeded'),
    )
    await reportAll(calls)
    await calls.stable(apps(calls, 'deployments/web'), status, isSettled)
  }),
  check('annotations reach the replica set', async (calls) => {
    await bringUp(calls, { replicas: 1 })
    await calls.prepare('PATCH', apps(calls, 'deployments/web'), { metadata: { annotations: { team: 'a' } } }, { type: merge })
    await calls.stable(
      apps(calls, 'replicasets'),
      (body) => listAt(body, 'items').map((item) => objectAt(item, 'metadata', 'annotations') ?? {}),
      (kept) => stringAt(listAt({ kept }, 'kept')[0], 'team') === 'a',
    )
    await calls.stable(apps(calls, 'deployments/web'), status, (kept) => numberAt(kept, 'observedGeneration') === 2)
  }),
  check('a replica set adopts and lets go', async (calls) => {
    await calls.prepare('POST', core(calls, 'pods'), pod('lonely'))
    await calls.prepare('POST', apps(calls, 'replicasets'), replicaSet('web', { replicas: 2 }))
    const owned = (body: Json): Json =>
      listAt(body, 'items').filter((each) => listAt(each, 'metadata', 'ownerReferences').length > 0).length
    await calls.stable(core(calls, 'pods'), owned, (kept) => kept === 2)
    await calls.call('GET', core(calls, 'pods/lonely'), undefined, {
      keep: (body) => listAt(body, 'metadata', 'ownerReferences').map((each) => each),
    })
    await calls.prepare('PATCH', core(calls, 'pods/lonely'), { metadata: { labels: { app: 'other' } } }, { type: merge })
    await calls.stable(
      core(calls, 'pods'),
      (body) => [listAt(body, 'items').length, owned(body)],
      (kept) => JSON.stringify(kept) === '[3,2]',
    )
    await calls.call('GET', core(calls, 'pods/lonely'), undefined, {
      keep: (body) => listAt(body, 'metadata', 'ownerReferences').map((each) => each),
    })
  }),
  check('a stateful set starts in order', async (calls) => {
    const claims = [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } }]
    await calls.prepare('POST', apps(calls, 'statefulsets'), statefulSet('db', { replicas: 3, volumeClaimTemplates: claims }))
    await calls.stable(core(calls, 'pods'), pods, (kept) => listAt({ kept }, 'kept').length === 1)
    await calls.stable(
      core(calls, 'persistentvolumeclaims'),
      (body) =>
        listAt(body, 'items').map((each) => ({
          metadata: objectAt(each, 'metadata') ?? {},
          modes: [...listAt(each, 'spec', 'accessModes')],
        })),
      (kept) => listAt({ kept }, 'kept').length === 1,
    )
    await calls.stable(apps(calls, 'statefulsets/db'), setStatus, (kept) => numberAt(kept, 'replicas') === 1)
    await report(calls, 'db-0', 'Running', true)
    await calls.stable(core(calls, 'pods'), names, (kept) => listAt({ kept }, 'kept').length === 2)
    await report(calls, 'db-1', 'Running', true)
    await calls.stable(core(calls, 'pods'), names, (kept) => listAt({ kept }, 'kept').length === 3)
    await report(calls, 'db-2', 'Running', true)
    await calls.stable(apps(calls, 'statefulsets/db'), setStatus, (kept) => numberAt(kept, 'readyReplicas') === 3)
    await calls.stable(apps(calls, 'controllerrevisions'), revisions, (kept) => listAt({ kept }, 'kept').length === 1)
  }),
  check('a stateful set updates down to its partition', async (calls) => {
    await calls.prepare(
      'POST',
      apps(calls, 'statefulsets'),
      statefulSet('db', {
        replicas: 3,
        podManagementPolicy: 'Parallel',
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 1 } },
      }),
    )
    await calls.stable(core(calls, 'pods'), names, (kept) => listAt({ kept }, 'kept').length === 3)
    await reportAll(calls)
    await calls.stable(apps(calls, 'statefulsets/db'), setStatus, (kept) => numberAt(kept, 'readyReplicas') === 3)
    const containers = [{ name: 'web', image: image(2) }]
    await calls.prepare('PATCH', apps(calls, 'statefulsets/db'), { spec: { template: { spec: { containers } } } }, { type: strategic })
    const images = (body: Json): Json =>
      listAt(body, 'items').map((each) => `${stringAt(each, 'metadata', 'name')} ${imageOf(each)} ${isReady(each)}`)
    const line = (kept: Json): string => listAt({ kept }, 'kept').join('; ')
    await calls.stable(
      core(calls, 'pods'),
      images,
      (kept) => line(kept).includes(`db-2 ${image(2)} false`) && line(kept).includes(`db-1 ${image(1)} true`),
    )
    await calls.stable(apps(calls, 'statefulsets/db'), setStatus, (kept) => numberAt(kept, 'updatedReplicas') === 1)
    await report(calls, 'db-2', 'Running', true)
    await calls.stable(core(calls, 'pods'), images, (kept) => line(kept).includes(`db-1 ${image(2)} false`))
    await report(calls, 'db-1', 'Running', true)
    await calls.stable(
      apps(calls, 'statefulsets/db'),
      setStatus,
      (kept) => numberAt(kept, 'updatedReplicas') === 2 && numberAt(kept, 'readyReplicas') === 3,
    )
    await calls.prepare(
      'PATCH',
      apps(calls, 'statefulsets/db'),
      { spec: { updateStrategy: { rollingUpdate: { partition: 0 } } } },
      { type: merge },
    )
    await calls.stable(core(calls, 'pods'), images, (kept) => line(kept).includes(`db-0 ${image(2)} false`))
    await report(calls, 'db-0', 'Running', true)
    await calls.stable(
      apps(calls, 'statefulsets/db'),
      setStatus,
      (kept) => numberAt(kept, 'updatedReplicas') === 3 && numberAt(kept, 'readyReplicas') === 3,
    )
    await calls.prepare('PATCH', apps(calls, 'statefulsets/db/scale'), { spec: { replicas: 1 } }, { type: merge })
    await calls.stable(core(calls, 'pods'), names, (kept) => listAt({ kept }, 'kept').length === 1)
    await calls.stable(apps(calls, 'statefulsets/db'), setStatus, (kept) => numberAt(kept, 'replicas') === 1)
  }),
  check('a stateful set that is updated by hand', async (calls) => {
    await calls.prepare('POST', apps(calls, 'statefulsets'), statefulSet('db', { replicas: 1, updateStrategy: { type: 'OnDelete' } }))
    await calls.stable(core(calls, 'pods'), names, (kept) => listAt({ kept }, 'kept').length === 1)
    await report(calls, 'db-0', 'Running', true)
    const containers = [{ name: 'web', image: image(2) }]
    await calls.prepare('PATCH', apps(calls, 'statefulsets/db'), { spec: { template: { spec: { containers } } } }, { type: strategic })
    await calls.stable(
      apps(calls, 'statefulsets/db'),
      setStatus,
      (kept) => numberAt(kept, 'observedGeneration') === 2 && numberAt(kept, 'readyReplicas') === 1,
    )
    await calls.prepare('DELETE', core(calls, 'pods/db-0'))
    const images = (body: Json): Json => listAt(body, 'items').map(imageOf)
    await calls.stable(core(calls, 'pods'), images, (kept) => listAt({ kept }, 'kept')[0] === image(2))
  }),
  check('a daemon set on nodes', async (calls) => {
    const name = (node: string): string => `${calls.namespace}-${node}`
    for (const node of ['a', 'b']) await joinNode(calls, name(node), calls.namespace)
    await joinNode(calls, name('c'), 'others')
    await calls.prepare(
      'POST',
      apps(calls, 'daemonsets'),
      daemonSet('agent', {
        template: { ...template(), spec: { containers: [{ name: 'web', image: image(1) }], nodeSelector: { of: calls.namespace } } },
      }),
    )
    await calls.stable(
      core(calls, 'pods'),
      (body) =>
        listAt(body, 'items')
          .map((each) => ({ spec: objectAt(each, 'spec') ?? {}, labels: objectAt(each, 'metadata', 'labels') ?? {} }))
          .sort((left, right) => (JSON.stringify(left) < JSON.stringify(right) ? -1 : 1)),
      (kept) => listAt({ kept }, 'kept').length === 2,
    )
    await calls.stable(apps(calls, 'daemonsets/agent'), setStatus, (kept) => numberAt(kept, 'currentNumberScheduled') === 2)
    await reportAll(calls)
    await calls.stable(apps(calls, 'daemonsets/agent'), setStatus, (kept) => numberAt(kept, 'numberAvailable') === 2)
    const containers = [{ name: 'web', image: image(2) }]
    await calls.prepare('PATCH', apps(calls, 'daemonsets/agent'), { spec: { template: { spec: { containers } } } }, { type: strategic })
    const images = (body: Json): Json => listAt(body, 'items').map(imageOf).sort()
    await calls.stable(core(calls, 'pods'), images, (kept) => JSON.stringify(kept) === JSON.stringify([image(1), image(2)]))
    await reportAll(calls)
    await calls.stable(core(calls, 'pods'), images, (kept) => JSON.stringify(kept) === JSON.stringify([image(2), image(2)]))
    await reportAll(calls)
    await calls.stable(
      apps(calls, 'daemonsets/agent'),
      setStatus,
      (kept) => numberAt(kept, 'numberAvailable') === 2 && numberAt(kept, 'updatedNumberScheduled') === 2,
    )
    await calls.prepare(
      'PATCH',
      apps(calls, 'daemonsets/agent'),
      { spec: { updateStrategy: { type: 'OnDelete', rollingUpdate: null } } },
      { type: merge },
    )
    await calls.prepare(
      'PATCH',
      apps(calls, 'daemonsets/agent'),
      { spec: { template: { spec: { containers: [{ name: 'web', image: image(3) }] } } } },
      { type: strategic },
    )
    await calls.stable(
      apps(calls, 'daemonsets/agent'),
      setStatus,
      (kept) => numberAt(kept, 'observedGeneration') === 4 && numberAt(kept, 'updatedNumberScheduled') === undefined,
    )
    for (const node of ['a', 'b', 'c']) await calls.prepare('DELETE', `/api/v1/nodes/${name(node)}`)
  }),
  check('a job runs to its end', async (calls) => {
    await calls.prepare('POST', batch(calls, 'jobs'), job('work', { completions: 3, parallelism: 2 }))
    await calls.stable(batch(calls, 'jobs/work'), setStatus, (kept) => numberAt(kept, 'active') === 2)
    await calls.stable(core(calls, 'pods'), pods, (kept) => listAt({ kept }, 'kept').length === 2)
    for (const name of await podsWhere(calls, (each) => stringAt(each, 'status', 'phase') === 'Pending'))
      await report(calls, name, 'Succeeded', false)
    await calls.stable(batch(calls, 'jobs/work'), setStatus, (kept) => numberAt(kept, 'succeeded') === 2 && numberAt(kept, 'active') === 1)
    for (const name of await podsWhere(calls, (each) => stringAt(each, 'status', 'phase') === 'Pending'))
      await report(calls, name, 'Succeeded', false)
    await calls.stable(
      batch(calls, 'jobs/work'),
      setStatus,
      (kept) => numberAt(kept, 'succeeded') === 3 && listAt(kept, 'conditions').length === 1,
    )
  }),
  check('a job that fails', async (calls) => {
    await calls.prepare('POST', batch(calls, 'jobs'), job('work', { backoffLimit: 0 }))
    await calls.stable(batch(calls, 'jobs/work'), setStatus, (kept) => numberAt(kept, 'active') === 1)
    for (const name of await podsWhere(calls, () => true)) await report(calls, name, 'Failed', false)
    await calls.stable(batch(calls, 'jobs/work'), setStatus, (kept) => listAt(kept, 'conditions').length === 1)
  }),
  check('an autoscaler keeps the bounds', async (calls) => {
    await calls.prepare('POST', apps(calls, 'deployments'), deployment('web', { replicas: 8 }))
    await calls.prepare('POST', scaling(calls), autoscalerV1('web', { minReplicas: 2, maxReplicas: 5 }))
    const size = (body: Json): Json => numberAt(body, 'spec', 'replicas') ?? 0
    await calls.stable(apps(calls, 'deployments/web'), size, (kept) => kept === 5)
    await calls.prepare('PATCH', scaling(calls, '/web'), { spec: { minReplicas: 7, maxReplicas: 9 } }, { type: merge })
    await calls.stable(apps(calls, 'deployments/web'), size, (kept) => kept === 7)
    await calls.prepare('PATCH', scaling(calls, '/web'), { spec: { minReplicas: 1, maxReplicas: 3 } }, { type: merge })
    await calls.stable(apps(calls, 'deployments/web'), size, (kept) => kept === 3)
    await calls.prepare('PATCH', apps(calls, 'deployments/web/scale'), { spec: { replicas: 0 } }, { type: merge })
    await calls.stable(
      scaling(calls, '/web'),
      (body) => [
        numberAt(body, 'status', 'currentReplicas') ?? 0,
        numberAt(body, 'status', 'desiredReplicas') ?? 0,
        (stringAt(body, 'metadata', 'annotations', 'autoscaling.alpha.kubernetes.io/conditions') ?? '').includes('ScalingDisabled'),
      ],
      (kept) => listAt({ kept }, 'kept')[2] === true,
    )
    await calls.stable(apps(calls, 'deployments/web'), size, (kept) => kept === 0)
  }),
  check('disruption budgets count', async (calls) => {
    await bringUp(calls)
    const specs: { readonly [name: string]: JsonObject } = {
      number: { minAvailable: 3 },
      share: { minAvailable: '50%' },
      most: { minAvailable: null, maxUnavailable: 1 },
      part: { minAvailable: null, maxUnavailable: '30%' },
      all: { minAvailable: '100%' },
      odd: { minAvailable: '30%' },
      nobody: { selector: { matchLabels: { app: 'none' } } },
      empty: { selector: {} },
    }
    for (const [name, spec] of Object.entries(specs)) {
      await calls.prepare('POST', budgets(calls), budget(name, spec))
      await calls.stable(budgets(calls, `/${name}`), setStatus, (kept) => numberAt(kept, 'observedGeneration') === 1)
      await calls.prepare('DELETE', budgets(calls, `/${name}`))
    }
    await calls.prepare('POST', budgets(calls), budget('ready', { minAvailable: 3 }))
    const [first = ''] = await podsWhere(calls, () => true)
    await report(calls, first, 'Running', false)
    await calls.stable(budgets(calls, '/ready'), setStatus, (kept) => numberAt(kept, 'currentHealthy') === 3)
  }),
  check('what belongs to something goes with it', async (calls) => {
    await bringUp(calls, { replicas: 1 })
    await calls.prepare('DELETE', apps(calls, 'deployments/web'))
    await calls.stable(apps(calls, 'replicasets'), names, (kept) => listAt({ kept }, 'kept').length === 0)
    await calls.stable(core(calls, 'pods'), names, (kept) => listAt({ kept }, 'kept').length === 0)
  }),
  check('what belongs to something goes before it', async (calls) => {
    await bringUp(calls, { replicas: 1 })
    await calls.prepare('DELETE', `${apps(calls, 'deployments/web')}?propagationPolicy=Foreground`)
    await calls.stable(apps(calls, 'deployments'), names, (kept) => listAt({ kept }, 'kept').length === 0)
    await calls.call('GET', apps(calls, 'replicasets'), undefined, { keep: names })
    await calls.call('GET', core(calls, 'pods'), undefined, { keep: names })
  }),
  check('what belongs to something is left alone', async (calls) => {
    await bringUp(calls, { replicas: 1 })
    await calls.prepare('DELETE', `${apps(calls, 'deployments/web')}?propagationPolicy=Orphan`)
    await calls.stable(apps(calls, 'deployments'), names, (kept) => listAt({ kept }, 'kept').length === 0)
    await calls.stable(
      apps(calls, 'replicasets'),
      (body) => listAt(body, 'items').map((each) => listAt(each, 'metadata', 'ownerReferences').length),
      (kept) => JSON.stringify(kept) === '[0]',
    )
  }),
  check('an owner that never was', async (calls) => {
    const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'no-such-uid' }]
    await calls.prepare('POST', core(calls, 'configmaps'), configMap('left', {}, { ownerReferences }))
    await calls.prepare('POST', core(calls, 'configmaps'), configMap('kept'))
    await calls.stable(
      core(calls, 'configmaps'),
      (body) =>
        listAt(body, 'items')
          .map((each) => stringAt(each, 'metadata', 'name') ?? '')
          .filter((each) => each !== 'kube-root-ca.crt'),
      (kept) => JSON.stringify(kept) === '["kept"]',
    )
  }),
  check('a namespace takes everything with it', async (calls) => {
    await calls.prepare('POST', '/api/v1/namespaces', { metadata: { name: 'doomed' } })
    await calls.prepare('POST', '/apis/apps/v1/namespaces/doomed/deployments', deployment('web'))
    await calls.prepare('POST', '/api/v1/namespaces/doomed/configmaps', configMap('settings'))
    await calls.prepare('DELETE', '/api/v1/namespaces/doomed')
    await calls.stable(
      '/api/v1/namespaces/doomed',
      (body) => stringAt(body, 'reason') ?? '',
      (kept) => kept === 'NotFound',
    )
    await calls.call('GET', '/apis/apps/v1/namespaces/doomed/deployments', undefined, { keep: names })
  }),
  check('a size by json patch', async (calls) => {
    await bringUp(calls, { replicas: 2 })
    await calls.prepare(
      'PATCH',
      apps(calls, 'deployments/web'),
      [
        { op: 'test', path: '/spec/replicas', value: 2 },
        { op: 'replace', path: '/spec/replicas', value: 3 },
      ],
      { type: json },
    )
    await calls.stable(apps(calls, 'replicasets'), sets, (kept) => sizes(kept) === '3')
  }),
]

function setStatus(body: Json): Json {
  const current = objectAt(body, 'status') ?? {}
  const conditions = listAt(current, 'conditions').map((condition) => ({
    type: stringAt(condition, 'type') ?? '',
    status: stringAt(condition, 'status') ?? '',
    reason: stringAt(condition, 'reason') ?? '',
  }))
  return { ...current, ...(conditions.length === 0 ? {} : { conditions }) }
}

function revisions(body: Json): Json {
  return listAt(body, 'items').map((each) => each)
}

import type { Json, JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { listAt, numberAt, objectAt, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import {
  autoscalerV1,
  autoscalerV2,
  budget,
  configMap,
  cronJob,
  daemonSet,
  definition,
  deployment,
  job,
  jobSpec,
  pod,
  replicaSet,
  statefulSet,
  template,
} from './kubernetes-objects.ts'
import type { Exchange, KubernetesApi } from './kubernetes-transcript.ts'
import { Transcript } from './kubernetes-transcript.ts'

/** One thing a Kubernetes API does, shown by calls. Every check has a namespace of its own. */
export interface KubernetesCheck {
  readonly name: string
  readonly run: (calls: Transcript) => Promise<void>
}

export const merge = 'application/merge-patch+json'
export const json = 'application/json-patch+json'
export const strategic = 'application/strategic-merge-patch+json'

const hpcGroup = 'checks.autoscaling.cloud.tencent.com'

/**
 * Runs a check against an API and answers what was said. The same check on the sandbox and on a real server must give the
 * same transcript: that is what `npm run e2e:kube` compares, and the default tests compare the sandbox with the transcripts
 * recorded from the real server.
 */
export async function runCheck(check: KubernetesCheck, api: KubernetesApi): Promise<readonly Exchange[]> {
  const namespace = check.name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 50)
    .replace(/^-|-$/g, '')
  const calls = new Transcript(api, namespace)
  await calls.prepare('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  await check.run(calls)
  return calls.exchanges
}

function check(name: string, run: (calls: Transcript) => Promise<void>): KubernetesCheck {
  return { name, run }
}

const core = (calls: Transcript, resource: string): string => `/api/v1/namespaces/${calls.namespace}/${resource}`
const apps = (calls: Transcript, resource: string): string => `/apis/apps/v1/namespaces/${calls.namespace}/${resource}`
const batch = (calls: Transcript, resource: string, version = 'v1'): string =>
  `/apis/batch/${version}/namespaces/${calls.namespace}/${resource}`
const scaling = (calls: Transcript, version: string, rest = ''): string =>
  `/apis/autoscaling/${version}/namespaces/${calls.namespace}/horizontalpodautoscalers${rest}`
const budgets = (calls: Transcript, rest = ''): string => `/apis/policy/v1beta1/namespaces/${calls.namespace}/poddisruptionbudgets${rest}`
const custom = (calls: Transcript, rest = ''): string => `/apis/${hpcGroup}/v1/namespaces/${calls.namespace}/scalers${rest}`

const modelledGroups = ['apps', 'autoscaling', 'batch', 'policy', 'coordination.k8s.io', 'apiextensions.k8s.io']
const modelledVersions = ['v1', 'v2beta2', 'v1beta1']

/** The groups the sandbox has, without the versions it has not. */
function knownGroups(body: Json): Json {
  const groups = listAt(body, 'groups').filter((group) => modelledGroups.includes(stringAt(group, 'name') ?? ''))
  return groups.map(knownGroup)
}

function knownGroup(group: Json): Json {
  const isKept = (version: Json): boolean => {
    const name = stringAt(version, 'groupVersion') ?? ''
    return (
      modelledVersions.includes(stringAt(version, 'version') ?? '') &&
      !['apiextensions.k8s.io/v1beta1', 'coordination.k8s.io/v1beta1'].includes(name)
    )
  }
  return { ...objectAt(group), versions: listAt(group, 'versions').filter(isKept) }
}

const modelledResources = [
  'configmaps events namespaces nodes persistentvolumeclaims pods secrets serviceaccounts services',
  'controllerrevisions daemonsets deployments replicasets statefulsets horizontalpodautoscalers cronjobs jobs leases',
  'poddisruptionbudgets customresourcedefinitions',
]
  .join(' ')
  .split(' ')

function knownResources(body: Json): Json {
  const resources = listAt(body, 'resources').filter((resource) => {
    const [plural = '', part = ''] = (stringAt(resource, 'name') ?? '').split('/')
    return modelledResources.includes(plural) && ['', 'status', 'scale', 'eviction'].includes(part)
  })
  return { ...objectAt(body), resources: [...resources] }
}

async function establish(calls: Transcript): Promise<void> {
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
  const name = `scalers.${hpcGroup}`
  const found = await calls.prepare('GET', path)
  if (!listAt(found, 'items').some((item) => stringAt(item, 'metadata', 'name') === name)) {
    await calls.prepare('POST', path, definition('scalers', 'Scaler', hpcGroup))
  }
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const groups = await calls.prepare('GET', '/apis')
    const served = listAt(groups, 'groups').some((group) => stringAt(group, 'name') === hpcGroup)
    const seen = await calls.prepare('GET', `${path}/${name}`)
    const isEstablished = listAt(seen, 'status', 'conditions').some(
      (condition) => stringAt(condition, 'type') === 'Established' && stringAt(condition, 'status') === 'True',
    )
    if (served && isEstablished) {
      // A real server answers 404 for a moment after it has said that the definition is established.
      const probe = await calls.prepare('GET', `/apis/${hpcGroup}/v1`)
      if (listAt(probe, 'resources').length > 0) return
    }
    await calls.settle()
  }
  throw new Error(`the definition ${name} was not established`)
}

const scaler = (name: string, spec: Json = { size: 3 }): JsonObject => ({
  apiVersion: `${hpcGroup}/v1`,
  kind: 'Scaler',
  metadata: { name },
  spec,
})

/** Sets a pod's status as a kubelet would. */
async function report(calls: Transcript, name: string, phase: string, ready: boolean): Promise<void> {
  const status = { phase, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] }
  await calls.prepare('PATCH', core(calls, `pods/${name}/status`), { status }, { type: merge })
}

export const kubernetesChecks: readonly KubernetesCheck[] = [
  // Discovery and paths
  check('discovery of groups', async (calls) => {
    await calls.call('GET', '/api', undefined, { keep: (body) => listAt(body, 'versions').map((version) => version) })
    await calls.call('GET', '/apis', undefined, { keep: knownGroups })
    await calls.call('GET', '/apis/apps')
    await calls.call('GET', '/apis/batch', undefined, { keep: knownGroup })
    await calls.call('GET', '/apis/autoscaling', undefined, { keep: knownGroup })
    await calls.call('GET', '/apis/policy', undefined, { keep: knownGroup })
    await calls.call('GET', '/version', undefined, { keep: (body) => Object.keys(objectAt(body) ?? {}) })
  }),
  check('discovery of resources', async (calls) => {
    const paths = ['/api/v1', '/apis/apps/v1', '/apis/batch/v1', '/apis/batch/v1beta1', '/apis/autoscaling/v1', '/apis/autoscaling/v2beta2']
    for (const path of [...paths, '/apis/policy/v1beta1', '/apis/coordination.k8s.io/v1', '/apis/apiextensions.k8s.io/v1']) {
      await calls.call('GET', path, undefined, { keep: knownResources })
    }
  }),
  check('paths that lead nowhere', async (calls) => {
    await calls.call('GET', '/apis/apps/v9')
    await calls.call('GET', '/apis/apps/v1/namespaces/default/foos')
    await calls.call('GET', '/api/v1/foos')
    await calls.call('GET', '/apis/apps/v1/deployments/web')
    await calls.call('GET', '/api/v1/namespaces/default/nodes')
    await calls.call('GET', core(calls, 'pods/web/nothing'))
    await calls.call('GET', apps(calls, 'daemonsets/web/scale'))
    await calls.call('GET', '/apis/unknown.example.com')
    await calls.call('GET', '/apis/unknown.example.com/v1')
    await calls.call('GET', '/apis/unknown.example.com/v1/namespaces/default/things')
    await calls.call('POST', '/apis/unknown.example.com/v1/namespaces/default/things', {})
  }),
  check('methods that are not allowed', async (calls) => {
    await calls.call('PUT', core(calls, 'pods'), {})
    await calls.call('PATCH', core(calls, 'pods'), {}, { type: merge })
    await calls.call('POST', '/api/v1/pods', {})
    await calls.call('POST', core(calls, 'pods/web'), {})
    await calls.call('DELETE', '/api/v1/namespaces')
    await calls.call('DELETE', '/api/v1/pods')
    await calls.call('DELETE', core(calls, 'services'))
    await calls.call('GET', core(calls, 'pods/web/eviction'))
    await calls.call('DELETE', apps(calls, 'deployments/web/scale'))
  }),
  check('what is not there', async (calls) => {
    await calls.call('GET', core(calls, 'pods/web'))
    await calls.call('GET', apps(calls, 'deployments/web'))
    await calls.call('GET', apps(calls, 'deployments/web/scale'))
    await calls.call('PATCH', apps(calls, 'deployments/web/scale'), { spec: { replicas: 2 } }, { type: merge })
    await calls.call('PUT', apps(calls, 'deployments/web/scale'), { metadata: { name: 'web' }, spec: { replicas: 2 } })
    await calls.call('PATCH', apps(calls, 'deployments/web/status'), { status: {} }, { type: merge })
    await calls.call('DELETE', apps(calls, 'deployments/web'))
    await calls.call('PATCH', apps(calls, 'deployments/web'), { spec: { replicas: 2 } }, { type: merge })
    await calls.call('PUT', apps(calls, 'deployments/web'), deployment('web'))
    await calls.call('GET', '/api/v1/nodes/node-1')
    await calls.call('GET', '/api/v1/namespaces/nowhere')
    await calls.call('GET', '/apis/apps/v1/namespaces/nowhere/deployments')
  }),
  check('no rights', async (calls) => {
    await calls.call('GET', core(calls, 'pods'), undefined, { viewer: true })
    await calls.call('GET', '/api/v1/nodes', undefined, { viewer: true })
    await calls.call('GET', apps(calls, 'deployments/web'), undefined, { viewer: true })
    await calls.call('POST', apps(calls, 'deployments'), deployment('web'), { viewer: true })
    await calls.call('PATCH', apps(calls, 'deployments/web/scale'), { spec: { replicas: 2 } }, { viewer: true, type: merge })
    await calls.call('PUT', scaling(calls, 'v1', '/web'), autoscalerV1('web'), { viewer: true })
    await calls.call('DELETE', core(calls, 'pods/web'), undefined, { viewer: true })
    await calls.call('DELETE', core(calls, 'configmaps'), undefined, { viewer: true })
    await calls.call('GET', `/api/v1/namespaces/${calls.namespace}`, undefined, { viewer: true })
    await calls.call('POST', core(calls, 'pods/web/eviction'), {}, { viewer: true })
  }),

  // Bodies
  check('bodies that cannot be read', async (calls) => {
    await calls.call('POST', core(calls, 'pods'), '{', { type: 'application/json' })
    await calls.call('POST', core(calls, 'pods'), '', { type: 'application/json' })
    await calls.call('POST', core(calls, 'pods'), '[]', { type: 'application/json' })
    await calls.call('POST', core(calls, 'pods'), '{}', { type: 'text/plain' })
    await calls.call('POST', apps(calls, 'deployments'), '{}', { type: 'application/x-www-form-urlencoded' })
  }),
  check('bodies of another kind', async (calls) => {
    await calls.call('POST', core(calls, 'pods'), { kind: 'Foo', apiVersion: 'apps/v1' })
    await calls.call('POST', core(calls, 'pods'), deployment('web'))
    await calls.call('POST', apps(calls, 'deployments'), { ...deployment('web'), apiVersion: 'apps/v2' })
    await calls.call('POST', scaling(calls, 'v1'), autoscalerV2('web'))
    const { apiVersion: _version, kind: _kind, ...bare } = deployment('web')
    await calls.call('POST', apps(calls, 'deployments'), bare)
  }),
  check('values of a wrong type', async (calls) => {
    await calls.call('POST', apps(calls, 'deployments'), deployment('web', { replicas: '3' }))
    await calls.call('POST', apps(calls, 'deployments'), deployment('web', { replicas: 1.5 }))
    await calls.call('POST', apps(calls, 'deployments'), deployment('web', { paused: 'yes' }))
    await calls.call('POST', apps(calls, 'deployments'), deployment('web', { selector: [] }))
    await calls.call('POST', apps(calls, 'deployments'), deployment('web', { template: { spec: { containers: {} } } }))
    await calls.call('POST', core(calls, 'configmaps'), { ...configMap('settings'), data: { key: 1 } })
  }),
  check('fields nobody knows are dropped', async (calls) => {
    const object = deployment('web', { replicsa: 5, strategy: { kind: 'x' } })
    await calls.call('POST', apps(calls, 'deployments'), { ...object, extra: true })
    await calls.call('PATCH', apps(calls, 'deployments/web'), { spec: { replica: 7 } }, { type: merge })
  }),
  check('null is absent', async (calls) => {
    await calls.call('POST', apps(calls, 'deployments'), deployment('web', { replicas: null, paused: null, strategy: null }))
  }),

  // Creating
  check('a deployment with its defaults', async (calls) => {
    await calls.call('POST', apps(calls, 'deployments'), deployment('web'))
    await calls.call('GET', apps(calls, 'deployments/web'))
    await calls.call('GET', apps(calls, 'deployments/web/status'))
    await calls.call('POST', apps(calls, 'deployments'), deployment('web'))
  }),
  check('a deployment that recreates', async (calls) => {
    await calls.call(
      'POST',
      apps(calls, 'deployments'),
      deployment('web', { strategy: { type: 'Recreate' }, replicas: 0, minReadySeconds: 5 }),
    )
  }),
  check('a pod template with much in it', async (calls) => {
    const container = {
      name: 'web',
      image: 'ccr.ccs.tencentyun.com/shop/web',
      ports: [{ containerPort: 80 }, { containerPort: 443, name: 'https', protocol: 'TCP' }],
      env: [
        { name: 'A', value: '1' },
        { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
        { name: 'EMPTY', value: '' },
      ],
      resources: { requests: { cpu: '0.5', memory: '1024Mi' }, limits: { cpu: 1, memory: '1073741824' } },
      readinessProbe: { httpGet: { port: 80 }, initialDelaySeconds: 3 },
      livenessProbe: { tcpSocket: { port: 'https' } },
      volumeMounts: [
        { name: 'tmp', mountPath: '/tmp' },
        { name: 'settings', mountPath: '/etc/web', readOnly: true },
      ],
      lifecycle: { preStop: { httpGet: { port: 80, path: '/bye' } } },
      securityContext: { runAsUser: 1000 },
    }
    const spec = {
      initContainers: [{ name: 'prepare', image: 'busybox:1.33', command: ['true'] }],
      containers: [container, { name: 'digest', image: `busybox@sha256:${'0'.repeat(64)}` }],
      volumes: [
        { name: 'tmp' },
        { name: 'settings', configMap: { name: 'settings' } },
        { name: 'key', secret: { secretName: 'key' } },
        { name: 'host', hostPath: { path: '/var/log' } },
        {
          name: 'both',
          projected: { sources: [{ downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } }] },
        },
      ],
      serviceAccountName: 'web',
      nodeSelector: { disk: 'ssd' },
      tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'web', effect: 'NoSchedule' }],
      imagePullSecrets: [{ name: 'pull' }],
      affinity: {
        podAntiAffinity: {
          preferredDuringSchedulingIgnoredDuringExecution: [
            { weight: 100, podAffinityTerm: { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'web' } } } },
          ],
        },
      },
    }
    await calls.call('POST', apps(calls, 'deployments'), deployment('web', { template: { ...template(), spec } }))
  }),
  check('quantities in canonical form', async (calls) => {
    const requests = { cpu: '1500m', memory: '1.5Gi', 'ephemeral-storage': '1000Ki', 'example.com/gpu': '2' }
    const limits = { cpu: '2000m', memory: '2048Mi', 'ephemeral-storage': '1e9', 'example.com/gpu': 2 }
    const containers = [{ name: 'web', image: 'web:v1', resources: { requests, limits } }]
    await calls.call('POST', core(calls, 'pods'), pod('web', { containers }))
    const odd = { cpu: '0.1', memory: '100M', 'ephemeral-storage': '0' }
    await calls.call(
      'POST',
      core(calls, 'pods'),
      pod('odd', { containers: [{ name: 'web', image: 'web:v1', resources: { limits: odd } }] }),
    )
    await calls.call(
      'POST',
      core(calls, 'pods'),
      pod('bad', { containers: [{ name: 'web', image: 'web:v1', resources: { limits: { cpu: 'x' } } }] }),
    )
  }),
  check('a pod with its defaults', async (calls) => {
    await calls.call('POST', core(calls, 'pods'), pod('web'))
    await calls.call('POST', core(calls, 'pods'), pod('tolerant', { tolerations: [{ operator: 'Exists' }] }))
    await calls.call('POST', core(calls, 'pods'), { ...pod('given'), status: { phase: 'Running' } })
  }),
  check('a stateful set with its defaults', async (calls) => {
    await calls.call('POST', apps(calls, 'statefulsets'), statefulSet('db'))
    const claims = [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '10Gi' } } } }]
    await calls.call(
      'POST',
      apps(calls, 'statefulsets'),
      statefulSet('store', { volumeClaimTemplates: claims, podManagementPolicy: 'Parallel' }),
    )
    await calls.call('POST', apps(calls, 'statefulsets'), statefulSet('manual', { updateStrategy: { type: 'OnDelete' } }))
  }),
  check('a daemon set with its defaults', async (calls) => {
    await calls.call('POST', apps(calls, 'daemonsets'), daemonSet('agent'))
    await calls.call('POST', apps(calls, 'daemonsets'), daemonSet('manual', { updateStrategy: { type: 'OnDelete' } }))
  }),
  check('a replica set with its defaults', async (calls) => {
    await calls.call('POST', apps(calls, 'replicasets'), replicaSet('web'))
    await calls.call('GET', apps(calls, 'replicasets/web/scale'))
  }),
  check('a job with its defaults', async (calls) => {
    await calls.call('POST', batch(calls, 'jobs'), job('once'))
    await calls.call('POST', batch(calls, 'jobs'), job('many', { parallelism: 3, completions: 9, backoffLimit: 0 }))
    await calls.call('POST', batch(calls, 'jobs'), job('wide', { parallelism: 2 }))
    await calls.call('GET', batch(calls, 'jobs/once'))
  }),
  check('a cron job with its defaults', async (calls) => {
    await calls.call('POST', batch(calls, 'cronjobs', 'v1beta1'), cronJob('nightly'))
    await calls.call(
      'POST',
      batch(calls, 'cronjobs', 'v1beta1'),
      cronJob('held', { suspend: true, concurrencyPolicy: 'Forbid', startingDeadlineSeconds: 60 }),
    )
  }),
  check('a service and its address', async (calls) => {
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
    }
    await calls.call('POST', core(calls, 'services'), service)
    await calls.call('PATCH', core(calls, 'services/web'), { spec: { ports: [{ port: 80, targetPort: 'http' }] } }, { type: merge })
    const headless = { ...service, metadata: { name: 'headless' }, spec: { ...service.spec, clusterIP: 'None' } }
    await calls.call('POST', core(calls, 'services'), headless)
    const outside = { ...service, metadata: { name: 'outside' }, spec: { ...service.spec, type: 'NodePort' } }
    await calls.call('POST', core(calls, 'services'), outside)
    await calls.call('POST', core(calls, 'services'), { ...service, metadata: { name: '1web' } })
    await calls.call('POST', core(calls, 'services'), {
      ...service,
      metadata: { name: 'bad' },
      spec: { type: 'Foo', ports: [{ port: 0 }] },
    })
    await calls.call('DELETE', core(calls, 'services/web'))
  }),
  check('config maps and secrets', async (calls) => {
    await calls.call('POST', core(calls, 'configmaps'), configMap('settings'))
    await calls.call('POST', core(calls, 'configmaps'), configMap('empty', {}))
    await calls.call('POST', core(calls, 'configmaps'), configMap('bad', { 'a/b': 'x' }))
    const secret = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'key' }, stringData: { user: 'admin' }, data: { old: 'YQ==' } }
    await calls.call('POST', core(calls, 'secrets'), secret)
    await calls.call('PATCH', core(calls, 'secrets/key'), { type: 'kubernetes.io/tls' }, { type: merge })
    await calls.call('POST', core(calls, 'secrets'), { ...secret, metadata: { name: 'bad' }, data: { x: '%' } })
    await calls.call('PATCH', core(calls, 'configmaps/settings'), { immutable: true }, { type: merge })
    await calls.call('PATCH', core(calls, 'configmaps/settings'), { data: { key: 'other' } }, { type: merge })
  }),
  check('service accounts leases and claims', async (calls) => {
    await calls.call('POST', core(calls, 'serviceaccounts'), { metadata: { name: 'web' }, secrets: [{ name: 'a' }] })
    const lease = {
      metadata: { name: 'leader' },
      spec: { holderIdentity: 'a', leaseDurationSeconds: 15, renewTime: '2026-01-01T00:00:00.000000Z' },
    }
    const leases = `/apis/coordination.k8s.io/v1/namespaces/${calls.namespace}/leases`
    const made = await calls.call('POST', leases, lease)
    await calls.call('PUT', `${leases}/leader`, lease)
    const version = stringAt(made, 'metadata', 'resourceVersion') ?? ''
    await calls.call('PUT', `${leases}/leader`, {
      ...lease,
      metadata: { name: 'leader', resourceVersion: version },
      spec: { ...lease.spec, holderIdentity: 'b' },
    })
    await calls.call('PUT', `${leases}/leader`, { ...lease, metadata: { name: 'leader', resourceVersion: version } })
    await calls.call('PUT', `${leases}/other`, { ...lease, metadata: { name: 'other' } })
    await calls.call('POST', leases, { metadata: { name: 'bad' }, spec: { leaseDurationSeconds: 0 } })
    const claim = { metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } }
    await calls.call('POST', core(calls, 'persistentvolumeclaims'), claim)
    await calls.call('DELETE', core(calls, 'persistentvolumeclaims/data'))
  }),
  check('a namespace', async (calls) => {
    const path = '/api/v1/namespaces'
    await calls.call('POST', path, { metadata: { name: 'team-a', labels: { team: 'a' } } })
    await calls.call('POST', path, { metadata: { name: 'team-a' } })
    await calls.call('POST', path, { metadata: { name: 'Team' } })
    await calls.call('PATCH', `${path}/team-a`, { metadata: { labels: { team: 'b' } } }, { type: merge })
    await calls.call('DELETE', `${path}/team-a`)
    await calls.call('POST', `${path}/team-a/configmaps`, configMap('late'))
    await calls.call('DELETE', `${path}/default`)
    await calls.call('DELETE', `${path}/kube-system`)
  }),
  check('a namespace that is missing', async (calls) => {
    await calls.call('POST', '/api/v1/namespaces/nowhere/configmaps', configMap('lost'))
    await calls.call('POST', '/apis/apps/v1/namespaces/nowhere/deployments', deployment('lost'))
    await calls.call('POST', core(calls, 'configmaps'), configMap('lost', {}, { namespace: 'elsewhere' }))
  }),
  check('a node', async (calls) => {
    const node = {
      metadata: { name: 'node-1', labels: { zone: 'a' } },
      spec: { unschedulable: true },
      status: { capacity: { cpu: '4', memory: '8Gi', pods: '110' } },
    }
    await calls.call('POST', '/api/v1/nodes', node)
    await calls.call('PATCH', '/api/v1/nodes/node-1', { spec: { unschedulable: null } }, { type: merge })
    await calls.call('PATCH', '/api/v1/nodes/node-1', { spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } }, { type: strategic })
    await calls.call(
      'PATCH',
      '/api/v1/nodes/node-1/status',
      { status: { conditions: [{ type: 'Ready', status: 'True' }] } },
      { type: strategic },
    )
    await calls.call('GET', '/api/v1/nodes?fieldSelector=spec.unschedulable%3Dfalse')
    await calls.call('DELETE', '/api/v1/nodes/node-1')
  }),
  check('an event', async (calls) => {
    const event = {
      metadata: { name: 'web.1' },
      involvedObject: { kind: 'Pod', name: 'web', namespace: calls.namespace },
      reason: 'Started',
      message: 'it did',
      type: 'Normal',
      source: { component: 'kubelet' },
      count: 1,
    }
    await calls.call('POST', core(calls, 'events'), event)
    await calls.call('GET', `${core(calls, 'events')}?fieldSelector=involvedObject.name%3Dweb,type%3DNormal`)
    await calls.call('GET', `${core(calls, 'events')}?fieldSelector=involvedObject.name%3Dother`)
  }),
  check('generated names', async (calls) => {
    await calls.call('POST', core(calls, 'configmaps'), { metadata: { generateName: 'run-' }, data: { a: '1' } })
    await calls.call(
      'POST',
      core(calls, 'configmaps'),
      { metadata: { generateName: 'Run-' } },
      {
        keep: (body) => listAt(body, 'details', 'causes').map((cause) => `${stringAt(cause, 'reason')} ${stringAt(cause, 'field')}`),
      },
    )
    await calls.call('POST', core(calls, 'configmaps'), { metadata: {} })
  }),
  check('what a new object may not bring', async (calls) => {
    await calls.call('POST', core(calls, 'configmaps'), configMap('settings', {}, { resourceVersion: '7' }))
    await calls.call(
      'POST',
      core(calls, 'configmaps'),
      configMap('settings', {}, { uid: 'mine', creationTimestamp: '2001-01-01T00:00:00Z', generation: 9 }),
    )
  }),
  check('a dry run keeps nothing', async (calls) => {
    await calls.call('POST', `${apps(calls, 'deployments')}?dryRun=All`, deployment('web'))
    await calls.call('GET', apps(calls, 'deployments/web'))
    await calls.prepare('POST', apps(calls, 'deployments'), deployment('web'))
    await calls.call('PATCH', `${apps(calls, 'deployments/web')}?dryRun=All`, { spec: { replicas: 3 } }, { type: merge })
    await calls.call('DELETE', `${apps(calls, 'deployments/web')}?dryRun=All`)
    await calls.call('GET', apps(calls, 'deployments/web'))
  }),

  // Validation
  check('names that are none', async (calls) => {
    for (const name of ['Web', 'web_1', '-web', 'a'.repeat(254), 'web.', 'ok.example.com'])
      await calls.call('POST', core(calls, 'configmaps'), configMap(name))
  }),
  check('labels and annotations that are none', async (calls) => {
    const labelled = (labels: { [key: string]: string }): JsonObject => configMap('labelled', {}, { labels })
    await calls.call('POST', core(calls, 'configmaps'), labelled({ 'a/b/c': 'x' }))
    await calls.call('POST', core(calls, 'configmaps'), labelled({ '-a': 'x' }))
    await calls.call('POST', core(calls, 'configmaps'), labelled({ 'UPPER.example.com/a': 'x' }))
    await calls.call('POST', core(calls, 'configmaps'), labelled({ a: 'not valid!' }))
    await calls.call('POST', core(calls, 'configmaps'), labelled({ a: 'x'.repeat(64) }))
    await calls.call('POST', core(calls, 'configmaps'), configMap('noted', {}, { annotations: { 'not valid': 'x' } }))
    await calls.call('POST', core(calls, 'configmaps'), configMap('noted', {}, { annotations: { big: 'x'.repeat(262145) } }))
  }),
  check('owners and finalizers that are none', async (calls) => {
    await calls.call(
      'POST',
      core(calls, 'configmaps'),
      configMap('owned', {}, { ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'x', uid: '' }] }),
    )
    await calls.call('POST', core(calls, 'configmaps'), configMap('final', {}, { finalizers: ['not valid'] }))
    await calls.call('POST', core(calls, 'configmaps'), configMap('final', {}, { finalizers: ['orphan', 'foregroundDeletion'] }))
  }),
  check('a deployment that is invalid', async (calls) => {
    const path = apps(calls, 'deployments')
    await calls.call('POST', path, deployment('web', { replicas: -1 }))
    await calls.call('POST', path, deployment('web', { selector: { matchLabels: { app: 'other' } } }))
    await calls.call('POST', path, deployment('web', { selector: {} }))
    await calls.call('POST', path, { ...deployment('web'), spec: { template: template() } })
    await calls.call('POST', path, { ...deployment('web'), spec: { selector: { matchLabels: { app: 'web' } } } })
    await calls.call(
      'POST',
      path,
      deployment('web', { selector: { matchExpressions: [{ key: 'app', operator: 'Like', values: ['web'] }] } }),
    )
    await calls.call('POST', path, deployment('web', { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } }))
    await calls.call('POST', path, deployment('web', { strategy: { rollingUpdate: { maxUnavailable: '150%' } } }))
    await calls.call('POST', path, deployment('web', { strategy: { rollingUpdate: { maxUnavailable: 'half' } } }))
    await calls.call('POST', path, deployment('web', { strategy: { type: 'Recreate', rollingUpdate: { maxSurge: 1 } } }))
    await calls.call('POST', path, deployment('web', { progressDeadlineSeconds: 5, minReadySeconds: 5 }))
    await calls.call('POST', path, deployment('web', { revisionHistoryLimit: -1, minReadySeconds: -1 }))
  }),
  check('a pod template that is invalid', async (calls) => {
    const path = apps(calls, 'deployments')
    const withSpec = (spec: JsonObject): JsonObject => deployment('web', { template: { ...template(), spec } })
    const container = { name: 'web', image: 'web:v1' }
    await calls.call('POST', path, withSpec({ containers: [] }))
    await calls.call('POST', path, withSpec({ containers: [{ name: 'Web' }] }))
    await calls.call('POST', path, withSpec({ containers: [container, container] }))
    await calls.call('POST', path, withSpec({ containers: [container], restartPolicy: 'Never' }))
    await calls.call('POST', path, withSpec({ containers: [container], restartPolicy: 'Sometimes', dnsPolicy: 'Mine' }))
    await calls.call(
      'POST',
      path,
      withSpec({ containers: [{ ...container, ports: [{ containerPort: 70000 }, { containerPort: 80, protocol: 'HTTP' }] }] }),
    )
    await calls.call('POST', path, withSpec({ containers: [{ ...container, env: [{ name: '1A' }, { name: '' }] }] }))
    await calls.call('POST', path, withSpec({ containers: [{ ...container, volumeMounts: [{ name: 'none', mountPath: '/a' }] }] }))
    await calls.call('POST', path, withSpec({ containers: [{ ...container, imagePullPolicy: 'Maybe' }] }))
    await calls.call(
      'POST',
      path,
      withSpec({ containers: [{ ...container, resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } }] }),
    )
    await calls.call('POST', path, withSpec({ containers: [{ ...container, resources: { requests: { cpu: '-1' } } }] }))
    await calls.call('POST', path, withSpec({ containers: [{ ...container, readinessProbe: { periodSeconds: -1 } }] }))
    await calls.call('POST', path, withSpec({ containers: [container], volumes: [{ name: 'a' }, { name: 'a' }] }))
  }),
  check('a stateful set that is invalid', async (calls) => {
    const path = apps(calls, 'statefulsets')
    await calls.call('POST', path, statefulSet('db', { replicas: -1, podManagementPolicy: 'Any' }))
    await calls.call('POST', path, statefulSet('db', { updateStrategy: { type: 'OnDelete', rollingUpdate: { partition: 1 } } }))
    await calls.call('POST', path, statefulSet('db', { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: -1 } } }))
    await calls.call('POST', path, statefulSet('db', { selector: { matchLabels: { app: 'x' } } }))
  }),
  check('a daemon set that is invalid', async (calls) => {
    const path = apps(calls, 'daemonsets')
    await calls.call('POST', path, daemonSet('agent', { updateStrategy: { rollingUpdate: { maxUnavailable: 0 } } }))
    await calls.call('POST', path, daemonSet('agent', { selector: { matchLabels: { app: 'x' } } }))
  }),
  check('a job that is invalid', async (calls) => {
    const path = batch(calls, 'jobs')
    await calls.call('POST', path, job('once', { parallelism: -1, backoffLimit: -1 }))
    await calls.call('POST', path, { ...job('once'), spec: { template: { spec: { containers: [{ name: 'a', image: 'a' }] } } } })
    await calls.call('POST', path, {
      ...job('once'),
      spec: { template: { spec: { restartPolicy: 'Sometimes', containers: [{ name: 'a', image: 'a' }] } } },
    })
  }),
  check('a cron job that is invalid', async (calls) => {
    const path = batch(calls, 'cronjobs', 'v1beta1')
    await calls.call('POST', path, cronJob('nightly', { schedule: '' }))
    await calls.call('POST', path, cronJob('nightly', { schedule: '* * * *' }))
    await calls.call('POST', path, cronJob('nightly', { schedule: '61 * * * *' }))
    await calls.call('POST', path, cronJob('nightly', { schedule: 'a * * * *' }))
    await calls.call('POST', path, cronJob('nightly', { concurrencyPolicy: 'Maybe' }))
    await calls.call('POST', path, cronJob('n'.repeat(53)))
    await calls.call(
      'POST',
      path,
      cronJob('nightly', { jobTemplate: { spec: jobSpec({ manualSelector: true, selector: { matchLabels: { a: 'b' } } }) } }),
    )
  }),

  // Autoscalers
  check('an autoscaler of version 1', async (calls) => {
    await calls.call('POST', scaling(calls, 'v1'), autoscalerV1('web', { targetCPUUtilizationPercentage: 60 }))
    await calls.call('GET', scaling(calls, 'v1', '/web'))
    await calls.call('GET', scaling(calls, 'v2beta2', '/web'))
    await calls.call('GET', scaling(calls, 'v2beta2'))
    await calls.call('PATCH', scaling(calls, 'v1', '/web'), { spec: { minReplicas: 3, maxReplicas: 9 } }, { type: merge })
  }),
  check('an autoscaler without metrics', async (calls) => {
    await calls.call('POST', scaling(calls, 'v1'), autoscalerV1('old', { minReplicas: null }))
    await calls.call('GET', scaling(calls, 'v2beta2', '/old'))
    await calls.call('POST', scaling(calls, 'v2beta2'), autoscalerV2('new', { minReplicas: null }))
    await calls.call('GET', scaling(calls, 'v1', '/new'))
  }),
  check('an autoscaler of version 2', async (calls) => {
    const metrics = [
      { type: 'Resource', resource: { name: 'memory', target: { type: 'Utilization', averageUtilization: 70 } } },
      { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
      { type: 'Pods', pods: { metric: { name: 'rps' }, target: { type: 'AverageValue', averageValue: '1k' } } },
      {
        type: 'Object',
        object: {
          describedObject: { apiVersion: 'networking.k8s.io/v1beta1', kind: 'Ingress', name: 'main' },
          metric: { name: 'hits', selector: { matchLabels: { a: 'b' } } },
          target: { type: 'Value', value: '10k' },
        },
      },
      { type: 'External', external: { metric: { name: 'queue' }, target: { type: 'AverageValue', averageValue: '30' } } },
    ]
    const behavior = { scaleDown: { stabilizationWindowSeconds: 60, policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }] } }
    await calls.call('POST', scaling(calls, 'v2beta2'), autoscalerV2('web', { metrics, behavior }))
    await calls.call('GET', scaling(calls, 'v1', '/web'))
    await calls.call('PATCH', scaling(calls, 'v1', '/web'), { spec: { maxReplicas: 8 } }, { type: merge })
    await calls.call('GET', scaling(calls, 'v2beta2', '/web'))
    await calls.call('PATCH', scaling(calls, 'v1', '/web'), { spec: { targetCPUUtilizationPercentage: 90 } }, { type: strategic })
    await calls.call('GET', scaling(calls, 'v2beta2', '/web'))
  }),
  check('the status of an autoscaler in both versions', async (calls) => {
    await calls.prepare('POST', scaling(calls, 'v2beta2'), autoscalerV2('web'))
    const status = {
      currentReplicas: 2,
      desiredReplicas: 3,
      lastScaleTime: '2026-01-01T00:00:00Z',
      currentMetrics: [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 40, averageValue: '400m' } } }],
      conditions: [
        { type: 'AbleToScale', status: 'True', reason: 'ReadyForNewScale', message: 'ok', lastTransitionTime: '2026-01-01T00:00:00Z' },
      ],
    }
    await calls.call('PATCH', scaling(calls, 'v2beta2', '/web/status'), { status }, { type: merge })
    await calls.call('GET', scaling(calls, 'v1', '/web'))
  }),
  check('an autoscaler that is invalid', async (calls) => {
    const path = scaling(calls, 'v1')
    await calls.call('POST', path, autoscalerV1('web', { minReplicas: 0 }))
    await calls.call('POST', path, autoscalerV1('web', { minReplicas: 5, maxReplicas: 3 }))
    await calls.call('POST', path, autoscalerV1('web', { maxReplicas: 0 }))
    await calls.call('POST', path, autoscalerV1('web', { scaleTargetRef: { kind: '', name: '' } }))
    await calls.call('POST', path, autoscalerV1('web', { scaleTargetRef: { kind: 'a/b', name: '..' } }))
    await calls.call('POST', scaling(calls, 'v2beta2'), autoscalerV2('web', { metrics: [{ type: 'Foo' }] }))
    await calls.call('POST', scaling(calls, 'v2beta2'), autoscalerV2('web', { metrics: [{ type: 'Pods' }] }))
    await calls.call(
      'POST',
      scaling(calls, 'v2beta2'),
      autoscalerV2('web', { metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization' } } }] }),
    )
    await calls.call(
      'POST',
      scaling(calls, 'v2beta2'),
      autoscalerV2('web', { behavior: { scaleUp: { stabilizationWindowSeconds: 4000 } } }),
    )
    await calls.call(
      'POST',
      scaling(calls, 'v2beta2'),
      autoscalerV2('web', { behavior: { scaleDown: { policies: [{ type: 'Pods', value: 0, periodSeconds: 5000 }] } } }),
    )
    await calls.prepare('POST', path, autoscalerV1('web'))
    await calls.call('PATCH', scaling(calls, 'v1', '/web'), { spec: { minReplicas: 9 } }, { type: merge })
    await calls.call('PATCH', scaling(calls, 'v1', '/web'), { spec: { minReplicas: 0, maxReplicas: 0 } }, { type: merge })
    await calls.call('GET', scaling(calls, 'v1', '/web'))
  }),

  // Updating
  check('replacing an object', async (calls) => {
    const made = await calls.call('POST', apps(calls, 'deployments'), deployment('web'))
    await calls.call('PUT', apps(calls, 'deployments/web'), { ...made, spec: { ...objectAt(made, 'spec'), replicas: 4 } })
    await calls.call('PUT', apps(calls, 'deployments/web'), { ...made, spec: { ...objectAt(made, 'spec'), replicas: 5 } })
    await calls.call('PUT', apps(calls, 'deployments/web'), deployment('web', { replicas: 6 }))
    await calls.call('PUT', apps(calls, 'deployments/web'), deployment('web', { replicas: 6 }))
    await calls.call('PUT', apps(calls, 'deployments/web'), deployment('other'))
    await calls.call('PUT', apps(calls, 'deployments/web'), { ...deployment('web'), metadata: {} })
    await calls.call('PUT', apps(calls, 'deployments/web'), { ...deployment('web'), metadata: { name: 'web', namespace: 'elsewhere' } })
    await calls.call('PUT', apps(calls, 'deployments/web'), { ...deployment('web'), metadata: { name: 'web', uid: 'another' } })
  }),
  check('the status is not the object', async (calls) => {
    await calls.prepare('POST', apps(calls, 'deployments'), deployment('web'))
    await calls.call('PATCH', apps(calls, 'deployments/web'), { status: { replicas: 9 } }, { type: merge })
    await calls.call(
      'PATCH',
      apps(calls, 'deployments/web/status'),
      { status: { replicas: 3, readyReplicas: 2 }, spec: { replicas: 7 } },
      { type: merge },
    )
    await calls.call('PATCH', apps(calls, 'deployments/web/status'), { status: { readyReplicas: 5 } }, { type: merge })
    await calls.call('PATCH', apps(calls, 'deployments/web/status'), { status: { replicas: -1 } }, { type: merge })
    const conditions = [{ type: 'Available', status: 'True', reason: 'x' }]
    await calls.call('PATCH', apps(calls, 'deployments/web/status'), { status: { conditions } }, { type: strategic })
    const more = [
      { type: 'Progressing', status: 'False' },
      { type: 'Available', status: 'False' },
    ]
    await calls.call('PATCH', apps(calls, 'deployments/web/status'), { status: { conditions: more } }, { type: strategic })
  }),
  check('generation counts changes of the spec', async (calls) => {
    await calls.prepare('POST', apps(calls, 'deployments'), deployment('web'))
    const path = apps(calls, 'deployments/web')
    await calls.call('PATCH', path, { metadata: { labels: { a: 'b' } } }, { type: merge })
    await calls.call('PATCH', path, { metadata: { annotations: { a: 'b' } } }, { type: merge })
    await calls.call('PATCH', path, { spec: { replicas: 1 } }, { type: merge })
    await calls.call('PATCH', path, { spec: { replicas: 2 } }, { type: merge })
    await calls.call('PATCH', path, { metadata: { generation: 99 } }, { type: merge })
    await calls.prepare('POST', apps(calls, 'statefulsets'), statefulSet('db'))
    await calls.call('PATCH', apps(calls, 'statefulsets/db'), { metadata: { annotations: { a: 'b' } } }, { type: merge })
    await calls.prepare('POST', apps(calls, 'daemonsets'), daemonSet('agent'))
    await calls.call(
      'PATCH',
      apps(calls, 'daemonsets/agent'),
      { spec: { template: { metadata: { annotations: { a: 'b' } } } } },
      { type: merge },
    )
    await calls.call(
      'PATCH',
      apps(calls, 'daemonsets/agent'),
      { metadata: { annotations: { 'deprecated.daemonset.template.generation': '7' } } },
      { type: merge },
    )
  }),
  check('what may not change', async (calls) => {
    await calls.prepare('POST', apps(calls, 'deployments'), deployment('web'))
    const path = apps(calls, 'deployments/web')
    const other = { selector: { matchLabels: { app: 'other' } }, template: { metadata: { labels: { app: 'other' } } } }
    await calls.call('PATCH', path, { spec: other }, { type: merge })
    await calls.call('PATCH', path, { metadata: { name: 'other' } }, { type: merge })
    await calls.call('PATCH', path, { metadata: { namespace: 'other' } }, { type: merge })
    await calls.call('PATCH', path, { metadata: { uid: 'other' } }, { type: merge })
    await calls.call('PATCH', path, { metadata: { creationTimestamp: '2001-01-01T00:00:00Z' } }, { type: merge })
    await calls.call('PATCH', path, { metadata: { deletionTimestamp: '2001-01-01T00:00:00Z' } }, { type: merge })
    await calls.call('PATCH', path, { kind: 'StatefulSet' }, { type: merge })
    await calls.call('PATCH', path, { spec: { replicas: -3 } }, { type: merge })
  }),
  check('what may not change in a stateful set', async (calls) => {
    await calls.prepare('POST', apps(calls, 'statefulsets'), statefulSet('db'))
    const path = apps(calls, 'statefulsets/db')
    await calls.call('PATCH', path, { spec: { serviceName: 'other' } }, { type: merge })
    await calls.call('PATCH', path, { spec: { podManagementPolicy: 'Parallel', replicas: -2 } }, { type: merge })
    await calls.call('PATCH', path, { spec: { replicas: 3, updateStrategy: { rollingUpdate: { partition: 2 } } } }, { type: merge })
    const containers = [{ name: 'web', image: 'ccr.ccs.tencentyun.com/shop/web:v2' }]
    await calls.call('PATCH', path, { spec: { template: { spec: { containers } } } }, { type: strategic })
  }),
  check('what may not change in a job', async (calls) => {
    await calls.prepare('POST', batch(calls, 'jobs'), job('once'))
    const path = batch(calls, 'jobs/once')
    await calls.call(
      'PATCH',
      path,
      { spec: { template: { spec: { containers: [{ name: 'work', image: 'other:v2' }] } } } },
      { type: strategic },
    )
    await calls.call('PATCH', path, { spec: { completions: 5 } }, { type: merge })
    await calls.call('PATCH', path, { spec: { parallelism: 2 } }, { type: merge })
  }),
  check('what may change in a cron job', async (calls) => {
    await calls.prepare('POST', batch(calls, 'cronjobs', 'v1beta1'), cronJob('nightly'))
    const path = batch(calls, 'cronjobs/nightly', 'v1beta1')
    const containers = [{ name: 'work', image: 'ccr.ccs.tencentyun.com/shop/job:v2' }]
    await calls.call('PATCH', path, { spec: { jobTemplate: { spec: { template: { spec: { containers } } } } } }, { type: strategic })
    await calls.call('PATCH', path, { spec: { suspend: true, schedule: '@hourly' } }, { type: merge })
  }),
  check('what may change in a pod', async (calls) => {
    await calls.prepare('POST', core(calls, 'pods'), pod('web'))
    const path = core(calls, 'pods/web')
    await calls.call(
      'PATCH',
      path,
      { spec: { containers: [{ name: 'web', image: 'ccr.ccs.tencentyun.com/shop/web:v2' }] } },
      { type: strategic },
    )
    await calls.call('PATCH', path, { metadata: { labels: { extra: 'yes' } } }, { type: merge })
    await calls.call('PATCH', path, { spec: { nodeSelector: { a: 'b' } } }, { type: merge })
    await calls.call('PATCH', path, { spec: { containers: [{ name: 'more', image: 'more:v1' }] } }, { type: strategic })
  }),

  // Patches
  check('merge patches', async (calls) => {
    await calls.prepare('POST', core(calls, 'configmaps'), configMap('settings', { a: '1', b: '2' }, { labels: { x: 'y' } }))
    const path = core(calls, 'configmaps/settings')
    await calls.call('PATCH', path, { data: { a: null, c: '3' } }, { type: merge })
    await calls.call('PATCH', path, { metadata: { labels: null } }, { type: merge })
    await calls.call('PATCH', path, {}, { type: merge })
    await calls.call('PATCH', path, '[]', { type: merge })
    await calls.call('PATCH', path, '"x"', { type: merge })
    await calls.call('PATCH', path, '{', { type: merge })
    await calls.call('PATCH', path, { data: [1] }, { type: merge })
    await calls.call('PATCH', path, { data: null }, { type: merge })
  }),
  check('a merge patch replaces lists', async (calls) => {
    await calls.prepare('POST', apps(calls, 'deployments'), deployment('web'))
    await calls.call(
      'PATCH',
      apps(calls, 'deployments/web'),
      { spec: { template: { spec: { containers: [{ name: 'only', image: 'only:v1' }] } } } },
      { type: merge },
    )
  }),
  check('json patches', async (calls) => {
    await calls.prepare('POST', apps(calls, 'deployments'), deployment('web'))
    const path = apps(calls, 'deployments/web')
    const image = '/spec/template/spec/containers/0/image'
    await calls.call(
      'PATCH',
      path,
      [
        { op: 'test', path: image, value: 'ccr.ccs.tencentyun.com/shop/web:v1' },
        { op: 'replace', path: image, value: 'ccr.ccs.tencentyun.com/shop/web:v2' },
      ],
      { type: json },
    )
    await calls.call(
      'PATCH',
      path,
      [
        { op: 'test', path: image, value: 'ccr.ccs.tencentyun.com/shop/web:v1' },
        { op: 'replace', path: image, value: 'x' },
      ],
      { type: json },
    )
    await calls.call(
      'PATCH',
      path,
      [
        { op: 'add', path: '/metadata/annotations', value: {} },
        { op: 'add', path: '/metadata/annotations/a~1b', value: 'c' },
      ],
      { type: json },
    )
    await calls.call('PATCH', path, [{ op: 'add', path: '/spec/template/spec/containers/-', value: { name: 'two', image: 'two:v1' } }], {
      type: json,
    })
    await calls.call('PATCH', path, [{ op: 'add', path: '/spec/template/spec/containers/0', value: { name: 'zero', image: 'zero:v1' } }], {
      type: json,
    })
    await calls.call('PATCH', path, [{ op: 'remove', path: '/spec/template/spec/containers/1' }], { type: json })
    await calls.call('PATCH', path, [{ op: 'copy', from: '/metadata/name', path: '/metadata/annotations/copied' }], { type: json })
    await calls.call('PATCH', path, [{ op: 'move', from: '/metadata/annotations/copied', path: '/metadata/annotations/moved' }], {
      type: json,
    })
    await calls.call(
      'PATCH',
      path,
      [
        { op: 'test', path: '/spec/nothing', value: null },
        { op: 'replace', path: '/spec/replicas', value: 2 },
      ],
      { type: json },
    )
  }),
  check('json patches that cannot be done', async (calls) => {
    await calls.prepare('POST', core(calls, 'configmaps'), configMap('settings'))
    const path = core(calls, 'configmaps/settings')
    await calls.call('PATCH', path, [{ op: 'remove', path: '/data/none' }], { type: json })
    await calls.call('PATCH', path, [{ op: 'replace', path: '/data/none', value: 'x' }], { type: json })
    await calls.call('PATCH', path, [{ op: 'add', path: '/none/deep', value: 'x' }], { type: json })
    await calls.call('PATCH', path, [{ op: 'move', from: '/data/none', path: '/data/a' }], { type: json })
    await calls.call('PATCH', path, [{ op: 'spoil', path: '/data/key' }], { type: json })
    await calls.call('PATCH', path, [{ op: 'test', path: '/data/key', value: 'other' }], { type: json })
    await calls.call('PATCH', path, [{ op: 'add', path: '/data/number', value: 7 }], { type: json })
    await calls.call('PATCH', path, { op: 'add' }, { type: json })
    await calls.call('PATCH', path, 'x', { type: json })
    await calls.call('PATCH', path, [], { type: json })
    await calls.call('GET', path)
  }),
  check('json patches with a version', async (calls) => {
    const made = await calls.prepare('POST', core(calls, 'configmaps'), configMap('settings'))
    const path = core(calls, 'configmaps/settings')
    const version = stringAt(made, 'metadata', 'resourceVersion') ?? ''
    const operations = [
      { op: 'test', path: '/metadata/resourceVersion', value: version },
      { op: 'add', path: '/data/a', value: '1' },
    ]
    await calls.call('PATCH', path, operations, { type: json })
    await calls.call('PATCH', path, operations, { type: json })
    await calls.call(
      'PATCH',
      path,
      [
        { op: 'replace', path: '/metadata/resourceVersion', value: version },
        { op: 'add', path: '/data/b', value: '1' },
      ],
      { type: json },
    )
  }),
  check('a version inside a merge patch', async (calls) => {
    const made = await calls.prepare('POST', scaling(calls, 'v1'), autoscalerV1('web'))
    const path = scaling(calls, 'v1', '/web')
    const version = stringAt(made, 'metadata', 'resourceVersion') ?? ''
    const body = { metadata: { resourceVersion: version }, spec: { minReplicas: 4, maxReplicas: 8 } }
    await calls.call('PATCH', path, body, { type: merge })
    await calls.call('PATCH', path, { ...body, spec: { minReplicas: 5 } }, { type: merge })
    await calls.call('PATCH', path, { ...body, spec: { minReplicas: 5 } }, { type: strategic })
    await calls.call('PATCH', path, { metadata: { resourceVersion: '' }, spec: { minReplicas: 5 } }, { type: merge })
    await calls.call('PATCH', path, { metadata: { uid: 'other' }, spec: { minReplicas: 6 } }, { type: merge })
    await calls.call('PATCH', path, { metadata: { resourceVersion: 'x' }, spec: { minReplicas: 6 } }, { type: merge })
  }),
  check('strategic patches merge lists by key', async (calls) => {
    const containers = [
      {
        name: 'web',
        image: 'web:v1',
        env: [
          { name: 'A', value: '1' },
          { name: 'B', value: '2' },
        ],
        ports: [{ containerPort: 80 }],
        args: ['a', 'b'],
      },
      { name: 'side', image: 'side:v1' },
    ]
    await calls.prepare(
      'POST',
      apps(calls, 'deployments'),
      deployment('web', { template: { ...template(), spec: { containers, volumes: [{ name: 'tmp', emptyDir: {} }] } } }),
    )
    const path = apps(calls, 'deployments/web')
    const patch = (spec: Json): Promise<JsonObject> => calls.call('PATCH', path, { spec: { template: { spec } } }, { type: strategic })
    await patch({ containers: [{ name: 'web', image: 'web:v2' }] })
    await patch({ containers: [{ name: 'web', env: [{ name: 'C', value: '3' }] }] })
    await patch({
      containers: [
        {
          name: 'web',
          env: [
            { name: 'B', value: '9' },
            { name: 'A', value: '8' },
          ],
        },
      ],
    })
    await patch({ containers: [{ name: 'web', env: [{ name: 'A', $patch: 'delete' }] }] })
    await patch({ containers: [{ name: 'web', ports: [{ containerPort: 443, name: 'https' }] }] })
    await patch({ containers: [{ name: 'web', args: ['c'] }] })
    await patch({ containers: [{ name: 'third', image: 'third:v1' }] })
    await patch({ containers: [{ name: 'side', $patch: 'delete' }] })
    await patch({ volumes: [{ name: 'tmp', hostPath: { path: '/tmp' }, emptyDir: null }] })
    await patch({ volumes: [{ name: 'new', emptyDir: { medium: 'Memory' } }] })
    await patch({ containers: [{ $patch: 'replace' }, { name: 'last', image: 'last:v1' }] })
    await patch({ containers: [{ image: 'nameless:v1' }] })
    await patch({ nodeSelector: { a: '1' } })
    await patch({ nodeSelector: { a: null, b: '2' } })
    await patch({ nodeSelector: { $patch: 'replace', c: '3' } })
    await patch({ nodeSelector: null })
    await patch({ $patch: 'sideways' })
  }),
  check('strategic patches with directives', async (calls) => {
    const containers = [
      {
        name: 'web',
        image: 'web:v1',
        env: [
          { name: 'A', value: '1' },
          { name: 'B', value: '2' },
        ],
      },
    ]
    await calls.prepare('POST', apps(calls, 'deployments'), deployment('web', { template: { ...template(), spec: { containers } } }))
    const path = apps(calls, 'deployments/web')
    const env = { '$setElementOrder/env': [{ name: 'C' }, { name: 'B' }, { name: 'A' }], env: [{ name: 'C', value: '3' }] }
    const ordered = { '$setElementOrder/containers': [{ name: 'web' }], containers: [{ name: 'web', ...env }] }
    await calls.call('PATCH', path, { spec: { template: { spec: ordered } } }, { type: strategic })
    await calls.call('PATCH', path, { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } }, { type: strategic })
    await calls.call('PATCH', path, { metadata: { finalizers: ['example.com/one', 'example.com/two'] } }, { type: strategic })
    await calls.call('PATCH', path, { metadata: { finalizers: ['example.com/three'] } }, { type: strategic })
    await calls.call('PATCH', path, { metadata: { '$deleteFromPrimitiveList/finalizers': ['example.com/two'] } }, { type: strategic })
    const owner = { apiVersion: 'v1', kind: 'Pod', name: 'x', uid: 'u-1' }
    await calls.call('PATCH', path, { metadata: { ownerReferences: [owner] } }, { type: strategic })
    await calls.call('PATCH', path, { metadata: { ownerReferences: [{ ...owner, uid: 'u-2', name: 'y' }] } }, { type: strategic })
    await calls.call('PATCH', path, { metadata: { ownerReferences: [{ uid: 'u-1', $patch: 'delete' }] } }, { type: strategic })
  }),
  check('patches of a wrong content type', async (calls) => {
    await calls.prepare('POST', core(calls, 'configmaps'), configMap('settings'))
    const path = core(calls, 'configmaps/settings')
    await calls.call('PATCH', path, { data: { a: '1' } }, { type: 'application/json' })
    await calls.call('PATCH', path, { data: { a: '1' } }, { type: 'text/plain' })
    await calls.call('PATCH', path, { data: { a: '1' } }, { type: 'application/merge-patch+json; charset=utf-8' })
    await calls.call('PATCH', core(calls, 'configmaps/none'), { data: {} }, { type: 'application/json' })
  }),

  check('odds and ends of queries', async (calls) => {
    await calls.prepare('POST', core(calls, 'configmaps'), configMap('settings'))
    const path = core(calls, 'configmaps')
    await calls.call('GET', `${path}?limit=-1`)
    await calls.call('GET', `${path}?limit=0&continue=`)
    await calls.call('GET', `${path}?labelSelector=&fieldSelector=`)
    await calls.call('GET', `${path}?resourceVersion=0`)
    await calls.call('GET', `${path}/settings?pretty=true&unknown=1`)
    await calls.call('PATCH', `${path}/settings?dryRun=Some`, { data: {} }, { type: merge })
    await calls.call('DELETE', `${path}/settings`, '{', { type: 'application/json' })
    await calls.call('DELETE', `${path}/settings?gracePeriodSeconds=x`)
    await calls.call('DELETE', `${path}/settings`, { kind: 'DeleteOptions', apiVersion: 'v1', dryRun: ['All'] })
    await calls.call('GET', `${path}/settings`)
    await calls.call('DELETE', `${path}/settings`, {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      propagationPolicy: 'Background',
      orphanDependents: true,
    })
    await calls.call('DELETE', `${path}/settings?orphanDependents=false`)
    await calls.call('POST', path, { kind: 'ConfigMapList', apiVersion: 'v1', items: [] })
    await calls.call('POST', path, { kind: 'List', apiVersion: 'v1', items: [] })
  }),
  check('the whole status is replaced', async (calls) => {
    const made = await calls.prepare('POST', apps(calls, 'deployments'), deployment('web'))
    const path = apps(calls, 'deployments/web/status')
    await calls.call('PUT', path, {
      ...made,
      metadata: { ...objectAt(made, 'metadata'), labels: { x: 'y' }, annotations: { p: 'q' } },
      spec: {},
      status: { replicas: 2 },
    })
    await calls.call('PUT', path, { ...made, status: { replicas: 3 } })
    await calls.call('PATCH', path, [{ op: 'replace', path: '/status/replicas', value: 5 }], { type: json })
    await calls.call('PUT', apps(calls, 'deployments/none/status'), { ...deployment('none'), status: {} })
    await calls.prepare('POST', apps(calls, 'replicasets'), replicaSet('web'))
    await calls.call(
      'PATCH',
      apps(calls, 'replicasets/web/status'),
      { status: { replicas: 1, readyReplicas: 2, availableReplicas: 3 } },
      { type: merge },
    )
    await calls.call('PATCH', apps(calls, 'replicasets/web/scale'), { spec: { replicas: 4 } }, { type: merge })
    await calls.prepare('POST', core(calls, 'pods'), pod('web', { nodeName: 'node-a' }))
    await calls.call(
      'PATCH',
      core(calls, 'pods/web/status'),
      { status: { phase: 'Running', podIP: '10.0.0.1', conditions: [{ type: 'Ready', status: 'True' }] }, spec: { nodeName: 'other' } },
      { type: strategic },
    )
    await calls.call('GET', core(calls, 'pods/web'))
  }),
  check('autoscalers by strategic patch', async (calls) => {
    const metrics = [{ type: 'Resource', resource: { name: 'memory', target: { type: 'Utilization', averageUtilization: 70 } } }]
    await calls.prepare('POST', scaling(calls, 'v2beta2'), autoscalerV2('web', { metrics }))
    const other = [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 30 } } }]
    await calls.call('PATCH', scaling(calls, 'v2beta2', '/web'), { spec: { metrics: other } }, { type: strategic })
    await calls.call('PATCH', scaling(calls, 'v2beta2', '/web'), { spec: { metrics: null } }, { type: strategic })
    await calls.call('PATCH', scaling(calls, 'v2beta2', '/web'), { spec: { minReplicas: null, behavior: {} } }, { type: merge })
    await calls.call('PATCH', scaling(calls, 'v1', '/web'), { metadata: { annotations: { mine: 'x' } } }, { type: merge })
    await calls.call('PATCH', scaling(calls, 'v2beta2', '/web'), { metadata: { annotations: null } }, { type: merge })
    await calls.call('PUT', scaling(calls, 'v1', '/web'), autoscalerV1('web', { maxReplicas: 9, targetCPUUtilizationPercentage: 75 }))
    await calls.call('GET', scaling(calls, 'v2beta2', '/web'))
  }),

  // Scale
  check('the scale of a deployment', async (calls) => {
    await calls.prepare('POST', apps(calls, 'deployments'), deployment('web', { replicas: 2 }))
    const path = apps(calls, 'deployments/web/scale')
    const scale = await calls.call('GET', path)
    await calls.call('PUT', path, { ...scale, spec: { replicas: 5 } })
    await calls.call('PUT', path, { ...scale, spec: { replicas: 6 } })
    await calls.call('PATCH', path, { spec: { replicas: 3 } }, { type: merge })
    await calls.call('PATCH', path, [{ op: 'replace', path: '/spec/replicas', value: 4 }], { type: json })
    await calls.call('PATCH', path, { spec: { replicas: 0 } }, { type: strategic })
    await calls.call('GET', path)
    await calls.call('PATCH', path, { spec: { replicas: -1 } }, { type: merge })
    await calls.call('PUT', path, { metadata: { name: 'web', namespace: calls.namespace }, spec: { replicas: 1 } })
    await calls.call('PUT', path, { metadata: { name: 'other' }, spec: { replicas: 1 } })
    await calls.call('PATCH', path, { spec: { replicas: 'x' } }, { type: merge })
    await calls.call('PATCH', path, { metadata: { resourceVersion: '1' }, spec: { replicas: 7 } }, { type: merge })
    await calls.call('GET', apps(calls, 'deployments/web'))
  }),
  check('the scale of a stateful set', async (calls) => {
    const selector = {
      matchExpressions: [
        { key: 'app', operator: 'In', values: ['web', 'db'] },
        { key: 'old', operator: 'DoesNotExist' },
      ],
      matchLabels: { app: 'web' },
    }
    await calls.prepare('POST', apps(calls, 'statefulsets'), statefulSet('db', { selector }))
    await calls.call('GET', apps(calls, 'statefulsets/db/scale'))
    await calls.call('PATCH', apps(calls, 'statefulsets/db/scale'), { spec: { replicas: 3 } }, { type: merge })
    await calls.call('GET', apps(calls, 'statefulsets/db'))
  }),

  // Lists
  check('lists', async (calls) => {
    for (const [name, tier] of [
      ['b', 'front'],
      ['a', 'back'],
      ['c', 'front'],
    ] as const) {
      await calls.prepare('POST', core(calls, 'configmaps'), configMap(name, {}, { labels: { tier, app: name } }))
    }
    await calls.call('GET', core(calls, 'configmaps'))
    await calls.call('GET', core(calls, 'secrets'))
    for (const selector of [
      'tier=front',
      'tier==back',
      'tier!=front',
      'tier in (back,side)',
      'tier notin (back)',
      'tier',
      '!tier',
      'none',
      'app in (a,b),tier=front',
      'app>1',
      '',
    ]) {
      await calls.call('GET', `${core(calls, 'configmaps')}?labelSelector=${encodeURIComponent(selector)}`, undefined, {
        keep: (body) => listAt(body, 'items').map((item) => stringAt(item, 'metadata', 'name') ?? ''),
      })
    }
    await calls.call('GET', `${core(calls, 'configmaps')}?fieldSelector=metadata.name%3Db`)
    await calls.call('GET', `${core(calls, 'configmaps')}?fieldSelector=metadata.name!%3Db`, undefined, {
      keep: (body) => listAt(body, 'items').map((item) => stringAt(item, 'metadata', 'name') ?? ''),
    })
  }),
  check('selectors that cannot be read', async (calls) => {
    for (const selector of ['a b', 'a in (b', '=a', 'a=b=c', 'a in b', ',a', 'a,', 'a=!', 'x y=z', 'a>b']) {
      await calls.call('GET', `${core(calls, 'configmaps')}?labelSelector=${encodeURIComponent(selector)}`)
    }
    for (const selector of ['metadata.uid=x', 'x', 'spec.replicas=1']) {
      await calls.call('GET', `${core(calls, 'configmaps')}?fieldSelector=${encodeURIComponent(selector)}`)
      await calls.call('GET', `${apps(calls, 'deployments')}?fieldSelector=${encodeURIComponent(selector)}`)
      await calls.call('GET', `${core(calls, 'pods')}?fieldSelector=${encodeURIComponent(selector)}`)
    }
    await calls.call('GET', `${core(calls, 'configmaps')}?limit=x`)
  }),
  check('lists of pods by their fields', async (calls) => {
    await calls.prepare('POST', core(calls, 'pods'), pod('a', { nodeName: 'node-a' }))
    await calls.prepare('POST', core(calls, 'pods'), pod('b', { nodeName: 'node-b' }))
    await calls.prepare('POST', core(calls, 'pods'), pod('c'))
    await report(calls, 'a', 'Running', true)
    for (const selector of [
      'spec.nodeName=node-a',
      'spec.nodeName=',
      'spec.nodeName!=node-a',
      'status.phase=Running',
      'status.phase=Pending,spec.nodeName=node-b',
      'metadata.name=a',
    ]) {
      await calls.call('GET', `${core(calls, 'pods')}?fieldSelector=${encodeURIComponent(selector)}`, undefined, {
        keep: (body) => listAt(body, 'items').map((item) => stringAt(item, 'metadata', 'name') ?? ''),
      })
    }
  }),
  check('lists in pages', async (calls) => {
    for (const name of ['a', 'b', 'c', 'd', 'e'])
      await calls.prepare('POST', core(calls, 'configmaps'), configMap(name, {}, { labels: { odd: String('ace'.includes(name)) } }))
    const path = core(calls, 'configmaps')
    const token = (page: JsonObject): string => encodeURIComponent(stringAt(page, 'metadata', 'continue') ?? '')
    const first = await calls.call('GET', `${path}?limit=2`)
    await calls.prepare('POST', path, configMap('bb'))
    await calls.prepare('DELETE', `${path}/d`)
    const second = await calls.call('GET', `${path}?limit=2&continue=${token(first)}`)
    await calls.call('GET', `${path}?limit=2&continue=${token(second)}`)
    await calls.call('GET', `${path}?continue=${token(first)}`)
    const odd = await calls.call('GET', `${path}?limit=2&labelSelector=odd%3Dtrue`)
    await calls.call('GET', `${path}?limit=2&labelSelector=odd%3Dtrue&continue=${token(odd)}`)
    await calls.call('GET', `${path}?limit=5`)
    await calls.call('GET', `${path}?limit=100`)
    await calls.call('GET', `${path}?limit=2&continue=nonsense`)
  }),
  check('a token that is too old', async (calls) => {
    for (const name of ['a', 'b', 'c', 'd']) await calls.prepare('POST', core(calls, 'configmaps'), configMap(name))
    const path = core(calls, 'configmaps')
    const first = await calls.call('GET', `${path}?limit=2`)
    await calls.prepare('POST', path, configMap('e'))
    await calls.forgetLists()
    const token = encodeURIComponent(stringAt(first, 'metadata', 'continue') ?? '')
    const expired = await calls.call('GET', `${path}?limit=2&continue=${token}`)
    const next = encodeURIComponent(stringAt(expired, 'metadata', 'continue') ?? '')
    await calls.call('GET', `${path}?limit=2&continue=${next}`)
  }),

  check('tables for printing', async (calls) => {
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80 }], clusterIP: 'None' },
    }
    const made: readonly (readonly [string, JsonObject])[] = [
      [core(calls, 'pods'), pod('web')],
      [core(calls, 'configmaps'), configMap('settings')],
      [core(calls, 'services'), service],
      [apps(calls, 'deployments'), deployment('web', { replicas: 3 })],
      [apps(calls, 'statefulsets'), statefulSet('db')],
      [apps(calls, 'daemonsets'), daemonSet('agent')],
      [apps(calls, 'replicasets'), replicaSet('web')],
      [batch(calls, 'jobs'), job('once', { completions: 4 })],
      [batch(calls, 'cronjobs', 'v1beta1'), cronJob('nightly', { suspend: true })],
      [scaling(calls, 'v1'), autoscalerV1('web', { targetCPUUtilizationPercentage: 50 })],
      [budgets(calls), budget('web', { minAvailable: '50%' })],
    ]
    const keep = (body: Json): Json => ({
      kind: stringAt(body, 'kind') ?? '',
      apiVersion: stringAt(body, 'apiVersion') ?? '',
      columns: listAt(body, 'columnDefinitions').map((column) => [
        stringAt(column, 'name') ?? '',
        stringAt(column, 'type') ?? '',
        numberAt(column, 'priority') ?? 0,
      ]),
      rows: listAt(body, 'rows').map((row) =>
        listAt(row, 'cells').map((cell) => (typeof cell === 'string' && /^\d+s$/.test(cell) ? '<age>' : cell)),
      ),
      objects: listAt(body, 'rows').map((row) => stringAt(row, 'object', 'kind') ?? ''),
    })
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'
    for (const [path, object] of made) {
      await calls.prepare('POST', path, object)
      await calls.call('GET', path, undefined, { accept, keep })
    }
    await calls.call('GET', core(calls, 'pods/web'), undefined, { accept, keep })
    await calls.call('GET', core(calls, 'pods/none'), undefined, { accept })
    await calls.call('GET', core(calls, 'pods'), undefined, { accept: 'text/csv' })
  }),

  // Deleting
  check('deleting', async (calls) => {
    await calls.prepare('POST', apps(calls, 'deployments'), deployment('web'))
    await calls.call('DELETE', apps(calls, 'deployments/web'))
    await calls.call('DELETE', apps(calls, 'deployments/web'))
    await calls.prepare('POST', core(calls, 'configmaps'), configMap('settings'))
    await calls.call('DELETE', core(calls, 'configmaps/settings'))
    await calls.prepare('POST', core(calls, 'pods'), pod('web'))
    await calls.call('DELETE', core(calls, 'pods/web'))
    await calls.prepare('POST', scaling(calls, 'v1'), autoscalerV1('web'))
    await calls.call('DELETE', scaling(calls, 'v1', '/web'))
  }),
  check('deleting with preconditions', async (calls) => {
    const made = await calls.prepare('POST', core(calls, 'configmaps'), configMap('settings'))
    const path = core(calls, 'configmaps/settings')
    const options = (preconditions: JsonObject): JsonObject => ({ kind: 'DeleteOptions', apiVersion: 'v1', preconditions })
    await calls.call('DELETE', path, options({ uid: 'another' }))
    await calls.call('DELETE', path, options({ resourceVersion: '1' }))
    const { uid, resourceVersion } = objectAt(made, 'metadata') ?? {}
    await calls.call('DELETE', path, options({ uid: uid ?? '', resourceVersion: resourceVersion ?? '' }))
  }),
  check('deleting and dependents', async (calls) => {
    for (const name of ['front', 'orphan', 'back']) await calls.prepare('POST', apps(calls, 'deployments'), deployment(name))
    const options = (propagationPolicy: string): JsonObject => ({ kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy })
    await calls.call('DELETE', apps(calls, 'deployments/front'), options('Foreground'))
    await calls.call('GET', apps(calls, 'deployments/front'))
    await calls.call('DELETE', apps(calls, 'deployments/front'), options('Foreground'))
    await calls.call('PATCH', apps(calls, 'deployments/front'), { metadata: { finalizers: null } }, { type: merge })
    await calls.call('GET', apps(calls, 'deployments/front'))
    await calls.call('DELETE', `${apps(calls, 'deployments/orphan')}?propagationPolicy=Orphan`)
    await calls.call('DELETE', apps(calls, 'deployments/back'), options('Background'))
    await calls.call('DELETE', apps(calls, 'deployments/orphan'), options('Sideways'))
    await calls.prepare('POST', batch(calls, 'jobs'), job('once'))
    await calls.call('DELETE', batch(calls, 'jobs/once'))
    await calls.prepare('POST', batch(calls, 'jobs'), job('twice'))
    await calls.call('DELETE', `${batch(calls, 'jobs/twice')}?propagationPolicy=Background`)
    await calls.prepare('POST', batch(calls, 'cronjobs', 'v1beta1'), cronJob('nightly'))
    await calls.call('DELETE', batch(calls, 'cronjobs/nightly', 'v1beta1'))
  }),
  check('finalizers keep an object', async (calls) => {
    await calls.prepare('POST', core(calls, 'configmaps'), configMap('kept', {}, { finalizers: ['example.com/wait'] }))
    const path = core(calls, 'configmaps/kept')
    await calls.call('DELETE', path)
    await calls.call('DELETE', path)
    await calls.call('PATCH', path, { metadata: { finalizers: ['example.com/wait', 'example.com/more'] } }, { type: merge })
    await calls.call('PATCH', path, { data: { still: 'here' } }, { type: merge })
    await calls.call('PATCH', path, { metadata: { finalizers: [] } }, { type: merge })
    await calls.call('GET', path)
  }),
  check('grace of pods', async (calls) => {
    await calls.prepare('POST', core(calls, 'pods'), pod('run', { nodeName: 'node-a' }))
    await calls.call('DELETE', core(calls, 'pods/run'))
    await calls.call('DELETE', core(calls, 'pods/run'))
    await calls.call('DELETE', `${core(calls, 'pods/run')}?gracePeriodSeconds=5`)
    await calls.call('DELETE', `${core(calls, 'pods/run')}?gracePeriodSeconds=0`)
    await calls.call('GET', core(calls, 'pods/run'))
    await calls.prepare('POST', core(calls, 'pods'), pod('long', { nodeName: 'node-a', terminationGracePeriodSeconds: 90 }))
    await calls.call('DELETE', core(calls, 'pods/long'), { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds: 0 })
    await calls.prepare('POST', core(calls, 'pods'), pod('done', { nodeName: 'node-a' }))
    await report(calls, 'done', 'Succeeded', false)
    await calls.call('DELETE', core(calls, 'pods/done'))
  }),
  check('deleting a collection', async (calls) => {
    for (const name of ['a', 'b', 'c'])
      await calls.prepare('POST', core(calls, 'configmaps'), configMap(name, {}, { labels: { keep: String(name === 'b') } }))
    await calls.call('DELETE', `${core(calls, 'configmaps')}?labelSelector=keep%3Dfalse`)
    await calls.call('GET', core(calls, 'configmaps'))
    await calls.prepare('POST', core(calls, 'pods'), pod('web'))
    await calls.call('DELETE', core(calls, 'pods'))
    await calls.call('DELETE', core(calls, 'pods'))
  }),

  // Disruption
  check('disruption budgets', async (calls) => {
    await calls.call('POST', budgets(calls), budget('web'))
    await calls.call('POST', budgets(calls), budget('half', { minAvailable: null, maxUnavailable: '50%' }))
    await calls.call('POST', budgets(calls), budget('both', { maxUnavailable: 1 }))
    await calls.call('POST', budgets(calls), budget('much', { minAvailable: '120%' }))
    await calls.call('POST', budgets(calls), budget('less', { minAvailable: -1 }))
    await calls.call('PATCH', budgets(calls, '/web'), { spec: { minAvailable: 2 } }, { type: merge })
    await calls.call('PUT', budgets(calls, '/web'), budget('web'))
  }),
  check('evictions', async (calls) => {
    const eviction = (name: string): JsonObject => ({
      apiVersion: 'policy/v1beta1',
      kind: 'Eviction',
      metadata: { name, namespace: calls.namespace },
    })
    const evict = (name: string): Promise<JsonObject> => calls.call('POST', core(calls, `pods/${name}/eviction`), eviction(name))
    for (const name of ['a', 'b', 'c', 'd']) await calls.prepare('POST', core(calls, 'pods'), pod(name, { nodeName: 'node-a' }))
    for (const name of ['a', 'b', 'c']) await report(calls, name, 'Running', true)
    await evict('d')
    await evict('none')
    await evict('a')
    await calls.prepare('POST', budgets(calls), budget('web', { minAvailable: 2 }))
    await evict('b')
    const status = { observedGeneration: 1, disruptionsAllowed: 0, currentHealthy: 2, desiredHealthy: 2, expectedPods: 3 }
    await calls.prepare('PATCH', budgets(calls, '/web/status'), { status }, { type: merge })
    await evict('b')
    await calls.prepare(
      'PATCH',
      budgets(calls, '/web/status'),
      { status: { ...status, disruptionsAllowed: 1, currentHealthy: 3 } },
      { type: merge },
    )
    await evict('b')
    await calls.call('GET', budgets(calls, '/web'))
    await evict('c')
    await calls.prepare('POST', budgets(calls), budget('second', { minAvailable: 1 }))
    await evict('c')
    await calls.call('POST', core(calls, 'pods/c/eviction'), eviction('other'))
    await calls.call('GET', core(calls, 'pods/b'))
  }),
  check('an unready pod and its budget', async (calls) => {
    await calls.prepare('POST', core(calls, 'pods'), pod('a', { nodeName: 'node-a' }))
    await report(calls, 'a', 'Running', false)
    await calls.prepare('POST', budgets(calls), budget('web', { minAvailable: 1 }))
    const status = { observedGeneration: 1, disruptionsAllowed: 0, currentHealthy: 1, desiredHealthy: 1, expectedPods: 2 }
    await calls.prepare('PATCH', budgets(calls, '/web/status'), { status }, { type: merge })
    await calls.call('POST', core(calls, 'pods/a/eviction'), { apiVersion: 'policy/v1beta1', kind: 'Eviction', metadata: { name: 'a' } })
    await calls.call('GET', budgets(calls, '/web'))
  }),

  // Definitions and custom objects
  check('a definition', async (calls) => {
    const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
    const group = 'first.example.com'
    await calls.call('POST', path, definition('things', 'Thing', group))
    await calls.eventually(`${path}/things.${group}`, (body) =>
      listAt(body, 'status', 'conditions').some(
        (condition) => stringAt(condition, 'type') === 'Established' && stringAt(condition, 'status') === 'True',
      ),
    )
    await calls.eventually(`/apis/${group}/v1`, (body) => listAt(body, 'resources').length > 0)
    await calls.call('GET', `/apis/${group}`)
    await calls.call('POST', path, definition('things', 'Thing', group))
    const wrong = definition('others', 'Other', group)
    await calls.call('POST', path, { ...wrong, metadata: { name: 'wrong' } }, { unordered: true })
    await calls.call('GET', `/apis/${group}/v2`)
    await calls.call('GET', `/apis/${group}/v1/namespaces/${calls.namespace}/nothings`)
  }),
  check('custom objects', async (calls) => {
    await establish(calls)
    await calls.call('POST', custom(calls), scaler('a', { size: 3, unknown: 1, crons: [{ name: 'up', extra: 2 }] }))
    await calls.call('POST', custom(calls), scaler('a'))
    await calls.call('GET', custom(calls, '/a'))
    await calls.call('GET', custom(calls))
    await calls.call('GET', `${custom(calls)}?limit=1`)
    await calls.call('GET', custom(calls, '/b'))
    await calls.call('PATCH', custom(calls, '/a'), { spec: { size: 4 } }, { type: merge })
    await calls.call(
      'PATCH',
      custom(calls, '/a'),
      [
        { op: 'test', path: '/spec/size', value: 4 },
        { op: 'replace', path: '/spec/size', value: 5 },
      ],
      { type: json },
    )
    await calls.call('PATCH', custom(calls, '/a'), { spec: { size: 6 } }, { type: strategic })
    await calls.call('PATCH', custom(calls, '/a'), { metadata: { labels: { a: 'b' } } }, { type: merge })
    await calls.call('PUT', custom(calls, '/a'), scaler('a'))
    const seen = await calls.call('GET', custom(calls, '/a'))
    await calls.call('PUT', custom(calls, '/a'), { ...seen, spec: { size: 7, name: 'abc' } })
    await calls.call('PUT', custom(calls, '/a'), { ...seen, spec: { size: 8 } })
    await calls.call('GET', `${custom(calls)}?fieldSelector=metadata.name%3Da`)
    await calls.call('GET', `${custom(calls)}?fieldSelector=spec.size%3D1`)
    await calls.call('GET', `${custom(calls)}?labelSelector=a%3Db`)
    await calls.call('DELETE', custom(calls, '/a'))
  }),
  check('custom objects that are invalid', async (calls) => {
    await establish(calls)
    await calls.call('POST', custom(calls), scaler('a', { size: 11, mode: 'wild', name: 'ABCDEFGHIJ' }), { unordered: true })
    await calls.call('POST', custom(calls), scaler('a', { size: 0 }))
    await calls.call('POST', custom(calls), scaler('a', {}))
    await calls.call('POST', custom(calls), scaler('a', { size: '3' }))
    await calls.call('POST', custom(calls), scaler('a', { size: 3, crons: [{ name: 7 }] }))
    await calls.call('POST', custom(calls), scaler('a', { size: 3, replicas: -1 }))
    await calls.call('POST', custom(calls), scaler('Not-A-Name'))
    await calls.call('POST', custom(calls), { metadata: { name: 'a' }, spec: { size: 3 } })
    await calls.call('POST', custom(calls), { ...scaler('a'), apiVersion: 'other.example.com/v1' })
    await calls.prepare('POST', custom(calls), scaler('a'))
    await calls.call('PATCH', custom(calls, '/a'), { spec: { size: null } }, { type: merge })
    await calls.call('PATCH', custom(calls, '/a'), { spec: { size: 99 } }, { type: merge })
  }),
  check('a definition is deleted', async (calls) => {
    const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
    const group = 'deleted.example.com'
    await calls.prepare('POST', path, definition('things', 'Thing', group))
    await calls.eventually(`${path}/things.${group}`, (body) =>
      listAt(body, 'status', 'conditions').some(
        (condition) => stringAt(condition, 'type') === 'Established' && stringAt(condition, 'status') === 'True',
      ),
    )
    await calls.eventually(`/apis/${group}/v1`, (body) => listAt(body, 'resources').length > 0)
    const things = `/apis/${group}/v1/namespaces/${calls.namespace}/things`
    await calls.prepare('POST', things, { apiVersion: `${group}/v1`, kind: 'Thing', metadata: { name: 'a' }, spec: { size: 1 } })
    await calls.call('DELETE', `${path}/things.${group}`)
    await calls.eventually(
      path,
      (body) => !listAt(body, 'items').some((item) => stringAt(item, 'metadata', 'name') === `things.${group}`),
      { keep: () => 'gone' },
    )
    await calls.settle()
    await calls.call('GET', `${path}/things.${group}`)
  }),
  check('a definition is changed', async (calls) => {
    const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
    const group = 'changed.example.com'
    const made = await calls.prepare('POST', path, definition('things', 'Thing', group))
    await calls.eventually(`${path}/things.${group}`, (body) =>
      listAt(body, 'status', 'conditions').some(
        (condition) => stringAt(condition, 'type') === 'Established' && stringAt(condition, 'status') === 'True',
      ),
    )
    const one = `${path}/things.${group}`
    await calls.call('PATCH', one, { metadata: { labels: { a: 'b' } } }, { type: merge })
    await calls.call(
      'PATCH',
      one,
      [{ op: 'replace', path: '/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size/maximum', value: 99 }],
      { type: json },
    )
    await calls.call('PATCH', one, { spec: { scope: 'Cluster' } }, { type: merge })
    await calls.call('PATCH', one, { spec: { names: { kind: 'Other' } } }, { type: merge })
    await calls.call('PUT', one, { ...made, metadata: { name: `things.${group}` } })
    await calls.call('POST', path, definition('wrongs', 'Wrong', 'nodots'))
    const versions = [{ name: 'v1', served: true, storage: false, schema: { openAPIV3Schema: { type: 'object' } } }]
    await calls.call('POST', path, {
      ...definition('olds', 'Old', group),
      spec: { ...objectAt(definition('olds', 'Old', group), 'spec'), versions },
    })
    await calls.call('POST', path, {
      ...definition('bares', 'Bare', group),
      spec: { ...objectAt(definition('bares', 'Bare', group), 'spec'), versions: [{ name: 'v1', served: true, storage: true }] },
    })
  }),
  check('the status and scale of custom objects', async (calls) => {
    await establish(calls)
    await calls.call('POST', custom(calls), { ...scaler('a'), status: { seen: true } })
    await calls.call(
      'PATCH',
      custom(calls, '/a/status'),
      { status: { last: 'x', replicas: 2, selector: 'app=a' }, spec: { size: 9 }, metadata: { labels: { x: 'y' } } },
      { type: merge },
    )
    await calls.call('PATCH', custom(calls, '/a'), { status: { last: 'y' } }, { type: merge })
    await calls.call('GET', custom(calls, '/a/status'))
    await calls.call('GET', custom(calls, '/a/scale'))
    await calls.call('PATCH', custom(calls, '/a/scale'), { spec: { replicas: 4 } }, { type: merge })
    await calls.call('GET', custom(calls, '/a/scale'))
    const scale = await calls.call('GET', custom(calls, '/a/scale'))
    await calls.call('PUT', custom(calls, '/a/scale'), { ...scale, spec: { replicas: 5 } })
    await calls.call('PUT', custom(calls, '/a/scale'), { ...scale, spec: { replicas: 6 } })
    await calls.call('PATCH', custom(calls, '/a/scale'), { spec: { replicas: -1 } }, { type: merge })
    await calls.call('GET', custom(calls, '/a/nothing'))
    await calls.call('GET', custom(calls, '/a'))
  }),
]

import { describe, expect, test } from 'vitest'
import { advanceKubernetes } from '#infra/sandbox/kubernetes/controllers.ts'
import { listAt, numberAt, objectAt, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import { addNode, drainNode, podsOnNode, removeNode, setNodeReady, setNodeUnschedulable } from '#infra/sandbox/kubernetes/nodes.ts'
import { getObject, listObjects, putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { container, deployment, deployments, merge, strategic, TestCluster } from './kubernetes-cluster.ts'

const reasons = (cluster: TestCluster, name = 'web'): string[] =>
  listAt(getObject(cluster.state, 'apps', 'deployments', name, 'default'), 'status', 'conditions').map(
    (condition) => `${stringAt(condition, 'type')} ${stringAt(condition, 'status')} ${stringAt(condition, 'reason')}`,
  )

function setImage(cluster: TestCluster, image: string, name = 'web'): void {
  cluster.must('PATCH', `${deployments}/${name}`, { spec: { template: { spec: { containers: [{ name: 'web', image }] } } } }, strategic)
}

describe('pods on nodes', () => {
  test('a deployment is scheduled, started after a second and ready after three', () => {
    const cluster = new TestCluster().addNodes(2)
    cluster.must('POST', deployments, deployment('web', 2))
    cluster.pass(0)
    expect(cluster.pods().map((line) => line.split(' ').slice(1).join(' '))).toEqual(['node-0 Pending', 'node-1 Pending'])
    expect(cluster.waiting()).toEqual(['ContainerCreating', 'ContainerCreating'])
    expect(
      cluster
        .pass(1)
        .pods()
        .every((line) => line.endsWith(' Running')),
    ).toBe(true)
    expect(
      cluster
        .pass(2)
        .pods()
        .every((line) => line.endsWith(' Running ready')),
    ).toBe(true)
    expect(reasons(cluster)).toContain('Progressing True NewReplicaSetAvailable')
    const [pod] = listObjects(cluster.state, '', 'pods', 'default')
    expect(stringAt(listAt(pod, 'status', 'containerStatuses')[0], 'imageID')).toMatch(
      /^docker-pullable:\/\/shop\/web@sha256:[0-9a-f]{64}$/,
    )
    expect(stringAt(pod, 'status', 'hostIP')).toMatch(/^10\.0\.0\.[12]$/)
  })

  test('a pod for which no node has room stays pending, says why, and goes when there is room', () => {
    const cluster = new TestCluster().addNodes(1, 1)
    cluster.must('POST', deployments, deployment('web', 3))
    cluster.pass(5)
    const pending = listObjects(cluster.state, '', 'pods').filter((pod) => stringAt(pod, 'status', 'phase') === 'Pending')
    expect(pending).toHaveLength(1)
    expect(listAt(pending[0], 'status', 'conditions')[0]).toMatchObject({
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message: '0/1 nodes are available: 1 Insufficient cpu.',
    })
    expect(cluster.events()).toContain('FailedScheduling: 0/1 nodes are available: 1 Insufficient cpu.')
    addNode(
      cluster.state,
      { name: 'node-new', internalIp: '10.0.0.9', cpu: 4, memoryBytes: 2 ** 33, maxPods: 60, ready: true },
      cluster.now,
    )
    expect(
      cluster
        .pass(5)
        .pods()
        .filter((line) => line.includes('node-new Running ready')),
    ).toHaveLength(1)
  })

  test('taints, cordons, selectors, affinity and the number of pods keep pods away', () => {
    const cluster = new TestCluster()
    const join = (name: string, extra: object): unknown =>
      addNode(
        cluster.state,
        { name, internalIp: '10.0.0.1', cpu: 8, memoryBytes: 2 ** 33, maxPods: 60, ready: true, ...extra },
        cluster.now,
      )
    join('tainted', { taints: [{ key: 'dedicated', value: 'batch', effect: 'NoSchedule' }] })
    join('cordoned', { unschedulable: true })
    join('silent', { ready: false })
    join('virtual', { virtual: true })
    join('full', { maxPods: 0 })
    join('other', { labels: { zone: 'b' } })
    cluster.must('POST', deployments, deployment('web', 1, { pod: { nodeSelector: { zone: 'a' } } }))
    cluster.pass(5)
    const message = stringAt(listAt(listObjects(cluster.state, '', 'pods')[0], 'status', 'conditions')[0], 'message')
    expect(message).toBe(
      "0/6 nodes are available: 1 node(s) had taint {dedicated: batch}, that the pod didn't tolerate, 1 node(s) had taint {eks.tke.cloud.tencent.com/eklet: }, that the pod didn't tolerate, 1 node(s) had taint {node.kubernetes.io/not-ready: }, that the pod didn't tolerate, 1 node(s) were unschedulable, 2 node(s) didn't match node selector.",
    )
    const tolerant = { tolerations: [{ key: 'dedicated', operator: 'Equal', value: 'batch', effect: 'NoSchedule' }], nodeSelector: {} }
    cluster.must(
      'POST',
      deployments,
      deployment('batch', 1, { pod: { ...tolerant, nodeSelector: { 'kubernetes.io/hostname': 'tainted' } } }),
    )
    expect(
      cluster
        .pass(5)
        .pods()
        .some((line) => line.startsWith('batch-') && line.includes(' tainted Running')),
    ).toBe(true)
  })

  test('required anti-affinity spreads pods over nodes and leaves the rest pending', () => {
    const cluster = new TestCluster().addNodes(2)
    const term = { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'web' } } }
    const affinity = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } }
    cluster.must('POST', deployments, deployment('web', 3, { pod: { affinity } }))
    cluster.pass(5)
    expect(
      cluster
        .pods()
        .map((line) => line.split(' ')[1])
        .sort(),
    ).toEqual(['-', 'node-0', 'node-1'])
  })

  test('an image that is missing is tried again, ever later, and starts once it is pushed', () => {
    const cluster = new TestCluster().addNodes(1)
    cluster.missing.add('shop/web:v1')
    cluster.must('POST', deployments, deployment('web', 1))
    expect(cluster.pass(2).waiting()).toEqual(['ErrImagePull'])
    expect(cluster.pass(5).waiting()).toEqual(['ImagePullBackOff'])
    expect(cluster.pass(5).waiting()).toEqual(['ErrImagePull'])
    expect(cluster.pass(310).waiting()).toEqual(['ImagePullBackOff'])
    expect(cluster.events()).toContain('BackOff: Back-off pulling image "shop/web:v1"')
    cluster.missing.clear()
    expect(cluster.pass(330).pods()[0]).toMatch(/ Running ready$/)
  })

  test('the image of an init container that is missing is what that container waits for, and the others wait for it', () => {
    const cluster = new TestCluster().addNodes(1)
    cluster.missing.add('shop/tool:v1')
    cluster.must('POST', deployments, deployment('web', 1, { pod: { initContainers: [{ name: 'prepare', image: 'shop/tool:v1' }] } }))
    cluster.pass(2)
    const statuses = () => {
      const [pod] = listObjects(cluster.state, '', 'pods', 'default')
      const of = (list: string) => listAt(pod, 'status', list).map((status) => stringAt(status, 'state', 'waiting', 'reason') ?? 'runs')
      return [of('initContainerStatuses'), of('containerStatuses')]
    }
    expect(statuses()).toEqual([['ErrImagePull'], ['PodInitializing']])
    cluster.missing.clear()
    cluster.pass(60)
    expect(statuses()).toEqual([[], ['runs']])
  })

  test('a rollout to a missing image stops, misses its deadline, keeps serving, and is undone by setting the image back', () => {
    const cluster = new TestCluster().addNodes(3)
    cluster.must('POST', deployments, deployment('web', 4, { spec: { progressDeadlineSeconds: 60 } }))
    cluster.pass(10)
    cluster.missing.add('shop/web:v2')
    setImage(cluster, 'shop/web:v2')
    cluster.pass(120)
    expect(reasons(cluster)).toContain('Progressing False ProgressDeadlineExceeded')
    expect(reasons(cluster)).toContain('Available True MinimumReplicasAvailable')
    expect(cluster.pods().filter((line) => line.endsWith('ready'))).toHaveLength(3)
    setImage(cluster, 'shop/web:v1')
    cluster.pass(30)
    expect(reasons(cluster)).toContain('Progressing True NewReplicaSetAvailable')
    expect(getObject(cluster.state, 'apps', 'deployments', 'web', 'default')?.metadata.annotations).toMatchObject({
      'deployment.kubernetes.io/revision': '3',
    })
  })

  test('a container that ends is started again, ever later, and never counts as available', () => {
    const cluster = new TestCluster().addNodes(1)
    cluster.must('POST', deployments, deployment('web', 1, { annotations: { 'sandbox/exit-code': '1' } }))
    expect(cluster.pass(3).waiting()).toEqual(['CrashLoopBackOff'])
    cluster.pass(120)
    const [pod] = listObjects(cluster.state, '', 'pods')
    const status = listAt(pod, 'status', 'containerStatuses')[0]
    expect(numberAt(status, 'restartCount')).toBeGreaterThan(2)
    expect(objectAt(status, 'lastState', 'terminated')).toMatchObject({ exitCode: 1, reason: 'Error' })
    expect(numberAt(getObject(cluster.state, 'apps', 'deployments', 'web', 'default'), 'status', 'availableReplicas')).toBeUndefined()
    const before = numberAt(status, 'restartCount')
    cluster.pass(3600)
    expect(numberAt(listAt(listObjects(cluster.state, '', 'pods')[0], 'status', 'containerStatuses')[0], 'restartCount')).toBeGreaterThan(
      before ?? 0,
    )
  })

  test('readiness may take longer than usual, or never come', () => {
    const cluster = new TestCluster().addNodes(1)
    cluster.must('POST', deployments, deployment('slow', 1, { annotations: { 'sandbox/ready-after-seconds': '30' } }))
    cluster.must('POST', deployments, deployment('never', 1, { annotations: { 'sandbox/ready-after-seconds': 'never' } }))
    const probe = { readinessProbe: { httpGet: { port: 80 }, initialDelaySeconds: 15 } }
    cluster.must('POST', deployments, deployment('probed', 1, { pod: { containers: [container(probe)] } }))
    const isReady = (name: string): boolean => cluster.pods().some((line) => line.startsWith(name) && line.endsWith('ready'))
    cluster.pass(14)
    expect(['slow', 'never', 'probed'].map(isReady)).toEqual([false, false, false])
    cluster.pass(3)
    expect(['slow', 'never', 'probed'].map(isReady)).toEqual([false, false, true])
    cluster.pass(20)
    expect(['slow', 'never', 'probed'].map(isReady)).toEqual([true, false, true])
    cluster.pass(3600)
    expect(isReady('never')).toBe(false)
  })

  test('a deleted pod ends after a moment and is replaced at once', () => {
    const cluster = new TestCluster().addNodes(1)
    cluster.must('POST', deployments, deployment('web', 1))
    cluster.pass(5)
    const name = listObjects(cluster.state, '', 'pods')[0]?.metadata.name ?? ''
    cluster.must('DELETE', `/api/v1/namespaces/default/pods/${name}`)
    expect(
      cluster
        .pass(0)
        .pods()
        .map((line) => line.split(' ')[2])
        .sort(),
    ).toEqual(['Ending', 'Pending'])
    expect(
      cluster
        .pass(5)
        .pods()
        .map((line) => line.split(' ').slice(2).join(' ')),
    ).toEqual(['Running ready'])
  })
})

describe('nodes', () => {
  test('a node that is removed takes its pods along, and they come back elsewhere', () => {
    const cluster = new TestCluster().addNodes(2)
    cluster.must('POST', deployments, deployment('web', 4))
    cluster.pass(5)
    expect(podsOnNode(cluster.state, 'node-0')).toHaveLength(2)
    removeNode(cluster.state, 'node-0', cluster.now)
    cluster.pass(5)
    expect(podsOnNode(cluster.state, 'node-0')).toEqual([])
    expect(podsOnNode(cluster.state, 'node-1')).toHaveLength(4)
    cluster.must('DELETE', '/api/v1/nodes/node-1')
    expect(
      cluster
        .pass(5)
        .pods()
        .every((line) => line.includes(' - Pending')),
    ).toBe(true)
  })

  test('a silent node loses its pods after five minutes; they end when it reports again', () => {
    const cluster = new TestCluster().addNodes(2)
    cluster.must('POST', deployments, deployment('web', 2))
    cluster.pass(5)
    setNodeReady(cluster.state, 'node-0', false, cluster.now)
    cluster.pass(1)
    expect(cluster.pods().filter((line) => line.includes('node-0'))[0]).toMatch(/ Running$/)
    expect(numberAt(getObject(cluster.state, 'apps', 'deployments', 'web', 'default'), 'status', 'availableReplicas')).toBe(1)
    cluster.pass(290)
    expect(cluster.pods()).toHaveLength(2)
    cluster.pass(20)
    expect(cluster.pods().filter((line) => line.includes('node-0 Ending'))).toHaveLength(1)
    expect(cluster.pods().filter((line) => line.includes('node-1 Running ready'))).toHaveLength(2)
    setNodeReady(cluster.state, 'node-0', true, cluster.now)
    expect(cluster.pass(5).pods()).toHaveLength(2)
    expect(listAt(getObject(cluster.state, '', 'nodes', 'node-0'), 'spec', 'taints')).toEqual([])
  })

  test('draining cordons, leaves daemons, respects budgets, and goes on when it is tried again', () => {
    const cluster = new TestCluster().addNodes(2)
    const agent = {
      selector: { matchLabels: { app: 'agent' } },
      template: { metadata: { labels: { app: 'agent' } }, spec: { containers: [container()] } },
    }
    putObject(cluster.state, { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata: { name: 'agent' }, spec: agent }, cluster.now)
    cluster.must('POST', deployments, deployment('web', 4))
    const budget = { minAvailable: 3, selector: { matchLabels: { app: 'web' } } }
    putObject(
      cluster.state,
      { apiVersion: 'policy/v1beta1', kind: 'PodDisruptionBudget', metadata: { name: 'web' }, spec: budget },
      cluster.now,
    )
    cluster.pass(10)
    expect(
      podsOnNode(cluster.state, 'node-0')
        .map(({ daemon }) => daemon)
        .sort(),
    ).toEqual([false, false, true])
    expect(drainNode(cluster.state, 'node-0', cluster.now)).toHaveLength(1)
    expect(objectAt(getObject(cluster.state, '', 'nodes', 'node-0'), 'spec')).toMatchObject({ unschedulable: true })
    cluster.pass(10)
    expect(drainNode(cluster.state, 'node-0', cluster.now)).toHaveLength(1)
    cluster.pass(10)
    expect(podsOnNode(cluster.state, 'node-0').map(({ daemon }) => daemon)).toEqual([true])
    expect(podsOnNode(cluster.state, 'node-1').filter(({ daemon }) => !daemon)).toHaveLength(4)
    setNodeUnschedulable(cluster.state, 'node-0', false)
    expect(cluster.request('GET', '/api/v1/nodes/node-0').body.spec).toEqual({})
  })

  test('functions on nodes that are not there say so', () => {
    const cluster = new TestCluster()
    expect(() => setNodeReady(cluster.state, 'none', true, cluster.now)).toThrow('cluster cls-test has no node none')
    expect(() => drainNode(cluster.state, 'none', cluster.now)).toThrow('cluster cls-test has no node none')
    expect(podsOnNode(cluster.state, 'none')).toEqual([])
    removeNode(cluster.state, 'none', cluster.now)
  })

  test('a daemon set follows the nodes', () => {
    const cluster = new TestCluster().addNodes(2)
    const spec = {
      selector: { matchLabels: { app: 'agent' } },
      template: { metadata: { labels: { app: 'agent' } }, spec: { containers: [container()] } },
    }
    cluster.must('POST', '/apis/apps/v1/namespaces/default/daemonsets', {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name: 'agent' },
      spec,
    })
    expect(
      cluster
        .pass(5)
        .pods()
        .filter((line) => line.endsWith('ready')),
    ).toHaveLength(2)
    addNode(
      cluster.state,
      { name: 'node-2', internalIp: '10.0.0.3', cpu: 1, memoryBytes: 2 ** 30, maxPods: 10, ready: true, unschedulable: true },
      cluster.now,
    )
    expect(
      cluster
        .pass(5)
        .pods()
        .filter((line) => line.includes('node-2 Running ready')),
    ).toHaveLength(1)
    removeNode(cluster.state, 'node-1', cluster.now)
    cluster.pass(5)
    expect(objectAt(getObject(cluster.state, 'apps', 'daemonsets', 'agent', 'default'), 'status')).toMatchObject({
      desiredNumberScheduled: 2,
      numberAvailable: 2,
      numberMisscheduled: 0,
    })
  })
})

describe('jobs', () => {
  const jobs = '/apis/batch/v1/namespaces/default/jobs'
  const job = (name: string, spec: object = {}, annotations: object = {}): { [key: string]: never } =>
    JSON.parse(
      JSON.stringify({
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name },
        spec: { template: { metadata: { annotations }, spec: { restartPolicy: 'Never', containers: [container()] } }, ...spec },
      }),
    )

  test('a job runs five seconds and is complete', () => {
    const cluster = new TestCluster().addNodes(1)
    cluster.must('POST', jobs, job('once'))
    expect(cluster.pass(3).request('GET', `${jobs}/once`).body.status).toMatchObject({ active: 1 })
    expect(cluster.pass(5).request('GET', `${jobs}/once`).body.status).toMatchObject({
      succeeded: 1,
      conditions: [{ type: 'Complete', status: 'True' }],
    })
    expect(cluster.pods()[0]).toMatch(/ Succeeded$/)
  })

  test('a failing job is tried again, later each time, up to its limit', () => {
    const cluster = new TestCluster().addNodes(1)
    cluster.must('POST', jobs, job('bad', { backoffLimit: 2 }, { 'sandbox/exit-code': '3', 'sandbox/run-seconds': '1' }))
    cluster.pass(5)
    expect(cluster.pods()).toHaveLength(1)
    cluster.pass(120)
    expect(cluster.pods()).toHaveLength(3)
    expect(cluster.request('GET', `${jobs}/bad`).body.status).toMatchObject({
      failed: 3,
      conditions: [{ type: 'Failed', reason: 'BackoffLimitExceeded' }],
    })
  })

  test('a job that takes too long is ended by its deadline', () => {
    const cluster = new TestCluster().addNodes(1)
    cluster.must('POST', jobs, job('long', { activeDeadlineSeconds: 30 }, { 'sandbox/run-seconds': '1000' }))
    cluster.pass(60)
    expect(cluster.request('GET', `${jobs}/long`).body.status).toMatchObject({
      conditions: [{ type: 'Failed', reason: 'DeadlineExceeded' }],
    })
    expect(cluster.pass(40).pods()).toEqual([])
  })

  test('a job is deleted after its time to live, on servers that have it', () => {
    const old = new TestCluster('1.20.6').addNodes(1)
    const young = new TestCluster('1.22.5').addNodes(1)
    for (const cluster of [old, young]) {
      cluster.must('POST', jobs, job('gone', { ttlSecondsAfterFinished: 60 }))
      cluster.pass(300)
    }
    expect(old.request('GET', `${jobs}/gone`).status).toBe(200)
    expect(young.request('GET', `${jobs}/gone`).status).toBe(404)
  })

  const cron = (spec: object): { [key: string]: never } =>
    JSON.parse(
      JSON.stringify({
        apiVersion: 'batch/v1beta1',
        kind: 'CronJob',
        metadata: { name: 'tick' },
        spec: {
          schedule: '*/10 * * * *',
          jobTemplate: { spec: { template: { spec: { restartPolicy: 'Never', containers: [container()] } } } },
          ...spec,
        },
      }),
    )
  const crons = '/apis/batch/v1beta1/namespaces/default/cronjobs'
  const jobNames = (cluster: TestCluster): string[] => listObjects(cluster.state, 'batch', 'jobs').map(({ metadata }) => metadata.name)

  test('a cron job starts a job at each of its times and keeps three', () => {
    const cluster = new TestCluster().addNodes(1)
    cluster.must('POST', crons, cron({}))
    cluster.pass(9 * 60)
    expect(jobNames(cluster)).toEqual([])
    cluster.pass(2 * 60)
    const due = Date.parse('2026-03-02T08:10:00Z') / 1000
    expect(jobNames(cluster)).toEqual([`tick-${due}`])
    cluster.pass(50 * 60)
    expect(jobNames(cluster)).toEqual([`tick-${due + 1800}`, `tick-${due + 2400}`, `tick-${due + 3000}`])
    expect(cluster.request('GET', `${crons}/tick`).body.status).toMatchObject({ lastScheduleTime: '2026-03-02T09:00:00Z' })
    const [first] = listObjects(cluster.state, 'batch', 'jobs')
    expect(first?.metadata.ownerReferences).toMatchObject([{ kind: 'CronJob', name: 'tick', controller: true }])
  })

  test('a suspended cron job starts nothing, and the latest missed time when it goes on', () => {
    const cluster = new TestCluster().addNodes(1)
    cluster.must('POST', crons, cron({ suspend: true }))
    cluster.pass(3600)
    expect(jobNames(cluster)).toEqual([])
    cluster.must('PATCH', `${crons}/tick`, { spec: { suspend: false } }, merge)
    cluster.pass(1)
    expect(jobNames(cluster)).toEqual([`tick-${Date.parse('2026-03-02T09:00:00Z') / 1000}`])
  })

  test('a run that is missed beyond the deadline is not made up for', () => {
    const cluster = new TestCluster().addNodes(1)
    cluster.must('POST', crons, cron({ suspend: true, startingDeadlineSeconds: 30 }))
    cluster.pass(3600 + 120)
    cluster.must('PATCH', `${crons}/tick`, { spec: { suspend: false } }, merge)
    cluster.pass(60)
    expect(jobNames(cluster)).toEqual([])
    cluster.pass(600)
    expect(jobNames(cluster)).toHaveLength(1)
  })

  test('a running job is waited for, replaced or joined, by policy', () => {
    for (const [policy, count] of [
      ['Forbid', 1],
      ['Replace', 1],
      ['Allow', 2],
    ] as const) {
      const cluster = new TestCluster().addNodes(1)
      const template = {
        metadata: { annotations: { 'sandbox/run-seconds': '5000' } },
        spec: { restartPolicy: 'Never', containers: [container()] },
      }
      cluster.must('POST', crons, cron({ concurrencyPolicy: policy, jobTemplate: { spec: { template } } }))
      cluster.pass(21 * 60)
      expect(jobNames(cluster), policy).toHaveLength(count)
      const first = `tick-${Date.parse('2026-03-02T08:10:00Z') / 1000}`
      expect(jobNames(cluster).includes(first), policy).toBe(policy !== 'Replace')
    }
  })
})

describe('stateful sets', () => {
  test('pods come up one after the other, with claims that are bound and stay', () => {
    const cluster = new TestCluster().addNodes(2)
    const claims = [{ metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '10Gi' } } } }]
    const spec = {
      replicas: 3,
      serviceName: 'db',
      selector: { matchLabels: { app: 'db' } },
      template: { metadata: { labels: { app: 'db' } }, spec: { containers: [container()] } },
      volumeClaimTemplates: claims,
    }
    const path = '/apis/apps/v1/namespaces/default/statefulsets'
    cluster.must('POST', path, { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 'db' }, spec })
    expect(cluster.pass(2).pods()).toHaveLength(1)
    expect(cluster.pass(2).pods()).toHaveLength(2)
    cluster.pass(20)
    expect(cluster.pods().map((line) => line.split(' ')[0])).toEqual(['db-0', 'db-1', 'db-2'])
    expect(
      listObjects(cluster.state, '', 'persistentvolumeclaims').map((claim) => [claim.metadata.name, stringAt(claim, 'status', 'phase')]),
    ).toEqual([
      ['data-db-0', 'Bound'],
      ['data-db-1', 'Bound'],
      ['data-db-2', 'Bound'],
    ])
    cluster.must('PATCH', `${path}/db/scale`, { spec: { replicas: 1 } }, merge)
    cluster.pass(20)
    expect(cluster.pods().map((line) => line.split(' ')[0])).toEqual(['db-0'])
    expect(listObjects(cluster.state, '', 'persistentvolumeclaims')).toHaveLength(3)
    cluster.must(
      'PATCH',
      `${path}/db`,
      { spec: { template: { spec: { containers: [{ name: 'web', image: 'shop/web:v2' }] } } } },
      strategic,
    )
    cluster.pass(20)
    expect(cluster.request('GET', `${path}/db`).body.status).toMatchObject({
      replicas: 1,
      readyReplicas: 1,
      updatedReplicas: 1,
      currentReplicas: 1,
    })
    expect(stringAt(listAt(listObjects(cluster.state, '', 'pods')[0], 'spec', 'containers')[0], 'image')).toBe('shop/web:v2')
  })
})

describe('autoscalers', () => {
  const scalers = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers'
  const scaler = (min: number, max: number, annotations: object = {}): { [key: string]: never } =>
    JSON.parse(
      JSON.stringify({
        apiVersion: 'autoscaling/v1',
        kind: 'HorizontalPodAutoscaler',
        metadata: { name: 'web', annotations },
        spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, minReplicas: min, maxReplicas: max },
      }),
    )
  const replicas = (cluster: TestCluster): number | undefined =>
    numberAt(getObject(cluster.state, 'apps', 'deployments', 'web', 'default'), 'spec', 'replicas')

  test('bounds work at once, in both directions, and again after somebody scaled by hand', () => {
    const cluster = new TestCluster().addNodes(4)
    cluster.must('POST', deployments, deployment('web', 2))
    cluster.must('POST', scalers, scaler(4, 8))
    cluster.pass(0)
    expect(replicas(cluster)).toBe(4)
    cluster.must('PATCH', `${scalers}/web`, { spec: { minReplicas: 1, maxReplicas: 3 } }, merge)
    cluster.pass(0)
    expect(replicas(cluster)).toBe(3)
    cluster.must('PATCH', `${deployments}/web/scale`, { spec: { replicas: 9 } }, merge)
    cluster.pass(0)
    expect(replicas(cluster)).toBe(3)
    expect(cluster.events()).toContain('SuccessfulRescale: New size: 3; reason: Current number of replicas above Spec.MaxReplicas')
  })

  test('a size of zero switches it off until somebody scales up', () => {
    const cluster = new TestCluster().addNodes(4)
    cluster.must('POST', deployments, deployment('web', 0))
    cluster.must('POST', scalers, scaler(2, 5))
    cluster.pass(60)
    expect(replicas(cluster)).toBe(0)
    cluster.must('PATCH', `${deployments}/web/scale`, { spec: { replicas: 1 } }, merge)
    cluster.pass(0)
    expect(replicas(cluster)).toBe(2)
  })

  test('a demand can be simulated, inside the bounds', () => {
    const cluster = new TestCluster().addNodes(4)
    cluster.must('POST', deployments, deployment('web', 2))
    cluster.must('POST', scalers, scaler(2, 5, { 'sandbox/wanted-replicas': '4' }))
    cluster.pass(0)
    expect(replicas(cluster)).toBe(4)
    cluster.must('PATCH', `${scalers}/web`, { metadata: { annotations: { 'sandbox/wanted-replicas': '50' } } }, merge)
    cluster.pass(0)
    expect(replicas(cluster)).toBe(5)
    const conditions = stringAt(
      cluster.request('GET', `${scalers}/web`).body,
      'metadata',
      'annotations',
      'autoscaling.alpha.kubernetes.io/conditions',
    )
    expect(conditions).toContain('TooManyReplicas')
  })

  test('a target that is missing is said, and found when it comes', () => {
    const cluster = new TestCluster().addNodes(1)
    cluster.must('POST', scalers, scaler(2, 5))
    cluster.pass(0)
    const conditions = (): string =>
      stringAt(cluster.request('GET', `${scalers}/web`).body, 'metadata', 'annotations', 'autoscaling.alpha.kubernetes.io/conditions') ?? ''
    expect(conditions()).toContain('FailedGetScale')
    cluster.must('POST', deployments, deployment('web', 1))
    cluster.pass(0)
    expect(replicas(cluster)).toBe(2)
    expect(conditions()).toContain('SucceededGetScale')
  })
})

describe('time', () => {
  test('an image pushed between two looks is pulled at the next attempt, not before', () => {
    const cluster = new TestCluster().addNodes(1)
    cluster.missing.add('shop/web:v1')
    cluster.must('POST', deployments, deployment('web', 1))
    cluster.pass(7)
    cluster.missing.clear()
    expect(cluster.pass(2).waiting()).toEqual(['ImagePullBackOff'])
    expect(cluster.pass(3).pods()[0]).toMatch(/ Running/)
  })

  test('of a long sleep the first and the last hour are lived through', () => {
    const cluster = new TestCluster().addNodes(1)
    const spec = {
      schedule: '*/10 * * * *',
      successfulJobsHistoryLimit: 1000,
      jobTemplate: { spec: { template: { spec: { restartPolicy: 'Never', containers: [container()] } } } },
    }
    putObject(cluster.state, { apiVersion: 'batch/v1beta1', kind: 'CronJob', metadata: { name: 'tick' }, spec }, cluster.now)
    const before = performance.now()
    cluster.pass(365 * 24 * 3600)
    expect(performance.now() - before).toBeLessThan(2000)
    const jobs = listObjects(cluster.state, 'batch', 'jobs')
    expect(jobs.length).toBeGreaterThanOrEqual(12)
    expect(jobs.length).toBeLessThanOrEqual(14)
  })

  test('a clock that was set back stops nothing for good', () => {
    const cluster = new TestCluster().addNodes(1)
    cluster.must('POST', deployments, deployment('web', 1))
    cluster.pass(10)
    cluster.pass(-3600)
    cluster.must('POST', deployments, deployment('late', 1))
    expect(
      cluster
        .pass(10)
        .pods()
        .filter((line) => line.endsWith('ready')),
    ).toHaveLength(2)
  })

  test('events are forgotten after an hour', () => {
    const cluster = new TestCluster().addNodes(1)
    cluster.must('POST', deployments, deployment('web', 1))
    expect(cluster.pass(5).events()).not.toEqual([])
    expect(cluster.pass(70 * 60).events()).toEqual([])
  })

  test('looking at five thousand settled pods costs nothing, and a rollout among them little', () => {
    const cluster = new TestCluster().addNodes(100, 32)
    for (let index = 0; index < 50; index += 1)
      putObject(cluster.state, deployment(`app-${index}`, 100, { pod: { containers: [container()] } }), cluster.now)
    cluster.pass(30)
    expect(listObjects(cluster.state, '', 'pods').filter((pod) => stringAt(pod, 'status', 'phase') === 'Running')).toHaveLength(5000)
    const idle = performance.now()
    for (let look = 0; look < 100; look += 1) advanceKubernetes(cluster.state, cluster.now, cluster.hooks)
    expect((performance.now() - idle) / 100).toBeLessThan(5)
    setImage(cluster, 'shop/web:v2', 'app-0')
    const rollout = performance.now()
    cluster.pass(60)
    expect(performance.now() - rollout).toBeLessThan(4000)
    expect(reasons(cluster, 'app-0')).toContain('Progressing True NewReplicaSetAvailable')
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { handleKubernetes } from '#infra/sandbox/kubernetes/api.ts'
import { advanceKubernetes } from '#infra/sandbox/kubernetes/controllers.ts'
import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { numberAt, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import { addNode, drainNode, removeNode, setNodeReady } from '#infra/sandbox/kubernetes/nodes.ts'
import { listObjects, putObject } from '#infra/sandbox/kubernetes/objects.ts'
import type { KubernetesState } from '#infra/sandbox/kubernetes/state.ts'
import { definition } from '../../contract/kubernetes-objects.ts'
import { deployment, json, merge, startMs, strategic, TestCluster } from './kubernetes-cluster.ts'

/** Everything but what reading may leave behind. */
function snapshot(state: KubernetesState): string {
  return JSON.stringify({ ...state, snapshots: [] })
}

const resources = fc.constantFrom(
  '/api/v1/namespaces/default/pods',
  '/api/v1/namespaces/default/configmaps',
  '/api/v1/namespaces/default/secrets',
  '/api/v1/namespaces/default/services',
  '/api/v1/namespaces',
  '/api/v1/nodes',
  '/apis/apps/v1/namespaces/default/deployments',
  '/apis/apps/v1/namespaces/default/statefulsets',
  '/apis/apps/v1/namespaces/default/replicasets',
  '/apis/batch/v1/namespaces/default/jobs',
  '/apis/batch/v1beta1/namespaces/default/cronjobs',
  '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers',
  '/apis/autoscaling/v2beta2/namespaces/default/horizontalpodautoscalers',
  '/apis/policy/v1beta1/namespaces/default/poddisruptionbudgets',
  '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  '/apis/example.com/v1/namespaces/default/scalers',
  '/apis/nothing.example.com/v1/things',
)

const paths = fc
  .tuple(
    resources,
    fc.constantFrom('', '/web', '/app-0', '/none', '/default', '/node-0', '/-bad-', '/%2e%2e'),
    fc.constantFrom('', '', '', '/status', '/scale', '/eviction', '/log', '/nothing'),
    fc.constantFrom(
      '',
      '',
      '?limit=2',
      '?limit=-1',
      '?continue=x',
      '?labelSelector=a%3D',
      '?fieldSelector=x',
      '?dryRun=All',
      '?propagationPolicy=Foreground',
      '?watch=1',
    ),
  )
  .map((parts) => parts.join(''))

const garbage = fc.jsonValue({ maxDepth: 4 })

/** Bodies that are nearly right: an object of a kind with something replaced. */
const bodies = fc.oneof(
  garbage.map((value) => JSON.stringify(value)),
  fc.string({ maxLength: 20 }),
  fc
    .tuple(
      fc.constantFrom('metadata', 'spec', 'status', 'data', 'kind', 'apiVersion'),
      fc.constantFrom(
        'replicas',
        'template',
        'selector',
        'name',
        'labels',
        'containers',
        'minReplicas',
        'finalizers',
        'ownerReferences',
        'versions',
      ),
      garbage,
    )
    .map(([outer, inner, value]) => JSON.stringify({ ...deployment('app-0', 2), [outer]: { name: 'app-0', [inner]: value } })),
  fc
    .tuple(
      fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'x'),
      fc.constantFrom('', '/spec', '/spec/replicas', '/metadata/labels', '/metadata/-', '/spec/template/spec/containers/0', 'x'),
      garbage,
    )
    .map(([op, path, value]) => JSON.stringify([{ op, path, from: '/metadata', value }])),
  fc
    .tuple(fc.constantFrom('Deployment', 'Pod', 'Scaler', 'Node'), fc.constantFrom('apps/v1', 'v1', 'example.com/v1'), garbage)
    .map(([kind, apiVersion, spec]) => JSON.stringify({ apiVersion, kind, metadata: { name: 'web' }, spec })),
)

const types = fc.constantFrom(
  undefined,
  'application/json',
  merge,
  json,
  strategic,
  'application/apply-patch+yaml',
  'application/yaml',
  'text/plain',
)
const methods = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'PATCH', 'DELETE', 'HEAD', 'FOO')

function busyCluster(seed: number): TestCluster {
  const cluster = new TestCluster('1.20.6', seed).addNodes(2)
  putObject(cluster.state, definition('scalers', 'Scaler', 'example.com'), cluster.now)
  putObject(cluster.state, { apiVersion: 'example.com/v1', kind: 'Scaler', metadata: { name: 'web' }, spec: { size: 2 } }, cluster.now)
  putObject(cluster.state, deployment('app-0', 2), cluster.now)
  return cluster.pass(10)
}

describe('any request', () => {
  test('is answered with a status, changes nothing when it is refused, and leaves a state that can be saved', () => {
    const cluster = busyCluster(1)
    fc.assert(
      fc.property(methods, paths, types, bodies, (method, path, contentType, body) => {
        const { state, now, random } = cluster
        const before = snapshot(state)
        const answer = handleKubernetes(
          state,
          { method, path, body, ...(contentType === undefined ? {} : { contentType }) },
          { now, random },
        )
        expect(answer.status).toBeGreaterThanOrEqual(200)
        expect(answer.status).toBeLessThanOrEqual(500)
        if (answer.contentType === 'application/json') {
          const parsed = JSON.parse(answer.body) as { code?: number; kind?: string }
          if (answer.status >= 400) expect(parsed).toMatchObject({ kind: 'Status', status: 'Failure', code: answer.status })
        } else {
          expect([answer.status, answer.body]).toEqual([404, '404 page not found\n'])
        }
        const after = snapshot(state)
        if (answer.status >= 400 || method === 'GET' || path.includes('dryRun')) expect(after).toBe(before)
        expect(snapshot(JSON.parse(JSON.stringify(state)) as KubernetesState)).toBe(after)
      }),
      { seed: 7, numRuns: 3000 },
    )
    // Whatever got in, the controllers can live with it.
    cluster.pass(600)
  })
})

/** Something that happens to a cluster. */
type Happening =
  | { readonly what: 'wait'; readonly seconds: number }
  | { readonly what: 'image'; readonly app: number; readonly version: number }
  | { readonly what: 'scale'; readonly app: number; readonly replicas: number }
  | { readonly what: 'missing'; readonly version: number; readonly isMissing: boolean }
  | { readonly what: 'node'; readonly node: number; readonly change: 'add' | 'remove' | 'silent' | 'ready' | 'drain' }
  | { readonly what: 'kill'; readonly index: number }
  | { readonly what: 'pause'; readonly app: number; readonly paused: boolean }

const happenings: fc.Arbitrary<Happening> = fc.oneof(
  fc.record({ what: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 400 }) }),
  fc.record({ what: fc.constant('image' as const), app: fc.integer({ min: 0, max: 1 }), version: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ what: fc.constant('scale' as const), app: fc.integer({ min: 0, max: 1 }), replicas: fc.integer({ min: 0, max: 6 }) }),
  fc.record({ what: fc.constant('missing' as const), version: fc.integer({ min: 1, max: 4 }), isMissing: fc.boolean() }),
  fc.record({
    what: fc.constant('node' as const),
    node: fc.integer({ min: 0, max: 3 }),
    change: fc.constantFrom('add' as const, 'remove' as const, 'silent' as const, 'ready' as const, 'drain' as const),
  }),
  fc.record({ what: fc.constant('kill' as const), index: fc.integer({ min: 0, max: 10 }) }),
  fc.record({ what: fc.constant('pause' as const), app: fc.integer({ min: 0, max: 1 }), paused: fc.boolean() }),
)

function happen(cluster: TestCluster, event: Happening, steps: number): void {
  const { state } = cluster
  const nodes = listObjects(state, '', 'nodes').map(({ metadata }) => metadata.name)
  const path = (app: number): string => `/apis/apps/v1/namespaces/default/deployments/app-${app}`
  switch (event.what) {
    case 'wait':
      for (let step = 0; step < steps; step += 1) cluster.pass(event.seconds / steps)
      return
    case 'image':
      cluster.must(
        'PATCH',
        path(event.app),
        { spec: { template: { spec: { containers: [{ name: 'web', image: `shop/web:v${event.version}` }] } } } },
        strategic,
      )
      return
    case 'scale':
      cluster.must('PATCH', `${path(event.app)}/scale`, { spec: { replicas: event.replicas } }, merge)
      return
    case 'missing':
      if (event.isMissing) cluster.missing.add(`shop/web:v${event.version}`)
      else cluster.missing.delete(`shop/web:v${event.version}`)
      return
    case 'pause':
      cluster.must('PATCH', path(event.app), { spec: { paused: event.paused } }, merge)
      return
    case 'kill': {
      const pods = listObjects(state, '', 'pods', 'default')
      const pod = pods[event.index % Math.max(1, pods.length)]
      if (pod !== undefined) cluster.must('DELETE', `/api/v1/namespaces/default/pods/${pod.metadata.name}`)
      return
    }
    case 'node': {
      const name = `node-${event.node}`
      if (event.change === 'add')
        addNode(state, { name, internalIp: '10.0.0.1', cpu: 4, memoryBytes: 2 ** 33, maxPods: 20, ready: true }, cluster.now)
      else if (!nodes.includes(name)) return
      else if (event.change === 'remove') removeNode(state, name, cluster.now)
      else if (event.change === 'drain') drainNode(state, name, cluster.now)
      else setNodeReady(state, name, event.change === 'ready', cluster.now)
    }
  }
}

function live(events: readonly Happening[], steps: number, check?: (cluster: TestCluster) => void): TestCluster {
  const cluster = new TestCluster('1.20.6', 3).addNodes(2)
  for (const app of [0, 1]) putObject(cluster.state, deployment(`app-${app}`, 2), cluster.now)
  cluster.pass(0)
  for (const event of events) {
    happen(cluster, event, steps)
    cluster.pass(0)
    check?.(cluster)
  }
  return cluster
}

describe('any course of events', () => {
  const courses = fc.array(happenings, { maxLength: 12 })

  test('gives the same state to the byte when it is repeated, and however often one looks on the way', () => {
    fc.assert(
      fc.property(courses, (events) => {
        const once = snapshot(live(events, 1).state)
        expect(snapshot(live(events, 1).state)).toBe(once)
        expect(snapshot(live(events, 5).state)).toBe(once)
      }),
      { seed: 11, numRuns: 60 },
    )
  })

  test('changes nothing when one looks twice, and can be saved and loaded anywhere', () => {
    fc.assert(
      fc.property(courses, (events) => {
        live(events, 1, (cluster) => {
          const before = JSON.stringify(cluster.state)
          advanceKubernetes(cluster.state, cluster.now, cluster.hooks)
          expect(JSON.stringify(cluster.state)).toBe(before)
          const loaded = JSON.parse(before) as KubernetesState
          advanceKubernetes(loaded, cluster.now, { ...cluster.hooks, random: () => 0 })
          expect(JSON.stringify(loaded)).toBe(before)
        })
      }),
      { seed: 12, numRuns: 60 },
    )
  })

  test('never has more pods than surge allows, nor fewer ready ones than it had to keep, but for lost nodes', () => {
    fc.assert(
      fc.property(
        courses.map((events) => events.filter(({ what }) => what === 'wait' || what === 'image' || what === 'missing')),
        (events) => {
          let settled = false
          live([{ what: 'wait', seconds: 30 }, ...events], 1, (cluster) => {
            for (const app of [0, 1]) {
              const alive = listObjects(cluster.state, '', 'pods').filter(
                (pod) => pod.metadata.labels?.app === `app-${app}` && pod.metadata.deletionTimestamp === undefined,
              )
              expect(alive.length).toBeLessThanOrEqual(3)
              const available = numberAt(listObjects(cluster.state, 'apps', 'deployments')[app], 'status', 'availableReplicas') ?? 0
              if (settled) expect(available).toBeGreaterThanOrEqual(2)
            }
            settled = true
          })
        },
      ),
      { seed: 13, numRuns: 60 },
    )
  })

  test('ends where it was asked to, once nothing is missing any more', () => {
    fc.assert(
      fc.property(courses, (events) => {
        const cluster = live(events, 1)
        cluster.missing.clear()
        for (const app of [0, 1]) happen(cluster, { what: 'pause', app, paused: false }, 1)
        cluster.addNodes(2)
        cluster.pass(1200)
        for (const set of listObjects(cluster.state, 'apps', 'deployments')) {
          const wanted = numberAt(set, 'spec', 'replicas') ?? 0
          const label = set.metadata.labels?.app ?? set.metadata.name
          const image = stringAt(listImage(set), 'image')
          const pods = listObjects(cluster.state, '', 'pods').filter((pod) => pod.metadata.labels?.app === label)
          const running = pods.filter(
            (pod) => stringAt(pod, 'status', 'phase') === 'Running' && pod.metadata.deletionTimestamp === undefined,
          )
          expect(running).toHaveLength(wanted)
          expect(running.every((pod) => stringAt(listImage({ spec: { template: { spec: pod.spec ?? null } } }), 'image') === image)).toBe(
            true,
          )
          expect(numberAt(set, 'status', 'availableReplicas') ?? 0).toBe(wanted)
          expect(numberAt(set, 'status', 'observedGeneration')).toBe(set.metadata.generation)
        }
        expect(cluster.now).toBeGreaterThan(startMs)
      }),
      { seed: 14, numRuns: 60 },
    )
  })
})

function listImage(object: JsonObject): JsonObject {
  const spec = object.spec as { template: { spec: { containers: JsonObject[] } } }
  return spec.template.spec.containers[0] ?? {}
}

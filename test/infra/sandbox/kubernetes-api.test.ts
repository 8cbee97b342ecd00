import { describe, expect, test } from 'vitest'
import { handleKubernetes } from '#infra/sandbox/kubernetes/api.ts'
import { at, listAt, numberAt, objectAt, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import { getObject, putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { definition } from '../../contract/kubernetes-objects.ts'
import { deployment, deployments, json, merge, strategic, TestCluster } from './kubernetes-cluster.ts'

const versionsOf = (cluster: TestCluster, group: string): string[] =>
  listAt(cluster.request('GET', `/apis/${group}`).body, 'versions').map((version) => stringAt(version, 'version') ?? '')

describe('versions of the server', () => {
  test('each version serves what it had, preferred first', () => {
    const served = (version: string): string[][] =>
      ['batch', 'policy', 'autoscaling', 'apiextensions.k8s.io', 'coordination.k8s.io'].map((group) =>
        versionsOf(new TestCluster(version), group),
      )
    expect(served('1.12.4')).toEqual([['v1', 'v1beta1'], ['v1beta1'], ['v1', 'v2beta2'], [], []])
    expect(served('1.16.3')).toEqual([['v1', 'v1beta1'], ['v1beta1'], ['v1', 'v2beta2'], ['v1'], ['v1']])
    expect(served('1.20.6')).toEqual([['v1', 'v1beta1'], ['v1beta1'], ['v1', 'v2beta2'], ['v1'], ['v1']])
    expect(served('1.22.5')).toEqual([['v1', 'v1beta1'], ['v1', 'v1beta1'], ['v1', 'v2beta2'], ['v1'], ['v1']])
    expect(served('1.24.4')).toEqual([['v1', 'v1beta1'], ['v1', 'v1beta1'], ['v2', 'v1', 'v2beta2'], ['v1'], ['v1']])
    expect(served('1.26.1')).toEqual([['v1'], ['v1'], ['v2', 'v1'], ['v1'], ['v1']])
  })

  test('cron jobs and budgets written in an old version are read in the new one after an upgrade', () => {
    const cluster = new TestCluster('1.20.6')
    const cron = {
      schedule: '0 2 * * *',
      jobTemplate: { spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'a' }] } } } },
    }
    cluster.must('POST', '/apis/batch/v1beta1/namespaces/default/cronjobs', {
      apiVersion: 'batch/v1beta1',
      kind: 'CronJob',
      metadata: { name: 'x' },
      spec: cron,
    })
    expect(cluster.request('GET', '/apis/batch/v1/namespaces/default/cronjobs/x').status).toBe(404)
    cluster.state.version = '1.24.4'
    const read = cluster.must('GET', '/apis/batch/v1/namespaces/default/cronjobs/x')
    expect([read.apiVersion, stringAt(read, 'spec', 'schedule')]).toEqual(['batch/v1', '0 2 * * *'])
    expect(cluster.must('GET', '/version')).toMatchObject({ major: '1', minor: '24', gitVersion: 'v1.24.4' })
  })

  test('autoscaling/v2 is v2beta2 under another name', () => {
    const cluster = new TestCluster('1.24.4')
    const path = '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers'
    const spec = { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }, minReplicas: 2, maxReplicas: 4 }
    const made = cluster.must('POST', path, {
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'web' },
      spec,
    })
    expect(made).toMatchObject({
      apiVersion: 'autoscaling/v2',
      spec: { metrics: [{ resource: { name: 'cpu', target: { averageUtilization: 80 } } }] },
    })
    expect(cluster.must('GET', path.replace('/v2/', '/v1/')).items).toMatchObject([{ spec: { targetCPUUtilizationPercentage: 80 } }])
  })

  test('namespaces are labelled with their name since 1.21', () => {
    const label = (version: string): unknown =>
      at(getObject(new TestCluster(version).state, '', 'namespaces', 'default'), 'metadata', 'labels')
    expect(label('1.20.6')).toBeUndefined()
    expect(label('1.21.0')).toEqual({ 'kubernetes.io/metadata.name': 'default' })
  })

  test('an empty budget selector counts nothing before policy/v1 and everything since', () => {
    for (const [version, expected] of [
      ['1.20.6', 0],
      ['1.22.5', 2],
    ] as const) {
      const cluster = new TestCluster(version).addNodes(1)
      cluster.must('POST', deployments, deployment('web', 2))
      putObject(
        cluster.state,
        { apiVersion: 'policy/v1beta1', kind: 'PodDisruptionBudget', metadata: { name: 'all' }, spec: { minAvailable: 1, selector: {} } },
        cluster.now,
      )
      cluster.pass(10)
      expect(
        numberAt(getObject(cluster.state, 'policy', 'poddisruptionbudgets', 'all', 'default'), 'status', 'expectedPods'),
        version,
      ).toBe(expected)
    }
  })

  test('a cluster of a version that is none cannot be made', () => {
    expect(() => new TestCluster('latest')).toThrow('"latest" is no Kubernetes version; write it as 1.20.6')
  })

  test('an autoscaler may have a minimum of zero where the cluster allows it, with a metric from outside', () => {
    const cluster = new TestCluster()
    const path = '/apis/autoscaling/v2beta2/namespaces/default/horizontalpodautoscalers'
    const external = [{ type: 'External', external: { metric: { name: 'queue' }, target: { type: 'AverageValue', averageValue: '30' } } }]
    const scaler = (metrics: typeof external | undefined): { [key: string]: never } =>
      JSON.parse(
        JSON.stringify({
          apiVersion: 'autoscaling/v2beta2',
          kind: 'HorizontalPodAutoscaler',
          metadata: { name: 'web' },
          spec: { scaleTargetRef: { kind: 'Deployment', name: 'web' }, minReplicas: 0, maxReplicas: 3, metrics },
        }),
      )
    expect(cluster.request('POST', path, scaler(external)).status).toBe(422)
    cluster.state.features.hpaScaleToZero = true
    const refused = cluster.request('POST', path, scaler(undefined))
    expect(stringAt(refused.body, 'message')).toContain(
      'must specify at least one Object or External metric to support scaling to zero replicas',
    )
    expect(cluster.request('POST', path, scaler(external)).status).toBe(201)
  })
})

describe('refusals', () => {
  test('rules deny by user, verb, group, resource, subresource and namespace, and only what they name', () => {
    const cluster = new TestCluster()
    cluster.state.rbac.deny.push({ user: 'ann', verb: 'patch', group: 'apps', resource: 'deployments/scale', namespace: 'default' })
    cluster.must('POST', deployments, deployment('web', 1))
    const scale = (namespace: string, user: string): number =>
      cluster.request('PATCH', `/apis/apps/v1/namespaces/${namespace}/deployments/web/scale`, { spec: { replicas: 2 } }, merge, user).status
    expect([scale('default', 'ann'), scale('default', 'bob'), scale('other', 'ann')]).toEqual([403, 200, 404])
    expect(cluster.request('PATCH', `${deployments}/web`, { spec: { replicas: 3 } }, merge, 'ann').status).toBe(200)
    cluster.state.rbac.deny.push({ resource: 'secrets' })
    const refused = cluster.request('GET', '/api/v1/secrets')
    expect([refused.status, stringAt(refused.body, 'message')]).toEqual([
      403,
      'secrets is forbidden: User "kubernetes-admin" cannot list resource "secrets" in API group "" at the cluster scope',
    ])
  })

  test('what the sandbox does not model says so', () => {
    const cluster = new TestCluster().addNodes(1)
    cluster.must('POST', deployments, deployment('web', 1))
    cluster.pass(5)
    const name = cluster.pods()[0]?.split(' ')[0] ?? ''
    for (const path of [
      '/api/v1/pods?watch=true',
      '/api/v1/watch/pods',
      '/api/v1/pods?watch=1',
      `/api/v1/namespaces/default/pods/${name}/log`,
    ]) {
      const answer = cluster.request('GET', path)
      expect([answer.status, stringAt(answer.body, 'reason')], path).toEqual([405, 'MethodNotAllowed'])
      expect(stringAt(answer.body, 'message'), path).toMatch(/^the sandbox does not model .*: .+/)
    }
    const apply = cluster.request('PATCH', `${deployments}/web`, '{}', 'application/apply-patch+yaml')
    expect([apply.status, stringAt(apply.body, 'message')]).toEqual([
      415,
      'the sandbox does not model server-side apply: send a patch of type application/merge-patch+json instead',
    ])
  })

  test('a message never shows what a secret holds', () => {
    const cluster = new TestCluster()
    const path = '/api/v1/namespaces/default/secrets'
    cluster.must('POST', path, { metadata: { name: 'key' }, stringData: { password: 'planted-secret' } })
    const encoded = Buffer.from('planted-secret').toString('base64')
    const answers = [
      cluster.request('PATCH', `${path}/key`, { data: { number: 7 } }, merge),
      cluster.request('PATCH', `${path}/key`, { kind: 'ConfigMap' }, merge),
      cluster.request('POST', path, { metadata: { name: 'Bad' }, stringData: { password: 'planted-secret' } }),
      cluster.request('POST', path, { metadata: { name: 'bad' }, data: { password: 'planted-secret' } }),
      cluster.request('PATCH', `${path}/key`, [{ op: 'test', path: '/data/password', value: 'other' }], json),
    ]
    for (const { status, text } of answers) {
      expect(status).toBeGreaterThanOrEqual(400)
      expect(text).not.toContain('planted-secret')
      expect(text).not.toContain(encoded)
    }
  })

  test('hostile keys reach no prototype', () => {
    const cluster = new TestCluster()
    putObject(cluster.state, definition('scalers', 'Scaler', 'example.com'), cluster.now)
    const path = '/apis/example.com/v1/namespaces/default/scalers'
    const body =
      '{"apiVersion":"example.com/v1","kind":"Scaler","metadata":{"name":"a"},"spec":{"size":1,"__proto__":{"polluted":true}},"__proto__":{"polluted":true}}'
    expect(cluster.request('POST', path, body).status).toBe(201)
    cluster.request('PATCH', `${path}/a`, '{"status":{"__proto__":{"polluted":true}},"__proto__":{"polluted":true}}', merge)
    cluster.request('PATCH', `${path}/a`, [{ op: 'add', path: '/__proto__/polluted', value: true }], json)
    cluster.request('PATCH', `${path}/a`, [{ op: 'add', path: '/spec/__proto__', value: { polluted: true } }], json)
    cluster.request('GET', '/api/v1/namespaces/__proto__/pods/constructor')
    cluster.request('GET', '/apis/__proto__/v1')
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
    expect(cluster.request('GET', '/api/v1/namespaces/default/pods/__proto__').status).toBe(404)
  })

  test('paths that are built of tricks lead nowhere', () => {
    const cluster = new TestCluster()
    cluster.must('POST', deployments, deployment('web', 1))
    for (const path of [
      '/api/v1/../v1/pods',
      '/api/v1/namespaces//pods',
      '//api/v1/pods',
      '/api/v1/namespaces/%zz/pods',
      '/apis/apps/v1/namespaces/default/deployments/web%2Fscale',
      '/api/v1/namespaces/default%2Fpods',
    ]) {
      expect(cluster.request('GET', path).status, path).toBe(404)
    }
  })

  test('a body that is nested without end is refused', () => {
    const cluster = new TestCluster()
    putObject(cluster.state, definition('scalers', 'Scaler', 'example.com'), cluster.now)
    const deep = `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`
    const body = `{"apiVersion":"example.com/v1","kind":"Scaler","metadata":{"name":"a"},"spec":{"size":1},"status":${deep}}`
    expect(cluster.request('POST', '/apis/example.com/v1/namespaces/default/scalers', body).status).toBe(400)
  })
})

describe('bodies', () => {
  test('YAML is read like JSON', () => {
    const cluster = new TestCluster()
    const text =
      'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings\n  creationTimestamp: 2020-01-01T00:00:00Z\ndata:\n  key: "1"\n'
    const made = cluster.request('POST', '/api/v1/namespaces/default/configmaps', text, 'application/yaml')
    expect([made.status, objectAt(made.body, 'data')]).toEqual([201, { key: '1' }])
    const bomb = `a: &a [x, x, x, x, x, x, x, x, x]\n${[...'bcdefgh'].map((key, index) => `${key}: &${key} [${Array(9).fill(`*${'abcdefg'[index]}`).join(', ')}]`).join('\n')}\n`
    for (const bad of ['a: [', '- 1', 'text', '', bomb]) {
      expect(cluster.request('POST', '/api/v1/namespaces/default/configmaps', bad, 'application/yaml').status, bad.slice(0, 20)).toBe(400)
    }
  })

  test('an accept header without JSON is refused, one with it is not', () => {
    const { state, now, random } = new TestCluster()
    const get = (accept: string): number =>
      handleKubernetes(state, { method: 'GET', path: '/api/v1/namespaces', accept }, { now, random }).status
    expect(
      ['application/json', '*/*', 'text/html, application/*;q=0.8', 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'].map(
        get,
      ),
    ).toEqual([200, 200, 200, 200])
    expect(['text/html', 'application/vnd.kubernetes.protobuf'].map(get)).toEqual([406, 406])
  })

  test('a header may carry parameters, and methods any case', () => {
    const cluster = new TestCluster()
    cluster.must('post', deployments, deployment('web', 1), 'application/json; charset=utf-8')
    expect(cluster.request('PATCH', `${deployments}/web`, { spec: { replicas: 2 } }, 'Application/Merge-Patch+JSON').status).toBe(200)
  })
})

describe('writing', () => {
  test('an object that was read keeps what it was while others write', () => {
    const cluster = new TestCluster()
    cluster.must('POST', deployments, deployment('web', 1))
    const before = getObject(cluster.state, 'apps', 'deployments', 'web', 'default')
    const copy = JSON.stringify(before)
    cluster.must(
      'PATCH',
      `${deployments}/web`,
      { spec: { replicas: 5, template: { spec: { containers: [{ name: 'web', image: 'v9' }] } } } },
      strategic,
    )
    expect(JSON.stringify(before)).toBe(copy)
  })

  test('of writers with the same version only the first succeeds, whatever the way of writing', () => {
    const cluster = new TestCluster()
    cluster.must('POST', deployments, deployment('web', 1))
    cluster.pass(10)
    const made = cluster.must('GET', `${deployments}/web`)
    const version = stringAt(made, 'metadata', 'resourceVersion') ?? ''
    const withVersion = { metadata: { resourceVersion: version }, spec: { replicas: 2 } }
    expect(cluster.request('PATCH', `${deployments}/web`, withVersion, merge).status).toBe(200)
    expect(cluster.request('PATCH', `${deployments}/web`, withVersion, merge).status).toBe(409)
    expect(cluster.request('PATCH', `${deployments}/web`, withVersion, strategic).status).toBe(409)
    expect(cluster.request('PUT', `${deployments}/web`, { ...made, spec: { ...objectAt(made, 'spec'), replicas: 7 } }).status).toBe(409)
    expect(
      cluster.request('PUT', `${deployments}/web/scale`, { metadata: { name: 'web', resourceVersion: version }, spec: { replicas: 7 } })
        .status,
    ).toBe(409)
    expect(cluster.request('PATCH', `${deployments}/web/status`, { ...withVersion, status: { replicas: 1 } }, merge).status).toBe(409)
    expect(
      cluster.request('DELETE', `${deployments}/web`, {
        kind: 'DeleteOptions',
        apiVersion: 'v1',
        preconditions: { resourceVersion: version },
      }).status,
    ).toBe(409)
    expect(numberAt(cluster.must('GET', `${deployments}/web`), 'spec', 'replicas')).toBe(2)
  })

  test('the range of service addresses comes to an end', () => {
    const cluster = new TestCluster()
    const service = (index: number): { [key: string]: never } =>
      JSON.parse(JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata: { name: `s-${index}` }, spec: { ports: [{ port: 80 }] } }))
    for (let index = 0; index < 1022; index += 1) putObject(cluster.state, service(index), cluster.now)
    const refused = cluster.request('POST', '/api/v1/namespaces/default/services', service(1022))
    expect([refused.status, stringAt(refused.body, 'message')]).toEqual([
      500,
      'Internal error occurred: failed to allocate a serviceIP: range is full',
    ])
  })

  test('a load balancer gets an address after a moment', () => {
    const cluster = new TestCluster()
    const path = '/api/v1/namespaces/default/services'
    cluster.must('POST', path, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
    })
    expect(objectAt(cluster.must('GET', `${path}/web`), 'status')).toEqual({ loadBalancer: {} })
    cluster.pass(10)
    expect(stringAt(listAt(cluster.must('GET', `${path}/web`), 'status', 'loadBalancer', 'ingress')[0], 'ip')).toMatch(/^203\.0\.113\.\d+$/)
  })

  test('two definitions of one plural: the second is not accepted', () => {
    const cluster = new TestCluster()
    const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
    cluster.must('POST', path, definition('scalers', 'Scaler', 'example.com'))
    const rival = definition('others', 'Scaler', 'example.com')
    cluster.must('POST', path, rival)
    const conditions = listAt(cluster.must('GET', `${path}/others.example.com`), 'status', 'conditions')
    expect(conditions).toMatchObject([
      { type: 'NamesAccepted', status: 'False', reason: 'KindConflict' },
      { type: 'Established', status: 'False' },
    ])
    expect(cluster.request('GET', '/apis/example.com/v1/namespaces/default/others').status).toBe(404)
  })

  test('a deleted definition takes its group along', () => {
    const cluster = new TestCluster()
    putObject(cluster.state, definition('scalers', 'Scaler', 'example.com'), cluster.now)
    expect(versionsOf(cluster, 'example.com')).toEqual(['v1'])
    cluster.must('DELETE', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/scalers.example.com')
    const gone = cluster.request('GET', '/apis/example.com')
    expect([gone.status, gone.text]).toEqual([404, '404 page not found\n'])
  })
})

describe('pages', () => {
  test('a token lasts five minutes, in which all pages show the same list', () => {
    const cluster = new TestCluster()
    for (let index = 0; index < 10; index += 1)
      putObject(cluster.state, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `c-${index}` } }, cluster.now)
    const path = '/api/v1/namespaces/default/configmaps?limit=4'
    const token = encodeURIComponent(stringAt(cluster.must('GET', path), 'metadata', 'continue') ?? '')
    cluster.must('DELETE', '/api/v1/namespaces/default/configmaps/c-5')
    cluster.pass(299)
    const names = (page: ReturnType<TestCluster['must']>): string[] =>
      listAt(page, 'items').map((item) => stringAt(item, 'metadata', 'name') ?? '')
    expect(names(cluster.must('GET', `${path}&continue=${token}`))).toEqual(['c-4', 'c-5', 'c-6', 'c-7'])
    cluster.pass(1)
    const expired = cluster.request('GET', `${path}&continue=${token}`)
    expect([expired.status, stringAt(expired.body, 'reason')]).toEqual([410, 'Expired'])
    const next = encodeURIComponent(stringAt(expired.body, 'metadata', 'continue') ?? '')
    expect(names(cluster.must('GET', `${path}&continue=${next}`))).toEqual(['c-4', 'c-6', 'c-7', 'c-8'])
  })

  test('the memory of lists is bounded', () => {
    const cluster = new TestCluster()
    for (let index = 0; index < 40; index += 1) {
      putObject(cluster.state, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `c-${index}` } }, cluster.now)
      cluster.request('GET', '/api/v1/configmaps?limit=1')
    }
    expect(cluster.state.snapshots.length).toBeLessThanOrEqual(16)
  })
})

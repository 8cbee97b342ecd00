import fc from 'fast-check'
import { describe, expect, expectTypeOf, test } from 'vitest'
import type { Action, RequestOf } from '#cloud/action.ts'
import type { CloudReader, CloudWriter, SendOptions } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { ForwardRead, KubeError, type KubeErrorKind, kubePath, kubeReader, kubeWriter } from '#cloud/kube.ts'

interface Forwarded {
  readonly effect: string
  readonly Method: string
  readonly Path: string
  readonly Accept?: string
  readonly ContentType?: string
  readonly RequestBody?: string
  readonly ClusterName?: string
  readonly ClusterId?: string
}

/** A cluster behind ForwardRequest: `answer` gives an object, or a text as it is. */
function clusterOf(answer: (call: Forwarded, index: number) => unknown): {
  readonly cloud: CloudWriter
  readonly calls: Forwarded[]
  readonly options: (SendOptions | undefined)[]
} {
  const calls: Forwarded[] = []
  const options: (SendOptions | undefined)[] = []
  const send = async (action: Action, request: object, sendOptions?: SendOptions) => {
    const call = { effect: action.effect, ...request } as Forwarded
    calls.push(call)
    options.push(sendOptions)
    const given = answer(call, calls.length - 1)
    return { ResponseBody: typeof given === 'string' ? given : JSON.stringify(given), RequestId: 'r' }
  }
  return { cloud: { send } as unknown as CloudWriter, calls, options }
}

const deployment = (name: string, more: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace: 'default', resourceVersion: '7' },
  ...more,
})
const status = (code: number, reason: string, message = 'because') => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  code,
  reason,
  message,
})
const success = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' }
const web = '/apis/apps/v1/namespaces/default/deployments/web'
const deployments = '/apis/apps/v1/namespaces/default/deployments'

async function failure(promise: Promise<unknown>): Promise<KubeError> {
  const error = await promise.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(KubeError)
  return error as KubeError
}

describe('what a reader sends', () => {
  test('is a read of ForwardRequest with Method GET, for this cluster', async () => {
    const { cloud, calls, options } = clusterOf(() => deployment('web'))
    const object = await kubeReader(cloud, 'cls-1', { region: 'ap-chengdu' }).get(web)
    expect(object.metadata.resourceVersion).toBe('7')
    expect(calls).toEqual([
      { effect: 'read', Method: 'GET', Path: web, Accept: 'application/json', ClusterName: 'cls-1', ClusterId: 'cls-1' },
    ])
    expect(options).toEqual([{ region: 'ap-chengdu' }])
  })

  test('the read literal is a read with GET only, for the compiler as well', () => {
    expect(ForwardRead).toMatchObject({ service: 'tke', name: 'ForwardRequest', effect: 'read', ratePerSecond: 200 })
    expect('repeat' in ForwardRead).toBe(false)
    expectTypeOf<RequestOf<typeof ForwardRead>['Method']>().toEqualTypeOf<'GET'>()
    expectTypeOf<'RequestBody' extends keyof RequestOf<typeof ForwardRead> ? true : false>().toEqualTypeOf<false>()
  })

  test('a reader has no way to write', () => {
    const reader = kubeReader(clusterOf(() => ({})).cloud as CloudReader, 'cls-1')
    expect(Object.keys(reader).sort()).toEqual(['clusterId', 'discover', 'get', 'list'])
  })

  test.each(['', 'CLS-1', '../x', 'cls 1', 'a'.repeat(64), '-x'])('the cluster id %j is refused', (clusterId) => {
    expect(() => kubeReader(clusterOf(() => ({})).cloud, clusterId)).toThrow(KubeError)
  })
})

describe('an answer that comes without HTTP status', () => {
  const kinds: readonly (readonly [number, string, KubeErrorKind])[] = [
    [400, 'BadRequest', 'kube.invalid'],
    [401, 'Unauthorized', 'kube.forbidden'],
    [403, 'Forbidden', 'kube.forbidden'],
    [404, 'NotFound', 'kube.not-found'],
    [405, 'MethodNotAllowed', 'kube.invalid'],
    [409, 'Conflict', 'kube.conflict'],
    [409, 'AlreadyExists', 'kube.conflict'],
    [410, 'Gone', 'kube.unavailable'],
    [413, 'RequestEntityTooLarge', 'kube.invalid'],
    [415, 'UnsupportedMediaType', 'kube.invalid'],
    [422, 'Invalid', 'kube.invalid'],
    [429, 'TooManyRequests', 'kube.too-many-requests'],
    [500, 'InternalError', 'kube.unavailable'],
    [503, 'ServiceUnavailable', 'kube.unavailable'],
    [504, 'Timeout', 'kube.unavailable'],
  ]

  test.each(kinds)('a Status %d %s is %s', async (code, reason, kind) => {
    const error = await failure(
      kubeReader(clusterOf(() => status(code, reason, 'deployments.apps "web" is not here')).cloud, 'cls-1').get(web),
    )
    expect(error).toMatchObject({ kind, status: code, reason, path: web, clusterId: 'cls-1' })
    expect(error.message).toContain(`cls-1: GET ${web}: ${code} ${reason}: deployments.apps "web" is not here`)
    // The reason alone says it too.
    const { code: _code, ...withoutCode } = status(code, reason)
    expect(await failure(kubeReader(clusterOf(() => withoutCode).cloud, 'cls-1').list(deployments))).toMatchObject({ kind, reason })
  })

  test('a failure without code and known reason is a bad answer', async () => {
    const error = await failure(kubeReader(clusterOf(() => ({ kind: 'Status', status: 'Failure' })).cloud, 'cls-1').get(web))
    expect(error).toMatchObject({ kind: 'kube.bad-answer', status: 0, reason: 'Unknown' })
    expect((await failure(kubeReader(clusterOf(() => ({ kind: 'Status', code: 403 })).cloud, 'cls-1').get(web))).kind).toBe(
      'kube.forbidden',
    )
  })

  test('19: a message is passed on whole or not at all, so that no part of a secret in it is left when the rest is cut off', async () => {
    const secret = 'SandboxKeyForLocalUseOnlyEXAMPLE'
    const messageWith = async (message: string): Promise<string> =>
      (await failure(kubeReader(clusterOf(() => status(403, 'Forbidden', message)).cloud, 'cls-1').get(web))).message
    for (const before of [476, 990, 4080, 32_700, 32_750, 1_000_000]) {
      const shown = await messageWith(`${'x'.repeat(before)}${secret}`)
      expect(shown.replaceAll(secret, '')).not.toContain(secret.slice(0, 4))
      expect(shown.length).toBeLessThan(33_000)
    }
    expect(await messageWith(`a\nb\u001b[31m ${'x'.repeat(20_000)} field is immutable`)).toMatch(/: a b \[31m x{20000} field is immutable/)
    expect(await messageWith('x'.repeat(50_000))).toContain('(a text of 50000 characters, which is not shown)')
  })

  test.each([
    ['nothing', ''],
    ['blanks', ' \n'],
    ['a text', 'upstream is down'],
    ['a cut object', '{"kind":"DeploymentList","items":['],
    ['a list', '[]'],
    ['null', 'null'],
    ['an object without kind', '{"items":[]}'],
    ['a success that says nothing', JSON.stringify(success)],
    ['an object of another shape', '{"kind":"Deployment","apiVersion":"apps/v1"}'],
    ['a page of HTML', '<html><body>502 Bad Gateway</body></html>'],
  ])('%s is a bad answer, never an empty list or an object', async (_name, body) => {
    const reader = kubeReader(clusterOf(() => body).cloud, 'cls-1')
    for (const error of [await failure(reader.get(web)), await failure(reader.list(deployments))]) {
      expect(error).toMatchObject({ kind: 'kube.bad-answer', status: 0, clusterId: 'cls-1' })
      expect(error.path.startsWith('/apis/apps/v1/')).toBe(true)
      expect(error.path).not.toContain('?')
    }
  })

  test.each([
    [{ metadata: { name: '' } }],
    [{ metadata: { name: 7 } }],
    [{ metadata: { name: 'web', labels: { a: 1 } } }],
    [{ metadata: { name: 'web', annotations: ['a'] } }],
    [{ metadata: { name: 'web', resourceVersion: 7 } }],
    [{ metadata: [] }],
    [{ metadata: null }],
    [{ apiVersion: '' }],
  ])('an object with %j is no object', async (more) => {
    expect((await failure(kubeReader(clusterOf(() => deployment('web', more)).cloud, 'cls-1').get(web))).kind).toBe('kube.bad-answer')
  })

  test('a missing body is a bad answer', async () => {
    const cloud = { send: () => Promise.resolve({ RequestId: 'r' }) } as unknown as CloudWriter
    expect((await failure(kubeReader(cloud, 'cls-1').get(web))).kind).toBe('kube.bad-answer')
  })

  test('an error of the cloud call passes through', async () => {
    const thrown = new CloudError('no', { kind: 'cloud.forbidden', code: 'x', action: 'tke.ForwardRequest', retryable: false })
    const cloud = { send: () => Promise.reject(thrown) } as unknown as CloudWriter
    await expect(kubeReader(cloud, 'cls-1').get(web)).rejects.toBe(thrown)
  })

  test('an integer beyond 2^53 keeps its digits', async () => {
    const { cloud } = clusterOf(() => '{"kind":"A","apiVersion":"v1","metadata":{"name":"a","generation":9007199254740993}}')
    expect((await kubeReader(cloud, 'cls-1').get('/api/v1/pods/a')).metadata.generation).toBe(9_007_199_254_740_993n)
  })
})

describe('a list', () => {
  const listOf = (items: readonly object[] | null, metadata: object = { resourceVersion: '41' }) => ({
    kind: 'DeploymentList',
    apiVersion: 'apps/v1',
    metadata,
    items,
  })
  const bare = (name: string) => ({ metadata: { name } })

  test('follows continue to its end, keeps the resourceVersion, and fills in kind and apiVersion', async () => {
    const { cloud, calls } = clusterOf((_call, index) =>
      index === 0
        ? listOf([bare('a'), deployment('b', { kind: 'Special' })], { resourceVersion: '41', continue: 'to ken+/=&' })
        : listOf([bare('c')], { resourceVersion: '41' }),
    )
    const list = await kubeReader(cloud, 'cls-1').list(deployments, {
      labelSelector: 'app in (a,b),tier!=x',
      fieldSelector: 'spec.nodeName=n',
      limit: 2,
    })
    expect(list.resourceVersion).toBe('41')
    expect(list.items.map(({ kind, apiVersion, metadata }) => [kind, apiVersion, metadata.name])).toEqual([
      ['Deployment', 'apps/v1', 'a'],
      ['Special', 'apps/v1', 'b'],
      ['Deployment', 'apps/v1', 'c'],
    ])
    expect(calls.map(({ Path }) => Path)).toEqual([
      `${deployments}?limit=2&labelSelector=app%20in%20(a%2Cb)%2Ctier!%3Dx&fieldSelector=spec.nodeName%3Dn`,
      `${deployments}?limit=2&labelSelector=app%20in%20(a%2Cb)%2Ctier!%3Dx&fieldSelector=spec.nodeName%3Dn&continue=to%20ken%2B%2F%3D%26`,
    ])
  })

  test('a selector cannot break out of its parameter', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', minLength: 1 }), async (labelSelector) => {
        const { cloud, calls } = clusterOf(() => listOf([]))
        await kubeReader(cloud, 'cls-1').list(deployments, { labelSelector })
        const query = new URLSearchParams(calls[0]?.Path.split('?')[1])
        expect([...query.keys()]).toEqual(['limit', 'labelSelector'])
        expect(query.get('labelSelector')).toBe(labelSelector.toWellFormed())
      }),
      { seed: 41, numRuns: 200 },
    )
  })

  test('that is empty says so with an empty or a null list, and not by leaving it out', async () => {
    for (const items of [[], null])
      expect((await kubeReader(clusterOf(() => listOf(items)).cloud, 'cls-1').list(deployments)).items).toEqual([])
    expect(
      (
        await failure(
          kubeReader(clusterOf(() => ({ kind: 'DeploymentList', apiVersion: 'apps/v1', metadata: {} })).cloud, 'cls-1').list(deployments),
        )
      ).message,
    ).toContain('no items')
  })

  test.each([
    [{ kind: 'Deployment', apiVersion: 'apps/v1', metadata: { name: 'web' } }],
    [{ ...listOf([]), apiVersion: undefined }],
    [{ ...listOf([]), metadata: undefined }],
    [{ ...listOf([]), items: {} }],
    [listOf([{ spec: {} }])],
    [listOf(['web' as unknown as object])],
  ])('%j is a bad answer', async (body) => {
    expect((await failure(kubeReader(clusterOf(() => body).cloud, 'cls-1').list(deployments))).kind).toBe('kube.bad-answer')
  })

  test('whose state the server forgot half way starts over once', async () => {
    const { cloud, calls } = clusterOf(({ Path }, index) => {
      if (index === 1) return status(410, 'Expired')
      return Path.includes('continue=')
        ? listOf([bare('d')], { resourceVersion: '50' })
        : listOf([bare(`first-${index}`)], { resourceVersion: index === 0 ? '41' : '50', continue: 't' })
    })
    const list = await kubeReader(cloud, 'cls-1').list(deployments)
    expect(list.items.map(({ metadata }) => metadata.name)).toEqual(['first-2', 'd'])
    expect(list.resourceVersion).toBe('50')
    expect(calls.length).toBe(4)
  })

  test('whose state the server forgets again is given up', async () => {
    const { cloud, calls } = clusterOf(({ Path }) =>
      Path.includes('continue=') ? status(410, 'Expired') : listOf([bare('a')], { resourceVersion: '1', continue: 't' }),
    )
    expect(await failure(kubeReader(cloud, 'cls-1').list(deployments))).toMatchObject({
      kind: 'kube.unavailable',
      status: 410,
      reason: 'Expired',
    })
    expect(calls.length).toBe(4)
  })

  test('that never gets on is given up', async () => {
    const { cloud } = clusterOf(() => listOf([bare('a')], { resourceVersion: '1', continue: 'same' }))
    expect((await failure(kubeReader(cloud, 'cls-1').list(deployments))).message).toContain('twice to continue at the same place')
    const endless = clusterOf((_call, index) => listOf([], { resourceVersion: '1', continue: `t${index}` }))
    expect((await failure(kubeReader(endless.cloud, 'cls-1').list(deployments))).message).toContain('does not end within 2000 answers')
  })

  test('a forbidden page in the middle fails the whole list', async () => {
    const { cloud } = clusterOf(({ Path }) =>
      Path.includes('continue=') ? status(403, 'Forbidden') : listOf([bare('a')], { resourceVersion: '1', continue: 't' }),
    )
    expect((await failure(kubeReader(cloud, 'cls-1').list(deployments))).kind).toBe('kube.forbidden')
  })

  test.each([0, -1, 2.5, Number.NaN])('of %d objects per answer is refused', async (limit) => {
    const { cloud, calls } = clusterOf(() => listOf([]))
    expect((await failure(kubeReader(cloud, 'cls-1').list(deployments, { limit }))).kind).toBe('kube.invalid')
    expect(calls).toEqual([])
  })

  test('of one object, and one object of a list, are refused', async () => {
    const { cloud, calls } = clusterOf(() => listOf([]))
    expect((await failure(kubeReader(cloud, 'cls-1').list(web))).kind).toBe('kube.invalid')
    expect((await failure(kubeReader(cloud, 'cls-1').get(deployments))).kind).toBe('kube.invalid')
    expect(calls).toEqual([])
  })
})

/** What servers of two ages say about themselves. */
const apis = (policy: readonly string[]) => ({
  kind: 'APIGroupList',
  groups: [
    { name: 'apps', versions: [{ groupVersion: 'apps/v1', version: 'v1' }], preferredVersion: { groupVersion: 'apps/v1', version: 'v1' } },
    {
      name: 'policy',
      versions: policy.map((version) => ({ groupVersion: `policy/${version}`, version })),
      preferredVersion: { version: policy[0] },
    },
    { name: 'autoscaling', versions: [{ version: 'v1' }, { version: 'v2beta2' }], preferredVersion: { version: 'v2beta2' } },
  ],
})
const core = (eviction: object) => ({
  kind: 'APIResourceList',
  groupVersion: 'v1',
  resources: [
    { name: 'pods', kind: 'Pod', namespaced: true, verbs: ['get', 'list'] },
    { name: 'pods/eviction', kind: 'Eviction', namespaced: true, verbs: ['create'], ...eviction },
    { name: 'nodes', kind: 'Node', namespaced: false, verbs: ['get'] },
  ],
})
const autoscaling = (version: string) => ({
  kind: 'APIResourceList',
  groupVersion: `autoscaling/${version}`,
  resources: [
    { name: 'horizontalpodautoscalers', kind: 'HorizontalPodAutoscaler', namespaced: true, verbs: ['get', 'patch'] },
    { name: 'horizontalpodautoscalers/status', kind: 'HorizontalPodAutoscaler', namespaced: true, verbs: ['get'] },
  ],
})

describe('discovery', () => {
  const answer = ({ Path }: Forwarded) =>
    Path === '/apis'
      ? apis(['v1beta1'])
      : Path === '/api/v1'
        ? core({ group: 'policy', version: 'v1beta1' })
        : autoscaling(Path.split('/').at(-1) ?? '')

  test('names the groups with their versions, the preferred one first, the core group too', async () => {
    const { cloud } = clusterOf(answer)
    expect(await kubeReader(cloud, 'cls-1').discover()).toEqual([
      { group: '', versions: ['v1'] },
      { group: 'apps', versions: ['v1'] },
      { group: 'policy', versions: ['v1beta1'] },
      { group: 'autoscaling', versions: ['v2beta2', 'v1'] },
    ])
  })

  test('names what a group offers in each version, with subresources', async () => {
    const { cloud, calls } = clusterOf(answer)
    const found = await kubeReader(cloud, 'cls-1').discover('autoscaling')
    expect(found?.versions).toEqual(['v2beta2', 'v1'])
    expect(found?.resources).toEqual(
      ['v2beta2', 'v1'].map((version) => ({
        version,
        resource: 'horizontalpodautoscalers',
        kind: 'HorizontalPodAutoscaler',
        namespaced: true,
        verbs: ['get', 'patch'],
        subresources: [{ name: 'status', group: 'autoscaling', version, kind: 'HorizontalPodAutoscaler' }],
      })),
    )
    expect(calls.map(({ Path, Method }) => `${Method} ${Path}`)).toEqual([
      'GET /apis',
      'GET /apis/autoscaling/v2beta2',
      'GET /apis/autoscaling/v1',
    ])
  })

  test('of the core group needs one call, of a group that is not there gives undefined', async () => {
    const { cloud, calls } = clusterOf(answer)
    const found = await kubeReader(cloud, 'cls-1').discover('')
    expect(found?.resources.map(({ resource, namespaced }) => [resource, namespaced])).toEqual([
      ['pods', true],
      ['nodes', false],
    ])
    expect(found?.resources[0]?.subresources).toEqual([{ name: 'eviction', group: 'policy', version: 'v1beta1', kind: 'Eviction' }])
    expect(calls.length).toBe(1)
    expect(await kubeReader(cloud, 'cls-1').discover('autoscaling.cloud.tencent.com')).toBeUndefined()
  })

  test.each([
    [{ kind: 'APIGroupList' }],
    [{ kind: 'PodList', groups: [] }],
    [{ kind: 'APIGroupList', groups: [{ versions: [] }] }],
    [{ kind: 'APIGroupList', groups: [{ name: 'apps' }] }],
    [''],
  ])('%j is a bad answer, not a cluster without groups', async (body) => {
    expect((await failure(kubeReader(clusterOf(() => body).cloud, 'cls-1').discover())).kind).toBe('kube.bad-answer')
  })

  test('a group that a server names in a hostile way is never asked for', async () => {
    const evil = {
      kind: 'APIGroupList',
      groups: [{ name: 'apps/../../x', versions: [{ version: 'v1' }], preferredVersion: { version: 'v1' } }],
    }
    const { cloud, calls } = clusterOf(() => evil)
    expect((await failure(kubeReader(cloud, 'cls-1').discover('apps/../../x'))).kind).toBe('kube.invalid')
    expect(calls.every(({ Path }) => Path === '/apis')).toBe(true)
  })
})

describe('a writer', () => {
  test('creates in a collection', async () => {
    const { cloud, calls } = clusterOf(() => deployment('web'))
    await kubeWriter(cloud, 'cls-1').create(deployments, deployment('web', { big: 9_007_199_254_740_993n, gone: undefined, kept: null }))
    expect(calls).toEqual([
      {
        effect: 'write',
        Method: 'POST',
        Path: deployments,
        Accept: 'application/json',
        ContentType: 'application/json',
        ClusterName: 'cls-1',
        ClusterId: 'cls-1',
        RequestBody:
          '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"default","resourceVersion":"7"},"big":9007199254740993,"kept":null}',
      },
    ])
  })

  test.each([
    ['merge', 'application/merge-patch+json', { spec: { replicas: 3, gone: null } }],
    ['strategic', 'application/strategic-merge-patch+json', { spec: { replicas: 3 } }],
    ['json', 'application/json-patch+json', [{ op: 'test', path: '/spec/replicas', value: 2 }]],
  ] as const)('patches by %s with its content type', async (type, contentType, body) => {
    const { cloud, calls } = clusterOf(() => deployment('web'))
    await kubeWriter(cloud, 'cls-1').patch(web, type, body)
    expect(calls).toMatchObject([
      { effect: 'write', Method: 'PATCH', Path: web, ContentType: contentType, RequestBody: JSON.stringify(body) },
    ])
    const wrong = type === 'json' ? {} : []
    expect((await failure(kubeWriter(cloud, 'cls-1').patch(web, type, wrong))).kind).toBe('kube.invalid')
    expect(calls.length).toBe(1)
  })

  test('replaces an object', async () => {
    const { cloud, calls } = clusterOf(() => deployment('web'))
    await kubeWriter(cloud, 'cls-1').replace(web, deployment('web'))
    expect(calls).toMatchObject([{ Method: 'PUT', Path: web, ContentType: 'application/json' }])
  })

  test('deletes with what must still be true', async () => {
    const { cloud, calls } = clusterOf(() => success)
    const writer = kubeWriter(cloud, 'cls-1')
    await writer.delete(web)
    await writer.delete(web, { resourceVersion: '7', uid: 'u-1', propagation: 'Foreground' })
    expect(calls.map(({ Method, RequestBody }) => [Method, JSON.parse(RequestBody ?? '')])).toEqual([
      ['DELETE', { apiVersion: 'v1', kind: 'DeleteOptions' }],
      [
        'DELETE',
        { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Foreground', preconditions: { uid: 'u-1', resourceVersion: '7' } },
      ],
    ])
    // An object with finalizers comes back instead of a Status.
    await kubeWriter(clusterOf(() => deployment('web')).cloud, 'cls-1').delete(web)
    expect((await failure(kubeWriter(clusterOf(() => status(409, 'Conflict')).cloud, 'cls-1').delete(web))).kind).toBe('kube.conflict')
  })

  test('scales through the scale subresource, with the state it must still have', async () => {
    const { cloud, calls } = clusterOf(() => ({
      kind: 'Scale',
      apiVersion: 'autoscaling/v1',
      metadata: { name: 'web' },
      spec: { replicas: 5 },
    }))
    const writer = kubeWriter(cloud, 'cls-1')
    await writer.scale(web, 5, '7')
    await writer.scale(`${web}/scale`, 0)
    expect(calls).toMatchObject([
      {
        Method: 'PATCH',
        Path: `${web}/scale`,
        ContentType: 'application/merge-patch+json',
        RequestBody: '{"metadata":{"resourceVersion":"7"},"spec":{"replicas":5}}',
      },
      { Path: `${web}/scale`, RequestBody: '{"spec":{"replicas":0}}' },
    ])
    for (const replicas of [-1, 1.5, Number.NaN, 2 ** 31]) expect((await failure(writer.scale(web, replicas))).kind).toBe('kube.invalid')
    expect((await failure(writer.scale(`${web}/status`, 1))).kind).toBe('kube.invalid')
    expect((await failure(writer.scale(deployments, 1))).kind).toBe('kube.invalid')
    expect(calls.length).toBe(2)
  })

  test.each([
    ['1.20 and older', ['v1beta1'], { group: 'policy', version: 'v1beta1' }, 'policy/v1beta1'],
    ['1.21, which has policy/v1 but not for evictions', ['v1', 'v1beta1'], { group: 'policy', version: 'v1beta1' }, 'policy/v1beta1'],
    ['1.22 and later', ['v1', 'v1beta1'], { group: 'policy', version: 'v1' }, 'policy/v1'],
    ['one that does not say, old', ['v1beta1'], {}, 'policy/v1beta1'],
    ['one that does not say, with both', ['v1', 'v1beta1'], {}, 'policy/v1beta1'],
    ['one that does not say, new', ['v1'], {}, 'policy/v1'],
  ] as const)('evicts on %s by the version the server takes', async (_name, policy, eviction, apiVersion) => {
    const { cloud, calls } = clusterOf(({ Method, Path }) =>
      Method === 'POST' ? success : Path === '/apis' ? apis(policy) : core(eviction),
    )
    const writer = kubeWriter(cloud, 'cls-1')
    await writer.evict('default', 'web-1')
    await writer.evict('default', 'web-2', { uid: 'u-2' })
    const posts = calls.filter(({ Method }) => Method === 'POST')
    expect(posts.map(({ Path, RequestBody }) => [Path, JSON.parse(RequestBody ?? '')])).toEqual([
      [
        '/api/v1/namespaces/default/pods/web-1/eviction',
        { apiVersion, kind: 'Eviction', metadata: { name: 'web-1', namespace: 'default' } },
      ],
      [
        '/api/v1/namespaces/default/pods/web-2/eviction',
        {
          apiVersion,
          kind: 'Eviction',
          metadata: { name: 'web-2', namespace: 'default' },
          deleteOptions: { preconditions: { uid: 'u-2' } },
        },
      ],
    ])
    // Asked once, not once per pod.
    expect(calls.filter(({ Path }) => Path === '/api/v1').length).toBe(1)
  })

  test('an eviction that a budget forbids says later, and a failed discovery is not remembered', async () => {
    const { cloud } = clusterOf(({ Method }, index) =>
      Method === 'POST' ? status(429, 'TooManyRequests') : index === 0 ? '' : core({ group: 'policy', version: 'v1' }),
    )
    const writer = kubeWriter(cloud, 'cls-1')
    expect((await failure(writer.evict('default', 'web-1'))).kind).toBe('kube.bad-answer')
    expect((await failure(writer.evict('default', 'web-1'))).kind).toBe('kube.too-many-requests')
  })

  test('sends one writing call per method and never repeats one', async () => {
    for (const answer of [status(409, 'Conflict'), status(500, 'InternalError'), '']) {
      const { cloud, calls } = clusterOf(() => answer)
      const writer = kubeWriter(cloud, 'cls-1')
      const attempts = [
        writer.create(deployments, {}),
        writer.patch(web, 'merge', {}),
        writer.replace(web, {}),
        writer.delete(web),
        writer.scale(web, 1),
      ]
      await Promise.all(attempts.map(failure))
      expect(calls.length).toBe(5)
    }
  })

  test('an object without place and a place without object are refused', async () => {
    const { cloud, calls } = clusterOf(() => success)
    const writer = kubeWriter(cloud, 'cls-1')
    const attempts = [
      writer.create(web, {}),
      writer.patch(deployments, 'merge', {}),
      writer.replace(deployments, {}),
      writer.delete(deployments),
    ]
    for (const error of await Promise.all(attempts.map(failure))) {
      expect(error).toMatchObject({ kind: 'kube.invalid', status: 0, reason: 'RefusedHere' })
    }
    expect((await failure(writer.create(deployments, { at: new Date(0) }))).message).toContain('at is a Date')
    expect(calls).toEqual([])
  })
})

const hostile = [
  '',
  '.',
  '..',
  '../x',
  'a/b',
  'a%2fb',
  '%2e%2e',
  'a?b',
  'a#b',
  'a b',
  'a\nb',
  'a\u0000',
  'Web',
  'wéb',
  '部署',
  'a_b',
  '-a',
  'a-',
  'a..b',
  '.a',
  'a.',
  'a;b',
  'a\\b',
  'a'.repeat(254),
]

describe('paths', () => {
  test.each([
    [{ version: 'v1', resource: 'pods' }, '/api/v1/pods'],
    [{ group: '', version: 'v1', resource: 'nodes', name: '10.0.0.1' }, '/api/v1/nodes/10.0.0.1'],
    [{ version: 'v1', resource: 'namespaces', name: 'default' }, '/api/v1/namespaces/default'],
    [{ version: 'v1', resource: 'namespaces', name: 'default', subresource: 'status' }, '/api/v1/namespaces/default/status'],
    [
      { version: 'v1', namespace: 'default', resource: 'pods', name: 'web-1', subresource: 'eviction' },
      '/api/v1/namespaces/default/pods/web-1/eviction',
    ],
    [{ group: 'apps', version: 'v1', namespace: 'default', resource: 'deployments', name: 'web' }, web],
    [
      { group: 'autoscaling.cloud.tencent.com', version: 'v1', namespace: 'a', resource: 'horizontalpodcronscalers' },
      '/apis/autoscaling.cloud.tencent.com/v1/namespaces/a/horizontalpodcronscalers',
    ],
    [
      { group: 'autoscaling', version: 'v2beta2', resource: 'horizontalpodautoscalers' },
      '/apis/autoscaling/v2beta2/horizontalpodautoscalers',
    ],
  ] as const)('%o is %s', (target, path) => {
    expect(kubePath(target)).toBe(path)
  })

  test.each(hostile)('%j is no name, namespace, resource, group or version', (bad) => {
    const good = { group: 'apps', version: 'v1', namespace: 'default', resource: 'deployments', name: 'web' }
    for (const part of ['version', 'namespace', 'resource', 'name'] as const)
      expect(() => kubePath({ ...good, [part]: bad })).toThrow(KubeError)
    if (bad !== '') expect(() => kubePath({ ...good, group: bad })).toThrow('nothing was sent')
    expect(() => kubePath({ ...good, subresource: bad as 'scale' })).toThrow(KubeError)
  })

  test('a label may have 63 characters, a name 253', () => {
    const long = Array.from({ length: 127 }, () => 'a').join('.')
    expect(long.length).toBe(253)
    expect(kubePath({ version: 'v1', namespace: 'a'.repeat(63), resource: 'pods', name: long })).toContain(long)
    expect(() => kubePath({ version: 'v1', namespace: 'a'.repeat(64), resource: 'pods' })).toThrow(KubeError)
    expect(() => kubePath({ version: 'v1', resource: 'pods', name: `${long}.a` })).toThrow(KubeError)
    expect(() => kubePath({ version: 'v1', resource: 'pods', name: 'a'.repeat(64) })).toThrow(KubeError)
  })

  test.each(['exec', 'proxy', 'log', 'attach', 'portforward', 'token'])(
    'the subresource %s is not among those that may be used',
    (subresource) => {
      expect(() => kubePath({ version: 'v1', namespace: 'a', resource: 'pods', name: 'b', subresource: subresource as 'scale' })).toThrow(
        KubeError,
      )
    },
  )

  test('a subresource of nothing is refused', () => {
    expect(() => kubePath({ group: 'apps', version: 'v1', resource: 'deployments', subresource: 'scale' })).toThrow('needs the name')
  })

  test.each([
    '/api/v1/namespaces/default/../kube-system/secrets/x',
    '/api/v1/namespaces/default%2f..%2fkube-system/pods/x',
    '/api/v1/pods/x?watch=true',
    '/api/v1/pods/x#a',
    '/api/v1//pods/x',
    '/api/v1/pods/x/',
    'api/v1/pods/x',
    '//evil.example/api/v1/pods/x',
    'https://evil.example/api/v1/pods/x',
    '/healthz',
    '/apis',
    '/api',
    '/api/v1',
    '/apis/apps/v1',
    '/api/v1/namespaces/a/pods/b/exec',
    '/api/v1/namespaces/a/services/b/proxy/x',
    '/api/v1/proxy/nodes/x',
    '/api/v1/nodes/x/proxy',
    '/apis//v1/pods/x',
    '/logs/x',
    '',
  ])('the path %j reaches nobody', async (path) => {
    const { cloud, calls } = clusterOf(() => deployment('x'))
    const writer = kubeWriter(cloud, 'cls-1')
    const attempts = [
      writer.get(path),
      writer.list(path),
      writer.create(path, {}),
      writer.patch(path, 'merge', {}),
      writer.replace(path, {}),
      writer.delete(path),
      writer.scale(path, 1),
    ]
    for (const error of await Promise.all(attempts.map(failure))) expect(error.kind).toBe('kube.invalid')
    expect(calls).toEqual([])
  })

  test.each(hostile)('the pod %j cannot be evicted', async (bad) => {
    const { cloud, calls } = clusterOf(() => success)
    expect((await failure(kubeWriter(cloud, 'cls-1').evict('default', bad))).kind).toBe('kube.invalid')
    expect((await failure(kubeWriter(cloud, 'cls-1').evict(bad, 'web'))).kind).toBe('kube.invalid')
    expect(calls).toEqual([])
  })

  test('any text as a name gives either the very path with that name, or a refusal', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[a-z0-9./%-]{1,12}$/)), (name) => {
        let path: string | undefined
        try {
          path = kubePath({ version: 'v1', namespace: 'default', resource: 'pods', name })
        } catch (error) {
          expect(error).toBeInstanceOf(KubeError)
          return
        }
        expect(path).toBe(`/api/v1/namespaces/default/pods/${name}`)
        expect(new URL(path, 'http://a').pathname).toBe(path)
        expect(path.split('/').length).toBe(7)
      }),
      { seed: 42, numRuns: 1000 },
    )
  })
})

test('a group that the cluster does not serve is not-found, although the answer is plain text', async () => {
  const { cloud } = clusterOf(() => '404 page not found\n')
  const error = await failure(kubeReader(cloud, 'cls-1').list('/apis/autoscaling.cloud.tencent.com/v1/horizontalpodcronscalers'))
  expect([error.kind, error.status]).toEqual(['kube.not-found', 404])
  expect(error.message).toMatch(/does not serve this API group/)
})

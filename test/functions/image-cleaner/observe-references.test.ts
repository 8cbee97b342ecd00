import { describe, expect, it } from 'vitest'
import type { CloudReader } from '#cloud/cloud.ts'
import { type ObserveUsesConfig, observeUses } from '#functions/image-cleaner/observe-references.ts'
import { now, settingsOf } from './fixtures.ts'

const host = 'registry.example.com'
const digest = `sha256:${'a'.repeat(64)}`

/** Kinds of a cluster by their path, as discovery lists them. */
const kinds: Readonly<Record<string, readonly (readonly [resource: string, kind: string])[]>> = {
  '/api/v1': [
    ['pods', 'Pod'],
    ['replicationcontrollers', 'ReplicationController'],
    ['podtemplates', 'PodTemplate'],
  ],
  '/apis/apps/v1': [
    ['deployments', 'Deployment'],
    ['statefulsets', 'StatefulSet'],
    ['daemonsets', 'DaemonSet'],
    ['replicasets', 'ReplicaSet'],
    ['controllerrevisions', 'ControllerRevision'],
  ],
  '/apis/batch/v1': [
    ['jobs', 'Job'],
    ['cronjobs', 'CronJob'],
  ],
  '/apis/keda.sh/v1': [['scaledjobs', 'ScaledJob']],
}

/** A cluster in which there are these objects, by the path of their list. */
function clusterOf(objects: Readonly<Record<string, readonly object[]>>): CloudReader {
  const answerOf = (path: string): object => {
    if (path === '/api') return { kind: 'APIVersions', versions: ['v1'] }
    if (path === '/apis') {
      const groups = ['apps', 'batch', 'keda.sh'].map((name) => {
        const version = { groupVersion: `${name}/v1`, version: 'v1' }
        return { name, versions: [version], preferredVersion: version }
      })
      return { kind: 'APIGroupList', apiVersion: 'v1', groups }
    }
    const served = kinds[path]
    if (served !== undefined) {
      const resources = served.map(([name, kind]) => ({ name, singularName: '', namespaced: true, kind, verbs: ['get', 'list'] }))
      return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: path.replace(/^\/apis?\//, ''), resources }
    }
    const [list = ''] = path.split('?')
    const folder = list.slice(0, list.lastIndexOf('/'))
    const kind = kinds[folder]?.find(([resource]) => list.endsWith(`/${resource}`))?.[1]
    return { kind: `${kind}List`, apiVersion: folder.replace(/^\/apis?\//, ''), metadata: {}, items: objects[list] ?? [] }
  }
  return {
    send: (_action, request) => {
      const { Path } = request as { readonly Path: string }
      return Promise.resolve({ ResponseBody: JSON.stringify(answerOf(Path)), RequestId: 'one' }) as never
    },
  }
}

async function lookAt(objects: Readonly<Record<string, readonly object[]>>, more: object = {}) {
  const settings = settingsOf({ hosts: [host], ...more })
  const config: ObserveUsesConfig = { clusters: [{ id: 'cls-1' }], settings }
  const [uses] = await observeUses(clusterOf(objects), config, now)
  if (uses === undefined || uses.problem !== undefined) throw new Error(uses?.problem ?? 'nothing was read')
  return uses
}

async function usesOf(objects: Readonly<Record<string, readonly object[]>>, more: object = {}) {
  return (await lookAt(objects, more)).references.map(({ repository, tag, digest: own, via, object }) => ({
    image: `${repository}:${tag ?? own}`,
    via,
    object,
  }))
}

const metadata = { name: 'one', namespace: 'prod' }
const template = (image: string) => ({ spec: { containers: [{ name: 'app', image }] } })

describe('what protects an image', () => {
  it.for([
    [
      'a ReplicationController at 0 replicas',
      { '/api/v1/replicationcontrollers': [{ metadata, spec: { replicas: 0, template: template(`${host}/shop/web:v1`) } }] },
      { image: 'shop/web:v1', via: 'workload', object: 'ReplicationController prod/one, container app' },
    ],
    [
      'a PodTemplate',
      { '/api/v1/podtemplates': [{ metadata, template: template(`${host}/shop/web:v1`) }] },
      { image: 'shop/web:v1', via: 'pod-template', object: 'PodTemplate prod/one, container app' },
    ],
    [
      'a ControllerRevision',
      { '/apis/apps/v1/controllerrevisions': [{ metadata, data: { spec: { template: template(`${host}/shop/web:v1`) } } }] },
      { image: 'shop/web:v1', via: 'controller-revision', object: 'ControllerRevision prod/one, container app' },
    ],
    [
      'a suspended CronJob',
      {
        '/apis/batch/v1/cronjobs': [
          { metadata, spec: { suspend: true, jobTemplate: { spec: { template: template(`${host}/shop/web:v1`) } } } },
        ],
      },
      { image: 'shop/web:v1', via: 'cron-job', object: 'CronJob prod/one, container app' },
    ],
    [
      'a volume of an image',
      { '/api/v1/pods': [{ metadata, spec: { volumes: [{ name: 'data', image: { reference: `${host}/shop/data:v1` } }] } }] },
      { image: 'shop/data:v1', via: 'pod', object: 'Pod prod/one, volume data' },
    ],
  ] as const)('%s', async ([, objects, expected]) => {
    expect(await usesOf(objects)).toEqual([expected])
  })

  it.for([
    ['with the name it was pulled by', `docker-pullable://${host}/shop/web@${digest}`, `${host}/shop/web:v1`],
    ['as a digest alone', digest, `${host}/shop/web:v1`],
    ['as a digest with the scheme of a runtime', `docker://${digest}`, `${host}/shop/web:v1`],
    ['as a digest alone, without any name of it', digest, digest],
  ] as const)('the content that a pod reports to run, %s', async ([, imageID, image]) => {
    const containerStatuses = [{ name: 'app', image, imageID, state: { running: {} } }]
    const pod = { metadata, spec: template(`${host}/shop/web:v1`).spec, status: { phase: 'Running', containerStatuses } }
    const [asked, ...reported] = await usesOf({ '/api/v1/pods': [pod] })
    expect(asked).toMatchObject({ image: 'shop/web:v1', via: 'pod' })
    expect(reported).toEqual([{ image: `shop/web:${digest}`, via: 'pod-status', object: 'Pod prod/one, container app' }])
  })
})

describe('a kind of its own, that no workload stands behind', () => {
  const scaledJob = {
    metadata,
    spec: {
      jobTargetRef: { template: template(`${host}/shop/worker:v1`) },
      arguments: [`--image=${host}/shop/tool:v2`, `see ${host}/shop/web:v3.`, `not-${host}/shop/no:v1`, 'elsewhere.example.com/x/y:1'],
      digest: `${host}/shop/pinned@${digest}`,
    },
  }

  it('protects every image that it names, in whatever field', async () => {
    const uses = await usesOf({ '/apis/keda.sh/v1/scaledjobs': [scaledJob] }, { customResources: ['scaledjobs.keda.sh'] })
    expect(uses.map(({ image }) => image)).toEqual(['shop/worker:v1', 'shop/tool:v2', 'shop/web:v3', `shop/pinned:${digest}`])
    expect(new Set(uses.map(({ via, object }) => `${via} ${object}`))).toEqual(new Set(['custom-resource ScaledJob prod/one']))
  })

  it('is read only where it is configured', async () => {
    expect(await usesOf({ '/apis/keda.sh/v1/scaledjobs': [scaledJob] })).toEqual([])
  })

  it.for(['scaledjbs.keda.sh', 'scaledjobs.keda.example'])(
    'that no cluster has (%s) is a mistake, and nobody knows what is in use',
    async (name) => {
      await expect(usesOf({}, { customResources: [name] })).rejects.toThrow(`no cluster has a kind ${name}`)
    },
  )

  it.for(['secrets', 'Jobs', 'a/b', ''])('is refused by the name %j', (name) => {
    expect(() => settingsOf({ customResources: [name] })).toThrow()
  })
})

it('a registry has all names that are configured, in whatever case, and what comes from elsewhere is told', async () => {
  const containers = [
    'registry.example.com/shop/web:v1',
    'Mirror.example.com:5000/shop/api:v1',
    'other.example.com/shop/no:v1',
    'nginx',
  ].map((image, index) => ({ name: `c${index}`, image }))
  const uses = await lookAt(
    { '/api/v1/pods': [{ metadata, spec: { containers } }] },
    { hosts: ['Registry.Example.com', 'mirror.example.com:5000'] },
  )
  expect(uses.references.map(({ repository }) => repository)).toEqual(['shop/web', 'shop/api'])
  expect(uses.elsewhere).toEqual(['other.example.com/shop/no', 'docker.io/library/nginx'])
})

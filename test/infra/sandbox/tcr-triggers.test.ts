import { afterEach, beforeEach, expect, test } from 'vitest'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import { createKubernetesState, putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { newWorld } from '#infra/sandbox/seeds/new-world.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxKubeToken } from '#infra/sandbox/test-credentials.ts'
import { must, rawCall } from './sandbox-call.ts'

const start = Date.parse('2026-03-01T02:00:00Z')
const clusterId = 'cls-trigger0'
const template = {
  metadata: { labels: { app: 'web' } },
  spec: {
    containers: [
      { name: 'app', image: 'ccr.ccs.tencentyun.com/shop/web:v1' },
      { name: 'sidecar', image: 'ccr.ccs.tencentyun.com/shop/proxy:v1' },
    ],
  },
}
const jobTemplate = { ...template, spec: { ...template.spec, restartPolicy: 'Never' } }
const metadata = { name: 'web', namespace: 'default' }
const selector = { matchLabels: { app: 'web' } }

let sandbox: Sandbox

async function start_(version: string): Promise<void> {
  const world = newWorld()
  const cluster = createKubernetesState({ version, clusterId, now: start })
  world.kubernetes[clusterId] = cluster
  putObject(cluster, { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: { replicas: 2, selector, template } }, start)
  putObject(
    cluster,
    { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata, spec: { replicas: 1, serviceName: 'web', selector, template } },
    start,
  )
  putObject(cluster, { apiVersion: 'apps/v1', kind: 'DaemonSet', metadata, spec: { selector, template } }, start)
  putObject(
    cluster,
    {
      apiVersion: 'batch/v1beta1',
      kind: 'CronJob',
      metadata,
      spec: { schedule: '0 0 1 1 *', jobTemplate: { spec: { template: jobTemplate } } },
    },
    start,
  )
  putObject(cluster, { apiVersion: 'batch/v1', kind: 'Job', metadata, spec: { suspend: true, template: jobTemplate } }, start)
  sandbox = await startSandbox({ world, clock: createSandboxClock({ startMs: start, frozen: true }), rates: false })
  sandbox.push({ repo: 'shop/web', tag: 'v1' })
}

beforeEach(() => start_('1.20.6'))

afterEach(() => sandbox.close())

const paths = {
  Deployment: '/apis/apps/v1/namespaces/default/deployments/web',
  StatefulSet: '/apis/apps/v1/namespaces/default/statefulsets/web',
  DaemonSet: '/apis/apps/v1/namespaces/default/daemonsets/web',
  CronJob: '/apis/batch/v1beta1/namespaces/default/cronjobs/web',
  Job: '/apis/batch/v1/namespaces/default/jobs/web',
} as const

async function read(path: string): Promise<{ metadata: { resourceVersion: string }; images: string[] }> {
  const answer = await rawCall(sandbox, {
    method: 'GET',
    path: `/_kubernetes/${clusterId}${path}`,
    headers: { authorization: `Bearer ${sandboxKubeToken}` },
  })
  expect(answer.status, answer.text).toBe(200)
  const object = JSON.parse(answer.text) as {
    metadata: { resourceVersion: string }
    spec: { template?: typeof template; jobTemplate?: { spec: { template: typeof template } } }
  }
  const { containers } = (object.spec.template ?? object.spec.jobTemplate?.spec.template ?? template).spec
  return { metadata: object.metadata, images: containers.map(({ image }) => image) }
}

async function trigger(change: object): Promise<void> {
  const name = `t${Object.keys(sandbox.world.tcr.triggers).length}`
  await must(sandbox, 'CreateApplicationTriggerPersonal', {
    RepoName: 'shop/web',
    TriggerName: name,
    InvokeMethod: 'all',
    ClusterId: clusterId,
    Namespace: 'default',
    WorkloadType: 'Deployment',
    WorkloadName: 'web',
    ContainerName: 'app',
    ClusterRegion: 1,
    ...change,
  })
}

async function lastResult(): Promise<{ ReturnCode: unknown; ReturnMsg: unknown }> {
  const { Data } = await must(sandbox, 'DescribeApplicationTriggerLogPersonal', { Limit: 1 })
  const { ReturnCode, ReturnMsg } = Data.LogInfo?.[0]?.InvokeResult ?? {}
  return { ReturnCode, ReturnMsg }
}

test.each(['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob'] as const)(
  'a push sets the image of the container of a %s, and of no other container',
  async (kind) => {
    await trigger({ WorkloadType: kind })
    const before = await read(paths[kind])
    sandbox.push({ repo: 'shop/web', tag: 'v2' })
    const after = await read(paths[kind])
    expect(after.images).toEqual(['ccr.ccs.tencentyun.com/shop/web:v2', 'ccr.ccs.tencentyun.com/shop/proxy:v1'])
    expect(after.metadata.resourceVersion).not.toBe(before.metadata.resourceVersion)
    expect(await lastResult()).toEqual({ ReturnCode: 0, ReturnMsg: 'success' })
  },
)

test('a Job is immutable: the cluster refuses, and the log says so', async () => {
  await trigger({ WorkloadType: 'Job' })
  sandbox.push({ repo: 'shop/web', tag: 'v2' })
  expect((await read(paths.Job)).images[0]).toBe('ccr.ccs.tencentyun.com/shop/web:v1')
  expect(await lastResult()).toEqual({ ReturnCode: 422, ReturnMsg: expect.stringContaining('immutable') })
})

test('a workload, a container or a cluster that is gone is in the log, and the push has happened all the same', async () => {
  for (const [change, message] of [
    [{ WorkloadName: 'gone' }, /"gone" not found/],
    [{ ContainerName: 'gone' }, /container gone not found/],
    [{ ClusterId: 'cls-gone0000' }, /cluster cls-gone0000 not found/],
    [{ Namespace: '../../nodes' }, /./],
  ] as const) {
    await trigger(change)
    sandbox.push({ repo: 'shop/web', tag: 'v2' })
    const { ReturnCode, ReturnMsg } = await lastResult()
    expect(ReturnCode).toBe(404)
    expect(ReturnMsg).toMatch(message)
    sandbox.world.tcr.triggerLog.length = 0
    for (const name of Object.keys(sandbox.world.tcr.triggers)) {
      await must(sandbox, 'DeleteApplicationTriggerPersonal', { TriggerName: name })
    }
  }
  expect((await must(sandbox, 'DescribeImagePersonal', { RepoName: 'shop/web' })).Data.TagCount).toBe(2)
  expect((await read(paths.Deployment)).images[0]).toBe('ccr.ccs.tencentyun.com/shop/web:v1')
})

test('only tags that fit are deployed, and a condition that was changed counts from then on', async () => {
  await trigger({ InvokeMethod: 'regex', InvokeExpr: '^v[0-9]+$' })
  sandbox.push({ repo: 'shop/web', tag: 'v2-rc1' })
  expect((await read(paths.Deployment)).images[0]).toBe('ccr.ccs.tencentyun.com/shop/web:v1')
  sandbox.push({ repo: 'shop/web', tag: 'v2' })
  expect((await read(paths.Deployment)).images[0]).toBe('ccr.ccs.tencentyun.com/shop/web:v2')
  await must(sandbox, 'ModifyApplicationTriggerPersonal', { TriggerName: 't0', InvokeMethod: 'taglist', InvokeExpr: 'stable' })
  sandbox.push({ repo: 'shop/web', tag: 'v3' })
  sandbox.push({ repo: 'shop/web', tag: 'stable' })
  expect((await read(paths.Deployment)).images[0]).toBe('ccr.ccs.tencentyun.com/shop/web:stable')
})

test('a CronJob is found in the version that its cluster serves', async () => {
  await sandbox.close()
  await start_('1.22.5')
  await trigger({ WorkloadType: 'CronJob' })
  sandbox.push({ repo: 'shop/web', tag: 'v2' })
  expect(await lastResult()).toEqual({ ReturnCode: 0, ReturnMsg: 'success' })
  expect((await read('/apis/batch/v1/namespaces/default/cronjobs/web')).images[0]).toBe('ccr.ccs.tencentyun.com/shop/web:v2')
})

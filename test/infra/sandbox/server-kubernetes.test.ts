import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import { baseClusters, createBaseWorld } from '#infra/sandbox/seeds/base.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxKubeToken } from '#infra/sandbox/test-credentials.ts'
import { codeOf, must, rawCall } from './sandbox-call.ts'

const startMs = Date.parse('2026-03-01T02:00:00Z')
const { production } = baseClusters

let sandbox: Sandbox

beforeAll(async () => {
  sandbox = await startSandbox({ world: createBaseWorld(startMs, 1), clock: createSandboxClock({ startMs, frozen: true }) })
})

afterAll(() => sandbox.close())

function direct(path: string, headers: Record<string, string> = { authorization: `Bearer ${sandboxKubeToken}` }) {
  return rawCall(sandbox, { method: 'GET', path: `/_kubernetes/${path}`, headers })
}

test('a cluster is entered directly with the token, in a header or in the path, and in no other way', async () => {
  const path = '/api/v1/namespaces/default'
  const inHeader = await direct(`${production}${path}`)
  expect([inHeader.status, inHeader.headers['content-type']]).toEqual([200, 'application/json'])
  const inPath = await direct(`${production}:${sandboxKubeToken}${path}`, {})
  expect(inPath.text).toBe(inHeader.text)
  for (const refused of [
    await direct(`${production}${path}`, {}),
    await direct(`${production}:wrong${path}`),
    await direct(`${production}${path}`, { authorization: 'Bearer wrong' }),
  ]) {
    expect(refused.status).toBe(401)
    expect(JSON.parse(refused.text)).toMatchObject({ kind: 'Status', reason: 'Unauthorized', code: 401 })
  }
  expect((await direct('cls-none/api')).status).toBe(404)
  expect((await direct('')).status).toBe(404)
})

test('the same object comes through ForwardRequest and directly, and a change in one shows in the other', async () => {
  const list = await must(sandbox, 'ForwardRequest', { Method: 'GET', Path: '/apis/apps/v1/deployments', ClusterName: production })
  const deployments = JSON.parse(list.ResponseBody) as {
    items: { metadata: { namespace: string; name: string }; spec: { replicas: number } }[]
  }
  const { metadata, spec } = deployments.items[0]!
  const path = `/apis/apps/v1/namespaces/${metadata.namespace}/deployments/${metadata.name}`
  await must(sandbox, 'ForwardRequest', {
    Method: 'PATCH',
    Path: path,
    ClusterName: production,
    ContentType: 'application/merge-patch+json',
    RequestBody: JSON.stringify({ spec: { replicas: spec.replicas + 1 } }),
  })
  expect(sandbox.journal.at(-1)).toMatchObject({ action: 'ForwardRequest', effect: 'write', applied: true })
  const read = await direct(`${production}${path}`)
  expect((JSON.parse(read.text) as (typeof deployments.items)[0])?.spec.replicas).toBe(spec.replicas + 1)
  expect(sandbox.journal.at(-1)).toMatchObject({ service: 'kubernetes', action: `GET ${path}`, effect: 'read', applied: false })
})

test('a refusal of a cluster is a successful call through ForwardRequest, and a status directly', async () => {
  const path = '/api/v1/namespaces/default/pods/none'
  const { ResponseBody } = await must(sandbox, 'ForwardRequest', { Method: 'GET', Path: path, ClusterName: production })
  const answer = await direct(`${production}${path}`)
  expect(answer.status).toBe(404)
  expect(JSON.parse(ResponseBody)).toEqual(JSON.parse(answer.text))
  expect(sandbox.journal.at(-1)).toMatchObject({ service: 'kubernetes', code: '404' })
  expect(await codeOf(sandbox, 'ForwardRequest', { Method: 'GET', Path: path, ClusterName: 'cls-none0000' })).toBe('ResourceNotFound')
})

test('faults reach direct calls as well: RBAC, a dead connection, a gateway', async () => {
  const { faults } = sandbox
  faults.add({ fault: { kind: 'rbac-403' }, match: { clusterId: production, pathIncludes: '/secrets' }, count: 1 })
  expect((await direct(`${production}/api/v1/pods`)).status).toBe(200)
  expect((await direct(`${production}/api/v1/secrets`)).status).toBe(403)
  faults.add({ fault: { kind: 'drop-before' }, match: { service: 'kubernetes' }, count: 1 })
  expect((await direct(`${production}/api/v1/pods`)).closed).toBe(true)
  faults.add({ fault: { kind: '5xx', status: 504, when: 'after' }, match: { service: 'kubernetes' }, count: 1 })
  expect((await direct(`${production}/api/v1/pods`)).status).toBe(504)
  faults.clear()
})

test('time passes in clusters when somebody looks: what runs is there before the first call, and stays plain', async () => {
  sandbox.clock.move(3600_000)
  const { ResponseBody } = await must(sandbox, 'ForwardRequest', { Method: 'GET', Path: '/api/v1/pods', ClusterName: production })
  const pods = JSON.parse(ResponseBody) as { items: { status: { phase: string } }[] }
  expect(pods.items.length).toBeGreaterThan(0)
  expect(pods.items.map(({ status }) => status.phase)).toContain('Running')
  expect(JSON.parse(JSON.stringify(sandbox.world))).toEqual(sandbox.world)
})

test('at the same instant with nothing changed, looking again changes nothing', () => {
  sandbox.advance()
  const before = JSON.stringify(sandbox.world)
  sandbox.advance()
  expect(JSON.stringify(sandbox.world)).toBe(before)
})

test('pods run the content that the registry has, and cannot pull what it has not', async () => {
  const image = `ccr.ccs.tencentyun.com/shop/fresh:v1`
  const { content } = sandbox.push({ repo: 'shop/fresh', tag: 'v1', content: 'fresh' })
  for (const [name, pulled] of [
    ['fresh', image],
    ['stale', 'ccr.ccs.tencentyun.com/shop/fresh:gone'],
  ] as const) {
    const labels = { app: name }
    await must(sandbox, 'ForwardRequest', {
      Method: 'POST',
      Path: '/apis/apps/v1/namespaces/default/deployments',
      ClusterName: production,
      RequestBody: JSON.stringify({
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name },
        spec: {
          replicas: 1,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: { containers: [{ name: 'app', image: pulled }] } },
        },
      }),
    })
  }
  sandbox.clock.move(120_000)
  const podOf = async (name: string) => {
    const answer = await direct(`${production}/api/v1/namespaces/default/pods?labelSelector=app%3D${name}`)
    const pods = JSON.parse(answer.text) as {
      items: { status: { containerStatuses?: { imageID: string; state: { waiting?: { reason: string } } }[] } }[]
    }
    return pods.items[0]?.status.containerStatuses?.[0]
  }
  expect((await podOf('fresh'))?.imageID).toContain(content.digest)
  expect((await podOf('stale'))?.state.waiting?.reason).toMatch(/^(ErrImagePull|ImagePullBackOff)$/)
})

test('the base world is the default, at the clock of the sandbox', async () => {
  const other = await startSandbox({ clock: createSandboxClock({ startMs, frozen: true }), seed: 1 })
  expect(JSON.stringify(other.world)).toBe(JSON.stringify(createBaseWorld(startMs, 1)))
  await other.close()
})

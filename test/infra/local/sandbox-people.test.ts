import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Deed } from '#infra/local/day-of-life.ts'
import { keepLiving } from '#infra/local/keep-living.ts'
import { createSandboxPeople, nextVersion, type SandboxPeople, TurnedAway } from '#infra/local/sandbox-people.ts'
import { createVirtualTime } from '#infra/local/virtual-time.ts'
import { startWebhookServer, type WebhookRoute, type WebhookServer } from '#infra/local/webhook-server.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import { getObject, listObjects } from '#infra/sandbox/kubernetes/objects.ts'
import { baseClusters } from '#infra/sandbox/seeds/base.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { imageExists } from '#infra/sandbox/tcr/images.ts'
import { sandboxHookSecrets } from '#infra/sandbox/test-credentials.ts'

const start = Date.UTC(2026, 10, 24, 8)
const { production, staging } = baseClusters

let sandbox: Sandbox
let hooks: WebhookServer
let people: SandboxPeople
let errors: unknown[]
/** What the webhooks were sent. */
let sent: { readonly path: string; readonly authorization: string | undefined; readonly body: string }[]

beforeEach(async () => {
  sent = []
  errors = []
  sandbox = await startSandbox({ clock: createSandboxClock({ startMs: start, frozen: true }) })
  const answer: WebhookRoute['answer'] = async ({ rawPath, headers, body = '' }) => {
    sent.push({ path: rawPath, authorization: headers.authorization, body: Buffer.from(body, 'base64').toString() })
    return { statusCode: 202 }
  }
  const paths = ['redeploy-hook/registry', 'alarm-scaler/alerts', 'redeploy-hook/approve/{token}', 'alarm-scaler/approve/{token}']
  const routes = paths.map((path): WebhookRoute => ({ method: 'POST', path: `/hooks/${path}`, answer }))
  hooks = await startWebhookServer({
    routes,
    port: 0,
    health: () => ({ ok: true }),
    now: sandbox.clock.now,
    onError: (_, error) => errors.push(error),
  })
  people = createSandboxPeople({ sandbox, hooksUrl: hooks.url, clusterName: (id) => (id === production ? 'production' : id) })
})

afterEach(async () => {
  expect(errors).toEqual([])
  await hooks.close()
  await sandbox.close()
})

const state = (clusterId: string) => {
  const found = sandbox.world.kubernetes[clusterId]
  if (found === undefined) throw new Error(`no cluster ${clusterId}`)
  return found
}
const rush = { cluster: production, namespace: 'shop', name: 'flash-sale', pods: 3, cpu: '1' }

describe('those who live on the sandbox', () => {
  it('push the next version, and the registry tells of its content', async () => {
    const line = await people.do({ kind: 'release', repository: 'shop/storefront', works: true })
    expect(line).toBe('somebody pushed shop/storefront:v2.4.8 and the registry told of it')
    const tag = sandbox.world.tcr.repositories['shop/storefront']?.tags['v2.4.8']
    expect(tag?.pushedAt).toBe(start)
    const [event] = sent
    expect(event).toMatchObject({
      path: '/hooks/redeploy-hook/registry',
      authorization: `Bearer ${sandboxHookSecrets.SANDBOX_REGISTRY_TOKEN}`,
    })
    expect(JSON.parse(event?.body ?? '')).toMatchObject({
      events: [{ action: 'push', target: { repository: 'shop/storefront', tag: 'v2.4.8', digest: tag?.content.digest } }],
    })
  })

  it('push what no node can pull', async () => {
    await people.do({ kind: 'release', repository: 'shop/storefront', works: false })
    await people.do({ kind: 'release', repository: 'shop/storefront', works: true })
    const exists = (tag: string) => imageExists(sandbox.world, `ccr.ccs.tencentyun.com/shop/storefront:${tag}`)
    expect([exists('v2.4.8'), exists('v2.4.9'), exists('v2.5.0')]).toEqual([false, true, false])
  })

  it('open the newest link that they were sent, of the function they mean, and once', async () => {
    const approve: Deed = { kind: 'approve', of: 'redeploy-hook' }
    expect(await people.do(approve)).toMatch(/no message had a link of redeploy-hook/)
    people.read({ body: JSON.stringify({ text: 'agree: [here](http://127.0.0.1:8780/hooks/redeploy-hook/approve/one) or not' }) })
    people.read({ body: '{"text":"http://127.0.0.1:8780/hooks/redeploy-hook/approve/two\\nhttp://h/hooks/alarm-scaler/approve/three"}' })
    await people.do(approve)
    await people.do(approve)
    people.read({ body: 'http://127.0.0.1:8780/hooks/redeploy-hook/approve/two' })
    expect(await people.do(approve)).toMatch(/no message had a link/)
    await people.do({ kind: 'approve', of: 'alarm-scaler' })
    expect(sent.map(({ path, body }) => `${path} ${body}`)).toEqual([
      '/hooks/redeploy-hook/approve/two by=on+call',
      '/hooks/redeploy-hook/approve/one by=on+call',
      '/hooks/alarm-scaler/approve/three by=on+call',
    ])
  })

  it('start and end a load, and scale by hand', async () => {
    await people.do({ kind: 'rush', rush })
    expect(getObject(state(production), 'apps', 'deployments', 'flash-sale', 'shop')).toMatchObject({ spec: { replicas: 3 } })
    await people.do({ kind: 'rush-over', rush })
    expect(getObject(state(production), 'apps', 'deployments', 'flash-sale', 'shop')).toBeUndefined()
    await people.do({ kind: 'scale', cluster: production, namespace: 'shop', name: 'catalog', replicas: 4 })
    expect(getObject(state(production), 'apps', 'deployments', 'catalog', 'shop')).toMatchObject({ spec: { replicas: 4 } })
  })

  it('raise an alarm and say of the same one that it is over', async () => {
    const alarm = { name: 'Busy', cluster: production, namespace: 'shop', value: 93.5, threshold: 80, summary: 'it is busy' }
    await people.do({ kind: 'alarm', alarm, state: 'firing' })
    sandbox.clock.move(600_000)
    await people.do({ kind: 'alarm', alarm, state: 'resolved' })
    const [fired, over] = sent.map(({ body }) => JSON.parse(body).alerts[0])
    expect(fired).toMatchObject({ status: 'firing', startsAt: new Date(start - 30_000).toISOString(), annotations: { value: '93.5' } })
    expect(over).toMatchObject({ status: 'resolved', startsAt: fired.startsAt, endsAt: new Date(start + 600_000).toISOString() })
    expect(over.fingerprint).toBe(fired.fingerprint)
  })

  it('lock others out of a cluster and let them in again', async () => {
    await people.do({ kind: 'lock-out', cluster: staging })
    expect(sandbox.faults.rules).toMatchObject([{ rule: { fault: { kind: 'rbac-403' }, match: { clusterId: staging } } }])
    await people.do({ kind: 'let-in', cluster: staging })
    expect(sandbox.faults.rules).toEqual([])
    expect(await people.do({ kind: 'let-in', cluster: staging })).toMatch(/gave the rights/)
  })

  it('give the schedules of the first minutes the hours of an office, and no others', async () => {
    await people.do({ kind: 'office-hours', cluster: production })
    const schedules = Object.fromEntries(
      listObjects(state(production), 'autoscaling.cloud.tencent.com', 'horizontalpodcronscalers').map((object) => {
        const { metadata, spec } = object as unknown as { metadata: { name: string }; spec: { crons: { schedule: string }[] } }
        return [metadata.name, spec.crons.map(({ schedule }) => schedule)]
      }),
    )
    expect(schedules).toMatchObject({ 'gateway-peak': ['0 30 8 * * *', '0 0 20 * * *'], 'risk-morning': ['2 8 * * 1-5'] })
  })

  it('say what a door did not want', async () => {
    const missing: Deed = { kind: 'scale', cluster: production, namespace: 'shop', name: 'nothing', replicas: 1 }
    await expect(people.do(missing)).rejects.toThrow(TurnedAway)
    await expect(people.do(missing)).rejects.toThrow(/^PATCH \/_kubernetes\/cls-9f3kq2vd\/.*nothing was answered 404: /)
  })
})

describe('their life', () => {
  it('goes by its time, tells each deed, goes on after one that came to nothing, and makes up for no days', async () => {
    const time = createVirtualTime({ startMs: start, speed: Number.POSITIVE_INFINITY })
    const told: string[] = []
    const scale = (replicas: number): Deed => ({ kind: 'scale', cluster: 'c', namespace: 'n', name: 'w', replicas })
    const scenes = [
      { atMs: start - 7_200_000, deed: scale(0) },
      { atMs: start + 60_000, deed: scale(1) },
      { atMs: start + 120_000, deed: scale(2) },
      { atMs: start + 180_000, deed: scale(3) },
    ]
    await keepLiving(scenes, {
      time,
      people: {
        do: async (deed) => {
          if (deed.kind !== 'scale') throw new TypeError('not that')
          if (deed.replicas === 2) throw new TurnedAway('the door is shut')
          return `${deed.replicas} at ${Math.floor((time.now() - start) / 60_000)} min`
        },
      },
      signal: new AbortController().signal,
      tell: (line) => told.push(line),
    })
    expect(told).toEqual(['1 at 1 min', 'what was to happen came to nothing: the door is shut', '3 at 3 min'])
  })

  it('ends when it is stopped, in the middle of a wait', async () => {
    const stop = new AbortController()
    const time = createVirtualTime({ startMs: start, speed: 1 })
    const life = keepLiving([{ atMs: start + 3_600_000, deed: { kind: 'approve', of: 'redeploy-hook' } }], {
      time,
      people: { do: () => Promise.reject(new Error('it is not time')) },
      signal: stop.signal,
      tell: () => undefined,
    })
    stop.abort()
    await life
    time.close()
  })
})

describe('the next version', () => {
  it.each([
    [[], 'v1.0.0'],
    [['latest', 'main-abc'], 'v1.0.0'],
    [['v1.0.9'], 'v1.1.0'],
    [['v2.4.7', 'v2.10.3', 'v2.9.9'], 'v2.10.4'],
    [['v9.0.0', 'v10.0.0'], 'v10.0.1'],
  ])('after %j is %s', (tags, next) => {
    expect(nextVersion(tags)).toBe(next)
  })
})

import { createHmac } from 'node:crypto'
import { Agent, request } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#cloud/clock.ts'
import { deployTokens } from '#functions/redeploy-hook/approval-token.ts'
import { handler } from '#functions/redeploy-hook/handler.ts'
import { createHookRunner, type HookRunner } from '#infra/local/hook-runner.ts'
import { localHooks } from '#infra/local/local-hooks.ts'
import { startWebhookServer, type WebhookServer } from '#infra/local/webhook-server.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import { memoryKernel } from '../../shared/runtime/memory-kernel.ts'
import { configWith, type Sent, secrets, senders } from './hook-stage.ts'
import { clusterA, image, openLocalStage, type Stage, webRule } from './stage.ts'

const key = Buffer.from(secrets.CI_KEY.slice('whsec_'.length), 'base64')

let stage: Stage
let server: WebhookServer | undefined
let runner: HookRunner
let agent: Agent
beforeEach(() => {
  stage = openLocalStage()
  agent = new Agent({ keepAlive: true })
  stage.push('team/web', '1.0.0', 10)
  stage.put(deployment({ namespace: 'prod', name: 'web', image: image('team/web', '1.0.0'), replicas: 2 }))
  stage.settle(30_000)
})
afterEach(async () => {
  agent.destroy()
  await server?.close()
  server = undefined
  await stage.close()
})

/** The whole of the function as it runs here: webhooks on a socket, the store, the queue, the platform. */
async function serve(rule: Parameters<typeof webRule>[0] = {}): Promise<void> {
  const { cloud, disk } = stage
  const now = (): number => stage.now()
  const config = configWith(
    { ...senders, rules: [webRule(rule)] },
    { mode: 'enforce', clusters: [{ id: clusterA, region: emptyCluster.region }] },
  )
  const kernel = await memoryKernel({ config, cloud, now, disk })
  const redactor = createRedactor()
  const { webhook, queue } = handler.handlers
  const hooks = await localHooks(webhook.definition, queue).open({
    config,
    cloud,
    kernel,
    env: secrets,
    redactor,
    resolve: createResolver({ env: secrets }),
    clock: { ...systemClock, now },
    log: silentLog,
  })
  runner = createHookRunner({
    functions: [{ name: 'redeploy-hook', hooks }],
    owner: 'test',
    now,
    sleep: async () => undefined,
    signal: new AbortController().signal,
    log: silentLog,
    redact: (text) => redactor.text(text),
    print: () => undefined,
  })
  server = await startWebhookServer({
    routes: runner.routes,
    port: 0,
    now,
    health: () => ({ ok: true }),
    onError: (_, error) => expect.fail(String(error)),
  })
}

function send({ method, path, headers, body }: Sent): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(`${server?.url}${path}`, { method, agent, headers: { ...headers, 'content-length': body.length } }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

function signed(
  tag: string,
  { by = key, id = `msg-${tag.replaceAll('.', '-')}`, pushedAt = new Date(stage.now()).toISOString() } = {},
): Sent {
  const body = Buffer.from(JSON.stringify({ repository: 'team/web', tag, pushedAt }))
  const timestamp = String(Math.floor(stage.now() / 1000))
  const signature = createHmac('sha256', by).update(`${id}.${timestamp}.`).update(body).digest('base64')
  const headers = { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` }
  return { method: 'POST', path: '/hooks/redeploy-hook/ci', headers, body }
}

/** Every tag that was ever written into the workload, in this order. */
const written = (): string[] =>
  stage.journal
    .filter(({ action, request: asked, applied }) => action === 'ForwardRequest' && applied && asked?.Method === 'PATCH')
    .flatMap(({ request: asked }) => JSON.parse(String(asked?.RequestBody)) as { op: string; path: string; value?: string }[])
    .filter(({ op, path }) => op !== 'test' && path.endsWith('/image'))
    .map(({ value = '' }) => value.slice(value.lastIndexOf(':') + 1))

describe('a webhook', () => {
  it('of a push brings the image into the workload, and its replay changes nothing', async () => {
    await serve()
    stage.push('team/web', '1.0.1', 0)
    const told = signed('1.0.1')
    expect(await send(told)).toBe(202)
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
    expect(await runner.workOff()).toEqual({ tries: 1, failed: 0 })
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.1'))
    stage.settle(60_000)
    const patches = stage.patches().length
    expect(await send(told)).toBe(202)
    expect(await runner.workOff()).toEqual({ tries: 0, failed: 0 })
    expect(stage.patches()).toHaveLength(patches)
  })

  it('whose signature fits, but not what the registry has, deploys what the registry has', async () => {
    await serve()
    stage.push('team/web', '1.0.1', 0)
    stage.push('team/web', '0.9.9', 20)
    for (const tag of ['9.9.9', '0.9.9', '1.0.0']) expect(await send(signed(tag, { pushedAt: '2030-01-01T00:00:00Z' }))).toBe(202)
    await runner.workOff()
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.1'))
    expect(written()).toEqual(['1.0.1'])
  })

  it('that comes while the registry is down is worked on when it is back', async () => {
    await serve()
    stage.push('team/web', '1.0.1', 0)
    const down = stage.faults.add({ fault: { kind: 'internal-error', when: 'before' }, match: { service: 'tcr' } })
    expect(await send(signed('1.0.1'))).toBe(202)
    expect(await runner.workOff()).toEqual({ tries: 1, failed: 1 })
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
    stage.faults.remove(down)
    stage.settle(11_000)
    expect(await runner.workOff()).toEqual({ tries: 1, failed: 0 })
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.1'))
  })
})

describe('the button of an approval', () => {
  const contentOf = (tag: string): string => stage.repository('team/web').tags[tag]?.content.digest ?? ''
  const uid = (): string => /"uid":"([^"]+)"/.exec(JSON.stringify(stage.object('web')))?.[1] ?? ''
  const press = async (contentId: string): Promise<number> => {
    const token = deployTokens.sign(
      {
        uid: uid(),
        cluster: clusterA,
        namespace: 'prod',
        kind: 'Deployment',
        name: 'web',
        container: 'web',
        repository: 'team/web',
        tag: '1.2.0',
        contentId,
        expiresAt: stage.now() + 3_600_000,
        nonce: 'n',
      },
      secrets.APPROVAL_SECRET,
    )
    return await send({ method: 'POST', path: `${deployTokens.path}/${token}`, headers: {}, body: Buffer.from('by=on+call') })
  }

  it('deploys what was approved', async () => {
    await serve({ approval: true })
    stage.push('team/web', '1.2.0', 0)
    await send(signed('1.2.0'))
    await runner.workOff()
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
    expect(await press(contentOf('1.2.0'))).toBe(202)
    expect(await runner.workOff()).toEqual({ tries: 1, failed: 0 })
    expect(stage.imageOf('web')).toBe(image('team/web', '1.2.0'))
  })

  it('for a tag does not ship other bits that were pushed under it since', async () => {
    await serve({ approval: true })
    stage.push('team/web', '1.2.0', 0)
    const looked = contentOf('1.2.0')
    stage.settle(1000)
    stage.push('team/web', '1.2.0', 0, { content: 'other bits' })
    expect(contentOf('1.2.0')).not.toBe(looked)
    expect(await press(looked)).toBe(202)
    await runner.workOff()
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
    expect(written()).toEqual([])
  })
})

it('forged, replayed and reordered webhooks deploy nothing that the registry does not have as the newest', async () => {
  await serve()
  const random = createRandom(7)
  const genuine = Array.from({ length: 12 }, (_, index) => `1.0.${index + 1}`)
  const sent: Sent[] = []
  const forge = (): Sent => {
    const tag = genuine[Math.floor(random() * genuine.length)] ?? ''
    const message = signed(tag, { by: random() < 0.5 ? Buffer.alloc(32, 9) : key })
    const body = Buffer.from(message.body)
    const at = Math.floor(random() * body.length)
    body[at] = (body[at] ?? 0) ^ (1 << Math.floor(random() * 7))
    return { ...message, body }
  }
  for (const tag of genuine) {
    stage.push('team/web', tag, 0)
    sent.push(signed(tag))
    for (let index = 0; index < 25; index += 1) expect(await send(forge())).toBe(401)
    // Of what was told so far some is told again, and what is new may wait for the next round.
    for (let index = 0; index < 3; index += 1) {
      const any = sent[Math.floor(random() * sent.length)]
      if (any !== undefined) expect(await send(any)).toBe(202)
    }
    expect((await runner.workOff()).failed).toBe(0)
    stage.settle(20_000)
  }
  for (const one of sent.toReversed()) expect(await send(one)).toBe(202)
  expect((await runner.workOff()).failed).toBe(0)
  expect(stage.imageOf('web')).toBe(image('team/web', '1.0.12'))
  // Each at most once, none after a newer one, and nothing else.
  const order = written()
  expect(order.length).toBeGreaterThan(3)
  expect(order).toEqual(genuine.filter((tag) => order.includes(tag)))
})

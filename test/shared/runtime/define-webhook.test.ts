import { createHmac } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#cloud/clock.ts'
import { startWebhookServer, type WebhookServer } from '#infra/local/webhook-server.ts'
import { defineWebhook, type WebhookHandler } from '#shared/runtime/define-webhook.ts'
import type { EventSurroundings } from '#shared/runtime/event-surroundings.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import { answerWithinMs, maxBodyBytes } from '#shared/runtime/webhook-desk.ts'
import { createInbox } from '#shared/safety/inbox.ts'
import type { InboxNudge, Nudge } from '#shared/safety/nudge.ts'
import { type Store, StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'
import { type HookSettings, hookDefinition } from './hook-definition.ts'

const start = Date.UTC(2026, 10, 24, 8, 0, 0)
const secret = 'header/secret+with "signs"'
const signingKey = Buffer.from('a signing key of 32 bytes.......')
const name = 'redeploy-hook'
const base = '/hooks/redeploy-hook'

let folder: string
let server: WebhookServer | undefined
let stores: Store[]
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-webhook-'))
  stores = []
})
afterEach(async () => {
  await server?.close()
  server = undefined
  for (const store of stores) await store.close()
  await rm(folder, { recursive: true })
})

interface Stage {
  readonly handler: WebhookHandler<HookSettings>
  readonly lines: string[]
  readonly seen: { parsed: number }
  readonly nudges: InboxNudge[]
  readonly env: Record<string, string>
  now: number
}

/** A handler on a store, with its configuration beside it as in a bundle. */
async function stageWith(openStore: EventSurroundings['openStore'], surroundings: Partial<EventSurroundings> = {}): Promise<Stage> {
  const compiledConfig = join(folder, 'longshore.json')
  const hooks = { header: ['env:HOOK_TOKEN'], signed: ['env:HOOK_KEY', 'env:HOOK_OLD_KEY'], path: ['env:HOOK_PATH'] }
  await writeFile(compiledConfig, JSON.stringify({ platform: { region: 'ap-guangzhou' }, functions: { [name]: hooks } }))
  const lines: string[] = []
  const seen = { parsed: 0 }
  const nudges: InboxNudge[] = []
  const env: Record<string, string> = {
    HOOK_TOKEN: secret,
    HOOK_KEY: `whsec_${signingKey.toString('base64')}`,
    HOOK_OLD_KEY: `whsec_${Buffer.alloc(32, 1).toString('base64')}`,
    HOOK_PATH: 'path-secret',
  }
  const stage: Stage = {
    handler: defineWebhook(hookDefinition(seen), {
      compiledConfig,
      environment: () => env,
      clock: { ...systemClock, now: () => stage.now },
      writeLine: (line) => lines.push(line),
      openStore,
      createNudge: () => ({ send: async (nudge) => void nudges.push(nudge) }),
      ...surroundings,
    }),
    lines,
    seen,
    nudges,
    env,
    now: start,
  }
  return stage
}

/** The handler behind a real socket. */
async function serve({ handler }: Stage): Promise<string> {
  const paths = ['header', 'signed', 'path/path-secret', 'path/wrong', 'path', 'path/path-secret/more', 'nothing', 'constructor']
  server = await startWebhookServer({
    routes: paths.map((path) => ({ method: '*', path: `${base}/${path}`, answer: async (event) => await handler(event) })),
    port: 0,
    now: () => start,
    health: () => ({ ok: true }),
    onError: () => undefined,
  })
  return `${server.url}${base}`
}

const post = (url: string, content: unknown, headers: Record<string, string> = { 'x-token': secret }): Promise<Response> =>
  fetch(url, { method: 'POST', body: typeof content === 'string' ? content : JSON.stringify(content), headers })

const memory = (disk: MemoryDisk) => async () => openMemoryStore(disk)

/** What lies in the inbox and is due, with payloads. */
async function waiting(store: Store, now = start): Promise<unknown[]> {
  const { claims } = await createInbox(store, { function: name, graceMs: 0 }).take({ owner: 'test', now, deadline: now + 1, limit: 100 })
  return claims.map(({ entry }) => entry.payload)
}

/** An event as API Gateway makes it, without a server in between. */
const httpEvent = (more: object = {}): object => ({
  version: '2.0',
  rawPath: `${base}/header`,
  rawQueryString: '',
  headers: { 'x-token': secret },
  requestContext: { http: { method: 'POST' }, stage: '$default' },
  body: JSON.stringify({ events: [{ id: 'a' }] }),
  isBase64Encoded: false,
  ...more,
})

const contentOf = ({ body }: APIGatewayProxyStructuredResultV2): unknown => JSON.parse(body ?? '')

describe('13: a webhook', () => {
  it('answers 202 within a second, once its events are in a store that outlives the process', async () => {
    const path = join(folder, 'store.db')
    const open = async (): Promise<Store> => {
      const store = await openSqliteStore({ path })
      stores.push(store)
      return store
    }
    const url = await serve(await stageWith(open))
    const before = performance.now()
    const answer = await post(`${url}/header`, { events: [{ id: 'push-1', payload: { tag: 'v1', size: 12 } }, { id: 'push-2' }] })
    expect(performance.now() - before).toBeLessThan(1000)
    expect(answer.status).toBe(202)
    expect(answer.headers.get('content-type')).toBe('application/json')
    const { entries } = (await answer.json()) as { entries: { id: string; receivedAt: string }[] }
    expect(entries).toHaveLength(2)
    expect(entries[0]).toEqual({ id: expect.stringMatching(/^[0-9a-f]{40}$/), receivedAt: '2026-11-24T08:00:00.000Z' })
    expect(await waiting(await open())).toEqual([{ tag: 'v1', size: 12 }, { id: 'push-2' }])
  })

  it('gives a replay the first answer, byte for byte', async () => {
    const stage = await stageWith(memory(new MemoryDisk()))
    const url = await serve(stage)
    const first = await (await post(`${url}/header`, { events: [{ id: 'a' }, { id: 'b' }] })).text()
    stage.now += 4 * 60_000
    const again = await post(`${url}/header`, { events: [{ id: 'a' }, { id: 'b' }] })
    expect([again.status, await again.text()]).toEqual([202, first])
    expect(stage.lines.filter((line) => line.includes('"outcome":"duplicate"'))).toHaveLength(2)
    expect(stage.lines.join()).not.toContain('webhook.same-id-other-content')
  })

  it('says in the log when a replay says something else', async () => {
    const stage = await stageWith(memory(new MemoryDisk()))
    const url = await serve(stage)
    const first = await (await post(`${url}/header`, { events: [{ id: 'a', payload: 1 }] })).text()
    expect(await (await post(`${url}/header`, { events: [{ id: 'a', payload: 2 }] })).text()).toBe(first)
    expect(stage.lines.join()).toContain('webhook.same-id-other-content')
  })

  it('denies with one and the same 401 before anything is parsed or stored', async () => {
    const disk = new MemoryDisk()
    const stage = await stageWith(memory(disk))
    const url = await serve(stage)
    const bodies = new Set<string>()
    for (const [path, headers] of [
      ['header', {}],
      ['header', { 'x-token': '' }],
      ['header', { 'x-token': 'wrong' }],
      ['header', { 'x-token': `x${secret}` }],
      ['signed', { 'webhook-id': 'a', 'webhook-timestamp': String(start / 1000), 'webhook-signature': 'v1,wrong' }],
      ['signed', {}],
      ['path/wrong', {}],
    ] as const) {
      const answer = await post(`${url}/${path}`, '{"not even": json', headers)
      bodies.add(`${answer.status} ${await answer.text()}`)
    }
    expect([...bodies]).toEqual(['401 {"error":"denied"}\n'])
    expect(stage.seen.parsed).toBe(0)
    expect(disk.contents()).toBe('')
    expect(JSON.parse(stage.lines[0] ?? '')).toEqual({
      level: 'warn',
      event: 'webhook-denied',
      function: name,
      trigger: 'header',
      code: 'webhook.denied',
    })
  })

  it('has no route for unknown paths, for other methods, and for a source without a secret', async () => {
    const stage = await stageWith(memory(new MemoryDisk()))
    const url = await serve(stage)
    for (const path of ['nothing', 'constructor', 'path', 'path/path-secret/more']) {
      expect((await post(`${url}/${path}`, { events: [] })).status, path).toBe(404)
    }
    expect((await fetch(`${url}/header`, { headers: { 'x-token': secret } })).status).toBe(404)
    expect((await post(`${url}/header`, { events: [] })).status).toBe(202)

    const { handler } = await stageWith(memory(new MemoryDisk()))
    // Read at the first request only.
    await writeFile(
      join(folder, 'longshore.json'),
      JSON.stringify({ platform: { region: 'ap-guangzhou' }, functions: { [name]: { signed: [] } } }),
    )
    expect((await handler(httpEvent())).statusCode).toBe(404)
    expect((await handler(httpEvent({ rawPath: `${base}/signed` }))).statusCode).toBe(404)
  })

  it('refuses a body of more than 256 KiB, and takes one of exactly that', async () => {
    const stage = await stageWith(memory(new MemoryDisk()))
    const padded = (sizeBytes: number): string => {
      const text = JSON.stringify({ events: [{ id: 'a' }] })
      return text + ' '.repeat(sizeBytes - text.length)
    }
    const url = await serve(stage)
    expect((await post(`${url}/header`, padded(maxBodyBytes))).status).toBe(202)
    expect((await post(`${url}/header`, padded(maxBodyBytes + 1))).status).toBe(413)
    const parsed = stage.seen.parsed
    for (const body of [padded(maxBodyBytes + 1), 'é'.repeat(maxBodyBytes / 2 + 1)]) {
      expect((await stage.handler(httpEvent({ body }))).statusCode).toBe(413)
      expect((await stage.handler(httpEvent({ body: Buffer.from(body).toString('base64'), isBase64Encoded: true }))).statusCode).toBe(413)
    }
    expect(stage.seen.parsed).toBe(parsed)
  })

  it('refuses an event that grows beyond that when it is written down, and what cannot be stored', async () => {
    const url = await serve(await stageWith(memory(new MemoryDisk())))
    const numbers = `[${Array.from({ length: 30_000 }, () => '1e20').join(',')}]`
    expect((await post(`${url}/header`, `{"events":[{"id":"a","payload":${numbers}}]}`)).status).toBe(413)
    expect((await post(`${url}/header`, { events: [{ id: '' }] })).status).toBe(400)
    expect((await post(`${url}/header`, `{"events":[{"id":"a","payload":${'['.repeat(200)}${']'.repeat(200)}}]}`)).status).toBe(400)
  })

  it('says what it takes when the body is something else', async () => {
    const url = await serve(await stageWith(memory(new MemoryDisk())))
    const answer = await post(`${url}/header`, 'no json')
    expect([answer.status, await answer.json()]).toEqual([400, { error: 'unreadable', why: 'the body must be JSON' }])
  })

  it('answers 503 when the store cannot be reached, and keeps the event when it is sent again', async () => {
    for (const failing of ['/entries', '/open']) {
      const disk = new MemoryDisk()
      let isDown = true
      const stage = await stageWith(async () =>
        openMemoryStore(disk, {
          before: ({ partition }) => {
            if (isDown && partition.endsWith(failing)) throw new StoreError('store.unavailable', 'the table cannot be reached')
          },
        }),
      )
      const url = await serve(stage)
      const answer = await post(`${url}/header`, { events: [{ id: 'a' }] })
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '10'])
      expect(await answer.text()).not.toContain('table')
      expect(stage.lines.join()).toContain('store.unavailable')
      isDown = false
      expect((await post(`${url}/header`, { events: [{ id: 'a' }] })).status).toBe(202)
      expect(await waiting(openMemoryStore(disk))).toEqual([{ id: 'a' }])
      await server?.close()
      server = undefined
    }
  })

  it('answers 503 while it cannot start, and starts as soon as it can', async () => {
    let isDown = true
    const stage = await stageWith(async () => {
      if (isDown) throw new StoreError('store.unavailable', 'locked')
      return openMemoryStore(new MemoryDisk())
    })
    expect((await stage.handler(httpEvent())).statusCode).toBe(503)
    isDown = false
    expect((await stage.handler(httpEvent())).statusCode).toBe(202)
  })

  it('lets nobody in while a secret cannot be read', async () => {
    const stage = await stageWith(memory(new MemoryDisk()))
    delete stage.env.HOOK_TOKEN
    expect((await stage.handler(httpEvent())).statusCode).toBe(503)
    expect((await stage.handler(httpEvent({ headers: { 'x-token': '' } }))).statusCode).toBe(503)
    stage.env.HOOK_KEY = 'no key'
    expect((await stage.handler(httpEvent({ rawPath: `${base}/signed` }))).statusCode).toBe(503)
    expect(stage.lines.join()).toContain('webhook.bad-secret')
  })

  it('answers within a second although the store is slow: 503 first, and the same event again is the first one', async () => {
    const disk = new MemoryDisk()
    let isSlow = true
    const held: (() => void)[] = []
    const stage = await stageWith(
      async () =>
        openMemoryStore(disk, {
          before: async ({ operation }) => {
            if (isSlow && operation === 'put') await new Promise<void>((resolve) => held.push(resolve))
          },
        }),
      // A second is 20 ms here.
      { clock: { ...systemClock, now: () => start, sleep: (ms, signal) => systemClock.sleep(ms / 50, signal) } },
    )
    const url = await serve(stage)
    const answer = await post(`${url}/header`, { events: [{ id: 'a' }] })
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '10'])
    expect(stage.lines.join()).toContain('webhook.too-slow')
    expect(stage.nudges).toEqual([])
    isSlow = false
    for (const release of held.splice(0)) release()
    const again = await post(`${url}/header`, { events: [{ id: 'a' }] })
    expect(again.status).toBe(202)
    const first = await again.text()
    expect(await (await post(`${url}/header`, { events: [{ id: 'a' }] })).text()).toBe(first)
    expect(await waiting(openMemoryStore(disk))).toEqual([{ id: 'a' }])
  })

  it('answers within a second although a secret is slow', async () => {
    const stage = await stageWith(memory(new MemoryDisk()), {
      resolver: () => () => new Promise(() => undefined),
      clock: { ...systemClock, now: () => start, sleep: (ms, signal) => systemClock.sleep(ms / 50, signal) },
    })
    expect((await stage.handler(httpEvent())).statusCode).toBe(503)
  })

  it('is durable and says so although nothing of the second is left for the nudge', async () => {
    let elapsedMs = 0
    const stage = await stageWith(
      async () =>
        openMemoryStore(new MemoryDisk(), {
          after: () => {
            elapsedMs = 980
          },
        }),
      {
        createNudge: () => ({ send: () => new Promise(() => undefined) }),
        clock: { ...systemClock, now: () => start, monotonic: () => elapsedMs },
      },
    )
    expect((await stage.handler(httpEvent())).statusCode).toBe(202)
    expect(stage.lines.join()).toContain('webhook.nudge-late')
  })

  it('answers 503 right before the platform would end it', async () => {
    const stage = await stageWith(memory(new MemoryDisk()), { openStore: () => new Promise(() => undefined) })
    const answer = await stage.handler(httpEvent(), { getRemainingTimeInMillis: () => 550 })
    expect(answer.statusCode).toBe(503)
  })

  it('never answers 202 for what a worker does not find, whatever the store does', async () => {
    const faults = fc.array(fc.constantFrom('pass', 'pass', 'refused', 'lost-before', 'lost-after'), { maxLength: 12 })
    let refused = 0
    await fc.assert(
      fc.asyncProperty(faults, fc.array(fc.constantFrom('a', 'b', 'c', 'd'), { minLength: 1, maxLength: 4 }), async (plan, ids) => {
        const disk = new MemoryDisk()
        const left = [...plan]
        const stage = await stageWith(async () =>
          openMemoryStore(disk, {
            before: ({ operation }) => {
              const fate = left[0]
              if (fate === 'refused' || fate === 'lost-before') {
                left.shift()
                throw new StoreError(fate === 'refused' || operation !== 'put' ? 'store.unavailable' : 'store.unknown-outcome', 'lost')
              }
            },
            after: ({ operation }) => {
              if (left.shift() === 'lost-after' && operation === 'put') throw new StoreError('store.unknown-outcome', 'lost')
            },
          }),
        )
        const { statusCode } = await stage.handler(httpEvent({ body: JSON.stringify({ events: ids.map((id) => ({ id })) }) }))
        if (statusCode !== 202) refused += 1
        else expect(await waiting(openMemoryStore(disk))).toHaveLength(new Set(ids).size)
        expect([202, 503]).toContain(statusCode)
      }),
      { seed: 4, numRuns: 150 },
    )
    expect(refused).toBeGreaterThan(10)
  })
})

describe('what reaches a source', () => {
  it('is the exact bytes, whatever encoding they travel in', async () => {
    const stage = await stageWith(memory(new MemoryDisk()))
    const body = Buffer.from('{"events":[{"id":"a","payload":"\u00e9"}]}')
    const timestamp = String(start / 1000)
    const signature = `v1,${createHmac('sha256', signingKey).update(`msg.${timestamp}.`).update(body).digest('base64')}`
    const headers = { 'webhook-id': 'msg', 'webhook-timestamp': timestamp, 'webhook-signature': signature }
    const url = await serve(stage)
    expect((await fetch(`${url}/signed`, { method: 'POST', body, headers })).status).toBe(202)
    const rawPath = `${base}/signed`
    expect((await stage.handler(httpEvent({ rawPath, headers, body: body.toString() }))).statusCode).toBe(202)
    expect((await stage.handler(httpEvent({ rawPath, headers, body: body.toString('base64'), isBase64Encoded: true }))).statusCode).toBe(
      202,
    )
    stage.now += 301_000
    expect((await stage.handler(httpEvent({ rawPath, headers, body: body.toString() }))).statusCode).toBe(401)
  })

  it('has its headers in any case, and its path without the stage', async () => {
    const { handler } = await stageWith(memory(new MemoryDisk()))
    expect((await handler(httpEvent({ headers: { 'X-TOKEN': secret } }))).statusCode).toBe(202)
    const requestContext = { http: { method: 'post' }, stage: 'prod' }
    expect((await handler(httpEvent({ rawPath: `/prod${base}/header`, requestContext }))).statusCode).toBe(202)
    expect((await handler(httpEvent({ rawPath: `${base}/header`, requestContext }))).statusCode).toBe(202)
    expect((await handler(httpEvent({ headers: undefined }))).statusCode).toBe(401)
    // Only a whole part of the path is the stage.
    const short = { http: { method: 'POST' }, stage: 'ho' }
    expect((await handler(httpEvent({ requestContext: short }))).statusCode).toBe(202)
    expect((await handler(httpEvent({ requestContext: { http: { method: 'POST' } } }))).statusCode).toBe(202)
    expect((await handler(httpEvent({ rawPath: '/$default/hooks/redeploy-hook/header' }))).statusCode).toBe(404)
  })

  it('has its query as it was sent, and comes with the time of the event', async () => {
    const seen: unknown[] = []
    const definition = hookDefinition()
    const stage = await stageWith(memory(new MemoryDisk()))
    const handler = defineWebhook(
      {
        ...definition,
        sources: (config) =>
          definition.sources(config).map((source) => ({
            ...source,
            authenticate: (request, { now }) => {
              seen.push([request.query, now, request.params])
              return 'ok'
            },
            parse: (_, { now }) => {
              seen.push(now)
              return { ok: true, events: [] }
            },
          })),
      },
      {
        compiledConfig: join(folder, 'longshore.json'),
        environment: () => stage.env,
        clock: { ...systemClock, now: () => start },
        writeLine: () => undefined,
        openStore: memory(new MemoryDisk()),
        createNudge: () => undefined,
      },
    )
    await handler(httpEvent({ rawQueryString: 'a=%20&b' }))
    await handler(httpEvent({ rawPath: `${base}/path/x%20y`, rawQueryString: undefined }))
    expect(seen).toEqual([['a=%20&b', start, {}], start, ['', start, { token: 'x y' }], start])
    expect(handler.definition.name).toBe(name)
  })

  it('may have its secret in its path', async () => {
    const stage = await stageWith(memory(new MemoryDisk()))
    const url = await serve(stage)
    expect((await post(`${url}/path/path-secret`, { events: [{ id: 'a' }] }, {})).status).toBe(202)
    expect((await stage.handler(httpEvent({ rawPath: `${base}/path/p%61th-secret`, headers: {} }))).statusCode).toBe(202)
    expect((await stage.handler(httpEvent({ rawPath: `${base}/path/%zz`, headers: {} }))).statusCode).toBe(401)
    // As API Gateway hands it over, decoded already; and as others do.
    stage.env.HOOK_PATH = '50%'
    stage.now += 5 * 60_000
    for (const part of ['50%', '50%25']) {
      expect((await stage.handler(httpEvent({ rawPath: `${base}/path/${part}`, headers: {} }))).statusCode, part).toBe(202)
    }
    expect((await stage.handler(httpEvent({ rawPath: `${base}/path/`, headers: {} }))).statusCode).toBe(404)
  })

  it('may come without a body', async () => {
    const { handler } = await stageWith(memory(new MemoryDisk()))
    expect((await handler(httpEvent({ body: undefined }))).statusCode).toBe(400)
  })

  it('rejects what is no HTTP request, for there is nobody to answer', async () => {
    const { handler } = await stageWith(memory(new MemoryDisk()))
    for (const event of [undefined, {}, { version: '1.0' }, httpEvent({ rawPath: 5 })]) {
      await expect(handler(event)).rejects.toMatchObject({ kind: 'event.invalid' })
    }
  })
})

describe('a source with pages', () => {
  const page = (html: string) => ({ html, styles: ['p { color: red }'] })

  async function paged(disk = new MemoryDisk()): Promise<{
    readonly stage: Stage
    readonly ask: (method: string, body?: string, token?: string) => Promise<APIGatewayProxyStructuredResultV2>
  }> {
    const definition = hookDefinition()
    const stage = await stageWith(memory(disk))
    const handler = defineWebhook(
      {
        ...definition,
        sources: (config) =>
          definition.sources(config).map((source) => ({
            ...source,
            parse: (request, context) =>
              request.body.toString() === 'late' ? { ok: false, why: 'it is too late', isGone: true } : source.parse(request, context),
            pages: {
              show: ({ query }) => ({ page: page(`<p>asks ${query}</p>`), isGone: query === 'late' }),
              taken: (_, entries) => page(`<p>took ${entries.map(({ id, receivedAt }) => `${id} ${receivedAt}`).join()}</p>`),
              refused: (why) => page(`<p>no: ${why}</p>`),
            },
          })),
      },
      {
        compiledConfig: join(folder, 'longshore.json'),
        environment: () => stage.env,
        clock: { ...systemClock, now: () => stage.now },
        writeLine: (line) => stage.lines.push(line),
        openStore: memory(disk),
        createNudge: () => undefined,
      },
    )
    return {
      stage,
      ask: async (method, body, token = secret) =>
        await handler(
          httpEvent({
            headers: { 'x-token': token },
            requestContext: { http: { method }, stage: '$default' },
            ...(method === 'GET' ? { rawQueryString: body ?? '', body: undefined } : { body }),
          }),
        ),
    }
  }

  it('shows one for a GET, which makes no event', async () => {
    const disk = new MemoryDisk()
    const { ask } = await paged(disk)
    const shown = await ask('GET', 'x')
    expect([shown.statusCode, shown.body]).toEqual([200, '<p>asks x</p>'])
    expect(shown.headers).toEqual({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy':
        "default-src 'none'; style-src 'sha256-ngewhhP73WDIbgwseeu52VAAJgKdGUsu1IUQQsAm8m4='; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-robots-tag': 'noindex, nofollow',
    })
    expect((await ask('GET', 'late')).statusCode).toBe(410)
    expect((await ask('PUT')).statusCode).toBe(404)
    expect(disk.contents()).toBe('')
  })

  it('denies a GET like everything else', async () => {
    const { ask } = await paged()
    expect(await ask('GET', 'x', 'wrong')).toMatchObject({ statusCode: 401, body: '{"error":"denied"}\n' })
  })

  it('answers a POST with one, the same for the same, and one that came too late with 410', async () => {
    const { stage, ask } = await paged()
    const body = JSON.stringify({ events: [{ id: 'a' }] })
    const first = await ask('POST', body)
    expect(first).toMatchObject({ statusCode: 202, body: expect.stringMatching(/^<p>took [0-9a-f]{40} 2026-11-24T08:00:00\.000Z<\/p>$/) })
    stage.now += 60_000
    expect(await ask('POST', body)).toEqual(first)
    expect(await ask('POST', 'no json')).toMatchObject({ statusCode: 400, body: '<p>no: the body must be JSON</p>' })
    expect(await ask('POST', 'late')).toMatchObject({ statusCode: 410, body: '<p>no: it is too late</p>' })
    expect(stage.lines.join()).toContain('webhook.gone')
  })
})

describe('a source with answers of its own', () => {
  async function answering(disk = new MemoryDisk(), openStore = memory(disk)) {
    const definition = hookDefinition()
    const stage = await stageWith(openStore)
    const handler = defineWebhook(
      {
        ...definition,
        sources: (config) =>
          definition.sources(config).map((source) => ({
            ...source,
            answers: {
              taken: ({ body }, { secrets }) => ({
                statusCode: 200,
                contentType: 'text/plain',
                body: `${secrets.length} took ${body.length}`,
              }),
              check: ({ query }) => (query === 'no' ? undefined : { statusCode: 200, contentType: 'text/plain', body: `checked ${query}` }),
            },
          })),
      },
      {
        compiledConfig: join(folder, 'longshore.json'),
        environment: () => stage.env,
        clock: { ...systemClock, now: () => stage.now },
        writeLine: (line) => stage.lines.push(line),
        openStore,
        createNudge: () => undefined,
      },
    )
    const ask = async (method: string, text: string, token = secret): Promise<APIGatewayProxyStructuredResultV2> =>
      await handler(
        httpEvent({
          headers: { 'x-token': token },
          requestContext: { http: { method }, stage: '$default' },
          ...(method === 'GET' ? { rawQueryString: text, body: undefined } : { body: text }),
        }),
      )
    return { disk, ask }
  }
  const body = JSON.stringify({ events: [{ id: 'a' }] })

  it('answers with them once the events are durable, the same for the same, and never as if it were kept', async () => {
    const { disk, ask } = await answering()
    const first = await ask('POST', body)
    expect(first).toEqual({
      statusCode: 200,
      headers: { 'content-type': 'text/plain', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' },
      body: `1 took ${body.length}`,
    })
    expect(disk.contents()).toContain('"a"')
    expect(await ask('POST', body)).toEqual(first)
    expect((await ask('POST', 'no json')).statusCode).toBe(400)
  })

  it('does not answer with them while the store is away', async () => {
    const away = async (): Promise<Store> =>
      openMemoryStore(new MemoryDisk(), {
        before: () => {
          throw new StoreError('store.unavailable', 'locked')
        },
      })
    const { ask } = await answering(new MemoryDisk(), away)
    expect((await ask('POST', body)).statusCode).toBe(503)
  })

  it('takes a GET that checks the address, which makes no event and is denied like everything else', async () => {
    const { disk, ask } = await answering()
    expect(await ask('GET', 'x')).toMatchObject({ statusCode: 200, body: 'checked x' })
    expect((await ask('GET', 'no')).statusCode).toBe(404)
    expect((await ask('PUT', 'x')).statusCode).toBe(404)
    expect(await ask('GET', 'x', 'wrong')).toMatchObject({ statusCode: 401, body: '{"error":"denied"}\n' })
    expect(disk.contents()).toBe('')
  })
})

describe('secrets', () => {
  it('are read again after five minutes, so that a new one is seen', async () => {
    let reads = 0
    const stage = await stageWith(memory(new MemoryDisk()), {
      resolver: (env) => async (reference) => {
        reads += 1
        return await createResolver({ env })(reference)
      },
    })
    const status = async (token: string): Promise<number | undefined> =>
      (await stage.handler(httpEvent({ headers: { 'x-token': token } }))).statusCode
    expect([await status(secret), await status(secret)]).toEqual([202, 202])
    expect(reads).toBe(1)
    stage.env.HOOK_TOKEN = 'the next one'
    stage.now += 5 * 60_000 - 1
    expect(await status('the next one')).toBe(401)
    stage.now += 1
    expect([await status(secret), await status('the next one')]).toEqual([401, 202])
    expect(reads).toBe(2)
  })

  it('19: reach no log line and no answer', async () => {
    const stage = await stageWith(async () => {
      throw new StoreError('store.unavailable', `the store at ${secret} cannot be reached`)
    })
    await stage.handler(httpEvent())
    const other = await stageWith(
      async () =>
        openMemoryStore(new MemoryDisk(), {
          before: () => {
            throw new StoreError(
              'store.unavailable',
              `no ${secret}, no ${Buffer.from(secret).toString('base64')}, no ${encodeURIComponent(secret)}`,
            )
          },
        }),
      {},
    )
    const answer = await other.handler(httpEvent())
    expect(answer.statusCode).toBe(503)
    const output = [...other.lines, JSON.stringify(answer)].join('\n')
    expect(output).toContain('[redacted]')
    for (const form of [
      secret,
      JSON.stringify(secret).slice(1, -1),
      encodeURIComponent(secret),
      Buffer.from(secret).toString('base64').slice(0, 20),
    ]) {
      expect(output).not.toContain(form)
    }
  })
})

describe('the nudge', () => {
  it('is sent for each event that is new, after it is durable', async () => {
    const disk = new MemoryDisk()
    let atNudge = ''
    const stage = await stageWith(memory(disk), {
      createNudge: () => ({
        send: async () => {
          atNudge ||= disk.contents()
        },
      }),
    })
    await stage.handler(httpEvent())
    expect(atNudge).toContain('"state":"RECEIVED"')
    expect(atNudge).toContain(`inbox/${name}/open`)
  })

  it('does not fail or hold up the answer when it fails, or hangs', async () => {
    const sends: Nudge['send'][] = [
      async () => {
        throw new Error('throttled')
      },
      () => new Promise(() => undefined),
      () => {
        throw new Error('at once')
      },
    ]
    for (const send of sends) {
      const waits: number[] = []
      const stage = await stageWith(memory(new MemoryDisk()), {
        createNudge: () => ({ send }),
        // A second is 100 ms here.
        clock: {
          ...systemClock,
          now: () => start,
          sleep: async (ms, signal) => {
            waits.push(ms)
            await systemClock.sleep(ms / 10, signal)
          },
        },
      })
      expect((await stage.handler(httpEvent())).statusCode).toBe(202)
      expect(stage.lines.join()).toMatch(/webhook\.nudge-(failed|late)/)
      expect(waits.filter((ms) => ms !== answerWithinMs).every((ms) => ms <= 500)).toBe(true)
    }
  })

  it('is sent for what is durable already when another event of the same request is not', async () => {
    const stage = await stageWith(async () =>
      openMemoryStore(new MemoryDisk(), {
        before: ({ operation, index }) => {
          if (operation === 'put' && index === 3) throw new StoreError('store.unavailable', 'gone')
        },
      }),
    )
    const body = JSON.stringify({
      events: [
        { id: 'a', group: 'g' },
        { id: 'b', group: 'g' },
      ],
    })
    expect((await stage.handler(httpEvent({ body }))).statusCode).toBe(503)
    expect(stage.nudges).toHaveLength(1)
    expect((await stage.handler(httpEvent({ body }))).statusCode).toBe(202)
  })

  it('is left out where there is no queue', async () => {
    const stage = await stageWith(memory(new MemoryDisk()), { createNudge: () => undefined })
    expect((await stage.handler(httpEvent())).statusCode).toBe(202)
  })
})

describe('many events in one request', () => {
  it('are answered in their order, and keep the order of each group', async () => {
    const disk = new MemoryDisk()
    const stage = await stageWith(memory(disk))
    const events = Array.from({ length: 60 }, (_, index) => ({ id: `e${index}`, group: `g${index % 3}`, payload: index }))
    const answer = await stage.handler(httpEvent({ body: JSON.stringify({ events }) }))
    const { entries } = contentOf(answer) as { entries: { id: string }[] }
    const inbox = createInbox(openMemoryStore(disk), { function: name })
    for (const [index, { id }] of entries.entries()) expect((await inbox.get(id, { now: start }))?.payload).toBe(index)
    const worked = new Map<string, unknown[]>()
    for (let round = 0; round < 20; round += 1) {
      const { claims } = await inbox.take({ owner: 'test', now: start, deadline: start + 1 })
      for (const claim of claims) {
        worked.set(claim.entry.group, [...(worked.get(claim.entry.group) ?? []), claim.entry.payload])
        await inbox.finish(claim, { now: start, outcome: { kind: 'done' } })
      }
    }
    for (const group of [0, 1, 2]) expect(worked.get(`g${group}`)).toEqual(Array.from({ length: 20 }, (_, index) => index * 3 + group))
  })

  it('may be none', async () => {
    const { handler } = await stageWith(memory(new MemoryDisk()))
    const answer = await handler(httpEvent({ body: '{"events":[]}' }))
    expect([answer.statusCode, contentOf(answer)]).toEqual([202, { entries: [] }])
  })
})

describe('a definition with a mistake', () => {
  it.each([
    ['two sources with one path', [`${base}/x`, `${base}/x`], 'share the path'],
    ['two sources with one path but for the name in it', [`${base}/x/{a}`, `${base}/x/{b}`], 'share the path'],
    ['a path that is none', [`hooks/${name}/x`, `${base}/y`], 'is none'],
    ['a parameter in the middle', [`${base}/{a}/x`, `${base}/y`], 'is none'],
    ['a path of another function', [`${base}/x`, '/hooks/alarm-scaler/y'], `not below ${base}/`],
    ['a path of all functions', ['/hooks/{a}', `${base}/y`], `not below ${base}/`],
  ])('%s is a bug, not an open door', async (_, paths, why) => {
    const stage = await stageWith(memory(new MemoryDisk()))
    const handler = defineWebhook(
      {
        ...hookDefinition(),
        sources: (config) =>
          hookDefinition()
            .sources(config)
            .slice(0, 2)
            .map((source, index) => ({ ...source, path: paths[index] ?? '' })),
      },
      {
        compiledConfig: join(folder, 'longshore.json'),
        environment: () => stage.env,
        writeLine: (line) => stage.lines.push(line),
        openStore: memory(new MemoryDisk()),
      },
    )
    expect((await handler(httpEvent({ rawPath: `${base}/x` }))).statusCode).toBe(500)
    expect(stage.lines.join()).toContain('TypeError')
    expect(stage.lines.join()).toContain(why)
    expect(JSON.parse(stage.lines[0] ?? '')).toMatchObject({
      level: 'error',
      event: 'webhook-failed',
      function: name,
      code: 'webhook.error',
    })
  })
})

import { connect } from 'node:net'
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { afterEach, describe, expect, it } from 'vitest'
import { startWebhookServer, type WebhookRoute, type WebhookServer } from '#infra/local/webhook-server.ts'
import { maxBodyBytes } from '#shared/runtime/webhook-desk.ts'

let server: WebhookServer | undefined
const errors: string[] = []
let health = { ok: true }

afterEach(async () => {
  await server?.close()
  server = undefined
  errors.length = 0
})

async function serve(answer: WebhookRoute['answer']): Promise<string> {
  server = await startWebhookServer({
    routes: [{ method: 'POST', path: '/hooks/registry', answer }],
    port: 0,
    now: () => Date.parse('2026-11-24T08:00:00Z'),
    health: () => health,
    onError: (route, error) => errors.push(`${route}: ${String(error)}`),
  })
  return server.url
}

/** The status that a request line written by hand is answered with. */
async function statusOf(url: string, method: string, target: string): Promise<number> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let answer = ''
  socket.on('data', (piece) => {
    answer += piece
  })
  socket.write(`${method} ${target} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`)
  await new Promise((resolve) => socket.on('close', resolve))
  return Number(answer.split(' ')[1])
}

describe('the webhook server', () => {
  it('listens on loopback', async () => {
    expect(await serve(async () => ({ statusCode: 202 }))).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  })

  it('hands the exact bytes over as API Gateway does', async () => {
    const events: APIGatewayProxyEventV2[] = []
    const url = await serve(async (event) => {
      events.push(event)
      return { statusCode: 202, headers: { 'x-seen': 'yes' }, body: 'taken' }
    })
    const body = Buffer.from([0x7b, 0xff, 0x00, 0x7d])
    const answer = await fetch(`${url}/hooks/registry?source=a`, { method: 'POST', body, headers: { 'X-Signature': 'abc' } })
    expect([answer.status, answer.headers.get('x-seen'), await answer.text()]).toEqual([202, 'yes', 'taken'])
    expect(events[0]).toMatchObject({
      version: '2.0',
      rawPath: '/hooks/registry',
      queryStringParameters: { source: 'a' },
      headers: { 'x-signature': 'abc' },
      isBase64Encoded: true,
      requestContext: { http: { method: 'POST' }, timeEpoch: Date.parse('2026-11-24T08:00:00Z') },
    })
    expect(Buffer.from(events[0]?.body ?? '', 'base64')).toEqual(body)
  })

  it('answers 200 or 503 at /healthz, by whether all is well', async () => {
    const url = await serve(async () => ({ statusCode: 202 }))
    const ask = async () => {
      const answer = await fetch(`${url}/healthz`)
      return [answer.status, await answer.json()]
    }
    expect(await ask()).toEqual([200, { ok: true }])
    health = { ok: false }
    expect(await ask()).toEqual([503, { ok: false }])
    health = { ok: true }
  })

  it('says at / what there is', async () => {
    const url = await serve(async () => ({ statusCode: 202 }))
    const answer = await fetch(url)
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringMatching(/GET \/healthz[\s\S]*POST \/hooks\/registry/)])
  })

  it('answers 404 to other paths and other methods', async () => {
    const url = await serve(async () => ({ statusCode: 202 }))
    expect((await fetch(`${url}/hooks/other`, { method: 'POST' })).status).toBe(404)
    expect((await fetch(`${url}/hooks/registry`)).status).toBe(404)
  })

  it('answers 413 to a body over the limit, announced or not, and takes one at the limit', async () => {
    let calls = 0
    const url = await serve(async () => {
      calls += 1
      return { statusCode: 202 }
    })
    const post = (body: string | ReadableStream): Promise<Response> =>
      fetch(`${url}/hooks/registry`, { method: 'POST', body, duplex: 'half' } as RequestInit)
    expect((await post('x'.repeat(maxBodyBytes))).status).toBe(202)
    expect((await post('x'.repeat(maxBodyBytes + 1))).status).toBe(413)
    const streamed = new ReadableStream({
      start: (controller) => {
        controller.enqueue(new Uint8Array(maxBodyBytes))
        controller.enqueue(new Uint8Array(1))
        controller.close()
      },
    })
    expect((await post(streamed)).status).toBe(413)
    expect(calls).toBe(1)
  })

  it('tells an error of a function to the log, not to the sender', async () => {
    const url = await serve(async () => {
      throw new Error('the database password is wrong')
    })
    const answer = await fetch(`${url}/hooks/registry`, { method: 'POST', body: '{}' })
    expect([answer.status, await answer.text()]).toEqual([500, 'internal error\n'])
    expect(errors).toEqual(['POST /hooks/registry: Error: the database password is wrong'])
  })

  it.each([
    '//',
    '/\\',
    '///',
    '//x/hooks/registry',
    '//127.0.0.1',
    '/\\hooks/registry',
    '/%',
    '/hooks/registry/',
    '*',
    'http://',
    '/hooks/../hooks/registry',
  ])('answers 404 to the target %s, and takes it for no mistake of its own', async (target) => {
    let calls = 0
    const url = await serve(async () => {
      calls += 1
      return { statusCode: 202 }
    })
    expect(await statusOf(url, 'POST', target)).toBe(404)
    expect([calls, errors]).toEqual([0, []])
  })

  it('takes the whole address, as a proxy sends it', async () => {
    const url = await serve(async ({ rawPath, rawQueryString }) => ({
      statusCode: rawPath === '/hooks/registry' && rawQueryString === 'a=b?c' ? 202 : 500,
    }))
    expect(await statusOf(url, 'POST', 'http://anything.example/hooks/registry?a=b?c')).toBe(202)
    expect(await statusOf(url, 'GET', 'http://anything.example/healthz')).toBe(200)
  })

  it('tells the log the route that failed and nothing of the address: path and query may hold a secret', async () => {
    server = await startWebhookServer({
      routes: [
        {
          method: 'POST',
          path: '/hooks/registry',
          answer: async () => {
            throw new Error('no')
          },
        },
      ],
      port: 0,
      now: () => 0,
      health: () => {
        throw new Error('ill')
      },
      onError: (route, error) => errors.push(`${route}: ${String(error)}`),
    })
    expect(await statusOf(server.url, 'POST', '/hooks/registry?token=hunter2')).toBe(500)
    expect(await statusOf(server.url, 'POST', 'http://hunter2@x/hooks/registry?hunter2')).toBe(500)
    expect(await statusOf(server.url, 'GET', '/healthz?hunter2')).toBe(500)
    expect(errors).toEqual([
      'POST /hooks/registry: Error: no',
      'POST /hooks/registry: Error: no',
      'GET outside of the webhooks: Error: ill',
    ])
  })

  it('matches a last part that stands for any, but nothing less or more, and after paths of their own', async () => {
    const route = (method: string, path: string): WebhookRoute => ({
      method,
      path,
      answer: async (event) => ({ statusCode: 202, body: `${path} ${event.rawPath}` }),
    })
    server = await startWebhookServer({
      routes: [route('POST', '/hooks/a/{token}'), route('POST', '/hooks/a/fixed'), route('PUT', '/hooks/b/{token}')],
      port: 0,
      now: () => 0,
      health: () => ({ ok: true }),
      onError: (_, error) => errors.push(String(error)),
    })
    const { url } = server
    const ask = async (method: string, path: string): Promise<string> => {
      const answer = await fetch(`${url}${path}`, { method })
      return answer.status === 202 ? await answer.text() : String(answer.status)
    }
    expect(await ask('POST', '/hooks/a/s3cret')).toBe('/hooks/a/{token} /hooks/a/s3cret')
    expect(await ask('POST', '/hooks/a/fixed')).toBe('/hooks/a/fixed /hooks/a/fixed')
    expect(await ask('POST', '/hooks/a/%2F%zz')).toBe('/hooks/a/{token} /hooks/a/%2F%zz')
    for (const path of ['/hooks/a/', '/hooks/a', '/hooks/a/b/c', '/hooks/a/b/', '/hooks//x', '/x/hooks/a/b']) {
      expect(await ask('POST', path), path).toBe('404')
    }
    expect(await ask('POST', '/hooks/b/x')).toBe('404')
    expect(await ask('PUT', '/hooks/b/x')).toBe('/hooks/b/{token} /hooks/b/x')
    expect(errors).toEqual([])
  })

  it('waits for an answer that is under way when it is closed', async () => {
    const begun = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const url = await serve(async () => {
      begun.resolve()
      await release.promise
      return { statusCode: 202 }
    })
    const answer = fetch(`${url}/hooks/registry`, { method: 'POST', body: '{}' })
    await begun.promise
    const closed = server?.close()
    server = undefined
    setTimeout(release.resolve, 50)
    expect((await answer).status).toBe(202)
    await closed
  })

  it('does not wait for one that never comes', async () => {
    const begun = Promise.withResolvers<void>()
    const url = await serve(() => {
      begun.resolve()
      return new Promise(() => undefined)
    })
    const answer = fetch(`${url}/hooks/registry`, { method: 'POST', body: '{}' })
    const broken = expect(answer).rejects.toThrow()
    await begun.promise
    await server?.close()
    server = undefined
    await broken
    expect(errors).toEqual([])
  })

  it('ends a request that its sender never finishes, and one that it gives up, without blaming anybody', async () => {
    server = await startWebhookServer({
      routes: [{ method: 'POST', path: '/hooks/registry', answer: async () => ({ statusCode: 202 }) }],
      port: 0,
      now: () => 0,
      health: () => ({ ok: true }),
      onError: (route, error) => errors.push(`${route}: ${String(error)}`),
      requestTimeoutMs: 100,
    })
    const { hostname, port } = new URL(server.url)
    const send = (): { readonly socket: ReturnType<typeof connect>; readonly answered: Promise<string> } => {
      const socket = connect(Number(port), hostname)
      let text = ''
      socket.on('data', (piece) => {
        text += piece
      })
      socket.on('error', () => undefined)
      socket.write('POST /hooks/registry HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf')
      return { socket, answered: new Promise((resolve) => socket.on('close', () => resolve(text))) }
    }
    expect(await send().answered).toMatch(/^HTTP\/1\.1 408 /)
    const gone = send()
    setTimeout(() => gone.socket.destroy(), 20)
    await gone.answered
    // The server still answers others.
    expect((await fetch(`${server.url}/hooks/registry`, { method: 'POST', body: '{}' })).status).toBe(202)
    expect(errors).toEqual([])
  })

  it('closes although a sender keeps its connection open', async () => {
    const url = new URL(await serve(async () => ({ statusCode: 202 })))
    const socket = connect(Number(url.port), url.hostname)
    await new Promise((resolve) => socket.on('connect', resolve))
    const ended = new Promise((resolve) => socket.on('close', resolve))
    socket.on('error', () => undefined)
    await server?.close()
    server = undefined
    await ended
  })
})

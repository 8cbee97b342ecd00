import { connect as netConnect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ClientOptions, type CloudClient, createClient } from '#cloud/client.ts'
import { type Clock, systemClock } from '#cloud/clock.ts'
import { refreshingCredentials, staticCredentials } from '#cloud/credentials.ts'
import { CloudError } from '#cloud/errors.ts'
import { DeleteImagePersonal } from '#cloud/generated/tcr/delete-image-personal.ts'
import { DescribeClusters } from '#cloud/generated/tke/describe-clusters.ts'
import { pages } from '#cloud/pages.ts'
import { createTransport } from '#cloud/transport.ts'
import { createTransport as createHttpsTransport } from '#cloud/transport-https.ts'
import type { TransportFactory, TransportOptions } from '#cloud/wire.ts'
import { hurriedClock } from '../shared/cloud/manual-clock.ts'
import { type Answering, refuse, startPlatform, succeed } from '../shared/cloud/platform-server.ts'
import { answerText, type RawServerOptions, startRawServer, testCa } from '../shared/cloud/raw-server.ts'

/**
 * Faults that were reproduced with the official SDK, each named after what the SDK does, and the proof that this client does
 * not: over real sockets, with both transports.
 */
const credentials = staticCredentials({ secretId: 'AKIDEXAMPLE', secretKey: 'ExampleKey', token: 'ExampleToken' })
const noClusters = { TotalCount: 0, Clusters: [] }
const deletion = { RepoName: 'ns/app', Tag: 'v1' }
const minute = 60_000

const transports: readonly (readonly [string, TransportFactory])[] = [
  ['undici', createTransport],
  ['node:http', createHttpsTransport],
]

describe.each(transports)('where the official SDK fails, over %s', (_name, createTransportOf) => {
  const open: { close(): Promise<void> }[] = []
  beforeEach(() => {
    open.length = 0
  })
  afterEach(async () => {
    for (const each of open) await each.close()
  })

  function client(
    url: string,
    options: Partial<ClientOptions> = {},
    wire: Partial<TransportOptions> = {},
    clock: Clock = hurriedClock(),
  ): CloudClient {
    const made = createClient({
      credentials,
      region: 'ap-guangzhou',
      endpoint: { kind: 'url', url },
      clock,
      transport: createTransportOf({ clock, allowedHosts: ['127.0.0.1'], ...wire }),
      random: () => 0.5,
      ...options,
    })
    open.unshift(made)
    return made
  }

  async function platform(answer: Answering) {
    const started = await startPlatform(answer)
    open.push(started)
    return started
  }

  async function rawServer(onRequest: RawServerOptions['onRequest'], certificate?: RawServerOptions['certificate']) {
    const started = await startRawServer({ onRequest, ...(certificate === undefined ? {} : { certificate }) })
    open.push(started)
    return started
  }

  async function failure(promise: Promise<unknown>): Promise<CloudError> {
    const error: unknown = await promise.then(
      () => new Error('it did not fail'),
      (reason: unknown) => reason,
    )
    if (!(error instanceof CloudError)) throw error
    return error
  }

  const envelope = (fields: object): string => answerText(JSON.stringify({ Response: { ...fields, RequestId: 'r' } }))

  it('never tries again: a passing fault does not reach the caller here', async () => {
    const at = await platform((response, _call, index) => {
      if (index === 0) response.destroy()
      else if (index === 1) refuse(response, 'RequestLimitExceeded')
      else succeed(response, noClusters)
    })
    expect(await client(at.url).send(DescribeClusters, {})).toMatchObject(noClusters)
    expect(at.calls).toHaveLength(3)
  })

  it('knows no rate limit: 120 calls at once stay within 100 a second here, and none is refused', async () => {
    const arrivals: number[] = []
    const at = await platform((response) => {
      arrivals.push(performance.now())
      succeed(response, noClusters)
    })
    const cloud = client(at.url, {}, { maxConnections: 20 }, systemClock)
    await Promise.all(Array.from({ length: 120 }, () => cloud.send({ ...DescribeClusters, ratePerSecond: 100 }, {})))
    expect(arrivals).toHaveLength(120)
    for (const start of arrivals) expect(arrivals.filter((time) => time >= start && time < start + 1000).length).toBeLessThanOrEqual(100)
  })

  it.each([-10, 10])('does not correct the clock: one %d minutes off works here', async (offMinutes) => {
    const clock = hurriedClock()
    const truth = (): number => clock.now() - offMinutes * minute
    const at = await platform((response, call) => {
      const headers = { date: new Date(truth()).toUTCString() }
      if (Math.abs(truth() / 1000 - call.timestamp) > 300) refuse(response, 'AuthFailure.SignatureExpire', 'expired', headers)
      else succeed(response, noClusters, headers)
    })
    expect(await client(at.url, {}, {}, clock).send(DescribeClusters, {})).toMatchObject(noClusters)
  })

  it('reads one page: a list of 250 comes whole here', async () => {
    const rows = Array.from({ length: 250 }, (_, index) => ({ ClusterId: `cls-${index}` }))
    const at = await platform((response, call) => {
      const { Offset, Limit } = JSON.parse(call.body)
      succeed(response, { TotalCount: rows.length, Clusters: rows.slice(Offset, Offset + Limit) })
    })
    const read = await pages(client(at.url), DescribeClusters, {})
    expect(read.map((row) => row.ClusterId)).toEqual(rows.map((row) => row.ClusterId))
  })

  it('hangs a minute when the connection dies inside the body: here that is an error at once', async () => {
    const at = await rawServer((socket) =>
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"Response":{"TotalCount', () => socket.destroy()),
    )
    const startedAt = performance.now()
    const error = await failure(client(`http://127.0.0.1:${at.port}`, { maxAttempts: 1 }).send(DescribeClusters, {}))
    expect(performance.now() - startedAt).toBeLessThan(1000)
    expect([error.kind, error.code, error.action]).toEqual(['cloud.network', 'ECONNRESET', 'tke.DescribeClusters'])
  })

  it('fails every second call on a server that closes kept-alive connections: here all of ten succeed, writes as well', async () => {
    const at = await rawServer((socket) => socket.end(envelope(noClusters)))
    const cloud = client(`http://127.0.0.1:${at.port}`)
    for (let index = 0; index < 5; index += 1) {
      await cloud.send(DescribeClusters, {})
      await cloud.send(DeleteImagePersonal, deletion)
    }
    const writes = at.requests.filter(({ body }) => body.includes('RepoName'))
    expect(writes).toHaveLength(5)
  })

  it('sends a read to a connection that is dead and gives up: here it takes another one', async () => {
    const at = await rawServer((socket, { ordinal }) => {
      if (ordinal === 1) socket.write(envelope(noClusters))
      else socket.destroy()
    })
    const cloud = client(`http://127.0.0.1:${at.port}`, { maxAttempts: 1 })
    for (let index = 0; index < 5; index += 1) await cloud.send(DescribeClusters, {})
    expect(at.requests).toHaveLength(9)
  })

  it('gives head and body the whole timeout each: here one deadline covers both', async () => {
    const at = await rawServer((socket) => {
      setTimeout(() => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n'), 120)
      const drip = setInterval(() => socket.write('x'), 20)
      socket.on('close', () => clearInterval(drip))
      if (socket.destroyed) clearInterval(drip)
    })
    const startedAt = performance.now()
    const error = await failure(client(`http://127.0.0.1:${at.port}`, { timeoutMs: 200, maxAttempts: 1 }).send(DescribeClusters, {}))
    expect(performance.now() - startedAt).toBeLessThan(390)
    expect(error.kind).toMatch(/^cloud\.(timeout|network)$/)
  })

  describe('hides its error class, and codes and causes with it: here every failure is a CloudError with both', () => {
    it('for a refused connection', async () => {
      const at = await platform((response) => succeed(response))
      await at.close()
      open.length = 0
      const error = await failure(client(at.url, { maxAttempts: 1 }).send(DescribeClusters, {}))
      expect(error).toMatchObject({ kind: 'cloud.not-sent', code: 'ECONNREFUSED', action: 'tke.DescribeClusters', retryable: true })
      expect(error.cause).toMatchObject({ code: 'ECONNREFUSED', cause: { code: 'ECONNREFUSED' } })
      expect(error.message).toContain(at.url.slice('http://'.length))
    })

    it('for a call that its caller ended', async () => {
      const end = new AbortController()
      const at = await platform(() => end.abort())
      const error = await failure(client(at.url).send(DescribeClusters, {}, { signal: end.signal }))
      expect(error).toMatchObject({ kind: 'cloud.aborted', code: 'aborted', action: 'tke.DescribeClusters' })
    })

    it.each(['<html>maintenance</html>', '', '{"Response":', 'null', '{}'])('for an answer that is %j', async (body) => {
      const at = await rawServer((socket) => socket.write(answerText(body)))
      const error = await failure(client(`http://127.0.0.1:${at.port}`, { maxAttempts: 1 }).send(DescribeClusters, {}))
      expect(error).toMatchObject({ kind: 'cloud.bad-answer', action: 'tke.DescribeClusters', httpStatus: 200 })
    })

    it('for HTTP 503', async () => {
      const at = await rawServer((socket) => socket.write(answerText('<html>', { status: '503 Service Unavailable' })))
      const error = await failure(client(`http://127.0.0.1:${at.port}`, { maxAttempts: 1 }).send(DescribeClusters, {}))
      expect(error).toMatchObject({ kind: 'cloud.unavailable', code: 'http-503', httpStatus: 503 })
    })

    it('for a refusal of the platform', async () => {
      const at = await platform((response) => refuse(response, 'ResourceNotFound.ErrNoRepo', 'no such repository'))
      const error = await failure(client(at.url).send(DeleteImagePersonal, deletion))
      expect(error).toMatchObject({
        kind: 'cloud.not-found',
        code: 'ResourceNotFound.ErrNoRepo',
        requestId: 'req-2',
        action: 'tcr.DeleteImagePersonal',
      })
    })
  })

  it('remembers a failed credential refresh for ever, and refreshes once per caller: here once for all, and anew after a failure', async () => {
    let jumpedMs = 0
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + jumpedMs }
    let refreshes = 0
    const source = refreshingCredentials({
      clock,
      name: 'the role',
      refresh: async () => {
        refreshes += 1
        if (refreshes === 1) throw new Error('metadata service is down')
        await clock.sleep(20)
        return { secretId: 'AKIDROLE', secretKey: 'key', token: `token-${refreshes}`, expiresAt: clock.now() + 60 * minute }
      },
    })
    const at = await platform((response) => succeed(response, noClusters))
    const cloud = client(at.url, { credentials: source }, {}, clock)
    const many = { ...DescribeClusters, ratePerSecond: 1000 }
    expect((await failure(cloud.send(many, {}))).code).toBe('credentials.refresh-failed')
    await Promise.all(Array.from({ length: 50 }, () => cloud.send(many, {})))
    expect(refreshes).toBe(2)
    jumpedMs = 61 * minute
    await Promise.all(Array.from({ length: 50 }, () => cloud.send(many, {})))
    expect(refreshes).toBe(3)
    expect(new Set(at.calls.map((call) => call.headers['x-tc-token']))).toEqual(new Set(['token-2', 'token-3']))
  })

  it('follows a redirect to another host with token and body: here it goes nowhere', async () => {
    const thief = await rawServer((socket) => socket.write(envelope(noClusters)))
    for (const status of ['301 Moved Permanently', '302 Found', '307 Temporary Redirect', '308 Permanent Redirect']) {
      const at = await rawServer((socket) =>
        socket.write(answerText('', { status, headers: [`location: http://127.0.0.1:${thief.port}/`] })),
      )
      const cloud = client(`http://127.0.0.1:${at.port}`)
      const error = await failure(cloud.send(DescribeClusters, {}))
      expect([error.kind, error.httpStatus]).toEqual(['cloud.bad-answer', Number(status.slice(0, 3))])
      expect(error.message).toContain(`127.0.0.1:${thief.port}`)
      expect((await failure(cloud.send(DeleteImagePersonal, deletion))).kind).toBe('cloud.unknown-outcome')
    }
    expect(thief.connectionCount).toBe(0)
  })

  it('rounds 64-bit integers: here they are exact, there and back', async () => {
    const at = await rawServer((socket) =>
      socket.write(answerText('{"Response":{"TotalCount":9007199254740993,"Clusters":[],"RequestId":"r"}}')),
    )
    const response = await client(`http://127.0.0.1:${at.port}`).send(DescribeClusters, { Offset: 9007199254740995n })
    expect(response.TotalCount).toBe(9007199254740993n)
    expect(at.requests[0]?.body).toBe('{"Offset":9007199254740995}')
  })

  it('sends a Date as {}, an empty text as the request, and NaN as null: here nothing is sent', async () => {
    const at = await platform((response) => succeed(response))
    const cloud = client(at.url)
    for (const request of [{ ClusterIds: [new Date(0)] }, '', { Limit: Number.NaN }]) {
      expect((await failure(cloud.send(DescribeClusters, request as object))).kind).toBe('cloud.invalid-request')
      expect((await failure(cloud.send(DescribeClusters, request as object, { raw: true }))).kind).toBe('cloud.invalid-request')
    }
    expect(at.calls).toHaveLength(0)
  })

  it('ignores https_proxy and no_proxy: here both are heeded', async () => {
    const target = await rawServer((socket) => socket.write(envelope(noClusters)), 'server')
    const tunnels: string[] = []
    const proxy = await rawServer((socket, { head }) => {
      tunnels.push(head.split('\r\n')[0] ?? '')
      socket.removeAllListeners('data')
      const upstream = netConnect({ host: '127.0.0.1', port: target.port }, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        socket.pipe(upstream).pipe(socket)
      })
      upstream.on('error', () => socket.destroy())
    })
    const https_proxy = `http://127.0.0.1:${proxy.port}`
    const through = client('https://tke.example.test', {}, { ca: testCa, allowedHosts: ['tke.example.test'], environment: { https_proxy } })
    expect(await through.send(DescribeClusters, {})).toMatchObject(noClusters)
    expect(tunnels).toEqual(['CONNECT tke.example.test:443 HTTP/1.1'])
    const around = client(
      'https://tke.example.test',
      { maxAttempts: 1 },
      { ca: testCa, allowedHosts: ['tke.example.test'], environment: { https_proxy, no_proxy: '.example.test' } },
    )
    expect((await failure(around.send(DescribeClusters, {}))).kind).toBe('cloud.not-sent')
    expect(tunnels).toHaveLength(1)
  })

  it('signs for another host than it sends to when the endpoint has a port: here the signature names host and port', async () => {
    const at = await platform((response) => succeed(response, noClusters))
    await client(at.url).send(DescribeClusters, {})
    expect(at.calls[0]?.headers.host).toBe(at.url.slice('http://'.length))
    expect(at.calls[0]?.headers.authorization).toContain('/tke/tc3_request')
  })
})

import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, expectTypeOf, it } from 'vitest'
import { type AttemptEvent, asReader, type ClientOptions, type CloudClient, createClient } from '#cloud/client.ts'
import type { CloudReader } from '#cloud/cloud.ts'
import { type CredentialSource, type Credentials, staticCredentials } from '#cloud/credentials.ts'
import { CloudError } from '#cloud/errors.ts'
import { DeleteImagePersonal } from '#cloud/generated/tcr/delete-image-personal.ts'
import { AddClusterInstances } from '#cloud/generated/tke/add-cluster-instances.ts'
import { DescribeClusters } from '#cloud/generated/tke/describe-clusters.ts'
import { createTransport } from '#cloud/transport.ts'
import { TransportError } from '#cloud/transport-error.ts'
import type { Transport, WireRequest } from '#cloud/wire.ts'
import { type HurriedClock, hurriedClock, manualClock, settle } from './manual-clock.ts'
import { type Answering, type PlatformServer, refuse, startPlatform, succeed } from './platform-server.ts'

const credentials = staticCredentials({
  secretId: 'AKIDEXAMPLE',
  secretKey: 'ExampleKeyThatMustNotShow',
  token: 'ExampleTokenThatMustNotShow',
})
const minute = 60_000

describe('the client', () => {
  const open: { close(): Promise<void> }[] = []
  beforeEach(() => {
    open.length = 0
  })
  afterEach(async () => {
    for (const each of open) await each.close()
  })

  interface Stage {
    readonly client: CloudClient
    readonly platform: PlatformServer
    readonly clock: HurriedClock
    readonly events: readonly AttemptEvent[]
  }

  /** The client before a platform that the test plays, with sleeps that are over at once. */
  async function stage(answer: Answering, options: Partial<ClientOptions> = {}, clock: HurriedClock = hurriedClock()): Promise<Stage> {
    const platform = await startPlatform(answer)
    const events: AttemptEvent[] = []
    const client = createClient({
      credentials,
      region: 'ap-guangzhou',
      endpoint: { kind: 'url', url: platform.url },
      clock,
      transport: createTransport({ clock, allowedHosts: ['127.0.0.1'], maxConnections: 20 }),
      random: () => 0.5,
      onAttempt: (event) => events.push(event),
      ...options,
    })
    open.push(client, platform)
    return { client, platform, clock, events }
  }

  const deletion = { RepoName: 'ns/app', Tag: 'v1' } as const

  async function failure(promise: Promise<unknown>): Promise<CloudError> {
    const error: unknown = await promise.then(
      () => new Error('it did not fail'),
      (reason: unknown) => reason,
    )
    if (!(error instanceof CloudError)) throw error
    return error
  }

  describe('a call', () => {
    it('is signed, sent and unwrapped, and its types are those of the action', async () => {
      const { client, platform, events } = await stage((response) => succeed(response, { TotalCount: 1, Clusters: [] }))
      const response = await client.send(DescribeClusters, { Limit: 20 })
      expectTypeOf(response.RequestId).toEqualTypeOf<string>()
      expect(response).toEqual({ TotalCount: 1, Clusters: [], RequestId: 'req-1' })
      const [call] = platform.calls
      expect(call?.body).toBe('{"Limit":20}')
      expect(call?.headers).toMatchObject({
        host: platform.url.slice('http://'.length),
        'content-type': 'application/json',
        'x-tc-action': 'DescribeClusters',
        'x-tc-version': '2018-05-25',
        'x-tc-region': 'ap-guangzhou',
        'x-tc-timestamp': '1700000000',
        'x-tc-token': 'ExampleTokenThatMustNotShow',
      })
      expect(call?.headers.authorization).toContain('Credential=AKIDEXAMPLE/2023-11-14/tke/tc3_request')
      expect(events).toEqual([
        {
          action: 'tke.DescribeClusters',
          effect: 'read',
          attempt: 1,
          region: 'ap-guangzhou',
          host: platform.url.slice('http://'.length),
          at: 1_700_000_000_000,
          waitedMs: 0,
          durationMs: 0,
          outcome: 'ok',
          code: undefined,
          httpStatus: 200,
          requestId: 'req-1',
          retryInMs: undefined,
        },
      ])
    })

    it('sends no region where the action takes none, and the call’s own where it names one', async () => {
      const { client, platform } = await stage((response) => succeed(response, { TotalCount: 0, Clusters: [] }))
      await client.send(DeleteImagePersonal, deletion)
      await client.send(DescribeClusters, {}, { region: 'ap-chengdu' })
      expect(platform.calls.map((call) => call.headers['x-tc-region'])).toEqual([undefined, 'ap-chengdu'])
    })

    it('needs a region where the action takes one', async () => {
      const { client, platform } = await stage((response) => succeed(response), { region: undefined })
      const error = await failure(client.send(DescribeClusters, {}))
      expect([error.kind, error.action]).toEqual(['cloud.invalid-request', 'tke.DescribeClusters'])
      expect(error.message).toContain('platform.region')
      expect(platform.calls).toHaveLength(0)
    })

    it('can be signed by v1, by POST and GET, and TC3 by GET', async () => {
      for (const [signMethod, httpMethod] of [
        ['HmacSHA1', 'POST'],
        ['HmacSHA256', 'GET'],
        ['TC3-HMAC-SHA256', 'GET'],
      ] as const) {
        const { client, platform } = await stage((response) => succeed(response, { TotalCount: 0, Clusters: [] }), {
          signMethod,
          httpMethod,
          language: 'en-US',
        })
        await client.send(DescribeClusters, { Filters: [{ Name: 'a', Values: ['b'] }] })
        const [call] = platform.calls
        const sent = new URLSearchParams(httpMethod === 'GET' ? call?.path.slice(2) : call?.body)
        expect(sent.get('Filters.0.Values.0')).toBe('b')
        if (signMethod === 'TC3-HMAC-SHA256') expect(call?.headers['x-tc-language']).toBe('en-US')
        else expect([sent.get('SignatureMethod'), sent.get('Nonce'), sent.get('Language')]).toEqual([signMethod, '1073741824', 'en-US'])
      }
    })

    it('is checked against the action’s shape before anything else, unless it is raw', async () => {
      const { client, platform, events } = await stage((response) => succeed(response, { TotalCount: 0, Clusters: [] }))
      const misspelt = { limit: 20 } as object
      const error = await failure(client.send(DescribeClusters, misspelt))
      expect(error.message).toBe('tke.DescribeClusters: limit does not exist (did you mean Limit?). Nothing was sent.')
      expect([platform.calls.length, events.length]).toEqual([0, 0])
      await client.send(DescribeClusters, misspelt, { raw: true })
      expect(platform.calls[0]?.body).toBe('{"limit":20}')
      expect((await failure(client.send(DescribeClusters, 'text' as unknown as object, { raw: true }))).kind).toBe('cloud.invalid-request')
    })

    it('that is too large or cannot be written is refused before it is sent', async () => {
      const { client, platform } = await stage((response) => succeed(response))
      const large = await failure(client.send(AddClusterInstances, { ClusterId: 'c', CvmRunInstances: 'x'.repeat(11_000_000) }))
      expect([large.kind, large.action]).toEqual(['cloud.invalid-request', 'tke.AddClusterInstances'])
      const odd = await failure(client.send(DescribeClusters, { Filters: new Map() } as object, { raw: true }))
      expect(odd.kind).toBe('cloud.invalid-request')
      expect(platform.calls).toHaveLength(0)
    })

    it('goes only where the endpoint points', async () => {
      const { client } = await stage((response) => succeed(response), {
        endpoint: { kind: 'domain', domain: 'evil.example', protocol: 'https' },
      })
      const error = await failure(client.send(DescribeClusters, {}))
      expect([error.kind, error.action, error.retryable]).toEqual(['cloud.not-allowed', 'tke.DescribeClusters', false])
      expect(error.message).toContain('tke.api3.evil.example:443')
    })

    it('runs beside hundreds of others and closes', async () => {
      const { client, platform } = await stage(
        (response, call) => succeed(response, { TotalCount: JSON.parse(call.body).Offset, Clusters: [] }),
        { rateShare: 1 },
      )
      const wanted = Array.from({ length: 300 }, (_, index) => index)
      const got = await Promise.all(wanted.map(async (Offset) => (await client.send(DescribeClusters, { Offset })).TotalCount))
      expect(got).toEqual(wanted)
      await client.close()
      const error = await failure(client.send(DescribeClusters, {}))
      expect(error.kind).toBe('cloud.not-allowed')
      expect(platform.calls).toHaveLength(300)
    })

    it('refuses settings that make no sense', () => {
      const transport = createTransport({ clock: hurriedClock(), allowedHosts: [] })
      const make = (options: Partial<ClientOptions>) => () =>
        createClient({
          credentials,
          endpoint: { kind: 'url', url: 'http://127.0.0.1:1' },
          clock: hurriedClock(),
          transport,
          random: () => 0,
          ...options,
        })
      for (const rateShare of [0, -1, 1.1, Number.NaN]) expect(make({ rateShare })).toThrow(/rateShare/)
      for (const timeoutMs of [0, Number.NaN]) expect(make({ timeoutMs })).toThrow(/timeoutMs/)
      for (const maxAttempts of [0, 1.5]) expect(make({ maxAttempts })).toThrow(/maxAttempts/)
    })
  })

  describe('retries', () => {
    const failing: readonly (readonly [string, Answering, string])[] = [
      ['a connection that dies', (response) => void response.destroy(), 'cloud.network'],
      ['HTTP 502', (response) => void response.writeHead(502).end('<html>'), 'cloud.unavailable'],
      ['an answer that is cut off', (response) => void response.end('{"Response":{"Tot'), 'cloud.bad-answer'],
      ['InternalError', (response) => refuse(response, 'InternalError'), 'cloud.unavailable'],
      ['InternalError of a kind', (response) => refuse(response, 'InternalError.Db'), 'cloud.unavailable'],
    ]

    it.each(failing)('a read after %s, and succeeds', async (_what, fail) => {
      const { client, clock, events } = await stage((response, call, index) =>
        index < 2 ? fail(response, call, index) : succeed(response, { TotalCount: 0, Clusters: [] }),
      )
      await client.send(DescribeClusters, {})
      expect(events.map((event) => [event.attempt, event.outcome === 'ok', event.retryInMs])).toEqual([
        [1, false, 25],
        [2, false, 50],
        [3, true, undefined],
      ])
      expect(clock.slept).toEqual([25, 50])
    })

    it.each(failing)('4: never a write after %s: it becomes unknown', async (_what, fail, kind) => {
      const read = await stage(fail)
      const readError = await failure(read.client.send(DescribeClusters, {}))
      expect([readError.kind, read.platform.calls.length]).toEqual([kind, 3])
      expect(readError.message).toContain('Tried 3 times.')
      for (const [action, request] of [
        [DeleteImagePersonal, deletion],
        [AddClusterInstances, { ClusterId: 'c', CvmRunInstances: '{}' }],
      ] as const) {
        const { client, platform, clock } = await stage(fail)
        const error = await failure(client.send(action, request))
        expect([error.kind, error.retryable]).toEqual(['cloud.unknown-outcome', false])
        expect(error.message).toContain('may have been carried out')
        expect(platform.calls).toHaveLength(1)
        expect(clock.slept).toEqual([])
      }
    })

    it('a write and a read after throttling, with longer delays', async () => {
      for (const [action, request] of [
        [DeleteImagePersonal, deletion],
        [DescribeClusters, {}],
      ] as const) {
        const { client, clock, events } = await stage((response, _call, index) =>
          index < 2 ? refuse(response, 'RequestLimitExceeded') : succeed(response),
        )
        await client.send(action, request)
        expect(clock.slept).toEqual([500, 1000])
        expect(events.map((event) => event.outcome)).toEqual(['cloud.rate-limited', 'cloud.rate-limited', 'ok'])
      }
    })

    it('a write that was not sent', async () => {
      let failures = 0
      const { client, platform, events } = await stage((response) => succeed(response))
      const refusing: Transport = {
        async send(request) {
          failures += 1
          if (failures <= 2) throw new TransportError('refused', { kind: 'not-sent', sent: false, code: 'ECONNREFUSED', host: 'x' })
          return transport.send(request)
        },
        close: () => transport.close(),
      }
      const transport = createTransport({ clock: hurriedClock(), allowedHosts: ['127.0.0.1'] })
      const retrying = createClient({
        credentials,
        endpoint: { kind: 'url', url: platform.url },
        clock: hurriedClock(),
        transport: refusing,
        random: () => 0.5,
      })
      open.unshift(retrying)
      await retrying.send(DeleteImagePersonal, deletion)
      expect([failures, platform.calls.length, events.length]).toEqual([3, 1, 0])
      await client.close()
    })

    it('4: a write that got no answer in time is unknown, and sent once', async () => {
      const { client, platform } = await stage(() => undefined, { timeoutMs: 60 })
      const error = await failure(client.send(DeleteImagePersonal, deletion))
      expect([error.kind, error.code, platform.calls.length]).toEqual(['cloud.unknown-outcome', 'timeout', 1])
    })

    it('a read that got no answer in time', async () => {
      const { client, platform } = await stage((response, _call, index) => (index === 0 ? undefined : succeed(response)), { timeoutMs: 60 })
      await client.send(DescribeClusters, {})
      expect(platform.calls).toHaveLength(2)
    })

    it('nothing that cannot get better', async () => {
      for (const code of [
        'InvalidParameter',
        'ResourceNotFound',
        'UnauthorizedOperation',
        'AuthFailure.SecretIdNotFound',
        'LimitExceeded',
        'ResourceInUse',
        'FailedOperation',
      ]) {
        const { client, platform } = await stage((response) => refuse(response, code))
        const error = await failure(client.send(DescribeClusters, {}))
        expect([error.code, platform.calls.length]).toEqual([code, 1])
      }
    })

    it('10: no try starts past the deadline', async () => {
      const clock = hurriedClock()
      const { client, platform } = await stage((response) => refuse(response, 'RequestLimitExceeded'), { maxAttempts: 20 }, clock)
      const deadline = clock.now() + 4000
      const error = await failure(client.send(DescribeClusters, {}, { deadline }))
      expect(error).toMatchObject({ kind: 'cloud.deadline', code: 'RequestLimitExceeded', retryable: true })
      expect(error.cause).toMatchObject({ kind: 'cloud.rate-limited' })
      // 500 + 1000 + 2000 fit, 4000 more do not.
      expect(platform.calls.map((call) => call.timestamp - 1_700_000_000)).toEqual([0, 0, 1, 3])
      expect(clock.now()).toBeLessThan(deadline)
      const passed = await failure(client.send(DescribeClusters, {}, { deadline: clock.now() }))
      expect([passed.kind, platform.calls.length]).toEqual(['cloud.deadline', 4])
    })

    it('10: cuts the try that is under way at the deadline', async () => {
      const clock = hurriedClock()
      const { client, platform } = await stage(() => undefined, { timeoutMs: 70 }, clock)
      const startedAt = performance.now()
      const read = await failure(client.send(DescribeClusters, {}, { deadline: clock.now() + 60 }))
      expect(performance.now() - startedAt).toBeLessThan(700)
      expect(['cloud.deadline', 'cloud.timeout']).toContain(read.kind)
      const write = await failure(client.send(DeleteImagePersonal, deletion, { deadline: clock.now() + 70 }))
      expect(write.kind).toBe('cloud.unknown-outcome')
      expect(platform.countOf('DeleteImagePersonal')).toBe(1)
    })

    it('12: no write starts with less time left than one try may take; a read starts while any is left', async () => {
      const clock = hurriedClock()
      const { client, platform } = await stage((response) => succeed(response, { TotalCount: 0, Clusters: [] }), { timeoutMs: 5000 }, clock)
      const error = await failure(client.send(DeleteImagePersonal, deletion, { deadline: clock.now() + 4999 }))
      expect(error).toMatchObject({ kind: 'cloud.deadline', code: 'cloud.deadline', retryable: true })
      expect(error.message).toMatch(/less time would be left than the 5000 ms that a write may take.*not sent/)
      expect(platform.calls).toHaveLength(0)
      await client.send(DeleteImagePersonal, deletion, { deadline: clock.now() + 5000 })
      await client.send(DescribeClusters, {}, { deadline: clock.now() + 1000 })
      expect(platform.calls).toHaveLength(2)
    })

    it('12: a write does not wait for the rate limit, for a retry or for credentials past the time at which it could still start', async () => {
      const clock = hurriedClock()
      const throttled = await stage((response) => refuse(response, 'RequestLimitExceeded'), { timeoutMs: 5000, maxAttempts: 20 }, clock)
      const late = await failure(throttled.client.send(DeleteImagePersonal, deletion, { deadline: clock.now() + 9000 }))
      expect(late).toMatchObject({ kind: 'cloud.deadline', code: 'RequestLimitExceeded' })
      // 500 + 1000 + 2000 fit before the last 5000, 4000 more do not.
      expect(throttled.platform.calls.map((call) => call.timestamp - 1_700_000_000)).toEqual([0, 0, 1, 3])

      const limited = await stage((response) => succeed(response), { timeoutMs: 5000, rateShare: 0.05 }, hurriedClock())
      await limited.client.send(DeleteImagePersonal, deletion)
      const before = limited.clock.now()
      const waiting = await failure(limited.client.send(DeleteImagePersonal, deletion, { deadline: before + 5900 }))
      expect([waiting.kind, limited.platform.calls.length, limited.clock.now()]).toEqual(['cloud.deadline', 1, before])

      const slow = hurriedClock()
      const anew = await stage((response) => succeed(response), {
        timeoutMs: 5000,
        clock: slow,
        credentials: async () => {
          slow.jump(1001)
          return credentials()
        },
      })
      const asked = await failure(anew.client.send(DeleteImagePersonal, deletion, { deadline: slow.now() + 6000 }))
      expect([asked.kind, anew.platform.calls.length]).toEqual(['cloud.deadline', 0])
      await anew.client.send(DeleteImagePersonal, deletion, { deadline: slow.now() + 6001 })
    })

    it('12: a write whose time or token was refused is not tried again when it is too late by then', async () => {
      for (const code of ['AuthFailure.SignatureExpire', 'AuthFailure.TokenFailure']) {
        const clock = hurriedClock()
        const { client, platform } = await stage(
          (response) => {
            clock.jump(1500)
            refuse(response, code)
          },
          { timeoutMs: 5000, credentials: async () => ({ secretId: 'AKIDEXAMPLE', secretKey: `key${clock.now()}`, token: 't' }) },
          clock,
        )
        const error = await failure(client.send(DeleteImagePersonal, deletion, { deadline: clock.now() + 6000 }))
        expect([error.kind, platform.calls.length]).toEqual(['cloud.deadline', 1])
      }
    })

    it('10: stops when the quota of the whole client is used up, and success refills it', async () => {
      let down = true
      const { client, platform } = await stage((response) =>
        down ? refuse(response, 'InternalError') : succeed(response, { TotalCount: 0, Clusters: [] }),
      )
      const errors: string[] = []
      for (let index = 0; index < 20; index += 1) errors.push((await failure(client.send(DescribeClusters, {}))).kind)
      // 35 retries of 14 tokens in 500: 17 calls retry twice, one once, the rest not at all.
      expect(platform.calls).toHaveLength(20 + 35)
      expect(errors.slice(17)).toEqual(['cloud.retry-quota', 'cloud.retry-quota', 'cloud.retry-quota'])
      down = false
      for (let index = 0; index < 4; index += 1) await client.send(DescribeClusters, {})
      down = true
      const before = platform.calls.length
      expect((await failure(client.send(DescribeClusters, {}))).kind).toBe('cloud.retry-quota')
      expect(platform.calls.length - before).toBe(2)
    })

    it('10: any sequence of faults keeps delays, attempts and deadline in their bounds', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.constantFrom(
              'ok',
              'InternalError',
              'RequestLimitExceeded',
              'AuthFailure.SignatureExpire',
              'AuthFailure.TokenFailure',
              'network',
              'InvalidParameter',
            ),
            { minLength: 1, maxLength: 12 },
          ),
          fc.integer({ min: 1, max: 6 }),
          fc.option(fc.integer({ min: 1, max: 30_000 })),
          fc.boolean(),
          fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
          async (faults, maxAttempts, deadlineInMs, writes, chance) => {
            const clock = hurriedClock()
            const startedAt: number[] = []
            const transport: Transport = {
              async send(request) {
                request.onDeparture?.()
                startedAt.push(clock.now())
                const fault = faults[startedAt.length - 1] ?? 'ok'
                if (fault === 'network') throw new TransportError('died', { kind: 'network', sent: true, code: 'ECONNRESET', host: 'x' })
                const content = fault === 'ok' ? {} : { Error: { Code: fault, Message: '' } }
                return { status: 200, headers: {}, body: Buffer.from(JSON.stringify({ Response: { ...content, RequestId: 'r' } })) }
              },
              close: () => Promise.resolve(),
            }
            const events: AttemptEvent[] = []
            const client = createClient({
              credentials,
              region: 'r',
              endpoint: { kind: 'url', url: 'http://127.0.0.1:1' },
              clock,
              transport,
              random: () => chance,
              maxAttempts,
              onAttempt: (event) => events.push(event),
            })
            const deadline = deadlineInMs === null ? undefined : clock.now() + deadlineInMs
            const options = deadline === undefined ? {} : { deadline }
            const outcome = await (writes
              ? client.send(DeleteImagePersonal, deletion, options)
              : client.send(DescribeClusters, {}, options)
            ).then(
              () => 'ok',
              (error: unknown) => (error instanceof CloudError ? error.kind : 'bug'),
            )
            expect(outcome).not.toBe('bug')
            expect(startedAt.length).toBeLessThanOrEqual(maxAttempts + 2)
            for (const at of startedAt) {
              expect(at).toBeLessThan(deadline ?? Number.POSITIVE_INFINITY)
              // 12: what a write may take is left.
              if (writes) expect((deadline ?? Number.POSITIVE_INFINITY) - at).toBeGreaterThanOrEqual(10_000)
            }
            clock.slept.forEach((sleptMs, index) => {
              expect(sleptMs).toBeLessThanOrEqual(Math.min(20_000, 1000 * 2 ** index))
            })
            // What leaves it open whether a write happened is the last thing that is sent.
            const last = faults[startedAt.length - 1]
            for (const [index, fault] of faults.slice(0, startedAt.length).entries()) {
              if (writes && (fault === 'network' || fault === 'InternalError'))
                expect([index, outcome]).toEqual([startedAt.length - 1, 'cloud.unknown-outcome'])
            }
            if (outcome === 'ok') expect(last ?? 'ok').toBe('ok')
            if (outcome === 'cloud.unknown-outcome') expect(writes).toBe(true)
            expect(events.length).toBeGreaterThanOrEqual(startedAt.length)
          },
        ),
        { seed: 10, numRuns: 300 },
      )
    })
  })

  describe('the rate limit', () => {
    it('9: in any one-second window calls of one action stay within their limit, retries and second copies included', async () => {
      const clock = manualClock()
      const sentAt: number[] = []
      const transport: Transport = {
        async send(request: WireRequest) {
          const depart = (): void => {
            request.onDeparture?.()
            sentAt.push(clock.monotonic())
          }
          // As if a connection had to be made first.
          await clock.sleep(sentAt.length < 10 ? 700 : 0)
          depart()
          const number = sentAt.length
          await clock.sleep(5)
          if (number % 7 === 0 && request.beforeResend !== undefined) {
            await request.beforeResend()
            await clock.sleep(3)
            depart()
          }
          if (number % 5 === 0) throw new TransportError('died', { kind: 'network', sent: true, code: 'ECONNRESET', host: 'x' })
          const content = number % 4 === 0 ? { Error: { Code: 'RequestLimitExceeded' } } : {}
          return { status: 200, headers: {}, body: Buffer.from(JSON.stringify({ Response: { ...content, RequestId: 'r' } })) }
        },
        close: () => Promise.resolve(),
      }
      const client = createClient({
        credentials,
        region: 'r',
        endpoint: { kind: 'url', url: 'http://127.0.0.1:1' },
        clock,
        transport,
        random: () => 0.1,
        maxAttempts: 6,
      })
      let ended = 0
      const all = Array.from({ length: 150 }, () =>
        client
          .send(DescribeClusters, {})
          .catch((error: unknown) => expect(error).toBeInstanceOf(CloudError))
          .finally(() => {
            ended += 1
          }),
      )
      await settle()
      while (ended < 150 && (await clock.advanceToNext()));
      await Promise.all(all)
      expect(sentAt.length).toBeGreaterThan(180)
      for (const start of sentAt) expect(sentAt.filter((at) => at >= start && at <= start + 1000).length).toBeLessThanOrEqual(16)
    })

    it('is each action’s own', async () => {
      const { client, clock } = await stage((response) => succeed(response, { TotalCount: 0, Clusters: [] }), { rateShare: 0.1 })
      await Promise.all([
        client.send(DescribeClusters, {}),
        client.send(DescribeClusters, {}),
        client.send(DeleteImagePersonal, deletion),
        client.send(DeleteImagePersonal, deletion),
      ])
      expect(clock.slept).toEqual([])
    })

    it('is shared by literals of the same action', async () => {
      const { client, events } = await stage((response) => succeed(response, { TotalCount: 0, Clusters: [] }), { rateShare: 0.05 })
      await client.send(DescribeClusters, {})
      await client.send({ ...DescribeClusters }, {})
      expect(events.map((event) => event.waitedMs)).toEqual([0, 1001])
    })

    it('fails at once when the wait would pass the deadline', async () => {
      const clock = manualClock()
      const platform = await startPlatform((response) => succeed(response, { TotalCount: 0, Clusters: [] }))
      const client = createClient({
        credentials,
        region: 'r',
        endpoint: { kind: 'url', url: platform.url },
        clock,
        transport: createTransport({ clock, allowedHosts: ['127.0.0.1'] }),
        random: () => 0,
        rateShare: 0.05,
      })
      open.push(client, platform)
      await client.send(DescribeClusters, {})
      const error = await failure(client.send(DescribeClusters, {}, { deadline: clock.now() + 900 }))
      expect([error.kind, error.retryable]).toEqual(['cloud.deadline', true])
      expect(clock.sleeperCount).toBe(0)
      expect(platform.calls).toHaveLength(1)
    })

    it('gives back the place of a second copy whose call has ended meanwhile', async () => {
      const clock = manualClock()
      let resend: (() => Promise<void>) | undefined
      const transport: Transport = {
        async send(request) {
          request.onDeparture?.()
          resend = request.beforeResend
          throw new TransportError('ended', { kind: 'aborted', sent: true, code: 'aborted', host: 'x' })
        },
        close: () => Promise.resolve(),
      }
      const client = createClient({
        credentials,
        region: 'r',
        endpoint: { kind: 'url', url: 'http://127.0.0.1:1' },
        clock,
        transport,
        random: () => 0,
        rateShare: 0.05,
      })
      await failure(client.send(DescribeClusters, {}))
      const late = resend?.()
      await clock.advance(1001)
      await late
      // A permit that nobody gave back would hold this one up for ever.
      const next = await failure(client.send(DescribeClusters, {}, { deadline: clock.now() + 1 }))
      expect([next.kind, clock.sleeperCount]).toEqual(['cloud.aborted', 0])
    })

    it('gives its place back when a try does not come to sending', async () => {
      let asked = 0
      const { client, clock } = await stage((response) => succeed(response, { TotalCount: 0, Clusters: [] }), {
        rateShare: 0.05,
        credentials: () => {
          asked += 1
          return asked < 3
            ? Promise.reject(
                new CloudError('no', { kind: 'cloud.credentials', code: 'credentials.absent', action: 'credentials', retryable: false }),
              )
            : credentials()
        },
      })
      await failure(client.send(DescribeClusters, {}))
      await failure(client.send(DescribeClusters, {}))
      await client.send(DescribeClusters, {})
      expect(clock.slept).toEqual([])
    })
  })

  describe('the clock', () => {
    /** A strict platform: refuses signatures more than five minutes off, and says its time. */
    const strict =
      (truth: () => number): Answering =>
      (response, call) => {
        const headers = { date: new Date(truth()).toUTCString() }
        if (Math.abs(truth() / 1000 - call.timestamp) > 300) refuse(response, 'AuthFailure.SignatureExpire', 'expired', headers)
        else succeed(response, { TotalCount: 0, Clusters: [] }, headers)
      }

    it.each([-10 * minute, -6 * minute, 6 * minute, 10 * minute])(
      '11: that is %d ms off is corrected from the answer, once for all calls',
      async (offByMs) => {
        const clock = hurriedClock()
        const truth = (): number => clock.now() - offByMs
        const { client, platform, events } = await stage(strict(truth), {}, clock)
        await client.send(DeleteImagePersonal, deletion)
        await client.send(DescribeClusters, {})
        expect(platform.calls).toHaveLength(3)
        expect(events.map((event) => [event.action, event.outcome, event.retryInMs])).toEqual([
          ['tcr.DeleteImagePersonal', 'cloud.clock-skew', 0],
          ['tcr.DeleteImagePersonal', 'ok', undefined],
          ['tke.DescribeClusters', 'ok', undefined],
        ])
      },
    )

    it('11: signing happens after any wait for the limiter', async () => {
      const clock = hurriedClock()
      const { client, platform } = await stage(
        strict(() => clock.now()),
        { rateShare: 0.05 },
        clock,
      )
      for (let index = 0; index < 3; index += 1) await client.send(DescribeClusters, {})
      expect(platform.calls.map((call) => call.timestamp - 1_700_000_000)).toEqual([0, 1, 2])
    })

    it('11: survives a freeze of the process between waiting and sending', async () => {
      const clock = hurriedClock()
      let frozen = false
      const { client, platform } = await stage(
        strict(() => clock.now()),
        {
          // The freeze hits after the limiter gave its permit and before the signature.
          credentials: () => {
            if (!frozen) clock.jump(20 * minute)
            frozen = true
            return credentials()
          },
        },
        clock,
      )
      await client.send(DeleteImagePersonal, deletion)
      expect(platform.calls).toHaveLength(1)
      expect(platform.calls[0]?.timestamp).toBe(1_700_000_000 + 20 * 60)
    })

    it('11: survives a freeze between signing and sending: the time is refused, and signed anew', async () => {
      const clock = hurriedClock()
      const inner = createTransport({ clock, allowedHosts: ['127.0.0.1'] })
      let frozen = false
      const transport: Transport = {
        send(request) {
          if (!frozen) clock.jump(20 * minute)
          frozen = true
          return inner.send({ ...request, deadline: request.deadline + 20 * minute })
        },
        close: () => inner.close(),
      }
      const { client, platform } = await stage(
        strict(() => clock.now()),
        { transport },
        clock,
      )
      await client.send(DeleteImagePersonal, deletion)
      expect(platform.calls.map((call) => call.timestamp - 1_700_000_000)).toEqual([0, 20 * 60])
    })

    it('is corrected once per call only, and then the error says by how much it is off', async () => {
      const clock = hurriedClock()
      const { client, platform } = await stage(
        (response) =>
          refuse(response, 'AuthFailure.SignatureExpire', 'expired', { date: new Date(clock.now() + 8 * minute).toUTCString() }),
        {},
        clock,
      )
      const error = await failure(client.send(DescribeClusters, {}))
      expect([error.kind, error.code, platform.calls.length]).toEqual(['cloud.clock-skew', 'AuthFailure.SignatureExpire', 2])
      expect(error.message).toContain("480 s ahead of this machine's")
    })

    it('is tried again once without a date as well: the signature may just have been old', async () => {
      const { client, platform } = await stage((response) => refuse(response, 'AuthFailure.SignatureExpire'))
      const error = await failure(client.send(DescribeClusters, {}))
      expect(error.message).toContain('do not say how far')
      expect(platform.calls).toHaveLength(2)
    })

    it('is suspected of a refused signature only when it is far off', async () => {
      const clock = hurriedClock()
      const near = await stage(
        (response) => refuse(response, 'AuthFailure.SignatureFailure', 'bad', { date: new Date(clock.now() + 3 * minute).toUTCString() }),
        {},
        clock,
      )
      expect((await failure(near.client.send(DescribeClusters, {}))).kind).toBe('cloud.credentials')
      expect(near.platform.calls).toHaveLength(1)
      const far = await stage(
        (response, _call, index) => {
          const headers = { date: new Date(clock.now() + 8 * minute).toUTCString() }
          if (index === 0) refuse(response, 'AuthFailure.SignatureFailure', 'bad', headers)
          else succeed(response, { TotalCount: 0, Clusters: [] }, headers)
        },
        {},
        clock,
      )
      await far.client.send(DescribeClusters, {})
      expect(far.platform.calls.map((call) => call.timestamp - 1_700_000_000)).toEqual([0, 480])
    })
  })

  describe('credentials', () => {
    it('are asked before every try and fetched anew once when the token is refused', async () => {
      const sets: Credentials[] = ['old', 'new'].map((token) => ({ secretId: 'AKIDEXAMPLE', secretKey: 'key', token }))
      let asked = 0
      const source: CredentialSource = async () => sets[Math.min(asked++, 1)] ?? { secretId: '', secretKey: '' }
      const { client, platform, events } = await stage(
        (response, call) => (call.headers['x-tc-token'] === 'old' ? refuse(response, 'AuthFailure.TokenFailure') : succeed(response)),
        { credentials: source },
      )
      await client.send(DeleteImagePersonal, deletion)
      expect(platform.calls.map((call) => call.headers['x-tc-token'])).toEqual(['old', 'new'])
      expect(events.map((event) => event.retryInMs)).toEqual([0, undefined])
    })

    it('that stay the same are not sent again', async () => {
      const { client, platform } = await stage((response) => refuse(response, 'AuthFailure.TokenFailure'))
      const error = await failure(client.send(DeleteImagePersonal, deletion))
      expect([error.kind, error.code, platform.calls.length]).toEqual(['cloud.credentials', 'AuthFailure.TokenFailure', 1])
    })

    it('that change with every question are tried twice at most', async () => {
      let asked = 0
      const { client, platform } = await stage((response) => refuse(response, 'AuthFailure.TokenFailure'), {
        credentials: async () => ({ secretId: 'AKIDEXAMPLE', secretKey: 'key', token: `t${asked++}` }),
      })
      await failure(client.send(DescribeClusters, {}))
      expect(platform.calls).toHaveLength(2)
    })

    it('that do not come end the call in time', async () => {
      const hanging = await stage((response) => succeed(response), { credentials: () => new Promise(() => undefined), timeoutMs: 5000 })
      const late = await failure(hanging.client.send(DescribeClusters, {}))
      expect([late.kind, late.retryable]).toEqual(['cloud.credentials', true])
      const short = await failure(hanging.client.send(DescribeClusters, {}, { deadline: hanging.clock.now() + 100 }))
      expect(short.kind).toBe('cloud.deadline')
    })

    it('that fail end the call with their own error, and the next call asks again', async () => {
      let asked = 0
      const refusal = new CloudError('Credentials: none.', {
        kind: 'cloud.credentials',
        code: 'credentials.absent',
        action: 'credentials',
        retryable: false,
      })
      const { client, platform } = await stage((response) => succeed(response, { TotalCount: 0, Clusters: [] }), {
        credentials: () => (asked++ === 0 ? Promise.reject(refusal) : credentials()),
      })
      expect(await failure(client.send(DescribeClusters, {}))).toBe(refusal)
      await client.send(DescribeClusters, {})
      expect(platform.calls).toHaveLength(1)
    })

    it('19: never show in an error or an event', async () => {
      const echo: Answering = (response, call) =>
        refuse(response, 'InvalidParameter', `you sent ${JSON.stringify(call.headers)} ExampleKeyThatMustNotShow`)
      const { client, events } = await stage(echo)
      const errors = [await failure(client.send(DescribeClusters, {})), await failure(client.send(DeleteImagePersonal, deletion))]
      const dead = await stage((response) => void response.destroy())
      errors.push(await failure(dead.client.send(DeleteImagePersonal, deletion)), await failure(dead.client.send(DescribeClusters, {})))
      const everything: string[] = [JSON.stringify([...events, ...dead.events])]
      for (const error of errors)
        for (let at: unknown = error; at instanceof Error; at = at.cause) everything.push(at.message, at.stack ?? '', JSON.stringify(at))
      for (const text of everything) {
        expect(text).not.toContain('ExampleKeyThatMustNotShow')
        expect(text).not.toContain('ExampleTokenThatMustNotShow')
      }
    })
  })

  describe('the caller’s signal', () => {
    it('ends a call before it is sent, and while it waits for the rate limit or a retry', async () => {
      const { client, platform } = await stage((response) => succeed(response, { TotalCount: 0, Clusters: [] }))
      expect((await failure(client.send(DescribeClusters, {}, { signal: AbortSignal.abort() }))).kind).toBe('cloud.aborted')
      expect(platform.calls).toHaveLength(0)

      const clock = manualClock()
      const waiting = await startPlatform((response) => refuse(response, 'RequestLimitExceeded'))
      const patient = createClient({
        credentials,
        region: 'r',
        endpoint: { kind: 'url', url: waiting.url },
        clock,
        transport: createTransport({ clock, allowedHosts: ['127.0.0.1'] }),
        random: () => 0.9,
        rateShare: 0.05,
      })
      open.push(patient, waiting)
      const end = new AbortController()
      const first = failure(patient.send(DescribeClusters, {}, { signal: end.signal }))
      const second = failure(patient.send(DescribeClusters, {}, { signal: end.signal }))
      await expect.poll(() => clock.sleeperCount, { interval: 5 }).toBe(2)
      end.abort()
      expect([(await first).kind, (await second).kind]).toEqual(['cloud.aborted', 'cloud.aborted'])
      expect([clock.sleeperCount, waiting.calls.length]).toEqual([0, 1])
    })

    it('ends a read that is under way; a write that was sent is unknown', async () => {
      for (const [action, request, kind] of [
        [DescribeClusters, {}, 'cloud.aborted'],
        [DeleteImagePersonal, deletion, 'cloud.unknown-outcome'],
      ] as const) {
        const end = new AbortController()
        const { client } = await stage(() => end.abort())
        expect((await failure(client.send(action, request, { signal: end.signal }))).kind).toBe(kind)
      }
    })

    it('ends a call that waits for credentials', async () => {
      const clock = manualClock()
      const client = createClient({
        credentials: () => new Promise(() => undefined),
        region: 'r',
        endpoint: { kind: 'url', url: 'http://127.0.0.1:1' },
        clock,
        transport: createTransport({ clock, allowedHosts: [] }),
        random: () => 0,
      })
      const end = new AbortController()
      const error = failure(client.send(DescribeClusters, {}, { signal: end.signal }))
      await settle()
      end.abort()
      expect((await error).kind).toBe('cloud.aborted')
    })
  })

  describe('an observer', () => {
    it('that throws changes nothing but is shown as a warning', async () => {
      const warnings: Error[] = []
      const listen = (warning: Error): void => void warnings.push(warning)
      process.on('warning', listen)
      const { client } = await stage((response) => succeed(response), {
        onAttempt: () => {
          throw new Error('observer is broken')
        },
      })
      expect(await client.send(DeleteImagePersonal, deletion)).toEqual({ RequestId: 'req-1' })
      await expect.poll(() => warnings.map((warning) => warning.message)).toContain('observer is broken')
      process.off('warning', listen)
    })

    it('learns how long a try waited and took', async () => {
      const { client, events } = await stage((response) => succeed(response, { TotalCount: 0, Clusters: [] }), { rateShare: 0.05 })
      await client.send(DescribeClusters, {})
      await client.send(DescribeClusters, {})
      expect(events.map((event) => event.waitedMs)).toEqual([0, 1001])
    })
  })

  describe('a reader', () => {
    it('reads, and refuses writes that the compiler did not see', async () => {
      const { client, platform } = await stage((response) => succeed(response, { TotalCount: 0, Clusters: [] }))
      const reader = asReader(client)
      await reader.send(DescribeClusters, {})
      const unchecked = reader as unknown as CloudClient
      const error = await failure(unchecked.send(DeleteImagePersonal, deletion))
      expect([error.kind, error.action]).toEqual(['cloud.not-allowed', 'tcr.DeleteImagePersonal'])
      expect(platform.countOf('DeleteImagePersonal')).toBe(0)
      expect(Object.keys(reader)).toEqual(['send'])
    })

    it('does not compile with a write', () => {
      const reader = {} as CloudReader
      // @ts-expect-error DeleteImagePersonal writes
      const send = () => reader.send(DeleteImagePersonal, deletion)
      expect(send).toThrow()
    })
  })
})

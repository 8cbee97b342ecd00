import { createServer, connect as netConnect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Clock, systemClock } from '#cloud/clock.ts'
import { TransportError } from '#cloud/transport-error.ts'
import type { Transport, TransportFactory, TransportOptions, WireAnswer, WireRequest } from '#cloud/wire.ts'
import { answerText, type RawServer, type RawServerOptions, startRawServer, testCa } from './raw-server.ts'

/** What every transport must do, over real sockets. */
export function describeTransport(name: string, createTransport: TransportFactory): void {
  describe(name, () => {
    const open: { close(): Promise<void> }[] = []

    const server = async (onRequest: RawServerOptions['onRequest'], certificate?: RawServerOptions['certificate']): Promise<RawServer> => {
      const started = await startRawServer({ onRequest, ...(certificate === undefined ? {} : { certificate }) })
      open.push(started)
      return started
    }
    const transport = (options: Partial<TransportOptions> = {}): Transport => {
      const created = createTransport({ clock: systemClock, allowedHosts: ['127.0.0.1', 'localhost'], ...options })
      open.unshift(created)
      return created
    }
    const get = (port: number, extra: Partial<WireRequest> = {}): WireRequest => ({
      origin: `http://127.0.0.1:${port}`,
      method: 'GET',
      path: '/',
      headers: { host: `127.0.0.1:${port}` },
      deadline: Date.now() + 2000,
      repeatable: true,
      ...extra,
    })
    const post = (port: number, extra: Partial<WireRequest> = {}): WireRequest =>
      get(port, {
        method: 'POST',
        body: '{}',
        repeatable: false,
        headers: { host: `127.0.0.1:${port}`, 'content-type': 'application/json' },
        ...extra,
      })
    const failure = async (answer: Promise<WireAnswer>): Promise<TransportError> => {
      const error: unknown = await answer.then(
        (got) => new Error(`answered with ${got.status}`),
        (reason: unknown) => reason,
      )
      if (!(error instanceof TransportError)) throw error
      return error
    }

    beforeEach(() => {
      open.length = 0
    })
    afterEach(async () => {
      for (const each of open) await each.close()
    })

    describe('a request and its answer', () => {
      it('sends method, path, headers and body exactly and gives back status, headers and body', async () => {
        const at = await server((socket) =>
          socket.write(answerText('{"名":1}', { status: '418 Teapot', headers: ['X-Seen: yes', 'Date: Mon, 24 Nov 2025 00:00:00 GMT'] })),
        )
        const answer = await transport().send(
          post(at.port, {
            body: '{"Filters":["集群"]}',
            path: '/?a=%27b',
            headers: { host: 'tke.example.test', 'x-tc-action': 'DescribeClusters' },
          }),
        )
        expect(answer.status).toBe(418)
        expect(answer.headers['x-seen']).toBe('yes')
        expect(answer.headers.date).toBe('Mon, 24 Nov 2025 00:00:00 GMT')
        expect(answer.body.toString('utf8')).toBe('{"名":1}')
        const [seen] = at.requests
        expect(seen?.head.split('\r\n')[0]).toBe('POST /?a=%27b HTTP/1.1')
        expect(seen?.head.toLowerCase()).toContain('\r\nhost: tke.example.test')
        expect(seen?.head.toLowerCase()).toContain('\r\nx-tc-action: describeclusters')
        expect(seen?.head.toLowerCase().match(/\r\nhost:/g)).toHaveLength(1)
        expect(seen?.body).toBe('{"Filters":["集群"]}')
      })

      it('asks for no compression', async () => {
        const at = await server((socket) => socket.write(answerText('{}')))
        await transport().send(get(at.port))
        expect(at.requests[0]?.head.toLowerCase()).not.toContain('accept-encoding')
      })

      it('sends a GET without body and a POST with an empty one', async () => {
        const at = await server((socket) => socket.write(answerText('{}')))
        const wire = transport()
        await wire.send(get(at.port, { body: '' }))
        await wire.send(post(at.port, { body: '' }))
        expect(at.requests[0]?.head.toLowerCase()).not.toContain('content-length')
        expect(at.requests[1]?.head.toLowerCase()).toContain('content-length: 0')
      })

      it('reads chunked answers, answers without length that end with the connection, and large ones', async () => {
        const large = 'x'.repeat(3_000_000)
        const at = await server((socket, { ordinal, connection }) => {
          if (connection === 1 && ordinal === 1)
            socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n')
          else if (connection === 1 && ordinal === 2) socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nto the end')
          else socket.write(answerText(large))
        })
        const wire = transport()
        expect((await wire.send(get(at.port))).body.toString()).toBe('abcde')
        expect((await wire.send(get(at.port))).body.toString()).toBe('to the end')
        expect((await wire.send(get(at.port))).body.toString()).toBe(large)
      })

      it('passes over informational answers', async () => {
        const at = await server((socket) => socket.write(`HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${answerText('{"done":true}')}`))
        const answer = await transport().send(get(at.port))
        expect([answer.status, answer.body.toString()]).toEqual([200, '{"done":true}'])
      })

      it('carries a large body', async () => {
        const at = await server((socket) => socket.write(answerText('{}')))
        const body = JSON.stringify({ text: 'y'.repeat(2_000_000) })
        await transport().send(post(at.port, { body }))
        expect(at.requests[0]?.body).toBe(body)
      })
    })

    describe('connections', () => {
      it('uses one connection for calls one after the other', async () => {
        const at = await server((socket) => socket.write(answerText('{}')))
        const wire = transport()
        for (let index = 0; index < 5; index += 1) await wire.send(get(at.port))
        expect(at.connectionCount).toBe(1)
        expect(at.requests).toHaveLength(5)
      })

      it('lets a write ride only on a connection that outlived an answer: on its own, after two, or after a rest', async () => {
        const at = await server((socket) => socket.write(answerText('{}')))
        const wire = transport()
        await wire.send(get(at.port))
        await wire.send(post(at.port))
        await wire.send(get(at.port))
        await wire.send(post(at.port))
        expect(at.requests.map((request) => request.connection)).toEqual([1, 2, 2, 2])
        const rested = transport()
        await rested.send(post(at.port))
        await sleep(70)
        await rested.send(post(at.port))
        expect(at.connectionCount).toBe(3)
      })

      it('makes at most the configured number of connections and answers everybody, in order', async () => {
        let busy = 0
        let busiest = 0
        const at = await server((socket) => {
          busy += 1
          busiest = Math.max(busiest, busy)
          setTimeout(() => {
            busy -= 1
            socket.write(answerText('{}'))
          }, 5)
        })
        const wire = transport({ maxConnections: 3 })
        const done: number[] = []
        await Promise.all(
          Array.from({ length: 12 }, (_, index) =>
            wire.send(post(at.port, { body: String(index), repeatable: true })).then(() => done.push(index)),
          ),
        )
        expect(at.connectionCount).toBe(3)
        expect(busiest).toBe(3)
        expect(done).toHaveLength(12)
        expect(at.requests.slice(3).map((request) => Number(request.body))).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11])
      })

      it('does not pipeline: the next request leaves after the answer', async () => {
        const order: string[] = []
        const at = await server((socket, { ordinal }) => {
          order.push(`request ${ordinal}`)
          setTimeout(() => {
            order.push(`answer ${ordinal}`)
            socket.write(answerText('{}'))
          }, 10)
        })
        const wire = transport({ maxConnections: 1 })
        await Promise.all([wire.send(get(at.port)), wire.send(get(at.port))])
        expect(order).toEqual(['request 1', 'answer 1', 'request 2', 'answer 2'])
      })

      it.each([6, 12, 30])('sends %i writes side by side right after as many reads, again and again', async (count) => {
        const at = await server((socket) => setTimeout(() => socket.write(answerText('{}')), 3))
        const wire = transport()
        // What is proven by these is first among the unused connections; what the reads open is behind it and is not proven.
        for (let index = 0; index < 3; index += 1) await wire.send(get(at.port))
        for (let round = 0; round < 4; round += 1) {
          await Promise.all(Array.from({ length: count }, () => wire.send(get(at.port))))
          await Promise.all(Array.from({ length: count }, () => wire.send(post(at.port))))
        }
        expect(at.requests).toHaveLength(3 + 8 * count)
        // The first reads leave connections that are not proven; those of the writes serve every later round.
        expect(at.connectionCount).toBeLessThanOrEqual(2 * count)
        await expect.poll(() => at.openCount, { interval: 5 }).toBeLessThanOrEqual(count)
        await wire.close()
        await expect.poll(() => at.openCount, { interval: 5 }).toBe(0)
      })

      it('sends reads and writes mixed, although some of the connections that wait are given up for each write', async () => {
        const at = await server((socket, { ordinal }) => setTimeout(() => socket.write(answerText('{}')), ordinal % 4))
        const wire = transport({ maxConnections: 12 })
        await Promise.all(Array.from({ length: 12 }, () => wire.send(get(at.port))))
        for (let round = 0; round < 5; round += 1) {
          await Promise.all(Array.from({ length: 40 }, (_, index) => wire.send((index + round) % 3 === 0 ? post(at.port) : get(at.port))))
        }
        expect(at.requests).toHaveLength(12 + 5 * 40)
        await expect.poll(() => at.openCount, { interval: 5 }).toBeLessThanOrEqual(12)
      })

      it('gives up every unused connection that the server has closed, also when several writes come at once', async () => {
        const at = await server((socket, { ordinal }) => {
          socket.write(answerText('{}'))
          if (ordinal === 2) setTimeout(() => socket.resetAndDestroy(), 20)
        })
        const wire = transport()
        for (let round = 0; round < 2; round += 1) await Promise.all(Array.from({ length: 10 }, () => wire.send(get(at.port))))
        await expect.poll(() => at.openCount, { interval: 5 }).toBe(0)
        await Promise.all(Array.from({ length: 10 }, () => wire.send(post(at.port))))
        expect(at.connectionCount).toBe(20)
      })

      it('goes on after an answer with connection: close', async () => {
        const at = await server((socket) => socket.end(answerText('{}', { headers: ['connection: close'] })))
        const wire = transport()
        for (let index = 0; index < 3; index += 1) await wire.send(post(at.port))
        expect(at.connectionCount).toBe(3)
      })

      it('sees that an unused connection was closed before it writes on it, so that a write survives', async () => {
        // Keeps alive by its headers, but closes after every answer: the SDK fails every second call on such a server.
        const at = await server((socket) => socket.end(answerText('{}')))
        const wire = transport()
        for (let index = 0; index < 20; index += 1) await wire.send(post(at.port))
        expect(at.requests).toHaveLength(20)
      })

      it('sends a read again, once and on a new connection, when a kept-alive one dies without a byte', async () => {
        const at = await server((socket, { ordinal }) => {
          if (ordinal === 1) socket.write(answerText('{}'))
          else socket.destroy()
        })
        const wire = transport()
        const events: string[] = []
        const beforeResend = async (): Promise<void> => {
          events.push('before resend')
        }
        const onDeparture = (): void => void events.push('departure')
        await wire.send(get(at.port, { beforeResend, onDeparture }))
        const answer = await wire.send(get(at.port, { beforeResend, onDeparture }))
        expect(answer.status).toBe(200)
        expect(events).toEqual(['departure', 'departure', 'before resend', 'departure'])
        expect(at.requests.map((request) => [request.connection, request.ordinal])).toEqual([
          [1, 1],
          [1, 2],
          [2, 1],
        ])
      })

      it('does not send a write again when a kept-alive connection dies without a byte', async () => {
        const at = await server((socket, { ordinal }) => {
          if (ordinal === 1) socket.write(answerText('{}'))
          else socket.destroy()
        })
        const wire = transport()
        await wire.send(post(at.port))
        await sleep(70)
        const error = await failure(wire.send(post(at.port)))
        expect([error.kind, error.sent, error.code]).toEqual(['network', true, 'ECONNRESET'])
        expect(at.requests.map((request) => [request.connection, request.ordinal])).toEqual([
          [1, 1],
          [1, 2],
        ])
      })

      it('does not send a read again on a new connection that dies, nor after a byte of the answer', async () => {
        const at = await server((socket, { connection, ordinal }) => {
          if (connection === 1) socket.destroy()
          else if (ordinal === 1) socket.write(answerText('{}'))
          else socket.write('HTTP/1.1 2', () => socket.destroy())
        })
        const wire = transport()
        const first = await failure(wire.send(get(at.port)))
        expect([first.kind, first.sent]).toEqual(['network', true])
        await wire.send(get(at.port))
        const second = await failure(wire.send(get(at.port)))
        expect([second.kind, second.sent]).toEqual(['network', true])
        expect(at.requests).toHaveLength(3)
      })

      it('leaves the copy out when its caller refuses it, and reports the first failure', async () => {
        const at = await server((socket, { ordinal }) => {
          if (ordinal === 1) socket.write(answerText('{}'))
          else socket.destroy()
        })
        const wire = transport()
        await wire.send(get(at.port))
        const error = await failure(wire.send(get(at.port, { beforeResend: () => Promise.reject(new Error('no room')) })))
        expect([error.kind, error.code]).toEqual(['network', 'ECONNRESET'])
        expect(at.requests).toHaveLength(2)
      })

      it('gives up its connections after a freeze of the process', async () => {
        const at = await server((socket) => socket.write(answerText('{}')))
        let frozenMs = 0
        const clock: Clock = { ...systemClock, now: () => Date.now() + frozenMs }
        const wire = transport({ clock })
        await wire.send(get(at.port))
        await wire.send(get(at.port))
        frozenMs = 60_000
        await wire.send(post(at.port, { deadline: Date.now() + 62_000 }))
        expect(at.requests.map((request) => request.connection)).toEqual([1, 1, 2])
      })

      it('keeps the connection of a call that took longer than the keep-alive time', async () => {
        const at = await server((socket) => setTimeout(() => socket.write(answerText('{}')), 120))
        const wire = transport({ keepAliveMs: 80 })
        for (let index = 0; index < 3; index += 1) await wire.send(get(at.port))
        expect(at.connectionCount).toBe(1)
      })

      it('ends connections that are unused for the keep-alive time', async () => {
        const at = await server((socket) => socket.write(answerText('{}')))
        await transport({ keepAliveMs: 60 }).send(post(at.port))
        expect(at.openCount).toBe(1)
        await expect.poll(() => at.openCount, { timeout: 1500, interval: 20 }).toBe(0)
      })

      it('reports a refused connection as not sent', async () => {
        const at = await server(() => undefined)
        await at.close()
        const error = await failure(transport().send(post(at.port)))
        expect([error.kind, error.sent, error.code]).toEqual(['not-sent', false, 'ECONNREFUSED'])
        expect(error.message).toContain(`127.0.0.1:${at.port}`)
      })

      it('serves those who wait after a connection failed', async () => {
        const at = await server((socket, { connection }) => {
          if (connection === 1) socket.destroy()
          else socket.write(answerText('{}'))
        })
        const wire = transport({ maxConnections: 1 })
        const [first, second, third] = await Promise.allSettled([
          wire.send(post(at.port)),
          wire.send(post(at.port)),
          wire.send(post(at.port)),
        ])
        expect([first?.status, second?.status, third?.status]).toEqual(['rejected', 'fulfilled', 'fulfilled'])
      })
    })

    describe('one deadline over everything', () => {
      const within = async (ms: number, work: () => Promise<TransportError>): Promise<TransportError> => {
        const startedAt = performance.now()
        const error = await work()
        expect(performance.now() - startedAt).toBeLessThan(ms)
        return error
      }

      it('covers making the connection, and then nothing was sent', async () => {
        // Accepts TCP but never answers the TLS handshake.
        const at = await server(() => undefined)
        const wire = transport({ ca: testCa })
        const error = await within(600, () =>
          failure(wire.send(post(at.port, { origin: `https://127.0.0.1:${at.port}`, deadline: Date.now() + 80 }))),
        )
        expect([error.kind, error.sent]).toEqual(['timeout', false])
      })

      it('has a shorter limit for the connection alone', async () => {
        const at = await server(() => undefined)
        const wire = transport({ ca: testCa, connectTimeoutMs: 60 })
        const error = await within(600, () => failure(wire.send(post(at.port, { origin: `https://127.0.0.1:${at.port}` }))))
        expect([error.kind, error.sent, error.code]).toEqual(['not-sent', false, 'ETIMEDOUT'])
      })

      it('covers waiting for the head', async () => {
        const at = await server(() => undefined)
        const error = await within(600, () => failure(transport().send(post(at.port, { deadline: Date.now() + 80 }))))
        expect([error.kind, error.sent, error.status]).toEqual(['timeout', true, undefined])
        expect(at.requests).toHaveLength(1)
      })

      it('covers a body that trickles on for ever', async () => {
        const at = await server((socket) => {
          socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
          const drip = setInterval(() => socket.write('1\r\nx\r\n'), 15)
          socket.on('close', () => clearInterval(drip))
        })
        const error = await within(600, () => failure(transport().send(get(at.port, { deadline: Date.now() + 100 }))))
        expect([error.kind, error.sent, error.status]).toEqual(['timeout', true, 200])
      })

      it('covers waiting for a free connection', async () => {
        const at = await server((socket, { ordinal }) => {
          if (ordinal > 1) socket.write(answerText('{}'))
          else setTimeout(() => socket.write(answerText('{}')), 150)
        })
        const wire = transport({ maxConnections: 1 })
        const first = wire.send(get(at.port))
        let departed = false
        const onDeparture = (): void => {
          departed = true
        }
        const second = await within(600, () => failure(wire.send(post(at.port, { deadline: Date.now() + 40, onDeparture }))))
        expect([second.kind, second.sent, departed]).toEqual(['timeout', false, false])
        expect((await first).status).toBe(200)
        await wire.send(get(at.port))
        expect(at.requests).toHaveLength(2)
      })

      it('refuses at once when it has passed already', async () => {
        const at = await server((socket) => socket.write(answerText('{}')))
        const error = await failure(transport().send(get(at.port, { deadline: Date.now() - 1 })))
        expect([error.kind, error.sent]).toEqual(['timeout', false])
        expect(at.connectionCount).toBe(0)
      })

      it('does not use a connection again whose answer was cut', async () => {
        const at = await server((socket, { connection }) => {
          if (connection > 1) socket.write(answerText('"second"'))
          else setTimeout(() => socket.write(answerText('"first"')), 100)
        })
        const wire = transport()
        await failure(wire.send(get(at.port, { deadline: Date.now() + 30 })))
        expect((await wire.send(get(at.port))).body.toString()).toBe('"second"')
        await sleep(120)
        expect((await wire.send(get(at.port))).body.toString()).toBe('"second"')
      })
    })

    describe('the caller ends it', () => {
      it('before it is sent', async () => {
        const at = await server((socket) => socket.write(answerText('{}')))
        const error = await failure(transport().send(get(at.port, { signal: AbortSignal.abort() })))
        expect([error.kind, error.sent]).toEqual(['aborted', false])
        expect(at.connectionCount).toBe(0)
      })

      it('while it waits for the answer, and the connection is ended', async () => {
        const end = new AbortController()
        const at = await server(() => end.abort())
        const error = await failure(transport().send(post(at.port, { signal: end.signal })))
        expect([error.kind, error.sent]).toEqual(['aborted', true])
        await expect.poll(() => at.openCount, { interval: 5 }).toBe(0)
      })

      it('while it waits for a connection', async () => {
        const end = new AbortController()
        const at = await server((socket) => setTimeout(() => socket.write(answerText('{}')), 60))
        const wire = transport({ maxConnections: 1 })
        const first = wire.send(get(at.port))
        const second = failure(wire.send(post(at.port, { signal: end.signal })))
        end.abort()
        expect([(await second).kind, (await second).sent]).toEqual(['aborted', false])
        expect((await first).status).toBe(200)
        expect(at.requests).toHaveLength(1)
      })

      it('leaves no listener on a signal that outlives the call', async () => {
        const at = await server((socket) => socket.write(answerText('{}')))
        const end = new AbortController()
        let listeners = 0
        const add = end.signal.addEventListener.bind(end.signal)
        const remove = end.signal.removeEventListener.bind(end.signal)
        end.signal.addEventListener = (...args: Parameters<typeof add>) => {
          listeners += 1
          add(...args)
        }
        end.signal.removeEventListener = (...args: Parameters<typeof remove>) => {
          listeners -= 1
          remove(...args)
        }
        await transport().send(get(at.port, { signal: end.signal }))
        expect(listeners).toBe(0)
      })
    })

    describe('answers that are none', () => {
      it.each([
        ['is shorter than announced', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"half":'],
        ['ends between chunks', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n8\r\n{"half":\r\n'],
        ['ends inside a chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n20\r\n{"half":'],
      ])('one that %s is an error at once', async (_what, text) => {
        for (const ending of ['end', 'destroy'] as const) {
          const at = await server((socket) => {
            if (ending === 'end') socket.end(text)
            else socket.write(text, () => setTimeout(() => socket.destroy(), 20))
          })
          const startedAt = performance.now()
          const error = await failure(transport().send(get(at.port)))
          expect(performance.now() - startedAt).toBeLessThan(1000)
          expect([error.kind, error.sent, error.status]).toEqual(['network', true, 200])
          expect(at.requests).toHaveLength(1)
        }
      })

      it('one that is no HTTP', async () => {
        const at = await server((socket) => socket.write('SSH-2.0-OpenSSH_9.6\r\n'))
        const error = await failure(transport().send(post(at.port)))
        expect([error.kind, error.sent]).toEqual(['network', true])
      })

      it('one larger than the limit, announced or not, while it arrives', async () => {
        const at = await server((socket, { connection }) => {
          if (connection === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 999999\r\n\r\nx')
          else {
            socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
            const flood = setInterval(() => socket.write(`190\r\n${'x'.repeat(400)}\r\n`), 5)
            socket.on('close', () => clearInterval(flood))
          }
        })
        const wire = transport({ maxAnswerBytes: 1000 })
        for (let index = 0; index < 2; index += 1) {
          const error = await failure(wire.send(get(at.port)))
          expect([error.kind, error.sent]).toEqual(['too-large', true])
          expect(error.message).toContain('1000 bytes')
        }
        await expect.poll(() => at.openCount, { interval: 5 }).toBe(0)
      })

      it('takes one of exactly the limit', async () => {
        const at = await server((socket) => socket.write(answerText('x'.repeat(1000))))
        expect((await transport({ maxAnswerBytes: 1000 }).send(get(at.port))).body).toHaveLength(1000)
      })

      it.each(['301 Moved', '302 Found', '303 See Other', '307 Temporary', '308 Permanent'])(
        'a redirect (%s) is not followed and names its host only',
        async (status) => {
          const other = await server((socket) => socket.write(answerText('{}')))
          const at = await server((socket) =>
            socket.write(answerText('moved', { status, headers: [`location: http://127.0.0.1:${other.port}/login?token=secret`] })),
          )
          const error = await failure(transport().send(post(at.port, { headers: { host: 'x', 'x-tc-token': 'token-value' } })))
          expect([error.kind, error.sent, error.status]).toEqual(['redirect', true, Number(status.slice(0, 3))])
          expect(error.message).toContain(`http://127.0.0.1:${other.port}`)
          expect(error.message).not.toContain('secret')
          expect(error.message).not.toContain('token-value')
          expect(other.connectionCount).toBe(0)
        },
      )

      it('a redirect without location, and one with nonsense', async () => {
        const at = await server((socket, { ordinal }) =>
          socket.write(answerText('', { status: '302 Found', headers: ordinal === 1 ? [] : ['location: http://['] })),
        )
        const wire = transport()
        expect((await failure(wire.send(get(at.port)))).kind).toBe('redirect')
        expect((await failure(wire.send(get(at.port)))).kind).toBe('redirect')
      })
    })

    describe('where it may go', () => {
      it('refuses a host that is not listed before it connects', async () => {
        const at = await server((socket) => socket.write(answerText('{}')))
        for (const allowedHosts of [[], ['tke.example.test'], ['127.0.0.2'], [`127.0.0.1:${at.port + 1}`]]) {
          const error = await failure(transport({ allowedHosts }).send(get(at.port)))
          expect([error.kind, error.sent]).toEqual(['not-allowed', false])
          expect(error.message).toContain(`127.0.0.1:${at.port}`)
          expect(error.message).toContain('platform.allowedHosts')
        }
        expect(at.connectionCount).toBe(0)
        await transport({ allowedHosts: [`127.0.0.1:${at.port}`] }).send(get(at.port))
      })

      it.each([
        'http://127.0.0.1@evil.example',
        'http://evil.example/127.0.0.1',
        'ftp://127.0.0.1',
        '127.0.0.1',
        'http://127.0.0.1#x',
        'http://127.0.0.1:80/?q',
        '',
      ])('refuses the address %j', async (origin) => {
        const error = await failure(transport().send(get(1, { origin })))
        expect([error.kind, error.sent]).toEqual(['not-allowed', false])
      })

      it('refuses plain HTTP to another machine unless that is allowed', async () => {
        const allowedHosts = ['tke.example.test']
        const request = get(80, { origin: 'http://tke.example.test' })
        const refused = await failure(transport({ allowedHosts }).send(request))
        expect([refused.kind, refused.sent]).toEqual(['not-allowed', false])
        expect(refused.message).toContain('allowInsecureHttp')
        const proxy = await server((socket) => socket.write(answerText('{}')))
        const answer = await transport({
          allowedHosts,
          allowInsecureHttp: true,
          environment: { http_proxy: `http://127.0.0.1:${proxy.port}` },
        }).send(request)
        expect(answer.status).toBe(200)
      })

      it('does not start with a list of hosts it cannot read', () => {
        for (const entry of ['https://tke.example.test', 'tke.example.test/', '*.example.test', '', 'a b']) {
          expect(() => transport({ allowedHosts: [entry] })).toThrow(/allowed hosts/)
        }
      })
    })

    describe('TLS', () => {
      const over = (port: number, extra: Partial<WireRequest> = {}): WireRequest =>
        get(port, { origin: `https://127.0.0.1:${port}`, ...extra })

      it('trusts a private authority, by address and by name, given as text or as list', async () => {
        const at = await server((socket) => socket.write(answerText('{"tls":true}')), 'server')
        for (const ca of [testCa, [testCa], `${testCa}\n${testCa}`]) {
          const wire = transport({ ca })
          expect((await wire.send(over(at.port))).body.toString()).toBe('{"tls":true}')
          expect((await wire.send(over(at.port, { origin: `https://localhost:${at.port}` }))).status).toBe(200)
          await wire.send(over(at.port))
        }
        expect(at.connectionCount).toBe(6)
      })

      it.each([
        ['of an unknown authority', 'server', undefined, 'platform.caFile'],
        ['for another name', 'other-name', testCa, 'another name than 127.0.0.1'],
        ['that has expired', 'expired', testCa, "Check this machine's clock"],
      ] as const)('refuses a certificate %s, and the request never leaves', async (_what, certificate, ca, advice) => {
        const at = await server((socket) => socket.write(answerText('{}')), certificate)
        const error = await failure(transport(ca === undefined ? {} : { ca }).send(over(at.port)))
        expect([error.kind, error.sent]).toEqual(['untrusted', false])
        expect(error.message).toContain(advice)
        await sleep(20)
        expect(at.requests).toHaveLength(0)
      })

      it('says so when the port does not speak TLS', async () => {
        const plain = createServer((socket) =>
          socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).on('error', () => undefined),
        )
        await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve))
        open.push({ close: () => new Promise((resolve) => plain.close(() => resolve())) })
        const address = plain.address()
        const error = await failure(transport({ ca: testCa }).send(over(typeof address === 'object' ? (address?.port ?? 0) : 0)))
        expect([error.kind, error.sent]).toEqual(['not-sent', false])
        expect(error.message).toContain('does not speak TLS')
      })
    })

    describe('proxies', () => {
      it('goes to an https host through a tunnel, with the user of the proxy', async () => {
        const target = await server((socket) => socket.write(answerText('{"far":true}')), 'server')
        const asked: string[] = []
        const proxy = await server((socket, request) => {
          asked.push(request.head)
          const upstream = netConnect({ host: '127.0.0.1', port: target.port }, () => {
            socket.removeAllListeners('data')
            socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
            socket.pipe(upstream).pipe(socket)
          })
          upstream.on('error', () => socket.destroy())
          socket.on('close', () => upstream.destroy())
        })
        const wire = transport({
          ca: testCa,
          allowedHosts: ['tke.example.test'],
          environment: { HTTPS_PROXY: `http://user:p%40ss@127.0.0.1:${proxy.port}` },
        })
        const request = get(443, { origin: 'https://tke.example.test', headers: { host: 'tke.example.test' } })
        expect((await wire.send(request)).body.toString()).toBe('{"far":true}')
        expect((await wire.send(request)).status).toBe(200)
        expect(asked).toHaveLength(1)
        expect(asked[0]).toContain('CONNECT tke.example.test:443 HTTP/1.1')
        expect(asked[0]).toContain(`proxy-authorization: Basic ${Buffer.from('user:p@ss').toString('base64')}`)
        expect(target.requests[0]?.head.toLowerCase()).not.toContain('proxy-authorization')
      })

      it('asks the proxy itself for a plain http host', async () => {
        const proxy = await server((socket) => socket.write(answerText('{}')))
        const wire = transport({
          allowInsecureHttp: true,
          allowedHosts: ['tke.example.test'],
          environment: { http_proxy: `http://user:pass@127.0.0.1:${proxy.port}` },
        })
        await wire.send(get(80, { origin: 'http://tke.example.test', path: '/?Limit=1', headers: { host: 'tke.example.test' } }))
        expect(proxy.requests[0]?.head.split('\r\n')[0]).toBe('GET http://tke.example.test/?Limit=1 HTTP/1.1')
        expect(proxy.requests[0]?.head.toLowerCase()).toContain('\r\nhost: tke.example.test')
        expect(proxy.requests[0]?.head.toLowerCase()).toContain(
          `\r\nproxy-authorization: ${`Basic ${Buffer.from('user:pass').toString('base64')}`.toLowerCase()}`,
        )
      })

      it.each([
        ['407 Proxy Authentication Required', 'proxy-407', 'https_proxy'],
        ['403 Forbidden', 'proxy-403', 'no_proxy'],
      ])('says what a proxy refused: %s', async (status, code, advice) => {
        const proxy = await server((socket) => socket.write(answerText('', { status })))
        const wire = transport({
          allowedHosts: ['tke.example.test'],
          environment: { https_proxy: `http://user:hunter2@127.0.0.1:${proxy.port}` },
        })
        const error = await failure(wire.send(post(443, { origin: 'https://tke.example.test' })))
        expect([error.kind, error.sent, error.code]).toEqual(['not-sent', false, code])
        expect(error.message).toContain(`127.0.0.1:${proxy.port}`)
        expect(error.message).toContain(advice)
        expect(error.message).not.toContain('hunter2')
      })

      it('leaves this machine and what no_proxy lists alone', async () => {
        const at = await server((socket) => socket.write(answerText('{}')))
        const wire = transport({ environment: { http_proxy: 'http://127.0.0.1:1', https_proxy: 'http://127.0.0.1:1' } })
        expect((await wire.send(get(at.port))).status).toBe(200)
      })
    })

    describe('closing', () => {
      it('ends unused connections and refuses what comes later', async () => {
        const at = await server((socket) => socket.write(answerText('{}')))
        const wire = transport()
        await Promise.all([wire.send(get(at.port)), wire.send(get(at.port))])
        await wire.close()
        await expect.poll(() => at.openCount, { interval: 5 }).toBe(0)
        const error = await failure(wire.send(get(at.port)))
        expect([error.kind, error.sent, error.code]).toEqual(['not-allowed', false, 'closed'])
        await wire.close()
      })

      it('lets what is under way end first', async () => {
        const at = await server((socket) => setTimeout(() => socket.write(answerText('"late"')), 50))
        const wire = transport({ maxConnections: 1 })
        const both = [wire.send(post(at.port)), wire.send(post(at.port))]
        const closing = Promise.all([wire.close(), wire.close()])
        expect(await Promise.all(both.map(async (each) => (await each).body.toString()))).toEqual(['"late"', '"late"'])
        await closing
        await expect.poll(() => at.openCount, { interval: 5 }).toBe(0)
      })
    })
  })
}

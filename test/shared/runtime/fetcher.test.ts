import type { Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '#cloud/clock.ts'
import { createTransport as createUndiciTransport } from '#cloud/transport.ts'
import { createTransport } from '#cloud/transport-https.ts'
import { FetchError, type FetchErrorKind, noFetch } from '#shared/runtime/fetch-text.ts'
import { createFetcher, type FetcherOptions, type FetchSettings } from '#shared/runtime/fetcher.ts'
import { answerText, type RawRequest, type RawServerOptions, startRawServer, testCa } from '../cloud/raw-server.ts'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

async function server(onRequest: (socket: Socket, request: RawRequest) => void, certificate?: RawServerOptions['certificate']) {
  const started = await startRawServer({ onRequest, ...(certificate === undefined ? {} : { certificate }) })
  open.push(started)
  return started
}

function fetcher(settings: Partial<FetchSettings> = {}, more: Partial<FetcherOptions> = {}) {
  const made = createFetcher({
    settings: { allowedHosts: ['127.0.0.1'], allowInsecureHttp: false, ...settings },
    clock: systemClock,
    createTransport,
    environment: {},
    ...more,
  })
  open.push(made)
  return made.fetchText
}

async function failureOf(fetching: Promise<string>): Promise<FetchError> {
  const error = await fetching.then(
    (text) => new Error(`it was read: ${text}`),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(FetchError)
  return error as FetchError
}

const answering =
  (text: string) =>
  (socket: Socket): void => {
    socket.write(text)
  }

describe.each([
  ['Node’s client', createTransport],
  ['undici', createUndiciTransport],
])('a text, fetched by %s', (_, transport) => {
  const by = (settings: Partial<FetchSettings> = {}, more: Partial<FetcherOptions> = {}) =>
    fetcher(settings, { createTransport: transport, ...more })

  it('comes by one GET without anything that names anybody', async () => {
    const { port, requests } = await server(answering(answerText('BEGIN:VCALENDAR\r\nSUMMARY:元旦\r\n')))
    expect(await by()(`http://127.0.0.1:${port}/cal/holidays.ics?year=2026#part`)).toBe('BEGIN:VCALENDAR\r\nSUMMARY:元旦\r\n')
    expect(requests).toHaveLength(1)
    const [line, ...headers] = requests[0]!.head.split('\r\n')
    expect(line).toBe('GET /cal/holidays.ics?year=2026 HTTP/1.1')
    expect(headers.map((header) => header.split(':')[0]?.toLowerCase()).toSorted()).toEqual(['accept', 'connection', 'host', 'user-agent'])
  })

  it('is not fetched from a host that is not listed, nor is a connection made', async () => {
    const { port, requests } = await server(answering(answerText('no')))
    const elsewhere = await failureOf(by({ allowedHosts: ['calendars.example.com'] })(`http://127.0.0.1:${port}/token-in-path`))
    expect(elsewhere.kind).toBe('fetch.not-allowed')
    expect(elsewhere.message).toMatch(/^127\.0\.0\.1:[0-9]+: the host is not listed in platform\.allowedHosts; nothing was sent/)
    const otherPort = await failureOf(by({ allowedHosts: ['127.0.0.1:1'] })(`http://127.0.0.1:${port}/token-in-path`))
    expect(otherPort.kind).toBe('fetch.not-allowed')
    expect(`${elsewhere.stack} ${otherPort.stack}`).not.toContain('token-in-path')
    expect(requests).toEqual([])
    expect(await by({ allowedHosts: [`127.0.0.1:${port}`] })(`http://127.0.0.1:${port}/`)).toBe('no')
  })

  it('21: is not fetched from where the server points to, in the list or not', async () => {
    const target = await server(answering(answerText('stolen')))
    for (const status of ['301 Moved Permanently', '302 Found', '303 See Other', '307 Temporary Redirect', '308 Permanent Redirect']) {
      const headers = [`location: http://127.0.0.1:${target.port}/secret-place`]
      const { port } = await server(answering(answerText('', { status, headers })))
      const error = await failureOf(by()(`http://127.0.0.1:${port}/`))
      expect(error.kind).toBe('fetch.not-allowed')
      expect(error.status).toBe(Number(status.slice(0, 3)))
      expect(error.message).toMatch(/redirects are not followed/)
    }
    expect(target.requests).toEqual([])
  })

  it.each(['204 No Content', '206 Partial Content', '401 Unauthorized', '404 Not Found', '500 Internal Server Error'])(
    'is no text with the status %s',
    async (status) => {
      const { port } = await server(answering(answerText('', { status })))
      const error = await failureOf(by()(`http://127.0.0.1:${port}/`))
      expect(error).toMatchObject({ kind: 'fetch.bad-status', status: Number(status.slice(0, 3)) })
    },
  )

  it('is at most as large as allowed, whether its size was announced or not', async () => {
    const largest = 1024 * 1024
    const sized = await server(answering(answerText('x'.repeat(largest))))
    expect(await by()(`http://127.0.0.1:${sized.port}/`)).toHaveLength(largest)
    const announced = await server(answering(answerText('x'.repeat(largest + 1))))
    expect((await failureOf(by()(`http://127.0.0.1:${announced.port}/`))).kind).toBe('fetch.too-large')
    const endless = await server((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
      const piece = 'y'.repeat(64 * 1024)
      // Whoever reads is in this process, too, and has to get its turn between two writes.
      const more = (error?: Error | null): void => {
        if (error == null && !socket.destroyed)
          socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`, (failure) => setImmediate(more, failure))
      }
      more()
    })
    expect((await failureOf(by()(`http://127.0.0.1:${endless.port}/`))).kind).toBe('fetch.too-large')
    const small = await server(answering(answerText('12345')))
    expect(await by()(`http://127.0.0.1:${small.port}/`, { maxBytes: 5 })).toBe('12345')
    const error = await failureOf(by()(`http://127.0.0.1:${small.port}/`, { maxBytes: 4 }))
    expect(error.message).toMatch(/larger than the 4 bytes that are allowed/)
  })

  it('comes in time or not at all, also when it trickles', async () => {
    const silent = await server(() => undefined)
    const error = await failureOf(by()(`http://127.0.0.1:${silent.port}/`, { timeoutMs: 60 }))
    expect(error).toMatchObject({ kind: 'fetch.failed', message: expect.stringContaining('in time') })
    const trickling = await server((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n')
      const timer = setInterval(() => socket.write('z'), 10)
      socket.on('close', () => clearInterval(timer))
    })
    const began = performance.now()
    expect((await failureOf(by()(`http://127.0.0.1:${trickling.port}/`, { timeoutMs: 120 }))).kind).toBe('fetch.failed')
    expect(performance.now() - began).toBeLessThan(2_000)
  })

  it('is given up when the run stops', async () => {
    const silent = await server(() => undefined)
    const stop = new AbortController()
    const fetching = failureOf(by()(`http://127.0.0.1:${silent.port}/`, { signal: stop.signal }))
    stop.abort()
    expect((await fetching).message).toMatch(/the run was stopped/)
  })

  it('is UTF-8, as it is', async () => {
    const bytes = (body: Buffer, headers = ''): ((socket: Socket) => void) => {
      const head = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n${headers}\r\n`)
      return (socket) => {
        socket.write(Buffer.concat([head, body]))
      }
    }
    const latin = await server(bytes(Buffer.from('Fr\xfchling', 'latin1')))
    expect((await failureOf(by()(`http://127.0.0.1:${latin.port}/`))).message).toMatch(/no text in UTF-8/)
    const packed = await server(bytes(Buffer.from([31, 139]), 'content-encoding: gzip\r\n'))
    expect((await failureOf(by()(`http://127.0.0.1:${packed.port}/`))).message).toMatch(/compressed \("gzip"\)/)
    const marked = await server(bytes(Buffer.from('\ufefftext')))
    expect(await by()(`http://127.0.0.1:${marked.port}/`)).toBe('text')
  })

  it('comes over TLS from a server that the authority of the installation vouches for, beside the well-known ones', async () => {
    const { port } = await server(answering(answerText('sealed')), 'server')
    const url = `https://localhost:${port}/`
    const settings = { allowedHosts: ['localhost'] }
    expect(await by(settings, { ca: testCa })(url)).toBe('sealed')
    const error = await failureOf(by(settings)(url))
    expect(error.kind).toBe('fetch.failed')
    expect(error.message).toMatch(/certificate is not trusted \([A-Z_]+\)\. .*platform\.caFile/)
    const wrongName = await server(answering(answerText('sealed')), 'other-name')
    expect((await failureOf(by(settings, { ca: testCa })(`https://localhost:${wrongName.port}/`))).kind).toBe('fetch.failed')
  })
})

describe('what is never fetched', () => {
  it.each<[string, RegExp]>([
    ['http://calendars.example.com/x', /plain HTTP to another machine is not allowed/],
    ['ftp://calendars.example.com/x', /begins with ftp:/],
    ['file:///etc/passwd', /begins with file:/],
    ['data:text/plain,x', /begins with data:/],
    ['holidays.ics', /is no URL/],
    ['https://me:hunter2@calendars.example.com/x', /holds a user name or a password/],
    ['https://calendars.example.com.evil.example/x', /not listed/],
    ['https://evil.example/?calendars.example.com', /not listed/],
    ['https://127.0.0.1:1/x', /not listed/],
    ['https://[::1]/x', /not listed/],
    ['https://0x7f000001/x', /not listed/],
    ['https://CALENDARS.example.org/x', /not listed/],
  ])('%s', async (url, why) => {
    const error = await failureOf(fetcher({ allowedHosts: ['calendars.example.com'] })(url))
    expect(error.kind).toBe<FetchErrorKind>('fetch.not-allowed')
    expect(error.message).toMatch(why)
    expect(error.message).not.toContain('hunter2')
  })

  it('anything where nobody gave hosts', async () => {
    expect((await failureOf(fetcher({ allowedHosts: [] })('https://127.0.0.1/x'))).kind).toBe('fetch.not-allowed')
    const error = await failureOf(noFetch('https://calendars.example.com/secret-path'))
    expect(error.message).toBe('calendars.example.com cannot be fetched here: this run may call nothing but the platform.')
    expect((await failureOf(noFetch('nonsense'))).kind).toBe('fetch.not-allowed')
  })

  it('anything after the process let go of it', async () => {
    const { port, requests } = await server(answering(answerText('no')))
    const made = createFetcher({
      settings: { allowedHosts: ['127.0.0.1'], allowInsecureHttp: false },
      clock: systemClock,
      createTransport,
      environment: {},
    })
    expect(await made.fetchText(`http://127.0.0.1:${port}/`)).toBe('no')
    await made.close()
    const error = await failureOf(made.fetchText(`http://127.0.0.1:${port}/`))
    expect(error.message).toMatch(/this process is ending/)
    expect(requests).toHaveLength(1)
  })

  it('a server that is not there', async () => {
    const { port, close } = await startRawServer({ onRequest: () => undefined })
    await close()
    const error = await failureOf(fetcher()(`http://127.0.0.1:${port}/`))
    expect(error.message).toMatch(/^127\.0\.0\.1:[0-9]+: the connection failed \(ECONNREFUSED\)/)
  })
})

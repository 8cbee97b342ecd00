import { readFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'

export interface RawRequest {
  readonly head: string
  readonly body: string
  /** Which connection of the server it came on, from 1. */
  readonly connection: number
  /** Which request of that connection it is, from 1. */
  readonly ordinal: number
}

export interface RawServer {
  readonly port: number
  readonly requests: readonly RawRequest[]
  readonly connectionCount: number
  readonly openCount: number
  close(): Promise<void>
}

export interface RawServerOptions {
  /** Writes bytes by hand: whatever a server could do wrong can be done here. */
  readonly onRequest: (socket: Socket, request: RawRequest) => void
  /** File name of the certificate under test/fixtures/tls; plain TCP when absent. */
  readonly certificate?: 'server' | 'other-name' | 'expired'
}

const fixture = (name: string): string => readFileSync(new URL(`../../fixtures/tls/${name}`, import.meta.url), 'utf8')

export const testCa = fixture('ca.pem')

/** A server on the loopback interface that reads HTTP requests (with content-length) and leaves the answer to the test. */
export async function startRawServer(options: RawServerOptions): Promise<RawServer> {
  const requests: RawRequest[] = []
  const sockets = new Set<Socket>()
  let connectionCount = 0
  const onConnection = (socket: Socket): void => {
    connectionCount += 1
    const connection = connectionCount
    let ordinal = 0
    let pending = ''
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      pending += chunk.toString('latin1')
      for (;;) {
        const end = pending.indexOf('\r\n\r\n')
        if (end === -1) return
        const head = pending.slice(0, end)
        const length = Number(/\r\ncontent-length: *([0-9]+)/i.exec(head)?.[1] ?? 0)
        if (pending.length < end + 4 + length) return
        const body = Buffer.from(pending.slice(end + 4, end + 4 + length), 'latin1').toString('utf8')
        pending = pending.slice(end + 4 + length)
        ordinal += 1
        const request = { head, body, connection, ordinal }
        requests.push(request)
        options.onRequest(socket, request)
      }
    })
  }
  const { certificate } = options
  const server: Server =
    certificate === undefined
      ? createServer(onConnection)
      : createTlsServer(
          { cert: fixture(`${certificate}.pem`), key: fixture(`${certificate === 'expired' ? 'server' : certificate}-key.pem`) },
          onConnection,
        ).on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    requests,
    get connectionCount() {
      return connectionCount
    },
    get openCount() {
      return sockets.size
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}

/** A complete answer with content-length. */
export function answerText(body: string, options: { readonly status?: string; readonly headers?: readonly string[] } = {}): string {
  const lines = [`HTTP/1.1 ${options.status ?? '200 OK'}`, `content-length: ${Buffer.byteLength(body)}`, ...(options.headers ?? [])]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

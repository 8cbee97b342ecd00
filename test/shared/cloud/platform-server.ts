import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export interface PlatformCall {
  readonly action: string
  readonly headers: IncomingHttpHeaders
  readonly path: string
  readonly body: string
  /** Seconds of the signature. */
  readonly timestamp: number
}

export interface PlatformServer {
  readonly url: string
  readonly calls: readonly PlatformCall[]
  /** Requests with this action's name. */
  countOf(action: string): number
  close(): Promise<void>
}

export type Answering = (response: ServerResponse, call: PlatformCall, index: number) => void | Promise<void>

/** A platform whose every answer the test writes, over real sockets on the loopback interface. */
export async function startPlatform(answer: Answering): Promise<PlatformServer> {
  const calls: PlatformCall[] = []
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8')
    request.on('data', (chunk: string) => {
      body += chunk
    })
    request.on('end', () => {
      const call: PlatformCall = {
        action: String(
          request.headers['x-tc-action'] ??
            new URLSearchParams(request.method === 'GET' ? request.url?.slice(2) : body).get('Action') ??
            '',
        ),
        headers: request.headers,
        path: request.url ?? '',
        body,
        timestamp: Number(request.headers['x-tc-timestamp'] ?? 0),
      }
      calls.push(call)
      // Real time would correct the test's clock.
      response.sendDate = false
      void answer(response, call, calls.length - 1)
    })
  })
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    calls,
    countOf: (action) => calls.filter((call) => call.action === action).length,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}

export function succeed(response: ServerResponse, fields: object = {}, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify({ Response: { ...fields, RequestId: 'req-1' } }))
}

export function refuse(response: ServerResponse, code: string, message = 'refused', headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify({ Response: { Error: { Code: code, Message: message }, RequestId: 'req-2' } }))
}

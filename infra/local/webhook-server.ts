import { once } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import type { StatusApi } from '#infra/status/status-api.ts'
import { answerWithinMs, maxBodyBytes } from '#shared/runtime/webhook-desk.ts'

/** One route of a function, and what answers. */
export interface WebhookRoute {
  readonly method: string
  /** Its last part may be `{name}`, which stands for any one part that is not empty: what answers says whether it is the right one. */
  readonly path: string
  readonly answer: (event: APIGatewayProxyEventV2) => Promise<APIGatewayProxyStructuredResultV2>
}

export interface WebhookServer {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  close(): Promise<void>
}

const defaultRequestTimeoutMs = 10_000
/** How long requests that are being answered are waited for when the server is closed. */
const closeTimeoutMs = answerWithinMs + 500

/**
 * Serves the functions' webhooks the way API Gateway does (payload version 2), `GET /healthz` (503 when something is not ok),
 * and the status of the process where there is one (else `GET /` says what there is). Listens on loopback unless a host is given. A path
 * that is unknown, or none, is 404; a body that is too large is answered 413 without being read to its end; an error inside a function is
 * told to `onError`, with the method and the path of the route and nothing of the address that was asked for, and answered 500 without
 * its text.
 *
 * A path of its own goes before one that ends in `{name}`. Nothing here compares what stands in its place with a secret: that is
 * for the function, which does it in constant time.
 */
export async function startWebhookServer(options: {
  readonly routes: readonly WebhookRoute[]
  readonly port: number
  readonly host?: string
  readonly health: () => { readonly ok: boolean } | Promise<{ readonly ok: boolean }>
  readonly now: () => number
  readonly onError: (route: string, error: unknown) => void
  /** How long a sender may take to send a whole request, which is answered 408 then; 10 s when absent. */
  readonly requestTimeoutMs?: number
  /** Answers `/`, and what else is about the status of the process; without it `/` says what there is, and the rest is unknown. */
  readonly status?: StatusApi
}): Promise<WebhookServer> {
  const matches = matcherOf(options.routes)
  const requestTimeout = options.requestTimeoutMs ?? defaultRequestTimeoutMs
  const limits = { requestTimeout, headersTimeout: requestTimeout, connectionsCheckingInterval: Math.min(1000, requestTimeout) }
  const atWork = new Set<ServerResponse>()
  const server = createServer(limits, (request, response) => {
    atWork.add(response)
    response.on('close', () => atWork.delete(response))
    const target = targetOf(request.url ?? '')
    const route = target === undefined ? undefined : matches(request.method, target.path)
    void handle(request, response, target, route).catch((error: unknown) => {
      // The sender went away, or took too long: nothing is wrong here, and there is nobody to answer.
      if (request.destroyed && !request.complete) return
      options.onError(`${request.method} ${route?.path ?? 'outside of the webhooks'}`, error)
      if (response.headersSent) response.destroy()
      else sendText(response, 500, 'internal error')
    })
  })
  const handle = async (
    request: IncomingMessage,
    response: ServerResponse,
    target: Target | undefined,
    route: WebhookRoute | undefined,
  ): Promise<void> => {
    if (request.method === 'GET' && target?.path === '/healthz') {
      const health = await options.health()
      response.writeHead(health.ok ? 200 : 503, { 'content-type': 'application/json' }).end(`${JSON.stringify(health)}\n`)
      return
    }
    if (route === undefined && target !== undefined && options.status !== undefined) {
      const { method = 'GET', headers } = request
      const answer = await options.status.answer({ method, ...target, headers, body: async () => await readBody(request) })
      if (answer !== undefined) {
        // What was not read of a body would be taken for the next request.
        if (!request.complete && method !== 'GET' && method !== 'HEAD') response.setHeader('connection', 'close')
        response.writeHead(answer.status, answer.headers).end(answer.body)
        return
      }
    }
    if (route === undefined && request.method === 'GET' && target?.path === '/') {
      sendText(response, 200, contents(options.routes))
      return
    }
    if (route === undefined || target === undefined) {
      sendText(response, 404, 'there is no such webhook')
      return
    }
    const body = await readBody(request)
    if (body === undefined) {
      response.setHeader('connection', 'close')
      sendText(response, 413, `the body is larger than ${maxBodyBytes} bytes`)
      return
    }
    const result = await route.answer(eventOf(request, target, body, options.now()))
    response.writeHead(result.statusCode ?? 200, plainHeaders(result.headers))
    response.end(result.isBase64Encoded === true ? Buffer.from(result.body ?? '', 'base64') : (result.body ?? ''))
  }
  await listen(server, options.port, options.host ?? '127.0.0.1')
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('the webhook server is not bound to a port')
  const { address, port } = bound
  return {
    url: `http://${address.includes(':') ? `[${address}]` : address}:${port}`,
    close: async () => {
      const closed = new Promise<void>((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)))
      })
      // Whoever is being answered gets the answer; who only keeps a connection open is not waited for.
      const patience = new AbortController()
      const answered = Promise.all([...atWork].map(async (response) => await once(response, 'close', { signal: patience.signal })))
      await Promise.race([answered, sleep(closeTimeoutMs, undefined, { signal: patience.signal })])
      server.closeAllConnections()
      await Promise.allSettled([answered])
      patience.abort()
      await closed
    },
  }
}

/** Finds the route of a request. */
function matcherOf(routes: readonly WebhookRoute[]): (method: string | undefined, path: string) => WebhookRoute | undefined {
  const isMethod = (route: WebhookRoute, method: string | undefined): boolean => route.method === '*' || route.method === method
  const patterns = routes.flatMap((route) => {
    const fixed = /^(.*\/)\{[a-z]+\}$/.exec(route.path)?.[1]
    return fixed === undefined ? [] : [{ route, fixed }]
  })
  return (method, path) => {
    const own = routes.find((route) => isMethod(route, method) && route.path === path)
    if (own !== undefined) return own
    // The part is what comes after the last slash.
    const fixed = path.slice(0, path.lastIndexOf('/') + 1)
    if (fixed.length === path.length) return undefined
    return patterns.find((pattern) => pattern.fixed === fixed && isMethod(pattern.route, method))?.route
  }
}

function contents(routes: readonly WebhookRoute[]): string {
  const webhooks = routes.map(({ method, path }) => `${method} ${path}  ${method === 'GET' ? 'page' : 'webhook'}`)
  return ['Longshore', 'GET /healthz  how the functions are doing', ...(webhooks.length > 0 ? webhooks : ['no webhooks yet'])].join('\n')
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) return undefined
  const pieces: Buffer[] = []
  let sizeBytes = 0
  for await (const piece of request) {
    sizeBytes += piece.length
    if (sizeBytes > maxBodyBytes) return undefined
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

/** What a request asks for. */
interface Target {
  readonly path: string
  /** Without the question mark. */
  readonly query: string
}

/**
 * Reads the target of a request line: a path, or the whole address that a proxy is told. It is taken as it stands and compared with
 * the routes: a reader of URLs would take `//host/path` for an address and throw at `//`. Undefined where there is no path.
 */
function targetOf(text: string): Target | undefined {
  const url = text.startsWith('/') ? undefined : URL.parse(text)
  if (url === null) return undefined
  const [path = '', ...rest] = (url === undefined ? text : `${url.pathname}${url.search}`).split('?')
  return { path, query: rest.join('?') }
}

/** The event that API Gateway would make of the request. The body travels as base64, so that signatures see the exact bytes. */
function eventOf(request: IncomingMessage, { path, query }: Target, body: Buffer, now: number): APIGatewayProxyEventV2 {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(',') : value
  }
  return {
    version: '2.0',
    routeKey: `${request.method} ${path}`,
    rawPath: path,
    rawQueryString: query,
    headers,
    ...(query === '' ? {} : { queryStringParameters: Object.fromEntries(new URLSearchParams(query)) }),
    requestContext: {
      accountId: 'local',
      apiId: 'local',
      domainName: headers.host ?? 'localhost',
      domainPrefix: 'local',
      http: {
        method: request.method ?? 'GET',
        path,
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp: request.socket.remoteAddress ?? '',
        userAgent: headers['user-agent'] ?? '',
      },
      requestId: `local-${now.toString(36)}`,
      routeKey: `${request.method} ${path}`,
      stage: '$default',
      time: new Date(now).toUTCString(),
      timeEpoch: now,
    },
    ...(body.length === 0 ? {} : { body: body.toString('base64') }),
    isBase64Encoded: body.length > 0,
  }
}

function plainHeaders(headers: APIGatewayProxyStructuredResultV2['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value)]))
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`)
}

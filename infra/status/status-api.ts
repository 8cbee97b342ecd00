import type { IncomingHttpHeaders } from 'node:http'
import { parseJson } from '#cloud/json.ts'
import { nearest } from '#shared/pure/nearest.ts'
import type { Reason } from '#shared/pure/step.ts'
import type { Redactor } from '#shared/runtime/redact.ts'
import { checkHost, checkOrder } from './caller.ts'
import { openApiDocument } from './openapi.ts'
import { type OrderPorts, type OrderRoute, orderRoutes } from './order-routes.ts'
import { loadPage } from './page-bundle.ts'
import { readQuery } from './parse-input.ts'
import { problemText } from './problem-text.ts'
import { redactValues } from './redact-values.ts'
import type { StatusSources } from './status-sources.ts'
import type { ViewRoute } from './view-route.ts'
import { listParameters, viewRoutes, wholeParameters } from './view-routes.ts'

export interface StatusRequest {
  readonly method: string
  readonly path: string
  /** Without the question mark. */
  readonly query: string
  readonly headers: IncomingHttpHeaders
  /** Undefined when it is larger than is taken. */
  readonly body: () => Promise<Buffer | undefined>
}

export interface StatusAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Buffer
}

/** Answers what a server is asked beside its webhooks. */
export interface StatusApi {
  /** Undefined for a path that is none of `/`, `/assets/…`, `/api/…` and `/metrics`. Throws nothing. */
  answer(request: StatusRequest): Promise<StatusAnswer | undefined>
}

export interface StatusApiOptions {
  readonly sources: StatusSources
  readonly orders: OrderPorts
  /** What is answered at /metrics: text, and its type. */
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>
  readonly redactor: Redactor
  /** Whoever sends it may give orders; nobody may when absent. */
  readonly token: string | undefined
  /** Names of this server beside those of loopback. */
  readonly hostNames: readonly string[]
  /** Told of what is a bug: what was asked for, without its query, and the error. */
  readonly onError: (what: string, error: unknown) => void
  /** Does what asks the platform; where time is virtual it goes at the wall's speed meanwhile. */
  readonly work: <T>(run: () => Promise<T>) => Promise<T>
}

const jsonType = 'application/json; charset=utf-8'

/** Nothing of it may be kept, framed, taken for something else, or read by another origin. */
const always = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
} as const

const openApiPath = '/api/openapi.json'

export function createStatusApi(options: StatusApiOptions): StatusApi {
  return {
    answer: async (request) => {
      const { path } = request
      if (path !== '/' && path !== '/metrics' && path !== '/api' && !path.startsWith('/api/') && !path.startsWith('/assets/'))
        return undefined
      const refused = checkHost(request.headers, options.hostNames)
      if (refused !== undefined) return problem(refused.status, refused.error)
      try {
        return await answerTo(request, options)
      } catch (error) {
        options.onError(`${request.method} ${knownPath(path)}`, error)
        return problem(500, { code: 'internal', text: 'Something is wrong with this server itself; its output says what.' })
      }
    },
  }
}

async function answerTo(request: StatusRequest, options: StatusApiOptions): Promise<StatusAnswer> {
  const { method, path } = request
  const order = orderRoutes.find((route) => route.path === path)
  if (order !== undefined) return method === 'POST' ? await giveOrder(order, request, options) : wrongMethod('POST', path)
  if (method !== 'GET' && method !== 'HEAD') {
    return isKnown(path) ? wrongMethod('GET, HEAD', path) : unknownPath(path)
  }
  if (path === '/') {
    const { html, policy } = await loadPage()
    return {
      status: 200,
      headers: { ...always, 'content-type': 'text/html; charset=utf-8', 'content-security-policy': policy },
      body: html,
    }
  }
  if (path.startsWith('/assets/')) return await asset(path.slice('/assets/'.length))
  if (path === '/metrics') return await scrape(options)
  if (path === openApiPath) return json(200, openApiDocument())
  const view = viewRoutes.find((route) => route.path === path)
  return view === undefined ? unknownPath(path) : await show(view, request, options)
}

async function scrape({ metrics, redactor, work }: StatusApiOptions): Promise<StatusAnswer> {
  try {
    const { type, text } = await work(async () => await metrics())
    return { status: 200, headers: { ...always, 'content-type': type }, body: redactor.text(text) }
  } catch (error) {
    return problem(503, { code: 'not-readable', text: redactor.text(problemText(error)) })
  }
}

async function asset(name: string): Promise<StatusAnswer> {
  const { assets } = await loadPage()
  const found = assets.get(name)
  if (found === undefined) return problem(404, { code: 'not-found', text: 'There is no such file.' })
  // Its name changes with what is in it.
  const headers = { ...always, 'cache-control': 'public, max-age=31536000, immutable', 'content-type': found.type }
  return { status: 200, headers, body: found.body }
}

async function show(route: ViewRoute, request: StatusRequest, { sources, redactor, work }: StatusApiOptions): Promise<StatusAnswer> {
  const query = readQuery(request.query, { whole: wholeParameters, lists: listParameters })
  try {
    const view = await work(async () => await route.view(sources, query))
    return view.ok ? json(200, redactValues(view.value, redactor)) : problem(400, { code: 'bad-query', text: redactor.text(view.error) })
  } catch (error) {
    return problem(503, { code: 'not-readable', text: redactor.text(problemText(error)) })
  }
}

async function giveOrder(route: OrderRoute, request: StatusRequest, options: StatusApiOptions): Promise<StatusAnswer> {
  const { redactor, token, orders, sources, work } = options
  const refused = checkOrder(request.headers, token)
  if (refused !== undefined) {
    const answer = problem(refused.status, refused.error)
    return refused.status === 401 ? { ...answer, headers: { ...answer.headers, 'www-authenticate': 'Bearer realm="longshore"' } } : answer
  }
  // What a form can send is no JSON: one more thing that no other site can do.
  if (!/^application\/json *(;|$)/i.test(request.headers['content-type'] ?? ''))
    return problem(415, { code: 'not-json', text: 'Send the order as JSON, with Content-Type: application/json.' })
  const bytes = await request.body()
  if (bytes === undefined) return problem(413, { code: 'too-large', text: 'The order is too large.' })
  let body: unknown
  try {
    body = parseJson(bytes.toString('utf8'))
  } catch (error) {
    if (!(error instanceof Error && error.name === 'JsonError')) throw error
    return problem(400, { code: 'not-json', text: redactor.text(`The order is no JSON: ${error.message}.`) })
  }
  try {
    const result = await work(async () => await route.order(orders, body))
    for (const glance of [sources.killSwitch, sources.leases, sources.events]) glance.forget()
    return result.ok
      ? json(200, redactValues(result.value, redactor))
      : problem(400, { code: 'bad-order', text: redactor.text(result.error) })
  } catch (error) {
    return problem(503, { code: 'not-done', text: redactor.text(problemText(error)) })
  }
}

function isKnown(path: string): boolean {
  return (
    path === '/' ||
    path === '/metrics' ||
    path === openApiPath ||
    path.startsWith('/assets/') ||
    viewRoutes.some((one) => one.path === path)
  )
}

/** For messages: what was asked for may be anything. */
function knownPath(path: string): string {
  return isKnown(path) || orderRoutes.some((one) => one.path === path) ? path : 'an unknown path'
}

function unknownPath(path: string): StatusAnswer {
  const known = [openApiPath, ...viewRoutes.map((one) => one.path), ...orderRoutes.map((one) => one.path)]
  const near = nearest(path, known)
  const text =
    near === undefined ? `There is no such path; ${openApiPath} describes what there is.` : `There is no such path; did you mean ${near}?`
  return problem(404, { code: 'not-found', text })
}

function wrongMethod(allow: string, path: string): StatusAnswer {
  const answer = problem(405, { code: 'method-not-allowed', text: `${path} takes ${allow} only.` })
  return { ...answer, headers: { ...answer.headers, allow } }
}

function problem(status: number, error: Reason): StatusAnswer {
  return json(status, { error })
}

function json(status: number, value: unknown): StatusAnswer {
  return { status, headers: { ...always, 'content-type': jsonType }, body: `${JSON.stringify(value)}\n` }
}

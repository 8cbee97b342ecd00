import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { loadPage } from '../../../../infra/status/page-bundle.ts'
import { type AnswerName, type Answers, answerSchemas } from './made-answers.ts'

export interface MadeServer {
  readonly url: string
  /** What the next answers are made of. */
  answers: Answers
  /** What a path is answered instead, until it is taken out again. */
  readonly instead: Map<string, { readonly status: number; readonly body: unknown }>
  /** Every request that came, as `METHOD /path?query`. */
  readonly requests: string[]
  /** Orders that came, with the header they were allowed by. */
  readonly orders: { readonly path: string; readonly authorization: string | undefined; readonly body: unknown }[]
  close(): Promise<void>
}

/** Serves the status page with answers that were made up, and takes orders from whoever has the token. */
export async function startMadeServer(answers: Answers, token = 'made-up'): Promise<MadeServer> {
  const page = await loadPage()
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '/', 'http://made')
    made.requests.push(`${request.method} ${request.url}`)
    const send = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    if (url.pathname === '/') {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': page.policy }).end(page.html)
      return
    }
    const asset = page.assets.get(url.pathname.replace('/assets/', ''))
    if (asset !== undefined) {
      response.writeHead(200, { 'content-type': asset.type }).end(asset.body)
      return
    }
    const other = made.instead.get(url.pathname)
    if (other !== undefined) return send(other.status, other.body)
    if (request.method === 'POST') {
      const pieces: Buffer[] = []
      for await (const piece of request) pieces.push(piece)
      const { authorization } = request.headers
      made.orders.push({ path: url.pathname, authorization, body: JSON.parse(Buffer.concat(pieces).toString()) })
      if (authorization !== `Bearer ${token}`) return send(401, { error: { code: 'wrong-token', text: 'the token is another one' } })
      return send(200, { done: true, text: `${url.pathname} was carried out` })
    }
    const name = url.pathname.replace('/api/', '')
    if (!isAnswer(name)) return send(404, { error: { code: 'no-such-view', text: `there is no view ${name}` } })
    send(200, answerOf(made.answers, name, url.searchParams))
  })
  const made: MadeServer = {
    url: '',
    answers,
    instead: new Map(),
    requests: [],
    orders: [],
    close: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(made, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
}

function isAnswer(name: string): name is AnswerName {
  return Object.hasOwn(answerSchemas, name)
}

/** Decisions are filtered as the address says; everything else is as it was made. */
function answerOf(answers: Answers, name: AnswerName, query: URLSearchParams): unknown {
  if (name !== 'decisions') return answers[name]
  const outcomes = (query.get('outcome') ?? '').split(',').filter((one) => one !== '')
  const fitting = answers.decisions.decisions.filter(
    (line) =>
      (!query.has('function') || line.function === query.get('function')) &&
      line.target.includes(query.get('target') ?? '') &&
      (outcomes.length === 0 || outcomes.includes(line.outcome)) &&
      line.id < Number(query.get('before') ?? Number.POSITIVE_INFINITY),
  )
  const shown = fitting.slice(0, Math.min(Number(query.get('limit') ?? 50), 20))
  const last = shown.at(-1)
  return { decisions: shown, total: fitting.length, ...(fitting.length > shown.length && last !== undefined ? { next: last.id } : {}) }
}

import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DeadLetterOrder, LeaseOrder, SwitchOrder } from '../../../../infra/status/api-schemas.ts'
import { type Order, sendOrder } from '../../../../infra/status/page/orders.ts'

let server: Server
let url: string
let answer: { status: number; body: string } | undefined
const received: { method: string | undefined; path: string | undefined; authorization: string | undefined; body: string }[] = []

beforeAll(async () => {
  server = createServer(async (request, response) => {
    let body = ''
    for await (const piece of request) body += piece
    received.push({ method: request.method, path: request.url, authorization: request.headers.authorization, body })
    if (answer === undefined) response.destroy()
    else response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const who = { by: 'li.na', reason: 'incident 12', token: 'made-up' }
const send = async (order: Order) => await sendOrder(order, who, async (path, init) => await fetch(`${url}${path}`, init))

describe('an order', () => {
  test.each([
    [{ path: '/api/switch', body: { state: 'stop' } }, SwitchOrder],
    [{ path: '/api/dead-letters/order', body: { id: 'evt-1', do: 'discard' } }, DeadLetterOrder],
    [{ path: '/api/leases/release', body: { id: 'ls-1' } }, LeaseOrder],
  ] as const)('to %j is sent with the token, as the API wants it', async (order, schema) => {
    answer = { status: 200, body: '{"done":true,"text":"is done"}' }
    expect(await send(order)).toEqual({ kind: 'done', text: 'is done' })
    const last = received.at(-1)
    expect(last).toMatchObject({ method: 'POST', path: order.path, authorization: 'Bearer made-up' })
    expect(schema.safeParse(JSON.parse(last?.body ?? '')).error).toBeUndefined()
  })

  test('that was not done says why', async () => {
    answer = { status: 200, body: '{"done":false,"text":"it is gone already"}' }
    expect(await send({ path: '/api/leases/release', body: { id: 'ls-1' } })).toEqual({
      kind: 'refused',
      text: 'it is gone already',
      isTokenWrong: false,
    })
  })

  test.each([
    [401, '{"error":{"code":"wrong-token","text":"another token"}}', 'another token', true],
    [403, '{"error":{"code":"read-only","text":"no token is configured"}}', 'no token is configured', true],
    [400, '{"error":{"code":"bad-id","text":"no such lease"}}', 'no such lease', false],
    [500, 'oops', 'HTTP 500', false],
    [200, '[]', 'HTTP 200', false],
  ])('that is answered %i %s is refused', async (status, body, text, isTokenWrong) => {
    answer = { status, body }
    expect(await send({ path: '/api/leases/release', body: { id: 'ls-1' } })).toEqual({ kind: 'refused', text, isTokenWrong })
  })

  test('whose answer is lost is sent once and may have been done', async () => {
    answer = undefined
    const before = received.length
    expect(await send({ path: '/api/switch', body: { state: 'stop' } })).toEqual({ kind: 'unanswered' })
    expect(received.length - before).toBe(1)
  })
})

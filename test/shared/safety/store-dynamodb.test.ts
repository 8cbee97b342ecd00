import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse, request as send } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { type AttributeValue, BatchWriteItemCommand, DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Store } from '#shared/safety/store.ts'
import { openDynamoStore } from '#shared/safety/store-dynamodb.ts'
import { dynaliteCredentials } from '../../contract/dynalite-credentials.ts'
import { type DynaliteServer, startDynalite, storeTableProperties } from '../../contract/dynalite-server.ts'
import { fails, storeContract } from '../../contract/store-suite.ts'

const now = 1_790_000_000_000
const week = 7 * 86_400_000
const key = { partition: 'p', sort: 's' }
/** Time enough for a machine that is busy with other tests. */
const common = { region: 'local', credentials: dynaliteCredentials, random: () => 0.5, timeoutMs: 20_000 }
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function clientOf(url: string): DynamoDBClient {
  return new DynamoDBClient({ endpoint: url, region: 'local', credentials: dynaliteCredentials })
}

storeContract(
  'DynamoDB, over the wire',
  async () => {
    const server = await startDynalite()
    await server.createStoreTable('longshore')
    const client = clientOf(server.url)
    const open = (): Promise<Store> => openDynamoStore({ ...common, table: 'longshore', endpoint: server.url, sleep })
    return {
      open,
      place: { endpoint: server.url, table: 'longshore' },
      runs: 12,
      kills: 1,
      // One item is written by the store; copies of it, as it lies in the table, are the rest.
      fill: async (partition, sortKeys) => {
        const store = await open()
        await store.put({ partition, sort: sortKeys[0]! }, { number: 0 }, { when: 'absent', now })
        await store.close()
        const Key = { partition: { S: partition }, sort: { S: sortKeys[0]! } }
        const { Item: model = {} } = await client.send(new GetItemCommand({ TableName: 'longshore', Key }))
        const copies = sortKeys.map((sort, number) => ({
          ...model,
          sort: { S: sort },
          data: { S: model.data!.S!.replace('0', String(number)) },
        }))
        const batches = Array.from({ length: Math.ceil(copies.length / 25) }, (_, batch) => copies.slice(batch * 25, batch * 25 + 25))
        const worker = async (): Promise<void> => {
          for (let batch = batches.pop(); batch !== undefined; batch = batches.pop()) {
            const RequestItems = { longshore: batch.map((Item) => ({ PutRequest: { Item } })) }
            await client.send(new BatchWriteItemCommand({ RequestItems }))
          }
        }
        await Promise.all([worker(), worker(), worker(), worker()])
      },
      dispose: async () => {
        client.destroy()
        await server.close()
      },
    }
  },
  { processes: true, fill: false },
)

/** What happens to a call on its way to the server. */
type Mishap =
  | 'none'
  | 'lost before it arrives'
  | 'answer lost'
  | 'no answer'
  | 'throttled'
  | 'server error before'
  | 'server error after'
  | 'tells what was there'
  | 'forbidden'

/** A network with mishaps, between the store and the server. */
class Network {
  readonly calls: string[] = []
  /** How many reads did not ask for the newest state. */
  staleReads = 0
  /** One for each call to come; then none. */
  mishaps: Mishap[] = []
  always: Mishap = 'none'
  readonly #target: string
  readonly #server: Server

  constructor(target: string) {
    this.#target = target
    this.#server = createServer((incoming, outgoing) => void this.#pass(incoming, outgoing))
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk as Buffer)
    const mishap = this.mishaps.shift() ?? this.always
    this.calls.push(String(incoming.headers['x-amz-target']).split('.').at(-1) ?? '')
    const refuse = (status: number, type: string, more = {}): void => {
      outgoing.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' })
      outgoing.end(JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${type}`, message: 'so it is', ...more }))
    }
    if (mishap === 'lost before it arrives') return void outgoing.socket?.destroy()
    if (mishap === 'throttled') return refuse(400, 'ProvisionedThroughputExceededException')
    if (mishap === 'forbidden') return refuse(400, 'AccessDeniedException')
    if (mishap === 'server error before') return refuse(500, 'InternalServerError')
    const body = Buffer.concat(chunks)
    const { ConsistentRead } = JSON.parse(body.toString()) as { readonly ConsistentRead?: boolean }
    if (this.calls.at(-1) !== 'UpdateItem' && ConsistentRead !== true) this.staleReads += 1
    const answer = await this.#forward(incoming, body)
    if (mishap === 'answer lost') return void outgoing.socket?.destroy()
    if (mishap === 'no answer') return
    if (mishap === 'server error after') return refuse(500, 'InternalServerError')
    if (mishap === 'tells what was there' && answer.body.includes('ConditionalCheckFailed')) {
      const asked = JSON.parse(body.toString()) as {
        TableName: string
        Key: Record<string, AttributeValue>
        ReturnValuesOnConditionCheckFailure: string
      }
      expect(asked.ReturnValuesOnConditionCheckFailure).toBe('ALL_OLD')
      const client = clientOf(this.#target)
      const { Item } = await client.send(new GetItemCommand({ TableName: asked.TableName, Key: asked.Key }))
      client.destroy()
      return refuse(400, 'ConditionalCheckFailedException', Item === undefined ? {} : { Item })
    }
    outgoing.writeHead(answer.status, answer.headers)
    outgoing.end(answer.body)
  }

  #forward(incoming: IncomingMessage, body: Buffer): Promise<{ status: number; headers: IncomingMessage['headers']; body: Buffer }> {
    return new Promise((resolve, reject) => {
      const onward = send(this.#target, { method: 'POST', headers: incoming.headers }, async (answer) => {
        const chunks: Buffer[] = []
        for await (const chunk of answer) chunks.push(chunk as Buffer)
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) })
      })
      onward.on('error', reject)
      onward.end(body)
    })
  }
}

describe('DynamoDB behind a bad network', () => {
  let server: DynaliteServer
  let network: Network
  let url: string
  let store: Store
  /** Waits for answers only briefly. */
  let hasty: Store
  let direct: Store
  const waits: number[] = []

  beforeAll(async () => {
    server = await startDynalite()
    await server.createStoreTable('longshore')
    network = new Network(server.url)
    url = await network.listen()
    const noted = async (ms: number): Promise<void> => {
      waits.push(ms)
    }
    store = await openDynamoStore({ ...common, table: 'longshore', endpoint: url, sleep: noted })
    hasty = await openDynamoStore({ ...common, table: 'longshore', endpoint: url, timeoutMs: 400, sleep: noted })
    direct = await openDynamoStore({ ...common, table: 'longshore', endpoint: server.url, sleep: noted })
  })
  afterAll(async () => {
    await Promise.all([store.close(), hasty.close(), direct.close()])
    await network.close()
    await server.close()
  })
  const during = async <T>(mishaps: readonly Mishap[], run: () => Promise<T>): Promise<T> => {
    network.calls.length = 0
    network.mishaps = [...mishaps]
    waits.length = 0
    return run()
  }
  const newKey = (): typeof key => ({ partition: 'p', sort: randomBytes(6).toString('hex') })

  test('a put and a get are one call each; a refusal that says what is there needs no second one', async () => {
    const mine = newKey()
    await during([], () => store.put(mine, { n: 1 }, { when: 'absent', now }))
    expect(network.calls).toEqual(['UpdateItem'])
    await during([], () => store.get(mine, { now }))
    expect(network.calls).toEqual(['GetItem'])
    await during([], () => store.query({ partition: mine.partition, now }))
    expect(network.calls).toEqual(['Query'])
    expect(network.staleReads).toBe(0)
    await during([], () => store.delete({ ...mine, sort: 'nothing' }, { when: 'any', now }))
    expect(network.calls).toEqual(['UpdateItem'])

    const refusal = { ok: false, current: { ...mine, version: now + 1, data: { n: 1 }, expiresAt: undefined } }
    expect(await during(['tells what was there'], () => store.put(mine, {}, { when: 'absent', now }))).toEqual(refusal)
    expect(network.calls).toEqual(['UpdateItem'])
    // The embedded server does not say it, so it is read.
    expect(await during([], () => store.put(mine, {}, { when: 'absent', now }))).toEqual(refusal)
    expect(network.calls).toEqual(['UpdateItem', 'GetItem'])
  })

  test('a refusal that says what was there does not show it when it has expired', async () => {
    const mine = newKey()
    await direct.put(mine, { n: 1 }, { when: 'absent', now, expiresAt: now + 5 })
    const answer = await during(['tells what was there'], () => store.put(mine, {}, { when: { version: now + 1 }, now: now + 5 }))
    expect(answer).toEqual({ ok: false, current: undefined })
    expect(network.calls).toEqual(['UpdateItem'])
  })

  for (const mishap of ['answer lost', 'no answer', 'server error after', 'server error before', 'lost before it arrives'] as const) {
    test(`a write with "${mishap}" has an unknown outcome and is not sent again`, async () => {
      const tried = mishap === 'no answer' ? hasty : store
      const mine = newKey()
      const error = await during([mishap], () =>
        fails('store.unknown-outcome', tried.put(mine, { n: 1 }, { when: 'absent', now }), 'may have happened'),
      )
      expect(error.message).toContain('longshore')
      expect(network.calls).toEqual(['UpdateItem'])
      expect(waits).toEqual([])
      const happened = mishap !== 'server error before' && mishap !== 'lost before it arrives'
      expect((await direct.get(mine, { now }))?.data).toEqual(happened ? { n: 1 } : undefined)
      await direct.put(mine, { n: 2 }, { when: 'any', now })
      await during([mishap], () => fails('store.unknown-outcome', tried.delete(mine, { when: 'any', now })))
      expect(await direct.get(mine, { now })).toEqual(happened ? undefined : expect.objectContaining({ data: { n: 2 } }))
    })

    test(`a read with "${mishap}" is tried again, four times at most, with growing waits`, async () => {
      const tried = mishap === 'no answer' ? hasty : store
      const mine = newKey()
      await direct.put(mine, { n: 1 }, { when: 'absent', now })
      const quick = mishap === 'no answer' ? 1 : 3
      expect((await during(Array(quick).fill(mishap), () => tried.get(mine, { now })))?.data).toEqual({ n: 1 })
      expect(network.calls).toHaveLength(quick + 1)
      expect(waits).toEqual([25, 50, 100].slice(0, quick))
      if (mishap === 'no answer') return
      await during(Array(4).fill(mishap), () => fails('store.unavailable', tried.query({ partition: 'p', now }), 'gives no answer'))
      expect(network.calls).toHaveLength(4)
    })
  }

  test('a throttled write was not done, so it is sent again; throttled for good it is unavailable', async () => {
    const mine = newKey()
    expect(await during(['throttled', 'throttled'], () => store.put(mine, { n: 1 }, { when: 'absent', now }))).toMatchObject({ ok: true })
    expect(network.calls).toHaveLength(3)
    expect(waits).toEqual([25, 50])
    await during(Array(4).fill('throttled'), () =>
      fails('store.unavailable', store.put(mine, { n: 2 }, { when: 'any', now }), 'Try again later'),
    )
    expect((await direct.get(mine, { now }))?.data).toEqual({ n: 1 })
  })

  test('a run of 150 expired items is passed over in a few calls', async () => {
    const expired = Array.from({ length: 150 }, (_, number) => ({ partition: 'over', sort: `a-${number}` }))
    await Promise.all(expired.map((item) => direct.put(item, {}, { when: 'absent', now, expiresAt: now })))
    await direct.put({ partition: 'over', sort: 'z' }, {}, { when: 'absent', now })
    expect((await during([], () => store.query({ partition: 'over', now, limit: 1 }))).items.map((item) => item.sort)).toEqual(['z'])
    expect(network.calls).toHaveLength(3)
  })

  test('a call that is forbidden is told at once', async () => {
    await during(['forbidden'], () => fails('store.misconfigured', store.put(newKey(), {}, { when: 'any', now }), 'AccessDeniedException'))
    await during(['forbidden'], () => fails('store.misconfigured', store.get(key, { now }), 'permissions'))
    expect(network.calls).toHaveLength(1)
  })

  test('no server at all: nothing was sent, the store is unavailable', async () => {
    const gone = new Network(server.url)
    const nobody = await gone.listen()
    await gone.close()
    const lost = await openDynamoStore({ ...common, table: 'longshore', endpoint: nobody, sleep: async () => undefined })
    await fails('store.unavailable', lost.put(key, {}, { when: 'any', now }), 'ECONNREFUSED')
    await fails('store.unavailable', lost.get(key, { now }))
    await lost.close()
  })
})

test('a server that takes no connection: nothing was sent, the store is unavailable', async () => {
  // A stopped process accepts nothing; once its backlog is full, further connections hang.
  const script = `const s = require('node:net').createServer(); s.listen(0, '127.0.0.1', 1, () => console.log(s.address().port))`
  const stopped = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const fillers: Socket[] = []
  try {
    const [line] = (await once(stopped.stdout, 'data')) as [Buffer]
    const port = Number(line.toString())
    stopped.kill('SIGSTOP')
    for (let number = 0; number < 8; number += 1) fillers.push(connect(port, '127.0.0.1').on('error', () => undefined))
    await sleep(50)
    const endpoint = `http://127.0.0.1:${port}`
    const store = await openDynamoStore({ ...common, table: 'longshore', endpoint, timeoutMs: 300, sleep: async () => undefined })
    await fails('store.unavailable', store.put(key, {}, { when: 'any', now }), 'did not establish a connection')
    await store.close()
  } finally {
    for (const filler of fillers) filler.destroy()
    stopped.kill('SIGKILL')
  }
})

describe('the DynamoDB table', () => {
  let server: DynaliteServer
  let client: DynamoDBClient
  let store: Store
  beforeAll(async () => {
    server = await startDynalite()
    await server.createStoreTable('longshore')
    client = clientOf(server.url)
    store = await openDynamoStore({ ...common, table: 'longshore', endpoint: server.url, sleep })
  })
  afterAll(async () => {
    await store.close()
    client.destroy()
    await server.close()
  })

  const rowOf = async (sort: string): Promise<Record<string, AttributeValue> | undefined> =>
    (await client.send(new GetItemCommand({ TableName: 'longshore', Key: { partition: { S: 'p' }, sort: { S: sort } } }))).Item

  test('holds these attributes; its own expiry is in seconds, a week after the item is gone, and only where it should be', async () => {
    const purgeAttribute = storeTableProperties().TimeToLiveSpecification
    expect(purgeAttribute).toEqual({ AttributeName: 'purge_at', Enabled: true })
    const row = (more: object): object => ({ partition: { S: 'p' }, sort: { S: 's' }, ...more })
    await store.put(key, { a: 1 }, { when: 'absent', now, expiresAt: now + 1500 })
    const [first, second, third, fourth] = [1, 2, 3, 4].map((n) => ({ N: String(now + n) }))
    expect(await rowOf('s')).toEqual(
      row({
        version: first,
        data: { S: '{"a":1}' },
        expires_at: { N: String(now + 1500) },
        purge_at: { N: String((now + week) / 1000 + 2) },
      }),
    )
    await store.put(key, { a: 2 }, { when: 'any', now })
    expect(await rowOf('s')).toEqual(row({ version: second, data: { S: '{"a":2}' } }))
    await store.delete(key, { when: 'any', now })
    expect(await rowOf('s')).toEqual(
      row({ version: third, data: { S: '' }, expires_at: { N: '0' }, purge_at: { N: String((now + week) / 1000) } }),
    )
    await store.put(key, { a: 3 }, { when: 'absent', now })
    expect(await rowOf('s')).toEqual(row({ version: fourth, data: { S: '{"a":3}' } }))
  })

  test('that does not exist, or has other keys, is named with the way out', async () => {
    const nowhere = await openDynamoStore({ ...common, table: 'no-such-table', endpoint: server.url, sleep })
    const error = await fails('store.misconfigured', nowhere.put(key, {}, { when: 'any', now }), 'no-such-table')
    expect(error.message).toContain('infra/resources/store-table.yml')
    await fails('store.misconfigured', nowhere.get(key, { now }), 'does not exist')
    await nowhere.close()
  })

  test('with an item that no store wrote: the item is refused, by name', async () => {
    const place = { partition: { S: 'strange' }, sort: { S: 'item' } }
    for (const more of [
      {},
      { version: { N: '1' } },
      { version: { S: 'x' }, data: { S: '{}' } },
      { version: { N: '1' }, data: { S: '{"a":' } },
    ]) {
      await client.send(new PutItemCommand({ TableName: 'longshore', Item: { ...place, ...more } }))
      await fails('store.corrupt', store.get({ partition: 'strange', sort: 'item' }, { now }), 'strange / item')
      await fails('store.corrupt', store.query({ partition: 'strange', now }), 'strange / item')
    }
  })
})

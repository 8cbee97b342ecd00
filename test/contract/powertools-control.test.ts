import { createServer, request as forward, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  IdempotencyAlreadyInProgressError,
  IdempotencyConfig,
  IdempotencyPersistenceLayerError,
  makeIdempotent,
} from '@aws-lambda-powertools/idempotency'
import { DynamoDBPersistenceLayer } from '@aws-lambda-powertools/idempotency/dynamodb'
import { CreateTableCommand, DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb'
import type { Context } from 'aws-lambda'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Store } from '#shared/safety/store.ts'
import { openDynamoStore } from '#shared/safety/store-dynamodb.ts'
import { addNode, graceMs, type ProcessOptions, runIn, stepOf, World } from '../shared/safety/carry-out-stage.ts'
import { dynaliteCredentials } from './dynalite-credentials.ts'
import { type DynaliteServer, startDynalite } from './dynalite-server.ts'

/*
 * A control: five ways in which a well-known idempotency package lets an action happen again, or blocks it, run against that very
 * package and against ours, over the same wire to the same kind of table. The figures on their side are what version 2.35.0 does;
 * when one of them changes, something was repaired there, and research as well as this test want another look.
 */

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** The way to the embedded DynamoDB server, which can be cut. */
class Wire {
  isCut = false
  url = ''
  readonly #server: Server

  constructor(target: string) {
    this.#server = createServer((request, response) => {
      if (this.isCut) {
        request.socket.destroy()
        return
      }
      const onward = forward(new URL(request.url ?? '/', target), { method: request.method, headers: request.headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(response)
      })
      onward.on('error', () => response.destroy())
      request.pipe(onward)
    })
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

/** What happened outside, whoever caused it. */
class Outside {
  runs = 0
  effects = 0
  mostAtOnce = 0
  #atOnce = 0

  /** One run of a handler, around what it does. */
  async run(body: () => Promise<void>): Promise<void> {
    this.runs += 1
    this.#atOnce += 1
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#atOnce)
    try {
      await body()
    } finally {
      this.#atOnce -= 1
    }
  }
}

interface OrderEvent {
  readonly key?: string
  readonly who: 'a' | 'b' | 'c'
}

let server: DynaliteServer
let wire: Wire
let table = 0

beforeAll(async () => {
  server = await startDynalite()
  wire = new Wire(server.url)
  await wire.open()
})

afterAll(async () => {
  await wire.close()
  await server.close()
})

beforeEach(() => {
  wire.isCut = false
  table += 1
})

function clientOn(endpoint: string): DynamoDBClient {
  return new DynamoDBClient({ endpoint, region: 'local', credentials: dynaliteCredentials, maxAttempts: 1 })
}

/** A function made idempotent as the package's own documentation shows it. */
async function theirs(handler: (event: OrderEvent) => Promise<string>): Promise<{
  deliver: (event: OrderEvent, remainingMs: number) => Promise<string>
  records: () => Promise<Record<string, unknown>[]>
  /** Waits until the time of the record's owner is over. */
  untilStale: () => Promise<void>
}> {
  const direct = clientOn(server.url)
  const TableName = `theirs-${table}`
  await direct.send(
    new CreateTableCommand({
      TableName,
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
      BillingMode: 'PAY_PER_REQUEST',
    }),
  )
  await sleep(20)
  const deliver = (event: OrderEvent, remainingMs: number): Promise<string> => {
    // One process each, as on Lambda when deliveries come at the same time.
    const persistenceStore = new DynamoDBPersistenceLayer({ tableName: TableName, awsSdkV3Client: clientOn(wire.url) })
    const config = new IdempotencyConfig({ eventKeyJmesPath: 'key' })
    const context = { getRemainingTimeInMillis: () => remainingMs } as Context
    return makeIdempotent(async (one: OrderEvent, _context: Context) => await handler(one), { persistenceStore, config })(event, context)
  }
  const records = async (): Promise<Record<string, unknown>[]> => (await direct.send(new ScanCommand({ TableName }))).Items ?? []
  const untilStale = async (): Promise<void> => {
    const [record] = (await records()) as { in_progress_expiration?: { N: string } }[]
    const staleAt = Number(record?.in_progress_expiration?.N)
    expect(staleAt).toBeGreaterThan(0)
    while (Date.now() <= staleAt) await sleep(5)
  }
  return { deliver, records, untilStale }
}

/** The same outside, behind our kernel: a platform that adds a node each time it is asked. */
async function ours(): Promise<{
  world: World
  store: Store
  deliver: (options: Omit<ProcessOptions, 'store'>, key?: string) => Promise<string>
}> {
  await server.createStoreTable(`ours-${table}`)
  const store = await openDynamoStore({
    table: `ours-${table}`,
    region: 'local',
    endpoint: wire.url,
    credentials: dynaliteCredentials,
    random: () => 0,
    sleep: async () => undefined,
    timeoutMs: 20_000,
  })
  const world = new World()
  const deliver = async (options: Omit<ProcessOptions, 'store'>, key = 'order-1'): Promise<string> => {
    const { outcome, reason } = await runIn(world, { ...options, store }, stepOf(key))
    return `${outcome} ${reason?.code ?? 'applied'}`
  }
  return { world, store, deliver }
}

const event = (who: OrderEvent['who']): OrderEvent => ({ key: 'order-1', who })

describe('S1: an owner whose time is over fails late, while its successor is at work', () => {
  it('theirs: its failure deletes the record of its successor, so a third one runs beside it', async () => {
    const outside = new Outside()
    const begun = { a: Promise.withResolvers<void>(), b: Promise.withResolvers<void>(), c: Promise.withResolvers<void>() }
    const { deliver, records, untilStale } = await theirs(async ({ who }) => {
      await outside.run(async () => {
        begun[who].resolve()
        if (who === 'a') {
          await begun.b.promise
          throw new Error('a fails late, before its effect')
        }
        outside.effects += 1
        await begun.c.promise
      })
      return who
    })
    const a = deliver(event('a'), 20).catch((error: unknown) => error)
    await begun.a.promise
    await untilStale()
    const b = deliver(event('b'), 60_000)
    expect(await a).toMatchObject({ message: 'a fails late, before its effect' })
    expect(await records()).toEqual([])
    const c = deliver(event('c'), 60_000)
    expect(await Promise.all([b, c])).toEqual(['b', 'c'])
    expect({ runs: outside.runs, effects: outside.effects, mostAtOnce: outside.mostAtOnce }).toEqual({ runs: 3, effects: 2, mostAtOnce: 2 })
  })

  it('ours: one effect; the late one changes nothing', async () => {
    const { world, deliver } = await ours()
    const outcomes: string[] = []
    const a = await deliver({
      owner: 'a',
      apply: async () => {
        world.elapse(90_000 + graceMs + 1)
        const b = await deliver({
          owner: 'b',
          apply: async (step, cloud) => {
            const result = await addNode(step, cloud)
            outcomes.push(`c: ${await deliver({ owner: 'c' })}`)
            return result
          },
        })
        outcomes.push(`b: ${b}`)
        throw new Error('a fails late, before its effect')
      },
    })
    outcomes.push(`a: ${a}`, `d: ${await deliver({ owner: 'd' })}`)
    expect(outcomes).toEqual(['c: Held busy', 'b: Applied applied', 'a: Failed apply-failed', 'd: NoChange already-done'])
    expect(world.effects).toHaveLength(1)
  })
})

describe('S2: the store is away right after the effect', () => {
  it('theirs: the next delivery does it again', async () => {
    const outside = new Outside()
    const { deliver, records, untilStale } = await theirs(async ({ who }) => {
      outside.effects += 1
      wire.isCut = who === 'a'
      return who
    })
    await expect(deliver(event('a'), 20)).rejects.toBeInstanceOf(IdempotencyPersistenceLayerError)
    wire.isCut = false
    expect(await records()).toMatchObject([{ status: { S: 'INPROGRESS' } }])
    await untilStale()
    expect(await deliver(event('b'), 5000)).toBe('b')
    expect(outside.effects).toBe(2)
  })

  it('ours: one effect; the next run finds it', async () => {
    const { world, deliver } = await ours()
    const a = await deliver({
      owner: 'a',
      apply: async (step, cloud) => {
        const result = await addNode(step, cloud)
        wire.isCut = true
        return result
      },
    })
    wire.isCut = false
    const b = await deliver({ owner: 'b' })
    world.elapse(90_000 + graceMs + 1)
    expect([a, b, await deliver({ owner: 'c' }), await deliver({ owner: 'd' })]).toEqual([
      'Applied outcome-not-saved',
      'Held busy',
      'NoChange settled-applied',
      'NoChange already-done',
    ])
    expect(world.effects).toHaveLength(1)
  })
})

describe('S3: the answer is lost after the platform has done it', () => {
  it('theirs: the record is deleted, and the retry does it again', async () => {
    const outside = new Outside()
    const { deliver, records } = await theirs(async ({ who }) => {
      outside.effects += 1
      if (who === 'a') throw new Error('the answer was lost')
      return who
    })
    await expect(deliver(event('a'), 5000)).rejects.toThrow('the answer was lost')
    expect(await records()).toEqual([])
    expect(await deliver(event('b'), 5000)).toBe('b')
    expect(outside.effects).toBe(2)
  })

  it('ours: one effect; it is found by reading, at once or by the next run', async () => {
    const { world, deliver } = await ours()
    world.fates = ['lose-after']
    expect(await deliver({ owner: 'a' })).toBe('Applied settled-applied')
    expect(await deliver({ owner: 'b' })).toBe('NoChange already-done')
    expect(world.effects).toHaveLength(1)

    world.fates = ['lose-after']
    world.readable = false
    expect(await deliver({ owner: 'a' }, 'order-2')).toBe('Held unknown-outcome')
    expect(await deliver({ owner: 'b' }, 'order-2')).toBe('Held unknown-outcome')
    world.readable = true
    expect(await deliver({ owner: 'c' }, 'order-2')).toBe('NoChange settled-applied')
    expect(world.effects.map(({ key }) => key)).toEqual(['order-1', 'order-2'])
  })
})

describe('S4: there is no key in the event', () => {
  it('theirs: it runs each time, without any protection and without an error', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    const outside = new Outside()
    const { deliver, records } = await theirs(async ({ who }) => {
      outside.effects += 1
      return who
    })
    expect([await deliver({ who: 'a' }, 5000), await deliver({ who: 'b' }, 5000)]).toEqual(['a', 'b'])
    expect(outside.effects).toBe(2)
    expect(await records()).toEqual([])
    warn.mockRestore()
  })

  it('ours: it is an error and nothing happens; with its key it happens once', async () => {
    const { world, deliver } = await ours()
    expect([await deliver({ owner: 'a' }, ''), await deliver({ owner: 'b' }, '')]).toEqual(['Held ledger.no-key', 'Held ledger.no-key'])
    expect(world.calls).toEqual([])
    expect([await deliver({ owner: 'c' }), await deliver({ owner: 'd' })]).toEqual(['Applied applied', 'NoChange already-done'])
    expect(world.effects).toHaveLength(1)
  })
})

describe('S5: no time is left when it begins, and the process dies', () => {
  it('theirs: the key is locked for an hour, although nothing has happened', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    const outside = new Outside()
    const { deliver, records } = await theirs(async ({ who }) => {
      if (who === 'a') await new Promise(() => undefined)
      outside.effects += 1
      return who
    })
    void deliver(event('a'), 0)
    await vi.waitFor(async () => expect(await records()).toHaveLength(1))
    await expect(deliver(event('b'), 5000)).rejects.toBeInstanceOf(IdempotencyAlreadyInProgressError)
    expect(outside.effects).toBe(0)
    const [record] = (await records()) as { in_progress_expiration?: unknown; expiration: { N: string } }[]
    expect(record?.in_progress_expiration).toBeUndefined()
    expect(Number(record?.expiration.N) - Date.now() / 1000).toBeGreaterThan(3500)
    warn.mockRestore()
  })

  it('ours: it does not begin, and the next run does it; one that died all the same is settled after the grace', async () => {
    const { world, store, deliver } = await ours()
    expect(await deliver({ owner: 'a', lifeMs: 0 })).toBe('Held guard.no-time-left')
    expect(await deliver({ owner: 'b' })).toBe('Applied applied')
    expect(world.effects).toHaveLength(1)

    // The kernel's ledger by itself, told that there is no time.
    const ledger = world.ledger(store)
    await ledger.acquire({ key: 'order-2', owner: 'c', now: world.now, deadline: world.now })
    expect(await deliver({ owner: 'd' }, 'order-2')).toBe('Held busy')
    world.elapse(graceMs + 1)
    expect(await deliver({ owner: 'e' }, 'order-2')).toBe('Applied applied')
    expect(world.effects.map(({ key }) => key)).toEqual(['order-1', 'order-2'])
  })
})

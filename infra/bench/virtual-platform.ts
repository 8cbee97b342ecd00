import { type CloudClient, createClient } from '#cloud/client.ts'
import type { Clock } from '#cloud/clock.ts'
import { staticCredentials } from '#cloud/credentials.ts'
import type { Transport, WireAnswer, WireRequest } from '#cloud/wire.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { createSandboxCore, exchangeApi } from '#infra/sandbox/server.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import type { World } from '#infra/sandbox/world.ts'
import { EventLoop } from '#infra/sim/event-loop.ts'

/** How long things take, each drawn evenly between two numbers of milliseconds. */
export interface Network {
  readonly name: string
  /** From the client to where the platform counts the call. */
  readonly there: readonly [leastMs: number, mostMs: number]
  /** From there until the answer is at the client. */
  readonly back: readonly [leastMs: number, mostMs: number]
}

export interface Arrival {
  readonly action: string
  /** Virtual epoch milliseconds. */
  readonly at: number
  readonly isRefused: boolean
  /** What was asked for, where it was understood. */
  readonly request: Readonly<Record<string, unknown>>
}

/** Nobody but the sandbox's rates says how fast it goes: time is virtual, and all that it costs are these ways. */
export interface VirtualPlatform {
  readonly client: CloudClient
  readonly world: World
  /** Virtual epoch milliseconds. */
  now(): number
  /** Calls by what became of them, in the order in which they arrived. */
  readonly arrivals: readonly Arrival[]
  /** Lets time pass until it is settled. */
  run<T>(work: Promise<T>): Promise<T>
}

/** The sandbox with its published rates in virtual time, and the real client before it, with its limits and retries. */
export function startVirtualPlatform(options: {
  readonly world: World
  readonly network: Network
  readonly startMs: number
  readonly seed: number
  readonly rateShares: Readonly<Record<string, number>>
}): VirtualPlatform {
  const { world, network, startMs, seed } = options
  const loop = new EventLoop(startMs)
  const core = createSandboxCore({ world, clock: createSandboxClock({ source: () => loop.now }), seed, rates: true })
  const random = createRandom(seed)
  const arrivals: Arrival[] = []
  const draw = ([leastMs, mostMs]: readonly [number, number]): number => Math.round(leastMs + random() * (mostMs - leastMs))

  const exchange = async (request: WireRequest): Promise<WireAnswer> => {
    const { method, path, headers, body = '' } = request
    const call = { method, target: path, headers: Object.entries(headers), body: Buffer.from(body) }
    const at = loop.now
    const { reply, dateMs } = await exchangeApi(core, call, (ms) => loop.sleep(ms))
    const { action = '', code, request: asked = {} } = core.journal.records.at(-1) ?? {}
    arrivals.push({ action, at, isRefused: code === 'RequestLimitExceeded', request: asked })
    return {
      status: reply.status,
      headers: { date: new Date(dateMs).toUTCString(), 'content-type': reply.contentType },
      body: Buffer.from(reply.body),
    }
  }
  const transport: Transport = {
    send: async (request) => {
      request.onDeparture?.()
      await loop.sleep(draw(network.there))
      const answer = await exchange(request)
      await loop.sleep(draw(network.back))
      return answer
    },
    close: () => Promise.resolve(),
  }
  const clock: Clock = {
    now: () => loop.now,
    monotonic: () => loop.now - startMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const onAbort = (): void => {
          due.isCancelled = true
          reject(signal?.reason)
        }
        const due = loop.after(ms, () => {
          signal?.removeEventListener('abort', onAbort)
          resolve()
        })
        if (signal?.aborted === true) onAbort()
        else signal?.addEventListener('abort', onAbort, { once: true })
      }),
  }
  return {
    client: createClient({
      credentials: staticCredentials({ secretId: sandboxSecretId, secretKey: sandboxSecretKey }),
      region: emptyCluster.region,
      endpoint: { kind: 'url', url: 'http://127.0.0.1:1' },
      clock,
      transport,
      random: createRandom(seed + 1),
      rateShares: options.rateShares,
    }),
    world,
    now: () => loop.now,
    arrivals,
    run: async (work) => {
      let isOver = false
      const end = (): void => {
        isOver = true
      }
      work.then(end, end)
      while (!isOver) await loop.runUntil(loop.now + 20)
      return await work
    },
  }
}

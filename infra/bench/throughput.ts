import { CommonClient } from 'tencentcloud-sdk-nodejs-common'
import { type Dispatcher, Pool } from 'undici'
import { type CloudClient, createClient } from '#cloud/client.ts'
import { systemClock } from '#cloud/clock.ts'
import { staticCredentials } from '#cloud/credentials.ts'
import { DescribeClusters } from '#cloud/generated/tke/describe-clusters.ts'
import { createTransport } from '#cloud/transport.ts'
import { createTransport as createHttpsTransport } from '#cloud/transport-https.ts'
import type { TransportFactory } from '#cloud/wire.ts'
import { median } from './median.ts'
import type { Comparison } from './section.ts'

export interface Contender {
  readonly name: string
  /** One call from request object to response object. */
  readonly call: () => Promise<unknown>
  readonly close: () => Promise<void>
}

export interface ThroughputRow {
  readonly contender: string
  readonly concurrency: number
  readonly callsPerSecond: number
  /** Processor time of this process for one call, microseconds: hardly moves when the machine has other work. */
  readonly cpuMicros: number
  /** Compared with the official SDK, and with undici alone, in the same rounds. */
  readonly timesSdk: number
  readonly timesUndici: number
}

export interface ThroughputOptions {
  readonly port: number
  readonly concurrencies: readonly number[]
  readonly rounds: number
  readonly sliceMs: number
}

const secretId = 'AKIDBENCHBENCHBENCHBENCHBENCHEXAMPLE'
const secretKey = 'BenchKeyForLocalUseOnlyEXAMPLE00'
const request = { ClusterIds: ['cls-a1b2c3d4'], Limit: 20, Filters: [{ Name: 'ClusterName', Values: ['production'] }] }

/** A rate that never holds anybody up, so that the limiter's own work is measured and not its waiting. */
const unlimited: typeof DescribeClusters = { ...DescribeClusters, ratePerSecond: 1_000_000_000 }

function ours(port: number, createTransportOf: TransportFactory): CloudClient {
  return createClient({
    credentials: staticCredentials({ secretId, secretKey }),
    region: 'ap-guangzhou',
    endpoint: { kind: 'url', url: `http://127.0.0.1:${port}` },
    clock: systemClock,
    transport: createTransportOf({ clock: systemClock, allowedHosts: [`127.0.0.1:${port}`] }),
    random: Math.random,
  })
}

export const sdkName = 'official SDK'
/** What runs on Lambda. */
const functionsName = 'Longshore over node:http'
export const undiciName = 'undici Pool.request, unsigned'

/** Everybody who is measured. */
export function contenders(port: number): readonly Contender[] {
  const overUndici = ours(port, createTransport)
  const overHttps = ours(port, createHttpsTransport)
  const sdk = new CommonClient('tke.tencentcloudapi.com', '2018-05-25', {
    credential: { secretId, secretKey },
    region: 'ap-guangzhou',
    profile: { httpProfile: { endpoint: `127.0.0.1:${port}`, protocol: 'http://' } },
  })
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 100, pipelining: 1 })
  const body = JSON.stringify(request)
  const plain = { path: '/', method: 'POST' as const, headers: { host: `127.0.0.1:${port}`, 'content-type': 'application/json' }, body }
  return [
    { name: 'Longshore over undici', call: () => overUndici.send(unlimited, request), close: () => overUndici.close() },
    { name: functionsName, call: () => overHttps.send(unlimited, request), close: () => overHttps.close() },
    { name: sdkName, call: () => sdk.request('DescribeClusters', request), close: () => Promise.resolve() },
    { name: undiciName, call: async () => (await pool.request(plain)).body.json(), close: () => pool.close() },
    { name: 'undici Pool.dispatch, unsigned', call: () => dispatch(pool, plain), close: () => Promise.resolve() },
  ]
}

/** The least that can be done with undici: the fast interface, no signature, the answer parsed. */
function dispatch(pool: Pool, options: Dispatcher.DispatchOptions): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    pool.dispatch(options, {
      onRequestStart: () => undefined,
      onResponseStart: () => undefined,
      onResponseData: (_controller, chunk) => {
        chunks.push(chunk)
      },
      onResponseEnd: () => resolve(JSON.parse((chunks[0] ?? Buffer.alloc(0)).toString('utf8'))),
      onResponseError: (_controller, error) => reject(error),
    })
  })
}

/** Calls per second of each contender at each concurrency: rounds in which everybody has a slice in turn, then the median. */
export async function measureThroughput(options: ThroughputOptions): Promise<readonly ThroughputRow[]> {
  const everybody = contenders(options.port)
  const measured = new Map<string, Slice[]>()
  const key = (contender: Contender, concurrency: number): string => `${contender.name}\n${concurrency}`
  for (const contender of everybody) await slice(contender, 20, options.sliceMs)
  for (let round = 0; round < options.rounds; round += 1) {
    for (const concurrency of options.concurrencies) {
      // Each round begins with another one, so that nobody always comes after the same neighbour.
      for (let turn = 0; turn < everybody.length; turn += 1) {
        const contender = everybody[(turn + round) % everybody.length]
        if (contender === undefined) continue
        const slices = measured.get(key(contender, concurrency)) ?? []
        slices.push(await slice(contender, concurrency, options.sliceMs))
        measured.set(key(contender, concurrency), slices)
      }
    }
  }
  for (const contender of everybody) await contender.close()
  const medianOf = (name: string, concurrency: number, of: keyof Slice): number =>
    median((measured.get(`${name}\n${concurrency}`) ?? []).map((each) => each[of]))
  const rateOf = (name: string, concurrency: number): number => medianOf(name, concurrency, 'callsPerSecond')
  return options.concurrencies.flatMap((concurrency) =>
    everybody.map(({ name }) => ({
      contender: name,
      concurrency,
      callsPerSecond: Math.round(rateOf(name, concurrency)),
      cpuMicros: Math.round(medianOf(name, concurrency, 'cpuMicros')),
      timesSdk: rounded(rateOf(name, concurrency) / rateOf(sdkName, concurrency)),
      timesUndici: rounded(rateOf(name, concurrency) / rateOf(undiciName, concurrency)),
    })),
  )
}

/** This client, over the transport that the functions have, against the official SDK. */
export function compareThroughput(rows: readonly ThroughputRow[]): readonly Comparison[] {
  return [...Map.groupBy(rows, ({ concurrency }) => concurrency)].flatMap(([concurrency, own]) => {
    const ours = own.find(({ contender }) => contender === functionsName)
    const sdk = own.find(({ contender }) => contender === sdkName)
    if (ours === undefined || sdk === undefined) return []
    const what = `signed calls, ${concurrency} at a time, per second, against the official SDK`
    return [
      { what, times: ours.timesSdk, ours: ours.callsPerSecond.toLocaleString('en-US'), peer: sdk.callsPerSecond.toLocaleString('en-US') },
    ]
  })
}

interface Slice {
  readonly callsPerSecond: number
  readonly cpuMicros: number
}

async function slice(contender: Contender, concurrency: number, sliceMs: number): Promise<Slice> {
  let count = 0
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  const until = startedAt + sliceMs
  const worker = async (): Promise<void> => {
    do {
      await contender.call()
      count += 1
    } while (performance.now() < until)
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  const cpu = process.cpuUsage(cpuBefore)
  return { callsPerSecond: (count * 1000) / (performance.now() - startedAt), cpuMicros: (cpu.user + cpu.system) / count }
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}

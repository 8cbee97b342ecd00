import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import * as z from 'zod/mini'
import { createRandom } from '#infra/sandbox/random.ts'
import { flushesPerSecond } from './flushes.ts'
import { median } from './median.ts'
import { goal, type Measured, type Section } from './section.ts'
import { alarmGroup, apps, type Expected, forged, key, type Message, notification, push, signedPush, token } from './webhook-messages.ts'

export interface WebhookRow {
  readonly webhooks: string
  readonly requests: number
  readonly perSecond: number
  /** From the moment at which a request was to be sent until its answer was there, milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly most: number
  /** Events that were worked on. */
  readonly events: number
  /** How long this disk took to flush one small write, right before and after: an answer waits for two or three of them. Not of the flood. */
  readonly flushMs: number
  /** Growth of the server's heap over the last four fifths of the requests. */
  readonly heapGrowthMib: number
}

export interface WebhookSizes {
  readonly rounds: number
  /** Requests of a round at 200 a second. */
  readonly steady: number
  /** Requests of the flood, and pushes to each repository while it goes on. */
  readonly flood: number
  readonly pushes: number
}

/** Webhooks: how soon they are answered 202, and what a flood of bad ones does to the redeploy hook's. */
export const webhooks: Section = {
  name: 'webhooks',
  title: 'Webhooks on the embedded store, answered when their events are durable, with a worker beside them, milliseconds:',
  measure: ({ quick }) =>
    measureWebhooks(quick ? { rounds: 1, steady: 400, flood: 2000, pushes: 4 } : { rounds: 3, steady: 2000, flood: 10_000, pushes: 10 }),
}

const perSecond = 200
/** Of alarms: fewer, and each of ten of them. */
const alarmsPerSecond = 100

export async function measureWebhooks({ rounds, steady, flood, pushes }: WebhookSizes): Promise<Measured<WebhookRow>> {
  const rows = [
    await measureSteady('registry notifications', rounds, steady, (index) => notification(index)),
    await measureSteady('signed pushes', rounds, steady, (index) => signedPush(push(index))),
  ]
  const alarms = await measureSteady('groups of alarms', rounds, steady, (index) => alarmGroup(index), {
    name: 'alarm-scaler',
    perSecond: alarmsPerSecond,
  })
  const flooded = await measureFlood(flood, pushes)
  return {
    rows: [...rows, alarms, flooded.row],
    goals: [
      ...rows.map(({ webhooks: what, p99 }) => goal(`${what} at ${perSecond} a second, p99 until 202`, p99, { most: 20 }, 'ms')),
      goal(`${alarms.webhooks} at ${alarmsPerSecond} a second, p99 until 202`, alarms.p99, { most: 50 }, 'ms'),
      goal('answers and events of the flood that are wrong', flooded.wrong, { most: 0 }),
      goal('deployments of the flood that are wrong', flooded.wrongDeploys, { most: 0 }),
      goal('growth of the heap over the flood', flooded.row.heapGrowthMib, { most: 8 }, 'MiB'),
    ],
  }
}

interface Target {
  readonly name: 'redeploy-hook' | 'alarm-scaler'
  readonly perSecond: number
}

async function measureSteady(
  what: string,
  rounds: number,
  count: number,
  message: (index: number) => Message,
  target: Target = { name: 'redeploy-hook', perSecond },
): Promise<WebhookRow> {
  const measured: { p50: number; p99: number; most: number; events: number; flushMs: number; growth: number }[] = []
  for (let round = 0; round < rounds; round += 1) {
    measured.push(
      await onServer(
        async ({ send, told, flushMs }) => {
          const idleMs = flushMs()
          for (let index = 0; index < 50; index += 1) await send(message(1_000_000 + index))
          const before = await settled(told, 50)
          const times = await steadily(count, target.perSecond, async (index) => {
            const status = await send(message(index))
            if (status !== 202) throw new Error(`a webhook of the bench was answered ${status} instead of 202`)
          })
          const after = await settled(told, before.worked + count)
          const sorted = times.toSorted((one, other) => one - other)
          const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN
          return {
            p50: at(0.5),
            p99: at(0.99),
            most: at(1),
            events: after.worked - before.worked,
            flushMs: (idleMs + flushMs()) / 2,
            growth: Math.max(0, after.heapMib - before.heapMib),
          }
        },
        { name: target.name },
      ),
    )
  }
  const of = (field: keyof (typeof measured)[number]): number => rounded(median(measured.map((one) => one[field])))
  return {
    webhooks: what,
    requests: count,
    perSecond: target.perSecond,
    p50: of('p50'),
    p99: of('p99'),
    most: of('most'),
    events: of('events'),
    flushMs: of('flushMs'),
    heapGrowthMib: of('growth'),
  }
}

/** Sends each at its time, whether the ones before have been answered or not; how long each took from its time on. */
async function steadily(count: number, rate: number, send: (index: number) => Promise<void>): Promise<number[]> {
  const startedAt = performance.now() + 20
  const times: number[] = []
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const dueAt = startedAt + (index * 1000) / rate
      await sleep(dueAt - performance.now())
      const sentAt = Math.max(dueAt, performance.now())
      await send(index)
      times.push(performance.now() - sentAt)
    }),
  )
  return times
}

/**
 * Pushes of every repository one after the other, and after each round what they are told by: genuine webhooks, some of them several
 * times and none in its order, between forged ones (other keys, other tokens, a byte changed, a time long gone, addresses that do not
 * exist), and genuine ones of earlier pushes. Each genuine one has to come to one event, nothing else to any; no workload may ever get
 * an older image than the one it has, and in the end each has the newest.
 */
async function measureFlood(
  count: number,
  pushes: number,
): Promise<{ readonly row: WebhookRow; readonly wrong: number; readonly wrongDeploys: number }> {
  const random = createRandom(6)
  const genuine = apps * pushes
  const rounds = Array.from({ length: pushes }, (_, round) => {
    const told = (index: number): Expected => ({ message: index % 2 === 0 ? notification(index) : signedPush(push(index)), status: 202 })
    const all: Expected[] = Array.from({ length: apps }, (_, app) => told(round * apps + app))
    while (all.length < count / pushes) {
      const index = Math.floor(random() * (round + 1) * apps)
      const kind = Math.floor(random() * 6)
      all.push(kind === 0 ? told(index) : forged(kind, index))
    }
    return shuffled(all, random)
  })
  return await onServer(
    async ({ send, told }) => {
      let wrong = 0
      const times: number[] = []
      const begin = performance.now()
      let early: Told | undefined
      for (const [round, some] of rounds.entries()) {
        await told(round + 1)
        const left = [...some]
        const sender = async (): Promise<void> => {
          for (let one = left.pop(); one !== undefined; one = left.pop()) {
            const sentAt = performance.now()
            if ((await send(one.message)) !== one.status) wrong += 1
            times.push(performance.now() - sentAt)
          }
        }
        await Promise.all(Array.from({ length: 16 }, sender))
        if (round === Math.max(0, Math.floor(pushes / 5) - 1)) early = await told()
      }
      const seconds = (performance.now() - begin) / 1000
      const late = await settled(told, genuine)
      wrong += Math.abs(late.worked - genuine) + late.failed
      const sorted = times.toSorted((one, other) => one - other)
      const row: WebhookRow = {
        webhooks: 'forged, replayed and reordered',
        requests: times.length,
        perSecond: Math.round(times.length / seconds),
        p50: rounded(median(sorted)),
        p99: rounded(sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN),
        most: rounded(sorted.at(-1) ?? Number.NaN),
        events: late.worked,
        flushMs: 0,
        heapGrowthMib: rounded(Math.max(0, late.heapMib - (early?.heapMib ?? Number.NaN))),
      }
      return { row, wrong, wrongDeploys: late.wrongDeploys }
    },
    { workloads: apps },
  )
}

function shuffled<T>(all: readonly T[], random: () => number): T[] {
  return all
    .map((one) => ({ one, place: random() }))
    .toSorted((left, right) => left.place - right.place)
    .map(({ one }) => one)
}

const Told = z.object({ worked: z.number(), failed: z.number(), wrongDeploys: z.number(), heapMib: z.number() })
type Told = z.infer<typeof Told>

interface Server {
  /** The status of the answer. */
  readonly send: (message: Message) => Promise<number>
  /** What it has done, after the push with this number to every repository where one is given. */
  readonly told: (push?: number) => Promise<Told>
  /** How long a flush takes now, beside the store's file. */
  readonly flushMs: () => number
}

async function onServer<T>(
  work: (server: Server) => Promise<T>,
  { name = 'redeploy-hook', workloads = 0 }: { readonly name?: Target['name']; readonly workloads?: number },
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'longshore-bench-webhooks-'))
  const words = [join(folder, 'store.db'), token, `whsec_${key.toString('base64')}`, String(workloads), name]
  const child = fork(fileURLToPath(new URL('webhook-process.ts', import.meta.url)), words, {
    execArgv: [...process.execArgv, '--expose-gc'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  try {
    const { url } = z.parse(z.object({ url: z.string() }), await messageOf(child))
    return await work({
      send: async ({ path, headers, body }) => await exchange(agent, `${url}/hooks/${name}/${path}`, headers, body),
      told: async (patch) => {
        const answer = messageOf(child)
        child.send(patch === undefined ? {} : { push: patch })
        return z.parse(Told, await answer)
      },
      flushMs: () => 1000 / flushesPerSecond(join(folder, 'flush'), 200),
    })
  } finally {
    agent.destroy()
    child.removeAllListeners('exit')
    const ended = once(child, 'exit')
    if (child.connected) child.disconnect()
    if (child.exitCode === null) await ended
    await rm(folder, { recursive: true, force: true })
  }
}

/** Waits until so many events have been worked on, or until nothing has happened for a while. */
async function settled(told: () => Promise<Told>, worked: number): Promise<Told> {
  let last = await told()
  for (let idle = 0; last.worked < worked && idle < 50; ) {
    await sleep(100)
    const next = await told()
    idle = next.worked === last.worked ? idle + 1 : 0
    last = next
  }
  return last
}

async function messageOf(child: ChildProcess): Promise<unknown> {
  const ended = new AbortController()
  try {
    return await Promise.race([
      once(child, 'message', { signal: ended.signal }).then(([message]) => message),
      once(child, 'exit', { signal: ended.signal }).then(([code]) => {
        throw new Error(`The server of the bench ended with code ${code} before it answered.`)
      }),
    ])
  } finally {
    ended.abort()
  }
}

function exchange(agent: Agent, url: string, headers: Readonly<Record<string, string>>, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent, headers: { ...headers, 'content-length': Buffer.byteLength(body) } }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100
}

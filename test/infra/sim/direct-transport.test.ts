import { describe, expect, it } from 'vitest'
import { type CloudClient, createClient } from '#cloud/client.ts'
import { systemClock } from '#cloud/clock.ts'
import { staticCredentials } from '#cloud/credentials.ts'
import { CloudError } from '#cloud/errors.ts'
import { type KubeObject, kubeReader, kubeWriter } from '#cloud/kube.ts'
import { KubeError } from '#cloud/kube-error.ts'
import { createTransport } from '#cloud/transport-https.ts'
import type { Transport } from '#cloud/wire.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import type { SandboxCore } from '#infra/sandbox/core.ts'
import type { Fault } from '#infra/sandbox/faults.ts'
import { getObject, putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { createSandboxCore, exchangeApi, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import type { World } from '#infra/sandbox/world.ts'
import { createDirectTransport } from '#infra/sim/direct-transport.ts'
import { EventLoop } from '#infra/sim/event-loop.ts'
import { SimProcess } from '#infra/sim/sim-process.ts'

const startMs = Date.UTC(2026, 2, 2, 8)
const path = '/apis/apps/v1/namespaces/default/deployments/web'

function stageWorld(): World {
  const world = createEmptyWorld(startMs, 1)
  const state = world.kubernetes[emptyCluster.clusterId]
  if (state !== undefined)
    putObject(state, deployment({ namespace: 'default', name: 'web', image: 'registry.example/web:1', replicas: 1 }), startMs)
  return world
}

function replicasIn(world: World): unknown {
  const state = world.kubernetes[emptyCluster.clusterId]
  const object = state === undefined ? undefined : getObject(state, 'apps', 'deployments', 'web', 'default')
  return (object?.spec as { readonly replicas?: number } | undefined)?.replicas
}

function clientOver(transport: Transport, url: string, clock: Parameters<typeof createClient>[0]['clock']): CloudClient {
  return createClient({
    credentials: staticCredentials({ secretId: sandboxSecretId, secretKey: sandboxSecretKey }),
    region: emptyCluster.region,
    endpoint: { kind: 'url', url },
    clock,
    transport,
    random: createRandom(3),
    timeoutMs: 150,
    maxAttempts: 2,
  })
}

/** How a call ended, and what is there after it. */
interface Ended {
  readonly how: string
  readonly replicas: unknown
}

async function howItEnds(call: () => Promise<KubeObject>): Promise<string> {
  try {
    return `${(await call()).kind} ${JSON.stringify((await call()).spec)}`.slice(0, 10)
  } catch (error) {
    if (error instanceof CloudError) return `${error.kind} ${error.httpStatus ?? ''}`
    if (error instanceof KubeError) return `${error.kind} ${error.status}`
    throw error
  }
}

const write = (client: CloudClient) => () => kubeWriter(client, emptyCluster.clusterId).patch(path, 'merge', { spec: { replicas: 5 } })
const read = (client: CloudClient) => () => kubeReader(client, emptyCluster.clusterId).get(path)

async function overSockets(fault: Fault, count: number, call: typeof write): Promise<Ended> {
  const world = stageWorld()
  const sandbox = await startSandbox({ world, clock: createSandboxClock({ startMs, frozen: true }) })
  sandbox.faults.add({ fault, count })
  const clock = { ...systemClock, now: () => startMs }
  const transport = createTransport({ clock, allowedHosts: ['127.0.0.1'], environment: {} })
  const client = clientOver(transport, sandbox.url, clock)
  const how = await howItEnds(call(client))
  // What is late comes all the same.
  await new Promise((resolve) => setTimeout(resolve, fault.kind === 'latency' ? 200 : 0))
  const replicas = replicasIn(world)
  await client.close()
  await sandbox.close()
  return { how, replicas }
}

interface Direct {
  readonly loop: EventLoop
  readonly process: SimProcess
  readonly core: SandboxCore
  readonly client: CloudClient
  readonly ends: string[]
}

function openDirect(isRefused = false): Direct {
  const loop = new EventLoop(startMs)
  const process = new SimProcess('p1.1', loop, () => 0)
  const core = createSandboxCore({ world: stageWorld(), clock: createSandboxClock({ source: () => loop.now }) })
  const ends: string[] = []
  const transport = createDirectTransport({
    process,
    loop,
    open: () => ({ receive: (call) => exchangeApi(core, call, (ms) => loop.sleep(ms)), end: (outcome) => ends.push(outcome) }),
    drawFate: () => ({ thereMs: 5, backMs: 5, isRefused }),
    onBug: (error) => {
      throw error
    },
  })
  return { loop, process, core, client: clientOver(transport, 'https://platform.invalid', process.clock), ends }
}

async function direct(fault: Fault, count: number, call: typeof write): Promise<Ended> {
  const { loop, core, client } = openDirect()
  core.faults.add({ fault, count })
  let how = 'nothing'
  const over = howItEnds(call(client)).then((text) => {
    how = text
  })
  await loop.runUntil(startMs + 60_000)
  await over
  return { how, replicas: replicasIn(core.world) }
}

const faults: readonly Fault[] = [
  { kind: 'drop-before' },
  { kind: 'drop-after' },
  { kind: '5xx', status: 502, when: 'before' },
  { kind: '5xx', status: 504, when: 'after' },
  { kind: 'internal-error', when: 'before' },
  { kind: 'internal-error', when: 'after' },
  { kind: 'throttle' },
  { kind: 'truncated-body' },
  { kind: 'slow-body', pauseMs: 250 },
  { kind: 'latency', latencyMs: 250 },
  { kind: 'rbac-403' },
  { kind: 'forward-body', body: '' },
]

// Each has a world and a server of its own, and most of its time it waits.
describe.concurrent('a call ends as over real sockets, and leaves the same behind', () => {
  it.for(faults)('a write under $kind', async (fault) => {
    expect(await direct(fault, 9, write)).toEqual(await overSockets(fault, 9, write))
  })

  it.for(faults)('a read under $kind, once and again and again', async (fault) => {
    expect(await direct(fault, 1, read)).toEqual(await overSockets(fault, 1, read))
    // The client waits for a second before it asks a platform again that was asked too often.
    if (fault.kind !== 'throttle') expect(await direct(fault, 9, read)).toEqual(await overSockets(fault, 9, read))
  })

  it('without faults', async () => {
    const none: Fault = { kind: 'latency', latencyMs: 0 }
    expect(await direct(none, 0, write)).toEqual({ how: 'Deployment', replicas: 5 })
    expect(await overSockets(none, 0, write)).toEqual({ how: 'Deployment', replicas: 5 })
  })
})

describe('what only the simulation does', () => {
  it('tells a connection that cannot be made from one that died', async () => {
    const { loop, client, ends } = openDirect(true)
    const how = howItEnds(write(client))
    await loop.runUntil(startMs + 60_000)
    expect(await how).toBe('cloud.not-sent ')
    expect(ends).toEqual(['not-sent', 'not-sent'])
  })

  it('lets a write arrive whose process was cut when it had sent it, and never answers it', async () => {
    const { loop, process, core, client, ends } = openDirect()
    let isOver = false
    process.begin('run', [{ place: 2 }])
    const over = (): void => {
      isOver = true
    }
    write(client)().then(over, over)
    await loop.runUntil(startMs + 60_000)
    expect(process.isAlive).toBe(false)
    expect(replicasIn(core.world)).toBe(5)
    expect(isOver).toBe(false)
    expect(ends).toEqual([])
  })

  it('sends nothing for a process that was cut before', async () => {
    const { loop, process, core, client } = openDirect()
    process.begin('run', [{ place: 1 }])
    write(client)().catch(() => undefined)
    await loop.runUntil(startMs + 60_000)
    expect(replicasIn(core.world)).toBe(1)
    expect(core.journal.records).toEqual([])
  })

  it('hands over late what came while a process stood still', async () => {
    const { loop, process, client, ends } = openDirect()
    process.begin('run', [{ place: 2, freezeMs: 5_000 }])
    const how = howItEnds(read(client))
    await loop.runUntil(startMs + 4_000)
    expect(ends).toEqual([])
    await loop.runUntil(startMs + 60_000)
    expect(await how).toBe('Deployment')
  })
})

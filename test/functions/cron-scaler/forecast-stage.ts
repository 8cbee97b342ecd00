import { randomUUID } from 'node:crypto'
import type * as z from 'zod/mini'
import { createClient } from '#cloud/client.ts'
import { type Clock, systemClock } from '#cloud/clock.ts'
import { staticCredentials } from '#cloud/credentials.ts'
import { createTransport } from '#cloud/transport-https.ts'
import { definition } from '#functions/cron-scaler/definition.ts'
import type { Settings } from '#functions/cron-scaler/event.ts'
import { definition as licenseMeter } from '#functions/license-meter/definition.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { placeAsGroup, placeNodes } from '#infra/sandbox/seeds/place.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import type { World } from '#infra/sandbox/world.ts'
import type { Config } from '#shared/runtime/config.ts'
import { silentLog } from '#shared/runtime/log.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { runSchedule } from '#shared/runtime/run.ts'
import type { Store } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'

export const cluster = emptyCluster.clusterId
export const group = 'asg-00000001'

/** One cluster of two nodes of a scaling group behind real sockets, the store that both functions share, and a clock that stands still. */
export interface ForecastStage {
  readonly sandbox: Sandbox
  readonly store: Store
  /** Sets the time. */
  at(text: string): void
  /** Runs license-meter, then nothing but cron-scaler's tick. */
  measure(): Promise<RunReport>
  tick(settings?: z.input<typeof Settings>): Promise<RunReport>
  close(): Promise<void>
}

export interface ForecastWorld {
  /** How far the scaling group may grow; 10 when absent. */
  readonly groupMax?: number
  /** Cores of the licence; 1000 when absent. */
  readonly licensedCores?: number
  readonly change?: (world: World) => void
  readonly objects?: readonly JsonObject[]
}

/** From tomorrow on, in the morning the Deployment asks for sixteen pods of two cores. */
export const morning: z.input<typeof Settings> = {
  forecast: {},
  hpc: { enabled: false },
  rules: [
    {
      name: 'morning',
      cluster,
      target: { kind: 'Deployment', namespace: 'default', name: 'web' },
      schedule: '0 0 8 * * *',
      validFrom: '2026-11-25',
      targetSize: 16,
    },
  ],
}

export async function openForecastStage(startText: string, world: ForecastWorld = {}): Promise<ForecastStage> {
  const startMs = Date.parse(startText)
  const clock = createSandboxClock({ startMs, frozen: true })
  const made = worldOf(startMs, world)
  const sandbox = await startSandbox({ world: made, clock })
  const clientClock: Clock = { ...systemClock, now: () => clock.now() }
  const cloud = createClient({
    credentials: staticCredentials({ secretId: sandboxSecretId, secretKey: sandboxSecretKey }),
    region: emptyCluster.region,
    endpoint: { kind: 'url', url: sandbox.url },
    clock: clientClock,
    transport: createTransport({ clock: clientClock, allowedHosts: ['127.0.0.1'], environment: {} }),
    random: createRandom(3),
    timeoutMs: 5000,
  })
  const store = openMemoryStore(new MemoryDisk())
  const config = (functions: Config['functions']): Config => ({
    mode: 'plan',
    platform: {
      endpoint: { kind: 'url', url: sandbox.url },
      region: emptyCluster.region,
      allowInsecureHttp: false,
      allowedHosts: [],
      credentials: { kind: 'none' },
    },
    clusters: [{ id: cluster, name: 'production' }],
    store: { kind: 'memory' },
    functions,
  })
  const around = () => ({
    cloud,
    store,
    owner: randomUUID(),
    now: clock.now(),
    scheduledAt: clock.now(),
    trigger: { kind: 'local' } as const,
    log: silentLog,
  })
  return {
    sandbox,
    store,
    at: (text) => clock.set(Date.parse(text)),
    measure: async () => {
      const entitlements = [{ product: 'tke-*', region: emptyCluster.region, cores: world.licensedCores ?? 1000 }]
      return await runSchedule(licenseMeter, { config: config({ 'license-meter': { passMeans: 'over', entitlements } }), ...around() })
    },
    tick: async (settings = morning) => await runSchedule(definition, { config: config({ 'cron-scaler': settings }), ...around() }),
    close: async () => {
      await cloud.close()
      await sandbox.close()
    },
  }
}

function worldOf(startMs: number, { groupMax = 10, licensedCores = 1000, change, objects = [] }: ForecastWorld): World {
  const createdMs = startMs - 86_400_000
  const world = createEmptyWorld(createdMs, 1)
  const random = createRandom(2)
  const state = world.tke.clusters[cluster]
  const kubernetes = world.kubernetes[cluster]
  if (state === undefined || kubernetes === undefined) throw new Error('the empty world has no cluster')
  const { subnetId } = emptyCluster
  const labels = [{ name: 'pool', value: 'general' }]
  const instanceType = 'S5.2XLARGE16'
  placeAsGroup(
    world,
    state,
    {
      autoScalingGroupId: group,
      name: 'general',
      enabled: true,
      minSize: 2,
      maxSize: groupMax,
      desiredSize: 2,
      instanceType,
      subnetIds: [subnetId],
      labels,
      createdMs,
    },
    random,
  )
  placeNodes(world, state, { count: 2, instanceType, subnetId, asGroupId: group, labels, createdMs }, random)
  world.tke.licence.entitledCores[emptyCluster.region] = licensedCores
  change?.(world)
  const web = deployment({ namespace: 'default', name: 'web', image: 'registry.example/web:1', replicas: 2, cpu: '2', memory: '1Gi' })
  for (const object of [web, ...objects]) putObject(kubernetes, object, startMs - 3_600_000)
  return world
}

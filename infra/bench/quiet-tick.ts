import type * as z from 'zod/mini'
import { createClient } from '#cloud/client.ts'
import { systemClock } from '#cloud/clock.ts'
import { staticCredentials } from '#cloud/credentials.ts'
import { createTransport } from '#cloud/transport-https.ts'
import { definition } from '#functions/cron-scaler/definition.ts'
import type { Settings } from '#functions/cron-scaler/event.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import { putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { autoscalerV1, deployment, scaler, scalerDefinition } from '#infra/sandbox/seeds/kube-objects.ts'
import { placeCluster } from '#infra/sandbox/seeds/place.ts'
import { startSandbox } from '#infra/sandbox/server.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import type { Config } from '#shared/runtime/config.ts'
import { createKernel } from '#shared/runtime/kernel.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { runSchedule } from '#shared/runtime/run.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { goal, type Measured, type Section } from './section.ts'

export interface QuietTickRow {
  readonly situation: string
  readonly clusters: number
  /** Calls of the platform's API: of the tick that applies a firing, and of the one after it, which looks whether all is done. */
  readonly applying: number
  readonly after: number
  /** Of all ticks of two hours after that, one a minute, in which nothing is due. */
  readonly quietTicks: number
  readonly quietLeast: number
  readonly quietMost: number
  readonly quietMean: number
}

/** `looked-for`: rules of the configuration, HPC is looked for, and no cluster has it. */
type Source = 'config' | 'looked-for' | 'hpc' | 'both' | 'none'

interface Situation {
  readonly situation: string
  readonly source: Source
}

const clusterCount = 3
const situations: readonly Situation[] = [
  { situation: 'rules of the configuration only', source: 'config' },
  { situation: 'the same, HPC looked for in vain', source: 'looked-for' },
  { situation: 'HPC objects only', source: 'hpc' },
  { situation: 'both', source: 'both' },
  { situation: 'no rules at all', source: 'none' },
]

const group = 'autoscaling.cloud.tencent.com'
const start = Date.parse('2026-11-24T08:00:05Z')

/** Longer than any period after which something is looked at again. */
const quietMinutes = 125

/** Counts what each tick of the cron scaler asks of the platform, over two hours in which nothing is due. */
export const quietTick: Section = {
  name: 'quietTick',
  title: 'Calls of the API in a tick of the cron scaler, three clusters:',
  measure: () => measureQuietTicks(),
}

export async function measureQuietTicks(): Promise<Measured<QuietTickRow>> {
  const rows: QuietTickRow[] = []
  for (const situation of situations) rows.push(await measure(situation))
  const mostOf = (source: Source): number => {
    const { situation } = situations.find((one) => one.source === source) ?? {}
    return rows.find((row) => row.situation === situation)?.quietMost ?? Number.NaN
  }
  const perCluster = { most: clusterCount }
  return {
    rows,
    goals: [
      goal('any quiet tick, rules of the configuration only', mostOf('config'), { most: 0 }, 'calls'),
      goal('any quiet tick, HPC looked for in vain', mostOf('looked-for'), perCluster, 'calls (a list a cluster)'),
      goal('any quiet tick, HPC objects', mostOf('hpc'), perCluster, 'calls (a list a cluster)'),
      goal('any quiet tick, both', mostOf('both'), perCluster, 'calls (a list a cluster)'),
      goal('any quiet tick, HPC without objects', mostOf('none'), perCluster, 'calls (a list a cluster)'),
    ],
  }
}

async function measure({ situation, source }: Situation): Promise<QuietTickRow> {
  const ids = Array.from({ length: clusterCount }, (_, index) => `cls-e000000${index + 1}`)
  const clock = createSandboxClock({ startMs: start, frozen: true })
  const world = createEmptyWorld(start - 86_400_000, 1)
  for (const [index, clusterId] of ids.entries()) {
    const place = { region: emptyCluster.region, vpcId: emptyCluster.vpcId, name: clusterId, version: '1.20.6' }
    const range = { clusterCidr: `172.${17 + index}.0.0/16`, createdMs: start - 86_400_000 }
    if (clusterId !== emptyCluster.clusterId) placeCluster(world, { clusterId, ...place, ...range }, createRandom(index))
    const state = world.kubernetes[clusterId]
    if (state === undefined) throw new Error(`there is no cluster ${clusterId}`)
    for (const object of objectsOf(source)) putObject(state, object, start - 12 * 3_600_000)
  }
  const sandbox = await startSandbox({ world, clock, rates: false })
  const clientClock = { ...systemClock, now: () => clock.now() }
  const client = createClient({
    credentials: staticCredentials({ secretId: sandboxSecretId, secretKey: sandboxSecretKey }),
    region: emptyCluster.region,
    endpoint: { kind: 'url', url: sandbox.url },
    clock: clientClock,
    transport: createTransport({ clock: clientClock, allowedHosts: ['127.0.0.1'], environment: {} }),
    random: createRandom(3),
  })
  try {
    const config: Config = {
      mode: 'enforce',
      platform: {
        endpoint: { kind: 'url', url: sandbox.url },
        region: emptyCluster.region,
        allowInsecureHttp: false,
        allowedHosts: [],
        credentials: { kind: 'none' },
      },
      clusters: ids.map((id) => ({ id })),
      store: { kind: 'memory' },
      functions: { 'cron-scaler': settingsOf(source, ids) },
    }
    const kernel = await createKernel({
      config,
      store: openMemoryStore(new MemoryDisk()),
      cloud: client,
      now: () => clock.now(),
      redact: (text) => text,
      resolveReference: (reference) => Promise.reject(new Error(`${reference} is not to be asked for`)),
    })
    const tick = async (minute: number): Promise<number> => {
      const now = start + minute * 60_000
      clock.set(now)
      const before = sandbox.journal.length
      const trigger = { kind: 'local' } as const
      await runSchedule(definition, {
        config,
        cloud: client,
        kernel,
        owner: `run-${minute}`,
        now,
        scheduledAt: now,
        trigger,
        log: silentLog,
      })
      return sandbox.journal.length - before
    }
    const applying = await tick(0)
    const after = await tick(1)
    const quiet: number[] = []
    for (let minute = 2; minute < 2 + quietMinutes; minute += 1) quiet.push(await tick(minute))
    return {
      situation,
      clusters: clusterCount,
      applying,
      after,
      quietTicks: quiet.length,
      quietLeast: Math.min(...quiet),
      quietMost: Math.max(...quiet),
      quietMean: Math.round((quiet.reduce((total, count) => total + count, 0) / quiet.length) * 10) / 10,
    }
  } finally {
    await client.close()
    await sandbox.close()
  }
}

/** Everything that a cluster has before the hour begins. */
function objectsOf(source: Source): readonly Parameters<typeof putObject>[1][] {
  const target = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }
  const crons = [{ name: 'up', schedule: '0 0 8 * * *', targetSize: 5 }]
  return [
    deployment({ namespace: 'shop', name: 'web', image: 'registry.example/app:1', replicas: 2 }),
    deployment({ namespace: 'shop', name: 'api', image: 'registry.example/app:1', replicas: 2 }),
    autoscalerV1({ namespace: 'shop', name: 'api', target: 'api', minReplicas: 2, maxReplicas: 4, cpuPercent: 60 }),
    ...(source === 'looked-for' ? [] : [scalerDefinition(group)]),
    ...(source === 'hpc' || source === 'both' ? [scaler({ group, namespace: 'shop', name: 'web', target, crons })] : []),
  ]
}

function settingsOf(source: Source, ids: readonly string[]): z.input<typeof Settings> {
  const target = { kind: 'HorizontalPodAutoscaler', namespace: 'shop', name: 'api' }
  const rules = ids.map((cluster) => ({ name: `api-${cluster}`, cluster, target, schedule: '0 0 8 * * *', minSize: 4, maxSize: 8 }))
  return { timeZone: 'UTC', hpc: { enabled: source !== 'config' }, rules: source === 'hpc' || source === 'none' ? [] : rules }
}

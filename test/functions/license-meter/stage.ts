import type * as z from 'zod/mini'
import type { Action } from '#cloud/action.ts'
import { createClient } from '#cloud/client.ts'
import type { CloudWriter } from '#cloud/cloud.ts'
import { staticCredentials } from '#cloud/credentials.ts'
import { CloudError } from '#cloud/errors.ts'
import { createTransport } from '#cloud/transport-https.ts'
import { definition } from '#functions/license-meter/definition.ts'
import type { Settings } from '#functions/license-meter/event.ts'
import type { CallRecord } from '#infra/sandbox/call-journal.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import type { FaultSwitches } from '#infra/sandbox/faults.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { placeCluster, placeNetwork, placeNodes } from '#infra/sandbox/seeds/place.ts'
import { startSandbox } from '#infra/sandbox/server.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import type { World } from '#infra/sandbox/world.ts'
import type { Entry } from '#shared/licence/record.ts'
import { readEntries } from '#shared/licence/record-store.ts'
import type { Config } from '#shared/runtime/config.ts'
import type { Mode } from '#shared/runtime/definition.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { createMemory, type MemoryWriter } from '#shared/runtime/memory.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { type RunOptions, runSchedule } from '#shared/runtime/run.ts'
import type { Store } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { memoryKernel } from '../../shared/runtime/memory-kernel.ts'

export const hourMs = 3_600_000
export const minuteMs = 60_000

export const home = 'ap-guangzhou'
export const abroad = 'ap-chengdu'
export const clusterA = emptyCluster.clusterId
export const clusterB = 'cls-b0000002'
const abroadNet = { vpcId: 'vpc-b0000002', subnetId: 'subnet-b0000002' } as const

export type SettingsInput = z.input<typeof Settings>

export interface StageRun extends Partial<Pick<RunOptions, 'fresh' | 'signal' | 'remainingMs' | 'notify'>> {
  readonly mode?: Mode
  /** In front of the platform; the stage's own client when absent. */
  readonly cloud?: CloudWriter
  readonly clusters?: Config['clusters']
  /** Where things are remembered; the stage's own store when absent, none when `none`. */
  readonly store?: Store | 'none'
}

/** Two regions with a cluster each behind the product's own client and real sockets, and whole runs of the license meter in front of them. */
export interface Stage {
  readonly world: World
  readonly cloud: CloudWriter
  /** Of the platform. */
  readonly url: string
  readonly faults: FaultSwitches
  /** Every call, oldest first. */
  readonly journal: readonly CallRecord[]
  readonly disk: MemoryDisk
  readonly memory: MemoryWriter
  now(): number
  set(ms: number): void
  pass(ms: number): void
  /** Sets the clock of the machine that the meter runs on so far ahead of the platform's; negative: behind. */
  skew(ms: number): void
  /** Adds nodes of 8 cores to a cluster. */
  grow(cluster: string, count: number): void
  run(settings: SettingsInput, options?: StageRun): Promise<RunReport>
  /** Calls since the last time that somebody asked, as `CollectAllCore ap-guangzhou`, in their order. */
  calls(): readonly string[]
  /** What is on record of a region. */
  entries(region?: string): Promise<readonly Entry[]>
  /** Readings and figures as `hour usage`, of the first product. */
  usages(region?: string): Promise<readonly string[]>
  close(): Promise<void>
}

export async function openStage(startText = '2026-11-24T15:03:00Z'): Promise<Stage> {
  const startMs = Date.parse(startText)
  const clock = createSandboxClock({ startMs, frozen: true })
  const createdMs = startMs - 400 * 24 * hourMs
  const world = createEmptyWorld(createdMs, 1)
  placeNetwork(world, {
    vpcId: abroadNet.vpcId,
    region: abroad,
    cidr: '10.1.0.0/16',
    subnets: { [abroadNet.subnetId]: ['ap-chengdu-1', '10.1.0.0/22'] },
  })
  const place = { clusterId: clusterB, region: abroad, name: 'second', version: '1.20.6', clusterCidr: '172.17.0.0/16' }
  placeCluster(world, { ...place, vpcId: abroadNet.vpcId, createdMs }, createRandom(2))
  const sandbox = await startSandbox({ world, clock, rates: false })
  const regions: string[] = []
  let skewMs = 0
  const machine = { now: () => clock.now() + skewMs, monotonic: () => performance.now(), sleep: () => Promise.resolve() }
  const client = createClient({
    credentials: staticCredentials({ secretId: sandboxSecretId, secretKey: sandboxSecretKey }),
    region: home,
    endpoint: { kind: 'url', url: sandbox.url },
    clock: machine,
    transport: createTransport({
      clock: machine,
      allowedHosts: ['127.0.0.1'],
      environment: {},
    }),
    random: createRandom(3),
    timeoutMs: 2000,
  })
  const cloud: CloudWriter = {
    send: async (action, request, options) => {
      regions.push(`${action.name} ${options?.region ?? '-'}`)
      return await client.send(action, request, options)
    },
  }
  const disk = new MemoryDisk()
  const memory = createMemory(openMemoryStore(disk), { function: 'license-meter', now: () => clock.now() })
  const seeds = createRandom(7)
  let runs = 0
  const entries = async (region: string = home): Promise<readonly Entry[]> => {
    const found: Entry[] = []
    for await (const entry of readEntries(memory, region, 0, Number.MAX_SAFE_INTEGER)) found.push(entry)
    return found
  }
  return {
    world,
    cloud,
    url: sandbox.url,
    faults: sandbox.faults,
    journal: sandbox.journal,
    disk,
    memory,
    now: () => clock.now(),
    set: (ms) => clock.set(ms),
    pass: (ms) => clock.move(ms),
    skew: (ms) => {
      skewMs = ms
    },
    grow: (id, count) => {
      const cluster = world.tke.clusters[id]
      if (cluster === undefined) throw new Error(`there is no cluster ${id}`)
      const subnetId = id === clusterB ? abroadNet.subnetId : emptyCluster.subnetId
      placeNodes(world, cluster, { count, instanceType: 'S5.2XLARGE16', subnetId, createdMs: clock.now() - hourMs }, seeds)
    },
    run: async (settings, { mode = 'plan', cloud: through = cloud, clusters, store, ...options } = {}) => {
      runs += 1
      const config: Config = {
        mode,
        platform: {
          endpoint: { kind: 'url', url: sandbox.url },
          region: home,
          allowInsecureHttp: false,
          allowedHosts: [],
          credentials: { kind: 'none' },
        },
        clusters: clusters ?? [{ id: clusterA }, { id: clusterB, region: abroad }],
        store: { kind: 'memory' },
        functions: { 'license-meter': settings },
      }
      return await runSchedule(definition, {
        config,
        cloud: through,
        kernel: mode === 'enforce' ? await memoryKernel({ config, cloud: through, now: () => clock.now(), disk }) : undefined,
        store: store === 'none' ? undefined : (store ?? openMemoryStore(disk)),
        owner: `run-${runs}`,
        now: machine.now(),
        scheduledAt: machine.now(),
        trigger: { kind: 'local' },
        log: silentLog,
        ...options,
      })
    },
    calls: () => regions.splice(0),
    entries,
    usages: async (region) =>
      (await entries(region)).map(({ sample }) => {
        const answer = sample.raw.collectAllCore as { readonly Data: readonly { readonly UsageValue: string }[] }
        return `${sample.hour} ${answer.Data[0]?.UsageValue ?? ''}`
      }),
    close: async () => {
      await client.close()
      await sandbox.close()
    },
  }
}

/** A platform that refuses an action, or all of them, in one region. */
export function refusing(cloud: CloudWriter, region: string, action?: string): CloudWriter {
  return { send: (one, request, options) => (isMeant(one, options) ? Promise.reject(refusal(one)) : cloud.send(one, request, options)) }

  function isMeant({ name }: Action, options: { readonly region?: string } | undefined): boolean {
    return options?.region === region && (action === undefined || action === name)
  }

  function refusal({ name }: Action): CloudError {
    const facts = { kind: 'cloud.unavailable', code: 'InternalError', action: `tke.${name}`, retryable: true } as const
    return new CloudError(`tke.${name}: the platform failed inside (InternalError).`, facts)
  }
}

/** Answers of a platform rewritten, as other platforms would give them. */
export function answering(cloud: CloudWriter, change: Readonly<Record<string, (answer: Record<string, unknown>) => object>>): CloudWriter {
  return {
    send: (async (action: Action, request: object, options: object) => {
      const answer = await (cloud.send as (...words: unknown[]) => Promise<Record<string, unknown>>)(action, request, options)
      return change[action.name]?.(answer) ?? answer
    }) as CloudWriter['send'],
  }
}

/** Decisions as `target Outcome code`. */
export function said({ decisions }: RunReport): readonly string[] {
  return decisions.map(({ target, outcome, reason }) => `${target} ${outcome} ${reason.code}`)
}

/** The sentence about a target with a code; an error when there is none. */
export function sentence({ decisions }: RunReport, target: string, code: string): string {
  const found = decisions.find((decision) => decision.target === target && decision.reason.code === code)
  if (found === undefined)
    throw new Error(`nothing is ${code} about ${target}: ${decisions.map(({ target: one, reason }) => `${one} ${reason.code}`).join(', ')}`)
  return found.reason.text
}

import type * as z from 'zod/mini'
import { createClient } from '#cloud/client.ts'
import type { Clock } from '#cloud/clock.ts'
import type { CloudWriter } from '#cloud/cloud.ts'
import { staticCredentials } from '#cloud/credentials.ts'
import { TransportError } from '#cloud/transport-error.ts'
import { createTransport } from '#cloud/transport-https.ts'
import type { Transport, WireRequest } from '#cloud/wire.ts'
import { definition } from '#functions/image-cleaner/definition.ts'
import type { Settings } from '#functions/image-cleaner/event.ts'
import type { ImageStep } from '#functions/image-cleaner/plan-repository.ts'
import type { CallRecord } from '#infra/sandbox/call-journal.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import type { FaultSwitches } from '#infra/sandbox/faults.ts'
import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { placeCluster, placeNodes } from '#infra/sandbox/seeds/place.ts'
import { createSandboxCore, exchangeApi, type SandboxOptions, startSandbox } from '#infra/sandbox/server.ts'
import { type PushedImage, pushImage } from '#infra/sandbox/tcr/images.ts'
import { addNamespace } from '#infra/sandbox/tcr/namespaces.ts'
import { registryServer, type TcrRepository } from '#infra/sandbox/tcr/state.ts'
import { registerUser } from '#infra/sandbox/tcr/users.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import type { World } from '#infra/sandbox/world.ts'
import type { Decision } from '#shared/pure/step.ts'
import type { Config } from '#shared/runtime/config.ts'
import type { Mode } from '#shared/runtime/definition.ts'
import { silentLog } from '#shared/runtime/log.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { type RunOptions, runSchedule, runSteps } from '#shared/runtime/run.ts'
import { MemoryDisk } from '#shared/safety/store-memory.ts'
import { memoryKernel } from '../../shared/runtime/memory-kernel.ts'

export const clusterA = emptyCluster.clusterId
export const clusterB = 'cls-b0000002'
export const hourMs = 3_600_000

/** Three in the morning in the registry's zone. */
export const night = '2026-11-23T19:00:00Z'

export type SettingsInput = z.input<typeof Settings>

/** Settings in which nothing but the policy decides: no canary, no caps that are reached. */
export function freely(keep: NonNullable<SettingsInput['policies']>[number]['keep'], more: SettingsInput = {}): SettingsInput {
  return {
    policies: [{ name: 'all', repositories: ['**'], except: ['quarantine/**'], keep }],
    canary: { enabled: false },
    caps: { perRepository: { amount: 10_000, percent: 100 }, perRun: 10_000, perDay: 10_000 },
    ...more,
  }
}

export interface StageRun extends Partial<Pick<RunOptions, 'fresh' | 'signal' | 'remainingMs' | 'store'>> {
  readonly mode?: Mode
  /** In front of the platform; the stage's own client when absent. */
  readonly cloud?: CloudWriter
  readonly clusters?: Config['clusters']
}

/** A registry and two clusters behind the product's own client, and the whole run of the image cleaner in front of them. */
export interface Stage {
  readonly world: World
  readonly cloud: CloudWriter
  /** Of the platform; leads nowhere without sockets. */
  readonly url: string
  readonly faults: FaultSwitches
  /** Every call, oldest first. */
  readonly journal: readonly CallRecord[]
  /** What runs remember and have done. */
  readonly disk: MemoryDisk
  now(): number
  /** Lets time pass, for the platform and for the runs. */
  pass(ms: number): void
  /** Pushes an image so many days before the present time. */
  push(repo: string, tag: string, daysAgo: number, more?: Partial<PushedImage>): void
  put(object: JsonObject, cluster?: string): void
  /** Names of the tags of a repository, in the order of names. */
  tags(repo: string): readonly string[]
  repository(repo: string): TcrRepository
  run(settings: SettingsInput, options?: StageRun): Promise<RunReport>
  /** Carries out steps that somebody asked for. */
  steps(settings: SettingsInput, steps: readonly ImageStep[], options?: StageRun): Promise<RunReport>
  /** Writing calls that were carried out, as `DescribeImagePersonal team/web`. */
  writes(): readonly string[]
  close(): Promise<void>
}

/** The full reference of an image of the stage's registry. */
export function image(repo: string, tag: string): string {
  return tag.startsWith('sha256:') ? `${registryServer}/${repo}@${tag}` : `${registryServer}/${repo}:${tag}`
}

/** The stage with real sockets. */
export async function openStage(startText = night): Promise<Stage> {
  const { options, world, clock } = newPlatform(startText)
  const sandbox = await startSandbox(options)
  const clientClock = countedClock(() => clock.now())
  const transport = createTransport({
    // Its deadlines are real ones: a lost answer has to end a call.
    clock: { ...clientClock, monotonic: () => performance.now() },
    allowedHosts: ['127.0.0.1'],
    environment: {},
  })
  return stageOf({ world, clock, clientClock, transport, url: sandbox.url, ...sandboxParts(sandbox), close: () => sandbox.close() })
}

/** The same without sockets: calls are signed, handed over and answered in no time, so that properties can have thousands of them. */
export function openInProcessStage(startText = night): Stage {
  const { options, world, clock } = newPlatform(startText)
  const core = createSandboxCore(options)
  const transport: Transport = {
    send: async (request) => {
      const { reply, ending, dateMs } = await exchangeApi(core, receivedCall(request), () => Promise.resolve())
      request.onDeparture?.()
      const host = new URL(request.origin).host
      if (ending?.kind === 'drop-before' || ending?.kind === 'drop-after' || ending?.kind === 'truncated-body') {
        throw new TransportError(`${host}: the connection died before the answer was there.`, {
          kind: ending.kind === 'drop-before' ? 'timeout' : 'network',
          sent: true,
          code: 'ECONNRESET',
          host,
        })
      }
      const body = Buffer.from(reply.body)
      return { status: reply.status, headers: { date: new Date(dateMs).toUTCString(), 'content-type': reply.contentType }, body }
    },
    close: () => Promise.resolve(),
  }
  const parts = { faults: core.faults, journal: core.journal.records }
  const clientClock = countedClock(() => clock.now())
  return stageOf({ world, clock, clientClock, transport, url: 'http://127.0.0.1:1', ...parts, close: () => Promise.resolve() })
}

function sandboxParts({ faults, journal }: { readonly faults: FaultSwitches; readonly journal: readonly CallRecord[] }) {
  return { faults, journal }
}

function receivedCall({ method, path, headers, body }: WireRequest) {
  return { method, target: path, headers: Object.entries(headers), body: Buffer.from(body ?? '') }
}

/** The clock of a client whose waits take no time: they are only counted, so that rates are kept on paper. */
function countedClock(now: () => number): Clock {
  let countedMs = 0
  return {
    now,
    monotonic: () => countedMs,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted()
      countedMs += Math.max(0, ms)
      await Promise.resolve()
    },
  }
}

function newPlatform(startText: string) {
  const startMs = Date.parse(startText)
  const clock = createSandboxClock({ startMs, frozen: true })
  const createdMs = startMs - 400 * 24 * hourMs
  const world = createEmptyWorld(createdMs, 1)
  placeCluster(
    world,
    {
      clusterId: clusterB,
      region: 'ap-chengdu',
      vpcId: emptyCluster.vpcId,
      name: 'old',
      version: '1.14.3',
      clusterCidr: '172.17.0.0/16',
      createdMs,
    },
    createRandom(2),
  )
  world.tcr.limits.namespace = 100
  registerUser(world, createdMs)
  // The first copy makes a quarantine's repository, not its namespace.
  addNamespace(world, 'quarantine', createdMs)
  world.tcr.limits.tag = 10_000
  const options: SandboxOptions = { world, clock, rates: false }
  return { options, world, clock }
}

interface StageParts {
  readonly world: World
  readonly clock: ReturnType<typeof createSandboxClock>
  readonly clientClock: Clock
  readonly transport: Transport
  readonly url: string
  readonly faults: FaultSwitches
  readonly journal: readonly CallRecord[]
  readonly close: () => Promise<void>
}

function stageOf({ world, clock, clientClock, transport, url, faults, journal, close }: StageParts): Stage {
  const cloud = createClient({
    credentials: staticCredentials({ secretId: sandboxSecretId, secretKey: sandboxSecretKey }),
    region: emptyCluster.region,
    endpoint: { kind: 'url', url },
    clock: clientClock,
    transport,
    random: createRandom(3),
    timeoutMs: 2000,
  })
  const disk = new MemoryDisk()
  let runs = 0
  const repositoryOf = (repo: string): TcrRepository => {
    const repository = world.tcr.repositories[repo]
    if (repository === undefined) throw new Error(`there is no repository ${repo}`)
    return repository
  }
  return {
    world,
    cloud,
    url,
    faults,
    journal,
    disk,
    now: () => clock.now(),
    pass: (ms) => clock.move(ms),
    push: (repo, tag, daysAgo, more = {}) => {
      pushImage(world, { content: `${repo}:${tag}`, sizeBytes: 1000, ...more, repo, tag }, clock.now() - daysAgo * 24 * hourMs)
    },
    put: (object, cluster = clusterA) => {
      const state = world.kubernetes[cluster]
      if (state === undefined) throw new Error(`there is no cluster ${cluster}`)
      putObject(state, object, clock.now() - hourMs)
    },
    tags: (repo) => Object.keys(repositoryOf(repo).tags).toSorted(),
    repository: repositoryOf,
    run: async (settings, options = {}) => await runSchedule(definition, await optionsOf(settings, options)),
    steps: async (settings, steps, options = {}) => await runSteps(definition, steps, await optionsOf(settings, options)),
    writes: () =>
      journal
        .filter(({ service, effect, applied }) => service === 'tcr' && effect === 'write' && applied)
        .map(({ action, request }) => `${action} ${String(request?.RepoName ?? request?.DestImage ?? '')}`.trim()),
    close: async () => {
      await cloud.close()
      await close()
    },
  }

  async function optionsOf(
    settings: SettingsInput,
    { mode = 'enforce', cloud: through = cloud, clusters, ...options }: StageRun,
  ): Promise<RunOptions> {
    runs += 1
    const config: Config = {
      mode,
      platform: {
        endpoint: { kind: 'url', url },
        region: emptyCluster.region,
        allowInsecureHttp: false,
        allowedHosts: [],
        credentials: { kind: 'none' },
      },
      clusters: clusters ?? [{ id: clusterA }, { id: clusterB, region: 'ap-chengdu' }],
      store: { kind: 'memory' },
      functions: { 'image-cleaner': settings },
    }
    const now = clock.now()
    return {
      config,
      cloud: through,
      kernel: await memoryKernel({ config, cloud, now: () => clock.now(), disk }),
      owner: `run-${runs}`,
      now,
      scheduledAt: now,
      trigger: { kind: 'local' },
      log: silentLog,
      ...options,
    }
  }
}

/** A machine in the first cluster, so that its pods run and pull. */
export function placeNode(stage: Stage): void {
  const cluster = stage.world.tke.clusters[clusterA]
  if (cluster === undefined) throw new Error('there is no cluster')
  placeNodes(
    stage.world,
    cluster,
    { count: 1, instanceType: 'S5.2XLARGE16', subnetId: emptyCluster.subnetId, createdMs: stage.now() - 10 * 24 * hourMs },
    createRandom(5),
  )
}

/** Decisions with one of these outcomes, as `Outcome code`. */
export function saying({ decisions }: RunReport, ...outcomes: readonly Decision['outcome'][]): readonly string[] {
  return decisions.filter(({ outcome }) => outcomes.includes(outcome)).map(({ outcome, reason }) => `${outcome} ${reason.code}`)
}

/** The decision that says something about a target by a code; an error when there is none. */
export function sentence({ decisions }: RunReport, code: string): string {
  const found = decisions.find(({ reason }) => reason.code === code)
  if (found === undefined) throw new Error(`nothing is ${code}: ${decisions.map(({ reason }) => reason.code).join(', ')}`)
  return `${found.target}: ${found.reason.text}`
}

import type * as z from 'zod/mini'
import type { Action, RequestOf, ResponseOf } from '#cloud/action.ts'
import { createClient } from '#cloud/client.ts'
import { type Clock, systemClock } from '#cloud/clock.ts'
import type { CloudWriter, SendOptions } from '#cloud/cloud.ts'
import { staticCredentials } from '#cloud/credentials.ts'
import { createTransport } from '#cloud/transport-https.ts'
import { definition } from '#functions/cron-scaler/definition.ts'
import type { Settings } from '#functions/cron-scaler/event.ts'
import { localFunction } from '#infra/local/local-function.ts'
import type { AttachTarget } from '#infra/sandbox/attach.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { startSandbox } from '#infra/sandbox/server.ts'
import { sandboxKubeToken, sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import type { Config } from '#shared/runtime/config.ts'
import { createKernel, type Kernel } from '#shared/runtime/kernel.ts'
import { silentLog } from '#shared/runtime/log.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import type { RunOptions } from '#shared/runtime/run.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'

export type ScalerSettings = z.input<typeof Settings>

/** What a run of the scenario is like. */
export interface RunSetting {
  readonly settings?: ScalerSettings
  /** `enforce` when absent. */
  readonly mode?: Config['mode']
  /** Runs of one store know what the others of it have done; `own` when absent. */
  readonly store?: string
  /** Whether it waits for what becomes due before the next tick. */
  readonly waits?: boolean
  /** What somebody does right before the nth call with this method. */
  readonly before?: (method: string, nth: number) => Promise<void>
}

/** What a scenario is played on: a cluster behind the platform, a person with kubectl, and the function. */
export interface ScenarioPort {
  readonly cluster: string
  /** Midnight (UTC) of the day on which the scenario plays; everything is made before. */
  readonly dayMs: number
  /** What kubectl does. Throws an Error with status and answer when the cluster refuses. */
  kubectl(method: string, path: string, body?: JsonObject): Promise<JsonObject>
  /** Runs the function at an instant. */
  run(atMs: number, setting?: RunSetting): Promise<RunReport>
  /** Takes back the last change that the runs of a store have made, as `longshore undo` does. */
  undoLast(atMs: number, setting?: RunSetting): Promise<RunReport>
  /** It is an hour before the day again, and what runs have done and remembered is forgotten, as in a new installation. */
  begin(): void
  /** Calls of the function to the cluster so far, as `PATCH /apis/…`. */
  calls(): readonly string[]
  close(): Promise<void>
}

export interface ScenarioPlace {
  readonly dayMs: number
  /** A real API server that stands in for the cluster; the sandbox's own when absent. */
  readonly attach?: AttachTarget
}

/** The platform of the sandbox, with its signature check and its rates, in front of its own cluster or of a real one. */
export async function openScenario({ dayMs, attach }: ScenarioPlace): Promise<ScenarioPort> {
  const cluster = emptyCluster.clusterId
  const hourMs = 3_600_000
  const clock = createSandboxClock({ startMs: dayMs - hourMs })
  const world = createEmptyWorld(dayMs - 24 * hourMs, 1)
  const sandbox = await startSandbox({ world, clock, ...(attach === undefined ? {} : { attach: new Map([[cluster, attach]]) }) })
  const clientClock: Clock = { ...systemClock, now: () => clock.now() }
  const client = createClient({
    credentials: staticCredentials({ secretId: sandboxSecretId, secretKey: sandboxSecretKey }),
    region: emptyCluster.region,
    endpoint: { kind: 'url', url: sandbox.url },
    clock: clientClock,
    transport: createTransport({ clock: clientClock, allowedHosts: ['127.0.0.1'], environment: {} }),
    random: createRandom(3),
  })
  const fn = localFunction(definition)
  let disks = new Map<string, MemoryDisk>()
  let runs = 0
  const calls: string[] = []

  const configOf = ({ settings = {}, mode = 'enforce' }: RunSetting): Config => ({
    mode,
    platform: {
      endpoint: { kind: 'url', url: sandbox.url },
      region: emptyCluster.region,
      allowInsecureHttp: false,
      allowedHosts: [],
      credentials: { kind: 'none' },
    },
    clusters: [{ id: cluster }],
    store: { kind: 'memory' },
    functions: { 'cron-scaler': settings },
  })

  const kernelOf = async (config: Config, store: string): Promise<Kernel> => {
    const disk = disks.get(store) ?? new MemoryDisk()
    disks.set(store, disk)
    return await createKernel({
      config,
      store: openMemoryStore(disk),
      cloud: client,
      now: () => clock.now(),
      redact: (text) => text,
      resolveReference: (reference) => Promise.reject(new Error(`${reference} is not to be asked for here`)),
    })
  }

  const optionsOf = async (atMs: number, setting: RunSetting): Promise<RunOptions & { readonly kernel: Kernel }> => {
    clock.set(atMs)
    runs += 1
    const config = configOf(setting)
    return {
      config,
      cloud: observed(client, calls, setting.before),
      kernel: await kernelOf(config, setting.store ?? 'own'),
      owner: `run-${runs}`,
      now: atMs,
      scheduledAt: atMs - (atMs % 60_000),
      trigger: { kind: 'local' },
      log: silentLog,
      ...(setting.waits === true ? { waitClock: { now: () => clock.now(), sleep: (ms: number) => Promise.resolve(clock.move(ms)) } } : {}),
    }
  }

  return {
    cluster,
    dayMs,
    async kubectl(method, path, body) {
      const response = await fetch(`${sandbox.url}/_kubernetes/${cluster}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${sandboxKubeToken}`,
          'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
      return JSON.parse(text) as JsonObject
    },
    run: async (atMs, setting = {}) => await fn.run(await optionsOf(atMs, setting)),
    async undoLast(atMs, setting = {}) {
      const options = await optionsOf(atMs, setting)
      const entries = await options.kernel.of('cron-scaler', 'reader').journal.list({ now: atMs })
      const intent = entries.findLast(({ kind }) => kind === 'intent')
      if (intent === undefined) throw new Error('no change is in the journal')
      return await fn.undo(intent, options)
    },
    begin() {
      clock.set(dayMs - hourMs)
      disks = new Map()
    },
    calls: () => calls,
    async close() {
      await client.close()
      await sandbox.close()
    },
  }
}

/** The same writer; notes every call, and lets somebody do something right before it. */
function observed(cloud: CloudWriter, calls: string[], before: RunSetting['before']): CloudWriter {
  const seen = new Map<string, number>()
  return {
    send: async <A extends Action>(action: A, request: RequestOf<A>, options?: SendOptions): Promise<ResponseOf<A>> => {
      const method = String(Reflect.get(request, 'Method'))
      const nth = (seen.get(method) ?? 0) + 1
      seen.set(method, nth)
      calls.push(`${method} ${String(Reflect.get(request, 'Path')).replace(/\?.*/, '')}`)
      await before?.(method, nth)
      return await cloud.send(action, request, options)
    },
  }
}

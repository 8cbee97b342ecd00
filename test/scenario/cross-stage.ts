import { Agent, request } from 'node:http'
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import * as z from 'zod/mini'
import { systemClock } from '#cloud/clock.ts'
import type { CloudWriter } from '#cloud/cloud.ts'
import { handler as alarmScaler } from '#functions/alarm-scaler/handler.ts'
import { definition as cronScaler } from '#functions/cron-scaler/definition.ts'
import { definition as imageCleaner } from '#functions/image-cleaner/definition.ts'
import { definition as licenseMeter } from '#functions/license-meter/definition.ts'
import { lookAtPush, definition as redeployHook } from '#functions/redeploy-hook/definition.ts'
import { createHookRunner } from '#infra/local/hook-runner.ts'
import { localFunction } from '#infra/local/local-function.ts'
import { localHooks } from '#infra/local/local-hooks.ts'
import { startWebhookServer } from '#infra/local/webhook-server.ts'
import type { CallRecord } from '#infra/sandbox/call-journal.ts'
import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { getObject, listObjects, putObject, removeObject } from '#infra/sandbox/kubernetes/objects.ts'
import { deployment, namespace } from '#infra/sandbox/seeds/kube-objects.ts'
import type { PushedImage } from '#infra/sandbox/tcr/images.ts'
import { pushImage } from '#infra/sandbox/tcr/images.ts'
import type { Config } from '#shared/runtime/config.ts'
import { type FunctionName, functionNames, type Mode } from '#shared/runtime/definition.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { createMemory, type MemoryWriter } from '#shared/runtime/memory.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { type RunOptions, runSchedule } from '#shared/runtime/run.ts'
import { guardSchema } from '#shared/safety/guard-settings.ts'
import { setSwitch } from '#shared/safety/kill-switch-store.ts'
import type { Store } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { eventOf, secrets } from '../functions/alarm-scaler/alarm-hook-stage.ts'
import { type ClusterStage, clusterId, openClusterStage, openLocalClusterStage } from '../functions/alarm-scaler/cluster-stage.ts'
import { alertmanagerBody, type Said } from '../functions/alarm-scaler/whole-stage.ts'
import { clusterB } from '../functions/image-cleaner/stage.ts'
import { memoryKernel } from '../shared/runtime/memory-kernel.ts'

export { image, saying, sentence } from '../functions/image-cleaner/stage.ts'
export { clusterB, clusterId as clusterA }

export const minuteMs = 60_000
export const dayMs = 86_400_000

export interface CrossRun {
  readonly mode?: Mode
  /** In front of the platform; the stage's own client when absent. */
  readonly cloud?: CloudWriter
  /** Where it remembers and finds what others have said; the stage's one disk when absent. */
  readonly disk?: MemoryDisk
  /** In front of the memories. */
  readonly store?: Store
  /** Look at a push to these repositories only, as an event does; of redeploy-hook. */
  readonly pushed?: readonly string[]
}

/** All five functions on one platform with real sockets, one store and one configuration. */
export interface CrossStage extends Pick<ClusterStage, 'world' | 'cloud' | 'journal' | 'disk' | 'machines' | 'group' | 'now'> {
  /** Settings of the functions; may be changed between runs. */
  readonly settings: Partial<Record<FunctionName, object>>
  /** The section `guard` of the configuration, as it is written. */
  guard: object | undefined
  run(name: FunctionName, options?: CrossRun): Promise<RunReport>
  /** Takes back the last change of a function that can be taken back, as `longshore undo` does. */
  undoLast(name: FunctionName): Promise<RunReport>
  /** Lets so much time pass, and all controllers work meanwhile. */
  wait(ms: number): void
  push(repo: string, tag: string, daysAgo?: number, more?: Partial<PushedImage>): void
  /** Names of the tags of a repository; none where there is no such repository. */
  tags(repo: string): readonly string[]
  /** The content of a tag, as the registry names it. */
  contentOf(repo: string, tag: string): string
  /** Lets nobody pull a tag until `wait` is over: what rolls out with it meanwhile fails. */
  unpullable(repo: string, tag: string, ms: number): void
  put(object: JsonObject, cluster?: string): void
  /** A Deployment in the namespace prod, of which every pod wants 250m. */
  deploy(name: string, image: string, more?: { readonly replicas?: number; readonly cluster?: string; readonly spec?: JsonObject }): void
  /** Pods for which the nodes of the scaling group have no room. */
  crowd(): void
  object(name: string, place?: Place): JsonObject
  /** Changes an object as a person would with kubectl. */
  edit(name: string, change: (object: JsonObject) => JsonObject, place?: Place): void
  remove(name: string, place?: Place): void
  list(resource: string, cluster?: string): readonly JsonObject[]
  /** The image of the only container of a workload. */
  imageOf(name: string, place?: Place): string
  replicasOf(name: string, place?: Place): number
  /** Hands alarms to the webhook of alarm-scaler, as Alertmanager does, and works them off. Answers the status. */
  alarm(...said: readonly Said[]): Promise<number>
  /** Works off what waits in the inbox of alarm-scaler. */
  workOff(): Promise<void>
  /** Writing calls that were carried out since the n-th call of the journal. */
  writes(since?: number): readonly string[]
  memoryOf(name: FunctionName, disk?: MemoryDisk): MemoryWriter
  killSwitch(state: 'run' | 'stop'): Promise<void>
  close(): Promise<void>
}

export interface Place {
  readonly cluster?: string
  readonly group?: string
  readonly resource?: string
}

/** Settings of image-cleaner in which nothing but what is in use keeps more than the newest content. */
export function newestOnly(more: object = {}): object {
  return {
    policies: [{ name: 'all', repositories: ['team/**'], keep: { last: 1 } }],
    canary: { enabled: false },
    caps: { perRepository: { amount: 10_000, percent: 100 }, perRun: 10_000, perDay: 10_000 },
    breaker: { allowUnused: true },
    ...more,
  }
}

/** A rule of redeploy-hook for team/web to the Deployment prod/web of the first cluster. */
export function webRule(more: object = {}): object {
  return {
    name: 'web',
    repository: 'team/web',
    tags: { semver: '>=1' },
    targets: [{ cluster: clusterId, namespace: 'prod', kind: 'Deployment', name: 'web' }],
    ...more,
  }
}

/** What is called a write by those who watch the platform: everything that changes something there. */
export function isWrite({ effect, applied, action, request }: CallRecord): boolean {
  return effect === 'write' && applied && !(action === 'ForwardRequest' && request?.Method === 'GET')
}

/** Without sockets calls are handed over in no time, so that one test can have thousands of them. */
export async function openCrossStage({ sockets = true }: { readonly sockets?: boolean } = {}): Promise<CrossStage> {
  const base = sockets ? await openClusterStage() : openLocalClusterStage()
  const { world, cloud, journal, disk } = base
  base.put(namespace('prod'), clusterB)
  // No scaling group grows by itself: what comes was asked for.
  Object.assign(world.tke.behaviour, { autoscalerScanMs: 0, asGroupIntervalMs: 2000 })
  const redactor = createRedactor()
  const agent = new Agent({ keepAlive: true })
  let runs = 0
  const kubernetes = (cluster: string = clusterId) => {
    const state = world.kubernetes[cluster]
    if (state === undefined) throw new Error(`there is no cluster ${cluster}`)
    return state
  }
  const settings: CrossStage['settings'] = {}
  const configNow = (mode: Mode = 'enforce'): Config => ({
    mode,
    platform: {
      endpoint: { kind: 'url', url: base.url },
      region: 'ap-guangzhou',
      allowInsecureHttp: false,
      allowedHosts: [],
      credentials: { kind: 'none' },
    },
    clusters: [{ id: clusterId }, { id: clusterB, region: 'ap-chengdu' }],
    store: { kind: 'memory' },
    functions: { ...settings },
    ...(stage.guard === undefined ? {} : { guard: z.parse(guardSchema(functionNames), stage.guard) }),
  })
  const optionsNow = async ({ mode, cloud: through = cloud, disk: own = disk, store }: CrossRun = {}) => {
    runs += 1
    const config = configNow(mode)
    const now = base.now()
    return {
      config,
      cloud: through,
      kernel: await memoryKernel({ config, cloud, now: () => base.now(), disk: own }),
      owner: `run-${runs}`,
      now,
      scheduledAt: now,
      trigger: { kind: 'local' },
      log: silentLog,
      ...(store === undefined ? {} : { store }),
    } satisfies RunOptions
  }
  const run: CrossStage['run'] = async (name, options = {}) => {
    const own = await optionsNow(options)
    switch (name) {
      case 'cron-scaler':
        return await runSchedule(cronScaler, own)
      case 'image-cleaner':
        return await runSchedule(imageCleaner, own)
      case 'license-meter':
        return await runSchedule(licenseMeter, own)
      case 'alarm-scaler':
        return await runSchedule(alarmScaler.handlers.schedule.definition, own)
      case 'redeploy-hook': {
        const hints = options.pushed?.map((repository) => ({ source: 'test', repository }))
        return await runSchedule(hints === undefined ? redeployHook : lookAtPush(hints), own)
      }
    }
  }
  const hooks = async () => {
    const { config, kernel } = await optionsNow()
    const { webhook, queue } = alarmScaler.handlers
    const opened = await localHooks(webhook.definition, queue).open({
      config,
      cloud,
      kernel,
      env: secrets,
      redactor,
      resolve: createResolver({ env: secrets }),
      clock: { ...systemClock, now: () => base.now() },
      log: silentLog,
      notify: undefined,
    })
    return createHookRunner({
      functions: [{ name: 'alarm-scaler', hooks: opened }],
      owner: `hooks-${runs}`,
      now: () => base.now(),
      sleep: async () => undefined,
      signal: new AbortController().signal,
      log: silentLog,
      redact: (text) => redactor.text(text),
      print: () => undefined,
    })
  }
  const object: CrossStage['object'] = (name, { cluster, group = 'apps', resource = 'deployments' } = {}) => {
    const found = getObject(kubernetes(cluster), group, resource, name, 'prod')
    if (found === undefined) throw new Error(`there is no ${resource} ${name}`)
    return found as unknown as JsonObject
  }
  const wait = (ms: number): void => {
    // Of a long time the controllers see the end only.
    const skipped = Math.max(0, ms - 2 * minuteMs)
    base.pass(skipped)
    base.wait(ms - skipped)
  }
  const stage: CrossStage = {
    world,
    cloud,
    journal,
    disk,
    machines: base.machines,
    group: base.group,
    now: base.now,
    settings,
    guard: undefined,
    run,
    undoLast: async (name) => {
      const options = await optionsNow()
      const entries = await options.kernel.of(name, 'reader').journal.list({ now: base.now() })
      const intent = entries.findLast(({ kind, step }) => kind === 'intent' && typeof step === 'object' && step !== null && 'undo' in step)
      if (intent === undefined) throw new Error('nothing was done that could be taken back')
      return await (name === 'cron-scaler' ? localFunction(cronScaler) : localFunction(redeployHook)).undo(intent, options)
    },
    wait,
    push: (repo, tag, daysAgo = 0, more = {}) => {
      pushImage(world, { content: `${repo}:${tag}`, sizeBytes: 1000, ...more, repo, tag }, base.now() - daysAgo * dayMs)
    },
    tags: (repo) => Object.keys(world.tcr.repositories[repo]?.tags ?? {}).toSorted(),
    contentOf: (repo, tag) => {
      const found = world.tcr.repositories[repo]?.tags[tag]
      if (found === undefined) throw new Error(`there is no tag ${repo}:${tag}`)
      return found.content.digest
    },
    unpullable: (repo, tag, ms) => {
      const tags = world.tcr.repositories[repo]?.tags ?? {}
      const { [tag]: there } = tags
      if (there === undefined) throw new Error(`there is no tag ${repo}:${tag}`)
      delete tags[tag]
      wait(ms)
      tags[tag] = there
    },
    put: base.put,
    deploy: (name, from, { replicas = 2, cluster, spec = {} } = {}) => {
      const made = deployment({ namespace: 'prod', name, image: from, replicas })
      base.put({ ...made, spec: { ...(made.spec as JsonObject), ...spec } }, cluster)
    },
    crowd: () => {
      base.deploy('crowd', 24, { nodeSelector: { pool: 'general' } })
      wait(30_000)
    },
    object,
    edit: (name, change, place = {}) => {
      putObject(kubernetes(place.cluster), change(structuredClone(object(name, place))), base.now())
    },
    remove: (name, { cluster, group = 'apps', resource = 'deployments' } = {}) =>
      removeObject(kubernetes(cluster), group, resource, name, 'prod'),
    list: (resource, cluster) =>
      listObjects(kubernetes(cluster), resource === 'pods' ? '' : 'apps', resource) as unknown as readonly JsonObject[],
    imageOf: (name, place) => {
      const text = /"image":"([^"]+)"/.exec(JSON.stringify(object(name, place)))?.[1]
      if (text === undefined) throw new Error('it has no image')
      return text
    },
    replicasOf: (name, place) => Number((object(name, place).spec as JsonObject).replicas),
    alarm: async (...said) => {
      const runner = await hooks()
      const server = await startWebhookServer({
        routes: runner.routes,
        port: 0,
        now: () => base.now(),
        health: () => ({ ok: true }),
        onError: () => undefined,
      })
      const sample = eventOf('base') as unknown as APIGatewayProxyEventV2
      try {
        const status = await post(agent, `${server.url}${sample.rawPath}`, sample.headers, alertmanagerBody(said))
        await runner.workOff()
        return status
      } finally {
        await server.close()
      }
    },
    workOff: async () => {
      await (await hooks()).workOff()
    },
    writes: (since = 0) =>
      journal
        .slice(since)
        .filter(isWrite)
        .map(({ action, request: asked }) => (action === 'ForwardRequest' ? `${String(asked?.Method)} ${String(asked?.Path)}` : action)),
    memoryOf: (name, own = disk) => createMemory(openMemoryStore(own), { function: name, now: base.now }),
    killSwitch: async (state) => {
      await setSwitch(openMemoryStore(disk), { state, by: 'somebody', reason: 'a test', now: base.now() })
    },
    close: async () => {
      agent.destroy()
      await base.close()
    },
  }
  return stage
}

function post(agent: Agent, url: string, { host: _, ...headers }: APIGatewayProxyEventV2['headers'], body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent, headers: { ...headers, 'content-length': Buffer.byteLength(body) } }, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** A store of its own, as of somebody who does not share one. */
export function ownDisk(): MemoryDisk {
  return new MemoryDisk()
}

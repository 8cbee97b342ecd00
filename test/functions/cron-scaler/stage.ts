import * as z from 'zod/mini'
import { createClient } from '#cloud/client.ts'
import { type Clock, systemClock } from '#cloud/clock.ts'
import type { CloudWriter } from '#cloud/cloud.ts'
import { staticCredentials } from '#cloud/credentials.ts'
import { createTransport } from '#cloud/transport-https.ts'
import { definition } from '#functions/cron-scaler/definition.ts'
import { Settings } from '#functions/cron-scaler/event.ts'
import type { Observed } from '#functions/cron-scaler/plan.ts'
import { parseRecord, recordAnnotation, type ScaleRecord } from '#functions/cron-scaler/record.ts'
import type { ScaleChange } from '#functions/cron-scaler/scale-change.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { deployment, scaler, scalerDefinition } from '#infra/sandbox/seeds/kube-objects.ts'
import { placeCluster } from '#infra/sandbox/seeds/place.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxKubeToken, sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import type { Step, StepResult } from '#shared/pure/step.ts'
import type { FunctionConfig } from '#shared/runtime/definition.ts'
import { changesOf } from './fixtures.ts'

export const clusterA = emptyCluster.clusterId
export const clusterB = 'cls-b0000002'
export const hpcGroup = 'autoscaling.cloud.tencent.com'

/** One step and what became of it. */
export interface Played {
  readonly step: Step<ScaleChange>
  readonly result?: StepResult
  readonly error?: Error
}

/** Two clusters behind real sockets, and the cron scaler in front of them. */
export interface Stage {
  readonly sandbox: Sandbox
  readonly cloud: CloudWriter
  /** Sets the sandbox's time, which is the client's as well. */
  at(text: string): number
  put(object: JsonObject, cluster?: string): void
  /** Does what a person with kubectl does. */
  person(method: string, path: string, body?: object, cluster?: string): Promise<JsonObject>
  /** Observes, plans and applies at the present time. */
  tick(settings?: z.input<typeof Settings>, cloud?: CloudWriter): Promise<Played[]>
  observe(settings?: z.input<typeof Settings>): Promise<Observed>
  /** Writing calls that reached a cluster through the platform, as `PATCH <path>`. */
  writes(): string[]
  close(): Promise<void>
}

export function stageConfig(settings: z.input<typeof Settings> = {}): FunctionConfig<Settings> {
  return {
    mode: 'enforce',
    region: emptyCluster.region,
    clusters: [{ id: clusterA }, { id: clusterB, region: 'ap-chengdu' }],
    settings: z.parse(Settings, settings),
  }
}

export async function openStage(startText: string): Promise<Stage> {
  const startMs = Date.parse(startText)
  const clock = createSandboxClock({ startMs, frozen: true })
  const world = createEmptyWorld(startMs - 86_400_000, 1)
  // An old one, in another region: autoscaling/v2 and apiextensions.k8s.io/v1 are not served there.
  const created = { name: 'old', version: '1.14.3', clusterCidr: '172.17.0.0/16', createdMs: startMs - 86_400_000 }
  placeCluster(world, { clusterId: clusterB, region: 'ap-chengdu', vpcId: emptyCluster.vpcId, ...created }, createRandom(2))
  const sandbox = await startSandbox({ world, clock })
  const clientClock: Clock = { ...systemClock, now: () => clock.now() }
  const transport = createTransport({ clock: clientClock, allowedHosts: ['127.0.0.1'], environment: {} })
  const cloud = createClient({
    credentials: staticCredentials({ secretId: sandboxSecretId, secretKey: sandboxSecretKey }),
    region: emptyCluster.region,
    endpoint: { kind: 'url', url: sandbox.url },
    clock: clientClock,
    transport,
    random: createRandom(3),
    timeoutMs: 5000,
  })

  const kubernetesOf = (cluster: string) => {
    const state = world.kubernetes[cluster]
    if (state === undefined) throw new Error(`there is no cluster ${cluster}`)
    return state
  }

  return {
    sandbox,
    cloud,
    at(text) {
      clock.set(Date.parse(text))
      return clock.now()
    },
    put(object, cluster = clusterA) {
      putObject(kubernetesOf(cluster), object, startMs - 3_600_000)
    },
    async person(method, path, body, cluster = clusterA) {
      const response = await fetch(`${sandbox.url}/_kubernetes/${cluster}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${sandboxKubeToken}`,
          'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
      return (await response.json()) as JsonObject
    },
    async tick(settings, through = cloud) {
      const config = stageConfig(settings)
      const now = clock.now()
      const steps = definition.plan(await definition.observe(through, config, now), config, now)
      const changes = new Set<Step<ScaleChange>>(changesOf(steps))
      return await Promise.all(
        steps.map(async (step): Promise<Played> => {
          if (step.verdict !== 'change' || !changes.has(step)) return { step }
          try {
            return { step, result: await definition.apply(step, through, config, now) }
          } catch (error) {
            if (!(error instanceof Error)) throw error
            return { step, error }
          }
        }),
      )
    },
    observe: async (settings) => await definition.observe(cloud, stageConfig(settings), clock.now()),
    writes: () =>
      sandbox.journal
        .filter(({ service, effect, applied }) => service === 'tke' && effect === 'write' && applied)
        .map(({ request }) => `${String(request?.Method)} ${String(request?.Path)}`),
    async close() {
      await cloud.close()
      await sandbox.close()
    },
  }
}

/** `Outcome code` of each step, in the plan's order. */
export function outcomes(played: readonly Played[]): string[] {
  return played.map(({ step, result, error }) => {
    if (error !== undefined) return `Failed ${'kind' in error ? String(error.kind) : error.name}`
    if (result !== undefined) return `${result.outcome} ${result.reason?.code ?? step.reason.code}`
    return `${step.verdict} ${step.reason.code}`
  })
}

export const webPath = '/apis/apps/v1/namespaces/default/deployments/web'

export function web(count: number, annotations?: Record<string, string>): JsonObject {
  return deployment({
    namespace: 'default',
    name: 'web',
    image: 'registry.example/web:1',
    replicas: count,
    ...(annotations === undefined ? {} : { annotations }),
  })
}

/** The definition of HPC objects and one object with these crons for Deployment default/web. */
export function webSchedules(crons: Parameters<typeof scaler>[0]['crons'], group = hpcGroup): JsonObject[] {
  const target = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' }
  return [scalerDefinition(group), scaler({ group, namespace: 'default', name: 'web', target, crons })]
}

/** Size and record of an object, as the cluster's API shows it. */
export async function shownSize(
  stage: Stage,
  path: string,
  cluster?: string,
): Promise<{ readonly spec: JsonObject; readonly record: ScaleRecord | undefined }> {
  const object = await stage.person('GET', path, undefined, cluster)
  const metadata = object.metadata as { readonly annotations?: Record<string, string> }
  const text = metadata.annotations?.[recordAnnotation]
  const record = text === undefined ? undefined : parseRecord(text)
  if (record !== undefined && !record.ok) throw new Error(record.error)
  return { spec: object.spec as JsonObject, record: record?.value }
}

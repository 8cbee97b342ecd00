import type * as z from 'zod/mini'
import type { Action, RequestOf, ResponseOf } from '#cloud/action.ts'
import type { CloudWriter } from '#cloud/cloud.ts'
import { definition } from '#functions/cron-scaler/definition.ts'
import type { Settings } from '#functions/cron-scaler/event.ts'
import { parseRecord, recordAnnotation, type ScaleRecord } from '#functions/cron-scaler/record.ts'
import { handleKubernetes } from '#infra/sandbox/kubernetes/api.ts'
import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { createKubernetesState, putObject } from '#infra/sandbox/kubernetes/objects.ts'
import type { KubernetesState } from '#infra/sandbox/kubernetes/state.ts'
import type { Config } from '#shared/runtime/config.ts'
import { silentLog } from '#shared/runtime/log.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { runSchedule } from '#shared/runtime/run.ts'
import { MemoryDisk } from '#shared/safety/store-memory.ts'
import { memoryKernel } from '../../shared/runtime/memory-kernel.ts'

/** One call to a cluster. */
export interface InProcessCall {
  readonly cluster: string
  readonly method: string
  /** Without its query. */
  readonly path: string
  readonly status: number
}

/** A target as the cluster shows it: what of it the scaler is about. */
export interface ShownTarget {
  /** `cls-1/default/deployments/web` */
  readonly name: string
  /** `replicas 2`, `min 2, max 6` */
  readonly size: string
  readonly record: ScaleRecord | undefined
}

/**
 * Clusters in this process, without sockets and signatures, and the whole run of the product on them: observing, planning, ledger,
 * guard, journal, applying, remembering. A tick takes milliseconds, so properties can have thousands of them.
 */
export class InProcessWorld {
  readonly calls: InProcessCall[] = []
  /** What runs remember and have done; one for all runners that share a store. */
  readonly disk = new MemoryDisk()
  #now: number
  #runs = 0
  readonly #states: ReadonlyMap<string, KubernetesState>

  constructor(clusters: readonly string[], startMs: number) {
    this.#now = startMs
    this.#states = new Map(clusters.map((clusterId) => [clusterId, createKubernetesState({ version: '1.20.6', clusterId, now: startMs })]))
  }

  put(cluster: string, object: JsonObject): void {
    putObject(this.#stateOf(cluster), object, this.#now)
  }

  /** Does what a person with kubectl does, at the present time. */
  person(cluster: string, method: string, path: string, body?: object): JsonObject {
    const { status, text } = this.#ask(
      cluster,
      method,
      path,
      'application/merge-patch+json',
      body === undefined ? undefined : JSON.stringify(body),
    )
    if (status >= 400) throw new Error(`${method} ${path}: ${status} ${text}`)
    return JSON.parse(text) as JsonObject
  }

  /** Writes that changed a cluster, of the product and not of people. */
  writes(): readonly InProcessCall[] {
    return this.calls.filter(({ method, status }) => method !== 'GET' && status < 400)
  }

  /**
   * Runs the function for a tick. `runner` tells processes apart that have a store each. With `forgetful` it reads everything
   * anew, as without a memory. With `lookAhead` it waits, in no time at all, for what becomes due before the next tick.
   */
  async tick(
    now: number,
    settings: z.input<typeof Settings>,
    options: { readonly forgetful?: boolean; readonly lookAhead?: boolean } = {},
  ): Promise<RunReport> {
    this.#now = now
    this.#runs += 1
    const config = this.#config(settings)
    const kernel = await memoryKernel({ config, cloud: this.#cloud, now: () => this.#now, disk: this.disk })
    const wait = {
      now: () => this.#now,
      sleep: (ms: number) => {
        this.#now += ms
        return Promise.resolve()
      },
    }
    return await runSchedule(definition, {
      config,
      cloud: this.#cloud,
      kernel,
      owner: `run-${this.#runs}`,
      now,
      scheduledAt: now - (now % 60_000),
      trigger: { kind: 'local' },
      log: silentLog,
      ...(options.forgetful === true ? { fresh: true } : {}),
      ...(options.lookAhead === true ? { waitClock: wait } : {}),
    })
  }

  /** All workloads and autoscalers of all clusters, by name. */
  targets(): readonly ShownTarget[] {
    const shown: ShownTarget[] = []
    for (const cluster of this.#states.keys()) {
      for (const [path, resource] of [
        ['/apis/apps/v1/deployments', 'deployments'],
        ['/apis/apps/v1/statefulsets', 'statefulsets'],
        ['/apis/autoscaling/v1/horizontalpodautoscalers', 'horizontalpodautoscalers'],
      ] as const) {
        const { items } = JSON.parse(this.#ask(cluster, 'GET', path, undefined, undefined).text) as { items: Listed[] }
        for (const { metadata, spec } of items) {
          const text = metadata.annotations?.[recordAnnotation]
          const record = text === undefined ? undefined : parseRecord(text)
          if (record !== undefined && !record.ok) throw new Error(record.error)
          shown.push({
            name: `${cluster}/${metadata.namespace}/${resource}/${metadata.name}`,
            size: spec.maxReplicas === undefined ? `replicas ${spec.replicas}` : `min ${spec.minReplicas}, max ${spec.maxReplicas}`,
            record: record?.value,
          })
        }
      }
    }
    return shown
  }

  /** `name: size` of each. */
  sizes(): readonly string[] {
    return this.targets().map(({ name, size }) => `${name}: ${size}`)
  }

  readonly #cloud: CloudWriter = {
    send: <A extends Action>(action: A, given: RequestOf<A>): Promise<ResponseOf<A>> => {
      const request = given as Readonly<Record<string, string | undefined>>
      if (action.name !== 'ForwardRequest') return Promise.reject(new Error(`${action.name} is not to be called here`))
      const { ClusterName = '', Method = '', Path = '', ContentType, RequestBody } = request
      const { status, text } = this.#ask(ClusterName, Method, Path, ContentType, RequestBody)
      this.calls.push({ cluster: ClusterName, method: Method, path: Path.replace(/\?.*/, ''), status })
      return Promise.resolve({ ResponseBody: text, RequestId: `request-${this.calls.length}` } as unknown as ResponseOf<A>)
    },
  }

  #stateOf(cluster: string): KubernetesState {
    const state = this.#states.get(cluster)
    if (state === undefined) throw new Error(`there is no cluster ${cluster}`)
    return state
  }

  #ask(cluster: string, method: string, path: string, contentType: string | undefined, body: string | undefined) {
    const request = { method, path, ...(contentType === undefined ? {} : { contentType }), ...(body === undefined ? {} : { body }) }
    const answer = handleKubernetes(this.#stateOf(cluster), request, { now: this.#now, random: () => 0.5 })
    return { status: answer.status, text: answer.body }
  }

  #config(settings: z.input<typeof Settings>): Config {
    return {
      mode: 'enforce',
      platform: {
        endpoint: { kind: 'url', url: 'http://127.0.0.1:1' },
        region: 'ap-guangzhou',
        allowInsecureHttp: false,
        allowedHosts: [],
        credentials: { kind: 'none' },
      },
      clusters: [...this.#states.keys()].map((id) => ({ id })),
      store: { kind: 'memory' },
      functions: { 'cron-scaler': settings },
    }
  }
}

interface Listed {
  readonly metadata: { readonly namespace: string; readonly name: string; readonly annotations?: Readonly<Record<string, string>> }
  readonly spec: { readonly replicas?: number; readonly minReplicas?: number; readonly maxReplicas?: number }
}

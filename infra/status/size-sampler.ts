import * as z from 'zod/mini'
import { CloudError } from '#cloud/errors.ts'
import { KubeError, type KubeObject, type KubeReader, kubePath, kubeReader } from '#cloud/kube.ts'
import { leaseLabel } from '#functions/alarm-scaler/node-marks.ts'
import type { Platform } from '#infra/local/platform.ts'
import type { StatusFeed } from './status-feed.ts'

/** A size from an instant on, until the next point. */
export interface SizePoint {
  readonly atMs: number
  readonly value: number
  /** Of a HorizontalPodAutoscaler. */
  readonly min?: number
  readonly max?: number
}

export interface NodePoint {
  readonly atMs: number
  readonly value: number
  readonly ready: number
  readonly leased: number
}

/** Looks from time to time at what functions have changed, and at nodes, so that somebody can see how it went. Only reads. */
export interface SizeSampler {
  /** Looks whenever it is time, until the signal is aborted; `work` does each look. Throws nothing. */
  keepSampling(signal: AbortSignal, work?: (run: () => Promise<void>) => Promise<void>): Promise<void>
  /** Looks now, if it is time by the platform's clock; stops at once when the signal is aborted. */
  sample(signal?: AbortSignal): Promise<void>
  replicas(): ReadonlyMap<string, readonly SizePoint[]>
  nodes(): ReadonlyMap<string, readonly NodePoint[]>
}

export interface SizeSamplerOptions {
  readonly platform: Pick<Platform, 'cloud' | 'config' | 'now'>
  readonly feed: StatusFeed
  /** Between two looks by the platform's time. */
  readonly everyMs: number
  /** Waits on the wall; ends early when the signal is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** Told of what is a bug: functions go on without these sizes. */
  readonly onError: (what: string, error: unknown) => void
}

/** How often it is looked whether it is time: the platform's time may go faster than the wall's. */
const lookMs = 1000

/** So many points of each series are kept, the newest, and of the last week; only changes are points. */
const mostPoints = 3000
const keepMs = 7 * 86_400_000
/** So many targets are looked at in one go: those that were decided about last. */
const mostTargets = 100
/** Of so many targets the sizes are kept: those that were looked at last. */
const mostSeries = 200
const readersAtOnce = 4

/** Targets as cron-scaler and redeploy-hook name them. */
const targetPattern = /^(cls-[a-z0-9]+)\/([a-z0-9-]+)\/(Deployment|StatefulSet|HorizontalPodAutoscaler)\/([a-z0-9.-]+)$/

const lookers = ['cron-scaler', 'redeploy-hook'] as const

const Count = z.int().check(z.nonnegative())
const Workload = z.looseObject({ spec: z.looseObject({ replicas: z._default(Count, 1) }) })
const Autoscaler = z.looseObject({
  spec: z.looseObject({ minReplicas: z._default(Count, 1), maxReplicas: Count }),
  status: z.optional(z.looseObject({ currentReplicas: z._default(Count, 0) })),
})
const Node = z.looseObject({
  status: z.optional(z.looseObject({ conditions: z.optional(z.array(z.looseObject({ type: z.string(), status: z.string() }))) })),
})

export function createSizeSampler(options: SizeSamplerOptions): SizeSampler {
  const { platform, feed, everyMs } = options
  const replicas = new Map<string, SizePoint[]>()
  const nodes = new Map<string, NodePoint[]>()
  let nextMs = Number.NEGATIVE_INFINITY
  let lastMs = Number.NEGATIVE_INFINITY

  const readerOf = (cluster: string, signal: AbortSignal | undefined): KubeReader => {
    const region = platform.config.clusters.find(({ id }) => id === cluster)?.region
    return kubeReader(platform.cloud, cluster, { ...(region === undefined ? {} : { region }), ...(signal === undefined ? {} : { signal }) })
  }

  const sampleTarget = async (target: string, atMs: number, signal: AbortSignal | undefined): Promise<void> => {
    const [, cluster = '', namespace = '', kind = '', name = ''] = targetPattern.exec(target) ?? []
    const isAutoscaler = kind === 'HorizontalPodAutoscaler'
    const place = isAutoscaler
      ? { group: 'autoscaling', version: 'v1', resource: 'horizontalpodautoscalers' }
      : { group: 'apps', version: 'v1', resource: kind === 'Deployment' ? 'deployments' : 'statefulsets' }
    let object: KubeObject
    try {
      object = await readerOf(cluster, signal).get(kubePath({ ...place, namespace, name }, cluster))
    } catch (error) {
      if (!(error instanceof KubeError && error.kind === 'kube.not-found')) throw error
      // Somebody has deleted it: its last size does not hold on.
      if (replicas.has(target)) add(replicas, target, { atMs, value: 0 })
      return
    }
    if (isAutoscaler) {
      const { data } = z.safeParse(Autoscaler, object)
      if (data === undefined) return
      const { minReplicas: min, maxReplicas: max } = data.spec
      add(replicas, target, { atMs, value: data.status?.currentReplicas ?? 0, min, max })
      return
    }
    const { data } = z.safeParse(Workload, object)
    if (data !== undefined) add(replicas, target, { atMs, value: data.spec.replicas })
  }

  const sampleNodes = async (cluster: string, atMs: number, signal: AbortSignal | undefined): Promise<void> => {
    const { items } = await readerOf(cluster, signal).list(kubePath({ version: 'v1', resource: 'nodes' }, cluster))
    const ready = items.filter((item) =>
      z.safeParse(Node, item).data?.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
    )
    const leased = items.filter(({ metadata }) => metadata.labels?.[leaseLabel] !== undefined)
    add(nodes, cluster, { atMs, value: items.length, ready: ready.length, leased: leased.length })
  }

  /** What cannot be read now keeps its last size: the decisions say that it cannot be read, and why. */
  const quietly = async (read: () => Promise<void>): Promise<void> => {
    try {
      await read()
    } catch (error) {
      if (!(error instanceof CloudError || error instanceof KubeError)) throw error
    }
  }

  const sample = async (signal?: AbortSignal): Promise<void> => {
    const atMs = platform.now()
    // A clock that was set back must not keep it from looking.
    if (atMs < nextMs && atMs >= lastMs) return
    lastMs = atMs
    nextMs = atMs + everyMs
    const clusters = new Set(platform.config.clusters.map(({ id }) => id))
    const lines = lookers.flatMap((name) => feed.latest(name)).sort((one, other) => other.atMs - one.atMs)
    const targets = [...new Set(lines.map(({ decision }) => decision.target))].filter((target) =>
      clusters.has(targetPattern.exec(target)?.[1] ?? ''),
    )
    const work = [
      ...[...clusters].map((cluster) => async () => await sampleNodes(cluster, atMs, signal)),
      ...targets.slice(0, mostTargets).map((target) => async () => await sampleTarget(target, atMs, signal)),
    ]
    const takeOn = async (): Promise<void> => {
      for (let read = work.shift(); read !== undefined && signal?.aborted !== true; read = work.shift()) await quietly(read)
    }
    await Promise.all(Array.from({ length: readersAtOnce }, takeOn))
    for (const oldest of replicas.keys()) {
      if (replicas.size <= mostSeries) break
      replicas.delete(oldest)
    }
  }

  return {
    sample,
    keepSampling: async (signal, work = (run) => run()) => {
      while (!signal.aborted) {
        try {
          await work(async () => await sample(signal))
        } catch (error) {
          options.onError('looking at sizes', error)
        }
        await options.sleep(lookMs, signal)
      }
    },
    replicas: () => replicas,
    nodes: () => nodes,
  }
}

/** Adds what is another size than before; what is the same holds on. A point that is older than the last is not added. */
function add<Point extends { readonly atMs: number }>(series: Map<string, Point[]>, name: string, point: Point): void {
  const points = series.get(name) ?? []
  // What was looked at last is last.
  series.delete(name)
  series.set(name, points)
  const last = points.at(-1)
  if (last !== undefined && (point.atMs <= last.atMs || sameSize(last, point))) return
  points.push(point)
  // The one that holds at the beginning of the week stays.
  const first = points.findLastIndex(({ atMs }) => atMs <= point.atMs - keepMs)
  points.splice(0, Math.max(0, first, points.length - mostPoints))
}

function sameSize<Point extends { readonly atMs: number }>(one: Point, other: Point): boolean {
  return JSON.stringify({ ...one, atMs: 0 }) === JSON.stringify({ ...other, atMs: 0 })
}

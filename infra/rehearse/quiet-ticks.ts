import * as z from 'zod/mini'
import { recallClusters } from '#functions/cron-scaler/cursor.ts'
import { parseJson, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import type { KubeObject } from '#infra/sandbox/kubernetes/shapes.ts'
import type { World } from '#infra/sandbox/world.ts'
import type { FunctionName } from '#shared/runtime/definition.ts'
import type { MemoryReader } from '#shared/runtime/memory.ts'
import { type RunReport, reportsOf } from '#shared/runtime/report.ts'

const minuteMs = 60_000
/** Everything is run once in each such time, at its beginning, whatever is said here. */
const longestQuietMs = 60 * minuteMs
/** What waits for something (a soak time, an approval, a window) is looked at again this often. */
const heldQuietMs = 5 * minuteMs
/** For so long after something was done or told, what it set off is followed minute by minute. */
const followedForMs = 3 * 60 * minuteMs
/** For so long something that was held may still be waited for, although nobody says so again. */
const heldForMs = 24 * 60 * minuteMs

/** What a function looked at and came to when it last ran. */
interface LastRun {
  readonly atMs: number
  readonly seen: string
  /** Something was done or failed, or there is more to come: the next trigger is not left out. */
  readonly isBusy: boolean
  /** From this instant on something is due; undefined when nobody knows. */
  readonly dueMs?: number | undefined
}

/**
 * Says which triggers need not be run because nothing could have come of them, so that a week of minutes takes less than one. A trigger is
 * left out only when what the function goes by is as it was at its last run, nothing was done or failed then, and
 * - for cron-scaler, its own note of that run says that nothing is due before;
 * - for alarm-scaler, there is no lease to look after, nothing was decided, and nobody has told it of anything for three hours;
 * - for redeploy-hook, the registry and the images and marks of all workloads are the same, and nothing was done for three hours; while
 *   something was held within a day only for five minutes, so that a soak time ends that much later at most;
 * - for image-cleaner, the same. Its policies go by days, so an image may go up to an hour later than it would.
 * license-meter is always run, and everything is at the full hour.
 */
export class QuietTicks {
  readonly #world: World
  readonly #clusters: readonly string[]
  readonly #scalerMemory: MemoryReader
  readonly #last = new Map<FunctionName, LastRun>()
  /** When something was last done by a function, or told to it. */
  readonly #stirredMs = new Map<FunctionName, number>()
  readonly #heldMs = new Map<FunctionName, number>()

  constructor(options: { readonly world: World; readonly clusters: readonly string[]; readonly scalerMemory: MemoryReader }) {
    this.#world = options.world
    this.#clusters = options.clusters
    this.#scalerMemory = options.scalerMemory
  }

  /** Whether a trigger at this instant can be left out. */
  isQuiet(name: FunctionName, now: number): boolean {
    const last = this.#last.get(name)
    if (last === undefined || last.isBusy || name === 'license-meter') return false
    const isFollowed = name !== 'cron-scaler' && name !== 'image-cleaner' && now - (this.#stirredMs.get(name) ?? 0) < followedForMs
    const isHeld = name !== 'cron-scaler' && now - (this.#heldMs.get(name) ?? 0) < (name === 'image-cleaner' ? minuteMs : heldForMs)
    const everyMs = isHeld ? heldQuietMs : longestQuietMs
    if (isFollowed || Math.floor(now / everyMs) > Math.floor(last.atMs / everyMs)) return false
    if (name === 'alarm-scaler' && this.#clusters.some((id) => hasOpenLease(this.#world, id))) return false
    if (name === 'cron-scaler' && (last.dueMs === undefined || last.dueMs <= now)) return false
    return last.seen === this.#seenBy(name)
  }

  /** Notes a run that has ended. */
  async ran(name: FunctionName, now: number, report: RunReport): Promise<void> {
    const reports = reportsOf(report)
    const decisions = reports.flatMap((one) => one.decisions)
    const isBusy =
      reports.length > 1 ||
      reports.some(({ failure, counts }) => failure !== undefined || counts.Applied + counts.Failed + counts.Planned > 0) ||
      (name === 'alarm-scaler' && decisions.length > 0)
    if (isBusy) this.#stirredMs.set(name, now)
    if (reports.some(({ counts }) => counts.Held + counts.Missed > 0)) this.#heldMs.set(name, now)
    this.#last.set(name, {
      atMs: now,
      seen: this.#seenBy(name),
      isBusy,
      ...(name === 'cron-scaler' ? { dueMs: await this.#scalerDue() } : {}),
    })
  }

  /** Somebody has told a function of something. */
  stir(name: FunctionName, now: number): void {
    this.#stirredMs.set(name, now)
  }

  /** When cron-scaler has something to do next, by what it left in its memory; undefined while it has not come to rest. */
  async #scalerDue(): Promise<number | undefined> {
    const known = await recallClusters(this.#scalerMemory)
    let due = Number.POSITIVE_INFINITY
    for (const id of this.#clusters) {
      const cursor = known?.get(id)?.known.cursor
      if (cursor === undefined) return undefined
      for (const at of [cursor.dueMs, cursor.newsMs, cursor.untilMs]) due = Math.min(due, at ?? Number.POSITIVE_INFINITY)
    }
    return due
  }

  #seenBy(name: FunctionName): string {
    switch (name) {
      case 'cron-scaler':
        return this.#clusters.map((id) => schedulesMark(this.#world, id)).join('|')
      case 'redeploy-hook':
      case 'image-cleaner':
        return `${registryMark(this.#world)}|${this.#clusters.map((id) => workloadsMark(this.#world, id)).join('|')}`
      case 'alarm-scaler':
      case 'license-meter':
        return ''
    }
  }
}

function schedulesMark(world: World, cluster: string): string {
  const changed = world.kubernetes[cluster]?.changed ?? {}
  return Object.entries(changed)
    .filter(([resource]) => resource.includes('/horizontalpodcron'))
    .map(([resource, revision]) => `${resource}=${revision}`)
    .join()
}

const Leases = z.object({ leases: z.array(z.object({ state: z.string() })) })

/** Whether a record of a pool in the cluster has a lease that is not closed; one that cannot be read counts as if it had. */
function hasOpenLease(world: World, cluster: string): boolean {
  const maps = Object.values(world.kubernetes[cluster]?.objects['/configmaps'] ?? {})
  return maps.some((map) => {
    if (map.metadata.labels?.['longshore.dev/leases'] !== 'true') return false
    const record = z.safeParse(Leases, parseJson(stringAt(map, 'data', 'pool.json') ?? ''))
    return !record.success || record.data.leases.some(({ state }) => state !== 'closed')
  })
}

function registryMark({ tcr }: World): string {
  const repositories = Object.values(tcr.repositories)
  const updated = repositories.reduce((sum, { updatedAt }) => sum + updatedAt, 0)
  return `${tcr.nextTagRow}/${repositories.length}/${updated}/${Object.keys(tcr.triggers).length}`
}

const workloadResources = ['apps/deployments', 'apps/statefulsets', 'apps/daemonsets', 'batch/cronjobs'] as const

/** Objects are never changed in place, so what was made of one stays true. */
const marks = new WeakMap<KubeObject, string>()
const clusterMarks = new WeakMap<object, { readonly revisions: string; readonly mark: string }>()

/** The images of all workloads and what Longshore or people have written on them; neither sizes nor status. */
function workloadsMark(world: World, cluster: string): string {
  const state = world.kubernetes[cluster]
  if (state === undefined) return ''
  const revisions = workloadResources.map((resource) => state.changed[resource] ?? 0).join()
  const known = clusterMarks.get(state)
  if (known?.revisions === revisions) return known.mark
  const parts = workloadResources.flatMap((resource) => Object.values(state.objects[resource] ?? {}).map(markOf))
  const mark = parts.join('\n')
  clusterMarks.set(state, { revisions, mark })
  return mark
}

function markOf(object: KubeObject): string {
  const known = marks.get(object)
  if (known !== undefined) return known
  const { uid, annotations, deletionTimestamp } = object.metadata
  const images = JSON.stringify(object).match(/"image":"[^"]*"/g) ?? []
  const own = Object.entries(annotations ?? {}).filter(
    ([name]) => name.startsWith('longshore.dev/') && name !== 'longshore.dev/cron-scaler',
  )
  const mark = JSON.stringify([uid, images, own, deletionTimestamp ?? ''])
  marks.set(object, mark)
  return mark
}

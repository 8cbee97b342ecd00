import { randomUUID } from 'node:crypto'
import type { LocalFunction } from '#infra/local/local-function.ts'
import { createLocalQueue, type LocalQueue } from '#infra/local/local-queue.ts'
import { lastTrigger, nextTrigger, type ScheduleExpression } from '#infra/local/schedule-expression.ts'
import { getObject, putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { PlatformFault } from '#infra/sandbox/reducer.ts'
import { pushImage, putTag } from '#infra/sandbox/tcr/images.ts'
import type { Config } from '#shared/runtime/config.ts'
import type { FunctionName } from '#shared/runtime/definition.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import type { Redactor } from '#shared/runtime/redact.ts'
import { type RunReport, reportsOf } from '#shared/runtime/report.ts'
import type { Inbox } from '#shared/safety/inbox.ts'
import { QuietTicks } from './quiet-ticks.ts'
import type { Push, RecordedEvent, Scaling, ToldEvent } from './recorded-events.ts'
import type { Rehearsal } from './rehearsal.ts'
import { openRehearsal, type RehearsalPlatform } from './rehearsal-platform.ts'
import { dayStartsOf, Tally } from './rehearsal-tally.ts'
import { RehearsalTime } from './rehearsal-time.ts'
import type { Snapshot } from './snapshot.ts'
import { worldOf } from './world-of.ts'
import { WorldWatch } from './world-watch.ts'

export interface RehearseOptions {
  readonly snapshot: Snapshot
  readonly config: Config
  readonly functions: readonly { readonly function: LocalFunction; readonly schedules: readonly ScheduleExpression[] }[]
  readonly days: number
  /** Of the rehearsal's time, oldest first. */
  readonly events?: readonly RecordedEvent[]
  /** Whose days count. */
  readonly zone: string
  readonly seed?: number
  /** Runs triggers of which nothing can come as well. */
  readonly everyTick?: boolean
  readonly redactor: Redactor
  readonly signal?: AbortSignal | undefined
  /** Told how far it has come, in epoch milliseconds of the rehearsal. */
  readonly onProgress?: (nowMs: number) => void
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs

/**
 * Goes through days to come in a world made of a snapshot, with the real functions in mode enforce, and says what they did there. The same
 * snapshot, configuration and events give the same answer. Nothing but this process's memory is changed, and nothing is called.
 *
 * Nothing goes wrong in it: no call is lost, no machine fails to start, no rollout fails unless its image is not in the registry. When it
 * is stopped it answers what there is up to then.
 */
export async function rehearse(options: RehearseOptions): Promise<Rehearsal> {
  const fromMs = Date.parse(options.snapshot.takenAt)
  const time = new RehearsalTime(fromMs)
  return await time.run(goThrough(options, time))
}

async function goThrough(options: RehearseOptions, time: RehearsalTime): Promise<Rehearsal> {
  const { snapshot, functions, days, events = [], zone, seed = 1, redactor, signal } = options
  const fromMs = time.now()
  const untilMs = fromMs + days * dayMs
  const { world, notes } = worldOf(snapshot, seed)
  const platform = await openRehearsal({ config: options.config, world, clock: time.clock, seed, redactor })
  const { config, store, core } = platform
  const clusters = config.clusters.map(({ id }) => id).filter((id) => world.kubernetes[id] !== undefined)
  try {
    core.advance()
    const watch = new WorldWatch(
      world,
      clusters,
      snapshot.licence.map(({ region }) => region),
      fromMs,
    )
    const tally = new Tally(dayStartsOf(fromMs, untilMs, zone))
    const scalerMemory = createMemory(store, { function: 'cron-scaler', now: time.now })
    const quiet = new QuietTicks({ world, clusters, scalerMemory })
    const note = (report: RunReport): void => {
      for (const one of reportsOf(report)) tally.add(one)
      watch.look(time.now())
    }
    const stop = (): boolean => signal?.aborted === true || time.now() >= untilMs
    const sleepUntil = async (atMs: number): Promise<void> => {
      try {
        await time.clock.sleep(Math.min(atMs, untilMs) - time.now(), signal)
      } catch (error) {
        // Being stopped is no failure of a wait: whoever waits sees the signal.
        if (signal?.aborted !== true) throw error
      }
    }

    const keepRunning = async (fn: LocalFunction, schedules: readonly ScheduleExpression[]): Promise<void> => {
      for (;;) {
        const next = Math.min(...schedules.flatMap((schedule) => nextTrigger(schedule, time.now()) ?? []))
        await sleepUntil(next)
        if (stop()) return
        const now = time.now()
        if (options.everyTick !== true && quiet.isQuiet(fn.name, now)) {
          tally.leaveOut(fn.name, now)
          continue
        }
        const run = {
          config,
          cloud: platform.cloud,
          kernel: platform.kernel,
          store,
          fetchText: platform.cloud.fetchText,
          owner: randomUUID(),
          now,
          scheduledAt: Math.max(...schedules.map((schedule) => lastTrigger(schedule, now))),
          trigger: { kind: 'local', name: 'longshore rehearse' } as const,
          log: silentLog,
          signal,
          waitClock: time.clock,
        }
        const report = await time.work(async () => await fn.run(run))
        note(report)
        await quiet.ran(fn.name, now, report)
      }
    }
    /** The world goes on by itself: pods start, groups grow, policies of the registry run. */
    const keepTurning = async (): Promise<void> => {
      for (let atMs = fromMs + minuteMs / 2; !stop(); atMs += minuteMs) {
        await sleepUntil(atMs)
        core.advance()
        watch.look(time.now())
        if ((atMs - fromMs) % hourMs < minuteMs) options.onProgress?.(time.now())
      }
    }
    const inboxes = await openInboxes(options, platform, { time, note })
    const keepTelling = async (): Promise<void> => {
      const waiting = [...events]
      while (!stop()) {
        const at = waiting[0]?.atMs ?? Number.POSITIVE_INFINITY
        const retryAt = inboxes.open() > 0 ? (Math.floor(time.now() / minuteMs) + 1) * minuteMs : Number.POSITIVE_INFINITY
        await sleepUntil(Math.max(time.now() + 1, Math.min(at, retryAt, untilMs)))
        if (stop()) return
        for (let event = waiting[0]; event !== undefined && event.atMs <= time.now(); event = waiting[0]) {
          waiting.shift()
          const happening = event
          tally.happened(happening, await time.work(async () => await letHappen(happening, platform, inboxes, quiet)))
        }
        await time.work(inboxes.workOff)
      }
    }
    await Promise.all([...functions.map(({ function: fn, schedules }) => keepRunning(fn, schedules)), keepTurning(), keepTelling()])
    core.advance()
    watch.look(time.now())
    return {
      fromMs,
      untilMs: Math.min(untilMs, time.now()),
      isDone: signal?.aborted !== true,
      zone,
      source: snapshot.source,
      takenAt: snapshot.takenAt,
      clusters: config.clusters.map(({ id, name = id }) => ({ id, name, isKnown: clusters.includes(id) })),
      notes: [...snapshot.problems.map(({ where, text }) => `${where} could not be read: ${text}`), ...notes].map((text) =>
        redactor.text(text),
      ),
      entitledCores: { ...world.tke.licence.entitledCores },
      ...tally.result(watch, (text) => redactor.text(text)),
      eventsAfter: events.length - tally.happenings,
      deadEvents: inboxes.dead(),
      curves: watch.curves,
      cores: [...watch.cores].map(([region, changes]) => ({ region, changes })),
      registryBytes: watch.registryBytes,
      nodes: watch.nodes,
      removed: watch.removed,
      images: watch.images,
    }
  } finally {
    await platform.close()
  }
}

interface Inboxes {
  tell(event: ToldEvent, receivedAt: number): Promise<void>
  workOff(): Promise<void>
  /** Events that are not done. */
  open(): number
  dead(): number
}

/** Opens what works on the events of functions, as the local runner does. */
async function openInboxes(
  { functions, redactor, signal }: RehearseOptions,
  { config, cloud, kernel, env, resolve }: RehearsalPlatform,
  around: { readonly time: RehearsalTime; readonly note: (report: RunReport) => void },
): Promise<Inboxes> {
  const { time, note } = around
  const inboxes = new Map<FunctionName, Inbox>()
  const queues: { inbox: Inbox; process: Parameters<typeof createLocalQueue>[0]['queues'][number]['process'] }[] = []
  let [open, dead] = [0, 0]
  const reports: RunReport[] = []
  for (const { function: fn } of functions) {
    if (fn.hooks === undefined) continue
    const opened = await fn.hooks.open({
      config,
      cloud,
      kernel,
      env,
      redactor,
      resolve,
      clock: time.clock,
      log: silentLog,
      onReport: (report) => reports.push(report),
    })
    inboxes.set(fn.name, opened.inbox)
    queues.push({ inbox: opened.inbox, process: opened.process })
  }
  const queue: LocalQueue = createLocalQueue({
    queues,
    owner: `longshore rehearse ${randomUUID()}`,
    now: time.now,
    sleep: (ms, wake) => time.clock.sleep(ms, wake),
    signal: signal ?? new AbortController().signal,
    log: silentLog,
    redact: (text) => redactor.text(text),
    print: () => undefined,
    onEnding: (ending) => {
      if (ending === 'done' || ending === 'dead') open -= 1
      if (ending === 'dead') dead += 1
    },
  })
  return {
    tell: async ({ function: name, source, id, group, payload }, receivedAt) => {
      const inbox = inboxes.get(name)
      if (inbox === undefined) return
      const accepted = await inbox.accept({ source, id, group, payload, receivedAt, now: time.now() })
      if (accepted.kind === 'accepted') open += 1
    },
    workOff: async () => {
      if (open === 0) return
      await queue.workOff()
      for (const report of reports.splice(0)) note(report)
    },
    open: () => open,
    dead: () => dead,
  }
}

/** Lets something happen from outside; answers what stood in its way, if anything did. */
async function letHappen(
  { push, scaling, told }: RecordedEvent,
  { core }: RehearsalPlatform,
  inboxes: Inboxes,
  quiet: QuietTicks,
): Promise<string | undefined> {
  const now = core.clock.now()
  core.advance()
  const trouble = push === undefined ? undefined : pushed(core, push, now)
  const obstacle = scaling === undefined ? undefined : scaled(core, scaling, now)
  if (told !== undefined) {
    quiet.stir(told.function, now)
    await inboxes.tell(told, now)
  }
  core.journal.record({ service: '', action: '', effect: 'write', requestId: '', secretId: '', at: now, applied: true, faults: [] })
  return trouble ?? obstacle
}

function pushed({ world }: RehearsalPlatform['core'], { repository, tag, digest, bytes }: Push, now: number): string | undefined {
  try {
    const made = pushImage(world, { repo: repository, tag, ...(bytes === undefined ? {} : { sizeBytes: bytes }) }, now)
    if (digest !== undefined) putTag(world, repository, tag, { ...made.content, digest }, now)
    return undefined
  } catch (error) {
    if (!(error instanceof PlatformFault)) throw error
    return error.message
  }
}

function scaled(
  { world }: RehearsalPlatform['core'],
  { cluster, namespace, kind, name, replicas }: Scaling,
  now: number,
): string | undefined {
  const state = world.kubernetes[cluster]
  const object =
    state === undefined ? undefined : getObject(state, 'apps', kind === 'Deployment' ? 'deployments' : 'statefulsets', name, namespace)
  if (state === undefined || object === undefined) return `there is no ${kind} ${namespace}/${name} in ${cluster}`
  const { spec } = object
  putObject(
    state,
    { ...object, spec: { ...(typeof spec === 'object' && spec !== null && !Array.isArray(spec) ? spec : {}), replicas } },
    now,
  )
  return undefined
}

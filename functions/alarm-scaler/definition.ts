import * as z from 'zod/mini'
import type { OpenTools } from '#shared/runtime/define-queue.ts'
import type { ScheduleDefinition } from '#shared/runtime/definition.ts'
import type { Log } from '#shared/runtime/log.ts'
import { createMemory, type MemoryWriter } from '#shared/runtime/memory.ts'
import type { Processed, QueueDefinition, QueuedEvent, Try } from '#shared/runtime/queue-definition.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { openRunForEvent } from '#shared/runtime/run-for-event.ts'
import { keepAlarm } from './alarm-history.ts'
import { apply, applyFor } from './apply.ts'
import { keepApproval } from './approval-memory.ts'
import { AlarmChange, unitsOf } from './change.ts'
import { ClusterReadings } from './cluster-reading.ts'
import { configProblems } from './config-problems.ts'
import { foldAlerts, type HeardAlert } from './episode-memory.ts'
import { Settings } from './event.ts'
import { type AlertsEvent, type ApprovalEvent, HookEvent } from './hook-event.ts'
import { nextLook } from './next-look.ts'
import { notices } from './notices.ts'
import { observe, observePools, type Seen } from './observe.ts'
import { plan } from './plan.ts'
import { poolsFor } from './policy.ts'
import type { ApplyCode } from './pool-desk.ts'
import { remember, rememberSteps } from './remember.ts'
import { settle } from './settle.ts'
import { poolsWorthALook } from './worth-a-look.ts'

type Definition = ScheduleDefinition<Settings, Seen, AlarmChange>

const name = 'alarm-scaler'
const everyMs = 60_000

/** The alarm scaler as its schedule starts it: alarms that go on, nodes on their way, leases that end, and from time to time everything. */
export const definition: Definition = {
  name,
  settings: Settings,
  problems: configProblems,
  observe,
  plan,
  change: AlarmChange,
  units: unitsOf,
  settle,
  apply,
  remember,
  rememberSteps,
  notices,
  everyMs,
  ahead: (observed, _config, now, untilMs) => {
    const next = nextLook(observed, now)
    return next === undefined || next > untilMs ? [] : [next]
  },
}

/** The same function, looking at nothing but some pools. Looks that share `readings` share what they read within a few seconds. */
export function lookAt(pools: readonly string[], readings = new ClusterReadings()): Definition {
  const { ahead: _ahead, ...rest } = definition
  return {
    ...rest,
    observe: async (cloud, config, now, around) => await observePools(cloud, config, now, around, { pools, readings }),
    apply: applyFor(readings),
  }
}

/** What events are worked on with. */
export interface Tools {
  readonly memory: (now: number) => MemoryWriter
  /** Shared by the looks of this process. */
  readonly readings: ClusterReadings
  /** Runs one look as the runtime runs a tick: through the kernel, with memory and notices. `turn` counts the looks of one try. */
  readonly run: (look: Definition, event: QueuedEvent, attempt: Try, turn: number) => Promise<RunReport>
}

/** Makes the tools once per process. */
export const openTools: OpenTools<Settings, Tools> = async (sources) => ({
  readings: new ClusterReadings(),
  memory: (now) => createMemory(sources.store, { function: name, now: () => now }),
  run: await openRunForEvent(sources),
})

/**
 * What works on events: alarms are put to what is known of their series, and one that has begun or has become worse makes a look at its
 * pools; an approval is written down and makes one at its pool.
 */
export const queue: QueueDefinition<Settings, Tools> = {
  name,
  settings: Settings,
  process: async (event, tools, attempt, { config }) => {
    const parsed = z.safeParse(HookEvent, event.payload)
    if (!parsed.success) {
      return { kind: 'dead', code: 'event-unreadable', text: `the event ${event.id} is not as this version of ${name} writes it` }
    }
    const memory = tools.memory(attempt.now)
    const { data } = parsed
    const pools =
      data.kind === 'alerts' ? await hear(data, event, { memory, log: attempt.log }, config) : await agree(data, memory, event.receivedAt)
    return pools.length === 0 ? { kind: 'done' } : ended(await lookOn(pools, tools, event, attempt))
  },
}

/** A policy has at most as many mechanisms. */
const mostTurns = 10

/** Looks at pools, and at once again when a mechanism gave none: then the next one of the chain has its turn. */
async function lookOn(pools: readonly string[], tools: Tools, event: QueuedEvent, attempt: Try): Promise<RunReport> {
  const look = lookAt(pools, tools.readings)
  let report = await tools.run(look, event, attempt, 0)
  for (let turn = 1; turn < mostTurns && report.decisions.some(({ reason }) => reason.code === refused); turn += 1) {
    report = await tools.run(look, event, attempt, turn)
  }
  return report
}

const refused: ApplyCode = 'mechanism-refused'

/** Puts alarms to what is known. Answers the pools that are to be looked at now. */
async function hear(
  { alerts }: AlertsEvent,
  { attempt, receivedAt }: QueuedEvent,
  { memory, log }: { readonly memory: MemoryWriter; readonly log: Log },
  config: Parameters<typeof poolsFor>[1],
): Promise<readonly string[]> {
  const heard = await foldAlerts(memory, alerts, receivedAt)
  for (const { alert, episode, came } of heard) {
    const text = `${alert.source} says that ${alert.name} (${alert.key}) is ${alert.state}`
    log.write('info', 'alarm-heard', { code: came, reason: episode === undefined ? text : `${text}; episode ${episode.id}` })
    if (episode !== undefined) await keepAlarm(memory, { atMs: receivedAt, alert }, episode.id, came)
  }
  // A try that was cut off may have put them there and not have looked: then they are no news any more.
  return attempt === 1 ? poolsWorthALook(heard, config) : poolsFor(firing(heard), config)
}

function firing(heard: readonly HeardAlert[]) {
  return heard.flatMap(({ episode }) => (episode?.state === 'firing' ? [episode] : []))
}

/** Writes down what somebody agreed to; whoever plans finds it there. */
async function agree(approval: ApprovalEvent, memory: MemoryWriter, atMs: number): Promise<readonly string[]> {
  await keepApproval(memory, approval, atMs)
  return [approval.request.pool]
}

/** Codes of decisions after which the same look may come to something else before the next tick does. */
const worthAnother: ReadonlySet<string> = new Set(['pool-unreadable'])

/** What a look says about the event that it was for. What is held is looked at again by the ticks, as long as its alarm fires. */
function ended({ failure, decisions }: RunReport): Processed {
  if (failure !== undefined) return { kind: 'failed', code: failure.code, text: failure.text }
  const failed = decisions.find(({ outcome, reason }) => outcome === 'Failed' || worthAnother.has(reason.code))
  if (failed === undefined) return { kind: 'done' }
  return { kind: 'failed', code: failed.reason.code, text: `${failed.target}: ${failed.reason.text}` }
}

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod/mini'
import { systemClock } from '#cloud/clock.ts'
import { readFunctionFile } from '#infra/build/function-file.ts'
import type { HookRunner } from '#infra/local/hook-runner.ts'
import { projectRoot } from '#infra/local/local-function.ts'
import type { Platform } from '#infra/local/platform.ts'
import type { Runner } from '#infra/local/runner.ts'
import type { FunctionName } from '#shared/runtime/definition.ts'
import type { Redactor } from '#shared/runtime/redact.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { KillSwitchError } from '#shared/safety/kill-switch.ts'
import { readSwitch } from '#shared/safety/kill-switch-store.ts'
import { StoreError } from '#shared/safety/store.ts'
import { type CallTally, createCallTally } from './call-tally.ts'
import { createGlance } from './glance.ts'
import { createJournalReading } from './journal-reading.ts'
import { searchLeases } from './lease-search.ts'
import { readLicence } from './licence-reading.ts'
import { prometheusText } from './prometheus-metrics.ts'
import { createRegistryReading } from './registry-reading.ts'
import { createSizeSampler } from './size-sampler.ts'
import { createStatusApi, type StatusApi } from './status-api.ts'
import { createStatusFeed } from './status-feed.ts'
import type { StatusSources, SwitchReading } from './status-sources.ts'

/** The status of a process that runs functions: what it remembers of their runs, and what it answers about them. */
export interface Status {
  /** Is told of every run. */
  readonly onReport: (report: RunReport) => void
  /** Answers what a server is asked. */
  serve(parts: StatusParts): StatusApi
  /** Looks at sizes from time to time, until the signal is aborted. */
  keepSampling(signal: AbortSignal): Promise<void>
}

/** What there is only after the status, because it is told to it. */
export interface StatusParts {
  readonly runner: Pick<Runner, 'status'>
  readonly hooks: Pick<HookRunner, 'status'> | undefined
}

export interface StatusOptions {
  readonly platform: Platform
  readonly functions: readonly FunctionName[]
  readonly redactor: Redactor
  /** How many times faster than the clock on the wall time passes. */
  readonly speed: number
  /** Tries of calls, counted by whoever made the client. */
  readonly calls?: CallTally | undefined
  /** Whoever sends it may give orders; nobody may when absent. */
  readonly token?: string | undefined
  readonly hostNames?: readonly string[] | undefined
  /** Told of what is a bug. */
  readonly onError: (what: string, error: unknown) => void
  /** Does what asks the platform; where time is virtual it goes at the wall's speed meanwhile. */
  readonly work?: (<T>(run: () => Promise<T>) => Promise<T>) | undefined
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** Ends what an order has begun. */
  readonly signal?: AbortSignal | undefined
}

const minuteMs = 60_000

/** How long what is read is good for, and how often sizes are looked at: a real platform has others to serve. */
const paces = {
  sandbox: { leasesMs: 1000, licenceMs: 2000, registryMs: 5000, chainsMs: 30_000, sizesMs: minuteMs },
  platform: { leasesMs: 15_000, licenceMs: 30_000, registryMs: 15 * minuteMs, chainsMs: 15 * minuteMs, sizesMs: 5 * minuteMs },
} as const

/** Events are in the store, and the switch is as well, if it is nowhere else. */
const storeMs = 1000
const otherSwitchMs = 15_000

/** Opens the status of a process. Reads what the functions are, and nothing of the platform until somebody asks. */
export async function openStatus(options: StatusOptions): Promise<Status> {
  const { platform, functions, redactor, speed, token, onError, sleep, signal } = options
  const { calls = createCallTally(), hostNames = [], work = (run) => run() } = options
  const pace = platform.sandbox === undefined ? paces.platform : paces.sandbox
  const wallNow = (): number => systemClock.now()
  const feed = createStatusFeed()
  const startedMs = platform.now()
  const summaries = new Map<FunctionName, string>()
  for (const name of functions) summaries.set(name, (await readFunctionFile(projectRoot, name)).function.description)
  const version = await ownVersion()
  const sampler = createSizeSampler({ platform, feed, everyMs: pace.sizesMs, sleep, onError })
  return {
    onReport: (report) => feed.take(report),
    keepSampling: async (signal) => await sampler.keepSampling(signal, work),
    serve: ({ runner, hooks }) => {
      const sources: StatusSources = {
        platform,
        facts: { version, speed, startedMs, summaries, functions, isWritable: token !== undefined },
        feed,
        sampler,
        status: () => runner.status(),
        events: createGlance(async () => (await hooks?.status()) ?? [], { keepMs: storeMs, wallNow }),
        killSwitch: createGlance(async () => await readKillSwitch(platform), {
          keepMs: isSwitchInStore(platform) ? storeMs : otherSwitchMs,
          wallNow,
        }),
        leases: createGlance(async () => await searchLeases(platform), { keepMs: pace.leasesMs, wallNow }),
        licence: createGlance(async () => await readLicence(platform), { keepMs: pace.licenceMs, wallNow }),
        registry: createRegistryReading({ platform, sinceMs: startedMs, keepMs: pace.registryMs, wallNow }),
        journal: createJournalReading(platform.kernel, { now: platform.now, wallNow, keepMs: pace.chainsMs }),
      }
      return createStatusApi({
        sources,
        orders: { platform, onReport: (report) => feed.take(report), signal },
        metrics: async () => await prometheusText(sources, calls),
        redactor,
        token,
        hostNames,
        onError,
        work,
      })
    },
  }
}

/** The version of this product. */
async function ownVersion(): Promise<string> {
  const text = await readFile(join(projectRoot, 'package.json'), 'utf8')
  return z.parse(z.looseObject({ version: z.string() }), JSON.parse(text)).version
}

function isSwitchInStore({ config }: Pick<Platform, 'config'>): boolean {
  return (config.guard?.killSwitch.kind ?? 'store') === 'store'
}

/** What the kill switch says; undefined when there is no store that would hold one. */
async function readKillSwitch({ config, kernel, now }: Platform): Promise<SwitchReading | undefined> {
  if (kernel === undefined) return undefined
  const nowMs = now()
  try {
    if (isSwitchInStore({ config })) return (await readSwitch(kernel.store, { now: nowMs })) ?? { state: 'run' }
    const state = await kernel.killSwitch.read(nowMs)
    const why = state === 'stop' ? await kernel.killSwitch.why?.(nowMs) : undefined
    return { state, ...(why === undefined ? {} : { reason: why }) }
  } catch (error) {
    if (!(error instanceof KillSwitchError || error instanceof StoreError)) throw error
    return { state: 'unreadable', reason: error.message }
  }
}

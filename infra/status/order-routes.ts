import { randomUUID } from 'node:crypto'
import type * as z from 'zod/mini'
import { definition as alarmScaler, lookAt } from '#functions/alarm-scaler/definition.ts'
import { isOpen } from '#functions/alarm-scaler/lease.ts'
import { planRelease } from '#functions/alarm-scaler/release.ts'
import type { Platform } from '#infra/local/platform.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { functionConfig } from '#shared/runtime/config.ts'
import { type FunctionName, functionNames } from '#shared/runtime/definition.ts'
import type { Kernel } from '#shared/runtime/kernel.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { failureSentence, hasFailed, type RunReport } from '#shared/runtime/report.ts'
import { makePlan, runSteps } from '#shared/runtime/run.ts'
import { createDeadLetters, type DeadLetter, type DeadLetters } from '#shared/safety/dead-letters.ts'
import { InboxError } from '#shared/safety/inbox-entry.ts'
import { DeadLetterOrder, LeaseOrder, type OrderResult, SwitchOrder } from './api-schemas.ts'
import { searchLeases } from './lease-search.ts'
import { parseInput } from './parse-input.ts'
import { problemText } from './problem-text.ts'
import { setKillSwitch } from './set-kill-switch.ts'

/** What orders are carried out on. */
export interface OrderPorts {
  readonly platform: Platform
  /** Told of a run that an order made. */
  readonly onReport: (report: RunReport) => void
  /** Ends what an order has begun, between two of its steps. */
  readonly signal?: AbortSignal | undefined
}

/** An order that a POST gives. The types of its body stay inside. */
export interface OrderRoute {
  readonly path: string
  readonly summary: string
  readonly body: z.core.$ZodType
  /** Carries out a body as it came; the failure is a sentence for whoever sent it. Throws what the store and the platform throw. */
  order(ports: OrderPorts, body: unknown): Promise<Result<OrderResult, string>>
}

function orderRoute<Body>(route: {
  readonly path: string
  readonly summary: string
  readonly body: z.ZodMiniType<Body>
  readonly order: (ports: OrderPorts, kernel: Kernel, body: Body) => Promise<OrderResult>
}): OrderRoute {
  return {
    ...route,
    order: async (ports, given) => {
      const parsed = parseInput(route.body, given, 'member')
      if (!parsed.ok) return failure(parsed.error)
      const { kernel } = ports.platform
      if (kernel === undefined) return success({ done: false, text: 'Nothing was done: there is no store in this mode.' })
      return success(await route.order(ports, kernel, parsed.value))
    },
  }
}

/** Every order that is taken. Each goes the way that the command of the same purpose goes, and says in the journal who gave it. */
export const orderRoutes: readonly OrderRoute[] = [
  orderRoute({
    path: '/api/switch',
    summary: 'Stops every function before its next write, or lets them go on; noted in every journal. As `longshore switch`.',
    body: SwitchOrder,
    order: setSwitchNow,
  }),
  orderRoute({
    path: '/api/dead-letters/order',
    summary: 'Tries a dead event again or gives it up; noted in the journal of its function. As `longshore dead-letters`.',
    body: DeadLetterOrder,
    order: decideDeadLetter,
  }),
  orderRoute({
    path: '/api/leases/release',
    summary: 'Gives the nodes of a lease back before its time, through guard, ledger and journal. As `longshore leases release`.',
    body: LeaseOrder,
    order: releaseLease,
  }),
]

async function setSwitchNow(
  { platform }: OrderPorts,
  kernel: Kernel,
  { state, by, reason }: z.infer<typeof SwitchOrder>,
): Promise<OrderResult> {
  const kind = platform.config.guard?.killSwitch.kind ?? 'store'
  if (kind !== 'store')
    return { done: false, text: `Nothing was done: the configuration has its kill switch elsewhere (${kind}); set it there.` }
  const { store, key, redact } = kernel
  const order = { state, by, reason, at: platform.now(), through: 'status page' } as const
  const unnoted = await setKillSwitch(store, order, () => Promise.resolve({ key, redact }))
  return { done: true, text: [`It says ${state} now.`, ...unnoted].join(' ') }
}

async function decideDeadLetter({ platform }: OrderPorts, kernel: Kernel, order: z.infer<typeof DeadLetterOrder>): Promise<OrderResult> {
  const { id, do: what, by } = order
  const now = platform.now()
  const found: { readonly name: FunctionName; readonly desk: DeadLetters; readonly letter: DeadLetter }[] = []
  for (const name of functionNames) {
    const desk = createDeadLetters(kernel.store, { function: name })
    for (const letter of await desk.find(id, { now })) if (letter.id === id) found.push({ name, desk, letter })
  }
  const [only] = found
  if (only === undefined) return { done: false, text: 'There is no such dead event any more: somebody may have decided about it already.' }
  const { name, desk, letter } = only
  if (what === 'retry' && letter.damage !== undefined) return { done: false, text: `It cannot be tried again: ${letter.damage}` }
  try {
    if (what === 'retry') await desk.retry(id, { now })
    else await desk.discard(id, { now })
  } catch (error) {
    // Somebody else was quicker.
    if (!(error instanceof InboxError && (error.kind === 'inbox.unknown' || error.kind === 'inbox.not-dead'))) throw error
    return { done: false, text: `Nothing was done: ${error.message}` }
  }
  const text = what === 'retry' ? 'It is in line again; it is taken up at the next look.' : 'It is given up.'
  try {
    await kernel.of(name, 'status page').journal.append({
      kind: 'note',
      at: now,
      runId: `status page ${new Date(now).toISOString()}`,
      function: name,
      stepKey: `dead-letter ${id}`,
      target: `event ${id}`,
      before: 'dead',
      after: what === 'retry' ? 'in line again' : 'given up',
      reason: { code: `dead-letter-${what}`, text: `${by} has ${what === 'retry' ? 'asked for another try' : 'given it up'}` },
    })
  } catch (error) {
    return { done: true, text: `${text} That could not be noted in the journal of ${name}: ${problemText(error)}` }
  }
  return { done: true, text }
}

async function releaseLease(
  { platform, onReport, signal }: OrderPorts,
  kernel: Kernel,
  { id, by }: z.infer<typeof LeaseOrder>,
): Promise<OrderResult> {
  const { config, cloud, store, now } = platform
  if (config.mode !== 'enforce')
    return { done: false, text: `Nothing was done: the mode is ${config.mode}, and nothing is written unless it is enforce.` }
  const { found, problems } = await searchLeases(platform)
  const leased = found.find(({ lease }) => lease.id === id && isOpen(lease))
  if (leased === undefined) return { done: false, text: ['There is no such open lease.', ...problems].join(' ') }
  const nowMs = now()
  const { fetchText } = cloud
  const { observed } = await makePlan(lookAt([leased.pool]), { config, cloud, kernel, store, fetchText, now: nowMs, signal })
  const own = await functionConfig(config, alarmScaler)
  const steps = planRelease(observed, own, { leaseId: id, keep: false, by }, nowMs)
  const report = await runSteps(alarmScaler, steps, {
    config,
    cloud,
    kernel,
    owner: randomUUID(),
    now: nowMs,
    scheduledAt: nowMs,
    trigger: { kind: 'local', name: 'status page' },
    log: silentLog,
    signal,
  })
  onReport(report)
  const done = report.decisions.every(({ outcome }) => outcome === 'Applied' || outcome === 'NoChange') && !hasFailed(report)
  const failure = report.failure === undefined ? [] : [failureSentence(report.failure)]
  return { done, text: [...report.decisions.map(({ outcome, reason }) => `${outcome}: ${reason.text}`), ...failure].join('; ') }
}

import type { Reason } from '#shared/pure/step.ts'
import { createBudgets, type FullCap, type Reservation } from './budget.ts'
import { type Cap, capText, countTargets, instantText, isAbout, limitOf } from './cap.ts'
import { type FreezeOverride, judgeFreeze } from './freeze-window.ts'
import type { GuardSettings } from './guard-settings.ts'
import { type KillSwitch, KillSwitchError } from './kill-switch.ts'
import { protectedBy } from './protect.ts'
import { type Store, StoreError } from './store.ts'

/**
 * Why the guard holds a change. A closed union.
 *
 * - `guard.mode` the mode is not `enforce`
 * - `guard.kill-switch` the kill switch says stop, or anything but run
 * - `guard.kill-switch-unreachable` nobody knows what the kill switch says
 * - `guard.freeze-window` a `deny` window is active
 * - `guard.outside-windows` there are `allow` windows, and none is active
 * - `guard.protected` the target is on the protect list
 * - `guard.cap` a cap has no room
 * - `guard.cap-unknown` the store does not say how much of the caps is used
 * - `guard.no-time-left` a call could not be finished before the process ends
 */
export type GuardCode =
  | 'guard.mode'
  | 'guard.kill-switch'
  | 'guard.kill-switch-unreachable'
  | 'guard.freeze-window'
  | 'guard.outside-windows'
  | 'guard.protected'
  | 'guard.cap'
  | 'guard.cap-unknown'
  | 'guard.no-time-left'

export interface GuardReason extends Reason {
  readonly code: GuardCode
}

export type GuardAnswer =
  | {
      readonly allow: true
      /** Room under caps; absent when no cap is about the change. To be confirmed or released. */
      readonly reservation?: Reservation | undefined
      /** What would have held it, had nobody overridden it: to be journaled. */
      readonly overrides: readonly FreezeOverride[]
    }
  | { readonly allow: false; readonly outcome: 'Held'; readonly reason: GuardReason }

/** The change that is asked for. */
export interface GuardedChange {
  readonly target: string
  /**
   * How much it counts against caps, in whole numbers: nodes added, tags deleted in one batch. 1 when absent. What counts 0, such as a
   * record that is kept, is no matter of theirs.
   */
  readonly units?: number | undefined
}

/** What stays the same for all changes of a run. */
export interface GuardRun {
  readonly mode: 'observe' | 'plan' | 'enforce'
  /** For caps per run: the same in every process that works on this run. */
  readonly runId: string
  /** The targets of all steps of the plan, changed or not, what a percentage is of. Pass the same array for the whole run. */
  readonly targetsInPlan: readonly string[]
}

export interface GuardMoment {
  /** At this moment: epoch milliseconds. */
  readonly now: number
  /** Time until the process is ended; unlimited when absent. */
  readonly remainingMs?: number | undefined
}

export interface GuardOptions {
  readonly settings: GuardSettings
  readonly store: Store
  readonly killSwitch: KillSwitch
  /** Whose changes it guards. */
  readonly function: string
  /** Unique to this process. */
  readonly owner: string
  /** The longest that one call may take; 10 s when absent. */
  readonly callTimeoutMs?: number | undefined
  /** What must be left beyond that; 2 s when absent. */
  readonly marginMs?: number | undefined
}

/** The guard as one run sees it. */
export interface RunGuard {
  check(change: GuardedChange, moment: GuardMoment): Promise<GuardAnswer>
  /** The change has happened, or may have. Without it the room stays taken all the same. Throws StoreError. */
  confirm(reservation: Reservation, moment: { readonly now: number }): Promise<void>
  /** The change has certainly not happened. When that cannot be saved the room stays taken. Throws StoreError. */
  release(reservation: Reservation, moment: { readonly now: number }): Promise<void>
}

/**
 * Decides whether a change may be made now. Asked in this order, each with its reason and the figure that refused: mode, kill
 * switch, freeze windows, protect list, caps, remaining time. What cannot be read refuses.
 *
 * A change that is let through has its room under every cap that is about it, and keeps it unless it is released. Caps
 * therefore hold over any number of processes and triggers: in no window are more changes begun than its cap, as long as clocks
 * agree to within a day. A process that dies, and an answer of the store that is lost for good, use up room and never free any.
 */
export interface Guard {
  check(change: GuardedChange, context: GuardRun & GuardMoment): Promise<GuardAnswer>
  /**
   * Why no write may start now, whatever its target: kill switch, then freeze windows, then remaining time. For right before a write.
   * With the overrides that are journaled, a window that only another one sets aside counts as closed.
   */
  whyNotNow(moment: GuardMoment, journaled?: readonly FreezeOverride[]): Promise<GuardReason | undefined>
  /** Why no write may start at this very instant, as far as freeze windows go. Reads nothing: for after an answer that took its time. */
  whyFrozen(now: number, journaled?: readonly FreezeOverride[]): GuardReason | undefined
  confirm: RunGuard['confirm']
  release: RunGuard['release']
  forRun(run: GuardRun): RunGuard
}

const defaultCallTimeoutMs = 10_000
const defaultMarginMs = 2_000

/** Makes the guard of one function in one process. Sends nothing. */
export function createGuard(options: GuardOptions): Guard {
  const { settings, killSwitch, function: functionName } = options
  const neededMs = (options.callTimeoutMs ?? defaultCallTimeoutMs) + (options.marginMs ?? defaultMarginMs)
  const budgets = createBudgets(options.store, { owner: options.owner, allowanceMs: neededMs })
  const counts = new WeakMap<readonly string[], Map<Cap, number>>()

  const countOf = (cap: Cap, targets: readonly string[]): number => {
    const byCap = counts.get(targets) ?? new Map<Cap, number>()
    counts.set(targets, byCap)
    const count = byCap.get(cap) ?? countTargets(cap, new Set(targets))
    byCap.set(cap, count)
    return count
  }

  const check = async (change: GuardedChange, context: GuardRun & GuardMoment): Promise<GuardAnswer> => {
    const { mode, now, runId, targetsInPlan } = context
    const units = change.units ?? 1
    if (!Number.isSafeInteger(units) || units < 0)
      throw new RangeError(`guard: ${change.target} counts ${units} units; count whole ones, from 0 on`)
    if (mode !== 'enforce') return held('guard.mode', `the mode is ${mode}; only enforce changes anything`)
    const stopped = await whyStopped(killSwitch, now)
    if (stopped !== undefined) return refusal(stopped)
    const freeze = judgeFreeze(settings, functionName, now)
    if (!freeze.open) return refusal(frozen(freeze))
    const glob = protectedBy(settings.protect, change.target)
    if (glob !== undefined) return held('guard.protected', `${change.target} is protected by ${JSON.stringify(glob.pattern)}`)

    const late = whyLate(context.remainingMs, neededMs)
    const demands = settings.caps
      .filter((cap) => units > 0 && isAbout(cap, functionName, change.target))
      .map((cap) => ({ cap, limit: limitOf(cap, countOf(cap, targetsInPlan)), units }))
    const full = (found: FullCap): GuardAnswer =>
      held('guard.cap', fullText(found, { units, targetCount: countOf(found.cap, targetsInPlan), now }))
    try {
      if (late !== undefined) {
        const found = await budgets.findFull(demands, { now, runId })
        return found === undefined ? refusal(late) : full(found)
      }
      const { overrides } = freeze
      if (demands.length === 0) return { allow: true, overrides }
      const answer = await budgets.take(demands, { now, runId })
      return answer.ok ? { allow: true, reservation: answer.reservation, overrides } : full(answer.full)
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      return held('guard.cap-unknown', `how much of the caps is used cannot be told: ${error.message}`)
    }
  }

  const whyFrozen = (now: number, journaled?: readonly FreezeOverride[]): GuardReason | undefined => {
    const freeze = judgeFreeze(settings, functionName, now)
    if (!freeze.open) return frozen(freeze)
    const silent = freeze.overrides.find((override) => journaled?.includes(override) === false)
    return silent === undefined ? undefined : unjournaled(silent)
  }

  const guard: Guard = {
    check,
    whyNotNow: async ({ now, remainingMs }, journaled) =>
      (await whyStopped(killSwitch, now)) ?? whyFrozen(now, journaled) ?? whyLate(remainingMs, neededMs),
    whyFrozen,
    confirm: (reservation, moment) => budgets.confirm(reservation, moment),
    release: (reservation, moment) => budgets.release(reservation, moment),
    forRun: (run) => ({
      check: (change, moment) => check(change, { ...run, ...moment }),
      confirm: guard.confirm,
      release: guard.release,
    }),
  }
  return guard
}

function reason(code: GuardCode, text: string): GuardReason {
  return { code, text }
}

function refusal(why: GuardReason): GuardAnswer {
  return { allow: false, outcome: 'Held', reason: why }
}

function held(code: GuardCode, text: string): GuardAnswer {
  return refusal(reason(code, text))
}

async function whyStopped(killSwitch: KillSwitch, now: number): Promise<GuardReason | undefined> {
  try {
    if ((await killSwitch.read(now)) === 'run') return undefined
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    if (error instanceof KillSwitchError && error.kind === 'kill-switch.unknown-value') return reason('guard.kill-switch', text)
    return reason('guard.kill-switch-unreachable', `nobody knows whether all is to stop, so nothing is changed: ${text}`)
  }
  return reason('guard.kill-switch', `${killSwitch.name} says stop${await whyText(killSwitch, now)}`)
}

/** Who stopped it, where that can be told. Not knowing changes nothing. */
async function whyText(killSwitch: KillSwitch, now: number): Promise<string> {
  try {
    const why = await killSwitch.why?.(now)
    return why === undefined ? '' : `: ${why}`
  } catch (error) {
    if (error instanceof KillSwitchError) return ''
    throw error
  }
}

function frozen({ by, text }: { readonly by: 'deny' | 'allow'; readonly text: string }): GuardReason {
  return reason(by === 'deny' ? 'guard.freeze-window' : 'guard.outside-windows', text)
}

function unjournaled({ window, by }: FreezeOverride): GuardReason {
  return reason(
    'guard.freeze-window',
    `the state of the window "${window}" has changed meanwhile; ${by} has set it aside, which must be written down before anything is changed, so the next run takes it up`,
  )
}

function whyLate(remainingMs: number | undefined, neededMs: number): GuardReason | undefined {
  // What is no number is not enough time.
  if (remainingMs === undefined || remainingMs >= neededMs) return undefined
  const left = Number.isNaN(remainingMs) ? 'an unknown time is' : `${Math.max(0, Math.floor(remainingMs))} ms are`
  return reason('guard.no-time-left', `${left} left and a call with its margin may need ${neededMs} ms; the next run takes it up`)
}

/**
 * `cap 20 per 1h: 20 used, oldest leaves at …`. A change that is only just to begin counts for the last instant at which it may, so of
 * that nobody can say more than by when it will have left.
 */
function fullText(
  { cap, limit, used, oldestLeavesAt, roomAt }: FullCap,
  { units, targetCount, now }: { readonly units: number; readonly targetCount: number; readonly now: number },
): string {
  const { window } = cap
  const atOrBy = (leavesMs: number): string => {
    const isToBegin = window.kind === 'rolling' && leavesMs - window.durationMs > now
    return `${isToBegin ? 'by' : 'at'} ${instantText(window, leavesMs)}`
  }
  const name = capText(cap, targetCount)
  if (limit === 0) return `${name}: nothing may be changed`
  if (units > limit) return `${name}: this change counts ${units}, more than the whole cap`
  const parts = [`${used} used`]
  if (units > 1) parts.push(`this change counts ${units}`)
  if (oldestLeavesAt !== undefined) parts.push(`oldest leaves ${atOrBy(oldestLeavesAt)}`)
  if (roomAt !== undefined && roomAt !== oldestLeavesAt) parts.push(`room from ${instantText(window, roomAt)}`)
  return `${name}: ${parts.join(', ')}`
}

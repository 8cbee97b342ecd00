import { parseArgs } from 'node:util'
import { localFunctions } from '#infra/local/local-functions.ts'
import { formatInstant } from '#shared/pure/civil.ts'
import type { FunctionName, Mode } from '#shared/runtime/definition.ts'
import { readUsage } from '#shared/safety/budget.ts'
import { type Cap, instantText, roomAhead, usedUnits, windowText } from '#shared/safety/cap.ts'
import { type FreezeOverride, type FreezeWindow, isActive, judgeFreeze, nextChange } from '#shared/safety/freeze-window.ts'
import { defaultGuardSettings, type GuardSettings } from '#shared/safety/guard-settings.ts'
import { type KillSwitch, KillSwitchError } from '#shared/safety/kill-switch.ts'
import { type Store, StoreError } from '#shared/safety/store.ts'
import { columns } from './columns.ts'
import type { Command } from './command.ts'
import { UsageError } from './command.ts'
import { functionNamed, withStore } from './with-platform.ts'

export const guard: Command = {
  summary: 'show what holds changes back now, and how much of the caps is used',
  help: `Usage: longshore guard [function] [--config FILE] [--json]

Shows whether a function, or each of them, may change anything now, and why not: the mode, the kill switch, the freeze windows with
the overrides that are in force, the protected targets, and for each cap how much is used and when room comes back. Reads the
store, and the kill switch where it is; changes nothing, and takes nothing of the caps.

Example: longshore guard cron-scaler

Exit code 1 when something could not be told: a kill switch that cannot be read, a cap whose figures are damaged.`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: { config: { type: 'string' }, json: { type: 'boolean' } },
    })
    const [name, ...more] = positionals
    if (more.length > 0) throw new UsageError('name one function, or none to see all')
    const names = name === undefined ? localFunctions.map((fn) => fn.name) : [functionNamed(name).name]
    return await withStore(
      io,
      values.config,
      async ({ kernel, platform, print }) => {
        const { mode, guard: settings = defaultGuardSettings } = platform.config
        const { store, killSwitch } = kernel
        const state = await readGuard({ names, mode, settings, store, killSwitch, now: platform.now() })
        if (values.json === true) print(JSON.stringify(plainOf(state), null, 2))
        else for (const line of linesOf(state)) print(line)
        return isKnown(state) ? 0 : 1
      },
      { connectsLate: true },
    )
  },
}

/** What the guard would say to changes now. */
interface GuardState {
  readonly now: number
  readonly mode: Mode
  readonly killSwitch: SwitchSeen
  readonly protect: readonly string[]
  readonly windows: readonly WindowSeen[]
  readonly overrides: readonly FreezeOverride[]
  readonly caps: readonly CapSeen[]
  readonly functions: readonly FunctionSeen[]
}

interface SwitchSeen {
  readonly name: string
  /** `unreachable`: nobody knows what it says. `unknown`: it says neither. Both stop. */
  readonly state: 'run' | 'stop' | 'unreachable' | 'unknown'
  readonly why?: string | undefined
}

interface WindowSeen {
  readonly window: FreezeWindow
  /** `frozen` and `closed` hold changes back; `set-aside` would, but for an override. */
  readonly state: 'open' | 'frozen' | 'closed' | 'set-aside'
  readonly isActive: boolean
  /** When it begins or ends next; undefined when that is not in sight. */
  readonly changesAt: number | undefined
}

interface CapSeen {
  readonly cap: Cap
  /** What it comes to at most; undefined when only a plan says. */
  readonly limit: number | undefined
  /** Undefined for a cap per run, and when it cannot be told. */
  readonly used: number | undefined
  readonly room: number | undefined
  /** When there is more room than now. */
  readonly roomAt: number | undefined
  readonly problem?: string
}

interface FunctionSeen {
  readonly name: FunctionName
  readonly holds: readonly { readonly code: string; readonly text: string }[]
}

async function readGuard(options: {
  readonly names: readonly FunctionName[]
  readonly mode: Mode
  readonly settings: GuardSettings
  readonly store: Store
  readonly killSwitch: KillSwitch
  readonly now: number
}): Promise<GuardState> {
  const { names, mode, settings, store, now } = options
  const killSwitch = await readSwitchSeen(options.killSwitch, now)
  const overrides = settings.overrides.filter(({ until }) => now < until)
  const concerns = (functions: readonly string[] | undefined): boolean =>
    functions === undefined || names.some((name) => functions.includes(name))
  const caps: CapSeen[] = []
  for (const cap of settings.caps)
    if (concerns(cap.function === undefined ? undefined : [cap.function])) caps.push(await readCap(cap, store, now))
  return {
    now,
    mode,
    killSwitch,
    protect: settings.protect.map(({ pattern }) => pattern),
    windows: settings.freeze.filter(({ functions }) => concerns(functions)).map((window) => seenWindow(window, overrides, now)),
    overrides: overrides.filter(({ window }) => settings.freeze.some((one) => one.name === window && concerns(one.functions))),
    caps,
    functions: names.map((name) => ({ name, holds: holdsOf(name, { mode, killSwitch, settings, now }) })),
  }
}

async function readSwitchSeen(killSwitch: KillSwitch, now: number): Promise<SwitchSeen> {
  const { name } = killSwitch
  try {
    const state = await killSwitch.read(now)
    return state === 'run' ? { name, state } : { name, state, why: await killSwitch.why?.(now) }
  } catch (error) {
    if (!(error instanceof KillSwitchError)) throw error
    return { name, state: error.kind === 'kill-switch.unreachable' ? 'unreachable' : 'unknown', why: error.message }
  }
}

function seenWindow(window: FreezeWindow, overrides: readonly FreezeOverride[], now: number): WindowSeen {
  const active = isActive(window, now)
  const holds = active === (window.kind === 'deny')
  const isSetAside = holds && overrides.some((override) => override.window === window.name)
  const held = window.kind === 'deny' ? 'frozen' : 'closed'
  return { window, state: isSetAside ? 'set-aside' : holds ? held : 'open', isActive: active, changesAt: nextChange(window, now) }
}

async function readCap(cap: Cap, store: Store, now: number): Promise<CapSeen> {
  const { window } = cap
  const limit = cap.amount ?? (cap.percent === 0 ? 0 : undefined)
  if (window.kind === 'run') return { cap, limit, used: undefined, room: limit, roomAt: undefined }
  try {
    const usage = await readUsage(store, { ...cap, window }, { now })
    const used = usedUnits(usage, window, now)
    const room = limit === undefined ? undefined : Math.max(0, limit - used)
    const ahead = roomAhead(usage, window, { now, units: 1, limit: limit ?? 0 })
    return { cap, limit, used, room, roomAt: room === 0 && limit !== 0 ? ahead.roomAt : ahead.oldestLeavesAt }
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    return { cap, limit, used: undefined, room: undefined, roomAt: undefined, problem: error.message }
  }
}

/** All that holds back every change of a function now; caps and protected targets are about single changes. */
function holdsOf(
  name: FunctionName,
  { mode, killSwitch, settings, now }: Pick<GuardState, 'mode' | 'killSwitch' | 'now'> & { readonly settings: GuardSettings },
): FunctionSeen['holds'] {
  const holds: { code: string; text: string }[] = []
  if (mode !== 'enforce') holds.push({ code: 'guard.mode', text: `the mode is ${mode}; only enforce changes anything` })
  const { state } = killSwitch
  if (state !== 'run') {
    const code = state === 'unreachable' ? 'guard.kill-switch-unreachable' : 'guard.kill-switch'
    const text = {
      stop: 'the kill switch says stop',
      unreachable: 'the kill switch cannot be read',
      unknown: 'the kill switch says neither run nor stop',
    }
    holds.push({ code, text: text[state] })
  }
  const freeze = judgeFreeze(settings, name, now)
  if (!freeze.open) holds.push({ code: freeze.by === 'deny' ? 'guard.freeze-window' : 'guard.outside-windows', text: freeze.text })
  return holds
}

function isKnown({ killSwitch, caps }: GuardState): boolean {
  return killSwitch.state !== 'unreachable' && killSwitch.state !== 'unknown' && caps.every(({ problem }) => problem === undefined)
}

function linesOf({ now, mode, killSwitch, protect, windows, overrides, caps, functions }: GuardState): string[] {
  const verdicts = functions.map(({ name, holds }) => [
    name,
    holds.length === 0 ? 'may change' : 'held',
    holds.length === 0 ? (caps.length === 0 ? 'nothing holds it back' : 'as far as the caps go') : holds.map(({ text }) => text).join('; '),
  ])
  const why = killSwitch.why === undefined ? '' : `: ${killSwitch.why}`
  return [
    `At ${formatInstant(now, 'UTC')}, mode ${mode}.`,
    `Kill switch: ${switchWords[killSwitch.state]} (${killSwitch.name})${why}`,
    `Protected: ${protect.length === 0 ? 'nothing' : protect.join(', ')}`,
    '',
    ...columns(['function', 'changes', 'why'], verdicts),
    '',
    ...(windows.length === 0
      ? ['No freeze windows.']
      : columns(['window', 'kind', 'now', 'next change', 'functions'], windows.map(windowRow))),
    ...overrides.map(
      ({ window, until, by, reason }) =>
        `"${window}" is set aside by ${by} until ${formatInstant(until, zoneOf(windows, window))}: ${reason}`,
    ),
    '',
    ...(caps.length === 0
      ? ['No caps.']
      : columns(['cap on', 'window', 'used', 'limit', 'room', 'more room', 'targets'], caps.map(capRow))),
    ...caps.flatMap(({ cap, problem }) =>
      problem === undefined ? [] : [`The cap on ${whoseText(cap)} per ${windowText(cap.window)}: ${problem}`],
    ),
  ]
}

const switchWords = {
  run: 'run',
  stop: 'STOP',
  unreachable: 'UNREACHABLE, which counts as stop',
  unknown: 'UNKNOWN, which counts as stop',
} as const

const windowWords = { open: 'open', frozen: 'frozen', closed: 'closed', 'set-aside': 'set aside' } as const

function windowRow({ window, state, isActive: active, changesAt }: WindowSeen): string[] {
  const next = changesAt === undefined ? 'not in sight' : `${active ? 'ends' : 'begins'} ${formatInstant(changesAt, window.timeZone)}`
  return [window.name, window.kind, windowWords[state], next, window.functions?.join(', ') ?? 'all']
}

function capRow({ cap, limit, used, room, roomAt, problem }: CapSeen): string[] {
  const isPerRun = cap.window.kind === 'run'
  const share = cap.percent === undefined ? '' : `${cap.percent} % of the plan`
  const size = limit === undefined ? share : share === '' || limit === 0 ? String(limit) : `${limit}, at most ${share}`
  return [
    whoseText(cap),
    windowText(cap.window),
    problem === undefined ? (used === undefined ? 'anew each run' : String(used)) : 'unknown',
    size,
    problem !== undefined ? 'unknown' : room === undefined ? 'depends on the plan' : String(room),
    roomAt === undefined ? (isPerRun ? 'next run' : '') : `at ${instantText(cap.window, roomAt)}`,
    cap.target?.pattern ?? 'all',
  ]
}

function whoseText({ function: name }: Cap): string {
  return name ?? 'all functions'
}

function zoneOf(windows: readonly WindowSeen[], name: string): string {
  return windows.find(({ window }) => window.name === name)?.window.timeZone ?? 'UTC'
}

/** For programs: instants in ISO 8601, nothing that only people need. */
function plainOf({ now, mode, killSwitch, protect, windows, overrides, caps, functions }: GuardState): object {
  return {
    at: isoOf(now),
    mode,
    killSwitch,
    protect,
    functions: functions.map(({ name, holds }) => ({ function: name, mayChange: holds.length === 0, holds })),
    windows: windows.map(({ window, state, isActive: active, changesAt }) => ({
      name: window.name,
      kind: window.kind,
      state,
      isActive: active,
      changesAt: isoOf(changesAt),
      functions: window.functions,
    })),
    overrides: overrides.map(({ window, until, by, reason }) => ({ window, until: isoOf(until), by, reason })),
    caps: caps.map(({ cap, limit, used, room, roomAt, problem }) => ({
      function: cap.function,
      target: cap.target?.pattern,
      window: windowText(cap.window),
      amount: cap.amount,
      percent: cap.percent,
      limit,
      used,
      room,
      roomAt: isoOf(roomAt),
      problem,
    })),
  }
}

function isoOf(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString()
}

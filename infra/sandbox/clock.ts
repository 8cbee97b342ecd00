/**
 * The sandbox's time. Runs with the machine's clock until it is set, moved or frozen. Moving and setting keep it running;
 * freezing stops it where it is, and then only `set` and `move` change it.
 */
export interface SandboxClock {
  /** Epoch milliseconds. */
  now(): number
  /** Makes it this instant now. Back in time is allowed, as on a machine whose clock is corrected. */
  set(nowMs: number): void
  /** Adds to it; a negative amount goes back. */
  move(byMs: number): void
  freeze(): void
  /** Lets a frozen clock run on from where it stands. On a running one nothing changes. */
  run(): void
}

/** What the clock can be set to, in epoch milliseconds: what a Date holds, short of a year at both ends for what the sandbox adds. */
export const clockRange = { earliestMs: Date.UTC(-271_820, 0, 1), latestMs: Date.UTC(275_759, 0, 1) } as const

/**
 * A clock over another one, by default the machine's. Throws RangeError for an instant outside `clockRange`, or for none at
 * all, before anything changes: a later time would be NaN, or no date any more.
 *
 * @example
 * createSandboxClock({ startMs: 1_700_000_000_000, frozen: true }).now() // => 1700000000000
 */
export function createSandboxClock(
  options: { readonly startMs?: number; readonly frozen?: boolean; readonly source?: () => number } = {},
): SandboxClock {
  const source = options.source ?? Date.now
  const startMs = options.startMs === undefined ? undefined : inRange(options.startMs)
  let frozenAt = options.frozen === true ? (startMs ?? source()) : undefined
  let offsetMs = startMs === undefined ? 0 : startMs - source()

  const now = () => frozenAt ?? source() + offsetMs
  const set = (nowMs: number) => {
    if (frozenAt === undefined) {
      offsetMs = inRange(nowMs) - source()
    } else {
      frozenAt = inRange(nowMs)
    }
  }
  return {
    now,
    set,
    move: (byMs) => {
      const target = now() + finite(byMs)
      if (isInRange(target)) set(target)
      else throw new RangeError(`Moved by ${byMs} ms, the sandbox's clock would leave its range: ${rangeText}. It stays where it is.`)
    },
    freeze: () => {
      frozenAt ??= now()
    },
    run: () => {
      if (frozenAt !== undefined) {
        offsetMs = frozenAt - source()
        frozenAt = undefined
      }
    },
  }
}

const rangeText = `${new Date(clockRange.earliestMs).toISOString()} (${clockRange.earliestMs}) to ${new Date(clockRange.latestMs).toISOString()} (${clockRange.latestMs})`

function isInRange(ms: number): boolean {
  return ms >= clockRange.earliestMs && ms <= clockRange.latestMs
}

function inRange(ms: number): number {
  if (!isInRange(finite(ms))) throw new RangeError(`The sandbox's clock takes epoch milliseconds from ${rangeText}; ${ms} is outside.`)
  return ms
}

function finite(ms: number): number {
  if (!Number.isFinite(ms)) {
    throw new RangeError(`The sandbox's clock takes epoch milliseconds; ${ms} is not a finite number.`)
  }
  return ms
}

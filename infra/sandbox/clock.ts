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

/**
 * A clock over another one, by default the machine's. Throws RangeError for an instant that is not a finite number, so a
 * missing argument does not turn every later time into NaN.
 *
 * @example
 * createSandboxClock({ startMs: 1_700_000_000_000, frozen: true }).now() // => 1700000000000
 */
export function createSandboxClock(
  options: { readonly startMs?: number; readonly frozen?: boolean; readonly source?: () => number } = {},
): SandboxClock {
  const source = options.source ?? Date.now
  const startMs = options.startMs === undefined ? undefined : finite(options.startMs)
  let frozenAt = options.frozen === true ? (startMs ?? source()) : undefined
  let offsetMs = startMs === undefined ? 0 : startMs - source()

  const now = () => frozenAt ?? source() + offsetMs
  const set = (nowMs: number) => {
    if (frozenAt === undefined) {
      offsetMs = finite(nowMs) - source()
    } else {
      frozenAt = finite(nowMs)
    }
  }
  return {
    now,
    set,
    move: (byMs) => set(now() + finite(byMs)),
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

function finite(ms: number): number {
  if (!Number.isFinite(ms)) {
    throw new RangeError(`The sandbox's clock takes epoch milliseconds; ${ms} is not a finite number.`)
  }
  return ms
}

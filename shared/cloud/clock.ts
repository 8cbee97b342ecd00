/** Time as the client sees it: passed in, so that tests own it and a wrong system clock can be corrected. */
export interface Clock {
  /** Wall clock, epoch milliseconds. May jump: a freeze and thaw of the process, a correction by the system. */
  now(): number
  /** Milliseconds since some fixed instant; never goes back. For waits and limits. */
  monotonic(): number
  /**
   * Resolves once `ms` milliseconds are over; at once when `ms` is zero or less. Rejects with the signal's reason as soon
   * as the signal is aborted, also when it was aborted before.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** Longest delay a timer takes: 2^31 - 1 ms. A longer one would fire at once. */
const longestTimerMs = 2_147_483_647

/** The real time of this machine. A pending sleep keeps the process alive, as whoever waits for it expects. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: async (ms, signal) => {
    let leftMs = ms
    signal?.throwIfAborted()
    while (leftMs > 0) {
      const pieceMs = Math.min(leftMs, longestTimerMs)
      await sleepOnce(pieceMs, signal)
      leftMs -= pieceMs
    }
  },
}

function sleepOnce(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }, ms)
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

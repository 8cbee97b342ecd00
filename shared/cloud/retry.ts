/**
 * What may follow a failed try.
 *
 * - `transient` a read met a network error or a failure inside the platform, or nothing was sent yet
 * - `throttling` the platform refused the call for its rate, before any work
 * - `clock` the signature's time was refused: once more, with the corrected clock
 * - `clock-maybe` the signature was refused: once more, if the clock was far enough off to explain it
 * - `token` the token was refused: once more, if there are other credentials now
 * - `never` trying again does not help, or could do harm
 */
export type RetryClass = 'transient' | 'throttling' | 'clock' | 'clock-maybe' | 'token' | 'never'

const baseDelaysMs = { transient: 50, throttling: 1000 } as const
const longestDelayMs = 20_000

/**
 * How long to wait before a retry: anything between nothing and min(20 s, base·2^index), so that many clients that failed
 * together do not return together ("full jitter").
 *
 * `index` counts a call's waits from 0; `random` is uniform in [0, 1).
 */
export function backoffMs(retryClass: 'transient' | 'throttling', index: number, random: () => number): number {
  return Math.floor(random() * longestBackoffMs(retryClass, index))
}

/** The upper end of that range. */
export function longestBackoffMs(retryClass: 'transient' | 'throttling', index: number): number {
  return Math.min(longestDelayMs, baseDelaysMs[retryClass] * 2 ** index)
}

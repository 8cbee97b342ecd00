import type { Action } from '#cloud/action.ts'
import { PlatformFault } from './reducer.ts'

/** Counts the calls of each account and action, and refuses those beyond the published limit. */
export interface RateLimits {
  /** Off lets everything through and counts nothing. On when the sandbox was started with rates. */
  enabled: boolean
  /** Admits a call at this instant or throws PlatformFault RequestLimitExceeded. A refused call does not count. */
  admit(account: string, action: Action, now: number): void
}

const windowMs = 1000

/**
 * A sliding window of one second per account and action: in no second that lies anywhere are more calls admitted than the
 * action's catalog rate. When the clock is set back, the window starts anew.
 */
export function createRateLimits(enabled: boolean): RateLimits {
  const admitted = new Map<string, number[]>()
  return {
    enabled,
    admit(account, action, now) {
      if (!this.enabled) {
        return
      }
      const key = `${account}\n${action.service}.${action.name}`
      const times = admitted.get(key) ?? []
      if ((times.at(-1) ?? 0) > now) {
        times.length = 0
      }
      const firstInside = times.findIndex((time) => now - time < windowMs)
      times.splice(0, firstInside === -1 ? times.length : firstInside)
      if (times.length >= action.ratePerSecond) {
        throw new PlatformFault(
          'RequestLimitExceeded',
          `Your current request frequency exceeds the limit of ${action.ratePerSecond} calls per second for ${action.service}.${action.name}.`,
        )
      }
      times.push(now)
      admitted.set(key, times)
    },
  }
}

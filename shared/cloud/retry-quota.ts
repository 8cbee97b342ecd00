/** What one retry costs. Throttling is cheap: it was refused before it did any work. */
export const retryCosts = { transient: 14, throttling: 5 } as const

const capacity = 500

/**
 * How many retries a client may still make, over all its calls: when the platform is down, retries stop within seconds
 * instead of multiplying the load. Full at the start; a call that succeeds gives back what its last retry cost, or one token.
 */
export interface RetryQuota {
  readonly tokens: number
  /** Pays for one retry; false, and nothing is paid, when too little is left. */
  pay(cost: number): boolean
  /** A call succeeded. `lastCost` is what its last retry cost, 0 when there was none. */
  refill(lastCost: number): void
}

export function createRetryQuota(): RetryQuota {
  let tokens = capacity
  return {
    get tokens() {
      return tokens
    },
    pay(cost) {
      if (cost > tokens) return false
      tokens -= cost
      return true
    },
    refill(lastCost) {
      tokens = Math.min(capacity, tokens + (lastCost > 0 ? lastCost : 1))
    },
  }
}

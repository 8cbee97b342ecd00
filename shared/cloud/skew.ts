import type { Clock } from './clock.ts'
import { headerOf, type WireHeaders } from './wire.ts'

/** Answers that took longer say too little about the time at which they were written. */
const longestRoundTripMs = 15 * 60_000

/** How far a signature's time must be off before a refused signature is put down to the clock rather than to the key. */
const suspiciousMs = 4 * 60_000

/** What is known of the difference between this machine's clock and the platform's. One per client. */
export interface Skew {
  /** Platform time minus this machine's time, in milliseconds; 0 until an answer said otherwise. */
  readonly offsetMs: number
  /** Now, by the platform's clock: what requests are signed with. */
  now(): number
  /**
   * Learns from the `Date` of an answer: platform time minus the middle between sending and receiving. Answers from a cache
   * (`Age`), without a readable date, or after a round trip of more than 15 minutes teach nothing.
   * Gives the platform's time at the receipt where it learnt, else undefined.
   */
  learn(headers: WireHeaders, sentMonotonic: number): number | undefined
}

export function createSkew(clock: Clock): Skew {
  let offsetMs = 0
  let lastText = ''
  let lastDate: number | undefined
  return {
    get offsetMs() {
      return offsetMs
    },
    now: () => clock.now() + offsetMs,
    learn(headers, sentMonotonic) {
      const text = headerOf(headers, 'date')
      if (text === undefined || headers.age !== undefined) return undefined
      // Many answers carry the same second.
      if (text !== lastText) {
        lastText = text
        lastDate = parseHttpDate(text)
      }
      if (lastDate === undefined) return undefined
      const roundTripMs = clock.monotonic() - sentMonotonic
      if (roundTripMs > longestRoundTripMs) return undefined
      offsetMs = lastDate - (clock.now() - roundTripMs / 2)
      return lastDate + roundTripMs / 2
    },
  }
}

/** Whether a signature made with this time (epoch milliseconds) may have been refused for its time, going by the platform's. */
export function isSuspicious(signedAt: number, platformNow: number | undefined): boolean {
  return platformNow !== undefined && Math.abs(platformNow - signedAt) > suspiciousMs
}

const httpDate = /^[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT$/

/** Epoch milliseconds of an IMF-fixdate (RFC 9110, 5.6.7), the only form that is still sent; undefined for anything else. */
export function parseHttpDate(text: string): number | undefined {
  if (!httpDate.test(text)) return undefined
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : date
}

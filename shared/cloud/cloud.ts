import type { Action, ReadAction, RequestOf, ResponseOf } from './action.ts'

export interface SendOptions {
  /** Region for this call; the client's own when absent. Ignored by actions that take none. */
  readonly region?: string
  /** Ends the call: a read stops at once; a write that was sent already ends as `cloud.unknown-outcome`. */
  readonly signal?: AbortSignal
  /**
   * Instant (epoch milliseconds) at which the current try is cut. No read starts after it, and no write with less time left than
   * the client allows for one try, so that none is cut before its time: `cloud.deadline` instead, with nothing sent.
   */
  readonly deadline?: number
  /**
   * Told before a call succeeds how far the platform's clock is ahead of this machine's (negative: behind), in milliseconds, where the
   * answer says it.
   */
  readonly onClockOffset?: (offsetMs: number) => void
}

/** Sends actions that provably only read. What `observe` receives. Throws CloudError. */
export interface CloudReader {
  send<A extends ReadAction>(action: A, request: RequestOf<A>, options?: SendOptions): Promise<ResponseOf<A>>
}

/** Sends any action. What `apply` receives, and nothing else does. Throws CloudError. */
export interface CloudWriter extends CloudReader {
  send<A extends Action>(action: A, request: RequestOf<A>, options?: SendOptions): Promise<ResponseOf<A>>
}

import type { Action, RequestOf, ResponseOf } from '#cloud/action.ts'
import type { AttachTarget } from './attach.ts'
import type { World } from './world.ts'

/** What a reducer may look at besides the request. Everything that varies comes from here, so a seed repeats a run. */
export interface ReducerContext {
  /** The whole state. Reducers change it in place, after all their checks: a refused request changes nothing. */
  readonly world: World
  /** Epoch milliseconds of the sandbox's clock. */
  readonly now: number
  /** The region of the request; empty when none was sent. */
  readonly region: string
  /** A fresh id of the platform's look, `cls-1k2j3h4g`: prefix, dash, eight lower-case letters and digits. Seeded. */
  readonly id: (prefix: string) => string
  /** Uniform in [0, 1). Seeded. */
  readonly random: () => number
  /** The real API server that stands in for a cluster, when one was attached: requests for the cluster go there. */
  readonly attached?: (clusterId: string) => AttachTarget | undefined
}

/**
 * One action of the sandbox: reads or changes the world and answers what the platform would, without RequestId (the
 * server adds it). Throws PlatformFault for a documented refusal. A promise is for requests that leave the process
 * (an attached cluster) only.
 */
export type Reducer<A extends Action> = (
  request: RequestOf<A>,
  context: ReducerContext,
) => Omit<ResponseOf<A>, 'RequestId'> | Promise<Omit<ResponseOf<A>, 'RequestId'>>

/** An action left out on purpose, with the reason a user reads when calling it. Counted by `npm run coverage:api`. */
export interface NotModelled {
  readonly notModelled: string
}

/** A refusal in the platform's own terms: becomes `{Response: {Error: {Code, Message}, RequestId}}` with HTTP 200. */
export class PlatformFault extends Error {
  override readonly name = 'PlatformFault'
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

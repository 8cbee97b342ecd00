import type { Action, RequestOf, ResponseOf } from '#cloud/action.ts'
import type { CloudWriter, SendOptions } from '#cloud/cloud.ts'

/** One call before it is sent, as a test looks at it. */
export interface SeenCall {
  readonly action: string
  readonly request: Readonly<Record<string, unknown>>
  /** How many calls of this action there were, this one among them. */
  readonly nth: number
}

/** A writer in front of another one that does something of its own around some calls. */
export function interfering(
  cloud: CloudWriter,
  around: {
    /** Right before a call leaves. */
    readonly before?: (call: SeenCall) => void | Promise<void>
    /** Makes another answer of an answer. */
    readonly answer?: (call: SeenCall, answer: object) => object
  },
): CloudWriter {
  const seen = new Map<string, number>()
  return {
    send: async <A extends Action>(action: A, request: RequestOf<A>, options?: SendOptions): Promise<ResponseOf<A>> => {
      const nth = (seen.get(action.name) ?? 0) + 1
      seen.set(action.name, nth)
      const call = { action: action.name, request: request as Readonly<Record<string, unknown>>, nth }
      await around.before?.(call)
      const answer = await cloud.send(action, request, options)
      return (around.answer?.(call, answer as object) ?? answer) as ResponseOf<A>
    },
  }
}

import type { Action, RequestOf, ResponseOf } from '#cloud/action.ts'
import type { CloudWriter, SendOptions } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import type { Forwarded } from '../sim-platform.ts'
import { callFacts } from '../simulation.ts'

/** Told of each writing call when it begins, and of how it ends, unless the process is gone by then. */
export interface WriteWatch<Call> {
  readonly begin: (facts: Forwarded) => Call
  readonly end: (call: Call, outcome: string) => void
}

/** A client whose writing calls are told of. */
export function watchedWrites<Call>(client: CloudWriter, watch: WriteWatch<Call>): CloudWriter {
  return {
    send: async <A extends Action>(action: A, request: RequestOf<A>, options?: SendOptions): Promise<ResponseOf<A>> => {
      if (action.effect === 'read') return await client.send(action, request, options)
      const cluster: unknown = Reflect.get(request, 'ClusterName')
      const call = watch.begin({ ...callFacts(action, request), cluster: typeof cluster === 'string' ? cluster : '' })
      try {
        const answer = await client.send(action, request, options)
        watch.end(call, 'ok')
        return answer
      } catch (error) {
        watch.end(call, error instanceof CloudError ? error.kind : String(error))
        throw error
      }
    },
  }
}

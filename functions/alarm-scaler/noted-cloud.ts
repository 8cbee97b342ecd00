import type { Action, RequestOf, ResponseOf } from '#cloud/action.ts'
import type { CloudWriter, SendOptions } from '#cloud/cloud.ts'

/**
 * Sends what it is given and notes the platform's RequestId of the last write: the one that the journal keeps of a step which then writes
 * its record as well. Nobody asks the platform about a record.
 */
export class NotedCloud implements CloudWriter {
  readonly #cloud: CloudWriter
  #requestId: string | undefined

  constructor(cloud: CloudWriter) {
    this.#cloud = cloud
  }

  /** Undefined as long as nothing was written. */
  get requestId(): string | undefined {
    return this.#requestId
  }

  async send<A extends Action>(action: A, request: RequestOf<A>, options?: SendOptions): Promise<ResponseOf<A>> {
    const answer = await this.#cloud.send(action, request, options)
    const id: unknown = typeof answer === 'object' && answer !== null ? Reflect.get(answer, 'RequestId') : undefined
    if (action.effect === 'write' && typeof id === 'string') this.#requestId = id
    return answer
  }
}

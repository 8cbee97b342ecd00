import type { Action, RequestOf, ResponseOf } from './action.ts'
import type { CloudWriter, SendOptions } from './cloud.ts'
import { type RegistryReadRequest, type RegistryWriteRequest, registryService } from './registry-call.ts'
import type { RegistryClient } from './registry-client.ts'

/** The same client, which also takes the calls to registries beside the platform. The other one is opened by the first of them. */
export function withRegistry(cloud: CloudWriter, open: () => Promise<RegistryClient>): CloudWriter {
  let client: Promise<RegistryClient> | undefined
  function send<A extends Action>(action: A, request: RequestOf<A>, options?: SendOptions): Promise<ResponseOf<A>>
  async function send(action: Action, request: object, options?: SendOptions): Promise<object> {
    if (action.service !== registryService || !isRegistryRequest(request)) return await cloud.send(action, request, options)
    client ??= open()
    return await (await client).send(action.effect, request, options)
  }
  return { send }
}

function isRegistryRequest(request: object): request is RegistryReadRequest | RegistryWriteRequest {
  return 'registry' in request && 'path' in request && 'method' in request
}

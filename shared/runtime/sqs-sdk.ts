import { createRequire } from 'node:module'

const sqsPackage = '@aws-sdk/client-sqs'

/** The commands that are used. */
export type SqsCommand = 'SendMessageCommand' | 'ChangeMessageVisibilityBatchCommand'

interface Client {
  send(command: unknown): Promise<unknown>
}

/** The part of the SDK that is used, as it is found at run time. */
interface SqsSdk {
  readonly SQSClient: new (options: object) => Client
}

let sdk: SqsSdk | undefined
let client: Client | undefined

/**
 * Sends a command through the SDK of the Lambda runtime. That is no dependency of this project: it is loaded by `require`, which
 * follows NODE_PATH, where the runtime keeps it. Two tries within three seconds.
 */
export async function callSqs(name: SqsCommand, input: object): Promise<unknown> {
  sdk ??= loadSdk()
  const Command: unknown = Reflect.get(sdk, name)
  if (!isConstructor(Command)) throw new TypeError(`${sqsPackage} has no ${name}; a version 3 is needed.`)
  client ??= new sdk.SQSClient({ maxAttempts: 2, requestHandler: { connectionTimeout: 500, requestTimeout: 1500 } })
  return await client.send(new Command(input))
}

function loadSdk(): SqsSdk {
  let loaded: unknown
  try {
    loaded = createRequire(import.meta.url)(sqsPackage)
  } catch (error) {
    throw new Error(`${sqsPackage} is not here; the Lambda runtime brings it, elsewhere leave out the queue.`, { cause: error })
  }
  if (isSqsSdk(loaded)) return loaded
  throw new TypeError(`${sqsPackage} has no SQSClient; a version 3 is needed.`)
}

function isSqsSdk(value: unknown): value is SqsSdk {
  return typeof value === 'object' && value !== null && 'SQSClient' in value && typeof value.SQSClient === 'function'
}

function isConstructor(value: unknown): value is new (input: object) => unknown {
  return typeof value === 'function'
}

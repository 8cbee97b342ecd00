import { createRequire } from 'node:module'
import { digestOf } from '#shared/pure/digest.ts'
import type { InboxNudge, Nudge } from '#shared/safety/nudge.ts'

/** Sends one message to a queue. */
export type SendMessage = (message: QueueMessage) => Promise<void>

/** A message of a FIFO queue, in the words of its API. */
export interface QueueMessage {
  readonly QueueUrl: string
  readonly MessageBody: string
  readonly MessageGroupId: string
  readonly MessageDeduplicationId: string
}

export interface SqsNudgeOptions {
  /** Address of a FIFO queue. */
  readonly queueUrl: string
  /** The AWS SDK that the Lambda runtime brings when absent. */
  readonly sendMessage?: SendMessage | undefined
}

/**
 * Nudges through an SQS FIFO queue. A message names its event and holds nothing of it; its group keeps the order of the events'
 * group, and the same nudge within five minutes is one message.
 */
export function createSqsNudge({ queueUrl, sendMessage = sendWithLambdaSdk }: SqsNudgeOptions): Nudge {
  return {
    send: async (nudge) => await sendMessage(messageOf(queueUrl, nudge)),
  }
}

/** Group and deduplication id may hold 128 characters of a few kinds, so they are digests. */
function messageOf(queueUrl: string, { function: name, id, group, once }: InboxNudge): QueueMessage {
  return {
    QueueUrl: queueUrl,
    MessageBody: JSON.stringify({ entry: id }),
    MessageGroupId: digestOf([name, group]),
    MessageDeduplicationId: digestOf([name, id, once]),
  }
}

const sqsPackage = '@aws-sdk/client-sqs'

let client: { send(command: unknown): Promise<unknown> } | undefined
let sdk: SqsSdk | undefined

/** The part of the SDK that is used, as it is found at run time. */
interface SqsSdk {
  readonly SQSClient: new (options: object) => { send(command: unknown): Promise<unknown> }
  readonly SendMessageCommand: new (input: QueueMessage) => unknown
}

async function sendWithLambdaSdk(message: QueueMessage): Promise<void> {
  sdk ??= loadSdk()
  client ??= new sdk.SQSClient({ maxAttempts: 2, requestHandler: { connectionTimeout: 500, requestTimeout: 1500 } })
  await client.send(new sdk.SendMessageCommand(message))
}

/** No dependency of this project: loaded by `require`, which follows NODE_PATH, where the Lambda runtime keeps it. */
function loadSdk(): SqsSdk {
  let loaded: unknown
  try {
    loaded = createRequire(import.meta.url)(sqsPackage)
  } catch (error) {
    throw new Error(`${sqsPackage} is not here; the Lambda runtime brings it, elsewhere leave out the queue.`, { cause: error })
  }
  if (isSqsSdk(loaded)) return loaded
  throw new TypeError(`${sqsPackage} has no SQSClient and SendMessageCommand; a version 3 is needed.`)
}

function isSqsSdk(value: unknown): value is SqsSdk {
  return (
    typeof value === 'object' &&
    value !== null &&
    'SQSClient' in value &&
    typeof value.SQSClient === 'function' &&
    'SendMessageCommand' in value &&
    typeof value.SendMessageCommand === 'function'
  )
}

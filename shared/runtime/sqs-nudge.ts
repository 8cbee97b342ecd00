import { digestOf } from '#shared/pure/digest.ts'
import type { InboxNudge, Nudge } from '#shared/safety/nudge.ts'
import { callSqs } from './sqs-sdk.ts'

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

async function sendWithLambdaSdk(message: QueueMessage): Promise<void> {
  await callSqs('SendMessageCommand', message)
}

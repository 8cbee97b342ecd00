import { callSqs } from './sqs-sdk.ts'

/** A message that goes back to the queue, and after how many seconds it is to be seen again. */
export interface PostponedMessage {
  /** As the queue gave it with the message. */
  readonly receipt: string
  readonly seconds: number
}

/** Tells a queue when messages that go back to it are to be seen again, in place of the time that it would wait by itself. */
export type Postpone = (messages: readonly PostponedMessage[]) => Promise<void>

export interface SqsPostponeOptions {
  readonly queueUrl: string
  /** The AWS SDK that the Lambda runtime brings when absent. */
  readonly call?: typeof callSqs | undefined
}

/** Most that SQS waits, and most that it takes at once. */
const longestSeconds = 43_200
const batchSize = 10

/**
 * Postpones messages of an SQS queue. Without this, what failed would stay unseen until the queue's own time is over, which is several
 * times the function's limit, and hold up all that follows it in its group.
 */
export function createSqsPostpone({ queueUrl, call = callSqs }: SqsPostponeOptions): Postpone {
  return async (messages) => {
    for (let from = 0; from < messages.length; from += batchSize) {
      const Entries = messages.slice(from, from + batchSize).map(({ receipt, seconds }, index) => ({
        Id: String(index),
        ReceiptHandle: receipt,
        VisibilityTimeout: Math.min(longestSeconds, Math.max(0, Math.ceil(seconds))),
      }))
      await call('ChangeMessageVisibilityBatchCommand', { QueueUrl: queueUrl, Entries })
    }
  }
}

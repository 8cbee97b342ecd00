import * as z from 'zod/mini'
import { EventError } from './schedule-event.ts'

const SqsEvent = z.looseObject({
  Records: z.array(
    z.looseObject({
      messageId: z.string().check(z.minLength(1)),
      body: z.string(),
      receiptHandle: z.optional(z.string()),
      eventSource: z.literal('aws:sqs'),
      attributes: z.optional(z.looseObject({ MessageGroupId: z.optional(z.string()) })),
    }),
  ),
})

const Body = z.strictObject({ entry: z.string().check(z.regex(/^[0-9a-f]{40}$/)) })

/** A message of a batch. */
export interface NudgeMessage {
  readonly messageId: string
  /** What the queue keeps in order; a queue without groups has one per message. */
  readonly group: string
  /** The entry it is about; undefined when the message is none of ours. */
  readonly entry: string | undefined
  /** By which the queue knows this delivery of it. */
  readonly receipt: string | undefined
}

/** Reads a batch of SQS, in its order. Throws EventError when it is none; a single message that cannot be read is in the answer. */
export function parseSqsEvent(event: unknown): readonly NudgeMessage[] {
  const parsed = z.safeParse(SqsEvent, event)
  if (!parsed.success) {
    throw new EventError(
      `The event is no batch of SQS (${parsed.error.issues[0]?.path.join('.') || 'as a whole'} does not fit). Nothing was done; check the trigger.`,
    )
  }
  return parsed.data.Records.map(({ messageId, body, receiptHandle, attributes }) => ({
    messageId,
    receipt: receiptHandle,
    group: attributes?.MessageGroupId === undefined ? `message ${messageId}` : `group ${attributes.MessageGroupId}`,
    entry: entryOf(body),
  }))
}

function entryOf(body: string): string | undefined {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  const parsed = z.safeParse(Body, value)
  return parsed.success ? parsed.data.entry : undefined
}

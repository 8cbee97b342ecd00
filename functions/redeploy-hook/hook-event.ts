import * as z from 'zod/mini'
import { ApprovalRequest } from './approval-token.ts'
import { PushHint } from './push-hint.ts'

/** Somebody pushed something to one repository. All hints of one request that are about it are one event. */
const PushEvent = z.strictObject({
  kind: z.literal('push'),
  repository: z.string(),
  hints: z.array(PushHint).check(z.minLength(1)),
})

/** Somebody agreed to one content for one container, by a signed link. It is worth nothing for any other content. */
const ApprovalEvent = z.strictObject({
  kind: z.literal('approval'),
  request: ApprovalRequest,
  /** What the person wrote into the page; nobody checked it. */
  by: z.optional(z.string().check(z.maxLength(100))),
})

/**
 * The payload of an event of this function's inbox: what the webhooks make durable, and what the queue works on. Its group is the
 * repository in both cases, so that an approval is worked on after the pushes that came before it.
 */
export const HookEvent = z.discriminatedUnion('kind', [PushEvent, ApprovalEvent])

export type HookEvent = z.infer<typeof HookEvent>
export type PushEvent = z.infer<typeof PushEvent>
export type ApprovalEvent = z.infer<typeof ApprovalEvent>

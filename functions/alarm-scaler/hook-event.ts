import * as z from 'zod/mini'
import { Alert } from './alert.ts'
import { SuggestionRequest } from './suggestion-token.ts'

/** A sender said something about one or more series. All alerts of one request are one event. */
const AlertsEvent = z.strictObject({
  kind: z.literal('alerts'),
  alerts: z.array(Alert).check(z.minLength(1)),
})

/** Somebody agreed to one suggestion, by a signed link. It is worth nothing for any other. */
const ApprovalEvent = z.strictObject({
  kind: z.literal('approval'),
  request: SuggestionRequest,
  /** What the person wrote into the page; nobody checked it. */
  by: z.optional(z.string().check(z.maxLength(100))),
})

/** The payload of an event of this function's inbox: what the webhooks make durable, and what the queue works on. */
export const HookEvent = z.discriminatedUnion('kind', [AlertsEvent, ApprovalEvent])

export type HookEvent = z.infer<typeof HookEvent>
export type AlertsEvent = z.infer<typeof AlertsEvent>
export type ApprovalEvent = z.infer<typeof ApprovalEvent>

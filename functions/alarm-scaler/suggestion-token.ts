import * as z from 'zod/mini'
import { approvalTokens } from '#shared/runtime/approval/approval-token.ts'
import { approvalSource } from './source-settings.ts'

const Text = z.string().check(z.minLength(1), z.maxLength(300))

/** What somebody is asked to agree to: this suggestion, and no other of the same policy. */
export const SuggestionRequest = z.strictObject({
  /** What tells this suggestion from every other one; plans look for it among the agreements. */
  key: Text,
  policy: Text,
  cluster: Text,
  pool: Text,
  /** What the alarm is called. */
  alarm: Text,
  /** Id of its episode. */
  episode: Text,
  /** At most so many nodes are added by it. */
  nodes: z.int().check(z.positive()),
  /** By what they would be added, for people. */
  mechanism: Text,
  /** Epoch milliseconds. */
  expiresAt: z.int().check(z.positive()),
  /** Tells apart two links to the same; the same nonce and time give the same link. */
  nonce: z.string().check(z.regex(/^[A-Za-z0-9_-]{1,64}$/)),
})

export type SuggestionRequest = z.infer<typeof SuggestionRequest>

/** The tokens by which suggestions are agreed to. */
export const suggestionTokens = approvalTokens({
  request: SuggestionRequest,
  purpose: 'longshore suggestion 1',
  path: `/hooks/alarm-scaler/${approvalSource}`,
  setting: 'functions.alarm-scaler.approval.secret',
})

import * as z from 'zod/mini'
import { SecretReference } from '../secret-reference.ts'
import { DurationText } from '../settings-text.ts'

/** `approval` of a function that people agree to things of by a link; `expires` is how long a link is good for when that is not said. */
export function approvalSettings(expires: string) {
  return z.strictObject({
    secret: SecretReference.check(z.describe('Secret that links are signed with, at least 24 characters.')),
    expires: z.prefault(DurationText.check(z.describe('How long a link is good for.')), expires),
    baseUrl: z
      .string()
      .check(z.regex(/^https?:\/\/[^\s?#]+$/, { error: 'must be the address that webhooks of this installation are reached at' })),
  })
}

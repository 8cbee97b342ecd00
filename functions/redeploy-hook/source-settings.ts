import * as z from 'zod/mini'
import { SourceHeader, SourceSecrets, sourceNames } from '#shared/runtime/webhook-source-settings.ts'

const sender = { secrets: SourceSecrets, header: SourceHeader }

/** A sender of webhooks, by what it speaks. */
export const SourceSettings = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('distribution'), ...sender }),
  z.strictObject({ kind: z.literal('harbor'), ...sender }),
  z.strictObject({ kind: z.literal('tcr-enterprise'), ...sender }),
  // It signs nothing and sends no header of ours, so the secret stands in its address.
  z.strictObject({ kind: z.literal('docker-hub'), secrets: SourceSecrets }),
  z.strictObject({ kind: z.literal('signed'), secrets: SourceSecrets }),
])

export type SourceSettings = z.infer<typeof SourceSettings>
export type SourceKind = SourceSettings['kind']

/** The name that the page for approvals has among the sources. */
export const approvalSource = 'approve'

/** `functions.redeploy-hook.sources`: who may say that something was pushed, by a name of your own, which is the end of its address. */
export const Sources = z._default(
  z
    .record(sourceNames(approvalSource), SourceSettings)
    .check(z.describe('Who may say that something was pushed. The name is the end of the address: /hooks/redeploy-hook/<name>.')),
  {},
)

export type Sources = z.infer<typeof Sources>

import * as z from 'zod/mini'
import { approvalTokens } from '#shared/runtime/approval/approval-token.ts'
import { RepositoryName, TagName } from './push-hint.ts'
import { approvalSource } from './source-settings.ts'

const Text = z.string().check(z.minLength(1), z.maxLength(300))

/** What somebody is asked to agree to: this content, in this container of this very workload, until then. */
export const ApprovalRequest = z.strictObject({
  uid: Text,
  cluster: Text,
  namespace: Text,
  kind: z.enum(['Deployment', 'StatefulSet', 'DaemonSet', 'CronJob', 'Job']),
  name: Text,
  container: Text,
  repository: RepositoryName,
  tag: TagName,
  /** What the tag stood for when it was asked; a push of something else under it is not approved by this. */
  contentId: Text,
  /** Epoch milliseconds. */
  expiresAt: z.int().check(z.positive()),
  /** Tells apart two links to the same; the same nonce and time give the same link. */
  nonce: z.string().check(z.regex(/^[A-Za-z0-9_-]{1,64}$/)),
})

export type ApprovalRequest = z.infer<typeof ApprovalRequest>

/** The tokens by which deployments are agreed to. */
export const deployTokens = approvalTokens({
  request: ApprovalRequest,
  purpose: 'longshore approval 1',
  path: `/hooks/redeploy-hook/${approvalSource}`,
  setting: 'functions.redeploy-hook.approval.secret',
})

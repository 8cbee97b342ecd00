import { digestOf } from '#shared/pure/digest.ts'
import { linkEnd } from '#shared/runtime/approval/approval-token.ts'
import { deployTokens } from './approval-token.ts'
import type { ApprovalWish } from './approvals.ts'

/** How links are made; as the settings say, with the secret that they refer to. */
export interface LinkSettings {
  readonly secret: string
  readonly baseUrl: string
  /** How long a link is good for, milliseconds. */
  readonly expires: number
}

/**
 * The link by which somebody can agree to what waits. It is good for at least `expires`, and up to an hour longer: within one hour the same
 * wish gives the same link, so that whoever is told twice is not asked twice. Throws ApprovalSecretError.
 */
export function linkFor({ workload, container, repository, tag, content }: ApprovalWish, settings: LinkSettings, now: number): string {
  const { cluster, namespace, kind, name } = workload.ref
  const expiresAt = linkEnd(now, settings.expires)
  const nonce = digestOf([workload.uid, container, repository, tag, content, expiresAt])
  const request = { uid: workload.uid, cluster, namespace, kind, name, container, repository, tag, contentId: content, expiresAt, nonce }
  return deployTokens.link(settings.baseUrl, deployTokens.sign(request, settings.secret))
}

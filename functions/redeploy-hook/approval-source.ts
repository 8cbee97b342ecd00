import type { ApprovalTexts } from '#shared/runtime/approval/approval-page.ts'
import { approvalSourceOf } from '#shared/runtime/approval/approval-source.ts'
import type { WebhookSource } from '#shared/runtime/webhook-definition.ts'
import { type ApprovalRequest, deployTokens } from './approval-token.ts'
import type { HookEvent } from './hook-event.ts'
import { approvalSource } from './source-settings.ts'

const texts: ApprovalTexts<ApprovalRequest> = {
  title: 'Approve a deployment',
  facts: ({ repository, tag, contentId, cluster, namespace, kind, name, container }) => [
    ['image', `${repository}:${tag}`],
    ['content', contentId],
    ['cluster', cluster],
    ['workload', `${namespace}/${kind}/${name}`],
    ['container', container],
  ],
  scope: 'Only this content is approved. When something else is pushed under the tag, it has to be approved again.',
  next: 'It is deployed as soon as the registry has been read again and nothing else holds it back; if the content has changed meanwhile, nothing is deployed.',
}

/** The address at which people approve deployments. */
export function deployApprovals(secret: string): WebhookSource {
  return approvalSourceOf({
    name: approvalSource,
    secret,
    tokens: deployTokens,
    texts,
    event: (request, by) => {
      const payload: HookEvent = { kind: 'approval', request, ...(by === '' ? {} : { by }) }
      return { group: request.repository, payload }
    },
  })
}

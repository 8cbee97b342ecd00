import type { ApprovalTexts } from '#shared/runtime/approval/approval-page.ts'
import { approvalSourceOf } from '#shared/runtime/approval/approval-source.ts'
import type { WebhookSource } from '#shared/runtime/webhook-definition.ts'
import type { HookEvent } from './hook-event.ts'
import { approvalSource } from './source-settings.ts'
import { type SuggestionRequest, suggestionTokens } from './suggestion-token.ts'

const texts: ApprovalTexts<SuggestionRequest> = {
  title: 'Approve more nodes',
  facts: ({ alarm, policy, cluster, pool, nodes, mechanism }) => [
    ['alarm', alarm],
    ['policy', policy],
    ['cluster', cluster],
    ['pool', pool],
    ['nodes', `up to ${nodes}`],
    ['by', mechanism],
  ],
  scope: 'Only this suggestion is approved, for this alarm and for no more nodes than that.',
  next: 'The nodes are added as soon as the cluster has been read again and nothing else holds it back; if the alarm is over or they are no longer needed, none are.',
}

/** The address at which people approve suggestions. */
export function suggestionApprovals(secret: string): WebhookSource {
  return approvalSourceOf({
    name: approvalSource,
    secret,
    tokens: suggestionTokens,
    texts,
    event: (request, by) => {
      const payload: HookEvent = { kind: 'approval', request, ...(by === '' ? {} : { by }) }
      return { group: `${approvalSource} ${request.cluster}/${request.pool}`, payload }
    },
  })
}

import * as z from 'zod/mini'
import { DescribeClusters } from '#cloud/generated/tke/describe-clusters.ts'
import { ForwardRequest } from '#cloud/generated/tke/forward-request.ts'
import type { Step } from '#shared/pure/step.ts'
import type { ScheduleDefinition } from '#shared/runtime/definition.ts'

/** What the tiny function's rules say: one step each. */
export const TinySettings = z.strictObject({
  rules: z._default(
    z.array(
      z.strictObject({
        target: z.string(),
        verdict: z._default(z.enum(['change', 'no-change', 'skipped', 'missed', 'held', 'invalid']), 'change'),
        size: z._default(z.int(), 1),
        key: z.optional(z.string()),
      }),
    ),
    [],
  ),
})

export type TinySettings = z.infer<typeof TinySettings>

export interface TinyChange {
  readonly size: number
}

/** The smallest function with everything in it: it reads the clusters, plans what its rules say, and writes one patch per step. */
export const tiny: ScheduleDefinition<TinySettings, readonly string[], TinyChange> = {
  name: 'cron-scaler',
  settings: TinySettings,
  observe: async (cloud) => {
    const answer = await cloud.send(DescribeClusters, {})
    return answer.Clusters.map(({ ClusterId }) => ClusterId)
  },
  plan: (observed, config) =>
    config.settings.rules.map(({ target, verdict, size, key }, index): Step<TinyChange> => {
      const facts = {
        key: key ?? `rule-${index}`,
        target,
        before: `of ${observed.length} clusters`,
        after: `size ${size}`,
        reason: { code: 'rule', text: `rule ${index}` },
      }
      return verdict === 'change' ? { ...facts, verdict, change: { size } } : { ...facts, verdict }
    }),
  change: z.strictObject({ size: z.int() }),
  apply: async (step, cloud) => {
    const answer = await cloud.send(ForwardRequest, {
      Method: 'PATCH',
      Path: `/apis/apps/v1/namespaces/default/deployments/${encodeURIComponent(step.target)}`,
      RequestBody: JSON.stringify({ spec: { replicas: step.change.size } }),
      ClusterName: 'cls-1',
    })
    return { outcome: 'Applied', requestId: answer.RequestId }
  },
}

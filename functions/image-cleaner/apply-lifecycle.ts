import type { StepResult } from '#shared/pure/step.ts'
import type { LifecycleChange } from './image-change.ts'
import type { ServerPolicy, ServerPolicyWriter } from './registry.ts'

export type LifecycleCode = 'already-set' | 'world-changed' | 'not-taken'

/** Sets a policy of the registry where it is still what was planned with. Throws RegistryError and CloudError. */
export async function applyLifecycle({ repository, from, to }: LifecycleChange, registry: ServerPolicyWriter): Promise<StepResult> {
  const present = await registry.serverPolicy(repository)
  if (same(present, to))
    return { outcome: 'NoChange', reason: { code: 'already-set' satisfies LifecycleCode, text: 'somebody has set it already' } }
  if (!same(present, from)) {
    return {
      outcome: 'Skipped',
      reason: { code: 'world-changed' satisfies LifecycleCode, text: 'somebody has set another one since the plan; the next run decides' },
    }
  }
  const { requestId } = await registry.setServerPolicy(to, repository)
  const call = requestId === undefined ? {} : { requestId }
  if (same(await registry.serverPolicy(repository), to)) return { outcome: 'Applied', ...call }
  return {
    outcome: 'Failed',
    reason: { code: 'not-taken' satisfies LifecycleCode, text: 'the registry accepted the policy, but shows another one' },
    ...call,
  }
}

export function same(left: ServerPolicy | undefined, right: ServerPolicy | undefined): boolean {
  return left?.type === right?.type && left?.value === right?.value
}

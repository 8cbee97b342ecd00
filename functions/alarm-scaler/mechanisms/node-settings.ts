import type { InstanceAdvancedSettings } from '#cloud/generated/tke/structures.ts'
import { leaseLabel } from '../node-marks.ts'
import type { Ask } from './mechanism.ts'

/**
 * What a new node is labelled with: the pool's labels, so that the pods it is bought for find it, and its lease, so that it is known whose
 * it is from its first moment on, whatever becomes of the answer to the call.
 */
export function settingsOfNode({ lease, labels }: Pick<Ask, 'lease' | 'labels'>): InstanceAdvancedSettings {
  const all = { ...labels, [leaseLabel]: lease.id }
  return {
    Labels: Object.entries(all)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([Name, Value]) => ({ Name, Value })),
  }
}

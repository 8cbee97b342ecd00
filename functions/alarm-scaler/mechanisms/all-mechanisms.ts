import type { MechanismKind } from '../lease.ts'
import { existingInstances } from './existing-instances.ts'
import type { Mechanism } from './mechanism.ts'
import { newInstances } from './new-instances.ts'
import { scalingGroup } from './scaling-group.ts'
import { virtualNodes } from './virtual-nodes.ts'

/** Every way to get nodes. */
export const mechanisms: Readonly<Record<MechanismKind, Mechanism>> = {
  'scaling-group': scalingGroup,
  'new-instances': newInstances,
  'virtual-nodes': virtualNodes,
  'existing-instances': existingInstances,
}

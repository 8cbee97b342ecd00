import { byText } from '../json.ts'
import { applyTaints } from '../nodes.ts'
import { isNode } from '../shapes.ts'
import { allObjects } from '../store.ts'
import type { Controller } from './cluster.ts'

/** Keeps the taints that follow from what a node says of itself, also when it was changed through the API. */
export const nodeController: Controller = {
  name: 'node',
  watches: ['/nodes'],
  run: ({ state, now }) => {
    const nodes = allObjects(state, '', 'nodes').filter(isNode)
    for (const node of nodes.sort((left, right) => byText(left.metadata.name, right.metadata.name)))
      applyTaints(state, node.metadata.name, now)
    return undefined
  },
}

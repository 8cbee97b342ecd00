import type { Snapshot } from './snapshot.ts'
import { byName } from './snapshot-order.ts'

/** Ids of machines and IPv4 addresses, wherever they stand in a text. */
const tokens = /\bins-[a-z0-9]+\b|(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d./])/g

/**
 * The same snapshot with other names for what only identifies a machine: its id, its addresses, the name of its node, and what people call
 * clusters and spare machines. The same one is called the same everywhere. Names that a configuration or a schedule refers to (ids of
 * clusters and groups, namespaces, workloads, repositories, labels) stay, for without them nothing could be rehearsed.
 */
export function withPseudonyms(snapshot: Snapshot): Snapshot {
  const names = namesOf(snapshot)
  const renamed = (text: string): string => names.get(text) ?? text.replace(tokens, (token) => names.get(token) ?? token)
  const walk = <T>(value: T): T => rewritten(value, renamed)
  const clusters = snapshot.clusters.map((cluster, index) => {
    const { network, ...rest } = cluster
    return {
      ...walk(rest),
      name: `cluster-${index + 1}`,
      network,
      spares: walk(rest.spares).map((spare) => ({ ...spare, name: '' })),
    }
  })
  return { ...snapshot, pseudonyms: true, problems: walk(snapshot.problems), clusters }
}

function namesOf({ clusters }: Snapshot): ReadonlyMap<string, string> {
  const machines = new Set<string>()
  const nodes = new Set<string>()
  const addresses = new Set<string>()
  for (const { machines: own, spares, objects, network, virtualPools } of clusters) {
    for (const { id } of [...own, ...spares]) machines.add(id)
    for (const { nodes: virtual } of virtualPools) for (const { name } of virtual) nodes.add(name)
    for (const object of objects) {
      if (object.kind === 'Node') nodes.add(object.metadata.name)
      for (const text of textsIn(object))
        for (const [token] of text.matchAll(tokens)) (token.startsWith('ins-') ? machines : addresses).add(token)
    }
    addresses.delete(network.podRange)
  }
  const names = new Map<string, string>()
  for (const [index, id] of [...machines].toSorted(byName).entries()) names.set(id, `ins-${String(index + 1).padStart(8, '0')}`)
  for (const [index, address] of [...addresses].toSorted(byName).entries())
    names.set(address, `10.${200 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`)
  // A node that is called by its address goes by the address's new name.
  for (const [index, name] of [...nodes]
    .filter((one) => !names.has(one))
    .toSorted(byName)
    .entries())
    names.set(name, `node-${index + 1}`)
  return names
}

function* textsIn(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value
  else if (typeof value === 'object' && value !== null) for (const one of Object.values(value)) yield* textsIn(one)
}

/** A copy with every text in it renamed; names of fields stay. */
function rewritten<T>(value: T, renamed: (text: string) => string): T {
  const copy = (one: unknown): unknown => {
    if (typeof one === 'string') return renamed(one)
    if (Array.isArray(one)) return one.map(copy)
    if (typeof one !== 'object' || one === null) return one
    return Object.fromEntries(Object.entries(one).map(([key, item]) => [key, copy(item)]))
  }
  return JSON.parse(JSON.stringify(copy(value)))
}

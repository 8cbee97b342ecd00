import { isJsonObject, listAt, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import { plainJson } from './kept-object.ts'
import type { Snapshot, SnapshotObject } from './snapshot.ts'
import { byName } from './snapshot-order.ts'

/** Ids of machines and IPv4 addresses, wherever they stand in a text. */
const tokens = /\bins-[a-z0-9]+\b|(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d./])/g

/** Words that may be the name of a node. */
const words = /[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?/g

/** A tag such as `1.2.3.4` is no address, and an image of another name would be one that nobody uses. */
const imageFields: ReadonlySet<string> = new Set(['image', 'imageID', 'images'])

/**
 * The same snapshot with other names for what only identifies a machine: its id, its addresses, the name of its node, and what people call
 * clusters and spare machines. The same one is called the same everywhere. Names that a configuration or a schedule refers to (ids of
 * clusters and groups, namespaces, workloads, repositories, labels) stay, for without them nothing could be rehearsed.
 */
export function withPseudonyms(snapshot: Snapshot): Snapshot {
  const names = namesOf(snapshot)
  const renamed = (text: string): string => names.get(text) ?? text.replace(tokens, (token) => names.get(token) ?? token)
  const inProse = (text: string): string => renamed(text).replace(words, (word) => names.get(word) ?? word)
  const walk = <T>(value: T): T => rewritten(value, renamed, inProse)
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
      if (object.kind === 'Node') for (const address of addressesOf(object)) if (!nodes.has(address)) addresses.add(address)
      for (const text of textsIn(object))
        for (const [token] of text.matchAll(tokens)) (token.startsWith('ins-') ? machines : addresses).add(token)
    }
    addresses.delete(network.podRange)
  }
  const names = new Map<string, string>()
  for (const [index, id] of [...machines].toSorted(byName).entries()) names.set(id, `ins-${String(index + 1).padStart(8, '0')}`)
  for (const [index, address] of [...addresses].toSorted(byName).entries())
    names.set(
      address,
      !address.includes('.') || /[a-z:]/.test(address)
        ? `address-${index + 1}`
        : `10.${200 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`,
    )
  // A node that is called by its address goes by the address's new name.
  for (const [index, name] of [...nodes]
    .filter((one) => !names.has(one))
    .toSorted(byName)
    .entries())
    names.set(name, `node-${index + 1}`)
  return names
}

/** Addresses and host names of a node, in whatever form. */
function addressesOf(node: SnapshotObject): readonly string[] {
  const plain = plainJson(node)
  const rows = isJsonObject(plain) ? listAt(plain, 'status', 'addresses').filter(isJsonObject) : []
  return rows.flatMap((row) => stringAt(row, 'address') ?? [])
}

function* textsIn(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value
  else if (typeof value === 'object' && value !== null)
    for (const [key, one] of Object.entries(value)) if (!imageFields.has(key)) yield* textsIn(one)
}

/**
 * A copy with every text in it renamed; names of fields stay, and images do. What a ConfigMap holds is prose: a text with names in it, such
 * as the record of a pool.
 */
function rewritten<T>(value: T, renamed: (text: string) => string, inProse: (text: string) => string): T {
  const copy = (one: unknown, rename: (text: string) => string): unknown => {
    if (typeof one === 'string') return rename(one)
    if (Array.isArray(one)) return one.map((item) => copy(item, rename))
    if (typeof one !== 'object' || one === null) return one
    const isMap = 'kind' in one && one.kind === 'ConfigMap'
    return Object.fromEntries(
      Object.entries(one).map(([key, item]) => [key, imageFields.has(key) ? item : copy(item, isMap && key === 'data' ? inProse : rename)]),
    )
  }
  return JSON.parse(JSON.stringify(copy(value, renamed)))
}

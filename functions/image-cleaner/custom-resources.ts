import type { KubeObject, KubeReader } from '#cloud/kube.ts'
import { kubePath } from '#cloud/kube.ts'
import { type ImageName, parseImageName } from './image-name.ts'

/** A kind that no workload of Kubernetes stands behind, as `kubectl api-resources` calls it: `cronworkflows.argoproj.io`. */
export interface CustomKind {
  readonly resource: string
  /** Empty for the core group. */
  readonly group: string
}

export function parseCustomKind(text: string): CustomKind {
  const dot = text.indexOf('.')
  return dot === -1 ? { resource: text, group: '' } : { resource: text.slice(0, dot), group: text.slice(dot + 1) }
}

export interface CustomObject {
  readonly kind: string
  readonly object: KubeObject
}

/** All objects of such a kind; undefined where the cluster has no such kind. Throws KubeError and CloudError. */
export async function listCustom(reader: KubeReader, { resource, group }: CustomKind): Promise<readonly CustomObject[] | undefined> {
  const found = (await reader.discover(group))?.resources.find((one) => one.resource === resource && one.verbs.includes('list'))
  if (found === undefined) return undefined
  const { items } = await reader.list(kubePath({ ...(group === '' ? {} : { group }), version: found.version, resource }))
  return items.map((object) => ({ kind: found.kind, object }))
}

/**
 * Every image of certain hosts that is named anywhere in an object, whatever the field. What only looks like one protects a tag for
 * nothing; what a kind of its own calls its fields, nobody here knows.
 */
export function imagesNamedIn(object: object, hosts: readonly string[]): readonly ImageName[] {
  const found = new Map<string, ImageName>()
  // A dot is the only character of a host that means something in a pattern.
  const pattern = new RegExp(`(?<![\\w.-])(?:${hosts.map((host) => host.replaceAll('.', '\\.')).join('|')})/[\\w./:@-]+`, 'gi')
  for (const text of textsIn(object)) {
    for (const [match] of text.matchAll(pattern)) {
      // A sentence may end behind it.
      const name = parseImageName(match.replace(/[.:@/-]+$/, ''))
      if (name !== undefined) found.set(JSON.stringify(name), name)
    }
  }
  return [...found.values()]
}

function* textsIn(value: unknown): Generator<string> {
  if (typeof value === 'string') yield value
  else if (typeof value === 'object' && value !== null) for (const one of Object.values(value)) yield* textsIn(one)
}

import type { Json } from '#infra/sandbox/kubernetes/json.ts'
import { listAt, numberAt, parseJson, stringAt } from '#infra/sandbox/kubernetes/json.ts'
import { listObjects, putObject, removeObject } from '#infra/sandbox/kubernetes/objects.ts'
import type { KubeObject } from '#infra/sandbox/kubernetes/shapes.ts'
import type { World } from '#infra/sandbox/world.ts'
import { clusterOf } from '../stage-world.ts'
import type { SimPool } from './alarm-scene.ts'

/** What somebody leaves of a record. */
export const garbled = '{garbled'

/** The ConfigMap with the leases of a pool, found by what is written on it; undefined when there is none. */
export function recordOf(world: World, { cluster, name }: SimPool): KubeObject | undefined {
  return listObjects(clusterOf(world, cluster), '', 'configmaps', 'kube-system').find(
    ({ metadata }) => metadata.annotations?.['longshore.dev/pool'] === name,
  )
}

/** The text of each pool's record. */
export function recordsIn(world: World, pools: readonly SimPool[]): ReadonlyMap<string, unknown> {
  return new Map(pools.map((pool) => [pool.name, stringAt(recordOf(world, pool), 'data', 'pool.json')]))
}

/** A lease as its record says. */
export interface SimLease {
  readonly id: string
  readonly key: string
  readonly state: string
  readonly wanted: number
  readonly cores: number
  readonly outcome: string
  readonly policy: string
  readonly mechanism: string
  readonly episodeStartMs: number
  readonly askedMs: number
  readonly closedMs: number
  readonly setback: string
}

/** The leases of a pool, read without the product's own code. */
export function leasesOf(world: World, pool: SimPool): readonly SimLease[] {
  const text = stringAt(recordOf(world, pool), 'data', 'pool.json')
  const value: Json | undefined = text?.startsWith('{"') === true ? parseJson(text) : undefined
  return listAt(value, 'leases').map((lease) => ({
    id: stringAt(lease, 'id') ?? '',
    key: stringAt(lease, 'key') ?? '',
    state: stringAt(lease, 'state') ?? '',
    wanted: numberAt(lease, 'wanted') ?? 0,
    cores: numberAt(lease, 'cores') ?? 0,
    outcome: stringAt(lease, 'outcome', 'kind') ?? '',
    policy: stringAt(lease, 'policy') ?? '',
    mechanism: stringAt(lease, 'mechanism', 'kind') ?? '',
    episodeStartMs: numberAt(lease, 'episode', 'startedAtMs') ?? 0,
    askedMs: numberAt(lease, 'askedAtMs') ?? 0,
    closedMs: numberAt(lease, 'outcome', 'atMs') ?? 0,
    setback: stringAt(lease, 'setback', 'code') ?? '',
  }))
}

/** What the record of a pool says of one lease: its state, empty when it has none. */
export function stateOfLease(world: World, pool: SimPool | undefined, lease: string): string {
  return pool === undefined ? '' : (leasesOf(world, pool).find(({ id }) => id === lease)?.state ?? '')
}

/** What somebody does to the record of a pool. Answers the object as it was. */
export function spoilRecord(world: World, pool: SimPool, how: 'garble' | 'forget' | 'touch', now: number): KubeObject | undefined {
  const object = recordOf(world, pool)
  if (object === undefined) return undefined
  const { name, namespace = '' } = object.metadata
  const state = clusterOf(world, pool.cluster)
  if (how === 'forget') removeObject(state, '', 'configmaps', name, namespace)
  else {
    const { labels, annotations } = object.metadata
    const data = { 'pool.json': how === 'garble' ? garbled : (stringAt(object, 'data', 'pool.json') ?? '') }
    const noted = { ...annotations, ...(how === 'touch' ? { 'example.com/seen': String(now) } : {}) }
    putObject(
      state,
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name, namespace, ...(labels === undefined ? {} : { labels: { ...labels } }), annotations: noted },
        data,
      },
      now,
    )
  }
  return object
}

/** Puts a record back as it was. */
export function mendRecord(world: World, pool: SimPool, object: KubeObject, now: number): void {
  const { name, namespace = '', labels, annotations } = object.metadata
  const data = { 'pool.json': stringAt(object, 'data', 'pool.json') ?? '' }
  const metadata = {
    name,
    namespace,
    ...(labels === undefined ? {} : { labels: { ...labels } }),
    ...(annotations === undefined ? {} : { annotations: { ...annotations } }),
  }
  putObject(clusterOf(world, pool.cluster), { apiVersion: 'v1', kind: 'ConfigMap', metadata, data }, now)
}

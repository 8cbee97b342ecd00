import * as z from 'zod/mini'
import { KubeError, type KubeObject, type KubeReader, type KubeWriter, kubePath } from '#cloud/kube.ts'
import { digestOf } from '#shared/pure/digest.ts'
import { PoolRecord } from './lease.ts'

/** A pool's record as it lies in its cluster. */
export interface StoredPool {
  readonly pool: string
  /** Absent when there is something that cannot be understood. */
  readonly record?: PoolRecord | undefined
  /** Why it cannot be understood, with what to do. */
  readonly problem?: string | undefined
  /** Of the ConfigMap: who writes over another one than this has not seen what is there. */
  readonly resourceVersion: string
}

/** On every ConfigMap with a pool's leases. */
const leasesLabel = 'longshore.dev/leases'
const poolAnnotation = 'longshore.dev/pool'
const dataKey = 'pool.json'

/** A record takes this much at most: a ConfigMap may have a mebibyte. */
const mostBytes = 900 * 1024

const ConfigMap = z.object({ data: z.optional(z.nullable(z.record(z.string(), z.string()))) })

/** The ConfigMap with the leases of a pool: readable where the name allows it, and never that of another pool. */
export function poolObjectName(pool: string): string {
  const slug = pool
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replaceAll(/^-+|-+$/g, '')
  return `longshore-pool-${slug === '' ? '' : `${slug}-`}${digestOf([pool]).slice(0, 8)}`
}

/** The records of all pools of a cluster. One that cannot be understood hides no other. Throws KubeError and CloudError. */
export async function listPools(kube: KubeReader, namespace: string): Promise<readonly StoredPool[]> {
  const { items } = await kube.list(collectionPath(kube, namespace), { labelSelector: `${leasesLabel}=true` })
  return items.map((object) => storedIn(object, object.metadata.annotations?.[poolAnnotation], kube))
}

/** The record of a pool as it is now; undefined when there is none yet. Throws KubeError and CloudError. */
export async function readPool(kube: KubeReader, namespace: string, pool: string): Promise<StoredPool | undefined> {
  try {
    return storedIn(await kube.get(objectPath(kube, namespace, pool)), pool, kube)
  } catch (error) {
    if (error instanceof KubeError && error.kind === 'kube.not-found') return undefined
    throw error
  }
}

/**
 * Writes a record over the one that was read, or where there was none: by one call, and only when nobody else has written since.
 * Throws KubeError `kube.conflict` when somebody has.
 */
export async function writePool(
  kube: KubeWriter,
  namespace: string,
  record: PoolRecord,
  over: Pick<StoredPool, 'resourceVersion'> | undefined,
): Promise<StoredPool> {
  const { pool } = record
  const text = JSON.stringify(record)
  const sizeBytes = Buffer.byteLength(text)
  if (sizeBytes > mostBytes) {
    throw new KubeError(
      `${kube.clusterId}: the leases of pool ${pool} come to ${sizeBytes} bytes, and a ConfigMap holds ${mostBytes}; nothing was written. Release leases with \`longshore leases release\`.`,
      { kind: 'kube.invalid', status: 0, reason: 'RefusedHere', path: objectPath(kube, namespace, pool), clusterId: kube.clusterId },
    )
  }
  const metadata = { labels: { [leasesLabel]: 'true' }, annotations: { [poolAnnotation]: pool } }
  const written =
    over === undefined
      ? await kube.create(collectionPath(kube, namespace), {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: poolObjectName(pool), namespace, ...metadata },
          data: { [dataKey]: text },
        })
      : await kube.patch(objectPath(kube, namespace, pool), 'merge', {
          metadata: { resourceVersion: over.resourceVersion, ...metadata },
          data: { [dataKey]: text },
        })
  return storedIn(written, pool, kube)
}

function storedIn(object: KubeObject, pool: string | undefined, { clusterId }: KubeReader): StoredPool {
  const resourceVersion = object.metadata.resourceVersion ?? ''
  const where = `ConfigMap ${object.metadata.namespace ?? ''}/${object.metadata.name}`
  const advice = 'Correct it, or see what its nodes are with `longshore leases list` before you delete it'
  const text = z.safeParse(ConfigMap, object).data?.data?.[dataKey]
  const unreadable = (why: string): StoredPool => ({
    pool: pool ?? object.metadata.name,
    problem: `${where} ${why}. ${advice}.`,
    resourceVersion,
  })
  if (text === undefined) return unreadable(`has no ${dataKey}`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return unreadable(`holds no JSON in ${dataKey}`)
  }
  const parsed = z.safeParse(PoolRecord, value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return unreadable(`holds no leases that this version can read (${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''})`)
  }
  const record = parsed.data
  if (pool !== undefined && record.pool !== pool) return unreadable(`holds the leases of ${record.pool}, not of ${pool}`)
  if (record.cluster !== clusterId) return unreadable(`holds leases of cluster ${record.cluster}, and lies in ${clusterId}`)
  return { pool: record.pool, record, resourceVersion }
}

function collectionPath(kube: KubeReader, namespace: string): string {
  return kubePath({ version: 'v1', resource: 'configmaps', namespace }, kube.clusterId)
}

function objectPath(kube: KubeReader, namespace: string, pool: string): string {
  return kubePath({ version: 'v1', resource: 'configmaps', namespace, name: poolObjectName(pool) }, kube.clusterId)
}

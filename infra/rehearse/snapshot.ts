import * as z from 'zod/mini'
import { clip } from '#shared/pure/clip.ts'

/** What a file with a snapshot says it is. A later version of the format gets another number, and readers refuse what they do not know. */
export const snapshotFormat = 'longshore-snapshot'
export const snapshotVersion = 1

const Instant = z.string().check(
  z.regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3})?Z$/, { error: 'is no instant such as 2026-11-24T08:00:00Z' }),
  z.refine((text) => !Number.isNaN(Date.parse(text)), { error: 'is an instant that no calendar has' }),
)
const Count = z.int().check(z.minimum(0))
const Text = z.string().check(z.maxLength(4096))
/** A name by which something is found again. No platform has such a thing, and an object of JavaScript cannot hold one of that name. */
const Name = Text.check(z.refine((text) => text !== '__proto__', { error: 'is a name that nothing has' }))
const Words = z.record(z.string(), Text)
const ClusterId = z.string().check(z.regex(/^cls-[a-z0-9-]{1,60}$/, { error: 'is no id of a cluster' }))

/** An object of a Kubernetes API, as far as the functions go by it. */
export const SnapshotObject = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.optional(z.string()) }),
})

/** A kind that the cluster has beside the built-in ones. */
export const SnapshotKind = z.strictObject({
  group: z.string(),
  version: z.string(),
  resource: z.string(),
  kind: z.string(),
  namespaced: z.boolean(),
})

/** A machine of a cluster. What its node tells (size, zone, address) stands with the node. */
export const SnapshotMachine = z.strictObject({
  id: Name,
  role: z.enum(['WORKER', 'MASTER_ETCD']),
  state: z.enum(['initializing', 'running', 'failed']),
  reason: Text,
  createdAt: Instant,
  labels: Words,
  group: z.optional(Name),
})

export const SnapshotGroup = z.strictObject({
  id: Name,
  status: Text,
  cordoned: z.boolean(),
  labels: Words,
  createdAt: z.optional(Instant),
  /** As the cluster autoscaler tells them; the platform does not. */
  bounds: z.optional(z.strictObject({ min: Count, max: Count, wanted: z.optional(Count) })),
})

export const SnapshotVirtualPool = z.strictObject({
  id: Name,
  name: Text,
  state: Text,
  cordoned: z.boolean(),
  subnets: z.array(Name),
  labels: Words,
  taints: z.array(z.strictObject({ key: Text, value: Text, effect: Text })),
  nodes: z.array(z.strictObject({ name: Name, subnet: Name, phase: Text, createdAt: z.optional(Instant) })),
})

export const SnapshotCluster = z.strictObject({
  id: ClusterId,
  region: Name,
  name: Text,
  version: z.string().check(z.regex(/^\d+\.\d+/, { error: 'is no version of Kubernetes' })),
  os: Text,
  type: z.enum(['MANAGED_CLUSTER', 'INDEPENDENT_CLUSTER']),
  arch: z.enum(['x86', 'arm']),
  runtime: Text,
  createdAt: z.optional(Instant),
  network: z.strictObject({
    vpc: Name,
    podRange: Text,
    podsPerNode: Count,
    services: Count,
    /** Pods have addresses of these subnets, where there are any. */
    subnets: z.array(Name),
  }),
  scaleDown: z.boolean(),
  machines: z.array(SnapshotMachine),
  groups: z.array(SnapshotGroup),
  virtualPools: z.array(SnapshotVirtualPool),
  spares: z.array(
    z.strictObject({
      id: Name,
      name: Text,
      cores: Count,
      memoryGib: Count,
      type: Text,
      chargeType: z.enum(['PREPAID', 'POSTPAID_BY_HOUR', 'CDHPAID']),
      createdAt: z.optional(Instant),
    }),
  ),
  kinds: z.array(SnapshotKind),
  objects: z.array(SnapshotObject),
})

export const SnapshotTag = z.strictObject({
  name: Name,
  digest: Text,
  image: Text,
  bytes: Count,
  pushedAt: Instant,
  updatedAt: Instant,
  builtAt: Instant,
  architecture: Text,
  os: Text,
})

const Lifecycle = z.strictObject({ type: z.enum(['keep_last_days', 'keep_last_nums']), value: Count })

export const SnapshotRepository = z.strictObject({
  name: Name,
  public: z.boolean(),
  createdAt: Instant,
  lifecycle: z.optional(Lifecycle),
  tags: z.array(SnapshotTag),
})

export const SnapshotTrigger = z.strictObject({
  name: Name,
  repository: Text,
  method: z.enum(['all', 'taglist', 'regex']),
  expression: Text,
  cluster: Text,
  namespace: Text,
  workload: Text,
  container: Text,
  createdAt: Instant,
  updatedAt: Instant,
})

/** What QueryOverage and CollectAllCore say of a region, and what the configuration says is paid for. */
export const SnapshotLicence = z.strictObject({
  region: Name,
  version: Text,
  unit: Text,
  over: z.optional(z.boolean()),
  cores: z.array(z.strictObject({ product: Text, cores: z.number().check(z.minimum(0)) })),
  entitledCores: z.optional(z.number().check(z.minimum(0))),
})

/**
 * A picture of a platform at one moment, read and never written, with all that the functions decide by and nothing that is secret:
 * plain JSON, in a fixed order, so that two pictures of the same are the same text.
 */
export const Snapshot = z.strictObject({
  format: z.literal(snapshotFormat),
  version: z.literal(snapshotVersion),
  source: z.enum(['platform', 'sandbox']),
  takenAt: Instant,
  region: Text,
  /** Whether machines, addresses and the names of nodes are other ones than there. */
  pseudonyms: z.boolean(),
  /** What was there and is not in here, in sentences for people. */
  leftOut: z.array(Text),
  /** What could not be read, and why. */
  problems: z.array(z.strictObject({ where: Text, text: Text })),
  passMeans: z.enum(['within', 'over']),
  quotas: z.array(z.strictObject({ region: Name, clusters: Count, nodesPerCluster: Count })),
  licence: z.array(SnapshotLicence),
  clusters: z.array(SnapshotCluster).check(
    z.refine((clusters) => new Set(clusters.map(({ id }) => id)).size === clusters.length, {
      error: 'has the same cluster more than once',
    }),
  ),
  registry: z.strictObject({
    lifecycle: z.optional(Lifecycle),
    repositories: z.array(SnapshotRepository),
    triggers: z.array(SnapshotTrigger),
  }),
})

export type Snapshot = z.infer<typeof Snapshot>
export type SnapshotCluster = z.infer<typeof SnapshotCluster>
export type SnapshotMachine = z.infer<typeof SnapshotMachine>
export type SnapshotGroup = z.infer<typeof SnapshotGroup>
export type SnapshotObject = z.infer<typeof SnapshotObject>
export type SnapshotRepository = z.infer<typeof SnapshotRepository>
export type SnapshotTrigger = z.infer<typeof SnapshotTrigger>
export type SnapshotVirtualPool = z.infer<typeof SnapshotVirtualPool>
export type SnapshotLicence = z.infer<typeof SnapshotLicence>
export type SnapshotKind = z.infer<typeof SnapshotKind>

/** A file that is no snapshot which this version can read. The message says why, and what to do. */
export class SnapshotError extends Error {
  override readonly name = 'SnapshotError'
}

const Head = z.looseObject({ format: z.unknown(), version: z.unknown() })

/** Reads the text of a snapshot. Throws SnapshotError with the first thing that is wrong. */
export function parseSnapshot(text: string): Snapshot {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new SnapshotError(`it is no JSON (${error.message}); make one with \`longshore snapshot --out world.json\``, { cause: error })
  }
  const head = z.safeParse(Head, value).data
  if (head?.format !== snapshotFormat)
    throw new SnapshotError(`it does not say that it is a snapshot ("format": "${snapshotFormat}"); make one with \`longshore snapshot\``)
  if (head.version !== snapshotVersion)
    throw new SnapshotError(
      `it is of version ${String(head.version)} of the format, and this is a reader of version ${snapshotVersion}; take the snapshot again with the version of Longshore that reads it`,
    )
  if (isDeeper(value, mostDepth)) throw new SnapshotError(`it is nested more than ${mostDepth} deep, which no snapshot is; take it again`)
  const parsed = z.safeParse(Snapshot, value)
  if (parsed.success) return parsed.data
  throw new SnapshotError(`${firstIssue(parsed.error)}; take the snapshot again`)
}

/** The same snapshot, of which is certain that it can be read back: whoever takes one finds out now, and not when he needs it. */
export function readable(snapshot: Snapshot): Snapshot {
  const parsed = z.safeParse(Snapshot, snapshot)
  if (parsed.success) return snapshot
  throw new SnapshotError(`what was read does not fit into a snapshot: ${firstIssue(parsed.error)}`)
}

function firstIssue({ issues: [issue] }: z.core.$ZodError): string {
  const where = issue === undefined ? '' : issue.path.map(String).join('.')
  return clip(`${where === '' ? 'it' : where}: ${issue?.message ?? 'is not as it should be'}`)
}

/** Objects of a cluster are some twenty levels deep. */
const mostDepth = 100

function isDeeper(value: unknown, most: number): boolean {
  let level: readonly unknown[] = [value]
  for (let depth = 0; depth <= most; depth += 1) {
    level = level.flatMap((one) => (typeof one === 'object' && one !== null ? Object.values(one) : []))
    if (level.length === 0) return false
  }
  return true
}

/** From this depth on a part stands on one line, so that whoever compares two files sees lines and not one long text. */
const inlineDepth = 4

/** The text of a snapshot, line by line: as much JSON as any, and no text of the whole is ever made. */
export function* linesOfSnapshot(snapshot: Snapshot): Generator<string> {
  yield* linesOf(snapshot, 0, '', '')
}

function* linesOf(value: unknown, depth: number, before: string, after: string): Generator<string> {
  const indent = '  '.repeat(depth)
  if (typeof value !== 'object' || value === null || depth >= inlineDepth) {
    yield `${indent}${before}${JSON.stringify(value)}${after}`
    return
  }
  const isList = Array.isArray(value)
  const entries: readonly (readonly [string, unknown])[] = isList
    ? value.map((item) => ['', item])
    : Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([name, item]) => [`${JSON.stringify(name)}: `, item])
  if (entries.length === 0) {
    yield `${indent}${before}${isList ? '[]' : '{}'}${after}`
    return
  }
  yield `${indent}${before}${isList ? '[' : '{'}`
  for (const [index, [name, item]] of entries.entries()) yield* linesOf(item, depth + 1, name, index === entries.length - 1 ? '' : ',')
  yield `${indent}${isList ? ']' : '}'}${after}`
}

import type { CloudReader, CloudWriter, SendOptions } from '#cloud/cloud.ts'
import { CloudError, type CloudErrorKind } from '#cloud/errors.ts'
import type { Lease, PoolRecord } from '../lease.ts'
import type { MechanismAnswer } from '../record-after.ts'

/** Where nodes are asked for. */
export interface Ask {
  readonly cloud: CloudWriter
  readonly options: SendOptions
  readonly cluster: string
  /** As it is in the record. */
  readonly lease: Lease
  /** Labels that nodes of the pool have, for those that are made. */
  readonly labels: Readonly<Record<string, string>>
  /** The pool's record with the lease in it. */
  readonly record?: PoolRecord | undefined
  /** Nobody can have asked for the nodes of the lease before. */
  readonly isFirst?: boolean | undefined
}

/** Where it is looked for nodes that may have been asked for. */
export interface Search {
  readonly cloud: CloudReader
  readonly options: SendOptions
  readonly cluster: string
  readonly lease: Lease
  readonly record: PoolRecord
  /** When the call began whose answer is not known, epoch milliseconds. */
  readonly sinceMs: number
}

/**
 * What is seen of a call that may have arrived: `asked` when it shows, `none` when nothing does, `unclear` while the target is busy with
 * something that may be it. That passes: then there is something to see, or nothing.
 */
export type Trace = 'asked' | 'none' | 'unclear'

/** One way to get nodes. */
export interface Mechanism {
  /**
   * Asks for the nodes of a lease, by one writing call. What is refused has changed nothing. Throws CloudError when nobody was asked, or
   * when nobody knows.
   */
  readonly ask: (ask: Ask) => Promise<MechanismAnswer>
  /** Whether asking twice comes to the same by itself. Of one where it may not, it is looked before it is asked again. */
  readonly isAbsolute: boolean
  /** What shows that the nodes of a lease were asked for. Reads only. Throws CloudError and KubeError. */
  readonly look: (search: Search) => Promise<Trace>
}

/**
 * Why a mechanism gave no node. `sold-out`, `quota` and `subnet-full` pass by themselves, after a while; `busy` does in a moment. `moved`:
 * it was not asked, because what it would bring is not what was decided any more.
 */
export type RefusalCode = 'sold-out' | 'quota' | 'subnet-full' | 'busy' | 'moved' | 'refused'

/** Makes an answer of a call: what the platform refuses is one, and what leaves it open is thrown on. */
export async function answered(call: () => Promise<readonly string[]>): Promise<MechanismAnswer> {
  try {
    return { kind: 'accepted', instanceIds: await call() }
  } catch (error) {
    if (!(error instanceof CloudError) || !isRefusal(error.kind)) throw error
    return { kind: 'refused', code: refusalCode(error), text: error.message }
  }
}

/** Of the errors after which nothing has happened those that say that asking again would come to the same for now. */
function isRefusal(kind: CloudErrorKind): boolean {
  return (
    kind === 'cloud.rejected' ||
    kind === 'cloud.conflict' ||
    kind === 'cloud.limit-exceeded' ||
    kind === 'cloud.not-found' ||
    kind === 'cloud.forbidden' ||
    kind === 'cloud.invalid-request'
  )
}

function refusalCode({ kind, code }: CloudError): RefusalCode {
  if (kind === 'cloud.conflict') return 'busy'
  if (/VpcCommon/.test(code)) return 'subnet-full'
  if (/CvmCommon|ResourceInsufficient/.test(code)) return 'sold-out'
  return kind === 'cloud.limit-exceeded' ? 'quota' : 'refused'
}

/** Nodes that other leases of the pool have. */
export function nodesOfOthers({ record, lease }: Pick<Search, 'record' | 'lease'>): ReadonlySet<string> {
  return new Set(record.leases.filter(({ id }) => id !== lease.id).flatMap(({ nodes }) => nodes.map(({ instanceId }) => instanceId)))
}

import type { CloudReader, CloudWriter, SendOptions } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { KubeError, type KubeWriter, kubeWriter } from '#cloud/kube.ts'
import type { Reason, StepResult } from '#shared/pure/step.ts'
import type { ClusterReadings } from './cluster-reading.ts'
import type { PoolRecord } from './lease.ts'
import { NotedCloud } from './noted-cloud.ts'
import { readPool, type StoredPool, writePool } from './pool-store.ts'
import type { RecordReading } from './record-after.ts'

/** Codes of what became of a change that the plan could not know. */
export type ApplyCode =
  | 'already-applied'
  | 'world-changed'
  | 'record-unreadable'
  | 'conflict'
  | 'mechanism-refused'
  | 'node-not-empty'
  | 'group-busy'
  | 'group-would-replace'
  | 'bounds-changed'
  | 'remove-refused'
  | 'draining'

/** Which pool, and by whom it is reached. */
export interface PoolPlace {
  readonly cluster: string
  readonly region: string
  readonly pool: string
}

/** How often a record is read and changed again when somebody else writes it at the same time. */
const mostTries = 3

/** One pool's record, to be changed by somebody who carries out a step. What it learns it tells those who look. */
export class PoolDesk {
  readonly kube: KubeWriter
  /** For everything but the record. */
  readonly cloud: NotedCloud
  readonly cluster: string
  readonly options: SendOptions
  readonly #pool: string
  readonly #namespace: string
  readonly #readings: ClusterReadings | undefined

  constructor(
    cloud: CloudWriter,
    { cluster, region, pool }: PoolPlace,
    { namespace, readings }: { readonly namespace: string; readonly readings?: ClusterReadings | undefined },
  ) {
    this.cloud = new NotedCloud(cloud)
    this.cluster = cluster
    this.options = region === '' ? {} : { region }
    this.kube = kubeWriter(cloud, cluster, this.options)
    this.#pool = pool
    this.#namespace = namespace
    this.#readings = readings
  }

  /** Throws KubeError and CloudError. */
  async read(): Promise<StoredPool | undefined> {
    const stored = await readPool(this.kube, this.#namespace, this.#pool)
    if (stored !== undefined) this.#tell(stored)
    return stored
  }

  /** Throws KubeError `kube.conflict` when it is not the one that was read any more; KubeError and CloudError otherwise. */
  async write(record: PoolRecord, over: Pick<StoredPool, 'resourceVersion'> | undefined): Promise<StoredPool> {
    const stored = await writePool(this.kube, this.#namespace, record, over)
    this.#tell(stored)
    return stored
  }

  /**
   * Reads the record, changes it, and writes it over the one that was read; again when somebody else has written meanwhile. What does not
   * fit any more is `Skipped`. `seen` is what was read or written a moment ago, so that it need not be read.
   */
  async change(
    change: (record: PoolRecord | undefined) => RecordReading,
    seen?: { readonly stored: StoredPool | undefined },
  ): Promise<StepResult | StoredPool> {
    let moved: KubeError | undefined
    for (let attempt = 1; attempt <= mostTries; attempt += 1) {
      const before = attempt === 1 && seen !== undefined ? seen.stored : await this.read()
      if (before?.problem !== undefined) return unreadable(before.problem)
      const after = change(before?.record)
      if ('misfit' in after) return skipped('world-changed', after.misfit.text)
      try {
        return await this.write(after.record, before)
      } catch (error) {
        if (!(error instanceof KubeError) || error.kind !== 'kube.conflict') throw error
        moved = error
      }
    }
    return skipped(
      'conflict',
      `the record was changed ${mostTries} times while it was to be; the next look decides again (${moved?.message ?? ''})`,
    )
  }

  /** What was read of the cluster a moment ago has turned out to be old: whoever looks next reads it again. */
  forget(): void {
    this.#readings?.forget(this.cluster)
  }

  /**
   * Writes down what has been done already. Answers why it could not, which undoes nothing of it. Throws what leaves open whether it was
   * written: of that the kernel finds out.
   */
  async keep(
    change: (record: PoolRecord | undefined) => RecordReading,
    seen: { readonly stored: StoredPool | undefined },
  ): Promise<Unkept | undefined> {
    try {
      const kept = await this.change(change, seen)
      return isResult(kept) ? { outcome: kept.outcome, code: kept.reason?.code ?? 'conflict', text: kept.reason?.text ?? '' } : undefined
    } catch (error) {
      if (!(error instanceof KubeError || error instanceof CloudError) || isInDoubt(error)) throw error
      return { outcome: 'Failed', code: error.kind, text: error.message }
    }
  }

  #tell(stored: StoredPool): void {
    this.#readings?.of(this.cluster).knowsPool(this.#namespace, stored)
  }
}

/** Why something could not be written down: what its step would be that does nothing else, and the reason. */
export interface Unkept extends Reason {
  readonly outcome: StepResult['outcome']
}

function isInDoubt({ kind }: KubeError | CloudError): boolean {
  return kind === 'kube.unavailable' || kind === 'kube.bad-answer' || kind === 'cloud.unknown-outcome'
}

/** Whether a change of the record came to nothing. */
export function isResult(value: StepResult | StoredPool): value is StepResult {
  return 'outcome' in value
}

export function skipped(code: ApplyCode, text: string): StepResult {
  return { outcome: 'Skipped', reason: { code, text } }
}

export function held(code: ApplyCode, text: string): StepResult {
  return { outcome: 'Held', reason: { code, text } }
}

export function failed(code: ApplyCode, text: string): StepResult {
  return { outcome: 'Failed', reason: { code, text } }
}

export function unreadable(problem: string): StepResult {
  return held('record-unreadable', problem)
}

/** A reader of what a change is about. */
export function readerPlace(
  cloud: CloudReader,
  { region }: Pick<PoolPlace, 'region'>,
): { readonly cloud: CloudReader; readonly options: SendOptions } {
  return { cloud, options: region === '' ? {} : { region } }
}

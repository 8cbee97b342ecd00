import type { Effect } from '#cloud/action.ts'

/** One call as the sandbox saw it, whether or not it was answered. */
export interface CallRecord {
  /** Counts calls from 1, so that a record can be named after older ones were dropped. */
  readonly sequence: number
  /** `tke`, `tcr`; `kubernetes` for calls to a cluster that did not come through ForwardRequest; empty when unknown. */
  readonly service: string
  /** Name of the action as sent; for `kubernetes` the HTTP method and path. */
  readonly action: string
  /**
   * What the call could do. An action that is not known counts as a write; a ForwardRequest is as writing as the request
   * it forwards.
   */
  readonly effect: Effect
  readonly requestId: string
  /** Empty when the call carried none. */
  readonly secretId: string
  /** Code of the refusal; absent when the call succeeded. */
  readonly code?: string
  /** Epoch milliseconds of the sandbox's clock. */
  readonly at: number
  /** What was asked for, as checked; absent when the call was refused before that. */
  readonly request?: Readonly<Record<string, unknown>>
  /** Whether the state may have changed: a write that was carried out, even if its answer was then lost. */
  readonly applied: boolean
  /** The faults that were fired into the call, by kind. */
  readonly faults: readonly string[]
}

export interface CallJournal {
  /** Oldest first. Long runs lose their oldest records, a fifth of `journalLimit` at a time. */
  readonly records: readonly CallRecord[]
  record(call: Omit<CallRecord, 'sequence'>): void
  clear(): void
}

export const journalLimit = 50_000

export function createCallJournal(): CallJournal {
  const records: CallRecord[] = []
  let sequence = 0
  return {
    records,
    record(call) {
      sequence += 1
      records.push({ sequence, ...call })
      if (records.length > journalLimit) {
        records.splice(0, journalLimit / 5)
      }
    },
    clear() {
      records.length = 0
    },
  }
}

/** The HTTP methods that change nothing on a Kubernetes API. */
const readingMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** The effect of a request to a Kubernetes API, by its method; a method that is not known writes. */
export function kubernetesEffect(method: unknown): Effect {
  return typeof method === 'string' && readingMethods.has(method.toUpperCase()) ? 'read' : 'write'
}

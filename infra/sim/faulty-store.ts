import { type Store, StoreError, type StoreErrorKind } from '#shared/safety/store.ts'
import { type MemoryDisk, openMemoryStore, type StoreCall } from '#shared/safety/store-memory.ts'
import type { EventLoop } from './event-loop.ts'
import type { SimProcess } from './sim-process.ts'

/**
 * What becomes of one call of the store.
 *
 * - `unavailable`, `full` it is refused before anything happened
 * - `lost` it never arrives, and no answer comes
 * - `unanswered` it is carried out, and no answer comes
 * - `late` no answer comes, and it is carried out when nobody waits any more
 */
export type StoreFault = 'unavailable' | 'full' | 'lost' | 'unanswered' | 'late'

export interface StoreFate {
  readonly thereMs: number
  readonly backMs: number
  readonly fault?: StoreFault | undefined
  /** When a late write arrives. */
  readonly lateMs: number
}

export interface FaultyStoreOptions {
  /** Where a partition lies. */
  readonly diskOf: (partition: string) => MemoryDisk
  readonly process: SimProcess
  readonly loop: EventLoop
  readonly drawFate: (isWrite: boolean) => StoreFate
  /** A call was just carried out on the disk. */
  readonly onCarriedOut: (call: StoreCall, owner: string) => void
  readonly onAnswered: (call: { readonly partition: string }, owner: string, carriedOutAt: number, answer: unknown) => void
  readonly onFailed: (text: string, owner: string) => void
}

/** How long a process waits for an answer of its store. */
const timeoutMs = 3_000

/**
 * A process's way to the store all of them share: calls take time, get lost, are refused or carried out unanswered, and nothing
 * comes back to a process that is dead. What has left arrives all the same.
 */
export function createFaultyStore(options: FaultyStoreOptions): Store {
  const { process, loop, drawFate, onCarriedOut, onAnswered, onFailed } = options

  const call = <T>(isWrite: boolean, partition: string, run: (store: Store) => Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      const kind = isWrite ? 'change' : 'other'
      if (!process.pass(kind)) return
      const { owner } = process
      const fate = drawFate(isWrite)
      const store = openMemoryStore(options.diskOf(partition), { after: (made) => onCarriedOut(made, owner) })
      const comeBack = (ms: number, then: () => void): void => {
        process.comeBack(loop.now + ms, kind, then)
      }
      const fail = (kind: StoreErrorKind, what: string, ms: number): void =>
        comeBack(ms, () => {
          onFailed(`${partition} ${what}`, owner)
          reject(new StoreError(kind, `Store: the store of the simulation ${what}.`))
        })
      const unanswered = (): void => fail(isWrite ? 'store.unknown-outcome' : 'store.unavailable', 'did not answer', timeoutMs)
      const arrive = (then: (answered: Promise<T>) => void, ms: number): void => {
        loop.after(ms, () => then(run(store)))
      }
      switch (fate.fault) {
        case 'unavailable':
          return fail('store.unavailable', 'is not available', fate.thereMs + fate.backMs)
        case 'full':
          return fail(isWrite ? 'store.full' : 'store.unavailable', 'is full', fate.thereMs + fate.backMs)
        case 'lost':
          return unanswered()
        case 'unanswered':
        case 'late':
          unanswered()
          return arrive((answered) => answered.catch(ignoreRefusal), fate.fault === 'late' ? timeoutMs + fate.lateMs : fate.thereMs)
        case undefined:
          return arrive((answered) => {
            const carriedOutAt = loop.now
            answered.then(
              (answer) =>
                comeBack(fate.backMs, () => {
                  onAnswered({ partition }, owner, carriedOutAt, answer)
                  resolve(answer)
                }),
              (error: unknown) => comeBack(fate.backMs, () => reject(error)),
            )
          }, fate.thereMs)
      }
    })

  return {
    name: 'the store of the simulation',
    get: (key, read) => call(false, key.partition, (store) => store.get(key, read)),
    put: (key, data, put) => {
      // Whoever calls may change its object while the call is under way.
      const copy = structuredClone(data)
      return call(true, key.partition, (store) => store.put(key, copy, put))
    },
    delete: (key, given) => call(true, key.partition, (store) => store.delete(key, given)),
    query: (query) => call(false, query.partition, (store) => store.query(query)),
    close: () => Promise.resolve(),
  }
}

/** Nobody is there to be told. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof StoreError)) throw error
}

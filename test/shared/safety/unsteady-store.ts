import { type PutOptions, type PutResult, type Store, StoreError } from '#shared/safety/store.ts'

/**
 * What becomes of one call of a store.
 *
 * - `pass` it is carried out
 * - `refuse` it is not, and says so
 * - `lose-before` it is not, and nobody can tell (for a put; a read is refused)
 * - `lose-after` it is, and nobody can tell
 * - `late` as `lose-before`, but the put is carried out all the same, right before the call after the next
 */
export type Fate = 'pass' | 'refuse' | 'lose-before' | 'lose-after' | 'late'

export interface UnsteadyStore extends Store {
  /** Calls so far. */
  readonly calls: readonly string[]
}

/** A store whose answers get lost as `fateOf` says, by the number of the call from 1. */
export function unsteadyStore(store: Store, fateOf: (index: number, operation: string) => Fate): UnsteadyStore {
  const calls: string[] = []
  const late: { at: number; run: () => Promise<unknown> }[] = []
  const begin = async (operation: string): Promise<Fate> => {
    calls.push(operation)
    const index = calls.length
    for (const one of late.splice(0)) {
      if (one.at <= index) await one.run()
      else late.push(one)
    }
    return fateOf(index, operation)
  }
  const refused = (): StoreError => new StoreError('store.unavailable', 'Store: the store of this test cannot be reached.')
  const lost = (): StoreError => new StoreError('store.unknown-outcome', 'Store: the answer of the store of this test was lost.')
  const read = async <T>(operation: string, run: () => Promise<T>): Promise<T> => {
    if ((await begin(operation)) !== 'pass') throw refused()
    return await run()
  }
  return {
    name: store.name,
    calls,
    get: (key, options) => read('get', () => store.get(key, options)),
    query: (query) => read('query', () => store.query(query)),
    delete: (key, options) => read('delete', () => store.delete(key, options)),
    close: () => store.close(),
    put: async (key, data, options: PutOptions): Promise<PutResult> => {
      const fate = await begin('put')
      if (fate === 'refuse') throw refused()
      if (fate === 'late') late.push({ at: calls.length + 2, run: () => store.put(key, data, options) })
      if (fate === 'lose-before' || fate === 'late') throw lost()
      const result = await store.put(key, data, options)
      if (fate === 'lose-after') throw lost()
      return result
    },
  }
}

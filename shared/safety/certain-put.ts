import { canonicalJson } from './canonical-json.ts'
import { type ItemKey, type PutOptions, type PutResult, type Store, StoreError, type StoreItem } from './store.ts'

const maxTries = 3

/**
 * A put that knows whether it happened. One round trip when all is well. When the answer is lost it reads: what it wrote is
 * there, or the condition still holds and it puts again (a late arrival of the first one then breaks the condition of the
 * second, or the other way round, so the item is never written twice), or somebody else's item is there and it was refused.
 *
 * `data` must differ from what anybody else could put there, or their item is taken for ours: let it hold an id of its own.
 * Never under the condition `any`, which a late arrival would always meet.
 *
 * Throws StoreError. As soon as one answer was lost and could not be made up for, the kind is `store.unknown-outcome`, also
 * when a later try was certainly refused: the first one may still arrive.
 */
export async function putForCertain(
  store: Store,
  key: ItemKey,
  data: object,
  options: PutOptions & { readonly when: 'absent' | { readonly version: number } },
): Promise<PutResult> {
  const { when, now } = options
  const isOurs = (item: StoreItem): boolean =>
    (when === 'absent' || item.version === when.version + 1) && canonicalJson(item.data) === canonicalJson(data)
  let lost: StoreError | undefined
  for (let attempt = 1; ; attempt += 1) {
    try {
      const result = await store.put(key, data, options)
      if (result.ok || lost === undefined || result.current === undefined || !isOurs(result.current)) return result
      return { ok: true, version: result.current.version }
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      if (lost === undefined && error.kind !== 'store.unknown-outcome') throw error
      lost ??= error
      const item = await readBack(store, key, now, lost)
      if (item !== undefined && isOurs(item)) return { ok: true, version: item.version }
      const isOpen = when === 'absent' ? item === undefined : item?.version === when.version
      if (!isOpen) return { ok: false, current: item }
      if (attempt === maxTries) throw lost
    }
  }
}

async function readBack(store: Store, key: ItemKey, now: number, lost: StoreError): Promise<StoreItem | undefined> {
  try {
    return await store.get(key, { now })
  } catch (error) {
    if (error instanceof StoreError) throw lost
    throw error
  }
}

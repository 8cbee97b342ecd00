import type { ListedTag, RegistryReader } from './registry.ts'

/** Tags as they are now. */
export interface TagsNow {
  readonly byName: ReadonlyMap<string, ListedTag>
  /** Whether that is all there are, not only those that were asked for. */
  readonly isWhole: boolean
}

/** Tags that one page of a list brings; of each page but the first one row is known already. */
const perPage = 99

/** Reads certain tags again, by the list of all or one by one, whichever takes fewer calls. */
export async function readTags(registry: RegistryReader, repository: string, names: readonly string[], total: number): Promise<TagsNow> {
  if (Math.ceil(total / (registry.tagsPerCall ?? perPage)) <= names.length) {
    const all = await registry.tags(repository)
    return { byName: new Map(all.map((tag) => [tag.name, tag])), isWhole: true }
  }
  const found = await Promise.all(names.map((name) => registry.tag(repository, name)))
  return { byName: new Map(found.flatMap((tag) => (tag === undefined ? [] : [[tag.name, tag] as const]))), isWhole: false }
}

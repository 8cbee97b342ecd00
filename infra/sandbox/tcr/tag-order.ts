import type { TcrRepository, TcrTag } from './state.ts'

export type NamedTag = readonly [name: string, tag: TcrTag]

/** From so many tags on their order is kept. */
const many = 1000

const kept = new WeakMap<TcrRepository, readonly NamedTag[]>()

/**
 * The tags of a repository as they are listed: the latest push first; among equal times the one that came first last. Of large
 * repositories the order is kept until `forgetTagOrder`: to sort 100,000 tags for each page of them would take a minute for all.
 */
export function tagsInOrder(repository: TcrRepository): readonly NamedTag[] {
  const known = kept.get(repository)
  if (known !== undefined) return known
  const sorted = Object.entries(repository.tags).sort(([, left], [, right]) => right.pushedAt - left.pushedAt || right.row - left.row)
  if (sorted.length >= many) kept.set(repository, sorted)
  return sorted
}

/** A tag of the repository was put or taken away. */
export function forgetTagOrder(repository: TcrRepository): void {
  kept.delete(repository)
}

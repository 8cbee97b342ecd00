import { compareTexts } from './compare-texts.ts'
import { compareVersionNames } from './version.ts'

/** A tag as the registry lists it. Times are epoch milliseconds. */
export interface ObservedTag {
  readonly name: string
  /** What the registry says that the tag points at; equal for tags of equal content. A manifest digest where the registry gives digests. */
  readonly contentId: string
  /** Digest of the image's configuration, where the registry gives one. */
  readonly imageId?: string | undefined
  /** Digests of the images that a multi-platform index consists of. */
  readonly parts?: readonly string[] | undefined
  readonly sizeBytes: number
  /** When it was last pushed. When it was built is not even read: it can be any time, 1970 among them. */
  readonly pushedMs: number
  /** When it was pushed last, that was this function bringing it back: it is not new. */
  readonly isRestored?: boolean | undefined
  /** Those of the configured patterns that match its name. Found out while observing, because a plan loads nothing. */
  readonly patterns: readonly string[]
}

export interface ObservedRepository {
  /** `namespace/name`. */
  readonly name: string
  readonly tags: readonly ObservedTag[]
  /** Why the list of tags is not to be relied on, if so. */
  readonly problem?: string | undefined
}

/** What is kept or removed as one: tags that share content, directly or through others. */
export interface Content {
  /** The id of its newest tag. */
  readonly id: string
  /** Newest first. */
  readonly tags: readonly ObservedTag[]
  /** Of its newest tag. */
  readonly pushedMs: number
  /** Counted once, however many tags there are. */
  readonly sizeBytes: number
}

/**
 * The contents of a repository, newest first. Tags belong together when they have the content or the configuration in common, or
 * when one is a part of the other's index: removing one of them could take what the other needs. By push time, then by
 * version, then by name, so that no two tags are in an order that chance decides.
 */
export function contentsOf(tags: readonly ObservedTag[]): readonly Content[] {
  const groups = new Groups()
  for (const [index, { contentId, imageId, parts = [] }] of tags.entries()) {
    for (const id of [contentId, imageId, ...parts]) if (id !== undefined && id !== '') groups.join(index, id)
  }
  const byGroup = Map.groupBy(tags.keys(), (index) => groups.find(index))
  const contents = [...byGroup.values()].map((indices): Content => {
    const own = indices.map((index) => tags[index]).filter((tag) => tag !== undefined)
    const sorted = own.toSorted(byAge)
    const [newest] = sorted
    const sizes = new Map(sorted.map(({ contentId, sizeBytes }) => [contentId, sizeBytes]))
    return {
      id: newest?.contentId ?? '',
      tags: sorted,
      pushedMs: newest?.pushedMs ?? 0,
      sizeBytes: [...sizes.values()].reduce((sum, size) => sum + size, 0),
    }
  })
  return contents.toSorted((left, right) => byAge(left.tags[0], right.tags[0]))
}

/** Newest first. */
export function byAge(left: ObservedTag | undefined, right: ObservedTag | undefined): number {
  if (left === undefined || right === undefined) return Number(left === undefined) - Number(right === undefined)
  return right.pushedMs - left.pushedMs || compareVersionNames(right.name, left.name) || compareTexts(left.name, right.name)
}

/** Which tags are connected by ids that they share. */
class Groups {
  readonly #parents = new Map<number, number>()
  readonly #owners = new Map<string, number>()

  join(index: number, id: string): void {
    const owner = this.#owners.get(id)
    if (owner === undefined) {
      this.#owners.set(id, index)
      return
    }
    const from = this.find(index)
    const to = this.find(owner)
    if (from !== to) this.#parents.set(from, to)
  }

  find(index: number): number {
    let root = index
    for (let next = this.#parents.get(root); next !== undefined; next = this.#parents.get(root)) root = next
    if (root !== index) this.#parents.set(index, root)
    return root
  }
}

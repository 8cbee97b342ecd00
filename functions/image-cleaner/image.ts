import { compareTexts } from './compare-texts.ts'
import { TextTable } from './text-table.ts'
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
  const groups = new Groups(tags)
  const contents: Content[] = []
  // By the place of the first tag of each group; most have one only.
  const byGroup: (ObservedTag[] | undefined)[] = new Array(tags.length)
  let index = 0
  for (const tag of tags) {
    const group = groups.find(index)
    const own = byGroup[group]
    const first = own?.[0]
    if (own === undefined || first === undefined) byGroup[group] = [tag]
    // A list that grows by itself grows by 17.
    else if (own.length === 1) byGroup[group] = [first, tag]
    else own.push(tag)
    index += 1
  }
  for (const own of byGroup) if (own !== undefined) contents.push(contentOf(own))
  return contents.sort((left, right) => right.pushedMs - left.pushedMs || byAge(left.tags[0], right.tags[0]))
}

/** Tags that belong together, as one. */
function contentOf(tags: ObservedTag[]): Content {
  const [one, other] = tags
  if (tags.length > 2 || byAge(one, other) > 0) tags.sort(byAge)
  const [newest] = tags
  return { id: newest?.contentId ?? '', tags, pushedMs: newest?.pushedMs ?? 0, sizeBytes: sizeOf(tags) }
}

function sizeOf(tags: readonly ObservedTag[]): number {
  const [first] = tags
  if (first === undefined || tags.length === 1 || tags.every(({ contentId }) => contentId === first.contentId))
    return tags.at(-1)?.sizeBytes ?? 0
  const sizes = new Map(tags.map(({ contentId, sizeBytes }) => [contentId, sizeBytes]))
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}

/** Newest first. */
export function byAge(left: ObservedTag | undefined, right: ObservedTag | undefined): number {
  if (left === undefined || right === undefined) return Number(left === undefined) - Number(right === undefined)
  return right.pushedMs - left.pushedMs || compareVersionNames(right.name, left.name) || compareTexts(left.name, right.name)
}

/** Which tags are connected by ids that they share. There are as many as a large repository has: numbers, and one look at each id. */
class Groups {
  /** Of each tag one that it is connected with; of the first of a group itself. */
  readonly #parents: Uint32Array
  /** By id: the first tag that has it. */
  readonly #owners: TextTable

  constructor(tags: readonly ObservedTag[]) {
    this.#parents = new Uint32Array(tags.length)
    this.#owners = new TextTable(tags.length * 2)
    let index = 0
    for (const { contentId, imageId, parts } of tags) {
      this.#parents[index] = index
      const owner = this.#join(index, contentId)
      // Tags of one content mostly have the same configuration as well, which its first tag has joined already.
      if (imageId !== undefined && (owner === index || tags[owner]?.imageId !== imageId)) this.#join(index, imageId)
      if (parts !== undefined) for (const id of parts) this.#join(index, id)
      index += 1
    }
  }

  /** Connects a tag with the first one that has an id, which it gives back. */
  #join(index: number, id: string): number {
    if (id === '') return index
    const owner = this.#owners.firstOf(id, index)
    if (owner !== index) this.#parents[this.find(index)] = this.find(owner)
    return owner
  }

  find(index: number): number {
    let root = index
    for (let next = this.#parents[root] ?? root; next !== root; next = this.#parents[root] ?? root) root = next
    this.#parents[index] = root
    return root
  }
}

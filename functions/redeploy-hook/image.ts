/** A tag as the registry lists it. Times are epoch milliseconds. */
export interface RegistryTag {
  readonly name: string
  /** What the registry says that it points at: the digest of the manifest or index, or an opaque id. Equal for equal content. */
  readonly contentId: string
  /** Whether `contentId` is a digest that an image can be pinned to. */
  readonly isDigest: boolean
  /**
   * When it was pushed last. Where the registry does not tell: when it was first seen after a look that had not seen it. Absent when
   * it was there at the first look, so that it is older than everything with a time.
   */
  readonly pushedMs?: number | undefined
  /** Of its platforms (`amd64`); absent when nobody has looked. */
  readonly architectures?: readonly string[] | undefined
  /** Those of the configured regular expressions that match its name. Found out while observing, because a plan loads nothing. */
  readonly patterns: readonly string[]
}

export interface ReadRepository {
  /** `team/web`. */
  readonly name: string
  /** All tags; none when it is empty or not there. */
  readonly tags: readonly RegistryTag[]
  /** Why it could not be read, if so; then `tags` says nothing. */
  readonly problem?: string | undefined
}

/** Whether an id of a registry is a digest that an image can be pinned to. */
export function isDigest(contentId: string, contentIds: 'digest' | 'opaque'): boolean {
  return contentIds === 'digest' && /^sha256:[0-9a-f]{64}$/.test(contentId)
}

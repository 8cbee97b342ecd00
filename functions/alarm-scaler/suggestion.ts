import { digestOf } from '#shared/pure/digest.ts'

/** Nodes that would be added if somebody agreed. */
export interface Suggestion {
  /** What an agreement is bound to: this alarm, this policy and pool, this step of it, these nodes and this way, and none other. */
  readonly key: string
  readonly cluster: string
  readonly pool: string
  readonly policy: string
  readonly episode: { readonly id: string; readonly name: string }
  readonly nodes: number
  /** Name of the mechanism. */
  readonly mechanism: string
}

/** The key that an agreement to a growth has. It stays the same as long as the same would be done, and is used up by doing it. */
export function suggestionKey(
  facts: Omit<Suggestion, 'key' | 'episode'> & { readonly episodeId: string; readonly level: number; readonly ordinal: number },
): string {
  const { cluster, pool, policy, episodeId, nodes, mechanism, level, ordinal } = facts
  return `suggestion-${digestOf([cluster, pool, policy, episodeId, nodes, mechanism, level, ordinal])}`
}

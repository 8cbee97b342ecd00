import type { ObservedTag } from './image.ts'
import type { ImageReference } from './references.ts'

/** A tag as a registry lists it, before the configured patterns are looked at. */
export type ListedTag = Omit<ObservedTag, 'patterns' | 'pushedMs'> & {
  /** Absent where the registry does not tell: then the first time that it was seen stands for it. */
  readonly pushedMs?: number | undefined
}

/** A repository as a registry lists it. */
export interface ListedRepository {
  readonly name: string
  /** How many tags it has, roughly, where the list of repositories tells: by this is decided how many are read ahead. */
  readonly tags?: number | undefined
}

/** Clean-up that a registry carries out by itself, without knowing what is in use. */
export interface ServerPolicy {
  readonly type: 'keep_last_days' | 'keep_last_nums'
  readonly value: number
}

/**
 * A registry as this function needs it, so that another one can take its place. Names are `namespace/name` and a tag. Lists are
 * whole or an error: RegistryError, or CloudError where the platform's API is behind it.
 */
export interface RegistryReader {
  /** For messages: `TCR Personal`. */
  readonly title: string
  /** Tags that one call of `tags` brings, where it is not a page of a hundred. */
  readonly tagsPerCall?: number | undefined
  /** In the order of their names. */
  repositories(): Promise<readonly ListedRepository[]>
  /** All tags of a repository; none when it is empty or not there. It may go faster when it is known roughly how many to expect. */
  tags(repository: string, expected?: number): Promise<readonly ListedTag[]>
  /** One tag as it is now; undefined when there is none. */
  tag(repository: string, name: string): Promise<ListedTag | undefined>
  /** The names of all tags with the content of this one, itself among them; none when it is not there. */
  sameContent(repository: string, name: string): Promise<readonly string[]>
}

export interface RegistryWriter extends RegistryReader {
  /**
   * Removes tags, and of what is under other names nothing. Tags that are not there are no error, nor is a repository that is not
   * there: `wasGone` says so. The RequestId where there is one.
   */
  remove(
    repository: string,
    names: readonly string[],
  ): Promise<{ readonly requestId?: string | undefined; readonly wasGone?: boolean | undefined }>
  /** Gives content another name, in this repository or another one. */
  copy(from: ImagePlace, to: ImagePlace): Promise<{ readonly digest?: string | undefined; readonly requestId?: string | undefined }>
}

export interface ImagePlace {
  readonly repository: string
  readonly tag: string
}

/** What the registry itself deploys when something is pushed; registries that do no such thing have no such port. */
export interface TriggerReader {
  /** Whether any of its triggers names a tag. */
  nameTags(): Promise<boolean>
  /** The tags of a repository that they name. */
  of(repository: string, now: number): Promise<readonly ImageReference[]>
}

/** Clean-up policies of the registry itself; registries without have no such port. */
export interface ServerPolicyReader {
  /** Undefined when there is none; of all repositories when `repository` is absent. */
  serverPolicy(repository?: string): Promise<ServerPolicy | undefined>
}

export interface ServerPolicyWriter extends ServerPolicyReader {
  setServerPolicy(policy: ServerPolicy | undefined, repository?: string): Promise<{ readonly requestId?: string | undefined }>
}

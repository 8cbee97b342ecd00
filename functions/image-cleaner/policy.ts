import { formatInstant } from '#shared/pure/civil.ts'
import { type Glob, matchesGlob, mayMatchFrom } from '#shared/pure/glob.ts'
import type { Reason } from '#shared/pure/step.ts'
import { compareTexts } from './compare-texts.ts'
import type { Policy, Settings } from './event.ts'
import { type Content, contentsOf, type ObservedRepository, type ObservedTag } from './image.ts'
import type { Frozen, ImageReference } from './references.ts'
import { compareVersions, parseVersion, type Version } from './version.ts'

export type KeepCode =
  | 'kept-last'
  | 'kept-days'
  | 'kept-tag'
  | 'kept-pattern'
  | 'kept-semver'
  | 'kept-protected'
  | 'protected'
  | 'referenced'
  | 'referenced-lately'
  | 'no-policy'
  | 'policy-paused'
  | 'policy-empty'
  | 'policy-matches-nothing'
  | 'repository-incomplete'
  | 'digest-unresolved'
  | Frozen['code']

export interface KeepReason extends Reason {
  readonly code: KeepCode
  /** The policy whose rule it is, where it is one's. */
  readonly policy?: string | undefined
}

/** What is to become of a content: kept for all these reasons, or removed because no rule wants it. */
export interface ContentVerdict {
  readonly content: Content
  /** Empty: nothing keeps it. */
  readonly keeps: readonly KeepReason[]
  /** Why it goes, where nothing keeps it. */
  readonly expired?: string | undefined
}

export interface RepositoryVerdict {
  readonly repository: string
  /** Newest first. */
  readonly contents: readonly ContentVerdict[]
  /** The policies that speak about the repository. */
  readonly policies: readonly string[]
  /** Why nothing of the repository is removed, whatever its policies say. */
  readonly whole?: KeepReason | undefined
}

export interface JudgeFacts {
  readonly repository: ObservedRepository
  /** Everything that asks for an image of this repository. */
  readonly references: readonly ImageReference[]
  readonly frozen?: Frozen | undefined
  readonly settings: Settings
  /** Epoch milliseconds. */
  readonly now: number
}

const dayMs = 86_400_000
/** So many of the places that use an image are named. */
const mostNamed = 3

/**
 * Says of every content of a repository whether something keeps it. Policies say what to keep, and keeping wins: what any rule of
 * any policy that is for the repository wants, stays; so does what is in use or was lately, what is protected, and what shares
 * content with such a tag, because contents are judged as a whole.
 *
 * Nothing is removed where the list of tags or of uses is not complete, where no policy speaks, where a policy has no rule, and
 * where the rules match no tag at all: then they were written for something else. So at least one content always stays.
 */
export function judgeRepository(facts: JudgeFacts): RepositoryVerdict {
  const { repository, settings } = facts
  const contents = contentsOf(repository.tags)
  const policies = settings.policies.filter((policy) => isFor(policy, repository.name))
  const names = policies.map(({ name }) => name)
  const uses = usesOf(facts, contents)
  const whole = whyNothing(facts, policies, uses)
  const active = policies.filter(({ paused }) => !paused)
  // A paused policy removes nothing by itself; what it keeps must not go because somebody paused it.
  const rules = policies.map((policy) => ({ policy, keeps: keptBy(policy, contents, facts) }))
  const guards = settings.protect.filter((glob) => mayMatchFrom(glob, `${repository.name}:`))
  const matched = rules.some(({ policy, keeps }) => !policy.paused && keeps.size > 0)
  const unmatched: KeepReason | undefined =
    whole !== undefined || matched
      ? undefined
      : {
          code: 'policy-matches-nothing',
          text: `no rule of ${listed(active)} matches any tag of it, so they were not written for it and nothing is removed`,
        }
  const expired = expiredTexts(listed(active), facts)
  const verdicts = contents.map((content): ContentVerdict => {
    const keeps: KeepReason[] = whole === undefined ? [] : [whole]
    for (const { policy, keeps: kept } of rules) {
      for (const { code, text } of kept.get(content) ?? []) keeps.push({ code, text: `${policy.name}: ${text}`, policy: policy.name })
    }
    const guarded =
      guards.length === 0
        ? undefined
        : content.tags.find(({ name }) => guards.some((glob) => matchesGlob(glob, `${repository.name}:${name}`)))
    if (guarded !== undefined) keeps.push({ code: 'protected', text: `${guarded.name} is on the list of protected images` })
    const using = uses.byContent.get(content)
    if (using !== undefined) keeps.push(...useReasons(using, facts))
    if (unmatched !== undefined) keeps.push(unmatched)
    return keeps.length > 0 ? { content, keeps } : { content, keeps, expired: expired(content) }
  })
  return { repository: repository.name, policies: names, contents: verdicts, whole: whole ?? unmatched }
}

/** Whether a policy is for a repository. */
export function isFor({ repositories, except }: Policy, repository: string): boolean {
  const matches = (glob: Glob): boolean => matchesGlob(glob, repository)
  return repositories.some(matches) && !except.some(matches)
}

export interface Uses {
  readonly byContent: ReadonlyMap<Content, readonly ImageReference[]>
  /** Named by a digest that no tag of the repository has. */
  readonly unresolved: readonly ImageReference[]
}

/** Which content each reference means: by its tag, by its digest, or by both. */
export function usesOf(
  { repository, references, settings }: Pick<JudgeFacts, 'repository' | 'references' | 'settings'>,
  contents: readonly Content[],
): Uses {
  const { byTag, byId } = findAsked(references, contents)
  const byContent = new Map<Content, ImageReference[]>()
  const unresolved: ImageReference[] = []
  for (const reference of references) {
    const { tag, digest, via } = reference
    const named = tag === undefined ? undefined : byTag.get(tag)
    const pinned = digest === undefined || settings.contentIds === 'opaque' ? undefined : byId.get(digest)
    for (const content of new Set([named, pinned])) {
      if (content === undefined) continue
      const uses = byContent.get(content)
      if (uses === undefined) byContent.set(content, [reference])
      else uses.push(reference)
    }
    // A pod that reports a digest which no tag has any more runs what was under a tag that has moved on: no tag can take it away.
    const isWish = via !== 'pod-status'
    if (digest !== undefined && pinned === undefined && isWish && repository.tags.length > 0) unresolved.push(reference)
  }
  return { byContent, unresolved }
}

/** The contents that references name, by what they are named: few of the tags of a large repository. */
function findAsked(
  references: readonly ImageReference[],
  contents: readonly Content[],
): { readonly byTag: ReadonlyMap<string, Content>; readonly byId: ReadonlyMap<string, Content> } {
  const tags = new Set(references.map(({ tag }) => tag))
  const digests = new Set(references.map(({ digest }) => digest))
  const byTag = new Map<string, Content>()
  const byId = new Map<string, Content>()
  const add = (id: string | undefined, content: Content): void => {
    if (id !== undefined && digests.has(id)) byId.set(id, content)
  }
  if (references.length === 0) return { byTag, byId }
  for (const content of contents) {
    for (const { name, contentId, imageId, parts } of content.tags) {
      if (tags.has(name)) byTag.set(name, content)
      add(contentId, content)
      add(imageId, content)
      if (parts !== undefined) for (const part of parts) add(part, content)
    }
  }
  return { byTag, byId }
}

/** Why nothing of a repository is removed, if so. */
function whyNothing({ repository, frozen, settings }: JudgeFacts, policies: readonly Policy[], uses: Uses): KeepReason | undefined {
  if (repository.problem !== undefined) {
    return { code: 'repository-incomplete', text: `its tags could not be read whole, so nothing is removed: ${repository.problem}` }
  }
  if (frozen !== undefined) return { code: frozen.code, text: frozen.text }
  if (policies.length === 0) return { code: 'no-policy', text: 'no policy is for this repository' }
  const active = policies.filter(({ paused }) => !paused)
  if (active.length === 0) return { code: 'policy-paused', text: `${listed(policies)} is paused` }
  const empty = active.filter(({ keep }) => !hasRule(keep))
  if (empty.length > 0) {
    return { code: 'policy-empty', text: `${listed(empty)} says of nothing that it is kept; a policy without rules keeps everything` }
  }
  const [pinned] = uses.unresolved
  if (pinned !== undefined) {
    const why =
      settings.contentIds === 'opaque' ? 'and this registry does not say which tag that is' : 'and no tag of the repository has it'
    const text = `${pinned.object} in ${pinned.cluster} names an image by digest (${pinned.digest ?? ''}), ${why}; nobody knows what to keep for it`
    return { code: 'digest-unresolved', text }
  }
  return undefined
}

/** Whether a policy says of anything that it is kept. */
export function hasRule({ last, days, tags, pattern, semver, protected: names }: Policy['keep']): boolean {
  return last !== undefined || days !== undefined || tags.length > 0 || pattern !== undefined || semver !== undefined || names.length > 0
}

function listed(policies: readonly Policy[]): string {
  return policies.map(({ name }) => name).join(', ')
}

type Kept = ReadonlyMap<Content, readonly KeepReason[]>

/** What one policy keeps, and by which of its rules. */
function keptBy({ keep }: Policy, contents: readonly Content[], { settings, now }: JudgeFacts): Kept {
  const kept = new Map<Content, KeepReason[]>()
  const add = (content: Content, code: KeepCode, text: string): void => {
    const reasons = kept.get(content)
    if (reasons === undefined) kept.set(content, [{ code, text }])
    else reasons.push({ code, text })
  }
  if (keep.last !== undefined) {
    let places = 0
    for (const content of contents) {
      if (places === keep.last) break
      if (content.tags[0]?.isRestored === true) {
        add(content, 'kept-last', `brought back lately; it takes no place of the newest ${keep.last}`)
        continue
      }
      places += 1
      add(content, 'kept-last', `number ${places} of the newest ${keep.last} (those in use count, too)`)
    }
    for (const content of tiedWithLast(contents, keep.last, settings)) {
      const text = `first seen at the same time as number ${keep.last} of the newest ${keep.last}, and this registry does not tell which was pushed later`
      add(content, 'kept-last', text)
    }
  }
  const lines = keep.semver === undefined ? new Map<Content, string>() : newestOfLines(keep.semver, contents)
  for (const content of contents) {
    if (keep.days !== undefined && now - content.pushedMs <= keep.days * dayMs) {
      add(content, 'kept-days', `pushed within the last ${keep.days === 1 ? 'day' : `${keep.days} days`}`)
    }
    const globbed = first(content, (tag) => keep.tags.find((glob) => matchesGlob(glob, tag.name))?.pattern)
    if (globbed !== undefined) add(content, 'kept-tag', `${globbed.tag.name} matches ${globbed.found}`)
    const { pattern } = keep
    const patterned = pattern === undefined ? undefined : content.tags.find(({ patterns }) => patterns.includes(pattern))
    if (patterned !== undefined) add(content, 'kept-pattern', `${patterned.name} matches the pattern ${pattern}`)
    const line = lines.get(content)
    if (line !== undefined) add(content, 'kept-semver', line)
    const named = content.tags.find(({ name }) => keep.protected.includes(name))
    if (named !== undefined) add(content, 'kept-protected', `${named.name} is one of its protected tags`)
  }
  return kept
}

function first<T>(
  { tags }: Content,
  look: (tag: ObservedTag) => T | undefined,
): { readonly tag: ObservedTag; readonly found: T } | undefined {
  for (const tag of tags) {
    const found = look(tag)
    if (found !== undefined) return { tag, found }
  }
  return undefined
}

/**
 * What could be as new as the last of the newest. A registry that tells no push times gives all that was there at the first look the
 * same one; of these only a version says that it is older, a name says nothing.
 */
function tiedWithLast(contents: readonly Content[], count: number, { registry }: Settings): readonly Content[] {
  const last = contents[count - 1]
  if (registry.kind !== 'docker' || last === undefined) return []
  const version = parseVersion(last.tags[0]?.name ?? '')
  return contents.slice(count).filter((content) => {
    if (content.pushedMs !== last.pushedMs) return false
    const other = parseVersion(content.tags[0]?.name ?? '')
    return version === undefined || other === undefined || compareVersions(other, version) >= 0
  })
}

/** The contents with the highest releases of each line. Prereleases are of no line. */
function newestOfLines({ newest, per }: NonNullable<Policy['keep']['semver']>, contents: readonly Content[]): ReadonlyMap<Content, string> {
  const lines = new Map<string, { readonly content: Content; readonly version: Version; readonly tag: string }[]>()
  for (const content of contents) {
    for (const { name } of content.tags) {
      const version = parseVersion(name)
      if (version === undefined || version.prerelease.length > 0) continue
      const line = per === 'all' ? 'all versions' : per === 'major' ? `${version.major}.x` : `${version.major}.${version.minor}.x`
      const members = lines.get(line)
      if (members === undefined) lines.set(line, [{ content, version, tag: name }])
      else members.push({ content, version, tag: name })
    }
  }
  const kept = new Map<Content, string>()
  for (const [line, members] of lines) {
    const sorted = members.toSorted((left, right) => compareVersions(right.version, left.version) || compareTexts(left.tag, right.tag))
    const chosen = new Set<Content>()
    for (const { content, tag } of sorted) {
      // Two tags of one version, as v1.2.3 and 1.2.3 are, take one place when they are one content.
      if (chosen.size >= newest && !chosen.has(content)) break
      if (chosen.has(content)) continue
      chosen.add(content)
      if (!kept.has(content)) kept.set(content, `${tag} is number ${chosen.size} of the newest ${newest} of ${line}`)
    }
  }
  return kept
}

/** What is in use now, and what was lately. */
function useReasons(uses: readonly ImageReference[], { settings, now }: JudgeFacts): KeepReason[] {
  const sorted = uses.toSorted((left, right) => compareTexts(left.cluster, right.cluster) || compareTexts(left.object, right.object))
  const present = sorted.filter(({ seenMs }) => seenMs >= now)
  const [newest] = sorted
    .filter(({ seenMs }) => seenMs < now && now - seenMs <= settings.referenceMemory)
    .toSorted((left, right) => right.seenMs - left.seenMs)
  if (present.length > 0) {
    const named = present.slice(0, mostNamed).map((use) => `${use.object} in ${use.cluster}`)
    const more = present.length > named.length ? ` and ${present.length - named.length} more` : ''
    return [{ code: 'referenced', text: `in use by ${named.join('; ')}${more}` }]
  }
  if (newest === undefined) return []
  const text = `was in use by ${newest.object} in ${newest.cluster} until ${formatInstant(newest.seenMs, settings.timeZone)}`
  return [{ code: 'referenced-lately', text }]
}

/** Says why a content that nothing keeps goes. Of a large repository many are equally old: they have one text in common. */
function expiredTexts(policies: string, { now }: JudgeFacts): (content: Content) => string {
  const texts = new Map<number, string>()
  return ({ pushedMs }) => {
    const ageDays = Math.floor((now - pushedMs) / dayMs)
    const known = texts.get(ageDays)
    if (known !== undefined) return known
    const text = `pushed ${ageDays === 1 ? '1 day' : `${ageDays} days`} ago, not in use, and no rule of ${policies} keeps it`
    texts.set(ageDays, text)
    return text
  }
}

import { formatInstant } from '#shared/pure/civil.ts'
import { type Glob, matchesGlob, mayMatchFrom } from '#shared/pure/glob.ts'
import type { Reason } from '#shared/pure/step.ts'
import { compareTexts } from './compare-texts.ts'
import type { Policy, Settings } from './event.ts'
import { type Content, contentsOf, type ObservedRepository, type ObservedTag } from './image.ts'
import type { Frozen, ImageReference } from './references.ts'
import { TextTable } from './text-table.ts'
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
  const keeps = new Keeps(contents, whole)
  let matched = false
  for (const policy of policies) {
    const before = keeps.count
    // A paused policy removes nothing by itself; what it keeps must not go because somebody paused it.
    keepBy(policy, facts, keeps)
    if (!policy.paused && keeps.count > before) matched = true
  }
  keepGuarded(facts, keeps)
  const useReason = useReasons(facts)
  for (const [place, own] of uses.byPlace) {
    const reason = useReason(own)
    if (reason !== undefined) keeps.add(place, reason)
  }
  let unmatched: KeepReason | undefined
  if (whole === undefined && !matched) {
    const active = listed(policies.filter(({ paused }) => !paused))
    const text = `no rule of ${active} matches any tag of it, so they were not written for it and nothing is removed`
    unmatched = { code: 'policy-matches-nothing', text }
    for (const place of contents.keys()) keeps.add(place, unmatched)
  }
  return { repository: repository.name, policies: names, contents: keeps.verdicts, whole: whole ?? unmatched }
}

/** What keeps each content, gathered rule by rule: most of the contents of a large repository are kept by nothing. */
class Keeps {
  readonly contents: readonly Content[]
  /** Lists of reasons are never changed: contents of which the same is to be said can have the same one. */
  readonly verdicts: readonly { readonly content: Content; keeps: readonly KeepReason[] }[]
  /** Reasons added so far. */
  count = 0

  constructor(contents: readonly Content[], whole: KeepReason | undefined) {
    const keeps = whole === undefined ? [] : [whole]
    this.contents = contents
    this.verdicts = contents.map((content) => ({ content, keeps }))
  }

  add(place: number, reason: KeepReason): void {
    const verdict = this.verdicts[place]
    if (verdict === undefined) return
    verdict.keeps = verdict.keeps.length === 0 ? [reason] : [...verdict.keeps, reason]
    this.count += 1
  }
}

/** Keeps what is on the list of protected images. */
function keepGuarded({ repository, settings }: JudgeFacts, keeps: Keeps): void {
  const guards = settings.protect.filter((glob) => mayMatchFrom(glob, `${repository.name}:`))
  if (guards.length === 0) return
  keepFirst(keeps, ({ name }) => {
    const image = `${repository.name}:${name}`
    if (!guards.some((glob) => matchesGlob(glob, image))) return undefined
    return { code: 'protected', text: `${name} is on the list of protected images` }
  })
}

/** Whether a policy is for a repository. */
export function isFor({ repositories, except }: Policy, repository: string): boolean {
  const matches = (glob: Glob): boolean => matchesGlob(glob, repository)
  return repositories.some(matches) && !except.some(matches)
}

export interface Uses {
  /** By place of the content. */
  readonly byPlace: ReadonlyMap<number, readonly ImageReference[]>
  /** Named by a digest that no tag of the repository has. */
  readonly unresolved: readonly ImageReference[]
}

/** Which content each reference means: by its tag, by its digest, or by both. */
export function usesOf(
  { repository, references, settings }: Pick<JudgeFacts, 'repository' | 'references' | 'settings'>,
  contents: readonly Content[],
): Uses {
  const { byTag, byId, byContent } = findAsked(references, contents)
  const byPlace = new Map<number, ImageReference[]>()
  const unresolved: ImageReference[] = []
  const add = (place: number, reference: ImageReference): void => {
    const uses = byPlace.get(place)
    if (uses === undefined) byPlace.set(place, [reference])
    else uses.push(reference)
  }
  const isExcepted = (place: number, { exceptContents }: ImageReference): boolean =>
    exceptContents !== undefined && contents[place]?.tags.some(({ contentId }) => exceptContents.includes(contentId)) === true
  for (const reference of references) {
    const { tag, digest, content, via } = reference
    const named = tag === undefined ? undefined : byTag.get(tag)
    const pinned = digest === undefined || settings.contentIds === 'opaque' ? undefined : byId.get(digest)
    const written = content === undefined ? undefined : byContent.get(content)
    for (const place of new Set([named, pinned, written])) if (place !== undefined && !isExcepted(place, reference)) add(place, reference)
    // A pod that reports a digest which no tag has any more runs what was under a tag that has moved on: no tag can take it away.
    const isWish = via !== 'pod-status'
    if (digest !== undefined && pinned === undefined && isWish && repository.tags.length > 0) unresolved.push(reference)
  }
  return { byPlace, unresolved }
}

/** The places of the contents that references name, by what they are named: few of the tags of a large repository. */
function findAsked(
  references: readonly ImageReference[],
  contents: readonly Content[],
): Readonly<Record<'byTag' | 'byId' | 'byContent', ReadonlyMap<string, number>>> {
  const [tags, digests] = [new TextTable(references.length), new TextTable(references.length)]
  // Few: those of rollouts.
  const written = new Set<string>()
  for (const [index, { tag, digest, content }] of references.entries()) {
    if (tag !== undefined) tags.firstOf(tag, index)
    if (digest !== undefined) digests.firstOf(digest, index)
    if (content !== undefined) written.add(content)
  }
  const byTag = new Map<string, number>()
  const byId = new Map<string, number>()
  const byContent = new Map<string, number>()
  if (references.length === 0) return { byTag, byId, byContent }
  const areDigests = digests.size > 0
  let place = 0
  for (const content of contents) {
    for (const { name, contentId, imageId, parts } of content.tags) {
      if (tags.has(name)) byTag.set(name, place)
      if (written.has(contentId)) byContent.set(contentId, place)
      if (!areDigests) continue
      if (digests.has(contentId)) byId.set(contentId, place)
      if (imageId !== undefined && digests.has(imageId)) byId.set(imageId, place)
      if (parts !== undefined) for (const part of parts) if (digests.has(part)) byId.set(part, place)
    }
    place += 1
  }
  return { byTag, byId, byContent }
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

/** Keeps what the rules of one policy say. */
function keepBy({ name: policy, keep }: Policy, { settings, now }: JudgeFacts, keeps: Keeps): void {
  const { contents } = keeps
  const reasonOf = (code: KeepCode, text: string): KeepReason => ({ code, text: `${policy}: ${text}`, policy })
  if (keep.last !== undefined) {
    let places = 0
    for (const [place, content] of contents.entries()) {
      if (places === keep.last) break
      if (content.tags[0]?.isRestored === true) {
        keeps.add(place, reasonOf('kept-last', `brought back lately; it takes no place of the newest ${keep.last}`))
        continue
      }
      places += 1
      keeps.add(place, reasonOf('kept-last', `number ${places} of the newest ${keep.last} (those in use count, too)`))
    }
    const text = `first seen at the same time as number ${keep.last} of the newest ${keep.last}, and this registry does not tell which was pushed later`
    const tied = reasonOf('kept-last', text)
    for (const place of tiedWithLast(contents, keep.last, settings)) keeps.add(place, tied)
  }
  if (keep.days !== undefined) {
    const young = reasonOf('kept-days', `pushed within the last ${keep.days === 1 ? 'day' : `${keep.days} days`}`)
    for (const [place, { pushedMs }] of contents.entries()) {
      // The newest come first.
      if (now - pushedMs > keep.days * dayMs) break
      keeps.add(place, young)
    }
  }
  if (keep.tags.length > 0) {
    keepFirst(keeps, ({ name }) => {
      const glob = keep.tags.find((one) => matchesGlob(one, name))
      return glob === undefined ? undefined : reasonOf('kept-tag', `${name} matches ${glob.pattern}`)
    })
  }
  const { pattern } = keep
  if (pattern !== undefined) {
    keepFirst(keeps, ({ name, patterns }) =>
      patterns.includes(pattern) ? reasonOf('kept-pattern', `${name} matches the pattern ${pattern}`) : undefined,
    )
  }
  if (keep.semver !== undefined) {
    for (const [place, line] of newestOfLines(keep.semver, contents)) keeps.add(place, reasonOf('kept-semver', line))
  }
  if (keep.protected.length > 0) {
    const names = new Set(keep.protected)
    keepFirst(keeps, ({ name }) => (names.has(name) ? reasonOf('kept-protected', `${name} is one of its protected tags`) : undefined))
  }
}

/** Keeps each content for what is found for the first of its tags for which something is. */
function keepFirst(keeps: Keeps, look: (tag: ObservedTag) => KeepReason | undefined): void {
  let place = 0
  for (const { tags } of keeps.contents) {
    for (const tag of tags) {
      const reason = look(tag)
      if (reason === undefined) continue
      keeps.add(place, reason)
      break
    }
    place += 1
  }
}

/**
 * The places of what could be as new as the last of the newest. A registry that tells no push times gives all that was there at the
 * first look the same one; of these only a version says that it is older, a name says nothing.
 */
function tiedWithLast(contents: readonly Content[], count: number, { registry }: Settings): readonly number[] {
  const last = contents[count - 1]
  if (registry.kind !== 'docker' || last === undefined) return []
  const version = parseVersion(last.tags[0]?.name ?? '')
  const tied: number[] = []
  for (let place = count; contents[place]?.pushedMs === last.pushedMs; place += 1) {
    const other = parseVersion(contents[place]?.tags[0]?.name ?? '')
    if (version === undefined || other === undefined || compareVersions(other, version) >= 0) tied.push(place)
  }
  return tied
}

interface Release {
  /** Of its content. */
  readonly place: number
  readonly version: Version
  readonly tag: string
}

/** The places of the contents with the highest releases of each line. Prereleases are of no line. */
function newestOfLines({ newest, per }: NonNullable<Policy['keep']['semver']>, contents: readonly Content[]): ReadonlyMap<number, string> {
  const lines: { readonly line: string; readonly members: Release[] }[] = []
  const byNumbers = new Map<number, Map<number, Release[]>>()
  let place = 0
  for (const { tags } of contents) {
    for (const { name } of tags) {
      const version = parseVersion(name)
      if (version === undefined || version.prerelease.length > 0) continue
      const [major, minor] = [per === 'all' ? 0 : version.major, per === 'minor' ? version.minor : 0]
      let byMinor = byNumbers.get(major)
      if (byMinor === undefined) {
        byMinor = new Map()
        byNumbers.set(major, byMinor)
      }
      let members = byMinor.get(minor)
      if (members === undefined) {
        members = []
        byMinor.set(minor, members)
        lines.push({ line: per === 'all' ? 'all versions' : per === 'major' ? `${major}.x` : `${major}.${minor}.x`, members })
      }
      members.push({ place, version, tag: name })
    }
    place += 1
  }
  const kept = new Map<number, string>()
  for (const { line, members } of lines) {
    const sorted = members.sort((left, right) => compareVersions(right.version, left.version) || compareTexts(left.tag, right.tag))
    const chosen = new Set<number>()
    for (const { place, tag } of sorted) {
      // Two tags of one version, as v1.2.3 and 1.2.3 are, take one place when they are one content.
      if (chosen.size >= newest && !chosen.has(place)) break
      if (chosen.has(place)) continue
      chosen.add(place)
      if (!kept.has(place)) kept.set(place, `${tag} is number ${chosen.size} of the newest ${newest} of ${line}`)
    }
  }
  return kept
}

/** Says what of the uses of a content keeps it: what is in use now, or what was lately. */
function useReasons({ settings, now }: JudgeFacts): (uses: readonly ImageReference[]) => KeepReason | undefined {
  const times = new Map<number, string>()
  const timeOf = (ms: number): string => {
    const known = times.get(ms)
    if (known !== undefined) return known
    const text = formatInstant(ms, settings.timeZone)
    times.set(ms, text)
    return text
  }
  return (uses) => {
    const sorted =
      uses.length === 1
        ? uses
        : uses.toSorted((left, right) => compareTexts(left.cluster, right.cluster) || compareTexts(left.object, right.object))
    const present = sorted.filter(({ seenMs }) => seenMs >= now)
    if (present.length > 0) {
      const named = present.slice(0, mostNamed).map((use) => (use.cluster === '' ? use.object : `${use.object} in ${use.cluster}`))
      const more = present.length > named.length ? ` and ${present.length - named.length} more` : ''
      return { code: 'referenced', text: `in use by ${named.join('; ')}${more}` }
    }
    let newest: ImageReference | undefined
    for (const use of sorted)
      if (now - use.seenMs <= settings.referenceMemory && (newest === undefined || use.seenMs > newest.seenMs)) newest = use
    if (newest === undefined) return undefined
    return { code: 'referenced-lately', text: `was in use by ${newest.object} in ${newest.cluster} until ${timeOf(newest.seenMs)}` }
  }
}

/**
 * Says why a content of a repository goes that nothing keeps. Of a large repository many are equally old: they have one text in common.
 *
 * @param policies those that are for the repository and not paused
 */
export function expiredTexts(policies: readonly Policy[], now: number): (content: Content) => string {
  const texts = new Map<number, string>()
  return ({ pushedMs }) => {
    const ageDays = Math.floor((now - pushedMs) / dayMs)
    const known = texts.get(ageDays)
    if (known !== undefined) return known
    const text = `pushed ${ageDays === 1 ? '1 day' : `${ageDays} days`} ago, not in use, and no rule of ${listed(policies)} keeps it`
    texts.set(ageDays, text)
    return text
  }
}

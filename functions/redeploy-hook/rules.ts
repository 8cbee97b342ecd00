import { compareTexts } from '#shared/pure/compare-texts.ts'
import { matchesGlob } from '#shared/pure/glob.ts'
import { compareVersionNames, compareVersions, parseVersion } from '#shared/pure/version.ts'
import type { Rule, Settings, TagChoice } from './event.ts'
import type { ReadRepository, RegistryTag } from './image.ts'
import { satisfies } from './semver-range.ts'

/** What is compared of a tag to tell the newer one of two. */
export interface Pushed {
  readonly name: string
  readonly contentId: string
  readonly pushedMs?: number | undefined
}

/** The tag that a rule wants, and what stood beside it. */
export interface WantedTag {
  readonly tag: RegistryTag
  /** Another tag with other content that was pushed at the same time: the names had to decide. */
  readonly tiedWith?: RegistryTag | undefined
  /** Nobody knows when it was pushed, nor when some tag of other content was. */
  readonly isGuess: boolean
}

/** The regular expressions of all rules: which tags they match has to be found out before anything can be planned. */
export function regexesOf({ rules }: Pick<Settings, 'rules'>): readonly string[] {
  return [...new Set(rules.flatMap(({ tags }) => (tags.regex === undefined ? [] : [tags.regex])))]
}

/** Whether a rule counts a tag. Versions and globs go by its name, regular expressions by what was found out when it was read. */
export function isCounted(choice: TagChoice, { name, patterns }: Pick<RegistryTag, 'name' | 'patterns'>): boolean {
  if (choice.all === true) return true
  if (choice.list !== undefined) return choice.list.includes(name)
  if (choice.regex !== undefined) return patterns.includes(choice.regex)
  if (choice.glob !== undefined) return choice.glob.some((glob) => matchesGlob(glob, name))
  const version = parseVersion(name)
  return version !== undefined && choice.semver !== undefined && satisfies(version, choice.semver)
}

/**
 * The tag of a repository that a rule wants to be deployed: the one that was pushed last, or of a range of versions the highest.
 * Undefined when the rule counts none. The order in which tags come never matters.
 */
export function wantedTag(tags: readonly RegistryTag[], choice: TagChoice): WantedTag | undefined {
  const counted = tags.filter((tag) => isCounted(choice, tag))
  let best: RegistryTag | undefined
  for (const tag of counted) if (best === undefined || compareAge(choice, tag, best) > 0) best = tag
  if (best === undefined) return undefined
  const { contentId, pushedMs } = best
  const rivals = counted.filter((tag) => tag.contentId !== contentId && tag.pushedMs === pushedMs)
  if (choice.semver !== undefined) {
    const version = parseVersion(best.name)
    const tied = rivals.find(({ name }) => isSameVersion(name, version))
    return { tag: best, ...(tied === undefined ? {} : { tiedWith: tied }), isGuess: tied !== undefined && pushedMs === undefined }
  }
  const [tied] = rivals.toSorted((left, right) => compareAge(choice, right, left))
  return { tag: best, ...(tied === undefined ? {} : { tiedWith: tied }), isGuess: tied !== undefined && pushedMs === undefined }
}

/** Looks for what a rule wants of a repository once, however many targets it has. */
export function wantedFinder(): (rule: Rule, repository: ReadRepository) => WantedTag | undefined {
  const found = new Map<ReadRepository, Map<Rule, WantedTag | undefined>>()
  return (rule, repository) => {
    if (repository.problem !== undefined) return undefined
    const own = found.get(repository) ?? new Map()
    found.set(repository, own)
    if (!own.has(rule)) own.set(rule, wantedTag(repository.tags, rule.tags))
    return own.get(rule)
  }
}

/**
 * Which of two tags is the newer one by a rule: positive when the left one is. Times that nobody knows come before all that
 * somebody does. Of two that were pushed at the same time it is the one with the higher version, then by name, so that it is the same
 * one on every machine; 0 for the same name and time.
 */
export function compareAge(choice: TagChoice, left: Pushed, right: Pushed): number {
  const byTime = compareTimes(left.pushedMs, right.pushedMs)
  if (choice.semver === undefined) return byTime || compareVersionNames(left.name, right.name) || compareTexts(left.name, right.name)
  return compareVersionNames(left.name, right.name) || byTime || compareTexts(left.name, right.name)
}

/**
 * Whether a tag as it is now comes after a push that was acted on. The same content under another name is no news. The same tag with
 * other content was pushed again since, unless its time says that it is an older look at it.
 */
export function isNewer(choice: TagChoice, candidate: Pushed, mark: Pushed): boolean {
  if (candidate.contentId === mark.contentId) return false
  if (candidate.name === mark.name) {
    return candidate.pushedMs === undefined || mark.pushedMs === undefined || candidate.pushedMs >= mark.pushedMs
  }
  return compareAge(choice, candidate, mark) > 0
}

function compareTimes(left: number | undefined, right: number | undefined): number {
  if (left === undefined || right === undefined) return Number(left !== undefined) - Number(right !== undefined)
  return left - right
}

function isSameVersion(name: string, version: ReturnType<typeof parseVersion>): boolean {
  const other = parseVersion(name)
  return version !== undefined && other !== undefined && compareVersions(version, other) === 0
}

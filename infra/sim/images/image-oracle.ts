import type { CleanerSettings, SimKeep, SimPolicy } from './image-scene.ts'
import type { Tags } from './image-watch.ts'

const dayMs = 86_400_000
/** The registry is eight hours ahead of UTC, and days are counted there. */
const zoneMs = 8 * 3_600_000
/** What clocks may be off, and a run may take, when days are compared. */
const slackMs = 30 * 60_000

/** The civil day of the registry on which an instant is. */
export function dayOf(ms: number): number {
  return Math.floor((ms + zoneMs) / dayMs)
}

/** An image of a repository with all its names, worked out without the product. */
export interface Image {
  readonly digest: string
  readonly names: readonly string[]
  /** Of its latest push, to the second as the registry tells it. */
  readonly pushedMs: number
}

export function imagesOf(tags: Tags): readonly Image[] {
  return [...Map.groupBy(tags.values(), ({ digest }) => digest)].map(([digest, own]) => ({
    digest,
    names: own.map(({ name }) => name),
    pushedMs: Math.floor(Math.max(...own.map(({ pushedMs }) => pushedMs)) / 1000) * 1000,
  }))
}

export interface Kept {
  /** Digests that rules want to stay, whatever the order of what was pushed at the same time. */
  readonly surely: ReadonlySet<string>
  /** Those of which it may be so. */
  readonly perhaps: ReadonlySet<string>
}

/** The policies by which something of a repository may go. */
export function policiesFor(settings: CleanerSettings, repository: string): readonly SimPolicy[] {
  return keepersOf(settings, repository).filter(({ isPaused }) => !isPaused)
}

/** The policies that keep something of it: those that are paused do so, too. */
function keepersOf({ policies }: CleanerSettings, repository: string): readonly SimPolicy[] {
  return policies.filter(({ repositories }) => repositories.includes(repository))
}

/**
 * What rules keep of a repository at an instant, worked out without the product's own code. `noPlace` are digests that may count
 * for no place among the newest, because they were brought back. All is kept where no policy decides, and where no rule matches anything.
 */
export function keptBy(
  settings: CleanerSettings,
  repository: string,
  tags: Tags,
  now: number,
  noPlace: ReadonlySet<string> = new Set(),
): Kept {
  const images = imagesOf(tags)
  const find = (policies: readonly SimPolicy[], isSure: boolean): ReadonlySet<string> => {
    const certainty = { isSure, noPlace }
    const isKept = (image: Image): boolean => policies.some(({ keep }) => byRule(keep, image, images, now, certainty))
    return new Set(images.filter(isKept).map(({ digest }) => digest))
  }
  if (find(policiesFor(settings, repository), false).size === 0) {
    const all = new Set(images.map(({ digest }) => digest))
    return { surely: all, perhaps: all }
  }
  const keepers = keepersOf(settings, repository)
  return { surely: find(keepers, true), perhaps: find(keepers, false) }
}

interface Certainty {
  readonly isSure: boolean
  readonly noPlace: ReadonlySet<string>
}

function byRule(keep: SimKeep, image: Image, images: readonly Image[], now: number, { isSure, noPlace }: Certainty): boolean {
  const { last, days, prefix, patternPrefix, newestOfLine, protected: names = [] } = keep
  const others = images.filter(({ digest }) => digest !== image.digest)
  if (last !== undefined) {
    const before = isSure
      ? others.filter(({ pushedMs }) => pushedMs >= image.pushedMs)
      : others.filter(({ pushedMs, digest }) => pushedMs > image.pushedMs && !noPlace.has(digest))
    if (before.length < last) return true
  }
  if (days !== undefined && now - image.pushedMs <= days * dayMs + (isSure ? -slackMs : slackMs)) return true
  if (image.names.some((name) => names.includes(name))) return true
  for (const start of [prefix, patternPrefix]) {
    if (start !== undefined && image.names.some((name) => name.startsWith(start))) return true
  }
  return newestOfLine !== undefined && image.names.some((name) => isNewestOfLine(name, image, others, newestOfLine))
}

const releasePattern = /^v(\d+)\.(\d+)\.(\d+)$/

function isNewestOfLine(name: string, image: Image, others: readonly Image[], most: number): boolean {
  const [, major, minor, patch] = releasePattern.exec(name) ?? []
  if (major === undefined) return false
  const isHigher = (other: string): boolean => {
    const [, otherMajor, otherMinor, otherPatch] = releasePattern.exec(other) ?? []
    return otherMajor === major && otherMinor === minor && Number(otherPatch) > Number(patch)
  }
  // Higher releases of the same image take its place, no other one's.
  if (image.names.some(isHigher)) return false
  return others.filter(({ names }) => names.some(isHigher)).length < most
}

/** Digests of images that somebody has put on a list by name. */
export function protectedIn(settings: CleanerSettings, repository: string, tags: Tags): ReadonlySet<string> {
  const names = new Set([
    ...settings.protect.flatMap((name) => (name.startsWith(`${repository}:`) ? [name.slice(repository.length + 1)] : [])),
    ...keepersOf(settings, repository).flatMap(({ keep }) => keep.protected ?? []),
  ])
  return new Set([...tags.values()].filter(({ name }) => names.has(name)).map(({ digest }) => digest))
}

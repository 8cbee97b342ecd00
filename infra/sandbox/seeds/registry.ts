import { pushImage } from '../tcr/images.ts'
import { registryServer } from '../tcr/state.ts'
import type { World } from '../world.ts'

const hourMs = 3_600_000

/** A repository's past to place: releases at an even pace, the newest some time ago. */
export interface HistorySpec {
  /** `namespace/name`. */
  readonly repo: string
  readonly releases: number
  readonly major: number
  readonly everyHours: number
  readonly newestAgeHours: number
  /** Each so-many-th release was built on the main branch first and has a tag of that, too: two tags of one content. */
  readonly mainBuildEvery?: number
  /** Tags that follow the newest release, like `latest`. */
  readonly followers?: readonly string[]
}

/** What a history has left in the registry. */
export interface PlacedHistory {
  readonly repo: string
  /** Version tags, oldest first: `v2.0.0`, `v2.0.1`, … */
  readonly versions: readonly string[]
  /** `ccr.ccs.tencentyun.com/ns/name:tag` of the release so many before the newest. */
  readonly image: (before: number) => string
}

/** Pushes the releases of a repository, oldest first, each at its own time. Ten patches make a minor version. */
export function placeHistory(world: World, spec: HistorySpec, now: number): PlacedHistory {
  const versions: string[] = []
  for (let index = 0; index < spec.releases; index += 1) {
    const version = `v${spec.major}.${Math.floor(index / 10)}.${index % 10}`
    const pushedMs = now - (spec.newestAgeHours + (spec.releases - 1 - index) * spec.everyHours) * hourMs
    const content = `${spec.repo} ${version}`
    const builtAt = pushedMs - hourMs / 2
    if (spec.mainBuildEvery !== undefined && index % spec.mainBuildEvery === 0) {
      const tag = `main-${commitOf(spec.repo, index)}`
      pushImage(world, { repo: spec.repo, tag, content, builtAt }, pushedMs - hourMs / 4)
    }
    pushImage(world, { repo: spec.repo, tag: version, content, builtAt }, pushedMs)
    versions.push(version)
  }
  const newest = versions.at(-1)
  for (const tag of newest === undefined ? [] : (spec.followers ?? [])) {
    pushImage(world, { repo: spec.repo, tag, content: `${spec.repo} ${newest}` }, now - spec.newestAgeHours * hourMs + hourMs / 20)
  }
  return {
    repo: spec.repo,
    versions,
    image: (before) => `${registryServer}/${spec.repo}:${versions.at(-1 - before) ?? newest ?? 'latest'}`,
  }
}

/** Seven hexadecimal digits that stand for a commit; the same for the same repository and number. */
function commitOf(repo: string, index: number): string {
  let hash = 0x811c9dc5
  for (const character of `${repo}#${index}`) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0').slice(0, 7)
}

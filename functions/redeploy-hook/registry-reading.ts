import * as z from 'zod/mini'
import type { CloudReader } from '#cloud/cloud.ts'
import { type DockerRegistry, dockerRegistry } from '#cloud/docker-registry.ts'
import { CloudError } from '#cloud/errors.ts'
import { DescribeImagePersonal } from '#cloud/generated/tcr/describe-image-personal.ts'
import type { TagInfo } from '#cloud/generated/tcr/structures.ts'
import { pages } from '#cloud/pages.ts'
import { RegistryError } from '#cloud/registry-error.ts'
import { quote } from '#shared/pure/clip.ts'
import { compareTexts } from '#shared/pure/compare-texts.ts'
import { parsePlatformTime } from '#shared/pure/platform-time.ts'
import { compareVersions, parseVersion } from '#shared/pure/version.ts'
import { compileTagPattern, type TagPattern } from '#shared/runtime/tag-pattern.ts'
import type { RedeployConfig, Settings } from './event.ts'
import { isDigest, type ReadRepository, type RegistryTag } from './image.ts'
import { isCounted, regexesOf } from './rules.ts'
import { isForRepository } from './targets.ts'

/** A tag as the registry lists it, before it has a time and patterns. */
interface ListedTag {
  readonly name: string
  readonly contentId: string
  /** Absent where the registry does not tell. */
  readonly pushedMs?: number | undefined
  readonly architectures?: readonly string[] | undefined
}

/** Tag, content, and when it was pushed (epoch milliseconds); null where it was there at the first look. */
export const SeenTag = z.tuple([z.string(), z.string(), z.nullable(z.number())])

/** What is remembered of a repository's tags: for the poll, and for times where the registry tells none. Times are epoch milliseconds. */
export const SeenTags = z.strictObject({
  format: z.literal(1),
  /** When it was looked at for the first time. */
  firstMs: z.number(),
  /** In the order of their names. */
  tags: z.array(SeenTag),
})

export type SeenTags = z.infer<typeof SeenTags>

/** What somebody said of a push: its time, if the registry shows the same content. */
export interface PushClaim {
  readonly tag?: string | undefined
  readonly digest?: string | undefined
  readonly pushedMs?: number | undefined
}

/**
 * What was pushed so long before the first look may be told about late. What is older was there already: an event about it that comes
 * now is a replay, and would make an old content look like the newest one.
 */
const lateMs = 10 * 60_000

/** Tags of a Docker registry that are asked for at the same time. */
const readAtOnce = 8

/** The compiled regular expressions of all rules. One that cannot be compiled is refused when the configuration is read. */
export async function patternsOf(settings: Pick<Settings, 'rules'>): Promise<ReadonlyMap<string, TagPattern>> {
  const patterns = new Map<string, TagPattern>()
  for (const text of regexesOf(settings)) {
    const compiled = await compileTagPattern(text)
    if (!compiled.ok) throw new TypeError(compiled.error)
    patterns.set(text, compiled.value)
  }
  return patterns
}

interface Around {
  readonly patterns: ReadonlyMap<string, TagPattern>
  /** As it was remembered. */
  readonly before: SeenTags | undefined
  readonly claims: readonly PushClaim[]
  readonly now: number
}

export interface RepositoryReading {
  readonly repository: ReadRepository
  /** To be remembered; undefined when it could not be read. */
  readonly seen: SeenTags | undefined
}

/**
 * Reads one repository. TCR Personal lists all its tags with their push times. A Docker registry has to be asked for each tag, so
 * only those are that a rule may want or somebody told of; it tells no times, so what was seen earlier gives them: a content that was there at the first
 * look has none, a later one has the time that its push was announced with, or at which it was first seen.
 *
 * What cannot be read becomes the repository's problem. Throws nothing of registry or platform.
 */
export async function readRepository(cloud: CloudReader, name: string, config: RedeployConfig, around: Around): Promise<RepositoryReading> {
  const { settings } = config
  try {
    const listed =
      settings.registry.kind === 'docker' ? await dockerTags(cloud, name, config, around) : await tcrTags(cloud, name, settings)
    const timeOf = timer(listed, around)
    const timed = listed.map((tag) => ({ ...tag, pushedMs: tag.pushedMs ?? timeOf(tag) }))
    const tags = timed.map(
      ({ name: tag, contentId, pushedMs, architectures }): RegistryTag => ({
        name: tag,
        contentId,
        isDigest: isDigest(contentId, settings.contentIds),
        ...(pushedMs === undefined ? {} : { pushedMs }),
        ...(architectures === undefined ? {} : { architectures }),
        patterns: matching(around.patterns, tag),
      }),
    )
    const firstMs = around.before?.firstMs ?? around.now
    const seenTags = timed.map((tag): z.infer<typeof SeenTag> => [tag.name, tag.contentId, tag.pushedMs ?? null])
    const sorted = seenTags.toSorted(([left], [right]) => compareTexts(left, right))
    return { repository: { name, tags }, seen: { format: 1, firstMs, tags: sorted } }
  } catch (error) {
    if (!(error instanceof CloudError || error instanceof RegistryError)) throw error
    return { repository: { name, tags: [], problem: error.message }, seen: undefined }
  }
}

function matching(patterns: ReadonlyMap<string, TagPattern>, name: string): readonly string[] {
  return [...patterns].flatMap(([text, matches]) => (matches(name) ? [text] : []))
}

/**
 * Says when a content came to be under a tag, where the registry does not tell: the latest time that its push was announced with, else
 * when it was first seen. Never later than now, because clocks of senders may be ahead, but after all that was seen before, even where
 * the own clock was set back. An announcement from before what the tag stood for last is a late or repeated one of something else.
 *
 * What is new and not announced, beside something new that is, was pushed at any time since the last look: it counts as pushed right
 * after that, so that it never goes before what is known to be newer than that; its own announcement, which is late, moves it up.
 */
function timer(listed: readonly ListedTag[], { before, claims, now }: Pick<Around, 'before' | 'claims' | 'now'>) {
  const known = new Map(before?.tags.map(([name, content, knownMs]) => [name, { content, knownMs: knownMs ?? undefined }]))
  const seenMs = (before?.tags ?? []).reduce((latest, [, , knownMs]) => Math.max(latest, knownMs ?? 0), before?.firstMs ?? 0)
  const latestMs = Math.max(now, seenMs + 1)
  const firstMs = (before?.firstMs ?? now) - lateMs
  const isKnown = ({ name, contentId }: ListedTag): boolean => known.get(name)?.content === contentId
  const toldFor = (one: ListedTag): readonly number[] => {
    const sinceMs = Math.max(firstMs, isKnown(one) ? 0 : (known.get(one.name)?.knownMs ?? 0))
    return claims.flatMap(({ tag, digest, pushedMs }) =>
      tag === one.name && pushedMs !== undefined && pushedMs >= sinceMs && (digest === undefined || digest === one.contentId)
        ? [Math.min(latestMs, pushedMs)]
        : [],
    )
  }
  const isAnnounced = listed.some((one) => !isKnown(one) && toldFor(one).length > 0)
  return (one: ListedTag): number | undefined => {
    const told = toldFor(one)
    const knownMs = isKnown(one) ? known.get(one.name)?.knownMs : undefined
    if (told.length > 0) return Math.max(knownMs ?? 0, ...told)
    if (isKnown(one) || before === undefined) return knownMs
    return isAnnounced ? seenMs + 1 : latestMs
  }
}

async function tcrTags(cloud: CloudReader, repository: string, { timeZone }: Pick<Settings, 'timeZone'>): Promise<readonly ListedTag[]> {
  try {
    const rows = await pages(cloud, DescribeImagePersonal, { RepoName: repository })
    return rows.map((row) => tcrTagOf(row, repository, timeZone))
  } catch (error) {
    if (error instanceof CloudError && (error.code === 'ResourceNotFound' || error.code === 'ResourceNotFound.ErrNoRepo')) return []
    throw error
  }
}

const Row = z.object({ TagName: z.unknown(), TagId: z.unknown(), PushTime: z.unknown(), Architecture: z.unknown() })

/** As nodes name theirs. With any other word nobody knows what it is for. */
const architectures: ReadonlySet<string> = new Set(['386', 'amd64', 'arm', 'arm64', 'loong64', 'mips64le', 'ppc64le', 'riscv64', 's390x'])

function tcrTagOf(row: TagInfo, repository: string, timeZone: string): ListedTag {
  // A list that is not as the manual says may hold anything.
  const { TagName: name, TagId: contentId, PushTime: time, Architecture: architecture } = z.safeParse(Row, row).data ?? {}
  const refuse = (what: string): RegistryError =>
    new RegistryError(
      'registry.bad-answer',
      `TCR Personal: the tag ${quote(String(name))} of ${repository} ${what}; nothing of the repository is deployed.`,
    )
  if (typeof name !== 'string' || !/^\w[\w.-]{0,127}$/.test(name)) throw refuse('has a name that no tag can have')
  if (typeof contentId !== 'string' || contentId === '') throw refuse('has no TagId')
  const pushedMs = parsePlatformTime(String(time), timeZone)
  if (pushedMs === undefined) throw refuse(`was pushed at ${quote(String(time))}, which is no time such as "2026-10-01 08:00:00"`)
  const isArchitecture = typeof architecture === 'string' && architectures.has(architecture)
  return { name, contentId, pushedMs, ...(isArchitecture ? { architectures: [architecture] } : {}) }
}

async function dockerTags(
  cloud: CloudReader,
  repository: string,
  { settings }: RedeployConfig,
  { patterns, claims }: Pick<Around, 'patterns' | 'claims'>,
): Promise<readonly ListedTag[]> {
  if (settings.registry.kind !== 'docker') return []
  const registry = dockerRegistry(cloud, settings.registry, 'nothing of the repository is deployed')
  const all = ((await registry.tagNames(repository)) ?? []).map((name) => ({ name, patterns: matching(patterns, name) }))
  const names = new Set(all.filter(({ name }) => claims.some(({ tag }) => tag === name)).map(({ name }) => name))
  for (const { tags } of settings.rules.filter((rule) => isForRepository(rule, repository))) {
    const counted = all.filter((one) => isCounted(tags, one)).map(({ name }) => name)
    for (const name of tags.semver === undefined ? counted : highestOf(counted)) names.add(name)
  }
  return await manifestsOf(registry, repository, [...names])
}

/** Those of the highest version: no other one can be wanted, so a registry of many versions is not asked for all of them. */
function highestOf(names: readonly string[]): readonly string[] {
  const versions = names.flatMap((name) => {
    const version = parseVersion(name)
    return version === undefined ? [] : [{ name, version }]
  })
  const [highest] = versions.toSorted((left, right) => compareVersions(right.version, left.version))
  if (highest === undefined) return []
  return versions.filter(({ version }) => compareVersions(version, highest.version) === 0).map(({ name }) => name)
}

async function manifestsOf(registry: DockerRegistry, repository: string, names: readonly string[]): Promise<readonly ListedTag[]> {
  const found: ListedTag[] = []
  const waiting = names.values()
  const read = async (): Promise<void> => {
    for (const name of waiting) {
      const manifest = await registry.manifest(repository, name)
      // A tag that was removed in between is none.
      if (manifest !== undefined) found.push({ name, contentId: manifest.digest, ...architecturesOf(manifest) })
    }
  }
  await Promise.all(Array.from({ length: Math.min(readAtOnce, names.length) }, read))
  return found.toSorted((left, right) => (left.name < right.name ? -1 : 1))
}

/**
 * The same repository with tags that no rule wants, but that clusters run or ran before: what they stand for says what runs, and what a
 * way back leads to. Only a Docker registry has to be asked for them. When it cannot be, that becomes the repository's problem.
 */
export async function withTags(
  cloud: CloudReader,
  repository: ReadRepository,
  names: readonly string[],
  { settings }: RedeployConfig,
): Promise<ReadRepository> {
  const missing = names.filter((name) => repository.tags.every((tag) => tag.name !== name))
  if (settings.registry.kind !== 'docker' || repository.problem !== undefined || missing.length === 0) return repository
  try {
    const found = await manifestsOf(
      dockerRegistry(cloud, settings.registry, 'nothing of the repository is deployed'),
      repository.name,
      missing,
    )
    const more = found.map((tag): RegistryTag => ({ ...tag, isDigest: isDigest(tag.contentId, settings.contentIds), patterns: [] }))
    return { ...repository, tags: [...repository.tags, ...more] }
  } catch (error) {
    if (!(error instanceof CloudError || error instanceof RegistryError)) throw error
    return { name: repository.name, tags: [], problem: error.message }
  }
}

/** An index names its platforms. Of a single image nobody knows without reading its configuration. */
function architecturesOf(
  manifest: { readonly kind: 'image' } | { readonly kind: 'index'; readonly body: Buffer },
): Pick<ListedTag, 'architectures'> {
  if (manifest.kind === 'image') return {}
  const parsed = z.safeParse(Platforms, JSON.parse(manifest.body.toString('utf8')))
  const names = parsed.success ? parsed.data.manifests.flatMap(({ platform }) => platform?.architecture ?? []) : []
  // What BuildKit attaches to an image goes by the platform "unknown".
  const own = [...new Set(names)].filter((name) => name !== 'unknown')
  return own.length === 0 ? {} : { architectures: own }
}

const Platforms = z.object({ manifests: z.array(z.object({ platform: z.optional(z.object({ architecture: z.optional(z.string()) })) })) })

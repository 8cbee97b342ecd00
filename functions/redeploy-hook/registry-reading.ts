import * as z from 'zod/mini'
import type { CloudReader } from '#cloud/cloud.ts'
import { type DockerRegistry, dockerRegistry } from '#cloud/docker-registry.ts'
import { CloudError } from '#cloud/errors.ts'
import { DescribeImagePersonal } from '#cloud/generated/tcr/describe-image-personal.ts'
import type { TagInfo } from '#cloud/generated/tcr/structures.ts'
import { pages } from '#cloud/pages.ts'
import { RegistryError } from '#cloud/registry-error.ts'
import { quote } from '#shared/pure/clip.ts'
import { parsePlatformTime } from '#shared/pure/platform-time.ts'
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

/** What is remembered of a repository's tags: for the poll, and for times where the registry tells none. Times are epoch milliseconds. */
export const SeenTags = z.strictObject({
  format: z.literal(1),
  /** When it was looked at for the first time. */
  firstMs: z.number(),
  /** Tag, content, and when it was pushed; null where it was there at the first look. */
  tags: z.array(z.tuple([z.string(), z.string(), z.nullable(z.number())])),
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

export interface RepositoryReading {
  readonly repository: ReadRepository
  /** To be remembered; undefined when it could not be read. */
  readonly seen: SeenTags | undefined
}

/**
 * Reads one repository. TCR Personal lists all its tags with their push times. A Docker registry has to be asked for each tag, so
 * only those are that a rule counts; it tells no times, so what was seen earlier gives them: a content that was there at the first
 * look has none, a later one has the time that its push was announced with, or at which it was first seen.
 *
 * What cannot be read becomes the repository's problem. Throws nothing of registry or platform.
 */
export async function readRepository(
  cloud: CloudReader,
  name: string,
  config: RedeployConfig,
  around: {
    readonly patterns: ReadonlyMap<string, TagPattern>
    readonly before: SeenTags | undefined
    readonly claims: readonly PushClaim[]
    readonly now: number
  },
): Promise<RepositoryReading> {
  const { settings } = config
  try {
    const listed =
      settings.registry.kind === 'docker' ? await dockerTags(cloud, name, config, around.patterns) : await tcrTags(cloud, name, settings)
    const timed = listed.map((tag) => ({ ...tag, pushedMs: tag.pushedMs ?? timeOf(tag, around) }))
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
    const seen = { format: 1, firstMs, tags: timed.map((tag) => [tag.name, tag.contentId, tag.pushedMs ?? null]) } satisfies SeenTags
    return { repository: { name, tags }, seen }
  } catch (error) {
    if (!(error instanceof CloudError || error instanceof RegistryError)) throw error
    return { repository: { name, tags: [], problem: error.message }, seen: undefined }
  }
}

function matching(patterns: ReadonlyMap<string, TagPattern>, name: string): readonly string[] {
  return [...patterns].flatMap(([text, matches]) => (matches(name) ? [text] : []))
}

/** When a content came to be under a tag, where the registry does not tell. Never later than now: clocks of senders may be ahead. */
function timeOf(
  { name, contentId }: ListedTag,
  { before, claims, now }: Pick<Parameters<typeof readRepository>[3], 'before' | 'claims' | 'now'>,
): number | undefined {
  const [, content, knownMs] = before?.tags.find(([tag]) => tag === name) ?? []
  const isKnown = content === contentId
  if (isKnown && knownMs !== null && knownMs !== undefined) return knownMs
  const earliestMs = (before?.firstMs ?? now) - lateMs
  const told = claims.flatMap(({ tag, digest, pushedMs }) =>
    tag === name && pushedMs !== undefined && pushedMs >= earliestMs && (digest === undefined || digest === contentId) ? [pushedMs] : [],
  )
  if (told.length > 0) return Math.min(now, ...told)
  return before === undefined || isKnown ? undefined : now
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

function tcrTagOf({ TagName: name, TagId: contentId, PushTime, Architecture }: TagInfo, repository: string, timeZone: string): ListedTag {
  const refuse = (what: string): RegistryError =>
    new RegistryError(
      'registry.bad-answer',
      `TCR Personal: the tag ${quote(String(name))} of ${repository} ${what}; nothing of the repository is deployed.`,
    )
  if (typeof name !== 'string' || !/^\w[\w.-]{0,127}$/.test(name)) throw refuse('has a name that no tag can have')
  if (typeof contentId !== 'string' || contentId === '') throw refuse('has no TagId')
  const pushedMs = parsePlatformTime(PushTime, timeZone)
  if (pushedMs === undefined) throw refuse(`was pushed at ${quote(PushTime)}, which is no time such as "2026-10-01 08:00:00"`)
  return { name, contentId, pushedMs, ...(Architecture === '' ? {} : { architectures: [Architecture] }) }
}

async function dockerTags(
  cloud: CloudReader,
  repository: string,
  { settings }: RedeployConfig,
  patterns: ReadonlyMap<string, TagPattern>,
): Promise<readonly ListedTag[]> {
  if (settings.registry.kind !== 'docker') return []
  const registry = dockerRegistry(cloud, settings.registry)
  const rules = settings.rules.filter((rule) => isForRepository(rule, repository))
  const names = ((await registry.tagNames(repository)) ?? []).filter((name) =>
    rules.some(({ tags }) => isCounted(tags, { name, patterns: matching(patterns, name) })),
  )
  return await manifestsOf(registry, repository, names)
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
 * The same repository with tags that no rule counts, but that clusters run: what they stand for says what runs. Only a Docker registry
 * has to be asked for them. When it cannot be, that becomes the repository's problem.
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
    const found = await manifestsOf(dockerRegistry(cloud, settings.registry), repository.name, missing)
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

import { type ImageName, parseImageName } from '#shared/pure/image-name.ts'
import type { RedeployConfig, TagChoice } from './event.ts'
import type { ReadRepository, RegistryTag } from './image.ts'
import { type ContainerRecord, recordFor } from './record.ts'
import { compareAge, type Pushed } from './rules.ts'
import type { ReadContainer, ReadWorkload } from './workload.ts'

/** What a container runs, as far as can be told. */
export interface Running {
  /** Undefined when it is no image's name. */
  readonly name: ImageName | undefined
  readonly record: ContainerRecord
  /** What is in the template is what this function put there last; with a Job, it was copied with that. */
  readonly isOurs: boolean
  /** Absent when nobody can tell. */
  readonly content?: string | undefined
  /** What the template's image stands for in the registry now, where it is of the repository. */
  readonly tag?: RegistryTag | undefined
}

/** Whether the image is one of the repository, by a name that clusters pull from the configured registry by. */
export function isOfRepository(name: ImageName | undefined, repository: string, { settings }: Pick<RedeployConfig, 'settings'>): boolean {
  return name !== undefined && name.repository === repository && isOwnHost(name.host, settings.hosts)
}

/** Whether a host is one of the registry's; case never matters in one. */
export function isOwnHost(host: string, hosts: readonly string[]): boolean {
  return hosts.some((one) => one.toLowerCase() === host)
}

/**
 * What a container runs. A record of ours says it; a digest says it itself; of a tag it is what the registry says now, if the tag was
 * not pushed since its pods came to be, or what the pods report.
 */
export function runningOf(workload: ReadWorkload, container: ReadContainer, repository: ReadRepository, config: RedeployConfig): Running {
  const record = recordFor(workload.record, container.name)
  const name = parseImageName(container.image)
  const { set } = record
  // The template of a Job cannot be changed: what counts is what its copies run.
  const isOurs = set !== undefined && (set.image === container.image || (workload.ref.kind === 'Job' && set.job !== undefined))
  const facts = { name, record, isOurs }
  if (!isOfRepository(name, repository.name, config)) return isOurs ? { ...facts, content: set.content } : facts
  const tag = tagOf(name, repository)
  if (isOurs && set.content !== undefined) return { ...facts, content: set.content, tag }
  if (name?.digest !== undefined) return { ...facts, content: name.digest, tag }
  if (tag === undefined) return facts
  const content = contentOfTag(tag, container, Math.max(workload.podsSinceMs, set?.atMs ?? 0))
  return { ...facts, content, tag }
}

/** Whether only the pods themselves can say what a container runs: its tag was pushed since they may have come to be. */
export function isContentUnknown({ content, tag }: Running): boolean {
  return content === undefined && tag !== undefined
}

function tagOf(name: ImageName | undefined, { tags }: ReadRepository): RegistryTag | undefined {
  if (name?.digest === undefined) return tags.find((tag) => tag.name === name?.tag)
  return tags.find((tag) => tag.contentId === name.digest)
}

function contentOfTag(tag: RegistryTag, { running, contentMark }: ReadContainer, podsSinceMs: number): string | undefined {
  const { contentId, pushedMs, isDigest } = tag
  if (pushedMs === undefined || pushedMs <= podsSinceMs || contentMark === contentId) return contentId
  if (!isDigest || running === undefined) return undefined
  const [first, ...others] = new Set(running)
  // While pods of two contents run, the rollout to the newer one may be on its way, or stuck: nobody knows.
  return others.length === 0 ? first : undefined
}

/**
 * The pushes that a candidate has to come after: what was acted on, and where a person has put something else there since, that as
 * well; once what was acted on has failed and was put back, what runs. Empty when nobody can tell how old it is what runs.
 */
export function pushesBefore(running: Running, candidate: RegistryTag, choice: TagChoice, repository: ReadRepository): readonly Pushed[] {
  const { mark, set, bad = [] } = running.record
  if (mark === undefined) return runningPushes(running, candidate, choice, repository)
  const acted = { name: mark.tag, contentId: mark.content, pushedMs: mark.pushedMs }
  if (!running.isOurs) return [acted, ...runningPushes(running, candidate, choice, repository)]
  const isGivenUp = set?.state === 'failed' && set.content !== mark.content && bad.some(({ content }) => content === mark.content)
  const own = isGivenUp ? runningPushes(running, candidate, choice, repository) : []
  return own.length > 0 ? own : [acted]
}

/** The push of what runs, as the registry shows it now. */
function runningPushes(
  { name, content, tag, record }: Running,
  candidate: RegistryTag,
  choice: TagChoice,
  { tags }: ReadRepository,
): readonly Pushed[] {
  if (name?.digest !== undefined) {
    const own = tags.filter(({ contentId }) => contentId === content)
    return own.toSorted((left, right) => compareAge(choice, right, left)).slice(0, 1)
  }
  if (tag !== undefined) {
    // Where the tag was pushed since the pods came to be, they run something older than it stands for: that is no newer push than a
    // candidate which is what it stands for.
    const isMoved = content !== tag.contentId && tag.contentId === candidate.contentId
    return [isMoved ? { name: tag.name, contentId: content ?? '' } : tag]
  }
  // A version says how old it is, even where it is gone from the registry.
  return choice.semver !== undefined && name?.tag !== undefined && record.mark === undefined ? [{ name: name.tag, contentId: '' }] : []
}

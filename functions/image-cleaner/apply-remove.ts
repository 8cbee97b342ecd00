import type { StepResult } from '#shared/pure/step.ts'
import type { RemoveChange } from './image-change.ts'
import { copyTag } from './quarantine.ts'
import { readTags, type TagsNow } from './read-tags.ts'
import type { ListedTag, RegistryWriter } from './registry.ts'

export type RemoveCode =
  | 'world-changed'
  | 'already-gone'
  | 'removed'
  | 'partly-removed'
  | 'shares-content'
  | 'not-copied'
  | 'not-removed'
  | 'collateral'

type RemovedTag = RemoveChange['tags'][number]

/** Why a tag of a batch is left alone. */
interface LeftAlone {
  readonly name: string
  readonly code: RemoveCode
  readonly text: string
}

/**
 * Removes the tags of one batch. Right before, each tag is read again: one that was pushed again, or that points at something else
 * now, is left alone, and with it every tag of the same content, as is content that the registry knows under a name that is
 * not of this batch. A tag that is gone already is done. When the tag that was to stay is gone, nothing is removed.
 *
 * With a quarantine each tag is copied there first, and the copy looked at; that takes time, so that the tags are read once more
 * after it. Afterwards the tags are read again: the registry does not say what it removed. Throws RegistryError and CloudError;
 * what was in doubt then is settled by reading.
 */
export async function applyRemove(change: RemoveChange, registry: RegistryWriter): Promise<StepResult> {
  const { repository, tags, stays, total } = change
  const reread = async (): Promise<TagsNow> => await readTags(registry, repository, [...tags.map(({ name }) => name), stays.name], total)
  const copies = await copyFirst(change, reread, registry)
  if (copies.problem !== undefined) return { outcome: 'Failed', reason: { code: 'not-copied' satisfies RemoveCode, text: copies.problem } }
  const outside = await namesOutside(change, registry)
  // Nothing is asked for between this look and the removal.
  const before = await reread()
  const there = tags.filter(({ name }) => before.byName.has(name))
  if (there.length === 0)
    return { outcome: 'NoChange', reason: { code: 'already-gone' satisfies RemoveCode, text: 'somebody has removed them already' } }
  if (before.byName.get(stays.name) === undefined) {
    return skipped('world-changed', `the tag ${stays.name}, which was to stay, is gone; the next run decides what stays instead`)
  }

  const left = leftAlone(change, there, before, outside, copies.names)
  const going = there.filter(({ name }) => !left.some((one) => one.name === name))
  const [first] = left
  if (going.length === 0 && first !== undefined) return skipped(first.code, leftText(left))

  const goingNames = going.map(({ name }) => name)
  const { requestId, wasGone } = await registry.remove(repository, goingNames)
  if (wasGone === true)
    return { outcome: 'NoChange', reason: { code: 'already-gone' satisfies RemoveCode, text: 'the repository is gone' } }
  const after = await readTags(registry, repository, [...goingNames, stays.name], total)
  const call = requestId === undefined ? {} : { requestId }
  const harmed = collateral(before, after, goingNames, stays.name)
  if (harmed.length > 0) {
    const text = `with ${goingNames.length} tags the registry removed others, too: ${harmed.join(', ')}. Bring them back by \`longshore restore\` or from where they were built, and stop this function until it is known why`
    return { outcome: 'Failed', reason: { code: 'collateral' satisfies RemoveCode, text }, ...call }
  }
  const remaining = goingNames.filter((name) => after.byName.get(name) !== undefined)
  if (remaining.length > 0) {
    const text = `the registry accepted the removal, but ${remaining.length} of ${goingNames.length} tags are still there: ${remaining.join(', ')}`
    return { outcome: 'Failed', reason: { code: 'not-removed' satisfies RemoveCode, text }, ...call }
  }
  if (left.length === 0) return { outcome: 'Applied', ...call }
  const text = `${goingNames.length} tags were removed, ${left.length} left alone: ${leftText(left)}`
  return { outcome: 'Applied', reason: { code: 'partly-removed' satisfies RemoveCode, text }, ...call }
}

function skipped(code: RemoveCode, text: string): StepResult {
  return { outcome: 'Skipped', reason: { code, text } }
}

function leftText(left: readonly LeftAlone[]): string {
  return left.map(({ name, text }) => `${name} ${text}`).join('; ')
}

/** What is in the quarantine of a batch. */
type Copies = { readonly names: ReadonlySet<string> | undefined; readonly problem?: undefined } | { readonly problem: string }

/** Copies the tags that are still what was planned, where there is a quarantine. A copy counts once it has been seen. */
async function copyFirst(
  { repository, tags, quarantine }: RemoveChange,
  reread: () => Promise<TagsNow>,
  registry: RegistryWriter,
): Promise<Copies> {
  if (quarantine === undefined) return { names: undefined }
  const { byName } = await reread()
  const names = new Set<string>()
  for (const tag of tags) {
    const found = byName.get(tag.name)
    if (found === undefined || whyChanged(tag, found) !== undefined) continue
    const place = { repository: quarantine.repository, tag: copyTag(repository, tag.name) }
    await registry.copy({ repository, tag: tag.name }, place)
    const copy = await registry.tag(place.repository, place.tag)
    if (copy?.contentId !== tag.contentId) {
      const text = `the registry accepted the copy of ${tag.name} to ${place.repository}:${place.tag}, but ${copy === undefined ? 'it is not there' : 'something else is there'}; nothing was removed`
      return { problem: text }
    }
    names.add(tag.name)
  }
  return { names }
}

/** Which tags of a batch have to stay after all. What one tag has to, all tags of its content have to. */
function leftAlone(
  { tags, stays }: RemoveChange,
  there: readonly RemovedTag[],
  { byName, isWhole }: TagsNow,
  outside: ReadonlyMap<string, string>,
  copied: ReadonlySet<string> | undefined,
): readonly LeftAlone[] {
  const planned = new Set(tags.map(({ name }) => name))
  const left = new Map<string, LeftAlone>()
  for (const tag of there) {
    const why = whyChanged(tag, byName.get(tag.name)) ?? (copied?.has(tag.name) === false ? 'came back while it was copied' : undefined)
    if (why !== undefined) left.set(tag.name, { name: tag.name, code: 'world-changed', text: why })
  }
  const stay = new Map(isWhole ? [...byName.values()].filter(({ name }) => !planned.has(name)).map((tag) => [tag.contentId, tag.name]) : [])
  // The kept tag may have been moved onto what is to go, and so may one that is left alone.
  for (const name of [stays.name, ...left.keys()]) stay.set(byName.get(name)?.contentId ?? '', name)
  const contents = [...Map.groupBy(there, ({ content }) => content).values()]
  for (let before = -1; before < left.size; ) {
    before = left.size
    for (const own of contents) leaveContent(own, left, (contentId) => outside.get(contentId) ?? stay.get(contentId))
    for (const name of left.keys()) stay.set(byName.get(name)?.contentId ?? '', name)
  }
  return [...left.values()]
}

/** Leaves all tags of one content alone when one of them has to be. */
function leaveContent(own: readonly RemovedTag[], left: Map<string, LeftAlone>, whoStays: (contentId: string) => string | undefined): void {
  const waiting = own.filter(({ name }) => !left.has(name))
  const changed = own.find(({ name }) => left.get(name)?.code === 'world-changed')
  if (changed !== undefined) {
    const text = `was of one content with ${changed.name}, which has changed`
    for (const { name } of waiting) left.set(name, { name, code: 'world-changed', text })
    return
  }
  const other = own.map(({ contentId }) => whoStays(contentId)).find((name) => name !== undefined)
  if (other === undefined) return
  for (const { name } of waiting) left.set(name, { name, code: 'shares-content', text: `has the content of ${other}, which is not to go` })
}

/** By content of the batch the name of a tag that has it and is not of the batch, by what the registry says itself. */
async function namesOutside({ repository, tags }: RemoveChange, registry: RegistryWriter): Promise<ReadonlyMap<string, string>> {
  const planned = new Set(tags.map(({ name }) => name))
  const asked = [...Map.groupBy(tags, (one) => one.contentId)].map(async ([contentId, [tag]]) => {
    const same = tag === undefined ? [] : await registry.sameContent(repository, tag.name)
    return { contentId, other: same.find((name) => !planned.has(name)) }
  })
  const found = await Promise.all(asked)
  return new Map(found.flatMap(({ contentId, other }) => (other === undefined ? [] : [[contentId, other] as const])))
}

function whyChanged(planned: RemovedTag, found: ListedTag | undefined): string | undefined {
  if (found === undefined) return undefined
  if (found.contentId !== planned.contentId || (found.imageId ?? '') !== (planned.imageId ?? ''))
    return 'points at something else since it was planned'
  // A registry that tells no times cannot say whether the same content was pushed once more.
  if (found.pushedMs !== undefined && found.pushedMs !== planned.pushedMs) return 'was pushed again since it was planned'
  return undefined
}

/** What is gone and was not to go. Of tags that somebody else removed at the same time nobody can tell; better to ask once too often. */
function collateral(before: TagsNow, after: TagsNow, removed: readonly string[], stays: string): readonly string[] {
  const watched = before.isWhole && after.isWhole ? [...before.byName.keys()] : [stays]
  return watched.filter((name) => !removed.includes(name) && !after.byName.has(name))
}

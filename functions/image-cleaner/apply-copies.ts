import type { StepResult } from '#shared/pure/step.ts'
import type { PurgeChange, RestoreChange } from './image-change.ts'
import { readTags } from './read-tags.ts'
import type { RegistryWriter } from './registry.ts'

export type CopyCode =
  | 'name-taken'
  | 'in-place'
  | 'copy-gone'
  | 'no-quarantine'
  | 'not-restored'
  | 'already-gone'
  | 'not-removed'
  | 'world-changed'

/**
 * Brings removed tags back from their copies. A name that somebody has pushed anew since is theirs; one that is back already is
 * done. Throws RegistryError and CloudError.
 */
export async function applyRestore(change: RestoreChange, registry: RegistryWriter, quarantine: string | undefined): Promise<StepResult> {
  if (quarantine === undefined) {
    return held(
      'no-quarantine',
      'no quarantine is configured any more, so nobody knows where the copies are: set quarantine.repository again',
    )
  }
  const { repository, tags } = change
  let requestId: string | undefined
  const said: { readonly outcome: StepResult['outcome']; readonly code: CopyCode; readonly text: string }[] = []
  for (const { name, copy, contentId } of tags) {
    const present = await registry.tag(repository, name)
    if (present !== undefined) {
      said.push(
        present.contentId === contentId
          ? { outcome: 'NoChange', code: 'in-place', text: `${name} is there` }
          : { outcome: 'Skipped', code: 'name-taken', text: `${name} was pushed anew with other content, and that stays` },
      )
      continue
    }
    const kept = await registry.tag(quarantine, copy)
    if (kept === undefined || kept.contentId !== contentId) {
      const text = `the copy of ${name} is ${kept === undefined ? 'gone' : 'something else now'}: push it again from where it was built`
      said.push({ outcome: 'Failed', code: 'copy-gone', text })
      continue
    }
    const copied = await registry.copy({ repository: quarantine, tag: copy }, { repository, tag: name })
    requestId = copied.requestId ?? requestId
    const back = await registry.tag(repository, name)
    said.push(
      back?.contentId === contentId
        ? { outcome: 'Applied', code: 'in-place', text: `${name} is back` }
        : { outcome: 'Failed', code: 'not-restored', text: `the registry accepted the copy, but ${name} is not there` },
    )
  }
  const worst =
    (['Failed', 'Applied', 'Skipped', 'NoChange'] as const).find((outcome) => said.some((one) => one.outcome === outcome)) ?? 'NoChange'
  const first = said.find(({ outcome }) => outcome === worst)
  const call = requestId === undefined ? {} : { requestId }
  if (worst === 'Applied' && said.every(({ outcome }) => outcome === 'Applied')) return { outcome: 'Applied', ...call }
  const text = said.map((one) => one.text).join('; ')
  return { outcome: worst, reason: { code: first?.code ?? ('in-place' satisfies CopyCode), text }, ...call }
}

/** Removes copies whose time is over, and nothing else that has their names by now. Throws RegistryError and CloudError. */
export async function applyPurge(change: PurgeChange, registry: RegistryWriter): Promise<StepResult> {
  const { repository, tags } = change
  const names = tags.map(({ name }) => name)
  const before = await readTags(registry, repository, names, Number.POSITIVE_INFINITY)
  const going = tags.filter(({ name, contentId }) => before.byName.get(name)?.contentId === contentId).map(({ name }) => name)
  if (going.length === 0) {
    const isGone = names.every((name) => !before.byName.has(name))
    return isGone
      ? { outcome: 'NoChange', reason: { code: 'already-gone' satisfies CopyCode, text: 'somebody has removed them already' } }
      : { outcome: 'Skipped', reason: { code: 'world-changed' satisfies CopyCode, text: 'something else has their names now' } }
  }
  const { requestId } = await registry.remove(repository, going)
  const after = await readTags(registry, repository, going, Number.POSITIVE_INFINITY)
  const call = requestId === undefined ? {} : { requestId }
  const remaining = going.filter((name) => after.byName.has(name))
  if (remaining.length === 0) return { outcome: 'Applied', ...call }
  const text = `the registry accepted the removal, but ${remaining.length} of ${going.length} copies are still there: ${remaining.join(', ')}`
  return { outcome: 'Failed', reason: { code: 'not-removed' satisfies CopyCode, text }, ...call }
}

function held(code: CopyCode, text: string): StepResult {
  return { outcome: 'Held', reason: { code, text } }
}

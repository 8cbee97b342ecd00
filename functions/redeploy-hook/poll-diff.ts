import { compareTexts } from '#shared/pure/compare-texts.ts'
import type { ReadRepository } from './image.ts'
import type { PushHint } from './push-hint.ts'
import type { SeenTags } from './registry-reading.ts'

/** The name of the poll among the sources. */
export const pollSource = 'poll'

/** A line of the log of the registry's own triggers: something was pushed, whatever became of the trigger. */
export interface TriggerLogLine {
  readonly repository: string
  readonly tag: string
  readonly trigger: string
  readonly atMs: number
  /** What the cluster answered: 0 or 2xx when the workload was updated. */
  readonly returnCode?: number | undefined
  readonly message?: string | undefined
}

/**
 * The pushes between two looks at a repository: tags that are new, that stand for other content, or that were pushed again. The first
 * look is silent, because nobody knows what of it is new; so is one that failed. What is gone is no push. Sorted by name.
 */
export function pollDiff(before: SeenTags | undefined, now: ReadRepository): readonly PushHint[] {
  if (before === undefined || now.problem !== undefined) return []
  const seen = new Map(before.tags.map(([name, content, pushedMs]) => [name, { content, pushedMs: pushedMs ?? undefined }]))
  return now.tags
    .filter(({ name, contentId, pushedMs }) => {
      const one = seen.get(name)
      return one === undefined || one.content !== contentId || one.pushedMs !== pushedMs
    })
    .toSorted((left, right) => compareTexts(left.name, right.name))
    .map(({ name, contentId, isDigest, pushedMs }) => ({
      source: pollSource,
      repository: now.name,
      tag: name,
      ...(isDigest ? { digest: contentId } : {}),
      ...timeOf(pushedMs),
    }))
}

/**
 * Pushes that the log of the registry's triggers tells of, from after an instant on. A second source: it also names what was pushed and
 * replaced again between two looks. The same push told by several triggers is one hint.
 */
export function logHints(lines: readonly TriggerLogLine[], afterMs: number): readonly PushHint[] {
  const hints = new Map<string, PushHint>()
  for (const { repository, tag, atMs } of lines) {
    if (atMs <= afterMs) continue
    const key = `${repository}:${tag}`
    const seenMs = hints.get(key)?.pushedMs ?? 0
    hints.set(key, { source: pollSource, repository, tag, pushedMs: Math.max(seenMs, atMs) })
  }
  return [...hints].toSorted(([left], [right]) => compareTexts(left, right)).map(([, hint]) => hint)
}

function timeOf(pushedMs: number | undefined): { readonly pushedMs?: number } {
  return pushedMs === undefined ? {} : { pushedMs }
}

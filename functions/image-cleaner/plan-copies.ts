import { formatInstant } from '#shared/pure/civil.ts'
import { digestOf } from '#shared/pure/digest.ts'
import type { ImageCleanerConfig } from './event.ts'
import type { PurgeChange, RestoreChange } from './image-change.ts'
import type { ImageStep } from './plan-repository.ts'

/** A removed tag of which a copy is kept. */
export interface Copy {
  /** Where it was. */
  readonly repository: string
  readonly name: string
  readonly contentId: string
  /** The tag of the copy in the quarantine. */
  readonly copy: string
  /** Until when it is kept, epoch milliseconds. */
  readonly untilMs: number
  /** The policies by which it went. */
  readonly policies: readonly string[]
  /** When it was brought back, if it was since it went. */
  readonly backMs?: number | undefined
}

/** What somebody asks for and cannot get. */
export interface MissingImage {
  readonly repository: string
  readonly tag?: string | undefined
  readonly digest?: string | undefined
  readonly cluster: string
  readonly object: string
  /** `ImagePullBackOff` or `ErrImagePull`. */
  readonly why: string
}

export interface ObservedCopies {
  readonly kind: 'copies'
  /** The quarantine's repository. */
  readonly quarantine: string
  readonly copies: readonly Copy[]
  /** Tags in the quarantine that nothing is remembered of. */
  readonly unknown: readonly string[]
  readonly missing: readonly MissingImage[]
  /** Why nobody can tell what is asked for, if so: then no copy goes. */
  readonly frozen?: string | undefined
  /** It is only looked for what is missed: no copy goes, and nothing is said of those that stay. */
  readonly isGlance?: boolean | undefined
}

/** Copies purged with one call. */
const batchSize = 20

/**
 * What becomes of the copies of removed tags. One that somebody asks for and cannot get comes back at once, whatever its age; one
 * whose time is over goes, unless somebody may need it whom nobody can ask. A copy that nobody remembers is left and reported.
 */
export function planCopies(observed: ObservedCopies, { settings }: ImageCleanerConfig, now: number): readonly ImageStep[] {
  const { quarantine, copies, unknown, missing, frozen, isGlance = false } = observed
  const steps: ImageStep[] = []
  const wanted = new Set<Copy>()
  for (const copy of copies) {
    const asks = missing.find((image) => isOf(image, copy))
    if (asks === undefined) continue
    wanted.add(copy)
    steps.push(restoreStep(copy, `${asks.object} in ${asks.cluster} asks for it and cannot get it (${asks.why})`))
  }
  if (isGlance) return steps
  // Copies of one content go together: some registries remove a content with all its tags, and others refuse to.
  const contents = [...Map.groupBy(copies, ({ contentId }) => contentId).values()]
  const due = contents.filter((own) => own.every((copy) => !wanted.has(copy) && copy.untilMs <= now))
  if (frozen !== undefined && due.length > 0) {
    const text = `${due.flat().length} copies whose time is over are kept until it is known again what is in use: ${frozen}`
    steps.push({
      key: `frozen:${digestOf([quarantine])}`,
      target: quarantine,
      before: '',
      after: '',
      reason: { code: 'copies-frozen', text },
      verdict: 'held',
    })
  }
  const going = frozen === undefined ? due : []
  const over = going.flat()
  for (const batch of batchesOf(going)) {
    const change: PurgeChange = {
      kind: 'purge',
      repository: quarantine,
      tags: batch.map(({ copy, contentId }) => ({ name: copy, contentId })),
    }
    steps.push({
      key: `purge:${digestOf([quarantine, ...batch.flatMap(({ copy, untilMs }) => [copy, untilMs])])}`,
      target: quarantine,
      before: `${batch.length} copies`,
      after: 'removed',
      reason: {
        code: 'copy-expired',
        text: `their time is over: ${batch.map(({ repository, name }) => `${repository}:${name}`).join(', ')}`,
      },
      verdict: 'change',
      change,
    })
  }
  const gone = new Set(over)
  const kept = copies.filter((copy) => !wanted.has(copy) && !gone.has(copy) && copy.backMs === undefined)
  if (kept.length > 0) {
    const next = Math.max(
      now,
      kept.reduce((first, { untilMs }) => Math.min(first, untilMs), Number.POSITIVE_INFINITY),
    )
    const what = kept.length === 1 ? '1 removed tag' : `${kept.length} removed tags`
    const text = `${what} can still be brought back with \`longshore restore\`; the first copy goes at ${formatInstant(next, settings.timeZone)}`
    steps.push({
      key: `copies:${digestOf([quarantine])}`,
      target: quarantine,
      before: '',
      after: '',
      reason: { code: 'copies-kept', text },
      verdict: 'no-change',
    })
  }
  if (unknown.length > 0) {
    const text = `nobody remembers what these ${unknown.length} tags are copies of, so they are left alone: ${unknown.slice(0, 5).join(', ')}`
    steps.push({
      key: `unknown:${digestOf([quarantine])}`,
      target: quarantine,
      before: '',
      after: '',
      reason: { code: 'copy-unknown', text },
      verdict: 'held',
    })
  }
  return steps
}

function batchesOf(contents: readonly (readonly Copy[])[]): readonly (readonly Copy[])[] {
  const batches: Copy[][] = []
  for (const own of contents) {
    const current = batches.at(-1)
    if (current !== undefined && current.length + own.length <= batchSize) current.push(...own)
    else batches.push([...own])
  }
  return batches
}

/** The step that brings a removed tag back. */
export function restoreStep(copy: Copy, why: string): ImageStep {
  const { repository, name, contentId, untilMs, policies } = copy
  const change: RestoreChange = { kind: 'restore', repository, tags: [{ name, copy: copy.copy, contentId }], policies: [...policies] }
  return {
    key: `restore:${digestOf([repository, name, contentId, untilMs])}`,
    target: repository,
    before: `tag ${name} removed`,
    after: `tag ${name}`,
    reason: { code: 'pull-failed', text: why },
    verdict: 'change',
    change,
  }
}

function isOf(image: MissingImage, { repository, name, contentId }: Copy): boolean {
  if (image.repository !== repository) return false
  return image.digest === undefined ? image.tag === name : image.digest === contentId
}

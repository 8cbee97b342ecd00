import { digestOf } from '#shared/pure/digest.ts'
import type { Step } from '#shared/pure/step.ts'
import { type CanaryState, canaryDay } from './canary.ts'
import type { ImageCleanerConfig } from './event.ts'
import type { ObservedRepository } from './image.ts'
import type { ImageChange, RemoveChange, RestoreChange } from './image-change.ts'
import { type ContentVerdict, isFor, judgeRepository, type KeepReason, type RepositoryVerdict } from './policy.ts'
import { copyTag } from './quarantine.ts'
import type { Frozen, ImageReference } from './references.ts'
import { sizeText } from './size-text.ts'

/** A repository and everything that decides about it. Plain data. */
export interface ObservedImages {
  readonly kind: 'repository'
  readonly repository: ObservedRepository
  readonly references: readonly ImageReference[]
  readonly frozen?: Frozen | undefined
  /** By name of the policy. */
  readonly canaries: Readonly<Record<string, CanaryState>>
  /** Tags removed, or planned to be, before this repository's turn. */
  readonly removed: {
    readonly inRun: number
    readonly today: number
    readonly ofRepositoryToday: number
    readonly byPolicy: Readonly<Record<string, number>>
  }
  /** Tags of the repositories that had their turn before in this run, by the policy that is for them. */
  readonly counted?: Readonly<Record<string, number>> | undefined
}

export type ImageStep = Step<ImageChange>

/** The verdicts over a repository, and which of what may go goes now. */
export interface RepositoryPlan {
  readonly verdict: RepositoryVerdict
  /** Of what nothing keeps that which goes now, the oldest first. */
  readonly going: readonly ContentVerdict[]
  /** Why the rest stays for now, if there is any. */
  readonly notNow?: NotNow | undefined
}

interface NotNow {
  readonly code: 'over-cap' | 'canary'
  readonly text: string
}

const dayMs = 86_400_000

/**
 * Decides what of a repository goes now: the oldest first, whole contents, within what the caps and the policies' canaries leave.
 * What is not removed for lack of room has a reason of its own and goes another day.
 */
export function decideRepository(observed: ObservedImages, config: ImageCleanerConfig, now: number): RepositoryPlan {
  const { repository, references, frozen } = observed
  const { settings } = config
  const verdict = judgeRepository({ repository, references, frozen, settings, now })
  const { room, notNow } = roomOf(observed, config, now)
  const going: ContentVerdict[] = []
  let taken = 0
  let isFull = false
  for (let place = verdict.contents.length - 1; place >= 0; place -= 1) {
    const one = verdict.contents[place]
    if (one === undefined || one.keeps.length > 0) continue
    const count = one.content.tags.length
    if (taken + count > room) {
      isFull = true
      continue
    }
    taken += count
    going.push(one)
  }
  return { verdict, going, ...(isFull ? { notNow } : {}) }
}

interface Room {
  /** Tags of this repository that it leaves. */
  readonly room: number
  /** Of what it does not leave room for. */
  readonly notNow: NotNow
}

/** What limits most how much goes now. */
function roomOf({ repository, removed, canaries }: ObservedImages, { settings }: ImageCleanerConfig, now: number): Room {
  const { perRepository, perRun, perDay } = settings.caps
  const share = Math.floor((repository.tags.length + removed.ofRepositoryToday) * (perRepository.percent / 100))
  const cap = (room: number, text: string): Room => ({ room: Math.max(0, room), notNow: { code: 'over-cap', text } })
  const rooms = [
    cap(share - removed.ofRepositoryToday, `at most ${perRepository.percent} % of a repository's tags go on one day, here ${share}`),
    cap(perRun - removed.inRun, `at most ${perRun} tags go in one run, and ${removed.inRun} are gone or planned already`),
    cap(perDay - removed.today, `at most ${perDay} tags go on one day, and ${removed.today} are gone or planned already`),
  ]
  for (const policy of settings.policies.filter((one) => !one.paused && isFor(one, repository.name))) {
    const { most, spent } = canaryDay(policy, canaries[policy.name], settings, now)
    // In what was remembered and in what went since.
    const gone = spent + (removed.byPolicy[policy.name] ?? 0)
    rooms.push({ room: Math.max(0, most - gone), notNow: { code: 'canary', text: canaryText(policy.name, most, gone) } })
  }
  const first = cap(perRepository.amount - removed.ofRepositoryToday, `at most ${perRepository.amount} tags of a repository go on one day`)
  return rooms.reduce((tightest, one) => (one.room < tightest.room ? one : tightest), first)
}

function canaryText(policy: string, most: number, gone: number): string {
  const already = gone === 0 ? '' : `, of which ${gone} ${gone === 1 ? 'is' : 'are'} gone or planned already`
  return `the policy ${policy} starts small, as it is new, was edited or had something brought back: ${most === 1 ? '1 tag' : `${most} tags`} today${already}, and the double tomorrow`
}

/**
 * The steps for one repository: one that says what is kept and why, and one for each batch of tags that goes. A content's tags are
 * always in one batch. With nothing to remove there is only the first.
 */
export function planRepository(observed: ObservedImages, config: ImageCleanerConfig, now: number): ImageStep[] {
  const decided = decideRepository(observed, config, now)
  const steps: ImageStep[] = [summaryOf(observed.repository.name, decided)]
  const stays = decided.verdict.contents.find(({ keeps }) => keeps.length > 0)?.content.tags[0]
  // A repository of which nothing stays is one whose list was wrong.
  if (stays === undefined) return steps
  const policies = config.settings.policies
    .filter((policy) => !policy.paused && isFor(policy, observed.repository.name))
    .map(({ name }) => name)
  const facts = {
    repository: observed.repository.name,
    stays: { name: stays.name, contentId: stays.contentId },
    total: observed.repository.tags.length,
    policies,
  }
  for (const batch of batchesOf(decided.going, config.settings.batch)) {
    steps.push(removeStep(facts, batch, config, now))
  }
  return steps
}

function batchesOf(going: readonly ContentVerdict[], size: number): readonly (readonly ContentVerdict[])[] {
  const batches: ContentVerdict[][] = []
  let room = 0
  for (const verdict of going) {
    const count = verdict.content.tags.length
    const current = batches.at(-1)
    if (current === undefined || count > room) {
      batches.push([verdict])
      room = size - count
    } else {
      current.push(verdict)
      room -= count
    }
  }
  return batches
}

function removeStep(
  facts: Pick<RemoveChange, 'repository' | 'stays' | 'total' | 'policies'>,
  batch: readonly ContentVerdict[],
  { settings }: ImageCleanerConfig,
  now: number,
): ImageStep {
  const tags = batch.flatMap(({ content }) =>
    content.tags.map(({ name, contentId, imageId, pushedMs, sizeBytes }) => ({
      content: content.id,
      name,
      contentId,
      ...(imageId === undefined ? {} : { imageId }),
      pushedMs,
      sizeBytes,
    })),
  )
  const { quarantine } = settings
  const change: RemoveChange = {
    kind: 'remove',
    ...facts,
    tags,
    ...(quarantine === undefined ? {} : { quarantine }),
  }
  const names = tags.map(({ name }) => name)
  const why = `pushed ${agesText(tags, now)}, not in use, kept by no rule of ${facts.policies.join(', ')}`
  const copied = quarantine === undefined ? '' : `; copied to ${quarantine.repository} first, and kept there for ${quarantine.days} days`
  const undo: RestoreChange | undefined =
    quarantine === undefined
      ? undefined
      : {
          kind: 'restore',
          repository: facts.repository,
          tags: tags.map(({ name, contentId }) => ({ name, copy: copyTag(facts.repository, name), contentId })),
          policies: facts.policies,
        }
  return {
    key: `remove:${digestOf([facts.repository, ...tags.flatMap(({ name, contentId, pushedMs }) => [name, contentId, pushedMs])])}`,
    target: facts.repository,
    before: namesText(names),
    after: 'removed',
    reason: { code: 'expired', text: `${why}${copied}` },
    verdict: 'change',
    change,
    ...(undo === undefined ? {} : { undo }),
  }
}

/** `100 to 116 days ago`: of each tag the change itself has the push time. */
function agesText(tags: RemoveChange['tags'], now: number): string {
  const ages = tags.map(({ pushedMs }) => Math.floor((now - pushedMs) / dayMs))
  const [youngest, oldest] = [Math.min(...ages), Math.max(...ages)]
  return youngest === oldest ? `${oldest} days ago` : `${youngest} to ${oldest} days ago`
}

/** So many tags are named in a line. */
const mostNames = 5

function namesText(names: readonly string[]): string {
  const shown = names.slice(0, mostNames).join(', ')
  return `${names.length === 1 ? 'tag' : `${names.length} tags:`} ${shown}${names.length > mostNames ? ', …' : ''}`
}

/** One line about a whole repository. */
function summaryOf(repository: string, { verdict, going, notNow }: RepositoryPlan): ImageStep {
  const { whole } = verdict
  const [tags, kept] = [countOf(verdict.contents), countOf(verdict.contents, ({ keeps }) => keeps.length > 0)]
  const facts = {
    key: `repository:${digestOf([repository])}`,
    target: repository,
    before: `${tags} tags`,
    after: '',
  }
  if (whole !== undefined) return { ...facts, reason: whole, verdict: verdictOf[whole.code] ?? 'held' }
  const words = [`${kept} of ${tags} tags are kept (${keptText(verdict)})`]
  if (going.length > 0) words.push(`${countOf(going)} go, ${sizeText(bytesOf(going))}`)
  if (notNow !== undefined) words.push(`${tags - kept - countOf(going)} wait: ${notNow.text}`)
  return {
    ...facts,
    reason: { code: notNow?.code ?? 'kept', text: words.join('; ') },
    verdict: notNow === undefined ? 'no-change' : 'held',
  }
}

/** Of repositories that are left alone. Being nobody's business is no reason to hold anything. */
const verdictOf: Partial<Record<KeepReason['code'], 'skipped' | 'invalid'>> = {
  'no-policy': 'skipped',
  'policy-paused': 'skipped',
  'policy-empty': 'invalid',
  'policy-matches-nothing': 'skipped',
}

/** Tags of contents, of those that are meant. */
function countOf(verdicts: readonly ContentVerdict[], isMeant?: (verdict: ContentVerdict) => boolean): number {
  let count = 0
  for (const verdict of verdicts) if (isMeant === undefined || isMeant(verdict)) count += verdict.content.tags.length
  return count
}

function bytesOf(verdicts: readonly ContentVerdict[]): number {
  return verdicts.reduce((sum, { content }) => sum + content.sizeBytes, 0)
}

/** What a person calls the reasons for keeping. Those that keep a whole repository have a sentence of their own. */
const keepWords: Partial<Record<KeepReason['code'], string>> = {
  'kept-last': 'newest',
  'kept-days': 'by age',
  'kept-tag': 'by name',
  'kept-pattern': 'by pattern',
  'kept-semver': 'by version',
  'kept-protected': 'protected',
  protected: 'protected by name',
  referenced: 'in use',
  'referenced-lately': 'in use lately',
}

/** `10 newest, 3 in use`: tags by reason; one that several keep counts for each. */
function keptText({ contents }: RepositoryVerdict): string {
  const counts = new Map<KeepReason['code'], number>()
  for (const { content, keeps } of contents) {
    for (const [index, { code }] of keeps.entries()) {
      const isFirst = index === 0 || keeps.findIndex((other) => other.code === code) === index
      if (isFirst) counts.set(code, (counts.get(code) ?? 0) + content.tags.length)
    }
  }
  const sorted = [...counts].toSorted(([, left], [, right]) => right - left)
  return sorted.map(([code, count]) => `${count} ${keepWords[code] ?? code}`).join(', ')
}

import { digestOf } from '#shared/pure/digest.ts'
import type { Reason, Step } from '#shared/pure/step.ts'
import type { Settings } from './event.ts'
import { byAge, type ObservedTag } from './image.ts'
import type { ImageChange } from './image-change.ts'
import type { RepositoryVerdict } from './policy.ts'

/** Clean-up that the registry itself carries out. */
export interface ServerPolicy {
  readonly type: 'keep_last_days' | 'keep_last_nums'
  readonly value: number
}

/** One policy of the registry: what there is, what is configured, and what it would do to tags that must stay. */
export interface ObservedServerPolicy {
  /** Of all repositories without one of their own when absent. */
  readonly repository?: string | undefined
  readonly present?: ServerPolicy | undefined
  /** `none`: there shall be none. Absent: nobody has said what there shall be. */
  readonly wanted?: ServerPolicy | 'none' | undefined
  /** Examples of tags that it would remove though they have to stay, `ns/repo:tag (why)`, and how many there are. */
  readonly presentHarms: Harm
  /** Of a repository that is to have none of its own: what the one of all repositories would do there then. */
  readonly wantedHarms: Harm
  /** That one. */
  readonly instead?: ServerPolicy | undefined
  /** Why that is not known, if so. */
  readonly problem?: string | undefined
}

export interface Harm {
  readonly count: number
  readonly examples: readonly string[]
}

export const noHarm: Harm = { count: 0, examples: [] }

const dayMs = 86_400_000
const mostExamples = 3

/** Why a tag must stay whatever a policy of the registry says. Rules of ours that would keep it are no such reason. */
const musts = new Set([
  'referenced',
  'referenced-lately',
  'protected',
  'kept-protected',
  'cluster-unreadable',
  'breaker',
  'references-incomplete',
  'digest-unresolved',
  'repository-incomplete',
])

/** The tags that the registry would remove by a policy: it counts tags, not contents, and asks neither what is in use nor what is left. */
export function removedByServer(policy: ServerPolicy, tags: readonly ObservedTag[], now: number): readonly ObservedTag[] {
  const newestFirst = tags.toSorted(byAge)
  return policy.type === 'keep_last_nums'
    ? newestFirst.slice(policy.value)
    : newestFirst.filter(({ pushedMs }) => now - pushedMs > policy.value * dayMs)
}

/** What a policy of the registry would take from a repository that must stay. */
export function harmOf(policy: ServerPolicy | undefined, verdict: RepositoryVerdict, now: number): Harm {
  if (policy === undefined) return noHarm
  const reasons = new Map(
    verdict.contents.flatMap(({ content, keeps }) => {
      const must = keeps.find(({ code }) => musts.has(code))
      return must === undefined ? [] : content.tags.map(({ name }) => [name, must.text] as const)
    }),
  )
  const all = verdict.contents.flatMap(({ content }) => content.tags)
  const removed = removedByServer(policy, all, now)
  const [newest] = removed
  // It does not ask whether anything is left.
  if (newest !== undefined && removed.length === all.length && !reasons.has(newest.name))
    reasons.set(newest.name, 'the newest of a repository that would be left empty')
  const harmed = removed.filter(({ name }) => reasons.has(name))
  return {
    count: harmed.length,
    examples: harmed.slice(0, mostExamples).map(({ name }) => `${verdict.repository}:${name} (${reasons.get(name) ?? ''})`),
  }
}

/** What a policy of the registry would take from the quarantine: copies before their time is over, or in a while. */
export function harmOfQuarantine(
  policy: ServerPolicy | undefined,
  quarantine: { readonly repository: string; readonly days: number },
): Harm {
  if (policy === undefined || (policy.type === 'keep_last_days' && policy.value >= quarantine.days)) return noHarm
  return { count: 1, examples: [`${quarantine.repository}:… (copies of removed tags, kept there for ${quarantine.days} days)`] }
}

/**
 * What is to be known of the policy of one repository. Where it is to have none of its own, the one of all repositories counts in
 * its place, and nobody knows which of the two is there by then, the present one or the one that is wanted: the worse is taken.
 */
export function ownPolicy(facts: {
  readonly repository: string
  readonly present: ServerPolicy | undefined
  readonly wanted: ServerPolicy | 'none' | undefined
  readonly global: { readonly present: ServerPolicy | undefined; readonly wanted: ServerPolicy | 'none' | undefined }
  readonly harmsOf: (policy: ServerPolicy | undefined) => Harm
}): ObservedServerPolicy {
  const { repository, present, wanted, global, harmsOf } = facts
  const own = { repository, present, wanted, presentHarms: harmsOf(present) }
  if (wanted !== 'none') return { ...own, wantedHarms: harmsOf(wanted) }
  const others = [global.present, global.wanted === 'none' ? undefined : global.wanted]
  const [worst] = others.map((policy) => ({ policy, harm: harmsOf(policy) })).toSorted((left, right) => right.harm.count - left.harm.count)
  return { ...own, wantedHarms: worst?.harm ?? noHarm, instead: worst?.policy }
}

/** Whether the policy of all repositories counts in one, now or once what is wanted is there. */
export function isUnderGlobal(present: ServerPolicy | undefined, wanted: ServerPolicy | 'none' | undefined): boolean {
  return present === undefined || wanted === 'none'
}

export function addHarms(left: Harm, right: Harm): Harm {
  return { count: left.count + right.count, examples: [...left.examples, ...right.examples].slice(0, mostExamples) }
}

/** What is configured for a repository, or for all when `repository` is absent. */
export function wantedPolicy({ lifecycle }: Settings, repository?: string): ServerPolicy | 'none' | undefined {
  if (repository === undefined) return lifecycle?.global
  return lifecycle?.repositories.find(({ name }) => name === repository)?.policy
}

/**
 * One step for a policy of the registry: set it, take it away, leave it, or refuse it because it would remove what has to stay. A
 * policy that nobody configured is left alone and reported when it is dangerous. Taking one away is refused only where the one of all
 * repositories, which counts then, is dangerous there.
 *
 * A step is of its `day`: what somebody has set by hand since another day's run is set anew.
 */
export function planServerPolicy(observed: ObservedServerPolicy, day: number): Step<ImageChange> | undefined {
  const { repository, present, wanted, presentHarms, wantedHarms, problem } = observed
  const facts = {
    key: `lifecycle:${digestOf([repository ?? '', policyText(present), wanted === undefined ? '' : policyText(wanted === 'none' ? undefined : wanted), day])}`,
    target: repository ?? 'all repositories',
    before: policyText(present),
    after: wanted === undefined ? '' : policyText(wanted === 'none' ? undefined : wanted),
  }
  const held = (code: string, text: string): Step<ImageChange> => ({ ...facts, reason: { code, text }, verdict: 'held' })
  if (wanted === undefined) {
    if (present === undefined || presentHarms.count === 0) return undefined
    return held(
      'lifecycle-dangerous',
      `the registry's own clean-up (${policyText(present)}) will remove ${harmText(presentHarms)}: take it away, or configure it under lifecycle`,
    )
  }
  const to = wanted === 'none' ? undefined : wanted
  if (same(present, to)) {
    if (to !== undefined && presentHarms.count > 0) {
      return held(
        'lifecycle-dangerous',
        `the registry's own clean-up is as configured, and will remove ${harmText(presentHarms)}: change it`,
      )
    }
    return { ...facts, reason: { code: 'lifecycle-in-place', text: 'the clean-up of the registry is as configured' }, verdict: 'no-change' }
  }
  if (to !== undefined && problem !== undefined) return held('lifecycle-unknown', `what it would remove is not known: ${problem}`)
  if (to !== undefined && wantedHarms.count > 0) {
    return held(
      'lifecycle-unsafe',
      `it would remove ${harmText(wantedHarms)}; keep more, or name the repository under lifecycle.repositories`,
    )
  }
  if (to === undefined && wantedHarms.count > 0) {
    return held(
      'lifecycle-unsafe',
      `without it the one of all repositories (${policyText(observed.instead)}) would remove ${harmText(wantedHarms)}; change that one first`,
    )
  }
  const reason: Reason = {
    code: 'lifecycle-set',
    text: to === undefined ? 'the registry is to clean up nothing by itself here' : 'nothing that it removes now is in use or protected',
  }
  const change: ImageChange = {
    kind: 'lifecycle',
    ...(repository === undefined ? {} : { repository }),
    ...(present === undefined ? {} : { from: present }),
    ...(to === undefined ? {} : { to }),
  }
  const undo: ImageChange = {
    kind: 'lifecycle',
    ...(repository === undefined ? {} : { repository }),
    ...(to === undefined ? {} : { from: to }),
    ...(present === undefined ? {} : { to: present }),
  }
  return { ...facts, reason, verdict: 'change', change, undo }
}

function same(left: ServerPolicy | undefined, right: ServerPolicy | undefined): boolean {
  return left?.type === right?.type && left?.value === right?.value
}

function harmText({ count, examples }: Harm): string {
  return `${count === 1 ? '1 tag that has' : `${count} tags that have`} to stay, such as ${examples.join('; ')}`
}

function policyText(policy: ServerPolicy | undefined): string {
  if (policy === undefined) return 'none'
  return policy.type === 'keep_last_days' ? `keep ${policy.value} days` : `keep the last ${policy.value} tags`
}

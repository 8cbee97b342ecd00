import { compareTexts } from '#shared/pure/compare-texts.ts'
import type { ApproveChange, ReleaseChange } from './change.ts'
import { shortContent } from './decide-container.ts'
import { changeKey, factsOf } from './decide-workload.ts'
import type { RedeployConfig } from './event.ts'
import { type RedeployStep, stayStep } from './plan-step.ts'
import { type Sight, survey } from './survey.ts'
import { isRead, type ReadWorkload, refName, type SeenWorkload } from './workload.ts'

/** A content that waits for somebody to agree to it, for one container. */
export interface ApprovalWish {
  readonly workload: ReadWorkload
  readonly container: string
  readonly rule: string
  readonly repository: string
  readonly tag: string
  readonly content: string
}

/** Which of the wishes somebody agrees to. What is absent does not matter. */
export interface Approval {
  readonly repository: string
  readonly content: string
  readonly uid?: string | undefined
  readonly container?: string | undefined
  /** Who agrees. */
  readonly by: string
}

/** Everything that waits for somebody to agree, sorted by workload and container. */
export function approvalsWanted(sight: Sight, config: RedeployConfig): readonly ApprovalWish[] {
  return survey(sight, config)
    .claims.flatMap(({ workload, container, decision }): ApprovalWish[] => {
      if (decision?.kind !== 'want' || !decision.needsApproval) return []
      const { rule, repository, tag, content } = decision.image
      return [{ workload, container: container.name, rule, repository, tag, content }]
    })
    .toSorted(
      (left, right) =>
        compareTexts(refName(left.workload.ref), refName(right.workload.ref)) || compareTexts(left.container, right.container),
    )
}

/**
 * Writes an agreement down wherever it is waited for. It is for one content: where the tag stands for something else by now, or nothing
 * waits any more, there is one step that says so and nothing is written.
 */
export function planApproval(sight: Sight, config: RedeployConfig, approval: Approval): readonly RedeployStep[] {
  const { repository, content, by } = approval
  const wishes = approvalsWanted(sight, config).filter(
    (wish) =>
      wish.repository === repository &&
      wish.content === content &&
      (approval.uid === undefined || wish.workload.uid === approval.uid) &&
      (approval.container === undefined || wish.container === approval.container),
  )
  if (wishes.length === 0) {
    const unread = whyUnread(sight, repository)
    if (unread !== undefined) return [stayStep(`approval of ${repository}@${content}`, 'held', unread.code, unread.text)]
    const text = `nothing waits for ${repository}@${shortContent(content)}: it was agreed to already, or something newer was pushed since, which has to be agreed to for itself`
    return [stayStep(`approval of ${repository}@${content}`, 'skipped', 'approval-outdated', text)]
  }
  return [...Map.groupBy(wishes, ({ workload }) => workload)].map(([workload, own]) => {
    const containers = own.map(({ container: name }) => ({ name, content }))
    const change: ApproveChange = { kind: 'approve', ...factsOf(workload), by, containers }
    const text = `${by} agrees to ${own.map(({ tag }) => `${repository}:${tag}`).join(', ')} (${shortContent(content)})`
    return {
      key: changeKey(change),
      target: refName(workload.ref),
      before: '',
      after: `approved ${shortContent(content)}`,
      verdict: 'change',
      reason: { code: 'approved', text },
      change,
    }
  })
}

/** What keeps anybody from knowing whether something waits: it may once that can be read again. */
function whyUnread(
  { repositories, workloads }: Sight,
  repository: string,
): { readonly code: 'registry-unreadable' | 'cluster-unreadable'; readonly text: string } | undefined {
  const problem = repositories.find(({ name }) => name === repository)?.problem
  if (problem !== undefined) return { code: 'registry-unreadable', text: `${repository} cannot be read in the registry: ${problem}` }
  for (const one of workloads) {
    if (!isRead(one) && one.problem.code === 'cluster-unreadable') return { code: 'cluster-unreadable', text: one.problem.text }
  }
  return undefined
}

/** Lets a content that failed, or was taken back, be tried again: everywhere where that is on record. */
export function planRelease(workloads: readonly SeenWorkload[], repository: string, content: string): readonly RedeployStep[] {
  const steps = workloads.filter(isRead).flatMap((workload): readonly RedeployStep[] => {
    const names = Object.entries(workload.record.containers).flatMap(([name, { bad = [], undone, set, mark }]) => {
      const isBad = bad.some((one) => one.repository === repository && one.content === content)
      const isUndone = undone?.content === content && mark?.content === content && set !== undefined
      return isBad || isUndone ? [name] : []
    })
    if (names.length === 0) return []
    const change: ReleaseChange = { kind: 'release', ...factsOf(workload), containers: names.map((name) => ({ name, content })) }
    return [
      {
        key: changeKey(change),
        target: refName(workload.ref),
        before: `held ${shortContent(content)}`,
        after: '',
        verdict: 'change',
        reason: { code: 'release', text: `${repository}@${shortContent(content)} may be tried again` },
        change,
      },
    ]
  })
  if (steps.length > 0) return steps.toSorted((left, right) => compareTexts(left.target, right.target))
  return [
    stayStep(`hold of ${repository}@${content}`, 'skipped', 'nothing-held', 'no workload has this content on record as one that failed'),
  ]
}

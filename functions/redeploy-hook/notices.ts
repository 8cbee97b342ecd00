import { digestOf } from '#shared/pure/digest.ts'
import { formatDuration } from '#shared/pure/duration.ts'
import type { Decision } from '#shared/pure/step.ts'
import { ApprovalSecretError } from '#shared/runtime/approval/approval-token.ts'
import type { NoticeFacts } from '#shared/runtime/definition.ts'
import type { Notice, NoticeLink, Severity } from '#shared/runtime/notify/notice.ts'
import { noticesOfReport } from '#shared/runtime/notify/report-notices.ts'
import { SecretUnavailableError } from '#shared/runtime/reference.ts'
import { unreadableCode } from '#shared/runtime/report.ts'
import { linkFor } from './approval-link.ts'
import { type ApprovalWish, approvalsWanted } from './approvals.ts'
import { shortContent } from './decide-container.ts'
import type { Settings } from './event.ts'
import type { Seen } from './observe.ts'
import { plan } from './plan.ts'
import type { ReasonCode } from './reason.ts'
import { isRead, refName } from './workload.ts'

type Facts = NoticeFacts<Settings, Seen>

const hourMs = 3_600_000

/** How a decision is told; `false` where it is how things go, and no news. */
type Telling = { readonly what: string; readonly severity: Severity } | false

const failedRollout: ReadonlySet<string> = new Set(['rollout-failed', 'deadline-passed'] satisfies ReasonCode[])

/** Decisions that say more than their outcome does. The others are told as those of every function. */
const tellings = new Map<string, Telling>(
  Object.entries({
    'rollback-failed': { what: 'does not run, and there is no way back', severity: 'critical' },
    'record-unreadable': { what: 'is left alone: nobody can read what was done to it', severity: 'warning' },
    'rules-contradict': { what: 'gets nothing: more than one rule is for it', severity: 'warning' },
    'trigger-double': { what: 'deploys what a rule deploys, too', severity: 'warning' },
    'trigger-failing': { what: 'fails', severity: 'warning' },
    'trigger-target-missing': { what: 'leads to nothing', severity: 'warning' },
    'held-bad-image': { what: 'does not get an image that failed', severity: 'info' },
    'person-rolled-back': { what: 'stays as somebody has set it', severity: 'info' },
    undone: { what: 'stays without what was taken back', severity: 'info' },
    'on-delete-not-rolled': { what: 'waits for somebody to delete its pods', severity: 'info' },
    'not-watched': { what: 'is not being rolled out', severity: 'info' },
    // Told with a link, below.
    'needs-approval': false,
    // Told once for all that is in there, below.
    'registry-unreadable': false,
    [unreadableCode]: false,
    'waits-for-wave': false,
    'waits-for-turn': false,
    soaking: false,
    'being-removed': false,
    'workload-deleting': false,
  } satisfies Partial<Record<ReasonCode, Telling>>),
)

/**
 * What people should hear of a look: what failed to roll out (critical), what waits for somebody to agree, with the link by which they can,
 * a registry or cluster that cannot be read (once for all that is in it), and what `noticesOfReport` says of the rest. What takes its
 * time as it should, such as a ring that waits for the one before, is no news.
 *
 * What waits for somebody to agree is told once for each content, and again when its link has expired.
 */
export async function notices(facts: Facts): Promise<readonly Notice[]> {
  const { report, observed } = facts
  const planned = new Map<string, string>()
  // A change that was tried and not done has its own reason in the report; whether it was to put something right says the plan.
  if (observed !== undefined && report.decisions.some(({ outcome }) => outcome === 'Failed' || outcome === 'Held')) {
    for (const { key, reason } of plan(observed, facts.config, report.now)) planned.set(key, reason.code)
  }
  const told: Notice[] = []
  const others: Decision[] = []
  for (const decision of report.decisions) {
    const telling = tellings.get(decision.reason.code)
    const rollout = rolloutNotice(decision, planned.get(decision.key), facts)
    if (rollout !== undefined) told.push(rollout)
    else if (telling === undefined) others.push(decision)
    else if (telling !== false && isNews(decision)) told.push(noticeOf(decision, telling, facts))
  }
  const waiting = observed === undefined ? [] : await approvalNotices(observed, facts)
  const unread = observed === undefined ? [] : unreadNotices(observed, facts)
  return [...told, ...waiting, ...unread, ...noticesOfReport({ ...report, decisions: others })]
}

function isNews({ outcome }: Decision): boolean {
  return outcome === 'Held' || outcome === 'Invalid' || outcome === 'Failed'
}

/** Of what failed to roll out: that it was put back, or that it could not be. */
function rolloutNotice(decision: Decision, planned: string | undefined, facts: Facts): Notice | undefined {
  const { outcome, reason } = decision
  if (failedRollout.has(reason.code)) {
    return outcome === 'Applied' ? noticeOf(decision, { what: 'failed to roll out', severity: 'critical' }, facts) : undefined
  }
  if (planned === undefined || !failedRollout.has(planned) || !isNews(decision)) return undefined
  return noticeOf(decision, { what: 'fails to roll out, and that could not be put right yet', severity: 'critical' }, facts)
}

function noticeOf(
  { key, target, before, after, outcome, reason }: Decision,
  { what, severity }: Exclude<Telling, false>,
  facts: Facts,
): Notice {
  const change = before === after || after === '' ? before : `${before === '' ? '(nothing)' : before} -> ${after}`
  // A change is another one each time; what is held is the same as long as it waits for the same.
  const about = outcome === 'Applied' ? key : digestOf([before, after])
  return {
    ...common(facts, reason.code),
    key: `redeploy-hook/${reason.code}/${outcome}/${target}/${about}`,
    severity,
    title: `${target} ${what}`,
    lines: [reason.text, ...(change === '' ? [] : [change])],
    dedupeMs: (outcome === 'Failed' ? 4 : 24) * hourMs,
  }
}

function common({ report }: Facts, code: string): Pick<Notice, 'function' | 'at' | 'facts'> {
  const { function: name, now, mode, runId } = report
  return { function: name, at: now, facts: { mode, run: runId, code } }
}

/** One for each container that waits. Not for what this very look has written an agreement for. */
async function approvalNotices(observed: Seen, facts: Facts): Promise<readonly Notice[]> {
  const agreed = new Set(facts.report.decisions.flatMap(({ target, reason }) => (reason.code === 'approved' ? [target] : [])))
  const wishes = approvalsWanted(observed, facts.config).filter(({ workload }) => !agreed.has(refName(workload.ref)))
  if (wishes.length === 0) return []
  const linkOf = await linksOf(wishes, facts)
  return wishes.map((wish): Notice => {
    const { workload, container, repository, tag, content, rule } = wish
    const target = refName(workload.ref)
    const link = linkOf(wish)
    return {
      ...common(facts, 'needs-approval'),
      // What was told without a link is told again as soon as there is one.
      key: `redeploy-hook/needs-approval/${workload.uid}/${container}/${repository}/${content}/${link.url === undefined ? 'by-hand' : 'by-link'}`,
      severity: 'warning',
      title: `${repository}:${tag} waits for somebody to agree, on ${target}`,
      lines: [
        `Content ${shortContent(content)} for the container ${container}, by the rule ${rule}.`,
        link.text,
        `Or: longshore approve ${target} --by NAME`,
      ],
      ...(link.url === undefined ? {} : { links: [link.url] }),
      dedupeMs: link.goodForMs,
    }
  })
}

interface MadeLink {
  readonly url?: NoticeLink | undefined
  readonly text: string
  readonly goodForMs: number
}

/** The links, or why there are none: people are told either way. */
async function linksOf(
  wishes: readonly ApprovalWish[],
  { config, report, secret: read }: Facts,
): Promise<(wish: ApprovalWish) => MadeLink> {
  const without = (text: string) => (): MadeLink => ({ text, goodForMs: 24 * hourMs })
  const { mode, settings } = config
  const { approval } = settings
  if (mode !== 'enforce') return without(`Nothing can be agreed to in mode ${mode}.`)
  if (approval === undefined) return without('There is no link: functions.redeploy-hook.approval is not configured.')
  const { expires: goodForMs } = approval
  const text = `Whoever has the link can agree, for ${formatDuration(goodForMs)}.`
  try {
    const signing = { ...approval, secret: await read(approval.secret) }
    const urls = new Map(wishes.map((wish) => [wish, { text: 'look at it and agree', url: linkFor(wish, signing, report.now) }]))
    return (wish) => ({ url: urls.get(wish), text, goodForMs })
  } catch (error) {
    if (!(error instanceof SecretUnavailableError || error instanceof ApprovalSecretError)) throw error
    return without(`There is no link: ${error.message}`)
  }
}

/** One for each cluster and each repository that could not be read, whatever is in it. */
function unreadNotices({ workloads, repositories }: Seen, facts: Facts): readonly Notice[] {
  const unread = workloads.flatMap((one) => (isRead(one) || one.problem.code !== unreadableCode ? [] : [one]))
  const clusters = [...Map.groupBy(unread, ({ ref }) => ref.cluster)].map(
    ([cluster, own]): Notice => ({
      ...common(facts, unreadableCode),
      key: `redeploy-hook/${unreadableCode}/${cluster}`,
      severity: 'warning',
      title: `${cluster} could not be read`,
      lines: [...new Set(own.map(({ problem }) => problem.text)), ...own.map(({ ref }) => `${refName(ref)} is left alone`)],
      dedupeMs: 4 * hourMs,
    }),
  )
  const problems = repositories.flatMap(({ name, problem }): readonly Notice[] =>
    problem === undefined
      ? []
      : [
          {
            ...common(facts, 'registry-unreadable'),
            key: `redeploy-hook/registry-unreadable/${name}`,
            severity: 'warning',
            title: `the repository ${name} could not be read`,
            lines: [problem, 'Nothing of it is deployed until it can be.'],
            dedupeMs: 4 * hourMs,
          },
        ],
  )
  return [...clusters, ...problems]
}

import { formatDuration } from '#shared/pure/duration.ts'
import type { Decision } from '#shared/pure/step.ts'
import { ApprovalSecretError } from '#shared/runtime/approval/approval-token.ts'
import type { NoticeFacts } from '#shared/runtime/definition.ts'
import type { Notice, NoticeLink, Severity } from '#shared/runtime/notify/notice.ts'
import { noticesOfReport } from '#shared/runtime/notify/report-notices.ts'
import { SecretUnavailableError } from '#shared/runtime/reference.ts'
import { linkFor } from './approval-link.ts'
import type { Settings } from './event.ts'
import type { Seen } from './observe.ts'
import { suggestions } from './plan.ts'
import type { ApplyCode } from './pool-desk.ts'
import type { ReasonCode } from './reason.ts'
import type { Suggestion } from './suggestion.ts'
import { count } from './words.ts'

type Facts = NoticeFacts<Settings, Seen>

const hourMs = 3_600_000

/** How a decision is told; `false` where it is how things go, and no news. */
type Telling = { readonly what: string; readonly severity: Severity } | false

/** What is told of changes that were made. Steps on a lease's way that say nothing new are not among them. */
const deeds = new Map<string, Exclude<Telling, false>>(
  Object.entries({
    'alarm-confirmed': { what: 'grows', severity: 'info' },
    'suggestion-agreed': { what: 'grows, as somebody has agreed', severity: 'info' },
    'never-ready': { what: 'gives back nodes that never became ready', severity: 'warning' },
    'never-arrived': { what: 'has not got the nodes that it asked for', severity: 'warning' },
    'settled-for-less': { what: 'has got fewer nodes than it asked for', severity: 'warning' },
    'arrived-late': { what: 'gives back nodes that came when nobody waited for them any more', severity: 'warning' },
    'drain-deadline': { what: 'keeps a node that could not be emptied in time', severity: 'warning' },
    'node-opened': { what: 'keeps a node that somebody has opened again', severity: 'info' },
    'given-back': { what: 'has given back what it had got for an alarm', severity: 'info' },
  } satisfies Partial<Record<ReasonCode, Telling>>),
)

/** What is told of decisions that something stays as it is; the others are told as those of every function. */
const stays = new Map<string, Telling>(
  Object.entries({
    'no-mechanism-left': { what: 'cannot grow: no mechanism has nodes to give', severity: 'critical' },
    'licence-over': { what: 'does not grow: the licence is used up', severity: 'critical' },
    'absolute-max': { what: 'is as large as it may ever be, and an alarm wants more', severity: 'warning' },
    'cluster-autoscaler-active': { what: 'does not grow: the cluster autoscaler looks after its group', severity: 'warning' },
    'confirm-unreadable': { what: 'does not change: what would confirm it cannot be read', severity: 'warning' },
    'bounds-changed': { what: 'keeps the bounds that somebody else has set', severity: 'warning' },
    'lease-unknown': { what: 'is the mark on nodes that nobody takes away', severity: 'warning' },
    'cluster-gone': { what: 'has leased nodes that nobody gives back any more', severity: 'warning' },
    'recovery-disabled': { what: 'could be given back', severity: 'info' },
    'would-retrigger': { what: 'stays: without it an alarm would come again', severity: 'info' },
    'pool-min': { what: 'stays: the pool keeps a least size', severity: 'info' },
    // They pass by themselves within minutes.
    cooldown: false,
    'group-busy': false,
    'mechanism-backing-off': false,
    'virtual-pool-busy': false,
    // Told with a link, below.
    suggested: false,
    // Told once for all that is in there, below.
    'pool-unreadable': false,
    // Somebody else was faster, and has decided.
    'world-changed': false,
    conflict: false,
  } satisfies Partial<Record<ReasonCode | ApplyCode, Telling>>),
)

/**
 * What people should hear of a look: that nodes were bought or given back (info), what somebody is asked to agree to, with the link by
 * which he can, what keeps a confirmed alarm from being answered, nodes that never became ready or could not be emptied (warnings), that no
 * mechanism has any to give (critical), a cluster that cannot be read (once for all that is in it), and what `noticesOfReport` says of
 * the rest. What passes by itself, such as a cooldown, is no news.
 *
 * What somebody is asked to agree to is told once for each suggestion, and again when its link has expired.
 */
export async function notices(facts: Facts): Promise<readonly Notice[]> {
  const { report, observed } = facts
  const told: Notice[] = []
  const others: Decision[] = []
  for (const decision of report.decisions) {
    const deed = decision.outcome === 'Applied' ? deeds.get(decision.reason.code) : undefined
    const stay = isNews(decision) ? stays.get(decision.reason.code) : undefined
    const telling = deed ?? stay
    if (telling === undefined) others.push(decision)
    else if (telling !== false) told.push(noticeOf(decision, telling, facts))
  }
  const waiting = observed === undefined ? [] : await suggestionNotices(suggestions(observed, facts.config, report.now), facts)
  const unread = observed === undefined ? [] : unreadNotices(observed, facts)
  return [...told, ...waiting, ...unread, ...noticesOfReport({ ...report, decisions: others })]
}

function isNews({ outcome }: Decision): boolean {
  return outcome === 'Held' || outcome === 'Invalid' || outcome === 'Failed'
}

function noticeOf(
  { key, target, before, after, outcome, reason }: Decision,
  { what, severity }: Exclude<Telling, false>,
  facts: Facts,
): Notice {
  const isDone = outcome === 'Applied'
  return {
    ...common(facts, reason.code),
    // A deed is another one each time; what stays is the same as long as it stays for the same reason.
    key: `alarm-scaler/${reason.code}/${outcome}/${target}${isDone ? `/${key}` : ''}`,
    severity,
    title: `${target} ${what}`,
    lines: [reason.text, ...(isDone && after !== '' ? [before === '' ? after : `${before} -> ${after}`] : [])],
    dedupeMs: 4 * hourMs,
  }
}

function common({ report }: Facts, code: string): Pick<Notice, 'function' | 'at' | 'facts'> {
  const { function: name, now, mode, runId } = report
  return { function: name, at: now, facts: { mode, run: runId, code } }
}

/** One for each suggestion. */
async function suggestionNotices(wishes: readonly Suggestion[], facts: Facts): Promise<readonly Notice[]> {
  if (wishes.length === 0) return []
  const linkOf = await linksOf(wishes, facts)
  return wishes.map((wish): Notice => {
    const { key, cluster, pool, policy, episode, nodes, mechanism } = wish
    const link = linkOf(wish)
    return {
      ...common(facts, 'suggested'),
      // What was told without a link is told again as soon as there is one.
      key: `alarm-scaler/suggested/${key}/${link.url === undefined ? 'by-hand' : 'by-link'}`,
      severity: 'warning',
      title: `${cluster}/${pool} would get ${count(nodes, 'node')} for the alarm ${episode.name}, if somebody agrees`,
      lines: [`By ${mechanism}, as the policy ${policy} says. Nothing is bought before.`, link.text],
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
async function linksOf(wishes: readonly Suggestion[], { config, report, secret: read }: Facts): Promise<(wish: Suggestion) => MadeLink> {
  const without = (text: string) => (): MadeLink => ({ text, goodForMs: 24 * hourMs })
  const { mode, settings } = config
  const { approval } = settings
  if (mode !== 'enforce') return without(`Nothing can be agreed to in mode ${mode}.`)
  if (approval === undefined) return without('There is no link: functions.alarm-scaler.approval is not configured.')
  const { expires: goodForMs, baseUrl } = approval
  const text = `Whoever has the link can agree, for ${formatDuration(goodForMs)}.`
  try {
    const signing = { secret: await read(approval.secret), baseUrl, expires: goodForMs }
    const urls = new Map(
      wishes.map((wish) => {
        const { episode, ...rest } = wish
        const url = linkFor({ ...rest, alarm: episode.name, episode: episode.id }, signing, report.now)
        return [wish, { text: 'look at it and agree', url }]
      }),
    )
    return (wish) => ({ url: urls.get(wish), text, goodForMs })
  } catch (error) {
    if (!(error instanceof SecretUnavailableError || error instanceof ApprovalSecretError)) throw error
    return without(`There is no link: ${error.message}`)
  }
}

/** One for each cluster of which something could not be read. */
function unreadNotices({ pools }: Seen, facts: Facts): readonly Notice[] {
  const unread = pools.flatMap(({ cluster, pool, problem }) => (problem === undefined ? [] : [{ cluster, pool, problem }]))
  return [...Map.groupBy(unread, ({ cluster }) => cluster)].map(
    ([cluster, own]): Notice => ({
      ...common(facts, 'pool-unreadable'),
      key: `alarm-scaler/pool-unreadable/${cluster}`,
      severity: 'warning',
      title: `alarms about ${cluster} are not answered: it could not be read`,
      lines: [
        ...new Set(own.map(({ problem }) => problem.text)),
        `Nothing is bought and nothing is given back in ${own.map(({ pool }) => pool).join(', ')}.`,
      ],
      dedupeMs: 4 * hourMs,
    }),
  )
}

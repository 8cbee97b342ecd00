import { digestOf } from '#shared/pure/digest.ts'
import type { Decision } from '#shared/pure/step.ts'
import type { NoticeFacts } from '#shared/runtime/definition.ts'
import type { Notice, Severity } from '#shared/runtime/notify/notice.ts'
import { noticesOfReport } from '#shared/runtime/notify/report-notices.ts'
import { unwrittenCode } from '#shared/runtime/report.ts'
import { type Alert, alertsOf } from './alerts.ts'
import { blindCode } from './blindness.ts'
import type { Settings } from './event.ts'
import type { AlertKind } from './judge.ts'
import type { Observed } from './plan.ts'
import type { FindingCode } from './plan-cross-check.ts'
import type { ReasonCode } from './reason.ts'

type Facts = NoticeFacts<Settings, Observed>

const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** Longer than any month: an alert has its month in its key, and is told once in it. */
const monthlyMs = 40 * dayMs

const alerts: Readonly<
  Record<AlertKind, { readonly severity: Severity; readonly title: (alert: Alert) => string; readonly advice: string }>
> = {
  'over-use': {
    severity: 'critical',
    title: ({ region, metric }) => `${region}: more of ${metric} is used than the licence allows`,
    advice: 'The platform may refuse new nodes. Give nodes back, buy more cores, or write a new entitlement down under entitlements.',
  },
  'platform-over': {
    severity: 'critical',
    title: ({ region }) => `${region}: the platform says that more is used than the licence allows`,
    advice: 'New nodes may be refused. Compare the entitlements with the contract.',
  },
  'pass-contradicts': {
    severity: 'critical',
    title: ({ region }) => `${region}: what the platform says about over-use contradicts its own figures`,
    advice: 'Ask whoever runs the platform what Pass means, and set passMeans; compare the entitlements with the contract.',
  },
  'near-entitlement': {
    severity: 'warning',
    title: ({ region, metric }) => `${region}: ${metric} comes near to what the licence allows`,
    advice: '`longshore license headroom` says how many nodes still fit.',
  },
  'block-in-sight': {
    severity: 'warning',
    title: ({ region, metric }) => `${region}: ${metric} is about to be more than the licence allows`,
    advice: '`longshore license headroom` says how many nodes still fit, and until when.',
  },
}

const findings: Readonly<Record<FindingCode, string>> = {
  'forgotten-cluster': 'cores are counted of clusters that nobody has configured',
  'counted-more': 'more cores are counted than the nodes have',
  'counted-less': 'fewer cores are counted than the nodes have',
  'counted-twice': 'is a node of two clusters',
}

/** What could not be read, as a title. */
const unread: Readonly<Record<string, (target: string) => string>> = {
  'usage-unreadable': (target) => `nobody can read how much of ${target} is used`,
  'pass-unreadable': (target) => `nobody can read what the platform says about over-use (${target})`,
  'nodes-unreadable': (target) => `the nodes of ${target} could not be read`,
} satisfies Partial<Record<ReasonCode | 'nodes-unreadable', (target: string) => string>>

/** How a decision is told that is told once, by an alert of its own or by nobody. */
const toldOtherwise: ReadonlySet<string> = new Set<ReasonCode>([
  'over-use',
  'platform-over',
  'near-entitlement',
  'block-in-sight',
  'pass-contradicts',
  // What stops them is told.
  'alerts-stopped',
  // The next trigger may still measure the hour.
  'region-unreadable',
])

/**
 * What people should hear: alerts once in a month and again when what they are judged by changes; a region that is about to lose its hour;
 * what the cross-check found; a record that could not be written; and what `noticesOfReport` says of the rest.
 */
export function notices(facts: Facts): readonly Notice[] {
  const { report, observed, config, now } = facts
  const told = observed === undefined ? [] : alertsOf(observed, config.settings, now).map((alert) => alertNotice(alert, facts))
  const others: Decision[] = []
  for (const decision of report.decisions) {
    const { code } = decision.reason
    if (code === 'region-unreadable' && isHourAtRisk(now)) told.push(unmeasuredNotice(decision, facts))
    else if (isFinding(code) && decision.outcome === 'Held') told.push(findingNotice(decision, code, facts))
    else if (code in unread) told.push(unreadNotice(decision, facts))
    else if (!toldOtherwise.has(code)) others.push(decision)
  }
  const { failure, ...rest } = report
  // That nothing could be measured is told region by region, above, when it matters.
  const own = failure?.code === unwrittenCode || failure?.code === blindCode ? rest : report
  const unwritten = failure?.code === unwrittenCode ? [unwrittenNotice(failure.text, facts)] : []
  return [...unwritten, ...told, ...noticesOfReport({ ...own, decisions: others })]
}

function common({ report }: Facts, code: string): Pick<Notice, 'function' | 'at' | 'facts'> {
  const { function: name, now, mode, runId } = report
  return { function: name, at: now, facts: { mode, run: runId, code } }
}

function alertNotice(alert: Alert, facts: Facts): Notice {
  const { severity, title, advice } = alerts[alert.kind]
  const own = common(facts, alert.kind)
  const named = { region: alert.region, month: alert.month, ...(alert.metric === '' ? {} : { metric: alert.metric }) }
  return {
    ...own,
    facts: { ...own.facts, ...named },
    key: `license-meter/${alert.key}`,
    severity,
    title: title(alert),
    lines: [alert.text, advice],
    dedupeMs: monthlyMs,
  }
}

/** In the second half of an hour: what fails now for the second time or later may leave a gap. */
function isHourAtRisk(now: number): boolean {
  return now % hourMs >= hourMs / 2
}

function unmeasuredNotice({ target, reason }: Decision, facts: Facts): Notice {
  return {
    ...common(facts, reason.code),
    key: `license-meter/${reason.code}/${target}`,
    severity: 'warning',
    title: `${target} is not measured: its licence usage will have a gap`,
    lines: [reason.text],
    dedupeMs: 4 * hourMs,
  }
}

function unreadNotice({ target, reason }: Decision, facts: Facts): Notice {
  return {
    ...common(facts, reason.code),
    key: `license-meter/${reason.code}/${target}`,
    severity: 'warning',
    title: unread[reason.code]?.(target) ?? target,
    lines: [reason.text],
    dedupeMs: dayMs,
  }
}

function isFinding(code: string): code is FindingCode {
  return Object.hasOwn(findings, code)
}

function findingNotice({ target, reason }: Decision, code: FindingCode, facts: Facts): Notice {
  return {
    ...common(facts, code),
    key: `license-meter/${code}/${digestOf([target])}`,
    severity: 'warning',
    title: `${target}: ${findings[code]}`,
    lines: [reason.text],
    dedupeMs: 7 * dayMs,
  }
}

function unwrittenNotice(text: string, facts: Facts): Notice {
  return {
    ...common(facts, unwrittenCode),
    key: `license-meter/${unwrittenCode}`,
    severity: 'critical',
    title: 'the licence usage could not be put on record',
    lines: [text, 'The next trigger tries again; an hour that nobody gets on record stays a gap.'],
    dedupeMs: 4 * hourMs,
  }
}

import { formatInstant } from '#shared/pure/civil.ts'
import { quote } from '#shared/pure/clip.ts'
import { type CronSchedule, cronWarnings, nextFiring, previousFiring } from '#shared/pure/cron.ts'
import { formatDuration } from '#shared/pure/duration.ts'
import { type DraftProblem, draftProblems, settingProblems } from './config-problems.ts'
import { configuredRules, ruleContext } from './configured-rules.ts'
import { hpaConflict } from './decide-target.ts'
import { configuredByCluster } from './due.ts'
import type { CronScalerConfig } from './event.ts'
import { firingAfter, walkFirings } from './firing-walk.ts'
import { configuredOverrides, type Override } from './override.ts'
import type { Observed, ObservedCluster, ObservedTarget } from './plan.ts'
import { compareTexts, fullNameOf } from './plan-step.ts'
import { checkGroup, layOut } from './rule-book.ts'
import type { Rule, RuleDraft } from './rules.ts'
import { sizesEqual, sizeText, type Target, targetName } from './target.ts'
import { unseenWorld } from './timeline.ts'
import { turnOf } from './waves.ts'

/** What a rule can be found to be. An error does not do what it says; a warning may be meant otherwise. */
const severities = {
  'settings-invalid': 'error',
  'rule-invalid': 'error',
  'override-invalid': 'error',
  'never-fires': 'error',
  contradiction: 'error',
  'never-decides': 'error',
  'hpa-conflict': 'error',
  'spread-loses-firings': 'error',
  'look-back-too-short': 'error',
  'calendar-unreadable': 'error',
  'target-unreadable': 'error',
  'spread-reaches-next': 'warning',
  'day-or-weekday': 'warning',
  'exclude-time-fields': 'warning',
  seconds: 'warning',
  duplicate: 'warning',
  'run-once-over': 'warning',
  'validity-over': 'warning',
  'override-expired': 'warning',
  'target-missing': 'warning',
  'field-ignored': 'warning',
  'looked-not-far': 'warning',
} as const

export type LintCode = keyof typeof severities

export const lintCodes: readonly LintCode[] = Object.keys(severities).filter((code): code is LintCode => code in severities)

export interface LintFinding {
  readonly severity: 'error' | 'warning'
  readonly code: LintCode
  /** `cls-1/default/Deployment/web`; absent where not even that can be told. */
  readonly target?: string
  /** The rules or overrides that it is about, the one to be looked at first. */
  readonly rules: readonly string[]
  /** An instant at which it shows: a firing, or when something was over. */
  readonly atMs?: number
  readonly text: string
  /** What to do about it. */
  readonly fix: string
}

export interface LintOptions {
  readonly config: CronScalerConfig
  /** What is in the clusters; undefined when nobody looked: then the rules of the configuration are all there is. */
  readonly observed?: Observed | undefined
  readonly now: number
  /** How far ahead firings are gone through; five years when absent, as far as schedules are looked at anywhere. */
  readonly aheadMs?: number
}

const dayMs = 86_400_000
const yearMs = 365 * dayMs

/** Of one target so many leaps from firing to firing are made. */
const mostSteps = 300_000

/** Of a rule that is spread so many firings are looked at. */
const mostSpreadFirings = 2000

/** Who runs once, and not within this time, may have been meant for the time before. */
const soonMs = 30 * dayMs

/**
 * Looks for rules and overrides that do not do what somebody will have meant: that never fire, contradict each other, never get
 * their way, or are legal and surprising. Reads them in the same way as the plan, and goes through their firings from `now` on.
 * Paused rules are looked at by themselves, not beside others. Clusters that could not be read are passed over. Empty when there
 * is nothing to say; errors first, then by target and rule.
 */
export function lint(options: LintOptions): LintFinding[] {
  const { config, now, observed = unseenWorld(config), aheadMs = 5 * yearMs } = options
  const context = ruleContext(config.settings, now, observed.calendars)
  const configured = configuredByCluster(config)
  const findings: LintFinding[] = []
  for (const { path, text } of settingProblems(config.settings))
    findings.push(finding('settings-invalid', { rules: [], text: `${path}: ${text}`, fix: 'correct the settings of the function' }))
  const problemsOf = (draft: RuleDraft, fullName?: string): LintFinding[] =>
    draftProblems(draft, config.settings, context).map((problem) => invalidFinding(draft.id, problem, fullName))
  for (const draft of configuredRules(config)) if (draft.problem !== undefined) findings.push(...problemsOf(draft))
  for (const { id, cluster, read, problems } of configuredOverrides(config)) {
    for (const { text } of problems)
      findings.push(finding('override-invalid', { rules: [id], text: `${id}: ${text}`, fix: 'correct it, or take it away' }))
    if (read.ok)
      findings.push(
        ...expiredFinding(read.value.override, `${cluster}/${targetName(read.value.target)}`, options, 'take it out of `overrides`'),
      )
  }
  for (const cluster of observed.clusters) {
    if (cluster.problems.some(({ part }) => part === 'cluster' || part === 'rules')) continue
    const { drafts } = configured(cluster.id)
    const book = layOut([...cluster.rules, ...drafts])
    for (const { draft } of book.invalid) findings.push(...problemsOf(draft))
    const targets = new Map(cluster.targets.map((target) => [targetName(target), target]))
    for (const [name, group] of book.byTarget) {
      const { named } = group
      const { rules, paused } = checkGroup(group, context)
      const fullName = fullNameOf({ cluster, named })
      const place: Place = { cluster, named, fullName, target: targets.get(name), options, untilMs: now + aheadMs }
      for (const draft of group.drafts) findings.push(...problemsOf(draft, fullName))
      for (const rule of [...rules, ...paused.map((one) => one.rule)]) findings.push(...ruleFindings(rule, place))
      findings.push(...groupFindings(rules, place))
      if (options.observed !== undefined) findings.push(...targetFindings(rules, place))
    }
    for (const target of cluster.targets) findings.push(...annotationFindings(target, cluster, options))
  }
  return findings.toSorted(
    (left, right) =>
      compareTexts(left.severity, right.severity) ||
      compareTexts(left.target ?? '', right.target ?? '') ||
      compareTexts(left.rules.join(), right.rules.join()) ||
      compareTexts(left.code, right.code),
  )
}

/** What the findings about a target are made from. */
interface Place {
  readonly cluster: ObservedCluster
  readonly named: Target
  readonly fullName: string
  readonly target: ObservedTarget | undefined
  readonly options: LintOptions
  readonly untilMs: number
}

function finding(code: LintCode, facts: Omit<LintFinding, 'severity' | 'code'>): LintFinding {
  return { severity: severities[code], code, ...facts }
}

/** What the plan calls invalid. Its text says what to write. */
function invalidFinding(id: string, { code, field, text }: DraftProblem, fullName?: string): LintFinding {
  const facts = { rules: [id], text: `${id}: ${text}`, ...(fullName === undefined ? {} : { target: fullName }) }
  if (code === 'schedule-never-fires')
    return finding('never-fires', { ...facts, fix: 'write a day that the month has, or take the rule away' })
  if (code === 'look-back-too-short') return finding(code, { ...facts, fix: `lengthen lookBack, or shorten ${field ?? 'it'}` })
  return finding('rule-invalid', { ...facts, fix: `correct ${field ?? 'it'}; until then the rule is held` })
}

/** What is to be said of one rule by itself. */
function ruleFindings(rule: Rule, { fullName, target, options, untilMs }: Place): LintFinding[] {
  const { now, observed } = options
  const { schedule, zone, excludes } = rule
  const findings: LintFinding[] = []
  const add = (code: LintCode, text: string, fix: string, atMs?: number): void => {
    const facts = { target: fullName, rules: [rule.id], text: `${rule.id}${text}`, fix }
    findings.push(finding(code, atMs === undefined ? facts : { ...facts, atMs }))
  }
  if (rule.validUntilMs <= now) {
    add('validity-over', ` is not valid any more since ${formatInstant(rule.validUntilMs, zone)}`, 'take it away', rule.validUntilMs)
    return findings
  }
  if (excludes.unread !== undefined && observed !== undefined) {
    const text = ` does not run, because one of its calendars cannot be read: ${excludes.unread}`
    add('calendar-unreadable', text, 'make the calendar readable, or write its days into the settings')
  }
  const ranFor = rule.onceKey === undefined ? undefined : target?.record?.once[rule.onceKey]
  const nextMs = firingAfter(rule, target?.record, now, untilMs)
  if (ranFor !== undefined) {
    add('run-once-over', ` has run, for ${formatInstant(ranFor, zone)}, and does nothing any more`, 'take it away', ranFor)
  } else if (nextMs === undefined) {
    add('never-fires', ` ${whyNever(rule, now, untilMs)}`, 'leave it some days on which it may fire, or take it away')
  } else if (rule.onceKey !== undefined) {
    const previousMs = previousFiring(schedule, zone, now, Math.max(now - yearMs, rule.existsSinceMs))
    if (previousMs !== undefined && nextMs - now > soonMs && nextMs - now > now - previousMs) {
      const text = ` runs once, and its firing at ${formatInstant(previousMs, zone)} is over: without a mark that it ran, it runs at ${formatInstant(nextMs, zone)}`
      add('run-once-over', text, 'take it away if it was meant for the one that is over', previousMs)
    }
  }
  const dayWarnings = cronWarnings(schedule)
  const owned = rule.warnings.slice(0, rule.warnings.length - dayWarnings.length - excludes.warnings.length)
  for (const text of owned) add('field-ignored', `: ${text}`, 'take the field away, or correct its name')
  for (const text of dayWarnings)
    add('day-or-weekday', `: ${text}`, 'leave one of the two at *; a day of month on certain weekdays takes excludeDates')
  for (const text of excludes.warnings) add('exclude-time-fields', `: ${text}`, 'write * * * for its second, minute and hour')
  const seconds = secondsText(schedule)
  if (seconds !== undefined) {
    const text = ` fires ${seconds} (${quote(schedule.spec)}): the run of that minute waits for it, and when the time does not reach it comes with the next minute`
    add('seconds', text, 'write 0 for the second, unless it is meant')
  }
  return findings
}

/** `at second 30`, `at 3 seconds of its minutes`; undefined for second 0 alone. */
function secondsText({ seconds }: CronSchedule): string | undefined {
  const all = Array.from({ length: 60 }, (_, second) => second)
  const set = all.filter((second) => ((second < 30 ? seconds.low >> second : seconds.high >> (second - 30)) & 1) === 1)
  const [first = 0, ...more] = set
  if (first === 0 && more.length === 0) return undefined
  if (set.length === 60) return 'at every second'
  return more.length === 0 ? `at second ${first}` : `at ${set.length} seconds of its minutes`
}

function whyNever(rule: Rule, now: number, untilMs: number): string {
  const until = `until ${formatInstant(untilMs, rule.zone)}`
  const rawMs = nextFiring(rule.schedule, rule.zone, Math.max(now, rule.existsSinceMs - 1))
  if (rawMs === undefined || rawMs >= Math.min(untilMs, rule.validUntilMs)) {
    const limits = rule.validUntilMs < untilMs ? `before its validity is over at ${formatInstant(rule.validUntilMs, rule.zone)}` : until
    return `does not fire ${limits}`
  }
  return `does not run: every one of its firings ${until} is excluded, the first at ${formatInstant(rawMs, rule.zone)}`
}

/** What is to be said of the rules of one target beside each other. */
function groupFindings(rules: readonly Rule[], place: Place): LintFinding[] {
  const { fullName, target, options, untilMs } = place
  // Whether the firings of the others are excluded nobody knows.
  const known = rules.filter(({ excludes }) => excludes.unread === undefined)
  const walk = walkFirings(known, { record: target?.record, now: options.now, untilMs, mostSteps })
  const findings = walk.contradictions.map(({ winner, loser, firstMs }) =>
    finding('contradiction', {
      target: fullName,
      rules: [loser.id, winner.id],
      atMs: firstMs,
      text: `${loser.id} and ${winner.id} both fire at ${formatInstant(firstMs, winner.zone)} and ask for different sizes, ${sizeText(loser.size)} and ${sizeText(winner.size)}; the higher one wins`,
      fix: `let one of them fire at another time, or exclude that day from one`,
    }),
  )
  const duplicates = duplicateFindings(rules, fullName)
  for (const { rule, by, firstMs } of walk.overtaken) {
    const isSame = sizesEqual(rule.size, by.size)
    // Said already.
    if (isSame && duplicates.some((one) => one.rules.includes(rule.id))) continue
    const wish = isSame ? 'says the same and comes first' : 'asks for more'
    findings.push(
      finding('never-decides', {
        target: fullName,
        rules: [rule.id, by.id],
        atMs: firstMs,
        text: `${rule.id} never decides: each of its firings falls together with another rule's that comes before it; at ${formatInstant(firstMs, rule.zone)} it is ${by.id}, which ${wish}`,
        fix: isSame ? 'take it away' : 'let it fire at another time, or take it away',
      }),
    )
  }
  if (walk.untilMs < Math.min(untilMs, options.now + yearMs)) {
    findings.push(
      finding('looked-not-far', {
        target: fullName,
        rules: known.map(({ id }) => id),
        atMs: walk.untilMs,
        text: `the rules of ${fullName} fire so often that only their firings until ${formatInstant(walk.untilMs, options.config.settings.timeZone)} were compared`,
        fix: 'let them fire less often: what holds a size needs one firing and enforce',
      }),
    )
  }
  return [...findings, ...duplicates, ...known.flatMap((rule) => spreadFindings(rule, known, place))]
}

/** Rules of the same schedule, zone and size. Their excluded dates may differ: then a day is only closed when both close it. */
function duplicateFindings(rules: readonly Rule[], fullName: string): LintFinding[] {
  const byMeaning = Map.groupBy(rules, ({ schedule, zone, size, validUntilMs, existsSinceMs }) => {
    const { spec: _, ...bits } = schedule
    return JSON.stringify([bits, zone, size, validUntilMs, existsSinceMs])
  })
  return [...byMeaning.values()].flatMap((same) => {
    const [first, ...more] = same
    if (first === undefined || more.length === 0) return []
    const texts = new Set(same.map(({ excludes }) => JSON.stringify(excludes.entries.map(({ text }) => text))))
    const excludes = texts.size === 1 ? '' : '; their excluded dates differ, and a day is closed only where all of them close it'
    const ids = same.map(({ id }) => id)
    const text = `${ids.join(' and ')} have the same target, schedule and size (${quote(first.schedule.spec)}, ${sizeText(first.size)})${excludes}`
    return [finding('duplicate', { target: fullName, rules: ids, text, fix: 'keep one of them' })]
  })
}

/** Whether a rule's targets may still wait for their turn when the next firing takes over. */
function spreadFindings(rule: Rule, rules: readonly Rule[], { fullName, target, options, untilMs }: Place): LintFinding[] {
  if (rule.spreadMs === 0) return []
  const record = target?.record
  let atMs = firingAfter(rule, record, options.now, untilMs)
  for (let count = 0; atMs !== undefined && count < mostSpreadFirings; count += 1) {
    const firedMs = atMs
    const [next] = rules
      .flatMap((other) => {
        // Who runs once does not fire again.
        if (other === rule && rule.onceKey !== undefined) return []
        const nextMs = firingAfter(other, record, firedMs, Math.min(untilMs, firedMs + rule.spreadMs + 1))
        return nextMs === undefined ? [] : [{ other, nextMs }]
      })
      .toSorted((left, right) => left.nextMs - right.nextMs)
    if (next !== undefined) return [spreadFinding(rule, firedMs, next, fullName)]
    atMs = rule.onceKey === undefined ? firingAfter(rule, record, firedMs, untilMs) : undefined
  }
  return []
}

function spreadFinding(
  rule: Rule,
  atMs: number,
  { other, nextMs }: { readonly other: Rule; readonly nextMs: number },
  fullName: string,
): LintFinding {
  const turnMs = turnOf(fullName, atMs, rule.spreadMs)
  const isLost = turnMs >= nextMs
  const spread = `${rule.id} is spread over ${formatDuration(rule.spreadMs)} from ${formatInstant(atMs, rule.zone)}, and ${other === rule ? 'it' : other.id} fires ${other === rule ? 'again ' : ''}${formatDuration(nextMs - atMs)} later`
  const facts = { target: fullName, rules: rule === other ? [rule.id] : [rule.id, other.id], atMs }
  const fix = `choose a spread that is shorter than ${formatDuration(nextMs - atMs)}`
  if (isLost) {
    const text = `${spread}: this target's turn would come at ${formatInstant(turnMs, rule.zone)}, when the later firing has taken over, so the earlier one is never applied`
    return finding('spread-loses-firings', { ...facts, text, fix })
  }
  return finding('spread-reaches-next', {
    ...facts,
    text: `${spread}: it is this target's turn in time, of another name it might not be`,
    fix,
  })
}

/** What only the cluster can tell. */
function targetFindings(rules: readonly Rule[], { cluster, named, fullName, target, options }: Place): LintFinding[] {
  if (rules.length === 0) return []
  const ids = rules.map(({ id }) => id)
  const conflict = hpaConflict({ cluster, named, rules, overrides: [], target, config: options.config, now: options.now })
  const findings: LintFinding[] = []
  if (conflict?.code === 'hpa-conflict') {
    const fix = 'name the autoscaler as the target, with minSize and maxSize; or set allowHpaConflict'
    findings.push(finding('hpa-conflict', { target: fullName, rules: ids, text: conflict.text, fix }))
  } else if (conflict !== undefined) {
    findings.push(finding('target-unreadable', { target: fullName, rules: ids, text: conflict.text, fix: 'let the autoscalers be read' }))
  }
  const problem = cluster.problems.find(
    ({ part, object }) =>
      part === named.kind && (object === undefined || (object.namespace === named.namespace && object.name === named.name)),
  )
  if (problem !== undefined) {
    findings.push(
      finding('target-unreadable', { target: fullName, rules: ids, text: problem.text, fix: 'let it be read: until then it is held' }),
    )
  } else if (target === undefined) {
    const text = `there is no ${named.kind} ${named.name} in namespace ${named.namespace} of ${cluster.id}`
    findings.push(
      finding('target-missing', { target: fullName, rules: ids, text, fix: 'create it, correct its name, or take the rules away' }),
    )
  }
  return findings
}

/** The override on a target itself. */
function annotationFindings(target: ObservedTarget, cluster: ObservedCluster, options: LintOptions): LintFinding[] {
  const { override } = target
  if (override === undefined) return []
  const fullName = fullNameOf({ cluster, named: target })
  if (!('problem' in override)) return expiredFinding(override, fullName, options, 'take the annotation longshore.dev/override away')
  const text = `its annotation longshore.dev/override cannot be read, so the target is held: ${override.problem}`
  return [
    finding('override-invalid', { target: fullName, rules: ['override/annotation'], text, fix: 'correct the annotation, or take it away' }),
  ]
}

function expiredFinding({ id, untilMs, size }: Override, fullName: string, { config, now }: LintOptions, fix: string): LintFinding[] {
  if (untilMs > now) return []
  const text = `${id} (${sizeText(size)}) is over since ${formatInstant(untilMs, config.settings.timeZone)}`
  return [finding('override-expired', { target: fullName, rules: [id], atMs: untilMs, text, fix })]
}

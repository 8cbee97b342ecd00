import { civilOf, formatInstant, startOfDate } from '#shared/pure/civil.ts'
import { clip, quote } from '#shared/pure/clip.ts'
import { nextFiring, previousFiring } from '#shared/pure/cron.ts'
import { digestOf } from '#shared/pure/digest.ts'
import { formatDuration } from '#shared/pure/duration.ts'
import type { Reason, Step } from '#shared/pure/step.ts'
import { configuredRules, ruleContext, rulesFor } from './configured-rules.ts'
import type { CronScalerConfig } from './event.ts'
import { excludedBy } from './excludes.ts'
import { isOnRecord, type ScaleRecord } from './record.ts'
import { compileRule, type InvalidCode, type Rule, type RuleContext, type RuleDraft } from './rules.ts'
import { type ScaleChange, undoneRule, undoOf } from './scale-change.ts'
import { compareSizes, type Size, sizesEqual, sizeText, type Target, targetName } from './target.ts'

/** What was seen of all clusters. */
export interface Observed {
  readonly clusters: readonly ObservedCluster[]
}

export interface ObservedCluster {
  readonly id: string
  /** From HPC objects. */
  readonly rules: readonly RuleDraft[]
  readonly targets: readonly ObservedTarget[]
  readonly autoscalers: readonly ObservedAutoscaler[]
  /** Whether the platform's own HPC controller runs here. */
  readonly controller: 'running' | 'absent' | 'unknown'
  /** What could not be read. */
  readonly problems: readonly ObservedProblem[]
}

export interface ObservedProblem {
  /**
   * `cluster`: nothing at all was answered. `rules`: the HPC objects, without which nothing of the cluster can be decided.
   * `hpc-group`: the cluster does not serve the API group that the settings name, so it has no HPC objects.
   */
  readonly part: 'cluster' | 'rules' | 'hpc-group' | 'controller' | Target['kind']
  /** The one object that it is about; all of the part when absent. */
  readonly object?: { readonly namespace: string; readonly name: string }
  readonly text: string
}

export interface ObservedTarget extends Target {
  readonly uid: string
  readonly size: Size
  /** Being deleted. */
  readonly deleting: boolean
  readonly optOut: boolean
  /** Until when a person keeps this target for himself; the text when it is no instant. */
  readonly hold?: number | string
  readonly record?: ScaleRecord
  /** What is wrong with the record that is there. */
  readonly recordProblem?: string
}

/** An autoscaler and the workload that it sizes. */
export interface ObservedAutoscaler {
  readonly namespace: string
  readonly name: string
  readonly workload: { readonly apiVersion: string; readonly kind: string; readonly name: string }
}

export type ReasonCode =
  // change
  | 'due'
  | 'late'
  | 'drift'
  | 'record'
  // no-change
  | 'already-applied'
  | 'newer-applied'
  | 'in-place'
  // skipped
  | 'excluded-date'
  | 'superseded'
  | 'tie-lost'
  | 'not-due'
  // missed
  | 'deadline-passed'
  // held
  | 'paused'
  | 'cluster-unreadable'
  | 'target-unreadable'
  | 'target-missing'
  | 'target-deleting'
  | 'record-unreadable'
  | 'opt-out'
  | 'override'
  | 'hpa-conflict'
  | 'controller-unknown'
  | 'shadow'
  // invalid
  | 'hpc-group-missing'
  | InvalidCode

type ScaleStep = Step<ScaleChange>

/** A rule may have any number; nobody reads more of them in one line. */
const mostWarnings = 5

/** A change that comes this long after its firing is called late. */
const lateMs = 90_000

/**
 * Decides, for every target that a rule names, what its size should be now: the level, not the edge. Of all rules of a
 * target the one with the latest firing at or before `now` that is not excluded decides; of several at the same instant the
 * one with the higher size. It is applied once per firing: what is on record for this firing or a later one is not done
 * again, so that a person may change the size afterwards; with `enforce` it is put back. A firing found longer ago than its
 * starting deadline is missed. The order of rules, objects and clusters never matters.
 *
 * One step per target that says what becomes of it, and one for each rule that did not get its way: invalid, paused,
 * excluded, lost to another. With no rules there are no steps. Steps come sorted by target.
 */
export function plan(observed: Observed, config: CronScalerConfig, now: number): ScaleStep[] {
  const context = ruleContext(config.settings, now)
  const steps: ScaleStep[] = []
  const drafts = configuredRules(config)
  const known = new Set(observed.clusters.map(({ id }) => id))
  for (const draft of drafts) {
    if (draft.problem !== undefined) steps.push(ruleStep(draft, 'invalid', draft.problem.code, draft.problem.text))
    else if (!known.has(draft.cluster)) steps.push(ruleStep(draft, 'held', 'cluster-unreadable', `nobody has looked at ${draft.cluster}`))
  }
  for (const cluster of observed.clusters) {
    steps.push(...planCluster(cluster, [...cluster.rules, ...rulesFor(drafts, cluster.id)], context, config, now))
  }
  return steps.toSorted((left, right) => compareTexts(left.target, right.target) || compareTexts(left.reason.text, right.reason.text))
}

function planCluster(
  cluster: ObservedCluster,
  drafts: readonly RuleDraft[],
  context: RuleContext,
  config: CronScalerConfig,
  now: number,
): ScaleStep[] {
  const steps: ScaleStep[] = []
  const missingGroup = cluster.problems.find(({ part }) => part === 'hpc-group')
  if (missingGroup !== undefined) steps.push(clusterStep(cluster.id, cluster.id, 'invalid', 'hpc-group-missing', missingGroup.text))
  const unreadable = whyUnreadable(cluster)
  if (unreadable !== undefined) steps.push(clusterStep(cluster.id, cluster.id, 'held', 'cluster-unreadable', unreadable))
  const byTarget = new Map<string, Rule[]>()
  for (const draft of drafts) {
    const compiled = compileRule(draft, context)
    if (!compiled.ok) {
      steps.push(ruleStep(draft, 'invalid', compiled.error.code, compiled.error.text))
    } else if (draft.paused && unreadable === undefined) {
      steps.push(ruleStep(draft, 'held', 'paused', 'the rule is paused; the other rules of its target go on', compiled.value))
    } else {
      const name = targetName(compiled.value.target)
      const rules = byTarget.get(name)
      if (rules === undefined) byTarget.set(name, [compiled.value])
      else rules.push(compiled.value)
    }
  }
  const targets = new Map(cluster.targets.map((target) => [targetName(target), target]))
  for (const [name, rules] of byTarget) {
    if (unreadable === undefined) steps.push(...planTarget({ cluster, rules, target: targets.get(name), config, now }))
    // Which of its rules decides, nobody knows either.
    else steps.push(clusterStep(cluster.id, `${cluster.id}/${name}`, 'held', 'cluster-unreadable', unreadable))
  }
  return steps
}

/** Why nothing of a cluster can be decided, if so. */
function whyUnreadable({ problems }: ObservedCluster): string | undefined {
  const problem = problems.find(({ part }) => part === 'cluster') ?? problems.find(({ part }) => part === 'rules')
  if (problem === undefined) return undefined
  const what = problem.part === 'cluster' ? 'this cluster cannot be read' : 'the rules of this cluster cannot be read'
  return `${what}, so nothing of it is changed: ${problem.text}`
}

interface TargetCase {
  readonly cluster: ObservedCluster
  readonly rules: readonly Rule[]
  readonly target: ObservedTarget | undefined
  readonly config: CronScalerConfig
  readonly now: number
}

const tieText = 'the higher size wins'

/** A rule's latest firing that counts. */
interface Firing {
  readonly rule: Rule
  readonly atMs: number
}

function planTarget(facts: TargetCase): ScaleStep[] {
  const { rules, target, config, now } = facts
  const record = target?.record
  const steps: ScaleStep[] = []
  const firings: Firing[] = []
  for (const rule of rules) {
    const { atMs, excluded } = latestFiring(rule, record, now, now - config.settings.lookBack)
    if (atMs !== undefined) firings.push({ rule, atMs })
    if (excluded !== undefined && now - excluded.atMs <= rule.startingDeadlineMs) {
      const text = `${rule.id} does not run: ${formatInstant(excluded.atMs, rule.zone)} is excluded by "${excluded.by}"`
      steps.push(stepOf(facts, rule, excluded.atMs, 'skipped', 'excluded-date', text))
    }
  }
  firings.sort(byPrecedence)
  const [effective, ...others] = firings
  if (effective === undefined) {
    const [first] = rules.toSorted((left, right) => compareTexts(left.id, right.id))
    if (steps.length === 0 && first !== undefined) {
      steps.push(
        stepOf(
          facts,
          first,
          undefined,
          'skipped',
          'not-due',
          `no rule has fired since it was made, or within ${formatDuration(config.settings.lookBack)}; ${nextText(rules, now, record)}`,
        ),
      )
    }
    return steps
  }
  for (const { rule, atMs } of others) {
    // Only what it would have been time for; the rest is history.
    if (now - atMs > rule.startingDeadlineMs) continue
    const fired = `${rule.id} fired at ${formatInstant(atMs, rule.zone)}`
    if (atMs === effective.atMs) {
      const wish = sizesEqual(rule.size, effective.rule.size) ? 'asks for the same' : 'asks for less'
      const text = `${fired}, at the same instant as ${effective.rule.id}, and ${wish}; ${tieText}`
      steps.push(stepOf(facts, rule, atMs, 'skipped', 'tie-lost', text))
    } else if (record === undefined || atMs > record.nominalMs) {
      steps.push(stepOf(facts, rule, atMs, 'skipped', 'superseded', `${fired}, before ${effective.rule.id}, which decides`))
    }
  }
  const tied = others.some(({ atMs }) => atMs === effective.atMs)
  steps.push(decideTarget(facts, effective, tied))
  return steps
}

/**
 * Later first; at the same instant the higher size first. Of rules that ask for the same the one that does more about it: one
 * that enforces, one that may still run later. Then by id, so that the order of rules never matters.
 */
function byPrecedence(left: Firing, right: Firing): number {
  return (
    right.atMs - left.atMs ||
    compareSizes(right.rule.size, left.rule.size) ||
    Number(right.rule.enforce) - Number(left.rule.enforce) ||
    right.rule.startingDeadlineMs - left.rule.startingDeadlineMs ||
    compareTexts(left.rule.id, right.rule.id)
  )
}

interface LatestFiring {
  readonly atMs?: number
  /** The latest firing that an exclude took away, when it is later than `atMs`. */
  readonly excluded?: { readonly atMs: number; readonly by: string }
}

/**
 * The latest firing of a rule at or before `now` that is not excluded. A run-once rule that has run stays at the firing it
 * ran for.
 */
function latestFiring(rule: Rule, record: ScaleRecord | undefined, now: number, earliestMs: number): LatestFiring {
  const ranFor = rule.onceKey === undefined ? undefined : record?.once[rule.onceKey]
  if (ranFor !== undefined) return ranFor >= earliestMs && ranFor <= now ? { atMs: ranFor } : {}
  const notBeforeMs = Math.max(earliestMs, rule.existsSinceMs)
  let excluded: { readonly atMs: number; readonly by: string } | undefined
  for (let until = now; ; ) {
    const atMs = previousFiring(rule.schedule, rule.zone, until, notBeforeMs)
    if (atMs === undefined) return excluded === undefined ? {} : { excluded }
    const date = civilOf(atMs, rule.zone)
    const by = excludedBy(rule.excludes, date)
    if (by === undefined) return excluded === undefined ? { atMs } : { atMs, excluded }
    excluded ??= { atMs, by }
    until = startOfDate(date, rule.zone) - 1
  }
}

/** The next firing of a rule after `now` that is not excluded, looking a year of excluded days ahead. */
function upcomingFiring(rule: Rule, record: ScaleRecord | undefined, now: number): number | undefined {
  if (rule.onceKey !== undefined && record?.once[rule.onceKey] !== undefined) return undefined
  let after = now
  for (let days = 0; days < 366; days += 1) {
    const atMs = nextFiring(rule.schedule, rule.zone, after)
    if (atMs === undefined) return undefined
    const date = civilOf(atMs, rule.zone)
    if (excludedBy(rule.excludes, date) === undefined) return atMs
    const tomorrow = startOfDate({ ...date, day: date.day + 1 }, rule.zone)
    after = Math.max(atMs, tomorrow - 1)
  }
  return undefined
}

function nextText(rules: readonly Rule[], now: number, record: ScaleRecord | undefined): string {
  let next: Firing | undefined
  for (const rule of rules) {
    const atMs = upcomingFiring(rule, record, now)
    if (atMs === undefined) continue
    const firing = { rule, atMs }
    if (next === undefined || atMs < next.atMs || (atMs === next.atMs && byPrecedence(firing, next) < 0)) next = firing
  }
  if (next === undefined) return 'no rule fires again'
  return `next: ${sizeText(next.rule.size)} at ${formatInstant(next.atMs, next.rule.zone)} by ${next.rule.id}`
}

/** What becomes of a target, given the firing that decides. */
function decideTarget(facts: TargetCase, effective: Firing, tied: boolean): ScaleStep {
  const { cluster, target, rules, config, now } = facts
  const { rule, atMs } = effective
  const held = (code: ReasonCode, text: string): ScaleStep => stepOf(facts, rule, atMs, 'held', code, text)

  const problem = cluster.problems.find(
    ({ part, object }) =>
      part === rule.target.kind &&
      (object === undefined || (object.namespace === rule.target.namespace && object.name === rule.target.name)),
  )
  if (problem !== undefined) return held('target-unreadable', problem.text)
  if (target === undefined) {
    const { kind, name, namespace } = rule.target
    return held('target-missing', `there is no ${kind} ${name} in namespace ${namespace}: create it, or take the rule ${rule.id} away`)
  }
  if (target.deleting) return held('target-deleting', 'the target is being deleted')
  if (target.optOut) return held('opt-out', 'the target has the annotation longshore.dev/opt-out, and it is not "false"')
  if (target.recordProblem !== undefined) {
    return held(
      'record-unreadable',
      `its annotation longshore.dev/cron-scaler cannot be read (${target.recordProblem}), so nobody knows what was done: remove the annotation to start afresh`,
    )
  }
  if (typeof target.hold === 'string') {
    return held(
      'override',
      `its annotation longshore.dev/hold-until is ${quote(target.hold)}: write an instant such as 2026-10-01T08:00:00+08:00`,
    )
  }
  if (target.hold !== undefined && now < target.hold) {
    return held(
      'override',
      `somebody keeps the present size until ${formatInstant(target.hold, rule.zone)} (annotation longshore.dev/hold-until)`,
    )
  }
  const conflict = hpaConflict(facts, rule)
  if (conflict !== undefined) return held(conflict.code, conflict.text)

  const decision = decideSize(target, effective, now)
  const words = [decision.text]
  if (tied) words.push(`another rule fires at the same instant; ${tieText}`)
  words.push(nextText(rules, now, target.record))
  for (const warning of rule.warnings.slice(0, mostWarnings)) words.push(`warning: ${warning}`)
  if (rule.warnings.length > mostWarnings) words.push(`and ${rule.warnings.length - mostWarnings} more warnings`)
  const text = words.join('; ')

  if (rule.source === 'hpc' && config.settings.hpc.besideController === 'shadow') {
    if (cluster.controller === 'running') {
      const verdict = sizesEqual(target.size, rule.size) ? 'agrees' : 'differs'
      return held(
        'shadow',
        `tke-hpc-controller runs in this cluster, so this only compares: there is ${sizeText(target.size)}, which ${verdict}; alone it would be decided ${decision.verdict} (${decision.code}): ${text}`,
      )
    }
    if (cluster.controller === 'unknown') {
      const why = cluster.problems.find(({ part }) => part === 'controller')?.text ?? ''
      return held(
        'controller-unknown',
        `whether tke-hpc-controller runs in this cluster cannot be seen, and two must not scale at once: ${why}`,
      )
    }
  }
  if (config.settings.paused)
    return held('paused', `paused in the settings; else it would be decided ${decision.verdict} (${decision.code}): ${text}`)

  if (decision.verdict !== 'change') return stepOf(facts, rule, atMs, decision.verdict, decision.code, text)
  const step = stepFacts(facts, rule, atMs)
  const change: ScaleChange = {
    cluster: cluster.id,
    target: rule.target,
    uid: target.uid,
    from: target.size,
    to: rule.size,
    rule: rule.id,
    nominalMs: atMs,
    drift: decision.code === 'drift',
    ...(rule.onceKey === undefined ? {} : { onceKey: rule.onceKey }),
    ...(target.record === undefined ? {} : { replaces: target.record.key }),
  }
  return {
    ...step,
    verdict: 'change',
    reason: reason(decision.code, text),
    change,
    ...(sizesEqual(change.from, change.to) ? {} : { undo: undoOf(change, step.key) }),
  }
}

interface Decision {
  readonly verdict: 'change' | 'no-change' | 'missed'
  readonly code: ReasonCode
  readonly text: string
}

/** Compares what a firing asks for with what is there and what is on record. */
function decideSize(target: ObservedTarget, { rule, atMs }: Firing, now: number): Decision {
  const { record, size, hold } = target
  const same = sizesEqual(size, rule.size)
  let fired = `${rule.id} fired at ${formatInstant(atMs, rule.zone)}`
  if (record !== undefined && isOnRecord(record, atMs, hold, now)) {
    // Who takes a firing back does not want it enforced; everybody else's change is put back.
    if (rule.enforce && !same && undoneRule(record.owner) === undefined) {
      if (now < record.decidedMs) {
        return {
          verdict: 'no-change',
          code: 'newer-applied',
          text: `a run of ${formatInstant(record.decidedMs, rule.zone)} has decided already`,
        }
      }
      return { verdict: 'change', code: 'drift', text: `${fired}; somebody changed the size since, and enforce puts it back` }
    }
    return { verdict: 'no-change', code: 'already-applied', text: appliedText(record, size, fired, rule) }
  }
  // The time that somebody kept the target for himself does not count as being late.
  const heldUntil = typeof hold === 'number' ? hold : Number.NEGATIVE_INFINITY
  if (heldUntil > atMs) fired += `; somebody kept the target until ${formatInstant(heldUntil, rule.zone)}, and it counts from then`
  const ageMs = now - Math.max(atMs, heldUntil)
  const tooLate = ageMs > rule.startingDeadlineMs
  if (same) {
    // Putting it on record keeps a later change by a person from being undone by this firing. With enforce, and once too
    // late, there is nothing to keep.
    if (tooLate || (rule.enforce && rule.onceKey === undefined))
      return { verdict: 'no-change', code: 'in-place', text: `${fired}; the size is there already` }
    return {
      verdict: 'change',
      code: 'record',
      text: `${fired}; the size is there already, and that is put on record so that later changes stay`,
    }
  }
  if (tooLate && !rule.enforce) {
    return {
      verdict: 'missed',
      code: 'deadline-passed',
      text: `${fired}, ${formatDuration(ageMs - (ageMs % 1000))} ago, which is past its starting deadline of ${formatDuration(rule.startingDeadlineMs)}`,
    }
  }
  if (now - atMs > lateMs) return { verdict: 'change', code: 'late', text: `${fired}, ${formatDuration(ageMs - (ageMs % 1000))} ago` }
  return { verdict: 'change', code: 'due', text: fired }
}

function appliedText(record: ScaleRecord, size: Size, fired: string, rule: Rule): string {
  const undone = undoneRule(record.owner)
  if (undone !== undefined) return `${fired}; ${clip(undone)} was taken back, which stays until the next firing`
  if (record.owner !== rule.id) return `${fired}; ${clip(record.owner)} has been applied for ${formatInstant(record.nominalMs, rule.zone)}`
  if (!sizesEqual(record.after, rule.size))
    return `${fired} and was applied as ${sizeText(record.after)}; what the rule says now counts from its next firing`
  if (!sizesEqual(record.after, size)) return `${fired} and was applied; somebody changed the size since, which stays until the next firing`
  return `${fired} and was applied`
}

/** A workload whose replicas an autoscaler decides is not sized here as well: the two would undo each other. */
function hpaConflict({ cluster }: TargetCase, rule: Rule): { readonly code: ReasonCode; readonly text: string } | undefined {
  const { kind, namespace, name } = rule.target
  if (kind === 'HorizontalPodAutoscaler' || rule.allowHpaConflict) return undefined
  const inNamespace = cluster.autoscalers.filter((autoscaler) => autoscaler.namespace === namespace)
  const found = inNamespace.find(
    ({ workload }) =>
      workload.name === name && workload.kind.toLowerCase() === kind.toLowerCase() && /^(apps|extensions)\/|^$/.test(workload.apiVersion),
  )
  if (found !== undefined) {
    return {
      code: 'hpa-conflict',
      text: `HorizontalPodAutoscaler ${found.namespace}/${found.name} sizes this workload, and the two would undo each other: name that autoscaler as the target with minSize and maxSize, or set allowHpaConflict`,
    }
  }
  // One that does not even say which workload it sizes may size any of its namespace.
  const problem = cluster.problems.find(
    ({ part, object }) =>
      part === 'HorizontalPodAutoscaler' &&
      (object === undefined || (object.namespace === namespace && !inNamespace.some((autoscaler) => autoscaler.name === object.name))),
  )
  if (problem === undefined) return undefined
  return { code: 'target-unreadable', text: `whether an autoscaler sizes this workload cannot be seen: ${problem.text}` }
}

function stepOf(
  facts: TargetCase,
  rule: Rule,
  atMs: number | undefined,
  verdict: 'no-change' | 'skipped' | 'missed' | 'held',
  code: ReasonCode,
  text: string,
): ScaleStep {
  return { ...stepFacts(facts, rule, atMs), verdict, reason: reason(code, text) }
}

function stepFacts(facts: TargetCase, rule: Rule, atMs: number | undefined) {
  return {
    key: keyOf(keyParts(facts, rule, atMs)),
    target: `${facts.cluster.id}/${targetName(rule.target)}`,
    before: facts.target === undefined ? '' : sizeText(facts.target.size),
    after: sizeText(rule.size),
  }
}

/**
 * What makes a decision this one and no other: cluster, target, rule, firing, end state; and what it begins with, which is the
 * object, the record on it, and a hold whose end makes the firing count again. So each correction is a step of its own, and
 * what was done to an object that is gone does not stand for the one after it.
 */
function keyParts({ cluster, target, now }: TargetCase, rule: Rule, atMs: number | undefined): (string | number | null)[] {
  const record = target?.record
  const isHoldOver = record !== undefined && record.nominalMs === atMs && !isOnRecord(record, atMs, target?.hold, now)
  return [
    cluster.id,
    targetName(rule.target),
    rule.id,
    atMs ?? null,
    sizeText(rule.size),
    target?.uid ?? null,
    record?.key ?? null,
    isHoldOver ? (target?.hold ?? null) : null,
  ]
}

/** A step about a cluster as a whole, or about a target of which nothing more can be said. */
function clusterStep(cluster: string, target: string, verdict: 'invalid' | 'held', code: ReasonCode, text: string): ScaleStep {
  return { key: keyOf([cluster, target, code]), target, before: '', after: '', verdict, reason: reason(code, text) }
}

/** A step about a rule alone, before anything is known of its target. */
function ruleStep(draft: RuleDraft, verdict: 'invalid' | 'held', code: ReasonCode, text: string, rule?: Rule): ScaleStep {
  const { namespace, kind, name } = draft.target
  const target =
    rule === undefined
      ? [namespace ?? draft.namespace, kind ?? '?', name ?? '?'].map((part) => clip(part, longestNamePart)).join('/')
      : targetName(rule.target)
  return {
    key: keyOf([draft.cluster, target, draft.id, null, rule === undefined ? draft.schedule : sizeText(rule.size)]),
    target: `${clip(draft.cluster, longestNamePart)}/${target}`,
    before: '',
    after: rule === undefined ? '' : sizeText(rule.size),
    verdict,
    reason: reason(code, `${draft.id}: ${text}`),
  }
}

/** A target is named in one line. */
const longestNamePart = 63

function keyOf(values: readonly (string | number | null)[]): string {
  return `cron-scaler:${digestOf(values)}`
}

function reason(code: ReasonCode, text: string): Reason {
  return { code, text }
}

function compareTexts(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}

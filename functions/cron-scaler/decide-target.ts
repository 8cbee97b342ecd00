import { clip, quote } from '#shared/pure/clip.ts'
import { formatDuration } from '#shared/pure/duration.ts'
import { withOne } from '#shared/pure/with-one.ts'
import { adviceFor } from './field-manager.ts'
import { byPrecedence, type Firing, isTie, latestFiring, upcomingFiring } from './firings.ts'
import { firedText, instantText, nextText } from './instant-text.ts'
import { isOverride, type Override, overrideInForce } from './override.ts'
import type { ObservedAutoscaler, ObservedTarget, ReasonCode } from './plan.ts'
import {
  type ChangeStep,
  compareTexts,
  fullNameOf,
  reasonOf,
  type ScaleStep,
  type Subject,
  stepFacts,
  stepOf,
  subjectOf,
  type TargetCase,
  withUndo,
} from './plan-step.ts'
import { correctionsWithin, correctionWindowMs, isOnRecord, type ScaleRecord } from './record.ts'
import type { Rule } from './rules.ts'
import { type ScaleChange, undoneRule, undoOwner } from './scale-change.ts'
import { compareWithController } from './shadow.ts'
import { sizesEqual, sizeText } from './target.ts'
import { turnOf } from './waves.ts'

const tieText = 'the higher size wins'

/** A rule may have any number; nobody reads more of them in one line. */
const mostWarnings = 5

/** A change that comes this long after its turn is called late. */
const lateMs = 90_000

/** Who changes a size so soon after it was set does it by itself. */
const backAtOnceMs = 120_000

/**
 * The steps of one target: what becomes of it, and one for each rule and override that did not get its way. No step at all
 * where there is nothing to say, which is so without rules and without an override that is or was in force.
 */
export function planTarget(facts: TargetCase): ScaleStep[] {
  const { rules, config, now } = facts
  const steps: ScaleStep[] = []
  let fired: Firing[] | undefined
  for (const rule of rules) {
    const { atMs, excluded } = latestFiring(rule, facts.target?.record, now, now - config.settings.lookBack)
    if (atMs !== undefined) fired = withOne(fired, { rule, atMs })
    if (excluded !== undefined && now - excluded.atMs <= rule.startingDeadlineMs) {
      const text = `${rule.id} does not run: ${instantText(excluded.atMs, rule.zone)} is excluded by "${excluded.by}"`
      steps.push(stepOf(facts, subjectOf(rule, excluded.atMs), 'skipped', 'excluded-date', text))
    }
    if (rule.validUntilMs <= now) {
      const text = `${rule.id} is not valid any more since ${instantText(rule.validUntilMs, rule.zone)}: take it away`
      steps.push(stepOf(facts, subjectOf(rule, rule.validUntilMs), 'skipped', 'validity-over', text))
    }
  }
  if (fired !== undefined && fired.length > 1) fired.sort(byPrecedence)
  const effective = fired?.[0]
  const others = fired !== undefined && fired.length > 1 ? fired.slice(1) : noFirings
  for (const rule of rules) {
    if (rule.excludes.unread === undefined || rule === effective?.rule) continue
    steps.push(stepOf(facts, subjectOf(rule, firingOf(rule, others)), 'held', 'calendar-unreadable', `${rule.id}${unreadText(rule)}`))
  }
  const own = decideTarget(facts, effective, effective !== undefined && others[0]?.atMs === effective.atMs && isTie(others[0], effective))
  const before = own?.reason.code === 'wave' && effective !== undefined ? turnBefore(facts, effective) : undefined
  if (effective !== undefined && others.length > 0) steps.push(...otherSteps(facts, effective, withoutFiring(others, before?.firing)))
  steps.push(...idleOverrides(facts))
  // So it is for nearly every target.
  if (steps.length === 0 && before === undefined) return own === undefined ? nothingDue(facts) : [own]
  if (own !== undefined) steps.push(own)
  if (before !== undefined) steps.push(before.step)
  return steps
}

function firingOf(rule: Rule, firings: readonly Firing[]): number | undefined {
  return firings.find((firing) => firing.rule === rule)?.atMs
}

/**
 * What is to be done for the latest firing whose turn has come, while a later one still waits for its own: all firings of a target
 * are put off by the same time, and none is lost to the next one. Undefined when it is done, or too late for it. What fires at the
 * same instant as the one that waits has lost to it.
 */
function turnBefore(facts: TargetCase, waiting: Firing): { readonly firing: Firing; readonly step: ScaleStep } | undefined {
  const { rules, target, config, now } = facts
  const firings = rules.flatMap((rule): Firing[] => {
    const waitMs = turnOf(fullNameOf(facts), 0, rule.spreadMs)
    const { atMs } = latestFiring(rule, target?.record, Math.min(now - waitMs, waiting.atMs - 1), now - config.settings.lookBack)
    return atMs === undefined ? [] : [{ rule, atMs }]
  })
  const [firing, next] = firings.sort(byPrecedence)
  if (firing === undefined) return undefined
  const step = decideTarget(facts, firing, next?.atMs === firing.atMs)
  return step?.verdict === 'change' ? { firing, step } : undefined
}

const noFirings: readonly Firing[] = []

function withoutFiring(firings: readonly Firing[], one: Firing | undefined): readonly Firing[] {
  return one === undefined ? firings : firings.filter(({ rule, atMs }) => rule !== one.rule || atMs !== one.atMs)
}

/** What the firings that lost have to say, as far as it would have been time for them; the rest is history. */
function otherSteps(facts: TargetCase, effective: Firing, others: readonly Firing[]): ScaleStep[] {
  const steps: ScaleStep[] = []
  const record = facts.target?.record
  for (const { rule, atMs } of others) {
    if (facts.now - atMs > rule.startingDeadlineMs || rule.excludes.unread !== undefined) continue
    const fired = `${rule.id}${firedText(atMs, rule.zone)}`
    if (atMs === effective.atMs && isTie({ rule, atMs }, effective)) {
      const wish = sizesEqual(rule.size, effective.rule.size) ? 'asks for the same' : 'asks for less'
      const text = `${fired}, at the same instant as ${effective.rule.id}, and ${wish}; ${tieText}`
      steps.push(stepOf(facts, subjectOf(rule, atMs), 'skipped', 'tie-lost', text))
    } else if (record === undefined || atMs > record.nominalMs) {
      const text = `${fired}, before ${effective.rule.id}, which decides`
      steps.push(stepOf(facts, subjectOf(rule, atMs), 'skipped', 'superseded', text))
    }
  }
  return steps
}

/** Overrides that are not in force, because their time has not come or is over, or because another one is. */
function idleOverrides(facts: TargetCase): readonly ScaleStep[] {
  const { overrides, now } = facts
  const onTarget = targetOverride(facts.target)
  if (overrides.length === 0 && onTarget === undefined) return noSteps
  const inForce = overrideInForce(onTarget, overrides, now)
  const zone = facts.config.settings.timeZone
  return [...(onTarget === undefined ? [] : [onTarget]), ...overrides].flatMap((override) => {
    if (override === inForce) return []
    const where = override === onTarget ? 'the annotation longshore.dev/override' : 'it out of `overrides`'
    const subject = overrideSubject(override)
    if (override.untilMs <= now) {
      const text = `${override.id} is over since ${instantText(override.untilMs, zone)}: take ${where}${override === onTarget ? ' away' : ''}`
      return [stepOf(facts, subject, 'skipped', 'override-expired', text)]
    }
    if (override.fromMs !== undefined && override.fromMs > now) {
      const text = `${override.id} begins at ${instantText(override.fromMs, zone)}${whyText(override)}`
      return [stepOf(facts, subject, 'skipped', 'override-pending', text)]
    }
    const why = inForce === onTarget ? 'the annotation of the target comes first' : 'that one began later, or asks for more'
    return [stepOf(facts, subject, 'skipped', 'override-lost', `${override.id} gives way to ${inForce?.id ?? ''}: ${why}`)]
  })
}

const noSteps: readonly ScaleStep[] = []

function nothingDue(facts: TargetCase): ScaleStep[] {
  const { rules, config, now } = facts
  const [first] = rules.length > 1 ? rules.toSorted((left, right) => compareTexts(left.id, right.id)) : rules
  if (first === undefined) return []
  const text = `no rule has fired since it was made, or within ${formatDuration(config.settings.lookBack)}${textOfNext(nextOf(rules, now, facts.target?.record))}`
  return [stepOf(facts, subjectOf(first, undefined), 'skipped', 'not-due', text)]
}

/** What fires next. */
function nextOf(rules: readonly Rule[], now: number, record: ScaleRecord | undefined): Firing | undefined {
  let next: Firing | undefined
  for (const rule of rules) {
    const atMs = upcomingFiring(rule, record, now)
    if (atMs === undefined || (next !== undefined && atMs > next.atMs)) continue
    const firing = { rule, atMs }
    if (next === undefined || atMs < next.atMs || byPrecedence(firing, next) < 0) next = firing
  }
  return next
}

function textOfNext(next: Firing | undefined): string {
  if (next === undefined) return '; no rule fires again'
  return `${nextText(sizeText(next.rule.size), next.atMs, next.rule.zone)}${next.rule.id}`
}

/** What is decided about a target, and for the sake of what. */
interface Decision {
  readonly subject: Subject
  readonly verdict: 'change' | 'no-change' | 'missed' | 'skipped' | 'held'
  readonly code: ReasonCode
  readonly text: string
  /** What is written beside the size, with the verdict `change`. */
  readonly change: Pick<ScaleChange, 'rule' | 'nominalMs' | 'drift'> & {
    readonly onceKey?: string | undefined
    readonly untilMs?: number | undefined
  }
}

/** What becomes of a target, given the firing that decides; undefined when nothing does. */
function decideTarget(facts: TargetCase, effective: Firing | undefined, tied: boolean): ScaleStep | undefined {
  const { target, overrides, now } = facts
  const override = overrideInForce(targetOverride(target), overrides, now)
  const subject = subjectFor(target, override, effective)
  if (subject === undefined) return undefined
  const zone = effective?.rule.zone ?? facts.config.settings.timeZone
  const obstacle = target === undefined ? whyNoTarget(facts, subject) : (unreadableText(facts) ?? obstacleOf(facts, target, zone))
  if (obstacle !== undefined) return stepOf(facts, subject, 'held', obstacle.code, obstacle.text)
  if (target === undefined) return undefined

  const decision =
    override !== undefined
      ? decideOverride(facts, target, override, effective)
      : effective !== undefined
        ? decideFiring(facts, target, effective, tied)
        : decideEnd(facts, target, zone)
  if (decision === undefined) return undefined
  const held = heldBack(facts, target, decision)
  if (held !== undefined) return stepOf(facts, decision.subject, 'held', held.code, held.text)
  if (decision.verdict !== 'change') return stepOf(facts, decision.subject, decision.verdict, decision.code, decision.text)
  const { key, target: fullName, before, after } = stepFacts(facts, decision.subject)
  const change = changeOf(facts, target, decision)
  const reason = reasonOf(decision.code, decision.text)
  const step: ChangeStep = { key, target: fullName, before, after, verdict: 'change', reason, change }
  return sizesEqual(change.from, change.to) ? step : withUndo(step)
}

/** What is written. Of most changes these are all the fields, and an object that is copied once more stays in memory twice. */
function changeOf(facts: TargetCase, { uid, size, record }: ObservedTarget, { subject, change }: Decision): ScaleChange {
  const { rule, nominalMs, drift, onceKey, untilMs } = change
  const usual = { cluster: facts.cluster.id, target: facts.named, uid, from: size, to: subject.size, rule, nominalMs, drift }
  if (onceKey === undefined && untilMs === undefined && record === undefined) return usual
  return {
    ...usual,
    ...(onceKey === undefined ? {} : { onceKey }),
    ...(untilMs === undefined ? {} : { untilMs }),
    ...(record === undefined ? {} : { replaces: record.key }),
  }
}

/** For the sake of what a target is looked at: an override, a firing, or the end of an override when no rule has fired. */
function subjectFor(
  target: ObservedTarget | undefined,
  override: Override | undefined,
  effective: Firing | undefined,
): Subject | undefined {
  if (override !== undefined) return overrideSubject(override)
  if (effective !== undefined) return subjectOf(effective.rule, effective.atMs)
  if (target?.override !== undefined && 'problem' in target.override)
    return { id: 'override/annotation', size: target.size, atMs: undefined }
  return endSubject(target)
}

function overrideSubject({ id, size, untilMs }: Override): Subject {
  return { id, size, atMs: untilMs }
}

interface Obstacle {
  readonly code: ReasonCode
  readonly text: string
}

/** Why there is no target to look at. */
function whyNoTarget(facts: TargetCase, subject: Subject): Obstacle {
  const { kind, name, namespace } = facts.named
  const what = isOverride(subject.id) ? 'override' : 'rule'
  const text = `there is no ${kind} ${name} in namespace ${namespace}: create it, or take the ${what} ${subject.id} away`
  return unreadableText(facts) ?? { code: 'target-missing', text }
}

function unreadableText({ cluster, named }: TargetCase): Obstacle | undefined {
  if (cluster.problems.length === 0) return undefined
  const problem = cluster.problems.find(
    ({ part, object }) =>
      part === named.kind && (object === undefined || (object.namespace === named.namespace && object.name === named.name)),
  )
  return problem === undefined ? undefined : { code: 'target-unreadable', text: problem.text }
}

/** What keeps a target from being touched at all, whatever is due. */
function obstacleOf(facts: TargetCase, target: ObservedTarget, zone: string): Obstacle | undefined {
  const { now } = facts
  if (target.deleting) return { code: 'target-deleting', text: 'the target is being deleted' }
  if (target.optOut) return { code: 'opt-out', text: 'the target has the annotation longshore.dev/opt-out, and it is not "false"' }
  if (target.recordProblem !== undefined) {
    return {
      code: 'record-unreadable',
      text: `its annotation longshore.dev/cron-scaler cannot be read (${target.recordProblem}), so nobody knows what was done: remove the annotation to start afresh`,
    }
  }
  if (typeof target.hold === 'string') {
    const text = `its annotation longshore.dev/hold-until is ${quote(target.hold)}: write an instant such as 2026-10-01T08:00:00+08:00`
    return { code: 'override', text }
  }
  if (target.hold !== undefined && now < target.hold) {
    const text = `somebody keeps the present size until ${instantText(target.hold, zone)} (annotation longshore.dev/hold-until)`
    return { code: 'override', text }
  }
  return overrideObstacle(facts, target) ?? hpaConflict(facts)
}

/** An override on the target that cannot be in force as it is written: nobody knows which size the target shall have. */
function overrideObstacle({ config, now }: TargetCase, { override }: ObservedTarget): Obstacle | undefined {
  if (override === undefined || ('untilMs' in override && override.untilMs <= now)) return undefined
  const problem =
    'problem' in override
      ? override.problem
      : override.size.kind === 'bounds' && override.size.min === 0 && !config.settings.allowZeroMin
        ? 'min 0 needs a cluster with HPAScaleToZero: write 1 or more, or set allowZeroMin where the clusters have it'
        : undefined
  if (problem === undefined) return undefined
  return { code: 'override-invalid', text: `its annotation longshore.dev/override cannot be read: ${problem}; or take it away` }
}

/** A workload whose replicas an autoscaler decides is not sized here as well: the two would undo each other. */
export function hpaConflict({ cluster, named, rules, config }: TargetCase): Obstacle | undefined {
  const { kind, namespace, name } = named
  if (kind === 'HorizontalPodAutoscaler' || config.settings.allowHpaConflict || rules.some((rule) => rule.allowHpaConflict))
    return undefined
  const inNamespace = autoscalersIn(cluster.autoscalers, namespace)
  if (inNamespace.length === 0 && cluster.problems.length === 0) return undefined
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

const laidOut = new WeakMap<readonly ObservedAutoscaler[], ReadonlyMap<string, readonly ObservedAutoscaler[]>>()
const noAutoscalers: readonly ObservedAutoscaler[] = []

/** The autoscalers of a namespace. A cluster's are laid out once: going through all of them for each target would be quadratic. */
function autoscalersIn(all: readonly ObservedAutoscaler[], namespace: string): readonly ObservedAutoscaler[] {
  let byNamespace = laidOut.get(all)
  if (byNamespace === undefined) {
    byNamespace = Map.groupBy(all, (autoscaler) => autoscaler.namespace)
    laidOut.set(all, byNamespace)
  }
  return byNamespace.get(namespace) ?? noAutoscalers
}

/** What keeps a decision from being carried out: the platform's own controller, or a pause. */
function heldBack(facts: TargetCase, target: ObservedTarget, { subject, verdict, code, text }: Decision): Obstacle | undefined {
  const { cluster, config, rules, isOfHpc: isTheirs = rules.some(({ source }) => source === 'hpc') } = facts
  // What an override is about is the controller's as well, as soon as an HPC object names it.
  const isOfHpc = subject.id.startsWith('hpc/') || (isTheirs && !subject.id.startsWith('config/'))
  if (isOfHpc && config.settings.hpc.besideController === 'shadow') {
    if (cluster.controller === 'running') {
      const compared = compareWithController(facts, target)
      const wish = verdict === 'change' ? `; alone it would be decided ${verdict} (${code})` : ''
      return { code: compared.code, text: `tke-hpc-controller runs in this cluster, so this only compares: ${compared.text}${wish}` }
    }
    if (cluster.controller === 'unknown') {
      const why = cluster.problems.find(({ part }) => part === 'controller')?.text ?? ''
      return {
        code: 'controller-unknown',
        text: `whether tke-hpc-controller runs in this cluster cannot be seen, and two must not scale at once: ${why}`,
      }
    }
  }
  if (!config.settings.paused) return undefined
  return { code: 'paused', text: `paused in the settings; else it would be decided ${verdict} (${code}): ${text}` }
}

/** What an override in force means for its target. */
function decideOverride(facts: TargetCase, target: ObservedTarget, override: Override, effective: Firing | undefined): Decision {
  const { now, rules, config } = facts
  const { record, size } = target
  const zone = effective?.rule.zone ?? config.settings.timeZone
  const enforce = rules.length === 0 ? config.settings.enforce : rules.some((rule) => rule.enforce)
  const subject = overrideSubject(override)
  const answer = (verdict: Decision['verdict'], code: ReasonCode, what: string, drift = false): Decision => {
    const then = effective === undefined ? '' : `; without it ${effective.rule.id} would decide (${sizeText(effective.rule.size)})`
    return {
      subject,
      verdict,
      code,
      text: `${override.id} gives it ${sizeText(override.size)} until ${instantText(override.untilMs, zone)}${whyText(override)}${what}${then}`,
      change: {
        rule: override.id,
        nominalMs: Math.max(effective?.atMs ?? 0, override.fromMs ?? 0, record?.nominalMs ?? 0),
        drift,
        untilMs: override.untilMs,
      },
    }
  }
  if (record !== undefined && undoneRule(record.owner) === override.id) {
    const text = '; that was taken back, and the schedule waits as well: take the override away, or write another one'
    return answer('held', 'override-undone', text)
  }
  const isSame = sizesEqual(size, override.size)
  const isOnIt = record?.owner === override.id && sizesEqual(record.after, override.size)
  if (record !== undefined && isOnIt && record.untilMs === override.untilMs) {
    if (isSame) return answer('no-change', 'override-in-force', '')
    if (!enforce) {
      const text = `; somebody changed the size since, which stays until then${setBackText(target, record)}`
      return answer('no-change', 'override-in-force', text)
    }
    if (record.decidedMs <= now) {
      const fight = fightOf(facts, target, record, zone)
      if (fight !== undefined) return answer('held', 'fought-over', `; ${fight}`)
      return answer('change', 'drift', `; ${changedText(target)}, and enforce puts it back${correctionsText(record, now)}`, true)
    }
  }
  if (record !== undefined && now < record.decidedMs) {
    return answer('no-change', 'newer-applied', `; a run of ${instantText(record.decidedMs, zone)} has decided already`)
  }
  if (isSame) return answer('change', 'record', '; the size is there already, and that is put on record so that its end counts')
  return answer('change', 'override-begins', '')
}

/** After an override on a target that no rule has fired for: the size that was there before it. */
function decideEnd(facts: TargetCase, target: ObservedTarget, zone: string): Decision | undefined {
  const { now } = facts
  const { record, size } = target
  const subject = endSubject(target)
  if (subject === undefined || record === undefined) return undefined
  const over = `${clip(record.owner)} ${endText(record, now, zone)}, and no rule has fired for the target`
  const answer = (verdict: Decision['verdict'], code: ReasonCode, what: string): Decision => ({
    subject,
    verdict,
    code,
    text: `${over}; ${what}`,
    change: { rule: subject.id, nominalMs: record.nominalMs, drift: true },
  })
  if (now < record.decidedMs) return answer('no-change', 'newer-applied', 'a later run has decided already')
  if (sizesEqual(size, record.before)) return answer('no-change', 'override-over', `${sizeText(size)} was there before it, and is`)
  if (!sizesEqual(size, record.after)) return answer('no-change', 'override-over', 'somebody changed the size since, which stays')
  return answer('change', 'override-over', `${sizeText(record.before)} was there before it`)
}

/** The change back to what was there before an override: an undo of it, as far as records and writing go. */
function endSubject(target: ObservedTarget | undefined): Subject | undefined {
  const record = target?.record
  if (record === undefined || !isOverride(record.owner)) return undefined
  return { id: undoOwner(record.owner), size: record.before, atMs: record.nominalMs }
}

/** What a firing means for its target. */
function decideFiring(facts: TargetCase, target: ObservedTarget, effective: Firing, tied: boolean): Decision {
  const { rule, atMs } = effective
  const { verdict, code, about, text } =
    rule.excludes.unread === undefined
      ? decideSize(facts, target, effective)
      : verdictOn(rule, 'held', 'calendar-unreadable', unreadText(rule))
  const said = tied ? `${text}; another rule fires at the same instant; ${tieText}` : text
  return {
    subject: subjectOf(rule, atMs),
    verdict,
    code,
    text: `${about}${said}${textOfNext(nextOf(facts.rules, facts.now, target.record))}${warningsText(rule)}`,
    change: { rule: rule.id, nominalMs: atMs, drift: code === 'drift', onceKey: rule.onceKey },
  }
}

function warningsText({ warnings }: Rule): string {
  if (warnings.length === 0) return ''
  const shown = warnings.slice(0, mostWarnings).map((warning) => `; warning: ${warning}`)
  if (warnings.length > mostWarnings) shown.push(`; and ${warnings.length - mostWarnings} more warnings`)
  return shown.join('')
}

/** What a firing means for its target, and why: a sentence about its rule, or about none. */
interface Verdict extends Pick<Decision, 'verdict' | 'code'> {
  /** What the sentence begins with: the rule's id, or nothing. */
  readonly about: string
  readonly text: string
}

function verdictOn({ id }: Rule, verdict: Decision['verdict'], code: ReasonCode, text: string): Verdict {
  return { verdict, code, about: id, text }
}

/** What becomes of a rule whose calendar cannot be read, after its id. */
function unreadText({ excludes }: Rule): string {
  return ` does not run, and nothing that it may decide: whether its firing is excluded nobody knows, because its calendar cannot be read: ${excludes.unread}`
}

/** Compares what a firing asks for with what is there and what is on record. */
function decideSize(facts: TargetCase, target: ObservedTarget, { rule, atMs }: Firing): Verdict {
  const { now } = facts
  const { record, size, hold } = target
  const same = sizesEqual(size, rule.size)
  const enforce = rule.enforce && now < rule.validUntilMs
  let fired = firedText(atMs, rule.zone)
  if (record !== undefined && (isOnRecord(record, atMs, hold, now) || (isOverride(record.owner) && now < record.decidedMs))) {
    // Who takes a firing back does not want it enforced; everybody else's change is put back.
    if (now < record.decidedMs && (isOverride(record.owner) || (enforce && !same && undoneRule(record.owner) === undefined))) {
      const text = `a run of ${instantText(record.decidedMs, rule.zone)} has decided already`
      return { verdict: 'no-change', code: 'newer-applied', about: '', text }
    }
    if (enforce && !same && undoneRule(record.owner) === undefined) {
      const fight = fightOf(facts, target, record, rule.zone)
      if (fight !== undefined) return verdictOn(rule, 'held', 'fought-over', `${fired}; ${fight}`)
      const text = `${fired}; ${changedText(target)}, and enforce puts it back${correctionsText(record, now)}`
      return verdictOn(rule, 'change', 'drift', text)
    }
    return verdictOn(rule, 'no-change', 'already-applied', appliedText(target, record, fired, rule))
  }
  // The time that somebody kept the target for himself does not count as being late.
  const keptUntilMs = Math.max(typeof hold === 'number' ? hold : Number.NEGATIVE_INFINITY, endOf(record, now))
  if (keptUntilMs > atMs) fired += `; ${keptText(record, hold, keptUntilMs, now, rule.zone)}, and it counts from then`
  const ageMs = now - Math.max(atMs, keptUntilMs)
  const tooLate = ageMs > rule.startingDeadlineMs
  if (same && (tooLate || (enforce && rule.onceKey === undefined && record?.untilMs === undefined))) {
    return verdictOn(rule, 'no-change', 'in-place', `${fired}; the size is there already`)
  }
  if (tooLate && !enforce) {
    const text = `${fired}, ${agoText(ageMs)}, which is past its starting deadline of ${formatDuration(rule.startingDeadlineMs)}`
    return verdictOn(rule, 'missed', 'deadline-passed', text)
  }
  const turnMs = rule.spreadMs === 0 ? atMs : turnOf(fullNameOf(facts), atMs, rule.spreadMs)
  if (now < turnMs) {
    const text = `${fired}; it is this target's turn at ${instantText(turnMs, rule.zone)}: those of one instant are spread over ${formatDuration(rule.spreadMs)}`
    return verdictOn(rule, 'skipped', 'wave', text)
  }
  // Putting it on record keeps a later change by a person from being undone by this firing. With enforce, and once too late,
  // there is nothing to keep.
  if (same) {
    const text = `${fired}; the size is there already, and that is put on record so that later changes stay`
    return verdictOn(rule, 'change', 'record', text)
  }
  if (now - turnMs > lateMs) return verdictOn(rule, 'change', 'late', `${fired}, ${agoText(ageMs)}`)
  return verdictOn(rule, 'change', 'due', fired)
}

function agoText(ageMs: number): string {
  return `${formatDuration(ageMs - (ageMs % 1000))} ago`
}

/** When an override that is on record ended: at its end, or just now when somebody took it away before. */
function endOf(record: ScaleRecord | undefined, now: number): number {
  return record?.untilMs === undefined ? Number.NEGATIVE_INFINITY : Math.min(record.untilMs, now)
}

function keptText(
  record: ScaleRecord | undefined,
  hold: number | string | undefined,
  keptUntilMs: number,
  now: number,
  zone: string,
): string {
  if (keptUntilMs === hold || record === undefined) return `somebody kept the target until ${instantText(keptUntilMs, zone)}`
  return `${clip(undoneRule(record.owner) ?? record.owner)} ${endText(record, now, zone)}`
}

function endText({ untilMs }: ScaleRecord, now: number, zone: string): string {
  return untilMs === undefined || now < untilMs ? 'was taken away' : `ended at ${instantText(untilMs, zone)}`
}

function appliedText(target: ObservedTarget, record: ScaleRecord, fired: string, rule: Rule): string {
  const undone = undoneRule(record.owner)
  if (undone !== undefined) return `${fired}; ${clip(undone)} was taken back, which stays until the next firing`
  if (record.owner !== rule.id) return `${fired}; ${clip(record.owner)} has been applied for ${instantText(record.nominalMs, rule.zone)}`
  if (!sizesEqual(record.after, rule.size))
    return `${fired} and was applied as ${sizeText(record.after)}; what the rule says now counts from its next firing`
  if (sizesEqual(record.after, target.size)) return `${fired} and was applied`
  return `${fired} and was applied; somebody changed the size since, which stays until the next firing${setBackText(target, record)}`
}

/** A warning about whoever changed the size so soon after it was set that he will do so again. */
function setBackText(target: ObservedTarget, record: ScaleRecord): string {
  const { manager, size, kind } = target
  if (manager?.changedMs === undefined || sizesEqual(size, record.after)) return ''
  const afterMs = manager.changedMs - record.decidedMs
  // The cluster notes whole seconds.
  if (afterMs <= -1000 || afterMs > backAtOnceMs) return ''
  const soon = formatDuration(Math.max(0, afterMs - (afterMs % 1000)))
  return `; warning: ${quote(manager.name)} set ${sizeText(size)} ${soon} after it was applied and may do so every time: ${adviceFor(manager, kind)}`
}

function changedText({ manager }: ObservedTarget): string {
  return manager === undefined ? 'somebody changed the size since' : `${quote(manager.name)} changed the size since`
}

/** Why a size is not put back once more; undefined when it may be. */
function fightOf({ config, now }: TargetCase, target: ObservedTarget, record: ScaleRecord, zone: string): string | undefined {
  const corrections = correctionsWithin(record, now)
  const { maxCorrections } = config.settings
  if (corrections.length < maxCorrections) return undefined
  const advice = adviceFor(target.manager, target.kind)
  const [first] = corrections.slice(-maxCorrections)
  if (maxCorrections === 0 || first === undefined) return `${changedText(target)}, and maxCorrections is 0: ${advice}`
  const who = target.manager === undefined ? 'somebody' : quote(target.manager.name)
  const end = instantText(first + correctionWindowMs, zone)
  return `${who} sets ${sizeText(target.size)} again and again: it was put back ${timesText(corrections.length)} within the last hour, and now stays as it is until ${end} or the next firing: ${advice}`
}

/** How often this has been put back already. */
function correctionsText(record: ScaleRecord, now: number): string {
  const count = correctionsWithin(record, now).length
  return count === 0 ? '' : `, as it did ${timesText(count)} within the last hour`
}

function timesText(count: number): string {
  return count === 1 ? 'once' : `${count} times`
}

function whyText({ reason }: Override): string {
  return reason === undefined ? '' : ` (${quote(reason)})`
}

function targetOverride(target: ObservedTarget | undefined): Override | undefined {
  const override = target?.override
  return override === undefined || 'problem' in override ? undefined : override
}

import { clip } from '#shared/pure/clip.ts'
import { success } from '#shared/pure/result.ts'
import { clusterFinder, draftOf, ruleContext } from './configured-rules.ts'
import { planTarget } from './decide-target.ts'
import type { CronScalerConfig, Settings } from './event.ts'
import type { Calendar, UnreadCalendar } from './excludes.ts'
import type { FieldManager } from './field-manager.ts'
import { configuredOverrides, type Override, type OverrideProblem } from './override.ts'
import { compareTexts, keyOf, reasonOf, type ScaleStep } from './plan-step.ts'
import type { ScaleRecord } from './record.ts'
import { checkGroup, layOut } from './rule-book.ts'
import type { InvalidCode, Rule, RuleContext, RuleDraft } from './rules.ts'
import { type Size, sizeText, type Target, targetName } from './target.ts'

export { byPrecedence, type Firing, type LatestFiring, latestFiring, upcomingFiring } from './firings.ts'

/** What was seen of all clusters. */
export interface Observed {
  readonly clusters: readonly ObservedCluster[]
  /** Of the calendars that are read from a file or an address: what was read there, or why it could not be read. */
  readonly calendars?: Readonly<Record<string, Calendar | UnreadCalendar>>
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
  /** A size that somebody gives it for a while. */
  readonly override?: Override | OverrideProblem
  /** Who else sets its size, where the cluster says so. */
  readonly manager?: FieldManager
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
  | 'override-begins'
  | 'override-over'
  // no-change
  | 'already-applied'
  | 'newer-applied'
  | 'in-place'
  | 'override-in-force'
  // skipped
  | 'excluded-date'
  | 'superseded'
  | 'tie-lost'
  | 'not-due'
  | 'wave'
  | 'validity-over'
  | 'override-expired'
  | 'override-pending'
  | 'override-lost'
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
  | 'override-invalid'
  | 'override-undone'
  | 'fought-over'
  | 'calendar-unreadable'
  | 'hpa-conflict'
  | 'controller-unknown'
  | 'shadow-agrees'
  | 'shadow-differs'
  | 'shadow-waiting'
  // invalid
  | 'hpc-group-missing'
  | InvalidCode

/**
 * Decides, for every target that a rule names, what its size should be now: the level, not the edge. Of all rules of a
 * target the one with the latest firing at or before `now` that is not excluded decides; of several at the same instant the
 * one with the higher size. It is applied once per firing: what is on record for this firing or a later one is not done
 * again, so that a person may change the size afterwards; with `enforce` it is put back. A firing found longer ago than its
 * starting deadline is missed. While an override is in force its size takes the place of what rules say. The order of rules,
 * objects and clusters never matters.
 *
 * One step per target that says what becomes of it, and one for each rule that did not get its way: invalid, paused,
 * excluded, lost to another. With no rules there are no steps. Steps come sorted by target.
 */
export function plan(observed: Observed, config: CronScalerConfig, now: number): ScaleStep[] {
  const context = ruleContext(config.settings, now, observed.calendars)
  const steps: ScaleStep[] = []
  // As they are written: drafts of all of them at once would take as much room again.
  const byCluster = new Map<string, { readonly rules: Settings['rules']; readonly overrides: Placed[] }>(
    observed.clusters.map(({ id }) => [id, { rules: [], overrides: [] }]),
  )
  const find = clusterFinder(config.clusters)
  for (const rule of config.settings.rules) {
    const cluster = find(rule.cluster)
    const own = cluster.ok ? byCluster.get(cluster.value) : undefined
    if (own !== undefined) {
      own.rules.push(rule)
      continue
    }
    const draft = draftOf(rule, cluster, config.settings)
    if (draft.problem !== undefined) steps.push(ruleStep(draft, 'invalid', draft.problem.code, draft.problem.text))
    else steps.push(ruleStep(draft, 'held', 'cluster-unreadable', `nobody has looked at ${draft.cluster}`))
  }
  for (const draft of configuredOverrides(config)) {
    if (!draft.read.ok) steps.push(ruleStep(draft, 'invalid', draft.read.error.code, draft.read.error.text))
    else if (!byCluster.has(draft.cluster))
      steps.push(ruleStep(draft, 'held', 'cluster-unreadable', `nobody has looked at ${draft.cluster}`))
    else byCluster.get(draft.cluster)?.overrides.push(draft.read.value)
  }
  for (const cluster of observed.clusters) {
    const { rules = [], overrides = [] } = byCluster.get(cluster.id) ?? {}
    const drafts =
      rules.length === 0 ? cluster.rules : [...cluster.rules, ...rules.map((rule) => draftOf(rule, success(cluster.id), config.settings))]
    for (const step of planCluster(cluster, drafts, overrides, context, config, now)) steps.push(step)
  }
  return steps.sort((left, right) => compareTexts(left.target, right.target) || compareTexts(left.reason.text, right.reason.text))
}

/** An override of the configuration and the target that it is for. */
interface Placed {
  readonly target: Target
  readonly override: Override
}

function planCluster(
  cluster: ObservedCluster,
  drafts: readonly RuleDraft[],
  placed: readonly Placed[],
  context: RuleContext,
  config: CronScalerConfig,
  now: number,
): ScaleStep[] {
  const steps: ScaleStep[] = []
  const missingGroup = cluster.problems.find(({ part }) => part === 'hpc-group')
  if (missingGroup !== undefined) steps.push(clusterStep(cluster.id, cluster.id, 'invalid', 'hpc-group-missing', missingGroup.text))
  const unreadable = whyUnreadable(cluster)
  if (unreadable !== undefined) steps.push(clusterStep(cluster.id, cluster.id, 'held', 'cluster-unreadable', unreadable))
  const book = layOut(drafts)
  for (const { draft, problem } of book.invalid) steps.push(ruleStep(draft, 'invalid', problem.code, problem.text))
  const overrides = Map.groupBy(placed, ({ target }) => targetName(target))
  const targets = new Map<string, ObservedTarget>()
  for (const target of cluster.targets) targets.set(targetName(target), target)
  const planOne = (name: string, named: Target, rules: readonly Rule[], isOfHpc: boolean): void => {
    const own = placed.length === 0 ? noOverrides : (overrides.get(name)?.map(({ override }) => override) ?? noOverrides)
    if (unreadable === undefined) {
      for (const step of planTarget({ cluster, named, name, rules, isOfHpc, overrides: own, target: targets.get(name), config, now }))
        steps.push(step)
    } else if (rules.length > 0 || own.length > 0) {
      // Which of its rules decides, nobody knows either.
      steps.push(clusterStep(cluster.id, `${cluster.id}/${name}`, 'held', 'cluster-unreadable', unreadable))
    }
  }
  // In the order in which steps come, so that there is nothing left to sort but what is said beside.
  for (const group of [...book.byTarget.values()].sort((left, right) => compareTexts(left.name, right.name))) {
    // Those of one target after the other, so that not all of them are in memory at once.
    const { rules, paused, invalid } = checkGroup(group, context)
    for (const { draft, problem } of invalid) steps.push(ruleStep(draft, 'invalid', problem.code, problem.text))
    if (unreadable === undefined) {
      for (const { draft, rule } of paused) {
        steps.push(ruleStep(draft, 'held', 'paused', 'the rule is paused; the other rules of its target go on', rule))
      }
    }
    planOne(group.name, group.named, rules, group.drafts.some(isOfHpcObject))
  }
  for (const [name, [first]] of overrides) if (first !== undefined && !book.byTarget.has(name)) planOne(name, first.target, [], false)
  return steps
}

const noOverrides: readonly Override[] = []

function isOfHpcObject({ source }: RuleDraft): boolean {
  return source === 'hpc'
}

/** Why nothing of a cluster can be decided, if so. */
function whyUnreadable({ problems }: ObservedCluster): string | undefined {
  const problem = problems.find(({ part }) => part === 'cluster') ?? problems.find(({ part }) => part === 'rules')
  if (problem === undefined) return undefined
  const what = problem.part === 'cluster' ? 'this cluster cannot be read' : 'the rules of this cluster cannot be read'
  return `${what}, so nothing of it is changed: ${problem.text}`
}

/** A step about a cluster as a whole, or about a target of which nothing more can be said. */
function clusterStep(cluster: string, target: string, verdict: 'invalid' | 'held', code: ReasonCode, text: string): ScaleStep {
  return { key: keyOf([cluster, target, code]), target, before: '', after: '', verdict, reason: reasonOf(code, text) }
}

/** A rule or an override as somebody wrote it. */
type Written = Pick<RuleDraft, 'id' | 'cluster' | 'target' | 'namespace'> & { readonly schedule?: string }

/** A step about a rule or an override alone, before anything is known of its target. */
function ruleStep(draft: Written, verdict: 'invalid' | 'held', code: ReasonCode, text: string, rule?: Rule): ScaleStep {
  const { namespace, kind, name } = draft.target
  const target =
    rule === undefined
      ? [namespace ?? draft.namespace, kind ?? '?', name ?? '?'].map((part) => clip(part, longestNamePart)).join('/')
      : targetName(rule.target)
  return {
    key: keyOf([draft.cluster, target, draft.id, null, rule === undefined ? (draft.schedule ?? null) : sizeText(rule.size)]),
    target: `${clip(draft.cluster, longestNamePart)}/${target}`,
    before: '',
    after: rule === undefined ? '' : sizeText(rule.size),
    verdict,
    reason: reasonOf(code, `${draft.id}: ${text}`),
  }
}

/** A target is named in one line. */
const longestNamePart = 63

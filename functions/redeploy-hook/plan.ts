import { compareTexts } from '#shared/pure/compare-texts.ts'
import { decideWorkload, rollingLookMs } from './decide-workload.ts'
import type { RedeployConfig } from './event.ts'
import { planHints } from './plan-hints.ts'
import { type RedeployStep, stayStep } from './plan-step.ts'
import type { PushHint } from './push-hint.ts'
import { isContentUnknown } from './running.ts'
import { type Claim, type IdleTarget, type Sight, type Survey, survey } from './survey.ts'
import { targetsOf } from './targets.ts'
import { type ObservedTriggers, planTriggers } from './triggers.ts'
import { gatesOf, soakEnds } from './waves.ts'
import { refName, type WorkloadRef } from './workload.ts'

/** What was seen, and what somebody said was pushed. */
export interface Observed extends Sight {
  readonly hints: readonly PushHint[]
  /** The triggers of the registry itself; absent when nobody has looked at them. */
  readonly triggers?: ObservedTriggers | undefined
}

/**
 * Decides what every workload that a rule is for should run: the newest tag that the rule counts in the registry as it is now, whatever
 * was said to be pushed, in whatever order and how often. What is older than what was acted on never comes back; what a person has put
 * there stays until something newer is pushed; what failed anywhere goes nowhere; one ring of clusters goes after the other.
 *
 * One step per workload with all its containers, one for each target, push or trigger about which nothing can be done, with its reason.
 * With no rules and no triggers there are no steps but of hints. Steps come sorted by target.
 */
export function plan(observed: Observed, config: RedeployConfig, now: number): RedeployStep[] {
  const all = survey(observed, config)
  const gates = gatesOf(all, now)
  const steps = new Map<string, RedeployStep>()
  const add = (step: RedeployStep): void => {
    steps.set(step.key, step)
  }
  for (const claims of workloadsOf(all).values()) {
    const [first] = claims
    if (first === undefined) continue
    const { workload } = first
    const step = decideWorkload({ workload, claims, gates, repositories: observed.repositories, config, now })
    if (step !== undefined) add(step)
  }
  for (const idle of all.idle) add(idleStep(idle))
  for (const { rule, path, code, text } of targetsOf(config).problems)
    add(stayStep(`rule ${rule.name}`, 'invalid', code, `${path}: ${text}`))
  for (const step of planHints(observed.hints, observed.repositories, config)) add(step)
  if (observed.triggers !== undefined) for (const step of planTriggers(observed.triggers, observed.workloads, config)) add(step)
  return [...steps.values()].toSorted((left, right) => compareTexts(left.target, right.target) || compareTexts(left.key, right.key))
}

/**
 * When it is worth looking again though nothing is said to be pushed: soon while something rolls, at the end of a deadline or a soak
 * time. Undefined when nothing of what was seen goes on by itself. Pure; the instant lies after `now`.
 */
export function nextLook(observed: Sight, config: RedeployConfig, now: number): number | undefined {
  const all = survey(observed, config)
  const rolling = all.claims.flatMap(({ ours, target }) => {
    if (ours?.state !== 'rolling') return []
    const endMs = ours.atMs + target.rule.rollout.deadline
    return [now + rollingLookMs, ...(endMs > now ? [endMs] : [])]
  })
  const instants = [...rolling, ...soakEnds(all, now)]
  return instants.length === 0 ? undefined : Math.min(...instants)
}

/**
 * The workloads whose pods have to be asked which content they run before anything is decided: their tag was pushed since the pods may
 * have come to be, and nothing of ours says when. It tells whether they run what is wanted already, and what a way back leads to. For
 * all others the answer would change nothing.
 */
export function unknownContents(observed: Sight, config: RedeployConfig): readonly WorkloadRef[] {
  const refs = new Map<string, WorkloadRef>()
  for (const { decision, workload, container } of survey(observed, config).claims) {
    if (decision?.candidate === undefined || container.running !== undefined || !isContentUnknown(decision.running)) continue
    const { candidate, running, kind } = decision
    if (!candidate.isDigest || (kind === 'stay' && running.tag?.contentId !== candidate.contentId)) continue
    refs.set(refName(workload.ref), workload.ref)
  }
  return [...refs.values()]
}

function workloadsOf({ claims }: Survey): ReadonlyMap<string, readonly Claim[]> {
  const sorted = claims.toSorted(
    (left, right) => compareTexts(left.container.name, right.container.name) || compareTexts(left.target.rule.name, right.target.rule.name),
  )
  return Map.groupBy(sorted, ({ workload }) => refName(workload.ref))
}

function idleStep({ target, verdict, code, text }: IdleTarget): RedeployStep {
  return stayStep(
    refName(target.ref),
    verdict,
    code,
    text,
    target.container === undefined ? {} : { before: `container ${target.container}` },
  )
}

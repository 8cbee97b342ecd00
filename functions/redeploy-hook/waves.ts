import { compareTexts } from '#shared/pure/compare-texts.ts'
import { formatDuration } from '#shared/pure/duration.ts'
import type { ContainerDecision, Stay } from './decide-container.ts'
import { recordFor } from './record.ts'
import type { Claim, IdleTarget, Survey } from './survey.ts'
import type { PlacedTarget } from './targets.ts'
import { refName } from './workload.ts'

/** How far a target is with the content that its rule wants now. */
type Progress =
  /** Runs it well; since when, where this function has brought it about. */
  | { readonly kind: 'complete'; readonly sinceMs: number | undefined }
  /** Takes no part, by somebody's will. */
  | { readonly kind: 'aside' }
  | { readonly kind: 'open'; readonly text: string }

/**
 * Why containers that want a new image do not get it yet: the rings before theirs have not run it well for their soak times, or as
 * many workloads of the rule roll as may at the same time. Those who may go are not in there.
 */
export function gatesOf({ claims, idle }: Survey, now: number): ReadonlyMap<Claim, Stay> {
  const gates = new Map<Claim, Stay>()
  const judged = claims.filter(({ decision }) => decision !== undefined)
  for (const group of Map.groupBy(judged, groupName).values()) {
    const [first] = group
    const repository = first?.decision?.of.repository.name
    if (first === undefined || repository === undefined) continue
    const others = idle.filter((one) => one.target.rule === first.target.rule && (one.repository ?? repository) === repository)
    for (const claim of group) {
      if (claim.decision?.kind !== 'want') continue
      const gate = ringGate(claim.target, group, others, now)
      if (gate !== undefined) gates.set(claim, gate)
    }
    for (const claim of waiting(group, gates)) {
      const most = claim.target.rule.rollout.maxConcurrent ?? 0
      const text = `${most === 1 ? 'another workload' : `${most} other workloads`} of the rule ${claim.target.rule.name} ${most === 1 ? 'is' : 'are'} rolling, as many as may at the same time`
      gates.set(claim, { kind: 'stay', verdict: 'held', code: 'waits-for-turn', text })
    }
  }
  return gates
}

/** The instants after `now` at which a ring's soak time is over, if nothing happens until then. */
export function soakEnds({ claims }: Survey, now: number): readonly number[] {
  return claims.flatMap(({ target, ours }) => {
    if (ours?.doneMs === undefined) return []
    const endMs = ours.doneMs + soakMsOf(target)
    return endMs > now ? [endMs] : []
  })
}

/** How long a target has to run well before the next ring begins. */
export function soakMsOf({ rule, ring }: PlacedTarget): number {
  return rule.rings.length === 0 ? rule.rollout.soak : (rule.rings[ring]?.soak ?? rule.rollout.soak)
}

/** Those of one rule and one repository go together: they want the same content. */
function groupName({ target, decision }: Claim): string {
  return JSON.stringify([target.rule.name, decision?.of.repository.name ?? ''])
}

function ringGate(target: PlacedTarget, group: readonly Claim[], idle: readonly IdleTarget[], now: number): Stay | undefined {
  for (let ring = 0; ring < target.ring; ring += 1) {
    const name = target.rule.rings[ring]?.name ?? ''
    const members = [
      ...group.filter((one) => one.target.ring === ring).map((one) => ({ name: refName(one.workload.ref), progress: progressOf(one) })),
      ...idle.filter((one) => one.target.ring === ring).map((one) => ({ name: refName(one.target.ref), progress: idleProgress(one) })),
    ].toSorted((left, right) => compareTexts(left.name, right.name))
    const open = members.flatMap(({ name: member, progress }) => (progress.kind === 'open' ? [`${member}: ${progress.text}`] : []))
    if (open.length > 0) {
      const more = open.length > 1 ? ` (and ${open.length - 1} more)` : ''
      return { kind: 'stay', verdict: 'held', code: 'waits-for-wave', text: `ring ${name} comes first: ${open[0]}${more}` }
    }
    const sinceMs = Math.max(...members.map(({ progress }) => (progress.kind === 'complete' ? (progress.sinceMs ?? 0) : 0)), 0)
    const soakMs = target.rule.rings[ring]?.soak ?? target.rule.rollout.soak
    if (sinceMs + soakMs > now) {
      const text = `ring ${name} has to run well for ${formatDuration(soakMs)}, until ${new Date(sinceMs + soakMs).toISOString()}`
      return { kind: 'stay', verdict: 'held', code: 'soaking', text }
    }
  }
  return undefined
}

function progressOf({ workload, container, ours, decision }: Claim): Progress {
  if (decision === undefined) return { kind: 'open', text: 'nobody has looked at its repository' }
  const { candidate, running } = decision
  if (decision.kind === 'stay' && decision.code === 'job-not-replaced') return { kind: 'aside' }
  if (candidate === undefined || running.content !== candidate.contentId)
    return { kind: 'open', text: decision.kind === 'want' ? 'it has not got the image yet' : decision.text }
  const { rollout } = workload
  if (rollout.kind !== 'complete') return { kind: 'open', text: rollout.text }
  if (ours === undefined) return { kind: 'complete', sinceMs: undefined }
  if (ours.state === 'rolling') return { kind: 'open', text: rollout.text }
  // What was put back and is wanted now runs well; what failed and is there still does not.
  const { bad = [] } = recordFor(workload.record, container.name)
  if (ours.state === 'failed' && bad.some(({ content }) => content === candidate.contentId)) {
    return { kind: 'open', text: 'its rollout has failed' }
  }
  if (ours.state === 'failed') return { kind: 'complete', sinceMs: ours.atMs }
  return { kind: 'complete', sinceMs: ours.doneMs }
}

function idleProgress({ code, text }: IdleTarget): Progress {
  return code === 'opt-out' ? { kind: 'aside' } : { kind: 'open', text }
}

/** Those for whom there is no room: by ring, then by name, so that it is the same ones on every machine. */
function waiting(group: readonly Claim[], gates: ReadonlyMap<Claim, Stay>): readonly Claim[] {
  const most = group[0]?.target.rule.rollout.maxConcurrent
  if (most === undefined) return []
  const names = new Set(group.filter(({ ours }) => ours?.state === 'rolling').map(({ workload }) => refName(workload.ref)))
  const candidates = group
    .filter((claim) => isReady(claim.decision) && !gates.has(claim))
    .toSorted(
      (left, right) => left.target.ring - right.target.ring || compareTexts(refName(left.workload.ref), refName(right.workload.ref)),
    )
  return candidates.filter(({ workload }) => {
    const name = refName(workload.ref)
    if (!names.has(name) && names.size >= most) return true
    names.add(name)
    return false
  })
}

function isReady(decision: ContainerDecision | undefined): boolean {
  return decision?.kind === 'want' && !decision.needsApproval
}

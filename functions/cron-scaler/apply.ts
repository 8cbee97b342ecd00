import type { CloudWriter } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { KubeError, type KubeWriter, kubeWriter } from '#cloud/kube.ts'
import { clip } from '#shared/pure/clip.ts'
import type { Step, StepResult } from '#shared/pure/step.ts'
import type { CronScalerConfig } from './event.ts'
import { type LiveTarget, pathOf, readLive, regionOf } from './live-target.ts'
import { isAnnotationOverride, isOverride, type Override, overrideInForce } from './override.ts'
import { formatRecord, isOnRecord, nextRecord, recordAnnotation, type ScaleRecord, transitionOf } from './record.ts'
import { type ScaleChange, undoneRule } from './scale-change.ts'
import { targetOf, type VersionedTarget } from './scaled-object.ts'
import { type Size, sizesEqual, sizeText } from './target.ts'

export type ApplyCode =
  | 'recorded'
  | 'already-applied'
  | 'newer-applied'
  | 'world-changed'
  | 'target-missing'
  | 'target-unreadable'
  | 'opt-out'
  | 'override'
  | 'override-over'
  | 'override-undone'
  | 'record-unreadable'
  | 'conflict'
  | 'not-taken'
  | 'unknown-outcome'

type ChangeStep = Step<ScaleChange> & { readonly verdict: 'change' }

/** How often a target is read and decided about again when it changes between reading and writing. */
const mostTries = 3

/**
 * Brings a target to the size that a step states. The target is read again first; what changed since the plan is looked at
 * as the plan would: already done, kept back by a person, another object, another size (left to the next run). Then one
 * merge patch writes the size and its record together, bound to the state that was read. When the target moves in between
 * (409), it is read and decided again, three times at most. When the answer to the write is lost, the target is read once
 * more: the record on it tells whether the write arrived; it is never sent again. Running twice changes nothing more.
 *
 * Throws KubeError and CloudError of calls that certainly changed nothing.
 */
export async function apply(step: ChangeStep, cloud: CloudWriter, config: CronScalerConfig, now: number): Promise<StepResult> {
  const { change } = step
  const kube = kubeWriter(cloud, change.cluster, regionOf(change, config))
  const path = pathOf(change)
  let found: VersionedTarget | undefined
  for (let attempt = 1; attempt <= mostTries; attempt += 1) {
    const read = await readLive(kube, change)
    if (read === 'gone' || read === 'strange') return absent(read, change)
    const settled = alreadyDecided(step, read, now)
    if (settled !== undefined) return settled
    found = read
    const record = nextRecord(found.record, found.size, transitionOf(step.key, change, now))
    try {
      const written = targetOf(await kube.patch(path, 'merge', patchOf(found, change.to, record)), change.target.kind)
      return verdictOn(written, found, change)
    } catch (error) {
      if (error instanceof KubeError && error.kind === 'kube.conflict') continue
      if (isAmbiguous(error)) return await settleLost(kube, step, found, error)
      throw error
    }
  }
  return {
    outcome: 'Skipped',
    reason: {
      code: 'conflict' satisfies ApplyCode,
      text: `somebody else changed the target ${mostTries} times while it was to be changed; the next run decides again`,
    },
    ...beforeOf(found, change),
  }
}

/** Whether a failed write may have happened all the same: the platform or the cluster broke while it was under way. */
function isAmbiguous(error: unknown): error is CloudError | KubeError {
  if (error instanceof KubeError) return error.kind === 'kube.unavailable' || error.kind === 'kube.bad-answer'
  if (!(error instanceof CloudError)) return false
  return error.kind === 'cloud.unknown-outcome' || error.kind === 'cloud.unavailable' || error.kind === 'cloud.bad-answer'
}

/** What the target as it is now says against writing; undefined when nothing does. */
function alreadyDecided({ change, key }: ChangeStep, found: VersionedTarget, now: number): StepResult | undefined {
  const before = beforeOf(found, change)
  const answer = (outcome: StepResult['outcome'], code: ApplyCode, text: string): StepResult => ({
    outcome,
    reason: { code, text },
    ...before,
  })
  if (found.uid !== change.uid) {
    return answer('Skipped', 'world-changed', 'the target was deleted and made anew since it was planned for; the next run decides')
  }
  if (found.deleting) return answer('Skipped', 'world-changed', 'the target is being deleted')
  if (found.optOut) return answer('Held', 'opt-out', 'somebody has opted the target out since the plan')
  if (found.recordProblem !== undefined)
    return answer('Held', 'record-unreadable', `its record cannot be read any more: ${found.recordProblem}`)
  if (typeof found.hold === 'string' || (found.hold !== undefined && now < found.hold)) {
    return answer('Held', 'override', 'somebody keeps the present size for a while since the plan')
  }
  if (undoneRule(change.rule) !== undefined) return whyNotUndo(found, change, key, now)
  const { record } = found
  const overridden = isOverride(change.rule) ? whyNotOverride(found, change, now) : whyOverridden(found, change, now)
  if (overridden !== undefined) return answer(overridden.outcome, overridden.code, overridden.text)
  if (record !== undefined && record.decidedMs > now && record.nominalMs > change.nominalMs) {
    return answer('NoChange', 'newer-applied', `a later run has applied ${clip(record.owner)} since the plan`)
  }
  const ranForMs = change.onceKey === undefined ? undefined : record?.once[change.onceKey]
  if (ranForMs !== undefined && ranForMs !== change.nominalMs) {
    return answer('NoChange', 'already-applied', `${clip(change.rule)} runs once, and has run for another firing since the plan`)
  }
  if (record !== undefined && !isOverride(change.rule) && isOnRecord(record, change.nominalMs, found.hold, now)) {
    const isDone = !change.drift || sizesEqual(found.size, change.to) || (record.key === key && record.decidedMs >= now)
    if (isDone)
      return answer('NoChange', 'already-applied', `${clip(record.owner)} has been applied for this firing or a later one since the plan`)
  }
  if (!sizesEqual(found.size, change.from) && !sizesEqual(found.size, change.to)) {
    return answer(
      'Skipped',
      'world-changed',
      `the size is ${sizeText(found.size)} now, not ${sizeText(change.from)} as planned with; the next run decides`,
    )
  }
  return undefined
}

interface Objection {
  readonly outcome: StepResult['outcome']
  readonly code: ApplyCode
  readonly text: string
}

/** What the target says against giving it the size of an override. */
function whyNotOverride({ record, override, size }: VersionedTarget, change: ScaleChange, now: number): Objection | undefined {
  if (change.untilMs !== undefined && change.untilMs <= now) {
    return { outcome: 'Skipped', code: 'override-over', text: `${change.rule} has ended since the plan; the next run decides` }
  }
  const onTarget = override === undefined || 'problem' in override ? undefined : override.id
  if (override !== undefined && onTarget === undefined) {
    return { outcome: 'Held', code: 'override', text: 'its annotation longshore.dev/override cannot be read any more' }
  }
  if (onTarget !== change.rule && (isAnnotationOverride(change.rule) || overrideInForceOn(override, now))) {
    const text = 'the override on the target is another one, or gone, since the plan; the next run decides'
    return { outcome: 'Skipped', code: 'world-changed', text }
  }
  if (record === undefined) return undefined
  if (undoneRule(record.owner) === change.rule) {
    return { outcome: 'Held', code: 'override-undone', text: `${change.rule} has been taken back since the plan` }
  }
  const isSaid = record.owner === change.rule && sizesEqual(record.after, change.to) && record.untilMs === change.untilMs
  if (isSaid && (!change.drift || sizesEqual(size, change.to))) {
    return { outcome: 'NoChange', code: 'already-applied', text: `${change.rule} has been applied since the plan` }
  }
  return undefined
}

/** What an override says against carrying out a firing: one that came since the plan takes its place. */
function whyOverridden({ record, override }: VersionedTarget, change: ScaleChange, now: number): Objection | undefined {
  if (override !== undefined && 'problem' in override) {
    return { outcome: 'Held', code: 'override', text: 'somebody has written an override on the target that cannot be read' }
  }
  if (overrideInForceOn(override, now)) {
    return {
      outcome: 'Held',
      code: 'override',
      text: `somebody has given the target another size for a while since the plan (${override.id})`,
    }
  }
  if (record !== undefined && isOverride(record.owner) && record.key !== change.replaces) {
    return {
      outcome: 'Skipped',
      code: 'newer-applied',
      text: `${clip(record.owner)} has been applied since the plan; the next run decides`,
    }
  }
  return undefined
}

function overrideInForceOn(override: VersionedTarget['override'], now: number): override is Override {
  return override !== undefined && !('problem' in override) && overrideInForce(override, [], now) !== undefined
}

/**
 * What the target says against taking a change back. Only the last change is taken back, and only while the size is what it
 * set: everything else is somebody's later decision.
 */
function whyNotUndo(found: VersionedTarget, change: ScaleChange, key: string, now: number): StepResult | undefined {
  const { record, size } = found
  const answer = (outcome: 'NoChange' | 'Skipped', code: ApplyCode, text: string): StepResult => ({
    outcome,
    reason: { code, text },
    ...beforeOf(found, change),
  })
  if (record === undefined) return answer('Skipped', 'world-changed', 'its record is gone, so nobody knows whose size it is')
  if (record.key === key) return answer('NoChange', 'already-applied', `${clip(record.owner)} is on record already`)
  const undone = undoneRule(change.rule)
  if (record.nominalMs !== change.nominalMs || record.owner !== undone) {
    return answer('Skipped', 'newer-applied', `${clip(record.owner)} has been applied since; only the last change can be taken back`)
  }
  // Where nobody asked for it, but the override was over: not when somebody has written one again.
  if (isOverride(undone) && change.untilMs === undefined && overrideInForceOn(found.override, now)) {
    return answer('Skipped', 'world-changed', 'somebody has given the target another size for a while since the plan; the next run decides')
  }
  if (sizesEqual(size, change.from)) return undefined
  if (sizesEqual(size, change.to)) return answer('NoChange', 'already-applied', `somebody has set it back to ${sizeText(size)} already`)
  return answer('Skipped', 'world-changed', `the size is ${sizeText(size)} now, not ${sizeText(change.from)} as the change had left it`)
}

/** One patch: the size, its record, and the state that both are bound to. Bounds go together, so that min never passes max. */
function patchOf(found: VersionedTarget, size: Size, record: ScaleRecord): object {
  return {
    metadata: { resourceVersion: found.resourceVersion, annotations: { [recordAnnotation]: formatRecord(record) } },
    spec: size.kind === 'replicas' ? { replicas: size.replicas } : { minReplicas: size.min, maxReplicas: size.max },
  }
}

function verdictOn(written: VersionedTarget | undefined, found: VersionedTarget, change: ScaleChange): StepResult {
  const before = beforeOf(found, change)
  if (written === undefined || !sizesEqual(written.size, change.to)) {
    const text = `the cluster accepted the change, but the size is ${written === undefined ? 'not to be seen' : sizeText(written.size)} and not ${sizeText(change.to)}: look for an admission webhook that changes it`
    return { outcome: 'Failed', reason: { code: 'not-taken' satisfies ApplyCode, text }, ...before }
  }
  if (sizesEqual(found.size, change.to)) {
    const text = `${sizeText(change.to)} was there already; that ${change.rule} has fired is on record`
    return { outcome: 'NoChange', reason: { code: 'recorded' satisfies ApplyCode, text }, ...before }
  }
  return { outcome: 'Applied', ...before }
}

/** After a lost answer: whether the write arrived, by what is on record. */
async function settleLost(kube: KubeWriter, step: ChangeStep, found: VersionedTarget, lost: CloudError | KubeError): Promise<StepResult> {
  const { change } = step
  const requestId = lost instanceof CloudError && lost.requestId !== undefined ? { requestId: lost.requestId } : {}
  const unknown = (why: string): StepResult => ({
    outcome: 'Failed',
    reason: {
      code: 'unknown-outcome' satisfies ApplyCode,
      text: `the answer to the change was lost (${lost.message}) and ${why}; the next run decides again, and the record keeps it from doing so twice`,
    },
    ...requestId,
    ...beforeOf(found, change),
  })
  let seen: LiveTarget
  try {
    seen = await readLive(kube, change)
  } catch (error) {
    if (error instanceof KubeError || error instanceof CloudError) return unknown(`the target cannot be read: ${error.message}`)
    throw error
  }
  if (seen === 'gone') return unknown('the target was deleted')
  if (seen === 'strange') return unknown(`the target does not look like a ${change.target.kind} any more`)
  if (seen.record?.key !== step.key) return unknown('the target does not show it')
  return { ...verdictOn(seen, found, change), ...requestId }
}

function absent(read: 'gone' | 'strange', change: ScaleChange): StepResult {
  const { kind, namespace, name } = change.target
  const code: ApplyCode = read === 'gone' ? 'target-missing' : 'target-unreadable'
  const text = `${kind} ${name} in namespace ${namespace} ${read === 'gone' ? 'was deleted since the plan' : 'does not look like one'}`
  return { outcome: read === 'gone' ? 'Skipped' : 'Failed', reason: { code, text } }
}

/** The size found right before the write, where it is not the one planned with. */
function beforeOf(found: VersionedTarget | undefined, change: ScaleChange): { readonly before?: string } {
  return found === undefined || sizesEqual(found.size, change.from) ? {} : { before: sizeText(found.size) }
}

import type { CloudWriter } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { KubeError, type KubeObject, type KubeWriter, kubeWriter } from '#cloud/kube.ts'
import { clip, quote } from '#shared/pure/clip.ts'
import { compareTexts } from '#shared/pure/compare-texts.ts'
import type { StepResult } from '#shared/pure/step.ts'
import type { CloneJobChange, RollbackChange, RunCronJobChange, SetImagesChange, WorkloadChange } from './change.ts'
import type { RedeployConfig } from './event.ts'
import { copyOfJob, copyOfLabel, isStartedFor, runOfCronJob } from './job-copy.ts'
import { recordFor } from './record.ts'
import { whyNotThere } from './still-there.ts'
import { refName } from './workload.ts'
import { patchOf } from './workload-patch.ts'
import { jobPath, jobsPath, pathOf, regionOf } from './workload-path.ts'
import { type LiveWorkload, workloadOf } from './workload-reading.ts'

export type ApplyCode =
  | 'already-applied'
  | 'world-changed'
  | 'workload-missing'
  | 'workload-unreadable'
  | 'record-unreadable'
  | 'opt-out'
  | 'conflict'
  | 'not-taken'
  | 'name-taken'
  | 'image-gone'
  | 'registry-unreadable'
  | 'old-copies-left'

/** How often a workload is read and decided about again when it changes between reading and writing. */
const mostTries = 3

/** A workload at this moment, with the object that it was read from. */
export interface Seen {
  readonly object: KubeObject
  readonly live: LiveWorkload
}

/**
 * Carries out a change of one workload; `key` is its step's. It is read again first: another object, an image that somebody else has set,
 * another record, an opt-out since the plan each stop it, as does an image that is gone from the registry. Then one JSON Patch writes images and record together and tests all it
 * was decided by. When a test fails because the workload has moved in between it is read and decided again, three times at most.
 *
 * A Job's copy, and a run of a CronJob, are made first, under a name that says what they are for, and recorded afterwards; made
 * twice they are found to be there. Throws KubeError and CloudError of calls that certainly changed nothing, or whose answer is lost.
 */
export async function applyToWorkload(
  change: WorkloadChange,
  key: string,
  cloud: CloudWriter,
  config: RedeployConfig,
  now: number,
): Promise<StepResult> {
  const kube = kubeWriter(cloud, change.ref.cluster, regionOf(change.ref.cluster, config))
  const path = await pathOf(change.ref, kube)
  let moved: KubeError | undefined
  for (let attempt = 1; attempt <= mostTries; attempt += 1) {
    const seen = await readWorkload(kube, path, change)
    if (typeof seen === 'string') return absent(seen, change)
    const settled = alreadyDecided(seen.live, change, key)
    if (settled !== undefined) return settled
    const gone = attempt === 1 ? await imageGone(change, cloud, config) : undefined
    if (gone !== undefined) return gone
    if (change.kind === 'clone-job' || change.kind === 'run-cronjob') {
      const refused = await startJob(kube, seen.object, change, key)
      if (refused !== undefined) return refused
    }
    let written: LiveWorkload | undefined
    try {
      written = workloadOf(await kube.patch(path, 'json', patchOf(seen.live, change, key, now)), change.ref)
    } catch (error) {
      if (!isMoved(error)) throw error
      moved = error
      continue
    }
    return change.kind === 'clone-job' ? await removeOldCopies(kube, change) : verdictOn(written, change)
  }
  return skipped(
    'conflict',
    `it changed ${mostTries} times while it was to be changed; the next look decides again (${moved?.message ?? ''})`,
  )
}

/** A test of the patch failed (422), or somebody wrote at the same moment (409). */
function isMoved(error: unknown): error is KubeError {
  return error instanceof KubeError && (error.kind === 'kube.conflict' || (error.kind === 'kube.invalid' && error.status === 422))
}

/** Reads the workload of a change: `gone` when there is none, `strange` when it does not look like its kind. */
export async function readWorkload(
  kube: Pick<KubeWriter, 'get'>,
  path: string,
  { ref }: Pick<WorkloadChange, 'ref'>,
): Promise<Seen | 'gone' | 'strange'> {
  try {
    const object = await kube.get(path)
    const live = workloadOf(object, ref)
    return live === undefined ? 'strange' : { object, live }
  } catch (error) {
    if (error instanceof KubeError && error.kind === 'kube.not-found') return 'gone'
    throw error
  }
}

/** What the workload as it is now says against writing; undefined when nothing does. */
function alreadyDecided(live: LiveWorkload, change: WorkloadChange, key: string): StepResult | undefined {
  if (live.uid !== change.uid) return skipped('world-changed', 'it was deleted and made anew since the plan; the next look decides')
  if (live.deleting) return skipped('world-changed', 'it is being deleted')
  if (live.record.problem !== undefined) return held('record-unreadable', `its record cannot be read any more: ${live.record.problem}`)
  if (isOnRecord(live, change, key))
    return { outcome: 'NoChange', reason: { code: 'already-applied', text: 'it is on its record already' } }
  if (live.optOut) return held('opt-out', 'somebody has opted it out since the plan')
  if (change.kind === 'rollback' && change.undoes !== undefined) {
    const undoes = change.undoes
    const other = change.containers.find(({ name }) => recordFor(live.record, name).set?.key !== undoes)
    if (other !== undefined)
      return skipped('world-changed', `container ${other.name} was changed again since; only the last change can be taken back`)
  } else if ((live.record.text ?? null) !== (change.recordText ?? null)) {
    return skipped('world-changed', 'its record has changed since the plan; the next look decides')
  }
  return imagesMoved(live, change)
}

/** Whether what is to be set can still be had. What is put back is tried in any case: what is there in its place does not run. */
async function imageGone(change: WorkloadChange, cloud: CloudWriter, config: RedeployConfig): Promise<StepResult | undefined> {
  if (change.kind !== 'set-images' && change.kind !== 'clone-job') return undefined
  const images = new Map(change.containers.map((image) => [JSON.stringify([image.repository, image.tag]), image]))
  for (const image of images.values()) {
    const gone = await whyNotThere(cloud, image, config)
    if (gone !== undefined) return gone.code === 'registry-unreadable' ? held(gone.code, gone.text) : skipped(gone.code, gone.text)
  }
  return undefined
}

/** Whether the containers still are what the plan saw. */
function imagesMoved(live: LiveWorkload, change: WorkloadChange): StepResult | undefined {
  if (change.kind !== 'set-images' && change.kind !== 'rollback' && change.kind !== 'clone-job') return undefined
  for (const { name, index, isInit, from } of change.containers) {
    const there = live.containers.find((one) => one.isInit === isInit && one.index === index)
    if (there?.name !== name) return skipped('world-changed', `container ${name} is not where it was at the plan; the next look decides`)
    if (there.image !== from)
      return skipped(
        'world-changed',
        `container ${name} has ${clip(there.image)} now, not ${clip(from)} as planned with; the next look decides`,
      )
  }
  return undefined
}

/** Whether the record says that this very step was done. */
export function isOnRecord({ record }: LiveWorkload, change: WorkloadChange, key: string): boolean {
  switch (change.kind) {
    case 'set-images':
    case 'rollback':
    case 'clone-job':
      return change.containers.every(({ name }) => recordFor(record, name).set?.key === key)
    case 'run-cronjob':
      return change.containers.every(({ name }) => recordFor(record, name).set?.job === change.job)
    case 'settle-record':
      return change.containers.every(({ name, state }) => recordFor(record, name).set?.state === state)
    case 'approve':
      return change.containers.every(({ name, content }) => recordFor(record, name).approved?.content === content)
    case 'release':
      return change.containers.every(({ name, content }) => {
        const { bad = [], undone } = recordFor(record, name)
        return bad.every((one) => one.content !== content) && undone?.content !== content
      })
  }
}

/** Makes the Job that a step needs. Undefined when it is there now, else why not. */
async function startJob(
  kube: KubeWriter,
  object: KubeObject,
  change: CloneJobChange | RunCronJobChange,
  key: string,
): Promise<StepResult | undefined> {
  const job = change.kind === 'clone-job' ? copyOfJob(object, change, key) : runOfCronJob(object, change, key)
  if (job === undefined) return failed('workload-unreadable', 'it has no pod template that could be copied')
  try {
    await kube.create(jobsPath(change.ref.namespace, kube), job)
    return undefined
  } catch (error) {
    if (!(error instanceof KubeError) || error.kind !== 'kube.conflict') throw error
  }
  const there = await kube.get(jobPath(change.ref.namespace, change.job, kube))
  if (isStartedFor(there, change)) return undefined
  return failed('name-taken', `there is another Job named ${quote(change.job)} already; remove it, or give the workload another name`)
}

/**
 * Removes the oldest copies of a Job beyond those that are to stay. The newest, which was just made, is none of them. The change is
 * done and on record by then, whatever becomes of this: what stays goes with the next one.
 */
async function removeOldCopies(kube: KubeWriter, change: CloneJobChange): Promise<StepResult> {
  try {
    const { items } = await kube.list(jobsPath(change.ref.namespace, kube), { labelSelector: `${copyOfLabel}=${change.uid}` })
    const old = items
      .filter(({ metadata }) => metadata.name !== change.job && metadata.deletionTimestamp === undefined)
      .toSorted((a, b) => compareTexts(b.metadata.creationTimestamp ?? '', a.metadata.creationTimestamp ?? ''))
      .slice(change.keep)
    for (const { metadata } of old) {
      await kube.delete(jobPath(change.ref.namespace, metadata.name, kube), { propagation: 'Background', uid: metadata.uid })
    }
    return { outcome: 'Applied' }
  } catch (error) {
    if (error instanceof KubeError && error.kind === 'kube.not-found') return { outcome: 'Applied' }
    if (!(error instanceof KubeError || error instanceof CloudError)) throw error
    return {
      outcome: 'Applied',
      reason: { code: 'old-copies-left', text: `Job ${change.job} is started; older copies stay for now: ${error.message}` },
    }
  }
}

/** What the answer to the patch shows. The first look at the rollout comes with it. */
function verdictOn(written: LiveWorkload | undefined, change: WorkloadChange): StepResult {
  if (change.kind !== 'set-images' && change.kind !== 'rollback') return { outcome: 'Applied' }
  const other = otherImage(written, change)
  if (other === undefined) return { outcome: 'Applied' }
  return failed('not-taken', `the cluster accepted the change, but ${other}: look for an admission webhook that changes it`)
}

function otherImage(written: LiveWorkload | undefined, change: SetImagesChange | RollbackChange): string | undefined {
  if (written === undefined) return 'what it answered does not look like the workload'
  for (const { name, to } of change.containers) {
    const image = written.containers.find((one) => one.name === name)?.image
    if (image !== to) return `container ${name} has ${image === undefined ? 'no image' : clip(image)} and not ${clip(to)}`
  }
  return undefined
}

function absent(seen: 'gone' | 'strange', { ref }: WorkloadChange): StepResult {
  if (seen === 'gone') return skipped('workload-missing', `${refName(ref)} was deleted since the plan`)
  return failed('workload-unreadable', `${refName(ref)} does not look like a ${ref.kind}`)
}

function skipped(code: ApplyCode, text: string): StepResult {
  return { outcome: 'Skipped', reason: { code, text } }
}

function held(code: ApplyCode, text: string): StepResult {
  return { outcome: 'Held', reason: { code, text } }
}

function failed(code: ApplyCode, text: string): StepResult {
  return { outcome: 'Failed', reason: { code, text } }
}

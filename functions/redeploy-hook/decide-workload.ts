import { clip } from '#shared/pure/clip.ts'
import { compareTexts } from '#shared/pure/compare-texts.ts'
import { digestOf } from '#shared/pure/digest.ts'
import { formatDuration } from '#shared/pure/duration.ts'
import { parseImageName } from '#shared/pure/image-name.ts'
import type { NewImage, RedeployChange, RollbackChange, WorkloadChange } from './change.ts'
import { type Stay, shortContent } from './decide-container.ts'
import type { RedeployConfig } from './event.ts'
import type { ReadRepository } from './image.ts'
import { keyOf, type RedeployStep, stayStep } from './plan-step.ts'
import type { ReasonCode } from './reason.ts'
import { recordFor, type SetImage } from './record.ts'
import type { Claim } from './survey.ts'
import { soakMsOf } from './waves.ts'
import { wayBack } from './way-back.ts'
import { type ReadWorkload, refName } from './workload.ts'

/** How soon a rollout on its way is looked at again. */
export const rollingLookMs = 10_000

/** One workload with all containers that rules are for. */
export interface WorkloadCase {
  readonly workload: ReadWorkload
  /** At least one, in the order of the containers' names. */
  readonly claims: readonly Claim[]
  readonly gates: ReadonlyMap<Claim, Stay>
  readonly repositories: readonly ReadRepository[]
  readonly config: RedeployConfig
  readonly now: number
}

/** A rollout of ours that is on its way, or has to run well for a while yet. */
interface Open {
  readonly claim: Claim
  readonly ours: SetImage
}

/**
 * Decides what becomes of one workload, all its containers together: new images for those that want some and may have them; otherwise
 * what its open rollout asks for; otherwise why nothing is done. One step, or none where nothing of it was looked at and nothing is open.
 */
export function decideWorkload(of: WorkloadCase): RedeployStep | undefined {
  const { workload, claims } = of
  const open = claims.flatMap((claim) => openOf(claim, of))
  const failed = open.length === 0 ? undefined : whyFailed(workload, open, of)
  const going = claims.filter((claim) => claim.decision !== undefined && gateOf(claim, of.gates) === undefined)
  // What has failed and gets nothing new is put back first: with both in one write nobody could tell which of the two is bad.
  const isOthers = failed?.open.some(({ claim }) => !going.includes(claim))
  if (going.length > 0 && isOthers !== true) return goStep(of, going, failed)
  if (failed !== undefined) return failedStep(of, failed)
  const rolling = open.filter(({ ours }) => ours.state === 'rolling')
  const [first] = rolling
  const progress = first === undefined ? undefined : rollingStep(of, rolling, first)
  if (progress !== undefined && (progress.verdict === 'change' || progress.verdict === 'held')) return progress
  return standStep(of, progress)
}

function openOf(claim: Claim, { now }: WorkloadCase): readonly Open[] {
  const { ours, target } = claim
  if (ours === undefined) return []
  const isSoaking = ours.state === 'done' && ours.doneMs !== undefined && ours.doneMs + soakMsOf(target) > now
  return ours.state === 'rolling' || isSoaking ? [{ claim, ours }] : []
}

/** Why a container gets nothing new; undefined when it does, or when nobody has looked at its repository. */
function gateOf(claim: Claim, gates: ReadonlyMap<Claim, Stay>): Stay | undefined {
  const { decision } = claim
  if (decision === undefined || decision.kind === 'stay') return decision
  const { tag, content, repository, name } = decision.image
  if (decision.needsApproval) {
    const text = `${repository}:${tag} (${shortContent(content)}) waits for somebody to agree to this content for the container ${name}: \`longshore approve ${refName(claim.workload.ref)} --by NAME\``
    return { kind: 'stay', verdict: 'held', code: 'needs-approval', text }
  }
  return gates.get(claim)
}

interface Failed {
  readonly code: 'rollout-failed' | 'deadline-passed'
  readonly text: string
  /** Those that take part in it. */
  readonly open: readonly Open[]
}

/** Whether the rollout is over and lost. */
function whyFailed({ rollout }: ReadWorkload, open: readonly Open[], { now }: WorkloadCase): Failed | undefined {
  if (rollout.kind === 'failed') {
    const guilty = open.filter(({ claim }) => rollout.containers === undefined || rollout.containers.includes(claim.container.name))
    return { code: 'rollout-failed', text: rollout.text, open: guilty.length === 0 ? open : guilty }
  }
  if (rollout.kind !== 'progressing') return undefined
  const late = open.filter(({ claim, ours }) => ours.state === 'rolling' && ours.atMs + claim.target.rule.rollout.deadline <= now)
  const [first] = late
  if (first === undefined) return undefined
  const deadline = formatDuration(first.claim.target.rule.rollout.deadline)
  return { code: 'deadline-passed', text: `not complete after ${deadline}: ${rollout.text}`, open: late }
}

function goStep(of: WorkloadCase, going: readonly Claim[], failed: Failed | undefined): RedeployStep {
  const { workload, claims } = of
  const containers = going.flatMap((claim): readonly NewImage[] => {
    const { decision } = claim
    if (decision?.kind !== 'want') return []
    const lost = failed?.open.find((one) => one.claim === claim)
    const bad = lost === undefined || failed === undefined ? undefined : badOf(lost, failed.text)
    return [bad === undefined ? decision.image : { ...decision.image, bad }]
  })
  const [first] = going
  const texts = going.flatMap(({ decision }) => (decision?.kind === 'want' ? [decision.text] : []))
  const others = claims.flatMap((claim) => {
    const gate = gateOf(claim, of.gates)
    return gate === undefined || gate.verdict === 'no-change' ? [] : [`container ${claim.container.name}: ${gate.text}`]
  })
  const code: ReasonCode = going.some(({ decision }) => decision?.kind === 'want' && decision.code === 'newer-push')
    ? 'newer-push'
    : 'released'
  const isOnDelete = workload.updateStrategy === 'OnDelete'
  const onDelete = isOnDelete ? ['its strategy is OnDelete: no pod has the image before somebody deletes the old one'] : []
  const text = [...new Set([...texts, ...onDelete, ...others])].join('; ')
  const change = goChange(of, containers, first)
  const step = changeStep(of, change, code, text)
  const undo = undoOf(of, change, step.key)
  return undo === undefined ? step : { ...step, undo }
}

function goChange({ workload, claims }: WorkloadCase, containers: readonly NewImage[], first: Claim | undefined): WorkloadChange {
  const facts = factsOf(workload)
  const { kind, name } = workload.ref
  const rule = first?.target.rule
  if (kind === 'Job') {
    // A copy begins with what the Job itself has: what earlier copies got for other containers has to be said again.
    const names = new Set(containers.map((container) => container.name))
    const kept = claims.flatMap(({ ours, container, workload: { record } }) => {
      const mark = recordFor(record, container.name).mark
      if (names.has(container.name) || ours?.content === undefined || mark === undefined) return []
      return [keptImage(container, ours, ours.content, mark)]
    })
    const all = [...containers, ...kept].toSorted((left, right) => compareTexts(left.name, right.name))
    // What was tried before and is tried again needs a copy of its own.
    const since = claims.map(({ ours }) => ours?.key ?? '')
    const job = jobName(name, [...since, ...all.map(({ name: container, to, content }) => [container, to, content].join(' '))])
    return { kind: 'clone-job', ...facts, job, keep: rule?.job.keep ?? 0, owner: rule?.job.owner ?? true, containers: all }
  }
  return { kind: 'set-images', ...facts, containers: [...containers], isDone: kind === 'CronJob' && rule?.cronJob.runNow !== true }
}

function keptImage(
  { name, index, isInit, image }: Claim['container'],
  ours: SetImage,
  content: string,
  mark: { readonly tag: string; readonly pushedMs?: number | undefined },
): NewImage {
  const repository = parseImageName(ours.image)?.repository ?? ''
  const { tag, pushedMs } = mark
  const facts = { name, index, isInit, from: image, to: ours.image, repository, tag, content, rule: ours.rule, restart: false }
  return { ...facts, ...(pushedMs === undefined ? {} : { pushedMs }), ...(ours.previous === undefined ? {} : { previous: ours.previous }) }
}

/** A name that the same reasons always give, so that a copy is never made twice. At most 63 characters, as pods need it. */
function jobName(name: string, reasons: readonly string[]): string {
  return `${name.slice(0, 52).replace(/[^a-z0-9]+$/, '')}-${digestOf(reasons).slice(0, 10)}`
}

/** Takes new images back, unless there is no way back for one of them. */
function undoOf(of: WorkloadCase, change: WorkloadChange, key: string): RollbackChange | undefined {
  if (change.kind !== 'set-images') return undefined
  const containers: RollbackChange['containers'][number][] = []
  for (const { name, index, isInit, from, to, content, rule, repository } of change.containers) {
    const claim = of.claims.find((one) => one.container.name === name)
    const running = claim?.decision?.running.content
    const back = wayBack({ image: from, content: running }, { image: to, content }, repositoryOf(of, repository), of.config)
    if (back === undefined) return undefined
    containers.push({ name, index, isInit, from: to, to: back.image, ...contentOf(back.content), rule })
  }
  return { kind: 'rollback', ref: change.ref, uid: change.uid, cause: 'undo', undoes: key, containers }
}

/** Puts back what ran before, or says that it failed where there is nothing to put back. */
function failedStep(of: WorkloadCase, failed: Failed): RedeployStep {
  const { workload } = of
  const facts = factsOf(workload)
  const backs = failed.open.map((one) => ({ ...one, back: backOf(one, of) }))
  const hasWayBack = backs.every(({ back }) => back !== undefined)
  if (hasWayBack) {
    const containers = backs.flatMap(({ claim, ours, back }) => {
      if (back === undefined) return []
      const { name, index, isInit, image: from } = claim.container
      const bad = badOf({ claim, ours }, failed.text)
      return [
        { name, index, isInit, from, to: back.image, ...contentOf(back.content), rule: ours.rule, ...(bad === undefined ? {} : { bad }) },
      ]
    })
    const text = `${failed.text}; what ran before is put back, and the content is held everywhere`
    return changeStep(of, { kind: 'rollback', ...facts, cause: 'failed', containers }, failed.code, text)
  }
  const containers = failed.open.map(({ claim, ours }) => {
    const bad = badOf({ claim, ours }, failed.text)
    return { name: claim.container.name, state: 'failed' as const, ...(bad === undefined ? {} : { bad }) }
  })
  const isWanted = failed.open.every(({ claim }) => claim.target.rule.rollout.rollback) && workload.ref.kind !== 'Job'
  const why = isWanted ? 'there is no way back to what ran before' : 'nothing is put back'
  const text = `${failed.text}; ${why}, and the content is held everywhere`
  return changeStep(of, { kind: 'settle-record', ...facts, containers }, failed.code, text)
}

function backOf({ claim, ours }: Open, of: WorkloadCase) {
  const { rule } = claim.target
  if (!rule.rollout.rollback || of.workload.ref.kind === 'Job') return undefined
  const name = parseImageName(ours.previous?.image ?? '')?.repository
  return wayBack(ours.previous, ours, name === undefined ? undefined : repositoryOf(of, name), of.config)
}

function badOf({ claim, ours }: Open, why: string): NewImage['bad'] {
  const repository = parseImageName(ours.image)?.repository ?? claim.decision?.of.repository.name
  if (repository === undefined || ours.content === undefined) return undefined
  return { repository, image: ours.image, content: ours.content, why: clip(why, 500) }
}

/** What is said of a rollout that is on its way, or done about it. */
function rollingStep(of: WorkloadCase, rolling: readonly Open[], { claim, ours }: Open): RedeployStep {
  const { workload, now } = of
  const facts = factsOf(workload)
  const { rollout } = workload
  const { rule } = claim.target
  if (workload.ref.kind === 'CronJob' && rule.cronJob.runNow && ours.job === undefined) {
    const containers = rolling.map((one) => ({ name: one.claim.container.name, image: one.ours.image }))
    const job = jobName(
      workload.ref.name,
      rolling.map((one) => one.ours.key),
    )
    return changeStep(
      of,
      { kind: 'run-cronjob', ...facts, job, containers },
      'run-now',
      'the CronJob has its new image and is run once with it',
    )
  }
  if (rollout.kind === 'complete') {
    const containers = rolling.map((one) => ({ name: one.claim.container.name, state: 'done' as const }))
    return changeStep(of, { kind: 'settle-record', ...facts, containers }, 'rollout-complete', rollout.text)
  }
  const images = rolling.map((one) => one.ours.image).join(', ')
  if (rollout.kind === 'not-watched') {
    const code = rollout.code === 'on-delete' ? 'on-delete-not-rolled' : 'not-watched'
    return stayStep(refName(workload.ref), 'held', code, rollout.text, { before: images, after: images })
  }
  const text = `${rollout.text}; for ${formatDuration(seconds(now - ours.atMs))} of at most ${formatDuration(rule.rollout.deadline)}`
  return stayStep(refName(workload.ref), 'no-change', 'rolling', text, { before: images, after: images })
}

/** What ends in nothing being done: the gravest reason first, the others after it. */
function standStep(of: WorkloadCase, progress: RedeployStep | undefined): RedeployStep | undefined {
  const { workload, claims } = of
  const stays = claims.flatMap((claim) => {
    const stay = gateOf(claim, of.gates)
    // While it rolls, that the image is there says less than how far it is.
    if (stay === undefined || (progress !== undefined && stay.verdict === 'no-change')) return []
    return [{ ...stay, claim }]
  })
  const sorted = stays.toSorted((left, right) => gravity[right.verdict] - gravity[left.verdict])
  const [first] = sorted
  if (first === undefined || (progress !== undefined && first.verdict === 'skipped')) return progress
  const isAlone = claims.length === 1
  const texts = sorted.map(({ text, claim }) => (isAlone ? text : `container ${claim.container.name}: ${text}`))
  const failing = workload.rollout.kind === 'failed' ? [`and what is there now does not run: ${workload.rollout.text}`] : []
  const text = [...new Set([...texts, ...(progress === undefined ? [] : [progress.reason.text]), ...failing])].join('; ')
  const isLost = failing.length > 0 && claims.some(({ ours }) => ours?.state === 'failed' && ours.previous === undefined)
  const code = isLost ? 'rollback-failed' : first.code
  const wanted = claims.flatMap(({ decision }) =>
    decision?.kind === 'want' ? [shownImage(decision.image.name, decision.image.to, isAlone)] : [],
  )
  const before = claims.map(({ container }) => shownImage(container.name, container.image, isAlone)).join(', ')
  return stayStep(refName(workload.ref), isLost ? 'held' : first.verdict, code, text, { before, after: wanted.join(', ') })
}

const gravity = { 'no-change': 0, skipped: 1, held: 2, invalid: 3 } as const satisfies Record<Stay['verdict'], number>

function changeStep(
  { workload }: WorkloadCase,
  change: WorkloadChange,
  code: ReasonCode,
  text: string,
): RedeployStep & { verdict: 'change' } {
  const target = refName(workload.ref)
  const { before, after } = shownChange(change)
  return { key: changeKey(change), target, before, after, verdict: 'change', reason: { code, text }, change }
}

/** What makes a change this one and no other: what it begins with, which every write of ours changes, and what it brings about. */
export function changeKey(change: RedeployChange): string {
  if (!('ref' in change)) return keyOf([JSON.stringify(change)])
  const { kind, uid, recordText = null } = change
  return keyOf([kind, uid, recordText, JSON.stringify(change.containers)])
}

function shownChange(change: WorkloadChange): { readonly before: string; readonly after: string } {
  const isAlone = change.containers.length === 1
  switch (change.kind) {
    case 'set-images':
    case 'clone-job':
    case 'rollback':
      return {
        before: change.containers.map(({ name, from }) => shownImage(name, from, isAlone)).join(', '),
        after: change.containers
          .map((one) => shownImage(one.name, one.to, isAlone) + ('restart' in one && one.restart ? ' (pushed again)' : ''))
          .join(', '),
      }
    case 'settle-record':
      return { before: 'rolling', after: [...new Set(change.containers.map(({ state }) => state))].join(', ') }
    case 'run-cronjob':
      return { before: '', after: `Job ${change.job}` }
    case 'approve':
      return { before: '', after: `approved ${change.containers.map(({ content }) => shortContent(content)).join(', ')}` }
    case 'release':
      return { before: `held ${change.containers.map(({ content }) => shortContent(content)).join(', ')}`, after: '' }
  }
}

function shownImage(name: string, image: string, isAlone: boolean): string {
  return isAlone ? image : `${name}: ${image}`
}

export function factsOf({ ref, uid, record }: ReadWorkload) {
  return { ref, uid, recordText: record.text ?? null }
}

function repositoryOf({ repositories }: WorkloadCase, name: string): ReadRepository | undefined {
  return repositories.find((repository) => repository.name === name)
}

function contentOf(content: string | undefined): { readonly content?: string } {
  return content === undefined ? {} : { content }
}

function seconds(ms: number): number {
  return Math.max(0, Math.round(ms / 1000) * 1000)
}

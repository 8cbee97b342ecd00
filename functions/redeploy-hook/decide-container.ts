import { clip } from '#shared/pure/clip.ts'
import type { NewImage } from './change.ts'
import type { RedeployConfig, Rule } from './event.ts'
import type { ReadRepository, RegistryTag } from './image.ts'
import type { ReasonCode } from './reason.ts'
import { isNewer, type WantedTag } from './rules.ts'
import { isOfRepository, isOwnHost, pushesBefore, type Running, runningOf } from './running.ts'
import type { PlacedTarget } from './targets.ts'
import { type ReadContainer, type ReadWorkload, refName } from './workload.ts'

/** A content that must not be rolled out anywhere, and why. */
export interface Hold {
  readonly repository: string
  readonly content: string
  readonly why: string
}

/** One container of one workload and the rule that is for it. */
export interface ContainerCase {
  readonly target: PlacedTarget
  readonly workload: ReadWorkload
  readonly container: ReadContainer
  readonly repository: ReadRepository
  /** What the rule wants of the repository; the same for all its targets. */
  readonly wanted: WantedTag | undefined
}

/** Nothing is done about a container, and why. */
export interface Stay {
  readonly kind: 'stay'
  readonly verdict: 'no-change' | 'skipped' | 'held' | 'invalid'
  readonly code: ReasonCode
  readonly text: string
}

/** A container is to get a new image, as soon as it is its turn. */
export interface Want {
  readonly kind: 'want'
  readonly image: NewImage
  readonly code: 'newer-push' | 'released'
  readonly text: string
  /** Somebody has to agree first. */
  readonly needsApproval: boolean
}

export type ContainerDecision = {
  readonly of: ContainerCase
  readonly running: Running
  /** What the rule wants, where it counts any tag. */
  readonly candidate?: RegistryTag | undefined
} & (Stay | Want)

/** `sha256:0123456789ab…`, as much of a content as a person compares. */
export function shortContent(content: string): string {
  return content.startsWith('sha256:') ? `${content.slice(0, 19)}…` : clip(content, 24)
}

/** `team/web:1.0.1 (sha256:0123456789ab…)` */
function shownTag({ name }: ReadRepository, { name: tag, contentId }: RegistryTag): string {
  return `${name}:${tag} (${shortContent(contentId)})`
}

/**
 * Decides about one container by itself: what the rule wants of the registry as it is, and whether anything stands against it. Waves
 * and turns are not looked at here, they need all workloads of the rule. Neither are rollouts on their way.
 */
export function decideContainer(of: ContainerCase, holds: readonly Hold[], config: RedeployConfig): ContainerDecision {
  const { target, workload, container, repository, wanted } = of
  const running = runningOf(workload, container, repository, config)
  const facts = { of, running, ...(wanted === undefined ? {} : { candidate: wanted.tag }) }
  if (repository.problem !== undefined) {
    return { ...facts, ...stay('held', 'registry-unreadable', `${repository.name} cannot be read in the registry: ${repository.problem}`) }
  }
  if (wanted === undefined) {
    return { ...facts, ...stay('skipped', 'no-tag', `${repository.name} has no tag that the rule ${target.rule.name} counts`) }
  }
  return { ...facts, ...(whyNot(of, running, wanted, holds, config) ?? want(of, running, wanted, config)) }
}

/** The first thing that stands against a candidate. */
function whyNot(of: ContainerCase, running: Running, wanted: WantedTag, holds: readonly Hold[], config: RedeployConfig): Stay | undefined {
  const { target, workload, container, repository } = of
  const { rule } = target
  const { tag: candidate } = wanted
  const { content } = running
  const shown = shownTag(repository, candidate)
  const held = holds.find((hold) => hold.repository === repository.name && hold.content === candidate.contentId)
  if (content !== undefined && content === candidate.contentId) return whyThere(of, running, candidate, held)
  if (workload.deleting) return stay('held', 'workload-deleting', 'the workload is being deleted')
  if (!isOfRepository(running.name, repository.name, config) && !rule.adopt) {
    const text = `${clip(container.image)} is no image of ${repository.name} on ${config.settings.hosts.join(' or ')}: set the container to ${repository.name} once, or give the rule \`adopt: true\``
    return stay('held', 'other-repository', text)
  }
  if (wanted.isGuess) {
    const others = 'nobody knows when its tags were pushed, because they were there at the first look'
    const text = `${repository.name} has several contents that the rule counts, and ${others}: the next push is the first that has a time; or use a range of versions`
    return stay(content === undefined ? 'held' : 'no-change', 'push-time-unknown', text)
  }
  const before = pushesBefore(running, candidate, rule.tags, repository)
  if (before.length === 0 && !rule.adopt) {
    const text = `${clip(container.image)} is not in the registry any more, so nobody knows whether ${shown} is newer: set the image by hand once, or give the rule \`adopt: true\``
    return stay('held', 'running-image-unknown', text)
  }
  const isReleased = isTriedAgain(running, candidate)
  if (!isReleased && !before.every((push) => isNewer(rule.tags, candidate, push))) return whyOld(running, candidate, shown, held)
  if (held !== undefined) return stay('held', 'held-bad-image', heldText(shown, held))
  return whyUnfit(of, running, candidate, shown, config)
}

/** The content that the rule wants is the one that runs. */
function whyThere(
  { container, repository }: ContainerCase,
  { record, isOurs }: Running,
  candidate: RegistryTag,
  held: Hold | undefined,
): Stay {
  const shown = shownTag(repository, candidate)
  if (isOurs && record.set?.state === 'failed' && held !== undefined) {
    return stay('held', 'held-bad-image', `${heldText(shown, held)}; it still runs, because nothing was put back in its place`)
  }
  if (parseTagOf(container.image) === candidate.name || container.image.includes('@'))
    return stay('no-change', 'already-there', `${shown} is there`)
  return stay('no-change', 'same-content', `${clip(container.image)} is the same content as ${shown}`)
}

function parseTagOf(image: string): string {
  return image.slice(image.lastIndexOf(':') + 1)
}

/** A content that failed or was taken back here, and that somebody lets be tried again. */
function isTriedAgain({ record, isOurs }: Running, { contentId }: RegistryTag): boolean {
  return isOurs && record.mark?.content === contentId && record.released?.content === contentId && record.set?.content !== contentId
}

/** The candidate is no newer push than what was acted on already. */
function whyOld({ record, isOurs, content }: Running, candidate: RegistryTag, shown: string, held: Hold | undefined): Stay {
  const { set, mark, undone } = record
  if (set !== undefined && !isOurs) {
    const text = `somebody has changed the image since ${clip(set.image)} was set here; that stays until something newer than ${mark?.tag ?? shown} is pushed`
    return stay('held', 'person-rolled-back', text)
  }
  if (undone?.content === candidate.contentId) {
    return stay('held', 'undone', `${shown} was taken back; what ran before stays until something newer is pushed, or it is released`)
  }
  if (held !== undefined) return stay('held', 'held-bad-image', heldText(shown, held))
  const than =
    mark === undefined ? 'what runs' : `${mark.tag}${content === undefined ? '' : ` (${shortContent(mark.content)})`}, which was acted on`
  return stay('skipped', 'older-push', `${shown} is not newer than ${than}`)
}

function heldText(shown: string, { why, repository, content }: Hold): string {
  const again = `longshore redeploy release ${repository}@${content.slice(0, 19)}`
  return `${shown} is held everywhere, because it failed: ${why}; push something newer, or let it be tried again with \`${again}\``
}

/** What would keep a new image from running, found out before it is written. */
function whyUnfit(
  { target, workload, container, repository }: ContainerCase,
  running: Running,
  candidate: RegistryTag,
  shown: string,
  config: RedeployConfig,
): Stay | undefined {
  const { rule } = target
  if (rule.pin === 'digest' && !candidate.isDigest) {
    const text = `the registry gives no digest of ${shown}, so it cannot be pinned: set contentIds to "digest" once you have seen that its ids are digests, or \`pin: tag\``
    return stay('invalid', 'content-is-no-digest', text)
  }
  if (workload.ref.kind === 'Job' && rule.job.replace === 'skip') {
    return stay('skipped', 'job-not-replaced', `a Job cannot be changed; with \`job.replace: clone\` a copy of it would run ${shown}`)
  }
  if (workload.paused)
    return stay('held', 'workload-paused', 'the Deployment is paused: no pod would be replaced until somebody resumes it')
  const isMoved = rule.pin === 'tag' && imageOf(rule, running, repository, candidate, config) === container.image
  const policy = container.pullPolicy ?? 'Always'
  if (isMoved && policy !== 'Always' && rule.ifNotPresent === 'hold') {
    const text = `${candidate.name} was pushed again, but with imagePullPolicy ${policy} nodes that have the tag would go on with the old content: set it to Always, or \`pin: digest\``
    return stay('held', 'pull-policy-if-not-present', text)
  }
  const missing = (workload.nodeArchitectures ?? []).filter((architecture) => candidate.architectures?.includes(architecture) === false)
  if (missing.length > 0) {
    const text = `${shown} is not built for ${missing.join(', ')}, which nodes have that its pods may run on; it is for ${candidate.architectures?.join(', ') ?? ''}`
    return stay('held', 'architecture-missing', text)
  }
  const { pullSecrets } = config.settings
  const isProven = pullSecrets === 'auto' && isOfRepository(running.name, repository.name, config)
  if (workload.hasPullSecrets === false && pullSecrets !== 'ignored' && !isProven) {
    const text = `neither the pod template nor its service account has a pull secret, so ${shown} could not be pulled: add imagePullSecrets, or set pullSecrets to "ignored"`
    return stay('held', 'pull-secret-missing', text)
  }
  return undefined
}

function want(of: ContainerCase, running: Running, { tag, tiedWith }: WantedTag, config: RedeployConfig): Want {
  const { target, container, repository } = of
  const { record, isOurs } = running
  const { name, index, isInit, image: from } = container
  const to = imageOf(target.rule, running, repository, tag, config)
  const { set } = record
  // What is on its way or has failed is no way back: that goes to what ran before it.
  const previous =
    isOurs && set !== undefined && set.state !== 'done' && set.previous !== undefined ? set.previous : placed(from, running.content)
  const tie =
    tiedWith === undefined ? '' : `; ${tiedWith.name} was pushed at the same time with other content, and the names decided between them`
  const isReleased = isTriedAgain(running, tag)
  return {
    kind: 'want',
    image: {
      name,
      index,
      isInit,
      from,
      to,
      repository: repository.name,
      tag: tag.name,
      content: tag.contentId,
      ...(tag.pushedMs === undefined ? {} : { pushedMs: tag.pushedMs }),
      ...(previous === undefined ? {} : { previous }),
      rule: target.rule.name,
      // Pods of before that a stuck rollout has left there are of the same template when its image is written in the same way.
      restart: to === from || (previous?.image === to && previous.content !== tag.contentId),
    },
    code: isReleased ? 'released' : 'newer-push',
    text: `${shownTag(repository, tag)}${isReleased ? ' was released and is tried again' : ` is the newest that the rule ${target.rule.name} counts`}${tie}`,
    needsApproval: target.rule.approval && record.approved?.content !== tag.contentId,
  }
}

function placed(image: string, content: string | undefined) {
  return content === undefined ? { image } : { image, content }
}

/** How the candidate is written into the template: by the host that is there already, where that is one of the registry's. */
function imageOf(
  rule: Rule,
  { name }: Running,
  { name: repository }: ReadRepository,
  tag: RegistryTag,
  { settings }: RedeployConfig,
): string {
  const host = name !== undefined && isOwnHost(name.host, settings.hosts) ? name.host : (settings.hosts[0] ?? '')
  return `${host}/${repository}${rule.pin === 'digest' ? `@${tag.contentId}` : `:${tag.name}`}`
}

function stay(verdict: Stay['verdict'], code: ReasonCode, text: string): Stay {
  return { kind: 'stay', verdict, code, text }
}

/** `cls-1/default/Deployment/web, container app` */
export function caseName({ workload, container }: ContainerCase): string {
  return `${refName(workload.ref)}, container ${container.name}`
}

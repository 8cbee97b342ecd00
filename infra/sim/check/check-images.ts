import { keptBy, protectedIn } from '../images/image-oracle.ts'
import type { Use } from '../images/image-watch.ts'
import { checkImageCaps } from './check-image-caps.ts'
import type { Facts, Violation } from './facts.ts'
import { type ImageAct, ImageFacts, imageViolation, seenAt } from './image-facts.ts'

const minuteMs = 60_000
/** What clocks may differ, and a run may take until it looks. */
const slackMs = 30 * minuteMs
/** After five minutes clusters are looked at again before anything is removed. */
const staleMs = 5 * minuteMs + 20_000

/**
 * Promise 8, and what the image-cleaner promises beside it, for every single removal: by what was true of registry and clusters at
 * that instant, not by what the product believes. What nobody could know when it looked last is no violation.
 */
export function checkImages(facts: Facts): Violation[] {
  const { scenario, platform } = facts.simulated
  if (scenario.images === undefined || platform.images === undefined) return []
  const images = new ImageFacts(facts, scenario.images, platform.images)
  const removals = images.acts.filter((act) => act.images.kind === 'remove')
  return [
    ...removals.flatMap((act) => [
      ...used(images, act),
      ...usedLately(images, act),
      ...blind(images, act),
      ...stale(images, act),
      ...byRules(images, act),
      ...uncopied(act),
      ...lastOnes(images, act),
    ]),
    ...images.acts.filter((act) => act.images.kind !== 'restore').flatMap((act) => asPlanned(images, act)),
    ...checkImageCaps(images),
  ]
}

/** The digest that a use means, by the tags as they are right before a removal and were when they were read last. */
function digestOf(use: Use, { images }: ImageAct, knownMs: number): string | undefined {
  if (use.digest !== undefined) return use.digest
  const tag = images.before.find(({ name }) => name === use.tag)
  return tag === undefined || tag.pushedMs > knownMs ? undefined : tag.digest
}

function usesOf(images: ImageFacts, { images: { repository } }: ImageAct): readonly Use[] {
  return images.watch.uses.filter((use) => use.repository === repository)
}

function isRemoved({ images }: ImageAct, digest: string | undefined): boolean {
  return images.removed.some((tag) => tag.digest === digest)
}

/** What something used since before the run looked. */
function used(images: ImageFacts, act: ImageAct): Violation[] {
  const { one, run, planPlace } = act
  const knownMs = act.knownMs ?? one.at
  for (const use of usesOf(images, act)) {
    if (use.untilMs <= one.at || !isRemoved(act, digestOf(use, act, knownMs))) continue
    const look = images.lookAtUse(run.owner, use, planPlace)
    const isKnown = look.isTrue ? use.fromMs <= look.at : images.isRemembered(use, run) !== undefined
    if (isKnown) return [imageViolation('image-used', act, `${use.object} (${use.resource}) in ${use.cluster} uses it`)]
  }
  return []
}

/** What an earlier run has seen in use, not long ago. */
function usedLately(images: ImageFacts, act: ImageAct): Violation[] {
  const { run, settings } = act
  const knownMs = act.knownMs ?? act.one.at
  for (const use of usesOf(images, act)) {
    if (!isRemoved(act, digestOf(use, act, knownMs))) continue
    const memory = images.isRemembered(use, run)
    if (memory === undefined || hasOverlap(images, memory.owner, memory.place, run.place)) continue
    const agoMs = run.planNow - seenAt(images, use, memory)
    if (agoMs > settings.referenceMemoryMs - slackMs) continue
    const text = `${use.object} in ${use.cluster} used it ${Math.round(agoMs / minuteMs)} minutes before, and that is to be remembered for longer`
    return [imageViolation('image-used-lately', act, text)]
  }
  return []
}

/** Whether a run that had begun before something was remembered has remembered something itself since: it knew nothing of it. */
function hasOverlap(images: ImageFacts, owner: string, place: number, untilPlace: number): boolean {
  return images.rememberings.some((other) => {
    const began = images.facts.runs.get(other.owner)?.place ?? 0
    return other.owner !== owner && other.place > place && other.place < untilPlace && began < place
  })
}

/** Removals although a cluster, or the list of tags, could not be read whole. */
function blind(images: ImageFacts, act: ImageAct): Violation[] {
  const { run, planPlace, one } = act
  const { repository } = act.images
  const list = images.lookBefore(run.owner, 'tags', repository, planPlace)
  if (list === undefined || !list.isTrue)
    return [imageViolation('image-blind', act, `the last list of its tags was ${list === undefined ? 'never read' : 'not true'}`)]
  const found: Violation[] = []
  for (const cluster of images.facts.simulated.scenario.clusterIds) {
    const own = images.watch.uses.filter((use) => use.cluster === cluster && use.fromMs <= one.at)
    const unseen = own.find((use) => use.untilMs > one.at && !images.lookAtUse(run.owner, use, planPlace).isTrue)
    if (unseen === undefined) continue
    const known = images.rememberings.some((memory) => memory.cluster === cluster && memory.place < run.place)
    const seen = own.find((use) => use.repository === repository && images.isRemembered(use, run) !== undefined)
    const what = `${unseen.resource} of ${cluster} could not be read`
    if (!known && !images.rememberings.some((memory) => memory.cluster === cluster && memory.place < planPlace))
      found.push(imageViolation('image-blind', act, `${what}, and never was`))
    else if (seen !== undefined)
      found.push(imageViolation('image-blind', act, `${what}, and ${seen.object} there was seen to use the repository`))
  }
  return found
}

/** Removals by what clusters used long ago. */
function stale(images: ImageFacts, act: ImageAct): Violation[] {
  const { run, planPlace, one } = act
  const { scenario } = images.facts.simulated
  const plannedMs = images.facts.all[planPlace]?.at ?? 0
  // A clock that jumps tells nobody how long something took.
  if (scenario.jumps.length > 0) return []
  for (const use of images.watch.uses) {
    if (use.fromMs > one.at || use.untilMs <= one.at) continue
    const look = images.lookBefore(run.owner, 'cluster', `${use.cluster} ${use.resource}`, planPlace)
    if (look === undefined || plannedMs - look.saidAt <= staleMs) continue
    const text = `${use.resource} of ${use.cluster} was read ${Math.round((plannedMs - look.saidAt) / 1000)} s before it was planned`
    return [imageViolation('image-stale', act, text)]
  }
  return []
}

/** What rules keep, and what somebody protects by name. */
function byRules(images: ImageFacts, act: ImageAct): Violation[] {
  const { run, settings, planPlace } = act
  const { repository, removed, before } = act.images
  const list = images.lookBefore(run.owner, 'tags', repository, planPlace)
  const listed = images.watch.tagsAt(repository, list?.saidAt ?? 0)
  const kept = keptBy(settings, repository, listed, run.planNow).surely
  const digests = removed.map(({ name, digest }) => listed.get(name)?.digest ?? digest)
  const found: Violation[] = []
  if (digests.some((digest) => kept.has(digest)))
    found.push(imageViolation('image-kept', act, 'a rule of a policy keeps it, or no policy is for it'))
  const knownMs = act.knownMs ?? act.one.at
  const known = new Map(before.filter(({ pushedMs }) => pushedMs <= knownMs).map((tag) => [tag.name, tag]))
  const guarded = protectedIn(settings, repository, known)
  if (removed.some(({ digest }) => guarded.has(digest)))
    found.push(imageViolation('image-protected', act, 'it is protected by name, or shares its content with what is'))
  return found
}

function uncopied(act: ImageAct): Violation[] {
  // What was pushed since the tags were read last is not what was copied.
  const known = new Set(act.images.removed.filter(({ pushedMs }) => pushedMs <= (act.knownMs ?? pushedMs)).map(({ name }) => name))
  const names = act.images.uncopied.filter((name) => known.has(name))
  if (act.settings.quarantineDays === undefined || names.length === 0) return []
  return [imageViolation('image-uncopied', act, `there is no copy of ${names.join(', ')} in the quarantine`)]
}

/** The last tags of a repository, as far as that was to be seen when they were read last. */
function lastOnes(images: ImageFacts, act: ImageAct): Violation[] {
  const { repository, removed, before } = act.images
  if (before.length > removed.length) return []
  const names = new Set(removed.map(({ name }) => name))
  const known = images.watch.tagsAt(repository, act.knownMs ?? act.one.at)
  if ([...known.keys()].some((name) => !names.has(name))) return []
  return [imageViolation('image-last', act, 'nothing is left of the repository')]
}

/** Tags that the step does not name, that were read by nobody since the plan, or that are not any more what the plan said. */
function asPlanned(images: ImageFacts, act: ImageAct): Violation[] {
  const { one, knownMs } = act
  const step = images.facts.stepOf(one.effect.owner, one.effect.key)
  if (knownMs === undefined) return [imageViolation('written-unread', act, 'its tags were not read again between plan and call')]
  for (const tag of act.images.removed) {
    const planned = step?.tags?.find(({ name }) => name === tag.name)
    // What came since the tags were read last could not be seen.
    if (tag.pushedMs > knownMs) continue
    if (planned === undefined) return [imageViolation('image-unplanned', act, `${tag.name} is not in the plan`)]
    const isSame =
      planned.contentId === tag.digest && (planned.pushedMs === undefined || planned.pushedMs === Math.floor(tag.pushedMs / 1000) * 1000)
    if (!isSame) return [imageViolation('image-moved', act, `${tag.name} was pushed again since it was planned, before it was read again`)]
  }
  return []
}

import { dayOf, keptBy, policiesFor, protectedIn } from '../images/image-oracle.ts'
import type { Tags } from '../images/image-watch.ts'
import type { Facts, Violation } from './facts.ts'
import { ImageFacts } from './image-facts.ts'

const dayMs = 86_400_000

/**
 * After some quiet nights what may go is gone, as far as caps leave room, and what somebody waits for is back as long as there was a
 * copy: a cleaner that does nothing removes nothing that is needed, either.
 */
export function checkImageEnd(facts: Facts): Violation[] {
  const { scenario, platform } = facts.simulated
  if (scenario.images === undefined || platform.images === undefined) return []
  // What the kernel itself holds back is held back for good.
  if (scenario.guard.caps.length > 0 || scenario.guard.freeze.length > 0 || scenario.images.guarded.length > 0) return []
  const images = new ImageFacts(facts, scenario.images, platform.images)
  return [...leftBehind(images), ...stillMissing(images)]
}

function leftBehind(images: ImageFacts): Violation[] {
  const { watch, scene, facts } = images
  const { lastTickMs } = facts.simulated
  const settings = scene.versions[scene.edits.length]
  // Only a night in which nothing went wrong has to get through.
  const night = scene.nights.findLast((one) => one > facts.simulated.scenario.quietMs)
  if (settings === undefined || night === undefined) return []
  // Where nothing at all is in use that counts as a mistake of somebody.
  if (!watch.uses.some(({ untilMs }) => untilMs > lastTickMs)) return []
  if (settings.canary !== undefined && !isOldEnough(images)) return []
  const today = images.acts.filter((act) => act.images.kind === 'remove' && dayOf(act.beganMs) === dayOf(night))
  const count = (repository?: string): number =>
    today
      .filter((act) => repository === undefined || act.images.repository === repository)
      .reduce((sum, act) => sum + act.images.removed.length, 0)
  const roomOfDay = Math.min(settings.caps.ofDay, settings.caps.ofRun) - count()
  return scene.repositories.flatMap(({ name }) => {
    const tags = watch.tagsAt(name, lastTickMs)
    if (policiesFor(settings, name).length === 0 || hasUnresolved(images, name, tags)) return []
    const going = mayGo(images, name, tags)
    const [oldest] = going.toSorted((left, right) => left.names.length - right.names.length)
    if (oldest === undefined) return []
    const share = Math.floor((settings.caps.percent / 100) * tags.size)
    const room = Math.min(roomOfDay, settings.caps.ofRepository - count(name), share - count(name))
    if (going.some(({ names }) => names.length > room)) return []
    const names = going.flatMap((image) => image.names).join(', ')
    const text = `${names} of ${name} could go, and are still there after the last quiet night; there was room for ${room}`
    return [{ check: 'image-left', text, about: [`plans`, `PERSON`, name] }]
  })
}

/** Whether a policy has been at it for so long that it may remove everything, at the latest since the first quiet night. */
function isOldEnough({ acts, scene, facts }: ImageFacts): boolean {
  const { quietMs } = facts.simulated.scenario
  const nights = scene.nights.filter((night) => night > quietMs).length
  const canary = scene.versions[scene.edits.length]?.canary
  const isUndone = acts.some(({ images, beganMs }) => images.kind === 'restore' && beganMs > quietMs)
  return canary !== undefined && !isUndone && canary.percent * 2 ** (nights - 1) >= 100
}

/** Something names an image by a digest that no tag has: then nobody knows what to keep for it, and all stays. */
function hasUnresolved({ watch, facts }: ImageFacts, repository: string, tags: Tags): boolean {
  const digests = new Set([...tags.values()].map(({ digest }) => digest))
  const { lastTickMs } = facts.simulated
  return watch.uses.some(
    (use) => use.repository === repository && use.digest !== undefined && use.untilMs > lastTickMs - dayMs && !digests.has(use.digest),
  )
}

/** Images that nothing keeps, and that nothing has used for as long as is remembered. */
function mayGo({ watch, scene, facts, acts }: ImageFacts, repository: string, tags: Tags) {
  const { lastTickMs } = facts.simulated
  const settings = scene.versions[scene.edits.length]
  if (settings === undefined) return []
  const restored = new Set(
    acts.flatMap(({ images }) =>
      images.kind === 'restore' && images.repository === repository ? images.removed.map(({ digest }) => digest) : [],
    ),
  )
  const { perhaps } = keptBy(settings, repository, tags, lastTickMs, restored)
  const guarded = protectedIn(settings, repository, tags)
  const since = lastTickMs - settings.referenceMemoryMs - dayMs
  const uses = watch.uses.filter((use) => use.repository === repository && use.untilMs > since)
  const used = new Set(uses.flatMap(({ tag, digest }) => [tag, digest]))
  const triggered = new Set(scene.triggers.filter((trigger) => trigger.repository === repository).map(({ tag }) => tag))
  const images = [...Map.groupBy(tags.values(), ({ digest }) => digest)].map(([digest, own]) => ({
    digest,
    names: own.map(({ name }) => name),
  }))
  const going = images.filter(
    ({ digest, names }) =>
      !perhaps.has(digest) && !guarded.has(digest) && !used.has(digest) && !names.some((name) => used.has(name) || triggered.has(name)),
  )
  // One always stays.
  return going.length === images.length ? going.slice(1) : going
}

/** Pods that wait for an image of which the quarantine has a copy. */
function stillMissing({ watch, scene, acts, facts }: ImageFacts): Violation[] {
  const settings = scene.versions[scene.edits.length]
  const { lastTickMs } = facts.simulated
  const days = settings?.quarantineDays
  if (days === undefined) return []
  return watch.missing().flatMap(({ repository, tag, digest, pod }) => {
    const removal = acts.findLast(
      ({ images }) =>
        images.kind === 'remove' &&
        images.repository === repository &&
        images.removed.some((one) => (digest === undefined ? one.name === tag : one.digest === digest)),
    )
    // Who has removed it since, or had it removed before there was a quarantine, has to bring it back.
    if (removal === undefined || removal.beganMs + days * dayMs < lastTickMs || removal.settings.quarantineDays === undefined) return []
    const isTouched = facts
      .of('image-deed')
      .some(([place, deed]) => place > removal.one.place && deed.repository === repository && deed.tag === tag)
    const isBack = acts.some(
      ({ images, one }) => images.kind === 'restore' && one.place > removal.one.place && images.repository === repository,
    )
    if (isTouched || isBack) return []
    const text = `${pod} still waits for ${repository}:${tag ?? digest ?? ''}, of which there is a copy since it was removed`
    return [{ check: 'image-missing', text, about: ['PERSON', 'COPIED', repository] }]
  })
}

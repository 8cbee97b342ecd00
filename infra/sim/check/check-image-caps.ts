import { dayOf, policiesFor } from '../images/image-oracle.ts'
import type { Violation } from './facts.ts'
import { type ImageAct, type ImageFacts, imageViolation } from './image-facts.ts'

const dayMs = 86_400_000

/** Promise 7 for images: per repository, run and day, and what a new policy may remove. Counted in true time. */
export function checkImageCaps(images: ImageFacts): Violation[] {
  const removals = images.acts.filter(({ images: { kind } }) => kind === 'remove')
  const found: Violation[] = []
  for (const [index, act] of removals.entries()) {
    const before = removals.slice(0, index + 1)
    found.push(...overCap(images, act, before), ...overCanary(images, act, before))
  }
  return found
}

function countOf(acts: readonly ImageAct[]): number {
  return acts.reduce((sum, { images: { removed } }) => sum + removed.length, 0)
}

function overCap(images: ImageFacts, act: ImageAct, before: readonly ImageAct[]): Violation[] {
  const { ofRepository, percent, ofRun, ofDay } = act.settings.caps
  const { repository } = act.images
  const day = dayOf(act.beganMs)
  const today = before.filter(({ beganMs }) => dayOf(beganMs) === day)
  const own = countOf(today.filter((other) => other.images.repository === repository))
  const midnight = day * dayMs - 8 * 3_600_000
  const share = Math.floor((percent / 100) * (images.watch.mostTags(repository, midnight, act.one.at) + own))
  const inRun = countOf(before.filter(({ run }) => run.owner === act.run.owner))
  const most: readonly (readonly [string, number, number])[] = [
    [`${ofRepository} of a repository and day`, own, ofRepository],
    [`${percent} % of a repository and day`, own, share],
    [`${ofRun} of a run`, inRun, ofRun],
    [`${ofDay} of a day`, countOf(today), ofDay],
  ]
  return most.flatMap(([name, count, limit]) =>
    count > limit ? [imageViolation('image-cap', act, `it makes ${count} tags where ${limit} are allowed: at most ${name}`)] : [],
  )
}

/** A policy that is new, edited or was wrong starts small and doubles daily. */
function overCanary(images: ImageFacts, act: ImageAct, before: readonly ImageAct[]): Violation[] {
  const { canary } = act.settings
  if (canary === undefined) return []
  const day = dayOf(act.beganMs)
  return policiesFor(act.settings, act.images.repository).flatMap((policy) => {
    const says = JSON.stringify([policy.repositories, policy.keep])
    const own = before.filter(({ settings, images: { repository } }) =>
      policiesFor(settings, repository).some(
        ({ name, repositories, keep }) => name === policy.name && JSON.stringify([repositories, keep]) === says,
      ),
    )
    const firstDay = Math.max(dayOf(own[0]?.beganMs ?? act.beganMs), ...undone(images, act, policy.name).map((ms) => dayOf(ms)))
    const factor = 2 ** (day - firstDay)
    if (canary.percent * factor >= 100) return []
    const tags = policy.repositories.reduce((sum, name) => sum + images.watch.mostTags(name, 0, act.one.at), 0)
    const limit = Math.max(canary.amount, Math.ceil((canary.percent / 100) * tags)) * factor
    const count = countOf(own.filter(({ beganMs }) => dayOf(beganMs) === day))
    if (count <= limit) return []
    const text = `it makes ${count} tags of the policy ${policy.name} on its day ${day - firstDay + 1}, where ${limit} are allowed`
    return [imageViolation('image-canary', act, text)]
  })
}

/** When something that a policy removed was brought back, and that was kept. */
function undone(images: ImageFacts, act: ImageAct, policy: string): readonly number[] {
  return images.acts.flatMap((restored) => {
    if (restored.images.kind !== 'restore' || restored.one.place > act.run.place) return []
    const isKept = images.facts
      .of('stored')
      .some(
        ([place, { partition, sort, doer }]) =>
          place > restored.one.place &&
          place < act.run.place &&
          doer.owner === restored.run.owner &&
          partition === 'memory/image-cleaner' &&
          sort === `canary%2F${policy}`,
      )
    return isKept ? [restored.beganMs] : []
  })
}

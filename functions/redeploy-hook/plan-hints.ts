import { compareTexts } from '#shared/pure/compare-texts.ts'
import type { RedeployConfig } from './event.ts'
import type { ReadRepository, RegistryTag } from './image.ts'
import { type RedeployStep, stayStep } from './plan-step.ts'
import type { PushHint } from './push-hint.ts'
import { isCounted, wantedFinder } from './rules.ts'
import { isForRepository } from './targets.ts'

/**
 * Says of each push that somebody told of why it does nothing by itself, where that is so: what deploys is what the registry says, and
 * the steps of the workloads tell about that. Hints never change what is done; the same one told often is said once.
 */
export function planHints(
  hints: readonly PushHint[],
  repositories: readonly ReadRepository[],
  config: RedeployConfig,
): readonly RedeployStep[] {
  const wantedOf = wantedFinder()
  const read = new Map(repositories.map((repository) => [repository.name, repository]))
  const different = new Map(hints.map((hint) => [JSON.stringify([hint.repository, hint.tag, hint.digest, hint.childOf]), hint]))
  const steps = new Map<string, RedeployStep>()
  for (const hint of different.values()) {
    const step = planHint(hint, read.get(hint.repository), config, wantedOf)
    if (step !== undefined) steps.set(step.key, step)
  }
  return [...steps.values()].toSorted((left, right) => compareTexts(left.target, right.target) || compareTexts(left.key, right.key))
}

function planHint(
  hint: PushHint,
  repository: ReadRepository | undefined,
  { settings }: RedeployConfig,
  wantedOf: ReturnType<typeof wantedFinder>,
): RedeployStep | undefined {
  const { repository: name, tag, digest, childOf } = hint
  const shown = `push of ${name}${tag === undefined ? (digest === undefined ? '' : `@${digest}`) : `:${tag}`}`
  const rules = settings.rules.filter((rule) => isForRepository(rule, name))
  if (rules.length === 0) return stayStep(shown, 'skipped', 'no-rule', `no rule is for the repository ${name}`)
  if (childOf !== undefined) {
    return stayStep(shown, 'skipped', 'child-manifest', `it is one platform of ${childOf}, which is deployed as a whole`)
  }
  // Where to look, and nothing about a push.
  if (tag === undefined && digest === undefined) return undefined
  if (repository === undefined || repository.problem !== undefined) return undefined
  const tags = taggedBy(hint, repository)
  if (tags.length === 0) {
    if (tag === undefined) {
      return stayStep(shown, 'skipped', 'child-manifest', 'no tag stands for it, so it is a part of something else, or nothing yet')
    }
    return stayStep(shown, 'skipped', 'tag-gone', 'the registry does not have the tag any more')
  }
  const counting = rules.filter((rule) => tags.some((one) => isCounted(rule.tags, one)))
  if (counting.length === 0) {
    const names = rules.map((rule) => rule.name).toSorted()
    return stayStep(shown, 'skipped', 'tag-not-chosen', `the tag is none that ${names.join(' or ')} counts`)
  }
  const wanted = counting.flatMap((rule) => wantedOf(rule, repository)?.tag ?? [])
  if (wanted.some((one) => tags.some(({ contentId }) => contentId === one.contentId))) return undefined
  const names = [...new Set(wanted.map((one) => one.name))].toSorted()
  return stayStep(shown, 'skipped', 'not-newest', `${names.join(' and ')} is newer, and the newest is what is deployed`)
}

function taggedBy({ tag, digest }: PushHint, { tags }: ReadRepository): readonly RegistryTag[] {
  return tags.filter(({ name, contentId }) => (tag === undefined ? contentId === digest : name === tag))
}

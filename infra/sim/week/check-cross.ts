import type { Violation } from '../check/facts.ts'
import { type ImageAct, type ImageFacts, imageViolation } from '../check/image-facts.ts'
import { short } from '../history.ts'
import { HookFacts, type HookStep, problem } from '../redeploy/hook-facts.ts'
import type { SimulatedHook } from '../redeploy/hook-simulation.ts'
import { placeOfKind } from '../redeploy/stage-hook.ts'

/** What image-cleaner and redeploy-hook promise together, by what each of them really did. Places of the one say nothing to the other. */
export function checkCross(images: ImageFacts, hook: SimulatedHook): Violation[] {
  const facts = new HookFacts(hook)
  const removals = images.acts.filter((act) => act.images.kind === 'remove')
  const settings = facts.steps
    .filter((step) => step.hook.kind === 'set' || step.hook.kind === 'rollback')
    .map((step) => settingOf(facts, step))
  return [
    ...removals.flatMap((act) => [...pinned(images, facts, settings, act), ...stillSet(settings, act)]),
    ...settings.flatMap((setting) => removedBefore(facts, setting, removals)),
  ]
}

/** An image that was set, with how long it was, and how long nobody knew whether it works. */
interface Setting {
  readonly step: HookStep
  readonly repository: string
  /** What was set, and of a push what was there before. */
  readonly digest: string | undefined
  readonly before: string | undefined
  /** When it was known how the rollout has ended, and when something else was set. */
  readonly settledMs: number
  readonly replacedMs: number
}

function settingOf(facts: HookFacts, step: HookStep): Setting {
  const { hook, rule, effect } = step
  const later = facts.stepsOn(effect.target, effect.uid).filter(({ place }) => place > step.place)
  const deed = facts.hookDeeds.find(
    ([place, { target, deed: what, isChanged }]) => target === effect.target && place > step.place && isChanged && changing.has(what),
  )
  const replaced = later.find((one) => one.hook.kind === 'set' || one.hook.kind === 'rollback')
  const settled = later.find((one) => one.hook.kind !== 'approve')
  const replacedMs = Math.min(replaced?.at ?? Number.POSITIVE_INFINITY, deed?.[1].at ?? Number.POSITIVE_INFINITY)
  const digestAt = (image: string): string | undefined => image.split('@')[1] ?? facts.world.digestAt(image, step.at)
  return {
    step,
    repository: rule.repository,
    digest: hook.content ?? digestAt(hook.imageAfter),
    before:
      hook.kind === 'set'
        ? ((hook.setBefore === hook.imageBefore ? hook.contentBefore : undefined) ?? digestAt(hook.imageBefore))
        : undefined,
    settledMs: hook.kind === 'set' ? Math.min(settled?.at ?? Number.POSITIVE_INFINITY, replacedMs) : step.at,
    replacedMs,
  }
}

/** What people do after which a workload names another image, or is another one. */
const changing: ReadonlySet<string> = new Set(['set-image', 'recreate', 'delete'])

/** No image goes that a rollout under way has set or leads back to, where the run has looked since it began. */
function pinned(images: ImageFacts, facts: HookFacts, settings: readonly Setting[], act: ImageAct): Violation[] {
  const { repository, removed } = act.images
  return settings.flatMap(({ step, digest, before, repository: own, settledMs }) => {
    const { workload, at, effect } = step
    if (own !== repository || at > act.one.at || settledMs <= act.one.at) return []
    const gone = removed.find((tag) => tag.digest === digest || tag.digest === before)
    if (gone === undefined || facts.world.isBad(gone.digest)) return []
    const { group, resource } = placeOfKind[workload.kind]
    const look = images.lookBefore(act.run.owner, 'cluster', `${workload.cluster} ${group}/${resource}`, act.planPlace)
    if (look === undefined || look.saidAt < at) return []
    const what = gone.digest === digest ? 'has set it' : 'leads back to it'
    return [imageViolation('cross-pinned', act, `the rollout [${short(effect.key)}] of ${effect.target}, which is under way, ${what}`)]
  })
}

/** Nothing goes that was set, as long as it is set: also when nobody could have seen that in the cluster yet. */
function stillSet(settings: readonly Setting[], act: ImageAct): Violation[] {
  const { repository, removed } = act.images
  return settings.flatMap(({ step, digest, repository: own, replacedMs }) => {
    if (own !== repository || step.at > act.one.at || replacedMs <= act.one.at) return []
    if (!removed.some((tag) => tag.digest === digest)) return []
    const { effect, at } = step
    return [imageViolation('cross-deployed', act, `it was set on ${effect.target} ${act.one.at - at} ms before, and is set still`)]
  })
}

/** Nothing is set that has been removed, and was not pushed again since. */
function removedBefore(facts: HookFacts, { step, digest, repository }: Setting, removals: readonly ImageAct[]): Violation[] {
  const { effect, hook, at } = step
  if (digest === undefined) return []
  const isThere = facts.world.spans.some(
    (span) => span.repository === repository && span.digest === digest && span.atMs <= at && span.untilMs > at,
  )
  const removal = removals.findLast(
    ({ images, one }) => images.repository === repository && one.at <= at && images.removed.some((tag) => tag.digest === digest),
  )
  if (isThere || removal === undefined) return []
  const text = `effect @${effect.wireId} [${short(effect.key)}] sets ${hook.imageAfter} on ${effect.target}, which was removed ${at - removal.one.at} ms before (@${removal.one.effect.wireId})`
  return [problem('cross-deployed', text, [effect.target, short(effect.key), `@${removal.one.effect.wireId} `])]
}

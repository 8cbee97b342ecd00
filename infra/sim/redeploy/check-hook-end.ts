import type { Violation } from '../check/facts.ts'
import { type HookFacts, type HookStep, problem, ringOf } from './hook-facts.ts'
import { comparePushes, isCounted, type SimHookRule, type SimHookWorkload } from './hook-scene.ts'
import { imageIn, type TagSpan } from './hook-world.ts'
import { nameOfWorkload, objectOfWorkload, recordOn, templateOf, textIn } from './stage-hook.ts'

/** What a workload should run at the end, worked out from pushes, people and what was seen to happen, without the product's plan. */
export function checkHookEnd(facts: HookFacts): Violation[] {
  const { scenario, lastTickMs } = facts.simulated
  const last = facts.of('run-ended').findLast(([, { at }]) => at >= lastTickMs)?.[1]
  if (last === undefined) return [problem('run-stuck', 'no run has ended after the last tick', [' begins '])]
  if (last.failure !== undefined) return [problem('run-failed', `the last run failed: ${last.failure}`, [last.doer.owner])]
  if (scenario.mode !== 'enforce') return []
  return facts.scene.workloads.flatMap((workload) => endOf(facts, workload))
}

function endOf(facts: HookFacts, workload: SimHookWorkload): Violation[] {
  const { world, scene } = facts
  const rule = scene.rules[workload.rule]
  const object = objectOfWorkload(world.core.world, workload)
  if (rule === undefined || object === undefined || isAside(facts, workload)) return []
  const target = nameOfWorkload(workload)
  const about = [target, 'PUSH ']
  const record = recordOn(object, workload.name)
  const newest = world.newestAt(rule, Number.MAX_SAFE_INTEGER)
  const running = world.running(workload)
  const image = imageIn(templateOf(object, workload.kind)) ?? ''
  const state = textIn(record.set, 'state')
  const isOurs = textIn(record.set, 'image') === image || workload.kind === 'Job'
  if (isOurs && state === 'rolling')
    return [
      problem(
        'hook-end-record',
        `${target} rolls still, with ${image}: it runs ${running.map((one) => one.slice(7, 15)).join(', ')}`,
        about,
      ),
    ]
  if (newest === undefined || (running.length === 1 && running[0] === newest.digest)) return []
  const why = whyNot(facts, workload, { rule, newest, image, uid: object.metadata.uid, hasMark: record.mark !== undefined })
  if (why !== undefined) return []
  const text = `${target} runs ${running.map((one) => one.slice(7, 15)).join(', ') || 'nothing'} (${image}); the newest push is ${newest.tag} (${newest.digest.slice(7, 15)})`
  return [problem('hook-end', text, about)]
}

/** Whether somebody keeps a workload out, or nobody can say what was done to it. */
function isAside(facts: HookFacts, workload: SimHookWorkload): boolean {
  const rule = facts.scene.rules[workload.rule]
  const object = objectOfWorkload(facts.world.core.world, workload)
  const { annotations } = object?.metadata ?? {}
  if (workload.kind === 'Job' && rule?.clonesJobs === false) return true
  return annotations?.['longshore.dev/opt-out'] !== undefined || annotations?.['longshore.dev/redeploy-hook'] === '{garbled'
}

interface EndFacts {
  readonly rule: SimHookRule
  readonly newest: TagSpan
  readonly image: string
  readonly uid: string
  readonly hasMark: boolean
}

/** What a workload rightly waits for that does not run the newest push. */
function whyNot(facts: HookFacts, workload: SimHookWorkload, end: EndFacts): string | undefined {
  const { rule, newest, image, uid, hasMark } = end
  const { world, scene } = facts
  const target = nameOfWorkload(workload)
  if (world.isBad(newest.digest)) return 'it can never run'
  // A change that is made once is not made again because somebody took away what tells of it.
  if (facts.hookDeeds.some(([, deed]) => deed.target === target && (deed.deed === 'forget' || deed.deed === 'garble')))
    return 'its record was taken away'
  if (facts.steps.some(({ hook, rule: own }) => own === rule && hook.bad.includes(newest.digest))) return 'it has failed'
  // While it runs already nothing waits for anybody to agree, so that says nothing once somebody has gone back.
  const wentBack = facts.hookDeeds.findLast(([, deed]) => deed.target === target && deed.deed === 'set-image')?.[0] ?? -1
  const isAgreed = facts.agreed.some(
    ([place, one]) => one.target === target && one.uid === uid && one.content === newest.digest && one.isTaken && place > wentBack,
  )
  if (rule.approval && !isAgreed) return 'nobody has agreed to it'
  const acted = lastActed(facts, target, uid)
  if (acted !== undefined) {
    if (acted.hook.content === newest.digest && wasChangedSince(facts, target, acted)) return 'somebody has gone back since'
    const push = world.spans.findLast(
      (span) => span.repository === rule.repository && span.tag === acted.hook.tag && span.digest === acted.hook.content,
    )
    if (push !== undefined && comparePushes(rule.tags, newest, push) <= 0 && push !== newest) return 'something newer was acted on'
  }
  const tag = image.includes('@') ? '' : (image.split(':')[1] ?? '')
  const current = world.spans.findLast(({ repository, tag: name }) => repository === rule.repository && name === tag)
  if (current !== undefined && (!isCounted(rule.tags, tag) || comparePushes(rule.tags, newest, current) < 0)) return 'what runs is newer'
  const isKnown = world.spans.some(
    ({ repository, tag: name, digest, untilMs }) =>
      repository === rule.repository && untilMs === Number.POSITIVE_INFINITY && (name === tag || image.endsWith(`@${digest}`)),
  )
  if (!hasMark && !isKnown) return 'nobody knows how old that is what runs'
  const earlier = scene.workloads.filter((one) => scene.rules[one.rule] === rule && ringOf(rule, one) < ringOf(rule, workload))
  if (earlier.some((one) => blocks(facts, one, newest.digest))) return 'a ring before it does not run it'
  return undefined
}

/** What was set last and not taken back, with nothing after which it starts afresh. */
function lastActed(facts: HookFacts, target: string, uid: string): HookStep | undefined {
  let acted: HookStep[] = []
  for (const step of facts.stepsOn(target, uid)) {
    if (step.hook.kind === 'set') acted = [...acted, step]
    if (step.hook.kind === 'rollback') acted = acted.slice(0, acted.findLastIndex(({ hook }) => hook.content === step.hook.content) + 1)
  }
  const last = acted.at(-1)
  const isForgotten = facts.hookDeeds.some(
    ([place, { target: own, deed }]) => own === target && (deed === 'forget' || deed === 'garble') && place > (last?.place ?? 0),
  )
  return isForgotten ? undefined : last
}

function wasChangedSince(facts: HookFacts, target: string, { place }: HookStep): boolean {
  return facts.hookDeeds.some(([at, deed]) => deed.target === target && deed.deed === 'set-image' && deed.isChanged && at > place)
}

/** Whether a workload of an earlier ring keeps back those after it. */
function blocks(facts: HookFacts, workload: SimHookWorkload, digest: string): boolean {
  const object = objectOfWorkload(facts.world.core.world, workload)
  if (object === undefined) return true
  if (object.metadata.annotations?.['longshore.dev/opt-out'] !== undefined) return false
  if (object.metadata.annotations?.['longshore.dev/redeploy-hook'] === '{garbled') return true
  if (isAside(facts, workload)) return false
  // Of what pods have pulled by themselves nobody has seen that it works.
  const content = textIn(recordOn(object, workload.name).set, 'content')
  const running = facts.world.running(workload)
  return running.length !== 1 || running[0] !== digest || (content !== undefined && content !== digest)
}

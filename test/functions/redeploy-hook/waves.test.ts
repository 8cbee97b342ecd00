import { describe, expect, it } from 'vitest'
import { approvalsWanted, planApproval, planRelease } from '#functions/redeploy-hook/approvals.ts'
import type { Observed } from '#functions/redeploy-hook/plan.ts'
import { nextLook, plan } from '#functions/redeploy-hook/plan.ts'
import type { ReadWorkload, RolloutStatus } from '#functions/redeploy-hook/workload.ts'
import {
  afterPlan,
  applied,
  changeOf,
  complete,
  config,
  container,
  digest,
  failed,
  host,
  imagesOf,
  minute,
  noon,
  observed,
  progressing,
  repository,
  rule,
  tag,
  verdicts,
  webRef,
  withRollout,
  workload,
} from './small-world.ts'

const web = (name: string): string => `${host}/team/web:${name}`
const pushed = [tag('1.0.0', 'a', -120), tag('1.0.1', 'b', -1)]

const rings = [
  { name: 'canary', clusters: ['one'], soak: '10m' },
  { name: 'rest', clusters: ['cls-2', 'cls-3'] },
]
const ringed = config([rule({ targets: [{ kind: 'Deployment', name: 'web' }], rings })])

function inCluster(cluster: string, image: string, more: Partial<ReadWorkload> = {}): ReadWorkload {
  return workload(image, { ref: { ...webRef, cluster }, uid: `uid-${cluster}`, ...more })
}

function three(image = web('1.0.0')): Observed {
  return observed(pushed, [inCluster('cls-1', image), inCluster('cls-2', image), inCluster('cls-3', image)])
}

function withStatus(world: Observed, index: number, rollout: RolloutStatus): Observed {
  return { ...world, workloads: world.workloads.map((one, place) => (place === index ? { ...(one as ReadWorkload), rollout } : one)) }
}

describe('rings', () => {
  it('the second begins when the first has run well for its soak time, and not a moment before', () => {
    const first = afterPlan(three(), ringed, noon)
    expect(verdicts(first.steps)).toEqual(['change newer-push', 'held waits-for-wave', 'held waits-for-wave'])
    expect(first.steps[1]?.after).toBe(web('1.0.1'))
    const settled = afterPlan(withStatus(first.world, 0, complete), ringed, noon + minute)
    expect(verdicts(settled.steps)).toEqual(['change rollout-complete', 'held waits-for-wave', 'held waits-for-wave'])
    const soakedMs = noon + 11 * minute
    expect(verdicts(plan(settled.world, ringed, soakedMs - 1))).toEqual(['no-change already-there', 'held soaking', 'held soaking'])
    expect(nextLook(settled.world, ringed, noon + 2 * minute)).toBe(soakedMs)
    expect(verdicts(plan(settled.world, ringed, soakedMs))).toEqual(['no-change already-there', 'change newer-push', 'change newer-push'])
  })

  it('a ring that is not well at the end of its soak time keeps the next one waiting', () => {
    const first = withStatus(afterPlan(three(), ringed, noon).world, 0, complete)
    const settled = withStatus(afterPlan(first, ringed, noon + minute).world, 0, progressing)
    expect(verdicts(plan(settled, ringed, noon + 30 * minute))).toEqual([
      'no-change already-there',
      'held waits-for-wave',
      'held waits-for-wave',
    ])
  })

  it('a content that was put back in a ring and is then pushed as the newest does not keep the next ring waiting for ever', () => {
    const back = (() => {
      const first = afterPlan(three(), ringed, noon)
      return withStatus(afterPlan(withStatus(first.world, 0, failed), ringed, noon + minute).world, 0, complete)
    })()
    const others = back.workloads.map((one, place) => (place === 0 ? one : inCluster(`cls-${place + 1}`, web('0.9.0'))))
    const again = { ...back, workloads: others, repositories: [repository([tag('0.9.0', 'z', -240), ...pushed, tag('1.0.2', 'a', 5)])] }
    expect(verdicts(plan(again, ringed, noon + 7 * minute))).toEqual(['no-change same-content', 'held soaking', 'held soaking'])
    expect(verdicts(plan(again, ringed, noon + 30 * minute))).toEqual(['no-change same-content', 'change newer-push', 'change newer-push'])
  })

  it('what fails while it soaks is put back, and rolled out nowhere else', () => {
    const first = withStatus(afterPlan(three(), ringed, noon).world, 0, complete)
    const settled = withStatus(afterPlan(first, ringed, noon + minute).world, 0, failed)
    const back = afterPlan(settled, ringed, noon + 5 * minute)
    expect(verdicts(back.steps)).toEqual(['change rollout-failed', 'held waits-for-wave', 'held waits-for-wave'])
    const after = withStatus(back.world, 0, complete)
    expect(verdicts(plan(after, ringed, noon + 60 * minute))).toEqual(['held held-bad-image', 'held held-bad-image', 'held held-bad-image'])
  })

  it('what stops running well after its soak time is nobody’s rollout any more, and is left alone', () => {
    const first = withStatus(afterPlan(three(), ringed, noon).world, 0, complete)
    const settled = withStatus(afterPlan(first, ringed, noon + minute).world, 0, failed)
    expect(verdicts(plan(settled, ringed, noon + 11 * minute - 1))[0]).toBe('change rollout-failed')
    expect(verdicts(plan(settled, ringed, noon + 11 * minute))[0]).toBe('no-change already-there')
    expect(nextLook(settled, ringed, noon + 11 * minute)).toBeUndefined()
  })

  it('what runs already without any doing of ours needs no soak time', () => {
    const ahead = observed(pushed, [
      inCluster('cls-1', web('1.0.1'), { podsSinceMs: noon }),
      inCluster('cls-2', web('1.0.0')),
      inCluster('cls-3', web('1.0.0'), { rollout: progressing }),
    ])
    expect(verdicts(plan(ahead, ringed, noon))).toEqual(['no-change already-there', 'change newer-push', 'change newer-push'])
  })

  it('only the rule’s own targets of earlier rings count', () => {
    const api = rule({ name: 'api', repository: 'team/api', targets: [{ kind: 'Deployment', name: 'api', cluster: 'one' }] })
    const settings = config([rule({ targets: [{ kind: 'Deployment', name: 'web' }], rings }), api])
    const done = observed(pushed, [inCluster('cls-1', web('1.0.1'), { podsSinceMs: noon }), inCluster('cls-2', web('1.0.0'))], {
      repositories: [repository(pushed), repository([tag('1', 'e', -1)], 'team/api')],
    })
    // The workload of the other rule, and the one of the same ring in cls-3, have not been looked at.
    expect(verdicts(plan(done, settings, noon))).toEqual([
      'held workload-unreadable',
      'no-change already-there',
      'change newer-push',
      'held workload-unreadable',
    ])
  })

  it('a Job that is not to be replaced takes no part', () => {
    const targets = [
      { kind: 'Job', name: 'web', cluster: 'one' },
      { kind: 'Deployment', name: 'web', cluster: 'two' },
    ]
    const mixed = config([rule({ targets, rings })])
    const world = observed(pushed, [
      inCluster('cls-1', web('1.0.0'), { ref: { ...webRef, kind: 'Job' } }),
      inCluster('cls-2', web('1.0.0')),
    ])
    expect(verdicts(plan(world, mixed, noon))).toEqual(['skipped job-not-replaced', 'change newer-push'])
  })

  it('a person who rolls the first ring back stops the rest', () => {
    const first = withStatus(afterPlan(three(), ringed, noon).world, 0, complete)
    const settled = afterPlan(first, ringed, noon + minute).world
    const [one, ...others] = settled.workloads as readonly ReadWorkload[]
    const changed = { ...settled, workloads: [{ ...(one as ReadWorkload), containers: [container('app', web('1.0.0'))] }, ...others] }
    expect(verdicts(plan(changed, ringed, noon + 60 * minute))).toEqual([
      'held person-rolled-back',
      'held waits-for-wave',
      'held waits-for-wave',
    ])
  })

  it('one that cannot be read keeps the next waiting, one that is opted out does not', () => {
    const unread = { ref: { ...webRef, cluster: 'cls-1' }, problem: { code: 'cluster-unreadable', text: 'it does not answer' } } as const
    const [, ...others] = three().workloads
    const blind = plan(observed(pushed, [unread, ...others]), ringed, noon)
    expect(verdicts(blind)).toEqual(['held cluster-unreadable', 'held waits-for-wave', 'held waits-for-wave'])
    expect(blind[1]?.reason.text).toContain('it does not answer')
    const out = observed(pushed, [inCluster('cls-1', web('1.0.0'), { optOut: true }), ...others])
    expect(verdicts(plan(out, ringed, noon))).toEqual(['skipped opt-out', 'change newer-push', 'change newer-push'])
  })

  it('a newer push begins with the first ring again', () => {
    const first = withStatus(afterPlan(three(), ringed, noon).world, 0, complete)
    const settled = afterPlan(first, ringed, noon + minute).world
    const newer = { ...settled, repositories: [repository([...pushed, tag('1.0.2', 'c', 2)])] }
    expect(verdicts(plan(newer, ringed, noon + 60 * minute))).toEqual(['change newer-push', 'held waits-for-wave', 'held waits-for-wave'])
  })

  it('a target whose cluster is in no ring is invalid', () => {
    const short = config([
      rule({ targets: [{ kind: 'Deployment', name: 'web', cluster: 'cls-3' }], rings: [{ name: 'a', clusters: ['one'] }] }),
    ])
    expect(verdicts(plan(three(), short, noon))).toEqual(['invalid ring-missing'])
  })
})

describe('at the same time', () => {
  it('no more workloads roll than may, the first ones by name', () => {
    const one = config([rule({ targets: [{ kind: 'Deployment', name: 'web' }], rollout: { maxConcurrent: 1 } })])
    const first = afterPlan(three(), one, noon)
    expect(verdicts(first.steps)).toEqual(['change newer-push', 'held waits-for-turn', 'held waits-for-turn'])
    expect(verdicts(plan(first.world, one, noon + minute))).toEqual(['no-change rolling', 'held waits-for-turn', 'held waits-for-turn'])
    const second = afterPlan(withStatus(first.world, 0, complete), one, noon + 2 * minute)
    expect(verdicts(second.steps)).toEqual(['change rollout-complete', 'held waits-for-turn', 'held waits-for-turn'])
    expect(verdicts(plan(second.world, one, noon + 3 * minute))).toEqual([
      'no-change already-there',
      'change newer-push',
      'held waits-for-turn',
    ])
  })
})

describe('the image that failed in one cluster', () => {
  const everywhere = config([rule({ targets: [{ kind: 'Deployment', name: 'web' }] })])

  it('is not rolled out in the next', () => {
    const [one, ...others] = three().workloads
    const alone = afterPlan({ ...three(), workloads: [one as ReadWorkload] }, everywhere, noon).world
    const back = afterPlan(withRollout(alone, failed), everywhere, noon + minute).world
    const all = { ...back, workloads: [...withRollout(back, complete).workloads, ...others] }
    const steps = plan(all, everywhere, noon + 2 * minute)
    expect(verdicts(steps)).toEqual(['held held-bad-image', 'held held-bad-image', 'held held-bad-image'])
    expect(steps[2]?.reason.text).toContain('cls-1/default/Deployment/web')
  })

  it('is held under another rule of the same repository, by memory alone as well, and gone with a newer push', () => {
    const hold = { repository: 'team/web', content: digest('b'), why: 'it failed in another installation' }
    const world = observed(pushed, [workload(web('1.0.0'))], { holds: [hold] })
    expect(verdicts(plan(world, config(), noon))).toEqual(['held held-bad-image'])
    expect(verdicts(plan({ ...world, holds: [{ ...hold, repository: 'team/other' }] }, config(), noon))).toEqual(['change newer-push'])
    const newer = { ...world, repositories: [repository([...pushed, tag('1.0.2', 'c', 0)])] }
    expect(verdicts(plan(newer, config(), noon))).toEqual(['change newer-push'])
  })

  it('is left where it runs well', () => {
    const hold = { repository: 'team/web', content: digest('b'), why: 'it failed elsewhere' }
    const run = workload(web('1.0.1'), { podsSinceMs: noon })
    expect(verdicts(plan(observed(pushed, [run], { holds: [hold] }), config(), noon))).toEqual(['no-change already-there'])
    const begun = afterPlan(observed(pushed, [workload(web('1.0.0'))]), config(), noon).world
    const done = afterPlan(withRollout(begun, complete), config(), noon + minute).world
    expect(verdicts(plan({ ...done, holds: [hold] }, config(), noon + 2 * minute))).toEqual(['no-change already-there'])
  })

  it('is tried again when it is released, also where it was rolled back', () => {
    const rolling = afterPlan(observed(pushed, [workload(web('1.0.0'))]), config(), noon).world
    const back = withRollout(afterPlan(withRollout(rolling, failed), config(), noon + minute).world, complete)
    const release = planRelease(back.workloads, 'team/web', digest('b'))
    expect(verdicts(release)).toEqual(['change release'])
    const change = changeOf(release[0])
    if (change?.kind !== 'release') throw new Error('there is nothing to release')
    const free = { ...back, workloads: [applied(back.workloads[0] as ReadWorkload, change, 'release-1', noon + 2 * minute)] }
    const again = afterPlan(free, config(), noon + 3 * minute)
    expect(verdicts(again.steps)).toEqual(['change released'])
    const lost = afterPlan(withRollout(again.world, failed), config(), noon + 4 * minute).world
    expect(verdicts(plan(withRollout(lost, complete), config(), noon + 5 * minute))).toEqual(['held held-bad-image'])
    expect(imagesOf(again.world)).toEqual({ app: web('1.0.1') })
    expect(verdicts(planRelease(free.workloads, 'team/web', digest('b')))).toEqual(['skipped nothing-held'])
  })

  it('and still runs, because it must not be put back, is watched again when it is released', () => {
    const kept = config([rule({ rollout: { rollback: false } })])
    const rolling = afterPlan(observed(pushed, [workload(web('1.0.0'))]), kept, noon).world
    const lost = afterPlan(withRollout(rolling, failed), kept, noon + minute).world
    const change = changeOf(planRelease(lost.workloads, 'team/web', digest('b'))[0])
    if (change?.kind !== 'release') throw new Error('there is nothing to release')
    const free = { ...lost, workloads: [applied(lost.workloads[0] as ReadWorkload, change, 'release-1', noon + 60 * minute)] }
    expect(verdicts(plan(withRollout(free, progressing), kept, noon + 61 * minute))).toEqual(['no-change rolling'])
    expect(verdicts(plan(withRollout(free, complete), kept, noon + 61 * minute))).toEqual(['change rollout-complete'])
    expect(verdicts(plan(withRollout(free, failed), kept, noon + 61 * minute))).toEqual(['change rollout-failed'])
  })
})

describe('an approval', () => {
  const asked = config([rule({ approval: true })])
  const world = (): Observed => observed(pushed, [workload(web('1.0.0'))])

  it('is waited for, and names what has to be agreed to', () => {
    const steps = plan(world(), asked, noon)
    expect(verdicts(steps)).toEqual(['held needs-approval'])
    expect(steps[0]?.reason.text).toContain('team/web:1.0.1 (sha256:bbbbbbbbbbbb…)')
    expect(steps[0]?.reason.text).toContain('longshore approve cls-1/default/Deployment/web --by NAME')
    expect(approvalsWanted(world(), asked)).toMatchObject([
      { container: 'app', rule: 'web', repository: 'team/web', tag: '1.0.1', content: digest('b'), workload: { uid: 'uid-web' } },
    ])
  })

  it('lets the content go, and of v1.2 does not ship other bits that are pushed as v1.2 again', () => {
    const [step] = planApproval(world(), asked, { repository: 'team/web', content: digest('b'), by: 'ann' })
    const change = changeOf(step)
    if (change?.kind !== 'approve') throw new Error('there is nothing to approve')
    const agreed = { ...world(), workloads: [applied(workload(web('1.0.0')), change, 'approve-1', noon)] }
    expect(verdicts(plan(agreed, asked, noon + minute))).toEqual(['change newer-push'])
    const other = { ...agreed, repositories: [repository([tag('1.0.0', 'a', -120), tag('1.0.1', 'e', 1)])] }
    expect(verdicts(plan(other, asked, noon + 2 * minute))).toEqual(['held needs-approval'])
    const stale = planApproval(other, asked, { repository: 'team/web', content: digest('b'), by: 'ann' })
    expect(verdicts(stale)).toEqual(['skipped approval-outdated'])
  })

  it('is not lost while registry or workload cannot be read: that is no reason to say that nothing waits', () => {
    const wish = { repository: 'team/web', content: digest('b'), by: 'ann', container: 'app', uid: 'uid-web' }
    const unread = { ...world(), repositories: [{ ...repository([]), problem: 'it is away' }] }
    expect(verdicts(planApproval(unread, asked, wish))).toEqual(['held registry-unreadable'])
    const problem = { code: 'cluster-unreadable', text: 'it is away' } as const
    const blind = { ...world(), workloads: [{ ref: webRef, problem }] }
    expect(verdicts(planApproval(blind, asked, wish))).toEqual(['held cluster-unreadable'])
  })

  it('by a link is for one container of one very workload', () => {
    const wish = { repository: 'team/web', content: digest('b'), by: 'ann', container: 'app' }
    expect(verdicts(planApproval(world(), asked, { ...wish, uid: 'uid-web' }))).toEqual(['change approved'])
    expect(verdicts(planApproval(world(), asked, { ...wish, uid: 'uid-other' }))).toEqual(['skipped approval-outdated'])
    expect(verdicts(planApproval(world(), asked, { ...wish, container: 'side' }))).toEqual(['skipped approval-outdated'])
  })

  it('does not take the place of a hold, a wave or a rollout that is on its way', () => {
    const hold = { repository: 'team/web', content: digest('b'), why: 'it failed' }
    expect(verdicts(plan({ ...world(), holds: [hold] }, asked, noon))).toEqual(['held held-bad-image'])
    const rolling = afterPlan(world(), config(), noon).world
    const newer = { ...rolling, repositories: [repository([...pushed, tag('1.0.2', 'c', 1)])] }
    expect(verdicts(plan(withRollout(newer, failed), asked, noon + 2 * minute))).toEqual(['change rollout-failed'])
    const [step] = plan(newer, asked, noon + 2 * minute)
    expect(step).toMatchObject({ verdict: 'held', reason: { code: 'needs-approval' } })
    expect(step?.reason.text).toContain('1 of 2 pods')
  })
})

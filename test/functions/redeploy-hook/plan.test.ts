import { describe, expect, it } from 'vitest'
import { RedeployChange } from '#functions/redeploy-hook/change.ts'
import { nextLook, plan, unknownContents } from '#functions/redeploy-hook/plan.ts'
import { contentAnnotation, parseRecord, recordAnnotation, recordFor } from '#functions/redeploy-hook/record.ts'
import type { ReadWorkload } from '#functions/redeploy-hook/workload.ts'
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

describe('a push', () => {
  it('becomes one change of the workload, with its record, what ran before, and a way to take it back', () => {
    const [step, ...others] = plan(observed(pushed, [workload(web('1.0.0'))]), config(), noon)
    expect(others).toEqual([])
    expect(step).toMatchObject({
      target: 'cls-1/default/Deployment/web',
      verdict: 'change',
      reason: { code: 'newer-push' },
      before: web('1.0.0'),
      after: web('1.0.1'),
      change: {
        kind: 'set-images',
        uid: 'uid-web',
        recordText: null,
        containers: [
          {
            name: 'app',
            from: web('1.0.0'),
            to: web('1.0.1'),
            content: digest('b'),
            pushedMs: noon - minute,
            previous: { image: web('1.0.0'), content: digest('a') },
            rule: 'web',
            restart: false,
          },
        ],
      },
      undo: {
        kind: 'rollback',
        cause: 'undo',
        undoes: step?.key,
        containers: [{ from: web('1.0.1'), to: web('1.0.0'), content: digest('a') }],
      },
    })
    expect(RedeployChange.parse(JSON.parse(JSON.stringify(changeOf(step))))).toEqual(changeOf(step))
  })

  it('is the same step when it is planned again later, and another one once something of ours was written', () => {
    const world = observed(pushed, [workload(web('1.0.0'))])
    const first = plan(world, config(), noon)
    expect(plan(world, config(), noon + 5 * minute)).toEqual(first)
    const written = afterPlan(world, config(), noon).world
    const back = { ...written, repositories: [repository([...pushed, tag('1.0.2', 'c', 5)])] }
    expect(plan(back, config(), noon + 6 * minute)[0]?.key).not.toBe(first[0]?.key)
  })

  it('that was deployed and runs is settled once and then left alone', () => {
    const begun = afterPlan(observed(pushed, [workload(web('1.0.0'))]), config(), noon).world
    expect(verdicts(plan(begun, config(), noon + minute))).toEqual(['no-change rolling'])
    const settled = afterPlan(withRollout(begun, complete), config(), noon + 2 * minute)
    expect(verdicts(settled.steps)).toEqual(['change rollout-complete'])
    expect(verdicts(plan(settled.world, config(), noon + 3 * minute))).toEqual(['no-change already-there'])
    const one = settled.world.workloads[0] as ReadWorkload
    expect(recordFor(one.record, 'app').set).toMatchObject({ state: 'done', doneMs: noon + 2 * minute, image: web('1.0.1') })
  })

  it('under another tag of the same content rolls nothing out', () => {
    const tags = [tag('1.0.1', 'b', -10), tag('stable', 'b', -1)]
    const run = workload(web('1.0.1'), { containers: [container('app', web('1.0.1'), { running: [digest('b')] })] })
    expect(verdicts(plan(observed(tags, [run]), config(), noon))).toEqual(['no-change same-content'])
  })

  it('of two tags at once deploys the version and says nothing of a tie when they are the same content', () => {
    const tags = [tag('0.9', 'a', -90), tag('latest', 'b', -1), tag('1.0.1', 'b', -1)]
    const [step] = plan(observed(tags, [workload(web('0.9'))]), config(), noon)
    expect(step?.after).toBe(web('1.0.1'))
    expect(step?.reason.text).not.toContain('same time')
  })

  it('of two contents at the same time is decided by name, and that is said', () => {
    const tags = [tag('0.9', 'a', -90), tag('1.0.2', 'c', -1), tag('1.0.1', 'b', -1)]
    const [step] = plan(observed(tags, [workload(web('0.9'))]), config(), noon)
    expect(step?.after).toBe(web('1.0.2'))
    expect(step?.reason.text).toContain('1.0.1 was pushed at the same time with other content')
  })

  it('to a digest pins the digest, and without one says why it cannot', () => {
    const pinned = config([rule({ pin: 'digest' })])
    const [step] = plan(observed(pushed, [workload(web('1.0.0'))]), pinned, noon)
    expect(step?.after).toBe(`${host}/team/web@${digest('b')}`)
    const opaque = [tag('1.0.0', 'a', -120), tag('1.0.1', 'b', -1, { isDigest: false })]
    expect(verdicts(plan(observed(opaque, [workload(web('1.0.0'))]), pinned, noon))).toEqual(['invalid content-is-no-digest'])
  })

  it('keeps the host that the workload pulls by, where it is one of the registry', () => {
    const two = config([rule()], { hosts: ['registry.example.com', host] })
    expect(plan(observed(pushed, [workload(web('1.0.0'))]), two, noon)[0]?.after).toBe(web('1.0.1'))
  })

  it('is for the same host however its case is written', () => {
    const upper = config([rule()], { hosts: ['CCR.ccs.tencentyun.com'] })
    expect(plan(observed(pushed, [workload(web('1.0.0'))]), upper, noon)[0]?.after).toBe(web('1.0.1'))
  })

  it('reaches all containers of a workload in one step', () => {
    const rules = [
      rule({ targets: [{ kind: 'Deployment', name: 'web', cluster: 'cls-1', container: 'app' }] }),
      rule({ name: 'side', repository: 'team/side', targets: [{ kind: 'Deployment', name: 'web', cluster: 'one', container: 'side' }] }),
    ]
    const pod = workload(web('1.0.0'), {
      containers: [container('app', web('1.0.0')), container('side', `${host}/team/side:1`, { index: 1 })],
    })
    const world = observed(pushed, [pod], {
      repositories: [repository(pushed), repository([tag('1', 'e', -90), tag('2', 'f', -1)], 'team/side')],
    })
    const steps = plan(world, config(rules), noon)
    expect(steps).toHaveLength(1)
    expect(steps[0]?.after).toBe(`app: ${web('1.0.1')}, side: ${host}/team/side:2`)
  })
})

describe('order', () => {
  it('an older push that arrives late does not downgrade', () => {
    const run = workload(web('1.0.1'), { podsSinceMs: noon - minute })
    const tags = [tag('1.0.1', 'b', -5), tag('1.0.0', 'a', -120)]
    const late = { source: 'registry', repository: 'team/web', tag: '1.0.0', digest: digest('a'), pushedMs: noon }
    const steps = plan(observed(tags, [run], { hints: [late] }), config(), noon)
    expect(verdicts(steps)).toEqual(['no-change already-there', 'skipped not-newest'])
  })

  it('a newer tag that is deleted does not bring the older one back', () => {
    const world = afterPlan(observed(pushed, [workload(web('1.0.0'))]), config(), noon).world
    const gone = { ...withRollout(world, complete), repositories: [repository([tag('1.0.0', 'a', -120)])] }
    const settled = afterPlan(gone, config(), noon + minute).world
    expect(verdicts(plan(settled, config(), noon + 2 * minute))).toEqual(['skipped older-push'])
  })

  it('a higher version counts for a range, whenever it was pushed; a re-push of the same version counts, too', () => {
    const ranged = config([rule({ tags: { semver: '^1.0.0' } })])
    const tags = [tag('1.2.0', 'b', -60), tag('1.1.9', 'c', -1), tag('2.0.0', 'd', 0)]
    expect(plan(observed(tags, [workload(web('1.1.0'))]), ranged, noon)[0]?.after).toBe(web('1.2.0'))
    const world = withRollout(afterPlan(observed(tags, [workload(web('1.1.0'))]), ranged, noon).world, complete)
    const settled = afterPlan(world, ranged, noon).world
    const again = { ...settled, repositories: [repository([tag('1.2.0', 'e', 5), tag('1.1.9', 'c', -1)])] }
    const [step] = plan(again, ranged, noon + 6 * minute)
    expect(changeOf(step)).toMatchObject({ kind: 'set-images', containers: [{ restart: true, content: digest('e') }] })
  })

  it('times that nobody knows are older than all known ones, and decide nothing among themselves', () => {
    const unknown = [tag('aaa', 'a', undefined), tag('bbb', 'b', undefined)]
    expect(verdicts(plan(observed(unknown, [workload(web('aaa'))]), config(), noon))).toEqual(['no-change push-time-unknown'])
    const first = [...unknown, tag('abc', 'c', -1)]
    expect(plan(observed(first, [workload(web('bbb'))]), config(), noon)[0]?.after).toBe(web('abc'))
  })

  it('an image that is not in the registry any more is replaced only where somebody said so', () => {
    const world = observed(pushed, [workload(web('0.1-gone'))])
    expect(verdicts(plan(world, config(), noon))).toEqual(['held running-image-unknown'])
    expect(verdicts(plan(world, config([rule({ adopt: true })]), noon))).toEqual(['change newer-push'])
  })

  it('an image of another repository is replaced only where somebody said so', () => {
    const world = observed(pushed, [workload('nginx:1')])
    expect(verdicts(plan(world, config(), noon))).toEqual(['held other-repository'])
    expect(plan(world, config([rule({ adopt: true })]), noon)[0]?.after).toBe(web('1.0.1'))
  })
})

describe('a person', () => {
  const deployed = (): ReturnType<typeof observed> => {
    const begun = afterPlan(observed(pushed, [workload(web('1.0.0'))]), config(), noon).world
    return afterPlan(withRollout(begun, complete), config(), noon + minute).world
  }

  it('who rolls back keeps what he put there until something newer is pushed', () => {
    const world = deployed()
    const back = { ...world, workloads: [{ ...(world.workloads[0] as ReadWorkload), containers: [container('app', web('1.0.0'))] }] }
    expect(verdicts(plan(back, config(), noon + 2 * minute))).toEqual(['held person-rolled-back'])
    const newer = { ...back, repositories: [repository([...pushed, tag('1.0.2', 'c', 3)])] }
    expect(plan(newer, config(), noon + 4 * minute)[0]?.after).toBe(web('1.0.2'))
  })

  it('who rolls back is not overruled by another tag of the same content', () => {
    const world = deployed()
    const back = { ...world, workloads: [{ ...(world.workloads[0] as ReadWorkload), containers: [container('app', web('1.0.0'))] }] }
    const again = { ...back, repositories: [repository([...pushed, tag('stable', 'b', 3)])] }
    expect(verdicts(plan(again, config(), noon + 4 * minute))).toEqual(['held person-rolled-back'])
  })

  it('who sets something newer by hand is not taken back to what the rule counts', () => {
    const ruled = config([rule({ tags: { list: ['1.0.0', '1.0.1'] } })])
    const tags = [...pushed, tag('2.0-test', 'd', 5)]
    const world = afterPlan(
      withRollout(afterPlan(observed(tags, [workload(web('1.0.0'))]), ruled, noon).world, complete),
      ruled,
      noon,
    ).world
    const ahead = { ...world, workloads: [{ ...(world.workloads[0] as ReadWorkload), containers: [container('app', web('2.0-test'))] }] }
    expect(verdicts(plan(ahead, ruled, noon + 9 * minute))).toEqual(['held person-rolled-back'])
  })

  it('who takes a change back has it stay back until something newer is pushed or it is released', () => {
    const before = observed(pushed, [workload(web('1.0.0'))])
    const [step] = plan(before, config(), noon)
    const begun = afterPlan(before, config(), noon).world
    if (step?.verdict !== 'change' || step.undo?.kind !== 'rollback') throw new Error('there is no undo')
    const undone = applied(begun.workloads[0] as ReadWorkload, step.undo, 'undo-1', noon + minute)
    expect(imagesOf(observed(pushed, [undone]))).toEqual({ app: web('1.0.0') })
    expect(verdicts(plan(observed(pushed, [undone]), config(), noon + 2 * minute))).toEqual(['held undone'])
    const newer = [...pushed, tag('1.0.2', 'c', 3)]
    expect(plan(observed(newer, [undone]), config(), noon + 4 * minute)[0]?.after).toBe(web('1.0.2'))
  })

  it('who opts a workload out is left alone, even in the middle of a rollout', () => {
    const begun = afterPlan(observed(pushed, [workload(web('1.0.0'))]), config(), noon).world
    const out = { ...begun, workloads: begun.workloads.map((one) => ({ ...(one as ReadWorkload), optOut: true, rollout: failed })) }
    expect(verdicts(plan(out, config(), noon + minute))).toEqual(['skipped opt-out'])
  })

  it('whose record cannot be read is told which annotation to repair', () => {
    const [step] = plan(observed(pushed, [workload(web('1.0.0'), { record: parseRecord('{"app":') })]), config(), noon)
    expect(step).toMatchObject({ verdict: 'held', reason: { code: 'record-unreadable' } })
    expect(step?.reason.text).toContain(recordAnnotation)
  })
})

describe('a tag that is pushed again', () => {
  const latest = config([rule({ tags: { list: ['latest'] } })])
  const deployed = (): ReturnType<typeof observed> => {
    const old = observed([tag('latest', 'a', -120)], [workload(web('old'), {})], {})
    const tags = [tag('old', '9', -200), tag('latest', 'a', -120)]
    const begun = afterPlan({ ...old, repositories: [repository(tags)] }, latest, noon).world
    return afterPlan(withRollout(begun, complete), latest, noon + minute).world
  }
  const again = [tag('old', '9', -200), tag('latest', 'b', 5)]

  it('replaces the pods though the image is written in the same way', () => {
    const [step] = plan({ ...deployed(), repositories: [repository(again)] }, latest, noon + 6 * minute)
    expect(changeOf(step)).toMatchObject({ containers: [{ from: web('latest'), to: web('latest'), restart: true, content: digest('b') }] })
    expect(contentAnnotation('app')).toBe('longshore.dev/content.app')
    expect(contentAnnotation('a'.repeat(63)).split('/')[1]?.length).toBeLessThanOrEqual(63)
  })

  it('is held before the change where nodes would go on with the old content, unless it is pinned or the rule says so', () => {
    const world = deployed()
    const cached = world.workloads.map((one) => ({
      ...(one as ReadWorkload),
      containers: [container('app', web('latest'), { pullPolicy: 'IfNotPresent' })],
    }))
    const held = { ...world, workloads: cached, repositories: [repository(again)] }
    expect(verdicts(plan(held, latest, noon + 6 * minute))).toEqual(['held pull-policy-if-not-present'])
    const rolled = config([rule({ tags: { list: ['latest'] }, ifNotPresent: 'roll' })])
    expect(verdicts(plan(held, rolled, noon + 6 * minute))).toEqual(['change newer-push'])
    const pinned = config([rule({ tags: { list: ['latest'] }, pin: 'digest' })])
    expect(plan(held, pinned, noon + 6 * minute)[0]?.after).toBe(`${host}/team/web@${digest('b')}`)
  })

  it('is rolled back to the digest that ran, because the tag stands for something else', () => {
    const begun = afterPlan({ ...deployed(), repositories: [repository(again)] }, latest, noon + 6 * minute).world
    const [step] = plan(withRollout(begun, failed), latest, noon + 7 * minute)
    expect(step).toMatchObject({ verdict: 'change', reason: { code: 'rollout-failed' }, after: `${host}/team/web@${digest('a')}` })
  })

  it('replaces the pods that still run its earlier content behind a rollout of another tag that is stuck', () => {
    const edge = config([rule({ tags: { list: ['edge', 'build'] } })])
    const before = observed([tag('edge', 'a', -120), tag('build', 'b', -1)], [workload(web('edge'))])
    const stuck = withRollout(afterPlan(before, edge, noon).world, progressing)
    expect(Object.values(imagesOf(stuck))).toEqual([web('build')])
    const again = { ...stuck, repositories: [repository([tag('edge', 'c', 1), tag('build', 'b', -1)])] }
    const [step] = plan(again, edge, noon + 2 * minute)
    expect(changeOf(step)).toMatchObject({ containers: [{ to: web('edge'), content: digest('c'), restart: true }] })
  })

  it('without digests stays where it failed, held, because there is no way back', () => {
    const opaque = config([rule({ tags: { list: ['latest'] } })], { contentIds: 'opaque' })
    const begun = afterPlan({ ...deployed(), repositories: [repository(again)] }, opaque, noon + 6 * minute).world
    const lost = afterPlan(withRollout(begun, failed), opaque, noon + 7 * minute)
    expect(changeOf(lost.steps[0])).toMatchObject({ kind: 'settle-record', containers: [{ state: 'failed' }] })
    expect(lost.steps[0]?.reason.text).toContain('no way back')
    expect(verdicts(plan(lost.world, opaque, noon + 8 * minute))).toEqual(['held held-bad-image'])
  })

  it('without a record is left alone when its pods are younger than the push, or report that they run it', () => {
    const tags = [tag('latest', 'b', -30)]
    const old = workload(web('latest'), { podsSinceMs: noon - 10 * minute })
    expect(verdicts(plan(observed(tags, [old]), latest, noon))).toEqual(['no-change already-there'])
    const asked = workload(web('latest'), { containers: [container('app', web('latest'), { running: [digest('b')] })] })
    expect(verdicts(plan(observed(tags, [asked]), latest, noon))).toEqual(['no-change already-there'])
    const stale = workload(web('latest'), { containers: [container('app', web('latest'), { running: [digest('a')] })] })
    expect(changeOf(plan(observed(tags, [stale]), latest, noon)[0])).toMatchObject({
      containers: [{ restart: true, previous: { content: digest('a') } }],
    })
  })

  it('without a record asks the pods, and rolls out where they cannot be asked', () => {
    const world = observed([tag('latest', 'b', -30)], [workload(web('latest'))])
    expect(unknownContents(world, latest)).toEqual([webRef])
    expect(verdicts(plan(world, latest, noon))).toEqual(['change newer-push'])
    expect(unknownContents(observed(pushed, [workload(web('1.0.0'))]), config())).toEqual([])
    const moved = [tag('latest', 'b', -30), tag('1.0.1', 'c', -1)]
    expect(unknownContents(observed(moved, [workload(web('latest'))]), config())).toEqual([webRef])
    const older = config([rule({ tags: { list: ['0.9'] } })])
    expect(unknownContents(observed([...moved, tag('0.9', 'd', -50)], [workload(web('latest'))]), older)).toEqual([])
  })
})

describe('an image that is pinned to a digest', () => {
  const pinned = (letter: string): string => `${host}/team/web@${digest(letter)}`

  it('is what its digest says, whatever tag stands for it', () => {
    expect(verdicts(plan(observed(pushed, [workload(pinned('b'))]), config(), noon))).toEqual(['no-change already-there'])
    const [step] = plan(observed(pushed, [workload(pinned('a'))]), config(), noon)
    expect(step).toMatchObject({
      after: web('1.0.1'),
      change: { containers: [{ previous: { image: pinned('a'), content: digest('a') } }] },
    })
  })

  it('by a person to something newer than the rule counts is not taken back', () => {
    const listed = config([rule({ tags: { list: ['1.0.0', '1.0.1'] } })])
    const tags = [tag('old', 'd', -300), ...pushed, tag('test', 'd', 5)]
    expect(verdicts(plan(observed(tags, [workload(pinned('d'))]), listed, noon + 9 * minute))).toEqual(['skipped older-push'])
  })

  it('to what the registry does not show is replaced only where somebody said so', () => {
    expect(verdicts(plan(observed(pushed, [workload(pinned('e'))]), config(), noon))).toEqual(['held running-image-unknown'])
  })
})

describe('a tag that moved before anybody recorded anything', () => {
  const ranged = config([rule({ tags: { list: ['1.0.0', '1.0.1'] } })])

  it('is followed to what it stands for now, under the tag that the rule counts', () => {
    const tags = [...pushed, tag('latest', 'b', 0)]
    const run = (running: readonly string[]) => workload(web('latest'), { containers: [container('app', web('latest'), { running })] })
    expect(plan(observed(tags, [workload(web('latest'))]), ranged, noon)[0]?.after).toBe(web('1.0.1'))
    expect(plan(observed(tags, [run([digest('a')])]), ranged, noon)[0]?.after).toBe(web('1.0.1'))
    expect(verdicts(plan(observed(tags, [run([digest('b')])]), ranged, noon))).toEqual(['no-change same-content'])
    expect(plan(observed(tags, [run([digest('a'), digest('b')])]), ranged, noon)[0]?.after).toBe(web('1.0.1'))
  })

  it('to something that the rule does not count is not taken back', () => {
    const tags = [...pushed, tag('latest', 'd', 0)]
    expect(verdicts(plan(observed(tags, [workload(web('latest'))]), ranged, noon))).toEqual(['skipped older-push'])
  })

  it('is known by the mark on the template, if there is one', () => {
    const marked = workload(web('1.0.1'), { containers: [container('app', web('1.0.1'), { contentMark: digest('b') })] })
    expect(verdicts(plan(observed(pushed, [marked]), config(), noon))).toEqual(['no-change already-there'])
  })

  it('at the very moment when its pods came to be is what they run', () => {
    expect(verdicts(plan(observed(pushed, [workload(web('1.0.1'), { podsSinceMs: noon - minute })]), config(), noon))).toEqual([
      'no-change already-there',
    ])
  })

  it('of an id that pods do not report is rolled out', () => {
    const opaque = [tag('1.0.1', 'b', -1, { isDigest: false })]
    const run = workload(web('1.0.1'), { containers: [container('app', web('1.0.1'), { running: [digest('b')] })] })
    expect(verdicts(plan(observed(opaque, [run]), config(), noon))).toEqual(['change newer-push'])
    expect(unknownContents(observed(opaque, [workload(web('1.0.1'))]), config())).toEqual([])
  })
})

describe('a rollout', () => {
  const begun = (settings = config()): ReturnType<typeof observed> =>
    afterPlan(observed(pushed, [workload(web('1.0.0'))]), settings, noon).world

  it('that fails is rolled back, held for all, and tried again only when it is released', () => {
    const back = afterPlan(withRollout(begun(), failed), config(), noon + minute)
    expect(back.steps[0]).toMatchObject({
      verdict: 'change',
      before: web('1.0.1'),
      after: web('1.0.0'),
      reason: { code: 'rollout-failed' },
    })
    const settled = withRollout(back.world, complete)
    expect(verdicts(plan(settled, config(), noon + 2 * minute))).toEqual(['held held-bad-image'])
    const [held] = plan(settled, config(), noon + 2 * minute)
    expect(held?.reason.text).toContain('ImagePullBackOff')
    expect(held?.reason.text).toContain('longshore redeploy release team/web@sha256:bbbbbbbbbbbb')
  })

  it('that failed and is gone from the registry gives way to the newest that is left, if that is newer than what runs', () => {
    for (const tags of [{ all: true }, { semver: '*' }]) {
      const ruled = config([rule({ tags })])
      const three = [tag('1.0.0', 'a', -120), tag('1.0.1', 'c', -30), tag('1.1.0', 'b', -1)]
      const rolling = afterPlan(observed(three, [workload(web('1.0.0'))]), ruled, noon).world
      const back = withRollout(afterPlan(withRollout(rolling, failed), ruled, noon + minute).world, complete)
      expect(verdicts(plan(back, ruled, noon + 2 * minute))).toEqual(['held held-bad-image'])
      const without = { ...back, repositories: [repository(three.slice(0, 2))] }
      expect(plan(without, ruled, noon + 2 * minute)[0]).toMatchObject({ verdict: 'change', after: web('1.0.1') })
      const alone = { ...back, repositories: [repository(three.slice(0, 1))] }
      expect(verdicts(plan(alone, ruled, noon + 2 * minute))).toEqual(['no-change already-there'])
    }
  })

  it('that passes its deadline is rolled back, and at the last moment before it not yet', () => {
    const late = noon + 10 * minute
    expect(verdicts(plan(begun(), config(), late - 1))).toEqual(['no-change rolling'])
    expect(verdicts(plan(begun(), config(), late))).toEqual(['change deadline-passed'])
  })

  it('that fails is left alone when somebody has changed the image meanwhile', () => {
    const world = begun()
    const changed = {
      ...world,
      workloads: [{ ...(world.workloads[0] as ReadWorkload), rollout: failed, containers: [container('app', web('1.0.0'))] }],
    }
    expect(verdicts(plan(changed, config(), noon + minute))).toEqual(['held person-rolled-back'])
  })

  it('that is overtaken by a newer push goes on to it, and its way back is what ran before both', () => {
    const newer = { ...begun(), repositories: [repository([...pushed, tag('1.0.2', 'c', 1)])] }
    const [step] = plan(newer, config(), noon + 2 * minute)
    expect(changeOf(step)).toMatchObject({ kind: 'set-images', containers: [{ to: web('1.0.2'), previous: { image: web('1.0.0') } }] })
  })

  it('that has failed and is overtaken goes on, and what failed is held', () => {
    const newer = { ...withRollout(begun(), failed), repositories: [repository([...pushed, tag('1.0.2', 'c', 1)])] }
    const next = afterPlan(newer, config(), noon + 2 * minute)
    expect(changeOf(next.steps[0])).toMatchObject({ containers: [{ to: web('1.0.2'), bad: { content: digest('b') } }] })
    const record = recordFor((next.world.workloads[0] as ReadWorkload).record, 'app')
    expect(record.bad).toMatchObject([{ content: digest('b'), repository: 'team/web' }])
  })

  it('of one container that failed is put back before another container gets something newer', () => {
    const rules = [
      rule({ targets: [{ kind: 'Deployment', name: 'web', cluster: 'cls-1', container: 'app' }] }),
      rule({ name: 'side', repository: 'team/side', targets: [{ kind: 'Deployment', name: 'web', cluster: 'one', container: 'side' }] }),
    ]
    const side = [tag('1', 'e', -90)]
    const pod = workload(web('1.0.0'), {
      containers: [container('app', web('1.0.0')), container('side', `${host}/team/side:1`, { index: 1 })],
    })
    const first = observed(pushed, [pod], { repositories: [repository(pushed), repository(side, 'team/side')] })
    const rolling = withRollout(afterPlan(first, config(rules), noon).world, failed)
    const newer = { ...rolling, repositories: [repository(pushed), repository([...side, tag('2', 'f', 1)], 'team/side')] }
    const [step] = plan(newer, config(rules), noon + 2 * minute)
    expect(changeOf(step)).toMatchObject({ kind: 'rollback', containers: [{ name: 'app', to: web('1.0.0') }] })
  })

  it('after one that failed and stayed goes back to what ran before both', () => {
    const kept = config([rule({ rollout: { rollback: false } })])
    const lost = afterPlan(withRollout(begun(kept), failed), kept, noon + minute).world
    const newer = { ...lost, repositories: [repository([...pushed, tag('1.0.2', 'c', 2)])] }
    expect(changeOf(plan(newer, config(), noon + 3 * minute)[0])).toMatchObject({
      containers: [{ from: web('1.0.1'), to: web('1.0.2'), previous: { image: web('1.0.0'), content: digest('a') } }],
    })
  })

  it('that must not be rolled back stays where it is, and is held', () => {
    const kept = config([rule({ rollout: { rollback: false } })])
    const lost = afterPlan(withRollout(begun(kept), failed), kept, noon + minute)
    expect(changeOf(lost.steps[0])).toMatchObject({
      kind: 'settle-record',
      containers: [{ state: 'failed', bad: { content: digest('b') } }],
    })
    expect(imagesOf(lost.world)).toEqual({ app: web('1.0.1') })
    expect(verdicts(plan(lost.world, kept, noon + 2 * minute))).toEqual(['held held-bad-image'])
  })

  it('does not go back to a tag that stands for what has just failed', () => {
    const tags = [tag('latest', 'a', -120), tag('1.0.0', 'a', -120)]
    const world = observed(tags, [workload(web('latest'))])
    const both = [tag('latest', 'b', -1), tag('1.0.1', 'b', -1), tag('1.0.0', 'a', -120)]
    const asked = {
      ...world,
      repositories: [repository(both)],
      workloads: [workload(web('latest'), { containers: [container('app', web('latest'), { running: [digest('a')] })] })],
    }
    const rolling = afterPlan(asked, config(), noon).world
    expect(imagesOf(rolling)).toEqual({ app: web('1.0.1') })
    const [step] = plan(withRollout(rolling, failed), config(), noon + minute)
    expect(step?.after).toBe(`${host}/team/web@${digest('a')}`)
  })

  it('that does not recover after it was put back is told as that', () => {
    const back = afterPlan(withRollout(begun(), failed), config(), noon + minute).world
    expect(verdicts(plan(withRollout(back, failed), config(), noon + 2 * minute))).toEqual(['held rollback-failed'])
  })

  it('with the strategy OnDelete is reported, not claimed', () => {
    const onDelete = workload(web('1.0.0'), { updateStrategy: 'OnDelete' })
    const world = observed(pushed, [onDelete])
    expect(plan(world, config(), noon)[0]?.reason.text).toContain('OnDelete')
    expect(plan(observed(pushed, [workload(web('1.0.0'))]), config(), noon)[0]?.reason.text).not.toContain('OnDelete')
    const rolling = withRollout(afterPlan(world, config(), noon).world, {
      kind: 'not-watched',
      code: 'on-delete',
      text: 'its strategy is OnDelete',
    })
    expect(verdicts(plan(rolling, config(), noon + 60 * minute))).toEqual(['held on-delete-not-rolled'])
  })

  it('is looked at again soon, at its deadline at the latest, and not at all when there is none', () => {
    expect(nextLook(begun(), config(), noon + minute)).toBe(noon + minute + 10_000)
    expect(nextLook(begun(), config(), noon + 10 * minute - 1)).toBe(noon + 10 * minute)
    expect(nextLook(observed(pushed, [workload(web('1.0.0'))]), config(), noon)).toBeUndefined()
  })

  it('goes on though the registry cannot be read meanwhile', () => {
    const unreadable = { ...begun(), repositories: [{ name: 'team/web', tags: [], problem: 'it does not answer' }] }
    expect(verdicts(plan(withRollout(unreadable, complete), config(), noon + minute))).toEqual(['change rollout-complete'])
    expect(verdicts(plan(withRollout(unreadable, failed), config(), noon + minute))).toEqual(['change rollout-failed'])
    const settled = afterPlan(withRollout(unreadable, complete), config(), noon + minute).world
    expect(verdicts(plan(settled, config(), noon + 2 * minute))).toEqual(['held registry-unreadable'])
  })

  it('goes on though its rule is paused, and nothing new begins', () => {
    const paused = config([rule({ paused: true })])
    expect(verdicts(plan(withRollout(begun(), failed), paused, noon + minute))).toEqual(['change rollout-failed'])
    expect(verdicts(plan(observed(pushed, [workload(web('1.0.0'))]), paused, noon))).toEqual(['skipped paused'])
  })
})

describe('before the change it is told', () => {
  it('that no node could run the image', () => {
    const tags = [tag('1.0.0', 'a', -120), tag('1.0.1', 'b', -1, { architectures: ['arm64'] })]
    const world = observed(tags, [workload(web('1.0.0'), { nodeArchitectures: ['amd64', 'arm64'] })])
    const [step] = plan(world, config(), noon)
    expect(step).toMatchObject({ verdict: 'held', reason: { code: 'architecture-missing' } })
    expect(step?.reason.text).toContain('not built for amd64, which')
    const both = [tag('1.0.0', 'a', -120), tag('1.0.1', 'b', -1, { architectures: ['arm64', 'amd64', 's390x'] })]
    expect(verdicts(plan({ ...world, repositories: [repository(both)] }, config(), noon))).toEqual(['change newer-push'])
    expect(verdicts(plan({ ...world, repositories: [repository(pushed)] }, config(), noon))).toEqual(['change newer-push'])
  })

  it('that nothing shows that it could be pulled', () => {
    const without = { hasPullSecrets: false }
    expect(verdicts(plan(observed(pushed, [workload('nginx:1', without)]), config([rule({ adopt: true })]), noon))).toEqual([
      'held pull-secret-missing',
    ])
    expect(verdicts(plan(observed(pushed, [workload(web('1.0.0'), without)]), config(), noon))).toEqual(['change newer-push'])
    const ignored = config([rule({ adopt: true })], { pullSecrets: 'ignored' })
    expect(verdicts(plan(observed(pushed, [workload('nginx:1', without)]), ignored, noon))).toEqual(['change newer-push'])
    const required = config([rule()], { pullSecrets: 'required' })
    expect(verdicts(plan(observed(pushed, [workload(web('1.0.0'), without)]), required, noon))).toEqual(['held pull-secret-missing'])
  })

  it('that the Deployment is paused, or being deleted', () => {
    expect(verdicts(plan(observed(pushed, [workload(web('1.0.0'), { paused: true })]), config(), noon))).toEqual(['held workload-paused'])
    expect(verdicts(plan(observed(pushed, [workload(web('1.0.0'), { deleting: true })]), config(), noon))).toEqual([
      'held workload-deleting',
    ])
  })
})

describe('what cannot be decided holds only itself', () => {
  const two = config([rule({ targets: [{ kind: 'Deployment', name: 'web' }] })])

  it('a cluster that cannot be read, a workload that is not there, one that nobody has looked at', () => {
    const unread = { ref: { ...webRef, cluster: 'cls-2' }, problem: { code: 'cluster-unreadable', text: 'it does not answer' } } as const
    const steps = plan(observed(pushed, [workload(web('1.0.0')), unread]), two, noon)
    expect(steps.map(({ target, verdict, reason }) => `${target} ${verdict} ${reason.code}`)).toEqual([
      'cls-1/default/Deployment/web change newer-push',
      'cls-2/default/Deployment/web held cluster-unreadable',
      'cls-3/default/Deployment/web held workload-unreadable',
    ])
  })

  it('a container that the workload does not have', () => {
    const named = config([rule({ targets: [{ kind: 'Deployment', name: 'web', cluster: 'one', container: 'wbe' }] })])
    const [step] = plan(observed(pushed, [workload(web('1.0.0'))]), named, noon)
    expect(step?.reason).toMatchObject({ code: 'container-missing', text: expect.stringContaining('only app') })
  })

  it('a name of a container that every object has', () => {
    const named = config([rule({ targets: [{ kind: 'Deployment', name: 'web', cluster: 'one', container: 'constructor' }] })])
    const world = observed(pushed, [workload('', { containers: [container('constructor', web('1.0.0'))] })])
    expect(verdicts(plan(world, named, noon))).toEqual(['change newer-push'])
  })

  it('two rules for one container, with the names of both, whatever their order', () => {
    const other = rule({ name: 'other', tags: { list: ['1.0.0'] } })
    const steps = plan(observed(pushed, [workload(web('1.0.0'))]), config([rule(), other]), noon)
    expect(verdicts(steps)).toEqual(['invalid rules-contradict'])
    expect(steps[0]?.reason.text).toContain('other and web')
    expect(plan(observed(pushed, [workload(web('1.0.0'))]), config([other, rule()]), noon)).toEqual(steps)
  })

  it('a rule for a cluster that is none', () => {
    const steps = plan(observed(pushed, []), config([rule({ targets: [{ kind: 'Deployment', name: 'web', cluster: 'onne' }] })]), noon)
    expect(steps).toMatchObject([{ target: 'rule web', verdict: 'invalid', reason: { code: 'cluster-unknown' } }])
    expect(steps[0]?.reason.text).toContain('did you mean "one"?')
  })

  it('a repository that was not looked at says nothing', () => {
    expect(plan(observed([], [], { scope: ['team/other'], repositories: [] }), config(), noon)).toEqual([])
  })
})

describe('a hint', () => {
  const hint = (more: object) => ({ source: 'registry', repository: 'team/web', ...more })

  it('of something that deploys nothing says why, once however often it comes', () => {
    const hints = [
      hint({ repository: 'team/unknown', tag: '1' }),
      hint({ tag: '1.0.1', childOf: digest('b') }),
      hint({ digest: digest('f') }),
      hint({ tag: 'gone' }),
      hint({ tag: '1.0.0' }),
      hint({ tag: '1.0.0' }),
      hint({ tag: '1.0.1' }),
      // From somebody who only knows where to look.
      hint({}),
    ]
    const steps = plan(observed(pushed, [workload(web('1.0.0'))], { hints }), config(), noon)
    expect(steps.map(({ target, reason }) => `${target}: ${reason.code}`)).toEqual([
      'cls-1/default/Deployment/web: newer-push',
      'push of team/unknown:1: no-rule',
      'push of team/web:1.0.0: not-newest',
      'push of team/web:1.0.1: child-manifest',
      'push of team/web:gone: tag-gone',
      `push of team/web@${digest('f')}: child-manifest`,
    ])
  })

  it('of a tag that no rule counts says so', () => {
    const listed = config([rule({ tags: { list: ['1.0.1'] } })])
    const steps = plan(observed(pushed, [], { hints: [hint({ tag: '1.0.0' })], scope: [] }), listed, noon)
    expect(verdicts(steps)).toEqual(['skipped tag-not-chosen'])
  })
})

describe('a CronJob', () => {
  const ref = { ...webRef, kind: 'CronJob' } as const
  const settings = (runNow: boolean) => config([rule({ targets: [{ kind: 'cronjob', name: 'web', cluster: 'one' }], cronJob: { runNow } })])

  it('has its new image at once', () => {
    const done = afterPlan(observed(pushed, [workload(web('1.0.0'), { ref })]), settings(false), noon).world
    expect(verdicts(plan(done, settings(false), noon + minute))).toEqual(['no-change already-there'])
  })

  it('is run once with it where the rule says so, and put back when that run fails', () => {
    const first = afterPlan(observed(pushed, [workload(web('1.0.0'), { ref })]), settings(true), noon).world
    const run = afterPlan(first, settings(true), noon + minute)
    expect(changeOf(run.steps[0])).toMatchObject({ kind: 'run-cronjob', containers: [{ name: 'app', image: web('1.0.1') }] })
    expect(verdicts(plan(run.world, settings(true), noon + 2 * minute))).toEqual(['no-change rolling'])
    expect(verdicts(plan(withRollout(run.world, failed), settings(true), noon + 2 * minute))).toEqual(['change rollout-failed'])
    const done = afterPlan(withRollout(run.world, complete), settings(true), noon + 2 * minute)
    expect(verdicts(done.steps)).toEqual(['change rollout-complete'])
    expect(verdicts(plan(done.world, settings(true), noon + 3 * minute))).toEqual(['no-change already-there'])
  })
})

describe('a Job', () => {
  const ref = { ...webRef, kind: 'Job' } as const
  const settings = (replace: string) => config([rule({ targets: [{ kind: 'Job', name: 'web', cluster: 'one' }], job: { replace } })])

  it('is left as it is unless the rule has it copied', () => {
    expect(verdicts(plan(observed(pushed, [workload(web('1.0.0'), { ref })]), settings('skip'), noon))).toEqual([
      'skipped job-not-replaced',
    ])
  })

  it('is copied once per content under a name that says so, and never rolled back', () => {
    const first = afterPlan(observed(pushed, [workload(web('1.0.0'), { ref })]), settings('clone'), noon)
    const change = changeOf(first.steps[0])
    expect(first.steps[0]?.verdict === 'change' && first.steps[0].undo).toBeUndefined()
    expect(change).toMatchObject({ kind: 'clone-job', keep: 3, owner: true, containers: [{ from: web('1.0.0'), to: web('1.0.1') }] })
    expect(change?.kind === 'clone-job' && /^web-[0-9a-f]{10}$/.test(change.job)).toBe(true)
    expect(verdicts(plan(first.world, settings('clone'), noon + minute))).toEqual(['no-change rolling'])
    const done = afterPlan(withRollout(first.world, complete), settings('clone'), noon + minute)
    expect(verdicts(plan(done.world, settings('clone'), noon + 2 * minute))).toEqual(['no-change same-content'])
    const lost = afterPlan(withRollout(first.world, failed), settings('clone'), noon + minute)
    expect(changeOf(lost.steps[0])).toMatchObject({ kind: 'settle-record', containers: [{ state: 'failed' }] })
    expect(verdicts(plan(lost.world, settings('clone'), noon + 2 * minute))).toEqual(['held held-bad-image'])
    const newer = { ...done.world, repositories: [repository([...pushed, tag('1.0.2', 'c', 3)])] }
    expect(changeOf(plan(newer, settings('clone'), noon + 4 * minute)[0])).toMatchObject({
      containers: [{ from: web('1.0.0'), to: web('1.0.2') }],
    })
  })
})

describe('a workload of two containers', () => {
  const targets = (kind: string, name: string) => [{ kind, name: 'web', cluster: 'cls-1', container: name }]
  const rules = (kind: string, more: object = {}) =>
    config([
      rule({ targets: targets(kind, 'app'), job: { replace: 'clone', keep: 1 } }),
      rule({ name: 'side', repository: 'team/side', targets: targets(kind, 'side'), job: { replace: 'clone' }, ...more }),
    ])
  const side = (name: string): string => `${host}/team/side:${name}`
  const both = (kind: 'Deployment' | 'Job' = 'Deployment'): ReturnType<typeof observed> => {
    const containers = [container('app', web('1.0.0')), container('side', side('1'), { index: 1 })]
    const repositories = [repository(pushed), repository([tag('1', 'e', -90), tag('2', 'f', -1)], 'team/side')]
    return observed(pushed, [workload('', { ref: { ...webRef, kind }, containers })], { repositories })
  }
  const appOnly = (kind: 'Deployment' | 'Job' = 'Deployment'): ReturnType<typeof observed> => ({
    ...both(kind),
    repositories: [repository(pushed), repository([tag('1', 'e', -90)], 'team/side')],
  })
  const sideNow = repository([tag('1', 'e', -90), tag('2', 'f', 1)], 'team/side')

  it('of which one fails has only that one put back, where the cluster says which', () => {
    const rolling = afterPlan(both(), rules('Deployment'), noon).world
    const guilty = withRollout(rolling, { ...failed, containers: ['side'] })
    const back = afterPlan(guilty, rules('Deployment'), noon + minute)
    expect(changeOf(back.steps[0])).toMatchObject({ kind: 'rollback', containers: [{ name: 'side', to: side('1') }] })
    expect(imagesOf(back.world)).toEqual({ app: web('1.0.1'), side: side('1') })
    expect(verdicts(plan(back.world, rules('Deployment'), noon + 2 * minute))).toEqual(['held held-bad-image'])
    const settled = afterPlan(withRollout(back.world, complete), rules('Deployment'), noon + 3 * minute)
    expect(changeOf(settled.steps[0])).toMatchObject({ kind: 'settle-record', containers: [{ name: 'app', state: 'done' }] })
  })

  it('of which one fails has both put back, where nobody knows which', () => {
    const rolling = afterPlan(both(), rules('Deployment'), noon).world
    for (const status of [failed, { ...failed, containers: ['other'] }]) {
      const back = afterPlan(withRollout(rolling, status), rules('Deployment'), noon + minute).world
      expect(imagesOf(back)).toEqual({ app: web('1.0.0'), side: side('1') })
    }
  })

  it('that began at different times has only that put back whose deadline is over', () => {
    const first = afterPlan(appOnly(), rules('Deployment'), noon).world
    const second = afterPlan({ ...first, repositories: [repository(pushed), sideNow] }, rules('Deployment'), noon + 5 * minute)
    expect(second.steps[0]?.after).toBe(side('2'))
    const [step] = plan(second.world, rules('Deployment'), noon + 10 * minute)
    expect(changeOf(step)).toMatchObject({ kind: 'rollback', containers: [{ name: 'app' }] })
  })

  it('of which one waits for somebody gives the other its image, and says both', () => {
    const asked = rules('Deployment', { approval: true })
    const [step] = plan(both(), asked, noon)
    expect(changeOf(step)).toMatchObject({ kind: 'set-images', containers: [{ name: 'app' }] })
    expect(step?.reason.text).toContain('container side: team/side:2')
    const rolling = afterPlan(both(), asked, noon).world
    const [next] = plan(rolling, asked, noon + minute)
    expect(next).toMatchObject({ verdict: 'held', reason: { code: 'needs-approval' }, after: `side: ${side('2')}` })
    expect(next?.reason.text).toContain('1 of 2 pods')
  })

  it('of a Job is copied with what an earlier copy got for the other one', () => {
    const first = afterPlan(appOnly('Job'), rules('Job'), noon)
    const done = afterPlan(withRollout(first.world, complete), rules('Job'), noon + minute).world
    const next = afterPlan({ ...done, repositories: [repository(pushed), sideNow] }, rules('Job'), noon + 2 * minute)
    expect(changeOf(next.steps[0])).toMatchObject({
      kind: 'clone-job',
      containers: [
        { name: 'app', from: web('1.0.0'), to: web('1.0.1'), content: digest('b'), tag: '1.0.1', rule: 'web' },
        { name: 'side', from: side('1'), to: side('2'), content: digest('f') },
      ],
    })
    const [before, after] = [changeOf(first.steps[0]), changeOf(next.steps[0])]
    expect(before?.kind === 'clone-job' && after?.kind === 'clone-job' && before.job !== after.job).toBe(true)
  })
})

describe('a Job whose name is long', () => {
  it('has copies whose names still fit the label of their pods', () => {
    const name = `${'a'.repeat(51)}-${'b'.repeat(20)}`
    const long = config([rule({ targets: [{ kind: 'Job', name, cluster: 'one' }], job: { replace: 'clone' } })])
    const [step] = plan(observed(pushed, [workload(web('1.0.0'), { ref: { ...webRef, kind: 'Job', name } })]), long, noon)
    const change = changeOf(step)
    expect(change?.kind === 'clone-job' ? change.job : '').toMatch(/^a{51}-[0-9a-f]{10}$/)
  })
})

describe('rules by patterns', () => {
  it('count what their regular expression matched when the registry was read', () => {
    const ruled = config([rule({ tags: { regex: '1\\.0\\.\\d+' } })])
    const tags = [tag('1.0.0', 'a', -120), tag('1.0.1', 'b', -5, { patterns: ['1\\.0\\.\\d+'] }), tag('dev', 'c', -1)]
    expect(plan(observed(tags, [workload(web('1.0.0'))]), ruled, noon)[0]?.after).toBe(web('1.0.1'))
  })

  it('of repositories take the one that the container runs an image of', () => {
    const ruled = config([rule({ repository: undefined, repositories: ['team/*'] })])
    const world = observed(pushed, [workload(web('1.0.0'))], {
      repositories: [repository(pushed), repository([tag('9', 'f', 0)], 'team/other')],
    })
    expect(plan(world, ruled, noon)[0]?.after).toBe(web('1.0.1'))
  })

  it('with no tag that counts change nothing', () => {
    const ruled = config([rule({ tags: { glob: ['release-*'] } })])
    expect(verdicts(plan(observed(pushed, [workload(web('1.0.0'))]), ruled, noon))).toEqual(['skipped no-tag'])
  })
})

describe('while something rolls', () => {
  it('progress says for how long', () => {
    const begun = afterPlan(observed(pushed, [workload(web('1.0.0'))]), config(), noon).world
    const [step] = plan(withRollout(begun, progressing), config(), noon + 90_000)
    expect(step?.reason.text).toContain('for 1m30s of at most 10m')
  })
})

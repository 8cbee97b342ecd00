import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { planRelease } from '#functions/redeploy-hook/approvals.ts'
import { copyOfLabel, startedByAnnotation } from '#functions/redeploy-hook/job-copy.ts'
import { parseRecord, recordAnnotation } from '#functions/redeploy-hook/record.ts'
import type { Fault } from '#infra/sandbox/faults.ts'
import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { listObjects } from '#infra/sandbox/kubernetes/objects.ts'
import { cronJob, deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { interfering } from '../image-cleaner/interfering.ts'
import {
  clusterA,
  hint,
  image,
  openLocalStage,
  type RuleInput,
  type SettingsInput,
  type Stage,
  saying,
  sentence,
  webRule,
} from './stage.ts'

let stage: Stage

beforeEach(() => {
  stage = openLocalStage()
  stage.push('team/web', '1.0.0', 10)
})

afterEach(async () => {
  await stage.close()
})

const spec = (tag = '1.0.0') => ({ namespace: 'prod', name: 'web', image: image('team/web', tag), replicas: 2 })

function rulesFor(kind: string, more: Partial<RuleInput> = {}): SettingsInput {
  return { rules: [webRule({ targets: [{ cluster: clusterA, namespace: 'prod', kind, name: 'web' }], ...more })] }
}

const rules = rulesFor('Deployment')

async function running(): Promise<void> {
  stage.put(deployment(spec()))
  stage.settle(30_000)
  await stage.tick(rules)
}

async function pushNew(settings: SettingsInput = rules, tag = '1.0.1', options = {}) {
  stage.push('team/web', tag, 0)
  return await stage.pushed(settings, [hint(tag)], options)
}

type Place = Parameters<Stage['object']>[1]
const recordOf = (place?: Place) =>
  parseRecord(
    (stage.object('web', place) as { metadata: { annotations?: Record<string, string> } }).metadata.annotations?.[recordAnnotation],
  ).containers.web

function jobs() {
  const state = stage.world.kubernetes[clusterA]
  if (state === undefined) throw new Error('there is no cluster')
  return listObjects(state, 'batch', 'jobs', 'prod').map(({ metadata }) => metadata.name)
}

function job(): void {
  stage.put({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'web', namespace: 'prod', labels: { app: 'web' } },
    spec: {
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { restartPolicy: 'Never', containers: [{ name: 'web', image: image('team/web', '1.0.0') }] },
      },
    },
  })
  stage.settle(30_000)
}

/** Whatever may be lost around a call that was carried out, and around one that was not. */
const after: readonly Fault[] = [{ kind: 'drop-after' }, { kind: 'truncated-body' }, { kind: 'internal-error', when: 'after' }]
const before: readonly Fault[] = [{ kind: 'drop-before' }, { kind: '5xx', status: 502, when: 'before' }]
const named = (faults: readonly Fault[]) => faults.map((fault) => [fault.kind, fault] as const)
const writes = { effect: 'write' } as const

const patches = () => stage.patches().filter((call) => call.startsWith('PATCH'))

describe('a new image whose answer is lost', () => {
  it.for(named(after))('after it was written (%s) is settled by its record, and written once', async ([, fault]) => {
    await running()
    stage.faults.add({ fault, match: writes, count: 1 })
    expect(saying(await pushNew(), 'Applied', 'Failed', 'Held')).toEqual(['Applied settled-applied'])
    await stage.pushed(rules, [hint('1.0.1')])
    expect(patches()).toHaveLength(1)
    stage.settle(60_000)
    expect(saying(await stage.tick(rules), 'Applied')).toEqual(['Applied rollout-complete'])
  })

  it.for(named(before))('before it was written (%s) is done by a later look, once', async ([, fault]) => {
    await running()
    stage.faults.add({ fault, match: writes, count: 1 })
    expect(saying(await pushNew(), 'Applied')).toEqual([])
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
    stage.faults.clear()
    for (let look = 0; look < 3; look += 1) {
      stage.settle(90_000)
      await stage.tick(rules)
    }
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.1'))
    expect(recordOf()?.set?.state).toBe('done')
  })
})

describe('of every other change whose answer is lost, the end is the same:', () => {
  const lost = () => stage.faults.add({ fault: { kind: 'drop-after' }, match: writes, count: 1 })

  it('the end of a rollout on record', async () => {
    await running()
    await pushNew()
    stage.settle(60_000)
    lost()
    expect(saying(await stage.tick(rules), 'Applied', 'Failed')).toEqual(['Applied settled-applied'])
    expect(recordOf()?.set?.state).toBe('done')
    expect(patches()).toHaveLength(2)
  })

  it('a rollback', async () => {
    await running()
    await pushNew()
    const repository = stage.repository('team/web')
    const { '1.0.1': gone } = repository.tags
    delete repository.tags['1.0.1']
    stage.settle(60_000)
    if (gone !== undefined) repository.tags['1.0.1'] = gone
    lost()
    expect(saying(await stage.tick(rules), 'Applied', 'Failed')).toEqual(['Applied settled-applied'])
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
    expect(recordOf()).toMatchObject({ set: { state: 'failed' }, bad: [{ repository: 'team/web' }] })
    stage.settle(60_000)
    await stage.pushed(rules, [hint('1.0.1')])
    expect(patches()).toHaveLength(2)

    // And its release.
    const content = recordOf()?.bad?.[0]?.content ?? ''
    const { observed } = await stage.plan(rules)
    lost()
    const released = await stage.steps(rules, planRelease(observed.workloads, 'team/web', content))
    expect(saying(released, 'Applied', 'Failed')).toEqual(['Applied settled-applied'])
    expect(recordOf()?.bad).toBeUndefined()
    stage.settle(60_000)
    expect(saying(await stage.tick(rules), 'Applied')).toEqual(['Applied released'])
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.1'))
  })

  it('an agreement', async () => {
    const settings = rulesFor('Deployment', { approval: true })
    stage.put(deployment(spec()))
    stage.settle(30_000)
    await stage.tick(settings)
    await pushNew(settings)
    lost()
    expect(saying(await stage.approve(settings, 'on call'), 'Applied', 'Failed')).toEqual(['Applied settled-applied'])
    expect(recordOf()?.approved?.by).toBe('on call')
    stage.settle(60_000)
    expect(saying(await stage.tick(settings), 'Applied')).toEqual(['Applied newer-push'])
  })

  it.each([
    ['the Job', 'jobs'],
    ['the record', '/jobs/web'],
  ])('the copy of a Job, where it is the answer for %s', async (_, pathIncludes) => {
    job()
    const settings = rulesFor('Job', { job: { replace: 'clone' } })
    stage.faults.add({ fault: { kind: 'drop-after' }, match: { ...writes, pathIncludes }, count: 1 })
    await pushNew(settings)
    stage.faults.clear()
    for (let look = 0; look < 3; look += 1) {
      stage.settle(60_000)
      await stage.tick(settings)
    }
    expect(jobs()).toHaveLength(2)
    expect(recordOf({ group: 'batch', resource: 'jobs' })?.set).toMatchObject({ state: 'done', image: image('team/web', '1.0.1') })
  })

  it.each([
    ['the Job', '/jobs'],
    ['the record', '/cronjobs/web'],
  ])('the run of a CronJob, where it is the answer for %s', async (_, pathIncludes) => {
    stage.put(cronJob('batch/v1beta1', { ...spec(), schedule: '0 3 1 1 *' }))
    const settings = rulesFor('CronJob', { cronJob: { runNow: true } })
    await pushNew(settings)
    stage.settle(20_000)
    stage.faults.add({ fault: { kind: 'drop-after' }, match: { ...writes, pathIncludes }, count: 1 })
    for (let look = 0; look < 4; look += 1) {
      await stage.tick(settings)
      stage.faults.clear()
      stage.settle(60_000)
    }
    expect(jobs()).toHaveLength(1)
    expect(recordOf({ group: 'batch', resource: 'cronjobs' })?.set).toMatchObject({ state: 'done' })
  })
})

describe('a workload that changes all the time', () => {
  it('is read and decided again three times, then left to the next look', async () => {
    await running()
    let tries = 0
    const cloud = interfering(stage.cloud, {
      before: ({ request }) => {
        if (request.Method !== 'PATCH') return
        tries += 1
        const object = stage.object('web') as JsonObject & { metadata: JsonObject }
        stage.put({
          ...object,
          metadata: {
            ...object.metadata,
            annotations: { [recordAnnotation]: JSON.stringify({ web: {}, n: {} }).replace('n', `n${tries}`) },
          },
        })
      },
    })
    const report = await pushNew(rules, '1.0.1', { cloud })
    // The record that somebody else wrote is not decided about with what was planned for another one.
    expect(sentence(report, 'world-changed')).toContain('its record has changed since the plan')
    expect(tries).toBe(1)
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
    stage.settle(60_000)
    expect(saying(await stage.tick(rules), 'Applied')).toEqual(['Applied newer-push'])
  })

  it.each([
    [2, 'Applied newer-push', '1.0.1'],
    [3, 'Skipped conflict', '1.0.0'],
  ])('at the very moment of %i tries ends as %s', async (count, says, tag) => {
    await running()
    const body = JSON.stringify({
      kind: 'Status',
      apiVersion: 'v1',
      status: 'Failure',
      reason: 'Conflict',
      code: 409,
      message: 'the object has been modified',
    })
    stage.faults.add({ fault: { kind: 'forward-body', body }, match: writes, count })
    expect(saying(await pushNew(), 'Applied', 'Skipped', 'Failed')).toEqual([says])
    expect(stage.imageOf('web')).toBe(image('team/web', tag))
  })
})

it('an image that an admission webhook changes back is said to be not taken, and is not written again and again', async () => {
  await running()
  const back = image('team/web', '1.0.0')
  const cloud = interfering(stage.cloud, {
    answer: ({ request }, answer) => {
      if (request.Method !== 'PATCH') return answer
      const object = JSON.parse(JSON.stringify(stage.object('web')).replace(`"image":"${image('team/web', '1.0.1')}"`, `"image":"${back}"`))
      stage.put(object)
      return { ...answer, ResponseBody: JSON.stringify(stage.object('web')) }
    },
  })
  expect(sentence(await pushNew(rules, '1.0.1', { cloud }), 'not-taken')).toContain('look for an admission webhook')
  for (let look = 0; look < 3; look += 1) {
    stage.settle(60_000)
    await stage.tick(rules, { cloud })
  }
  expect(patches()).toHaveLength(1)
})

describe('undo', () => {
  it('puts back what ran before exactly, and it stays until something newer is pushed', async () => {
    await running()
    const template = () => (stage.object('web') as { spec: { template: unknown } }).spec.template
    const was = structuredClone(template())
    await pushNew()
    stage.settle(60_000)
    await stage.tick(rules)
    expect(saying(await stage.undoLast(rules), 'Applied', 'Failed')).toHaveLength(1)
    expect(template()).toEqual(was)
    expect(recordOf()?.undone).toBeDefined()
    for (let look = 0; look < 2; look += 1) {
      stage.settle(60_000)
      await stage.tick(rules, { fresh: true })
      await stage.pushed(rules, [hint('1.0.1')])
    }
    expect(template()).toEqual(was)
    expect(saying(await pushNew(rules, '1.0.2'), 'Applied')).toEqual(['Applied newer-push'])
  })

  it('of what somebody has changed since changes nothing', async () => {
    await running()
    await pushNew()
    stage.put(JSON.parse(JSON.stringify(stage.object('web')).replace('web:1.0.1"', 'web:hotfix"')))
    expect(saying(await stage.undoLast(rules), 'Applied', 'Failed')).toEqual([])
    expect(stage.imageOf('web')).toBe(image('team/web', 'hotfix'))
  })

  it('is settled by reading when its answer is lost', async () => {
    await running()
    await pushNew()
    stage.faults.add({ fault: { kind: 'drop-after' }, match: writes, count: 1 })
    expect(saying(await stage.undoLast(rules), 'Applied', 'Failed')).toHaveLength(1)
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
    expect(patches()).toHaveLength(2)
  })
})

describe('a Job of the name that a copy would get', () => {
  const settings = rulesFor('Job', { job: { replace: 'clone' } })

  /** The name that the copy gets, found out on a stage of its own. */
  async function nameOfCopy(): Promise<string> {
    job()
    stage.push('team/web', '1.0.1', 0)
    const { steps } = await stage.plan(settings)
    const found = steps.flatMap((step) => (step.verdict === 'change' && step.change.kind === 'clone-job' ? [step.change.job] : []))
    return found[0] ?? ''
  }

  function putJob(name: string, more: JsonObject = {}): void {
    const { metadata: _, ...object } = stage.object('web', { group: 'batch', resource: 'jobs' }) as JsonObject
    stage.put({ ...object, metadata: { name, namespace: 'prod', ...more } })
  }

  it('that is somebody else’s is left alone, and that is said', async () => {
    const name = await nameOfCopy()
    putJob(name)
    expect(sentence(await stage.pushed(settings, [hint('1.0.1')]), 'name-taken')).toContain(name)
    expect(jobs()).toHaveLength(2)
    expect(recordOf({ group: 'batch', resource: 'jobs' })).toBeUndefined()
  })

  it('that an earlier step has started and could not record is taken for it, whatever was written on the record since', async () => {
    const name = await nameOfCopy()
    const { metadata } = stage.object('web', { group: 'batch', resource: 'jobs' }) as { metadata: { uid: string } }
    putJob(name, { labels: { [copyOfLabel]: metadata.uid }, annotations: { [startedByAnnotation]: 'redeploy-hook:of-an-earlier-record' } })
    expect(saying(await stage.pushed(settings, [hint('1.0.1')]), 'Applied', 'Failed')).toEqual(['Applied newer-push'])
    expect(jobs()).toHaveLength(2)
  })
})

it('a copy of a Job is on record though older copies may not be removed', async () => {
  job()
  const settings = rulesFor('Job', { job: { replace: 'clone', keep: 0 } })
  await pushNew(settings)
  stage.settle(60_000)
  await stage.tick(settings)
  const cloud = interfering(stage.cloud, {
    before: ({ request }) => {
      if (request.Method === 'DELETE') stage.faults.add({ fault: { kind: 'rbac-403' }, match: writes, count: 1 })
    },
  })
  const report = await pushNew(settings, '1.0.2', { cloud })
  expect(sentence(report, 'old-copies-left')).toContain('older copies stay for now')
  expect(recordOf({ group: 'batch', resource: 'jobs' })?.set?.image).toBe(image('team/web', '1.0.2'))
  stage.settle(60_000)
  await stage.tick(settings)
  await pushNew(settings, '1.0.3')
  expect(jobs()).toHaveLength(2)
})

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CreateApplicationTriggerPersonal } from '#cloud/generated/tcr/create-application-trigger-personal.ts'
import { deployment, statefulSet } from '#infra/sandbox/seeds/kube-objects.ts'
import { dropTags } from '#infra/sandbox/tcr/images.ts'
import { clusterA, image, openLocalStage, type SettingsInput, type Stage, saying, sentence, webRule } from './stage.ts'

let stage: Stage

beforeEach(() => {
  stage = openLocalStage()
  for (const repository of ['team/web', 'team/api']) stage.push(repository, '1.0.0', 10)
  stage.put(deployment({ namespace: 'prod', name: 'web', image: image('team/web', '1.0.0') }))
  stage.settle(30_000)
})

afterEach(async () => {
  await stage.close()
})

const item = {
  name: 'web',
  repository: 'team/web',
  tags: { list: ['stable', 'latest'] },
  cluster: clusterA,
  namespace: 'prod',
  kind: 'Deployment',
  workload: 'web',
  container: 'web',
}

function triggers(items: readonly object[] = [item], more: object = {}): SettingsInput {
  return { triggers: { manage: true, items, ...more } } as SettingsInput
}

const tick = (settings: SettingsInput) => stage.tick(settings, { fresh: true })
const there = () => stage.world.tcr.triggers
const writes = () =>
  stage.journal.filter(({ action, applied }) => /^(?:Create|Modify|Delete)ApplicationTriggerPersonal$/.test(action) && applied).length

async function create(name: string, more: object = {}): Promise<void> {
  await stage.cloud.send(CreateApplicationTriggerPersonal, {
    RepoName: 'team/web',
    TriggerName: name,
    InvokeMethod: 'all',
    ClusterId: clusterA,
    Namespace: 'prod',
    WorkloadType: 'Deployment',
    WorkloadName: 'web',
    ContainerName: 'web',
    ClusterRegion: 1,
    ...more,
  })
}

describe('the triggers of the registry', () => {
  it('are made as configured, and then left alone', async () => {
    expect(saying(await tick(triggers()), 'Applied', 'Failed')).toEqual(['Applied trigger-missing'])
    expect(there().web).toMatchObject({
      repoName: 'team/web',
      invokeMethod: 'taglist',
      invokeExpr: 'stable,latest',
      workloadType: 'Deployment',
      clusterId: clusterA,
    })
    stage.settle(3_600_000)
    expect(saying(await tick(triggers()), 'Applied', 'Failed', 'NoChange')).toEqual(['NoChange trigger-in-place'])
    expect(writes()).toBe(1)
  })

  it.each([
    ['its tags', { InvokeMethod: 'all', InvokeExpr: '' }],
    ['its repository', { RepoName: 'team/api', InvokeMethod: 'taglist', InvokeExpr: 'stable,latest' }],
    ['its workload', { WorkloadName: 'other', InvokeMethod: 'taglist', InvokeExpr: 'stable,latest' }],
    ['its container', { ContainerName: 'other', InvokeMethod: 'taglist', InvokeExpr: 'latest;stable' }],
  ])('are changed where somebody has changed %s', async (_, more) => {
    await create('web', more)
    // Rules bring repositories that are looked at.
    const settings = { ...triggers([item, { ...item, name: 'api', repository: 'team/api', workload: 'api' }]) }
    await tick(settings)
    expect(there().web).toMatchObject({ repoName: 'team/web', invokeMethod: 'taglist', workloadName: 'web', containerName: 'web' })
    stage.settle(3_600_000)
    const before = writes()
    await tick(settings)
    expect(writes()).toBe(before)
  })

  it('are changed where the kind of their workload is another one, which the registry hides, once', async () => {
    stage.put(statefulSet({ namespace: 'prod', name: 'db', image: image('team/api', '1.0.0') }))
    const db = { ...item, name: 'db', repository: 'team/api', tags: { all: true }, workload: 'db', container: 'db' }
    await create('db', { RepoName: 'team/api', WorkloadName: 'db', ContainerName: 'db', WorkloadType: 'StatefulSet' })
    await tick(triggers([db]))
    expect(there().db).toMatchObject({ workloadType: 'Deployment' })
    const before = writes()
    for (let hour = 0; hour < 3; hour += 1) {
      stage.settle(3_600_000)
      await tick(triggers([db]))
    }
    expect(writes()).toBe(before)
  })

  it('that nobody configured stay, or go where others are to go', async () => {
    await create('by-hand')
    await tick(triggers())
    expect(Object.keys(there()).toSorted()).toEqual(['by-hand', 'web'])
    stage.settle(3_600_000)
    expect(saying(await tick(triggers([item], { others: 'remove' })), 'Applied')).toEqual(['Applied trigger-unwanted'])
    expect(Object.keys(there())).toEqual(['web'])
  })

  it('are only reported without manage, and where nobody configured any', async () => {
    expect(sentence(await tick(triggers([item], { manage: false })), 'trigger-unmanaged')).toContain('with `triggers.manage: true`')
    await create('dead', { WorkloadName: 'gone' })
    const rules = {
      rules: [
        {
          name: 'web',
          repository: 'team/web',
          tags: { semver: '>=1' },
          targets: [{ cluster: clusterA, namespace: 'prod', kind: 'Deployment', name: 'web' }],
        },
      ],
    } as SettingsInput
    expect(sentence(await tick(rules), 'trigger-target-missing')).toContain('no workload "gone"')
    await create('double')
    expect(sentence(await tick(rules), 'trigger-double')).toContain('everything is deployed twice')
    expect(writes()).toBe(2)
  })

  it('whose last try failed are said to fail', async () => {
    await create('broken', { WorkloadName: 'gone' })
    stage.push('team/web', '1.0.1', 0)
    expect(sentence(await tick(triggers()), 'trigger-failing')).toContain('for 1.0.1')
  })

  it('tell by their log of a push that was gone again before anybody looked', async () => {
    await create('other', { WorkloadName: 'elsewhere' })
    const settings = { rules: [webRule()] }
    await tick(settings)
    stage.settle(60_000)
    stage.push('team/web', '1.0.9', 0)
    dropTags(stage.repository('team/web'), ['1.0.9'], stage.now())
    expect(sentence(await tick(settings), 'tag-gone')).toContain('push of team/web:1.0.9')
    stage.settle(60_000)
    expect(saying(await tick(settings), 'Skipped')).not.toContain('Skipped tag-gone')
  })

  it('that cannot be read change nothing, and do not keep rules from being looked at', async () => {
    stage.faults.add({ fault: { kind: 'internal-error', when: 'before' }, match: { action: 'DescribeApplicationTriggerPersonal' } })
    expect(sentence(await tick(triggers()), 'triggers-unreadable')).toContain('they cannot be read')
    expect(writes()).toBe(0)
  })

  it.each(['drop-after', 'truncated-body'] as const)('are written once though answers are lost (%s)', async (kind) => {
    await create('by-hand')
    await create('web')
    stage.faults.add({ fault: { kind }, match: { effect: 'write', service: 'tcr' } })
    const settings = triggers([item, { ...item, name: 'second', container: 'web' }], { others: 'remove' })
    await tick(settings)
    stage.faults.clear()
    stage.settle(3_600_000)
    await tick(settings)
    expect(Object.keys(there()).toSorted()).toEqual(['second', 'web'])
    expect(there().web).toMatchObject({ invokeMethod: 'taglist' })
    // Two by hand, then one of each kind.
    expect(writes()).toBe(5)
  })

  it('are made as they were by an undo', async () => {
    await create('web')
    const before = structuredClone(there().web)
    await tick(triggers())
    expect(there().web).not.toMatchObject({ invokeMethod: 'all' })
    expect(saying(await stage.undoLast(triggers()), 'Applied', 'Failed')).toHaveLength(1)
    expect(there().web).toMatchObject({ invokeMethod: 'all', workloadType: before?.workloadType })
  })
})

it('without rules the triggers are looked at as seldom as everything', async () => {
  await stage.tick(triggers())
  const since = stage.journal.length
  for (let minute = 0; minute < 59; minute += 1) {
    stage.pass(60_000)
    await stage.tick(triggers())
  }
  expect(stage.calls(since)).toEqual([])
})

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { cronJob } from '#infra/sandbox/seeds/kube-objects.ts'
import { interfering, type SeenCall } from '../functions/image-cleaner/interfering.ts'
import {
  type CrossStage,
  clusterA,
  clusterB,
  dayMs,
  image,
  minuteMs,
  newestOnly,
  openCrossStage,
  ownDisk,
  saying,
  sentence,
  webRule,
} from './cross-stage.ts'

let stage: CrossStage

beforeEach(async () => {
  stage = await openCrossStage()
  stage.settings['image-cleaner'] = newestOnly()
  stage.settings['redeploy-hook'] = { rules: [webRule()], pullSecrets: 'ignored' }
  // 1.0.0 is there since ten days.
  stage.deploy('web', image('team/web', '1.0.0'))
  stage.wait(30_000)
  await stage.run('redeploy-hook')
})

afterEach(async () => {
  await stage.close()
})

/** The history that Kubernetes keeps of it is gone: nothing but the record tells what ran before. */
const noHistory = { revisionHistoryLimit: 0 }

/** Pushes, and lets the hook set it. */
async function deployNew(tag: string): Promise<void> {
  stage.push('team/web', tag)
  expect(saying(await stage.run('redeploy-hook', { pushed: ['team/web'] }), 'Applied', 'Held', 'Failed')).toEqual(['Applied newer-push'])
}

/** Something that is newer than all else, and that no rule of the hook wants: the only one that the policy keeps. */
function pushNightly(): void {
  stage.wait(1000)
  stage.push('team/web', 'nightly')
}

/** Another day's run of the cleaner. */
async function clean(): Promise<readonly string[]> {
  const report = await stage.run('image-cleaner')
  expect(report.failure).toBeUndefined()
  expect(saying(report, 'Failed')).toEqual([])
  return stage.tags('team/web')
}

describe('a rollout in flight', () => {
  it('keeps its old and its new image, though something newer than both is in the registry', async () => {
    await deployNew('1.0.1')
    pushNightly()
    expect(await clean()).toEqual(['1.0.0', '1.0.1', 'nightly'])
  })

  it('that is done keeps the way back as long as the record names it, also where Kubernetes keeps no history', async () => {
    stage.deploy('web', image('team/web', '1.0.0'), { spec: noHistory })
    stage.wait(30_000)
    await deployNew('1.0.1')
    stage.wait(minuteMs)
    expect(saying(await stage.run('redeploy-hook'), 'Applied')).toEqual(['Applied rollout-complete'])
    expect(stage.list('replicasets').filter(({ metadata }) => (metadata as JsonObject).name?.toString().startsWith('web'))).toHaveLength(1)
    pushNightly()
    // What was seen in use lately is long forgotten.
    stage.settings['image-cleaner'] = newestOnly({ referenceMemory: '1d' })
    stage.wait(minuteMs)
    expect(await clean()).toEqual(['1.0.0', '1.0.1', 'nightly'])
    expect(saying(await stage.undoLast('redeploy-hook'), 'Applied')).toEqual(['Applied undo'])
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
  })

  it('of a tag that was pushed again keeps the content that ran before, under whatever tag it is still there', async () => {
    stage.settings['redeploy-hook'] = { rules: [webRule({ tags: { list: ['stable'] }, pin: 'digest' })], pullSecrets: 'ignored' }
    stage.push('team/web', 'stable', 5, { content: 'one' })
    stage.push('team/web', 'build-1', 5, { content: 'one' })
    stage.deploy('web', image('team/web', 'stable'), { spec: noHistory })
    stage.wait(30_000)
    await stage.run('redeploy-hook', { pushed: ['team/web'] })
    stage.wait(minuteMs)
    await stage.run('redeploy-hook')
    stage.push('team/web', 'stable', 0, { content: 'two' })
    expect(saying(await stage.run('redeploy-hook', { pushed: ['team/web'] }), 'Applied')).toEqual(['Applied newer-push'])
    stage.wait(minuteMs)
    pushNightly()
    expect(await clean()).toEqual(['build-1', 'nightly', 'stable'])
  })

  it('of a CronJob keeps what it ran before', async () => {
    const target = { cluster: clusterA, namespace: 'prod', kind: 'CronJob', name: 'report' }
    stage.settings['redeploy-hook'] = { rules: [webRule({ targets: [target] })], pullSecrets: 'ignored' }
    stage.put(cronJob('batch/v1beta1', { namespace: 'prod', name: 'report', image: image('team/web', '1.0.0'), schedule: '0 3 * * *' }))
    stage.remove('web')
    stage.wait(minuteMs)
    await deployNew('1.0.1')
    pushNightly()
    expect(await clean()).toEqual(['1.0.0', '1.0.1', 'nightly'])
  })

  it('keeps them for the clusters that are still to come', async () => {
    const rings = [
      { name: 'canary', clusters: [clusterA], soak: '30m' },
      { name: 'rest', clusters: [clusterB] },
    ]
    stage.settings['redeploy-hook'] = {
      rules: [webRule({ targets: [{ namespace: 'prod', kind: 'Deployment', name: 'web' }], rings })],
      pullSecrets: 'ignored',
    }
    stage.deploy('web', image('team/web', '1.0.0'), { cluster: clusterB })
    stage.push('team/web', '1.0.1')
    const first = await stage.run('redeploy-hook', { pushed: ['team/web'] })
    expect(saying(first, 'Applied', 'Held').toSorted()).toEqual(['Applied newer-push', 'Held waits-for-wave'])
    pushNightly()
    // Somebody takes the first ring away; the second still waits for it.
    stage.remove('web')
    stage.wait(minuteMs)
    stage.settings['image-cleaner'] = newestOnly({ referenceMemory: '1d' })
    expect(await clean()).toEqual(['1.0.0', '1.0.1', 'nightly'])
  })

  it('that waits for somebody to agree keeps what it waits with', async () => {
    stage.settings['redeploy-hook'] = { rules: [webRule({ approval: true })], pullSecrets: 'ignored' }
    stage.push('team/web', '1.0.1')
    expect(saying(await stage.run('redeploy-hook', { pushed: ['team/web'] }), 'Held')).toEqual(['Held needs-approval'])
    pushNightly()
    expect(await clean()).toEqual(['1.0.0', '1.0.1', 'nightly'])
    // When the hook wants it no longer, it goes: here because something newer is wanted.
    stage.push('team/web', '1.0.2')
    await stage.run('redeploy-hook', { pushed: ['team/web'] })
    pushNightly()
    stage.wait(dayMs)
    await stage.run('redeploy-hook')
    expect(await clean()).toEqual(['1.0.0', '1.0.2', 'nightly'])
  })

  it('whose record somebody has garbled keeps every image that the record names', async () => {
    stage.deploy('web', image('team/web', '1.0.0'), { spec: noHistory })
    stage.wait(30_000)
    await deployNew('1.0.1')
    stage.wait(minuteMs)
    stage.edit('web', (object) => {
      const metadata = object.metadata as { annotations: Record<string, string> }
      metadata.annotations['longshore.dev/redeploy-hook'] = `${metadata.annotations['longshore.dev/redeploy-hook']} oops`
      return object
    })
    pushNightly()
    expect(await clean()).toEqual(['1.0.0', '1.0.1', 'nightly'])
  })
})

describe('an image that is about to be deleted', () => {
  /** 1.0.1 is old, nobody uses it, and it goes tonight; the hook comes to want it at the same moment. */
  beforeEach(() => {
    stage.push('team/web', '1.0.1', 9)
    pushNightly()
  })

  const isRemoval = ({ action }: SeenCall): boolean => action === 'BatchDeleteImagePersonal' || action === 'DeleteImagePersonal'
  const isPatch = ({ action, request }: SeenCall): boolean => action === 'ForwardRequest' && request.Method === 'PATCH'
  const isThere = (): boolean => stage.tags('team/web').includes('1.0.1')
  const isDeployed = (): boolean => stage.imageOf('web') === image('team/web', '1.0.1')

  it('is not deployed: the removal was written down before, and the hook reads that right before it writes', async () => {
    let told: readonly string[] = []
    let asked = ''
    const cloud = interfering(stage.cloud, {
      before: async (call) => {
        if (!isRemoval(call)) return
        const report = await stage.run('redeploy-hook', { pushed: ['team/web'] })
        told = saying(report, 'Applied', 'Held', 'Skipped', 'Failed')
        asked = sentence(report, 'being-removed')
      },
    })
    await stage.run('image-cleaner', { cloud })
    expect(told).toEqual(['Held being-removed'])
    expect(asked).toContain('team/web:1.0.1')
    expect([isThere(), isDeployed()]).toEqual([false, false])
  })

  it('is not deleted when it is being deployed: the deployment was written down before', async () => {
    const cloud = interfering(stage.cloud, {
      before: async (call) => {
        if (isPatch(call)) expect(await clean()).toEqual(['1.0.0', '1.0.1', 'nightly'])
      },
    })
    const report = await stage.run('redeploy-hook', { cloud, pushed: ['team/web'] })
    expect(saying(report, 'Applied')).toEqual(['Applied newer-push'])
    expect([isThere(), isDeployed()]).toEqual([true, true])
  })

  it('is not deleted after the clusters were looked at and before the removal', async () => {
    let done = false
    const cloud = interfering(stage.cloud, {
      before: async ({ action }) => {
        // The clusters have been read by then.
        if (action !== 'DescribeRepositoryOwnerPersonal' || done) return
        done = true
        expect(saying(await stage.run('redeploy-hook', { pushed: ['team/web'] }), 'Applied')).toEqual(['Applied newer-push'])
      },
    })
    await stage.run('image-cleaner', { cloud })
    expect(done).toBe(true)
    expect([isThere(), isDeployed()]).toEqual([true, true])
  })

  it('without a shared store is looked for once more right before it is deployed', async () => {
    const cloud = interfering(stage.cloud, {
      before: async (call) => {
        // Between the look at the registry and the change: when the workload is read.
        if (call.action === 'ForwardRequest' && call.nth === 1) await clean()
      },
    })
    const report = await stage.run('redeploy-hook', { cloud, disk: ownDisk(), pushed: ['team/web'] })
    expect(saying(report, 'Applied', 'Skipped', 'Held')).toEqual(['Skipped image-gone'])
    expect([isThere(), isDeployed()]).toEqual([false, false])
  })
})

describe('an image that failed and is held', () => {
  beforeEach(async () => {
    stage.settings['image-cleaner'] = newestOnly({ referenceMemory: '2d' })
    await deployNew('1.0.1')
    stage.unpullable('team/web', '1.0.1', minuteMs)
    expect(saying(await stage.run('redeploy-hook'), 'Applied')).toEqual(['Applied rollout-failed'])
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
    stage.wait(minuteMs)
    pushNightly()
  })

  it('stays as long as it was seen in use lately, and goes then, though it is in the history of its workload', async () => {
    expect(await clean()).toEqual(['1.0.0', '1.0.1', 'nightly'])
    expect(JSON.stringify(stage.list('replicasets'))).toContain('team/web:1.0.1')
    for (const _ of [1, 2]) {
      stage.wait(dayMs)
      await stage.run('redeploy-hook')
      await stage.run('image-cleaner')
    }
    stage.wait(dayMs)
    expect(await clean()).toEqual(['1.0.0', 'nightly'])
    // The hold is still there, and has nothing to say of what comes next.
    expect(await stage.memoryOf('redeploy-hook').list('hold/')).toHaveLength(1)
    await deployNew('1.0.2')
  })

  it('is kept by the history of another workload, on which it ran well', async () => {
    stage.deploy('other', image('team/web', '1.0.1'))
    stage.wait(minuteMs)
    stage.deploy('other', image('team/web', '1.0.0'))
    stage.wait(minuteMs)
    for (const _ of [1, 2, 3]) {
      stage.wait(dayMs)
      await stage.run('image-cleaner')
    }
    expect(stage.tags('team/web')).toContain('1.0.1')
  })

  it('of a tag that stands for something else by now lets the tag be kept by the history', async () => {
    stage.push('team/web', '1.0.1', 0, { content: 'mended' })
    pushNightly()
    for (const _ of [1, 2, 3]) {
      stage.wait(dayMs)
      await stage.run('image-cleaner')
    }
    expect(stage.tags('team/web')).toContain('1.0.1')
  })
})

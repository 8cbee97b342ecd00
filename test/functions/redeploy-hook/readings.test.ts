import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { cronJob, deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { interfering } from '../image-cleaner/interfering.ts'
import {
  clusterA,
  clusterB,
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
  put()
})

afterEach(async () => {
  await stage.close()
})

function put(tag = '1.0.0', more: object = {}): void {
  stage.put(deployment({ namespace: 'prod', name: 'web', image: image('team/web', tag), replicas: 2, ...more }))
  stage.settle(30_000)
}

function settingsWith(more: Partial<RuleInput> = {}, others: Partial<SettingsInput> = {}): SettingsInput {
  return { rules: [webRule(more)], ...others }
}

async function pushNew(settings: SettingsInput, tag = '1.0.1', options = {}) {
  stage.push('team/web', tag, 0)
  return await stage.pushed(settings, [hint(tag)], options)
}

const both = settingsWith({ targets: [{ namespace: 'prod', kind: 'Deployment', name: 'web' }] })

/** The sandbox's answer to a path, changed. */
function answering(pathIncludes: string, change: (value: never) => unknown) {
  return interfering(stage.cloud, {
    answer: ({ request }, answer) => {
      if (request.Method !== 'GET' || !String(request.Path).includes(pathIncludes)) return answer
      const body = (answer as { ResponseBody: string }).ResponseBody
      return { ...answer, ResponseBody: JSON.stringify(change(JSON.parse(body) as never)) }
    },
  })
}

describe('what cannot be read', () => {
  it('of one cluster is said about it, and the other one gets its image', async () => {
    put()
    stage.put(deployment({ namespace: 'prod', name: 'web', image: image('team/web', '1.0.0') }), clusterB)
    await stage.tick(both)
    for (const body of [
      '',
      '<html>504</html>',
      '{"kind":"Deployment","metadata":{}}',
      '{"kind":"Status","code":401,"reason":"Unauthorized"}',
    ]) {
      stage.faults.add({ fault: { kind: 'forward-body', body }, match: { clusterId: clusterA } })
      const report = await stage.pushed(both, [hint('1.0.0')])
      expect(saying(report, 'Held')).toHaveLength(1)
      expect(report.decisions.find(({ outcome }) => outcome === 'Held')?.target).toContain(clusterA)
      expect(report.failure).toBeUndefined()
      stage.faults.clear()
    }
  })

  it.each<[string, (rows: object[]) => unknown, string]>([
    ['has no time', ([row]) => [{ ...row, PushTime: null }], 'which is no time'],
    ['has a time without sense', ([row]) => [{ ...row, PushTime: '2026-02-31 25:00:00' }], 'which is no time'],
    ['has no content', ([row]) => [{ ...row, TagId: '' }], 'has no TagId'],
    ['has a name that is none', ([row]) => [{ ...row, TagName: '../../x' }], 'has a name that no tag can have'],
    ['is no tag at all', () => [null], 'has a name that no tag can have'],
  ])('of a repository because a tag %s keeps its images where they are', async (_, garble, says) => {
    const cloud = interfering(stage.cloud, {
      answer: ({ action }, answer) => {
        if (action !== 'DescribeImagePersonal') return answer
        const { Data } = answer as { Data: { TagInfo: object[] } }
        return { ...answer, Data: { ...Data, TagCount: 1, TagInfo: garble(Data.TagInfo) } }
      },
    })
    const report = await stage.pushed(settingsWith(), [hint('1.0.0')], { cloud })
    expect(report.failure).toBeUndefined()
    expect(sentence(report, 'registry-unreadable')).toContain(says)
  })

  it('does not look like a workload is said, and nothing is written', async () => {
    const cloud = answering('/deployments/web', ({ spec: _, ...object }: { spec: unknown }) => object)
    expect(sentence(await pushNew(settingsWith(), '1.0.1', { cloud }), 'workload-unreadable')).toContain('does not look like a Deployment')
    expect(stage.patches()).toEqual([])
  })

  it('is not there is said, and so is a container that is not', async () => {
    const target = { cluster: clusterA, namespace: 'prod', kind: 'Deployment' }
    expect(sentence(await pushNew(settingsWith({ targets: [{ ...target, name: 'gone' }] })), 'workload-missing')).toContain(
      'there is no Deployment gone',
    )
    const missing = settingsWith({ targets: [{ ...target, name: 'web', container: 'sidecar' }] })
    expect(sentence(await stage.pushed(missing, [hint('1.0.1')]), 'container-missing')).toContain('no container sidecar')
  })

  it.each(['/nodes', '/serviceaccounts/'])('of %s because it is forbidden costs a warning and no deployment', async (pathIncludes) => {
    stage.faults.add({ fault: { kind: 'rbac-403' }, match: { pathIncludes } })
    expect(saying(await pushNew(settingsWith()), 'Applied', 'Held', 'Failed')).toEqual(['Applied newer-push'])
  })
})

describe('what would keep an image from running is said before anything is changed:', () => {
  it('that nobody has a pull secret', async () => {
    const settings = settingsWith({}, { pullSecrets: 'required' })
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'prod' } }
    stage.put(account)
    expect(sentence(await pushNew(settings), 'pull-secret-missing')).toContain('neither the pod template nor its service account')
    expect(stage.patches()).toEqual([])
    stage.put({ ...account, imagePullSecrets: [{ name: 'registry' }] })
    // It is remembered for an hour that the account has none.
    stage.settle(61 * 60_000)
    expect(saying(await stage.pushed(settings, [hint('1.0.1')]), 'Applied')).toEqual(['Applied newer-push'])
  })

  it('that nodes which its pods may run on are of another architecture, and only those count', async () => {
    const arm = answering('/nodes', (list: { items: { metadata: { name: string; labels: object }; status: { nodeInfo: object } }[] }) => ({
      ...list,
      items: list.items.flatMap((node) => [
        node,
        {
          ...node,
          metadata: { ...node.metadata, name: `${node.metadata.name}-arm`, labels: { pool: 'arm' } },
          status: { ...node.status, nodeInfo: { ...node.status.nodeInfo, architecture: 'arm64' } },
        },
      ]),
    }))
    const report = await pushNew(settingsWith(), '1.0.1', { cloud: arm })
    expect(sentence(report, 'architecture-missing')).toContain('is not built for arm64')
    expect(stage.patches()).toEqual([])
    // One that may run on the other nodes only is none of that.
    const object = JSON.parse(JSON.stringify(stage.object('web')))
    object.spec.template.spec.nodeSelector = { 'kubernetes.io/arch': 'amd64' }
    stage.put(object)
    stage.settle(61 * 60_000)
    expect(saying(await stage.pushed(settingsWith(), [hint('1.0.1')], { cloud: arm }), 'Applied')).toEqual(['Applied newer-push'])
  })

  it('but nothing of an image whose architecture the registry names in a word that nobody knows', async () => {
    stage.push('team/web', '1.0.1', 0, { architecture: 'multi' })
    expect(saying(await stage.pushed(settingsWith(), [hint('1.0.1')]), 'Applied')).toEqual(['Applied newer-push'])
  })
})

describe('a tag that was pushed again after the pods came up', () => {
  const settings = settingsWith({ tags: { list: ['stable'] }, ifNotPresent: 'roll' })

  async function moved(): Promise<string> {
    stage.push('team/web', 'stable', 9, { content: 'one' })
    put('stable')
    const before = stage.repository('team/web').tags.stable?.content.digest ?? ''
    stage.settle(60_000)
    stage.push('team/web', 'stable', 0, { content: 'two' })
    return before
  }

  /** Pods that report this as what they run. */
  const reporting = (imageId: string) =>
    answering('/pods', (list: { items: { status: { containerStatuses?: object[] } }[] }) => ({
      ...list,
      items: list.items.map((pod) => ({
        ...pod,
        status: { ...pod.status, containerStatuses: (pod.status.containerStatuses ?? []).map((one) => ({ ...one, imageID: imageId })) },
      })),
    }))

  it('is told apart by what the pods report, and the way back leads to that', async () => {
    const before = await moved()
    const report = await stage.tick(settings, {
      cloud: reporting(`docker-pullable://${image('team/web', 'stable').replace(/:[^:]*$/, '')}@${before}`),
    })
    expect(saying(report, 'Applied')).toEqual(['Applied newer-push'])
    expect(JSON.stringify(stage.object('web'))).toContain(before)
  })

  it('is there already where the pods report the new content', async () => {
    await moved()
    const content = stage.repository('team/web').tags.stable?.content.digest ?? ''
    const report = await stage.tick(settings, { cloud: reporting(`ccr.ccs.tencentyun.com/team/web@${content}`) })
    expect(saying(report, 'Applied')).toEqual([])
    expect(stage.patches()).toEqual([])
  })

  it('is not taken for the id that a node gives an image', async () => {
    await moved()
    const report = await stage.tick(settings, { cloud: reporting(`docker://sha256:${'7'.repeat(64)}`) })
    expect(saying(report, 'Applied')).toEqual(['Applied newer-push'])
    // What runs is not known, so there is no way back that would lead to something that never was in the registry.
    expect(JSON.stringify(stage.object('web'))).not.toContain('7777')
  })
})

it('what crash-loops while it soaks is put back, and held', async () => {
  const settings = settingsWith({ rollout: { soak: '30m' } })
  await stage.tick(settings)
  await pushNew(settings)
  stage.settle(60_000)
  expect(saying(await stage.tick(settings), 'Applied')).toEqual(['Applied rollout-complete'])
  stage.settle(60_000)
  const { status } = stage.object('web') as { status: object }
  const object = { ...stage.object('web'), status: { ...status, availableReplicas: 1, readyReplicas: 1, unavailableReplicas: 1 } }
  const crashing = interfering(stage.cloud, {
    answer: ({ request }, answer) => {
      if (request.Method !== 'GET') return answer
      const path = String(request.Path)
      const list = JSON.parse((answer as { ResponseBody: string }).ResponseBody) as { items: { status: { containerStatuses: object[] } }[] }
      if (path.includes('/deployments/web')) return { ...answer, ResponseBody: JSON.stringify(object) }
      if (!path.includes('/pods')) return answer
      const items = list.items.map((pod) => ({
        ...pod,
        status: {
          ...pod.status,
          containerStatuses: pod.status.containerStatuses.map((one) => ({
            ...one,
            restartCount: 5,
            state: { waiting: { reason: 'CrashLoopBackOff' } },
          })),
        },
      }))
      return { ...answer, ResponseBody: JSON.stringify({ ...list, items }) }
    },
  })
  const report = await stage.pushed(settings, [hint('1.0.1')], { cloud: crashing })
  expect(sentence(report, 'rollout-failed')).toContain('CrashLoopBackOff after 5 restarts')
  expect(saying(report, 'Applied')).toEqual(['Applied rollout-failed'])
  expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
})

it('many CronJobs of a cluster cost one question how it serves them', async () => {
  const names = Array.from({ length: 8 }, (_, index) => `job-${index}`)
  for (const name of names)
    stage.put(cronJob('batch/v1beta1', { namespace: 'prod', name, image: image('team/web', '1.0.0'), schedule: '0 3 1 1 *' }))
  const settings = settingsWith({ targets: names.map((name) => ({ cluster: clusterA, namespace: 'prod', kind: 'CronJob', name })) })
  const since = stage.journal.length
  await stage.tick(settings)
  expect(stage.calls(since).filter((call) => call === 'GET /apis')).toHaveLength(1)
})

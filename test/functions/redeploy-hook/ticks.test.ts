import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { planRelease } from '#functions/redeploy-hook/approvals.ts'
import { definition, lookAtPush } from '#functions/redeploy-hook/definition.ts'
import { lastLook, pendingRepositories } from '#functions/redeploy-hook/look-memory.ts'
import { parseRecord, recordAnnotation } from '#functions/redeploy-hook/record.ts'
import { handleKubernetes } from '#infra/sandbox/kubernetes/api.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { parseCron } from '#shared/pure/cron.ts'
import { functionConfig } from '#shared/runtime/config.ts'
import type { FreezeWindow } from '#shared/safety/freeze-window.ts'
import { defaultGuardSettings } from '#shared/safety/guard-settings.ts'
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
  stage.put(deployment({ namespace: 'prod', name: 'web', image: image('team/web', '1.0.0'), replicas: 2 }))
  stage.settle(30_000)
})

afterEach(async () => {
  await stage.close()
})

const rules: SettingsInput = { rules: [webRule()] }
const path = '/apis/apps/v1/namespaces/prod/deployments/web'

function apiRule(more: Partial<RuleInput> = {}): RuleInput {
  return webRule({
    name: 'api',
    repository: 'team/api',
    targets: [{ cluster: clusterA, namespace: 'prod', kind: 'Deployment', name: 'api' }],
    ...more,
  })
}

function putApi(): void {
  stage.push('team/api', '1.0.0', 10)
  stage.put(deployment({ namespace: 'prod', name: 'api', image: image('team/api', '1.0.0') }))
  stage.settle(30_000)
}

/** Calls of one tick. */
async function callsOf(settings: SettingsInput, options = {}): Promise<readonly string[]> {
  const since = stage.journal.length
  await stage.tick(settings, options)
  return stage.calls(since)
}

const repositoryCalls = (calls: readonly string[]) => calls.filter((call) => call === 'DescribeImagePersonal').length
const clusterCalls = (calls: readonly string[]) => calls.filter((call) => call.startsWith('GET'))
const recordOf = (name = 'web', place = {}) => {
  const { metadata } = stage.object(name, place) as { metadata: { annotations?: Record<string, string> } }
  return parseRecord(metadata.annotations?.[recordAnnotation]).containers[name]
}

describe('a tick', () => {
  it('looks at everything once in reconcileEvery, at repositories as often as the poll says, and at nothing else', async () => {
    const settings: SettingsInput = { ...rules, poll: { every: '5m' }, reconcileEvery: '30m' }
    expect(await callsOf(settings)).toContain(`GET ${path}`)
    const calls: string[] = []
    for (let minute = 1; minute <= 30; minute += 1) {
      stage.pass(60_000)
      const made = await callsOf(settings)
      calls.push(made.length === 0 ? '-' : made.includes(`GET ${path}`) ? 'all' : made.join(' '))
    }
    const poll = 'DescribeImagePersonal'
    expect(calls.filter((call) => call === poll)).toHaveLength(5)
    expect(calls.map((call, index) => (call === '-' ? 0 : index + 1)).filter((minute) => minute > 0)).toEqual([5, 10, 15, 20, 25, 30])
    expect(calls.at(-1)).toBe('all')
  })

  it('without a poll finds what nobody told of within reconcileEvery', async () => {
    const settings: SettingsInput = { ...rules, poll: false, reconcileEvery: '10m' }
    await stage.tick(settings)
    stage.push('team/web', '1.0.1', 0)
    const minutes: number[] = []
    for (let minute = 1; minute <= 12; minute += 1) {
      stage.pass(60_000)
      if (saying(await stage.tick(settings), 'Applied').includes('Applied newer-push')) minutes.push(minute)
    }
    expect(minutes).toEqual([10])
  })

  it('looks again every ten seconds at what rolls, and only at that', async () => {
    putApi()
    const settings = { rules: [webRule(), apiRule()], poll: { every: '1h' } } satisfies SettingsInput
    await stage.tick(settings)
    stage.push('team/web', '1.0.1', 0)
    await stage.pushed(settings, [hint('1.0.1')])
    const { observed } = await stage.plan(settings)
    const config = await functionConfig(await stage.config(settings), definition)
    const now = stage.now()
    expect(definition.ahead?.(observed, config, now, now + 59_999)).toEqual([now + 10_000])
    expect(lookAtPush([]).ahead).toBeUndefined()
    stage.pass(9_000)
    expect(await callsOf(settings)).toEqual([])
    stage.pass(1_000)
    const calls = await callsOf(settings)
    expect(repositoryCalls(calls)).toBe(1)
    expect(clusterCalls(calls).some((call) => call.includes('/deployments/web'))).toBe(true)
    expect(clusterCalls(calls).some((call) => call.includes('/deployments/api'))).toBe(false)
    stage.settle(60_000)
    await stage.tick(settings)
    stage.settle(60_000)
    await stage.tick(settings)
    stage.settle(60_000)
    expect(await callsOf(settings)).toEqual([])
  })

  it('lets the next ring begin when the soak time of the one before is over, though nothing else happens', async () => {
    stage.put(deployment({ namespace: 'prod', name: 'web', image: image('team/web', '1.0.0') }), clusterB)
    const settings: SettingsInput = {
      poll: false,
      reconcileEvery: '24h',
      rules: [
        webRule({
          targets: [{ namespace: 'prod', kind: 'Deployment', name: 'web' }],
          rings: [
            { name: 'first', clusters: [clusterA], soak: '10m' },
            { name: 'second', clusters: [clusterB] },
          ],
        }),
      ],
    }
    await stage.tick(settings)
    stage.push('team/web', '1.0.1', 0)
    await stage.pushed(settings, [hint('1.0.1')])
    let minute = 0
    while (stage.imageOf('web', { cluster: clusterB }) !== image('team/web', '1.0.1') && minute < 30) {
      minute += 1
      stage.settle(60_000)
      await stage.tick(settings)
    }
    const doneMs = recordOf()?.set?.doneMs ?? 0
    expect(stage.now() - doneMs).toBe(600_000)
  })

  it('does what a freeze window held, when it is over', async () => {
    const schedule = parseCron('0 0 19 * * *')
    if (!schedule.ok) throw new Error('it is a schedule')
    const sale: FreezeWindow = { name: 'sale', kind: 'deny', schedule: schedule.value, durationMs: 20 * 60_000, timeZone: 'UTC' }
    const endMs = Date.parse('2026-11-23T19:20:00Z')
    const guard = { ...defaultGuardSettings, freeze: [sale] }
    const settings: SettingsInput = { ...rules, poll: false, reconcileEvery: '24h' }
    await stage.tick(settings)
    stage.push('team/web', '1.0.1', 0)
    expect(saying(await stage.pushed(settings, [hint('1.0.1')], { guard }), 'Held', 'Applied')).toEqual(['Held guard.freeze-window'])
    let doneMs: number | undefined
    for (let minute = 1; minute <= 25 && doneMs === undefined; minute += 1) {
      stage.settle(60_000)
      if (saying(await stage.tick(settings, { guard }), 'Applied').length > 0) doneMs = stage.now()
    }
    expect(doneMs).toBeGreaterThanOrEqual(endMs)
    expect(doneMs).toBeLessThan(endMs + 60_000)
  })

  it('goes on when the clock is set back', async () => {
    await stage.tick(rules)
    stage.push('team/web', '1.0.1', 0)
    await stage.pushed(rules, [hint('1.0.1')])
    stage.settle(60_000)
    stage.pass(-5 * 3_600_000)
    await stage.tick(rules)
    expect(recordOf()?.set?.state).toBe('done')
    stage.push('team/web', '1.0.2', 0)
    stage.pass(60_000)
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.1'))
    expect(await callsOf(rules)).toContain('DescribeImagePersonal')
  })
})

describe('what is remembered', () => {
  /** A rollout with a failure and a release, with something done to the memory before every run. */
  async function story(before: () => Promise<void>): Promise<unknown> {
    const step = async (work: () => Promise<unknown>) => {
      await before()
      await work()
      stage.settle(60_000)
    }
    await step(() => stage.tick(rules))
    stage.push('team/web', '1.0.1', 0)
    await step(() => stage.pushed(rules, [hint('1.0.1')]))
    await step(() => stage.tick(rules))
    const repository = stage.repository('team/web')
    stage.push('team/web', '1.0.2', 0)
    const { '1.0.2': bad } = repository.tags
    await step(async () => {
      await stage.tick(rules)
      delete repository.tags['1.0.2']
    })
    if (bad !== undefined) repository.tags['1.0.2'] = bad
    for (let look = 0; look < 3; look += 1) await step(() => stage.tick(rules))
    stage.push('team/web', '1.0.3', 0)
    for (let look = 0; look < 3; look += 1) await step(() => stage.tick(rules))
    const { set, bad: contents, mark } = recordOf() ?? {}
    return { image: stage.imageOf('web'), state: set?.state, bad: contents?.map(({ content }) => content), mark: mark?.tag }
  }

  async function wipe(): Promise<void> {
    const memory = stage.memory()
    for (const { key } of await memory.list('')) await memory.delete(key)
  }

  it.each<[string, () => Promise<void>]>([
    ['nothing happens to it', async () => await Promise.resolve()],
    ['it is lost', wipe],
    [
      'it is garbage',
      async () => {
        const memory = stage.memory()
        for (const value of ['look', 'pending/team%2Fweb', 'seen/team%2Fweb', `cluster/${clusterA}`, 'hold/x/y'])
          await memory.put(value, { format: 1, tags: 'many', atMs: 'soon', fullMs: {}, parts: 3, stamp: 7 })
      },
    ],
  ])('changes nothing of the end when %s before every run', async (_, before) => {
    expect(await story(before)).toEqual({
      image: image('team/web', '1.0.3'),
      state: 'done',
      bad: [expect.stringMatching(/^sha256:/)],
      mark: '1.0.3',
    })
  })

  it('of a webhook that deploys while a tick is looking is not struck off by that tick', async () => {
    await stage.tick(rules)
    await stage.memory().put('pending/team%2Fweb', { format: 1, repository: 'team/web', atMs: stage.now() })
    let isNested = false
    const cloud: typeof stage.cloud = {
      ...stage.cloud,
      send: async (action, request, options) => {
        const answer = await stage.cloud.send(action, request, options)
        if ('Method' in request && !isNested) {
          // The tick has read repository and workload as they were before.
          isNested = true
          stage.push('team/web', '1.0.1', 0)
          await stage.pushed(rules, [hint('1.0.1')])
        }
        return answer
      },
    }
    const settings: SettingsInput = { ...rules, poll: false }
    await stage.tick(settings, { cloud })
    expect(isNested).toBe(true)
    expect(await pendingRepositories.recall(stage.memory())).toEqual(new Map([['team/web', stage.now() + 10_000]]))
  })

  it('of a repository with 10,000 tags fits, and tells what is pushed to it', async () => {
    const { tags } = stage.repository('team/web')
    const [first] = Object.values(tags)
    if (first === undefined) throw new Error('there is no tag')
    for (let number = 1; number <= 10_000; number += 1) tags[`0.${number}.0-${'x'.repeat(40)}`] = { ...first }
    await stage.tick(rules)
    stage.settle(60_000)
    expect(await callsOf(rules)).not.toContain(`GET ${path}`)
    stage.push('team/web', '1.0.1', 0)
    stage.settle(60_000)
    expect(saying(await stage.tick(rules), 'Applied')).toEqual(['Applied newer-push'])
    const parts = await stage.memory().list('seen-part/')
    // Parts of an earlier state are gone.
    expect(new Set(parts.map(({ key }) => key.split('/')[2])).size).toBe(1)
  })

  it('of a cluster of 2,000 nodes fits', async () => {
    const state = stage.world.kubernetes[clusterA]
    const nodes = Object.values(state?.objects['/nodes'] ?? {})
    expect(nodes.length).toBeGreaterThan(0)
    const [node] = nodes
    if (node === undefined) throw new Error('there is no node')
    for (let number = 0; number < 2000; number += 1) {
      const name = `node-${number}`
      stage.put({
        ...structuredClone(node),
        metadata: { ...node.metadata, name, labels: { ...node.metadata.labels, 'team/rack': `rack-${number}` } },
      } as never)
    }
    await stage.tick(rules)
    stage.settle(60_000)
    expect(await callsOf(rules)).toEqual(['DescribeImagePersonal'])
  })

  it('of what failed is forgotten when somebody releases it', async () => {
    await stage.tick(rules)
    stage.push('team/web', '1.0.1', 0)
    await stage.pushed(rules, [hint('1.0.1')])
    const repository = stage.repository('team/web')
    const { '1.0.1': gone } = repository.tags
    delete repository.tags['1.0.1']
    stage.settle(60_000)
    if (gone !== undefined) repository.tags['1.0.1'] = gone
    await stage.tick(rules)
    stage.settle(60_000)
    await stage.tick(rules)
    const content = recordOf()?.bad?.[0]?.content ?? ''
    const holds = await stage.memory().list('hold/')
    expect(holds).toHaveLength(1)
    const { observed } = await stage.plan(rules)
    await stage.steps(rules, planRelease(observed.workloads, 'team/web', content))
    expect(await stage.memory().list('hold/')).toEqual([])
    // A tick that was looking at that moment writes down what it had seen before.
    for (const { key, value } of holds) await stage.memory().put(key, value)
    expect(saying(await stage.tick(rules), 'Applied')).toEqual(['Applied released'])
  })

  it('of what failed holds it in other clusters, also when the workload where it failed is gone', async () => {
    const settings: SettingsInput = { rules: [webRule({ targets: [{ namespace: 'prod', kind: 'Deployment', name: 'web' }] })] }
    await stage.tick(settings)
    stage.push('team/web', '1.0.1', 0)
    await stage.pushed(settings, [hint('1.0.1')])
    const repository = stage.repository('team/web')
    const { '1.0.1': gone } = repository.tags
    delete repository.tags['1.0.1']
    stage.settle(60_000)
    if (gone !== undefined) repository.tags['1.0.1'] = gone
    for (let look = 0; look < 2; look += 1) {
      await stage.tick(settings)
      stage.settle(60_000)
    }
    const state = stage.world.kubernetes[clusterA]
    if (state === undefined) throw new Error('there is no cluster')
    handleKubernetes(state, { method: 'DELETE', path }, { now: stage.now(), random: () => 0.5 } as never)
    stage.put(deployment({ namespace: 'prod', name: 'web', image: image('team/web', '1.0.0') }), clusterB)
    expect(sentence(await stage.pushed(settings, [hint('1.0.1')]), 'workload-missing')).toContain(clusterA)
    expect(stage.imageOf('web', { cluster: clusterB })).toBe(image('team/web', '1.0.0'))
  })
})

describe('rules for repositories by a pattern', () => {
  it('read those that their workloads run, and no list of all that the registry has', async () => {
    putApi()
    for (let number = 0; number < 20; number += 1) stage.push(`team/other${number}`, '1.0.0', 3)
    const { repository: _, ...rule } = webRule()
    const settings = {
      rules: [
        {
          ...rule,
          repositories: ['team/*'],
          targets: ['web', 'api'].map((name) => ({ cluster: clusterA, namespace: 'prod', kind: 'Deployment', name })),
        } as RuleInput,
      ],
    }
    const first = await callsOf(settings)
    expect(repositoryCalls(first)).toBe(2)
    expect(first).not.toContain('DescribeRepositoryOwnerPersonal')
    stage.settle(60_000)
    stage.push('team/api', '1.0.1', 0)
    expect(saying(await stage.tick(settings), 'Applied')).toEqual(['Applied newer-push'])
    expect(stage.imageOf('api')).toBe(image('team/api', '1.0.1'))
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.0'))
  })

  it('are looked at again soon where a cluster could not be read', async () => {
    const { repository: _, ...rule } = webRule()
    const settings: SettingsInput = { rules: [{ ...rule, repositories: ['team/*'] } as RuleInput] }
    stage.faults.add({ fault: { kind: 'rbac-403' }, match: { clusterId: clusterA } })
    expect(saying(await stage.tick(settings), 'Held')).toEqual(['Held cluster-unreadable'])
    stage.faults.clear()
    stage.push('team/web', '1.0.1', 0)
    for (let minute = 0; minute < 5; minute += 1) {
      stage.settle(60_000)
      await stage.tick(settings)
    }
    expect(stage.imageOf('web')).toBe(image('team/web', '1.0.1'))
  })
})

it('a registry that cannot be read is looked at again each minute, and what was pushed meanwhile is deployed then', async () => {
  const settings: SettingsInput = { ...rules, poll: false, reconcileEvery: '24h' }
  await stage.tick(settings)
  stage.push('team/web', '1.0.1', 0)
  stage.faults.add({ fault: { kind: '5xx', status: 503, when: 'before' }, match: { action: 'DescribeImagePersonal' } })
  expect(sentence(await stage.pushed(settings, [hint('1.0.1')]), 'registry-unreadable')).toContain('team/web cannot be read')
  stage.settle(60_000)
  expect(saying(await stage.tick(settings), 'Held')).toEqual(['Held registry-unreadable'])
  stage.faults.clear()
  stage.settle(60_000)
  expect(saying(await stage.tick(settings), 'Applied')).toEqual(['Applied newer-push'])
})

it('a look at everything that somebody’s own step asks for is not lost to a tick that is looking at that moment', async () => {
  const settings: SettingsInput = { rules: [webRule({ approval: true })], reconcileEvery: '24h' }
  stage.push('team/web', '1.0.1', 0)
  for (let tick = 0; tick < 2; tick += 1) {
    let isAsked = false
    const cloud: typeof stage.cloud = {
      ...stage.cloud,
      send: async (action, request, options) => {
        const answer = await stage.cloud.send(action, request, options)
        if (!isAsked) {
          isAsked = true
          await lastLook.forget(stage.memory())
        }
        return answer
      },
    }
    await stage.tick(settings, { cloud })
    expect(isAsked).toBe(true)
    stage.pass(10_000)
    expect(await callsOf(settings)).toContain(`GET ${path}`)
    stage.pass(60_000)
  }
})

it('an agreement, a release or an undo lets the next tick look at everything', async () => {
  const settings: SettingsInput = { rules: [webRule({ approval: true })], poll: false, reconcileEvery: '24h' }
  await stage.tick(settings)
  stage.push('team/web', '1.0.1', 0)
  await stage.pushed(settings, [hint('1.0.1')])
  stage.settle(60_000)
  expect(await callsOf(settings)).toEqual([])
  await stage.approve(settings, 'on call')
  expect(saying(await stage.tick(settings), 'Applied')).toEqual(['Applied newer-push'])
})

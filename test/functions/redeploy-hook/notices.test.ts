import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#cloud/clock.ts'
import { deployTokens } from '#functions/redeploy-hook/approval-token.ts'
import type { RedeployConfig } from '#functions/redeploy-hook/event.ts'
import { handler } from '#functions/redeploy-hook/handler.ts'
import type { HookEvent } from '#functions/redeploy-hook/hook-event.ts'
import { notices } from '#functions/redeploy-hook/notices.ts'
import type { Seen } from '#functions/redeploy-hook/observe.ts'
import { type Observed, plan } from '#functions/redeploy-hook/plan.ts'
import { parseRecord } from '#functions/redeploy-hook/record.ts'
import { createHookRunner } from '#infra/local/hook-runner.ts'
import { localHooks } from '#infra/local/local-hooks.ts'
import { emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import type { Decision, Outcome } from '#shared/pure/step.ts'
import type { Mode } from '#shared/runtime/definition.ts'
import { silentLog } from '#shared/runtime/log.ts'
import type { Notice } from '#shared/runtime/notify/notice.ts'
import type { NotifyPort } from '#shared/runtime/notify/notify-port.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { createResolver, SecretUnavailableError } from '#shared/runtime/reference.ts'
import { countOutcomes } from '#shared/runtime/report.ts'
import { memoryKernel } from '../../shared/runtime/memory-kernel.ts'
import { notifyStage, settingOf } from '../../shared/runtime/notify/notify-stage.ts'
import { configWith, secrets, senders } from './hook-stage.ts'
import {
  afterPlan,
  complete,
  config,
  container,
  digest,
  failed,
  host,
  minute,
  noon,
  observed,
  repository,
  rule,
  tag,
  webRef,
  withRollout,
  workload,
} from './small-world.ts'
import { clusterA, image, openLocalStage, type Stage, webRule } from './stage.ts'

const web = (name: string): string => `${host}/team/web:${name}`
const pushed = [tag('1.0.0', 'a', -120), tag('1.0.1', 'b', -1)]
const approval = { secret: 'env:APPROVAL_SECRET', baseUrl: 'https://hooks.example.com', expires: '24h' }
const secret = 'a-secret-of-at-least-24-letters'

interface Told {
  readonly mode?: Mode
  /** What becomes of changes. */
  readonly outcome?: Outcome
  readonly read?: (reference: string) => Promise<string>
}

/** What people hear of a look at this world. */
async function told(world: Observed, settings: RedeployConfig, now: number, options: Told = {}): Promise<readonly Notice[]> {
  const { mode = 'enforce', outcome = 'Applied', read = () => Promise.resolve(secret) } = options
  const outcomes = { 'no-change': 'NoChange', skipped: 'Skipped', missed: 'Missed', held: 'Held', invalid: 'Invalid' } as const
  const decisions = plan(world, settings, now).map((step): Decision => {
    const { key, target, before, after, reason, verdict } = step
    const own = { function: 'redeploy-hook' as const, key, target, before, after }
    if (verdict !== 'change') return { ...own, reason, outcome: outcomes[verdict] }
    return { ...own, outcome, reason: outcome === 'Applied' ? reason : { code: 'kube.unavailable', text: 'the API is away' } }
  })
  const report = {
    function: 'redeploy-hook' as const,
    runId: 'run',
    mode,
    trigger: { kind: 'local' as const },
    scheduledAt: now,
    now,
    decisions,
    counts: countOutcomes(decisions),
    planDigest: '',
  }
  const observedNow: Seen = { ...world, tags: [], facts: [], due: [] }
  return await notices({ report, observed: observedNow, config: { ...settings, mode, region: 'ap-guangzhou' }, now, secret: read })
}

const titles = (list: readonly Notice[]): readonly string[] => list.map(({ severity, title }) => `${severity}: ${title}`)
const target = 'cls-1/default/Deployment/web'

describe('people hear', () => {
  const start = observed(pushed, [workload(web('1.0.0'))])

  it('of a rollout that failed and was put back, as critical, once for each', async () => {
    const rolling = withRollout(afterPlan(start, config(), noon).world, failed)
    const [first, ...others] = await told(rolling, config(), noon + minute)
    expect(others).toEqual([])
    expect(first).toMatchObject({ severity: 'critical', title: `${target} failed to roll out` })
    expect(first?.lines.join(' ')).toMatch(/ImagePullBackOff.*put back.*1\.0\.1 -> .*1\.0\.0/)
    const after = withRollout(afterPlan(rolling, config(), noon + minute).world, complete)
    const again = await told({ ...after, repositories: [repository([...pushed, tag('1.0.2', 'c', 5)])] }, config(), noon + 6 * minute)
    expect(again).toEqual([])
  })

  it('of one that could not be put back, as critical, too', async () => {
    const rolling = withRollout(afterPlan(start, config(), noon).world, failed)
    const found = await told(rolling, config(), noon + minute, { outcome: 'Failed' })
    expect(titles(found)).toContain(`critical: ${target} fails to roll out, and that could not be put right yet`)
  })

  it('nothing of what goes as it should: a rollout, a ring that waits, one that soaks', async () => {
    const rings = [
      { name: 'canary', clusters: ['one'], soak: '10m' },
      { name: 'rest', clusters: ['two'] },
    ]
    const settings = config([rule({ targets: [{ kind: 'Deployment', name: 'web' }], rings })])
    const two = [workload(web('1.0.0')), workload(web('1.0.0'), { ref: { ...webRef, cluster: 'cls-2' }, uid: 'two' })]
    const world = observed(pushed, two)
    expect(await told(world, settings, noon)).toEqual([])
    const first = withRollout(afterPlan(world, settings, noon).world, complete)
    expect(await told(first, settings, noon + minute)).toEqual([])
    expect(await told(afterPlan(first, settings, noon + minute).world, settings, noon + 2 * minute)).toEqual([])
  })

  it('of a record that cannot be read, and of rules that contradict each other', async () => {
    const garbled = observed(pushed, [workload(web('1.0.0'), { record: parseRecord('{"app"') })])
    expect(titles(await told(garbled, config(), noon))).toEqual([`warning: ${target} is left alone: nobody can read what was done to it`])
    const two = config([rule(), rule({ name: 'other' })])
    expect(titles(await told(start, two, noon))).toEqual([`warning: ${target} gets nothing: more than one rule is for it`])
  })

  it('of a trigger of the registry that deploys the same', async () => {
    const facts = {
      name: 'own',
      repository: 'team/web',
      invokeMethod: 'all' as const,
      expression: '',
      cluster: 'cls-1',
      namespace: 'default',
      workload: 'web',
      container: 'app',
      regionId: 1,
    }
    const triggers = { triggers: [{ facts: facts as never, kinds: ['Deployment' as const] }], log: [] }
    const current = observed([tag('1.0.0', 'a', -120)], [workload(web('1.0.0'))], { triggers })
    expect(titles(await told(current, config(), noon))).toEqual([
      expect.stringMatching(/^warning: .*own.* deploys what a rule deploys, too$/),
    ])
  })

  it('once of a cluster and of a repository that cannot be read, whatever is in it and whatever the error says this time', async () => {
    const unread = (name: string, text: string) => ({
      ref: { ...webRef, name },
      problem: { code: 'cluster-unreadable' as const, text },
    })
    const settings = config([rule({ targets: ['web', 'api', 'job'].map((name) => ({ kind: 'Deployment', name, cluster: 'cls-1' })) })])
    const at = async (text: string) => {
      const world = observed([], [unread('web', text), unread('api', text), unread('job', text)], {
        repositories: [{ name: 'team/web', tags: [], problem: text }],
      })
      return await told(world, settings, noon)
    }
    const found = await at('away (request 1)')
    expect(titles(found)).toEqual(['warning: cls-1 could not be read', 'warning: the repository team/web could not be read'])
    expect((await at('away (request 2)')).map(({ key }) => key)).toEqual(found.map(({ key }) => key))
  })
})

describe('what waits for somebody to agree', () => {
  const settings = config([rule({ approval: true })], { approval })
  const waiting = observed(pushed, [workload(web('1.0.0'))])

  it('is told with a link that approves this content and no other, and the secret is in no notice', async () => {
    const found = await told(waiting, settings, noon)
    expect(titles(found)).toEqual([`warning: team/web:1.0.1 waits for somebody to agree, on ${target}`])
    const url = found[0]?.links?.[0]?.url ?? ''
    expect(url).toMatch(/^https:\/\/hooks\.example\.com\/hooks\/redeploy-hook\/approve\//)
    expect(deployTokens.verify(url.split('/').at(-1) ?? '', [secret])).toMatchObject({
      ok: true,
      value: { contentId: digest('b'), uid: 'uid-web', container: 'app' },
    })
    expect(JSON.stringify(found)).not.toContain(secret)
  })

  it('is told once for each content: the next minute is the same news, other bits under the same tag are other news', async () => {
    const keyAt = async (world: Observed, now: number) => (await told(world, settings, now)).map(({ key }) => key)
    const first = await keyAt(waiting, noon)
    expect(await keyAt(waiting, noon + 90 * minute)).toEqual(first)
    const other = await keyAt({ ...waiting, repositories: [repository([tag('1.0.0', 'a', -120), tag('1.0.1', 'c', 0)])] }, noon + minute)
    expect(other).toHaveLength(1)
    expect(other).not.toEqual(first)
  })

  it.each([
    ['whose secret cannot be read', settings, { read: () => Promise.reject(new SecretUnavailableError('env:APPROVAL_SECRET: not set')) }],
    ['whose secret is too short', settings, { read: () => Promise.resolve('short') }],
    ['for which nothing is configured', config([rule({ approval: true })]), {}],
    ['where nothing is written', settings, { mode: 'plan' }],
  ] as const)('is told without a link %s, and how else to agree', async (_, own, options) => {
    const [notice, ...others] = await told(waiting, own, noon, options)
    expect(others).toEqual([])
    expect(notice?.links).toBeUndefined()
    expect(notice?.lines.join('\n')).toMatch(/There is no link|Nothing can be agreed to/)
    expect(notice?.lines.join('\n')).toContain(`longshore approve ${target}`)
    // With a link it is other news.
    expect((await told(waiting, settings, noon)).map(({ key }) => key)).not.toContain(notice?.key)
  })

  it('is told for each of several containers', async () => {
    const both = workload(web('1.0.0'), { containers: [container('app', web('1.0.0')), container('side', web('1.0.0'), { index: 1 })] })
    const found = await told(observed(pushed, [both]), settings, noon)
    expect(new Set(found.map(({ key }) => key)).size).toBe(2)
  })
})

describe('a notifier that fails', () => {
  let stage: Stage
  beforeEach(() => {
    stage = openLocalStage()
    stage.push('team/web', '1.0.0', 10)
    stage.push('team/api', '1.0.0', 10)
    for (const name of ['web', 'api'])
      stage.put(deployment({ namespace: 'prod', name, image: image(`team/${name}`, '1.0.0'), replicas: 1 }))
    stage.settle(30_000)
    stage.push('team/web', '1.0.1', 0)
    stage.push('team/api', '1.0.1', 0)
  })
  afterEach(async () => {
    await stage.close()
  })

  const target = (name: string) => ({ cluster: clusterA, namespace: 'prod', kind: 'Deployment' as const, name })
  const rules = [
    webRule({ approval: true, targets: [target('web')] }),
    webRule({ name: 'api', repository: 'team/api', targets: [target('api'), target('gone')] }),
  ]

  /** Two events, of which the first has something to tell, worked on as this machine does it. */
  async function workOff(notify: NotifyPort): Promise<{ readonly worked: object; readonly images: readonly string[] }> {
    const { cloud, disk } = stage
    const now = (): number => stage.now()
    const wholeConfig = configWith({ ...senders, rules }, { mode: 'enforce', clusters: [{ id: clusterA, region: emptyCluster.region }] })
    const { webhook, queue } = handler.handlers
    const redactor = createRedactor()
    const hooks = await localHooks(webhook.definition, queue).open({
      config: wholeConfig,
      cloud,
      kernel: await memoryKernel({ config: wholeConfig, cloud, now, disk }),
      env: secrets,
      redactor,
      resolve: createResolver({ env: secrets }),
      clock: { ...systemClock, now },
      log: silentLog,
      notify,
    })
    for (const name of ['web', 'api']) {
      const repository = `team/${name}`
      const payload: HookEvent = { kind: 'push', repository, hints: [{ source: 'ci', repository, tag: '1.0.1' }] }
      await hooks.inbox.accept({ id: name, source: 'ci', group: 'one', payload, receivedAt: now(), now: now() })
    }
    const runner = createHookRunner({
      functions: [{ name: 'redeploy-hook', hooks }],
      owner: 'test',
      now,
      sleep: async () => undefined,
      signal: new AbortController().signal,
      log: silentLog,
      redact: (text) => redactor.text(text),
      print: () => undefined,
    })
    const worked = await runner.workOff()
    return { worked, images: ['web', 'api'].map((name) => stage.imageOf(name)) }
  }

  const sound = { worked: { tries: 2, failed: 0 }, images: [image('team/web', '1.0.0'), image('team/api', '1.0.1')] }

  it.each([
    ['answers 500', { kind: 'status', status: 500 }],
    ['never answers', { kind: 'silence' }],
  ] as const)('because it %s changes no outcome', async (_, fault) => {
    const { port, bot } = await notifyStage([settingOf('dingtalk')], { env: secrets })
    bot.fail(fault)
    expect(await workOff(port)).toEqual(sound)
    await port.notify([])
    expect(bot.requestCount).toBeGreaterThan(0)
    expect(bot.messages).toEqual([])
  })

  it('holds up no next workload, however long it takes', async () => {
    let asked = 0
    const hanging: NotifyPort = {
      notify: () => {
        asked += 1
        return new Promise(() => undefined)
      },
      secret: () => Promise.resolve(secret),
      close: () => Promise.resolve(),
    }
    expect(await workOff(hanging)).toEqual(sound)
    expect(asked).toBe(2)
  })

  it('and one that does not tells what waits, with its link, and what is missing', async () => {
    const { port, bot } = await notifyStage([settingOf('dingtalk')], { env: secrets })
    expect(await workOff(port)).toEqual(sound)
    await port.notify([])
    const text = bot.messages.map((message) => `${message.title}\n${message.text}`).join('\n')
    expect(text).toContain('team/web:1.0.1 waits for somebody to agree')
    expect(text).toContain('https://hooks.example.com/hooks/redeploy-hook/approve/')
    expect(text).toContain(`${clusterA}/prod/Deployment/gone is held`)
    expect(text).not.toContain(secrets.APPROVAL_SECRET)
  })
})

import { describe, expect, it } from 'vitest'
import type { Action, RequestOf, ResponseOf } from '#cloud/action.ts'
import type { CloudWriter } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { kubeWriter } from '#cloud/kube.ts'
import { type Platform, sandboxPlatform } from '#infra/local/platform.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import { createSizeSampler } from '#infra/status/size-sampler.ts'
import { createStatusFeed } from '#infra/status/status-feed.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { countOutcomes } from '#shared/runtime/report.ts'

const target = 'cls-9f3kq2vd/pay/Deployment/gateway'
const minute = 60_000

async function withStage(work: (stage: Awaited<ReturnType<typeof openStage>>) => Promise<void>): Promise<void> {
  const stage = await openStage()
  try {
    await work(stage)
  } finally {
    await stage.platform.close()
  }
}

async function openStage() {
  const clock = createSandboxClock({ startMs: Date.parse('2026-11-24T08:30:00Z') })
  const platform: Platform = await sandboxPlatform({ cwd: import.meta.dirname, redactor: createRedactor(), sandbox: { port: 0, clock } })
  let reads = 0
  let isDown = false
  let bug: Error | undefined
  let object: object | undefined
  const errors: unknown[] = []
  const send = async <A extends Action>(action: A, request: RequestOf<A>, ...rest: []): Promise<ResponseOf<A>> => {
    expect(action.effect).toBe('read')
    reads += 1
    if (bug !== undefined) throw bug
    if (object !== undefined) return JSON.parse(JSON.stringify({ ResponseBody: JSON.stringify(object), RequestId: 'r' }))
    if (isDown)
      throw new CloudError('the platform is down', {
        kind: 'cloud.unavailable',
        code: 'InternalError',
        retryable: true,
        action: 'tke.ForwardRequest',
      })
    return await platform.cloud.send(action, request, ...rest)
  }
  const cloud: CloudWriter = { send }
  const feed = createStatusFeed()
  const decided = (name: string) => ({
    function: 'cron-scaler',
    key: name,
    target: name,
    before: '',
    after: '',
    outcome: 'NoChange' as const,
    reason: { code: 'kept', text: '' },
  })
  const sampler = createSizeSampler({
    platform: { ...platform, cloud: { ...platform.cloud, ...cloud } },
    feed,
    everyMs: 5 * minute,
    sleep: () => Promise.resolve(),
    onError: (_, error) => errors.push(error),
  })
  return {
    errors,
    clock,
    platform,
    sampler,
    reads: () => reads,
    breakDown: (error: Error) => {
      bug = error
    },
    /** Whatever is read is this from now on. */
    answerWith: (one: object) => {
      object = one
    },
    down: (down: boolean) => {
      isDown = down
    },
    decide: (...targets: string[]) => {
      const decisions = targets.map(decided)
      const now = clock.now()
      const facts = { function: 'cron-scaler', runId: 'r', mode: 'enforce', trigger: { kind: 'local' } } as const
      feed.take({ ...facts, scheduledAt: now, now, decisions, counts: countOutcomes(decisions) })
    },
    scale: async (replicas: number) =>
      await kubeWriter(platform.cloud, 'cls-9f3kq2vd').scale('/apis/apps/v1/namespaces/pay/deployments/gateway', replicas),
  }
}

describe('the sampler', () => {
  it('ends nothing when something is wrong with itself, and says so each time', async () => {
    await withStage(async ({ clock, sampler, errors, breakDown }) => {
      const stop = new AbortController()
      let looks = 0
      breakDown(new TypeError('a bug'))
      const work = async (run: () => Promise<void>): Promise<void> => {
        looks += 1
        clock.move(5 * minute)
        if (looks === 2) stop.abort()
        await run()
      }
      await sampler.keepSampling(stop.signal, work)
      expect(errors.map(String)).toEqual(['TypeError: a bug'])
    })
  })

  it('shows a workload that somebody deleted as gone, and not with the size that it had', async () => {
    await withStage(async ({ clock, platform, sampler, decide }) => {
      decide(target)
      await sampler.sample()
      await kubeWriter(platform.cloud, 'cls-9f3kq2vd').delete('/apis/apps/v1/namespaces/pay/deployments/gateway')
      clock.move(5 * minute)
      await sampler.sample()
      expect(sampler.replicas().get(target)?.at(-1)?.value).toBe(0)
    })
  })

  it('keeps the sizes of so many targets only, however many there are in the course of time', async () => {
    await withStage(async ({ clock, sampler, decide, answerWith }) => {
      answerWith({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'x' }, spec: { replicas: 1 } })
      for (const round of [0, 1, 2]) {
        decide(...Array.from({ length: 100 }, (_, index) => `cls-9f3kq2vd/pay/Deployment/d${round}-${index}`))
        clock.move(5 * minute)
        await sampler.sample()
      }
      expect([sampler.replicas().size, sampler.replicas().has('cls-9f3kq2vd/pay/Deployment/d2-0')]).toEqual([200, true])
      expect(sampler.replicas().has('cls-9f3kq2vd/pay/Deployment/d0-0')).toBe(false)
    })
  })

  it('looks no more often than it may, and keeps only what has changed', async () => {
    await withStage(async ({ clock, sampler, reads, decide, scale }) => {
      decide(target, 'shop/nginx', 'cls-unknown/a/Deployment/b', 'cls-9f3kq2vd/a/Deployment/../../secrets')
      await sampler.sample()
      // Nodes of three clusters and one workload: the others are no targets of a configured cluster.
      expect(reads()).toBe(4)
      clock.move(4 * minute)
      await sampler.sample()
      expect(reads()).toBe(4)
      clock.move(minute)
      await sampler.sample()
      expect([reads(), sampler.replicas().get(target)?.length]).toEqual([8, 1])
      await scale(9)
      clock.move(5 * minute)
      await sampler.sample()
      expect(
        sampler
          .replicas()
          .get(target)
          ?.map(({ value }) => value)
          .at(-1),
      ).toBe(9)
      expect(sampler.nodes().get('cls-m4t8x0be')).toHaveLength(1)
    })
  })

  it('looks on after the clock was set back, and after nothing could be read', async () => {
    await withStage(async ({ clock, sampler, reads, decide, down }) => {
      decide(target, 'cls-9f3kq2vd/pay/Deployment/missing')
      down(true)
      await sampler.sample()
      expect([reads(), sampler.nodes().size]).toEqual([5, 0])
      down(false)
      clock.move(-60 * minute)
      await sampler.sample()
      expect([reads(), sampler.nodes().size, sampler.replicas().size]).toEqual([10, 3, 1])
    })
  })
})

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { CloudWriter } from '#cloud/cloud.ts'
import type { JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { interfering, type SeenCall } from '../functions/image-cleaner/interfering.ts'
import { type CrossRun, type CrossStage, clusterA, image, minuteMs, openCrossStage, saying, webRule } from './cross-stage.ts'

const hookSettings = { rules: [webRule()], pullSecrets: 'ignored' }

/** Sizes of web by the clock of UTC; the stage begins at 19:00:30. */
const sizes = (...at: readonly (readonly [time: string, size: number])[]): object => ({
  rules: at.map(([time, targetSize]) => {
    const [hour, minute] = time.split(':')
    const target = { kind: 'Deployment', namespace: 'prod', name: 'web' }
    const schedule = `0 ${Number(minute)} ${Number(hour)} * * *`
    return { name: `at-${hour}-${minute}`, cluster: clusterA, target, schedule, timeZone: 'UTC', targetSize }
  }),
})

let stage: CrossStage

async function open(sockets: boolean): Promise<void> {
  stage = await openCrossStage({ sockets })
  stage.settings['redeploy-hook'] = hookSettings
  stage.settings['cron-scaler'] = sizes(['19:01', 3], ['19:20', 1])
  stage.deploy('web', image('team/web', '1.0.0'), { replicas: 1 })
  stage.wait(10_000)
  await stage.run('redeploy-hook')
  stage.wait(30_000)
}

const scale = (options?: CrossRun) => stage.run('cron-scaler', options)
const deploy = (options?: CrossRun) => stage.run('redeploy-hook', { pushed: ['team/web'], ...options })
const now = () => ({ image: stage.imageOf('web'), replicas: stage.replicasOf('web') })
/** Counts the changes of the spec that took. */
const changes = (): number => Number((stage.object('web').metadata as JsonObject).generation)

afterEach(async () => {
  await stage.close()
})

describe('cron-scaler and redeploy-hook on one workload', () => {
  beforeEach(async () => {
    await open(true)
  })

  const isPatch = ({ action, request }: SeenCall): boolean => action === 'ForwardRequest' && request.Method === 'PATCH'
  /** Right before the first patch somebody else does all of his. */
  const beforePatch = (act: () => Promise<unknown>): CloudWriter => {
    let done = false
    return interfering(stage.cloud, {
      before: async (call) => {
        if (!isPatch(call) || done) return
        done = true
        await act()
      },
    })
  }

  it('that write in the same instant both have their way: the scaler reads again when the image came in between', async () => {
    stage.push('team/web', '1.0.1')
    const before = changes()
    const cloud = beforePatch(async () => {
      expect(saying(await deploy(), 'Applied')).toEqual(['Applied newer-push'])
    })
    expect(saying(await scale({ cloud }), 'Applied')).toEqual(['Applied due'])
    expect(now()).toEqual({ image: image('team/web', '1.0.1'), replicas: 3 })
    // One of each took, and each is done.
    expect(changes() - before).toBe(2)
    expect(saying(await scale(), 'Applied')).toEqual([])
    expect(saying(await deploy(), 'Applied')).toEqual([])
  })

  it('and so does the hook, whose change does not touch the size that came in between', async () => {
    stage.push('team/web', '1.0.1')
    const before = changes()
    const cloud = beforePatch(async () => {
      expect(saying(await scale(), 'Applied')).toEqual(['Applied due'])
    })
    expect(saying(await deploy({ cloud }), 'Applied')).toEqual(['Applied newer-push'])
    expect(now()).toEqual({ image: image('team/web', '1.0.1'), replicas: 3 })
    expect(changes() - before).toBe(2)
  })

  it('do not undo each other: a rollback and an undo of the image keep the size, an undo of the size keeps the image', async () => {
    stage.push('team/web', '1.0.1')
    await deploy()
    // While it rolls, and fails, the size changes.
    stage.unpullable('team/web', '1.0.1', 10_000)
    expect(saying(await scale(), 'Applied')).toEqual(['Applied due'])
    stage.unpullable('team/web', '1.0.1', minuteMs)
    expect(saying(await stage.run('redeploy-hook'), 'Applied')).toEqual(['Applied rollout-failed'])
    expect(now()).toEqual({ image: image('team/web', '1.0.0'), replicas: 3 })
    expect(saying(await scale(), 'Applied')).toEqual([])

    stage.push('team/web', '1.0.2')
    await deploy()
    stage.wait(minuteMs)
    await stage.run('redeploy-hook')
    expect(saying(await stage.undoLast('cron-scaler'), 'Applied')).toEqual(['Applied undo'])
    expect(now()).toEqual({ image: image('team/web', '1.0.2'), replicas: 1 })
    expect(saying(await stage.undoLast('redeploy-hook'), 'Applied')).toEqual(['Applied undo'])
    expect(now()).toEqual({ image: image('team/web', '1.0.0'), replicas: 1 })
    expect([...saying(await scale(), 'Applied'), ...saying(await deploy(), 'Applied')]).toEqual([])
  })
})

const sizeOf = (minute: number): number => 1 + ((minute * 7) % 4)

describe('whatever happens to one workload, in whatever order', () => {
  beforeEach(() => open(false))

  it.each([1, 2])('sizes are those of the schedule and images those of the hook, with seed %i', async (seed) => {
    const random = createRandom(seed)
    stage.settings['cron-scaler'] = sizes(...Array.from({ length: 30 }, (_, index) => [`19:${index + 1}`, sizeOf(index + 1)] as const))
    const images = new Set([image('team/web', '1.0.0')])
    let pushes = 0
    let failing: string | undefined
    for (let minute = 1; minute <= 12; minute += 1) {
      stage.wait(minuteMs)
      if (random() < 0.5) {
        pushes += 1
        stage.push('team/web', `1.1.${pushes}`)
        images.add(image('team/web', `1.1.${pushes}`))
      }
      const before = now()
      const isHookFirst = random() < 0.5
      const moment = 1 + Math.floor(random() * 8)
      let calls = 0
      const cloud = interfering(stage.cloud, {
        before: async () => {
          calls += 1
          if (calls !== moment) return
          await (isHookFirst ? scale() : deploy())
        },
      })
      const report = await (isHookFirst ? deploy({ cloud }) : scale({ cloud }))
      if (calls < moment) await (isHookFirst ? scale() : deploy())
      expect(saying(report, 'Failed')).toEqual([])
      // The size is that of the minute, whatever the image does.
      expect(stage.replicasOf('web')).toBe(sizeOf(new Date(stage.now()).getUTCMinutes()))
      const { image: after } = now()
      expect(images).toContain(after)
      failing = after === before.image || random() < 0.6 ? undefined : after.slice(after.lastIndexOf(':') + 1)
      if (failing === undefined) continue
      stage.unpullable('team/web', failing, minuteMs)
      const size = stage.replicasOf('web')
      expect(saying(await stage.run('redeploy-hook'), 'Applied')).toEqual(['Applied rollout-failed'])
      expect(now().image).not.toBe(after)
      expect(stage.replicasOf('web')).toBe(size)
      minute += 1
    }
    expect(pushes).toBeGreaterThan(0)
  })
})

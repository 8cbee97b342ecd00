import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { headroomKey, readHeadroom } from '#shared/licence/headroom.ts'
import { type FunctionName, functionNames } from '#shared/runtime/definition.ts'
import { groupId, pool } from '../functions/alarm-scaler/cluster-stage.ts'
import { interfering } from '../functions/image-cleaner/interfering.ts'
import { type CrossStage, clusterA, dayMs, image, minuteMs, newestOnly, openCrossStage, saying, sentence, webRule } from './cross-stage.ts'

let stage: CrossStage

/** Two nodes of four cores for an alarm, as far as the licence allows. */
const alarmSettings = (licence: object) => ({
  sources: { alerts: { kind: 'alertmanager', secrets: ['env:ALERTS_TOKEN'] } },
  pools: [{ name: pool, cluster: clusterA, labels: { pool: 'general' }, max: 20 }],
  policies: [
    {
      name: 'busy',
      match: { alert: 'Busy' },
      pool,
      mode: 'enforce',
      confirm: [{ pendingPods: { atLeast: 1 } }],
      steps: [
        { from: 0, add: 2 },
        { from: 20, add: 6 },
      ],
      mechanisms: [{ name: 'general', kind: 'scaling-group', group: groupId }],
      clusterAutoscaler: 'share',
      licence,
      cooldown: { out: '1m', in: '1m' },
    },
  ],
})

const alarm = async (fingerprint: string, value = 90): Promise<void> => {
  expect(await stage.alarm({ fingerprint, startsAt: new Date(stage.now()).toISOString(), value })).toBe(202)
}

beforeEach(async () => {
  stage = await openCrossStage()
})

afterEach(async () => {
  await stage.close()
})

describe('the licence gate of alarm-scaler', () => {
  /** Cores in use, as license-meter measures them. */
  const used = async (): Promise<number> => {
    stage.settings['license-meter'] = { entitlements: [], crossCheck: { every: 'never' } }
    await stage.run('license-meter')
    const headroom = readHeadroom((await stage.memoryOf('license-meter').get(headroomKey))?.value)
    const lines = Object.values(headroom?.regions['ap-guangzhou']?.products ?? {})
    return Math.max(...lines.map((line) => Number(line.used)))
  }

  /** So many cores are free by the next measurement. */
  const leave = async (free: number): Promise<void> => {
    const cores = (await used()) + free
    const entitlements = [{ product: '*', region: 'ap-guangzhou', cores }]
    stage.settings['license-meter'] = { entitlements, passMeans: 'ok', crossCheck: { every: 'never' } }
    stage.wait(61 * minuteMs)
    const report = await stage.run('license-meter')
    expect(report.failure).toBeUndefined()
  }

  const desired = (): number => stage.group.minSize
  const sayings = async (): Promise<readonly string[]> => saying(await stage.run('alarm-scaler'), 'Applied', 'Held')

  beforeEach(() => {
    stage.settings['alarm-scaler'] = alarmSettings({ guard: true })
    stage.crowd()
  })

  it('lets an alarm have what license-meter has found free, and counts what was asked for since', async () => {
    await leave(9)
    stage.wait(1000)
    await alarm('one')
    expect(desired()).toBe(4)
    // The meter has not measured again: of nine cores one is left.
    for (const _ of [1, 2, 3]) {
      stage.wait(minuteMs)
      await stage.run('alarm-scaler')
    }
    await alarm('two', 110)
    const report = await stage.run('alarm-scaler')
    expect(sentence(report, 'licence-headroom')).toContain('9 licensed cores were free in ap-guangzhou, 8 are asked for since')
    expect(desired()).toBe(4)
  })

  it('lets it have fewer where there are fewer, and none with the figures where there are none', async () => {
    await leave(5)
    await alarm('one')
    expect(desired()).toBe(3)
    await stage.close()
    stage = await openCrossStage()
    stage.settings['alarm-scaler'] = alarmSettings({ guard: true })
    stage.crowd()
    await leave(3)
    await alarm('one')
    expect(sentence(await stage.run('alarm-scaler'), 'licence-headroom')).toContain('3 licensed cores were free in ap-guangzhou')
    expect(desired()).toBe(2)
  })

  it('refuses while nobody has measured, and when that was long ago; a new measurement lets it go on', async () => {
    await alarm('one')
    expect(sentence(await stage.run('alarm-scaler'), 'licence-unreadable')).toContain('license-meter has measured nothing in ap-guangzhou')
    await leave(100)
    stage.wait(4 * 60 * minuteMs)
    await alarm('two')
    expect(sentence(await stage.run('alarm-scaler'), 'licence-unreadable')).toContain('more than 3 hours ago')
    expect(desired()).toBe(2)
    await stage.run('license-meter')
    stage.wait(minuteMs)
    expect((await sayings()).filter((text) => text.startsWith('Applied'))).toContain('Applied alarm-confirmed')
    expect(desired()).toBe(4)
  })
})

describe('with due work for all functions', () => {
  /** What each of them changes when it may. */
  const changes: Readonly<Record<Exclude<FunctionName, 'license-meter'>, () => boolean>> = {
    'cron-scaler': () => stage.replicasOf('sized') === 3,
    'image-cleaner': () => !stage.tags('team/web').includes('old'),
    'alarm-scaler': () => stage.group.minSize === 4,
    'redeploy-hook': () => stage.imageOf('web') === image('team/web', '1.0.1'),
  }
  const done = (): readonly string[] => Object.entries(changes).flatMap(([name, isDone]) => (isDone() ? [name] : []))

  beforeEach(() => {
    const target = { kind: 'Deployment', namespace: 'prod', name: 'sized' }
    const sized = { name: 'sized', cluster: clusterA, target, schedule: '0 1 19 * * *', timeZone: 'UTC', targetSize: 3 }
    stage.settings['cron-scaler'] = { rules: [sized] }
    stage.settings['image-cleaner'] = newestOnly()
    stage.settings['license-meter'] = { crossCheck: { every: 'never' } }
    stage.settings['alarm-scaler'] = alarmSettings({ guard: false })
    stage.settings['redeploy-hook'] = { rules: [webRule()], pullSecrets: 'ignored' }
    stage.deploy('sized', image('team/web', '1.0.0'), { replicas: 1 })
    stage.deploy('web', image('team/web', '1.0.0'), { replicas: 1 })
    stage.push('team/web', 'old', 20)
    stage.push('team/web', '1.0.1', 0)
    stage.crowd()
    stage.wait(minuteMs)
  })

  /** A round of everything. What each of them says is held, by its code. */
  async function round(): Promise<Readonly<Record<string, readonly string[]>>> {
    const held: Record<string, readonly string[]> = {}
    for (const name of functionNames) {
      const report = await stage.run(name)
      expect(report.failure, name).toBeUndefined()
      held[name] = [...new Set(saying(report, 'Held'))].filter((text) => text.includes('guard.'))
    }
    return held
  }

  const heldBy = (code: string) => ({
    'cron-scaler': [`Held ${code}`],
    'image-cleaner': [`Held ${code}`],
    // It changes nothing, and what is not measured now nobody can measure later.
    'license-meter': [],
    'alarm-scaler': [`Held ${code}`],
    'redeploy-hook': [`Held ${code}`],
  })

  async function all(): Promise<void> {
    const since = stage.journal.length
    await alarm('one')
    // What was held is looked at again within a minute.
    stage.wait(minuteMs)
    await round()
    stage.wait(dayMs)
    await stage.run('image-cleaner')
    expect(done()).toEqual(['cron-scaler', 'image-cleaner', 'alarm-scaler', 'redeploy-hook'])
    expect(stage.writes(since).length).toBeGreaterThanOrEqual(4)
  }

  it('the kill switch stops all of them at once, and lets all go on', async () => {
    await stage.killSwitch('stop')
    const since = stage.journal.length
    // It is heard of and written down all the same.
    await alarm('one')
    expect(await round()).toEqual(heldBy('guard.kill-switch'))
    stage.wait(2 * minuteMs)
    // What the cleaner could not remove is for its next day.
    expect(await round()).toEqual({ ...heldBy('guard.kill-switch'), 'image-cleaner': [] })
    expect(stage.writes(since)).toEqual([])
    expect(done()).toEqual([])
    await stage.killSwitch('run')
    await all()
  })

  it('a freeze window does, too', async () => {
    stage.guard = { freeze: [{ name: 'sale', kind: 'deny', schedule: '0 0 19 * * *', timeZone: 'UTC', duration: '10m' }] }
    const since = stage.journal.length
    await alarm('one')
    expect(await round()).toEqual(heldBy('guard.freeze-window'))
    expect(stage.writes(since)).toEqual([])
    expect(done()).toEqual([])
    stage.wait(10 * minuteMs)
    await all()
  })

  it.each(Object.keys(changes) as (keyof typeof changes)[])(
    'a run of %s that is under way when the switch is set writes nothing more',
    async (name) => {
      if (name === 'alarm-scaler') {
        await stage.killSwitch('stop')
        await alarm('one')
        await stage.killSwitch('run')
      }
      const since = stage.journal.length
      const cloud = interfering(stage.cloud, {
        before: async ({ nth }) => {
          if (nth === 1) await stage.killSwitch('stop')
        },
      })
      expect(saying(await stage.run(name, { cloud }), 'Held')).toContain('Held guard.kill-switch')
      expect(stage.writes(since)).toEqual([])
      expect(done()).toEqual([])
    },
  )
})

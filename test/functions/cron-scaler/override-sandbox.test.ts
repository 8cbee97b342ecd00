import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type * as z from 'zod/mini'
import { definition } from '#functions/cron-scaler/definition.ts'
import type { Settings } from '#functions/cron-scaler/event.ts'
import { type ChangeStep, changesOf, replicas, ruleOf } from './fixtures.ts'
import { clusterA, openStage, outcomes, type Stage, shownSize, stageConfig, web, webPath } from './stage.ts'

let stage: Stage

beforeEach(async () => {
  stage = await openStage('2026-11-24T08:00:05Z')
  stage.put(web(2))
})

afterEach(async () => {
  await stage.close()
})

const target = { cluster: clusterA, target: { kind: 'Deployment', name: 'web' } }
const rules = [ruleOf('morning', '0 0 8 * * *', 5, target), ruleOf('evening', '0 0 20 * * *', 2, target)]
const sale = { name: 'sale', ...target, targetSize: 12, from: '2026-11-24T09:00:00Z', until: '2026-11-24T20:30:00Z', reason: 'sale' }
const withSale: z.input<typeof Settings> = { timeZone: 'UTC', rules, overrides: [sale] }
const annotation = 'longshore.dev/override'

function annotate(text: string | null): Promise<unknown> {
  return stage.person('PATCH', webPath, { metadata: { annotations: { [annotation]: text } } })
}

async function planned(settings: z.input<typeof Settings> = withSale): Promise<ChangeStep> {
  const config = stageConfig(settings)
  const [step] = changesOf(definition.plan(await stage.observe(settings), config, stage.sandbox.clock.now()))
  if (step === undefined) throw new Error('nothing is to be changed')
  return step
}

const applyNow = (step: ChangeStep, settings: z.input<typeof Settings> = withSale) =>
  definition.apply(step, stage.cloud, stageConfig(settings), stage.sandbox.clock.now())

describe('an override', () => {
  test('of the configuration is applied with its record in one write, kept, and ends', async () => {
    const lines: string[] = []
    for (const time of ['08:00:05', '09:00:05', '20:00:05', '20:30:05', '20:31:05']) {
      stage.at(`2026-11-24T${time}Z`)
      const played = await stage.tick(withSale)
      lines.push(
        ...outcomes(played)
          .filter((line) => !line.startsWith('skipped'))
          .map((line) => `${time} ${line}`),
      )
      if (time === '09:00:05') {
        expect(await shownSize(stage, webPath)).toMatchObject({
          spec: { replicas: 12 },
          record: { owner: 'override/config/sale', before: replicas(5), untilMs: Date.parse('2026-11-24T20:30:00Z') },
        })
      }
    }
    expect(lines).toEqual([
      '08:00:05 Applied due',
      '09:00:05 Applied override-begins',
      '20:00:05 no-change override-in-force',
      '20:30:05 Applied late',
      '20:31:05 no-change already-applied',
    ])
    expect(await shownSize(stage, webPath)).toMatchObject({ spec: { replicas: 2 }, record: { owner: 'config/evening' } })
    expect(stage.writes()).toEqual(Array.from({ length: 3 }, () => `PATCH ${webPath}`))
  })

  test('written on the target as the README says is applied, and taking it away brings the schedule back', async () => {
    await stage.tick({ rules })
    await annotate('replicas=8 until=2026-11-24T12:00:00Z reason=load test')
    expect(outcomes(await stage.tick({ rules }))).toEqual(['Applied override-begins'])
    expect(await shownSize(stage, webPath)).toMatchObject({ spec: { replicas: 8 } })
    await annotate(null)
    stage.at('2026-11-24T11:00:00Z')
    expect(outcomes(await stage.tick({ rules }))).toEqual(['Applied late'])
    expect(await shownSize(stage, webPath)).toMatchObject({ spec: { replicas: 5 }, record: { owner: 'config/morning' } })
  })

  test('is undone exactly, and then left alone until it is written anew', async () => {
    await stage.tick(withSale)
    stage.at('2026-11-24T09:00:05Z')
    const step = await planned()
    expect(await applyNow(step)).toMatchObject({ outcome: 'Applied' })
    const undo: ChangeStep = { ...step, key: `undo/${step.key}`, change: step.undo! }
    expect(await applyNow(undo)).toMatchObject({ outcome: 'Applied' })
    expect(await applyNow(undo)).toMatchObject({ outcome: 'NoChange', reason: { code: 'already-applied' } })
    expect(await shownSize(stage, webPath)).toMatchObject({ spec: { replicas: 5 }, record: { owner: 'undo of override/config/sale' } })
    expect(outcomes(await stage.tick(withSale))).toEqual(['held override-undone'])
    expect(outcomes(await stage.tick({ ...withSale, overrides: [{ ...sale, targetSize: 13 }] }))).toEqual(['held override-undone'])
    expect(outcomes(await stage.tick({ ...withSale, overrides: [{ ...sale, name: 'sale-2' }] }))).toEqual(['Applied override-begins'])
  })

  test('for a target without rules gives back what was there, and does so once', async () => {
    const alone = { timeZone: 'UTC', overrides: [sale] }
    stage.at('2026-11-24T09:00:05Z')
    expect(outcomes(await stage.tick(alone))).toEqual(['Applied override-begins'])
    stage.at('2026-11-24T20:30:05Z')
    expect(outcomes(await stage.tick(alone)).filter((line) => !line.startsWith('skipped'))).toEqual(['Applied override-over'])
    expect(await shownSize(stage, webPath)).toMatchObject({ spec: { replicas: 2 } })
  })
})

describe('what changed since the plan', () => {
  const outcomeOf = async (step: ChangeStep, settings?: z.input<typeof Settings>) => {
    const { outcome, reason } = await applyNow(step, settings)
    return `${outcome} ${reason?.code ?? ''}`
  }

  test('an override on the target that has come keeps a firing from being carried out', async () => {
    const step = await planned({ rules })
    await annotate('replicas=8 until=2026-11-24T12:00:00Z')
    expect(await outcomeOf(step, { rules })).toBe('Held override')
    await annotate('eight')
    expect(await outcomeOf(step, { rules })).toBe('Held override')
    await annotate('replicas=8 until=2026-11-24T08:00:00Z')
    expect(await outcomeOf(step, { rules })).toBe('Applied ')
  })

  test('an override that was applied by another run keeps a firing from being carried out', async () => {
    const step = await planned({ rules })
    await stage.tick({ rules, overrides: [{ ...sale, from: undefined }] })
    expect(await shownSize(stage, webPath)).toMatchObject({ spec: { replicas: 12 } })
    expect(await outcomeOf(step, { rules })).toBe('Skipped newer-applied')
    expect(await shownSize(stage, webPath)).toMatchObject({ spec: { replicas: 12 } })
  })

  test('an override that is gone, edited or over is not applied', async () => {
    await annotate('replicas=8 until=2026-11-24T12:00:00Z')
    const step = await planned({ rules })
    await annotate('replicas=9 until=2026-11-24T12:00:00Z')
    expect(await outcomeOf(step, { rules })).toBe('Skipped world-changed')
    await annotate('nine')
    expect(await outcomeOf(step, { rules })).toBe('Held override')
    await annotate(null)
    expect(await outcomeOf(step, { rules })).toBe('Skipped world-changed')
    await annotate('replicas=8 until=2026-11-24T12:00:00Z')
    stage.at('2026-11-24T12:00:00Z')
    expect(await outcomeOf(step, { rules })).toBe('Skipped override-over')
    stage.at('2026-11-24T11:59:59Z')
    expect(await outcomeOf(step, { rules })).toBe('Applied ')
    expect(await outcomeOf(step, { rules })).toBe('NoChange already-applied')
  })

  test('one of the configuration gives way to one that was written on the target', async () => {
    await stage.tick({ rules })
    stage.at('2026-11-24T09:00:05Z')
    const step = await planned()
    await annotate('replicas=3 until=2026-11-24T12:00:00Z')
    expect(await outcomeOf(step)).toBe('Skipped world-changed')
    await annotate('replicas=3 from=2026-11-24T10:00:00Z until=2026-11-24T12:00:00Z')
    expect(await outcomeOf(step)).toBe('Applied ')
  })

  test('a hold, an opt-out and another size count for an override as for a firing', async () => {
    await stage.tick({ rules })
    stage.at('2026-11-24T09:00:05Z')
    const step = await planned()
    const set = (annotations: object) => stage.person('PATCH', webPath, { metadata: { annotations } })
    await set({ 'longshore.dev/opt-out': 'true' })
    expect(await outcomeOf(step)).toBe('Held opt-out')
    await set({ 'longshore.dev/opt-out': null, 'longshore.dev/hold-until': '2026-11-24T10:00:00Z' })
    expect(await outcomeOf(step)).toBe('Held override')
    await set({ 'longshore.dev/hold-until': null })
    await stage.person('PATCH', webPath, { spec: { replicas: 4 } })
    expect(await outcomeOf(step)).toBe('Skipped world-changed')
    expect(await shownSize(stage, webPath)).toMatchObject({ spec: { replicas: 4 } })
  })
})

test('two runners at once give a target its override once', async () => {
  await stage.tick({ rules })
  stage.at('2026-11-24T09:00:05Z')
  const step = await planned()
  const results = await Promise.all([applyNow(step), applyNow(step)])
  expect(results.map(({ outcome }) => outcome).toSorted()).toEqual(['Applied', 'NoChange'])
  expect(await shownSize(stage, webPath)).toMatchObject({ spec: { replicas: 12 }, record: { epoch: 2, before: replicas(5) } })
})

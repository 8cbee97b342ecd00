import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { definition } from '#functions/cron-scaler/definition.ts'
import type { ScaleChange } from '#functions/cron-scaler/scale-change.ts'
import { autoscalerV1, deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import type { StepResult } from '#shared/pure/step.ts'
import { at, type ChangeStep, changesOf, ruleOf } from './fixtures.ts'
import { clusterA, openStage, outcomes, type Stage, shownSize, stageConfig, web, webPath } from './stage.ts'

let stage: Stage

beforeEach(async () => {
  stage = await openStage('2026-11-24T00:00:05Z')
})

afterEach(async () => {
  await stage.close()
})

const up = ruleOf('up', '0 0 0 * * *', 5, { cluster: clusterA })
const down = ruleOf('down', '0 0 12 * * *', 3, { cluster: clusterA })
const settings = { rules: [up, down] }

/** Does what is due, and gives the step that was carried out. */
async function applyDue(more: Parameters<Stage['tick']>[0] = settings): Promise<ChangeStep> {
  const played = await stage.tick(more)
  const [step] = changesOf(played.map(({ step: one }) => one))
  expect(played.find((one) => one.step === step)?.result?.outcome).toBe('Applied')
  if (step === undefined) throw new Error('nothing was due')
  return step
}

/** The step that takes another one back, as whoever undoes makes it. */
function undoStep(step: ChangeStep): ChangeStep {
  if (step.undo === undefined) throw new Error('the step has no undo')
  const { key, target, before, after, undo } = step
  return {
    key: `undo:${key}`,
    target,
    before: after,
    after: before,
    reason: { code: 'undo', text: 'taken back' },
    verdict: 'change',
    change: undo,
  }
}

async function undo(step: ChangeStep, now = stage.sandbox.clock.now()): Promise<StepResult> {
  return await definition.apply(undoStep(step), stage.cloud, stageConfig(settings), now)
}

const brief = ({ outcome, reason }: StepResult) => (reason === undefined ? outcome : `${outcome} ${reason.code}`)

describe('taking a change back', () => {
  test('puts the size back exactly, and the firing is not applied again', async () => {
    stage.put(web(2))
    const step = await applyDue()
    stage.at('2026-11-24T00:05:00Z')
    expect(brief(await undo(step))).toBe('Applied')
    expect(await shownSize(stage, webPath)).toMatchObject({
      spec: { replicas: 2 },
      record: {
        owner: 'undo of config/up',
        nominalMs: at('2026-11-24T00:00:00Z'),
        decidedMs: at('2026-11-24T00:05:00Z'),
        epoch: 2,
        before: { replicas: 5 },
        after: { replicas: 2 },
        original: { size: { replicas: 2 }, epoch: 1 },
      },
    })
    stage.at('2026-11-24T00:06:05Z')
    const played = await stage.tick(settings)
    expect(outcomes(played)).toEqual(['no-change already-applied'])
    expect(played[0]?.step.reason.text).toContain('config/up was taken back, which stays until the next firing')
    // The next firing counts as ever.
    stage.at('2026-11-24T12:00:05Z')
    expect(outcomes(await stage.tick(settings))).toEqual(['Applied due'])
    expect((await shownSize(stage, webPath)).spec.replicas).toBe(3)
  })

  test('puts both bounds of an autoscaler back in one patch, down as well as up', async () => {
    stage.put(deployment({ namespace: 'default', name: 'web', image: 'registry.example/web:1', replicas: 3 }))
    stage.put(autoscalerV1({ namespace: 'default', name: 'web', target: 'web', minReplicas: 2, maxReplicas: 4, cpuPercent: 60 }))
    const path = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/web'
    const bounds = { rules: [ruleOf('day', '0 0 0 * * *', [10, 50], { cluster: clusterA })] }
    const step = await applyDue(bounds)
    expect((await shownSize(stage, path)).spec).toMatchObject({ minReplicas: 10, maxReplicas: 50 })
    expect(brief(await undo(step))).toBe('Applied')
    expect(await shownSize(stage, path)).toMatchObject({
      spec: { minReplicas: 2, maxReplicas: 4, scaleTargetRef: { name: 'web' } },
      record: { before: { min: 10, max: 50 }, after: { min: 2, max: 4 } },
    })
    expect(stage.writes()).toEqual([`PATCH ${path}`, `PATCH ${path}`])
    stage.at('2026-11-24T00:01:05Z')
    expect(outcomes(await stage.tick(bounds))).toEqual(['no-change already-applied'])
  })

  test('stays also under a rule that enforces, until its next firing', async () => {
    stage.put(web(2))
    const enforcing = { rules: [{ ...up, enforce: true }] }
    const step = await applyDue(enforcing)
    expect(brief(await undo(step))).toBe('Applied')
    stage.at('2026-11-24T00:01:05Z')
    expect(outcomes(await stage.tick(enforcing))).toEqual(['no-change already-applied'])
    stage.at('2026-11-25T00:00:05Z')
    expect(outcomes(await stage.tick(enforcing))).toEqual(['Applied due'])
  })

  test('of a rule that runs once leaves it marked as run', async () => {
    stage.put(web(2))
    const once = { rules: [{ ...up, runOnce: true }] }
    const step = await applyDue(once)
    expect(brief(await undo(step))).toBe('Applied')
    stage.at('2026-11-25T00:00:05Z')
    expect(outcomes(await stage.tick(once))).toEqual(['no-change already-applied'])
  })

  test('of a corrected drift brings back what a person had set', async () => {
    stage.put(web(2))
    const enforcing = { rules: [{ ...up, enforce: true }] }
    await applyDue(enforcing)
    await stage.person('PATCH', webPath, { spec: { replicas: 9 } })
    stage.at('2026-11-24T00:01:05Z')
    const step = await applyDue(enforcing)
    expect(step.reason.code).toBe('drift')
    expect(brief(await undo(step))).toBe('Applied')
    expect((await shownSize(stage, webPath)).spec.replicas).toBe(9)
  })

  test('twice changes nothing more', async () => {
    stage.put(web(2))
    const step = await applyDue()
    await undo(step)
    expect(brief(await undo(step))).toBe('NoChange already-applied')
    await stage.person('PATCH', webPath, { spec: { replicas: 5 } })
    expect(brief(await undo(step))).toBe('NoChange already-applied')
    expect((await shownSize(stage, webPath)).spec.replicas).toBe(5)
    expect(stage.writes()).toHaveLength(2)
  })
})

describe('is not taken back', () => {
  const annotated = (annotations: Record<string, string | null>) => async () =>
    await stage.person('PATCH', webPath, { metadata: { annotations } })

  test.each([
    ['when somebody has changed the size since', () => stage.person('PATCH', webPath, { spec: { replicas: 8 } }), 'Skipped world-changed'],
    ['when somebody has set it back already', () => stage.person('PATCH', webPath, { spec: { replicas: 2 } }), 'NoChange already-applied'],
    ['when its record is gone', annotated({ 'longshore.dev/cron-scaler': null }), 'Skipped world-changed'],
    ['when its record is garbled', annotated({ 'longshore.dev/cron-scaler': '{}' }), 'Held record-unreadable'],
    ['when the target is opted out', annotated({ 'longshore.dev/opt-out': 'yes' }), 'Held opt-out'],
    ['when a person keeps the target', annotated({ 'longshore.dev/hold-until': '2026-11-25T00:00:00Z' }), 'Held override'],
    ['when the target is gone', () => stage.person('DELETE', webPath), 'Skipped target-missing'],
  ])('%s', async (_, meanwhile, expected) => {
    stage.put(web(2))
    const step = await applyDue()
    await meanwhile()
    expect(brief(await undo(step))).toBe(expected)
    expect(stage.writes()).toHaveLength(1)
  })

  test('when the target was made anew', async () => {
    stage.put(web(2))
    const step = await applyDue()
    await stage.person('DELETE', webPath)
    stage.put(web(5))
    expect(brief(await undo(step))).toBe('Skipped world-changed')
  })

  test('when a later firing has been applied, even one that asks for the same size', async () => {
    stage.put(web(2))
    const same = { rules: [up, { ...down, targetSize: 5 }] }
    const step = await applyDue(same)
    stage.at('2026-11-24T12:00:05Z')
    expect(outcomes(await stage.tick(same))).toEqual(['NoChange recorded'])
    expect(brief(await undo(step))).toBe('Skipped newer-applied')
    expect((await shownSize(stage, webPath)).spec.replicas).toBe(5)
  })

  test('with a lost answer it is settled by reading', async () => {
    stage.put(web(2))
    const step = await applyDue()
    stage.sandbox.faults.add({ fault: { kind: 'drop-after' }, match: { effect: 'write' }, count: 1 })
    expect(brief(await undo(step))).toBe('Applied')
    expect((await shownSize(stage, webPath)).spec.replicas).toBe(2)
  })
})

test('a change that was planned before it was taken back does not come after it', async () => {
  stage.put(web(2))
  const config = stageConfig(settings)
  const now = stage.sandbox.clock.now()
  const planned = changesOf(definition.plan(await definition.observe(stage.cloud, config, now), config, now))
  const step = await applyDue()
  await undo(step)
  const late = planned[0] satisfies { readonly change: ScaleChange } | undefined
  expect(brief(await definition.apply(late!, stage.cloud, config, now))).toBe('NoChange already-applied')
  expect((await shownSize(stage, webPath)).spec.replicas).toBe(2)
})

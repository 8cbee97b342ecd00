import { expect, test } from 'vitest'
import { plan } from '#functions/cron-scaler/plan.ts'
import { undoOf } from '#functions/cron-scaler/scale-change.ts'
import { at, changesOf, clusterWith, configOf, replicas, ruleOf, targetWith } from './fixtures.ts'

function dueStep(size: number) {
  const observed = { clusters: [clusterWith([targetWith(replicas(size))])] }
  const steps = plan(observed, configOf({ rules: [ruleOf('up', '0 0 8 * * *', 5)] }), at('2026-11-24T08:00:05Z'))
  const [step] = changesOf(steps)
  if (step === undefined) throw new Error('nothing is due')
  return step
}

test('the undo of a step is there for whoever reads, compares, copies or writes it, though it is worked out only then', () => {
  const step = dueStep(2)
  const undo = undoOf(step.change, step.key)
  expect(undo).toMatchObject({ from: replicas(5), to: replicas(2), rule: 'undo of config/up', replaces: step.key })
  expect(step.undo).toEqual(undo)
  expect(Object.keys(step)).toContain('undo')
  expect({ ...step }).toEqual({ ...step, undo })
  expect(structuredClone(step)).toEqual({ ...step, undo })
  expect(JSON.parse(JSON.stringify(step))).toEqual({ ...step, undo })
})

test('a step that only puts a size on record has none', () => {
  expect(Object.keys(dueStep(5))).not.toContain('undo')
})

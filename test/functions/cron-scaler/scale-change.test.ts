import { describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { definition } from '#functions/cron-scaler/definition.ts'
import { plan } from '#functions/cron-scaler/plan.ts'
import { ScaleChange, undoneRule, undoOf } from '#functions/cron-scaler/scale-change.ts'
import { at, bounds, changesOf, clusterWith, configOf, replicas, ruleOf, targetWith } from './fixtures.ts'

const now = at('2026-11-24T08:00:05Z')
const rules = [
  ruleOf('web', '0 0 8 * * *', 5, { runOnce: true }),
  ruleOf('hpa', '0 0 8 * * *', [3, 6], { target: { kind: 'HorizontalPodAutoscaler', name: 'hpa' } }),
]
const changes = changesOf(
  plan({ clusters: [clusterWith([targetWith(replicas(2)), targetWith(bounds(1, 2), { name: 'hpa' })])] }, configOf({ rules }), now),
)

describe('a change as plans and journals keep it', () => {
  test('is read back as it was, and its undo too', () => {
    expect(changes).toHaveLength(2)
    for (const { change, undo } of changes) {
      expect(z.parse(definition.change, JSON.parse(JSON.stringify(change)))).toEqual(change)
      expect(z.parse(definition.change, JSON.parse(JSON.stringify(undo)))).toEqual(undo)
    }
  })

  test.each([
    ['another field', { force: true }],
    ['another field of the target', { target: { kind: 'Deployment', namespace: 'default', name: 'web', group: 'apps' } }],
    ['another kind', { target: { kind: 'DaemonSet', namespace: 'default', name: 'web' } }],
    ['both sizes', { to: { kind: 'replicas', replicas: 1, min: 1 } }],
    ['half a size', { to: { kind: 'bounds', min: 1 } }],
    ['a size below zero', { to: { kind: 'replicas', replicas: -1 } }],
    ['no uid', { uid: undefined }],
    ['a time in words', { nominalMs: '2026-11-24T08:00:00Z' }],
  ])('with %s is refused', (_, more) => {
    expect(z.safeParse(ScaleChange, { ...changes[0]?.change, ...more }).success).toBe(false)
  })
})

describe('an undo', () => {
  test('is the same change the other way round, by an owner that names the rule', () => {
    const step = changes.find(({ change }) => change.rule === 'config/web')
    const { onceKey, ...rest } = step!.change
    expect(onceKey).toBeDefined()
    expect(step?.undo).toEqual({
      ...rest,
      from: replicas(5),
      to: replicas(2),
      drift: true,
      rule: 'undo of config/web',
      replaces: step?.key,
    })
    expect(undoneRule('undo of config/web')).toBe('config/web')
    expect(undoneRule('config/web')).toBeUndefined()
  })

  test('turns both bounds of an autoscaler round together', () => {
    const step = changes.find(({ change }) => change.rule === 'config/hpa')
    expect(step?.undo).toMatchObject({ from: bounds(3, 6), to: bounds(1, 2) })
    expect(undoOf(step!.change, 'key').replaces).toBe('key')
  })

  test('of an override keeps its end, so that nobody takes it for a firing that was taken back', () => {
    const overrides = [
      {
        name: 'sale',
        cluster: 'cls-1',
        target: { kind: 'Deployment', name: 'web' },
        targetSize: 9,
        until: '2026-11-24T12:00:00Z',
        reason: 'sale',
      },
    ]
    const [step] = changesOf(plan({ clusters: [clusterWith([targetWith(replicas(2))])] }, configOf({ overrides }), now))
    expect(step?.change).toMatchObject({ rule: 'override/config/sale', untilMs: at('2026-11-24T12:00:00Z'), drift: false })
    expect(step?.undo).toMatchObject({ rule: 'undo of override/config/sale', untilMs: at('2026-11-24T12:00:00Z'), drift: true })
    for (const change of [step?.change, step?.undo]) expect(z.parse(definition.change, JSON.parse(JSON.stringify(change)))).toEqual(change)
  })

  test('is not offered where nothing changes but the record', () => {
    const [step] = changesOf(plan({ clusters: [clusterWith([targetWith(replicas(5))])] }, configOf({ rules: rules.slice(0, 1) }), now))
    expect(step?.reason.code).toBe('record')
    expect(step).not.toHaveProperty('undo')
  })
})

import { expect, test } from 'vitest'
import { configProblems } from '#functions/cron-scaler/config-problems.ts'
import { definition } from '#functions/cron-scaler/definition.ts'
import { configOf, ruleOf } from './fixtures.ts'
import { stageConfig } from './stage.ts'

test('rules that can run have no problems, named by id or by name, paused or not', () => {
  const rules = [
    ruleOf('a', '0 0 8 * * 1-5', 5, { cluster: 'office' }),
    ruleOf('b', '0 0 8 * * *', [1, 2], { cluster: 'cls-2', excludeDates: ['* * * * * 0,6', '2026-10-01..2026-10-07', '@calendar/cn'] }),
    ruleOf('leap', '0 0 8 29 2 *', 5, { paused: true }),
  ]
  expect(configProblems(configOf({ calendars: { cn: {} }, rules }))).toEqual([])
  expect(configProblems(configOf())).toEqual([])
})

test.each([
  ['five fields', ruleOf('bad', '2 8 * * 1-5', 5), 'schedule', '"0 2 8 * * 1-5"'],
  ['a date that never comes', ruleOf('bad', '0 0 0 30 2 *', 5), 'schedule', 'does not fire'],
  ['an unknown cluster', ruleOf('bad', '0 0 8 * * *', 5, { cluster: 'ofice' }), 'cluster', 'did you mean "office"?'],
  ['a kind that has no size', ruleOf('bad', '0 0 8 * * *', 5, { target: { kind: 'DaemonSet', name: 'web' } }), 'target.kind', 'DaemonSet'],
  [
    'a group of another kind',
    ruleOf('bad', '0 0 8 * * *', 5, { target: { apiVersion: 'apps.kruise.io/v1alpha1', kind: 'StatefulSet', name: 'web' } }),
    'target.apiVersion',
    'write apps/v1',
  ],
  ['a name that none can have', ruleOf('bad', '0 0 8 * * *', 5, { target: { kind: 'Deployment', name: '../x' } }), 'target.name', '../x'],
  [
    'an unknown calendar',
    ruleOf('bad', '0 0 8 * * *', 5, { excludeDates: ['2026-10-01', '@calendar/no'] }),
    'excludeDates[1]',
    'calendars',
  ],
  ['a bad exclude', ruleOf('bad', '0 0 8 * * *', 5, { excludeDates: ['* * 5'] }), 'excludeDates[0]', 'six fields'],
  ['no size', ruleOf('bad', '0 0 8 * * *', 5, { targetSize: undefined }), undefined, 'write targetSize'],
  ['bounds that cross', ruleOf('bad', '0 0 8 * * *', [3, 2]), 'minSize', 'above'],
] as const)('%s is found before the first run', (_, bad, field, text) => {
  const problems = configProblems(configOf({ rules: [ruleOf('good', '0 0 8 * * *', 5), bad] }))
  expect(problems.map(({ path }) => path)).toEqual([field === undefined ? 'rules[1]' : `rules[1].${field}`])
  expect(problems[0]?.text).toContain(text)
})

test('all that is wrong with all rules is told at once', () => {
  const rules = [
    ruleOf('a', '0 8 * * *', 5, { cluster: 'nowhere', excludeDates: ['soon'] }),
    ruleOf('b', '0 0 8 * * *', 5, { target: { kind: 'Job', name: 'web' } }),
  ]
  expect(configProblems(configOf({ rules })).map(({ path }) => path)).toEqual([
    'rules[0].cluster',
    'rules[0].schedule',
    'rules[0].excludeDates[0]',
    'rules[1].target.kind',
  ])
})

test('a cluster that two could be meant by is found', () => {
  const config = {
    ...configOf({ rules: [ruleOf('a', '0 0 8 * * *', 5, { cluster: 'cls-2' })] }),
    clusters: [{ id: 'cls-1', name: 'cls-2' }, { id: 'cls-2' }],
  }
  expect(configProblems(config)).toMatchObject([{ path: 'rules[0].cluster', text: expect.stringContaining('nobody knows which is meant') }])
})

test('the definition hands them to whoever loads a configuration', () => {
  expect(definition.problems?.(stageConfig({ rules: [ruleOf('a', '0 0 8 * * *', 5, { cluster: 'nowhere' })] }))).toMatchObject([
    { path: 'rules[0].cluster' },
  ])
})

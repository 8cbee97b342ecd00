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

test('the definition hands them to whoever loads a configuration', async () => {
  expect(await definition.problems?.(stageConfig({ rules: [ruleOf('a', '0 0 8 * * *', 5, { cluster: 'nowhere' })] }))).toMatchObject([
    { path: 'rules[0].cluster' },
  ])
})

test('a spread that is not shorter than the deadline is found, once where the settings themselves are at fault', () => {
  const plain = ruleOf('plain', '0 0 8 * * *', 5)
  const pathsOf = (settings: Parameters<typeof configOf>[0]) => configProblems(configOf(settings)).map(({ path }) => path)
  expect(pathsOf({ spread: '30m', rules: [plain] })).toEqual(['spread'])
  expect(pathsOf({ spread: '29m', rules: [plain] })).toEqual([])
  expect(pathsOf({ spread: '10m', rules: [{ ...plain, startingDeadline: '10m' }] })).toEqual(['rules[0].spread'])
  expect(pathsOf({ rules: [{ ...plain, spread: '30m' }] })).toEqual(['rules[0].spread'])
  expect(pathsOf({ startingDeadline: '0s', rules: [plain] })).toEqual([])
  expect(configProblems(configOf({ spread: '30m' }))[0]?.text).toContain('a spread of 30m is not shorter than the starting deadline of 30m')
})

test('a look back that does not reach over a rule’s own deadline or spread is found, once where the settings are at fault', () => {
  const problems = (settings: object, more: object) =>
    configProblems(configOf({ ...settings, rules: [ruleOf('a', '0 0 8 * * *', 5, more)] })).map(({ path, text }) => [path, text])
  expect(problems({ lookBack: '2h' }, {})).toEqual([])
  expect(problems({ lookBack: '2h' }, { startingDeadline: '3h' })).toEqual([
    [
      'rules[0].startingDeadline',
      'a look back of 2h does not reach over the starting deadline of 3h, so firings would be lost: lengthen lookBack',
    ],
  ])
  expect(problems({ lookBack: '2h', startingDeadline: '2h' }, { spread: '2h' }).map(([path]) => path)).toEqual([
    'rules[0].spread',
    'rules[0].spread',
  ])
  expect(problems({ lookBack: '20m' }, {}).map(([path]) => path)).toEqual(['lookBack'])
})

test('a validity that ends before it begins is found', () => {
  const rules = [ruleOf('a', '0 0 8 * * *', 5, { validFrom: '2026-10-02', validUntil: '2026-10-01' })]
  expect(configProblems(configOf({ rules })).map(({ path }) => path)).toEqual(['rules[0].validUntil'])
})

test('calendars that lie elsewhere are not missed before they were read', () => {
  const rules = [ruleOf('a', '0 0 8 * * *', 5, { excludeDates: ['@calendar/cn'] })]
  expect(configProblems(configOf({ calendars: { cn: { file: 'cn.ics' } }, rules }))).toEqual([])
})

test.each([
  ['an unknown cluster', { cluster: 'ofice' }, 'cluster', 'did you mean "office"?'],
  ['a kind that has no size', { target: { kind: 'DaemonSet', name: 'web' } }, 'target.kind', 'DaemonSet'],
  ['no size', { targetSize: undefined }, undefined, 'write targetSize'],
  ['bounds of a workload', { minSize: 1, maxSize: 2 }, undefined, 'minSize and maxSize are for'],
  ['an end before its beginning', { from: '2026-11-28T00:00:00Z' }, 'until', 'ends before it begins'],
])('of an override %s is found', (_, more, field, text) => {
  const good = {
    name: 'good',
    cluster: 'cls-1',
    target: { kind: 'Deployment', name: 'web' },
    targetSize: 8,
    until: '2026-11-27T00:00:00Z',
    reason: 'sale',
  }
  const problems = configProblems(configOf({ overrides: [good, { ...good, name: 'bad', ...more }] }))
  expect(problems.map(({ path }) => path)).toEqual([field === undefined ? 'overrides[1]' : `overrides[1].${field}`])
  expect(problems[0]?.text).toContain(text)
})

test.each([
  [{ lookBack: '1m', spread: '4m', startingDeadline: '1m' }, ['lookBack', 'spread'], 'the spread of 4m'],
  [{ lookBack: '4m', spread: '4m', startingDeadline: '4m1s' }, ['lookBack'], 'the starting deadline of 4m1s'],
  [{ lookBack: '29m' }, ['lookBack'], 'the starting deadline of 30m'],
  [{ lookBack: '30m' }, [], ''],
] as const)('a look back through which firings would be lost: %j', (settings, paths, text) => {
  const problems = configProblems(configOf(settings))
  expect(problems.map(({ path }) => path)).toEqual(paths)
  expect(problems[0]?.text ?? '').toContain(text)
})

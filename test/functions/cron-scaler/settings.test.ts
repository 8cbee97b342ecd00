import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import * as z from 'zod/mini'
import { configuredRules } from '#functions/cron-scaler/configured-rules.ts'
import { Settings } from '#functions/cron-scaler/event.ts'
import { compileRule } from '#functions/cron-scaler/rules.ts'
import { problemsOf } from '#shared/runtime/config-problems.ts'
import { ruleOf } from './fixtures.ts'

test('an empty section is a whole configuration', () => {
  expect(z.parse(Settings, {})).toEqual({
    timeZone: 'Asia/Shanghai',
    startingDeadline: 1_800_000,
    lookBack: 691_200_000,
    enforce: false,
    allowHpaConflict: false,
    allowZeroMin: false,
    paused: false,
    hpc: { enabled: true, besideController: 'shadow' },
    calendars: {},
    rules: [],
  })
})

describe('what is wrong is said', () => {
  test.each([
    [{ startingDeadline: '30 min' }, 'startingDeadline', 'is no duration'],
    [{ startingDeadline: '401d' }, 'startingDeadline', 'is longer than 400d'],
    [{ lookBack: '104249991d' }, 'lookBack', 'is longer than 400d'],
    [{ rules: [ruleOf('a', '0 0 8 * * *', 1, { startingDeadline: '9601h' })] }, 'rules.0.startingDeadline', 'is longer than 400d'],
    [{ calendars: JSON.parse('{"__proto__":{"holidays":["2026-10-01"]}}') }, 'calendars.__proto__', 'lower-case letters'],
    [{ calendars: { CN: {} } }, 'calendars.CN', 'lower-case letters'],
    [{ calendars: { cn: { holidayz: [] } } }, 'calendars.cn.holidayz', 'unknown key'],
    [{ timeZone: 'Mars/Base' }, 'timeZone', 'IANA name'],
    [{ hpc: { besideControler: 'shadow' } }, 'hpc.besideControler', 'did you mean "besideController"?'],
    [{ calendars: { cn: { holidays: ['2026-02-30'] } } }, 'calendars.cn.holidays.0', 'is not in the calendar'],
    [{ rules: [ruleOf('a', '0 0 8 * * *', 1), ruleOf('a', '0 0 9 * * *', 1)] }, 'rules', 'two rules have the same name: a'],
    [{ rules: [{ ...ruleOf('a', '0 0 8 * * *', 1), tragetSize: 3 }] }, 'rules.0.tragetSize', 'did you mean "targetSize"?'],
    [{ rules: [{ ...ruleOf('a', '0 0 8 * * *', 1), targetSize: 1.5 }] }, 'rules.0.targetSize', 'number'],
  ])('%j', (settings, path, text) => {
    const problems = problemsOf(Settings, settings)
    expect(problems.map((problem) => problem.path.join('.'))).toEqual([path])
    expect(problems[0]?.text).toContain(text)
  })
})

test('the longest look-back and deadline are accepted', () => {
  const longest = 400 * 86_400_000
  expect(z.parse(Settings, { lookBack: '400d', startingDeadline: '400d' })).toMatchObject({ lookBack: longest, startingDeadline: longest })
})

test('a schema for editors can be made of it', () => {
  const schema = z.toJSONSchema(Settings, { io: 'input' })
  expect(schema).toMatchObject({ type: 'object', additionalProperties: false })
  expect(Object.keys(schema.properties ?? {})).toContain('rules')
})

describe('the README', () => {
  const readme = readFileSync(new URL('../../../functions/cron-scaler/README.md', import.meta.url), 'utf8')

  test('shows settings that are valid, with rules that can run', () => {
    const [, yaml = ''] = /```yaml\n(.*?)```/s.exec(readme) ?? []
    const settings = z.parse(Settings, parse(yaml).functions['cron-scaler'])
    const config = { clusters: [{ id: 'cls-1', name: 'production' }], settings }
    const context = { calendars: new Map(Object.entries(settings.calendars)), allowZeroMin: false, now: 0 }
    const compiled = configuredRules(config).map((draft) => [draft.cluster, compileRule(draft, context).ok])
    expect(compiled).toEqual([
      ['cls-1', true],
      ['cls-1', true],
    ])
  })

  test('names every setting', () => {
    const { hpc, ...settings } = z.parse(Settings, {})
    for (const name of [...Object.keys(settings), ...Object.keys(hpc).map((key) => `hpc.${key}`), 'hpc.group']) {
      expect(readme).toMatch(new RegExp(`^\\| \`${name}(\\.<name>)?\` +\\|`, 'm'))
    }
  })
})

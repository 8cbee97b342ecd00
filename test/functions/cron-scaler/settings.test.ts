import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import * as z from 'zod/mini'
import type { ApplyCode } from '#functions/cron-scaler/apply.ts'
import { configProblems } from '#functions/cron-scaler/config-problems.ts'
import { configuredRules } from '#functions/cron-scaler/configured-rules.ts'
import { calendarSource, Settings } from '#functions/cron-scaler/event.ts'
import type { ForecastCode } from '#functions/cron-scaler/forecast-steps.ts'
import { hpcAnnotations } from '#functions/cron-scaler/hpc.ts'
import { parseOverride } from '#functions/cron-scaler/override.ts'
import type { ReasonCode } from '#functions/cron-scaler/plan.ts'
import { compileRule } from '#functions/cron-scaler/rules.ts'
import { targetAnnotations } from '#functions/cron-scaler/scaled-object.ts'
import { problemsOf } from '#shared/runtime/config-problems.ts'
import { ruleOf } from './fixtures.ts'

test('an empty section is a whole configuration', () => {
  expect(z.parse(Settings, {})).toEqual({
    timeZone: 'Asia/Shanghai',
    startingDeadline: 1_800_000,
    lookBack: 691_200_000,
    spread: 0,
    enforce: false,
    lookEvery: 0,
    maxCorrections: 3,
    allowHpaConflict: false,
    allowZeroMin: false,
    paused: false,
    hpc: { enabled: true, besideController: 'shadow' },
    calendars: {},
    rules: [],
    overrides: [],
  })
})

const sale = {
  name: 'sale',
  cluster: 'cls-1',
  target: { kind: 'Deployment', name: 'web' },
  targetSize: 20,
  until: '2026-11-27T20:00:00+08:00',
  reason: 'sale',
}

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
    [{ spread: '5' }, 'spread', 'is no duration'],
    [{ rules: [ruleOf('a', '0 0 8 * * *', 1, { validFrom: '2026-02-30' })] }, 'rules.0.validFrom', 'must be a date'],
    [{ rules: [ruleOf('a', '0 0 8 * * *', 1, { validUntil: '2026-10-01T00:00:00Z' })] }, 'rules.0.validUntil', 'must be a date'],
    [{ maxCorrections: -1 }, 'maxCorrections', '0'],
    [{ maxCorrections: 21 }, 'maxCorrections', '20'],
    [{ overrides: [{ ...sale, until: '2026-11-27' }] }, 'overrides.0.until', 'is no instant'],
    [{ overrides: [{ ...sale, from: '2026-11-27T08:00' }] }, 'overrides.0.from', 'is no instant'],
    [{ overrides: [{ ...sale, reason: '' }] }, 'overrides.0.reason', ''],
    [{ overrides: [{ ...sale, reason: undefined }] }, 'overrides.0.reason', 'missing'],
    [{ overrides: [{ ...sale, untill: '2026-11-27T08:00:00Z' }] }, 'overrides.0.untill', 'did you mean "until"?'],
    [{ overrides: [sale, sale] }, 'overrides', 'two overrides have the same name: sale'],
    [{ calendars: { cn: { file: 'cn.txt' } } }, 'calendars.cn', 'add format: ics or format: yaml'],
    [{ calendars: { cn: { file: 'cn.ics', url: 'https://calendars.example.com/cn.ics' } } }, 'calendars.cn', 'write one of them'],
    [{ calendars: { cn: { url: 'ftp://calendars.example.com/cn.ics' } } }, 'calendars.cn.url', 'must be an address'],
    [{ calendars: { cn: { url: 'https://me:secret@calendars.example.com/cn.ics' } } }, 'calendars.cn.url', 'without name or password'],
    [{ calendars: { cn: { url: 'calendars.example.com/cn.ics' } } }, 'calendars.cn.url', 'must be an address'],
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

describe('where the days of a calendar come from', () => {
  const sourceOf = (calendar: object) => {
    const { cn } = z.parse(Settings, { calendars: { cn: calendar } }).calendars
    return cn === undefined ? undefined : calendarSource(cn)
  }

  test.each([
    [{ holidays: ['2026-10-01'] }, undefined],
    [{ file: 'days/cn.ics' }, { kind: 'file', path: 'days/cn.ics', format: 'ics' }],
    [{ file: 'CN.YAML' }, { kind: 'file', path: 'CN.YAML', format: 'yaml' }],
    [
      { file: 'cn.yml', workdays: ['2026-10-10'] },
      { kind: 'file', path: 'cn.yml', format: 'yaml' },
    ],
    [
      { file: 'cn', format: 'ics' },
      { kind: 'file', path: 'cn', format: 'ics' },
    ],
    [
      { url: 'https://calendars.example.com/cn.ics?region=all' },
      { kind: 'url', url: 'https://calendars.example.com/cn.ics?region=all', format: 'ics' },
    ],
    [
      { url: 'https://calendars.example.com/cn', format: 'yaml' },
      { kind: 'url', url: 'https://calendars.example.com/cn', format: 'yaml' },
    ],
  ])('%j', (calendar, source) => {
    expect(sourceOf(calendar)).toEqual(source)
  })
})

test('a schema for editors can be made of it', () => {
  const schema = z.toJSONSchema(Settings, { io: 'input' })
  expect(schema).toMatchObject({ type: 'object', additionalProperties: false })
  expect(Object.keys(schema.properties ?? {})).toContain('rules')
})

/** Every code that a decision of this function can have; the compiler sees to it that none is missing. */
const codes: Record<ReasonCode | ApplyCode | ForecastCode | 'calendar-warning' | 'nothing-due', true> = {
  'already-applied': true,
  'bounds-on-workload': true,
  'calendar-unreadable': true,
  'calendar-warning': true,
  'cluster-ambiguous': true,
  'cluster-unknown': true,
  'cluster-unreadable': true,
  conflict: true,
  'controller-unknown': true,
  'deadline-passed': true,
  drift: true,
  due: true,
  'exclude-invalid': true,
  'excluded-date': true,
  'forecast-enough': true,
  'forecast-short': true,
  'forecast-unknown': true,
  'fought-over': true,
  'hpa-conflict': true,
  'hpc-group-missing': true,
  'in-place': true,
  late: true,
  'min-above-max': true,
  'min-zero': true,
  'newer-applied': true,
  'not-due': true,
  'not-taken': true,
  'nothing-due': true,
  'opt-out': true,
  override: true,
  'override-begins': true,
  'override-expired': true,
  'override-in-force': true,
  'override-invalid': true,
  'override-lost': true,
  'override-over': true,
  'override-pending': true,
  'override-undone': true,
  paused: true,
  record: true,
  recorded: true,
  'record-unreadable': true,
  'rule-unreadable': true,
  'run-once-unnamed': true,
  'schedule-invalid': true,
  'schedule-never-fires': true,
  'shadow-agrees': true,
  'shadow-differs': true,
  'shadow-waiting': true,
  'size-invalid': true,
  'size-missing': true,
  'size-on-hpa': true,
  'spread-too-long': true,
  superseded: true,
  'target-deleting': true,
  'target-invalid': true,
  'target-missing': true,
  'target-unreadable': true,
  'tie-lost': true,
  'time-zone-unknown': true,
  'unknown-outcome': true,
  'validity-invalid': true,
  'validity-over': true,
  wave: true,
  'world-changed': true,
}

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
    expect(configProblems({ ...config, settings })).toEqual([])
  })

  test('names every code of a decision, and no other', () => {
    const rows = /## Outcomes\n(.*?)\n## /s.exec(readme)?.[1]?.split('\n') ?? []
    const named = rows.flatMap((row) => [...(row.split('|')[2] ?? '').matchAll(/`([a-z-]+)`/g)].map(([, code]) => code ?? ''))
    expect(named.toSorted()).toEqual(Object.keys(codes).toSorted())
  })

  test('shows an override on a target that can be read', () => {
    const texts = [...readme.matchAll(/"longshore\.dev\/override=(.*)"/g)].map(([, text]) => text ?? '')
    expect(texts).toHaveLength(2)
    expect(texts.map((text, index) => parseOverride(text, index === 0 ? 'Deployment' : 'HorizontalPodAutoscaler').ok)).toEqual([true, true])
  })

  test('names every annotation of an HPC object and of a target', () => {
    const suffixes = [...Object.values(hpcAnnotations), ...Object.values(targetAnnotations)].map((name) =>
      name.slice('longshore.dev'.length),
    )
    for (const suffix of suffixes) expect(readme).toMatch(new RegExp(`^\\| \`.*${suffix}[\`:]`, 'm'))
  })

  test('names every setting', () => {
    const { hpc, ...settings } = z.parse(Settings, {})
    for (const name of [...Object.keys(settings), ...Object.keys(hpc).map((key) => `hpc.${key}`), 'hpc.group']) {
      expect(readme).toMatch(new RegExp(`^\\| \`${name}(\\.<name>)?\` +\\|`, 'm'))
    }
  })
})

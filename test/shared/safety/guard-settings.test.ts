import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { problemsOf } from '#shared/runtime/config-problems.ts'
import { defaultGuardSettings, guardSchema } from '#shared/safety/guard-settings.ts'

const schema = guardSchema(['image-cleaner', 'cron-scaler'])

const hour = { window: '1h' }
const window = { name: 'w', kind: 'deny', schedule: '0 0 22 * * *', duration: '8h', timeZone: 'Asia/Shanghai' }
const override = { window: 'w', until: '2026-10-02T08:00+08:00', by: 'ann', reason: 'incident 7' }

const problems = (section: unknown): string[] => problemsOf(schema, section).map(({ path, text }) => `${path.join('.')}: ${text}`)

describe('the guard section', () => {
  it('that is empty is the default', () => {
    expect(z.parse(schema, {})).toEqual(defaultGuardSettings)
  })

  it('is read into milliseconds, globs, schedules and windows', () => {
    const settings = z.parse(schema, {
      caps: [
        { amount: 0, window: 'run' },
        { function: 'image-cleaner', target: 'shop/**', percent: 33.33, window: '1h30m' },
        { amount: 5, window: 'day', timeZone: 'Asia/Shanghai' },
      ],
      freeze: [
        { ...window, functions: ['cron-scaler'] },
        { ...window, name: 'v', kind: 'allow', duration: '1m' },
      ],
      overrides: [override],
      protect: ['prod/**'],
      killSwitch: { kind: 'configMap', cluster: 'cls-1', namespace: 'ops', name: 'longshore.v1', key: 'state' },
    })
    expect(settings).toMatchObject({
      caps: [
        { amount: 0, window: { kind: 'run' } },
        { function: 'image-cleaner', target: { pattern: 'shop/**' }, percent: 33.33, window: { kind: 'rolling', durationMs: 5_400_000 } },
        { amount: 5, window: { kind: 'day', timeZone: 'Asia/Shanghai' } },
      ],
      freeze: [
        {
          name: 'w',
          kind: 'deny',
          schedule: { spec: '0 0 22 * * *' },
          durationMs: 28_800_000,
          timeZone: 'Asia/Shanghai',
          functions: ['cron-scaler'],
        },
        { name: 'v', kind: 'allow', durationMs: 60_000 },
      ],
      overrides: [{ window: 'w', until: Date.UTC(2026, 9, 2), by: 'ann', reason: 'incident 7' }],
      protect: [{ pattern: 'prod/**' }],
      killSwitch: { kind: 'configMap', cluster: 'cls-1', namespace: 'ops', name: 'longshore.v1', key: 'state' },
    })
    const longest = z.parse(schema, { caps: [{ amount: 1_000_000, window: '366d', target: '*'.padEnd(256, 'a') }] })
    expect(longest.caps[0]).toMatchObject({ amount: 1_000_000, window: { durationMs: 366 * 86_400_000 } })
    expect(settings.caps.map((cap) => 'timeZone' in cap)).toEqual([false, false, false])
    expect(z.parse(schema, { killSwitch: { kind: 'ssm', parameter: '/longshore/kill-switch' } }).killSwitch).toEqual({
      kind: 'ssm',
      parameter: '/longshore/kill-switch',
    })
  })

  it.each<[string, unknown, string[]]>([
    ['a misspelt key', { cap: [] }, ['cap: unknown key; did you mean "caps"?']],
    ['a misspelt key of a cap', { caps: [{ amuont: 1, ...hour }] }, ['caps.0.amuont: unknown key; did you mean "amount"?']],
    ['a cap without a size', { caps: [hour] }, ['caps.0.amount: missing; give an amount, a percent or both']],
    ['a cap without a window', { caps: [{ amount: 1 }] }, ['caps.0.window: missing; expected a text']],
    ['an amount below 0', { caps: [{ amount: -1, ...hour }] }, ['caps.0.amount: expected at least 0, found -1']],
    ['half a change', { caps: [{ amount: 0.5, ...hour }] }, ['caps.0.amount: expected a whole number, found 0.5']],
    ['an amount as a text', { caps: [{ amount: '5', ...hour }] }, ['caps.0.amount: expected a number, found "5"']],
    [
      'more than all',
      { caps: [{ function: 'image-cleaner', percent: 101, ...hour }] },
      ['caps.0.percent: expected at most 100, found 101'],
    ],
    [
      'a percentage too fine',
      { caps: [{ function: 'image-cleaner', percent: 0.001, ...hour }] },
      ['caps.0.percent: expected a multiple of 0.01, found 0.001'],
    ],
    [
      'a percentage over all functions',
      { caps: [{ percent: 10, ...hour }] },
      ['caps.0.percent: is of the targets of one function; name it under `function`, and give others caps of their own'],
    ],
    [
      'a misspelt function',
      { caps: [{ function: 'image-cleanre', amount: 1, ...hour }] },
      ['caps.0.function: expected "image-cleaner" or "cron-scaler", found "image-cleanre"; did you mean "image-cleaner"?'],
    ],
    ['a day without its zone', { caps: [{ amount: 1, window: 'day' }] }, ['caps.0.timeZone: missing; a day begins somewhere']],
    ['a zone without a day', { caps: [{ amount: 1, ...hour, timeZone: 'UTC' }] }, ['caps.0.timeZone: goes with `window: day` only']],
    [
      'a zone that is none',
      { caps: [{ amount: 1, window: 'day', timeZone: 'Asia/Shangai' }] },
      ['caps.0.timeZone: must be a time zone by its IANA name, such as "Asia/Shanghai"'],
    ],
    [
      'a window that is none',
      { caps: [{ amount: 1, window: 'hour' }] },
      [
        'caps.0.window: "hour" is no duration: write whole numbers with units, largest first, as in 30m, 1h30m, 8d, 90s or 250ms; a window is "run", "day" or a length of time such as "1h"',
      ],
    ],
    [
      'a window that is too short',
      { caps: [{ amount: 1, window: '59s' }] },
      ['caps.0.window: "59s" is not between 1m and 366d; a window is "run", "day" or a length of time such as "1h"'],
    ],
    [
      'a window that is too long',
      { caps: [{ amount: 1, window: '367d' }] },
      ['caps.0.window: "367d" is not between 1m and 366d; a window is "run", "day" or a length of time such as "1h"'],
    ],
    [
      'a glob of another kind',
      { caps: [{ amount: 1, target: '{a,b}', ...hour }] },
      ['caps.0.target: glob "{a,b}" uses {, which is not supported: only *, ** and ? are special'],
    ],
    ['an empty glob', { protect: [''] }, ['protect.0: the glob is empty and would fit nothing; leave it out to mean all']],
    ['a glob without end', { protect: ['a'.repeat(257)] }, ['protect.0: the glob is 257 characters long; 256 are allowed']],
    ['a protect list that is a text', { protect: 'prod/**' }, ['protect: expected a list, found "prod/**"']],
    [
      'two caps that count the same',
      {
        caps: [
          { amount: 1, ...hour },
          { amount: 1, window: 'run' },
          { amount: 2, window: '60m' },
        ],
      },
      ['caps.2.window: counts the same as caps[0]; keep the lesser of the two'],
    ],
    [
      'five fields',
      { freeze: [{ ...window, schedule: '0 22 * * 1-5' }] },
      [
        'freeze.0.schedule: cron expression "0 22 * * 1-5" has 5 fields; a cron expression has exactly six fields, second minute hour day-of-month month day-of-week: write "0 0 22 * * 1-5". Read as six fields with the last one left out, it would mean: second 0, minute 22, every hour, every day of month, month JAN-MAY',
      ],
    ],
    [
      'a window that never comes',
      { freeze: [{ ...window, schedule: '0 0 0 30 2 *' }] },
      ['freeze.0.schedule: never fires, so the window never comes'],
    ],
    ['a window without length', { freeze: [{ ...window, duration: '0s' }] }, ['freeze.0.duration: "0s" is not between 1m and 366d']],
    ['a kind that is none', { freeze: [{ ...window, kind: 'block' }] }, ['freeze.0.kind: expected "allow" or "deny", found "block"']],
    ['a window without zone', { freeze: [{ ...window, timeZone: undefined }] }, ['freeze.0.timeZone: missing; expected a text']],
    [
      'a window about nobody',
      { freeze: [{ ...window, functions: [] }] },
      ['freeze.0.functions: expected at least 1 entry, found an empty list'],
    ],
    [
      'a window about a function that is none',
      { freeze: [{ ...window, functions: ['cleaner'] }] },
      ['freeze.0.functions.0: expected "image-cleaner" or "cron-scaler", found "cleaner"'],
    ],
    [
      'two windows of one name',
      { freeze: [window, { ...window, kind: 'allow' }] },
      ['freeze.1.name: the same as freeze[0].name; name each window once'],
    ],
    [
      'an override of none',
      { freeze: [window], overrides: [{ ...override, window: 'holidays' }] },
      ['overrides.0.window: no freeze window has this name; there are "w"'],
    ],
    [
      'an override of a misspelt one',
      { freeze: [{ ...window, name: 'holidays' }, window], overrides: [{ ...override, window: 'holydays' }] },
      ['overrides.0.window: no freeze window has this name; did you mean "holidays"?'],
    ],
    ['an override without windows', { overrides: [override] }, ['overrides.0.window: no freeze window has this name; there are none']],
    [
      'an override by nobody',
      { freeze: [window], overrides: [{ ...override, by: '' }] },
      ['overrides.0.by: expected at least 1 character, found ""'],
    ],
    [
      'an override without a reason',
      { freeze: [window], overrides: [{ ...override, reason: undefined }] },
      ['overrides.0.reason: missing; expected a text'],
    ],
    [
      'a misspelt kind of switch',
      { killSwitch: { knid: 'store' } },
      ['killSwitch.kind: expected "store", "ssm" or "configMap", found nothing', 'killSwitch.knid: unknown key; did you mean "kind"?'],
    ],
    [
      'half a switch in a ConfigMap',
      { killSwitch: { kind: 'configMap', cluster: 'cls-1', name: 'longshore', parameter: '/x' } },
      [
        'killSwitch.parameter: does not go with kind configMap',
        'killSwitch.namespace: missing; kind configMap needs it',
        'killSwitch.key: missing; kind configMap needs it',
      ],
    ],
    ['a switch of no kind', { killSwitch: {} }, ['killSwitch.kind: expected "store", "ssm" or "configMap", found nothing']],
    [
      'a switch of another kind',
      { killSwitch: { kind: 'configmap', cluster: 'x' } },
      ['killSwitch.kind: expected "store", "ssm" or "configMap", found "configmap"; did you mean "configMap"?'],
    ],
    ['a switch in no parameter', { killSwitch: { kind: 'ssm' } }, ['killSwitch.parameter: missing; kind ssm needs it']],
    [
      'a switch in a parameter that is none',
      { killSwitch: { kind: 'ssm', parameter: 'a b' } },
      ['killSwitch.parameter: must be the name of a parameter, such as "/longshore/kill-switch"'],
    ],
    [
      'a switch in a ConfigMap that is none',
      { killSwitch: { kind: 'configMap', cluster: '', namespace: 'Ops', name: 'a/b', key: '../x' } },
      [
        'killSwitch.cluster: expected at least 1 character, found ""',
        'killSwitch.namespace: must be a namespace, such as "ops"',
        'killSwitch.name: must be the name of a ConfigMap',
        'killSwitch.key: must be a key of the ConfigMap, such as "state"',
      ],
    ],
    [
      'a key of another kind of switch',
      { killSwitch: { kind: 'store', parameter: '/x' } },
      ['killSwitch.parameter: does not go with kind store'],
    ],
  ])('is refused for %s', (_, section, expected) => {
    expect(problems(section)).toEqual(expected)
  })
})

describe('the end of an override', () => {
  const untilOf = (until: string) => z.safeParse(schema, { freeze: [window], overrides: [{ ...override, until }] })

  it.each([
    ['2026-10-02T08:00+08:00', '2026-10-02T00:00:00.000Z'],
    ['2026-10-02T08:00:30Z', '2026-10-02T08:00:30.000Z'],
    ['2026-10-02T08:00:30.25-03:30', '2026-10-02T11:30:30.250Z'],
    ['2028-02-29T23:59:59+14:00', '2028-02-29T09:59:59.000Z'],
  ])('is the instant %s', (text, iso) => {
    const parsed = untilOf(text)
    expect(parsed.success && new Date(parsed.data.overrides[0]?.until ?? 0).toISOString()).toBe(iso)
  })

  it.each([
    '',
    '2026-10-02',
    '2026-10-02T08:00',
    '2026-10-02 08:00Z',
    '2026-10-02T24:00Z',
    '2026-10-02T08:60Z',
    '2026-10-02T08:00+15:00',
    '26-10-02T08:00Z',
    '2026-10-02T08:00z',
  ])('is not %j', (text) => {
    expect(problems({ freeze: [window], overrides: [{ ...override, until: text }] })).toEqual([
      `overrides.0.until: ${JSON.stringify(text)} is no instant: write it with its offset, as in 2026-10-02T08:00+08:00`,
    ])
  })

  it.each(['2026-02-29T08:00Z', '2026-13-01T08:00Z', '2026-04-31T08:00Z', '2026-00-10T08:00Z'])(
    'is not on a date that there is not: %s',
    (text) => {
      expect(problems({ freeze: [window], overrides: [{ ...override, until: text }] })).toEqual([
        `overrides.0.until: ${text.slice(0, 10)} is not in the calendar`,
      ])
    },
  )
})

it('22: anything at all is either read or refused with a place, never half read', () => {
  fc.assert(
    fc.property(
      fc.record(
        {
          caps: fc.oneof(
            fc.array(fc.record({ amount: fc.oneof(fc.integer(), fc.double()), window: fc.oneof(fc.string(), fc.constant('1h')) })),
            fc.anything(),
          ),
          freeze: fc.anything(),
          protect: fc.oneof(fc.array(fc.string()), fc.anything()),
          killSwitch: fc.anything(),
        },
        { requiredKeys: [] },
      ),
      (section) => {
        const found = problemsOf(schema, section)
        const parsed = z.safeParse(schema, section)
        expect(found.length === 0).toBe(parsed.success)
        for (const { path, text } of found) {
          expect(path.length).toBeGreaterThan(0)
          expect(text).not.toBe('')
        }
        if (!parsed.success) return
        for (const { amount } of parsed.data.caps) expect(Number.isSafeInteger(amount) && Number(amount) >= 0).toBe(true)
      },
    ),
    { seed: 22, numRuns: 1_000 },
  )
})

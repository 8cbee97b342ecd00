import { describe, expect, it } from 'vitest'
import { type Circumstances, mayBecomeAt, wantedAt } from '#infra/sim/oracle.ts'
import type { Scenario, SimRule } from '#infra/sim/scenario.ts'
import { civilAt, dateText, offsetAt } from '#infra/sim/sim-time.ts'
import { calmScenario } from './calm-scenario.ts'

const calm = calmScenario('cron-scaler')
const rule: SimRule = {
  name: 'r',
  source: 'config',
  target: 0,
  zone: 'UTC',
  seconds: [0],
  minutes: [10, 40],
  size: { replicas: 3 },
  enforce: false,
  excludes: [],
  runOnce: false,
  spreadMs: 0,
}
const at = (text: string): number => Date.parse(`2026-${text.includes('T') ? text : `03-02T${text}`}Z`)

function wanted(rules: readonly SimRule[], now: number, facts: Partial<Scenario> & Circumstances = {}): string {
  const { written, ranFor, ...scenario } = facts
  const found = wantedAt({ ...calm, rules, ...scenario }, 0, now, { written, ranFor })
  if (found === undefined) return 'nothing'
  const since = Number.isFinite(found.nominalMs) ? ` since ${new Date(found.nominalMs).toISOString().slice(5, 19)}` : ''
  return `${found.size}${since}`
}

describe('what a target should be', () => {
  it('is what the last firing says, from its very second on', () => {
    const rules = [rule, { ...rule, minutes: [20], seconds: [15, 30], size: { replicas: 9 } }]
    expect(wanted(rules, at('08:20:14'))).toBe('replicas 3 since 03-02T08:10:00')
    expect(wanted(rules, at('08:20:29'))).toBe('replicas 9 since 03-02T08:20:15')
    expect(wanted(rules, at('08:20:30'))).toBe('replicas 9 since 03-02T08:20:30')
    expect(wanted(rules, at('08:40:00'))).toBe('replicas 3 since 03-02T08:40:00')
  })

  it('is the larger size where two fire at once, whatever their order', () => {
    const rules = [rule, { ...rule, size: { replicas: 7 } }, { ...rule, size: { replicas: 5 } }]
    expect(wanted(rules, at('08:41:00'))).toBe('replicas 7 since 03-02T08:40:00')
    expect(wanted(rules.toReversed(), at('08:41:00'))).toBe('replicas 7 since 03-02T08:40:00')
  })

  it('goes by the hours and dates of its zone', () => {
    const today = [{ kind: 'dates', first: '2026-03-02', last: '2026-03-03' }] as const
    expect(wanted([{ ...rule, zone: 'Asia/Shanghai', hours: [15] }], at('08:41:00'))).toBe('replicas 3 since 03-02T07:40:00')
    expect(wanted([{ ...rule, zone: 'Asia/Shanghai', excludes: today }], at('08:41:00'))).toBe('replicas 3 since 03-01T15:40:00')
    expect(wanted([{ ...rule, excludes: today }], at('08:41:00'))).toBe('replicas 3 since 03-01T23:40:00')
  })

  it('is nothing where no rule has fired, and an object has not fired before it was there', () => {
    expect(wanted([], at('08:41:00'))).toBe('nothing')
    expect(wanted([{ ...rule, target: 1 }], at('08:41:00'))).toBe('nothing')
    expect(wanted([{ ...rule, source: 'hpc', hours: [6] }], at('08:41:00'))).toBe('nothing')
    expect(wanted([{ ...rule, source: 'hpc', hours: [7] }], at('08:41:00'))).toBe('replicas 3 since 03-02T07:40:00')
    expect(wanted([{ ...rule, hours: [6] }], at('08:41:00'), { lookBackMs: 2 * 3_600_000 })).toBe('nothing')
  })

  it('leaves out weekdays, days of a month and days of a calendar, but not what is worked in spite of a weekday', () => {
    const holidays = [{ first: '2026-03-02', last: '2026-03-02' }]
    const calendar = { name: 'c', isFetched: false, holidays, workdays: [] }
    const onCalendar = { kind: 'calendar', name: 'c' } as const
    const monday = { kind: 'weekday', weekday: 1 } as const
    const second = { kind: 'day', day: 2, month: 3 } as const
    const open = 'replicas 3 since 03-02T08:40:00'
    const closed = 'replicas 3 since 03-01T23:40:00'
    const now = at('08:41:00')
    expect(wanted([{ ...rule, excludes: [monday] }], now)).toBe(closed)
    expect(wanted([{ ...rule, excludes: [{ ...monday, weekday: 2 }] }], now)).toBe(open)
    expect(wanted([{ ...rule, excludes: [second] }], now)).toBe(closed)
    expect(wanted([{ ...rule, excludes: [{ ...second, month: 4 }] }], now)).toBe(open)
    expect(wanted([{ ...rule, excludes: [onCalendar] }], now, { calendars: [calendar] })).toBe(closed)
    const worked = { calendars: [{ ...calendar, workdays: holidays }] }
    expect(wanted([{ ...rule, excludes: [onCalendar] }], now, worked)).toBe(open)
    expect(wanted([{ ...rule, excludes: [onCalendar, monday] }], now, worked)).toBe(open)
    expect(wanted([{ ...rule, excludes: [onCalendar, second] }], now, worked)).toBe(closed)
  })

  it('fires on the days from and until which a rule is valid, both included', () => {
    const now = at('08:41:00')
    expect(wanted([{ ...rule, validFrom: '2026-03-02' }], now)).toBe('replicas 3 since 03-02T08:40:00')
    expect(wanted([{ ...rule, validFrom: '2026-03-03' }], now)).toBe('nothing')
    expect(wanted([{ ...rule, validUntil: '2026-03-02' }], now)).toBe('replicas 3 since 03-02T08:40:00')
    expect(wanted([{ ...rule, validUntil: '2026-03-01' }], now)).toBe('replicas 3 since 03-01T23:40:00')
  })

  it('fires at the end of the hour that clocks pass over, and not again in the one that they repeat', () => {
    const berlin: SimRule = { ...rule, zone: 'Europe/Berlin', hours: [2], minutes: [30] }
    expect(wanted([berlin], at('03-29T00:59:59'))).toBe('replicas 3 since 03-28T01:30:00')
    expect(wanted([berlin], at('03-29T01:00:00'))).toBe('replicas 3 since 03-29T01:00:00')
    expect(wanted([berlin], at('03-29T12:00:00'))).toBe('replicas 3 since 03-29T01:00:00')
    expect(wanted([berlin], at('10-25T00:29:59'))).toBe('replicas 3 since 10-24T00:30:00')
    expect(wanted([berlin], at('10-25T00:30:00'))).toBe('replicas 3 since 10-25T00:30:00')
    expect(wanted([berlin], at('10-25T12:00:00'))).toBe('replicas 3 since 10-25T00:30:00')
    expect(wanted([{ ...berlin, minutes: [59] }], at('10-25T12:00:00'))).toBe('replicas 3 since 10-25T00:59:00')
  })

  it('is what the later time on the clock says, where they pass over several', () => {
    const berlin = { ...rule, zone: 'Europe/Berlin', hours: [2] } as const
    const up = { ...berlin, minutes: [10], size: { replicas: 9 } }
    const down = { ...berlin, minutes: [50], size: { replicas: 1 } }
    const summer = at('03-29T01:05:00')
    for (const rules of [
      [up, down],
      [down, up],
    ])
      expect(wanted(rules, summer)).toBe('replicas 1 since 03-29T01:00:00')
    const exact = { ...berlin, hours: [3], minutes: [0], size: { replicas: 2 } }
    for (const rules of [
      [up, exact, down],
      [exact, down, up],
    ])
      expect(wanted(rules, summer)).toBe('replicas 2 since 03-29T01:00:00')
    for (const rules of [
      [up, { ...down, minutes: [10] }],
      [{ ...down, minutes: [10] }, up],
    ])
      expect(wanted(rules, summer)).toBe('replicas 9 since 03-29T01:00:00')
  })

  it('is what an override says while it is in force: first the one on the target, then the one that began last', () => {
    const one = { name: 'o0', target: 0, size: { replicas: 8 }, fromMs: at('08:00:00'), untilMs: at('09:00:00') }
    const other = { ...one, name: 'o1', size: { replicas: 6 }, fromMs: at('08:30:00') }
    const always = { name: 'o2', target: 0, size: { replicas: 9 }, untilMs: at('09:00:00') }
    const facts = { overrides: [always, one, other] }
    expect(wanted([rule], at('07:59:59'), facts)).toBe('replicas 9')
    expect(wanted([rule], at('08:00:00'), facts)).toBe('replicas 8 since 03-02T08:00:00')
    expect(wanted([rule], at('08:30:00'), facts)).toBe('replicas 6 since 03-02T08:30:00')
    expect(wanted([rule], at('08:59:59'), facts)).toBe('replicas 6 since 03-02T08:30:00')
    expect(wanted([rule], at('09:00:00'), facts)).toBe('replicas 3 since 03-02T08:40:00')
    expect(wanted([{ ...rule, target: 1 }], at('09:00:00'), facts)).toBe('nothing')
    const written = { size: { replicas: 1 }, fromMs: at('08:10:00'), untilMs: at('08:35:00') }
    expect(wanted([rule], at('08:34:59'), { ...facts, written })).toBe('replicas 1 since 03-02T08:10:00')
    expect(wanted([rule], at('08:35:00'), { ...facts, written })).toBe('replicas 6 since 03-02T08:30:00')
  })

  it('stays at the firing for which a rule has run that runs once', () => {
    const once = { ...rule, runOnce: true, size: { replicas: 5 } }
    const rules = [once, { ...rule, minutes: [20] }]
    expect(wanted(rules, at('08:15:00'))).toBe('replicas 5 since 03-02T08:10:00')
    expect(wanted(rules, at('08:45:00'))).toBe('replicas 5 since 03-02T08:40:00')
    expect(wanted(rules, at('08:45:00'), { ranFor: () => at('08:10:00') })).toBe('replicas 3 since 03-02T08:20:00')
  })
})

describe('what a target may be given', () => {
  const spread = { ...rule, minutes: [4, 10], spreadMs: 480_000 }
  const sizes = (rules: readonly SimRule[], now: number): readonly string[] =>
    mayBecomeAt({ ...calm, rules }, 0, now).map(({ size, nominalMs }) => `${size} since ${new Date(nominalMs).toISOString().slice(14, 19)}`)

  it('is what should be there, and what was due before, as long as a firing may wait for its turn', () => {
    const rules = [spread, { ...rule, minutes: [1], size: { replicas: 9 } }]
    expect(sizes(rules, at('08:03:59'))).toEqual(['replicas 9 since 01:00'])
    expect(sizes(rules, at('08:09:59'))).toEqual(['replicas 3 since 04:00', 'replicas 9 since 01:00'])
    expect(sizes(rules, at('08:11:59'))).toEqual(['replicas 3 since 10:00', 'replicas 3 since 04:00', 'replicas 9 since 01:00'])
    expect(sizes(rules, at('08:12:00'))).toEqual(['replicas 3 since 10:00', 'replicas 3 since 04:00'])
    expect(sizes(rules, at('08:18:00'))).toEqual(['replicas 3 since 10:00'])
  })

  it('is nothing where nothing is due', () => {
    expect(sizes([], at('08:11:00'))).toEqual([])
  })
})

describe('the zones of the simulation', () => {
  it.for(['UTC', 'Asia/Shanghai', 'Europe/Berlin'] as const)('%s is as the calendars of the platform have it', (zone) => {
    const format = new Intl.DateTimeFormat('en-CA', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium', hourCycle: 'h23' })
    const two = (value: number): string => String(value).padStart(2, '0')
    const instants = [at('03-29T00:59:59'), at('03-29T01:00:00'), at('10-25T00:59:59'), at('10-25T01:00:00')]
    for (let ms = at('01-01T00:00:00'); ms < at('12-31T00:00:00'); ms += 19 * 3_600_000) instants.push(ms)
    for (const ms of instants) {
      const wall = civilAt(ms, zone)
      expect(format.format(ms).replace(', ', ' ')).toBe(`${dateText(wall)} ${two(wall.hour)}:${two(wall.minute)}:${two(wall.second)}`)
      expect(offsetAt(ms, zone) % 3_600_000).toBe(0)
    }
  })
})

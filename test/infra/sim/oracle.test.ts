import { describe, expect, it } from 'vitest'
import { wantedAt } from '#infra/sim/oracle.ts'
import type { SimRule } from '#infra/sim/scenario.ts'
import { calmScenario } from './calm-scenario.ts'

const calm = calmScenario('cron-scaler')
const rule: SimRule = {
  name: 'r',
  source: 'config',
  target: 0,
  zoneHours: 0,
  second: 0,
  minutes: [10, 40],
  size: { replicas: 3 },
  enforce: false,
}
const at = (text: string): number => Date.parse(`2026-03-02T${text}Z`)

function wanted(rules: readonly SimRule[], now: number): string {
  const found = wantedAt({ ...calm, rules }, 0, now)
  return found === undefined ? 'nothing' : `${found.size} since ${new Date(found.nominalMs).toISOString().slice(5, 19)}`
}

describe('what a target should be', () => {
  it('is what the last firing says, from its very second on', () => {
    const rules = [rule, { ...rule, minutes: [20], second: 30, size: { replicas: 9 } }]
    expect(wanted(rules, at('08:20:29'))).toBe('replicas 3 since 03-02T08:10:00')
    expect(wanted(rules, at('08:20:30'))).toBe('replicas 9 since 03-02T08:20:30')
    expect(wanted(rules, at('08:40:00'))).toBe('replicas 3 since 03-02T08:40:00')
  })

  it('is the larger size where two fire at once, whatever their order', () => {
    const rules = [rule, { ...rule, size: { replicas: 7 } }, { ...rule, size: { replicas: 5 } }]
    expect(wanted(rules, at('08:41:00'))).toBe('replicas 7 since 03-02T08:40:00')
    expect(wanted(rules.toReversed(), at('08:41:00'))).toBe('replicas 7 since 03-02T08:40:00')
  })

  it('goes by the hours and dates of its zone', () => {
    expect(wanted([{ ...rule, zoneHours: 8, hours: [15] }], at('08:41:00'))).toBe('replicas 3 since 03-02T07:40:00')
    expect(wanted([{ ...rule, zoneHours: 8, excludedDate: '2026-03-02' }], at('08:41:00'))).toBe('replicas 3 since 03-01T15:40:00')
    expect(wanted([{ ...rule, excludedDate: '2026-03-02' }], at('08:41:00'))).toBe('replicas 3 since 03-01T23:40:00')
  })

  it('is nothing where no rule has fired, and an object has not fired before it was there', () => {
    expect(wanted([], at('08:41:00'))).toBe('nothing')
    expect(wanted([{ ...rule, target: 1 }], at('08:41:00'))).toBe('nothing')
    expect(wanted([{ ...rule, source: 'hpc', hours: [6] }], at('08:41:00'))).toBe('nothing')
    expect(wanted([{ ...rule, source: 'hpc', hours: [7] }], at('08:41:00'))).toBe('replicas 3 since 03-02T07:40:00')
  })
})

import { describe, expect, it } from 'vitest'
import { figuresText, forecastText, judgePass, outlooksOf } from '#functions/license-meter/judge.ts'
import { decimalOf } from '#shared/licence/decimal.ts'
import { now, seen, settings } from './small-figures.ts'

function pass(usage: Readonly<Record<string, unknown>>, raw: unknown, own: object = {}): string {
  const [outlook] = outlooksOf([seen(usage, { pass: raw })], settings(own), now)
  if (outlook === undefined) return ''
  const { verdict, code, text } = judgePass(outlook, settings(own))
  return `${verdict} ${code}: ${text}`
}

describe('what is said of Pass', () => {
  it.each([
    [{ x86: '100' }, 'false', {}, 'no-change pass-ok: Pass is "false", which is set to mean no over-use; the figures agree'],
    [{ x86: '130' }, 'false', {}, 'no-change pass-ok: Pass is "false", which is set to mean no over-use; the figures cannot tell'],
    [
      { x86: '130' },
      'true',
      {},
      'held platform-over: Pass is "true", which is set to mean over-use; the figures cannot tell. The platform may refuse new nodes',
    ],
    [
      { x86: '100' },
      'true',
      {},
      'held pass-contradicts: Pass is "true", which is set to mean over-use, but every figure is within its entitlement. Either passMeans or an entitlement is wrong; no alert is raised for the region until somebody puts it right',
    ],
    [
      { x86: '100' },
      'N/A',
      {},
      'held pass-unreadable: Pass is "N/A": neither true nor false, so nobody knows whether the platform sees over-use',
    ],
    [
      { x86: '100' },
      'false',
      { passMeans: undefined },
      'no-change pass-recorded: Pass is "false"; what that means is not set, so it decides nothing: the figures are within the entitlements, so it fits “passMeans: over”: ask whoever runs the platform, and set that',
    ],
  ])('%j and %s under %j', (usage, raw, own, text) => {
    expect(pass(usage, raw, own)).toBe(text)
  })

  it('that is missing, or very long', () => {
    const [outlook] = outlooksOf([seen({ x86: '1' })], settings(), now)
    if (outlook === undefined) throw new Error('no outlook')
    expect(judgePass({ ...outlook, pass: { raw: undefined, state: 'unreadable' } }, settings()).text).toContain('Pass is missing: neither')
    expect(pass({ x86: '1' }, 'x'.repeat(500)).length).toBeLessThan(200)
  })
})

describe('figures', () => {
  const cores = { kind: 'cores', cores: decimalOf(128) } as const

  it.each([
    [{ usage: decimalOf(104), unit: 'core' }, cores, '104 of 128 core (81.3 %)'],
    [{ usage: decimalOf(104), unit: '' }, cores, '104 of 128 (81.3 %)'],
    [{ usage: decimalOf(104), unit: 'core' }, { kind: 'unlimited' } as const, '104 core'],
    [{ unit: 'core', why: 'x' }, cores, '? of 128 core'],
    [{ unit: '', why: 'x' }, cores, '? of 128'],
    [{ unit: 'core', why: 'x' }, { kind: 'unknown' } as const, '? core'],
  ])('%# are short', (usage, entitled, text) => {
    expect(figuresText({ usage, entitled })).toBe(text)
  })
})

describe('a forecast in words', () => {
  it.each([
    [
      { kind: 'blocked-on', likely: '2027-03-02', earliest: '2027-02-01', latest: '2027-04-01' },
      'blocked about 2027-03-02 (between 2027-02-01 and 2027-04-01)',
    ],
    [{ kind: 'blocked-on', likely: '2027-03-02', earliest: '2027-02-01' }, 'blocked about 2027-03-02 (between 2027-02-01 and later)'],
    [{ kind: 'not-in-sight', withinDays: 365 }, 'no block in sight within 365 days'],
    [{ kind: 'not-in-sight', withinDays: 365, earliest: '2027-05-01' }, 'no block in sight within 365 days, at worst on 2027-05-01'],
    [{ kind: 'over-now', since: '2026-11-20' }, 'above the entitlement since 2026-11-20'],
    [{ kind: 'too-little-data', have: 3, need: 14 }, 'no forecast yet: 3 of 14 days are measured'],
    [{ kind: 'unlimited' }, 'unlimited'],
    [{ kind: 'no-entitlement' }, 'no entitlement'],
  ] as const)('%# is a clause', (forecast, text) => {
    expect(forecastText(forecast)).toBe(text)
  })
})

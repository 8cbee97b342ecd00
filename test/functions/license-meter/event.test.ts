import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { Settings } from '#functions/license-meter/event.ts'

const read = (own: object) => z.safeParse(Settings, own)

describe('settings of license-meter', () => {
  it('may be empty: then it measures, and compares with nothing', () => {
    expect(read({}).data).toEqual({
      timeZone: 'Asia/Shanghai',
      entitlements: [],
      alerts: { tolerancePercent: { units: 5n, scale: 0 }, warnAtPercent: { units: 90n, scale: 0 }, warnDays: 30 },
      forecast: { weeks: 8, horizonDays: 365 },
      keep: { hours: { count: 13, unit: 'month' }, days: { count: 10, unit: 'year' } },
      crossCheck: { every: 86_400_000, tolerancePercent: { units: 2n, scale: 0 } },
    })
  })

  it('say in words what they say in figures', () => {
    const settings = read({
      timeZone: 'Europe/Berlin',
      regions: ['ap-guangzhou'],
      passMeans: 'ok',
      entitlements: [{ product: 'tke-*', cores: '12.5' }],
      alerts: { tolerancePercent: 0.5, warnAtPercent: 'never', warnDays: 0 },
      keep: { hours: '1 month', days: '2 years' },
      crossCheck: { every: 'never', tolerancePercent: 0 },
    })
    expect(settings.data).toMatchObject({
      alerts: { tolerancePercent: { units: 5n, scale: 1 }, warnAtPercent: 'never', warnDays: 0 },
      keep: { hours: { count: 1, unit: 'month' } },
      crossCheck: { every: 'never', tolerancePercent: { units: 0n, scale: 0 } },
    })
  })

  it.each([
    [{ timeZone: 'Shanghai' }, 'time zone by its IANA name'],
    [{ passMeans: 'true' }, 'Invalid'],
    [{ regions: [] }, 'Too small'],
    [{ regions: ['Guangzhou!'] }, 'region as the platform writes it'],
    [{ alerts: { tolerancePercent: -1 } }, 'Too small'],
    [{ alerts: { tolerancePercent: 1e-9 } }, 'must be written without an exponent'],
    [{ alerts: { warnAtPercent: 101 } }, 'Invalid'],
    [{ keep: { hours: '13' } }, 'no number of complete months or years'],
    [{ crossCheck: { every: '5m' } }, '5m is less than an hour'],
    [{ crossCheck: { every: 'always' } }, '; or never'],
    [{ forecast: { weeks: 2 } }, 'Too small'],
    [{ entitlement: [] }, 'Unrecognized'],
  ])('%j is refused', (own, error) => {
    const messages = JSON.stringify(
      read(own).error?.issues.map(({ message, code }) =>
        code === 'unrecognized_keys' ? 'Unrecognized' : code === 'too_small' ? 'Too small' : message,
      ),
    )
    expect(messages).toContain(error)
  })
})

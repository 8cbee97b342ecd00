import * as z from 'zod/mini'
import { Settings } from '#functions/license-meter/event.ts'
import type { Observed, RegionSeen } from '#functions/license-meter/plan.ts'
import { civilDay } from '#shared/licence/civil-day.ts'
import { rollDay } from '#shared/licence/rollup.ts'
import { hourNumber, hourOf } from '#shared/licence/sample.ts'
import { sampleAt } from '../../shared/licence/licence-samples.ts'

export const now = Date.parse('2026-11-24T12:20:00Z')
export const region = 'ap-guangzhou'

/** Settings as the configuration has them, with one entitlement of 128 cores for x86 and no early warning when none are given. */
export function settings(own: object = {}): Settings {
  return z.parse(Settings, {
    passMeans: 'over',
    entitlements: [{ product: 'x86', cores: 128 }],
    alerts: { warnAtPercent: 'never', warnDays: 0 },
    ...own,
  })
}

export interface SeenOptions {
  readonly of?: string
  readonly pass?: unknown
  readonly at?: number
  /** Days before with the usage of `daily`. */
  readonly days?: number
  readonly daily?: (index: number) => string
  readonly isNew?: boolean
}

/** A region that was measured at `at`, in its hour. */
export function seen(usage: Readonly<Record<string, unknown>>, options: SeenOptions = {}): RegionSeen {
  const { of = region, at = now, pass = isOver(usage) ? 'true' : 'false', days = 0, daily = () => '100', isNew = true } = options
  const today = civilDay(at, 'Asia/Shanghai').day
  const rows = Array.from({ length: days }, (_, index) => {
    const day = today - days + index
    const samples = Array.from({ length: 24 }, (_, hour) => sampleAt(day * 24 - 8 + hour, { x86: daily(index) }, { of }))
    return rollDay(day, 'Asia/Shanghai', samples, [])
  })
  return { region: of, latest: sampleAt(hourNumber(hourOf(at)), usage, { of, pass }), isNew, days: rows }
}

/** Whether the platform would say that this is more than 128. */
function isOver({ x86 }: Readonly<Record<string, unknown>>): boolean {
  return Number(x86) > 128 * 1.05
}

export function observed(...regions: readonly RegionSeen[]): Observed {
  return { regions, clusters: [], checks: [], isCrossChecked: false }
}

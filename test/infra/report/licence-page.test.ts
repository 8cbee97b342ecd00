import { describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { Settings } from '#functions/license-meter/event.ts'
import { licencePage } from '#infra/report/licence-page.ts'
import { readLicenceReport } from '#infra/report/licence-report.ts'
import { daysOfPeriod } from '#shared/licence/rollup.ts'
import { emptyMemory, measure } from '../cli/license-platform.ts'

const nowMs = Date.parse('2026-10-31T12:40:00Z')
const period = { name: '2026', ...(daysOfPeriod('2026') ?? { fromDay: 0, untilDay: 0 }) }

/** The rows of a table, as text. */
function tableOf(page: string, caption: string): string[][] {
  const table = page.split('<table').find((part) => part.includes(`<caption>${caption}</caption>`)) ?? ''
  return [...table.matchAll(/<tr[^>]*>(.*?)<\/tr>/gs)].map(([, row = '']) =>
    [...row.matchAll(/<t[hd][^>]*>(.*?)<\/t[hd]>/gs)].map(([, cell = '']) => cell.replace(/<[^>]*>/g, '')),
  )
}

describe('the page of a licence report', () => {
  test('shows where the cores are: by cluster, node pool and namespace, the largest first', async () => {
    const memory = await emptyMemory()
    await measure(memory, { '2026-10-31T12': { x86: '24' } })
    const cluster = {
      cluster: 'cls-1',
      region: 'ap-guangzhou',
      at: '2026-10-31T03:00:00.000Z',
      cores: '24',
      nodes: 3,
      notReady: { nodes: 1, cores: '8' },
      pools: { other: { nodes: 1, cores: '8' }, 'asg-1': { nodes: 2, cores: '16' } },
      namespaces: { pay: { pods: 2, cores: '1.5' }, shop: { pods: 9, cores: '12' } },
    }
    const elsewhere = { ...cluster, cluster: 'cls-2', region: 'ap-beijing' }
    const settings = z.parse(Settings, {})
    const report = await readLicenceReport(memory, { regions: ['ap-guangzhou'], period, settings, nowMs, clusters: [cluster, elsewhere] })
    const page = licencePage(report, [])
    expect(tableOf(page, 'Cores of nodes by cluster and node pool').slice(1)).toEqual([
      ['cls-1', 'ap-guangzhou', 'all', '3', '24', '2026-10-31 11:00'],
      ['cls-1', 'ap-guangzhou', 'asg-1', '2', '16', ''],
      ['cls-1', 'ap-guangzhou', 'other', '1', '8', ''],
      ['cls-1', 'ap-guangzhou', 'of these not ready', '1', '8', ''],
    ])
    expect(tableOf(page, 'Cores that pods ask for, by namespace').slice(1)).toEqual([
      ['cls-1', 'shop', '9', '12'],
      ['cls-1', 'pay', '2', '1.5'],
    ])
    expect(page).not.toContain('cls-2')
  })

  test('draws what has an entitlement first where there are more products than it draws, and lists all of them', async () => {
    const memory = await emptyMemory()
    const usage = Object.fromEntries(Array.from({ length: 80 }, (_, index) => [`product-${index}`, String(index)]))
    await measure(memory, { '2026-10-31T12': usage })
    const settings = z.parse(Settings, { entitlements: [{ product: 'product-79', cores: 100 }] })
    const page = licencePage(await readLicenceReport(memory, { regions: ['ap-guangzhou'], period, settings, nowMs }), [])
    expect(page.match(/data-chart="/g)).toHaveLength(60)
    expect(page).toContain('aria-label="ap-guangzhou, product-79, from')
    expect(page).toContain('20 more are in the table above only.')
    expect(tableOf(page, 'Usage now and at its highest, times of Asia/Shanghai')).toHaveLength(81)
  })

  test('of a period without a sample has no chart that would show zero', async () => {
    const settings = z.parse(Settings, { entitlements: [{ product: 'x86', cores: 100 }] })
    const report = await readLicenceReport(await emptyMemory(), { regions: ['ap-guangzhou'], period, settings, nowMs })
    expect(report.regions[0]?.metrics[0]?.curve.points.every(({ low }) => low === null)).toBe(true)
    const page = licencePage(report, [])
    expect(page).toContain('0 of 7,292 hours measured (0.0 %)')
    expect(page).toContain('Nothing was ever measured here.')
    expect(tableOf(page, 'ap-guangzhou, x86: the highest of each month')[1]).toEqual([
      '2026-01',
      'never read',
      '',
      '',
      '',
      '0',
      '0 of 744 h (0.0 %)',
    ])
  })
})

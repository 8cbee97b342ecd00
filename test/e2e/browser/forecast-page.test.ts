import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ForecastRow } from '#functions/cron-scaler/forecast.ts'
import { forecastPage } from '#infra/report/forecast-page.ts'
import { at } from '../../functions/cron-scaler/fixtures.ts'
import { startChromium } from './chromium.ts'

const hostile = '</script><script>document.title="owned"</script><img src=x onerror=document.title="owned">'

let browser: Browser
let folder: string
let url: string

beforeAll(async () => {
  browser = await startChromium()
  folder = await mkdtemp(join(tmpdir(), 'longshore-forecast-page-'))
  const [fromMs, peakMs, untilMs] = [at('2026-11-24T08:00:00Z'), at('2026-11-24T12:00:00Z'), at('2026-11-25T08:00:00Z')]
  const nodes: ForecastRow = {
    what: 'nodes',
    atMs: peakMs,
    level: 'short',
    need: 9,
    have: 6,
    short: 3,
    unit: 'nodes',
    text: hostile,
    causes: hostile,
  }
  const licence: ForecastRow = {
    ...nodes,
    what: 'licence',
    level: 'enough',
    have: 'unlimited',
    short: 0,
    unit: 'cores',
    text: 'unlimited',
    causes: '',
  }
  const curve = [
    { atMs: fromMs, pods: { low: 9, high: 9 }, nodes: { low: 4, high: 5 } },
    { atMs: peakMs, pods: { low: 40, high: 60 }, nodes: { low: 9, high: 12 } },
    { atMs: at('2026-11-24T15:00:00Z'), pods: { low: 9, high: 9 } },
  ]
  const page = forecastPage(
    {
      fromMs,
      untilMs,
      zone: 'Asia/Shanghai',
      clusters: [
        { id: 'cls-1', region: 'ap-guangzhou', days: [{ day: '2026-11-24', rows: [nodes] }], curve, nodesToBeHad: 6, notes: [] },
        { id: 'cls-2', region: 'ap-guangzhou', problem: 'it cannot be read', days: [], curve: [], nodesToBeHad: 0, notes: [] },
      ],
      regions: [{ region: 'ap-guangzhou', days: [{ day: '2026-11-24', row: licence }] }],
    },
    ['As the clusters were.'],
    (id) => (id === 'cls-1' ? hostile : id),
  )
  const file = join(folder, 'forecast.html')
  await writeFile(file, page)
  url = pathToFileURL(file).href
})

afterAll(async () => {
  await browser?.close()
  if (folder !== undefined) await rm(folder, { recursive: true })
})

async function open(scheme: 'light' | 'dark', width: number): Promise<{ readonly page: Page; readonly complaints: string[] }> {
  const page = await browser.newPage()
  await page.setViewport({ width, height: 900 })
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
  const complaints: string[] = []
  page.on('request', (request) => {
    if (request.url() !== url && !request.url().startsWith('data:')) complaints.push(`asked for ${request.url()}`)
  })
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(url, { waitUntil: 'load' })
  return { page, complaints }
}

describe('the page of a forecast', () => {
  test.each(['light', 'dark'] as const)('is drawn, asks nobody for anything and runs nothing strange, %s', async (scheme) => {
    const { page, complaints } = await open(scheme, 1280)
    await page.waitForSelector('canvas')
    expect(await page.title()).toBe('What the schedules will need')
    expect(await page.$$eval('td .bad', (cells) => cells.map(({ textContent }) => textContent))).toEqual(['3 nodes'])
    expect(await page.$eval('main', ({ textContent }) => textContent)).toContain('it cannot be read')
    expect(complaints).toEqual([])
    await page.close()
  })

  test('nothing is off to the right on a narrow screen', async () => {
    const { page } = await open('light', 390)
    expect(await page.evaluate('document.documentElement.scrollWidth <= 390')).toBe(true)
    await page.close()
  })
})

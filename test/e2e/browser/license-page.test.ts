import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { runWords } from '../../infra/cli/run-words.ts'
import { startChromium } from './chromium.ts'

let browser: Browser
let folder: string

const Report = z.object({
  regions: z.array(
    z.object({
      region: z.string(),
      hours: z.number(),
      measured: z.number(),
      gaps: z.array(z.object({ from: z.string(), hours: z.number(), why: z.optional(z.string()) })),
      metrics: z.array(
        z.object({
          metric: z.string(),
          highest: z.object({ used: z.string(), day: z.string(), entitled: z.nullable(z.string()) }),
          forecast: z.optional(z.object({ kind: z.string(), likely: z.optional(z.string()) })),
          months: z.array(z.object({ month: z.string(), highest: z.object({ used: z.string() }) })),
        }),
      ),
    }),
  ),
})

let report: z.infer<typeof Report>

beforeAll(async () => {
  browser = await startChromium()
  folder = await mkdtemp(join(tmpdir(), 'longshore-licence-'))
  for (const words of [
    ['--html', 'year.html'],
    ['--month', '2026-10', '--html', 'month.html'],
  ]) {
    const { code, err } = await runWords(['license', 'report', '--sandbox', ...words], { cwd: folder })
    if (code !== 0) throw new Error(err)
  }
  const { out } = await runWords(['license', 'report', '--sandbox', '--json'], { cwd: folder })
  report = Report.parse(JSON.parse(out))
}, 60_000)

afterAll(async () => {
  await browser?.close()
  if (folder !== undefined) await rm(folder, { recursive: true })
})

interface Opened {
  readonly page: Page
  readonly requests: string[]
  readonly complaints: string[]
}

async function open(name: string, { scheme = 'light', width = 1200 }: { scheme?: 'light' | 'dark'; width?: number } = {}): Promise<Opened> {
  const page = await browser.newPage()
  await page.setViewport({ width, height: 900 })
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
  const requests: string[] = []
  const complaints: string[] = []
  page.on('request', (request) => requests.push(request.url()))
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(pathToFileURL(join(folder, name)).href, { waitUntil: 'load' })
  for (const box of await page.$$('[data-chart]')) {
    await box.scrollIntoView()
    await box.waitForSelector('canvas')
  }
  return { page, requests: requests.filter((one) => !one.startsWith('file:') && one !== 'data:,'), complaints }
}

/** The colours of the chart, as its canvas has them, with how many pixels each; colours that shine through are left out. */
async function colours(page: Page, chart: string): Promise<ReadonlyMap<string, number>> {
  const counts = await page.$eval(`#chart-${chart} canvas`, (canvas) => {
    const data = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? new Uint8ClampedArray()
    const found: Record<string, number> = {}
    for (let at = 0; at < data.length; at += 4) {
      if (data[at + 3] !== 255) continue
      const colour = `${data[at]},${data[at + 1]},${data[at + 2]}`
      found[colour] = (found[colour] ?? 0) + 1
    }
    return found
  })
  return new Map(Object.entries(counts))
}

const reading = async (page: Page, chart: string): Promise<string> =>
  await page.$eval(`#chart-${chart}`, (box) => box.parentElement?.querySelector('.reading')?.textContent ?? '')

describe('the page of a year of licence usage in a browser', () => {
  test.each(['light', 'dark'] as const)('draws its charts in %s colours, asks for nothing, and breaks no policy', async (scheme) => {
    const { page, requests, complaints } = await open('year.html', { scheme })
    expect(await page.$$eval('canvas', (all) => all.length)).toBe(report.regions.flatMap(({ metrics }) => metrics).length)
    expect([requests, complaints]).toEqual([[], []])
    // Usage, and what is entitled over the whole width, in the colours that the key names.
    const found = await colours(page, 'usage-0-0')
    const [usage, limit] = scheme === 'light' ? ['11,102,168', '168,72,11'] : ['108,184,240', '240,163,108']
    expect(found.get(usage ?? '') ?? 0).toBeGreaterThan(300)
    expect(found.get(limit ?? '') ?? 0).toBeGreaterThan(500)
    expect(await page.$eval('#chart-usage-0-0', (box) => box.parentElement?.querySelector('.keys')?.textContent)).toBe(
      'highest of each dayentitledhighest of the monthnot measuredexpected highest of each week',
    )
    await page.close()
  })

  test('shows the figures of the report: coverage, the highest of each month, every gap with its reason, the expected day', async () => {
    const { page } = await open('year.html')
    const text = await page.$eval('body', (body) => body.textContent ?? '')
    const [region] = report.regions
    const sum = region?.metrics[0]
    if (region === undefined || sum === undefined) throw new Error('there is no region')
    expect(text).toContain(`${region.measured.toLocaleString('en-US')} of ${region.hours.toLocaleString('en-US')} hours measured`)
    expect(sum.forecast?.kind).toBe('blocked-on')
    expect(text).toContain(`blocked about ${sum.forecast?.likely}`)
    const rows = await page.$$eval('table', (tables) =>
      tables.map((table) => [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent ?? ''))),
    )
    const months = rows.find((table) => table[0]?.[0] === 'Month')?.slice(1) ?? []
    expect(months.map(([month, highest]) => [month, highest])).toEqual(sum.months.map(({ month, highest }) => [month, highest.used]))
    const gaps = rows.find((table) => table[0]?.[0] === 'From')?.slice(1) ?? []
    expect(gaps.map(([, , hours, why]) => [hours, why])).toEqual(
      region.gaps.map(({ hours, why }) => [String(hours), why ?? 'nothing was noted: nobody looked']),
    )
    expect(gaps.flat()).toContain('CollectAllCore was answered with InternalError after 3 tries')
    expect(text).toContain('a year that was made up')
    await page.close()
  })

  test('says what is used, entitled, expected and not measured at a place, to the mouse and to the arrow keys', async () => {
    const { page } = await open('year.html')
    await page.focus('#chart-usage-0-0')
    await page.keyboard.press('Home')
    expect(await reading(page, 'usage-0-0')).toMatch(
      /^\w{3} 20\d\d-\d\d-01 00:00:00 Asia\/Shanghai: \d+ core, (highest of the month, )?entitled 128$/,
    )
    await page.keyboard.press('End')
    expect(await reading(page, 'usage-0-0')).toMatch(/: (expected highest of each week [\d.]+, between [\d.]+ and [\d.]+, )?entitled 128$/)
    await page.keyboard.press('ArrowLeft')
    const ahead = /: expected highest of each week ([\d.]+), between ([\d.]+) and ([\d.]+), entitled 128$/.exec(
      await reading(page, 'usage-0-0'),
    )
    const [likely = 0, low = 0, high = 0] = (ahead ?? []).slice(1).map(Number)
    // It has come to the limit there, and the band is around it.
    expect(low).toBeLessThan(likely)
    expect(likely).toBeLessThan(high)
    expect(likely).toBeGreaterThan(124)
    const area = await (await page.$('#chart-usage-0-0 .u-over'))?.boundingBox()
    if (area === null || area === undefined) throw new Error('there is no chart')
    await page.mouse.move(area.x + area.width * 0.9, area.y + 50)
    expect(await reading(page, 'usage-0-0')).toContain('expected highest of each week')
    await page.mouse.move(area.x + area.width * 0.2, area.y + 50)
    expect(await reading(page, 'usage-0-0')).toMatch(/: \d+( to \d+)? core, entitled 128$/)
    await page.close()
  })

  test('a line that keeps still goes on until nothing is known any more', async () => {
    const { page } = await open('year.html')
    // Usage of the independent clusters never changes; an outage of more than a day lies in the middle.
    const filled = await page.$eval('#chart-usage-0-3 canvas', (canvas) => {
      const y = Math.floor(canvas.height * 0.5)
      const data = canvas.getContext('2d')?.getImageData(0, y, canvas.width, 1).data ?? new Uint8ClampedArray()
      let count = 0
      for (let at = 3; at < data.length; at += 4) if ((data[at] ?? 0) > 30) count += 1
      return count / canvas.width
    })
    expect(filled).toBeGreaterThan(0.85)
    await page.close()
  })

  test.each(['year.html', 'month.html'])('%s fits a narrow screen without scrolling sideways', async (name) => {
    const { page } = await open(name, { width: 390 })
    await page.waitForFunction('document.documentElement.scrollWidth <= window.innerWidth', { timeout: 5000 })
    await page.close()
  })

  test('of a month is drawn by the hour', async () => {
    const { page, complaints } = await open('month.html')
    expect(await page.$eval('.keys', (key) => key.textContent)).toContain('used in each hour')
    await (await page.$('#chart-usage-0-0'))?.scrollIntoView()
    const area = await (await page.$('#chart-usage-0-0 .u-over'))?.boundingBox()
    if (area === null || area === undefined) throw new Error('there is no chart')
    await page.mouse.move(area.x + area.width / 2, area.y + 50)
    expect(await reading(page, 'usage-0-0')).toMatch(/ 2026-10-\d\d \d\d:00:00 Asia\/Shanghai: \d+( to \d+)? core, entitled 128$/)
    expect(complaints).toEqual([])
    await page.close()
  })

  test('is one file that names no other place', async () => {
    const text = await readFile(join(folder, 'year.html'), 'utf8')
    expect(text.match(/(?:src|href)="(?!#|data:)[^"]*"/g) ?? []).toEqual([])
  })
})

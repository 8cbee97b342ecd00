import { mkdtemp, rm, writeFile } from 'node:fs/promises'
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
  nodes: z.array(z.object({ kind: z.string(), cluster: z.string() })),
  removed: z.array(z.object({ repository: z.string(), tag: z.string() })),
  images: z.array(z.object({ workload: z.string(), to: z.string() })),
  decisions: z.array(z.object({ function: z.string(), outcome: z.string(), text: z.string() })),
  events: z.array(z.object({ text: z.string() })),
})

let report: z.infer<typeof Report>

/** Somebody needs many pods for half an hour, an alarm says so, and a release is pushed. Two hours are enough for it to be over. */
function eventsFrom(startMs: number): object[] {
  const at = (minutes: number): string => new Date(startMs + minutes * 60_000).toISOString()
  const alarm = { source: 'alerts', kind: 'alertmanager', key: 'k1', name: 'HighCpu', labels: { cluster: 'production' } }
  const size = (minutes: number, replicas: number): object => ({
    at: at(minutes),
    scale: { cluster: 'production', namespace: 'shop', kind: 'Deployment', name: 'catalog', replicas },
  })
  return [
    size(20, 150),
    { at: at(21), alert: { ...alarm, state: 'firing', startedAtMs: startMs + 21 * 60_000, value: 25, threshold: 1 } },
    { at: at(30), push: { repository: 'shop/storefront', tag: 'v2.9.0' } },
    size(50, 2),
    { at: at(51), alert: { ...alarm, state: 'resolved' } },
  ]
}

beforeAll(async () => {
  browser = await startChromium()
  folder = await mkdtemp(join(tmpdir(), 'longshore-rehearsal-'))
  await writeFile(join(folder, 'events.json'), JSON.stringify(eventsFrom(Date.now())))
  const words = ['rehearse', '--sandbox', '--hours', '2', '--events', 'events.json', '--html', 'out.html', '--json']
  const { code, out, err } = await runWords(words, { cwd: folder })
  if (code !== 0) throw new Error(err)
  report = Report.parse(JSON.parse(out))
}, 120_000)

afterAll(async () => {
  await browser?.close()
  if (folder !== undefined) await rm(folder, { recursive: true })
})

interface Opened {
  readonly page: Page
  readonly requests: string[]
  readonly complaints: string[]
}

async function open({ scheme = 'light', width = 1200 }: { scheme?: 'light' | 'dark'; width?: number } = {}): Promise<Opened> {
  const page = await browser.newPage()
  await page.setViewport({ width, height: 900 })
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
  const requests: string[] = []
  const complaints: string[] = []
  page.on('request', (request) => requests.push(request.url()))
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(pathToFileURL(join(folder, 'out.html')).href, { waitUntil: 'load' })
  for (const box of await page.$$('[data-chart]')) {
    await box.scrollIntoView()
    await page.waitForFunction((one) => one.querySelector('canvas') !== null, {}, box)
  }
  return { page, requests, complaints }
}

describe('the page of a rehearsal', () => {
  test('tells the story that the figures tell: bought, deleted, deployed', async () => {
    expect(report.nodes.some(({ kind }) => kind === 'added')).toBe(true)
    expect(report.images.some(({ to }) => to.endsWith('shop/storefront:v2.9.0'))).toBe(true)
    expect(report.removed.length).toBeGreaterThan(0)
    const { page } = await open()
    const text = await page.$eval('body', (body) => body.textContent)
    for (const { text: said } of report.events) expect(text).toContain(said)
    for (const { repository, tag } of report.removed) expect(text).toContain(`${repository}:${tag}`)
    expect(text).toContain('alarm HighCpu: 25 over 1')
    expect((await page.$$('[data-chart]')).length).toBeGreaterThanOrEqual(4)
    await page.close()
  })

  test.each([
    ['light', 1200],
    ['dark', 1200],
    ['light', 390],
  ] as const)('draws itself, %s and %i wide, and asks nobody for anything', async (scheme, width) => {
    const { page, requests, complaints } = await open({ scheme, width })
    expect(requests).toEqual([pathToFileURL(join(folder, 'out.html')).href])
    expect(complaints).toEqual([])
    const overflow = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
    expect(overflow).toBeLessThanOrEqual(1)
    const shots = process.env.LONGSHORE_SHOTS
    if (shots !== undefined) await page.screenshot({ path: join(shots, `rehearsal-${scheme}-${width}.png`), fullPage: true })
    await page.close()
  })

  test('is gone through by keyboard: a chart says what it shows at each change', async () => {
    const { page } = await open()
    const box = await page.$('#chart-nodes-0')
    if (box === null) throw new Error('there is no chart of nodes')
    await box.focus()
    await page.keyboard.press('Home')
    await page.keyboard.press('ArrowRight')
    const voice = await page.$eval('output[for="chart-nodes-0"]', (output) => output.textContent ?? '')
    expect(voice).toMatch(/\d/)
    await page.close()
  })
})

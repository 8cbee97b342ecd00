import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pageOf, previewOf } from '#infra/cli/preview.ts'
import { at, bounds, clusterWith, configOf, replicas, ruleOf, targetWith } from '../../functions/cron-scaler/fixtures.ts'
import { findChromium, startChromium } from './chromium.ts'

const hostile = '</script><script>document.title="owned"</script><img src=x onerror=document.title="owned">'

let browser: Browser
let folder: string
let url: string

beforeAll(async () => {
  browser = await startChromium()
  folder = await mkdtemp(join(tmpdir(), 'longshore-page-'))
  const config = configOf({
    timeZone: 'Asia/Shanghai',
    rules: [
      ruleOf('morning', '0 0 8 * * *', 5),
      ruleOf('evening', '0 0 20 * * *', 2),
      ruleOf('open', '0 30 7 * * *', [4, 12]),
      ruleOf('close', '0 0 22 * * *', [2, 6]),
      ruleOf('monday', '0 0 8 * * 1', 3),
      ruleOf(hostile.slice(0, 100), '0 0 9 * * 0', 4),
    ],
  })
  const now = at('2026-11-24T00:00:00Z')
  const observed = { clusters: [clusterWith([targetWith(replicas(2)), targetWith(bounds(1, 3))])] }
  const preview = previewOf({ observed, config: { ...config, mode: 'plan' }, now }, { days: 60 })
  const file = join(folder, 'preview.html')
  await writeFile(file, pageOf(preview))
  url = pathToFileURL(file).href
})

afterAll(async () => {
  await browser?.close()
  if (folder !== undefined) await rm(folder, { recursive: true })
})

interface Opened {
  readonly page: Page
  readonly requests: string[]
  readonly complaints: string[]
}

async function open(scheme: 'light' | 'dark'): Promise<Opened> {
  const page = await browser.newPage()
  await page.setViewport({ width: 1200, height: 900 })
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
  const requests: string[] = []
  const complaints: string[] = []
  page.on('request', (request) => requests.push(request.url()))
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(url, { waitUntil: 'load' })
  await page.waitForSelector('canvas')
  return { page, requests, complaints }
}

describe('the page of a preview in a browser', () => {
  test.each(['light', 'dark'] as const)('draws its charts in %s colours, asks for nothing, and breaks no policy', async (scheme) => {
    const { page, requests, complaints } = await open(scheme)
    for (const box of await page.$$('[data-chart]')) {
      await box.scrollIntoView()
      await box.waitForSelector('canvas')
    }
    expect(await page.$$eval('canvas', (all) => all.length)).toBe(3)
    expect(requests.filter((one) => one !== url && one !== 'data:,')).toEqual([])
    expect(complaints).toEqual([])
    const paper = await page.evaluate('getComputedStyle(document.body).backgroundColor')
    expect(paper).toBe(scheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(18, 24, 30)')
    // Something is drawn on each: more than one colour.
    const colours = await page.$$eval('canvas', (all) =>
      all.map((canvas) => {
        const data = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? new Uint8ClampedArray()
        return new Set(Array.from({ length: data.length / 4 }, (_, index) => data.slice(index * 4, index * 4 + 4).join())).size
      }),
    )
    for (const count of colours) expect(count).toBeGreaterThan(5)
    await page.close()
  })

  test('shows hostile names as text, and runs nothing of them', async () => {
    const { page, complaints } = await open('light')
    expect(await page.title()).toBe('What the schedules will do')
    expect(await page.$$eval('img', (all) => all.length)).toBe(0)
    expect(await page.$eval('main', (main) => main.textContent)).toContain(hostile.slice(0, 100))
    expect(complaints).toEqual([])
    await page.close()
  })

  test('runs no script that was slipped in later: the policy names those that may', async () => {
    const { page } = await open('light')
    const ran = await page.evaluate(`(() => {
      const script = document.createElement('script')
      script.textContent = 'window.slipped = true'
      document.body.append(script)
      return 'slipped' in window
    })()`)
    expect(ran).toBe(false)
    await page.close()
  })

  test('goes from change to change by the arrow keys, and says what is there in the zone of the page', async () => {
    const { page } = await open('light')
    await page.focus('#chart-target-0')
    const said = async (): Promise<string> =>
      await page.$eval('#chart-target-0', (box) => box.parentElement?.querySelector('output')?.textContent ?? '')
    await page.waitForSelector('#chart-target-0 canvas')
    await page.keyboard.press('Home')
    expect(await said()).toBe('Tue 2026-11-24 08:00:00 Asia/Shanghai: 2 replicas')
    await page.keyboard.press('ArrowRight')
    expect(await said()).toBe('Tue 2026-11-24 16:00:00 Asia/Shanghai: 5 replicas')
    await page.keyboard.press('ArrowLeft')
    expect(await said()).toContain('2 replicas')
    await page.keyboard.press('End')
    expect(await said()).toContain('Sat 2027-01-23 08:00:00 Asia/Shanghai')
    await page.close()
  })

  test('reads out what is under the mouse: the extent of a stretch, and each change after zooming in; Escape leads back', async () => {
    const { page } = await open('light')
    await (await page.$('#chart-target-0'))?.scrollIntoView()
    await page.waitForSelector('#chart-target-0 canvas')
    const box = await page.$('#chart-target-0 .u-over')
    const area = await box?.boundingBox()
    if (area === null || area === undefined) throw new Error('there is no chart')
    const reading = async (): Promise<string> =>
      await page.$eval('#chart-target-0', (one) => one.parentElement?.querySelector('.reading')?.textContent ?? '')
    const [middle, top] = [area.x + area.width / 2, area.y + area.height / 2]
    await page.mouse.move(middle, top)
    const before = await reading()
    expect(before).toMatch(/^[A-Z][a-z]{2} 2026-12-\d\d \d\d:\d\d:\d\d Asia\/Shanghai: \d replicas$/)
    await page.mouse.down()
    await page.mouse.move(middle + 60, top, { steps: 5 })
    await page.mouse.up()
    await page.mouse.move(area.x + 5, top)
    const zoomed = await reading()
    expect(zoomed).toContain('2026-12-2')
    await page.focus('#chart-target-0')
    await page.keyboard.press('Escape')
    await page.mouse.move(area.x + 6, top)
    expect(await reading()).toContain('2026-11-24')
    await page.close()
  })

  test('draws the lowest and the highest where changes are too close, and the changes themselves after zooming in', async () => {
    const { page, complaints } = await open('light')
    await page.setViewport({ width: 300, height: 800 })
    await (await page.$('#chart-target-0'))?.scrollIntoView()
    await page.waitForSelector('#chart-target-0 canvas')
    const box = await page.$('#chart-target-0 .u-over')
    await box?.scrollIntoView()
    await page.waitForFunction('document.querySelector("#chart-target-0 canvas").getBoundingClientRect().width <= 300', { timeout: 5000 })
    const area = await box?.boundingBox()
    if (area === null || area === undefined) throw new Error('there is no chart')
    const reading = async (): Promise<string> =>
      await page.$eval('#chart-target-0', (one) => one.parentElement?.querySelector('.reading')?.textContent ?? '')
    await page.mouse.move(area.x + area.width / 2, area.y + 20)
    expect(await reading()).toMatch(/: 2 to 5 replicas$/)
    await page.mouse.down()
    await page.mouse.move(area.x + area.width / 2 + 40, area.y + 20, { steps: 5 })
    await page.mouse.up()
    await page.mouse.move(area.x + area.width / 2, area.y + 20)
    expect(await reading()).toMatch(/: [25] replicas$/)
    expect(complaints).toEqual([])
    await page.close()
  })

  test('leaves colours and charts in step when the system changes from light to dark', async () => {
    const { page, complaints } = await open('light')
    const before = await page.$eval('canvas', (canvas) => canvas.toDataURL())
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }])
    await page.waitForFunction(`document.querySelector('canvas').toDataURL() !== ${JSON.stringify(before)}`, { timeout: 5000 })
    expect(complaints).toEqual([])
    await page.close()
  })

  test('fits a narrow screen without scrolling sideways', async () => {
    const { page } = await open('light')
    await page.setViewport({ width: 390, height: 800 })
    await page.waitForFunction('document.documentElement.scrollWidth <= window.innerWidth', { timeout: 5000 })
    await page.close()
  })
})

describe('without a Chromium', () => {
  test('it says where it looked and what to do', async () => {
    await expect(findChromium({ PATH: '/nowhere' })).rejects.toThrow('LONGSHORE_CHROMIUM=/path/to/chromium')
    await expect(findChromium({ LONGSHORE_CHROMIUM: '/nowhere/chromium' })).rejects.toThrow('which is no program that can be run')
  })
})

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Browser, Page } from 'puppeteer-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ImagePlatform, keeping, openImagePlatform } from '../../infra/cli/image-platform.ts'
import { startChromium } from './chromium.ts'

let browser: Browser
let platform: ImagePlatform
let url: string

beforeAll(async () => {
  browser = await startChromium()
  platform = await openImagePlatform()
  for (let index = 1; index <= 12; index += 1) platform.push('shop/web', `v1.${index}.0`, 60 - index, { sizeBytes: 90_000_000 + index })
  platform.push('shop/web', 'a-rather-long-name-of-a-tag-that-somebody-gave-it-once', 70, { content: 'shop/web:v1.1.0' })
  platform.push('shop/api', 'v1', 60)
  platform.use('shop', 'shop/web:v1.3.0')
  await platform.configure('plan', keeping({ last: 2, protected: ['latst'] }, { caps: { perRun: 3 } }))
  const ran = await platform.longshore('images', 'report', '--html', 'images.html')
  expect([ran.code, ran.err], ran.out).toEqual([0, ''])
  url = pathToFileURL(join(platform.folder, 'images.html')).href
})

afterAll(async () => {
  await browser?.close()
  await platform?.close()
})

async function open(scheme: 'light' | 'dark', width: number) {
  const page = await browser.newPage()
  await page.setViewport({ width, height: 900 })
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
  const requests: string[] = []
  const complaints: string[] = []
  page.on('request', (request) => requests.push(request.url()))
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(url, { waitUntil: 'load' })
  return { page, requests, complaints }
}

/** Elements that are wider than what they stand in, or reach over the right edge of the window. */
const overflowing = async (page: Page): Promise<unknown> =>
  await page.evaluate(`[...document.querySelectorAll('body *')].filter((element) => {
    const { right, width } = element.getBoundingClientRect()
    return width > 0 && !element.closest('thead') && !element.classList.contains('voice') && right > document.documentElement.clientWidth + 1
  }).map((element) => element.outerHTML.slice(0, 120))`)

const shownRows = async (page: Page): Promise<unknown> =>
  await page.evaluate(
    `[...document.querySelectorAll('section tbody tr')].filter((row) => row.getBoundingClientRect().height > 0).map((row) => row.className).sort().join(' ')`,
  )

describe('the page of all images in a browser', () => {
  test.each([
    ['light', 1200],
    ['dark', 1200],
    ['light', 375],
    ['dark', 375],
  ] as const)('in %s colours and %i pixels wide is whole, asks for nothing and breaks no policy', async (scheme, width) => {
    const { page, requests, complaints } = await open(scheme, width)
    expect(await overflowing(page)).toEqual([])
    expect(requests.filter((one) => one !== url && one !== 'data:,')).toEqual([])
    expect(complaints).toEqual([])
    const paper = await page.evaluate('getComputedStyle(document.body).backgroundColor')
    expect(paper).toBe(scheme === 'light' ? 'rgb(255, 255, 255)' : 'rgb(18, 24, 30)')
    // A figure and its unit are on one line.
    const sizes = await page.evaluate(
      `[...document.querySelectorAll('section td.number')].map((cell) => { const range = document.createRange(); range.selectNodeContents(cell); return new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size }).every((lines) => lines === 1)`,
    )
    expect(sizes).toBe(true)
    await page.close()
  })

  test('shows only what goes, or goes and waits, when one asks for it, by keyboard as well', async () => {
    const { page, complaints } = await open('light', 1200)
    expect(String(await shownRows(page))).toMatch(/going( going)* kept( kept)* waiting( waiting)*$/)
    await page.click('#show-changes')
    expect(String(await shownRows(page))).toMatch(/^(going ?)+( ?waiting)+$/)
    await page.focus('#show-changes')
    await page.keyboard.press('ArrowDown')
    expect(String(await shownRows(page))).toMatch(/^going( going)*$/)
    expect(await page.$$eval('section.kept', (all) => all.map((section) => section.getBoundingClientRect().height))).toEqual(
      expect.arrayContaining([0]),
    )
    await page.click('#show-all')
    expect(String(await shownRows(page))).toContain('kept')
    expect(complaints).toEqual([])
    await page.close()
  })

  test('on a narrow screen names the column of each cell, and a screen reader still finds tables', async () => {
    const { page } = await open('light', 375)
    const label = await page.evaluate(`getComputedStyle(document.querySelector('section td[data-title="Why"]'), '::before').content`)
    // Chromium answers it as it is written.
    expect(['"Why: "', 'attr(data-title) ": "', '"Why" ": "']).toContain(label)
    const tree = await page.accessibility.snapshot({ interestingOnly: false })
    expect(JSON.stringify(tree)).toContain('"role":"table"')
    expect(JSON.stringify(tree)).toContain('columnheader')
    await page.close()
  })
})

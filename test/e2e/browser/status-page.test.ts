import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Browser, Page } from 'puppeteer-core'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { FunctionsView } from '#infra/status/api-schemas.ts'
import { viewNames } from '#infra/status/page/routes.ts'
import { dictionaries } from '#infra/status/page/words.ts'
import { busyAnswers, emptyAnswers } from '../../infra/status/page/made-answers.ts'
import { type MadeServer, startMadeServer } from '../../infra/status/page/made-server.ts'
import { startChromium } from './chromium.ts'

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
/** Pictures of each view for the eye, in a folder that is not kept. */
const pictures = join(import.meta.dirname, '../../../reports/status-page')
const token = 'made-up-token-of-a-test'

let browser: Browser
let server: MadeServer
const pages: Page[] = []

beforeAll(async () => {
  browser = await startChromium()
  server = await startMadeServer(busyAnswers({ writable: true }), token)
  await mkdir(pictures, { recursive: true })
})

afterEach(async () => {
  for (const page of pages.splice(0)) await page.close()
  server.answers = busyAnswers({ writable: true })
  server.instead.clear()
  server.orders.length = 0
})

afterAll(async () => {
  await browser?.close()
  await server?.close()
})

interface Choice {
  readonly scheme?: 'light' | 'dark'
  readonly width?: number
  readonly language?: 'en' | 'zh'
  readonly hash?: string
}

async function open({ scheme = 'light', width = 1280, language = 'en', hash = '' }: Choice = {}) {
  const context = await browser.createBrowserContext()
  const page = await context.newPage()
  pages.push(page)
  await page.setViewport({ width, height: 850 })
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
  await page.evaluateOnNewDocument(`Object.defineProperty(navigator, 'languages', { value: ['${language === 'zh' ? 'zh-CN' : 'en-GB'}'] })`)
  const requests: string[] = []
  const complaints: string[] = []
  page.on('request', (request) => requests.push(request.url()))
  page.on('console', (message) => complaints.push(message.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
  await page.goto(`${server.url}/${hash}`, { waitUntil: 'load' })
  await page.waitForSelector('main h1')
  const foreign = (): string[] => requests.filter((one) => !one.startsWith(server.url) && !one.startsWith('data:'))
  return { page, requests, complaints, foreign }
}

/** Goes to a view the way a link does, and waits until its answers are there. */
async function go(page: Page, hash: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`)
  await page.waitForFunction(
    `document.querySelector('nav.views [aria-current]')?.getAttribute('href') === ${JSON.stringify(hash.split('?')[0])}`,
  )
  await settled(page)
}

const settled = async (page: Page): Promise<unknown> =>
  await page.waitForFunction("document.querySelector('main h1') !== null && document.querySelector('main [aria-busy=true]') === null")

const textOf = async (page: Page, selector = 'main'): Promise<string> => await page.$eval(selector, (element) => element.textContent ?? '')
const focused = async (page: Page): Promise<string> => String(await page.evaluate('document.activeElement?.textContent'))
const voice = async (page: Page): Promise<string> => await textOf(page, 'output.voice')

/** Elements that reach over the right edge of the window, apart from what scrolls by itself. */
const overflowing = async (page: Page): Promise<unknown> =>
  await page.evaluate(`[...document.querySelectorAll('body *')].filter((element) => {
    const { right, width } = element.getBoundingClientRect()
    return width > 0 && !element.closest('thead, nav.views, .voice, .u-over, .plot') && right > document.documentElement.clientWidth + 1
  }).map((element) => element.outerHTML.slice(0, 160))`)

/** Pairs of cells or facts that lie on each other. */
const overlapping = async (page: Page): Promise<unknown> =>
  await page.evaluate(`(() => {
    const boxes = [...document.querySelectorAll('main h1, main h2, main p, main td, main figure, dl.facts > div, header.top > *')]
      .filter((element) => element.checkVisibility() && !element.closest('.voice')).map((element) => ({ element, box: element.getBoundingClientRect() }))
    const found = []
    for (const [index, one] of boxes.entries()) for (const other of boxes.slice(index + 1)) {
      if (one.element.contains(other.element)) continue
      const width = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left)
      const height = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top)
      if (width > 1 && height > 1) found.push([one.element.outerHTML.slice(0, 80), other.element.outerHTML.slice(0, 80)])
    }
    return found
  })()`)

/** What axe finds that is serious or worse, in short. */
async function violations(page: Page): Promise<unknown> {
  // Evaluated as the debugger does, since the page lets no other script in.
  await page.evaluate(axe)
  return await page.evaluate(`axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
    violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) => [id, nodes.slice(0, 3).map(({ html, failureSummary }) => html.slice(0, 120) + ' | ' + failureSummary)]))`)
}

describe.each([
  ['light', 'en'],
  ['dark', 'en'],
  ['light', 'zh'],
  ['dark', 'zh'],
] as const)('the status page in %s colours and the language %s', (scheme, language) => {
  test('shows every view with content, without a complaint, a foreign request or a barrier', async () => {
    const { page, complaints, foreign } = await open({ scheme, language })
    for (const view of viewNames) {
      await go(page, `#/${view}`)
      expect(await textOf(page, 'h1')).toBe(dictionaries[language].views[view])
      expect([view, await page.$('main .empty')]).toEqual([view, null])
      expect([view, await violations(page)]).toEqual([view, []])
      await page.screenshot({ path: join(pictures, `${view}-${scheme}-${language}.png`) as `${string}.png`, fullPage: true })
    }
    expect(await page.$eval('html', (html) => html.lang)).toBe(language === 'zh' ? 'zh-Hans' : 'en')
    expect(await page.evaluate('getComputedStyle(document.documentElement).backgroundColor')).toBe(
      scheme === 'light' ? 'rgb(246, 248, 250)' : 'rgb(17, 23, 29)',
    )
    expect([complaints, foreign()]).toEqual([[], []])
  })
})

test.each([
  [390, 'en'],
  [390, 'zh'],
  [820, 'en'],
  [920, 'en'],
  [1060, 'en'],
  [1600, 'en'],
] as const)(
  '%i pixels wide and in the language %s every view fits, nothing lies on anything, and no barrier is there',
  async (width, language) => {
    const { page, complaints } = await open({ width, language })
    for (const view of viewNames) {
      await go(page, `#/${view}`)
      expect([view, await overflowing(page)]).toEqual([view, []])
      expect([view, await overlapping(page)]).toEqual([view, []])
      expect([view, await page.evaluate('document.documentElement.scrollWidth <= document.documentElement.clientWidth')]).toEqual([
        view,
        true,
      ])
      if (width === 390) expect([view, await violations(page)]).toEqual([view, []])
      await page.screenshot({ path: join(pictures, `${view}-${width}-${language}.png`) as `${string}.png`, fullPage: true })
    }
    // The view one is in can be seen in the list, however narrow it is.
    const place = await page.$eval('nav.views [aria-current]', (link) => link.getBoundingClientRect().toJSON())
    expect(place.left).toBeGreaterThanOrEqual(0)
    expect(place.right).toBeLessThanOrEqual(width)
    // Where the rows are blocks, it is a table to a screen reader all the same, and each cell says which column it is of.
    const tree = JSON.stringify(await page.accessibility.snapshot({ interestingOnly: false }))
    expect(tree).toContain('"role":"table"')
    expect(tree).toContain('columnheader')
    expect(complaints).toEqual([])
  },
)

test.each(['en', 'zh'] as const)(
  'a platform on which nothing happened says in %s why each view is empty and what to do',
  async (language) => {
    server.answers = emptyAnswers()
    const { page, complaints } = await open({ language })
    const words = dictionaries[language]
    const plain = (text: string): string => text.replaceAll('`', '')
    for (const [view, title, help] of [
      ['overview', words.nothingChanged, words.nothingChangedHelp],
      ['decisions', words.noDecisions, words.noDecisionsHelp],
      ['timeline', words.noTimeline, words.noTimelineHelp],
      ['registry', words.noRegistry, words.noRegistryHelp],
      ['licence', words.noLicence, words.noLicenceHelp],
      ['leases', words.noLeases, words.noLeasesHelp],
      ['approvals', words.noApprovals, words.noApprovalsHelp],
      ['dead-letters', words.noDeadLetters, words.noDeadLettersHelp],
      ['journal', words.noJournal, words.noJournalHelp],
    ] as const) {
      await go(page, `#/${view}`)
      expect([view, await textOf(page)]).toEqual([view, expect.stringContaining(plain(title) + plain(help))])
      expect([view, await violations(page)]).toEqual([view, []])
      await page.screenshot({ path: join(pictures, `empty-${view}-${language}.png`) as `${string}.png` })
    }
    expect(complaints).toEqual([])
  },
)

describe('by keyboard', () => {
  test('one goes from the beginning to the content, and to a view, whose heading has the focus then and whose name the title', async () => {
    const { page } = await open()
    await page.keyboard.press('Tab')
    expect(await focused(page)).toBe('Skip to the content')
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement.id')).toBe('main')
    // The address still names the view.
    expect(await page.evaluate('location.hash')).toBe('')
    await page.focus('nav.views a[href="#/leases"]')
    await page.keyboard.press('Enter')
    await page.waitForFunction("document.title === 'Leases · Longshore'")
    await page.waitForFunction("document.activeElement.tagName === 'H1'")
    expect(await focused(page)).toBe('Leases')
    expect(await page.$$eval('nav.views [aria-current="page"]', (all) => all.map(({ textContent }) => textContent))).toEqual(['Leases'])
    await page.goBack()
    await page.waitForFunction("document.title === 'Overview · Longshore'")
  })

  test('everything that can be done is reached in the order it stands in, and is seen to have the focus', async () => {
    const { page } = await open({ hash: '#/dead-letters' })
    await settled(page)
    const seen: string[] = []
    for (let index = 0; index < 24; index += 1) {
      await page.keyboard.press('Tab')
      const [text, outline] = (await page.evaluate(
        '[document.activeElement.textContent, getComputedStyle(document.activeElement).outlineStyle + getComputedStyle(document.activeElement).clipPath]',
      )) as [string, string]
      seen.push(text)
      expect([text, outline]).toEqual([text, expect.stringContaining('solid')])
      if (text === 'Discard …') break
    }
    expect(seen.slice(0, 3)).toEqual(['Skip to the content', 'Longshore', 'Pause updates'])
    expect(seen.slice(-2)).toEqual(['Try again …', 'Discard …'])
  })

  test('a filter can be set, and Escape leaves a dialog without an order, with the focus where it was', async () => {
    const { page } = await open({ hash: '#/decisions' })
    await settled(page)
    await page.focus('fieldset.outcomes input')
    await page.keyboard.press('Space')
    await page.waitForFunction("location.hash === '#/decisions?outcome=Applied'")
    await settled(page)
    expect(await page.$$eval('td .tag', (all) => [...new Set(all.map(({ textContent }) => textContent))])).toEqual(['Applied'])
    await go(page, '#/leases')
    // A lease that is over cannot be released.
    expect([await page.$$eval('tbody tr', (all) => all.length), await page.$$eval('td.order button', (all) => all.length)]).toEqual([4, 3])
    await page.focus('td.order button')
    await page.keyboard.press('Enter')
    await page.waitForSelector('dialog[open]')
    expect(await page.evaluate("document.activeElement.closest('dialog') !== null")).toBe(true)
    await page.keyboard.press('Escape')
    await page.waitForFunction("document.querySelector('dialog') === null")
    expect(await focused(page)).toBe('Release …')
    expect(server.orders).toEqual([])
  })
})

describe('decisions', () => {
  test('are filtered by function, by what is typed and by outcome, all in the address, and the filter is cleared by a click', async () => {
    const { page, complaints } = await open({ hash: '#/decisions' })
    await settled(page)
    await page.select('form.filter select', 'image-cleaner')
    await page.waitForFunction("location.hash.includes('function=image-cleaner')")
    await page.type('form.filter input[type=search]', 'catalog:v1.38')
    await page.waitForFunction("location.hash.includes('target=catalog')")
    await page.waitForFunction("document.querySelector('p.count')?.textContent === '5 decisions'")
    expect(await page.$$eval('td.name', (all) => [...new Set(all.map(({ textContent }) => textContent))])).toEqual([
      'shop/catalog:v1.38.0image-cleaner',
    ])
    await page.reload({ waitUntil: 'load' })
    await page.waitForFunction("document.querySelector('p.count')?.textContent === '5 decisions'")
    expect(await page.evaluate("document.querySelector('form.filter input[type=search]').value")).toBe('catalog:v1.38')
    await page.type('form.filter input[type=search]', 'zzz')
    await page.waitForSelector('.empty')
    expect(await textOf(page, '.empty')).toContain('No decision fits the filter.')
    await (await page.$('form.filter button'))?.click()
    await page.waitForFunction("location.hash === '#/decisions'")
    await page.waitForFunction("document.querySelector('p.count')?.textContent === '50 decisions'")
    expect(complaints).toEqual([])
  })

  test('letters typed slowly are not lost when answers come in between, and another choice made meanwhile is kept', async () => {
    const { page } = await open({ hash: '#/decisions' })
    await settled(page)
    const field = 'form.filter input[type=search]'
    await page.type(field, 'shop/cat ', { delay: 450 })
    await page.type(field, 'alog')
    await page.select('form.filter select', 'image-cleaner')
    await page.waitForFunction("location.hash.includes('target=shop%2Fcat+alog')")
    expect(await page.evaluate(`document.querySelector('${field}').value`)).toBe('shop/cat alog')
    expect(await page.evaluate('location.hash')).toContain('function=image-cleaner')
    // Going back goes back in the field as well.
    await go(page, '#/decisions?target=ledger')
    await page.waitForFunction(`document.querySelector('${field}').value === 'ledger'`)
  })

  test('are paged: older ones, which stay as they are, and back to the newest', async () => {
    const { page } = await open({ hash: '#/decisions' })
    await settled(page)
    const times = async () => await page.$$eval('td.moment time', (all) => all.map((one) => one.getAttribute('datetime')))
    const first = await times()
    await (await page.$('nav.pages a'))?.click()
    await page.waitForFunction("location.hash.includes('before=')")
    await settled(page)
    const second = await times()
    expect(second[0]?.localeCompare(first.at(-1) ?? '')).toBe(-1)
    expect(await page.$$eval('nav.pages a', (all) => all.map(({ textContent }) => textContent))).toEqual(['Newest', 'Older'])
    await (await page.$('nav.pages a'))?.click()
    await page.waitForFunction("!location.hash.includes('before=')")
    await settled(page)
    expect(await times()).toEqual(first)
  })

  test('with markup for a name are shown as text', async () => {
    const { page, complaints } = await open({ hash: '#/decisions' })
    await settled(page)
    expect(await textOf(page)).toContain('<img src=x onerror=')
    expect(await page.$('main img, main script')).toBeNull()
    expect(await page.title()).toBe('Decisions · Longshore')
    expect(complaints).toEqual([])
  })
})

describe('charts', () => {
  test('say what the values are where the pointer is, all for the same instant, and have a table that says the same', async () => {
    const { page, complaints } = await open({ hash: '#/timeline' })
    await page.waitForSelector('.u-over')
    const reading = async (index: number): Promise<string> =>
      (await page.$$eval('.reading', (all) => all.map(({ textContent }) => textContent)))[index] ?? ''
    expect(await reading(0)).toMatch(/^all 6ready 6leased for alarms 0/)
    const area = await (await page.$('.u-over'))?.boundingBox()
    if (area === null || area === undefined) throw new Error('there is no chart')
    await page.mouse.move(area.x + area.width * 0.8, area.y + 40)
    await page.waitForFunction("document.querySelector('.reading')?.textContent.startsWith('all 8ready 8leased for alarms 2')")
    const instants = await page.$$eval('.reading .at', (all) => all.map(({ textContent }) => textContent))
    expect(instants[0]).toBe(instants[1])
    await page.mouse.move(5, 5)
    await page.waitForFunction("document.querySelector('.reading')?.textContent.startsWith('all 6ready 6')")
    await page.focus('figure.chart summary')
    await page.keyboard.press('Enter')
    const rows = await page.$$eval('figure.chart details[open] tbody tr', (all) =>
      all.map((row) =>
        [...row.cells]
          .slice(1)
          .map(({ textContent }) => textContent)
          .join(' '),
      ),
    )
    expect(rows).toEqual(['6 6 0', '6 6 0', '8 8 2', '8 6 2', '6 6 0'])
    expect(complaints).toEqual([])
  })

  test('show another range by a click, and are drawn in other colours when these change', async () => {
    const { page, requests } = await open({ hash: '#/timeline' })
    await page.waitForSelector('.u-over')
    const pixels = async (): Promise<string> => await page.$eval('canvas', (canvas) => canvas.toDataURL())
    const light = await pixels()
    await page.select('.settings select', 'dark')
    await page.waitForFunction(`document.querySelector('canvas')?.toDataURL() !== ${JSON.stringify(light)}`)
    await (await page.$$('nav.tabs a'))[3]?.click()
    await page.waitForFunction("location.hash === '#/timeline?hours=168'")
    await settled(page)
    expect(requests.some((one) => one.endsWith('/api/timeline?hours=168'))).toBe(true)
  })
})

test('of many workloads those get a chart that changed most; the others are listed with what they are now', async () => {
  const busy = busyAnswers()
  const [series] = busy.timeline.replicas
  if (series === undefined) throw new Error('there is no series')
  const replicas = Array.from({ length: 200 }, (_, index) => ({ ...series, target: `cls-a/shop/Deployment/web-${index}` }))
  server.answers = { ...busy, timeline: { ...busy.timeline, replicas } }
  const { page } = await open({ hash: '#/timeline' })
  await page.waitForSelector('section[aria-labelledby=replicas] canvas')
  expect((await page.$$('section[aria-labelledby=replicas] canvas')).length).toBe(24)
  expect(await textOf(page)).toContain('176 more workloads with fewer changes')
  expect((await page.$$('section[aria-labelledby=replicas] > details > .sheet tbody tr')).length).toBe(176)
})

describe('choices', () => {
  test('of language and colours hold at once and after a reload, against what the system says', async () => {
    const { page } = await open({ scheme: 'light' })
    await (await page.$('.languages button:last-child'))?.click()
    await page.waitForFunction("document.documentElement.lang === 'zh-Hans'")
    expect(await textOf(page, 'h1')).toBe('总览')
    await page.select('.settings select', 'dark')
    await page.reload({ waitUntil: 'load' })
    await page.waitForSelector('main h1')
    expect(await page.evaluate('[document.documentElement.lang, getComputedStyle(document.documentElement).backgroundColor]')).toEqual([
      'zh-Hans',
      'rgb(17, 23, 29)',
    ])
    await page.select('.settings select', 'system')
    expect(await page.evaluate('getComputedStyle(document.documentElement).backgroundColor')).toBe('rgb(246, 248, 250)')
  })
})

describe('updates', () => {
  const countOf = (requests: readonly string[], path: string): number => requests.filter((one) => one.endsWith(path)).length

  test('come by themselves, are told to a screen reader when somebody does something, and can be paused', async () => {
    const { page, requests } = await open({ hash: '#/leases' })
    await settled(page)
    server.answers = { ...server.answers, leases: { leases: [] } }
    await page.waitForSelector('.empty')
    await (await page.$('.settings button'))?.click()
    expect(await voice(page)).toBe('Updates are paused.')
    await new Promise((resolve) => setTimeout(resolve, 500))
    const before = requests.length
    server.answers = busyAnswers()
    await new Promise((resolve) => setTimeout(resolve, 3000))
    expect([requests.length, await page.$('.empty')]).toEqual([before, expect.anything()])
    await (await page.$('.settings button'))?.click()
    await page.waitForSelector('table.list')
  })

  test('ask for what is shown only, every two seconds, and for nothing in a hidden tab', async () => {
    const { page, requests } = await open({ hash: '#/registry' })
    await settled(page)
    await page.waitForFunction("performance.getEntriesByName(location.origin + '/api/registry').length >= 3")
    expect(countOf(requests, '/api/leases') + countOf(requests, '/api/functions')).toBe(0)
    await page.evaluate(
      "Object.defineProperty(document, 'hidden', { value: true, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))",
    )
    await new Promise((resolve) => setTimeout(resolve, 300))
    const before = requests.length
    await new Promise((resolve) => setTimeout(resolve, 3000))
    expect(requests.length).toBe(before)
    await page.evaluate(
      "Object.defineProperty(document, 'hidden', { value: false, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))",
    )
    await page.waitForFunction(
      `performance.getEntriesByName(location.origin + '/api/registry').length >= ${countOf(requests, '/api/registry') + 1}`,
    )
  })

  test('that fail are told in the words of the API, and what was known stays', async () => {
    const { page } = await open({ hash: '#/leases' })
    await settled(page)
    server.instead.set('/api/leases', {
      status: 500,
      body: { error: { code: 'store-unreadable', text: 'the store cannot be read: disk full' } },
    })
    await page.waitForSelector('.notice.bad')
    expect(await textOf(page, '.notice.bad')).toBe('The server could not answer thisthe store cannot be read: disk fullstore-unreadable')
    expect(await page.$('table.list')).not.toBeNull()
    expect(await violations(page)).toEqual([])
    server.instead.clear()
    await page.waitForFunction("document.querySelector('.notice.bad') === null")
  })

  test('that do not come since the server is gone are told with the time, and what was known stays', async () => {
    const own = await startMadeServer(busyAnswers())
    const { page } = await open()
    await page.goto(`${own.url}/#/leases`)
    await settled(page)
    await page.waitForSelector('table.list')
    await own.close()
    await page.waitForSelector('[role=alert]')
    expect(await textOf(page, '[role=alert]')).toMatch(/^The server has not answered since \d\d:\d\d:\d\d\. /)
    expect(await page.$('table.list')).not.toBeNull()
    expect(await violations(page)).toEqual([])
  })

  test('of another form than the page knows take only their view along', async () => {
    server.instead.set('/api/leases', { status: 200, body: { leases: 'none' } })
    const { page } = await open({ hash: '#/leases' })
    await page.waitForSelector('.empty')
    expect(await textOf(page)).toContain('This view cannot be shown.')
    await go(page, '#/registry')
    expect(await page.$('table.list')).not.toBeNull()
  })

  test('of an address without a view say so', async () => {
    const { page } = await open({ hash: '#/nowhere' })
    expect(await textOf(page)).toContain('There is no such view.')
    expect(await page.$('nav.views [aria-current]')).toBeNull()
  })
})

describe('orders', () => {
  const fill = async (page: Page, fields: Readonly<Record<string, string>>): Promise<void> => {
    for (const [name, value] of Object.entries(fields)) await page.type(`dialog input[name=${name}]`, value)
  }

  test('are not there without a token on the server, which says why', async () => {
    server.answers = busyAnswers({ writable: false })
    const { page } = await open()
    await settled(page)
    for (const view of ['overview', 'leases', 'dead-letters']) {
      await go(page, `#/${view}`)
      expect([view, await page.$$('main button')]).toEqual([view, []])
    }
    expect(await textOf(page)).toContain('the server was started without a token')
  })

  test('to stop everything want a name, a reason and the right token, which is kept in memory only', async () => {
    const { page, complaints } = await open()
    await page.waitForSelector('dl.facts button')
    await page.click('dl.facts button')
    await page.waitForSelector('dialog[open]')
    expect(await violations(page)).toEqual([])
    await page.screenshot({ path: join(pictures, 'dialog.png') as `${string}.png` })
    // Nothing is sent without what is asked for.
    await page.click('dialog button[type=submit]')
    expect(server.orders).toEqual([])
    await fill(page, { by: 'li.na', reason: 'incident 12', token: 'wrong' })
    await page.click('dialog button[type=submit]')
    await page.waitForSelector('dialog .failure')
    expect(await textOf(page, 'dialog .failure')).toBe('It was not done: the token is another one')
    expect(await page.evaluate("document.querySelector('dialog input[name=token]').value")).toBe('')
    await fill(page, { token })
    await page.click('dialog button[type=submit]')
    await page.waitForFunction("document.querySelector('dialog') === null")
    expect(server.orders.at(-1)).toEqual({
      path: '/api/switch',
      authorization: `Bearer ${token}`,
      body: { state: 'stop', by: 'li.na', reason: 'incident 12' },
    })
    expect([await textOf(page, '.result p'), await voice(page)]).toEqual(['/api/switch was carried out', '/api/switch was carried out'])
    expect(
      await page.evaluate('JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href])'),
    ).not.toContain(token)
    // The browser itself notes the refusal.
    expect(complaints.filter((one) => !one.includes('401'))).toEqual([])
    expect(await page.$$eval('main', ([main]) => main?.innerHTML.includes('made-up-token-of'))).toBe(false)
  })

  test('about leases and dead letters name what they are about, and the second one need not be told the name and token again', async () => {
    const { page } = await open({ hash: '#/leases' })
    await settled(page)
    await page.click('td.order button')
    await page.waitForSelector('dialog[open]')
    expect(await textOf(page, 'dialog .about')).toBe(
      'cls-9f3kq2vd/general · alertmanager/PodsPending{cluster="production",namespace="shop"}',
    )
    expect(await page.$('dialog input[name=reason]')).toBeNull()
    await fill(page, { by: 'li.na', token })
    await page.click('dialog button[type=submit]')
    await page.waitForSelector('.result')
    await go(page, '#/dead-letters')
    expect(await page.$('.result')).toBeNull()
    for (const [index, what] of ['retry', 'discard'].entries()) {
      await (await page.$$('td.order button'))[index]?.click()
      await page.waitForSelector('dialog[open]')
      await page.click('dialog button[type=submit]')
      await page.waitForFunction("document.querySelector('dialog') === null")
      expect(server.orders.at(-1)?.body).toEqual({ id: 'evt-01JDB2M6', do: what, by: 'li.na' })
    }
    expect(server.orders.map(({ path }) => path)).toEqual(['/api/leases/release', '/api/dead-letters/order', '/api/dead-letters/order'])
  })
})

describe('on the page of a platform that really runs', () => {
  let longshore: ChildProcess
  let url: string

  beforeAll(async () => {
    url = `http://127.0.0.1:${await freePort()}`
    const words = ['start', '--port', new URL(url).port, '--sandbox-port', '0', '--token', 'env:STATUS_TOKEN']
    longshore = spawn(process.execPath, [join(import.meta.dirname, '../../../infra/cli/longshore.mjs'), ...words], {
      env: { ...process.env, STATUS_TOKEN: token },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    // It is through with its first round when it has said so; what it says is for people and may change.
    longshore.stdout?.resume()
    await vi.waitFor(
      async () => {
        const { functions } = FunctionsView.parse(await (await fetch(`${url}/api/functions`)).json())
        expect(functions.every(({ runs }) => runs > 0)).toBe(true)
      },
      { timeout: 100_000, interval: 500 },
    )
  })

  afterAll(async () => {
    if (longshore.exitCode !== null) return
    const ended = once(longshore, 'exit')
    longshore.kill('SIGINT')
    await ended
  })

  test.each(['light', 'dark'] as const)('every view is shown in %s colours without a complaint or a barrier', async (scheme) => {
    const { page, complaints, requests } = await open({ scheme })
    requests.length = 0
    await page.goto(url, { waitUntil: 'load' })
    for (const view of viewNames) {
      await go(page, `#/${view}`)
      expect([view, await page.$('.notice.bad')]).toEqual([view, null])
      expect([view, await overflowing(page)]).toEqual([view, []])
      expect([view, await violations(page)]).toEqual([view, []])
      await page.screenshot({ path: join(pictures, `real-${view}-${scheme}.png`) as `${string}.png`, fullPage: true })
    }
    await go(page, '#/overview')
    await page.waitForFunction("document.querySelectorAll('table.list tbody tr').length >= 8")
    for (const name of ['cron-scaler', 'image-cleaner', 'license-meter', 'alarm-scaler', 'redeploy-hook'])
      expect(await textOf(page)).toContain(name)
    await go(page, '#/journal')
    await page.waitForSelector('.verification.good')
    expect(complaints).toEqual([])
    expect(requests.filter((one) => !one.startsWith(url) && !one.startsWith('data:'))).toEqual([])
  })

  test('the kill switch stops and lets run, by whom and why being told', async () => {
    const { page } = await open()
    await page.goto(url, { waitUntil: 'load' })
    await page.waitForSelector('dl.facts button')
    await page.click('dl.facts button')
    await page.waitForSelector('dialog[open]')
    for (const [name, value] of Object.entries({ by: 'li.na', reason: 'incident 12', token }))
      await page.type(`dialog input[name=${name}]`, value)
    await page.click('dialog button[type=submit]')
    await page.waitForFunction("document.querySelector('dl.facts .tone.bad') !== null")
    expect(await textOf(page, 'dl.facts')).toMatch(/Stopped: nothing is writtenby li\.na.*incident 12/)
    expect(await textOf(page, 'header.top')).toContain('Stopped: nothing is written')
    await page.click('dl.facts button')
    await page.waitForSelector('dialog[open]')
    await page.type('dialog input[name=reason]', 'it is over')
    await page.click('dialog button[type=submit]')
    await page.waitForFunction("document.querySelector('dl.facts .tone.good') !== null")
  })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

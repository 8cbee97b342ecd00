import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import puppeteer from 'puppeteer-core'

/**
 * Writes docs/images/status.png, which the README shows: starts Longshore on its sandbox with the time passing faster, waits until
 * there is something to see, and takes a picture of the status page. Needs a Chromium: the one that LONGSHORE_CHROMIUM names, else
 * /usr/bin/chromium. Throws when the picture would be too large for a README.
 */

const root = join(import.meta.dirname, '../..')
const largestBytes = 300_000
const startWithinMs = 60_000

const { values } = parseArgs({
  options: {
    /** How many times faster; 1 leaves the time as it is. */
    speed: { type: 'string', default: '600' },
    /** How long it runs before the picture is taken. */
    seconds: { type: 'string', default: '120' },
    view: { type: 'string', default: 'overview' },
    out: { type: 'string', default: 'docs/images/status.png' },
  },
})

const seconds = Number(values.seconds)
if (!Number.isFinite(seconds) || seconds < 0) throw new Error(`--seconds is a number of seconds, not "${values.seconds}"`)

const port = await freePort()
const words = ['start', '--port', String(port), '--sandbox-port', '0', ...(values.speed === '1' ? [] : ['--speed', values.speed])]
const longshore = spawn(process.execPath, [join(root, 'infra/cli/longshore.mjs'), ...words], { stdio: ['ignore', 'ignore', 'inherit'] })
const ended = once(longshore, 'exit')
try {
  const url = `http://127.0.0.1:${port}`
  await answers(url, ended)
  await sleep(seconds * 1000)
  const picture = await pictureOf(`${url}/#/${values.view}`)
  if (picture.length > largestBytes) {
    throw new Error(`the picture has ${picture.length} bytes, more than ${largestBytes}: choose a view with less in it (--view)`)
  }
  const path = join(root, values.out)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, picture)
  console.log(`${values.out} written, ${Math.ceil(picture.length / 1024)} KiB`)
} finally {
  longshore.kill('SIGINT')
  await ended
}

/** Waits until the status page is there; throws when the process ends before, or takes too long. */
async function answers(url: string, end: Promise<unknown>): Promise<void> {
  const patience = AbortSignal.timeout(startWithinMs)
  const hasEnded = end.then(() => {
    throw new Error('longshore start has ended before it served a page: its message is above')
  })
  while (true) {
    patience.throwIfAborted()
    const isThere = await Promise.race([hasEnded, isServed(url)])
    if (isThere) return
    await sleep(250)
  }
}

async function isServed(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/api/platform`)).ok
  } catch (error) {
    // Nobody listens yet.
    if (error instanceof TypeError) return false
    throw error
  }
}

async function pictureOf(url: string): Promise<Uint8Array> {
  const isRoot = process.getuid?.() === 0
  const browser = await puppeteer.launch({
    executablePath: process.env.LONGSHORE_CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: isRoot ? ['--no-sandbox'] : [],
  })
  try {
    const page = await browser.newPage()
    await page.setViewport({ width: 1280, height: 1000 })
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'light' }])
    await page.goto(url, { waitUntil: 'load' })
    await page.waitForSelector('main table.list, main figure.chart, main .empty')
    await page.waitForFunction("document.querySelector('main [aria-busy=true]') === null")
    return await page.screenshot({ type: 'png', optimizeForSpeed: false })
  } finally {
    await browser.close()
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('there is no free port on 127.0.0.1')
  return address.port
}

import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import puppeteer, { type Browser } from 'puppeteer-core'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** The Chromium that LONGSHORE_CHROMIUM names, or the first on the path. Throws a sentence when there is none: nothing is skipped. */
export async function findChromium(env: Readonly<Record<string, string | undefined>>): Promise<string> {
  const { LONGSHORE_CHROMIUM: named, PATH: path = '' } = env
  if (named !== undefined && named !== '') {
    if (await isRunnable(named)) return named
    throw new Error(
      `LONGSHORE_CHROMIUM names ${named}, which is no program that can be run: correct it, or unset it to have one looked for`,
    )
  }
  for (const folder of path.split(delimiter).filter((one) => one !== '')) {
    for (const name of names) if (await isRunnable(join(folder, name))) return join(folder, name)
  }
  throw new Error(
    `there is no Chromium: none of ${names.join(', ')} is on the path. Install one (on Debian: apt-get install chromium), or name one with LONGSHORE_CHROMIUM=/path/to/chromium`,
  )
}

async function isRunnable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Starts the browser without a window. In a container, where one is root, it runs without its own sandbox. */
export async function startChromium(): Promise<Browser> {
  const executablePath = await findChromium(process.env)
  const isRoot = process.getuid?.() === 0
  return await puppeteer.launch({ executablePath, headless: true, args: isRoot ? ['--no-sandbox'] : [] })
}

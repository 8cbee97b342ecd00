import { readdir } from 'node:fs/promises'

let warmed: Promise<void> | undefined

/**
 * Loads what the product loads only when it needs it: its own files, and the libraries behind them. Loading takes real time, of
 * which virtual time knows nothing, so it has to be over when a world begins. What is loaded already is there at once.
 */
export function warmUp(): Promise<void> {
  warmed ??= load()
  return warmed
}

async function load(): Promise<void> {
  const folder = new URL('../../functions/cron-scaler/', import.meta.url)
  const files = (await readdir(folder)).filter((name) => name.endsWith('.ts') && name !== 'handler.ts')
  await Promise.all([
    ...files.map((name) => import(new URL(name, folder).href)),
    import('ical.js'),
    import('re2js'),
    import('yaml'),
  ])
}

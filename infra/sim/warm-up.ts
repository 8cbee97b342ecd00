import { readdir, readFile } from 'node:fs/promises'

const folders = ['cron-scaler', 'image-cleaner', 'redeploy-hook', 'alarm-scaler', 'license-meter'].map(
  (name) => new URL(`../../functions/${name}/`, import.meta.url),
)
let warmed: Promise<void> | undefined

/**
 * Loads what the product loads only when it needs it: some of its own files, and the libraries behind them. Loading takes real
 * time, of which virtual time knows nothing, so it has to be over when a world begins. What is loaded already is there at once.
 */
export function warmUp(): Promise<void> {
  warmed ??= load()
  return warmed
}

async function load(): Promise<void> {
  const late = new Set<string>()
  for (const folder of folders) {
    for (const name of await readdir(folder)) {
      if (!name.endsWith('.ts')) continue
      const text = await readFile(new URL(name, folder), 'utf8')
      for (const [, module = ''] of text.matchAll(/\bawait import\('(\.\/[^']+)'\)/g)) late.add(new URL(module, folder).href)
    }
  }
  const files = [...late].toSorted().map((module) => import(module))
  await Promise.all([...files, import('#shared/runtime/emf.ts'), import('ical.js'), import('re2js'), import('yaml')])
}

import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const root = new URL('../../../', import.meta.url)

/** What worlds run: files of theirs are found by themselves. */
const functions = ['functions/cron-scaler', 'functions/image-cleaner']

/** Ways that a world never goes: it has its own store, credentials, network and frame around a run, and nothing wrong in its settings. */
const elsewhere = [
  'shared/runtime/config.ts',
  'shared/runtime/connect.ts',
  'shared/runtime/define-schedule.ts',
  'shared/runtime/event-surroundings.ts',
  'shared/runtime/kernel.ts',
  'shared/runtime/surroundings.ts',
  'shared/safety/store-dynamodb.ts',
  'shared/safety/store-sqlite.ts',
]

it('loads everything before a world begins that the product loads late: virtual time does not wait for a disk', () => {
  const warmUp = readFileSync(new URL('infra/sim/warm-up.ts', root), 'utf8')
  const missing: string[] = []
  for (const folder of [...functions, 'shared/pure', 'shared/cloud', 'shared/safety', 'shared/runtime']) {
    for (const name of readdirSync(new URL(folder, root))) {
      const file = `${folder}/${name}`
      if (!name.endsWith('.ts') || elsewhere.includes(file)) continue
      for (const [, module = ''] of readFileSync(new URL(file, root), 'utf8').matchAll(/await import\('([^']+)'\)/g)) {
        // Nobody is told of anything in a world.
        if (module.startsWith('./notify/')) continue
        const own = module.replace(/^\.\//, `#${folder}/`)
        const isLoaded = (functions.includes(folder) && module.startsWith('./')) || warmUp.includes(`import('${own}')`)
        if (!isLoaded) missing.push(`${file} loads ${module}`)
      }
    }
  }
  expect(missing).toEqual([])
})

import { join } from 'node:path'
import { expect, it } from 'vitest'
import { readConfig } from '#infra/local/platform.ts'
import { readLicence } from '#infra/status/licence-reading.ts'
import { licenceView } from '#infra/status/views/licence-view.ts'
import { appendSample } from '#shared/licence/record-store.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { sampleAt } from '../../shared/licence/licence-samples.ts'

const first = Date.parse('2026-11-24T00:00:00Z') / 3_600_000

it('the licence has a point for each hour that was measured, also where nothing changed, and none for a gap', async () => {
  const env = { TENCENTCLOUD_REGION: 'ap-guangzhou', TENCENTCLOUD_SECRET_ID: 'id', TENCENTCLOUD_SECRET_KEY: 'key' }
  const path = join(import.meta.dirname, '../../../infra/local/sandbox.yaml')
  const config = await readConfig({ env, path, folder: import.meta.dirname })
  const store = openMemoryStore(new MemoryDisk())
  const nowMs = (first + 12.5) * 3_600_000
  const memory = createMemory(store, { function: 'license-meter', now: () => nowMs })
  // Hours 4 and 5 were never measured.
  const usage = new Map([0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12].map((hour) => [hour, hour < 8 ? '84' : '90']))
  for (const [hour, cores] of usage) await appendSample(memory, sampleAt(first + hour, { 'tke-x86': cores }, { of: 'ap-guangzhou' }))
  const reading = await readLicence({ config, store, now: () => nowMs })
  const { products } = await licenceView({ licence: { look: async () => reading, forget: () => undefined } })
  expect(products).toMatchObject([{ metric: 'tke-*', used: 90, entitled: 128, gaps: 2 }])
  expect(products[0]?.points).toEqual(
    [...usage].map(([hour, cores]) => ({ at: new Date((first + hour) * 3_600_000).toISOString(), value: Number(cores) })),
  )
  const without = await readLicence({ config, store: undefined, now: () => nowMs })
  expect(without.problem).toContain('no store')
})

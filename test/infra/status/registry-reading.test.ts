import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { BatchDeleteImagePersonal } from '#cloud/generated/tcr/batch-delete-image-personal.ts'
import type { RegistryView } from '#infra/status/api-schemas.ts'
import { createRegistryReading, type RegistryReading } from '#infra/status/registry-reading.ts'
import { registryView } from '#infra/status/views/registry-view.ts'
import { openStage, type Stage } from './status-stage.ts'

let stage: Stage
let reading: RegistryReading
let wall = 0
let before: RegistryView

beforeAll(async () => {
  stage = await openStage({ functions: ['image-cleaner'] })
  reading = createRegistryReading({ platform: stage.platform, sinceMs: stage.platform.now(), keepMs: 0, wallNow: () => wall })
  before = await look()
  // What is removed now is noted with a time before that of the first look.
  stage.clock.move(-86_400_000)
  await stage.runner.runOnce()
})

afterAll(async () => {
  await stage.close()
})

/** Looks after so long that everything is read anew. */
async function look(): Promise<RegistryView> {
  wall += 3_600_000
  const view = await registryView({ registry: reading })
  expect(view.problem).toBeUndefined()
  return view
}

describe('what was given back', () => {
  it('is nothing while copies in the quarantine take the same space', async () => {
    const { freedTags, freedBytes, keptBytes, repositories } = await look()
    expect(repositories.reduce((sum, { quarantinedTags }) => sum + quarantinedTags, 0)).toBeGreaterThan(0)
    expect([freedTags, freedBytes, keptBytes]).toEqual([0, 0, before.keptBytes])
  })

  it('is what the copies took once they are gone, by the repository it was removed from, also when the clock was set back', async () => {
    const copies = await stage.copies()
    await stage.platform.cloud.send(BatchDeleteImagePersonal, { RepoName: 'ops/quarantine', Tags: copies.map(({ copy }) => copy) })
    const { freedTags, freedBytes, keptBytes, repositories } = await look()
    expect([freedTags, keptBytes + freedBytes]).toEqual([copies.length, before.keptBytes])
    expect(freedBytes).toBeGreaterThan(1_000_000)
    for (const { repository, freedTags: own } of repositories)
      expect([repository, own]).toEqual([repository, copies.filter((copy) => copy.repository === repository).length])
    expect((await look()).freedTags).toBe(copies.length)
  })
})

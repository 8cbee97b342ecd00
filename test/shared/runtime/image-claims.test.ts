import { describe, expect, it } from 'vitest'
import {
  deployingForMs,
  ImageClaimError,
  keepDeploying,
  keepRemoving,
  recallDeploying,
  recallRemoving,
} from '#shared/runtime/image-claims.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'

const noon = Date.parse('2026-11-24T12:00:00Z')

function memoryAt(disk: MemoryDisk, now: number) {
  return createMemory(openMemoryStore(disk), { function: 'redeploy-hook', now: () => now })
}

describe('what is about to be deployed', () => {
  it('is known by repository until its time is over, once however often it is said', async () => {
    const disk = new MemoryDisk()
    const memory = memoryAt(disk, noon)
    const web = { repository: 'team/web', tag: '1.0.1', content: 'sha256:aa', by: 'cls-1/prod/Deployment/web' }
    const other = { repository: 'team/web-api', tag: '2', by: 'cls-1/prod/Deployment/api' }
    await keepDeploying(memory, [web, other], noon + deployingForMs)
    await keepDeploying(memory, [{ ...web, tag: 'stable' }], noon + deployingForMs)
    expect(await recallDeploying(memory, 'team/web')).toEqual([{ ...web, format: 1, tag: 'stable' }])
    expect(await recallDeploying(memory)).toHaveLength(2)
    expect(await recallDeploying(memoryAt(disk, noon + deployingForMs), 'team/web')).toEqual([])
    expect(await recallDeploying(undefined)).toEqual([])
  })

  it('and cannot be understood is an error, because nobody knows what must not be removed', async () => {
    const memory = memoryAt(new MemoryDisk(), noon)
    await memory.put('deploying/team%2Fweb/x', { format: 2 })
    await expect(recallDeploying(memory, 'team/web')).rejects.toThrow(ImageClaimError)
  })
})

describe('what is about to be removed', () => {
  it('is known by content, of any number, of several runs at once', async () => {
    const disk = new MemoryDisk()
    const memory = memoryAt(disk, noon)
    const contents = Array.from({ length: 20_000 }, (_, index) => `sha256:${index}`)
    await keepRemoving(memory, { repository: 'team/web', contents, run: '1' }, noon + 1000)
    await keepRemoving(memory, { repository: 'team/web', contents: ['other'], run: '2' }, noon + 2000)
    const isGoing = await recallRemoving(memory, 'team/web')
    expect([contents[0], contents[19_999], 'other', 'sha256:20000'].map((content = '') => isGoing(content))).toEqual([
      true,
      true,
      true,
      false,
    ])
    expect((await recallRemoving(memory, 'team/we'))('other')).toBe(false)
    const later = await recallRemoving(memoryAt(disk, noon + 1000), 'team/web')
    expect([later('sha256:1'), later('other')]).toEqual([false, true])
  })

  it('and cannot be understood may be anything', async () => {
    const memory = memoryAt(new MemoryDisk(), noon)
    await memory.put('removing/team%2Fweb/1/x', { format: 2 })
    expect((await recallRemoving(memory, 'team/web'))('sha256:aa')).toBe(true)
  })
})

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { dayOf } from '#functions/image-cleaner/canary.ts'
import { recallHistory } from '#functions/image-cleaner/history.ts'
import { canaryKey, recallCanaries } from '#functions/image-cleaner/run-memory.ts'
import { createRestoreCommand } from '#infra/cli/restore.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { dayMs, type ImagePlatform, keeping, openImagePlatform } from './image-platform.ts'

let platform: ImagePlatform
const zone = 'Asia/Shanghai'
const small = keeping({ last: 1 }, { canary: { enabled: true, amount: 100 } })

beforeEach(async () => {
  platform = await openImagePlatform()
  for (const [index, tag] of ['v1', 'v2', 'v3', 'v4'].entries()) platform.push('shop/web', tag, 40 - index)
})

afterEach(async () => {
  await platform.close()
})

/** A run that has removed v1, v2 and v3; v4 is the newest. */
async function removeThree(): Promise<void> {
  await platform.configure('enforce', small)
  const ran = await platform.longshore('start', '--once', '--config', 'longshore.yaml')
  expect([ran.code, ran.err], ran.out).toEqual([0, ''])
  expect(platform.tags('shop/web')).toEqual(['v4'])
}

/** The policy removes more from day to day since ten days. */
async function growOld(): Promise<void> {
  await platform.remembering(async (memory) => {
    const state = (await recallCanaries(memory)).services
    expect(state).toBeDefined()
    await memory.put(canaryKey('services'), { ...state, firstDay: dayOf(Date.now() - 10 * dayMs, zone) })
  })
}

const firstDay = async (): Promise<number | undefined> =>
  await platform.remembering(async (memory) => (await recallCanaries(memory)).services?.firstDay)

describe('longshore restore', () => {
  it('brings one tag back with its content, journals it, and lets the policy start small again', async () => {
    const content = platform.sandbox.world.tcr.repositories['shop/web']?.tags.v2?.content.digest
    await removeThree()
    await growOld()
    const ran = await platform.longshore('restore', 'shop/web:v2', '--yes')
    expect([ran.code, ran.err], ran.out).toEqual([0, ''])
    expect(ran.out).toMatch(
      /Applied +shop\/web +tag v2 removed -> tag v2 +somebody asked for it[^\n]*\nservices removed what was needed, and starts small again\.$/,
    )
    expect(platform.tags('shop/web')).toEqual(['v2', 'v4'])
    expect(platform.sandbox.world.tcr.repositories['shop/web']?.tags.v2?.content.digest).toBe(content)
    expect(await firstDay()).toBe(dayOf(Date.now(), zone))
    const journal = await platform.longshore('journal', 'list', 'image-cleaner')
    expect(journal.out).toMatch(
      /intent[^\n]*shop\/web[\s\S]*Applied[^\n]*shop\/web[\s\S]*intent[^\n]*shop\/web[\s\S]*Applied[^\n]*shop\/web/,
    )
    expect((await platform.longshore('journal', 'verify', 'image-cleaner')).code).toBe(0)
    // A policy that was judged by what had been seen would know that it was missed.
    const row = await platform.remembering(async (memory) =>
      (await recallHistory(memory, 'shop/web'))?.tags.find(({ name }) => name === 'v2'),
    )
    expect(row).toMatchObject({ restoredDay: dayOf(Date.now(), zone), removedDay: dayOf(Date.now(), zone) })
  })

  it('finds it there already when somebody asks twice, and brings it back again when it was removed again', async () => {
    await removeThree()
    expect((await platform.longshore('restore', 'shop/web:v2', '--yes')).code).toBe(0)
    const again = await platform.longshore('restore', 'shop/web:v2', '--yes')
    expect([again.code, again.out]).toEqual([0, expect.stringMatching(/^image-cleaner +NoChange .*v2 is there$/)])
    delete platform.sandbox.world.tcr.repositories['shop/web']?.tags.v2
    expect((await platform.longshore('restore', 'shop/web:v2', '--yes')).code).toBe(0)
    expect(platform.tags('shop/web')).toEqual(['v2', 'v4'])
  })

  it('takes globs, with or without the host', async () => {
    await removeThree()
    const ran = await platform.longshore('restore', 'ccr.ccs.tencentyun.com/shop/*:v*', '--yes')
    expect(ran.code).toBe(0)
    expect(platform.tags('shop/web')).toEqual(['v1', 'v2', 'v3', 'v4'])
  })

  it('says of what is back that it is, in the list of copies and in the next run', async () => {
    await removeThree()
    expect((await platform.longshore('restore')).out).not.toContain('brought back')
    await platform.longshore('restore', 'shop/web:v2', '--yes')
    const lines = (await platform.longshore('restore')).out.split('\n')
    expect(lines[0]).toMatch(/^removed tag +copy is kept until +removed by +brought back$/)
    expect(lines.filter((line) => / Asia\/Shanghai .* Asia\/Shanghai$/.test(line))).toEqual([expect.stringMatching(/^shop\/web:v2 /)])
    const plan = await platform.longshore('plan', 'image-cleaner')
    expect(plan.out).toContain('2 removed tags can still be brought back with `longshore restore`; the first copy goes at')
  })

  it('leaves alone a name that somebody has pushed anew', async () => {
    await removeThree()
    platform.push('shop/web', 'v2', 0, { content: 'another' })
    const ran = await platform.longshore('restore', 'shop/web:v2', '--yes')
    expect([ran.code, ran.out]).toEqual([1, expect.stringMatching(/Skipped .*pushed anew with other content/)])
  })

  it('says so when the copy is gone', async () => {
    await removeThree()
    const bin = platform.sandbox.world.tcr.repositories['ops/bin']
    for (const name of Object.keys(bin?.tags ?? {})) delete bin?.tags[name]
    const ran = await platform.longshore('restore', 'shop/web:v2', '--yes')
    expect([ran.code, ran.out]).toEqual([1, expect.stringMatching(/Failed .*the copy of v2 is gone: push it again/)])
    expect(platform.tags('shop/web')).toEqual(['v4'])
  })

  it('is stopped by the kill switch', async () => {
    await removeThree()
    expect((await platform.longshore('switch', 'stop', '--by', 'a tester', '--reason', 'a test')).code).toBe(0)
    const before = platform.writes()
    const ran = await platform.longshore('restore', 'shop/web:v2', '--yes')
    expect([ran.code, ran.out]).toEqual([1, expect.stringMatching(/Held .*switch/i)])
    expect(platform.writes()).toBe(before)
  })

  it('without mode enforce says what it would do and writes nothing', async () => {
    await removeThree()
    await platform.configure('plan', small)
    const before = platform.writes()
    const ran = await platform.longshore('restore', 'shop/web:v2')
    expect([ran.code, ran.err]).toEqual([2, ''])
    expect(ran.out).toMatch(/^would bring back shop\/web:v2 from ops\/bin:[0-9a-f]{16}-v2\nNothing was done: .*mode plan.*`mode: enforce`/)
    expect(platform.writes()).toBe(before)
  })

  it('without a name lists the copies; an unknown one is told with what there is', async () => {
    await removeThree()
    const list = await platform.longshore('restore')
    expect(list.code).toBe(0)
    expect(list.out.split('\n')).toEqual([
      expect.stringMatching(/^removed tag +copy is kept until +removed by$/),
      ...['v1', 'v2', 'v3'].map((name) => expect.stringMatching(new RegExp(`^shop/web:${name} +.* Asia/Shanghai +services$`))),
    ])
    const ran = await platform.longshore('restore', 'shop/wbe:v2', '--yes')
    expect(ran.code).toBe(1)
    expect(ran.err).toMatch(
      /^No copy of shop\/wbe:v2 is remembered\. Did you mean shop\/web:v2.*\n[\s\S]*shop\/web:v1[\s\S]*Nothing was brought back\.$/,
    )
    expect(platform.tags('shop/web')).toEqual(['v4'])
  })

  it('asks first: nothing happens without a yes, and where nobody can be asked', async () => {
    await removeThree()
    expect(await platform.longshore('restore', 'shop/web:v2')).toMatchObject({ code: 1, err: expect.stringContaining('add --yes') })
    const env = { TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId, TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey }
    const answering = async (answer: string): Promise<number> => {
      const asked: string[] = []
      const command = createRestoreCommand(async (question) => {
        asked.push(question)
        return await Promise.resolve(answer)
      })
      const silent = { out: () => undefined, err: () => undefined, env, cwd: platform.folder, signal: new AbortController().signal }
      const code = await command.run(['shop/web:v2'], silent)
      expect(asked).toEqual(['Bring back 1 tag? [y/N] '])
      return code
    }
    expect(await answering('n')).toBe(1)
    expect(platform.tags('shop/web')).toEqual(['v4'])
    expect(await answering('y')).toBe(0)
    expect(platform.tags('shop/web')).toEqual(['v2', 'v4'])
  })

  it('needs the quarantine to be configured still', async () => {
    await removeThree()
    await platform.configure('enforce', { ...small, quarantine: undefined })
    const ran = await platform.longshore('restore', 'shop/web:v2', '--yes')
    expect([ran.code, ran.err]).toEqual([1, expect.stringMatching(/names no quarantine/)])
  })
})

describe('a removal with a quarantine', () => {
  it('can be undone as a whole, and the policy starts small again', async () => {
    await removeThree()
    await growOld()
    const undone = await platform.longshore('undo', 'image-cleaner', '1')
    expect([undone.code, undone.err]).toEqual([0, ''])
    expect(platform.tags('shop/web')).toEqual(['v1', 'v2', 'v3', 'v4'])
    expect(await firstDay()).toBe(dayOf(Date.now(), zone))
  })

  it('cannot be undone where there was no quarantine', async () => {
    await platform.configure('enforce', keeping({ last: 1 }, { quarantine: undefined }))
    expect((await platform.longshore('start', '--once', '--config', 'longshore.yaml')).code).toBe(0)
    expect(platform.tags('shop/web')).toEqual(['v4'])
    expect(await platform.longshore('undo', 'image-cleaner', '1')).toMatchObject({
      code: 1,
      err: expect.stringContaining('cannot be taken back'),
    })
  })

  it('is the same in a plan that is made again later, so that what was reviewed can be carried out', async () => {
    await platform.configure('enforce', small)
    const planned = await platform.longshore('plan', 'image-cleaner')
    expect([planned.code, planned.err]).toEqual([2, ''])
    const digest = /apply --plan ([0-9a-f]{12})/.exec(planned.out)?.[1] ?? ''
    const applied = await platform.longshore('apply', '--plan', digest)
    expect([applied.code, applied.err]).toEqual([0, ''])
    expect(platform.tags('shop/web')).toEqual(['v4'])
  })
})

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { dayOf } from '#functions/image-cleaner/canary.ts'
import { changeHistory, historyAfter, type RepositoryHistory, recallHistory } from '#functions/image-cleaner/history.ts'
import { dateText } from '#infra/cli/date-text.ts'
import { tagOf, useOf } from '../../functions/image-cleaner/fixtures.ts'
import { dayMs, type ImagePlatform, keeping, openImagePlatform } from './image-platform.ts'

let platform: ImagePlatform
const zone = 'Asia/Shanghai'
const settings = (keep: object) => keeping(keep, { referenceMemory: '1h' })

beforeEach(async () => {
  platform = await openImagePlatform()
})

afterEach(async () => {
  await platform.close()
})

/** Thirty days of runs: a tag a day, and on day 20 somebody goes back to the first one for two days. */
async function seeThirtyDays(): Promise<number> {
  const endMs = Date.now()
  const startMs = endMs - 29 * dayMs
  const tags = Array.from({ length: 30 }, (_, day) => ({ ...tagOf(`v${day}`, 0), pushedMs: startMs + day * dayMs - 1000 }))
  await platform.remembering(async (memory) => {
    let history: RepositoryHistory | undefined
    for (let day = 0; day < 30; day += 1) {
      const now = startMs + day * dayMs
      const uses = day < 2 || day === 20 || day === 21 ? [useOf('shop/web', { tag: 'v0' }, { seenMs: now })] : []
      history = historyAfter(history, {
        repository: 'shop/web',
        tags: tags.slice(0, day + 1),
        references: uses,
        now,
        day: dayOf(now, zone),
      })
    }
    await changeHistory(memory, 'shop/web', endMs, () => history)
  })
  return dayOf(startMs, zone)
}

describe('longshore backtest image-cleaner', () => {
  it('says what a policy would have removed that was used later, and the smallest safe values', async () => {
    await platform.configure('plan', settings({ last: 5 }))
    const first = await seeThirtyDays()
    const calls = platform.sandbox.journal.length
    const ran = await platform.longshore('backtest', 'image-cleaner')
    expect([ran.code, ran.err]).toEqual([2, ''])
    expect(ran.out.split('\n')).toEqual([
      `services, 30 days from ${dateText(first)} to ${dateText(first + 29)}: 1 repository, 30 tags seen.`,
      'It would have removed 1 image that was used later:',
      expect.stringMatching(/^image +removed on +used again on +by$/),
      `shop/web:v0  ${dateText(first + 5)}  ${dateText(first + 20)}     Deployment prod/web, container app`,
      expect.stringMatching(/^Smallest safe value: keep\.last 20 \(it is 5 now\), or keep\.days 2[01] \(it has none now\)\.$/),
      'By the end it would have removed 25 of 30 tags.',
      '',
    ])
    expect(platform.sandbox.journal.length).toBe(calls)
  })

  it('finds nothing wrong with the value that it recommends', async () => {
    await platform.configure('plan', settings({ last: 20 }))
    await seeThirtyDays()
    const ran = await platform.longshore('backtest', 'image-cleaner', '--policy', 'services')
    expect([ran.code, ran.out]).toEqual([0, expect.stringContaining('It would have removed nothing that was used later.')])
  })

  it('takes a policy from a file, and a number of days', async () => {
    await platform.configure('plan', settings({ last: 20 }))
    await seeThirtyDays()
    await writeFile(join(platform.folder, 'tight.yaml'), 'name: tight\nrepositories: ["shop/**"]\nkeep: { last: 3 }\n')
    const ran = await platform.longshore('backtest', 'image-cleaner', '--policy', 'tight.yaml', '--json')
    expect(ran.code).toBe(2)
    expect(JSON.parse(ran.out).policies).toMatchObject([
      {
        policy: 'tight',
        keep: { last: 3 },
        safe: { last: 20 },
        repositories: [
          { repository: 'shop/web', seen: 30, usedLater: [{ tags: ['v0'], by: 'Deployment prod/web, container app' }], safe: { last: 20 } },
        ],
      },
    ])
    expect((await platform.longshore('backtest', 'image-cleaner', '--policy', 'tight.yaml', '--days', '9')).code).toBe(0)
    const long = await platform.longshore('backtest', 'image-cleaner', '--policy', 'tight.yaml', '--days', '90')
    expect(long.out).toContain('no more than 30 days of the 90 asked for were seen')
  })

  it('learns from runs in whatever mode what there is and what is in use', async () => {
    platform.push('shop/web', 'v1', 40)
    platform.push('shop/web', 'v2', 20)
    platform.use('shop', 'shop/web:v1')
    await platform.configure('plan', settings({ last: 1 }))
    expect((await platform.longshore('start', '--once', '--config', 'longshore.yaml')).code).toBe(0)
    const today = dayOf(Date.now(), zone)
    const history = await platform.remembering((memory) => recallHistory(memory, 'shop/web'))
    expect((await platform.longshore('backtest', 'image-cleaner')).out).toContain(
      '1 day of history says little: there may have been no rollback yet.',
    )
    expect(history?.tags.map(({ name, uses, seenDay }) => [name, uses, seenDay])).toEqual([
      ['v1', [[today, today]], today],
      ['v2', [], today],
    ])
    const ran = await platform.longshore('backtest', 'image-cleaner')
    expect([ran.code, ran.out]).toEqual([0, expect.stringContaining('1 repository, 2 tags seen')])
  })

  it('learns nothing where a cluster cannot be read: what is in use is not known then', async () => {
    platform.push('shop/web', 'v1', 40)
    await platform.configure('plan', settings({ last: 1 }))
    platform.sandbox.faults.add({ fault: { kind: 'rbac-403' } })
    expect((await platform.longshore('start', '--once', '--config', 'longshore.yaml')).code).toBe(1)
    expect(await platform.remembering((memory) => recallHistory(memory, 'shop/web'))).toBeUndefined()
    const ran = await platform.longshore('backtest', 'image-cleaner')
    expect([ran.code, ran.err]).toEqual([1, expect.stringContaining('nothing has been seen of this registry yet')])
  })

  it.each([
    [[], 'name a function'],
    [['cron-scaler'], 'keeps no history of policies'],
    [['image-cleaner', '--policy', 'servicse'], 'did you mean "services"?'],
    [['image-cleaner', '--policy', 'bad.yaml'], 'bad.yaml holds no policy: keep'],
    [['image-cleaner', '--policy', 'broken.yaml'], 'broken.yaml: '],
    [['image-cleaner', '--policy', 'regex.yaml'], 'it looks around'],
    [['image-cleaner', '--days', '0'], '--days takes a whole number from 1 to 366'],
  ])('words that say something else are explained: %j', async (words, text) => {
    await platform.configure('plan', settings({ last: 1 }))
    await writeFile(join(platform.folder, 'bad.yaml'), 'name: bad\nrepositories: ["**"]\nkeep: { lest: 3 }\n')
    await writeFile(join(platform.folder, 'broken.yaml'), 'name: [\n')
    await writeFile(join(platform.folder, 'regex.yaml'), 'name: regex\nrepositories: ["**"]\nkeep: { pattern: "(?!v)x" }\n')
    expect(await platform.longshore('backtest', ...words)).toMatchObject({ code: 1, err: expect.stringContaining(text) })
  })
})

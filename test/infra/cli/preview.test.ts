import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { runWords } from './run-words.ts'

let folder: string

const rules = `
mode: plan
platform: { region: ap-guangzhou }
clusters: [{ id: cls-9f3kq2vd, name: production }, { id: cls-m4t8x0be }]
functions:
  cron-scaler:
    rules:
      - { name: morning, cluster: production, target: { kind: Deployment, namespace: shop, name: checkout }, schedule: "0 0 8 * * *", targetSize: 12 }
      - { name: evening, cluster: production, target: { kind: Deployment, namespace: shop, name: checkout }, schedule: "0 0 20 * * *", targetSize: 3 }
      - { name: low, cluster: production, target: { kind: Deployment, namespace: shop, name: checkout }, schedule: "0 0 8 1 * *", targetSize: 2 }
      - { name: bounds, cluster: cls-m4t8x0be, target: { kind: HorizontalPodAutoscaler, namespace: shop, name: api }, schedule: "0 30 7 * * *", minSize: 2, maxSize: 6 }
`

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-preview-'))
  await writeFile(join(folder, 'longshore.yaml'), rules)
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

const offline = ['preview', 'cron-scaler', '--offline', '--from', '2026-11-24', '--days', '14']

describe('longshore preview, offline', () => {
  test('shows what will be, in the zone of the function, with totals and conflicts', async () => {
    const { code, out, err } = await runWords([...offline, '--show', '2'], { cwd: folder })
    expect([code, err]).toEqual([0, ''])
    const lines = out.split('\n')
    expect(lines[0]).toBe(
      '14 days from Tue 2026-11-24 00:00:00 Asia/Shanghai. Nothing was read: only the rules of the configuration take part, and sizes are unknown until a rule first fires. Taken for granted: triggers on time, and nobody else changing a size. The mode is plan, in which nothing is changed; this shows what mode enforce would do.',
    )
    expect(lines).toContain(
      'cls-9f3kq2vd/shop/Deployment/checkout: size unknown at first, 28 changes, 3 to 12 replicas, 2,496 replica-hours, 8 h of unknown size',
    )
    expect(lines).toContain('  Tue 2026-11-24 08:00:00  unknown -> replicas 12     config/morning  due')
    expect(lines).toContain('  Tue 2026-11-24 20:00:00  replicas 12 -> replicas 3  config/evening  due')
    expect(lines).toContain('  and 26 more, the last at Mon 2026-12-07 20:00:00 Asia/Shanghai')
    expect(out).toContain(
      'Together: 2 targets, 3,153 to 4,467 replica-hours, at most 14 to 18 replicas at once, first at Tue 2026-11-24 08:00:00 Asia/Shanghai.',
    )
    expect(out).toContain('2 conflicts:')
    expect(out).toMatch(/tie +cls-9f3kq2vd\/shop\/Deployment\/checkout +config\/morning \(replicas 12\) and config\/low/)
  })

  test('--json has all of it, and is JSON as a whole', async () => {
    const { code, out } = await runWords([...offline, '--json'], { cwd: folder })
    expect(code).toBe(0)
    const report = z
      .object({
        function: z.literal('cron-scaler'),
        from: z.string(),
        until: z.string(),
        startsFrom: z.literal('unknown'),
        targets: z.array(
          z.object({ name: z.string(), timeline: z.array(z.looseObject({ at: z.string(), verdict: z.string(), text: z.string() })) }),
        ),
        mostReplicas: z.object({ high: z.object({ replicas: z.number(), at: z.string() }) }),
        months: z.array(z.object({ month: z.string() })),
        conflicts: z.array(z.object({ code: z.string() })),
        outsiders: z.array(z.unknown()),
      })
      .parse(JSON.parse(out))
    expect([report.from, report.until]).toEqual(['2026-11-23T16:00:00.000Z', '2026-12-07T16:00:00.000Z'])
    expect(report.targets.map(({ name, timeline }) => [name, timeline.length])).toEqual([
      ['cls-9f3kq2vd/shop/Deployment/checkout', 28],
      ['cls-m4t8x0be/shop/HorizontalPodAutoscaler/api', 1],
    ])
    expect(report.targets[0]?.timeline[0]).toMatchObject({
      at: '2026-11-24T00:00:00.000Z',
      verdict: 'change',
      code: 'due',
      rule: 'config/morning',
      before: null,
      after: { kind: 'replicas', replicas: 12 },
    })
    expect(report.mostReplicas.high).toEqual({ replicas: 18, at: '2026-11-24T00:00:00.000Z' })
    expect(report.months.map(({ month }) => month)).toEqual(['2026-11', '2026-12'])
    expect(report.conflicts.map(({ code }) => code)).toEqual(['tie', 'never-decides'])
  })

  test('--html writes one file that needs no other', async () => {
    const { code, out } = await runWords([...offline, '--html', 'page.html', '--zone', 'Europe/Berlin'], { cwd: folder })
    expect(code).toBe(0)
    expect(out).toContain('page.html: 2 targets')
    const page = await readFile(join(folder, 'page.html'), 'utf8')
    expect(page).toContain('<h1>What the schedules will do</h1>')
    expect(page).toContain('Tue 2026-11-24 00:00:00 Europe/Berlin')
    expect(page).toContain('data-chart="all-targets"')
    expect(page).toContain('data-chart="target-1"')
    expect(page).toContain('<caption>cls-9f3kq2vd/shop/Deployment/checkout: changes, and what keeps it from them</caption>')
    // The home of uPlot in its comment is the only address in it, and nothing is taken from there.
    expect(page.match(/https?:\/\/[^\s"'<)]*/g)).toEqual(['https://github.com/leeoniya/uPlot'])
    expect(page).not.toMatch(/(src|href|action|data)="(?!#|data:,")/)
  })

  test('a date is its beginning in the zone, an instant is itself', async () => {
    const head = async (from: string, ...more: string[]): Promise<string> => {
      const { out } = await runWords(['preview', 'cron-scaler', '--offline', '--from', from, ...more], { cwd: folder })
      return out.split('. ')[0] ?? ''
    }
    expect(await head('2026-11-24', '--zone', 'Europe/Berlin')).toBe('30 days from Tue 2026-11-24 00:00:00 Europe/Berlin')
    expect(await head('2026-11-24T06:30:00Z')).toBe('30 days from Tue 2026-11-24 14:30:00 Asia/Shanghai')
  })

  test('a day of 25 hours is a day', async () => {
    const words = ['preview', 'cron-scaler', '--offline', '--from', '2026-10-25', '--days', '1', '--zone', 'Europe/Berlin', '--json']
    const { out } = await runWords(words, { cwd: folder })
    const { from, until } = z.object({ from: z.string(), until: z.string() }).parse(JSON.parse(out))
    expect(Date.parse(until) - Date.parse(from)).toBe(25 * 3_600_000)
  })

  test('nothing configured is nothing changed', async () => {
    await writeFile(join(folder, 'empty.yaml'), 'platform: { region: ap-guangzhou }\nclusters: [{ id: cls-9f3kq2vd }]\n')
    const { code, out } = await runWords([...offline, '--config', 'empty.yaml'], { cwd: folder })
    expect(code).toBe(0)
    expect(out).toContain('There are no rules, so nothing will be changed.')
  })

  test('rules that fire for ever are refused with what to do', async () => {
    const { code, err } = await runWords([...offline.slice(0, 3), '--config', await everySecond(), '--days', '1100'], { cwd: folder })
    expect(code).toBe(1)
    expect(err).toContain('config/always alone 95,126,400 times')
    expect(err).toContain('choose fewer days')
    const { out } = await runWords([...offline.slice(0, 3), '--config', await everySecond(), '--days', '1100', '--json'], { cwd: folder })
    expect(out).toBe('')
  })
})

async function everySecond(): Promise<string> {
  await writeFile(join(folder, 'often.yaml'), rules.replace('name: morning', 'name: always').replace('0 0 8 * * *', '* * * * * *'))
  return 'often.yaml'
}

describe('longshore preview, of what cannot be', () => {
  test.each([
    [['cron-scaler', '--days', '0'], '--days takes a whole number from 1 to 1100, not "0"'],
    [['cron-scaler', '--days', '1101'], '--days takes a whole number from 1 to 1100, not "1101"'],
    [['cron-scaler', '--from', '2026-02-30'], '--from: the calendar has no 2026-02-30'],
    [['cron-scaler', '--from', '24.11.2026'], '--from takes a date such as 2026-11-24, or an instant'],
    [['cron-scaler', '--from', '2099-01-01', '--offline'], '--from is more than 3660 days away'],
    [['cron-scaler', '--zone', 'Mars/Olympus'], '"Mars/Olympus" is no IANA time zone'],
    [['cron-scaler', '--json', '--html', 'x.html'], '--json and --html are two answers'],
    [['cron-scaler', '--html', ''], '--html takes the file to write'],
    [['cron-scaler', '--offline', '--sandbox'], '--offline reads nothing'],
    [['cron-scaler', 'image-cleaner'], 'name one function'],
    [['cron-scalar'], 'did you mean "cron-scaler"?'],
    [[], 'name a function'],
  ])('%j', async (words, text) => {
    const { code, out, err } = await runWords(['preview', ...words], { cwd: folder })
    expect([code, out]).toEqual([1, ''])
    expect(err).toContain(text)
  })

  test('a file that cannot be written', async () => {
    const { code, err } = await runWords([...offline, '--html', 'no/such/folder/x.html'], { cwd: folder })
    expect(code).toBe(1)
    expect(err).toContain('there is no such file or folder')
  })
})

describe('longshore preview, on the sandbox', () => {
  test('starts from what is there, and tells what holds targets back', async () => {
    const { code, out } = await runWords(['preview', 'cron-scaler', '--sandbox', '--days', '2', '--zone', 'UTC'], { cwd: folder })
    expect(code).toBe(0)
    expect(out).toMatch(/pay\/Deployment\/gateway: replicas \d+ at first, 14\d\d changes/)
    expect(out).toMatch(/hpa-conflict +cls-9f3kq2vd\/shop\/Deployment\/storefront/)
    expect(out).toContain('hpc/pay/risk-morning/up is held: cron expression "2 8 * * 1-5" has 5 fields')
  })
})

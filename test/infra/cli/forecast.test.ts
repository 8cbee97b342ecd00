import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { runWords } from './run-words.ts'

let folder: string

/** More than the licence of the sandbox (128 cores) and the scaling group of production (ten nodes) have room for. */
const config = `
mode: plan
platform: { region: ap-guangzhou }
clusters: [{ id: cls-9f3kq2vd, name: production }]
functions:
  license-meter:
    passMeans: over
    entitlements: [{ product: "tke-*", region: ap-guangzhou, cores: 128 }]
  cron-scaler:
    hpc: { enabled: false }
    rules:
      - { name: sale, cluster: production, target: { kind: Deployment, namespace: pay, name: gateway }, schedule: "0 0 * * * *", targetSize: 250 }
`

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-forecast-'))
  await writeFile(join(folder, 'longshore.yaml'), config)
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

const Row = z.looseObject({ what: z.string(), need: z.number(), have: z.nullable(z.number()), short: z.number(), level: z.string() })
const Answer = z.looseObject({
  clusters: z.array(
    z.looseObject({ id: z.string(), problem: z.nullable(z.string()), days: z.array(z.looseObject({ rows: z.array(Row) })) }),
  ),
  regions: z.array(z.looseObject({ region: z.string(), days: z.array(z.looseObject({ row: Row })) })),
})

describe('longshore forecast', () => {
  test('on the sandbox there is enough, and each figure is said', async () => {
    const { code, out, err } = await runWords(['forecast', '--sandbox'])
    expect([code, err]).toEqual([0, ''])
    expect(out).toContain('production (cls-9f3kq2vd), ap-guangzhou')
    expect(out).toMatch(/nodes +6 nodes +14 nodes +now +6 there/)
    expect(out).toMatch(/licence +0 cores +\d+ cores +now +no further node is needed/)
    expect(out.split('\n').at(-1)).toMatch(/^Nothing is short until .* Asia\/Shanghai, as far as anybody can tell\.$/)
  })

  test('what will be short ends with 1 and is told with figures, as text and as JSON', async () => {
    const words = ['forecast', '--config', join(folder, 'longshore.yaml'), '--sandbox']
    const { code, out } = await runWords(words)
    expect(code).toBe(1)
    expect(out).toContain('The mode is plan, in which nothing is changed')
    expect(out).toMatch(/pay\/Deployment\/gateway \(3 pods now\) gets replicas 250 by config\/sale/)
    expect(out.split('\n').at(-1)).toMatch(/^Short: .*nodes of production.*licence of ap-guangzhou/)
    const json = await runWords([...words, '--json', '--days', '2'])
    const answer = Answer.parse(JSON.parse(json.out))
    const [production] = answer.clusters
    const nodes = production?.days.flatMap(({ rows }) => rows).find(({ what, level }) => what === 'nodes' && level === 'short')
    expect(nodes).toMatchObject({ need: 18, have: 14, short: 4 })
    expect(answer.regions[0]?.days.at(-1)?.row).toMatchObject({ what: 'licence', need: 96, level: 'short' })
  })

  test('--html writes one page that runs nothing but its own scripts', async () => {
    const path = join(folder, 'forecast.html')
    const { code, out } = await runWords(['forecast', '--config', join(folder, 'longshore.yaml'), '--sandbox', '--html', path])
    expect(code).toBe(1)
    expect(out).toContain('Short: ')
    const page = await readFile(path, 'utf8')
    expect(page).toContain('default-src &#39;none&#39;')
    expect(page).toContain('<h1>What the schedules will need</h1>')
    expect(page).toContain('Licence in ap-guangzhou')
    expect(page).not.toMatch(/(?:src|href)="https?:/)
  })

  test.each([
    [['--days', '0'], '--days takes a whole number from 1 to 31, not "0"'],
    [['--days', '1', '--until', '2026-12-01'], '--days and --until both say when it ends: give one of them'],
    [['--until', 'tomorrow'], '--until takes a date such as 2026-11-24'],
    [['--until', '2020-01-01', '--sandbox'], '--until is not after now'],
    [['--until', '2099-01-01', '--sandbox'], '--until is more than 31 days away'],
    [['--zone', 'Mars/Olympus'], '"Mars/Olympus" is no IANA time zone'],
    [['--json', '--html', 'x.html'], '--json and --html are two answers'],
    [['--day', '1'], 'there is no option --day; did you mean "--days"?'],
    [['tonight'], '"tonight" is one word too many'],
  ])('%j is refused with what to write', async (words, text) => {
    const { code, err } = await runWords(['forecast', ...words])
    expect(code).toBe(1)
    expect(err).toContain(text)
  })
})

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { runWords } from './run-words.ts'

let folder: string

const head = `
platform: { region: ap-guangzhou }
clusters: [{ id: cls-9f3kq2vd }]
functions:
  cron-scaler:
    timeZone: UTC
    rules:
`

function ruleLine(name: string, schedule: string, size: number): string {
  return `      - { name: ${name}, cluster: cls-9f3kq2vd, target: { kind: Deployment, name: web }, schedule: "${schedule}", targetSize: ${size} }\n`
}

async function lintOf(lines: readonly string[], words: readonly string[] = ['--offline']) {
  await writeFile(join(folder, 'longshore.yaml'), head + lines.join(''))
  return await runWords(['lint', 'cron-scaler', ...words], { cwd: folder })
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-lint-'))
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

describe('longshore lint', () => {
  test('ends with 0 when there is nothing, and says what was not looked at', async () => {
    const { code, out, err } = await lintOf([ruleLine('day', '0 0 8 * * *', 5)])
    expect([code, err]).toEqual([0, ''])
    expect(out).toBe('Nothing was read but the configuration: HPC objects, autoscalers and targets were not looked at.\nNothing found.')
  })

  test('ends with 0 when there are warnings only', async () => {
    const { code, out } = await lintOf([ruleLine('day', '30 0 8 * * *', 5)])
    expect(code).toBe(0)
    expect(out).toContain('warning  seconds  cls-9f3kq2vd/default/Deployment/web\n  config/day fires at second 30')
    expect(out).toContain('0 errors, 1 warning.')
  })

  test('ends with 2 for rules that every other command refuses: finding these is what it is for', async () => {
    const lines = [
      ruleLine('never', '0 0 8 31 2 *', 5),
      ruleLine('five', '0 8 * * *', 5),
      ruleLine('day', '0 0 8 * * *', 5),
      ruleLine('too', '0 0 8 * * 1', 3),
    ]
    const { code, out, err } = await lintOf(lines)
    expect([code, err]).toEqual([2, ''])
    expect(out).toContain('error  never-fires')
    expect(out).toContain('error  rule-invalid')
    expect(out).toMatch(
      /error {2}contradiction.*\n {2}config\/too and config\/day both fire at Mon \d{4}-\d\d-\d\d 08:00:00 UTC and ask for different sizes, replicas 3 and replicas 5; the higher one wins\n {2}-> /,
    )
    expect(out).toContain('error  never-decides')
    expect(out).toContain('4 errors, 0 warnings.')
    const preview = await runWords(['preview', 'cron-scaler', '--offline'], { cwd: folder })
    expect(preview.code).toBe(1)
  })

  test('--json has it all', async () => {
    const { code, out } = await lintOf([ruleLine('never', '0 0 8 31 2 *', 5), ruleLine('day', '30 0 8 * * *', 5)], ['--offline', '--json'])
    expect(code).toBe(2)
    const report = z
      .object({
        counts: z.object({ error: z.number(), warning: z.number() }),
        notes: z.array(z.string()),
        findings: z.array(z.object({ code: z.string(), fix: z.string() })),
      })
      .parse(JSON.parse(out))
    expect(report.counts).toEqual({ error: 1, warning: 1 })
    expect(report.findings.map(({ code }) => code)).toEqual(['never-fires', 'seconds'])
    expect(report.notes).toHaveLength(1)
  })

  test('looks at the clusters, where there are any', async () => {
    const { code, out } = await runWords(['lint', 'cron-scaler', '--sandbox'], { cwd: folder })
    expect(code).toBe(2)
    expect(out).toContain('error  hpa-conflict  cls-9f3kq2vd/shop/Deployment/storefront')
    expect(out).toContain('error  rule-invalid  cls-9f3kq2vd/pay/Deployment/risk')
    expect(out).toContain('warning  target-missing  cls-9f3kq2vd/shop/Deployment/recommender')
    expect(out).not.toContain('Nothing was read')
  })

  test.each([
    [['cron-scaler', '--offline', '--sandbox'], '--offline reads nothing'],
    [['cron-scaler', 'x'], 'name one function'],
    [[], 'name a function'],
    [['cron-scaler', '--ofline'], 'there is no option --ofline; did you mean "--offline"?'],
    [['cron-scaler', '--offline', '--config', 'missing.yaml'], 'missing.yaml'],
  ])('ends with 1 when it could not run: %j', async (words, text) => {
    const { code, out, err } = await runWords(['lint', ...words], { cwd: folder })
    expect([code, out]).toEqual([1, ''])
    expect(err).toContain(text)
  })
})

import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runWords } from '../../infra/cli/run-words.ts'

const root = join(import.meta.dirname, '../../..')
const readme = readFileSync(join(root, 'functions/alarm-scaler/README.md'), 'utf8')

it('what the README configures is valid', async () => {
  const samples = [...readme.matchAll(/```yaml\n(.*?)```/gs)].map(([, text = '']) => text)
  expect(samples.length).toBeGreaterThan(2)
  const parts = samples.map((text) => text.replace('functions:\n  alarm-scaler:\n', ''))
  const folder = await mkdtemp(join(tmpdir(), 'longshore-readme-'))
  try {
    const platform = 'platform: { region: ap-guangzhou, allowedHosts: ["prometheus.example.com:9090"] }'
    const before = `mode: plan\n${platform}\nclusters: [{ id: cls-1, name: prod }]\nfunctions:\n  alarm-scaler:\n`
    await writeFile(join(folder, 'longshore.yaml'), before + parts.join(''))
    expect(await runWords(['validate'], { cwd: folder, env: {} })).toMatchObject({ code: 0, err: '' })
  } finally {
    await rm(folder, { recursive: true })
  }
})

it('every event that the README names is there', () => {
  const names = [...readme.matchAll(/events\/alarm-scaler\/[\w-]+\.json/g)].map(([path]) => path)
  expect(names.length).toBeGreaterThan(3)
  for (const name of names) expect(existsSync(join(root, name)), name).toBe(true)
})

it('every reason that the README explains is one that there is', () => {
  const reasons = readFileSync(join(root, 'functions/alarm-scaler/reason.ts'), 'utf8')
  const table = readme.slice(readme.indexOf('## What it refuses, and why'), readme.indexOf('## Leases'))
  const named = [...table.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) => [...cell.matchAll(/`([a-z-]+)(…?)`/g)])
  expect(named.length).toBeGreaterThan(20)
  for (const [, code = '', more = ''] of named) expect(reasons, code).toContain(more === '' ? `'${code}'` : `'${code}`)
})

it('a newcomer who tries the first event sees a change and why', async () => {
  const { code, out } = await runWords(['alarm', 'test', '--event', join(root, 'events/alarm-scaler/base.json'), '--sandbox'])
  expect(code).toBe(2)
  expect(out).toMatch(/^change .*cls-9f3kq2vd\/general .*2 nodes more by general.* 93\.5 over 80, step 2 of 3 wants 2 more/m)
})

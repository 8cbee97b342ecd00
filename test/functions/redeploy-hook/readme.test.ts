import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { runWords } from '../../infra/cli/run-words.ts'

const root = join(import.meta.dirname, '../../..')
const readme = readFileSync(join(root, 'functions/redeploy-hook/README.md'), 'utf8')

it('what the README configures is valid', async () => {
  const samples = [...readme.matchAll(/```yaml\n(.*?)```/gs)]
    .map(([, text = '']) => text)
    .filter((text) => !text.startsWith('notifications:'))
  expect(samples.length).toBeGreaterThan(3)
  // Each is a part of the function's settings; the last one says that without rules and sources nothing is done.
  const parts = samples.map((text) =>
    text.replace('functions:\n  redeploy-hook:\n', '').replaceAll(/^ {4}(?:sources: \{\}|rules: \[\]).*\n/gm, ''),
  )
  const folder = await mkdtemp(join(tmpdir(), 'longshore-readme-'))
  try {
    const clusters = ['staging', 'prod-1', 'prod-2'].map((name, index) => `{ id: cls-${index + 1}, name: ${name} }`).join(', ')
    const before = `mode: plan\nplatform: { region: ap-guangzhou }\nclusters: [${clusters}]\nfunctions:\n  redeploy-hook:\n`
    await writeFile(join(folder, 'longshore.yaml'), before + parts.join(''))
    expect(await runWords(['validate'], { cwd: folder, env: {} })).toMatchObject({ code: 0, err: '' })
  } finally {
    await rm(folder, { recursive: true })
  }
})

it('every event that the README names is there', () => {
  const names = [...readme.matchAll(/events\/redeploy-hook\/[\w-]+\.json/g)].map(([path]) => path)
  expect(names.length).toBeGreaterThan(3)
  for (const name of names) expect(existsSync(join(root, name)), name).toBe(true)
})

it('a newcomer who tries the first event sees a change and why', async () => {
  const { code, out } = await runWords(['redeploy', 'test', '--event', join(root, 'events/redeploy-hook/storefront.json'), '--sandbox'])
  expect(code).toBe(2)
  expect(out).toMatch(
    /^change .*shop\/Deployment\/storefront .*storefront:v[\d.]+ -> .*storefront:v[\d.]+ .*is the newest that the rule storefront counts$/m,
  )
})

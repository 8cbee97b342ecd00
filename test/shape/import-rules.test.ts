import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '../..')

/** One file per rule that breaks it, and what it imports. */
const violations: readonly (readonly [rule: string, file: string, imports: string])[] = [
  ['pure-imports-nothing', 'shared/pure/reads-files.ts', 'node:fs'],
  ['cloud-stands-alone', 'shared/cloud/knows-runtime.ts', '../runtime/thing.ts'],
  ['safety-below-runtime', 'shared/safety/knows-runtime.ts', '../runtime/thing.ts'],
  ['runtime-below-functions', 'shared/runtime/knows-a-function.ts', '../../functions/one/observe.ts'],
  ['licence-below-functions', 'shared/licence/knows-a-function.ts', '../../functions/one/observe.ts'],
  ['a-function-is-an-island', 'functions/one/uses-two.ts', '../two/event.ts'],
  ['functions-do-not-know-infra', 'functions/one/uses-infra.ts', '../../infra/thing.ts'],
  ['a-plan-is-pure', 'functions/one/plan.ts', './observe.ts'],
  ['the-page-runs-in-a-browser', 'infra/status/page/reads-the-feed.tsx', '../status-feed.ts'],
  ['nobody-imports-the-page', 'infra/status/takes-the-page-along.ts', './page/routes.ts'],
  ['infra-does-not-import-tests', 'infra/uses-a-test.ts', '../test/thing.ts'],
  ['one-importer-of-undici', 'shared/cloud/second-transport.ts', 'undici'],
  ['one-importer-of-middy', 'shared/runtime/second-handler.ts', '@middy/core'],
  ['sandbox-checks-with-its-own-code', 'infra/sandbox/borrows-the-signer.ts', '../../shared/cloud/sign.ts'],
  ['functions-import-single-actions', 'functions/one/takes-everything.ts', '../../shared/cloud/generated/all-actions.ts'],
  ['no-cycles', 'infra/cycle-a.ts', './cycle-b.ts'],
  ['no-dev-packages-in-what-ships', 'functions/one/needs-a-tool.ts', 'fast-check'],
  ['not-unresolvable', 'functions/one/misspelt.ts', './nowhere.ts'],
]

const allowed: readonly (readonly [file: string, imports: string])[] = [
  ['shared/runtime/thing.ts', '../cloud/sign.ts'],
  ['functions/one/observe.ts', './event.ts'],
  ['functions/one/event.ts', 'node:path'],
  ['functions/two/event.ts', 'node:path'],
  ['infra/thing.ts', '../functions/one/observe.ts'],
  ['infra/status/status-feed.ts', 'node:path'],
  ['infra/status/page/routes.ts', 'preact'],
  ['infra/status/page/app.tsx', './routes.ts'],
  ['test/thing.ts', '../infra/thing.ts'],
  ['shared/cloud/sign.ts', 'node:crypto'],
  ['shared/cloud/transport.ts', 'undici'],
  ['shared/runtime/define-thing.ts', '@middy/core'],
  ['shared/cloud/generated/all-actions.ts', 'node:path'],
  ['infra/cycle-b.ts', './cycle-a.ts'],
]

interface Found {
  readonly rule: string
  readonly from: string
}

let folder: string
let found: readonly Found[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-imports-'))
  await cp(join(root, '.dependency-cruiser.mjs'), join(folder, '.dependency-cruiser.mjs'))
  await cp(join(root, 'package.json'), join(folder, 'package.json'))
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  for (const [file, imports] of [...violations.map(([, file, imports]) => [file, imports] as const), ...allowed]) {
    await mkdir(join(folder, dirname(file)), { recursive: true })
    await writeFile(join(folder, file), `import * as it from '${imports}'\nexport const used = it\n`)
  }
  const output = await new Promise<string>((resolve) => {
    execFile(
      process.execPath,
      [
        join(root, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs'),
        'shared',
        'functions',
        'infra',
        'test',
        '--output-type',
        'json',
      ],
      { cwd: folder, maxBuffer: 64 * 1024 * 1024 },
      (_, out) => resolve(out),
    )
  })
  const { summary }: { summary: { violations: { rule: { name: string }; from: string }[] } } = JSON.parse(output)
  found = summary.violations.map(({ rule, from }) => ({ rule: rule.name, from }))
})

afterAll(async () => {
  await rm(folder, { recursive: true })
})

describe('import rules', () => {
  it.each(violations)('%s is broken by %s', (rule, from) => {
    expect(found).toContainEqual({ rule, from })
  })

  it('let the rest through', () => {
    const bad = new Set(violations.map(([, file]) => file))
    expect(found.filter(({ from }) => !bad.has(from) && from !== 'infra/cycle-b.ts')).toEqual([])
  })

  it('are all tried here', async () => {
    const { default: config }: { default: { forbidden: { name: string; comment?: string }[] } } = await import(
      pathToFileURL(join(root, '.dependency-cruiser.mjs')).href
    )
    expect(config.forbidden.map(({ name }) => name).sort()).toEqual(violations.map(([rule]) => rule).sort())
    for (const { name, comment } of config.forbidden) expect(comment, name).toMatch(/[.:]/)
  })
})

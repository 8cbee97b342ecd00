import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { expect, it } from 'vitest'
import { lazyBuiltins } from '#infra/build/lazy-builtins.ts'

it('loads a built-in when it is used, not when the bundle starts', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'longshore-lazy-'))
  try {
    await writeFile(
      join(folder, 'in.ts'),
      `import { createHash } from 'node:crypto'
       import * as http from 'http'
       import { join } from 'node:path'
       export const digest = (text: string): string => createHash('sha256').update(text).digest('hex')
       export const agent = (): unknown => new http.Agent()
       export const path = (): string => join('a', 'b')`,
    )
    await build({
      entryPoints: [join(folder, 'in.ts')],
      outfile: join(folder, 'out.mjs'),
      bundle: true,
      format: 'esm',
      platform: 'node',
      plugins: [lazyBuiltins],
    })
    await writeFile(
      join(folder, 'run.mjs'),
      `const before = new Set(process.moduleLoadList)
       const it = await import('./out.mjs')
       const loaded = () => process.moduleLoadList.filter((name) => !before.has(name) && /^NativeModule (crypto|http)$/.test(name))
       const atStart = loaded()
       console.log(JSON.stringify({ atStart, digest: it.digest('a'), agent: it.agent().constructor.name, path: it.path(), afterUse: loaded() }))`,
    )
    const printed = await new Promise<string>((resolve, reject) => {
      execFile(process.execPath, [join(folder, 'run.mjs')], (error, out) => (error === null ? resolve(out) : reject(error)))
    })
    expect(JSON.parse(printed)).toEqual({
      atStart: [],
      digest: 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb',
      agent: 'Agent',
      path: 'a/b',
      afterUse: expect.arrayContaining(['NativeModule crypto', 'NativeModule http']),
    })
  } finally {
    await rm(folder, { recursive: true })
  }
})

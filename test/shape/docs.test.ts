import { access, readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { CommandIo } from '#infra/cli/command.ts'
import { runCli } from '#infra/cli/main.ts'
import { functionTable, rowOf, withTable } from '#infra/docs/function-table.ts'

const root = join(import.meta.dirname, '../..')

const nothing = (): undefined => undefined
const io: CommandIo = { out: nothing, err: nothing, env: {}, cwd: root, signal: new AbortController().signal }

/** Every page that people read. */
async function documents(): Promise<string[]> {
  const files = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md']
  for (const name of await readdir(join(root, 'functions'))) files.push(`functions/${name}/README.md`)
  for (const name of await readdir(join(root, 'docs'))) if (name.endsWith('.md')) files.push(`docs/${name}`)
  return files
}

describe('README', () => {
  it('has the function table that the handlers say', async () => {
    const readme = await readFile(join(root, 'README.md'), 'utf8')
    expect(withTable(readme, await functionTable())).toBe(readme)
  })

  it('names only commands that exist', async () => {
    const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
    for (const file of ['README.md', 'CONTRIBUTING.md']) {
      const text = await readFile(join(root, file), 'utf8')
      for (const [, name] of text.matchAll(/npm run ([a-z][a-z0-9:-]*)/g))
        expect(scripts, `${file}: npm run ${name}`).toHaveProperty([name ?? ''])
    }
  })

  it('names only commands of longshore that exist', async () => {
    const help: string[] = []
    await runCli(['--help'], { ...io, out: (line) => help.push(line) })
    const known = new Set([...help.join('\n').matchAll(/^ {2}([a-z][a-z-]*) {2}/gm)].map(([, name]) => name))
    expect(known.size).toBeGreaterThan(20)
    for (const file of await documents()) {
      const text = await readFile(join(root, file), 'utf8')
      for (const [, name] of text.matchAll(/(?:`|npm run longshore -- |^)(?:longshore )([a-z][a-z-]*)/gm))
        expect(known, `${file}: longshore ${name}`).toContain(name)
    }
  })

  it('links only to files that exist', async () => {
    for (const file of await documents()) {
      const text = await readFile(join(root, file), 'utf8')
      for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)) {
        await expect(access(join(root, dirname(file), target ?? '')), `${file} -> ${target}`).resolves.toBeUndefined()
      }
    }
  })
})

describe('rowOf', () => {
  it('wants trigger and writes', () => {
    expect(rowOf('x', '/** Does it. Trigger: now. Writes: all. */\nexport {}')).toEqual({
      name: 'x',
      does: 'Does it',
      trigger: 'now',
      writes: 'all',
    })
    expect(() => rowOf('x', '/** Does it. */')).toThrow('functions/x/handler.ts')
  })
})

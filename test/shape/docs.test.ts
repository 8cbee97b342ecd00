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
  const files = ['README.md', 'README.zh.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md']
  for (const name of await readdir(join(root, 'functions'))) files.push(`functions/${name}/README.md`)
  for (const name of await readdir(join(root, 'docs'))) if (name.endsWith('.md')) files.push(`docs/${name}`)
  files.push('infra/status/README.md')
  return files
}

/** The commands of longshore by its own help. */
async function commands(): Promise<Set<string>> {
  const help: string[] = []
  await runCli(['--help'], { ...io, out: (line) => help.push(line) })
  return new Set([...help.join('\n').matchAll(/^ {2}([a-z][a-z-]*) {2}/gm)].map(([, name = '']) => name))
}

/**
 * What does not depend on the language of a page: its headings, blocks of code without their comments, commands and code in the text, the
 * first cells of its tables, and where its links lead.
 */
function skeletonOf(text: string): Record<string, string[]> {
  const blocks = [...text.matchAll(/^ *```\w*\n(.*?)^ *```$/gms)].map(([, code = '']) => code)
  const prose = text.replaceAll(/^ *```.*?^ *```$/gms, '').replaceAll(/<!-- bench.*?end of bench -->|<!--.*?-->/gs, '')
  return {
    headings: [...prose.matchAll(/^(#+) /gm)].map(([, level = '']) => level),
    blocks: blocks.map((code) => code.replaceAll(/^ *#.*\n/gm, '').replaceAll(/ +# .*$| +#（.*$/gm, '')),
    code: [...prose.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code).sort(),
    rows: [...prose.matchAll(/^\| (`[^|]+`|\[[^|]+\)) \|/gm)].map(([, cell = '']) => cell),
    links: [...prose.matchAll(/\]\(([^)]+)\)/g)].map(([, target = '']) => target).filter((target) => !/^README\b/.test(target)),
  }
}

describe('README', () => {
  it('has the function table that the handlers say', async () => {
    const readme = await readFile(join(root, 'README.md'), 'utf8')
    expect(withTable(readme, await functionTable())).toBe(readme)
  })

  it('names only commands that exist', async () => {
    const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
    for (const file of await documents()) {
      const text = await readFile(join(root, file), 'utf8')
      for (const [, name] of text.matchAll(/npm run ([a-z][a-z0-9:-]*)/g))
        expect(scripts, `${file}: npm run ${name}`).toHaveProperty([name ?? ''])
    }
  })

  it('names only commands of longshore that exist', async () => {
    const known = await commands()
    expect(known.size).toBeGreaterThan(20)
    for (const file of await documents()) {
      const text = await readFile(join(root, file), 'utf8')
      for (const [, name] of text.matchAll(/(?:`|npm run longshore -- |npx |^)(?:longshore )([a-z][a-z-]*)/gm))
        expect(known, `${file}: longshore ${name}`).toContain(name)
    }
  })

  it('shows every command of longshore', async () => {
    const readme = await readFile(join(root, 'README.md'), 'utf8')
    // `start` is there as `npm start`.
    for (const name of await commands())
      expect(readme, name).toMatch(name === 'start' ? /npm start/ : new RegExp(`\`npx longshore ${name}\\b`))
  })

  it('says the same in English and in Chinese', async () => {
    const [english, chinese] = await Promise.all(['README.md', 'README.zh.md'].map((file) => readFile(join(root, file), 'utf8')))
    const [ours, theirs] = [skeletonOf(english ?? ''), skeletonOf(chinese ?? '')]
    for (const [part, found] of Object.entries(ours)) {
      expect(found.length, part).toBeGreaterThan(8)
      expect(theirs[part], part).toEqual(found)
    }
    expect(english).toContain('](README.zh.md)')
    expect(chinese).toContain('](README.md)')
    // A translation, and not the same text twice.
    expect(chinese?.match(/\p{Script=Han}/gu)?.length).toBeGreaterThan(2000)
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

describe('the guide of each function', () => {
  it('says what it does, gives an example, and says what it refuses and how to undo', async () => {
    const names = await readdir(join(root, 'functions'))
    expect(names.length).toBe(5)
    for (const name of names) {
      const text = await readFile(join(root, 'functions', name, 'README.md'), 'utf8')
      expect(text.startsWith(`# ${name}\n\n`), name).toBe(true)
      for (const heading of ['## What it refuses, and why', '## Undo']) {
        const [, section = ''] = text.split(`\n${heading}\n`)
        expect(section.split('\n## ')[0]?.trim().length, `${name}: ${heading}`).toBeGreaterThan(200)
      }
      expect(text, `${name}: a policy by example`).toMatch(/^```yaml\n/m)
      expect(text, `${name}: a command to try`).toMatch(/^npx longshore /m)
    }
  })

  it('explains only codes that the function can say', async () => {
    let explained = 0
    for (const name of await readdir(join(root, 'functions'))) {
      const folder = join(root, 'functions', name)
      const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith('.ts'))
      const source = (await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')))).join('\n')
      const text = await readFile(join(folder, 'README.md'), 'utf8')
      const section = text.split('\n## What it refuses, and why\n')[1]?.split('\n## ')[0] ?? ''
      for (const [, cell = ''] of section.matchAll(/^\| ((?:`[a-z][a-z-]+…?`(?:, )?)+) \|/gm)) {
        for (const [, code = '', more = ''] of cell.matchAll(/`([a-z-]+)(…?)`/g)) {
          explained += 1
          expect(source, `${name}: ${code}`).toContain(more === '' ? `'${code}'` : `'${code}`)
        }
      }
    }
    expect(explained).toBeGreaterThan(60)
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

import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')
const marks = { begin: '<!-- functions: written by `npm run docs` -->', end: '<!-- end of functions -->' } as const

/** What a handler's first line says of its function. */
export interface FunctionRow {
  readonly name: string
  readonly does: string
  readonly trigger: string
  readonly writes: string
}

/** Reads `What it does. Trigger: …. Writes: ….` from the first line of a handler. Throws when the line is not of that form. */
export function rowOf(name: string, source: string): FunctionRow {
  const line = /^\/\*\* (.+?)\. Trigger: (.+?)\. Writes: (.+?)\. \*\/$/.exec(source.split('\n')[0] ?? '')
  const [, does, trigger, writes] = line ?? []
  if (does === undefined || trigger === undefined || writes === undefined) {
    throw new Error(`functions/${name}/handler.ts: the first line has to be /** What it does. Trigger: when. Writes: what. */`)
  }
  return { name, does, trigger, writes }
}

/** The table of all functions, as Markdown. */
export async function functionTable(): Promise<string> {
  const rows: string[] = []
  for (const name of (await readdir(join(root, 'functions'))).sort()) {
    const { does, trigger, writes } = rowOf(name, await readFile(join(root, 'functions', name, 'handler.ts'), 'utf8'))
    rows.push(`| [\`${name}\`](functions/${name}/README.md) | ${does} | ${trigger} | ${writes} |`)
  }
  return ['| function | what it does | trigger | writes |', '| --- | --- | --- | --- |', ...rows].join('\n')
}

/** The README with its table replaced. Throws when the marks are missing. */
export function withTable(readme: string, table: string): string {
  const from = readme.indexOf(marks.begin)
  const to = readme.indexOf(marks.end)
  if (from < 0 || to < from) throw new Error(`README.md has lost the lines ${marks.begin} and ${marks.end}`)
  return `${readme.slice(0, from + marks.begin.length)}\n${table}\n${readme.slice(to)}`
}

if (import.meta.main) {
  const path = join(root, 'README.md')
  await writeFile(path, withTable(await readFile(path, 'utf8'), await functionTable()))
}

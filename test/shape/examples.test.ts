import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Script } from 'node:vm'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '../..')

interface Example {
  readonly file: string
  readonly call: string
  readonly answer: string
}

/** Every `@example call // answer` of a docstring: what it claims is run. */
async function examples(): Promise<Example[]> {
  const found: Example[] = []
  for (const folder of ['shared', 'functions', 'infra']) {
    for (const path of await readdir(join(root, folder), { recursive: true })) {
      if (!path.endsWith('.ts') || path.includes('generated')) continue
      const file = `${folder}/${path}`
      const text = await readFile(join(root, file), 'utf8')
      for (const [, body] of text.matchAll(/@example\b\s*\n?((?:(?!\n \*\/|@example).)+?\/\/.*)/g)) {
        const [call, ...rest] = (body ?? '').replace(/^\s*\*\s*/, '').split(/\s+\/\/\s*(?:=>\s*)?/)
        found.push({ file, call: call ?? '', answer: rest.join(' // ').trim() })
      }
    }
  }
  return found
}

describe('docstring examples', async () => {
  const all = await examples()

  it('are found', () => {
    expect(all.length).toBeGreaterThan(5)
  })

  it.each(all.map((example) => [`${example.file}: ${example.call}`, example] as const))('%s', async (_, { file, call, answer }) => {
    const exported: Record<string, unknown> = await import(pathToFileURL(join(root, file)).href)
    const names = Object.keys(exported)
    const evaluate = (text: string): unknown =>
      new Script(`((${names.join(', ')}) => (${text}))`).runInThisContext()(...names.map((name) => exported[name]))
    expect(evaluate(call)).toEqual(evaluate(answer))
  })
})

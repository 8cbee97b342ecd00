import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { loadPage } from '../../../infra/status/page-bundle.ts'
import { answerSchemas, busyAnswers, emptyAnswers } from './page/made-answers.ts'

/** More than that is a reason to look what came in. */
const budgetBytes = 100 * 1024

const page = await loadPage()
const hashOf = (text: string | undefined): string =>
  `'sha256-${createHash('sha256')
    .update(text ?? '')
    .digest('base64')}'`

describe('the bundled status page', () => {
  test('is within its budget, and is bundled once', async () => {
    expect(gzipSync(page.html).length).toBeLessThan(budgetBytes)
    expect(await loadPage()).toBe(page)
  })

  test('allows its own script and style by their hashes, its own server, and nothing else', () => {
    const [, style] = /<style>([\s\S]*?)<\/style>/.exec(page.html) ?? []
    const [, script] = /<script>([\s\S]*?)<\/script>/.exec(page.html) ?? []
    expect(page.html.match(/<(script|style)\b/g)).toHaveLength(2)
    expect(page.policy).toBe(
      `default-src 'none'; script-src ${hashOf(script)}; style-src ${hashOf(style)}; img-src 'self' data:; connect-src 'self'; ` +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    )
    const [, inside] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page.html) ?? []
    expect(`${inside}; frame-ancestors 'none'`).toBe(page.policy)
  })

  test('names no address of anybody else that it would fetch from', () => {
    const found = [...page.html.matchAll(/https?:\/\/[^\s"'`)\\]+/g)].map(([address]) => address)
    // Names of XML, which nobody fetches, and what comments of packages point at.
    const foreign = found.filter((address) => !address.startsWith('http://www.w3.org/'))
    expect(foreign).toEqual([])
  })

  test('has an icon whose name changes with it, and every asset that it asks for', () => {
    const asked = [...page.html.matchAll(/\/assets\/([\w.-]+)/g)].map(([, name]) => name)
    expect(asked.length).toBeGreaterThan(0)
    for (const name of asked) expect(page.assets.get(name ?? '')?.type).toBe('image/svg+xml')
  })

  test('holds nothing of the functions, of zod or of Node', () => {
    for (const word of ['ForwardRequest', 'node:', 'zod', 'TENCENTCLOUD']) expect([word, page.html.includes(word)]).toEqual([word, false])
  })
})

describe('where esbuild is not installed', () => {
  test('the page is one that says so and where the same is served', async () => {
    const without = `import { registerHooks } from 'node:module'
      registerHooks({ resolve(name, context, next) {
        if (name !== 'esbuild') return next(name, context)
        throw Object.assign(new Error('Cannot find package esbuild'), { code: 'ERR_MODULE_NOT_FOUND' })
      } })`
    const program = `const { loadPage } = await import(${JSON.stringify(import.meta.resolve('../../../infra/status/page-bundle.ts'))})
      const { html, policy } = await loadPage()
      console.log(JSON.stringify({ html, policy }))`
    const words = ['--import', `data:text/javascript,${encodeURIComponent(without)}`, '--input-type=module', '-e', program]
    const { stdout } = await promisify(execFile)(process.execPath, words)
    const plain = JSON.parse(stdout)
    expect(plain.html).toContain('esbuild, which is not installed here')
    expect(plain.html).toContain('href="/api/functions"')
    expect(plain.html).not.toContain('<script')
    expect(plain.policy).toContain("script-src 'none'")
  })
})

describe('the answers that the tests of the page are made with', () => {
  test.each([
    ['busy', busyAnswers()],
    ['empty', emptyAnswers()],
  ])('of a platform that is %s are of the shapes of the API', (_, answers) => {
    for (const [name, schema] of Object.entries(answerSchemas)) {
      const { error } = schema.safeParse(answers[name as keyof typeof answers])
      expect([name, error?.message]).toEqual([name, undefined])
    }
  })
})

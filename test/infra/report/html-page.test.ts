import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { html } from '#infra/report/html.ts'
import { htmlPage } from '#infra/report/html-page.ts'
import { htmlTable } from '#infra/report/html-table.ts'

const page = htmlPage({
  title: 'A <report>',
  body: html`<p>text</p>`,
  styles: ['p { color: red }'],
  scripts: ['let a = 1\r\nlet b = 2\r', 'a += b'],
  data: { facts: { name: '</script><script>alert(1)</script><!--', lines: '\u2028' } },
})

function hashesIn(directive: string): string[] {
  const policy = /Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1]?.replaceAll('&#39;', "'") ?? ''
  const sources = policy.split('; ').find((one) => one.startsWith(`${directive} `)) ?? ''
  return [...sources.matchAll(/'sha256-([^']+)'/g)].map(([, hash]) => hash ?? '')
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64')
}

describe('a page', () => {
  test('names the hash of each of its scripts and styles, as a browser reads them, and allows nothing else', () => {
    const scripts = [...page.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, text]) => text ?? '')
    expect(scripts).toEqual(['let a = 1\nlet b = 2\n', 'a += b'])
    expect(hashesIn('script-src')).toEqual(scripts.map(hashOf))
    const styles = [...page.matchAll(/<style>([\s\S]*?)<\/style>/g)].map(([, text]) => text ?? '')
    expect(styles).toHaveLength(2)
    expect(hashesIn('style-src')).toEqual(styles.map(hashOf))
    expect(page).toContain('default-src &#39;none&#39;')
    expect(page).not.toMatch(/unsafe-|https?:\/\/|style="|onclick/)
  })

  test('without scripts allows none', () => {
    expect(htmlPage({ title: 'x', body: html`<p>text</p>` })).toContain('script-src &#39;none&#39;')
  })

  test('keeps its data inside its element, and gives them back unchanged', () => {
    const [, text = ''] = /<script type="application\/json" id="facts">([\s\S]*?)<\/script>/.exec(page) ?? []
    expect(text).not.toContain('<')
    expect(JSON.parse(text)).toEqual({ name: '</script><script>alert(1)</script><!--', lines: '\u2028' })
  })

  test('escapes its title, and says its language', () => {
    expect(page).toContain('<title>A &lt;report&gt;</title>')
    expect(page).toContain('<html lang="en">')
  })

  test.each(['a </script> b', 'a <!-- b', '</STYLE>'])('takes no script with %s in it', (script) => {
    expect(() => htmlPage({ title: 'x', body: html``, scripts: [script] })).toThrow('cannot stand in a page')
  })

  test('looks light or dark as the system does', () => {
    expect(page).toContain('content="light dark"')
    expect(page).toContain('prefers-color-scheme: dark')
  })
})

describe('a table', () => {
  const columns = [{ title: 'Name' }, { title: 'Count', kind: 'number' }] as const

  test('has headings for rows and columns, and can be scrolled by keyboard', () => {
    const { markup } = htmlTable({ caption: 'All', columns, rows: [['a<b', 1]] })
    expect(markup).toContain('<th scope="col" class="number">Count</th>')
    expect(markup).toContain('<th scope="row" class="text">a&lt;b</th><td class="number">1</td>')
    expect(markup).toContain('tabindex="0" role="region" aria-label="All"')
  })

  test('that stacks on a narrow screen says what each cell is, and stays a table to who cannot see it', () => {
    const { markup } = htmlTable({ caption: 'All', columns, rows: [['a<b', 1]], rowClasses: ['kept'], stacks: true })
    expect(markup).toContain('<div class="scroll stacks"')
    expect(markup).toContain('<tr role="row" class="kept"><th scope="row" role="rowheader" class="text">a&lt;b</th>')
    expect(markup).toContain('<td role="cell" data-title="Count" class="number">1</td>')
    for (const role of ['table', 'rowgroup', 'columnheader']) expect(markup).toContain(`role="${role}"`)
  })

  test('without rows says so', () => {
    expect(htmlTable({ caption: 'All', columns, rows: [] }).markup).toBe('<p class="faint">All: none.</p>')
  })
})

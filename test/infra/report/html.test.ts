import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { escapeHtml, html } from '#infra/report/html.ts'

describe('html', () => {
  test('escapes what is put in, in elements and in attributes, and leaves its own markup alone', () => {
    const name = `<b onclick='x'>&"\``
    expect(html`<p title="${name}">${name}</p>`.markup).toBe(
      '<p title="&lt;b onclick=&#39;x&#39;&gt;&amp;&quot;&#96;">&lt;b onclick=&#39;x&#39;&gt;&amp;&quot;&#96;</p>',
    )
  })

  test('takes markup as it is, lists one after the other, numbers, and nothing for undefined', () => {
    const rows = ['a', '<'].map((cell) => html`<td>${cell}</td>`)
    expect(html`<tr>${rows}${undefined}${[1, ' ', ['x']]}</tr>`.markup).toBe('<tr><td>a</td><td>&lt;</td>1 x</tr>')
  })

  test('turns characters that turn a line round into blanks', () => {
    expect(escapeHtml('a\u202eb\u0000c\u2028d')).toBe('a b c d')
  })

  test('whatever the text, no markup comes of it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(escapeHtml(text)).not.toMatch(/[<>"'`]|&(?!(amp|lt|gt|quot|#39|#96);)/)
      }),
      { seed: 7, numRuns: 500 },
    )
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clip, longestQuote, quote } from '#shared/pure/clip.ts'

const texts = fc.string({ unit: fc.constantFrom('a', '"', '\\', '\n', '\u001b', '😀', 'é'), maxLength: 400 })

describe('clip', () => {
  test('leaves short texts alone and cuts long ones', () => {
    expect(clip('')).toBe('')
    expect(clip('0 0 8 * * *')).toBe('0 0 8 * * *')
    expect(clip('x'.repeat(longestQuote))).toBe('x'.repeat(longestQuote))
    expect(clip('x'.repeat(longestQuote + 1))).toBe(`${'x'.repeat(longestQuote - 1)}…`)
    expect(clip('abcdef', 4)).toBe('abc…')
  })

  test('shows no control characters, with which a text could rewrite a terminal', () => {
    expect(clip('a\u001b[2Jb\nc')).toBe('a\ufffd[2Jb\ufffdc')
  })

  test('is never longer than asked for, and cuts no character in half', () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 2, max: 300 }), (text, most) => {
        expect(clip(text, most).length).toBeLessThanOrEqual(most)
        expect(clip(text, most).isWellFormed()).toBe(true)
      }),
      { seed: 7, numRuns: 500 },
    )
  })
})

describe('quote', () => {
  test('quotes short texts as JSON does', () => {
    expect(quote('a "b"\n')).toBe('"a \\"b\\"\\n"')
    expect(quote('')).toBe('""')
  })

  test('is never longer than asked for, escapes and quotes included', () => {
    expect(quote('\\'.repeat(200))).toHaveLength(longestQuote)
    fc.assert(
      fc.property(texts, fc.integer({ min: 4, max: 300 }), (text, most) => {
        const quoted = quote(text, most)
        expect(quoted.length).toBeLessThanOrEqual(most)
        expect(quoted.isWellFormed()).toBe(true)
        if (quoted === JSON.stringify(text)) return
        expect(quoted).toMatch(/…"$/)
      }),
      { seed: 8, numRuns: 500 },
    )
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRedactor } from '#shared/runtime/redact.ts'

/** Secrets as they occur, and such with everything in them that some encoding changes. */
const secret = fc.oneof(
  fc.stringMatching(/^[A-Za-z0-9]{32}$/),
  fc.stringMatching(/^[A-Za-z0-9+/=%&"\\ ~!*'()-]{12,60}$/),
  fc.string({ unit: 'grapheme', minLength: 8, maxLength: 40 }),
)
const around = fc.string({ maxLength: 7 })

describe('19: a known secret is taken out of a text', () => {
  const forms: Record<string, (text: string, before: string, after: string) => string> = {
    plain: (text, before, after) => `${before}${text}${after}`,
    'JSON in JSON': (text) => JSON.stringify({ body: JSON.stringify({ text }) }),
    'JSON in a URL': (text) => encodeURIComponent(JSON.stringify({ text })),
    'URL in a URL': (text) => encodeURIComponent(encodeURIComponent(text)),
    JSON: (text) => JSON.stringify({ a: text }),
    'URL component': (text, before, after) => `?a=${encodeURIComponent(before + text.toWellFormed() + after)}`,
    form: (text, before, after) => new URLSearchParams({ [before]: text, after }).toString(),
    'URL with small hex digits': (text) => encodeURIComponent(text.toWellFormed()).replace(/%../g, (code) => code.toLowerCase()),
    base64: (text, before, after) => Buffer.from(before + text + after).toString('base64'),
    base64url: (text, before, after) => Buffer.from(before + text + after).toString('base64url'),
    'base64 in a URL': (text, before, after) => encodeURIComponent(Buffer.from(before + text + after).toString('base64')),
  }

  it.each(Object.keys(forms))('%s', (form) => {
    const encode = forms[form] ?? String
    fc.assert(
      fc.property(secret, around, around, (text, before, after) => {
        fc.pre(text.isWellFormed() && before.isWellFormed() && after.isWellFormed())
        const redactor = createRedactor()
        redactor.add(text)
        const written = encode(text, before, after)
        const cleaned = redactor.text(written)
        expect(cleaned).toContain('[redacted]')
        expect(cleaned).not.toContain(text)
        // No four bytes of the secret in a row can be got back from what is left in base64.
        for (const piece of cleaned.split('[redacted]')) {
          for (const offset of [0, 1, 2, 3]) {
            const decoded = Buffer.from(piece.slice(offset), 'base64').toString('latin1')
            const bytes = Buffer.from(text).toString('latin1')
            for (let at = 0; form.startsWith('base64') && at + 4 <= bytes.length; at++) {
              const leaked = bytes.slice(at, at + 4)
              expect(
                decoded.includes(leaked) &&
                  !Buffer.from(before + after)
                    .toString('latin1')
                    .includes(leaked),
              ).toBe(false)
            }
          }
        }
      }),
      { seed: 19, numRuns: 100 },
    )
  })
})

describe('createRedactor', () => {
  it('leaves texts alone in which no secret is, and all of them while it knows none', () => {
    const redactor = createRedactor()
    expect(redactor.text('nothing to hide')).toBe('nothing to hide')
    redactor.add('')
    expect(redactor.text('nothing to hide')).toBe('nothing to hide')
    redactor.add('SECRETSECRET')
    expect(redactor.text('nothing to hide')).toBe('nothing to hide')
  })

  it('takes out several, the longer one whole where one begins with the other, and again after a rotation', () => {
    const redactor = createRedactor()
    redactor.add('token-abc')
    redactor.add('token-abc-def')
    expect(redactor.text('x token-abc-def y token-abc z')).toBe('x [redacted] y [redacted] z')
    redactor.add('rotated-key')
    expect(redactor.text('token-abc rotated-key')).toBe('[redacted] [redacted]')
  })

  it('takes out a secret in the Authorization header of basic authentication', () => {
    const redactor = createRedactor()
    redactor.add('correct horse battery')
    const header = `Basic ${Buffer.from('user:correct horse battery').toString('base64')}`
    expect(redactor.text(header)).toMatch(/^Basic dXNlcjp\[redacted\]\w?=*$/)
  })

  it('treats the signs of regular expressions as letters', () => {
    const redactor = createRedactor()
    redactor.add('a.c+(x)[y]{2}|^$\\')
    expect(redactor.text('abc a.c+(x)[y]{2}|^$\\ z')).toBe('abc [redacted] z')
  })
})

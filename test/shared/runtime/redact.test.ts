import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRedactor, type Redactor } from '#shared/runtime/redact.ts'

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
    'JSON in JSON in a URL in a URL': (text) => encodeURIComponent(encodeURIComponent(JSON.stringify(JSON.stringify({ text })))),
    'a form in a URL': (text) => encodeURIComponent(new URLSearchParams({ text }).toString()),
    'a URL in JSON': (text) => JSON.stringify({ url: `/?a=${encodeURIComponent(text)}` }),
    'every character by its number': (text) =>
      Array.from({ length: text.length }, (_, index) => `\\u${text.charCodeAt(index).toString(16).padStart(4, '0')}`).join(''),
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

describe('a long text', () => {
  const secrets = ['AKIDlongtext00000001', 'c%5c"pa\\\\ss 100%25 %41%', 'Basic-Secret/5c+25==', '25255c5c\\u005c\\', 'ünïcödé 名 😀 secret']
  const knowing = (all: readonly string[] = secrets): Redactor => {
    const redactor = createRedactor()
    for (const secret of all) redactor.add(secret)
    return redactor
  }
  const took = (work: () => unknown): number => {
    const startedAt = performance.now()
    work()
    return performance.now() - startedAt
  }

  it.each([
    ...['\\', '%5c', '%255C', '%', '%25', '25', '%5', '\\u005c', '\\u00', '%5cX', 'c\\', 'c%5c', 'c%5c%255c', 'AKID', 'AKID\\', '=', '+'],
    ...['%e5%90', '\\ud83d', '\\\\\\"', '%2525252525252525252525', '25255c'],
  ])('of %j over and over takes time in proportion to its length', (piece) => {
    const redactor = knowing()
    let before = Number.POSITIVE_INFINITY
    for (const length of [16_384, 65_536, 262_144]) {
      const text = piece.repeat(Math.ceil(length / piece.length))
      const ms = took(() => expect(redactor.text(text).length).toBeGreaterThan(0))
      // Four times the length: 4 when it is in proportion, 16 when it is by the square. What is fast anyway is not measured.
      expect(ms).toBeLessThan(Math.max(3000, 12 * before))
      before = ms
    }
  })

  it('of any pieces takes no longer', () => {
    const pieces = fc.array(
      fc.constantFrom('\\', '%', '25', '5c', 'c', 'u', '00', 'AKID', 'Basic-', '"', 'X', '%5c', '%255c', ...secrets),
      {
        minLength: 1,
        maxLength: 12,
      },
    )
    fc.assert(
      fc.property(pieces, (some) => {
        const text = some.join('').repeat(Math.ceil(65_536 / some.join('').length))
        expect(took(() => knowing().text(text))).toBeLessThan(5000)
      }),
      { seed: 19, numRuns: 25 },
    )
  })

  it('of any content is the same before and after what it is made of, with the secrets gone', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('\\', '%', '%25', 'a', ' ', '"', '[', 'ß'), { maxLength: 40 }),
        fc.constantFrom(...secrets),
        (some, text) => {
          const around = some.join('')
          expect(knowing().text(`${around}|${text}|${around}`)).toBe(`${around}|[redacted]|${around}`)
        },
      ),
      { seed: 19, numRuns: 200 },
    )
  })

  it('loses a token of thousands of characters, and does so at once', () => {
    const token = Array.from({ length: 6000 }, (_, index) => 'AbCd1/+='[(index * 7 + (index >> 3)) % 8]).join('')
    const redactor = knowing([...secrets, token])
    const text = `x${encodeURIComponent(token)}y${token}z`.repeat(20)
    expect(took(() => expect(redactor.text(text)).toBe('x[redacted]y[redacted]z'.repeat(20)))).toBeLessThan(3000)
  })

  it('loses secrets that overlap altogether', () => {
    expect(knowing(['first-half-shared', 'shared-second-half']).text('<first-half-shared-second-half>')).toBe('<[redacted]>')
  })
})

describe('the head of a text', () => {
  it('is the beginning of the redacted text, never a part of a secret, wherever it is cut', () => {
    const redactor = createRedactor()
    redactor.add('SECRET"SECRET')
    for (const form of ['SECRET"SECRET', JSON.stringify('SECRET"SECRET'), encodeURIComponent('SECRET"SECRET')]) {
      const text = `abc ${form} def ${form} ghi`
      const whole = redactor.text(text)
      for (let length = 0; length <= whole.length + 2; length += 1) {
        expect(redactor.head(text, length)).toBe(whole.length <= length ? whole : `${whole.slice(0, length)}…`)
      }
    }
  })

  it('of a text without end looks at its beginning only, also while no secret is known', () => {
    const redactor = createRedactor()
    const endless = `${'x'.repeat(3995)}SECRETSECRET${'%5c'.repeat(8_000_000)}`
    const read = (): string => {
      const startedAt = performance.now()
      const head = redactor.head(endless, 4000)
      expect(performance.now() - startedAt).toBeLessThan(1000)
      return head
    }
    expect(read()).toBe(`${'x'.repeat(3995)}SECRE…`)
    redactor.add('SECRETSECRET')
    expect(read()).toBe(`${'x'.repeat(3995)}[reda…`)
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { plainInMarkdown } from '#shared/runtime/notify/bot-markdown.ts'
import { bytesOf, fitMessage } from '#shared/runtime/notify/fit.ts'
import { digestOf, messageOf, type Paragraph } from '#shared/runtime/notify/message.ts'
import { type Notice, tidyNotice } from '#shared/runtime/notify/notice.ts'

const asText = (paragraphs: readonly Paragraph[]): string => paragraphs.map(({ text }) => text).join('\n')
const within = (most: number) => (paragraphs: readonly Paragraph[]) => bytesOf(asText(paragraphs)) <= most
const text = (words: string): Paragraph => ({ kind: 'text', text: words })

describe('a message that is too long', () => {
  it('is cut at whole lines and says how many are left out; the tail stays', () => {
    const body = Array.from({ length: 40 }, (_, index) => text(`line ${index}`))
    const fitted = fitMessage({ body, tail: [text('the end')] }, within(120))
    expect(asText(fitted)).toBe(
      'line 0\nline 1\nline 2\nline 3\nline 4\nline 5\nline 6\nline 7\nline 8\n… and 31 more lines; the log has them all\nthe end',
    )
  })

  it('that is one long line is cut within it, between characters of several bytes', () => {
    const fitted = fitMessage({ body: [text('扩容失败🚨'.repeat(50))], tail: [text('end')] }, within(200))
    const [first] = fitted
    expect(bytesOf(asText(fitted))).toBeLessThanOrEqual(200)
    expect(bytesOf(asText(fitted))).toBeGreaterThan(190)
    expect(first?.text.isWellFormed()).toBe(true)
    expect(first?.text).toMatch(/^(?:扩容失败🚨)+扩?容?失?败?…$/u)
    expect(fitted.at(-1)?.text).toBe('end')
  })

  it('that fits is left as it is, and one of which nothing fits is empty', () => {
    const message = { body: [text('one'), text('two')], tail: [text('end')] }
    expect(asText(fitMessage(message, within(11)))).toBe('one\ntwo\nend')
    expect(asText(fitMessage(message, within(3)))).toBe('end')
    expect(fitMessage(message, within(2))).toEqual([])
  })

  it('always fits, keeps what it can in its order, and never holds half a character', () => {
    const words = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 })
    fc.assert(
      fc.property(fc.array(words, { maxLength: 30 }), fc.integer({ min: 60, max: 1500 }), (lines, most) => {
        const tail = [text('tail')]
        const fitted = fitMessage({ body: lines.map(text), tail }, within(most))
        expect(bytesOf(asText(fitted))).toBeLessThanOrEqual(most)
        expect(asText(fitted).isWellFormed()).toBe(true)
        expect(fitted.at(-1)).toEqual(tail[0])
        const kept = fitted.slice(0, -1).map((paragraph) => paragraph.text)
        const whole = kept.filter((line, index) => line === lines[index])
        // At most the last two are something else: a part of a line, and how many are left out.
        expect(kept.length - whole.length).toBeLessThanOrEqual(2)
      }),
      { seed: 8, numRuns: 300 },
    )
  })
})

describe('a text of a stranger', () => {
  it('becomes neither a link nor a mention nor emphasis in the markdown of bots', () => {
    expect(plainInMarkdown('[click](https://evil.example) <@everyone> ![x](y) **0 */5 * * * *** `rm`')).toBe(
      '[click] (https://evil.example) ‹@everyone› ![x] (y) ∗∗0 ∗/5 ∗ ∗ ∗ ∗∗∗ ˋrmˋ',
    )
    expect(plainInMarkdown('# heading')).not.toMatch(/^#/)
  })

  it('cannot forge a line, swell the store, or hide a link that is none of the web', () => {
    const wild: Notice = {
      key: 'k',
      severity: 'critical',
      function: 'cron-scaler',
      title: `a\nb\u202e${'x'.repeat(500)}`,
      lines: Array.from({ length: 200 }, (_, index) => `${index}\r\n${'y'.repeat(2000)}`),
      at: 0,
      links: [
        { text: 'good', url: 'https://example.com/a_(b)?c=d e' },
        { text: 'bad', url: 'javascript:alert(1)' },
        { text: 'named', url: 'https://user:pass@example.com/' },
      ],
      facts: { mode: 'plan\nenforce' },
    }
    const tidy = tidyNotice(wild, (words) => words)
    expect(tidy.title).toMatch(/^a b x+…$/)
    expect(tidy.title).toHaveLength(200)
    expect(tidy.lines).toHaveLength(14)
    expect(tidy.lines.every((line) => line.length <= 600 && !/[\r\n]/.test(line))).toBe(true)
    expect(tidy.lines.at(-1)).toBe('… and 187 more lines')
    expect(tidy.links).toEqual([{ text: 'good', url: 'https://example.com/a_%28b%29?c=d%20e' }])
    expect(tidy.facts).toEqual({ mode: 'plan enforce' })
    expect(Buffer.byteLength(JSON.stringify(tidy))).toBeLessThan(60_000)
    const [one, other] = ['a', 'b'].map((end) => tidyNotice({ ...wild, key: `${'k'.repeat(5000)}${end}` }, (words) => words).key)
    expect(one?.length).toBeLessThanOrEqual(300)
    expect(one).not.toBe(other)
  })
})

describe('a digest', () => {
  const at = Date.UTC(2026, 10, 24, 8)
  const notice = (severity: Notice['severity'], name: string, minute: number): Notice => ({
    key: `${name}/${minute}`,
    severity,
    function: name,
    title: `title ${minute}`,
    lines: [`first ${minute}`, 'second'],
    at: at + minute * 60_000,
    ...(minute === 3 ? { links: [{ text: 'approve', url: 'https://example.com/ok' }] } : {}),
  })

  it('counts by severity, has the worst first and the oldest of those, and keeps their links', () => {
    const message = digestOf(
      [notice('info', 'cron-scaler', 1), notice('critical', 'image-cleaner', 3), notice('critical', 'cron-scaler', 2)],
      'm',
    )
    expect(message.title).toBe('Longshore digest: 3 notices (2 critical, 1 info)')
    expect(message.severity).toBe('critical')
    expect(message.body).toEqual([
      text('critical · cron-scaler: title 2 — first 2'),
      text('critical · image-cleaner: title 3 — first 3'),
      { kind: 'link', text: 'approve', url: 'https://example.com/ok' },
      text('info · cron-scaler: title 1 — first 1'),
    ])
    expect(message.tail).toEqual([text('2026-11-24 08:01:00 UTC to 2026-11-24 08:03:00 UTC')])
  })

  it('of one notice alone is that notice, with its links behind what may be cut', () => {
    const message = messageOf(notice('warning', 'cron-scaler', 3), 'm')
    expect(message.title).toBe('Longshore warning · cron-scaler: title 3')
    expect(message.body).toEqual([text('first 3'), text('second')])
    expect(message.tail).toEqual([{ kind: 'link', text: 'approve', url: 'https://example.com/ok' }, text('2026-11-24 08:03:00 UTC')])
  })
})

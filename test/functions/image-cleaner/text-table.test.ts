import { describe, expect, it } from 'vitest'
import { TextTable } from '#functions/image-cleaner/text-table.ts'

const digestOf = (number: number, tail: number): string =>
  `sha256:${number.toString(16).padStart(48, '0')}${tail.toString(16).padStart(16, '0')}`

/** Names, digests, digests that end alike, and texts that begin as a digest does and are shorter than what is looked at of one. */
const texts = [
  ...Array.from({ length: 2000 }, (_, number) => `build-${number}`),
  ...Array.from({ length: 2000 }, (_, number) => digestOf(7, number)),
  ...Array.from({ length: 300 }, (_, number) => digestOf(number + 8, 1)),
  ...['', 's', 'sha256:', 'sha256:a', 'sha256:b', 'sha256', '\u{1f40b}', '\u{1f40c}'],
]

describe('a table of texts', () => {
  it.for([0, 1, 100, 10_000])('keeps the number that came first with each text, with room for %d at first', (expected) => {
    const table = new TextTable(expected)
    for (const [number, text] of texts.entries()) expect(table.firstOf(text, number)).toBe(number)
    expect(table.size).toBe(texts.length)
    for (const [number, text] of texts.entries()) {
      expect(table.firstOf(`${text}`, number + 1)).toBe(number)
      expect(table.has(text)).toBe(true)
    }
    expect(table.size).toBe(texts.length)
  })

  it('has nothing that was not put into it, however alike it is', () => {
    const table = new TextTable(10)
    expect([table.has(''), table.has('build-1'), table.size]).toEqual([false, false, 0])
    for (const [number, text] of texts.entries()) table.firstOf(text, number)
    for (const text of ['build-2000', 'build', 'Build-1', digestOf(6, 1), digestOf(9, 2), digestOf(7, 2000), 'sha256:c', ' '])
      expect([text, table.has(text)]).toEqual([text, false])
  })
})

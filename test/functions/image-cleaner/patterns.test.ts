import { describe, expect, it } from 'vitest'
import { compilePattern, compilePatterns, PatternError, type TagPattern } from '#functions/image-cleaner/patterns.ts'

const longest = 128

/** Patterns that other engines need seconds to years for, or that are large when written out. */
const evil = [
  '(a+)+b',
  '(a*)*b',
  '(a|a)*b',
  '(a|aa)+b',
  '([a-z]+)*1',
  '(.*)*x',
  '(.*a){12}b',
  '(x+x+)+y',
  '^(([a-z])+.)+[A-Z]([a-z])+$',
  '(?:(?:a{0,30}){0,30})b',
  '(a?){64}a{64}',
  '((a{1,10}){1,10}){1,9}b',
  '(\\w+\\.?)+\\d!',
  '(0|1|2|3|4|5|6|7|8|9|a|b|c|d|e|f)*g',
  '.*.*.*.*.*.*=.*',
  '(?i)(A+B?)+C',
  '[^x]*[^y]*[^z]*q',
  '(v?\\d+(\\.\\d+)*(-[a-z0-9.]+)*)*$%',
  '(\\pL|\\pN)*#',
] as const

/** Tags that make such patterns try everything. */
const tags = [
  'a'.repeat(longest),
  `${'a'.repeat(longest - 1)}!`,
  'ab'.repeat(longest / 2),
  '0'.repeat(longest),
  'v1.2.3-'.repeat(18).slice(0, longest),
  'x'.repeat(longest),
  'Aa1._-'.repeat(22).slice(0, longest),
] as const

async function compiled(text: string): Promise<TagPattern> {
  const pattern = await compilePattern(text)
  if (!pattern.ok) throw new Error(pattern.error)
  return pattern.value
}

/** The middle one of several, so that what else the machine does counts for little. */
function medianMs(work: () => void): number {
  const times = Array.from({ length: 7 }, () => {
    const since = performance.now()
    work()
    return performance.now() - since
  }).toSorted((left, right) => left - right)
  return times[3] ?? Number.POSITIVE_INFINITY
}

describe('20: a configured pattern takes under 50 ms on any tag of 128 characters; unsupported syntax is refused at validation', () => {
  it.for(evil)('%s', async (text) => {
    const matches = await compiled(text)
    for (const tag of tags)
      expect(
        medianMs(() => matches(tag)),
        tag,
      ).toBeLessThan(50)
  })

  it.for([
    ['(?=prod)', 'looks around'],
    ['(?!prod).*', 'looks around'],
    ['.*(?<!rc)', 'looks around'],
    ['(?<=v)1', 'looks around'],
    ['(a)\\1', 'refers back'],
    ['(', 'no regular expression'],
    ['[z-a]', 'no regular expression'],
    ['a{1001}', 'no regular expression'],
    ['a**', 'no regular expression'],
    ['(?>a+)b', 'no regular expression'],
    ['a++b', 'no regular expression'],
    ['\\p{Nonsense}', 'no regular expression'],
    ['*', 'no regular expression'],
  ] as const)('%s is refused, with what is wrong about it', async ([text, what]) => {
    const pattern = await compilePattern(text)
    expect(pattern).toMatchObject({ ok: false })
    expect(pattern.ok ? '' : pattern.error).toContain(what)
    await expect(compilePatterns(['v.*', text])).rejects.toThrow(PatternError)
  })

  it.for([
    ['v\\d+', 'v10', true],
    ['v\\d+', 'v10-rc', false],
    ['v\\d+', 'xv10', false],
    ['a|b', 'ab', false],
    ['', '', true],
  ] as const)('%s is a pattern over the whole name: %s', async ([text, tag, isMatch]) => {
    expect((await compiled(text))(tag)).toBe(isMatch)
  })
})

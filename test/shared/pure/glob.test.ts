import fc from 'fast-check'
import { expect, test } from 'vitest'
import { matchesGlob, mayMatchFrom, parseGlob } from '#shared/pure/glob.ts'

function matches(pattern: string, name: string): boolean {
  const parsed = parseGlob(pattern)
  if (!parsed.ok) throw new Error(parsed.error)
  return matchesGlob(parsed.value, name)
}

test.each([
  ['v1.*', 'v1.20', true],
  ['v1.*', 'v1.20/x', false],
  ['team/*', 'team/web', true],
  ['team/*', 'team/web/api', false],
  ['team/**', 'team/web/api', true],
  ['**/api', 'team/web/api', true],
  ['v?', 'v1', true],
  ['v?', 'v', false],
  ['v?x', 'v/x', false],
  ['*', '', true],
  ['', '', true],
  ['', 'a', false],
  ['a.c', 'abc', false],
  ['*a*b', 'xaxxb', true],
  ['*a*b', 'xaxxbc', false],
])('%j on %j: %j', (pattern, name, expected) => {
  expect(matches(pattern, name)).toBe(expected)
})

test.each(['[ab]', '{a,b}', 'a\\*', '!a', '***'])('%j is refused', (pattern) => {
  expect(parseGlob(pattern).ok).toBe(false)
})

test('agrees with a regular expression made of it', () => {
  const pattern = fc
    .array(fc.constantFrom('a', 'b', '/', '*', '?', '/**/'), { maxLength: 8 })
    .map((parts) => parts.join('').replace(/\*{2,}/g, '**'))
  const name = fc.array(fc.constantFrom('a', 'b', '/'), { maxLength: 10 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(pattern, name, (text, subject) => {
      const source = text.replace(/\*\*|\*|\?/g, (part) => (part === '**' ? '[^]*' : part === '*' ? '[^/]*' : '[^/]'))
      expect(matches(text, subject)).toBe(new RegExp(`^${source}$`).test(subject))
    }),
    { seed: 1, numRuns: 3000 },
  )
})

test.each([
  ['team/web:v*', 'team/web:', true],
  ['team/*:v1', 'team/web:', true],
  ['**', 'team/web:', true],
  ['', 'team/web:', true],
  ['team/api:v1', 'team/web:', false],
  ['team/webs:v1', 'team/web:', false],
])('%j may match what begins with %j: %j', (pattern, beginning, expected) => {
  const parsed = parseGlob(pattern)
  expect(parsed.ok && mayMatchFrom(parsed.value, beginning)).toBe(expected)
})

test('says of no beginning of a name that it cannot match when it matches the name', () => {
  const pattern = fc.array(fc.constantFrom('a', 'b', '/', '*', '?', '**/'), { maxLength: 5 }).map((parts) => parts.join(''))
  const name = fc.array(fc.constantFrom('a', 'b', '/'), { maxLength: 6 }).map((parts) => parts.join(''))
  let matching = 0
  fc.assert(
    fc.property(pattern, name, fc.nat({ max: 6 }), (text, subject, length) => {
      const parsed = parseGlob(text.replace(/\*{2,}/g, '**'))
      if (!parsed.ok || !matchesGlob(parsed.value, subject)) return
      matching += 1
      expect(mayMatchFrom(parsed.value, subject.slice(0, length))).toBe(true)
    }),
    { seed: 2, numRuns: 3000 },
  )
  expect(matching).toBeGreaterThan(200)
})

test('a pattern made to go back and forth takes no time', () => {
  const started = performance.now()
  expect(matches(`${'*a'.repeat(60)}b`, 'a'.repeat(128))).toBe(false)
  expect(performance.now() - started).toBeLessThan(50)
})

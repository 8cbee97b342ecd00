import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readJson, readYaml } from '#shared/runtime/config-text.ts'

describe('a YAML text that cannot be read', () => {
  it.each([
    ['mode: plan\nplatform:\n\tdomain: x\n', 3, 'a tab as indent; indent with spaces (column 1)'],
    ['a:\n  b: 1\n c: 2\n', 3, 'the indent does not fit what is above it, or a bracket is not closed (column 1)'],
    ['mode: plan\nclusters: []\n"mode": x\n', 3, 'the key "mode" is given twice (column 1)'],
    ['a: 1\nplatform:\n  region: b\n  region: c\n', 4, 'the key "region" is given twice (column 3)'],
    ['a: b: c\n', 1, 'a second ":" on one line; put the value in quotes, or on lines of its own (column 4)'],
    ['a: "x\nb: 1\n', 3, 'something is missing before this, such as a closing quote or bracket, or a blank after ":" (column 1)'],
    ['a: @hunter2\n', 1, 'a value cannot begin with this character; put it in quotes (column 4)'],
  ])('%j', async (text, line, what) => {
    const { problems, value } = await readYaml(text)
    expect(value).toBeUndefined()
    expect(problems[0]).toEqual({ path: [], line, text: `is not valid YAML: ${what}` })
    expect(JSON.stringify(problems)).not.toContain('hunter2')
  })
})

describe('a JSON text that cannot be read', () => {
  it.each([
    ['{"a": 1,\n "b": }', 2, 7, 'a value (text goes in double quotes)'],
    ['{"a": 1', 1, 8, '"," or "}"'],
    ['{\n  "a": tru}', 2, 8, 'a value (text goes in double quotes)'],
    ['', 1, 1, 'a value (text goes in double quotes)'],
    ['{"a": 1}x', 1, 9, 'nothing more'],
    ['{"a":\n  "b\nc"}', 2, 3, 'a value (text goes in double quotes)'],
    ["{'a': 1}", 1, 2, 'a key in double quotes or "}"'],
    ['{"a": 1,\n}', 2, 1, 'a key in double quotes (no "," before "}")'],
    ['[1 2]', 1, 4, '"," or "]"'],
    ['[,]', 1, 2, 'a value or "]" (text goes in double quotes)'],
    ['{"a" 1}', 1, 6, '":"'],
    ['{"a": 01}', 1, 7, 'a value (text goes in double quotes)'],
  ])('%j', (text, line, column, expected) => {
    expect(readJson(text).problems).toEqual([{ path: [], line, text: `is not valid JSON: at column ${column} ${expected} is expected` }])
  })

  it('is told from one that can, and its place is the first character that no JSON could have there', () => {
    const json = fc.json({ maxDepth: 3 })
    fc.assert(
      fc.property(json, fc.nat(), (text, at) => {
        expect(readJson(text).problems.filter(({ text: what }) => what.startsWith('is not valid'))).toEqual([])
        const place = at % (text.length + 1)
        const broken = `${text.slice(0, place)}\u0000${text.slice(place)}`
        const [problem] = readJson(broken).problems
        expect(problem?.text).toMatch(/^is not valid JSON: at column \d+ /)
        expect(Number(/column (\d+)/.exec(problem?.text ?? '')?.[1])).toBeLessThanOrEqual(place + 1)
      }),
      { seed: 11, numRuns: 300 },
    )
  })
})

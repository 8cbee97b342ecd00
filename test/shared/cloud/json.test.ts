import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JsonError, parseJson, stringifyJson } from '#cloud/json.ts'

describe('parseJson', () => {
  test.each([
    ['9007199254740991', 9_007_199_254_740_991],
    ['9007199254740992', 9_007_199_254_740_992n],
    ['9007199254740993', 9_007_199_254_740_993n],
    ['-9007199254740991', -9_007_199_254_740_991],
    ['-9223372036854775808', -(2n ** 63n)],
    ['18446744073709551615', 2n ** 64n - 1n],
    ['1e30', 1e30],
    ['9007199254740993.5', Number('9007199254740993.5')],
    ['12345678901234567e2', Number('12345678901234567e2')],
    ['"9007199254740993"', '9007199254740993'],
    ['0.12345678901234567', Number('0.12345678901234567')],
  ])('%s', (text, value) => {
    expect(parseJson(text)).toBe(value)
    expect(parseJson(`{"a":[{"b":${text}}]}`)).toEqual({ a: [{ b: value }] })
  })

  test('any 64-bit integer comes back with all its digits, however deep', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), (integer) => {
        const parsed = parseJson(`{"Data":{"List":[1,${integer},"x"]}}`) as { Data: { List: unknown[] } }
        const value = parsed.Data.List[1]
        expect(BigInt(value as bigint)).toBe(integer)
        expect(typeof value).toBe(integer >= -(2n ** 53n - 1n) && integer <= 2n ** 53n - 1n ? 'number' : 'bigint')
      }),
      { seed: 11, numRuns: 500 },
    )
  })

  test('a member named __proto__ is a member and nothing else', () => {
    const parsed = parseJson('{"__proto__":{"polluted":9007199254740993}}') as object
    expect(Object.getPrototypeOf(parsed)).toBe(Object.prototype)
    expect(Reflect.get({}, 'polluted')).toBeUndefined()
    expect(Object.keys(parsed)).toEqual(['__proto__'])
  })

  test.each(['', '{', '{"a":1} x', "{'a':1}", 'undefined', '{"SecretKey":"hunter2hunter2"'])(
    '%j is refused without being quoted',
    (text) => {
      const error = failure(() => parseJson(text))
      expect(error).toBeInstanceOf(JsonError)
      expect(error.message).toContain(`${text.length} characters`)
      expect(error.message).not.toContain('hunter2')
    },
  )
})

describe('stringifyJson', () => {
  test('writes what JSON.stringify writes, for everything that JSON can carry', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.string({ unit: 'binary' }), (value, text) => {
        expect(stringifyJson(value)).toBe(JSON.stringify(value))
        expect(stringifyJson({ [text]: text, list: [text, { [text]: null }] })).toBe(
          JSON.stringify({ [text]: text, list: [text, { [text]: null }] }),
        )
      }),
      { seed: 12, numRuns: 500 },
    )
  })

  test.each([
    '"',
    '\\',
    '\n',
    '\u0000',
    '\u001f',
    '\u007f',
    '\u2028',
    '\ud800',
    '\udfff',
    '\ud83d\ude80',
    '\ue000',
    '\uffff',
    '#',
    '[',
    ']',
    ' ',
    '!',
  ])('the character %j is escaped as JSON.stringify does', (character) => {
    expect(stringifyJson(`a${character}b`)).toBe(JSON.stringify(`a${character}b`))
  })

  test('bigints are integers, and what is parsed is written again as it was', () => {
    const text = '{"a":[9007199254740993,-9223372036854775808,1.5,null,true,"x"]}'
    expect(stringifyJson(parseJson(text))).toBe(text)
    expect(stringifyJson(-0)).toBe('0')
  })

  test('undefined members are left out, null ones are kept unless told', () => {
    const value = { a: undefined, b: null, c: [null, { d: null, e: 1 }] }
    expect(stringifyJson(value)).toBe('{"b":null,"c":[null,{"d":null,"e":1}]}')
    expect(stringifyJson(value, 'drop')).toBe('{"c":[null,{"e":1}]}')
  })

  test('objects without a prototype are written, classes are not', () => {
    expect(stringifyJson(Object.assign(Object.create(null) as object, { a: 1 }))).toBe('{"a":1}')
    class Point {
      readonly x = 1
    }
    expect(failure(() => stringifyJson({ at: new Point() })).message).toContain('at is a Point')
  })

  test.each([
    [{ a: { b: [1, Number.NaN] } }, 'a.b[1]', 'is NaN'],
    [{ a: Number.NEGATIVE_INFINITY }, 'a', 'is -Infinity'],
    [{ a: new Date(0) }, 'a', 'is a Date'],
    [{ a: new Map() }, 'a', 'is a Map'],
    [{ a: Buffer.from('x') }, 'a', 'is a Buffer'],
    [{ a: new String('x') }, 'a', 'is a String'],
    [{ a: () => 1 }, 'a', 'is a function'],
    [{ a: Symbol.iterator }, 'a', 'is a symbol'],
    [{ a: { toJSON: () => 1 } }, 'a.toJSON', 'is a function'],
    [[undefined], '[0]', 'is undefined'],
    [undefined, '', 'the value is undefined'],
  ])('%s is refused with its place', (value, path, text) => {
    const error = failure(() => stringifyJson(value))
    expect(error.path).toBe(path)
    expect(error.message).toContain(text)
  })

  test('holes of a list are refused, not written as null', () => {
    const holey = [1, 2, 3]
    delete holey[1]
    expect(failure(() => stringifyJson(holey)).path).toBe('[1]')
  })

  test('a hundred levels are written, one more is refused, and so is a circle', () => {
    const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)])
    expect(stringifyJson(nested(100))).toHaveLength(201)
    expect(failure(() => stringifyJson(nested(101))).message).toContain('deeper than 100 levels')
    const circle: unknown[] = []
    circle.push(circle)
    expect(failure(() => stringifyJson(circle)).message).toContain('contains itself')
  })
})

function failure(run: () => unknown): JsonError {
  try {
    run()
  } catch (error) {
    return error as JsonError
  }
  throw new Error('it did not fail')
}

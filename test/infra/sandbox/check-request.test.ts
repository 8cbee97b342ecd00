import { expect, test } from 'vitest'
import type { InputShape } from '#cloud/action.ts'
import { checkRequest, parseBody } from '#infra/sandbox/check-request.ts'

const shape: InputShape = {
  Text: { type: 'string' },
  Count: { type: 'int' },
  Size: { type: 'uint' },
  Share: { type: 'float' },
  Flag: { type: 'bool' },
  Rows: { type: 'object', list: true, fields: { Name: { type: 'string', required: true } } },
}

function refusal(request: unknown): { code?: string; message?: string } {
  try {
    checkRequest(request, shape)
    return {}
  } catch (error) {
    return error as { code: string; message: string }
  }
}

test('takes every type at its limits and no further', () => {
  const good = { Text: '', Count: -(2n ** 63n), Size: 2n ** 64n - 1n, Share: 1.5, Flag: false, Rows: [] }
  expect(checkRequest(good, shape)).toEqual(good)
  expect(checkRequest({ Count: 2n ** 63n - 1n, Size: 0, Share: 2 }, shape)).toEqual({ Count: 2n ** 63n - 1n, Size: 0, Share: 2 })
  for (const bad of [
    { Count: 2n ** 63n },
    { Count: -(2n ** 63n) - 1n },
    { Size: 2n ** 64n },
    { Size: -1 },
    { Count: 1.5 },
    { Count: 2 ** 60 },
  ]) {
    expect(refusal(bad).code).toBe('InvalidParameterValue')
  }
})

test('names the path, what it should be and what it is', () => {
  expect(refusal({ Rows: [{ Name: 'a' }, {}] })).toMatchObject({
    code: 'MissingParameter',
    message: expect.stringContaining('`Rows.1.Name`'),
  })
  expect(refusal({ Rows: [{ Name: 'a', Age: 5 }] })).toMatchObject({
    code: 'UnknownParameter',
    message: expect.stringMatching(/`Rows\.0\.Age`.*Known here: Name/),
  })
  for (const [request, message] of [
    [{ Share: '1.5' }, /`Share` has to be a number; it is the string "1\.5"/],
    [{ Text: 5 }, /`Text` has to be a string; it is the number "5"/],
    [{ Text: ['a'] }, /it is a list/],
    [{ Text: {} }, /it is an object/],
    [{ Rows: {} }, /`Rows` has to be a list; it is an object/],
    [{ Rows: [null] }, /`Rows\.0` has to be an object; it is null/],
    [{ Text: true }, /the boolean "true"/],
    [{ Count: 'x'.repeat(100) }, /"x{40}…"/],
  ] as const) {
    expect(refusal(request)).toMatchObject({ code: 'InvalidParameterValue', message: expect.stringMatching(message) })
  }
  expect(refusal([])).toMatchObject({ code: 'InvalidParameter', message: expect.stringContaining('a list') })
})

test('reads bodies without rounding integers and without touching other numbers', () => {
  const read = (text: string) => parseBody(Buffer.from(text))
  expect(read('{"a":9007199254740993,"b":-9007199254740993,"c":3.14159265358979312,"d":1e300,"e":7}')).toEqual({
    a: 9_007_199_254_740_993n,
    b: -9_007_199_254_740_993n,
    c: Math.PI,
    d: 1e300,
    e: 7,
  })
  expect(read('  ')).toEqual({})
  expect(() => read('{"a":')).toThrow(/not JSON/)
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { InputShape } from '#cloud/action.ts'
import { nestFormParams, parseForm, wireInteger } from '#infra/sandbox/form-params.ts'

const shape: InputShape = {
  Name: { type: 'string' },
  Count: { type: 'int' },
  Share: { type: 'float' },
  Flag: { type: 'bool' },
  Ids: { type: 'string', list: true },
  Filters: { type: 'object', list: true, fields: { Name: { type: 'string' }, Values: { type: 'string', list: true } } },
  Disk: { type: 'object', fields: { Size: { type: 'uint' } } },
}

function nest(form: string) {
  const parsed = parseForm(form)
  return parsed.ok ? nestFormParams(parsed.value, shape) : parsed
}

test('builds lists, structures and lists of structures, each value of its type', () => {
  const form = 'Name=&Count=-5&Share=0.25&Flag=false&Ids.0=a&Ids.1=b&Filters.0.Name=x&Filters.0.Values.0=1&Filters.1.Name=y&Disk.Size=50'
  expect(nest(form)).toEqual({
    ok: true,
    value: {
      Name: '',
      Count: -5,
      Share: 0.25,
      Flag: false,
      Ids: ['a', 'b'],
      Filters: [{ Name: 'x', Values: ['1'] }, { Name: 'y' }],
      Disk: { Size: 50 },
    },
  })
})

test('keeps the order of lists with more than ten rows, whatever order they came in', () => {
  const rows = Array.from({ length: 12 }, (_, index) => `Ids.${index}=v${index}`)
  expect(nest(rows.toSorted().join('&'))).toEqual({ ok: true, value: { Ids: Array.from({ length: 12 }, (_, index) => `v${index}`) } })
})

test('leaves a text that is not of its type as it is, for the check to name', () => {
  expect(nest('Count=ten&Share=&Flag=yes&Ids=a&Disk=5&Name.0=x&Other.x=1')).toEqual({
    ok: true,
    value: { Count: 'ten', Share: '', Flag: 'yes', Ids: 'a', Disk: '5', Name: {}, Other: {} },
  })
})

test.each([
  ['Ids.0=a&Ids.2=c', /Ids.*1 is missing/],
  ['Ids.x=a', /Ids.*0 is missing/],
  ['Ids=a&Ids.0=b', /both/],
  ['Filters.0.Values.1=a', /Filters\.0\.Values/],
  ['Filters.0.Name=a&Filters.0.Name.x=b', /Filters\.0\.Name/],
  ['Disk.Size=1&Disk.Size.0=2', /Disk\.Size/],
  ['Name=a&Name=b', /twice/],
  ['Name=%E0%A4%A', /percent-encoded/],
  ['Name=%', /percent-encoded/],
])('%s is refused', (form, message) => {
  expect(nest(form)).toEqual({ ok: false, error: expect.stringMatching(message) })
})

test('property: what was encoded is decoded, names and values, plus signs as spaces', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.tuple(fc.string({ minLength: 1, unit: 'binary' }), fc.string({ unit: 'binary' })), { selector: ([name]) => name }),
      (pairs) => {
        fc.pre(pairs.every(([name, value]) => name.isWellFormed() && value.isWellFormed()))
        const encode = (text: string) => encodeURIComponent(text).replaceAll('%20', '+')
        const parsed = parseForm(pairs.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&'))
        expect(parsed).toEqual({ ok: true, value: new Map(pairs) })
      },
    ),
    { seed: 2, numRuns: 200 },
  )
})

test('property: an integer of the wire keeps all its digits', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n }), (integer) => {
      const read = wireInteger(integer.toString())
      expect(BigInt(read)).toBe(integer)
      expect(typeof read).toBe(Number.isSafeInteger(Number(integer)) ? 'number' : 'bigint')
    }),
    { seed: 2 },
  )
})

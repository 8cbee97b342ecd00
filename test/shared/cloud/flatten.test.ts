import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { flattenParams } from '#cloud/flatten.ts'
import { JsonError } from '#cloud/json.ts'

describe('flattenParams', () => {
  test('lays lists and objects out by number and name, in order', () => {
    expect(
      flattenParams({
        ClusterIds: ['cls-1', 'cls-2'],
        Filters: [{ Name: 'vpc-id', Values: ['vpc-1'] }],
        Limit: 20,
        Flag: false,
        Big: 9_007_199_254_740_993n,
        Text: '',
      }),
    ).toEqual([
      ['ClusterIds.0', 'cls-1'],
      ['ClusterIds.1', 'cls-2'],
      ['Filters.0.Name', 'vpc-id'],
      ['Filters.0.Values.0', 'vpc-1'],
      ['Limit', '20'],
      ['Flag', 'false'],
      ['Big', '9007199254740993'],
      ['Text', ''],
    ])
  })

  test('nothing, null, undefined and empty lists leave no trace; a list keeps the numbers of the others', () => {
    expect(flattenParams({})).toEqual([])
    expect(flattenParams({ A: null, B: undefined, C: [], D: {}, E: [{}], F: ['x', null, 'y'] })).toEqual([
      ['F.0', 'x'],
      ['F.2', 'y'],
    ])
  })

  test('no two parameters ever have the same name, and every leaf is there', () => {
    const names = fc.stringMatching(/^[A-Za-z0-9_-]{1,6}$/)
    const tree = fc.letrec((tie) => ({
      node: fc.oneof(
        { depthSize: 'small' },
        fc.string(),
        fc.integer(),
        fc.array(tie('node'), { maxLength: 4 }),
        fc.dictionary(names, tie('node'), { maxKeys: 4 }),
      ),
    }))
    const leaves = (value: unknown): number =>
      typeof value === 'object' && value !== null ? Object.values(value).reduce((sum: number, member) => sum + leaves(member), 0) : 1
    fc.assert(
      fc.property(fc.dictionary(names, tree.node, { maxKeys: 6 }), (request) => {
        const flat = flattenParams(request)
        expect(new Set(flat.map(([name]) => name)).size).toBe(flat.length)
        expect(flat.length).toBe(leaves(request))
      }),
      { seed: 21, numRuns: 300 },
    )
  })

  test.each([
    [{ A: Number.NaN }, 'A is NaN'],
    [{ A: [{ B: Number.POSITIVE_INFINITY }] }, 'A.0.B is Infinity'],
    [{ A: new Date(0) }, 'A is a Date'],
    [{ A: new Set(['x']) }, 'A is a Set'],
    [{ A: () => 1 }, 'A is a function'],
    [{ A: Symbol('x') }, 'A is a symbol'],
    [{ 'A.0': 'x' }, '"A.0" cannot be a parameter'],
    [{ 'A=1&B': 'x' }, 'cannot be a parameter'],
    [{ '': 'x' }, 'cannot be a parameter'],
    [{ A: { 'b c': 'x' } }, '"A.b c" cannot be a parameter'],
    [['x'], 'the request is no plain object'],
    [new Date(0), 'the request is no plain object'],
  ])('%s is refused', (request, text) => {
    expect(() => flattenParams(request)).toThrow(JsonError)
    expect(() => flattenParams(request)).toThrow(text)
  })

  test('a circle is refused', () => {
    const circle: Record<string, unknown> = {}
    circle.A = circle
    expect(() => flattenParams(circle)).toThrow('contains itself')
  })
})

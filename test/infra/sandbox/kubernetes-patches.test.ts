import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json, JsonObject } from '#infra/sandbox/kubernetes/json.ts'
import { isJsonObject, sameJson } from '#infra/sandbox/kubernetes/json.ts'
import { jsonPatch, PatchFault, PatchSyntaxFault } from '#infra/sandbox/kubernetes/json-patch.ts'
import { mergePatch } from '#infra/sandbox/kubernetes/merge-patch.ts'
import { formatQuantity, milliOf, parseQuantity } from '#infra/sandbox/kubernetes/quantity.ts'
import { parseFieldSelector, parseLabelSelector, SelectorFault } from '#infra/sandbox/kubernetes/selectors.ts'
import { DirectiveFault, strategicPatch } from '#infra/sandbox/kubernetes/strategic-patch.ts'

const seed = { seed: 42, numRuns: 500 } as const

/** JSON values, with keys that collide often. */
const values = fc.letrec<{ json: Json; object: JsonObject }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 3 },
    fc.constant(null),
    fc.boolean(),
    fc.integer({ min: 0, max: 3 }),
    fc.constantFrom('a', 'b'),
    fc.array(tie('json'), { maxLength: 3 }),
    tie('object'),
  ),
  object: fc.dictionary(fc.constantFrom('a', 'b', 'c', 'a/b', 'm~n'), tie('json'), { maxKeys: 4 }),
}))

describe('merge patch', () => {
  test.each([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ] as [Json, Json, Json][])('the examples of RFC 7386: %j with %j is %j', (target, patch, expected) => {
    expect(mergePatch(target, patch)).toEqual(expected)
  })

  test('twice is the same as once, and the target is not changed', () => {
    fc.assert(
      fc.property(values.json, values.json, (target, patch) => {
        const before = JSON.stringify(target)
        const once = mergePatch(target, patch)
        expect(mergePatch(once, patch)).toEqual(once)
        expect(JSON.stringify(target)).toBe(before)
      }),
      seed,
    )
  })
})

describe('JSON patch', () => {
  const at = (path: string): readonly string[] =>
    path
      .slice(1)
      .split('/')
      .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))

  test.each([
    [{ foo: 'bar' }, [{ op: 'add', path: '/baz', value: 'qux' }], { foo: 'bar', baz: 'qux' }],
    [{ foo: ['bar', 'baz'] }, [{ op: 'add', path: '/foo/1', value: 'qux' }], { foo: ['bar', 'qux', 'baz'] }],
    [{ baz: 'qux', foo: 'bar' }, [{ op: 'remove', path: '/baz' }], { foo: 'bar' }],
    [{ foo: ['bar', 'qux', 'baz'] }, [{ op: 'remove', path: '/foo/1' }], { foo: ['bar', 'baz'] }],
    [{ baz: 'qux', foo: 'bar' }, [{ op: 'replace', path: '/baz', value: 'boo' }], { baz: 'boo', foo: 'bar' }],
    [
      { foo: { bar: 'baz', waldo: 'fred' }, qux: { corge: 'grault' } },
      [{ op: 'move', from: '/foo/waldo', path: '/qux/thud' }],
      { foo: { bar: 'baz' }, qux: { corge: 'grault', thud: 'fred' } },
    ],
    [{ foo: ['all', 'grass', 'cows', 'eat'] }, [{ op: 'move', from: '/foo/1', path: '/foo/3' }], { foo: ['all', 'cows', 'eat', 'grass'] }],
    [
      { baz: 'qux', foo: ['a', 2, 'c'] },
      [
        { op: 'test', path: '/baz', value: 'qux' },
        { op: 'test', path: '/foo/1', value: 2 },
      ],
      { baz: 'qux', foo: ['a', 2, 'c'] },
    ],
    [{ foo: 'bar' }, [{ op: 'add', path: '/child', value: { grandchild: {} } }], { foo: 'bar', child: { grandchild: {} } }],
    [{ '/': 9, '~1': 10 }, [{ op: 'test', path: '/~01', value: 10 }], { '/': 9, '~1': 10 }],
    [{ foo: ['bar'] }, [{ op: 'add', path: '/foo/-', value: ['abc', 'def'] }], { foo: ['bar', ['abc', 'def']] }],
    [
      { a: { b: 1 } },
      [
        { op: 'copy', from: '/a', path: '/c' },
        { op: 'replace', path: '/c/b', value: 2 },
      ],
      { a: { b: 1 }, c: { b: 2 } },
    ],
  ] as [JsonObject, Json, JsonObject][])('the examples of RFC 6902: %j with %j is %j', (document, patch, expected) => {
    expect(jsonPatch(document, patch)).toEqual(expected)
  })

  test.each([
    [[{ op: 'test', path: '/baz', value: 'bar' }]],
    [[{ op: 'add', path: '/none/bat', value: 1 }]],
    [[{ op: 'remove', path: '/none' }]],
    [[{ op: 'add', path: '/list/9', value: 1 }]],
    [[{ op: 'add', path: '/list/01', value: 1 }]],
    [[{ op: 'remove', path: '/list/-' }]],
    [[{ op: 'replace', path: '/list/7', value: 1 }]],
    [[{ op: 'copy', from: '/none', path: '/a' }]],
    [[{ op: 'move', from: '/none', path: '/a' }]],
    [[{ op: 'add', value: 1 }]],
    [[{ op: 'add', path: 'baz', value: 1 }]],
    [[{ op: 'spoil', path: '/baz' }]],
    [[{ op: 'replace', path: '', value: [] }]],
  ] as [Json][])('%j cannot be done', (patch) => {
    expect(() => jsonPatch({ baz: 'qux', list: [1, 2] }, patch)).toThrow(PatchFault)
  })

  test.each([[{ op: 'add' }], ['x'], [[1]], [null]] as [Json][])('%j is no patch', (patch) => {
    expect(() => jsonPatch({}, patch)).toThrow(PatchSyntaxFault)
  })

  test('add, test and remove of a key undo each other and leave the document alone', () => {
    fc.assert(
      fc.property(values.object, values.json, fc.constantFrom('/z', '/a~1b', '/m~0n'), (document, value, path) => {
        const [key = ''] = at(path)
        fc.pre(!Object.hasOwn(document, key))
        const before = JSON.stringify(document)
        const added = jsonPatch(document, [
          { op: 'add', path, value },
          { op: 'test', path, value },
        ])
        expect(sameJson(added[key], value)).toBe(true)
        expect(jsonPatch(added, [{ op: 'remove', path }])).toEqual(document)
        expect(JSON.stringify(document)).toBe(before)
      }),
      seed,
    )
  })

  test('a patch that fails in the middle changes nothing', () => {
    const document = { a: 1, list: [1, 2] }
    expect(() =>
      jsonPatch(document, [
        { op: 'add', path: '/list/0', value: 0 },
        { op: 'test', path: '/a', value: 2 },
      ]),
    ).toThrow(PatchFault)
    expect(document).toEqual({ a: 1, list: [1, 2] })
  })
})

describe('strategic merge patch', () => {
  const names = fc.uniqueArray(fc.constantFrom('A', 'B', 'C', 'D', 'E'), { maxLength: 5 })
  const env = fc
    .tuple(names, fc.array(fc.constantFrom('1', '2', '3'), { minLength: 5, maxLength: 5 }))
    .map(([keys, texts]) => keys.map((name, index) => ({ name, value: texts[index] ?? '' })))

  test('a list that merges by key holds every key once, with the value of the patch where it has one', () => {
    fc.assert(
      fc.property(env, env, (before, change) => {
        const object = { name: 'web', ...(before.length === 0 ? {} : { env: before }) }
        const after = strategicPatch('core/v1.Container', object, { env: change })
        const list = Array.isArray(after.env) ? after.env : []
        const seen = list.flatMap((item) => (isJsonObject(item) ? [[String(item.name), String(item.value)]] : []))
        expect(new Map(seen.map(([name, value]) => [name, value]))).toEqual(
          new Map([...before, ...change].map(({ name, value }) => [name, value])),
        )
        expect(new Set(seen.map(([name]) => name)).size).toBe(seen.length)
        const order = seen.map(([name]) => name)
        const wanted: readonly string[] = change.map(({ name }) => name)
        expect(order.filter((name) => wanted.includes(name ?? ''))).toEqual(wanted)
        const others = before.map(({ name }) => name).filter((name) => !wanted.includes(name))
        expect(order.filter((name) => !wanted.includes(name ?? ''))).toEqual(others)
      }),
      seed,
    )
  })

  test('the same patch twice gives what it gave once, and changes neither argument', () => {
    fc.assert(
      fc.property(env, env, (before, change) => {
        const object = { name: 'web', env: before }
        const patch = { env: change, image: 'x' }
        const [first, second] = [JSON.stringify(object), JSON.stringify(patch)]
        const once = strategicPatch('core/v1.Container', object, patch)
        expect(strategicPatch('core/v1.Container', once, patch)).toEqual(once)
        expect([JSON.stringify(object), JSON.stringify(patch)]).toEqual([first, second])
      }),
      seed,
    )
  })

  test('every element can be deleted by its key', () => {
    fc.assert(
      fc.property(env, (before) => {
        const gone = before.map(({ name }) => ({ name, $patch: 'delete' }))
        expect(strategicPatch('core/v1.Container', { env: before }, { env: gone }).env).toEqual([])
      }),
      seed,
    )
  })

  test('lists without a key are replaced, and directives that are none are refused', () => {
    expect(strategicPatch('core/v1.Container', { args: ['a', 'b'] }, { args: ['c'] })).toEqual({ args: ['c'] })
    expect(strategicPatch('core/v1.PodSpec', { tolerations: [{ key: 'a' }] }, { tolerations: [{ key: 'b' }] })).toEqual({
      tolerations: [{ key: 'b' }],
    })
    expect(() => strategicPatch('core/v1.Container', { env: [{ name: 'A' }] }, { env: [{ value: '1' }] })).toThrow(DirectiveFault)
    expect(() => strategicPatch('core/v1.Container', { env: [{ name: 'A' }] }, { env: [{ $patch: 'delete' }] })).toThrow(DirectiveFault)
    expect(() => strategicPatch('core/v1.Container', { env: [{ name: 'A' }] }, { env: [{ name: 'A', $patch: 'merge' }] })).toThrow(
      DirectiveFault,
    )
    expect(() => strategicPatch('core/v1.PodSpec', { volumes: [] }, { $retainKeys: ['a'], volumes: [] })).toThrow(PatchSyntaxFault)
    expect(() => strategicPatch('core/v1.PodSpec', { containers: [] }, { '$setElementOrder/nothing': [] })).toThrow(PatchSyntaxFault)
  })
})

describe('quantities', () => {
  test.each([
    ['1000m', '1'],
    ['0.5', '500m'],
    ['1.5Gi', '1536Mi'],
    ['1024Ki', '1Mi'],
    ['1e3', '1e3'],
    ['1000', '1k'],
    ['100M', '100M'],
    ['0.1Ki', '102400m'],
    ['0', '0'],
    ['-500m', '-500m'],
    ['1n', '1n'],
    ['0.0000000001', '1n'],
    ['12E', '12E'],
    ['.5', '500m'],
    ['5.', '5'],
  ])('%s is %s', (given, canonical) => {
    const quantity = parseQuantity(given)
    expect(quantity && formatQuantity(quantity)).toBe(canonical)
  })

  test.each(['', 'x', '1x', '1 Gi', '--1', '1e99', 'Ki', '1kB', '0x10'])('"%s" is none', (text) => {
    expect(parseQuantity(text)).toBeUndefined()
  })

  test('canonical text means the same amount', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000_000 }), fc.constantFrom('m', '', 'k', 'M', 'Ki', 'Mi', 'Gi'), (number, suffix) => {
        const quantity = parseQuantity(`${number}${suffix}`)
        const text = quantity === undefined ? '' : formatQuantity(quantity)
        expect(parseQuantity(text)?.nanos).toBe(quantity?.nanos)
        expect(formatQuantity(parseQuantity(text) ?? { nanos: 0n, format: 'decimal' })).toBe(text)
        expect(milliOf(text)).toBe(milliOf(`${number}${suffix}`))
      }),
      seed,
    )
  })
})

describe('selectors', () => {
  const labels = fc.dictionary(fc.constantFrom('a', 'b', 'x.io/c'), fc.constantFrom('', '1', 'two', 'x-y'))

  test('a requirement and its opposite never hold together', () => {
    fc.assert(
      fc.property(labels, fc.constantFrom('a', 'b', 'x.io/c'), fc.constantFrom('1', 'two', 'x-y'), (set, key, value) => {
        expect(parseLabelSelector(`${key}=${value}`)(set)).toBe(!parseLabelSelector(`${key}!=${value}`)(set))
        expect(parseLabelSelector(`${key} in (${value})`)(set)).toBe(!parseLabelSelector(`${key} notin (${value})`)(set))
        expect(parseLabelSelector(key)(set)).toBe(!parseLabelSelector(`!${key}`)(set))
        expect(parseLabelSelector(`${key}=${value}`)(set)).toBe(set[key] === value)
      }),
      seed,
    )
  })

  test('any text is a selector or is refused as one', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', 'b', '=', '!', ',', '(', ')', ' ', 'in', 'notin', '<', '>', '\\', '/'), maxLength: 12 }),
        (text) => {
          for (const parse of [parseLabelSelector, parseFieldSelector]) {
            try {
              parse(text)
            } catch (error) {
              expect(error).toBeInstanceOf(SelectorFault)
            }
          }
        },
      ),
      seed,
    )
  })
})

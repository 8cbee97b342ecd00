import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { InputField, InputShape } from '#cloud/action.ts'
import { CloudError } from '#cloud/errors.ts'
import { allActions } from '#cloud/generated/all-actions.ts'
import { CreateCluster } from '#cloud/generated/tke/create-cluster.ts'
import { DescribeClusters } from '#cloud/generated/tke/describe-clusters.ts'
import { validateRequest } from '#cloud/validate-request.ts'

const faultsOf = (shape: InputShape, request: unknown): string => {
  try {
    validateRequest('tke.X', shape, request)
    return ''
  } catch (error) {
    if (!(error instanceof CloudError)) throw error
    expect([error.kind, error.action, error.retryable]).toEqual(['cloud.invalid-request', 'tke.X', false])
    expect(error.message).toContain('Nothing was sent.')
    return error.message
  }
}

const shape: InputShape = {
  ClusterId: { type: 'string', required: true },
  Limit: { type: 'int' },
  Count: { type: 'uint' },
  Ratio: { type: 'float' },
  Force: { type: 'bool' },
  Names: { type: 'string', list: true },
  Filters: {
    type: 'object',
    list: true,
    fields: { Name: { type: 'string', required: true }, Values: { type: 'string', required: true, list: true } },
  },
  Settings: { type: 'object', fields: { Depth: { type: 'int' }, Inner: { type: 'object', fields: { Flag: { type: 'bool' } } } } },
}

/** A value that fits a field. */
function fitting(field: InputField): fc.Arbitrary<unknown> {
  const one = ((): fc.Arbitrary<unknown> => {
    switch (field.type) {
      case 'string':
        return fc.string()
      case 'int':
        return fc.oneof(fc.integer(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }))
      case 'uint':
        return fc.oneof(fc.nat(), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
      case 'float':
        return fc.double({ noNaN: true, noDefaultInfinity: true })
      case 'bool':
        return fc.boolean()
      case 'object':
        return fittingObject(field.fields ?? {})
    }
  })()
  return field.list === true ? fc.array(one, { maxLength: 2 }) : one
}

function fittingObject(of: InputShape): fc.Arbitrary<Record<string, unknown>> {
  const entries = Object.entries(of)
  return fc.record(Object.fromEntries(entries.map(([name, field]) => [name, fitting(field)])), {
    requiredKeys: entries.filter(([, field]) => field.required === true).map(([name]) => name),
  })
}

describe('the check of a request before it is signed', () => {
  it('takes every request that fits, of every action', () => {
    const actions = Object.values(allActions).flatMap((service) => Object.values(service))
    expect(actions.length).toBe(97)
    for (const action of actions) {
      fc.assert(
        fc.property(fittingObject(action.input), (request) => {
          expect(validateRequest('x', action.input, request)).toBe(request)
        }),
        { seed: 1, numRuns: 8 },
      )
    }
  })

  it('refuses a renamed field of any action, with its path', () => {
    fc.assert(
      fc.property(
        fc
          .constantFrom(
            ...Object.values(allActions)
              .flatMap((service) => Object.values(service))
              .filter((action) => Object.keys(action.input).length > 0),
          )
          .chain((action) => fc.tuple(fc.constant(action), fittingObject(action.input), fc.constantFrom(...Object.keys(action.input)))),
        ([action, request, name]) => {
          const renamed = Object.fromEntries(
            Object.entries({ [name]: 'x', ...request }).map(([key, value]) => [key === name ? `${key}x` : key, value]),
          )
          expect(faultsOf(action.input, renamed)).toContain(`${name}x does not exist (did you mean ${name}`)
        },
      ),
      { seed: 2, numRuns: 200 },
    )
  })

  it.each([
    ['a misspelt field', { ClusterID: 'cls-1' }, 'ClusterID does not exist (did you mean ClusterId?)'],
    ['a missing one beside it', { ClusterID: 'cls-1' }, 'ClusterId is required and missing'],
    ['null for a required one', { ClusterId: null }, 'ClusterId is required and missing'],
    ['a field that is like no other', { ClusterId: 'c', Zzzzzzzz: 1 }, 'Zzzzzzzz does not exist; there are ClusterId, Limit'],
    ['text for a number', { ClusterId: 'c', Limit: '20' }, 'Limit must be a whole number, not text'],
    ['a fraction for a whole number', { ClusterId: 'c', Limit: 1.5 }, 'Limit must be a whole number, not a fraction'],
    [
      'a number that was rounded',
      { ClusterId: 'c', Limit: 2 ** 53 },
      'Limit must be a whole number, not a number too large to be exact; use a bigint',
    ],
    ['an integer beyond 64 bits', { ClusterId: 'c', Limit: 2n ** 63n }, 'Limit must be a whole number, not a bigint'],
    ['a negative count', { ClusterId: 'c', Count: -1 }, 'Count must be a whole number from 0, not a whole number'],
    ['a negative bigint', { ClusterId: 'c', Count: -1n }, 'Count must be a whole number from 0, not a bigint'],
    ['not a number', { ClusterId: 'c', Ratio: Number.NaN }, 'Ratio must be a number, not NaN'],
    ['a number for true', { ClusterId: 'c', Force: 1 }, 'Force must be true or false, not a whole number'],
    ['a Date', { ClusterId: new Date(0) }, 'ClusterId must be text, not a Date; write it as text'],
    ['one for a list', { ClusterId: 'c', Names: 'a' }, 'Names must be a list of text, not text'],
    ['a list for one', { ClusterId: ['c'] }, 'ClusterId must be text, not a list'],
    ['null inside a list', { ClusterId: 'c', Names: ['a', null] }, 'Names[1] must be text, not null'],
    [
      'a wrong type inside a list of objects',
      { ClusterId: 'c', Filters: [{ Name: 5, Values: [] }] },
      'Filters[0].Name must be text, not a whole number',
    ],
    [
      'an unknown field inside a list of objects',
      { ClusterId: 'c', Filters: [{ Name: 'a', Values: [], Value: 'x' }] },
      'Filters[0].Value does not exist (did you mean Values?)',
    ],
    [
      'a missing field inside a list of objects',
      { ClusterId: 'c', Filters: [{ Name: 'a', Values: ['x'] }, { Values: ['x'] }] },
      'Filters[1].Name is required and missing',
    ],
    [
      'a wrong type far inside',
      { ClusterId: 'c', Filters: [{ Name: 'a', Values: ['x', 7] }] },
      'Filters[0].Values[1] must be text, not a whole number',
    ],
    ['a nested object', { ClusterId: 'c', Settings: { Inner: { Flag: 'yes' } } }, 'Settings.Inner.Flag must be true or false, not text'],
    ['a list for an object', { ClusterId: 'c', Settings: [] }, 'Settings must be an object, not a list'],
    ['no object at all', 'ClusterId', 'the request is text, not an object'],
    ['null', null, 'the request is null, not an object'],
    ['a list', [], 'the request is a list, not an object'],
    ['a name of every object', { ClusterId: 'c', constructor: 'x' }, 'constructor does not exist'],
    ['a function', { ClusterId: () => 'c' }, 'ClusterId must be text, not function'],
  ])('refuses %s', (_what, request, fault) => {
    expect(faultsOf(shape, request)).toContain(fault)
  })

  it('ends its sentences once, also where it asks what was meant', () => {
    expect(faultsOf(shape, { ClusterId: 'c', Limitt: 1 })).toBe('tke.X: Limitt does not exist (did you mean Limit?). Nothing was sent.')
    expect(faultsOf(shape, { ClusterId: 'c', Limitt: 1, Forcee: true })).not.toMatch(/[.?;][.;]/)
  })

  it('lists all faults at once, up to ten, and quotes no value', () => {
    const message = faultsOf(shape, { Limit: 'hunter2', Force: 'hunter2', Names: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] })
    expect(message).toContain('Limit must be')
    expect(message).toContain('Force must be')
    expect(message).toContain('; and 3 more.')
    expect(message).not.toContain('hunter2')
  })

  it('takes null and undefined as not given, empty lists, and empty requests where nothing is required', () => {
    expect(faultsOf(shape, { ClusterId: 'c', Limit: null, Force: undefined, Names: [] })).toBe('')
    expect(faultsOf(DescribeClusters.input, {})).toBe('')
    expect(faultsOf(CreateCluster.input, {})).toContain('is required and missing')
  })

  it('takes a name that JSON brings and no literal can', () => {
    expect(faultsOf(shape, JSON.parse('{"ClusterId":"c","__proto__":1}'))).toContain('__proto__ does not exist')
  })
})

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { pathKeys, pathText } from '#shared/runtime/config-path.ts'

test('a path in words leads back to its keys', () => {
  expect(pathKeys('functions.cron-scaler.rules[0].target.kind')).toEqual(['functions', 'cron-scaler', 'rules', 0, 'target', 'kind'])
  expect(pathKeys('the configuration')).toEqual([])
  const key = fc.oneof(
    fc.nat({ max: 9999 }),
    fc.constantFrom('mode', 'cron-scaler', '$x', 'a b', 'x]["y', '"', '.', '', 'é', '0'),
    fc.string(),
  )
  fc.assert(
    fc.property(fc.array(key, { minLength: 1, maxLength: 5 }), (keys) => {
      expect(pathKeys(pathText(keys))).toEqual(keys)
    }),
    { seed: 4, numRuns: 500 },
  )
})

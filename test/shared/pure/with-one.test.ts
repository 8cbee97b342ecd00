import { expect, test } from 'vitest'
import { withOne } from '#shared/pure/with-one.ts'

test('makes a list of the first one, and adds the others to it', () => {
  const first = withOne(undefined, 'a')
  expect(first).toEqual(['a'])
  expect(withOne(withOne(first, 'b'), 'c')).toEqual(['a', 'b', 'c'])
  expect(first).toEqual(['a', 'b', 'c'])
})

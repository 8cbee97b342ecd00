import { describe, expect, test } from 'vitest'
import { hashOf, queryText, routeOf, viewNames } from '../../../../infra/status/page/routes.ts'

describe('the address of a view', () => {
  test.each(viewNames)('%s is read back as it was written', (view) => {
    const query = { target: 'shop/web & more?=#', function: 'cron-scaler' }
    expect(routeOf(hashOf(view, query))).toEqual({ view, query })
  })

  test.each(['', '#', '#/', '/'])('that is %j is the overview', (hash) => {
    expect(routeOf(hash)).toEqual({ view: 'overview', query: {} })
  })

  test.each(['#/nothing', '#/decisions/more', '#main', '#/Overview'])('that is %j is none', (hash) => {
    expect(routeOf(hash).view).toBeUndefined()
  })

  test('leaves out what is empty, and has no question mark without a question', () => {
    expect(hashOf('decisions', { function: '', target: undefined })).toBe('#/decisions')
    expect(queryText({ limit: '50', before: undefined })).toBe('?limit=50')
  })

  test('with a broken escape in it is read as it stands', () => {
    expect(routeOf('#/decisions?target=%E0%A4%A').query.target).toContain('A')
  })
})

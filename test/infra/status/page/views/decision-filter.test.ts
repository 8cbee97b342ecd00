import { describe, expect, test } from 'vitest'
import { outcomeIds } from '../../../../../infra/status/page/view-shapes.ts'
import { chosenOutcomes, newerThan, withOutcome } from '../../../../../infra/status/page/views/decision-filter.ts'

describe('the outcomes of a filter', () => {
  test('are those of the address that exist, in the order they are shown in', () => {
    expect(chosenOutcomes('Held,Applied,Nonsense,applied')).toEqual(['Applied', 'Held'])
    expect(chosenOutcomes('')).toEqual([])
    expect(chosenOutcomes(undefined)).toEqual([])
  })

  test('grow and shrink by one; all of them are as good as none', () => {
    expect(withOutcome(['Held'], 'Applied', true)).toBe('Applied,Held')
    expect(withOutcome(['Applied', 'Held'], 'Held', false)).toBe('Applied')
    expect(withOutcome(['Applied'], 'Applied', false)).toBe('')
    expect(
      withOutcome(
        outcomeIds.filter((one) => one !== 'Held'),
        'Held',
        true,
      ),
    ).toBe('')
  })
})

describe('what came since somebody was told', () => {
  test('is counted from the first look, not more often than every 15 seconds, and nothing is lost in between', () => {
    const first = newerThan(undefined, { filter: 'a', newest: 100, nowMs: 0 })
    expect(first.count).toBe(0)
    const soon = newerThan(first.seen, { filter: 'a', newest: 103, nowMs: 2000 })
    expect(soon.count).toBe(0)
    const later = newerThan(soon.seen, { filter: 'a', newest: 107, nowMs: 15_000 })
    expect(later.count).toBe(7)
    expect(newerThan(later.seen, { filter: 'a', newest: 107, nowMs: 60_000 }).count).toBe(0)
  })

  test('is nothing under another filter, or when the list begins anew', () => {
    const { seen } = newerThan(undefined, { filter: 'a', newest: 100, nowMs: 0 })
    expect(newerThan(seen, { filter: 'b', newest: 900, nowMs: 60_000 }).count).toBe(0)
    expect(newerThan(seen, { filter: 'a', newest: 3, nowMs: 60_000 }).count).toBe(0)
  })
})

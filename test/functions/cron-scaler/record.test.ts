import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  correctionsWithin,
  formatRecord,
  nextRecord,
  parseRecord,
  type ScaleRecord,
  type Transition,
} from '#functions/cron-scaler/record.ts'
import type { Size } from '#functions/cron-scaler/target.ts'
import { at, bounds, replicas } from './fixtures.ts'

function transition(rule: string, nominal: string, size: Size, more: Partial<Transition> = {}): Transition {
  const nominalMs = at(nominal)
  return { key: `key-${rule}-${nominal}`, rule, nominalMs, decidedMs: nominalMs + 5000, size, ...more }
}

describe('transitions', () => {
  const first = nextRecord(undefined, replicas(4), transition('morning', '2026-11-24T08:00:00Z', replicas(5)))

  test('the first change keeps what was there before', () => {
    expect(first).toMatchObject({
      epoch: 1,
      owner: 'morning',
      before: replicas(4),
      after: replicas(5),
      original: { size: replicas(4), epoch: 1 },
    })
  })

  test('undisturbed transitions keep the first original', () => {
    const second = nextRecord(first, replicas(5), transition('evening', '2026-11-24T20:00:00Z', replicas(2)))
    expect(second).toMatchObject({
      epoch: 2,
      owner: 'evening',
      before: replicas(5),
      after: replicas(2),
      original: { size: replicas(4), epoch: 1 },
    })
  })

  test('a size that a person set in between is the original from then on', () => {
    const second = nextRecord(first, replicas(7), transition('evening', '2026-11-24T20:00:00Z', replicas(2)))
    expect(second).toMatchObject({ epoch: 2, before: replicas(7), original: { size: replicas(7), epoch: 2 } })
  })

  test('the same rule the next day is a new transition', () => {
    const second = nextRecord(first, replicas(5), transition('morning', '2026-11-25T08:00:00Z', replicas(5)))
    expect(second).toMatchObject({ epoch: 2, before: replicas(5), original: { size: replicas(4), epoch: 1 } })
  })

  test('another rule for the same instant is a new transition', () => {
    const second = nextRecord(first, replicas(5), transition('other', '2026-11-24T08:00:00Z', replicas(6)))
    expect(second).toMatchObject({ epoch: 2, owner: 'other', before: replicas(5) })
  })

  test('correcting drift for the same firing does not write over what was there before it', () => {
    const corrected = nextRecord(
      first,
      replicas(1),
      transition('morning', '2026-11-24T08:00:00Z', replicas(5), { key: 'drift', decidedMs: at('2026-11-24T09:00:00Z') }),
    )
    expect(corrected).toMatchObject({
      epoch: 1,
      before: replicas(4),
      original: { size: replicas(4), epoch: 1 },
      key: 'drift',
      decidedMs: at('2026-11-24T09:00:00Z'),
    })
  })

  test('an override keeps its end, and a firing after it does not', () => {
    const untilMs = at('2026-11-24T12:00:00Z')
    const during = nextRecord(first, replicas(5), transition('override/config/sale', '2026-11-24T09:00:00Z', replicas(9), { untilMs }))
    expect(during).toMatchObject({ untilMs, before: replicas(5), original: { size: replicas(4), epoch: 1 } })
    const after = nextRecord(during, replicas(9), transition('morning', '2026-11-24T08:00:00Z', replicas(5)))
    expect(after).not.toHaveProperty('untilMs')
    expect(after).toMatchObject({ epoch: 3, before: replicas(9) })
  })

  test('one override upon another keeps the size before the first, unless somebody came in between', () => {
    const untilMs = at('2026-11-24T12:00:00Z')
    const one = nextRecord(first, replicas(5), transition('override/config/one', '2026-11-24T09:00:00Z', replicas(9), { untilMs }))
    const two = transition('override/config/two', '2026-11-24T10:00:00Z', replicas(12), { untilMs })
    expect(nextRecord(one, replicas(9), two)).toMatchObject({ epoch: 3, before: replicas(5), after: replicas(12) })
    expect(nextRecord(one, replicas(7), two)).toMatchObject({ epoch: 3, before: replicas(7), original: { size: replicas(7), epoch: 3 } })
  })

  describe('corrections', () => {
    const correct = (record: ScaleRecord, time: string, more: Partial<Transition> = {}) =>
      nextRecord(
        record,
        replicas(1),
        transition('morning', '2026-11-24T08:00:00Z', replicas(5), { decidedMs: at(time), drift: true, ...more }),
      )

    test('are counted for their firing', () => {
      const twice = correct(correct(first, '2026-11-24T08:10:00Z'), '2026-11-24T08:20:00Z')
      expect(twice.corrections).toEqual([at('2026-11-24T08:10:00Z'), at('2026-11-24T08:20:00Z')])
      expect(correctionsWithin(twice, at('2026-11-24T09:09:59Z'))).toHaveLength(2)
      expect(correctionsWithin(twice, at('2026-11-24T09:10:00Z'))).toEqual([at('2026-11-24T08:20:00Z')])
    })

    test('of more than an hour ago are forgotten', () => {
      expect(correct(correct(first, '2026-11-24T08:10:00Z'), '2026-11-24T09:10:00Z').corrections).toEqual([at('2026-11-24T09:10:00Z')])
    })

    test('begin anew with another firing, another rule, or what is no correction', () => {
      const once = correct(first, '2026-11-24T08:10:00Z')
      expect(nextRecord(once, replicas(5), transition('evening', '2026-11-24T20:00:00Z', replicas(2)))).not.toHaveProperty('corrections')
      expect(correct(once, '2026-11-24T08:20:00Z', { nominalMs: at('2026-11-24T08:15:00Z') })).not.toHaveProperty('corrections')
      expect(correct(once, '2026-11-24T08:20:00Z', { rule: 'undo of morning' })).not.toHaveProperty('corrections')
      expect(correct(once, '2026-11-24T08:20:00Z', { drift: false })).not.toHaveProperty('corrections')
    })

    test('are never more than can be read back', () => {
      let record = first
      for (let second = 0; second < 50; second += 1)
        record = correct(record, new Date(at('2026-11-24T08:10:00Z') + second * 1000).toISOString())
      expect(record.corrections).toHaveLength(20)
      expect(record.corrections?.at(-1)).toBe(at('2026-11-24T08:10:49Z'))
      expect(parseRecord(formatRecord(record))).toEqual({ ok: true, value: record })
    })
  })

  test('marks of run-once rules add up, and the oldest go when there are too many', () => {
    let record: ScaleRecord | undefined
    for (let day = 1; day <= 70; day += 1) {
      const nominalMs = Date.UTC(2026, 0, day)
      record = nextRecord(record, replicas(1), {
        key: 'k',
        rule: 'r',
        nominalMs,
        decidedMs: nominalMs,
        size: replicas(1),
        onceKey: `once-${day}`,
      })
    }
    expect(Object.keys(record?.once ?? {})).toHaveLength(64)
    expect(record?.once).not.toHaveProperty('once-6')
    expect(record?.once['once-7']).toBe(Date.UTC(2026, 0, 7))
  })
})

describe('the annotation', () => {
  const sizes = fc.oneof(
    fc.nat(100).map(replicas),
    fc.tuple(fc.nat(100), fc.nat(100)).map(([min, max]) => bounds(min, max)),
  )
  const instants = fc.integer({ min: 0, max: 4_000_000_000_000 })
  const records: fc.Arbitrary<ScaleRecord> = fc.record(
    {
      epoch: fc.nat(),
      owner: fc.string({ unit: 'grapheme' }),
      key: fc.string(),
      nominalMs: instants,
      decidedMs: instants,
      before: sizes,
      after: sizes,
      original: fc.record({ size: sizes, epoch: fc.nat() }),
      once: fc.dictionary(fc.stringMatching(/^[0-9a-f]{1,40}$/), instants, {
        noNullPrototype: true,
      }),
      untilMs: instants,
      corrections: fc.array(instants, { maxLength: 20 }),
    },
    { requiredKeys: ['epoch', 'owner', 'key', 'nominalMs', 'decidedMs', 'before', 'after', 'original', 'once'] },
  )

  test('what is written is read back', () => {
    fc.assert(
      fc.property(records, (record) => {
        expect(parseRecord(formatRecord(record))).toEqual({ ok: true, value: record })
      }),
      { seed: 5, numRuns: 500 },
    )
  })

  test('is one readable line', () => {
    const record = nextRecord(undefined, replicas(4), transition('config/morning', '2026-11-24T08:00:00Z', replicas(5)))
    expect(formatRecord(record)).toBe(
      '{"format":1,"epoch":1,"owner":"config/morning","nominal":"2026-11-24T08:00:00.000Z","decided":"2026-11-24T08:00:05.000Z",' +
        '"before":{"replicas":4},"after":{"replicas":5},"original":{"size":{"replicas":4},"epoch":1},' +
        '"key":"key-config/morning-2026-11-24T08:00:00Z"}',
    )
  })

  test('of an override says until when, and corrections when they were', () => {
    const record = nextRecord(
      undefined,
      replicas(4),
      transition('override/config/sale', '2026-11-24T08:00:00Z', replicas(5), { untilMs: at('2026-11-24T12:00:00Z') }),
    )
    expect(formatRecord({ ...record, corrections: [at('2026-11-24T09:00:00Z')] })).toContain(
      '"until":"2026-11-24T12:00:00.000Z","corrections":["2026-11-24T09:00:00.000Z"]}',
    )
  })

  test('with more corrections than are ever written, or an end that is none, is not guessed at', () => {
    const text = formatRecord(nextRecord(undefined, replicas(4), transition('r', '2026-11-24T08:00:00Z', replicas(5))))
    const garbled = (more: object) => parseRecord(JSON.stringify({ ...JSON.parse(text), ...more }))
    expect(garbled({ corrections: Array.from({ length: 21 }, () => '2026-11-24T09:00:00.000Z') })).toEqual({
      ok: false,
      error: 'corrections is not as written',
    })
    expect(garbled({ corrections: ['soon'] })).toEqual({ ok: false, error: 'corrections.0 is not as written' })
    expect(garbled({ until: 'soon' })).toEqual({ ok: false, error: 'until is not as written' })
    // What a later version may add is no reason to stop.
    expect(garbled({ note: 'x' }).ok).toBe(true)
  })

  test.each(['', '{', '[]', 'null', '{"format":2}', '{"format":1}'])('%j is not guessed at', (text) => {
    expect(parseRecord(text).ok).toBe(false)
  })

  test.each(['nominal', 'decided'])('an instant that is not exactly as written (%s) is not guessed at', (field) => {
    const text = formatRecord(nextRecord(undefined, replicas(4), transition('r', '2026-11-24T08:00:00Z', replicas(5))))
    for (const instant of [
      '5',
      'morning 5',
      '2026-01-01',
      'yesterday 12',
      '2026-02-31T00:00:00.000Z',
      '2026-11-24T24:00:00.000Z',
      '2026-11-24T08:00:00Z',
      '2026-11-24T08:00:00.000+00:00',
      ' 2026-11-24T08:00:00.000Z',
      '+275760-09-13T00:00:00.000Z',
    ]) {
      const garbled = JSON.stringify({ ...JSON.parse(text), [field]: instant })
      expect(parseRecord(garbled), instant).toEqual({ ok: false, error: `${field} is not as written` })
    }
    const once = JSON.stringify({ ...JSON.parse(text), once: { x: '5' } })
    expect(parseRecord(once).ok).toBe(false)
  })

  test('a long name in it does not swell the message', () => {
    const text = formatRecord(nextRecord(undefined, replicas(4), transition('r', '2026-11-24T08:00:00Z', replicas(5))))
    const parsed = parseRecord(JSON.stringify({ ...JSON.parse(text), once: { ['x'.repeat(50_000)]: '5' } }))
    expect(parsed.ok ? '' : parsed.error.length).toBeLessThan(300)
  })

  test('a field that somebody changed is named', () => {
    const text = formatRecord(nextRecord(undefined, replicas(4), transition('r', '2026-11-24T08:00:00Z', replicas(5))))
    expect(parseRecord(text.replace('"2026-11-24T08:00:00.000Z"', '"yesterday"'))).toEqual({
      ok: false,
      error: 'nominal is not as written',
    })
    expect(parseRecord(text.replace('{"replicas":5}', '{"replicas":"5"}'))).toEqual({ ok: false, error: 'after is not as written' })
  })
})

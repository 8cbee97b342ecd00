import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { recordAfter, recordTextAfter, type WorkloadChange } from '#functions/redeploy-hook/change.ts'
import { type ContainerRecord, formatRecord, parseRecord, recordFor } from '#functions/redeploy-hook/record.ts'
import { digest, host, noon, webRef } from './small-world.ts'

const at = '2026-11-24T12:00:00.000Z'
const web = (name: string): string => `${host}/team/web:${name}`

describe('a record', () => {
  it('of nothing is empty, and every name of a container is looked up as one', () => {
    expect(parseRecord(undefined)).toEqual({ containers: {} })
    for (const name of ['app', 'constructor', 'toString']) expect(recordFor(parseRecord('{}'), name)).toEqual({})
  })

  it.each([
    ['not JSON', '{"app"'],
    ['a list', '[]'],
    ['a text', '"x"'],
    ['null', 'null'],
    ['an image that is none', '{"app":{"set":{"image":5}}}'],
    ['an instant that never was', `{"app":{"undone":{"content":"a","at":"2026-02-31T12:00:00.000Z"}}}`],
    ['a state that nobody knows', `{"app":{"set":{"image":"a","rule":"r","key":"k","at":"${at}","state":"maybe"}}}`],
    ['an entry that is none', '{"app":7}'],
  ])('that is garbled (%s) is a problem, never a guess', (_, text) => {
    const reading = parseRecord(text)
    expect(reading.problem).toBeTypeOf('string')
    expect(reading).toMatchObject({ text, containers: {} })
  })

  it('keeps what a newer version has added, and other containers', () => {
    const before = JSON.stringify({ app: { future: { deep: [1] } }, side: { undone: { content: 'x', at } }, '~format': { new: true } })
    expect(parseRecord(before).problem).toBeUndefined()
    const after: unknown = JSON.parse(formatRecord(before, { app: { approved: { content: 'c', by: 'ann', atMs: noon } } }))
    expect(after).toEqual({
      app: { future: { deep: [1] }, approved: { content: 'c', by: 'ann', at } },
      side: { undone: { content: 'x', at } },
      '~format': { new: true },
    })
  })

  it('is read as it was written', () => {
    const text = fc.string({ minLength: 1, maxLength: 30 })
    const instant = fc.integer({ min: 0, max: 4_000_000_000_000 })
    const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined })
    const record: fc.Arbitrary<ContainerRecord> = fc.record({
      set: optional(
        fc.record({
          image: text,
          content: optional(text),
          rule: text,
          key: text,
          atMs: instant,
          previous: optional(fc.record({ image: text, content: optional(text) })),
          state: fc.constantFrom('rolling' as const, 'done' as const, 'failed' as const),
          doneMs: optional(instant),
          job: optional(text),
        }),
      ),
      mark: optional(fc.record({ tag: text, content: text, pushedMs: optional(instant) })),
      bad: optional(
        fc.array(fc.record({ repository: text, image: text, content: text, why: fc.constant('it failed'), atMs: instant }), {
          maxLength: 5,
        }),
      ),
      approved: optional(fc.record({ content: text, by: fc.constant('ann'), atMs: instant })),
      undone: optional(fc.record({ content: text, atMs: instant })),
      released: optional(fc.record({ content: text, atMs: instant })),
    })
    const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/)
    fc.assert(
      fc.property(fc.dictionary(name, record, { maxKeys: 3, noNullPrototype: true }), (records) => {
        const printable = JSON.stringify(records).replace(/[^\x20-\x7e]/g, '?')
        const clean = JSON.parse(printable) as typeof records
        const reading = parseRecord(formatRecord(undefined, clean))
        expect(reading.problem).toBeUndefined()
        expect(reading.containers).toEqual(clean)
        expect(formatRecord(reading.text, reading.containers)).toBe(reading.text)
      }),
      { seed: 6, numRuns: 200 },
    )
  })

  it('keeps the last five contents that failed', () => {
    const bad = Array.from({ length: 9 }, (_, index) => ({ repository: 'r', image: 'i', content: `c${index}`, why: '', atMs: noon }))
    const reading = parseRecord(formatRecord(undefined, { app: { bad } }))
    expect(recordFor(reading, 'app').bad?.map(({ content }) => content)).toEqual(['c0', 'c1', 'c2', 'c3', 'c4'])
  })
})

describe('what a change writes down', () => {
  const facts = { ref: webRef, uid: 'uid-web', recordText: null }
  const place = { name: 'app', index: 0, isInit: false }
  const image = {
    ...place,
    from: web('1.0.0'),
    to: web('1.0.1'),
    repository: 'team/web',
    tag: '1.0.1',
    content: digest('b'),
    pushedMs: noon - 5,
    previous: { image: web('1.0.0') },
    rule: 'web',
    restart: false,
  }
  const setImages: WorkloadChange = { kind: 'set-images', ...facts, isDone: false, containers: [image] }

  it('new images: what, why, since when, what ran before, and how new it is', () => {
    const record = recordAfter(setImages, 'app', { undone: { content: 'x', atMs: 1 } }, 'key-1', noon)
    expect(record).toEqual({
      set: {
        image: web('1.0.1'),
        content: digest('b'),
        rule: 'web',
        key: 'key-1',
        atMs: noon,
        previous: { image: web('1.0.0') },
        state: 'rolling',
      },
      mark: { tag: '1.0.1', content: digest('b'), pushedMs: noon - 5 },
    })
  })

  it('a rollback: what is back, what failed; and the push stays the newest that was acted on', () => {
    const begun = recordTextAfter(setImages, undefined, 'key-1', noon)
    const bad = { repository: 'team/web', image: web('1.0.1'), content: digest('b'), why: 'it failed' }
    const back: WorkloadChange = {
      kind: 'rollback',
      ...facts,
      recordText: begun,
      cause: 'failed',
      containers: [{ ...place, from: web('1.0.1'), to: web('1.0.0'), content: digest('a'), rule: 'web', bad }],
    }
    const record = recordFor(parseRecord(recordTextAfter(back, begun, 'key-2', noon + 1)), 'app')
    expect(record).toMatchObject({
      set: { image: web('1.0.0'), content: digest('a'), state: 'failed', key: 'key-2' },
      mark: { tag: '1.0.1', content: digest('b') },
      bad: [{ ...bad, atMs: noon + 1 }],
    })
    expect(record.set?.previous).toBeUndefined()
  })

  it('the same failure twice is one', () => {
    const bad = { repository: 'team/web', image: web('1.0.1'), content: digest('b'), why: 'again' }
    const settle: WorkloadChange = { kind: 'settle-record', ...facts, containers: [{ name: 'app', state: 'failed', bad }] }
    const before = recordAfter(setImages, 'app', { bad: [{ ...bad, why: 'first', atMs: 1 }] }, 'key-1', noon)
    expect(recordAfter(settle, 'app', before, 'key-2', noon).bad).toEqual([{ ...bad, atMs: noon }])
  })

  it('nothing of a container that it is not about', () => {
    const before = { undone: { content: 'x', atMs: 1 } }
    const settle: WorkloadChange = { kind: 'settle-record', ...facts, containers: [{ name: 'app', state: 'done' }] }
    for (const change of [setImages, settle]) {
      expect(recordAfter(change, 'other', before, 'key-1', noon)).toBe(before)
    }
  })
})

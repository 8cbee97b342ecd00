import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseJson } from '#cloud/json.ts'
import {
  allItems,
  type ItemKey,
  type Store,
  StoreError,
  type StoreErrorKind,
  type StoreItem,
  type WriteCondition,
} from '#shared/safety/store.ts'
import type { StorePlace } from './store-process.ts'

/** A way to open one and the same store, as often as one likes. */
export interface StoreHarness {
  /** One more connection to it. The suite closes what it opens. */
  open(): Promise<Store>
  /** Where other processes find it; absent when it lives in this process only. */
  readonly place?: StorePlace
  /** A separate, new store with room for about 100 KB; absent for a kind that never fills up. */
  openSmall?(): Promise<Store>
  /** Writes items with the sort keys given and `data: { number }`, the position in the list; absent when plain puts are fast enough. */
  fill?(partition: string, sortKeys: readonly string[]): Promise<void>
  /** How many random histories to try: fewer where each call goes over the wire. */
  readonly runs: number
  /** How often to kill a writing process. */
  readonly kills?: number
  /** Takes away what the harness made. */
  dispose(): Promise<unknown>
}

const now = 1_790_000_000_000
const week = 7 * 86_400_000
const seed = 20_260

/** What every store adapter must do. Each test uses partitions of its own, so they share one store. */
export function storeContract(
  kind: string,
  start: () => Promise<StoreHarness>,
  can: { readonly processes: boolean; readonly fill: boolean },
): void {
  describe(`store contract: ${kind}`, () => {
    let harness: StoreHarness
    let store: Store
    beforeAll(async () => {
      harness = await start()
      store = await harness.open()
    })
    afterAll(async () => {
      await store.close()
      await harness.dispose()
    })

    let partitions = 0
    const newKey = (sort = 'item'): ItemKey => ({ partition: `part-${++partitions}`, sort })
    const written = async (key: ItemKey, data: object, expiresAt?: number): Promise<number> => {
      const answer = await store.put(key, data, { when: 'any', now, expiresAt })
      if (!answer.ok) throw new Error('a write without condition was refused')
      return answer.version
    }

    test('an item comes back as it was written, and is gone when deleted', async () => {
      const key = newKey()
      expect(await store.get(key, { now })).toBeUndefined()
      const answer = await store.put(key, { step: 'scale', to: 5 }, { when: 'absent', now })
      const version = answer.ok ? answer.version : 0
      expect(answer).toEqual({ ok: true, version: expect.any(Number) })
      expect(await store.get(key, { now })).toEqual({ ...key, version, data: { step: 'scale', to: 5 }, expiresAt: undefined })
      expect(await store.put(key, { step: 'done' }, { when: { version }, now, expiresAt: now + 1 })).toEqual({
        ok: true,
        version: version + 1,
      })
      expect(await store.get(key, { now })).toEqual({ ...key, version: version + 1, data: { step: 'done' }, expiresAt: now + 1 })
      expect(await store.delete(key, { when: { version: version + 1 }, now })).toEqual({ ok: true })
      expect(await store.get(key, { now })).toBeUndefined()
    })

    describe('conditions', () => {
      const states = ['never written', 'there', 'expired', 'deleted'] as const
      const arrange = async (state: (typeof states)[number]): Promise<{ readonly key: ItemKey; readonly version: number }> => {
        const key = newKey()
        if (state === 'never written') return { key, version: now }
        const version = await written(key, { state }, state === 'expired' ? now : undefined)
        if (state === 'deleted') await store.delete(key, { when: 'any', now })
        return { key, version: state === 'deleted' ? version + 1 : version }
      }
      for (const state of states) {
        const present = state === 'there'
        test(`${state}: absent ${present ? 'is refused with what is there' : 'holds'}`, async () => {
          const { key, version } = await arrange(state)
          const answer = await store.put(key, { mine: true }, { when: 'absent', now })
          if (present) {
            expect(answer).toEqual({ ok: false, current: { ...key, version, data: { state }, expiresAt: undefined } })
            expect((await store.get(key, { now }))?.data).toEqual({ state })
          } else {
            expect(answer).toEqual({ ok: true, version: version + 1 })
            expect((await store.get(key, { now }))?.data).toEqual({ mine: true })
          }
        })
        test(`${state}: the version seen last ${present ? 'holds' : 'is refused with nothing'}, another one too`, async () => {
          const { key, version } = await arrange(state)
          const current = present ? { ...key, version, data: { state }, expiresAt: undefined } : undefined
          for (const other of [version - 1, version + 1, 0]) {
            expect(await store.put(key, { mine: true }, { when: { version: other }, now })).toEqual({ ok: false, current })
            expect(await store.delete(key, { when: { version: other }, now })).toEqual({ ok: false, current })
          }
          const answer = await store.put(key, { mine: true }, { when: { version }, now })
          expect(answer).toEqual(present ? { ok: true, version: version + 1 } : { ok: false, current: undefined })
          const removed = await store.delete(key, { when: { version: version + 1 }, now })
          expect(removed).toEqual(present ? { ok: true } : { ok: false, current: undefined })
          expect(await store.get(key, { now })).toBeUndefined()
        })
        test(`${state}: any holds`, async () => {
          const { key, version } = await arrange(state)
          expect(await store.put(key, { mine: true }, { when: 'any', now })).toEqual({ ok: true, version: version + 1 })
          expect(await store.delete(key, { when: 'any', now })).toEqual({ ok: true })
          expect(await store.delete(key, { when: 'any', now })).toEqual({ ok: true })
          expect(await store.get(key, { now })).toBeUndefined()
        })
      }
    })

    test('a version never comes back: not after expiry, not after deletion, not with a clock that is ten minutes slow', async () => {
      const key = newKey()
      const seen = [await written(key, {}, now + 1000)]
      const put = async (when: WriteCondition, at: number): Promise<void> => {
        const answer = await store.put(key, {}, { when, now: at, expiresAt: at + 1000 })
        seen.push(answer.ok ? answer.version : Number.NaN)
      }
      await put('absent', now + 1000)
      await store.delete(key, { when: 'any', now: now + 1500 })
      await put('absent', now + 1500 - 600_000)
      await put('absent', now + week)
      await store.delete(key, { when: 'any', now: now + week })
      await put('any', now + week)
      expect(seen).toEqual([...seen].sort((a, b) => a - b))
      expect(new Set(seen).size).toBe(5)
      expect(await store.put(key, { stale: true }, { when: { version: seen[0] as number }, now: now + week })).toMatchObject({ ok: false })
    })

    test('an expired item is absent from its millisecond on, for reads, queries and conditions; an unexpired one is there until then', async () => {
      const key = newKey()
      const version = await written(key, { n: 1 }, now + 1000)
      const item = { ...key, version, data: { n: 1 }, expiresAt: now + 1000 }
      expect(await store.get(key, { now: now + 999 })).toEqual(item)
      expect(await store.get(key, { now: now + 1000 })).toBeUndefined()
      expect((await store.query({ partition: key.partition, now: now + 999 })).items).toEqual([item])
      expect((await store.query({ partition: key.partition, now: now + 1000 })).items).toEqual([])
      expect(await store.put(key, {}, { when: 'absent', now: now + 999 })).toEqual({ ok: false, current: item })
      expect(await store.put(key, {}, { when: { version }, now: now + 1000 })).toEqual({ ok: false, current: undefined })
      expect(await store.put(key, { n: 2 }, { when: 'absent', now: now + 1000 })).toEqual({ ok: true, version: version + 1 })
      // Written without an expiry, it has none any more.
      expect((await store.get(key, { now: now + week * 1000 }))?.data).toEqual({ n: 2 })
    })

    test('an item that is over when it is written is absent at once, and one at the end of time is there', async () => {
      const key = newKey()
      await written(key, {}, now)
      expect(await store.get(key, { now })).toBeUndefined()
      await written(key, {}, 0)
      expect(await store.get(key, { now: 0 })).toBeUndefined()
      await written(key, {}, 8_640_000_000_000_000)
      expect(await store.get(key, { now: 8_639_999_999_999_999 })).toBeDefined()
    })

    describe('data', () => {
      const cases: Readonly<Record<string, object>> = {
        'an empty object': {},
        'every kind of value': { text: 'a', yes: true, no: false, nothing: null, list: [1, [], {}], number: -1.5e-9 },
        'large numbers': {
          safe: 9_007_199_254_740_991,
          big: 9_223_372_036_854_775_807n,
          small: -9_223_372_036_854_775_808n,
          huge: 1.7976931348623157e308,
        },
        'text of all kinds': {
          名: '广州 – 镜像',
          emoji: '👩‍🚀',
          accent: 'e\u0301',
          direction: '\u202eabc',
          lone: '\ud800x\udfff',
          controls: '\u0000\u0001\n\r\t\u2028\u2029',
          '': 'empty name',
        },
        'text that looks like something else': {
          quote: `'); DROP TABLE item; --`,
          json: '{"a":1}',
          dollar: '$1 #data :data',
          percent: '%s %00',
        },
        'names with a meaning': JSON.parse('{"__proto__":{"polluted":true},"constructor":1,"toString":2}'),
      }
      for (const [name, data] of Object.entries(cases)) {
        test(`${name} comes back`, async () => {
          const key = newKey()
          await written(key, data)
          const found = await store.get(key, { now })
          expect(found?.data).toEqual(data)
          expect(Object.keys(found?.data as object)).toEqual(Object.keys(data))
          expect((await store.query({ partition: key.partition, now })).items[0]?.data).toEqual(data)
          expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
        })
      }

      test('any JSON comes back, integers beyond 2^53 as bigints (property)', async () => {
        const key = newKey()
        await fc.assert(
          fc.asyncProperty(anyObject, async (data) => {
            await written(key, data)
            const expected = parseJson(JSON.stringify(data))
            expect((await store.get(key, { now }))?.data).toEqual(expected)
          }),
          { seed, numRuns: harness.runs },
        )
      })

      test('members that are undefined are left out, and later changes of the object change nothing', async () => {
        const key = newKey()
        const data = { list: [1], gone: undefined }
        const write = store.put(key, data, { when: 'any', now })
        data.list.push(2)
        await write
        const first = (await store.get(key, { now }))?.data as { list: number[] }
        expect(first).toStrictEqual({ list: [1] })
        first.list.push(3)
        expect((await store.get(key, { now }))?.data).toStrictEqual({ list: [1] })
      })

      const circle: { self?: object } = {}
      circle.self = circle
      const refused: Readonly<Record<string, unknown>> = {
        'a list': [1],
        'a text': 'x',
        null: null,
        'a date': new Date(0),
        'a date inside': { at: new Date(0) },
        NaN: { n: Number.NaN },
        infinity: { n: Number.POSITIVE_INFINITY },
        'a map': { m: new Map() },
        'a function': { f: () => 1 },
        'undefined in a list': { list: [undefined] },
        'a circle': circle,
      }
      for (const [name, data] of Object.entries(refused)) {
        test(`${name} is refused and nothing is written`, async () => {
          const key = newKey()
          await fails('store.invalid', store.put(key, data as object, { when: 'any', now }), key.partition)
          expect(await store.get(key, { now })).toBeUndefined()
        })
      }

      test('an item of 400 KB with its keys is kept; one byte more is refused and the old one stays', async () => {
        for (const character of ['x', '像']) {
          const key = newKey()
          const overhead = 256 + key.partition.length + key.sort.length + '{"text":""}'.length
          const room = 400 * 1024 - overhead
          const width = Buffer.byteLength(character)
          const text = character.repeat(Math.floor(room / width)) + 'y'.repeat(room % width)
          const version = await written(key, { text })
          await fails('store.too-large', store.put(key, { text: `${text}z` }, { when: 'any', now }), '409601 bytes')
          const found = await store.get(key, { now })
          expect(found?.version).toBe(version)
          expect((found?.data as { readonly text: string } | undefined)?.text === text).toBe(true)
        }
      })
    })

    describe('keys', () => {
      test('the longest keys and every allowed character work', async () => {
        const everything = Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index)).join('')
        const long = { partition: everything.repeat(22).slice(0, 2048), sort: everything.repeat(11).slice(0, 1024) }
        await written(long, { long: true })
        expect((await store.get(long, { now }))?.data).toEqual({ long: true })
        const { items } = await store.query({ partition: long.partition, prefix: long.sort, from: long.sort, to: long.sort, now })
        expect(items.map((item) => item.sort)).toEqual([long.sort])
        expect((await store.query({ partition: long.partition, after: long.sort, now })).items).toEqual([])
        expect(await store.get({ ...long, sort: long.sort.slice(1) }, { now })).toBeUndefined()
      })

      const hostile: Readonly<Record<string, string>> = {
        empty: '',
        blank: 'a b',
        'line break': 'a\nb',
        zero: 'a\0',
        'not ASCII': '镜像',
        'look-alike': 'раgе',
        delete: 'a\x7f',
        'half a pair': '\ud800',
      }
      for (const [name, text] of Object.entries(hostile)) {
        test(`${name} is refused by every call`, async () => {
          for (const key of [
            { partition: text, sort: 'x' },
            { partition: 'x', sort: text },
          ]) {
            await fails('store.invalid', store.get(key, { now }))
            await fails('store.invalid', store.put(key, {}, { when: 'any', now }))
            await fails('store.invalid', store.delete(key, { when: 'any', now }))
          }
          await fails('store.invalid', store.query({ partition: text, now }))
          if (text === '') return
          for (const bound of ['prefix', 'from', 'to', 'after'])
            await fails('store.invalid', store.query({ partition: 'x', [bound]: text, now }))
        })
      }

      test('too long is refused', async () => {
        await fails('store.invalid', store.put({ partition: 'x'.repeat(2049), sort: 'x' }, {}, { when: 'any', now }), '2049 characters')
        await fails('store.invalid', store.put({ partition: 'x', sort: 'x'.repeat(1025) }, {}, { when: 'any', now }), '1025 characters')
        await fails('store.invalid', store.get({ partition: 'x', sort: undefined as unknown as string }, { now }))
      })

      test('what looks like SQL or an expression is just a key', async () => {
        const partition = `x';DROP/**/TABLE/**/item;--`
        for (const sort of [`a'--`, '%', '_', '*', '#data', ':now', '../../etc/passwd', '%2e%2e', '"']) {
          await written({ partition, sort }, { sort })
          expect((await store.get({ partition, sort }, { now }))?.data).toEqual({ sort })
        }
        expect((await store.query({ partition, prefix: '%', now })).items.map((item) => item.sort)).toEqual(['%', '%2e%2e'])
        expect((await store.query({ partition, prefix: '_', now })).items.map((item) => item.sort)).toEqual(['_'])
      })
    })

    test('a time or a number that is none is refused', async () => {
      const key = newKey()
      for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, -1, 0.5, 8_640_000_000_000_001]) {
        await fails('store.invalid', store.get(key, { now: bad }))
        await fails('store.invalid', store.query({ partition: key.partition, now: bad }))
        await fails('store.invalid', store.put(key, {}, { when: 'any', now: bad }))
        await fails('store.invalid', store.put(key, {}, { when: 'any', now, expiresAt: bad }))
        await fails('store.invalid', store.delete(key, { when: 'any', now: bad }))
      }
      for (const version of [Number.NaN, 1.5, 2 ** 53]) await fails('store.invalid', store.put(key, {}, { when: { version }, now }))
      for (const limit of [0, -1, 1.5, 1001, Number.NaN])
        await fails('store.invalid', store.query({ partition: key.partition, now, limit }))
      expect(await store.get(key, { now })).toBeUndefined()
    })

    describe('queries', () => {
      const sorts = ['!', 'A', 'B', 'a', 'a/', 'a/1', 'a/10', 'a/2', 'a0', 'b', '~']
      let partition: string
      beforeAll(async () => {
        partition = newKey().partition
        await Promise.all([...sorts].reverse().map((sort) => written({ partition, sort }, { sort })))
        await written({ partition: `${partition}0`, sort: 'a' }, {})
        await written({ partition, sort: 'a/3' }, {}, now)
        await written({ partition, sort: 'gone' }, {})
        await store.delete({ partition, sort: 'gone' }, { when: 'any', now })
      })
      const cases: readonly (readonly [string, object, readonly string[]])[] = [
        ['everything, in the order of character codes', {}, sorts],
        ['in reverse', { reverse: true }, [...sorts].reverse()],
        ['a prefix', { prefix: 'a/' }, ['a/', 'a/1', 'a/10', 'a/2']],
        ['a prefix in reverse', { prefix: 'a/', reverse: true }, ['a/2', 'a/10', 'a/1', 'a/']],
        ['a prefix that is the last character', { prefix: '~' }, ['~']],
        ['a prefix that nothing has', { prefix: 'zz' }, []],
        ['an empty prefix', { prefix: '' }, sorts],
        ['from, itself included', { from: 'a/2' }, ['a/2', 'a0', 'b', '~']],
        ['to, itself included', { to: 'a' }, ['!', 'A', 'B', 'a']],
        ['from and to', { from: 'B', to: 'a/1' }, ['B', 'a', 'a/', 'a/1']],
        ['from after to', { from: 'b', to: 'a' }, []],
        ['a prefix and from', { prefix: 'a', from: 'a/10' }, ['a/10', 'a/2', 'a0']],
        ['a prefix and a from before it', { prefix: 'a/', from: 'A' }, ['a/', 'a/1', 'a/10', 'a/2']],
        ['a prefix and a from behind it', { prefix: 'a', from: 'b' }, []],
        ['after, itself excluded', { after: 'a/2' }, ['a0', 'b', '~']],
        ['after a key that is not there', { after: 'a/1zz' }, ['a/10', 'a/2', 'a0', 'b', '~'].slice(1)],
        ['after in reverse', { after: 'a/', reverse: true }, ['a', 'B', 'A', '!']],
        ['after what lies before the range', { prefix: 'a/', after: 'B' }, ['a/', 'a/1', 'a/10', 'a/2']],
        ['after what lies behind the range', { prefix: 'a/', after: 'b' }, []],
        ['after what lies behind the range, in reverse', { prefix: 'a/', after: 'b', reverse: true }, ['a/2', 'a/10', 'a/1', 'a/']],
        ['after what lies before the range, in reverse', { prefix: 'a/', after: 'B', reverse: true }, []],
        ['after the first', { after: '!' }, sorts.slice(1)],
        ['after the last', { after: '~' }, []],
        ['a limit', { limit: 2 }, ['!', 'A']],
        ['a limit in reverse', { limit: 2, reverse: true }, ['~', 'b']],
        ['a limit over an expired item', { from: 'a/2', limit: 2 }, ['a/2', 'a0']],
      ]
      for (const [name, query, expected] of cases) {
        test(name, async () => {
          const page = await store.query({ partition, now, ...query })
          expect(page.items.map((item) => item.sort)).toEqual(expected)
          for (const item of page.items) expect(item).toEqual(await store.get({ partition, sort: item.sort }, { now }))
          if (!('limit' in query)) expect(page.next).toBeUndefined()
        })
      }

      test('pages join to the whole, whatever their size and direction', async () => {
        for (const limit of [1, 2, 3, 1000]) {
          for (const reverse of [false, true]) {
            const seen: string[] = []
            for await (const item of allItems(store, { partition, now, limit, reverse })) seen.push(item.sort)
            expect(seen).toEqual(reverse ? [...sorts].reverse() : sorts)
          }
        }
      })

      test('a partition that does not exist is an empty page', async () => {
        expect(await store.query({ partition: 'no-such-partition', now })).toEqual({ items: [], next: undefined })
      })

      test('a page ends after about 1 MiB, and the rest follows', async () => {
        const { partition } = newKey()
        const text = 'x'.repeat(300_000)
        for (let number = 0; number < 6; number += 1) await written({ partition, sort: `item-${number}` }, { number, text })
        const first = await store.query({ partition, now })
        expect(first.items.length).toBeGreaterThan(2)
        expect(first.items.length).toBeLessThan(6)
        expect(first.next).toBe(first.items.at(-1)?.sort)
        const all: string[] = []
        for await (const item of allItems(store, { partition, now })) all.push(item.sort)
        expect(all).toEqual(['item-0', 'item-1', 'item-2', 'item-3', 'item-4', 'item-5'])
      })

      test('a long run of expired items is passed over', async () => {
        const { partition } = newKey()
        await Promise.all(Array.from({ length: 150 }, (_, number) => written({ partition, sort: `a-${number}` }, {}, now)))
        await written({ partition, sort: 'z' }, { found: true })
        const page = await store.query({ partition, now, limit: 1 })
        expect(page.items.map((item) => item.sort)).toEqual(['z'])
      })

      test('10,000 items come in order, page by page, forwards and backwards', async () => {
        const { partition } = newKey()
        const expected = Array.from({ length: 10_000 }, (_, number) => `run/${String(number).padStart(6, '0')}`)
        const shuffled = expected.toSorted((a, b) => digitsOf(a) - digitsOf(b))
        if (harness.fill !== undefined) await harness.fill(partition, shuffled)
        else await Promise.all(shuffled.map((sort, number) => written({ partition, sort }, { number })))
        const seen: StoreItem[] = []
        for await (const item of allItems(store, { partition, prefix: 'run/', now, limit: 777 })) seen.push(item)
        expect(seen.map((item) => item.sort)).toEqual(expected)
        expect(seen.every((item) => shuffled[(item.data as { number: number }).number] === item.sort)).toBe(true)
        const last = await store.query({ partition, now, reverse: true, limit: 3 })
        expect(last.items.map((item) => item.sort)).toEqual(['run/009999', 'run/009998', 'run/009997'])
        const middle = await store.query({ partition, from: 'run/005000', to: 'run/005002', now })
        expect(middle.items.map((item) => item.sort)).toEqual(['run/005000', 'run/005001', 'run/005002'])
      })
    })

    test('any history gives what a plain model gives (property)', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 25 }), async (operations) => {
          const { partition } = newKey()
          const model = new Model()
          for (const step of operations) {
            const key = { partition, sort: step.sort }
            const at = now + step.at
            const when: WriteCondition = step.when === 'version' ? { version: model.version(step.sort) + step.off } : step.when
            const expected = model.live(step.sort, at)
            const holds = when === 'any' || (when === 'absent' ? expected === undefined : expected?.version === when.version)
            if (step.kind === 'get') {
              expect(await store.get(key, { now: at })).toEqual(expected === undefined ? undefined : { ...key, ...expected })
            } else if (step.kind === 'query') {
              const page = await store.query({ partition, now: at, reverse: step.off === 1 })
              const sorts = ['a', 'b', 'c'].filter((sort) => model.live(sort, at) !== undefined)
              expect(page.items.map((item) => item.sort)).toEqual(step.off === 1 ? sorts.reverse() : sorts)
            } else if (step.kind === 'put') {
              const expiresAt = step.lifeMs === undefined ? undefined : at + step.lifeMs
              const answer = await store.put(key, { data: step.data }, { when, now: at, expiresAt })
              if (holds) model.put(step.sort, at, { data: step.data }, expiresAt)
              expect(answer).toEqual(
                holds
                  ? { ok: true, version: model.version(step.sort) }
                  : { ok: false, current: expected === undefined ? undefined : { ...key, ...expected } },
              )
            } else {
              const wanted = when === 'absent' ? 'any' : when
              const answer = await store.delete(key, { when: wanted, now: at })
              const deleted = wanted === 'any' || holds
              if (deleted) model.delete(step.sort, at)
              expect(answer).toEqual(
                deleted ? { ok: true } : { ok: false, current: expected === undefined ? undefined : { ...key, ...expected } },
              )
            }
          }
        }),
        { seed, numRuns: harness.runs },
      )
    })

    describe('several writers', () => {
      test('one of many creates an item; the others see it', async () => {
        const others = await Promise.all([harness.open(), harness.open()])
        const writers = [store, ...others]
        for (let round = 0; round < 5; round += 1) {
          const key = newKey()
          const answers = await Promise.all(
            Array.from({ length: 9 }, (_, number) => writers[number % 3]!.put(key, { number }, { when: 'absent', now })),
          )
          expect(answers.filter((answer) => answer.ok)).toHaveLength(1)
          const winner = answers.findIndex((answer) => answer.ok)
          for (const answer of answers) if (!answer.ok) expect(answer.current?.data).toEqual({ number: winner })
          expect((await store.get(key, { now }))?.data).toEqual({ number: winner })
        }
        await Promise.all(others.map((other) => other.close()))
      })

      test('no addition is lost when many add under versions', async () => {
        const other = await harness.open()
        const key = newKey()
        await written(key, { value: 0 })
        const add = async (writer: Store): Promise<void> => {
          for (let done = 0; done < 5; ) {
            const found = await writer.get(key, { now })
            if (found === undefined) throw new Error('the counter is gone')
            const { value } = found.data as { readonly value: number }
            const answer = await writer.put(key, { value: value + 1 }, { when: { version: found.version }, now })
            if (answer.ok) done += 1
          }
        }
        await Promise.all([add(store), add(other), add(store), add(other)])
        expect((await store.get(key, { now }))?.data).toEqual({ value: 20 })
        await other.close()
      })

      test('an expired item is taken over by one only, and its old owner finds the door shut', async () => {
        const other = await harness.open()
        const key = newKey()
        const version = await written(key, { owner: 'first' }, now + 10)
        const late = now + 10
        const answers = await Promise.all(
          [store, other, store, other].map((writer, number) =>
            writer.put(key, { owner: number }, { when: 'absent', now: late, expiresAt: late + 1000 }),
          ),
        )
        expect(answers.filter((answer) => answer.ok)).toHaveLength(1)
        expect(await store.put(key, { owner: 'first' }, { when: { version }, now: late })).toMatchObject({
          ok: false,
          current: { version: version + 1 },
        })
        expect(await other.delete(key, { when: { version }, now: late })).toMatchObject({ ok: false, current: { version: version + 1 } })
        await other.close()
      })

      if (can.processes) {
        test('two processes adding under versions lose nothing', async () => {
          const place = harness.place as StorePlace
          const children = ['one', 'two'].map((name) => runProcess('count', place, name, '25'))
          const ends = await Promise.all(children.map(finished))
          expect(ends.map((end) => end.code)).toEqual([0, 0])
          expect((await store.get({ partition: 'race', sort: 'counter' }, { now }))?.data).toMatchObject({ value: 50 })
        })

        test('a process killed while it writes loses nothing that was acknowledged, and the store opens', async () => {
          const place = harness.place as StorePlace
          expect(harness.kills).toBeGreaterThan(0)
          for (const name of Array.from({ length: harness.kills ?? 0 }, (_, round) => `round-${round}`)) {
            const acknowledged = await killAfter(30, runProcess('write', place, name))
            expect(acknowledged.length).toBeGreaterThanOrEqual(30)
            const again = await harness.open()
            const found = new Set<number>()
            for await (const item of allItems(again, { partition: 'killed', prefix: `${name}-`, now, limit: 1000 })) {
              const { number } = item.data as { readonly number: number }
              expect(item.sort).toBe(`${name}-${number}`)
              found.add(number)
            }
            expect(acknowledged.filter((number) => !found.has(number))).toEqual([])
            // And it can be written to.
            expect(await again.put({ partition: 'killed', sort: `${name}-after` }, { number: -1 }, { when: 'absent', now })).toMatchObject({
              ok: true,
            })
            await again.delete({ partition: 'killed', sort: `${name}-after` }, { when: 'any', now })
            await again.close()
          }
        })
      }
    })

    if (can.fill) {
      test('a full store refuses writes as `store.full`, keeps what it has, and takes writes again once there is room', async () => {
        const small = await (harness.openSmall as () => Promise<Store>)()
        const text = 'x'.repeat(10_000)
        const kept: string[] = []
        const refused: string[] = []
        // In groups, so that a batch is refused of which a part would have fitted.
        for (let group = 0; group < 6; group += 1) {
          const sorts = Array.from({ length: 4 }, (_, number) => `item-${group}-${number}`)
          const answers = await Promise.allSettled(
            sorts.map((sort) => small.put({ partition: 'full', sort }, { text, sort }, { when: 'absent', now })),
          )
          answers.forEach((answer, number) => {
            const sort = sorts[number] as string
            if (answer.status === 'fulfilled') {
              expect(answer.value).toMatchObject({ ok: true })
              kept.push(sort)
              return
            }
            expect(answer.reason).toBeInstanceOf(StoreError)
            expect((answer.reason as StoreError).kind).toBe('store.full')
            refused.push(sort)
          })
        }
        expect(kept.length).toBeGreaterThan(2)
        expect(refused.length).toBeGreaterThan(2)
        for (const sort of kept) expect((await small.get({ partition: 'full', sort }, { now }))?.data).toEqual({ text, sort })
        for (const sort of refused) expect(await small.get({ partition: 'full', sort }, { now })).toBeUndefined()
        const [large, little] = await Promise.allSettled([
          small.put({ partition: 'full', sort: 'large' }, { text: text.repeat(3) }, { when: 'absent', now }),
          small.put({ partition: 'full', sort: 'little' }, {}, { when: 'absent', now }),
        ])
        expect(large).toMatchObject({ status: 'rejected', reason: { kind: 'store.full' } })
        expect(little).toMatchObject({ status: 'fulfilled', value: { ok: true } })
        for (const sort of kept.slice(0, 2))
          expect(await small.delete({ partition: 'full', sort }, { when: 'any', now })).toEqual({ ok: true })
        expect(await small.put({ partition: 'full', sort: 'again' }, { text }, { when: 'absent', now })).toMatchObject({ ok: true })
        await small.close()
      })
    }

    test('closing waits for what is under way; afterwards every call is refused, and closing again is fine', async () => {
      const other = await harness.open()
      const key = newKey()
      let settled = 0
      const puts = Array.from({ length: 10 }, async (_, number) => {
        const answer = await other.put({ ...key, sort: `item-${number}` }, { number }, { when: 'absent', now })
        settled += 1
        return answer
      })
      await other.close()
      // The answers are there; only the promises on top of them have to be run through.
      for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
      expect(settled).toBe(10)
      for (const answer of await Promise.all(puts)) expect(answer).toMatchObject({ ok: true })
      expect((await store.query({ partition: key.partition, now })).items).toHaveLength(10)
      await fails('store.closed', other.get(key, { now }), other.name)
      await fails('store.closed', other.put(key, {}, { when: 'any', now }))
      await fails('store.closed', other.delete(key, { when: 'any', now }))
      await fails('store.closed', other.query({ partition: key.partition, now }))
      await other.close()
    })
  })
}

/** What a store should do, in the plainest words. */
class Model {
  readonly #rows = new Map<string, { version: number; data: object; expiresAt: number | undefined }>()

  version(sort: string): number {
    return this.#rows.get(sort)?.version ?? 0
  }

  live(sort: string, at: number): { version: number; data: object; expiresAt: number | undefined } | undefined {
    const row = this.#rows.get(sort)
    return row !== undefined && (row.expiresAt ?? Number.POSITIVE_INFINITY) > at ? row : undefined
  }

  put(sort: string, at: number, data: object, expiresAt: number | undefined): void {
    this.#rows.set(sort, { version: (this.#rows.get(sort)?.version ?? at) + 1, data, expiresAt })
  }

  delete(sort: string, at: number): void {
    const row = this.live(sort, at)
    if (row !== undefined) this.#rows.set(sort, { version: row.version + 1, data: {}, expiresAt: 0 })
  }
}

const anyObject = fc.dictionary(fc.string({ unit: 'binary', size: 'small' }), fc.jsonValue({ stringUnit: 'binary', maxDepth: 3 }), {
  size: 'small',
})

const operation = fc.record({
  kind: fc.constantFrom('get', 'put', 'put', 'put', 'delete', 'query'),
  sort: fc.constantFrom('a', 'b', 'c'),
  when: fc.constantFrom('absent', 'any', 'version', 'version'),
  off: fc.constantFrom(0, 0, 0, 1, -1),
  at: fc.integer({ min: 0, max: 20 }),
  lifeMs: fc.option(fc.integer({ min: 0, max: 15 }), { nil: undefined }),
  data: fc.integer(),
})

/** Checks that a call fails with this kind, and that its message says `mentions`. */
export async function fails(kind: StoreErrorKind, call: Promise<unknown>, mentions = 'Store: '): Promise<StoreError> {
  const error = await call.then(
    (answer) => new Error(`it answered ${JSON.stringify(answer)}`),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(StoreError)
  expect((error as StoreError).kind).toBe(kind)
  expect((error as StoreError).message).toContain(mentions)
  return error as StoreError
}

/** Puts numbers in an order that has nothing to do with theirs. */
function digitsOf(text: string): number {
  return (Number(text.slice(-6)) * 7919) % 10_007
}

const processFile = fileURLToPath(new URL('./store-process.ts', import.meta.url))

export function runProcess(...args: readonly [task: string, place: StorePlace, ...rest: readonly string[]]): ChildProcess {
  const [task, place, ...rest] = args
  return spawn(process.execPath, [processFile, task, JSON.stringify(place), ...rest], { stdio: ['ignore', 'pipe', 'inherit'] })
}

export async function finished(child: ChildProcess): Promise<{ readonly code: number | null; readonly lines: readonly string[] }> {
  const lines: string[] = []
  createInterface({ input: child.stdout! }).on('line', (line) => lines.push(line))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, lines }
}

/** Kills the process in the middle of its work, once it has acknowledged so many pieces; answers with all that it acknowledged. */
async function killAfter(count: number, child: ChildProcess): Promise<readonly number[]> {
  const numbers: number[] = []
  createInterface({ input: child.stdout! }).on('line', (line) => {
    numbers.push(Number(line))
    if (numbers.length === count) child.kill('SIGKILL')
  })
  const [, signal] = (await once(child, 'close')) as [number | null, string | null]
  expect(signal).toBe('SIGKILL')
  return numbers
}

import fc from 'fast-check'
import { describe, expect, expectTypeOf, test } from 'vitest'
import type { Action, Int64, ReadAction } from '#cloud/action.ts'
import type { CloudReader, SendOptions } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { DescribeApplicationTriggerLogPersonal } from '#cloud/generated/tcr/describe-application-trigger-log-personal.ts'
import { DescribeFavorRepositoryPersonal } from '#cloud/generated/tcr/describe-favor-repository-personal.ts'
import { DescribeImagePersonal } from '#cloud/generated/tcr/describe-image-personal.ts'
import { DescribeNamespacePersonal } from '#cloud/generated/tcr/describe-namespace-personal.ts'
import type { Favors, TagInfo } from '#cloud/generated/tcr/structures.ts'
import { DescribeClusterInstanceIds } from '#cloud/generated/tke/describe-cluster-instance-ids.ts'
import { DescribeClusterInstances } from '#cloud/generated/tke/describe-cluster-instances.ts'
import { DescribeQuota } from '#cloud/generated/tke/describe-quota.ts'
import type { Instance } from '#cloud/generated/tke/structures.ts'
import { pages } from '#cloud/pages.ts'

interface Call {
  readonly Offset: number
  readonly Limit: number
  readonly [name: string]: unknown
}

/** A cloud whose answers are computed from the call and its number. */
function cloudOf(answer: (call: Call, index: number) => unknown): {
  readonly cloud: CloudReader
  readonly calls: Call[]
  readonly options: (SendOptions | undefined)[]
} {
  const calls: Call[] = []
  const options: (SendOptions | undefined)[] = []
  const send = (_action: Action, request: object, sendOptions?: SendOptions) => {
    const call = request as unknown as Call
    calls.push(call)
    options.push(sendOptions)
    return Promise.resolve(answer(call, calls.length - 1))
  }
  return { cloud: { send } as unknown as CloudReader, calls, options }
}

const instance = (id: number | string, state = 'running') => ({ InstanceId: `ins-${id}`, InstanceState: state })

/** Serves pages of what `listAt` says the list is at each call. */
const serving = (listAt: (index: number) => readonly object[], mostPerPage = 100) =>
  cloudOf(({ Offset, Limit }, index) => {
    const list = listAt(index)
    return { TotalCount: list.length, InstanceSet: list.slice(Offset, Offset + Math.min(Limit, mostPerPage)), RequestId: 'r' }
  })

const range = (count: number, from = 0): { InstanceId: string; InstanceState: string }[] =>
  Array.from({ length: count }, (_, index) => instance(from + index))

async function failure(promise: Promise<unknown>): Promise<CloudError> {
  const error = await promise.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(CloudError)
  return error as CloudError
}

const request = { ClusterId: 'cls-1' }

describe('a list that stands still', () => {
  test('comes whole and in order, whatever its length, the page and the most that the server gives at once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 60 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        async (length, limit, mostPerPage) => {
          const list = range(length)
          const { cloud, calls } = serving(() => list, mostPerPage)
          expect(await pages(cloud, DescribeClusterInstances, request, { limit })).toEqual(list)
          expect(calls.every((call) => call.Limit === limit && call.ClusterId === 'cls-1')).toBe(true)
        },
      ),
      { seed: 31, numRuns: 300 },
    )
  })

  test('of 100 rows or none costs one call, of 250 three', async () => {
    for (const [length, count] of [
      [0, 1],
      [100, 1],
      [101, 2],
      [250, 3],
    ] as const) {
      const { cloud, calls } = serving(() => range(length))
      expect((await pages(cloud, DescribeClusterInstances, request)).length).toBe(length)
      expect(calls.length).toBe(count)
    }
  })

  test('the options of the call go along with every page, the page size does not', async () => {
    const { cloud, options } = serving(() => range(3))
    await pages(cloud, DescribeClusterInstances, request, { limit: 2, region: 'ap-chengdu', deadline: 5 })
    expect(options).toEqual([
      { region: 'ap-chengdu', deadline: 5 },
      { region: 'ap-chengdu', deadline: 5 },
    ])
  })

  test('a server that ignores the page size and gives everything at once is believed when the count fits', async () => {
    const { cloud } = cloudOf(() => ({ TotalCount: 150, InstanceSet: range(150) }))
    expect((await pages(cloud, DescribeClusterInstances, request)).length).toBe(150)
  })

  test('a total of 0 without rows is an empty list; a 64-bit total is a number', async () => {
    for (const rows of [null, undefined, []]) {
      expect(await pages(cloudOf(() => ({ TotalCount: 0, InstanceSet: rows })).cloud, DescribeClusterInstances, request)).toEqual([])
    }
    expect(await pages(cloudOf(() => ({ TotalCount: 1n, InstanceSet: range(1) })).cloud, DescribeClusterInstances, request)).toEqual(
      range(1),
    )
  })

  test('the list may be inside Data, and may be of ids', async () => {
    const tags = [{ TagName: 'v1' }, { TagName: 'v2' }]
    const inData = cloudOf(({ Offset }) => ({ Data: { TagCount: 2, TagInfo: tags.slice(Offset), Server: '', RepoName: 'a/b' } }))
    expect(await pages(inData.cloud, DescribeImagePersonal, { RepoName: 'a/b' })).toEqual(tags)
    const ids = cloudOf(() => ({ TotalCount: 2, InstanceIdSet: ['ins-1', 'ins-2'] }))
    expect(await pages(ids.cloud, DescribeClusterInstanceIds, request)).toEqual(['ins-1', 'ins-2'])
  })

  test('rows of a log that are equal in truth stay, as long as they come in one answer', async () => {
    const log = [
      { TagName: 'v1', InvokeTime: 't' },
      { TagName: 'v1', InvokeTime: 't' },
    ]
    const { cloud } = cloudOf(() => ({ Data: { TotalCount: 2, LogInfo: log } }))
    expect(await pages(cloud, DescribeApplicationTriggerLogPersonal, {})).toEqual(log)
  })

  test('the types of rows and request follow the action', () => {
    const cloud = cloudOf(() => ({})).cloud
    const check = () => {
      expectTypeOf(pages(cloud, DescribeImagePersonal, { RepoName: 'a/b' })).resolves.toEqualTypeOf<readonly TagInfo[]>()
      expectTypeOf(pages(cloud, DescribeFavorRepositoryPersonal, { RepoName: 'a/b' })).resolves.toEqualTypeOf<readonly Favors[]>()
      expectTypeOf(pages(cloud, DescribeClusterInstances, request)).resolves.toEqualTypeOf<readonly Instance[]>()
      expectTypeOf(pages(cloud, DescribeClusterInstanceIds, request)).resolves.toEqualTypeOf<readonly string[]>()
      // @ts-expect-error a required field is missing
      void pages(cloud, DescribeNamespacePersonal, {})
      void pages(cloud, DescribeNamespacePersonal, { Namespace: '' })
    }
    expect(typeof check).toBe('function')
  })
})

describe('a list that moves while it is read', () => {
  test('a row that changes its state between two pages does not count as a move', async () => {
    const { cloud, calls } = serving((index) => range(5).map((row) => ({ ...row, InstanceState: `state ${index}` })))
    expect((await pages(cloud, DescribeClusterInstances, request, { limit: 3 })).map(({ InstanceId }) => InstanceId)).toEqual(
      range(5).map(({ InstanceId }) => InstanceId),
    )
    expect(calls.length).toBe(2)
  })

  test.each([
    ['one was added', range(7), range(8)],
    ['one was removed', range(7), range(6)],
    // The count stays the same: a plain count would lose ins-3.
    ['the first was removed and one was added at the end', range(7), range(7, 1)],
    ['one was added in front and the last removed', range(7), [instance('new'), ...range(6)]],
    ['two changed places across the edge of a page', range(7), [0, 1, 3, 2, 4, 5, 6].map((id) => instance(id))],
  ])('%s: reading starts over once and gives the later list', async (_name, before, after) => {
    const { cloud } = serving((index) => (index === 0 ? before : after))
    expect(await pages(cloud, DescribeClusterInstances, request, { limit: 3 })).toEqual(after)
  })

  test('when it moves again the call is refused and says what moved', async () => {
    const { cloud } = serving((index) => range(7 + index))
    const error = await failure(pages(cloud, DescribeClusterInstances, request, { limit: 3 }))
    expect(error).toMatchObject({ kind: 'cloud.bad-answer', action: 'tke.DescribeClusterInstances', retryable: true })
    expect(error.message).toContain('first the total went from 7 to 8, then the total went from 9 to 10')
  })

  test('whatever is added and removed between pages, the answer is one true state of the list, or an error', async () => {
    const change = fc.record({ at: fc.nat({ max: 12 }), remove: fc.boolean() })
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 12 }),
        fc.array(fc.option(change), { minLength: 0, maxLength: 4 }),
        fc.integer({ min: 2, max: 5 }),
        async (length, changes, limit) => {
          const states: { InstanceId: string; InstanceState: string }[][] = [range(length)]
          for (const [index, step] of changes.entries()) {
            const next = [...(states.at(-1) ?? [])]
            if (step?.remove) next.splice(step.at % Math.max(1, next.length), 1)
            else if (step) next.splice(step.at % (next.length + 1), 0, instance(`new-${index}`))
            states.push(next)
          }
          const { cloud } = serving((index) => states[Math.min(index, states.length - 1)] ?? [])
          try {
            const ids = (await pages(cloud, DescribeClusterInstances, request, { limit })).map(({ InstanceId }) => InstanceId)
            expect(new Set(ids).size).toBe(ids.length)
            // No row that was there all the time is missing.
            const always = range(length).filter((row) =>
              states.every((state) => state.some(({ InstanceId }) => InstanceId === row.InstanceId)),
            )
            for (const { InstanceId } of always) expect(ids).toContain(InstanceId)
          } catch (error) {
            expect(error).toBeInstanceOf(CloudError)
            expect(error).toMatchObject({ kind: 'cloud.bad-answer' })
          }
        },
      ),
      { seed: 32, numRuns: 500 },
    )
  })
})

/** A list in time: pages come after some steps of it, and the list is read when they come or when they are asked for. */
function inTime(options: {
  readonly listAt: (step: number) => readonly object[]
  /** How many steps the answer to each call takes. */
  readonly steps: readonly number[]
  readonly mostPerPage?: number
  readonly isReadLate?: boolean
}) {
  const waiting: { readonly at: number; readonly answer: () => void }[] = []
  const calls: Call[] = []
  let now = 0
  let open = 0
  let mostOpen = 0
  const page = ({ Offset, Limit }: Call): object => {
    const list = options.listAt(now)
    return { TotalCount: list.length, InstanceSet: list.slice(Offset, Offset + Math.min(Limit, options.mostPerPage ?? 100)) }
  }
  const send = (_action: Action, given: object) => {
    const call = given as unknown as Call
    calls.push(call)
    open += 1
    mostOpen = Math.max(mostOpen, open)
    const early = page(call)
    return new Promise((resolve) => {
      const at = now + 1 + (options.steps[calls.length % options.steps.length] ?? 0)
      waiting.push({
        at,
        answer: () => {
          open -= 1
          resolve(options.isReadLate === true ? page(call) : early)
        },
      })
    })
  }
  /** Lets the steps pass until the reading is over. */
  const run = async <T>(reading: Promise<T>): Promise<T> => {
    let over = false
    const end = (): void => {
      over = true
    }
    reading.then(end, end)
    for (; !over && now < 10_000; now += 1) {
      for (const one of waiting.filter(({ at }) => at <= now)) {
        waiting.splice(waiting.indexOf(one), 1)
        one.answer()
      }
      for (let turn = 0; turn < 8; turn += 1) await undefined
    }
    return await reading
  }
  return { cloud: { send } as unknown as CloudReader, calls, run, mostOpen: () => mostOpen, now: () => now }
}

const steps = fc.array(fc.nat({ max: 6 }), { minLength: 1, maxLength: 9 })

describe('a list whose pages are asked for ahead', () => {
  test('comes whole and in order, whichever page comes first, and costs not one call more', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 60 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        fc.nat({ max: 9 }),
        steps,
        fc.option(fc.nat({ max: 80 }), { nil: undefined }),
        async (length, limit, mostPerPage, ahead, slow, expected) => {
          const list = range(length)
          const { cloud, calls, run, mostOpen } = inTime({ listAt: () => list, steps: slow, mostPerPage })
          expect(await run(pages(cloud, DescribeClusterInstances, request, { limit, ahead, expected }))).toEqual(list)
          // Those that were asked for in vain are still under way when others are asked for in their place.
          expect(mostOpen()).toBeLessThanOrEqual(expected === undefined ? Math.max(1, ahead) : 2 * ahead + 1)
          const alone = serving(() => list, mostPerPage)
          await pages(alone.cloud, DescribeClusterInstances, request, { limit })
          if (expected === undefined) expect(calls).toEqual(alone.calls)
          else expect(calls.length).toBeLessThanOrEqual(alone.calls.length + 2 * ahead)
        },
      ),
      { seed: 33, numRuns: 300 },
    )
  })

  test('pages overlap in time: twenty pages of five steps each come in the time of three, ten at a time', async () => {
    for (const [ahead, most, time] of [
      [0, 1, 100],
      [10, 10, 15],
      [100, 19, 10],
    ] as const) {
      const { cloud, calls, run, mostOpen, now } = inTime({ listAt: () => range(181), steps: [4] })
      expect(await run(pages(cloud, DescribeClusterInstances, request, { limit: 10, ahead }))).toHaveLength(181)
      expect([calls.length, mostOpen()]).toEqual([20, most])
      expect(now()).toBeGreaterThanOrEqual(time)
      expect(now()).toBeLessThanOrEqual(time * 1.2 + 2)
    }
  })

  test('a length that is expected lets the first pages overlap as well, and is believed by nobody', async () => {
    for (const [expected, most, count] of [
      [181, 10, 20],
      [30, 4, 20],
      [5, 1, 20],
      [1000, 10, 20],
    ] as const) {
      const { cloud, calls, run, mostOpen } = inTime({ listAt: () => range(181), steps: [4] })
      const options = { limit: 10, ahead: expected === 1000 ? 10 : Math.min(10, most), expected }
      expect(await run(pages(cloud, DescribeClusterInstances, request, options))).toEqual(range(181))
      expect(mostOpen()).toBeGreaterThanOrEqual(most)
      expect(calls.length).toBe(count)
    }
    // Of a list that is shorter than it was, pages are asked for in vain.
    const shorter = inTime({ listAt: () => range(12), steps: [2] })
    expect(await shorter.run(pages(shorter.cloud, DescribeClusterInstances, request, { limit: 10, ahead: 4, expected: 500 }))).toEqual(
      range(12),
    )
    expect(shorter.calls.length).toBe(4)
  })

  test('whatever is added and removed meanwhile, wherever, the answer has every row that was there all the time, or is an error', async () => {
    const change = fc.record({ at: fc.nat({ max: 30 }), remove: fc.boolean() })
    let whole = 0
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 30 }),
        fc.array(fc.array(change, { maxLength: 2 }), { minLength: 0, maxLength: 12 }),
        fc.integer({ min: 2, max: 5 }),
        fc.nat({ max: 9 }),
        steps,
        fc.boolean(),
        fc.nat({ max: 40 }),
        async (length, changes, limit, ahead, slow, isReadLate, expected) => {
          const states = [range(length)]
          for (const [index, step] of changes.entries()) {
            const next = [...(states.at(-1) ?? [])]
            for (const [number, { at, remove }] of step.entries()) {
              if (remove) next.splice(at % Math.max(1, next.length), 1)
              else next.splice(at % (next.length + 1), 0, instance(`new-${index}-${number}`))
            }
            states.push(next)
          }
          const { cloud, run } = inTime({ listAt: (step) => states[Math.min(step, states.length - 1)] ?? [], steps: slow, isReadLate })
          try {
            const ids = (await run(pages(cloud, DescribeClusterInstances, request, { limit, ahead, expected }))).map(
              ({ InstanceId }) => InstanceId,
            )
            whole += 1
            expect(new Set(ids).size).toBe(ids.length)
            const always = range(length).filter((row) => states.every((state) => state.some((one) => one.InstanceId === row.InstanceId)))
            for (const { InstanceId } of always) expect(ids).toContain(InstanceId)
          } catch (error) {
            expect(error).toBeInstanceOf(CloudError)
            expect(error).toMatchObject({ kind: 'cloud.bad-answer' })
          }
        },
      ),
      { seed: 34, numRuns: 600 },
    )
    expect(whole).toBeGreaterThan(100)
  })

  type Rows = ReturnType<typeof range>
  const at54 = (lie: (rows: Rows) => Rows) => (rows: Rows, offset: number) => (offset === 54 ? lie(rows) : rows)

  test.each([
    ['repeats a row', at54((rows) => [...rows.slice(0, -1), ...rows.slice(0, 1)]), 'came twice'],
    ['skips a row', at54((rows) => rows.toSpliced(5, 1)), 'was not the same when asked again'],
    [
      'never has its last row',
      (rows: Rows) => rows.filter(({ InstanceId }) => InstanceId !== 'ins-63'),
      'was not the same when asked again',
    ],
    ['is that of another offset', at54(() => range(10, 90)), 'was not the same when asked again'],
  ])('a page that %s is noticed: the 7th of 20, asked for together with others, both times', async (_name, lie, text) => {
    const list = range(181)
    const { cloud, calls } = cloudOf(({ Offset, Limit }) => ({
      TotalCount: 181,
      InstanceSet: lie(list.slice(Offset, Offset + Limit), Offset),
    }))
    const error = await failure(pages(cloud, DescribeClusterInstances, request, { limit: 10, ahead: 5 }))
    expect(error.kind).toBe('cloud.bad-answer')
    expect(error.message).toContain('the list changed while it was read, twice')
    expect(error.message).toContain(text)
    expect(calls.length).toBeLessThan(40)
  })

  test('a total that differs on one of the pages under way starts the reading over, once', async () => {
    let lies = 1
    const list = range(181)
    const { cloud } = cloudOf(({ Offset, Limit }) => {
      const isLie = Offset === 90 && lies > 0
      if (isLie) lies -= 1
      return { TotalCount: isLie ? 180 : 181, InstanceSet: list.slice(Offset, Offset + Limit) }
    })
    expect(await pages(cloud, DescribeClusterInstances, request, { limit: 10, ahead: 5 })).toEqual(list)
    lies = 2
    expect((await failure(pages(cloud, DescribeClusterInstances, request, { limit: 10, ahead: 5 }))).message).toContain('from 181 to 180')
  })

  test('a server that gives pages of many sizes is asked for one after the other in the end', async () => {
    const list = range(200)
    const sizes = [10, 9, 7, 10, 4, 8, 3, 5]
    const { cloud, calls } = cloudOf(({ Offset }, index) => ({
      TotalCount: 200,
      InstanceSet: list.slice(Offset, Offset + (sizes[index % sizes.length] ?? 1)),
    }))
    expect(await pages(cloud, DescribeClusterInstances, request, { limit: 10, ahead: 8 })).toEqual(list)
    const alone = cloudOf(({ Offset }, index) => ({
      TotalCount: 200,
      InstanceSet: list.slice(Offset, Offset + (sizes[index % sizes.length] ?? 1)),
    }))
    await pages(alone.cloud, DescribeClusterInstances, request, { limit: 10 })
    // What was asked for in vain: at most 7, then 3, then 1.
    expect(calls.length).toBeLessThanOrEqual(alone.calls.length + 16)
  })

  test('an error of any page ends it, those of later pages come to nothing', async () => {
    const unhandled: unknown[] = []
    const onUnhandled = (error: unknown): void => void unhandled.push(error)
    process.on('unhandledRejection', onUnhandled)
    try {
      const list = range(181)
      const send = (_action: Action, given: object) => {
        const { Offset, Limit } = given as Call
        if (Offset >= 27) return Promise.reject(new RangeError(`strange ${Offset}`))
        return Promise.resolve({ TotalCount: 181, InstanceSet: list.slice(Offset, Offset + Limit) })
      }
      const reading = pages({ send } as unknown as CloudReader, DescribeClusterInstances, request, { limit: 10, ahead: 6 })
      await expect(reading).rejects.toThrow('strange 27')
      await new Promise((resolve) => setImmediate(resolve))
      expect(unhandled).toEqual([])
    } finally {
      process.off('unhandledRejection', onUnhandled)
    }
  })

  test('every call waits for its turn where there are others', async () => {
    const turns: number[] = []
    const { cloud, calls } = serving(() => range(35))
    const inTurn = async <T>(call: () => Promise<T>): Promise<T> => {
      turns.push(calls.length)
      return await call()
    }
    expect(await pages(cloud, DescribeClusterInstances, request, { limit: 10, ahead: 3, inTurn })).toHaveLength(35)
    expect(turns).toHaveLength(calls.length)
  })
})

describe('a page that lies', () => {
  test.each([
    [
      'the same page again and again',
      ({ Limit }: Call) => ({ TotalCount: 9, InstanceSet: range(Limit) }),
      'was not the same when asked again',
    ],
    ['a row twice in one page', () => ({ TotalCount: 3, InstanceSet: [instance(1), instance(1), instance(2)] }), 'came twice'],
    [
      'fewer rows than the total and then none',
      ({ Offset }: Call) => ({ TotalCount: 9, InstanceSet: range(4).slice(Offset) }),
      'no row came after 4 of 9',
    ],
    ['more rows than the total', () => ({ TotalCount: 2, InstanceSet: range(3) }), '3 rows came of a total of 2'],
    ['rows but a total of 0', () => ({ TotalCount: 0, InstanceSet: range(1) }), '1 rows came of a total of 0'],
    ['an empty list but a total', () => ({ TotalCount: 5, InstanceSet: [] }), 'no row came after 0 of 5'],
  ])('%s is refused after the second try', async (_name, answer, text) => {
    const { cloud } = cloudOf(answer)
    const error = await failure(pages(cloud, DescribeClusterInstances, request, { limit: 3 }))
    expect(error.kind).toBe('cloud.bad-answer')
    expect(error.message).toContain(text)
  })

  test.each([
    ['no rows though there is a total', { TotalCount: 5, InstanceSet: null }, 'has no rows in InstanceSet though its total is 5'],
    ['no rows at all though there is a total', { TotalCount: 5 }, 'has no rows in InstanceSet'],
    ['no total', { InstanceSet: [] }, 'has no total in TotalCount'],
    ['a total that is no number', { TotalCount: '5', InstanceSet: [] }, 'has no total'],
    ['a negative total', { TotalCount: -1, InstanceSet: [] }, 'has no total'],
    ['something else than a list', { TotalCount: 1, InstanceSet: { a: 1 } }, 'something else than a list'],
    ['a total beyond all measure', { TotalCount: 10_000_000, InstanceSet: range(1) }, 'more than 1000000'],
  ])('%s is an error at once', async (_name, answer, text) => {
    const { cloud, calls } = cloudOf(() => answer)
    const error = await failure(pages(cloud, DescribeClusterInstances, request))
    expect(error.kind).toBe('cloud.bad-answer')
    expect(error.message).toContain(text)
    expect(calls.length).toBe(1)
  })

  test('Data that is null is an error, not an empty registry', async () => {
    expect((await failure(pages(cloudOf(() => ({ Data: null })).cloud, DescribeImagePersonal, { RepoName: 'a/b' }))).message).toContain(
      'no total in Data.TagCount',
    )
  })
})

describe('what cannot be asked', () => {
  test.each([0, -1, 1.5, Number.NaN])('pages of %d rows', async (limit) => {
    const { cloud, calls } = serving(() => range(1))
    expect((await failure(pages(cloud, DescribeClusterInstances, request, { limit }))).kind).toBe('cloud.invalid-request')
    expect(calls).toEqual([])
  })

  test.each([-1, 1.5, Number.NaN])('%d pages ahead', async (ahead) => {
    const { cloud, calls } = serving(() => range(1))
    expect((await failure(pages(cloud, DescribeClusterInstances, request, { ahead }))).kind).toBe('cloud.invalid-request')
    expect(calls).toEqual([])
  })

  test('a request with a page of its own, or an action without pages', async () => {
    const { cloud, calls } = serving(() => range(1))
    const withOffset: { ClusterId: string; Offset: Int64 } = { ClusterId: 'cls-1', Offset: 5 }
    expect((await failure(pages(cloud, DescribeClusterInstances, withOffset))).message).toContain('leave them out')
    expect((await failure(pages(cloud, DescribeQuota as ReadAction, {}))).message).toContain('it has no pages')
    expect(calls).toEqual([])
  })

  test('an error of the call passes through', async () => {
    const send = () => Promise.reject(new RangeError('strange'))
    await expect(pages({ send } as unknown as CloudReader, DescribeClusterInstances, request)).rejects.toThrow(RangeError)
  })
})

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type Entry, verifyChain } from '#shared/licence/record.ts'
import { type Appended, appendSample, readEntries, readHead, readSpan, recordedRegions } from '#shared/licence/record-store.ts'
import { hourNumber, hourText, type Sample } from '#shared/licence/sample.ts'
import { createMemory, type MemoryWriter } from '#shared/runtime/memory.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'
import { gather, region, sampleAt, testMemory } from './licence-samples.ts'

const first = hourNumber('2026-11-24T20:00:00Z')

async function record(memory: MemoryWriter, of = region): Promise<Entry[]> {
  return await gather(readEntries(memory, of, 0, first + 100_000))
}

async function addHours(memory: MemoryWriter, from: number, until: number, usage: (hour: number) => string = String): Promise<void> {
  for (let hour = from; hour < until; hour += 1) await appendSample(memory, sampleAt(hour, { x86: usage(hour) }))
}

describe('the record of a region', () => {
  it('grows by one entry for each hour, over days, and its chain holds', async () => {
    const { memory } = testMemory()
    await addHours(memory, first, first + 60)
    const entries = await record(memory)
    expect(entries.map(({ sample }) => sample.hour)).toEqual(Array.from({ length: 60 }, (_, index) => hourText(first + index)))
    expect(entries.map(({ sample }) => sample)).toEqual(
      Array.from({ length: 60 }, (_, index) => sampleAt(first + index, { x86: String(first + index) })),
    )
    expect(await verifyChain(entries, region)).toMatchObject({ entries: 60, end: { seq: 60 } })
    expect(await readHead(memory, region)).toEqual(entries.at(-1))
    expect(await readSpan(memory, region)).toMatchObject({ firstHour: hourText(first), anchor: { seq: 0 } })
  })

  it('is nothing before the first', async () => {
    const { memory } = testMemory()
    expect(await record(memory)).toEqual([])
    expect(await readHead(memory, region)).toBeUndefined()
    expect(await readSpan(memory, region)).toBeUndefined()
    expect(await recordedRegions(memory)).toEqual([])
  })

  it('has only the hours that were asked for', async () => {
    const { memory } = testMemory()
    await addHours(memory, first, first + 60)
    const some = await gather(readEntries(memory, region, first + 3, first + 30))
    expect(some.map(({ seq }) => seq)).toEqual(Array.from({ length: 27 }, (_, index) => index + 4))
    expect(await gather(readEntries(memory, region, first + 30, first + 30))).toEqual([])
    expect(await gather(readEntries(memory, region, first - 50, first))).toEqual([])
    expect(await gather(readEntries(memory, region, first + 60, first + 90))).toEqual([])
  })

  it('is not mixed up with that of another region, whatever their names', async () => {
    const { memory } = testMemory()
    const names = ['ap-guangzhou', 'ap-guangzhou-2', 'ap', 'a/b', 'é']
    for (const of of names) {
      for (let hour = first; hour < first + 3; hour += 1) await appendSample(memory, sampleAt(hour, { x86: of }, { of }))
    }
    for (const of of names) {
      expect((await record(memory, of)).map(({ sample }) => sample.region)).toEqual([of, of, of])
      expect((await verifyChain(await record(memory, of), of)).broken).toBeUndefined()
    }
    expect([...(await recordedRegions(memory))].sort()).toEqual([...names].sort())
  })

  it('splits a day of large samples over values that a store can keep', async () => {
    const { memory } = testMemory()
    const products = Object.fromEntries(Array.from({ length: 400 }, (_, index) => [`product-${index}`, String(index)]))
    const from = hourNumber('2026-11-24T00:00:00Z')
    for (let hour = from; hour < from + 30; hour += 1) await appendSample(memory, sampleAt(hour, products))
    const parts = await memory.list(`record/${region}/`)
    expect(parts.length).toBeGreaterThan(6)
    for (const { value } of parts) expect(JSON.stringify(value).length).toBeLessThanOrEqual(200_000)
    expect(await verifyChain(await record(memory), region)).toMatchObject({ entries: 30 })
  })

  it('refuses a sample that no value can hold, and stays as it is', async () => {
    const { memory } = testMemory()
    await addHours(memory, first, first + 2)
    const huge = sampleAt(first + 2, { x86: 'x'.repeat(270_000) })
    await expect(appendSample(memory, huge)).rejects.toMatchObject({ kind: 'memory.too-large' })
    await addHours(memory, first + 3, first + 4)
    expect(await verifyChain(await record(memory), region)).toMatchObject({ entries: 3 })
  })
})

describe('what a sample costs', () => {
  it('are two reads and two writes, also at the turn of a day and of a part', async () => {
    const calls: string[] = []
    const { memory, another } = testMemory()
    const counted = another({
      before: ({ operation, sort }) => {
        calls.push(`${operation} ${sort === undefined ? '' : decodeURIComponent(sort)}`)
      },
    })
    const costOf = async (hour: number, usage: string): Promise<string[]> => {
      calls.length = 0
      await appendSample(counted, sampleAt(hour, { x86: usage }))
      return [...calls]
    }
    const [head, part] = [`head/${region}`, `record/${region}/2026-11-24/000`]
    expect(await costOf(first, '1')).toEqual([`get ${head}`, `put ${head}`, `put ${part}`])
    expect(await costOf(first + 1, '1')).toEqual([`get ${head}`, `get ${part}`, `put ${head}`, `put ${part}`])
    expect(await costOf(first + 4, '1')).toEqual([`get ${head}`, `get ${part}`, `put ${head}`, `put record/${region}/2026-11-25/000`])
    await appendSample(memory, sampleAt(first + 5, { x86: 'x'.repeat(150_000) }))
    expect(await costOf(first + 6, 'x'.repeat(60_000))).toEqual([
      `get ${head}`,
      `get record/${region}/2026-11-25/000`,
      `put ${head}`,
      `put record/${region}/2026-11-25/001`,
    ])
    expect(await verifyChain(await record(memory), region)).toMatchObject({ entries: 5 })
    // An hour that is measured costs no writing.
    expect((await costOf(first + 6, '1')).filter((call) => call.startsWith('put'))).toEqual([])
  })
})

describe('two collections of one hour are one sample', () => {
  it('the second one finds the first', async () => {
    const { memory, disk } = testMemory()
    await addHours(memory, first, first + 2)
    const before = disk.contents()
    const again = await appendSample(memory, sampleAt(first + 1, { x86: 'other' }))
    expect(again.kind).toBe('already')
    expect(again.kind === 'already' && again.entry.sample.raw).toEqual(sampleAt(first + 1, { x86: String(first + 1) }).raw)
    expect(disk.contents()).toBe(before)
  })

  it('at the same time, whichever wins, step by step in any order', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(3), { minLength: 60, maxLength: 60 }), fc.boolean(), async (order, isEmpty) => {
        const { memory, another } = testMemory()
        if (!isEmpty) await addHours(memory, first - 4, first)
        // Four writers: three of one hour, one of the hour after it; one call of one of them at a time.
        const waiting: (() => void)[][] = [[], [], [], []]
        let isFree = false
        const writers = waiting.map((turns, index) => {
          const own = another({ before: () => (isFree ? Promise.resolve() : new Promise<void>((resolve) => turns.push(resolve))) })
          return appendSample(own, sampleAt(index === 3 ? first + 1 : first, { x86: `of ${index}` }))
        })
        for (const index of order) {
          await new Promise<void>((resolve) => setImmediate(resolve))
          waiting[index]?.shift()?.()
        }
        isFree = true
        const done = Promise.all(writers)
        let isDone = false
        void done.then(() => {
          isDone = true
        })
        while (!isDone) {
          for (const turns of waiting) turns.shift()?.()
          await new Promise<void>((resolve) => setImmediate(resolve))
        }
        const results: Appended[] = await done
        const entries = await record(memory)
        expect((await verifyChain(entries, region)).broken).toBeUndefined()
        const hours = entries.map(({ sample }) => sample.hour)
        expect(new Set(hours).size).toBe(hours.length)
        // Who is told that his sample counts is right, and the others are told which one does.
        for (const [index, result] of results.entries()) {
          const hour = index === 3 ? first + 1 : first
          const kept = entries.find(({ sample }) => sample.hour === hourText(hour))
          if (result.kind === 'late') expect(kept).toBeUndefined()
          else expect(result.entry).toEqual(kept)
        }
        const appended = results.filter(({ kind }) => kind === 'appended')
        expect(appended.length).toBe(entries.length - (isEmpty ? 0 : 4))
      }),
      { seed: 8, numRuns: 60 },
    )
  })

  it('an hour that the record is past stays a gap, and one that it has is answered', async () => {
    const { memory } = testMemory()
    await appendSample(memory, sampleAt(first, { x86: '1' }))
    await appendSample(memory, sampleAt(first + 2, { x86: '3' }))
    expect(await appendSample(memory, sampleAt(first + 1, { x86: '2' }))).toMatchObject({
      kind: 'late',
      head: { hour: hourText(first + 2) },
    })
    expect(await appendSample(memory, sampleAt(first, { x86: '9' }))).toMatchObject({ kind: 'already', entry: { seq: 1 } })
    expect((await record(memory)).length).toBe(2)
  })
})

describe('a writer that dies', () => {
  it('at any call, before or after it, leaves a chain to which the next one adds', async () => {
    for (let cut = 1; cut <= 8; cut += 1) {
      for (const when of ['before', 'after'] as const) {
        for (const next of [first + 5, first + 29, first + 4]) {
          const { memory, another } = testMemory()
          await addHours(memory, first, first + 4)
          const dead = another({
            [when]: ({ index }: { index: number }) => {
              if (index === cut) throw new Error('cut')
            },
          })
          const died = await appendSample(dead, sampleAt(first + 4, { x86: 'dead' })).then(
            () => false,
            () => true,
          )
          const between = await record(memory)
          expect((await verifyChain(between, region)).broken).toBeUndefined()
          if (!died) expect(between.length).toBe(5)
          const hadIt = between.some(({ sample }) => sample.hour === hourText(first + 4))
          const appended = await appendSample(memory, sampleAt(next, { x86: 'next' }))
          expect(appended.kind).toBe(hadIt && next === first + 4 ? 'already' : 'appended')
          await addHours(memory, next + 1, next + 3)
          const entries = await record(memory)
          // What was part of the record once is part of it for good.
          expect(entries.slice(0, between.length)).toEqual(between)
          expect(await verifyChain(entries, region)).toMatchObject({ entries: between.length + (appended.kind === 'already' ? 2 : 3) })
        }
      }
    }
  })

  it('right after its sample counts, is not needed: readers find it at the head', async () => {
    const { memory, another } = testMemory()
    await addHours(memory, first, first + 2)
    const dead = another({
      after: ({ operation, sort }) => {
        if (operation === 'put' && sort?.startsWith('head')) throw new Error('cut')
      },
    })
    await expect(appendSample(dead, sampleAt(first + 2, { x86: 'dead' }))).rejects.toThrow('cut')
    const parts = await memory.list(`record/${region}/`)
    expect(JSON.stringify(parts)).not.toContain('dead')
    expect((await record(memory)).map(({ seq }) => seq)).toEqual([1, 2, 3])
    expect((await gather(readEntries(memory, region, first, first + 2))).map(({ seq }) => seq)).toEqual([1, 2])
    expect((await gather(readEntries(memory, region, first + 2, first + 3))).map(({ seq }) => seq)).toEqual([3])
  })
})

describe('what is there instead of a record', () => {
  it('of another version is left as it is', async () => {
    const { memory } = testMemory()
    await memory.put(`head/${region}`, { format: 2, whatever: true })
    await expect(appendSample(memory, sampleAt(first, { x86: '1' }))).rejects.toMatchObject({ kind: 'record.unreadable' })
    await expect(record(memory)).rejects.toThrow(`under "head/${region}"`)
    expect((await memory.get(`head/${region}`))?.value).toEqual({ format: 2, whatever: true })
  })

  it('with an entry that the head does not know is not added to', async () => {
    const { memory } = testMemory()
    await addHours(memory, first, first + 2)
    const [part] = await memory.list(`record/${region}/`)
    const text = JSON.stringify(part?.value).replaceAll(`"${first + 1}"`, '"1"')
    const value = JSON.parse(text) as { entries: { digest: string }[] }
    value.entries[1]!.digest = 'A'.repeat(43)
    await memory.put(part!.key, value)
    await expect(appendSample(memory, sampleAt(first + 2, { x86: '3' }))).rejects.toMatchObject({ kind: 'record.damaged' })
  })

  it('with a head that was put back to an older one is not added to', async () => {
    const { memory, disk } = testMemory()
    await addHours(memory, first, first + 2)
    const old = await memory.get(`head/${region}`)
    await addHours(memory, first + 2, first + 3)
    await memory.put(`head/${region}`, old?.value)
    const before = disk.contents()
    await expect(appendSample(memory, sampleAt(first + 3, { x86: '3' }))).rejects.toThrow(
      `The usage record of ${region} does not end as its head says: entry 2 is another one, or not the last one, under "record/${region}/2026-11-24/000". Nothing is added to it; restore both from one backup.`,
    )
    expect(disk.contents()).toBe(before)
  })

  it('with a part that lacks the last entry and has later ones is not added to', async () => {
    const { memory } = testMemory()
    await addHours(memory, first, first + 3)
    const [part] = await memory.list(`record/${region}/`)
    const { entries } = part!.value as { entries: Entry[] }
    const head = await memory.get(`head/${region}`)
    await memory.put(`head/${region}`, { ...(head?.value as object), entry: entries[1] })
    await memory.put(part!.key, { format: 1, entries: [entries[0], entries[2]] })
    await expect(appendSample(memory, sampleAt(first + 3, { x86: '3' }))).rejects.toMatchObject({ kind: 'record.damaged' })
  })

  it('that others write without end is given up, and the sample is not added', async () => {
    const { memory, another } = testMemory()
    await addHours(memory, first, first + 2)
    let tries = 0
    const busy = another({
      before: async ({ operation, sort }) => {
        if (operation !== 'put' || sort?.startsWith('head') !== true) return
        tries += 1
        await memory.put(`head/${region}`, (await memory.get(`head/${region}`))?.value)
      },
    })
    await expect(appendSample(busy, sampleAt(first + 2, { x86: '3' }))).rejects.toMatchObject({
      kind: 'record.busy',
      message: `The usage record of ${region} was written by others 12 times while the sample of ${hourText(first + 2)} was to be added. It was not added; the next trigger tries again.`,
    })
    expect(tries).toBe(12)
    expect((await record(memory)).length).toBe(2)
  })

  it('of which a part is written without end is given up, and the sample is there', async () => {
    const { memory, another } = testMemory()
    await addHours(memory, first, first + 2)
    const key = `record/${region}/2026-11-24/000`
    let tries = 0
    const busy = another({
      before: async ({ operation, sort }) => {
        if (operation !== 'put' || sort?.startsWith('record') !== true) return
        tries += 1
        await memory.put(key, (await memory.get(key))?.value)
      },
    })
    await expect(appendSample(busy, sampleAt(first + 2, { x86: '3' }))).rejects.toThrow(
      `The usage record under "${key}" is written by others all the time. The next trigger tries again.`,
    )
    expect(tries).toBe(13)
    expect((await record(memory)).length).toBe(3)
    expect((await appendSample(memory, sampleAt(first + 2, { x86: '9' }))).kind).toBe('already')
  })

  it('does not matter where it is in a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'longshore-record-'))
    onTestFinished(async () => await rm(folder, { recursive: true }))
    const store = await openSqliteStore({ path: join(folder, 'store.db') })
    const memory = createMemory(store, { function: 'license-meter', now: () => first * 3_600_000 })
    await addHours(memory, first, first + 30)
    await store.close()
    const again = await openSqliteStore({ path: join(folder, 'store.db') })
    const entries = await record(createMemory(again, { function: 'license-meter', now: () => first * 3_600_000 }))
    expect(await verifyChain(entries, region)).toMatchObject({ entries: 30 })
    await again.close()
  })
})

describe('reading while others write', () => {
  it('shows the record as it was when reading began', async () => {
    const { memory, another } = testMemory()
    await addHours(memory, first, first + 30)
    let isAdded = false
    const reader = another({
      after: async ({ operation }) => {
        if (operation !== 'query' || isAdded) return
        isAdded = true
        await addHours(memory, first + 30, first + 40)
      },
    })
    const entries: Sample[] = (await record(reader)).map(({ sample }) => sample)
    expect(entries.length).toBe(30)
  })
})

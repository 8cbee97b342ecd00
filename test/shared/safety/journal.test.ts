import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createRedactor } from '#shared/runtime/redact.ts'
import { sealOf } from '#shared/safety/canonical-json.ts'
import { createJournal, type Journal, type JournalOptions } from '#shared/safety/journal.ts'
import { type JournalEntry, JournalError, type NewJournalEntry, sortOfSeq } from '#shared/safety/journal-entry.ts'
import { type Store, StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { type Fate, unsteadyStore } from './unsteady-store.ts'

const start = 1_790_000_000_000
const partition = 'journal/cron-scaler'

function entry(number: number, more: Partial<NewJournalEntry> = {}): NewJournalEntry {
  return {
    kind: 'intent',
    at: start + number,
    runId: 'cron-scaler@2026-10-01T09:00:00.000Z',
    function: 'cron-scaler',
    stepKey: `step-${number}`,
    target: `cls-1/default/Deployment/web-${number}`,
    before: 'replicas 2',
    after: 'replicas 5',
    reason: { code: 'fired', text: `rule ${number} has fired` },
    attempt: 1,
    owner: 'run-1#1',
    step: { change: { to: number } },
    ...more,
  }
}

function journalOn(disk: MemoryDisk, options: Partial<JournalOptions> = {}): Journal {
  return createJournal(openMemoryStore(disk), { chain: 'cron-scaler', ...options })
}

async function filled(count: number, options: Partial<JournalOptions> = {}): Promise<{ disk: MemoryDisk; store: Store; journal: Journal }> {
  const disk = new MemoryDisk()
  const journal = journalOn(disk, options)
  for (let number = 1; number <= count; number += 1) await journal.append(entry(number))
  return { disk, store: openMemoryStore(disk), journal }
}

async function kindOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    if (error instanceof JournalError || error instanceof StoreError) return error.kind
    throw error
  }
  return 'none'
}

async function dataAt(store: Store, seq: number): Promise<Record<string, unknown>> {
  return (await store.get({ partition, sort: sortOfSeq(seq) }, { now: start }))?.data as Record<string, unknown>
}

async function putAt(store: Store, seq: number, data: object, sort = sortOfSeq(seq)): Promise<void> {
  await store.put({ partition, sort }, data, { when: 'any', now: start })
}

async function removeAt(store: Store, seq: number): Promise<void> {
  await store.delete({ partition, sort: sortOfSeq(seq) }, { when: 'any', now: start })
}

async function problems(journal: Journal, more: object = {}): Promise<string[]> {
  const check = await journal.verify({ now: start, ...more })
  expect(check.ok).toBe(check.problems.length === 0)
  return check.problems.map(({ code, seq }) => `${code} ${seq}`)
}

describe('a journal', () => {
  it('keeps what it is given, chained, and gives it back', async () => {
    const { journal } = await filled(0)
    const written: JournalEntry[] = [
      await journal.append(entry(1)),
      await journal.append(
        entry(2, { kind: 'outcome', state: 'SUCCEEDED', outcome: 'Applied', requestId: 'r-1', action: 'tke.ForwardRequest' }),
      ),
      await journal.append(entry(3, { kind: 'note', attempt: undefined, owner: undefined, step: undefined })),
    ]
    expect(written.map(({ seq }) => seq)).toEqual([1, 2, 3])
    expect(written[1]).toMatchObject({ ...entry(2), kind: 'outcome', requestId: 'r-1', prev: written[0]?.hash })
    expect(written[2]?.prev).toBe(written[1]?.hash)
    expect(written.every(({ hash }) => /^sha256:[0-9a-f]{64}$/.test(hash))).toBe(true)
    for (const one of written) expect(await journal.show(one.seq, { now: start })).toEqual(JSON.parse(JSON.stringify(one)))
    for (const seq of [0, 4, -1, 1.5, Number.NaN]) expect(await journal.show(seq, { now: start })).toBeUndefined()
    const last = written[2]
    expect(await journal.verify({ now: start })).toEqual({ ok: true, entries: 3, end: { seq: 3, hash: last?.hash }, problems: [] })
  })

  it('is empty at first', async () => {
    const { journal } = await filled(0)
    expect(await journal.verify({ now: start })).toEqual({ ok: true, entries: 0, end: undefined, problems: [] })
    expect(await journal.list({ now: start })).toEqual([])
    expect(await journal.end({ now: start })).toMatchObject({ seq: 0 })
  })

  it('adds an entry in one call of the store, after a first look where the chain ends', async () => {
    const { disk } = await filled(5)
    const store = unsteadyStore(openMemoryStore(disk), () => 'pass')
    const journal = createJournal(store, { chain: 'cron-scaler' })
    for (const number of [6, 7, 8]) await journal.append(entry(number))
    expect(store.calls).toEqual(['query', 'put', 'put', 'put'])
    expect(await journal.end({ now: start })).toMatchObject({ seq: 8 })
    expect(store.calls).toHaveLength(4)
  })

  it('lists the latest that fit, in their order', async () => {
    const { journal } = await filled(30)
    const seqs = async (query: object): Promise<number[]> => (await journal.list({ now: start, ...query })).map(({ seq }) => seq)
    expect(await seqs({ limit: 3 })).toEqual([28, 29, 30])
    expect(await seqs({ from: start + 29 })).toEqual([29, 30])
    expect(await seqs({ from: start + 3, to: start + 5 })).toEqual([3, 4])
    expect(await seqs({ target: 'cls-1/default/Deployment/web-7' })).toEqual([7])
    expect(await seqs({ stepKey: 'step-8' })).toEqual([8])
    expect(await seqs({ stepKey: 'step-8', target: 'other' })).toEqual([])
    expect(await seqs({})).toHaveLength(30)
    expect(await seqs({ limit: 0 })).toEqual([])
  })

  it('finds entries of one time although clocks disagree, and does not read on for ever', async () => {
    const disk = new MemoryDisk()
    const journal = journalOn(disk)
    const hour = 3_600_000
    for (const at of [0, 5 * hour, 10 * hour, 9.5 * hour, 10.2 * hour]) await journal.append(entry(1, { at: start + at }))
    expect((await journal.list({ now: start, from: start + 9.8 * hour })).map(({ seq }) => seq)).toEqual([3, 5])
    const { sort } = { sort: sortOfSeq(1) }
    await openMemoryStore(disk).put({ partition, sort }, { damaged: true }, { when: 'any', now: start })
    expect((await journal.list({ now: start, from: start + 9.8 * hour })).map(({ seq }) => seq)).toEqual([3, 5])
    expect(await kindOf(journal.list({ now: start }))).toBe('journal.corrupt')
    expect(await kindOf(journal.show(1, { now: start }))).toBe('journal.corrupt')
  })

  it('checks 1,000 entries in well under a second', async () => {
    for (const key of [undefined, 'a secret of the journal']) {
      const { journal } = await filled(1000, key === undefined ? {} : { key })
      const began = performance.now()
      expect(await journal.verify({ now: start })).toMatchObject({ ok: true, entries: 1000 })
      expect(performance.now() - began).toBeLessThan(900)
    }
  })
})

describe('18: tampering with a journal', () => {
  const secrets = [undefined, 'a secret of the journal']

  it('shows for every member of an entry', async () => {
    for (const key of secrets) {
      const { store, journal } = await filled(4, key === undefined ? {} : { key })
      const whole = await dataAt(store, 2)
      expect(Object.keys(whole).length).toBeGreaterThan(14)
      for (const [name, value] of Object.entries(whole)) {
        const changed: unknown[] =
          typeof value === 'number' ? [value + 1] : typeof value === 'string' ? [`${value}x`, ''] : [{ code: 'other', text: 'other' }]
        for (const other of [...changed, undefined]) {
          await putAt(store, 2, { ...whole, [name]: other })
          expect((await problems(journal)).length, `${name} = ${String(other)}`).toBeGreaterThan(0)
          expect((await problems(journal))[0]).toMatch(/^(changed|moved) 2$/)
        }
      }
      await putAt(store, 2, { ...whole, extra: 1 })
      expect(await problems(journal)).toEqual(['changed 2'])
      await putAt(store, 2, { ...whole, requestId: 'planted' })
      expect(await problems(journal)).toEqual(['changed 2'])
      await putAt(store, 2, whole)
      expect(await problems(journal)).toEqual([])
    }
  })

  it('shows when an entry is changed and sealed anew, with the key only if it is known', async () => {
    for (const key of secrets) {
      const { store, journal } = await filled(4, key === undefined ? {} : { key })
      const forged = await forgery(2, key, (await dataAt(store, 1)).hash as string)
      await putAt(store, 2, forged)
      expect(await problems(journal)).toEqual(['replaced 2'])
      // Who does not know the key cannot even get that far.
      const poor = await forgery(2, undefined, (await dataAt(store, 1)).hash as string)
      await putAt(store, 2, poor)
      expect(await problems(journal)).toEqual(key === undefined ? ['replaced 2'] : ['not-sealed 2', 'replaced 2'])
      await putAt(store, 2, await forgery(2, 'another key', (await dataAt(store, 1)).hash as string))
      expect(await problems(journal)).toEqual(key === undefined ? ['no-key 2', 'replaced 2'] : ['changed 2', 'replaced 2'])
    }
  })

  /** A sound entry at a place, made by somebody who has read this source. */
  async function forgery(seq: number, key: string | undefined, prev: string): Promise<Record<string, unknown>> {
    const disk = new MemoryDisk()
    const journal = journalOn(disk, key === undefined ? {} : { key })
    for (let number = 1; number <= seq; number += 1) await journal.append(entry(number, { before: 'replicas 9' }))
    const data = await dataAt(openMemoryStore(disk), seq)
    // Its own chain has another prev; seal it for this one.
    const { hash: _, ...content } = { ...data, prev } as Record<string, unknown>
    return { ...content, hash: sealOf(content, key) }
  }

  it('shows when entries are taken out, at the beginning, in the middle', async () => {
    const { store, journal } = await filled(6)
    await removeAt(store, 3)
    expect(await journal.verify({ now: start })).toMatchObject({
      entries: 5,
      problems: [{ code: 'missing', seq: 3, text: 'entry 3 is missing' }],
    })
    await removeAt(store, 4)
    expect(await journal.verify({ now: start })).toMatchObject({
      ok: false,
      problems: [{ code: 'missing', seq: 3, text: 'entries 3 to 4 are missing' }],
    })
    await removeAt(store, 1)
    expect(await problems(journal)).toEqual(['missing 1', 'missing 3'])
    await putAt(store, 2, { nonsense: true })
    expect(await problems(journal)).toEqual(['missing 1', 'changed 2', 'missing 3'])
  })

  it('shows when an entry is taken out and those after it move up', async () => {
    const { store, journal } = await filled(4)
    await putAt(store, 2, await dataAt(store, 3))
    await putAt(store, 3, await dataAt(store, 4))
    await removeAt(store, 4)
    expect(await problems(journal)).toContain('moved 2')
    // With their numbers made to fit, their seals do not.
    for (const seq of [2, 3]) await putAt(store, seq, { ...(await dataAt(store, seq)), seq })
    expect(await problems(journal)).toEqual(['changed 2', 'changed 3'])
  })

  it('shows when two entries change places', async () => {
    const { store, journal } = await filled(5)
    const [two, three] = [await dataAt(store, 2), await dataAt(store, 3)]
    await putAt(store, 2, three)
    await putAt(store, 3, two)
    expect(await problems(journal)).toEqual(expect.arrayContaining(['moved 2', 'moved 3']))
    await putAt(store, 2, { ...three, seq: 2 })
    await putAt(store, 3, { ...two, seq: 3 })
    expect(await problems(journal)).toEqual(['changed 2', 'changed 3', 'replaced 3'])
  })

  it('shows when something is put in between, before or behind', async () => {
    for (const sort of ['000000000002x', '!', '2', `${sortOfSeq(2)}.5`, '~']) {
      const { store, journal } = await filled(3)
      await putAt(store, 0, await dataAt(store, 2), sort)
      expect(await problems(journal), sort).toEqual(['foreign 0'])
    }
    const { store: crowded, journal: other } = await filled(1)
    await putAt(crowded, 0, {}, `0${sortOfSeq(1)}`)
    await putAt(crowded, 0, {}, '~'.repeat(70))
    const texts = (await other.verify({ now: start })).problems.map(({ text }) => text)
    expect(texts).toEqual([
      `something that is no entry lies at "0${sortOfSeq(1)}"`,
      `something that is no entry lies at "${'~'.repeat(60)}"`,
    ])
    const { store, journal } = await filled(3)
    await putAt(store, 4, await dataAt(store, 3))
    expect(await problems(journal)).toContain('moved 4')
    await putAt(store, 4, { nonsense: true })
    expect(await problems(journal)).toEqual(['changed 4'])
    await removeAt(store, 4)
    await putAt(store, 0, await dataAt(store, 1), sortOfSeq(0))
    expect(await problems(journal)).toEqual(['foreign 0'])
  })

  it('shows a tail that was cut off, by the places that the ledger remembers', async () => {
    const { store, journal } = await filled(5)
    const marks = [2, 4, 5].map(async (seq) => ({ key: `step-${seq}`, seq, hash: (await dataAt(store, seq)).hash as string }))
    const remembered = await Promise.all(marks)
    expect(await problems(journal, { marks: remembered })).toEqual([])
    await removeAt(store, 5)
    await removeAt(store, 4)
    expect(await problems(journal)).toEqual([])
    expect(await problems(journal, { marks: remembered.toReversed() })).toEqual(['cut-off 4', 'cut-off 5'])
    expect((await journal.verify({ now: start, marks: remembered })).problems[0]?.text).toBe(
      '"step-4" in the ledger remembers entry 4, but the chain ends at 3',
    )
    // And one that grew again differently.
    const again = createJournal(store, { chain: 'cron-scaler' })
    for (const number of [4, 5, 6]) await again.append(entry(number, { after: 'replicas 99' }))
    expect(await problems(journal)).toEqual([])
    expect(await problems(journal, { marks: remembered })).toEqual(['replaced 4', 'replaced 5'])
  })

  it('shows when the whole chain is another one', async () => {
    const { disk } = await filled(2)
    const other = openMemoryStore(new MemoryDisk())
    const source = openMemoryStore(disk)
    for (const seq of [1, 2])
      await other.put({ partition: 'journal/image-cleaner', sort: sortOfSeq(seq) }, await dataAt(source, seq), { when: 'any', now: start })
    const check = await createJournal(other, { chain: 'image-cleaner' }).verify({ now: start })
    expect(check.problems).toEqual([{ code: 'replaced', seq: 0, text: 'the chain does not begin with this entry, or it is another chain' }])
  })

  it('is told from a key that was not given, and from entries older than the key', async () => {
    const { disk, journal: plain } = await filled(2)
    const keyed = journalOn(disk, { key: 'k' })
    await keyed.append(entry(3))
    await keyed.append(entry(4))
    expect(await problems(plain)).toEqual(['no-key 3', 'no-key 4'])
    expect(await problems(keyed)).toEqual(['not-sealed 1', 'not-sealed 2'])
    expect(await problems(keyed, { unsealedBefore: 3 })).toEqual([])
    const store = openMemoryStore(disk)
    await putAt(store, 1, { ...(await dataAt(store, 1)), after: 'replicas 1' })
    expect(await problems(keyed, { unsealedBefore: 3 })).toEqual(['changed 1'])
    expect(await problems(keyed, { unsealedBefore: 2 })).toEqual(
      ['changed 1', 'not-sealed 2'].toSorted((one) => (one.startsWith('changed') ? -1 : 1)),
    )
    // Without the key nobody continues a chain that was sealed with one.
    expect(await kindOf(journalOn(disk).append(entry(5)))).toBe('journal.corrupt')
    expect(await kindOf(journalOn(disk, { key: 'other' }).append(entry(5)))).toBe('journal.corrupt')
    expect(() => journalOn(disk, { key: '' })).toThrow(JournalError)
  })

  it('says at most a hundred things', async () => {
    const { store, journal } = await filled(150)
    for (let seq = 1; seq <= 150; seq += 1) await putAt(store, seq, { ...(await dataAt(store, seq)), target: 'x' })
    const check = await journal.verify({ now: start })
    expect(check.problems).toHaveLength(100)
    expect(check).toMatchObject({ ok: false, entries: 150 })
  })

  it('stops whatever would build on it: nothing is added behind a damaged end', async () => {
    const { disk, store } = await filled(3)
    const whole = await dataAt(store, 3)
    for (const damaged of [{ ...whole, target: 'x' }, { ...whole, seq: 2 }, { nonsense: true }]) {
      await putAt(store, 3, damaged)
      const contents = disk.contents()
      expect(await kindOf(journalOn(disk).append(entry(4)))).toBe('journal.corrupt')
      expect(await kindOf(journalOn(disk).end({ now: start }))).toBe('journal.corrupt')
      expect(disk.contents()).toBe(contents)
    }
    await putAt(store, 3, whole)
    await putAt(store, 0, whole, '~')
    await expect(journalOn(disk).append(entry(4))).rejects.toThrow(
      /^Journal: the chain cron-scaler is not sound at entry 3\..*longshore journal verify/,
    )
    await putAt(store, 0, {}, '~')
    await expect(journalOn(disk).append(entry(4))).rejects.toThrow(/^Journal: the chain cron-scaler is not sound at its end\./)
  })

  it("stops a process that meets another's entry which does not follow", async () => {
    const forgeries: ((whole: Record<string, unknown>) => Promise<Record<string, unknown>> | Record<string, unknown>)[] = [
      () => ({ nonsense: true }),
      (whole) => ({ ...whole, target: 'x' }),
      (whole) => sealed({ ...whole, seq: 7 }),
      (whole) => sealed({ ...whole, prev: 'x' }),
    ]
    for (const forge of forgeries) {
      const { disk, store, journal } = await filled(3)
      await journalOn(disk).append(entry(4))
      await putAt(store, 4, await forge(await dataAt(store, 4)))
      await expect(journal.append(entry(5))).rejects.toThrow(/is not sound at entry 4/)
    }
    const { disk, store } = await filled(1)
    const keyed = journalOn(disk, { key: 'k' })
    await keyed.end({ now: start })
    // An entry from before there was a key may follow, if it is whole.
    await journalOn(disk).append(entry(2))
    expect((await keyed.append(entry(3))).seq).toBe(3)
    await putAt(store, 1, { ...(await dataAt(store, 1)), target: 'x' })
    expect(await kindOf(keyed.trace({ stepKey: 'step-2', attempt: 1, after: 0, now: start }))).toBe('journal.corrupt')
    expect(await kindOf(keyed.trace({ stepKey: 'step-2', attempt: 1, after: 2, now: start }))).toBe('none')
  })
})

describe('journals of several processes on one chain', () => {
  it('take turns without losing anything', async () => {
    const disk = new MemoryDisk()
    const journals = [journalOn(disk), journalOn(disk), journalOn(disk)]
    await Promise.all(
      journals.flatMap((journal, index) => [1, 2, 3, 4, 5].map((number) => journal.append(entry(number, { owner: `run-${index}` })))),
    )
    const all = await journals[0]!.list({ now: start })
    expect(all).toHaveLength(15)
    for (const index of [0, 1, 2]) {
      expect(all.filter(({ owner }) => owner === `run-${index}`).map(({ stepKey }) => stepKey)).toEqual(
        [1, 2, 3, 4, 5].map((number) => `step-${number}`),
      )
    }
    expect(await problems(journals[1]!)).toEqual([])
  })

  it('18: hold together whatever the order of their calls and whichever answers get lost', async () => {
    let lostForGood = 0
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(
          fc.array(fc.constantFrom<Fate>('pass', 'pass', 'pass', 'lose-after', 'lose-before', 'late', 'refuse'), { maxLength: 12 }),
          {
            minLength: 2,
            maxLength: 3,
          },
        ),
        async (scheduler, processes) => {
          const disk = new MemoryDisk()
          const plain = openMemoryStore(disk)
          const acknowledged: string[] = []
          const open: string[] = []
          const wait = scheduler.scheduleFunction(async () => undefined)
          const run = async (fates: readonly Fate[], index: number): Promise<void> => {
            const flaky = unsteadyStore(plain, (call) => fates[call - 1] ?? 'pass')
            const store: Store = {
              ...flaky,
              get: async (...given) => {
                await wait()
                return await flaky.get(...given)
              },
              put: async (...given) => {
                await wait()
                return await flaky.put(...given)
              },
              query: async (...given) => {
                await wait()
                return await flaky.query(...given)
              },
            }
            const journal = createJournal(store, { chain: 'cron-scaler', key: 'k' })
            await Promise.all(
              [1, 2, 3].map(async (number) => {
                const stepKey = `${index}.${number}`
                try {
                  await journal.append(entry(number, { stepKey }))
                  acknowledged.push(stepKey)
                } catch (error) {
                  if (!(error instanceof StoreError)) throw error
                  if (error.kind === 'store.unknown-outcome') open.push(stepKey)
                }
              }),
            )
          }
          await scheduler.waitFor(Promise.all(processes.map(run)))
          lostForGood += open.length
          const journal = createJournal(plain, { chain: 'cron-scaler', key: 'k' })
          expect(await problems(journal)).toEqual([])
          const there = (await journal.list({ now: start })).map(({ stepKey }) => stepKey)
          // Every acknowledged entry once, and beside them at most those of which nobody knew.
          expect(new Set(there).size).toBe(there.length)
          expect(acknowledged.filter((key) => !there.includes(key))).toEqual([])
          expect(there.filter((key) => !acknowledged.includes(key) && !open.includes(key))).toEqual([])
        },
      ),
      { seed: 18, numRuns: 200 },
    )
    expect(lostForGood).toBeGreaterThan(10)
  })

  it('look where the chain ends when they have fallen far behind', async () => {
    const disk = new MemoryDisk()
    const store = unsteadyStore(openMemoryStore(disk), () => 'pass')
    const slow = createJournal(store, { chain: 'cron-scaler' })
    await slow.append(entry(1))
    const fast = journalOn(disk)
    for (let number = 2; number <= 40; number += 1) await fast.append(entry(number))
    expect((await slow.append(entry(41))).seq).toBe(41)
    expect(store.calls.slice(2)).toEqual(['put', 'put', 'put', 'query', 'put'])
  })

  it('give up when others are faster every time, and say so', async () => {
    const disk = new MemoryDisk()
    const fast = journalOn(disk)
    let number = 0
    const slow = createJournal(
      openMemoryStore(disk, {
        before: async ({ operation }) => {
          if (operation !== 'put') return
          number += 1
          await fast.append(entry(number))
        },
      }),
      { chain: 'cron-scaler' },
    )
    expect(await kindOf(slow.append(entry(999)))).toBe('journal.contended')
    expect(number).toBe(50)
    expect((await fast.list({ now: start, stepKey: 'step-999' })).length).toBe(0)
    expect(await problems(fast)).toEqual([])
  })

  it('notice a chain that is shorter or other than they have seen it', async () => {
    const { disk, store, journal } = await filled(5)
    for (const seq of [5, 4, 3]) await removeAt(store, seq)
    // Somebody continues the cut chain; the process that knew the old one does not build on it.
    const other = journalOn(disk)
    for (const number of [3, 4, 5, 6, 7]) await other.append(entry(number, { after: 'replicas 0' }))
    expect(await kindOf(journal.append(entry(6)))).toBe('journal.corrupt')
    const { store: emptied, journal: knowing } = await filled(2)
    await knowing.append(entry(3))
    for (const seq of [1, 2, 3]) await removeAt(emptied, seq)
    const longer = await knowing.append(entry(4))
    expect(longer.seq).toBe(4)
    expect(await problems(knowing)).toEqual(['missing 1'])
  })

  it('go on after an entry of which they did not know whether it was there', async () => {
    for (const fate of ['lose-before', 'lose-after'] as const) {
      const disk = new MemoryDisk()
      const fates: Fate[] = ['pass', 'pass', fate, 'refuse']
      const journal = createJournal(
        unsteadyStore(openMemoryStore(disk), (call) => fates[call - 1] ?? 'pass'),
        { chain: 'cron-scaler' },
      )
      await journal.append(entry(1))
      expect(await kindOf(journal.append(entry(2)))).toBe('store.unknown-outcome')
      await journal.append(entry(3))
      expect((await journal.list({ now: start })).map(({ stepKey }) => stepKey)).toEqual(
        fate === 'lose-after' ? ['step-1', 'step-2', 'step-3'] : ['step-1', 'step-3'],
      )
      expect(await problems(journal)).toEqual([])
    }
  })
})

/** An entry with a seal of its own, as anybody can make one who has no key to know. */
function sealed(data: Record<string, unknown>): Record<string, unknown> {
  const { hash: _, ...content } = data
  return { ...content, hash: sealOf(content, undefined) }
}

describe('the trace of a step', () => {
  it('needs the entry it is to begin after', async () => {
    const { store, journal } = await filled(4)
    expect(await kindOf(journal.trace({ stepKey: 'step-3', attempt: 1, after: 2, now: start }))).toBe('none')
    await removeAt(store, 2)
    expect(await kindOf(journal.trace({ stepKey: 'step-3', attempt: 1, after: 2, now: start }))).toBe('journal.corrupt')
  })

  it('is what was written about one try, after a place', async () => {
    const { journal } = await filled(0)
    const outcome = { kind: 'outcome', stepKey: 'a', state: 'SUCCEEDED' } as const
    for (const [number, more] of [
      { stepKey: 'a' },
      { stepKey: 'b' },
      { ...outcome, state: 'FAILED_SAFE' } as const,
      { stepKey: 'a', attempt: 2 },
      { ...outcome, attempt: 2 },
      { stepKey: 'a' },
    ].entries()) {
      await journal.append(entry(number, more))
    }
    const seqs = async (attempt: number, after: number, stepKey = 'a'): Promise<number[]> =>
      (await journal.trace({ stepKey, attempt, after, now: start })).map(({ seq }) => seq)
    expect(await seqs(1, 0)).toEqual([1, 3, 6])
    expect(await seqs(1, 1)).toEqual([3, 6])
    expect(await seqs(2, 3)).toEqual([4, 5])
    expect(await seqs(2, 5)).toEqual([])
    expect(await seqs(1, 6)).toEqual([])
    expect(await seqs(3, 0)).toEqual([])
    expect(await seqs(1, 0, 'c')).toEqual([])
    expect(await kindOf(journal.trace({ stepKey: 'a', attempt: 1, after: 7, now: start }))).toBe('journal.corrupt')
  })

  it('is nothing in an empty journal', async () => {
    const { journal } = await filled(0)
    expect(await journal.trace({ stepKey: 'a', attempt: 1, after: 0, now: start })).toEqual([])
  })

  it('is not given out of a chain that was tampered with', async () => {
    for (const tamper of [
      (store: Store) => removeAt(store, 3),
      (store: Store) => removeAt(store, 1),
      async (store: Store) => putAt(store, 3, { ...(await dataAt(store, 3)), stepKey: 'other' }),
      async (store: Store) => putAt(store, 3, await dataAt(store, 4)),
      (store: Store) => putAt(store, 3, { nonsense: true }),
      async (store: Store) => putAt(store, 0, await dataAt(store, 3), `${sortOfSeq(3)}x`),
      // Whole in themselves, but not what was there.
      async (store: Store) => putAt(store, 3, sealed({ ...(await dataAt(store, 3)), stepKey: 'other' })),
      async (store: Store) => putAt(store, 3, sealed({ ...(await dataAt(store, 3)), seq: 9 })),
      async (store: Store) => putAt(store, 5, sealed({ ...(await dataAt(store, 5)), seq: 9 })),
    ]) {
      const { store, journal } = await filled(5)
      expect(await kindOf(journal.trace({ stepKey: 'step-4', attempt: 1, after: 0, now: start }))).toBe('none')
      await tamper(store)
      expect(await kindOf(journal.trace({ stepKey: 'step-4', attempt: 1, after: 0, now: start }))).toBe('journal.corrupt')
    }
  })
})

describe('what goes into a journal', () => {
  it('19: holds no secret, in any member, as it is or in base64', async () => {
    const redactor = createRedactor()
    const secret = 'Sup3r-secret/value=9'
    redactor.add(secret)
    const { disk, journal } = await filled(0, { redact: (text) => redactor.text(text) })
    for (const shown of [secret, Buffer.from(secret).toString('base64'), encodeURIComponent(secret)]) {
      const text = `it is ${shown}.`
      const written = await journal.append({
        ...entry(1),
        runId: text,
        stepKey: text,
        target: text,
        before: text,
        after: text,
        reason: { code: 'c', text },
        requestId: text,
        owner: text,
        step: { deep: [{ env: text }] },
      })
      expect(written.before).toContain('[redacted]')
      expect(written).toMatchObject({ stepLeftOut: 'secret' })
      expect(written.step).toBeUndefined()
      const named = await journal.append(entry(2, { step: { [text]: 1 } }))
      expect(named).toMatchObject({ stepLeftOut: 'secret' })
    }
    expect(disk.contents()).not.toContain(secret)
    expect(disk.contents()).not.toContain(Buffer.from(secret).toString('base64'))
    expect(await journal.list({ now: start, stepKey: `it is ${secret}.` })).toHaveLength(2)
    expect(await journal.trace({ now: start, stepKey: `it is ${secret}.`, attempt: 1, after: 0 })).toHaveLength(2)
    expect((await journal.append(entry(3))).stepLeftOut).toBeUndefined()
    expect(await journal.list({ now: start })).toHaveLength(7)
  })

  it('is never too large to be written', async () => {
    const { journal } = await filled(0)
    const long = 'é'.repeat(500_000)
    const written = await journal.append({ ...entry(1), before: long, reason: { code: 'c', text: `😀${long}` }, step: { long } })
    expect(written.before).toHaveLength(4096)
    expect(written.before.endsWith('é…')).toBe(true)
    expect(written).toMatchObject({ stepLeftOut: 'too-large' })
    const longest = await journal.append({
      ...entry(2),
      before: 'x'.repeat(4096),
      after: 'x'.repeat(4097),
      step: 'y'.repeat(128 * 1024 - 2),
    })
    expect([longest.before, longest.after]).toEqual(['x'.repeat(4096), `${'x'.repeat(4095)}…`])
    expect(longest.stepLeftOut).toBeUndefined()
    expect((await journal.append({ ...entry(3), step: 'y'.repeat(128 * 1024 - 1) })).stepLeftOut).toBe('too-large')
    expect(await problems(journal)).toEqual([])
  })

  it('is plain JSON, or an error that says where it is not', async () => {
    const { disk, journal } = await filled(0)
    await expect(journal.append(entry(1, { step: { change: { at: new Date(0) } } }))).rejects.toThrow(/change\.at is a Date/)
    expect(await kindOf(journal.append(entry(1, { step: { count: Number.NaN } })))).toBe('journal.invalid')
    expect(disk.contents()).toBe('')
    const written = await journal.append(entry(1, { step: { big: 9007199254740993n, none: undefined } }))
    expect(written.step).toEqual({ big: 9007199254740993n })
    expect(await problems(journal)).toEqual([])
  })
})

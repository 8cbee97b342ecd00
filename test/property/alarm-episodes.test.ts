import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Alert } from '#functions/alarm-scaler/alert.ts'
import { type Came, type Episode, fold } from '#functions/alarm-scaler/episode.ts'
import { foldAlerts, recallEpisodes } from '#functions/alarm-scaler/episode-memory.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'

const second = 1000
const begin = Date.parse('2026-11-24T00:00:00Z')

/** One stretch in which something was truly wrong. */
interface Truth {
  readonly startMs: number
  readonly endMs: number
}

/** What a sender says of the ends of its episodes. */
type Telling = 'both' | 'start only' | 'end only'

type Message = { readonly is: 'firing' | 'resolved'; readonly of: number; readonly value: number }

const facts = { source: 'am', kind: 'alertmanager', key: 'fp', name: 'HighCPU', labels: {} } as const

const truths = (leastGap: number): fc.Arbitrary<readonly Truth[]> =>
  fc
    .array(fc.record({ gap: fc.integer({ min: leastGap, max: 400 }), length: fc.integer({ min: 1, max: 300 }) }), {
      minLength: 1,
      maxLength: 5,
    })
    .map((list) => {
      let at = begin
      return list.map(({ gap, length }) => {
        const startMs = at + gap * second
        at = startMs + length * second
        return { startMs, endMs: at }
      })
    })

const messages: fc.Arbitrary<readonly Message[]> = fc.array(
  fc.record({
    is: fc.constantFrom('firing' as const, 'resolved' as const),
    of: fc.nat({ max: 4 }),
    value: fc.integer({ min: 0, max: 100 }),
  }),
  { maxLength: 20 },
)

function alertOf({ startMs, endMs }: Truth, { is, value }: Message, telling: Telling): Alert {
  if (is === 'firing') return { ...facts, state: 'firing', startedAtMs: startMs, value }
  return {
    ...facts,
    state: 'resolved',
    ...(telling === 'end only' ? {} : { startedAtMs: startMs }),
    ...(telling === 'start only' ? {} : { endedAtMs: endMs }),
  }
}

/** What a person would make of all that has been said so far, in whatever order: the plainest way to say it, and nothing like the code. */
function oracle(told: readonly Message[]): { readonly state: 'firing' | 'resolved' | undefined; readonly newest: number } {
  const newest = Math.max(-1, ...told.map(({ of }) => of))
  if (newest < 0) return { state: undefined, newest }
  return { state: told.some(({ is, of }) => is === 'resolved' && of === newest) ? 'resolved' : 'firing', newest }
}

/** The time at which a message comes: never before what it says was true, however late. */
const heardAt = (list: readonly Truth[], index: number): number => (list.at(-1)?.endMs ?? begin) + (index + 1) * 7 * second

const begins: ReadonlySet<Came> = new Set(['opened', 'reopened'])

describe('15: of the messages about one series, doubled, lost, late and in any order,', () => {
  it('one that is stale, late or over already begins nothing, and each episode begins at most once', () => {
    fc.assert(
      fc.property(truths(61), messages, fc.constantFrom<Telling>('both', 'start only', 'end only'), (list, wanted, telling) => {
        const said = wanted.filter(({ of }) => of < list.length)
        let known: Episode | undefined
        const begun: number[] = []
        for (const [index, message] of said.entries()) {
          const before = oracle(said.slice(0, index))
          const truth = list[message.of]
          if (truth === undefined) continue
          const { episode, came } = fold(known, alertOf(truth, message, telling), heardAt(list, index))
          const after = oracle(said.slice(0, index + 1))
          const shouldBegin = message.is === 'firing' && message.of > before.newest
          expect(begins.has(came), `${came} at ${index}`).toBe(shouldBegin)
          if (shouldBegin) begun.push(message.of)
          expect(episode?.state).toBe(after.state)
          if (episode?.state === 'firing') expect(episode.startedAtMs).toBe(list[after.newest]?.startMs)
          // What is about an earlier one does not even make the newest one worse, or fresher.
          if (message.is === 'firing' && message.of < before.newest) expect(episode).toBe(known)
          known = episode
        }
        expect(new Set(begun).size).toBe(begun.length)
      }),
      { seed: 20_261_124, numRuns: 3000 },
    )
  })

  it('all that were said in the end come to the same, whatever their order, also where one begins seconds after another', () => {
    fc.assert(
      fc.property(
        truths(1).chain((list) =>
          fc.record({
            list: fc.constant(list),
            isOver: fc.boolean(),
            order: fc.shuffledSubarray(
              list.flatMap((_, of): Message[] => [
                { is: 'firing', of, value: of },
                { is: 'firing', of, value: of + 1 },
                { is: 'resolved', of, value: 0 },
              ]),
              { minLength: list.length * 3 },
            ),
          }),
        ),
        ({ list, isOver, order }) => {
          const last = list.length - 1
          const said = order.filter(({ is, of }) => isOver || is === 'firing' || of !== last)
          let known: Episode | undefined
          let beginnings = 0
          for (const [index, message] of said.entries()) {
            const truth = list[message.of]
            if (truth === undefined) continue
            const folded = fold(known, alertOf(truth, message, 'both'), heardAt(list, index))
            if (begins.has(folded.came)) beginnings += 1
            known = folded.episode
          }
          expect(known?.state).toBe(isOver ? 'resolved' : 'firing')
          expect(beginnings).toBeLessThanOrEqual(list.length)
        },
      ),
      { seed: 20_261_124, numRuns: 3000 },
    )
  })

  it('what is said of one that is known to be over changes nothing, also where the next one began seconds later', () => {
    fc.assert(
      fc.property(truths(1), messages, (list, wanted) => {
        const said = wanted.filter(({ of }) => of < list.length)
        let known: Episode | undefined
        const over = new Set<number>()
        for (const [index, message] of said.entries()) {
          const truth = list[message.of]
          if (truth === undefined) continue
          const { episode } = fold(known, alertOf(truth, message, 'both'), heardAt(list, index))
          if (message.is === 'firing' && over.has(message.of)) expect(episode).toBe(known)
          if (message.is === 'resolved') over.add(message.of)
          known = episode
        }
      }),
      { seed: 20_261_124, numRuns: 3000 },
    )
  })

  it('no number of copies changes what the first one came to', () => {
    fc.assert(
      fc.property(truths(1), messages, fc.array(fc.nat({ max: 19 }), { maxLength: 20 }), (list, wanted, copies) => {
        const said = wanted.filter(({ of }) => of < list.length)
        const run = (stream: readonly Message[]): { readonly known: Episode | undefined; readonly beginnings: number } => {
          let known: Episode | undefined
          let beginnings = 0
          for (const [index, message] of stream.entries()) {
            const truth = list[message.of]
            if (truth === undefined) continue
            const folded = fold(known, alertOf(truth, message, 'both'), heardAt(list, index))
            if (begins.has(folded.came)) beginnings += 1
            known = folded.episode
          }
          return { known, beginnings }
        }
        const once = run(said)
        const doubled = run(said.flatMap((message, index) => (copies.includes(index) ? [message, message, message] : [message])))
        expect(doubled.beginnings).toBe(once.beginnings)
        expect(doubled.known?.state).toBe(once.known?.state)
        expect(doubled.known?.id).toBe(once.known?.id)
        expect(doubled.known?.peakValue).toBe(once.known?.peakValue)
      }),
      { seed: 20_261_124, numRuns: 2000 },
    )
  })

  it('that nobody knows neither begins nor ends anything, whenever it is said', () => {
    fc.assert(
      fc.property(truths(61), messages, fc.array(fc.boolean(), { maxLength: 20 }), (list, wanted, gaps) => {
        const said = wanted.filter(({ of }) => of < list.length)
        let known: Episode | undefined
        const heard = new Set<number>()
        const ended: number[] = []
        for (const [index, message] of said.entries()) {
          const truth = list[message.of]
          if (truth === undefined) continue
          if (gaps[index] === true) {
            const before: Episode | undefined = known
            const { episode, came } = fold(before, { ...facts, state: 'no-data', startedAtMs: truth.startMs + 1 }, heardAt(list, index))
            expect(begins.has(came)).toBe(false)
            expect(episode?.state === 'resolved').toBe(before?.state === 'resolved')
            if (before?.state !== 'firing') expect(episode?.state).not.toBe('firing')
            known = episode
          }
          if (message.is === 'resolved') ended.push(message.of)
          else heard.add(message.of)
          known = fold(known, alertOf(truth, message, 'both'), heardAt(list, index)).episode
          if (known?.state === 'firing') expect(Math.max(-1, ...ended)).toBeLessThan(Math.max(...heard))
        }
      }),
      { seed: 20_261_124, numRuns: 2000 },
    )
  })
})

it('workers that fold messages of the same series at once lose none of them', async () => {
  await fc.assert(
    fc.asyncProperty(truths(61), messages, async (list, wanted) => {
      const said = wanted.filter(({ of }) => of < list.length)
      const memory = createMemory(openMemoryStore(new MemoryDisk()), { function: 'alarm-scaler', now: () => begin })
      const heard = await Promise.all(
        said.flatMap((message, index) => {
          const truth = list[message.of]
          return truth === undefined ? [] : [foldAlerts(memory, [alertOf(truth, message, 'both')], heardAt(list, index))]
        }),
      )
      const episodes = await recallEpisodes(memory)
      expect(episodes).toHaveLength(said.length === 0 ? 0 : 1)
      // They were put in in some order, and of all orders the end is the same.
      expect(episodes[0]?.state).toBe(oracle(said).state)
      const beginnings = heard.flat().filter(({ came }) => begins.has(came))
      expect(new Set(beginnings.map(({ episode }) => episode?.id)).size).toBe(beginnings.length)
    }),
    { seed: 20_261_124, numRuns: 150 },
  )
})

import fc from 'fast-check'
import { expect, it } from 'vitest'
import { verifyChain } from '#shared/licence/record.ts'
import { clusterA, home, hourMs, minuteMs, openStage } from '../functions/license-meter/stage.ts'

const hours = 6

/** When ticks come: none, one or several in an hour, at any time of it, some of them at the same instant. */
const ticks = fc.array(fc.record({ minute: fc.integer({ min: 0, max: hours * 60 - 1 }), copies: fc.integer({ min: 1, max: 3 }) }), {
  minLength: 1,
  maxLength: 14,
})
const growth = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: hours, maxLength: hours })

it('14: missed, doubled and late ticks give the record that punctual ones give, for every hour in which one came', async () => {
  await fc.assert(
    fc.asyncProperty(ticks, growth, async (drawn, grown) => {
      const stage = await openStage('2026-11-24T00:00:00Z')
      try {
        const startMs = stage.now()
        const wanted = new Map<string, string>()
        let nodes = 0
        let hour = -1
        for (const { minute, copies } of drawn.toSorted((one, other) => one.minute - other.minute)) {
          // What is used changes at full hours only, so that every tick of an hour sees the same.
          for (; hour < Math.floor(minute / 60); ) {
            hour += 1
            const more = grown[hour] ?? 0
            stage.set(startMs + hour * hourMs)
            if (more > 0) stage.grow(clusterA, more)
            nodes += more
          }
          stage.set(startMs + minute * minuteMs)
          const run = () => stage.run({ regions: [home], crossCheck: { every: 'never' } }, { clusters: [] })
          const reports = await Promise.all(Array.from({ length: copies }, run))
          expect(reports.map(({ failure }) => failure)).toEqual(reports.map(() => undefined))
          wanted.set(`2026-11-24T0${hour}:00:00Z`, String(nodes * 8))
        }
        expect(await stage.usages()).toEqual([...wanted].map(([name, usage]) => `${name} ${usage}`))
        expect(await verifyChain(await stage.entries(), home)).toMatchObject({ entries: wanted.size })
      } finally {
        await stage.close()
      }
    }),
    { seed: 1, numRuns: 12 },
  )
})

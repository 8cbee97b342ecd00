import { describe, expect, it } from 'vitest'
import { dayStartsOf, Tally } from '#infra/rehearse/rehearsal-tally.ts'
import { WorldWatch } from '#infra/rehearse/world-watch.ts'
import { newWorld } from '#infra/sandbox/seeds/new-world.ts'

const at = (text: string): number => Date.parse(text)

describe('the days of a rehearsal', () => {
  it('leave out no day of 23 hours that begins late in the evening before', () => {
    // Clocks in Berlin go forward on 29 March 2026; it is half past eleven in the evening of the 28th.
    const starts = dayStartsOf(at('2026-03-28T22:30:00Z'), at('2026-03-31T22:30:00Z'), 'Europe/Berlin')
    expect(starts.map((ms) => new Date(ms).toISOString())).toEqual([
      '2026-03-28T22:30:00.000Z',
      '2026-03-28T23:00:00.000Z',
      '2026-03-29T22:00:00.000Z',
      '2026-03-30T22:00:00.000Z',
      '2026-03-31T22:00:00.000Z',
      '2026-03-31T22:30:00.000Z',
    ])
  })

  it('count what is seen at the very end, as the sums do', () => {
    const [fromMs, untilMs] = [at('2026-11-24T00:00:00Z'), at('2026-11-25T00:00:00Z')]
    const watch = new WorldWatch(newWorld(), [], [], fromMs)
    watch.nodes.push({ atMs: untilMs, cluster: 'cls-1', machine: 'ins-1', kind: 'added', cores: 4 })
    const { days } = new Tally([fromMs, untilMs]).result(watch, (text) => text)
    expect(days.map(({ nodesAdded }) => nodesAdded)).toEqual([1])
  })
})

import { expect, it } from 'vitest'
import { type MetricSources, readSamples } from '#infra/status/prometheus-metrics.ts'
import { createStatusFeed } from '#infra/status/status-feed.ts'

it('a function whose events wait for too long is not well in the figures either, as it is not at /healthz', async () => {
  const glance = <T>(value: T) => ({ look: () => Promise.resolve(value), forget: () => undefined })
  const sources = (ok: boolean): MetricSources => ({
    platform: { now: () => 0 },
    facts: { functions: ['redeploy-hook'] },
    feed: createStatusFeed(),
    status: () => [{ function: 'redeploy-hook', ok: true }],
    events: glance([{ function: 'redeploy-hook', ok, groupsDue: 3, dead: 1 }]),
    killSwitch: glance(undefined),
    leases: glance({ found: [], records: [], problems: [] }),
    licence: glance({ problem: 'no record' }),
    journal: {
      page: () => Promise.resolve({ entries: [] }),
      verification: () => Promise.resolve({ state: 'unknown', atMs: 0, entries: 0, text: '' }),
    },
  })
  const okOf = async (ok: boolean) => {
    const samples = await readSamples(sources(ok), { rows: () => [] })
    return samples.flatMap(({ key, value }) => (['functionOk', 'eventsWaiting', 'deadLetters'].includes(key) ? [value] : []))
  }
  expect(await okOf(true)).toEqual([1, 3, 1])
  expect(await okOf(false)).toEqual([0, 3, 1])
})

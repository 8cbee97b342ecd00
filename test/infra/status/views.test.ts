import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readConfig } from '#infra/local/platform.ts'
import type { JournalReading } from '#infra/status/journal-reading.ts'
import type { SizePoint, SizeSampler } from '#infra/status/size-sampler.ts'
import { createStatusFeed } from '#infra/status/status-feed.ts'
import { approvalsView } from '#infra/status/views/approvals-view.ts'
import { journalView } from '#infra/status/views/journal-view.ts'
import { timelineView } from '#infra/status/views/timeline-view.ts'
import type { Decision } from '#shared/pure/step.ts'
import { countOutcomes, type RunReport } from '#shared/runtime/report.ts'
import { JournalError } from '#shared/safety/journal-entry.ts'
import { StoreError } from '#shared/safety/store.ts'

const start = Date.parse('2026-11-24T08:00:00Z')
const minute = 60_000
const hour = 60 * minute

function report(now: number, decisions: readonly Decision[]): RunReport {
  const facts = { function: 'redeploy-hook', runId: 'r', mode: 'enforce', trigger: { kind: 'local' } } as const
  return { ...facts, scheduledAt: now, now, decisions, counts: countOutcomes(decisions) }
}

function decision(target: string, more: Partial<Decision> = {}): Decision {
  const reason = { code: 'needs-approval', text: 'waits for somebody' }
  return { function: 'redeploy-hook', key: target, target, before: 'v1', after: 'v2', outcome: 'Held', reason, ...more }
}

describe('approvals', () => {
  it('that wait are shown until the next look at everything, also when nothing was pushed for more than an hour', async () => {
    const env = { TENCENTCLOUD_REGION: 'ap-guangzhou', TENCENTCLOUD_SECRET_ID: 'id', TENCENTCLOUD_SECRET_KEY: 'key' }
    const path = join(import.meta.dirname, '../../../infra/local/sandbox.yaml')
    const config = await readConfig({ env, path, folder: import.meta.dirname })
    const feed = createStatusFeed()
    feed.take(report(start, [decision('cls-1/a/Deployment/b')]))
    const waiting = async (ms: number) => (await approvalsView({ feed, platform: { config, now: () => start + ms } })).approvals
    for (const ms of [0, hour + minute, 2 * hour]) expect(await waiting(ms)).toMatchObject([{ target: 'cls-1/a/Deployment/b' }])
    // It was looked at everything twice, and nobody has said it again: the workload is gone.
    expect(await waiting(3 * hour)).toEqual([])
  })
})

describe('a journal', () => {
  it.each([
    [new StoreError('store.unavailable', 'the store does not answer'), 'unknown'],
    [new JournalError('journal.corrupt', 'entry 7 is not sound'), 'broken'],
  ])('of which %s is not said to be changed without cause', async (error, state) => {
    const journal: JournalReading = {
      page: () => Promise.reject(error),
      verification: () => Promise.resolve({ state: 'intact', atMs: start, entries: 9, text: 'whole' }),
    }
    const { verification } = await journalView({ journal }, { function: 'cron-scaler', limit: 10 })
    expect(verification).toMatchObject({ state, text: error.message })
  })
})

describe('the timeline', () => {
  const samplerOf = (points: readonly SizePoint[]): SizeSampler => ({
    keepSampling: () => Promise.resolve(),
    sample: () => Promise.resolve(),
    replicas: () => new Map([['cls-1/a/Deployment/b', points]]),
    nodes: () => new Map(),
  })

  it('of a week with thousands of changes is no longer than a chart has room for, with its ends as they were', () => {
    const points = Array.from({ length: 3000 }, (_, index) => ({ atMs: start + index * minute, value: index }))
    const feed = createStatusFeed()
    for (const { atMs } of points) feed.take(report(atMs, [decision('x', { outcome: 'Applied' })]))
    const platform = { now: () => start + 3000 * minute }
    const { replicas, events } = timelineView({ platform, feed, sampler: samplerOf(points) }, { hours: 168 })
    const shown = replicas[0]?.points ?? []
    expect([shown.length <= 500, shown.length > 450, events.length]).toEqual([true, true, 1000])
    expect([shown[0], shown.at(-1)].map((point) => point?.value)).toEqual([0, 2999])
    expect(events.at(-1)?.at).toBe(new Date(start + 2999 * minute).toISOString())
    const values = shown.map(({ value }) => value)
    expect(values).toEqual(values.toSorted((one, other) => one - other))
  })

  it('begins with what holds there', () => {
    const points = [0, 30, 90].map((minutes) => ({ atMs: start + minutes * minute, value: minutes }))
    const platform = { now: () => start + 2 * hour }
    const { replicas } = timelineView({ platform, feed: createStatusFeed(), sampler: samplerOf(points) }, { hours: 1 })
    expect(replicas[0]?.points.map(({ at, value }) => [Date.parse(at), value])).toEqual([
      [start + hour, 30],
      [start + 90 * minute, 90],
    ])
  })
})

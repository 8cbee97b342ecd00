import { describe, expect, it } from 'vitest'
import { createStatusFeed, type StatusFeed } from '#infra/status/status-feed.ts'
import type { Decision, Outcome } from '#shared/pure/step.ts'
import { countOutcomes, type RunReport } from '#shared/runtime/report.ts'

const start = Date.parse('2026-11-24T08:00:00Z')
const minute = 60_000

function decision(target: string, outcome: Outcome, more: { after?: string; code?: string; text?: string } = {}): Decision {
  const { after = '', code = 'because', text = 'a sentence' } = more
  return { function: 'cron-scaler', key: target, target, before: 'replicas 1', after, outcome, reason: { code, text } }
}

function report(minutes: number, decisions: readonly Decision[], more: Partial<RunReport> = {}): RunReport {
  const now = start + minutes * minute
  return {
    function: 'cron-scaler',
    runId: `cron-scaler@${minutes}`,
    mode: 'enforce',
    trigger: { kind: 'local' },
    scheduledAt: now - 1500,
    now,
    decisions,
    counts: countOutcomes(decisions),
    ...more,
  }
}

const all = (feed: StatusFeed) => feed.page({ limit: 100 }).lines

describe('what is decided again', () => {
  it('is one line that counts, at the place where it was new', () => {
    const feed = createStatusFeed()
    feed.take(report(0, [decision('a', 'Held', { text: 'since 0' })]))
    feed.take(report(1, [decision('b', 'Held')]))
    feed.take(report(2, [decision('a', 'Held', { text: 'since 2' })]))
    expect(all(feed).map(({ decision: { target }, times }) => [target, times])).toEqual([
      ['b', 1],
      ['a', 2],
    ])
    const [, line] = all(feed)
    expect(line).toMatchObject({
      sinceMs: start,
      atMs: start + 2 * minute,
      runId: 'cron-scaler@2',
      decision: { reason: { text: 'since 2' } },
    })
  })

  it.each([
    ['outcome', decision('a', 'Failed')],
    ['reason', decision('a', 'Held', { code: 'other' })],
    ['end state', decision('a', 'Held', { after: 'replicas 2' })],
  ])('is another line with another %s, and new again when it comes back', (_, other) => {
    const feed = createStatusFeed()
    for (const [at, one] of [decision('a', 'Held'), other, decision('a', 'Held')].entries()) feed.take(report(at, [one]))
    expect(all(feed).map(({ times }) => times)).toEqual([1, 1, 1])
  })

  it('stays one line when a run in between did not look at it, or looked at something of another function', () => {
    const feed = createStatusFeed()
    feed.take(report(0, [decision('a', 'Held')]))
    feed.take(report(1, []))
    feed.take(report(1, [decision('a', 'Applied')], { function: 'redeploy-hook' }))
    feed.take(report(2, [decision('a', 'Held')]))
    expect(all(feed).filter((line) => line.function === 'cron-scaler')).toMatchObject([{ times: 2 }])
  })

  it('is a line of its own each time it is a change', () => {
    const feed = createStatusFeed()
    for (const at of [0, 1]) feed.take(report(at, [decision('a', 'Applied', { after: 'replicas 2' })]))
    expect(all(feed).map(({ times }) => times)).toEqual([1, 1])
    expect(feed.changes(start + minute).map(({ atMs }) => atMs)).toEqual([start + minute])
  })

  it('is two lines when one run says it twice of a target, and each counts by itself', () => {
    const feed = createStatusFeed()
    for (const at of [0, 1, 2]) feed.take(report(at, [decision('a', 'Skipped'), decision('a', 'Skipped')]))
    expect(all(feed).map(({ times }) => times)).toEqual([3, 3])
  })
})

describe('bounds', () => {
  it('keep the newest of each kind, so that what says nothing drives out nothing that does', () => {
    const feed = createStatusFeed({ news: 2, quiet: 3 })
    feed.take(report(0, [decision('x', 'Failed')]))
    feed.take(
      report(
        1,
        Array.from({ length: 50 }, (_, index) => decision(`q${index}`, 'NoChange')),
      ),
    )
    feed.take(report(2, [decision('y', 'Applied'), decision('z', 'Held')]))
    expect(all(feed).map(({ decision: { target } }) => target)).toEqual(['z', 'y', 'q49', 'q48', 'q47'])
    expect(feed.latest('cron-scaler').length).toBeLessThanOrEqual(5)
    expect(feed.tally('cron-scaler').outcomes.NoChange).toBe(50)
  })

  it('let a line that was driven out come back as a new one', () => {
    const feed = createStatusFeed({ news: 1, quiet: 1 })
    feed.take(report(0, [decision('a', 'Held')]))
    feed.take(report(1, [decision('b', 'Held')]))
    feed.take(report(2, [decision('a', 'Held')]))
    expect(all(feed)).toMatchObject([{ id: 3, times: 1, decision: { target: 'a' } }])
  })
})

describe('tallies', () => {
  it('count runs, those of which nothing came, and how late the last tick was', () => {
    const feed = createStatusFeed()
    expect(feed.tally('cron-scaler')).toMatchObject({ runs: 0, failedRuns: 0 })
    feed.take(report(0, [], { failure: { code: 'run.no-plan', text: 'nothing could be read' } }))
    feed.take(report(1, [decision('a', 'Applied')]))
    feed.take(report(2, [decision('a', 'NoChange')], { trigger: { kind: 'webhook' }, scheduledAt: 0 }))
    expect(feed.tally('cron-scaler')).toMatchObject({ runs: 3, failedRuns: 1, lateMs: 1500, lastRunMs: start + 2 * minute })
    expect(feed.tally('cron-scaler').outcomes).toMatchObject({ Applied: 1, NoChange: 1 })
  })

  it('say of each target what the last run that looked at it said', () => {
    const feed = createStatusFeed()
    feed.take(report(0, [decision('a', 'Held'), decision('b', 'Held')]))
    feed.take(report(1, [decision('a', 'Applied')]))
    expect(feed.latest('cron-scaler').map(({ decision: { target, outcome } }) => [target, outcome])).toEqual([
      ['b', 'Held'],
      ['a', 'Applied'],
    ])
  })
})

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createCallTally } from '#infra/status/call-tally.ts'
import { descriptions, metricNames } from '#infra/status/prometheus-metrics.ts'
import { createRunMetrics } from '#shared/runtime/emf.ts'
import { runMetrics } from '#shared/runtime/metric-names.ts'
import { countOutcomes, type RunReport } from '#shared/runtime/report.ts'

const lambda = { AWS_LAMBDA_FUNCTION_NAME: 'longshore-prod-cron-scaler' }
const now = Date.parse('2026-11-24T08:00:01.500Z')

function report(more: Partial<RunReport> = {}): RunReport {
  const counts = { ...countOutcomes([]), Applied: 2, Held: 1 }
  const base = { function: 'cron-scaler', runId: 'r', mode: 'enforce', trigger: { kind: 'local' }, decisions: [] } as const
  return { ...base, scheduledAt: now - 1500, now, counts, ...more }
}

interface Document {
  readonly _aws: { readonly Timestamp: number; readonly CloudWatchMetrics: readonly [Directive] }
  readonly [member: string]: unknown
}

interface Directive {
  readonly Namespace: string
  readonly Dimensions: readonly (readonly string[])[]
  readonly Metrics: readonly { readonly Name: string; readonly Unit: string }[]
}

function written(reports: readonly RunReport[], env: Record<string, string> = lambda): Document[] {
  const lines: string[] = []
  const metrics = createRunMetrics({ env, writeLine: (line) => lines.push(line) })
  metrics.onAttempt({ outcome: 'ok' })
  metrics.onAttempt({ outcome: 'cloud.rate-limited' })
  for (const one of reports) metrics.onReport(one)
  return lines.map((line) => JSON.parse(line))
}

describe('figures of runs on Lambda', () => {
  it('are documents in which every metric and dimension that is named is a member', () => {
    const documents = written([report(), report({ trigger: { kind: 'webhook' } })])
    expect(documents).toHaveLength(6)
    for (const document of documents) {
      expect(document._aws.Timestamp).toBe(now)
      const [{ Namespace, Dimensions, Metrics }] = document._aws.CloudWatchMetrics
      expect([Namespace, Dimensions.length]).toEqual(['Longshore', 1])
      for (const name of Dimensions[0] ?? []) expect(typeof document[name]).toBe('string')
      for (const { Name, Unit } of Metrics) {
        expect(typeof document[Name]).toBe('number')
        expect(['Count', 'Seconds']).toContain(Unit)
      }
      const members = [...(Dimensions[0] ?? []), ...Metrics.map(({ Name }) => Name), '_aws']
      expect(Object.keys(document).toSorted()).toEqual(members.toSorted())
    }
    expect(documents[0]).toMatchObject({ Function: 'cron-scaler', longshore_runs_total: 1, longshore_applied_total: 2 })
    expect(documents[0]).toMatchObject({ longshore_run_late_seconds: 1.5, longshore_api_calls_total: 2, longshore_api_throttles_total: 1 })
    expect(documents[1]).toMatchObject({ Function: 'cron-scaler', Outcome: 'Applied', longshore_decisions_total: 2 })
    expect(documents[2]).toMatchObject({ Function: 'cron-scaler', Outcome: 'Held', longshore_decisions_total: 1 })
    // What was counted is told once, and an event was due at no instant.
    expect(documents[3]).toMatchObject({ longshore_api_calls_total: 0 })
    expect(documents[3]).not.toHaveProperty('longshore_run_late_seconds')
  })

  it('have the names that Prometheus has, and each of those of runs is there', () => {
    const documents = written([report()])
    const names = documents.flatMap(({ _aws }) => _aws.CloudWatchMetrics[0].Metrics.map(({ Name }) => Name))
    expect([...new Set(names)].toSorted()).toEqual(Object.values(runMetrics).toSorted())
    expect(Object.keys(descriptions).toSorted()).toEqual(Object.keys(metricNames).toSorted())
    const all = Object.values(metricNames)
    expect(new Set(all).size).toBe(all.length)
    for (const name of all) expect(name).toMatch(/^longshore_[a-z]+(_[a-z]+)*$/)
    for (const [key, { kind }] of Object.entries(descriptions)) {
      expect(Reflect.get(metricNames, key).endsWith('_total')).toBe(kind === 'counter')
    }
  })

  it('tell of a run of which nothing came', () => {
    expect(written([report({ failure: { code: 'run.no-plan', text: 'no' } })])[0]).toMatchObject({ longshore_failed_runs_total: 1 })
  })

  it('are not written elsewhere, nor where somebody turned them off', () => {
    expect(written([report()], {})).toEqual([])
    expect(written([report()], { ...lambda, LONGSHORE_METRICS: 'off' })).toEqual([])
  })
})

describe('infra/status/README.md', () => {
  it('has every figure with its labels, those of runs first', async () => {
    const text = await readFile(join(import.meta.dirname, '../../../infra/status/README.md'), 'utf8')
    const rows = [...text.matchAll(/^\| `(longshore_[a-z_]+)` \| ([a-z, ]*) \|/gm)].map(([, name, labels]) => [name, labels?.trim()])
    expect(rows).toEqual(Object.entries(metricNames).map(([key, name]) => [name, Reflect.get(descriptions, key).labels.join(', ')]))
    expect(rows.slice(0, 7).map(([name]) => name)).toEqual(Object.values(runMetrics))
  })
})

describe('a tally of calls', () => {
  it('counts by action and outcome', () => {
    const tally = createCallTally()
    for (const outcome of ['ok', 'ok', 'cloud.timeout'] as const) tally.add({ action: 'tke.DescribeClusters', outcome })
    expect(tally.rows()).toEqual([
      { action: 'tke.DescribeClusters', outcome: 'ok', count: 2 },
      { action: 'tke.DescribeClusters', outcome: 'cloud.timeout', count: 1 },
    ])
  })
})

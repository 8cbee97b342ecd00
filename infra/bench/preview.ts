import { performance } from 'node:perf_hooks'
import * as z from 'zod/mini'
import { type CronScalerConfig, Settings } from '#functions/cron-scaler/event.ts'
import { timelines, unseenWorld } from '#functions/cron-scaler/timeline.ts'
import { median } from './median.ts'
import { goal, type Section } from './section.ts'

export interface PreviewRow {
  readonly preview: string
  readonly rules: number
  readonly targets: number
  readonly days: number
  readonly changes: number
  readonly seconds: number
  /** Of the processor: what it takes when nobody else works on the machine. */
  readonly cpuSeconds: number
  /** The most that the heap held while it went on, above what it held before. */
  readonly heapMib: number
}

/** A year of a platform's schedules, gone through from firing to firing. */
export const preview: Section = {
  name: 'preview',
  title: 'Previewing a year of 1,000 rules, in seconds:',
  measure: ({ quick }) => {
    const rows = measurePreview({ rounds: quick ? 1 : 3, days: 365, ruleCount: 1000 })
    const goals = rows.map(({ preview: shape, seconds }) => goal(`a year of 1,000 rules, ${shape}`, seconds, { most: 20 }, 's'))
    return Promise.resolve({ rows, goals })
  },
}

const startMs = Date.parse('2026-11-24T00:00:00Z')
const zones = ['Asia/Shanghai', 'Europe/Berlin', 'UTC', 'America/New_York']

/** Rules as a platform has them: a day and a night, some with holidays, some with zones whose clocks change, a few bursts. */
export function previewConfig(ruleCount: number, rulesPerTarget: number): CronScalerConfig {
  const rules = Array.from({ length: ruleCount }, (_, index) => {
    const place = index % rulesPerTarget
    const minute = (index * 7) % 60
    const hour = (8 + Math.floor((place * 24) / rulesPerTarget)) % 24
    return {
      name: `rule-${index}`,
      cluster: 'cls-bench',
      target: { kind: 'Deployment', namespace: `team-${index % 40}`, name: `app-${Math.floor(index / rulesPerTarget)}` },
      schedule: `0 ${minute} ${hour} * * ${index % 5 === 0 ? '1-5' : '*'}`,
      timeZone: zones[Math.floor(index / rulesPerTarget) % zones.length],
      targetSize: 2 + ((index * 13) % 9),
      excludeDates: index % 3 === 0 ? ['@calendar/holidays'] : [],
    }
  })
  // One namespace for each target, so that all its rules name the same.
  const named = rules.map((rule, index) => ({
    ...rule,
    target: { ...rule.target, namespace: `team-${Math.floor(index / rulesPerTarget) % 40}` },
  }))
  const calendars = { holidays: { holidays: ['2026-12-25', '2027-01-01', '2027-10-01..2027-10-07'] } }
  return { clusters: [{ id: 'cls-bench' }], settings: z.parse(Settings, { calendars, rules: named }) }
}

/** Goes through whole years: how long it takes, and how much memory above what the configuration takes. */
export function measurePreview({
  rounds,
  days,
  ruleCount,
}: {
  readonly rounds: number
  readonly days: number
  readonly ruleCount: number
}): PreviewRow[] {
  return [2, 10, 100].map((rulesPerTarget) => {
    const config = previewConfig(ruleCount, rulesPerTarget)
    const world = unseenWorld(config)
    const period = { observedMs: startMs, fromMs: startMs, untilMs: startMs + days * 86_400_000 }
    let changes = 0
    let targets = 0
    let most = 0
    const times = Array.from({ length: rounds }, () => {
      const before = process.memoryUsage().heapUsed
      const begin = performance.now()
      const cpu = process.cpuUsage()
      changes = 0
      targets = 0
      for (const { entries } of timelines(world, config, period)) {
        targets += 1
        changes += entries.length
        most = Math.max(most, process.memoryUsage().heapUsed - before)
      }
      const { user, system } = process.cpuUsage(cpu)
      return { seconds: (performance.now() - begin) / 1000, cpuSeconds: (user + system) / 1e6 }
    })
    return {
      preview: `${rulesPerTarget} rules a target`,
      rules: ruleCount,
      targets,
      days,
      changes,
      seconds: rounded(median(times.map(({ seconds }) => seconds))),
      cpuSeconds: rounded(median(times.map(({ cpuSeconds }) => cpuSeconds))),
      heapMib: Math.round(most / 2 ** 20),
    }
  })
}

function rounded(seconds: number): number {
  return Math.round(seconds * 100) / 100
}

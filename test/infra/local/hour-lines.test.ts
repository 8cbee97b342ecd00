import { describe, expect, it } from 'vitest'
import { createHourLines } from '#infra/local/hour-lines.ts'
import type { Decision, Outcome } from '#shared/pure/step.ts'
import { countOutcomes, type RunReport } from '#shared/runtime/report.ts'

const start = Date.UTC(2026, 10, 24, 8)
const minuteMs = 60_000
const hourMs = 60 * minuteMs

function decision(target: string, outcome: Outcome, after = 'replicas 5'): Decision {
  return { function: 'cron-scaler', key: target, target, before: 'replicas 2', after, outcome, reason: { code: 'due', text: 'it is due' } }
}

function reportAt(afterMs: number, decisions: readonly Decision[], failure?: RunReport['failure']): RunReport {
  const now = start + afterMs
  return {
    function: 'cron-scaler',
    runId: `cron-scaler@${new Date(now).toISOString()}`,
    mode: 'enforce',
    trigger: { kind: 'local', name: 'test' },
    scheduledAt: now,
    now,
    skewMs: 0,
    decisions,
    counts: countOutcomes(decisions),
    planDigest: '',
    ...(failure === undefined ? {} : { failure }),
  }
}

function rig(columns?: number) {
  const lines: string[] = []
  let nowMs = start
  const hours = createHourLines({ print: (line) => lines.push(line), zone: 'Asia/Shanghai', now: () => nowMs, list: () => ({ columns }) })
  return { hours, lines, at: (afterMs: number) => (nowMs = start + afterMs) }
}

describe('runs by the hour', () => {
  it('has changes and failures in full under the hour, with the minute, and counts the rest at its end', () => {
    const { hours, lines } = rig()
    hours.show(reportAt(0, [decision('web', 'Applied'), decision('api', 'NoChange'), decision('old', 'Held')]), false)
    hours.show(reportAt(5 * minuteMs, [decision('api', 'Failed'), decision('old', 'Held')]), false)
    expect(lines).toEqual([
      '2026-11-24 16:00 +08:00',
      '  16:00  cron-scaler  Applied  web  replicas 2 -> replicas 5  it is due',
      '  16:05  cron-scaler  Failed  api  replicas 2 -> replicas 5  it is due',
    ])
    hours.show(reportAt(hourMs, []), false)
    expect(lines.slice(3)).toEqual(['       2 runs; besides: 2 held, 1 right as they are'])
    hours.end()
    expect(lines.slice(4)).toEqual(['2026-11-24 17:00 +08:00  1 run'])
    hours.end()
    expect(lines).toHaveLength(5)
  })

  it('counts a change that is made again within a day, and shows it in full after that, or when it is another one', () => {
    const { hours, lines } = rig()
    for (const hour of [0, 1, 23, 24]) hours.show(reportAt(hour * hourMs, [decision('web', 'Applied')]), false)
    hours.show(reportAt(25 * hourMs, [decision('web', 'Applied', 'replicas 7')]), false)
    hours.end()
    expect(lines).toEqual([
      '2026-11-24 16:00 +08:00',
      '  16:00  cron-scaler  Applied  web  replicas 2 -> replicas 5  it is due',
      '       1 run',
      '2026-11-24 17:00 +08:00  1 run; besides: 1 changed as before',
      '2026-11-25 15:00 +08:00  1 run; besides: 1 changed as before',
      '2026-11-25 16:00 +08:00',
      '  16:00  cron-scaler  Applied  web  replicas 2 -> replicas 5  it is due',
      '       1 run',
      '2026-11-25 17:00 +08:00',
      '  17:00  cron-scaler  Applied  web  replicas 2 -> replicas 7  it is due',
      '       1 run',
    ])
  })

  it('shows what else happened at its time, counts events, and says when a run came to nothing', () => {
    const { hours, lines, at } = rig()
    at(2 * minuteMs)
    hours.note('(in the sandbox) somebody pushed')
    hours.event()
    hours.event()
    hours.show(reportAt(3 * minuteMs, [], { code: 'cloud.failed', text: 'the platform is gone' }), false)
    hours.show(reportAt(4 * minuteMs, []), true)
    hours.end()
    expect(lines).toEqual([
      '2026-11-24 16:00 +08:00',
      '  16:02  (in the sandbox) somebody pushed',
      expect.stringMatching(/^ {2}16:03 {2}cron-scaler {2}.*the platform is gone/),
      '       1 run and 2 events',
    ])
  })

  it('keeps to the width of the terminal', () => {
    for (const columns of [80, 100]) {
      const { hours, lines } = rig(columns)
      const long = { ...decision('web', 'Applied'), reason: { code: 'due', text: 'because of a reason that is rather long. '.repeat(4) } }
      hours.show(reportAt(0, [long]), false)
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns)
      expect(lines[1]).toMatch(/…$/)
      hours.note('somebody did what takes many words to tell, and more than there is room for in a line of this terminal')
      expect(lines[2]).toMatch(/^ {2}16:00 {2}somebody did what .*…$/)
      expect(lines[2]?.length).toBeLessThanOrEqual(columns)
    }
  })
})

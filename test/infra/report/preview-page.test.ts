import { describe, expect, test } from 'vitest'
import type { TargetTimeline, TimelineEntry } from '#functions/cron-scaler/timeline.ts'
import { PreviewPage, rangeText, summaryOf } from '#infra/report/preview-page.ts'
import { curveOf, ReplicaCurve } from '#infra/report/replica-curve.ts'

const fromMs = Date.parse('2026-11-24T00:00:00Z')
const untilMs = fromMs + 30 * 86_400_000
const hostile = '"><img src=x onerror=alert(1)><script>alert(1)</script>'

function timelineOf(name: string, entries: number, more: Partial<TimelineEntry> = {}): TargetTimeline {
  return {
    cluster: 'cls-1',
    target: { kind: 'Deployment', namespace: 'default', name },
    name: `cls-1/default/Deployment/${name}`,
    start: { kind: 'replicas', replicas: 2 },
    end: { kind: 'replicas', replicas: 2 },
    entries: Array.from({ length: entries }, (_, index) => ({
      atMs: fromMs + index * 3_600_000,
      verdict: 'change',
      code: 'late',
      text: `because of ${name}`,
      rule: `config/${name}`,
      before: { kind: 'replicas', replicas: 2 },
      after: { kind: 'replicas', replicas: 3 + (index % 4) },
      ...more,
    })),
    rules: [],
    ties: [],
    hours: { min: 1440, max: 1440, unknown: 0 },
  }
}

function render(timelines: readonly TargetTimeline[]): string {
  const page = new PreviewPage({ zone: 'UTC', days: 30, fromMs, untilMs, notes: [`A note about ${hostile}`] })
  const curve = new ReplicaCurve({ fromMs, untilMs })
  for (const timeline of timelines) {
    page.add(timeline)
    curve.add(curveOf(timeline, fromMs))
  }
  const conflicts = [{ code: 'tie', target: hostile, rules: [hostile], atMs: fromMs, text: hostile } as const]
  return page.render(curve, conflicts, [{ code: 'rule-invalid', cluster: hostile, text: hostile }])
}

describe('the page of a preview', () => {
  test('lets no name become markup, wherever it stands', () => {
    const page = render([timelineOf(hostile, 3)])
    expect(page).not.toContain('<img')
    expect(page).not.toContain('<script>alert')
    expect(page.match(/&lt;img src=x onerror=alert\(1\)&gt;/g)?.length).toBeGreaterThan(8)
    // In the data of the charts as well.
    const [, data = ''] = /<script type="application\/json" id="charts">(.*)<\/script>/.exec(page) ?? []
    expect(data).not.toContain('<')
    expect(JSON.parse(data)).toHaveLength(2)
  })

  test('lists the first hundred changes of a target and says how many there are more', () => {
    const page = render([timelineOf('web', 130)])
    expect(page.match(/because of web/g)).toHaveLength(100)
    expect(page).toContain('30 more are in the chart')
    expect(render([timelineOf('web', 100)])).not.toContain('more are in the chart')
  })

  test('draws two hundred targets and lists all, so that a page of thousands can be opened', () => {
    const page = render(Array.from({ length: 1000 }, (_, index) => timelineOf(`web-${index}`, 40)))
    expect(page.match(/data-chart="target-/g)).toHaveLength(200)
    expect(page).toContain('800 more targets are in the table above only.')
    expect(page).toContain('cls-1/default/Deployment/web-999')
    expect(page.length).toBeLessThan(4 * 2 ** 20)
  })

  test('tells what holds a target back in the place of a size', () => {
    expect(render([timelineOf('web', 1, { verdict: 'held' })])).toContain('<span class="warn">held</span>')
  })
})

describe('the sums of a timeline', () => {
  test('tell from where to where, and what nobody knows', () => {
    const timeline = timelineOf('web', 3)
    expect(summaryOf(timeline)).toEqual({ changes: 3, replicas: '2 to 5', hours: '1,440', unknownHours: '' })
    expect(summaryOf({ ...timeline, start: undefined, entries: [], hours: { min: 0, max: 0, unknown: 720 } })).toEqual({
      changes: 0,
      replicas: 'unknown',
      hours: '0',
      unknownHours: '720 h of unknown size',
    })
    expect(rangeText(1000, 1000)).toBe('1,000')
  })
})

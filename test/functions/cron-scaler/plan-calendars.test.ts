import { describe, expect, test } from 'vitest'
import type { Calendar, UnreadCalendar } from '#functions/cron-scaler/excludes.ts'
import { parseDateRange } from '#functions/cron-scaler/excludes.ts'
import { type ObservedTarget, plan } from '#functions/cron-scaler/plan.ts'
import { applied, at, changesOf, clusterWith, configOf, replicas, ruleOf, summary, targetWith } from './fixtures.ts'

function calendarOf(holidays: readonly string[], workdays: readonly string[] = []): Calendar {
  const ranges = (texts: readonly string[]) =>
    texts.map((text) => {
      const range = parseDateRange(text)
      if (!range.ok) throw new Error(range.error)
      return range.value
    })
  return { holidays: ranges(holidays), workdays: ranges(workdays) }
}

const calendars = { cn: { file: 'cn.ics', holidays: ['2026-12-24'] } }
const morning = ruleOf('morning', '0 0 8 * * *', 5, { excludeDates: ['@calendar/cn'] })
const evening = ruleOf('evening', '0 0 20 * * *', 2)
const config = configOf({ calendars, rules: [morning, evening] })
const unread: UnreadCalendar = { problem: 'cn.ics: line 3 is no date' }

function planOne(target: ObservedTarget, now: number, read: Calendar | UnreadCalendar | undefined, settings = config) {
  return plan({ clusters: [clusterWith([target])], ...(read === undefined ? {} : { calendars: { cn: read } }) }, settings, now)
}

describe('a calendar that was read', () => {
  test('counts together with the days that stand in the configuration', () => {
    const read = calendarOf(['2026-10-01..2026-10-07'])
    const runs = (date: string) => changesOf(planOne(targetWith(replicas(2)), at(`${date}T08:00:00Z`), read)).length
    expect(['2026-09-30', '2026-10-01', '2026-10-07', '2026-10-08', '2026-12-24', '2026-12-25'].map(runs)).toEqual([1, 0, 0, 1, 0, 1])
  })

  test('does not touch what stands in the configuration alone', () => {
    const inline = configOf({ calendars: { cn: { holidays: ['2026-10-01'] } }, rules: [morning] })
    expect(changesOf(planOne(targetWith(replicas(2)), at('2026-10-02T08:00:00Z'), undefined, inline))).toHaveLength(1)
    expect(changesOf(planOne(targetWith(replicas(2)), at('2026-10-02T08:00:00Z'), unread, inline))).toHaveLength(1)
  })
})

describe('a calendar that could not be read', () => {
  test.each([
    ['a problem', unread, 'cn.ics: line 3 is no date'],
    ['nobody has looked', undefined, 'nobody has read it yet'],
  ])('holds the rule that uses it (%s): it never runs', (_, read, why) => {
    const steps = planOne(targetWith(replicas(2)), at('2026-11-24T08:00:00Z'), read)
    expect(summary(steps)).toEqual(['held calendar-unreadable'])
    expect(steps[0]?.reason.text).toContain(`config/morning does not run`)
    expect(steps[0]?.reason.text).toContain(`@calendar/cn (${why})`)
  })

  test('does not let an older firing decide in its place, not even to correct drift', () => {
    const enforced = configOf({ calendars, enforce: true, rules: [morning, evening] })
    const read = calendarOf(['2026-10-01'])
    const [step] = changesOf(planOne(targetWith(replicas(2)), at('2026-11-24T08:00:05Z'), read, enforced))
    const done = applied(targetWith(replicas(2)), step!, at('2026-11-24T08:00:05Z'))
    expect(done.size).toEqual(replicas(5))
    // The evening before asked for 2.
    expect(summary(planOne(done, at('2026-11-24T08:01:00Z'), unread, enforced))).toEqual(['held calendar-unreadable'])
  })

  test('lets a later firing of another rule decide, which it would in any case', () => {
    const steps = planOne(targetWith(replicas(5)), at('2026-11-24T20:00:00Z'), unread)
    expect(summary(steps).toSorted()).toEqual(['change due', 'held calendar-unreadable'])
    expect(changesOf(steps).map(({ change }) => change.rule)).toEqual(['config/evening'])
  })

  test('does not matter on a day that something else excludes for certain', () => {
    const closed = { ...morning, excludeDates: ['@calendar/cn', '2026-11-24'] }
    const rules = [closed, evening]
    const before = applied(
      targetWith(replicas(5)),
      changesOf(planOne(targetWith(replicas(5)), at('2026-11-23T20:00:05Z'), calendarOf([]), configOf({ calendars, rules })))[0]!,
      at('2026-11-23T20:00:05Z'),
    )
    const steps = planOne(before, at('2026-11-24T08:00:05Z'), unread, configOf({ calendars, rules }))
    expect(summary(steps).toSorted()).toEqual(['held calendar-unreadable', 'no-change already-applied', 'skipped excluded-date'])
  })

  test('may open any weekend: an exclude of weekdays is not certain then', () => {
    const rules = [{ ...morning, excludeDates: ['* * * * * 0,6', '@calendar/cn'] }, evening]
    const settings = configOf({ calendars, rules })
    const saturday = at('2026-11-28T08:00:00Z')
    expect(summary(planOne(targetWith(replicas(5)), saturday, unread, settings))).toEqual(['held calendar-unreadable'])
    // Read, the one Saturday is worked and the next one is not.
    const read = calendarOf([], ['2026-11-28'])
    expect(changesOf(planOne(targetWith(replicas(9)), saturday, read, settings)).map(({ change }) => change.rule)).toEqual([
      'config/morning',
    ])
    expect(changesOf(planOne(targetWith(replicas(9)), saturday + 7 * 86_400_000, read, settings))).toEqual([])
  })

  test('stops no rule that does not use it', () => {
    const other = ruleOf('other', '0 0 8 * * *', 9, { target: { kind: 'Deployment', name: 'other' } })
    const targets = [targetWith(replicas(2)), targetWith(replicas(2), { name: 'other' })]
    const steps = plan(
      { clusters: [clusterWith(targets)], calendars: { cn: unread } },
      configOf({ calendars, rules: [morning, other] }),
      at('2026-11-24T08:00:00Z'),
    )
    expect(changesOf(steps).map(({ change }) => change.rule)).toEqual(['config/other'])
  })

  test('that is not configured at all is still another thing', () => {
    const [step] = planOne(targetWith(replicas(2)), at('2026-11-24T08:00:00Z'), unread, configOf({ rules: [morning] }))
    expect(step).toMatchObject({ verdict: 'invalid', reason: { code: 'exclude-invalid' } })
  })
})

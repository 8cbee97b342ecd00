import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Clock, systemClock } from '#cloud/clock.ts'
import { createTransport } from '#cloud/transport-https.ts'
import { definition } from '#functions/cron-scaler/definition.ts'
import { sizeText } from '#functions/cron-scaler/target.ts'
import { autoscalerV1, deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import { civilOf } from '#shared/pure/civil.ts'
import { nextFiring, parseCron } from '#shared/pure/cron.ts'
import { defineSchedule, type ScheduleHandler } from '#shared/runtime/define-schedule.ts'
import {
  applied,
  at,
  changesOf,
  configOf,
  everyMinute,
  hpcRules,
  iso,
  planOf,
  playThrough,
  replicas,
  ruleOf,
  summary,
  targetWith,
} from './fixtures.ts'
import { clusterA, openStage, outcomes, type Stage, shownSize, web, webPath, webSchedules } from './stage.ts'

/**
 * What bit the users of other cron scalers, each fault under its own name. Most happened in the ancestor of HPC; the others in
 * schedulers that read the clock too often, wrote half of an autoscaler's bounds, or lost a date when clocks changed.
 */

const dayMs = 86_400_000
const days2026 = Array.from({ length: 365 }, (_, day) => Date.UTC(2026, 0, 1) + day * dayMs)
const dateOf = (ms: number) => iso(ms).slice(0, 10)

/** Dates of 2026 on which a rule runs that is due every day at a time of day (after midnight, UTC). */
function runsOn(schedule: string, afterMidnightMs: number, exclude: string): string[] {
  const config = configOf({ rules: [ruleOf('daily', schedule, 5, { excludeDates: [exclude] })] })
  return days2026
    .filter((midnight) => changesOf(planOf([targetWith(replicas(2))], config, midnight + afterMidnightMs)).length > 0)
    .map(dateOf)
}

/**
 * Dates of 2026 on which the ancestor skips a job of that time of day: it takes the exclude's next firing and compares month and
 * hour with those of now, because it spells its date format in a way that means that.
 */
function ancestorSkips(afterMidnightMs: number, exclude: string): string[] {
  const parsed = parseCron(exclude)
  if (!parsed.ok) throw new Error(parsed.error.message)
  const monthAndHour = (ms: number) => `${civilOf(ms, 'UTC').month} ${civilOf(ms, 'UTC').hour}`
  return days2026
    .filter((midnight) => {
      const now = midnight + afterMidnightMs
      const next = nextFiring(parsed.value, 'UTC', now)
      return next !== undefined && monthAndHour(next) === monthAndHour(now)
    })
    .map(dateOf)
}

const lastSecondMs = dayMs - 1000

describe('excluded dates', () => {
  test('Fridays excluded must not skip a midnight job on the 277 other days of 2026', () => {
    const fridays = days2026.filter((ms) => new Date(ms).getUTCDay() === 5).map(dateOf)
    const others = days2026.map(dateOf).filter((date) => !fridays.includes(date))
    const wronglySkipped = ancestorSkips(0, '* * * * * 5').filter((date) => !fridays.includes(date))
    expect(wronglySkipped).toHaveLength(277)
    const runs = runsOn('0 0 0 * * *', 0, '* * * * * 5')
    expect(wronglySkipped.filter((date) => !runs.includes(date))).toEqual([])
    expect(runs).toEqual(others)
    expect(runsOn('59 59 23 * * *', lastSecondMs, '* * * * * 5')).toEqual(others)
  })

  test('"* * * 15 11 *" skips 15 November only', () => {
    const november = (date: string) => date.startsWith('2026-11-') && date !== '2026-11-15'
    expect(ancestorSkips(0, '* * * 15 11 *').filter(november)).toHaveLength(29)
    expect(ancestorSkips(lastSecondMs, '* * * 15 11 *')).toEqual([])
    const expected = days2026.map(dateOf).filter((date) => date !== '2026-11-15')
    expect(runsOn('0 0 0 * * *', 0, '* * * 15 11 *')).toEqual(expected)
    expect(runsOn('59 59 23 * * *', lastSecondMs, ' * * * 15 11 *')).toEqual(expected)
  })
})

test('a five-field string is refused, with the six fields that were meant, wherever it stands', () => {
  const now = at('2026-11-24T08:00:00Z')
  const config = configOf({ timeZone: 'UTC', rules: [ruleOf('short', '2 8 * * 1-5', 5)] })
  const rules = hpcRules([{ name: 'short', schedule: '0 8 * * *', targetSize: 4 }], config)
  // The way the ancestor reads it, the first would be due every second of every hour's eighth minute.
  for (let minute = 0; minute < 60; minute += 1) {
    const steps = planOf([targetWith(replicas(2))], config, now + minute * 60_000, { rules })
    expect(summary(steps)).toEqual(['invalid schedule-invalid', 'invalid schedule-invalid'])
    const text = steps.map(({ reason }) => reason.text).join('\n')
    expect(text).toContain('write "0 2 8 * * 1-5"')
    expect(text).toContain('write "0 0 8 * * *"')
  }
})

describe('after an outage', () => {
  const first = { name: 'first', schedule: '0 0 8 * * *', targetSize: 5 }
  const second = { name: 'second', schedule: '0 10 8 * * *', targetSize: 9 }
  const now = at('2026-11-24T08:20:00Z')

  test.each([
    ['in their order', [first, second]],
    ['the other way round', [second, first]],
  ])('of two missed rules the later nominal one wins whatever their order in the list: %s', (_, crons) => {
    const fromConfig = configOf({ rules: crons.map(({ name, schedule, targetSize }) => ruleOf(name, schedule, targetSize)) })
    const empty = configOf({ timeZone: 'UTC' })
    const [one = [], other = []] = crons.map((cron) => hpcRules([cron], empty, { metadata: { name: cron.name, uid: cron.name } }))
    for (const [config, rules] of [
      [fromConfig, []],
      [empty, hpcRules(crons, empty)],
      [empty, [...one, ...other]],
    ] as const) {
      const steps = planOf([targetWith(replicas(2))], config, now, { rules })
      expect(changesOf(steps).map(({ change }) => change.to)).toEqual([replicas(9)])
      expect(summary(steps).toSorted()).toEqual(['change late', 'skipped superseded'])
      // And once it is done, the earlier one does not come back.
      const [step] = changesOf(steps)
      const done = applied(targetWith(replicas(2)), step!, now)
      expect(summary(planOf([done], config, now + 60_000, { rules }))).toEqual(['no-change already-applied'])
    }
  })
})

describe('a rule that runs once', () => {
  const now = at('2026-11-24T08:00:00Z')
  const once = ruleOf('once', '0 0 8 * * *', 5, { runOnce: true })
  const { target: done } = playThrough(targetWith(replicas(2)), configOf({ rules: [once] }), [now])

  test.each([
    ['excludeDates', { excludeDates: ['2026-12-24'] }],
    ['its size', { targetSize: 9 }],
    ['its deadline', { startingDeadline: '1h' }],
    ['its zone', { timeZone: 'Asia/Kathmandu' }],
  ])('is not armed again by editing %s', (_, edit) => {
    const config = configOf({ rules: [{ ...once, ...edit }] })
    expect(
      playThrough({ ...done, size: replicas(2) }, config, everyMinute('2026-11-25T00:00:00Z', '2026-11-26T00:00:00Z')).changes,
    ).toEqual([])
  })

  test('in an HPC object is not armed again by editing its excludeDates, those of the object, or a rule beside it', () => {
    const config = configOf({ timeZone: 'UTC' })
    const cron = { name: 'once', schedule: '0 0 8 * * *', targetSize: 5, runOnce: true }
    const before = planOf([targetWith(replicas(2))], config, now, { rules: hpcRules([cron], config) })
    const ran = { ...applied(targetWith(replicas(2)), changesOf(before)[0]!, now), size: replicas(2) }
    for (const rules of [
      hpcRules([{ ...cron, excludeDates: ['2026-12-24'] }], config),
      hpcRules([cron], config, { spec: { excludeDates: ['* * * * * 0'] } }),
      hpcRules([{ name: 'other', schedule: '0 0 9 1 1 *', targetSize: 1 }, cron], config),
    ]) {
      expect(changesOf(planOf([ran], config, now + dayMs, { rules }))).toEqual([])
    }
    expect(
      changesOf(planOf([ran], config, now + dayMs, { rules: hpcRules([{ ...cron, schedule: '0 0 8 * * 1-5' }], config) })),
    ).toHaveLength(1)
  })
})

test('"Statefulset", as the manual itself spells it, is a StatefulSet', () => {
  const config = configOf({ timeZone: 'UTC' })
  const scaleTarget = { apiVersion: 'apps/v1', kind: 'Statefulset', name: 'web' }
  const rules = hpcRules([{ name: 'up', schedule: '0 0 8 * * *', targetSize: 5 }], config, { spec: { scaleTarget } })
  const steps = planOf([targetWith(replicas(2), { kind: 'StatefulSet' })], config, at('2026-11-24T08:00:00Z'), { rules })
  expect(changesOf(steps).map(({ target }) => target)).toEqual(['cls-1/default/StatefulSet/web'])
})

describe('where clocks change', () => {
  /** What happens from one instant to another, with a tick every minute. `up` asks for 5, `down` for 2. */
  const changes = (zone: string, up: string, down: string, from: string, until: string) =>
    playThrough(
      targetWith(replicas(2)),
      configOf({ rules: [ruleOf('up', up, 5, { timeZone: zone }), ruleOf('down', down, 2, { timeZone: zone })] }),
      everyMinute(from, until),
    ).changes.map(({ now, nominal, rule }) => `${now} ${rule}${nominal === now ? '' : ` for ${nominal}`}`)

  /** The firings of one rule while a person undoes each at once, so that every one of them shows. */
  const firings = (zone: string, schedule: string, from: string, until: string) =>
    playThrough(
      targetWith(replicas(2)),
      configOf({ rules: [ruleOf('up', schedule, 5, { timeZone: zone })] }),
      everyMinute(from, until),
      (target) => ({
        ...target,
        size: replicas(2),
      }),
    ).changes.map(({ nominal }) => nominal)

  test('a window across the spring gap of Europe/Berlin (2026-03-29, 02:00 to 03:00) closes on time', () => {
    // Its end is skipped by the clocks: it closes at the first instant after the gap, 03:00 in summer time.
    expect(changes('Europe/Berlin', '0 30 1 29 3 *', '0 30 2 29 3 *', '2026-03-29T00:00:00Z', '2026-03-29T03:00:00Z')).toEqual([
      '2026-03-29T00:30:00Z config/up',
      '2026-03-29T01:00:00Z config/down',
    ])
    // Its end is the first instant after the gap, or later.
    expect(changes('Europe/Berlin', '0 30 1 29 3 *', '0 0 3 29 3 *', '2026-03-29T00:00:00Z', '2026-03-29T03:00:00Z')).toEqual([
      '2026-03-29T00:30:00Z config/up',
      '2026-03-29T01:00:00Z config/down',
    ])
    // Its beginning is skipped: it opens after the gap and lasts until its end, half an hour instead of one.
    expect(changes('Europe/Berlin', '0 30 2 29 3 *', '0 30 3 29 3 *', '2026-03-29T00:00:00Z', '2026-03-29T03:00:00Z')).toEqual([
      '2026-03-29T01:00:00Z config/up',
      '2026-03-29T01:30:00Z config/down',
    ])
  })

  test('a window that lies wholly in the spring gap must not leave the higher size for ever: the later civil time wins', () => {
    const summaries = (up: string, down: string, more: Parameters<typeof ruleOf>[3] = {}) => {
      const zone = { timeZone: 'Europe/Berlin' }
      const rules = [ruleOf('up', up, 5, zone), ruleOf('down', down, 2, { ...zone, ...more })]
      return [rules, rules.toReversed()].map((ordered) => {
        const steps = planOf([targetWith(replicas(4))], configOf({ rules: ordered }), at('2026-03-29T01:00:00Z'))
        return [...summary(steps).toSorted(), ...changesOf(steps).map(({ change }) => sizeText(change.to))]
      })
    }
    const closed = ['change due', 'skipped superseded', 'replicas 2']
    expect(summaries('0 10 2 29 3 *', '0 50 2 29 3 *')).toEqual([closed, closed])
    // The end of the gap itself is later than what lies in it, and so is what another zone's clocks show then.
    expect(summaries('0 10 2 29 3 *', '0 0 3 29 3 *')).toEqual([closed, closed])
    expect(summaries('0 10 2 29 3 *', '0 0 1 29 3 *', { timeZone: 'UTC' })).toEqual([closed, closed])
    // Of several times of one rule it is the last: 02:55 is later than 02:50.
    const open = ['change due', 'skipped superseded', 'replicas 5']
    expect(summaries('0 */5 2 29 3 *', '0 50 2 29 3 *')).toEqual([open, open])
    // The same civil time is a tie, in the gap as anywhere else.
    const tie = ['change due', 'skipped tie-lost', 'replicas 5']
    expect(summaries('0 50 2 29 3 *', '0 50 2 29 3 *')).toEqual([tie, tie])
    expect(summaries('0 0 3 29 3 *', '0 0 3 29 3 *')).toEqual([tie, tie])
  })

  test('a window of the half hour that Australia/Lord_Howe skips, and of the day that Pacific/Apia did, is closed after it', () => {
    expect(changes('Australia/Lord_Howe', '0 5 2 4 10 *', '0 20 2 4 10 *', '2026-10-03T15:00:00Z', '2026-10-03T17:00:00Z')).toEqual([
      '2026-10-03T15:30:00Z config/down',
    ])
    const { target } = playThrough(
      targetWith(replicas(2)),
      configOf({
        rules: [
          ruleOf('up', '0 0 8 30 12 *', 5, { timeZone: 'Pacific/Apia' }),
          ruleOf('down', '0 0 20 30 12 *', 2, { timeZone: 'Pacific/Apia' }),
        ],
      }),
      everyMinute('2011-12-30T09:58:00Z', '2011-12-30T10:05:00Z'),
    )
    expect(target.size).toEqual(replicas(2))
  })

  test('an hour that is repeated in autumn runs once (Europe/Berlin, 2026-10-25)', () => {
    expect(firings('Europe/Berlin', '0 30 2 * * *', '2026-10-24T22:00:00Z', '2026-10-25T04:00:00Z')).toEqual(['2026-10-25T00:30:00Z'])
    // A window over the repeated hour closes at the first 02:30 and does not open or close again at the second.
    expect(changes('Europe/Berlin', '0 15 2 25 10 *', '0 30 2 25 10 *', '2026-10-24T22:00:00Z', '2026-10-25T04:00:00Z')).toEqual([
      '2026-10-25T00:15:00Z config/up',
      '2026-10-25T00:30:00Z config/down',
    ])
    // Every quarter of an hour goes on as the clocks show it: none for the hour that is shown again.
    expect(firings('Europe/Berlin', '0 */30 * * * *', '2026-10-25T00:00:00Z', '2026-10-25T02:30:00Z')).toEqual([
      '2026-10-25T00:00:00Z',
      '2026-10-25T00:30:00Z',
      '2026-10-25T02:00:00Z',
      '2026-10-25T02:30:00Z',
    ])
  })

  test('Australia/Lord_Howe changes by 30 minutes', () => {
    // 4 October 2026, 02:00 to 02:30.
    expect(firings('Australia/Lord_Howe', '0 15 2 * * *', '2026-10-03T15:00:00Z', '2026-10-03T17:00:00Z')).toEqual(['2026-10-03T15:30:00Z'])
    expect(changes('Australia/Lord_Howe', '0 45 1 4 10 *', '0 20 2 4 10 *', '2026-10-03T15:00:00Z', '2026-10-03T17:00:00Z')).toEqual([
      '2026-10-03T15:15:00Z config/up',
      '2026-10-03T15:30:00Z config/down',
    ])
    // 5 April 2026, from 02:00 back to 01:30.
    expect(firings('Australia/Lord_Howe', '0 45 1 * * *', '2026-04-04T14:00:00Z', '2026-04-04T17:00:00Z')).toEqual(['2026-04-04T14:45:00Z'])
    expect(firings('Australia/Lord_Howe', '0 0 2 * * *', '2026-04-04T14:00:00Z', '2026-04-04T17:00:00Z')).toEqual(['2026-04-04T15:30:00Z'])
  })

  test('Asia/Kathmandu is 5:45 ahead, its dates as well', () => {
    expect(firings('Asia/Kathmandu', '0 0 8 * * *', '2026-11-24T00:00:00Z', '2026-11-24T23:59:00Z')).toEqual(['2026-11-24T02:15:00Z'])
    const rule = ruleOf('midnight', '0 0 0 * * *', 5, { timeZone: 'Asia/Kathmandu', excludeDates: ['2026-10-01'] })
    const runs = (text: string) => changesOf(planOf([targetWith(replicas(2))], configOf({ rules: [rule] }), at(text))).length
    // 00:00 on 1 October there is 18:15 on 30 September in UTC.
    expect([runs('2026-09-29T18:15:00Z'), runs('2026-09-30T18:15:00Z'), runs('2026-10-01T18:15:00Z')]).toEqual([1, 0, 1])
  })

  test('Pacific/Apia has no 2011-12-30: what was due then comes at the first instant of the 31st, once, and the 31st keeps its own', () => {
    expect(firings('Pacific/Apia', '0 0 8 * * *', '2011-12-29T00:00:00Z', '2011-12-31T12:00:00Z')).toEqual([
      '2011-12-29T18:00:00Z',
      '2011-12-30T10:00:00Z',
      '2011-12-30T18:00:00Z',
    ])
    // The 29th has its evening. Morning and evening of the 30th come at one instant, and the evening wins. The 31st is whole.
    expect(changes('Pacific/Apia', '0 0 8 29-31 12 *', '0 0 22 29-31 12 *', '2011-12-29T17:00:00Z', '2011-12-31T09:00:00Z')).toEqual([
      '2011-12-29T18:00:00Z config/up',
      '2011-12-30T08:00:00Z config/down',
      '2011-12-30T10:00:00Z config/down',
      '2011-12-30T18:00:00Z config/up',
      '2011-12-31T08:00:00Z config/down',
    ])
    // Excluding the day that is there takes all of it away; excluding the one that is not, takes nothing from the others.
    const excluding = (date: string) => {
      const rule = ruleOf('up', '0 0 8 * * *', 5, { timeZone: 'Pacific/Apia', excludeDates: [date] })
      const ticks = everyMinute('2011-12-30T09:00:00Z', '2011-12-31T19:00:00Z')
      const reset = (target: ReturnType<typeof targetWith>) => ({ ...target, size: replicas(2) })
      return playThrough(targetWith(replicas(2)), configOf({ rules: [rule] }), ticks, reset).changes.map(({ nominal }) => nominal)
    }
    expect(excluding('2011-12-31')).toEqual(['2011-12-31T18:00:00Z'])
    expect(excluding('2011-12-30').slice(-2)).toEqual(['2011-12-30T18:00:00Z', '2011-12-31T18:00:00Z'])
  })
})

describe('the calendar', () => {
  const datesOf = (schedule: string, from: string, untilText: string, excludeDates: string[] = []) => {
    const config = configOf({ rules: [ruleOf('dated', schedule, 5, { excludeDates })] })
    const dates: string[] = []
    for (let ms = at(from); ms < at(untilText); ms += dayMs) {
      if (changesOf(planOf([targetWith(replicas(2))], config, ms + 8 * 3_600_000)).length > 0) dates.push(dateOf(ms))
    }
    return dates
  }

  test('a leap day comes in leap years only, and is not moved to 28 February or 1 March', () => {
    expect(datesOf('0 0 8 29 2 *', '2026-01-01T00:00:00Z', '2033-01-01T00:00:00Z')).toEqual(['2028-02-29', '2032-02-29'])
    expect(datesOf('0 0 8 * 2 *', '2028-02-27T00:00:00Z', '2028-03-03T00:00:00Z', ['* * * 29 2 *'])).toEqual(['2028-02-27', '2028-02-28'])
    expect(datesOf('0 0 8 * 2 *', '2027-02-27T00:00:00Z', '2027-03-03T00:00:00Z', ['* * * 29 2 *'])).toEqual(['2027-02-27', '2027-02-28'])
  })

  test('the leap day of 2096 runs, although the next one is eight years away', () => {
    expect(datesOf('0 0 8 29 2 *', '2096-02-01T00:00:00Z', '2096-03-08T00:00:00Z')).toEqual(['2096-02-29'])
  })

  test('the last day of a month: the 31st where there is one, and never the 1st instead', () => {
    expect(datesOf('0 0 8 31 * *', '2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z')).toEqual(
      [1, 3, 5, 7, 8, 10, 12].map((month) => `2026-${String(month).padStart(2, '0')}-31`),
    )
    expect(datesOf('0 0 8 30 * *', '2026-01-01T00:00:00Z', '2026-04-01T00:00:00Z')).toEqual(['2026-01-30', '2026-03-30'])
    expect(datesOf('0 0 8 28-31 * *', '2028-02-25T00:00:00Z', '2028-03-05T00:00:00Z')).toEqual(['2028-02-28', '2028-02-29'])
    // What crosses from the last day into the first is one window.
    const rules = [ruleOf('open', '0 0 22 31 * *', 5), ruleOf('close', '0 0 2 1 * *', 2)]
    const ticks = everyMinute('2026-12-31T21:00:00Z', '2027-01-01T03:00:00Z')
    expect(playThrough(targetWith(replicas(2)), configOf({ rules }), ticks).changes.map(({ now }) => now)).toEqual([
      '2026-12-31T22:00:00Z',
      '2027-01-01T02:00:00Z',
    ])
    const [step] = planOf([targetWith(replicas(2))], configOf({ rules: [ruleOf('last', '0 0 8 L * *', 5)] }), at('2026-11-30T08:00:00Z'))
    expect(step?.reason.text).toContain('field 4 (day of month) "L"')
  })
})

describe('in a cluster', () => {
  const morning = '2026-11-24T00:00:05Z'
  let stage: Stage
  let folder: string

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cron-scaler-regressions-'))
    stage = await openStage(morning)
  })

  afterEach(async () => {
    await stage.close()
    rmSync(folder, { recursive: true })
  })

  /** A runner of its own, as Lambda has it; runners of one name share their store. */
  function runner(store: string, rules: readonly unknown[], more: { readonly onSend?: (nth: number) => void } = {}) {
    const compiledConfig = join(folder, `${store}.json`)
    const config = {
      mode: 'enforce',
      platform: { endpoint: stage.sandbox.url, region: 'ap-guangzhou' },
      clusters: [{ id: clusterA }],
      store: { kind: 'sqlite', path: join(folder, `${store}.db`) },
      functions: { 'cron-scaler': { timeZone: 'UTC', rules } },
    }
    writeFileSync(compiledConfig, JSON.stringify(config))
    const clock: Clock = { ...systemClock, now: () => stage.sandbox.clock.now() }
    let sent = 0
    return defineSchedule(definition, {
      environment: () => ({ TENCENTCLOUD_SECRET_ID: sandboxSecretId, TENCENTCLOUD_SECRET_KEY: sandboxSecretKey }),
      clock,
      writeLine: () => undefined,
      compiledConfig,
      createTransport: (options) => {
        const transport = createTransport(options)
        const send: typeof transport.send = (request) => {
          sent += 1
          more.onSend?.(sent)
          return transport.send(request)
        }
        return { send, close: () => transport.close() }
      },
    })
  }

  type Runner = ScheduleHandler<unknown, unknown, unknown> | ReturnType<typeof runner>

  const tick = async (run: Runner, text: string) => {
    const { decisions } = await run({ trigger: 'local', scheduledAt: text.replace('Z', '.000Z') })
    return decisions.map(({ outcome, reason }) => `${outcome} ${reason.code}`)
  }

  const hpaPath = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/web'
  const day = ruleOf('day', '0 0 0 * * *', [10, 50], { cluster: clusterA })
  const night = ruleOf('night', '0 0 12 * * *', [2, 6], { cluster: clusterA })

  test("an HPA's maximum comes down again, both bounds in one patch", async () => {
    stage.put(web(3))
    stage.put(autoscalerV1({ namespace: 'default', name: 'web', target: 'web', minReplicas: 2, maxReplicas: 6, cpuPercent: 60 }))
    expect(outcomes(await stage.tick({ rules: [day, night] }))).toEqual(['Applied due'])
    expect((await shownSize(stage, hpaPath)).spec).toMatchObject({ minReplicas: 10, maxReplicas: 50 })
    stage.at('2026-11-24T12:00:05Z')
    expect(outcomes(await stage.tick({ rules: [day, night] }))).toEqual(['Applied due'])
    expect((await shownSize(stage, hpaPath)).spec).toMatchObject({ minReplicas: 2, maxReplicas: 6 })
    expect(stage.writes()).toEqual([`PATCH ${hpaPath}`, `PATCH ${hpaPath}`])
  })

  test("an HPA's minimum is raised though the replicas are already high", async () => {
    stage.put(deployment({ namespace: 'default', name: 'web', image: 'registry.example/web:1', replicas: 30 }))
    stage.put(autoscalerV1({ namespace: 'default', name: 'web', target: 'web', minReplicas: 2, maxReplicas: 50, cpuPercent: 60 }))
    await stage.person('PATCH', `${hpaPath}/status`, { status: { currentReplicas: 30, desiredReplicas: 30 } })
    expect(outcomes(await stage.tick({ rules: [day, night] }))).toEqual(['Applied due'])
    expect((await shownSize(stage, hpaPath)).spec).toMatchObject({ minReplicas: 10, maxReplicas: 50 })
    expect((await shownSize(stage, webPath)).spec.replicas).toBe(30)
  })

  test('a run-once that failed is retried within its deadline, and runs once', async () => {
    stage.put(web(2))
    const run = runner('one', [ruleOf('once', '0 0 0 * * *', 5, { cluster: clusterA, runOnce: true })])
    stage.sandbox.faults.add({ fault: { kind: 'rbac-403' }, match: { effect: 'write' }, count: 2 })
    // A run in which everything failed counts as an error of the platform's, so that somebody hears of it.
    await expect(tick(run, morning)).rejects.toThrow('nothing was achieved (Failed 1)')
    stage.at('2026-11-24T00:01:05Z')
    await expect(tick(run, '2026-11-24T00:01:05Z')).rejects.toThrow('nothing was achieved (Failed 1)')
    expect((await shownSize(stage, webPath)).spec.replicas).toBe(2)
    stage.at('2026-11-24T00:02:05Z')
    expect(await tick(run, '2026-11-24T00:02:05Z')).toEqual(['Applied late'])
    expect(await shownSize(stage, webPath)).toMatchObject({ spec: { replicas: 5 }, record: { nominalMs: at('2026-11-24T00:00:00Z') } })
    await stage.person('PATCH', webPath, { spec: { replicas: 3 } })
    stage.at('2026-11-25T00:00:05Z')
    expect(await tick(run, '2026-11-25T00:00:05Z')).toEqual(['NoChange already-applied'])
    expect(await shownSize(stage, webPath)).toMatchObject({ spec: { replicas: 3 }, record: { epoch: 1 } })
  })

  test('a run-once that failed until its deadline was over is missed, and says so', async () => {
    stage.put(web(2))
    const rule = ruleOf('once', '0 0 0 24 11 *', 5, { cluster: clusterA, runOnce: true, startingDeadline: '10m' })
    const run = runner('one', [rule])
    const fault = stage.sandbox.faults.add({ fault: { kind: 'rbac-403' }, match: { effect: 'write' } })
    await expect(tick(run, morning)).rejects.toThrow('nothing was achieved')
    stage.sandbox.faults.remove(fault)
    stage.at('2026-11-24T00:10:05Z')
    expect(await tick(run, '2026-11-24T00:10:05Z')).toEqual(['Missed deadline-passed'])
    expect(await shownSize(stage, webPath)).toMatchObject({ spec: { replicas: 2 }, record: undefined })
  })

  test.each([
    ['that share their store', 'one', 'one'],
    ['with a store each, who know nothing of each other', 'one', 'other'],
  ])('two runners at once %s: one effect', async (_, left, right) => {
    stage.put(web(2))
    const rules = [ruleOf('up', '0 0 0 * * *', 5, { cluster: clusterA })]
    for (let round = 0; round < 5; round += 1) {
      const text = iso(at(morning) + round * dayMs)
      stage.at(text)
      await stage.person('PATCH', webPath, { spec: { replicas: 2 } })
      const answers = (await Promise.all([left, right].map((store) => tick(runner(store, rules), text)))).flat()
      expect(answers.filter((answer) => answer === 'Applied due')).toHaveLength(1)
      expect(answers).toHaveLength(2)
      expect(await shownSize(stage, webPath)).toMatchObject({ spec: { replicas: 5 }, record: { epoch: round + 1 } })
    }
  })

  test('two HPC objects and two runners for one target: one effect, and the later firing is it', async () => {
    stage.put(web(2))
    for (const object of webSchedules([
      { name: 'up', schedule: '0 0 8 * * *', targetSize: 5 },
      { name: 'more', schedule: '5 0 8 * * *', targetSize: 6 },
    ]))
      stage.put(object)
    const played = (await Promise.all([stage.tick(), stage.tick()])).flatMap(outcomes)
    expect(played.filter((text) => text.startsWith('Applied'))).toHaveLength(1)
    expect(await shownSize(stage, webPath)).toMatchObject({ spec: { replicas: 6 }, record: { epoch: 1, owner: 'hpc/default/web/more' } })
  })

  test('a clock is read once per tick: what becomes due while a tick reads the cluster is the next one’s', async () => {
    stage.put(web(2))
    stage.put(deployment({ namespace: 'default', name: 'api', image: 'registry.example/api:1', replicas: 2 }))
    const rules = ['web', 'api'].map((name) =>
      ruleOf(name, '0 0 1 * * *', 5, { cluster: clusterA, target: { kind: 'Deployment', name }, startingDeadline: '10m' }),
    )
    // Each call of this runner takes three seconds: it is past 01:00 before its lists are there.
    const run = runner('one', rules, { onSend: () => stage.sandbox.clock.move(3000) })
    stage.at('2026-11-24T00:59:58Z')
    const report = await run({ trigger: 'local', scheduledAt: '2026-11-24T00:59:00.000Z' })
    expect(stage.sandbox.clock.now()).toBeGreaterThan(at('2026-11-24T01:00:00Z'))
    expect(report.now).toBe(at('2026-11-24T00:59:58Z'))
    expect(report.decisions.map(({ outcome, reason }) => `${outcome} ${reason.code}`)).toEqual([
      'Missed deadline-passed',
      'Missed deadline-passed',
    ])
    for (const { reason } of report.decisions) expect(reason.text).toContain('fired at Mon 2026-11-23 01:00:00 UTC, 23h59m58s ago')
    expect(stage.writes()).toEqual([])
    // The next one does both, and for the same instant.
    stage.at('2026-11-24T01:01:05Z')
    expect(await tick(run, '2026-11-24T01:01:05Z')).toEqual(['Applied due', 'Applied due'])
    const records = await Promise.all([webPath, webPath.replace('web', 'api')].map((path) => shownSize(stage, path)))
    for (const { record } of records) expect(record?.decidedMs).toBe(at('2026-11-24T01:01:05Z'))
  })
})

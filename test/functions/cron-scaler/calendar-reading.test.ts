import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { systemClock } from '#cloud/clock.ts'
import { createTransport } from '#cloud/transport.ts'
import { rangeText } from '#functions/cron-scaler/calendar-days.ts'
import {
  type CalendarReadings,
  calendarsOf,
  calendarWarnings,
  readCalendars,
  rememberCalendars,
} from '#functions/cron-scaler/calendar-reading.ts'
import { ruleContext } from '#functions/cron-scaler/configured-rules.ts'
import { Settings } from '#functions/cron-scaler/event.ts'
import { createFetcher, type Fetcher } from '#shared/runtime/fetcher.ts'
import { createMemory, type MemoryWriter, noMemory } from '#shared/runtime/memory.ts'
import { StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'

const start = Date.parse('2026-11-24T08:00:00Z')
const minute = 60_000
const hour = 3_600_000
const day = 24 * hour

const calendarText = (...days: string[]): string =>
  [
    'BEGIN:VCALENDAR',
    ...days.flatMap((one) => ['BEGIN:VEVENT', `DTSTART;VALUE=DATE:${one}`, 'SUMMARY:closed', 'END:VEVENT']),
    'END:VCALENDAR',
    '',
  ].join('\r\n')

let server: Server
let host: string
/** What the server answers, and how often it was asked. */
let answer: { status: number; body: string }
let asked: string[]
let fetcher: Fetcher
let memory: MemoryWriter
let now: number

beforeEach(async () => {
  answer = { status: 200, body: calendarText('20261225', '20270101') }
  asked = []
  now = start
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    response.writeHead(answer.status, { 'content-type': 'text/calendar' }).end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  fetcher = createFetcher({
    settings: { allowedHosts: [host], allowInsecureHttp: false },
    clock: systemClock,
    createTransport,
    environment: {},
  })
  memory = createMemory(openMemoryStore(new MemoryDisk()), { function: 'cron-scaler', now: () => now })
})

afterEach(async () => {
  await fetcher.close()
  await new Promise((resolve) => server.close(resolve))
})

const settingsOf = (calendars: z.input<typeof Settings>['calendars'], timeZone = 'Asia/Shanghai') =>
  z.parse(Settings, { calendars, timeZone })
const settings = () => settingsOf({ cn: { url: `http://${host}/cn.ics` } })

/** One run: reads, and remembers as the runtime does. */
async function run(config = settings()): Promise<CalendarReadings> {
  const readings = await readCalendars(config, { memory, fetchText: fetcher.fetchText }, now)
  await rememberCalendars(readings, memory)
  return readings
}

function daysOf(readings: CalendarReadings, name = 'cn'): string[] {
  const reading = readings[name]
  if (reading === undefined || 'problem' in reading) throw new Error(reading?.problem ?? 'it was not read')
  return reading.calendar.holidays.map(rangeText)
}

function problemOf(readings: CalendarReadings, name = 'cn'): string {
  const reading = readings[name]
  if (reading === undefined || !('problem' in reading)) throw new Error('it was read')
  return reading.problem
}

describe('a calendar with an address', () => {
  test('is fetched once a day, and is at hand between', async () => {
    expect(daysOf(await run())).toEqual(['2026-12-25', '2027-01-01'])
    answer.body = calendarText('20270215')
    now = start + 23 * hour
    expect(daysOf(await run())).toEqual(['2026-12-25', '2027-01-01'])
    expect(asked).toEqual(['GET /cn.ics'])
    now = start + 24 * hour
    const readings = await run()
    expect(daysOf(readings)).toEqual(['2027-02-15'])
    expect(readings.cn).toMatchObject({ fetchedAt: now })
    expect(asked).toHaveLength(2)
    expect(calendarWarnings(readings)).toEqual([])
  })

  test('that cannot be had any more is used for a week, with a warning, and is a problem then', async () => {
    await run()
    answer = { status: 500, body: '' }
    now = start + 2 * day
    const stale = await run()
    expect(daysOf(stale)).toEqual(['2026-12-25', '2027-01-01'])
    expect(calendarWarnings(stale)).toEqual([
      {
        calendar: 'cn',
        text: expect.stringMatching(
          /no newer one can be had \(.*500.*\); the one of 2026-11-24 08:00 UTC is used until 2026-12-01 08:00 UTC, and then its rules are held/s,
        ),
      },
    ])
    now = start + 7 * day - 1
    expect(daysOf(await run())).toEqual(['2026-12-25', '2027-01-01'])
    now = start + 7 * day
    expect(problemOf(await run())).toMatch(/500/)
    // And as soon as it is there again all is well.
    answer = { status: 200, body: calendarText('20270501') }
    now += minute
    expect(daysOf(await run())).toEqual(['2027-05-01'])
  })

  test('that failed is not tried at every tick while there is a usable one', async () => {
    await run()
    answer = { status: 503, body: '' }
    now = start + 2 * day
    for (let tick = 0; tick < 10; tick += 1) {
      expect(calendarWarnings(await run())).toHaveLength(1)
      now += minute
    }
    expect(asked).toHaveLength(2)
    await run()
    expect(asked).toHaveLength(3)
  })

  test('without a usable one it is tried at every tick, and is never an empty calendar', async () => {
    answer = { status: 404, body: '' }
    for (let tick = 0; tick < 3; tick += 1) {
      const readings = await run()
      expect(problemOf(readings)).toMatch(/404/)
      expect(ruleContext(settings(), now, calendarsOf(readings)).calendars.get('cn')).toEqual({ problem: expect.stringMatching(/404/) })
      now += minute
    }
    expect(asked).toHaveLength(3)
  })

  test.each([
    ['BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n', /no event/],
    [calendarText('20261225').slice(0, 60), /cut off|not begun/],
    ['<html>please log in</html>', /line 1: .*web page/],
    ['', /begins with BEGIN:VCALENDAR/],
    ['x'.repeat(1024 * 1024 + 1), /1048576|MiB/],
  ])('that answers %j leaves the one at hand in use', async (body, why) => {
    await run()
    answer.body = body
    now = start + 25 * hour
    const readings = await run()
    expect(daysOf(readings)).toEqual(['2026-12-25', '2027-01-01'])
    expect(calendarWarnings(readings)[0]?.text).toMatch(why)
  })

  test('is read anew when its settings change, and never taken for another one', async () => {
    answer.body = [
      'BEGIN:VCALENDAR',
      'BEGIN:VEVENT',
      'DTSTART:20261224T200000Z',
      'DTEND:20261225T040000Z',
      'END:VEVENT',
      'END:VCALENDAR',
      '',
    ].join('\r\n')
    expect(daysOf(await run())).toEqual(['2026-12-25'])
    expect(daysOf(await run(settingsOf({ cn: { url: `http://${host}/cn.ics` } }, 'UTC')))).toEqual(['2026-12-24..2026-12-25'])
    answer.body = JSON.stringify({ holidays: ['2026-12-26'] })
    expect(daysOf(await run(settingsOf({ cn: { url: `http://${host}/other.json` } })))).toEqual(['2026-12-26'])
    answer = { status: 500, body: '' }
    // The one at hand is of the other address.
    expect(problemOf(await run())).toMatch(/500/)
  })

  test('says when it has run out, which closes no day and looks like all is well', async () => {
    answer.body = calendarText('20251001', '20261001')
    expect(calendarWarnings(await run())).toEqual([
      { calendar: 'cn', text: 'it says nothing about any day after 2026-10-01, so it closes none: look for a newer one' },
    ])
  })

  test('of a host that is not listed is a problem that says so', async () => {
    expect(problemOf(await run(settingsOf({ cn: { url: 'https://calendars.invalid/cn.ics' } })))).toMatch(
      /calendars\.invalid.*allowedHosts/s,
    )
    expect(asked).toEqual([])
  })

  test('one that cannot be read spoils no other, and shows nothing of its address but the host', async () => {
    const both = settingsOf({
      cn: { url: `http://${host}/cn.ics` },
      de: { url: `http://${host}/secret-path-of-somebody.yaml?token=abc`, holidays: ['2026-12-24'] },
    })
    const readings = await run(both)
    expect(daysOf(readings)).toEqual(['2026-12-25', '2027-01-01'])
    expect(problemOf(readings, 'de')).toMatch(/write format: ics/)
    expect(JSON.stringify(readings)).not.toMatch(/secret-path|abc/)
  })

  test('follows what repeats from last year to three years ahead', async () => {
    answer.body = [
      'BEGIN:VCALENDAR',
      'BEGIN:VEVENT',
      'DTSTART;VALUE=DATE:20000101',
      'RRULE:FREQ=YEARLY',
      'END:VEVENT',
      'END:VCALENDAR',
      '',
    ].join('\r\n')
    expect(daysOf(await run())).toEqual(['2025-01-01', '2026-01-01', '2027-01-01', '2028-01-01', '2029-01-01'])
  })

  test('a clock that was set back does not make a copy younger for ever', async () => {
    now = start + 30 * day
    await run()
    now = start
    await run()
    expect(asked).toHaveLength(2)
  })
})

describe('what is remembered', () => {
  test('is gone when it is of no use any more', async () => {
    await run()
    expect(await memory.get('calendar/cn')).toBeDefined()
    now = start + 9 * day
    expect(await memory.get('calendar/cn')).toBeUndefined()
  })

  test('and was left by another version, or garbled, is passed over and replaced', async () => {
    for (const value of [null, 'text', { format: 2 }, { format: 1, source: 'x', fetchedAt: 'yesterday', holidays: [], workdays: [] }]) {
      await memory.put('calendar/cn', value)
      asked = []
      expect(daysOf(await run())).toEqual(['2026-12-25', '2027-01-01'])
      expect(asked).toHaveLength(1)
      await run()
      expect(asked).toHaveLength(1)
    }
  })

  test('of two runners that both fetched, the first one’s stays', async () => {
    const around = { memory, fetchText: fetcher.fetchText }
    const one = await readCalendars(settings(), around, now)
    const other = await readCalendars(settings(), around, now + 1)
    await rememberCalendars(one, memory)
    await rememberCalendars(other, memory)
    expect((await memory.get('calendar/cn'))?.value).toMatchObject({ fetchedAt: now })
  })

  test('is not there when the store cannot be used: the calendar is fetched all the same', async () => {
    const broken = { ...noMemory, get: () => Promise.reject(new StoreError('store.unavailable', 'the store is gone')) }
    expect(daysOf(await readCalendars(settings(), { memory: broken, fetchText: fetcher.fetchText }, now))).toEqual([
      '2026-12-25',
      '2027-01-01',
    ])
  })
})

describe('calendars without an address', () => {
  test('cost nothing, and those with a file say where it should have been read', async () => {
    const readings = await run(settingsOf({ inline: { holidays: ['2026-12-25'] }, file: { file: 'cn.ics' } }))
    expect(Object.keys(readings)).toEqual(['file'])
    expect(problemOf(readings, 'file')).toMatch(/package again/)
    expect(asked).toEqual([])
    expect(await memory.list('')).toEqual([])
  })
})

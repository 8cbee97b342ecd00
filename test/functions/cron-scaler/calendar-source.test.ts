import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { mergeRanges, rangeText } from '#functions/cron-scaler/calendar-days.ts'
import { parseCalendar } from '#functions/cron-scaler/calendar-source.ts'
import { type Calendar, excludedBy, parseExcludes } from '#functions/cron-scaler/excludes.ts'
import { civilOf, dateOfDay, dayNumber, weekdayOfDay } from '#shared/pure/civil.ts'

const options = { fromYear: 2025, toYear: 2029, timeZone: 'Asia/Shanghai' }

type Options = Parameters<typeof parseCalendar>[2]

const event = (...lines: string[]): string => ['BEGIN:VEVENT', ...lines, 'END:VEVENT'].join('\r\n')
const ics = (...parts: string[]): string => ['BEGIN:VCALENDAR', 'VERSION:2.0', ...parts, 'END:VCALENDAR', ''].join('\r\n')

async function read(text: string, kind: 'ics' | 'yaml' = 'ics', more: Partial<Options> = {}) {
  const parsed = await parseCalendar(text, kind, { ...options, ...more })
  if (!parsed.ok) throw new Error(parsed.error)
  return { holidays: parsed.value.holidays.map(rangeText), workdays: parsed.value.workdays.map(rangeText) }
}

async function refusal(text: string, kind: 'ics' | 'yaml' = 'ics', more: Partial<Options> = {}): Promise<string> {
  const parsed = await parseCalendar(text, kind, { ...options, ...more })
  if (parsed.ok) throw new Error('it was read')
  return parsed.error
}

const holidaysOf = async (...lines: string[]) => (await read(ics(event(...lines)))).holidays

describe('an iCalendar', () => {
  test('closes the days of its events; the end is exclusive, and neighbours become one stretch', async () => {
    const text = ics(
      event('UID:1', 'DTSTART;VALUE=DATE:20261001', 'DTEND;VALUE=DATE:20261004', 'SUMMARY:国庆节'),
      event('UID:2', 'DTSTART;VALUE=DATE:20261004', 'DURATION:P4D', 'SUMMARY:国庆节'),
      event('UID:3', 'DTSTART;VALUE=DATE:20260101', 'SUMMARY:New Year'),
      event('UID:4', 'DTSTART;VALUE=DATE:20261010', 'DTEND;VALUE=DATE:20261010', 'SUMMARY:an end at its beginning'),
    )
    expect(await read(text)).toEqual({ holidays: ['2026-01-01', '2026-10-01..2026-10-07', '2026-10-10'], workdays: [] })
  })

  test('reads lines that are folded, ends of lines of any kind, a byte order mark and small letters', async () => {
    const text = '\uFEFFbegin:vcalendar\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:2026\n 1001\nSUMMARY:国庆\n\t节 补班\nend:vevent\nEND:VCALENDAR'
    expect(await read(text)).toEqual({ holidays: [], workdays: ['2026-10-01'] })
  })

  test.each([
    // Wall clocks of the event's own zone, whatever the zone of the settings.
    [['DTSTART;TZID=America/New_York:20261126T000000', 'DTEND;TZID=America/New_York:20261127T000000'], ['2026-11-26']],
    [['DTSTART;TZID=Asia/Shanghai:20261001T080000', 'DTEND;TZID=Asia/Shanghai:20261002T000001'], ['2026-10-01..2026-10-02']],
    // In UTC: as it is where the calendar is at home.
    [['DTSTART:20260930T160000Z', 'DTEND:20261007T160000Z'], ['2026-10-01..2026-10-07']],
    [['DTSTART:20260930T155959Z', 'DTEND:20261007T160000Z'], ['2026-09-30..2026-10-07']],
    [['DTSTART:20261001T000000', 'DURATION:PT24H'], ['2026-10-01']],
    [['DTSTART:20261001T120000'], ['2026-10-01']],
    [['DTSTART;TZID=Asia/Shanghai:20261001T000000', 'DTEND:20261007T160000Z'], ['2026-10-01..2026-10-07']],
    [['DTSTART;TZID=Asia/Kathmandu:20261001T000000', 'DTEND;TZID=Asia/Shanghai:20261002T021500'], ['2026-10-01']],
    [['DTSTART;TZID=Asia/Kathmandu:20261001T000000', 'DTEND;TZID=Asia/Shanghai:20261002T021501'], ['2026-10-01..2026-10-02']],
    // The end is in the gap of another zone's clocks.
    [['DTSTART;TZID=UTC:20260329T000000', 'DTEND;TZID=Europe/Berlin:20260329T023000'], ['2026-03-29']],
    [['DTSTART;TZID=/example.org/20260101_1/Asia/Shanghai:20261001T000000', 'DTEND:20261001T160000Z'], ['2026-10-01']],
  ])('%j is on %j', async (lines, expected) => {
    expect(await holidaysOf(...lines)).toEqual(expected)
  })

  test('takes its own zone before that of the settings, for times in UTC', async () => {
    const body = event('DTSTART:20261001T000000Z', 'DTEND:20261002T000000Z')
    expect((await read(ics('X-WR-TIMEZONE:Pacific/Kiritimati', body))).holidays).toEqual(['2026-10-01..2026-10-02'])
    expect((await read(ics('X-WR-TIMEZONE:UTC', body))).holidays).toEqual(['2026-10-01'])
    expect((await read(ics('X-WR-TIMEZONE:nowhere', body), 'ics', { timeZone: 'UTC' })).holidays).toEqual(['2026-10-01'])
  })

  test('knows zones that only the calendar defines, where their clocks do not change or are named', async () => {
    const zone = (name: string, ...lines: string[]) => ['BEGIN:VTIMEZONE', `TZID:${name}`, ...lines, 'END:VTIMEZONE'].join('\r\n')
    const part = (name: string, to: string) => [
      `BEGIN:${name}`,
      'DTSTART:16010101T000000',
      'TZOFFSETFROM:+0100',
      `TZOFFSETTO:${to}`,
      `END:${name}`,
    ]
    const holiday = (name: string) => event(`DTSTART;TZID=${name}:20261001T000000`, 'DTEND:20261001T160000Z')
    const china = zone('China Standard Time', ...part('STANDARD', '+0800'))
    expect((await read(ics(china, holiday('China Standard Time')))).holidays).toEqual(['2026-10-01'])
    const berlin = zone('Mine', 'X-LIC-LOCATION:Europe/Berlin', ...part('STANDARD', '+0100'), ...part('DAYLIGHT', '+0200'))
    expect((await read(ics(berlin, holiday('Mine')))).holidays).toEqual(['2026-10-01'])
    const changing = zone('Changing', ...part('STANDARD', '+0100'), ...part('DAYLIGHT', '+0200'))
    expect(await refusal(ics(changing, holiday('Changing')))).toMatch(
      /line \d+: the event is in the time zone "Changing", which is unknown here/,
    )
    // Where nothing has to be told in another zone, the name does not matter.
    expect(await holidaysOf('DTSTART;TZID=Unknown:20261001T000000', 'DTEND;TZID=Unknown:20261002T000000')).toEqual(['2026-10-01'])
  })

  test('follows what repeats from last year to three years ahead, and what does not in any year', async () => {
    const text = ics(
      event('UID:1', 'DTSTART;VALUE=DATE:20000101', 'RRULE:FREQ=YEARLY', 'SUMMARY:New Year'),
      event('UID:2', 'DTSTART;VALUE=DATE:20240501', 'RRULE:FREQ=YEARLY;UNTIL=20270501', 'SUMMARY:Labour Day'),
      event('UID:3', 'DTSTART;VALUE=DATE:19491001', 'SUMMARY:once'),
      event('UID:4', 'DTSTART;VALUE=DATE:20401001', 'SUMMARY:once'),
    )
    expect((await read(text)).holidays).toEqual([
      '1949-10-01',
      '2025-01-01',
      '2025-05-01',
      '2026-01-01',
      '2026-05-01',
      '2027-01-01',
      '2027-05-01',
      '2028-01-01',
      '2029-01-01',
      '2040-10-01',
    ])
    // What begins before the first year and lasts into it.
    expect(await holidaysOf('DTSTART;VALUE=DATE:20201231', 'DURATION:P3D', 'RRULE:FREQ=YEARLY;COUNT=6')).toEqual([
      '2024-12-31..2025-01-02',
      '2025-12-31..2026-01-02',
    ])
  })

  test.each([
    // The last one would begin at midnight of 2 October in Shanghai, which is 16:00 of the day before in UTC.
    ['20261001T160000Z', ['2026-10-01..2026-10-02']],
    ['20261001T155959Z', ['2026-10-01']],
    ['20261002T000000', ['2026-10-01..2026-10-02']],
    ['20261001', ['2026-10-01']],
  ])('ends with UNTIL=%s at %j', async (until, expected) => {
    const lines = [
      'DTSTART;TZID=Asia/Shanghai:20261001T000000',
      'DTEND;TZID=Asia/Shanghai:20261002T000000',
      `RRULE:FREQ=DAILY;UNTIL=${until}`,
    ]
    expect(await holidaysOf(...lines)).toEqual(expected)
  })

  test('leaves out dates that are taken away, and adds those that are given', async () => {
    const lines = [
      'UID:1',
      'DTSTART;VALUE=DATE:20260101',
      'RRULE:FREQ=MONTHLY;COUNT=5',
      'EXDATE;VALUE=DATE:20260201,20260401',
      'EXDATE;VALUE=DATE:20260501',
      'RDATE;VALUE=DATE:20260615,20260701',
    ]
    expect(await holidaysOf(...lines)).toEqual(['2026-01-01', '2026-03-01', '2026-06-15', '2026-07-01'])
    const zoned = ['DTSTART;TZID=Asia/Shanghai:20260101T000000', 'DURATION:P1D', 'RRULE:FREQ=DAILY;COUNT=3', 'EXDATE:20260101T160000Z']
    expect(await holidaysOf(...zoned)).toEqual(['2026-01-01', '2026-01-03'])
  })

  test('moves, renames and cancels single occurrences', async () => {
    const text = ics(
      event('UID:1', 'DTSTART;VALUE=DATE:20260105', 'RRULE:FREQ=WEEKLY;COUNT=5', 'SUMMARY:closed'),
      event('UID:1', 'RECURRENCE-ID;VALUE=DATE:20260112', 'DTSTART;VALUE=DATE:20260114', 'DTEND;VALUE=DATE:20260116', 'SUMMARY:moved'),
      event('UID:1', 'RECURRENCE-ID;VALUE=DATE:20260119', 'DTSTART;VALUE=DATE:20260119', 'STATUS:CANCELLED', 'SUMMARY:closed'),
      event('UID:1', 'RECURRENCE-ID;VALUE=DATE:20260126', 'DTSTART;VALUE=DATE:20260126', 'SUMMARY:补班'),
      // Of two versions the newer one counts.
      event('UID:1', 'RECURRENCE-ID;VALUE=DATE:20260202', 'SEQUENCE:2', 'DTSTART;VALUE=DATE:20260203', 'SUMMARY:newer'),
      event('UID:1', 'RECURRENCE-ID;VALUE=DATE:20260202', 'SEQUENCE:1', 'DTSTART;VALUE=DATE:20260206', 'SUMMARY:older'),
      // It replaces nothing that the event has, so it stands for itself.
      event('UID:1', 'RECURRENCE-ID;VALUE=DATE:20260301', 'DTSTART;VALUE=DATE:20260302', 'SUMMARY:extra'),
      event('UID:alone', 'RECURRENCE-ID;VALUE=DATE:20260401', 'DTSTART;VALUE=DATE:20260402', 'SUMMARY:without the event'),
    )
    expect(await read(text)).toEqual({
      holidays: ['2026-01-05', '2026-01-14..2026-01-15', '2026-02-03', '2026-03-02', '2026-04-02'],
      workdays: ['2026-01-26'],
    })
  })

  test('changes an occurrence and all later ones', async () => {
    const text = ics(
      event('UID:1', 'DTSTART;VALUE=DATE:20260105', 'RRULE:FREQ=WEEKLY;COUNT=5', 'SUMMARY:closed'),
      event('UID:1', 'RECURRENCE-ID;RANGE=THISANDFUTURE;VALUE=DATE:20260119', 'DTSTART;VALUE=DATE:20260120', 'SUMMARY:a day later'),
      event('UID:1', 'RECURRENCE-ID;VALUE=DATE:20260126', 'DTSTART;VALUE=DATE:20260130', 'SUMMARY:but this one'),
    )
    expect((await read(text)).holidays).toEqual(['2026-01-05', '2026-01-12', '2026-01-20', '2026-01-30', '2026-02-03'])
  })

  test('tells an occurrence by its day in the zone of the event, in whatever zone the replacement is', async () => {
    const text = ics(
      event('UID:1', 'DTSTART;TZID=Asia/Shanghai:20260105T000000', 'DURATION:P1D', 'RRULE:FREQ=DAILY;COUNT=2', 'SUMMARY:closed'),
      event('UID:1', 'RECURRENCE-ID:20260105T160000Z', 'DTSTART;TZID=America/New_York:20260108T000000', 'DURATION:P1D', 'SUMMARY:moved'),
    )
    expect((await read(text)).holidays).toEqual(['2026-01-05', '2026-01-08'])
  })

  test('takes the newest version of an event, and all events that share a UID by mistake', async () => {
    const versions = ics(
      event('UID:1', 'SEQUENCE:3', 'DTSTART;VALUE=DATE:20260105', 'SUMMARY:newer'),
      event('UID:1', 'SEQUENCE:1', 'DTSTART;VALUE=DATE:20260106', 'SUMMARY:older'),
      event('UID:2', 'DTSTART;VALUE=DATE:20260201', 'SUMMARY:one'),
      event('UID:2', 'DTSTART;VALUE=DATE:20260301', 'SUMMARY:other'),
    )
    expect((await read(versions)).holidays).toEqual(['2026-01-05', '2026-02-01', '2026-03-01'])
  })

  test.each([
    '国庆节 补班 第1天/共2天',
    '國慶補行上班',
    '春节（班）',
    '春节(班)',
    '国庆节（调休上班）',
    '班｜春节',
    'Make-up day for the Spring Festival',
    'Special Working Day',
    'workday (swapped)',
  ])('%s is worked', async (summary) => {
    expect((await read(ics(event('DTSTART;VALUE=DATE:20260214', `SUMMARY:${summary}`)))).workdays).toEqual(['2026-02-14'])
  })

  test.each(['国庆节 假期 第1天/共7天', '春节（休）', 'Non-working day', 'Not a working day', 'No workday', 'Workers’ Day', ''])(
    '%s is free',
    async (summary) => {
      expect((await read(ics(event('DTSTART;VALUE=DATE:20260214', `SUMMARY:${summary}`)))).holidays).toEqual(['2026-02-14'])
    },
  )

  test('tells worked days by a pattern of the settings, and by nothing else then', async () => {
    const text = ics(
      event('DTSTART;VALUE=DATE:20260214', 'SUMMARY:Einarbeitung Rosenmontag'),
      event('DTSTART;VALUE=DATE:20260216', 'SUMMARY:补班'),
    )
    expect(await read(text, 'ics', { workdayPattern: '^einarbeitung\\b' })).toEqual({ holidays: ['2026-02-16'], workdays: ['2026-02-14'] })
    expect(await refusal(text, 'ics', { workdayPattern: '(?<=x)y' })).toMatch(/the pattern for workdays "\(\?<=x\)y" is none of RE2/)
  })

  test('goes by the marks of a calendar that marks its days, and passes over observances', async () => {
    const text = ics(
      event(
        'UID:1',
        'DTSTART;VALUE=DATE:20260925',
        'DTEND;VALUE=DATE:20260928',
        'SUMMARY:中秋节（休）',
        'X-APPLE-SPECIAL-DAY:WORK-HOLIDAY',
      ),
      event('UID:2', 'DTSTART;VALUE=DATE:20260920', 'SUMMARY:国庆节', 'X-APPLE-SPECIAL-DAY:ALTERNATE-WORKDAY'),
      event('UID:3', 'DTSTART;VALUE=DATE:20260312', 'SUMMARY:植树节'),
      event('UID:4', 'DTSTART;VALUE=DATE:20260204', 'SUMMARY:立春', 'X-APPLE-SPECIAL-DAY:TRUE'),
    )
    expect(await read(text)).toEqual({ holidays: ['2026-09-25..2026-09-27'], workdays: ['2026-09-20'] })
  })

  test('passes over what is cancelled and what is no event', async () => {
    const text = ics(
      event('UID:1', 'DTSTART;VALUE=DATE:20260101', 'STATUS:CANCELLED'),
      event('UID:2', 'DTSTART;VALUE=DATE:20260102', 'BEGIN:VALARM', 'TRIGGER:-PT15M', 'ACTION:DISPLAY', 'END:VALARM'),
      ['BEGIN:VTODO', 'UID:3', 'DTSTART;VALUE=DATE:20260103', 'END:VTODO'].join('\r\n'),
    )
    expect((await read(text)).holidays).toEqual(['2026-01-02'])
  })

  test('may be several calendars one after the other', async () => {
    const one = ics(event('UID:1', 'DTSTART;VALUE=DATE:20260101'))
    const other = ics(event('UID:1', 'DTSTART;VALUE=DATE:20260301'))
    expect((await read(one + other)).holidays).toEqual(['2026-01-01', '2026-03-01'])
  })
})

describe('an iCalendar that cannot be read whole', () => {
  const good = event('DTSTART;VALUE=DATE:20260101', 'SUMMARY:New Year')

  test.each([
    ['', /^line 1: an iCalendar begins with BEGIN:VCALENDAR/],
    ['<!DOCTYPE html><html></html>', /^line 1: it is a web page/],
    ['holidays: [2026-10-01]', /^line 1: an iCalendar begins with BEGIN:VCALENDAR: write format: yaml/],
    [ics(), /no event/],
    [ics(event('DTSTART;VALUE=DATE:20260101', 'STATUS:CANCELLED')), /none of its events is a day off/],
    [ics(good).slice(0, -17), /^line 1: "BEGIN:VCALENDAR" has no end: the calendar is cut off/],
    [ics(good).slice(0, -19), /^line 6: "END:VEVE" ends what was not begun; line 3 has "BEGIN:VEVENT"/],
    [ics(good).replace('END:VEVENT\r\n', ''), /^line 6: "END:VCALENDAR" ends what was not begun; line 3 has "BEGIN:VEVENT"/],
    [`${ics(good)}DTSTART:20260101\r\n`, /^line 8: "DTSTART:20260101" stands outside of/],
    [`${ics(good)}BEGIN:VEVENT\r\nEND:VEVENT\r\n`, /^line 8: "BEGIN:VEVENT" stands outside of a VCALENDAR/],
    [ics(good, 'no line at all'), /^line 7: "no line at all" is no line of an iCalendar/],
    [ics(good, event('SUMMARY:x')), /^line 7: the event "x" has no DTSTART/],
    [ics(good, event('SUMMARY:x', 'DTSTART;VALUE=DATE:20260101', 'DTSTART;VALUE=DATE:20260102')), /^line 7: .*has DTSTART more than once/],
    [ics(good, event('SUMMARY:x', 'DTSTART;VALUE=DATE:20260230')), /^line 7: .*a DTSTART that is no date: "2026-02-30"/],
    [ics(good, event('DTSTART;VALUE=DATE:2026-01-01')), /^line 7: the event has a DTSTART that is no date/],
    [ics(good, event('DTSTART:20260101')), /^line 7: the event has a DTSTART that is no date/],
    [ics(good, event('DTSTART:20260101T250000')), /^line 7: the event has a DTSTART that is no date/],
    [ics(good, event('DTSTART:garbage')), /^line 7: the event has a DTSTART that is no date/],
    [ics(good, event('DTSTART;VALUE=DATE:20260102', 'DTEND;VALUE=DATE:20260101')), /ends before it begins/],
    [ics(good, event('DTSTART;VALUE=DATE:20260102', 'DTEND:20260103T000000')), /begins with a date and ends with a time/],
    [ics(good, event('DTSTART;VALUE=DATE:20260102', 'DURATION:PT5H')), /lasts for a part of a day/],
    [ics(good, event('DTSTART;VALUE=DATE:20260102', 'DURATION:-P1D')), /a DURATION that is none/],
    [ics(good, event('DTSTART;VALUE=DATE:20260102', 'DURATION:P')), /a DURATION that is none/],
    [ics(good, event('DTSTART;VALUE=DATE:20260102', 'DTEND;VALUE=DATE:20260103', 'DURATION:P1D')), /a DTEND and a DURATION/],
    [ics(good, event('DTSTART;VALUE=DATE:99991231', 'DURATION:P2D')), /does not end before the year 10000/],
    [ics(good, event('DTSTART;VALUE=DATE:20260102', 'RRULE:FREQ=HOURLY')), /cannot be followed: .*FREQ=HOURLY/],
    [ics(good, event('DTSTART;VALUE=DATE:20260102', 'RRULE:FREQ=SOMETIMES')), /^line 9: "RRULE:FREQ=SOMETIMES" cannot be read/],
    [ics(good, event('DTSTART;VALUE=DATE:20260102', 'RRULE:FREQ=DAILY;INTERVAL=many')), /^line 9: .*cannot be read/],
    [ics(good, event('DTSTART;VALUE=DATE:20260102', 'RRULE:FREQ=DAILY;UNTIL=2030')), /a UNTIL that is no date/],
    [ics(good, event('DTSTART;VALUE=DATE:20260102', 'EXRULE:FREQ=DAILY')), /an EXRULE, which is not supported/],
    [
      ics(good, event('DTSTART:20260102T000000Z', 'RDATE;VALUE=PERIOD:20260103T000000Z/P1D')),
      /a RDATE of type PERIOD, which is not supported/,
    ],
    [
      ics(good, event('UID:1', 'DTSTART;VALUE=DATE:20260102', 'RECURRENCE-ID;VALUE=DATE:20260102', 'RRULE:FREQ=DAILY')),
      /which nobody can follow/,
    ],
    [ics(good, event('UID:1', 'DTSTART;VALUE=DATE:20260102', 'RECURRENCE-ID:x')), /a RECURRENCE-ID that is no date/],
    [
      ics(good, event('DTSTART:20260102T000000Z', 'DTEND;TZID=Nowhere/Here:20260103T000000')),
      /the time zone "Nowhere\/Here", which is unknown/,
    ],
  ])('%j', async (text, why) => {
    expect(await refusal(text)).toMatch(why)
  })

  test('an unending one is an error with its place, never a part of it', async () => {
    const daily = (count: number) =>
      Array.from({ length: count }, (_, index) => event(`UID:${index}`, 'SUMMARY:often', 'DTSTART;VALUE=DATE:20250101', 'RRULE:FREQ=DAILY'))
    // 1,826 days in five years.
    expect((await read(ics(...daily(10)))).holidays).toEqual(['2025-01-01..2029-12-31'])
    expect(await refusal(ics(...daily(11)))).toMatch(/^line 63: with the event "often" there are more than 20000 occurrences/)
    const never = Array.from({ length: 3000 }, (_, index) =>
      event(`UID:${index}`, 'DTSTART;VALUE=DATE:20000101', 'RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30'),
    )
    expect(await refusal(ics(...never))).toMatch(/repeats too often/)
  })

  test('a larger one than 1 MiB is refused unread', async () => {
    const large = ics(good, `X-NOTE:${'é'.repeat(600_000)}`)
    expect(await refusal(large)).toMatch(/^it has 1200\d\d\d bytes; a calendar has at most 1048576/)
  })

  test('messages are short, whatever the calendar says', async () => {
    expect((await refusal(ics(event(`SUMMARY:${'x'.repeat(10_000)}`)))).length).toBeLessThan(200)
    expect((await refusal(ics(`${'x'.repeat(10_000)}`))).length).toBeLessThan(200)
  })

  test('never throws and never gives a part, whatever is cut out or put in', async () => {
    const whole = ics(
      event(
        'UID:1',
        'DTSTART;VALUE=DATE:20261001',
        'DTEND;VALUE=DATE:20261008',
        'SUMMARY:国庆节',
        'RRULE:FREQ=YEARLY;COUNT=3',
        'EXDATE;VALUE=DATE:20271001',
      ),
      event('UID:2', 'DTSTART;TZID=Asia/Shanghai:20261010T000000', 'DURATION:P1D', 'SUMMARY:补班'),
    )
    const cut = fc.tuple(fc.nat(whole.length), fc.nat(40), fc.string({ maxLength: 12, unit: 'binary' }))
    await fc.assert(
      fc.asyncProperty(cut, async ([at, length, put]) => {
        const parsed = await parseCalendar(whole.slice(0, at) + put + whole.slice(at + length), 'ics', options)
        if (!parsed.ok) expect(parsed.error).not.toBe('')
        else expect([...parsed.value.holidays, ...parsed.value.workdays].every(({ first, last }) => first <= last)).toBe(true)
      }),
      { seed: 20261124, numRuns: 500 },
    )
  })
})

describe('a list of days', () => {
  test('is YAML or JSON, with the dates of the configuration', async () => {
    const days = { holidays: ['2026-10-01..2026-10-07', '2026-10-05', '2026-01-01'], workdays: ['2026-09-27', '2026-10-10'] }
    const expected = { holidays: ['2026-01-01', '2026-10-01..2026-10-07'], workdays: ['2026-09-27', '2026-10-10'] }
    expect(await read(JSON.stringify(days), 'yaml')).toEqual(expected)
    expect(
      await read(
        '# by hand\nholidays:\n  - 2026-10-01..2026-10-07\n  - "2026-10-05"\n  - 2026-01-01\nworkdays: [2026-09-27, 2026-10-10]\n',
        'yaml',
      ),
    ).toEqual(expected)
    expect(await read('workdays: [2026-09-27]', 'yaml')).toEqual({ holidays: [], workdays: ['2026-09-27'] })
  })

  test.each([
    ['', /no list of days/],
    ['[2026-10-01]', /no list of days/],
    ['{}', /no days at all/],
    ['holidays: []\nworkdays: []', /no days at all/],
    ['holidays: 2026-10-01', /^line 1: holidays is no list/],
    ['holidays:\n  - 2026-10-01\n  - 2026-13-01', /^line 3: holidays\[1\]: 2026-13-01 is not in the calendar/],
    ['holidays:\n  - 2026-10-07..2026-10-01', /^line 2: .*ends before it begins/],
    ['holidays:\n  - 20261001', /^line 2: holidays\[0\]: it is no text/],
    ['holidays: [2026-10-01]\nworkday: [2026-10-10]', /^line 2: the key "workday" is unknown: did you mean "workdays"/],
    ['holidays: [2026-10-01]\nholidays: [2026-10-02]', /^line 2: it is not valid YAML: the key "holidays" is given twice/],
    ['holidays: [2026-10-01', /^line \d: it is not valid YAML/],
    ['BEGIN:VCALENDAR\nEND:VCALENDAR', /an iCalendar and no YAML: write format: ics/],
    ['<html>', /web page/],
    [`{"holidays":${'['.repeat(5000)}`, /^line 1: it is not valid YAML/],
    [`holidays:\n${'- 2026-10-01\n'.repeat(20_001)}`, /^line 20002: it has more than 20000 entries/],
  ])('%j', async (text, why) => {
    expect(await refusal(text, 'yaml')).toMatch(why)
  })
})

describe('stretches of days', () => {
  test('merged are sorted and apart, and hold the same days', () => {
    const range = fc
      .tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 6 }))
      .map(([first, more]) => ({ first, last: first + more }))
    fc.assert(
      fc.property(fc.array(range, { maxLength: 12 }), (ranges) => {
        const merged = mergeRanges(ranges)
        const held = (list: readonly { first: number; last: number }[], day: number) =>
          list.some(({ first, last }) => day >= first && day <= last)
        for (let day = -1; day <= 70; day += 1) expect(held(merged, day)).toBe(held(ranges, day))
        for (const [index, one] of merged.entries()) expect(one.first).toBeGreaterThan((merged[index - 1]?.last ?? -10) + 1)
      }),
      { seed: 20261124, numRuns: 300 },
    )
  })
})

describe('excludes with a calendar', () => {
  const first = dayNumber(2026, 1, 1)
  const last = dayNumber(2027, 12, 31)
  const day = fc.integer({ min: first, max: last })
  const stretch = fc.tuple(day, fc.integer({ min: 0, max: 9 })).map(([from, more]) => ({ first: from, last: Math.min(last, from + more) }))
  const zones = [
    'Asia/Shanghai',
    'Europe/Berlin',
    'Australia/Lord_Howe',
    'Asia/Kathmandu',
    'Pacific/Kiritimati',
    'America/Los_Angeles',
    'UTC',
  ]
  const dateText = (one: number) => rangeText({ first: one, last: one })

  /** The calendar, as a file of either kind says it. */
  const written = async (calendar: Calendar, kind: 'ics' | 'yaml'): Promise<Calendar> => {
    const compact = (one: number) => dateText(one).replaceAll('-', '')
    const lines = (ranges: Calendar['holidays'], summary: string) =>
      ranges.map((range, index) =>
        event(
          `UID:${summary}${index}`,
          `DTSTART;VALUE=DATE:${compact(range.first)}`,
          `DTEND;VALUE=DATE:${compact(range.last + 1)}`,
          `SUMMARY:${summary}`,
        ),
      )
    const text =
      kind === 'yaml'
        ? JSON.stringify({ holidays: calendar.holidays.map(rangeText), workdays: calendar.workdays.map(rangeText) })
        : ics(...lines(calendar.holidays, '休'), ...lines(calendar.workdays, '补班'))
    const parsed = await parseCalendar(text, kind, options)
    if (!parsed.ok) throw new Error(parsed.error)
    return parsed.value
  }

  test('close a day exactly when an oracle that knows nothing but civil dates does', async () => {
    const facts = fc.record({
      holidays: fc.array(stretch, { minLength: 1, maxLength: 6 }),
      workdays: fc.array(stretch, { maxLength: 4 }),
      ranges: fc.array(stretch, { maxLength: 3 }),
      weekdays: fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { maxLength: 3 }),
      monthDays: fc.uniqueArray(fc.integer({ min: 1, max: 31 }), { maxLength: 2 }),
      zone: fc.constantFrom(...zones),
      instants: fc.array(fc.integer({ min: Date.UTC(2026, 0, 2), max: Date.UTC(2027, 11, 30) }), { minLength: 40, maxLength: 60 }),
      kind: fc.constantFrom('ics' as const, 'yaml' as const),
    })
    await fc.assert(
      fc.asyncProperty(facts, async ({ holidays, workdays, ranges, weekdays, monthDays, zone, instants, kind }) => {
        const calendar = await written({ holidays, workdays }, kind)
        const texts = [
          '@calendar/cn',
          ...ranges.map(rangeText),
          ...(weekdays.length === 0 ? [] : [`* * * * * ${weekdays.join(',')}`]),
          ...monthDays.map((one) => `* * * ${one} * *`),
        ]
        const excludes = parseExcludes(texts, new Map([['cn', calendar]]))
        if (!excludes.ok) throw new Error(excludes.error.text)
        const has = (list: readonly { first: number; last: number }[], one: number) => {
          for (const range of list) for (let each = range.first; each <= range.last; each += 1) if (each === one) return true
          return false
        }
        const wall = new Intl.DateTimeFormat('en-CA', { timeZone: zone, year: 'numeric', month: '2-digit', day: '2-digit' })
        for (const ms of instants) {
          // The date as Intl, and not our own calendar, has it there.
          const shownDate = wall.format(ms)
          const [year = 0, month = 0, dayOfMonth = 0] = shownDate.split('-').map(Number)
          const one = dayNumber(year, month, dayOfMonth)
          const weekday = new Date(Date.UTC(year, month - 1, dayOfMonth)).getUTCDay()
          const isWorked = has(workdays, one)
          const expected =
            has(ranges, one) || monthDays.includes(dayOfMonth) || (!isWorked && (weekdays.includes(weekday) || has(holidays, one)))
          expect([zone, shownDate, excludedBy(excludes.value, civilOf(ms, zone)) !== undefined]).toEqual([zone, shownDate, expected])
        }
      }),
      { seed: 20261124, numRuns: 120 },
    )
  })

  test('and a year of China’s holidays: the worked weekends are open, the rest of the weekends closed', async () => {
    const calendar = await written(
      {
        holidays: [{ first: dayNumber(2026, 10, 1), last: dayNumber(2026, 10, 7) }],
        workdays: [{ first: dayNumber(2026, 10, 10), last: dayNumber(2026, 10, 10) }],
      },
      'ics',
    )
    const excludes = parseExcludes(['* * * * * 0,6', '@calendar/cn'], new Map([['cn', calendar]]))
    if (!excludes.ok) throw new Error(excludes.error.text)
    const open: number[] = []
    for (let one = dayNumber(2026, 9, 28); one <= dayNumber(2026, 10, 12); one += 1)
      if (excludedBy(excludes.value, dateOfDay(one)) === undefined) open.push(one)
    expect(open.map(dateText)).toEqual(['2026-09-28', '2026-09-29', '2026-09-30', '2026-10-08', '2026-10-09', '2026-10-10', '2026-10-12'])
    expect(weekdayOfDay(dayNumber(2026, 10, 10))).toBe(6)
  })
})

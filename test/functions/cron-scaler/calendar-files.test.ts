import { expect, test } from 'vitest'
import * as z from 'zod/mini'
import { CalendarFileError, inlineCalendarFiles } from '#functions/cron-scaler/calendar-files.ts'
import { Settings } from '#functions/cron-scaler/event.ts'

const now = Date.parse('2026-11-24T08:00:00Z')

const files: Readonly<Record<string, string>> = {
  'cn.ics': [
    'BEGIN:VCALENDAR',
    'BEGIN:VEVENT',
    'DTSTART;VALUE=DATE:20261001',
    'DTEND;VALUE=DATE:20261008',
    'SUMMARY:国庆节',
    'END:VEVENT',
    'BEGIN:VEVENT',
    'DTSTART;VALUE=DATE:20261010',
    'SUMMARY:Schwenktag',
    'END:VEVENT',
    'END:VCALENDAR',
    '',
  ].join('\n'),
  'yearly.ics': 'BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20000101\nRRULE:FREQ=YEARLY\nEND:VEVENT\nEND:VCALENDAR\n',
  'evening.ics': 'BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261231T160000Z\nDURATION:P1D\nEND:VEVENT\nEND:VCALENDAR\n',
  'list.yaml': 'holidays: [2026-12-24..2026-12-26]\nworkdays: [2026-12-19]\n',
  'bad.yaml': 'holidays:\n  - 2026-12-24\n  - Christmas\n',
}

const inline = async (section: unknown) =>
  await inlineCalendarFiles(section, {
    now,
    readText: (path) => {
      const text = files[path]
      return text === undefined ? Promise.reject(new CalendarFileError(`${path} cannot be read (ENOENT)`)) : Promise.resolve(text)
    },
  })

test('what a file says takes its place, beside the days that stand there already', async () => {
  const { section, problems } = await inline({
    timeZone: 'Asia/Shanghai',
    calendars: {
      cn: { file: 'cn.ics', holidays: ['2026-01-01'], workdayPattern: 'schwenk' },
      de: { file: 'list.yaml', workdays: ['2026-12-20'] },
      plain: { holidays: ['2026-05-01'] },
      far: { url: 'https://calendars.example.com/x.ics' },
    },
    rules: [],
  })
  expect(problems).toEqual([])
  expect(section).toEqual({
    timeZone: 'Asia/Shanghai',
    calendars: {
      cn: { holidays: ['2026-01-01', '2026-10-01..2026-10-07'], workdays: ['2026-10-10'] },
      de: { holidays: ['2026-12-24..2026-12-26'], workdays: ['2026-12-20', '2026-12-19'] },
      plain: { holidays: ['2026-05-01'] },
      far: { url: 'https://calendars.example.com/x.ics' },
    },
    rules: [],
  })
  // What comes out is a section like any other.
  expect(z.safeParse(Settings, section).success).toBe(true)
})

test('the format may be said where the ending does not tell', async () => {
  const { section } = await inline({ calendars: { de: { file: 'list.yaml', format: 'yaml' } } })
  expect(section).toEqual({ calendars: { de: { holidays: ['2026-12-24..2026-12-26'], workdays: ['2026-12-19'] } } })
})

test('what repeats is followed for ten years, longer than any package is used', async () => {
  const { section } = await inline({ calendars: { cn: { file: 'yearly.ics' } } })
  const years = Array.from({ length: 16 }, (_, index) => `${2021 + index}-01-01`)
  expect(section).toEqual({ calendars: { cn: { holidays: years, workdays: [] } } })
})

test('times in UTC are days of the zone of the settings, or of their default', async () => {
  const calendars = { cn: { file: 'evening.ics' } }
  expect((await inline({ calendars })).section).toMatchObject({ calendars: { cn: { holidays: ['2027-01-01'] } } })
  expect((await inline({ timeZone: 'UTC', calendars })).section).toMatchObject({
    calendars: { cn: { holidays: ['2026-12-31..2027-01-01'] } },
  })
})

test('everything that is wrong is told with its path, and nothing of it is taken in', async () => {
  const { section, problems } = await inline({
    calendars: {
      gone: { file: 'gone.ics' },
      bad: { file: 'bad.yaml' },
      wrong: { file: 'cn.ics', format: 'yaml' },
      pattern: { file: 'cn.ics', workdayPattern: '(' },
      far: { url: 'https://calendars.example.com/x.ics', workdayPattern: '[' },
    },
  })
  expect(problems).toEqual([
    { path: 'calendars.gone.file', text: 'gone.ics cannot be read (ENOENT)' },
    { path: 'calendars.bad.file', text: expect.stringMatching(/^bad\.yaml: line 3: holidays\[1\]: "Christmas" is no date/) },
    { path: 'calendars.wrong.file', text: expect.stringMatching(/^cn\.ics: line 1: .*write format: ics/) },
    { path: 'calendars.pattern.workdayPattern', text: expect.stringMatching(/"\(" is none of RE2/) },
    { path: 'calendars.far.workdayPattern', text: expect.stringMatching(/"\[" is none of RE2/) },
  ])
  expect(section).toMatchObject({ calendars: { gone: { file: 'gone.ics' }, bad: { file: 'bad.yaml' } } })
})

test.each([undefined, null, 'text', [], { rules: [] }, { calendars: [] }, { calendars: { cn: 5, de: { file: 7 } } }])(
  '%j is left for the schema to judge',
  async (section) => {
    expect(await inline(section)).toEqual({ section, problems: [] })
  },
)

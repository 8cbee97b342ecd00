import * as z from 'zod/mini'
import { civilOf, dayNumber, instantsOf, parseCivilDate, wallSeconds } from '#shared/pure/civil.ts'
import { clip, quote } from '#shared/pure/clip.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { isTimeZone } from '#shared/pure/zone.ts'
import { type CalendarReadOptions, firstDayOfYear, lastDay, mergeRanges, mostOccurrences, shown } from './calendar-days.ts'
import type { Calendar, DateRange } from './excludes.ts'
import { BudgetSpent, type DayBudget, parseRepeatRule, type RepeatRule, repeatDays } from './recurrence.ts'

const daySeconds = 86_400

/** Days that may be looked at to follow what repeats: a moment's work. */
const mostDays = 5_000_000

/** More of a summary is not looked at. */
const mostNameCharacters = 1000

/** What cannot be read of a calendar, and in which line. */
class IcsProblem extends Error {
  override readonly name = 'IcsProblem'

  constructor(line: number | undefined, text: string) {
    super(line === undefined ? text : `line ${line}: ${text}`)
  }
}

/**
 * Reads an iCalendar (RFC 5545). Its events are the days: each one of all days that it touches, in its own time zone. An event
 * is worked, not free, when its summary says so. Where a calendar marks its days off itself (`X-APPLE-SPECIAL-DAY`), the marks
 * count and other events are mere observances. Cancelled events and anything but events count for nothing.
 *
 * `ical.js` takes the text apart and is loaded only here. What repeats is followed by `repeatDays`, because the package's own
 * iterator never comes back from some rules, and a calendar comes from a stranger.
 */
export async function parseIcs(text: string, options: CalendarReadOptions): Promise<Result<Calendar, string>> {
  const isWorked = await workdayTest(options.workdayPattern)
  if (!isWorked.ok) return isWorked
  try {
    const lines = contentLines(text)
    const calendars = await takeApart(text, lines)
    return success(calendarOf(calendars, eventLines(lines), isWorked.value, options))
  } catch (error) {
    if (error instanceof IcsProblem || error instanceof BudgetSpent) return failure(error.message)
    throw error
  }
}

/** Summaries of days that are worked instead of another, as calendars of China and translations of them have them. */
const usualWorkday = /补班|補班|補行上班|调休(?:日)?上班|[(（]上?班[)）]|^班[|｜]|make-?up|(?<!non-?|not an? |no )work(?:ing )?day/i

async function workdayTest(pattern: string | undefined): Promise<Result<(summary: string) => boolean, string>> {
  if (pattern === undefined) return success((summary) => usualWorkday.test(summary))
  // Its running time is in proportion to the text, whatever the pattern.
  const { RE2JS } = await import('re2js')
  try {
    const compiled = RE2JS.compile(pattern, RE2JS.CASE_INSENSITIVE)
    return success((summary) => compiled.matcher(summary).find())
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return failure(`the pattern for workdays ${quote(pattern)} is none of RE2: ${clip(error.message)}`)
  }
}

/** Why a text is no pattern for workdays; undefined when it is one. */
export async function workdayPatternProblem(pattern: string): Promise<string | undefined> {
  const test = await workdayTest(pattern)
  return test.ok ? undefined : test.error
}

function named(summary: string): string {
  return summary.trim() === '' ? '' : ` ${shown(summary)}`
}

/** A line of content after unfolding, and where it begins. */
interface ContentLine {
  readonly number: number
  readonly text: string
}

function contentLines(text: string): readonly ContentLine[] {
  const lines: { number: number; text: string }[] = []
  for (const [index, line] of text.split(/\r\n|\n|\r/).entries()) {
    const last = lines.at(-1)
    if (/^[ \t]/.test(line) && last !== undefined) last.text += line.slice(1)
    else if (line.trim() !== '') lines.push({ number: index + 1, text: line })
  }
  return lines
}

const JcalProperty = z.tuple([z.string(), z.record(z.string(), z.unknown()), z.string()], z.unknown())

type JcalProperty = z.infer<typeof JcalProperty>

const JcalComponent = z.tuple([z.string(), z.array(JcalProperty), z.array(z.unknown())])

type JcalComponent = z.infer<typeof JcalComponent>

/** Looks at the frame first, which tells lines better than any later error. */
async function takeApart(text: string, lines: readonly ContentLine[]): Promise<readonly JcalComponent[]> {
  const open: ContentLine[] = []
  for (const line of lines) {
    const [, verb, name = ''] = /^(BEGIN|END):(.*)$/i.exec(line.text) ?? []
    if (verb === undefined) {
      if (!/^[A-Za-z0-9-]+[:;]/.test(line.text)) throw new IcsProblem(line.number, `${shown(line.text)} is no line of an iCalendar`)
      if (open.length === 0) throw new IcsProblem(line.number, `${shown(line.text)} stands outside of BEGIN:VCALENDAR and END:VCALENDAR`)
    } else if (verb.toUpperCase() === 'BEGIN') {
      if (open.length === 0 && !/^\s*VCALENDAR\s*$/i.test(name))
        throw new IcsProblem(line.number, `${shown(line.text)} stands outside of a VCALENDAR`)
      open.push(line)
    } else {
      const begun = open.pop()
      if (begun?.text.slice('BEGIN:'.length).trim().toUpperCase() !== name.trim().toUpperCase()) {
        throw new IcsProblem(
          line.number,
          `${shown(line.text)} ends what was not begun${begun === undefined ? '' : `; line ${begun.number} has ${shown(begun.text)}`}`,
        )
      }
    }
  }
  const unended = open.at(-1)
  if (unended !== undefined) throw new IcsProblem(unended.number, `${shown(unended.text)} has no end: the calendar is cut off`)

  const { default: ical } = await import('ical.js')
  let parsed: unknown
  try {
    parsed = ical.parse(text)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const line = lines.find((one) => !isProperty(one.text, ical.parse.property))
    throw new IcsProblem(line?.number, `${line === undefined ? 'it' : shown(line.text)} cannot be read: ${error.message}`)
  }
  const whole = z.safeParse(JcalComponent, parsed)
  const all = whole.success ? [whole.data] : z.safeParse(z.array(JcalComponent), parsed).data
  if (all === undefined) throw new IcsProblem(undefined, 'it has parts that no iCalendar has')
  return all
}

function isProperty(line: string, read: (line: string) => unknown): boolean {
  if (/^(?:BEGIN|END):/i.test(line)) return true
  try {
    read(line)
    return true
  } catch (error) {
    if (error instanceof Error) return false
    throw error
  }
}

function eventLines(lines: readonly ContentLine[]): readonly number[] {
  return lines.flatMap(({ number, text }) => (/^BEGIN:VEVENT\s*$/i.test(text) ? [number] : []))
}

/** What a day is by an event: `none` is a mere observance. */
type DayKind = 'holiday' | 'workday' | 'none'

/** One VEVENT. Seconds are on its own clocks, counted from 1970-01-01 00:00 there. */
interface Occasion {
  readonly line: number
  readonly name: string
  readonly uid: string | undefined
  readonly sequence: number
  readonly isCancelled: boolean
  readonly kind: DayKind
  readonly startSeconds: number
  readonly lengthSeconds: number
  readonly rules: readonly { readonly rule: RepeatRule; readonly untilSeconds: number }[]
  readonly extraDays: readonly number[]
  readonly exceptDays: ReadonlySet<number>
  /** The zone that its seconds are in. */
  readonly zone: string
  /** It stands for the occurrence of another one that would begin here; that one's zone has to be said. */
  readonly replaces: { readonly secondsIn: (zone: string) => number; readonly andLater: boolean } | undefined
}

function calendarOf(
  calendars: readonly JcalComponent[],
  lines: readonly number[],
  isWorked: (summary: string) => boolean,
  options: CalendarReadOptions,
): Calendar {
  const occasions: Occasion[] = []
  let seen = 0
  for (const [name, properties, components] of calendars) {
    if (name !== 'vcalendar') throw new IcsProblem(undefined, `it has a ${shown(name)} where a calendar was expected`)
    const parts = components.map((one) => componentOf(one))
    const events = parts.filter(([kind]) => kind === 'vevent')
    const hasMarks = events.some((event) => markOf(event) !== undefined)
    const zones = new Map(parts.filter(([kind]) => kind === 'vtimezone').map((zone) => [textOf(zone[1], 'tzid') ?? '', zone]))
    const homeZone = textOf(properties, 'x-wr-timezone')
    const home = homeZone !== undefined && isTimeZone(homeZone) ? homeZone : options.timeZone
    for (const event of events) {
      const line = lines[seen] ?? 0
      seen += 1
      occasions.push(new EventReader(event, line, home, zones).read((summary) => kindOf(markOf(event), hasMarks, isWorked(summary))))
    }
  }
  if (occasions.length === 0) throw new IcsProblem(undefined, 'it has no event (VEVENT), so it would close no day at all')
  const days = new DayCollector(options)
  for (const group of groupsOf(occasions)) days.add(group)
  const { holidays, workdays } = days
  if (holidays.length + workdays.length === 0)
    throw new IcsProblem(undefined, 'none of its events is a day off or a day worked, so it would close no day at all')
  return { holidays: mergeRanges(holidays), workdays: mergeRanges(workdays) }
}

function componentOf(value: unknown): JcalComponent {
  const parsed = z.safeParse(JcalComponent, value)
  if (!parsed.success) throw new IcsProblem(undefined, 'it has parts that no iCalendar has')
  return parsed.data
}

function markOf([, properties]: JcalComponent): 'holiday' | 'workday' | undefined {
  const mark = textOf(properties, 'x-apple-special-day')?.toUpperCase()
  if (mark === 'WORK-HOLIDAY') return 'holiday'
  return mark === 'ALTERNATE-WORKDAY' ? 'workday' : undefined
}

function kindOf(mark: 'holiday' | 'workday' | undefined, hasMarks: boolean, isWorked: boolean): DayKind {
  if (hasMarks) return mark ?? 'none'
  return isWorked ? 'workday' : 'holiday'
}

function textOf(properties: readonly JcalProperty[], name: string): string | undefined {
  const value = properties.find(([one]) => one === name)?.[3]
  return typeof value === 'string' ? value : undefined
}

/** A moment as an event has it. */
interface Moment {
  readonly seconds: number
  readonly isDate: boolean
}

/** Reads one VEVENT. Throws IcsProblem, which names it. */
class EventReader {
  readonly #event: JcalComponent
  readonly #line: number
  readonly #home: string
  readonly #zones: ReadonlyMap<string, JcalComponent>
  readonly #name: string
  /** The zone that the event's days are counted in. */
  #zone = ''

  constructor(event: JcalComponent, line: number, home: string, zones: ReadonlyMap<string, JcalComponent>) {
    this.#event = event
    this.#line = line
    this.#home = home
    this.#zones = zones
    this.#name = (textOf(event[1], 'summary') ?? '').slice(0, mostNameCharacters)
  }

  read(kindOfSummary: (summary: string) => DayKind): Occasion {
    const [, properties] = this.#event
    const start = this.#one('dtstart')
    if (start === undefined) throw this.#problem('has no DTSTART')
    // Its own zone must be known before anything is counted in it.
    this.#zone = this.#ownZone(start)
    const first = this.#moment(start, 3)
    const rules = this.#all('rrule').map((property) => this.#rule(property, first))
    const replaces = this.#one('recurrence-id')
    if (this.#all('exrule').length > 0) throw this.#problem('has an EXRULE, which is not supported: write EXDATE')
    if (replaces !== undefined && rules.length > 0)
      throw this.#problem('replaces one occurrence (RECURRENCE-ID) and repeats itself, which nobody can follow')
    const sequence = Number(properties.find(([name]) => name === 'sequence')?.[3] ?? 0)
    return {
      line: this.#line,
      name: this.#name,
      uid: textOf(properties, 'uid'),
      sequence: Number.isInteger(sequence) ? sequence : 0,
      isCancelled: textOf(properties, 'status')?.trim().toUpperCase() === 'CANCELLED',
      kind: kindOfSummary(this.#name),
      startSeconds: first.seconds,
      lengthSeconds: this.#length(first),
      rules,
      extraDays: this.#moments('rdate').map(({ seconds }) => dayOf(seconds)),
      exceptDays: new Set(this.#moments('exdate').map(({ seconds }) => dayOf(seconds))),
      zone: this.#zone,
      replaces: replaces === undefined ? undefined : this.#replaces(replaces),
    }
  }

  #problem(what: string): IcsProblem {
    return new IcsProblem(this.#line, `the event${named(this.#name)} ${what}`)
  }

  #all(name: string): readonly JcalProperty[] {
    return this.#event[1].filter(([one]) => one === name)
  }

  #one(name: string): JcalProperty | undefined {
    const [first, ...more] = this.#all(name)
    if (more.length > 0) throw this.#problem(`has ${name.toUpperCase()} more than once`)
    return first
  }

  #moments(name: string): readonly Moment[] {
    return this.#all(name).flatMap((property) => property.slice(3).map((_, index) => this.#moment(property, index + 3)))
  }

  /** A date or time of a property, on the clocks of a zone. */
  #moment(property: JcalProperty, index: number, zone = this.#zone): Moment {
    const [name, , type] = property
    const value = property[index]
    if (typeof value !== 'string' || (type !== 'date' && type !== 'date-time')) {
      throw this.#problem(`has a ${name.toUpperCase()} of type ${type.toUpperCase()}, which is not supported: write a DATE or DATE-TIME`)
    }
    return this.#momentOf(name, value, parameterOf(property, 'tzid'), zone)
  }

  #momentOf(name: string, value: string, zoneName: string | undefined, zone: string): Moment {
    const match = /^(\d{4}-\d{2}-\d{2})(?:T([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(Z?))?$/.exec(value)
    const date = parseCivilDate(match?.[1] ?? '')
    if (match === null || !date.ok) throw this.#problem(`has a ${name.toUpperCase()} that is no date: ${shown(value)}`)
    const { year, month, day } = date.value
    if (match[2] === undefined) return { seconds: dayNumber(year, month, day) * daySeconds, isDate: true }
    const civil = { year, month, day, hour: Number(match[2]), minute: Number(match[3]), second: Math.min(59, Number(match[4])) }
    const isUtc = match[5] === 'Z'
    const said = isUtc ? 'UTC' : zoneName
    // Without a zone it is what these very clocks show.
    if (said === undefined || (!isUtc && said === zone)) return { seconds: wallSeconds(civil), isDate: false }
    const [instant] = instantsOf(civil, this.#known(said))
    // In a gap of the other zone's clocks: as if they had not been set forward.
    const ms = instant ?? instantsOf({ ...civil, hour: civil.hour - 1 }, this.#known(said))[0]
    if (ms === undefined) throw this.#problem(`has a ${name.toUpperCase()} that no clock shows: ${shown(value)}`)
    return { seconds: wallSeconds(civilOf(ms, this.#known(zone))), isDate: false }
  }

  #ownZone(start: JcalProperty): string {
    const value = start[3]
    if (typeof value === 'string' && value.endsWith('Z')) return this.#home
    return parameterOf(start, 'tzid') ?? this.#home
  }

  /** A zone by its name here, as the machine knows it. Asked only where one zone's time has to be told in another. */
  #known(name: string): string {
    if (name.length > 100) throw this.#problem('is in a time zone whose name is longer than any')
    if (isTimeZone(name)) return name
    // Some write it with the maker's name in front: /example.org/20260101/Asia/Shanghai.
    const tail = /([A-Za-z_]+\/[A-Za-z_+-]+(?:\/[A-Za-z_]+)?)$/.exec(name)?.[1]
    if (tail !== undefined && isTimeZone(tail)) return tail
    const zone = this.#zones.get(name)
    const location = zone === undefined ? undefined : textOf(zone[1], 'x-lic-location')
    if (location !== undefined && isTimeZone(location)) return location
    const offset = zone === undefined ? undefined : fixedOffset(zone)
    if (offset !== undefined && isTimeZone(offset)) return offset
    throw this.#problem(`is in the time zone ${shown(name)}, which is unknown here: use a name of the IANA database, such as Asia/Shanghai`)
  }

  #replaces(property: JcalProperty): NonNullable<Occasion['replaces']> {
    const secondsIn = (zone: string): number => this.#moment(property, 3, zone).seconds
    // Whatever is wrong with it shows at once.
    secondsIn(parameterOf(property, 'tzid') ?? this.#zone)
    return { secondsIn, andLater: parameterOf(property, 'range')?.toUpperCase() === 'THISANDFUTURE' }
  }

  #length(first: Moment): number {
    const [end, duration] = [this.#one('dtend'), this.#one('duration')]
    if (end !== undefined && duration !== undefined) throw this.#problem('has a DTEND and a DURATION: only one of them can count')
    if (duration !== undefined) {
      const seconds = durationSeconds(duration[3])
      if (seconds === undefined) throw this.#problem(`has a DURATION that is none: ${shown(String(duration[3]))}`)
      if (first.isDate && seconds % daySeconds !== 0)
        throw this.#problem('begins with a date and lasts for a part of a day: nobody can tell when it ends')
      return seconds
    }
    if (end === undefined) return 0
    const last = this.#moment(end, 3)
    if (last.isDate !== first.isDate) throw this.#problem('begins with a date and ends with a time, or the other way round')
    if (last.seconds < first.seconds) throw this.#problem('ends before it begins')
    return last.seconds - first.seconds
  }

  #rule(property: JcalProperty, first: Moment): Occasion['rules'][number] {
    const rule = parseRepeatRule(property[3])
    if (!rule.ok) throw this.#problem(`cannot be followed: ${rule.error}`)
    const recur: unknown = property[3]
    const until: unknown = typeof recur === 'object' && recur !== null && 'until' in recur ? recur.until : undefined
    if (until === undefined) return { rule: rule.value, untilSeconds: Number.POSITIVE_INFINITY }
    // With a date for a start, the date of the end is what is meant, in whatever zone it was written down.
    const end = this.#momentOf('UNTIL', first.isDate ? String(until).slice(0, 10) : String(until), undefined, this.#zone)
    return { rule: rule.value, untilSeconds: end.isDate ? end.seconds + daySeconds - 1 : end.seconds }
  }
}

function parameterOf([, parameters]: JcalProperty, name: string): string | undefined {
  const value = parameters[name]
  return typeof value === 'string' ? value : undefined
}

/** The offset of a zone whose clocks never change: `+08:00`. */
function fixedOffset([, , components]: JcalComponent): string | undefined {
  const stretches = components.map((one) => componentOf(one))
  const offsets = new Set(stretches.map(([, properties]) => textOf(properties, 'tzoffsetto')))
  const [offset] = offsets
  return offsets.size === 1 && stretches.every(([name]) => name === 'standard' || name === 'daylight') ? offset : undefined
}

function durationSeconds(value: unknown): number | undefined {
  const match = /^\+?P(?:(\d{1,5})W|(?:(\d{1,6})D)?(?:T(?:(\d{1,7})H)?(?:(\d{1,8})M)?(?:(\d{1,9})S)?)?)$/.exec(String(value))
  if (match === null || match.slice(1).every((part) => part === undefined)) return undefined
  const [weeks, days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0))
  return (weeks ?? 0) * 7 * daySeconds + (days ?? 0) * daySeconds + (hours ?? 0) * 3600 + (minutes ?? 0) * 60 + (seconds ?? 0)
}

function dayOf(seconds: number): number {
  return Math.floor(seconds / daySeconds)
}

/** An event and what replaces some of its occurrences. */
interface Group {
  readonly masters: readonly Occasion[]
  readonly replacements: readonly Occasion[]
}

function groupsOf(occasions: readonly Occasion[]): readonly Group[] {
  const groups: Group[] = []
  const known = occasions.filter(({ uid }) => uid !== undefined)
  for (const one of occasions) if (one.uid === undefined) groups.push({ masters: [one], replacements: [] })
  for (const all of groupBy(known, ({ uid }) => uid ?? '')) {
    const masters = latest(all.filter(({ replaces }) => replaces === undefined))
    const replacements = all.filter(({ replaces }) => replaces !== undefined)
    const versions = groupBy(replacements, (one) => replacedDay(one, masters[0]))
    groups.push({ masters, replacements: versions.flatMap((same) => latest(same).slice(-1)) })
  }
  return groups
}

function groupBy<Key>(occasions: readonly Occasion[], keyOf: (one: Occasion) => Key): readonly (readonly Occasion[])[] {
  const groups = new Map<Key, Occasion[]>()
  for (const one of occasions) {
    const key = keyOf(one)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [one])
    else group.push(one)
  }
  return [...groups.values()]
}

/** Of several versions of one event the newest. Some makers give different events one UID: those have the same number, and all count. */
function latest(versions: readonly Occasion[]): readonly Occasion[] {
  const newest = versions.reduce((highest, { sequence }) => Math.max(highest, sequence), Number.NEGATIVE_INFINITY)
  return versions.filter(({ sequence }) => sequence === newest)
}

/** The day of what an occasion replaces, as the event that it belongs to counts days. */
function replacedDay({ replaces, zone }: Occasion, master: Occasion | undefined): number {
  return dayOf(replaces?.secondsIn(master?.zone ?? zone) ?? 0)
}

/** A replacement, by the day of what it replaces. */
interface Replacement {
  readonly day: number
  readonly occasion: Occasion
}

/** Collects the days of occasions, and stops where there are too many. */
class DayCollector {
  readonly holidays: DateRange[] = []
  readonly workdays: DateRange[] = []
  readonly #fromDay: number
  readonly #untilDay: number
  readonly #budget: DayBudget = { daysLeft: mostDays }
  #count = 0

  constructor({ fromYear, toYear }: CalendarReadOptions) {
    this.#fromDay = firstDayOfYear(fromYear)
    this.#untilDay = firstDayOfYear(toYear + 1) - 1
  }

  add({ masters, replacements }: Group): void {
    const all = replacements
      .map((occasion): Replacement => ({ day: replacedDay(occasion, masters[0]), occasion }))
      .toSorted((left, right) => left.day - right.day)
    const byDay = new Map(all.map((one) => [one.day, one]))
    const lasting = all.filter(({ occasion }) => occasion.replaces?.andLater === true)
    const used = new Set<Replacement>()
    for (const master of masters) {
      let passed = 0
      for (const day of this.#daysOf(master)) {
        while (passed < lasting.length && (lasting[passed]?.day ?? day) <= day) passed += 1
        const chosen = byDay.get(day) ?? lasting[passed - 1]
        if (chosen?.day === day) used.add(chosen)
        const { occasion, day: from } = chosen ?? { occasion: master, day: dayOf(master.startSeconds) }
        this.#put(occasion, occasion.startSeconds + (day - from) * daySeconds)
      }
    }
    // What replaces an occurrence that the event does not have, or that was not looked for, stands for itself.
    for (const one of all) if (!used.has(one)) this.#put(one.occasion, one.occasion.startSeconds)
  }

  /** The days on which an event begins, ascending. */
  #daysOf(master: Occasion): readonly number[] {
    const startDay = dayOf(master.startSeconds)
    const timeOfDay = master.startSeconds - startDay * daySeconds
    const days = new Set<number>()
    if (master.rules.length === 0) days.add(startDay)
    for (const { rule, untilSeconds } of master.rules) {
      const fromDay = this.#fromDay - Math.ceil(master.lengthSeconds / daySeconds)
      const untilDay = Math.min(this.#untilDay, Math.floor((untilSeconds - timeOfDay) / daySeconds))
      for (const day of repeatDays(rule, { startDay, fromDay, untilDay }, this.#budget)) {
        days.add(day)
        if (this.#count + days.size > mostOccurrences) throw this.#tooMany(master)
      }
    }
    for (const day of master.extraDays) days.add(day)
    for (const day of master.exceptDays) days.delete(day)
    return [...days].toSorted((left, right) => left - right)
  }

  #put(occasion: Occasion, startSeconds: number): void {
    this.#count += 1
    if (this.#count > mostOccurrences) throw this.#tooMany(occasion)
    const range = { first: dayOf(startSeconds), last: dayOf(startSeconds + Math.max(0, occasion.lengthSeconds - 1)) }
    if (range.last > lastDay) throw new IcsProblem(occasion.line, `the event${named(occasion.name)} does not end before the year 10000`)
    if (occasion.isCancelled || occasion.kind === 'none') return
    if (occasion.kind === 'workday') this.workdays.push(range)
    else this.holidays.push(range)
  }

  #tooMany({ line, name }: Occasion): IcsProblem {
    return new IcsProblem(line, `with the event${named(name)} there are more than ${mostOccurrences} occurrences`)
  }
}

import * as z from 'zod/mini'
import { parseCivilDate, parseInstant } from '#shared/pure/civil.ts'
import { quote } from '#shared/pure/clip.ts'
import { formatDuration, parseDuration } from '#shared/pure/duration.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { isTimeZone } from '#shared/pure/zone.ts'
import { parseDateRange } from './date-range.ts'
import { largestSize } from './target.ts'

/** A text that a parser of ours turns into something better; its complaint becomes the schema's. */
function parsedText<T>(parse: (text: string) => Result<T, string>) {
  return z.pipe(
    z.string(),
    z.transform((text, context) => {
      const parsed = parse(text)
      if (parsed.ok) return parsed.value
      context.issues.push({ code: 'custom', message: parsed.error, input: text })
      return z.NEVER
    }),
  )
}

/** Nothing is looked for further back than this, nor applied later: schedules that fire once a year still have their firing. */
export const longestPeriodMs = 400 * 86_400_000

/** Reads a length of time that is looked back. */
export function parsePeriod(text: string): Result<number, string> {
  // No duration is so long, and its error would quote all of it.
  if (text.length > 100) return failure(`${quote(text)} is no duration: write 30m, 1h30m or 8d`)
  const period = parseDuration(text)
  if (!period.ok || period.value <= longestPeriodMs) return period
  return failure(`${quote(text)} is longer than ${formatDuration(longestPeriodMs)}, the most that is looked back`)
}

const Period = parsedText(parsePeriod)

/** How far a forecast looks ahead. */
const shortestHorizonMs = 3_600_000
const longestHorizonMs = 7 * 86_400_000

function parseHorizon(text: string): Result<number, string> {
  const horizon = parseDuration(text)
  if (!horizon.ok || (horizon.value >= shortestHorizonMs && horizon.value <= longestHorizonMs)) return horizon
  return failure(
    `${quote(text)} is no horizon of a forecast: write ${formatDuration(shortestHorizonMs)} to ${formatDuration(longestHorizonMs)}`,
  )
}

const Horizon = parsedText(parseHorizon)

/** A time of day; comes out as seconds since its beginning. */
const TimeOfDay = parsedText((text) => {
  const [, hours, minutes] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text) ?? []
  if (hours === undefined || minutes === undefined) return failure(`${quote(text)} is no time of day: write it as in "16:00"`)
  return success(Number(hours) * 3600 + Number(minutes) * 60)
})

const DateRange = parsedText(parseDateRange)

const Instant = parsedText(parseInstant)

/** Stays text: which instants a day begins and ends at depends on the rule's zone. */
const Day = z.string().check(z.refine((text) => parseCivilDate(text).ok, { error: 'must be a date, such as "2026-10-01"' }))

const TimeZone = z.string().check(z.refine(isTimeZone, { error: 'must be a time zone by its IANA name, such as "Asia/Shanghai"' }))

/** A record keeps no more of them. */
export const mostCorrections = 20

const Count = z.int().check(z.minimum(0), z.maximum(largestSize))

/** What a rule or an override is about, and the size that it gives it. */
const sized = {
  cluster: z.string().check(z.minLength(1), z.describe('Id or name of one of `clusters`.')),
  target: z.strictObject({
    apiVersion: z.optional(z.string()),
    kind: z.string().check(z.describe('Deployment, StatefulSet or HorizontalPodAutoscaler.')),
    namespace: z.optional(z.string().check(z.describe('`default` when absent.'))),
    name: z.string(),
  }),
  targetSize: z.optional(Count.check(z.describe('Replicas of a Deployment or StatefulSet.'))),
  minSize: z.optional(Count.check(z.describe('minReplicas of a HorizontalPodAutoscaler; goes with maxSize.'))),
  maxSize: z.optional(Count),
}

const RuleSettings = z.strictObject({
  name: z.string().check(z.minLength(1), z.maxLength(100), z.describe('Names the rule in reports and on what it changed; unique.')),
  ...sized,
  schedule: z.string().check(z.describe('Six fields: second minute hour day-of-month month day-of-week.')),
  timeZone: z.optional(TimeZone),
  validFrom: z.optional(Day.check(z.describe('First day, in its time zone, on which it fires.'))),
  validUntil: z.optional(Day.check(z.describe('Last day on which it fires.'))),
  excludeDates: z._default(
    z.array(z.string()).check(z.describe('Six-field expressions over dates, 2026-10-01..2026-10-07, @calendar/<name>.')),
    [],
  ),
  runOnce: z._default(z.boolean(), false),
  startingDeadline: z.optional(Period),
  spread: z.optional(Period),
  enforce: z.optional(z.boolean()),
  allowHpaConflict: z.optional(z.boolean()),
  paused: z._default(z.boolean(), false),
})

const OverrideSettings = z.strictObject({
  name: z.string().check(z.minLength(1), z.maxLength(100), z.describe('Names the override in reports and on what it changed; unique.')),
  ...sized,
  from: z.optional(Instant.check(z.describe('When it begins, such as 2026-11-27T08:00:00+08:00; at once when absent.'))),
  until: Instant.check(z.describe('When it ends and the schedule decides again.')),
  reason: z.string().check(z.minLength(1), z.maxLength(200), z.describe('Why; it is quoted in every report.')),
})

export const calendarFormats = ['ics', 'yaml'] as const

export type CalendarFormat = (typeof calendarFormats)[number]

const calendarName = 'must be lower-case letters, digits and hyphens, such as "cn-holidays"'

const Calendars = z.pipe(
  // zod passes over this one name without a word, and excluded days must not get lost.
  z.transform((value, context) => {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, '__proto__')) return value
    context.issues.push({ code: 'custom', message: `its name ${calendarName}`, input: value, path: ['__proto__'] })
    return z.NEVER
  }),
  z.record(
    z.string().check(z.regex(/^[a-z0-9][-a-z0-9]*$/, { error: calendarName })),
    z
      .strictObject({
        holidays: z._default(z.array(DateRange), []),
        workdays: z._default(z.array(DateRange), []),
        file: z.optional(
          z.string().check(z.minLength(1), z.describe('A calendar to be read as well: .ics or .yaml, relative to the configuration.')),
        ),
        url: z.optional(
          z.string().check(
            z.refine(isCalendarUrl, {
              error: 'must be an address such as "https://calendars.example.com/cn.ics", without name or password',
            }),
            z.describe('The same, fetched; its host must be one of platform.allowedHosts.'),
          ),
        ),
        format: z.optional(z.enum(calendarFormats).check(z.describe('Of the file or address; by its ending when absent.'))),
        workdayPattern: z.optional(
          z
            .string()
            .check(
              z.minLength(1),
              z.maxLength(200),
              z.describe('RE2 pattern, case ignored, of the names of days that are worked; what is usual when absent.'),
            ),
        ),
      })
      .check(
        z.refine(({ file, url }) => file === undefined || url === undefined, { error: 'has a file and an address: write one of them' }),
        z.refine(({ file, url, workdayPattern }) => workdayPattern === undefined || (file ?? url) !== undefined, {
          error: 'has a workdayPattern and nothing to look for it in: it goes with a file or an address',
        }),
        z.refine((calendar) => (calendar.file ?? calendar.url) === undefined || calendarSource(calendar) !== undefined, {
          error: 'does not say what its file or address holds: add format: ics or format: yaml',
        }),
      ),
  ),
)

/** Where a calendar's days are to be read, beside those that stand in the configuration itself. */
export type CalendarSource =
  | { readonly kind: 'file'; readonly path: string; readonly format: CalendarFormat }
  | { readonly kind: 'url'; readonly url: string; readonly format: CalendarFormat }

/** What has to be read for a calendar; undefined when it stands in the configuration entirely. */
export function calendarSource(calendar: {
  readonly file?: string | undefined
  readonly url?: string | undefined
  readonly format?: CalendarFormat | undefined
}): CalendarSource | undefined {
  const { file, url } = calendar
  const format = calendar.format ?? formatOf(file ?? pathOf(url ?? ''))
  if (format === undefined) return undefined
  if (file !== undefined) return { kind: 'file', path: file, format }
  return url === undefined ? undefined : { kind: 'url', url, format }
}

function pathOf(url: string): string {
  return URL.canParse(url) ? new URL(url).pathname : url
}

function formatOf(path: string): CalendarFormat | undefined {
  if (/\.(ics|ical)$/i.test(path)) return 'ics'
  return /\.(yaml|yml|json)$/i.test(path) ? 'yaml' : undefined
}

/** Whether a host is allowed, and plain HTTP with it, is for whoever fetches to say. */
function isCalendarUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.password === ''
}

/**
 * `functions.cron-scaler` of the configuration. Everything has a default, so an empty section runs the HPC objects that are
 * in the clusters. Lengths of time come out as milliseconds.
 */
export const Settings = z.strictObject({
  timeZone: z._default(
    TimeZone.check(z.describe('Zone of rules that name none. HPC objects have no zone of their own; their controller takes its node’s.')),
    'Asia/Shanghai',
  ),
  startingDeadline: z.prefault(Period, '30m'),
  lookBack: z.prefault(Period, '8d'),
  spread: z.prefault(
    Period.check(z.describe('Targets of one instant take turns within this window after it; shorter than startingDeadline.')),
    '0s',
  ),
  lookEvery: z.prefault(
    Period.check(
      z.describe('How often targets are read while nothing is due, so that annotations that people write on them are seen; 0s: never.'),
    ),
    '0s',
  ),
  enforce: z._default(z.boolean().check(z.describe('Also correct what somebody changed between two firings.')), false),
  maxCorrections: z._default(
    z
      .int()
      .check(
        z.minimum(0),
        z.maximum(mostCorrections),
        z.describe('So often within an hour is a target corrected for one firing; then it is held, because somebody fights for it.'),
      ),
    3,
  ),
  allowHpaConflict: z._default(z.boolean().check(z.describe('Also size workloads that an autoscaler sizes.')), false),
  allowZeroMin: z._default(z.boolean().check(z.describe('The clusters have HPAScaleToZero on, so minSize may be 0.')), false),
  paused: z._default(z.boolean().check(z.describe('Decide and report, change nothing.')), false),
  hpc: z.prefault(
    z.strictObject({
      enabled: z._default(z.boolean(), true),
      group: z.optional(
        z
          .string()
          .check(
            z.regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, { error: 'must be an API group, such as "autoscaling.cloud.tencent.com"' }),
            z.describe('API group of HPC objects; looked for among the groups that the cluster serves when absent.'),
          ),
      ),
      besideController: z._default(
        z.enum(['shadow', 'ignore']).check(z.describe('Where tke-hpc-controller runs: only report, or act all the same.')),
        'shadow',
      ),
    }),
    {},
  ),
  forecast: z.optional(
    z
      .strictObject({
        at: z.prefault(TimeOfDay.check(z.describe('When it is made each day, in `timeZone`.')), '16:00'),
        horizon: z.prefault(Horizon.check(z.describe('How far it looks ahead; all of the next day when absent.')), '32h'),
      })
      .check(
        z.describe(
          'Once a day: will there be nodes, addresses, quota and licence for what the schedules are going to ask for? Off when absent.',
        ),
      ),
  ),
  calendars: z._default(Calendars, {}),
  rules: z._default(
    z.array(RuleSettings).check(
      z.refine((rules) => new Set(rules.map(({ name }) => name)).size === rules.length, {
        error: (issue) => `two rules have the same name: ${twice(issue.input)}; name each rule once`,
      }),
    ),
    [],
  ),
  overrides: z._default(
    z.array(OverrideSettings).check(
      z.refine((overrides) => new Set(overrides.map(({ name }) => name)).size === overrides.length, {
        error: (issue) => `two overrides have the same name: ${twice(issue.input)}; name each override once`,
      }),
      z.describe('Sizes that targets have for a while, whatever the rules say.'),
    ),
    [],
  ),
})

export type Settings = z.infer<typeof Settings>

/** What the plan gets of the configuration. */
export interface CronScalerConfig {
  readonly clusters: readonly { readonly id: string; readonly name?: string | undefined; readonly region?: string | undefined }[]
  readonly settings: Settings
}

function twice(entries: unknown): string {
  const names = Array.isArray(entries) ? entries.map((entry: { readonly name?: unknown }) => String(entry.name)) : []
  return names.find((name, index) => names.indexOf(name) !== index) ?? ''
}

/** The parts of an HPC object that matter here. Its crons are read one by one, so that one bad entry spoils no other. */
export const HpcObject = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.optional(z.string()),
    uid: z.optional(z.string()),
    creationTimestamp: z.optional(z.nullable(z.string())),
    deletionTimestamp: z.optional(z.nullable(z.string())),
    annotations: z.optional(z.nullable(z.record(z.string(), z.string()))),
  }),
  spec: z.object({
    scaleTarget: z.object({
      apiVersion: z.nullish(z.string()),
      kind: z.nullish(z.string()),
      namespace: z.nullish(z.string()),
      name: z.nullish(z.string()),
    }),
    crons: z.nullish(z.array(z.unknown())),
    // The ancestor of HPC keeps them here. Passing over them would run rules on excluded days.
    excludeDates: z.nullish(z.array(z.string())),
  }),
})

export type HpcObject = z.infer<typeof HpcObject>

const size = z.nullish(z.int().check(z.minimum(0), z.maximum(largestSize)))

/** One entry of `spec.crons`. Unknown fields are kept by the caller's look at them, see hpc.ts. */
export const HpcCron = z.object({
  name: z.nullish(z.string()),
  schedule: z.string(),
  targetSize: size,
  minSize: size,
  maxSize: size,
  excludeDates: z.nullish(z.array(z.string())),
  runOnce: z.nullish(z.boolean()),
})

/** Every field that an HPC object can have, by where it stands. What else stands there nobody knows the meaning of. */
export const hpcFields = {
  spec: ['scaleTarget', 'crons', 'excludeDates'],
  scaleTarget: ['apiVersion', 'kind', 'namespace', 'name'],
} as const

export const hpcCronFields = ['name', 'schedule', 'targetSize', 'minSize', 'maxSize', 'excludeDates', 'runOnce'] as const

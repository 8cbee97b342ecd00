import * as z from 'zod/mini'
import { quote } from '#shared/pure/clip.ts'
import { formatDuration, parseDuration } from '#shared/pure/duration.ts'
import { failure, type Result } from '#shared/pure/result.ts'
import { isTimeZone } from '#shared/pure/zone.ts'
import { parseDateRange } from './excludes.ts'
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
const longestPeriodMs = 400 * 86_400_000

/** Reads a length of time that is looked back. */
export function parsePeriod(text: string): Result<number, string> {
  // No duration is so long, and its error would quote all of it.
  if (text.length > 100) return failure(`${quote(text)} is no duration: write 30m, 1h30m or 8d`)
  const period = parseDuration(text)
  if (!period.ok || period.value <= longestPeriodMs) return period
  return failure(`${quote(text)} is longer than ${formatDuration(longestPeriodMs)}, the most that is looked back`)
}

const Period = parsedText(parsePeriod)

const DateRange = parsedText(parseDateRange)

const TimeZone = z.string().check(z.refine(isTimeZone, { error: 'must be a time zone by its IANA name, such as "Asia/Shanghai"' }))

const Count = z.int().check(z.minimum(0), z.maximum(largestSize))

const RuleSettings = z.strictObject({
  name: z.string().check(z.minLength(1), z.maxLength(100), z.describe('Names the rule in reports and on what it changed; unique.')),
  cluster: z.string().check(z.minLength(1), z.describe('Id or name of one of `clusters`.')),
  target: z.strictObject({
    apiVersion: z.optional(z.string()),
    kind: z.string().check(z.describe('Deployment, StatefulSet or HorizontalPodAutoscaler.')),
    namespace: z.optional(z.string().check(z.describe('`default` when absent.'))),
    name: z.string(),
  }),
  schedule: z.string().check(z.describe('Six fields: second minute hour day-of-month month day-of-week.')),
  timeZone: z.optional(TimeZone),
  targetSize: z.optional(Count.check(z.describe('Replicas of a Deployment or StatefulSet.'))),
  minSize: z.optional(Count.check(z.describe('minReplicas of a HorizontalPodAutoscaler; goes with maxSize.'))),
  maxSize: z.optional(Count),
  excludeDates: z._default(
    z.array(z.string()).check(z.describe('Six-field expressions over dates, 2026-10-01..2026-10-07, @calendar/<name>.')),
    [],
  ),
  runOnce: z._default(z.boolean(), false),
  startingDeadline: z.optional(Period),
  enforce: z.optional(z.boolean()),
  allowHpaConflict: z.optional(z.boolean()),
  paused: z._default(z.boolean(), false),
})

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
    z.strictObject({
      holidays: z._default(z.array(DateRange), []),
      workdays: z._default(z.array(DateRange), []),
    }),
  ),
)

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
  enforce: z._default(z.boolean().check(z.describe('Also correct what somebody changed between two firings.')), false),
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
  calendars: z._default(Calendars, {}),
  rules: z._default(
    z.array(RuleSettings).check(
      z.refine((rules) => new Set(rules.map(({ name }) => name)).size === rules.length, {
        error: (issue) => `two rules have the same name: ${twice(issue.input)}; name each rule once`,
      }),
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

function twice(rules: unknown): string {
  const names = Array.isArray(rules) ? rules.map((rule: { readonly name?: unknown }) => String(rule.name)) : []
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

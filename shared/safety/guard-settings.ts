import * as z from 'zod/mini'
import { parseCivilDate } from '#shared/pure/civil.ts'
import { nextFiring, parseCron } from '#shared/pure/cron.ts'
import { formatDuration, parseDuration } from '#shared/pure/duration.ts'
import { type Glob, parseGlob } from '#shared/pure/glob.ts'
import { nearest } from '#shared/pure/nearest.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { isTimeZone } from '#shared/pure/zone.ts'
import { type Cap, type CapWindow, capId } from './cap.ts'
import type { FreezeOverride, FreezeWindow } from './freeze-window.ts'
import type { KillSwitchSettings } from './kill-switch-of.ts'

/** The section `guard` of the configuration as it was read: lengths and instants in milliseconds, globs and schedules parsed. */
export interface GuardSettings {
  readonly caps: readonly Cap[]
  readonly freeze: readonly FreezeWindow[]
  readonly overrides: readonly FreezeOverride[]
  /** Targets that are never changed. */
  readonly protect: readonly Glob[]
  readonly killSwitch: KillSwitchSettings
}

/** What holds without the section: no caps, no windows, nothing protected, and the kill switch in the store. */
export const defaultGuardSettings: GuardSettings = { caps: [], freeze: [], overrides: [], protect: [], killSwitch: { kind: 'store' } }

const shortestMs = 60_000
/** Nothing looks back or lasts for longer than this. */
const longestMs = 366 * 86_400_000
const longestPattern = 256

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

/** A length from a minute to a year. */
function parseLength(text: string): Result<number, string> {
  const parsed = parseDuration(text)
  if (!parsed.ok || (parsed.value >= shortestMs && parsed.value <= longestMs)) return parsed
  return failure(`${JSON.stringify(text)} is not between ${formatDuration(shortestMs)} and ${formatDuration(longestMs)}`)
}

function parsePattern(text: string): Result<Glob, string> {
  if (text === '') return failure('the glob is empty and would fit nothing; leave it out to mean all')
  if (text.length > longestPattern) return failure(`the glob is ${text.length} characters long; ${longestPattern} are allowed`)
  return parseGlob(text)
}

/** Windows without the zone of a day, which stands beside them. */
function parseWindow(text: string): Result<'run' | 'day' | number, string> {
  if (text === 'run' || text === 'day') return success(text)
  const length = parseLength(text)
  return length.ok ? length : failure(`${length.error}; a window is "run", "day" or a length of time such as "1h"`)
}

function parseSchedule(text: string) {
  const parsed = parseCron(text)
  return parsed.ok ? parsed : failure(parsed.error.message)
}

/** Reads `2026-10-02T08:00+08:00`, seconds and their fractions allowed; without an offset nobody could tell what is meant. */
function parseInstant(text: string): Result<number, string> {
  const parts = /^(\d{4}-\d{2}-\d{2})T([01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,3})?)?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)$/.exec(text)
  if (parts === null) return failure(`${JSON.stringify(text)} is no instant: write it with its offset, as in 2026-10-02T08:00+08:00`)
  const date = parseCivilDate(parts[1] ?? '')
  return date.ok ? success(Date.parse(text)) : date
}

const TimeZone = z.string().check(z.refine(isTimeZone, { error: 'must be a time zone by its IANA name, such as "Asia/Shanghai"' }))

const Name = z.string().check(z.minLength(1), z.maxLength(64))

const dnsLabel = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?'

/** What belongs to each kind of switch beside `kind`. One flat form, not one per kind, so that a misspelt `kind` is found too. */
const switchKeys = {
  store: [],
  ssm: ['parameter'],
  configMap: ['cluster', 'namespace', 'name', 'key'],
} as const

const KillSwitch = z.pipe(
  z
    .strictObject({
      kind: z
        .enum(['store', 'ssm', 'configMap'])
        .check(z.describe('An item of the store, a parameter of the AWS parameter store, or a key of a ConfigMap.')),
      parameter: z.optional(
        z
          .string()
          .check(
            z.regex(/^[A-Za-z0-9_./-]{1,1011}$/, { error: 'must be the name of a parameter, such as "/longshore/kill-switch"' }),
            z.describe('Of `ssm`.'),
          ),
      ),
      cluster: z.optional(z.string().check(z.minLength(1), z.describe('Of `configMap`: id or name of one of `clusters`.'))),
      namespace: z.optional(
        z
          .string()
          .check(z.regex(new RegExp(`^${dnsLabel}$`), { error: 'must be a namespace, such as "ops"' }), z.describe('Of `configMap`.')),
      ),
      name: z.optional(
        z
          .string()
          .check(
            z.maxLength(253),
            z.regex(new RegExp(`^${dnsLabel}(?:\\.${dnsLabel})*$`), { error: 'must be the name of a ConfigMap' }),
            z.describe('Of `configMap`.'),
          ),
      ),
      key: z.optional(
        z
          .string()
          .check(
            z.regex(/^[-._a-zA-Z0-9]{1,253}$/, { error: 'must be a key of the ConfigMap, such as "state"' }),
            z.describe('Of `configMap`: says exactly `run` or `stop`.'),
          ),
      ),
    })
    .check(
      z.check(({ value, issues }) => {
        if (issues.length > 0) return
        const own: readonly string[] = switchKeys[value.kind]
        for (const key of [...switchKeys.ssm, ...switchKeys.configMap]) {
          const isThere = value[key] !== undefined
          if (isThere === own.includes(key)) continue
          const message = isThere ? `does not go with kind ${value.kind}` : `missing; kind ${value.kind} needs it`
          issues.push({ code: 'custom', path: [key], message, input: value[key] })
        }
      }),
    ),
  z.transform(({ kind, parameter = '', cluster = '', namespace = '', name = '', key = '' }): KillSwitchSettings => {
    switch (kind) {
      case 'store':
        return { kind }
      case 'ssm':
        return { kind, parameter }
      case 'configMap':
        return { kind, cluster, namespace, name, key }
    }
  }),
)

/**
 * The schema of the section. `functionNames` are those that caps and windows may name.
 *
 * Refuses what would not do what it seems to: a cap without a size, a percentage over all functions, two caps that count the same,
 * a window that never comes, two windows of one name, an override of none.
 */
export function guardSchema(functionNames: readonly string[]) {
  const FunctionName = z.enum(functionNames)

  const CapEntry = z.pipe(
    z
      .strictObject({
        function: z.optional(FunctionName.check(z.describe('Whose changes count; when absent, those of all functions together.'))),
        target: z.optional(
          parsedText(parsePattern).check(
            z.describe(
              'Glob over targets (cluster/namespace/kind/name, or namespace/repository): * stops at a slash, ** does not. All count when absent.',
            ),
          ),
        ),
        amount: z.optional(z.int().check(z.minimum(0), z.maximum(1_000_000), z.describe('Changes within the window; 0 means none.'))),
        percent: z.optional(
          z
            .number()
            .check(
              z.minimum(0),
              z.maximum(100),
              z.multipleOf(0.01),
              z.describe("Of the targets of the function's plan that `target` fits, rounded down; goes with `function`."),
            ),
        ),
        window: parsedText(parseWindow).check(z.describe('`run`, `day` (with `timeZone`), or a length of time that rolls along: `1h`.')),
        timeZone: z.optional(TimeZone.check(z.describe('Of `day`.'))),
      })
      .check(
        z.check(({ value, issues }) => {
          // An unknown key may be the one that seems to be missing.
          if (issues.length > 0) return
          const complain = (key: keyof typeof value, message: string): void => {
            issues.push({ code: 'custom', path: [key], message, input: value[key] })
          }
          if (value.amount === undefined && value.percent === undefined) complain('amount', 'missing; give an amount, a percent or both')
          if (value.percent !== undefined && value.function === undefined)
            complain('percent', 'is of the targets of one function; name it under `function`, and give others caps of their own')
          if (value.window === 'day' && value.timeZone === undefined) complain('timeZone', 'missing; a day begins somewhere')
          if (value.window !== 'day' && value.timeZone !== undefined) complain('timeZone', 'goes with `window: day` only')
        }),
      ),
    z.transform(({ window, timeZone, ...cap }): Cap => ({ ...cap, window: windowOf(window, timeZone) })),
  )

  const WindowEntry = z.pipe(
    z
      .strictObject({
        name: Name.check(z.describe('Names the window in reasons and overrides; unique.')),
        kind: z.enum(['allow', 'deny']).check(z.describe('`deny` forbids changes while it is active, `allow` outside all such windows.')),
        schedule: parsedText(parseSchedule).check(
          z.describe('When it begins, in six fields: second minute hour day-of-month month day-of-week.'),
        ),
        duration: parsedText(parseLength).check(z.describe('How long it is active from each beginning on.')),
        timeZone: TimeZone,
        functions: z.optional(z.array(FunctionName).check(z.minLength(1), z.describe('Whom it is about; all when absent.'))),
      })
      .check(
        z.check(({ value, issues }) => {
          // From an instant before a leap year on, so that a 29 February is found.
          if (nextFiring(value.schedule, value.timeZone, Date.UTC(2023, 0, 1)) === undefined)
            issues.push({
              code: 'custom',
              path: ['schedule'],
              message: 'never fires, so the window never comes',
              input: value.schedule.spec,
            })
        }),
      ),
    z.transform(({ duration, ...window }): FreezeWindow => ({ ...window, durationMs: duration })),
  )

  const OverrideEntry = z.strictObject({
    window: z.string().check(z.describe('Name of the window that is set aside.')),
    until: parsedText(parseInstant).check(z.describe('When that is over, with its offset: 2026-10-02T08:00+08:00.')),
    by: Name.check(z.describe('Who has decided it.')),
    reason: z.string().check(z.minLength(1), z.maxLength(500)),
  })

  return z
    .strictObject({
      caps: z._default(
        z.array(CapEntry).check(z.maxLength(50), z.describe('How much may be changed; every cap that fits a change holds.')),
        [],
      ),
      freeze: z._default(z.array(WindowEntry).check(z.maxLength(100), z.describe('When nothing may be changed.')), []),
      overrides: z._default(z.array(OverrideEntry).check(z.maxLength(100), z.describe('Windows that are set aside for a while.')), []),
      protect: z._default(
        z.array(parsedText(parsePattern)).check(z.maxLength(1_000), z.describe('Globs over targets that are never changed.')),
        [],
      ),
      killSwitch: z._default(KillSwitch.check(z.describe('Where it is written whether all is to stop; in the store when absent.')), {
        kind: 'store',
      }),
    })
    .check(
      z.check(({ value: { caps, freeze, overrides }, issues }) => {
        for (const [index, earlier] of repeated(caps.map(capId))) {
          const message = `counts the same as caps[${earlier}]; keep the lesser of the two`
          issues.push({ code: 'custom', path: ['caps', index, 'window'], message, input: undefined })
        }
        const names = freeze.map(({ name }) => name)
        for (const [index, earlier] of repeated(names)) {
          const message = `the same as freeze[${earlier}].name; name each window once`
          issues.push({ code: 'custom', path: ['freeze', index, 'name'], message, input: names[index] })
        }
        for (const [index, { window }] of overrides.entries()) {
          if (names.includes(window)) continue
          const near = nearest(window, names)
          const known = names.length === 0 ? 'there are none' : `there are ${names.map((name) => JSON.stringify(name)).join(', ')}`
          const message = `no freeze window has this name; ${near === undefined ? known : `did you mean ${JSON.stringify(near)}?`}`
          issues.push({ code: 'custom', path: ['overrides', index, 'window'], message, input: window })
        }
      }),
    )
}

function windowOf(window: 'run' | 'day' | number, timeZone: string | undefined): CapWindow {
  if (window === 'run') return { kind: 'run' }
  if (window === 'day') return { kind: 'day', timeZone: timeZone ?? 'UTC' }
  return { kind: 'rolling', durationMs: window }
}

/** The places of values that stood before, each with the first place. */
function repeated(values: readonly string[]): (readonly [number, number])[] {
  return values.map((value, index) => [index, values.indexOf(value)] as const).filter(([index, first]) => first < index)
}

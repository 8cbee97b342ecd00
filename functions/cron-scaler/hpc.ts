import * as z from 'zod/mini'
import { clip, quote } from '#shared/pure/clip.ts'
import { nearest } from '#shared/pure/nearest.ts'
import { HpcCron, HpcObject, hpcCronFields, hpcFields, parsePeriod, type Settings } from './event.ts'
import type { InvalidRule, RuleDraft } from './rules.ts'

/** What may be said about all rules of an HPC object, as annotations on it: the CRD has no fields for these. */
export const hpcAnnotations = {
  timeZone: 'longshore.dev/time-zone',
  startingDeadline: 'longshore.dev/starting-deadline',
  spread: 'longshore.dev/spread',
  validFrom: 'longshore.dev/valid-from',
  validUntil: 'longshore.dev/valid-until',
  enforce: 'longshore.dev/enforce',
  allowHpaConflict: 'longshore.dev/allow-hpa-conflict',
  paused: 'longshore.dev/paused',
} as const

/** The longest name of a cron that is not refused. Names are told apart in reports, which show no more of them. */
const longestCronName = 100

/**
 * The rules of one HPC object, one per entry of `spec.crons`. What cannot be read becomes a draft that says so, for the
 * entry or for the whole object, so that it is reported and spoils no other. An object that is being deleted has no rules.
 */
export function rulesOfHpc(object: unknown, cluster: string, settings: Settings): RuleDraft[] {
  const parsed = z.safeParse(HpcObject, object)
  if (!parsed.success) return [unreadable(object, cluster, settings, problemText(parsed.error))]
  const { metadata, spec } = parsed.data
  if (metadata.deletionTimestamp != null) return []
  const namespace = metadata.namespace ?? 'default'
  const id = `hpc/${namespace}/${metadata.name}`
  const createdMs = Date.parse(metadata.creationTimestamp ?? '')
  const { problem: annotationProblem, ...common } = readAnnotations(metadata.annotations ?? {}, settings)
  const objectProblem = strangeField(object) ?? annotationProblem
  const crons = spec.crons ?? []
  // Misspelt `crons` leave no rule to tell of them.
  if (objectProblem !== undefined && crons.length === 0) return [unreadable(object, cluster, settings, objectProblem)]
  return crons.map((entry, index): RuleDraft => {
    const cron = z.safeParse(HpcCron, entry)
    const name = nameOfEntry(entry)
    const draft = {
      ...common,
      source: 'hpc',
      id: `${id}/${name === undefined ? `#${index}` : clip(name, longestCronName)}`,
      identity: `${metadata.uid ?? id}/${name ?? `#${index}`}`,
      cluster,
      target: spec.scaleTarget,
      namespace,
      schedule: '',
      excludeDates: [],
      runOnce: false,
      existsSinceMs: Number.isNaN(createdMs) ? undefined : createdMs,
      warnings: [],
    } as const
    if (!cron.success) return { ...draft, problem: { code: 'rule-unreadable', text: problemText(cron.error) } }
    const { misspelt, unknown } = strangeCronFields(entry)
    const problem = objectProblem ?? misspelt
    const runOnce = cron.data.runOnce ?? false
    return {
      ...draft,
      schedule: cron.data.schedule,
      targetSize: cron.data.targetSize ?? undefined,
      minSize: cron.data.minSize ?? undefined,
      maxSize: cron.data.maxSize ?? undefined,
      excludeDates: [...(spec.excludeDates ?? []), ...(cron.data.excludeDates ?? [])],
      runOnce,
      problem: problem === undefined ? nameProblem(name, runOnce) : { code: 'rule-unreadable', text: problem },
      warnings: unknown,
    }
  })
}

/** What a rule is known by must not change with the entries beside it, where anything is remembered of it. */
function nameProblem(name: string | undefined, runOnce: boolean): InvalidRule | undefined {
  if (name === undefined) {
    if (!runOnce) return undefined
    const text = 'a cron that runs once needs a name: by its place alone it would run again when an entry is put before it'
    return { code: 'run-once-unnamed', text }
  }
  if (name.length <= longestCronName) return undefined
  return { code: 'rule-unreadable', text: `its name has ${name.length} characters: write at most ${longestCronName}` }
}

interface Annotated {
  readonly timeZone: string
  readonly startingDeadlineMs: number
  readonly spreadMs: number
  readonly validFrom: string | undefined
  readonly validUntil: string | undefined
  readonly enforce: boolean
  readonly allowHpaConflict: boolean
  readonly paused: boolean
  readonly problem?: string
}

function readAnnotations(annotations: Readonly<Record<string, string>>, settings: Settings): Annotated {
  const problems: string[] = []
  const flag = (name: string, absent: boolean): boolean => {
    const text = annotations[name]
    if (text === undefined) return absent
    if (text !== 'true' && text !== 'false') problems.push(`the annotation ${name} is ${quote(text)}: write "true" or "false"`)
    return text === 'true'
  }
  const period = (name: string, absent: number): number => {
    const text = annotations[name]
    const read = text === undefined ? undefined : parsePeriod(text)
    if (read?.ok === false) problems.push(`the annotation ${name}: ${read.error}`)
    return read?.ok === true ? read.value : absent
  }
  const annotated = {
    timeZone: annotations[hpcAnnotations.timeZone] ?? settings.timeZone,
    startingDeadlineMs: period(hpcAnnotations.startingDeadline, settings.startingDeadline),
    spreadMs: period(hpcAnnotations.spread, settings.spread),
    validFrom: annotations[hpcAnnotations.validFrom],
    validUntil: annotations[hpcAnnotations.validUntil],
    enforce: flag(hpcAnnotations.enforce, settings.enforce),
    allowHpaConflict: flag(hpcAnnotations.allowHpaConflict, settings.allowHpaConflict),
    paused: flag(hpcAnnotations.paused, false),
  }
  return problems.length === 0 ? annotated : { ...annotated, problem: problems.join('; ') }
}

/** A field of the object itself that no HPC has. It spoils all its rules, because what it should do would be lost silently. */
function strangeField(object: unknown): string | undefined {
  const spec = memberOf(object, 'spec')
  return strangeKey(spec, 'spec', hpcFields.spec) ?? strangeKey(memberOf(spec, 'scaleTarget'), 'spec.scaleTarget', hpcFields.scaleTarget)
}

function strangeKey(value: unknown, place: string, known: readonly string[]): string | undefined {
  const field = Object.keys(Object(value)).find((key) => !known.includes(key))
  if (field === undefined) return undefined
  const near = nearest(field, known)
  const advice = near === undefined ? `known are ${known.join(', ')}` : `did you mean "${near}"?`
  return `the field ${quote(`${place}.${field}`)} is unknown: ${advice}`
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

/** Fields that no cron has: one that looks misspelt makes the rule invalid, because its meaning would be lost silently. */
function strangeCronFields(entry: unknown): { readonly misspelt?: string; readonly unknown: readonly string[] } {
  const known: readonly string[] = hpcCronFields
  const unknown: string[] = []
  for (const field of Object.keys(Object(entry))) {
    if (known.includes(field)) continue
    const near = nearest(field, known)
    if (near !== undefined) return { misspelt: `the field ${quote(field)} is unknown: did you mean "${near}"?`, unknown }
    unknown.push(`the field ${quote(field)} is unknown and ignored`)
  }
  return { unknown }
}

function nameOfEntry(entry: unknown): string | undefined {
  const name = memberOf(entry, 'name')
  return typeof name === 'string' && name !== '' ? name : undefined
}

function unreadable(object: unknown, cluster: string, settings: Settings, problem: string): RuleDraft {
  const named = z.safeParse(z.object({ metadata: z.object({ name: z.string(), namespace: z.optional(z.string()) }) }), object)
  const id = named.success ? `hpc/${named.data.metadata.namespace ?? 'default'}/${named.data.metadata.name}` : 'hpc/?'
  return {
    source: 'hpc',
    id,
    identity: id,
    cluster,
    target: {},
    namespace: 'default',
    schedule: '',
    timeZone: settings.timeZone,
    excludeDates: [],
    runOnce: false,
    startingDeadlineMs: settings.startingDeadline,
    enforce: false,
    allowHpaConflict: false,
    paused: false,
    problem: { code: 'rule-unreadable', text: problem },
    warnings: [],
  }
}

const mostIssues = 5

function problemText(error: z.core.$ZodError): string {
  const issues = error.issues.map((issue) => {
    const fault = issue.code === 'invalid_type' ? `is no ${issue.expected}, or is missing` : 'is not as it should be'
    return `${clip(issue.path.join('.')) || 'the entry'} ${fault}`
  })
  const shown = issues.length <= mostIssues ? issues : [...issues.slice(0, mostIssues), `and ${issues.length - mostIssues} more`]
  return `it cannot be read: ${shown.join('; ')}`
}

import * as z from 'zod/mini'
import { parseDuration } from '#shared/pure/duration.ts'
import { nearest } from '#shared/pure/nearest.ts'
import { HpcCron, HpcObject, hpcCronFields, type Settings } from './event.ts'
import type { RuleDraft } from './rules.ts'

/** What may be said about all rules of an HPC object, as annotations on it: the CRD has no fields for these. */
export const hpcAnnotations = {
  timeZone: 'longshore.dev/time-zone',
  startingDeadline: 'longshore.dev/starting-deadline',
  enforce: 'longshore.dev/enforce',
  allowHpaConflict: 'longshore.dev/allow-hpa-conflict',
  paused: 'longshore.dev/paused',
} as const

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
  const { problem, ...common } = readAnnotations(metadata.annotations ?? {}, settings)
  return (spec.crons ?? []).map((entry, index): RuleDraft => {
    const cron = z.safeParse(HpcCron, entry)
    const name = nameOfEntry(entry) ?? `#${index}`
    const draft = {
      ...common,
      source: 'hpc',
      id: `${id}/${name}`,
      identity: `${metadata.uid ?? id}/${name}`,
      cluster,
      target: spec.scaleTarget,
      namespace,
      schedule: '',
      excludeDates: [],
      runOnce: false,
      existsSinceMs: Number.isNaN(createdMs) ? undefined : createdMs,
      warnings: [],
    } as const
    if (!cron.success) return { ...draft, problem: problemText(cron.error) }
    const { misspelt, unknown } = strangeFields(entry)
    return {
      ...draft,
      schedule: cron.data.schedule,
      targetSize: cron.data.targetSize ?? undefined,
      minSize: cron.data.minSize ?? undefined,
      maxSize: cron.data.maxSize ?? undefined,
      excludeDates: [...(spec.excludeDates ?? []), ...(cron.data.excludeDates ?? [])],
      runOnce: cron.data.runOnce ?? false,
      problem: problem ?? misspelt,
      warnings: unknown,
    }
  })
}

interface Annotated {
  readonly timeZone: string
  readonly startingDeadlineMs: number
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
    if (text !== 'true' && text !== 'false') problems.push(`the annotation ${name} is ${JSON.stringify(text)}: write "true" or "false"`)
    return text === 'true'
  }
  let startingDeadlineMs = settings.startingDeadline
  const deadlineText = annotations[hpcAnnotations.startingDeadline]
  if (deadlineText !== undefined) {
    const deadline = parseDuration(deadlineText)
    if (deadline.ok) startingDeadlineMs = deadline.value
    else problems.push(`the annotation ${hpcAnnotations.startingDeadline}: ${deadline.error}`)
  }
  const annotated = {
    timeZone: annotations[hpcAnnotations.timeZone] ?? settings.timeZone,
    startingDeadlineMs,
    enforce: flag(hpcAnnotations.enforce, settings.enforce),
    allowHpaConflict: flag(hpcAnnotations.allowHpaConflict, settings.allowHpaConflict),
    paused: flag(hpcAnnotations.paused, false),
  }
  return problems.length === 0 ? annotated : { ...annotated, problem: problems.join('; ') }
}

/** Fields that no HPC has: one that looks misspelt makes the rule invalid, because its meaning would be lost silently. */
function strangeFields(entry: unknown): { readonly misspelt?: string; readonly unknown: readonly string[] } {
  const known: readonly string[] = hpcCronFields
  const unknown: string[] = []
  for (const field of Object.keys(Object(entry))) {
    if (known.includes(field)) continue
    const near = nearest(field, known)
    if (near !== undefined) return { misspelt: `the field ${JSON.stringify(field)} is unknown: did you mean "${near}"?`, unknown }
    unknown.push(`the field ${JSON.stringify(field)} is unknown and ignored`)
  }
  return { unknown }
}

function nameOfEntry(entry: unknown): string | undefined {
  const name = typeof entry === 'object' && entry !== null && 'name' in entry ? entry.name : undefined
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
    problem,
    warnings: [],
  }
}

function problemText(error: z.core.$ZodError): string {
  const issues = error.issues.map((issue) => {
    const fault = issue.code === 'invalid_type' ? `is no ${issue.expected}, or is missing` : 'is not as it should be'
    return `${issue.path.join('.') || 'the entry'} ${fault}`
  })
  return `it cannot be read: ${issues.join('; ')}`
}

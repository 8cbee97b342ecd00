import * as z from 'zod/mini'
import { clip, quote } from '#shared/pure/clip.ts'
import { nextFiring, parseCron } from '#shared/pure/cron.ts'
import { formatDuration } from '#shared/pure/duration.ts'
import { nearest } from '#shared/pure/nearest.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { pathText } from '#shared/runtime/config-path.ts'
import { problemsOf } from '#shared/runtime/config-problems.ts'
import { configuredRules } from './configured-rules.ts'
import { Settings } from './event.ts'
import { type Calendar, parseDateRange } from './excludes.ts'
import { hpcAnnotations, rulesOfHpc } from './hpc.ts'
import { type RuleContext, type RuleDraft, ruleProblems } from './rules.ts'
import { readTarget, resourceOf, type TargetKind } from './target.ts'

/** Something to be said about what is converted, and of what it is said. */
export interface ConvertNote {
  readonly of: string
  readonly text: string
}

/** What came of a conversion. With problems there are no items: half of the rules would be worse than none. */
export interface Converted<Item> {
  readonly items: readonly Item[]
  /** Why nothing can be converted. */
  readonly problems: readonly ConvertNote[]
  /** What the result does not say, or says only to Longshore. */
  readonly losses: readonly ConvertNote[]
  /** What is said, and works differently. */
  readonly notes: readonly ConvertNote[]
}

/** An HPC object as a file has it. */
export interface HpcManifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly spec: {
    readonly scaleTarget: { readonly apiVersion: string; readonly kind: string; readonly namespace: string; readonly name: string }
    readonly crons: readonly HpcCronManifest[]
  }
}

export interface HpcCronManifest {
  readonly name?: string
  readonly schedule: string
  readonly targetSize?: number
  readonly minSize?: number
  readonly maxSize?: number
  readonly excludeDates?: readonly string[]
  readonly runOnce?: boolean
}

type SettingsRule = Settings['rules'][number]

/** A rule as the configuration has it, with nothing in it that is there by default. */
export type RuleEntry = NonNullable<z.input<typeof Settings>['rules']>[number]

/** Fields that a rule has and a cron has not, by how they are written: as an annotation of the whole object, which only Longshore reads. */
const annotated = {
  timeZone: 'text',
  startingDeadline: 'period',
  spread: 'period',
  validFrom: 'text',
  validUntil: 'text',
  enforce: 'flag',
  allowHpaConflict: 'flag',
  paused: 'flag',
} as const satisfies Record<keyof typeof hpcAnnotations, 'text' | 'period' | 'flag'> &
  Record<Exclude<keyof SettingsRule, 'name' | 'cluster' | 'target' | keyof HpcCronManifest>, 'text' | 'period' | 'flag'>

type AnnotatedField = keyof typeof annotated

const annotatedFields: readonly AnnotatedField[] = [
  'timeZone',
  'startingDeadline',
  'spread',
  'validFrom',
  'validUntil',
  'enforce',
  'allowHpaConflict',
  'paused',
]

/** What tke-hpc-controller does instead. */
const instead: Readonly<Record<AnnotatedField, string>> = {
  timeZone: 'tke-hpc-controller takes the zone of the node it runs on',
  startingDeadline: 'tke-hpc-controller never catches up on what it missed',
  spread: 'tke-hpc-controller does everything at once',
  validFrom: 'tke-hpc-controller runs it from now on',
  validUntil: 'tke-hpc-controller never stops running it',
  enforce: 'tke-hpc-controller acts at the instant only, and not on what is changed afterwards',
  allowHpaConflict: 'tke-hpc-controller never looks at autoscalers',
  paused: 'tke-hpc-controller runs it all the same',
}

export const defaultHpcGroup = 'autoscaling.cloud.tencent.com'

const hpcKind = 'HorizontalPodCronscaler'

/** The version that a target's kind is written with. */
function apiVersionOf(kind: TargetKind): string {
  const { group, version } = resourceOf(kind)
  return `${group}/${version}`
}

export interface RulesToHpcOptions {
  /** API group of the objects. */
  readonly group: string
  /** The cluster whose rules are meant, as the rules name it; needed when they name several. */
  readonly cluster?: string | undefined
  /** Epoch milliseconds: where to start looking whether a schedule ever fires. */
  readonly now: number
}

/**
 * Makes HPC objects of the rules in a section of the configuration (`functions.cron-scaler`), one for each target, and for each
 * set of what is said as annotations, since those count for a whole object. Longshore reads the same rules from them; what
 * tke-hpc-controller would not know is a loss. Rules that could not run are problems.
 */
export function rulesToHpc(section: unknown, options: RulesToHpcOptions): Converted<HpcManifest> {
  const parsed = z.safeParse(Settings, section)
  if (!parsed.success) {
    return troubled(
      problemsOf(Settings, section).map(({ path, text }) => ({ of: path.length === 0 ? 'the settings' : pathText(path), text })),
    )
  }
  const settings = parsed.data
  const named = [...new Set(settings.rules.map(({ cluster }) => cluster))]
  const { cluster = named[0] } = options
  if (settings.rules.length === 0 || cluster === undefined) return troubled([{ of: 'the settings', text: 'they have no rules to convert' }])
  if (options.cluster === undefined && named.length > 1) {
    return troubled([
      { of: 'the rules', text: `they are for ${named.join(', ')}, and an HPC object is in one cluster: say which with --cluster` },
    ])
  }
  const rules = settings.rules.filter((rule) => rule.cluster === cluster)
  if (rules.length === 0) return troubled([{ of: 'the rules', text: `none is for ${cluster}: they are for ${named.join(', ')}` }])
  const problems = problemsOfRules({ ...settings, rules }, options.now)
  if (problems.length > 0) return troubled(problems)

  const groups = new Map<string, SettingsRule[]>()
  for (const rule of rules) {
    const key = JSON.stringify([targetOf(rule), annotationsOf(rule)])
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [rule])
    else group.push(rule)
  }
  const taken = new Set<string>()
  const items = [...groups.values()].map((group) => manifestOf(group, options.group, taken))
  const others = settings.rules.length - rules.length
  return {
    items,
    problems: [],
    losses: [...lossesOfSection(section), ...rules.flatMap(lossesOfRule)],
    notes: [
      ...(others === 0 ? [] : [{ of: 'the rules', text: `${others} for other clusters than ${cluster} are left out` }]),
      ...notesOfSection(settings, rules),
      ...rules.filter(({ runOnce }) => runOnce).map(({ name }) => ({ of: `config/${name}`, text: runOnceText })),
    ],
  }
}

const runOnceText =
  'that it has run once is remembered under its old name: as a rule of another kind it may run once more, so take it out if it has run'

function troubled<Item>(problems: readonly ConvertNote[]): Converted<Item> {
  return { items: [], problems, losses: [], notes: [] }
}

function problemsOfRules(settings: Settings, now: number): readonly ConvertNote[] {
  const clusters = [...new Set(settings.rules.map(({ cluster }) => cluster))].map((id) => ({ id }))
  const context = openContext(
    settings.rules.flatMap(({ excludeDates }) => excludeDates),
    now,
  )
  return configuredRules({ clusters, settings }).flatMap((draft) =>
    ruleProblems(draft, context).map(({ text }) => ({ of: draft.id, text })),
  )
}

/** Checks with whatever calendars are named, and with clusters that allow what they may allow: neither is known here. */
function openContext(excludeDates: readonly string[], now: number): RuleContext {
  const calendars = new Map<string, Calendar>()
  for (const text of excludeDates) {
    const name = calendarName(text)
    if (name !== undefined) calendars.set(name, { holidays: [], workdays: [] })
  }
  return { calendars, allowZeroMin: true, now }
}

function calendarName(text: string): string | undefined {
  return /^@calendar\/(.+)$/s.exec(text.trim())?.[1]
}

function targetOf({ target }: SettingsRule): { readonly kind: TargetKind; readonly namespace: string; readonly name: string } {
  const read = readTarget(target, 'default')
  if (!read.ok) throw new TypeError(`a target that was checked is none: ${read.error.text}`)
  return read.value
}

function annotationsOf(rule: SettingsRule): Readonly<Record<string, string>> {
  return Object.fromEntries(
    annotatedFields.flatMap((field) => {
      const value = writtenField(rule, field)
      return value === undefined ? [] : [[hpcAnnotations[field], value]]
    }),
  )
}

/** A field as an annotation has it; undefined where the rule does not say it. */
function writtenField(rule: SettingsRule, field: AnnotatedField): string | undefined {
  const value = rule[field]
  // Not to be paused is what every rule is.
  if (value === undefined || (field === 'paused' && value === false)) return undefined
  return typeof value === 'number' ? formatDuration(value) : String(value)
}

function manifestOf(rules: readonly SettingsRule[], group: string, taken: Set<string>): HpcManifest {
  const [first] = rules
  if (first === undefined) throw new TypeError('a group of rules is empty')
  const target = targetOf(first)
  const annotations = annotationsOf(first)
  return {
    apiVersion: `${group}/v1`,
    kind: hpcKind,
    metadata: {
      name: objectName(target, taken),
      namespace: target.namespace,
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
    spec: {
      scaleTarget: { apiVersion: apiVersionOf(target.kind), kind: target.kind, namespace: target.namespace, name: target.name },
      crons: rules.map(({ name, schedule, excludeDates, runOnce, ...sizes }) => ({
        name,
        schedule,
        ...sizesOf(sizes),
        ...(excludeDates.length === 0 ? {} : { excludeDates }),
        ...(runOnce ? { runOnce } : {}),
      })),
    },
  }
}

/** The target's name, with more behind it where that is taken in its namespace. */
function objectName(
  { kind, namespace, name }: { readonly kind: string; readonly namespace: string; readonly name: string },
  taken: Set<string>,
): string {
  const place = (candidate: string): string => `${namespace}/${candidate}`
  const cut = (suffix: string): string => `${name.slice(0, 253 - suffix.length).replace(/[-.]+$/, '')}${suffix}`
  let chosen = name
  for (let number = 1; taken.has(place(chosen)); number += 1) chosen = cut(`-${kind.toLowerCase()}${number === 1 ? '' : `-${number}`}`)
  taken.add(place(chosen))
  return chosen
}

function lossesOfRule(rule: SettingsRule): readonly ConvertNote[] {
  const of = `config/${rule.name}`
  const fields = annotatedFields.flatMap((field) => {
    const value = writtenField(rule, field)
    if (value === undefined) return []
    return [
      { of, text: `${field} ${value}: written as the annotation ${hpcAnnotations[field]}, which only Longshore reads; ${instead[field]}` },
    ]
  })
  return [...fields, ...lossesOfExcludes(of, rule.excludeDates)]
}

function lossesOfExcludes(of: string, excludeDates: readonly string[]): readonly ConvertNote[] {
  return excludeDates
    .filter((text) => !parseCron(text).ok)
    .map((text) => ({
      of,
      text: `excludeDates ${quote(text)}: only Longshore reads it; the ancestor of tke-hpc-controller passes over what it cannot read and runs the rule on those days`,
    }))
}

function lossesOfSection(section: unknown): readonly ConvertNote[] {
  const of = 'the settings'
  const losses: ConvertNote[] = []
  if (memberOf(section, 'paused') === true)
    losses.push({ of, text: 'paused: true holds all rules here, and no HPC object where tke-hpc-controller runs' })
  const overrides = memberOf(section, 'overrides')
  if (Array.isArray(overrides) && overrides.length > 0)
    losses.push({ of, text: `${overrides.length} overrides: HPC has none, they are left out` })
  return losses
}

function notesOfSection(settings: Settings, rules: readonly SettingsRule[]): readonly ConvertNote[] {
  const count = rules.filter(({ timeZone }) => timeZone === undefined).length
  if (count === 0) return []
  const text = `${count} of the rules name no time zone: Longshore runs them in ${settings.timeZone}, the timeZone of these settings, tke-hpc-controller in that of its node`
  return [{ of: 'the settings', text }]
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined
}

export interface HpcToHpcOptions {
  /** API group of the result; the object's own when absent. */
  readonly group?: string | undefined
  readonly now: number
}

/**
 * Makes an HPC object of one that is written in another edition or spelling: kind and target as clusters spell them, what the
 * whole object excludes in each of its crons, and nothing that the cluster put there. One of which a rule would be invalid is a
 * problem.
 */
export function hpcToHpc(object: unknown, options: HpcToHpcOptions): Converted<HpcManifest> {
  const drafts = rulesOfHpc(object, 'any', z.parse(Settings, {}))
  const context = openContext(
    drafts.flatMap(({ excludeDates }) => excludeDates),
    options.now,
  )
  const problems = drafts.flatMap((draft) => ruleProblems(draft, context).map(({ text }) => ({ of: draft.id, text })))
  const parsed = z.safeParse(Metadata, object)
  if (!parsed.success) return troubled([{ of: 'hpc/?', text: 'it has no metadata.name' }])
  const { name, namespace = 'default', labels, annotations } = parsed.data.metadata
  const of = `hpc/${namespace}/${name}`
  const [first] = drafts
  if (problems.length > 0 || first === undefined) return troubled(problems.length > 0 ? problems : [{ of, text: 'it has no crons' }])
  const target = readTarget(first.target, first.namespace)
  if (!target.ok) return troubled([{ of, text: target.error.text }])
  const crons = memberOf(memberOf(object, 'spec'), 'crons')
  const apiVersion = String(memberOf(object, 'apiVersion') ?? '')
  const [group = '', version = 'v1'] = apiVersion.includes('/') ? apiVersion.split('/') : [defaultHpcGroup]
  return {
    items: [
      {
        apiVersion: options.group === undefined ? `${group}/${version}` : `${options.group}/v1`,
        kind: hpcKind,
        metadata: { name, namespace, ...(labels == null ? {} : { labels }), ...(annotations == null ? {} : { annotations }) },
        spec: {
          scaleTarget: { apiVersion: apiVersionOf(target.value.kind), ...target.value },
          crons: drafts.map((draft, index) => {
            const said = memberOf(Array.isArray(crons) ? crons[index] : undefined, 'name')
            return {
              ...(typeof said === 'string' && said !== '' ? { name: said } : {}),
              schedule: draft.schedule,
              ...sizesOf(draft),
              ...(draft.excludeDates.length === 0 ? {} : { excludeDates: draft.excludeDates }),
              ...(draft.runOnce ? { runOnce: true } : {}),
            }
          }),
        },
      },
    ],
    problems: [],
    losses: drafts.flatMap((draft) => draft.warnings.map((text) => ({ of: draft.id, text }))),
    notes: [],
  }
}

function sizesOf({
  targetSize,
  minSize,
  maxSize,
}: Pick<RuleDraft, 'targetSize' | 'minSize' | 'maxSize'>): Pick<HpcCronManifest, 'targetSize' | 'minSize' | 'maxSize'> {
  return {
    ...(targetSize === undefined ? {} : { targetSize }),
    ...(minSize === undefined ? {} : { minSize }),
    ...(maxSize === undefined ? {} : { maxSize }),
  }
}

export interface HpcToRulesOptions {
  /** Id or name of the cluster that the objects are in. */
  readonly cluster: string
  readonly now: number
}

const Metadata = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.optional(z.string()),
    labels: z.optional(z.nullable(z.record(z.string(), z.string()))),
    annotations: z.optional(z.nullable(z.record(z.string(), z.string()))),
  }),
})

/**
 * Makes rules of the configuration of HPC objects. A rule is called as its cron, with the object in front where that alone is not
 * unique. Objects of which a rule would be invalid are problems, all of them.
 */
export function hpcToRules(objects: readonly unknown[], options: HpcToRulesOptions): Converted<RuleEntry> {
  const settings = z.parse(Settings, {})
  const found: {
    readonly object: string
    readonly place: string
    readonly cron: string | undefined
    readonly entry: Omit<RuleEntry, 'name'>
  }[] = []
  const problems: ConvertNote[] = []
  const losses: ConvertNote[] = []
  const notes: ConvertNote[] = []
  for (const object of objects) {
    const drafts = rulesOfHpc(object, options.cluster, settings)
    const context = openContext(
      drafts.flatMap(({ excludeDates }) => excludeDates),
      options.now,
    )
    const own = drafts.flatMap((draft) => ruleProblems(draft, context).map(({ text }) => ({ of: draft.id, text })))
    problems.push(...own)
    const parsed = z.safeParse(Metadata, object)
    if (own.length > 0 || !parsed.success) continue
    const { name, namespace = 'default', annotations } = parsed.data.metadata
    const of = `hpc/${namespace}/${name}`
    if (drafts.length === 0) notes.push({ of, text: 'it has no crons, so no rule comes of it' })
    const common = fieldsOf(annotations ?? {})
    const crons = memberOf(memberOf(object, 'spec'), 'crons')
    for (const [index, draft] of drafts.entries()) {
      const target = readTarget(draft.target, draft.namespace)
      if (!target.ok) continue
      const said = memberOf(Array.isArray(crons) ? crons[index] : undefined, 'name')
      const { kind } = target.value
      losses.push(...draft.warnings.map((text) => ({ of: draft.id, text })))
      if (draft.runOnce) notes.push({ of: draft.id, text: runOnceText })
      found.push({
        object: name,
        place: `${namespace}/${name}`,
        cron: typeof said === 'string' && said !== '' ? said : undefined,
        entry: {
          cluster: options.cluster,
          target: { kind, ...(target.value.namespace === 'default' ? {} : { namespace: target.value.namespace }), name: target.value.name },
          schedule: draft.schedule,
          ...common,
          ...sizesOf(draft),
          ...(draft.excludeDates.length === 0 ? {} : { excludeDates: [...draft.excludeDates] }),
          ...(draft.runOnce ? { runOnce: true } : {}),
        },
      })
    }
  }
  if (problems.length > 0) return troubled(problems)
  const names = uniqueNames(found)
  const items = found.map(({ entry }, index) => ({ name: names[index] ?? '', ...entry }))
  const calendars = [...new Set(items.flatMap(({ excludeDates = [] }) => excludeDates.flatMap((text) => calendarName(text) ?? [])))]
  if (calendars.length > 0) notes.push({ of: 'the rules', text: `they need ${calendars.join(', ')} under \`calendars\` of the settings` })
  if (items.length > 0) notes.push({ of: 'the rules', text: sinceText })
  return { items, problems: [], losses, notes }
}

const sinceText =
  'a rule of an HPC object has no firings before the object was made; one of the configuration has, so at its first run the latest firing within startingDeadline counts'

function fieldsOf(annotations: Readonly<Record<string, string>>): Partial<RuleEntry> {
  const fields = annotatedFields.flatMap((field) => {
    const text = annotations[hpcAnnotations[field]]
    if (text === undefined || (field === 'paused' && text === 'false')) return []
    return [[field, annotated[field] === 'flag' ? text === 'true' : text] as const]
  })
  return Object.fromEntries(fields)
}

/** What a rule of a cron may be called by, shortest first. */
const nameForms: readonly ((one: NamedCron) => string)[] = [
  ({ cron, object }) => cron ?? object,
  ({ cron, object }) => (cron === undefined ? object : `${object}-${cron}`),
  ({ cron, place }) => (cron === undefined ? place : `${place}/${cron}`),
]

interface NamedCron {
  readonly object: string
  readonly place: string
  readonly cron: string | undefined
}

/** The shortest names that are unique: the cron, the object and the cron, the whole place, and a number where even that is shared. */
function uniqueNames(found: readonly NamedCron[]): readonly string[] {
  const counts = nameForms.map((write) => {
    const count = new Map<string, number>()
    for (const one of found) count.set(write(one), (count.get(write(one)) ?? 0) + 1)
    return count
  })
  const wishes = found.map((one) => {
    const form = nameForms.find((write, index) => write(one).length <= longestName && counts[index]?.get(write(one)) === 1)
    return form?.(one)
  })
  const taken = new Set(wishes.filter((wish) => wish !== undefined))
  const given = new Set<string>()
  const names: string[] = []
  for (const [index, wish] of wishes.entries()) {
    let name = wish
    // One's short name may be another's long one.
    if (name === undefined || given.has(name)) {
      const base = (found[index]?.cron ?? found[index]?.object ?? '').slice(0, longestName - 6)
      let number = 2
      while (taken.has(`${base}-${number}`) || given.has(`${base}-${number}`)) number += 1
      name = `${base}-${number}`
    }
    given.add(name)
    names.push(name)
  }
  return names
}

const longestName = 100

/** Of the ancestor of HPC, the parts that are known. Its jobs are read one by one. */
const Ancestor = z.object({
  metadata: z.object({ name: z.string(), namespace: z.optional(z.string()) }),
  spec: z.strictObject({
    scaleTargetRef: z.strictObject({ apiVersion: z.optional(z.string()), kind: z.string(), name: z.string() }),
    excludeDates: z.nullish(z.array(z.string())),
    jobs: z.array(
      z.strictObject({
        name: z.optional(z.string()),
        schedule: z.string(),
        targetSize: z.int().check(z.minimum(0)),
        runOnce: z.nullish(z.boolean()),
      }),
    ),
  }),
})

export interface AncestorOptions {
  readonly group: string
  readonly now: number
  /** Upper bound of the autoscalers that it schedules: it has one number for their two. */
  readonly maxSize?: number | undefined
}

/** Whether an object is one of HPC's ancestor, kubernetes-cronhpa-controller. */
export function isAncestor(object: unknown): boolean {
  return memberOf(object, 'kind') === 'CronHorizontalPodAutoscaler'
}

/**
 * Makes an HPC object of one of its ancestor (CronHorizontalPodAutoscaler). Where the two mean different things by the same words,
 * the words are kept or put right so that people get what they meant, and a note says what will be different. What cannot be
 * meant by HPC is a problem.
 */
export function ancestorToHpc(object: unknown, options: AncestorOptions): Converted<HpcManifest> {
  const parsed = z.safeParse(Ancestor, object)
  if (!parsed.success) {
    return troubled(
      problemsOf(Ancestor, object).map(({ path, text }) => ({
        of: path.length === 0 ? 'the object' : pathText(path),
        text: `it cannot be read: ${clip(text)}`,
      })),
    )
  }
  const { metadata, spec } = parsed.data
  const { name, namespace = 'default' } = metadata
  const of = `cronhpa/${namespace}/${name}`
  const problems: ConvertNote[] = []
  const notes: ConvertNote[] = []
  const losses: ConvertNote[] = []
  const target = readTarget(spec.scaleTargetRef, namespace)
  if (!target.ok) return troubled([{ of, text: target.error.text }])
  const excludeDates: string[] = []
  for (const text of spec.excludeDates ?? []) {
    const exclude = excludeOfAncestor(text)
    if (exclude.ok) excludeDates.push(exclude.value)
    else problems.push({ of, text: `excludeDates ${quote(text)}: ${exclude.error}` })
  }
  if (excludeDates.length > 0) notes.push({ of, text: excludeText })
  losses.push(...lossesOfExcludes(of, excludeDates))
  const isAutoscaler = target.value.kind === 'HorizontalPodAutoscaler'
  const crons: HpcCronManifest[] = []
  for (const [index, job] of spec.jobs.entries()) {
    const ofJob = `${of}/${job.name ?? `#${index}`}`
    const schedule = scheduleOfAncestor(job.schedule, options.now)
    if (!schedule.ok) {
      problems.push({ of: ofJob, text: schedule.error })
      continue
    }
    const { spec: fields, once, isPast, note } = schedule.value
    if (note !== undefined) notes.push({ of: ofJob, text: note })
    if (isPast) continue
    const size = sizeOfAncestor(job.targetSize, isAutoscaler, options.maxSize)
    if (!size.ok) problems.push({ of: ofJob, text: size.error })
    const runOnce = once || job.runOnce === true
    if (runOnce) notes.push({ of: ofJob, text: onceText })
    crons.push({
      ...(job.name === undefined || job.name === '' ? {} : { name: job.name }),
      schedule: fields,
      ...(size.ok ? size.value : {}),
      ...(excludeDates.length === 0 ? {} : { excludeDates }),
      ...(runOnce ? { runOnce } : {}),
    })
  }
  if (isAutoscaler && problems.length === 0) notes.push({ of, text: autoscalerText })
  if (problems.length > 0) return troubled(problems)
  notes.push({ of, text: zoneText })
  const manifest: HpcManifest = {
    apiVersion: `${options.group}/v1`,
    kind: hpcKind,
    metadata: { name, namespace },
    spec: { scaleTarget: { apiVersion: apiVersionOf(target.value.kind), ...target.value }, crons },
  }
  return { items: [manifest], problems: [], losses, notes }
}

const excludeText =
  'the ancestor compared month and hour only, so that it skipped other days at the same hour and ran on excluded days at other hours; here an excluded date is a whole civil date, and no other'

const onceText =
  'the ancestor never tried a failed run-once job again, and ran a finished one again after any edit of excluded dates; here it is tried within startingDeadline, and such edits do not matter'

const autoscalerText =
  'the ancestor had one size for an autoscaler, raised its maximum when needed and never brought it down; here minimum and maximum are both set at every firing'

const zoneText =
  'the ancestor ran in the time zone of its own process (TZ, or that of its node), skipped what its clocks skipped, and lost what it missed; here rules have a zone (timeZone of the settings), skipped times fire at the first valid instant, and what is missed is caught up on within startingDeadline'

interface AncestorSchedule {
  readonly spec: string
  readonly once: boolean
  readonly isPast: boolean
  readonly note?: string
}

const descriptors: ReadonlyMap<string, string> = new Map([
  ['@yearly', '0 0 0 1 1 *'],
  ['@annually', '0 0 0 1 1 *'],
  ['@monthly', '0 0 0 1 * *'],
  ['@weekly', '0 0 0 * * 0'],
  ['@daily', '0 0 0 * * *'],
  ['@midnight', '0 0 0 * * *'],
  ['@hourly', '0 0 * * * *'],
])

function scheduleOfAncestor(text: string, now: number): Result<AncestorSchedule, string> {
  const plain = text.trim()
  const known = descriptors.get(plain)
  if (known !== undefined) return success({ spec: known, once: false, isPast: false })
  if (plain.startsWith('@date')) return dateOfAncestor(plain, now)
  if (plain.startsWith('@every')) {
    return failure(
      `${quote(plain)} counts from the moment at which the ancestor was started, which no schedule says: write six fields, such as 0 */30 * * * *`,
    )
  }
  if (plain.startsWith('@')) {
    const near = nearest(plain, descriptors.keys())
    return failure(`${quote(plain)} is no schedule${near === undefined ? '' : `: did you mean ${near}?`}`)
  }
  const fields = plain.split(/\s+/)
  if (fields.length === 5) {
    const literal = `${fields.join(' ')} *`
    const meant = `0 ${fields.join(' ')}`
    return failure(
      `${quote(plain)} has five fields, and the ancestor takes the first one for the second: write "${literal}" for what it does now, or "${meant}" for what was probably meant`,
    )
  }
  const schedule = parseCron(plain)
  return schedule.ok ? success({ spec: plain, once: false, isPast: false }) : failure(schedule.error.message)
}

/** `@date 2026-10-01 08:00:00`, which the ancestor runs once, without looking at the year. */
function dateOfAncestor(text: string, now: number): Result<AncestorSchedule, string> {
  const match = /^@date\s+(\d{4}-\d{2}-\d{2})\s+([01]\d|2[0-3]):([0-5]\d):([0-5]\d)$/.exec(text)
  const [, date = '', hour, minute, second] = match ?? []
  const range = parseDateRange(date)
  if (match === null || !range.ok) return failure(`${quote(text)} is no date: the ancestor takes "@date 2026-10-01 08:00:00"`)
  const spec = `${Number(second)} ${Number(minute)} ${Number(hour)} ${Number(date.slice(8))} ${Number(date.slice(5, 7))} *`
  const dayMs = range.value.first * 86_400_000
  // In whatever zone: a day more or less decides nothing here.
  if (dayMs < now - 86_400_000) {
    return success({ spec, once: true, isPast: true, note: `${quote(text)} is past, so it is left out` })
  }
  const schedule = parseCron(spec)
  const next = schedule.ok ? nextFiring(schedule.value, 'UTC', now - 2 * 86_400_000) : undefined
  if (next === undefined || Math.abs(next - dayMs) > 2 * 86_400_000) {
    return failure(`${quote(text)} is more than a year ahead, and a schedule says no year: it would run a year too early; convert it later`)
  }
  return success({ spec, once: true, isPast: false, note: `${quote(text)} became the schedule ${spec} that runs once` })
}

function excludeOfAncestor(text: string): Result<string, string> {
  const plain = text.trim()
  const date = /^@date\s+(\d{4}-\d{2}-\d{2})(?:\s.*)?$/.exec(plain)?.[1]
  if (date !== undefined) {
    const range = parseDateRange(date)
    return range.ok ? success(date) : range
  }
  const schedule = parseCron(plain)
  return schedule.ok ? success(plain) : failure(schedule.error.message)
}

function sizeOfAncestor(
  targetSize: number,
  isAutoscaler: boolean,
  maxSize: number | undefined,
): Result<Pick<HpcCronManifest, 'targetSize' | 'minSize' | 'maxSize'>, string> {
  if (!isAutoscaler) return success({ targetSize })
  if (maxSize === undefined) {
    return failure(
      `it has one size (${targetSize}) for an autoscaler, which has a minimum and a maximum: say the maximum with --max-size, the size becomes the minimum`,
    )
  }
  if (targetSize > maxSize) return failure(`its size ${targetSize} is above --max-size ${maxSize}`)
  return success({ minSize: targetSize, maxSize })
}

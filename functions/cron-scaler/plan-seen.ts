import { formatInstant } from '#shared/pure/civil.ts'
import { nextFiring } from '#shared/pure/cron.ts'
import { formatDuration } from '#shared/pure/duration.ts'
import type { Decision, Step } from '#shared/pure/step.ts'
import type { RunFacts } from '#shared/runtime/definition.ts'
import type { MemoryWriter } from '#shared/runtime/memory.ts'
import type { AnyChange } from './any-change.ts'
import { configuredByCluster } from './configured-for.ts'
import { configuredRules, ruleContext } from './configured-rules.ts'
import { type ClusterNote, type Cursor, everyMs, keepCluster, type QuietCluster, recallClusters, type Seen } from './cursor.ts'
import { planTarget } from './decide-target.ts'
import { type Glance, glanceAt, newsAfter } from './due.ts'
import type { CronScalerConfig, Settings } from './event.ts'
import { latestFiring } from './firings.ts'
import { instantText } from './instant-text.ts'
import { configuredOverrides, isOverride } from './override.ts'
import { type ObservedCluster, plan } from './plan.ts'
import { compareTexts, keyOf, type ScaleStep } from './plan-step.ts'
import { checkGroup, layOut } from './rule-book.ts'
import type { Rule } from './rules.ts'
import { sizeText, type Target, targetName } from './target.ts'

/**
 * Decides for all clusters, see `plan`. A cluster that was not looked at has one step that says so and when its next firing is, and
 * one for each rule that comes up on a day that is excluded. Calendars that somebody should look after have one each.
 */
export function planSeen(observed: Seen, config: CronScalerConfig, now: number): ScaleStep[] {
  const steps = plan(observed, withoutQuiet(observed, config), now)
  const more = [
    ...(observed.quiet ?? []).flatMap((quiet) => [...quietSteps(quiet, config, now), ...newsOf(quiet, observed, config, now).steps]),
    ...leftSteps(observed, config, now),
    ...(observed.warnings ?? []).map(({ calendar, text }) => calendarStep(calendar, text)),
  ]
  if (more.length === 0) return steps
  return [...steps, ...more].sort(
    (left, right) => compareTexts(left.target, right.target) || compareTexts(left.reason.text, right.reason.text),
  )
}

/** Of targets that nobody names any more and that still have the size of an override: what was there before comes back. */
function leftSteps(observed: Seen, config: CronScalerConfig, now: number): ScaleStep[] {
  return (observed.notes ?? []).flatMap(({ id, before }) => {
    const { overridden = [] } = before?.known ?? {}
    const cluster = observed.clusters.find((one) => one.id === id)
    if (overridden.length === 0 || cluster === undefined || isUnreadable(cluster)) return []
    const { drafts, overrides } = configuredByCluster(config)(id)
    const named = new Set([...layOut([...cluster.rules, ...drafts]).byTarget.keys(), ...overrides.map(({ target }) => targetName(target))])
    const targets = new Map(cluster.targets.map((target) => [targetName(target), target]))
    return overridden.flatMap((left) => {
      const name = targetName(left)
      if (named.has(name)) return []
      return planTarget({ cluster, named: left, name, rules: [], overrides: [], target: targets.get(name), config, now })
    })
  })
}

function isUnreadable({ problems }: ObservedCluster): boolean {
  return problems.some(({ part }) => part === 'cluster' || part === 'rules')
}

function calendarStep(calendar: string, text: string): ScaleStep {
  const target = `calendar/${calendar}`
  const reason = { code: 'calendar-warning', text: `the calendar ${calendar}: ${text}` }
  return { key: keyOf([target, reason.code]), target, before: '', after: '', verdict: 'held', reason }
}

/** The same configuration without what is about clusters that nobody looked at. */
function withoutQuiet({ quiet = [] }: Seen, config: CronScalerConfig): CronScalerConfig {
  if (quiet.length === 0) return config
  const ids = new Set(quiet.map(({ id }) => id))
  const drafts = configuredRules(config)
  const overrides = configuredOverrides(config)
  const { settings } = config
  return {
    ...config,
    settings: {
      ...settings,
      rules: settings.rules.filter((_, index) => drafts[index]?.problem !== undefined || !ids.has(drafts[index]?.cluster ?? '')),
      overrides: settings.overrides.filter((_, index) => overrides[index]?.read.ok !== true || !ids.has(overrides[index]?.cluster ?? '')),
    },
  }
}

function quietSteps({ id, isEmpty, cursor }: QuietCluster, { settings }: CronScalerConfig, now: number): ScaleStep[] {
  if (isEmpty) return []
  const { digest, ruleCount, lookedAt, firing } = cursor
  const next = firing === undefined ? 'no rule fires again' : `next is ${firing.rule} at ${formatInstant(firing.atMs, firing.zone)}`
  const age = formatDuration(now - lookedAt - ((now - lookedAt) % 1000))
  const rules = ruleCount === 0 ? 'overrides' : ruleCount === 1 ? 'one rule' : `${ruleCount} rules`
  const text = `nothing is due by its ${rules}, so nobody looked: ${next}; last looked at ${age} before, ${formatInstant(lookedAt, settings.timeZone)}`
  const reason = { code: 'nothing-due', text }
  return [{ key: keyOf([id, reason.code, digest]), target: id, before: '', after: '', verdict: 'skipped', reason }]
}

/** What is to be said of the rules of a cluster that nobody looked at, and when there is next something to be said. */
interface News {
  readonly steps: readonly ScaleStep[]
  readonly nextMs?: number
}

const noNews: News = { steps: [] }

function newsOf(quiet: QuietCluster, { calendars }: Seen, config: CronScalerConfig, now: number): News {
  const { drafts, cursor, id } = quiet
  if (drafts === undefined || cursor.newsMs === undefined) return noNews
  const known = told.get(quiet)
  if (known !== undefined) return known
  const context = ruleContext(config.settings, now, calendars)
  const steps: ScaleStep[] = []
  let nextMs = Number.POSITIVE_INFINITY
  for (const [name, group] of layOut(drafts).byTarget) {
    for (const rule of checkGroup(group, context).rules) {
      steps.push(...newsSteps(rule, `${id}/${name}`, cursor.newsMs, now, config))
      nextMs = Math.min(nextMs, newsAfter(rule, now, nextFiring(rule.schedule, rule.zone, Math.max(now, rule.existsSinceMs - 1))))
    }
  }
  const news = { steps, ...(nextMs === Number.POSITIVE_INFINITY ? {} : { nextMs }) }
  told.set(quiet, news)
  return news
}

const told = new WeakMap<QuietCluster, News>()

/** The same words as the plan has for it; once, and not at every run. */
function newsSteps(rule: Rule, target: string, sinceMs: number, now: number, { settings }: CronScalerConfig): ScaleStep[] {
  const stepOf = (atMs: number, code: 'excluded-date' | 'validity-over', text: string): ScaleStep => {
    const reason = { code, text }
    return { key: keyOf([target, rule.id, atMs, code]), target, before: '', after: sizeText(rule.size), verdict: 'skipped', reason }
  }
  if (rule.validUntilMs <= now) {
    if (rule.validUntilMs < sinceMs) return []
    return [
      stepOf(
        rule.validUntilMs,
        'validity-over',
        `${rule.id} is not valid any more since ${instantText(rule.validUntilMs, rule.zone)}: take it away`,
      ),
    ]
  }
  const { excluded } = rule.onceKey === undefined ? latestFiring(rule, undefined, now, now - settings.lookBack) : {}
  if (excluded === undefined || excluded.atMs < sinceMs) return []
  return [
    stepOf(
      excluded.atMs,
      'excluded-date',
      `${rule.id} does not run: ${instantText(excluded.atMs, rule.zone)} is excluded by "${excluded.by}"`,
    ),
  ]
}

/** What becomes due before the next trigger, in all clusters. */
export function ahead(observed: Seen, config: CronScalerConfig, now: number, untilMs: number): readonly number[] {
  const instants = glanceAt(observed, config, now, untilMs).flatMap(({ due }) => due.filter((atMs) => atMs <= untilMs))
  const quiet = (observed.quiet ?? []).flatMap(({ cursor: { dueMs } }) =>
    dueMs !== undefined && dueMs > now && dueMs <= untilMs ? [dueMs] : [],
  )
  return [...new Set([...instants, ...quiet])]
}

/**
 * Keeps what later runs should know: calendars that were fetched, where HPC objects are served, and of clusters in which all is
 * done how long nobody needs to look. Of two runs at once the first one counts. Writes nothing that is there already.
 */
export async function remember(
  { observed, steps, decisions, config, now }: RunFacts<Settings, Seen, AnyChange>,
  memory: MemoryWriter,
): Promise<void> {
  const { keep = {}, notes = [] } = observed
  if (Object.keys(keep).length > 0) {
    const { rememberCalendars } = await import('./calendar-reading.ts')
    await rememberCalendars(keep, memory)
  }
  const glances = new Map(glanceAt(observed, config, now, now + everyMs).map((one) => [one.cluster.id, one]))
  const open = new Set<string>()
  const ended = new Set<string>()
  const named = new Set(
    [...glances.values()].flatMap(({ cluster, overridden }) => overridden.map((one) => `${cluster.id}/${targetName(one)}`)),
  )
  const left = new Set(notes.flatMap(({ id, before }) => (before?.known.overridden ?? []).map((one) => `${id}/${targetName(one)}`)))
  const changed = new Map<string, Target[]>()
  for (const [index, step] of steps.entries()) {
    const [id = ''] = step.target.split('/', 1)
    const decision = decisions[index]
    // Of a target that nobody names any more it never is too late for what was there before to come back.
    const isWaiting = decision?.outcome === 'Held' && left.has(step.target) && !named.has(step.target)
    if (isWaiting || !isDone(step, decision, glances.get(id), now)) open.add(id)
    if (decision?.outcome === 'NoChange' && decision.reason.code === 'override-over') ended.add(step.target)
    if (step.verdict !== 'change' || 'hpc' in step.change || !isOverride(step.change.rule)) continue
    const own = changed.get(id)
    if (own === undefined) changed.set(id, [step.change.target])
    else own.push(step.change.target)
  }
  const quiet = new Map((observed.quiet ?? []).map((one) => [one.id, one]))
  // Where nobody could look at what was remembered it must not get lost for that.
  const recalled = notes.some(({ before }) => before === undefined) ? await recallClusters(memory) : undefined
  await Promise.all(
    notes.map(async (note) => {
      const { id, kinds } = note
      const before = note.before ?? (recalled === undefined ? undefined : (recalled.get(id) ?? { known: {}, version: 'absent' }))
      const own = glances.get(id)
      const still = quiet.get(id)
      const left = before?.known.overridden ?? []
      const wasRead = own !== undefined && note.before !== undefined && own.cluster.problems.length === 0
      const kept = wasRead ? left.filter((target) => isOverridden(own, target)) : left
      const overridden = own === undefined ? left : overriddenOf(own, [...kept, ...(changed.get(id) ?? [])], ended)
      const isAllDone = own !== undefined && !open.has(id) && (wasRead || left.length === 0)
      const made = isAllDone ? cursorOf(own, note, config.settings, now) : undefined
      const cursor = still === undefined ? made : renewed(still, observed, config, now)
      const known = {
        ...(kinds === undefined ? {} : { kinds }),
        ...(cursor === undefined ? {} : { cursor }),
        ...(overridden.length === 0 ? {} : { overridden }),
      }
      await keepCluster({ id, before }, known, now, memory)
    }),
  )
}

/** The cursor of a cluster that nobody looked at, after what there was to be said. */
function renewed(quiet: QuietCluster, observed: Seen, config: CronScalerConfig, now: number): Cursor {
  if (quiet.drafts === undefined) return quiet.cursor
  const { newsMs: _, ...cursor } = quiet.cursor
  const { nextMs } = newsOf(quiet, observed, config, now)
  return nextMs === undefined ? cursor : { ...cursor, newsMs: nextMs }
}

/** More of them than this at once nobody remembers: an entry of the configuration has to stay until its end has been applied. */
const mostOverridden = 1000

/** Whether a target of a cluster shows the size of an override. */
function isOverridden({ cluster }: Glance, { kind, namespace, name }: Target): boolean {
  const shown = cluster.targets.find((one) => one.kind === kind && one.namespace === namespace && one.name === name)
  return shown?.record !== undefined && isOverride(shown.record.owner)
}

/** The targets of a cluster that have the size of an override, or will have it as soon as an answer that was lost is known. */
function overriddenOf({ cluster, overridden }: Glance, more: readonly Target[], ended: ReadonlySet<string>): readonly Target[] {
  const all = new Map([...more, ...overridden].map((target) => [targetName(target), target]))
  return [...all]
    .filter(([name]) => !ended.has(`${cluster.id}/${name}`))
    .sort(([one], [other]) => compareTexts(one, other))
    .slice(0, mostOverridden)
    .map(([, { kind, namespace, name }]) => ({ kind, namespace, name }))
}

/**
 * Whether a step leaves nothing to do or to look at. Not so one that was not done, or would be done; one that was done, which is
 * looked at once more; one that is held as long as it would be carried out if nothing held it.
 */
function isDone(step: Step<AnyChange>, decision: Decision | undefined, glance: Glance | undefined, now: number): boolean {
  if (step.verdict === 'change' || decision === undefined) return false
  const { outcome, reason } = decision
  switch (outcome) {
    case 'Skipped':
    case 'Missed':
    case 'Invalid':
      return true
    case 'NoChange':
      return reason.code !== 'newer-applied'
    case 'Held':
      return isHeldForGood(reason.code) || now > (glance?.countsUntil.get(step.target) ?? Number.NEGATIVE_INFINITY)
    case 'Applied':
    case 'Planned':
    case 'Failed':
      return false
  }
}

/** Whether what is held for this reason goes on being held until something is due, or the rules and settings are others. */
function isHeldForGood(code: string): boolean {
  return code === 'paused' || code === 'calendar-unreadable' || code === 'calendar-warning' || code === 'override-undone'
}

/** How long nobody needs to look at a cluster in which all is done; undefined when it has to be looked at every time. */
function cursorOf(glance: Glance, { digest, configDigest }: ClusterNote, { lookEvery }: Settings, now: number): Cursor | undefined {
  const { cluster, lookMs = Number.POSITIVE_INFINITY, dueMs, newsMs, firing, ruleCount, isWatched, isMarked, shortestDeadlineMs } = glance
  if (cluster.problems.length > 0 || isWatched || isMarked) return undefined
  // Who looks at what people do wants to see it while it still counts.
  const untilMs = lookEvery === 0 ? dueMs : Math.min(lookMs, now + lookEvery, now + Math.floor(shortestDeadlineMs / 2))
  if (untilMs !== undefined && untilMs <= now) return undefined
  return {
    digest,
    configDigest,
    ruleCount,
    lookedAt: now,
    ...(untilMs === undefined ? {} : { untilMs }),
    ...(dueMs === undefined ? {} : { dueMs }),
    ...(newsMs === undefined ? {} : { newsMs }),
    ...(firing === undefined ? {} : { firing }),
  }
}

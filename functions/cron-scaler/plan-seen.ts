import { formatInstant } from '#shared/pure/civil.ts'
import { formatDuration } from '#shared/pure/duration.ts'
import type { Decision, Step } from '#shared/pure/step.ts'
import type { RunFacts } from '#shared/runtime/definition.ts'
import type { MemoryWriter } from '#shared/runtime/memory.ts'
import type { AnyChange } from './any-change.ts'
import { configuredRules } from './configured-rules.ts'
import { type Cursor, everyMs, keepCluster, lookAgainMs, type QuietCluster, type Seen } from './cursor.ts'
import { type Glance, glanceAt } from './due.ts'
import type { CronScalerConfig, Settings } from './event.ts'
import { configuredOverrides } from './override.ts'
import { plan } from './plan.ts'
import { compareTexts, keyOf, type ScaleStep } from './plan-step.ts'

/**
 * Decides for all clusters, see `plan`. A cluster that was not looked at has one step that says so and when its next firing is.
 * Calendars that somebody should look after have one each.
 */
export function planSeen(observed: Seen, config: CronScalerConfig, now: number): ScaleStep[] {
  const steps = plan(observed, withoutQuiet(observed, config), now)
  const more = [
    ...(observed.quiet ?? []).map((quiet) => quietStep(quiet, config, now)),
    ...(observed.warnings ?? []).map(({ calendar, text }) => calendarStep(calendar, text)),
  ]
  if (more.length === 0) return steps
  return [...steps, ...more].sort(
    (left, right) => compareTexts(left.target, right.target) || compareTexts(left.reason.text, right.reason.text),
  )
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

function quietStep({ id, ruleCount, cursor }: QuietCluster, { settings }: CronScalerConfig, now: number): ScaleStep {
  const { digest, lookedAt, firing } = cursor
  const next = firing === undefined ? 'no rule fires again' : `next is ${firing.rule} at ${formatInstant(firing.atMs, firing.zone)}`
  const age = formatDuration(now - lookedAt - ((now - lookedAt) % 1000))
  const rules = ruleCount === 1 ? 'one rule' : `${ruleCount} rules`
  const text = `nothing is due by its ${rules}, so nobody looked: ${next}; last looked at ${age} before, ${formatInstant(lookedAt, settings.timeZone)}`
  const reason = { code: 'nothing-due', text }
  return { key: keyOf([id, reason.code, digest]), target: id, before: '', after: '', verdict: 'skipped', reason }
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
  const open = new Set(steps.flatMap((step, index) => (isDone(step, decisions[index]) ? [] : [step.target.split('/', 1)[0]])))
  const glances = new Map(glanceAt(observed, config, now, now + everyMs).map((one) => [one.cluster.id, one]))
  const quiet = new Map((observed.quiet ?? []).map(({ id, cursor }) => [id, cursor]))
  await Promise.all(
    notes.map(async (note) => {
      const { id, digest, kinds } = note
      const own = glances.get(id)
      const cursor = own === undefined || open.has(id) ? quiet.get(id) : cursorOf(own, digest, now)
      const known = { ...(kinds === undefined ? {} : { kinds }), ...(cursor === undefined ? {} : { cursor }) }
      await keepCluster(note, known, now, memory)
    }),
  )
}

/**
 * Whether a step leaves nothing to do or to look at. Not so one that was not done, or would be done; one that was done, which is
 * looked at once more; one that is held for a reason that may go away by itself.
 */
function isDone({ verdict }: Step<AnyChange>, decision: Decision | undefined): boolean {
  if (verdict === 'change' || decision === undefined) return false
  const { outcome, reason } = decision
  switch (outcome) {
    case 'Skipped':
    case 'Missed':
    case 'Invalid':
      return true
    case 'NoChange':
      return reason.code !== 'newer-applied'
    case 'Held':
      return reason.code === 'paused'
    case 'Applied':
    case 'Planned':
    case 'Failed':
      return false
  }
}

/** How long nobody needs to look at a cluster in which all is done; undefined when it has to be looked at every time. */
function cursorOf(glance: Glance, digest: string, now: number): Cursor | undefined {
  const { cluster, lookMs = Number.POSITIVE_INFINITY, dueMs, firing, isWatched, isEmpty, shortestDeadlineMs } = glance
  // Of a cluster that no rule and no override is about nothing is read anyway.
  if (cluster.problems.length > 0 || isWatched || isEmpty) return undefined
  // What a person does must be seen while it still counts.
  const untilMs = Math.min(lookMs, now + lookAgainMs, now + Math.floor(shortestDeadlineMs / 2))
  if (untilMs <= now) return undefined
  return { digest, lookedAt: now, untilMs, ...(dueMs === undefined ? {} : { dueMs }), ...(firing === undefined ? {} : { firing }) }
}

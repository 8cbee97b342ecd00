import { clusterIdOf } from '#shared/pure/named-cluster.ts'
import { failure, type Result } from '#shared/pure/result.ts'
import { type CronScalerConfig, calendarSource, type Settings } from './event.ts'
import type { Calendar, UnreadCalendar } from './excludes.ts'
import type { InvalidRule, RuleContext, RuleDraft } from './rules.ts'

/** Calendars by name, as they were read. */
export type ReadCalendars = Readonly<Record<string, Calendar | UnreadCalendar>>

/**
 * What rules are checked with. `read` is what files and addresses said; a calendar that has one and is not in there counts as
 * one that could not be read.
 */
export function ruleContext(settings: Settings, now: number, read: ReadCalendars = {}): RuleContext {
  const calendars = Object.entries(settings.calendars).map(([name, inline]) => {
    if (calendarSource(inline) === undefined) return [name, inline] as const
    return [name, wholeCalendar(inline, Object.hasOwn(read, name) ? read[name] : undefined)] as const
  })
  return { calendars: new Map(calendars), allowZeroMin: settings.allowZeroMin, now }
}

function wholeCalendar(inline: Calendar, read: Calendar | UnreadCalendar | undefined): Calendar | UnreadCalendar {
  if (read === undefined) return { problem: 'nobody has read it yet' }
  if ('problem' in read) return read
  return { holidays: [...inline.holidays, ...read.holidays], workdays: [...inline.workdays, ...read.workdays] }
}

/** The rules of the configuration as drafts, in its order, their cluster given by id. */
export function configuredRules(config: CronScalerConfig): RuleDraft[] {
  const { settings } = config
  const find = clusterFinder(config.clusters)
  return settings.rules.map((rule) => draftOf(rule, find(rule.cluster), settings))
}

/** One rule of the configuration as a draft, given what its cluster is. */
export function draftOf(rule: Settings['rules'][number], cluster: Result<string, InvalidRule>, settings: Settings): RuleDraft {
  const id = `config/${rule.name}`
  return {
    source: 'config',
    id,
    identity: id,
    cluster: cluster.ok ? cluster.value : rule.cluster,
    target: rule.target,
    namespace: 'default',
    schedule: rule.schedule,
    timeZone: rule.timeZone ?? settings.timeZone,
    targetSize: rule.targetSize,
    minSize: rule.minSize,
    maxSize: rule.maxSize,
    excludeDates: rule.excludeDates,
    runOnce: rule.runOnce,
    startingDeadlineMs: rule.startingDeadline ?? settings.startingDeadline,
    spreadMs: rule.spread ?? settings.spread,
    validFrom: rule.validFrom,
    validUntil: rule.validUntil,
    enforce: rule.enforce ?? settings.enforce,
    allowHpaConflict: rule.allowHpaConflict ?? settings.allowHpaConflict,
    paused: rule.paused,
    problem: cluster.ok ? undefined : cluster.error,
    warnings: noWarnings,
  }
}

const noWarnings: readonly string[] = []

/** The same as `clusterOf`, for the many rules that name the same clusters. */
export function clusterFinder(clusters: CronScalerConfig['clusters']): (wanted: string) => Result<string, InvalidRule> {
  const found = new Map<string, Result<string, InvalidRule>>()
  return (wanted) => {
    let cluster = found.get(wanted)
    if (cluster === undefined) {
      cluster = clusterOf(wanted, clusters)
      found.set(wanted, cluster)
    }
    return cluster
  }
}

/** The rules that are certainly for a cluster. */
export function rulesFor(drafts: readonly RuleDraft[], cluster: string): RuleDraft[] {
  return drafts.filter((draft) => draft.problem === undefined && draft.cluster === cluster)
}

/** The id of the cluster that somebody means. What is the id of one and the name of another means neither. */
export function clusterOf(wanted: string, clusters: CronScalerConfig['clusters']): Result<string, InvalidRule> {
  const found = clusterIdOf(wanted, clusters)
  return found.ok ? found : failure({ ...found.error, field: 'cluster' })
}

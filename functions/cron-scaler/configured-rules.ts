import { quote } from '#shared/pure/clip.ts'
import { nearest } from '#shared/pure/nearest.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'
import type { CronScalerConfig, Settings } from './event.ts'
import type { InvalidRule, RuleContext, RuleDraft } from './rules.ts'

/** What rules are checked with. */
export function ruleContext(settings: Settings, now: number): RuleContext {
  return { calendars: new Map(Object.entries(settings.calendars)), allowZeroMin: settings.allowZeroMin, now }
}

/** The rules of the configuration as drafts, in its order, their cluster given by id. */
export function configuredRules(config: CronScalerConfig): RuleDraft[] {
  const { settings } = config
  return settings.rules.map((rule): RuleDraft => {
    const cluster = clusterOf(rule.cluster, config.clusters)
    return {
      source: 'config',
      id: `config/${rule.name}`,
      identity: `config/${rule.name}`,
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
      enforce: rule.enforce ?? settings.enforce,
      allowHpaConflict: rule.allowHpaConflict ?? settings.allowHpaConflict,
      paused: rule.paused,
      problem: cluster.ok ? undefined : cluster.error,
      warnings: [],
    }
  })
}

/** The rules that are certainly for a cluster. */
export function rulesFor(drafts: readonly RuleDraft[], cluster: string): RuleDraft[] {
  return drafts.filter((draft) => draft.problem === undefined && draft.cluster === cluster)
}

/** The id of the cluster that somebody means. What is the id of one and the name of another means neither. */
function clusterOf(wanted: string, clusters: CronScalerConfig['clusters']): Result<string, InvalidRule> {
  const byId = clusters.find(({ id }) => id === wanted)
  const [byName, ...more] = clusters.filter(({ id, name }) => name === wanted && id !== byId?.id)
  const found = byId ?? byName
  if (found === undefined) {
    const near = nearest(
      wanted,
      clusters.flatMap(({ id, name }) => (name === undefined ? [id] : [name, id])),
    )
    const advice = near === undefined ? 'write the id or the name of one' : `did you mean "${near}"?`
    return failure({ code: 'cluster-unknown', text: `${quote(wanted)} is none of the configured clusters: ${advice}`, field: 'cluster' })
  }
  const other = byId === undefined ? more[0] : byName
  if (other === undefined) return success(found.id)
  const what = byId === undefined ? `the name of ${found.id} and of ${other.id}` : `the id of ${found.id} and the name of ${other.id}`
  const text = `${quote(wanted)} is ${what}, so nobody knows which is meant: give one of them another name`
  return failure({ code: 'cluster-ambiguous', text, field: 'cluster' })
}

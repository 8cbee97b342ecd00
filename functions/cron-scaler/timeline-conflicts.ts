import { formatInstant } from '#shared/pure/civil.ts'
import { ruleContext } from './configured-rules.ts'
import { configuredByCluster } from './due.ts'
import type { CronScalerConfig } from './event.ts'
import type { Observed } from './plan.ts'
import { checkGroup, layOut } from './rule-book.ts'
import { sizeText } from './target.ts'
import type { TargetTimeline } from './timeline.ts'

export type ConflictCode =
  /** Two rules ask for different sizes at the same instants. */
  | 'tie'
  /** All firings of a rule lose, to others or to an override. */
  | 'never-decides'
  /** All firings of a rule are excluded. */
  | 'always-excluded'
  /** A rule does not fire in the period at all. */
  | 'does-not-fire'
  /** An autoscaler sizes the workload as well. */
  | 'hpa-conflict'
  /** The target would not be touched for another reason. */
  | 'held'
  /** A firing would not be carried out any more. */
  | 'missed'

/** Something about a timeline that somebody will not have meant. */
export interface TimelineConflict {
  readonly code: ConflictCode
  readonly target: string
  readonly rules: readonly string[]
  /** The first instant at which it shows. */
  readonly atMs?: number
  readonly text: string
}

/** What is wrong in a timeline, ties first. Empty when every rule gets its way. Instants are written in `zone`. */
export function conflictsOf({ name, ties, rules, entries }: TargetTimeline, zone: string): TimelineConflict[] {
  const sizes = new Map(rules.map(({ id, size }) => [id, sizeText(size)]))
  const tied = ties.map(({ winner, loser, firstMs, count }): TimelineConflict => {
    const often = count === 1 ? 'once' : `${count.toLocaleString('en-US')} times`
    const text = `${winner} (${sizes.get(winner) ?? ''}) and ${loser} (${sizes.get(loser) ?? ''}) fire at the same instant ${often}, first at ${formatInstant(firstMs, zone)}; ${winner} decides`
    return { code: 'tie', target: name, rules: [winner, loser], atMs: firstMs, text }
  })
  const idle = rules.flatMap(({ id, firings, decided, firesWithoutExcludes }): TimelineConflict[] => {
    const of = { target: name, rules: [id] }
    if (firings > 0 && decided === 0) {
      const times = firings === 1 ? 'once' : `${firings.toLocaleString('en-US')} times`
      const text = `${id} fires ${times} in this period and never decides: another rule or an override comes before it each time`
      return [{ code: 'never-decides', ...of, text }]
    }
    if (firings > 0) return []
    if (firesWithoutExcludes) return [{ code: 'always-excluded', ...of, text: `${id}: all its firings in this period are excluded` }]
    return [{ code: 'does-not-fire', ...of, text: `${id} does not fire in this period` }]
  })
  const kept = new Map<string, TimelineConflict>()
  for (const { verdict, code, rule, atMs, text } of entries) {
    if (verdict === 'change' || kept.has(code)) continue
    const own: ConflictCode = verdict === 'missed' ? 'missed' : code === 'hpa-conflict' ? 'hpa-conflict' : 'held'
    kept.set(code, { code: own, target: name, rules: [rule], atMs, text: own === 'held' ? `${code}: ${text}` : text })
  }
  return [...tied, ...idle, ...kept.values()]
}

/** What has no part in a preview, and why. */
export interface Outsider {
  readonly code: 'cluster-unreadable' | 'hpc-group-missing' | 'rule-invalid' | 'rule-paused'
  readonly cluster: string
  readonly text: string
}

/** The clusters that could not be read, and the rules that are invalid or paused. Empty when all have a part in it. */
export function outsidersOf(observed: Observed, config: CronScalerConfig, now: number): Outsider[] {
  const context = ruleContext(config.settings, now, observed.calendars)
  const configured = configuredByCluster(config)
  return observed.clusters.flatMap(({ id, rules, problems }): Outsider[] => {
    const unreadable = problems.find(({ part }) => part === 'cluster') ?? problems.find(({ part }) => part === 'rules')
    if (unreadable !== undefined) return [{ code: 'cluster-unreadable', cluster: id, text: `${id} could not be read: ${unreadable.text}` }]
    const missing = problems.find(({ part }) => part === 'hpc-group')
    const book = layOut([...rules, ...configured(id).drafts])
    const checked = [...book.byTarget.values()].map((group) => checkGroup(group, context))
    return [
      ...(missing === undefined ? [] : [{ code: 'hpc-group-missing', cluster: id, text: missing.text } as const]),
      ...[...book.invalid, ...checked.flatMap(({ invalid }) => invalid)].map(
        ({ draft, problem }): Outsider => ({ code: 'rule-invalid', cluster: id, text: `${draft.id} is held: ${problem.text}` }),
      ),
      ...checked
        .flatMap(({ paused }) => paused)
        .map(({ draft }): Outsider => ({ code: 'rule-paused', cluster: id, text: `${draft.id} is paused` })),
    ]
  })
}

import { clip, quote } from '#shared/pure/clip.ts'
import { formatDuration } from '#shared/pure/duration.ts'
import { type Glob, matchesGlob } from '#shared/pure/glob.ts'
import { personalHost } from '#shared/runtime/registry-settings.ts'
import { compileTagPattern } from '#shared/runtime/tag-pattern.ts'
import type { RedeployConfig, Rule } from './event.ts'
import { isEmptyRange } from './semver-range.ts'
import { isForRepository, type PlacedTarget, targetsOf } from './targets.ts'
import { triggerFactsOf } from './triggers.ts'
import { refName } from './workload.ts'

export interface ConfigProblem {
  /** Below `functions.redeploy-hook`. */
  readonly path: string
  readonly text: string
}

/** The longest expression that the platform takes for a trigger. */
const longestExpression = 256

/**
 * What the settings get wrong that their schema cannot see: what the plan would call invalid at every look, and what can never do
 * anything, is told before the first one. Empty when all can work.
 */
export async function configProblems(config: RedeployConfig): Promise<readonly ConfigProblem[]> {
  const { settings, clusters } = config
  const { placed, problems } = targetsOf(config)
  const indexOf = (rule: Rule): number => settings.rules.indexOf(rule)
  const found: ConfigProblem[] = problems.map(({ rule, path, text }) => ({ path: `rules[${indexOf(rule)}].${path}`, text }))
  for (const [index, rule] of settings.rules.entries()) {
    const texts = [...(await tagProblems(rule)), ...repositoryProblems(rule, settings.hosts)]
    found.push(...texts.map(({ path, text }) => ({ path: `rules[${index}].${path}`, text: `${rule.name}: ${text}` })))
    if (rule.pin === 'digest' && settings.contentIds === 'opaque') {
      found.push({ path: `rules[${index}].pin`, text: `${rule.name}: with contentIds "opaque" there is no digest to pin to` })
    }
  }
  for (const { path, ms, leastMs, what } of lengthsOf(config)) {
    if (ms >= leastMs) continue
    found.push({ path, text: `${formatDuration(ms)} is too short: ${what}; give it at least ${formatDuration(leastMs)}` })
  }
  found.push(...contradictions(placed, indexOf), ...registryProblems(config), ...triggerProblems(config, placed))
  if (settings.rules.length > 0 && clusters.length === 0) {
    found.push({ path: 'rules', text: 'no cluster is configured, so nothing could ever be deployed: name them under `clusters`' })
  }
  return found
}

/** Lengths of time that make no sense when they are short. */
function lengthsOf({ settings }: RedeployConfig) {
  const { rules, approval } = settings
  const deadlines = rules.map(({ name, rollout }, index) => ({
    path: `rules[${index}].rollout.deadline`,
    ms: rollout.deadline,
    leastMs: 10_000,
    what: `every rollout of ${name} would be put back before it could be complete`,
  }))
  const links = approval === undefined ? [] : [approval.expires]
  const what = 'nobody could open a link in time'
  return [...deadlines, ...links.map((ms) => ({ path: 'approval.expires', ms, leastMs: 60_000, what }))]
}

async function tagProblems({ tags }: Rule): Promise<readonly ConfigProblem[]> {
  const { regex, glob = [], semver } = tags
  if (regex !== undefined) {
    const pattern = await compileTagPattern(regex)
    if (!pattern.ok) return [{ path: 'tags.regex', text: pattern.error }]
    const strange = requiredStranger(regex)
    if (strange !== undefined) {
      const text = `${quote(regex)} needs a ${quote(strange)}, which no tag has: it is matched with the tag alone, not with the whole image`
      return [{ path: 'tags.regex', text }]
    }
  }
  if (semver !== undefined && isEmptyRange(semver)) {
    return [{ path: 'tags.semver', text: `no version lies in ${quote(semver.text)}` }]
  }
  return glob.flatMap((one, index) =>
    canBeTag(one) ? [] : [{ path: `tags.glob[${index}]`, text: `no tag can match ${quote(one.pattern)}` }],
  )
}

/**
 * A character that whatever matches has to hold, and that no tag can: the usual mistake is a pattern for the whole image. Undefined when
 * none is found, which is no proof: alternatives and optional parts are not looked into.
 */
function requiredStranger(regex: string): string | undefined {
  if (/[|?*{]/.test(regex.replace(/\\./g, 'a').replace(/\.[*?]\??|\(\?[:i]/g, ''))) return undefined
  const plain = regex.replace(/\[(?:\\.|[^\]\\])*\]/g, '').replace(/\\[^/:@ ]/g, '')
  return /[/:@ ]/.exec(plain)?.[0]
}

function canBeTag({ parts }: Glob): boolean {
  const texts = parts.flatMap((part) => (part.kind === 'literal' ? [part.text] : []))
  const [first] = parts
  const leastLength = parts.reduce((sum, part) => sum + (part.kind === 'literal' ? part.text.length : part.kind === 'one' ? 1 : 0), 0)
  const begins = first?.kind !== 'literal' || /^\w/.test(first.text)
  return parts.length > 0 && begins && leastLength <= 128 && texts.every((text) => /^[\w.-]*$/.test(text))
}

function repositoryProblems({ repository, repositories = [] }: Rule, hosts: readonly string[]): readonly ConfigProblem[] {
  const withHost = (name: string): string | undefined => hosts.find((host) => name.startsWith(`${host}/`))
  const problem = (path: string, name: string): readonly ConfigProblem[] => {
    const host = withHost(name)
    return host === undefined
      ? []
      : [{ path, text: `write ${quote(name.slice(host.length + 1))}: repositories are named without their host` }]
  }
  if (repository !== undefined) return problem('repository', repository)
  return repositories.flatMap(({ pattern }, index) => problem(`repositories[${index}]`, pattern))
}

/** Targets that more than one rule, or one rule twice, would give images to. */
function contradictions(placed: readonly PlacedTarget[], indexOf: (rule: Rule) => number): readonly ConfigProblem[] {
  const found = new Map<string, ConfigProblem>()
  for (const [name, group] of Map.groupBy(placed, ({ ref }) => refName(ref))) {
    for (const [index, one] of group.entries()) {
      const other = group.slice(0, index).find((earlier) => areForTheSame(earlier, one))
      if (other === undefined) continue
      const container = one.container ?? other.container
      const what = container === undefined ? name : `the container ${container} of ${name}`
      const text =
        other.rule === one.rule
          ? `the rule ${one.rule.name} has ${what} twice among its targets`
          : `the rules ${other.rule.name} and ${one.rule.name} are both for ${what}: neither would have its way; leave one of them`
      const path = `rules[${indexOf(one.rule)}].targets`
      found.set(`${path} ${text}`, { path, text })
    }
  }
  return [...found.values()]
}

/** Without a container a target is for those that run an image of the repository: then two meet only if they share repositories. */
function areForTheSame(left: PlacedTarget, right: PlacedTarget): boolean {
  if (left.container !== undefined && right.container !== undefined) return left.container === right.container
  return left.rule === right.rule || shareRepositories(left.rule, right.rule)
}

function shareRepositories(left: Rule, right: Rule): boolean {
  if (left.repository !== undefined) return isForRepository(right, left.repository)
  if (right.repository !== undefined) return isForRepository(left, right.repository)
  // Of two patterns it is only seen where one of them, read as a name, fits the other.
  return (left.repositories ?? []).some((one) =>
    (right.repositories ?? []).some((other) => matchesGlob(one, other.pattern) || matchesGlob(other, one.pattern)),
  )
}

function registryProblems({ settings }: RedeployConfig): readonly ConfigProblem[] {
  if (settings.registry.kind !== 'docker') return []
  const found: ConfigProblem[] = []
  const [host, ...others] = settings.hosts
  if (host === personalHost && others.length === 0) {
    const own = URL.parse(settings.registry.url)?.host ?? ''
    const text = `nobody pulls from a Docker registry by the name ${host}: give the names by which clusters do, such as ${own}`
    found.push({ path: 'hosts', text })
  }
  if (settings.triggers !== undefined)
    found.push({ path: 'triggers', text: 'a Docker registry has no triggers of its own; take this away' })
  return found
}

function triggerProblems(config: RedeployConfig, placed: readonly PlacedTarget[]): readonly ConfigProblem[] {
  return (config.settings.triggers?.items ?? []).flatMap((item, index): readonly ConfigProblem[] => {
    const path = `triggers.items[${index}]`
    const facts = triggerFactsOf(item, config)
    if (!facts.ok) return [{ path, text: facts.error.text }]
    const { expression, cluster, namespace, workload, container } = facts.value
    if (expression.length > longestExpression) {
      const text = `its tags take ${expression.length} characters (${clip(expression, 40)}); the platform takes at most ${longestExpression}`
      return [{ path: `${path}.tags`, text }]
    }
    const double = placed.find(
      ({ rule, ref, container: own }) =>
        isForRepository(rule, item.repository) &&
        refName(ref) === refName({ cluster, namespace, kind: item.kind, name: workload }) &&
        (own === undefined || own === container),
    )
    if (double === undefined) return []
    return [
      { path, text: `the rule ${double.rule.name} sets the same container, so everything would be deployed twice: leave one of them` },
    ]
  })
}

import { parseImageName } from '#shared/pure/image-name.ts'
import { type ContainerDecision, decideContainer, type Hold } from './decide-container.ts'
import type { RedeployConfig, Rule } from './event.ts'
import type { ReadRepository } from './image.ts'
import type { ReasonCode } from './reason.ts'
import { optOutAnnotation, recordAnnotation, recordFor, type SetImage } from './record.ts'
import { wantedFinder } from './rules.ts'
import { isOfRepository } from './running.ts'
import { isForRepository, type PlacedTarget, targetsOf } from './targets.ts'
import { isRead, type ReadContainer, type ReadWorkload, refName, type SeenWorkload } from './workload.ts'

/** What was seen of the registry and the clusters. */
export interface Sight {
  /** The repositories that were looked at; rules for others are not judged, but what they have on its way is followed. */
  readonly scope: 'all' | readonly string[]
  readonly repositories: readonly ReadRepository[]
  readonly workloads: readonly SeenWorkload[]
  /** Remembered from earlier looks; the records of the workloads themselves add theirs. */
  readonly holds: readonly Hold[]
}

/** A container that a rule is for. */
export interface Claim {
  readonly target: PlacedTarget
  readonly workload: ReadWorkload
  readonly container: ReadContainer
  /** What this function put there and is there still. */
  readonly ours?: SetImage | undefined
  /** Absent where its repository was not looked at. */
  readonly decision?: ContainerDecision | undefined
}

/** A target about which nothing can be decided, and why. */
export interface IdleTarget {
  readonly target: PlacedTarget
  /** As far as the rule says; of a rule for several repositories the image would have to. */
  readonly repository?: string | undefined
  readonly verdict: 'skipped' | 'held' | 'invalid'
  readonly code: ReasonCode
  readonly text: string
}

/** What there is to decide about, container by container. */
export interface Survey {
  readonly claims: readonly Claim[]
  readonly idle: readonly IdleTarget[]
  readonly holds: readonly Hold[]
}

/** Finds the container of each target and decides about each by itself. The order of rules and workloads never matters. */
export function survey(sight: Sight, config: RedeployConfig): Survey {
  const seen = new Map(sight.workloads.map((workload) => [refName(workload.ref), workload]))
  const holds = [...sight.holds, ...holdsOf(sight.workloads)]
  const repositories = new Map(sight.repositories.map((repository) => [repository.name, repository]))
  const wantedOf = wantedFinder()
  const claims: Claim[] = []
  const rules = new Map<ReadContainer, Set<Rule>>()
  const idle: IdleTarget[] = []
  for (const target of targetsOf(config).placed) {
    const found = containersOf(target, seen.get(refName(target.ref)), config)
    if ('code' in found) {
      if (isInScope(target, sight.scope)) idle.push({ target, repository: target.rule.repository, ...found })
      continue
    }
    const { workload } = found
    for (const container of found.containers) {
      const own = rules.get(container) ?? new Set()
      if (own.has(target.rule)) continue
      rules.set(container, own.add(target.rule))
      const name = repositoryOf(target, container)
      const repository = name === undefined ? undefined : repositoryIn(name, repositories, sight.scope)
      const decision =
        repository === undefined
          ? undefined
          : decideContainer({ target, workload, container, repository, wanted: wantedOf(target.rule, repository) }, holds, config)
      claims.push({ target, workload, container, ours: oursOf(workload, container), decision })
    }
  }
  return { claims: claims.map((claim) => stopped(claim, rules.get(claim.container) ?? new Set())), idle, holds }
}

/** The contents that failed anywhere, by the records of those where they did. */
export function holdsOf(workloads: readonly SeenWorkload[]): readonly Hold[] {
  return workloads
    .filter(isRead)
    .flatMap(({ ref, record }) =>
      Object.values(record.containers).flatMap(({ bad = [] }) =>
        bad.map(({ repository, content, why }) => ({ repository, content, why: `on ${refName(ref)}, ${why}` })),
      ),
    )
}

/** What this function put into a container, if it is there still; with a Job, if its copy was made with it. */
function oursOf(workload: ReadWorkload, { name, image }: ReadContainer): SetImage | undefined {
  const { set } = recordFor(workload.record, name)
  if (set === undefined || (set.image !== image && !(workload.ref.kind === 'Job' && set.job !== undefined))) return undefined
  return set
}

type Nothing = Omit<IdleTarget, 'target' | 'repository'>

interface FoundContainers {
  readonly workload: ReadWorkload
  readonly containers: readonly ReadContainer[]
}

function containersOf(target: PlacedTarget, seen: SeenWorkload | undefined, config: RedeployConfig): FoundContainers | Nothing {
  if (seen === undefined) return { verdict: 'held', code: 'workload-unreadable', text: 'nobody has looked at the workload' }
  if (!isRead(seen)) return { verdict: 'held', ...seen.problem }
  const { containers, record, optOut } = seen
  if (optOut)
    return { verdict: 'skipped', code: 'opt-out', text: `the workload has the annotation ${optOutAnnotation}, and it is not "false"` }
  if (record.problem !== undefined) {
    const text = `nobody knows what was done here, because the annotation ${recordAnnotation} cannot be read (${record.problem}): repair it, or take it away`
    return { verdict: 'held', code: 'record-unreadable', text }
  }
  const names = containers.map(({ name }) => name).join(', ')
  if (target.container !== undefined) {
    const own = containers.filter(({ name }) => name === target.container)
    if (own.length > 0) return { workload: seen, containers: own }
    return { verdict: 'held', code: 'container-missing', text: `the workload has no container ${target.container}, only ${names}` }
  }
  const own = containers.filter((container) => isForImage(target, container, config) || oursOf(seen, container)?.rule === target.rule.name)
  if (own.length > 0) return { workload: seen, containers: own }
  // With a single one there is no doubt which is meant; whether it may be replaced is decided like any other.
  const single = containers.filter(({ isInit }) => !isInit)
  if (single.length === 1 && target.rule.repository !== undefined) return { workload: seen, containers: single }
  const what = target.rule.repository ?? 'a repository of the rule'
  return {
    verdict: 'held',
    code: 'container-missing',
    text: `no container of ${names} runs an image of ${what}: name one with \`container\``,
  }
}

function isForImage({ rule }: PlacedTarget, { image }: ReadContainer, config: RedeployConfig): boolean {
  const name = parseImageName(image)
  return name !== undefined && isForRepository(rule, name.repository) && isOfRepository(name, name.repository, config)
}

/** The one of the rule, or of several the one that the container runs an image of. */
function repositoryOf({ rule }: PlacedTarget, { image }: ReadContainer): string | undefined {
  return rule.repository ?? parseImageName(image)?.repository
}

function isInScope({ rule }: PlacedTarget, scope: Sight['scope']): boolean {
  return scope === 'all' || scope.some((name) => isForRepository(rule, name))
}

function repositoryIn(name: string, repositories: ReadonlyMap<string, ReadRepository>, scope: Sight['scope']): ReadRepository | undefined {
  const read = repositories.get(name)
  if (read !== undefined) return read
  return scope === 'all' || scope.includes(name) ? { name, tags: [], problem: 'nobody has looked at it' } : undefined
}

/** What keeps a whole rule back: that it is paused, or that another one is for the same container, so that nobody knows which is meant. */
function stopped(claim: Claim, rules: ReadonlySet<Rule>): Claim {
  const { decision, container, target } = claim
  if (decision === undefined) return claim
  const { of, running, candidate } = decision
  const facts = { of, running, candidate, kind: 'stay' } as const
  if (rules.size > 1) {
    const names = [...rules].map(({ name }) => name).toSorted()
    const text = `the rules ${names.join(' and ')} are all for the container ${container.name}: leave one of them`
    return { ...claim, decision: { ...facts, verdict: 'invalid', code: 'rules-contradict', text } }
  }
  if (!target.rule.paused) return claim
  return { ...claim, decision: { ...facts, verdict: 'skipped', code: 'paused', text: `the rule ${target.rule.name} is paused` } }
}

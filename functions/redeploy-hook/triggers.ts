import { clip, quote } from '#shared/pure/clip.ts'
import { compareTexts } from '#shared/pure/compare-texts.ts'
import { clusterIdOf } from '#shared/pure/named-cluster.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'
import type { RedeployChange, TriggerFacts } from './change.ts'
import { changeKey } from './decide-workload.ts'
import type { RedeployConfig, Trigger } from './event.ts'
import { type RedeployStep, stayStep } from './plan-step.ts'
import type { TriggerLogLine } from './poll-diff.ts'
import type { ReasonCode } from './reason.ts'
import { isForRepository, type PlacedTarget, targetsOf } from './targets.ts'
import { isRead, refName, type SeenWorkload, type WorkloadKind } from './workload.ts'

/** A trigger of the registry, and what its cluster says of its workload. */
export interface SeenTrigger {
  readonly facts: TriggerFacts
  /** The kinds of which there is a workload of that name: the API hides which one is meant. Absent when nobody has looked. */
  readonly kinds?: readonly WorkloadKind[] | undefined
}

export interface ObservedTriggers {
  readonly triggers: readonly SeenTrigger[]
  readonly log: readonly TriggerLogLine[]
  /** Why they could not be read, if so. */
  readonly problem?: string | undefined
}

/** The platform's numbers of regions, as far as its manual gives them. */
const regionIds: ReadonlyMap<string, number> = new Map([
  ['ap-guangzhou', 1],
  ['ap-chengdu', 16],
])

/**
 * Compares the triggers of the registry with those of the configuration: what is missing is made, what differs is changed, what is not
 * named goes where `others` says so; without `manage` it is only said. Of every trigger that stays it says what is wrong with it: a rule
 * of ours does the same, its workload is gone, its last try failed, nobody knows which kind of workload it means.
 */
export function planTriggers(
  observed: ObservedTriggers,
  workloads: readonly SeenWorkload[],
  config: RedeployConfig,
): readonly RedeployStep[] {
  const { triggers: settings } = config.settings
  if (observed.problem !== undefined) {
    return [stayStep('triggers of the registry', 'held', 'triggers-unreadable', `they cannot be read: ${observed.problem}`)]
  }
  const items = settings?.items ?? []
  const seen = new Map(observed.triggers.map((trigger) => [trigger.facts.name, trigger]))
  const named = new Set(items.map(({ name }) => name))
  const { placed } = targetsOf(config)
  const around = { observed, workloads, config, placed }
  const steps = items.flatMap((item) => planItem(item, seen.get(item.name), around))
  const repositories = new Set(items.map(({ repository }) => repository))
  for (const trigger of observed.triggers) {
    const { facts } = trigger
    if (named.has(facts.name)) continue
    if (settings?.others === 'remove' && repositories.has(facts.repository)) steps.push(removeStep(trigger, settings.manage))
    else steps.push(...reportsOf(trigger, around))
  }
  return steps.toSorted((left, right) => compareTexts(left.target, right.target) || compareTexts(left.key, right.key))
}

/** What a trigger is judged by. */
interface Around {
  readonly observed: ObservedTriggers
  readonly workloads: readonly SeenWorkload[]
  readonly config: RedeployConfig
  readonly placed: readonly PlacedTarget[]
}

function planItem(item: Trigger, seen: SeenTrigger | undefined, around: Around): readonly RedeployStep[] {
  const { config, placed } = around
  const to = triggerFactsOf(item, config)
  const target = triggerName(item.name)
  if (!to.ok) return [stayStep(target, 'invalid', to.error.code, to.error.text)]
  const double = doubledBy(to.value, [item.kind], placed)
  if (double !== undefined) {
    const text = `it would set the same container as the rule ${double}, so that everything would be deployed twice: take one of them away`
    return [stayStep(target, 'invalid', 'trigger-double', text, { after: shownTrigger(to.value) })]
  }
  const isManaged = config.settings.triggers?.manage === true
  if (seen === undefined) {
    const change = { kind: 'trigger-create', workloadKind: item.kind, to: to.value } as const
    return [step(change, 'trigger-missing', 'the registry has no such trigger', { kind: 'trigger-delete', from: to.value }, isManaged)]
  }
  const differences = differencesOf(seen, to.value, item.kind)
  if (differences.length === 0) return reportsOf(seen, around)
  const change = { kind: 'trigger-modify', workloadKind: item.kind, from: seen.facts, to: to.value } as const
  const [kind, ...more] = seen.kinds ?? [item.kind]
  const undo =
    kind === undefined || more.length > 0
      ? undefined
      : ({ kind: 'trigger-modify', workloadKind: kind, from: to.value, to: seen.facts } as const)
  return [step(change, 'trigger-differs', `${differences.join(', ')} is not as configured`, undo, isManaged)]
}

function removeStep({ facts, kinds = [] }: SeenTrigger, isManaged: boolean): RedeployStep {
  const [kind, ...more] = kinds
  const undo = kind === undefined || more.length > 0 ? undefined : ({ kind: 'trigger-create', workloadKind: kind, to: facts } as const)
  return step(
    { kind: 'trigger-delete', from: facts },
    'trigger-unwanted',
    'the configuration does not name it, and others are to go',
    undo,
    isManaged,
  )
}

type TriggerStepChange = Extract<RedeployChange, { readonly kind: `trigger-${string}` }>

function step(
  change: TriggerStepChange,
  code: ReasonCode,
  text: string,
  undo: RedeployChange | undefined,
  isManaged: boolean,
): RedeployStep {
  const before = 'from' in change ? shownTrigger(change.from) : ''
  const after = 'to' in change ? shownTrigger(change.to) : ''
  const target = triggerName(('to' in change ? change.to : change.from).name)
  if (!isManaged) {
    return stayStep(target, 'held', 'trigger-unmanaged', `${text}; with \`triggers.manage: true\` it would be set right`, { before, after })
  }
  const facts = { key: changeKey(change), target, before, after, verdict: 'change', reason: { code, text }, change } as const
  return undo === undefined ? facts : { ...facts, undo }
}

/** A trigger of the configuration as the API takes it. */
export function triggerFactsOf(
  item: Trigger,
  { clusters, region }: RedeployConfig,
): Result<TriggerFacts, { readonly code: ReasonCode; readonly text: string }> {
  const cluster = clusterIdOf(item.cluster, clusters)
  if (!cluster.ok) return failure(cluster.error)
  const name = clusters.find(({ id }) => id === cluster.value)?.region ?? region
  const regionId = item.regionId ?? regionIds.get(name ?? '')
  if (regionId === undefined) {
    const text = `nobody knows the platform's number of the region ${quote(name ?? '')}: write it as \`regionId\``
    return failure({ code: 'region-unknown', text })
  }
  const { list, regex } = item.tags
  return success({
    name: item.name,
    repository: item.repository,
    method: list !== undefined ? 'taglist' : regex !== undefined ? 'regex' : 'all',
    expression: list?.join(',') ?? regex ?? '',
    cluster: cluster.value,
    namespace: item.namespace,
    workload: item.workload,
    container: item.container,
    regionId,
  })
}

/** The fields in which a trigger is not as it should be. Lists of tags are compared as sets, whatever stands between their names. */
function differencesOf({ facts, kinds }: SeenTrigger, to: TriggerFacts, kind: WorkloadKind): readonly string[] {
  const fields = (['repository', 'method', 'cluster', 'namespace', 'workload', 'container', 'regionId'] as const).filter(
    (field) => facts[field] !== to[field],
  )
  const isSame =
    to.method === 'taglist'
      ? tagsText(facts.expression) === tagsText(to.expression)
      : to.method === 'all' || facts.expression === to.expression
  const isOtherKind = kinds !== undefined && kinds.length > 0 && !kinds.includes(kind)
  return [...fields, ...(isSame ? [] : ['expression']), ...(isOtherKind ? ['kind'] : [])]
}

function tagsText(expression: string): string {
  return [...new Set(expression.split(/[,;|\s]+/).filter((tag) => tag !== ''))].toSorted().join(',')
}

/** Everything that is wrong with a trigger that stays; that nothing is, in one step. */
function reportsOf({ facts, kinds }: SeenTrigger, { observed: { log }, workloads, config, placed }: Around): readonly RedeployStep[] {
  const target = triggerName(facts.name)
  const before = shownTrigger(facts)
  const say = (code: ReasonCode, text: string): RedeployStep => stayStep(target, 'held', code, text, { before })
  const reports: RedeployStep[] = []
  const double = doubledBy(facts, kinds, placed)
  if (double !== undefined) {
    reports.push(
      say(
        'trigger-double',
        `it sets the same container as the rule ${double}, so that everything is deployed twice: take one of them away`,
      ),
    )
  }
  const place = `${facts.cluster}/${facts.namespace}`
  if (!config.clusters.some(({ id }) => id === facts.cluster)) {
    reports.push(
      say(
        'trigger-target-missing',
        `its cluster ${quote(facts.cluster)} is none of the configured ones, so nobody can tell whether its workload is there`,
      ),
    )
  } else if (kinds?.length === 0) {
    reports.push(say('trigger-target-missing', `${place} has no workload ${quote(facts.workload)}: every push fails on it`))
  } else if (kinds !== undefined && kinds.length > 1) {
    reports.push(
      say(
        'trigger-kind-unknown',
        `${place} has a ${kinds.join(' and a ')} named ${facts.workload}, and the registry does not say which it means`,
      ),
    )
  }
  const without = workloads.find(
    (one) => isRead(one) && isTargetOf(facts, kinds, one) && one.containers.every(({ name }) => name !== facts.container),
  )
  if (without !== undefined) {
    reports.push(
      say('trigger-target-missing', `${refName(without.ref)} has no container ${quote(facts.container)}: every push fails on it`),
    )
  }
  const last = log
    .filter(({ trigger }) => trigger === facts.name)
    .reduce<TriggerLogLine | undefined>((latest, line) => (latest === undefined || line.atMs >= latest.atMs ? line : latest), undefined)
  if (last?.returnCode !== undefined && last.returnCode !== 0 && Math.trunc(last.returnCode / 100) !== 2) {
    const when = new Date(last.atMs).toISOString()
    reports.push(
      say('trigger-failing', `its last try, for ${last.tag} at ${when}, failed with ${last.returnCode}: ${clip(last.message ?? '')}`),
    )
  }
  return reports.length > 0 ? reports : [stayStep(target, 'no-change', 'trigger-in-place', 'nothing is wrong with it', { before })]
}

/** The rule that sets the same container, if there is one. Of a trigger of an unknown kind any workload of that name may be meant. */
function doubledBy(facts: TriggerFacts, kinds: readonly WorkloadKind[] | undefined, placed: readonly PlacedTarget[]): string | undefined {
  return placed.find(
    ({ rule, ref, container }) =>
      isForRepository(rule, facts.repository) &&
      ref.cluster === facts.cluster &&
      ref.namespace === facts.namespace &&
      ref.name === facts.workload &&
      (kinds === undefined || kinds.length === 0 || kinds.includes(ref.kind)) &&
      (container === undefined || container === facts.container),
  )?.rule.name
}

function isTargetOf(facts: TriggerFacts, kinds: readonly WorkloadKind[] | undefined, { ref }: SeenWorkload): boolean {
  const isNamed = ref.cluster === facts.cluster && ref.namespace === facts.namespace && ref.name === facts.workload
  return isNamed && kinds?.length === 1 && kinds[0] === ref.kind
}

function triggerName(name: string): string {
  return `trigger ${clip(name)}`
}

/** `team/web (taglist 1.0,1.1) -> cls-1/default/web, container app` */
function shownTrigger({ repository, method, expression, cluster, namespace, workload, container }: TriggerFacts): string {
  const which = expression === '' ? method : `${method} ${clip(expression, 60)}`
  return clip(`${repository} (${which}) -> ${cluster}/${namespace}/${workload}, container ${container}`)
}

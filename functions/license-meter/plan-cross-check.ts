import type { ClusterCores } from '#shared/licence/cross-check.ts'
import {
  addDecimals,
  compareDecimals,
  type Decimal,
  excessOf,
  formatDecimal,
  parseDecimal,
  percentOf,
  zero,
} from '#shared/licence/decimal.ts'
import { hourOf, readSample, type Sample } from '#shared/licence/sample.ts'
import { compareTexts } from '#shared/pure/compare-texts.ts'
import type { Reason, Step } from '#shared/pure/step.ts'
import type { Settings } from './event.ts'
import type { Observed } from './plan.ts'

/** A cluster that the platform lists in a region. */
export interface ListedCluster {
  readonly id: string
  readonly name: string
  /** Workers and masters. */
  readonly nodes: number
}

/** What is known about the clusters of a region, beside what their nodes have. */
export interface RegionCheck {
  readonly region: string
  /** All clusters of the account there; absent when they could not be listed. */
  readonly listed?: readonly ListedCluster[] | undefined
  readonly problem?: Reason | undefined
  /** Since when the figures differ without a break, epoch milliseconds: found by an earlier reading. Absent when they did not. */
  readonly differsSince?: number | undefined
}

/** What the comparison of one region is made from: all of it was read at this trigger. */
export interface CrossCheckFacts {
  readonly check: RegionCheck
  /** The sample of this hour; absent when there is none. */
  readonly sample?: Sample | undefined
  /** Of each configured cluster of the region. */
  readonly clusters: readonly {
    readonly cluster: string
    readonly cores?: ClusterCores | undefined
    readonly problem?: Reason | undefined
  }[]
  readonly tolerancePercent: Decimal
  /** Hour of UTC of the trigger, for the key. */
  readonly hour: string
}

/** What a comparison comes to. `difference`: the figures differ by more than the tolerance, whoever is told or not. */
export interface CrossChecked {
  readonly steps: readonly Step<never>[]
  readonly isDifferent: boolean
}

/** Compares one region whose nodes were read at this trigger. */
export function compareRegion(check: RegionCheck, { regions, clusters }: Observed, { crossCheck }: Settings, now: number): CrossChecked {
  const { region } = check
  const hour = hourOf(now)
  const latest = regions.find((one) => one.region === region)?.latest
  return planCrossCheck({
    check,
    // Figures of another hour say nothing about the nodes of now.
    ...(latest?.hour === hour ? { sample: latest } : {}),
    clusters: clusters.filter((cluster) => cluster.region === region),
    tolerancePercent: crossCheck.tolerancePercent,
    hour,
  })
}

/** Cores that the platform reports without a node that has them, or the other way round, are looked at twice before anybody hears of it. */
type Finding = { readonly code: Exclude<FindingCode, 'counted-twice'>; readonly text: string }

/** What a person should look at. */
export type FindingCode = 'forgotten-cluster' | 'counted-more' | 'counted-less' | 'counted-twice'

/**
 * Compares what the platform reports for a region with what the nodes of its clusters have. It compares nothing while a cluster, or a
 * product, cannot be read: a part is no sum. A difference is a finding when the next reading, too, shows it, since machines are counted
 * a while before and after they are nodes.
 */
export function planCrossCheck({ check, sample, clusters, tolerancePercent, hour }: CrossCheckFacts): CrossChecked {
  const { region } = check
  const target = `${region}/nodes`
  const step = (verdict: 'no-change' | 'held' | 'skipped', code: string, text: string, about = target): Step<never> => ({
    key: `cross-check/${about}/${code}/${hour}`,
    target: about,
    before: '',
    after: '',
    reason: { code, text },
    verdict,
  })
  if (clusters.length === 0) return { steps: [], isDifferent: false }
  const unread = clusters.flatMap(({ cluster, problem }) =>
    problem === undefined
      ? []
      : [step('held', 'nodes-unreadable', `its nodes could not be read, so nothing is compared: ${problem.text}`, cluster)],
  )
  const known = clusters.flatMap(({ cores }) => cores ?? [])
  const twice = doubles(known).map(({ machine, text }) => step('held', 'counted-twice', text, `${region}/${machine}`))
  if (unread.length > 0) return { steps: [...twice, ...unread], isDifferent: false }
  const reported = sample === undefined ? 'there is no sample of this hour' : reportedIn(sample)
  if (typeof reported === 'string') {
    return {
      steps: [...twice, step('skipped', 'not-compared', `what the nodes have is compared with nothing: ${reported}`)],
      isDifferent: false,
    }
  }
  const finding = compare(reported, known, { check, tolerancePercent })
  if (typeof finding === 'string') return { steps: [...twice, step('no-change', 'nodes-agree', finding)], isDifferent: false }
  const compared =
    check.differsSince === undefined
      ? step('no-change', 'nodes-differ', `${finding.text}; it is looked at once more before it counts, as machines come and go`)
      : step('held', finding.code, `${finding.text}; first seen at ${new Date(check.differsSince).toISOString()}`)
  return { steps: [...twice, compared], isDifferent: true }
}

/** The sum of what the platform reports, in cores; a sentence when there is none. */
function reportedIn(sample: Sample): Decimal | string {
  let sum = zero
  for (const { productId, usage, why = 'it cannot be read', unit } of readSample(sample).products) {
    if (usage === undefined) return `${productId}: ${why}`
    if (!/^cores?$/i.test(unit)) return `${productId} is counted in ${unit === '' ? 'no unit' : `“${unit}”`}, not in cores`
    sum = addDecimals(sum, usage)
  }
  return sum
}

function compare(
  reported: Decimal,
  clusters: readonly ClusterCores[],
  { check, tolerancePercent }: Pick<CrossCheckFacts, 'check' | 'tolerancePercent'>,
): Finding | string {
  const total = (of: (cluster: ClusterCores) => string | undefined): Decimal =>
    clusters.reduce((sum, cluster) => addDecimals(sum, decimalIn(of(cluster))), zero)
  const nodes = total(({ cores }) => cores)
  const virtual = total((cluster) => cluster.virtual?.cores)
  const tolerance = percentOf(tolerancePercent, nodes)
  const count = clusters.reduce((sum, cluster) => sum + cluster.nodes, 0)
  const figures = `${formatDecimal(reported)} core reported, ${formatDecimal(nodes)} core on ${counted(count, 'node')} of ${clusters.map(({ cluster }) => cluster).join(', ')} (${poolsText(clusters)})`
  const configured = new Set(clusters.map(({ cluster }) => cluster))
  const forgotten = check.listed?.filter(({ id, nodes: own }) => !configured.has(id) && own > 0) ?? []
  const more = excessOf(reported, nodes)
  const less = excessOf(nodes, reported)
  if (compareDecimals(more, tolerance) > 0) {
    if (compareDecimals(reported, addDecimals(addDecimals(nodes, virtual), tolerance)) <= 0 && virtual.units > 0n) {
      return `${figures}; with the virtual nodes (${formatDecimal(virtual)} core) they fit`
    }
    const excess = `${figures}: ${formatDecimal(more)} core more than the nodes have`
    return forgotten.length > 0
      ? {
          code: 'forgotten-cluster',
          text: `${excess}. Not configured: ${forgotten.map(clusterText).join(', ')}; add them under clusters, or give them back`,
        }
      : { code: 'counted-more', text: `${excess}. ${whyMore(check)}` }
  }
  if (compareDecimals(less, tolerance) > 0) {
    const notReady = total((cluster) => cluster.notReady?.cores)
    const perhaps = notReady.units === 0n ? '' : `; ${formatDecimal(notReady)} core of them are on nodes that are not ready`
    return {
      code: 'counted-less',
      text: `${figures}: ${formatDecimal(less)} core are on nodes and not reported${perhaps}. Either the licence does not count them, or Node objects are left over`,
    }
  }
  const beside = forgotten.length === 0 ? '' : `; not configured and not needed for it: ${forgotten.map(clusterText).join(', ')}`
  return `${figures}: they agree${beside}`
}

function whyMore({ problem }: RegionCheck): string {
  return problem === undefined
    ? 'All clusters of the region are configured: machines are counted that are no nodes, or some are counted twice'
    : `Whether there are clusters that are not configured could not be read: ${problem.text}`
}

function clusterText({ id, name, nodes }: ListedCluster): string {
  return `${id}${name === '' ? '' : ` (${name})`} with ${counted(nodes, 'node')}`
}

/** The largest node pools of all clusters together; the rest in one. */
function poolsText(clusters: readonly ClusterCores[]): string {
  const pools = new Map<string, Decimal>()
  for (const cluster of clusters) {
    for (const [name, { cores }] of Object.entries(cluster.pools)) {
      const id = name === 'other' ? `${cluster.cluster}/other` : name
      pools.set(id, addDecimals(pools.get(id) ?? zero, decimalIn(cores)))
    }
  }
  const sorted = [...pools].toSorted(([one, left], [other, right]) => compareDecimals(right, left) || compareTexts(one, other))
  const rest = sorted.slice(mostPools).reduce((sum, [, cores]) => addDecimals(sum, cores), zero)
  const shown = sorted.slice(0, mostPools).map(([name, cores]) => `${name} ${formatDecimal(cores)}`)
  return [
    ...shown,
    ...(sorted.length > mostPools ? [`${counted(sorted.length - mostPools, 'other pool')} ${formatDecimal(rest)}`] : []),
  ].join(', ')
}

const mostPools = 4

/** Machines that are nodes of more than one cluster. */
function doubles(clusters: readonly ClusterCores[]): readonly { readonly machine: string; readonly text: string }[] {
  const homes = new Map<string, string[]>()
  for (const { cluster, machines = {} } of clusters) {
    for (const machine of Object.keys(machines)) homes.set(machine, [...(homes.get(machine) ?? []), cluster])
  }
  return [...homes]
    .filter(([, own]) => own.length > 1)
    .map(([machine, own]) => ({
      machine,
      text: `${machine} is a node of ${own.join(' and of ')}: its cores are counted twice, or one of the Node objects is left over; remove the one it does not belong to`,
    }))
}

function decimalIn(text: string | undefined): Decimal {
  const parsed = parseDecimal(text ?? '0')
  return parsed.ok ? parsed.value : zero
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

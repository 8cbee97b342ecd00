import type { Confirmation, Policy } from './event.ts'
import { queryOf } from './policy.ts'
import type { PoolNode, PoolView } from './view.ts'
import { count, figure, percent } from './words.ts'

/** What a reading says about the policy's condition. */
export type Finding = { readonly is: 'true' | 'false' | 'unreadable'; readonly text: string }

/** What is true of the pool now, by what was read of it and not by what an alarm says. `inService` are the nodes that serve. */
export function confirmed(policy: Policy, view: PoolView, inService: readonly PoolNode[]): Finding {
  const findings = policy.confirm.map((one) => findingOf(one, view, inService))
  const texts = (is: Finding['is']): string => findings.flatMap((one) => (one.is === is ? [one.text] : [])).join('; ')
  const has = (is: Finding['is']): boolean => findings.some((one) => one.is === is)
  if (policy.confirmWhen === 'any') {
    if (has('true')) return { is: 'true', text: texts('true') }
    return has('unreadable') ? { is: 'unreadable', text: texts('unreadable') } : { is: 'false', text: texts('false') }
  }
  if (has('false')) return { is: 'false', text: texts('false') }
  return has('unreadable') ? { is: 'unreadable', text: texts('unreadable') } : { is: 'true', text: texts('true') }
}

function findingOf({ pendingPods, requests, prometheus }: Confirmation, view: PoolView, inService: readonly PoolNode[]): Finding {
  if (pendingPods !== undefined) {
    const is = view.pendingPods >= pendingPods.atLeast
    return { is: is ? 'true' : 'false', text: `${count(view.pendingPods, 'pod')} without a place, ${pendingPods.atLeast} confirm it` }
  }
  if (requests !== undefined) {
    const { cpu, memory } = requestedShare(inService)
    const parts = [
      { what: 'cores', share: cpu, above: requests.cpuPercentAbove },
      { what: 'memory', share: memory, above: requests.memoryPercentAbove },
    ].flatMap(({ what, share, above }) => (above === undefined ? [] : [{ what, share, above }]))
    const text = parts.map(
      ({ what, share, above }) => `${percent(share)} of the ${what} requested, more than ${figure(above)} % confirm it`,
    )
    return { is: parts.some(({ share, above }) => share > above) ? 'true' : 'false', text: text.join(', ') }
  }
  if (prometheus === undefined) return { is: 'unreadable', text: 'nothing says what confirms it' }
  const { above, below, query } = prometheus
  const reading = view.readings.find(({ name }) => name === queryOf(prometheus).name)
  if (reading?.value === undefined) return { is: 'unreadable', text: `${query} cannot be read: ${reading?.problem ?? 'nobody has asked'}` }
  const { value } = reading
  const is = above === undefined ? value < (below ?? Number.NEGATIVE_INFINITY) : value > above
  const limit = above === undefined ? `less than ${figure(below ?? 0)} confirms it` : `more than ${figure(above)} confirms it`
  return { is: is ? 'true' : 'false', text: `${query} is ${figure(value)}, ${limit}` }
}

/** What pods on nodes request of what these nodes have, or others, in percent. */
function requestedShare(nodes: readonly PoolNode[], on: readonly PoolNode[] = nodes): { readonly cpu: number; readonly memory: number } {
  const sum = (list: readonly PoolNode[], of: (node: PoolNode) => number): number => list.reduce((total, node) => total + of(node), 0)
  return {
    cpu: shareOf(
      sum(nodes, ({ requested }) => requested.cpuMilli),
      sum(on, ({ allocatable }) => allocatable.cpuMilli),
    ),
    memory: shareOf(
      sum(nodes, ({ requested }) => requested.memoryBytes),
      sum(on, ({ allocatable }) => allocatable.memoryBytes),
    ),
  }
}

/** Where there is nothing, anything that is requested is more than all. */
function shareOf(part: number, whole: number): number {
  if (whole <= 0) return part > 0 ? Number.POSITIVE_INFINITY : 0
  return (part / whole) * 100
}

export type Projection =
  | { readonly may: true; readonly text: string }
  | { readonly may: false; readonly code: 'would-retrigger' | 'confirm-unreadable'; readonly text: string }

/**
 * Whether the pool would stay on the good side of every threshold without some of its nodes: what the rest would carry is what all of them
 * carry now. `serving` are the nodes that serve, `leaving` those among them that would go. The last nodes of a pool only go when nothing is
 * on them, for nothing can be said about none.
 */
export function mayLose(
  policies: readonly Policy[],
  view: PoolView,
  serving: readonly PoolNode[],
  leaving: readonly PoolNode[],
): Projection {
  const texts: string[] = []
  for (const policy of policies) {
    for (const one of policy.confirm) {
      const projection = projected(one, policy, view, serving, leaving)
      if (!projection.may) return projection
      if (projection.text !== '') texts.push(projection.text)
    }
  }
  return { may: true, text: texts.length === 0 ? 'no reading speaks against it' : texts.join('; ') }
}

function projected(
  { requests, prometheus }: Confirmation,
  { recovery }: Policy,
  view: PoolView,
  serving: readonly PoolNode[],
  leaving: readonly PoolNode[],
): Projection {
  const gone = new Set(leaving.map(({ instanceId }) => instanceId))
  const rest = serving.filter(({ instanceId }) => !gone.has(instanceId))
  const margin = recovery.margin / 100
  const isLast = rest.length === 0
  const isEmpty = leaving.every(({ podCount }) => podCount === 0)
  const without = `without ${leaving.length} of ${count(serving.length, 'node')}`
  if (requests !== undefined) {
    if (isLast) return isEmpty ? { may: true, text: `${without} there are none left, and nothing runs there` } : lastNode(without)
    const before = requestedShare(serving)
    const after = requestedShare(serving, rest)
    const limits = [
      { what: 'cores', from: before.cpu, to: after.cpu, above: requests.cpuPercentAbove },
      { what: 'memory', from: before.memory, to: after.memory, above: requests.memoryPercentAbove },
    ].flatMap(({ above, ...one }) => (above === undefined ? [] : [{ ...one, limit: above * (1 - margin) }]))
    const texts = limits.map(
      ({ what, from, to, limit }) =>
        `${without}, requested ${what} would go from ${percent(from)} to ${percent(to)}, and have to stay below ${percent(limit)}`,
    )
    if (limits.some(({ to, limit }) => to >= limit)) return { may: false, code: 'would-retrigger', text: texts.join('; ') }
    return { may: true, text: texts.join('; ') }
  }
  if (prometheus === undefined) return { may: true, text: '' }
  const { query, above, below } = prometheus
  const reading = view.readings.find(({ name }) => name === queryOf(prometheus).name)
  if (reading?.value === undefined) {
    return { may: false, code: 'confirm-unreadable', text: `${query} cannot be read: ${reading?.problem ?? 'nobody has asked'}` }
  }
  if (isLast && !isEmpty) return lastNode(without)
  const factor = isLast || leaving.length === 0 ? 1 : serving.length / rest.length
  const value = above === undefined ? reading.value / factor : reading.value * factor
  const limit = above === undefined ? marginUp(below ?? 0, margin) : marginDown(above, margin)
  const isGood = above === undefined ? value > limit : value < limit
  const text = `${query} is ${figure(reading.value)}, would be ${figure(value)} ${without}, and has to stay ${above === undefined ? 'above' : 'below'} ${figure(limit)}`
  return isGood ? { may: true, text } : { may: false, code: 'would-retrigger', text }
}

function lastNode(without: string): Projection {
  return { may: false, code: 'would-retrigger', text: `${without} there are none left, and pods still run there` }
}

/** A threshold that has to be kept away from by a margin, whatever its sign. */
function marginDown(threshold: number, margin: number): number {
  return threshold - Math.abs(threshold) * margin
}

function marginUp(threshold: number, margin: number): number {
  return threshold + Math.abs(threshold) * margin
}

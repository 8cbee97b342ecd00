import type { Episode } from './episode.ts'
import type { GrowthStep, Policy } from './event.ts'
import { queryOf } from './policy.ts'
import type { PoolView } from './view.ts'
import { figure } from './words.ts'

/** How far beyond its threshold something is. */
export interface Breach {
  readonly value?: number | undefined
  readonly threshold?: number | undefined
  /** As the policy's steps measure it; absent where value or threshold is not known. */
  readonly size?: number | undefined
  /** For people: `91 % over 80 %`. */
  readonly text: string
}

/** How bad it is, by the alarm or by the reading that the policy names. Undefined when that reading has no value. */
export function breachOf(policy: Policy, episode: Episode, view: Pick<PoolView, 'readings'>): Breach | undefined {
  const { as, of } = policy.breach
  if (of === undefined) return breach(episode, as, episode.unit ?? '')
  const prometheus = policy.confirm.find((one) => one.prometheus?.name === of)?.prometheus
  const reading = prometheus === undefined ? undefined : view.readings.find(({ name }) => name === queryOf(prometheus).name)
  if (prometheus === undefined || reading?.value === undefined) return undefined
  const { above, below } = prometheus
  return breach({ value: reading.value, threshold: above ?? below, isBelow: below !== undefined }, as, '')
}

function breach(
  {
    value,
    threshold,
    isBelow = false,
  }: { readonly value?: number | undefined; readonly threshold?: number | undefined; readonly isBelow?: boolean | undefined },
  as: 'difference' | 'ratio',
  unit: string,
): Breach {
  if (value === undefined || threshold === undefined) {
    return { value, threshold, text: value === undefined ? 'no value is known' : `${figure(value)}${unit}, no threshold is known` }
  }
  const size = as === 'difference' ? difference(value, threshold, isBelow) : ratio(value, threshold, isBelow)
  const text = `${figure(value)}${unit} ${isBelow ? 'under' : 'over'} ${figure(threshold)}${unit}`
  return { value, threshold, ...(size === undefined ? {} : { size }), text }
}

function difference(value: number, threshold: number, isBelow: boolean): number {
  // 91.3 - 80 is 11.299999999999997: a step from 11.3 on would never be reached exactly.
  return Number((isBelow ? threshold - value : value - threshold).toPrecision(12))
}

/** Says nothing where a ratio means nothing. */
function ratio(value: number, threshold: number, isBelow: boolean): number | undefined {
  if (value <= 0 || threshold <= 0) return undefined
  return Number((isBelow ? threshold / value : value / threshold).toPrecision(12))
}

/** The step that something has reached. */
export interface ReachedStep {
  readonly index: number
  readonly step: GrowthStep
  /** Nodes beyond those in service. */
  readonly level: number
}

/**
 * The step that a breach has reached: the last one that begins at it or below. What has no size is at the first step, for the alarm says
 * that it is wrong and not how wrong. Undefined below the first step.
 */
export function reachedStep(steps: readonly GrowthStep[], { size }: Breach, inService: number): ReachedStep | undefined {
  const index = size === undefined ? 0 : steps.findLastIndex(({ from }) => from <= size)
  const step = steps[index]
  return step === undefined ? undefined : { index, step, level: levelOf(step, inService) }
}

function levelOf({ add, addPercent = 0, atLeast = 1 }: GrowthStep, inService: number): number {
  // 10 % of 30 is 3.0000000000000004 in some orders of multiplying: that must not become 4.
  return add ?? Math.max(atLeast, Math.ceil(Number(((inService * addPercent) / 100).toPrecision(12))))
}

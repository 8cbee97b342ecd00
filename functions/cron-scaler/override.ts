import { parseInstant } from '#shared/pure/civil.ts'
import { clip, quote } from '#shared/pure/clip.ts'
import { digestOf } from '#shared/pure/digest.ts'
import { nearest } from '#shared/pure/nearest.ts'
import { failure, type Result, success } from '#shared/pure/result.ts'
import { clusterOf } from './configured-rules.ts'
import type { CronScalerConfig } from './event.ts'
import type { InvalidRule } from './rules.ts'
import { compareSizes, largestSize, type Size, type Target, type TargetDraft, type TargetKind } from './target.ts'
import { readRuleTarget, readSize } from './wanted-size.ts'

/** A size that somebody gives a target for a while, whatever its rules say. */
export interface Override {
  /** `override/config/<name>` of the configuration, `override/annotation/<digest of its text>` of a target: an edited one is another one. */
  readonly id: string
  readonly size: Size
  /** When it begins; at once when absent. */
  readonly fromMs?: number | undefined
  /** It is over at this instant. */
  readonly untilMs: number
  readonly reason?: string | undefined
}

/** An override on a target that cannot be read, and what to write. */
export interface OverrideProblem {
  readonly problem: string
}

const mark = 'override/'

/** Whether the owner of a record is an override. Rules are called `config/…` and `hpc/…`. */
export function isOverride(owner: string): boolean {
  return owner.startsWith(mark)
}

/** Whether it stands on a target itself. */
export function isAnnotationOverride(owner: string): boolean {
  return owner.startsWith(`${mark}annotation/`)
}

const longestText = 500

/** How an override on a target is written, as messages show it. */
function shapeFor(kind: TargetKind): string {
  const size = kind === 'HorizontalPodAutoscaler' ? 'min=4 max=8' : 'replicas=8'
  return `write it as "${size} until=2026-11-27T20:00:00+08:00 reason=…"`
}

/**
 * Reads the annotation of a target: words `name=value` with blanks between them. `replicas` of a workload, `min` and `max` of
 * an autoscaler; `until`, and `from` where it does not begin at once: instants with their zone written out; `reason` last, if
 * at all, which takes the rest of the text. Each word once, and no other: what cannot be read is never guessed at.
 */
export function parseOverride(text: string, kind: TargetKind): Result<Override, string> {
  const fault = (what: string): Result<Override, string> => failure(`${what}: ${shapeFor(kind)}`)
  if (text.length > longestText) return fault(`it has ${text.length} characters, and ${longestText} are the most`)
  const [, head = '', reasonText] = /^(.*?)(?:(?:^|\s)reason=(.*))?$/s.exec(text) ?? []
  const known = kind === 'HorizontalPodAutoscaler' ? ['min', 'max', 'from', 'until'] : ['replicas', 'from', 'until']
  const values = new Map<string, string>()
  for (const word of head.split(/\s+/).filter((part) => part !== '')) {
    const [, name, value] = /^([^=]*)=(.*)$/s.exec(word) ?? []
    if (name === undefined || value === undefined) return fault(`${quote(word)} is no word of the form name=value`)
    if (!known.includes(name)) {
      const near = nearest(name, known)
      return fault(`${quote(name)} is unknown${near === undefined ? '' : `, did you mean "${near}"?`}`)
    }
    if (values.has(name)) return fault(`${name} is there twice`)
    values.set(name, value)
  }
  const size = sizeOf(values, kind)
  if (!size.ok) return fault(size.error)
  const until = values.get('until')
  if (until === undefined) return fault('it does not say until when')
  const untilMs = parseInstant(until)
  if (!untilMs.ok) return fault(`until: ${untilMs.error}`)
  const from = values.get('from')
  const fromMs = from === undefined ? undefined : parseInstant(from)
  if (fromMs?.ok === false) return fault(`from: ${fromMs.error}`)
  if (fromMs !== undefined && fromMs.value >= untilMs.value) return fault('it ends before it begins')
  const reason = reasonText?.trim() ?? ''
  return success({
    id: `${mark}annotation/${digestOf([text]).slice(0, 12)}`,
    size: size.value,
    ...(fromMs === undefined ? {} : { fromMs: fromMs.value }),
    untilMs: untilMs.value,
    ...(reason === '' ? {} : { reason: clip(reason) }),
  })
}

function sizeOf(values: ReadonlyMap<string, string>, kind: TargetKind): Result<Size, string> {
  const count = (name: string): Result<number, string> => {
    const text = values.get(name)
    if (text === undefined) return failure(`it does not say ${name}`)
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
    return value <= largestSize ? success(value) : failure(`${name} ${quote(text)} is no number of replicas`)
  }
  if (kind !== 'HorizontalPodAutoscaler') {
    const replicas = count('replicas')
    return replicas.ok ? success({ kind: 'replicas', replicas: replicas.value }) : replicas
  }
  const min = count('min')
  if (!min.ok) return min
  const max = count('max')
  if (!max.ok) return max
  if (min.value > max.value) return failure(`min ${min.value} is above max ${max.value}`)
  if (max.value === 0) return failure('max 0 is not allowed for a HorizontalPodAutoscaler')
  return success({ kind: 'bounds', min: min.value, max: max.value })
}

/** An override of the configuration, as far as it can be read without its target. */
export interface OverrideDraft {
  readonly id: string
  /** Id of the cluster; what somebody wrote when that is none. */
  readonly cluster: string
  readonly target: TargetDraft
  /** Namespace of a target that names none. */
  readonly namespace: string
  readonly read: Result<{ readonly target: Target; readonly override: Override }, InvalidRule>
  /** Everything that is wrong with it. */
  readonly problems: readonly InvalidRule[]
}

/** The overrides of the configuration, in its order. */
export function configuredOverrides(config: CronScalerConfig): OverrideDraft[] {
  const { settings, clusters } = config
  return settings.overrides.map((entry): OverrideDraft => {
    const id = `${mark}config/${entry.name}`
    const cluster = clusterOf(entry.cluster, clusters)
    const target = readRuleTarget({ target: entry.target, namespace: 'default' })
    const size = target.ok ? readSize(entry, target.value, settings.allowZeroMin) : target
    const span = spanOf(entry)
    const problems = [cluster, target, size, span].flatMap((part) => (part.ok ? [] : [part.error]))
    const facts = { id, cluster: cluster.ok ? cluster.value : entry.cluster, target: entry.target, namespace: 'default' }
    return { ...facts, read: readOf(), problems: [...new Set(problems)] }

    function readOf(): OverrideDraft['read'] {
      if (!cluster.ok) return cluster
      if (!target.ok) return target
      if (!size.ok) return size
      if (!span.ok) return span
      return success({ target: target.value, override: { id, size: size.value, ...span.value, reason: clip(entry.reason) } })
    }
  })
}

function spanOf({
  from,
  until,
}: {
  readonly from?: number | undefined
  readonly until: number
}): Result<{ readonly fromMs?: number; readonly untilMs: number }, InvalidRule> {
  if (from === undefined) return success({ untilMs: until })
  if (from < until) return success({ fromMs: from, untilMs: until })
  return failure({ code: 'validity-invalid', text: 'it ends before it begins: write an until that is later than from', field: 'until' })
}

/**
 * Which override is in force at an instant: the one on the target itself before those of the configuration; of these the one
 * that began last, then the higher size, then by name.
 */
export function overrideInForce(onTarget: Override | undefined, configured: readonly Override[], now: number): Override | undefined {
  const inForce = ({ fromMs, untilMs }: Override): boolean => (fromMs === undefined || fromMs <= now) && now < untilMs
  if (onTarget !== undefined && inForce(onTarget)) return onTarget
  const [first] = configured.filter(inForce).toSorted(byPrecedence)
  return first
}

function byPrecedence(left: Override, right: Override): number {
  const [leftMs, rightMs] = [left.fromMs ?? Number.NEGATIVE_INFINITY, right.fromMs ?? Number.NEGATIVE_INFINITY]
  if (leftMs !== rightMs) return rightMs > leftMs ? 1 : -1
  return compareSizes(right.size, left.size) || (left.id < right.id ? -1 : 1)
}

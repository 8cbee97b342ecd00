import * as z from 'zod/mini'
import { ruleContext } from '#functions/cron-scaler/configured-rules.ts'
import type { Settings } from '#functions/cron-scaler/event.ts'
import { rulesOfHpc } from '#functions/cron-scaler/hpc.ts'
import { isAncestor } from '#functions/cron-scaler/hpc-convert.ts'
import { type HpcKind, hpcGroupPattern, type WantedHpc } from '#functions/cron-scaler/hpc-object.ts'
import { compileRule, ruleProblems } from '#functions/cron-scaler/rules.ts'
import { quote } from '#shared/pure/clip.ts'
import { nearest } from '#shared/pure/nearest.ts'
import { pathText } from '#shared/runtime/config-path.ts'
import { problemsOf } from '#shared/runtime/config-problems.ts'

/** An HPC object that somebody wants to have in a cluster, checked. */
export interface Manifest {
  readonly place: string
  readonly group: string | undefined
  readonly namespace: string
  readonly name: string
  /** State of the object that the file was made from, where it says one. */
  readonly resourceVersion: string | undefined
  readonly wanted: WantedHpc
  /** What is legal and perhaps not meant. */
  readonly warnings: readonly string[]
}

const Label = z.record(z.string(), z.string())

const HpcFile = z.object({
  apiVersion: z.optional(z.string()),
  kind: z.string(),
  metadata: z.object({
    name: z.string(),
    namespace: z.optional(z.string()),
    resourceVersion: z.optional(z.string()),
    labels: z.optional(z.nullable(Label)),
    annotations: z.optional(z.nullable(Label)),
  }),
  spec: z.record(z.string(), z.unknown()),
})

const topKeys = ['apiVersion', 'kind', 'metadata', 'spec', 'status']

/** The kind as it is served, and as the manual also spells it. */
const hpcKindPattern = /^horizontalpodcrons?scal(?:er|e)s?$/i

/**
 * Checks an object of a file as the scaler would: every rule of it has to be one that can run. Answers the object, or everything
 * that is wrong with it, a sentence each.
 */
export function readManifest(
  { place, value }: { readonly place: string; readonly value: unknown },
  facts: { readonly cluster: string; readonly settings: Settings; readonly now: number },
): { readonly manifest: Manifest } | { readonly problems: readonly string[] } {
  const refuse = (...texts: string[]) => ({ problems: texts.map((text) => `${place}: ${text}`) })
  if (isAncestor(value))
    return refuse('a CronHorizontalPodAutoscaler is of the ancestor of HPC: make one of it with `longshore hpc convert --to hpc`')
  const parsed = z.safeParse(HpcFile, value)
  if (!parsed.success) {
    const issues = problemsOf(HpcFile, value).map(({ path, text }) => `${path.length === 0 ? 'the object' : pathText(path)}: ${text}`)
    return refuse(`it is no HPC object: ${issues.slice(0, 5).join('; ')}`)
  }
  const { apiVersion, kind, metadata, spec } = parsed.data
  if (!hpcKindPattern.test(kind)) return refuse(`it is a ${quote(kind)}: only HPC objects (HorizontalPodCronscaler) are written here`)
  const strange = Object.keys(Object(value)).find((key) => !topKeys.includes(key))
  if (strange !== undefined) {
    const near = nearest(strange, topKeys)
    return refuse(`the field ${quote(strange)} is unknown${near === undefined ? '' : `: did you mean "${near}"?`}`)
  }
  const [group, version, ...more] = (apiVersion ?? '').split('/')
  if (apiVersion !== undefined && (version === undefined || more.length > 0 || group === ''))
    return refuse(`its apiVersion ${quote(apiVersion)} is none: write autoscaling.cloud.tencent.com/v1`)
  const problems: string[] = []
  const names = new Set<string>()
  const namespace = metadata.namespace ?? 'default'
  if (!/^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$/.test(metadata.name))
    problems.push(`its name ${quote(metadata.name)} is no name of a Kubernetes object`)
  if (!/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace))
    problems.push(`its namespace ${quote(namespace)} is no name of a namespace`)
  const context = ruleContext(facts.settings, facts.now)
  const warnings: string[] = []
  // As the cluster will have it: in a namespace, and with no date of its making yet.
  const object = { ...Object(value), metadata: { ...metadata, namespace } }
  const drafts = rulesOfHpc(object, facts.cluster, facts.settings)
  for (const draft of drafts) {
    const own = ruleProblems(draft, context)
    problems.push(...own.map(({ text }) => `${draft.id}: ${text}`))
    const compiled = own.length === 0 ? compileRule(draft, context) : undefined
    if (compiled?.ok === true) warnings.push(...compiled.value.warnings.map((text) => `${draft.id}: ${text}`))
    // Reports and what has run once tell rules by these.
    if (names.has(draft.id)) problems.push(`${draft.id}: two crons have this name: name each once`)
    names.add(draft.id)
  }
  if (drafts.length === 0) problems.push('it has no crons, so it would do nothing: write one, or delete the object')
  if (problems.length > 0) return refuse(...problems)
  return {
    manifest: {
      place,
      group: apiVersion === undefined ? undefined : group,
      namespace,
      name: metadata.name,
      resourceVersion: metadata.resourceVersion,
      wanted: { labels: metadata.labels ?? {}, annotations: metadata.annotations ?? {}, spec },
      warnings,
    },
  }
}

/**
 * The kind that an object is written as. A file may come from another edition of the platform, whose group this cluster does not
 * have: then it is written in the one that the cluster has, and `note` says so. Throws an Error where that is not clear.
 */
export function kindFor(
  { place, group }: Pick<Manifest, 'place' | 'group'>,
  kinds: readonly HpcKind[],
  cluster: string,
): { readonly kind: HpcKind; readonly note?: string } {
  const own = kinds.filter((kind) => kind.group === group)
  const [first, ...more] = own.length > 0 ? own : kinds
  if (first === undefined) {
    throw new Error(`${cluster} serves no HPC objects: install HPC there, or name its API group under hpc.group of the settings`)
  }
  if (more.length > 0) {
    const served = (own.length > 0 ? own : kinds).map((kind) => `${kind.group}/${kind.version} ${kind.kind}`)
    throw new Error(`${place}: ${cluster} serves ${served.join(' and ')}: say which is meant with its apiVersion, or with --group`)
  }
  if (own.length > 0 || group === undefined) return { kind: first }
  if (!hpcGroupPattern.test(group))
    throw new Error(`${place}: the API group ${quote(group)} is not one of HPC; ${cluster} serves ${first.group}`)
  return { kind: first, note: `${place}: ${cluster} does not serve ${group}; it is written as ${first.group}/${first.version}` }
}

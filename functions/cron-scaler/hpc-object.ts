import * as z from 'zod/mini'
import type { CloudReader, CloudWriter, SendOptions } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import { KubeError, type KubeObject, type KubeReader, kubePath, kubeReader, kubeWriter } from '#cloud/kube.ts'
import { clip } from '#shared/pure/clip.ts'
import { digestOf } from '#shared/pure/digest.ts'
import type { Step, StepResult } from '#shared/pure/step.ts'
import { canonicalJson, plainCopy } from '#shared/safety/canonical-json.ts'
import type { Settlement } from '#shared/safety/settle-claim.ts'
import type { CronScalerConfig } from './event.ts'
import type { HpcChange, HpcShape } from './hpc-change.ts'

export type { HpcChange, HpcShape } from './hpc-change.ts'

/** Tells HPC's group among a cluster's, in whatever edition of the platform: `autoscaling.<domain>`. */
export const hpcGroupPattern = /^autoscaling\.([a-z0-9-]+\.)*cloud\.tencent\.com$/

/** A kind of HPC objects as a cluster serves it. */
export interface HpcKind {
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly kind: string
}

/**
 * The kinds of HPC objects that a cluster serves: those of the group that is named, else of every group that looks like the
 * platform's. The plural differs between editions (`…cronscalers`, `…cronscales`), the beginning does not. Of the versions of one
 * kind, which are views of the same objects, it is the group's preferred one. Empty for a cluster that has none.
 */
export async function findHpcKinds(reader: KubeReader, group: string | undefined): Promise<readonly HpcKind[]> {
  return await kindsOfGroups(reader, group === undefined ? await findHpcGroups(reader) : [group])
}

/** The groups of a cluster that look like HPC's. Takes one call. */
export async function findHpcGroups(reader: KubeReader): Promise<readonly string[]> {
  return (await reader.discover()).map((one) => one.group).filter((name) => hpcGroupPattern.test(name))
}

/** The kinds of HPC objects that groups serve. Takes a call for each group. */
export async function kindsOfGroups(reader: KubeReader, groups: readonly string[]): Promise<readonly HpcKind[]> {
  const served = groups.map(async (name): Promise<readonly HpcKind[]> => {
    const kinds = new Map<string, HpcKind>()
    for (const { resource, version, kind, verbs } of (await reader.discover(name))?.resources ?? []) {
      if (resource.startsWith('horizontalpodcron') && verbs.includes('list') && !kinds.has(resource)) {
        kinds.set(resource, { group: name, version, resource, kind })
      }
    }
    return [...kinds.values()]
  })
  return (await Promise.all(served)).flat()
}

export type HpcStep = Step<HpcChange> & { readonly verdict: 'change' }

/** An HPC object as somebody wants it: the parts that count. */
export interface WantedHpc {
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly spec: unknown
}

/** Annotations that rules are made of. They are as the wanted object has them; others of an object stay. */
const ownPrefix = 'longshore.dev/'

/**
 * What is there and what should be, in the same labels and annotations: those that are wanted, and those that rules are made of.
 * What others put on the object beside that is none of its business.
 */
export function shapesOf(live: KubeObject | undefined, wanted: WantedHpc | undefined): Pick<HpcChange, 'from' | 'to'> {
  const labels = Object.keys(wanted?.labels ?? live?.metadata.labels ?? {})
  const present = Object.keys(live?.metadata.annotations ?? {}).filter((name) => wanted === undefined || name.startsWith(ownPrefix))
  const annotations = [...new Set([...Object.keys(wanted?.annotations ?? {}), ...present])]
  return {
    from: live === undefined ? null : shapeOf(live, labels, annotations),
    to:
      wanted === undefined
        ? null
        : { labels: picked(wanted.labels, labels), annotations: picked(wanted.annotations, annotations), spec: plainCopy(wanted.spec) },
  }
}

function shapeOf(object: KubeObject, labels: readonly string[], annotations: readonly string[]): HpcShape {
  const { metadata } = object
  return {
    labels: picked(metadata.labels ?? {}, labels),
    annotations: picked(metadata.annotations ?? {}, annotations),
    spec: plainCopy(object.spec ?? null),
  }
}

function picked(values: Readonly<Record<string, string>>, names: readonly string[]): Record<string, string | null> {
  return Object.fromEntries(names.toSorted().map((name) => [name, Object.hasOwn(values, name) ? (values[name] ?? null) : null]))
}

export function sameShape(left: HpcShape | null, right: HpcShape | null): boolean {
  return canonicalJson(left) === canonicalJson(right)
}

/** What is there now, looked at as a change does. */
function liveShape(live: KubeObject | undefined, { from, to }: HpcChange): HpcShape | null {
  if (live === undefined) return null
  const names = (part: 'labels' | 'annotations') => [...new Set([...Object.keys(from?.[part] ?? {}), ...Object.keys(to?.[part] ?? {})])]
  return shapeOf(live, names('labels'), names('annotations'))
}

/** `cls-1/default/HorizontalPodCronscaler/web`: names an HPC object in reports. */
export function hpcTargetName({ cluster, hpc }: Pick<HpcChange, 'cluster' | 'hpc'>): string {
  return `${cluster}/${hpc.namespace}/${hpc.kind}/${hpc.name}`
}

export interface HpcOrder {
  readonly change: HpcChange
  /** State of the object that the change was made for; absent where there is none. */
  readonly resourceVersion: string | undefined
  /** What somebody asked for, such as `longshore hpc apply`. */
  readonly by: string
  /** Epoch milliseconds. */
  readonly now: number
}

/**
 * The step that carries a change out, with the step that takes it back. Its key is of the state it was made for, so that the same
 * wish about a later state is a new one.
 */
export function hpcStep({ change, resourceVersion, by, now }: HpcOrder): HpcStep {
  const { uid, from, to, cluster, hpc } = change
  const state = resourceVersion ?? `none-at-${now}`
  const key = digestOf(['hpc-object', cluster, canonicalJson(hpc), uid ?? null, state, canonicalJson(to)])
  const back: HpcChange = { cluster, hpc, from: to, to: from, ...(uid === undefined || to === null ? {} : { uid }) }
  return {
    key: `hpc-object/${key}`,
    target: hpcTargetName(change),
    before: shapeText(from),
    after: shapeText(to) || 'not there',
    reason: { code: to === null ? 'hpc-delete' : from === null ? 'hpc-create' : 'hpc-change', text: `asked for by ${by}` },
    verdict: 'change',
    change,
    undo: back,
  }
}

const Crons = z.object({ crons: z.array(z.object({ name: z.optional(z.string()), schedule: z.optional(z.string()) })) })

/** An object in one line: how many crons it has, and the first of them. */
function shapeText(shape: HpcShape | null): string {
  if (shape === null) return ''
  const parsed = z.safeParse(Crons, shape.spec)
  const crons = parsed.success ? parsed.data.crons : []
  const named = crons.slice(0, 3).map(({ name = 'unnamed', schedule = '' }) => `${clip(name, 40)} "${clip(schedule, 40)}"`)
  const more = crons.length > named.length ? ', …' : ''
  return `${crons.length === 1 ? '1 cron' : `${crons.length} crons`}${crons.length === 0 ? '' : `: ${named.join(', ')}${more}`}`
}

export type HpcCode = 'already-there' | 'world-changed' | 'not-taken' | 'conflict'

/** How often an object is read and looked at again when it changes between reading and writing. */
const mostTries = 3

/**
 * Brings an HPC object to the state that a step says. It is read again first, and only changed while it is what the step was
 * made for, in what the step is about: a status that moves on does not matter. The write is bound to the state that was read.
 * Running twice changes nothing more.
 *
 * Throws KubeError and CloudError; whether a write without an answer has arrived is for `settleHpc` to find out.
 */
export async function applyHpc(step: HpcStep, cloud: CloudWriter, config: CronScalerConfig): Promise<StepResult> {
  const { change } = step
  const kube = kubeWriter(cloud, change.cluster, regionOf(change, config))
  for (let attempt = 1; attempt <= mostTries; attempt += 1) {
    const live = await readHpc(kube, change)
    const settled = alreadyDecided(change, live)
    if (settled !== undefined) return settled
    try {
      if (change.to === null) {
        await kube.delete(pathOf(change), { uid: live?.metadata.uid, resourceVersion: live?.metadata.resourceVersion })
        return { outcome: 'Applied' }
      }
      const { to } = change
      const written =
        live === undefined
          ? await kube.create(collectionOf(change), newObject(change, to))
          : await kube.replace(pathOf(change), changedObject(live, to))
      return verdictOn(written, change)
    } catch (error) {
      const isMoved =
        error instanceof KubeError && (error.kind === 'kube.conflict' || (change.to === null && error.kind === 'kube.not-found'))
      if (!isMoved) throw error
    }
  }
  const text = `somebody else changed the object ${mostTries} times while it was to be changed: look at it and try again`
  return { outcome: 'Skipped', reason: { code: 'conflict' satisfies HpcCode, text } }
}

/** Says by reading whether a write of a step has arrived. */
export async function settleHpc({ change }: HpcStep, cloud: CloudReader, config: CronScalerConfig): Promise<Settlement> {
  let live: KubeObject | undefined
  try {
    live = await readHpc(kubeReader(cloud, change.cluster, regionOf(change, config)), change)
  } catch (error) {
    if (error instanceof KubeError || error instanceof CloudError) return 'unknown'
    throw error
  }
  const isAnother = live !== undefined && change.uid !== undefined && live.metadata.uid !== change.uid
  // A delete is bound to the object, so that one of the same name is a later one.
  if (isAnother) return change.to === null ? 'applied' : 'unknown'
  if (change.to === null && live?.metadata.deletionTimestamp !== undefined) return 'applied'
  const shape = liveShape(live, change)
  if (sameShape(shape, change.to)) return 'applied'
  return sameShape(shape, change.from) ? 'not-applied' : 'unknown'
}

/** The object that a change is about; undefined when there is none. Throws KubeError and CloudError. */
export async function readHpc(kube: KubeReader, change: Pick<HpcChange, 'cluster' | 'hpc'>): Promise<KubeObject | undefined> {
  try {
    return await kube.get(pathOf(change))
  } catch (error) {
    if (error instanceof KubeError && error.kind === 'kube.not-found') return undefined
    throw error
  }
}

function alreadyDecided(change: HpcChange, live: KubeObject | undefined): StepResult | undefined {
  const answer = (outcome: 'NoChange' | 'Skipped', code: HpcCode, text: string): StepResult => ({ outcome, reason: { code, text } })
  const shape = liveShape(live, change)
  if (live !== undefined && change.uid !== undefined && live.metadata.uid !== change.uid) {
    return answer('Skipped', 'world-changed', 'the object was deleted and made anew since it was looked at: look at it and try again')
  }
  if (live?.metadata.deletionTimestamp !== undefined) {
    return change.to === null
      ? answer('NoChange', 'already-there', 'it is being deleted already')
      : answer('Skipped', 'world-changed', 'the object is being deleted')
  }
  if (sameShape(shape, change.to))
    return answer('NoChange', 'already-there', change.to === null ? 'it is not there any more' : 'it is so already')
  if (sameShape(shape, change.from)) return undefined
  const [first] = hpcDifferences(change.from, shape)
  const what =
    shape === null ? 'it was deleted' : change.from === null ? 'somebody has made it' : `somebody has changed it (${clip(first ?? '')})`
  return answer('Skipped', 'world-changed', `${what} since it was looked at: look at it and try again`)
}

/** Whether the cluster keeps what it was given; a definition with a schema drops fields that it does not know, without a word. */
function verdictOn(written: KubeObject, change: HpcChange): StepResult {
  const shape = liveShape(written, change)
  if (sameShape(shape, change.to)) return { outcome: 'Applied' }
  const different = hpcDifferences(change.to, shape).map((line) => clip(line))
  const text = `the cluster has written it, but not as it was given (${different.slice(0, 3).join('; ')}): look at the definition of ${change.hpc.resource} for the fields that it knows`
  return { outcome: 'Failed', reason: { code: 'not-taken' satisfies HpcCode, text } }
}

function newObject({ hpc }: HpcChange, to: HpcShape): object {
  const { group, version, kind, namespace, name } = hpc
  return { apiVersion: `${group}/${version}`, kind, metadata: { name, namespace, ...mapsOf(to, {}) }, spec: to.spec }
}

function changedObject(live: KubeObject, to: HpcShape): object {
  // Who manages which field is the server's to say.
  const { managedFields: _, ...metadata } = live.metadata
  return { ...live, metadata: { ...metadata, ...mapsOf(to, metadata) }, spec: to.spec }
}

function mapsOf(to: HpcShape, metadata: Partial<Pick<KubeObject['metadata'], 'labels' | 'annotations'>>): object {
  return { labels: merged(metadata.labels, to.labels), annotations: merged(metadata.annotations, to.annotations) }
}

function merged(present: Readonly<Record<string, string>> | undefined, wanted: HpcShape['labels']): Record<string, string> {
  const all = Object.entries({ ...present, ...wanted })
  return Object.fromEntries(all.flatMap(([name, value]) => (value === null ? [] : [[name, value]])))
}

function collectionOf({ hpc: { group, version, resource, namespace }, cluster }: HpcChange): string {
  return kubePath({ group, version, resource, namespace }, cluster)
}

function pathOf({ hpc: { group, version, resource, namespace, name }, cluster }: Pick<HpcChange, 'cluster' | 'hpc'>): string {
  return kubePath({ group, version, resource, namespace, name }, cluster)
}

function regionOf({ cluster }: HpcChange, config: CronScalerConfig): SendOptions {
  const region = config.clusters.find(({ id }) => id === cluster)?.region
  return region === undefined ? {} : { region }
}

/** What differs between two states, one line for each field: `spec.crons[day].targetSize: 3 -> 5`. Crons are told by their names. */
export function hpcDifferences(from: HpcShape | null, to: HpcShape | null): readonly string[] {
  const [before, after] = [fieldsOf(from), fieldsOf(to)]
  const paths = [...new Set([...after.values.keys(), ...before.values.keys()])]
  const changed = paths.flatMap((path) => {
    const [old, now] = [before.values.get(path), after.values.get(path)]
    if (old === now) return []
    if (old === undefined) return [`+ ${path}: ${now}`]
    return [now === undefined ? `- ${path}: ${old}` : `~ ${path}: ${old} -> ${now}`]
  })
  // Of what is told by names, another order would not show.
  const moved = [...before.orders].flatMap(([path, names]) => {
    const now = after.orders.get(path)
    const isMoved = now !== undefined && now.length === names.length && now.some((name, index) => name !== names[index])
    return isMoved && now.every((name) => names.includes(name)) ? [`~ ${path}: in the order ${names.join(', ')} -> ${now.join(', ')}`] : []
  })
  return [...changed, ...moved]
}

interface Fields {
  /** Every field that has a value, by its path, as JSON. */
  readonly values: Map<string, string>
  /** The names of what is told by names, in order. */
  readonly orders: Map<string, readonly string[]>
}

function fieldsOf(shape: HpcShape | null): Fields {
  const fields: Fields = { values: new Map(), orders: new Map() }
  if (shape === null) return fields
  for (const part of ['labels', 'annotations'] as const) {
    for (const [name, value] of Object.entries(shape[part]))
      if (value !== null) fields.values.set(`metadata.${part}[${name}]`, canonicalJson(value))
  }
  collectFields('spec', shape.spec, fields)
  return fields
}

function collectFields(path: string, value: unknown, fields: Fields): void {
  if (typeof value !== 'object' || value === null) {
    if (value !== undefined) fields.values.set(path, canonicalJson(value))
  } else if (!Array.isArray(value)) {
    const members = Object.entries(value)
    if (members.length === 0) fields.values.set(path, '{}')
    for (const [name, member] of members) collectFields(`${path}.${name}`, member, fields)
  } else if (value.every((one) => typeof one !== 'object' || one === null)) {
    fields.values.set(path, canonicalJson(value))
  } else {
    const names = value.map((one) => nameOf(one)).filter((name) => name !== undefined)
    const areNamed = names.length === value.length && new Set(names).size === names.length
    if (areNamed) fields.orders.set(path, names)
    for (const [index, one] of value.entries()) collectFields(`${path}[${areNamed ? names[index] : index}]`, one, fields)
  }
}

function nameOf(value: unknown): string | undefined {
  const name: unknown = typeof value === 'object' && value !== null && 'name' in value ? value.name : undefined
  return typeof name === 'string' && name !== '' ? name : undefined
}

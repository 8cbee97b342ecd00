import { randomUUID } from 'node:crypto'
import { type KubeObject, type KubeReader, kubePath, kubeReader } from '#cloud/kube.ts'
import { KubeError } from '#cloud/kube-error.ts'
import { clusterOf } from '#functions/cron-scaler/configured-rules.ts'
import { definition } from '#functions/cron-scaler/definition.ts'
import type { Settings } from '#functions/cron-scaler/event.ts'
import {
  findHpcKinds,
  type HpcChange,
  type HpcKind,
  type HpcStep,
  hpcDifferences,
  hpcStep,
  hpcTargetName,
  readHpc,
  sameShape,
  shapesOf,
} from '#functions/cron-scaler/hpc-object.ts'
import { readTarget, resourceOf } from '#functions/cron-scaler/target.ts'
import { functionConfig } from '#shared/runtime/config.ts'
import type { FunctionConfig } from '#shared/runtime/definition.ts'
import { decisionLine, silentLog } from '#shared/runtime/log.ts'
import { hasFailed } from '#shared/runtime/report.ts'
import { runSteps } from '#shared/runtime/run.ts'
import { canonicalJson } from '#shared/safety/canonical-json.ts'
import type { Ask } from './ask.ts'
import type { CommandIo } from './command.ts'
import { UsageError } from './command.ts'
import { readDocuments } from './hpc-files.ts'
import { kindFor, type Manifest, readManifest } from './hpc-manifest.ts'
import type { Opened } from './with-platform.ts'
import { counted } from './words.ts'

/** Beyond this the journal does not keep a step, and nobody can take it back. */
const mostStepCharacters = 120 * 1024

/** What a writing command works with. */
export interface HpcSession {
  readonly opened: Opened
  readonly io: CommandIo
  readonly config: FunctionConfig<Settings>
  readonly cluster: string
  readonly reader: KubeReader
  /** The kinds of HPC objects that the cluster serves. */
  readonly kinds: readonly HpcKind[]
  readonly now: number
}

/** How a writing command was called. */
export interface WriteOrder {
  /** For reports and the journal: `longshore hpc apply`. */
  readonly by: string
  readonly dryRun: boolean
  /** Do not ask. */
  readonly yes: boolean
  readonly ask: Ask
}

/** Looks up the cluster and what it serves. Throws UsageError for one that is not configured. */
export async function openSession(
  opened: Opened,
  io: CommandIo,
  wanted: string | undefined,
  group: string | undefined,
): Promise<HpcSession> {
  const { config: whole, cloud } = opened.platform
  const config = await functionConfig(whole, definition)
  if (wanted === undefined)
    throw new UsageError(`name the cluster: --cluster ${config.clusters[0]?.name ?? config.clusters[0]?.id ?? 'cls-…'}`)
  const found = clusterOf(wanted, config.clusters)
  if (!found.ok) throw new UsageError(found.error.text)
  const cluster = found.value
  const region = config.clusters.find(({ id }) => id === cluster)?.region
  const reader = kubeReader(cloud, cluster, region === undefined ? {} : { region })
  const kinds = await findHpcKinds(reader, group ?? config.settings.hpc.group)
  return { opened, io, config, cluster, reader, kinds, now: opened.platform.now() }
}

/** One object and what is to become of it. */
interface Intended {
  readonly change: HpcChange
  readonly resourceVersion: string | undefined
  readonly lines: readonly string[]
}

/** Writes the objects of files into a cluster. Nothing is written unless all of them are valid. Answers the exit code. */
export async function applyFiles(session: HpcSession, files: readonly string[], order: WriteOrder): Promise<number> {
  const { io, cluster, config, now, opened } = session
  const documents = await readDocuments(files, io.cwd)
  const read = documents.map((document) => readManifest(document, { cluster, settings: config.settings, now }))
  const problems = read.flatMap((one) => ('problems' in one ? one.problems : []))
  const manifests = read.flatMap((one) => ('manifest' in one ? [one.manifest] : []))
  problems.push(...twice(manifests))
  if (problems.length > 0) {
    for (const problem of problems) io.err(problem)
    io.err(`nothing was written: ${counted(problems.length, 'problem')}.`)
    return 1
  }
  const intended: Intended[] = []
  for (const manifest of manifests) {
    const { kind, note } = kindFor(manifest, session.kinds, cluster)
    if (note !== undefined) io.err(`note: ${note}`)
    for (const warning of [...manifest.warnings, ...(await targetWarnings(session, manifest))]) io.err(`warning: ${warning}`)
    const hpc = { ...kind, namespace: manifest.namespace, name: manifest.name }
    const live = await readHpc(session.reader, { cluster, hpc })
    intended.push(intendedFor({ cluster, hpc, live, wanted: manifest }))
  }
  return await carryOut(session, intended, order, opened)
}

/** Deletes an object from a cluster. Answers the exit code. */
export async function deleteObject(session: HpcSession, word: string, order: WriteOrder): Promise<number> {
  const { cluster, kinds, reader, opened } = session
  const [, namespace = '', name = ''] = /^([a-z0-9][-a-z0-9]{0,62})\/([a-z0-9][-a-z0-9.]{0,252})$/.exec(word) ?? []
  if (name === '') throw new UsageError(`say which one: <namespace>/<name>, not "${word}"`)
  if (kinds.length === 0) throw new Error(`${cluster} serves no HPC objects, so there is none to delete`)
  const found: { readonly hpc: HpcChange['hpc']; readonly live: KubeObject }[] = []
  for (const kind of kinds) {
    const hpc = { ...kind, namespace, name }
    const live = await readHpc(reader, { cluster, hpc })
    if (live !== undefined) found.push({ hpc, live })
  }
  const [first, ...more] = found
  if (first === undefined)
    throw new Error(`${cluster} has no HPC object ${word}: \`longshore hpc list --cluster ${cluster}\` shows those it has`)
  if (more.length > 0)
    throw new Error(`${cluster} has ${word} in ${found.map(({ hpc }) => hpc.group).join(' and ')}: say which with --group`)
  return await carryOut(session, [intendedFor({ cluster, ...first, wanted: undefined })], order, opened)
}

function twice(manifests: readonly Manifest[]): readonly string[] {
  const seen = new Map<string, string>()
  return manifests.flatMap(({ place, group, namespace, name }) => {
    const key = `${group ?? ''} ${namespace}/${name}`
    const first = seen.get(key)
    if (first !== undefined) return [`${place}: ${namespace}/${name} is in ${first} already: which of them is meant?`]
    seen.set(key, place)
    return []
  })
}

function intendedFor(facts: {
  readonly cluster: string
  readonly hpc: HpcChange['hpc']
  readonly live: KubeObject | undefined
  readonly wanted: Manifest | undefined
}): Intended {
  const { cluster, hpc, live, wanted } = facts
  const { from, to } = shapesOf(live, wanted?.wanted)
  const { uid, resourceVersion } = live?.metadata ?? {}
  if (live !== undefined && wanted?.resourceVersion !== undefined && wanted.resourceVersion !== resourceVersion) {
    throw new Error(
      `${wanted.place}: the file was made from state ${wanted.resourceVersion} of the object, which is at ${resourceVersion ?? '?'} now: get it again, or take metadata.resourceVersion out of the file`,
    )
  }
  const change = { cluster, hpc: named(hpc), ...(uid === undefined ? {} : { uid }), from, to }
  return { change, resourceVersion, lines: hpcDifferences(from, to) }
}

function named({ group, version, resource, kind, namespace, name }: HpcChange['hpc']): HpcChange['hpc'] {
  return { group, version, resource, kind, namespace, name }
}

/** The controller of the platform wants a target to be there before its schedule. */
async function targetWarnings({ reader, cluster }: HpcSession, { namespace, name, wanted }: Manifest): Promise<readonly string[]> {
  const spec: unknown = wanted.spec
  const draft: unknown = typeof spec === 'object' && spec !== null && 'scaleTarget' in spec ? spec.scaleTarget : undefined
  const target = readTarget(typeof draft === 'object' && draft !== null ? draft : {}, namespace)
  if (!target.ok) return []
  try {
    await reader.get(kubePath({ ...resourceOf(target.value.kind), namespace: target.value.namespace, name: target.value.name }))
    return []
  } catch (error) {
    if (!(error instanceof KubeError) || error.kind !== 'kube.not-found') throw error
    return [
      `${namespace}/${name}: ${cluster} has no ${target.value.kind} ${target.value.name} in ${target.value.namespace}, so it does nothing before there is one`,
    ]
  }
}

/** Shows what would change, asks, and carries it out through guard, ledger and journal. */
async function carryOut(session: HpcSession, intended: readonly Intended[], order: WriteOrder, opened: Opened): Promise<number> {
  const { io, config, now } = session
  const { kernel, platform, print } = opened
  const steps = intended.flatMap(({ change, resourceVersion, lines }): readonly HpcStep[] => {
    const name = hpcTargetName(change)
    if (sameShape(change.from, change.to)) {
      print(`${name}: no change`)
      return []
    }
    print(`${name}: ${change.to === null ? 'delete' : change.from === null ? 'create' : 'change'}`)
    for (const line of lines) print(`  ${line}`)
    return [hpcStep({ change, resourceVersion, by: order.by, now })]
  })
  if (steps.length === 0) {
    print('Nothing to do.')
    return 0
  }
  for (const step of steps) {
    if (canonicalJson(step).length > mostStepCharacters)
      io.err(`warning: ${step.target} is too large for the journal to keep, so it cannot be undone`)
  }
  print('')
  const changes = counted(steps.length, 'change')
  if (order.dryRun) {
    print(`${changes}. Nothing was written: --dry-run.`)
    return 2
  }
  if (config.mode !== 'enforce') {
    print(`${changes}. Nothing was written: ${platform.config.path} says mode ${config.mode}, and only with \`mode: enforce\` anything is.`)
    return 2
  }
  if (!order.yes) {
    const answer = await order.ask(`Write ${changes} to ${session.cluster}? [y/N] `, io.signal)
    if (answer === undefined) {
      io.err('nothing was written: nobody is here to ask; say --yes if this is to be written.')
      return 1
    }
    if (!/^y(?:es)?$/i.test(answer.trim())) {
      print('Nothing was written.')
      return 2
    }
  }
  const startedAt = platform.now()
  const report = await runSteps(definition, steps, {
    config: platform.config,
    cloud: platform.cloud,
    kernel,
    owner: randomUUID(),
    now: startedAt,
    scheduledAt: startedAt,
    trigger: { kind: 'local', name: order.by },
    log: silentLog,
    signal: io.signal,
  })
  for (const decision of report.decisions) print(decisionLine(decision))
  if (report.failure !== undefined) io.err(kernel.redact(report.failure.text))
  const keys = new Set(steps.map(({ key }) => key))
  const own = report.decisions.filter(({ key }) => keys.has(key))
  const isDone = own.every(({ outcome }) => outcome === 'Applied' || outcome === 'NoChange')
  if (isDone && own.some(({ outcome }) => outcome === 'Applied')) await tellUndo(opened, keys)
  return hasFailed(report) || !isDone ? 1 : 0
}

/** The entries of the journal that can be undone. */
async function tellUndo({ kernel, platform, print }: Opened, keys: ReadonlySet<string>): Promise<void> {
  const entries = await kernel.of(definition.name, 'longshore hpc').journal.list({ now: platform.now(), limit: 200 })
  const own = entries.filter(({ kind, stepKey }) => kind === 'intent' && keys.has(stepKey)).map(({ seq }) => seq)
  for (const seq of own.toSorted((left, right) => left - right)) print(`To take it back: longshore undo ${definition.name} ${seq}`)
}

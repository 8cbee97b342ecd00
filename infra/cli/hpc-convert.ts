import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import {
  ancestorToHpc,
  type Converted,
  type ConvertNote,
  defaultHpcGroup,
  type HpcManifest,
  hpcToHpc,
  hpcToRules,
  isAncestor,
  rulesToHpc,
} from '#functions/cron-scaler/hpc-convert.ts'
import { ConfigError, loadConfig } from '#shared/runtime/config.ts'
import type { CommandIo } from './command.ts'
import { UsageError } from './command.ts'
import { type FileDocument, readDocuments } from './hpc-files.ts'
import { counted, fileTrouble } from './words.ts'

export interface ConvertOptions {
  readonly files: readonly string[]
  readonly out: string | undefined
  readonly to: 'hpc' | 'rules'
  readonly cluster: string | undefined
  readonly group: string | undefined
  readonly maxSize: number | undefined
  readonly lossy: boolean
  /** The configuration to look for the cluster in. */
  readonly config: string
  /** Epoch milliseconds. */
  readonly now: number
}

/** Converts files of rules, HPC objects or their ancestors. Calls nothing. Answers the exit code. */
export async function convertFiles(options: ConvertOptions, io: CommandIo): Promise<number> {
  const documents = await readDocuments(options.files, io.cwd)
  const objects: FileDocument[] = []
  const sections: FileDocument[] = []
  for (const document of documents) (isObject(document.value) ? objects : sections).push(document)
  const { group = defaultHpcGroup, now, maxSize } = options
  const fromRules = sections.map(({ place, value }) => {
    const section = sectionOf(value)
    if (section === undefined) {
      throw new Error(
        `${place}: it is neither a configuration with functions.cron-scaler.rules, nor a list of rules, nor a Kubernetes object`,
      )
    }
    return rulesToHpc(section, { group, cluster: options.cluster, now })
  })
  if (options.to === 'rules') {
    if (sections.length > 0) throw new UsageError(`${sections[0]?.place ?? ''} holds rules already; --to rules is for Kubernetes objects`)
    const cluster = options.cluster ?? (await onlyCluster(options, io))
    const before = joined(
      objects.map(({ value }): Converted<unknown> => (isAncestor(value) ? ancestorToHpc(value, { group, now, maxSize }) : whole(value))),
    )
    const rules = hpcToRules(before.items, { cluster, now })
    const all = joined<unknown>([{ ...before, items: [] }, rules])
    return await finish(all, { functions: { 'cron-scaler': { rules: rules.items } } }, options, io)
  }
  const fromObjects = objects.map(({ value }) =>
    isAncestor(value) ? ancestorToHpc(value, { group, now, maxSize }) : hpcToHpc(value, { group: options.group, now }),
  )
  const all = joined<HpcManifest>([...fromRules, ...fromObjects])
  return await finish(all, all.items, options, io)
}

/** The cluster that is meant where a configuration has one only. */
async function onlyCluster({ config: path }: ConvertOptions, io: CommandIo): Promise<string> {
  const say = 'say which cluster the objects are in: --cluster NAME'
  let clusters: readonly { readonly id: string; readonly name?: string | undefined }[]
  try {
    // No more of it is needed than that.
    ;({ clusters } = await loadConfig({ env: io.env, folder: io.cwd, path, schemas: {}, others: 'ignore', purpose: 'package' }))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new UsageError(`${say} (${error.message})`)
  }
  const [only, ...more] = clusters
  if (only === undefined) throw new UsageError(`${say}; the configuration has none`)
  if (more.length > 0) throw new UsageError(`${say}; the configuration has ${clusters.map(({ id, name }) => name ?? id).join(', ')}`)
  return only.name ?? only.id
}

function whole(value: unknown): Converted<unknown> {
  return { items: [value], problems: [], losses: [], notes: [] }
}

function joined<Item>(parts: readonly Converted<Item>[]): Converted<Item> {
  return {
    items: parts.flatMap(({ items }) => items),
    problems: parts.flatMap(({ problems }) => problems),
    losses: parts.flatMap(({ losses }) => losses),
    notes: parts.flatMap(({ notes }) => notes),
  }
}

async function finish(converted: Converted<unknown>, value: unknown, options: ConvertOptions, io: CommandIo): Promise<number> {
  const { problems, losses, notes } = converted
  if (problems.length > 0) {
    for (const line of lines('cannot be converted', problems)) io.err(line)
    io.err(`nothing was converted: ${counted(problems.length, 'problem')}.`)
    return 1
  }
  for (const line of lines('loss', losses)) io.err(line)
  for (const line of lines('note', notes)) io.err(line)
  if (losses.length > 0 && !options.lossy) {
    io.err(`nothing was converted: ${counted(losses.length, 'loss', 'losses')}; say --lossy if that is wanted.`)
    return 1
  }
  const { stringify } = await import('yaml')
  const text = Array.isArray(value)
    ? value.map((one) => stringify(one, { lineWidth: 0 })).join('---\n')
    : stringify(value, { lineWidth: 0 })
  if (options.out === undefined) {
    io.out(text.trimEnd())
    return 0
  }
  const path = resolve(io.cwd, options.out)
  try {
    await writeFile(path, text, { flag: 'wx' })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    const why =
      error.code === 'EEXIST' ? 'is there already; take it away, or name another file' : `cannot be written: ${fileTrouble(error)}`
    throw new Error(`${options.out} ${why}`, { cause: error })
  }
  io.err(`written to ${options.out}.`)
  return 0
}

/** Each text once, with all that it is said of. */
function lines(word: string, notes: readonly ConvertNote[]): readonly string[] {
  const byText = new Map<string, string[]>()
  for (const { of, text } of notes) byText.set(text, [...(byText.get(text) ?? []), of])
  return [...byText].map(
    ([text, about]) => `${word}: ${about.slice(0, 5).join(', ')}${about.length > 5 ? ` and ${about.length - 5} more` : ''}: ${text}`,
  )
}

/** What of a document is the section of the configuration that rules stand in. */
function sectionOf(value: unknown): unknown {
  if (Array.isArray(value)) return { rules: value }
  const functions = memberOf(value, 'functions')
  if (functions !== undefined) return memberOf(functions, 'cron-scaler')
  return memberOf(value, 'rules') === undefined ? undefined : value
}

function isObject(value: unknown): boolean {
  return memberOf(value, 'kind') !== undefined && memberOf(value, 'metadata') !== undefined
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined
}

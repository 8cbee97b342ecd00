import { parseArgs } from 'node:util'
import { largestSize } from '#functions/cron-scaler/target.ts'
import { nearest } from '#shared/pure/nearest.ts'
import type { Ask } from './ask.ts'
import type { Command, CommandIo } from './command.ts'
import { UsageError } from './command.ts'
import type { WriteOrder } from './hpc-write.ts'
import { withStore } from './with-platform.ts'
import { configPathOf, parseWhole } from './words.ts'

const verbs = ['apply', 'list', 'delete', 'convert'] as const

const help = `Usage: longshore hpc apply -f FILE… --cluster NAME [--group GROUP] [--dry-run | --yes] [--config FILE]
       longshore hpc list [--cluster NAME] [--group GROUP] [--json] [--config FILE]
       longshore hpc delete NAMESPACE/NAME --cluster NAME [--group GROUP] [--dry-run | --yes] [--config FILE]
       longshore hpc convert -f FILE… --to hpc|rules [-o FILE] [--cluster NAME] [--group GROUP] [--max-size N] [--lossy]
                             [--config FILE]

Looks after HPC objects (HorizontalPodCronscaler), the schedules that live in clusters. The cluster is one of the configuration,
by id or name; the API group is found among those that it serves.

apply   writes the objects of files, created or changed. First every rule is checked as the scaler would: when one of them could
        not run, all that is wrong is printed and nothing is written. Then every field that changes is shown, and a question asked;
        --yes answers it, --dry-run ends before it. Needs \`mode: enforce\`, and goes through guard, kill switch and journal like
        every change, so that \`longshore undo\` takes it back. Somebody else's change in between is not overwritten.
list    shows every cron with its next firing, and what is wrong with it.
delete  deletes one object, in the same way.
convert makes HPC objects of rules in a configuration (or of a list of rules), rules of HPC objects, and either of the ancestor's
        CronHorizontalPodAutoscaler. What the other side cannot say is a loss; with one, nothing is converted unless --lossy says
        that this is wanted. Reads and writes files only, to the screen without -o. --max-size is for the ancestor's jobs on
        autoscalers, which have no maximum; --cluster the cluster whose rules are meant, or that the objects are in; the
        one that the configuration has when absent.

Example: longshore hpc apply -f schedules.yaml --cluster production --dry-run
Example: longshore hpc convert -f longshore.yaml --to hpc --cluster production -o schedules.yaml

Exit code 0: done, or nothing to do. 2: there are changes, and they were not written (--dry-run, another mode, or the answer was
no). 1: something is wrong.`

/** `longshore hpc`, with the way to ask a person. */
export function createHpcCommand(ask: Ask): Command {
  return {
    summary: 'write, list, delete and convert HPC objects, the schedules that live in clusters',
    help,
    run: async (words, io) => {
      const [verb, ...rest] = words
      switch (verb) {
        case 'apply':
          return await runApply(rest, io, ask)
        case 'list':
          return await runList(rest, io)
        case 'delete':
          return await runDelete(rest, io, ask)
        case 'convert':
          return await runConvert(rest, io)
        default: {
          if (verb === undefined) throw new UsageError(`say what to do: ${verbs.join(', ')}`)
          const near = nearest(verb, verbs)
          throw new UsageError(
            `there is no "hpc ${verb}"; ${near === undefined ? `known: ${verbs.join(', ')}` : `did you mean "${near}"?`}`,
          )
        }
      }
    },
  }
}

const common = { cluster: { type: 'string' }, group: { type: 'string' }, config: { type: 'string' } } as const

const writing = { ...common, 'dry-run': { type: 'boolean' }, yes: { type: 'boolean' } } as const

function orderOf(
  by: string,
  values: { readonly 'dry-run'?: boolean | undefined; readonly yes?: boolean | undefined },
  ask: Ask,
): WriteOrder {
  if (values['dry-run'] === true && values.yes === true)
    throw new UsageError('--dry-run writes nothing, and --yes says to write: give one of them')
  return { by, dryRun: values['dry-run'] === true, yes: values.yes === true, ask }
}

async function runApply(words: readonly string[], io: CommandIo, ask: Ask): Promise<number> {
  const { values } = parseArgs({ args: [...words], options: { ...writing, file: { type: 'string', short: 'f', multiple: true } } })
  const { file: files = [] } = values
  if (files.length === 0) throw new UsageError('name the files: -f FILE')
  const order = orderOf('longshore hpc apply', values, ask)
  return await withStore(io, values.config, async (opened) => {
    const { applyFiles, openSession } = await import('./hpc-write.ts')
    return await applyFiles(await openSession(opened, io, values.cluster, values.group), files, order)
  })
}

async function runDelete(words: readonly string[], io: CommandIo, ask: Ask): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...words], allowPositionals: true, options: writing })
  const [word, ...more] = positionals
  if (word === undefined || more.length > 0) throw new UsageError('name one object: NAMESPACE/NAME')
  const order = orderOf('longshore hpc delete', values, ask)
  return await withStore(io, values.config, async (opened) => {
    const { deleteObject, openSession } = await import('./hpc-write.ts')
    return await deleteObject(await openSession(opened, io, values.cluster, values.group), word, order)
  })
}

async function runList(words: readonly string[], io: CommandIo): Promise<number> {
  const { values } = parseArgs({ args: [...words], options: { ...common, json: { type: 'boolean' } } })
  const { cluster, group, json = false } = values
  return await withStore(io, values.config, async (opened) => {
    const { listObjects } = await import('./hpc-list.ts')
    return await listObjects(opened, io, { cluster, group, json })
  })
}

async function runConvert(words: readonly string[], io: CommandIo): Promise<number> {
  const { values } = parseArgs({
    args: [...words],
    options: {
      file: { type: 'string', short: 'f', multiple: true },
      out: { type: 'string', short: 'o' },
      to: { type: 'string' },
      cluster: { type: 'string' },
      group: { type: 'string' },
      'max-size': { type: 'string' },
      lossy: { type: 'boolean' },
      config: { type: 'string' },
    },
  })
  const { file: files = [], out, to, cluster, group, 'max-size': most, lossy = false } = values
  if (files.length === 0) throw new UsageError('name the files: -f FILE')
  if (to !== 'hpc' && to !== 'rules') throw new UsageError('say what to make: --to hpc, or --to rules')
  const maxSize = most === undefined ? undefined : parseWhole(most, '--max-size', 1, largestSize)
  const { convertFiles } = await import('./hpc-convert.ts')
  const config = configPathOf(values.config, io.env)
  return await convertFiles({ files, out, to, cluster, group, maxSize, lossy, config, now: Date.now() }, io)
}

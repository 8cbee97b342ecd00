import { parseArgs } from 'node:util'
import { definition, lookAt } from '#functions/alarm-scaler/definition.ts'
import { isOpen, nodesLeft } from '#functions/alarm-scaler/lease.ts'
import { planRelease } from '#functions/alarm-scaler/release.ts'
import { type FoundLease, leaseOutlook, searchLeases } from '#infra/status/lease-search.ts'
import { functionConfig } from '#shared/runtime/config.ts'
import { makePlan } from '#shared/runtime/run.ts'
import { carryOut } from './carry-out.ts'
import { columns } from './columns.ts'
import { type Command, type CommandIo, UsageError } from './command.ts'
import { nearestOnes } from './nearest-ones.ts'
import { type Opened, withStore } from './with-platform.ts'
import { counted } from './words.ts'

export const leases: Command = {
  summary: 'show which nodes were added for which alarm, and give them back or keep them',
  help: `Usage: longshore leases list [--all] [--json] [--config FILE]
       longshore leases release <lease>… [--keep] --by NAME [--config FILE]

list     shows what the alarm scaler has added and not given back yet, by the records that lie in the clusters: which pool, for which
         alarm, by which policy, how many nodes and until when. --all also shows what has ended within the last two days. --json
         prints the records whole.
release  ends leases before their time: their nodes are emptied and given back by the next ticks, whatever the alarm says. With --keep
         they stay for good, and nobody takes them away any more. The beginning of a lease's name is enough, as long as only one
         begins so. It goes through guard, ledger and journal, so it needs \`mode: enforce\`.

Exit code 0: it worked. 2: nothing was done, because of the mode. 1: something went wrong, or a cluster could not be read.

Example: longshore leases release ls-4d2b1f --by "on call"`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        all: { type: 'boolean' },
        json: { type: 'boolean' },
        keep: { type: 'boolean' },
        by: { type: 'string' },
      },
    })
    const [verb, ...names] = positionals
    switch (verb) {
      case 'list': {
        if (names.length > 0) throw new UsageError(`list takes no further words, and there is "${names[0]}"`)
        if (values.keep === true || values.by !== undefined) throw new UsageError('--keep and --by are for release')
        const how = { all: values.all === true, json: values.json === true }
        return await withStore(io, values.config, (opened) => list(opened, how, io))
      }
      case 'release': {
        const by = values.by?.trim() ?? ''
        if (names.length === 0) throw new UsageError('name the leases: longshore leases release ls-4d2b1f --by NAME')
        if (by === '') throw new UsageError('say who releases them: --by NAME')
        return await withStore(io, values.config, (opened) => release(names, { keep: values.keep === true, by }, opened, io))
      }
      default:
        throw new UsageError(verb === undefined ? 'say list or release' : `there is no "leases ${verb}": say list or release`)
    }
  },
}

async function list(opened: Opened, how: { readonly all: boolean; readonly json: boolean }, io: CommandIo): Promise<number> {
  const { found, records, problems } = await searchLeases(opened.platform)
  const { print, platform, redactor } = opened
  for (const problem of problems) io.err(redactor.text(problem))
  const code = problems.length === 0 ? 0 : 1
  if (how.json) {
    print(JSON.stringify({ pools: records }, null, 2))
    return code
  }
  const now = platform.now()
  const shown = found.filter(({ lease }) => how.all || isOpen(lease))
  const ended = found.length - shown.length
  if (shown.length === 0) print('Nothing is leased.')
  else
    for (const line of columns(
      ['lease', 'pool', 'state', 'nodes', 'policy', 'alarm', 'asked', 'what comes next'],
      shown.map((one) => rowOf(one, now)),
    ))
      print(line)
  if (ended > 0) print(`${counted(ended, 'lease')} ended within the last two days; --all shows ${ended === 1 ? 'it' : 'them'}.`)
  return code
}

function rowOf({ cluster, pool, lease }: FoundLease, now: number): readonly string[] {
  const { id, state, wanted, policy, episode, askedAtMs } = lease
  const left = nodesLeft(lease).length
  const nodes = left === wanted ? String(left) : `${left} of ${wanted}`
  return [id, `${cluster}/${pool}`, state, nodes, policy, episode.name, new Date(askedAtMs).toISOString(), leaseOutlook(lease, now)]
}

async function release(
  names: readonly string[],
  how: { readonly keep: boolean; readonly by: string },
  opened: Opened,
  io: CommandIo,
): Promise<number> {
  const { found, problems } = await searchLeases(opened.platform)
  for (const problem of problems) io.err(opened.redactor.text(problem))
  const open = found.filter(({ lease }) => isOpen(lease))
  const chosen = names.map((name) => ({ name, own: open.filter(({ lease }) => lease.id.startsWith(name)) }))
  for (const { name, own } of chosen) {
    if (own.length > 1)
      throw new UsageError(`several leases begin with ${name}: ${own.map(({ lease }) => lease.id).join(', ')}; give more of it`)
    if (own.length === 1) continue
    const ids = open.map(({ lease }) => lease.id)
    const near = nearestOnes(name, ids)
    const hint =
      near.length > 0 ? ` Did you mean ${near.join(', ')}?` : ids.length === 0 ? ' Nothing is leased.' : ` Open: ${ids.join(', ')}.`
    io.err(`There is no open lease ${name}.${hint}`)
  }
  if (chosen.some(({ own }) => own.length === 0)) return 1
  const { config, cloud, kernel, store, now } = opened.platform
  const leased = chosen.flatMap(({ own }) => own)
  const pools = [...new Set(leased.map(({ pool }) => pool))]
  const { observed } = await makePlan(lookAt(pools), { config, cloud, kernel, store, fetchText: cloud.fetchText, now: now() })
  const own = await functionConfig(config, definition)
  const steps = leased.flatMap(({ lease }) => planRelease(observed, own, { leaseId: lease.id, ...how }, now()))
  return await carryOut(definition, steps, opened, io)
}

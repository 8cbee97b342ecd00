import { parseArgs } from 'node:util'
import { definition } from '#functions/cron-scaler/definition.ts'
import type { Observed } from '#functions/cron-scaler/plan.ts'
import { type NamedComparison, shadowComparisons } from '#functions/cron-scaler/shadow.ts'
import { type Size, sizeText } from '#functions/cron-scaler/target.ts'
import { type Platform, realPlatform, sandboxPlatform } from '#infra/local/platform.ts'
import { formatInstant } from '#shared/pure/civil.ts'
import { functionConfig } from '#shared/runtime/config.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { makePlan } from '#shared/runtime/run.ts'
import { columns } from './columns.ts'
import { type Command, UsageError } from './command.ts'
import { functionNamed } from './with-platform.ts'
import { configPathOf, counted } from './words.ts'

export const shadow: Command = {
  summary: 'compare with the controller that scales by the same rules now',
  help: `Usage: longshore shadow cron-scaler [--config FILE | --sandbox] [--json]

Reads the clusters in which tke-hpc-controller runs and compares, for every target of an HPC object, the size that is there with
the one that the cron scaler would have given it. Prints one line per divergence: the firing that decides, ours, theirs, and why
(another time zone, excluded dates read otherwise, a firing that got lost, somebody who changed the size, …). A firing is
compared once it is 90 s old. Nothing is changed, whatever the mode. --json prints all comparisons.

Exit code 0: no divergence. 2: there are some. 1: something went wrong, or a cluster could not be read.

Example: longshore shadow cron-scaler --config longshore.yaml`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: { config: { type: 'string' }, sandbox: { type: 'boolean' }, json: { type: 'boolean' } },
    })
    const [name, ...more] = positionals
    const fn = functionNamed(name)
    if (more.length > 0) throw new UsageError('name one function')
    if (fn.name !== definition.name)
      throw new UsageError(`${fn.name} has nothing beside it to compare with; it is "${definition.name}" that has`)
    const redactor = createRedactor()
    const platform: Platform =
      values.sandbox === true
        ? await sandboxPlatform({ configPath: values.config, cwd: io.cwd, redactor, sandbox: {} })
        : await realPlatform({ configPath: configPathOf(values.config, io.env), cwd: io.cwd, env: io.env, redactor })
    try {
      const { config, cloud, store } = platform
      const now = platform.now()
      const { observed } = await makePlan(definition, { config, cloud, store, fetchText: cloud.fetchText, now, signal: io.signal })
      const report = shadowReport(observed, shadowComparisons(observed, await functionConfig(config, definition), now))
      const print = (line: string): void => io.out(redactor.text(line))
      if (values.json === true) print(JSON.stringify({ at: new Date(now).toISOString(), ...report }, null, 2))
      else for (const line of shadowLines(report)) print(line)
      if (report.problems.length > 0) return 1
      return report.comparisons.some(({ code }) => code === 'shadow-differs') ? 2 : 0
    } finally {
      await platform.close()
    }
  },
}

/** What `longshore shadow --json` prints, beside the instant. */
export interface ShadowReport {
  /** Clusters in which the controller runs. */
  readonly clusters: readonly string[]
  /** Clusters of which nobody knows, and why. */
  readonly problems: readonly { readonly cluster: string; readonly text: string }[]
  readonly comparisons: readonly NamedComparison[]
}

export function shadowReport(observed: Observed, comparisons: readonly NamedComparison[]): ShadowReport {
  return {
    clusters: observed.clusters.filter(({ controller }) => controller === 'running').map(({ id }) => id),
    problems: observed.clusters.flatMap(({ id, problems }) => {
      const problem = problems.find(({ part, object }) => object === undefined && part !== 'hpc-group')
      return problem === undefined ? [] : [{ cluster: id, text: problem.text }]
    }),
    comparisons,
  }
}

/** The report as people read it: divergences first, then what else there is to say. */
export function shadowLines({ clusters, problems, comparisons }: ShadowReport): string[] {
  const differing = comparisons.filter(({ code }) => code === 'shadow-differs')
  const waiting = comparisons.filter(({ code }) => code === 'shadow-waiting').length
  const rows = differing.map(({ target, firing, ours, theirs, why }) => [
    target,
    firing === undefined ? '' : `${firing.rule} ${formatInstant(firing.atMs, firing.zone)}`,
    sizeOrNothing(ours),
    sizeText(theirs),
    why.map(({ text }) => text).join('; or '),
  ])
  const lines = rows.length === 0 ? [] : [...columns(['target', 'firing', 'ours', 'theirs', 'why'], rows), '']
  for (const { cluster, text } of problems) lines.push(`${cluster} cannot be compared: ${text}`)
  if (clusters.length === 0 && problems.length === 0)
    lines.push('tke-hpc-controller runs in none of the configured clusters beside HPC objects, so there is nothing to compare.')
  else if (clusters.length > 0) {
    const agreeing = comparisons.length - differing.length - waiting
    const after = waiting === 0 ? '' : `, ${counted(waiting, 'target')} to be compared later`
    lines.push(`${counted(differing.length, 'divergence')}, ${agreeing} in agreement${after}. Nothing was changed.`)
  }
  return lines
}

function sizeOrNothing(size: Size | undefined): string {
  return size === undefined ? '' : sizeText(size)
}

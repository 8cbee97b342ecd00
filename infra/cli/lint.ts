import { parseArgs } from 'node:util'
import { definition } from '#functions/cron-scaler/definition.ts'
import { type LintFinding, lint as lintRules } from '#functions/cron-scaler/lint.ts'
import type { Observed } from '#functions/cron-scaler/plan.ts'
import { outsidersOf } from '#functions/cron-scaler/timeline-conflicts.ts'
import type { LocalFunction } from '#infra/local/local-function.ts'
import { localFunctions } from '#infra/local/local-functions.ts'
import { type Platform, readConfig, realPlatform, sandboxPlatform } from '#infra/local/platform.ts'
import { type Config, functionConfig } from '#shared/runtime/config.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { makePlan } from '#shared/runtime/run.ts'
import { type Command, UsageError } from './command.ts'
import { functionNamed } from './with-platform.ts'
import { configPathOf, counted } from './words.ts'

export const lint: Command = {
  summary: 'find rules that cannot do what was meant',
  help: `Usage: longshore lint cron-scaler [--json] [--config FILE] [--offline | --sandbox]

Looks at the rules of the configuration and of the HPC objects in the clusters, and says which do not do what somebody will have
meant, with the first date at which it shows, and what to do about it.

Errors: a rule that is invalid, never fires, contradicts another one at an instant, never decides because another one comes
before it each time, names a workload that an autoscaler sizes, or is spread so far that firings are lost; a calendar, a target or
an override that cannot be read. Warnings: day of month and weekday both restricted, times of day in excluded dates, seconds,
duplicates, run-once rules and overrides of which the time is over, targets that are missing.

With --offline nothing is read but the configuration: HPC objects, autoscalers and targets are not looked at. With --sandbox it
is the sandbox's clusters. Nothing is changed.

Exit code 0: nothing, or warnings only. 2: there are errors. 1: it could not run, or a cluster could not be read.

Example: longshore lint cron-scaler --config longshore.yaml --offline`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: { json: { type: 'boolean' }, config: { type: 'string' }, offline: { type: 'boolean' }, sandbox: { type: 'boolean' } },
    })
    const [name, ...more] = positionals
    const fn = functionNamed(name)
    if (more.length > 0) throw new UsageError('name one function')
    if (fn.name !== definition.name) throw new UsageError(`${fn.name} has no rules of time to look at; it is "${definition.name}" that has`)
    if (values.offline === true && values.sandbox === true)
      throw new UsageError('--offline reads nothing, so there is no --sandbox with it')

    const redactor = createRedactor()
    const print = (line: string): void => io.out(redactor.text(line))
    const functions = localFunctions.map(unchecked)
    let world: { readonly config: Config; readonly observed: Observed | undefined; readonly now: number }
    if (values.offline === true) {
      const config = await readConfig({ env: io.env, path: configPathOf(values.config, io.env), folder: io.cwd, functions })
      world = { config, observed: undefined, now: Date.now() }
    } else {
      const platform: Platform =
        values.sandbox === true
          ? await sandboxPlatform({ configPath: values.config, cwd: io.cwd, redactor, sandbox: {}, functions })
          : await realPlatform({ configPath: configPathOf(values.config, io.env), cwd: io.cwd, env: io.env, redactor, functions })
      try {
        const { config, cloud, store } = platform
        const now = platform.now()
        const { observed } = await makePlan(definition, { config, cloud, store, fetchText: cloud.fetchText, now, signal: io.signal })
        world = { config, observed, now }
      } finally {
        await platform.close()
      }
    }
    const { observed, now } = world
    const config = await functionConfig(world.config, definition)
    const findings = lintRules({ config, observed, now })
    const unread =
      observed === undefined
        ? []
        : outsidersOf(observed, config, now).filter(({ code }) => code === 'cluster-unreadable' || code === 'hpc-group-missing')
    const notes = [
      ...(observed === undefined
        ? ['Nothing was read but the configuration: HPC objects, autoscalers and targets were not looked at.']
        : []),
      ...unread.map(({ text }) => text),
    ]
    const errors = findings.filter(({ severity }) => severity === 'error').length
    if (values.json === true) {
      const shown = findings.map(({ atMs, ...rest }) => ({ ...rest, ...(atMs === undefined ? {} : { at: new Date(atMs).toISOString() }) }))
      const counts = { error: errors, warning: findings.length - errors }
      print(JSON.stringify({ function: definition.name, at: new Date(now).toISOString(), counts, notes, findings: shown }, null, 2))
    } else {
      for (const line of findingLines(findings)) print(line)
      for (const note of notes) print(note)
      print(findings.length === 0 ? 'Nothing found.' : `${counted(errors, 'error')}, ${counted(findings.length - errors, 'warning')}.`)
    }
    if (unread.some(({ code }) => code === 'cluster-unreadable')) return 1
    return errors > 0 ? 2 : 0
  },
}

/** The same function, of which a configuration is read with rules that cannot run: finding these is what lint is for. */
function unchecked(fn: LocalFunction): LocalFunction {
  return fn.name === definition.name ? { ...fn, problems: () => Promise.resolve([]) } : fn
}

/** A finding as people read it: what and where, why, and what to do. */
export function findingLines(findings: readonly LintFinding[]): string[] {
  return findings.flatMap(({ severity, code, target, text, fix }) => [
    `${severity}  ${code}${target === undefined ? '' : `  ${target}`}`.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' '),
    `  ${text}`.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' '),
    `  -> ${fix}`,
    '',
  ])
}

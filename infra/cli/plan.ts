import { parseArgs } from 'node:util'
import { type Platform, realPlatform, sandboxPlatform } from '#infra/local/platform.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { unreadableCode } from '#shared/runtime/report.ts'
import { type PlanDocument, savePlan } from '#shared/safety/plan-document.ts'
import { columns } from './columns.ts'
import type { Command } from './command.ts'
import { functionNamed } from './with-platform.ts'
import { configPathOf, counted } from './words.ts'

export const plan: Command = {
  summary: 'show what a function would do now, and keep it for review',
  help: `Usage: longshore plan <function> [--config FILE | --sandbox] [--json]

Reads the platform, decides, and prints one line per target: what is there, what would be there, and why. Nothing is changed.
Mode observe or plan is enough. Where \`npm start\` in mode observe or plan prints and forgets what it would decide, this plan
is kept in the store for a week under its digest; \`longshore apply --plan <digest>\` carries it out (with mode enforce). With
--sandbox it is made on a fresh sandbox, only to look at. --json prints the whole document.

Exit code 0: nothing to do. 2: there are changes. 1: something went wrong, or a cluster could not be read.

Example: longshore plan cron-scaler --sandbox`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: { config: { type: 'string' }, sandbox: { type: 'boolean' }, json: { type: 'boolean' } },
    })
    const fn = functionNamed(positionals[0])
    const redactor = createRedactor()
    const onSandbox = values.sandbox === true
    const platform: Platform = onSandbox
      ? await sandboxPlatform({ configPath: values.config, cwd: io.cwd, redactor, sandbox: {} })
      : await realPlatform({
          configPath: configPathOf(values.config, io.env),
          cwd: io.cwd,
          env: io.env,
          redactor,
          withStore: true,
        })
    try {
      const { config, cloud, kernel, store } = platform
      const { fetchText } = cloud
      const redact = (text: string): string => redactor.text(text)
      const document = await fn.plan({ config, cloud, store, fetchText, now: platform.now(), signal: io.signal, redact, key: kernel?.key })
      if (!onSandbox && kernel !== undefined) await savePlan(kernel.store, document, { now: platform.now() })
      const changes = document.steps.filter(({ verdict }) => verdict === 'change').length
      if (values.json === true) io.out(JSON.stringify(document, null, 2))
      else {
        for (const line of planTable(document)) io.out(line)
        io.out('')
        if (platform.config.clusters.length === 0) io.out('No clusters are configured, so nothing will be decided.')
        else if (changes === 0) io.out('Nothing to do.')
        else if (onSandbox) io.out(`${counted(changes, 'change')}. On a sandbox there is nothing to apply them to afterwards.`)
        else {
          const them = changes === 1 ? 'it' : 'them'
          const needs =
            config.mode === 'enforce' ? '' : ` (that needs mode: enforce; ${config.path ?? 'the configuration'} says ${config.mode})`
          io.out(`${counted(changes, 'change')}. Apply ${them} with: longshore apply --plan ${document.digest.slice(0, 12)}${needs}`)
        }
      }
      if (document.steps.some(({ reason }) => reason.code === unreadableCode)) return 1
      return changes === 0 ? 0 : 2
    } finally {
      await platform.close()
    }
  },
}

/** The steps of a plan in columns, changes first. */
export function planTable(document: Pick<PlanDocument, 'steps'>): string[] {
  const rows = document.steps
    .toSorted((one, other) => Number(other.verdict === 'change') - Number(one.verdict === 'change'))
    .map(({ verdict, target, before, after, reason }) => [
      verdict,
      target,
      before === after || after === '' ? before : `${before || '(nothing)'} -> ${after}`,
      reason.text,
    ])
  return columns(['verdict', 'target', 'change', 'why'], rows)
}

import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { localFunctions } from '#infra/local/local-functions.ts'
import { type Platform, realPlatform, sandboxPlatform } from '#infra/local/platform.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import { nearest } from '#shared/pure/nearest.ts'
import { createLog, decisionLine, silentLog } from '#shared/runtime/log.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { countsText, hasFailed } from '#shared/runtime/report.ts'
import { parseScheduleEvent } from '#shared/runtime/schedule-event.ts'
import type { Command } from './command.ts'
import { UsageError } from './command.ts'

export const invoke: Command = {
  summary: 'run one function on one event file',
  help: `Usage: longshore invoke <function> --event FILE [--config FILE [--sandbox]] [--json] [--verbose]

Runs a function as its trigger would, with the event of the file (events/<function>/base.json), and prints its decisions.
Without --config it runs on a fresh sandbox whose clock stands at the event's instant, so the same event always prints the
same. With --config it runs against that platform, now, and writes only in mode enforce; --sandbox tries that
configuration on the sandbox. --json prints the whole report. Exit code 1 when the event is not valid or something failed.`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        event: { type: 'string' },
        config: { type: 'string' },
        sandbox: { type: 'boolean' },
        json: { type: 'boolean' },
        verbose: { type: 'boolean' },
      },
    })
    const [name, ...more] = positionals
    const names = localFunctions.map((fn) => fn.name)
    if (name === undefined || more.length > 0) throw new UsageError(`name one function: ${names.join(', ')}`)
    const fn = localFunctions.find((candidate) => candidate.name === name)
    if (fn === undefined) {
      const near = nearest(name, names)
      throw new UsageError(
        `there is no function "${name}"; ${near === undefined ? `known: ${names.join(', ')}` : `did you mean "${near}"?`}`,
      )
    }
    if (values.event === undefined) throw new UsageError(`give the event: --event events/${name}/base.json`)
    const tick = parseScheduleEvent(await readEvent(resolve(io.cwd, values.event)))
    const redactor = createRedactor()
    const log = values.verbose === true ? createLog({ write: io.err, redactor, level: 'debug' }) : silentLog
    const platform: Platform =
      values.config !== undefined && values.sandbox !== true
        ? await realPlatform({ configPath: values.config, cwd: io.cwd, env: io.env, redactor })
        : await sandboxPlatform({
            configPath: values.config,
            cwd: io.cwd,
            redactor,
            sandbox: { clock: createSandboxClock({ startMs: tick.scheduledAt, frozen: true }) },
          })
    try {
      const { config, cloud, kernel } = platform
      const report = await fn.run({ ...tick, config, cloud, kernel, owner: randomUUID(), now: platform.now(), log, signal: io.signal })
      if (values.json === true) io.out(redactor.text(JSON.stringify(report, null, 2)))
      else {
        for (const decision of report.decisions) io.out(redactor.text(decisionLine(decision)))
        if (report.failure !== undefined) io.err(`${name}: nothing was decided: ${redactor.text(report.failure.text)}`)
        io.out(`${report.runId}  mode ${report.mode}  ${countsText(report.counts)}`)
      }
      return hasFailed(report) ? 1 : 0
    } finally {
      await platform.close()
    }
  },
}

async function readEvent(path: string): Promise<unknown> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error)
      throw new Error(`the event file ${path} cannot be read (${String(error.code)})`, { cause: error })
    throw error
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) throw new Error(`the event file ${path} is not JSON: ${error.message}`, { cause: error })
    throw error
  }
}

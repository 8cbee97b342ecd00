import { randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { seenRun } from '#infra/local/cut-short.ts'
import { decisionList, hiddenText } from '#infra/local/decision-list.ts'
import { localFunctions } from '#infra/local/local-functions.ts'
import { type Platform, realPlatform, sandboxPlatform } from '#infra/local/platform.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import { formatDuration } from '#shared/pure/duration.ts'
import { nearest } from '#shared/pure/nearest.ts'
import { createLog, silentLog } from '#shared/runtime/log.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { countsText, failureSentence, hasFailed } from '#shared/runtime/report.ts'
import { parseScheduleEvent } from '#shared/runtime/schedule-event.ts'
import type { Command } from './command.ts'
import { stoppedCode, UsageError } from './command.ts'
import { introduce } from './introduce.ts'
import { hookTriggerOf, invokeHook } from './invoke-hook.ts'
import { readEvent } from './read-event.ts'
import { parseInstant } from './words.ts'

export const invoke: Command = {
  summary: 'run one function on one event file',
  help: `Usage: longshore invoke <function> --event FILE [--now ISO] [--config FILE [--sandbox]] [--json] [--all] [--wide] [--verbose]

Runs a function as its trigger would, with the event of the file (events/<function>/base.json), and prints its decisions. A webhook
(an event of API Gateway) is answered as there, and what it brings is worked on.
Without --config it runs on a fresh sandbox whose clock stands at the event's instant, so the same event always prints the
same; --now sets that clock to another instant, for an event that comes late (events/cron-scaler/late.json with
--now 2026-11-24T00:00:00Z). With --config it runs against that platform, now, and writes only in mode enforce; --sandbox
tries that configuration on the sandbox. --json prints the whole report, --all also rules that were superseded, --wide whole
reasons on a narrow terminal. Exit code 1 when the event is not valid or something failed, 130 when Ctrl-C came first.

Example: longshore invoke cron-scaler --event events/cron-scaler/base.json`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        event: { type: 'string' },
        now: { type: 'string' },
        all: { type: 'boolean' },
        wide: { type: 'boolean' },
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
    const isReal = values.config !== undefined && values.sandbox !== true
    if (isReal && values.now !== undefined) {
      throw new UsageError("--now sets the sandbox's clock; a real platform has its own time. Add --sandbox to try the configuration there")
    }
    const startMs = values.now === undefined ? undefined : parseInstant(values.now, '--now')
    const event = await readEvent(resolve(io.cwd, values.event))
    const trigger = hookTriggerOf(event) ?? tickOf(event)
    if (trigger.kind !== 'tick' && values.json === true)
      throw new UsageError('--json prints the report of a schedule; this event is for the webhooks')
    const redactor = createRedactor()
    const log = values.verbose === true ? createLog({ write: io.err, redactor, level: 'debug' }) : silentLog
    const platform: Platform =
      values.config !== undefined && isReal
        ? await realPlatform({ configPath: values.config, cwd: io.cwd, env: io.env, redactor })
        : await sandboxPlatform({
            configPath: values.config,
            cwd: io.cwd,
            redactor,
            sandbox: { clock: createSandboxClock({ startMs: startMs ?? trigger.atMs, frozen: true }) },
          })
    try {
      const { config, cloud, kernel, store } = platform
      const { fetchText } = cloud
      const now = platform.now()
      const isPlain = values.json !== true
      if (isPlain) await introduce(platform, { configPath: values.config, functionCount: 1, isShortLived: true }, io)
      if (trigger.kind !== 'tick') return await invokeHook(fn, trigger, platform, { redactor, log, io })
      const ran = await fn.run({
        ...trigger.tick,
        config,
        cloud,
        kernel,
        store,
        fetchText,
        fresh: true,
        owner: randomUUID(),
        now,
        log,
        signal: io.signal,
      })
      const { report, isCutShort } = seenRun(ran, io.signal)
      if (!isPlain) io.out(redactor.text(JSON.stringify(report, null, 2)))
      else {
        const late = now > report.scheduledAt ? `, run ${formatDuration(now - report.scheduledAt)} late` : ''
        const columns = values.wide === true ? undefined : io.terminalColumns?.()
        const list = decisionList(report.decisions, { all: values.all === true, columns })
        for (const line of list.lines) io.out(redactor.text(line))
        if (report.failure !== undefined) io.err(`${name}: ${redactor.text(failureSentence(report.failure))}`)
        const hidden = hiddenText(list)
        io.out(`${report.runId}${late}  mode ${report.mode}  ${countsText(report.counts)}${hidden === '' ? '' : ` (${hidden})`}`)
      }
      if (isCutShort) {
        io.err('Stopped before it was done.')
        return stoppedCode(io.signal)
      }
      return hasFailed(report) ? 1 : 0
    } finally {
      await platform.close()
    }
  },
}

function tickOf(event: unknown): { readonly kind: 'tick'; readonly atMs: number; readonly tick: ReturnType<typeof parseScheduleEvent> } {
  const tick = parseScheduleEvent(event)
  return { kind: 'tick', atMs: tick.scheduledAt, tick }
}

import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '#cloud/clock.ts'
import { readConfig } from '#infra/local/platform.ts'
import { setKillSwitch } from '#infra/status/set-kill-switch.ts'
import { type Config, ConfigError, checkConfig, readConfigFile } from '#shared/runtime/config.ts'
import { readJson } from '#shared/runtime/config-text.ts'
import { openStore } from '#shared/runtime/kernel.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import { readSwitch } from '#shared/safety/kill-switch-store.ts'
import type { Command, CommandIo } from './command.ts'
import { UsageError } from './command.ts'
import { configPathOf } from './words.ts'

export const killSwitch: Command = {
  summary: 'stop every function at once, or let them run again',
  help: `Usage: longshore switch [--config FILE]
       longshore switch stop --by NAME --reason TEXT [--config FILE]
       longshore switch run  --by NAME --reason TEXT [--config FILE]

Shows or sets the kill switch in the store. It is read before each change and again right before each write: once it says
stop, no further write starts, in any process that uses this store. Needs the store only, no platform and no credentials. Who
has set it, when and why is noted in the journal of every function. Faults of the configuration that have nothing to do with
the switch keep nobody from stopping. Where the configuration puts the switch elsewhere
(guard.killSwitch: ssm or configMap), set it there.

Example: longshore switch stop --by on-call --reason 'database migration'

Exit code 1 when it was not set, or was set and could not be noted in every journal.`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: { by: { type: 'string' }, reason: { type: 'string' }, config: { type: 'string' } },
    })
    const [state, ...more] = positionals
    if (more.length > 0 || (state !== undefined && state !== 'stop' && state !== 'run'))
      throw new UsageError('say stop, or run, or nothing to look')
    const { by, reason } = values
    if (state !== undefined && (given(by) === undefined || given(reason) === undefined)) {
      throw new UsageError('say who sets it and why: --by NAME --reason TEXT')
    }
    const path = configPathOf(values.config, io.env)
    const config = state === 'run' ? await readConfig({ env: io.env, path, folder: io.cwd }) : await readWhatMatters(io, path)
    const { guard } = config
    if (guard !== undefined && guard.killSwitch.kind !== 'store') {
      throw new Error(`the configuration has its kill switch elsewhere (${guard.killSwitch.kind}); set it there`)
    }
    const store = await openStore(config.store, { clock: systemClock, random: Math.random })
    try {
      const now = systemClock.now()
      let code = 0
      if (state !== undefined && by !== undefined && reason !== undefined) {
        const redactor = createRedactor()
        const order = { state, by, reason, at: now, through: 'longshore switch' } as const
        const unnoted = await setKillSwitch(store, order, async () => ({
          key: config.journalKey === undefined ? undefined : await createResolver({ env: io.env })(config.journalKey),
          redact: (text) => redactor.text(text),
        }))
        for (const line of unnoted) io.err(line)
        if (unnoted.length > 0) code = 1
      }
      const current = await readSwitch(store, { now })
      io.out(
        current === undefined
          ? 'run: it was never set'
          : `${current.state}: set by ${current.by} at ${new Date(current.at).toISOString()}: ${current.reason}`,
      )
      return code
    } finally {
      await store.close()
    }
  },
}

/**
 * The configuration; where something is wrong with it that has nothing to do with the switch, only the sections that say where the
 * switch and the journals are. Somebody who wants to stop everything must not have to mend a file first. Throws ConfigError when
 * those sections are at fault themselves.
 */
async function readWhatMatters(io: CommandIo, path: string): Promise<Config> {
  try {
    return await readConfig({ env: io.env, path, folder: io.cwd })
  } catch (error) {
    if (!(error instanceof ConfigError) || error.kind !== 'config.invalid') throw error
    const file = resolve(io.cwd, path)
    const { value } = await readConfigFile(file)
    const all = sectionOf(value)
    const { killSwitch } = sectionOf(all.guard)
    const sections = {
      store: all.store,
      journal: all.journal,
      ...(killSwitch === undefined ? {} : { guard: { killSwitch }, clusters: all.clusters }),
    }
    const own = Object.fromEntries(Object.entries(io.env).filter(([name]) => !name.startsWith('TENCENTCLOUD_')))
    const config = await checkConfig({
      env: own,
      schemas: {},
      text: readJson(JSON.stringify(sections)),
      purpose: 'package',
      source: file,
      path: file,
      folder: io.cwd,
    })
    io.err(`${file} has faults, which \`longshore validate\` lists; only what it says about the store and the kill switch is used here.`)
    return config
  }
}

function sectionOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}

function given(word: string | undefined): string | undefined {
  return word === undefined || word.trim() === '' ? undefined : word
}

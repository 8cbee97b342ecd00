import { parseArgs } from 'node:util'
import { readSwitch, setSwitch } from '#shared/safety/kill-switch-store.ts'
import type { Command } from './command.ts'
import { UsageError } from './command.ts'
import { withStore } from './with-platform.ts'

export const killSwitch: Command = {
  summary: 'stop every function at once, or let them run again',
  help: `Usage: longshore switch [--config FILE]
       longshore switch stop --by NAME --reason TEXT [--config FILE]
       longshore switch run  --by NAME --reason TEXT [--config FILE]

Shows or sets the kill switch in the store. It is read before each change and again right before each write: once it says
stop, no further write starts, in any process that uses this store. Where the configuration puts the switch elsewhere
(guard.killSwitch: ssm or configMap), set it there.`,
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
    if (state !== undefined && (by === undefined || reason === undefined)) {
      throw new UsageError('say who sets it and why: --by NAME --reason TEXT')
    }
    return await withStore(io, values.config, async ({ kernel, platform, print }) => {
      const { guard } = platform.config
      if (guard !== undefined && guard.killSwitch.kind !== 'store') {
        throw new Error(`the configuration has its kill switch elsewhere (${guard.killSwitch.kind}); set it there`)
      }
      const now = platform.now()
      if (state !== undefined && by !== undefined && reason !== undefined) await setSwitch(kernel.store, { state, by, reason, now })
      const current = await readSwitch(kernel.store, { now })
      print(
        current === undefined
          ? 'run: it was never set'
          : `${current.state}: set by ${current.by} at ${new Date(current.at).toISOString()}: ${current.reason}`,
      )
      return 0
    })
  },
}

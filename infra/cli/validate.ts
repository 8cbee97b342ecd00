import { parseArgs } from 'node:util'
import { readConfig } from '#infra/local/platform.ts'
import type { Command } from './command.ts'
import { UsageError } from './command.ts'
import { configPathOf, counted } from './words.ts'

export const validate: Command = {
  summary: 'check a longshore.yaml',
  help: `Usage: longshore validate [FILE]

Reads FILE (longshore.yaml when absent) the way the functions do, with the environment, and prints what it found wrong: the
line, the key, what is expected, and for an unknown key the nearest valid one. Nothing is called. Exit code 1 when
something is wrong.

Example: longshore validate longshore.yaml`,
  run: async (words, io) => {
    const { positionals } = parseArgs({ args: [...words], allowPositionals: true, options: {} })
    if (positionals.length > 1) throw new UsageError('one file at a time')
    const config = await readConfig({
      env: io.env,
      folder: io.cwd,
      path: configPathOf(positionals[0], io.env),
    })
    const { endpoint } = config.platform
    const address = endpoint.kind === 'url' ? endpoint.url : `${endpoint.protocol}, ${endpoint.domain}`
    io.out(
      `${config.path} is valid: mode ${config.mode}, platform ${address}, region ${config.platform.region ?? 'from the environment'}, ${counted(config.clusters.length, 'cluster')}, settings for ${Object.keys(config.functions).join(', ') || 'no function'}.`,
    )
    return 0
  },
}

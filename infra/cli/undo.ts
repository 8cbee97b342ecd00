import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { decisionLine, silentLog } from '#shared/runtime/log.ts'
import { hasFailed } from '#shared/runtime/report.ts'
import type { Command } from './command.ts'
import { UsageError } from './command.ts'
import { functionNamed, withStore } from './with-platform.ts'
import { parseWhole } from './words.ts'

export const undo: Command = {
  summary: 'take back one change, as far as what was there before allows',
  help: `Usage: longshore undo <function> <entry> [--config FILE]

Takes back the change that an entry of the journal began (\`longshore journal list\` shows the entries). The target is read
first: when somebody has changed it since, it is left alone. The undoing goes through guard, ledger and journal like
every other change, so it needs \`mode: enforce\`, happens once, and can be undone itself.

Example: longshore undo cron-scaler 12`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({ args: [...words], allowPositionals: true, options: { config: { type: 'string' } } })
    const [name, word, ...more] = positionals
    const fn = functionNamed(name)
    if (word === undefined || more.length > 0) throw new UsageError('name one entry of its journal')
    const seq = parseWhole(word, 'the entry', 1, Number.MAX_SAFE_INTEGER)
    return await withStore(io, values.config, async ({ kernel, platform, print }) => {
      const { config, cloud } = platform
      if (config.mode !== 'enforce') {
        throw new Error(`${config.path} says mode ${config.mode}; nothing is written unless it says \`mode: enforce\``)
      }
      const now = platform.now()
      const entry = await kernel.of(fn.name, 'longshore undo').journal.show(seq, { now })
      if (entry === undefined) throw new Error(`the journal of ${fn.name} has no entry ${seq}`)
      const report = await fn.undo(entry, {
        config,
        cloud,
        kernel,
        owner: randomUUID(),
        now,
        scheduledAt: now,
        trigger: { kind: 'local', name: 'longshore undo' },
        log: silentLog,
        signal: io.signal,
      })
      for (const decision of report.decisions) print(decisionLine(decision))
      return hasFailed(report) || report.counts.Applied + report.counts.NoChange === 0 ? 1 : 0
    })
  },
}

import { parseArgs } from 'node:util'
import type { JournalEntry } from '#shared/safety/journal-entry.ts'
import { columns } from './columns.ts'
import type { Command } from './command.ts'
import { UsageError } from './command.ts'
import { functionNamed, type Opened, withStore } from './with-platform.ts'
import { parseInstant, parseWhole } from './words.ts'

export const journal: Command = {
  summary: 'show what was done and why, and check that nobody changed it',
  help: `Usage: longshore journal list   <function> [--from ISO] [--to ISO] [--target TARGET] [--limit 50] [--json]
       longshore journal show   <function> <entry>
       longshore journal verify <function>
       … [--config FILE]

Every change has an entry before it (intent) and one after it (outcome), each sealed with the hash of the one before. Notes say
who has set the kill switch or put a freeze window aside, when and why.
\`verify\` checks the whole chain, and that it has every entry that the ledger remembers: exit code 1 when something was
changed, removed, inserted, reordered or cut off.

Example: longshore journal list cron-scaler --limit 10
Example: longshore journal verify cron-scaler`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        from: { type: 'string' },
        to: { type: 'string' },
        target: { type: 'string' },
        limit: { type: 'string' },
        json: { type: 'boolean' },
        config: { type: 'string' },
      },
    })
    const [verb, name, word] = positionals
    if (verb !== 'list' && verb !== 'show' && verb !== 'verify') throw new UsageError('say what to do: list, show or verify')
    const fn = functionNamed(name)
    const limit = values.limit === undefined ? 50 : parseWhole(values.limit, '--limit', 1, 100_000)
    const from = values.from === undefined ? undefined : parseInstant(values.from, '--from')
    const to = values.to === undefined ? undefined : parseInstant(values.to, '--to')
    const seq = verb === 'show' ? parseWhole(word ?? '', 'the entry', 1, Number.MAX_SAFE_INTEGER) : 0
    const work = async ({ kernel, platform, print }: Opened): Promise<number> => {
      const { journal: chain, ledger } = kernel.of(fn.name, 'longshore journal')
      const now = platform.now()
      if (verb === 'verify') {
        const { ok, entries, end, problems } = await chain.verify({ now, marks: ledger.journalMarks(now) })
        for (const { code, seq: at, text } of problems) print(`entry ${at}: ${code}: ${text}`)
        print(
          ok
            ? `${entries} entries, unbroken${end === undefined ? '' : `; the last is ${end.seq} ${end.hash}`}`
            : `${entries} entries, ${problems.length} problems: what this journal says cannot be relied on`,
        )
        return ok ? 0 : 1
      }
      if (verb === 'show') {
        const entry = await chain.show(seq, { now })
        if (entry === undefined) {
          io.err(`the journal of ${fn.name} has no entry ${seq}`)
          return 1
        }
        print(JSON.stringify(entry, null, 2))
        return 0
      }
      const entries = await chain.list({ now, from, to, target: values.target, limit })
      if (values.json === true) print(JSON.stringify(entries, null, 2))
      else for (const line of columns(['entry', 'when', 'what', 'target', 'change', 'why'], entries.map(rowOf))) print(line)
      return 0
    }
    return await withStore(io, values.config, work, { connectsLate: true })
  },
}

function rowOf({ seq, at, kind, outcome, target, before, after, reason }: JournalEntry): string[] {
  return [
    String(seq),
    new Date(at).toISOString(),
    outcome ?? kind,
    target,
    before === after ? before : `${before} -> ${after}`,
    reason.text,
  ]
}

import { parseArgs } from 'node:util'
import { formatInstant } from '#shared/pure/civil.ts'
import { nextFiring, parseCron } from '#shared/pure/cron.ts'
import type { Command } from './command.ts'
import { UsageError } from './command.ts'
import { isZone, parseInstant, parseWhole } from './words.ts'

export const cron: Command = {
  summary: 'show when a schedule fires',
  help: `Usage: longshore cron next "<spec>" [--zone Asia/Shanghai] [--local] [--from 2026-11-24T00:00:00Z] [--count 5]

Prints the next fire times of a six-field schedule (second minute hour day-of-month month day-of-week), one UTC instant a
line. --zone is an IANA time zone (UTC when absent); --local also prints each time as that zone's clocks show it. --from is
the instant after which to look (now when absent).

A schedule that cannot be read is explained, with the six fields that were probably meant where five or seven are given, and
ends with exit code 1. One that can be read but never fires, such as "0 0 8 30 2 *" (30 February), prints no time, says so on
stderr and ends with exit code 0; never means not within five years of --from.

Example: longshore cron next "0 0 8 * * 1-5" --zone Asia/Shanghai`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: { zone: { type: 'string' }, from: { type: 'string' }, count: { type: 'string' }, local: { type: 'boolean' } },
    })
    const [verb, spec, ...more] = positionals
    if (verb !== 'next') throw new UsageError(verb === undefined ? 'say what to do: next' : `there is no "cron ${verb}", only "cron next"`)
    if (spec === undefined) throw new UsageError('the schedule is missing')
    if (more.length > 0) throw new UsageError('put the schedule in quotes, so that it is one word')
    const zone = values.zone ?? 'UTC'
    if (!isZone(zone)) throw new UsageError(`"${zone}" is no IANA time zone, such as Asia/Shanghai or UTC`)
    const count = values.count === undefined ? 5 : parseWhole(values.count, '--count', 1, 10_000)
    let after = values.from === undefined ? Date.now() : parseInstant(values.from, '--from')
    const schedule = parseCron(spec)
    if (!schedule.ok) {
      io.err(schedule.error.message)
      return 1
    }
    for (let i = 0; i < count; i += 1) {
      const next = nextFiring(schedule.value, zone, after)
      if (next === undefined) {
        if (i === 0) io.err(`"${spec}" never fires: not within five years of ${new Date(after).toISOString()}`)
        break
      }
      const utc = new Date(next).toISOString().replace('.000Z', 'Z')
      io.out(values.local === true ? `${utc}  ${formatInstant(next, zone)}` : utc)
      after = next
    }
    return 0
  },
}

import { parseArgs } from 'node:util'
import { keyCommands } from '#shared/licence/snapshot-key.ts'
import { nearest } from '#shared/pure/nearest.ts'
import type { Command } from './command.ts'
import { Stopped, stoppedCode, UsageError } from './command.ts'
import { exportSamples } from './license-export.ts'
import { showHeadroom } from './license-headroom.ts'
import { showReport } from './license-report.ts'
import { makeSnapshot } from './license-snapshot.ts'
import { verifyFile, verifyRecord } from './license-verify.ts'
import { withLicence } from './license-world.ts'

const verbs = ['report', 'headroom', 'export', 'snapshot', 'verify'] as const

export const license: Command = {
  summary: 'show what the licence meter has measured, what is still free, and prove it to others',
  help: `Usage: longshore license report   [--year 2026 | --month 2026-11] [--region R]… [--html FILE] [--csv FILE] [--json]
       longshore license headroom [--node-cores 16] [--region R]… [--json]
       longshore license export   --csv FILE [--year 2026 | --month 2026-11] [--region R]…
       longshore license snapshot --out FILE --key env:NAME|file:PATH [--year 2026 | --month 2026-11] [--region R]…
       longshore license verify   FILE --key PUBLIC.pem
       longshore license verify   [--region R]…
       … [--config FILE | --sandbox]

report    the highest use of each month with what was entitled then, how many hours were measured, every gap, and when over-use is to
          be expected. The twelve months up to now without --year or --month; a month is drawn by the hour. --html writes one page
          with charts that needs nothing else, --csv the figures of the months, --json everything.
headroom  what is still free in each region, when it will be used up at this rate, and how many nodes of so many cores still fit.
export    every sample as one row for each product, and every hour without one as a row that says so.
snapshot  the samples of a period, their chain, what they come to and under which settings, signed with ed25519: proof for others. A
          record that is broken is not signed. All that is kept without --year or --month.
verify    a snapshot, with nothing but the file and the public key: the first wrong row is named. Without a file: the record itself,
          link by link.

The record is read only, and the platform is not called. Hours that were not measured are gaps and never count as zero. Without a
longshore.yaml, and with --sandbox, it is a year that was made up, and that is said.

Keys are made with:
  ${keyCommands[0]}
  ${keyCommands[1]}
A snapshot can also be verified without this program: what is signed is the line "longshore-licence-snapshot/1 HASH", HASH being the
SHA-256 of all rows but the last (head -n -1 FILE | sha256sum), with the signature in the last row (base64):
  openssl pkeyutl -verify -pubin -inkey licence-public.pem -rawin -in LINE -sigfile SIGNATURE

Exit code 0: here it is, or it is as it was made. 1: something went wrong, or it is not. 2 (headroom): something is above its
entitlement now, or no node of that size is known to fit.

Example: longshore license report --html out.html
Example: longshore license report --month 2026-11 --region ap-guangzhou
Example: longshore license headroom --node-cores 16
Example: longshore license export --csv samples.csv --month 2026-11
Example: longshore license snapshot --out usage.snapshot --key file:licence-key.pem
Example: longshore license verify usage.snapshot --key licence-public.pem`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        config: { type: 'string' },
        sandbox: { type: 'boolean' },
        region: { type: 'string', multiple: true },
        year: { type: 'string' },
        month: { type: 'string' },
        html: { type: 'string' },
        csv: { type: 'string' },
        json: { type: 'boolean' },
        'node-cores': { type: 'string' },
        out: { type: 'string' },
        key: { type: 'string' },
      },
    })
    const [verb, file, ...more] = positionals
    if (verb === undefined) throw new UsageError(`say what to do: ${verbs.join(', ')}`)
    if (verb !== 'verify' && file !== undefined) throw new UsageError(`"${file}" is one word too many`)
    if (more.length > 0) throw new UsageError(`"${more[0]}" is one word too many`)
    refuseForeign(verb, values)
    try {
      switch (verb) {
        case 'report':
          return await withLicence(io, values, (world) => showReport(io, world, values))
        case 'headroom':
          return await withLicence(io, values, (world) => showHeadroom(world, values))
        case 'export':
          return await withLicence(io, values, (world) => exportSamples(io, world, values))
        case 'snapshot':
          return await withLicence(io, values, (world) => makeSnapshot(io, world, values))
        case 'verify':
          return file === undefined ? await withLicence(io, values, verifyRecord) : await verifyFile(io, file, values.key)
        default: {
          const near = nearest(verb, verbs)
          throw new UsageError(
            `there is no "license ${verb}"${near === undefined ? `: say ${verbs.join(', ')}` : `; did you mean "${near}"?`}`,
          )
        }
      }
    } catch (error) {
      if (!(error instanceof Stopped) && !io.signal.aborted) throw error
      io.err('Stopped before it was done.')
      return stoppedCode(io.signal)
    }
  },
}

/** Options that a verb would pass over without a word are mistakes. */
const options: Readonly<Record<string, readonly string[]>> = {
  report: ['year', 'month', 'region', 'html', 'csv', 'json', 'config', 'sandbox'],
  headroom: ['node-cores', 'region', 'json', 'config', 'sandbox'],
  export: ['csv', 'year', 'month', 'region', 'config', 'sandbox'],
  snapshot: ['out', 'key', 'year', 'month', 'region', 'config', 'sandbox'],
  verify: ['key', 'region', 'config', 'sandbox'],
}

function refuseForeign(verb: string, values: Readonly<Record<string, unknown>>): void {
  const own = options[verb]
  const foreign = Object.keys(values).find((name) => own !== undefined && !own.includes(name))
  if (foreign !== undefined) throw new UsageError(`license ${verb} has no option --${foreign}`)
}

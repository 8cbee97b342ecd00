import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { bundleFunction } from '#infra/build/bundle.ts'
import { runBench } from './bench.ts'
import { table } from './table.ts'

/** `npm run bench -- [--quick] [--json]`: throughput, signatures and cold start, beside the official SDK and undici alone. */
const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } } })
const root = fileURLToPath(new URL('../../', import.meta.url))
for (const name of await readdir(join(root, 'functions'))) {
  if (!existsSync(join(root, 'dist', name, 'handler.mjs'))) await bundleFunction(root, name)
}
const report = await runBench({ root, quick: values.quick })

if (values.json) process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`)
else {
  const { machine } = report
  const text = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGib} GiB, ${machine.system}, Node ${machine.node}, undici ${machine.undici}, official SDK ${machine.sdk}, load ${machine.load}`,
    'Calls per second, signed (except where it says unsigned), medians of interleaved rounds on the loopback interface:',
    table(report.throughput),
    'Signatures per second:',
    table(report.signatures),
    'Cold start, milliseconds from the start of the process:',
    table(report.coldStart),
  ]
  process.stdout.write(`${text.join('\n')}\n`)
}

import { constants } from 'node:os'
import { join } from 'node:path'
import { Stopped } from './command.ts'
import { runCli } from './main.ts'
import { startFolder } from './words.ts'

/** The process around the command line: its streams, its signals, its exit code. */
const stop = new AbortController()
let interrupts = 0
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    interrupts += 1
    const stopped = new Stopped(name, 128 + constants.signals[name])
    // The second one does not wait for what the first one asked to end.
    if (interrupts > 1) process.exit(stopped.exitCode)
    stop.abort(stopped)
  })
}
// A reader that went away (`| head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

process.exitCode = await runCli(process.argv.slice(2), {
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
  env: process.env,
  cwd: startFolder({ cwd: process.cwd(), npmFolder: process.env.INIT_CWD, projectRoot: join(import.meta.dirname, '../..') }),
  signal: stop.signal,
  terminalColumns: () => (process.stdout.isTTY ? process.stdout.columns || 120 : undefined),
  ...(process.stderr.isTTY
    ? { draw: (line: string) => process.stderr.write(`\r\u001b[K${line.slice(0, (process.stderr.columns || 80) - 1).toWellFormed()}`) }
    : {}),
})

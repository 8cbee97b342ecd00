import { appendFileSync } from 'node:fs'
import { createStart } from '#infra/cli/start.ts'
import type { LocalHooks } from '#infra/local/local-hooks.ts'
import { probeFunction } from './probe-function.ts'

/**
 * `npm start` with the probe, as a process that can be killed. The environment says how it behaves: PROBE_WORKED is a file that
 * gets a line per event that was worked on, PROBE_ENDS is how it ends: `before-nudge` it kills itself, `never` its work is done.
 */
const { PROBE_WORKED: workedFile = '', PROBE_ENDS: ends } = process.env
const { function: plain } = probeFunction((event) => {
  if (ends === 'never') return new Promise(() => undefined)
  appendFileSync(workedFile, `${JSON.stringify(event.payload)}\n`)
  return { kind: 'done' }
})

/** Dies at the moment between writing an event down and waking whoever works on it. */
function dying(hooks: LocalHooks): LocalHooks {
  return {
    open: async (ports) => {
      const opened = await hooks.open(ports)
      return { ...opened, desk: () => opened.desk({ send: async () => void process.kill(process.pid, 'SIGKILL') }) }
    },
  }
}

const { hooks } = plain
if (hooks === undefined) throw new Error('the probe has webhooks')
const probe = ends === 'before-nudge' ? { ...plain, hooks: dying(hooks) } : plain
const stop = new AbortController()
process.on('SIGTERM', () => stop.abort())
process.exitCode = await createStart(async () => [{ function: probe, schedules: [] }]).run(process.argv.slice(2), {
  out: (line) => process.stdout.write(`${line}\n`),
  err: (line) => process.stderr.write(`${line}\n`),
  env: process.env,
  cwd: process.cwd(),
  signal: stop.signal,
})

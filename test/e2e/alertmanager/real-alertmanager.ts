import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '../registry/real-registry.ts'

const run = promisify(execFile)

/** Where the programs are, or will be. */
function programs(): string {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  return join(process.env.LONGSHORE_ALERTMANAGER ?? join(cache, 'longshore-alertmanager'), 'bin')
}

/** Fetches the programs once. Throws what install.sh says, when it cannot. */
export async function fetchPrograms(): Promise<void> {
  const script = join(import.meta.dirname, '../../../infra/alertmanager/install.sh')
  try {
    await run('bash', [script, join(programs(), '..')])
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
    throw new Error(`the Alertmanager could not be fetched.\n${said}`, { cause: error })
  }
}

export interface AlertmanagerStart {
  /** Where it sends everything to, and the token that it shows there. */
  readonly url: string
  readonly token: string
  /** How often it says again that something fires. */
  readonly repeatSeconds: number
}

/** Debian's prometheus-alertmanager on loopback with its own folder, and amtool to raise and to end alerts. */
export interface RealAlertmanager {
  readonly url: string
  start(options: AlertmanagerStart): Promise<void>
  /** Raises an alert, or says again that it fires; it ends by itself when nobody has said so for five minutes. */
  fire(labels: Readonly<Record<string, string>>, annotations?: Readonly<Record<string, string>>): Promise<void>
  /** Ends an alert. */
  resolve(labels: Readonly<Record<string, string>>): Promise<void>
  /** Deliveries to the webhook so far: how many it tried, and how many of them failed, by its own metrics. */
  deliveries(): Promise<{ readonly tried: number; readonly failed: number }>
  /** What it wrote to its log. */
  log(): string
  remove(): Promise<void>
}

export async function makeAlertmanager(): Promise<RealAlertmanager> {
  const folder = mkdtempSync(join(tmpdir(), 'longshore-alertmanager-'))
  const host = `127.0.0.1:${await freePort()}`
  const url = `http://${host}`
  const logFile = join(folder, 'log')
  let child: ChildProcess | undefined

  const alert = async (
    labels: Readonly<Record<string, string>>,
    annotations: Readonly<Record<string, string>>,
    ...more: readonly string[]
  ): Promise<void> => {
    const pairs = Object.entries(labels).map(([name, value]) => `${name}=${value}`)
    const notes = Object.entries(annotations).map(([name, value]) => `--annotation=${name}=${value}`)
    await run(join(programs(), 'amtool'), ['--alertmanager.url', url, 'alert', 'add', ...notes, ...more, ...pairs], {
      env: { PATH: process.env.PATH, HOME: folder },
    })
  }

  return {
    url,
    start: async ({ url: target, token, repeatSeconds }) => {
      const config = join(folder, 'alertmanager.yml')
      writeFileSync(
        config,
        JSON.stringify({
          route: {
            receiver: 'longshore',
            group_by: ['alertname', 'cluster'],
            group_wait: '1s',
            group_interval: '1s',
            repeat_interval: `${repeatSeconds}s`,
          },
          receivers: [
            {
              name: 'longshore',
              webhook_configs: [
                { url: target, send_resolved: true, http_config: { authorization: { type: 'Bearer', credentials: token } } },
              ],
            },
          ],
        }),
      )
      const words = [
        `--config.file=${config}`,
        `--storage.path=${join(folder, 'data')}`,
        `--web.listen-address=${host}`,
        // One of its own, which talks to no other.
        '--cluster.listen-address=',
        '--log.level=debug',
      ]
      const started = spawn(join(programs(), 'prometheus-alertmanager'), words, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
      child = started
      const sink = createWriteStream(logFile, { flags: 'a' })
      started.stdout.pipe(sink, { end: false })
      started.stderr.pipe(sink, { end: false })
      for (let tries = 0; tries < 200; tries += 1) {
        if (started.exitCode !== null) break
        const answer = await fetch(`${url}/-/ready`).catch(() => undefined)
        await answer?.arrayBuffer()
        if (answer?.status === 200) return
        await sleep(25)
      }
      throw new Error(`the Alertmanager did not come up; it said:\n${readFileSync(logFile, 'utf8').slice(-2000)}`)
    },
    fire: async (labels, annotations = {}) => await alert(labels, annotations),
    resolve: async (labels) => await alert(labels, {}, `--end=${new Date(Date.now() - 1000).toISOString()}`),
    deliveries: async () => {
      const text = await (await fetch(`${url}/metrics`)).text()
      const of = (name: string): number =>
        Number(new RegExp(`^alertmanager_${name}\\{integration="webhook"\\} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
      return { tried: of('notification_requests_total'), failed: of('notification_requests_failed_total') }
    },
    log: () => readFileSync(logFile, 'utf8'),
    remove: async () => {
      const running = child
      child = undefined
      if (running !== undefined && running.exitCode === null) {
        const ended = new Promise((resolve) => running.once('exit', resolve))
        running.kill('SIGTERM')
        await ended
      }
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

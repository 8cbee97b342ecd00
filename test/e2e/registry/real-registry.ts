import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createWriteStream, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type LayoutImage, type Written, writeLayout } from './oci-layout.ts'

const run = promisify(execFile)

export const registryUser = 'cleaner'
export const registryPassword = 'e2e-registry-only'
/** bcrypt of that password, which opens nothing but a registry of this test on loopback. */
const passwordHash = '$2b$04$abcdefghijklmnopqrstuufbPtAk2fhN8/gX5tpfY3vJOklszdvxa'

/** Where the programs are, or will be. */
function programs(): string {
  return join(process.env.LONGSHORE_REGISTRY ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'longshore-registry'), 'bin')
}

/** Fetches the programs once. Throws what install.sh says, when it cannot. */
export async function fetchPrograms(): Promise<void> {
  const script = join(import.meta.dirname, '../../../infra/registry/install.sh')
  try {
    await run('bash', [script, join(programs(), '..')])
  } catch (error) {
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
    throw new Error(`the registry and skopeo could not be fetched.\n${said}`, { cause: error })
  }
}

export interface RegistryStart {
  readonly deletes?: boolean
  /** Where it tells of everything that happens, and what it authenticates itself with. */
  readonly notify?: { readonly url: string; readonly authorization: string }
}

/** Debian's docker-registry on loopback with its own folder, and skopeo to fill and to look at it. */
export interface RealRegistry {
  readonly host: string
  readonly url: string
  start(options?: RegistryStart): Promise<void>
  stop(): Promise<void>
  /** Its own garbage collection; it must be stopped. Answers what it printed. */
  collectGarbage(...words: readonly string[]): Promise<string>
  /** Pushes an image, or an index of several. Answers the digests that the registry has. */
  push(repository: string, tag: string, images: readonly LayoutImage[], format?: 'oci' | 'v2s2'): Promise<Written>
  /** Gives an image one more tag. */
  retag(repository: string, from: string, to: string): Promise<void>
  /** Pulls everything of a reference into a folder, and answers its digest. Throws when anything of it is missing. */
  pull(repository: string, reference: string): Promise<string>
  tags(repository: string): Promise<readonly string[]>
  /** Requests that it has answered, `METHOD path status`. */
  requests(): readonly string[]
  /** Bytes of all files in its folder. */
  sizeBytes(): number
  remove(): Promise<void>
}

export async function makeRegistry(): Promise<RealRegistry> {
  const folder = mkdtempSync(join(tmpdir(), 'longshore-registry-'))
  const port = await freePort()
  const host = `127.0.0.1:${port}`
  const config = join(folder, 'config.yml')
  const log = join(folder, 'log')
  const storage = join(folder, 'data')
  writeFileSync(join(folder, 'htpasswd'), `${registryUser}:${passwordHash}\n`, { mode: 0o600 })
  const configure = ({ deletes = true, notify }: RegistryStart): void =>
    writeFileSync(
      config,
      JSON.stringify({
        version: '0.1',
        log: { level: 'error', accesslog: { disabled: false } },
        storage: {
          filesystem: { rootdirectory: storage },
          delete: { enabled: deletes },
          maintenance: { uploadpurging: { enabled: false } },
        },
        http: { addr: host },
        auth: { htpasswd: { realm: 'e2e', path: join(folder, 'htpasswd') } },
        ...(notify === undefined
          ? {}
          : {
              notifications: {
                endpoints: [
                  {
                    name: 'longshore',
                    url: notify.url,
                    headers: { Authorization: [notify.authorization] },
                    timeout: '2s',
                    threshold: 3,
                    backoff: '1s',
                  },
                ],
              },
            }),
      }),
    )
  let child: ChildProcess | undefined
  let layouts = 0
  const skopeo = async (...words: readonly string[]): Promise<string> => {
    // Files that skopeo would look for on this machine are none of this test's business.
    const env = { PATH: process.env.PATH, HOME: folder, REGISTRY_AUTH_FILE: join(folder, 'none.json'), TMPDIR: folder }
    const { stdout } = await run(join(programs(), 'skopeo'), ['--insecure-policy', '--registries.d', join(folder, 'none'), ...words], {
      env,
    })
    return stdout
  }
  const credentials = `${registryUser}:${registryPassword}`
  const place = (repository: string, reference: string): string =>
    `docker://${host}/${repository}${reference.includes(':') ? '@' : ':'}${reference}`

  const registry: RealRegistry = {
    host,
    url: `http://${host}`,
    start: async (options = {}) => {
      configure(options)
      const started = spawn(join(programs(), 'docker-registry'), ['serve', config], { stdio: ['ignore', 'pipe', 'pipe'] })
      child = started
      const sink = createWriteStream(log, { flags: 'a' })
      started.stdout.pipe(sink, { end: false })
      started.stderr.pipe(sink, { end: false })
      for (let tries = 0; tries < 200; tries += 1) {
        if (started.exitCode !== null) break
        const answer = await fetch(`http://${host}/v2/`).catch(() => undefined)
        await answer?.arrayBuffer()
        if (answer?.status === 401) return
        await new Promise((resolve) => setTimeout(resolve, 25))
      }
      throw new Error(`the registry did not come up; it said:\n${readFileSync(log, 'utf8').slice(-2000)}`)
    },
    stop: async () => {
      const running = child
      child = undefined
      if (running === undefined || running.exitCode !== null) return
      const ended = new Promise((resolve) => running.once('exit', resolve))
      running.kill('SIGTERM')
      await ended
    },
    collectGarbage: async (...words) => {
      if (child !== undefined) throw new Error('stop the registry first: what is pushed meanwhile would be lost')
      const { stdout } = await run(join(programs(), 'docker-registry'), ['garbage-collect', ...words, config], {
        maxBuffer: 64 * 1024 * 1024,
      })
      return stdout
    },
    push: async (repository, tag, images, format = 'oci') => {
      layouts += 1
      const layout = join(folder, `layout-${layouts}`)
      const written = writeLayout(layout, images)
      const words = ['copy', '--all', '--dest-tls-verify=false', '--dest-creds', credentials, '--format', format]
      await skopeo(...words, `oci:${layout}:it`, place(repository, tag))
      return format === 'oci' ? written : { digest: await registry.pull(repository, tag), children: [] }
    },
    retag: async (repository, from, to) => {
      const words = [
        'copy',
        '--all',
        '--src-tls-verify=false',
        '--dest-tls-verify=false',
        '--src-creds',
        credentials,
        '--dest-creds',
        credentials,
      ]
      await skopeo(...words, place(repository, from), place(repository, to))
    },
    pull: async (repository, reference) => {
      layouts += 1
      const target = join(folder, `pulled-${layouts}`)
      await skopeo('copy', '--all', '--src-tls-verify=false', '--src-creds', credentials, place(repository, reference), `dir:${target}`)
      rmSync(target, { recursive: true })
      const manifest = await skopeo('inspect', '--raw', '--tls-verify=false', '--creds', credentials, place(repository, reference))
      layouts += 1
      const file = join(folder, `manifest-${layouts}`)
      writeFileSync(file, manifest)
      return (await skopeo('manifest-digest', file)).trim()
    },
    tags: async (repository) => {
      const listed = JSON.parse(
        await skopeo('list-tags', '--tls-verify=false', '--creds', credentials, `docker://${host}/${repository}`),
      ) as {
        Tags: string[] | null
      }
      return (listed.Tags ?? []).toSorted()
    },
    requests: () =>
      [...readFileSync(log, 'utf8').matchAll(/"(GET|HEAD|POST|PUT|PATCH|DELETE) (\S+) HTTP\/[^"]*" (\d+)/g)].map(
        ([, method, path, status]) => `${method} ${path} ${status}`,
      ),
    sizeBytes: () => sizeOf(storage),
    remove: async () => {
      await registry.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return registry
}

function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  return address.port
}

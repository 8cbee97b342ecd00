import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, createServer as createSocketServer, type Server as SocketServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Stopped } from '#infra/cli/command.ts'
import { startFolder } from '#infra/cli/words.ts'
import { localFunctions } from '#infra/local/local-functions.ts'
import { runWords } from './run-words.ts'

const root = join(import.meta.dirname, '../../..')
const keys = { TENCENTCLOUD_SECRET_ID: 'AKIDnobody', TENCENTCLOUD_SECRET_KEY: 'nobody' }
let folder: string
let platform: Server
/** Called for each request to a platform that never answers. */
let asked: () => void

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-start-'))
  asked = () => undefined
  platform = createServer(() => asked())
  await new Promise<void>((resolve) => platform.listen(0, '127.0.0.1', resolve))
})

afterEach(async () => {
  platform.closeAllConnections()
  await new Promise((resolve) => platform.close(resolve))
  await rm(folder, { recursive: true })
})

async function configure(more = 'clusters: [{ id: cls-9f3kq2vd }]'): Promise<string> {
  const { port } = platform.address() as AddressInfo
  await writeFile(join(folder, 'longshore.yaml'), `platform: { endpoint: 'http://127.0.0.1:${port}', region: ap-guangzhou }\n${more}\n`)
  return `http://127.0.0.1:${port}`
}

describe('a run that is stopped', () => {
  it('says so, ends with the code of the signal, and blames no cluster', async () => {
    await configure()
    const stop = new AbortController()
    asked = () => stop.abort(new Stopped('SIGTERM', 143))
    const ran = await runWords(['start', '--once', '--config', 'longshore.yaml'], { cwd: folder, env: keys, signal: stop.signal })
    expect(ran).toMatchObject({ code: 143, err: 'Stopped before it was done.' })
    expect(ran.out).not.toMatch(/cannot be read|caller|nothing was decided/)
  })

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('after %s ends with %d', async (signal, code) => {
    await configure()
    const words = ['start', '--once', '--config', 'longshore.yaml']
    const child = spawn(process.execPath, [join(root, 'infra/cli/longshore.mjs'), ...words], {
      cwd: folder,
      env: { ...process.env, ...keys, INIT_CWD: '' },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let err = ''
    child.stderr.on('data', (piece) => (err += piece))
    asked = () => child.kill(signal)
    expect(await new Promise((resolve) => child.on('exit', resolve))).toBe(code)
    expect(err).toBe('Stopped before it was done.\n')
  })

  it('of invoke ends the same way', async () => {
    await configure()
    const stop = new AbortController()
    asked = () => stop.abort(new Stopped('SIGINT', 130))
    const words = ['invoke', 'cron-scaler', '--event', join(root, 'events/cron-scaler/base.json'), '--config', 'longshore.yaml']
    expect(await runWords(words, { cwd: folder, env: keys, signal: stop.signal })).toMatchObject({
      code: 130,
      err: 'Stopped before it was done.',
    })
  })
})

describe('what start says first', () => {
  /** Ends as soon as the header is out. */
  async function header(words: readonly string[], options: { env?: Record<string, string>; cwd?: string } = {}): Promise<string> {
    const stop = new AbortController()
    const { out } = await runWords(['start', '--once', ...words], {
      cwd: folder,
      ...options,
      signal: stop.signal,
      onOut: (line) => line.startsWith('Mode ') && stop.abort(new Stopped('SIGINT', 130)),
    })
    return out
  }

  it.each([
    [{}, 'There is a longshore.yaml, but it is not used: a real platform is only touched with --config longshore.yaml.'],
    [{ LONGSHORE_CONFIG: 'a.yaml' }, 'LONGSHORE_CONFIG is set but not used: a real platform is only touched with --config a.yaml.'],
    [{ TENCENTCLOUD_SECRET_KEY: 'k' }, 'TENCENTCLOUD_SECRET_KEY is set but not used: a real platform is only touched with --config FILE.'],
    [keys, 'TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY are set but not used: a real platform is only touched with --config FILE.'],
  ])('points out what is there and not used: %j', async (env, hint) => {
    await configure()
    expect((await header([], { env })).split('\n')[1]).toBe(hint)
  })

  it('names the address and the file of a real platform, and counts in English', async () => {
    const url = await configure()
    const out = await header(['--config', 'longshore.yaml'], { env: keys })
    expect(out).toContain(`Longshore on ${url}, configured by ${join(folder, 'longshore.yaml')}.`)
    expect(out).toContain(`; 1 cluster; ${localFunctions.length} functions.`)
  })

  it('names the hosts that are called on a private installation', async () => {
    const config = 'platform: { domain: cloud.example.com, region: a }\nclusters: [{ id: cls-9f3kq2vd }, { id: cls-m4t8x0be }]\n'
    await writeFile(join(folder, 'private.yaml'), config)
    const out = await header(['--config', 'private.yaml'], { env: keys })
    expect(out).toContain('Longshore on https://tke.api3.cloud.example.com and https://tcr.api3.cloud.example.com, configured by')
    expect(out).toContain('; 2 clusters;')
  })

  it('warns of plain HTTP, but not to this machine', async () => {
    await configure()
    const words = (file: string) => ['start', '--once', '--config', file]
    const stopped = () => AbortSignal.abort(new Stopped('SIGINT', 130))
    const near = await runWords(words('longshore.yaml'), { cwd: folder, env: keys, signal: stopped() })
    expect(near.err).not.toMatch(/not encrypted/)
    const config = 'platform: { endpoint: "http://cloud.example.com", region: a, allowInsecureHttp: true }\n'
    await writeFile(join(folder, 'plain.yaml'), config)
    const far = await runWords(words('plain.yaml'), { cwd: folder, env: keys, signal: stopped() })
    expect(far.err).toMatch(/not encrypted/)
  })

  it('says that nothing is decided without clusters', async () => {
    await configure('')
    const { code, out } = await runWords(['start', '--once', '--config', 'longshore.yaml'], { cwd: folder, env: keys })
    expect(out).toContain(`0 clusters; ${localFunctions.length} functions.\nNo clusters are configured, so nothing will be decided.`)
    expect(out).toMatch(/nothing to decide$/)
    expect(code).toBe(0)
  })
})

describe('start without options', () => {
  it('says which ports were taken, where the sandbox is steered, and how it is doing', async () => {
    const holders: SocketServer[] = []
    for (const port of [8780, 8781]) {
      const holder = createSocketServer()
      await new Promise<void>((resolve) => {
        // Somebody else holds it: just as good.
        holder.once('error', () => resolve())
        holder.listen(port, '127.0.0.1', resolve)
      })
      holders.push(holder)
    }
    const stop = new AbortController()
    const ready = Promise.withResolvers<void>()
    const ran = runWords(['start'], {
      signal: stop.signal,
      onOut: (line) => line.startsWith('Ticking on') && ready.resolve(),
    })
    await ready.promise
    stop.abort(new Stopped('SIGINT', 130))
    const { out, code } = await ran
    for (const holder of holders) holder.close()
    expect(code).toBe(0)
    expect(out).toMatch(/^Port 8781 was taken; the sandbox uses \d+ instead\.$/m)
    expect(out).toMatch(/^Look {4}http:\/\/127\.0\.0\.1:\d+\/ .*\nWatch {3}people live on this sandbox/m)
    expect(out).toMatch(/^Port 8780 was taken; status and webhooks use \d+ instead\.$/m)
    expect(out).toMatch(/steered at http:\/\/127\.0\.0\.1:\d+\/_sandbox\./)
    expect(out).toMatch(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+ {2}cron-scaler {2}Applied \d+.*superseded/)
    expect(out).toMatch(/\ncron-scaler {2}Applied +cls-/)
  })
})

describe('the time of the sandbox', () => {
  it.each([
    [['--speed', '0'], '--speed takes a whole number from 1 to 3600, not "0"'],
    [['--speed', '4000'], '--speed takes a whole number from 1 to 3600, not "4000"'],
    [['--speed', 'max'], '--speed takes a whole number from 1 to 3600, not "max"'],
    [['--speed', '1.5'], '--speed takes a whole number from 1 to 3600, not "1.5"'],
    [['--speed', '600', '--config', 'x.yaml'], '--speed and --quiet-world are about the sandbox'],
    [['--quiet-world', '--config', 'x.yaml'], '--speed and --quiet-world are about the sandbox'],
    [['--speed', '600', '--once'], '--speed is for what goes on; --once ends before any time has passed'],
    [['--host-name', 'https://status.example'], '--host-name takes a name alone'],
    [['--host-name', 'status.example:8443'], '--host-name takes a name alone'],
  ])('refuses %j', async (words, text) => {
    const { code, err } = await runWords(['start', ...words])
    expect(err).toContain(text)
    expect(code).toBe(1)
  })

  /** Starts it, and ends it when the lines have said all of these. */
  async function lively(words: readonly string[], until: readonly RegExp[]) {
    const stop = new AbortController()
    const lines: string[] = []
    const ran = await runWords(['start', '--port', '0', '--sandbox-port', '0', ...words], {
      signal: stop.signal,
      onOut: (line) => {
        lines.push(line)
        if (until.every((pattern) => lines.some((one) => pattern.test(one)))) stop.abort(new Stopped('SIGINT', 130))
      },
    })
    return { ...ran, lines }
  }

  it('passes fast: minutes of a life come in seconds, by the hour, and the functions answer to it', async () => {
    const seen = [
      /\(in the sandbox\) somebody pushed shop\/storefront:v2\.4\.8/,
      /redeploy-hook {2}Applied.*storefront:v2\.4\.8/,
      /\(in the sandbox\) Alertmanager says that PodsWaitForCores in production fires/,
      /alarm-scaler {2}Applied/,
      /in the sandbox\) somebody gave \d schedules in production the hours of an office/,
    ]
    const { code, lines, out } = await lively(['--speed', '3600'], seen)
    expect(code).toBe(0)
    expect(out).toMatch(/time passes 3600 times faster: a day takes 24 s/)
    expect(lines).toContainEqual(expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:00 \S+$/))
    expect(lines.at(-1)).toBe('Stopped.')
  }, 60_000)
})

describe('relative paths', () => {
  const cases = { npmFolder: '/home/me/project/sub', projectRoot: '/home/me/project' }

  it('are taken from where the person was when npm changed to the project, and only then', () => {
    expect(startFolder({ ...cases, cwd: '/home/me/project' })).toBe('/home/me/project/sub')
    expect(startFolder({ ...cases, cwd: '/home/me/elsewhere' })).toBe('/home/me/elsewhere')
    for (const npmFolder of [undefined, '', 'sub']) {
      expect(startFolder({ ...cases, cwd: '/home/me/project', npmFolder })).toBe('/home/me/project')
    }
  })

  it('work with npm from another folder', async () => {
    await configure('')
    const child = spawn('npm', ['start', '--silent', '--prefix', root, '--', '--once', '--config', 'longshore.yaml'], {
      cwd: folder,
      env: { ...process.env, ...keys, INIT_CWD: undefined },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let out = ''
    child.stdout.on('data', (piece) => (out += piece))
    expect(await new Promise((resolve) => child.on('exit', resolve))).toBe(0)
    expect(out).toContain(`configured by ${join(folder, 'longshore.yaml')}.`)
  })
})

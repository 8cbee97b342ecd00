import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { build, type Plugin } from 'esbuild'
import { median } from './median.ts'
import type { Comparison } from './section.ts'

export interface ColdStartRow {
  readonly bundle: string
  readonly sizeKib: number
  /** From the start of the process to the handler being there, medians in milliseconds. */
  readonly readyMs: number
  readonly addedMs: number
  /** Processor time until the handler is there, all threads, and what it is above an empty handler's. */
  readonly readyCpuMs: number
  readonly addedCpuMs: number
  /** To the first answer of the platform being read; of a function, to the end of its first event. */
  readonly answeredMs: number
  readonly addedToAnswerMs: number
}

export interface ColdStartOptions {
  readonly root: string
  readonly port: number
  readonly rounds: number
}

interface Candidate {
  readonly name: string
  readonly path: string
  readonly sizeKib: number
  /** What the handler is called with. */
  readonly event: unknown
  /** A client must get its answer. A function may find the bench's platform wanting: its event ends all the same. */
  readonly mustAnswer: boolean
}

const emptyName = 'empty handler'
/** Over the transport that the functions have. */
const ourName = 'client over node:http'
const sdkName = 'official SDK client'

/**
 * Starts each bundle in a process of its own, round by round, and takes medians: an empty handler, this client over each
 * transport, the official SDK's client, and every function that `npm run package` left in dist/.
 */
export async function measureColdStart(options: ColdStartOptions): Promise<readonly ColdStartRow[]> {
  const folder = await mkdtemp(join(tmpdir(), 'longshore-bench-'))
  try {
    const candidates = [...(await clientBundles(options, folder)), ...(await functionBundles(options.root))]
    const driver = join(folder, 'driver.mjs')
    await writeFile(driver, driverText)
    const environment = await environmentFor(folder, options.port)
    const times = new Map<string, Times[]>(candidates.map(({ name }) => [name, []]))
    for (let round = 0; round < options.rounds; round += 1) {
      for (const candidate of candidates) {
        times.get(candidate.name)?.push(await start(driver, candidate, environment))
      }
    }
    const medianOf = (name: string, of: keyof Times): number => median((times.get(name) ?? []).map((each) => each[of]))
    const addedOf = (name: string, of: keyof Times): number => tenth(medianOf(name, of) - medianOf(emptyName, of))
    return candidates.map(({ name, sizeKib }) => ({
      bundle: name,
      sizeKib,
      readyMs: tenth(medianOf(name, 'readyMs')),
      addedMs: addedOf(name, 'readyMs'),
      readyCpuMs: tenth(medianOf(name, 'readyCpuMs')),
      addedCpuMs: addedOf(name, 'readyCpuMs'),
      answeredMs: tenth(medianOf(name, 'answeredMs')),
      addedToAnswerMs: addedOf(name, 'answeredMs'),
    }))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** What a client adds to the start of a process until the first answer is there, and how large it is, against the official SDK's. */
export function compareColdStart(rows: readonly ColdStartRow[]): readonly Comparison[] {
  const ours = rows.find(({ bundle }) => bundle === ourName)
  const sdk = rows.find(({ bundle }) => bundle === sdkName)
  if (ours === undefined || sdk === undefined) return []
  const compare = (what: string, of: (row: ColdStartRow) => number, unit: string): Comparison => ({
    what: `${what}, against the official SDK's client`,
    times: Math.round((of(sdk) / of(ours)) * 10) / 10,
    ours: `${of(ours)} ${unit}`,
    peer: `${of(sdk)} ${unit}`,
  })
  return [
    compare('added to a cold start', ({ addedMs }) => addedMs, 'ms'),
    compare('added until the first answer', ({ addedToAnswerMs }) => addedToAnswerMs, 'ms'),
    compare('size of the bundle', ({ sizeKib }) => sizeKib, 'KiB'),
  ]
}

/** Plain JavaScript: stripping types would cost more than what is measured. `performance.now()` counts from the process's start. */
const driverText = `
const { handler } = await import(process.argv[2])
const readyMs = performance.now()
const cpu = process.cpuUsage()
let failure
await Promise.resolve(handler(JSON.parse(process.argv[3]))).catch((error) => { failure = String(error) })
process.stdout.write('\\n' + JSON.stringify({ readyMs, readyCpuMs: (cpu.user + cpu.system) / 1000, answeredMs: performance.now(), failure }) + '\\n', () => process.exit(0))
`

interface Times {
  readonly readyMs: number
  readonly readyCpuMs: number
  readonly answeredMs: number
}

async function start(driver: string, candidate: Candidate, env: NodeJS.ProcessEnv): Promise<Times> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [driver, pathToFileURL(candidate.path).href, JSON.stringify(candidate.event)],
    { env, timeout: 60_000 },
  )
  const last: unknown = JSON.parse(stdout.trim().split('\n').at(-1) ?? 'null')
  if (typeof last !== 'object' || last === null || !('readyMs' in last) || !('readyCpuMs' in last) || !('answeredMs' in last))
    throw new Error(`${candidate.name} did not say its times.`)
  if (candidate.mustAnswer && 'failure' in last) throw new Error(`${candidate.name} got no answer: ${String(last.failure)}`)
  return { readyMs: Number(last.readyMs), readyCpuMs: Number(last.readyCpuMs), answeredMs: Number(last.answeredMs) }
}

/** A configuration that sends every function to the bench's platform. */
async function environmentFor(folder: string, port: number): Promise<NodeJS.ProcessEnv> {
  const config = {
    platform: {
      endpoint: `http://127.0.0.1:${port}`,
      region: 'ap-guangzhou',
      credentials: { secretId: 'env:BENCH_SECRET_ID', secretKey: 'env:BENCH_SECRET_KEY' },
    },
    clusters: [{ id: 'cls-a1b2c3d4' }],
  }
  const path = join(folder, 'longshore.json')
  await writeFile(path, JSON.stringify(config))
  return { LONGSHORE_CONFIG: path, BENCH_SECRET_ID: 'AKIDBENCH', BENCH_SECRET_KEY: 'BenchKeyForLocalUseOnly' }
}

async function functionBundles(root: string): Promise<readonly Candidate[]> {
  const dist = join(root, 'dist')
  if (!existsSync(dist)) return []
  const found: Candidate[] = []
  for (const name of (await readdir(dist)).sort()) {
    const path = join(dist, name, 'handler.mjs')
    const sample = join(root, 'events', name, 'base.json')
    if (!existsSync(path)) continue
    const event: unknown = existsSync(sample) ? JSON.parse(await readFile(sample, 'utf8')) : {}
    found.push({ name: `function ${name}`, path, sizeKib: kib(await folderBytes(join(dist, name))), event, mustAnswer: false })
  }
  return found
}

const ourClient = (transport: string): string => `
import { createClient } from '#cloud/client.ts'
import { systemClock } from '#cloud/clock.ts'
import { staticCredentials } from '#cloud/credentials.ts'
import { DescribeClusters } from '#cloud/generated/tke/describe-clusters.ts'
import { createTransport } from '#cloud/${transport}'
export async function handler({ port }) {
  const client = createClient({
    credentials: staticCredentials({ secretId: 'AKIDBENCH', secretKey: 'BenchKeyForLocalUseOnly' }),
    region: 'ap-guangzhou',
    endpoint: { kind: 'url', url: 'http://127.0.0.1:' + port },
    clock: systemClock,
    transport: createTransport({ clock: systemClock, allowedHosts: ['127.0.0.1'] }),
    random: Math.random,
  })
  return client.send(DescribeClusters, { Limit: 20 })
}`

const sdkClient = `
import { CommonClient } from 'tencentcloud-sdk-nodejs-common'
export async function handler({ port }) {
  const client = new CommonClient('tke.tencentcloudapi.com', '2018-05-25', {
    credential: { secretId: 'AKIDBENCH', secretKey: 'BenchKeyForLocalUseOnly' },
    region: 'ap-guangzhou',
    profile: { httpProfile: { endpoint: '127.0.0.1:' + port, protocol: 'http://' } },
  })
  return client.request('DescribeClusters', { Limit: 20 })
}`

async function clientBundles(options: ColdStartOptions, folder: string): Promise<readonly Candidate[]> {
  const sources: readonly (readonly [name: string, source: string, plugins: Plugin[]])[] = [
    [emptyName, 'export async function handler() {}', []],
    [ourName, ourClient('transport-https.ts'), []],
    ['client over undici', ourClient('transport.ts'), []],
    ['client over undici, pared down', ourClient('transport.ts'), [paredUndici]],
    [sdkName, sdkClient, []],
  ]
  const event = { port: options.port }
  const made: Candidate[] = []
  for (const [index, [name, contents, plugins]] of sources.entries()) {
    const path = join(folder, `bundle-${index}.mjs`)
    await build({
      stdin: { contents, resolveDir: options.root, loader: 'js' },
      absWorkingDir: options.root,
      outfile: path,
      bundle: true,
      minify: true,
      format: 'esm',
      platform: 'node',
      target: 'node24',
      // Packages in CommonJS ask for Node's modules by require.
      banner: { js: "import { createRequire } from 'node:module';const require = createRequire(import.meta.url);" },
      plugins,
      // With this name defined, undici leaves its experimental parser out, as it does inside Node.
      define: plugins.length > 0 ? { esbuildDetection: 'true' } : {},
      logLevel: 'error',
    })
    made.push({ name, path, sizeKib: kib((await readFile(path)).length), event, mustAnswer: true })
  }
  return made
}

/** Parts of undici that a client of one connection never calls. What remains is about a third of the parts used by a Pool. */
const unusedParts = [
  '/lib/web/',
  '/lib/mock/',
  '/lib/cache/',
  '/lib/interceptor/',
  '/lib/api/',
  '/lib/handler/',
  '/dispatcher/client-h2',
  '/dispatcher/parser-h1',
  '/llhttp/llhttp-wasm.js',
  '/lib/milo/',
]
const entryText = `module.exports = { Client: require('./lib/dispatcher/client') }`

const paredUndici: Plugin = {
  name: 'pared-undici',
  setup(to) {
    to.onResolve({ filter: /./ }, async ({ path, importer, resolveDir, kind, pluginData }) => {
      if (pluginData === 'resolved' || !(path === 'undici' || importer.includes('/undici/'))) return undefined
      if (path === 'node:http2') return { path, namespace: 'left-out' }
      const resolved = await to.resolve(path, { importer, resolveDir, kind, pluginData: 'resolved' })
      if (unusedParts.some((part) => resolved.path.includes(part))) return { path: resolved.path, namespace: 'left-out' }
      return resolved
    })
    to.onLoad({ filter: /\/undici\/index\.js$/ }, () => ({ contents: entryText, loader: 'js' }))
    to.onLoad({ filter: /./, namespace: 'left-out' }, () => ({ contents: 'module.exports = {}', loader: 'js' }))
  },
}

function kib(bytes: number): number {
  return tenth(bytes / 1024)
}

function tenth(value: number): number {
  return Math.round(value * 10) / 10
}

/** All code of a bundle, also what is loaded only when it is needed. */
async function folderBytes(folder: string): Promise<number> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.mjs'))
  const sizes = await Promise.all(files.map(async (name) => (await stat(join(folder, name))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}

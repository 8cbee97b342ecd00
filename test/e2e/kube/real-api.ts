import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { AttachTarget } from '#infra/sandbox/attach.ts'
import type { KubernetesApi } from '../../contract/kubernetes-transcript.ts'

const run = promisify(execFile)
const scripts = join(import.meta.dirname, '../../../infra/kube')

/** A real API server that was started for the checks. */
export interface RealKubernetes {
  readonly api: KubernetesApi
  /** Its address and administrator, for a sandbox that has it stand in for one of its clusters. */
  readonly attach: AttachTarget
  stop(): Promise<void>
}

/** Builds the server when that was not done yet: minutes the first time, nothing later. */
export async function buildKubernetes(): Promise<void> {
  await run('bash', [join(scripts, 'build.sh')], { maxBuffer: 64 * 1024 * 1024 })
}

/** Ports nobody listens on; all are held until the last is known, so that no two are the same. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports: number[] = []
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('no free port was given')
    ports.push(address.port)
  }
  for (const server of servers) await new Promise<void>((resolve) => server.close(() => resolve()))
  return ports
}

/** Starts etcd and the API server on loopback, with controllers or without. */
export async function startKubernetes(controllers: boolean): Promise<RealKubernetes> {
  const folder = await mkdtemp(join(tmpdir(), 'longshore-kube-'))
  const [apiPort = 0, etcdPort = 0, peerPort = 0, controllersPort = 0] = await freePorts(4)
  const environment = {
    ...process.env,
    API_PORT: String(apiPort),
    ETCD_PORT: String(etcdPort),
    PEER_PORT: String(peerPort),
    CONTROLLERS_PORT: String(controllersPort),
    KUBE_CONTROLLERS: controllers ? '1' : '0',
  }
  const stop = async (): Promise<void> => {
    await run('bash', [join(scripts, 'stop.sh'), folder])
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
  }
  try {
    // The servers stay in the background and would keep a pipe open, so what the script says goes to a file.
    await run('bash', ['-c', `exec "$0" "$1" >"$1.out" 2>&1`, join(scripts, 'start.sh'), folder], { env: environment })
  } catch (error) {
    const said = await readFile(`${folder}.out`, 'utf8')
    await stop()
    throw new Error(`the API server did not start: ${said}`, { cause: error })
  }
  await rm(`${folder}.out`)
  const [admin = '', viewer = ''] = (await readFile(join(folder, 'tokens.csv'), 'utf8')).split('\n').map((line) => line.split(',')[0])
  const ca = await readFile(join(folder, 'certs/apiserver.crt'))
  const agent = new Agent({ keepAlive: true, ca, maxSockets: 4 })
  const requestAs =
    (token: string | undefined): KubernetesApi['request'] =>
    (method, path, contentType, body, accept = 'application/json') =>
      new Promise((resolve, reject) => {
        const headers = {
          authorization: `Bearer ${token ?? ''}`,
          accept,
          ...(contentType === undefined ? {} : { 'content-type': contentType }),
          ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
        }
        const outgoing = httpsRequest({ host: '127.0.0.1', port: apiPort, method, path, agent, headers }, (incoming) => {
          const chunks: Buffer[] = []
          incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
          incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }))
          incoming.on('error', reject)
        })
        outgoing.on('error', reject)
        outgoing.end(body)
      })
  const etcd = (path: string, body: object): Promise<string> =>
    new Promise((resolve, reject) => {
      const outgoing = httpRequest({ host: '127.0.0.1', port: etcdPort, method: 'POST', path }, (incoming) => {
        let text = ''
        incoming.on('data', (chunk: Buffer) => {
          text += chunk.toString('utf8')
        })
        incoming.on('end', () => resolve(text))
      })
      outgoing.on('error', reject)
      outgoing.end(JSON.stringify(body))
    })
  return {
    attach: { url: `https://127.0.0.1:${apiPort}`, token: admin ?? '', ca: ca.toString('utf8') },
    api: {
      request: requestAs(admin),
      viewer: { request: requestAs(viewer) },
      forgetLists: async () => {
        const status: { header: { revision: string } } = JSON.parse(await etcd('/v3/maintenance/status', {}))
        await etcd('/v3/kv/compaction', { revision: status.header.revision, physical: true })
      },
      settle: () => new Promise((resolve) => setTimeout(resolve, 100)),
    },
    stop: async () => {
      agent.destroy()
      await stop()
    },
  }
}

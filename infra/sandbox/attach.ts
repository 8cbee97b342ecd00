import { readFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { resolve } from 'node:path'
import { PlatformFault } from './reducer.ts'

/** A real kube-apiserver that stands in for one cluster of the sandbox. */
export interface AttachTarget {
  /** `https://host[:port]`, without a path. */
  readonly url: string
  /** Bearer token of the identity that everything is done as. */
  readonly token?: string
  /** PEM of the certificate authority that signed the server's certificate; the machine's own list when absent. */
  readonly ca?: string
}

/** Attached clusters by cluster id. */
export type AttachTable = ReadonlyMap<string, AttachTarget>

/** A request for a cluster, as ForwardRequest carries it. */
export interface ForwardedRequest {
  readonly method: string
  /** Path with query. */
  readonly path: string
  readonly accept?: string
  readonly contentType?: string
  readonly body?: string
}

const timeoutMs = 30_000
const answerLimitBytes = 64 * 1024 * 1024

/**
 * Reads `--attach` values: `cls-1a2b3c4d=https://127.0.0.1:6443`, optionally followed by `,token=<token>`,
 * `,token-file=<path>` and `,ca-file=<path>`, relative to the folder. Throws TypeError that names the value and the part that is
 * wrong, a file that cannot be read included.
 */
export function parseAttach(values: readonly string[], folder = '.'): AttachTable {
  const table = new Map<string, AttachTarget>()
  for (const value of values) {
    const [first = '', ...options] = value.split(',')
    const match = /^(cls-[a-z0-9]+)=(.+)$/.exec(first)
    const [, clusterId = '', address = ''] = match ?? []
    const url = URL.parse(address)
    if (match === null || url === null || url.protocol !== 'https:' || url.pathname !== '/' || url.search !== '' || url.username !== '') {
      throw new TypeError(`--attach "${value}" is not of the form cls-1a2b3c4d=https://host:port. Only https is attached, without a path.`)
    }
    if (table.has(clusterId)) {
      throw new TypeError(`--attach names the cluster ${clusterId} twice.`)
    }
    table.set(clusterId, { url: url.origin, ...parseOptions(options, clusterId, folder) })
  }
  return table
}

function parseOptions(options: readonly string[], clusterId: string, folder: string): Pick<AttachTarget, 'token' | 'ca'> {
  let parsed: Pick<AttachTarget, 'token' | 'ca'> = {}
  for (const option of options) {
    const equalsAt = option.indexOf('=')
    const name = option.slice(0, equalsAt)
    const given = option.slice(equalsAt + 1)
    const fromFile = (): string => readOptionFile(resolve(folder, given), `--attach of ${clusterId}: ${name}`)
    if (name === 'token') {
      parsed = { ...parsed, token: given }
    } else if (name === 'token-file') {
      parsed = { ...parsed, token: fromFile().trim() }
    } else if (name === 'ca-file') {
      parsed = { ...parsed, ca: fromFile() }
    } else {
      throw new TypeError(`--attach of ${clusterId} has the option "${name || option}". Known: token, token-file, ca-file.`)
    }
  }
  return parsed
}

function readOptionFile(path: string, option: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    throw new TypeError(`${option} names ${path}, which cannot be read (${String(error.code)}).`, { cause: error })
  }
  if (text.trim() === '') throw new TypeError(`${option} names ${path}, which is empty.`)
  return text
}

/**
 * Sends a request to the real API server and answers its body, whatever its status: that is all ForwardRequest passes on.
 * Throws PlatformFault InternalError when the server cannot be reached, is not trusted or takes longer than 30 s.
 */
export async function forwardAttached(target: AttachTarget, forwarded: ForwardedRequest): Promise<string> {
  return (await exchangeAttached(target, forwarded)).body
}

/** As `forwardAttached`, with status and content type, for those who speak to the cluster directly. */
export function exchangeAttached(
  target: AttachTarget,
  forwarded: ForwardedRequest,
): Promise<{ readonly status: number; readonly contentType: string; readonly body: string }> {
  const url = new URL(target.url)
  return new Promise((resolve, reject) => {
    const fail = (problem: string) => reject(new PlatformFault('InternalError', `The attached cluster at ${target.url} ${problem}.`))
    const outgoing = httpsRequest(
      {
        hostname: url.hostname.replace(/^\[|\]$/g, ''),
        port: url.port || 443,
        method: forwarded.method,
        path: forwarded.path,
        timeout: timeoutMs,
        ...(target.ca === undefined ? {} : { ca: target.ca }),
        headers: {
          accept: forwarded.accept || 'application/json',
          ...(target.token === undefined ? {} : { authorization: `Bearer ${target.token}` }),
          ...(forwarded.body === undefined
            ? {}
            : { 'content-type': forwarded.contentType || 'application/json', 'content-length': Buffer.byteLength(forwarded.body) }),
        },
      },
      (answer) => {
        const parts: Buffer[] = []
        let size = 0
        answer.on('data', (part: Buffer) => {
          size += part.length
          if (size > answerLimitBytes) {
            outgoing.destroy()
            fail(`answered more than ${answerLimitBytes} bytes`)
          }
          parts.push(part)
        })
        answer.on('error', (error) => fail(`broke off its answer: ${error.message}`))
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 502,
            contentType: answer.headers['content-type'] ?? 'application/json',
            body: Buffer.concat(parts).toString('utf8'),
          }),
        )
      },
    )
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    outgoing.on('error', (error) => fail(`cannot be asked: ${error.message}`))
    outgoing.end(forwarded.body)
  })
}

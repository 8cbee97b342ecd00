import { createHash, createHmac } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import type { RequestOf, ResponseOf } from '#cloud/action.ts'
import type { Actions } from '#cloud/generated/actions.ts'
import { allActions } from '#cloud/generated/all-actions.ts'
import type { Sandbox } from '#infra/sandbox/server.ts'
import { type SandboxCredential, sandboxCredential } from '#infra/sandbox/test-credentials.ts'

/** What a raw call got back; `closed` when the connection died before a whole answer. */
export interface RawAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  readonly closed: boolean
}

export interface RawCall {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

/** One request on its own connection; never rejects for what the server does. */
export function rawCall(sandbox: Pick<Sandbox, 'port'>, call: RawCall): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const parts: Buffer[] = []
    let seen: Pick<RawAnswer, 'status' | 'headers'> = { status: 0, headers: {} }
    const framing = call.body === undefined ? {} : { 'content-length': Buffer.byteLength(call.body) }
    const done = (closed: boolean) => resolve({ ...seen, text: Buffer.concat(parts).toString('utf8'), closed })
    const outgoing = httpRequest(
      {
        host: '127.0.0.1',
        port: sandbox.port,
        method: call.method ?? 'POST',
        path: call.path ?? '/',
        headers: { ...framing, ...call.headers },
        agent: false,
      },
      (answer) => {
        seen = { status: answer.statusCode ?? 0, headers: answer.headers }
        answer.on('data', (part: Buffer) => parts.push(part))
        answer.on('end', () => done(!answer.complete))
        answer.on('error', () => done(true))
      },
    )
    outgoing.on('error', () => done(true))
    outgoing.end(call.body)
  })
}

export interface SignOptions {
  readonly credential?: SandboxCredential
  /** Epoch milliseconds that the signature claims. */
  readonly now?: number
  readonly region?: string
  readonly version?: string
}

/** A TC3 POST signed for the sandbox's own address, written from the manual. */
export function signedCall(
  sandbox: Pick<Sandbox, 'port' | 'clock'>,
  name: string,
  request: object | string,
  options: SignOptions = {},
): Required<RawCall> {
  const action = Object.values(allActions)
    .flatMap((actions) => Object.values(actions))
    .find((candidate) => candidate.name === name)
  const { secretId, secretKey, token } = options.credential ?? sandboxCredential
  const timestamp = String(Math.floor((options.now ?? sandbox.clock.now()) / 1000))
  const host = `127.0.0.1:${sandbox.port}`
  const body = typeof request === 'string' ? request : JSON.stringify(request)
  const scope = `${new Date(Number(timestamp) * 1000).toISOString().slice(0, 10)}/${action?.service ?? 'tke'}/tc3_request`
  const hash = (data: string) => createHash('sha256').update(data).digest('hex')
  const mac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const canonical = `POST\n/\n\ncontent-type:application/json\nhost:${host}\n\ncontent-type;host\n${hash(body)}`
  const key = scope.split('/').reduce<string | Buffer>(mac, `TC3${secretKey}`)
  const signature = mac(key, `TC3-HMAC-SHA256\n${timestamp}\n${scope}\n${hash(canonical)}`).toString('hex')
  return {
    method: 'POST',
    path: '/',
    headers: {
      host,
      'content-type': 'application/json',
      'x-tc-action': name,
      'x-tc-version': options.version ?? action?.version ?? '2018-05-25',
      'x-tc-timestamp': timestamp,
      'x-tc-region': options.region ?? 'ap-guangzhou',
      ...(token === undefined ? {} : { 'x-tc-token': token }),
      authorization: `TC3-HMAC-SHA256 Credential=${secretId}/${scope}, SignedHeaders=content-type;host, Signature=${signature}`,
    },
    body,
  }
}

type AllActions = Actions['tcr'] & Actions['tke']

export interface Refusal {
  readonly Code: string
  readonly Message: string
}

/** Calls an action with any request at all and answers how it was refused; undefined when it was not. */
export async function refusalOf(
  sandbox: Sandbox,
  name: string,
  request: object = {},
  options: SignOptions = {},
): Promise<Refusal | undefined> {
  const answer = await rawCall(sandbox, signedCall(sandbox, name, request, options))
  return (JSON.parse(answer.text) as { Response: { Error?: Refusal } }).Response.Error
}

/** Code of the refusal; undefined when the call succeeded. */
export async function codeOf(sandbox: Sandbox, name: string, request: object = {}, options: SignOptions = {}): Promise<string | undefined> {
  return (await refusalOf(sandbox, name, request, options))?.Code
}

/** Calls an action that has to succeed and answers its response; a refusal fails the test with code and message. */
export async function must<Name extends keyof AllActions>(
  sandbox: Sandbox,
  name: Name,
  request: RequestOf<AllActions[Name]>,
  options: SignOptions = {},
): Promise<ResponseOf<AllActions[Name]>> {
  const answer = await rawCall(sandbox, signedCall(sandbox, name, request, options))
  const { Response: response } = JSON.parse(answer.text) as { Response: ResponseOf<AllActions[Name]> & { Error?: Refusal } }
  if (response.Error !== undefined) {
    throw new Error(`${name} was refused: ${response.Error.Code}: ${response.Error.Message}`)
  }
  return response
}

import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { parseForm } from './form-params.ts'
import type { SandboxCredential } from './test-credentials.ts'

/** A request as it came over the wire, before anything was made of it. */
export interface ReceivedCall {
  readonly method: string
  /** Path with query, as on the request line. */
  readonly target: string
  /** Names as sent, in order, repeated ones repeated. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer
}

/**
 * What the sandbox forgives so that the official SDK works against a loopback port unchanged; the platform forgives none.
 *
 * - `host-without-port` the SDK signs the endpoint without its port, and sends the Host header with it
 * - `scope-from-host` the SDK takes the scope's service from the endpoint's first label, which is `127` for an IP address
 */
export type Leniency = 'host-without-port' | 'scope-from-host'

export const allLeniencies: readonly Leniency[] = ['host-without-port', 'scope-from-host']

export interface VerifyContext {
  /** Epoch milliseconds of the server's clock. */
  readonly now: number
  /** The service that the called action belongs to: what a strict scope has to name. */
  readonly service: string
  readonly credentialOf: (secretId: string) => SandboxCredential | undefined
  readonly leniencies: readonly Leniency[]
}

export type SignatureMethod = 'TC3-HMAC-SHA256' | 'HmacSHA1' | 'HmacSHA256'

export type Verdict =
  | { readonly accepted: true; readonly secretId: string; readonly signatureMethod: SignatureMethod }
  | { readonly accepted: false; readonly secretId: string; readonly code: string; readonly message: string }

/** How far a request's time may be from the server's, in seconds. */
const allowedSkewSeconds = 300

/**
 * Decides whether a request is signed by a known key, by either of the platform's methods: TC3-HMAC-SHA256 when there is
 * an Authorization header, else HmacSHA1 or HmacSHA256 over the parameters. The code of a refusal is the one the manual
 * documents. Written from the manual alone: the product's signer is deliberately not used here, so that a mistake in it
 * cannot confirm itself.
 */
export function verifySignature(call: ReceivedCall, context: VerifyContext): Verdict {
  return headerOf(call, 'authorization') === undefined ? verifyParameters(call, context) : verifyTc3(call, context)
}

/** The last header of a name, as the platform's front end takes it. */
export function headerOf(call: ReceivedCall, name: string): string | undefined {
  return call.headers.findLast(([given]) => given.toLowerCase() === name)?.[1]
}

function refuse(secretId: string, code: string, message: string): Verdict {
  return { accepted: false, secretId, code, message }
}

const authorizationPattern =
  /^TC3-HMAC-SHA256\s+Credential=([^/,\s]+)\/(\d{4}-\d{2}-\d{2})\/([^/,\s]+)\/tc3_request\s*,\s*SignedHeaders=([^,\s]+)\s*,\s*Signature=([0-9a-f]{64})$/

function verifyTc3(call: ReceivedCall, context: VerifyContext): Verdict {
  const match = authorizationPattern.exec(headerOf(call, 'authorization') ?? '')
  const [, secretId = '', date = '', service = '', signedHeaders = '', signature = ''] = match ?? []
  if (match === null) {
    return refuse('', 'AuthFailure.SignatureFailure', 'The Authorization header is not of the form that TC3-HMAC-SHA256 prescribes.')
  }
  const timestamp = headerOf(call, 'x-tc-timestamp') ?? ''
  const expired = checkTime(secretId, timestamp, context.now)
  if (expired !== undefined) {
    return expired
  }
  const utcDate = new Date(Number(timestamp) * 1000).toISOString().slice(0, 10)
  if (date !== utcDate) {
    return refuse(
      secretId,
      'AuthFailure.SignatureFailure',
      `The credential scope is of ${date}; X-TC-Timestamp ${timestamp} falls on ${utcDate} UTC.`,
    )
  }
  const host = headerOf(call, 'host') ?? ''
  const services = [context.service, ...(context.leniencies.includes('scope-from-host') ? [firstLabel(host)] : [])]
  if (!services.includes(service)) {
    return refuse(
      secretId,
      'AuthFailure.SignatureFailure',
      `The credential scope names the service "${service}"; the called action belongs to "${context.service}".`,
    )
  }
  const names = signedHeaders.split(';')
  if (!names.includes('content-type') || !names.includes('host')) {
    return refuse(
      secretId,
      'AuthFailure.SignatureFailure',
      `SignedHeaders is "${signedHeaders}"; content-type and host have to be among them.`,
    )
  }
  if (names.some((name, index) => name !== name.toLowerCase() || (index > 0 && name <= (names[index - 1] ?? '')))) {
    return refuse(
      secretId,
      'AuthFailure.SignatureFailure',
      `SignedHeaders is "${signedHeaders}"; names are lower-case, sorted and without repeats.`,
    )
  }
  const absent = names.find((name) => headerOf(call, name) === undefined)
  if (absent !== undefined) {
    return refuse(secretId, 'AuthFailure.SignatureFailure', `SignedHeaders names "${absent}", and the request has no such header.`)
  }
  const credential = context.credentialOf(secretId)
  if (credential === undefined) {
    return unknownSecretId(secretId)
  }
  const accepted = hostSpellings(host, context.leniencies).some((spelling) => {
    const canonicalRequest = canonicalRequestOf(call, names, spelling)
    const stringToSign = `TC3-HMAC-SHA256\n${timestamp}\n${date}/${service}/tc3_request\n${sha256Hex(canonicalRequest)}`
    return equalText(hmacHex(tc3Key(credential.secretKey, date, service), stringToSign), signature)
  })
  if (!accepted) {
    return refuse(
      secretId,
      'AuthFailure.SignatureFailure',
      'The signature does not belong to this request and key. Check the secret key, the signed host, the query and the body.',
    )
  }
  return checkToken(credential, headerOf(call, 'x-tc-token')) ?? { accepted: true, secretId, signatureMethod: 'TC3-HMAC-SHA256' }
}

function canonicalRequestOf(call: ReceivedCall, signedHeaders: readonly string[], host: string): string {
  const queryAt = call.target.indexOf('?')
  const isPost = call.method === 'POST'
  const headers = signedHeaders.map((name) => `${name}:${(name === 'host' ? host : (headerOf(call, name) ?? '')).trim().toLowerCase()}\n`)
  return [
    call.method,
    queryAt === -1 ? call.target : call.target.slice(0, queryAt),
    isPost || queryAt === -1 ? '' : call.target.slice(queryAt + 1),
    headers.join(''),
    signedHeaders.join(';'),
    sha256Hex(isPost ? call.body : ''),
  ].join('\n')
}

/** v1: the signature is one of the parameters, over all others, sorted by code unit, with raw values. */
function verifyParameters(call: ReceivedCall, context: VerifyContext): Verdict {
  const queryAt = call.target.indexOf('?')
  const text = call.method === 'POST' ? call.body.toString('utf8') : queryAt === -1 ? '' : call.target.slice(queryAt + 1)
  const form = parseForm(text)
  if (!form.ok) {
    return refuse('', 'InvalidParameter', form.error)
  }
  const params = form.value
  const secretId = params.get('SecretId') ?? ''
  const signature = params.get('Signature')
  const missing = ['SecretId', 'Signature', 'Timestamp', 'Nonce'].find((name) => !params.get(name))
  if (missing !== undefined || signature === undefined) {
    return refuse(
      secretId,
      'MissingParameter',
      `The request has neither an Authorization header nor the parameter \`${missing}\`, so it is not signed by any method.`,
    )
  }
  if (!/^[1-9]\d*$/.test(params.get('Nonce') ?? '')) {
    return refuse(secretId, 'InvalidParameterValue', `Nonce is "${params.get('Nonce')}"; it has to be a positive integer.`)
  }
  const expired = checkTime(secretId, params.get('Timestamp') ?? '', context.now)
  if (expired !== undefined) {
    return expired
  }
  const credential = context.credentialOf(secretId)
  if (credential === undefined) {
    return unknownSecretId(secretId)
  }
  const signatureMethod = params.get('SignatureMethod') === 'HmacSHA256' ? 'HmacSHA256' : 'HmacSHA1'
  const request = [...params]
    .filter(([name]) => name !== 'Signature')
    .sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')
  const path = queryAt === -1 ? call.target : call.target.slice(0, queryAt)
  const accepted = hostSpellings(headerOf(call, 'host') ?? '', context.leniencies).some((host) => {
    const mac = createHmac(signatureMethod === 'HmacSHA256' ? 'sha256' : 'sha1', credential.secretKey)
    return equalText(mac.update(`${call.method}${host}${path}?${request}`).digest('base64'), signature)
  })
  if (!accepted) {
    return refuse(
      secretId,
      'AuthFailure.SignatureFailure',
      `The ${signatureMethod} signature does not belong to this request and key. Check the secret key, the host, and that raw values were signed.`,
    )
  }
  return checkToken(credential, params.get('Token')) ?? { accepted: true, secretId, signatureMethod }
}

function unknownSecretId(secretId: string): Verdict {
  return refuse(secretId, 'AuthFailure.SecretIdNotFound', `The secret id "${secretId.slice(0, 64)}" does not exist.`)
}

function checkTime(secretId: string, timestamp: string, now: number): Verdict | undefined {
  if (!/^\d{1,11}$/.test(timestamp)) {
    return refuse(secretId, 'InvalidParameterValue', `The timestamp is "${timestamp}"; it has to be whole seconds since 1970.`)
  }
  const skewSeconds = Math.abs(Number(timestamp) - now / 1000)
  if (skewSeconds <= allowedSkewSeconds) {
    return undefined
  }
  return refuse(
    secretId,
    'AuthFailure.SignatureExpire',
    `The request's time ${timestamp} is ${Math.round(skewSeconds)} s away from the server's ${Math.floor(now / 1000)}; ${allowedSkewSeconds} s are allowed.`,
  )
}

function checkToken(credential: SandboxCredential, token: string | undefined): Verdict | undefined {
  if (equalText(credential.token ?? '', token ?? '')) {
    return undefined
  }
  const problem =
    credential.token === undefined ? 'is not a temporary key and takes no token' : 'is a temporary key, and its token is missing or wrong'
  return refuse(credential.secretId, 'AuthFailure.TokenFailure', `The key "${credential.secretId}" ${problem}.`)
}

/** The spellings of the host that a signature may be over: as sent, and with leniency also without its port. */
function hostSpellings(host: string, leniencies: readonly Leniency[]): string[] {
  const withoutPort = host.replace(/:\d+$/, '')
  return withoutPort !== host && leniencies.includes('host-without-port') ? [host, withoutPort] : [host]
}

/** `tke` of `tke.api3.example.com`, `127` of `127.0.0.1:8080`. */
export function firstLabel(host: string): string {
  return host.split(/[.:]/, 1)[0] ?? ''
}

/** Constant time for texts of equal length; a length is no secret here. */
function equalText(expected: string, given: string): boolean {
  const left = Buffer.from(expected)
  const right = Buffer.from(given)
  return left.length === right.length && timingSafeEqual(left, right)
}

function sha256Hex(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}

function hmacHex(key: Buffer, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex')
}

const derivedKeys = new Map<string, Buffer>()
const derivedKeyLimit = 64

/** The key of one day and service. Remembered, since a client signs thousands of calls with the same one. */
function tc3Key(secretKey: string, date: string, service: string): Buffer {
  const name = `${secretKey}\n${date}\n${service}`
  const known = derivedKeys.get(name)
  if (known !== undefined) {
    return known
  }
  const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const key = hmac(hmac(hmac(`TC3${secretKey}`, date), service), 'tc3_request')
  if (derivedKeys.size >= derivedKeyLimit) {
    derivedKeys.clear()
  }
  derivedKeys.set(name, key)
  return key
}

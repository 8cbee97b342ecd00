import { createHmac, hash } from 'node:crypto'
import type { Credentials } from './credentials.ts'
import { CloudError, type CloudErrorKind } from './errors.ts'
import { flattenParams, type Parameter } from './flatten.ts'
import { isPlain, JsonError, stringifyJson } from './json.ts'
import { checkRequestSize, type HttpMethod } from './request-size.ts'

/** What both signatures need. The same input always gives the same bytes: time and nonce are part of it. */
export interface SignInput {
  readonly credentials: Credentials
  readonly method: HttpMethod
  /** As in the Host header: with its port unless that is the protocol's default. */
  readonly host: string
  /** The action's service (`tke`), which the signature's scope names. Not read off the host: that may be an address or a gateway. */
  readonly service: string
  readonly action: string
  readonly version: string
  /** Not sent when absent or empty. */
  readonly region?: string | undefined
  /** Language of the platform's messages, `zh-CN` or `en-US`. */
  readonly language?: string | undefined
  /** Names this client to the platform (`X-TC-RequestClient`). */
  readonly requestClient?: string | undefined
  /** The request's fields, a plain object. */
  readonly params: object
  /** Seconds since 1970. The platform allows five minutes of difference. */
  readonly timestamp: number
}

export interface SignTc3Input extends SignInput {
  /** Of a POST body, which is JSON whatever this says; `application/json` when absent. Sent and signed in lower case. */
  readonly contentType?: string | undefined
  /** Of a POST: the exact body, sent and signed as it is in UTF-8; `params` is then left aside. For tools that reproduce a request. */
  readonly exactBody?: string | undefined
}

export interface SignV1Input extends SignInput {
  /** `HmacSHA1` when absent, and then the request does not name it, which means the same to the platform. */
  readonly signatureMethod?: 'HmacSHA1' | 'HmacSHA256' | undefined
  /** Positive integer, new for every request. */
  readonly nonce: number
}

/** A request exactly as it goes on the wire. Header names are in lower case; `content-length` is the transport's matter. */
export interface SignedRequest {
  readonly method: HttpMethod
  readonly host: string
  /** With the query, encoded: `/` or `/?Limit=20`. Must be sent unchanged. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Empty for GET. Must be sent unchanged, as UTF-8. */
  readonly body: string
}

const jsonContentType = 'application/json'
const formContentType = 'application/x-www-form-urlencoded'

/**
 * Signs a request by TC3-HMAC-SHA256 (signature v3 of the manual): POST with a JSON body, or GET with the request in the
 * query. Signs `content-type` and `host`. Fields that are `null` or `undefined` are not sent.
 *
 * Throws `cloud.invalid-request` for a request that cannot be written exactly (NaN, a Date, a text instead of an object),
 * is too large or would break out of a header; `cloud.credentials` for an empty id or key.
 */
export function signTc3(input: SignTc3Input): SignedRequest {
  checkInput(input)
  const { method, credentials } = input
  const host = input.host.toLowerCase()
  let query = ''
  let body = ''
  let contentType = formContentType
  if (method === 'GET') {
    query = encoded(input, flattened(input))
  } else {
    contentType = input.contentType === undefined ? jsonContentType : input.contentType.trim().toLowerCase()
    body = input.exactBody ?? written(input)
  }
  const path = query === '' ? '/' : `/?${query}`
  checkRequestSize({ action: nameOf(input), signMethod: 'TC3-HMAC-SHA256', httpMethod: method, path, body })

  const { scope, key } = derivedKey(input)
  const canonicalHash = hash(
    'sha256',
    `${method}\n/\n${query}\ncontent-type:${contentType}\nhost:${host}\n\ncontent-type;host\n${hash('sha256', body, 'hex')}`,
    'hex',
  )
  const signature = key(`TC3-HMAC-SHA256\n${input.timestamp}\n${scope}\n${canonicalHash}`)

  const headers: Record<string, string> = {
    host,
    'content-type': contentType,
    authorization: `TC3-HMAC-SHA256 Credential=${credentials.secretId}/${scope}, SignedHeaders=content-type;host, Signature=${signature}`,
    'x-tc-action': input.action,
    'x-tc-version': input.version,
    'x-tc-timestamp': String(input.timestamp),
  }
  if (isGiven(input.region)) headers['x-tc-region'] = input.region
  if (isGiven(credentials.token)) headers['x-tc-token'] = credentials.token
  if (isGiven(input.language)) headers['x-tc-language'] = input.language
  if (isGiven(input.requestClient)) headers['x-tc-requestclient'] = input.requestClient
  return { method, host, path, headers, body }
}

/** Parameters that v1 adds to the request; a request with a field of such a name cannot be said in v1. */
const commonParameters: ReadonlySet<string> = new Set([
  'Action',
  'Version',
  'Region',
  'Timestamp',
  'Nonce',
  'SecretId',
  'Token',
  'Language',
  'RequestClient',
  'SignatureMethod',
  'Signature',
])

/**
 * Signs a request by HmacSHA1 or HmacSHA256 (signature v1 of the manual): everything is a flat parameter, in the query of
 * a GET or the form of a POST. What is signed is the raw values, sorted by the code units of their names; what is sent is
 * encoded (RFC 3986). Throws like signTc3.
 */
export function signV1(input: SignV1Input): SignedRequest {
  checkInput(input)
  const { method, credentials } = input
  if (!Number.isSafeInteger(input.nonce) || input.nonce < 0) throw invalid(input, `the nonce ${input.nonce} is no positive integer`)
  const host = input.host.toLowerCase()
  const parameters: Parameter[] = [...flattened(input)]
  for (const [name] of parameters) {
    if (commonParameters.has(name))
      throw invalid(input, `the field ${name} has the name of a common parameter, so signature v1 cannot carry it; use TC3-HMAC-SHA256`)
  }
  parameters.push(['Action', input.action])
  if (isGiven(input.requestClient)) parameters.push(['RequestClient', input.requestClient])
  parameters.push(
    ['Nonce', String(input.nonce)],
    ['Timestamp', String(input.timestamp)],
    ['Version', input.version],
    ['SecretId', credentials.secretId],
  )
  if (isGiven(input.region)) parameters.push(['Region', input.region])
  if (isGiven(credentials.token)) parameters.push(['Token', credentials.token])
  if (isGiven(input.language)) parameters.push(['Language', input.language])
  if (input.signatureMethod !== undefined) parameters.push(['SignatureMethod', input.signatureMethod])

  const algorithm = input.signatureMethod === 'HmacSHA256' ? 'sha256' : 'sha1'
  const sorted = [...parameters].sort(([a], [b]) => (a < b ? -1 : 1))
  const stringToSign = `${method}${host}/?${sorted.map(([name, value]) => `${name}=${value}`).join('&')}`
  parameters.push(['Signature', createHmac(algorithm, credentials.secretKey).update(stringToSign).digest('base64')])

  const signMethod = input.signatureMethod ?? 'HmacSHA1'
  const path = method === 'GET' ? `/?${encoded(input, parameters)}` : '/'
  const body = method === 'POST' ? encoded(input, parameters) : ''
  checkRequestSize({ action: nameOf(input), signMethod, httpMethod: method, path, body })
  return { method, host, path, headers: method === 'POST' ? { host, 'content-type': formContentType } : { host }, body }
}

/** SHA-256's block and digest, in bytes. */
const blockBytes = 64
const digestBytes = 32
/** Room for a string to sign: about 110 characters, and the name of the service, which is at most 63. */
const longestText = 256

/**
 * HMAC-SHA256 (RFC 2104) with one key over many short ASCII texts, in hexadecimal: the padded key is kept and hashed in one
 * go, which takes half as long as `createHmac` with a prepared key.
 */
function keyed(key: Buffer): (text: string) => string {
  const inner = Buffer.alloc(blockBytes + longestText, 0x36)
  const outer = Buffer.alloc(blockBytes + digestBytes, 0x5c)
  for (const [index, byte] of key.entries()) {
    inner[index] = byte ^ 0x36
    outer[index] = byte ^ 0x5c
  }
  return (text) => {
    const end = blockBytes + inner.write(text, blockBytes, 'latin1')
    outer.write(hash('sha256', inner.subarray(0, end), 'binary'), blockBytes, 'latin1')
    return hash('sha256', outer, 'hex')
  }
}

interface DerivedKey {
  /** `2018-10-09/cvm/tc3_request`, in UTC. */
  readonly scope: string
  readonly key: (text: string) => string
}

/** Two days (around midnight) of a few services; far more than one process signs for. */
const keysPerCredentials = 16

/**
 * The signing keys derived from one credentials object. Held privately, so that no dump or log of the cache
 * shows the secret; the closures do not show theirs either.
 */
class DerivedKeys {
  readonly #secretKey: string
  /** By the number of the day and the service: cheaper to say for each request than the scope. */
  readonly #byDay = new Map<string, DerivedKey>()

  constructor(secretKey: string) {
    this.#secretKey = secretKey
  }

  /** False once the object they were derived from holds another key. */
  belongsTo(secretKey: string): boolean {
    return this.#secretKey === secretKey
  }

  derive(timestamp: number, service: string): DerivedKey {
    const dayNumber = Math.floor(timestamp / 86_400)
    const name = `${dayNumber}/${service}`
    const known = this.#byDay.get(name)
    if (known !== undefined) return known
    const day = new Date(dayNumber * 86_400_000).toISOString().slice(0, 10)
    const dayKey = createHmac('sha256', `TC3${this.#secretKey}`).update(day).digest()
    const serviceKey = createHmac('sha256', dayKey).update(service).digest()
    const derived: DerivedKey = {
      scope: `${day}/${service}/tc3_request`,
      key: keyed(createHmac('sha256', serviceKey).update('tc3_request').digest()),
    }
    this.#byDay.set(name, derived)
    const [oldest = name] = this.#byDay.keys()
    if (this.#byDay.size > keysPerCredentials) this.#byDay.delete(oldest)
    return derived
  }
}

/** Forgotten together with the credentials object: renewed credentials bring their own. */
const keysOf = new WeakMap<Credentials, DerivedKeys>()

function derivedKey(input: SignInput): DerivedKey {
  const { credentials } = input
  let keys = keysOf.get(credentials)
  if (keys?.belongsTo(credentials.secretKey) !== true) {
    keys = new DerivedKeys(credentials.secretKey)
    keysOf.set(credentials, keys)
  }
  return keys.derive(input.timestamp, input.service)
}

/** The last second of the year 9999, the last day that four digits can say. */
const latestTimestamp = 253_402_300_799
const hostPattern = /^[A-Za-z0-9._-]+(?::[0-9]{1,5})?$|^\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?$/
/** A label of a host name, which is what a service is to the platform. */
const servicePattern = /^[a-z0-9-]{1,63}$/
/** What a header may carry without encoding. Everything else could end the header and begin another. */
const headerText = /^[\x20-\x7e]*$/
/** An id as the signature's Credential carries it: no blank, comma or slash. */
const secretIdPattern = /^[\x21-\x2b\x2d\x2e\x30-\x7e]+$/

function checkInput(input: SignTc3Input): void {
  const { credentials } = input
  if (!secretIdPattern.test(credentials.secretId)) {
    throw invalid(
      input,
      credentials.secretId === '' ? 'the secret id is empty' : 'the secret id holds a character that no id has',
      'cloud.credentials',
    )
  }
  if (credentials.secretKey === '') throw invalid(input, 'the secret key is empty', 'cloud.credentials')
  if (!headerText.test(credentials.token ?? ''))
    throw invalid(input, 'the token holds a character that a header cannot carry', 'cloud.credentials')
  if (!Number.isSafeInteger(input.timestamp) || input.timestamp < 0 || input.timestamp > latestTimestamp) {
    throw invalid(input, `the timestamp ${input.timestamp} is no whole number of seconds since 1970`)
  }
  if (!hostPattern.test(input.host)) throw invalid(input, `${JSON.stringify(input.host)} is no host`)
  if (!servicePattern.test(input.service)) throw invalid(input, `${JSON.stringify(input.service)} is no service`)
  if (
    !headerText.test(
      `${input.action}${input.version}${input.region ?? ''}${input.language ?? ''}${input.requestClient ?? ''}${input.contentType ?? ''}`,
    )
  ) {
    throw invalid(input, 'the action, version, region, language, client name or content type holds a character that a header cannot carry')
  }
}

function isGiven(value: string | undefined): value is string {
  return value !== undefined && value !== ''
}

function written(input: SignInput): string {
  if (!isPlain(input.params)) throw invalid(input, 'the request is no plain object')
  try {
    return stringifyJson(input.params, 'drop')
  } catch (error) {
    throw translated(input, error)
  }
}

function flattened(input: SignInput): readonly Parameter[] {
  try {
    return flattenParams(input.params)
  } catch (error) {
    throw translated(input, error)
  }
}

/**
 * Writes parameters as `name=value&…`. Names need no encoding: flattenParams lets only such through. An apostrophe, which
 * RFC 3986 leaves to taste, is encoded in a query, where URL parsers would do it on the way and break the signature of a
 * TC3 GET; a form keeps it, as the platform's own SDK does.
 */
function encoded(input: SignInput, parameters: readonly Parameter[]): string {
  let text = ''
  for (const [name, value] of parameters) {
    if (!value.isWellFormed())
      throw invalid(input, `the value of ${name} holds half a character (a lone surrogate), which UTF-8 cannot carry`)
    text += `${text === '' ? '' : '&'}${name}=${encodeURIComponent(value)}`
  }
  return input.method === 'GET' ? text.replaceAll("'", '%27') : text
}

function translated(input: SignInput, error: unknown): unknown {
  return error instanceof JsonError
    ? invalid(input, `the request cannot be sent as it is: ${error.message}`, 'cloud.invalid-request', error)
    : error
}

function nameOf(input: SignInput): string {
  return `${input.service}.${input.action}`
}

function invalid(input: SignInput, what: string, kind: CloudErrorKind = 'cloud.invalid-request', cause?: unknown): CloudError {
  return new CloudError(
    `${nameOf(input)}: ${what}; nothing was sent.`,
    { kind, code: kind, action: nameOf(input), retryable: false },
    cause === undefined ? undefined : { cause },
  )
}

import { randomInt } from 'node:crypto'
import { homedir } from 'node:os'
import { parseArgs } from 'node:util'
import type { Action } from '#cloud/action.ts'
import { allowedHosts } from '#cloud/allowed-hosts.ts'
import { createClient } from '#cloud/client.ts'
import { systemClock } from '#cloud/clock.ts'
import { type CredentialSource, environmentCredentials, firstCredentials } from '#cloud/credentials.ts'
import { homeCredentials } from '#cloud/credentials-file.ts'
import { type Endpoint, hostOf, originOf } from '#cloud/endpoint.ts'
import { Failure, readAnswer, transportFailure } from '#cloud/envelope.ts'
import { allActions } from '#cloud/generated/all-actions.ts'
import { JsonError, parseJson as parseExactJson, stringifyJson } from '#cloud/json.ts'
import type { HttpMethod, SignMethod } from '#cloud/request-size.ts'
import { type SignedRequest, signTc3, signV1 } from '#cloud/sign.ts'
import { createTransport } from '#cloud/transport.ts'
import { TransportError } from '#cloud/transport-error.ts'
import { validateRequest } from '#cloud/validate-request.ts'
import type { Transport, WireAnswer } from '#cloud/wire.ts'
import { nearest } from '#shared/pure/nearest.ts'
import { loadConfig } from '#shared/runtime/config.ts'
import { readCa } from '#shared/runtime/read-ca.ts'
import type { Command } from './command.ts'
import { UsageError } from './command.ts'
import { parseWhole } from './words.ts'

export const call: Command = {
  summary: 'send one signed API call, or print it with --dry-run',
  help: `Usage: longshore call <service> <Action> [--params JSON] [--region R] [--endpoint URL] [--dry-run] [more]

Sends one action (\`longshore call tke DescribeClusters\`) and prints its answer as JSON. Credentials come from
TENCENTCLOUD_SECRET_ID, _SECRET_KEY and _TOKEN, or the platform's own credentials file; the platform from --endpoint,
TENCENTCLOUD_DOMAIN and _PROTOCOL, or longshore.yaml.

  --params JSON        the request's fields; checked against the action before anything is sent
  --region R           TENCENTCLOUD_REGION when absent
  --endpoint URL       http(s)://host[:port] for all services; plain HTTP to loopback only, unless longshore.yaml allows it
  --dry-run            print the signed request as one JSON object {method, url, headers, body, curl}; nothing is sent.
                       What it prints is valid for five minutes, and holds the token where there is one.
  --method M           POST (default) or GET
  --sign-method S      TC3 (default), HmacSHA1 or HmacSHA256
  --timestamp SECONDS  sign for this instant instead of now
  --nonce N            of a v1 signature; random when absent
  --body TEXT          the exact body of a TC3 POST, instead of --params; not checked
  --raw                do not check the parameters, and allow actions outside the catalog (with --api-version)
  --api-version V      with --raw: version of an action outside the catalog, such as 2017-03-12
  --language L         zh-CN or en-US

With --timestamp, --nonce or --body the request is sent exactly once, as printed by --dry-run.

Example: longshore call tke DescribeClusters --params '{"Limit": 10}' --dry-run`,
  run: async (words, io) => {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        params: { type: 'string' },
        region: { type: 'string' },
        endpoint: { type: 'string' },
        'dry-run': { type: 'boolean' },
        method: { type: 'string' },
        'sign-method': { type: 'string' },
        timestamp: { type: 'string' },
        nonce: { type: 'string' },
        body: { type: 'string' },
        raw: { type: 'boolean' },
        'api-version': { type: 'string' },
        language: { type: 'string' },
      },
    })
    const [service, name, ...more] = positionals
    if (service === undefined || name === undefined) throw new UsageError('name a service and an action, such as: tke DescribeClusters')
    if (more.length > 0) throw new UsageError(`"${more[0]}" is one word too many; parameters go into --params as JSON`)
    const raw = values.raw === true
    const action = findAction(service, name, raw ? values['api-version'] : undefined, raw)
    const method = methodOf(values.method)
    const signMethod = signMethodOf(values['sign-method'])
    if (values.body !== undefined && (method !== 'POST' || signMethod !== 'TC3-HMAC-SHA256')) {
      throw new UsageError('--body goes with a TC3 POST; the other forms carry the parameters encoded')
    }
    if (values.body !== undefined && values.params !== undefined) throw new UsageError('give either --params or --body')
    const params = paramsOf(values.params)
    if (!raw && values.body === undefined) validateRequest(`${service}.${name}`, action.input, params)

    const config = await loadConfig({ env: io.env, folder: io.cwd, schemas: {}, others: 'ignore', purpose: 'package' })
    const endpoint: Endpoint = values.endpoint === undefined ? config.platform.endpoint : { kind: 'url', url: values.endpoint }
    const region = values.region ?? config.platform.region
    if (region === undefined && action.regional && !raw)
      throw new UsageError('the region is missing: give --region or set TENCENTCLOUD_REGION')
    const credentials = firstCredentials([
      environmentCredentials(io.env),
      homeCredentials({ homeDirectory: homedir(), clock: systemClock }),
    ])
    const origin = originOf(endpoint, service)

    const exact = values.timestamp !== undefined || values.nonce !== undefined || values.body !== undefined
    const connect = async (): Promise<Transport> => {
      const { caFile, allowInsecureHttp } = config.platform
      return createTransport({
        clock: systemClock,
        allowedHosts: allowedHosts(endpoint, [service], config.platform.allowedHosts),
        allowInsecureHttp,
        environment: io.env,
        ...(caFile === undefined ? {} : { ca: await readCa(caFile) }),
      })
    }
    if (values['dry-run'] === true || exact) {
      const signed = await signOnce({
        action,
        origin,
        credentials,
        region,
        params,
        method,
        signMethod,
        language: values.language,
        exactBody: values.body,
        timestamp:
          values.timestamp === undefined
            ? Math.floor(systemClock.now() / 1000)
            : parseWhole(values.timestamp, '--timestamp', 0, 253_402_300_799),
        nonce: values.nonce === undefined ? randomInt(1, 2 ** 31) : parseWhole(values.nonce, '--nonce', 0, Number.MAX_SAFE_INTEGER),
      })
      if (values['dry-run'] === true) {
        io.out(JSON.stringify(printable(signed, origin), null, 2))
        return 0
      }
      const transport = await connect()
      try {
        io.out(stringifyJson(await sendOnce(action, signed, origin, transport, io.signal), 'keep'))
      } finally {
        await transport.close()
      }
      return 0
    }
    const client = createClient({
      credentials,
      ...(region === undefined ? {} : { region }),
      endpoint,
      clock: systemClock,
      transport: await connect(),
      random: Math.random,
      signMethod,
      httpMethod: method,
      ...(values.language === undefined ? {} : { language: values.language }),
    })
    try {
      const answer = await client.send(action, params, { signal: io.signal, raw })
      io.out(stringifyJson(answer, 'keep'))
    } finally {
      await client.close()
    }
    return 0
  },
}

/** Versions of services outside the catalog that the manual's own signature examples call. */
const manualVersions: Readonly<Record<string, string>> = { cvm: '2017-03-12' }

function findAction(service: string, name: string, version: string | undefined, raw: boolean): Action {
  const action = knownAction(service, name)
  if (action !== undefined) return action
  const apiVersion = version ?? (Object.hasOwn(manualVersions, service) ? manualVersions[service] : undefined)
  if (raw && apiVersion !== undefined) {
    return { service, version: apiVersion, name, effect: 'write', repeat: 'relative', ratePerSecond: 20, regional: true, input: {} }
  }
  const services = Object.keys(allActions)
  const known = Object.hasOwn(allActions, service) ? allActions[service] : undefined
  if (known === undefined) {
    throw new UsageError(`there is no service "${service}"; known are ${services.join(' and ')}. Others need --raw --api-version.`)
  }
  const elsewhere = services.find((other) => knownAction(other, name) !== undefined)
  const near = nearest(name, Object.keys(known))
  const advice = elsewhere !== undefined ? `It belongs to ${elsewhere}.` : near === undefined ? '' : `Did you mean ${near}?`
  throw new UsageError(`${service} has no action "${name}". ${advice}`.trimEnd())
}

/** An action of the catalog; names that every object has are none. */
function knownAction(service: string, name: string): Action | undefined {
  const known = Object.hasOwn(allActions, service) ? allActions[service] : undefined
  return known !== undefined && Object.hasOwn(known, name) ? known[name] : undefined
}

function methodOf(word = 'POST'): HttpMethod {
  if (word === 'POST' || word === 'GET') return word
  throw new UsageError(`--method takes POST or GET, not "${word}"`)
}

function signMethodOf(word = 'TC3'): SignMethod {
  if (word === 'TC3' || word === 'TC3-HMAC-SHA256') return 'TC3-HMAC-SHA256'
  if (word === 'HmacSHA1' || word === 'HmacSHA256') return word
  throw new UsageError(`--sign-method takes TC3, HmacSHA1 or HmacSHA256, not "${word}"`)
}

function paramsOf(word = '{}'): object {
  let params: unknown
  try {
    params = parseExactJson(word)
  } catch (error) {
    if (error instanceof JsonError) throw new UsageError(`--params takes JSON: ${error.message}`)
    throw error
  }
  if (typeof params !== 'object' || params === null || Array.isArray(params)) throw new UsageError('--params takes a JSON object')
  return params
}

async function signOnce(options: {
  readonly action: Action
  readonly origin: string
  readonly credentials: CredentialSource
  readonly region: string | undefined
  readonly params: object
  readonly method: HttpMethod
  readonly signMethod: SignMethod
  readonly language: string | undefined
  readonly exactBody: string | undefined
  readonly timestamp: number
  readonly nonce: number
}): Promise<SignedRequest> {
  const { action, signMethod } = options
  const input = {
    credentials: await options.credentials(),
    method: options.method,
    host: hostOf(options.origin),
    service: action.service,
    action: action.name,
    version: action.version,
    region: options.region,
    language: options.language,
    params: options.params,
    timestamp: options.timestamp,
  }
  return signMethod === 'TC3-HMAC-SHA256'
    ? signTc3({ ...input, exactBody: options.exactBody })
    : // HmacSHA1 is what the platform assumes when the request names no method, as in the manual's own example.
      signV1({ ...input, ...(signMethod === 'HmacSHA256' ? { signatureMethod: signMethod } : {}), nonce: options.nonce })
}

/** Sends exactly what was signed, once, and opens the answer. Throws CloudError. */
async function sendOnce(action: Action, signed: SignedRequest, origin: string, transport: Transport, signal: AbortSignal): Promise<object> {
  let answer: WireAnswer
  try {
    answer = await transport.send({
      origin,
      method: signed.method,
      path: signed.path,
      headers: signed.headers,
      ...(signed.method === 'POST' ? { body: signed.body } : {}),
      deadline: systemClock.now() + onceTimeoutMs,
      signal,
    })
  } catch (error) {
    if (error instanceof TransportError) throw transportFailure(action, error).error
    throw error
  }
  const response = readAnswer(action, answer)
  if (response instanceof Failure) throw response.error
  return response
}

const onceTimeoutMs = 30_000

/** The request for people and scripts: header names as the manual spells them, and a curl command that sends it. */
function printable(signed: SignedRequest, origin: string): object {
  const url = `${origin}${signed.path}`
  const headers = Object.fromEntries(Object.entries(signed.headers).map(([name, value]) => [spelled(name), value]))
  const parts = ['curl', '-sS', '-X', signed.method, quote(url)]
  for (const [name, value] of Object.entries(headers)) parts.push('-H', quote(`${name}: ${value}`))
  if (signed.method === 'POST') parts.push('--data-binary', quote(signed.body))
  return { method: signed.method, url, headers, body: signed.body, curl: parts.join(' ') }
}

const spellings: Readonly<Record<string, string>> = {
  'x-tc-action': 'X-TC-Action',
  'x-tc-version': 'X-TC-Version',
  'x-tc-timestamp': 'X-TC-Timestamp',
  'x-tc-region': 'X-TC-Region',
  'x-tc-token': 'X-TC-Token',
  'x-tc-language': 'X-TC-Language',
  'x-tc-requestclient': 'X-TC-RequestClient',
}

function spelled(name: string): string {
  return spellings[name] ?? name.replace(/(^|-)([a-z])/g, (_, dash: string, letter: string) => `${dash}${letter.toUpperCase()}`)
}

/** One word for a POSIX shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}

import { createHash, createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { allLeniencies, type Leniency, type ReceivedCall, type Verdict, verifySignature } from '#infra/sandbox/verify-signature.ts'

interface Vector {
  readonly name: string
  readonly inputs: {
    readonly secretId: string
    readonly secretKey: string
    readonly token: string | null
    readonly host: string
    readonly timestamp: number
  }
  readonly outputs: { readonly requestLine: string; readonly rawHeaders: [string, string][]; readonly bodyHex: string }
  readonly independentCheck: { readonly accept: boolean }
}

const vectors = (JSON.parse(readFileSync(new URL('../../vectors/signing.json', import.meta.url), 'utf8')) as { vectors: Vector[] }).vectors

function receivedOf({ outputs }: Vector): ReceivedCall {
  const [method = '', target = ''] = outputs.requestLine.split(' ')
  return { method, target, headers: outputs.rawHeaders, body: Buffer.from(outputs.bodyHex, 'hex') }
}

function verdictOf(vector: Vector, leniencies: readonly Leniency[], changes: { now?: number; call?: Partial<ReceivedCall> } = {}): Verdict {
  const { secretId, secretKey, token, timestamp } = vector.inputs
  return verifySignature(
    { ...receivedOf(vector), ...changes.call },
    {
      now: changes.now ?? timestamp * 1000,
      service: ['tke', 'tcr'].find((service) => vector.inputs.host.startsWith(service)) ?? 'tke',
      credentialOf: (asked) => (asked === secretId ? { secretId, secretKey, ...(token === null ? {} : { token }) } : undefined),
      leniencies,
    },
  )
}

describe('recorded requests of the official SDK', () => {
  test('there are 45, of both methods', () => {
    expect(vectors).toHaveLength(45)
    expect(vectors.filter(({ independentCheck }) => !independentCheck.accept)).toHaveLength(5)
  })

  test.each(vectors.map((vector) => [vector.name, vector] as const))('%s: the strict verdict is the independent one', (_, vector) => {
    expect(verdictOf(vector, []).accepted).toBe(vector.independentCheck.accept)
  })

  test('with the named leniencies exactly one more is accepted: the endpoint with an IP address and a port', () => {
    const changed = vectors.filter((vector) => verdictOf(vector, allLeniencies).accepted !== verdictOf(vector, []).accepted)
    expect(changed.map(({ name }) => name)).toEqual(['tc3-post-endpoint-ip-port'])
    for (const leniency of allLeniencies) {
      expect(verdictOf(changed[0]!, [leniency]).accepted).toBe(false)
    }
  })

  test.each(vectors.filter(({ independentCheck }) => independentCheck.accept).map((vector) => [vector.name, vector] as const))(
    '%s: any change of body, query or key is refused, and so is another time',
    (_, vector) => {
      const call = receivedOf(vector)
      const isPost = call.method === 'POST'
      const changed = isPost ? { body: Buffer.concat([call.body, Buffer.from('&X=1')]) } : { target: `${call.target}&X=1` }
      expect(verdictOf(vector, allLeniencies, { call: changed })).toMatchObject({ accepted: false, code: 'AuthFailure.SignatureFailure' })
      const { timestamp } = vector.inputs
      expect(verdictOf(vector, [], { now: (timestamp + 300) * 1000 }).accepted).toBe(true)
      expect(verdictOf(vector, [], { now: (timestamp - 300) * 1000 }).accepted).toBe(true)
      for (const now of [(timestamp + 301) * 1000, (timestamp - 301) * 1000]) {
        expect(verdictOf(vector, [], { now })).toMatchObject({ accepted: false, code: 'AuthFailure.SignatureExpire' })
      }
      const otherKey = { ...vector, inputs: { ...vector.inputs, secretKey: `${vector.inputs.secretKey}x` } }
      expect(verdictOf(otherKey, [])).toMatchObject({ accepted: false, code: 'AuthFailure.SignatureFailure' })
      const otherId = { ...vector, inputs: { ...vector.inputs, secretId: 'AKIDSOMEBODYELSE' } }
      expect(verdictOf(otherId, [])).toMatchObject({ accepted: false, code: 'AuthFailure.SecretIdNotFound' })
      const otherToken = { ...vector, inputs: { ...vector.inputs, token: 'another token' } }
      expect(verdictOf(otherToken, [])).toMatchObject({ accepted: false, code: 'AuthFailure.TokenFailure' })
    },
  )
})

const secretId = 'AKIDTEST'
const secretKey = 'a key for tests'
const timestamp = 1_551_113_065

interface Tc3Choices {
  readonly date?: string
  readonly service?: string
  readonly signedHeaders?: string
  readonly headers?: readonly (readonly [string, string])[]
  readonly token?: string
  readonly host?: string
  readonly timestamp?: string
  readonly method?: 'GET' | 'POST'
  readonly query?: string
}

/** Signs as the manual says, with every choice open, so that each rule can be broken alone. */
function tc3Call(choices: Tc3Choices = {}): ReceivedCall {
  const method = choices.method ?? 'POST'
  const body = Buffer.from(method === 'POST' ? '{"Limit":20}' : '')
  const query = choices.query ?? ''
  const host = choices.host ?? 'tke.example.com'
  const headers: (readonly [string, string])[] = [
    ['Content-Type', 'application/json'],
    ['Host', host],
    ['X-TC-Timestamp', choices.timestamp ?? String(timestamp)],
    ...(choices.token === undefined ? [] : [['X-TC-Token', choices.token] as const]),
    ...(choices.headers ?? []),
  ]
  const date = choices.date ?? '2019-02-25'
  const service = choices.service ?? 'tke'
  const signedHeaders = choices.signedHeaders ?? 'content-type;host'
  const headerValue = (name: string) => headers.findLast(([given]) => given.toLowerCase() === name)?.[1] ?? ''
  const canonicalHeaders = signedHeaders.split(';').map((name) => `${name}:${headerValue(name).trim().toLowerCase()}\n`)
  const hash = (data: string | Buffer) => createHash('sha256').update(data).digest('hex')
  const canonical = [method, '/', method === 'POST' ? '' : query, canonicalHeaders.join(''), signedHeaders, hash(body)].join('\n')
  const stringToSign = `TC3-HMAC-SHA256\n${headerValue('x-tc-timestamp')}\n${date}/${service}/tc3_request\n${hash(canonical)}`
  const mac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
  const signature = mac(mac(mac(mac(`TC3${secretKey}`, date), service), 'tc3_request'), stringToSign).toString('hex')
  const authorization = `TC3-HMAC-SHA256 Credential=${secretId}/${date}/${service}/tc3_request, SignedHeaders=${signedHeaders}, Signature=${signature}`
  return { method, target: query === '' ? '/' : `/?${query}`, headers: [...headers, ['Authorization', authorization]], body }
}

function verify(call: ReceivedCall, options: { token?: string; leniencies?: readonly Leniency[]; now?: number } = {}): Verdict {
  return verifySignature(call, {
    now: options.now ?? timestamp * 1000,
    service: 'tke',
    credentialOf: (asked) =>
      asked === secretId ? { secretId, secretKey, ...(options.token === undefined ? {} : { token: options.token }) } : undefined,
    leniencies: options.leniencies ?? [],
  })
}

describe('TC3-HMAC-SHA256, rule by rule', () => {
  test('accepts a signature over the two required headers, and over more', () => {
    expect(verify(tc3Call())).toEqual({ accepted: true, secretId, signatureMethod: 'TC3-HMAC-SHA256' })
    const signedHeaders = 'content-type;host;x-tc-action'
    expect(verify(tc3Call({ headers: [['X-TC-Action', 'DescribeClusters']], signedHeaders })).accepted).toBe(true)
  })

  test.each([
    ['content-type is not signed', { signedHeaders: 'host' }, /content-type and host/],
    ['host is not signed', { signedHeaders: 'content-type' }, /content-type and host/],
    ['a signed header is named twice', { signedHeaders: 'content-type;host;host' }, /repeats/],
    ['a signed header is not in lower case', { signedHeaders: 'Content-Type;content-type;host' }, /lower-case/],
    ['the signed headers are not sorted', { signedHeaders: 'host;content-type' }, /sorted/],
    ['a signed header is missing', { signedHeaders: 'content-type;host;x-tc-action' }, /no such header/],
    ['the date is the local one and not the UTC one', { date: '2019-02-26' }, /2019-02-25 UTC/],
    ['the scope names another service', { service: 'tcr' }, /"tcr"/],
  ] as const)('refuses when %s', (_, choices, message) => {
    expect(verify(tc3Call(choices))).toMatchObject({
      accepted: false,
      code: 'AuthFailure.SignatureFailure',
      message: expect.stringMatching(message),
    })
  })

  test('signs the query of a GET, also when there is none, and none of a POST', () => {
    expect(verify(tc3Call({ method: 'GET' })).accepted).toBe(true)
    expect(verify(tc3Call({ method: 'GET', query: 'Limit=20&Offset=0' })).accepted).toBe(true)
    expect(verify({ ...tc3Call({ method: 'GET', query: 'Limit=20' }), target: '/?Limit=21' }).accepted).toBe(false)
    expect(verify(tc3Call({ query: 'ignored=1' })).accepted).toBe(true)
  })

  test('refuses an Authorization header of another form as a wrong signature, whatever else is there', () => {
    for (const authorization of ['SKIP', 'Bearer token', 'TC3-HMAC-SHA256 Credential=AKIDTEST/2019-02-25/tke/tc3_request']) {
      const headers = [...tc3Call().headers.filter(([name]) => name !== 'Authorization'), ['Authorization', authorization] as const]
      expect(verify({ ...tc3Call(), headers })).toMatchObject({
        code: 'AuthFailure.SignatureFailure',
        message: expect.stringContaining('form'),
      })
    }
  })

  test('refuses a time that is no number', () => {
    expect(verify(tc3Call({ timestamp: '2019-02-25' }))).toMatchObject({ accepted: false, code: 'InvalidParameterValue' })
  })

  test('a temporary key needs its own token, another key takes none', () => {
    expect(verify(tc3Call({ token: 't' }), { token: 't' }).accepted).toBe(true)
    for (const [sent, held] of [
      [undefined, 't'],
      ['u', 't'],
      ['tt', 't'],
      ['t', undefined],
    ]) {
      const verdict = verify(tc3Call(sent === undefined ? {} : { token: sent }), held === undefined ? {} : { token: held })
      expect(verdict).toMatchObject({ accepted: false, code: 'AuthFailure.TokenFailure' })
    }
  })

  test('forgives a port that was not signed, and a scope of the host, only when told to', () => {
    const port = tc3Call({ host: 'tke.example.com' })
    const sentWithPort: ReceivedCall = {
      ...port,
      headers: port.headers.map(([name, value]) => [name, name === 'Host' ? `${value}:8080` : value]),
    }
    expect(verify(sentWithPort).accepted).toBe(false)
    expect(verify(sentWithPort, { leniencies: ['host-without-port'] }).accepted).toBe(true)
    const scoped = tc3Call({ host: '127.0.0.1', service: '127' })
    expect(verify(scoped).accepted).toBe(false)
    expect(verify(scoped, { leniencies: ['scope-from-host'] }).accepted).toBe(true)
    expect(verify(tc3Call({ host: '127.0.0.1', service: '128' }), { leniencies: allLeniencies }).accepted).toBe(false)
  })

  test('property: no Authorization header that was made up is accepted, and none throws', () => {
    const good = tc3Call()
    const authorization = good.headers.find(([name]) => name === 'Authorization')?.[1] ?? ''
    fc.assert(
      fc.property(fc.nat({ max: authorization.length - 1 }), fc.string({ maxLength: 3 }), (position, replacement) => {
        const forged = authorization.slice(0, position) + replacement + authorization.slice(position + 1)
        const call = {
          ...good,
          headers: [...good.headers.filter(([name]) => name !== 'Authorization'), ['Authorization', forged] as const],
        }
        fc.pre(forged.replace(/\s*,\s*/g, ', ').replace(/^(\S+)\s+/, '$1 ') !== authorization)
        expect(verify(call).accepted).toBe(false)
      }),
      { seed: 3, numRuns: 500 },
    )
  })
})

describe('v1, rule by rule', () => {
  function v1Call(params: Record<string, string>, method: 'GET' | 'POST' = 'GET', algorithm = 'sha1'): ReceivedCall {
    const all = {
      Action: 'DescribeClusters',
      Nonce: '11886',
      SecretId: secretId,
      Timestamp: String(timestamp),
      Version: '2018-05-25',
      ...params,
    }
    const sorted = Object.entries(all).sort(([left], [right]) => (left < right ? -1 : 1))
    const text = `${method}tke.example.com/?${sorted.map(([name, value]) => `${name}=${value}`).join('&')}`
    const signature = createHmac(algorithm, secretKey).update(text).digest('base64')
    const form = [...sorted, ['Signature', signature]].map(([name, value]) => `${name}=${encodeURIComponent(value ?? '')}`).join('&')
    return {
      method,
      target: method === 'GET' ? `/?${form}` : '/',
      headers: [
        ['Host', 'tke.example.com'],
        ['Content-Type', 'application/x-www-form-urlencoded'],
      ],
      body: Buffer.from(method === 'GET' ? '' : form),
    }
  }

  test('signs raw values sorted by code unit, with SHA-1 unless SignatureMethod says HmacSHA256', () => {
    expect(verify(v1Call({ Name: 'a b&c=d+e/ü', 'Ids.2': 'x', 'Ids.12': 'y' }))).toMatchObject({
      accepted: true,
      signatureMethod: 'HmacSHA1',
    })
    expect(verify(v1Call({ SignatureMethod: 'HmacSHA256' }, 'POST', 'sha256'))).toMatchObject({
      accepted: true,
      signatureMethod: 'HmacSHA256',
    })
    expect(verify(v1Call({ SignatureMethod: 'HmacSHA1' }, 'POST')).accepted).toBe(true)
    expect(verify(v1Call({ SignatureMethod: 'HmacSHA256' }, 'POST', 'sha1'))).toMatchObject({
      accepted: false,
      code: 'AuthFailure.SignatureFailure',
    })
  })

  test('names the common parameter that is missing, and a nonce that is none', () => {
    const bare = (query: string): ReceivedCall => ({
      method: 'GET',
      target: `/?${query}`,
      headers: [['Host', 'tke.example.com']],
      body: Buffer.alloc(0),
    })
    expect(verify(bare(''))).toMatchObject({ code: 'MissingParameter', message: expect.stringContaining('SecretId') })
    expect(verify(bare('SecretId=x&Timestamp=1&Nonce=1'))).toMatchObject({
      code: 'MissingParameter',
      message: expect.stringContaining('Signature'),
    })
    expect(verify(bare('SecretId=x&Signature=y&Nonce=1'))).toMatchObject({
      code: 'MissingParameter',
      message: expect.stringContaining('Timestamp'),
    })
    expect(verify(v1Call({ Nonce: '-5' }))).toMatchObject({ code: 'InvalidParameterValue', message: expect.stringContaining('Nonce') })
  })

  test('refuses a parameter that occurs twice, since either could have been signed', () => {
    const call = v1Call({ Limit: '5' })
    expect(verify({ ...call, target: `${call.target}&Limit=100` })).toMatchObject({
      code: 'InvalidParameter',
      message: expect.stringContaining('twice'),
    })
  })
})

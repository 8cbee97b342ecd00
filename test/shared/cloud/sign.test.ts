import { createHash, createHmac } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CloudError } from '#cloud/errors.ts'
import { JsonError } from '#cloud/json.ts'
import { type SignedRequest, type SignTc3Input, type SignV1Input, signTc3, signV1 } from '#cloud/sign.ts'
import vectorFile from '../../vectors/signing.json' with { type: 'json' }

interface Vector {
  readonly name: string
  readonly inputs: {
    readonly signMethod: string
    readonly secretId: string
    readonly secretKey: string
    readonly token: string | null
    readonly host: string
    readonly service: string
    readonly action: string
    readonly version: string
    readonly region: string | null
    readonly timestamp: number
    readonly nonce: number | null
    readonly method: 'POST' | 'GET'
    readonly language: string | null
    readonly params: unknown
  }
  readonly outputs: {
    readonly path: string
    readonly query: string
    readonly rawHeaders: readonly (readonly [string, string])[]
    readonly authorization?: string
    readonly contentType?: string
    readonly bodyHex?: string
    readonly bodyUtf8?: string
    readonly signature?: string
  }
  readonly independentCheck: { readonly accept: boolean; readonly expectedSignature?: string; readonly stringToSign?: string }
}

const vectors = vectorFile.vectors as unknown as readonly Vector[]

/** The vectors write what JSON cannot say as marks. */
function unmark(value: unknown): unknown {
  if (value === '<undefined>') return undefined
  if (value === '<NaN>') return Number.NaN
  if (Array.isArray(value)) return value.map(unmark)
  if (typeof value === 'object' && value !== null) {
    if ('$bigint' in value) return BigInt(String(value.$bigint))
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, unmark(member)]))
  }
  return value
}

function sign(vector: Vector, params: unknown = unmark(vector.inputs.params)): SignedRequest {
  const { inputs, outputs } = vector
  const header = (name: string) => outputs.rawHeaders.find(([key]) => key === name)?.[1]
  const common = {
    credentials: { secretId: inputs.secretId, secretKey: inputs.secretKey, ...(inputs.token === null ? {} : { token: inputs.token }) },
    method: inputs.method,
    host: inputs.host,
    service: inputs.service,
    action: inputs.action,
    version: inputs.version,
    region: inputs.region ?? undefined,
    language: inputs.language ?? undefined,
    requestClient: vectorFile.sdk.requestClient,
    params: params as object,
    timestamp: inputs.timestamp,
  }
  if (inputs.signMethod === 'TC3-HMAC-SHA256') return signTc3({ ...common, contentType: header('Content-Type') })
  return signV1({ ...common, nonce: inputs.nonce ?? -1, signatureMethod: inputs.signMethod as 'HmacSHA1' | 'HmacSHA256' })
}

const accepted = vectors.filter((vector) => vector.independentCheck.accept)
/** A platform's own fault that a strict server happens to accept: a field that is undefined is sent as an empty text in a TC3 GET. */
const sentEmpty = 'tc3-get-undefined-field'

describe("the requests that the platform's SDK really sent", () => {
  test('there are 45, of which 40 are signed right', () => {
    expect(vectors.length).toBe(45)
    expect(accepted.length).toBe(40)
  })

  test.each(accepted.map((vector) => [vector.name, vector] as const))('%s is reproduced byte for byte', (name, vector) => {
    const { outputs } = vector
    const signed = name === sentEmpty ? sign(vector, { Limit: '', Offset: 0 }) : sign(vector)
    expect(signed.path).toBe(outputs.query === '' ? '/' : `/?${outputs.query}`)
    expect(Buffer.from(signed.body).toString('hex')).toBe(outputs.bodyHex ?? '')
    // Of a header that the SDK sent twice, the last one is what it signed.
    const expected = Object.fromEntries(
      outputs.rawHeaders
        .map(([key, value]) => [key.toLowerCase(), value] as const)
        .filter(
          ([key]) =>
            key === 'host' || key === 'content-type' || key === 'authorization' || (key.startsWith('x-tc-') && key !== 'x-tc-traceid'),
        ),
    )
    expect(signed.headers).toEqual(expected)
    expect(signed.host).toBe(expected.host)
    expect(signed.method).toBe(vector.inputs.method)
    const signature = vector.independentCheck.expectedSignature ?? ''
    expect(signature.length).toBeGreaterThan(20)
    if (vector.inputs.signMethod === 'TC3-HMAC-SHA256') expect(signed.headers.authorization).toMatch(new RegExp(`Signature=${signature}$`))
    else expect(parametersOf(signed).get('Signature')).toBe(signature)
  })
})

describe('where the SDK signs something else than it sends, ours signs what it sends', () => {
  const vector = (name: string): Vector => {
    const found = vectors.find((candidate) => candidate.name === name)
    if (found === undefined) throw new Error(`no vector ${name}`)
    expect(found.independentCheck.accept).toBe(false)
    return found
  }

  test('an endpoint with a port: the port is signed, and the scope names the service, not the first label of the address', () => {
    const { inputs, outputs } = vector('tc3-post-endpoint-ip-port')
    const signed = sign({ ...vector('tc3-post-endpoint-ip-port'), inputs: { ...inputs, service: 'tke' } })
    expect(signed.headers.host).toBe('127.0.0.1:8080')
    expect(signed.headers.authorization).toContain('/2019-02-25/tke/tc3_request')
    expect(signed.headers.authorization).not.toBe(outputs.authorization)
    expect(verifyTc3(signed, inputs.secretKey)).toBe(true)
    // With the scope that the SDK had, a strict server computes the very signature that ours sends.
    expect(sign(vector('tc3-post-endpoint-ip-port')).headers.authorization).toContain(
      `Signature=${vector('tc3-post-endpoint-ip-port').independentCheck.expectedSignature}`,
    )
  })

  test('a text instead of a request is refused', () => {
    expect(failure(() => sign(vector('tc3-post-empty-string-request')))).toMatchObject({
      kind: 'cloud.invalid-request',
      action: 'tke.DescribeClusters',
      retryable: false,
    })
  })

  test.each(['v1-HmacSHA1-GET-nan', 'v1-HmacSHA256-GET-nan'])('%s: a NaN is refused', (name) => {
    const error = failure(() => sign(vector(name)))
    expect(error.kind).toBe('cloud.invalid-request')
    expect(error.message).toContain('tke.DescribeClusters')
    expect(error.message).toContain('Limit is NaN')
    expect(error.cause).toBeInstanceOf(JsonError)
    expect(failure(() => signTc3({ ...tc3, params: { Filters: [{ Values: [Number.NaN] }] } })).message).toContain(
      'Filters[0].Values[0] is NaN',
    )
  })

  test('there is no way to skip the signature', () => {
    const skipped = vector('tc3-post-skipsign')
    expect(skipped.outputs.authorization).toBe('SKIP')
    expect(verifyTc3(sign(skipped), skipped.inputs.secretKey)).toBe(true)
  })

  test('a field that is undefined is left out of a GET, as it is out of a POST', () => {
    const found = vectors.find(({ name }) => name === sentEmpty)
    expect(found && sign(found).path).toBe('/?Offset=0')
  })
})

describe('the examples of the manual, with the signatures that belong to their inputs', () => {
  const credentials = { secretId: 'AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE', secretKey: 'Gu5t9xGARNpq86cd98joQYCN3EXAMPLE' }
  const describeInstances = { credentials, method: 'GET', service: 'cvm', action: 'DescribeInstances', version: '2017-03-12' } as const

  test.each([
    ['cvm.finance.cloud.tencent.com', '404c983c', '7a51', 'e58ba76f0ad56875e1ef9f67e4930f28ba11e300c6f055aace641b06f433ff1b'],
    [
      'cvm.tencentcloudapi.com',
      '91c9c192c14460df6c1ffc69e34e6c5e90708de2a6d282cccf957dbf1aa7f3a7',
      'f3a7',
      '5da7a33f6993f0614b047e5df4582db9e9bf4672ba50567dba16c6ccf174c474',
    ],
  ])('v3 for %s', (host, hashStart, hashEnd, signature) => {
    const signed = signTc3({ ...describeInstances, host, region: 'shjr', params: { Limit: 10, Offset: 0 }, timestamp: 1_539_084_154 })
    const canonical = canonicalRequest(signed)
    expect(sha256(canonical).startsWith(hashStart)).toBe(true)
    expect(sha256(canonical).endsWith(hashEnd)).toBe(true)
    expect(signed.headers.authorization).toBe(
      `TC3-HMAC-SHA256 Credential=${credentials.secretId}/2018-10-09/cvm/tc3_request, SignedHeaders=content-type;host, Signature=${signature}`,
    )
  })

  test.each([
    ['cvm.finance.cloud.tencent.com', 'shjr', '8UAj5grJNx3uGNuyi0M6Gd1f5gY='],
    ['cvm.tencentcloudapi.com', 'ap-guangzhou', 'EliP9YW3pW28FpsEdkXt/+WcGeI='],
  ])('v1 for %s in %s', (host, region, signature) => {
    const signed = signV1({
      ...describeInstances,
      host,
      region,
      params: { InstanceIds: ['ins-09dx96dg'], Offset: 0, Limit: 20 },
      timestamp: 1_465_185_768,
      nonce: 11_886,
    })
    expect(parametersOf(signed).get('Signature')).toBe(signature)
    expect(signed.path).toContain(`Signature=${encodeURIComponent(signature)}`)
    expect(signed.path).not.toContain('SignatureMethod')
  })
})

describe('what a request may hold', () => {
  test('a 64-bit integer keeps all its digits in both signatures', () => {
    expect(signTc3({ ...tc3, params: { Offset: 9_007_199_254_740_993n } }).body).toBe('{"Offset":9007199254740993}')
    expect(signV1({ ...v1, params: { Offset: 9_007_199_254_740_993n } }).body).toContain('Offset=9007199254740993&')
  })

  test.each([
    ['a Date', { From: new Date(0) }, 'From is a Date'],
    ['a Map', { Labels: new Map([['a', 1]]) }, 'Labels is a Map'],
    ['Infinity', { Limit: Number.POSITIVE_INFINITY }, 'Limit is Infinity'],
    ['a function', { Limit: () => 1 }, 'Limit is a function'],
    ['a symbol', { Limit: Symbol('x') }, 'Limit is a symbol'],
  ])('%s is refused by both signatures and named', (_name, params, text) => {
    expect(failure(() => signTc3({ ...tc3, params })).message).toContain(text)
    expect(failure(() => signV1({ ...v1, params })).message).toContain(text)
    expect(failure(() => signTc3({ ...tc3, method: 'GET', params })).kind).toBe('cloud.invalid-request')
  })

  test('a request that contains itself is refused, not a stack overflow', () => {
    const circle: Record<string, unknown> = {}
    circle.Again = circle
    expect(failure(() => signTc3({ ...tc3, params: circle })).message).toContain('contains itself')
    expect(failure(() => signV1({ ...v1, params: circle })).message).toContain('contains itself')
  })

  test('undefined inside a list is refused in JSON, where it would become null', () => {
    expect(failure(() => signTc3({ ...tc3, params: { Ids: ['a', undefined] } })).message).toContain('Ids[1] is undefined')
  })

  test.each([null, undefined, 7, 'x'])('%j as the request is refused', (params) => {
    expect(failure(() => signTc3({ ...tc3, params: params as unknown as object })).message).toContain('no plain object')
    expect(failure(() => signV1({ ...v1, params: params as unknown as object })).message).toContain('no plain object')
  })

  test('a list as the request is refused', () => {
    expect(failure(() => signTc3({ ...tc3, params: ['a'] })).message).toContain('no plain object')
    expect(failure(() => signV1({ ...v1, params: ['a'] })).message).toContain('no plain object')
  })

  test('in v1, a field with the name of a common parameter or with a separator in its name is refused', () => {
    for (const name of [
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
    ]) {
      const error = failure(() => signV1({ ...v1, params: { [name]: 'x' } }))
      expect([error.kind, error.message]).toEqual([
        'cloud.invalid-request',
        `tke.DescribeClusters: the field ${name} has the name of a common parameter, so signature v1 cannot carry it; use TC3-HMAC-SHA256; nothing was sent.`,
      ])
    }
    expect(failure(() => signV1({ ...v1, params: { 'A=1&B': 'x' } })).message).toContain('cannot be a parameter')
    expect(failure(() => signV1({ ...v1, params: { 'Filters.0.Name': 'x' } })).message).toContain('cannot be a parameter')
  })

  test('half a character is refused where it must be UTF-8, and escaped in JSON', () => {
    expect(failure(() => signV1({ ...v1, params: { Name: 'a\ud800' } })).message).toContain('half a character')
    expect(signTc3({ ...tc3, params: { Name: 'a\ud800' } }).body).toBe('{"Name":"a\\ud800"}')
  })

  test('the apostrophe is encoded in a query, where URL parsers would, and kept in a form', () => {
    expect(signTc3({ ...tc3, method: 'GET', params: { Name: "it's" } }).path).toBe('/?Name=it%27s')
    expect(signV1({ ...v1, method: 'GET', params: { Name: "it's" } }).path).toContain('Name=it%27s&')
    expect(signV1({ ...v1, params: { Name: "it's" } }).body).toContain("Name=it's&")
  })
})

describe('what never reaches a header', () => {
  test.each([
    ['region', { region: 'ap\r\nx-evil: 1' }],
    ['language', { language: 'en\nUS' }],
    ['requestClient', { requestClient: 'a\r\nb' }],
    ['action', { action: 'Describe\nClusters' }],
    ['version', { version: '2018\n' }],
  ])('a bad %s is refused', (_name, change) => {
    const text =
      'the action, version, region, language, client name or content type holds a character that a header cannot carry; nothing was sent.'
    for (const error of [failure(() => signTc3({ ...tc3, ...change })), failure(() => signV1({ ...v1, ...change }))]) {
      expect(error.kind).toBe('cloud.invalid-request')
      expect(error.message).toMatch(new RegExp(`: ${text}$`))
      expect(Object.hasOwn(error, 'cause')).toBe(false)
    }
  })

  test('a content type with a line break is refused', () => {
    expect(failure(() => signTc3({ ...tc3, contentType: 'application/json\r\nx: 1' })).kind).toBe('cloud.invalid-request')
  })

  test.each([
    'tke.example.com/..',
    'tke example',
    '',
    'tke:',
    'tke:123456',
    'tke:8o',
    'a/b:80',
    '[::1',
    'x[::1]',
    '[::1]/x',
    '[::1]:',
    '[::1]:123456',
    '[]',
    '[::g]',
    'tke.example.com\r\nx: 1',
  ])('%j is no host', (host) => {
    for (const error of [failure(() => signTc3({ ...tc3, host })), failure(() => signV1({ ...v1, host }))]) {
      expect([error.kind, error.message]).toEqual([
        'cloud.invalid-request',
        `tke.DescribeClusters: ${JSON.stringify(host)} is no host; nothing was sent.`,
      ])
    }
  })

  test.each(['a', 'A-b_9.x', 'a:1', 'a:65535', '[::1]', '[FE80::1:2.3.4.5]:80'])('%j is a host, and is sent in lower case', (host) => {
    expect(signTc3({ ...tc3, host }).headers.host).toBe(host.toLowerCase())
    expect(verifyTc3(signTc3({ ...tc3, host }), tc3.credentials.secretKey)).toBe(true)
    expect(verifyV1(signV1({ ...v1, host }), v1.credentials.secretKey)).toBe(true)
  })

  test.each(['', 'tke/x', 'TKE', 'tke.', 'a b', 'x'.repeat(64)])('%j is no service', (service) => {
    const error = failure(() => signTc3({ ...tc3, service }))
    expect([error.kind, error.message]).toEqual([
      'cloud.invalid-request',
      `${service}.DescribeClusters: ${JSON.stringify(service)} is no service; nothing was sent.`,
    ])
    expect(failure(() => signV1({ ...v1, service })).message).toBe(error.message)
  })

  test('the longest name of a service is signed to its end, in the last second that has a date of four digits', () => {
    for (const service of ['x'.repeat(62), 'x'.repeat(63)]) {
      const signed = signTc3({ ...tc3, service, timestamp: 253_402_300_799 })
      expect(signed.headers.authorization).toContain(`/9999-12-31/${service}/tc3_request`)
      expect(verifyTc3(signed, tc3.credentials.secretKey)).toBe(true)
    }
  })

  test.each([1.5, Number.NaN, Number.POSITIVE_INFINITY, -1, 253_402_300_800, 1_539_084_154_000])('%d is no timestamp', (timestamp) => {
    for (const error of [failure(() => signTc3({ ...tc3, timestamp })), failure(() => signV1({ ...v1, timestamp }))]) {
      expect([error.kind, error.message]).toEqual([
        'cloud.invalid-request',
        `tke.DescribeClusters: the timestamp ${timestamp} is no whole number of seconds since 1970; nothing was sent.`,
      ])
    }
  })

  test('the first second of 1970 is a timestamp', () => {
    expect(signTc3({ ...tc3, timestamp: 0 }).headers.authorization).toContain('/1970-01-01/tke/')
    expect(parametersOf(signV1({ ...v1, timestamp: 0 })).get('Timestamp')).toBe('0')
  })

  test.each([
    [{ secretId: '', secretKey: 'k' }, 'the secret id is empty'],
    [{ secretId: 'AK ID', secretKey: 'k' }, 'the secret id holds a character that no id has'],
    [{ secretId: 'AK/ID', secretKey: 'k' }, 'the secret id holds a character that no id has'],
    [{ secretId: 'AK,ID', secretKey: 'k' }, 'the secret id holds a character that no id has'],
    [{ secretId: 'AKID\n', secretKey: 'k' }, 'the secret id holds a character that no id has'],
    [{ secretId: 'AKID', secretKey: '' }, 'the secret key is empty'],
    [{ secretId: 'AKID', secretKey: 'k', token: 'a\nb' }, 'the token holds a character that a header cannot carry'],
  ])('credentials that cannot sign are refused without being quoted: %j', (credentials, what) => {
    for (const error of [failure(() => signTc3({ ...tc3, credentials })), failure(() => signV1({ ...v1, credentials }))]) {
      expect([error.kind, error.message]).toEqual(['cloud.credentials', `tke.DescribeClusters: ${what}; nothing was sent.`])
    }
  })

  test.each([0.5, -1, Number.NaN, 2 ** 53])('%d is no nonce', (nonce) => {
    const error = failure(() => signV1({ ...v1, nonce }))
    expect([error.kind, error.message]).toEqual([
      'cloud.invalid-request',
      `tke.DescribeClusters: the nonce ${nonce} is no positive integer; nothing was sent.`,
    ])
  })

  test('a content type is sent and signed without blanks around it, in lower case', () => {
    const signed = signTc3({ ...tc3, contentType: '  Application/JSON; charset=UTF-8 ' })
    expect(signed.headers['content-type']).toBe('application/json; charset=utf-8')
    expect(verifyTc3(signed, tc3.credentials.secretKey)).toBe(true)
  })

  test('an absent region, language, token and client name are no headers and no parameters', () => {
    expect(Object.keys(signTc3({ ...tc3, region: '', language: undefined }).headers).sort()).toEqual([
      'authorization',
      'content-type',
      'host',
      'x-tc-action',
      'x-tc-timestamp',
      'x-tc-version',
    ])
    expect([...parametersOf(signV1({ ...v1, region: '', params: {} })).keys()].sort()).toEqual([
      'Action',
      'Nonce',
      'SecretId',
      'Signature',
      'SignatureMethod',
      'Timestamp',
      'Version',
    ])
  })
})

describe('the size limits of the manual', () => {
  const textOf = (bytes: number): string => 'x'.repeat(bytes)

  test('a GET may carry 32 KB in its path, and not a byte more', () => {
    const overhead = '/?Name='.length
    expect(signTc3({ ...tc3, method: 'GET', params: { Name: textOf(32_768 - overhead) } }).path.length).toBe(32_768)
    const error = failure(() => signTc3({ ...tc3, method: 'GET', params: { Name: textOf(32_769 - overhead) } }))
    expect(error.kind).toBe('cloud.invalid-request')
    expect(error.message).toContain('tke.DescribeClusters')
    expect(error.message).toContain('32769 bytes')
    expect(error.message).toContain('32768')
  })

  test('a v1 POST may carry 1 MB', () => {
    const overhead = signV1({ ...v1, params: { Name: '' } }).body.length
    // The Base64 of a signature has no fixed number of characters to encode: look for the edge within its spread.
    expect(signV1({ ...v1, params: { Name: textOf(1_048_576 - overhead - 40) } }).body.length).toBeLessThanOrEqual(1_048_576)
    const error = failure(() => signV1({ ...v1, params: { Name: textOf(1_048_576 - overhead + 40) } }))
    expect(error.message).toContain('1048576 with HmacSHA256;')
    const { signatureMethod: _, ...unnamed } = v1
    expect(failure(() => signV1({ ...unnamed, params: { Name: textOf(1_048_576) } })).message).toContain('1048576 with HmacSHA1;')
    expect(error.message).toContain('TC3-HMAC-SHA256')
  })

  test('a TC3 POST may carry 10 MB, counted in bytes and not in characters', () => {
    const overhead = '{"Name":""}'.length
    expect(signTc3({ ...tc3, params: { Name: textOf(10_485_760 - overhead) } }).body.length).toBe(10_485_760)
    expect(failure(() => signTc3({ ...tc3, params: { Name: textOf(10_485_761 - overhead) } })).message).toContain('10485761 bytes')
    expect(failure(() => signTc3({ ...tc3, params: { Name: '集'.repeat(3_500_000) } })).message).toContain(`${10_500_000 + overhead} bytes`)
  })
})

describe('the cache of derived keys', () => {
  test('credentials whose key was exchanged in place are not signed with the old key', () => {
    const credentials = { secretId: 'AKID', secretKey: 'first' }
    signTc3({ ...tc3, credentials })
    credentials.secretKey = 'second'
    expect(verifyTc3(signTc3({ ...tc3, credentials }), 'second')).toBe(true)
  })

  test('every day and service gets its own key, also after more scopes than the cache holds', () => {
    const credentials = { secretId: 'AKID', secretKey: 'key' }
    for (const _round of [1, 2]) {
      for (let day = 0; day < 40; day += 1) {
        const signed = signTc3({ ...tc3, credentials, timestamp: 1_551_113_065 + day * 86_400, service: day % 2 === 0 ? 'tke' : 'tcr' })
        expect(verifyTc3(signed, 'key')).toBe(true)
      }
    }
  })

  test('the last second of a day and the first of the next belong to different days, in UTC', () => {
    const midnight = 1_551_139_200
    expect(signTc3({ ...tc3, timestamp: midnight - 1 }).headers.authorization).toContain('/2019-02-25/tke/')
    expect(signTc3({ ...tc3, timestamp: midnight }).headers.authorization).toContain('/2019-02-26/tke/')
  })

  test('a signed request shows no secret key', () => {
    const { secretKey } = tc3.credentials
    expect(inspect(signTc3(tc3), { depth: 9 })).not.toContain(secretKey)
    expect(inspect(signV1(v1), { depth: 9 })).not.toContain(secretKey)
  })
})

const runs = { seed: 20_251_124, numRuns: 300 }
const leaf = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.integer(),
  fc.boolean(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)
const field = fc.stringMatching(/^[A-Z][A-Za-z]{0,8}[a-z]x$/)
const tree = fc.letrec((tie) => ({
  node: fc.oneof({ depthSize: 'small' }, leaf, fc.array(tie('node'), { maxLength: 12 }), fc.dictionary(field, tie('node'), { maxKeys: 4 })),
}))
const requests = fc.dictionary(field, tree.node, { maxKeys: 5 })
const hosts = fc.constantFrom(
  'tke.tencentcloudapi.com',
  'TKE.api3.Finance.cloud.tencent.com',
  '127.0.0.1:8787',
  'localhost:80',
  '[::1]:8787',
  'a',
)
const common = {
  credentials: fc.record({
    secretId: fc.stringMatching(/^AKID[A-Za-z0-9]{1,32}$/),
    secretKey: fc.stringMatching(/^[\x21-\x7e]{1,40}$/),
    token: fc.option(fc.stringMatching(/^[\x21-\x7e]{1,60}$/), { nil: undefined }),
  }),
  method: fc.constantFrom('POST' as const, 'GET' as const),
  host: hosts,
  service: fc.constantFrom('tke', 'tcr', 'cvm'),
  action: fc.constantFrom('DescribeClusters', 'DescribeImagePersonal'),
  version: fc.constantFrom('2018-05-25', '2019-09-24'),
  region: fc.option(fc.constantFrom('ap-guangzhou', 'shjr'), { nil: undefined }),
  language: fc.option(fc.constantFrom('zh-CN', 'en-US'), { nil: undefined }),
  requestClient: fc.option(fc.constant('longshore/0.1'), { nil: undefined }),
  params: requests,
  timestamp: fc.integer({ min: 0, max: 4_102_444_800 }),
}

describe('an independent implementation, written from the manual, agrees', () => {
  test('with TC3 for any request', () => {
    fc.assert(
      fc.property(fc.record(common), (input) => {
        const signed = signTc3(input as SignTc3Input)
        expect(verifyTc3(signed, input.credentials.secretKey)).toBe(true)
        expect(verifyTc3({ ...signed, body: `${signed.body} ` }, input.credentials.secretKey)).toBe(signed.method === 'GET')
        expect(signTc3(input as SignTc3Input)).toEqual(signed)
        if (signed.method === 'POST') expect(plain(JSON.parse(signed.body))).toEqual(plain(input.params))
      }),
      runs,
    )
  })

  test('with v1 for any request', () => {
    fc.assert(
      fc.property(
        fc.record({ ...common, signatureMethod: fc.constantFrom(undefined, 'HmacSHA1' as const, 'HmacSHA256' as const), nonce: fc.nat() }),
        (input) => {
          const signed = signV1(input as SignV1Input)
          const parameters = parametersOf(signed)
          expect(verifyV1(signed, input.credentials.secretKey)).toBe(true)
          expect(verifyV1(signed, `${input.credentials.secretKey}x`)).toBe(false)
          expect(parameters.get('Nonce')).toBe(String(input.nonce))
          expect(parameters.get('Token')).toBe(input.credentials.token)
          expect(signV1(input as SignV1Input)).toEqual(signed)
        },
      ),
      runs,
    )
  })
})

// An independent re-implementation: from the request as sent back to its signature, with createHash and createHmac only.

function sha256(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex')
}

function hmac256(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'utf8').digest()
}

function canonicalRequest(signed: SignedRequest): string {
  const query = signed.path.includes('?') ? signed.path.slice(signed.path.indexOf('?') + 1) : ''
  const names = ['content-type', 'host']
  const lines = names.map((name) => `${name}:${(signed.headers[name] ?? '').trim().toLowerCase()}\n`)
  const payload = signed.method === 'GET' ? '' : signed.body
  return [signed.method, '/', signed.method === 'GET' ? query : '', lines.join(''), names.join(';'), sha256(payload)].join('\n')
}

function verifyTc3(signed: SignedRequest, secretKey: string): boolean {
  const match =
    /^TC3-HMAC-SHA256 Credential=([^/]+)\/(\d{4}-\d\d-\d\d)\/([a-z0-9]+)\/tc3_request, SignedHeaders=content-type;host, Signature=([0-9a-f]{64})$/.exec(
      signed.headers.authorization ?? '',
    )
  if (match === null) return false
  const [, , date = '', service = '', signature] = match
  const timestamp = Number(signed.headers['x-tc-timestamp'])
  if (date !== new Date(timestamp * 1000).toISOString().slice(0, 10)) return false
  const text = ['TC3-HMAC-SHA256', timestamp, `${date}/${service}/tc3_request`, sha256(canonicalRequest(signed))].join('\n')
  return hmac256(hmac256(hmac256(hmac256(`TC3${secretKey}`, date), service), 'tc3_request'), text).toString('hex') === signature
}

function parametersOf(signed: SignedRequest): Map<string, string> {
  const text = signed.method === 'GET' ? signed.path.slice(2) : signed.body
  return new Map(
    text.split('&').map((part) => {
      const at = part.indexOf('=')
      return [decodeURIComponent(part.slice(0, at)), decodeURIComponent(part.slice(at + 1))]
    }),
  )
}

function verifyV1(signed: SignedRequest, secretKey: string): boolean {
  const parameters = parametersOf(signed)
  const signature = parameters.get('Signature')
  parameters.delete('Signature')
  const sorted = [...parameters.keys()].sort().map((name) => `${name}=${parameters.get(name)}`)
  const algorithm = parameters.get('SignatureMethod') === 'HmacSHA256' ? 'sha256' : 'sha1'
  return (
    createHmac(algorithm, secretKey)
      .update(`${signed.method}${signed.headers.host}/?${sorted.join('&')}`)
      .digest('base64') === signature
  )
}

/** Values as JSON.parse gives them back, and objects with one prototype. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (Object.is(value, -0)) return 0
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]))
  return value
}

const tc3: SignTc3Input = {
  credentials: { secretId: 'AKIDEXAMPLE', secretKey: 'KeyEXAMPLE0123456789' },
  method: 'POST',
  host: 'tke.tencentcloudapi.com',
  service: 'tke',
  action: 'DescribeClusters',
  version: '2018-05-25',
  region: 'ap-guangzhou',
  params: { Limit: 20 },
  timestamp: 1_551_113_065,
}
const v1: SignV1Input = { ...tc3, nonce: 11_886, signatureMethod: 'HmacSHA256' }

function failure(run: () => unknown): CloudError {
  try {
    run()
  } catch (error) {
    return error as CloudError
  }
  throw new Error('it did not fail')
}

import { createHmac } from 'node:crypto'
import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import type { FaultRule } from '#infra/sandbox/faults.ts'
import { newWorld } from '#infra/sandbox/seeds/new-world.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { codeOf, must, type RawCall, rawCall, refusalOf, signedCall } from './sandbox-call.ts'

const start = Date.parse('2026-03-01T02:00:00Z')

let sandbox: Sandbox

beforeEach(async () => {
  sandbox = await startSandbox({ world: newWorld(), clock: createSandboxClock({ startMs: start, frozen: true }), rates: false })
  sandbox.push({ repo: 'shop/web', tag: 'v1' })
})

afterEach(() => sandbox.close())

function envelopeOf(text: string): { Error?: { Code: string; Message: string }; RequestId: string } {
  return (JSON.parse(text) as { Response: { Error?: { Code: string; Message: string }; RequestId: string } }).Response
}

/** Signs by v1 and sends; `pad` makes the request longer without making it invalid. */
function v1Call(params: Record<string, string>, method: 'GET' | 'POST'): RawCall {
  const host = `127.0.0.1:${sandbox.port}`
  const all = {
    Nonce: '11886',
    SecretId: sandboxCredential.secretId,
    Timestamp: String(sandbox.clock.now() / 1000),
    Version: '2019-09-24',
    ...params,
  }
  const sorted = Object.entries(all).sort(([left], [right]) => (left < right ? -1 : 1))
  const text = `${method}${host}/?${sorted.map(([name, value]) => `${name}=${value}`).join('&')}`
  const signature = createHmac('sha1', sandboxCredential.secretKey).update(text).digest('base64')
  const form = [...sorted, ['Signature', signature]].map(([name, value]) => `${name}=${encodeURIComponent(value ?? '')}`).join('&')
  return method === 'GET'
    ? { method, path: `/?${form}`, headers: { host } }
    : { method, headers: { host, 'content-type': 'application/x-www-form-urlencoded' }, body: form }
}

describe('answers', () => {
  test('are HTTP 200 with an envelope, a RequestId of its own and the time of the sandbox', async () => {
    const call = () => rawCall(sandbox, signedCall(sandbox, 'DescribeRepositoryPersonal', { RepoName: 'shop/web' }))
    const [first, second] = [await call(), await call()]
    expect(first.status).toBe(200)
    expect(first.headers['content-type']).toBe('application/json')
    expect(first.headers['content-length']).toBe(String(Buffer.byteLength(first.text)))
    expect(first.headers.date).toBe('Sun, 01 Mar 2026 02:00:00 GMT')
    expect(Object.keys(JSON.parse(first.text) as object)).toEqual(['Response'])
    expect(envelopeOf(first.text).RequestId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(envelopeOf(first.text).RequestId).not.toBe(envelopeOf(second.text).RequestId)
  })

  test('are HTTP 200 for refusals as well, with code, message and RequestId', async () => {
    const answer = await rawCall(sandbox, signedCall(sandbox, 'DescribeRepositoryPersonal', { RepoName: 'shop/none' }))
    expect(answer.status).toBe(200)
    expect(envelopeOf(answer.text)).toEqual({
      Error: { Code: 'ResourceNotFound.ErrNoRepo', Message: 'There is no repository "shop/none".' },
      RequestId: expect.any(String),
    })
  })

  test('repeat byte for byte with seed, clock and calls; another seed gives other ids', async () => {
    const trace = async (seed: number) => {
      const twin = await startSandbox({
        world: newWorld(),
        clock: createSandboxClock({ startMs: start, frozen: true }),
        rates: false,
        seed,
      })
      twin.faults.add({ fault: { kind: 'throttle' }, probability: 0.5 })
      const texts: string[] = []
      for (let index = 0; index < 20; index++) {
        const call = signedCall({ ...twin, port: 80 }, 'CreateInstance', { RegistryName: `name-${index}`, RegistryType: 'basic' })
        texts.push((await rawCall(twin, call)).text)
      }
      await twin.close()
      return texts.join('\n')
    }
    const one = await trace(1)
    expect(await trace(1)).toBe(one)
    expect(await trace(2)).not.toBe(one)
    expect(one).toContain('RequestLimitExceeded')
    expect(one).toContain('"RegistryId":"tcr-')
  })
})

describe('refusals before an action is asked', () => {
  const change = (changes: { readonly [Key in keyof RawCall]?: RawCall[Key] }, name = 'DescribeRepositoryPersonal'): RawCall => {
    const call = signedCall(sandbox, name, { RepoName: 'shop/web' })
    return { ...call, ...changes, headers: { ...call.headers, ...changes.headers } }
  }
  const code = async (call: RawCall) => envelopeOf((await rawCall(sandbox, call)).text).Error?.Code

  test('other methods than GET and POST', async () => {
    for (const method of ['PUT', 'DELETE', 'PATCH']) {
      expect(await code(change({ method }))).toBe('UnsupportedProtocol')
    }
  })

  test('no action, no version, another version, an action nobody has, an action of the other service', async () => {
    expect(await code(change({ headers: { 'x-tc-action': '' } }))).toBe('MissingParameter')
    expect(await code(change({ headers: { 'x-tc-version': '' } }))).toBe('MissingParameter')
    expect(await code(change({ headers: { 'x-tc-version': '2018-05-25' } }))).toBe('NoSuchVersion')
    expect(await code(change({}, 'DescribeNothing'))).toBe('InvalidAction')
    expect(await code(change({ headers: { host: 'tke.localhost' } }))).toBe('InvalidAction')
  })

  test('no signature, a broken one, and the wrong content type', async () => {
    const { headers, body } = signedCall(sandbox, 'DescribeRepositoryPersonal', { RepoName: 'shop/web' })
    const { authorization: _, ...unsigned } = headers
    expect(await code({ headers: unsigned, body })).toBe('MissingParameter')
    expect(await code(change({ headers: { authorization: 'SKIP' } }))).toBe('AuthFailure.SignatureFailure')
    expect(await code(change({ headers: { 'content-type': 'text/plain' } }))).toBe('InvalidParameter')
    expect(await code(change({ body: '{"RepoName":"shop/other"}' }))).toBe('AuthFailure.SignatureFailure')
    expect(await code({ method: 'GET', path: '/' })).toBe('MissingParameter')
    expect(await code({ method: 'POST', body: '' })).toBe('MissingParameter')
  })

  test('a body that is no JSON object', async () => {
    for (const body of ['{', '[]', '"x"', '5', 'null']) {
      expect(await codeOf(sandbox, 'DescribeRepositoryOwnerPersonal', JSON.parse(JSON.stringify({ body })) as object), body).toBe(
        'UnknownParameter',
      )
      expect(await code(signedCall(sandbox, 'DescribeRepositoryOwnerPersonal', body)), body).toBe('InvalidParameter')
    }
    expect(await code(signedCall(sandbox, 'DescribeRepositoryOwnerPersonal', ''))).toBeUndefined()
  })

  test('parameters: missing, unknown, of another type, each named by its path; null is not sent', async () => {
    const refusal = (request: object) => refusalOf(sandbox, 'DescribeInstances', request)
    const named = (Code: string, path: string) => ({ Code, Message: expect.stringContaining(`\`${path}\``) })
    expect(await refusal({ Colour: 'red' })).toMatchObject(named('UnknownParameter', 'Colour'))
    expect(await refusal({ Filters: [{ Name: 'Status', Values: [], Colour: 1 }] })).toMatchObject(
      named('UnknownParameter', 'Filters.0.Colour'),
    )
    expect(await refusal({ Filters: [{ Values: [] }] })).toMatchObject(named('MissingParameter', 'Filters.0.Name'))
    expect(await refusal({ Filters: [{ Name: 'Status', Values: ['a', 5] }] })).toMatchObject(
      named('InvalidParameterValue', 'Filters.0.Values.1'),
    )
    expect(await refusal({ Filters: 'x' })).toMatchObject(named('InvalidParameterValue', 'Filters'))
    expect(await refusal({ Filters: ['x'] })).toMatchObject(named('InvalidParameterValue', 'Filters.0'))
    expect(await refusal({ Limit: '20' })).toMatchObject(named('InvalidParameterValue', 'Limit'))
    expect(await refusal({ Limit: 1.5 })).toMatchObject(named('InvalidParameterValue', 'Limit'))
    expect(await refusal({ AllRegion: 'true' })).toMatchObject(named('InvalidParameterValue', 'AllRegion'))
    expect(await refusal({ constructor: 1 })).toMatchObject(named('UnknownParameter', 'constructor'))
    expect(await refusal({ Limit: null, Filters: null })).toBeUndefined()
    expect(await codeOf(sandbox, 'DescribeRepositoryPersonal', { RepoName: null })).toBe('MissingParameter')
    expect(await codeOf(sandbox, 'CreateRepositoryPersonal', { RepoName: 'shop/x', Public: -1 })).toBe('InvalidParameterValue')
  })

  test('64-bit integers are neither rounded nor taken beyond their range', async () => {
    const text = '{"Offset":9007199254740993}'
    expect(await code(signedCall(sandbox, 'DescribeRepositoryOwnerPersonal', text))).toBeUndefined()
    expect(sandbox.journal.at(-1)?.request).toEqual({ Offset: 9_007_199_254_740_993n })
    expect(await code(signedCall(sandbox, 'DescribeRepositoryOwnerPersonal', '{"Offset":9223372036854775808}'))).toBe(
      'InvalidParameterValue',
    )
    expect(await code(v1Call({ Action: 'DescribeRepositoryOwnerPersonal', Offset: '9007199254740993' }, 'POST'))).toBeUndefined()
    expect(sandbox.journal.at(-1)?.request).toEqual({ Offset: 9_007_199_254_740_993n })
  })

  test('flat parameters that build nothing', async () => {
    const v1 = (params: Record<string, string>) => code(v1Call({ Action: 'DescribeInstances', ...params }, 'GET'))
    expect(await v1({ 'Registryids.0': 'a', 'Registryids.2': 'b' })).toBe('InvalidParameter')
    expect(await v1({ Registryids: 'a', 'Registryids.0': 'b' })).toBe('InvalidParameter')
    expect(await v1({ Registryids: 'a' })).toBe('InvalidParameterValue')
    expect(await v1({ 'Limit.0': '5' })).toBe('InvalidParameterValue')
    expect(await v1({ AllRegion: 'yes' })).toBe('InvalidParameterValue')
    expect(await v1({ 'Colour.0': 'red' })).toBe('UnknownParameter')
    expect(await v1({ 'Registryids.0': 'a', Limit: '5', AllRegion: 'true' })).toBeUndefined()
    const call = v1Call({ Action: 'DescribeInstances' }, 'GET')
    expect(await code({ ...call, path: `${call.path}&Bad=%FF` })).toBe('InvalidParameter')
  })

  test('requests that are larger than the manual allows, and not those that are just as large', async () => {
    const sized = (method: 'GET' | 'POST', size: number) => {
      const length = (call: RawCall) => (method === 'GET' ? call.path : String(call.body))?.length ?? 0
      const params = { Action: 'ModifyRepositoryInfoPersonal', RepoName: 'shop/web' }
      const pad = size - length(v1Call({ ...params, Description: '' }, method))
      // How long the signature is in percent-encoding depends on its bytes, so nonces are tried until the sum is right.
      for (let nonce = 10_000; nonce < 11_000; nonce++) {
        const call = v1Call({ ...params, Nonce: String(nonce), Description: 'x'.repeat(pad) }, method)
        if (length(call) === size) {
          return call
        }
      }
      throw new Error('no nonce fits')
    }
    expect(await code(sized('GET', 32 * 1024))).toBeUndefined()
    expect(await code(sized('GET', 32 * 1024 + 1))).toBe('InvalidParameter')
    expect(await code(sized('POST', 1024 * 1024))).toBeUndefined()
    expect(await code(sized('POST', 1024 * 1024 + 1))).toBe('InvalidParameter')
    const json = (size: number) => {
      const frame = JSON.stringify({ RepoName: 'shop/web', Description: '' }).length
      return signedCall(sandbox, 'ModifyRepositoryInfoPersonal', { RepoName: 'shop/web', Description: 'x'.repeat(size - frame) })
    }
    expect(await code(json(10 * 1024 * 1024))).toBeUndefined()
    const refused = await rawCall(sandbox, { ...json(10 * 1024 * 1024 + 1) })
    expect(refused.closed || envelopeOf(refused.text).Error?.Code === 'InvalidParameter').toBe(true)
    expect(sandbox.journal.at(-1)).toMatchObject({ code: 'InvalidParameter', applied: false })
  })

  test('a key that may not call the action', async () => {
    const credential = { secretId: 'AKIDREADER', secretKey: 'k', allow: ['tcr:Describe*', 'tke:DescribeClusters'] }
    expect(await codeOf(sandbox, 'DescribeImagePersonal', { RepoName: 'shop/web' }, { credential })).toBe('AuthFailure.SecretIdNotFound')
    sandbox.addCredential(credential)
    expect(await codeOf(sandbox, 'DescribeImagePersonal', { RepoName: 'shop/web' }, { credential })).toBeUndefined()
    expect(await codeOf(sandbox, 'DescribeClusters', {}, { credential })).toBeUndefined()
    expect(await codeOf(sandbox, 'DescribeRegions', {}, { credential })).toBe('AuthFailure.UnauthorizedOperation')
    expect(await codeOf(sandbox, 'DeleteImagePersonal', { RepoName: 'shop/web', Tag: 'v1' }, { credential })).toBe(
      'AuthFailure.UnauthorizedOperation',
    )
  })

  test('regions: required where the action takes one, known, and ignored elsewhere', async () => {
    expect(await codeOf(sandbox, 'DescribeClusters', {}, { region: '' })).toBe('MissingParameter')
    expect(await codeOf(sandbox, 'DescribeClusters', {}, { region: 'mars-north' })).toBe('UnsupportedRegion')
    expect(await codeOf(sandbox, 'DescribeRepositoryPersonal', { RepoName: 'shop/web' }, { region: 'mars-north' })).toBeUndefined()
  })

  test('calls beyond the published rate, until a second has passed or rates are off', async () => {
    sandbox.rates.enabled = true
    const describeTags = () => codeOf(sandbox, 'DescribeImagePersonal', { RepoName: 'shop/web' })
    const codes = await Promise.all(Array.from({ length: 25 }, describeTags))
    expect(codes.filter((refused) => refused === undefined)).toHaveLength(20)
    expect(codes.filter((refused) => refused === 'RequestLimitExceeded')).toHaveLength(5)
    expect(await codeOf(sandbox, 'DescribeRepositoryPersonal', { RepoName: 'shop/web' })).toBeUndefined()
    sandbox.clock.move(1000)
    expect(await describeTags()).toBeUndefined()
    sandbox.rates.enabled = false
    expect(await Promise.all(Array.from({ length: 25 }, describeTags))).toEqual(Array.from({ length: 25 }, () => undefined))
  })
})

describe('the journal', () => {
  test('has every call with effect, key, code and what was asked; an unknown action counts as a write', async () => {
    await must(sandbox, 'DescribeImagePersonal', { RepoName: 'shop/web' })
    await must(sandbox, 'DeleteImagePersonal', { RepoName: 'shop/web', Tag: 'none' })
    await codeOf(sandbox, 'DeleteImagePersonal', { RepoName: 'shop/none', Tag: 'v1' })
    await codeOf(sandbox, 'DestroyEverything', {})
    const { secretId } = sandboxCredential
    expect(sandbox.journal).toMatchObject([
      { sequence: 1, service: 'tcr', action: 'DescribeImagePersonal', effect: 'read', secretId, at: start, applied: false },
      { sequence: 2, action: 'DeleteImagePersonal', effect: 'write', applied: true, request: { RepoName: 'shop/web', Tag: 'none' } },
      { sequence: 3, action: 'DeleteImagePersonal', effect: 'write', applied: false, code: 'ResourceNotFound.ErrNoRepo' },
      { sequence: 4, service: '', action: 'DestroyEverything', effect: 'write', applied: false, code: 'InvalidAction' },
    ])
    expect(sandbox.journal[0]).not.toHaveProperty('code')
    const ids = sandbox.journal.map(({ requestId }) => requestId)
    expect(new Set(ids).size).toBe(4)
  })

  test('shows no password', async () => {
    await codeOf(sandbox, 'CreateUserPersonal', { Password: 'correct horse' })
    await codeOf(sandbox, 'ModifyUserPasswordPersonal', { Password: 'correct horse' })
    expect(sandbox.journal.map(({ request }) => request)).toEqual([{ Password: '***' }, { Password: '***' }])
  })

  test('counts a forwarded request by its own method', async () => {
    for (const Method of ['GET', 'get', 'PATCH', 'POST']) {
      await codeOf(sandbox, 'ForwardRequest', { Method, Path: '/api/v1/pods', ClusterName: 'cls-none' })
    }
    await codeOf(sandbox, 'ForwardRequest', {})
    expect(sandbox.journal.map(({ effect }) => effect)).toEqual(['read', 'read', 'write', 'write', 'write'])
  })
})

describe('faults on the wire', () => {
  const tags = () => Object.keys(sandbox.world.tcr.repositories['shop/web']?.tags ?? {})
  const remove = () => rawCall(sandbox, signedCall(sandbox, 'DeleteImagePersonal', { RepoName: 'shop/web', Tag: 'v1' }))
  const once = (fault: FaultRule['fault']) => sandbox.faults.add({ fault, count: 1, match: { action: 'DeleteImagePersonal' } })

  afterEach(() => {
    expect(sandbox.faults.fired).toHaveLength(1)
  })

  test('drop-before: the connection dies and nothing has happened', async () => {
    once({ kind: 'drop-before' })
    expect(await remove()).toMatchObject({ status: 0, text: '', closed: true })
    expect(tags()).toEqual(['v1'])
    expect(sandbox.journal.at(-1)).toMatchObject({ effect: 'write', applied: false, code: 'fault.drop-before', faults: ['drop-before'] })
  })

  test('drop-after: the connection dies and everything has happened', async () => {
    once({ kind: 'drop-after' })
    expect(await remove()).toMatchObject({ status: 0, text: '', closed: true })
    expect(tags()).toEqual([])
    expect(sandbox.journal.at(-1)).toMatchObject({ effect: 'write', applied: true, faults: ['drop-after'] })
    expect(sandbox.journal.at(-1)).not.toHaveProperty('code')
  })

  test.each([
    ['before', ['v1']],
    ['after', []],
  ] as const)('5xx %s: a gateway page that is no envelope', async (when, left) => {
    once({ kind: '5xx', status: 502, when })
    const answer = await remove()
    expect([answer.status, answer.headers['content-type'], answer.closed]).toEqual([502, 'text/html', false])
    expect(answer.text).toContain('502 Bad Gateway')
    expect(tags()).toEqual(left)
  })

  test.each([
    ['before', ['v1'], false],
    ['after', [], true],
  ] as const)('internal-error %s: an envelope that does not say whether it happened', async (when, left, applied) => {
    once({ kind: 'internal-error', when })
    const answer = await remove()
    expect(envelopeOf(answer.text).Error?.Code).toBe('InternalError')
    expect(tags()).toEqual(left)
    expect(sandbox.journal.at(-1)).toMatchObject({ code: 'InternalError', applied })
  })

  test('throttle: refused as if the rate were used up', async () => {
    once({ kind: 'throttle' })
    expect(envelopeOf((await remove()).text).Error?.Code).toBe('RequestLimitExceeded')
    expect(tags()).toEqual(['v1'])
  })

  test('clock-skew: the signature is refused, and Date tells how to correct it', async () => {
    once({ kind: 'clock-skew', skewMs: 600_000 })
    const answer = await remove()
    expect(envelopeOf(answer.text).Error?.Code).toBe('AuthFailure.SignatureExpire')
    expect(answer.headers.date).toBe('Sun, 01 Mar 2026 02:10:00 GMT')
    expect(tags()).toEqual(['v1'])
  })

  test('clock-skew: a caller who corrects itself gets through', async () => {
    sandbox.faults.add({ fault: { kind: 'clock-skew', skewMs: -420_000 } })
    expect(await codeOf(sandbox, 'DeleteImagePersonal', { RepoName: 'shop/web', Tag: 'v1' }, { now: start - 420_000 })).toBeUndefined()
    expect(tags()).toEqual([])
  })

  test('truncated-body: the call is carried out, half of the announced answer comes, the connection dies', async () => {
    once({ kind: 'truncated-body' })
    const answer = await remove()
    expect(answer.status).toBe(200)
    expect(answer.closed).toBe(true)
    expect(answer.text.length).toBe(Math.floor(Number(answer.headers['content-length']) / 2))
    expect(answer.text.startsWith('{"Response":')).toBe(true)
    expect(tags()).toEqual([])
  })

  test('slow-body: the second half comes later', async () => {
    once({ kind: 'slow-body', pauseMs: 80 })
    const startedAt = performance.now()
    const answer = await remove()
    expect(performance.now() - startedAt).toBeGreaterThan(70)
    expect([answer.closed, envelopeOf(answer.text).Error]).toEqual([false, undefined])
  })

  test('latency: the call waits in real time and then happens', async () => {
    once({ kind: 'latency', latencyMs: 80 })
    const startedAt = performance.now()
    expect(envelopeOf((await remove()).text).Error).toBeUndefined()
    expect(performance.now() - startedAt).toBeGreaterThan(70)
    expect(tags()).toEqual([])
  })

  test.each([
    ['repeat-row', 3, ['v3', 'v2', 'v3']],
    ['skip-row', 3, ['v3', 'v1']],
    ['wrong-total', 4, ['v3', 'v2', 'v1']],
  ] as const)('lying-page %s: only the answer lies', async (lie, total, shown) => {
    sandbox.push({ repo: 'shop/web', tag: 'v2' })
    sandbox.push({ repo: 'shop/web', tag: 'v3' })
    sandbox.faults.add({ fault: { kind: 'lying-page', lie }, count: 1 })
    const page = async () => (await must(sandbox, 'DescribeImagePersonal', { RepoName: 'shop/web' })).Data
    const lied = await page()
    expect([lied.TagCount, lied.TagInfo.map(({ TagName }) => TagName)]).toEqual([total, shown])
    const told = await page()
    expect([told.TagCount, told.TagInfo.map(({ TagName }) => TagName)]).toEqual([3, ['v3', 'v2', 'v1']])
  })

  test('forward-body: a successful call with a body that is none', async () => {
    sandbox.faults.add({ fault: { kind: 'forward-body', body: '' }, count: 1 })
    const { ResponseBody } = await must(sandbox, 'ForwardRequest', { Method: 'GET', Path: '/api/v1/pods', ClusterName: 'cls-none' })
    expect(ResponseBody).toBe('')
  })

  test('rbac-403: a successful call whose body is a Status of the cluster', async () => {
    sandbox.faults.add({ fault: { kind: 'rbac-403' }, match: { pathIncludes: '/pods' } })
    const { ResponseBody } = await must(sandbox, 'ForwardRequest', { Method: 'GET', Path: '/api/v1/pods', ClusterName: 'cls-none' })
    expect(JSON.parse(ResponseBody)).toMatchObject({ kind: 'Status', status: 'Failure', reason: 'Forbidden', code: 403 })
  })
})

describe('steering over HTTP', () => {
  const steer = async (method: string, path: string, body?: object | string, headers: Record<string, string> = {}) => {
    const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
    const answer = await rawCall(sandbox, { method, path, headers, ...(text === undefined ? {} : { body: text }) })
    return {
      status: answer.status,
      json: answer.headers['content-type'] === 'application/json' ? (JSON.parse(answer.text) as Record<string, unknown>) : {},
      text: answer.text,
    }
  }

  test('tells what there is', async () => {
    const { status, json } = await steer('GET', '/_sandbox')
    expect(status).toBe(200)
    expect(json).toHaveProperty(['POST /_sandbox/clock'])
    expect((await steer('GET', '/_sandbox/nothing')).status).toBe(404)
    expect((await steer('GET', '/_sandboxes')).status).toBe(404)
    expect((await steer('POST', '/v2/index.php', '{}')).status).toBe(404)
  })

  test('sets, moves, freezes and runs the clock', async () => {
    expect((await steer('POST', '/_sandbox/clock', { moveMs: 60_000 })).json).toMatchObject({ now: start + 60_000 })
    expect((await steer('POST', '/_sandbox/clock', { set: 1e12 })).json).toEqual({
      now: 1e12,
      utc: '2001-09-09T01:46:40.000Z',
    })
    expect((await steer('POST', '/_sandbox/clock', { run: true })).status).toBe(200)
    expect((await steer('POST', '/_sandbox/clock', { freeze: true })).status).toBe(200)
    const { json } = await steer('GET', '/_sandbox/clock')
    expect((await steer('GET', '/_sandbox/clock')).json).toEqual(json)
    expect(json.now).toBe(sandbox.clock.now())
  })

  test('pushes an image, shows the world and the calls', async () => {
    const { json } = await steer('POST', '/_sandbox/push', { repo: 'shop/web', tag: 'v2', content: 'x' })
    expect(json).toMatchObject({ row: 2, pushedAt: start })
    expect((await steer('POST', '/_sandbox/push', { repo: 'shop/web', tag: 'no name' })).status).toBe(409)
    expect((await steer('POST', '/_sandbox/push', { repo: 'shop/web', tga: 'v2' })).json.error).toMatch(/tga/)
    expect((await steer('GET', '/_sandbox/state')).json).toEqual(JSON.parse(JSON.stringify(sandbox.world)))
    await must(sandbox, 'DescribeImagePersonal', { RepoName: 'shop/web' })
    await rawCall(sandbox, signedCall(sandbox, 'DescribeRepositoryOwnerPersonal', '{"Offset":9007199254740993}'))
    expect((await steer('GET', '/_sandbox/calls?since=1')).json).toMatchObject({
      calls: [{ sequence: 2, action: 'DescribeRepositoryOwnerPersonal', request: { Offset: expect.any(Number) } }],
    })
  })

  test('adds, lists, removes and clears faults, raises a storm, and switches rates', async () => {
    const rule = { fault: { kind: '5xx', status: 503, when: 'before' }, match: { effect: 'read' }, count: 1 }
    const { json } = await steer('POST', '/_sandbox/faults', { add: rule })
    const answer = await rawCall(sandbox, signedCall(sandbox, 'DescribeImagePersonal', { RepoName: 'shop/web' }))
    expect(answer.status).toBe(503)
    expect((await steer('GET', '/_sandbox/faults')).json).toMatchObject({
      rules: [{ ...json, rule, firedCount: 1 }],
      fired: [{ kind: '5xx', at: start }],
    })
    expect((await steer('POST', '/_sandbox/faults', { remove: json.id })).json).toEqual({ removed: true })
    expect(
      (await steer('POST', '/_sandbox/faults', { storm: { seed: 1, probability: 1, match: { service: 'tcr' } } })).json.ids,
    ).toHaveLength(8)
    expect((await steer('POST', '/_sandbox/faults', { clear: true })).json).toEqual({ rules: [] })
    expect(await codeOf(sandbox, 'DescribeImagePersonal', { RepoName: 'shop/web' })).toBeUndefined()
    expect((await steer('POST', '/_sandbox/rates', { enabled: true })).json).toEqual({ enabled: true })
    expect(sandbox.rates.enabled).toBe(true)
  })

  test.each([
    [{ set: 8.64e15 + 1 }, /-271820-01-01.*\+275759-01-01/],
    [{ set: 8.64e15 }, /\+275759/],
    [{ moveMs: 8.64e15 }, /leave its range.*\+275759.*stays/],
    [{ moveMs: -1e16 }, /leave its range.*-271820/],
    [{ set: 1_772_330_400 }, /looks like seconds.*1772330400000 \(2026-03-01T02:00:00\.000Z\)/],
    [{ set: 0 }, /epoch milliseconds/],
    [{ set: -5 }, /epoch milliseconds/],
  ])('refuses %j before anything changes', async (command, why) => {
    const before = JSON.stringify(sandbox.world)
    const { status, json } = await steer('POST', '/_sandbox/clock', command)
    expect([status, json.error]).toEqual([400, expect.stringMatching(why)])
    expect(sandbox.clock.now()).toBe(start)
    expect(JSON.stringify(sandbox.world)).toBe(before)
    expect((await steer('GET', '/_sandbox/clock')).json).toMatchObject({ now: start })
  })

  test('refuses commands it does not understand, naming what is wrong', async () => {
    for (const [path, body, named] of [
      ['/_sandbox/clock', { sett: 5 }, /sett/],
      ['/_sandbox/clock', '{', /JSON/],
      ['/_sandbox/faults', { add: { fault: { kind: 'latency' } } }, /latencyMs/],
      ['/_sandbox/faults', { add: { fault: { kind: 'throttle', more: 1 } } }, /more/],
      ['/_sandbox/faults', { add: { fault: { kind: 'throttle' }, probability: 2 } }, /probability/],
      ['/_sandbox/rates', { enabled: 'yes' }, /enabled/],
    ] as const) {
      const { status, json } = await steer('POST', path, body)
      expect([status, json.error], JSON.stringify(body)).toEqual([400, expect.stringMatching(named)])
    }
    expect(sandbox.faults.rules).toEqual([])
  })

  test('is closed to web pages and to names that were made to point here', async () => {
    const host = `127.0.0.1:${sandbox.port}`
    for (const headers of [
      { origin: 'https://evil.example' },
      { host: 'evil.example' },
      { host: `localhost.evil.example:${sandbox.port}` },
    ]) {
      expect((await steer('POST', '/_sandbox/clock', { set: 5 }, headers)).status).toBe(403)
      expect((await steer('GET', '/_kubernetes/cls-none/api', undefined, headers)).status).toBe(403)
    }
    expect((await steer('GET', '/_sandbox/clock', undefined, { host, origin: `http://${host}` })).status).toBe(200)
    expect(sandbox.clock.now()).toBe(start)
  })
})

describe('closing', () => {
  test('ends idle connections and calls that wait inside a fault, at once and without a complaint', async () => {
    const complaints: string[] = []
    const original = process.stderr.write
    process.stderr.write = (text: string | Uint8Array) => {
      complaints.push(String(text))
      return true
    }
    try {
      sandbox.faults.add({ fault: { kind: 'latency', latencyMs: 60_000 }, match: { action: 'DescribeImagePersonal' } })
      sandbox.faults.add({ fault: { kind: 'slow-body', pauseMs: 60_000 } })
      const idle = connect(sandbox.port, '127.0.0.1')
      const idleClosed = new Promise((resolve) => idle.on('close', resolve))
      const waiting = rawCall(sandbox, signedCall(sandbox, 'DescribeImagePersonal', { RepoName: 'shop/web' }))
      const slow = rawCall(sandbox, signedCall(sandbox, 'DescribeRepositoryPersonal', { RepoName: 'shop/web' }))
      while (sandbox.faults.fired.length < 3) {
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
      const startedAt = performance.now()
      await sandbox.close()
      expect((await waiting).closed).toBe(true)
      expect((await slow).closed).toBe(true)
      await idleClosed
      expect(performance.now() - startedAt).toBeLessThan(1000)
      await sandbox.close()
    } finally {
      process.stderr.write = original
    }
    expect(complaints).toEqual([])
  })

  test('fails to start on a port that is taken, and says so', async () => {
    await expect(startSandbox({ world: newWorld(), port: sandbox.port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })
})

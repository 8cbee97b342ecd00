import { describe, expect, it } from 'vitest'
import { kindOfCode } from '#cloud/code-kind.ts'
import { Failure, readAnswer, transportFailure } from '#cloud/envelope.ts'
import { allActions } from '#cloud/generated/all-actions.ts'
import { DeleteImagePersonal } from '#cloud/generated/tcr/delete-image-personal.ts'
import { CreateClusterInstances } from '#cloud/generated/tke/create-cluster-instances.ts'
import { DescribeClusters } from '#cloud/generated/tke/describe-clusters.ts'
import { TransportError, type TransportErrorKind } from '#cloud/transport-error.ts'
import type { WireAnswer } from '#cloud/wire.ts'
import catalog from '../../../infra/codegen/catalog.json' with { type: 'json' }

const answer = (body: string, status = 200, headers: WireAnswer['headers'] = { 'content-type': 'application/json' }): WireAnswer => ({
  status,
  headers,
  body: Buffer.from(body),
})
const refusal = (code: string, message = 'because'): string =>
  JSON.stringify({ Response: { Error: { Code: code, Message: message }, RequestId: 'req-9' } })

function failed(result: object): Failure {
  if (!(result instanceof Failure)) throw new Error(`no failure: ${JSON.stringify(result)}`)
  return result
}

describe('an answer of the platform', () => {
  it('is unwrapped, with its RequestId', () => {
    const response = readAnswer(DescribeClusters, answer('{"Response":{"TotalCount":0,"Clusters":[],"RequestId":"r"}}'))
    expect(response).toEqual({ TotalCount: 0, Clusters: [], RequestId: 'r' })
  })

  it('keeps 64-bit integers exact', () => {
    const response = readAnswer(DescribeClusters, answer('{"Response":{"TotalCount":9007199254740993,"Clusters":[],"RequestId":"r"}}'))
    expect(response).toMatchObject({ TotalCount: 9007199254740993n })
  })

  it('that refuses becomes an error with kind, code, action, request id, status and what to do', () => {
    const { error, retry } = failed(readAnswer(DescribeClusters, answer(refusal('UnauthorizedOperation', 'no permission'))))
    expect(error).toMatchObject({
      kind: 'cloud.forbidden',
      code: 'UnauthorizedOperation',
      action: 'tke.DescribeClusters',
      requestId: 'req-9',
      httpStatus: 200,
      retryable: false,
    })
    expect(error.message).toBe(
      'tke.DescribeClusters: the platform answered UnauthorizedOperation (no permission), request id req-9. Grant the identity the CAM action tke:DescribeClusters on what it is used for.',
    )
    expect(retry).toBe('never')
  })

  it.each([
    ['AuthFailure.SignatureFailure', 'cloud.credentials', 'clock-maybe', 'TENCENTCLOUD_SECRET_KEY'],
    ['AuthFailure.SecretIdNotFound', 'cloud.credentials', 'never', 'TENCENTCLOUD_SECRET_ID'],
    ['AuthFailure.InvalidSecretId', 'cloud.credentials', 'never', 'TENCENTCLOUD_SECRET_ID'],
    ['AuthFailure.TokenFailure', 'cloud.credentials', 'token', 'TENCENTCLOUD_TOKEN'],
    ['AuthFailure.MFAFailure', 'cloud.credentials', 'never', 'second factor'],
    ['AuthFailure.SignatureExpire', 'cloud.clock-skew', 'clock', 'clock'],
    ['AuthFailure.UnauthorizedOperation', 'cloud.forbidden', 'never', 'tke:DescribeClusters'],
    ['RequestLimitExceeded', 'cloud.rate-limited', 'throttling', '20 times a second'],
    ['RequestLimitExceeded.IPLimitExceeded', 'cloud.rate-limited', 'throttling', '20 times a second'],
    ['LimitExceeded.Quota', 'cloud.limit-exceeded', 'never', 'quota'],
    ['UnsupportedRegion', 'cloud.rejected', 'never', 'platform.region'],
    ['NoSuchVersion', 'cloud.rejected', 'never', '2018-05-25'],
    ['InvalidAction', 'cloud.rejected', 'never', 'DescribeClusters in version'],
    ['UnsupportedProtocol', 'cloud.rejected', 'never', 'platform.protocol'],
    ['ResourceNotFound.KubeResourceNotFound', 'cloud.not-found', 'never', 'region'],
    ['InternalError.Db', 'cloud.unavailable', 'transient', ''],
    ['InternalError.ClusterNotFound', 'cloud.not-found', 'transient', ''],
    ['SomethingNew.Ever', 'cloud.rejected', 'never', ''],
  ] as const)('%s on a read is %s, %s', (code, kind, retry, advice) => {
    const failure = failed(readAnswer(DescribeClusters, answer(refusal(code))))
    expect([failure.error.kind, failure.error.code, failure.retry]).toEqual([kind, code, retry])
    expect(failure.error.message).toContain(advice)
  })

  it('has a kind for every code that the manual lists, and only unlisted families are guessed', () => {
    const codes = [...new Set(Object.values(catalog).flatMap((service) => service.errorCodes))]
    expect(codes.length).toBeGreaterThan(100)
    const kinds = new Map<string, string[]>()
    for (const code of codes) kinds.set(kindOfCode(code), [...(kinds.get(kindOfCode(code)) ?? []), code])
    expect([...kinds.keys()].sort()).toMatchInlineSnapshot(`
      [
        "cloud.clock-skew",
        "cloud.conflict",
        "cloud.credentials",
        "cloud.forbidden",
        "cloud.limit-exceeded",
        "cloud.not-found",
        "cloud.rate-limited",
        "cloud.rejected",
        "cloud.unavailable",
      ]
    `)
    // A code that says "not found" or "unauthorised" in words means that, whatever family the platform put it into.
    for (const code of codes) {
      if (/NotFound|NotExist/.test(code) && !code.startsWith('AuthFailure'))
        expect([code, kindOfCode(code)]).toEqual([code, 'cloud.not-found'])
      if (/Unauthorized|CamNoAuth|MustAdmin/.test(code)) expect([code, kindOfCode(code)]).toEqual([code, 'cloud.forbidden'])
      if (/Quota|MaxLimit|OverLimit/.test(code) && code !== 'InternalError.DfwGetUSGQuota')
        expect([code, kindOfCode(code)]).toEqual([code, 'cloud.limit-exceeded'])
    }
  })

  it.each([
    ['nothing', '', 'empty of application/json', 'transient'],
    ['half a JSON', '{"Response":{"TotalCo', 'no JSON: 21 bytes', 'transient'],
    ['a page', '<html>login</html>', 'no JSON', 'never'],
    ['a list', '[]', 'without a "Response" object', 'never'],
    ['null', 'null', 'without a "Response" object', 'never'],
    ['a text', '"Response"', 'without a "Response" object', 'never'],
    ['no Response', '{"Code":0}', 'without a "Response" object', 'never'],
    ['a Response that is a list', '{"Response":[]}', 'without a "Response" object', 'never'],
    ['an inherited Response', '{"__proto__":{"Response":{"RequestId":"r"}}}', 'without a "Response" object', 'never'],
    ['no RequestId', '{"Response":{"TotalCount":0}}', 'without "RequestId"', 'never'],
    ['an empty RequestId', '{"Response":{"RequestId":""}}', 'without "RequestId"', 'never'],
    ['an Error without Code', '{"Response":{"Error":{"Message":"x"},"RequestId":"r"}}', 'without "Code"', 'never'],
  ] as const)('with %s is an error that names the call', (_what, body, text, retry) => {
    const read = failed(readAnswer(DescribeClusters, answer(body)))
    expect(read.error).toMatchObject({
      kind: 'cloud.bad-answer',
      action: 'tke.DescribeClusters',
      httpStatus: 200,
      retryable: retry === 'transient',
    })
    expect(read.error.message).toMatch(/^tke\.DescribeClusters: the answer \(HTTP 200\) is /)
    expect(read.error.message).toContain(text)
    expect(read.retry).toBe(retry)
    const write = failed(readAnswer(DeleteImagePersonal, answer(body)))
    expect([write.error.kind, write.error.retryable, write.retry]).toEqual(['cloud.unknown-outcome', false, 'never'])
    expect(write.error.message).toContain(text)
    expect(write.error.message).toContain('may have been carried out')
  })

  it.each([500, 502, 503, 504])('HTTP %d without envelope is unavailable on a read, unknown on a write', (status) => {
    const read = failed(readAnswer(DescribeClusters, answer('<html>Bad Gateway</html>', status, { 'content-type': 'text/html' })))
    expect(read.error).toMatchObject({ kind: 'cloud.unavailable', code: `http-${status}`, httpStatus: status, retryable: true })
    expect(read.error.message).toContain('text/html')
    expect(read.error.message).not.toContain('Bad Gateway')
    expect(read.retry).toBe('transient')
    const write = failed(readAnswer(DeleteImagePersonal, answer('', status)))
    expect(write.error).toMatchObject({ kind: 'cloud.unknown-outcome', code: `http-${status}`, httpStatus: status, retryable: false })
  })

  it('HTTP 429 without envelope is throttling, also on a write: it was refused before any work', () => {
    for (const action of [DescribeClusters, DeleteImagePersonal]) {
      const { error, retry } = failed(readAnswer(action, answer('slow down', 429)))
      expect([error.kind, error.code, retry]).toEqual(['cloud.rate-limited', 'http-429', 'throttling'])
    }
  })

  it('HTTP 403 without envelope is a bad answer on a read, unknown on a write', () => {
    expect(failed(readAnswer(DescribeClusters, answer('<html>', 403))).error).toMatchObject({ kind: 'cloud.bad-answer', code: 'http-403' })
    expect(failed(readAnswer(DeleteImagePersonal, answer('<html>', 403))).error).toMatchObject({
      kind: 'cloud.unknown-outcome',
      code: 'http-403',
    })
  })

  it('an envelope counts more than the status', () => {
    expect(failed(readAnswer(DescribeClusters, answer(refusal('InvalidParameter'), 500))).error).toMatchObject({
      kind: 'cloud.rejected',
      httpStatus: 500,
    })
    expect(failed(readAnswer(DescribeClusters, answer('{"Response":{"RequestId":"r"}}', 500))).error.kind).toBe('cloud.unavailable')
  })

  it('InternalError on a write is a refusal, never repeated, where it names a quota or what there was none of', () => {
    for (const [code, kind] of [
      ['InternalError.QuotaMaxNodLimit', 'cloud.limit-exceeded'],
      ['InternalError.CvmCommon', 'cloud.rejected'],
      ['InternalError.VpcCommon', 'cloud.rejected'],
    ]) {
      const { error, retry } = failed(readAnswer(CreateClusterInstances, answer(refusal(code ?? ''))))
      expect(error).toMatchObject({ kind, code, requestId: 'req-9' })
      expect(retry).toBe('never')
      expect(failed(readAnswer(DescribeClusters, answer(refusal(code ?? '')))).retry).toBe('transient')
    }
  })

  it('InternalError of any other kind on a write leaves it open what happened', () => {
    for (const code of ['InternalError', 'InternalError.Db', 'InternalError.ClusterNotFound', 'InternalError.ErrRegistry']) {
      const { error, retry } = failed(readAnswer(DeleteImagePersonal, answer(refusal(code))))
      expect(error).toMatchObject({ kind: 'cloud.unknown-outcome', code, requestId: 'req-9', retryable: false })
      expect(retry).toBe('never')
    }
  })

  it('says that it was compressed though nobody asked', () => {
    const { error } = failed(
      readAnswer(DescribeClusters, answer('\u001f\u008b', 200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })),
    )
    expect(error.message).toContain('compressed with gzip though not asked for')
  })

  it('19: quotes the platform on one line, whole or not at all, without secrets', () => {
    const secret = 'Sk9xEXAMPLEKEY'
    const messageFor = (text: string): string =>
      failed(readAnswer(DescribeClusters, answer(refusal('AuthFailure.SignatureFailure', text)), [secret, ''])).error.message
    const short = messageFor(`key ${secret}\n\u001b[31m and ${'x'.repeat(5000)}`)
    expect(short).not.toContain(secret)
    expect(short).toMatch(/key \(hidden\) \[31m and x{5000}\)/)
    // Cut in the middle of a form that only the log's redactor knows, the rest would be shown.
    const encoded = Buffer.from(secret).toString('base64')
    for (const before of [480, 495, 32_755, 100_000]) {
      const shown = messageFor(`${'x'.repeat(before)}${encoded}`)
      expect(shown.replaceAll(encoded, '')).not.toContain(encoded.slice(0, 4))
      expect(shown.length).toBeLessThan(34_000)
    }
  })

  it('is read for every action without a throw', () => {
    for (const action of Object.values(allActions).flatMap((service) => Object.values(service))) {
      for (const body of ['', '{}', refusal('InternalError'), '{"Response":{"RequestId":"r"}}'])
        expect(readAnswer(action, answer(body))).toBeTypeOf('object')
    }
  })
})

describe('a failure on the wire', () => {
  const kinds: readonly (readonly [TransportErrorKind, boolean, string, string, string])[] = [
    ['not-sent', false, 'cloud.not-sent', 'transient', 'transient'],
    ['untrusted', false, 'cloud.untrusted', 'never', 'never'],
    ['not-allowed', false, 'cloud.not-allowed', 'never', 'never'],
    ['aborted', false, 'cloud.aborted', 'never', 'never'],
    ['timeout', false, 'cloud.not-sent', 'transient', 'transient'],
    ['aborted', true, 'cloud.aborted', 'never', 'unknown'],
    ['timeout', true, 'cloud.timeout', 'transient', 'unknown'],
    ['network', true, 'cloud.network', 'transient', 'unknown'],
    ['too-large', true, 'cloud.bad-answer', 'never', 'unknown'],
    ['redirect', true, 'cloud.bad-answer', 'never', 'unknown'],
  ]
  it.each(kinds)('%s (sent: %s) is %s on a read, %s; on a write %s', (kind, sent, cloudKind, onRead, onWrite) => {
    const error = new TransportError('127.0.0.1:1: what happened.', { kind, sent, code: 'ECODE', host: '127.0.0.1:1' })
    const read = transportFailure(DescribeClusters, error)
    expect([read.error.kind, read.error.code, read.error.action, read.retry]).toEqual([cloudKind, 'ECODE', 'tke.DescribeClusters', onRead])
    expect(read.error.cause).toBe(error)
    expect(read.error.message).toBe('tke.DescribeClusters: 127.0.0.1:1: what happened.')
    const write = transportFailure(DeleteImagePersonal, error)
    if (onWrite === 'unknown') {
      expect([write.error.kind, write.error.code, write.error.retryable, write.retry]).toEqual([
        'cloud.unknown-outcome',
        'ECODE',
        false,
        'never',
      ])
    } else expect([write.error.kind, write.retry]).toEqual([cloudKind, onWrite])
  })
})

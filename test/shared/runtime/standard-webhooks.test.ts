import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isOneOf } from '#shared/runtime/constant-time.ts'
import { verifyStandardWebhook, WebhookSecretError } from '#shared/runtime/standard-webhooks.ts'

/** Bytes 0 to 23. */
const secret = 'whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX'
/** 32 bytes. */
const other = `whsec_${Buffer.from('another secret of 32 bytes......').toString('base64')}`
const sentAt = 1_674_087_231
const now = sentAt * 1000
const body = Buffer.from('{"type":"contact.created","data":{"id":"1f81eb52"}}')
/** What openssl says: printf '%s' 'msg_1.1674087231.<body>' | openssl dgst -sha256 -mac HMAC -macopt hexkey:000102…17 -binary | base64 */
const opensslSignature = 'BP6OUmiTkUHvCWr/znOW3TkUy1PM1/pIwjx2cmQxiig='

/** The signature, computed on its own from the text of the specification. */
function sign(id: string, timestamp: string, content: Buffer, with_: string): string {
  const key = Buffer.from(with_.replace('whsec_', ''), 'base64')
  return `v1,${createHmac('sha256', key)
    .update(Buffer.concat([Buffer.from(id), Buffer.from('.'), Buffer.from(timestamp), Buffer.from('.'), content]))
    .digest('base64')}`
}

const headers = (more: Record<string, string | undefined> = {}): Record<string, string | undefined> => ({
  'webhook-id': 'msg_1',
  'webhook-timestamp': String(sentAt),
  'webhook-signature': sign('msg_1', String(sentAt), body, secret),
  ...more,
})

const verify = (
  given: Record<string, string | undefined>,
  options: { secrets?: string[]; now?: number; body?: Buffer; toleranceMs?: number } = {},
) =>
  verifyStandardWebhook(
    { body: options.body ?? body, headers: given },
    { secrets: options.secrets ?? [secret], now: options.now ?? now, toleranceMs: options.toleranceMs },
  )

describe('verifyStandardWebhook', () => {
  it('takes what is signed with the secret', () => {
    expect(verify(headers())).toEqual({ ok: true, value: { id: 'msg_1', sentAt: now } })
  })

  it('agrees with another implementation', () => {
    expect(sign('msg_1', String(sentAt), body, secret)).toBe(`v1,${opensslSignature}`)
    expect(verify(headers({ 'webhook-signature': `v1,${opensslSignature}` })).ok).toBe(true)
  })

  it('takes any of several secrets and any of several signatures, while one takes the place of another', () => {
    expect(verify(headers(), { secrets: [other, secret] }).ok).toBe(true)
    const both = `${sign('msg_1', String(sentAt), body, other)} ${sign('msg_1', String(sentAt), body, secret)}`
    expect(verify(headers({ 'webhook-signature': both })).ok).toBe(true)
    expect(verify(headers({ 'webhook-signature': both }), { secrets: [other] }).ok).toBe(true)
    expect(verify(headers(), { secrets: [other] })).toEqual({ ok: false, error: 'wrong-signature' })
    expect(verify(headers(), { secrets: [] })).toEqual({ ok: false, error: 'wrong-signature' })
  })

  it('takes secrets of 24 to 64 bytes', () => {
    for (const sizeBytes of [24, 64]) {
      const own = `whsec_${Buffer.alloc(sizeBytes, 7).toString('base64')}`
      expect(verify(headers({ 'webhook-signature': sign('msg_1', String(sentAt), body, own) }), { secrets: [own] }).ok).toBe(true)
    }
  })

  it('takes a secret without its prefix', () => {
    expect(verify(headers(), { secrets: [secret.replace('whsec_', '')] }).ok).toBe(true)
  })

  it('passes over signatures of other versions', () => {
    const right = sign('msg_1', String(sentAt), body, secret)
    expect(verify(headers({ 'webhook-signature': `v1a,abc ${right} v2,xyz` })).ok).toBe(true)
    expect(verify(headers({ 'webhook-signature': right.replace('v1,', 'v2,') }))).toEqual({ ok: false, error: 'no-v1-signature' })
    expect(verify(headers({ 'webhook-signature': right.slice(3) }))).toEqual({ ok: false, error: 'no-v1-signature' })
  })

  it('tolerates five minutes both ways, and no more', () => {
    expect(verify(headers(), { now: now + 300_000 }).ok).toBe(true)
    expect(verify(headers(), { now: now + 300_001 })).toEqual({ ok: false, error: 'too-old' })
    expect(verify(headers(), { now: now - 300_000 }).ok).toBe(true)
    expect(verify(headers(), { now: now - 300_001 })).toEqual({ ok: false, error: 'too-new' })
    expect(verify(headers(), { now: now + 1001, toleranceMs: 1000 })).toEqual({ ok: false, error: 'too-old' })
  })

  it.each([
    ['webhook-id', undefined, 'missing-headers'],
    ['webhook-timestamp', undefined, 'missing-headers'],
    ['webhook-signature', undefined, 'missing-headers'],
    ['webhook-id', '', 'missing-headers'],
    ['webhook-id', 'a b', 'strange-id'],
    ['webhook-id', 'é', 'strange-id'],
    ['webhook-id', 'x'.repeat(257), 'strange-id'],
    ['webhook-timestamp', '1674087231.5', 'strange-timestamp'],
    ['webhook-timestamp', '0x63c8a3bf', 'strange-timestamp'],
    ['webhook-timestamp', '-1674087231', 'strange-timestamp'],
    ['webhook-timestamp', ' 1674087231', 'strange-timestamp'],
    ['webhook-timestamp', '01674087231', 'strange-timestamp'],
    ['webhook-timestamp', '9'.repeat(40), 'strange-timestamp'],
    ['webhook-signature', 'v1,', 'wrong-signature'],
    ['webhook-signature', Array.from({ length: 21 }, () => 'v1,abc').join(' '), 'no-v1-signature'],
  ])('refuses %s: %j', (header, value, why) => {
    expect(verify(headers({ [header]: value }))).toEqual({ ok: false, error: why })
  })

  it('cannot be made to take a part of the body for the timestamp', () => {
    // A genuine message of long ago, whose body begins with a number and a dot …
    const old = Buffer.from(`${sentAt}.{"deploy":"evil"}`)
    const signature = sign('msg_1', '1000000000', old, secret)
    // … is the same text as one of today with another id.
    const forged = verify(headers({ 'webhook-id': 'msg_1.1000000000', 'webhook-signature': signature }), {
      body: Buffer.from('{"deploy":"evil"}'),
    })
    expect(forged).toEqual({ ok: false, error: 'strange-id' })
  })

  it('refuses whatever was changed by a bit', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.nat(), fc.nat({ max: 7 }), (bytes, at, bit) => {
        const content = Buffer.from(bytes)
        const signature = sign('msg_1', String(sentAt), content, secret)
        expect(verify(headers({ 'webhook-signature': signature }), { body: content }).ok).toBe(true)
        const changed = Buffer.from(content)
        const index = at % changed.length
        changed[index] = changed[index]! ^ (1 << bit)
        expect(verify(headers({ 'webhook-signature': signature }), { body: changed }).ok).toBe(false)
        expect(verify(headers({ 'webhook-id': 'msg_2', 'webhook-signature': signature }), { body: content }).ok).toBe(false)
        expect(verify(headers({ 'webhook-timestamp': String(sentAt + 1), 'webhook-signature': signature }), { body: content }).ok).toBe(
          false,
        )
      }),
      { seed: 3, numRuns: 200 },
    )
  })

  it.each([
    ['too short', `whsec_${Buffer.alloc(23, 7).toString('base64')}`],
    ['too long', `whsec_${Buffer.alloc(65, 7).toString('base64')}`],
    ['no base64', 'whsec_this is not base64 at all, is it now?'],
    ['more than base64', `${secret}!`],
    ['base64 after something else', `!${secret.replace('whsec_', '')}`],
    ['empty', ''],
  ])('says of a secret that it is %s, without showing it', (_, bad) => {
    let message = ''
    try {
      verify(headers(), { secrets: [bad] })
    } catch (error) {
      expect(error).toBeInstanceOf(WebhookSecretError)
      message = (error as Error).message
    }
    expect(message).toContain('whsec_…')
    if (bad !== '') expect(message).not.toContain(bad.replace('whsec_', ''))
  })
})

describe('isOneOf', () => {
  it('agrees with equality, whatever texts, and never takes an empty secret', () => {
    const text = fc.string({ maxLength: 5, unit: fc.constantFrom('a', 'b', 'é') })
    fc.assert(
      fc.property(text, fc.array(text, { maxLength: 4 }), (given, secrets) => {
        expect(isOneOf(given, secrets)).toBe(secrets.includes(given) && given !== '')
      }),
      { seed: 9, numRuns: 500 },
    )
    expect(isOneOf(Buffer.from('abc'), ['abc'])).toBe(true)
  })
})

import { randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { verifyStandardWebhook } from '#shared/runtime/standard-webhooks.ts'
import { type HookStage, openHookStage, secrets } from './hook-stage.ts'

const path = '/hooks/redeploy-hook/ci'
const body = JSON.stringify({ repository: 'team/web', tag: '1.0.1', pushedAt: '2026-11-24T00:21:38Z' })

let stage: HookStage
beforeEach(async () => {
  stage = await openHookStage()
})
afterEach(async () => {
  await stage.close()
})

interface Signed {
  readonly id: string
  readonly timestamp: string
  readonly signature: string
  readonly body: string
}

/** Signed by the package that the specification's authors publish. */
function signed(secret: string, { id = 'msg_2f9c', content = body, atMs = stage.now } = {}): Signed {
  const at = new Date(atMs)
  return { id, timestamp: String(Math.floor(atMs / 1000)), signature: new Webhook(secret).sign(id, at, content), body: content }
}

const headersOf = ({ id, timestamp, signature }: Signed): Record<string, string> => ({
  'webhook-id': id,
  'webhook-timestamp': timestamp,
  'webhook-signature': signature,
})

const statusOf = async (message: Signed): Promise<number> =>
  (await stage.send({ path, headers: headersOf(message), body: Buffer.from(message.body, 'latin1') })).status

/** Whether that package takes it as well; it looks at the machine's clock. */
function isTaken(secret: string, message: Signed): boolean {
  try {
    new Webhook(secret).verify(message.body, headersOf(message), { jsonParse: false })
    return true
  } catch {
    return false
  }
}

describe('a webhook signed by another implementation of Standard Webhooks', () => {
  it('is taken', async () => {
    expect(await statusOf(signed(secrets.CI_KEY))).toBe(202)
    expect((await stage.worked()).map(({ payload }) => payload)).toMatchObject([{ kind: 'push', repository: 'team/web' }])
  })

  it('is denied after any one byte of it has changed', async () => {
    const message = signed(secrets.CI_KEY)
    let tried = 0
    for (const part of ['id', 'timestamp', 'signature', 'body'] as const) {
      const text = message[part]
      for (let at = 0; at < text.length; at += 1) {
        const other = text[at] === 'A' ? 'B' : part === 'timestamp' ? (text[at] === '7' ? '8' : '7') : 'A'
        const changed = { ...message, [part]: text.slice(0, at) + other + text.slice(at + 1) }
        expect(await statusOf(changed), `${part} ${at}`).toBe(401)
        tried += 1
      }
      for (const changed of [text.slice(1), text.slice(0, -1), `${text}${part === 'timestamp' ? '0' : 'A'}`]) {
        expect(await statusOf({ ...message, [part]: changed }), `${part}: ${changed}`).toBe(401)
      }
    }
    expect(tried).toBe(message.id.length + message.timestamp.length + message.signature.length + message.body.length)
    expect(await stage.worked()).toEqual([])
    // The message itself is a good one.
    expect(await statusOf(message)).toBe(202)
  })

  it('is taken with the old secret and with the new one, while the one takes the place of the other, and with no third', async () => {
    const third = `whsec_${randomBytes(32).toString('base64')}`
    const old = signed(secrets.CI_OLD_KEY, { id: 'a' })
    const fresh = signed(secrets.CI_KEY, { id: 'b' })
    const both = {
      ...signed(third, { id: 'c' }),
      signature: [third, secrets.CI_KEY].map((key) => signed(key, { id: 'c' }).signature).join(' '),
    }
    expect([await statusOf(old), await statusOf(fresh), await statusOf(both)]).toEqual([202, 202, 202])
    expect(await statusOf(signed(third))).toBe(401)
  })

  it('is answered as the first time when it is sent again within the tolerance, under a timestamp of its own, and denied after it', async () => {
    const message = signed(secrets.CI_KEY)
    const first = await stage.send({ path, headers: headersOf(message), body: Buffer.from(message.body) })
    stage.now += 299_000
    const replayed = await stage.send({ path, headers: headersOf(message), body: Buffer.from(message.body) })
    const again = signed(secrets.CI_KEY)
    const retried = await stage.send({ path, headers: headersOf(again), body: Buffer.from(again.body) })
    expect([replayed, retried].map(({ status, text }) => [status, text])).toEqual([first, first].map(({ status, text }) => [status, text]))
    expect(await stage.worked()).toHaveLength(1)
    stage.now += 2000
    expect(await statusOf(message)).toBe(401)
    expect(await statusOf(signed(secrets.CI_KEY, { atMs: stage.now + 302_000 }))).toBe(401)
    expect(await statusOf(again)).toBe(202)
    expect(await stage.worked()).toHaveLength(1)
  })

  it('is judged as that implementation does, whatever is changed', async () => {
    stage.now = Date.now()
    const message = signed(secrets.CI_KEY)
    const other = signed(secrets.CI_OLD_KEY)
    const cases: Readonly<Record<string, Signed>> = {
      'as it is': message,
      'another key': other,
      'two signatures': { ...message, signature: `${other.signature} ${message.signature}` },
      'a version to come beside it': { ...message, signature: `v2,abc ${message.signature}` },
      'only a version to come': { ...message, signature: message.signature.replace('v1,', 'v2,') },
      'no signature': { ...message, signature: '' },
      'no id': { ...message, id: '' },
      'another id': { ...message, id: 'msg_other' },
      'an old timestamp': signed(secrets.CI_KEY, { atMs: stage.now - 400_000 }),
      'a timestamp of tomorrow': signed(secrets.CI_KEY, { atMs: stage.now + 400_000 }),
      'a timestamp that is none': { ...message, timestamp: 'now' },
      'another body': { ...message, body: `${message.body} ` },
      'an empty body': { ...message, body: '' },
      'an empty body that is signed': signed(secrets.CI_KEY, { content: '' }),
      'signs beyond ASCII': signed(secrets.CI_KEY, { content: '{"tag":"é 中 🚢"}' }),
    }
    const verdicts = Object.entries(cases).map(([name, one]) => {
      const { ok } = verifyStandardWebhook(
        { body: Buffer.from(one.body), headers: headersOf(one) },
        { secrets: [secrets.CI_KEY], now: stage.now },
      )
      return { name, ok, theirs: isTaken(secrets.CI_KEY, one) }
    })
    for (const { name, ok, theirs } of verdicts) expect(ok, name).toBe(theirs)
    expect(verdicts.filter(({ ok }) => ok)).toHaveLength(5)
  })
})

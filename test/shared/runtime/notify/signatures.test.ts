import { describe, expect, it } from 'vitest'
import { awsDoubt } from '#infra/sandbox/bot-aws.ts'
import type { Destination } from '#shared/runtime/notify/channel.ts'
import { dingtalk, dingtalkSignature } from '#shared/runtime/notify/dingtalk.ts'
import { feishu, feishuSignature } from '#shared/runtime/notify/feishu.ts'
import { messageOf } from '#shared/runtime/notify/message.ts'
import { signAws } from '#shared/runtime/notify/sign-aws.ts'
import { signStandardWebhook } from '#shared/runtime/notify/sign-webhook.ts'
import { verifyStandardWebhook } from '#shared/runtime/standard-webhooks.ts'

const message = messageOf({ key: 'k', severity: 'info', function: 'cron-scaler', title: 'title', lines: [], at: 0 }, 'msg_1')

describe('the signature of DingTalk', () => {
  // Published with the tests of github.com/CatchZeng/dingtalk (internal/security/security_test.go); the platform's own page shows
  // the formula and no result. `printf '%s\n%s' TIME SECRET | openssl dgst -sha256 -hmac SECRET -binary | base64` agrees.
  const secret = ['SEC', 'b90923e19e58b466481e9e7b7a5b4f108a4531abde590ad3967fb29f0eae5c68'].join('')

  it('is that of a published example', () => {
    expect(encodeURIComponent(dingtalkSignature(secret, 1582163555000))).toBe('BQKsG%2BQOCl%2BbYJOLc6pxDHxjVquzlZPWgvRzeN2J5zY%3D')
  })

  it('is put into the URL in milliseconds, encoded, beside the key of the robot', () => {
    const url = new URL('https://oapi.dingtalk.com/robot/send?access_token=abc%2Bd')
    const { path } = dingtalk.request(message, { url, secret } satisfies Destination, 1582163555000)
    expect(path).toBe('/robot/send?access_token=abc%2Bd&timestamp=1582163555000&sign=BQKsG%2BQOCl%2BbYJOLc6pxDHxjVquzlZPWgvRzeN2J5zY%3D')
  })
})

describe('the signature of Feishu', () => {
  // The example of the platform's guide for custom bots, as the tests of github.com/go-lark/lark (crypto_test.go) have it.
  it('is that of a published example: the key is time and secret, and nothing is signed', () => {
    expect(feishuSignature('xxx', 1661860880)).toBe('QnWVTSBe6FmQDE0bG6X0mURbI+DnvVyu1h+j5dHOjrU=')
    expect(dingtalkSignature('xxx', 1661860880)).not.toBe(feishuSignature('xxx', 1661860880))
  })

  it('is put into the body in whole seconds', () => {
    const url = new URL('https://open.feishu.cn/open-apis/bot/v2/hook/t')
    const body: unknown = JSON.parse(feishu.request(message, { url, secret: 'xxx' }, 1661860880999).body)
    expect(body).toMatchObject({ timestamp: '1661860880', sign: 'QnWVTSBe6FmQDE0bG6X0mURbI+DnvVyu1h+j5dHOjrU=', msg_type: 'post' })
  })
})

describe('the signature of a generic webhook', () => {
  // The example of the specification: standardwebhooks.com.
  const webhook = {
    id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
    timestampSeconds: 1614265330,
    body: '{"test": 2432232314}',
    secret: ['whsec', 'MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'].join('_'),
  }

  it('is that of the published example', () => {
    expect(signStandardWebhook(webhook)).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
  })

  it('is what we ourselves take from others', () => {
    const headers = { 'webhook-id': webhook.id, 'webhook-timestamp': '1614265330', 'webhook-signature': signStandardWebhook(webhook) }
    const options = { secrets: [webhook.secret], now: 1614265330_000 }
    expect(verifyStandardWebhook({ body: Buffer.from(webhook.body), headers }, options).ok).toBe(true)
    expect(verifyStandardWebhook({ body: Buffer.from(`${webhook.body} `), headers }, options).ok).toBe(false)
  })
})

describe('the signature of AWS', () => {
  // get-vanilla and post-x-www-form-urlencoded of the test suite for Signature Version 4 that AWS publishes.
  const base = {
    host: 'example.amazonaws.com',
    path: '/',
    service: 'service',
    region: 'us-east-1',
    keys: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' },
    now: Date.UTC(2015, 7, 30, 12, 36),
  }

  it('is that of the published test suite', () => {
    expect(signAws({ ...base, method: 'GET', headers: {}, body: '' }).authorization).toBe(
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    )
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    expect(signAws({ ...base, method: 'POST', headers: form, body: 'Param1=value1' }).authorization).toBe(
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a',
    )
  })

  it('takes in the token of a role and every byte of the body: one changed byte is found by the other implementation', () => {
    const keys = { ...base.keys, sessionToken: 'token of a role' }
    const headers = signAws({ ...base, keys, method: 'POST', headers: {}, body: 'Message=für alle' })
    const question = { ...base, method: 'POST', headers: { ...headers, host: base.host }, body: 'Message=für alle', at: base.now }
    expect(headers['x-amz-security-token']).toBe('token of a role')
    expect(awsDoubt(question, base.keys)).toBeUndefined()
    expect(awsDoubt({ ...question, body: 'Message=fur alle' }, base.keys)).toBe('SignatureDoesNotMatch')
    expect(awsDoubt({ ...question, headers: { ...question.headers, 'x-amz-security-token': 'another' } }, base.keys)).toBe(
      'SignatureDoesNotMatch',
    )
    expect(awsDoubt({ ...question, at: base.now + 16 * 60_000 }, base.keys)).toBe('RequestExpired')
  })
})

import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { linkFor } from '#functions/redeploy-hook/approval-link.ts'
import { type ApprovalRequest, deployTokens } from '#functions/redeploy-hook/approval-token.ts'
import type { ApprovalWish } from '#functions/redeploy-hook/approvals.ts'
import { ApprovalSecretError, isExpired } from '#shared/runtime/approval/approval-token.ts'
import { type HookStage, openHookStage, type Reply, secrets, start } from './hook-stage.ts'

const { sign: signApproval, verify: verifyApproval, readVerified, link: approvalLink, path: approvalPath } = deployTokens

const hour = 3_600_000

const asked: ApprovalRequest = {
  uid: '5e0c9c1a-2f0e-4c93-8f39-6d2f6d7a1b10',
  cluster: 'cls-9f3kq2vd',
  namespace: 'shop',
  kind: 'Deployment',
  name: 'web',
  container: 'app',
  repository: 'team/web',
  tag: 'v1.2',
  contentId: `sha256:${'4'.repeat(64)}`,
  expiresAt: start + hour,
  nonce: 'once',
}

const secret = secrets.APPROVAL_SECRET
const form = { 'content-type': 'application/x-www-form-urlencoded' }

let stage: HookStage
beforeEach(async () => {
  stage = await openHookStage()
})
afterEach(async () => {
  await stage.close()
})

const get = async (token: string): Promise<Reply> => await stage.send({ method: 'GET', path: `${approvalPath}/${token}` })
const post = async (token: string, body = ''): Promise<Reply> =>
  await stage.send({ path: `${approvalPath}/${token}`, headers: form, body: Buffer.from(body) })

describe('a token', () => {
  it('says what was asked, and is made of signs that need no encoding in an address', () => {
    const token = signApproval(asked, secret)
    expect(token).toMatch(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}$/)
    expect(verifyApproval(token, [secret])).toEqual({ ok: true, value: asked })
    expect(readVerified(token)).toEqual(asked)
    expect(signApproval({ ...asked }, secret)).toBe(token)
    expect(signApproval({ ...asked, nonce: 'twice' }, secret)).not.toBe(token)
  })

  it('is worth nothing with any bit of any sign changed, with one more or one less, or under another secret', () => {
    const token = signApproval(asked, secret)
    for (let at = 0; at < token.length; at += 1) {
      for (let bit = 0; bit < 7; bit += 1) {
        const changed = token.slice(0, at) + String.fromCharCode(token.charCodeAt(at) ^ (1 << bit)) + token.slice(at + 1)
        expect(verifyApproval(changed, [secret]).ok, `${at}.${bit}`).toBe(false)
      }
    }
    const [payload = '', seal = ''] = token.split('.')
    for (const other of [
      '',
      '.',
      payload,
      `${payload}.`,
      `.${seal}`,
      `${token}=`,
      `${token}A`,
      `A${token}`,
      token.slice(1),
      token.slice(0, -1),
      `${token}.${seal}`,
    ]) {
      expect(verifyApproval(other, [secret]).ok, other).toBe(false)
    }
    expect(verifyApproval(token, ['another secret of sufficient length']).ok).toBe(false)
    expect(verifyApproval(token, []).ok).toBe(false)
    expect(verifyApproval(`${'A'.repeat(100_000)}.${seal}`, [secret]).ok).toBe(false)
  })

  it('cannot be made of another one: its payload under the seal of another is none', () => {
    const [payload = ''] = signApproval(asked, secret).split('.')
    const [, seal = ''] = signApproval({ ...asked, tag: 'v1.3' }, secret).split('.')
    expect(verifyApproval(`${payload}.${seal}`, [secret]).ok).toBe(false)
  })

  it('is not made with a secret that could be guessed, and the message does not show it', () => {
    for (const sign of [() => signApproval(asked, 'short'), () => verifyApproval('a.b', ['short'])]) {
      expect(sign).toThrow(ApprovalSecretError)
      expect(sign).toThrow(/^(?!.*short).*openssl rand -base64 32/)
    }
  })

  it('is good until its last millisecond', () => {
    expect(isExpired(asked, asked.expiresAt)).toBe(false)
    expect(isExpired(asked, asked.expiresAt + 1)).toBe(true)
  })

  it('is refused by readVerified when it was never signed', () => {
    expect(() => readVerified('x.y')).toThrow(TypeError)
    expect(() => readVerified(`${Buffer.from('{}').toString('base64url')}.y`)).toThrow(TypeError)
  })

  it('makes a link below the address of the installation', () => {
    for (const base of ['https://hooks.example.com', 'https://hooks.example.com/', 'https://hooks.example.com//']) {
      expect(approvalLink(base, 'a.b')).toBe('https://hooks.example.com/hooks/redeploy-hook/approve/a.b')
    }
  })
})

describe('the link for what waits', () => {
  const wish = (content = asked.contentId) =>
    ({
      workload: { uid: asked.uid, ref: { cluster: asked.cluster, namespace: 'shop', kind: 'Deployment', name: 'web' } },
      container: 'app',
      rule: 'web',
      repository: 'team/web',
      tag: 'v1.2',
      content,
    }) as unknown as ApprovalWish
  const settings = { secret, baseUrl: 'https://hooks.example.com', expires: 24 * hour }
  const tokenOf = (link: string): string => link.slice(link.lastIndexOf('/') + 1)

  it('is good for as long as the settings say, and the same for the same within an hour', () => {
    const link = linkFor(wish(), settings, start)
    const read = verifyApproval(tokenOf(link), [secret])
    expect(read).toMatchObject({ ok: true, value: { ...asked, expiresAt: Date.parse('2026-11-25T01:00:00Z'), nonce: expect.any(String) } })
    expect(linkFor(wish(), settings, start + 38 * 60_000)).toBe(link)
    expect(linkFor(wish(), settings, start + 39 * 60_000)).not.toBe(link)
    expect(linkFor(wish(`sha256:${'5'.repeat(64)}`), settings, start)).not.toBe(link)
    expect(linkFor({ ...wish(), container: 'side' }, settings, start)).not.toBe(link)
  })

  it('opens the page that asks for it', async () => {
    const { status, text } = await get(tokenOf(linkFor(wish(), settings, start)))
    expect([status, text.includes('team/web:v1.2')]).toEqual([200, true])
  })
})

describe('the page of a link', () => {
  it('shows what would be deployed where, approves nothing, however often it is opened', async () => {
    const token = signApproval(asked, secret)
    for (let opened = 0; opened < 3; opened += 1) {
      const { status, headers, text } = await get(token)
      expect(status).toBe(200)
      expect(headers['content-type']).toBe('text/html; charset=utf-8')
      for (const fact of ['team/web:v1.2', asked.contentId, 'cls-9f3kq2vd', 'shop/Deployment/web', 'app', '2026-11-24T01:22:00.000Z']) {
        expect(text).toContain(fact)
      }
      expect(text).toContain('<form method="post">')
    }
    // A preview asks for the head, or follows the link.
    await stage.send({ method: 'HEAD', path: `${approvalPath}/${token}` })
    expect(await stage.worked()).toEqual([])
  })

  it('runs and fetches nothing, is in no frame, no cache, no index, and is told to nobody', async () => {
    const { headers, text } = await get(signApproval(asked, secret))
    const policy = String(headers['content-security-policy'])
    expect(policy).toMatch(
      /^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]{43}='; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/,
    )
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'x-robots-tag': 'noindex, nofollow',
    })
    expect(text).not.toMatch(/<script|<link|<img|src=|href=|style=| on[a-z]+=/)
    const style = /<style>([\s\S]*)<\/style>/.exec(text)?.[1] ?? ''
    const hash = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(style))).toString('base64')
    expect(policy).toContain(`'sha256-${hash}'`)
  })

  it('shows names as text, whatever stands in them', async () => {
    const hostile = { ...asked, name: `"><script>alert('1')</script>&amp;`, contentId: '<b>' }
    const { text } = await get(signApproval(hostile, secret))
    expect(text).toContain('shop/Deployment/&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;')
    expect(text).not.toMatch(/<script|<b>/)
  })
})

describe('the button of the page', () => {
  it('approves once: what comes of it is bound to workload, container and content, and a second press gets the first answer', async () => {
    const token = signApproval(asked, secret)
    const first = await post(token, 'by=Anna+on+call')
    expect(first.status).toBe(202)
    expect(first.text).toContain('Approved')
    stage.now += 60_000
    const again = await post(token, 'by=Anna+on+call')
    expect([again.status, again.text]).toEqual([202, first.text])
    const later = await post(token, 'by=Somebody+else')
    expect([later.status, later.text]).toEqual([202, first.text])
    const worked = await stage.worked()
    expect(worked.map(({ source, group, payload }) => ({ source, group, payload }))).toEqual([
      { source: 'approve', group: 'team/web', payload: { kind: 'approval', request: asked, by: 'Anna on call' } },
    ])
    // Another spelling of the address is no second approval.
    const spelt = `%${token.charCodeAt(0).toString(16)}${token.slice(1)}`
    for (const one of [token, spelt]) expect((await post(one)).text).toBe(first.text)
    expect(await stage.worked()).toHaveLength(1)
  })

  it('takes a name as people write it, and no more of it than fits', async () => {
    const names: [string, string | undefined][] = [
      ['', undefined],
      ['by=', undefined],
      ['by=%20%0A', undefined],
      [`by=${encodeURIComponent('Ünsal\n中\u0000')}&more=1`, 'Ünsal 中'],
      [`by=${'x'.repeat(5000)}`, 'x'.repeat(100)],
      [`by=${'x'.repeat(99)}${encodeURIComponent('🚢')}`, `${'x'.repeat(99)}\ufffd`],
      ['"by": "json"', undefined],
    ]
    for (const [index, [body]] of names.entries())
      expect((await post(signApproval({ ...asked, nonce: String(index) }, secret), body)).status).toBe(202)
    const worked = await stage.worked()
    expect(worked.map(({ payload }) => (payload.kind === 'approval' ? payload.by : 'push'))).toEqual(names.map(([, name]) => name))
  })

  it('says so when what it sends is no UTF-8', async () => {
    const path = `${approvalPath}/${signApproval(asked, secret)}`
    const { status, text } = await stage.send({ path, headers: form, body: Buffer.from([0x62, 0x79, 0x3d, 0xff]) })
    expect([status, text.includes('the body must be UTF-8')]).toEqual([400, true])
    expect(await stage.worked()).toEqual([])
  })
})

describe('a link that is not good', () => {
  it('is denied without a word about why, opened or sent, when a bit of it was changed', async () => {
    const token = signApproval(asked, secret)
    const other = signApproval(asked, 'a secret of somebody else, long enough')
    const flipped = `${token.slice(0, 40)}${token[40] === 'A' ? 'B' : 'A'}${token.slice(41)}`
    for (const bad of [other, flipped, `${token}A`, token.slice(0, -1), 'x', 'x.y']) {
      for (const ask of [get, post]) {
        const { status, text } = await ask(bad)
        expect([status, text]).toEqual([401, '{"error":"denied"}\n'])
      }
    }
    expect(await stage.worked()).toEqual([])
  })

  it('is gone when it has expired, opened or sent, and nothing is approved', async () => {
    const token = signApproval(asked, secret)
    stage.now = asked.expiresAt
    expect((await get(token)).status).toBe(200)
    stage.now += 1
    for (const ask of [get, post]) {
      const { status, text, headers } = await ask(token)
      expect([status, headers['content-type']]).toEqual([410, 'text/html; charset=utf-8'])
      expect(text).toContain('this link has expired; ask for a new one')
      expect(text).not.toContain('<form')
    }
    expect(await stage.worked()).toEqual([])
  })

  it('leads nowhere where no secret is configured', async () => {
    const closed = await openHookStage({ settings: {} })
    const path = `${approvalPath}/${signApproval(asked, secret)}`
    expect((await closed.send({ method: 'GET', path })).status).toBe(404)
    expect((await closed.send({ path })).status).toBe(404)
    await closed.close()
  })

  it('is answered 503 while the secret is too short, and the log says what to do', async () => {
    const weak = await openHookStage({ env: { ...secrets, APPROVAL_SECRET: 'too-short' } })
    const path = `${approvalPath}/${signApproval(asked, secret)}`
    expect((await weak.send({ method: 'GET', path })).status).toBe(503)
    expect(weak.lines.join()).toContain('approval.bad-secret')
    expect(weak.lines.join()).not.toContain('too-short')
    await weak.close()
  })
})

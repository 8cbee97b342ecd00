import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { linkFor } from '#functions/alarm-scaler/approval-link.ts'
import { keepApproval, recallApprovals } from '#functions/alarm-scaler/approval-memory.ts'
import { type SuggestionRequest, suggestionTokens } from '#functions/alarm-scaler/suggestion-token.ts'
import { deployTokens } from '#functions/redeploy-hook/approval-token.ts'
import { ApprovalSecretError } from '#shared/runtime/approval/approval-token.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { type AlarmHookStage, openAlarmHookStage, type Reply, secrets, start } from './alarm-hook-stage.ts'

const hour = 3_600_000
const secret = secrets.APPROVAL_SECRET

const suggestion = {
  key: 'suggestion-1',
  policy: 'storefront',
  cluster: 'cls-9f3kq2vd',
  pool: 'general',
  alarm: 'CPU <high> & "rising"',
  episode: 'e'.repeat(40),
  nodes: 2,
  mechanism: 'group asg-7kq4m2xv',
}
const asked: SuggestionRequest = { ...suggestion, expiresAt: start + hour, nonce: 'once' }

let stage: AlarmHookStage
beforeEach(async () => {
  stage = await openAlarmHookStage()
})
afterEach(async () => {
  await stage.close()
})

const get = async (token: string): Promise<Reply> => await stage.send({ method: 'GET', path: `${suggestionTokens.path}/${token}` })
const press = async (token: string, body = ''): Promise<Reply> =>
  await stage.send({ path: `${suggestionTokens.path}/${token}`, body: Buffer.from(body) })

describe('the page of a suggestion', () => {
  it('says which alarm, pool and nodes, escaped, and makes no event by being opened', async () => {
    const { status, text } = await get(suggestionTokens.sign(asked, secret))
    expect(status).toBe(200)
    expect(text).toContain('<title>Approve more nodes</title>')
    expect(text).toContain('CPU &lt;high&gt; &amp; &quot;rising&quot;')
    expect(text).toContain('<dt>nodes</dt><dd>up to 2</dd>')
    expect(text).toContain('cls-9f3kq2vd')
    expect(await stage.worked()).toEqual([])
  })

  it('approves once by its button, whoever presses it how often', async () => {
    const token = suggestionTokens.sign(asked, secret)
    const first = await press(token, 'by=Anna+on+call')
    expect(first.status).toBe(202)
    expect(first.text).toContain('Taken in at <time>2026-11-24T00:22:00.000Z</time>')
    stage.now += 60_000
    expect((await press(token, 'by=Ben')).text).toBe(first.text)
    expect((await stage.worked()).map(({ source, group, payload }) => ({ source, group, payload }))).toEqual([
      {
        source: 'approve',
        group: 'approve cls-9f3kq2vd/general',
        payload: { kind: 'approval', request: asked, by: 'Anna on call' },
      },
    ])
  })

  it('is gone when the link has expired, and denied with any sign of it changed', async () => {
    const token = suggestionTokens.sign(asked, secret)
    stage.now = asked.expiresAt + 1
    expect([(await get(token)).status, (await press(token)).status]).toEqual([410, 410])
    expect((await press(`${token.slice(0, -1)}${token.endsWith('A') ? 'B' : 'A'}`)).status).toBe(401)
    expect(await stage.worked()).toEqual([])
  })

  it('is not opened by the link of a deployment, though the secret may be the same', async () => {
    const deploy = {
      uid: 'u',
      cluster: 'cls-1',
      namespace: 'shop',
      kind: 'Deployment',
      name: 'web',
      container: 'app',
      repository: 'team/web',
      tag: '1',
      contentId: 'sha256:1',
      expiresAt: start + hour,
      nonce: 'n',
    } as const
    expect((await press(deployTokens.sign(deploy, secret))).status).toBe(401)
    expect(deployTokens.verify(suggestionTokens.sign(asked, secret), [secret]).ok).toBe(false)
  })
})

describe('the link of a suggestion', () => {
  const settings = { secret, baseUrl: 'https://hooks.example.com/', expires: hour }
  const tokenOf = (link: string): string => link.slice(link.lastIndexOf('/') + 1)

  it('is good for as long as the settings say, and the same for the same within an hour', () => {
    const link = linkFor(suggestion, settings, start)
    expect(link.startsWith('https://hooks.example.com/hooks/alarm-scaler/approve/')).toBe(true)
    const verified = suggestionTokens.verify(tokenOf(link), [secret])
    expect(verified).toMatchObject({ ok: true, value: { ...suggestion, expiresAt: Date.parse('2026-11-24T02:00:00Z') } })
    expect(linkFor(suggestion, settings, start + 38 * 60_000)).toBe(link)
    expect(linkFor(suggestion, settings, start + 39 * 60_000)).not.toBe(link)
    expect(linkFor({ ...suggestion, nodes: 3 }, settings, start)).not.toBe(link)
    expect(linkFor({ ...suggestion, key: 'suggestion-2' }, settings, start)).not.toBe(link)
  })

  it('is not made with a secret that could be guessed, and the message says where it stands', () => {
    const make = (): string => linkFor(suggestion, { ...settings, secret: 'short' }, start)
    expect(make).toThrow(ApprovalSecretError)
    expect(make).toThrow(/functions\.alarm-scaler\.approval\.secret/)
  })
})

describe('an agreement', () => {
  it('is remembered until its link would have ended, and is the same when it is kept again', async () => {
    const now = { ms: start }
    const memory = createMemory(openMemoryStore(new MemoryDisk()), { function: 'alarm-scaler', now: () => now.ms })
    await keepApproval(memory, { request: asked, by: 'Anna' }, start)
    await keepApproval(memory, { request: { ...asked, key: 'other', expiresAt: start + 2 * hour } }, start)
    await keepApproval(memory, { request: asked, by: 'Anna' }, start + 1000)
    const sorted = async (): Promise<unknown> =>
      (await recallApprovals(memory, now.ms)).toSorted((one, other) => (one.key < other.key ? -1 : 1))
    expect(await sorted()).toEqual([
      { key: 'other', untilMs: start + 2 * hour, by: undefined },
      { key: 'suggestion-1', untilMs: start + hour, by: 'Anna' },
    ])
    now.ms = asked.expiresAt
    expect(await sorted()).toEqual([{ key: 'other', untilMs: start + 2 * hour, by: undefined }])
    await memory.put('approval/odd', { format: 9 })
    expect(await sorted()).toHaveLength(1)
  })
})

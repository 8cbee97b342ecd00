import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#cloud/clock.ts'
import { webhook } from '#functions/redeploy-hook/webhook.ts'
import { defineWebhook } from '#shared/runtime/define-webhook.ts'
import { maxBodyBytes } from '#shared/runtime/webhook-desk.ts'
import { StoreError } from '#shared/safety/store.ts'
import { MemoryDisk, openMemoryStore } from '#shared/safety/store-memory.ts'
import { openSqliteStore } from '#shared/safety/store-sqlite.ts'
import { eventOf, type HookStage, openHookStage, replyOf, requestIn, secrets, senders, start } from './hook-stage.ts'

let stage: HookStage
let folder: string
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'redeploy-hook-'))
  stage = await openHookStage()
})
afterEach(async () => {
  await stage.close()
  rmSync(folder, { recursive: true })
})

const entriesOf = (text: string): { id: string; receivedAt: string }[] => JSON.parse(text).entries

/** Events that are webhooks, with what they are answered and the pushes that come of them. */
const webhooks: Readonly<Record<string, readonly [status: number, pushes: readonly string[]]>> = {
  base: [202, ['team/web:1.0.0']],
  duplicate: [202, ['team/web:1.0.0']],
  late: [202, ['team/web:stable']],
  'moved-tag': [202, ['team/web:stable']],
  invalid: [400, []],
  'invalid-secret': [401, []],
  'child-manifest': [202, []],
  'multi-arch': [202, ['team/web:2.0.0']],
  mixed: [202, ['team/web:1.0.0', 'team/web2:1.0.0']],
  delete: [202, []],
  harbor: [202, ['team/web:1.0.1']],
  'harbor-untagged': [202, []],
  'harbor-cloudevents': [202, ['team/web:1.0.1']],
  'tcr-enterprise': [202, ['team/web:1.0.1']],
  'docker-hub': [202, ['team/web:1.0.1']],
  signed: [202, ['team/web:1.0.1']],
  storefront: [202, ['shop/storefront:v2.4.7']],
  'approval-page': [200, []],
  approval: [202, ['approval of team/web:1.0.1']],
}
const ticks = ['tick', 'local', 'default-input', 'sweep']

async function pushes(of: HookStage = stage): Promise<string[]> {
  return (await of.worked()).flatMap(({ payload }) =>
    payload.kind === 'push'
      ? payload.hints.map(({ repository, tag }) => `${repository}:${tag}`)
      : [`approval of ${payload.request.repository}:${payload.request.tag}`],
  )
}

describe('25: an event file', () => {
  it('is run by a test, all of them', () => {
    const files = readdirSync(new URL('../../../events/redeploy-hook/', import.meta.url)).map((file) => file.replace('.json', ''))
    expect(files.toSorted()).toEqual([...Object.keys(webhooks), ...ticks].toSorted())
  })

  it.each(Object.entries(webhooks))('%s gives the same answer and events over a socket and on Lambda', async (name, [status, expected]) => {
    const overSocket = await stage.send(requestIn(name))
    expect(overSocket.status).toBe(status)
    expect(await pushes()).toEqual(expected)

    const compiledConfig = join(folder, 'longshore.json')
    writeFileSync(compiledConfig, JSON.stringify({ platform: { region: 'ap-guangzhou' }, functions: { 'redeploy-hook': senders } }))
    const disk = new MemoryDisk()
    const handler = defineWebhook(webhook, {
      compiledConfig,
      environment: () => secrets,
      clock: { ...systemClock, now: () => start },
      writeLine: () => undefined,
      openStore: async () => openMemoryStore(disk),
      createNudge: () => undefined,
    })
    const onLambda = replyOf(await handler(eventOf(name)))
    expect(onLambda.status).toBe(status)
    expect(onLambda.text).toBe(overSocket.text)
    const other = await openHookStage({ store: openMemoryStore(disk) })
    expect(await other.worked()).toEqual(await stage.worked())
    await other.close()
  })
})

describe('13: a delivery', () => {
  it('that is repeated, in another encoding, gets the first answer and is no second event', async () => {
    const first = await stage.send(requestIn('base'))
    stage.now += 10_000
    const second = await stage.send(requestIn('duplicate'))
    expect(second).toMatchObject({ status: 202, text: first.text })
    expect(entriesOf(first.text)).toHaveLength(1)
    expect(await pushes()).toEqual(['team/web:1.0.0'])
    stage.now += 3_600_000
    expect((await stage.send(requestIn('base'))).text).toBe(first.text)
    expect(await stage.worked()).toHaveLength(1)
  })

  it('is answered only once it is in a store that outlives the process', async () => {
    const path = join(folder, 'store.db')
    const durable = await openHookStage({ store: await openSqliteStore({ path }) })
    const { text } = await durable.send(requestIn('base'))
    // Nobody worked on it: the process is gone.
    await durable.close()
    const later = await openHookStage({ store: await openSqliteStore({ path }) })
    expect((await later.worked()).map(({ id }) => id)).toEqual(entriesOf(text).map(({ id }) => id))
    await later.close()
  })

  it('is not answered 202 while the store is away', async () => {
    let isDown = true
    const disk = new MemoryDisk()
    const away = await openHookStage({
      store: openMemoryStore(disk, {
        before: () => {
          if (isDown) throw new StoreError('store.unavailable', 'locked')
        },
      }),
    })
    expect((await away.send(requestIn('base'))).status).toBe(503)
    isDown = false
    expect((await away.send(requestIn('base'))).status).toBe(202)
    expect(await away.worked()).toHaveLength(1)
    await away.close()
  })

  it('is denied with one and the same 401 before its body is looked at', async () => {
    const bad = Buffer.from([0xff, 0xfe, 0x7b])
    const texts = new Set<string>()
    for (const [path, headers] of [
      ['registry', {}],
      ['registry', { authorization: '' }],
      ['registry', { authorization: 'sandbox-registry-token sandbox-registry-token' }],
      ['registry', { authorization: 'Bearer' }],
      ['registry', { authorization: 'Bearer sandbox-registry-toke' }],
      ['registry', { authorization: 'Basic c2FuZGJveC1yZWdpc3RyeS10b2tlbg==' }],
      ['registry', { 'x-tcr-token': 'sandbox-registry-token' }],
      ['harbor', { authorization: 'sandbox-registry-token' }],
      ['tcr', { authorization: 'sandbox-tcr-token' }],
      ['hub/wrong', {}],
      ['hub/sandbox-hub-secre', {}],
      ['ci', {}],
      ['ci', { 'webhook-id': 'a', 'webhook-timestamp': String(start / 1000), 'webhook-signature': 'v1,' }],
      ['approve/x.y', {}],
      ['approve/x', {}],
    ] as const) {
      const { status, text } = await stage.send({ path: `/hooks/redeploy-hook/${path}`, headers, body: bad })
      texts.add(`${status} ${text}`)
    }
    expect([...texts]).toEqual(['401 {"error":"denied"}\n'])
    expect(await stage.worked()).toEqual([])
  })

  it('with the secret gets a clear 400 for a body that is no UTF-8, no JSON, or something else', async () => {
    const { headers } = requestIn('base')
    for (const [body, why] of [
      [Buffer.from([0x7b, 0xff, 0x7d]), 'the body must be UTF-8'],
      [Buffer.from('{"events":'), 'the body must be JSON'],
      [Buffer.alloc(0), 'the body must be JSON'],
      [Buffer.from('[]'), 'the body must be an envelope of registry notifications, {"events": […]}'],
      [Buffer.from('{"events":{}}'), 'the body must be an envelope of registry notifications, {"events": […]}; events does not fit'],
      [Buffer.from('['.repeat(200_000)), 'the body must be JSON'],
      [
        Buffer.from(`${'['.repeat(100_000)}${']'.repeat(100_000)}`),
        'the body must be an envelope of registry notifications, {"events": […]}',
      ],
    ] as const) {
      const { status, text } = await stage.send({ path: '/hooks/redeploy-hook/registry', headers, body })
      expect([status, JSON.parse(text)]).toEqual([400, { error: 'unreadable', why }])
    }
  })

  it('of 300 KiB is 413, with the secret and without', async () => {
    const { headers } = requestIn('base')
    const padded = (sizeBytes: number): Buffer =>
      Buffer.concat([requestIn('base').body, Buffer.alloc(sizeBytes, ' ')]).subarray(0, sizeBytes)
    expect((await stage.send({ path: '/hooks/redeploy-hook/registry', headers, body: padded(300 * 1024) })).status).toBe(413)
    expect((await stage.send({ path: '/hooks/redeploy-hook/registry', body: padded(300 * 1024) })).status).toBe(413)
    expect((await stage.send({ path: '/hooks/redeploy-hook/registry', headers, body: padded(maxBodyBytes) })).status).toBe(202)
  })

  it('may spell its headers in any case', async () => {
    const { path, body } = requestIn('base')
    for (const name of ['AUTHORIZATION', 'authorization', 'aUtHoRiZaTiOn']) {
      expect((await stage.send({ path, body, headers: { [name]: 'Bearer sandbox-registry-token' } })).status).toBe(202)
    }
    const signed = requestIn('signed')
    const loud = Object.fromEntries(Object.entries(signed.headers).map(([name, value]) => [name.toUpperCase(), value]))
    expect((await stage.send({ ...signed, headers: loud })).status).toBe(202)
  })

  it('may carry the secret alone, where its header is a whole value', async () => {
    const { path, body } = requestIn('base')
    expect((await stage.send({ path, body, headers: { authorization: 'sandbox-registry-token' } })).status).toBe(202)
  })
})

describe('a source', () => {
  it('without a secret has no route, and one that is not configured neither', async () => {
    const closed = await openHookStage({
      settings: { sources: { registry: { kind: 'distribution' }, ci: { kind: 'signed', secrets: [] } } },
    })
    for (const path of ['registry', 'ci', 'harbor', 'approve/x.y', 'hub/x', 'constructor', '__proto__']) {
      const { status } = await closed.send({ ...requestIn('base'), path: `/hooks/redeploy-hook/${path}` })
      expect(status, path).toBe(404)
    }
    await closed.close()
  })

  it('takes POST only', async () => {
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      expect((await stage.send({ ...requestIn('base'), method })).status, method).toBe(404)
    }
  })

  it('takes the old and the new secret while one takes the place of the other', async () => {
    const both = await openHookStage({
      settings: { sources: { registry: { kind: 'distribution', secrets: ['env:REGISTRY_TOKEN', 'env:HARBOR_TOKEN'] } } },
    })
    const { path, body } = requestIn('base')
    for (const token of ['sandbox-registry-token', 'sandbox-harbor-token']) {
      expect((await both.send({ path, body, headers: { authorization: `Bearer ${token}` } })).status).toBe(202)
    }
    expect((await both.send({ path, body, headers: { authorization: 'Bearer sandbox-tcr-token' } })).status).toBe(401)
    await both.close()
  })

  it('may not take the address of the page for approvals', async () => {
    await expect(openHookStage({ settings: { sources: { approve: { kind: 'signed', secrets: ['env:CI_KEY'] } } } })).rejects.toThrow(
      'is the address of the page for approvals',
    )
  })
})

describe('callback_url', () => {
  it('is never called', async () => {
    let calls = 0
    const stranger = createServer((_, response) => {
      calls += 1
      response.end()
    })
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve))
    const { port } = stranger.address() as AddressInfo
    const { path, headers, body } = requestIn('docker-hub')
    const content = { ...JSON.parse(body.toString()), callback_url: `http://127.0.0.1:${port}/callback` }
    expect((await stage.send({ path, headers, body: Buffer.from(JSON.stringify(content)) })).status).toBe(202)
    const [event] = await stage.worked()
    expect(JSON.stringify(event)).not.toContain('callback')
    expect(calls).toBe(0)
    stranger.closeAllConnections()
    await new Promise((resolve) => stranger.close(resolve))
  })
})

describe('what comes to nothing', () => {
  const linesOf = (event: string): Record<string, unknown>[] =>
    stage.lines.map((line) => JSON.parse(line) as Record<string, unknown>).filter((line) => line.event === event)

  it('is in the log, one line for each kind, and only a fault is more than a detail', async () => {
    await stage.send(requestIn('mixed'))
    expect(linesOf('webhook-passed-over')).toMatchObject([
      { level: 'debug', trigger: 'registry', code: 'no-manifest', counts: '1' },
      { level: 'debug', code: 'no-push', counts: '3' },
    ])
    const { path, headers } = requestIn('base')
    await stage.send({ path, headers, body: Buffer.from('{"events":[{"action":"push"},{"action":"push"}]}') })
    expect(linesOf('webhook-passed-over').slice(2)).toEqual([
      {
        level: 'warn',
        event: 'webhook-passed-over',
        function: 'redeploy-hook',
        trigger: 'registry',
        code: 'unreadable-event',
        counts: '2',
        reason: 'an event has no action or no target',
      },
    ])
  })
})

describe('19: secrets and tokens', () => {
  it('reach no log line, no answer and no entry', async () => {
    const approval = requestIn('approval')
    for (const name of Object.keys(webhooks)) await stage.send(requestIn(name))
    const written = JSON.stringify([stage.lines, await stage.worked()])
    for (const secret of Object.values(secrets)) expect(written).not.toContain(secret)
    expect(written).not.toContain(approval.path.slice(approval.path.lastIndexOf('/') + 1))
  })
})

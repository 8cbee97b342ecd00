import { mkdtempSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { createServer, type Server } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type AttachTarget, exchangeAttached, forwardAttached, parseAttach } from '#infra/sandbox/attach.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import { baseClusters, createBaseWorld } from '#infra/sandbox/seeds/base.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxKubeToken } from '#infra/sandbox/test-credentials.ts'
import { codeOf, must, rawCall } from './sandbox-call.ts'
import { createSelfSigned } from './self-signed.ts'

interface Seen {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** Stands in for a real kube-apiserver: TLS with a certificate of its own authority, and a body for every status. */
describe('a cluster that is attached', () => {
  let apiServer: Server
  let seen: Seen[]
  let target: AttachTarget
  const { key, certificate } = createSelfSigned()

  beforeEach(async () => {
    seen = []
    apiServer = createServer({ key, cert: certificate }, async (request, response) => {
      const parts: Buffer[] = []
      for await (const part of request) {
        parts.push(part as Buffer)
      }
      seen.push({ method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(parts).toString() })
      const status = request.url?.includes('secrets') === true ? 403 : 200
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ kind: 'Answer', status, name: '容器' }))
    })
    await new Promise<void>((resolve) => apiServer.listen(0, '127.0.0.1', resolve))
    const address = apiServer.address()
    target = { url: `https://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`, token: 'real-token', ca: certificate }
  })

  afterEach(async () => {
    apiServer.closeAllConnections()
    await new Promise((resolve) => apiServer.close(resolve))
  })

  test('gets method, path, media types, body and token, and its body comes back whatever its status', async () => {
    const body = await forwardAttached(target, {
      method: 'PATCH',
      path: '/apis/apps/v1/namespaces/default/deployments/web?dryRun=All',
      accept: 'application/json',
      contentType: 'application/merge-patch+json',
      body: '{"spec":{"replicas":5}}',
    })
    expect(JSON.parse(body)).toEqual({ kind: 'Answer', status: 200, name: '容器' })
    expect(seen[0]).toMatchObject({
      method: 'PATCH',
      url: '/apis/apps/v1/namespaces/default/deployments/web?dryRun=All',
      body: '{"spec":{"replicas":5}}',
    })
    expect(seen[0]?.headers).toMatchObject({
      authorization: 'Bearer real-token',
      'content-type': 'application/merge-patch+json',
      accept: 'application/json',
    })
    const refused = { method: 'GET', path: '/api/v1/secrets' }
    expect(JSON.parse(await forwardAttached(target, refused))).toMatchObject({ status: 403 })
    expect(await exchangeAttached(target, refused)).toMatchObject({ status: 403, contentType: 'application/json' })
    expect(seen[1]?.headers).not.toHaveProperty('content-type')
  })

  test('is not asked when its certificate is not trusted, and an unreachable one is an InternalError', async () => {
    const get = { method: 'GET', path: '/api' }
    await expect(forwardAttached({ url: target.url }, get)).rejects.toMatchObject({
      code: 'InternalError',
      message: expect.stringContaining(target.url),
    })
    await expect(forwardAttached({ ...target, ca: createSelfSigned().certificate }, get)).rejects.toMatchObject({ code: 'InternalError' })
    expect(seen).toEqual([])
    await expect(forwardAttached({ ...target, url: 'https://127.0.0.1:1' }, get)).rejects.toMatchObject({ code: 'InternalError' })
  })

  test('stands in for its cluster behind ForwardRequest and for kubectl; others stay as they are', async () => {
    const startMs = Date.parse('2026-03-01T02:00:00Z')
    const sandbox: Sandbox = await startSandbox({
      world: createBaseWorld(startMs, 1),
      clock: createSandboxClock({ startMs, frozen: true }),
      attach: new Map([[baseClusters.production, target]]),
    })
    try {
      const forward = (ClusterName: string, Path: string) => must(sandbox, 'ForwardRequest', { Method: 'GET', Path, ClusterName })
      expect(JSON.parse((await forward(baseClusters.production, '/api/v1/secrets')).ResponseBody)).toEqual({
        kind: 'Answer',
        status: 403,
        name: '容器',
      })
      expect(JSON.parse((await forward(baseClusters.staging, '/api/v1/namespaces/default')).ResponseBody)).toMatchObject({
        kind: 'Namespace',
      })
      expect(seen).toHaveLength(1)
      const direct = (clusterId: string, token: string) =>
        rawCall(sandbox, { method: 'GET', path: `/_kubernetes/${clusterId}/api/v1/secrets`, headers: { authorization: `Bearer ${token}` } })
      expect((await direct(baseClusters.production, sandboxKubeToken)).status).toBe(403)
      expect((await direct(baseClusters.production, 'another')).status).toBe(401)
      expect(seen).toHaveLength(2)
      apiServer.closeAllConnections()
      await new Promise((resolve) => apiServer.close(resolve))
      expect(await codeOf(sandbox, 'ForwardRequest', { Method: 'GET', Path: '/api', ClusterName: baseClusters.production })).toBe(
        'InternalError',
      )
      expect((await direct(baseClusters.production, sandboxKubeToken)).status).toBe(503)
    } finally {
      await sandbox.close()
    }
  })
})

describe('--attach', () => {
  test('names a cluster and its server, with token and authority given or in files', () => {
    const folder = mkdtempSync(join(tmpdir(), 'longshore-attach-'))
    writeFileSync(join(folder, 'token'), 'from-file\n')
    writeFileSync(join(folder, 'ca.pem'), 'PEM')
    const table = parseAttach([
      'cls-1a2b3c4d=https://127.0.0.1:6443,token=abc',
      `cls-2a2b3c4d=https://kube.example.com,token-file=${join(folder, 'token')},ca-file=${join(folder, 'ca.pem')}`,
    ])
    expect([...table]).toEqual([
      ['cls-1a2b3c4d', { url: 'https://127.0.0.1:6443', token: 'abc' }],
      ['cls-2a2b3c4d', { url: 'https://kube.example.com', token: 'from-file', ca: 'PEM' }],
    ])
    expect(parseAttach([]).size).toBe(0)
  })

  test('takes files relative to the folder it is given, and names option and file of one that cannot be read', () => {
    const folder = mkdtempSync(join(tmpdir(), 'longshore-attach-'))
    writeFileSync(join(folder, 'token'), 'from-file\n')
    writeFileSync(join(folder, 'empty'), '\n')
    expect(parseAttach(['cls-1a2b3c4d=https://127.0.0.1:6443,token-file=token'], folder).get('cls-1a2b3c4d')?.token).toBe('from-file')
    for (const option of ['token-file', 'ca-file']) {
      const parse = (file: string) => () => parseAttach([`cls-1a2b3c4d=https://127.0.0.1:6443,${option}=${file}`], folder)
      expect(parse('none')).toThrow(new RegExp(`cls-1a2b3c4d: ${option} names .*none, which cannot be read \\(ENOENT\\)`))
      expect(parse('.')).toThrow(/EISDIR/)
      expect(parse('empty')).toThrow(/which is empty/)
    }
  })

  test.each([
    [['cls-1a2b3c4d'], /form/],
    [['https://127.0.0.1:6443'], /form/],
    [['cls-1a2b3c4d=http://127.0.0.1:6443'], /https/],
    [['cls-1a2b3c4d=https://127.0.0.1:6443/path'], /path/],
    [['cls-1a2b3c4d=https://user:pw@127.0.0.1'], /form/],
    [['cls-1a2b3c4d=https://127.0.0.1,tokn=abc'], /tokn.*Known: token/],
    [['cls-1a2b3c4d=https://a', 'cls-1a2b3c4d=https://b'], /twice/],
  ])('%j is refused', (values, message) => {
    expect(() => parseAttach(values)).toThrow(message)
  })
})

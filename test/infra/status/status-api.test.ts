import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { kubeWriter } from '#cloud/kube.ts'
import type { Lease, PoolRecord } from '#functions/alarm-scaler/lease.ts'
import { writePool } from '#functions/alarm-scaler/pool-store.ts'
import {
  ApprovalsView,
  DeadLettersView,
  DecisionsView,
  FunctionsView,
  JournalView,
  LeasesView,
  LicenceView,
  PlatformView,
  Problem,
  RegistryView,
  TimelineView,
} from '#infra/status/api-schemas.ts'
import { orderRoutes } from '#infra/status/order-routes.ts'
import { viewRoutes } from '#infra/status/view-routes.ts'
import { functionNames } from '#shared/runtime/definition.ts'
import { createDeadLetters } from '#shared/safety/dead-letters.ts'
import { createInbox } from '#shared/safety/inbox.ts'
import type { Store } from '#shared/safety/store.ts'
import { openStage, type Stage } from './status-stage.ts'

const token = 'a-token-of-this-test-only'
const authorization = `Bearer ${token}`

let stage: Stage
let letterId: string

/** Lets an event die; answers its id. */
async function die(store: Store, key: string, now: number): Promise<string> {
  const inbox = createInbox(store, { function: 'redeploy-hook' })
  const { entry } = await inbox.accept({ source: 'harbor', id: key, group: `team/${key}`, payload: { key }, receivedAt: now, now })
  const taken = await inbox.takeFor(entry.id, { owner: 'test', now, deadline: now + 60_000 })
  if (taken.kind !== 'taken') throw new Error(taken.kind)
  await inbox.finish(taken.claim, { now, outcome: { kind: 'dead', code: 'hook.unreadable', text: 'it makes no sense' } })
  return entry.id
}

/** A lease whose nodes are there, in its cluster's record. */
function leaseOf(id: string, now: number, more: Partial<Lease> = {}): Lease {
  return {
    id,
    ordinal: 1,
    key: 'grow-1',
    policy: 'cpu',
    episode: { id: 'e1', source: 'alerts', key: 'k', name: 'HighCpu', startedAtMs: now - 600_000 },
    step: 0,
    level: 1,
    wanted: 1,
    mechanism: { name: 'general', kind: 'scaling-group', group: 'asg-7kq4m2xv' },
    before: { instanceIds: [], bounds: { min: 1, max: 8 } },
    state: 'held',
    nodes: [{ instanceId: 'ins-00000001', nodeName: '10.0.0.9', readyAtMs: now - 300_000 }],
    askedAtMs: now - 600_000,
    provisionUntilMs: now,
    heldSinceMs: now - 300_000,
    expiresAtMs: now + 3_600_000,
    ...more,
  }
}

beforeAll(async () => {
  stage = await openStage({ functions: functionNames, token })
  const { platform, runner } = stage
  const { store, cloud, now } = platform
  if (store === undefined) throw new Error('the sandbox has a store')
  await runner.runOnce()
  letterId = await die(store, 'one', now())
  const outcome = { kind: 'removed', code: 'given-back', text: 'its nodes were given back', atMs: now() } as const
  const record: PoolRecord = {
    version: 1,
    cluster: 'cls-9f3kq2vd',
    pool: 'general',
    ordinal: 2,
    bases: [],
    leases: [
      leaseOf('ls-00000000000000aa', now(), { state: 'closed', outcome, ordinal: 1 }),
      leaseOf('ls-00000000000000bb', now(), { ordinal: 2 }),
    ],
  }
  await writePool(kubeWriter(cloud, 'cls-9f3kq2vd'), 'kube-system', record, undefined)
  await stage.sampleOnce()
})

afterAll(async () => {
  await stage.close()
})

/** A view as its schema has it: anything else fails here. */
async function view<T>(schema: z.ZodMiniType<T>, path: string): Promise<T> {
  const { status, json, text } = await stage.get(path)
  expect([status, text.length > 2]).toEqual([200, true])
  return z.parse(schema, json)
}

describe('views of a process that has run everything once', () => {
  it('platform: what it works on', async () => {
    const seen = await view(PlatformView, '/api/platform')
    expect(seen).toMatchObject({ kind: 'sandbox', mode: 'enforce', region: 'ap-guangzhou', speed: 1, writable: true })
    expect(seen.clusters.map(({ name }) => name)).toEqual(['production', 'staging', 'legacy'])
    expect(seen.endpoint).toBe(stage.platform.sandbox?.url)
    expect(seen.killSwitch?.state).toBe('run')
  })

  it('functions: each with its last run, its next one and what it has changed', async () => {
    const { functions } = await view(FunctionsView, '/api/functions')
    expect(functions.map(({ name }) => name).toSorted()).toEqual([...functionNames].toSorted())
    const scaler = functions.find(({ name }) => name === 'cron-scaler')
    expect(scaler).toMatchObject({ ok: true, runs: 1 })
    expect(scaler?.applied).toBeGreaterThan(0)
    expect(scaler?.counts?.Applied).toBe(scaler?.applied)
    expect(Date.parse(scaler?.nextRun ?? '')).toBeGreaterThan(Date.parse(scaler?.lastRun ?? ''))
    expect(functions.find(({ name }) => name === 'redeploy-hook')?.events).toEqual({ waiting: 1, deadLetters: 0 })
    expect(scaler?.events).toBeUndefined()
  })

  it('decisions: newest first, page by page, and only what was asked for', async () => {
    const { decisions: all, total } = await view(DecisionsView, '/api/decisions?limit=200')
    expect(all).toHaveLength(total)
    expect(all.map(({ id }) => id)).toEqual(all.map(({ id }) => id).toSorted((one, other) => other - one))
    const paged: number[] = []
    let before = ''
    for (let pages = 0; pages < 50; pages += 1) {
      const { decisions, next } = await view(DecisionsView, `/api/decisions?limit=7${before}`)
      paged.push(...decisions.map(({ id }) => id))
      if (next === undefined) break
      before = `&before=${next}`
    }
    expect(paged).toEqual(all.map(({ id }) => id))
    const held = await view(DecisionsView, '/api/decisions?function=redeploy-hook&outcome=Held,Failed&target=LEDGER')
    expect(held.decisions).toMatchObject([{ target: 'cls-9f3kq2vd/pay/StatefulSet/ledger', reason: { code: 'needs-approval' } }])
    const twice = await view(DecisionsView, '/api/decisions?outcome=Held&outcome=Failed&function=redeploy-hook')
    expect(twice.decisions.map(({ id }) => id)).toEqual(held.decisions.map(({ id }) => id))
  })

  it('timeline: sizes of what was decided about, and of the clusters, with what was changed', async () => {
    const { replicas, nodes, events } = await view(TimelineView, '/api/timeline?hours=1')
    expect(nodes.map(({ cluster, points }) => [cluster, points.at(-1)?.value])).toEqual([
      ['cls-2h7cz5wl', 6],
      ['cls-9f3kq2vd', 6],
      ['cls-m4t8x0be', 3],
    ])
    const changed = events.find(({ target }) => target === 'cls-9f3kq2vd/pay/Deployment/gateway')
    const replicasAfter = /^replicas 3 -> replicas ([0-9]+)$/.exec(changed?.text ?? '')?.[1]
    expect(replicas.find(({ target }) => target === changed?.target)?.points.at(-1)?.value).toBe(Number(replicasAfter))
    expect(replicas.find(({ target }) => target.endsWith('HorizontalPodAutoscaler/storefront'))?.points.at(-1)?.max).toBeGreaterThan(0)
  })

  it('registry: what is kept, and what waits in the quarantine', async () => {
    const seen = await view(RegistryView, '/api/registry')
    expect(seen.problem).toBeUndefined()
    // Everything that was removed is in the quarantine, and takes its space as before.
    expect([seen.freedTags, seen.freedBytes]).toEqual([0, 0])
    expect(seen.repositories.find(({ repository }) => repository === 'pay/gateway')?.quarantinedTags).toBeGreaterThan(0)
    // The copies in the quarantine have the contents of nothing else any more.
    expect(seen.keptBytes).toBeLessThanOrEqual(seen.repositories.reduce((sum, { keptBytes }) => sum + keptBytes, 0))
    expect(seen.keptTags).toBe(seen.repositories.reduce((sum, { keptTags }) => sum + keptTags, 0))
  })

  it('licence: what is in use and may be; the hours before the record are no gaps', async () => {
    const { products } = await view(LicenceView, '/api/licence')
    expect(products).toMatchObject([{ metric: 'tke-*', unit: 'core', entitled: 128, gaps: 0 }])
    expect(products[0]?.points.at(-1)?.value).toBe(products[0]?.used)
    expect(products[0]?.forecast?.text).toContain('no forecast yet')
  })

  it('leases: open ones first', async () => {
    const { leases, problem } = await view(LeasesView, '/api/leases')
    expect(problem).toBeUndefined()
    expect(leases.map(({ id, state }) => [id, state])).toEqual([
      ['ls-00000000000000bb', 'held'],
      ['ls-00000000000000aa', 'closed'],
    ])
    expect(leases[0]).toMatchObject({ cluster: 'cls-9f3kq2vd', pool: 'general', alarm: 'HighCpu', nodes: ['10.0.0.9'], asked: 1 })
  })

  it('approvals: what waits for somebody', async () => {
    const { approvals } = await view(ApprovalsView, '/api/approvals')
    expect(approvals).toMatchObject([{ function: 'redeploy-hook', target: 'cls-9f3kq2vd/pay/StatefulSet/ledger', state: 'waiting' }])
    expect(approvals[0]?.text).toContain('longshore approve')
  })

  it('dead letters: without what was received', async () => {
    const { letters } = await view(DeadLettersView, '/api/dead-letters')
    expect(letters).toMatchObject([{ id: letterId, function: 'redeploy-hook', source: 'harbor', tries: 1 }])
    expect(letters[0]?.reason).toBe('hook.unreadable: it makes no sense')
  })

  it('journal: newest first, page by page, with its verification', async () => {
    const all = await view(JournalView, '/api/journal?function=cron-scaler')
    expect(all.verification).toMatchObject({ state: 'intact', entries: all.entries.length })
    const sequences = all.entries.map(({ sequence }) => sequence)
    expect(sequences).toEqual(sequences.toSorted((one, other) => other - one))
    const first = await view(JournalView, '/api/journal?function=cron-scaler&limit=3')
    const second = await view(JournalView, `/api/journal?function=cron-scaler&limit=3&before=${first.next}`)
    expect([...first.entries, ...second.entries].map(({ sequence }) => sequence)).toEqual(sequences.slice(0, 6))
    const last = await view(JournalView, '/api/journal?function=cron-scaler&before=1')
    expect([last.entries, last.next]).toEqual([[], undefined])
  })

  it('every view is one of those above', () => {
    const names = viewRoutes.map(({ path }) => path.slice('/api/'.length))
    const tried = [
      'platform',
      'functions',
      'decisions',
      'timeline',
      'registry',
      'licence',
      'leases',
      'approvals',
      'dead-letters',
      'journal',
    ]
    expect(names).toEqual(tried)
  })
})

describe('what is asked wrongly', () => {
  it.each([
    ['/api/decisions?limti=3', 'the parameter limti: there is no such one; did you mean "limit"?'],
    ['/api/decisions?limit=0', 'the parameter limit: expected at least 1, found 0.'],
    ['/api/decisions?limit=1.5', 'the parameter limit: expected a number, found "1.5".'],
    ['/api/decisions?limit=2&limit=3', 'the parameter limit: expected a number, found a list of 2.'],
    ['/api/decisions?outcome=Aplied', 'did you mean "Applied"?'],
    ['/api/decisions?outcome=', 'the parameter outcome[0]'],
    ['/api/decisions?function=cron', 'the parameter function: expected "cron-scaler"'],
    ['/api/decisions?target=', 'the parameter target: expected at least 1 character'],
    ['/api/timeline?hours=169', 'the parameter hours: expected at most 168, found 169.'],
    ['/api/journal', 'the parameter function: expected "cron-scaler"'],
    ['/api/platform?x', 'the parameter x: there is no such one; none is taken here.'],
    ['/api/platform?__proto__=1', 'the parameter __proto__: there is no such one'],
  ])('%s is refused, and it is said why', async (path, why) => {
    const { status, json } = await stage.get(path)
    expect(status).toBe(400)
    expect(z.parse(Problem, json).error).toMatchObject({ code: 'bad-query', text: expect.stringContaining(why) })
  })

  it('a short request gets no long answer, however much is wrong with it', async () => {
    for (const query of [
      `outcome=${'x,'.repeat(2000)}`,
      Array.from({ length: 1500 }, (_, index) => `a${index}`).join('&'),
      'y'.repeat(9000),
    ]) {
      const { status, text } = await stage.get(`/api/decisions?${query}`)
      expect([status, text.length < 2000]).toEqual([400, true])
    }
    expect((await stage.get('/api/decisions?a&b&c&d&e&f&g')).text).toContain('and 2 more.')
  })

  it('an unknown path is 404 with the nearest one, and a wrong method 405', async () => {
    expect(await stage.get('/api/decision')).toMatchObject({
      status: 404,
      json: { error: { text: 'There is no such path; did you mean /api/decisions?' } },
    })
    expect((await stage.get('/api/')).status).toBe(404)
    expect((await stage.get('/api/switch')).status).toBe(405)
    const { status, headers } = await stage.post('/api/functions', {})
    expect([status, headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    expect((await stage.get('/assets/../../package.json')).status).toBe(404)
    expect((await stage.get('/assets/%2e%2e/secret')).status).toBe(404)
  })

  it('HEAD is answered as GET is, without a body', async () => {
    const answer = await fetch(`${stage.url}/api/platform`, { method: 'HEAD' })
    expect([answer.status, await answer.text()]).toEqual([200, ''])
  })

  it('webhooks and health are where they were', async () => {
    expect((await fetch(`${stage.url}/hooks/registry`, { method: 'POST' })).status).toBe(202)
    expect((await stage.get('/healthz')).json).toEqual({ ok: true })
    expect((await stage.get('/elsewhere')).status).toBe(404)
  })
})

/** A request written by hand, because `fetch` sets Host by itself. */
async function statusAs(host: string, path: string, url = stage.url): Promise<number> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let answer = ''
  socket.on('data', (piece) => {
    answer += piece
  })
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`)
  await new Promise((resolve) => socket.on('close', resolve))
  return Number(answer.split(' ')[1])
}

describe('who is answered', () => {
  it.each(['/', '/api/platform', '/api/openapi.json', '/metrics', '/assets/x'])('%s only under a name of this machine', async (path) => {
    const known = path === '/assets/x' ? 404 : 200
    for (const host of ['localhost', 'LOCALHOST:8780', '127.0.0.1:1', '[::1]:8780']) expect(await statusAs(host, path)).toBe(known)
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:8780', '', '127.0.0.1:8780:1', '10.0.0.1'])
      expect(await statusAs(host, path)).toBe(403)
  })

  it('whatever comes back is not kept, framed or taken for something else, and no other origin may read it', async () => {
    for (const path of ['/', '/api/platform', '/metrics', '/api/nothing']) {
      const { headers } = await stage.get(path, { origin: 'http://evil.example' })
      expect(headers.get('cache-control')).toBe('no-store')
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('x-frame-options')).toBe('DENY')
      expect([...headers.keys()].filter((name) => name.startsWith('access-control-'))).toEqual([])
    }
    expect((await stage.get('/')).headers.get('content-security-policy')).toContain("default-src 'none'")
  })

  it('a secret that is known is in no answer, wherever it got into a text', async () => {
    stage.redactor.add('gateway')
    stage.redactor.add('harbor')
    const paths = [...viewRoutes.map(({ path }) => (path === '/api/journal' ? `${path}?function=cron-scaler` : path)), '/metrics']
    const texts = await Promise.all(paths.map(async (path) => (await stage.get(path)).text))
    for (const text of texts) expect(text).not.toMatch(/gateway|harbor/)
    expect(texts.join('')).toContain('[redacted]')
    const refused = await stage.get('/api/decisions?function=gateway')
    expect(refused.text).toContain('[redacted]')
  })
})

describe('orders', () => {
  const order = { state: 'stop', by: 'on call', reason: 'a test' }

  it('are taken from nobody without the token, nor from another site', async () => {
    const ask = async (headers: Record<string, string>) => (await stage.post('/api/switch', order, headers)).json
    expect(await ask({})).toMatchObject({ error: { code: 'token-missing' } })
    expect(await ask({ authorization: 'Bearer wrong' })).toMatchObject({ error: { code: 'token-wrong' } })
    expect(await ask({ authorization: `Basic ${token}` })).toMatchObject({ error: { code: 'token-missing' } })
    for (const site of ['cross-site', 'same-site'])
      expect(await ask({ authorization, 'sec-fetch-site': site })).toMatchObject({ error: { code: 'cross-site' } })
    expect(await ask({ authorization, origin: 'http://evil.example' })).toMatchObject({ error: { code: 'cross-site' } })
    expect(await ask({ authorization, origin: 'null' })).toMatchObject({ error: { code: 'cross-site' } })
    const { status, headers } = await stage.post('/api/switch', order)
    expect([status, headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="longshore"'])
    expect((await view(PlatformView, '/api/platform')).killSwitch?.state).toBe('run')
  })

  it('have to be whole, and JSON, and not too large', async () => {
    const ask = async (body: unknown, headers = {}) => await stage.post('/api/switch', body, { authorization, ...headers })
    expect(await ask('{', {})).toMatchObject({ status: 400, json: { error: { code: 'not-json' } } })
    expect(await ask(order, { 'content-type': 'text/plain' })).toMatchObject({ status: 415 })
    expect(await ask({ ...order, by: '' })).toMatchObject({
      status: 400,
      json: { error: { text: expect.stringContaining('the member by:') } },
    })
    for (const text of ['  ', 'two\nlines', '\u001b[31mred', 'back\u202ewards', 'x'.repeat(2000)]) {
      expect(await ask({ ...order, reason: text })).toMatchObject({
        status: 400,
        json: { error: { text: expect.stringContaining('the member reason:') } },
      })
    }
    const many = Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [`k${index}`.padEnd(100, 'x'), 1]))
    expect(JSON.stringify((await ask(many)).json).length).toBeLessThan(2000)
    expect(await ask({ ...order, resaon: 'x' })).toMatchObject({
      status: 400,
      json: { error: { text: expect.stringContaining('did you mean') } },
    })
    expect(await ask({ ...order, reason: 'x'.repeat(2_000_000) })).toMatchObject({ status: 413 })
  })

  it('stop every function and let them go on, and the journals say who it was', async () => {
    const headers = { authorization, origin: stage.url, 'sec-fetch-site': 'same-origin' }
    expect(await stage.post('/api/switch', order, headers)).toMatchObject({ status: 200, json: { done: true, text: 'It says stop now.' } })
    expect((await view(PlatformView, '/api/platform')).killSwitch).toMatchObject({ state: 'stop', by: 'on call', reason: 'a test' })
    for (const name of functionNames) {
      const { entries } = await view(JournalView, `/api/journal?function=${name}&limit=1`)
      expect(entries).toMatchObject([{ kind: 'note', text: 'set to stop by on call: a test' }])
    }
    await stage.post('/api/switch', { ...order, state: 'run' }, headers)
    expect((await view(PlatformView, '/api/platform')).killSwitch?.state).toBe('run')
  })

  it('decide about a dead event once', async () => {
    const ask = async (what: string) =>
      (await stage.post('/api/dead-letters/order', { id: letterId, do: what, by: 'on call' }, { authorization })).json
    expect(await ask('retry')).toMatchObject({ done: true })
    expect((await view(DeadLettersView, '/api/dead-letters')).letters).toEqual([])
    expect(await ask('discard')).toMatchObject({ done: false, text: expect.stringContaining('no such dead event') })
    const { entries } = await view(JournalView, '/api/journal?function=redeploy-hook&limit=1')
    expect(entries).toMatchObject([{ target: `event ${letterId}`, after: 'in line again', text: 'on call has asked for another try' }])
  })

  it('about an event that somebody else has just decided about say that nothing was done, and are no failure', async () => {
    const { platform } = stage
    const { store, kernel, now } = platform
    if (store === undefined || kernel === undefined) throw new Error('the sandbox has a store')
    const id = await die(store, 'two', now())
    let reads = 0
    const raced = async (...[key, options]: Parameters<Store['get']>) => {
      if (key.partition.endsWith('/entries')) reads += 1
      // It was found, and is looked at again to be decided about.
      if (reads === 2) await createDeadLetters(store, { function: 'redeploy-hook' }).discard(id, { now: now() })
      return await store.get(key, options)
    }
    const between = new Proxy(store, {
      get: (target, name) => (name === 'get' ? raced : Reflect.get(target, name).bind(target)),
    })
    const ports = { platform: { ...platform, kernel: { ...kernel, store: between } }, onReport: () => undefined }
    const route = orderRoutes.find(({ path }) => path === '/api/dead-letters/order')
    expect(await route?.order(ports, { id, do: 'retry', by: 'on call' })).toMatchObject({
      ok: true,
      value: { done: false, text: expect.stringMatching(/^Nothing was done: .* is DONE, not dead/) },
    })
    expect(reads).toBeGreaterThan(1)
  })

  it('give the nodes of a lease back, by the way of all changes', async () => {
    const ask = async (id: string) => (await stage.post('/api/leases/release', { id, by: 'on call' }, { authorization })).json
    expect(await ask('ls-0000000000000000')).toMatchObject({ done: false })
    expect(await ask('ls-00000000000000aa')).toMatchObject({ done: false })
    // A process that is being stopped begins nothing any more.
    const stopped = { platform: stage.platform, onReport: () => undefined, signal: AbortSignal.abort() }
    const route = orderRoutes.find(({ path }) => path === '/api/leases/release')
    const answer = await route?.order(stopped, { id: 'ls-00000000000000bb', by: 'on call' }).catch(String)
    expect(answer).not.toMatchObject({ value: { done: true } })
    expect((await view(LeasesView, '/api/leases')).leases[0]?.state).toBe('held')
    expect(await ask('ls-00000000000000bb')).toMatchObject({ done: true, text: expect.stringContaining('on call gives its nodes back') })
    const { leases } = await view(LeasesView, '/api/leases')
    expect(leases[0]).toMatchObject({ id: 'ls-00000000000000bb', state: 'recovering' })
    const { decisions } = await view(DecisionsView, '/api/decisions?function=alarm-scaler&outcome=Applied')
    expect(decisions[0]?.reason.code).toBe('release')
    expect((await view(JournalView, '/api/journal?function=alarm-scaler&limit=1')).entries[0]?.outcome).toBe('Applied')
  })

  it('are refused by a process without a token', async () => {
    const plain = await openStage({ functions: ['license-meter'], hostNames: ['status.example'] })
    try {
      expect(await plain.post('/api/switch', order, { authorization })).toMatchObject({
        status: 403,
        json: { error: { code: 'read-only' } },
      })
      expect((await plain.get('/api/platform')).json).toMatchObject({ writable: false })
      expect(await statusAs('Status.example:443', '/api/platform', plain.url)).toBe(200)
      expect(await statusAs('other.example', '/api/platform', plain.url)).toBe(403)
    } finally {
      await plain.close()
    }
  })
})

describe('metrics', () => {
  it('are what Prometheus reads, with the figures of the views', async () => {
    const { headers, text } = await stage.get('/metrics')
    expect(headers.get('content-type')).toContain('text/plain')
    expect(text).toMatch(/^longshore_runs_total\{function="cron-scaler"\} 1$/m)
    expect(text).toMatch(/^longshore_decisions_total\{function="redeploy-hook",outcome="Held"\} 1$/m)
    expect(text).toMatch(/^longshore_journal_intact\{function="cron-scaler"\} 1$/m)
    expect(text).toMatch(/^longshore_licence_entitled\{region="ap-guangzhou",metric="tke-\*",unit="core"\} 128$/m)
    expect(text).toMatch(/^longshore_leases\{cluster="cls-9f3kq2vd",pool="general",state="recovering"\} 1$/m)
    expect(text).toMatch(/^longshore_api_calls_total\{action="tke\.ForwardRequest",outcome="ok"\} [1-9]/m)
    expect(text).toMatch(/^longshore_kill_switch_stopped 0$/m)
  })
})

describe('in the end', () => {
  it('nothing was a bug', () => {
    expect(stage.errors).toEqual([])
  })
})

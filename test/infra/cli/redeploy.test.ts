import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '#cloud/clock.ts'
import { recordAnnotation } from '#functions/redeploy-hook/record.ts'
import { getObject } from '#infra/sandbox/kubernetes/objects.ts'
import { baseClusters, createBaseWorld } from '#infra/sandbox/seeds/base.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { pushImage } from '#infra/sandbox/tcr/images.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { openStore } from '#shared/runtime/kernel.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { type Ran, runWords } from './run-words.ts'

const events = fileURLToPath(new URL('../../../events/redeploy-hook/', import.meta.url))
const { production } = baseClusters
const bad = `sha256:${'b'.repeat(64)}`

let sandbox: Sandbox
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'longshore-redeploy-'))
  sandbox = await startSandbox({ world: createBaseWorld(Date.now(), 1), rates: false })
})

afterEach(async () => {
  await sandbox.close()
  await rm(folder, { recursive: true })
})

const env = {
  TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId,
  TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey,
  REGISTRY_TOKEN: 'Bearer of a registry that nobody else knows',
}

const storefront = `{ name: storefront, repository: shop/storefront, tags: { all: true }, targets: [{ cluster: ${production}, namespace: shop, kind: Deployment, name: storefront }] }`
const ledger = `{ name: ledger, repository: pay/ledger, tags: { semver: ^1 }, approval: true, targets: [{ cluster: ${production}, namespace: pay, kind: StatefulSet, name: ledger }] }`

async function configure(mode: 'plan' | 'enforce' = 'enforce', rules: readonly string[] = [storefront, ledger]): Promise<void> {
  await writeFile(
    join(folder, 'longshore.yaml'),
    `mode: ${mode}
platform: { endpoint: '${sandbox.url}', region: ap-guangzhou }
clusters: [{ id: ${production} }]
store: { kind: sqlite, path: ${join(folder, 'store.sqlite')} }
functions:
  redeploy-hook:
    sources: { registry: { kind: distribution, secrets: [env:REGISTRY_TOKEN] } }
    rules: [${rules.join(', ')}]
`,
  )
}

async function longshore(...words: readonly string[]): Promise<Ran> {
  return await runWords(words, { cwd: folder, env })
}

/** A file with the event of a push, as a registry sends it. */
async function pushEvent(repository: string, tag: string, path = '/hooks/redeploy-hook/registry'): Promise<string> {
  const target = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: `sha256:${'d'.repeat(64)}`, repository, tag }
  const pull = { id: '2', timestamp: '2026-11-24T00:00:00Z', action: 'pull', target }
  const push = { id: '1', timestamp: '2026-11-24T00:00:00Z', action: 'push', target }
  const body = JSON.stringify({ events: [pull, push] })
  const event = {
    version: '2.0',
    rawPath: path,
    headers: { authorization: 'Bearer of nobody', 'content-type': 'application/vnd.docker.distribution.events.v1+json' },
    requestContext: { http: { method: 'POST' }, stage: '$default' },
    body,
    isBase64Encoded: false,
  }
  const file = join(folder, 'event.json')
  await writeFile(file, JSON.stringify(event))
  return file
}

function workload(name: string, resource: string, namespace: string): { metadata: { annotations?: Record<string, string> }; spec: object } {
  const state = sandbox.world.kubernetes[production]
  const found = state === undefined ? undefined : getObject(state, 'apps', resource, name, namespace)
  if (found === undefined) throw new Error(`there is no ${name}`)
  return found as never
}

const imageOf = (object: object) => /"image":"([^"]+)"/.exec(JSON.stringify(object))?.[1]
const writes = () => sandbox.journal.filter(({ effect, applied }) => effect === 'write' && applied).length

function push(repo: string, tag: string): string {
  return pushImage(sandbox.world, { repo, tag, content: `${repo} ${tag}` }, sandbox.clock.now()).content.digest
}

/** Writes on the workload's record that a content failed there. */
function fail(content = bad): void {
  const { metadata, spec } = workload('storefront', 'deployments', 'shop')
  const image = imageOf(spec) ?? ''
  const at = new Date(sandbox.clock.now() - 60_000).toISOString()
  const record = {
    storefront: {
      set: { image, rule: 'storefront', key: 'k', at, state: 'failed' },
      mark: { tag: 'broken', content, pushed: at },
      bad: [{ repository: 'shop/storefront', image: 'shop/storefront:broken', content, why: 'it crash-loops', at }],
    },
  }
  metadata.annotations = { ...metadata.annotations, [recordAnnotation]: JSON.stringify(record) }
}

describe('longshore redeploy test', () => {
  it('says what an event would do and why, and does nothing, whatever the mode', async () => {
    await configure('enforce')
    push('shop/storefront', '99.0.0')
    const { code, out } = await longshore('redeploy', 'test', '--event', await pushEvent('shop/storefront', '99.0.0'))
    expect(code).toBe(2)
    expect(out).toContain('registry says: shop/storefront:99.0.0@sha256:dddddddddddd…')
    expect(out).toContain('shop/storefront:99.0.0')
    expect(out).toContain('is the newest that the rule storefront counts')
    expect(writes()).toBe(0)
    const json = await longshore('redeploy', 'test', '--event', join(folder, 'event.json'), '--json')
    expect(JSON.parse(json.out)).toMatchObject({
      source: 'registry',
      hints: [{ tag: '99.0.0' }],
      steps: [{ verdict: 'change', change: { kind: 'set-images' } }],
    })
    expect(`${out}${json.out}`).not.toContain(env.REGISTRY_TOKEN)
  })

  it('says what of it comes to nothing, and why', async () => {
    await configure()
    const none = await longshore('redeploy', 'test', '--event', await pushEvent('team/other', '1.0.0'))
    expect([none.code, none.out.includes('no rule is for the repository team/other')]).toEqual([0, true])
    const gone = await longshore('redeploy', 'test', '--event', await pushEvent('pay/ledger', 'never-pushed'))
    expect([gone.code, gone.out.includes('the registry does not have the tag any more')]).toEqual([0, true])
  })

  it('runs the sample events against a fresh sandbox, with no configuration at all', async () => {
    const base = await longshore('redeploy', 'test', '--event', join(events, 'base.json'), '--sandbox')
    expect(base).toMatchObject({ code: 0, err: '', out: expect.stringContaining('registry says: team/web:1.0.0') })
    const pulls = await longshore('redeploy', 'test', '--event', join(events, 'delete.json'), '--sandbox')
    expect(pulls).toMatchObject({ code: 0, out: expect.stringContaining('says nothing that is a push') })
  })

  it('names what is wrong with the event', async () => {
    await configure()
    const test = async (path: string) => await longshore('redeploy', 'test', '--event', path)
    await writeFile(join(folder, 'half.json'), '{"version":')
    await writeFile(join(folder, 'other.json'), '{"Records":[]}')
    expect(await test('gone.json')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/the event file .*gone\.json cannot be read: there is no such file/),
    })
    expect(await test('half.json')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/the event file .*half\.json, line 1: is not valid JSON/),
    })
    expect(await test('other.json')).toMatchObject({ code: 1, err: expect.stringContaining('no HTTP request of API Gateway') })
    const unknown = await test(await pushEvent('shop/storefront', '1.0.0', '/hooks/redeploy-hook/quay'))
    expect(unknown).toMatchObject({
      code: 1,
      err: expect.stringContaining(
        '/hooks/redeploy-hook/quay is the address of no configured source. Addresses: /hooks/redeploy-hook/registry',
      ),
    })
    const invalid = await test(join(events, 'invalid.json'))
    expect(invalid).toMatchObject({ code: 1, err: expect.stringContaining('registry would be answered 400') })
    expect(await longshore('redeploy', 'test')).toMatchObject({ code: 1, err: expect.stringContaining('give the event') })
    expect(await longshore('redeploy', 'try')).toMatchObject({
      code: 1,
      err: expect.stringContaining('there is no "redeploy try": say test, status or release'),
    })
  })
})

it('longshore redeploy status shows what runs, what is held and what waits, and writes nothing', async () => {
  await configure('plan')
  const held = push('shop/storefront', '99.0.0')
  fail(held)
  push('pay/ledger', '1.99.0')
  const { code, out } = await longshore('redeploy', 'status')
  expect(code).toBe(0)
  expect(out).toMatch(/Deployment\/storefront .*storefront:.*complete .*is held everywhere, because it failed/)
  expect(out).toMatch(/StatefulSet\/ledger .*waits for somebody to agree/)
  const json = await longshore('redeploy', 'status', '--json')
  expect(JSON.parse(json.out).workloads).toHaveLength(2)
  expect(writes()).toBe(0)
  await configure('plan', [])
  expect((await longshore('redeploy', 'status')).out).toBe('No rule is for any workload.')
})

it('longshore plan writes down what would be done, and undo takes back what was done', async () => {
  await configure('enforce', [storefront])
  const before = imageOf(workload('storefront', 'deployments', 'shop').spec)
  push('shop/storefront', '99.0.0')
  const plan = await longshore('plan', 'redeploy-hook')
  expect(plan).toMatchObject({ code: 2, err: '', out: expect.stringContaining('shop/storefront:99.0.0') })
  expect(writes()).toBe(0)
  const digest = /--plan ([0-9a-f]+)/.exec(plan.out)?.[1] ?? ''
  expect(await longshore('apply', '--plan', digest)).toMatchObject({ code: 0, err: '' })
  expect(imageOf(workload('storefront', 'deployments', 'shop').spec)).toContain(':99.0.0')
  // The first entry of the journal began it.
  expect(await longshore('undo', 'redeploy-hook', '1')).toMatchObject({ code: 0 })
  expect(imageOf(workload('storefront', 'deployments', 'shop').spec)).toBe(before)
})

describe('longshore redeploy release', () => {
  it('lets a content be tried again by the beginning of its digest, in mode enforce only', async () => {
    fail()
    await configure('plan')
    const planned = await longshore('redeploy', 'release', `shop/storefront@${bad.slice(0, 20)}`)
    expect([planned.code, planned.out.includes('Nothing was done')]).toEqual([2, true])
    expect(writes()).toBe(0)
    await configure('enforce')
    expect(await longshore('redeploy', 'release', `shop/storefront@${bad.slice(0, 20)}`)).toMatchObject({ code: 0 })
    const record = JSON.parse(workload('storefront', 'deployments', 'shop').metadata.annotations?.[recordAnnotation] ?? '{}')
    expect(record.storefront).toMatchObject({ released: { content: bad } })
    expect(record.storefront.bad).toBeUndefined()
    const again = await longshore('redeploy', 'release', `shop/storefront@${bad.slice(0, 20)}`)
    expect(again).toMatchObject({ code: 1, err: expect.stringContaining('Nothing of shop/storefront that begins with') })
  })

  it('lets go what is only remembered, because its workload is gone', async () => {
    await configure('enforce')
    const open = async () =>
      await openStore({ kind: 'sqlite', path: join(folder, 'store.sqlite') }, { clock: systemClock, random: Math.random })
    const remembered = async (work: (memory: ReturnType<typeof createMemory>) => Promise<unknown>) => {
      const store = await open()
      const value = await work(createMemory(store, { function: 'redeploy-hook', now: Date.now }))
      await store.close()
      return value
    }
    const hold = {
      format: 1,
      repository: 'shop/storefront',
      content: bad,
      why: 'on another one, it crash-loops',
      on: 'cls-gone/shop/Deployment/old',
    }
    await remembered((memory) => memory.put(`hold/${encodeURIComponent('shop/storefront')}/${encodeURIComponent(bad)}`, hold))
    expect(await longshore('redeploy', 'release', `shop/storefront@${bad.slice(0, 20)}`)).toMatchObject({
      code: 0,
      out: expect.stringContaining('is only remembered'),
    })
    expect(await remembered((memory) => memory.list('hold/'))).toEqual([])
  })

  it('asks for more where several begin so, and for one at all', async () => {
    fail()
    await configure('enforce')
    expect(await longshore('redeploy', 'release', 'shop/storefront@sha256:0')).toMatchObject({
      code: 1,
      err: expect.stringContaining('Held: shop/storefront@sha256:bbbbbbbbbbbb…'),
    })
    expect(await longshore('redeploy', 'release', 'shop/storefront')).toMatchObject({
      code: 1,
      err: expect.stringContaining('name one content'),
    })
  })
})

describe('longshore approve', () => {
  const name = `${production}/pay/StatefulSet/ledger`

  it('lists what waits, agrees to one by its name, and the agreement is on record under who gave it', async () => {
    await configure('enforce')
    push('pay/ledger', '1.99.0')
    const list = await longshore('approve')
    expect(list).toMatchObject({ code: 2, out: expect.stringContaining('pay/ledger:1.99.0') })
    expect(list.out).toContain('1 image to agree to.')
    expect(await longshore('approve', `${name}x`, '--by', 'on call')).toMatchObject({
      code: 1,
      err: `Nothing waits on ${name}x. Did you mean ${name}?`,
    })
    expect(await longshore('approve', name)).toMatchObject({ code: 1, err: expect.stringContaining('say who agrees: --by NAME') })
    expect(writes()).toBe(0)
    expect(await longshore('approve', name, '--by', 'on call')).toMatchObject({
      code: 0,
      out: expect.stringContaining('on call agrees to pay/ledger:1.99.0'),
    })
    const annotations = workload('ledger', 'statefulsets', 'pay').metadata.annotations
    expect(JSON.parse(annotations?.[recordAnnotation] ?? '{}')).toMatchObject({ ledger: { approved: { by: 'on call' } } })
    expect(await longshore('approve')).toMatchObject({ code: 0, out: 'Nothing waits for anybody to agree.' })
    const { out } = await longshore('redeploy', 'status')
    expect(out).toContain('1.99.0')
  })

  it('agrees to everything with --all, and to nothing in a mode that writes nothing', async () => {
    push('pay/ledger', '1.99.0')
    await configure('plan')
    expect(await longshore('approve', '--all', '--by', 'on call')).toMatchObject({
      code: 2,
      out: expect.stringContaining('Nothing was done'),
    })
    expect(writes()).toBe(0)
    await configure('enforce')
    expect(await longshore('approve', '--all', '--by', 'on call')).toMatchObject({ code: 0 })
    expect(writes()).toBe(1)
  })
})

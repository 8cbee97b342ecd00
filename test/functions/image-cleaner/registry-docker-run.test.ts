import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AttemptEvent } from '#cloud/client.ts'
import { systemClock } from '#cloud/clock.ts'
import type { CloudWriter } from '#cloud/cloud.ts'
import { RegistryRead } from '#cloud/registry-call.ts'
import { createRegistryClient, type RegistryClient } from '#cloud/registry-client.ts'
import { createTransport } from '#cloud/transport-https.ts'
import { withRegistry } from '#cloud/with-registry.ts'
import { configProblems } from '#functions/image-cleaner/config-problems.ts'
import { Settings } from '#functions/image-cleaner/event.ts'
import { type Copy, restoreStep } from '#functions/image-cleaner/plan-copies.ts'
import { recallCopies } from '#functions/image-cleaner/run-memory.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import { checkConfig } from '#shared/runtime/config.ts'
import { readJson } from '#shared/runtime/config-text.ts'
import { connect } from '#shared/runtime/connect.ts'
import { createMemory } from '#shared/runtime/memory.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { openMemoryStore } from '#shared/safety/store-memory.ts'
import { type FakeRegistry, password, startFakeRegistry, user } from './fake-registry.ts'
import { clusterA, freely, hourMs, openInProcessStage, type SettingsInput, type Stage, saying, sentence } from './stage.ts'

let fake: FakeRegistry
let stage: Stage
let client: RegistryClient
let cloud: CloudWriter

beforeEach(async () => {
  fake = await startFakeRegistry()
  stage = openInProcessStage()
  client = createRegistryClient({
    clock: systemClock,
    random: () => 0,
    createTransport: () => createTransport({ clock: systemClock, allowedHosts: [fake.host], environment: {} }),
    resolve: () => Promise.reject(new Error('nothing is to be asked for')),
    timeoutMs: 500,
  })
  // The stage's time stands still; what the runtime cuts a call to is of that time.
  const { send } = withRegistry(stage.cloud, () => Promise.resolve(client))
  cloud = {
    send: (action, request, options) =>
      send(action, request, action.service === 'registry' ? (options?.signal === undefined ? {} : { signal: options.signal }) : options),
  }
})

afterEach(async () => {
  await client.close()
  await stage.close()
  await fake.close()
})

const settings = (more: SettingsInput = {}): SettingsInput =>
  freely({ last: 1 }, { registry: { kind: 'docker', url: fake.url }, hosts: [fake.host], ...more })

const clean = async (more: SettingsInput = {}): Promise<RunReport> => await stage.run(settings(more), { cloud })

const writes = (): readonly string[] => fake.calls.filter((call) => !call.startsWith('GET '))

async function copyOf(name: string): Promise<Copy> {
  const memory = createMemory(openMemoryStore(stage.disk), { function: 'image-cleaner', now: () => stage.now() })
  const copy = (await recallCopies(memory)).find((one) => one.name === name)
  if (copy === undefined) throw new Error(`there is no copy of ${name}`)
  return copy
}

function nextNight(): void {
  stage.pass(24 * hourMs)
}

describe('a run over a Docker registry', () => {
  it('removes what no policy keeps and nothing uses, asks the platform nothing about its own registry, and the next night is idle', async () => {
    for (let index = 1; index <= 4; index += 1) fake.push('shop/web', `1.${index}.0`, `web ${index}`)
    stage.put(deployment({ namespace: 'prod', name: 'web', image: `${fake.host}/shop/web:1.2.0` }))
    const report = await clean()
    expect(saying(report, 'Applied', 'Failed', 'Held')).toEqual(['Applied expired'])
    expect(fake.tags('shop/web')).toEqual(['1.2.0', '1.4.0'])
    expect(stage.journal.filter(({ service }) => service === 'tcr')).toEqual([])
    const before = writes().length
    expect(saying(await clean(), 'Skipped')).toEqual(['Skipped done-today'])
    nextNight()
    expect(saying(await clean(), 'Applied', 'Failed', 'Held')).toEqual([])
    expect(writes()).toHaveLength(before)
  })

  it('an image built in 1970 is judged by when it was first seen, and one that is pushed anew by that', async () => {
    for (const name of ['a1f', 'b2e', 'c3d']) fake.push('shop/web', name, name)
    expect(saying(await clean(), 'Applied')).toEqual([])
    nextNight()
    fake.push('shop/web', 'b2e', 'b2e, rebuilt')
    expect(saying(await clean(), 'Applied')).toEqual(['Applied expired'])
    expect(fake.tags('shop/web')).toEqual(['b2e'])
    // What was removed and comes back with the same content is new: the time it was first seen is forgotten.
    nextNight()
    fake.push('shop/web', 'a1f', 'a1f')
    await clean()
    expect(fake.tags('shop/web')).toEqual(['a1f'])
  })

  it('remembers first times in mode plan as well', async () => {
    fake.push('shop/web', 'a1f', 'one')
    await stage.run(settings(), { cloud, mode: 'plan' })
    nextNight()
    fake.push('shop/web', 'b2e', 'two')
    expect(saying(await clean(), 'Applied')).toEqual(['Applied expired'])
    expect(fake.tags('shop/web')).toEqual(['b2e'])
  })

  it('settles by reading a removal whose answer was lost: done, it is not done again', async () => {
    for (let index = 1; index <= 3; index += 1) fake.push('shop/web', `1.${index}.0`, `web ${index}`)
    fake.push('shop/one', '1.0.0', 'one')
    fake.push('shop/one', '1.1.0', 'other')
    fake.intercept = ({ method, path }) => (method === 'DELETE' && path.includes('/shop/one/') ? { drop: 'after' } : undefined)
    const report = await clean()
    expect(saying(report, 'Applied').toSorted()).toEqual(['Applied expired', 'Applied settled-applied'])
    expect(fake.tags('shop/one')).toEqual(['1.1.0'])
    expect(writes()).toHaveLength(3)
  })

  it('holds one that is not to be seen until it cannot be under way any more, and then does it', async () => {
    fake.push('shop/one', '1.0.0', 'one')
    fake.push('shop/one', '1.1.0', 'other')
    fake.intercept = ({ method }) => (method === 'DELETE' ? { drop: 'before' } : undefined)
    expect(saying(await clean(), 'Held')).toEqual(['Held unknown-outcome'])
    expect(writes()).toHaveLength(1)
    fake.intercept = undefined
    nextNight()
    expect(saying(await clean(), 'Applied')).toEqual(['Applied expired'])
    expect(fake.tags('shop/one')).toEqual(['1.1.0'])
  })

  it('a registry that answers garbage in page 7 of 20 loses nothing, and the other repositories are cleaned', async () => {
    fake.pageSize = 5
    for (let index = 0; index < 100; index += 1) fake.push('shop/web', `1.${index}.0`, `web ${index}`)
    for (let index = 0; index < 3; index += 1) fake.push('shop/api', `1.${index}.0`, `api ${index}`)
    let pages = 0
    fake.intercept = ({ path }) => {
      if (!path.startsWith('/v2/shop/web/tags/')) return undefined
      pages += 1
      return pages === 7 ? { status: 200, body: '{"tags": [1, 2]}' } : undefined
    }
    const report = await clean()
    expect(saying(report, 'Applied')).toEqual(['Applied expired'])
    expect(sentence(report, 'repository-incomplete')).toContain('page 7')
    expect(fake.tags('shop/web')).toHaveLength(100)
    expect(fake.tags('shop/api')).toEqual(['1.2.0'])
  })

  it('a tag that is pushed with other content between plan and removal survives, and so does its new content', async () => {
    for (let index = 1; index <= 3; index += 1) fake.push('shop/web', `1.${index}.0`, `web ${index}`)
    let [looks, fresh] = [0, '']
    fake.intercept = ({ path }) => {
      if (path === '/v2/shop/web/manifests/1.1.0') looks += 1
      if (looks === 2 && fresh === '') fresh = fake.push('shop/web', '1.1.0', 'a hotfix')
      return undefined
    }
    const report = await clean()
    expect(sentence(report, 'partly-removed')).toContain('1.1.0 points at something else since it was planned')
    expect(fake.tags('shop/web')).toEqual(['1.1.0', '1.3.0'])
    expect(fake.repositories.get('shop/web')?.manifests.has(fresh)).toBe(true)
  })

  it('an image in the old format (schema 1) leaves its repository alone, says so, and holds up no other one', async () => {
    for (const repo of ['shop/old', 'shop/web'])
      for (let index = 1; index <= 3; index += 1) fake.push(repo, `1.${index}.0`, `${repo} ${index}`)
    fake.put('shop/old', '0.9', 'application/vnd.docker.distribution.manifest.v1+prettyjws', { schemaVersion: 1 })
    const report = await clean()
    expect(saying(report, 'Applied')).toEqual(['Applied expired'])
    expect([fake.tags('shop/old').length, fake.tags('shop/web')]).toEqual([4, ['1.3.0']])
    expect(sentence(report, 'repository-incomplete')).toMatch(
      /^shop\/old: its tags could not be read whole, so nothing is removed: .*shop\/old:0\.9 is in the old image format \(manifest schema 1\).*pull it and push it again, or delete it by hand/,
    )
  })

  it('what was brought back hours before the next run pushes nothing out of the newest', async () => {
    for (let index = 1; index <= 3; index += 1) fake.push('shop/web', `1.${index}.0`, `web ${index}`)
    const last = { policies: [{ name: 'web', repositories: ['shop/web'], keep: { last: 1 } }], quarantine: { repository: 'shop/bin' } }
    await clean(last)
    expect(fake.tags('shop/web')).toEqual(['1.3.0'])
    const restore = restoreStep({ ...(await copyOf('1.1.0')) }, 'somebody asked for it')
    stage.pass(8 * hourMs)
    expect((await stage.steps(settings(last), [restore], { cloud })).decisions.map(({ outcome }) => outcome)).toContain('Applied')
    stage.pass(16 * hourMs)
    await clean(last)
    expect(fake.tags('shop/web')).toEqual(['1.1.0', '1.3.0'])
  })

  it('without leave to remove fails with what to set, and nothing is gone', async () => {
    fake.push('shop/one', '1.0.0', 'one')
    fake.push('shop/one', '1.1.0', 'other')
    fake.deletes = false
    const report = await clean()
    expect(saying(report, 'Failed')).toEqual(['Failed registry.refused'])
    expect(fake.tags('shop/one')).toEqual(['1.0.0', '1.1.0'])
    // It is not forgotten how old they are meanwhile.
    fake.deletes = true
    nextNight()
    expect(saying(await clean(), 'Applied')).toEqual(['Applied expired'])
  })

  it('an image pinned by the digest of one platform keeps its whole index', async () => {
    const children = ['amd', 'arm'].map((name) => fake.push('shop/multi', 'work', name))
    fake.pushIndex('shop/multi', '1.0.0', children)
    fake.pushIndex('shop/multi', '1.1.0', [fake.push('shop/multi', 'work', 'amd 2')])
    fake.pushIndex('shop/multi', '1.2.0', [fake.push('shop/multi', 'work', 'amd 3')])
    fake.repositories.get('shop/multi')?.tags.delete('work')
    stage.put(deployment({ namespace: 'prod', name: 'pinned', image: `${fake.host}/shop/multi@${children[1]}` }))
    expect(saying(await clean(), 'Applied', 'Failed', 'Held')).toEqual(['Applied expired'])
    expect(fake.tags('shop/multi')).toEqual(['1.0.0', '1.2.0'])
  })
})

describe('the settings of a Docker registry', () => {
  const problems = async (more: object): Promise<readonly string[]> =>
    (
      await configProblems({
        clusters: [{ id: clusterA }],
        settings: Settings.parse({ registry: { kind: 'docker', url: 'https://registry.example:5000' }, ...more }),
      })
    ).map(({ path }) => path)

  it('need the names by which clusters pull, and have no clean-up of the registry itself', async () => {
    expect(await problems({})).toEqual(['hosts'])
    expect(await problems({ hosts: ['registry.example:5000'] })).toEqual([])
    expect(await problems({ hosts: ['registry.example'], lifecycle: { global: 'none' } })).toEqual(['lifecycle'])
  })

  it.each(['registry.example', 'https://registry.example/v2', 'https://user:x@registry.example', 'ftp://registry.example'])(
    'refuse %s as its address',
    (url) => {
      expect(Settings.safeParse({ registry: { kind: 'docker', url } }).success).toBe(false)
    },
  )

  it('take references to secrets and no secrets', () => {
    const registry = (word: string) => ({ kind: 'docker', url: fake.url, credentials: { username: 'env:A', password: word } })
    expect(Settings.safeParse({ registry: registry('ssm:/registry/password') }).success).toBe(true)
    const refused = Settings.safeParse({ registry: registry('hunter2') })
    expect(refused.success).toBe(false)
    expect(JSON.stringify(refused.error?.issues)).not.toContain('hunter2')
  })
})

describe('a connection', () => {
  const open = async (allowedHosts: readonly string[]) => {
    const env = { SECRET_ID: sandboxSecretId, SECRET_KEY: sandboxSecretKey, REGISTRY_USER: user, REGISTRY_PASSWORD: password }
    const platform = {
      endpoint: 'http://127.0.0.1:1',
      region: 'ap-guangzhou',
      allowedHosts,
      credentials: { secretId: 'env:SECRET_ID', secretKey: 'env:SECRET_KEY' },
    }
    const config = await checkConfig({ text: readJson(JSON.stringify({ platform })), source: 'the test', env, schemas: {} })
    const redactor = createRedactor()
    const attempts: string[] = []
    const onAttempt = ({ action, outcome }: AttemptEvent): unknown => attempts.push(`${action} ${outcome}`)
    const options = { env, clock: systemClock, random: () => 0, createTransport, redactor, onAttempt }
    return { redactor, attempts, connection: await connect(config, options) }
  }
  const request = () => ({
    registry: { url: fake.url, credentials: { username: 'env:REGISTRY_USER', password: 'env:REGISTRY_PASSWORD' } },
    method: 'GET' as const,
    path: '/v2/_catalog',
    scope: 'catalog',
  })

  it('reaches a registry whose host is listed, with its credentials, which the redactor then knows', async () => {
    fake.auth = { kind: 'basic' }
    const { connection, redactor, attempts } = await open([fake.host])
    expect((await connection.send(RegistryRead, request())).status).toBe(200)
    expect(attempts).toEqual(['registry.Read ok'])
    expect(redactor.text(`it was ${password}`)).not.toContain(password)
    expect(redactor.text(Buffer.from(`${user}:${password}`).toString('base64'))).not.toContain(
      Buffer.from(`${user}:${password}`).toString('base64'),
    )
    await connection.close()
  })

  it('reaches no other one', async () => {
    const { connection } = await open(['registry.example'])
    await expect(connection.send(RegistryRead, request())).rejects.toMatchObject({ kind: 'cloud.not-allowed' })
    await expect(connection.send(RegistryRead, request())).rejects.toThrow('platform.allowedHosts')
    expect(fake.calls).toEqual([])
    await connection.close()
  })
})

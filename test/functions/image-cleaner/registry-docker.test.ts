import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AttemptEvent, asReader } from '#cloud/client.ts'
import { systemClock } from '#cloud/clock.ts'
import type { CloudWriter } from '#cloud/cloud.ts'
import { CloudError } from '#cloud/errors.ts'
import type { RegistryAddress } from '#cloud/registry-call.ts'
import { createRegistryClient, type RegistryClient } from '#cloud/registry-client.ts'
import { RegistryError } from '#cloud/registry-error.ts'
import { createTransport as createUndiciTransport } from '#cloud/transport.ts'
import { createTransport } from '#cloud/transport-https.ts'
import { withRegistry } from '#cloud/with-registry.ts'
import { contentsOf } from '#functions/image-cleaner/image.ts'
import { dockerReader, dockerWriter } from '#functions/image-cleaner/registry-docker.ts'
import { digestOfBytes, type FakeRegistry, password, startFakeRegistry, types, user } from './fake-registry.ts'

let fake: FakeRegistry
let client: RegistryClient
let cloud: CloudWriter
const secrets = new Set<string>()
const attempts: AttemptEvent[] = []

const noPlatform: CloudWriter = { send: (action) => Promise.reject(new Error(`${action.name} went to the platform`)) }

beforeEach(async () => {
  fake = await startFakeRegistry()
  secrets.clear()
  attempts.length = 0
  client = createRegistryClient({
    clock: systemClock,
    random: () => 0,
    createTransport: (allowInsecureHttp) =>
      createTransport({ clock: systemClock, allowedHosts: [fake.host], allowInsecureHttp, environment: {} }),
    resolve: (reference) => Promise.resolve(reference === 'env:REGISTRY_USER' ? user : password),
    onSecret: (secret) => secrets.add(secret),
    onAttempt: (attempt) => attempts.push(attempt),
    timeoutMs: 500,
  })
  cloud = withRegistry(noPlatform, () => Promise.resolve(client))
})

afterEach(async () => {
  await client.close()
  await fake.close()
})

const address = (more: Partial<RegistryAddress> = {}): RegistryAddress => ({ url: fake.url, ...more })
const withCredentials = (): RegistryAddress =>
  address({ credentials: { username: 'env:REGISTRY_USER', password: 'env:REGISTRY_PASSWORD' } })
const reader = (own = address()) => dockerReader(asReader(cloud), own)
const writer = (own = address()) => dockerWriter(cloud, own)

/** What a promise fails with. */
async function failure(promise: Promise<unknown>): Promise<Error> {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof Error)) throw new Error('what was thrown is no error')
  return error
}

const writes = (): readonly string[] => fake.calls.filter((call) => !call.startsWith('GET '))

describe('lists', () => {
  it('follows the pages of repositories and tags to their end', async () => {
    fake.pageSize = 3
    for (let index = 0; index < 10; index += 1) fake.push(`team/r${index}`, 'v1', `r${index}`)
    for (let index = 0; index < 8; index += 1) fake.push('team/r0', `v${index}`, `c${index}`)
    expect(await reader().repositories()).toEqual(Array.from({ length: 10 }, (_, index) => ({ name: `team/r${index}` })))
    expect((await reader().tags('team/r0')).map(({ name }) => name)).toEqual(Array.from({ length: 8 }, (_, index) => `v${index}`))
  })

  it('of a repository that is empty or not there are empty', async () => {
    fake.push('team/web', 'v1', 'one')
    fake.repositories.get('team/web')?.tags.clear()
    expect(await reader().tags('team/web')).toEqual([])
    expect(await reader().tags('team/none')).toEqual([])
    fake.intercept = ({ path }) => (path.includes('/tags/') ? { status: 200, body: '{"name":"team/web","tags":null}' } : undefined)
    expect(await reader().tags('team/web')).toEqual([])
  })

  it.each([
    ['garbage in the second page', { status: 200, body: '<html>' }, 'page 2'],
    ['another list in the second page', { status: 200, body: '{"repositories":["x"]}' }, 'page 2'],
    ['an error in the second page', { status: 404, body: '' }, 'in the middle'],
    ['a tag that was on the first page', { status: 200, body: '{"tags":["v1"]}' }, 'twice'],
    ['a tag that is none', { status: 200, body: '{"tags":["../x"]}' }, 'cannot be one'],
  ])('with %s are an error', async (_, fault, said) => {
    fake.pageSize = 2
    for (let index = 0; index < 5; index += 1) fake.push('team/web', `v${index}`, `c${index}`)
    fake.intercept = ({ path }) => (path.includes('last=') ? fault : undefined)
    const error = await failure(reader().tags('team/web'))
    expect(error).toBeInstanceOf(RegistryError)
    expect(error.message).toContain(said)
  })

  it.each([
    ['another host', '<http://evil.example/v2/team/web/tags/list?n=2>; rel="next"', 'points elsewhere'],
    ['another list', '</v2/team/other/tags/list?n=2>; rel="next"', 'points elsewhere'],
    ['itself', '</v2/team/web/tags/list?n=100>; rel="next"', 'in circles'],
  ])('whose next page is %s are an error, and nobody else is asked', async (_, link, said) => {
    fake.push('team/web', 'v1', 'one')
    fake.intercept = ({ path }) =>
      path.includes('/tags/') ? { status: 200, headers: { link }, body: JSON.stringify({ tags: [] }) } : undefined
    expect((await failure(reader().tags('team/web'))).message).toContain(said)
    expect(fake.calls).toHaveLength(1)
  })

  it('of one tag that cannot be read are an error, not a shorter list', async () => {
    for (let index = 0; index < 20; index += 1) fake.push('team/web', `v${index}`, `c${index}`)
    fake.intercept = ({ path }) => (path.endsWith('/manifests/v7') ? { status: 500 } : undefined)
    const error = await failure(reader().tags('team/web'))
    expect(error).toBeInstanceOf(CloudError)
    expect(error).toMatchObject({ kind: 'cloud.unavailable', httpStatus: 500 })
    // Three tries for the one.
    expect(fake.calls.filter((call) => call.endsWith('/v7'))).toHaveLength(3)
  })

  it('leave a tag out whose manifest went between list and look', async () => {
    fake.push('team/web', 'v1', 'one')
    fake.push('team/web', 'v2', 'two')
    fake.repositories.get('team/web')?.manifests.delete(fake.repositories.get('team/web')?.tags.get('v1') ?? '')
    expect((await reader().tags('team/web')).map(({ name }) => name)).toEqual(['v2'])
  })
})

describe('a tag', () => {
  it('has the digest of its manifest, that of its configuration, its size, and no push time', async () => {
    const digest = fake.push('team/web', 'v1', 'one', { layers: 3 })
    expect(await reader().tag('team/web', 'v1')).toEqual({
      name: 'v1',
      contentId: digest,
      imageId: digestOfBytes('config one'),
      sizeBytes: 3100,
    })
    expect(await reader().tag('team/web', 'v2')).toBeUndefined()
  })

  it('of an index has its children as parts, counts what they share once, and belongs together with a tag of a child', async () => {
    const amd = fake.push('team/web', 'v1-amd64', 'amd')
    const arm = fake.push('team/web', 'v1-arm64', 'arm', { mediaType: types.ociImage })
    fake.repositories.get('team/web')?.tags.delete('v1-arm64')
    fake.pushIndex('team/web', 'v1', [amd, arm, amd])
    const tags = await reader().tags('team/web')
    const index = tags.find(({ name }) => name === 'v1')
    expect(index).toMatchObject({ parts: [amd, arm], sizeBytes: 2200 })
    expect(index?.imageId).toBeUndefined()
    const contents = contentsOf(tags.map((tag) => ({ ...tag, pushedMs: 1, patterns: [] })))
    expect(contents.map((content) => content.tags.map(({ name }) => name))).toEqual([['v1', 'v1-amd64']])
  })

  it('of an index in an index has what is in it, too', async () => {
    const leaf = fake.push('team/web', 'leaf', 'leaf')
    const inner = fake.pushIndex('team/web', 'inner', [leaf])
    fake.pushIndex('team/web', 'outer', [inner])
    expect(await reader().tag('team/web', 'outer')).toMatchObject({ parts: [inner, leaf], sizeBytes: 1100 })
  })

  it('of an index that lacks a child has it as a part all the same', async () => {
    const gone = digestOfBytes('gone')
    fake.pushIndex('team/web', 'v1', [gone])
    expect(await reader().tag('team/web', 'v1')).toMatchObject({ parts: [gone], sizeBytes: 0 })
  })

  it('that says something about an image belongs to it: a signature by its name, an artifact by its subject', async () => {
    const digest = fake.push('team/web', 'v1', 'one')
    const empty = { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOfBytes('{}'), size: 2 }
    const artifact = (more: object): object => ({ schemaVersion: 2, config: empty, layers: [], ...more })
    fake.push('team/web', `sha256-${digest.slice(7)}.sig`, 'signature')
    fake.put('team/web', 'sbom', types.ociImage, artifact({ subject: { digest, mediaType: types.image, size: 1 } }))
    fake.put('team/web', 'chart-1', types.ociImage, artifact({ layers: [{ digest: digestOfBytes('1'), size: 1 }] }))
    fake.put('team/web', 'chart-2', types.ociImage, artifact({ layers: [{ digest: digestOfBytes('2'), size: 1 }] }))
    const tags = await reader().tags('team/web')
    const contents = contentsOf(tags.map((tag) => ({ ...tag, pushedMs: 1, patterns: [] })))
    const groups = contents.map((content) => content.tags.map(({ name }) => name).toSorted())
    expect(groups.toSorted()).toEqual([['chart-1'], ['chart-2'], ['sbom', `sha256-${digest.slice(7)}.sig`, 'v1']].toSorted())
  })

  it.each([
    ['a body that is not what the digest says', { headers: { 'docker-content-digest': digestOfBytes('x') } }, 'whose digest is'],
    [
      'a manifest of old',
      { headers: { 'content-type': 'application/vnd.docker.distribution.manifest.v1+prettyjws' } },
      'is in the old image format (manifest schema 1)',
    ],
    ['no manifest at all', { headers: { 'content-type': types.image }, body: '{"schemaVersion":2}' }, 'lacks what'],
    ['no JSON', { headers: { 'content-type': types.image }, body: 'x' }, 'no JSON'],
  ])('with %s is an error', async (_, fault, said) => {
    fake.push('team/web', 'v1', 'one')
    const body = JSON.stringify({ schemaVersion: 2, config: { digest: digestOfBytes('c'), size: 1 }, layers: [] })
    fake.intercept = () => ({ status: 200, body, ...fault, headers: { 'content-type': types.image, ...fault.headers } })
    const error = await failure(reader().tag('team/web', 'v1'))
    expect(error).toMatchObject({ name: 'RegistryError', kind: 'registry.bad-answer' })
    expect(error.message).toContain(said)
  })

  it('with a hostile name is not asked for', async () => {
    for (const name of ['../x', 'a/b', 'v1?x', 'ä']) await expect(reader().tag('team/web', name)).rejects.toThrow('nothing was sent')
    for (const name of ['../x', 'A', 'team/../x', 'team//x']) await expect(reader().tags(name)).rejects.toThrow('nothing was sent')
    expect(fake.calls).toEqual([])
  })

  it('knows the other tags of its content', async () => {
    fake.push('team/web', 'v1', 'one')
    fake.push('team/web', 'prod', 'one')
    fake.push('team/web', 'v2', 'two')
    expect(await reader().sameContent('team/web', 'v1')).toEqual(['prod', 'v1'])
    expect(await reader().sameContent('team/web', 'none')).toEqual([])
  })
})

describe('removing', () => {
  it('takes the manifest away and with it all its tags, and nothing else', async () => {
    const one = fake.push('team/web', 'v1', 'one')
    fake.push('team/web', 'v1-again', 'one')
    fake.push('team/web', 'v2', 'two')
    await writer().remove('team/web', ['v1', 'v1-again', 'never-there'])
    expect(fake.tags('team/web')).toEqual(['v2'])
    expect(writes()).toEqual([`DELETE /v2/team/web/manifests/${one}`])
  })

  it('one tag deleted must not take the tags that share its content: nothing of the call is removed', async () => {
    fake.push('team/web', 'v0', 'zero')
    fake.push('team/web', 'v1', 'one')
    fake.push('team/web', 'production', 'one')
    const error = await failure(writer().remove('team/web', ['v0', 'v1']))
    expect(error).toMatchObject({ kind: 'registry.refused' })
    expect(error.message).toContain('has the content of production')
    expect(writes()).toEqual([])
  })

  it('does not take a child from an index that stays, and leaves the children of one that goes', async () => {
    const child = fake.push('team/web', 'child', 'child')
    fake.pushIndex('team/web', 'index', [child])
    fake.push('team/web', 'other', 'other')
    expect((await failure(writer().remove('team/web', ['child']))).message).toContain('is a part of index')
    expect(writes()).toEqual([])
    await writer().remove('team/web', ['index'])
    expect(fake.tags('team/web')).toEqual(['child', 'other'])
    expect(fake.repositories.get('team/web')?.manifests.has(child)).toBe(true)
  })

  it('looks at the list once and at each manifest once before it removes anything', async () => {
    for (let index = 0; index < 30; index += 1) fake.push('team/web', `v${index}`, `c${index}`)
    fake.pageSize = 10
    await writer().remove('team/web', ['v1', 'v2', 'v3'])
    const count = (pattern: RegExp): number => fake.calls.filter((call) => pattern.test(call)).length
    expect([count(/tags\/list/), count(/^GET .*manifests/), count(/^DELETE/)]).toEqual([3, 30, 3])
  })

  it('404 on delete is success, and a repository that is gone is said to be', async () => {
    fake.push('team/web', 'v1', 'one')
    fake.intercept = ({ method }) => (method === 'DELETE' ? { status: 404, body: '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}' } : undefined)
    expect(await writer().remove('team/web', ['v1'])).toEqual({})
    expect(await writer().remove('team/none', ['v1'])).toEqual({ wasGone: true })
  })

  it('from a registry that does not allow it says what to set', async () => {
    fake.push('team/web', 'v1', 'one')
    fake.deletes = false
    const error = await failure(writer().remove('team/web', ['v1']))
    expect(error).toMatchObject({ kind: 'registry.refused' })
    expect(error.message).toContain('REGISTRY_STORAGE_DELETE_ENABLED')
    expect(fake.tags('team/web')).toEqual(['v1'])
  })

  it.each([
    ['lost after it was done', { drop: 'after' }],
    ['lost before', { drop: 'before' }],
    ['a failure of a gateway', { status: 502 }],
  ] as const)('an answer that is %s leaves it open, and is not repeated', async (_, fault) => {
    fake.push('team/web', 'v1', 'one')
    fake.intercept = ({ method }) => (method === 'DELETE' ? fault : undefined)
    expect(await failure(writer().remove('team/web', ['v1']))).toMatchObject({ kind: 'cloud.unknown-outcome', retryable: false })
    expect(writes()).toHaveLength(1)
  })

  it('is tried again when the registry asks to slow down', async () => {
    fake.push('team/web', 'v1', 'one')
    let refused = 0
    fake.intercept = ({ method }) => {
      if (method !== 'DELETE' || refused === 2) return undefined
      refused += 1
      return { status: 429 }
    }
    await writer().remove('team/web', ['v1'])
    expect(fake.tags('team/web')).toEqual([])
    expect(writes()).toHaveLength(3)
  })

  it('is not possible for who only reads', async () => {
    fake.push('team/web', 'v1', 'one')
    const only = dockerWriter(asReader(cloud) as CloudWriter, address())
    expect(await failure(only.remove('team/web', ['v1']))).toMatchObject({ kind: 'cloud.not-allowed' })
    expect(writes()).toEqual([])
  })
})

describe('copying', () => {
  it('into another repository mounts the blobs and keeps the digest', async () => {
    const digest = fake.push('team/web', 'v1', 'one', { layers: 2, mediaType: types.ociImage })
    expect(await writer().copy({ repository: 'team/web', tag: 'v1' }, { repository: 'ops/kept', tag: 'x-v1' })).toEqual({ digest })
    expect((await reader().tag('ops/kept', 'x-v1'))?.contentId).toBe(digest)
    expect(writes().filter((call) => call.startsWith('POST'))).toHaveLength(3)
    const before = writes().length
    await writer().copy({ repository: 'team/web', tag: 'v1' }, { repository: 'ops/kept', tag: 'x-v1' })
    expect(writes()).toHaveLength(before)
  })

  it('of an index brings the children first', async () => {
    const amd = fake.push('team/web', 'amd', 'amd')
    const arm = fake.push('team/web', 'arm', 'arm')
    const inner = fake.pushIndex('team/web', 'inner', [arm])
    const digest = fake.pushIndex('team/web', 'v1', [amd, inner])
    await writer().copy({ repository: 'team/web', tag: 'v1' }, { repository: 'ops/kept', tag: 'x' })
    expect(fake.tags('ops/kept')).toEqual(['x'])
    expect([...(fake.repositories.get('ops/kept')?.manifests.keys() ?? [])].toSorted()).toEqual([amd, arm, inner, digest].toSorted())
  })

  it('within a repository is one more name', async () => {
    fake.push('team/web', 'v1', 'one')
    await writer().copy({ repository: 'team/web', tag: 'v1' }, { repository: 'team/web', tag: 'v2' })
    expect(writes()).toEqual(['PUT /v2/team/web/manifests/v2'])
    expect(await reader().sameContent('team/web', 'v1')).toEqual(['v1', 'v2'])
  })

  it('passes over layers that are never in a registry', async () => {
    const config = { digest: digestOfBytes('config'), size: 100 }
    fake.push('team/web', 'other', 'other')
    fake.repositories.get('team/web')?.blobs.add(config.digest)
    const layers = [{ digest: digestOfBytes('windows'), size: 9, urls: ['https://example.com/windows'] }]
    fake.put('team/web', 'v1', types.image, { schemaVersion: 2, config, layers })
    await writer().copy({ repository: 'team/web', tag: 'v1' }, { repository: 'ops/kept', tag: 'x' })
    expect(fake.tags('ops/kept')).toEqual(['x'])
  })

  it('of what is not there, or lacks a blob, is an error, and the upload that the registry began is ended', async () => {
    const from = { repository: 'team/web', tag: 'v1' }
    const to = { repository: 'ops/kept', tag: 'x' }
    expect((await failure(writer().copy(from, to))).message).toContain('team/web:v1 is not there')
    fake.push('team/web', 'v1', 'one')
    fake.repositories.get('team/web')?.blobs.clear()
    expect(await failure(writer().copy(from, to))).toMatchObject({ kind: 'registry.refused' })
    expect(writes().map((call) => call.split(' ')[0])).toEqual(['POST', 'DELETE'])
    expect(fake.tags('ops/kept')).toEqual([])
  })
})

describe('a registry that asks who it is', () => {
  it('gets user name and password', async () => {
    fake.auth = { kind: 'basic' }
    fake.push('team/web', 'v1', 'one')
    await writer(withCredentials()).remove('team/web', ['v1'])
    expect(fake.tags('team/web')).toEqual([])
    expect([...secrets]).toContain(password)
    expect(await failure(reader().tags('team/web'))).toMatchObject({ kind: 'cloud.credentials' })
  })

  it('gets a token for what is done, one for many calls, of two repositories for a copy', async () => {
    fake.auth = { kind: 'bearer', lifeSeconds: 300 }
    for (let index = 0; index < 5; index += 1) fake.push('team/web', `v${index}`, `c${index}`)
    const own = writer(withCredentials())
    await own.repositories()
    await own.tags('team/web')
    await own.tags('team/web')
    await own.copy({ repository: 'team/web', tag: 'v1' }, { repository: 'ops/kept', tag: 'x' })
    await own.remove('team/web', ['v0'])
    const scopes = fake.calls
      .filter((call) => call.startsWith('GET /token'))
      .map((call) => new URL(call.slice(4), fake.url).searchParams.getAll('scope').join(' '))
    expect(scopes).toEqual([
      'registry:catalog:*',
      'repository:team/web:pull',
      'repository:ops/kept:pull',
      'repository:ops/kept:pull,push repository:team/web:pull',
      'repository:ops/kept:pull,push',
      'repository:team/web:delete',
    ])
  })

  it('gets a new token for one that is refused, once', async () => {
    fake.auth = { kind: 'bearer', lifeSeconds: 300 }
    fake.push('team/web', 'v1', 'one')
    const own = reader(withCredentials())
    await own.tag('team/web', 'v1')
    fake.revokeTokens()
    expect(await own.tag('team/web', 'v1')).toBeDefined()
    fake.intercept = ({ path }) => (path.startsWith('/token') ? { status: 200, body: '{"token":"token-0-x"}' } : undefined)
    fake.revokeTokens()
    const before = fake.calls.length
    expect(await failure(own.tag('team/web', 'v1'))).toMatchObject({ kind: 'cloud.credentials' })
    expect(fake.calls.length - before).toBe(3)
  })

  it('does not send anybody elsewhere with the password', async () => {
    fake.push('team/web', 'v1', 'one')
    for (const realm of ['http://evil.example/token', 'http://127.0.0.1:9/token', 'file:///etc/passwd', 'http://user:x@evil.example/']) {
      fake.auth = { kind: 'bearer', realm }
      const error = await failure(reader(withCredentials()).tag('team/web', 'v1'))
      expect(error).toBeInstanceOf(CloudError)
      expect(['cloud.not-allowed', 'cloud.credentials']).toContain((error as CloudError).kind)
    }
    expect(fake.calls.every((call) => call.startsWith('GET /v2/team/web/'))).toBe(true)
  })

  it('and what it says then never shows a secret', async () => {
    fake.push('team/web', 'v1', 'one')
    for (const auth of [{ kind: 'basic' }, { kind: 'bearer' }] as const) {
      fake.auth = auth
      fake.intercept = ({ path }) =>
        path.startsWith('/token')
          ? { status: 403, body: password }
          : auth.kind === 'basic'
            ? { status: 403, body: `{"errors":[{"code":"DENIED","message":"${password}"}]}` }
            : undefined
      const { message } = await failure(reader(withCredentials()).tags('team/web'))
      expect(message).not.toContain(password)
      expect(message).not.toContain(Buffer.from(`${user}:${password}`).toString('base64'))
      expect(message).toContain(fake.host)
    }
  })
})

describe('calls', () => {
  it.each([
    ['undici', createUndiciTransport],
    ["Node's own client", createTransport],
  ])('of every kind go over %s', async (_, make) => {
    const own = createRegistryClient({
      clock: systemClock,
      random: () => 0,
      createTransport: () => make({ clock: systemClock, allowedHosts: [fake.host], environment: {} }),
      resolve: () => Promise.resolve(''),
    })
    const registry = dockerWriter(
      withRegistry(noPlatform, () => Promise.resolve(own)),
      address(),
    )
    const child = fake.push('team/web', 'child', 'child')
    const digest = fake.pushIndex('team/web', 'v1', [child])
    fake.push('team/web', 'v2', 'two')
    await registry.copy({ repository: 'team/web', tag: 'v1' }, { repository: 'ops/kept', tag: 'x' })
    expect((await registry.tag('ops/kept', 'x'))?.contentId).toBe(digest)
    await registry.remove('team/web', ['v1', 'child'])
    expect(fake.tags('team/web')).toEqual(['v2'])
    await own.close()
  })

  it('go to listed hosts only, and follow no redirect', async () => {
    expect(await failure(reader({ url: 'http://127.0.0.1:9' }).repositories())).toMatchObject({ kind: 'cloud.not-allowed' })
    fake.intercept = () => ({ status: 307, headers: { location: `${fake.url}/v2/elsewhere` } })
    expect(await failure(reader().repositories())).toMatchObject({ kind: 'cloud.bad-answer' })
    expect(fake.calls).toHaveLength(1)
  })

  it('that read are tried again after a failure on the way', async () => {
    fake.push('team/web', 'v1', 'one')
    fake.intercept = ({ count }) => (count < 3 ? { drop: 'before' } : undefined)
    expect(await reader().repositories()).toEqual([{ name: 'team/web' }])
    expect(fake.calls).toHaveLength(3)
  })

  it('are each told to whoever logs calls, with what went wrong and when it is tried again', async () => {
    fake.push('team/web', 'v1', 'one')
    fake.intercept = ({ count }) => (count === 1 ? { drop: 'before' } : undefined)
    await reader().repositories()
    expect(attempts).toMatchObject([
      { action: 'registry.Read', effect: 'read', attempt: 1, host: fake.host, outcome: 'cloud.network', retryInMs: 0 },
      { action: 'registry.Read', effect: 'read', attempt: 2, host: fake.host, outcome: 'ok', httpStatus: 200, retryInMs: undefined },
    ])
    attempts.length = 0
    fake.deletes = false
    await failure(writer().remove('team/web', ['v1']))
    expect(attempts.at(-1)).toMatchObject({
      action: 'registry.Write',
      effect: 'write',
      attempt: 1,
      outcome: 'cloud.rejected',
      httpStatus: 405,
    })
    for (const { at, durationMs } of attempts) expect([Date.now() - at < 5000, durationMs >= 0]).toEqual([true, true])
    attempts.length = 0
    fake.auth = { kind: 'basic' }
    await failure(reader().repositories())
    expect(attempts).toMatchObject([{ outcome: 'cloud.credentials', code: 'registry.no-credentials' }])
  })

  it('do not start without time, nor after the run was stopped', async () => {
    fake.push('team/web', 'v1', 'one')
    const late: CloudWriter = { send: (action, request) => cloud.send(action, request, { deadline: Date.now() + 200 }) }
    expect(await failure(dockerWriter(late, address()).remove('team/web', ['v1']))).toMatchObject({ kind: 'cloud.deadline' })
    const stopped: CloudWriter = { send: (action, request) => cloud.send(action, request, { signal: AbortSignal.abort() }) }
    expect(await failure(dockerReader(stopped, address()).tags('team/web'))).toMatchObject({ kind: 'cloud.aborted' })
    expect(writes()).toEqual([])
  })
})

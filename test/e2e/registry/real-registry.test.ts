import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '#cloud/clock.ts'
import { createTransport } from '#cloud/transport-https.ts'
import { definition } from '#functions/image-cleaner/definition.ts'
import { copyTag } from '#functions/image-cleaner/quarantine.ts'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import { putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import { type Config, checkConfig } from '#shared/runtime/config.ts'
import { readJson } from '#shared/runtime/config-text.ts'
import { type Connection, connect } from '#shared/runtime/connect.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import type { RunReport } from '#shared/runtime/report.ts'
import { runSchedule } from '#shared/runtime/run.ts'
import { MemoryDisk } from '#shared/safety/store-memory.ts'
import { memoryKernel } from '../../shared/runtime/memory-kernel.ts'
import { fetchPrograms, makeRegistry, type RealRegistry, registryPassword, registryUser } from './real-registry.ts'

const dayMs = 86_400_000
const clock = createSandboxClock({ startMs: Date.parse('2026-11-23T19:00:00Z'), frozen: true })
const world = createEmptyWorld(clock.now() - 400 * dayMs, 1)
const disk = new MemoryDisk()
const redactor = createRedactor()
const quarantine = 'ops/quarantine'

let registry: RealRegistry
let sandbox: Sandbox
let config: Config
let cloud: Connection
let runs = 0

const env = {
  REGISTRY_USER: registryUser,
  REGISTRY_PASSWORD: registryPassword,
  TENCENTCLOUD_SECRET_ID: sandboxSecretId,
  TENCENTCLOUD_SECRET_KEY: sandboxSecretKey,
}

/** A text that does not compress, so that sizes say something. */
const bulk = (kib: number): string => randomBytes(kib * 512).toString('hex')

async function configOf(more: object = {}): Promise<Config> {
  const text = {
    mode: 'enforce',
    platform: { endpoint: sandbox.url, region: emptyCluster.region, allowedHosts: [registry.host] },
    clusters: [{ id: emptyCluster.clusterId }],
    functions: {
      'image-cleaner': {
        registry: {
          kind: 'docker',
          url: registry.url,
          credentials: { username: 'env:REGISTRY_USER', password: 'env:REGISTRY_PASSWORD' },
          ...more,
        },
        hosts: [registry.host],
        policies: [
          {
            name: 'all',
            repositories: ['**'],
            except: [quarantine],
            keep: { last: 2, semver: { newest: 2, per: 'major' }, protected: ['stable'] },
          },
        ],
        quarantine: { repository: quarantine, days: 7 },
        canary: { enabled: false },
        caps: { perRepository: { amount: 1000, percent: 100 } },
      },
    },
  }
  return await checkConfig({
    text: readJson(JSON.stringify(text)),
    source: 'the test',
    env,
    schemas: { 'image-cleaner': definition.settings },
  })
}

async function connectTo(own: Config): Promise<Connection> {
  return await connect(own, {
    env,
    // Times are the sandbox's; waiting is real.
    clock: { ...systemClock, now: () => clock.now() },
    random: Math.random,
    createTransport,
    redactor,
  })
}

async function clean(own = config, through = cloud): Promise<RunReport> {
  runs += 1
  return await runSchedule(definition, {
    config: own,
    cloud: through,
    kernel: await memoryKernel({ config: own, cloud: through, now: () => clock.now(), disk }),
    owner: `run-${runs}`,
    now: clock.now(),
    scheduledAt: clock.now(),
    trigger: { kind: 'local' },
    log: silentLog,
  })
}

const outcomes = (report: RunReport, ...wanted: readonly string[]): readonly string[] =>
  report.decisions
    .filter(({ outcome }) => wanted.includes(outcome))
    .map(({ target, outcome, reason }) => `${target} ${outcome} ${reason.code}`)

/** Writing requests since the last time this was asked. */
let seenRequests = 0
function newWrites(): readonly string[] {
  const all = registry.requests()
  const own = all.slice(seenRequests)
  seenRequests = all.length
  // One that was asked who it is has done nothing yet.
  return own.filter((request) => !/^(GET|HEAD) /.test(request) && !request.endsWith(' 401'))
}

function put(object: Parameters<typeof putObject>[1]): void {
  const state = world.kubernetes[emptyCluster.clusterId]
  if (state === undefined) throw new Error('there is no cluster')
  putObject(state, object, clock.now() - dayMs)
}

const digests: Record<string, string> = {}
let orphan = ''

beforeAll(async () => {
  await fetchPrograms()
  registry = await makeRegistry()
  await registry.start()
  sandbox = await startSandbox({ world, clock, rates: false })
  config = await configOf()
  expect(
    await definition.problems?.({
      mode: 'enforce',
      region: '',
      clusters: config.clusters,
      settings: definition.settings.parse(config.functions['image-cleaner']),
    }),
  ).toEqual([])
  cloud = await connectTo(config)

  for (let index = 1; index <= 8; index += 1) {
    const image = {
      text: `web ${index} ${bulk(64)}`,
      ...(index % 2 === 0 ? { created: '1970-01-01T00:00:00Z' } : { created: '2050-01-01T00:00:00Z' }),
    }
    const { digest } = await registry.push('shop/web', `v1.${index}.0`, [image])
    digests[`shop/web:v1.${index}.0`] = digest
  }
  await registry.retag('shop/web', 'v1.4.0', 'stable')
  for (let index = 1; index <= 5; index += 1) {
    const images = ['amd64', 'arm64'].map((architecture) => ({ text: `multi ${index} ${architecture} ${bulk(64)}`, architecture }))
    const { digest, children } = await registry.push('shop/multi', `1.${index}.0`, images)
    digests[`shop/multi:1.${index}.0`] = digest
    if (index === 1) {
      // The first platform of the first one has a tag of its own, which is in use; the second of the second one is pinned.
      digests['shop/multi:1.1.0-amd64'] = children[0] ?? ''
      await copyChild('shop/multi', children[0] ?? '', '1.1.0-amd64')
    }
    if (index === 2) digests.pinned = children[1] ?? ''
    if (index === 3) orphan = children[0] ?? ''
  }
  for (let index = 1; index <= 4; index += 1) {
    const { digest } = await registry.push('old/app', `2.0.${index}`, [{ text: `old ${index} ${bulk(16)}` }], 'v2s2')
    digests[`old/app:2.0.${index}`] = digest
  }
  for (const name of ['a1f', 'b2e', 'c3d', 'd4c']) await registry.push('dev/commits', name, [{ text: name }])

  const image = (name: string, reference: string) => deployment({ namespace: 'prod', name, image: `${registry.host}/${reference}` })
  put(image('web', 'shop/web:v1.2.0'))
  put(image('child', 'shop/multi:1.1.0-amd64'))
  put(image('pinned', `shop/multi@${digests.pinned}`))
  put(image('old', 'old/app:2.0.1'))
  newWrites()
})

afterAll(async () => {
  await cloud?.close()
  await sandbox?.close()
  await registry?.remove()
})

async function copyChild(repository: string, digest: string, tag: string): Promise<void> {
  await registry.retag(repository, digest, tag)
}

/** What somebody asks for after it was removed. */
const wanted = ['shop/web:v1.1.0', 'shop/multi:1.3.0']

function podOf(reference: string, state: Record<string, Record<string, string>>) {
  const image = `${registry.host}/${reference}`
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `wants-${reference.replace(/[^a-z0-9]/g, '-')}`, namespace: 'prod' },
    spec: { containers: [{ name: 'app', image }] },
    status: { phase: 'Pending', containerStatuses: [{ name: 'app', image, imageID: '', ready: false, restartCount: 0, state }] },
  }
}

const keptWeb = ['stable', 'v1.2.0', 'v1.4.0', 'v1.7.0', 'v1.8.0']
const keptMulti = ['1.1.0', '1.1.0-amd64', '1.2.0', '1.4.0', '1.5.0']
const keptOld = ['2.0.1', '2.0.3', '2.0.4']

describe('the image cleaner over a real Docker registry', () => {
  it('in mode plan says what would go and writes nothing', async () => {
    const report = await clean({ ...config, mode: 'plan' })
    expect(report.failure).toBeUndefined()
    expect(outcomes(report, 'Planned')).toEqual(['old/app Planned expired', 'shop/multi Planned expired', 'shop/web Planned expired'])
    expect(newWrites()).toEqual([])
    clock.move(dayMs)
  })

  it('removes old tags and keeps what is used, shared, protected, a part of a used index, or not to be told apart', async () => {
    const started = performance.now()
    const report = await clean()
    const ms = Math.round(performance.now() - started)
    expect(report.failure).toBeUndefined()
    expect(outcomes(report, 'Failed', 'Held')).toEqual([])
    expect(outcomes(report, 'Applied')).toEqual(['old/app Applied expired', 'shop/multi Applied expired', 'shop/web Applied expired'])
    expect(await registry.tags('shop/web')).toEqual(keptWeb)
    expect(await registry.tags('shop/multi')).toEqual(keptMulti)
    expect(await registry.tags('old/app')).toEqual(keptOld)
    expect(await registry.tags('dev/commits')).toEqual(['a1f', 'b2e', 'c3d', 'd4c'])
    const writes = newWrites()
    const count = (method: string): number => writes.filter((write) => write.startsWith(method)).length
    // 4 of shop/web, 1 index of shop/multi, 1 of old/app; blobs: 4 × 2, 2 × 2 and 2; manifests: 6, and 2 children.
    expect([count('DELETE'), count('POST'), count('PUT')]).toEqual([6, 14, 8])
    process.stdout.write(`run over 4 repositories, 23 tags: ${ms} ms, ${writes.length} writes\n`)
  })

  it('has copied what it removed, with the same digests', async () => {
    for (const [repository, tag] of [
      ['shop/web', 'v1.1.0'],
      ['shop/multi', '1.3.0'],
      ['old/app', '2.0.2'],
    ] as const) {
      const copy = copyTag(repository, tag)
      expect(await registry.pull(quarantine, copy)).toBe(digests[`${repository}:${tag}`])
    }
    expect(await registry.tags(quarantine)).toHaveLength(6)
  })

  it('has nothing to do in the next night', async () => {
    clock.move(dayMs)
    const report = await clean()
    expect(outcomes(report, 'Applied', 'Failed', 'Held', 'Invalid')).toEqual([])
    expect(newWrites()).toEqual([])
  })

  it('brings back what a pod asks for and cannot get, platforms and all', async () => {
    for (const reference of wanted) put(podOf(reference, { waiting: { reason: 'ImagePullBackOff' } }))
    clock.move(dayMs)
    const report = await clean()
    expect(outcomes(report, 'Applied').toSorted()).toEqual(['shop/multi Applied pull-failed', 'shop/web Applied pull-failed'])
    expect(outcomes(report, 'Failed', 'Held')).toEqual([])
    expect(await registry.pull('shop/web', 'v1.1.0')).toBe(digests['shop/web:v1.1.0'])
    expect(await registry.pull('shop/multi', '1.3.0')).toBe(digests['shop/multi:1.3.0'])
    for (const reference of wanted) put(podOf(reference, { running: { startedAt: '2026-11-26T00:00:00Z' } }))
    newWrites()
  })

  it('purges the copies when their time is over', async () => {
    clock.move(8 * dayMs)
    const report = await clean()
    expect(outcomes(report, 'Failed', 'Held')).toEqual([])
    expect(outcomes(report, 'Applied')).toEqual([`${quarantine} Applied copy-expired`])
    expect(await registry.tags(quarantine)).toEqual([])
    expect(newWrites().map((write) => write.split(' ')[0])).toEqual(Array.from({ length: 6 }, () => 'DELETE'))
  })

  it('leaves everything that it kept whole after the registry has collected its garbage', async () => {
    const before = registry.sizeBytes()
    await registry.stop()
    const said = await registry.collectGarbage()
    const after = registry.sizeBytes()
    await registry.start()
    expect(said).toMatch(/blob eligible for deletion/)
    expect(after).toBeLessThan(before)
    const kept = [
      ...[...keptWeb, 'v1.1.0'].map((tag) => ['shop/web', tag] as const),
      ...[...keptMulti, '1.3.0'].map((tag) => ['shop/multi', tag] as const),
      ...keptOld.map((tag) => ['old/app', tag] as const),
    ]
    for (const [repository, tag] of kept) {
      const digest = await registry.pull(repository, tag)
      const known = digests[`${repository}:${tag}`]
      if (known !== undefined) expect(digest, `${repository}:${tag}`).toBe(known)
    }
    expect(await registry.pull('shop/multi', digests.pinned ?? '')).toBe(digests.pinned)
    await expect(registry.pull('shop/web', 'v1.3.0')).rejects.toThrow(/manifest unknown/)
    expect(await registry.pull('shop/multi', orphan)).toBe(orphan)
    process.stdout.write(
      `registry before its garbage collection ${before} bytes, after ${after} bytes; ${kept.length} tags pulled back whole\n`,
    )
  })
})

describe('a real Docker registry', () => {
  it('that does not allow to remove is left as it is, and the run says what to set', async () => {
    await registry.push('shop/web', 'v1.9.0', [{ text: 'web 9' }])
    await registry.push('shop/web', 'v1.10.0', [{ text: 'web 10' }])
    const before = await registry.tags('shop/web')
    await registry.stop()
    await registry.start({ deletes: false })
    clock.move(dayMs)
    const own = await configOf()
    const settings = own.functions['image-cleaner'] as Record<string, unknown>
    const { quarantine: _, ...rest } = settings
    const report = await clean({ ...own, functions: { 'image-cleaner': rest } })
    expect(outcomes(report, 'Failed')).toEqual(['shop/web Failed registry.refused'])
    expect(report.decisions.find(({ outcome }) => outcome === 'Failed')?.reason.text).toContain('REGISTRY_STORAGE_DELETE_ENABLED')
    expect(await registry.tags('shop/web')).toEqual(before)
    await registry.stop()
    await registry.start()
  })

  it('that does not know the user answers nobody, and nothing is removed', async () => {
    const before = await registry.tags('shop/web')
    clock.move(dayMs)
    const report = await clean(await configOf({ credentials: { username: 'env:REGISTRY_USER', password: 'env:TENCENTCLOUD_SECRET_KEY' } }))
    expect(outcomes(report, 'Applied')).toEqual([])
    expect(outcomes(report, 'Held')).toContain(`Docker registry ${registry.host} Held registry-unreadable`)
    expect(JSON.stringify(report)).not.toContain(sandboxSecretKey)
    expect(JSON.stringify(report)).not.toContain(registryPassword)
    expect(await registry.tags('shop/web')).toEqual(before)
  })

  it('that is stopped leaves the run without a plan for it, and nothing is removed', async () => {
    await registry.stop()
    clock.move(dayMs)
    const report = await clean()
    expect(outcomes(report, 'Applied')).toEqual([])
    expect(report.decisions.find(({ reason }) => reason.code === 'registry-unreadable')?.reason.text).toContain('ECONNREFUSED')
    await registry.start()
  })

  it('takes platforms out of images that are kept when it collects what has no tag, so that must not be asked of it', async () => {
    expect(await registry.pull('shop/multi', '1.5.0')).toBe(digests['shop/multi:1.5.0'])
    await registry.stop()
    await registry.collectGarbage('--delete-untagged')
    await registry.start()
    expect(await registry.tags('shop/multi')).toContain('1.5.0')
    await expect(registry.pull('shop/multi', '1.5.0')).rejects.toThrow(/manifest unknown/)
    // What lacks a part is still listed and judged, and nothing of the repository is lost for that.
    clock.move(dayMs)
    expect(outcomes(await clean(), 'Failed', 'Held')).toEqual([])
  })
})

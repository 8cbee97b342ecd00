import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSandboxClock } from '#infra/sandbox/clock.ts'
import { getObject, putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { placeNodes } from '#infra/sandbox/seeds/place.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { pushImage } from '#infra/sandbox/tcr/images.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import { buildKubernetes, type RealKubernetes, startKubernetes } from '../kube/real-api.ts'
import { fetchPrograms, freePort, makeRegistry, type RealRegistry, registryPassword, registryUser } from './real-registry.ts'

const dayMs = 86_400_000
const root = join(import.meta.dirname, '../../..')
const token = 'Bearer registry-of-the-end-to-end-test'
const clock = createSandboxClock({})
const world = createEmptyWorld(clock.now() - 400 * dayMs, 1)
const folder = mkdtempSync(join(tmpdir(), 'longshore-redeploy-'))

let registry: RealRegistry
let sandbox: Sandbox
let runner: ChildProcess
let port: number
let said = ''

/** The registry's name for those who pull: what the sandbox's clusters can pull from. */
const host = 'ccr.ccs.tencentyun.com'
const image = (tag: string): string => `${host}/team/web:${tag}`

/** Pushes an image into the real registry with skopeo. What the sandbox's nodes can pull is told to it apart. */
async function push(tag: string, canBePulled: boolean): Promise<void> {
  if (canBePulled) pushImage(world, { repo: 'team/web', tag, content: tag }, clock.now())
  await registry.push('team/web', tag, [{ text: `web ${tag}` }])
}

function web(): object {
  const state = world.kubernetes[emptyCluster.clusterId]
  const found = state === undefined ? undefined : getObject(state, 'apps', 'deployments', 'web', 'prod')
  if (found === undefined) throw new Error('the Deployment is gone')
  return found
}

const imageNow = (): string => /"image":"([^"]+)"/.exec(JSON.stringify(web()))?.[1] ?? ''

/** Milliseconds until something holds; fails with what the runner said when it does not within the limit. */
async function until(holds: () => boolean, limitMs: number, what: string): Promise<number> {
  const startMs = performance.now()
  while (performance.now() - startMs < limitMs) {
    if (holds()) return performance.now() - startMs
    await sleep(20)
  }
  throw new Error(`${what} did not come true within ${limitMs / 1000} s. The runner said:\n${said.slice(-4000)}`)
}

/** The local runner as a process of its own, with one rule for the Deployment prod/web. */
function startRunner(place: string, ownPort: number, of: RealRegistry, platform: Pick<Sandbox, 'url'>): ChildProcess {
  const config = join(place, 'longshore.yaml')
  writeFileSync(
    config,
    JSON.stringify({
      mode: 'enforce',
      platform: { endpoint: platform.url, region: emptyCluster.region, allowedHosts: [of.host] },
      clusters: [{ id: emptyCluster.clusterId }],
      store: { kind: 'sqlite', path: join(place, 'store.sqlite') },
      functions: {
        'redeploy-hook': {
          registry: { kind: 'docker', url: of.url, credentials: { username: 'env:REGISTRY_USER', password: 'env:REGISTRY_PASSWORD' } },
          hosts: [of.host, host],
          sources: { registry: { kind: 'distribution', secrets: ['env:REGISTRY_TOKEN'] } },
          poll: false,
          rules: [
            {
              name: 'web',
              repository: 'team/web',
              tags: { glob: ['1.*'] },
              targets: [{ cluster: emptyCluster.clusterId, namespace: 'prod', kind: 'Deployment', name: 'web' }],
            },
          ],
        },
      },
    }),
  )
  return spawn(process.execPath, [join(root, 'infra/cli/longshore.mjs'), 'start', '--config', config, '--port', String(ownPort)], {
    cwd: place,
    env: {
      PATH: process.env.PATH,
      TENCENTCLOUD_SECRET_ID: sandboxSecretId,
      TENCENTCLOUD_SECRET_KEY: sandboxSecretKey,
      REGISTRY_USER: registryUser,
      REGISTRY_PASSWORD: registryPassword,
      REGISTRY_TOKEN: token,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

beforeAll(async () => {
  await fetchPrograms()
  const cluster = world.tke.clusters[emptyCluster.clusterId]
  const state = world.kubernetes[emptyCluster.clusterId]
  if (cluster === undefined || state === undefined) throw new Error('there is no cluster')
  const createdMs = clock.now() - 10 * dayMs
  placeNodes(world, cluster, { count: 1, instanceType: 'S5.2XLARGE16', subnetId: emptyCluster.subnetId, createdMs }, createRandom(5))
  putObject(state, deployment({ namespace: 'prod', name: 'web', image: image('1.0.0'), replicas: 2 }), clock.now())
  sandbox = await startSandbox({ world, clock })
  registry = await makeRegistry()
  port = await freePort()
  await registry.start({ notify: { url: `http://127.0.0.1:${port}/hooks/redeploy-hook/registry`, authorization: token } })
  await push('1.0.0', true)
  runner = startRunner(folder, port, registry, sandbox)
  for (const stream of [runner.stdout, runner.stderr]) stream?.on('data', (text: Buffer) => (said += text.toString()))
  await until(() => said.includes('webhook at'), 30_000, 'the runner listens')
})

afterAll(async () => {
  runner?.kill('SIGTERM')
  await registry?.remove()
  await sandbox?.close()
  rmSync(folder, { recursive: true, force: true })
})

it('an image that skopeo pushes is in the Deployment within five seconds', async () => {
  await push('1.0.1', true)
  const took = await until(() => imageNow() === image('1.0.1'), 30_000, 'the new image')
  expect(took).toBeLessThan(5000)
  await until(() => JSON.stringify(web()).includes('\\"state\\":\\"done\\"'), 90_000, 'the end of the rollout on record')
})

it('a push that fails to roll out is rolled back and held, and the next one goes on', async () => {
  await push('1.0.2', false)
  await until(() => imageNow() === image('1.0.2'), 30_000, 'the broken image')
  await until(() => imageNow() === image('1.0.1'), 110_000, 'the rollback')
  expect(JSON.stringify(web())).toContain('ImagePullBackOff')
  await registry.retag('team/web', '1.0.2', '1.0.3')
  await sleep(3000)
  expect(imageNow()).toBe(image('1.0.1'))
  await push('1.0.4', true)
  await until(() => imageNow() === image('1.0.4'), 30_000, 'the repaired image')
})

// A real API server takes minutes to build: it is asked where that was done (infra/kube/README.md).
if (process.env.LONGSHORE_KUBE === undefined) console.info('LONGSHORE_KUBE is not set, so no push goes to a real kube-apiserver here.')
else {
  describe('in a real kube-apiserver', () => {
    const place = mkdtempSync(join(tmpdir(), 'longshore-redeploy-kube-'))
    const deployments = '/apis/apps/v1/namespaces/prod/deployments'
    let kube: RealKubernetes
    let source: RealRegistry
    let platform: Sandbox
    let runnerOnKube: ChildProcess
    let kubeSaid = ''

    const asked = async (method: string, path: string, body?: object, contentType = 'application/json'): Promise<unknown> => {
      const answer = await kube.api.request(method, path, body === undefined ? undefined : contentType, body && JSON.stringify(body))
      if (answer.status >= 300) throw new Error(`${method} ${path} was answered ${answer.status}: ${answer.body}`)
      return JSON.parse(answer.body)
    }
    const webNow = async (): Promise<RealDeployment> => (await asked('GET', `${deployments}/web`)) as RealDeployment

    /** Milliseconds until the Deployment is so. Meanwhile every new pod is ready, as no kubelet is there to say so. */
    async function untilWeb(holds: (web: RealDeployment) => boolean, limitMs: number, what: string): Promise<number> {
      const startMs = performance.now()
      while (performance.now() - startMs < limitMs) {
        if (holds(await webNow())) return performance.now() - startMs
        const { items } = (await asked('GET', '/api/v1/namespaces/prod/pods')) as { items: RealPod[] }
        for (const { metadata, status } of items) {
          if (status?.phase === 'Running') continue
          const ready = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: new Date().toISOString() }] }
          await asked('PATCH', `/api/v1/namespaces/prod/pods/${metadata.name}/status`, { status: ready }, 'application/merge-patch+json')
        }
        await sleep(50)
      }
      throw new Error(`${what} did not come true within ${limitMs / 1000} s. The runner said:\n${kubeSaid.slice(-4000)}`)
    }

    beforeAll(async () => {
      await buildKubernetes()
      kube = await startKubernetes(true)
      await asked('POST', '/api/v1/namespaces', { metadata: { name: 'prod' } })
      await asked('POST', deployments, {
        metadata: { name: 'web' },
        spec: {
          replicas: 2,
          selector: { matchLabels: { app: 'web' } },
          template: {
            metadata: { labels: { app: 'web' } },
            spec: { imagePullSecrets: [{ name: 'registry' }], containers: [{ name: 'web', image: image('1.0.0') }] },
          },
        },
      })
      platform = await startSandbox({
        world: createEmptyWorld(clock.now() - 400 * dayMs, 1),
        clock,
        attach: new Map([[emptyCluster.clusterId, kube.attach]]),
      })
      source = await makeRegistry()
      const ownPort = await freePort()
      await source.start({ notify: { url: `http://127.0.0.1:${ownPort}/hooks/redeploy-hook/registry`, authorization: token } })
      await source.push('team/web', '1.0.0', [{ text: 'web 1.0.0' }])
      runnerOnKube = startRunner(place, ownPort, source, platform)
      for (const stream of [runnerOnKube.stdout, runnerOnKube.stderr]) stream?.on('data', (text: Buffer) => (kubeSaid += text.toString()))
      await untilWeb(() => kubeSaid.includes('webhook at'), 30_000, 'the runner listens')
      await untilWeb(({ status }) => status?.availableReplicas === 2, 30_000, 'the Deployment runs')
    })

    afterAll(async () => {
      runnerOnKube?.kill('SIGTERM')
      await source?.remove()
      await platform?.close()
      await kube?.stop()
      rmSync(place, { recursive: true, force: true })
    })

    it('a push is in the Deployment within five seconds, by one JSON Patch through ForwardRequest, and is watched to its end', async () => {
      const before = await webNow()
      await source.push('team/web', '1.0.1', [{ text: 'web 1.0.1' }])
      const took = await untilWeb((one) => one.spec.template.spec.containers[0]?.image === image('1.0.1'), 30_000, 'the new image')
      expect(took).toBeLessThan(5000)
      const changes = platform.journal.filter(({ action, request }) => action === 'ForwardRequest' && request?.Method === 'PATCH')
      expect(changes).toHaveLength(1)
      expect(changes[0]?.request?.ContentType).toBe('application/json-patch+json')
      expect(JSON.parse(String(changes[0]?.request?.RequestBody))).toContainEqual({
        op: 'test',
        path: '/spec/template/spec/containers/0/image',
        value: image('1.0.0'),
      })
      await untilWeb((one) => JSON.stringify(one).includes('\\"state\\":\\"done\\"'), 90_000, 'the end of the rollout on record')
      const after = await webNow()
      expect(after.status).toMatchObject({ updatedReplicas: 2, availableReplicas: 2, replicas: 2 })
      // The image, and nothing else of what the Deployment asks for.
      const withOldImage = JSON.stringify(after.spec).replace(image('1.0.1'), image('1.0.0'))
      expect(JSON.parse(withOldImage)).toEqual(before.spec)
    })
  })
}

interface RealDeployment {
  readonly spec: { readonly template: { readonly spec: { readonly containers: readonly { readonly image: string }[] } } }
  readonly status?: { readonly availableReplicas?: number }
}

interface RealPod {
  readonly metadata: { readonly name: string }
  readonly status?: { readonly phase?: string }
}

import * as z from 'zod/mini'
import { createClient } from '#cloud/client.ts'
import { systemClock } from '#cloud/clock.ts'
import { staticCredentials } from '#cloud/credentials.ts'
import { createTransport } from '#cloud/transport-https.ts'
import { handler } from '#functions/redeploy-hook/handler.ts'
import type { OpenedHooks } from '#infra/local/local-hooks.ts'
import { localHooks } from '#infra/local/local-hooks.ts'
import { getObject, putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createRandom } from '#infra/sandbox/random.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { startSandbox } from '#infra/sandbox/server.ts'
import { pushImage } from '#infra/sandbox/tcr/images.ts'
import { registryServer } from '#infra/sandbox/tcr/state.ts'
import { sandboxSecretId, sandboxSecretKey } from '#infra/sandbox/test-credentials.ts'
import type { Config, Environment } from '#shared/runtime/config.ts'
import { createKernel } from '#shared/runtime/kernel.ts'
import { silentLog } from '#shared/runtime/log.ts'
import { createRedactor } from '#shared/runtime/redact.ts'
import { createResolver } from '#shared/runtime/reference.ts'
import type { Store } from '#shared/safety/store.ts'

/** A platform on which webhooks of the redeploy hook deploy something, and what came of it. */
export interface RedeployWorld {
  readonly hooks: OpenedHooks
  /** Pushes `1.0.<patch>` to every repository. */
  readonly push: (patch: number) => void
  /** Workloads that do not run what was pushed last, and images written that are not newer than the one before. */
  readonly wrongDeploys: () => number
  readonly close: () => Promise<void>
}

/** The configured sources of the bench. */
export const benchSources = {
  registry: { kind: 'distribution', secrets: ['env:TOKEN'] },
  ci: { kind: 'signed', secrets: ['env:KEY'] },
} as const

const namespace = 'team'

const Patch = z.array(z.looseObject({ op: z.string(), path: z.string(), value: z.optional(z.unknown()) }))

/** Makes a sandbox in this process with so many workloads, each of a repository and a rule of its own, at `1.0.0`. */
export async function openRedeployWorld(store: Store, env: Environment, apps: number): Promise<RedeployWorld> {
  const createdMs = systemClock.now() - 86_400_000
  const world = createEmptyWorld(createdMs, 1)
  world.tcr.limits.namespace = 10
  world.tcr.limits.tag = 1000
  const state = world.kubernetes[emptyCluster.clusterId]
  if (state === undefined) throw new Error('the empty world has no cluster')
  const names = Array.from({ length: apps }, (_, index) => `app-${index}`)
  const imageOf = (name: string, patch: number): string => `${registryServer}/${namespace}/${name}:1.0.${patch}`
  let newest = 0
  const push = (patch: number): void => {
    newest = patch
    for (const name of names)
      pushImage(world, { repo: `${namespace}/${name}`, tag: `1.0.${patch}` }, patch === 0 ? createdMs : systemClock.now())
  }
  push(0)
  for (const name of names) putObject(state, deployment({ namespace, name, image: imageOf(name, 0), replicas: 1 }), createdMs)
  const sandbox = await startSandbox({ world, rates: false })
  const client = createClient({
    credentials: staticCredentials({ secretId: sandboxSecretId, secretKey: sandboxSecretKey }),
    region: emptyCluster.region,
    endpoint: { kind: 'url', url: sandbox.url },
    clock: systemClock,
    transport: createTransport({ clock: systemClock, allowedHosts: ['127.0.0.1'], environment: {} }),
    random: createRandom(3),
  })
  const rules = names.map((name) => ({
    name,
    repository: `${namespace}/${name}`,
    tags: { semver: '>=1' },
    targets: [{ cluster: emptyCluster.clusterId, namespace, kind: 'Deployment', name }],
  }))
  const config: Config = {
    mode: 'enforce',
    platform: {
      endpoint: { kind: 'url', url: sandbox.url },
      region: emptyCluster.region,
      allowInsecureHttp: false,
      allowedHosts: [],
      credentials: { kind: 'none' },
    },
    clusters: [{ id: emptyCluster.clusterId }],
    store: { kind: 'memory' },
    functions: { 'redeploy-hook': { sources: benchSources, rules } },
  }
  const resolve = createResolver({ env })
  const redactor = createRedactor()
  const now = (): number => systemClock.now()
  const kernel = await createKernel({ config, store, cloud: client, now, redact: (text) => redactor.text(text), resolveReference: resolve })
  const { webhook, queue } = handler.handlers
  const ports = { config, cloud: client, kernel, env, redactor, resolve, clock: systemClock, log: silentLog }
  const hooks = await localHooks(webhook.definition, queue).open(ports)
  return {
    hooks,
    push,
    wrongDeploys: () => {
      const lasts = new Map<string, number>()
      let wrong = 0
      for (const { action, request, applied } of sandbox.journal) {
        if (action !== 'ForwardRequest' || request?.Method !== 'PATCH' || !applied) continue
        const set = z
          .parse(Patch, JSON.parse(String(request.RequestBody)))
          .find(({ op, path }) => op === 'replace' && path.endsWith('/image'))
        if (set === undefined) continue
        const path = String(request.Path)
        const patch = Number(/:1\.0\.(\d+)$/.exec(String(set.value))?.[1] ?? -1)
        if (patch <= (lasts.get(path) ?? 0)) wrong += 1
        lasts.set(path, patch)
      }
      for (const name of names) {
        const text = JSON.stringify(getObject(state, 'apps', 'deployments', name, namespace))
        if (!text.includes(`"image":"${imageOf(name, newest)}"`)) wrong += 1
      }
      return wrong
    },
    close: async () => {
      await client.close()
      await sandbox.close()
    },
  }
}

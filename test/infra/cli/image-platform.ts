import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openConfiguredStore } from '#infra/cli/with-platform.ts'
import { putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { type Sandbox, startSandbox } from '#infra/sandbox/server.ts'
import { type PushedImage, pushImage } from '#infra/sandbox/tcr/images.ts'
import { registryServer } from '#infra/sandbox/tcr/state.ts'
import { sandboxCredential } from '#infra/sandbox/test-credentials.ts'
import { createMemory, type MemoryWriter } from '#shared/runtime/memory.ts'
import { type Ran, runWords } from './run-words.ts'

const env = { TENCENTCLOUD_SECRET_ID: sandboxCredential.secretId, TENCENTCLOUD_SECRET_KEY: sandboxCredential.secretKey }
export const dayMs = 86_400_000

/** A sandbox with one cluster, a folder with a configuration for it, and the command line in that folder. */
export interface ImagePlatform {
  readonly sandbox: Sandbox
  readonly folder: string
  /** Writes longshore.yaml; `settings` is functions.image-cleaner as JSON. */
  configure(mode: string, settings: object, more?: string): Promise<void>
  push(repo: string, tag: string, daysAgo: number, more?: Partial<PushedImage>): void
  /** A Deployment that asks for an image of the registry, or of another one. */
  use(name: string, image: string, from?: string): void
  tags(repo: string): readonly string[]
  longshore(...words: string[]): Promise<Ran>
  writes(): number
  /** Looks into, or changes, what the image cleaner remembers. */
  remembering<T>(work: (memory: MemoryWriter) => Promise<T>): Promise<T>
  close(): Promise<void>
}

export async function openImagePlatform(): Promise<ImagePlatform> {
  const folder = await mkdtemp(join(tmpdir(), 'longshore-images-'))
  const world = createEmptyWorld(Date.now() - 300 * dayMs, 1)
  world.tcr.limits.namespace = 100
  // The first copy makes the quarantine's repository, not its namespace.
  pushImage(world, { repo: 'ops/tools', tag: 'v1' }, Date.now() - 100 * dayMs)
  const sandbox = await startSandbox({ world, rates: false })
  const longshore = (...words: string[]): Promise<Ran> => runWords(words, { env, cwd: folder })
  return {
    sandbox,
    folder,
    configure: async (mode, settings, more = '') => {
      await writeFile(
        join(folder, 'longshore.yaml'),
        `mode: ${mode}
platform: { endpoint: '${sandbox.url}', region: ${emptyCluster.region} }
clusters: [{ id: ${emptyCluster.clusterId}, name: harbour }]
${more}
functions:
  image-cleaner: ${JSON.stringify(settings)}
`,
      )
    },
    push: (repo, tag, daysAgo, more = {}) => {
      pushImage(world, { content: `${repo}:${tag}`, sizeBytes: 1024, ...more, repo, tag }, Date.now() - daysAgo * dayMs)
    },
    use: (name, image, from = `${registryServer}/`) => {
      const state = world.kubernetes[emptyCluster.clusterId]
      if (state === undefined) throw new Error('there is no cluster')
      putObject(state, deployment({ namespace: 'prod', name, image: `${from}${image}`, replicas: 1 }), Date.now() - dayMs)
    },
    tags: (repo) => Object.keys(world.tcr.repositories[repo]?.tags ?? {}).toSorted(),
    longshore,
    writes: () => sandbox.journal.filter(({ effect }) => effect === 'write').length,
    remembering: async (work) => {
      const nowhere = { out: () => undefined, err: () => undefined, env, cwd: folder, signal: new AbortController().signal }
      const store = await openConfiguredStore(nowhere, undefined)
      try {
        return await work(createMemory(store, { function: 'image-cleaner', now: () => Date.now() }))
      } finally {
        await store.close()
      }
    },
    close: async () => {
      await sandbox.close()
      await rm(folder, { recursive: true })
    },
  }
}

/** Settings with one policy over shop/*, and a quarantine. Nothing starts small. */
export function keeping(keep: object, more: object = {}): object {
  return {
    policies: [{ name: 'services', repositories: ['shop/*'], keep }],
    quarantine: { repository: 'ops/bin', days: 7 },
    canary: { enabled: false },
    caps: { perRepository: { amount: 1000, percent: 100 } },
    ...more,
  }
}

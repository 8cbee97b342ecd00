import { putObject } from '#infra/sandbox/kubernetes/objects.ts'
import { createEmptyWorld, emptyCluster } from '#infra/sandbox/seeds/empty.ts'
import { deployment } from '#infra/sandbox/seeds/kube-objects.ts'
import { registryServer, type TcrTag } from '#infra/sandbox/tcr/state.ts'
import type { World } from '#infra/sandbox/world.ts'

export interface RegistryShape {
  /** Tags of each repository, in the order of their names. */
  readonly sizes: readonly number[]
  /** Workloads, each of which uses the tenth newest tag of a repository. */
  readonly workloads?: number
}

const minuteMs = 60_000

/** The name of a repository by its place. */
export function repositoryName(index: number): string {
  return `bench/app-${String(index).padStart(5, '0')}`
}

/** A registry as years of builds leave it: a tag every ten minutes, every fourth build under a version as well, and workloads. */
export function registryWorld({ sizes, workloads = 0 }: RegistryShape, now: number): World {
  const world = createEmptyWorld(now - 86_400_000, 1)
  const { tcr } = world
  Object.assign(tcr.limits, { repo: sizes.length + 1, tag: Math.max(...sizes) + 1 })
  tcr.users[world.account.uin] = { createdAt: now, passwordHash: '' }
  tcr.namespaces.bench = { owner: world.account.uin, createdAt: now }
  let row = tcr.nextTagRow
  for (const [index, size] of sizes.entries()) {
    const tags: { [tag: string]: TcrTag } = {}
    for (let number = 0; number < size; number += 1) {
      const build = number - (number % 5 === 4 ? 1 : 0)
      const name = build === number ? `build-${100_000 + number}` : `v1.${Math.floor(number / 250)}.${Math.floor(number / 5) % 50}`
      const pushedAt = now - (size - number) * 10 * minuteMs
      tags[name] = { row, content: contentOf(index, build, pushedAt), pushedAt, updatedAt: pushedAt }
      row += 1
    }
    tcr.repositories[repositoryName(index)] = {
      createdAt: now - size * 10 * minuteMs,
      updatedAt: now,
      public: false,
      description: '',
      pullCount: 0,
      foreignFavourites: 0,
      lifecycle: null,
      tags,
    }
  }
  tcr.nextTagRow = row
  const cluster = world.kubernetes[emptyCluster.clusterId]
  if (cluster === undefined) throw new Error('the empty world has no cluster')
  for (let index = 0; index < workloads; index += 1) {
    const place = index % sizes.length
    const names = Object.keys(tcr.repositories[repositoryName(place)]?.tags ?? {})
    const image = `${registryServer}/${repositoryName(place)}:${names.at(-10) ?? names[0] ?? 'none'}`
    putObject(cluster, deployment({ namespace: 'bench', name: `app-${index}`, image, replicas: 1 }), now - minuteMs)
  }
  return world
}

function contentOf(repository: number, build: number, builtAt: number): TcrTag['content'] {
  const hex = `${repository.toString(16).padStart(8, '0')}${build.toString(16).padStart(8, '0')}`.repeat(4)
  return {
    digest: `sha256:${hex}`,
    imageId: `sha256:f${hex.slice(1)}`,
    sizeBytes: 20_000_000 + ((build * 7919) % 300_000_000),
    builtAt,
    author: '',
    architecture: 'amd64',
    os: 'linux',
    dockerVersion: '20.10.7',
  }
}

import type { CloudReader, CloudWriter } from '#cloud/cloud.ts'
import { companionOf, type Descriptor, isElsewhere, isIndexType, isOwnConfig, type Manifest } from '#cloud/docker-manifest.ts'
import { checkedReference, checkedRepository, type DockerRegistry, dockerRegistry } from '#cloud/docker-registry.ts'
import { CloudError } from '#cloud/errors.ts'
import { type RegistryAddress, RegistryWrite } from '#cloud/registry-call.ts'
import type { RegistryError, RegistryErrorKind } from '#cloud/registry-error.ts'
import { quote } from '#shared/pure/clip.ts'
import type { ImagePlace, ListedTag, RegistryReader, RegistryWriter } from './registry.ts'

/** Manifests of one repository that are asked for at the same time. */
const readAtOnce = 8

/** An index may hold indexes. Deeper than this nobody builds them. */
const deepestIndex = 3

/**
 * A registry of the Docker Registry HTTP API V2, for reading. Lists are followed to their end. Every manifest is read and must
 * have the digest that the registry says. That API tells no push time: `pushedMs` is absent. When an image was built is not read.
 *
 * A tag whose manifest is not there any more, as a removal leaves it for a moment, is none.
 */
export function dockerReader(cloud: CloudReader, address: RegistryAddress): RegistryReader {
  return new Reader(cloud, address).port
}

/**
 * The same, for reading and writing. The API removes a manifest with all tags that point at it; so nothing at all is removed by a
 * call when one of its tags shares its content with a tag that is not named, or is a part of an index that is not. What is a part
 * of a removed index stays in the registry, without a tag. Between the last look and the removal somebody can still
 * push: the API has no condition for that.
 *
 * A copy into another repository moves no data: blobs are mounted, and the same bytes of the manifest are put, so the
 * digest stays.
 */
export function dockerWriter(cloud: CloudWriter, address: RegistryAddress): RegistryWriter {
  const reader = new Reader(cloud, address)
  return { ...reader.port, ...new Writer(cloud, reader).port }
}

class Reader {
  readonly address: RegistryAddress
  readonly host: string
  readonly #registry: DockerRegistry
  /** Contents by tag, for those who ask for one tag after another in the course of one step. */
  readonly #snapshots = new Map<string, Promise<ReadonlyMap<string, Manifest>>>()

  constructor(cloud: CloudReader, address: RegistryAddress) {
    this.#registry = dockerRegistry(cloud, address, 'nothing of the repository is removed')
    this.address = address
    this.host = this.#registry.host
  }

  get port(): RegistryReader {
    return {
      title: `Docker registry ${this.host}`,
      tagsPerCall: 1,
      repositories: async () => {
        const names = await this.#registry.repositories()
        return names.toSorted().map((name) => ({ name }))
      },
      tags: async (repository) => {
        const manifests = await this.manifests(repository)
        const children = new Map<string, Promise<Manifest | undefined>>()
        return await inTurn([...manifests], ([name, manifest]) => this.#listed(repository, name, manifest, children))
      },
      tag: async (repository, name) => {
        const manifest = await this.manifest(repository, name)
        return manifest === undefined ? undefined : await this.#listed(repository, name, manifest, new Map())
      },
      sameContent: async (repository, name) => {
        const known = this.#snapshots.get(repository) ?? this.manifests(repository)
        this.#snapshots.set(repository, known)
        const manifests = await known
        const digest = manifests.get(name)?.digest
        return [...manifests].flatMap(([other, manifest]) => (manifest.digest === digest ? [other] : []))
      },
    }
  }

  /** What each tag of a repository points at; none where there is no such repository. */
  async manifests(repository: string, names?: readonly string[]): Promise<ReadonlyMap<string, Manifest>> {
    const tags = names ?? (await this.tagNames(repository)) ?? []
    const found = await inTurn(tags, async (name) => [name, await this.manifest(repository, name)] as const)
    return new Map(found.flatMap(([name, manifest]) => (manifest === undefined ? [] : [[name, manifest] as const])))
  }

  /** Undefined where there is no such repository. */
  async tagNames(repository: string): Promise<readonly string[] | undefined> {
    return await this.#registry.tagNames(repository)
  }

  /** By tag or digest. Undefined where there is none. */
  async manifest(repository: string, reference: string): Promise<Manifest | undefined> {
    return await this.#registry.manifest(repository, reference)
  }

  /** Everything that an index consists of, the indexes in it among that. What is not there (any more) is left out. */
  async childrenOf(
    repository: string,
    manifest: Manifest,
    known: Map<string, Promise<Manifest | undefined>> = new Map(),
    depth = 0,
  ): Promise<readonly Manifest[]> {
    if (manifest.kind === 'image') return []
    if (depth >= deepestIndex) throw this.error('registry.bad-answer', `${repository} has indexes in indexes, deeper than ${deepestIndex}`)
    const children = new Map<string, Manifest>()
    for (const { digest } of manifest.children) {
      const reading = known.get(digest) ?? this.manifest(repository, digest)
      known.set(digest, reading)
      const child = await reading
      if (child === undefined) continue
      for (const grandchild of await this.childrenOf(repository, child, known, depth + 1)) children.set(grandchild.digest, grandchild)
      children.set(child.digest, child)
    }
    return [...children.values()]
  }

  /** Digests that a manifest needs or belongs to, without asking for what is no index itself. */
  async partsOf(repository: string, name: string, manifest: Manifest): Promise<readonly string[]> {
    const parts = new Set<string>()
    const companion = companionOf(name)
    if (companion !== undefined) parts.add(companion)
    if (manifest.subject !== undefined) parts.add(manifest.subject)
    if (manifest.kind === 'index') {
      for (const { digest } of manifest.children) parts.add(digest)
      if (manifest.children.some(({ mediaType }) => isIndexType(mediaType))) {
        for (const child of await this.childrenOf(repository, manifest)) {
          if (child.kind === 'index') for (const { digest } of child.children) parts.add(digest)
        }
      }
    }
    return [...parts]
  }

  async #listed(
    repository: string,
    name: string,
    manifest: Manifest,
    known: Map<string, Promise<Manifest | undefined>>,
  ): Promise<ListedTag> {
    const parts = await this.partsOf(repository, name, manifest)
    const images = [manifest, ...(await this.childrenOf(repository, manifest, known))]
    const sizes = new Map(images.flatMap(blobsOf).map(({ digest, size }) => [digest, size]))
    const imageId = manifest.kind === 'image' && isOwnConfig(manifest.config) ? manifest.config.digest : undefined
    return {
      name,
      contentId: manifest.digest,
      ...(imageId === undefined ? {} : { imageId }),
      ...(parts.length === 0 ? {} : { parts }),
      sizeBytes: [...sizes.values()].reduce((sum, size) => sum + size, 0),
    }
  }

  error(kind: RegistryErrorKind, what: string, cause?: unknown): RegistryError {
    return this.#registry.error(kind, what, cause)
  }
}

class Writer {
  readonly #cloud: CloudWriter
  readonly #reader: Reader

  constructor(cloud: CloudWriter, reader: Reader) {
    this.#cloud = cloud
    this.#reader = reader
  }

  get port(): Pick<RegistryWriter, 'remove' | 'copy'> {
    return { remove: (repository, names) => this.#remove(repository, names), copy: (from, to) => this.#copy(from, to) }
  }

  async #remove(repository: string, names: readonly string[]): Promise<{ readonly wasGone?: boolean }> {
    const reader = this.#reader
    const tags = await reader.tagNames(repository)
    if (tags === undefined) return { wasGone: true }
    const manifests = await reader.manifests(repository, tags)
    const going = new Set(names.flatMap((name) => manifests.get(name)?.digest ?? []))
    for (const [name, manifest] of manifests) {
      if (names.includes(name)) continue
      const shared = names.find((one) => manifests.get(one)?.digest === manifest.digest)
      if (shared !== undefined) {
        const text = `${repository}:${shared} has the content of ${name}, which is not to go, and this registry removes a content with all its tags; nothing was removed`
        throw reader.error('registry.refused', text)
      }
      const part = (await reader.partsOf(repository, name, manifest)).find((digest) => going.has(digest))
      if (part === undefined || companionOf(name) === part || manifest.subject === part) continue
      const text = `a content to be removed from ${repository} is a part of ${name}, which is not to go; nothing was removed`
      throw reader.error('registry.refused', text)
    }
    for (const digest of going) await this.#delete(repository, digest)
    return {}
  }

  /** Gone already is as good. */
  async #delete(repository: string, digest: string): Promise<void> {
    try {
      await this.#cloud.send(RegistryWrite, {
        registry: this.#reader.address,
        method: 'DELETE',
        path: `/v2/${checkedRepository(repository)}/manifests/${checkedReference(digest)}`,
        scope: repository,
        statuses: [202, 200, 404],
      })
    } catch (error) {
      if (!(error instanceof CloudError && error.httpStatus === 405)) throw error
      const text =
        'does not allow to remove anything. Set storage.delete.enabled (REGISTRY_STORAGE_DELETE_ENABLED) to true there, and end a read-only time or a pull-through cache'
      throw this.#reader.error('registry.refused', text, error)
    }
  }

  async #copy(from: ImagePlace, to: ImagePlace): Promise<{ readonly digest: string }> {
    const reader = this.#reader
    const manifest = await reader.manifest(from.repository, from.tag)
    if (manifest === undefined)
      throw reader.error('registry.refused', `${from.repository}:${from.tag} is not there, so it cannot be copied`)
    const { digest } = manifest
    if ((await reader.manifest(to.repository, to.tag))?.digest === digest) return { digest }
    const children = await reader.childrenOf(from.repository, manifest)
    if (from.repository !== to.repository) {
      const mounted = new Set<string>()
      // Children before their parents: a registry takes no index of what it does not have.
      for (const one of [...children, manifest]) {
        for (const blob of blobsOf(one)) {
          if (mounted.has(blob.digest) || isElsewhere(blob)) continue
          mounted.add(blob.digest)
          await this.#mount(blob, from.repository, to.repository)
        }
        if (one !== manifest) await this.#put(one, to.repository, one.digest)
      }
    }
    await this.#put(manifest, to.repository, to.tag)
    return { digest }
  }

  async #mount({ digest }: Descriptor, from: string, to: string): Promise<void> {
    const reader = this.#reader
    const query = new URLSearchParams({ mount: digest, from: checkedRepository(from) })
    const path = `/v2/${checkedRepository(to)}/blobs/uploads/?${query.toString()}`
    const call = { registry: reader.address, scope: `${to} ${from}` }
    const answer = await this.#cloud.send(RegistryWrite, { ...call, method: 'POST', path, statuses: [201, 202] })
    if (answer.status === 201) return
    await this.#cancel(answer.headers.location, to)
    const text = `does not take the blob ${digest} of ${from} over into ${to}. Look whether it is still there, and whether the credentials may pull from ${from} and push to ${to}`
    throw reader.error('registry.refused', text)
  }

  /** Ends an upload that nobody wanted. Left alone it would lie about until the registry purges it. */
  async #cancel(location: string | undefined, repository: string): Promise<void> {
    const { address } = this.#reader
    const base = URL.parse(address.url)
    const url = location === undefined || base === null ? null : URL.parse(location, base.origin)
    if (url === null || !url.pathname.startsWith(`/v2/${repository}/blobs/uploads/`)) return
    const path = `${url.pathname}${url.search}`
    await this.#cloud.send(RegistryWrite, { registry: address, method: 'DELETE', path, scope: repository, statuses: [204, 202, 200, 404] })
  }

  async #put({ body, mediaType, digest }: Manifest, repository: string, reference: string): Promise<void> {
    const answer = await this.#cloud.send(RegistryWrite, {
      registry: this.#reader.address,
      method: 'PUT',
      path: `/v2/${checkedRepository(repository)}/manifests/${checkedReference(reference)}`,
      scope: repository,
      contentType: mediaType,
      body,
      statuses: [201],
    })
    const kept = answer.headers['docker-content-digest'] ?? digest
    if (kept !== digest)
      throw this.#reader.error('registry.bad-answer', `keeps ${repository}:${reference} as ${quote(kept)} and not as ${digest}`)
  }
}

function blobsOf(manifest: Manifest): readonly Descriptor[] {
  return manifest.kind === 'image' ? [manifest.config, ...manifest.layers] : []
}

/** What `work` answers for each item, in their order; a few at a time. The first failure ends it. */
async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const waiting = items.entries()
  let failed = false
  const run = async (): Promise<void> => {
    for (const [index, item] of waiting) {
      if (failed) return
      try {
        results[index] = await work(item)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(readAtOnce, items.length) }, run))
  return results
}

import * as z from 'zod/mini'
import { quote } from '#shared/pure/clip.ts'
import type { CloudReader } from './cloud.ts'
import { acceptedManifests, type Manifest, parseManifest } from './docker-manifest.ts'
import { type RegistryAddress, RegistryRead } from './registry-call.ts'
import { RegistryError, type RegistryErrorKind } from './registry-error.ts'

/** Reads one registry of the Docker Registry HTTP API V2. Throws RegistryError for answers that cannot be relied on, and CloudError. */
export interface DockerRegistry {
  readonly address: RegistryAddress
  readonly host: string
  /** Names of all repositories, as the catalogue lists them. */
  repositories(): Promise<readonly string[]>
  /** All tags of a repository; undefined when there is no such repository. */
  tagNames(repository: string): Promise<readonly string[] | undefined>
  /** By tag or digest, checked to be what its digest says. Undefined when there is none. */
  manifest(repository: string, reference: string): Promise<Manifest | undefined>
  error(kind: RegistryErrorKind, what: string, cause?: unknown): RegistryError
}

const perPage = 100

const repositoryPattern = /^[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*$/
const tagPattern = /^\w[\w.-]{0,127}$/

const Catalog = z.object({ repositories: z.nullable(z.array(z.string())) })
const TagList = z.object({ tags: z.nullable(z.array(z.string())) })

/**
 * A registry for reading. Lists are followed to their end; one that repeats a row, goes in circles or points elsewhere is refused.
 * `consequence` ends the sentence about a manifest that cannot be understood: what is not done about its repository.
 */
export function dockerRegistry(cloud: CloudReader, address: RegistryAddress, consequence: string): DockerRegistry {
  const host = URL.parse(address.url)?.host ?? address.url
  const error: DockerRegistry['error'] = (kind, what, cause) =>
    new RegistryError(kind, `Docker registry ${host}: ${what}.`, cause === undefined ? undefined : { cause })

  const list = async (
    path: string,
    scope: string,
    rowsOf: (value: unknown) => readonly string[] | null | undefined,
  ): Promise<readonly string[] | undefined> => {
    const rows = new Set<string>()
    const asked = new Set<string>()
    for (let next: string | undefined = `${path}?n=${perPage}`; next !== undefined; ) {
      if (asked.has(next)) throw error('registry.bad-answer', `goes round in circles while it lists ${scope}; the list cannot be relied on`)
      asked.add(next)
      const statuses = scope === 'catalog' ? [200] : [200, 404]
      const answer = await cloud.send(RegistryRead, {
        registry: address,
        method: 'GET',
        path: next,
        scope,
        accept: 'application/json',
        statuses,
      })
      if (answer.status === 404) {
        if (rows.size === 0) return undefined
        throw error('registry.bad-answer', `lost ${scope} in the middle of its list; the list cannot be relied on`)
      }
      const page = rowsOf(jsonOf(answer.body))
      if (page === undefined)
        throw error('registry.bad-answer', `answered page ${asked.size} of the list of ${scope} with something that is no such list`)
      for (const row of page ?? []) {
        if (rows.has(row)) throw error('registry.bad-answer', `lists ${quote(row)} twice in ${scope}; the list cannot be relied on`)
        rows.add(row)
      }
      next = nextOf(answer.headers.link, path, scope)
    }
    return [...rows]
  }

  /** The address of the next page, which must be another page of the same list of the same registry. */
  const nextOf = (link: string | undefined, path: string, scope: string): string | undefined => {
    if (link === undefined) return undefined
    const target = /<([^>]*)>\s*;[^,]*\brel="?next"?/i.exec(link)?.[1]
    if (target === undefined) return undefined
    const base = URL.parse(address.url)
    const url = base === null ? null : URL.parse(target, base.origin)
    if (url === null || url.pathname !== path || (url.host !== base?.host && /^[a-z]+:/i.test(target)))
      throw error('registry.bad-answer', `points elsewhere for the next page of ${scope}; the list cannot be relied on`)
    return `${url.pathname}${url.search}`
  }

  return {
    address,
    host,
    error,
    repositories: async () => {
      const names = (await list('/v2/_catalog', 'catalog', (value) => z.safeParse(Catalog, value).data?.repositories)) ?? []
      for (const name of names)
        if (!repositoryPattern.test(name)) throw error('registry.bad-answer', `lists a repository ${quote(name)}, which cannot be one`)
      return names
    },
    tagNames: async (repository) => {
      const path = `/v2/${checkedRepository(repository)}/tags/list`
      const names = await list(path, repository, (value) => z.safeParse(TagList, value).data?.tags)
      for (const name of names ?? [])
        if (!tagPattern.test(name)) throw error('registry.bad-answer', `lists a tag ${quote(name)} in ${repository}, which cannot be one`)
      return names
    },
    manifest: async (repository, reference) => {
      const answer = await cloud.send(RegistryRead, {
        registry: address,
        method: 'GET',
        path: `/v2/${checkedRepository(repository)}/manifests/${checkedReference(reference)}`,
        scope: repository,
        accept: acceptedManifests,
        statuses: [200, 404],
      })
      if (answer.status === 404) return undefined
      const asked = reference.includes(':') ? reference : undefined
      const parsed = parseManifest(answer.body, answer.headers['content-type'], asked ?? answer.headers['docker-content-digest'])
      if (parsed.ok) return parsed.value
      throw error('registry.bad-answer', `${repository}:${reference} ${parsed.error}; ${consequence}`)
    },
  }
}

/** A name becomes a part of a path only when it is one. */
export function checkedRepository(name: string): string {
  if (name.length <= 255 && repositoryPattern.test(name)) return name
  throw new RegistryError('registry.refused', `${quote(name)} is no name of a repository; nothing was sent.`)
}

export function checkedReference(reference: string): string {
  if (tagPattern.test(reference) || /^sha256:[0-9a-f]{64}$/.test(reference)) return reference
  throw new RegistryError('registry.refused', `${quote(reference)} is neither a tag nor a digest; nothing was sent.`)
}

function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}

import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A registry of the Docker Registry HTTP API V2 in memory, as far as the image cleaner uses it, with switches for what can go wrong. */
export interface FakeRegistry {
  readonly url: string
  readonly host: string
  /** `METHOD path` of every request, the token server's among them. */
  readonly calls: string[]
  readonly repositories: Map<string, FakeRepository>
  /** Answers instead of the registry, or undefined to let it answer. */
  intercept: ((request: { readonly method: string; readonly path: string; readonly count: number }) => Fault | undefined) | undefined
  auth:
    | { readonly kind: 'none' }
    | { readonly kind: 'basic' }
    | { readonly kind: 'bearer'; readonly realm?: string; readonly lifeSeconds?: number }
  deletes: boolean
  /** Rows on a page; a request that asks for fewer gets fewer. */
  pageSize: number
  /** Puts an image; the same name makes the same content. Answers its digest. */
  push(repository: string, tag: string, content: string, more?: { readonly mediaType?: string; readonly layers?: number }): string
  pushIndex(repository: string, tag: string, children: readonly string[]): string
  /** Puts a manifest as it is. */
  put(repository: string, reference: string | undefined, mediaType: string, manifest: object | string): string
  tags(repository: string): readonly string[]
  /** Tokens that are not accepted any more. */
  revokeTokens(): void
  close(): Promise<void>
}

export interface FakeRepository {
  readonly tags: Map<string, string>
  readonly manifests: Map<string, { readonly mediaType: string; readonly body: Buffer }>
  readonly blobs: Set<string>
}

/** `drop` closes the connection without an answer; `after` lets the registry act first. */
export interface Fault {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  readonly drop?: 'before' | 'after'
}

export const user = 'cleaner'
export const password = 'planted secret/+:ä'

export const types = {
  image: 'application/vnd.docker.distribution.manifest.v2+json',
  list: 'application/vnd.docker.distribution.manifest.list.v2+json',
  ociImage: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
} as const

export function digestOfBytes(bytes: string | Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

export async function startFakeRegistry(): Promise<FakeRegistry> {
  let tokens = 0
  let firstValid = 1
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => answer(request, Buffer.concat(chunks), response))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const host = `127.0.0.1:${port}`

  const repositoryOf = (name: string): FakeRepository => {
    const known = registry.repositories.get(name)
    if (known !== undefined) return known
    const made: FakeRepository = { tags: new Map(), manifests: new Map(), blobs: new Set() }
    registry.repositories.set(name, made)
    return made
  }

  const registry: FakeRegistry = {
    url: `http://${host}`,
    host,
    calls: [],
    repositories: new Map(),
    intercept: undefined,
    auth: { kind: 'none' },
    deletes: true,
    pageSize: 1000,
    push: (repository, tag, content, { mediaType = types.image, layers = 1 } = {}) => {
      const { blobs } = repositoryOf(repository)
      const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOfBytes(`config ${content}`), size: 100 }
      const own = Array.from({ length: layers }, (_, index) => ({
        mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
        digest: digestOfBytes(`layer ${index} ${content}`),
        size: 1000,
      }))
      for (const { digest } of [config, ...own]) blobs.add(digest)
      return registry.put(repository, tag, mediaType, { schemaVersion: 2, mediaType, config, layers: own })
    },
    pushIndex: (repository, tag, children) => {
      const { manifests } = repositoryOf(repository)
      const list = children.map((digest) => {
        const child = manifests.get(digest)
        return { mediaType: child?.mediaType ?? types.ociImage, digest, size: child?.body.length ?? 10 }
      })
      return registry.put(repository, tag, types.ociIndex, { schemaVersion: 2, mediaType: types.ociIndex, manifests: list })
    },
    put: (repository, reference, mediaType, manifest) => {
      const { tags, manifests } = repositoryOf(repository)
      const body = Buffer.from(typeof manifest === 'string' ? manifest : JSON.stringify(manifest))
      const digest = digestOfBytes(body)
      manifests.set(digest, { mediaType, body })
      if (reference !== undefined) tags.set(reference, digest)
      return digest
    },
    tags: (repository) => [...(registry.repositories.get(repository)?.tags.keys() ?? [])].toSorted(),
    revokeTokens: () => {
      firstValid = tokens + 1
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }

  function reply(
    response: ServerResponse,
    status: number,
    headers: Readonly<Record<string, string>> = {},
    body: string | Buffer = '',
  ): ServerResponse {
    response.writeHead(status, { 'content-length': String(Buffer.byteLength(body)), ...headers })
    return response.end(body)
  }

  function fail(response: ServerResponse, status: number, code: string, headers: Readonly<Record<string, string>> = {}): ServerResponse {
    const body = JSON.stringify({ errors: [{ code, message: `what happened, and ${password}` }] })
    return reply(response, status, { 'content-type': 'application/json', ...headers }, body)
  }

  function isBasic(request: IncomingMessage): boolean {
    return request.headers.authorization === `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  }

  /** Whether the request may pass; when not, it has been answered. */
  function passes(request: IncomingMessage, path: string, response: ServerResponse): boolean {
    const { auth } = registry
    if (auth.kind === 'none') return true
    if (auth.kind === 'basic') {
      if (isBasic(request)) return true
      fail(response, 401, 'UNAUTHORIZED', { 'www-authenticate': 'Basic realm="fake registry"' })
      return false
    }
    const scope = scopeOf(request.method ?? '', path)
    const [, number = '0', granted = ''] = /^Bearer token-(\d+)-(.*)$/.exec(request.headers.authorization ?? '') ?? []
    const has = Buffer.from(granted, 'base64url').toString().split(' ')
    if (Number(number) >= firstValid && scope.split(' ').every((one) => has.includes(one))) return true
    const realm = auth.realm ?? `${registry.url}/token`
    fail(response, 401, 'UNAUTHORIZED', { 'www-authenticate': `Bearer realm="${realm}",service="fake.registry",scope="${scope}"` })
    return false
  }

  function scopeOf(method: string, path: string): string {
    if (path.startsWith('/v2/_catalog')) return 'registry:catalog:*'
    const name = /^\/v2\/(.+?)\/(?:manifests|blobs|tags)\//.exec(path)?.[1] ?? ''
    const action = method === 'GET' ? 'pull' : method === 'DELETE' ? 'delete' : 'pull,push'
    const from = /[?&]from=([^&]+)/.exec(path)?.[1]
    return `repository:${name}:${action}${from === undefined ? '' : ` repository:${decodeURIComponent(from)}:pull`}`
  }

  function answer(request: IncomingMessage, body: Buffer, response: ServerResponse): ServerResponse | undefined {
    const method = request.method ?? ''
    const path = request.url ?? ''
    registry.calls.push(`${method} ${path}`)
    const fault = registry.intercept?.({ method, path, count: registry.calls.length })
    if (fault?.drop === 'before') {
      request.socket.destroy()
      return undefined
    }
    if (fault?.status !== undefined) return reply(response, fault.status, fault.headers ?? {}, fault.body ?? '')
    if (path.startsWith('/token')) {
      if (!isBasic(request)) return fail(response, 401, 'UNAUTHORIZED')
      tokens += 1
      const scopes = new URL(path, registry.url).searchParams.getAll('scope').join(' ')
      const token = `token-${tokens}-${Buffer.from(scopes).toString('base64url')}`
      const life = registry.auth.kind === 'bearer' ? registry.auth.lifeSeconds : undefined
      return reply(response, 200, {}, JSON.stringify({ token, ...(life === undefined ? {} : { expires_in: life }) }))
    }
    if (!passes(request, path, response)) return undefined
    const target = fault?.drop === 'after' ? silent(request, response) : response
    return serve(method, path, request, body, target)
  }

  /** A response that does everything but answer. */
  function silent(request: IncomingMessage, response: ServerResponse): ServerResponse {
    response.writeHead = () => response
    response.end = () => {
      request.socket.destroy()
      return response
    }
    return response
  }

  function page(response: ServerResponse, path: string, rows: readonly string[], key: string, more: object = {}): ServerResponse {
    const url = new URL(path, registry.url)
    const last = url.searchParams.get('last') ?? ''
    const size = Math.min(registry.pageSize, Number(url.searchParams.get('n') ?? '1000'))
    const rest = rows.toSorted().filter((row) => row > last)
    const own = rest.slice(0, size)
    const next = rest.length > size ? { link: `<${url.pathname}?last=${encodeURIComponent(own.at(-1) ?? '')}&n=${size}>; rel="next"` } : {}
    return reply(response, 200, { 'content-type': 'application/json', ...next }, JSON.stringify({ ...more, [key]: own }))
  }

  function serve(method: string, path: string, request: IncomingMessage, body: Buffer, response: ServerResponse): ServerResponse {
    if (path.startsWith('/v2/_catalog')) return page(response, path, [...registry.repositories.keys()], 'repositories')
    const url = new URL(path, registry.url)
    const [, name = '', kind = '', rest = ''] = /^\/v2\/(.+?)\/(manifests|blobs|tags)\/(.*)$/.exec(url.pathname) ?? []
    const repository = registry.repositories.get(name)
    if (kind === 'tags') {
      if (repository === undefined) return fail(response, 404, 'NAME_UNKNOWN')
      return page(response, path, [...repository.tags.keys()], 'tags', { name })
    }
    if (kind === 'manifests') {
      const digest = rest.includes(':') ? rest : repository?.tags.get(rest)
      const found = digest === undefined ? undefined : repository?.manifests.get(digest)
      if (method === 'GET') {
        if (found === undefined || digest === undefined) return fail(response, 404, 'MANIFEST_UNKNOWN')
        const accepted = (request.headers.accept ?? '').includes(found.mediaType) || !Object.values<string>(types).includes(found.mediaType)
        if (!accepted) return fail(response, 404, 'MANIFEST_UNKNOWN')
        return reply(response, 200, { 'content-type': found.mediaType, 'docker-content-digest': digest }, found.body)
      }
      if (method === 'DELETE') {
        if (!registry.deletes) return fail(response, 405, 'UNSUPPORTED')
        if (!rest.includes(':')) return fail(response, 400, 'DIGEST_INVALID')
        if (found === undefined) return fail(response, 404, 'MANIFEST_UNKNOWN')
        repository?.manifests.delete(rest)
        for (const [tag, at] of [...(repository?.tags ?? [])]) if (at === rest) repository?.tags.delete(tag)
        return reply(response, 202)
      }
      const own = repositoryOf(name)
      const manifest = JSON.parse(body.toString()) as {
        config?: { digest: string }
        layers?: { digest: string; urls?: string[] }[]
        manifests?: { digest: string }[]
      }
      const blobs = [manifest.config, ...(manifest.layers ?? [])].filter((one) => one !== undefined && !('urls' in one))
      const lacks =
        blobs.some((one) => !own.blobs.has(one?.digest ?? '')) || (manifest.manifests ?? []).some((one) => !own.manifests.has(one.digest))
      if (lacks) return fail(response, 400, 'MANIFEST_BLOB_UNKNOWN')
      const put = registry.put(name, rest.includes(':') ? undefined : rest, request.headers['content-type'] ?? '', body.toString())
      return reply(response, 201, { 'docker-content-digest': put })
    }
    if (kind === 'blobs' && method === 'POST') {
      const mount = url.searchParams.get('mount') ?? ''
      const from = registry.repositories.get(url.searchParams.get('from') ?? '')
      if (from?.blobs.has(mount) !== true) return reply(response, 202, { location: `/v2/${name}/blobs/uploads/one?_state=x` })
      repositoryOf(name).blobs.add(mount)
      return reply(response, 201)
    }
    if (kind === 'blobs' && method === 'DELETE') return reply(response, 204)
    return fail(response, 404, 'UNSUPPORTED')
  }

  return registry
}

import { createHash } from 'node:crypto'
import type { Action, RequestOf, ResponseOf } from '#cloud/action.ts'
import type { CloudWriter, SendOptions } from '#cloud/cloud.ts'
import { type RegistryAnswer, type RegistryReadRequest, registryService } from '#cloud/registry-call.ts'

const imageType = 'application/vnd.oci.image.manifest.v1+json'
const indexType = 'application/vnd.oci.image.index.v1+json'

interface Kept {
  readonly mediaType: string
  readonly body: Buffer
}

/** A Docker registry in memory, behind the calls that a client makes of it. It tells no times. */
export interface DockerFake {
  /** The platform's client, which reads this registry as well. */
  readonly cloud: CloudWriter
  /** Paths that were asked for, in their order. */
  readonly asked: string[]
  /** Answers instead of the registry. */
  instead: ((path: string) => Partial<RegistryAnswer> | undefined) | undefined
  /** Puts an image under a tag; the same content has the same digest. */
  push(repository: string, tag: string, content: string): string
  /** Puts an index over images, which have no tags of their own. */
  pushIndex(
    repository: string,
    tag: string,
    architectures: readonly string[],
  ): { readonly digest: string; readonly children: readonly string[] }
  remove(repository: string, tag: string): void
}

export const registryUrl = 'https://registry.test'
export const docker = { kind: 'docker', url: registryUrl } as const

export function dockerFake(platform: CloudWriter): DockerFake {
  const repositories = new Map<string, Map<string, Kept>>()
  const asked: string[] = []
  const put = (repository: string, tag: string | undefined, mediaType: string, manifest: object): string => {
    const body = Buffer.from(JSON.stringify(manifest))
    const own = repositories.get(repository) ?? new Map<string, Kept>()
    repositories.set(repository, own)
    own.set(digestOf(body), { mediaType, body })
    if (tag !== undefined) own.set(tag, { mediaType, body })
    return digestOf(body)
  }
  const image = (content: string) => ({
    schemaVersion: 2,
    mediaType: imageType,
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digestOf(`config ${content}`), size: 10 },
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digestOf(content), size: content.length }],
  })
  const answerTo = (path: string): RegistryAnswer => {
    const json = (status: number, value: object): RegistryAnswer => ({
      status,
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify(value)),
    })
    const [, name = '', kind, reference = ''] = /^\/v2\/(.+)\/(tags|manifests)\/([^?]+)/.exec(path) ?? []
    const own = repositories.get(name)
    if (own === undefined) return json(404, { errors: [{ code: 'NAME_UNKNOWN' }] })
    if (kind === 'tags') return json(200, { name, tags: [...own.keys()].filter((key) => !key.startsWith('sha256:')) })
    const found = own.get(reference)
    if (found === undefined) return json(404, { errors: [{ code: 'MANIFEST_UNKNOWN' }] })
    return { status: 200, headers: { 'content-type': found.mediaType, 'docker-content-digest': digestOf(found.body) }, body: found.body }
  }
  const fake: DockerFake = {
    asked,
    instead: undefined,
    push: (repository, tag, content) => put(repository, tag, imageType, image(content)),
    pushIndex: (repository, tag, architectures) => {
      const children = architectures.map((architecture) => put(repository, undefined, imageType, image(`${tag} ${architecture}`)))
      const manifests = children.map((digest, index) => ({
        mediaType: imageType,
        digest,
        size: 400,
        platform: { architecture: architectures[index] ?? '', os: 'linux' },
      }))
      return { digest: put(repository, tag, indexType, { schemaVersion: 2, mediaType: indexType, manifests }), children }
    },
    remove: (repository, tag) => {
      repositories.get(repository)?.delete(tag)
    },
    cloud: {
      send: async <A extends Action>(action: A, request: RequestOf<A>, options?: SendOptions): Promise<ResponseOf<A>> => {
        if (action.service !== registryService) return await platform.send(action, request, options)
        const { path } = request as unknown as RegistryReadRequest
        asked.push(path)
        return { ...answerTo(path), ...fake.instead?.(path) } as unknown as ResponseOf<A>
      },
    },
  }
  return fake
}

function digestOf(bytes: string | Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
